"""Which rules a task has: the metrics of its quality, and the usual limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.gate.grammar import Origin, rule_error
from edgekd.tasks import MAIN_METRIC, TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.gate.grammar import Rule

QUALITY_METRICS = {
    TaskKind.SINGLE_LABEL: ("accuracy", "macro_f1", "agreement"),
    TaskKind.MULTI_LABEL: ("macro_f1", "micro_f1", "subset_accuracy", "agreement"),
    TaskKind.REGRESSION: ("pearson", "mae", "rmse"),
}
_OF_ANY_QUALITY = {name for names in QUALITY_METRICS.values() for name in names}
# The smallest loss of the main score that is worth stopping for, where nobody says another.
_DEFAULT_LOSS = {TaskKind.SINGLE_LABEL: "-1pt", TaskKind.MULTI_LABEL: "-1pt", TaskKind.REGRESSION: "-0.01"}


def default_rules(task: TaskKind) -> tuple[str, ...]:
    """Return the rules against a baseline for which nobody gives others."""
    return ("p95<+5%", f"{MAIN_METRIC[task]}>{_DEFAULT_LOSS[task]}", "size<+5%")


def check_metrics(rules: Sequence[Rule], task: TaskKind) -> None:
    """Refuse rules about a quality that the task does not have.

    Raises:
        ConfigError: naming the metrics that the task has.
    """
    allowed = QUALITY_METRICS[task]
    for rule in rules:
        if rule.metric.name in _OF_ANY_QUALITY and rule.metric.name not in allowed:
            problem = f"a {task.value} model has no {rule.metric.name}. Its quality metrics: {', '.join(allowed)}."
            where = " The rule is of the configuration file." if rule.origin is Origin.FILE else ""
            raise rule_error(rule.text, f"{problem}{where}")
