"""What ``edgekd bench`` does otherwise where an emulator answers: fewer texts, no time, and a comparison with here."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from edgekd.bench.qemu_place import find_emulator, is_qemu
from edgekd.data.types import Examples
from edgekd.emulation.verify import RUNTIMES
from edgekd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.bench.phase import Phase
    from edgekd.bench.variants import Variant
    from edgekd.config import BenchConfig
    from edgekd.devices import DeviceProfile

TEXTS = 64  # by default: half a minute for a small student, some minutes for a transformer of six layers


def emulator_of(on: Sequence[str], devices: Path | None) -> DeviceProfile | None:
    """Return the profile whose emulator is meant by ``--on``; None when no emulator is.

    Raises:
        ConfigError: for an unknown one, or when it is not the only place.
    """
    emulators = [one for one in on if is_qemu(one)]
    if not emulators:
        return None
    if len(on) > 1:
        raise ConfigError(
            f"--on {emulators[0]} stands alone; {len(on)} places were given.",
            hint="Call 'edgekd bench' once for each emulator: each has its own result files.",
        )
    return find_emulator(emulators[0], devices)


def check_emulable(
    variants: Sequence[Variant], phases: Sequence[Phase], config: BenchConfig, *, limited: bool = False
) -> None:
    """Refuse what an emulator cannot do.

    Args:
        variants: to be answered with.
        phases: to be measured besides.
        config: of the measurement.
        limited: a limit of the memory was asked for.

    Raises:
        ConfigError: for a runtime that is not emulated, or something that has to be timed.
    """
    for variant in variants:
        if variant.backend not in RUNTIMES:
            raise ConfigError(
                f"Only graphs of ONNX Runtime are emulated; '{variant.name}' is for '{variant.backend}'.",
                hint="Give its ONNX bundle, or leave it out.",
            )
    timed = [phase.title for phase in phases if phase.needs_time]
    if config.precision is not None:
        timed.append("--precision")
    if timed:
        raise ConfigError(
            f"An emulator shows what a processor computes, never how long it takes; asked was: {', '.join(timed)}.",
            hint="Measure time on the board (--on ssh://USER@HOST) or here (without --on).",
        )
    if limited:
        raise ConfigError(
            "--memory-limit would count the emulator's own memory too.",
            hint="Leave it out; steady memory is reported without the emulator.",
        )


def fewer_texts(texts: Examples, name: str, config: BenchConfig) -> tuple[Examples, str]:
    """Return ``config.max_texts`` texts, 64 if that is not given, and their name: drawn by the seed, in their order."""
    count = config.max_texts or TEXTS
    if count >= len(texts):
        return texts, name
    chosen = sorted(Random(config.seed).sample(range(len(texts)), count))  # noqa: S311 - not cryptography
    drawn = Examples([texts.texts[i] for i in chosen], [texts.targets[i] for i in chosen])
    return drawn, f"{name}, {count:,} of {len(texts):,} texts"
