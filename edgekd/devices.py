"""Device profiles: validated facts and choices from ``devices/*.yaml``, with sources."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgekd.errors import ConfigError, unknown_name
from edgekd.processor import VNNI_FLAGS
from edgekd.steps import Rung

if TYPE_CHECKING:
    from collections.abc import Iterable

ARM_FLAGS = frozenset({"neon", "asimd", "dotprod", "asimddp", "i8mm", "fp16", "fphp", "asimdhp", "sve"})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Peaks(_Part):
    """What one core computes at best, and which part of it matrix products reach: enough for a roofline.

    An operation is an addition or a multiplication, so a multiply-add counts as two.
    """

    fp32_flops_per_cycle: float = Field(gt=0)
    int8_ops_per_cycle: float = Field(gt=0)  # with the instructions that the runtime takes there
    fp16_flops_per_cycle: float | None = Field(default=None, gt=0)  # absent: no fp16 arithmetic
    efficiency_fp32: float = Field(gt=0, le=1)  # share of the peak that matrix products of a small model reach
    efficiency_int8: float = Field(gt=0, le=1)
    read_bytes_per_s: float | None = Field(default=None, gt=0)  # one core reading memory in order
    all_cores_fp32: float | None = Field(default=None, ge=1)  # all cores against one, measured on a model
    all_cores_int8: float | None = Field(default=None, ge=1)
    source: str


class Cpu(_Part):
    """The processor. Unknown facts are left out, never guessed."""

    model: str
    arch: str  # "x86_64", "aarch64", "host"
    cores: int | None = Field(default=None, ge=1)
    clock_hz: float | None = Field(default=None, gt=0)
    isa: list[str] = Field(default_factory=list)  # features that matter: dotprod, i8mm, avx2, vnni...
    l1d_bytes: int | None = None
    l2_bytes: int | None = None
    l3_bytes: int | None = None
    memory_bytes: int | None = None  # the smallest version sold
    memory_max_bytes: int | None = None  # the largest version sold
    memory_bandwidth_bytes_per_s: float | None = None  # theoretical: bus width times data rate
    memcpy_bytes_per_s: float | None = None  # measured, one core, each byte counted once
    peaks: Peaks | None = None  # for estimates


class Accelerator(_Part):
    """A GPU or NPU."""

    name: str
    fp32_flops_per_s: float | None = None
    fp16_flops_per_s: float | None = None  # dense
    int8_ops_per_s: float | None = None  # dense; absent where there is no int8 arithmetic
    launch_s: float | None = None  # what starting one kernel costs, whatever it computes
    notes: str = ""


class Runtime(_Part):
    """A runtime with the reason it is preferred."""

    name: str  # "onnxruntime", "tensorrt", "openvino"
    providers: list[str] = Field(default_factory=list)
    graph: str = Field(default="portable", pattern="^(portable|ort-fused)$")  # operators that it is given
    reason: str


class Int8(_Part):
    """The int8 flavour for this processor, with the reason."""

    activation: str = Field(pattern="^(uint8|int8)$")
    weight: str = Field(pattern="^(uint8|int8)$")
    format: str = Field(default="integer-ops", pattern="^(integer-ops|qdq)$")
    per_channel: bool = False
    reduce_range: bool = False
    reason: str


class Budgets(_Part):
    """Default limits of a gate or a selection; absent means unlimited."""

    p95_s: float | None = Field(default=None, gt=0)
    size_bytes: int | None = Field(default=None, gt=0)
    peak_rss_bytes: int | None = Field(default=None, gt=0)
    accuracy_drop: float | None = Field(default=None, ge=0, le=1)


class Software(_Part):
    """What runs on the device."""

    os: str
    python: str
    stack: str = ""  # JetPack, CUDA, TensorRT


class CpuInfo(_Part):
    """What ``/proc/cpuinfo`` of the board says; libraries choose their kernels by it."""

    implementer: str = Field(pattern="^0x[0-9a-f]{2}$")
    part: str = Field(pattern="^0x[0-9a-f]{3}$")
    variant: int = Field(default=0, ge=0, le=15)
    revision: int = Field(default=0, ge=0, le=15)
    features: list[str] = Field(min_length=1)


class Emulator(_Part):
    """What QEMU emulates for this target. It shows what is computed there, never how long it takes."""

    arch: str = Field(pattern="^(aarch64|x86_64)$")
    cpu: str = Field(pattern="^[A-Za-z0-9_.,+=-]+$")  # of ``qemu-ARCH -cpu``
    glibc: str = Field(pattern=r"^2\.[0-9]+$")  # of the oldest system it runs; decides which wheels it loads
    cpuinfo: CpuInfo | None = None  # needed for aarch64 on another machine, whose own would be shown
    note: str = ""  # in what the emulated processor is another one than the board's

    @model_validator(mode="after")
    def _describes_the_processor(self) -> Emulator:
        if self.arch == "aarch64" and self.cpuinfo is None:
            raise ValueError("cpuinfo is needed for aarch64")
        return self


class Reasons(_Part):
    """Why the defaults are what they are, a sentence each."""

    threads: str = ""
    opset: str = ""
    students: str = ""
    budgets: str = ""


class Source(_Part):
    """Where a fact comes from."""

    fact: str
    source: str


class DeviceProfile(_Part):
    """One target."""

    name: str
    aliases: list[str] = Field(default_factory=list)
    boards: list[str] = Field(default_factory=list)  # what boards of this kind call themselves; beginnings of names
    description: str
    cpu: Cpu
    accelerator: Accelerator | None = None
    power_sensors: list[str] = Field(default_factory=list)
    power_modes: list[str] = Field(default_factory=list)
    runtimes: list[Runtime] = Field(min_length=1)
    threads: int = Field(ge=1)
    spinning: bool = True  # several threads spin while they wait for work: faster, and busy when there is none
    int8: Int8
    ladder: list[Rung] = Field(default_factory=list)  # candidates of compression, in the order they are tried
    opset: int = Field(ge=13, le=26)
    students: list[str] = Field(default_factory=list)
    budgets: Budgets = Field(default_factory=Budgets)
    software: Software
    emulator: Emulator | None = None
    reasons: Reasons = Reasons()
    sources: list[Source] = Field(default_factory=list)

    @property
    def is_this_machine(self) -> bool:
        """True for the profile that stands for whatever machine edgekd runs on."""
        return self.cpu.arch == "host"


def shipped_folder() -> Path:
    """Return the folder of shipped profiles: inside the wheel, or at the top of a source checkout."""
    installed = Path(str(resources.files("edgekd"))) / "_shipped" / "devices"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "devices"


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same rules in C, ten times as fast, where it was built


def load_profile_file(path: Path) -> DeviceProfile:
    """Read and validate one profile.

    Raises:
        ConfigError: naming the file and the dotted path of the wrong value.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{path}' is not valid YAML: {error}") from error
    try:
        return DeviceProfile.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise ConfigError(f"Profile '{path}': {where}: {first['msg']}.") from error


