"""Encoded texts, their batches, and the logits of a model for all of them.

Texts are tokenized once and kept as one flat array, so a batch is a few array operations. Batches hold texts of about
one length, because every padded position costs as much as a token.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edgekd.buckets import token_batches
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transformers import PreTrainedModel

    Array = np.ndarray[Any, Any]
    Target = int | tuple[int, ...] | float | None

NO_LABEL = -100  # what torch's cross entropy ignores
# Padded tokens a forward. More do not fit into a core's cache (512 to 1,024 were fastest); a GPU wants many.
CPU_TOKENS = 512
GPU_TOKENS = 32_768


class FlatTokens:
    """Token ids of many texts in one array.

    Args:
        input_ids: one list of token ids a text.
    """

    def __init__(self, input_ids: Sequence[Sequence[int]]) -> None:
        self.lengths: Array = np.fromiter((len(ids) for ids in input_ids), dtype=np.int64, count=len(input_ids))
        self.starts: Array = np.cumsum(self.lengths) - self.lengths
        total = int(self.lengths.sum())
        self.tokens: Array = np.fromiter(chain.from_iterable(input_ids), dtype=np.int32, count=total)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> list[int]:
        start = int(self.starts[row])
        ids: list[int] = self.tokens[start : start + int(self.lengths[row])].tolist()
        return ids

    def padded(self, rows: Array, pad_token_id: int) -> tuple[Array, Array]:
        """Return ids and mask ``(rows, longest)``, int64, padded on the right."""
        lengths = self.lengths[rows]
        mask = np.arange(max(1, lengths.max())) < lengths[:, None]
        ids = np.full(mask.shape, pad_token_id, dtype=np.int64)
        ends = np.cumsum(lengths)
        ids[mask] = self.tokens[np.arange(ends[-1]) + np.repeat(self.starts[rows] - ends + lengths, lengths)]
        return ids, mask.astype(np.int64)


def label_array(targets: Sequence[Target], task: TaskKind, num_labels: int | None) -> Array:
    """Return targets as the array that a loss takes.

    Single-label: int64 ``(texts,)``, ``NO_LABEL`` for none. Multi-label: float32 ``(texts, num_labels)`` of 0 and 1, a
    row of NaN for none. Regression: float32 ``(texts,)``, NaN for none.

    Raises:
        ValueError: when the number of labels of a multi-label task is not known.
    """
    if task is TaskKind.SINGLE_LABEL:
        return np.array([NO_LABEL if target is None else target for target in targets], dtype=np.int64)
    if task is TaskKind.REGRESSION:
        return np.array([np.nan if target is None else target for target in targets], dtype=np.float32)
    if num_labels is None:
        raise ValueError("a multi-label task needs num_labels or teacher logits")
    labels = np.zeros((len(targets), num_labels), dtype=np.float32)
    for row, target in enumerate(targets):
        labels[row, slice(None) if target is None else list(target)] = np.nan if target is None else 1.0  # type: ignore[arg-type]
    return labels


class EncodedTexts:
    """Token ids with a target each (None: unknown) and, for distillation, the teacher's logits; a map-style data set.

    Args:
        input_ids: one list of token ids a text.
        targets: one a text; a label index, a tuple of label indexes or a value, as the task says.
        teacher_logits: shape ``(texts, num_labels)``, or None.
        task: what a target is.
        num_labels: of a multi-label task; taken from the teacher logits where there are some.

    Raises:
        ValueError: when the numbers differ, or a multi-label task does not know its number of labels.
    """

    def __init__(
        self,
        input_ids: Sequence[Sequence[int]],
        targets: Sequence[Target],
        teacher_logits: Array | None = None,
        task: TaskKind = TaskKind.SINGLE_LABEL,
        *,
        num_labels: int | None = None,
    ) -> None:
        if len(input_ids) != len(targets) or (teacher_logits is not None and len(teacher_logits) != len(targets)):
            raise ValueError("texts, labels and teacher logits differ in number")
        if num_labels is None and teacher_logits is not None:
            num_labels = teacher_logits.shape[1]
        self.input_ids = FlatTokens(input_ids)
        self.task = task
        self.labels = label_array(targets, task, num_labels)
        self.teacher_logits = None if teacher_logits is None else np.asarray(teacher_logits, dtype=np.float32)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item: dict[str, Any] = {"input_ids": self.input_ids[index], "labels": self.labels[index]}
        if self.teacher_logits is not None:
            item["teacher_logits"] = self.teacher_logits[index]
        return item

    def __getitems__(self, rows: Sequence[int]) -> Rows:
        """Return rows for ``PadToLongest``; a ``DataLoader`` calls this for a whole batch."""
        return Rows(self, rows)

    def batch(self, rows: Sequence[int] | Array, pad_token_id: int) -> dict[str, torch.Tensor]:
        """Return one batch: ``input_ids`` and ``attention_mask`` (rows, longest), labels, perhaps teacher logits."""
        index = np.asarray(rows, dtype=np.int64)
        ids, mask = self.input_ids.padded(index, pad_token_id)
        arrays = {"input_ids": ids, "attention_mask": mask, "labels": self.labels[index]}
        if self.teacher_logits is not None:
            arrays["teacher_logits"] = self.teacher_logits[index]
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


class Rows(list[int]):
    """Row numbers that know their texts, so that collating needs no list of single texts."""

    def __init__(self, texts: EncodedTexts, rows: Sequence[int]) -> None:
        super().__init__(rows)
        self.texts = texts


class PadToLongest:
    """Collate texts into tensors, padded to the longest of the batch."""

    def __init__(self, pad_token_id: int) -> None:
        self.pad_token_id = pad_token_id

    def __call__(self, items: Rows | list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return ``input_ids``, ``attention_mask`` (batch, longest), ``labels`` and perhaps ``teacher_logits``."""
        if isinstance(items, Rows):
            return items.texts.batch(items, self.pad_token_id)
        flat = FlatTokens([item["input_ids"] for item in items])
        ids, mask = flat.padded(np.arange(len(items)), self.pad_token_id)
        names = [name for name in ("labels", "teacher_logits") if name in items[0]]
        arrays = {"input_ids": ids, "attention_mask": mask}
        arrays |= {name: np.stack([item[name] for item in items]) for name in names}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def logits_in_order(
    forward: Callable[[Array, Array], Array],
    input_ids: Sequence[Sequence[int]],
    *,
    num_labels: int,
    tokens: int,
    texts: int | None = None,
    pad_token_id: int = 0,
) -> Array:
    """Return float32 logits ``(texts, num_labels)`` of ``forward(ids, mask)`` in the order of the texts."""
    flat = FlatTokens(input_ids)
    logits = np.empty((len(flat), num_labels), dtype=np.float32)
    for rows in token_batches(flat.lengths, tokens=tokens, texts=texts):
        logits[rows] = forward(*flat.padded(rows, pad_token_id))
    return logits


