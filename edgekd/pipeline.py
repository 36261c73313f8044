"""The order of the stages of ``edgekd distill``: data -> teacher -> labels -> students -> graphs -> bundles.

Each stage's output is a folder in the run folder. A stage whose inputs did not change is not run again, and torch is
not even imported when nothing has to be trained.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import folder_lock, hash_files, hash_json, read_json, write_text_atomic
from edgekd.bundle import TOKENIZER_FILE
from edgekd.data.prepare import prepare
from edgekd.data.store import save_data
from edgekd.data.transfer import transfer_texts
from edgekd.decisions import Decision, save_decisions
from edgekd.publish import ExportedModel, publish_bundles
from edgekd.recipe import dump_recipe
from edgekd.runfolder import (
    METRICS_FILE,
    TRAIN_FILE,
    WEIGHTS_FILE,
    RunFolder,
    file_hash,
    is_done,
    label_key,
    recorded,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bundle import Bundle
    from edgekd.config import Recipe, StudentConfig
    from edgekd.data.types import TextData
    from edgekd.devices import DeviceProfile
    from edgekd.progress import Progress
    from edgekd.teacher.load import Teacher


@dataclass(frozen=True)
class DistillOutcome:
    """What ``distill`` built."""

    folder: RunFolder
    data: TextData
    bundles: dict[str, list[Bundle]]  # by target
    decisions: list[Decision]
    students: dict[str, dict[str, Any]] = field(default_factory=dict)  # train record of each student


def distill(recipe: Recipe, out: Path, profiles: Sequence[DeviceProfile], progress: Progress) -> DistillOutcome:
    """Build verified bundles of every student for every target.

    Raises:
        EdgekdError: for wrong input, a failed parity, or when another process works in ``out``.
    """
    with folder_lock(out):
        return _Run(recipe, RunFolder(out), profiles, progress).distill()


def teach(recipe: Recipe, out: Path, progress: Progress) -> dict[str, Any]:
    """Fine-tune a teacher on the recipe's data, publish it at ``out`` and return its metrics.

    Checkpoints are kept in a hidden sibling folder until it is finished, so a killed run goes on.
    """
    folder = RunFolder(out.with_name(f".{out.name}.work"))
    with folder_lock(folder.root):
        run = _Run(recipe, folder, [], progress)
        run.prepare_data()
        run.make_teacher(out)
        shutil.rmtree(folder.root)
    return dict(read_json(out / METRICS_FILE))


class _Run:
    """One run: remembers what later stages need from earlier ones."""

    def __init__(
        self, recipe: Recipe, folder: RunFolder, profiles: Sequence[DeviceProfile], progress: Progress
    ) -> None:
        self.recipe = recipe
        self.folder = folder
        self.profiles = profiles
        self.progress = progress

    def distill(self) -> DistillOutcome:
        self._check_students()
        write_text_atomic(self.folder.recipe, dump_recipe(self.recipe))
        self.prepare_data()
        self.make_teacher(self.folder.teacher)
        trained = {config.label: self._make_student(config) for config in self.recipe.students}
        models = [self._exported_teacher()]
        models += [self._exported_student(config, trained[config.label]) for config in self.recipe.students]
        bundles: dict[str, list[Bundle]] = {}
        decisions: list[Decision] = []
        for profile in self.profiles:
            bundles[profile.name], dropped = publish_bundles(
                models, profile, self.recipe, self.data, self.folder, self.progress
            )
            decisions += dropped
            self.folder.results(profile.name).mkdir(parents=True, exist_ok=True)
            save_decisions(dropped, self.folder.results(profile.name))
        students = {name: record["distilled"] for name, record in trained.items()}
        return DistillOutcome(self.folder, self.data, bundles, decisions, students)

    def _check_students(self) -> None:
        """Fail on an unknown kind now, not after the teacher was trained."""
        from edgekd.student.names import check_kind

        for config in self.recipe.students:
            check_kind(config.kind)

    # Data

    def prepare_data(self) -> None:
        """Read, clean and split the data."""
        self.progress.start("Reading the data", None)
        self.data = prepare(self.recipe.data, progress=self.progress.say)
        self.data_hash = hash_json(
            {
                "labels": self.data.task.labels,
                "splits": [self.data.split(name).hash() for name in ("train", "validation", "test")],
            }
        )
        save_data(self.data, self.folder.data)
        sizes = " / ".join(f"{len(self.data.split(s)):,}" for s in ("train", "validation", "test"))
        self.progress.finish(f"{self.data.name}: {sizes} texts, labels {', '.join(self.data.task.labels)}")
        for item in self.data.dropped:
            self.progress.say(f"  dropped from {item.split}: {item.count:,} ({item.reason})")

    # Teacher

    def make_teacher(self, target: Path) -> None:
        """Fine-tune the teacher, or take the given classifier, and publish it at ``target``."""
        config = self.recipe.teacher
        inputs = {
            "config": config.model_dump(mode="json"),
            "data": self.data_hash,
            "model": _source_hash(config.model),
        }
        if is_done(target, "teacher", inputs):
            self.progress.say("Teacher: unchanged, reused")
        else:
            from edgekd.teacher.finetune import adopt, fine_tune

            with recorded(target, "teacher", inputs):
                if config.fine_tune:
                    work = self.folder.work(f"teacher-{hash_json(inputs)[:12]}")
                    fine_tune(self.data, config, target, work, self.progress)
                else:
                    adopt(self.data, config, target, self.progress)
        self.weights_hash = file_hash(target, WEIGHTS_FILE)
        self.tokenizer_hash = file_hash(target, TOKENIZER_FILE)

    @cached_property
    def teacher(self) -> Teacher:
        """The finished teacher, opened when a stage needs it."""
        from edgekd.teacher.load import load_classifier

        return load_classifier(self.folder.teacher, self.recipe.teacher.max_length, self.progress)

    # Labels

    @cached_property
    def transfer_texts(self) -> list[str]:
        """Texts without a true label that the teacher labels."""
        return transfer_texts(self.data, self.recipe.transfer)

    @cached_property
    def label_key(self) -> str:
        """The key of the teacher labels."""
        texts = [*self.data.train.texts, *self.transfer_texts]
        return label_key(self.weights_hash, self.tokenizer_hash, texts, self.recipe.teacher.max_length)

    @cached_property
    def transfer_set(self) -> Any:
        """The teacher's logits for training and transfer texts."""
        from edgekd.student.distill import TransferSet
        from edgekd.teacher.label import label_texts

        texts = [*self.data.train.texts, *self.transfer_texts]
        logits = label_texts(
            self.teacher,
            texts,
            key=self.label_key,
            config=self.recipe.labels,
            folder=self.folder.labels(self.label_key),
            progress=self.progress,
        )
        known = len(self.data.train)
        return TransferSet(logits[:known], self.transfer_texts, logits[known:])

    # Students

    def _make_student(self, config: StudentConfig) -> dict[str, Any]:
        """Distil a student and train its control; return both records."""
        name = config.label
        inputs = {
            "config": config.model_dump(mode="json"),
            "labels": self.label_key,
            "data": self.data_hash,
        }
        target = self.folder.student(name)
        if is_done(target, "student", inputs):
            self.progress.say(f"Student {name}: unchanged, reused")
        else:
            from edgekd.student.distill import distil

            with recorded(target, "student", inputs):
                distil(
                    config, self.teacher, self.data, self.transfer_set,
                    target=target, work=self.folder.work(f"{name}-{hash_json(inputs)[:12]}"), progress=self.progress,
                )  # fmt: skip
        record = {"distilled": read_json(target / TRAIN_FILE), "control": None}
        if self.recipe.control:
            record["control"] = self._make_control(config, record["distilled"]["training"]["steps"])
        return record

    def _make_control(self, config: StudentConfig, distilled_steps: int) -> dict[str, Any]:
        name = config.label
        inputs = {
            "config": config.model_dump(mode="json", exclude={"loss", "alpha", "beta", "temperature"}),
            "steps": distilled_steps,
            "data": self.data_hash,
            "teacher": self.weights_hash,
        }
        target = self.folder.control(name)
        if is_done(target, "control", inputs):
            self.progress.say(f"Control for {name}: unchanged, reused")
        else:
            from edgekd.student.distill import train_control

            with recorded(target, "control", inputs):
                train_control(
                    config, self.teacher, self.data, distilled_steps=distilled_steps, target=target,
                    work=self.folder.work(f"{name}-control-{hash_json(inputs)[:12]}"), progress=self.progress,
                )  # fmt: skip
        record: dict[str, Any] = read_json(target / TRAIN_FILE)
        return record

    # What is exported

    def _exported_teacher(self) -> ExportedModel:
        metrics = read_json(self.folder.teacher / METRICS_FILE)
        return ExportedModel(
            name="teacher",
            kind="teacher",
            role="teacher",
            folder=self.folder.teacher,
            weights_hash=self.weights_hash,
            metrics=metrics,
            lineage=[],
            control=None,
        )

    def _exported_student(self, config: StudentConfig, record: dict[str, Any]) -> ExportedModel:
        folder = self.folder.student(config.label)
        return ExportedModel(
            name=config.label,
            kind=config.kind,
            role="student",
            folder=folder,
            weights_hash=file_hash(folder, WEIGHTS_FILE),
            metrics=record["distilled"],
            lineage=[
                ("teacher", self.recipe.teacher.model, self.weights_hash, {}),
                (
                    "labels",
                    "teacher labels",
                    self.label_key,
                    {"texts": len(self.data.train) + len(self.transfer_texts)},
                ),
            ],
            control=record["control"],
        )


def _source_hash(source: str) -> str:
    """Return what identifies a model source: the contents of a folder, else its name (assets are pinned by hash)."""
    path = Path(source).expanduser()
    if not path.is_dir():
        return source
    return hash_json(hash_files(path))
