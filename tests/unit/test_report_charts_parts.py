"""The parts of pictures that need no drawing: ticks, names, curves, bins."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.report.charts.choice import spread
from edgekd.report.charts.curves import MOST_POINTS, Dot, thinned
from edgekd.report.charts.latency import density
from edgekd.report.charts.lengths import of_calls
from edgekd.report.charts.names import MOST_NUMBERED, naming
from edgekd.report.charts.reliability import FEWEST, reliability
from edgekd.report.charts.scales import label_expression, linear_ticks, log_ticks
from edgekd.report.charts.style import DASHES, KIND_COLOURS, OTHER_COLOURS, colours, looks
from edgekd.report.labels import LONGEST_LINE, Spot, place, wrap
from edgekd.report.table import build_table
from edgekd.results import Quality
from edgekd.tasks import TaskKind
from tests.results import make_result, make_task_quality

FEW = settings(max_examples=40)
POSITIVE = st.floats(min_value=1e-9, max_value=1e12)


@FEW
@given(st.floats(min_value=-1e3, max_value=1e3), st.floats(min_value=1e-3, max_value=1e6), st.integers(3, 8))
def test_linear_ticks_are_round_few_and_inside(low, span, most):
    ticks = linear_ticks(low, low + span, most=most)
    assert 1 <= len(ticks) <= most
    slack = 1e-9 * (abs(low) + span)
    assert all(low - slack <= tick <= low + span + slack for tick in ticks)
    assert ticks == sorted(set(ticks))


def test_linear_ticks_of_known_ranges():
    assert linear_ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert linear_ticks(0.823, 0.914) == [0.84, 0.86, 0.88, 0.9]
    assert linear_ticks(-3, 7) == [-2, 0, 2, 4, 6]


@FEW
@given(POSITIVE, st.floats(min_value=1.5, max_value=1e9))
def test_log_ticks_are_round_and_inside(low, factor):
    ticks = log_ticks(low, low * factor)
    assert ticks
    assert all(low * (1 - 1e-9) <= tick <= low * factor * (1 + 1e-9) for tick in ticks)
    if factor >= 10:
        assert len(ticks) >= 2
        assert all(float(f"{tick:.1e}"[0]) in {1, 2, 3, 5} for tick in ticks)


def test_log_ticks_of_known_ranges():
    assert log_ticks(0.9e-3, 12e-3) == [1e-3, 2e-3, 5e-3, 10e-3]
    assert log_ticks(25e-6, 20e-3) == [30e-6, 100e-6, 300e-6, 1e-3, 3e-3, 10e-3]
    assert log_ticks(5.2e-3, 7.9e-3) == [6e-3, 7e-3]


def test_labels_of_ticks_are_quoted_and_zero_needs_no_unit():
    written = label_expression([0.0, 1.0, 2.0], lambda value: f"{value:.0f}'s \\")
    assert written == "datum.value < 0.5 ? '0' : datum.value < 1.5 ? '1\\'s \\\\' : '2\\'s \\\\'"


@FEW
@given(st.text(min_size=1, max_size=200))
def test_a_wrapped_name_has_two_short_lines_at_most(name):
    lines = wrap(name.replace("\n", " ")).split("\n")
    assert len(lines) <= 2
    assert all(len(line) <= LONGEST_LINE for line in lines)


def test_names_are_broken_after_hyphens():
    assert wrap("cnn-int8") == "cnn-int8"
    assert wrap("transformer-vocab-prune50-int8-pc") == "transformer-vocab-\nprune50-int8-pc"
    assert wrap("x" * 30) == f"{'x' * 22}\n{'x' * 8}"
    assert "\u2026" in wrap("bag-" * 20)


@FEW
@given(st.lists(st.integers(), unique=True, max_size=30).map(lambda found: [str(i) for i in found]))
def test_spread_keeps_all_names_and_begins_with_the_ends(names):
    found = spread(names)
    assert sorted(found) == sorted(names)
    if names:
        assert found[:2] == [names[-1], names[0]][: len(names)]


def test_spread_goes_on_in_the_middle():
    assert spread(list("abcde")) == ["e", "a", "c", "b", "d"]


def test_an_optional_name_without_room_is_left_out():
    crowd = [Spot(50 + i, 50 + j, "some-long-name", optional=True) for i in range(3) for j in range(3)]
    assert None in place(crowd, width=160, height=100, font_size=13)
    assert None not in place([Spot(s.x, s.y, s.text) for s in crowd], width=160, height=100, font_size=13)


def test_names_stand_beside_their_points_or_below_with_a_number():
    spots = {f"variant-number-{i}": (100.0 + 3 * i, 100.0) for i in range(8)}
    found = naming(spots, ["variant-number-3"], avoid=[], faint=[])
    beside = {one.name: one.spot.text for one in found.beside}
    assert set(beside) == set(spots)
    assert beside["variant-number-3"] == "variant-number-3"
    assert found.numbered
    assert [beside[name] for name in found.numbered] == [str(i + 1) for i in range(len(found.numbered))]
    boxes = [one.label.box for one in found.beside]
    assert all(a is b or a.overlap(b) == 0 for a in boxes for b in boxes)


def test_the_least_important_of_very_many_points_stay_without_a_name():
    spots = {f"a-variant-with-a-long-name-{i}": (100.0 + i, 100.0) for i in range(40)}
    found = naming(spots, [], avoid=[], faint=[])
    assert {one.name for one in found.beside} == set(found.numbered) == set(list(spots)[:MOST_NUMBERED])


def test_curves_are_thinned_to_their_ends():
    dots = [Dot(float(i), 1.0) for i in range(1000)]
    found = thinned(dots)
    assert len(found) == MOST_POINTS
    assert (found[0], found[-1]) == (dots[0], dots[-1])
    assert thinned(dots[:5]) == dots[:5]


def test_density_is_highest_where_most_calls_are():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-3, 0.05, 900), rng.normal(-2, 0.05, 100)])
    at = np.linspace(-3.5, -1.5, 81)
    curve = density(values, at)
    assert curve.max() == 1
    assert at[curve.argmax()] == pytest.approx(-3, abs=0.05)
    assert curve[np.abs(at + 2).argmin()] == pytest.approx(1 / 9, rel=0.4)
    assert density(np.full(20, -3.0), at).max() == 1  # no spread at all


def test_lengths_of_timed_calls_are_grouped():
    dots = of_calls("a", make_result(calls=400))
    assert 3 <= len(dots) <= 12
    assert [dot.x for dot in dots] == sorted(dot.x for dot in dots)
    assert all(dot.low <= dot.y <= dot.high for dot in dots)
    assert of_calls("a", make_result(calls=50)) == []


def test_reliability_holds_every_answer_in_bins_of_forty():
    quality = make_task_quality(TaskKind.MULTI_LABEL)
    bins = reliability(quality)
    assert all(one.count >= FEWEST for one in bins)
    assert sum(one.count for one in bins) <= 1600
    assert all(one.interval[0] <= one.right <= one.interval[1] for one in bins)
    assert [one.confidence for one in bins] == sorted(one.confidence for one in bins)


def test_reliability_of_a_perfect_model():
    sure = [[0.0, math.log(9)]] * 60  # nine to one
    quality = Quality(labels=["a", "b"], targets=[1] * 54 + [0] * 6, predictions=[1] * 60, logits=sure)
    [one] = reliability(quality)
    assert one.confidence == pytest.approx(0.9)
    assert one.right == pytest.approx(0.9)
    assert reliability(make_task_quality(TaskKind.REGRESSION)) == []


def test_a_kind_has_one_colour_and_its_variants_other_dashes():
    rows = build_table([make_result(variant=f"cnn-{i}", seed=i) for i in range(5)], resamples=5).rows
    found = looks(rows, rows)
    assert {look.colour for look in found.values()} == {KIND_COLOURS["cnn"]}
    assert [found[row.name].dash for row in rows] == [*DASHES, DASHES[0]]
    assert colours(["bilstm", "cnn", "lstm"]) == {
        "bilstm": OTHER_COLOURS[0],
        "cnn": KIND_COLOURS["cnn"],
        "lstm": OTHER_COLOURS[1],
    }
