from __future__ import annotations

import numpy as np
import pytest

from edgekd.bench.evaluate import predict_labels
from edgekd.bench.loop import Timings, measure
from edgekd.results import Samples


class Inputs:
    def __init__(self, texts):
        self.texts = texts
        self.tokens = max(len(text.split()) for text in texts)


class Scripted:
    """Says label 1 to texts with an 'x'; writes down what it was asked."""

    name = "scripted"

    def __init__(self):
        self.calls = []

    def encode(self, texts):
        self.calls.append(("encode", list(texts)))
        return Inputs(texts)

    def infer(self, inputs):
        self.calls.append(("infer", list(inputs.texts)))
        return np.array([[0.0, 1.0] if "x" in text else [1.0, 0.0] for text in inputs.texts], dtype=np.float32)

    def run(self, texts):
        return self.infer(self.encode(texts))


def scripted_clock(*times):
    return iter(times).__next__


def test_times_are_those_of_the_clock():
    clock = scripted_clock(10.0, 10.25, 11.0, 20.0, 20.5, 20.75)
    timings = measure(Scripted(), ["a b", "x y z"], [1, 0], block=7, clock=clock)
    assert timings == Timings(
        text_index=[1, 0],
        tokens=[3, 2],
        block=[7, 7],
        total_s=[1.0, 0.75],
        tokenize_s=[0.25, 0.5],
        infer_s=[0.75, 0.25],
    )


def test_the_clock_is_read_three_times_a_call():
    clock = scripted_clock(*range(1, 7))
    measure(Scripted(), ["a"], [0, 0], 0, clock)
    with pytest.raises(StopIteration):
        clock()


def test_each_text_goes_in_alone_and_its_label_comes_out():
    session, labels = Scripted(), {}
    measure(session, {4: "x", 9: "a"}, [9, 4], 0, labels=labels)
    assert labels == {9: 0, 4: 1}
    assert session.calls == [("encode", ["a"]), ("infer", ["a"]), ("encode", ["x"]), ("infer", ["x"])]


def test_columns_are_those_of_the_result_file():
    timings = measure(Scripted(), ["a"], [0], 0)
    timings.extend(measure(Scripted(), ["a", "x"], [1], 1).as_columns())
    assert set(timings.as_columns()) == set(Samples.model_fields)
    assert Samples(**timings.as_columns()).text_index == [0, 1]
    assert all(t > 0 for t in timings.total_s)


def test_labels_in_the_order_of_the_texts():
    texts = ["x long text", "a", "x", "bb", "x"]
    for batch_size in (1, 2, 99):
        assert predict_labels(Scripted(), texts, batch_size=batch_size) == [1, 0, 1, 0, 1]


def test_batches_are_as_large_as_asked_and_of_like_length():
    session = Scripted()
    predict_labels(session, ["aaaa", "b", "ccc", "dd"], batch_size=2)
    assert [texts for step, texts in session.calls if step == "encode"] == [["b", "dd"], ["ccc", "aaaa"]]


def test_known_labels_are_not_asked_again():
    session = Scripted()
    assert predict_labels(session, ["x", "a"], batch_size=8, known={0: 0}) == [0, 0]
    assert session.calls[0] == ("encode", ["a"])
    assert predict_labels(session, ["x"], batch_size=8, known={0: 0}) == [0]
