"""Who labels the texts for a student: the teacher, several teachers together, or another student.

Data flow: classifiers (folder, weights hash, scores) + texts -> cached logits -> one :class:`TransferSet`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from edgekd.analysis.combine import combine
from edgekd.analysis.scores import score
from edgekd.artifacts import hash_json
from edgekd.data.confident import select_confident
from edgekd.runfolder import label_key
from edgekd.tasks import Calibration

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from edgekd.config import Recipe
    from edgekd.data.types import TextData
    from edgekd.progress import Progress
    from edgekd.runfolder import RunFolder
    from edgekd.student.lesson import TransferSet
    from edgekd.teacher.load import Teacher


@dataclass(frozen=True)
class Classifier:
    """A finished classifier on disk."""

    name: str
    folder: Path
    weights_hash: str
    tokenizer_hash: str
    metrics: dict[str, Any]  # with "calibration" and "validation"

    @property
    def calibration(self) -> Calibration:
        """How its logits become probabilities."""
        return read_calibration(self.metrics)


def read_calibration(metrics: dict[str, Any]) -> Calibration:
    """Return the calibration stored with a model's scores."""
    raw = metrics["calibration"]
    thresholds = raw["thresholds"]
    return Calibration(raw["temperature"], None if thresholds is None else tuple(thresholds))


class Labeller:
    """Labels the training and transfer texts with one or more classifiers; the logits of each are kept on disk."""

    def __init__(
        self,
        classifiers: list[Classifier],
        data: TextData,
        texts: list[str],
        recipe: Recipe,
        folder: RunFolder,
        progress: Progress,
    ) -> None:
        self.classifiers = classifiers
        self.data = data
        self.texts = texts
        self.recipe = recipe
        self.folder = folder
        self.progress = progress

    def _key_of(self, classifier: Classifier, texts: list[str]) -> str:
        return label_key(classifier.weights_hash, classifier.tokenizer_hash, texts, self.recipe.teacher.max_length)

    @cached_property
    def key(self) -> str:
        """What the labels depend on."""
        texts = [*self.data.train.texts, *self.texts]
        keys = [self._key_of(classifier, texts) for classifier in self.classifiers]
        chosen = [self.recipe.transfer.min_confidence, self.recipe.transfer.class_balance, self.recipe.transfer.seed]
        return (
            keys[0] if len(keys) == 1 and chosen[:2] == [0, False] else hash_json([keys, self.recipe.combine, chosen])
        )

    @property
    def teacher_key(self) -> str:
        """What identifies the first classifier."""
        return self.classifiers[0].weights_hash

    @cached_property
    def teacher(self) -> Teacher:
        """The first classifier, opened."""
        return self._open(self.classifiers[0])

    def _opened(self, classifier: Classifier) -> Teacher:
        """Return a classifier; only the first one stays open."""
        return self.teacher if classifier is self.classifiers[0] else self._open(classifier)

    def _open(self, classifier: Classifier) -> Teacher:
        import edgekd.student.kinds  # noqa: F401 - registers our models with the Auto classes
        from edgekd.teacher.load import load_classifier

        return load_classifier(classifier.folder, self.recipe.teacher.max_length, self.progress)

    @property
    def calibration(self) -> Calibration:
        """How the labels' logits become choices; several teachers' are calibrated before they are combined."""
        return self.classifiers[0].calibration if len(self.classifiers) == 1 else Calibration()

    @cached_property
    def transfer_set(self) -> TransferSet:
        """The logits of the training texts, and of the transfer texts that are used."""
        from edgekd.student.lesson import TransferSet

        logits = self._logits([*self.data.train.texts, *self.texts])
        known = len(self.data.train)
        chosen = self.recipe.transfer
        if chosen.min_confidence == 0 and not chosen.class_balance:
            return TransferSet(logits[:known], self.texts, logits[known:])
        sure = select_confident(
            logits[known:] / self.calibration.temperature,
            min_confidence=chosen.min_confidence,
            class_balance=chosen.class_balance,
            seed=chosen.seed,
        )
        for line in sure.report:
            self.progress.say(f"  {line}")
        return TransferSet(logits[:known], [self.texts[row] for row in sure.rows], logits[known:][sure.rows])

    def _logits(self, texts: list[str]) -> np.ndarray[Any, Any]:
        from edgekd.teacher.label import label_texts

        found = []
        for classifier in self.classifiers:
            key = self._key_of(classifier, texts)
            found.append(
                label_texts(
                    self._opened(classifier),
                    texts,
                    key=key,
                    config=self.recipe.labels,
                    folder=self.folder.labels(key),
                    progress=self.progress,
                )
            )
        return found[0] if len(found) == 1 else self._together(found)

    def _together(self, logits: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        task = self.data.task
        return combine(
            task,
            logits,
            self.recipe.combine,
            weights=[c.metrics["validation"][task.main_metric] for c in self.classifiers],
            calibrations=[c.calibration for c in self.classifiers],
        )

    def score_together(self) -> dict[str, Any] | None:
        """Return the test scores of several teachers together; None for one."""
        if len(self.classifiers) == 1:
            return None
        from edgekd.scoring import logits_of

        found = []
        for classifier in self.classifiers:
            opened = self._opened(classifier)
            found.append(logits_of(opened.model, opened.tokenizer, self.data.test.texts, max_length=opened.max_length))
        return score(self.data.task, self.data.test.targets, self._together(found))
