"""Running a bundle: tokenizer and graph. Imports neither torch nor transformers, and no runtime before it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.errors import InvalidArtifact
from edgekd.runtime.onnx_session import OnnxSession
from edgekd.runtime.openvino_session import OpenVinoSession
from edgekd.runtime.tensorrt_session import TensorRtSession
from edgekd.runtime.text_graph_session import OnnxTextSession, OpenVinoTextSession
from edgekd.runtime.text_session import RuntimeModel

if TYPE_CHECKING:
    from edgekd.bundle import Bundle
    from edgekd.runtime.text_session import TextSession

__all__ = ["SESSIONS", "OnnxSession", "OpenVinoSession", "RuntimeModel", "TensorRtSession", "session_for"]

SESSIONS: dict[str, type[TextSession]] = {
    "onnxruntime": OnnxSession,
    "openvino": OpenVinoSession,
    "ort-format": OnnxSession,
    "tensorrt": TensorRtSession,
    "onnxruntime-extensions": OnnxTextSession,
    "openvino-tokenizers": OpenVinoTextSession,
}


def session_for(bundle: Bundle | RuntimeModel, threads: int, *, cached: bool = True) -> TextSession:
    """Return a session of the runtime that a bundle is made for; nothing is loaded yet.

    Args:
        bundle: a verified bundle, or what is needed of it.
        threads: threads inside an operator.
        cached: look words up in a cache where that gives the same ids.

    Raises:
        InvalidArtifact: when the runtime is not known.
    """
    model = bundle if isinstance(bundle, RuntimeModel) else RuntimeModel.of(bundle)
    if model.runtime not in SESSIONS:
        raise InvalidArtifact(
            f"'{model.name}' is made for the runtime '{model.runtime}'; this edgekd runs {', '.join(SESSIONS)}.",
            hint="Update edgekd if the bundle is newer than it.",
        )
    return SESSIONS[model.runtime](model, threads, cached=cached)
