"""Recounts the instructions of both sides, in this job, on the same texts and with the same counter.

A count is as good as exact, so one is enough; but it belongs to the counter and to the version of the runtime. Both
are the same here because both sides are counted one after the other. That is why counts of result files are not
taken. For the same reason both bundles are opened under the same name: names of folders move a count by up to
0.1 % (docs/counts.md).
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.bench.counts.choose import choose_counter
from edgekd.bench.counts.counters import loaded
from edgekd.bench.counts.phase import count_text
from edgekd.bench.place import HERE
from edgekd.bench.variants import variant_of
from edgekd.errors import EdgekdError
from edgekd.results import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.counts.counters import Counter
    from edgekd.bench.variants import Variant
    from edgekd.gate.evidence import Comparison, Facts
    from edgekd.gate.lab import Lab
    from edgekd.gate.setup import Setup
    from edgekd.gate.sides import Side
    from edgekd.measurements import Counts
    from edgekd.progress import Progress

METRIC = "instructions"
PLACES = (0.1, 0.5, 0.9)  # of the texts in order of their length: a short, a usual and a long one

ONLY_BUNDLES = "counts of result files are not compared: they depend on the runtime's version and on the counter"
GIVE_THE_BUNDLE = "Give bundle folders: both are counted here, one after the other."
ANOTHER_RULE = "Or leave rules about instructions to a machine that can count; see docs/counts.md."


def choose_texts(texts: Sequence[str]) -> list[str]:
    """Return a few texts, the same on every run: at fixed places in order of length, without repetition."""
    ordered = sorted({*texts}, key=lambda text: (len(text), text))
    chosen = {int(place * (len(ordered) - 1) + 0.5): None for place in PLACES} if ordered else {}
    return [ordered[index] for index in chosen]


def per_text(counts: Sequence[Counts]) -> float:
    """Return the instructions of a text from text in to answer out: mean over texts of the smallest repetitions."""
    return sum(min(one.tokenize, default=0) + min(one.instructions) for one in counts) / len(counts)


def count_instructions(setup: Setup, lab: Lab, comparison: Comparison, progress: Progress) -> Comparison:
    """Count both sides when a rule asks for it; what stands in the way is kept with the facts.

    A side alone is not counted when every such rule compares the two.
    """
    rules = [rule for rule in setup.rules if rule.metric.name == METRIC]
    if not rules:
        return comparison
    sides = [side for side in (setup.candidate, setup.baseline) if side is not None]
    if all(rule.needs_baseline for rule in rules) and any(side.bundle is None for side in sides):
        return _none_counted(comparison, ONLY_BUNDLES, GIVE_THE_BUNDLE)
    texts = choose_texts(lab.texts)
    try:
        counter = choose_counter(setup.profile, HERE, progress.say, devices=setup.job.devices)
    except EdgekdError as error:
        advice = " ".join(f"{part.rstrip('.')}." for part in (error.hint, ANOTHER_RULE) if part)
        return _none_counted(comparison, f"nothing: {error.message.rstrip('.')}", advice)
    progress.start("instructions", 1 if setup.baseline is None else 2)
    baseline = comparison.baseline
    with tempfile.TemporaryDirectory(prefix="edgekd-counts-") as folder:
        at = Path(folder) / "bundle"
        candidate = _with_counts(comparison.candidate, setup.candidate, counter, texts, at)
        progress.update(1)
        if setup.baseline is not None and baseline is not None:
            baseline = _with_counts(baseline, setup.baseline, counter, texts, at)
            progress.update(2)
    progress.finish()
    return replace(
        comparison,
        candidate=candidate,
        baseline=baseline,
        counter=f"{counter.tool} on {counter.core}, one thread, {len(texts)} texts, tokenizer and graph",
        counter_evidence=Evidence(counter.evidence),
    )


def _none_counted(comparison: Comparison, problem: str, advice: str) -> Comparison:
    """Return the comparison with what stands in the way, on both sides."""

    def without(facts: Facts) -> Facts:
        return replace(facts, instructions_problem=problem, instructions_advice=advice)

    baseline = comparison.baseline
    return replace(
        comparison, candidate=without(comparison.candidate), baseline=without(baseline) if baseline else None
    )


def _with_counts(facts: Facts, side: Side, counter: Counter, texts: Sequence[str], at: Path) -> Facts:
    if side.bundle is None or not texts:
        return replace(facts, instructions_problem=ONLY_BUNDLES, instructions_advice=GIVE_THE_BUNDLE)
    variant = variant_of(side.bundle, at)
    if why := counter.why_not(variant):
        return replace(facts, instructions_problem=f"{side.name}: {why}", instructions_advice=ANOTHER_RULE)
    at.symlink_to(side.bundle.folder.resolve(), target_is_directory=True)
    try:
        counts = _counts(replace(variant, name=at.name), counter, texts)
    except EdgekdError as error:
        return replace(facts, instructions_problem=error.message, instructions_advice=error.hint or ANOTHER_RULE)
    finally:
        at.unlink()
    return replace(facts, instructions=per_text(counts))


def _counts(variant: Variant, counter: Counter, texts: Sequence[str]) -> list[Counts]:
    with loaded(variant, HERE) as warm, counter.opened(variant, warm) as ask:
        return [count_text(counter, ask, text, first=number == 0) for number, text in enumerate(texts)]
