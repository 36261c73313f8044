"""What a bundle says about texts, batch by batch: labels with calibrated probabilities, or values."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from edgekd.analysis.probabilities import choose, probabilities
from edgekd.errors import InvalidArtifact
from edgekd.tasks import Calibration, TaskKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edgekd.bench.session import Session
    from edgekd.tasks import Task


@dataclass(frozen=True)
class Prediction:
    """What the model says about one text. A regression has a ``value``, the other tasks have the rest."""

    text: str
    labels: tuple[str, ...] = ()  # single-label: one; multi-label: from the most to the least likely, perhaps none
    probabilities: dict[str, float] = field(default_factory=dict)  # calibrated, in the order of the logits
    value: float | None = None  # in the units of the data

    @property
    def chosen(self) -> dict[str, float]:
        """The chosen labels with their probabilities."""
        return {label: self.probabilities[label] for label in self.labels}


def predict_texts(
    session: Session,
    task: Task,
    texts: Iterable[str],
    *,
    calibration: Calibration | None = None,
    batch_size: int = 1,
) -> Iterator[Prediction]:
    """Yield a prediction for every text, in order, as soon as its batch is done.

    Args:
        session: loaded.
        task: what the logits mean.
        texts: may be endless.
        calibration: of the bundle; without one, temperature 1 and thresholds of 0.5.
        batch_size: texts per call. Above 1 an int8 model may answer a little differently, because dynamic
            quantization scales a whole batch at once.

    Raises:
        InvalidArtifact: when a logit is not a finite number, or there are more or fewer of them than labels.
    """
    source = iter(texts)
    while batch := list(islice(source, batch_size)):
        logits = session.run(batch)
        if logits.shape[1] != task.num_outputs:
            raise InvalidArtifact(
                f"'{session.name}' gives {logits.shape[1]} logits a text, and its task has {task.num_outputs} outputs."
            )
        shares = probabilities(task, logits, calibration)
        for text, choice, row in zip(batch, choose(task, logits, calibration), shares, strict=True):
            if task.kind is TaskKind.REGRESSION:
                yield Prediction(text, value=float(row[0]))
                continue
            chosen = choice if isinstance(choice, tuple) else (int(choice),)
            likely = sorted(chosen, key=lambda index: -row[index])
            by_label = {name: float(p) for name, p in zip(task.labels, row, strict=True)}
            yield Prediction(text, tuple(task.labels[index] for index in likely), by_label)
