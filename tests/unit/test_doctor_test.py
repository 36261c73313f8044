"""The micro-test: models written by hand, timing in turns, and what is made of it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.doctor import onnx_file, products
from edgekd.doctor.microtest import LEAST_ROUNDS, Runner, micro_test, open_graph, rounds_of
from edgekd.doctor.onnx_file import FLOAT, Node
from edgekd.doctor.order import median_interval
from edgekd.doctor.products import FLAVOURS, chain, extreme_product, flavours_for, quantize, some_input
from edgekd.doctor.words import PER_SENTENCE, sentences, wordpiece


@given(st.integers(0, 2**63 - 1))
def test_numbers_are_written_as_protocol_buffers_read_them(value):
    data, shift, read = onnx_file.varint(value), 0, 0
    for byte in data:
        read |= (byte & 0x7F) << shift
        shift += 7
    assert read == value
    assert all(byte & 0x80 for byte in data[:-1])
    assert not data[-1] & 0x80


def test_the_examples_of_the_format_are_written_byte_by_byte():
    """https://protobuf.dev/programming-guides/encoding: 150 is 96 01; field 2 "testing" is 12 07 74..."""
    assert onnx_file.number(1, 150) == bytes.fromhex("089601")
    assert onnx_file.nested(2, "testing") == bytes.fromhex("120774657374696e67")


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
def test_every_flavour_is_a_model_that_the_checker_accepts(flavour):
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(chain(flavour, 3, 16))
    onnx.checker.check_model(model, full_check=True)
    assert model.producer_name == "edgekd"
    assert [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [3, 16]


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
def test_every_flavour_computes_the_same_products(flavour):
    given_rows = some_input(24, 128)
    wanted = open_graph(chain(products.FP32, 24, 128)).run(None, {"x": given_rows})[0]
    found = open_graph(chain(flavour, 24, 128)).run(None, {"x": given_rows})[0]
    error = math.sqrt(np.mean((found - wanted) ** 2) / np.mean(wanted**2))
    assert error < {"float": 1e-6, "half": 0.02}.get(flavour.form, 0.1)


def test_products_are_those_of_numpy():
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    data = onnx_file.model(
        [Node("MatMul", ("x", "w"), ("y",))], {"w": weights}, ("x", FLOAT, (1, 2)), ("y", FLOAT, (1, 3))
    )
    row = np.array([[10.0, 1.0]], np.float32)
    assert open_graph(data).run(None, {"x": row})[0].tolist() == (row @ weights).tolist()


def test_half_precision_is_tried_only_where_it_is_computed():
    names = [flavour.name for flavour in flavours_for(["avx2"])]
    assert names == ["fp32", "U8S8", "U8S8 per channel", "U8U8", "U8S8 QDQ", "S8S8 QDQ"]
    assert [flavour.name for flavour in flavours_for(["asimd", "asimdhp"])] == [*names, "fp16"]


def test_matrices_are_quantized_symmetrically():
    matrix = np.array([[1.27, -0.5], [-0.635, 0.25]], np.float32)
    values, scale, zero = quantize(matrix, "int8", per_channel=False)
    assert values.tolist() == [[127, -50], [-64, 25]]
    assert (values.dtype, float(scale), int(zero)) == (np.int8, pytest.approx(0.01), 0)
    values, scales, zeros = quantize(matrix, "uint8", per_channel=True)
    assert values.tolist() == [[255, 1], [64, 192]]
    assert scales == pytest.approx([0.01, 0.5 / 127])
    assert zeros.tolist() == [128, 128]


def test_the_extreme_product_does_not_fit_into_sixteen_bits():
    data, rows, wanted = extreme_product()
    assert wanted == 255 * 127 * 64
    assert 2 * 255 * 127 > 2**15 - 1
    found = open_graph(data).run(None, {"x": rows})[0]
    assert found.shape == (4, 64)
    # Right with VNNI and on ARM; capped at 32,767 for each pair without.
    assert np.unique(found).tolist() in ([wanted], [32 * 32767])


def test_everything_is_timed_in_turns_and_the_first_call_of_a_turn_is_not():
    """With a clock of our own: "slow" takes 3 ms, "fast" 1 ms, and each first call in a turn takes a second more."""
    now = 0.0
    last = ""
    order = []

    def work(name, seconds):
        def call():
            nonlocal now, last
            now += seconds + (1.0 if last != name else 0.0)
            last = name
            order.append(name)

        return Runner(name, call)

    times = rounds_of([work("slow", 0.003), work("fast", 0.001)], 0.0, clock=lambda: now)
    assert [len(column) for column in times] == [LEAST_ROUNDS, LEAST_ROUNDS]
    assert times[0] == pytest.approx([0.003] * LEAST_ROUNDS)
    assert times[1] == pytest.approx([0.001] * LEAST_ROUNDS)
    turns = [name for name, _ in itertools.groupby(order[4:])]
    assert 6 < len(turns) <= 2 * LEAST_ROUNDS
    assert order.count("fast") > order.count("slow")  # a turn has as many calls as fit into two milliseconds


@pytest.mark.parametrize(
    ("count", "outside"),
    [(1, 0), (5, 0), (6, 0), (8, 0), (9, 1), (12, 2), (100, 39)],
)
def test_the_interval_of_the_median_leaves_out_what_tables_say(count, outside):
    """Conover, table A3: with 9 values the second and the eighth hold the median with 96 %, with 12 the third."""
    low, high = median_interval([float(value) for value in range(count)])
    assert (low, high) == (outside, count - 1 - outside)


@given(st.integers(6, 400))
def test_the_interval_holds_the_median_with_95_percent_and_not_with_much_more(count):
    low, _ = median_interval([float(value) for value in range(count)])

    def probability(outside):
        return 1 - 2 * sum(math.comb(count, k) for k in range(outside + 1)) / 2**count

    assert probability(int(low)) >= 0.95 > probability(int(low) + 1)


def test_a_short_test_measures_everything_on_this_machine():
    test = micro_test(0.2, ["avx2"], threads=2, free_bytes=256 << 20, has_time=True)
    assert {(s.rows, s.width) for s in test.speeds} == {(1, 128), (24, 128), (24, 384)}
    base = [speed for speed in test.speeds if speed.flavour == "fp32"]
    assert [speed.ratio for speed in base] == [1.0, 1.0, 1.0]
    # A product of 24 x 384 x 384 is 9 times the work of one of 24 x 128 x 128.
    seconds = {(speed.rows, speed.width): speed.seconds for speed in base}
    assert seconds[24, 384] > 2 * seconds[24, 128]
    assert all(speed.ratio_low <= speed.ratio <= speed.ratio_high for speed in test.speeds)
    assert test.copy_bytes_per_s > 1e8
    assert 1e-6 < test.tokenizer_s < 0.1
    assert test.two_threads > 0


def test_under_an_emulator_nothing_is_timed():
    test = micro_test(10.0, ["avx2"], threads=2, free_bytes=None, has_time=False)
    times = [(speed.seconds, speed.ratio, speed.ratio_low, speed.ratio_high) for speed in test.speeds]
    assert set(times) == {(None, None, None, None)}
    assert (test.seconds, test.two_threads, test.copy_bytes_per_s, test.tokenizer_s) == (0.0, None, None, None)
    errors = {speed.flavour: speed.error for speed in test.speeds if speed.width == 384}
    assert errors["fp32"] == 0.0
    assert 0.005 < errors["U8S8"] < 0.1


def test_sentences_have_as_many_words_as_they_say_and_tokens_for_all_of_them():
    tokenizer = wordpiece()
    for text in sentences():
        assert len(text.split()) == PER_SENTENCE
        encoded = tokenizer.encode(text)
        assert "[UNK]" not in encoded.tokens
        assert len(encoded.tokens) > PER_SENTENCE  # some words are spelled
