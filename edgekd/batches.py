"""Encoded texts, their batches, and the logits of a model for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel


class EncodedTexts(torch.utils.data.Dataset[dict[str, Any]]):
    """Token ids with a label each (``IGNORE_INDEX``: none) and, for distillation, the teacher's logits.

    Args:
        input_ids: one list of token ids a text.
        labels: one label index a text.
        teacher_logits: shape ``(texts, num_labels)``, or None.
    """

    def __init__(
        self,
        input_ids: Sequence[Sequence[int]],
        labels: Sequence[int],
        teacher_logits: np.ndarray[Any, Any] | None = None,
    ) -> None:
        if len(input_ids) != len(labels) or (teacher_logits is not None and len(teacher_logits) != len(labels)):
            raise ValueError("texts, labels and teacher logits differ in number")
        self.input_ids = input_ids
        self.labels = labels
        self.teacher_logits = teacher_logits

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item: dict[str, Any] = {"input_ids": self.input_ids[index], "labels": self.labels[index]}
        if self.teacher_logits is not None:
            item["teacher_logits"] = self.teacher_logits[index]
        return item


class PadToLongest:
    """Collate texts into tensors, padded to the longest of the batch."""

    def __init__(self, pad_token_id: int) -> None:
        self.pad_token_id = pad_token_id

    def __call__(self, items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return ``input_ids``, ``attention_mask`` (batch, longest), ``labels`` and perhaps ``teacher_logits``."""
        longest = max(len(item["input_ids"]) for item in items)
        ids = np.full((len(items), longest), self.pad_token_id, dtype=np.int64)
        mask = np.zeros((len(items), longest), dtype=np.int64)
        for row, item in enumerate(items):
            length = len(item["input_ids"])
            ids[row, :length] = item["input_ids"]
            mask[row, :length] = 1
        batch = {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
            "labels": torch.tensor([item["labels"] for item in items]),
        }
        if "teacher_logits" in items[0]:
            batch["teacher_logits"] = torch.from_numpy(np.stack([item["teacher_logits"] for item in items]))
        return batch


@torch.inference_mode()
def predict_logits(
    model: PreTrainedModel,
    input_ids: Sequence[Sequence[int]],
    *,
    batch_size: int = 64,
    pad_token_id: int = 0,
) -> np.ndarray[Any, Any]:
    """Return float32 logits ``(texts, num_labels)`` in the order of the texts; batches are sorted by length."""
    model.eval()
    device = next(model.parameters()).device
    collate = PadToLongest(pad_token_id)
    logits = np.empty((len(input_ids), model.config.num_labels), dtype=np.float32)
    order = sorted(range(len(input_ids)), key=lambda i: len(input_ids[i]))
    for first in range(0, len(order), batch_size):
        rows = order[first : first + batch_size]
        batch = collate([{"input_ids": input_ids[i], "labels": 0} for i in rows])
        outputs = model(input_ids=batch["input_ids"].to(device), attention_mask=batch["attention_mask"].to(device))
        logits[rows] = outputs.logits.float().cpu().numpy()
    return logits
