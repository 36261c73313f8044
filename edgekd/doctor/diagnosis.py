"""What was found out about a machine: plain records that become JSON. What the machine does not tell is None."""

from __future__ import annotations

from dataclasses import dataclass, field

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Cache:
    """One level of cache, as the first processor sees it."""

    level: int
    size_bytes: int
    shared_by: int  # logical processors


@dataclass(frozen=True)
class Processor:
    """The processor."""

    model: str
    arch: str  # of the programs that run here: "x86_64", "aarch64"
    logical_cpus: int
    physical_cores: int | None
    usable_cpus: int  # that this process may run on
    isa: list[str]
    kinds: dict[str, int] = field(default_factory=dict)  # ARM cores by name
    parts: list[str] = field(default_factory=list)  # "0x41 0xd0b": implementer and part number of each kind
    caches: list[Cache] = field(default_factory=list)  # for data
    governor: str | None = None
    min_hz: float | None = None
    max_hz: float | None = None
    current_hz: float | None = None
    load_average: float | None = None  # of the last minute

    @property
    def threads_per_core(self) -> int | None:
        """Logical processors of a core."""
        return None if not self.physical_cores else max(1, self.logical_cpus // self.physical_cores)


@dataclass(frozen=True)
class Heat:
    """Is the machine hot, or does it hold itself back?"""

    temperature_c: float | None  # the hottest sensor
    throttled: list[str] = field(default_factory=list)  # "under-voltage", "throttled since boot"...


@dataclass(frozen=True)
class MemoryState:
    """Memory of the machine, and what this process may have of it."""

    total_bytes: int
    available_bytes: int | None
    swap_bytes: int | None
    swap_used_bytes: int | None
    limit_bytes: int | None  # of the control group


@dataclass(frozen=True)
class Board:
    """What the machine is sold as, and what stands between it and this process."""

    name: str | None  # from the device tree, or from the firmware of a PC
    virtual: str | None = None  # "KVM"; what says that this is a virtual machine
    container: str | None = None  # "docker"
    cpu_quota: float | None = None  # processors that the control group allows, 1.5
    power_mode: str | None = None  # of a Jetson
    jetpack: str | None = None
    firmware: str | None = None  # of a Raspberry Pi


@dataclass(frozen=True)
class RuntimeFound:
    """An installed library that runs or prepares models."""

    name: str
    version: str
    providers: list[str] = field(default_factory=list)  # of onnxruntime
    problem: str = ""  # why it cannot be imported


@dataclass(frozen=True)
class Software:
    """System, Python and runtimes."""

    os: str
    kernel: str
    libc: str
    python: str
    bits: int  # of this Python
    runtimes: list[RuntimeFound] = field(default_factory=list)


@dataclass(frozen=True)
class Speed:
    """Matrix products of one size in one flavour, against the same in fp32 measured in turns with it."""

    flavour: str  # "fp32", "U8S8"...
    rows: int
    width: int
    seconds: float | None  # of one product in the fastest round; None under an emulator
    ratio: float | None  # of the time of fp32: median of the rounds
    ratio_low: float | None  # 95 % interval
    ratio_high: float | None
    error: float  # root mean square of the difference to fp32, as a share of fp32's


@dataclass(frozen=True)
class MicroTest:
    """Some seconds of measuring on one thread."""

    seconds: float
    speeds: list[Speed]
    saturates: bool  # sums of uint8 times int8 are wrong where they are large
    two_threads: float | None = None  # time of a product on two threads, as a share of that on one
    copy_bytes_per_s: float | None = None  # one core, each byte counted once
    tokenizer_s: float | None = None  # a sentence of 20 words, WordPiece


@dataclass(frozen=True)
class Advice:
    """Something to do, or to know."""

    topic: str  # "governor"
    found: str
    advice: str
    serious: bool = False  # numbers measured here would mislead, or nothing runs


@dataclass(frozen=True)
class Diagnosis:
    """Everything. ``fingerprint`` is the one that results and gates carry."""

    edgekd_version: str
    created_at: str  # ISO 8601, UTC
    fingerprint: str
    processor: Processor
    board: Board
    heat: Heat
    memory: MemoryState
    software: Software
    emulated: str | None = None  # how it is known that an emulator runs this
    test: MicroTest | None = None
    no_test: str = ""  # why there is none
    advice: list[Advice] = field(default_factory=list)
    schema_version: int = SCHEMA_VERSION
