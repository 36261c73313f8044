"""Open what ``edgekd export`` is given: a model folder, a hub id, a bundle, or an ONNX graph with its tokenizer."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.artifacts import read_json, sha256_file
from edgekd.bundle import MODEL_FILE, TOKENIZER_FILE, is_bundle, load_bundle
from edgekd.errors import ConfigError, InvalidArtifact, NotApplicable
from edgekd.export.answers import graph_logits, open_graph
from edgekd.export.facts import facts_of
from edgekd.export.hostile import hostile_texts
from edgekd.export.shapes import check_lengths, fix_shapes
from edgekd.exportable import FUSED, PORTABLE, Exportable, Shape, model_name, task_of
from edgekd.graphs import encode_texts
from edgekd.labelling import read_calibration
from edgekd.provenance import LineageStep
from edgekd.publish_config import CONFIG_FILE, TOKENIZER_CONFIG_FILE
from edgekd.runfolder import COMPRESS_FILE, METRICS_FILE, TRAIN_FILE, WEIGHTS_FILE
from edgekd.runtime.tokenization import pad_id
from edgekd.student.names import STUDENT_KINDS
from edgekd.tasks import Calibration, TaskKind
from edgekd.workplace import stored_max_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bundle import Bundle
    from edgekd.export.answers import Logits
    from edgekd.progress import Progress

    Rows = Sequence[Sequence[int]]

_OWN_PREFIX = "edgekd-"


def open_source(
    source: str, work: Path, shape: Shape, task: TaskKind | None, name: str | None, progress: Progress
) -> Exportable:
    """Open what is to be exported.

    Args:
        source: model folder, hub id, ``asset:NAME``, bundle folder, or ``.onnx`` file with its tokenizer beside it.
        work: empty folder, for tokenizer and configuration as transformers writes them.
        shape: lengths and batch of the graphs.
        task: what the logits are; None: what the configuration says.
        name: what to call it; None: what it is called.
        progress: told what is fetched.

    Raises:
        ConfigError: when it is no classifier, or cannot have the task or the shape.
        InvalidArtifact: when it is damaged.
    """
    path = Path(source).expanduser()
    if path.is_dir() and is_bundle(path):
        return _open_bundle(load_bundle(path), shape, task, name)
    if path.suffix == ".onnx":
        return _open_onnx(path, shape, task, name)
    return _open_torch(source, work, shape, task, name, progress)


def _open_torch(
    source: str, work: Path, shape: Shape, task: TaskKind | None, name: str | None, progress: Progress
) -> Exportable:
    """Open a classifier of transformers or of edgekd."""
    import edgekd.student.kinds  # noqa: F401 - registers our models with the Auto classes
    from edgekd.batches import predict_logits
    from edgekd.compress.qat import is_recorded
    from edgekd.compress.qdq import export_qdq
    from edgekd.export.onnx import export_onnx
    from edgekd.student.base import count_parameters
    from edgekd.teacher.load import load_classifier, position_limit

    opened = load_classifier(source, None, progress)
    model, tokenizer = opened.model, opened.tokenizer
    check_lengths(shape.lengths, shape.batch, shape.max_length, position_limit(model))
    rounded = is_recorded(model.config)
    if rounded and (shape.fixed_length or shape.batch):
        raise NotApplicable(
            f"'{source}' was trained with int8 rounding; its graph takes any length and any batch.",
            hint="Leave --length and --batch out, or give buckets: --length 32,64,128",
        )
    folder = Path(source).expanduser()
    scores = _stored_scores(folder)
    called = name or model_name(source)
    length = shape.wanted_length or stored_max_length(folder) or opened.max_length
    model.config.save_pretrained(work)
    tokenizer.save_pretrained(work)
    _say_padding(work / TOKENIZER_FILE, tokenizer)
    _require_same_ids(work / TOKENIZER_FILE, tokenizer, length, source)
    kind = str(model.config.model_type).removeprefix(_OWN_PREFIX)
    is_student = kind in STUDENT_KINDS or any((folder / file).is_file() for file in (TRAIN_FILE, COMPRESS_FILE))

    def write(path: Path, flavour: str, opset: int, shape: Shape) -> None:
        if rounded:
            export_qdq(model, path, opset=opset)
        else:
            export_onnx(model, path, opset=opset, flavour=flavour, lengths=shape.lengths, batch=shape.batch)

    def logits(rows: Rows, texts: int = 1) -> Logits:
        return predict_logits(
            model, rows, batch_size=texts, tokens=texts * length, pad_token_id=tokenizer.pad_token_id or 0
        )

    return Exportable(
        name=called,
        role="student" if is_student else "teacher",
        kind=kind if kind in STUDENT_KINDS else "transformer",
        precision="int8" if rounded else "fp32",
        task=task_of(model.config.to_dict(), task, source),
        calibration=read_calibration(scores) if "calibration" in scores else Calibration(),
        max_length=length,
        pad_token_id=pad_id(work / TOKENIZER_FILE),
        folder=work,
        inputs=("input_ids", "attention_mask"),
        flavours=(PORTABLE,) if rounded else (PORTABLE, FUSED),
        shape=shape,
        is_free=True,
        logits=logits,
        padding_changes=lambda rows: float(np.abs(logits(rows) - logits(rows, len(rows))).max()),
        write=write,
        lineage=[LineageStep(step="model", name=called, hash=_weights_hash(folder, model))],
        scores=scores,
        parameters=count_parameters(model),
    )


def _open_bundle(bundle: Bundle, shape: Shape, task: TaskKind | None, name: str | None) -> Exportable:
    """Take the ONNX graph of a bundle."""
    manifest = bundle.manifest
    if manifest.runtime != "onnxruntime":
        raise ConfigError(
            f"'{bundle.folder}' is a bundle for {manifest.runtime}; exports start from ONNX or from the model.",
            hint="Give the model folder, or a bundle of 'edgekd export MODEL --to onnx'.",
        )
    if task is not None and task is not manifest.task:
        raise ConfigError(f"'{bundle.folder}' is a bundle of a {manifest.task.value} task, not {task.value}.")
    limit = manifest.lengths[-1] if manifest.lengths else None
    check_lengths(shape.lengths, shape.batch, shape.max_length, limit)
    return _graph_source(
        bundle.model_path,
        replace(shape, lengths=shape.lengths or tuple(manifest.lengths), batch=shape.batch or manifest.batch),
        name=name or _without_format(bundle),
        role=manifest.role,
        kind=manifest.kind,
        precision=manifest.precision,
        task=manifest.as_task,
        calibration=manifest.calibration,
        max_length=shape.wanted_length or manifest.max_length,
        lineage=manifest.lineage,
        parameters=manifest.parameters,
    )


def _open_onnx(path: Path, shape: Shape, task: TaskKind | None, name: str | None) -> Exportable:
    """Take an ONNX file with ``tokenizer.json``, ``tokenizer_config.json`` and ``config.json`` beside it."""
    if not path.is_file():
        raise ConfigError(f"'{path}' does not exist.", hint="Give an ONNX file, a bundle or a model folder.")
    if is_bundle(path.parent) and path.name == MODEL_FILE:
        return _open_bundle(load_bundle(path.parent), shape, task, name)
    missing = [
        file for file in (TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, CONFIG_FILE) if not (path.parent / file).exists()
    ]
    if missing:
        raise ConfigError(
            f"'{path}' has no {' and no '.join(missing)} beside it, so its texts and labels are not known.",
            hint="Put the model's files into the same folder.",
        )
    config = read_json(path.parent / CONFIG_FILE)
    limit = config.get("max_position_embeddings")
    check_lengths(shape.lengths, shape.batch, shape.max_length, limit)
    told = read_json(path.parent / TOKENIZER_CONFIG_FILE).get("model_max_length")
    longest = min(int(value) for value in (512, limit, told) if value)
    called = name or (path.stem if path.stem != "model" else path.resolve().parent.name)
    return _graph_source(
        path,
        shape,
        name=called,
        role="teacher",
        kind="transformer",
        precision="fp32",
        task=task_of(config, task, str(path)),
        calibration=Calibration(),
        max_length=shape.wanted_length or longest,
        lineage=[LineageStep(step="model", name=called, hash=sha256_file(path))],
    )


def _without_format(bundle: Bundle) -> str:
    """Return the name of a bundle without the format that an export added to it."""
    manifest = bundle.manifest
    made = manifest.lineage[-1].details.get("format") if manifest.lineage else None
    return manifest.name.removesuffix("-fp32" if made is None else f"-{made}")


def _graph_source(graph: Path, shape: Shape, *, max_length: int, **facts: Any) -> Exportable:
    """Return what starts from an ONNX graph; only its free shapes can still be fixed."""
    opened = open_graph(graph)
    length = next((entry.length for entry in opened.inputs if entry.length is not None), None)
    batch = next((entry.batch for entry in opened.inputs if entry.batch is not None), None)
    if length is not None:
        shape = replace(shape, lengths=shape.lengths or (length,))
    shape = replace(shape, batch=shape.batch or batch)
    found = facts_of("onnxruntime", graph)
    pad = pad_id(graph.parent / TOKENIZER_FILE)

    def write(path: Path, flavour: str, opset: int, shape: Shape) -> None:
        if found.opset is not None and found.opset > opset:
            raise InvalidArtifact(
                f"'{graph}' needs opset {found.opset}, the target allows {opset}.",
                hint="Export the model itself, or allow it with --opset.",
            )
        if shape.fixed_length or shape.batch:
            fix_shapes(graph, path, length=shape.fixed_length, batch=shape.batch)
        else:
            shutil.copyfile(graph, path)

    return Exportable(
        max_length=max_length if length is None else min(max_length, length),
        pad_token_id=pad,
        folder=graph.parent,
        inputs=tuple(entry.name for entry in opened.inputs),
        flavours=(found.flavour,),
        shape=shape,
        is_free=length is None and batch is None,
        logits=lambda rows: graph_logits(graph, rows, pad_token_id=pad, batch_sizes=(1,)),
        padding_changes=lambda rows: float(
            np.abs(
                opened.ask(rows, pad_token_id=pad) - graph_logits(graph, rows, pad_token_id=pad, batch_sizes=(1,))
            ).max()
        ),
        write=write,
        **facts,
    )


def _stored_scores(folder: Path) -> dict[str, Any]:
    """Return the calibration and the scores that edgekd stored with a model folder; empty for another one."""
    for name in (METRICS_FILE, TRAIN_FILE, COMPRESS_FILE):
        if (folder / name).is_file():
            record = read_json(folder / name)
            found: dict[str, Any] = record.get("metrics", record)
            return found
    return {}


def _say_padding(path: Path, tokenizer: Any) -> None:
    """Write the padding id into ``tokenizer.json`` where its name alone does not tell it."""
    if tokenizer.pad_token_id is None or pad_id(path) == tokenizer.pad_token_id:
        return
    from tokenizers import Tokenizer

    written = Tokenizer.from_file(str(path))
    written.enable_padding(pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    written.save(str(path))


def _require_same_ids(path: Path, tokenizer: Any, max_length: int, source: str) -> None:
    """Refuse a tokenizer whose file reads hostile texts differently from transformers.

    Raises:
        InvalidArtifact: with the first text that differs.
    """
    texts = hostile_texts()
    expected: Sequence[list[int]] = tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]
    for text, wanted, found in zip(texts, expected, encode_texts(path, texts, max_length), strict=True):
        if list(wanted) != list(found):
            raise InvalidArtifact(
                f"The tokenizer of '{source}' gives other token ids from {TOKENIZER_FILE} alone, without transformers: "
                f"for {text[:30]!r} {found[:10]} instead of {wanted[:10]}.",
                hint="A bundle has only that file. Save the tokenizer so that it says everything, then export again.",
            )


def _weights_hash(folder: Path, model: Any) -> str:
    """Return the hash of a folder's weights; of a model from elsewhere, of its tensors."""
    if (folder / WEIGHTS_FILE).is_file():
        return sha256_file(folder / WEIGHTS_FILE)
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(json.dumps([name, list(tensor.shape)]).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
