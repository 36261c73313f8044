"""What ``edgekd export`` starts from, once it is open: the same for a classifier in torch and for an ONNX graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.errors import ConfigError
from edgekd.tasks import Calibration, Task, TaskKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.export.answers import Logits
    from edgekd.provenance import LineageStep

    Rows = Sequence[Sequence[int]]

PORTABLE, FUSED = "portable", "ort-fused"
_VALUE = "value"  # what a regression gives, when the model does not say


@dataclass(frozen=True)
class Shape:
    """Lengths and batch of an export.

    Args:
        lengths: in tokens; none: any, one: fixed, several: buckets.
        batch: texts a call; None: any.
        max_length: where texts are cut; None: the longest of ``lengths``, else what the model was trained with.
    """

    lengths: tuple[int, ...] = ()
    batch: int | None = None
    max_length: int | None = None

    @property
    def wanted_length(self) -> int | None:
        """Where texts are cut, if anything was said about it."""
        return self.max_length or (self.lengths[-1] if self.lengths else None)

    @property
    def fixed_length(self) -> int | None:
        """The length of every call, if there is only one."""
        return self.lengths[0] if len(self.lengths) == 1 else None


@dataclass(frozen=True)
class Exportable:
    """A classifier that can be written as a graph.

    Args:
        name: what its bundles are called.
        role: "teacher" or "student".
        kind: "cnn", "transformer"...
        precision: "fp32", or what the graph has been made already.
        task: with the labels in the order of the logits.
        calibration: how logits become choices.
        max_length: tokens of a text.
        pad_token_id: of the tokenizer.
        folder: with ``tokenizer.json``, ``tokenizer_config.json`` and ``config.json``.
        inputs: of its graphs.
        flavours: graphs that it can be written as.
        shape: lengths and batch of its graphs: those that were asked for, or that the graph has already.
        is_free: a graph with any batch and any length can be written, whatever ``shape`` says.
        logits: what it answers to token ids, one text at a time.
        padding_changes: by how much padding changes a logit of the model itself, found with some rows of token ids.
        write: writes the graph of a flavour, with at most an opset, in a shape, to a path.
        lineage: ends with this model.
        scores: stored with the model, by split; perhaps empty.
        parameters: how many, if it is known.
    """

    name: str
    role: str
    kind: str
    precision: str
    task: Task
    calibration: Calibration
    max_length: int
    pad_token_id: int
    folder: Path
    inputs: tuple[str, ...]
    flavours: tuple[str, ...]
    shape: Shape
    is_free: bool
    logits: Callable[[Rows], Logits]
    padding_changes: Callable[[Rows], float]
    write: Callable[[Path, str, int, Shape], None]
    lineage: list[LineageStep]
    scores: dict[str, Any] = field(default_factory=dict)
    parameters: int | None = None


def model_name(source: str) -> str:
    """Return what to call a model: the student's name in a run folder, else the last part of its address."""
    path = Path(source.removeprefix("asset:"))
    parts = path.resolve().parts if path.exists() else path.parts
    if "students" in parts[:-1]:  # RUN/students/NAME/distilled/seed-0
        return parts[len(parts) - 1 - parts[::-1].index("students") + 1]
    return parts[-1] if parts else "model"


def task_of(config: dict[str, Any], given: TaskKind | None, source: str) -> Task:
    """Return the task of a classifier from its ``config.json``, by the rules of transformers.

    ``problem_type`` decides; without it one output is a regression, several are labels of which one is right.

    Raises:
        ConfigError: when the given task does not fit the number of outputs.
    """
    labels = config.get("id2label") or {}
    names = [str(labels[key]) for key in sorted(labels, key=int)] or ["LABEL_0", "LABEL_1"]
    by_problem = {kind.value.replace("-", "_"): kind for kind in TaskKind}
    problem = str(config.get("problem_type") or "").removesuffix("_classification")
    kind = given or by_problem.get(problem) or (TaskKind.REGRESSION if len(names) == 1 else TaskKind.SINGLE_LABEL)
    if (kind is TaskKind.REGRESSION) != (len(names) == 1) and not (kind is TaskKind.MULTI_LABEL and len(names) == 1):
        raise ConfigError(
            f"'{source}' has {len(names)} output(s) ({', '.join(names[:5])}), which is no {kind.value} task.",
            hint="Give the task that it was trained for: --task single-label, multi-label or regression.",
        )
    if len(set(names)) < len(names):
        raise ConfigError(
            f"'{source}' has several labels with the same name: {', '.join(names[:10])}.",
            hint="Give each its own name under id2label in config.json.",
        )
    return Task(kind, (_VALUE,) if kind is TaskKind.REGRESSION and names == ["LABEL_0"] else tuple(names))
