"""The few calls of the CUDA runtime that an engine needs, through ctypes: a board needs no further package for them.

Names, arguments and error codes: NVIDIA CUDA Runtime API, modules Memory Management, Stream Management, Error Handling.
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING, Any

from edgekd.errors import InvalidArtifact

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LIBRARIES = ("libcudart.so.13", "libcudart.so.12", "libcudart.so", "/usr/local/cuda/lib64/libcudart.so")
HOST_TO_DEVICE, DEVICE_TO_HOST = 1, 2  # cudaMemcpyKind
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cudaMalloc": (ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t),
    "cudaFree": (ctypes.c_void_p,),
    "cudaMemcpyAsync": (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p),
    "cudaStreamCreate": (ctypes.POINTER(ctypes.c_void_p),),
    "cudaStreamSynchronize": (ctypes.c_void_p,),
    "cudaStreamDestroy": (ctypes.c_void_p,),
}


def libraries() -> list[Any]:
    """Return the CUDA runtimes of this machine as ctypes libraries, the newest first.

    Raises:
        InvalidArtifact: when there is none.
    """
    found = []
    for name in LIBRARIES:
        with contextlib.suppress(OSError):
            found.append(ctypes.CDLL(name))
    if not found:
        raise InvalidArtifact(
            f"No CUDA runtime library was found ({', '.join(LIBRARIES)}), which a TensorRT engine needs.",
            hint="Run it on the Jetson; JetPack installs the library (sudo apt install nvidia-jetpack).",
        )
    return found


class Cuda:
    """A stream, and copies on it.

    Raises:
        InvalidArtifact: when no library or no GPU can be used.
    """

    def __init__(self) -> None:
        self._stream = ctypes.c_void_p()
        *others, last = libraries()
        for library in others:  # of several, one may be too new for the driver
            with contextlib.suppress(InvalidArtifact):
                self._use(library)
                return
        self._use(last)

    def _use(self, library: Any) -> None:
        for name, arguments in SIGNATURES.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, ctypes.c_int
        library.cudaGetErrorString.argtypes = (ctypes.c_int,)
        library.cudaGetErrorString.restype = ctypes.c_char_p
        self._library = library
        self.check("cudaStreamCreate", ctypes.byref(self._stream))

    @property
    def stream(self) -> int:
        """Address of the stream."""
        return self._stream.value or 0

    def check(self, name: str, *arguments: Any) -> None:
        """Call a function of the library.

        Raises:
            InvalidArtifact: when it reports an error.
        """
        code = getattr(self._library, name)(*arguments)
        if code:
            reason = self._library.cudaGetErrorString(code).decode(errors="replace")
            raise InvalidArtifact(f"{name} failed with CUDA error {code}: {reason}.")

    def to_device(self, memory: DeviceMemory, values: NDArray[Any]) -> None:
        """Start copying an array to the GPU; it must live until the stream was waited for."""
        self.check("cudaMemcpyAsync", memory.address, values.ctypes.data, values.nbytes, HOST_TO_DEVICE, self._stream)

    def to_host(self, values: NDArray[np.generic], memory: DeviceMemory) -> None:
        """Start filling an array from the GPU."""
        self.check("cudaMemcpyAsync", values.ctypes.data, memory.address, values.nbytes, DEVICE_TO_HOST, self._stream)

    def wait(self) -> None:
        """Wait until all work of the stream is done."""
        self.check("cudaStreamSynchronize", self._stream)

    def __del__(self) -> None:
        if getattr(self, "_stream", None):
            self._library.cudaStreamDestroy(self._stream)


class DeviceMemory:
    """Memory of the GPU, freed with its object.

    Args:
        cuda: that owns it.
        size_bytes: how much.

    Raises:
        InvalidArtifact: when there is not so much.
    """

    def __init__(self, cuda: Cuda, size_bytes: int) -> None:
        self._cuda = cuda
        self._pointer = ctypes.c_void_p()
        cuda.check("cudaMalloc", ctypes.byref(self._pointer), max(size_bytes, 1))

    @property
    def address(self) -> int:
        """Address on the GPU."""
        return self._pointer.value or 0

    def __del__(self) -> None:
        if self._pointer:
            self._cuda._library.cudaFree(self._pointer)