def torch_forward(model: PreTrainedModel) -> Callable[[Array, Array], Array]:
    """Return ``forward(ids, mask)`` of a torch model, in evaluation mode and on the device that it is on."""
    model.eval()
    device = next(model.parameters()).device

    def forward(ids: Array, mask: Array) -> Array:
        with torch.inference_mode():
            inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
            outputs = model(**{name: tensor.to(device) for name, tensor in inputs.items()})
            logits: Array = outputs.logits.float().cpu().numpy()
        return logits

    return forward


def predict_logits(
    model: PreTrainedModel,
    input_ids: Sequence[Sequence[int]],
    *,
    batch_size: int | None = None,
    tokens: int | None = None,
    pad_token_id: int = 0,
) -> Array:
    """Return float32 logits ``(texts, num_labels)`` in the order of the texts.

    Args:
        model: a classifier, on any device.
        input_ids: one list of token ids a text.
        batch_size: texts at once; as many as ``tokens`` allow if not given.
        tokens: padded tokens at once; 512 on a CPU, 32,768 on a GPU if not given.
        pad_token_id: fills short texts.
    """
    on_cpu = next(model.parameters()).device.type == "cpu"
    return logits_in_order(
        torch_forward(model),
        input_ids,
        num_labels=model.config.num_labels,
        tokens=tokens or (CPU_TOKENS if on_cpu else GPU_TOKENS),
        texts=batch_size,
        pad_token_id=pad_token_id,
    )
