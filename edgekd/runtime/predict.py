"""Labels and probabilities for texts, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from edgekd.errors import ConfigError
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from edgekd.bench.session import Session
    from edgekd.bundle import Manifest


@dataclass(frozen=True)
class Prediction:
    """What the model says about one text."""

    text: str
    label: str
    probability: float
    probabilities: dict[str, float]  # by label, in the order of the logits


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return exp(z) / sum(exp(z)) along the last axis; the maximum is subtracted first, so nothing overflows."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    powers = np.exp(shifted)
    return powers / powers.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]


def check_task(manifest: Manifest) -> None:
    """Refuse tasks whose outputs are no choice of one label.

    Raises:
        ConfigError: naming the task.
    """
    if manifest.task is not TaskKind.SINGLE_LABEL:
        raise ConfigError(
            f"'{manifest.name}' is a {manifest.task.value} bundle; predict knows single-label ones.",
            hint="Run model.onnx with onnxruntime directly, or update edgekd.",
        )


def predict_texts(
    session: Session, labels: Sequence[str], texts: Iterable[str], *, batch_size: int = 1
) -> Iterator[Prediction]:
    """Yield a prediction for every text, in order, as soon as its batch is done.

    Args:
        session: loaded.
        labels: names in the order of the logits.
        texts: may be endless.
        batch_size: texts per call. Above 1 an int8 model may answer a little differently, because dynamic
            quantization scales a whole batch at once.
    """
    source = iter(texts)
    while batch := list(islice(source, batch_size)):
        for text, row in zip(batch, softmax(session.run(batch)), strict=True):
            best = int(row.argmax())
            shares = {name: float(p) for name, p in zip(labels, row, strict=True)}
            yield Prediction(text, labels[best], float(row[best]), shares)
