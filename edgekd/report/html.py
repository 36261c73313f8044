"""One self-contained HTML page: inline style and pictures, no script, no network."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.errors import MissingExtra
from edgekd.report import charts, estimates
from edgekd.report.evidence import LEGEND
from edgekd.report.findings import TITLE as FINDINGS_TITLE
from edgekd.report.findings import finding_lines
from edgekd.report.jinja import html_template
from edgekd.report.ladders import KEY as LADDER_KEY
from edgekd.report.ladders import TITLE as LADDER_TITLE
from edgekd.report.ladders import verdict
from edgekd.report.proofs import HEADINGS, KEY, TITLE

if TYPE_CHECKING:
    from edgekd.report.cells import Column
    from edgekd.report.model import Report, Section

COSTS = {"p50_s": "latency", "size_bytes": "size"}
# Colours of the pictures -> variables of the page, which has a light and a dark value for each.
PALETTE = [
    (charts.PAPER, "paper"),
    (charts.INK, "ink"),
    (charts.MUTED, "muted"),
    (charts.GRID, "grid"),
    *((colour, kind) for kind, colour in charts.KIND_COLOURS.items()),
    *((colour, f"other-{i}") for i, colour in enumerate(charts.OTHER_COLOURS, start=1)),
]


@dataclass(frozen=True)
class Picture:
    """A drawn plot."""

    column: str
    caption: str
    svg: str


@dataclass(frozen=True)
class View:
    """What the template needs of a section beyond the section itself."""

    section: Section
    plots: list[Picture]
    score: str  # name of the score that decides
    plots_missing: str
    groups: list[tuple[str, list[Column]]]
    evidence: str
    dropped: frozenset[str]
    tones: dict[str, str]


def pictures(section: Section) -> list[Picture]:
    """Draw the plots of a section.

    Raises:
        MissingExtra: without the packages of the ``report`` extra.
    """
    try:
        drawn = [(column, charts.pareto_svg(section, column)) for column in COSTS]
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "altair", "report") from error
    score = _capital(charts.score_name(section))
    return [Picture(column, f"{score} against {COSTS[column]}", svg) for column, svg in drawn if svg is not None]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _view(section: Section, plots: list[Picture]) -> View:
    labels = {row.evidence for row in section.table.rows}
    names = dict(PALETTE)
    kinds = [row.result.kind for row in section.table.rows]
    return View(
        section=section,
        plots=plots,
        score=charts.score_name(section),
        plots_missing="" if plots else f"Too few variants with {charts.score_name(section)} and latency for a picture.",
        groups=[(g, list(columns)) for g, columns in groupby(section.table.columns, lambda c: c.group)],
        evidence=labels.pop() if len(labels) == 1 else "see each row",
        dropped=frozenset(d.variant for d in section.decisions if not d.kept),
        tones={kind: names[colour] for kind, colour in charts.colours(kinds).items()},
    )


def to_html(report: Report, drawn: dict[str, list[Picture]]) -> str:
    """Write the page.

    Args:
        report: what to show.
        drawn: the pictures of each section, by section name.

    Raises:
        MissingExtra: without the packages of the ``report`` extra.
    """
    return html_template(Path(__file__).parent).render(  # type: ignore[no-any-return]
        report=report,
        views=[_view(section, drawn.get(section.name, [])) for section in report.sections],
        legend=[(label.value, meaning) for label, meaning in LEGEND.items()],
        palette=PALETTE,
        proof_title=TITLE,
        proof_headings=HEADINGS,
        proof_key=KEY,
        ladder_title=LADDER_TITLE,
        ladder_key=LADDER_KEY,
        verdict=verdict,
        estimates=estimates,
        findings_title=FINDINGS_TITLE,
        finding_lines=finding_lines,
        facts=[(key, str(value)) for key, value in report.run.items() if key != "commands"],
    )
