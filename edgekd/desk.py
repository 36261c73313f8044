"""One data set of a run: its texts, its teachers, and what they say about the texts.

A run has one desk, and one more for each of ``more_tasks``, in a folder with the same layout below ``tasks/``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.artifacts import hash_files, hash_json, read_json, write_json_atomic
from edgekd.bundle import TOKENIZER_FILE
from edgekd.data.lexicon import Lexicon, read_lexicon
from edgekd.data.prepare import prepare
from edgekd.data.splits import normalise
from edgekd.data.store import save_data
from edgekd.data.transfer import transfer_texts
from edgekd.data.types import Examples
from edgekd.labelling import Classifier, Labeller
from edgekd.runfolder import METRICS_FILE, WEIGHTS_FILE, RunFolder, file_hash, is_done, recorded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgekd.config import Recipe, TeacherConfig
    from edgekd.data.types import TextData
    from edgekd.progress import Progress


class Desk:
    """Data, teachers and teacher labels of one task; each is made when it is first asked for."""

    def __init__(self, recipe: Recipe, folder: RunFolder, progress: Progress) -> None:
        self.recipe = recipe
        self.folder = folder
        self.progress = progress
        self._withheld: frozenset[str] = frozenset()

    def withhold(self, others: Iterable[Desk]) -> None:
        """Take out of training and unlabelled texts what the other desks choose or score their models with.

        A student that learns several tasks at once would else be tested on texts that it has seen.
        """
        self._withheld = frozenset(normalise(text) for desk in others for text in _held_out(desk.data))
        data = self.data
        kept = [row for row, text in enumerate(data.train.texts) if normalise(text) not in self._withheld]
        unlabelled = [text for text in data.unlabelled if normalise(text) not in self._withheld]
        gone = len(data.train) - len(kept) + len(data.unlabelled) - len(unlabelled)
        if gone:
            train = Examples([data.train.texts[row] for row in kept], [data.train.targets[row] for row in kept])
            self.data = replace(data, train=train, unlabelled=unlabelled)
            save_data(self.data, self.folder.data)
            self.progress.say(f"  dropped from training and unlabelled texts: {gone:,} (another task tests on them)")

    @cached_property
    def data(self) -> TextData:
        """The texts, read, cleaned and split."""
        self.progress.start("Reading the data", None)
        data = prepare(self.recipe.data, progress=self.progress.say)
        save_data(data, self.folder.data)
        sizes = " / ".join(f"{len(data.split(s)):,}" for s in ("train", "validation", "test"))
        self.progress.finish(f"{data.name}: {sizes} texts, {_labels(data)}")
        for item in data.dropped:
            self.progress.say(f"  dropped from {item.split}: {item.count:,} ({item.reason})")
        return data

    @cached_property
    def data_hash(self) -> str:
        """What a stage depends on when it depends on the data."""
        return hash_json(
            {
                "task": self.data.task.kind.value,
                "labels": self.data.task.labels,
                "evaluate": {name: examples.hash() for name, examples in self.data.evaluate.items()},
                "splits": [self.data.split(name).hash() for name in ("train", "validation", "test")],
            }
        )

    def make_teacher(self, config: TeacherConfig, target: Path) -> Classifier:
        """Fine-tune a teacher, or take the given classifier, and publish it at ``target``."""
        inputs = {
            "config": config.model_dump(mode="json"),
            "data": self.data_hash,
            "model": _source_hash(config.model),
        }
        if is_done(target, "teacher", inputs):
            self.progress.say(f"Teacher {config.model}: unchanged, reused")
        else:
            from edgekd.teacher.finetune import adopt, fine_tune

            with recorded(target, "teacher", inputs):
                if config.fine_tune:
                    work = self.folder.work(f"teacher-{hash_json(inputs)[:12]}")
                    fine_tune(self.data, config, target, work, self.progress)
                else:
                    adopt(self.data, config, target, self.progress)
        return Classifier(
            name=config.model,
            folder=target,
            weights_hash=file_hash(target, WEIGHTS_FILE),
            tokenizer_hash=file_hash(target, TOKENIZER_FILE),
            metrics=read_json(target / METRICS_FILE),
        )

    @cached_property
    def teachers(self) -> list[Classifier]:
        """The teacher, and the further ones that label with it."""
        found = [self.make_teacher(self.recipe.teacher, self.folder.teacher)]
        for number, config in enumerate(self.recipe.more_teachers, start=1):
            found.append(self.make_teacher(config, self.folder.more_teacher(number)))
        return found

    @cached_property
    def transfer_texts(self) -> list[str]:
        """Texts without a true label that the teacher labels."""
        config = self.recipe.transfer
        lexicon = Lexicon()
        if config.words or (config.mix.noise and config.amount):
            lexicon = read_lexicon(self.teachers[0].folder, [*self.data.train.texts, *self.data.unlabelled])
        made = transfer_texts(self.data, config, mask_token=self._mask_token(), lexicon=lexicon)
        counts = ", ".join(f"{count:,} {origin}" for origin, count in made.origins.items() if count)
        self.progress.say(f"Transfer texts: {len(made.texts):,}" + (f" ({counts})" if counts else ""))
        for item in made.dropped:
            self.progress.say(f"  dropped from {item.split}: {item.count:,} ({item.reason})")
        if not self._withheld:
            return made.texts
        return [text for text in made.texts if normalise(text) not in self._withheld]

    def _mask_token(self) -> str | None:
        """Return how the teacher's tokenizer writes a masked word; None when it has no such token."""
        raw = read_json(self.teachers[0].folder / "tokenizer_config.json").get("mask_token")
        token: str | None = raw["content"] if isinstance(raw, dict) else raw
        return token

    @cached_property
    def labeller(self) -> Labeller:
        """The teachers at work."""
        return self.labeller_of(self.teachers)

    def labeller_of(self, classifiers: list[Classifier]) -> Labeller:
        """Return others at the same work, for instance an assistant."""
        return Labeller(classifiers, self.data, self.transfer_texts, self.recipe, self.folder, self.progress)

    @cached_property
    def scored_together(self) -> dict[str, Any] | None:
        """The test scores of several teachers together; None for one."""
        if len(self.teachers) == 1:
            return None
        path = self.folder.more_teacher(0).with_name("together.json")
        if path.is_file() and (stored := read_json(path))["key"] == self.labeller.key:
            return dict(stored["test"])
        scores = self.labeller.score_together()
        write_json_atomic(path, {"key": self.labeller.key, "test": scores})
        return scores


def _held_out(data: TextData) -> list[str]:
    further = (text for examples in data.evaluate.values() for text in examples.texts)
    return [*data.test.texts, *data.validation.texts, *further]


def _labels(data: TextData) -> str:
    names = data.task.labels
    return f"{data.task.kind.value}, {len(names)} labels" if len(names) > 12 else f"labels {', '.join(names)}"


def _source_hash(source: str) -> str:
    """Return what identifies a model source: the contents of a folder, else its name (assets are pinned by hash)."""
    path = Path(source).expanduser()
    if not path.is_dir():
        return source
    return hash_json(hash_files(path))
