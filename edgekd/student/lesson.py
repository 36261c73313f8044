"""What a student is taught with: the texts of an arm, encoded, with true labels, teacher labels, or both."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.analysis.scores import choose
from edgekd.batches import EncodedTexts
from edgekd.goals import ValidationTexts
from edgekd.proof import Arm
from edgekd.student.vocabulary import student_tokenizer
from edgekd.teacher.load import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerFast

    from edgekd.config import StudentConfig
    from edgekd.data.types import Target, TextData
    from edgekd.tasks import Calibration
    from edgekd.teacher.load import Teacher


@dataclass(frozen=True)
class TransferSet:
    """What the teacher said: logits of the training texts, and further texts with theirs."""

    train_logits: np.ndarray[Any, Any]  # (training texts, outputs)
    texts: list[str]
    logits: np.ndarray[Any, Any]  # (len(texts), outputs)


@dataclass(frozen=True)
class Lesson:
    """One student's material.

    Args:
        teacher: gives the student its tokenizer and its start.
        labeller: the teacher or an assistant; what it said is in ``transfer``, and feature losses listen to it.
        labeller_calibration: how its logits become choices.
    """

    config: StudentConfig
    teacher: Teacher
    labeller: Teacher
    labeller_calibration: Calibration
    data: TextData
    transfer: TransferSet

    @cached_property
    def transfer_rows(self) -> list[int]:
        """Which transfer texts this student uses: all, or a seeded sample of ``max_transfer``."""
        available, most = len(self.transfer.texts), self.config.max_transfer
        if most is None or most >= available:
            return list(range(available))
        return sorted(random.Random(self.config.seed).sample(range(available), most))  # noqa: S311

    @cached_property
    def transfer_texts(self) -> list[str]:
        """The transfer texts that this student uses."""
        return [self.transfer.texts[row] for row in self.transfer_rows]

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The student's tokenizer: its own, trained on all its texts, or the teacher's."""
        return student_tokenizer(self.config, self.teacher, [*self.data.train.texts, *self.transfer_texts])

    @cached_property
    def _train_ids(self) -> list[list[int]]:
        return self._encode(self.data.train.texts)

    @cached_property
    def transfer_ids(self) -> list[list[int]]:
        """Token ids of the transfer texts that this student uses."""
        return self._encode(self.transfer_texts)

    def _encode(self, texts: list[str]) -> list[list[int]]:
        return encode(self.tokenizer, texts, self.teacher.max_length)

    def with_config(self, config: StudentConfig) -> Lesson:
        """Return the same material for other settings, without encoding the texts again.

        Only for settings that the material does not depend on: not the vocabulary, ``max_transfer`` or the seed.
        """
        other = copy.copy(self)
        object.__setattr__(other, "config", config)  # the dataclass is frozen, and nobody has seen the copy yet
        return other

    def with_tokenizer(self, tokenizer: PreTrainedTokenizerFast) -> Lesson:
        """Return the same material for a model whose tokens are others."""
        other = copy.copy(self)
        for name in ("_train_ids", "transfer_ids"):
            other.__dict__.pop(name, None)
        other.__dict__["tokenizer"] = tokenizer
        return other

    def validation(self, columns: slice | None = None) -> ValidationTexts:
        """Return what decides which weights are kept; ``columns`` are the outputs of this lesson's task."""
        examples = self.data.validation
        return ValidationTexts(self.data.task, self._encode(examples.texts), examples.targets, columns)

    def _texts(self, ids: list[list[int]], targets: Sequence[Target | None], logits: Any = None) -> EncodedTexts:
        task = self.data.task
        return EncodedTexts(ids, targets, logits, task=task.kind, num_labels=task.num_outputs)

    def texts_of(self, arm: Arm) -> EncodedTexts:
        """Return what an arm trains on."""
        truth: Sequence[Target] = self.data.train.targets
        if arm is Arm.CONTROL:
            return self._texts(self._train_ids, truth)
        ids = [*self._train_ids, *self.transfer_ids]
        said = self.transfer.logits[self.transfer_rows]
        if arm is Arm.TRANSFER_CONTROL:
            return self._texts(ids, [*truth, *choose(self.data.task, said, self.labeller_calibration)])
        return self._texts(ids, [*truth, *[None] * len(said)], np.concatenate([self.transfer.train_logits, said]))

    def sample(self, count: int, seed: int) -> EncodedTexts:
        """Return some of the texts of the distilled arm, as often as needed, with what the teacher said of each."""
        rng = np.random.default_rng(seed)
        known, total = len(self._train_ids), len(self._train_ids) + len(self.transfer_rows)
        rows = np.concatenate([rng.permutation(total) for _ in range(-(-count // total))])[:count]
        ids = [self._train_ids[row] if row < known else self.transfer_ids[row - known] for row in rows]
        targets = [self.data.train.targets[row] if row < known else None for row in rows]
        said = np.concatenate([self.transfer.train_logits, self.transfer.logits[self.transfer_rows]])
        return self._texts(ids, targets, said[rows])

    def with_choices(self, rows: Sequence[int], choices: Sequence[Target]) -> EncodedTexts:
        """Return the training texts with their true labels and some transfer texts with given ones."""
        ids = [*self._train_ids, *(self.transfer_ids[row] for row in rows)]
        return self._texts(ids, [*self.data.train.targets, *choices])
