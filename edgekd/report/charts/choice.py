"""Which variants a picture of few shows, what they are called, and where their numbers come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.analysis.gain_words import METRIC_NAMES
from edgekd.report.table import columns_of
from edgekd.results import Evidence
from edgekd.tasks import MAIN_METRIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.model import Section
    from edgekd.report.table import Row

FEW = 6  # curves in one plot that can still be told apart


def score_name(section: Section) -> str:
    """Return the name of the score that decides."""
    return METRIC_NAMES[MAIN_METRIC[section.table.task]]


def headings(section: Section) -> dict[str, str]:
    """Return the heading of each column of the table."""
    return {column.key: column.heading for column in columns_of(section.table.task)}


def capital(text: str) -> str:
    """Return a text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def recommended(section: Section) -> str | None:
    """Return the name of the variant to ship, where there is one."""
    return section.recommendation.variant if section.recommendation else None


def chosen(section: Section, rows: Sequence[Row], *, most: int = FEW) -> list[Row]:
    """Return ``most`` rows at most, in the order of the table.

    Who comes first: the reference teacher, the recommended variant, the ends of the front of latency and what lies
    between them, the same of the front of size, the rest.
    """
    reference = section.table.reference
    names = [reference.name] if reference else []
    names += [name for name in (recommended(section),) if name]
    for front in section.fronts.values():
        names += spread(front)
    names += [row.name for row in rows]
    known = {row.name for row in rows}
    wanted = [name for name in dict.fromkeys(names) if name in known][:most]
    return [row for row in rows if row.name in wanted]


def spread(names: Sequence[str]) -> list[str]:
    """Return names so that the first few stand for all: the last, the first, then those in the middle of the gaps."""
    if len(names) <= 2:
        return list(reversed(names))
    found, gaps = [len(names) - 1, 0], [(0, len(names) - 1)]
    while gaps:
        low, high = gaps.pop(0)
        middle = (low + high) // 2
        if middle > low:
            found.append(middle)
            gaps += [(low, middle), (middle, high)]
    return [names[i] for i in found]


def left_out(shown: Sequence[Row], rows: Sequence[Row]) -> str:
    """Say how many variants a picture leaves out; empty when none."""
    missing = len(rows) - len(shown)
    if not missing:
        return ""
    return f"{missing} further variant{'s are' if missing > 1 else ' is'} not drawn; the table has all."


def evidence_note(section: Section, rows: Sequence[Row], *, what: str = "") -> str:
    """Name the evidence where numbers are not measurements of this target; empty where they are.

    Args:
        section: whose target is meant.
        rows: what is drawn.
        what: the quantities that depend on the machine, where the picture has others too.
    """
    if section.on_target:
        return ""
    found = {row.result.evidence for row in rows}
    if found == {Evidence.DEVICE}:
        return ""
    if found == {Evidence.HOST}:
        measured = f"{capital(what)} were measured" if what else "Measured"
        return f"{measured} on another machine ({rows[0].result.machine.cpu_model}), not on {section.target}."
    if found == {Evidence.EMULATED}:
        return f"From an emulator, not from {section.target}."
    return f"Not all was measured on {section.target}: the label of each row of the table says where."


def sentences(*parts: str) -> str:
    """Join what is not empty."""
    return " ".join(part for part in parts if part)
