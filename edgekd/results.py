"""Result files (``*.result.json``): raw samples and where they were measured. No statistic is stored.

Times are seconds, memory is bytes. Statistics are computed on read by :mod:`edgekd.analysis.stats`, text is made
last by :mod:`edgekd.report`.

Schema history:
    1: first version.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgekd.artifacts import read_json, write_text_atomic
from edgekd.errors import InvalidArtifact

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 1
RESULT_SUFFIX = ".result.json"


class Evidence(str, Enum):
    """Where a number comes from; shown beside every number."""

    DEVICE = "device"  # measured on the board
    HOST = "host"  # measured on this machine, under the profile's thread and memory limits
    EMULATED = "emulated"  # ARM64 userland under QEMU: correctness and size, never latency
    ESTIMATED = "estimated"  # from a model, with its error range


class Role(str, Enum):
    """What a variant is in the comparison."""

    TEACHER = "teacher"
    STUDENT = "student"


class Record(BaseModel):
    """Base of all stored records: immutable, unknown keys are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Samples(Record):
    """Timed calls, column by column; every list has one entry per call, in the order of the calls.

    ``total_s`` runs from text in to label out and includes ``tokenize_s`` and ``infer_s``.
    """

    text_index: list[int] = Field(default_factory=list)  # row of the evaluation texts
    tokens: list[int] = Field(default_factory=list)  # tokens of that text after truncation
    block: list[int] = Field(default_factory=list)  # interleaving block, equal across the variants of a session
    total_s: list[float] = Field(default_factory=list)
    tokenize_s: list[float] = Field(default_factory=list)
    infer_s: list[float] = Field(default_factory=list)

    @model_validator(mode="after")
    def _equal_lengths(self) -> Samples:
        lengths = {
            len(column)
            for column in (
                self.text_index,
                self.tokens,
                self.block,
                self.total_s,
                self.tokenize_s,
                self.infer_s,
            )
        }
        if len(lengths) > 1:
            raise ValueError(f"sample columns differ in length: {sorted(lengths)}")
        if any(not value > 0 for value in self.total_s):
            raise ValueError("every total_s must be positive")
        return self


class Memory(Record):
    """Resident set size of the measuring process, in bytes."""

    start_rss_bytes: int  # interpreter and harness, before the runtime and the model are loaded
    loaded_rss_bytes: int  # after loading
    steady_rss_bytes: int  # after all timed calls
    peak_rss_bytes: int  # VmHWM, the highest value the process ever had


class Quality(Record):
    """Labels predicted for the evaluation texts; indexes into ``labels``."""

    labels: list[str]
    targets: list[int]
    predictions: list[int]
    teacher_predictions: list[int] | None = None


class Machine(Record):
    """The machine a result was measured on. ``fingerprint`` decides whether two results are comparable."""

    fingerprint: str  # hash of the fields that do not change between runs on the same machine
    cpu_model: str
    arch: str
    logical_cpus: int
    isa: list[str]
    memory_bytes: int
    os: str
    kernel: str
    python: str
    governor: str | None = None
    load_average: float | None = None
    libraries: dict[str, str] = Field(default_factory=dict)


class BenchResult(Record):
    """One variant measured for one target."""

    schema_version: int = SCHEMA_VERSION
    edgekd_version: str
    created_at: str  # ISO 8601, UTC
    session: str  # variants measured interleaved share a session id
    variant: str  # unique within a session, e.g. "cnn-int8"
    role: Role
    kind: str  # "teacher", "bag", "cnn", "transformer"...
    precision: str  # "fp32", "int8"
    backend: str  # "onnxruntime", "torch"
    evidence: Evidence
    target: str  # profile name
    threads: int
    affinity: list[int] = Field(default_factory=list)
    data_name: str
    data_hash: str  # hash of the evaluation texts and labels
    artifact: str  # path as given
    artifact_hash: str
    size_bytes: int  # all files that must be shipped
    parameters: int | None = None
    load_time_s: float
    warm_up: Samples
    samples: Samples
    memory: Memory
    quality: Quality
    machine: Machine
    control_accuracy: float | None = None  # test accuracy of the same student trained without the teacher
    control_correct: int | None = None
    lineage: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


def save_result(result: BenchResult, path: Path) -> None:
    """Write a result file atomically."""
    write_text_atomic(path, result.model_dump_json(indent=1) + "\n")


def load_result(path: Path) -> BenchResult:
    """Read a result file.

    Raises:
        InvalidArtifact: when it is missing, not JSON, of another schema version or damaged.
    """
    raw = read_json(path)
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        raise InvalidArtifact(
            f"'{path}' is not a result file of schema {SCHEMA_VERSION} (found: {version}).",
            hint="Measure again with 'edgekd bench'.",
        )
    try:
        return BenchResult.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise InvalidArtifact(f"'{path}' is damaged: {where}: {first['msg']}.") from error
