"""What a report says where an emulator answered: answers, sizes and memory, and no time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.results import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgekd.results import BenchResult

NO_LATENCY = "emulated: no latency"
NO_PEAK = "emulated: the emulator's own memory would be in it"


def all_emulated(results: Iterable[BenchResult]) -> bool:
    """Tell whether every result comes from an emulator."""
    return {result.evidence for result in results} == {Evidence.EMULATED}


def headline(results: Sequence[BenchResult]) -> list[str]:
    """Say for each variant whether it answers like the machine that emulated."""
    return [_against(result) for result in results]


def _against(result: BenchResult) -> str:
    found = result.against_host
    if found is None:
        return f"{result.variant}: answered {len(result.quality.predictions):,} texts; compared with no other machine."
    if found.other_answers is None:
        return f"{result.variant} answers otherwise than on {found.host}: {found.reason}"
    sentence = f"{result.variant}: {found.other_answers:,} of {found.texts:,} answers differ from those of {found.host}"
    if found.max_abs_diff is not None and found.mean_abs_diff is not None:
        largest, mean = units.tiny(found.max_abs_diff), units.tiny(found.mean_abs_diff)
        same = found.max_abs_diff == 0
        sentence += "; logits are equal" if same else f"; logits differ by {largest} at most, {mean} on average"
    return f"{sentence}." if found.same else f"{sentence}. More than allowed: {found.reason}"


def method(results: Sequence[BenchResult]) -> list[str]:
    """Say how a group of emulated results came about."""
    counts = sorted({len(result.quality.predictions) for result in results})
    texts = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    sentences = [
        f"Each variant answered {texts} texts of '{results[0].data_name}' in an emulated process of its own. Nothing "
        "was timed: an emulator shows what a processor computes, never how long it takes.",
        "Memory is the resident part of the emulated program's own mappings, without the emulator; size is everything "
        "that must be shipped.",
    ]
    if any(result.against_host for result in results):
        sentences.append(
            "The same files answered the same texts on the machine that emulated; token ids, logits and answers were "
            "compared by the rules of 'edgekd verify'."
        )
    return sentences
