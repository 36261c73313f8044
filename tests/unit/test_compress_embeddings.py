"""Token vectors in int8 and int4: close to fp32, as small as computed, read row by row."""

import pytest

pytest.importorskip("onnx")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from edgekd.compress.embeddings import int4_blocks, int8_rows, pack_int4, quantize_embeddings
from edgekd.compress.graph import array, initializers, load, operator_counts
from edgekd.errors import ConfigError, NotApplicable
from tests.graphs import mean_graph, run, some_rows, table_graph

FLOATS = st.floats(-100, 100, width=32, allow_subnormal=False)
TABLES = st_numpy.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 70)), elements=FLOATS)


def test_int8_rows_by_hand():
    values, scale = int8_rows(np.array([[127, -63.6, 0.4], [0, 0, 0], [-2.54, 1.27, 0]], np.float32))
    assert values.tolist() == [[127, -64, 0], [0, 0, 0], [-127, 64, 0]]
    np.testing.assert_allclose(scale.ravel(), [1, 0, 0.02], rtol=1e-6)


def test_int4_blocks_by_hand():
    table = np.array([[-5, 0, 10, 3, 7, 15, 0, 0, 0, 0]], np.float32)
    values, scale, zero = int4_blocks(table, 4)
    # -5..10 in 15 steps of 1, 0 is 5; 0..15 in steps of 1, 0 is 0; a block of zeros
    assert scale.tolist() == [[1, 1, 0]]
    assert zero.tolist() == [[5, 0, 0]]
    assert values.tolist() == [[0, 5, 15, 8, 7, 15, 0, 0, 0, 0]]


def test_two_values_share_a_byte():
    assert pack_int4(np.array([[1, 2, 15, 0], [0, 15, 7, 8]], np.uint8)).tolist() == [[0x21, 0x0F], [0xF0, 0x87]]
    assert pack_int4(np.array([[1, 2, 3]], np.uint8)).tolist() == [[0x21, 0x03]]


@given(TABLES)
def test_int8_is_wrong_by_at_most_half_a_scale(table):
    values, scale = int8_rows(table)
    assert (np.abs(values * scale - table) <= 0.5 * scale * (1 + 1e-5) + 1e-30).all()


@given(TABLES, st.sampled_from([16, 32]))
def test_int4_is_wrong_by_at_most_a_scale_and_keeps_zero(table, block):
    """Half a scale by rounding the value; the rounded zero point can push an end of the range another half out."""
    values, scale, zero = int4_blocks(table, block)
    columns = np.arange(table.shape[1]) // block
    restored = (values.astype(np.float32) - zero[:, columns]) * scale[:, columns]
    assert (np.abs(restored - table) <= scale[:, columns] * (1 + 1e-5) + 1e-30).all()
    assert (restored[table == 0] == 0).all()
    assert values.max(initial=0) <= 15


@given(st_numpy.arrays(np.float32, (40, 34), elements=FLOATS), st.sampled_from([(8, 32), (4, 16), (4, 32), (4, 64)]))
@settings(max_examples=25)
def test_the_runtime_reads_exactly_these_rows(tmp_path_factory, table, form):
    bits, block = form
    folder = tmp_path_factory.mktemp("table")
    quantize_embeddings(table_graph(folder / "m.onnx", table), folder / "q.onnx", bits=bits, block=block)
    if bits == 8:
        values, scale = int8_rows(table)
        restored = values * scale
    else:
        values, scale, zero = int4_blocks(table, block)
        columns = np.arange(34) // block
        restored = (values.astype(np.float32) - zero[:, columns]) * scale[:, columns]
    row = [39, 0, 7, 7, 12]
    np.testing.assert_allclose(run(folder / "q.onnx", row), restored[row], rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize(
    ("bits", "block", "table_bytes"),
    [
        (8, 32, 60 * (64 + 4)),
        (4, 16, 60 * (32 + 4 * 4 + 2)),  # 4 scales of 4 bytes and 4 zero points of 4 bits a row
        (4, 32, 60 * (32 + 2 * 4 + 1)),
        (4, 128, 60 * (32 + 4 + 1)),
    ],
)
def test_the_file_is_as_small_as_computed(tmp_path, bits, block, table_bytes):
    path = mean_graph(tmp_path / "m.onnx", width=64)
    quantize_embeddings(path, tmp_path / "q.onnx", bits=bits, block=block)
    constants = initializers(load(tmp_path / "q.onnx"))
    assert "table" not in constants
    found = sum(array(tensor).nbytes for name, tensor in constants.items() if name.startswith("table_"))
    assert found == table_bytes
    saved = path.stat().st_size - (tmp_path / "q.onnx").stat().st_size
    assert saved == pytest.approx(60 * 64 * 4 - table_bytes, abs=500)  # some nodes and names


@pytest.mark.parametrize("bits", [8, 4])
def test_answers_stay_close_and_the_table_is_never_dequantized(tmp_path, bits):
    path = mean_graph(tmp_path / "m.onnx")
    quantize_embeddings(path, tmp_path / "q.onnx", bits=bits)
    counts = operator_counts(load(tmp_path / "q.onnx"))
    assert "DequantizeLinear" not in counts
    assert (counts.get("Gather", 0), counts.get("GatherBlockQuantized", 0)) == ((2, 0) if bits == 8 else (0, 1))
    worst = max(np.abs(run(tmp_path / "q.onnx", row) - run(path, row)).max() for row in some_rows())
    assert 0 < worst < (0.05 if bits == 8 else 0.6)


def test_an_odd_width_cannot_be_int4_and_becomes_int8(tmp_path):
    path = mean_graph(tmp_path / "m.onnx", width=33)
    quantize_embeddings(path, tmp_path / "q.onnx", bits=4)
    assert array(initializers(load(tmp_path / "q.onnx"))["table_int8"]).shape == (60, 33)
    assert np.isfinite(run(tmp_path / "q.onnx", [1, 2])).all()


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_very_narrow_table_has_one_scale(tmp_path, bits, width):
    """As the weights of tokens, or the rows of a linear model."""
    table = np.random.default_rng(0).normal(0, 1, (1000, width)).astype(np.float32)
    path = table_graph(tmp_path / "m.onnx", table)
    quantize_embeddings(path, tmp_path / "q.onnx", bits=bits)
    scale = np.abs(table).max() / 127
    constants = initializers(load(tmp_path / "q.onnx"))
    assert array(constants["table_int8"]).nbytes == 1000 * width
    assert float(array(constants["table_scale"])) == pytest.approx(scale)
    row = list(range(0, 1000, 7))
    assert np.abs(run(tmp_path / "q.onnx", row) - table[row]).max() <= 0.5 * scale * (1 + 1e-5)


def test_a_quantized_table_is_not_quantized_again(tmp_path):
    table = np.random.default_rng(0).normal(0, 1, (2000, 8)).astype(np.float32)  # 2000 scales
    quantize_embeddings(mean_graph(tmp_path / "m.onnx", table=table, hidden=4), tmp_path / "q.onnx", bits=8)
    for bits in (8, 4):
        with pytest.raises(NotApplicable, match="no fp32 table of token vectors"):
            quantize_embeddings(tmp_path / "q.onnx", tmp_path / "again.onnx", bits=bits)
    assert not (tmp_path / "again.onnx").exists()


def test_a_block_that_the_runtime_does_not_have_is_refused(tmp_path):
    path = mean_graph(tmp_path / "m.onnx")
    with pytest.raises(ConfigError, match="block is 48"):
        quantize_embeddings(path, tmp_path / "q.onnx", bits=4, block=48)
