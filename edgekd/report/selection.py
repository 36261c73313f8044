"""Which rows are worth showing in detail: the teacher, the recommended variant and the fronts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekd.report.model import Section
    from edgekd.report.recommendation import Recommendation
    from edgekd.report.table import Table


def selected(section: Section) -> list[str]:
    """Return the names of the rows worth showing in detail, in the order of the table."""
    return select(section.table, section.recommendation, section.fronts)


def select(table: Table, recommendation: Recommendation | None, fronts: dict[str, list[str]]) -> list[str]:
    """Return the reference teacher, the recommended variant and all rows on a front, in the order of the table."""
    wanted = {name for names in fronts.values() for name in names}
    if table.reference is not None:
        wanted.add(table.reference.name)
    if recommendation is not None:
        wanted.add(recommendation.variant)
    return [row.name for row in table.rows if row.name in wanted]
