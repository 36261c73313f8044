"""Scenarios from the option to the report, on tiny bundles."""

import io
import json

import pytest

from edgekd.bench.conditions import Sampler
from edgekd.bench.runner import run_bench
from edgekd.bench.scenarios import cold, lengths, offline, server, sustained
from edgekd.bench.scenarios.choose import scenario_phases
from edgekd.bench.variants import variant_from_bundle
from edgekd.config import BenchConfig
from edgekd.data.types import Examples
from edgekd.devices import find_profile
from edgekd.errors import ConfigError
from edgekd.measurements import ColdStart, Moment
from edgekd.report.export import to_json_value
from edgekd.report.model import build_report
from edgekd.report.scenarios import scenario_parts
from edgekd.report.table import build_table
from edgekd.report.terminal import render_terminal
from edgekd.results import load_result
from tests.bundles import make_bundle
from tests.results import make_result
from tests.toys import toy_texts

pytest.importorskip("onnx")

TEXTS = 40


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """All scenarios of a teacher and a student, each as short as it can be."""
    folder = tmp_path_factory.mktemp("scenarios")
    make_bundle(folder / "teacher", name="teacher-fp32", role="teacher", kind="teacher", slow_factor=4.0)
    make_bundle(folder / "student", name="bag-int8", precision="int8", max_length=24)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(offline, "LEAST_S", 0.002)
        patch.setattr(offline, "JOB_TEXTS", (16,))
        patch.setattr(server, "CAPACITY_S", 0.1)
        patch.setattr(server, "MOST_TEXTS", 200)
        patch.setattr(cold, "STARTS", 1)
        patch.setattr(sustained, "SHORTEST_S", 0.02)
        patch.setattr(sustained, "LONGEST_S", 0.02)
        patch.setattr(lengths, "ROUNDS", 2)
        run_bench(
            [variant_from_bundle(folder / name) for name in ("teacher", "student")],
            profile=find_profile("cpu"),
            config=BenchConfig(passes=1, processes=1, block_size=10, warm_up_calls=5),
            texts=Examples(*toy_texts(TEXTS)),
            warm_up_texts=toy_texts(10, seed=5)[0],
            data_name="toy",
            out=folder / "out",
            phases=scenario_phases(
                ["single-stream,offline", "server", "cold", "sustained"], minutes=0.004, lengths="8,16,20,48"
            ),
        )
    return [load_result(folder / "out" / f"{name}.result.json") for name in ("teacher-fp32", "bag-int8")]


def test_every_batch_size_is_measured_in_both_orders_and_one_by_one_once(results):
    for result in results:
        sizes = [(point.batch_size, point.by_length) for point in result.offline]
        assert sizes == [(1, False), *((size, order) for size in (2, 4, 8, 16) for order in (False, True))]
        assert all(len(point.texts) == len(point.seconds) == offline.REPETITIONS for point in result.offline)
        assert len({count for point in result.offline for count in point.texts}) == 1
        assert all(seconds > 0 for point in result.offline for seconds in point.seconds)


def test_all_variants_answer_the_same_arrivals_but_for_their_scale(results):
    teacher, student = (result.server for result in results)
    for one, other in zip(teacher, student, strict=True):
        assert one.load_share == other.load_share
        assert one.rounds == other.rounds == [50] * server.ROUNDS
        for a, b in zip(one.arrival_s, other.arrival_s, strict=True):
            assert a * one.rate_per_s == pytest.approx(b * other.rate_per_s, rel=1e-3, abs=1e-3)
    assert [point.load_share for point in teacher] == list(server.LOAD_SHARES)


def test_nobody_is_answered_before_arriving(results):
    for result in results:
        for point in result.server:
            assert all(0 <= waited < total for waited, total in zip(point.waited_s, point.total_s, strict=True))


def test_a_cold_start_has_its_parts_and_its_cache(results):
    for result in results:
        assert result.cold[0].cached
        for start in result.cold:
            assert start.import_s > start.first_answer_s > 0
            assert start.import_s + start.load_s + start.first_answer_s < start.spawned_s


def test_slices_follow_each_other_and_the_machine_is_read_after_each(results):
    for result in results:
        assert len(result.sustained) == 12
        begins = [one.start_s for one in result.sustained]
        assert begins == sorted(begins)
        for one in result.sustained:
            assert one.seconds >= 0.02
            assert one.calls > 0
            assert 0 < one.p50_s <= one.p95_s
            assert one.moment.at_s > 0


def test_lengths_beyond_the_longest_text_are_left_out_and_said(results):
    teacher, student = results
    assert [point.tokens for point in teacher.lengths] == [8, 16, 20, 48]
    assert [point.tokens for point in student.lengths] == [8, 16, 20]
    assert "not measured at 48 tokens: texts are cut to 24" in student.notes
    assert all(len(point.total_s) == 2 * lengths.TEXTS for point in teacher.lengths)


