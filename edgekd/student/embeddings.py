"""Token vectors: perhaps factorised, and their start from the teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from edgekd.errors import ConfigError
from edgekd.student.remember import remembered
from edgekd.student.sizes import shape_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from edgekd.config import StudentConfig
    from edgekd.teacher.load import Teacher

START_STD = 0.1  # of token vectors, a range in which small students train well
_BATCH = 512  # tokens that the teacher reads at once


def widening(factor_dim: int | None, dim: int) -> nn.Module:
    """Return what makes vectors of ``dim`` from the rows of a table: nothing, or a matrix.

    With ``factor_dim`` the table is that narrow and shares one matrix: ``V x E + E x H`` weights instead of ``V x H``
    (ALBERT, Lan et al. 2019, arXiv 1909.11942, section 3.1).
    """
    return nn.Linear(factor_dim, dim, bias=False) if factor_dim else nn.Identity()


def init_small_weights(module: nn.Module) -> None:
    """Start a module of a small student: Xavier matrices, zero biases, token vectors of standard deviation 0.1."""
    if isinstance(module, nn.Linear | nn.Conv1d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=START_STD)


def fitted_shape(config: StudentConfig, teacher: Teacher) -> dict[str, Any]:
    """Return the shape of a student; token vectors that were not asked for are no wider than the teacher's.

    A projection cannot add dimensions, so a named size that is wider than a small teacher is narrowed to it.
    """
    shape: dict[str, Any] = dict(shape_of(config))
    if config.embedding_dim is None and config.embeddings != "random":
        shape["embedding_dim"] = min(shape["embedding_dim"], teacher.model.get_input_embeddings().weight.shape[1])
    return shape


def check_factor(config: StudentConfig, dim: int) -> None:
    """Raise ConfigError when ``factor_dim`` is not narrower than the vectors it makes."""
    if config.factor_dim is not None and config.factor_dim >= dim:
        raise ConfigError(
            f"Student '{config.label}': factor_dim {config.factor_dim} must be smaller than the width {dim} of the "
            "vectors that are made of it, or it only adds weights."
        )


def start_embeddings(
    table: nn.Embedding,
    config: StudentConfig,
    teacher: Teacher,
    tokenizer: PreTrainedTokenizerFast | None,
    *,
    std: float = START_STD,
) -> None:
    """Fill the rows of a student's table as ``config.embeddings`` says; ``random`` leaves it as it is.

    Raises:
        ConfigError: when the teacher cannot give such vectors.
    """
    if config.embeddings == "random":
        return
    vectors = token_vectors(teacher, tokenizer, config.embeddings or "teacher-input")
    with torch.no_grad():
        table.weight.copy_(pca_embeddings(vectors, table.weight.shape[1], std=std))


def pca_embeddings(vectors: torch.Tensor, dim: int, *, std: float = START_STD) -> torch.Tensor:
    """Project vectors ``(tokens, hidden)`` onto their first principal components: ``(tokens, dim)``, scaled to ``std``.

    Raises:
        ConfigError: when ``dim`` is larger than ``hidden``.
    """
    if dim > vectors.shape[1]:
        raise ConfigError(
            f"Token vectors of {dim} cannot start from the teacher's of {vectors.shape[1]}; "
            "a projection cannot add dimensions.",
            hint=f"Use at most {vectors.shape[1]}, or embeddings: random.",
        )
    centred = (vectors - vectors.mean(dim=0, keepdim=True)).double()
    _, directions = torch.linalg.eigh(centred.T @ centred)  # ascending eigenvalues
    projected = (centred @ directions.flip(1)[:, :dim]).to(vectors.dtype)
    return projected * (std / projected.std().clamp_min(1e-12))


def token_vectors(teacher: Teacher, tokenizer: PreTrainedTokenizerFast | None, source: str) -> torch.Tensor:
    """Return what the teacher knows of each token: float32 ``(tokens, width)`` on the CPU.

    Args:
        teacher: whose tokens are meant, unless there is an own ``tokenizer``.
        tokenizer: a token of it is taken for the teacher's tokens that its text consists of.
        source: ``teacher-input``: the teacher's input vectors, averaged over those tokens. ``teacher-output``: what
            the teacher makes of ``[CLS] tokens [SEP]`` (as Model2Vec makes static vectors; van Dongen, Tulkens 2024):
            the hidden states of those tokens after two thirds of the layers and after the last, each scaled to a mean
            length of 1, side by side: ``(tokens, 2 * hidden)``. On SST-2 both together were better for a ``bag`` and a
            ``cnn`` than either alone, and than the vectors of a teacher that was not fine-tuned.
    """
    table = teacher.model.get_input_embeddings().weight.detach().float().cpu()
    pieces = [[row] for row in range(len(table))] if tokenizer is None else teacher_pieces(tokenizer, teacher.tokenizer)
    if source == "teacher-output":
        own = None if tokenizer is None else tokenizer.backend_tokenizer.to_str()
        return remembered(teacher.model, ("token outputs", own), lambda: _outputs(teacher, pieces))
    if tokenizer is None:
        return table
    return torch.stack([table[ids].mean(dim=0) for ids in pieces])


def teacher_pieces(own: PreTrainedTokenizerFast, theirs: PreTrainedTokenizerFast) -> list[list[int]]:
    """Return the teacher's token ids for each token of another tokenizer, in the order of its ids.

    A token that the teacher has too (``##ing``) is that one; special tokens correspond by their role; any other is
    split by the teacher's tokenizer.
    """
    roles = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    special = {getattr(own, role): getattr(theirs, f"{role}_id") for role in roles}
    shared = theirs.get_vocab()
    unknown = theirs.unk_token_id if theirs.unk_token_id is not None else 0
    result: list[list[int]] = []
    for token, _ in sorted(own.get_vocab().items(), key=lambda item: item[1]):
        if special.get(token) is not None:
            result.append([special[token]])
        elif token in shared:
            result.append([shared[token]])
        else:
            text = token.removeprefix("##").removeprefix("▁")
            result.append(theirs.encode(text, add_special_tokens=False) or [unknown])
    return result


@torch.no_grad()
def _outputs(teacher: Teacher, pieces: list[list[int]]) -> torch.Tensor:
    model = teacher.model
    first, last = special_ends(teacher)
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    vectors: list[torch.Tensor | None] = [None] * len(pieces)
    by_length: dict[int, list[int]] = {}
    for row, ids in enumerate(pieces):
        by_length.setdefault(min(len(ids), teacher.max_length - 2), []).append(row)
    for length, rows in sorted(by_length.items()):
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            ids = torch.tensor([[*first, *pieces[row][:length], *last] for row in batch], device=device)
            own = slice(len(first), len(first) + length)
            states = [state[:, own].mean(dim=1).float().cpu() for state in _two_states(hidden_states(model, ids))]
            for row, vector in zip(batch, torch.cat(states, dim=1), strict=True):
                vectors[row] = vector
    model.train(was_training)
    stacked = torch.stack([vector for vector in vectors if vector is not None])
    return torch.cat([_of_mean_length_one(part) for part in stacked.chunk(2, dim=1)], dim=1)


def _two_states(states: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the states after two thirds of the layers and after the last; the first of all are the embeddings."""
    return states[max(1, round(2 * (len(states) - 1) / 3))], states[-1]


def _of_mean_length_one(vectors: torch.Tensor) -> torch.Tensor:
    centred = vectors - vectors.mean(dim=0, keepdim=True)
    return centred / centred.norm(dim=1).mean().clamp_min(1e-12)


def special_ends(teacher: Teacher) -> tuple[list[int], list[int]]:
    """Return the special tokens before and after a text, as the teacher's tokenizer sets them."""
    word = teacher.tokenizer.encode("a", add_special_tokens=False)
    whole = teacher.tokenizer.encode("a")
    start = next(i for i in range(len(whole) + 1) if whole[i : i + len(word)] == word)
    return whole[:start], whole[start + len(word) :]


def hidden_states(model: PreTrainedModel, ids: torch.Tensor) -> Sequence[torch.Tensor]:
    """Return the embeddings and the states after each layer, ``(batch, sequence, hidden)``, for texts of one length.

    Raises:
        ConfigError: when the model has no hidden states (a student that is no transformer).
    """
    output = model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
    states = getattr(output, "hidden_states", None)
    if not states:
        raise ConfigError(
            f"A teacher of type '{model.config.model_type}' has no hidden states to start token vectors from.",
            hint="Use embeddings: teacher-input.",
        )
    return tuple(states)
