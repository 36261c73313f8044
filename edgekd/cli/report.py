"""Commands about results: ``edgekd report`` and ``edgekd compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from edgekd.cli.common import print_json, stderr_console, stdout_console

if TYPE_CHECKING:
    from edgekd.report.write import Written

Results = Annotated[
    list[Path], Argument(metavar="RESULT_OR_FOLDER...", help="Result files, or folders that hold them.")
]
AsJson = Annotated[bool, Option("--json", help="Print JSON on stdout.")]


def register(app: Typer) -> None:
    """Add the commands of this module to the app."""
    app.command(rich_help_panel="Measure")(report)
    app.command(rich_help_panel="Measure")(compare)


def report(
    results: Results,
    out: Annotated[Path, Option("--out", metavar="DIR", help="Where the report goes.")] = Path("report"),
    formats: Annotated[
        str, Option("--format", metavar="LIST", help="Comma-separated: html, md, csv, json.")
    ] = "html,md,csv,json",
    title: Annotated[str, Option("--title", help="Heading of the report.")] = "edgekd report",
    as_json: AsJson = False,
) -> None:
    """Turn result files into a table, an HTML page, Markdown, CSV and JSON."""
    from edgekd.report.export import to_json_value
    from edgekd.report.load import decisions_beside, load_results
    from edgekd.report.model import build_report
    from edgekd.report.terminal import render_terminal
    from edgekd.report.write import check_formats, write_report

    wanted = [name.strip() for name in formats.split(",") if name.strip()]
    check_formats(wanted)
    built = build_report(load_results(results), decisions=decisions_beside(results), title=title)
    written = write_report(built, out, wanted)
    if as_json:
        print_json(to_json_value(built))
    else:
        console = stdout_console()
        for part in render_terminal(built):
            console.print(part, highlight=False)
    _say_what_was_written(written)


def compare(
    before: Annotated[Path, Argument(help="Result file or folder: before.")],
    after: Annotated[Path, Argument(help="Result file or folder: after.")],
    allow_different_machine: Annotated[
        bool, Option("--allow-different-machine", help="Compare although the machines differ.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what changed between two results or two folders of results, the most important first."""
    from edgekd.analysis.compare import compare_sets
    from edgekd.report.comparison import comparison_json, render_comparison
    from edgekd.report.load import load_results

    found = compare_sets(load_results([before]), load_results([after]), allow_different_machine=allow_different_machine)
    if as_json:
        print_json(comparison_json(found))
        return
    console = stdout_console()
    for part in render_comparison(found):
        console.print(part, highlight=False)


def _say_what_was_written(written: Written) -> None:
    from rich.markup import escape

    console = stderr_console()
    for file in written.files:
        console.print(f"Wrote {escape(str(file))}", highlight=False, soft_wrap=True)
    for reason in written.skipped:
        console.print(f"[yellow]{escape(reason)}[/]", highlight=False, soft_wrap=True)
