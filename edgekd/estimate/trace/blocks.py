"""Executed blocks of one text: traced under the emulator of a core, and read from its log."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.bench.child import Child
from edgekd.bench.counts.plugin import counting_command
from edgekd.bench.counts.regions import INFER, NOTHING, TOKENIZE
from edgekd.bench.qemu_place import qemu_place
from edgekd.emulation.plugin_build import built_plugin
from edgekd.emulation.plugin_qemu import find_plugin_qemu
from edgekd.emulation.unavailable import EmulationUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edgekd.bench.variants import Variant
    from edgekd.devices import DeviceProfile

SOURCE = Path(__file__).with_name("blocks.c")
LIMIT_S = 3600.0  # of one text: a teacher under an emulator
WARM_UP_CALLS = 2
THREADS = 1  # threads that wait for one another execute as many instructions as they have time for
ARCH = "aarch64"


@dataclass(frozen=True)
class Block:
    """Instructions that are always executed one after the other.

    Attributes:
        code: their encodings, four bytes each, little-endian.
        executions: in one text, tokenizer included.
    """

    code: bytes
    executions: int

    @property
    def instructions(self) -> int:
        """How many it has."""
        return len(self.code) // 4


@dataclass(frozen=True)
class Trace:
    """What a text executes.

    Attributes:
        tokens: of the text.
        blocks: each block that is executed.
        emulator: "QEMU 7.2.22".
    """

    tokens: int
    blocks: list[Block]
    emulator: str

    @property
    def instructions(self) -> int:
        """All executed instructions."""
        return sum(block.instructions * block.executions for block in self.blocks)


def parse_log(lines: Iterable[str]) -> list[list[Block]]:
    """Return the blocks of each text from the log of ``blocks.c``: of tokenizer and graph, less what a mark costs."""
    texts: list[list[Block]] = []
    found: list[Block] = []
    for line in lines:
        word, *rest = line.split()
        if word == "end":
            texts.append(found)
            found = []
        elif word == "block":
            _, code, *counts = rest
            in_region = [int(count) for count in counts]
            executions = sum(max(0, in_region[tag] - in_region[NOTHING]) for tag in (TOKENIZE, INFER))
            if executions:
                found.append(Block(bytes.fromhex(code), executions))
    return texts


def trace(variant: Variant, profile: DeviceProfile, texts: Sequence[str], say: Callable[[str], None]) -> list[Trace]:
    """Run texts under the emulator of a board and return what each executed.

    Raises:
        EmulationUnavailable: when a tool or the network is missing.
        WorkerFailed: when the emulated process fails.
    """
    plugin = built_plugin(SOURCE, "tracer", say)  # first: it needs no network
    qemu = find_plugin_qemu(ARCH, say)
    with tempfile.TemporaryDirectory(prefix="edgekd-trace-") as folder, qemu_place(profile, say) as place:
        log = Path(folder) / "log"
        python = (*counting_command(qemu, plugin, log), *place.python[1:])
        with Child(variant.name, THREADS, place=replace(place, python=python)) as child:
            load = {"do": "load", "variant": variant.worker_spec(), "threads": THREADS, "affinity": []}
            child.ask(load, LIMIT_S)
            tokens = [int(child.ask(_request(text), LIMIT_S)["tokens"]) for text in texts]
            with log.open(encoding="utf-8", errors="replace") as lines:
                blocks = parse_log(lines)
    if len(blocks) != len(texts) or not all(blocks):
        raise EmulationUnavailable(f"QEMU {qemu.version} wrote {len(blocks)} traces of {len(texts)} texts.")
    return [Trace(count, each, f"QEMU {qemu.version}") for count, each in zip(tokens, blocks, strict=True)]


def _request(text: str) -> dict[str, Any]:
    counting = {"tool": "qemu-plugin", "warm_up": WARM_UP_CALLS, "repetitions": 1}  # written at its last mark
    return {"do": "edgekd.bench.counts.steps:count", "text": text, **counting}
