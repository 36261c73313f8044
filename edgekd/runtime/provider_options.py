"""Options of ONNX Runtime's TensorRT provider, which builds an engine of its own when a bundle is opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import hash_json
from edgekd.runtime.shape_range import shape_range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.runtime.text_session import RuntimeModel

TENSORRT = "TensorrtExecutionProvider"
WORKSPACE_BYTES = 1 << 30  # memory of a Jetson is shared with everything else


def with_options(providers: Sequence[str], model: RuntimeModel) -> list[str | tuple[str, dict[str, Any]]]:
    """Return providers as ``onnxruntime.InferenceSession`` takes them, with options where one needs any.

    Engines are built for the shapes that the bundle may meet, once: without shapes the provider builds again for every
    new length. They are kept in the user's cache folder, apart for every graph, because building takes minutes.
    Options: "TensorRT Execution Provider" of the ONNX Runtime documentation.
    """
    return [(name, _tensorrt(model)) if name == TENSORRT else name for name in providers]


def _tensorrt(model: RuntimeModel) -> dict[str, Any]:
    shapes = shape_range(model.lengths, model.batch, model.max_length)
    cache = str(_cache_folder(model.model_path))
    options: dict[str, Any] = {
        "trt_fp16_enable": True,
        "trt_max_workspace_size": WORKSPACE_BYTES,
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": cache,
        "trt_timing_cache_enable": True,
        "trt_timing_cache_path": cache,
    }
    if not shapes.is_fixed:
        names = ("trt_profile_min_shapes", "trt_profile_opt_shapes", "trt_profile_max_shapes")
        options |= dict(zip(names, shapes.written(model.inputs), strict=True))
    return options


def _cache_folder(graph: Path) -> Path:
    """Return a folder for the engines of one graph as it is now."""
    state = graph.stat()
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "edgekd" / "tensorrt" / hash_json([str(graph.resolve()), state.st_size, state.st_mtime_ns])[:16]
