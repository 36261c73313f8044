"""ONNX to the ORT format, with the list of operators that a minimal build of ONNX Runtime must have.

The file holds the graph as ONNX Runtime would run it: fused once, here, instead of at every start on the board. A build
of the runtime without parser and without fusions (``--minimal_build``) opens no other format.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import write_text_atomic
from edgekd.bundle import GRAPH_FILES
from edgekd.errors import InvalidArtifact

if TYPE_CHECKING:
    from pathlib import Path

    from edgekd.devices import DeviceProfile

ORT_FILE = GRAPH_FILES["ort-format"][0]
OPERATORS_FILE = "required_operators.config"
TYPES_FILE = "required_operators_and_types.config"
ARM = "aarch64"


def to_ort_format(source: Path, folder: Path, *, profile: DeviceProfile | None = None) -> dict[str, int]:
    """Write ``model.ort`` and the two lists of required operators into a folder.

    The graph is optimized no further than ``EXTENDED``: what comes after it (layouts of a processor's vector registers)
    is right only for processors like the one that it was made on.

    Args:
        source: an ONNX graph; int8 graphs and such with operators of ONNX Runtime's own too.
        folder: of the bundle; must exist.
        profile: the target. For one with an ARM processor int8 activations stay signed in graphs of
            QuantizeLinear/DequantizeLinear pairs; on x86 they are made unsigned, which its instructions want.

    Returns:
        how often each operator occurs, those of other domains as ``domain::name``.

    Raises:
        InvalidArtifact: when ONNX Runtime cannot open the graph.
    """
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

    broken = (
        ort_errors.Fail,
        ort_errors.InvalidArgument,
        ort_errors.InvalidGraph,
        ort_errors.InvalidProtobuf,
        ort_errors.NoSuchFile,
        ort_errors.NotImplemented,
        ort_errors.RuntimeException,
    )
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / ORT_FILE)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.add_session_config_entry("session.save_model_format", "ORT")
    signed = profile is not None and profile.cpu.arch == ARM
    options.add_session_config_entry("session.qdqisint8allowed", "1" if signed else "0")
    try:
        ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    except broken as error:
        raise InvalidArtifact(
            f"onnxruntime cannot convert '{source}': {error}",
            hint="Give a graph that onnxruntime opens; 'edgekd export MODEL --to onnx' makes one.",
        ) from error
    _write_lists(folder)
    return count_operators(folder / ORT_FILE)


def count_operators(path: Path) -> dict[str, int]:
    """Return how often each operator occurs in a graph of the ORT format, inner graphs included.

    Raises:
        InvalidArtifact: when the file is none.
    """
    from onnxruntime.tools.ort_format_model import ort_model_processor

    fbs = ort_model_processor.fbs  # the generated reader of the format, which has no address of its own
    data = bytearray(path.read_bytes())
    root = fbs.InferenceSession.InferenceSession
    if not root.InferenceSessionBufferHasIdentifier(data, 0):
        raise InvalidArtifact(f"'{path}' is no graph of the ORT format.")
    counts: Counter[str] = Counter()
    _count(root.GetRootAsInferenceSession(data, 0).Model().Graph(), fbs.AttributeType.AttributeType.GRAPH, counts)
    return dict(sorted(counts.items()))


def _count(graph: Any, inner: int, counts: Counter[str]) -> None:
    for i in range(graph.NodesLength()):
        node = graph.Nodes(i)
        domain, name = node.Domain().decode(), node.OpType().decode()
        counts[f"{domain}::{name}" if domain not in ("", "ai.onnx") else name] += 1
        for j in range(node.AttributesLength()):
            if node.Attributes(j).Type() == inner:
                _count(node.Attributes(j).G(), inner, counts)


def _write_lists(folder: Path) -> None:
    """Write what a minimal build must have, with and without the types; paths of this machine are left out."""
    from onnxruntime.tools.ort_format_model import create_config_from_models

    logging.getLogger("ort_format_model.utils").setLevel(logging.WARNING)  # it reports every file that it writes
    for name, with_types in ((OPERATORS_FILE, False), (TYPES_FILE, True)):
        path = folder / name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves closing the graph's file to Python
            create_config_from_models([folder / ORT_FILE], path, with_types)
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        write_text_atomic(path, "\n".join([f"# Operators of {ORT_FILE}", *lines]) + "\n")
