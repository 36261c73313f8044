"""The numbers of a model card, each with the label of where it was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.analysis.stats import summarize
from edgekd.bundles.info import parity_lines, proof_words
from edgekd.bundles.marks import bullets, safe, table
from edgekd.report.evidence import LEGEND
from edgekd.results import Evidence
from edgekd.score_text import score_interval, score_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.analysis.estimators import Estimate
    from edgekd.bundle import Manifest, Metric
    from edgekd.results import BenchResult


SCORE_HEADINGS = ("score", "of", "texts from", "value", "texts", "evidence")
SPEED_HEADINGS = ("machine", "runtime", "p50 [95 % CI]", "p95 [95 % CI]", "peak memory", "evidence")
TRAINED = "the trained model, before export"
BUNDLE = "this bundle"
NOT_TIMED = "not timed"  # under an emulator


def scores(manifest: Manifest, results: Sequence[BenchResult]) -> str:
    """Return scores, what the teacher gained, how far the graph is from the model, and what the labels mean."""
    rows = [_recorded(metric) for metric in manifest.metrics]
    rows += [row for result in results for row in _measured(manifest.as_task.main_metric, result)]
    parts = [table(SCORE_HEADINGS, rows) if rows else "No score of this form of the model is recorded."]
    if manifest.proof is not None:
        parts.append(f"**Did the teacher help?** {safe(proof_words(manifest.proof))}")
    if manifest.parity is not None:
        found = parity_lines(manifest.parity, manifest.as_task.main_metric)
        told = bullets(f"{label}: {safe(value)}" for label, value in found)
        parts.append(f"The graph against the model that it was made from:\n\n{told}")
    used = {metric.evidence for metric in manifest.metrics} | {result.evidence.value for result in results}
    legend = bullets(f"`{label.value}`: {meaning}" for label, meaning in LEGEND.items() if label.value in used)
    return "\n\n".join([*parts, legend] if legend else parts)


def _recorded(metric: Metric) -> tuple[str, ...]:
    count = f"{metric.count:,}" if metric.count is not None else ""
    return (
        safe(metric.name),
        TRAINED,
        safe(metric.split or ""),
        score_text(metric.name, metric.value),
        count,
        safe(metric.evidence),
    )


def _measured(metric: str, result: BenchResult) -> list[tuple[str, ...]]:
    """Return the main score of a measurement; nothing when its texts had no labels."""
    found = summarize(result).main
    if found is None:
        return []
    value = f"{score_text(metric, found.value)} [{score_interval(metric, found.low, found.high)}]"
    return [(metric, BUNDLE, safe(result.data_name), value, f"{found.n:,}", result.evidence.value)]


def speed(manifest: Manifest, results: Sequence[BenchResult]) -> str:
    """Return latency and memory where they were measured, or say that they were not."""
    if not results:
        target = safe(manifest.target)
        return f"Not measured for this card, neither on {target} nor elsewhere; `edgekd bench` measures it."
    rows = []
    for result in results:
        found = summarize(result)
        machine = f"{result.machine.cpu_model}, {result.threads} thread{'s' if result.threads > 1 else ''}"
        timed = result.evidence is not Evidence.EMULATED
        times = (_duration(found.p50), _duration(found.p95)) if timed else (NOT_TIMED, NOT_TIMED)
        peak = result.memory.peak_rss_bytes
        memory = units.MISSING if peak is None else units.size(peak)
        rows.append((safe(machine), safe(result.backend), *times, memory, result.evidence.value))
    return f"{table(SPEED_HEADINGS, rows)}\n\nOne text a call, text in to label out; memory of the whole process."


def _duration(estimate: Estimate | None) -> str:
    if estimate is None:
        return "too few samples"
    bounds = (estimate.value, estimate.low, estimate.high)
    return f"{units.duration(*bounds)} [{units.duration_interval(*bounds)}]"
