"""The two texts of a TensorRT folder: the script that builds the engine, and how to use it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from edgekd.bundle import MODEL_FILE
from edgekd.errors import ConfigError
from edgekd.export.tensorrt.operators import FIRST_VERSION
from edgekd.runtime.tensorrt_session import BUILD_SCRIPT, ENGINE_FILE, ENGINE_RECORD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgekd.devices import DeviceProfile
    from edgekd.runtime.shape_range import ShapeRange

# Linux for Tegra of each JetPack, by major numbers (NVIDIA's JetPack archive).
L4T = {"4": "32", "5": "35", "6": "36", "7": "38"}


@dataclass(frozen=True)
class BoardSoftware:
    """What a profile says about its TensorRT."""

    tensorrt: str  # "10.3"
    jetpack: str  # "6.1 or 6.2"; empty when it is not said
    l4t: str  # "36"; empty when it is not known


def board_software(profile: DeviceProfile) -> BoardSoftware:
    """Read the versions in ``software.stack`` of a profile.

    Raises:
        ConfigError: when it names no TensorRT, or one that is too old.
    """
    stack = profile.software.stack
    version = re.search(r"TensorRT (\d+)\.(\d+)", stack)
    if version is None:
        raise ConfigError(
            f"The target '{profile.name}' has no TensorRT: its software.stack is '{stack}'.",
            hint="Use --target jetson, or write a profile whose software.stack says 'JetPack 6.2, TensorRT 10.3'.",
        )
    found = (int(version[1]), int(version[2]))
    if found < FIRST_VERSION:
        needed = ".".join(map(str, FIRST_VERSION))
        raise ConfigError(
            f"The target '{profile.name}' has TensorRT {found[0]}.{found[1]}; {needed} or later is needed, which reads "
            "64-bit integers.",
            hint="Export --to onnx, which ONNX Runtime runs there.",
        )
    jetpack = re.search(r"JetPack (\d[\d.]*(?: or \d[\d.]*)*)", stack)
    said = jetpack[1] if jetpack else ""
    return BoardSoftware(f"{found[0]}.{found[1]}", said, L4T.get(said.split(".")[0], ""))


def shape_flags(inputs: Sequence[str], shapes: ShapeRange) -> list[str]:
    """Return trtexec's flags for the shapes; none for a graph of a fixed shape, for which it refuses them."""
    if shapes.is_fixed:
        return []
    names = ("--minShapes", "--optShapes", "--maxShapes")
    return [f"{flag}={written}" for flag, written in zip(names, shapes.written(inputs), strict=True)]


def build_script(
    *, name: str, profile: DeviceProfile, precision: str, inputs: Sequence[str], shapes: ShapeRange, onnx_sha256: str
) -> str:
    """Return ``build_engine.sh`` of a bundle; every value is quoted for the shell."""
    software = board_software(profile)
    values = {
        "NAME": name,
        "TARGET": profile.name,
        "TENSORRT": software.tensorrt,
        "JETPACK": software.jetpack,
        "L4T": software.l4t,
        "ONNX": MODEL_FILE,
        "ONNX_SHA256": onnx_sha256,
        "PRECISION": precision,
        "ENGINE": ENGINE_FILE,
        "RECORD": ENGINE_RECORD,
    }
    quoted = {key: shlex.quote(value) for key, value in values.items()}
    # Quoted even where the shell needs it not: commas between words of an array look like a mistake.
    flags = " ".join(f"'{flag}'" for flag in shape_flags(inputs, shapes))
    return _filled(BUILD_SCRIPT, {**quoted, "SHAPES": flags})


def guide(*, name: str, profile: DeviceProfile, precision: str, shapes: ShapeRange, notes: Sequence[str]) -> str:
    """Return ``TENSORRT.md`` of a bundle."""
    software = board_software(profile)
    (few, short), (_, usual), (many, long) = shapes.smallest, shapes.usual, shapes.largest
    if shapes.is_fixed:
        said = f"exactly {few} {'text' if few == 1 else 'texts'} of {short} tokens a call"
    else:
        said = f"{few} to {many} texts of {short} to {long} tokens a call, the fastest near {usual} tokens"
    listed = "\n".join(f"- {note}" for note in notes) or "- nothing"
    values = {
        "NAME": name,
        "DESCRIPTION": profile.description,
        "TENSORRT": software.tensorrt,
        "JETPACK": software.jetpack or "of the board",
        "PRECISION": precision,
        "SHAPES": said,
        "NOTES": listed,
    }
    return _filled("TENSORRT.md", values)


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template of this package with ``@KEY@`` replaced, in one pass, so that no value is searched again."""
    text = (resources.files("edgekd.export.tensorrt") / template).read_text(encoding="utf-8")
    return re.sub(r"@([A-Z0-9_]+)@", lambda found: values[found[1]], text)
