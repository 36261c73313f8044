"""Teacher labels: the teacher's logits for every training text, computed once and kept.

Layout of a label folder: ``manifest.json`` (key, what it was made of, number of texts, shards) and
``shard-00000.safetensors`` with ``rows`` (int64, indexes into the text list) and ``logits`` (float32). Texts are
sorted by length before they are cut into shards, so each batch is as short as it can be. A killed run goes on at the
next shard, with the engine that ``engine.json`` names.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from edgekd.artifacts import read_json, write_bytes_atomic, write_json_atomic
from edgekd.batches import logits_in_order
from edgekd.errors import InvalidArtifact
from edgekd.runfolder import KEPT_OUTPUTS
from edgekd.teacher.engine import WORTH_S, EngineChoice, open_engine
from edgekd.teacher.load import encode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.config import LabelConfig
    from edgekd.progress import Progress
    from edgekd.teacher.load import Teacher

ENGINE_FILE = "engine.json"
REPORT_TOKENS = 32_768  # at most about so many tokens are computed between two reports of progress


def _read_shard(path: Path, key: str, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """Return the shard's logits, or None when it is absent, damaged or of another key."""
    if not path.is_file():
        return None
    try:
        with safe_open(str(path), framework="numpy") as shard:
            if shard.metadata().get("key") != key or not np.array_equal(shard.get_tensor("rows"), rows):
                return None
            logits: np.ndarray[Any, Any] = shard.get_tensor("logits")
    except (SafetensorError, OSError):
        return None
    return logits if len(logits) == len(rows) and np.isfinite(logits).all() else None


def _earlier_engine(folder: Path, key: str) -> str | None:
    """Return the engine that began these labels, so that a resumed run ends with the same one."""
    path = folder / ENGINE_FILE
    try:
        record = read_json(path) if path.is_file() else {}
    except InvalidArtifact:
        return None
    return record["engine"] if isinstance(record, dict) and record.get("key") == key else None


def label_texts(
    teacher: Teacher,
    texts: Sequence[str],
    *,
    key: str,
    config: LabelConfig,
    folder: Path,
    progress: Progress,
    worth_s: float = WORTH_S,
) -> np.ndarray[Any, Any]:
    """Return the teacher's logits ``(texts, num_labels)`` in the order of the texts.

    Shards that are already in ``folder`` under the same key are reused. The rest is computed by the engine that
    ``open_engine`` chooses, in batches of texts of about one length.

    Args:
        teacher: any classifier with its tokenizer; a student can be one.
        texts: what to label.
        key: of everything the labels depend on (``runfolder.label_key``).
        config: shard size, and how many texts of full length may be computed at once.
        folder: where the labels are kept.
        progress: is shown the engine and the texts that are done.
        worth_s: see ``open_engine``.
    """
    started = time.monotonic()
    input_ids = encode(teacher.tokenizer, texts, teacher.max_length)
    order = np.asarray(sorted(range(len(texts)), key=lambda i: len(input_ids[i])), dtype=np.int64)
    shards = [order[i : i + config.shard_size] for i in range(0, len(order), config.shard_size)]
    result = np.empty((len(texts), teacher.model.config.num_labels), dtype=np.float32)
    missing: list[tuple[Path, np.ndarray[Any, Any]]] = []
    for number, rows in enumerate(shards):
        path = folder / f"shard-{number:05d}.safetensors"
        logits = _read_shard(path, key, rows)
        if logits is None:
            missing.append((path, rows))
        else:
            result[rows] = logits
    to_do = sum(len(rows) for _, rows in missing)
    progress.start(f"Teacher labels for {len(texts):,} texts", len(texts))
    progress.update(len(texts) - to_do)
    manifest = {"key": key, "texts": len(texts), "shards": len(shards), "outputs": KEPT_OUTPUTS}
    choice = None
    if missing:
        choice = _compute(teacher, input_ids, missing, result, key, config, folder, progress, worth_s)
    engine = asdict(choice) if choice else read_json(folder / ENGINE_FILE) if (folder / ENGINE_FILE).is_file() else {}
    write_json_atomic(
        folder / "manifest.json",
        {
            **manifest,
            "max_length": teacher.max_length,
            "engine": {name: value for name, value in engine.items() if name != "key"},
            "duration_s": round(time.monotonic() - started, 3),
        },
    )
    notes = [f"by {choice.engine}: {choice.reason}"] if choice else []
    if to_do < len(texts):
        notes.append(f"{len(texts) - to_do:,} of {len(texts):,} were already there")
    progress.finish("; ".join(notes))
    return result


def _compute(
    teacher: Teacher,
    input_ids: Sequence[Sequence[int]],
    missing: Sequence[tuple[Path, np.ndarray[Any, Any]]],
    result: np.ndarray[Any, Any],
    key: str,
    config: LabelConfig,
    folder: Path,
    progress: Progress,
    worth_s: float,
) -> EngineChoice:
    """Compute the missing shards into ``result`` and their files; return by which engine."""
    if torch.cuda.is_available():
        teacher.model.to("cuda")
    pad = teacher.tokenizer.pad_token_id or 0
    wanted = [input_ids[row] for _, rows in missing for row in rows]
    done = len(result) - len(wanted)
    prefer = _earlier_engine(folder, key)
    with open_engine(teacher.model, wanted, pad_token_id=pad, prefer=prefer, worth_s=worth_s) as engine:
        write_json_atomic(folder / ENGINE_FILE, {"key": key, **asdict(engine.choice)})
        tokens = min(engine.tokens, config.batch_size * teacher.max_length)
        step = max(1, REPORT_TOKENS // teacher.max_length)
        for path, rows in missing:
            for first in range(0, len(rows), step):
                chunk = rows[first : first + step]
                result[chunk] = logits_in_order(
                    engine.forward,
                    [input_ids[row] for row in chunk],
                    num_labels=result.shape[1],
                    tokens=tokens,
                    pad_token_id=pad,
                )
                progress.update(done + first + len(chunk))
            number = path.stem.rpartition("-")[2]
            tensors = {"rows": rows, "logits": result[rows]}
            write_bytes_atomic(path, save(tensors, metadata={"key": key, "shard": number}))
            done += len(rows)
    return engine.choice
