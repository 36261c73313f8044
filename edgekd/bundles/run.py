#!/usr/bin/env python3
"""Label texts with the model in this folder; every file is checked against its hash first.

Needs Python 3.8, numpy, tokenizers, and onnxruntime (for an OpenVINO model: openvino).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent


def _open(graph: str, manifest: dict[str, Any], threads: int) -> Any:
    if not graph.endswith(".xml"):
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when the runtime is imported
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
        if os.uname().machine == "x86_64" and "vnni" not in Path("/proc/cpuinfo").read_text():
            options.add_session_config_entry("session.x64quantprecision", "1")  # int8 would saturate
        there = [name for name in manifest["providers"] if name in ort.get_available_providers()]
        session = ort.InferenceSession(graph, options, providers=there or ["CPUExecutionProvider"])
        types = {node.name: np.int32 if "int32" in node.type else np.int64 for node in session.get_inputs()}
        return types, lambda feed: session.run(None, feed)[0]
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # as if it were not installed
    import openvino

    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    shape = (manifest.get("batch") or 1, max(manifest.get("lengths") or [8]))
    for more in ({}, {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}):  # the second where the first gives no answer
        model = openvino.Core().compile_model(graph, "CPU", {**options, **more})
        types = {port.get_any_name(): port.get_element_type().to_dtype() for port in model.inputs}
        if model({name: np.ones(shape, kind) for name, kind in types.items()})[0].size:
            break
    return types, lambda feed: model(feed)[0]


def _answer(text: str, logits: Any, manifest: dict[str, Any]) -> tuple[dict[str, Any], str]:
    labels, task, calibration = manifest["labels"], manifest["task"], manifest.get("calibration") or {}
    if logits.shape != (len(labels),) or not np.isfinite(logits).all():
        sys.exit(f"Error: the model gives {logits.tolist()} for {text!r}.")
    if task == "regression":
        return {"text": text, "value": logits[0]}, f"{logits[0]:.4g}"
    scaled = logits / calibration.get("temperature", 1.0)
    if task == "single-label":
        shares, chosen = np.exp(scaled - np.logaddexp.reduce(scaled)), [int(logits.argmax())]
    else:
        shares = (1 + np.tanh(scaled / 2)) / 2
        chosen = sorted(np.flatnonzero(shares >= (calibration.get("thresholds") or 0.5)), key=lambda i: -shares[i])
    likely = {label: float(shares[index]) for index, label in enumerate(labels)}
    names = [labels[index] for index in chosen]
    shown = ", ".join(f"{name} {likely[name]:.3f}" for name in names) or "(none)"
    one = {"label": names[0], "probability": likely[names[0]]} if task == "single-label" else {"labels": names}
    return {"text": text, **one, "probabilities": likely}, shown


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="without any, stdin is read, one text a line")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, with all probabilities")
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime (default: 1)")
    given = parser.parse_args()
    manifest = json.loads((HERE / "edgekd.json").read_text(encoding="utf-8"))
    for name, expected in manifest["files"].items():
        if not (HERE / name).is_file() or hashlib.sha256((HERE / name).read_bytes()).hexdigest() != expected:
            sys.exit(f"Error: the file {name} is missing or damaged. Copy the folder again.")
    graph = next(str(HERE / name) for name in sorted(manifest["files"]) if name.endswith((".onnx", ".ort", ".xml")))
    types, run = _open(graph, manifest, given.threads)
    tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
    pad = (tokenizer.padding or {}).get("pad_id") or tokenizer.token_to_id("[PAD]") or tokenizer.token_to_id("<pad>")
    lengths, batch = sorted(manifest.get("lengths") or []), manifest.get("batch") or 1
    tokenizer.no_padding()
    tokenizer.enable_truncation(min([manifest["max_length"], *lengths[-1:]]))
    lines = given.texts or io.TextIOWrapper(sys.stdin.buffer, "utf-8-sig", newline="\n")
    for text in (line.rstrip("\r\n") for line in lines):
        ids = tokenizer.encode(text).ids
        most = next((length for length in lengths if length >= len(ids)), len(ids))
        rows = {"input_ids": ids + [pad or 0] * (most - len(ids)), "attention_mask": [1] * len(ids)}
        logits = run({n: np.array([(rows.get(n, []) + [0] * most)[:most]] * batch, t) for n, t in types.items()})
        answer, shown = _answer(text, logits[0].astype(float), manifest)
        told = json.dumps(answer, ensure_ascii=False) if given.json else f"{shown}  {text!r}"
        sys.stdout.buffer.write(told.encode() + b"\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
