"""A proof as a sentence for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.proof import Helped

if TYPE_CHECKING:
    from edgekd.proof import Gain, Proof

METRIC_NAMES = {"accuracy": "accuracy", "macro_f1": "macro F1", "pearson": "Pearson correlation"}
POINTS = {"accuracy", "macro_f1"}  # shares, told in points of 0.01
SAME = "the same student without the teacher"


def words(proof: Proof) -> str:
    """Say whether distillation helped, by how much, over how many seeds and texts, and why if that is known."""
    sentences = [_verdict(proof)]
    parts = [("more data", proof.more_data), ("softer targets", proof.softer_targets)]
    told = [f"{name}: {_part(proof.metric, gain)}" for name, gain in parts if gain is not None]
    if told:
        reasons = "; ".join(told)
        sentences.append(f"{reasons[0].upper()}{reasons[1:]}.")
    return " ".join(sentences)


def _verdict(proof: Proof) -> str:
    if proof.total is None:
        return "Cannot tell whether distillation helped: the same student was not trained without the teacher."
    gain = proof.total
    start = {
        Helped.YES: "Distillation helped",
        Helped.NO: "Distillation hurt",
        Helped.UNSURE: "Cannot tell whether distillation helped",
    }[proof.verdict]
    value, interval = _numbers(proof.metric, gain, "points")
    versus = "over" if gain.value > 0 else "against"
    zero = ", which contains 0" if proof.verdict is Helped.UNSURE else ""
    seeds = f"{len(proof.seeds)} seed{'s' if len(proof.seeds) != 1 else ''}"
    texts = f"{proof.count:,} text{'s' if proof.count != 1 else ''}"
    return (
        f"{start}: {value} of {METRIC_NAMES[proof.metric]} {versus} {SAME} "
        f"(95 % interval {interval}{zero}; {seeds}, {texts})."
    )


def _part(metric: str, gain: Gain) -> str:
    value, interval = _numbers(metric, gain)
    return f"{value} ({'cannot tell from 0' if gain.low <= 0 <= gain.high else interval})"


def _numbers(metric: str, gain: Gain, unit: str = "") -> tuple[str, str]:
    """Write a gain and its interval."""
    points = metric in POINTS
    return units.score_change(gain.value, gain.low, gain.high, in_points=points, unit=unit if points else "")
