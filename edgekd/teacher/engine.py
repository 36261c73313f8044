"""What computes the teacher's labels: torch or ONNX Runtime, whichever is faster here and says the same.

Nothing is assumed. A sample of the texts, of all lengths, is run through the plain torch model, and every faster way
has to agree with it before it may be used.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edgekd import units
from edgekd.batches import CPU_TOKENS, GPU_TOKENS, logits_in_order, torch_forward
from edgekd.export.answers import open_graph
from edgekd.export.onnx import export_onnx
from edgekd.export.parity import spread_over_lengths
from edgekd.teacher.first_token import first_token_only, whole_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from transformers import PreTrainedModel

    Array = np.ndarray[Any, Any]
    Forward = Callable[[Array, Array], Array]

TORCH, ONNX = "torch", "onnxruntime"
SAMPLE_TEXTS = 96
ROUNDS = 3
MAX_ABS_DIFF = 1e-4  # of a logit; times the largest logit where that is above 1
OPSET = 18  # what the exporter writes without a conversion
# Exporting and probing take about as long as torch needs for so much work, so there is nothing to gain below it.
WORTH_S = 30.0


@dataclass(frozen=True)
class EngineChoice:
    """Which engine labels, and why; stored in the label manifest."""

    engine: str
    first_token_only: bool  # the last layer computes only the token that the head reads
    reason: str
    texts_per_s: dict[str, float]  # on the sample, by engine; empty when nothing was compared
    max_abs_diff: float  # of the logits to the plain torch model, on the sample
    label_flips: int


@dataclass(frozen=True)
class Engine:
    """A way to compute logits: ``forward(ids, mask)`` takes and gives arrays."""

    forward: Forward
    tokens: int  # padded tokens at once
    choice: EngineChoice


def onnx_forward(model: PreTrainedModel) -> Forward:
    """Export the model and return the forward of its fp32 graph in ONNX Runtime, which has its own short last layer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        with whole_layer(model):
            export_onnx(model, path, opset=OPSET, flavour="ort-fused")
        graph = open_graph(path, threads=torch.get_num_threads())
    return lambda ids, mask: graph.run(graph.feed(ids, mask))


@dataclass(frozen=True)
class _Sample:
    """Texts of all lengths and what the plain model says about them."""

    input_ids: list[Sequence[int]]
    logits: Array
    pad_token_id: int

    def run(self, forward: Forward) -> Array:
        return logits_in_order(
            forward,
            self.input_ids,
            num_labels=self.logits.shape[1],
            tokens=CPU_TOKENS,
            pad_token_id=self.pad_token_id,
        )

    def difference(self, logits: Array) -> tuple[float, int]:
        """Return the largest difference of a logit and the number of changed labels."""
        flips = int((logits.argmax(axis=1) != self.logits.argmax(axis=1)).sum())
        return float(np.abs(logits - self.logits).max()), flips

    def agrees(self, logits: Array) -> bool:
        """Tell whether logits are the plain model's within ``MAX_ABS_DIFF``, with the same labels."""
        largest, flips = self.difference(logits)
        return bool(flips == 0 and largest <= MAX_ABS_DIFF * max(1.0, float(np.abs(self.logits).max())))

    def seconds(self, *forwards: Forward) -> list[float]:
        """Return the median seconds of each, run in turns."""
        times: list[list[float]] = [[] for _ in forwards]
        for _ in range(ROUNDS):
            for forward, mine in zip(forwards, times, strict=True):
                begun = time.perf_counter()
                self.run(forward)
                mine.append(time.perf_counter() - begun)
        return [statistics.median(mine) for mine in times]


def _take_sample(model: PreTrainedModel, input_ids: Sequence[Sequence[int]], pad_token_id: int) -> _Sample:
    rows = spread_over_lengths([len(ids) for ids in input_ids], SAMPLE_TEXTS)
    chosen = [input_ids[row] for row in rows]
    logits = logits_in_order(
        torch_forward(model),
        chosen,
        num_labels=model.config.num_labels,
        tokens=CPU_TOKENS,
        pad_token_id=pad_token_id,
    )
    return _Sample(chosen, logits, pad_token_id)


@contextlib.contextmanager
def open_engine(
    model: PreTrainedModel,
    input_ids: Sequence[Sequence[int]],
    *,
    pad_token_id: int = 0,
    prefer: str | None = None,
    worth_s: float = WORTH_S,
) -> Iterator[Engine]:
    """Yield the fastest engine for these texts whose logits are the plain model's; the model is unchanged afterwards.

    On a GPU that is torch. Otherwise torch and ONNX Runtime are timed in turns on a sample; ONNX Runtime is left out
    when torch needs less than ``worth_s`` for all texts, when the export fails, or when it disagrees.

    Args:
        model: the teacher.
        input_ids: the texts to label, at least one.
        pad_token_id: fills short texts.
        prefer: the engine of an earlier part of the same labels; it is used again where it agrees.
        worth_s: seconds of torch from which the comparison is made.
    """
    sample = _take_sample(model, input_ids, pad_token_id)
    with contextlib.ExitStack() as stack:
        short = stack.enter_context(first_token_only(model))
        forward = torch_forward(model)
        logits = sample.logits
        if short:
            try:
                logits = sample.run(forward)
            except (RuntimeError, TypeError, AttributeError):  # the layer is called in another way
                short = False
            if not short or not sample.agrees(logits):
                stack.close()  # puts the whole layer back: this model's head reads more than the first token
                short, logits = False, sample.logits
        on_gpu = next(model.parameters()).device.type != "cpu"

        def engine(name: str, run: Forward, said: Array, reason: str, speed: dict[str, float]) -> Engine:
            choice = EngineChoice(name, short, reason, speed, *sample.difference(said))
            return Engine(run, GPU_TOKENS if on_gpu else CPU_TOKENS, choice)

        def by_torch(reason: str, speed: dict[str, float] | None = None) -> Engine:
            return engine(TORCH, forward, logits, reason, speed or {})

        if on_gpu or prefer == TORCH:
            yield by_torch("the model is on a GPU" if on_gpu else "the earlier labels are by torch")
            return
        [alone_s] = sample.seconds(forward)
        share = sum(map(len, sample.input_ids)) / sum(map(len, input_ids))
        if prefer is None and alone_s / share < worth_s:
            yield by_torch(
                f"about {units.short_duration(alone_s / share)} of work, too little to gain by comparing engines"
            )
            return
        try:
            graph = onnx_forward(model)
            graph_logits = sample.run(graph)
        except Exception as error:  # noqa: BLE001 - exporter and runtime raise many kinds; torch can do all they can
            yield by_torch(f"the model cannot be exported: {type(error).__name__}")
            return
        if not sample.agrees(graph_logits):
            largest, flips = sample.difference(graph_logits)
            yield by_torch(f"the graph disagrees: difference {units.tiny(largest)}, {flips} labels")
            return
        torch_s, graph_s = sample.seconds(forward, graph)
        count = len(sample.input_ids)
        speed = {TORCH: round(count / torch_s, 1), ONNX: round(count / graph_s, 1)}
        if prefer == ONNX or graph_s < torch_s:
            reason = f"{units.number(torch_s / graph_s)} times the speed of torch on {count} texts"
            yield engine(ONNX, graph, graph_logits, reason, speed)
        else:
            yield by_torch(f"{units.number(graph_s / torch_s)} times the speed of onnxruntime on {count} texts", speed)
