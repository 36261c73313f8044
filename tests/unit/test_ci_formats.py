"""Gates and results in the formats of CI systems: JUnit XML, annotations, Markdown, Bencher."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from edgekd.cli.app import app
from edgekd.errors import ConfigError
from edgekd.gate.account import run_of
from edgekd.gate.bencher import gate_bencher
from edgekd.gate.github import LIMIT, annotation, gate_annotations
from edgekd.gate.grammar import Reference
from edgekd.gate.junit import gate_junit
from edgekd.gate.markdown import gate_markdown
from edgekd.gate.records import GateReport, Outcome, ProcessSamples, SideInfo
from edgekd.gate.words import COLUMNS
from edgekd.measurements import Counts
from edgekd.report.bencher import report_bencher
from edgekd.report.model import build_report
from edgekd.results import Evidence, Samples
from tests.bundles import make_bundle
from tests.gates import make_rule
from tests.results import make_result, make_teacher

HOSTILE = "a|b <script>alert(1)</script> `x` @you #1 [l](u)\n::error::x\x00\x1b[31m]]>"


def rule(text="p50<+3%", outcome=Outcome.FAIL, **changes):
    facts = {"rule": text, "metric": "p50", "limit": 0.03, "outcome": outcome}
    return make_rule(**(facts | changes))


SIZE = rule(
    "size<2MB", Outcome.PASS, metric="size", reference=Reference.ABSOLUTE, limit=2e6, baseline=None, candidate=1e6,
    value=1e6, low=None, high=None, confidence=None, count=None,
)  # fmt: skip
P95 = rule(
    "p95<20ms", Outcome.UNDECIDED, metric="p95", reference=Reference.ABSOLUTE, limit=0.02, baseline=None,
    candidate=0.019, value=0.019, low=0.018, high=0.021, problem="the interval contains the limit", advice="Wait.",
)  # fmt: skip


def report(*rules, name="bag-int8", target="cpu", verdict=Outcome.FAIL, **changes):
    side = SideInfo(path="runs/x", name=name, source="bundle", artifact_hash="a" * 64, size_bytes=1_000_000)
    facts = {
        "edgekd_version": "0.1.0",
        "created_at": "2026-01-02T03:04:05+00:00",
        "verdict": verdict,
        "candidate": side,
        "target": target,
        "threads": 1,
        "rules": list(rules),
    }
    return GateReport(**(facts | changes))


PASSED = report(SIZE, target="pi5", verdict=Outcome.PASS)
INVALID = report(target="pi4", verdict=Outcome.INVALID, problem="They differ.", advice="Do this.")
RUN = run_of([PASSED, INVALID, report(rule(), P95, SIZE, notes=["A note."])])


def test_junit_has_a_suite_a_target_and_a_case_a_rule():
    root = ET.fromstring(gate_junit(RUN))
    assert root.tag == "testsuites"
    counts = [[suite.get(key) for key in ("name", "tests", "failures", "errors")] for suite in root]
    assert counts == [
        ["edgekd gate pi5", "1", "0", "0"],
        ["edgekd gate pi4", "1", "0", "1"],
        ["edgekd gate cpu", "3", "1", "1"],
    ]
    cases = root[2].findall("testcase")
    assert [case.get("name") for case in cases] == ["p50<+3%", "p95<20ms", "size<2MB"]
    assert [[child.tag for child in case] for case in cases] == [["failure"], ["error"], []]
    assert cases[0].get("classname") == "edgekd.gate.cpu.bag-int8"
    assert "wanted: p50 below +3 % against the baseline" in cases[0][0].text
    assert "advice: Wait." in cases[1][0].text
    assert root[1].find("testcase/error").text == "They differ. Do this."
    assert "A note." in root[2].find("system-out").text


def test_junit_is_in_the_order_that_both_schemas_ask_for():
    root = ET.fromstring(gate_junit(RUN))
    assert root.attrib == {}
    for number, suite in enumerate(root):
        assert suite.get("id") == str(number)
        assert suite.get("timestamp") == "2026-01-02T03:04:05"
        tags = [child.tag for child in suite]
        cases = int(suite.get("tests"))
        assert tags == ["properties", *["testcase"] * cases, "system-out", "system-err"]
        assert all(case.get("time") for case in suite.iter("testcase"))


def test_junit_tells_the_truth_when_only_reporting_and_the_time_of_the_calls():
    samples = ProcessSamples(text_index=[0, 1], round=[0, 0], first_side=[0, 0], seconds=[[0.5, 0.25], [1.0, 0.25]])
    run = run_of([report(rule(), report_only=True, paired=[samples])])
    [suite] = ET.fromstring(gate_junit(run))
    values = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert (values["verdict"], values["report_only"], suite.get("failures")) == ("fail", "true", "1")
    assert suite.get("time") == "2.000"


@given(st.text(max_size=40))
def test_any_text_makes_well_formed_xml(text):
    run = run_of([report(rule(rule=text, problem=text, advice=text), name=text, notes=[text])])
    [suite] = ET.fromstring(gate_junit(run))
    assert len(suite.findall("testcase")) == 1


def test_annotations_are_errors_and_those_of_failures_come_first():
    lines = gate_annotations(RUN)
    assert [line.partition("::")[2].split("::")[0] for line in lines] == [
        "error title=edgekd gate cpu%3A p50<+3%25 FAIL",
        "error title=edgekd gate pi4%3A invalid",
        "error title=edgekd gate cpu%3A p95<20ms cannot tell",
        "notice title=edgekd gate pi5",
    ]
    assert lines[1].endswith("::They differ.%0ADo this.")
    assert lines[3].endswith("::PASS: the rule holds.")


def test_annotations_are_warnings_when_only_reporting():
    [line] = gate_annotations(run_of([report(rule(), report_only=True)]))
    assert line.startswith("::warning title=edgekd gate cpu%3A p50<+3%25 FAIL (report only)::")


def test_more_annotations_than_github_shows_are_counted():
    lines = gate_annotations(run_of([report(*(rule(f"p50<+{n}%") for n in range(1, 15)))]))
    assert len(lines) == LIMIT
    assert lines[-1] == "::error title=edgekd gate::5 more; the job summary and --junit have all."


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_can_end_an_annotation_or_start_another(title, message):
    line = annotation("error", title, message)
    assert "\n" not in line
    assert "\r" not in line
    start, properties, data = line.split("::", 2)
    assert start == ""
    assert properties.count(":") == properties.count(",") == 0
    unescaped = data.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
    assert unescaped == message


class Cells(HTMLParser):
    """Nothing but the tags that a browser would see."""

    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)


def test_markdown_of_several_targets_has_an_overview_and_folds_those_that_pass():
    text = gate_markdown(RUN)
    lines = text.splitlines()
    assert lines[0].startswith("## edgekd gate: FAIL over 3 targets.")
    assert "| pi4 | bag-int8 | INVALID: They differ. This is not a pass. |" in lines
    assert lines.index("<summary>pi5: bag-int8</summary>") < lines.index("</details>")
    headings = [line for line in lines if line.startswith(("###", "<summary>"))]
    assert headings == ["### pi4: bag-int8", "### cpu: bag-int8", "<summary>pi5: bag-int8</summary>"]
    assert text.count("<details>") == text.count("</details>") == 1


def test_markdown_keeps_its_table_whatever_names_say():
    broken = rule(rule=HOSTILE, problem=HOSTILE, advice=HOSTILE)
    lines = gate_markdown(run_of([report(broken, name=HOSTILE, notes=[HOSTILE])])).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 3
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == len(COLUMNS) + 1
    seen = Cells()
    seen.feed("\n".join(lines))
    assert seen.tags == []
    assert not any(line.startswith("::") for line in lines)


def test_markdown_says_loudly_that_it_only_reports():
    lines = gate_markdown(run_of([report(rule(), report_only=True)])).splitlines()
    assert lines[2].startswith("**REPORT ONLY: the exit code is 0 whatever the verdict")


def test_bencher_has_nanoseconds_and_the_limits_of_absolute_rules():
    found = gate_bencher(RUN)
    assert set(found) == {"cpu/bag-int8", "pi5/bag-int8", "pi4/bag-int8"}
    assert found["cpu/bag-int8"]["latency"] == {"value": pytest.approx(2.2e6)}
    assert found["cpu/bag-int8"]["latency-p95"] == {
        "value": pytest.approx(1.9e7),
        "lower_value": pytest.approx(1.8e7),
        "upper_value": pytest.approx(2.1e7),
    }
    assert found["pi5/bag-int8"] == {"file-size": {"value": 1e6}}
    json.dumps(found, allow_nan=False)


def test_bencher_of_results_has_every_measure_with_its_interval():
    counts = Counts(tool="perf", core="c", evidence="host", tokens=32, instructions=[11, 10], tokenize=[3, 2])
    built = build_report([make_teacher(), make_result(variant="bag-int8", counts=[counts])], title="x")
    found = report_bencher(built)
    target = make_result().target
    assert set(found) == {f"{target}/teacher", f"{target}/bag-int8"}
    measures = found[f"{target}/bag-int8"]
    assert measures["instructions-32-tokens"] == {"value": 12}
    assert measures["file-size"] == {"value": make_result().size_bytes}
    latency = measures["latency"]
    assert 4e5 < latency["lower_value"] <= latency["value"] <= latency["upper_value"] < 6e5
    assert {"latency-p90", "latency-p95", "peak-rss", "load-time", "accuracy", "macro-f1", "agreement"} <= set(measures)
    assert measures["accuracy"]["lower_value"] < measures["accuracy"]["value"] == 0.86


def test_bencher_has_no_latency_where_nothing_was_timed():
    emulated = make_result(evidence=Evidence.EMULATED, samples=Samples(), warm_up=Samples(), load_time_s=None)
    [measures] = report_bencher(build_report([emulated], title="x")).values()
    assert not [name for name in measures if name.startswith("latency") or name == "load-time"]
    assert "accuracy" in measures


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A tiny bundle, whose size can be judged without running anything."""
    pytest.importorskip("onnx")
    return make_bundle(tmp_path_factory.mktemp("b") / "tiny").folder


