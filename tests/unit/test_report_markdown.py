"""The Markdown report: sixty lines at most, whole tables, nothing of the user's read as markup."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.analysis.finding import Finding, Severity
from edgekd.decisions import Decision
from edgekd.report.fit import clip_sentences, fair_shares, short_names, spread, wrap_name
from edgekd.report.markdown import to_markdown
from edgekd.report.marks import escape
from edgekd.report.model import build_report
from edgekd.report.recommendation import Recommendation
from edgekd.results import Evidence
from tests.results import make_result, make_session, make_teacher

EVIL = "<script>alert(1)</script>"
OUR_TAGS = {"<br>", "<sub>", "</sub>", "<details>", "</details>", "<summary>", "</summary>"}
DROPPED = Decision(variant="bag-fp32", target="cpu", kept=False, reason="bag-int8 is smaller.", evidence="host")
text = st.text(max_size=40)


def report(results=None, title="toy", **options):
    return build_report(results or make_session(), title=title, host_targets={"cpu"}, resamples=50, **options)


@cache
def plain():
    return report(decisions=[DROPPED])


def tables(lines):
    """Return the tables of a text, each a list of rows of cells."""
    found, rows = [], []
    for line in [*lines, ""]:
        if line.startswith("| "):
            rows.append(line.removeprefix("| ").removesuffix(" |").split(" | "))
        elif rows:
            found.append(rows)
            rows = []
    return found


def with_rows(section, names):
    """Return a section of as many rows, all on the front."""
    rows = [replace(section.table.rows[i % 6], name=name) for i, name in enumerate(names)]
    fronts = {"p50_s": list(names[::2]), "size_bytes": list(names[1::3])}
    table = replace(section.table, rows=rows, reference=rows[0])
    return replace(section, table=table, fronts=fronts)


@st.composite
def reports(draw):
    words = draw(st.lists(text, min_size=1, max_size=5))
    sections = []
    for number in range(draw(st.sampled_from([1, 2, 3, 4, 9, 70]))):
        names = [f"{words[i % len(words)]}{i}" for i in range(draw(st.sampled_from([1, 2, 15, 40])))]
        severity = draw(st.sampled_from(Severity))
        found = [Finding("throttled", severity, each, each, each or "x") for each in words]
        advice = Recommendation(names[-1], words[0], words * 3)
        section = replace(
            with_rows(plain().sections[0], names),
            name=f"s{number}",
            heading=words[-1],
            statement=f"evidence {number}: {words[0]}",
            on_target=draw(st.booleans()),
            headline=words * draw(st.integers(1, 5)),
            recommendation=draw(st.sampled_from([None, advice])),
            gains=words * draw(st.integers(0, 5)),
            findings=dict.fromkeys(names[:2], found),
        )
        sections.append(section)
    return replace(plain(), title=words[-1], sections=sections, run={"commands": words * draw(st.integers(0, 4))})


@settings(max_examples=25)
@given(reports(), st.booleans())
def test_whatever_comes_in_sixty_lines_and_whole_tables_come_out(built, drawn):
    pictures = {section.name: [("a [picture]", f"{section.name}.svg")] for section in built.sections} if drawn else {}
    lines = to_markdown(built, pictures).splitlines()
    assert len(lines) <= 60
    found = tables(lines)
    assert found
    for rows in found:
        assert len({len(cells) for cells in rows}) == 1
        assert len(rows) >= 2
        assert all(re.fullmatch("-+:?", cell) for cell in rows[1])
    if len(built.sections) <= 2:
        assert all(any(f"evidence {n}:" in line for line in lines) for n in range(len(built.sections)))
        assert len(found) == len(built.sections)
        assert sum(".svg" in line for line in lines) == len(pictures)
    fences = [i for i, line in enumerate(lines) if line.startswith("```")]
    assert len(fences) in {0, 2}
    prose = lines if not fences else [*lines[: fences[0]], *lines[fences[1] :]]
    assert {tag for line in prose for tag in re.findall("<[^>]*>", line)} <= OUR_TAGS
    assert lines.count("</details>") == sum(line.startswith("<details>") for line in lines)


def test_the_teacher_the_recommended_and_the_front_have_a_line_and_the_rest_is_counted():
    built = report(
        make_session()
        + [make_result(variant=f"slow-{n}", p50_s=0.5, accuracy=0.3, calls=40, blocks=4) for n in range(15)]
    )
    shown = to_markdown(built, {"cpu": [("Accuracy against latency", "cpu-pareto-p50.svg")]})
    [rows] = tables(shown.splitlines())
    assert rows[2][0].startswith("**teacher** (reference")
    assert len([cells for cells in rows if "(recommended)" in cells[0]]) == 1
    assert not any("slow" in cells[0] for cells in rows)
    assert f"{len(rows) - 2} of 21 variants: teacher, recommended, Pareto front. Evidence: host." in shown
    assert "![Accuracy against latency](cpu-pareto-p50.svg)" in shown
    assert "**Recommendation:** " in shown
    assert len(shown.splitlines()) <= 60


def test_numbers_of_another_device_are_said_so_in_bold_before_the_first_number():
    target = "raspberry-pi-4"
    lines = to_markdown(report([make_teacher(target=target), make_result(target=target)]), {}).splitlines()
    first = next(line for line in lines if line.startswith("- "))
    assert first.startswith("- **Measured on this host under the profile's threads; no number here was measured on")


def test_many_targets_have_a_line_each_with_their_evidence():
    results = [make_result(target=f"board-{n:02}", evidence=Evidence.DEVICE) for n in range(12)]
    lines = to_markdown(build_report(results, title="t", host_targets=set(), resamples=20), {}).splitlines()
    [rows] = tables(lines)
    assert len(rows) == 14
    assert {cells[-1] for cells in rows[2:]} == {"device"}
    assert len(lines) <= 60


def test_the_same_words_of_two_targets_are_told_once():
    results = [make_result(target=target) for target in ("one", "two")]
    shown = to_markdown(build_report(results, title="t", host_targets=set(), resamples=20), {})
    assert shown.count("No control was trained, so the gain is unknown.") == 1
    assert shown.count("### ") == 2


def test_a_name_that_ends_in_a_backslash_keeps_its_row_whole():
    [rows] = tables(to_markdown(report([make_teacher(), make_result(variant="a\\")]), {}).splitlines())
    assert len({len(cells) for cells in rows}) == 1
    assert rows[-1][0].startswith("**a\\\\**")


def test_names_are_escaped_and_nobody_is_notified():
    shown = to_markdown(report([make_teacher(), make_result(variant="a|b`<i>\n# @c")]), {})
    assert "a\\|b\\`&lt;i&gt; \\# @&#8203;c" in shown
    evil = report(
        [make_teacher(), make_result(variant=EVIL, kind=EVIL, notes=[EVIL])],
        title=EVIL,
        decisions=[Decision(variant=EVIL, target="cpu", kept=False, reason=EVIL, evidence="host")],
        run={"commands": [f"echo {EVIL} ```", "two\nlines"]},
    )
    before, code, _ = to_markdown(evil, {}).split("````")
    assert "<script" not in before
    assert code.strip().splitlines() == [f"echo {EVIL} ```", "# and 1 more"]


@given(st.text())
def test_escaped_text_has_no_line_break_no_tag_and_no_bare_bar(given_text):
    escaped = escape(given_text)
    assert len(escaped.splitlines()) <= 1
    assert "<" not in escaped
    assert not re.search(r"(?<!\\)(?:\\\\)*\|", escaped)


# What makes it fit


@pytest.mark.parametrize(
    ("wanted", "available", "shares"),
    [([5, 5], 20, [5, 5]), ([9, 2, 9], 10, [4, 2, 4]), ([3, 3], 3, [2, 1]), ([4], 0, [0]), ([], 7, [])],
)
def test_lines_are_shared_fairly(wanted, available, shares):
    assert fair_shares(wanted, available) == shares


@given(st.lists(st.integers(0, 30), max_size=12), st.integers(0, 200))
def test_nobody_has_less_than_another_who_could_give(wanted, available):
    shares = fair_shares(wanted, available)
    assert sum(shares) == min(available, sum(wanted))
    for share, want in zip(shares, wanted, strict=True):
        assert share == want or share >= max(shares) - 1


def test_whole_sentences_are_left_out_and_counted():
    assert clip_sentences(["One.", "Two.", "Three."], 9) == ("One. Two.", 1)
    assert clip_sentences(["A very long one."], 3) == ("A very long one.", 0)


def test_short_names_stay_apart():
    one, other = "cnn-vocab-prune30-embeddings-int8", "cnn-vocab-prune50-embeddings-int8"
    assert short_names([one, other, "bag"], 12) == {one: one, other: other, "bag": "bag"}
    assert short_names([one], 12) == {one: "cnn-vo\u2026-int8"}


@given(st.text(min_size=1), st.integers(1, 30))
def test_a_wrapped_name_is_whole_and_narrow(name, width):
    lines = wrap_name(name, width)
    assert "".join(lines) == name
    assert max(map(len, lines)) <= width


@given(st.lists(st.text(), unique=True))
def test_spread_names_begin_with_both_ends_and_miss_none(names):
    found = spread(names)
    assert sorted(found) == sorted(names)
    assert found[:2] == [*names[:1], *names[1:][-1:]]


def test_spread_names_are_halved():
    assert spread(list("abcdefghi")) == ["a", "i", "e", "c", "g", "b", "d", "f", "h"]
