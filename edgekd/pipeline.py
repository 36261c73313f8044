"""The order of the stages of ``edgekd distill``: data -> teacher -> labels -> students -> graphs -> bundles.

Each stage's output is a folder in the run folder. A stage whose inputs did not change is not run again, and torch is
not even imported when nothing has to be trained.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from edgekd.arms import Arms, TrainedStudent, make_lessons
from edgekd.artifacts import folder_lock, read_json, write_text_atomic
from edgekd.bundle import TOKENIZER_FILE
from edgekd.compression import Compressor
from edgekd.config import StudentConfig
from edgekd.decisions import Decision, save_decisions
from edgekd.desk import Desk
from edgekd.exported import ExportedModel
from edgekd.feasible import check_students
from edgekd.graphs import Graphs
from edgekd.labelling import Classifier, Labeller
from edgekd.ladder import Ladder, ladder_of
from edgekd.provenance import LineageStep
from edgekd.recipe import dump_recipe
from edgekd.runfolder import METRICS_FILE, WEIGHTS_FILE, RunFolder, file_hash

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.bundle import Bundle
    from edgekd.config import Recipe
    from edgekd.data.types import TextData
    from edgekd.devices import DeviceProfile
    from edgekd.progress import Progress
    from edgekd.student.lesson import Lesson

TEACHER = "teacher"
# How the teacher learns from its own labels again when parts of it are gone.
AS_STUDENT = StudentConfig(kind="transformer", learning_rate=1e-4, batch_size=32, max_transfer=20_000)


@dataclass(frozen=True)
class DistillOutcome:
    """What ``distill`` built."""

    folder: RunFolder
    data: TextData
    bundles: dict[str, list[Bundle]]  # by target
    decisions: list[Decision]
    teacher: dict[str, Any] = field(default_factory=dict)  # the teacher's scores
    students: dict[str, TrainedStudent] = field(default_factory=dict)
    together: dict[str, Any] | None = None  # test scores of several teachers together
    tasks: dict[str, DistillOutcome] = field(default_factory=dict)  # of `more_tasks`, by name


class Tuner(Protocol):
    """Chooses settings of a student on validation before it is trained."""

    def __call__(
        self, config: StudentConfig, desks: Sequence[Desk], labellers: Sequence[Labeller], folder: RunFolder
    ) -> StudentConfig:
        """Return the student with the settings to train it with."""


def distill(
    recipe: Recipe,
    out: Path,
    profiles: Sequence[DeviceProfile],
    progress: Progress,
    *,
    tune: Tuner | None = None,
) -> DistillOutcome:
    """Build verified bundles of every student for every target.

    Args:
        recipe: the data, the teacher, the students.
        out: the run folder.
        profiles: the targets.
        progress: told where the work stands.
        tune: asked for each student's settings; the resolved recipe in the run folder and the bundles has its answer.

    Raises:
        EdgekdError: for wrong input, a failed parity, or when another process works in ``out``.
    """
    with folder_lock(out):
        return _Run(recipe, RunFolder(out), profiles, progress, tune).distill()


def teach(recipe: Recipe, out: Path, progress: Progress) -> dict[str, Any]:
    """Fine-tune a teacher on the recipe's data, publish it at ``out`` and return its metrics.

    Checkpoints are kept in a hidden sibling folder until it is finished, so a killed run goes on.
    """
    folder = RunFolder(out.with_name(f".{out.name}.work"))
    with folder_lock(folder.root):
        Desk(recipe, folder, progress).make_teacher(recipe.teacher, out)
        shutil.rmtree(folder.root)
    return dict(read_json(out / METRICS_FILE))


class _Run:
    """One run: its desks, its students, what is published for each task."""

    def __init__(
        self,
        recipe: Recipe,
        folder: RunFolder,
        profiles: Sequence[DeviceProfile],
        progress: Progress,
        tune: Tuner | None = None,
    ) -> None:
        self.recipe = recipe
        self.folder = folder
        self.profiles = profiles
        self.progress = progress
        self.tune = tune
        self.desks = [Desk(recipe, folder, progress)]
        for further in recipe.more_tasks:
            own = recipe.model_copy(
                update={"data": further.data, "teacher": further.teacher, "more_teachers": [], "more_tasks": []}
            )
            self.desks.append(Desk(own, folder.task(further.name), progress))

    def distill(self) -> DistillOutcome:
        check_students(self.recipe)
        for profile in self.profiles:
            ladder_of(profile, self.recipe.compress)  # a wrong one is told before anything is trained
        write_text_atomic(self.folder.recipe, dump_recipe(self.recipe))
        for desk in self.desks:
            _ = desk.data  # a wrong file is told before anything is trained
        for desk in self.desks:
            desk.withhold(other for other in self.desks if other is not desk)
        arms = Arms(self.recipe, self.progress)
        trained: dict[str, list[TrainedStudent]] = {}
        self.labellers: dict[str | None, Labeller] = {None: self.desks[0].labeller}
        for config in self.recipe.students:
            if config.teacher not in self.labellers:
                assistant = as_classifier(trained[str(config.teacher)][0])
                self.labellers[config.teacher] = self.desks[0].labeller_of([assistant])
            labellers = [self.labellers[config.teacher], *(desk.labeller for desk in self.desks[1:])]
            trained[config.label] = arms.make(self._tuned(config, labellers), self.desks, labellers)
        outcomes = [
            self._publish(desk, {name: students[number] for name, students in trained.items()})
            for number, desk in enumerate(self.desks)
        ]
        tasks = {further.name: outcome for further, outcome in zip(self.recipe.more_tasks, outcomes[1:], strict=True)}
        return replace(outcomes[0], tasks=tasks)

    def _tuned(self, config: StudentConfig, labellers: Sequence[Labeller]) -> StudentConfig:
        """Return the settings to train a student with, and put them into the resolved recipes."""
        if self.tune is None:
            return config
        tuned = self.tune(config, self.desks, labellers, self.folder)
        students = [tuned if known.label == config.label else known for known in self.recipe.students]
        self.recipe = self.recipe.model_copy(update={"students": students})
        for desk in self.desks:
            desk.recipe = desk.recipe.model_copy(update={"students": students})
        write_text_atomic(self.folder.recipe, dump_recipe(self.recipe))
        return tuned

    def _publish(self, desk: Desk, trained: dict[str, TrainedStudent]) -> DistillOutcome:
        """Climb the ladder of every target with every model of one task, and publish what earned its place."""
        models = [
            self._exported_teacher(desk),
            *(self._exported_student(desk, student) for student in trained.values()),
        ]
        bundles: dict[str, list[Bundle]] = {}
        decisions: list[Decision] = []
        for profile in self.profiles:
            graphs = Graphs(profile, desk.recipe, desk.data, desk.folder, self.progress)
            ladder = Ladder(graphs, self._compressor(desk, trained, graphs))
            climbed = [ladder.climb(model) for model in models]
            bundles[profile.name] = [bundle for one in climbed for bundle in one.bundles]
            of_target = [decision for one in climbed for decision in one.decisions]
            of_target += ladder.choose(climbed)
            _remove_others(desk.folder.bundles(profile.name), bundles[profile.name])
            desk.folder.results(profile.name).mkdir(parents=True, exist_ok=True)
            save_decisions(of_target, desk.folder.results(profile.name))
            decisions += of_target
        return DistillOutcome(
            desk.folder, desk.data, bundles, decisions, desk.teachers[0].metrics, trained, desk.scored_together
        )

    def _compressor(self, desk: Desk, trained: dict[str, TrainedStudent], graphs: Graphs) -> Compressor:
        def labeller(name: str) -> Labeller:
            assistant = trained[name].config.teacher if name in trained and desk is self.desks[0] else None
            return self.labellers[assistant] if assistant is not None else desk.labeller

        def lesson(name: str) -> Lesson:
            config = trained[name].config if name in trained else AS_STUDENT.model_copy(update={"name": name})
            return make_lessons(config, [desk], [labeller(name)])[0]

        return Compressor(cache(lesson), lambda name: labeller(name).key, graphs)

    def _exported_teacher(self, desk: Desk) -> ExportedModel:
        teacher = desk.teachers[0]
        return ExportedModel(
            name=TEACHER,
            kind=TEACHER,
            role=TEACHER,
            folder=teacher.folder,
            weights_hash=teacher.weights_hash,
            tokenizer_hash=teacher.tokenizer_hash,
            metrics=teacher.metrics,
            lineage=[LineageStep(step=TEACHER, name=TEACHER, hash=teacher.weights_hash)],
            proof=None,
        )

    def _exported_student(self, desk: Desk, student: TrainedStudent) -> ExportedModel:
        config = student.config
        labeller = self.labellers[config.teacher] if desk is self.desks[0] else desk.labeller
        lineage = [LineageStep(step=TEACHER, name=one.name, hash=one.weights_hash) for one in desk.teachers]
        if config.teacher is not None:
            lineage.append(LineageStep(step="assistant", name=config.teacher, hash=labeller.teacher_key))
        texts = len(desk.data.train) + len(desk.transfer_texts)
        lineage.append(LineageStep(step="labels", name="teacher labels", hash=labeller.key, details={"texts": texts}))
        weights_hash = file_hash(student.folder, WEIGHTS_FILE)
        lineage.append(LineageStep(step="student", name=config.label, hash=weights_hash))
        return ExportedModel(
            name=config.label,
            kind=config.kind,
            role="student",
            folder=student.folder,
            weights_hash=weights_hash,
            tokenizer_hash=file_hash(student.folder, TOKENIZER_FILE),
            metrics=student.record,
            lineage=lineage,
            proof=student.proof,
        )


def _remove_others(folder: Path, bundles: Sequence[Bundle]) -> None:
    """Remove the bundles of a target that an earlier run of another recipe left."""
    wanted = {bundle.folder.name for bundle in bundles}
    for old in folder.iterdir():
        if old.is_dir() and old.name not in wanted:
            shutil.rmtree(old)


def as_classifier(student: TrainedStudent) -> Classifier:
    """Return a student as the teacher of another one."""
    return Classifier(
        name=student.config.label,
        folder=student.folder,
        weights_hash=file_hash(student.folder, WEIGHTS_FILE),
        tokenizer_hash=file_hash(student.folder, TOKENIZER_FILE),
        metrics=student.record,
    )
