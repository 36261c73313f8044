"""``edgekd bench``: measure bundles and the teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option, Typer

from edgekd.cli.common import print_json, stderr_console, stdout_console

Bundles = Annotated[
    list[Path] | None,
    Argument(metavar="[BUNDLE]...", help="Bundle folders, measured in turns.", show_default=False),
]
Target = Annotated[
    str | None,
    Option("--target", "-t", help="Device profile or alias: gives the threads.", show_default="the bundles'"),
]
Data = Annotated[
    str | None,
    Option("--data", "-d", help="Labelled texts to measure with.", show_default="test split of the run"),
]
WarmUp = Annotated[
    str | None,
    Option(help="Other texts, to warm up with.", show_default="training split of the run, or held-out texts"),
]


def register(app: Typer) -> None:
    """Add the commands of this module to the app."""
    app.command(rich_help_panel="Measure")(bench)


def bench(
    bundles: Bundles = None,
    target: Target = None,
    data: Data = None,
    out: Annotated[Path, Option("--out", "-o", help="Folder for the result files.")] = Path("results"),
    teacher: Annotated[Path | None, Option(help="Teacher: a Hugging Face folder (needs torch) or a bundle.")] = None,
    warm_up_data: WarmUp = None,
    max_texts: Annotated[int | None, Option(min=1, help="Time so many texts.", show_default="all")] = None,
    passes: Annotated[int, Option(min=1, help="How often each text is timed.")] = 2,
    max_seconds: Annotated[float, Option(min=0.1, help="Time limit of the timing.")] = 120.0,
    seed: Annotated[int, Option(min=0, help="Order of texts and variants.")] = 0,
    devices: Annotated[Path | None, Option(help="Your own profiles: a YAML file or folder.")] = None,
    text_column: Annotated[str | None, Option(help="Column of the text; recognised if not given.")] = None,
    label_column: Annotated[str | None, Option(help="Column of the label; recognised if not given.")] = None,
    as_json: Annotated[bool, Option("--json", help="Print the table as JSON on stdout.")] = False,
) -> None:
    """Measure latency, memory, load time, size and quality of all variants, in turns on the same texts.

    Latency runs from text in to answer out, one text at a time, each variant in a process of its own. The data must
    be of the bundles' task: one label a text, several joined with "|", or a number.
    """
    from edgekd.bench.job import BenchJob, run_job
    from edgekd.cli.progress import ConsoleProgress
    from edgekd.config import BenchConfig
    from edgekd.report.export import to_json_value
    from edgekd.report.model import build_report
    from edgekd.report.terminal import render_terminal

    config = BenchConfig(passes=passes, max_texts=max_texts, max_seconds=max_seconds, seed=seed)
    job = BenchJob(
        bundles=tuple(bundles or ()),
        teacher=teacher,
        target=target,
        devices=devices,
        data=data,
        warm_up_data=warm_up_data,
        text_column=text_column,
        label_column=label_column,
        out=out,
        config=config,
    )
    results = run_job(job, ConsoleProgress())
    report = build_report(results, title="edgekd bench")
    if as_json:
        print_json(to_json_value(report))
    else:
        console = stdout_console()
        for part in render_terminal(report):
            console.print(part, highlight=False)
    stderr_console().print(f"Results: {out}", highlight=False, soft_wrap=True, markup=False)
