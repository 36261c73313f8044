"""Which settings of a student are searched, between which bounds; plain numbers in, a configuration out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.config import StudentConfig
from edgekd.student.loss_rules import USES_TEMPERATURE
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TEMPERATURES = (1.0, 8.0)
LEARNING_RATE_FACTOR = 4.0
DIGITS = 4  # significant ones of what is tried, so that the values in a recipe are exactly those that were scored


@dataclass(frozen=True)
class Range:
    """Bounds of a number, both included; ``log``: equal ratios are equally far apart."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class SearchSpace:
    """What is searched for one student.

    Only the ratio of ``alpha`` and ``beta`` is searched. Their sum stays as the recipe has it: multiplying a whole loss
    by a number does nothing that the learning rate does not do (Adam's steps do not grow with the gradients; Kingma,
    Ba 2015, arXiv 1412.6980, section 2.1), and the balance with feature losses is left to the recipe.

    Args:
        config: the student as the recipe has it.
        ranges: bounds by the name of the setting.
    """

    config: StudentConfig
    ranges: dict[str, Range]

    @classmethod
    def of(cls, config: StudentConfig, tasks: Iterable[TaskKind]) -> SearchSpace:
        """Return the space around a recipe's values.

        ``alpha`` from 0 to alpha + beta; ``learning_rate`` from a quarter to four times the recipe's; ``temperature``
        from 1 to 8, when the loss has one. A recipe's value outside these bounds widens them.

        Args:
            config: the student.
            tasks: what it learns; more than one with ``more_tasks``.
        """
        rate, temperature = config.learning_rate, config.temperature
        ranges = {"alpha": Range(0.0, config.alpha + config.beta)}
        if config.loss in USES_TEMPERATURE and any(task is not TaskKind.REGRESSION for task in tasks):
            low, high = TEMPERATURES
            ranges["temperature"] = Range(min(low, temperature), max(high, temperature), log=True)
        ranges["learning_rate"] = Range(rate / LEARNING_RATE_FACTOR, rate * LEARNING_RATE_FACTOR, log=True)
        return cls(config, ranges)

    @property
    def start(self) -> dict[str, float]:
        """The recipe's own values, which are tried first."""
        return {name: float(getattr(self.config, name)) for name in self.ranges}

    @property
    def fields(self) -> list[str]:
        """The settings that may change, in the order in which they are shown."""
        return [field for name in self.ranges for field in (("alpha", "beta") if name == "alpha" else (name,))]

    def apply(self, values: Mapping[str, float]) -> StudentConfig:
        """Return the student with these values; with the recipe's own ones it is the recipe's student, bit for bit."""
        if dict(values) == self.start:
            return self.config
        update = {name: float(f"{value:.{DIGITS}g}") for name, value in values.items()}
        total = self.config.alpha + self.config.beta
        update["alpha"] = min(update["alpha"], total)
        update["beta"] = max(0.0, round(total - update["alpha"], 12))  # 12: without 0.30000000000000004
        return StudentConfig.model_validate({**self.config.model_dump(), **update})

    def settings(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the settings that may change as a recipe would have them."""
        config = self.apply(values)
        return {field: float(getattr(config, field)) for field in self.fields}
