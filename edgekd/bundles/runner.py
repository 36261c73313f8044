"""The program that a packed bundle carries: ``run.py`` of this folder, as it is."""

from __future__ import annotations

from pathlib import Path

RUN_FILE = "run.py"
# Package that it needs beside numpy and tokenizers, by the manifest's runtime; others it cannot run. What TensorRT
# builds its engine from runs in ONNX Runtime as well.
PACKAGES = {
    "onnxruntime": "onnxruntime",
    "ort-format": "onnxruntime",
    "tensorrt": "onnxruntime",
    "openvino": "openvino",
}


def runner_source() -> bytes:
    """Return the program."""
    return Path(__file__).with_name(RUN_FILE).read_bytes()
