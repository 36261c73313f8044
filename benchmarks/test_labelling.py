"""Teacher labels against the plain loop: ``python -m pytest benchmarks/test_labelling.py --benchmark-only``.

The plain loop: texts in the given order, batches of 32, padded to the longest, torch, as many threads. Both run in
turns on the same texts. ``EDGEKD_BENCH_TEXTS`` names a JSON-lines file with ``text``, ``EDGEKD_BENCH_TEACHER`` a
classifier folder; without them, texts of the lengths of film-review sentences and a random 6-layer encoder are used.
"""

import copy
import json
import os
import statistics
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from edgekd.batches import PadToLongest, logits_in_order  # noqa: E402
from edgekd.progress import Silent  # noqa: E402
from edgekd.teacher.engine import open_engine  # noqa: E402
from edgekd.teacher.load import encode, load_classifier  # noqa: E402

PAIRS, TEXTS_A_PAIR = 6, 384


@pytest.fixture(scope="module")
def model():
    if folder := os.environ.get("EDGEKD_BENCH_TEACHER"):
        return load_classifier(folder, 64, Silent()).model
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    sizes = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    return BertForSequenceClassification(BertConfig(num_labels=2, **sizes)).eval()


@pytest.fixture(scope="module")
def input_ids():
    rng = np.random.default_rng(0)
    if path := os.environ.get("EDGEKD_BENCH_TEXTS"):
        texts = [json.loads(line)["text"] for line in Path(path).read_text(encoding="utf-8").splitlines()]
        tokenizer = load_classifier(os.environ["EDGEKD_BENCH_TEACHER"], 64, Silent()).tokenizer
        ids = encode(tokenizer, texts, 64)
        return [ids[row] for row in rng.permutation(len(ids))]
    lengths = np.clip(rng.gamma(4.5, 5.6, PAIRS * TEXTS_A_PAIR).astype(int), 4, 64)  # mean 25, 95 % up to 47
    return [rng.integers(1_000, 30_000, length).tolist() for length in lengths]


def plain_loop(model, input_ids):
    parts, collate = [], PadToLongest(0)
    with torch.inference_mode():
        for first in range(0, len(input_ids), 32):
            batch = collate([{"input_ids": ids} for ids in input_ids[first : first + 32]])
            parts.append(model(**batch).logits.numpy())
    return np.concatenate(parts)


def test_labelling_is_at_least_two_and_a_half_times_the_plain_loop(benchmark, model, input_ids):
    parts = [input_ids[first : first + TEXTS_A_PAIR] for first in range(0, PAIRS * TEXTS_A_PAIR, TEXTS_A_PAIR)]
    ratios, largest = [], 0.0
    with open_engine(copy.deepcopy(model), input_ids, worth_s=0) as engine:

        def label(part):
            return logits_in_order(engine.forward, part, num_labels=model.config.num_labels, tokens=engine.tokens)

        for part in parts:
            begun = time.perf_counter()
            expected = plain_loop(model, part)
            middle = time.perf_counter()
            actual = label(part)
            ratios.append((middle - begun) / (time.perf_counter() - middle))
            assert np.array_equal(actual.argmax(axis=1), expected.argmax(axis=1))
            largest = max(largest, float(np.abs(actual - expected).max()))
        benchmark.extra_info |= {"engine": engine.choice.engine, "ratios": ratios, "max_abs_diff": largest}
        benchmark.pedantic(label, (parts[0],), rounds=1)
    print(f"{engine.choice.engine}: median {statistics.median(ratios):.2f} of {len(ratios)}, difference {largest:.1g}")
    assert largest <= 1e-4
    assert statistics.median(ratios) >= 2.5
