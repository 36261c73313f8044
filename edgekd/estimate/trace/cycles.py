"""Cycles of executed blocks by LLVM's model of a core (llvm-mca), which knows no cache and no misprediction."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.emulation.unavailable import EmulationUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.estimate.trace.blocks import Block
    from edgekd.estimate.trace.llvm import Llvm

COVER = 0.98  # of the instructions; the other blocks are taken to cost as much per instruction
ITERATIONS = 64  # of a block, as if it were a loop: that it starts cold is not costed
LIMIT_S = 300.0
TRIPLE = "aarch64"
FEATURES = "+dotprod,+fullfp16,+lse,+rcpc,+i8mm"
# A call would be costed as 100 cycles, though the block of what is called is costed by itself.
CALLS = frozenset({"bl", "blr", "ret", "br", "svc"})
INSTEAD = "b #0"


@dataclass(frozen=True)
class Cycles:
    """What blocks cost.

    Attributes:
        cycles: of all of them.
        instructions: of all of them.
    """

    cycles: float
    instructions: int

    @property
    def per_cycle(self) -> float:
        """Instructions a cycle."""
        return self.instructions / self.cycles


def hottest(blocks: Sequence[Block], cover: float = COVER) -> list[Block]:
    """Return the fewest blocks that have this share of the executed instructions, those with most of them first."""
    total = sum(block.instructions * block.executions for block in blocks)
    chosen, covered = [], 0
    for block in sorted(blocks, key=lambda block: -block.instructions * block.executions):
        if covered >= cover * total:
            break
        chosen.append(block)
        covered += block.instructions * block.executions
    return chosen


def cost(blocks: Sequence[Block], core: str, llvm: Llvm) -> Cycles:
    """Return the cycles of blocks: executions times cycles of one execution, added up.

    Args:
        blocks: of one text.
        core: as ``llvm-mca -mcpu`` calls it.
        llvm: the tools.

    Raises:
        EmulationUnavailable: when a tool fails.
    """
    chosen = hottest(blocks)
    listing = _disassembled(chosen, llvm)
    per_execution = _analyzed(listing, core, llvm)
    cycles = sum(block.executions * each for block, each in zip(chosen, per_execution, strict=True))
    covered = sum(block.instructions * block.executions for block in chosen)
    total = sum(block.instructions * block.executions for block in blocks)
    return Cycles(cycles * total / covered, total)


def _disassembled(blocks: Sequence[Block], llvm: Llvm) -> list[list[str]]:
    """Return the instructions of each block as text."""
    words = [block.code[at : at + 4] for block in blocks for at in range(0, len(block.code), 4)]
    text = "\n".join(" ".join(f"0x{byte:02x}" for byte in word) for word in words)
    said = _run([*llvm.mc, "--disassemble", f"-triple={TRIPLE}", "-mattr=+all"], text)
    lines = [line.strip() for line in said.splitlines()]
    lines = [line for line in lines if line and not line.startswith((".text", ".section"))]
    if len(lines) != len(words):
        raise EmulationUnavailable(f"llvm-mc {llvm.version} knows {len(lines)} of {len(words)} traced instructions.")
    instructions = iter(lines)
    return [[next(instructions) for _ in range(block.instructions)] for block in blocks]


def _analyzed(listing: Sequence[Sequence[str]], core: str, llvm: Llvm) -> list[float]:
    """Return the cycles of one execution of each block."""
    lines = []
    for number, instructions in enumerate(listing):
        lines.append(f"# LLVM-MCA-BEGIN {number}")
        lines += [INSTEAD if line.split()[0] in CALLS else line for line in instructions]
        lines.append("# LLVM-MCA-END")
    options = [f"-mtriple={TRIPLE}", f"-mcpu={core}", f"-mattr={FEATURES}", f"-iterations={ITERATIONS}", "-json"]
    options += ["-skip-unsupported-instructions=lack-sched", "-resource-pressure=0", "-instruction-info=0"]
    said = json.loads(_run([*llvm.mca, *options], "\n".join(lines) + "\n"))
    found = {int(region["Name"]): region["SummaryView"]["TotalCycles"] / ITERATIONS for region in said["CodeRegions"]}
    if len(found) != len(listing):
        raise EmulationUnavailable(f"llvm-mca {llvm.version} costs {len(found)} of {len(listing)} traced blocks.")
    return [found[number] for number in range(len(listing))]


def _run(command: Sequence[str], text: str) -> str:
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, errors="replace", timeout=LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmulationUnavailable(f"'{command[-1]}' does not run: {error}.") from error
    if done.returncode:
        first = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
        raise EmulationUnavailable(f"llvm-mca or llvm-mc fails on the trace: {first}")
    return done.stdout
