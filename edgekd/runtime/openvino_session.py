"""A bundle behind the Session protocol: ``tokenizers`` and OpenVINO on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.errors import InvalidArtifact, MissingExtra
from edgekd.runtime.text_session import KNOWN_INPUTS, GraphInput, TextSession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekd.bundle import Bundle
    from edgekd.runtime.text_session import RuntimeModel

PROBE_TOKENS = 8  # wider than any window of a convolution


class OpenVinoSession(TextSession):
    """Runs a bundle with OpenVINO, in fp32 where the graph is not int8.

    Weights that are stored in fp16 become fp32 when the graph is compiled. Left to itself OpenVINO computes in bf16 on
    processors with AMX or AVX512-BF16 and in fp16 on some ARM cores, so that the same bundle would answer differently
    there. A graph whose weights alone are int8 is computed in int8 where the processor is fast at it. Integers are 32
    bits wide, whatever the graph says.

    Args:
        bundle: a verified bundle, or what is needed of it.
        threads: threads inside an operator.
        cached: look words up in a cache where that gives the same ids.
    """

    def __init__(self, bundle: Bundle | RuntimeModel, threads: int, *, cached: bool = True) -> None:
        super().__init__(bundle, threads, cached=cached)
        self._run: Any
        self._set: Any
        self._output: Any
        self._tensor: Any
        self._places: list[tuple[int, str]]

    @staticmethod
    def import_libraries() -> None:
        """Import OpenVINO.

        Raises:
            MissingExtra: when it is not installed.
        """
        try:
            import openvino  # noqa: F401
        except ImportError as error:
            raise MissingExtra("openvino", "openvino") from error

    def _call(self, feed: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        # Tensors are set one by one: the call that takes a dictionary checks and converts it in Python, which costs
        # more than a whole tiny student (115 of 170 us).
        set_input, tensor = self._set, self._tensor
        for place, name in self._places:
            set_input(place, tensor(feed[name], shared_memory=True))
        self._run()
        logits: NDArray[np.float32] = self._output(0).data.copy()
        return logits

    def learn_words(self, texts: Sequence[str]) -> None:
        """Fill the cache, and let OpenVINO prepare its kernels for the lengths of the texts, as traffic would.

        The first text of a length costs two to three times as much as a later one, because graphs are compiled for
        each length anew.
        """
        rows = [self._encoder.ids(text) for text in texts]
        for row in {self._model.padded(len(row)): row for row in rows}.values():
            self.infer(self.pad([row]))
        self._encoder.mark()

    def _open_graph(self) -> list[GraphInput]:
        import openvino

        compiled = compile_graph(self._model.model_path, self._threads)
        inputs = [_described(port) for port in compiled.inputs]
        self.providers = list(compiled.get_property("EXECUTION_DEVICES"))
        request = compiled.create_infer_request()
        self._run, self._set, self._output = request.infer, request.set_input_tensor, request.get_output_tensor
        self._tensor = openvino.Tensor
        self._places = list(enumerate(entry.name for entry in inputs))
        return inputs


def _described(port: Any) -> GraphInput:
    sizes = tuple(size.get_length() if size.is_static else None for size in port.get_partial_shape())
    return GraphInput(port.get_any_name(), port.get_element_type().to_dtype().name, sizes)


def compile_graph(graph: Any, threads: int) -> Any:
    """Return an ``openvino.CompiledModel`` for one call at a time on the CPU, which has answered a text.

    Args:
        graph: path of an ``.xml`` with its ``.bin`` beside it or of an ONNX graph, or an ``openvino.Model``.
        threads: threads inside an operator.

    Raises:
        InvalidArtifact: when OpenVINO cannot open, compile or run it.
    """
    import openvino

    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    source = str(graph) if isinstance(graph, Path) else graph
    try:
        compiled = openvino.Core().compile_model(source, "CPU", options)
        if _answers(compiled):
            return compiled
        # NOTE: openvino 2026.4 limited to AVX2 returns no logits at all, and no error, when it multiplies int8 weights
        # with activations that it quantizes on the way. With fp32 activations it answers, more slowly.
        compiled = openvino.Core().compile_model(source, "CPU", {**options, "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0})
        if _answers(compiled):
            return compiled
        reason = "it returns no logits on this processor"
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1] if lines else type(error).__name__
    name = f"'{graph}'" if isinstance(graph, Path) else "the graph"
    raise InvalidArtifact(
        f"OpenVINO cannot run {name}: {reason}",
        hint="Rebuild the bundle, or update openvino if the graph is newer than it.",
    )


def _answers(compiled: Any) -> bool:
    """Tell whether a graph gives logits for a text; True for one with inputs that no bundle has."""
    inputs = [_described(port) for port in compiled.inputs]
    if not {entry.name for entry in inputs} <= {*KNOWN_INPUTS}:
        return True
    shapes = {
        entry: [size or free for size, free in zip(entry.shape, (1, PROBE_TOKENS), strict=True)] for entry in inputs
    }
    feed = {entry.name: np.full(shape, entry.name == "attention_mask", entry.dtype) for entry, shape in shapes.items()}
    return bool(compiled.create_infer_request().infer(feed, share_inputs=True)[0].size)
