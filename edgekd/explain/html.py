"""One self-contained HTML page: inline style and pictures, no script, no network."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd import __version__, units
from edgekd.errors import MissingExtra
from edgekd.explain import chart
from edgekd.explain.sentences import (
    agreement_words,
    answer_words,
    cut_sentence,
    faithfulness_words,
    figure,
    interval,
    methods,
    quantity,
    report_notes,
    score_sentence,
)
from edgekd.explain.terminal import FAINT, FLOOR, printable, strengths
from edgekd.report import charts
from edgekd.report.evidence import LEGEND
from edgekd.report.jinja import html_template
from edgekd.results import Evidence
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.explain.contributions import Contributions
    from edgekd.explain.explainer import Explainer, FaithfulnessReport, TextExplanation, View

DEEPEST = 0.55  # opacity of the largest contribution's colour; letters stay readable on it in light and dark
PALETTE = [
    (charts.PAPER, "paper"),
    (charts.INK, "ink"),
    (charts.MUTED, "muted"),
    (charts.GRID, "grid"),
    (chart.EXPLAINED, "for-line"),
]


@dataclass(frozen=True)
class Piece:
    """A stretch of the text: a word with its contribution, or what stands between words."""

    text: str
    is_word: bool
    tone: str = ""  # "for", "against" or "unread"
    depth: float = 0.0  # opacity of the background
    number: str = ""  # written below the word where it matters
    tip: str = ""


@dataclass(frozen=True)
class Row:
    """The text as one model sees it."""

    model: str
    answer: str
    pieces: list[Piece]
    facts: str


@dataclass(frozen=True)
class Block:
    """One explained label of one text."""

    label: str
    rows: list[Row]
    agreement: str
    cuts: list[str]


def _tip(word: str, value: float, without: float, kind: TaskKind) -> str:
    rest = "value" if kind is TaskKind.REGRESSION else "probability"
    added = f"{units.contribution(value, 3)} {quantity(kind)}"
    return f"{word}: {added}; {rest} without the word {units.probability(without)}"


def pieces(found: TextExplanation, model: Contributions, kind: TaskKind) -> list[Piece]:
    """Cut a text into words and what stands between them."""
    result: list[Piece] = []
    end = 0
    rows = zip(found.words, model.values, model.without, strengths(model), strict=True)
    for word, value, without, strength in rows:
        if word.start > end:
            result.append(Piece(printable(found.text[end : word.start]), is_word=False))
        text = printable(word.text)
        if value is None or without is None:
            result.append(Piece(text, is_word=True, tone="unread", tip=f"{text}: not read by this model"))
        else:
            result.append(
                Piece(
                    text,
                    is_word=True,
                    tone="for" if strength > 0 else "against",
                    depth=round(DEEPEST * abs(strength), 3),
                    number=units.contribution(value) if abs(strength) >= FAINT else "",
                    tip=_tip(text, value, without, kind),
                )
            )
        end = word.end
    if end < len(found.text):
        result.append(Piece(printable(found.text[end:]), is_word=False))
    return result


def _facts(view: View, model: Contributions, kind: TaskKind) -> str:
    score = f"{quantity(kind)} {units.contribution(model.score, 3)}"
    return score if model.base is None else f"{score} = base {units.contribution(model.base, 3)} + the sum of the words"


def blocks(found: TextExplanation, kind: TaskKind) -> list[Block]:
    """Return what the page shows of a text."""
    cuts = [sentence for view in found.views if (sentence := cut_sentence(view))]
    return [
        Block(
            label=item.label,
            rows=[
                Row(view.model, answer_words(view, item.label, kind), pieces(found, m, kind), _facts(view, m, kind))
                for view, m in zip(found.views, item.models, strict=True)
            ],
            agreement=agreement_words(item.agreement) if len(item.models) > 1 else "",
            cuts=cuts,
        )
        for item in found.explanations
    ]


def check_extra(*, pictures: bool) -> None:
    """Find out before a long measurement whether the page can be written.

    Raises:
        MissingExtra: without the packages of the ``report`` extra.
    """
    try:
        for package in ("jinja2", "vl_convert") if pictures else ("jinja2",):
            import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "jinja2", "report") from error


def to_html(explainer: Explainer, texts: Sequence[TextExplanation], report: FaithfulnessReport | None) -> str:
    """Write the page.

    Raises:
        MissingExtra: without the packages of the ``report`` extra.
    """
    check_extra(pictures=report is not None)
    task = explainer.models[0].task
    axis = "distance from the value of no words" if task.kind is TaskKind.REGRESSION else "probability of the label"
    y_range = chart.bounds(report.models) if report else (0.0, 1.0)
    pictures = [(m.model, chart.curve_svg(m, axis, y_range)) for m in report.models] if report else []
    pairs = [(v.model, c) for t in texts for e in t.explanations for v, c in zip(t.views, e.models, strict=True)]
    return html_template(Path(__file__).parent).render(  # type: ignore[no-any-return]
        version=__version__,
        models=explainer.models,
        unit="token" if explainer.by_token else "word",
        texts=[blocks(found, task.kind) for found in texts],
        methods=[*methods(task.kind, pairs), *([score_sentence(task.kind, len(task.labels))] if pairs else [])],
        evidence=(Evidence.HOST.value, LEGEND[Evidence.HOST]),
        report=report,
        verdicts=[faithfulness_words(figures, task.kind) for figures in report.models] if report else [],
        notes=report_notes(report) if report else [],
        pictures=pictures,
        orders=(chart.BY_CONTRIBUTION, chart.RANDOM),
        palette=PALETTE,
        floor=None if task.kind is TaskKind.REGRESSION else FLOOR,
        figure=figure,
        interval=interval,
    )
