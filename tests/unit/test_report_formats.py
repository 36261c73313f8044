from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edgekd.decisions import Decision, load_decisions, save_decisions
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.report.export import to_csv, to_json_value
from edgekd.report.labels import Spot, place
from edgekd.report.markdown import escape, to_markdown
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


class Tags(HTMLParser):
    """Collect tags, and the attributes that could fetch something."""

    def __init__(self):
        super().__init__()
        self.tags, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"src", "href", "xlink:href", "action"}]


def test_json_has_every_documented_key_and_no_nan():
    value = to_json_value(report(decisions=[DROPPED]))
    text = json.dumps(value, allow_nan=False)
    assert json.loads(text)["schema_version"] == 1
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
    assert "peak RSS" not in narrow
    assert "peak RSS" in wide
    assert "tokenize" in wide
    for text in (narrow, wide):
        assert "n/a: 400 samples, needs 662" in text
        assert "host" in text


def test_terminal_says_what_was_dropped_and_where_numbers_come_from():
    text = printed(report(decisions=[DROPPED]), 120)
    assert "Dropped bag-fp32: bag-int8 is smaller." in text
    assert "Measured on this machine." in text


def test_terminal_does_not_read_markup_in_names():
    assert "[red]x[/red]" in printed(report([make_teacher(), make_result(variant="[red]x[/red]")]), 160)


def test_markdown_has_a_table_and_everything_else():
    text = to_markdown(report(decisions=[DROPPED]), {"cpu": [("Accuracy against latency", "cpu-p50.svg")]})
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 8
    assert len({line.count("|") for line in table}) == 1
    assert "![Accuracy against latency](cpu-p50.svg)" in text
    assert "**dropped** bag-fp32: bag-int8 is smaller. (host)" in text
    assert "n/a: 400 samples, needs 662" in text
    assert "- `host`: measured on this host" in text


def test_markdown_escapes():
    text = to_markdown(report([make_teacher(), make_result(variant="a|b`<i>\n# c")]), {})
    assert "**a\\|b\\`&lt;i&gt; \\# c**" in text
    assert "<i>" not in text
    assert "<script" not in to_markdown(evil_report(), {}).replace("    <script", "")  # but for the code block


@given(st.text())
def test_markdown_escape_leaves_no_line_break_and_no_tag(text):
    escaped = escape(text)
    assert len(escaped.splitlines()) <= 1
    assert "<" not in escaped
    assert not re.search(r"(?<!\\)(?:\\\\)*\|", escaped)


def test_html_is_self_contained_and_escaped(tmp_path):
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    pytest.importorskip("jinja2")
    written = write_report(evil_report(), tmp_path, ["html"])
    assert [file.name for file in written.files] == ["report.html"]
    assert not written.skipped
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    parser = Tags()
    parser.feed(page)
    assert "script" not in parser.tags
    assert "link" not in parser.tags
    assert "svg" in parser.tags
    assert not parser.links
    assert "@import" not in page
    assert "url(" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 8
    assert "prefers-color-scheme: dark" in page


def test_html_shows_the_whole_story(tmp_path):
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    pytest.importorskip("jinja2")
    built = report(decisions=[DROPPED], run={"commands": ["make demo"], "recipe": "demo"})
    write_report(built, tmp_path, ["html", "md"])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert built.sections[0].headline[0] in page
    assert 'class="dropped"' in page.replace('" dropped"', '"dropped"')
    for text in ("bag-int8 is smaller.", "make demo", "Toy CPU 9000", "400 samples, needs 662", "Cannot tell"):
        assert text in page
    assert (tmp_path / "cpu-p50.svg").read_text(encoding="utf-8").count("<title>") == 6


def test_every_colour_of_the_pictures_follows_the_page(tmp_path):
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    from edgekd.report.charts import pareto_svg
    from edgekd.report.html import PALETTE

    svg = pareto_svg(report().sections[0], "p50_s")
    used = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{3,6})"', svg))
    assert used
    assert used <= {colour for colour, _ in PALETTE} | {"#000"}


def test_one_variant_is_too_few_for_a_picture():
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    from edgekd.report.charts import pareto_svg

    assert pareto_svg(report([make_result()]).sections[0], "p50_s") is None


@pytest.mark.parametrize("package", ["altair", "vl_convert", "jinja2"])
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
