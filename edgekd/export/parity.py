"""Does the exported graph say the same as the model? A gate: what fails is not published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.bundle import Parity
from edgekd.errors import InvalidArtifact
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgekd.config import ExportConfig

Logits = np.ndarray[Any, Any]


def spread_over_lengths(lengths: Sequence[int], count: int) -> list[int]:
    """Return ``count`` indexes spread evenly over the sorted lengths, shortest and longest among them."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    if count >= len(order):
        return order
    picks = np.linspace(0, len(order) - 1, count).round().astype(int)
    return [order[i] for i in picks]


def graph_logits(model_path: Path, input_ids: Sequence[Sequence[int]], *, pad_token_id: int) -> Logits:
    """Return the graph's logits, half of the texts one by one and half padded in pairs with a neighbour.

    Both shapes matter: batch 1 is what a board runs, and padding must not change an answer.

    Args:
        model_path: an ONNX graph, or the ``.xml`` of an OpenVINO one.
        input_ids: token ids of each text.
        pad_token_id: of the tokenizer.
    """
    names, run = _opened_by_openvino(model_path) if model_path.suffix == ".xml" else _opened_by_onnxruntime(model_path)
    logits: list[Logits] = []
    position = 0
    while position < len(input_ids):
        rows = input_ids[position : position + (1 if position % 3 == 0 else 2)]
        longest = max(len(row) for row in rows)
        ids = np.full((len(rows), longest), pad_token_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        feed = {"input_ids": ids, "attention_mask": mask}
        logits.append(run({name: feed[name] for name in names}))
        position += len(rows)
    return np.concatenate(logits)


def _opened_by_onnxruntime(model_path: Path) -> tuple[list[str], Callable[[dict[str, Logits]], Logits]]:
    """Return the names of the inputs, and a function from inputs to logits."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(model_path), options, providers=["CPUExecutionProvider"])
    return [entry.name for entry in session.get_inputs()], lambda feed: session.run(None, feed)[0]


def _opened_by_openvino(model_path: Path) -> tuple[list[str], Callable[[dict[str, Logits]], Logits]]:
    """Return the names of the inputs, and a function from inputs to logits."""
    from edgekd.runtime.openvino_session import compile_graph

    compiled = compile_graph(model_path, 1)
    request = compiled.create_infer_request()
    names = [port.get_any_name() for port in compiled.inputs]
    return names, lambda feed: np.array(request.infer(feed, share_inputs=True)[0])


def compare_logits(expected: Logits, actual: Logits, task: TaskKind) -> Parity:
    """Compare two sets of logits ``(texts, outputs)``.

    A text counts as flipped when its label differs, for multi-label when the sign of any logit does; a regression has
    no labels to flip.

    Raises:
        InvalidArtifact: when a logit is not finite.
    """
    if not np.isfinite(actual).all():
        raise InvalidArtifact("The exported graph returns values that are not finite.")
    difference = np.abs(expected - actual)
    if task is TaskKind.REGRESSION:
        flips = 0
    elif task is TaskKind.MULTI_LABEL:
        flips = int(((expected > 0) != (actual > 0)).any(axis=1).sum())
    else:
        flips = int((expected.argmax(axis=1) != actual.argmax(axis=1)).sum())
    return Parity(
        texts=len(expected),
        max_abs_diff=float(difference.max()),
        mean_abs_diff=float(difference.mean()),
        label_flips=flips,
    )


def require_parity(parity: Parity, config: ExportConfig, name: str) -> None:
    """Raise InvalidArtifact (exit 3) when an exported graph differs too much from its model."""
    if parity.max_abs_diff > config.max_abs_diff or parity.label_flips > config.max_label_flips:
        raise InvalidArtifact(
            f"Export of '{name}' failed its parity check on {parity.texts} validation texts: maximum absolute "
            f"difference {parity.max_abs_diff:.2g} (allowed {config.max_abs_diff:.2g}), label flips "
            f"{parity.label_flips} (allowed {config.max_label_flips}). No bundle was written.",
            hint="If the difference is harmless for you, raise export.max_abs_diff or export.max_label_flips.",
        )
