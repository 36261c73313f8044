"""Times what the latency rules need: both sides in turns for a change, the candidate alone for an absolute limit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgekd.gate.evidence import rounds_of, rounds_of_stored
from edgekd.gate.grammar import Reference
from edgekd.gate.job import is_latency
from edgekd.gate.latency import decide_latency, settled
from edgekd.gate.looks import MIN_CALLS, calls
from edgekd.gate.self_test import judge_self_test

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.bundle import Bundle
    from edgekd.gate.evidence import Comparison
    from edgekd.gate.grammar import Rule
    from edgekd.gate.lab import Lab
    from edgekd.gate.records import ProcessSamples
    from edgekd.gate.setup import Setup
    from edgekd.progress import Progress

    Measured = Callable[[str, Sequence[ProcessSamples]], None]

TITLES = {
    "paired": "latency of baseline and candidate in turns",
    "alone": "latency of the candidate",
    "baseline_alone": "latency of the baseline",
}


@dataclass(frozen=True)
class Campaign:
    """One series of processes: which field of the comparison it fills, what runs, which rules it is for."""

    name: str
    bundles: list[Bundle]
    rules: list[Rule]


def plan(setup: Setup, comparison: Comparison) -> tuple[Comparison, list[Campaign]]:
    """Take what is stored and list what has to be measured."""
    rules = [rule for rule in setup.rules if is_latency(rule)]
    changes = [rule for rule in rules if rule.reference is not Reference.ABSOLUTE]
    absolute = [rule for rule in rules if rule.reference is Reference.ABSOLUTE]
    candidate, baseline = setup.candidate, setup.baseline
    campaigns = []
    if changes and baseline is not None and setup.in_turns:
        if baseline.result is not None and candidate.result is not None:
            pairs = rounds_of_stored(baseline.result.samples, candidate.result.samples)
            comparison = replace(comparison, paired=pairs, stored=True)
        elif baseline.bundle is not None and candidate.bundle is not None:
            campaigns.append(Campaign("paired", [baseline.bundle, candidate.bundle], changes))
        changes = []
    if changes or absolute:
        if candidate.result is not None:
            comparison = replace(comparison, alone=rounds_of_stored(candidate.result.samples))
        elif candidate.bundle is not None:
            campaigns.append(Campaign("alone", [candidate.bundle], [*absolute, *changes]))
    if changes and baseline is not None:
        if baseline.result is not None:
            comparison = replace(comparison, baseline_alone=rounds_of_stored(baseline.result.samples))
        elif baseline.bundle is not None:
            campaigns.append(Campaign("baseline_alone", [baseline.bundle], changes))
    return comparison, campaigns


def measure_latency(
    setup: Setup, lab: Lab, comparison: Comparison, progress: Progress, measured: Measured
) -> Comparison:
    """Return the comparison with its rounds; campaigns share the time limit.

    Args:
        setup: what is compared.
        lab: what all measurements share.
        comparison: what is known so far.
        progress: hears of every process.
        measured: hears of a campaign's name and all its samples after every process, before they are judged.
    """
    comparison, campaigns = plan(setup, comparison)
    for campaign in campaigns:
        samples = _run(campaign, setup, lab, comparison, progress, measured, share=len(campaigns))
        comparison = _with_rounds(comparison, campaign.name, samples)
    return comparison


def _with_rounds(comparison: Comparison, name: str, samples: Sequence[ProcessSamples]) -> Comparison:
    rounds = rounds_of(samples)
    if name == "paired":
        return replace(comparison, paired=rounds)
    if name == "alone":
        return replace(comparison, alone=rounds)
    return replace(comparison, baseline_alone=rounds)


def _run(
    campaign: Campaign,
    setup: Setup,
    lab: Lab,
    comparison: Comparison,
    progress: Progress,
    measured: Measured,
    *,
    share: int,
) -> list[ProcessSamples]:
    def heard(samples: Sequence[ProcessSamples]) -> None:
        measured(campaign.name, samples)
        progress.update(calls(samples), "calls a side")

    def decided(samples: Sequence[ProcessSamples]) -> bool:
        so_far = _with_rounds(comparison, campaign.name, samples)
        results = [decide_latency(rule, so_far) for rule in campaign.rules]
        if setup.job.self_test:
            results = [judge_self_test(result) for result in results]
        return all(settled(result) for result in results)

    needed = [MIN_CALLS[rule.metric.percentile] for rule in campaign.rules if rule.metric.percentile]
    progress.start(TITLES[campaign.name], None)
    samples = lab.rounds(
        campaign.bundles,
        decided,
        heard,
        min_calls=max(needed),
        max_seconds=setup.job.max_seconds / share,
    )
    progress.finish(f"{calls(samples):,} calls a side, {len(samples)} processes")
    return samples
