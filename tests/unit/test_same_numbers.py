"""The same number reads the same in the page, in Markdown, in the terminal, in a comparison and in a gate."""

from __future__ import annotations

import html
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edgekd import units
from edgekd.analysis.change import Change, Verdict
from edgekd.analysis.compare import FolderComparison, compare
from edgekd.gate import words as gate_words
from edgekd.gate.grammar import Reference
from edgekd.gate.records import Outcome, RuleResult
from edgekd.report import brief
from edgekd.report.cells import of_change, of_metric
from edgekd.report.comparison import comparison_json, row_of
from edgekd.report.comparison_markdown import comparison_markdown
from edgekd.report.comparison_terminal import render_comparison
from edgekd.report.export import to_json_value
from edgekd.report.markdown import to_markdown
from edgekd.report.marks import escape
from edgekd.report.model import build_report
from edgekd.report.terminal import render_terminal
from tests.results import make_result, make_teacher

NAMES = {"p50_s": "p50", "p95_s": "p95", "size_bytes": "size", "accuracy": "accuracy", "peak_rss_bytes": "peak_rss"}
times = st.floats(1e-6, 10.0)
shares = st.floats(0.0, 1.0)


@pytest.fixture(scope="module")
def built():
    results = [make_teacher(), make_result(variant="cnn"), make_result(variant="bag", p50_s=0.00015, accuracy=0.83)]
    return build_report(results, title="t", host_targets={"cpu"}, resamples=50)


def printed(parts, width=240):
    console = Console(width=width, file=io.StringIO(), record=True, color_system=None)
    for part in parts:
        console.print(part)
    return console.export_text()


def shown_cells(built):
    [section] = built.sections
    rows = brief.ranked_rows(section)
    keys = [column.key for column in brief.main_columns(section)]
    return [row.cells[key] for row in rows for key in keys if not row.cells[key].missing]


def test_every_format_of_a_report_has_the_same_texts(built):
    cells = shown_cells(built)
    assert len(cells) > 12
    markdown, terminal = to_markdown(built, {}), printed(render_terminal(built))
    texts = {m["text"] for row in to_json_value(built)["sections"][0]["rows"] for m in row["metrics"].values()}
    for cell in cells:
        assert escape(cell.text) in markdown
        assert escape(cell.interval) in markdown
        assert cell.text in terminal
        assert cell.interval in terminal
        assert cell.text in texts


def test_the_page_has_the_same_texts(built):
    for package in ("jinja2", "vl_convert"):
        pytest.importorskip(package)
    from edgekd.report.html import to_html

    page = html.unescape(re.sub("<[^>]*>", " ", to_html(built, {})))
    for cell in shown_cells(built):
        assert cell.text in page
        assert cell.interval in page


def test_a_comparison_has_the_texts_of_the_report(built):
    [section] = built.sections
    teacher, student = section.table.rows[0].result, section.table.rows[1].result
    pair = compare(teacher, student, resamples=50)
    found = FolderComparison([pair], [], [])
    formats = [printed(render_comparison(found)), comparison_markdown(found), str(comparison_json(found))]
    for change in pair.changes:
        sides = [row.cells[change.metric] for row in section.table.rows[:2]]
        for cell in sides:
            assert all(cell.text in shown or escape(cell.text) in shown for shown in formats)


def rule(metric, reference, value, low, high):
    facts = {"rule": "x", "metric": metric, "reference": reference, "limit": 0.03, "outcome": Outcome.PASS}
    return RuleResult(**facts, baseline=1.0, candidate=1.0, value=value, low=low, high=high, confidence=0.95)


