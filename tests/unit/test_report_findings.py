from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console

from edgekd.analysis.finding import Finding, Severity
from edgekd.measurements import Energy, HeapPoint, Moment
from edgekd.report.export import to_json_value
from edgekd.report.findings import FindingLine, finding_lines
from edgekd.report.markdown import to_markdown
from edgekd.report.model import build_report
from edgekd.report.terminal import render_terminal
from tests.results import make_machine, make_memory, make_result, make_teacher

WARNING, INFO, INVALID = Severity.WARNING, Severity.INFO, Severity.INVALID


def warn(measured, name="outliers", severity=WARNING):
    return Finding(name, severity, measured, "at most 1 %", "stop other programs")


def text_of(report, width=200):
    console = Console(file=StringIO(), width=width)
    for part in render_terminal(report):
        console.print(part, highlight=False)
    return console.file.getvalue()


def test_what_all_variants_share_is_said_once_without_names():
    found = {"bag": [warn("4 % stolen")], "cnn": [warn("4 % stolen")]}
    assert finding_lines(found) == [
        FindingLine(WARNING, "outliers", "4 % stolen", "at most 1 %", "stop other programs")
    ]


def test_variants_that_differ_are_quoted_and_the_many_are_counted():
    found = {f"v{n}": [warn(f"{n + 2} % slow")] for n in range(5)}
    [line] = finding_lines(found)
    assert line.measured == "v0: 2 % slow; v1: 3 % slow; v2: 4 % slow; and 2 more like this"
    assert line.sentence == f"{line.measured} (wanted: at most 1 %). Stop other programs."


def test_a_finding_of_some_variants_has_their_names():
    [line] = finding_lines({"bag": [warn("x")], "cnn": [warn("x")], "teacher": []})
    assert line.measured == "bag, cnn: x"


def test_the_worst_line_comes_first():
    found = {
        "bag": [warn("a", severity=INFO)],
        "cnn": [warn("b", name="throttled", severity=INVALID), warn("c", severity=WARNING)],
    }
    assert [line.severity for line in finding_lines(found)] == [INVALID, WARNING, INFO]


def test_no_finding_is_no_heading():
    assert "speaks against" not in text_of(build_report([make_result()], title="t", host_targets={"cpu"}))


@pytest.fixture(scope="module")
def report():
    shared = {
        "machine_over_time": [Moment(at_s=float(n), throttled=["frequency capped"]) for n in range(4)],
        "machine": make_machine(governor="ondemand"),
    }
    heap = [HeapPoint(calls=100 * n, rss_bytes=60_000_000 + 5000 * n) for n in range(1, 101)]
    energy = [Energy(source="pmic", idle_w=2.0, joules=j, seconds=5.0, calls=1000) for j in (12.0, 13.0, 14.0)]
    leaking = make_result(variant="bag<b>", heap=heap, memory=make_memory(pss_bytes=50_000_000), **shared)
    return build_report([make_teacher(energy=energy, **shared), leaking], title="t", host_targets={"cpu"})


def test_the_terminal_shows_findings_leaks_and_energy(report):
    text = text_of(report)
    assert "invalid: frequency capped in 4 of 4 readings (wanted: never). Cool the board" in text
    assert "info: governor 'ondemand' (wanted: 'performance')" in text
    assert "warning: bag<b>: 50 bytes a call more (50 to 50, 7,900 calls) (wanted: no growth)" in text
    assert text.index("invalid: ") < text.index("warning: ") < text.index("info: ")
    assert "no leak" not in text
    assert " leaks " in text
    assert "3.0 mJ" in text
    assert "2.60 W" in text


def test_markdown_and_json_have_the_same(report):
    text = to_markdown(report, {})
    opened, _, folded = text.partition("<details>")
    assert "- **Invalid:** frequency capped in 4 of 4 readings" in opened
    assert "**What speaks against these numbers" in folded
    assert "warning: bag&lt;b&gt;: 50 bytes a call more" in folded
    [section] = to_json_value(report)["sections"]
    plain = json.loads(json.dumps(section))
    assert [f["name"] for f in plain["findings"]["bag<b>"]] == ["throttled", "leak", "governor"]
    assert plain["findings"]["teacher"][0]["severity"] == "invalid"
    assert plain["rows"][1]["metrics"]["pss_bytes"]["value"] == 50_000_000
    assert plain["rows"][0]["metrics"]["pss_bytes"]["value"] is None


def test_the_page_escapes_names(report):
    pytest.importorskip("jinja2")
    pytest.importorskip("vl_convert")
    from edgekd.report.html import to_html

    page = to_html(report, {})
    assert '<span class="pill miss">invalid</span> frequency capped in 4 of 4 readings' in page
    assert "bag<b>:" not in page
    assert "bag&lt;b&gt;: 50 bytes a call more" in page
