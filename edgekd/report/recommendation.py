"""Which variant to ship to a target, and why: the record. It is made by :mod:`edgekd.report.recommend`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekd.report.cells import Cell

TITLE = "Recommendation"
HEADINGS = ("budget", "measured", "limit", "verdict", "evidence")


@dataclass(frozen=True)
class BudgetCheck:
    """One budget of the target's profile against what was measured."""

    name: str  # "p95", "size", "peak RSS", "accuracy against the teacher"
    measured: Cell
    limit: Cell
    fits: bool | None  # None: cannot tell
    evidence: str  # "device", "host", "emulated"; empty where nothing was measured
    note: str = ""  # why it cannot be told, and what is known instead
    proves: bool = True  # False: measured on another machine than the target, or emulated


@dataclass(frozen=True)
class Recommendation:
    """The variant to ship, with what speaks for it and what against."""

    variant: str  # name of a row
    sentence: str  # "Ship cnn-int8 to raspberry-pi-4: ..."
    reasons: list[str]  # sentences: what was recorded, what cannot be told, the nearest alternative and its cost
    checks: list[BudgetCheck] = field(default_factory=list)  # none: the profile sets no budget
    fits: bool | None = None  # every budget: True; one is certainly broken: False; else, and without budgets: None
    rule: str = ""  # how it was chosen, one sentence
