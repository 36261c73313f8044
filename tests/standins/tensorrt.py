"""Stands in for the part of TensorRT 10's Python package that edgekd calls, with ONNX Runtime inside.

An engine is what ``tests/standins/trtexec.py`` writes. Addresses are real: inputs are read there, and logits written.
"""

import ctypes
import json
import os
from enum import Enum, IntEnum

import numpy as np

__version__ = os.environ.get("STANDIN_TENSORRT", "10.3.0")
MAGIC = b"stand-in engine\n"


class TensorIOMode(Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class DataType(Enum):
    FLOAT = np.float32
    INT32 = np.int32
    INT64 = np.int64


def nptype(data_type):
    return data_type.value


class ILogger:
    class Severity(IntEnum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2

    def __init__(self):
        pass


class Runtime:
    def __init__(self, logger):
        self.logger = logger

    def deserialize_cuda_engine(self, serialized_engine):
        head, _, graph = serialized_engine.removeprefix(MAGIC).partition(b"\n")
        if not serialized_engine.startswith(MAGIC):
            self.logger.log(ILogger.Severity.WARNING, "this is not said")
            self.logger.log(ILogger.Severity.ERROR, "magic tag does not match")
            return None
        return ICudaEngine(json.loads(head), graph)


class ICudaEngine:
    def __init__(self, head, graph):
        import onnxruntime

        self._session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        self._profile = head["shapes"]
        self._nodes = {node.name: node for node in (*self._session.get_inputs(), *self._session.get_outputs())}
        self.num_io_tensors = len(self._nodes)

    def get_tensor_name(self, index):
        return list(self._nodes)[index]

    def get_tensor_mode(self, name):
        inputs = [node.name for node in self._session.get_inputs()]
        return TensorIOMode.INPUT if name in inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name):
        return {"float": DataType.FLOAT, "int64": DataType.INT64, "int32": DataType.INT32}[self._nodes[name].type[7:-1]]

    def get_tensor_shape(self, name):
        return tuple(size if isinstance(size, int) else -1 for size in self._nodes[name].shape)

    def get_tensor_profile_shape(self, name, profile_index):
        assert profile_index == 0
        return [tuple(shape) for shape in self._profile[name]]

    def create_execution_context(self):
        return IExecutionContext(self)


class IExecutionContext:
    def __init__(self, engine):
        self._engine = engine
        self._shapes, self._addresses = {}, {}

    def set_input_shape(self, name, shape):
        engine = self._engine
        fixed = engine.get_tensor_shape(name)
        smallest, _, largest = (fixed,) * 3 if -1 not in fixed else engine.get_tensor_profile_shape(name, 0)
        fits = all(low <= size <= high for low, size, high in zip(smallest, shape, largest, strict=True))
        if fits:
            self._shapes[name] = tuple(shape)
        return fits

    def get_tensor_shape(self, name):
        if name in self._shapes:
            return self._shapes[name]
        texts = next(iter(self._shapes.values()))[0]
        return (texts, self._engine.get_tensor_shape(name)[1])

    def set_tensor_address(self, name, memory):
        assert isinstance(memory, int)
        assert memory
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle):
        assert isinstance(stream_handle, int)
        engine = self._engine
        feed = {
            name: _memory(self._addresses[name], shape, nptype(engine.get_tensor_dtype(name)))
            for name, shape in self._shapes.items()
        }
        [logits] = engine._session.run(None, feed)
        [output] = [node.name for node in engine._session.get_outputs()]
        _memory(self._addresses[output], logits.shape, np.float32)[:] = logits
        return os.environ.get("STANDIN_FAILS") != "1"


def _memory(address, shape, kind):
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(address), kind).reshape(shape)
