"""The stored sentences of the ladder: why a candidate was kept or dropped, with its numbers. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.analysis.gain_words import METRIC_NAMES, POINTS
from edgekd.analysis.tried import Outcome, main_score

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edgekd.analysis.estimators import Estimate
    from edgekd.analysis.paired import Interval
    from edgekd.analysis.tried import Limits, Tried
    from edgekd.results import BenchResult

LIMIT_NAMES = {"p95_s": "p95", "size_bytes": "size", "peak_rss_bytes": "peak memory"}


def amount(metric: str, value: float) -> str:
    """Write an allowed loss: "1 point", "0.5 points", "0.01 of Pearson correlation"."""
    if metric not in POINTS:
        return f"{units.short_number(value)} of {METRIC_NAMES[metric]}"
    number = units.short_number(100 * value)
    return f"{number} point{'' if number == '1' else 's'}"


def latency(ratio: Estimate | None) -> str:
    """Write a ratio of medians: "p50 0.85x [0.82 to 0.88]"; an end that is not 1 never looks like 1."""
    if ratio is None:
        return "latency not compared"
    bounds = (ratio.low, ratio.high)
    return f"p50 {units.factor(ratio.value, *bounds)} [{units.factor_interval(*bounds)}]"


def score_change(metric: str, change: Interval | None, max_drop: float) -> str:
    """Write a change of the main score: "accuracy -0.3 points [-1.2 to +0.6] on 872 texts".

    More decimals are shown when a number that is not the allowed loss would look like it.
    """
    name = METRIC_NAMES[metric]
    if change is None:
        return f"{name} not measured"
    points = metric in POINTS
    bounds = (change.value, change.low, change.high)
    value, ends = units.score_change(*bounds, in_points=points, edge=-max_drop, unit="points" if points else "")
    return f"{name} {value} [{ends}] on {change.n:,} texts"


def facts(tried: Tried) -> str:
    """Write what a candidate costs, as factors of its base."""
    metric = tried.result.quality.as_task.main_metric
    return (
        f"{units.factor(tried.size_ratio)} the size ({units.size(tried.result.size_bytes)}), {latency(tried.ratio)}, "
        f"{score_change(metric, tried.change, tried.max_drop)}"
    )


def base(tried: Tried, p50_s: float | None) -> str:
    """Write what the uncompressed model costs, and what is wrong with it."""
    problems = f" ({_problems(tried)})" if tried.problems else ""
    return f"the model itself{problems}: {absolute(tried.result, p50_s)}"


def absolute(result: BenchResult, p50_s: float | None) -> str:
    """Write what a variant costs: "16.4 MB, p50 4.51 ms, accuracy 82.9 % on 872 texts"."""
    speed = "latency not measured" if p50_s is None else f"p50 {units.duration(p50_s)}"
    return f"{units.size(result.size_bytes)}, {speed}, {score(result)}"


def metric_name(result: BenchResult) -> str:
    """Name the main score."""
    return METRIC_NAMES[result.quality.as_task.main_metric]


def score(result: BenchResult) -> str:
    """Write the main score of a variant: "accuracy 82.9 % on 872 texts"."""
    metric, value = result.quality.as_task.main_metric, main_score(result)
    texts = len(result.quality.predictions)
    if value is None:
        return f"{METRIC_NAMES[metric]} not measured"
    told = units.percent(value) if metric in POINTS else units.correlation(value)
    return f"{METRIC_NAMES[metric]} {told} on {texts:,} texts"


def within(tried: Tried) -> str:
    """Say what is known of the loss of a candidate that does not lose too much."""
    allowed = _allowed(tried)
    return {
        Outcome.WITHIN: f"proven within {allowed}",
        Outcome.UNSURE: f"within {allowed}, not proven",
        Outcome.UNKNOWN: "the loss is unknown",
    }[tried.outcome]


def degenerate(tried: Tried) -> str:
    """Say that a candidate is useless."""
    return f"degenerate: {_problems(tried)}: {facts(tried)}"


def lossy(tried: Tried) -> str:
    """Say that a candidate loses too much."""
    allowed = _allowed(tried)
    proven = "proven" if tried.outcome is Outcome.BEYOND else "though that is not proven"
    return f"loses more than {allowed}, {proven}: {facts(tried)}"


def does_not_pay(tried: Tried) -> str:
    """Say that what a candidate gains in one respect is less than what it loses in the other."""
    metric = tried.result.quality.as_task.main_metric
    speed, bytes_ = latency(tried.ratio), f"{units.factor(tried.size_ratio)} the size"
    change = score_change(metric, tried.change, tried.max_drop)
    if tried.is_slower and tried.is_larger:
        return f"slower ({speed}) and larger ({bytes_}), {change}"
    if tried.is_slower:
        return f"slower ({speed}) and only {bytes_} ({units.size(tried.result.size_bytes)}), {change}"
    return f"larger ({bytes_}) and only {speed}, {change}"


def no_gain(tried: Tried, base: Tried) -> str:
    """Say that a candidate is no better than its base."""
    if tried.ratio is None:
        return f"not smaller than {base.name}: {facts(tried)}"
    return f"neither smaller nor faster than {base.name}: {facts(tried)}"


def dominated(tried: Tried, by: Tried, advantages: Sequence[str]) -> str:
    """Say which kept candidate makes this one needless, and by what."""
    told = {
        "size": f"smaller ({units.factor(by.size_ratio)})",
        "speed": f"faster ({latency(by.ratio)})",
        "score": "proven to lose less",
        "limits": "within the limits",
    }
    words = [told[name] for name in ("size", "speed", "score", "limits") if name in advantages]
    better = f"is {_listed(words)}" if words else "is as good within the noise, and not larger"
    return f"{'slower, and ' if tried.is_slower else ''}{by.name} {better}; this is {facts(tried)}"


def kept(tried: Tried) -> str:
    """Say what a kept candidate gains."""
    gains = [word for word, true in (("smaller", tried.is_smaller), ("faster", tried.is_faster)) if true]
    costs = [word for word, true in (("larger", tried.is_larger), ("slower", tried.is_slower)) if true]
    gain = _listed(gains) if gains else "within the limits"
    cost = f", although {_listed(costs)}" if costs else ""
    return f"{gain}{cost}: {facts(tried)}: {within(tried)}"


def best(tried: Tried, limits: Limits, *, is_first: bool) -> str:
    """Say why a candidate is the best."""
    what = "fastest" if is_first else "smallest of the fastest" if tried.ratio else "smallest"
    proven = f" proven within {_allowed(tried)}" if tried.outcome is Outcome.WITHIN else ""
    return f"the {what}{proven}{_fits(limits)}"


def base_is_best(tried: Tried, limits: Limits) -> str:
    """Say why nothing beats the uncompressed model."""
    return f"no faster one is proven within {_allowed(tried)}{_fits(limits)}"


def test_verdict(
    result: BenchResult, change: Interval | None, ratio: Estimate | None, outcome: Outcome, max_drop: float
) -> str:
    """Say what the test texts say of a variant that was kept."""
    metric = result.quality.as_task.main_metric
    allowed = amount(metric, max_drop)
    verdict = {
        Outcome.WITHIN: f"proven within {allowed} on test texts",
        Outcome.UNSURE: f"cannot tell on test texts whether it stays within {allowed}",
        Outcome.BEYOND: f"WARNING: loses more than {allowed} on test texts, which validation texts did not show",
        Outcome.UNKNOWN: "test texts have no true values",
    }[outcome]
    return f"{verdict}: {score_change(metric, change, max_drop)}, {latency(ratio)}"


def _fits(limits: Limits) -> str:
    return f" that meets the limits ({limits_words(limits)})" if limits.given else ""


def _allowed(tried: Tried) -> str:
    return amount(tried.result.quality.as_task.main_metric, tried.max_drop)


def _problems(tried: Tried) -> str:
    return "; ".join(problem.rstrip(".") for problem in tried.problems)


def limits_words(limits: Limits) -> str:
    """List limits: "p95 5 ms, size 2 MB"."""
    return ", ".join(f"{LIMIT_NAMES[name]} {_limit(name, value)}" for name, value in limits.given.items())


def missed(result: BenchResult, misses: Mapping[str, float], limits: Limits, p95_s: float | None) -> str:
    """Say which limits a variant misses and by how much."""
    values = {
        "p95_s": p95_s,
        "size_bytes": result.size_bytes,
        "peak_rss_bytes": result.memory.peak_rss_bytes,
    }
    told = []
    for name, share in misses.items():
        at_most, value = _limit(name, limits.given[name]), values[name]
        if value is None or math.isinf(share):
            told.append(f"{LIMIT_NAMES[name]} (cannot be said here, at most {at_most})")
        else:
            told.append(f"{LIMIT_NAMES[name]} {units.short_number(share)}x ({_value(name, value)}, at most {at_most})")
    return _listed(told)


def _value(name: str, value: float) -> str:
    return units.duration(value) if name == "p95_s" else units.size(value)


def _limit(name: str, value: float) -> str:
    """Write a limit as round as it was given."""
    return units.short_duration(value) if name == "p95_s" else units.short_size(value)


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
