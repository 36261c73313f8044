"""Remembers what was computed from a model, for as long as the model lives and its weights stay the same.

A student, its controls and its further seeds start from the same teacher; what takes seconds is computed once.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import torch
    from transformers import PreTrainedModel

_KNOWN: weakref.WeakKeyDictionary[Any, tuple[int, dict[Hashable, torch.Tensor]]] = weakref.WeakKeyDictionary()


def remembered(model: PreTrainedModel, key: Hashable, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
    """Return what ``compute`` returned before under ``key``; call it when that is unknown or the weights changed.

    Torch counts the changes in place of each tensor, which training, loading and editing are.
    """
    changes = sum(parameter._version for parameter in model.parameters())
    then, known = _KNOWN.get(model, (changes, {}))
    if then != changes:
        known = {}
    if key not in known:
        known[key] = compute()
    _KNOWN[model] = (changes, known)
    return known[key]
