"""Which rules a gate has: the user's, then the target's budgets, then the usual ones against a baseline.

A rule of a flag replaces those of the configuration file about the same metric, and both replace the target's budget of
that metric. Where the user requires nothing at all, changes against the baseline have the usual limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.errors import ConfigError
from edgekd.gate.grammar import Origin, Reference, parse_rules
from edgekd.gate.task_rules import check_metrics, default_rules
from edgekd.tasks import MAIN_METRIC, TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.devices import DeviceProfile
    from edgekd.gate.grammar import Rule
    from edgekd.gate.job import GateJob

SELF_TEST_RULE = "p95<+5%"
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))
_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "KB"), (1.0, "B"))


@dataclass(frozen=True)
class Rules:
    """The rules of a gate, and what has to be said about them."""

    rules: list[Rule]
    notes: list[str]


def _written(value: float, steps: Sequence[tuple[float, str]]) -> str:
    """Write a number with the largest unit that leaves at least 1 before the point."""
    scale, unit = next((step for step in steps if value >= step[0]), steps[-1])
    return f"{value / scale:.12g}{unit}"


def _drop(drop: float, task: TaskKind) -> str:
    """Write a loss of the main score; that of a regression is a correlation, which has no points."""
    return f"{drop:.12g}" if task is TaskKind.REGRESSION else f"{100 * drop:.12g}pt"


def budget_rules(profile: DeviceProfile, task: TaskKind) -> list[Rule]:
    """Return a profile's budgets as rules; a budget that is just reached is kept."""
    budgets = profile.budgets
    texts = []
    if budgets.p95_s is not None:
        texts.append(f"p95<={_written(budgets.p95_s, _TIMES)}")
    if budgets.size_bytes is not None:
        texts.append(f"size<={_written(budgets.size_bytes, _SIZES)}")
    if budgets.peak_rss_bytes is not None:
        texts.append(f"peak_rss<={_written(budgets.peak_rss_bytes, _SIZES)}")
    if budgets.accuracy_drop is not None:
        texts.append(f"{MAIN_METRIC[task]}>=-{_drop(budgets.accuracy_drop, task)}")
    return parse_rules(texts, Origin.PROFILE)


def _without(rules: Sequence[Rule], stronger: Sequence[Rule]) -> list[Rule]:
    """Leave out the rules about a metric that a stronger rule is about."""
    named = {rule.metric for rule in stronger}
    return [rule for rule in rules if rule.metric not in named]


def required(job: GateJob) -> list[Rule]:
    """Return the user's own rules; those of flags win over those of the file.

    Raises:
        ConfigError: for a wrong rule.
    """
    flags = parse_rules(job.rules, Origin.FLAG)
    return [*flags, *_without(parse_rules(job.file_rules, Origin.FILE), flags)]


def _is_latency_change(rule: Rule) -> bool:
    return rule.metric.percentile is not None and rule.reference is not Reference.ABSOLUTE


def rules_of(job: GateJob, task: TaskKind, profile: DeviceProfile, *, has_baseline: bool) -> Rules:
    """Return the rules of a job; a self-test keeps those about a change of latency.

    Args:
        job: what was asked for.
        task: of the candidate; decides the usual rules and which metrics there are.
        profile: the target, with its budgets.
        has_baseline: whether there is something to compare with.

    Raises:
        ConfigError: for a wrong rule, when rules need a baseline and there is none, or when there is no rule.
    """
    asked = required(job)
    check_metrics(asked, task)
    if job.self_test:
        changes = [rule for rule in asked if _is_latency_change(rule)]
        return Rules(changes or parse_rules([SELF_TEST_RULE], Origin.DEFAULT), [])
    _check_baseline(asked, has_baseline=has_baseline)
    usual = parse_rules(default_rules(task), Origin.DEFAULT) if has_baseline and not asked else []
    budgets = _without(budget_rules(profile, task), asked) if job.profile_budgets else []
    notes = []
    left_out = [rule for rule in budgets if rule.needs_baseline and not has_baseline]
    if left_out:
        texts = ", ".join(rule.text for rule in left_out)
        notes.append(f"Without a baseline the budget {texts} of {profile.name} is not judged.")
    # A usual limit of a change is narrower than what a profile allows; one row says it.
    said = {(rule.metric, rule.reference) for rule in usual}
    budgets = [rule for rule in budgets if rule not in left_out and (rule.metric, rule.reference) not in said]
    rules = [*asked, *budgets, *usual]
    if not rules:
        raise _nothing(job, profile)
    return Rules(rules, notes)


def _check_baseline(asked: Sequence[Rule], *, has_baseline: bool) -> None:
    needy = [rule.text for rule in asked if rule.needs_baseline]
    if needy and not has_baseline:
        raise ConfigError(
            f"These rules compare with a baseline, and none is given: {', '.join(needy)}.",
            hint="Give --baseline with a bundle, keep one with 'edgekd baseline set BUNDLE', or give absolute rules "
            "such as --require 'p95<20ms'.",
        )


def _nothing(job: GateJob, profile: DeviceProfile) -> ConfigError:
    budgets = "has no absolute budget" if job.profile_budgets else "was told to lend no budget"
    return ConfigError(
        f"There is nothing to judge by: no rule is required, no baseline is given, and the profile {profile.name} "
        f"{budgets}.",
        hint="Give rules such as --require 'p95<20ms', or --baseline with a bundle.",
    )
