"""The report for every task: columns, words and pictures follow from it; and whether the teacher helped."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from edgekd import units
from edgekd.analysis.compare import compare_sets
from edgekd.errors import Incomparable
from edgekd.report.comparison_terminal import render_comparison
from edgekd.report.export import to_json_value
from edgekd.report.export_csv import to_csv
from edgekd.report.markdown import to_markdown
from edgekd.report.model import build_report
from edgekd.report.proofs import TITLE, over_seeds
from edgekd.report.terminal import render_terminal
from edgekd.report.write import write_report
from edgekd.tasks import MAIN_METRIC, TaskKind
from tests.results import make_proof, make_result, make_session, make_task_quality, make_task_session, make_teacher

OTHERS = [TaskKind.MULTI_LABEL, TaskKind.REGRESSION]


def report(results):
    return build_report(results, title="toy", host_targets={"cpu"}, resamples=100)


@pytest.fixture(scope="module")
def built():
    return {task: report(make_task_session(task)) for task in OTHERS}


def printed(parts, width=200):
    console = Console(width=width, file=io.StringIO(), record=True, color_system=None)
    for part in parts:
        console.print(part)
    return console.export_text()


@pytest.mark.parametrize(
    ("task", "keys"),
    [
        (TaskKind.MULTI_LABEL, ["macro_f1", "micro_f1", "map", "agreement", "kd_gain", "ece"]),
        (TaskKind.REGRESSION, ["pearson", "spearman", "rmse", "mae", "teacher_pearson", "kd_gain"]),
    ],
)
def test_the_columns_follow_from_the_task(built, task, keys):
    [section] = built[task].sections
    assert [column.key for column in section.table.columns if column.group == "Quality"] == keys
    row = next(row for row in section.table.rows if row.name == "cnn-fp32")
    assert set(row.cells) == {column.key for column in section.table.columns}
    assert row.main is row.cells[MAIN_METRIC[task]]
    assert row.main.low < row.main.value < row.main.high
    assert not any(row.cells[key].missing for key in keys)


def test_units_of_the_cells(built):
    cells = {task: {r.name: r for r in built[task].sections[0].table.rows}["cnn-fp32"].cells for task in OTHERS}
    assert cells[TaskKind.MULTI_LABEL]["macro_f1"].text.endswith(" %")
    assert cells[TaskKind.MULTI_LABEL]["kd_gain"].text == "+2.0 pt"
    assert cells[TaskKind.MULTI_LABEL]["kd_gain"].interval == "+1.0 to +3.0"
    assert cells[TaskKind.REGRESSION]["pearson"].text.startswith("0.9")
    assert cells[TaskKind.REGRESSION]["kd_gain"].text == "+0.020"
    assert float(cells[TaskKind.REGRESSION]["rmse"].text) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("task", "words"), [(OTHERS[0], "points lower in macro F1"), (OTHERS[1], "lower in Pearson")])
def test_the_headline_speaks_of_the_main_score(built, task, words):
    assert words in built[task].sections[0].headline[0]
    equal = [make_teacher(quality=make_task_quality(task)), make_result(quality=make_task_quality(task))]
    assert "equal in" in report(equal).sections[0].headline[0]


def test_several_tasks_have_a_section_each():
    results = [*make_session(), *(result for task in OTHERS for result in make_task_session(task))]
    mixed = report(results)
    assert [section.table.task for section in mixed.sections] == list(TaskKind)
    assert ["single-label" in mixed.sections[0].heading, "regression" in mixed.sections[2].heading] == [True, True]
    assert len({section.name for section in mixed.sections}) == 3
    rows = list(csv.DictReader(io.StringIO(to_csv(mixed))))
    assert len(rows) == 6 + 4 + 4
    by_task = {row["task"]: row for row in rows if row["variant"] == "cnn-fp32"}
    assert by_task["single-label"]["pearson"] == by_task["regression"]["accuracy"] == ""
    assert float(by_task["regression"]["pearson"]) > 0.8
    assert float(by_task["multi-label"]["macro_f1_low"]) > 0.8


def test_json_says_the_task_and_holds_all_scores(built):
    value = json.loads(json.dumps(to_json_value(built[TaskKind.MULTI_LABEL]), allow_nan=False))
    [section] = value["sections"]
    assert (section["task"], section["main_metric"]) == ("multi-label", "macro_f1")
    row = next(row for row in section["rows"] if row["name"] == "cnn-fp32")
    assert {"micro_f1", "map", "subset_accuracy", "ece", "brier"} <= set(row["scores"])
    assert {"agreement", "subset_agreement", "kl"} == set(row["fidelity"])
    proof = section["proofs"]["cnn"]
    assert (proof["seeds"], proof["total"]["value"], proof["verdict"]) == ([0, 1, 2], 0.02, "helped")


@pytest.mark.parametrize("task", OTHERS)
def test_the_terminal_shows_the_main_score_and_fits(built, task):
    heading = {TaskKind.MULTI_LABEL: "macro F1", TaskKind.REGRESSION: "Pearson"}[task]
    for width in (80, 120):
        text = printed(render_terminal(built[task]), width)
        assert heading in text
        assert max(len(line) for line in text.splitlines()) <= width
        assert "\u2026" not in text


@pytest.mark.parametrize("task", OTHERS)
def test_pictures_have_the_main_score_as_their_axis(built, tmp_path, task):
    pytest.importorskip("vl_convert")
    pytest.importorskip("vl_convert")
    pytest.importorskip("jinja2")
    write_report(built[task], tmp_path, ["html", "md"])
    name = {TaskKind.MULTI_LABEL: "macro F1", TaskKind.REGRESSION: "Pearson correlation"}[task]
    assert name in (tmp_path / "cpu-pareto-p50.svg").read_text(encoding="utf-8")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert TITLE in page
    assert "More data: +" in page
    assert "accuracy" not in page.lower()


# Did the teacher help?


def student(**changes):
    return make_result(variant="cnn-fp32", precision="fp32", **changes)


def test_every_format_tells_whether_the_teacher_helped(built):
    section = built[TaskKind.MULTI_LABEL].sections[0]
    [sentence] = section.gains
    assert sentence.startswith("cnn: Distillation helped: +2.0 points of macro F1")
    markdown = to_markdown(built[TaskKind.MULTI_LABEL], {})
    terminal = printed(render_terminal(built[TaskKind.MULTI_LABEL]), 400)
    for text in (markdown, terminal):
        assert TITLE in text
        assert "More data: +1.0 (cannot tell from 0); softer targets: +1.0 (cannot tell from 0)." in text
    [row] = csv.DictReader(io.StringIO(to_csv(report([student(proof=make_proof(TaskKind.SINGLE_LABEL))]))))
    assert (row["kd_seeds"], row["kd_verdict"], row["kd_more_data"]) == ("3", "helped", "0.01")
    assert float(row["kd_student_mean"]) - float(row["kd_control_mean"]) == pytest.approx(0.02)


def test_the_mean_over_seeds_by_hand():
    # 0.820, 0.822, 0.824: mean 0.822, standard deviation 0.002, t(2) = 4.303: half-width 0.00497
    [section] = report([student(proof=make_proof(TaskKind.SINGLE_LABEL))]).sections
    [row] = section.proofs
    assert row.cells[:3] == ("cnn", "3", "82.2 % [81.7 to 82.7]")
    assert row.cells[5] == "+2.0 pt [+1.0 to +3.0]"
    [sentence] = over_seeds(section.proofs)
    assert "82.2 % [81.7 to 82.7] distilled, 80.2 % [79.7 to 80.7] without the teacher" in sentence


def test_the_interval_over_seeds_stays_where_scores_can_be():
    far_apart = make_proof(TaskKind.REGRESSION).model_copy(update={"student": [0.2, 0.9], "seeds": [0, 1]})
    [section] = report([student(proof=far_apart, quality=make_task_quality(TaskKind.REGRESSION))]).sections
    assert section.proofs[0].cells[2] == "0.550 [-1.000 to 1.000]"


def test_a_single_seed_has_no_mean_over_seeds():
    [section] = report([student(proof=make_proof(TaskKind.SINGLE_LABEL, seeds=1))]).sections
    assert section.proofs[0].cells[:3] == ("cnn", "1", "82.0 %")
    assert over_seeds(section.proofs) == []


def test_int8_and_fp32_share_one_proof_and_int8_alone_keeps_it():
    proof = make_proof(TaskKind.SINGLE_LABEL)
    both = report([student(proof=proof), make_result(proof=proof)]).sections[0]
    assert len(both.gains) == len(both.proofs) == 1
    assert report([make_result(proof=proof)]).sections[0].proofs[0].name == "cnn"


def test_without_a_control_nothing_is_claimed():
    alone = make_proof(TaskKind.SINGLE_LABEL).model_copy(
        update={"control": [], "transfer_control": [], "total": None, "more_data": None, "softer_targets": None}
    )
    section = report([student(proof=alone)]).sections[0]
    assert (section.gains, section.proofs) == ([], [])
    assert section.table.rows[0].cells["kd_gain"].missing == "no control was trained"


# Compare and decide


def test_compare_multi_label_and_regression():
    for task, metric in ((OTHERS[0], "macro_f1"), (OTHERS[1], "pearson")):
        good, bad = make_task_session(task)[1], make_task_session(task)[3]
        [pair] = compare_sets([good], [bad]).pairs
        found = {change.metric: change for change in pair.changes}
        assert found[metric].verdict.value == "worse"
        assert found[metric].high < 0
    rmse = found["rmse"]
    assert rmse.relative
    assert 0 < rmse.low < rmse.change < rmse.high
    text = printed(render_comparison(compare_sets([good], [bad])))
    assert "RMSE" in text
    assert units.relative(rmse.change, rmse.low, rmse.high) in text


def test_an_error_that_was_zero_changes_in_the_units_of_the_data():
    perfect = make_task_quality(TaskKind.REGRESSION, noise=0.0)
    before, after = (make_result(quality=q) for q in (perfect, make_task_quality(TaskKind.REGRESSION)))
    found = compare_sets([before], [after])
    rmse = next(change for change in found.pairs[0].changes if change.metric == "rmse")
    assert (rmse.before, rmse.relative) == (0.0, False)
    assert rmse.change == pytest.approx(rmse.after)
    text = printed(render_comparison(found))
    assert units.change(rmse.change, rmse.low, rmse.high) in text
    assert "inf" not in text


def test_results_of_different_tasks_are_not_compared():
    with pytest.raises(Incomparable, match="the task differs: multi-label and regression"):
        compare_sets([make_task_session(OTHERS[0])[1]], [make_task_session(OTHERS[1])[1]])
