"""Answer token ids with a graph, one text at a time.

    python benchmarks/isa_answers.py ROWS.npz OUT.npz GRAPH [--option KEY=VALUE]

Needs numpy and ONNX Runtime and nothing else, so that it starts quickly under an emulator. ``ROWS.npz`` has all ids in
one row (``ids``) and how many belong to each text (``lengths``); ``OUT.npz`` gets the ``logits`` (texts, outputs) and
the ``instructions`` that the process saw. Used by ``isa_onnxruntime.py``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy._core._multiarray_umath import __cpu_features__


def answers(graph: str, rows: list[np.ndarray], entries: list[str]) -> np.ndarray:
    """Return the logits of all rows, each run by itself on one thread as on a board."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for entry in entries:
        options.add_session_config_entry(*entry.split("=", 1))
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    logits = []
    for row in rows:
        ids = row[None]
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        logits.append(session.run(None, {name: feed[name] for name in names})[0])
    return np.concatenate(logits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("graph")
    parser.add_argument("--option", action="append", default=[], help="KEY=VALUE of the session's configuration")
    args = parser.parse_args()
    given = np.load(args.rows)
    rows = np.split(given["ids"], np.cumsum(given["lengths"])[:-1])
    seen = [name for name, present in __cpu_features__.items() if present]
    np.savez(args.out, instructions=np.array(seen), logits=answers(args.graph, rows, args.option))


if __name__ == "__main__":
    main()
