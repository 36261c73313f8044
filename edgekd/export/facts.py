"""What is in a graph: its operators, its opset, and whether they are standard ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import onnx

from edgekd.bundle import graph_in

if TYPE_CHECKING:
    from pathlib import Path

STANDARD_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class GraphFacts:
    """Facts for the manifest of a bundle."""

    flavour: str  # "portable": standard operators only; "ort-fused": also ONNX Runtime's own
    opset: int | None  # of the standard operators; None for other formats
    operators: dict[str, int] = field(default_factory=dict)  # how often each occurs, the most frequent first


def graph_facts(folder: Path) -> GraphFacts:
    """Return the facts of the graph in a folder; of the ORT format nothing is known but that it is ONNX Runtime's.

    Raises:
        InvalidArtifact: when there is none.
    """
    return facts_of(*graph_in(folder))


def facts_of(runtime: str, path: Path) -> GraphFacts:
    """Return the facts of the graph at ``path``, which is for a runtime."""
    if runtime == "openvino":
        import openvino

        ops = openvino.Core().read_model(str(path)).get_ops()
        return GraphFacts("portable", None, _counted([op.get_type_name() for op in ops]))
    if path.suffix != ".onnx":
        return GraphFacts("ort-fused", None)
    model = onnx.load(str(path), load_external_data=False)
    standard = all(node.domain in STANDARD_DOMAINS for node in model.graph.node)
    opset = max((entry.version for entry in model.opset_import if entry.domain in STANDARD_DOMAINS), default=None)
    operators = _counted([node.op_type for node in model.graph.node])
    return GraphFacts("portable" if standard else "ort-fused", opset, operators)


def _counted(names: list[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda entry: (-entry[1], entry[0])))
