from __future__ import annotations

import numpy as np
import pytest

from edgekd.bench.evaluate import predict_logits
from edgekd.bench.loop import Timings, measure
from edgekd.errors import InvalidArtifact
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


def scripted_clock(*times_s):
    """Tell these times, in nanoseconds."""
    return iter([round(time_s * 1e9) for time_s in times_s]).__next__


def test_times_are_those_of_the_clock():
    clock = scripted_clock(10.0, 10.25, 11.0, 11.125, 20.0, 20.5, 20.75, 20.75)
    timings = measure(Scripted(), ["a b", "x y z"], [1, 0], block=7, clock=clock)
    assert timings == Timings(
        text_index=[1, 0],
        tokens=[3, 2],
        block=[7, 7],
        total_s=[1.125, 0.75],
        tokenize_s=[0.25, 0.5],
        infer_s=[0.75, 0.25],
        post_s=[0.125, 0.0],
    )


def test_the_clock_is_read_four_times_a_call():
    clock = scripted_clock(*range(1, 9))
    measure(Scripted(), ["a"], [0, 0], 0, clock)
    with pytest.raises(StopIteration):
        clock()


def floats(*values):
    return np.array(values, dtype=np.float32).tobytes()


def test_each_text_goes_in_alone_and_its_logits_come_out():
    session, outputs = Scripted(), {}
    measure(session, {4: "x", 9: "a"}, [9, 4], 0, outputs=outputs)
    assert outputs == {9: floats(1, 0), 4: floats(0, 1)}
    assert session.calls == [("encode", ["a"]), ("infer", ["a"]), ("encode", ["x"]), ("infer", ["x"])]


def test_columns_are_those_of_the_result_file():
    timings = measure(Scripted(), ["a"], [0], 0)
    timings.extend(measure(Scripted(), ["a", "x"], [1], 1).as_columns())
    assert set(timings.as_columns()) == set(Samples.model_fields) - {"process"}
    assert Samples(**timings.as_columns()).text_index == [0, 1]
    assert all(t > 0 for t in timings.total_s)


def test_logits_in_the_order_of_the_texts():
    texts = ["x long text", "a", "x", "bb", "x"]
    for batch_size in (1, 2, 99):
        found = predict_logits(Scripted(), texts, batch_size=batch_size)
        assert found == [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]


def test_batches_are_as_large_as_asked_and_of_like_length():
    session = Scripted()
    predict_logits(session, ["aaaa", "b", "ccc", "dd"], batch_size=2)
    assert [texts for step, texts in session.calls if step == "encode"] == [["b", "dd"], ["ccc", "aaaa"]]


def test_known_logits_are_not_asked_again():
    session = Scripted()
    assert predict_logits(session, ["x", "a"], batch_size=8, known={0: floats(5, 6)}) == [[5.0, 6.0], [1.0, 0.0]]
    assert session.calls[0] == ("encode", ["a"])
    assert predict_logits(session, ["x"], batch_size=8, known={0: floats(5, 6)}) == [[5.0, 6.0]]


class Answering(Scripted):
    """Says the same logits to every text."""

    def __init__(self, *logits):
        super().__init__()
        self.logits = np.array([logits], dtype=np.float32)

    def infer(self, inputs):
        return np.repeat(self.logits, len(inputs.texts), axis=0)


def test_logits_are_rounded_to_six_significant_digits():
    assert predict_logits(Answering(1.23456789, -0.000012345678), ["a"], batch_size=1) == [[1.23457, -1.23457e-05]]
    assert predict_logits(Answering(0, 0), ["a"], batch_size=1, known={0: floats(1.23456789)}) == [[1.23457]]


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_name_the_model_and_the_text(broken):
    with pytest.raises(InvalidArtifact, match=r"'scripted' answers a text with .*: 'a film'"):
        predict_logits(Answering(0.5, broken), ["a film"], batch_size=1)
