"""Median latency of a model's graph, to find how much must be pruned: always beside the first graph, in turns."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.export.onnx import export_onnx

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel

ROUNDS = 5
WARM_UP_CALLS = 20


class LatencyProbe:
    """Times fp32 graphs of models on token ids of given lengths, batch 1.

    The machine's speed changes from minute to minute, so a graph is timed in turns with the first one, and the answer
    is the first one's median times the ratio of the two.

    Args:
        lengths: of the texts in tokens.
        threads: inside an operator.
        opset: of the graphs.
        flavour: "portable" or "ort-fused".
    """

    def __init__(self, lengths: Sequence[int], threads: int, opset: int, flavour: str) -> None:
        self._lengths = list(lengths)
        self._threads = threads
        self._opset = opset
        self._flavour = flavour
        self._first: Any = None
        self._first_median_s = 0.0

    def __call__(self, model: PreTrainedModel) -> float:
        """Return the median latency in seconds of ``model``, tokenization not included."""
        session = self._open(model)
        if self._first is None:
            self._first, self._first_median_s = session, median(self._pass(session))
            return self._first_median_s
        ratios = []
        for _ in range(ROUNDS):
            reference, own = self._pass(self._first), self._pass(session)
            ratios.append(median(own) / median(reference))
        return self._first_median_s * median(ratios)

    def _open(self, model: PreTrainedModel) -> Any:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            export_onnx(model, path, opset=self._opset, flavour=self._flavour)
            session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for _ in range(WARM_UP_CALLS):
            self._run(session, self._lengths[0])
        return session

    def _pass(self, session: Any) -> list[float]:
        taken = []
        for length in self._lengths:
            started = perf_counter()
            self._run(session, length)
            taken.append(perf_counter() - started)
        return taken

    @staticmethod
    def _run(session: Any, length: int) -> None:
        ids = np.ones((1, length))
        kinds = {entry.name: np.int32 if "int32" in entry.type else np.int64 for entry in session.get_inputs()}
        session.run(None, {name: ids.astype(kind) for name, kind in kinds.items()})
