"""What the HTML page needs of a section beyond the section itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Generic, TypeVar

from edgekd import units
from edgekd.report import charts, confusion, gists
from edgekd.report.estimates import estimate_rows
from edgekd.report.page_pictures import picture_groups
from edgekd.tasks import MAIN_METRIC, TaskKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.report.cells import Column
    from edgekd.report.charts import Picture
    from edgekd.report.confusion import Confusion
    from edgekd.report.estimates import EstimateRow
    from edgekd.report.flips import Flip
    from edgekd.report.lineage import Lineage
    from edgekd.report.model import Section
    from edgekd.report.page_pictures import PictureGroup
    from edgekd.report.scenarios import Part
    from edgekd.report.table import Row

T = TypeVar("T")
# Columns that are shown before a reader asks for all of them, besides the score that decides.
MAIN_COLUMNS = ("speed_up", "p50_s", "p95_s", "peak_rss_bytes", "size_bytes")
FACETS = {"kind": "Kind", "precision": "Precision", "evidence": "Evidence"}
HEAT_LEVELS = 8


@dataclass(frozen=True)
class Tile:
    """A main number of the recommended variant."""

    heading: str
    text: str
    interval: str


@dataclass(frozen=True)
class Facet:
    """A property of the rows that a reader can filter by."""

    key: str
    title: str
    choices: list[str]


@dataclass(frozen=True)
class HeatCell:
    """A cell of a confusion matrix: texts, share of its row, and how strongly it is coloured (0 to HEAT_LEVELS)."""

    text: str
    share: str
    level: int
    right: bool


@dataclass(frozen=True)
class Heat:
    """A confusion as it is shown; ``rows`` is empty where it has no matrix."""

    confusion: Confusion
    rows: list[list[HeatCell]]
    gist: str


@dataclass(frozen=True)
class FlipGroup:
    """The flips of one variant."""

    variant: str
    flips: list[Flip]


@dataclass(frozen=True)
class Split(Generic[T]):
    """What is shown at once, and what is folded away because there are many variants."""

    first: list[T]
    others: list[T]

    def __bool__(self) -> bool:
        return bool(self.first or self.others)


@dataclass(frozen=True)
class View:
    """One section as the templates read it."""

    section: Section
    anchor: str  # id of the section; those of its parts begin with it
    evidence: str
    groups: list[tuple[str, list[Column]]]
    main_columns: frozenset[str]
    facets: list[Facet]
    front: frozenset[str]
    dropped: frozenset[str]
    tones: dict[str, str]  # kind -> variable of the page
    kinds: list[tuple[str, str]]  # kind and variable, in the order of the table
    tone: str  # of the recommended variant
    tiles: list[Tile]
    pareto_title: str
    pareto: list[Picture]
    plots_missing: str
    gain_pictures: list[Picture]
    calibration_pictures: list[Picture]
    picture_groups: list[PictureGroup]
    parts: list[tuple[Part, str]]  # with their gists; without those that joined a picture
    lineage: Split[Lineage]
    confusions: Split[Heat]
    confusion_title: str
    has_matrix: bool
    flips: list[FlipGroup]
    estimates: list[EstimateRow]
    gists: dict[str, str]


def view_of(section: Section, drawn: Sequence[Picture], anchor: str) -> View:
    """Prepare a section.

    Args:
        section: what to show.
        drawn: its pictures.
        anchor: id of the section on the page.
    """
    rows = section.table.rows
    labels = {row.evidence for row in rows}
    names = dict(charts.PALETTE)
    tones = {kind: names[colour] for kind, colour in charts.colours([row.result.kind for row in rows]).items()}
    chosen = _recommended(section)
    score = charts.score_name(section)
    pareto = [picture for picture in drawn if picture.group == "pareto"]
    groups = picture_groups(section, drawn)
    joined = [group.part for group in groups if group.part]
    variant = chosen.name if chosen else None
    return View(
        section=section,
        anchor=anchor,
        evidence=labels.pop() if len(labels) == 1 else "see each row",
        groups=[(g, list(columns)) for g, columns in groupby(section.table.columns, lambda c: c.group)],
        main_columns=frozenset({*MAIN_COLUMNS, MAIN_METRIC[section.table.task]}),
        facets=_facets(rows),
        front=frozenset(name for found in section.fronts.values() for name in found),
        dropped=frozenset(d.variant for d in section.decisions if not d.kept),
        tones=tones,
        kinds=list(tones.items()),
        tone=tones[chosen.result.kind] if chosen else "muted",
        tiles=_tiles(section, chosen),
        pareto_title=f"What {score} costs",
        pareto=pareto,
        plots_missing="" if pareto else f"Too few variants with {score} and latency for a picture.",
        gain_pictures=[picture for picture in drawn if picture.group == "gain"],
        calibration_pictures=[picture for picture in drawn if picture.group == "calibration"],
        picture_groups=groups,
        parts=[(part, gists.part_gist(part, variant)) for part in section.scenarios if part not in joined],
        lineage=_split(section, section.lineage, lambda each: each.variant),
        confusions=_split(section, [_heat(each) for each in section.confusions], lambda h: h.confusion.variant),
        confusion_title=confusion.TITLE if section.table.task is not TaskKind.REGRESSION else "Where are the errors?",
        has_matrix=any(each.counts for each in section.confusions),
        flips=_flips(section),
        estimates=estimate_rows(section.table),
        gists=gists.gists(section),
    )


def _recommended(section: Section) -> Row | None:
    name = section.recommendation.variant if section.recommendation else None
    return next((row for row in section.table.rows if row.name == name), None)


def _tiles(section: Section, chosen: Row | None) -> list[Tile]:
    if chosen is None:
        return []
    keys = (MAIN_METRIC[section.table.task], *MAIN_COLUMNS)
    headings = {column.key: column.heading for column in section.table.columns}
    found = [(headings[key], chosen.cells[key]) for key in keys]
    return [Tile(heading, cell.text, cell.interval) for heading, cell in found if not cell.missing]


def _facets(rows: Sequence[Row]) -> list[Facet]:
    values = {
        "kind": dict.fromkeys(row.result.kind for row in rows),
        "precision": dict.fromkeys(row.result.precision for row in rows),
        "evidence": dict.fromkeys(row.evidence for row in rows),
    }
    return [Facet(key, title, list(values[key])) for key, title in FACETS.items() if len(values[key]) > 1]


def _split(section: Section, each: Sequence[T], name: Callable[[T], str]) -> Split[T]:
    """Show the teacher and the recommended variant at once; all, where there are few."""
    reference = section.table.reference
    first = {reference.name if reference else "", section.recommendation.variant if section.recommendation else ""}
    if len(each) <= len(first) + 1 or not any(name(one) in first for one in each):
        return Split(list(each), [])
    return Split([one for one in each if name(one) in first], [one for one in each if name(one) not in first])


def _heat(found: Confusion) -> Heat:
    rows = []
    for i, counts in enumerate(found.counts):
        total = sum(counts)
        shares = [count / total if total else 0.0 for count in counts]
        rows.append(
            [
                HeatCell(f"{count:,}", units.percent(share), round(HEAT_LEVELS * share), i == j)
                for j, (count, share) in enumerate(zip(counts, shares, strict=True))
            ]
        )
    return Heat(found, rows, gists.confusion_gist(found))


def _flips(section: Section) -> list[FlipGroup]:
    """Return the flips by variant, the recommended one first."""
    chosen = section.recommendation.variant if section.recommendation else ""
    names = sorted(dict.fromkeys(flip.variant for flip in section.flips), key=lambda name: name != chosen)
    return [FlipGroup(name, [flip for flip in section.flips if flip.variant == name]) for name in names]