def gate(bundle, *arguments, **env):
    arguments = ["gate", str(bundle), "--require", "size<1KB", "--no-profile-budgets", *arguments]
    return CliRunner().invoke(app, arguments, env={"GITHUB_STEP_SUMMARY": "", "GITHUB_ACTIONS": "", **env})


def test_gate_prints_bencher_metric_format_and_nothing_else_on_stdout(bundle):
    done = gate(bundle, "--format", "bencher")
    assert done.exit_code == 1, done.output
    [(name, measures)] = json.loads(done.stdout).items()
    assert name == "cpu/tiny"
    assert measures["file-size"]["value"] > 1000


@pytest.mark.parametrize(
    ("arguments", "env", "wanted"),
    [
        ([], {}, False),
        ([], {"GITHUB_ACTIONS": "true"}, True),
        (["--no-annotate"], {"GITHUB_ACTIONS": "true"}, False),
        (["--annotate", "--json"], {}, True),
    ],
)
def test_gate_annotates_on_stderr_where_github_runs_it_or_when_told(bundle, arguments, env, wanted):
    done = gate(bundle, *arguments, **env)
    assert ("::error title=edgekd gate cpu%3A size<1KB FAIL::" in done.stderr) is wanted
    assert "::error" not in done.stdout
    if "--json" in arguments:
        assert json.loads(done.stdout)["verdict"] == "fail"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [(["--format", "xml"], "Unknown format 'xml'"), (["--format", "bencher", "--json"], "two formats")],
)
def test_one_known_format_is_printed(bundle, arguments, part):
    for command in (["gate", str(bundle)], ["bench", str(bundle)]):
        done = CliRunner().invoke(app, [*command, *arguments])
        assert isinstance(done.exception, ConfigError)
        assert part in done.exception.message
