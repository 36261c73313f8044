from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd import units


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.0005, None, None, "500 \u00b5s"),
        (0.0005012, 0.000491, 0.000510, "501 \u00b5s"),
        (0.007888, 0.00771, 0.00801, "7.89 ms"),
        (0.0103, 0.0097, 0.0107, "10.3 ms"),
        (0.00099996, None, None, "1.00 ms"),
        (1.5, None, None, "1.50 s"),
        (2.4e-8, None, None, "24.0 ns"),
    ],
)
def test_duration_digits_follow_the_interval(value, low, high, text):
    assert units.duration(value, low, high) == text


def test_interval_has_the_digits_of_its_value():
    assert units.duration_interval(0.007888, 0.00771, 0.00801) == "7.71 to 8.01"


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (999, "999 B"), (4_600_000, "4.60 MB"), (91_000_000, "91.0 MB")]
)
def test_size(value, text):
    assert units.size(value) == text


@pytest.mark.parametrize(
    ("difference", "text"), [(0.018, "+1.8 pt"), (-0.0391, "-3.9 pt"), (0.0, "0.0 pt"), (-0.0001, "0.0 pt")]
)
def test_points_always_have_a_sign_but_for_zero(difference, text):
    assert units.points(difference) == text


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [(15.75, 15.3, 16.2, "15.8x"), (0.718, 0.696, 0.733, "0.718x"), (19.8, None, None, "20x")],
)
def test_ratio(value, low, high, text):
    assert units.ratio(value, low, high) == text


def test_percent_gets_a_second_decimal_only_when_the_interval_is_that_narrow():
    assert units.percent(0.8575, 0.82, 0.89) == "85.8 %"
    assert units.percent(0.99951, 0.9993, 0.9996) == "99.95 %"


@given(st.floats(1e-9, 1e4))
def test_a_duration_is_within_one_per_cent_of_its_text(value):
    text, unit = units.duration(value).split()
    factor = {"s": 1, "ms": 1e-3, "\u00b5s": 1e-6, "ns": 1e-9}[unit]
    assert float(text.replace(",", "")) * factor == pytest.approx(value, rel=0.01)
