"""Statistics of result files, computed on read. The one place that turns samples into numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.analysis.bootstrap import RESAMPLES, clusters, draw, percentile_estimates, percentile_ratio
from edgekd.analysis.estimators import (
    Estimate,
    needed_samples,
    percentile,
    share_difference,
    supported_percentile,
    trimmed_mean,
    wilson,
)
from edgekd.analysis.judge import gain, judge, score_estimate
from edgekd.analysis.quality import ClassQuality, agreement, macro_f1, per_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgekd.results import BenchResult

__all__ = [
    "ClassQuality",
    "Estimate",
    "Summary",
    "agreement",
    "macro_f1",
    "needed_samples",
    "per_class",
    "percentile",
    "score_estimate",
    "share_difference",
    "speed_up",
    "summarize",
    "supported_percentile",
    "trimmed_mean",
    "wilson",
]

PERCENTILES = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Summary:
    """What a result says: seconds, bytes, shares from 0 to 1; ``None`` means "cannot be said"."""

    samples: int  # timed calls
    p50: Estimate | None  # latency from text in to label out
    p90: Estimate | None
    p95: Estimate | None
    p99: Estimate | None
    tokenize_p50: Estimate | None
    infer_p50: Estimate | None
    post_p50: Estimate | None  # from logits to the answer
    tokens_p50: float | None  # tokens of the median text
    main: Estimate | None  # the task's main score
    scores: Mapping[str, float]  # all scores of the task, see docs/metrics.md; empty without true values
    intervals: Mapping[str, Estimate]  # of those scores that have one besides the main one
    fidelity: Mapping[str, float]  # against the teacher: agreement, kl; regression: pearson, mae
    agreement: Estimate | None  # share of answers equal to the teacher's; not for a regression
    per_class: tuple[ClassQuality, ...]
    gain: Estimate | None  # main score minus that of the same student trained without the teacher
    load_time_s: float | None  # None where nothing can be timed
    size_bytes: int
    start_rss_bytes: int
    loaded_rss_bytes: int
    steady_rss_bytes: int
    peak_rss_bytes: int | None  # None under an emulator

    @property
    def accuracy(self) -> Estimate | None:
        """Of a single-label result."""
        return self.main if "accuracy" in self.scores else None

    @property
    def macro_f1(self) -> float | None:
        """Of a single- or multi-label result."""
        return self.scores.get("macro_f1")


def summarize(result: BenchResult, *, resamples: int = RESAMPLES, seed: int = 0) -> Summary:
    """Compute every statistic of a result; a percentile that the samples cannot support is ``None``."""
    times: list[Estimate | None] = [None] * 4
    tokenize_p50 = infer_p50 = post_p50 = None
    tokens_p50 = None
    count = len(result.samples.total_s)
    supported = [q for q in PERCENTILES if supported_percentile(count, q)]
    if supported:
        draws = draw(clusters(result.samples), resamples=resamples, seed=seed)
        process = result.samples.process
        found = percentile_estimates(result.samples.total_s, draws, supported, process)
        times = [*found, *times][:4]
        [tokenize_p50] = percentile_estimates(result.samples.tokenize_s, draws, [0.5], process)
        [infer_p50] = percentile_estimates(result.samples.infer_s, draws, [0.5], process)
        if result.samples.post_s:
            [post_p50] = percentile_estimates(result.samples.post_s, draws, [0.5], process)
        tokens_p50 = percentile([float(n) for n in result.samples.tokens], 0.5)
    quality = judge(result.quality, resamples=resamples, seed=seed)
    return Summary(
        samples=count,
        p50=times[0],
        p90=times[1],
        p95=times[2],
        p99=times[3],
        tokenize_p50=tokenize_p50,
        infer_p50=infer_p50,
        post_p50=post_p50,
        tokens_p50=tokens_p50,
        main=quality.main,
        scores=quality.scores,
        intervals=quality.intervals,
        fidelity=quality.fidelity,
        agreement=quality.agreement,
        per_class=quality.per_class,
        gain=gain(result.proof, quality.main),
        load_time_s=result.load_time_s,
        size_bytes=result.size_bytes,
        start_rss_bytes=result.memory.start_rss_bytes,
        loaded_rss_bytes=result.memory.loaded_rss_bytes,
        steady_rss_bytes=result.memory.steady_rss_bytes,
        peak_rss_bytes=result.memory.peak_rss_bytes,
    )


def speed_up(
    reference: BenchResult, result: BenchResult, *, q: float = 0.5, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate | None:
    """Return how many times faster ``result`` is than ``reference`` at ``q``; ``None`` with too few samples.

    Variants of one session share blocks, so the same blocks are drawn for both and drift cancels, and processes that
    took turns are compared with one another; otherwise the draws are independent and the interval is wider.

    NOTE: processes of the same program differ by their memory layout (Mytkowicz et al. 2009): up to 3 % for a model
    that answers in 0.1 ms. With several processes a variant the interval holds that, with a single one it does not.
    """
    if not all(supported_percentile(len(r.samples.total_s), q) for r in (reference, result)):
        return None
    paired = (
        reference.session == result.session
        and reference.samples.block == result.samples.block
        and reference.samples.text_index == result.samples.text_index
        and reference.samples.process == result.samples.process
    )
    reference_draws = draw(clusters(reference.samples), resamples=resamples, seed=seed)
    draws = reference_draws if paired else draw(clusters(result.samples), resamples=resamples, seed=seed + 1)
    processes = (reference.samples.process, result.samples.process)
    return percentile_ratio(
        reference.samples.total_s, result.samples.total_s, reference_draws, draws, q=q, processes=processes
    )
