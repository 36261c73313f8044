"""The texts that a model and its graphs are asked, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.export.answers import Logits, open_graph
from edgekd.export.evidence import Compared
from edgekd.export.hostile import hostile_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgekd.data.types import Target
    from edgekd.tasks import Calibration, Task

    Rows = Sequence[Sequence[int]]

BATCH = 64
MOST_TOKENS = 8192  # padded, in a batch; more would cost large models gigabytes


def spread_over_lengths(lengths: Sequence[int], count: int) -> list[int]:
    """Return ``count`` indexes spread evenly over the sorted lengths, shortest and longest among them."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    if count >= len(order):
        return order
    picks = np.linspace(0, len(order) - 1, count).round().astype(int)
    return [order[i] for i in picks]


@dataclass(frozen=True)
class Answers:
    """Logits ``(texts, outputs)`` to the texts of an exam.

    Args:
        alone: validation texts, one a call.
        hostile: hostile texts, one a call.
        padded: the texts of ``Exam.batches``, in their order; None of a model in torch.
    """

    alone: Logits
    hostile: Logits
    padded: Logits | None = None


@dataclass(frozen=True)
class Exam:
    """The texts that a model and its graphs are asked, as token ids.

    Args:
        task: what the logits are.
        calibration: how logits become answers.
        pad_token_id: of the tokenizer.
        texts: validation texts of all lengths.
        targets: the true ones of ``texts``, or None.
        rows: token ids of ``texts``.
        hostile: hostile texts.
        hostile_rows: token ids of ``hostile``.
    """

    task: Task
    calibration: Calibration
    pad_token_id: int
    texts: Sequence[str]
    targets: Sequence[Target] | None
    rows: Rows
    hostile: Sequence[str]
    hostile_rows: Rows

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        targets: Sequence[Target] | None,
        *,
        encode: Callable[[Sequence[str]], Rows],
        task: Task,
        calibration: Calibration,
        pad_token_id: int,
        count: int,
        rows: Rows | None = None,
    ) -> Exam:
        """Choose ``count`` of the texts, spread over all lengths, and add the hostile ones.

        Args:
            texts: validation texts; at least one.
            targets: the true ones, if they are known.
            encode: texts to token ids, cut to what the model reads.
            task: what the logits are.
            calibration: how logits become answers.
            pad_token_id: of the tokenizer.
            count: of the texts.
            rows: token ids of ``texts``, where they are there already.
        """
        rows = encode(texts) if rows is None else rows
        picks = spread_over_lengths([len(row) for row in rows], count)
        hostile = hostile_texts()
        return cls(
            task=task,
            calibration=calibration,
            pad_token_id=pad_token_id,
            texts=[texts[i] for i in picks],
            targets=None if targets is None else [targets[i] for i in picks],
            rows=[rows[i] for i in picks],
            hostile=hostile,
            hostile_rows=encode(hostile),
        )

    @property
    def batches(self) -> list[list[int]]:
        """Indexes of the texts that are asked together: the shortest with the longest, and up to 64 of all lengths."""
        if len(self.rows) < 2:
            return []
        lengths = [len(row) for row in self.rows]
        most = max(2, min(BATCH, MOST_TOKENS // max(1, *lengths)))
        return [spread_over_lengths(lengths, 2), spread_over_lengths(lengths, most)]

    def answers_by(self, logits: Callable[[Rows], Logits]) -> Answers:
        """Return the answers of a function from token ids to logits, such as a model in torch."""
        both = logits([*self.rows, *self.hostile_rows])
        return Answers(both[: len(self.rows)], both[len(self.rows) :])

    def answers_of(self, graph: Path) -> Answers:
        """Return the answers of a graph.

        Raises:
            InvalidArtifact: when it cannot be opened or run.
        """
        opened = open_graph(graph)
        padded = [opened.ask([self.rows[i] for i in batch], pad_token_id=self.pad_token_id) for batch in self.batches]
        alone, hostile = (
            np.concatenate([opened.ask([row], pad_token_id=self.pad_token_id) for row in rows])
            for rows in (self.rows, self.hostile_rows)
        )
        return Answers(alone, hostile, np.concatenate(padded) if padded else None)

    def compared(self, expected: Answers, actual: Answers) -> list[Compared]:
        """Return what was expected and what was said, check by check."""
        found = [Compared("alone", self.texts, expected.alone, actual.alone)]
        if actual.padded is not None:
            order = [i for batch in self.batches for i in batch]
            texts = [self.texts[i] for i in order]
            found.append(Compared("padded", texts, expected.alone[order], actual.padded))
        return [*found, Compared("hostile", self.hostile, expected.hostile, actual.hostile)]
