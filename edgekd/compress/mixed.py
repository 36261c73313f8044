"""Mixed precision: int8 but for the few operators that cost most, until the score is within the budget.

Greedy, as the partial quantization of Wu et al. 2020 (arXiv 2004.09602), but ordered by what an operator
gains for its bytes, and thinned out at the end.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.analysis.ladder_words import amount
from edgekd.compress.examiner import Examiner
from edgekd.compress.sensitivity import Sensitivity, sensitivity
from edgekd.errors import NotApplicable
from edgekd.score_text import score_text
from edgekd.tasks import Calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from edgekd.compress.examiner import Answer
    from edgekd.compress.sensitivity import OperatorCost, Quantize
    from edgekd.data.types import Target
    from edgekd.progress import Progress
    from edgekd.steps import MixedInt8Step
    from edgekd.tasks import Task

TOLERANCE = 1e-9  # of a score that was computed from counts


@dataclass(frozen=True)
class Trial:
    """A set of operators in fp32, and how the graph answers."""

    nodes: tuple[str, ...]
    answer: Answer


@dataclass(frozen=True)
class MixedRecord:
    """What was found, and how.

    Args:
        score_name: of the main score, on all validation texts.
        max_drop: of the score, against fp32.
        fp32: the answer of the fp32 graph.
        int8: the answer of the graph with all in int8.
        mixed: the answer of the graph that was written.
        nodes: in fp32 there, by their names in the graph.
        layers: the same, by their names in the model.
        path: what was tried, in order: first one operator more each, then one less.
        sensitivity: the table that gave the order.
    """

    score_name: str
    max_drop: float
    fp32: Answer
    int8: Answer
    mixed: Answer
    nodes: list[str]
    layers: list[str]
    path: list[Trial] = field(repr=False)
    sensitivity: Sensitivity = field(repr=False)

    @property
    def within_budget(self) -> bool:
        """True when the score on validation is (a point estimate)."""
        return self.mixed.score >= self.fp32.score - self.max_drop - TOLERANCE

    def as_rows(self) -> list[dict[str, Any]]:
        """Return the table of operators, with which of them stay fp32."""
        return [{**row, "fp32": row["node"] in self.nodes} for row in self.sensitivity.as_rows()]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""
        return {
            **{name: value for name, value in asdict(self).items() if name not in ("path", "sensitivity")},
            "within_budget": self.within_budget,
            "words": self.words(),
            "path": [{"nodes": list(trial.nodes), **asdict(trial.answer)} for trial in self.path],
            "sensitivity_texts": self.sensitivity.texts,
            "divergence_name": self.sensitivity.divergence_name,
            "operators": self.as_rows(),
        }

    def words(self) -> str:
        """Return it in a sentence."""
        mixed, int8, fp32 = (score_text(self.score_name, one.score) for one in (self.mixed, self.int8, self.fp32))
        added = units.size_change(self.mixed.size_bytes - self.int8.size_bytes)
        end = "" if self.within_budget else f"; still more than {amount(self.score_name, self.max_drop)} below fp32"
        count = f"{len(self.nodes)} of {len(self.sensitivity.operators)} operators"
        scores = f"{self.score_name} {mixed} (int8 {int8}, fp32 {fp32})"
        return f"{count} stay fp32 ({', '.join(self.layers)}; {added}): {scores}{end}"


def mixed_int8(
    source: Path,
    target: Path,
    quantize: Quantize,
    *,
    rows: Sequence[Sequence[int]],
    reference: np.ndarray[Any, Any],
    targets: Sequence[Target],
    task: Task,
    pad_token_id: int,
    step: MixedInt8Step,
    budget_drop: float,
    progress: Progress,
    calibration: Calibration | None = None,
) -> MixedRecord:
    """Write a graph in int8 with as few bytes in fp32 as the budget allows.

    Operators are added in the order of the divergence from fp32 that each gains for a byte, until the score is within
    the budget or ``step.max_fp32`` are in fp32. Then each that can be missed goes again, the largest first. When the
    budget is not reached, the set with the best score is written, and the record says so.

    Args:
        source: fp32 ONNX graph.
        target: where the graph goes.
        quantize: writes the graph in int8 to a path, without the nodes that it is given.
        rows: token ids of validation texts.
        reference: logits of the fp32 graph for them, shape ``(texts, outputs)``.
        targets: the true ones.
        task: what a target is.
        pad_token_id: of the tokenizer; texts are run alone, so nothing is padded.
        step: how many operators may stay fp32.
        budget_drop: of the main score, against fp32.
        progress: told where the work stands.
        calibration: how logits become choices.

    Raises:
        NotApplicable: when int8 is within the budget as it is, or no set of operators is better.
        InvalidArtifact: when the quantizer fails.
    """
    examiner = Examiner(rows, reference, targets, task, calibration or Calibration())
    search = _Search(source, quantize, examiner, budget_drop)
    metric = task.main_metric
    fp32 = score_text(metric, search.fp32.score)
    if search.is_within(search.int8):
        raise NotApplicable(
            f"int8 loses nothing that counts: {metric} {score_text(metric, search.int8.score)} against {fp32} in fp32 "
            f"on {len(rows)} texts, and {amount(metric, budget_drop)} may be lost."
        )
    table = sensitivity(source, quantize, examiner, progress=progress)
    chosen = search.thin_out(search.add(order(table.operators), step.max_fp32), table.operators)
    best = chosen.answer
    if not chosen.nodes:
        raise NotApplicable(
            f"No operator in fp32 helps: {metric} stays {score_text(metric, best.score)} against {fp32} in fp32, "
            f"with up to {step.max_fp32} of {len(table.operators)} tried."
        )
    quantize(target, chosen.nodes)
    layers = {operator.node: operator.name for operator in table.operators}
    record = MixedRecord(
        score_name=task.main_metric,
        max_drop=budget_drop,
        fp32=search.fp32,
        int8=search.int8,
        mixed=best,
        nodes=list(chosen.nodes),
        layers=[layers[node] for node in chosen.nodes],
        path=search.path,
        sensitivity=table,
    )
    progress.say(f"  {record.words()}")
    return record


def order(operators: Sequence[OperatorCost]) -> list[OperatorCost]:
    """Return the operators that gain something, most divergence for a byte first."""
    helpful = [operator for operator in operators if operator.gain > 0]
    return sorted(helpful, key=lambda operator: operator.gain / operator.added_bytes, reverse=True)


class _Search:
    """Tries sets of operators on all texts; ``path`` remembers which."""

    def __init__(self, source: Path, quantize: Quantize, examiner: Examiner, max_drop: float) -> None:
        self.quantize = quantize
        self.examiner = examiner
        self.max_drop = max_drop
        self.fp32 = examiner.of_fp32(source)
        self.path: list[Trial] = []
        self.int8 = self._try(()).answer

    def is_within(self, answer: Answer) -> bool:
        """Tell whether a score is within the budget."""
        return answer.score >= self.fp32.score - self.max_drop - TOLERANCE

    def _try(self, nodes: tuple[str, ...]) -> Trial:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            self.quantize(path, nodes)
            self.path.append(Trial(nodes, self.examiner.examine(path)))
        return self.path[-1]

    def add(self, operators: Sequence[OperatorCost], most: int) -> Trial:
        """Return the first set within the budget, or else the best one: by score, then the smallest."""
        trials = [self.path[0]]
        for operator in operators[:most]:
            try:
                trials.append(self._try((*trials[-1].nodes, operator.node)))
            except NotApplicable:  # nothing would be left in int8
                break
            if self.is_within(trials[-1].answer):
                return trials[-1]
        return max(trials, key=lambda trial: (trial.answer.score, -trial.answer.size_bytes))

    def thin_out(self, best: Trial, operators: Sequence[OperatorCost]) -> Trial:
        """Take away operators, the largest first, as long as the score stays within the budget, or no worse."""
        added = {operator.node: operator.added_bytes for operator in operators}
        least = min(best.answer.score, self.fp32.score - self.max_drop) - TOLERANCE
        for node in sorted(best.nodes, key=lambda node: -added[node]):
            if len(best.nodes) > 1:
                trial = self._try(tuple(other for other in best.nodes if other != node))
                if trial.answer.score >= least:
                    best = trial
        return best
