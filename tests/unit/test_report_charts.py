"""The pictures of a section: which there are, what their marks say, and that nothing in them can run."""

import random
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from edgekd.decisions import Decision
from edgekd.errors import MissingExtra
from edgekd.measurements import ColdStart, Energy, LengthPoint, Moment, SustainedSlice
from edgekd.report import charts
from edgekd.report.html import page_style
from edgekd.report.model import build_report
from edgekd.results import Evidence, Role
from edgekd.tasks import TaskKind
from tests.results import (
    make_proof,
    make_quality,
    make_result,
    make_session,
    make_task_session,
    make_teacher,
)

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>\"'&"
ALWAYS = ["pareto-p50", "pareto-p95", "pareto-size", "pareto-memory", "latency", "lengths", "split"]


def section_of(results, **given):
    return build_report(results, title="t", resamples=10, **given).sections[0]


def with_logits(accuracy, seed):
    quality = make_quality(accuracy=accuracy, seed=seed)
    rng = np.random.default_rng(seed)
    sure = rng.uniform(0.1, 2.0, size=len(quality.predictions))
    rows = [
        [-float(s), float(s)] if p else [float(s), -float(s)] for p, s in zip(quality.predictions, sure, strict=True)
    ]
    return quality.model_copy(update={"logits": rows})


def everything(variant, *, p50_s=0.001, seed=0, **facts):
    """A result in which all was measured."""
    rng = random.Random(seed)
    moment = [Moment(at_s=float(i), clock_hz=1.5e9 - 1e7 * i, temperature_c=50.0 + i) for i in range(20)]
    pieces = {"import_s": 0.2, "load_s": 0.1, "first_answer_s": 0.01, "cached": True}
    found = {
        "proof": make_proof(TaskKind.SINGLE_LABEL),
        "quality": with_logits(facts.pop("accuracy", 0.86), seed + 2),
        "cold": [ColdStart(spawned_s=0.4 + 0.01 * rng.random(), **pieces) for _ in range(8)],
        "energy": [
            Energy(source="ina3221:VDD_IN", idle_w=2.0, joules=30.0 + rng.random(), seconds=10.0, calls=1000)
            for _ in range(5)
        ],
        "sustained": [
            SustainedSlice(start_s=float(i), seconds=1.0, calls=100, p50_s=p50_s, p95_s=2 * p50_s, moment=one)
            for i, one in enumerate(moment)
        ],
        "lengths": [
            LengthPoint(
                tokens=n,
                total_s=[p50_s * n / 16 * (1 + 0.1 * rng.random()) for _ in range(20)],
                tokenize_s=[p50_s / 50] * 20,
                infer_s=[p50_s * n / 20] * 20,
            )
            for n in (8, 32, 128)
        ],
    }
    return make_result(variant=variant, p50_s=p50_s, calls=700, seed=seed, **(found | facts))


def many(count, **first):
    """A teacher and so many students, all of which were measured in all ways; the first gets the given facts."""
    students = [
        everything(
            **{
                "variant": f"cnn-vocab{1000 * i}-prune30-int4-embeddings-int8-static",
                "p50_s": 0.0001 * 1.3**i,
                "accuracy": 0.8 + 0.005 * i,
                "seed": i,
                "kind": ("bag", "cnn", "bilstm")[i % 3],
                "precision": ("fp32", "int8", "int4")[i % 3],
                "size_bytes": 1_000_000 * (i + 1),
                **(first if i == 0 else {}),
            }
        )
        for i in range(count)
    ]
    teacher = everything(
        "teacher", role=Role.TEACHER, kind="teacher", precision="fp32", p50_s=0.02, accuracy=0.9, seed=99
    )
    return [teacher.model_copy(update={"proof": None}), *students]


@pytest.fixture(scope="module")
def fifteen():
    pytest.importorskip("vl_convert")
    section = section_of(many(14, variant=HOSTILE))
    return section, charts.pictures(section)


def elements(picture):
    return ElementTree.fromstring(picture.svg).iter()


def titles(picture):
    """The cards of a picture by the variant they are about."""
    found = {}
    for element in elements(picture):
        title = element.find(f"{SVG}title")
        if title is not None:
            found.setdefault(element.get("data-variant"), []).append(title.text)
    return found


def by_key(drawn):
    return {picture.key: picture for picture in drawn}


def test_there_is_a_picture_of_all_that_was_measured(fifteen):
    _, drawn = fifteen
    assert [picture.key for picture in drawn] == [
        *ALWAYS[:4],
        "pareto-energy",
        *ALWAYS[4:],
        "throttle",
        "gain",
        "calibration",
        "energy",
        "cold",
    ]
    assert {picture.group for picture in drawn} == {
        *("pareto", "latency", "lengths", "split", "throttle", "gain", "calibration", "energy", "cold")
    }
    assert sum(len(picture.svg.encode()) for picture in drawn) < 600_000


