"""Bundles as a benchmark suite: ``python -m pytest benchmarks/test_bundles.py --edgekd-bundle RUN/bundles/cpu``.

A round of the first two is one call with the next of the evaluation texts, so their percentiles are those of the real
mix. With ``--benchmark-json FILE`` the times are written for ``edgekd compare`` and ``edgekd gate``. The texts are
those of the bundle's run, or ``--edgekd-data``. Without a bundle all is skipped.
"""

from itertools import cycle

BATCH = 32
BATCHES = 60


def test_latency(edgekd_bundle, benchmark):
    edgekd_bundle.time_texts(benchmark)


def test_tokenizer(edgekd_bundle, benchmark):
    encode = edgekd_bundle.session.encode
    edgekd_bundle.time_texts(benchmark, lambda text: encode([text]))


def test_load_time(edgekd_bundle, benchmark):
    benchmark.pedantic(edgekd_bundle.open_session, rounds=30, warmup_rounds=1)


def test_throughput(edgekd_bundle, benchmark):
    texts = edgekd_bundle.texts
    batches = cycle([texts[start : start + BATCH] for start in range(0, len(texts) - BATCH + 1, BATCH)] or [texts])
    size = min(BATCH, len(texts))
    benchmark.pedantic(edgekd_bundle.session.run, setup=lambda: ((next(batches),), {}), rounds=BATCHES)
    benchmark.extra_info["texts_a_call"] = size
    if benchmark.stats:
        benchmark.extra_info["texts_a_second"] = size / benchmark.stats.stats.median
