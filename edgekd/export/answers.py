"""What a graph of any format answers to rows of token ids, alone or in padded batches."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.errors import InvalidArtifact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

Logits = np.ndarray[Any, Any]
Feed = dict[str, np.ndarray[Any, Any]]

_ORT_TYPES: dict[str, np.dtype[Any]] = {"tensor(int64)": np.dtype(np.int64), "tensor(int32)": np.dtype(np.int32)}


@dataclass(frozen=True)
class GraphInput:
    """One input of a graph."""

    name: str
    dtype: np.dtype[Any]
    batch: int | None  # None: any
    length: int | None  # in tokens; None: any


@dataclass(frozen=True)
class OpenGraph:
    """A graph that is ready to answer."""

    path: Path
    inputs: list[GraphInput]
    run: Callable[[Feed], Logits]

    def ask(self, rows: Sequence[Sequence[int]], *, pad_token_id: int) -> Logits:
        """Return logits ``(rows, outputs)``, float32, of one padded batch; of several where the graph's batch is fixed.

        Raises:
            InvalidArtifact: when a row is too long for the graph, or the runtime fails.
        """
        fixed = next((entry.batch for entry in self.inputs if entry.batch is not None), None)
        if fixed is None:
            return self._call(rows, len(rows), pad_token_id)
        parts = [rows[start : start + fixed] for start in range(0, len(rows), fixed)]
        return np.concatenate([self._call(part, fixed, pad_token_id) for part in parts])

    def feed(self, ids: np.ndarray[Any, Any], mask: np.ndarray[Any, Any]) -> Feed:
        """Return token ids and mask, ``(rows, tokens)``, as the inputs of the graph in its types; token types are 0."""
        values = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return {entry.name: values[entry.name].astype(entry.dtype) for entry in self.inputs}

    def _call(self, rows: Sequence[Sequence[int]], batch: int, pad_token_id: int) -> Logits:
        """Ask once; a batch that is too small is filled with its first row."""
        longest = max(1, *(len(row) for row in rows))
        length = next((entry.length for entry in self.inputs if entry.length is not None), longest)
        if longest > length:
            raise InvalidArtifact(f"'{self.path.name}' takes {length} tokens, and a text has {longest}.")
        ids = np.full((batch, length), pad_token_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate([*rows, *[rows[0]] * (batch - len(rows))]):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        try:
            logits = self.run(self.feed(ids, mask))
        except Exception as error:  # the runtimes raise many kinds
            raise InvalidArtifact(
                f"'{self.path.name}' fails on {batch} texts of {length} tokens: {_last_line(error)}"
            ) from error
        return np.asarray(logits[: len(rows)], dtype=np.float32)


def open_graph(path: Path, *, threads: int | None = None) -> OpenGraph:
    """Open an ONNX graph, one in the ORT format, or the ``.xml`` of an OpenVINO one, on the CPU.

    Args:
        path: of the file.
        threads: inside an operator; if not given ONNX Runtime takes all cores, OpenVINO one.

    Raises:
        InvalidArtifact: when its runtime cannot open it, or it has inputs that no bundle gives.
    """
    opened = _opened_by_openvino if path.suffix == ".xml" else _opened_by_onnxruntime
    inputs, run = opened(path, threads)
    unknown = {entry.name for entry in inputs} - {"input_ids", "attention_mask", "token_type_ids"}
    if unknown:
        raise InvalidArtifact(f"'{path.name}' has inputs that no tokenizer gives: {', '.join(sorted(unknown))}.")
    return OpenGraph(path, inputs, run)


def graph_logits(
    model_path: Path,
    input_ids: Sequence[Sequence[int]],
    *,
    pad_token_id: int,
    batch_sizes: Iterable[int] = (1, 2),
    threads: int | None = None,
) -> Logits:
    """Return the graph's logits; by default a third of the texts alone and the others padded in pairs.

    Args:
        model_path: what :func:`open_graph` opens; inputs may be int32 or int64, batch and length fixed.
        input_ids: token ids of each text.
        pad_token_id: of the tokenizer.
        batch_sizes: texts of each call, in turns.
        threads: see :func:`open_graph`.

    Raises:
        InvalidArtifact: when the graph cannot be opened or run.
    """
    graph = open_graph(model_path, threads=threads)
    logits: list[Logits] = []
    sizes = cycle(batch_sizes)
    position = 0
    while position < len(input_ids):
        rows = input_ids[position : position + next(sizes)]
        logits.append(graph.ask(rows, pad_token_id=pad_token_id))
        position += len(rows)
    return np.concatenate(logits)


def _opened_by_onnxruntime(path: Path, threads: int | None) -> tuple[list[GraphInput], Callable[[Feed], Logits]]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4  # what fails is raised
    options.intra_op_num_threads = threads or 0  # 0: as many as there are
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise InvalidArtifact(f"onnxruntime cannot open '{path.name}': {_last_line(error)}") from error
    inputs = []
    for entry in session.get_inputs():
        if entry.type not in _ORT_TYPES:
            raise InvalidArtifact(f"Input '{entry.name}' of '{path.name}' is a {entry.type}; wanted are integers.")
        batch, length = (dim if isinstance(dim, int) else None for dim in entry.shape)
        inputs.append(GraphInput(entry.name, _ORT_TYPES[entry.type], batch, length))
    return inputs, lambda feed: session.run(None, feed)[0]


def _opened_by_openvino(path: Path, threads: int | None) -> tuple[list[GraphInput], Callable[[Feed], Logits]]:
    from edgekd.runtime.openvino_session import compile_graph

    compiled = compile_graph(path, threads or 1)
    request = compiled.create_infer_request()
    inputs = []
    for port in compiled.inputs:
        batch, length = (dim.get_length() if dim.is_static else None for dim in port.get_partial_shape())
        dtype: Any = port.get_element_type().to_dtype()
        inputs.append(GraphInput(port.get_any_name(), dtype, batch, length))
    return inputs, lambda feed: np.array(request.infer(feed, share_inputs=True)[0])


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
