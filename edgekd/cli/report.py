"""``edgekd report``: result files as a page, as Markdown, as tables and as pictures."""

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
    """Add the command to the app."""
    app.command(rich_help_panel="Measure")(report)


def report(
    results: Results,
    out: Annotated[Path, Option("--out", metavar="DIR", help="Where the report goes.")] = Path("report"),
    formats: Annotated[
        str, Option("--format", metavar="LIST", help="Comma-separated: html, md, csv, json, svg, png, bencher.")
    ] = "html,md,csv,json",
    title: Annotated[str, Option("--title", help="Heading of the report.")] = "edgekd report",
    picture_url: Annotated[
        str,
        Option(
            "--picture-url", metavar="URL", help="Where report.md finds its pictures when it is posted as a comment."
        ),
    ] = "",
    data: Annotated[
        str | None,
        Option(
            "--data",
            "-d",
            help="Texts that were measured with, to show the worst answers; results hold none.",
            show_default="test split of the run folder",
        ),
    ] = None,
    text_column: Annotated[str | None, Option(help="Column of the text; recognised if not given.")] = None,
    label_column: Annotated[str | None, Option(help="Column of the label; recognised if not given.")] = None,
    no_texts: Annotated[bool, Option("--no-texts", help="Show no text of the data.")] = False,
    devices: Annotated[Path | None, Option(help="Your own profiles, for their budgets: a YAML file or folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Turn result files into a table, an HTML page, Markdown, CSV and JSON.

    The page shows some of the texts that a variant answers otherwise than the teacher; --no-texts leaves them out.
    """
    from edgekd.devices import load_profiles
    from edgekd.errors import ConfigError
    from edgekd.report.commands import reproduce
    from edgekd.report.export import to_json_value
    from edgekd.report.find_texts import find_texts, run_folder_of
    from edgekd.report.load import decisions_beside, load_results
    from edgekd.report.model import build_report
    from edgekd.report.terminal import render_terminal
    from edgekd.report.texts import LEFT_OUT, Texts
    from edgekd.report.write import check_formats, write_report

    wanted = [name.strip() for name in formats.split(",") if name.strip()]
    check_formats(wanted)
    columns = {"--text-column": text_column, "--label-column": label_column}
    if data is not None and no_texts:
        raise ConfigError("--data gives the texts and --no-texts leaves them out.", hint="Give one of the two.")
    if data is None and (given := [name for name, value in columns.items() if value is not None]):
        raise ConfigError(f"{given[0]} is about the file of --data, which is not given.", hint="Add --data FILE.")
    loaded = load_results(results)
    texts = (
        Texts(note=LEFT_OUT)
        if no_texts
        else find_texts(loaded, results, data, text_column=text_column, label_column=label_column)
    )
    built = build_report(
        loaded,
        decisions=decisions_beside(results),
        title=title,
        profiles=load_profiles(devices),
        texts=texts,
    )
    built = reproduce(built, run_folder_of(results), results, out)
    written = write_report(built, out, wanted, picture_url=picture_url)
    if as_json:
        print_json(to_json_value(built))
    else:
        console = stdout_console()
        for part in render_terminal(built):
            console.print(part, highlight=False)
    _say_what_was_written(written)


def _say_what_was_written(written: Written) -> None:
    from rich.markup import escape

    console = stderr_console()
    for file in written.files:
        console.print(f"Wrote {escape(str(file))}", highlight=False, soft_wrap=True)
    for reason in written.skipped:
        console.print(f"[yellow]{escape(reason)}[/]", highlight=False, soft_wrap=True)
