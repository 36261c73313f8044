"""The files of a TensorRT bundle: the portable graph, the script that builds its engine on the board, and a guide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from edgekd.artifacts import sha256_file, write_text_atomic
from edgekd.bundle import MODEL_FILE
from edgekd.compress.graph import load, operator_counts, save
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.export.shapes import fix_shapes
from edgekd.export.tensorrt.check import check_graph, check_shapes
from edgekd.export.tensorrt.int8 import fold_biases, widen_tables
from edgekd.export.tensorrt.script import board_software, build_script, guide
from edgekd.runtime.shape_range import USUAL_LENGTH, shape_range
from edgekd.runtime.tensorrt_session import BUILD_SCRIPT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.devices import DeviceProfile

GUIDE_FILE = "TENSORRT.md"
PRECISIONS = ("fp32", "fp16", "int8")
_LISTED = 6  # problems in a message


def write_tensorrt(
    source: Path,
    folder: Path,
    *,
    profile: DeviceProfile,
    name: str,
    max_length: int,
    precision: str = "fp16",
    lengths: Sequence[int] = (),
    batch: int | None = None,
    usual_length: int = USUAL_LENGTH,
) -> dict[str, int]:
    """Write ``model.onnx``, ``build_engine.sh`` and ``TENSORRT.md`` into a folder.

    Args:
        source: the portable ONNX graph, fp32 or, for "int8", with symmetric QuantizeLinear/DequantizeLinear pairs.
        folder: of the bundle; must exist.
        profile: of the board; its ``software.stack`` names JetPack and TensorRT.
        name: of the bundle, for messages.
        max_length: longest text in tokens.
        precision: of the engine: "fp16" rounds when it is built, the graph stays as it is.
        lengths: as in the manifest: one fixes the length, several are its range.
        batch: as in the manifest: fixes the texts of a call; None: up to 8.
        usual_length: tokens of the most frequent texts, for which the engine is the fastest.

    Returns:
        how often each operator occurs.

    Raises:
        ConfigError: when the profile has no TensorRT of version 10 or later, or the precision is unknown.
        InvalidArtifact: when TensorRT would not read the graph.
    """
    if precision not in PRECISIONS:
        raise ConfigError(
            f"Unknown precision '{precision}' of a TensorRT engine.", hint=f"Use {', '.join(PRECISIONS)}."
        )
    board_software(profile)
    target = folder / MODEL_FILE
    fix_shapes(source, target, length=lengths[0] if len(lengths) == 1 else None, batch=batch)
    model = load(target)
    if precision == "int8":
        fold_biases(model)
        widen_tables(model)
        onnx.checker.check_model(model)
        save(model, target)
    found = check_graph(model, precision)
    if found.problems:
        listed = found.problems[:_LISTED] + (["..."] if len(found.problems) > _LISTED else [])
        raise InvalidArtifact(
            f"TensorRT {board_software(profile).tensorrt} would not read '{source}': {'; '.join(listed)}.",
            hint="Export the fp32 model (--to tensorrt computes in fp16 then), or --to onnx for ONNX Runtime.",
        )
    shapes = shape_range(lengths, batch, max_length, usual_length=usual_length)
    check_shapes(model, shapes)
    script = build_script(
        name=name,
        profile=profile,
        precision=precision,
        inputs=[entry.name for entry in model.graph.input],
        shapes=shapes,
        onnx_sha256=sha256_file(target),
    )
    write_text_atomic(folder / BUILD_SCRIPT, script)
    (folder / BUILD_SCRIPT).chmod(0o755)
    notes = found.notes
    write_text_atomic(
        folder / GUIDE_FILE, guide(name=name, profile=profile, precision=precision, shapes=shapes, notes=notes)
    )
    return operator_counts(model)
