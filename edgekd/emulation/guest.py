"""Answer texts with one graph. Runs alone, here or under an emulator: ``python guest.py JOB.json OUT.npz``.

Needs the standard library, numpy, onnxruntime and tokenizers, and nothing of edgekd. The job says ``texts``, ``model``,
``tokenizer``, ``max_length``, ``lengths``, ``batch`` and ``options`` as the manifest and the session do. OUT gets the
``logits`` (texts, outputs), all token ``ids`` in a row, their ``counts``, and ``about``: the versions and instructions
that this process saw, as JSON. It takes no times.
"""

from __future__ import annotations

import importlib
import json
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import tokenizers

TYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


def encode(job: dict[str, Any]) -> list[list[int]]:
    """Return the token ids of every text."""
    tokenizer = tokenizers.Tokenizer.from_file(job["tokenizer"])
    tokenizer.no_padding()
    tokenizer.enable_truncation(job["max_length"])
    return [tokenizer.encode(text).ids for text in job["texts"]]


def open_session(job: dict[str, Any]) -> Any:
    """Open the graph on one thread, as on a board."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    for key, value in job["options"].items():
        options.add_session_config_entry(key, value)
    return ort.InferenceSession(job["model"], options, providers=["CPUExecutionProvider"])


def feed(session: Any, row: list[int], job: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs of one text: a graph of fixed lengths gets the next one, of a fixed batch copies."""
    length = min((length for length in job["lengths"] if length >= len(row)), default=max(len(row), 1))
    ids = np.zeros((job["batch"] or 1, length), np.int64)
    ids[:, : len(row)] = row
    mask = np.zeros_like(ids)
    mask[:, : len(row)] = 1
    columns = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return {node.name: columns[node.name].astype(TYPES[node.type]) for node in session.get_inputs()}


def about() -> dict[str, Any]:
    """Return what this process runs on."""
    features = importlib.import_module("numpy._core._multiarray_umath").__cpu_features__
    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "libraries": {"onnxruntime": ort.__version__, "numpy": np.__version__, "tokenizers": tokenizers.__version__},
        "instructions": sorted(name for name, present in features.items() if present),
    }


def main() -> None:
    """Answer the texts of a job."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    rows = encode(job)
    session = open_session(job)
    logits = np.concatenate([session.run(None, feed(session, row, job))[0][:1] for row in rows])
    ids = np.array([token for row in rows for token in row], np.int64)
    counts = np.array([len(row) for row in rows], np.int64)
    np.savez(sys.argv[2], logits=logits, ids=ids, counts=counts, about=json.dumps(about()))


if __name__ == "__main__":
    main()
