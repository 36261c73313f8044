"""Which texts go into a batch together: those of about one length.

Every padded position costs as much as a token. For training the order is random and depends on seed and epoch alone;
for prediction it is sorted, and the size of a batch is given in tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    Array = np.ndarray[Any, Any]

BUCKET_BATCHES = 50  # batches that are sorted together


class LengthBuckets:
    """A batch sampler: texts of about one length, in an order that depends on the seed and the epoch alone.

    Texts are shuffled, cut into groups of ``BUCKET_BATCHES`` batches, sorted by length within a group and cut into
    batches, which are shuffled. The texts that fill no batch are a random few; they come last, because accelerate
    wants a short batch there when it deals batches out to several GPUs.

    Args:
        lengths: tokens of each text.
        batch_size: texts a batch.
        seed: with the epoch it decides the order.
    """

    drop_last = False  # read by accelerate

    def __init__(self, lengths: Array, batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; the ``Trainer`` calls this at the start of each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(len(self.lengths))
        whole = len(order) - len(order) % self.batch_size
        step = self.batch_size * BUCKET_BATCHES
        groups = [order[first : min(first + step, whole)] for first in range(0, whole, step)]
        rows = [group[np.argsort(self.lengths[group], kind="stable")] for group in groups]
        batches = np.concatenate(rows).reshape(-1, self.batch_size) if rows else order[:0].reshape(0, 1)
        yield from batches[rng.permutation(len(batches))].tolist()
        if whole < len(order):
            yield order[whole:].tolist()


def token_batches(lengths: Array, *, tokens: int, texts: int | None = None) -> Iterator[Array]:
    """Yield row numbers sorted by length, in batches of at most ``tokens`` padded tokens (and ``texts`` texts).

    A text that is longer than ``tokens`` is a batch of its own.
    """
    order = np.argsort(lengths, kind="stable")
    first = 0
    while first < len(order):
        last = first + 1
        while (
            last < len(order)
            and (last + 1 - first) * int(lengths[order[last]]) <= tokens
            and (texts is None or last - first < texts)
        ):
            last += 1
        yield order[first:last]
        first = last
