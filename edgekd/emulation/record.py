"""What was found out about a bundle on a target's instructions, as stored data. Words are made from it."""

from __future__ import annotations

from enum import Enum

from pydantic import Field

from edgekd.measurements import Record
from edgekd.results import Evidence

SCHEMA_VERSION = 1


class Outcome(str, Enum):
    """What a comparison says."""

    SAME = "same"
    DIFFERS = "differs"
    NOT_RUN = "not run"


class Flip(Record):
    """A text that is answered differently."""

    text: str  # cut where it is long
    here: str
    there: str
    max_abs_diff: float  # of its logits


class Comparison(Record):
    """One graph on one target against the same graph here."""

    bundle: str  # name of the variant
    artifact: str  # hash of the bundle
    flavour: str  # precision of the bundle, or the int8 flavour that was made of it
    target: str
    cpu: str  # that QEMU emulates
    emulator: str = ""  # "QEMU 7.2.22"
    evidence: Evidence = Evidence.EMULATED
    outcome: Outcome
    reason: str  # a sentence
    texts: int = 0
    max_abs_diff: float | None = None  # of a logit
    mean_abs_diff: float | None = None
    flips: int = 0
    allowed_flips: int | None = None  # None: the logits decide
    other_ids: int = 0  # texts whose token ids differ
    worst: list[Flip] = Field(default_factory=list)  # at most ten, the largest difference first
    python: str = ""  # there
    libraries: dict[str, str] = Field(default_factory=dict)  # there
    instructions: list[str] = Field(default_factory=list)  # of the emulated processor, as numpy names them


class Verification(Record):
    """All comparisons of one call of ``edgekd verify``."""

    schema_version: int = SCHEMA_VERSION
    host: str  # processor of this machine
    host_instructions: list[str]
    host_libraries: dict[str, str]
    text_source: str
    comparisons: list[Comparison]
