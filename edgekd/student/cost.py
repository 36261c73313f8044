"""What a student costs, by formulas: parameters, multiply-accumulates, bytes. No torch; a test builds the real models.

A multiply-accumulate (MAC) is one multiplication with its addition in a matrix product, a convolution or a weighted sum
of rows. Looking up rows, activations and normalisations are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LENGTH = 32  # tokens of the text that MACs are given for


@dataclass(frozen=True)
class Cost:
    """Of one student, or of a part of it."""

    parameters: int = 0
    macs: int = 0  # for one text
    int8_parameters: int = 0  # those that take one byte in an int8 graph: tables and matrices
    int8_scales: int = 0  # one for each row of a table

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.parameters + other.parameters,
            self.macs + other.macs,
            self.int8_parameters + other.int8_parameters,
            self.int8_scales + other.int8_scales,
        )

    @property
    def fp32_bytes(self) -> int:
        """Bytes of the weights of the fp32 graph."""
        return 4 * self.parameters

    @property
    def int8_bytes(self) -> int:
        """Bytes of the weights of the int8 graph."""
        return 4 * (self.parameters - self.int8_parameters + self.int8_scales) + self.int8_parameters


def _table(rows: int, dim: int) -> Cost:
    """A table; very narrow rows share one scale."""
    return Cost(rows * dim, 0, rows * dim, rows if dim >= 4 else 1)


def _matrix(inputs: int, outputs: int, times: int = 1, *, bias: bool = True) -> Cost:
    """A linear layer that is applied to ``times`` vectors."""
    size = inputs * outputs
    return Cost(size + (outputs if bias else 0), times * size, size)


def _vectors(shape: Mapping[str, Any], vocab: int, times: int) -> Cost:
    """Token vectors; factorised ones are widened ``times`` times."""
    dim, factor = shape["embedding_dim"], shape.get("factor_dim")
    return _table(vocab, factor) + _matrix(factor, dim, times, bias=False) if factor else _table(vocab, dim)


def _grams(ngrams: int, length: int) -> int:
    """Number of n-grams of 2 to ``ngrams`` tokens."""
    return sum(max(0, length - n + 1) for n in range(2, ngrams + 1))


def linear_cost(shape: Mapping[str, Any], *, vocab: int, labels: int, length: int = LENGTH) -> Cost:
    """Of ``linear`` on tokens: one matrix and a bias."""
    ngrams = shape["ngrams"]
    rows = vocab + (shape["buckets"] if ngrams > 1 else 0)
    return _table(rows, labels) + Cost(labels, (length + _grams(ngrams, length)) * labels)


def bag_cost(shape: Mapping[str, Any], *, vocab: int, labels: int, length: int = LENGTH) -> Cost:
    """Of ``bag``: token vectors and weights, perhaps n-gram vectors, two matrices."""
    dim, hidden, ngrams = shape["embedding_dim"], shape["hidden_dim"], shape.get("ngrams", 1)
    cost = _vectors(shape, vocab, 1) + _table(vocab, 1) + Cost(0, length * (shape.get("factor_dim") or dim))
    if ngrams > 1:
        cost += _table(shape["buckets"], dim) + Cost(0, _grams(ngrams, length) * dim)
    return cost + _matrix(dim, hidden) + _matrix(hidden, labels)


def cnn_cost(shape: Mapping[str, Any], *, vocab: int, labels: int, length: int = LENGTH) -> Cost:
    """Of ``cnn``: token vectors, one convolution a width, one matrix."""
    dim, filters, widths = shape["embedding_dim"], shape["hidden_dim"], shape["widths"]
    cost = _vectors(shape, vocab, length)
    for width in widths:
        weights = width * dim * filters
        cost += Cost(weights + filters, length * weights, weights)
    return cost + _matrix(filters * len(widths), labels)


def _recurrent_cost(gates: int, shape: Mapping[str, Any], *, vocab: int, labels: int, length: int) -> Cost:
    """Of recurrent layers: for each direction two matrices and two biases a gate; int8 is only the LSTM's."""
    hidden, inputs = shape["hidden_dim"], shape["embedding_dim"]
    cost = _vectors(shape, vocab, length)
    for _ in range(shape["layers"]):
        weights = 2 * gates * hidden * (inputs + hidden)
        cost += Cost(weights + 2 * gates * 2 * hidden, length * weights, weights if gates == 4 else 0)
        inputs = 2 * hidden
    return cost + _matrix(2 * hidden, labels)


def bilstm_cost(shape: Mapping[str, Any], *, vocab: int, labels: int, length: int = LENGTH) -> Cost:
    """Of ``bilstm``: four gates."""
    return _recurrent_cost(4, shape, vocab=vocab, labels=labels, length=length)


def bigru_cost(shape: Mapping[str, Any], *, vocab: int, labels: int, length: int = LENGTH) -> Cost:
    """Of ``bigru``: three gates."""
    return _recurrent_cost(3, shape, vocab=vocab, labels=labels, length=length)


def transformer_cost(
    shape: Mapping[str, Any],
    *,
    vocab: int,
    labels: int,
    length: int = LENGTH,
    positions: int = 64,
    token_types: int = 1,
) -> Cost:
    """Of a transformer of the BERT family, or of the ELECTRA family when its token vectors are narrower.

    A layer has four matrices ``hidden x hidden`` and two of ``hidden x ffn`` for each token, and two products of
    ``length x length x hidden`` for attention. The classifier reads the first token alone.
    """
    hidden, ffn, layers = shape["hidden_dim"], shape["ffn_dim"], shape["layers"]
    width = shape.get("factor_dim") or shape.get("embedding_dim") or hidden
    norm = Cost(2 * hidden)
    cost = _table(vocab, width) + _table(positions, width) + _table(token_types, width) + Cost(2 * width)
    if width != hidden:
        cost += _matrix(width, hidden, length)
    layer = norm + norm + Cost(0, 2 * length * length * hidden)
    for inputs, outputs in ((hidden, hidden),) * 4 + ((hidden, ffn), (ffn, hidden)):
        layer += _matrix(inputs, outputs, length)
    for _ in range(layers):
        cost += layer
    return cost + _matrix(hidden, hidden) + _matrix(hidden, labels)


COSTS: dict[str, Callable[..., Cost]] = {
    "linear": linear_cost,
    "bag": bag_cost,
    "cnn": cnn_cost,
    "bigru": bigru_cost,
    "bilstm": bilstm_cost,
    "transformer": transformer_cost,
}
