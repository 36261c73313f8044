"""``edgekd calibrate``: scale estimates by what was measured on a board of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from edgekd.cli.common import print_json, stderr_console, stdout_console

if TYPE_CHECKING:
    from edgekd.estimate.calibration import Calibration

Results = Annotated[
    list[Path],
    Argument(metavar="RESULT_OR_FOLDER...", help="Measured on the board with --estimate; files, or folders of them."),
]
Out = Annotated[
    Path | None,
    Option("--out", "-o", metavar="FILE", help="Where the factors are kept.", show_default="your own settings"),
]
AsJson = Annotated[bool, Option("--json", help="Print JSON on stdout.")]


def register(app: Typer) -> None:
    """Add the commands of this module to the app."""
    app.command(rich_help_panel="Measure")(calibrate)


def calibrate(results: Results, out: Out = None, as_json: AsJson = False) -> None:
    """Compare a board's measured latencies with its estimates, and scale later estimates by the difference.

    What the file says of other boards stays. 'edgekd bench --estimate' uses your own file, or the one of --calibration.
    """
    from edgekd.estimate.calibrate import calibrate as compute
    from edgekd.estimate.calibration import Calibrations, default_path, read_calibrations, write_calibrations
    from edgekd.report.load import load_results

    path = out or default_path()
    kept = read_calibrations(path) if path.exists() else Calibrations()
    found = compute(load_results(results))
    write_calibrations(path, kept.updated(found))
    if as_json:
        print_json([calibration.model_dump(mode="json") for calibration in found])
    else:
        _print(found)
    stderr_console().print(f"Calibration: {path}", highlight=False, soft_wrap=True, markup=False)


def _print(found: list[Calibration]) -> None:
    from edgekd.report.estimates import calibration_sentences, calibration_table

    console = stdout_console()
    for calibration in found:
        console.print(calibration_table(calibration))
        for sentence in calibration_sentences(calibration):
            console.print(sentence, highlight=False, markup=False)
