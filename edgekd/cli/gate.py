"""``edgekd gate``: budgets and regressions to an exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekd.cli.common import print_json, stdout_console
from edgekd.errors import EXIT_INVALID, ConfigError, EdgekdError

if TYPE_CHECKING:
    from edgekd.gate.records import GateReport

Candidate = Annotated[Path, typer.Argument(help="Bundle folder or result file to judge.", show_default=False)]
Baseline = Annotated[
    Path | None,
    typer.Option(
        "--baseline",
        "-b",
        metavar="BUNDLE_OR_RESULT",
        help="What to compare with. A bundle is measured now, in turns with the candidate.",
    ),
]
FailIf = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-if",
        metavar="RULE",
        help="METRIC>LIMIT or METRIC<LIMIT; repeatable. % or a sign: against the baseline.",
        show_default="p95>5%, accuracy<-1pt (multi-label: macro_f1<-1pt, regression: pearson<-0.01), size>5%",
    ),
]
Target = Annotated[
    str | None,
    typer.Option("--target", "-t", help="Device profile or alias.", show_default="the candidate's"),
]
Devices = Annotated[Path | None, typer.Option("--devices", help="Your own profiles: a YAML file or folder.")]
Data = Annotated[
    str | None,
    typer.Option("--data", "-d", help="Labelled texts to measure with.", show_default="test split of the bundle's run"),
]
TextColumn = Annotated[str | None, typer.Option(help="Column of the text; recognised if not given.")]
LabelColumn = Annotated[str | None, typer.Option(help="Column of the label; recognised if not given.")]
Junit = Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML.")]
Markdown = Annotated[Path | None, typer.Option(metavar="FILE", help="Write a Markdown summary.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Write all of it as JSON, raw samples too."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
MaxSeconds = Annotated[float, typer.Option(min=1.0, help="Time limit of the latency measurement.")]
SelfTest = Annotated[
    bool, typer.Option("--self-test", help="Measure the candidate against itself: can this machine judge?")
]
Seed = Annotated[int, typer.Option(min=0, help="Order of texts and turns.")]

RAW = {"paired", "alone", "baseline_alone", "candidate_predictions", "baseline_predictions"}


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.command(rich_help_panel="Measure")(gate)


def gate(
    candidate: Candidate,
    baseline: Baseline = None,
    fail_if: FailIf = None,
    target: Target = None,
    data: Data = None,
    out: Out = None,
    junit: Junit = None,
    markdown: Markdown = None,
    as_json: Json = False,
    max_seconds: MaxSeconds = 60.0,
    self_test: SelfTest = False,
    devices: Devices = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    seed: Seed = 0,
) -> None:
    """Judge a candidate: exit code 0 pass, 1 a rule is broken, 2 wrong usage, 3 cannot tell.

    Latency is decided by an interval: baseline and candidate take turns on the same texts until the interval
    is clear of the limit or the time is up. Size and quality are plain comparisons on the same texts. Quality is
    accuracy, macro_f1, agreement; multi-label: macro_f1, micro_f1, subset_accuracy, agreement; regression: pearson,
    mae, rmse.
    """
    from edgekd.cli.progress import ConsoleProgress
    from edgekd.gate.job import GateJob
    from edgekd.gate.run import run_gate

    _check_files(out, junit, markdown)
    job = GateJob(
        candidate=candidate,
        baseline=baseline,
        rules=tuple(fail_if or ()),
        target=target,
        devices=devices,
        data=data,
        text_column=text_column,
        label_column=label_column,
        max_seconds=max_seconds,
        self_test=self_test,
        seed=seed,
    )
    try:
        report = run_gate(job, ConsoleProgress())
    except EdgekdError as error:
        if error.exit_code == EXIT_INVALID:
            _write_problem(error, junit, markdown)
        raise
    # Files first: whatever happens to the terminal, the samples are kept.
    _write_files(report, out, junit, markdown)
    if as_json:
        print_json(report.model_dump(mode="json", exclude=RAW))
    else:
        _print(report)
    raise typer.Exit(report.verdict.exit_code)


def _check_files(*paths: Path | None) -> None:
    """Find out before measuring that a file cannot be written.

    Raises:
        ConfigError: when one is a folder, or two are the same.
        OSError: when its folder cannot be made or written.
    """
    given = [path for path in paths if path is not None]
    if len({path.resolve() for path in given}) < len(given):
        raise ConfigError("--out, --junit and --markdown must be different files.")
    for path in given:
        if path.is_dir():
            raise ConfigError(f"'{path}' is a folder; give the name of a file.")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(13, "Permission denied", str(path))


def _append_summary(text: str) -> None:
    """Add to the job summary where the CI system names a file for it."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")


def _write_files(report: GateReport, out: Path | None, junit: Path | None, markdown: Path | None) -> None:
    from edgekd.artifacts import write_text_atomic
    from edgekd.gate.junit import gate_junit
    from edgekd.gate.markdown import gate_markdown

    if out:
        write_text_atomic(out, report.model_dump_json() + "\n")
    if junit:
        write_text_atomic(junit, gate_junit(report))
    text = gate_markdown(report)
    if markdown:
        write_text_atomic(markdown, text)
    _append_summary(text)


def _write_problem(error: EdgekdError, junit: Path | None, markdown: Path | None) -> None:
    """Leave a trace in the files that CI reads when nothing could be judged."""
    from edgekd.artifacts import write_text_atomic
    from edgekd.gate.junit import problem_junit
    from edgekd.gate.markdown import problem_markdown

    if junit:
        write_text_atomic(junit, problem_junit(error.message, error.hint))
    text = problem_markdown(error.message, error.hint)
    if markdown:
        write_text_atomic(markdown, text)
    _append_summary(text)


def _print(report: GateReport) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    from edgekd.gate.records import Outcome
    from edgekd.gate.words import COLUMNS, facts, headline, rows_of

    styles = {Outcome.PASS: "green", Outcome.FAIL: "bold red"}
    console = stdout_console()
    for line in [*facts(report), *report.notes]:
        console.print(escape(line), highlight=False, soft_wrap=True)
    table = Table(box=SIMPLE_HEAD)
    for number, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if number in (1, 2) else "left")
    rows = rows_of(report)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row.cells), style=styles.get(row.outcome, "yellow"))
    console.print(table)
    for row in rows:
        if row.outcome is not Outcome.PASS:
            reason = row.reason
            text = f"{row.rule}: measured {reason.measured}; wanted {reason.wanted}. {reason.advice}".rstrip()
            console.print(escape(text), highlight=False, soft_wrap=True)
    style = styles.get(report.verdict, "bold yellow")
    console.print(f"[{style}]{escape(headline(report))}[/]", highlight=False, soft_wrap=True)
