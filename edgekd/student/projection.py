"""A narrower transformer: the teacher's weights projected onto fewer hidden dimensions.

All layers of a transformer read and write one hidden space of ``H`` dimensions. With an orthonormal ``P`` ``(H, h)``,
every matrix that reads it becomes ``W P`` and every one that writes it ``P' W``, so that the narrow model works on
``P' x`` wherever the wide one works on ``x``. What ``P`` cannot express:

- A layer normalisation over ``h`` instead of ``H`` dimensions gives other values; its scale and shift are fitted to
  give the projected ones (least squares for each dimension).
- Attention keeps its head size and loses heads: those with the smallest ``|W_v| |W_o|`` go.
- The feed-forward part shrinks in proportion: the neurons with the smallest ``|w_in| |w_out|`` go; so do those of the
  classifier's hidden layer with the smallest ``|w_out|``.

It is a start for training, not a compression that works by itself. The idea of projecting all weights that share a
space is from SliceGPT (Ashkboos et al. 2024, arXiv 2401.15024), which needs RMSNorm to be exact.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING

import torch
from optimum.utils import NormalizedConfigManager
from torch import nn

from edgekd.errors import ConfigError
from edgekd.student.base import classifier_of
from edgekd.student.embeddings import special_ends
from edgekd.student.projection_fit import Activations, learn_projection, pca_projection
from edgekd.student.remember import remembered

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from edgekd.config import StudentConfig
    from edgekd.teacher.load import Teacher

SAMPLE_TEXTS, SAMPLE_TOKENS = 256, 14

HIDDEN, HEADS, FFN, POOLED = "hidden", "heads", "ffn", "pooled"
# Which spaces a linear layer writes and reads, by the end of its name, in the BERT, DistilBERT, RoBERTa and ELECTRA
# families.
_SPACES: list[tuple[str, str, str | None]] = [
    (r"attention\.(self\.)?(query|key|value|q_lin|k_lin|v_lin)$", HEADS, HIDDEN),
    (r"attention\.(output\.dense|out_lin)$", HIDDEN, HEADS),
    (r"(intermediate\.dense|ffn\.lin1)$", FFN, HIDDEN),
    (r"(output\.dense|ffn\.lin2)$", HIDDEN, FFN),
    (r"(pooler\.dense|pre_classifier|classifier\.dense)$", POOLED, HIDDEN),
    (r"embeddings_project$", HIDDEN, None),
]


def project(student: PreTrainedModel, teacher: Teacher, layers: list[int], config: StudentConfig) -> PreTrainedModel:
    """Return ``student``, a cut copy of the teacher, with ``config.hidden_dim`` hidden dimensions.

    Nothing depends on the student's seed: like the cut itself, the projection is the teacher's alone.

    Args:
        student: has the teacher's width.
        teacher: for its tokens.
        layers: of the teacher that the student has.
        config: ``hidden_dim`` is smaller than the teacher's, a multiple of its head size; with ``projection: learned``
            the principal components are improved by :func:`learn_projection`.

    Raises:
        ConfigError: for a width that is not possible, or a family whose weights are not known.
    """
    assert config.hidden_dim is not None
    dim, learned = config.hidden_dim, config.projection == "learned"
    student.eval().to("cpu")
    shape = narrow_config(student.config, dim)
    narrow = Narrowing(student, shape)
    ids = sample_ids(teacher)
    activations = Activations.of(student, ids, narrow.norms)
    model: PreTrainedModel = type(student)(shape)

    def find() -> torch.Tensor:
        start = pca_projection(activations, dim)
        return learn_projection(start, student, model, narrow.weights, activations, ids) if learned else start

    projection = remembered(teacher.model, ("projection", tuple(layers), dim, learned), find)
    with torch.no_grad():
        model.load_state_dict(narrow.weights(projection, activations), strict=False)
    return model


def narrow_config(config: PreTrainedConfig, hidden_dim: int) -> PreTrainedConfig:
    """Return the configuration of the narrower model: fewer heads of the same size, the FFN in proportion."""
    names = NormalizedConfigManager.get_normalized_config_class(config.model_type)(config)
    ffn_name = "hidden_dim" if config.model_type == "distilbert" else "intermediate_size"
    hidden, heads = getattr(config, names.HIDDEN_SIZE), getattr(config, names.NUM_ATTENTION_HEADS)
    head_size = hidden // heads
    embedding = getattr(config, "embedding_size", hidden)
    possible = [size for size in range(head_size, hidden, head_size) if size != embedding]
    if hidden_dim not in possible:
        raise ConfigError(
            f"hidden_dim {hidden_dim} is not possible for a transformer that is cut from a teacher with {heads} heads "
            f"of {head_size}. Allowed: {', '.join(map(str, possible)) or 'none'}.",
            hint="Choose one of these, or from_scratch: true for any shape.",
        )
    result = copy.deepcopy(config)
    setattr(result, names.HIDDEN_SIZE, hidden_dim)
    setattr(result, names.NUM_ATTENTION_HEADS, hidden_dim // head_size)
    setattr(result, ffn_name, max(1, round(getattr(config, ffn_name) * hidden_dim / hidden)))
    if embedding == hidden and hasattr(config, "embedding_size"):
        result.embedding_size = hidden_dim
    return result


def sample_ids(teacher: Teacher) -> torch.Tensor:
    """Return random sequences of the teacher's tokens ``(256, up to 16)``, special tokens around each, always the same.

    They stand for texts, so that building a student needs none.
    """
    tokenizer = teacher.tokenizer
    plain = torch.tensor(sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids)))
    first, last = special_ends(teacher)
    length = min(SAMPLE_TOKENS, teacher.max_length - len(first) - len(last))
    choice = torch.randint(len(plain), (SAMPLE_TEXTS, length), generator=torch.Generator().manual_seed(0))
    before, after = (torch.tensor(end, dtype=torch.long).expand(SAMPLE_TEXTS, -1) for end in (first, last))
    return torch.cat([before, plain[choice], after], dim=1)


class Narrowing:
    """Makes the weights of the narrow model from those of the wide one and a projection."""

    def __init__(self, model: PreTrainedModel, config: PreTrainedConfig) -> None:
        names = NormalizedConfigManager.get_normalized_config_class(config.model_type)(config)
        self.hidden: int = getattr(model.config, names.HIDDEN_SIZE)
        self.classifier, _ = classifier_of(model)
        self.modules = dict(model.named_modules())
        self.norms = [
            name
            for name, module in self.modules.items()
            if isinstance(module, nn.LayerNorm) and tuple(module.normalized_shape) == (self.hidden,)
        ]
        narrow_hidden: int = getattr(config, names.HIDDEN_SIZE)
        self.sizes = {
            HEADS: narrow_hidden // (self.hidden // getattr(model.config, names.NUM_ATTENTION_HEADS)),
            FFN: config.hidden_dim if config.model_type == "distilbert" else config.intermediate_size,
            POOLED: narrow_hidden,
        }
        self.head_size = self.hidden // getattr(model.config, names.NUM_ATTENTION_HEADS)
        self.spaces = {name: self._spaces(name) for name, part in self.modules.items() if isinstance(part, nn.Linear)}
        self.kept = {key: self._keep(key) for key in {self._key(name, s) for name, s in self._selected()}}

    def _spaces(self, name: str) -> tuple[str | None, str | None]:
        """Return the spaces that a linear layer writes and reads."""
        if name == self.classifier:
            pooled = any(re.search(_SPACES[4][0], other) for other in self.modules)
            return None, POOLED if pooled else HIDDEN
        for pattern, writes, reads in _SPACES:
            if re.search(pattern, name):
                return writes, reads
        raise ConfigError(
            f"The layer '{name}' of the teacher is not known, so its width cannot be reduced.",
            hint="Leave hidden_dim out, or use from_scratch: true.",
        )

    def _selected(self) -> list[tuple[str, str]]:
        return [(name, s) for name, both in self.spaces.items() for s in both if s not in (None, HIDDEN)]

    def _key(self, name: str, space: str) -> tuple[str, str]:
        """Heads and neurons are chosen for each layer, which the numbered part of a name tells."""
        layer = re.match(r".*\.\d+(?=\.)", name)
        return (layer.group() if layer and space != POOLED else "", space)

    def _keep(self, key: tuple[str, str]) -> torch.Tensor:
        """Return the indexes in a space that are kept: those with the largest product of norms, in their order."""
        _, space = key
        norms: torch.Tensor | None = None
        for name, (writes, reads) in self.spaces.items():
            if re.search(r"(query|key|q_lin|k_lin)$", name):
                continue
            for side, own in ((0, writes), (1, reads)):
                if own is None or own != space or self._key(name, space) != key:
                    continue
                if space == POOLED and side == 0:
                    continue
                weight = self.modules[name].weight.detach()
                norm = weight.square().sum(dim=1 - side)
                if space == HEADS:
                    norm = norm.view(-1, self.head_size).sum(dim=1)
                norms = norm if norms is None else norms * norm
        assert norms is not None
        best = norms.topk(self.sizes[space]).indices.sort().values
        if space == HEADS:
            best = (best.unsqueeze(1) * self.head_size + torch.arange(self.head_size)).flatten()
        return best

    def weights(self, projection: torch.Tensor, activations: Activations) -> dict[str, torch.Tensor]:
        """Return the narrow model's parameters for a projection ``(H, h)``; differentiable in it."""
        result: dict[str, torch.Tensor] = {}
        for name, module in self.modules.items():
            if name in self.norms:
                result[f"{name}.weight"], result[f"{name}.bias"] = activations.fit_norm(name, projection, module.eps)
            elif isinstance(module, nn.Embedding):
                weight = module.weight.detach()
                result[f"{name}.weight"] = weight @ projection if weight.shape[1] == self.hidden else weight
            elif isinstance(module, nn.Linear):
                writes, reads = self.spaces[name]
                weight = self._along(module.weight.detach().t(), reads, name, projection).t()
                result[f"{name}.weight"] = self._along(weight, writes, name, projection)
                if module.bias is not None:
                    bias = module.bias.detach().unsqueeze(1)
                    result[f"{name}.bias"] = self._along(bias, writes, name, projection).squeeze(1)
            elif isinstance(module, nn.LayerNorm):
                result[f"{name}.weight"], result[f"{name}.bias"] = module.weight.detach(), module.bias.detach()
        return result

    def _along(self, weight: torch.Tensor, space: str | None, name: str, projection: torch.Tensor) -> torch.Tensor:
        """Reduce the rows of a matrix, which are in ``space``."""
        if space is None:
            return weight
        if space == HIDDEN:
            return projection.t() @ weight
        return weight[self.kept[self._key(name, space)]]