@given(st.floats(-0.9, 3.0), st.floats(0.0, 0.5))
def test_a_relative_change_reads_the_same_in_a_gate_and_in_a_comparison(value, half):
    low, high = value - half, value + half
    change = Change("p50_s", 1.0, 1.0 + value, value, low, high, True, Verdict.UNSURE)
    cell = row_of(change).difference
    assert cell == of_change("p50_s", value, low, high, relative=True)
    told = gate_words.row_of(rule("p50", Reference.PERCENT, value, low, high)).change
    assert told.startswith(f"{cell.text} [95 %: ")
    ends = re.findall(r"[-+]?[\d,]+(?:\.\d+)?(?= %)", told.partition("[95 %: ")[2])
    assert " to ".join(ends) == cell.interval


@given(st.floats(-1.0, 1.0), st.floats(0.0, 0.3))
def test_points_read_the_same_in_a_gate_and_in_a_comparison(value, half):
    cell = of_change("accuracy", value, value - half, value + half, relative=False)
    told = gate_words.row_of(rule("accuracy", Reference.DIFFERENCE, value, value - half, value + half)).change
    assert told.startswith(f"{cell.text} [95 %: ")


@pytest.mark.parametrize("key", sorted(NAMES))
@given(value=st.floats(1e-3, 1.0))
def test_a_plain_value_reads_the_same_in_a_gate_and_in_a_report(key, value):
    scaled = value * 1e9 if key.endswith("_bytes") else value
    told = gate_words.row_of(
        rule(NAMES[key], Reference.ABSOLUTE, scaled, None, None).model_copy(update={"candidate": scaled})
    )
    assert told.candidate == of_metric(key, scaled).text


# Digits follow the interval


@given(times, st.floats(1e-4, 0.5))
def test_a_value_shows_two_digits_of_its_uncertainty_at_most_three_of_itself(value, spread):
    text = units.duration(value, value * (1 - spread), value * (1 + spread)).split()[0].replace(",", "")
    digits = len(text.replace(".", "").lstrip("0"))
    assert digits <= 3 or "." not in text
    interval = units.duration_interval(value, value * (1 - spread), value * (1 + spread))
    places = {len(end.partition(".")[2]) for end in interval.replace(",", "").split(" to ")}
    assert places == {len(text.partition(".")[2])}


@given(st.floats(-0.5, 0.5), st.floats(0.0, 0.2), st.floats(0.0, 0.2))
def test_an_end_that_is_not_zero_never_looks_like_zero(value, below, above):
    low, high = value - below, value + above
    for text in (units.relative_interval(low, high), units.points_interval(low, high)):
        for end, shown in zip((low, high), text.replace(",", "").split(" to "), strict=True):
            if abs(end) > 1e-6:
                assert float(shown) != 0
                assert (float(shown) > 0) == (end > 0)


@pytest.mark.parametrize(
    ("value", "low", "high", "text", "interval"),
    [
        (0.2, 0.08, 0.32, "+20 %", "+8 to +32"),
        (0.0231, 0.0213, 0.0249, "+2.31 %", "+2.13 to +2.49"),
        (0.02, 0.0004, 0.0396, "+2.00 %", "+0.04 to +3.96"),
        (0.2, None, None, "+20.0 %", ""),
        (0.00011, None, None, "+0.011 %", ""),
        (0.0, None, None, "0.0 %", ""),
    ],
)
def test_relative_changes_by_hand(value, low, high, text, interval):
    cell = of_change("p50_s", value, low, high, relative=True)
    assert (cell.text, cell.interval) == (text, interval)


@pytest.mark.parametrize(
    ("change", "edge", "told"),
    [
        ((-0.005, -0.0102, 0.0002), -0.01, ("-0.50 points", "-1.02 to +0.02")),
        ((0.019, 0.0009, 0.029), 0.0, ("+1.9 points", "+0.1 to +2.9")),
        ((0.019, 0.0004, 0.029), 0.0, ("+1.90 points", "+0.04 to +2.90")),
        ((0.0, -0.003, 0.003), -0.01, ("0.0 points", "-0.3 to +0.3")),
    ],
)
def test_no_number_looks_like_the_limit_that_it_is_not(change, edge, told):
    assert units.score_change(*change, in_points=True, edge=edge, unit="points") == told
