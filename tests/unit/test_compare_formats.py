"""A comparison in the terminal, as Markdown and as JSON."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from edgekd.analysis.change import Verdict
from edgekd.analysis.comparable import FactChange
from edgekd.analysis.compare import Comparison, FolderComparison, compare
from edgekd.analysis.compare import compare_sets as compare_fully
from edgekd.errors import Incomparable
from edgekd.provenance import ParityFigures
from edgekd.report import comparison as words
from edgekd.report.comparison import comparison_json
from edgekd.report.comparison_markdown import comparison_markdown
from edgekd.report.comparison_terminal import render_comparison
from edgekd.report.table import build_table
from tests.results import make_machine, make_result, make_teacher

compare_sets = partial(compare_fully, resamples=50)
EVIL = "<script>|[red]x[/red]\n@team"
text = st.text(max_size=60)


@pytest.fixture(scope="module")
def pair():
    return compare(make_result(), make_result(p50_s=0.0006, size_bytes=5_060_000, seed=1), resamples=50)


def printed(found, width=120):
    console = Console(width=width, file=io.StringIO(), record=True, color_system=None)
    for part in render_comparison(found):
        console.print(part)
    return console.export_text()


def parts(**changes):
    """Return a comparison of two folders: one variant slower, one the same, one gone."""
    before = [make_teacher(), make_result(), make_result(variant="gone")]
    after = [make_teacher(), make_result(p50_s=0.0006, seed=1, **changes), make_result(variant="new")]
    return compare_sets(before, after)


def test_the_summary_counts_and_names_the_worst(pair):
    told = words.summary(FolderComparison([pair], [], []))
    count = f"1 variant, {len(pair.changes)} numbers: "
    assert told[0].startswith(count)
    assert re.fullmatch(r"\d+ worse, \d+ better, \d+ same, \d+ cannot tell\.", told[0].removeprefix(count))
    worst = pair.changes[0]
    assert worst.verdict is Verdict.WORSE
    assert told[1] == f"Worst: cnn-int8: {words.row_of(worst).words}."
    assert re.fullmatch(r"p95 \+\S+ % \[\+\S+ to \+\S+\], \d+ \S+ to \d+ \S+", words.row_of(worst).words)
    nothing = compare_sets([make_result()], [make_result()])
    assert words.summary(nothing)[1:] == ["Nothing is proven worse."]


def test_the_terminal_has_the_summary_first_and_leaves_out_what_is_the_same():
    shown = printed(parts())
    lines = shown.splitlines()
    assert lines[0].startswith("2 variants, ")
    assert "Nothing changed: teacher." in shown
    assert "Only before: cpu/gone." in shown
    assert "Only after: cpu/new." in shown
    assert "Before: host, Toy CPU 9000, measured 2026-01-02T03:04:05Z." in shown
    assert re.search(r"^Same: .*size", shown, re.MULTILINE)


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_fits_and_reads_no_markup(width):
    found = compare_sets([make_result(variant=EVIL)], [make_result(variant=EVIL, p50_s=0.0006, seed=1)])
    shown = printed(found, width)
    assert max(map(len, shown.splitlines())) <= width
    assert "[red]x[/red]" in shown


def test_what_could_not_be_compared_is_named_once_a_reason_and_the_rest_is_compared():
    elsewhere = make_machine(fingerprint="a" * 16)
    before = [make_result(), make_result(variant="bag"), make_result(variant="lstm"), make_result(variant="old")]
    after = [
        make_result(),
        *(make_result(variant=name, machine=elsewhere) for name in ("bag", "lstm")),
        make_result(variant="old", data_hash="e" * 64),
    ]
    found = compare_sets(before, after)
    assert [pair.variant for pair in found.pairs] == ["cnn-int8"]
    for shown in (printed(found, 300), comparison_markdown(found)):
        assert len(re.findall("Not compared: cpu/bag, cpu/lstm: measured on different machines: Toy CPU", shown)) == 1
        assert "Not compared: cpu/old: the hash of the evaluation texts differs" in shown
    assert [each["name"] for each in comparison_json(found)["refused"]] == ["cpu/bag", "cpu/lstm", "cpu/old"]
    with pytest.raises(Incomparable, match="measured on different machines"):
        compare_sets(before[1:3], after[1:3])


def test_changes_of_the_machine_and_of_answers_are_named():
    upgraded = make_machine(fingerprint="a" * 16, libraries={"onnxruntime": "1.32.0"})
    parity = [ParityFigures(texts=872, max_abs_diff=0.1, mean_abs_diff=0.01, label_flips=n) for n in (0, 3)]
    before, after = make_result(parity=parity[0]), make_result(parity=parity[1], machine=upgraded, seed=5)
    found = compare_sets([before], [after])
    for shown in (printed(found, 200), comparison_markdown(found)):
        assert "Not the same on both sides: onnxruntime 1.31.1 -" in shown
        assert "of 400 texts differently: " in shown
        assert "0 of 872 texts otherwise than the trained model before, 3 of 872 after" in shown
    same = comparison_markdown(compare_sets([make_result()], [make_result()]))
    assert "The same bundle on both sides, so that no change comes from the model: cnn-int8." in same
    assert "Every answer is the same: cnn-int8." in same


def test_markdown_escapes(pair):
    shown = comparison_markdown(FolderComparison([replace(pair, variant=EVIL, warnings=[EVIL])], [EVIL], []))
    assert "<script" not in shown
    assert "@team" not in shown
    assert "[red]" not in shown.replace("\\[red\\]", "")


@settings(max_examples=30)
@given(st.data())
def test_markdown_has_sixty_lines_at_most_and_whole_tables(pair, data):
    names = data.draw(st.lists(text, min_size=1, max_size=5))
    count = data.draw(st.sampled_from([1, 2, 15, 60]))
    pairs = [
        replace(
            pair,
            variant=f"{names[i % len(names)]}{i}",
            target=names[-1],
            warnings=names * data.draw(st.integers(0, 4)),
            machine=[FactChange(name, name, name) for name in names],
        )
        for i in range(count)
    ]
    shown = comparison_markdown(FolderComparison(pairs, names * 20, names))
    lines = shown.splitlines()
    assert len(lines) <= 60
    table = [line for line in lines if line.startswith("| ")]
    assert {len(line.split(" | ")) for line in table} == {7}
    assert len(table) >= 2 + min(len(pair.changes), 8)


def test_json_has_raw_numbers_and_the_same_as_text(pair):
    found = FolderComparison([pair], ["cpu/gone"], [])
    value = json.loads(json.dumps(comparison_json(found), allow_nan=False))
    assert value["schema_version"] == 2
    assert value["counts"]["worse"] == found.counts[Verdict.WORSE]
    assert value["only_before"] == ["cpu/gone"]
    [stored] = value["pairs"]
    assert stored["before"]["evidence"] == "host"
    size = next(change for change in stored["changes"] if change["metric"] == "size_bytes")
    assert (size["before"], size["after"], size["verdict"]) == (4_600_000, 5_060_000, "worse")
    assert size["text"] == {"before": "4.60 MB", "after": "5.06 MB", "change": "+10.0 %", "interval": None}
    assert stored["flips"]["texts"] == 400


def test_tests_of_a_suite_are_called_tests(pair):
    bare = Comparison("test_speed", "", pair.changes, [])
    found = FolderComparison([bare, replace(bare, variant="test_other")], [], [])
    assert words.summary(found)[0].startswith("2 tests, ")
    assert "test_speed" in printed(found)
    assert comparison_json(found)["pairs"][0]["before"] is None


def test_values_have_the_digits_of_the_report(pair):
    [row] = build_table([make_result()], resamples=50).rows
    for change in pair.changes:
        shown = words.row_of(change).before
        assert (shown.text, shown.interval) in {
            (row.cells[change.metric].text, row.cells[change.metric].interval),
            (row.cells[change.metric].text, ""),
        }
