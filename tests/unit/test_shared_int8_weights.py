"""ONNX Runtime does not open int8 weights that operators share, where int8 saturates; the error says what helps."""

from __future__ import annotations

import platform

import pytest

from edgekd.errors import InvalidArtifact
from edgekd.processor import PRECISE
from edgekd.runtime import OnnxSession, onnx_session
from tests.bundles import make_bundle

pytest.importorskip("onnx")

needs_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86 has the switch")


def quantized(folder, **options):
    """Return a tiny bundle whose matrix products share an int8 weight."""
    from onnxruntime.quantization import quantize_dynamic

    bundle = make_bundle(folder)
    quantize_dynamic(bundle.model_path, bundle.model_path, **options)
    return bundle


@needs_x86
def test_shared_int8_weights_without_vnni_name_the_way_out(tmp_path, monkeypatch):
    bundle = quantized(tmp_path)
    OnnxSession(bundle, 1)._open_graph()
    monkeypatch.setattr(onnx_session, "own_session_entries", lambda: dict([PRECISE]))
    with pytest.raises(InvalidArtifact, match="cannot open") as error:
        OnnxSession(bundle, 1)._open_graph()
    assert error.value.hint == onnx_session.SEVEN_BITS


@needs_x86
def test_seven_bits_open_everywhere(tmp_path, monkeypatch):
    bundle = quantized(tmp_path, reduce_range=True)
    monkeypatch.setattr(onnx_session, "own_session_entries", lambda: dict([PRECISE]))
    assert [found.name for found in OnnxSession(bundle, 1)._open_graph()] == ["input_ids", "attention_mask"]
