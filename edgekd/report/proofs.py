"""Did the teacher help? The arms of each student as text, and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.analysis.seeds import mean_interval
from edgekd.score_text import CORRELATIONS, change_interval, change_text, score_interval, score_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgekd.proof import Gain, Proof
    from edgekd.report.table import Row, Table

TITLE = "Did the teacher help?"
KEY = (
    "Scores on the test texts, for several seeds their mean with its 95 % interval over seeds. Hard labels: the "
    "student's texts with the teacher's most likely answers. Gain = more data + softer targets; intervals over texts "
    "and seeds."
)
HEADINGS = (
    "student",
    "seeds",
    "distilled",
    "without teacher",
    "hard labels",
    "gain",
    "more data",
    "softer targets",
    "verdict",
)


@dataclass(frozen=True)
class ProofRow:
    """One student: scores of its arms (mean over seeds [95 % interval over seeds]) and the gains, as text."""

    name: str
    proof: Proof
    cells: tuple[str, ...]  # in the order of HEADINGS


def proofs_of(table: Table) -> dict[str, Row]:
    """Return the row that speaks for each student whose control was trained: fp32 where there is one.

    Compressed forms of a student carry its proof ("cnn-vocab-int8" that of "cnn"), which is told once.
    """
    best: dict[str, Row] = {}
    for row in table.rows:
        proof = row.result.proof
        if row.is_teacher or proof is None or not (proof.control or proof.transfer_control):
            continue
        name = row.result.variant.removesuffix(f"-{row.result.precision}")
        if name not in best or row.result.precision == "fp32":
            best[name] = row
    return {name: row for name, row in sorted(best.items()) if not _is_form_of_another(name, row, best)}


def _is_form_of_another(name: str, row: Row, rows: Mapping[str, Row]) -> bool:
    return any(name.startswith(f"{other}-") and row.result.proof == found.result.proof for other, found in rows.items())


def proof_rows(table: Table) -> list[ProofRow]:
    """Return the arms of all students that have gains with intervals."""
    rows = []
    for name, row in proofs_of(table).items():
        proof = row.result.proof
        if proof is not None and (proof.total or proof.softer_targets):
            rows.append(ProofRow(name, proof, _cells(name, proof)))
    return rows


def _cells(name: str, proof: Proof) -> tuple[str, ...]:
    arms = [_arm(proof.metric, scores) for scores in (proof.student, proof.control, proof.transfer_control)]
    gains = [_gain(proof.metric, gain) for gain in (proof.total, proof.more_data, proof.softer_targets)]
    return (name, str(len(proof.seeds)), *arms, *gains, proof.verdict.value)


def _arm(metric: str, scores: Sequence[float]) -> str:
    """Write the mean over seeds with its interval, which a single seed does not have."""
    if not scores:
        return units.BLANK
    mean = mean_interval(scores)
    if mean is None:
        return score_text(metric, scores[0])
    # Student's t knows no bounds; scores have some.
    low, high = max(mean.low, -1.0 if metric in CORRELATIONS else 0.0), min(mean.high, 1.0)
    return f"{score_text(metric, mean.value)} [{score_interval(metric, low, high)}]"


def _gain(metric: str, gain: Gain | None) -> str:
    if gain is None:
        return units.BLANK
    bounds = (gain.low, gain.high)
    return f"{change_text(metric, gain.value, *bounds)} [{change_interval(metric, *bounds)}]"


def gains(table: Table) -> list[str]:
    """Say for each student whether distillation helped."""
    return [_sentence(name, row) for name, row in proofs_of(table).items()]


def _sentence(name: str, row: Row) -> str:
    proof = row.result.proof
    assert proof is not None
    if proof.words:
        return f"{name}: {proof.words}"
    return _first_schema(name, row, proof)


def over_seeds(rows: Sequence[ProofRow]) -> list[str]:
    """Say the mean score of each arm of the students that were trained with several seeds."""
    sentences = []
    for row in rows:
        proof = row.proof
        if len(proof.seeds) < 2:
            continue
        arms = [("distilled", proof.student), ("without the teacher", proof.control)]
        arms.append(("with the teacher's hard labels", proof.transfer_control))
        told = [f"{_arm(proof.metric, scores)} {what}" for what, scores in arms if scores]
        sentences.append(f"{row.name}, mean of {len(proof.seeds)} seeds [95 % interval over seeds]: {', '.join(told)}.")
    return sentences


def _first_schema(name: str, row: Row, proof: Proof) -> str:
    """Say it for a result of the first schema, which has the control's accuracy and no words."""
    gain, accuracy = row.summary.gain, row.summary.main
    if gain is None or accuracy is None:
        return f"{name}: the gain cannot be computed, because the texts have no labels."
    precision = "" if row.result.precision == "fp32" else f", measured on {row.result.precision}"
    bounds = (gain.low, gain.high)
    arms = f"{units.percent(accuracy.value)} against {units.percent(proof.control[0])}"
    numbers = (
        f"{units.points(gain.value, *bounds)} ({arms} without the teacher{precision}), "
        f"95 % interval {units.points_interval(*bounds)}"
    )
    if gain.low > 0:
        return f"KD helped {name}: {numbers}."
    if gain.high < 0:
        return f"KD hurt {name}: {numbers}."
    return f"Cannot tell whether KD helped {name}: {numbers} includes 0; more test texts would tell."
