"""Names of files in a bundle that a measuring process needs; it imports nothing larger for them."""

from __future__ import annotations

MANIFEST_FILE = "edgekd.json"
MODEL_FILE = "model.onnx"
