"""What reports, comparisons, gates and cards say where an emulator answered."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from edgekd.analysis.compare import FolderComparison, compare
from edgekd.analysis.stats import summarize
from edgekd.bundles.card_numbers import speed
from edgekd.gate.evidence import Comparison, Facts
from edgekd.gate.grammar import parse_rule
from edgekd.gate.job import GateJob
from edgekd.gate.records import Outcome
from edgekd.gate.run import run_gate
from edgekd.gate.verdict import decide
from edgekd.measurements import AgainstHost
from edgekd.report.comparison_terminal import render_comparison
from edgekd.report.export import to_json_value
from edgekd.report.markdown import to_markdown
from edgekd.report.model import build_report
from edgekd.report.terminal import render_terminal
from edgekd.report.write import write_report
from edgekd.results import Evidence, Samples, load_result, save_result
from tests.bundles import make_bundle
from tests.results import make_machine, make_memory, make_result, make_teacher

SAME = AgainstHost(
    host="Toy CPU 9000",
    texts=400,
    other_answers=0,
    other_token_ids=0,
    max_abs_diff=2.4e-7,
    mean_abs_diff=8e-8,
    same=True,
    reason="The largest difference of a logit is 2.4e-07; 0.0001 is allowed for fp32.",
)
FLIPPED = SAME.model_copy(
    update={"other_answers": 9, "max_abs_diff": 0.5, "same": False, "reason": "9 of 400 answers differ; 8 may."}
)
# A number with a unit of time: "1.2 ms", "3 s", or with the sign of micro.
TIME = re.compile(r"\d\s(s|ms|\u00b5s|ns)\b")


def emulated(make=make_result, **changes):
    """Return a result as an emulator gives it."""
    facts = {
        "evidence": Evidence.EMULATED,
        "target": "raspberry-pi-4",
        "samples": Samples(),
        "warm_up": Samples(),
        "load_time_s": None,
        "memory": make_memory(peak_rss_bytes=None),
        "machine": make_machine(fingerprint="e" * 16, cpu_model="cortex-a72 (QEMU 7.2.0)", load_average=None),
        "against_host": SAME,
    }
    return make(**{**facts, **changes})


@pytest.fixture(scope="module")
def report():
    results = [emulated(make_teacher), emulated(variant="cnn"), emulated(variant="bag", against_host=FLIPPED)]
    # Without a profile: a limit on p95 is a time, though not a measured one.
    return build_report(results, title="toy", resamples=50, profiles={})


def terminal(report, width=160):
    console = Console(width=width, record=True, file=io.StringIO())
    for part in render_terminal(report):
        console.print(part, highlight=False)
    return console.export_text()


def test_an_emulated_result_is_stored_and_read(tmp_path):
    result = emulated()
    save_result(result, tmp_path / "cnn.result.json")
    assert load_result(tmp_path / "cnn.result.json") == result


def test_statistics_of_it_have_no_time_and_no_peak():
    found = summarize(emulated(), resamples=50)
    assert (found.p50, found.p99, found.infer_p50, found.load_time_s, found.peak_rss_bytes) == (None,) * 5
    assert found.accuracy is not None
    assert found.steady_rss_bytes > 0


def test_the_table_has_dashes_where_a_time_would_be(report):
    cells = report.sections[0].table.rows[0].cells
    for key in ("speed_up", "p50_s", "p95_s", "tokenize_p50_s", "load_time_s"):
        assert (cells[key].text, cells[key].value, cells[key].missing) == ("-", None, "emulated: no latency")
    assert (cells["peak_rss_bytes"].text, cells["peak_rss_bytes"].value) == ("-", None)
    assert cells["size_bytes"].value == 91_000_000


def test_no_format_shows_a_time(report, tmp_path):
    pytest.importorskip("vl_convert")
    write_report(report, tmp_path, ["html", "md", "csv", "json"])
    for text in (terminal(report), to_markdown(report, {}), (tmp_path / "report.html").read_text(encoding="utf-8")):
        body = text.partition("How to reproduce")[0]
        assert not TIME.search(body), TIME.search(body)
    for row in to_json_value(report)["sections"][0]["rows"]:
        assert row["evidence"] == "emulated"
        assert {name for name, cell in row["metrics"].items() if name.endswith("_s") and cell["value"]} == set()


def test_the_terminal_leaves_the_columns_of_time_out_and_says_why(report):
    shown = terminal(report)
    assert "Emulated for raspberry-pi-4" in shown
    assert "Nothing was timed." in shown
    assert "p50" not in shown
    assert "steady RSS" in shown


def test_the_headline_says_how_many_answers_differ_from_this_machine(report):
    assert report.sections[0].headline == [
        "teacher: 0 of 400 answers differ from those of Toy CPU 9000; logits differ by 2.4e-07 at most, 8e-08 on "
        "average.",
        "cnn: 0 of 400 answers differ from those of Toy CPU 9000; logits differ by 2.4e-07 at most, 8e-08 on average.",
        "bag: 9 of 400 answers differ from those of Toy CPU 9000; logits differ by 0.5 at most, 8e-08 on average. More "
        "than allowed: 9 of 400 answers differ; 8 may.",
    ]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "compared with no other machine"),
        (SAME.model_copy(update={"max_abs_diff": 0.0, "mean_abs_diff": 0.0}), "logits are equal."),
        (
            SAME.model_copy(update={"other_answers": None, "same": False, "reason": "Logits are not finite there."}),
            "answers otherwise than on Toy CPU 9000: Logits are not finite there.",
        ),
    ],
)
def test_other_headlines(found, words):
    report = build_report([emulated(against_host=found)], title="toy", resamples=50)
    assert words in report.sections[0].headline[0]


def test_emulated_and_measured_results_stand_in_sections_of_their_own():
    report = build_report([emulated(), make_result(target="raspberry-pi-4")], title="toy", resamples=50)
    assert [section.on_target for section in report.sections] == [False, False]
    assert [{row.evidence for row in section.table.rows} for section in report.sections] == [{"emulated"}, {"host"}]
    assert report.sections[1].table.rows[0].cells["p50_s"].value is not None


def test_a_comparison_leaves_out_what_an_emulator_does_not_have():
    found = compare(make_result(target="raspberry-pi-4"), emulated(), allow_different_machine=True, resamples=50)
    assert {change.metric for change in found.changes} == {"accuracy", "macro_f1", "size_bytes", "steady_rss_bytes"}
    assert "An emulator has no latency, load time or peak memory: the others are compared." in found.warnings
    assert render_comparison(FolderComparison([found], [], []))


@pytest.mark.parametrize("rule", ["p50<+5%", "p95<10ms", "load_time<+10%", "peak_rss<+5%"])
def test_the_gate_cannot_judge_a_time_or_a_peak_of_an_emulator(rule):
    compared = Comparison(Facts(1000), Evidence.EMULATED, baseline=Facts(1000))
    result = decide(parse_rule(rule), compared)
    assert result.outcome is Outcome.INVALID
    assert result.problem == "nothing, because an emulator shows neither a time nor the peak of memory"
    assert "ssh://" in result.advice


def test_the_gate_judges_size_and_answers_of_emulated_results(tmp_path):
    for name, size in (("before", 1000), ("after", 900)):
        save_result(emulated(variant=name, size_bytes=size), tmp_path / f"{name}.result.json")
    job = GateJob(
        candidate=tmp_path / "after.result.json",
        baseline=tmp_path / "before.result.json",
        rules=("size<+0%", "accuracy>-1pt"),
    )
    report = run_gate(job)
    assert [(rule.outcome, rule.evidence) for rule in report.rules] == [(Outcome.PASS, Evidence.EMULATED)] * 2
    assert "Answered under an emulator, not on raspberry-pi-4." in report.notes
    assert not any("Measured on this host" in note for note in report.notes)


def test_a_card_says_that_nothing_was_timed(tmp_path):
    pytest.importorskip("onnx")
    bundle = make_bundle(tmp_path / "b")
    shown = speed(bundle.manifest, [emulated()])
    assert "not timed" in shown
    assert "n/a" in shown
    assert not TIME.search(shown)
