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
    peak_rss_bytes: int | None  # VmHWM, the highest value the process ever had; an emulator's own would be in it
    pss_bytes: int | None = None  # after all timed calls: pages shared with n processes count as 1/n
    swap_bytes: int | None = None  # after all timed calls: what the system has put out to swap


class ProcessRun(Record):
    """One measuring process of a variant; its number is ``Samples.process``."""

    load_time_s: float | None  # None under an emulator
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
    waited_share: float | None = None  # since the moment before: the measuring process was ready and had to wait
    clock_hz: float | None = None  # of the processors in use, as the system reports it
    spin_s: float | None = None  # a fixed piece of work on them: longer when the clock is lower or a core is shared
    temperature_c: float | None = None  # the hottest zone
    swapped_in_bytes: int | None = None  # since the moment before, by the whole machine
    throttled: list[str] = Field(default_factory=list)  # what the board says: "under-voltage", "frequency capped"...


class OfflinePoint(Record):
    """Scenario *offline*: as many texts as possible, so many at once."""

    batch_size: int
    by_length: bool  # sorted by length beforehand, so that a batch needs little padding; False: in order of arrival
    texts: list[int]  # of each repetition
    seconds: list[float]  # of each repetition, tokenization included


class ServerPoint(Record):
    """Scenario *server*: texts arrive at random (a Poisson process) and wait for their turn."""

    rate_per_s: float  # wanted
    load_share: float | None  # of what the variant can answer, from its single-stream calls; None: the rate was given
    rounds: list[int]  # texts of each round; every round begins with nothing waiting
    arrival_s: list[float]  # since the start of the round
    waited_s: list[float]  # from arrival to the start of the work
    total_s: list[float]  # from arrival to the answer


class ColdStart(Record):
    """Scenario *cold*: a new process until its first answer."""

    spawned_s: float  # the whole: process started to answer received
    import_s: float  # libraries
    load_s: float  # model and tokenizer
    first_answer_s: float  # the first text
    cached: bool  # the variant's files were in the page cache, or were not; those of the libraries always were


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
    """Executed instructions of single texts, one thread. Nearly deterministic, unlike time."""

    tool: Literal["qemu-plugin", "callgrind", "perf"]
    core: str  # "cortex-a72", "Haswell", "AVX2" (callgrind), "this processor" (perf)
    evidence: Literal["emulated", "host", "device"]
    tokens: int  # of the text
    instructions: list[int]  # of the graph, each repetition
    tokenize: list[int] = Field(default_factory=list)  # of the tokenizer, each repetition
    classes: dict[str, int] = Field(default_factory=dict)  # of the graph in the smallest repetition; empty: not told
    libraries: dict[str, str] = Field(default_factory=dict)


class OperatorTime(Record):
    """Time of an operator, or of all of a type, with the profiler on; resolution one microsecond."""

    name: str  # of the node; empty where all of a type are summed
    op_type: str
    seconds: float  # of an inference, median
    calls: int  # of an inference
    share: float  # of all operators


class Cost(Record):
    """What one inference does, from the graph: no clock involved, but for the profile of the operators."""

    tokens: int
    macs: int  # multiply-adds of matrix products and convolutions
    read_bytes: int  # weights and activations that operators read
    written_bytes: int
    weight_bytes: int = 0  # the part of what is read that is constant
    inferences: int = 0  # that were profiled; 0: nothing was timed
    operators: list[OperatorTime] = Field(default_factory=list)  # the ten that take longest, measured
    types: list[OperatorTime] = Field(default_factory=list)  # all operators by type, measured


class Estimate(Record):
    """A latency that nobody measured, text in to answer out. Shown apart from measurements, never judged."""

    kind: Literal["analytic", "traced"]
    target: str
    processor: Literal["cpu", "gpu"] = "cpu"
    threads: int = 1
    tokens: int
    latency_s: float
    low_s: float
    high_s: float
    basis: str  # in words: what it was computed from
    with_tokenizer: bool = True  # False where the tokenizer was not timed: of the graph alone
    calibration_factor: float | None = None  # by which results of the user's own board scaled it


class AgainstHost(Record):
    """An emulated variant against the same files, on the same texts, on the machine that emulated."""

    host: str  # processor of that machine
    texts: int
    other_answers: int | None  # texts with another label or set of labels; None: logits could not be compared
    other_token_ids: int  # texts with other token ids
    max_abs_diff: float | None  # of a logit
    mean_abs_diff: float | None
    same: bool  # by the rules of ``edgekd verify``
    reason: str  # a sentence


class LengthPoint(Record):
    """Latency of texts of one length, single-stream."""

    tokens: int
    total_s: list[float]
    tokenize_s: list[float]
    infer_s: list[float]
