"""How the answers of a graph compare with those of the model that it came from. Pure: arrays in, a record out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.analysis.fidelity import fidelity
from edgekd.analysis.multilabel import LabelCounts, indicator
from edgekd.analysis.paired_quality import score_change
from edgekd.analysis.probabilities import choose, decisions, thresholds
from edgekd.errors import InvalidArtifact
from edgekd.provenance import Flip, Parity
from edgekd.tasks import Calibration, TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekd.data.types import Target
    from edgekd.tasks import Task

Logits = np.ndarray[Any, Any]

WORST = 10
SHOWN_CHARACTERS = 100


def compare_logits(
    expected: Logits,
    actual: Logits,
    *,
    task: Task,
    texts: Sequence[str] | None = None,
    targets: Sequence[Target] | None = None,
    calibration: Calibration | None = None,
) -> Parity:
    """Compare logits ``(texts, outputs)`` of a graph with those of its model, text by text.

    A text is flipped when its answer differs: another label, or, for multi-label, other labels after the thresholds of
    the calibration. A regression has no labels to flip. The divergence is :func:`edgekd.analysis.fidelity.fidelity`'s.

    Args:
        expected: of the model.
        actual: of the graph.
        task: what the logits are.
        texts: for the list of the worst flips, which is empty without them.
        targets: the true ones, for the changes of the main score and of each label's recall.
        calibration: how logits become answers.

    Raises:
        InvalidArtifact: when a logit is not finite, or the shapes differ.
        ValueError: when there is nothing to compare.
    """
    require_comparable(expected, actual)
    difference = np.abs(expected.astype(np.float64) - actual.astype(np.float64))
    flipped = flips(expected, actual, task, calibration)
    change = None
    if targets is not None:
        before, after = (choose(task, logits, calibration) for logits in (expected, actual))
        change = score_change(task, targets, before, after)
    worst = []
    if texts is not None:
        order = sorted(np.flatnonzero(flipped).tolist(), key=lambda row: -difference[row].max())[:WORST]
        said = [answers_in_words(task, logits[order], calibration) for logits in (expected, actual)]
        worst = [
            Flip(text=shown(texts[row]), expected=said[0][i], actual=said[1][i], max_abs_diff=difference[row].max())
            for i, row in enumerate(order)
        ]
    is_regression = task.kind is TaskKind.REGRESSION
    return Parity(
        texts=len(expected),
        max_abs_diff=float(difference.max()),
        mean_abs_diff=float(difference.mean()),
        label_flips=int(flipped.sum()),
        kl=None if is_regression else fidelity(task, actual, expected, calibration, calibration)["kl"],
        score_change=None if change is None else change.value,
        score_change_interval=None if change is None else (change.low, change.high),
        recall_change={} if targets is None or is_regression else recall_change(task, targets, before, after),
        worst=worst,
    )


def require_comparable(expected: Logits, actual: Logits) -> None:
    """Refuse logits that no number can compare.

    Raises:
        InvalidArtifact: when a logit is not finite, or the shapes differ.
        ValueError: when there is nothing to compare.
    """
    if not len(expected):
        raise ValueError("there are no texts to compare answers to")
    if expected.shape != actual.shape:
        raise InvalidArtifact(f"The graph returns logits of shape {actual.shape}; its model {expected.shape}.")
    for who, logits in (("model", expected), ("graph", actual)):
        broken = int((~np.isfinite(logits)).any(axis=1).sum())
        if broken:
            raise InvalidArtifact(f"The {who} returns values that are not finite for {broken} of {len(logits)} texts.")


def flips(
    expected: Logits, actual: Logits, task: Task, calibration: Calibration | None = None, *, tie: float = 0.0
) -> NDArray[np.bool_]:
    """Return which texts get another answer, shape ``(texts,)``.

    Args:
        expected: logits of the model.
        actual: logits of the graph.
        task: what the logits are.
        calibration: how logits become answers.
        tie: a change between two labels whose expected logits are at most so close is left out; for multi-label, of a
            label whose expected logit is so close to its threshold.
    """
    if task.kind is TaskKind.REGRESSION:
        return np.zeros(len(expected), dtype=np.bool_)
    if task.kind is TaskKind.SINGLE_LABEL:
        rows = np.arange(len(expected))
        mine, theirs = actual.argmax(axis=1), expected.argmax(axis=1)
        gap = expected[rows, theirs].astype(np.float64) - expected[rows, mine]
        return np.asarray((mine != theirs) & (gap > tie if tie else True))
    changed = decisions(task, expected, calibration) != decisions(task, actual, calibration)
    if tie:
        border = thresholds(task, calibration)
        with np.errstate(divide="ignore"):  # a threshold of 0 or 1 is infinitely far away
            border = (calibration or Calibration()).temperature * (np.log(border) - np.log1p(-border))
        changed &= np.abs(expected - border) > tie
    return np.asarray(changed.any(axis=1))


def recall_change(
    task: Task, targets: Sequence[Target], before: Sequence[Target], after: Sequence[Target]
) -> dict[str, float]:
    """Return recall (hits / support) after minus before of each label that some text truly has."""

    def matrix(rows: Sequence[Target]) -> NDArray[np.bool_]:
        lists = [row if isinstance(row, tuple) else (row,) for row in rows]
        return indicator(lists, task.num_outputs)  # type: ignore[arg-type]

    truth = matrix(targets)
    first, second = (LabelCounts.of(truth, matrix(rows)) for rows in (before, after))
    change = second.recall - first.recall
    return {label: float(change[i]) for i, label in enumerate(task.labels) if first.support[i]}


def answers_in_words(task: Task, logits: Logits, calibration: Calibration | None = None) -> list[str]:
    """Return each answer as text: a label, labels with commas (``-`` for none), or a number."""
    if not len(logits):
        return []
    words = []
    for answer in choose(task, logits, calibration):
        if isinstance(answer, tuple):
            words.append(", ".join(task.labels[i] for i in answer) or "-")
        else:
            words.append(f"{answer:.6g}" if isinstance(answer, float) else task.labels[answer])
    return words


def shown(text: str, characters: int = SHOWN_CHARACTERS) -> str:
    """Return a text for reading: cut where it is long, with escapes for what a terminal would act on."""
    cut = text if len(text) <= characters else text[: characters - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