def test_every_variant_has_its_mark_with_the_numbers_of_the_table(fifteen):
    section, drawn = fifteen
    picture = by_key(drawn)["pareto-p50"]
    cards = titles(picture)
    assert set(cards) == {row.name for row in section.table.rows}
    for row in section.table.rows:
        accuracy, p50 = row.cells["accuracy"], row.cells["p50_s"]
        assert set(cards[row.name]) == {
            f"{row.name}: accuracy {accuracy.text} ({accuracy.interval}), p50 {p50.text} ({p50.interval})"
        }


def test_cards_of_the_distribution_say_each_percentile_as_the_table_does(fifteen):
    section, drawn = fifteen
    rows = {row.name: row for row in section.table.rows}
    for name, told in titles(by_key(drawn)["latency"]).items():
        for column, heading in (("p50_s", "p50"), ("p95_s", "p95"), ("p99_s", "p99")):
            cell = rows[name].cells[column]
            assert f"{name}: {heading} {cell.text} ({cell.interval})" in told


def test_data_variant_is_always_the_name_of_a_row(fifteen):
    section, drawn = fifteen
    names = {row.name for row in section.table.rows}
    for picture in drawn:
        found = {element.get("data-variant") for element in elements(picture)} - {None}
        assert found, picture.key
        assert found <= names, picture.key


def test_a_hostile_name_stays_text(fifteen):
    _, drawn = fifteen
    for picture in drawn:
        assert "<script" not in picture.svg
        for element in elements(picture):
            assert element.tag.removeprefix(SVG) in {
                *("svg", "g", "path", "text", "tspan", "rect", "line", "circle", "defs", "clipPath", "title")
            }
            for name in element.attrib:
                assert not name.lower().startswith("on")
                assert "href" not in name
    assert HOSTILE in titles(by_key(drawn)["pareto-p50"])
    assert any(HOSTILE in (element.text or "") for element in elements(by_key(drawn)["lengths"]))


def test_a_screen_reader_says_the_numbers(fifteen):
    section, drawn = fifteen
    teacher = section.table.rows[0]
    for picture in drawn:
        root = ElementTree.fromstring(picture.svg)
        assert root.get("role") == "img"
        assert root.get("aria-label") == picture.alt
        assert re.search(r"\d", picture.alt), picture.key
    assert f"teacher: p50 {teacher.cells['p50_s'].text}" in by_key(drawn)["latency"].alt


def test_every_colour_follows_the_page(fifteen):
    _, drawn = fifteen
    used = {
        value
        for picture in drawn
        for element in elements(picture)
        for name in ("fill", "stroke")
        if (value := element.get(name)) is not None
    }
    assert used - {"none"} <= {colour for colour, _ in charts.PALETTE}
    style = page_style().replace("\n", " ")
    for colour, name in charts.PALETTE:
        assert f"--{name}: {colour};" in style
        assert f"--{name}: {charts.DARK[name]};" in style


def test_letters_are_ten_pixels_high_on_a_phone(fifteen):
    _, drawn = fifteen
    for picture in drawn:
        width = float(ElementTree.fromstring(picture.svg).get("viewBox").split()[2])
        sizes = {element.get("font-size") for element in elements(picture)} - {None}
        assert sizes == {"13px"}, picture.key
        assert 13 * 328 / width >= 9.9, picture.key  # 360 pixels less the margins of a page


def test_ids_of_pictures_differ_and_references_follow():
    marks = charts.svg.Marks()
    key = marks.key("a", "card")
    given = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="x()">'
        '<defs><clipPath id="clip0"><rect/></clipPath></defs><script>x()</script><foreignObject/>'
        f'<g clip-path="url(#clip0)"><path aria-label="{key}" d="M0,0h1" onclick="x()"/>'
        '<path aria-label="mark-7" d="M0,0h1"/><a xlink:href="https://example.org"><rect/></a></g></svg>'
    )
    root = ElementTree.fromstring(charts.svg.finish(given, marks, prefix="cpu-latency-", label="one"))
    assert root.find(f".//{SVG}clipPath").get("id") == "cpu-latency-clip0"
    group = root.find(f"{SVG}g")
    assert group.get("clip-path") == "url(#cpu-latency-clip0)"
    assert [path.get("data-variant") for path in group] == ["a", None]
    assert group[0].find(f"{SVG}title").text == "card"
    assert set(group[0].attrib) == {"d", "data-variant"}
    assert root.find(f".//{SVG}script") is None
    assert "onload" not in root.attrib


