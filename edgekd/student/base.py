"""What all students share: the registry of kinds, building one from a teacher, the plain loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody uses

from edgekd.errors import ConfigError
from edgekd.registry import Registry

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from edgekd.config import StudentConfig


class StudentBuilder(Protocol):
    """Build an untrained student of one kind from its configuration and the teacher."""

    def __call__(self, config: StudentConfig, teacher: PreTrainedModel) -> PreTrainedModel:
        """Return the student; its vocabulary and labels are the teacher's."""


STUDENTS: Registry[StudentBuilder] = Registry("student")

# Fields of StudentConfig that only some kinds have.
_SHAPE_FIELDS = ("embedding_dim", "hidden_dim", "widths", "layers")


def classification_loss(logits: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor | None:
    """Return the mean cross entropy, or None without labels."""
    return None if labels is None else F.cross_entropy(logits, labels)


def check_fields(config: StudentConfig, allowed: tuple[str, ...]) -> None:
    """Reject shape fields that this kind of student does not have.

    Raises:
        ConfigError: naming the fields and what the kind allows.
    """
    wrong = [name for name in _SHAPE_FIELDS if name not in allowed and getattr(config, name) is not None]
    if wrong:
        raise ConfigError(
            f"Student '{config.label}' of kind '{config.kind}' has no option {', '.join(wrong)}. "
            f"Allowed: {', '.join(allowed)}."
        )


def pca_embeddings(weight: torch.Tensor, dim: int) -> torch.Tensor:
    """Project an embedding table ``(vocab, hidden)`` onto its first principal components ``(vocab, dim)``.

    The result is scaled to a standard deviation of 0.1, a range in which small students train well.
    """
    if dim > weight.shape[1]:
        raise ConfigError(
            f"embedding_dim {dim} is larger than the teacher's hidden size {weight.shape[1]}; "
            "a projection cannot add dimensions."
        )
    centred = (weight - weight.mean(dim=0, keepdim=True)).double()
    _, vectors = torch.linalg.eigh(centred.T @ centred)  # ascending eigenvalues
    projected = (centred @ vectors.flip(1)[:, :dim]).to(weight.dtype)
    return projected * (0.1 / projected.std())


def count_parameters(model: PreTrainedModel) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())
