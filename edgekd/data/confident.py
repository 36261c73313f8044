"""Which of the texts that a model labelled are worth learning from: those it is sure of, in equal numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Selection:
    """Rows that were kept, and how many were left out."""

    rows: np.ndarray[Any, Any]  # int64, ascending
    unsure: int  # below the confidence
    surplus: int  # of labels that were more frequent than the rarest
    kept: tuple[int, ...]  # texts of each label

    @property
    def report(self) -> list[str]:
        """What was left out and why; nothing when all was kept."""
        lines = []
        if self.unsure:
            lines.append(f"left out {self.unsure:,} texts that the model is not sure of")
        if self.surplus:
            counts = " / ".join(f"{count:,}" for count in self.kept)
            lines.append(f"left out {self.surplus:,} texts of more frequent labels; of each label are left: {counts}")
        return lines


def select_confident(
    logits: np.ndarray[Any, Any], *, min_confidence: float = 0.0, class_balance: bool = False, seed: int = 0
) -> Selection:
    """Select single-label texts by a model's confidence, then as many of each label.

    The confidence is the largest probability, ``max softmax(logits)``; divide by a temperature first where one is
    fitted. Balancing keeps, of each label that occurs among the sure texts, as many as the rarest of them has,
    drawn at random: taking the surest would keep the easy texts only.

    Args:
        logits: shape ``(texts, labels)`` with at least two labels.
        min_confidence: texts below it are left out; 0 keeps all.
        class_balance: keep equally many texts of each label that occurs.
        seed: of the draw.

    Raises:
        ValueError: when the logits are not of a single-label task.
    """
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(f"logits of shape (texts, labels) with two labels or more are needed, not {logits.shape}")
    scores = logits.astype(np.float64)
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    confidence = exponentials.max(axis=1) / exponentials.sum(axis=1)
    labels = scores.argmax(axis=1)
    sure = np.flatnonzero(confidence >= min_confidence)
    rows = sure
    if class_balance and len(sure):
        counts = np.bincount(labels[sure], minlength=scores.shape[1])
        rarest = counts[counts > 0].min()
        generator = np.random.default_rng(seed)
        shuffled = generator.permutation(sure)
        rows = np.sort(np.concatenate([shuffled[labels[shuffled] == label][:rarest] for label in np.unique(labels)]))
    kept = np.bincount(labels[rows], minlength=scores.shape[1])
    return Selection(rows, len(logits) - len(sure), len(sure) - len(rows), tuple(int(count) for count in kept))