def test_reports_show_every_scenario_with_its_evidence(results):
    report = build_report(results, title="toy", host_targets=["cpu"], resamples=50)
    [section] = report.sections
    assert [part.key for part in section.scenarios] == ["lengths", "offline", "server", "cold", "sustained"]
    shown = json.loads(json.dumps(to_json_value(report)))["sections"][0]["scenarios"]
    for part in section.scenarios:
        assert {row["name"] for row in shown[part.key]["rows"]} == {"teacher-fp32", "bag-int8"}
        assert {row["evidence"] for row in shown[part.key]["rows"]} == {"host"}
    assert shown["server"]["rows"][0]["values"]["texts/s"]["value"] == results[0].server[0].rate_per_s


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_terminal_gives_up_intervals_before_it_breaks_numbers(results, width):
    from rich.console import Console

    console = Console(width=width, record=True, file=io.StringIO())
    report = build_report(results, title="toy", host_targets=["cpu"], resamples=50)
    for part in render_terminal(report):
        console.print(part, highlight=False)
    text = console.export_text()
    assert all(len(line) <= width for line in text.splitlines())
    assert "Cold start" in text
    assert ("Too narrow for the intervals" in text) == (width < 200)


def test_html_shows_them_too(results):
    pytest.importorskip("jinja2")
    from edgekd.report.html import to_html

    page = to_html(build_report(results, title="toy", host_targets=["cpu"], resamples=50), {})
    for title in ("Latency over length", "Server: latency under load", "Sustained load"):
        assert f"<h3>{title}</h3>" in page


def test_without_scenarios_a_report_has_none_of_their_tables():
    assert scenario_parts(build_table([make_result()], resamples=50).rows) == []


def test_few_cold_starts_say_that_they_are_few():
    start = ColdStart(spawned_s=0.5, import_s=0.2, load_s=0.1, first_answer_s=0.01, cached=True)
    [part] = scenario_parts(build_table([make_result(cold=[start] * 3)], resamples=50).rows)
    assert part.rows[0].detail == "files in the page cache"
    assert part.rows[0].cells[0].missing == "fewer than six repetitions"
    assert part.sentences == []


def test_a_bundle_of_a_fixed_batch_is_measured_with_that_one():
    assert offline.Offline()._sizes(8, 64) == [8]
    assert offline.Offline()._sizes(None, 64) == list(offline.BATCH_SIZES)
    assert offline.Offline()._sizes(None, 16) == [1, 2, 4, 8, 16]


class Heat(Sampler):
    """Tells temperatures from a list."""

    left: list[float]

    def read(self, pids=()):
        return Moment(at_s=0.0, temperature_c=self.left.pop(0) if self.left else 90.0)


class Says:
    def __init__(self):
        self.lines = []

    def say(self, message):
        self.lines.append(message)


@pytest.mark.parametrize(("degrees", "pauses"), [([51.0], 0), ([60.0, 55.0, 52.0], 2), ([], sustained.COOL_DOWN_S)])
def test_the_next_variant_waits_until_the_machine_is_cool_but_not_for_ever(degrees, pauses):
    class Context:
        affinity = (0,)
        progress = Says()

    slept = []
    made = type("Cooling", (Heat,), {"left": list(degrees)})
    sustained.Sustained(1, pause=slept.append, sampler=made)._cool_down(50.0, Context)
    assert len(slept) == pauses
    assert len(Context.progress.lines) == (pauses > 0)


def test_scenarios_come_as_a_list_or_joined_and_each_once():
    found = scenario_phases(["offline, cold", "cold", "single-stream"])
    assert [type(phase).__name__ for phase in found] == ["Offline", "Cold"]
    assert scenario_phases() == []
    assert scenario_phases(["server"], rates="100,50,50")[0].rates_per_s == [50, 100]
    assert scenario_phases(["sustained"])[0].minutes == sustained.MINUTES
    assert scenario_phases(lengths="32,8")[0].lengths == [8, 32]
    assert all(phase.needs_time for phase in scenario_phases(["offline,server,cold,sustained"], lengths="8"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenarios": ["ofline"]}, "Unknown scenario 'ofline'.*Did you mean 'offline'"),
        ({"scenarios": [""]}, "Unknown scenario ''"),
        ({"rates": "50"}, "--rates belongs to the scenario server"),
        ({"scenarios": ["offline"], "minutes": 2}, "--minutes belongs to the scenario sustained"),
        ({"scenarios": ["server"], "rates": "50;60"}, "--rates '50;60' is no list of positive numbers"),
        ({"scenarios": ["server"], "rates": "0"}, "is no list of positive numbers"),
        ({"scenarios": ["server"], "rates": "inf"}, "is no list of positive numbers"),
        ({"lengths": ""}, "--lengths '' is no list of positive numbers"),
        ({"lengths": "8.5"}, "--lengths are whole numbers of tokens; 8.5 is none"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        scenario_phases(**options)
