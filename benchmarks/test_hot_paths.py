"""Micro-benchmarks of our own code inside the timed path: ``python -m pytest benchmarks --benchmark-only``.

They guard against a slip in the harness, not against the runtime: a tiny model answers in microseconds, so ours count.
"""

import pytest

pytest.importorskip("onnx")

from edgekd.api import Classifier
from edgekd.bench.loop import measure
from edgekd.bundle import load_bundle
from edgekd.runtime import OnnxSession
from tests.bundles import make_bundle

TEXTS = ["the film was great and it is very good", "a boring movie", "not bad , the film is fun and fine"]


@pytest.fixture(scope="module", params=[True, False], ids=["cached", "tokenizers"])
def session(request, tmp_path_factory):
    session = OnnxSession(make_bundle(tmp_path_factory.mktemp("bundle")), 1, cached=request.param)
    session.load()
    session.warm_up(TEXTS)
    return session


@pytest.fixture
def classifier(session):
    return Classifier(load_bundle(session._model.model_path.parent), session)


def test_encode(benchmark, session):
    assert benchmark(session.encode, TEXTS[:1]).tokens > 5


def test_text_to_logits(benchmark, session):
    assert benchmark(session.run, TEXTS[:1]).shape == (1, 2)


def test_the_timing_loop(benchmark, session):
    timings = benchmark(measure, session, TEXTS, range(len(TEXTS)), 0)
    assert len(timings.total_s) == 3


def test_text_to_label(benchmark, classifier):
    assert list(benchmark(classifier, TEXTS[0])[0]) == ["label", "score"]
