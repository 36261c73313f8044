"""What a gate run leaves behind: raw samples, one outcome per rule, one verdict a target and one of all.

Schema history:
    1: one target; rules said when to fail.
    2: ``gates`` holds one report a target; rules say what must hold and who asked for them.
"""

from __future__ import annotations

from enum import Enum

from pydantic import Field

from edgekd.errors import EXIT_INVALID, EXIT_PASS, EXIT_REGRESSION
from edgekd.gate.grammar import Origin, Reference
from edgekd.measurements import Record
from edgekd.results import Evidence, Machine, Values
from edgekd.tasks import TaskKind

SCHEMA_VERSION = 2


class Outcome(str, Enum):
    """What became of a rule, and of the gate."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    UNDECIDED = "undecided"  # the interval still contains the limit
    INVALID = "invalid"  # it could not be measured

    @property
    def exit_code(self) -> int:
        """Exit code of a gate that ends like this."""
        return {"pass": EXIT_PASS, "fail": EXIT_REGRESSION}.get(self.value, EXIT_INVALID)


class ProcessSamples(Record):
    """Calls of one process, column by column. ``seconds[side][i]`` belongs to text ``text_index[i]``."""

    created_first: int = 0  # side whose session was created first
    text_index: list[int]
    round: list[int]
    first_side: list[int]  # which side ran the text first
    seconds: list[list[float]]


class Fresh(Record):
    """One bundle alone in a fresh process."""

    load_time_s: float
    peak_rss_bytes: int  # after labelling texts one at a time, the longest among them


class SideInfo(Record):
    """What was compared."""

    path: str
    name: str
    source: str = ""  # "bundle" or "result"; empty when it could not be opened
    artifact_hash: str = ""
    size_bytes: int | None = None
    accuracy: float | None = None  # single-label
    correct: int | None = None
    score: float | None = None  # the task's main score


class RuleResult(Record):
    """One rule with what decided it. ``value``, ``low``, ``high`` are compared with ``limit``."""

    rule: str  # what must hold
    origin: Origin = Origin.FLAG
    metric: str
    reference: Reference
    limit: float  # in the metric's base unit; a fraction for "percent"
    inclusive: bool = False  # whether the limit itself is allowed
    outcome: Outcome
    baseline: float | None = None
    candidate: float | None = None
    value: float | None = None  # the candidate's value or its change, as ``reference`` says
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    margin: float | None = None  # a failure must be beyond the limit by so much; in the unit of ``limit``
    count: int | None = None  # calls a side, texts or processes behind the value
    method: str = ""  # which estimator
    problem: str = ""  # why it is undecided or invalid
    advice: str = ""
    evidence: Evidence = Evidence.HOST


class GateReport(Record):
    """The gate of one target."""

    edgekd_version: str
    created_at: str  # ISO 8601, UTC
    verdict: Outcome
    problem: str = ""  # why nothing could be judged; there are no rules then
    advice: str = ""
    self_test: bool = False
    report_only: bool = False  # the exit code does not follow the verdict
    candidate: SideInfo
    baseline: SideInfo | None = None
    target: str
    threads: int | None = None  # None: not known
    affinity: list[int] = Field(default_factory=list)
    data_name: str = ""
    data_hash: str = ""
    texts: int = 0
    task: TaskKind = TaskKind.SINGLE_LABEL
    labels: list[str] = Field(default_factory=list)
    agreement: float | None = None  # share of texts (multi-label: of decisions) that both sides answer alike
    rules: list[RuleResult] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    machine: Machine | None = None
    candidate_predictions: Values = Field(default_factory=list)  # indexes into ``labels``, or values
    baseline_predictions: Values = Field(default_factory=list)
    paired: list[ProcessSamples] = Field(default_factory=list)  # sides: baseline, candidate
    alone: list[ProcessSamples] = Field(default_factory=list)  # side: candidate
    baseline_alone: list[ProcessSamples] = Field(default_factory=list)  # when there were no turns
    candidate_fresh: list[Fresh] = Field(default_factory=list)
    baseline_fresh: list[Fresh] = Field(default_factory=list)


class GateRun(Record):
    """The gates of one run, in the order they ran: the JSON of ``edgekd gate``."""

    schema_version: int = SCHEMA_VERSION
    edgekd_version: str
    created_at: str  # ISO 8601, UTC
    verdict: Outcome  # the worst
    report_only: bool = False
    gates: list[GateReport]

    @property
    def exit_code(self) -> int:
        """Exit code of the run."""
        return EXIT_PASS if self.report_only else self.verdict.exit_code
