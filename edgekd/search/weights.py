"""``--find-weights``: for each student trials on validation before its training, which then uses the best values.

Data flow: StudentConfig + desks + labellers -> trials (RUN/search/NAME) -> StudentConfig with the best values.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.artifacts import hash_json
from edgekd.errors import MissingExtra
from edgekd.runfolder import STAGE_VERSIONS
from edgekd.search.found import Found, in_words, number, score_name
from edgekd.search.space import SearchSpace
from edgekd.search.trial import TrialProgress, open_trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgekd.config import StudentConfig
    from edgekd.desk import Desk
    from edgekd.labelling import Labeller
    from edgekd.progress import Progress
    from edgekd.runfolder import RunFolder
    from edgekd.search.study import OpenTrial, WeightStudy
    from edgekd.search.trial import OpenTrainer, TrainOnce

SEARCH_VERSION = 1  # raised when a trial's score would mean something else
DEFAULT_TRIALS = 20
JOURNAL_FILE = "journal.jsonl"

# What a trial's score does not depend on.
_UNRELATED = {"name", "self_training", "control_epochs"}


class WeightSearch:
    """Finds loss weights, temperature and learning rate of students; the pipeline calls it before it trains each.

    Args:
        progress: told where the work stands.
        trials: so many a student, those of earlier runs included.
        seconds: no trial begins once a student's trials took so long together; None: no limit.
        trainer: opens what trains once; only when a trial is missing.
        clock: seconds; an argument so that tests can script it.

    Raises:
        MissingExtra: without Optuna.
    """

    def __init__(
        self,
        progress: Progress,
        *,
        trials: int = DEFAULT_TRIALS,
        seconds: float | None = None,
        trainer: OpenTrainer = open_trainer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        try:
            import edgekd.search.study  # noqa: F401 - told now, not after the teacher was trained
        except ModuleNotFoundError as error:
            raise MissingExtra(error.name or "optuna", "search") from error
        self.progress = progress
        self.trials = trials
        self.seconds = seconds
        self.trainer = trainer
        self.clock = clock
        self.found: dict[str, Found] = {}  # by student

    def __call__(
        self, config: StudentConfig, desks: Sequence[Desk], labellers: Sequence[Labeller], folder: RunFolder
    ) -> StudentConfig:
        """Return the student with the best values found; trials that were made before are not made again."""
        from edgekd.search.study import WeightStudy

        tasks = [desk.data.task.kind for desk in desks]
        space = SearchSpace.of(config, tasks)
        target = folder.root / "search" / config.label
        study = WeightStudy(
            target / JOURNAL_FILE, study_key(config, desks, labellers), space, warm_up=config.feature_epochs + 1
        )
        search = _Search(self, study, space, score_name(tasks), target, folder.work(f"search-{config.label}"))
        found = search.run(desks, labellers)
        self.found[config.label] = found
        self.progress.say(found.words)
        return found.config


def study_key(config: StudentConfig, desks: Sequence[Desk], labellers: Sequence[Labeller]) -> str:
    """Return what names a study: everything that the scores of its trials, and where they begin, depend on."""
    return hash_json(
        {
            "version": [SEARCH_VERSION, STAGE_VERSIONS["student"]],
            "config": config.model_dump(mode="json", exclude=_UNRELATED),
            "data": [desk.data_hash for desk in desks],
            "labels": [labeller.key for labeller in labellers],
            "start": desks[0].labeller.teacher_key,
            "max_length": desks[0].recipe.teacher.max_length,
        }
    )


class _Search:
    """The search for one student."""

    def __init__(
        self, owner: WeightSearch, study: WeightStudy, space: SearchSpace, score: str, folder: Path, work: Path
    ) -> None:
        self.owner = owner
        self.study = study
        self.space = space
        self.score = score
        self.folder = folder
        self.work = work

    def run(self, desks: Sequence[Desk], labellers: Sequence[Labeller]) -> Found:
        """Make the trials that are missing; return the best."""
        progress, name = self.owner.progress, self.space.config.label
        self._forget_checkpoints(keep=[self._checkpoints(values).name for values in self.study.cut_off])
        train: TrainOnce | None = None
        done = self.study.attempts
        if done:
            progress.say(f"Search for {name}: {len(done)} trials were made before")
        while self._is_wanted(len(done), sum(attempt.duration_s for attempt in done)):
            train = train or self.owner.trainer(self.space.config, desks, labellers)
            self._try(train, len(done) + 1)
            done = self.study.attempts
            self._found().save()
        self._forget_checkpoints(keep=[])
        found = self._found()
        found.save()
        return found

    def _is_wanted(self, done: int, spent_s: float) -> bool:
        if done >= max(1, self.owner.trials):
            return False
        if done and self.owner.seconds is not None and spent_s >= self.owner.seconds:
            self.owner.progress.say(f"  {done} trials took {units.short_duration(spent_s)}, so no further one begins")
            return False
        return True

    def _try(self, train: TrainOnce, trial: int) -> None:
        from edgekd.search.study import StoppedEarly, best_of

        opened = self.study.ask()
        work = self._checkpoints(opened.values)
        shown = TrialProgress(
            self.owner.progress, f"Search for {self.space.config.label}, trial {trial} of {self.owner.trials}"
        )
        started = self.owner.clock()
        try:
            score = train(
                self.space.apply(opened.values),
                work=work,
                progress=shown,
                on_score=opened.report,
            )
            self.study.complete(opened, score, self.owner.clock() - started)
        except StoppedEarly:
            self.study.stop(opened, self.owner.clock() - started)
        shutil.rmtree(work, ignore_errors=True)
        attempts = self.study.attempts
        best = best_of(attempts)
        assert best is not None  # the recipe's values come first, and the first trials are never stopped
        this = self._line(opened, attempts[-1].score, attempts[-1].stopped_early)
        shown.end(f"{this}; best so far {number(self.score, best.score)}")

    def _line(self, opened: OpenTrial, score: float, stopped_early: bool) -> str:
        end = f", stopped after {len(opened.seen)} epochs" if stopped_early else ""
        return f"{self.score} {number(self.score, score)}{end}; {in_words(self.space.settings(opened.values))}"

    def _found(self) -> Found:
        from edgekd.search.study import best_of

        attempts = self.study.attempts
        best = best_of(attempts)
        start = next(attempt for attempt in attempts if attempt.values == self.space.start)
        assert best is not None
        return Found(self.space, self.score, attempts, start, best, self.folder)

    def _checkpoints(self, values: dict[str, float]) -> Path:
        return self.work / hash_json([self.study.key, values])[:12]

    def _forget_checkpoints(self, keep: list[str]) -> None:
        """Remove the checkpoints of trials that will not be tried again."""
        for folder in self.work.glob("*"):
            if folder.name not in keep:
                shutil.rmtree(folder)
        if not keep:
            shutil.rmtree(self.work, ignore_errors=True)
