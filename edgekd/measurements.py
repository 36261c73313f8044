"""What can be measured besides the latency of single texts: records of result files, raw, in seconds and bytes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    """Base of all stored records: immutable, unknown keys are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Memory(Record):
    """Resident set size of a measuring process, in bytes."""

    start_rss_bytes: int  # interpreter and harness, before the runtime and the model are loaded
    loaded_rss_bytes: int  # after loading
    steady_rss_bytes: int  # after all timed calls
    peak_rss_bytes: int  # VmHWM, the highest value the process ever had
    pss_bytes: int | None = None  # after all timed calls: pages shared with n processes count as 1/n


class ProcessRun(Record):
    """One measuring process of a variant; its number is ``Samples.process``."""

    load_time_s: float
    memory: Memory
    affinity: list[int] = Field(default_factory=list)


class HeapPoint(Record):
    """Memory after so many calls, for the check of leaks."""

    calls: int
    rss_bytes: int


class Harness(Record):
    """What the timing loop itself costs: a session that does nothing, timed by the same lines."""

    calls: int
    overhead_s: float  # median of a call


class Moment(Record):
    """The machine at one moment of a measurement. What the system does not tell is None."""

    at_s: float  # since the measurement began
    load_average: float | None = None  # of the last minute, this measurement included
    steal_share: float | None = None  # since the moment before: time that the hypervisor gave to others
    busy_share: float | None = None  # since the moment before: of the processors that nothing was pinned to
    clock_hz: float | None = None  # of the processors in use
    temperature_c: float | None = None  # the hottest zone
    throttled: list[str] = Field(default_factory=list)  # what the board says: "under-voltage", "frequency capped"...


class OfflinePoint(Record):
    """Scenario *offline*: as many texts as possible, so many at once."""

    batch_size: int
    texts: list[int]  # of each repetition
    seconds: list[float]  # of each repetition, tokenization included


class ServerPoint(Record):
    """Scenario *server*: texts arrive at random (a Poisson process) and wait for their turn."""

    rate_per_s: float  # wanted
    arrival_s: list[float]  # since the start
    waited_s: list[float]  # from arrival to the start of the work
    total_s: list[float]  # from arrival to the answer


class ColdStart(Record):
    """Scenario *cold*: a new process until its first answer."""

    spawned_s: float  # the whole: process started to answer received
    import_s: float  # libraries
    load_s: float  # model and tokenizer
    first_answer_s: float  # the first text
    cached: bool  # files were in the page cache


class SustainedSlice(Record):
    """Scenario *sustained*: some seconds of calls without a pause."""

    start_s: float
    seconds: float
    calls: int
    p50_s: float
    p95_s: float
    moment: Moment


class Energy(Record):
    """Energy of a number of calls, measured by the machine itself; never estimated."""

    source: str  # "rapl:package-0", "pmic", "ina3221:VDD_IN"
    idle_w: float  # before the calls
    joules: float  # of all calls, what is used when idle included
    seconds: float
    calls: int


class Counts(Record):
    """Executed instructions of single inferences, by class. Deterministic, unlike time."""

    tool: str  # "qemu-plugin", "callgrind", "perf"
    core: str  # "cortex-a72", "Haswell", "host"
    evidence: Literal["emulated", "host", "device"]
    tokens: int  # of the text
    instructions: list[int]  # of each repetition
    classes: dict[str, int] = Field(default_factory=dict)  # of the smallest repetition
    libraries: dict[str, str] = Field(default_factory=dict)


class OperatorTime(Record):
    """Time of an operator, summed over its calls."""

    name: str
    op_type: str
    seconds: float
    calls: int
    share: float  # of all operators


class Cost(Record):
    """What one inference does, from the graph: no clock involved, but for the profile of the operators."""

    tokens: int
    macs: int
    read_bytes: int  # weights and activations that operators read
    written_bytes: int
    operators: list[OperatorTime] = Field(default_factory=list)  # the ten that take longest, measured


class Estimate(Record):
    """A latency that nobody measured. Shown apart from measurements, never judged by the gate."""

    kind: Literal["analytic", "traced"]
    target: str
    tokens: int
    latency_s: float
    low_s: float
    high_s: float
    basis: str  # in words: what it was computed from
    calibrated: bool = False  # scaled by results of the user's own board


class LengthPoint(Record):
    """Latency of texts of one length, single-stream."""

    tokens: int
    total_s: list[float]
    tokenize_s: list[float]
    infer_s: list[float]
