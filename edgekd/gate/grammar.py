"""The small language of the gate's rules: ``METRIC OP LIMIT``, what must hold.

A ``%`` or an explicit sign makes the limit relative to the baseline (``p50<3%`` and ``p50<+3%`` are the same rule,
``accuracy>-0.5pt``, ``size<+200KB``, ``pearson>-0.02``); without either it is absolute (``size<2MB``, ``p95<20ms``,
``accuracy>=0.88``). ``<`` and ``>`` exclude the limit, ``<=`` and ``>=`` include it. Which metrics of quality there
are depends on the task.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING

from edgekd.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = (
    'A rule says what must hold: "p95<20ms", "p50<+3%", "size<2MB", "size<+200KB", "accuracy>-0.5pt", '
    '"accuracy>=0.88", "instructions<+1%"; multi-label: "macro_f1>-1pt"; regression: "pearson>-0.02", "rmse<+5%".'
)


class Quantity(str, Enum):
    """What a metric counts; decides its units."""

    TIME = "time"  # seconds
    BYTES = "bytes"
    SHARE = "share"  # 0 to 1; differences are written in percentage points
    CORRELATION = "correlation"  # -1 to 1
    VALUE = "value"  # in the units of the data
    COUNT = "count"


class Reference(str, Enum):
    """What a limit is compared with."""

    ABSOLUTE = "absolute"  # the candidate's value
    DIFFERENCE = "difference"  # candidate minus baseline, in the metric's unit
    PERCENT = "percent"  # candidate / baseline - 1


class Origin(str, Enum):
    """Who asked for a rule."""

    FLAG = "flag"  # --require
    FILE = "file"  # edgekd.gate.yaml
    PROFILE = "profile"  # budgets of the target
    DEFAULT = "default"  # nobody said another


@dataclass(frozen=True)
class Metric:
    """A number that a rule may limit."""

    name: str
    quantity: Quantity
    direction: str  # "<" where less is better, ">" where more is better: the only way a rule may read
    percentile: float | None = None  # of the latency from text in to label out


METRICS = {
    metric.name: metric
    for metric in (
        Metric("p50", Quantity.TIME, "<", 0.50),
        Metric("p90", Quantity.TIME, "<", 0.90),
        Metric("p95", Quantity.TIME, "<", 0.95),
        Metric("p99", Quantity.TIME, "<", 0.99),
        Metric("size", Quantity.BYTES, "<"),
        Metric("peak_rss", Quantity.BYTES, "<"),
        Metric("load_time", Quantity.TIME, "<"),
        Metric("instructions", Quantity.COUNT, "<"),  # retired for one text
        Metric("accuracy", Quantity.SHARE, ">"),
        Metric("agreement", Quantity.SHARE, ">"),  # same answer from candidate and baseline
        Metric("macro_f1", Quantity.SHARE, ">"),
        Metric("micro_f1", Quantity.SHARE, ">"),
        Metric("subset_accuracy", Quantity.SHARE, ">"),
        Metric("pearson", Quantity.CORRELATION, ">"),
        Metric("mae", Quantity.VALUE, "<"),
        Metric("rmse", Quantity.VALUE, "<"),
    )
}
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
    Quantity.COUNT: {"": Fraction(1), "K": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9)},
}
_NO_UNIT = {
    Quantity.SHARE: "no unit (a share from 0 to 1)",
    Quantity.CORRELATION: "no unit (a correlation from -1 to 1)",
    Quantity.VALUE: "no unit (a number in the units of the data)",
    Quantity.COUNT: "no unit (a number)",
}
# A per cent of these could be points or a part of the value.
_WITHOUT_PERCENT = {
    Quantity.SHARE: 'percentage points against the baseline ("{name}>-1pt") or a share ("{name}>0.85")',
    Quantity.CORRELATION: 'a difference from the baseline ("{name}>-0.02") or a correlation ("{name}>0.8")',
}
_SAME_UNIT = {"\u00b5s": "us", "\u03bcs": "us", "kB": "KB"}  # both spellings of the micro sign

# Shares and their differences are rounded decimals in floats: what differs by no more than this is the limit itself.
_ROUNDING = 1e-12

_SHAPE = re.compile(
    r"\s*(?P<metric>[A-Za-z_][A-Za-z0-9_]*)\s*(?P<op>[<>=!]=?)\s*(?P<sign>[+-]?)\s*"
    r"(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(?P<unit>[^\W\d_]*|%)\s*"
)


@dataclass(frozen=True)
class Rule:
    """``metric`` must be on the right side of ``limit``. Two spellings of one rule are equal, wherever they come from.

    Args:
        metric: what is limited.
        reference: what the limit is compared with.
        limit: in the metric's base unit; for PERCENT a fraction (5 % is 0.05).
        inclusive: whether the limit itself is allowed (``<=``, ``>=``).
        text: the rule in its normal spelling.
        origin: who asked for it.
    """

    metric: Metric
    reference: Reference
    limit: float
    inclusive: bool
    text: str = field(compare=False)
    origin: Origin = field(compare=False, default=Origin.FLAG)

    @property
    def needs_baseline(self) -> bool:
        """True when the candidate alone cannot decide the rule."""
        return self.reference is not Reference.ABSOLUTE or self.metric.name == "agreement"

    def holds(self, value: float) -> bool:
        """Tell whether a value keeps the rule."""
        if abs(value - self.limit) <= _ROUNDING:
            return self.inclusive
        return value < self.limit if self.metric.direction == "<" else value > self.limit

    def beyond(self, value: float) -> bool:
        """Tell whether a value breaks the rule."""
        return not self.holds(value)


def rule_error(expression: str, problem: str) -> ConfigError:
    """Build the error of a rule, which quotes it."""
    return ConfigError(f'Rule "{expression}": {problem}', hint=EXAMPLES)


def _find_metric(expression: str, name: str) -> Metric:
    if name in METRICS:
        return METRICS[name]
    unknown = unknown_name("metric", name, METRICS)
    raise rule_error(expression, unknown.message)


def _check_direction(expression: str, metric: Metric, op: str, limit: str) -> None:
    right = metric.direction
    if op in (right, f"{right}="):
        return
    if op.rstrip("=") in ("<", ">"):
        better = "lower" if right == "<" else "higher"
        instead = f"{metric.name}{right}{'=' if op.endswith('=') else ''}{limit}"
        problem = f"rules say what must hold, and {better} is better for {metric.name}."
        raise rule_error(expression, f'{problem} Write "{instead}".')
    problem = f"'{op}' is not allowed; {metric.name} takes '{right}' or '{right}='."
    raise rule_error(expression, f'{problem} Write "{metric.name}{right}{limit}".')


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
    raise rule_error(expression, f"{metric.name} cannot have {given}. Allowed: {allowed}.{guess}")


def parse_rule(expression: str, origin: Origin = Origin.FLAG) -> Rule:
    """Read one rule.

    Raises:
        ConfigError: quoting the expression and listing what is allowed.
    """
    match = _SHAPE.fullmatch(expression)
    if match is None:
        raise rule_error(
            expression,
            f"expected METRIC, then '<' or '>', then a number with its unit. Metrics: {', '.join(METRICS)}.",
        )
    metric = _find_metric(expression, match["metric"])
    sign, number, unit = match["sign"], match["number"], match["unit"]
    if unit == "%":
        sign = sign or "+"
    text = f"{metric.name}{match['op']}{sign}{number}{unit}"
    signed = Fraction(number) * (-1 if sign == "-" else 1)
    if unit == "%":
        _check_percent(expression, metric)
        reference, limit = Reference.PERCENT, signed / 100
    else:
        limit = signed * _find_scale(expression, metric, unit)
        reference = Reference.DIFFERENCE if sign else Reference.ABSOLUTE
        _check_plain(expression, metric, limit, reference, op=match["op"], given=f"{number}{unit}")
    _check_direction(expression, metric, match["op"], f"{sign}{number}{unit}")
    return Rule(metric, reference, _to_float(expression, limit), match["op"].endswith("="), text, origin)


def _check_percent(expression: str, metric: Metric) -> None:
    if metric.quantity in _WITHOUT_PERCENT:
        instead = _WITHOUT_PERCENT[metric.quantity].format(name=metric.name)
        raise rule_error(expression, f"'%' of {metric.name} could mean two things. Write {instead}.")


def _check_plain(
    expression: str, metric: Metric, limit: Fraction, reference: Reference, *, op: str, given: str
) -> None:
    name = metric.name
    if name == "agreement" and (reference is Reference.DIFFERENCE or given.endswith("pt")):
        problem = "agreement already compares the candidate with the baseline, so its limit is a share."
        raise rule_error(expression, f'{problem} Write "agreement>0.98".')
    if reference is Reference.DIFFERENCE:
        return
    if given.endswith("pt"):
        instead = f"{name}{metric.direction}-{given}"
        raise rule_error(expression, f'points need a sign. Write "{instead}" for "at most {given} below the baseline".')
    what = {Quantity.SHARE: "a share", Quantity.CORRELATION: "a correlation"}.get(metric.quantity)
    if what is not None and not 0 < limit <= 1:
        raise rule_error(expression, f"an absolute {name} is {what} above 0 and at most 1, such as 0.85.")
    if what is not None and limit == 1 and op == ">":
        raise rule_error(expression, f'nothing is above 1. Write "{name}>=1".')
    if limit == 0:
        raise rule_error(expression, f"an absolute limit of 0 never holds. Give the largest {name} you accept.")


def _to_float(expression: str, value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise rule_error(expression, "the number is too large.") from error


def parse_rules(expressions: Sequence[str], origin: Origin = Origin.FLAG) -> list[Rule]:
    """Read rules in order, each one once."""
    return list(dict.fromkeys(parse_rule(expression, origin) for expression in expressions))
