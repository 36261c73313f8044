"""Which operator costs what in int8: each is left in fp32 once, while all others are int8.

This is the leave-one-out form of the layer sensitivity of Wu et al. 2020 (arXiv 2004.09602), who quantize
one layer at a time instead. Here all others are int8 as they will be, so what is measured is what keeping the operator
in fp32 would gain.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.compress.graph import consumers, initializers, load, weight_nodes
from edgekd.errors import NotApplicable
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from onnx import ModelProto, NodeProto

    from edgekd.compress.examiner import Answer, Examiner
    from edgekd.progress import Progress

    Quantize = Callable[[Path, Collection[str]], None]

MAX_TEXTS = 200


@dataclass(frozen=True)
class OperatorCost:
    """One operator, left in fp32 while all others are int8.

    Args:
        node: its name in the fp32 graph.
        op_type: what it computes.
        name: of the layer in the model, where the graph tells it.
        fp32_bytes: of its weights.
        int8_bytes: of its weights, with scales.
        score: with the operator in fp32.
        score_gain: of it over all in int8.
        divergence: with the operator in fp32; see :class:`Answer`.
        divergence_gain: by how much it is lower than with all in int8; None when one of both is not finite.
        flips: with the operator in fp32.
    """

    node: str
    op_type: str
    name: str
    fp32_bytes: int
    int8_bytes: int
    score: float
    score_gain: float
    divergence: float | None
    divergence_gain: float | None
    flips: int

    @property
    def added_bytes(self) -> int:
        """What fp32 costs."""
        return self.fp32_bytes - self.int8_bytes

    @property
    def gain(self) -> float:
        """The gained divergence; infinite where outputs are finite only with the operator in fp32."""
        if self.divergence_gain is not None:
            return self.divergence_gain
        return -math.inf if self.divergence is None else math.inf


@dataclass(frozen=True)
class Sensitivity:
    """The table, most gained divergence first."""

    texts: int
    score_name: str
    divergence_name: str
    fp32: Answer
    int8: Answer
    operators: list[OperatorCost]

    def as_rows(self) -> list[dict[str, Any]]:
        """Return the table as plain JSON types."""
        return [asdict(operator) for operator in self.operators]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""
        return asdict(self)


def sensitivity(
    source: Path,
    quantize: Quantize,
    examiner: Examiner,
    *,
    progress: Progress,
    max_texts: int = MAX_TEXTS,
) -> Sensitivity:
    """Measure what each operator costs in int8.

    Args:
        source: fp32 ONNX graph.
        quantize: writes the graph in int8 to a path, without the nodes that it is given.
        examiner: texts to judge with.
        progress: told where the work stands.
        max_texts: of the examiner's texts, of all lengths.

    Raises:
        NotApplicable: when int8 has nothing to do on the graph.
        InvalidArtifact: when the quantizer fails.
    """
    few = examiner.few(max_texts)
    fp32 = few.of_fp32(source)
    model = load(source)
    nodes = weight_nodes(model)
    names = layer_names(model)
    operators = []
    progress.start("Leaving one operator in fp32", len(nodes))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        quantize(path, ())
        int8 = few.examine(path)
        for done, node in enumerate(nodes, start=1):
            try:
                quantize(path, (node.name,))
            except NotApplicable:  # nothing else is int8
                found = fp32
            else:
                found = few.examine(path)
            added = found.size_bytes - int8.size_bytes
            if added > 0:  # else the quantizer had left it alone
                operators.append(_cost(node.name, node.op_type, names, node.weight_bytes, added, found, int8))
            progress.update(done, node.op_type)
    progress.finish(f"{len(operators)} operators, {len(few.rows)} texts")
    if not operators:
        raise NotApplicable("No operator of this graph gets smaller in int8.")
    operators.sort(key=lambda operator: operator.gain, reverse=True)
    divergence = "mean squared difference" if examiner.task.kind is TaskKind.REGRESSION else "KL"
    return Sensitivity(len(few.rows), examiner.task.main_metric, divergence, fp32, int8, operators)


def _cost(
    node: str, op_type: str, names: dict[str, str], fp32_bytes: int, added_bytes: int, found: Answer, int8: Answer
) -> OperatorCost:
    gain = None
    if found.divergence is not None and int8.divergence is not None:
        gain = int8.divergence - found.divergence
    return OperatorCost(
        node=node,
        op_type=op_type,
        name=names.get(node, node),
        fp32_bytes=fp32_bytes,
        int8_bytes=max(0, fp32_bytes - added_bytes),
        score=found.score,
        score_gain=found.score - int8.score,
        divergence=found.divergence,
        divergence_gain=gain,
        flips=found.flips,
    )


def layer_names(model: ModelProto) -> dict[str, str]:
    """Return the layer of each node with weights: from the name of its weight, or of the bias that is added to it.

    The exporter transposes the matrix of a Linear layer and gives the result a number for a name; the bias keeps its.
    """
    constants = initializers(model)
    readers = consumers(model)
    found = {}
    for node in model.graph.node:
        biases = [name for reader in _adds(node, readers) for name in reader.input]
        named = [name for name in (*node.input, *biases) if name in constants and "." in name]
        if named:
            found[node.name] = named[0].removeprefix("model.").rpartition(".")[0]
    return found


def _adds(node: NodeProto, readers: dict[str, list[NodeProto]]) -> list[NodeProto]:
    return [reader for reader in readers.get(node.output[0], []) if reader.op_type == "Add"]
