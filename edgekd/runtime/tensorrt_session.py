"""A bundle behind the Session protocol: ``tokenizers`` and a TensorRT engine, on the board that built it.

The engine is no part of the bundle: ``build_engine.sh`` of the bundle makes it from ``model.onnx``, because an engine
runs only with the TensorRT version and on the kind of GPU that it was built with. Python API: TensorRT 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.artifacts import read_json
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.filenames import MANIFEST_FILE, MODEL_FILE
from edgekd.runtime.cuda import Cuda, DeviceMemory
from edgekd.runtime.text_session import GraphInput, TextSession

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from edgekd.bundle import Bundle
    from edgekd.runtime.text_session import RuntimeModel

ENGINE_FILE = "model.engine"
ENGINE_RECORD = "model.engine.json"  # what the engine was built from, and with
BUILD_SCRIPT = "build_engine.sh"
FIRST_MAJOR = 10  # of TensorRT, whose API names tensors and knows 64-bit integers


class TensorRtSession(TextSession):
    """Runs a bundle with TensorRT on the GPU, one call at a time.

    Args:
        bundle: a verified bundle, or what is needed of it.
        threads: not used; the work is done by the GPU.
        cached: look words up in a cache where that gives the same ids.
    """

    def __init__(self, bundle: Bundle | RuntimeModel, threads: int, *, cached: bool = True) -> None:
        super().__init__(bundle, threads, cached=cached)
        self._engine: Any
        self._context: Any
        self._cuda: Cuda
        self._memory: dict[str, DeviceMemory] = {}
        self._output: str
        self._output_type: np.dtype[Any]
        self._labels: int
        self._shape: tuple[int, ...] = ()  # that the context is set to
        self._largest: tuple[int, ...]

    @staticmethod
    def import_libraries() -> None:
        """Import TensorRT.

        Raises:
            ConfigError: when it is not installed, or too old.
        """
        try:
            import tensorrt
        except ImportError as error:
            raise ConfigError(
                "This needs the package 'tensorrt', which JetPack installs for the system's Python.",
                hint="On the Jetson: sudo apt install python3-libnvinfer, and make the virtual environment with "
                "python3 -m venv --system-site-packages.",
            ) from error
        if int(tensorrt.__version__.split(".")[0]) < FIRST_MAJOR:
            raise ConfigError(
                f"This machine has TensorRT {tensorrt.__version__}; {FIRST_MAJOR}.0 or later is needed.",
                hint="Update JetPack to 6.1 or later, or use the ONNX bundle.",
            )

    def _call(self, feed: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Run the graph; more texts than the engine takes are run in parts."""
        count, length = feed["input_ids"].shape
        most = self._largest[0]
        if length > self._largest[1]:
            raise InvalidArtifact(
                f"The engine of '{self.name}' takes up to {self._largest[1]} tokens, a text has {length}.",
                hint=f"Build it again with {BUILD_SCRIPT} of the bundle.",
            )
        if count <= most:
            return self._run_once(feed, (count, length))
        parts = [
            {name: values[start : start + most] for name, values in feed.items()} for start in range(0, count, most)
        ]
        return np.concatenate([self._run_once(part, part["input_ids"].shape) for part in parts])

    def _run_once(self, feed: dict[str, NDArray[Any]], shape: tuple[int, ...]) -> NDArray[np.float32]:
        if shape != self._shape:
            self._set_shape(shape)
        # Arrays are kept until the stream was waited for: the copies read them while Python goes on.
        arrays = [(self._memory[name], np.ascontiguousarray(values)) for name, values in feed.items()]
        for memory, values in arrays:
            self._cuda.to_device(memory, values)
        if not self._context.execute_async_v3(self._cuda.stream):
            raise InvalidArtifact(f"TensorRT could not run the engine of '{self.name}'.")
        logits = np.empty((shape[0], self._labels), dtype=self._output_type)
        self._cuda.to_host(logits, self._memory[self._output])
        self._cuda.wait()
        return logits.astype(np.float32, copy=False)

    def _set_shape(self, shape: tuple[int, ...]) -> None:
        for name in self._model.inputs:
            if not self._context.set_input_shape(name, shape):
                raise InvalidArtifact(f"The engine of '{self.name}' does not take the shape {shape} of {name}.")
        self._shape = shape

    def _open_graph(self) -> list[GraphInput]:
        import tensorrt

        self._engine = engine = _deserialized(self._model.model_path.parent, self.name)
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        types = {name: np.dtype(tensorrt.nptype(engine.get_tensor_dtype(name))) for name in names}
        inputs = [name for name in names if engine.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT]
        outputs = [name for name in names if name not in inputs]
        described = [GraphInput(name, types[name].name, _free(engine.get_tensor_shape(name))) for name in inputs]
        self._check_inputs(described)  # before anything is asked of inputs by their names
        if len(outputs) != 1:
            raise InvalidArtifact(f"The engine of '{self.name}' gives {outputs}; one output is needed.")
        self._output, self._output_type = outputs[0], types[outputs[0]]
        self._largest = _largest(engine)
        self._context = engine.create_execution_context()
        self._cuda = Cuda()
        # Memory for the largest shape once: addresses never change, and no call allocates.
        self._set_shape(self._largest)
        for name in names:
            shape = tuple(self._context.get_tensor_shape(name))
            self._memory[name] = DeviceMemory(self._cuda, int(np.prod(shape)) * types[name].itemsize)
            self._context.set_tensor_address(name, self._memory[name].address)
        self._labels = int(self._context.get_tensor_shape(self._output)[-1])
        self.providers = [f"TensorRT {tensorrt.__version__}"]
        return described