def test_the_recommended_variant_is_always_shown_in_bold(fifteen):
    section, drawn = fifteen
    chosen = section.recommendation.variant
    for key in ("latency", "split", "lengths", "throttle", "calibration"):
        bold = {e.get("data-variant") for e in elements(by_key(drawn)[key]) if e.get("font-weight") == "bold"}
        assert bold == {chosen}, key


def test_a_picture_of_few_says_how_many_are_left_out(fifteen):
    _, drawn = fifteen
    assert "7 further variants are not drawn" in by_key(drawn)["latency"].caption
    assert len(titles(by_key(drawn)["latency"])) == 8
    assert "not drawn" not in by_key(drawn)["pareto-p50"].caption


@pytest.fixture(scope="module")
def elsewhere():
    """A session without scenarios, measured here for another board, with a choice on record."""
    pytest.importorskip("vl_convert")
    results = [one.model_copy(update={"target": "raspberry-pi-4"}) for one in make_session()]
    choice = Decision(
        variant="bag-int8", kept=True, status="best", reason="fits", target="raspberry-pi-4", evidence="host", model=""
    )
    section = section_of(results, decisions=[choice])
    assert not section.on_target
    return by_key(charts.pictures(section))


def test_without_scenarios_there_are_only_pictures_of_what_was_measured(elsewhere):
    assert list(elsewhere) == ALWAYS
    assert "grouped by length" in elsewhere["lengths"].caption


def test_numbers_of_another_machine_are_labelled(elsewhere):
    assert "Measured on another machine (Toy CPU 9000), not on raspberry-pi-4." in elsewhere["latency"].caption
    note = "Latency and memory were measured on another machine (Toy CPU 9000), not on raspberry-pi-4."
    assert all(note in elsewhere[key].caption for key in ALWAYS[:4])
    assert len({elsewhere[key].caption for key in ALWAYS[:4]}) == 1  # a page tells it once


def test_the_recorded_choice_gets_the_ring(elsewhere):
    picture = elsewhere["pareto-p50"]
    bold = {e.get("data-variant") for e in elements(picture) if e.get("font-weight") == "bold"}
    assert bold == {"bag-int8"}
    assert "The ring is the recommended variant." in picture.caption


def test_one_variant_has_no_front_but_a_distribution():
    pytest.importorskip("vl_convert")
    drawn = by_key(charts.pictures(section_of([make_result()])))
    assert set(drawn) == {"latency", "lengths", "split"}
    assert set(titles(drawn["latency"])) == {"cnn-int8"}


def test_a_name_that_no_xml_file_may_hold_is_drawn():
    pytest.importorskip("vl_convert")
    drawn = by_key(charts.pictures(section_of([make_result(variant="a\x07b\x00\nc \u2028 \u202e")])))
    assert set(titles(drawn["latency"])) == {"a\ufffdb\ufffd\nc \u2028 \u202e"}
    assert charts.png_of(drawn["latency"])


def test_too_few_calls_and_no_truth_give_no_picture():
    pytest.importorskip("vl_convert")
    assert charts.pictures(section_of([make_result(calls=5)])) == []


@pytest.mark.parametrize("task", [TaskKind.MULTI_LABEL, TaskKind.REGRESSION])
def test_other_tasks_are_drawn(task):
    pytest.importorskip("vl_convert")
    drawn = by_key(charts.pictures(section_of(make_task_session(task))))
    assert {"pareto-p50", "latency", "gain"} <= set(drawn)
    assert ("calibration" in drawn) == (task is not TaskKind.REGRESSION)
    name = {"multi-label": "Macro F1", "regression": "Pearson correlation"}[task.value]
    assert drawn["pareto-p50"].title == f"{name} against p50 latency"
    assert len(titles(drawn["gain"])["cnn-fp32"]) == 15  # three gains, each with a bar, a mark and three seeds


def test_an_emulator_gives_no_latency():
    pytest.importorskip("vl_convert")
    emulated = [
        one.model_copy(update={"evidence": Evidence.EMULATED, "target": "raspberry-pi-4"})
        for one in (make_teacher(), make_result())
    ]
    assert [picture.key for picture in charts.pictures(section_of(emulated))] == ["pareto-size"]


def test_png_is_a_picture_of_twice_the_size(fifteen):
    _, drawn = fifteen
    picture = by_key(drawn)["gain"]
    png = charts.png_of(picture)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width = int.from_bytes(png[16:20], "big")
    assert width == 2 * int(ElementTree.fromstring(picture.svg).get("width"))


def test_without_the_extra_the_reason_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    with pytest.raises(MissingExtra, match="vl_convert"):
        charts.pictures(section_of([make_result()]))
    with pytest.raises(MissingExtra, match="vl_convert"):
        charts.png_of(charts.Picture("a", "a", "a", "a", "a", "<svg/>"))
