"""A comparison in words: each change in the units of its metric, the summary, what else is not the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgekd.analysis.change import Verdict, importance
from edgekd.report.cells import of_change, of_metric
from edgekd.report.table import columns_of
from edgekd.tasks import TaskKind
from edgekd.units import BLANK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgekd.analysis.change import Change
    from edgekd.analysis.compare import Comparison, FolderComparison
    from edgekd.analysis.compare_sides import Side
    from edgekd.report.cells import Cell

SCHEMA_VERSION = 2
COLUMNS = ("", "before", "after", "change", "95 % interval", "verdict")
HEADINGS = {column.key: column.heading for task in TaskKind for column in columns_of(task)} | {
    "instructions": "instructions",
    "energy_j": "energy",
}
NAMES_SHOWN = 12


@dataclass(frozen=True)
class ChangeRow:
    """One change as text, in the order of :data:`COLUMNS`."""

    change: Change
    before: Cell
    after: Cell
    difference: Cell

    @property
    def heading(self) -> str:
        """Name of the quantity, and of what it is."""
        name = HEADINGS[self.change.metric]
        return f"{name} ({self.change.detail})" if self.change.detail else name

    @property
    def cells(self) -> tuple[str, ...]:
        """All columns."""
        interval = self.difference.interval or BLANK
        verdict = self.change.verdict.value
        return (self.heading, self.before.text, self.after.text, self.difference.text, interval, verdict)

    @property
    def words(self) -> str:
        """All on one line: "p50 +20.0 % [+18.1 to +22.0], 5.00 ms to 6.00 ms"."""
        interval = f" [{self.difference.interval}]" if self.difference.interval else ""
        return f"{self.heading} {self.difference.text}{interval}, {self.before.text} to {self.after.text}"


def row_of(change: Change) -> ChangeRow:
    """Write one change."""
    sides = (change.before, change.before_bounds), (change.after, change.after_bounds)
    before, after = (of_metric(change.metric, value, *(bounds or (None, None))) for value, bounds in sides)
    difference = of_change(change.metric, change.change, change.low, change.high, relative=change.relative)
    return ChangeRow(change, before, after, difference)


def ranked(comparison: FolderComparison) -> list[tuple[Comparison, ChangeRow]]:
    """Return the changes of all pairs, the most important first."""
    found = [(pair, change) for pair in comparison.pairs for change in pair.changes]
    return [(pair, row_of(change)) for pair, change in sorted(found, key=lambda item: importance(item[1]))]


def counts_words(comparison: FolderComparison) -> str:
    """Say how many numbers ended how: "2 worse, 1 better, 5 same, 3 cannot tell"."""
    return ", ".join(f"{count} {verdict.value}" for verdict, count in comparison.counts.items())


def summary(comparison: FolderComparison) -> list[str]:
    """Say how many numbers changed, and the worst change and the best."""
    pairs = comparison.pairs
    what = "variant" if all(pair.before for pair in pairs) else "test"
    numbers = sum(comparison.counts.values())
    told = [
        f"{len(pairs)} {what}{'s' if len(pairs) != 1 else ''}, {numbers} number{'s' if numbers != 1 else ''}: "
        f"{counts_words(comparison)}."
    ]
    rows = ranked(comparison)
    worst = next(((pair, row) for pair, row in rows if row.change.verdict is Verdict.WORSE), None)
    best = next(((pair, row) for pair, row in rows if row.change.verdict is Verdict.BETTER), None)
    told += [f"Worst: {name_of(worst[0], pairs)}: {worst[1].words}."] if worst else ["Nothing is proven worse."]
    return told + ([f"Best: {name_of(best[0], pairs)}: {best[1].words}."] if best else [])


def name_of(pair: Comparison, pairs: Sequence[Comparison]) -> str:
    """Name a pair; with the target where there are several."""
    several = len({other.target for other in pairs}) > 1
    name = pair.variant
    if pair.before is not None and pair.before.variant != pair.variant:
        name = f"{pair.variant} (was {pair.before.variant})"
    return f"{name} on {pair.target}" if several and pair.target else name


def sides(comparison: FolderComparison) -> list[str]:
    """Say of each side what its numbers rest on, once for all variants that share it."""
    told = []
    for label, found in (
        ("Before", [pair.before for pair in comparison.pairs]),
        ("After", [pair.after for pair in comparison.pairs]),
    ):
        known = [side for side in found if side is not None]
        if known:
            told.append(f"{label}: {'; '.join(_group(known))}.")
    return told


def _group(sides: Sequence[Side]) -> list[str]:
    groups: dict[tuple[str, str], list[str]] = {}
    for side in sides:
        groups.setdefault((side.evidence, side.machine), []).append(side.measured_at)
    return [
        f"{evidence}, {machine}, measured {min(times)}{'' if min(times) == max(times) else f' to {max(times)}'}"
        for (evidence, machine), times in groups.items()
    ]


def machine_words(comparison: FolderComparison) -> str:
    """Name what else is not the same on both sides, libraries by version; empty when nothing is."""
    found = dict.fromkeys(f"{c.what} {c.before} -> {c.after}" for pair in comparison.pairs for c in pair.machine)
    return f"Not the same on both sides: {', '.join(found)}." if found else ""


def answers(comparison: FolderComparison) -> list[str]:
    """Say how many texts are answered differently now, which equal scores may hide."""
    told, same = [], []
    for pair in comparison.pairs:
        flips, name = pair.flips, name_of(pair, comparison.pairs)
        if flips is None:
            continue
        if not flips.changed:
            same.append(name)
            continue
        known = flips.broken is not None and flips.fixed is not None
        how = f": {flips.broken:,} were right and are wrong now, {flips.fixed:,} the other way" if known else ""
        told.append(f"{name} answers {flips.changed:,} of {flips.texts:,} texts differently{how}.")
    return told + ([f"Every answer is the same: {listed(same)}."] if same else [])


def same_bundles(comparison: FolderComparison) -> str:
    """Say which variants are the same file on both sides: what changed there is not the model."""
    names = [
        name_of(pair, comparison.pairs)
        for pair in comparison.pairs
        if pair.before and pair.after and pair.before.artifact_hash == pair.after.artifact_hash
    ]
    return f"The same bundle on both sides, so that no change comes from the model: {listed(names)}." if names else ""


def parity_words(comparison: FolderComparison) -> list[str]:
    """Say where the exported graph follows its trained model otherwise than before."""
    told = []
    for pair in comparison.pairs:
        old, new = (side.parity if side else None for side in (pair.before, pair.after))
        if old is None or new is None or (old.label_flips, old.texts) == (new.label_flips, new.texts):
            continue
        told.append(
            f"{name_of(pair, comparison.pairs)}: the exported graph answers {old.label_flips:,} of {old.texts:,} texts "
            f"otherwise than the trained model before, {new.label_flips:,} of {new.texts:,} after."
        )
    return told


def only_words(comparison: FolderComparison) -> list[str]:
    """Name what appeared and what disappeared."""
    both = (("Only before", comparison.only_before), ("Only after", comparison.only_after))
    return [f"{where}: {listed(names)}." for where, names in both if names]


def refused(comparison: FolderComparison) -> list[str]:
    """Say which variants of both sides were not compared, and why, once for all that share a reason."""
    reasons: dict[str, list[str]] = {}
    for each in comparison.refused:
        reasons.setdefault(f"{each.reason} {each.advice}".rstrip(), []).append(each.name)
    return [f"Not compared: {listed(names)}: {reason}" for reason, names in reasons.items()]


def warnings(comparison: FolderComparison) -> list[str]:
    """Return what was not compared, then each warning once."""
    return [
        *refused(comparison),
        *dict.fromkeys(warning for pair in comparison.pairs for warning in pair.warnings),
    ]


def listed(names: Iterable[str]) -> str:
    """List names, and say how many more there are."""
    found = list(names)
    more = f" and {len(found) - NAMES_SHOWN} more" if len(found) > NAMES_SHOWN else ""
    return ", ".join(found[:NAMES_SHOWN]) + more


def comparison_json(comparison: FolderComparison) -> dict[str, Any]:
    """Return the comparison as a JSON-able value: raw numbers in seconds, bytes and shares, and the same as text.

    The keys are described in docs/reports.md.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "counts": {verdict.value: count for verdict, count in comparison.counts.items()},
        "summary": summary(comparison),
        "pairs": [_pair(pair) for pair in comparison.pairs],
        "only_before": comparison.only_before,
        "only_after": comparison.only_after,
        "refused": [asdict(each) for each in comparison.refused],
    }


def _pair(pair: Comparison) -> dict[str, Any]:
    return {
        "variant": pair.variant,
        "target": pair.target,
        "before": _side(pair.before),
        "after": _side(pair.after),
        "changes": [_change(row_of(change)) for change in pair.changes],
        "flips": None if pair.flips is None else asdict(pair.flips),
        "machine": [asdict(change) for change in pair.machine],
        "warnings": pair.warnings,
    }


def _side(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    parity = None if side.parity is None else side.parity.model_dump(mode="json")
    return {**{key: value for key, value in vars(side).items() if key != "parity"}, "parity": parity}


def _change(row: ChangeRow) -> dict[str, Any]:
    facts = asdict(row.change)
    texts = {
        "before": row.before.text,
        "after": row.after.text,
        "change": row.difference.text,
        "interval": row.difference.interval or None,
    }
    return {**facts, "verdict": row.change.verdict.value, "text": texts}
