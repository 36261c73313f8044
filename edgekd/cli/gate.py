"""``edgekd gate``: what must hold, to an exit code."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekd.cli.common import output_format, print_json, stdout_console
from edgekd.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from edgekd.gate.records import GateReport, GateRun, Outcome

Candidate = Annotated[
    Path | None,
    typer.Argument(
        help="Bundle folder, packed bundle, result file or --benchmark-json file to judge.",
        show_default="the candidates of edgekd.gate.yaml",
    ),
]
Baseline = Annotated[
    Path | None,
    typer.Option(
        "--baseline",
        "-b",
        metavar="PATH",
        help="What to compare with: a bundle, which is measured now in turns with the candidate, a result file, or a "
        "record of benchmarks/baselines.",
        show_default="the newest in benchmarks/baselines",
    ),
]
Require = Annotated[
    list[str] | None,
    typer.Option(
        "--require",
        "-r",
        metavar="RULE",
        help="What must hold, for instance 'p95<20ms', 'p50<+3%', 'accuracy>-0.5pt'; repeatable. A sign or %: against "
        "the baseline.",
        show_default="the target's budgets; against a baseline p95<+5%, accuracy>-1pt, size<+5%",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="What to judge.", show_default="edgekd.gate.yaml, if there"),
]
NoConfig = Annotated[bool, typer.Option("--no-config", help="Do not read edgekd.gate.yaml.")]
Target = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        "-t",
        help="Device profile or alias; repeatable. Without CANDIDATE: which targets of the file.",
        show_default="the candidate's; all of the file",
    ),
]
NoProfileBudgets = Annotated[
    bool, typer.Option("--no-profile-budgets", help="Leave out the budgets of the target's profile.")
]
ReportOnly = Annotated[
    bool | None,
    typer.Option(
        "--report-only/--no-report-only",
        help="Exit code 0 whatever the verdict, for a first week.",
        show_default="what the file says, else no",
    ),
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
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout; short for --format json.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="What is printed on stdout: text, json, or bencher (Bencher Metric Format).",
        show_default="text",
    ),
]
Annotate = Annotated[
    bool | None,
    typer.Option(
        "--annotate/--no-annotate",
        help="Print annotations of GitHub Actions on stderr.",
        show_default="only where GITHUB_ACTIONS is true",
    ),
]
MaxSeconds = Annotated[
    float | None,
    typer.Option(min=1.0, help="Time limit of the latency measurement of a target.", show_default="60"),
]
Margin = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="How far beyond its limit a change of latency must be to fail; files of one model may differ.",
        show_default="0.5%",
    ),
]
SelfTest = Annotated[
    bool, typer.Option("--self-test", help="Measure the candidate against itself: can this machine judge?")
]
Seed = Annotated[int, typer.Option(min=0, help="Order of texts and turns.")]

RAW = {"paired", "alone", "baseline_alone", "candidate_predictions", "baseline_predictions"}


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.command(rich_help_panel="Measure")(gate)


def gate(
    candidate: Candidate = None,
    baseline: Baseline = None,
    require: Require = None,
    target: Target = None,
    config: Config = None,
    no_config: NoConfig = False,
    data: Data = None,
    out: Out = None,
    junit: Junit = None,
    markdown: Markdown = None,
    as_json: Json = False,
    output: Format = None,
    annotate: Annotate = None,
    report_only: ReportOnly = None,
    no_profile_budgets: NoProfileBudgets = False,
    max_seconds: MaxSeconds = None,
    margin: Margin = None,
    self_test: SelfTest = False,
    devices: Devices = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    seed: Seed = 0,
) -> None:
    """Judge candidates: exit code 0 pass, 1 a rule does not hold, 2 wrong usage, 3 cannot tell.

    Rules say what must hold. Metrics: p50, p90, p95, p99, size, peak_rss, load_time, instructions. Quality: accuracy,
    macro_f1, agreement; multi-label: macro_f1, micro_f1, subset_accuracy, agreement; regression: pearson, mae, rmse.

    Latency is decided by an interval: baseline and candidate take turns on the same texts until the interval is clear
    of the limit or the time is up. Size, instructions and quality are plain comparisons on the same texts.
    """
    from edgekd.cli.progress import ConsoleProgress
    from edgekd.gate.bencher import gate_bencher
    from edgekd.gate.config import find_config
    from edgekd.gate.github import gate_annotations
    from edgekd.gate.jobs import Flags, jobs_of
    from edgekd.gate.run import run_gates

    _check_files(out, junit, markdown)
    shown = output_format(output, as_json=as_json)
    flags = Flags(
        candidate=candidate,
        baseline=baseline,
        require=tuple(require or ()),
        targets=tuple(target or ()),
        profile_budgets=not no_profile_budgets,
        report_only=report_only,
        self_test=self_test,
        devices=devices,
        data=data,
        text_column=text_column,
        label_column=label_column,
        max_seconds=max_seconds,
        margin=margin,
        seed=seed,
    )
    if no_config and config is not None:
        raise ConfigError("--config and --no-config exclude each other.")
    jobs = jobs_of(flags, None if no_config else find_config(config))
    run = run_gates(jobs, ConsoleProgress(), out)
    # Files first: whatever happens to the terminal, they are kept.
    _write_files(run, junit, markdown)
    if shown == "json":
        print_json(run.model_dump(mode="json", exclude={"gates": {"__all__": RAW}}))
    elif shown == "bencher":
        print_json(gate_bencher(run))
    else:
        _print(run)
    if os.environ.get("GITHUB_ACTIONS") == "true" if annotate is None else annotate:
        # The runner reads stderr too, and stdout may be a file of JSON.
        sys.stderr.write("".join(f"{line}\n" for line in gate_annotations(run)))
    raise typer.Exit(run.exit_code)


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


def _write_files(run: GateRun, junit: Path | None, markdown: Path | None) -> None:
    from edgekd.artifacts import write_text_atomic
    from edgekd.gate.junit import gate_junit
    from edgekd.gate.markdown import gate_markdown

    if junit:
        write_text_atomic(junit, gate_junit(run))
    text = gate_markdown(run)
    if markdown:
        write_text_atomic(markdown, text)
    _append_summary(text)


def _print(run: GateRun) -> None:
    from rich.markup import escape

    from edgekd.gate.words import overall_line, report_only_line

    console = stdout_console()
    for number, report in enumerate(run.gates):
        if number:
            console.print()
        _print_gate(report, console)
    if len(run.gates) > 1:
        console.print(f"\n[{_style(run.verdict)}]{escape(overall_line(run))}[/]", highlight=False, soft_wrap=True)
    if run.report_only:
        console.print(f"[bold yellow]{escape(report_only_line(run))}[/]", highlight=False, soft_wrap=True)


def _style(outcome: Outcome) -> str:
    return {"pass": "green", "fail": "bold red"}.get(outcome.value, "bold yellow")


def _print_gate(report: GateReport, console: Console) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    from edgekd.gate.words import COLUMNS, facts, headline, reason_line, rows_of

    def say(line: str, style: str = "none") -> None:
        console.print(escape(line), highlight=False, soft_wrap=True, style=style)

    for line in [*facts(report), *report.notes]:
        say(line)
    rows = rows_of(report)
    if rows:
        table = Table(box=SIMPLE_HEAD)
        for column in COLUMNS:
            numbers = column in ("baseline", "candidate")
            table.add_column(column, justify="right" if numbers else "left", overflow="fold")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row.cells), style=_style(row.outcome))
        console.print(table)
    for row in rows:
        if row.outcome.value != "pass":
            say(reason_line(row))
    say(headline(report), _style(report.verdict))
    if report.advice:
        say(report.advice)
