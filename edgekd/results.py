"""Result files (``*.result.json``): raw samples and where they were measured. No statistic is stored.

Times are seconds, memory is bytes. Statistics are computed on read by :mod:`edgekd.analysis.stats`, text is made
last by :mod:`edgekd.report`.

Schema history:
    1: single-label; a student's control is its accuracy and its number of right answers.
    2: three tasks; logits of the variant and of the teacher; calibration; ``proof`` instead of the control's numbers.
    3: several processes a variant; cost of the harness; the machine over time; scenarios, counts, energy, estimates.
    4: steps of the lineage with hashes and details instead of a line each; figures of parity; settings.

All are read; an older file becomes a record of the present schema.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from edgekd.artifacts import read_json, write_text_atomic
from edgekd.errors import InvalidArtifact
from edgekd.measurements import (
    AgainstHost,
    ColdStart,
    Cost,
    Counts,
    Energy,
    Estimate,
    Harness,
    HeapPoint,
    LengthPoint,
    Memory,
    Moment,
    OfflinePoint,
    ProcessRun,
    Record,
    ServerPoint,
    SustainedSlice,
)
from edgekd.proof import Proof
from edgekd.provenance import LineageStep, ParityFigures, step_of_words
from edgekd.tasks import Calibration, Task, TaskKind

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 4
READABLE = (1, 2, 3, 4)
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


class Samples(Record):
    """Timed calls, column by column; every list has one entry per call, in the order of the calls.

    ``total_s`` runs from text in to label out and is the sum of ``tokenize_s``, ``infer_s`` and ``post_s``.
    """

    text_index: list[int] = Field(default_factory=list)  # row of the evaluation texts
    tokens: list[int] = Field(default_factory=list)  # tokens of that text after truncation
    block: list[int] = Field(default_factory=list)  # interleaving block, equal across the variants of a session
    process: list[int] = Field(default_factory=list)  # which of the variant's processes; empty: there was only one
    total_s: list[float] = Field(default_factory=list)
    tokenize_s: list[float] = Field(default_factory=list)
    infer_s: list[float] = Field(default_factory=list)
    post_s: list[float] = Field(default_factory=list)  # choosing the answer; empty before schema 3: it is in infer_s

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
        lengths |= {len(column) for column in (self.process, self.post_s) if column}
        if len(lengths) > 1:
            raise ValueError(f"sample columns differ in length: {sorted(lengths)}")
        if any(not value > 0 for value in self.total_s):
            raise ValueError("every total_s must be positive")
        return self


# One value a text, by the task: an index into the labels, sorted indexes (perhaps none), or a number.
Values = list[int] | list[tuple[int, ...]] | list[float]


class Quality(Record):
    """What was predicted for the evaluation texts, and what is true.

    ``logits`` have a row for each text and a column for each label (one column for a regression), as float32
    rounded to six significant digits (nine under an emulator); ``predictions`` follow from them and ``calibration``.
    """

    task: TaskKind = TaskKind.SINGLE_LABEL
    labels: list[str]  # of a regression: the name of what is measured
    targets: Values
    predictions: Values
    teacher_predictions: Values | None = None
    logits: list[list[float]] | None = None
    teacher_logits: list[list[float]] | None = None
    calibration: Calibration = Calibration()
    teacher_calibration: Calibration = Calibration()

    @field_validator("targets", "predictions", "teacher_predictions", mode="after")
    @classmethod
    def _are_of_the_task(cls, values: Values | None, info: ValidationInfo) -> Values | None:
        task, labels = info.data.get("task"), info.data.get("labels")
        if values is None or task is None or labels is None:
            return values  # what is missing has its own error
        if task is TaskKind.REGRESSION:
            return _numbers(values)
        _check_indexes(values, task, len(labels))
        return values

    @model_validator(mode="after")
    def _equal_lengths(self) -> Quality:
        texts, outputs = len(self.predictions), self.as_task.num_outputs
        if self.targets and len(self.targets) != texts:
            raise ValueError(f"{len(self.targets)} targets and {texts} predictions")
        if self.task is TaskKind.MULTI_LABEL and texts and self.logits is None:
            raise ValueError("a multi-label result needs logits")
        for name in ("logits", "teacher_logits"):
            rows = getattr(self, name)
            if rows is not None and (len(rows) != texts or any(len(row) != outputs for row in rows)):
                raise ValueError(f"{name} must have {texts} rows of {outputs}")
        return self

    @property
    def as_task(self) -> Task:
        """The task with its labels."""
        return Task(self.task, tuple(self.labels))


def _numbers(values: Values) -> list[float]:
    numbers = [value for value in values if not isinstance(value, tuple) and math.isfinite(value)]
    if len(numbers) < len(values):
        raise ValueError("a regression has one finite number a text")
    return [float(number) for number in numbers]


def _check_indexes(values: Values, task: TaskKind, labels: int) -> None:
    wanted = int if task is TaskKind.SINGLE_LABEL else tuple
    for value in values:
        if not isinstance(value, wanted):
            what = "one label index" if wanted is int else "a list of label indexes"
            raise ValueError(f"{task.value} needs {what} a text, found {value}")
        indexes = value if isinstance(value, tuple) else (value,)
        if any(not 0 <= index < labels for index in indexes):
            raise ValueError(f"{value} is no index into {labels} labels")


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
    power_mode: str | None = None  # of a Jetson
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
    board: str | None = None  # address of the board that was asked to measure; None: this machine, or an emulator
    threads: int
    affinity: list[int] = Field(default_factory=list)
    settings: dict[str, Any] = Field(default_factory=dict)  # of the measurement, where they are not the defaults
    data_name: str
    data_hash: str  # hash of the evaluation texts and labels
    artifact: str  # path as given
    artifact_hash: str
    size_bytes: int  # all files that must be shipped
    parameters: int | None = None
    load_time_s: float | None  # median of the processes; None under an emulator
    warm_up: Samples  # of the first process
    samples: Samples  # empty where nothing can be timed: under an emulator
    memory: Memory  # of the process with the highest peak
    processes: list[ProcessRun] = Field(default_factory=list)  # each of them; empty in results of schema 2
    harness: Harness | None = None
    machine_over_time: list[Moment] = Field(default_factory=list)  # equal across the variants of a session
    heap: list[HeapPoint] = Field(default_factory=list)
    lengths: list[LengthPoint] = Field(default_factory=list)
    offline: list[OfflinePoint] = Field(default_factory=list)
    server: list[ServerPoint] = Field(default_factory=list)
    cold: list[ColdStart] = Field(default_factory=list)
    sustained: list[SustainedSlice] = Field(default_factory=list)
    energy: list[Energy] = Field(default_factory=list)
    counts: list[Counts] = Field(default_factory=list)
    cost: Cost | None = None
    against_host: AgainstHost | None = None  # only of an emulated variant
    estimates: list[Estimate] = Field(default_factory=list)  # never measured, never judged
    quality: Quality
    machine: Machine
    proof: Proof | None = None  # of a student: what the teacher gained
    lineage: list[LineageStep] = Field(default_factory=list)
    parity: ParityFigures | None = None  # of the graph against the model it was made of, as its bundle says
    notes: list[str] = Field(default_factory=list)


def save_result(result: BenchResult, path: Path) -> None:
    """Write a result file atomically."""
    write_text_atomic(path, result.model_dump_json(indent=1) + "\n")


def load_result(path: Path) -> BenchResult:
    """Read a result file of this schema or an older one.

    Raises:
        InvalidArtifact: when it is missing, not JSON, of an unknown schema version or damaged.
    """
    return parse_result(read_json(path), path)


def parse_result(raw: Any, path: Path) -> BenchResult:
    """Turn a stored record of this schema or an older one into a result.

    Args:
        raw: what the JSON holds.
        path: of the file it was found in, for messages.

    Raises:
        InvalidArtifact: when it is of an unknown schema version or damaged.
    """
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if type(version) is int and version > SCHEMA_VERSION:
        by = raw.get("edgekd_version")
        raise InvalidArtifact(
            f"'{path}' is a result of schema {version}{f', written by edgekd {by}' if isinstance(by, str) else ''}; "
            f"this edgekd reads schemas up to {SCHEMA_VERSION}.",
            hint="Update edgekd (pip install --upgrade edgekd), or measure again with this one: 'edgekd bench'.",
        )
    if type(version) is not int or version not in READABLE:
        raise InvalidArtifact(
            f"'{path}' is not a result file of schema {', '.join(map(str, READABLE[:-1]))} or {READABLE[-1]} "
            f"(found: {version!r:.40}).",
            hint="Results are written by 'edgekd bench --out DIR', as VARIANT.result.json.",
        )
    try:
        return BenchResult.model_validate(_upgraded(raw))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise InvalidArtifact(f"'{path}' is damaged: {where}: {first['msg']}.") from error


def _upgraded(raw: dict[str, Any]) -> dict[str, Any]:
    """Turn a record of an older schema into one of the present; schema 3 only adds to schema 2."""
    lineage = raw.get("lineage")
    if raw["schema_version"] != SCHEMA_VERSION and isinstance(lineage, list):
        raw = {**raw, "lineage": [step_of_words(step) if isinstance(step, str) else step for step in lineage]}
    if raw["schema_version"] != 1:
        return {**raw, "schema_version": SCHEMA_VERSION}
    record = {key: value for key, value in raw.items() if not key.startswith("control_")}
    quality = raw.get("quality")
    targets, predictions = (
        (quality.get("targets"), quality.get("predictions")) if isinstance(quality, dict) else (None, None)
    )
    accuracy = None
    if targets and isinstance(predictions, list) and len(predictions) == len(targets):
        accuracy = sum(a == b for a, b in zip(targets, predictions, strict=True)) / len(targets)
    proof = proof_of_control(accuracy, raw.get("control_accuracy"), raw.get("control_correct"))
    return {**record, "schema_version": SCHEMA_VERSION, "proof": proof}


def proof_of_control(accuracy: Any, control_accuracy: Any, control_correct: Any) -> Proof | None:
    """Return what schema 1 knew of a control: two arms of one seed without an interval.

    How many texts the control saw follows from its accuracy and its right answers.
    """
    if not isinstance(control_accuracy, int | float):
        return None
    known = isinstance(control_correct, int) and control_accuracy > 0
    return Proof(
        metric="accuracy",
        count=round(control_correct / control_accuracy) if known else 0,
        seeds=[0],
        student=[float(accuracy)] if isinstance(accuracy, int | float) else [],
        control=[float(control_accuracy)],
    )
