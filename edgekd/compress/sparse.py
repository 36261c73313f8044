"""Single weights set to zero and held there while the model is distilled again.

A dense runtime multiplies with zeros as with other numbers, so nothing gets faster from them; what gets smaller is a
compressed file. 2:4 is the pattern that sparse tensor cores of NVIDIA's Ampere and later GPUs read (Mishra et al. 2021,
arXiv 2104.08378).
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from edgekd import units
from edgekd.compress.movement import Movement
from edgekd.compress.sparse_masks import Pattern
from edgekd.compress.sparsity import HONEST, compressed_bytes
from edgekd.errors import ConfigError, InvalidArtifact, NotApplicable
from edgekd.student.base import classifier_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from transformers import PreTrainedModel

    from edgekd.steps import SparseStep

    Train = Callable[[PreTrainedModel], dict[str, Any]]

MATRICES = (nn.Linear, nn.Conv1d)


def sparsify(
    model: PreTrainedModel, step: SparseStep, *, train: Train, total_steps: int
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Return a copy of the model with zeros, and what was done as plain JSON types.

    Args:
        model: on the CPU.
        step: which zeros, and how they are chosen.
        train: distils the model in place, and returns what happened; not called for ``step.epochs`` 0.
        total_steps: that ``train`` takes; movement pruning needs to know.

    Raises:
        NotApplicable: when no weight can have the pattern.
        InvalidArtifact: when training did not leave the zeros alone.
    """
    model, pattern = copy.deepcopy(model), Pattern.of(step)
    weights, skipped = weights_for(model, pattern)
    before = compressed_bytes(model.state_dict())
    record: dict[str, Any] = {"pattern": step.pattern, "method": step.method}
    if step.method == "movement":
        movement = Movement(model, weights, pattern, total_steps)
        with movement.listening():
            record["recovery"] = [train(model)]
    else:
        found = masks(model, step)
        apply_masks(model, found)
        if step.epochs:
            with hold(model, found):
                record["recovery"] = [train(model)]
    model = model.to("cpu").eval()
    broken = [name for name, weight in weights.items() if not pattern.holds(weight.detach())]
    if broken:
        raise InvalidArtifact(f"Training changed the zeros of {', '.join(broken[:3])}, which should be held.")
    zeros = sum(int((weight == 0).sum()) for weight in weights.values())
    total, everything = sum(w.numel() for w in weights.values()), sum(p.numel() for p in model.parameters())
    after = compressed_bytes(model.state_dict())
    record |= {
        "layers": [
            {"name": name, "weights": weight.numel(), "zeros": int((weight == 0).sum())}
            for name, weight in weights.items()
        ],
        "skipped": skipped,
        "zeros": zeros,
        "share_of_weights": zeros / total,
        "share_of_parameters": zeros / everything,
        "compressed_bytes_before": before,
        "compressed_bytes_after": after,
        "words": f"{zeros:,} zeros: {units.rough_percent(zeros / total)} of what was pruned, "
        f"{units.percent(zeros / everything)} of all parameters; fp32 weights compressed (zlib) "
        f"{units.size(before)} -> {units.size(after)}. {HONEST}",
    }
    return model, record


def weights_for(model: PreTrainedModel, pattern: Pattern) -> tuple[dict[str, nn.Parameter], list[str]]:
    """Return the weights that get zeros by name, and those that are left out because the pattern does not fit.

    Taken are the matrices of Linear, convolution and recurrent layers; not token vectors, of which a text reads few,
    and not the classifier, which is small and matters most. N:M is for Linear and convolution layers only.

    Raises:
        NotApplicable: when there is none.
    """
    try:
        classifier: nn.Module | None = classifier_of(model)[1]
    except ConfigError:
        classifier = None
    found: dict[str, nn.Parameter] = {}
    skipped = []
    for layer, module in model.named_modules():
        for name in [] if module is classifier else _matrices(module):
            weight = getattr(module, name)
            if any(weight is other for other in found.values()):
                continue
            if pattern.fits(weight) and (pattern.kept is None or isinstance(module, MATRICES)):
                found[f"{layer}.{name}"] = weight
            else:
                skipped.append(f"{layer}.{name}")
    if not found:
        if skipped:
            raise NotApplicable(
                f"No matrix can have the pattern: {', '.join(skipped)} are recurrent, or the number of their inputs is "
                f"no multiple of {pattern.group}."
            )
        raise NotApplicable("The model has no matrices besides its token vectors and its classifier.")
    return found, skipped


def _matrices(module: nn.Module) -> list[str]:
    if isinstance(module, MATRICES):
        return ["weight"]
    if isinstance(module, nn.LSTM | nn.GRU):
        return [name for name, _ in module.named_parameters(recurse=False) if name.startswith("weight")]
    return []


def masks(model: PreTrainedModel, step: SparseStep) -> dict[str, torch.Tensor]:
    """Return which weights stay, by name: the largest of each layer (Han et al. 2015, arXiv 1506.02626).

    Raises:
        NotApplicable: when no weight can have the pattern.
    """
    pattern = Pattern.of(step)
    weights, _ = weights_for(model, pattern)
    return {name: pattern.mask(weight.detach().abs()) for name, weight in weights.items()}


def apply_masks(model: nn.Module, found: Mapping[str, torch.Tensor]) -> None:
    """Set the weights to zero that do not stay."""
    with torch.no_grad():
        for name, mask in found.items():
            weight = model.get_parameter(name)
            weight.masked_fill_(~mask.to(weight.device), 0.0)


@contextmanager
def hold(model: nn.Module, found: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Keep zeros zero while the model is trained.

    The gradient of a held weight is set to zero before the optimizer sees it. Adam's moments then stay zero, so its
    step is exactly zero, and so is the decay of a weight that is zero. Names and shapes stay as they are, so that
    checkpoints, mean weights and the best weights work, and a resumed run holds the same zeros.
    """
    apply_masks(model, found)
    handles = [_hold_one(model.get_parameter(name), mask) for name, mask in found.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hold_one(weight: nn.Parameter, mask: torch.Tensor) -> Any:
    placed = mask

    def hook(gradient: torch.Tensor) -> torch.Tensor:
        nonlocal placed
        placed = placed.to(gradient.device)
        return gradient * placed

    return weight.register_hook(hook)
