"""``edgekd compare``: what changed between two sets of results."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from edgekd.cli.common import print_json, stderr_console, stdout_console

if TYPE_CHECKING:
    from edgekd.analysis.compare import FolderComparison


class Format(str, Enum):
    """How a comparison is written."""

    TERMINAL = "terminal"
    MARKDOWN = "md"
    JSON = "json"


SUFFIXES = {".md": Format.MARKDOWN, ".json": Format.JSON}


def register(app: Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel="Measure")(compare)


def compare(
    before: Annotated[
        Path, Argument(metavar="OLD", help="Result file, folder of results, or --benchmark-json file: before.")
    ],
    after: Annotated[Path, Argument(metavar="NEW", help="The same after the change.")],
    allow_different_machine: Annotated[
        bool, Option("--allow-different-machine", help="Compare although the machines differ.")
    ] = False,
    form: Annotated[
        Format | None,
        Option(
            "--format", help="terminal; md, for a pull request, 60 lines at most; json. By --out's ending if given."
        ),
    ] = None,
    out: Annotated[
        Path | None, Option("--out", metavar="FILE", dir_okay=False, help="Write it here (.md, .json).")
    ] = None,
    as_json: Annotated[bool, Option("--json", help="Short for --format json.")] = False,
) -> None:
    """Show what changed between two results or two folders of results, the most important first.

    It judges nothing: for a decision with an exit code, 'edgekd gate' measures both sides in turns.
    """
    from edgekd.analysis.benchmark_json import is_benchmark_json
    from edgekd.analysis.compare import compare_sets
    from edgekd.report.load import load_results

    chosen = _chosen(form, out, as_json=as_json)
    if is_benchmark_json(before) or is_benchmark_json(after):
        found = _compare_benchmarks(before, after, allow_different_machine)
    else:
        old, new = load_results([before]), load_results([after])
        found = compare_sets(old, new, allow_different_machine=allow_different_machine)
    if out is not None:
        _write(found, chosen, out)
        stderr_console().print(f"Wrote {out}", highlight=False, markup=False, soft_wrap=True)
    else:
        _show(found, chosen)


def _chosen(form: Format | None, out: Path | None, *, as_json: bool) -> Format:
    """Return the wanted format.

    Raises:
        ConfigError: when the options contradict one another, or a file's format is not known.
    """
    from edgekd.errors import ConfigError

    if as_json and form not in (None, Format.JSON):
        raise ConfigError(f"--json and --format {form.value if form else ''} contradict each other.", hint="Give one.")
    if as_json:
        form = Format.JSON
    if out is None:
        return form or Format.TERMINAL
    found = form or SUFFIXES.get(out.suffix.lower())
    if found is None or found is Format.TERMINAL:
        raise ConfigError(
            f"Cannot tell how to write '{out}'.",
            hint="Name the file NAME.md or NAME.json, or add --format md or --format json.",
        )
    return found


def _write(found: FolderComparison, form: Format, out: Path) -> None:
    from edgekd.artifacts import write_json_atomic, write_text_atomic
    from edgekd.report.comparison import comparison_json
    from edgekd.report.comparison_markdown import comparison_markdown

    if form is Format.JSON:
        write_json_atomic(out, comparison_json(found))
    else:
        write_text_atomic(out, comparison_markdown(found))


def _show(found: FolderComparison, form: Format) -> None:
    import sys

    from edgekd.report.comparison import comparison_json
    from edgekd.report.comparison_markdown import comparison_markdown
    from edgekd.report.comparison_terminal import render_comparison

    if form is Format.JSON:
        print_json(comparison_json(found))
    elif form is Format.MARKDOWN:
        sys.stdout.write(comparison_markdown(found))
    else:
        console = stdout_console()
        for part in render_comparison(found):
            console.print(part, highlight=False)


def _compare_benchmarks(before: Path, after: Path, allow_different_machine: bool) -> FolderComparison:
    """Compare two files of pytest-benchmark."""
    from edgekd.analysis.benchmark_changes import compare_benchmarks
    from edgekd.analysis.benchmark_json import load_benchmark_json
    from edgekd.gate.latency import UNPAIRED_DRIFT

    old, new = load_benchmark_json(before), load_benchmark_json(after)
    return compare_benchmarks(old, new, drift=UNPAIRED_DRIFT, allow_different_machine=allow_different_machine)
