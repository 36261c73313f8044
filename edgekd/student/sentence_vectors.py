"""The teacher's sentence vectors, computed once for each text: they do not change while the student learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from edgekd.student.taps import Wanted, record

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

MAX_KEPT_BYTES = 2 * 1024**3  # 1.4 million vectors of width 384; texts beyond it are computed each time


class SentenceVectors:
    """Sentence vectors of a model by token ids, kept in main memory.

    From the second epoch on a small student then trains as fast as without the teacher. Which texts are computed
    together depends on what is kept already, so the vectors may differ in the last digits between a run and a resumed
    one.

    Args:
        model: in evaluation mode; its weights must not change.
        limit_bytes: of memory for the vectors.
    """

    def __init__(self, model: PreTrainedModel, limit_bytes: int = MAX_KEPT_BYTES) -> None:
        self._model = model
        self._free_bytes = limit_bytes
        self._kept: dict[bytes, Tensor] = {}

    def __call__(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the vectors ``(batch, width)``, float32 on the device of the ids, without gradient.

        Args:
            input_ids: ``(batch, tokens)``, padded at the end.
            attention_mask: ``(batch, tokens)``.
        """
        lengths = attention_mask.sum(dim=1).tolist()
        keys = [row[:length].tobytes() for row, length in zip(input_ids.cpu().numpy(), lengths, strict=True)]
        new = [row for row, key in enumerate(keys) if key not in self._kept]
        known = {keys[row]: self._kept[keys[row]] for row in range(len(keys)) if keys[row] in self._kept}
        if new:
            longest = max(lengths[row] for row in new)
            computed = self._compute(input_ids[new, :longest], attention_mask[new, :longest]).cpu()
            for row, vector in zip(new, computed, strict=True):
                known[keys[row]] = vector
                size = vector.numel() * vector.element_size()
                if keys[row] not in self._kept and size <= self._free_bytes:
                    self._kept[keys[row]] = vector.clone()  # a view would keep the whole batch
                    self._free_bytes -= size
        return torch.stack([known[key] for key in keys]).to(input_ids.device)

    @torch.no_grad()
    def _compute(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        with record(self._model, Wanted(sentence=True), "teacher") as features:
            self._model(input_ids=input_ids, attention_mask=attention_mask)
        assert features.sentence is not None
        return features.sentence.float()
