from __future__ import annotations

import pytest

from edgekd.decisions import Decision
from edgekd.errors import DataError
from edgekd.report.model import build_report
from edgekd.report.table import build_table, reference_of
from edgekd.results import Evidence
from tests.results import make_machine, make_result, make_session, make_teacher


def rows_by_name(results):
    return {row.name: row for row in build_table(results, resamples=200).rows}


def report(results, **options):
    return build_report(results, title="toy", host_targets={"cpu"}, resamples=200, **options)


def test_teacher_first_then_from_slow_to_fast():
    names = [row.name for row in build_table(make_session()[::-1], resamples=200).rows]
    assert names == ["teacher", "teacher-torch", "cnn-fp32", "cnn-int8", "bag-fp32", "bag-int8"]


def test_reference_is_the_onnx_fp32_teacher():
    int8 = make_teacher(variant="teacher-int8", precision="int8")
    torch = make_teacher(variant="teacher-torch", backend="torch")
    onnx = make_teacher()
    assert reference_of([torch, int8, onnx]) is onnx
    assert reference_of([torch]) is torch
    assert reference_of([make_result()]) is None


def test_speed_up_refers_to_the_teacher():
    rows = rows_by_name([make_teacher(p50_s=0.008), make_result(p50_s=0.0005)])
    cell = rows["cnn-int8"].cells["speed_up"]
    assert cell.value == pytest.approx(16, rel=0.1)
    assert cell.low < cell.value < cell.high
    assert rows["teacher"].cells["speed_up"].text == "1x"


def test_a_percentile_without_enough_samples_says_what_it_needs():
    cells = rows_by_name([make_result(calls=80)])["cnn-int8"].cells
    assert cells["p99_s"].text == "n/a"
    assert cells["p99_s"].missing == "80 samples, needs 662"
    assert cells["p99_s"].value is None
    assert cells["p90_s"].value is not None


def test_kd_gain_comes_from_the_control():
    results = [
        make_teacher(),
        make_result(accuracy=0.86, control=(0.83, 332)),
        make_result(variant="bag-int8"),
    ]
    rows = rows_by_name(results)
    assert rows["cnn-int8"].cells["kd_gain"].text == "+3.0 pt"
    assert rows["bag-int8"].cells["kd_gain"].missing == "no control was trained"
    assert rows["teacher"].cells["kd_gain"].text == "-"


def test_without_a_teacher_there_is_no_speed_up():
    cell = rows_by_name([make_result()])["cnn-int8"].cells["speed_up"]
    assert cell.missing == "no teacher was measured"


def test_equal_names_are_told_apart():
    names = set(rows_by_name([make_result(), make_result(session="s2", created_at="2026-02-02T00:00:00Z")]))
    assert names == {"cnn-int8 (2026-01-02T03:04:05Z)", "cnn-int8 (2026-02-02T00:00:00Z)"}


def test_no_results():
    with pytest.raises(DataError, match="no result to report"):
        report([])


def test_headline_names_speed_accuracy_and_size():
    [section] = report([make_teacher(), make_result(accuracy=0.8575)]).sections
    assert section.headline == [
        "cnn-int8 is 15.5x faster than the teacher at p50, 4.2 points less accurate, 20x smaller, fits cpu's budget."
    ]


def test_headline_leaves_dropped_variants_out():
    drop = Decision(variant="bag-int8", target="cpu", kept=False, reason="slow.", evidence="host")
    with_it, without_it = report(make_session()), report(make_session(), decisions=[drop])
    assert "bag-int8" in " ".join(with_it.sections[0].headline)
    assert "bag-int8" not in " ".join(without_it.sections[0].headline)


def test_headline_says_when_a_difference_is_within_the_uncertainty():
    results = [make_teacher(accuracy=0.9, texts=100), make_result(accuracy=0.89, texts=100)]
    [section] = report(results).sections
    assert "1.0 points less accurate (within the uncertainty of 100 texts)" in section.headline[0]


def test_headline_says_when_a_student_is_slower():
    results = [make_teacher(p50_s=0.001), make_result(p50_s=0.002, accuracy=0.95)]
    [section] = report(results).sections
    assert "slower than the teacher at p50" in section.headline[0]
    assert "more accurate" in section.headline[0]


@pytest.mark.parametrize(
    ("control", "start"),
    [(0.6, "KD helped cnn: +26.0 pt"), (0.95, "KD hurt cnn: -9.0 pt"), (0.855, "Cannot tell whether KD helped cnn:")],
)
def test_gain_in_words(control, start):
    result = make_result(accuracy=0.86, control=(control, round(400 * control)))
    [sentence] = report([make_teacher(), result]).sections[0].gains
    assert sentence.startswith(start)
    assert f"against {100 * control:.1f} % without the teacher" in sentence


def test_gain_uses_the_fp32_variant():
    control = {"control": (0.6, 240)}
    results = [make_result(**control), make_result(variant="cnn-fp32", precision="fp32", accuracy=0.87, **control)]
    [sentence] = report(results).sections[0].gains
    assert "+27.0 pt (87.0 %" in sentence


def test_another_device_is_never_said_to_be_measured():
    [section] = report([make_teacher(target="raspberry-pi-4")]).sections
    assert section.statement == (
        "Measured on this host under the profile's threads; no number here was measured on raspberry-pi-4."
    )
    assert not section.on_target


def test_a_board_measured_on_itself():
    [section] = report([make_teacher(target="raspberry-pi-4", evidence=Evidence.DEVICE)]).sections
    assert section.statement == "Measured on raspberry-pi-4."
    assert section.on_target


def test_mixed_evidence_is_pointed_out():
    results = [make_result(target="pi", evidence=Evidence.DEVICE), make_result(target="pi", variant="b")]
    assert "Rows marked 'device'" in report(results).sections[0].statement


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ({"target": "pi"}, "pi"),
        ({"data_hash": "e" * 64}, "eeeeeeee"),
        ({"machine": make_machine(fingerprint="a" * 16)}, "aaaaaaaa"),
        ({"threads": 4}, "4 threads"),
    ],
)
def test_what_may_not_share_a_table_gets_its_own(other, word):
    sections = report([make_result(), make_result(**other)]).sections
    assert len(sections) == 2
    assert word in sections[1].heading
    assert len({section.name for section in sections}) == 2


def test_fronts():
    [section] = report(make_session()).sections
    assert section.fronts["size_bytes"] == ["bag-int8", "cnn-int8", "cnn-fp32", "teacher"]
    assert "teacher-torch" not in section.fronts["p50_s"]


def test_the_same_results_give_the_same_report():
    from edgekd.report.export import to_json_value
    from edgekd.report.export_csv import to_csv

    first, second = report(make_session()), report(make_session())
    assert to_json_value(first) == to_json_value(second)
    assert to_csv(first) == to_csv(second)


def test_commands_come_from_the_run_or_from_the_results():
    assert report([make_result()], run={"commands": ["make demo"]}).commands == ["make demo"]
    assert report([make_result()]).commands == ["edgekd bench run/bundles/cpu/cnn-int8 --target cpu --data toy"]


def test_two_boards_of_a_kind_have_a_table_each():
    one, other = (
        make_result(board=f"ssh://{name}", session=name, evidence=Evidence.DEVICE) for name in ("kitchen", "cellar")
    )
    sections = report([one, other]).sections
    assert [section.heading for section in sections] == [f"{one.target}, ssh://kitchen", f"{one.target}, ssh://cellar"]
    assert [section.heading for section in report([one]).sections] == [one.target]
