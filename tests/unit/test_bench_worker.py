"""The measuring process, without a process."""

from __future__ import annotations

import time

import numpy as np
import pytest

from edgekd.bench import worker
from edgekd.bench.worker import Worker
from edgekd.runtime import OnnxSession
from edgekd.runtime.text_session import Encoded
from tests.bundles import make_bundle


class Slow:
    """A session of a constant time a call that remembers which texts it got."""

    def __init__(self, call_s):
        self.call_s = call_s
        self.texts = []

    def encode(self, texts):
        return Encoded({"texts": texts}, 3, len(texts))

    def infer(self, inputs):
        self.texts.extend(inputs.feed["texts"])
        time.sleep(self.call_s)
        return np.zeros((1, 2), dtype=np.float32)

    def run(self, texts):
        return self.infer(self.encode(texts))

    def warm_up(self, texts):
        pass


def warmed(call_s):
    made, session = Worker(), Slow(call_s)
    made.session = session
    made.answer({"do": "warm_up", "texts": ["other one", "other two"], "calls": 2})
    made.answer({"do": "texts", "indexes": [4, 7, 9], "texts": ["four", "seven", "nine"]})
    session.texts.clear()
    return made, session


@pytest.mark.parametrize(("call_s", "least", "most"), [(worker.REWARM_S * 2, 1, 1), (worker.REWARM_S / 10, 2, 10)])
@pytest.mark.parametrize(
    ("block", "own", "others"),
    [([7], ["seven"], {"four", "nine"}), ([9, 4, 7], ["nine", "four", "seven"], {"other one", "other two"})],
    ids=["of other blocks", "of the warm-up, where there is one block"],
)
def test_a_block_begins_with_other_texts_that_are_not_timed(call_s, least, most, block, own, others):
    made, session = warmed(call_s)
    columns = made.answer({"do": "block", "indexes": block, "block": 3})
    assert columns["text_index"] == block
    assert len(columns["total_s"]) == len(own)
    assert session.texts[-len(own) :] == own
    before = session.texts[: -len(own)]
    assert least <= len(before) <= most
    assert set(before) <= others


def test_words_of_the_texts_before_a_block_are_forgotten(tmp_path):
    session = OnnxSession(make_bundle(tmp_path), 1)
    session.load()
    made = Worker()
    made.session = session
    made.answer({"do": "warm_up", "texts": ["great film"], "calls": 2})
    made.answer({"do": "texts", "indexes": [0, 1], "texts": ["dull movie", "awful movie"]})
    made.answer({"do": "block", "indexes": [1], "block": 0})
    assert {"great", "film", "awful", "movie"} == set(session._encoder._chunks)
    made.answer({"do": "block", "indexes": [0], "block": 1})
    assert {"great", "film", "awful", "movie", "dull"} == set(session._encoder._chunks)
    made.answer({"do": "begin_pass"})
    assert {"great", "film"} == set(session._encoder._chunks)


@pytest.mark.parametrize("spinning", [True, False])
def test_whether_threads_spin_reaches_the_runtime(monkeypatch, spinning):
    opened = []

    class Nothing:
        def import_libraries(self):
            opened.append("imported")

    monkeypatch.setattr(
        "edgekd.runtime.session_for", lambda model, threads: opened.append((model, threads)) or Nothing()
    )
    spec = {"name": "n", "path": "p", "backend": "onnxruntime", "graph": "g", "inputs": [], "providers": []}
    worker.open_session({**spec, "max_length": 8, "lengths": [], "batch": None}, 4, spinning=spinning)
    (model, threads), imported = opened
    assert (model.spinning, threads, imported) == (spinning, 4, "imported")


def test_without_calls_nothing_is_warmed_up_or_timed():
    made, session = Worker(), Slow(0.0)
    made.session = session
    columns = made.answer({"do": "warm_up", "texts": ["other"], "calls": 0})
    assert (columns["total_s"], session.texts) == ([], [])


def test_answers_in_parts_are_those_of_all():
    class Numbered(Slow):
        name = "numbered"

        def infer(self, inputs):
            return np.array([[float(text), 0.0] for text in inputs.feed["texts"]], dtype=np.float32)

    made = Worker()
    made.session = Numbered(0.0)
    made.answer({"do": "warm_up", "texts": ["9"], "calls": 1})
    made.answer({"do": "texts", "indexes": [2, 0], "texts": ["2", "0"]})
    made.answer({"do": "block", "indexes": [2, 0], "block": 0})
    texts = [str(number) for number in range(4)]
    whole = made.answer({"do": "evaluate", "texts": texts, "batch_size": 2})["logits"]
    parts = [
        made.answer({"do": "evaluate", "texts": texts[first : first + 3], "first": first, "batch_size": 2})["logits"]
        for first in (0, 3)
    ]
    assert whole == [*parts[0], *parts[1]] == [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]
