"""``edgekd explain``: which words an answer rests on, the student beside its teacher."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from edgekd.cli.common import print_json, stderr_console, stdout_console
from edgekd.errors import ConfigError, DataError

if TYPE_CHECKING:
    from edgekd.explain.explainer import Explainer, FaithfulnessReport, TextExplanation

MAX_TEXTS = 200


def register(app: Typer) -> None:
    """Add the commands of this module to the app."""
    app.command(rich_help_panel="Use")(explain)


def explain(
    bundle: Annotated[Path, Argument(help="Bundle folder.", show_default=False)],
    texts: Annotated[list[str] | None, Argument(metavar="[TEXT]...", help="Texts; without any, stdin is read.")] = None,
    file: Annotated[Path | None, Option("--file", "-f", help="Read texts from a file, one a line.")] = None,
    teacher: Annotated[
        Path | None, Option(help="Bundle to show beside it.", show_default="teacher-fp32 in the same folder, if there")
    ] = None,
    no_teacher: Annotated[bool, Option("--no-teacher", help="Show the bundle alone.")] = False,
    label: Annotated[str | None, Option(help="Explain this label.", show_default="what the bundle chooses")] = None,
    tokens: Annotated[bool, Option("--tokens", help="Explain tokens instead of whole words.")] = False,
    html: Annotated[Path | None, Option("--html", metavar="OUT.html", help="Write an HTML page.")] = None,
    faithfulness: Annotated[
        str | None,
        Option("--faithfulness", metavar="DATA", help="Measure over texts; 'run': the test split of the run folder."),
    ] = None,
    text_column: Annotated[str | None, Option(help="Column of the text in DATA; recognised if not given.")] = None,
    max_texts: Annotated[int, Option(min=1, help="Texts explained and measured, at most.")] = MAX_TEXTS,
    threads: Annotated[int, Option(min=1, help="Threads of the runtime.")] = 1,
    as_json: Annotated[bool, Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Show what each word contributes to the answer of a bundle, beside its teacher. Needs no torch.

    A word is left out by deleting its tokens; the contributions of a linear student are exact parts of its logits.
    """
    if texts and file:
        raise ConfigError("Give texts or --file, not both.")
    if teacher is not None and no_teacher:
        raise ConfigError("Give --teacher or --no-teacher, not both.")
    if html is not None:
        from edgekd.explain.html import check_extra, to_html

        if html.is_dir():
            raise ConfigError(f"--html '{html}' is a folder.", hint=f"Name a file, for example '{html}/explain.html'.")
        check_extra(pictures=faithfulness is not None)
    explainer = _open(bundle, teacher, no_teacher=no_teacher, threads=threads, tokens=tokens)
    explained = [explainer.explain(text, label) for text in _texts(texts, file, max_texts, optional=bool(faithfulness))]
    report = _measure(explainer, faithfulness, bundle, text_column, max_texts) if faithfulness else None
    if as_json:
        from edgekd.explain.export import to_json_value

        print_json(to_json_value(explainer, explained, report))
    else:
        _print(explainer, explained, report)
    if html is not None:
        from edgekd.artifacts import write_text_atomic

        write_text_atomic(html, to_html(explainer, explained, report))
        stderr_console().print(f"Wrote {html}", highlight=False, soft_wrap=True, markup=False)


def _open(bundle: Path, teacher: Path | None, *, no_teacher: bool, threads: int, tokens: bool) -> Explainer:
    from edgekd.bundle import load_bundle
    from edgekd.explain.explainer import Explainer
    from edgekd.explain.model import ExplainedModel
    from edgekd.explain.sources import find_teacher

    opened = load_bundle(bundle)
    beside = None if no_teacher else find_teacher(bundle, teacher)
    return Explainer(
        ExplainedModel(opened, threads),
        ExplainedModel(beside, threads) if beside is not None else None,
        by_token=tokens,
    )


def _texts(texts: list[str] | None, file: Path | None, most: int, *, optional: bool) -> list[str]:
    """Return the texts to explain; blank lines of a file or of stdin are passed over."""
    if texts:
        from edgekd.cli.texts import check_unicode

        check_unicode(texts)
        return texts
    if file is None and optional:
        return []
    from edgekd.cli.texts import read_lines

    lines = (line for line in read_lines(file) if line.strip())
    found = list(islice(lines, most))
    if not found:
        raise DataError(f"{f'{str(file)!r}' if file else 'stdin'} has no text.", hint="Give one text a line.")
    if next(lines, None) is not None:
        _say(f"Only the first {most:,} texts are explained; raise --max-texts for more.")
    return found


def _measure(explainer: Explainer, source: str, bundle: Path, text_column: str | None, most: int) -> FaithfulnessReport:
    from edgekd.cli.progress import ConsoleProgress
    from edgekd.explain.sources import evaluation_texts, sample

    there = evaluation_texts(source, bundle, text_column=text_column)
    chosen = sample(there, most)
    if len(chosen) < len(there):
        _say(f"Measuring with {len(chosen):,} of {len(there):,} texts, drawn with a seed; raise --max-texts for more.")
    return explainer.faithfulness(chosen, ConsoleProgress())


def _print(explainer: Explainer, texts: list[TextExplanation], report: FaithfulnessReport | None) -> None:
    from edgekd.explain.terminal import render_faithfulness, render_method, render_text

    console = stdout_console()
    colour = console.color_system is not None and not console.no_color
    parts = [part for text in texts for part in render_text(explainer, text, colour=colour)]
    parts += render_method(explainer, texts) if texts else []
    parts += render_faithfulness(report, explainer.models[0].task.kind) if report is not None else []
    for part in parts:
        console.print(part, highlight=False)


def _say(message: str) -> None:
    stderr_console().print(message, style="dim", highlight=False, soft_wrap=True)
    sys.stderr.flush()
