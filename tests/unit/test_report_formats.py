from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from edgekd.decisions import Decision, load_decisions, save_decisions
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.report.export import to_json_value
from edgekd.report.export_csv import to_csv
from edgekd.report.labels import Spot, place
from edgekd.report.model import build_report
from edgekd.report.table import columns_of
from edgekd.report.terminal import render_terminal
from edgekd.report.write import write_report
from edgekd.tasks import TaskKind
from tests.results import make_result, make_session, make_teacher

EVIL = "<script>alert(1)</script>"
DROPPED = Decision(variant="bag-fp32", target="cpu", kept=False, reason="bag-int8 is smaller.", evidence="host")


def report(results=None, title="toy", **options):
    return build_report(results or make_session(), title=title, host_targets={"cpu"}, resamples=200, **options)


def evil_report():
    return report(
        [make_teacher(), make_result(variant=EVIL, kind=EVIL, notes=[EVIL])],
        title=EVIL,
        decisions=[Decision(variant=EVIL, target="cpu", kept=False, reason=EVIL, evidence="host")],
        run={"commands": [EVIL], "recipe": EVIL},
    )


def printed(built, width):
    console = Console(width=width, file=io.StringIO(), record=True, color_system=None)
    for part in render_terminal(built):
        console.print(part)
    return console.export_text()


def test_json_has_every_documented_key_and_no_nan():
    value = to_json_value(report(decisions=[DROPPED]))
    text = json.dumps(value, allow_nan=False)
    assert json.loads(text)["schema_version"] == 2
    [section] = value["sections"]
    assert section["reference"] == "teacher"
    assert section["decisions"][0]["variant"] == "bag-fp32"
    row = next(row for row in section["rows"] if row["name"] == "cnn-int8")
    assert set(row["metrics"]) == {column.key for column in columns_of(TaskKind.SINGLE_LABEL)}
    assert row["metrics"]["size_bytes"]["value"] == 4_600_000
    assert row["metrics"]["p50_s"]["low"] < row["metrics"]["p50_s"]["value"] < row["metrics"]["p50_s"]["high"]
    assert row["metrics"]["p99_s"]["value"] is None
    assert row["metrics"]["p99_s"]["missing"] == "400 samples, needs 662"
    assert row["evidence"] == "host"


def test_csv_has_raw_values_and_empty_cells_for_unknown_ones():
    text = to_csv(report())
    rows = {row["variant"]: row for row in csv.DictReader(io.StringIO(text))}
    assert len(rows) == 6
    assert float(rows["cnn-int8"]["p50_s"]) == pytest.approx(0.0005, rel=0.05)
    assert rows["cnn-int8"]["size_bytes"] == "4600000"
    assert rows["cnn-int8"]["p99_s"] == ""
    assert rows["cnn-int8"]["evidence"] == "host"
    assert "nan" not in text.lower()
    assert "inf," not in text.lower()


def test_csv_quotes_what_needs_it():
    text = to_csv(report([make_teacher(), make_result(variant='a,"b"\nc')]))
    assert [row["variant"] for row in csv.DictReader(io.StringIO(text))] == ["teacher", 'a,"b"\nc']


@pytest.mark.parametrize("width", [80, 120, 160])
def test_terminal_fits(width):
    lines = printed(report(), width).splitlines()
    assert max(len(line) for line in lines) <= width
    assert not any("\u2026" in line for line in lines)


def test_terminal_shows_more_when_there_is_room():
    narrow, wide = printed(report(), 80), printed(report(), 200)
    assert "No room for: " in narrow
    assert "peak RSS" in narrow.partition("No room for: ")[2]
    assert "peak RSS" in wide
    assert "No room for" not in wide
    for text in (narrow, wide):
        assert "n/a: 400 samples, needs 662" in text
        assert "host" in text


def test_terminal_says_what_was_dropped_and_where_numbers_come_from():
    text = printed(report(decisions=[DROPPED]), 120)
    assert "Dropped bag-fp32: bag-int8 is smaller." in text
    assert "Measured on this machine." in text


def test_terminal_does_not_read_markup_in_names():
    assert "[red]x[/red]" in printed(report([make_teacher(), make_result(variant="[red]x[/red]")]), 160)


@pytest.mark.parametrize("package", ["vl_convert", "jinja2"])
def test_without_the_extra_the_rest_is_written(tmp_path, monkeypatch, package):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    written = write_report(report(), tmp_path)
    names = {file.name for file in written.files}
    assert {"report.md", "report.csv", "report.json"} <= names
    reasons = " ".join(written.skipped)
    assert package in reasons
    assert "pip install 'edgekd[report]'" in reasons
    if package == "jinja2":
        assert "report.html" not in names
        assert "HTML was skipped" in reasons


def test_unknown_format(tmp_path):
    with pytest.raises(ConfigError, match=r"Unknown report format 'htm'.*csv, html, json, md.*mean 'html'"):
        write_report(report(), tmp_path, ["htm"])


def test_decisions_round_trip(tmp_path):
    assert load_decisions(tmp_path) == []
    save_decisions([DROPPED], tmp_path)
    assert load_decisions(tmp_path) == [DROPPED]


def test_damaged_decisions_name_the_field(tmp_path):
    (tmp_path / "decisions.json").write_text('[{"variant": "a"}]')
    with pytest.raises(InvalidArtifact, match=r"decisions\.json' is damaged: 0\.target"):
        load_decisions(tmp_path)


def boxes_overlap(labels):
    boxes = [label.box for label in labels]
    return any(a.overlap(b) > 0 for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize("distance", [0, 3, 12, 40])
def test_labels_of_close_points_do_not_overlap(distance):
    spots = [Spot(150 + i * distance, 150, name) for i, name in enumerate(["cnn-fp32", "cnn-int8", "bag-int8"])]
    assert not boxes_overlap(place(spots, width=400, height=280, font_size=12))


@pytest.mark.parametrize(("x", "y"), [(2, 2), (398, 2), (2, 278), (398, 278)])
def test_labels_stay_inside(x, y):
    [label] = place([Spot(x, y, "transformer-int8")], width=400, height=280, font_size=12)
    assert label.box.left >= 0
    assert label.box.right <= 400


def test_results_of_a_ladder_are_left_out_unless_their_folder_is_given(tmp_path):
    from edgekd.report.load import result_files
    from edgekd.results import save_result

    for folder in ("results/cpu", "results/cpu/ladder/cnn"):
        save_result(make_result(), tmp_path / folder / "cnn-int8.result.json")
    assert result_files([tmp_path]) == [tmp_path / "results" / "cpu" / "cnn-int8.result.json"]
    ladder = tmp_path / "results" / "cpu" / "ladder"
    assert result_files([ladder]) == [ladder / "cnn" / "cnn-int8.result.json"]
