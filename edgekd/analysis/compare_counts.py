"""Changes of what only some results have: instructions and energy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgekd.analysis.change import Change, Verdict, verdict_of
from edgekd.analysis.energy import joules_a_call

if TYPE_CHECKING:
    from edgekd.analysis.estimators import Estimate
    from edgekd.measurements import Counts
    from edgekd.results import BenchResult

# A count repeats to a part in a thousand; names of folders and of variables in the environment move it as much.
SAME_COUNT = 0.002


def instruction_changes(before: BenchResult, after: BenchResult) -> tuple[list[Change], list[str]]:
    """Compare the instructions of the lengths that both sides have, by the same tool for the same core.

    A side's number is the sum over those lengths of the smallest repetition, graph and tokenizer together.

    Returns:
        The changes, and warnings about counts that were made with other libraries.
    """
    changes, warnings = [], []
    old, new = (_by_core(side) for side in (before, after))
    for key in old.keys() & new.keys():
        _, core, evidence = key
        lengths = sorted(old[key].keys() & new[key].keys())
        if not lengths:
            continue
        both = all(old[key][n].tokenize and new[key][n].tokenize for n in lengths)
        was, is_now = (sum(_least(side[key][n], tokenizer=both) for n in lengths) for side in (old, new))
        change = is_now / was - 1
        verdict = Verdict.SAME if abs(change) <= SAME_COUNT else Verdict.WORSE if change > 0 else Verdict.BETTER
        texts = " + ".join(str(n) for n in lengths)
        detail = f"{core}, texts of {texts} tokens{'' if both else ', without tokenizer'}, {evidence}"
        changes.append(Change("instructions", was, is_now, change, None, None, True, verdict, detail=detail))
        libraries = [side[key][lengths[0]].libraries for side in (old, new)]
        if libraries[0] != libraries[1]:
            told = [", ".join(f"{name} {v}" for name, v in sorted(each.items())) or "unknown" for each in libraries]
            warnings.append(f"Instructions for {core} were counted with other libraries: {told[0]} and {told[1]}.")
    return sorted(changes, key=lambda change: change.detail), warnings


def _by_core(result: BenchResult) -> dict[tuple[str, str, str], dict[int, Counts]]:
    found: dict[tuple[str, str, str], dict[int, Counts]] = {}
    for count in result.counts:
        if count.instructions and min(count.instructions) > 0:
            found.setdefault((count.tool, count.core, count.evidence), {})[count.tokens] = count
    return found


def _least(count: Counts, *, tokenizer: bool) -> int:
    return min(count.instructions) + (min(count.tokenize) if tokenizer else 0)


def energy_changes(before: BenchResult, after: BenchResult) -> list[Change]:
    """Compare the joules of a call above idle, by source.

    The interval of the ratio takes the two sides as independent and adds their relative half-widths in quadrature,
    the first order of the delta method. Where a side's own interval contains 0, only the values are told.
    """
    old, new = joules_a_call(before.energy), joules_a_call(after.energy)
    return [_energy(source, old[source], new[source]) for source in old if source in new]


def _energy(source: str, old: Estimate, new: Estimate) -> Change:
    bounds = ((old.low, old.high), (new.low, new.high))
    if old.low <= 0 or new.low <= 0:
        relative = old.value > 0
        change = new.value / old.value - 1 if relative else new.value - old.value
        return Change(
            "energy_j", old.value, new.value, change, None, None, relative, Verdict.UNSURE, *bounds, detail=source
        )
    ratio = new.value / old.value
    half = ratio * math.hypot(*((side.high - side.low) / 2 / side.value for side in (old, new)))
    low, high = ratio - half - 1, ratio + half - 1
    verdict = verdict_of(low, high, more_is_better=False)
    return Change("energy_j", old.value, new.value, ratio - 1, low, high, True, verdict, *bounds, detail=source)
