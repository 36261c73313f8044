"""All trainings of one student: every seed, distilled and as controls; what they prove; which one is published.

Data flow: StudentConfig + Labeller -> ``students/NAME/ARM/seed-N`` -> proof.json -> the seed best on validation.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from edgekd.analysis.gain import prove
from edgekd.analysis.scores import choose
from edgekd.artifacts import hash_json, read_json, write_json_atomic
from edgekd.labelling import read_calibration
from edgekd.proof import Arm, Proof
from edgekd.runfolder import PREDICTIONS_FILE, TRAIN_FILE, is_done, recorded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.config import Recipe, StudentConfig
    from edgekd.data.types import Target
    from edgekd.desk import Desk
    from edgekd.labelling import Labeller
    from edgekd.progress import Progress
    from edgekd.student.lesson import Lesson

# What a control does not have: everything that is about the teacher's labels.
_TEACHING = {
    *("teacher", "loss", "alpha", "beta", "temperature", "dkd_target", "dkd_others", "alpha_curve", "alpha_end"),
    *("temperature_curve", "temperature_end", "sample_weights", "feature_losses", "feature_epochs", "self_training"),
}


@dataclass(frozen=True)
class TrainedStudent:
    """A student with the evidence for it."""

    config: StudentConfig
    folder: Path  # of the seed that is best on validation
    record: dict[str, Any]  # that seed's train.json
    proof: Proof


class Arms:
    """Trains the arms of students; what is already there is reused."""

    def __init__(self, recipe: Recipe, progress: Progress) -> None:
        self.recipe = recipe
        self.progress = progress

    def make(self, config: StudentConfig, desks: Sequence[Desk], labellers: Sequence[Labeller]) -> list[TrainedStudent]:
        """Train every seed of every arm; return the student of each desk.

        Args:
            config: the student.
            desks: one, or several for a student with a head for each task.
            labellers: who labels the texts of each desk.
        """
        seeds = [config.seed + number for number in range(config.seeds or self.recipe.seeds)]
        full = config.model_dump(mode="json", exclude={"seed", "seeds"})
        shape = config.model_dump(mode="json", exclude={"seed", "seeds", *_TEACHING})
        start = {"data": [desk.data_hash for desk in desks], "max_length": self.recipe.teacher.max_length}
        labels = [labeller.key for labeller in labellers]
        lessons = _Lessons(config, desks, labellers)
        distilled = {
            seed: self._arm(Arm.DISTILLED, lessons, seed, {"config": full, "labels": labels, **start}) for seed in seeds
        }
        controls: dict[Arm, list[int]] = {Arm.CONTROL: [], Arm.TRANSFER_CONTROL: []}
        for seed in seeds:
            if self.recipe.control:
                steps = distilled[seed]["training"]["steps"]
                # An own vocabulary is made of all texts, so the control depends on them too.
                begin = labels if config.vocabulary else desks[0].labeller.teacher_key
                self._arm(Arm.CONTROL, lessons, seed, {"config": shape, "steps": steps, "start": begin, **start}, steps)
                controls[Arm.CONTROL].append(seed)
            if self.recipe.transfer_control:
                self._arm(Arm.TRANSFER_CONTROL, lessons, seed, {"config": shape, "labels": labels, **start})
                controls[Arm.TRANSFER_CONTROL].append(seed)
        return [self._conclude(config, desk, seeds, controls) for desk in desks]

    def _conclude(
        self, config: StudentConfig, desk: Desk, seeds: list[int], controls: dict[Arm, list[int]]
    ) -> TrainedStudent:
        """Return the student of one desk: the seed that is best on validation, and the proof."""
        records = {seed: read_json(desk.folder.arm(config.label, Arm.DISTILLED, seed) / TRAIN_FILE) for seed in seeds}
        metric = desk.data.task.main_metric
        best = max(seeds, key=lambda seed: (records[seed]["validation"][metric], -seed))
        proof = _prove(config, desk, seeds, controls)
        write_json_atomic(desk.folder.proof(config.label), proof.model_dump(mode="json"))
        self.progress.say(f"  {config.label}: {proof.words}")
        return TrainedStudent(config, desk.folder.arm(config.label, Arm.DISTILLED, best), records[best], proof)

    def _arm(
        self, arm: Arm, lessons: _Lessons, seed: int, inputs: dict[str, Any], steps: int | None = None
    ) -> dict[str, Any]:
        """Train one arm with one seed, or reuse it; return its record for the first desk."""
        name = lessons.config.label
        targets = [desk.folder.arm(name, arm, seed) for desk in lessons.desks]
        stage = "student" if arm is Arm.DISTILLED else "control"
        inputs = {**inputs, "arm": arm.value, "seed": seed}
        if all(is_done(target, stage, inputs) for target in targets):
            self.progress.say(f"{name}, {arm.value}, seed {seed}: unchanged, reused")
        else:
            from edgekd.student.distill import train_arm

            work = lessons.desks[0].folder.work(f"{name}-{arm.value}-{seed}-{hash_json(inputs)[:12]}")
            with ExitStack() as stack:
                for target in targets:
                    stack.enter_context(recorded(target, stage, inputs))
                train_arm(arm, lessons.made, seed=seed, steps=steps, targets=targets, work=work, progress=self.progress)
        record: dict[str, Any] = read_json(targets[0] / TRAIN_FILE)
        return record


@dataclass(frozen=True)
class _Lessons:
    """A student's material, made when something must be trained, because that opens the teacher."""

    config: StudentConfig
    desks: Sequence[Desk]
    labellers: Sequence[Labeller]

    @cached_property
    def made(self) -> list[Lesson]:
        return make_lessons(self.config, self.desks, self.labellers)


def make_lessons(config: StudentConfig, desks: Sequence[Desk], labellers: Sequence[Labeller]) -> list[Lesson]:
    """Return a student's material; opens the teacher and labels what is not labelled yet.

    The first desk's teacher gives the tokenizer and the student's start, also for the texts of the others.
    """
    from edgekd.student.lesson import Lesson

    teacher = desks[0].labeller.teacher
    return [
        Lesson(config, teacher, labeller.teacher, labeller.calibration, desk.data, labeller.transfer_set)
        for desk, labeller in zip(desks, labellers, strict=True)
    ]


def _prove(config: StudentConfig, desk: Desk, seeds: list[int], controls: dict[Arm, list[int]]) -> Proof:
    def choices(arm: Arm, chosen: list[int]) -> list[list[Target]]:
        return [_choices(config, desk, arm, seed) for seed in chosen]

    return prove(
        desk.data.task,
        desk.data.test.targets,
        choices(Arm.DISTILLED, seeds),
        choices(Arm.CONTROL, controls[Arm.CONTROL]),
        choices(Arm.TRANSFER_CONTROL, controls[Arm.TRANSFER_CONTROL]),
        seeds=seeds,
    )


def _choices(config: StudentConfig, desk: Desk, arm: Arm, seed: int) -> list[Target]:
    """Return what a trained arm predicts for the test texts."""
    from safetensors.numpy import load_file

    folder = desk.folder.arm(config.label, arm, seed)
    logits = load_file(folder / PREDICTIONS_FILE)["test"]
    return choose(desk.data.task, logits, read_calibration(read_json(folder / TRAIN_FILE)))
