"""How fast training batches are made: ``python -m pytest benchmarks/test_training_speed.py --benchmark-only``.

A step of a tiny student takes some milliseconds, so a batch has to take a small part of one.
"""

import pytest

pytest.importorskip("torch")

import numpy as np

from edgekd.batches import EncodedTexts, PadToLongest
from edgekd.buckets import LengthBuckets

TEXTS, BATCH = 60_000, 128


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.gamma(3, 4, TEXTS).astype(int) + 2, 3, 60)  # sub-spans of sentences
    input_ids = [rng.integers(5, 30_000, length).tolist() for length in lengths]
    return EncodedTexts(input_ids, [None] * TEXTS, rng.normal(size=(TEXTS, 2)))


def test_a_batch_of_128_texts(benchmark, texts):
    rows = texts.__getitems__(list(range(BATCH)))
    assert benchmark(PadToLongest(0), rows)["input_ids"].shape[0] == BATCH


def test_the_order_of_an_epoch(benchmark, texts):
    buckets = LengthBuckets(texts.input_ids.lengths, BATCH, seed=0)
    assert len(benchmark(lambda: list(buckets))) == -(-TEXTS // BATCH)
