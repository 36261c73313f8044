"""A bundle behind the Session protocol: ``tokenizers`` and ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekd.errors import InvalidArtifact
from edgekd.processor import own_session_entries
from edgekd.runtime.provider_options import with_options
from edgekd.runtime.text_session import GraphInput, TextSession

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edgekd.bundle import Bundle
    from edgekd.runtime.text_session import RuntimeModel

# ONNX Runtime 1.31.1 with session.x64quantprecision: two operators with one int8 weight have it replaced twice.
SHARED_WEIGHTS = "Attempt to replace the existing tensor"
SEVEN_BITS = (
    "Operators that share int8 weights do not open on x86 without VNNI; with 7-bit weights they do. Make the bundle "
    "for --target x86-avx2."
)


class OnnxSession(TextSession):
    """Runs a bundle with ONNX Runtime.

    Args:
        bundle: a verified bundle, or what is needed of it.
        threads: threads inside an operator.
        cached: look words up in a cache where that gives the same ids.
    """

    def __init__(self, bundle: Bundle | RuntimeModel, threads: int, *, cached: bool = True) -> None:
        super().__init__(bundle, threads, cached=cached)
        self._run: Any
        self._output: list[str]

    @staticmethod
    def import_libraries() -> None:
        """Import ONNX Runtime, which is part of the base install."""
        import onnxruntime  # noqa: F401

    def _call(self, feed: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        return self._run(self._output, feed)[0]  # type: ignore[no-any-return]

    def _open_session(self) -> Any:
        """Return the ``onnxruntime.InferenceSession`` of the bundle's graph."""
        return open_onnx(self._model, self._threads)

    def _open_graph(self) -> list[GraphInput]:
        session = self._open_session()
        self.providers = list(session.get_providers())
        self._run = session.run
        self._output = [session.get_outputs()[0].name]
        return [_described(node) for node in session.get_inputs()]


def _described(node: Any) -> GraphInput:
    """Describe an input; a dimension without a number has a name or nothing."""
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return GraphInput(node.name, node.type.removeprefix("tensor(").removesuffix(")"), shape)


def open_onnx(
    model: RuntimeModel,
    threads: int,
    *,
    libraries: Sequence[str] = (),
    profile: Path | None = None,
    prepack: bool = True,
) -> Any:
    """Return an ``onnxruntime.InferenceSession``.

    Args:
        model: what to open.
        threads: threads inside an operator.
        libraries: with operators that are not ONNX Runtime's own.
        profile: write a profile of every call to files that begin like this path.
        prepack: False keeps weights as they are stored, so that a profile shows their shapes; it is slower.

    Raises:
        InvalidArtifact: when the graph cannot be opened or no provider of the manifest is there.
    """
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

    providers = [name for name in model.providers if name in ort.get_available_providers()]
    if not providers:
        raise InvalidArtifact(
            f"'{model.name}' wants {', '.join(model.providers) or 'no provider'}; this onnxruntime has "
            f"{', '.join(ort.get_available_providers())}.",
            hint="Install the onnxruntime build of the target, or make a bundle for --target cpu.",
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    # Threads that wait for work spin only when there are several; a lone thread has nobody to wait for.
    spins = threads > 1 and model.spinning
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spins else "0")
    for key, value in own_session_entries().items():  # int8 saturates on x86 without VNNI
        options.add_session_config_entry(key, value)
    if not prepack:
        options.add_session_config_entry("session.disable_prepacking", "1")
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    for library in libraries:
        options.register_custom_ops_library(library)
    broken = (
        ort_errors.Fail,
        ort_errors.InvalidArgument,
        ort_errors.InvalidGraph,
        ort_errors.InvalidProtobuf,
        ort_errors.NoModel,
        ort_errors.NoSuchFile,
        ort_errors.NotImplemented,
        ort_errors.RuntimeException,
    )
    try:
        return ort.InferenceSession(str(model.model_path), options, providers=with_options(providers, model))
    except broken as error:
        shared = SHARED_WEIGHTS in str(error) and bool(own_session_entries())
        raise InvalidArtifact(
            f"onnxruntime cannot open '{model.model_path}': {error}",
            hint=SEVEN_BITS if shared else "Rebuild the bundle, or update onnxruntime if the graph is newer than it.",
        ) from error
