"""What was tried and kept or dropped, with its numbers and the reason; ``decisions.json`` beside the results.

The file is a list. Older entries have neither status nor numbers: the status follows from ``kept``, and the numbers are
unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from edgekd.artifacts import read_json, write_json_atomic
from edgekd.errors import InvalidArtifact
from edgekd.measurements import Record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DECISIONS_FILE = "decisions.json"
Status = Literal["best", "nearest-miss", "kept", "dropped", "failed", "not-applicable"]
KEPT_STATUSES = frozenset({"best", "nearest-miss", "kept"})


class Span(Record):
    """A measured value with its 95 % interval; without one when the samples are too few."""

    value: float
    low: float | None = None
    high: float | None = None


class _Interval(Protocol):
    """An estimate of :mod:`edgekd.analysis`."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def span(found: _Interval | None) -> Span | None:
    """Return an estimate as it is stored."""
    return None if found is None else Span(value=found.value, low=found.low, high=found.high)


class Confirmation(Record):
    """The same comparison again, on the test texts that no choice was made with."""

    texts: int
    score_change: Span | None = None
    latency_ratio: Span | None = None
    confirmed: bool | None = None  # stays within the allowed loss: proven, disproven, or cannot tell
    words: str = ""  # a sentence


class Decision(Record):
    """One variant that was tried for a target.

    An entry without ``model`` that is "best" or "nearest-miss" is the choice among all models of the target.
    """

    variant: str
    target: str
    kept: bool
    reason: str  # a sentence: what was measured against what
    evidence: str  # see edgekd.results.Evidence
    status: Status = "kept"  # "kept" or "dropped" by ``kept`` if not given
    model: str = ""  # the trained model it was made of, "cnn"
    base: str = ""  # what it was compared with, "cnn-fp32"; its own name for the base
    steps: list[str] = Field(default_factory=list)  # of compression, in their order
    why: str = ""  # it was worth a try, from the profile
    texts: int | None = None  # that the scores are of
    size_bytes: int | None = None
    base_size_bytes: int | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    latency_ratio: Span | None = None  # median latency / that of the base; below 1 is faster
    peak_rss_bytes: int | None = None
    metric: str = ""  # main score: "accuracy", "macro_f1", "pearson"
    score: float | None = None
    score_change: Span | None = None  # score - that of the base, on the same texts
    proven: bool | None = None  # the interval lies within the allowed loss; None: not measured
    test: Confirmation | None = None

    @model_validator(mode="before")
    @classmethod
    def _status_from_kept(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and "status" not in raw and isinstance(raw.get("kept"), bool):
            return {**raw, "status": "kept" if raw["kept"] else "dropped"}
        return raw

    @model_validator(mode="after")
    def _status_fits(self) -> Decision:
        if self.kept != (self.status in KEPT_STATUSES):
            raise ValueError(f"kept is {self.kept} and status is {self.status}")
        return self

    @property
    def is_base(self) -> bool:
        """True for the uncompressed model that others were compared with."""
        return bool(self.base) and self.base == self.variant

    @property
    def is_choice(self) -> bool:
        """True for the choice among all models of the target."""
        return not self.model and self.status in {"best", "nearest-miss"}

    @property
    def size_ratio(self) -> float | None:
        """Bytes / those of the base."""
        if self.size_bytes is None or not self.base_size_bytes:
            return None
        return self.size_bytes / self.base_size_bytes


_DECISIONS = TypeAdapter(list[Decision])


def save_decisions(decisions: Sequence[Decision], folder: Path) -> None:
    """Write ``decisions.json`` into a folder."""
    write_json_atomic(folder / DECISIONS_FILE, [decision.model_dump(mode="json") for decision in decisions])


def load_decisions(folder: Path) -> list[Decision]:
    """Read the decisions of a folder; none when there is no file.

    Raises:
        InvalidArtifact: when the file is damaged.
    """
    path = folder / DECISIONS_FILE
    if not path.is_file():
        return []
    try:
        return _DECISIONS.validate_python(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidArtifact(f"'{path}' is damaged: {where}: {first['msg']}.") from error
