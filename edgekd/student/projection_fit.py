"""Finding the projection of a hidden space: principal components of its activations, and a learned improvement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody uses
from torch.func import functional_call

from edgekd.student.base import classifier_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn
    from transformers import PreTrainedModel

STEPS = 60
LEARNING_RATE = 3e-3
_TEXTS_A_STEP = 64
FIT_TOKENS = 768  # that the normalisations are fitted on in each step; twice MiniLM's width


@dataclass(frozen=True)
class Activations:
    """What each layer normalisation of the wide model reads and writes on sample texts: ``(tokens, H)`` each."""

    before: dict[str, torch.Tensor]
    after: dict[str, torch.Tensor]

    @classmethod
    @torch.no_grad()
    def of(cls, model: PreTrainedModel, ids: torch.Tensor, names: Sequence[str]) -> Activations:
        """Run the model on ``ids`` ``(texts, sequence)`` and keep what passes the normalisations ``names``."""
        before: dict[str, torch.Tensor] = {}
        after: dict[str, torch.Tensor] = {}

        def keep(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Tensor], None]:
            def hook(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
                before[name] = inputs[0].flatten(0, -2)
                after[name] = output.flatten(0, -2)

            return hook

        handles = [model.get_submodule(name).register_forward_hook(keep(name)) for name in names]
        try:
            model(input_ids=ids, attention_mask=torch.ones_like(ids))
        finally:
            for handle in handles:
                handle.remove()
        return cls(before, after)

    def thinned(self, tokens: int) -> Activations:
        """Return about so many tokens, evenly spread."""
        step = max(1, len(next(iter(self.after.values()))) // tokens)
        return Activations(*({name: rows[::step] for name, rows in side.items()} for side in (self.before, self.after)))

    def fit_norm(self, name: str, projection: torch.Tensor, eps: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scale and shift ``(h,)`` with which the narrow normalisation comes closest to the projected wide one.

        For each dimension the least-squares line ``P' after ~ scale * normalised(P' before) + shift``.
        """
        normalised = F.layer_norm(self.before[name] @ projection, (projection.shape[1],), eps=eps)
        wanted = self.after[name] @ projection
        mean, wanted_mean = normalised.mean(dim=0), wanted.mean(dim=0)
        covariance = ((normalised - mean) * (wanted - wanted_mean)).mean(dim=0)
        scale = covariance / (normalised - mean).square().mean(dim=0).clamp_min(1e-8)
        return scale, wanted_mean - scale * mean


def pca_projection(activations: Activations, dim: int) -> torch.Tensor:
    """Return the ``dim`` directions ``(H, dim)`` that hold most of the activations of all layers together.

    They are not centred first: the mean is part of what the weights read.
    """
    rows = torch.cat(list(activations.after.values())).double()
    _, directions = torch.linalg.eigh(rows.T @ rows)  # ascending eigenvalues
    return directions.flip(1)[:, :dim].float().contiguous()


def learn_projection(
    start: torch.Tensor,
    wide: PreTrainedModel,
    narrow: PreTrainedModel,
    weights: Callable[[torch.Tensor, Activations], dict[str, torch.Tensor]],
    activations: Activations,
    ids: torch.Tensor,
) -> torch.Tensor:
    """Improve a projection by gradient descent until the narrow model says what the wide one says.

    Minimised is ``MSE(logits) / Var(wide logits) + MSE(cosine similarities of the batch's sentence vectors)``, the
    second part being similarity-preserving distillation (Tung, Mori 2019, arXiv 1907.09682), which compares vectors of
    different width. Only the projection learns; QR keeps it orthonormal. A quarter of the texts is held out, and the
    projection that is best on them is returned, which may be the start.

    Args:
        start: shape ``(H, h)``.
        wide: the model to stay close to.
        narrow: a model of the narrow shape; its weights are not used.
        weights: makes the narrow model's parameters from a projection.
        activations: for the normalisations.
        ids: sample texts ``(texts, sequence)``.
    """
    narrow.eval()
    thinned = activations.thinned(FIT_TOKENS)
    name, _ = classifier_of(narrow)
    read: list[torch.Tensor] = []

    def listen(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        read.append(inputs[0])

    handles = [model.get_submodule(name).register_forward_pre_hook(listen) for model in (wide, narrow)]

    def outputs(run: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        read.clear()
        logits = run()
        vectors = F.normalize(read.pop(), dim=-1)
        return logits, vectors @ vectors.t()

    def loss(free: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        mask = torch.ones_like(batch)
        with torch.no_grad():
            wanted, wanted_similarity = outputs(lambda: wide(input_ids=batch, attention_mask=mask).logits)
        state = weights(torch.linalg.qr(free).Q, thinned)
        inputs = {"input_ids": batch, "attention_mask": mask}
        logits, similarity = outputs(lambda: functional_call(narrow, state, kwargs=inputs, strict=False).logits)
        scale = wanted.var(unbiased=False).clamp_min(1e-8)
        return F.mse_loss(logits, wanted) / scale + F.mse_loss(similarity, wanted_similarity)

    try:
        free = start.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([free], lr=LEARNING_RATE)
        held_out, texts = ids[: len(ids) // 4], ids[len(ids) // 4 :]
        best, best_loss = start, float("inf")
        for step in range(STEPS + 1):
            if step % 10 == 0:
                with torch.no_grad():
                    value = loss(free, held_out).item()
                if value < best_loss:
                    best, best_loss = torch.linalg.qr(free.detach()).Q.clone(), value
            if step == STEPS:
                break
            first = step * _TEXTS_A_STEP % len(texts)
            optimizer.zero_grad()
            loss(free, texts[first : first + _TEXTS_A_STEP]).backward()
            optimizer.step()
    finally:
        for handle in handles:
            handle.remove()
    return best.contiguous()
