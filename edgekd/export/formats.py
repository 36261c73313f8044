"""The formats of ``edgekd export``: what each is made from, and which runtime opens it. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.errors import unknown_name

if TYPE_CHECKING:
    from edgekd.devices import DeviceProfile


# Runtime of a graph that takes token ids: the runtime of the same graph with the tokenizer inside.
TEXT_RUNTIMES = {"onnxruntime": "onnxruntime-extensions", "openvino": "openvino-tokenizers"}


@dataclass(frozen=True)
class Format:
    """One format of a bundle's graph."""

    name: str
    runtime: str  # a key of GRAPH_FILES
    graph: str  # flavour of the ONNX graph that it is made of: "portable" or "ort-fused"
    precision: str  # of what is in the file
    about: str
    needs_data: bool = False  # labelled texts, to calibrate with
    computes: str | None = None  # the precision that its runtime computes in, where that is another one

    @property
    def can_take_text(self) -> bool:
        """Tell whether a graph for its runtime can have the tokenizer inside."""
        return self.runtime in TEXT_RUNTIMES


_ALL = (
    Format("onnx", "onnxruntime", "portable", "fp32", "ONNX with standard operators, for any runtime"),
    Format("onnx-fused", "onnxruntime", "ort-fused", "fp32", "ONNX with ONNX Runtime's own operators: fastest there"),
    Format("openvino", "openvino", "portable", "fp32", "OpenVINO IR"),
    Format("openvino-fp16", "openvino", "portable", "fp16", "OpenVINO IR, weights in fp16: half the bytes"),
    Format("openvino-int8", "openvino", "portable", "int8", "OpenVINO IR, int8 by NNCF; needs --data", needs_data=True),
    Format("tensorrt", "tensorrt", "portable", "fp32", "what a Jetson builds its engine from", computes="fp16"),
    Format("ort", "ort-format", "ort-fused", "fp32", "ORT format and the list of its operators, for minimal builds"),
)
FORMATS = {one.name: one for one in _ALL}


def find_format(name: str) -> Format:
    """Return the format with this name.

    Raises:
        ConfigError: when there is none; the message lists all and the nearest one.
    """
    if name not in FORMATS:
        quantized = name.startswith(("int8", "int4", "fp16", "onnx-int8", "onnx-fp16"))
        hint = "int8, int4 and fp16 of ONNX are steps of 'edgekd quantize MODEL --to ...'." if quantized else None
        raise unknown_name("format", name, FORMATS, hint=hint)
    return FORMATS[name]


def all_formats(profile: DeviceProfile, *, has_data: bool) -> list[Format]:
    """Return the formats that are possible for a target, with or without labelled texts."""
    has_tensorrt = any(runtime.name == "tensorrt" for runtime in profile.runtimes)
    return [
        one
        for one in FORMATS.values()
        if (has_data or not one.needs_data) and (has_tensorrt or one.runtime != "tensorrt")
    ]


def preferred_format(profile: DeviceProfile) -> Format:
    """Return the fp32 format that the profile's first runtime is given."""
    first = profile.runtimes[0]
    if first.name == "onnxruntime":
        return FORMATS["onnx-fused" if first.graph == "ort-fused" else "onnx"]
    return FORMATS[first.name]
