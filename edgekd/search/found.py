"""What a search found: in words, as a snippet for the recipe, and as a table of its trials."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from edgekd import units
from edgekd.analysis.scores import DIVERGED
from edgekd.artifacts import write_text_atomic
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.config import StudentConfig
    from edgekd.search.space import SearchSpace
    from edgekd.search.study import Attempt

BEST_FILE, TRIALS_FILE = "best.yaml", "trials.csv"
CAUTION = "The values were chosen by their score on validation, which is therefore too good; judge by the test score."

# What chooses the best epoch of a training also chooses the best trial.
_SCORES = {
    TaskKind.SINGLE_LABEL: "accuracy",
    TaskKind.MULTI_LABEL: "mean average precision",
    TaskKind.REGRESSION: "Pearson's correlation",
}
MEAN = "mean score of the tasks"
PLAIN = {_SCORES[TaskKind.REGRESSION], MEAN}  # the others are shares


def score_name(tasks: Sequence[TaskKind]) -> str:
    """Return what the trials are compared by."""
    return _SCORES[tasks[0]] if len(tasks) == 1 else MEAN


def in_words(settings: dict[str, float]) -> str:
    """Return settings as ``alpha 0.1, beta 0.9``."""
    return ", ".join(f"{name} {value:g}" for name, value in settings.items())


def number(name: str, score: float) -> str:
    """Write a score by the name of what it is, or why there is none."""
    if score == DIVERGED:
        return "none (outputs constant or not finite)"
    return units.correlation(score) if name in PLAIN else units.percent(score)


def _gain(name: str, difference: float) -> str:
    return units.correlation_change(difference) if name in PLAIN else units.points(difference)


@dataclass(frozen=True)
class Found:
    """The outcome of one student's search.

    Args:
        start: the trial with the recipe's own values.
        best: the best trial; the one with the recipe's values when none was better.
    """

    space: SearchSpace
    score_name: str
    attempts: list[Attempt]
    start: Attempt
    best: Attempt
    folder: Path

    @property
    def config(self) -> StudentConfig:
        """The student with the best values."""
        return self.space.apply(self.best.values)

    @property
    def settings(self) -> dict[str, float]:
        """The best values as a recipe would have them."""
        return self.space.settings(self.best.values)

    @property
    def words(self) -> str:
        """One line: the values, the gain on validation, a caution."""
        stopped = sum(attempt.stopped_early for attempt in self.attempts)
        trials = f"{len(self.attempts)} trial{'s' if len(self.attempts) != 1 else ''} ({stopped} stopped early)"
        name = self.space.config.label
        if self.best == self.start:
            return (
                f"{name}: none of {trials} was better on validation than the recipe's own values "
                f"({in_words(self.settings)}; {self.score_name} {self._number(self.start)}), which are kept."
            )
        gain = (
            "" if self.start.score == DIVERGED else f" ({_gain(self.score_name, self.best.score - self.start.score)})"
        )
        return (
            f"{name}: best of {trials}: {in_words(self.settings)}; {self.score_name} on validation "
            f"{self._number(self.best)}, with the recipe's values {self._number(self.start)}{gain}. {CAUTION}"
        )

    def _number(self, attempt: Attempt) -> str:
        return number(self.score_name, attempt.score)

    def save(self) -> None:
        """Write the snippet and the table."""
        comment = "".join(f"# {line}\n" for line in (self.words, "Put these keys into the student in the recipe."))
        write_text_atomic(self.folder / BEST_FILE, comment + yaml.safe_dump(self.settings, sort_keys=False))
        write_text_atomic(self.folder / TRIALS_FILE, _table(self.space, self.attempts))


def _table(space: SearchSpace, attempts: list[Attempt]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["trial", "outcome", "score", *space.fields, "evaluations", "duration_s"])
    for number, attempt in enumerate(attempts, start=1):
        outcome = "stopped early" if attempt.stopped_early else "complete"
        settings = space.settings(attempt.values).values()
        writer.writerow([number, outcome, attempt.score, *settings, attempt.evaluations, f"{attempt.duration_s:.3f}"])
    return stream.getvalue()
