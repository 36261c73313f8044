"""Is a choice that was made on validation texts right on the test texts? Pure, from measured results to a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.analysis import ladder_words as words
from edgekd.analysis.latency_ratio import latency_ratio
from edgekd.analysis.tried import Outcome, score_outcome
from edgekd.decisions import Confirmation, Decision, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.results import BenchResult

DEFAULT_ACCURACY_DROP = 0.01  # of the main score of a compressed model against its own fp32 self


def confirm(
    decisions: Sequence[Decision], results: Sequence[BenchResult], *, max_drop: float = DEFAULT_ACCURACY_DROP
) -> list[Decision]:
    """Add to every kept variant how it compares with its base on the test texts.

    What was kept stays kept, because test texts choose nothing; the sentence warns when they prove that a variant loses
    more than allowed. Dropped variants, bases, and those whose base was not measured stay as they are.

    Args:
        decisions: of one target.
        results: one session on the test texts.
        max_drop: allowed loss of the main score.
    """
    by_name = {result.variant: result for result in results}
    confirmed = []
    for decision in decisions:
        result = by_name.get(decision.variant)
        base = by_name.get(_base_name(decision, result)) if result is not None else None
        if result is None or base is None or base is result or not decision.kept or decision.is_choice:
            confirmed.append(decision)
        else:
            confirmed.append(decision.model_copy(update={"test": _confirmation(decision, base, result, max_drop)}))
    return confirmed


def _base_name(decision: Decision, result: BenchResult) -> str:
    """Return the base; older decisions do not name it: that of "cnn-int8" is "cnn-fp32"."""
    return decision.base or f"{result.variant.removesuffix(f'-{result.precision}')}-fp32"


def _confirmation(decision: Decision, base: BenchResult, result: BenchResult, max_drop: float) -> Confirmation:
    change, outcome = score_outcome(base, result, max_drop)
    untimed = decision.size_bytes is not None and decision.latency_ratio is None
    ratio = None if untimed else latency_ratio(base, result)
    texts = len(result.quality.predictions)
    verdict = {Outcome.WITHIN: True, Outcome.BEYOND: False}.get(outcome)
    told = words.test_verdict(result, change, ratio, outcome, max_drop)
    return Confirmation(
        texts=texts, score_change=span(change), latency_ratio=span(ratio), confirmed=verdict, words=told
    )
