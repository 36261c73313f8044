"""Explanations for the terminal: coloured words, and a table of the words that matter most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from edgekd import units
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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from edgekd.analysis.estimators import Estimate
    from edgekd.explain.contributions import Contributions
    from edgekd.explain.explainer import Explainer, Explanation, FaithfulnessReport, TextExplanation
    from edgekd.tasks import TaskKind

SHOWN_WORDS = 10
BAR_WIDTH = 10
FAINT = 0.1  # of the largest contribution; below it a word has no colour
FLOOR = 0.1  # log-odds; a word that adds so little moves no probability by more than 2.5 points
# Blue speaks for the label, orange against it: told apart by most people who are colour-blind.
FOR, AGAINST = (9, 105, 218), (188, 76, 0)


def printable(text: str) -> str:
    """Replace control characters, which must not reach the terminal or the page."""
    return "".join(char if char.isprintable() else " " for char in text)


def strengths(found: Contributions) -> list[float]:
    """Return contributions divided by the largest absolute one: from -1 to 1, 0 for words that are not read.

    Log-odds are divided by 0.1 at least, so that a text on which no word matters looks like that.
    """
    floor = 0.0 if found.probability is None else FLOOR
    largest = max(floor, *(abs(value) for value in found.values if value is not None))
    return [0.0 if value is None or largest == 0 else value / largest for value in found.values]


def _style(strength: float) -> str:
    if abs(strength) < FAINT:
        return ""
    red, green, blue = FOR if strength > 0 else AGAINST
    share = 0.35 + 0.65 * abs(strength)  # towards black, so that white letters stay readable
    return f"white on rgb({round(red * share)},{round(green * share)},{round(blue * share)})"


def coloured(found: TextExplanation, model: Contributions, *, colour: bool) -> Text:
    """Return the text with coloured words; without colours the signed contribution stands behind each word."""
    line, end = Text(), 0
    for word, value, strength in zip(found.words, model.values, strengths(model), strict=True):
        line.append(printable(found.text[end : word.start]))
        if value is None:
            line.append(printable(word.text), style="dim strike")
        elif colour:
            line.append(printable(word.text), style=_style(strength))
        else:
            line.append(printable(word.text))
            line.append(f"({units.contribution(value)})" if abs(strength) >= FAINT else "")
        end = word.end
    line.append(printable(found.text[end:]))
    return line


def _bar(value: float | None, strength: float) -> Text:
    if value is None:
        return Text("not read", style="dim")
    red, green, blue = FOR if value > 0 else AGAINST
    text = Text(f"{units.contribution(value, 3):>8} ")
    text.append("\u2588" * round(BAR_WIDTH * abs(strength)), style=f"rgb({red},{green},{blue})")
    return text


def top_words(models: Sequence[Contributions]) -> list[int]:
    """Return the words by their largest share in any model's contributions, the most important first."""
    rows = [strengths(model) for model in models]
    weight = [max(abs(row[word]) for row in rows) for word in range(len(rows[0]))]
    return sorted(range(len(weight)), key=lambda word: (-weight[word], word))


def _table(found: TextExplanation, item: Explanation, kind: TaskKind) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("word", overflow="fold")
    for view in found.views:
        table.add_column(f"{view.model}, {quantity(kind)}", no_wrap=True)
    rows = [strengths(model) for model in item.models]
    for word in top_words(item.models)[:SHOWN_WORDS]:
        bars = [_bar(m.values[word], row[word]) for m, row in zip(item.models, rows, strict=True)]
        table.add_row(printable(found.words[word].text), *bars)
    return table


def _explanation(found: TextExplanation, item: Explanation, kind: TaskKind, *, colour: bool) -> list[RenderableType]:
    lines = Table.grid(padding=(0, 2, 0, 0))
    lines.add_column(no_wrap=True)
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for view, model in zip(found.views, item.models, strict=True):
        answer = answer_words(view, item.label, kind)
        lines.add_row(Text(view.model, style="bold"), Text(answer), coloured(found, model, colour=colour))
    parts: list[RenderableType] = [Text(f"Why {item.label}?", style="bold"), lines, _table(found, item, kind)]
    left = len(found.words) - SHOWN_WORDS
    if left > 0:
        parts.append(Text(f"{left} more word{'s' if left > 1 else ''} with smaller contributions: see --json.", "dim"))
    if len(item.models) > 1:
        parts.append(Text(agreement_words(item.agreement)))
    return parts


def render_text(explainer: Explainer, found: TextExplanation, *, colour: bool) -> list[RenderableType]:
    """Return one text for the terminal."""
    kind = explainer.models[0].task.kind
    parts: list[RenderableType] = []
    for item in found.explanations:
        parts += [*_explanation(found, item, kind, colour=colour), Text("")]
    parts += [Text(cut, style="yellow") for view in found.views if (cut := cut_sentence(view))]
    return parts


def render_method(explainer: Explainer, texts: Sequence[TextExplanation]) -> list[RenderableType]:
    """Return the small print: how contributions were found and what they measure."""
    task = explainer.models[0].task
    pairs = [(v.model, c) for t in texts for e in t.explanations for v, c in zip(t.views, e.models, strict=True)]
    sentences = [*methods(task.kind, pairs), score_sentence(task.kind, len(task.labels))]
    return [Text(sentence, style="dim") for sentence in sentences]


def _cell(estimate: Estimate, *, signed: bool = False) -> Text:
    text = Text(figure(estimate, signed=signed))
    text.append(f"\n{interval(estimate, signed=signed)}", style="dim")
    return text


def _figures(report: FaithfulnessReport, name: str, good: str) -> Table:
    """Build the table of one figure; ``name`` is the field of a share."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("model", overflow="fold")
    table.add_column("words", justify="right", no_wrap=True)
    for heading in (f"{name}\n({good} is good)", "random\norder", "gain"):
        table.add_column(heading, justify="right", no_wrap=True)
    for figures in report.models:
        for share in figures.shares:
            found = [getattr(share, key) for key in (name, f"random_{name}", f"{name}_gain")]
            cells = [_cell(estimate, signed=place == 2) for place, estimate in enumerate(found)]
            table.add_row(figures.model, units.rough_percent(share.share), *cells)
    return table


def render_faithfulness(report: FaithfulnessReport, kind: TaskKind) -> list[RenderableType]:
    """Return the figures, one row for each model and share of words, and what they say in words."""
    sentences = [*(faithfulness_words(figures, kind) for figures in report.models), *report_notes(report)]
    small = "Below each number: its 95 % interval over texts. Gain: against words in a random order."
    return [
        Text("Faithfulness", style="bold"),
        _figures(report, "comprehensiveness", "high"),
        _figures(report, "sufficiency", "low"),
        *(Text(sentence) for sentence in sentences),
        Text(small, style="dim"),
    ]
