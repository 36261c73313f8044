"""Steps on a trained model as stages: ``compressed/NAME/STEPS`` is a Hugging Face folder with ``compress.json``.

Candidates share what they have in common: ``vocab-prune40`` goes on from ``vocab``.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import hash_json, publish_folder, read_json, write_json_atomic
from edgekd.bundle import TOKENIZER_FILE
from edgekd.provenance import LineageStep
from edgekd.refusals import raise_remembered, remembered
from edgekd.runfolder import COMPRESS_FILE, WEIGHTS_FILE, file_hash, is_done

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgekd.exported import ExportedModel
    from edgekd.graphs import Graphs
    from edgekd.student.lesson import Lesson


class Compressor:
    """Applies steps on models for one target; finished ones are reused.

    Args:
        lesson: the material of a model, opened when a step has to be carried out.
        labels_key: what identifies that material, by the model's name.
        graphs: of the target.
    """

    def __init__(self, lesson: Callable[[str], Lesson], labels_key: Callable[[str], str], graphs: Graphs) -> None:
        self._lesson = lesson
        self._labels_key = labels_key
        self._graphs = graphs
        self._flavour = graphs.flavour
        self._target = graphs.profile.name
        self._folder = graphs.folder
        self._progress = graphs.progress

    def apply(self, model: ExportedModel, steps: Sequence[Any]) -> ExportedModel:
        """Return ``model`` after ``steps``.

        Raises:
            NotApplicable: when a step has nothing to do on it.
        """
        for count, step in enumerate(steps, start=1):
            label = "-".join(done.label for done in steps[:count])
            # The same label may stand for other settings, in this ladder or in that of another target.
            settings = hash_json([done.model_dump(mode="json") for done in steps[:count]])
            model = self._step(model, step, label, settings[:6])
        return model

    def _step(self, model: ExportedModel, step: Any, label: str, settings: str) -> ExportedModel:
        inputs = {
            "weights": model.weights_hash,
            "tokenizer": model.tokenizer_hash,
            "step": step.model_dump(mode="json"),
            "labels": self._labels_key(model.name),
        }
        for_target = step.step == "qat" or getattr(step, "latency_ratio", None) is not None
        if for_target:
            inputs |= {"flavour": self._flavour.model_dump(mode="json", exclude={"reason"}), "target": self._target}
            settings = f"{self._target}-{settings}"
        target = self._folder.compressed(model.name, f"{label}-{settings}")
        if not is_done(target, "compress", inputs):
            self._carry_out(model, step, inputs, target, label)
        raise_remembered(target)
        record = read_json(target / COMPRESS_FILE)
        weights = file_hash(target, WEIGHTS_FILE)
        line = LineageStep(step=step.step, name=label, hash=weights, details=record["details"])
        return replace(
            model,
            folder=target,
            weights_hash=weights,
            tokenizer_hash=file_hash(target, TOKENIZER_FILE),
            metrics=record["metrics"],
            lineage=[*model.lineage, line],
            form=target.name,
        )

    def _carry_out(self, model: ExportedModel, step: Any, inputs: dict[str, Any], target: Path, label: str) -> None:
        import edgekd.student.kinds  # noqa: F401 - registers our models with the Auto classes
        from edgekd.compress.model_steps import Workpiece, Workshop, apply_model_step
        from edgekd.scoring import score_model
        from edgekd.student.base import count_parameters
        from edgekd.teacher.load import load_classifier
        from edgekd.training import writing_to

        lesson = self._lesson(model.name)
        self._progress.say(f"{model.name}: {label}")
        opened = load_classifier(model.folder, lesson.teacher.max_length, self._progress)
        work = self._folder.work(f"compress-{model.name}-{hash_json(inputs)[:12]}")
        shop = Workshop(
            lesson=lesson,
            name=model.name,
            work=work,
            flavour=self._flavour,
            median_latency_s=self._graphs.latency_probe(),
            progress=self._progress,
        )
        with remembered(target, "compress", inputs):
            piece, details = apply_model_step(Workpiece(opened.model, opened.tokenizer), step, shop)
            scored = score_model(piece.model, piece.tokenizer, lesson.data, max_length=lesson.teacher.max_length)
            metrics = {"parameters": count_parameters(piece.model), **scored.as_dict()}
            with writing_to(target), publish_folder(target) as building:
                piece.model.save_pretrained(building)
                piece.tokenizer.save_pretrained(building)
                write_json_atomic(building / COMPRESS_FILE, {"details": details, "metrics": metrics})
        shutil.rmtree(work, ignore_errors=True)
