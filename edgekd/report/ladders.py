"""What was tried to compress each model, what was kept, and why: a table for each model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.analysis.gain_words import METRIC_NAMES
from edgekd.report.cells import Cell, missing, plain
from edgekd.score_text import change_interval, change_text, score_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgekd.decisions import Decision

TITLE = "What was kept and what was dropped"
KEY = (
    "Size and p50 as factors of the uncompressed model, and the change of the score against it on the same validation "
    "texts, with 95 % intervals. On test: whether the test texts, which chose nothing, confirm the allowed loss."
)
STATUS_WORDS = {"nearest-miss": "nearest miss", "not-applicable": "not applicable"}
CONFIRMED_WORDS = {True: "confirmed", False: "loses more", None: "cannot tell"}


@dataclass(frozen=True)
class LadderRow:
    """One candidate."""

    decision: Decision
    cells: tuple[Cell, ...]  # in the order of the ladder's headings

    @property
    def verdict(self) -> str:
        """What became of it."""
        return verdict(self.decision)

    @property
    def on_test(self) -> str:
        """Whether the test texts confirm it; a dash where nothing was measured."""
        test = self.decision.test
        return units.BLANK if test is None or test.score_change is None else CONFIRMED_WORDS[test.confirmed]

    @property
    def sentences(self) -> list[str]:
        """Why it was tried, why it was kept or dropped, and what the test texts say."""
        told = [f"Why tried: {self.decision.why}"] if self.decision.why else []
        told.append(_upper(self.decision.reason))
        if self.decision.test is not None:
            told.append(_upper(self.decision.test.words))
        return [sentence.rstrip(".") + "." for sentence in told]


@dataclass(frozen=True)
class Ladder:
    """All candidates of one model; the model itself comes first."""

    model: str
    headings: tuple[str, ...]
    rows: list[LadderRow]

    @property
    def was_tested(self) -> bool:
        """True when a candidate was measured on the test texts too."""
        return any(row.decision.test is not None for row in self.rows)


def ladders(decisions: Sequence[Decision]) -> list[Ladder]:
    """Return a table for each model, in the order of the decisions."""
    models = dict.fromkeys(decision.model for decision in decisions if decision.model)
    return [_ladder(model, [decision for decision in decisions if decision.model == model]) for model in models]


def choice_of(decisions: Iterable[Decision]) -> Decision | None:
    """Return the choice among all models of the target."""
    return next((decision for decision in decisions if decision.is_choice), None)


def other_decisions(decisions: Iterable[Decision]) -> list[Decision]:
    """Return decisions that belong to no ladder: those of older runs."""
    return [decision for decision in decisions if not decision.model and not decision.is_choice]


def choice_words(choice: Decision) -> str:
    """Say which variant is chosen for a target, and why."""
    what = "Choice" if choice.status == "best" else "Nearest miss"
    return f"{what} for {choice.target}: {choice.variant}, {choice.reason.rstrip('.')} ({choice.evidence})."


def verdict(decision: Decision) -> str:
    """Write what became of a variant."""
    if decision.is_base and decision.status == "kept":
        return "base"
    return STATUS_WORDS.get(decision.status, decision.status)


def _ladder(model: str, decisions: list[Decision]) -> Ladder:
    metric = next((decision.metric for decision in decisions if decision.metric), "")
    name = METRIC_NAMES.get(metric, metric) or "score"
    ordered = sorted(decisions, key=lambda decision: not decision.is_base)
    return Ladder(model, ("size", "p50", name), [LadderRow(decision, _cells(decision)) for decision in ordered])


def _cells(decision: Decision) -> tuple[Cell, ...]:
    if decision.is_base:
        score = plain(decision.score, lambda value: score_text(decision.metric, value), "no true values")
        return (plain(decision.size_bytes, units.size), plain(decision.p50_s, units.duration), score)
    return (_size(decision), _latency(decision), _change(decision))


def _size(decision: Decision) -> Cell:
    if decision.size_bytes is None or decision.size_ratio is None:
        return missing("was not made", blank=True)
    return Cell(units.factor(decision.size_ratio), units.size(decision.size_bytes), decision.size_ratio)


def _latency(decision: Decision) -> Cell:
    ratio = decision.latency_ratio
    if ratio is None:
        return missing("not compared", blank=True)
    if ratio.low is None or ratio.high is None:
        return Cell(units.factor(ratio.value), value=ratio.value)
    bounds = (ratio.low, ratio.high)
    return Cell(units.factor(ratio.value, *bounds), units.factor_interval(*bounds), ratio.value, *bounds)


def _change(decision: Decision) -> Cell:
    change = decision.score_change
    if change is None:
        return missing("not compared", blank=True)
    text = change_text(decision.metric, change.value, change.low, change.high)
    if change.low is None or change.high is None:
        return Cell(text, value=change.value)
    interval = change_interval(decision.metric, change.low, change.high)
    return Cell(text, interval, change.value, change.low, change.high, decision.texts)


def _upper(text: str) -> str:
    """Start a sentence with a capital letter, unless it starts with the name of a variant."""
    first = text.partition(" ")[0]
    return text if "-" in first else text[:1].upper() + text[1:]