def _free(shape: Iterable[int]) -> tuple[int | None, ...]:
    return tuple(None if size < 0 else size for size in shape)


def _largest(engine: Any) -> tuple[int, ...]:
    """Return the largest shape ``(texts, tokens)`` that an engine takes."""
    shape = tuple(engine.get_tensor_shape("input_ids"))
    return shape if -1 not in shape else tuple(engine.get_tensor_profile_shape("input_ids", 0)[-1])


def _deserialized(folder: Path, name: str) -> Any:
    """Return the ``tensorrt.ICudaEngine`` of a bundle.

    Raises:
        InvalidArtifact: when there is none yet, or it was built from another graph or with another TensorRT.
    """
    import tensorrt

    build = f"Run on this board: bash {folder / BUILD_SCRIPT}"
    path = folder / ENGINE_FILE
    if not path.is_file():
        raise InvalidArtifact(f"'{name}' has no TensorRT engine yet ({path} is missing).", hint=build)
    record = _record(folder, build)
    if record["onnx_sha256"] != read_json(folder / MANIFEST_FILE)["files"][MODEL_FILE]:
        raise InvalidArtifact(
            f"The TensorRT engine of '{name}' was built from another graph than its {MODEL_FILE}.", hint=build
        )
    if record["tensorrt"] != _three(tensorrt.__version__):
        raise InvalidArtifact(
            f"The TensorRT engine of '{name}' was built with TensorRT {record['tensorrt']}; this board has "
            f"{tensorrt.__version__}.",
            hint=build,
        )
    messages: list[str] = []

    class Messages(tensorrt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity <= tensorrt.ILogger.Severity.ERROR:
                messages.append(message)

    runtime = tensorrt.Runtime(Messages())
    engine = runtime.deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        reason = messages[-1] if messages else "no reason was given"
        raise InvalidArtifact(f"TensorRT cannot open the engine of '{name}': {reason}", hint=build)
    return engine


def _record(folder: Path, build: str) -> dict[str, str]:
    try:
        record = read_json(folder / ENGINE_RECORD)
        return {key: str(record[key]) for key in ("onnx_sha256", "tensorrt")}
    except (InvalidArtifact, KeyError, TypeError) as error:
        raise InvalidArtifact(
            f"It is not known what {folder / ENGINE_FILE} was built from: {ENGINE_RECORD} is missing or damaged.",
            hint=build,
        ) from error


def _three(version: str) -> str:
    """Return major, minor and patch number of a version, which is as much as trtexec tells."""
    return ".".join(version.split(".")[:3])
