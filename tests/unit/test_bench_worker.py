"""The measuring process, without a process."""

from __future__ import annotations

import time

import numpy as np
import pytest

from edgekd.bench import worker
from edgekd.bench.worker import Worker
from edgekd.runtime.text_session import Encoded


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
    made.answer({"do": "texts", "indexes": [4, 7], "texts": ["four", "seven"]})
    session.texts.clear()
    return made, session


@pytest.mark.parametrize(("call_s", "least", "most"), [(worker.REWARM_S * 2, 1, 1), (worker.REWARM_S / 10, 2, 10)])
def test_a_block_begins_with_other_texts_that_are_not_timed(call_s, least, most):
    made, session = warmed(call_s)
    columns = made.answer({"do": "block", "indexes": [7, 4], "block": 3})
    assert columns["text_index"] == [7, 4]
    assert len(columns["total_s"]) == 2
    assert session.texts[-2:] == ["seven", "four"]
    before = session.texts[:-2]
    assert least <= len(before) <= most
    assert set(before) <= {"other one", "other two"}
