"""The memory of a search: which values were tried, how they scored, which come next. Optuna behind a small face.

The trials are kept in an append-only journal. Nothing else is needed to go on after a kill: the values of a trial
follow from the study's key and the finished trials, and a trial that was cut off is tried again with what it reported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.exceptions import OptunaError
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from edgekd.artifacts import hash_json, write_bytes_atomic
from edgekd.errors import InvalidArtifact

if TYPE_CHECKING:
    from pathlib import Path

    from optuna.trial import FrozenTrial, Trial

    from edgekd.search.space import SearchSpace

StoppedEarly = optuna.TrialPruned  # raised into a training that is not worth its time

RANDOM_TRIALS = 5  # the recipe's values among them; from then on the finished trials say where to look
COMPLETE_BEFORE_STOPPING = 4  # no trial is stopped early before so many ran to their end
AT_THIS_STEP = 3  # nor where fewer than so many came to the step
_DURATION = "duration_s"


@dataclass(frozen=True)
class Attempt:
    """One finished trial."""

    values: dict[str, float]  # of what was searched
    score: float  # best on validation; of a trial that was stopped, up to then
    evaluations: int
    stopped_early: bool
    duration_s: float  # of the process that finished it


@dataclass
class OpenTrial:
    """A trial that is running.

    Args:
        values: of what is searched.
        warm_up: evaluations after which it may be stopped.
        seen: score by step; a trial that is tried again starts with what it reported before it was cut off.
    """

    values: dict[str, float]
    warm_up: int
    trial: Trial
    seen: dict[int, float] = field(default_factory=dict)

    def report(self, step: int, score: float) -> None:
        """Take a score on validation.

        Raises:
            StoppedEarly: when the best score up to here is below the median that finished trials had at this step.
        """
        if step not in self.seen:  # the last evaluation before a kill comes twice
            self.trial.report(score, step)
            self.seen[step] = score
        if len(self.seen) > self.warm_up and self.trial.should_prune():
            raise StoppedEarly


class WeightStudy:
    """The trials of one student.

    Args:
        path: the journal; several studies may share it.
        key: names the study; another key starts another study. It is the seed, too.
        space: what is searched.
        warm_up: evaluations that every trial gets.

    Raises:
        InvalidArtifact: when the journal is damaged.
    """

    def __init__(self, path: Path, key: str, space: SearchSpace, *, warm_up: int = 1) -> None:
        self.key = key
        self.space = space
        self.warm_up = warm_up
        self._ranges: dict[str, BaseDistribution] = {
            name: FloatDistribution(bounds.low, bounds.high, log=bounds.log) for name, bounds in space.ranges.items()
        }
        self._study = _open(path, key)
        self._recover()

    def _recover(self) -> None:
        """Try again what was cut off. The folder is locked, so a trial that is still running here died.

        The copy comes before the mark, so that a kill in between loses nothing.
        """
        trials = self._study.get_trials(deepcopy=False)
        waiting = [trial.params for trial in trials if trial.state is TrialState.WAITING]
        for trial in trials:
            if trial.state is not TrialState.RUNNING:
                continue
            if trial.params.keys() == self._ranges.keys() and trial.params not in waiting:
                self._study.add_trial(
                    optuna.create_trial(
                        state=TrialState.WAITING,
                        params=trial.params,
                        distributions=trial.distributions,
                        intermediate_values=trial.intermediate_values,
                    )
                )
            self._study.tell(trial.number, state=TrialState.FAIL)

    def _finished(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))

    @property
    def attempts(self) -> list[Attempt]:
        """The finished trials, in their order."""
        return [_attempt(trial) for trial in self._finished()]

    @property
    def cut_off(self) -> list[dict[str, float]]:
        """The values that are tried again, because their trial was cut off."""
        return [dict(t.params) for t in self._study.get_trials(states=(TrialState.WAITING,)) if t.params]

    def ask(self) -> OpenTrial:
        """Return the next trial: one that was cut off, else the recipe's values, else what the sampler says."""
        finished = [trial.params for trial in self._finished()]
        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if not waiting and self.space.start not in finished:
            self._study.enqueue_trial(self.space.start)
        # A new sampler each time, seeded by what came before: a search that was stopped goes on as if it had not been.
        self._study.sampler = TPESampler(
            seed=int(hash_json([self.key, len(finished)])[:8], 16),
            n_startup_trials=RANDOM_TRIALS,
            constant_liar=False,  # one trial at a time
        )
        trial = self._study.ask(self._ranges)
        return OpenTrial(dict(trial.params), self.warm_up, trial, self._seen(trial))

    def _seen(self, trial: Trial) -> dict[int, float]:
        known = self._study.get_trials(deepcopy=False)[trial.number]
        return dict(known.intermediate_values)

    def complete(self, opened: OpenTrial, score: float, duration_s: float) -> None:
        """Record a trial that ran to its end."""
        opened.trial.set_user_attr(_DURATION, duration_s)
        self._study.tell(opened.trial, score)

    def stop(self, opened: OpenTrial, duration_s: float) -> None:
        """Record a trial that was stopped early."""
        opened.trial.set_user_attr(_DURATION, duration_s)
        self._study.tell(opened.trial, state=TrialState.PRUNED)


def best_of(attempts: list[Attempt]) -> Attempt | None:
    """Return the best of the trials that ran to their end, of equal ones the first; None when there is none."""
    complete = [attempt for attempt in attempts if not attempt.stopped_early]
    return max(complete, key=lambda attempt: attempt.score, default=None)


def _attempt(trial: FrozenTrial) -> Attempt:
    stopped = trial.state is TrialState.PRUNED
    reported = trial.intermediate_values.values()
    return Attempt(
        values=dict(trial.params),
        score=max(reported) if stopped else float(trial.values[0]),
        evaluations=len(reported),
        stopped_early=stopped,
        duration_s=float(trial.user_attrs[_DURATION]),
    )


def _open(path: Path, key: str) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    _repair(path)
    try:
        return optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(path))),
            study_name=key,
            direction="maximize",
            load_if_exists=True,
            pruner=MedianPruner(n_startup_trials=COMPLETE_BEFORE_STOPPING, n_min_trials=AT_THIS_STEP),
        )
    except (ValueError, LookupError, TypeError, AssertionError, OptunaError) as error:
        raise InvalidArtifact(
            f"The journal of the search, '{path}', is damaged: {error}.", hint="Remove it to begin the search anew."
        ) from error


def _repair(path: Path) -> None:
    """Remove what a dead process left: its lock, which would be waited for, and a half-written last line."""
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    if path.is_file():
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            write_bytes_atomic(path, whole)
