"""From results that were measured on a board to the factors of its estimates."""

from __future__ import annotations

from collections import defaultdict
from math import exp, log
from statistics import median
from typing import TYPE_CHECKING

from edgekd.errors import ConfigError, Incomparable
from edgekd.estimate.calibration import Calibration, Comparison
from edgekd.results import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.measurements import Estimate
    from edgekd.results import BenchResult

NEAR = 0.1  # texts count for an estimate when they are at most so much longer or shorter
FEWEST_CALLS = 5
# One model says nothing about how others differ, and two say little.
NARROWEST_OF_ONE = 1.5
NARROWEST = 1.25


def calibrate(results: Sequence[BenchResult]) -> list[Calibration]:
    """Compare measured latencies with the estimates in the same results.

    The factor is the median of measured / estimated; the range reaches to the ratio that is farthest from it, and
    is never narrower than so few models allow.

    Args:
        results: measured on boards with ``--estimate``; several targets are kept apart.

    Raises:
        ConfigError: when there is none, or one was not measured on a board.
        Incomparable: when one has no estimate of its own target, too few calls near its length, or was throttled.
    """
    if not results:
        raise ConfigError(
            "There is no result to calibrate with.", hint="Give files: edgekd calibrate NAME.result.json."
        )
    found: dict[tuple[str, str, str], list[Comparison]] = defaultdict(list)
    for result in results:
        _check(result)
        for estimate in result.estimates:
            if estimate.target == result.target and estimate.with_tokenizer:
                found[estimate.target, estimate.processor, estimate.kind].append(_compare(result, estimate))
    return [_calibration(key, comparisons) for key, comparisons in sorted(found.items())]


def _check(result: BenchResult) -> None:
    if result.evidence is not Evidence.DEVICE:
        raise ConfigError(
            f"'{result.variant}' for {result.target} has the evidence '{result.evidence.value}': it was not measured "
            "on a board, and says nothing about one.",
            hint=f"Measure there: {_command(result)}.",
        )
    if not any(estimate.target == result.target and estimate.with_tokenizer for estimate in result.estimates):
        raise Incomparable(
            f"'{result.variant}' has no estimate for {result.target} to compare its latency with.",
            hint=f"Measure again with --estimate: {_command(result)}.",
        )
    throttled = sorted({reason for moment in result.machine_over_time for reason in moment.throttled})
    if throttled:
        raise Incomparable(
            f"'{result.variant}' was measured on a board that slowed down: {', '.join(throttled)}.",
            hint="Cool the board or give it a better power supply, and measure again.",
        )


def _command(result: BenchResult) -> str:
    return f"edgekd bench BUNDLE --target {result.target} --on ssh://HOST --estimate"


def _compare(result: BenchResult, estimate: Estimate) -> Comparison:
    samples, tokens = result.samples, estimate.tokens
    near = [
        total
        for count, total in zip(samples.tokens, samples.total_s, strict=True)
        if abs(count - tokens) <= NEAR * tokens
    ]
    if len(near) < FEWEST_CALLS:
        raise Incomparable(
            f"'{result.variant}' has {len(near)} timed calls of about {tokens} tokens, and needs {FEWEST_CALLS}.",
            hint="Measure more texts: --max-texts or --passes.",
        )
    return Comparison(
        variant=result.variant,
        artifact_hash=result.artifact_hash,
        created_at=result.created_at,
        machine=result.machine.fingerprint,
        tokens=tokens,
        measured_s=median(near),
        estimated_s=estimate.latency_s / (estimate.calibration_factor or 1.0),
    )


def _calibration(key: tuple[str, str, str], comparisons: list[Comparison]) -> Calibration:
    target, processor, kind = key
    factor = median(comparison.ratio for comparison in comparisons)
    farthest = exp(max(abs(log(comparison.ratio / factor)) for comparison in comparisons))
    models = {comparison.artifact_hash for comparison in comparisons}
    narrowest = NARROWEST_OF_ONE if len(models) == 1 else NARROWEST
    return Calibration.model_validate(
        {
            "target": target,
            "processor": processor,
            "kind": kind,
            "factor": factor,
            "band": max(farthest, narrowest),
            "comparisons": comparisons,
        }
    )
