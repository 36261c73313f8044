"""The small language of ``--fail-if``: ``METRIC OP LIMIT``, read as "fail if".

A ``%`` or an explicit sign makes the limit relative to the baseline (``p95>5%`` and ``p95>+5%`` are the same
rule, ``accuracy<-1pt``, ``size>+200KB``, ``pearson<-0.02``, ``rmse>5%``); without either it is absolute
(``size>2MB``, ``p95>20ms``, ``accuracy<0.85``, ``rmse>0.8``). Which metrics of quality there are depends on the task.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING

from edgekd.errors import ConfigError, unknown_name
from edgekd.tasks import MAIN_METRIC, TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = (
    'Examples: "p95>5%", "p95>20ms", "size>2MB", "size>+200KB", "accuracy<-1pt", "accuracy<0.85"; multi-label: '
    '"macro_f1<-1pt"; regression: "pearson<-0.02", "rmse>5%".'
)


class Quantity(str, Enum):
    """What a metric counts; decides its units."""

    TIME = "time"  # seconds
    BYTES = "bytes"
    SHARE = "share"  # 0 to 1; differences are written in percentage points
    CORRELATION = "correlation"  # -1 to 1
    VALUE = "value"  # in the units of the data


class Reference(str, Enum):
    """What a limit is compared with."""

    ABSOLUTE = "absolute"  # the candidate's value
    DIFFERENCE = "difference"  # candidate minus baseline, in the metric's unit
    PERCENT = "percent"  # candidate / baseline - 1


@dataclass(frozen=True)
class Metric:
    """A number that a rule may limit."""

    name: str
    quantity: Quantity
    fails_when: str  # ">" where more is worse, "<" where less is worse
    percentile: float | None = None  # of the latency from text in to label out


METRICS = {
    metric.name: metric
    for metric in (
        Metric("p50", Quantity.TIME, ">", 0.50),
        Metric("p90", Quantity.TIME, ">", 0.90),
        Metric("p95", Quantity.TIME, ">", 0.95),
        Metric("p99", Quantity.TIME, ">", 0.99),
        Metric("size", Quantity.BYTES, ">"),
        Metric("peak_rss", Quantity.BYTES, ">"),
        Metric("load_time", Quantity.TIME, ">"),
        Metric("accuracy", Quantity.SHARE, "<"),
        Metric("agreement", Quantity.SHARE, "<"),  # same answer from candidate and baseline
        Metric("macro_f1", Quantity.SHARE, "<"),
        Metric("micro_f1", Quantity.SHARE, "<"),
        Metric("subset_accuracy", Quantity.SHARE, "<"),
        Metric("pearson", Quantity.CORRELATION, "<"),
        Metric("mae", Quantity.VALUE, ">"),
        Metric("rmse", Quantity.VALUE, ">"),
    )
}
QUALITY_METRICS = {
    TaskKind.SINGLE_LABEL: ("accuracy", "macro_f1", "agreement"),
    TaskKind.MULTI_LABEL: ("macro_f1", "micro_f1", "subset_accuracy", "agreement"),
    TaskKind.REGRESSION: ("pearson", "mae", "rmse"),
}
_OF_ANY_QUALITY = {name for names in QUALITY_METRICS.values() for name in names}
# The smallest loss of the main score that is worth stopping for, where nobody says another.
_DEFAULT_LOSS = {TaskKind.SINGLE_LABEL: "-1pt", TaskKind.MULTI_LABEL: "-1pt", TaskKind.REGRESSION: "-0.01"}

UNITS: dict[Quantity, dict[str, Fraction]] = {
    Quantity.TIME: {"us": Fraction(1, 10**6), "ms": Fraction(1, 1000), "s": Fraction(1)},
    Quantity.BYTES: {
        "B": Fraction(1),
        "KB": Fraction(10**3),
        "MB": Fraction(10**6),
        "GB": Fraction(10**9),
        "KiB": Fraction(2**10),
        "MiB": Fraction(2**20),
        "GiB": Fraction(2**30),
    },
    Quantity.SHARE: {"": Fraction(1), "pt": Fraction(1, 100)},
    Quantity.CORRELATION: {"": Fraction(1)},
    Quantity.VALUE: {"": Fraction(1)},
}
_NO_UNIT = {
    Quantity.SHARE: "no unit (a share from 0 to 1)",
    Quantity.CORRELATION: "no unit (a correlation from -1 to 1)",
    Quantity.VALUE: "no unit (a number in the units of the data)",
}
# A per cent of these could be points or a part of the value.
_WITHOUT_PERCENT = {
    Quantity.SHARE: 'percentage points below the baseline ("{name}<-1pt") or a share ("{name}<0.85")',
    Quantity.CORRELATION: 'a difference from the baseline ("{name}<-0.02") or a correlation ("{name}<0.8")',
}
_SAME_UNIT = {"\u00b5s": "us", "\u03bcs": "us", "kB": "KB"}  # both spellings of the micro sign

_SHAPE = re.compile(
    r"\s*(?P<metric>[A-Za-z_][A-Za-z0-9_]*)\s*(?P<op>[<>=!]=?)\s*(?P<sign>[+-]?)\s*"
    r"(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(?P<unit>[^\W\d_]*|%)\s*"
)


@dataclass(frozen=True)
class Rule:
    """Fail if ``metric`` is on the wrong side of ``limit``. Two spellings of one rule are equal."""

    metric: Metric
    reference: Reference
    limit: float  # in the metric's base unit; for PERCENT a fraction (5 % is 0.05)
    text: str = field(compare=False)

    @property
    def needs_baseline(self) -> bool:
        """True when the candidate alone cannot decide the rule."""
        return self.reference is not Reference.ABSOLUTE or self.metric.name == "agreement"

    def beyond(self, value: float) -> bool:
        """Tell whether a value lies strictly on the failing side of the limit."""
        return value > self.limit if self.metric.fails_when == ">" else value < self.limit


def _error(expression: str, problem: str, hint: str = EXAMPLES) -> ConfigError:
    return ConfigError(f'Rule "{expression}": {problem}', hint=hint)


def _find_metric(expression: str, name: str) -> Metric:
    if name in METRICS:
        return METRICS[name]
    unknown = unknown_name("metric", name, METRICS)
    raise _error(expression, unknown.message)


def _check_direction(expression: str, metric: Metric, op: str, limit: str) -> None:
    if op == metric.fails_when:
        return
    advice = f'Write "{metric.name}{metric.fails_when}{limit}".'
    if op in ("<", ">"):
        better = "better (lower)" if metric.fails_when == ">" else "better (higher)"
        raise _error(expression, f"it would fail when {metric.name} gets {better}. {advice}")
    raise _error(expression, f"'{op}' is not allowed; {metric.name} takes '{metric.fails_when}'. {advice}")


def _find_scale(expression: str, metric: Metric, unit: str) -> Fraction:
    units = UNITS[metric.quantity]
    name = _SAME_UNIT.get(unit, unit)
    if name in units:
        return units[name]
    allowed = ", ".join(unit or _NO_UNIT[metric.quantity] for unit in units)
    if metric.quantity not in _WITHOUT_PERCENT:
        allowed += " or % (of the baseline)"
    near = [known for known in units if known and known.lower() == name.lower()]
    guess = f" Did you mean '{near[0]}'?" if near else ""
    given = f"unit '{unit}'" if unit else "a number without a unit"
    raise _error(expression, f"{metric.name} cannot have {given}. Allowed: {allowed}.{guess}")


def parse_rule(expression: str) -> Rule:
    """Read one rule.

    Raises:
        ConfigError: quoting the expression and listing what is allowed.
    """
    match = _SHAPE.fullmatch(expression)
    if match is None:
        raise _error(
            expression,
            f"expected METRIC, then '>' or '<', then a number with its unit. Metrics: {', '.join(METRICS)}.",
        )
    metric = _find_metric(expression, match["metric"])
    sign, number, unit = match["sign"], match["number"], match["unit"]
    _check_direction(expression, metric, match["op"], f"{sign}{number}{unit}")
    text = f"{metric.name}{match['op']}{sign}{number}{unit}"
    signed = Fraction(number) * (-1 if sign == "-" else 1)
    if unit == "%":
        return _percent_rule(expression, metric, signed, text)
    scale = _find_scale(expression, metric, unit)
    return _plain_rule(expression, metric, signed * scale, text, unit=unit, sign=sign)


def _percent_rule(expression: str, metric: Metric, number: Fraction, text: str) -> Rule:
    if metric.quantity in _WITHOUT_PERCENT:
        instead = _WITHOUT_PERCENT[metric.quantity].format(name=metric.name)
        raise _error(expression, f"'%' of {metric.name} could mean two things. Write {instead}.")
    return Rule(metric, Reference.PERCENT, _to_float(expression, number / 100), text)


def _plain_rule(expression: str, metric: Metric, limit: Fraction, text: str, *, unit: str, sign: str) -> Rule:
    if metric.name == "agreement" and (sign or unit):
        raise _error(
            expression,
            "agreement already compares the candidate with the baseline, so its limit is a share. "
            'Write "agreement<0.98".',
        )
    if sign:
        return Rule(metric, Reference.DIFFERENCE, _to_float(expression, limit), text)
    if unit == "pt":
        raise _error(
            expression,
            f'points need a sign. Write "{metric.name}<-{text.split("<")[1]}" for "below the baseline".',
        )
    if metric.quantity is Quantity.SHARE and not 0 < limit <= 1:
        raise _error(expression, f"an absolute {metric.name} is a share above 0 and at most 1, such as 0.85.")
    if metric.quantity is Quantity.CORRELATION and not 0 < limit <= 1:
        raise _error(expression, f"an absolute {metric.name} is a correlation above 0 and at most 1, such as 0.8.")
    if limit == 0:
        raise _error(expression, f"an absolute limit of 0 always fails. Give the largest {metric.name} you accept.")
    return Rule(metric, Reference.ABSOLUTE, _to_float(expression, limit), text)


def _to_float(expression: str, value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise _error(expression, "the number is too large.") from error


def default_rules(task: TaskKind) -> tuple[str, ...]:
    """Return the rules of a task for which none are given."""
    return ("p95>5%", f"{MAIN_METRIC[task]}<{_DEFAULT_LOSS[task]}", "size>5%")


def parse_rules(expressions: Sequence[str]) -> list[Rule]:
    """Read rules in order, each one once."""
    return list(dict.fromkeys(parse_rule(expression) for expression in expressions))


def check_metrics(rules: Sequence[Rule], task: TaskKind) -> None:
    """Refuse rules about a quality that the task does not have.

    Raises:
        ConfigError: naming the metrics that the task has.
    """
    allowed = QUALITY_METRICS[task]
    for rule in rules:
        if rule.metric.name in _OF_ANY_QUALITY and rule.metric.name not in allowed:
            problem = f"a {task.value} model has no {rule.metric.name}. Its quality metrics: {', '.join(allowed)}."
            raise _error(rule.text, problem)
