"""Fewer dimensions: a transformer's hidden size, or the token vectors of our own students."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn

from edgekd.compress.prune.select import say_size
from edgekd.compress.prune.shape import is_recorded
from edgekd.compress.prune.structure import encoder_stack, hidden_and_heads
from edgekd.config import StudentConfig
from edgekd.errors import ConfigError, NotApplicable
from edgekd.student.projection import project
from edgekd.teacher.load import Teacher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transformers import PreTrainedModel, PreTrainedTokenizerFast


def narrow(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, dim: int, *, max_length: int) -> PreTrainedModel:
    """Return a transformer whose hidden space is projected on its first ``dim`` principal components.

    It loses heads and feed-forward neurons in proportion: see :mod:`edgekd.student.projection`.

    Args:
        model: on the CPU.
        tokenizer: its own; the components are those of sequences of its tokens.
        dim: a multiple of the size of a head.
        max_length: of a text in tokens.

    Raises:
        NotApplicable: when the model is no transformer, or not wider than that.
        ConfigError: when ``dim`` is not possible, or units were removed before.
    """
    stack = encoder_stack(model)
    if stack is None:
        raise NotApplicable(
            f"hidden_dim is for transformers; a model of type '{model.config.model_type}' has embedding_dim."
        )
    hidden, _ = hidden_and_heads(model.config)
    if dim >= hidden:
        raise NotApplicable(f"The hidden size is {hidden}, so with hidden_dim: {dim} there is nothing to remove.")
    if is_recorded(model.config):
        raise ConfigError(
            "hidden_dim cannot be reduced after heads or neurons of single layers were removed.",
            hint="Put hidden_dim into the same prune step, or into one before it; it is done first there.",
        )
    whole = copy.deepcopy(model)
    layers = list(range(len(stack[1])))
    config = StudentConfig(kind="transformer", hidden_dim=dim)
    return project(whole, Teacher(model, tokenizer, max_length), layers, config).eval()


@torch.no_grad()
def reduce_embedding_dim(model: PreTrainedModel, dim: int, counts: Mapping[int, int] | None = None) -> PreTrainedModel:
    """Return a copy of a student with narrower token vectors.

    With the first ``dim`` principal components ``P`` ``(D, dim)`` of the token vectors, uncentred because their mean is
    part of what is read, ``E`` becomes ``E P`` and the matrix ``W`` that reads it ``W P``: each text is read as if its
    vectors were ``E P P'``. Nothing changes when the vectors have no more than ``dim`` dimensions in fact.

    Args:
        model: a ``bag``, ``cnn``, ``bilstm`` or ``bigru``, on the CPU.
        dim: of the vectors.
        counts: how often each token occurs, by its id, with which it counts; all count equally if None.

    Raises:
        NotApplicable: for another model, vectors that are factorised, or not wider than that.
    """
    readers = _READERS.get(model.config.model_type)
    if readers is None:
        words = "embedding_dim is for bag, cnn, bilstm and bigru"
        more = "; a transformer has hidden_dim." if encoder_stack(model) is not None else "."
        raise NotApplicable(f"{words}, not for a model of type '{model.config.model_type}'{more}")
    if model.config.factor_dim is not None:
        raise NotApplicable(
            f"The token vectors are factorised already (factor_dim: {model.config.factor_dim}), so embedding_dim has "
            "nothing to remove."
        )
    if dim >= model.config.embedding_dim:
        raise NotApplicable(
            f"The token vectors have {model.config.embedding_dim} dimensions, so with embedding_dim: {dim} there is "
            "nothing to remove."
        )
    smaller = copy.deepcopy(model)
    ngrams = getattr(smaller, "ngram_embeddings", None)
    projection = _components(smaller.embeddings.weight, None if ngrams is None else ngrams.weight, dim, counts)
    for table in (smaller.embeddings, ngrams):
        if table is not None:
            table.weight = _like(table.weight, table.weight @ projection)
            table.embedding_dim = dim
    for path, parameter, axis in readers(smaller):
        module = smaller.get_submodule(path)
        old = getattr(module, parameter)
        setattr(module, parameter, _like(old, (old.movedim(axis, -1) @ projection).movedim(-1, axis).contiguous()))
        say_size(module)
    smaller.config.embedding_dim = dim
    return smaller.eval()


def _components(
    tokens: torch.Tensor, ngrams: torch.Tensor | None, dim: int, counts: Mapping[int, int] | None
) -> torch.Tensor:
    """Return an orthonormal basis ``(D, dim)`` of what the vectors ``(tokens, D)`` mostly are.

    The vectors of n-grams are added to those of tokens, so both decide: each table with the mean of its outer products.
    """
    weight = torch.ones(len(tokens), dtype=torch.float64)
    if counts is not None:
        weight = torch.tensor([counts.get(row, 0) for row in range(len(tokens))], dtype=torch.float64)
        # Every vector counts a little: a text to come may have the token.
        weight = weight + max(1.0, float(weight.sum())) * 1e-3 / len(tokens)
    rows = tokens.detach().double()
    moments = rows.t() @ (rows * (weight / weight.sum()).unsqueeze(1))
    if ngrams is not None:
        rows = ngrams.detach().double()
        moments += rows.t() @ rows / len(rows)
    _, directions = torch.linalg.eigh(moments)  # ascending eigenvalues
    return directions.flip(1)[:, :dim].to(tokens.dtype)


def _like(old: torch.Tensor, new: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(new, requires_grad=old.requires_grad)


Reader = tuple[str, str, int]  # module, parameter, axis that reads the vectors

_READERS: dict[str, Callable[[PreTrainedModel], list[Reader]]] = {
    "edgekd-bag": lambda _: [("hidden", "weight", 1)],
    "edgekd-cnn": lambda model: [(f"convolutions.{i}", "weight", 1) for i in range(len(model.convolutions))],
    "edgekd-bilstm": lambda _: [(f"layers.0.{side}", "weight_ih_l0", 1) for side in ("onward", "backward_")],
    "edgekd-bigru": lambda _: [(f"layers.0.{side}", "weight_ih_l0", 1) for side in ("onward", "backward_")],
}
