"""Write a report into a folder, in all formats; those whose packages are missing are skipped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from edgekd.artifacts import write_bytes_atomic, write_json_atomic, write_text_atomic
from edgekd.errors import MissingExtra, unknown_name
from edgekd.report.bencher import report_bencher
from edgekd.report.charts import pictures, png_of
from edgekd.report.export import to_json_value
from edgekd.report.export_csv import to_csv, to_decisions_csv
from edgekd.report.html import to_html
from edgekd.report.markdown import to_markdown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.report.charts import Picture
    from edgekd.report.model import Report

FORMATS = ("html", "md", "csv", "json", "svg", "png", "bencher")
DEFAULT_FORMATS = FORMATS[:4]
# What the Markdown shows of a target: the first of these that there is. Under an emulator there is no latency.
LINKED = ("pareto-p50", "pareto-size")


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


def write_report(
    report: Report, folder: Path, formats: Sequence[str] = DEFAULT_FORMATS, *, picture_url: str = ""
) -> Written:
    """Write a report in the wanted formats.

    html: ``report.html``. md: ``report.md``, with the one picture of each target that it shows as SVG and PNG beside
    it. csv: ``report.csv`` and ``decisions.csv``. json: ``report.json``. svg, png: all pictures as files. bencher:
    ``bencher.json``, for ``bencher run``.

    HTML and pictures need the ``report`` extra; without it they are left out and the reason is returned.

    Args:
        report: what to write.
        folder: where; made if need be.
        formats: some of :data:`FORMATS`.
        picture_url: address of the folder in which the Markdown's pictures will lie, for a place that has no files
            beside it, such as a comment on a pull request. Empty: beside ``report.md``.

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
    if "bencher" in formats:
        write_json_atomic(folder / "bencher.json", report_bencher(report))
        written.files.append(folder / "bencher.json")
    drawn = _draw(report, written) if set(formats) - {"csv", "json", "bencher"} else {}
    if "html" in formats:
        _write_html(report, folder, drawn, written)
    files = _write_pictures(folder, drawn, formats, written)
    if "md" in formats:
        base = f"{quote(picture_url.rstrip('/'), safe=':/?&=%+@,;~')}/" if picture_url else ""
        links = {name: [(alt, base + quote(file))] for name, (alt, file) in files.items()}
        names = {file.name for file in written.files}
        beside = [name for name in ("report.html", "report.csv", "report.json") if name in names]
        write_text_atomic(folder / "report.md", to_markdown(report, links, beside))
        written.files.append(folder / "report.md")
    return written


def _draw(report: Report, written: Written) -> dict[str, list[Picture]]:
    try:
        return {section.name: pictures(section) for section in report.sections}
    except MissingExtra as error:
        written.skipped.append(f"Pictures were skipped. {error.message} {error.hint}")
        return {}


def linked_picture(drawn: Sequence[Picture]) -> Picture | None:
    """Return the picture that stands for a target where there is room for one."""
    by_key = {picture.key: picture for picture in drawn}
    return next((by_key[key] for key in LINKED if key in by_key), None)


def _write_pictures(
    folder: Path, drawn: dict[str, list[Picture]], formats: Sequence[str], written: Written
) -> dict[str, tuple[str, str]]:
    """Write ``<section>-<key>.svg`` and ``.png``; return description and file of the linked one of each section."""
    links: dict[str, tuple[str, str]] = {}
    for section, found in drawn.items():
        linked = linked_picture(found) if "md" in formats else None
        for picture in found:
            name = f"{section}-{picture.key}"
            if picture is linked or "svg" in formats:
                write_text_atomic(folder / f"{name}.svg", picture.svg)
                written.files.append(folder / f"{name}.svg")
            if picture is linked or "png" in formats:
                write_bytes_atomic(folder / f"{name}.png", png_of(picture))
                written.files.append(folder / f"{name}.png")
        if linked is not None:
            links[section] = (linked.alt, f"{section}-{linked.key}.svg")
    return links


def _write_html(report: Report, folder: Path, drawn: dict[str, list[Picture]], written: Written) -> None:
    try:
        page = to_html(report, drawn)
    except MissingExtra as error:
        written.skipped.append(f"HTML was skipped. {error.message} {error.hint}")
        return
    write_text_atomic(folder / "report.html", page)
    written.files.append(folder / "report.html")
