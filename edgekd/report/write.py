"""Write a report into a folder, in all formats; those whose packages are missing are skipped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgekd.artifacts import write_json_atomic, write_text_atomic
from edgekd.errors import MissingExtra, unknown_name
from edgekd.report.export import to_csv, to_decisions_csv, to_json_value
from edgekd.report.html import pictures, to_html
from edgekd.report.markdown import to_markdown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.report.html import Picture
    from edgekd.report.model import Report

FORMATS = ("html", "md", "csv", "json")


@dataclass
class Written:
    """What was written, and what was not and why."""

    files: list[Path] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def check_formats(formats: Sequence[str]) -> None:
    """Reject an unknown format.

    Raises:
        ConfigError: naming the formats there are.
    """
    for name in formats:
        if name not in FORMATS:
            raise unknown_name("report format", name, FORMATS, hint="Example: --format html,md")


def write_report(report: Report, folder: Path, formats: Sequence[str] = FORMATS) -> Written:
    """Write ``report.html``, ``report.md`` with its pictures, ``report.csv``, ``report.json`` and ``decisions.csv``.

    HTML and pictures need the ``report`` extra; without it they are left out and the reason is returned.

    Raises:
        ConfigError: for an unknown format.
    """
    check_formats(formats)
    written = Written()
    if "json" in formats:
        write_json_atomic(folder / "report.json", to_json_value(report))
        written.files.append(folder / "report.json")
    if "csv" in formats:
        write_text_atomic(folder / "report.csv", to_csv(report))
        written.files.append(folder / "report.csv")
        if any(section.decisions for section in report.sections):
            write_text_atomic(folder / "decisions.csv", to_decisions_csv(report))
            written.files.append(folder / "decisions.csv")
    drawn = _draw(report, written) if {"html", "md"} & set(formats) else {}
    if "md" in formats:
        _write_markdown(report, folder, drawn, written)
    if "html" in formats:
        _write_html(report, folder, drawn, written)
    return written


def _draw(report: Report, written: Written) -> dict[str, list[Picture]]:
    try:
        return {section.name: pictures(section) for section in report.sections}
    except MissingExtra as error:
        written.skipped.append(f"Pictures were skipped. {error.message} {error.hint}")
        return {}


def _write_markdown(report: Report, folder: Path, drawn: dict[str, list[Picture]], written: Written) -> None:
    links: dict[str, list[tuple[str, str]]] = {}
    for name, plots in drawn.items():
        for plot in plots:
            file = folder / f"{name}-{plot.column.partition('_')[0]}.svg"
            write_text_atomic(file, plot.svg)
            written.files.append(file)
            links.setdefault(name, []).append((plot.caption, file.name))
    write_text_atomic(folder / "report.md", to_markdown(report, links))
    written.files.append(folder / "report.md")


def _write_html(report: Report, folder: Path, drawn: dict[str, list[Picture]], written: Written) -> None:
    try:
        page = to_html(report, drawn)
    except MissingExtra as error:
        written.skipped.append(f"HTML was skipped. {error.message} {error.hint}")
        return
    write_text_atomic(folder / "report.html", page)
    written.files.append(folder / "report.html")