@cache
def _shipped() -> tuple[DeviceProfile, ...]:
    return tuple(load_profile_file(path) for path in sorted(shipped_folder().glob("*.yaml")))


def load_profiles(extra: Path | None = None) -> dict[str, DeviceProfile]:
    """Return all profiles by name; those of ``extra`` (a file or a folder) win over shipped ones."""
    own: list[Path] = []
    if extra is not None:
        if not extra.exists():
            raise ConfigError(f"--devices '{extra}' does not exist.", hint="Give a YAML file or a folder of them.")
        own = sorted(extra.glob("*.yaml")) if extra.is_dir() else [extra]
    profiles = [*_shipped(), *(load_profile_file(path) for path in own)]
    return {profile.name: profile for profile in profiles}


def find_profile(name: str, extra: Path | None = None) -> DeviceProfile:
    """Return the profile with this name or alias.

    Raises:
        ConfigError: when there is none; the message lists names and aliases and the nearest one.
    """
    profiles = load_profiles(extra)
    by_alias = {alias: p for p in profiles.values() for alias in [p.name, *p.aliases]}
    if name not in by_alias:
        raise unknown_name("target", name, by_alias, hint="See 'edgekd devices list'.")
    return by_alias[name]


def int8_for(profile: DeviceProfile, isa: Iterable[str]) -> Int8:
    """Return the int8 flavour of a profile for a processor with these CPU flags.

    Uint8 times int8 saturates on x86 without VNNI; ``reduce_range`` (7-bit weights) prevents it. Unknown
    flags count as such a processor, because the 7-bit flavour is right everywhere.

    Args:
        profile: the target.
        isa: flags of this machine; used only when the profile stands for this machine.
    """
    flags = {flag.lower() for flag in (isa if profile.is_this_machine else profile.cpu.isa)}
    is_arm = profile.cpu.arch == "aarch64" or (profile.is_this_machine and bool(flags & ARM_FLAGS))
    if is_arm or flags & VNNI_FLAGS or profile.int8.reduce_range or profile.int8.activation != "uint8":
        return profile.int8
    reason = (
        "no VNNI is reported, so products of uint8 and int8 are added in 16 bits and can saturate; "
        "7-bit weights (reduce_range) cannot"
    )
    return profile.int8.model_copy(update={"reduce_range": True, "reason": reason})
