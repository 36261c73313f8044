"""The converters of ``edgekd export``: an ONNX graph in, the files of a format out."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekd.bench.machine import describe_machine
from edgekd.bundle import MODEL_FILE
from edgekd.compress.calibration import choose_calibration
from edgekd.compress.openvino import to_openvino
from edgekd.devices import int8_for
from edgekd.errors import ConfigError, NotApplicable
from edgekd.export.ort_format import to_ort_format
from edgekd.export.tensorrt import write_tensorrt
from edgekd.steps import OpenVinoStep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgekd.data.types import TextData
    from edgekd.devices import DeviceProfile
    from edgekd.export.formats import Format
    from edgekd.tasks import Task

    Rows = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Conversion:
    """What a converter may use.

    Args:
        format: what is made.
        name: of the bundle.
        source: ONNX graph in the flavour of the format.
        folder: empty, for the files.
        profile: the target.
        task: of the model.
        pad_token_id: of the tokenizer.
        lengths: in tokens; none: any, one: fixed, several: buckets.
        batch: texts a call; None: any.
        max_length: tokens of a text.
        precision: of the source.
        rows: token ids of some texts of all lengths.
        data: labelled texts, or None.
        encode: texts to token ids.
    """

    format: Format
    name: str
    source: Path
    folder: Path
    profile: DeviceProfile
    task: Task
    pad_token_id: int
    lengths: tuple[int, ...]
    batch: int | None
    max_length: int
    precision: str
    rows: Rows
    data: TextData | None
    encode: Callable[[Sequence[str]], list[list[int]]]


def _onnx(job: Conversion) -> dict[str, Any]:
    shutil.copyfile(job.source, job.folder / MODEL_FILE)
    return {}


def _ort(job: Conversion) -> dict[str, Any]:
    return {"operators": to_ort_format(job.source, job.folder, profile=job.profile)}


def _tensorrt(job: Conversion) -> dict[str, Any]:
    operators = write_tensorrt(
        job.source,
        job.folder,
        profile=job.profile,
        name=job.name,
        max_length=job.max_length,
        precision=(job.format.computes or "fp32") if job.precision == "fp32" else job.precision,
        lengths=job.lengths,
        batch=job.batch,
    )
    return {"operators": operators}


def _openvino(job: Conversion) -> dict[str, Any]:
    if job.precision != "fp32":
        raise NotApplicable(
            f"OpenVINO starts from fp32, and this is {job.precision}.",
            hint="Export the model folder, or the fp32 bundle; --to openvino-int8 quantizes.",
        )
    step = OpenVinoStep.model_validate({"step": job.format.name})
    fixed = job.lengths[0] if len(job.lengths) == 1 else None
    return to_openvino(
        job.source,
        job.folder,
        step,
        calibration=lambda: _calibration_rows(job, step.texts),
        pad_token_id=job.pad_token_id,
        reduce_range=int8_for(job.profile, describe_machine().isa).reduce_range,
        shape=None if fixed is None and job.batch is None else (job.batch or -1, fixed or -1),
        padded=job.batch != 1 or bool(job.lengths),
    )


def _calibration_rows(job: Conversion, count: int) -> Rows:
    """Return token ids of training texts; those of the parity check where nothing is calibrated."""
    if not job.format.needs_data:
        return job.rows
    if job.data is None:
        raise ConfigError(
            f"{job.format.name} needs labelled texts to calibrate with.", hint="Give them with --data FILE."
        )
    rows = job.encode(job.data.train.texts)
    picks = choose_calibration([len(row) for row in rows], job.data.train.targets, job.task, count)
    return [rows[i] for i in picks]


CONVERTERS: dict[str, Callable[[Conversion], dict[str, Any]]] = {
    "onnx": _onnx,
    "onnx-fused": _onnx,
    "openvino": _openvino,
    "openvino-fp16": _openvino,
    "openvino-int8": _openvino,
    "ort": _ort,
    "tensorrt": _tensorrt,
}
