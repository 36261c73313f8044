"""How decisions are shown: a table for each model in every format."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from edgekd.decisions import Confirmation, Decision, Span
from edgekd.report.export import to_json_value
from edgekd.report.export_csv import to_decisions_csv
from edgekd.report.ladder_terminal import render_decisions
from edgekd.report.ladders import TITLE, ladders
from edgekd.report.model import build_report
from edgekd.report.write import write_report
from edgekd.tasks import TaskKind
from tests.results import make_proof, make_result, make_session, make_teacher

EVIL = "<script>alert(1)</script>|[red]x[/red]"
NUMBERS = {"model": "cnn", "base": "cnn-fp32", "metric": "accuracy", "texts": 872, "base_size_bytes": 16_400_000}


def decision(variant, status="kept", **facts):
    kept = status in {"kept", "best", "nearest-miss"}
    basic = {"target": "cpu", "evidence": "host", "reason": f"because of {variant}", "status": status, "kept": kept}
    return Decision(variant=variant, **(basic | NUMBERS | facts))


BASE = decision("cnn-fp32", size_bytes=16_400_000, p50_s=0.000459, score=0.829, proven=True)
DROPPED = decision(
    "cnn-int8",
    "dropped",
    why="four times the speed of fp32.",
    size_bytes=4_300_000,
    latency_ratio=Span(value=1.142, low=1.111, high=1.163),
    score=0.828,
    score_change=Span(value=-0.001, low=-0.0126, high=0.0106),
    proven=False,
)
BEST = decision(
    "cnn-vocab-int8",
    "best",
    steps=["vocab", "int8"],
    size_bytes=1_200_000,
    latency_ratio=Span(value=0.68, low=0.66, high=0.69),
    score_change=Span(value=-0.0005, low=-0.002, high=0.001),
    proven=True,
    test=Confirmation(
        texts=1821,
        score_change=Span(value=-0.039, low=-0.048, high=-0.03),
        latency_ratio=Span(value=0.7, low=0.69, high=0.71),
        confirmed=False,
        words="WARNING: loses more than 1 point",
    ),
)
FAILED = decision("cnn-qat", "failed", reason="diverged.")
TOLD = decision("cnn-prune", "not-applicable", reason="a cnn has no heads")
OLDER = Decision(variant="bag-int8", target="cpu", kept=False, reason="bag-fp32 is faster.", evidence="host")
CHOICE = decision("cnn-vocab-int8", "best", model="", base="", reason="the best accuracy: 1.2 MB")
ALL = [DROPPED, BASE, BEST, FAILED, TOLD, OLDER, CHOICE]


def report(decisions):
    return build_report(make_session(), decisions=decisions, title="toy", host_targets={"cpu"}, resamples=100)


def printed(decisions, width):
    console = Console(width=width, file=io.StringIO(), record=True, color_system=None)
    for part in render_decisions(decisions):
        console.print(part)
    return console.export_text()


def test_a_ladder_has_its_base_first_and_the_rest_in_order():
    [found] = ladders(ALL)
    assert found.model == "cnn"
    assert found.headings == ("size", "p50", "accuracy")
    assert [row.decision.variant for row in found.rows] == [
        *("cnn-fp32", "cnn-int8", "cnn-vocab-int8", "cnn-qat", "cnn-prune")
    ]
    assert [row.verdict for row in found.rows] == ["base", "dropped", "best", "failed", "not applicable"]
    assert [row.on_test for row in found.rows] == ["-", "-", "loses more", "-", "-"]
    assert [(cell.text, cell.interval) for cell in found.rows[0].cells] == [
        ("16.4 MB", ""),
        ("459 \u00b5s", ""),
        ("82.9 %", ""),
    ]
    assert [(cell.text, cell.interval) for cell in found.rows[1].cells] == [
        ("0.26x", "4.30 MB"),
        ("1.14x", "1.11 to 1.16"),
        ("-0.1 pt", "-1.3 to +1.1"),
    ]
    assert all(cell.missing for cell in found.rows[3].cells)
    assert found.rows[1].sentences == ["Why tried: four times the speed of fp32.", "Because of cnn-int8."]
    assert found.rows[2].sentences[-1] == "WARNING: loses more than 1 point."


def test_a_sentence_that_starts_with_a_name_keeps_it():
    [found] = ladders([decision("cnn-a", "dropped", reason="cnn-b is smaller")])
    assert found.rows[0].sentences == ["cnn-b is smaller."]


def test_models_have_tables_of_their_own():
    other = decision("bag-int8", model="bag", base="bag-fp32", metric="pearson", score_change=Span(value=-0.0123))
    assert [ladder.model for ladder in ladders([BASE, other, DROPPED])] == ["cnn", "bag"]
    [_, bag] = ladders([BASE, other])
    assert bag.headings[-1] == "Pearson correlation"
    assert bag.rows[0].cells[-1].text == "-0.012"
    assert not bag.was_tested


@pytest.mark.parametrize("width", [80, 120])
def test_terminal_table_fits_and_says_why(width):
    text = printed(ALL, width)
    assert max(map(len, text.splitlines())) <= width
    flat = " ".join(text.split())
    for told in (
        TITLE,
        "Dropped cnn-int8: because of cnn-int8",
        "Best cnn-vocab-int8: because of",
        "cnn-vocab-int8: WARNING: loses more than 1 point",
        "Failed cnn-qat: diverged.",
        "Not applicable cnn-prune: a cnn has no heads",
        "Dropped bag-int8: bag-fp32 is faster.",
        "Choice for cpu: cnn-vocab-int8, the best accuracy: 1.2 MB (host).",
        "1.11 to 1.16",
        "host",
    ):
        assert told in flat
    assert "cnn-fp32: because" not in flat


def test_terminal_has_nothing_to_say_without_decisions():
    assert render_decisions([]) == []


def test_terminal_does_not_read_markup():
    assert "[red]x[/red]" in printed([decision(EVIL, model=EVIL, reason=EVIL)], 160).replace("\n", "")


def test_pages_escape_what_decisions_say(tmp_path):
    pytest.importorskip("vl_convert")
    pytest.importorskip("vl_convert")
    pytest.importorskip("jinja2")
    evil = [
        decision(EVIL, model=EVIL, base=EVIL, reason=EVIL, why=EVIL, metric=""),
        decision(EVIL, model="", base="", status="best", reason=EVIL),
    ]
    write_report(report(evil), tmp_path, ["html", "md"])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<script") == 1  # that of the page
    assert page.count("&lt;script&gt;") >= 6
    rows = [line for line in (tmp_path / "report.md").read_text().splitlines() if "alert" in line]
    assert rows
    assert not any("<script" in line for line in rows)


def test_html_shows_the_ladder(tmp_path):
    pytest.importorskip("vl_convert")
    pytest.importorskip("vl_convert")
    pytest.importorskip("jinja2")
    write_report(report(ALL), tmp_path, ["html"])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in (
        '<h4 dir="auto">cnn</h4>',
        "1.14x<small>1.11 to 1.16</small>",
        "on test: loses more",
        "Choice for cpu",
        "<td>459",
    ):
        assert text in page
    for verdict in ("base", "best", "dropped", "failed", "not applicable"):
        assert f">{verdict}</span>" in page


def test_json_has_every_number_of_a_decision():
    value = to_json_value(report(ALL))
    [section] = json.loads(json.dumps(value, allow_nan=False))["sections"]
    assert section["choice"].startswith("Choice for cpu: cnn-vocab-int8")
    stored = next(entry for entry in section["decisions"] if entry["variant"] == "cnn-vocab-int8")
    assert Decision.model_validate(stored) == BEST


def test_csv_has_a_line_for_each_decision(tmp_path):
    rows = list(csv.DictReader(io.StringIO(to_decisions_csv(report(ALL)))))
    assert [row["variant"] for row in rows] == [entry.variant for entry in ALL]
    best = rows[2]
    assert (best["status"], best["kept"], best["steps"]) == ("best", "True", "vocab int8")
    assert float(best["size_ratio"]) == pytest.approx(12 / 164)
    assert (best["latency_ratio"], best["score_change_low"]) == ("0.68", "-0.002")
    assert (best["test_score_change"], best["confirmed"]) == ("-0.039", "False")
    assert (rows[3]["latency_ratio"], rows[3]["confirmed"], rows[3]["p50_s"]) == ("", "", "")
    names = [file.name for file in write_report(report(ALL), tmp_path, ["csv"]).files]
    assert names == ["report.csv", "decisions.csv"]
    assert [file.name for file in write_report(report([]), tmp_path / "none", ["csv"]).files] == ["report.csv"]


def test_the_proof_of_a_student_is_told_once_for_all_its_forms():
    names = ("cnn-fp32", "cnn-vocab-int8", "cnn-int8-static", "cnn-wide-int8")
    proofs = [make_proof(TaskKind.SINGLE_LABEL, gain=0.05 if "wide" in name else 0.02) for name in names]
    results = [
        make_result(variant=name, precision=name.split("-")[-1], proof=proof)
        for name, proof in zip(names, proofs, strict=True)
    ]
    [section] = build_report([make_teacher(), *results], title="toy", host_targets={"cpu"}, resamples=100).sections
    assert [row.name for row in section.proofs] == ["cnn", "cnn-wide"]
