"""Median latency of a model's graph, to find how much must be pruned: always beside the first graph, in turns."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.export.answers import open_graph
from edgekd.export.onnx import export_onnx

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transformers import PreTrainedModel

    Call = Callable[[], Any]

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
        self._first: list[Call] | None = None
        self._first_median_s = 0.0

    def __call__(self, model: PreTrainedModel) -> float:
        """Return the median latency in seconds of ``model``, tokenization not included."""
        calls = self._open(model)
        if self._first is None:
            self._first, self._first_median_s = calls, median(_pass(calls))
            return self._first_median_s
        ratios = []
        for _ in range(ROUNDS):
            reference, own = _pass(self._first), _pass(calls)
            ratios.append(median(own) / median(reference))
        return self._first_median_s * median(ratios)

    def _open(self, model: PreTrainedModel) -> list[Call]:
        """Return one call of the model's graph for each length, warm; what it is given is made before."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            export_onnx(model, path, opset=self._opset, flavour=self._flavour)
            graph = open_graph(path, threads=self._threads)
        rows = [np.ones((1, length), dtype=np.int64) for length in self._lengths]
        calls: list[Call] = [partial(graph.run, graph.feed(row, row)) for row in rows]
        for _ in range(WARM_UP_CALLS):
            calls[0]()
        return calls


def _pass(calls: Sequence[Call]) -> list[float]:
    """Return the seconds of each call."""
    taken = []
    for call in calls:
        started = perf_counter()
        call()
        taken.append(perf_counter() - started)
    return taken
