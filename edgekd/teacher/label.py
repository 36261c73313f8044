"""Teacher labels: the teacher's logits for every training text, computed once and kept.

Layout of a label folder: ``manifest.json`` (key, what it was made of, number of texts, shards) and
``shard-00000.safetensors`` with ``rows`` (int64, indexes into the text list) and ``logits`` (float32). Texts are
sorted by length before they are cut into shards, so each batch is as short as it can be. A killed run goes on at the
next shard.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from edgekd.artifacts import write_bytes_atomic, write_json_atomic
from edgekd.batches import predict_logits
from edgekd.runfolder import KEPT_OUTPUTS
from edgekd.teacher.load import encode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.config import LabelConfig
    from edgekd.progress import Progress
    from edgekd.teacher.load import Teacher


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


def label_texts(
    teacher: Teacher,
    texts: Sequence[str],
    *,
    key: str,
    config: LabelConfig,
    folder: Path,
    progress: Progress,
) -> np.ndarray[Any, Any]:
    """Return the teacher's logits ``(texts, num_labels)`` in the order of the texts.

    Shards that are already in ``folder`` under the same key are reused.
    """
    started = time.monotonic()
    input_ids = encode(teacher.tokenizer, texts, teacher.max_length)
    order = np.asarray(sorted(range(len(texts)), key=lambda i: len(input_ids[i])), dtype=np.int64)
    shards = [order[i : i + config.shard_size] for i in range(0, len(order), config.shard_size)]
    result = np.empty((len(texts), teacher.model.config.num_labels), dtype=np.float32)
    if torch.cuda.is_available():
        teacher.model.to("cuda")
    progress.start(f"Teacher labels for {len(texts):,} texts", len(texts))
    done = reused = 0
    for number, rows in enumerate(shards):
        path = folder / f"shard-{number:05d}.safetensors"
        logits = _read_shard(path, key, rows)
        if logits is None:
            parts = []
            for first in range(0, len(rows), config.batch_size * 4):
                chunk = rows[first : first + config.batch_size * 4]
                parts.append(
                    predict_logits(
                        teacher.model,
                        [input_ids[i] for i in chunk],
                        batch_size=config.batch_size,
                        pad_token_id=teacher.tokenizer.pad_token_id or 0,
                    )
                )
                progress.update(done + first + len(chunk))
            logits = np.concatenate(parts)
            tensors = {"rows": rows, "logits": logits}
            write_bytes_atomic(path, save(tensors, metadata={"key": key, "shard": str(number)}))
        else:
            reused += len(rows)
        result[rows] = logits
        done += len(rows)
        progress.update(done)
    write_json_atomic(
        folder / "manifest.json",
        {
            "key": key,
            "texts": len(texts),
            "shards": len(shards),
            "outputs": KEPT_OUTPUTS,
            "max_length": teacher.max_length,
            "duration_s": round(time.monotonic() - started, 3),
        },
    )
    progress.finish(f"{reused:,} of {len(texts):,} were already there" if reused else "")
    return result
