"""The two sides of a comparison: what was measured where, and which answers differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from edgekd.provenance import ParityFigures
    from edgekd.results import BenchResult


@dataclass(frozen=True)
class Side:
    """What was measured on one side, and where."""

    variant: str
    evidence: str  # "device", "host", "emulated"
    machine: str  # processor, or the board that was asked
    measured_at: str
    artifact: str
    artifact_hash: str
    parity: ParityFigures | None  # of the graph with the model it was made of; None in older results


@dataclass(frozen=True)
class Flips:
    """Texts that are answered differently now. Two models may be equally accurate and still differ on many texts."""

    texts: int
    changed: int
    broken: int | None  # were right and are wrong now; None without true values
    fixed: int | None


def flips_between(before: BenchResult, after: BenchResult) -> Flips | None:
    """Count the texts that are answered differently; those without true values are only counted as changed."""
    if before.quality.task is TaskKind.REGRESSION:
        return None
    first, second, targets = before.quality.predictions, after.quality.predictions, after.quality.targets
    if len(first) != len(second):
        return None
    changed = sum(a != b for a, b in zip(first, second, strict=True))
    if not targets or len(targets) != len(first):
        return Flips(len(first), changed, None, None)
    sides = list(zip(targets, first, second, strict=True))
    broken = sum(old == true != new for true, old, new in sides)
    fixed = sum(new == true != old for true, old, new in sides)
    return Flips(len(first), changed, broken, fixed)


def side_of(result: BenchResult) -> Side:
    """Return what a side rests on."""
    return Side(
        variant=result.variant,
        evidence=result.evidence.value,
        machine=result.board or result.machine.cpu_model,
        measured_at=result.created_at,
        artifact=result.artifact,
        artifact_hash=result.artifact_hash,
        parity=result.parity,
    )
