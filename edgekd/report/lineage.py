"""What each variant was made from: teacher, labels, student, compression, export, quantization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekd import units

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from edgekd.provenance import LineageStep
    from edgekd.report.table import Row

TITLE = "What it was made from"
KEY = "Each step with the hash of what it produced; equal hashes are the same files."
HEADINGS = ("step", "name", "hash", "details")
HASH_DIGITS = 12
# Settings of a step on a graph that tell something, and what writes them; False and None are not told.
_SETTINGS: dict[str, Callable[[float], str]] = {
    "block": "blocks of {}".format,
    "calibration_texts": "{:,} calibration texts".format,
    "per_channel": "per channel".format,
    "share": units.rough_percent,
    "bits": "{} bits".format,
}
_TOLD = {"words", "key", "steps", "vocabulary", "rounds", "recovery", "flavour", "plan"}


@dataclass(frozen=True)
class LineageRow:
    """One step."""

    step: str  # "teacher", "labels", "student", "vocabulary", "prune", "export", "graph"...
    name: str
    hash: str  # its first digits
    details: str  # what tells something: vocabulary kept, pruned share, calibration texts


@dataclass(frozen=True)
class Lineage:
    """All steps of one variant, in their order."""

    variant: str  # name of a row
    steps: list[LineageRow]


def lineages(rows: Sequence[Row], names: Collection[str]) -> list[Lineage]:
    """Return the steps of the named rows, as far as they were recorded."""
    return [
        Lineage(row.name, [_row(step) for step in row.result.lineage])
        for row in rows
        if row.name in names and row.result.lineage
    ]


def path(steps: Sequence[LineageStep]) -> str:
    """Write the way from the teacher to a variant on one line: the student by its name, a graph by what changed it."""
    return " \u2192 ".join(word for step in steps for word in _stations(step))


def _stations(step: LineageStep) -> list[str]:
    if step.step == "student":
        return [step.name]
    inner = step.details.get("steps")
    found = [one.get("step") for one in inner if isinstance(one, dict)] if isinstance(inner, list) else []
    return [name for name in found if isinstance(name, str)] or [step.step]


def _row(step: LineageStep) -> LineageRow:
    return LineageRow(step.step, step.name, step.hash[:HASH_DIGITS], details_text(step.details))


def details_text(details: dict[str, Any]) -> str:
    """Write what is known of a step; what has no words here, as a plain value.

    The details come from a file: nothing is taken for granted about their types.
    """
    parts = [_vocabulary(details["vocabulary"])] if isinstance(details.get("vocabulary"), dict) else []
    if not parts and isinstance(details.get("words"), str):
        parts.append(details["words"].strip().rstrip("."))
    steps = details.get("steps")
    parts += [_graph_step(step) for step in steps] if isinstance(steps, list) else []
    parts += [_flavour(details["flavour"])] if isinstance(details.get("flavour"), dict) else []
    parts += [f"trained again on {texts:,} texts" for texts in _recoveries(details)]
    parts += [
        f"{value:,} {key}" if key == "texts" and isinstance(value, int) else f"{key} {value}"
        for key, value in details.items()
        if key not in _TOLD and isinstance(value, str | int | float) and not isinstance(value, bool)
    ]
    return "; ".join(part for part in parts if part)


def _vocabulary(found: dict[str, Any]) -> str:
    before, after = found.get("before"), found.get("after")
    if not isinstance(before, int) or not isinstance(after, int) or before <= 0:
        return ""
    told = f"{after:,} of {before:,} tokens kept ({units.percent(after / before)})"
    splits = found.get("splits")
    for name, counts in splits.items() if isinstance(splits, dict) else ():
        unknown, tokens = (
            (counts.get("unknown_after"), counts.get("tokens_after")) if isinstance(counts, dict) else (0, 0)
        )
        if name == "test" and isinstance(unknown, int) and isinstance(tokens, int) and tokens > 0:
            told += f", {unknown:,} of {tokens:,} tokens of the test texts unknown"
    return told


def _graph_step(step: Any) -> str:
    if not isinstance(step, dict):
        return str(step)
    settings = []
    for name, write in _SETTINGS.items():
        value = step.get(name)
        if isinstance(value, int | float) and value:
            settings.append(write(value))
    return str(step.get("step", "step")) + (f" ({', '.join(settings)})" if settings else "")


def _flavour(flavour: dict[str, Any]) -> str:
    activation, weight = flavour.get("activation"), flavour.get("weight")
    return f"{activation} activations, {weight} weights" if activation and weight else ""


def _recoveries(details: dict[str, Any]) -> Iterator[int]:
    """Yield of how many texts each training after the step was."""
    found = details.get("recovery")
    rounds = details.get("rounds")
    records = found if isinstance(found, list) else []
    records = (
        [*records, *(one.get("recovery") for one in rounds if isinstance(one, dict))]
        if isinstance(rounds, list)
        else records
    )
    for record in records:
        texts = record.get("texts") if isinstance(record, dict) else None
        if isinstance(texts, int):
            yield texts
