"""What the method and the figures mean, in sentences that the terminal and the page share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.explain.contributions import Method
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.analysis.estimators import Estimate
    from edgekd.explain.contributions import Contributions
    from edgekd.explain.explainer import FaithfulnessReport, View
    from edgekd.explain.faithfulness import Faithfulness

_SHOWN_CUT = 8


def quantity(kind: TaskKind) -> str:
    """Name what contributions are measured in."""
    return "value" if kind is TaskKind.REGRESSION else "log-odds"


def method_sentence(model: str, method: Method, kind: TaskKind) -> str:
    """Say how the contributions of a model were found."""
    what = quantity(kind)
    if method is Method.ADDITIVE:
        return (
            f"{model}: exact parts of the {what}. They add up, with the base of a text without words, to the {what}; "
            "an n-gram is shared equally by its words."
        )
    return f"{model}: how much the {what} fall{'s' if kind is TaskKind.REGRESSION else ''} when the word is left out."


def score_sentence(kind: TaskKind, labels: int) -> str:
    """Define the explained number."""
    if kind is TaskKind.REGRESSION:
        return "The value is in the units of the data."
    if kind is TaskKind.MULTI_LABEL or labels == 2:
        return "Log-odds are log(p / (1 - p)) of the label's calibrated probability p."
    return "Log-odds are the label's calibrated logit minus the mean of the other labels' logits."


def answer_words(view: View, label: str, kind: TaskKind) -> str:
    """Say what a model answers, and how likely it finds the explained label when that is another."""
    if kind is TaskKind.REGRESSION:
        return f"{label} {units.setting(view.outputs[label])}" if label in view.outputs else _only(view)
    answers = ", ".join(f"{name} {units.probability(view.outputs[name])}" for name in view.chosen) or "(none)"
    return answers if label in view.chosen else f"{answers}; {label} {units.probability(view.outputs[label])}"


def _only(view: View) -> str:
    [(name, value)] = view.outputs.items()  # a teacher's value may have another name
    return f"{name} {units.setting(value)}"


def cut_sentence(view: View) -> str | None:
    """Name the words that a model did not read because the text is too long."""
    if not view.cut:
        return None
    more = f" and {len(view.cut) - _SHOWN_CUT} more" if len(view.cut) > _SHOWN_CUT else ""
    count = f"{len(view.cut)} word{'s' if len(view.cut) > 1 else ''}"
    return f"{view.model} did not read the last {count}, the text is too long: {' '.join(view.cut[:_SHOWN_CUT])}{more}"


def agreement_words(agreement: float | None) -> str:
    """Say how alike two explanations order the words."""
    if agreement is None:
        return "Too few words to compare the two explanations."
    return (
        f"Agreement of the two explanations (Spearman's rank correlation of the words): {units.contribution(agreement)}"
    )


def figure(estimate: Estimate, *, signed: bool = False) -> str:
    """Write a figure with as many digits as its interval supports."""
    return _digits(estimate.value, estimate, signed=signed)


def interval(estimate: Estimate, *, signed: bool = False) -> str:
    """Write the 95 % interval of a figure."""
    return f"{_digits(estimate.low, estimate, signed=signed)} to {_digits(estimate.high, estimate, signed=signed)}"


def _digits(value: float, estimate: Estimate, *, signed: bool) -> str:
    text = units.number(value, (estimate.high - estimate.low) / 2)
    return f"+{text}" if signed and value > 0 else text


def faithfulness_words(figures: Faithfulness, kind: TaskKind) -> str:
    """Say in one sentence whether the explanation beats a random order, at the smallest share of words."""
    first = figures.shares[0]
    gain = first.comprehensiveness_gain
    what = "value" if kind is TaskKind.REGRESSION else "probability of the predicted label"
    if gain.low > 0:
        verdict = "the explanation names words that the model uses"
    elif gain.high < 0:
        verdict = "the explanation is worse than a random choice of words"
    else:
        verdict = "cannot tell the explanation from a random choice of words"
    return (
        f"{figures.model}: without the {units.rough_percent(first.share)} of the words with the highest contributions "
        f"the {what} falls by {figure(first.comprehensiveness)}, without random words by "
        f"{figure(first.random_comprehensiveness)}; difference {figure(gain, signed=True)} "
        f"(95 % interval {interval(gain, signed=True)}, {figures.texts:,} texts): {verdict}."
    )


def report_notes(report: FaithfulnessReport) -> list[str]:
    """Say what belongs to all figures: agreement of the models, texts that were left out."""
    notes = []
    mean = report.agreement
    if mean is not None:
        notes.append(
            f"Agreement of the two explanations (mean rank correlation over {mean.n:,} texts): "
            f"{units.contribution(mean.value)} (95 % interval {units.contribution(mean.low)} to "
            f"{units.contribution(mean.high)})."
        )
    if report.skipped:
        texts = "1 text" if report.skipped == 1 else f"{report.skipped:,} texts"
        notes.append(f"Left out: {texts} with fewer than two words.")
    return notes


def methods(kind: TaskKind, models: Sequence[tuple[str, Contributions]]) -> list[str]:
    """Return a sentence for every model and the way it was explained."""
    return list(dict.fromkeys(method_sentence(name, found.method, kind) for name, found in models))
