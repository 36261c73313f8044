from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edgekd.analysis.pareto import Point, dominates, front, knee

small = st.integers(0, 6).map(float)
points = st.lists(st.builds(Point, name=st.just("p"), benefit=small, cost=small.map(lambda c: c + 1)), max_size=12)


@given(points)
def test_front_is_exactly_what_nothing_dominates(cloud):
    expected = [p for p in cloud if not any(dominates(q, p) for q in cloud)]
    assert sorted(front(cloud), key=repr) == sorted(expected, key=repr)


@given(points)
def test_front_rises_with_cost(cloud):
    line = front(cloud)
    for a, b in pairwise(line):
        assert (a.cost < b.cost and a.benefit < b.benefit) or (a.cost, a.benefit) == (b.cost, b.benefit)


@given(points)
def test_front_does_not_depend_on_order(cloud):
    assert sorted(front(cloud), key=repr) == sorted(front(cloud[::-1]), key=repr)


@given(points)
def test_front_of_a_front_is_itself(cloud):
    assert front(front(cloud)) == front(cloud)


@given(points)
def test_knee_is_on_the_front(cloud):
    found = knee(cloud)
    assert found in front(cloud) if cloud else found is None


def test_nan_is_never_on_the_front():
    good = Point("good", 0.8, 1.0)
    assert front([good, Point("nan", math.nan, 0.5), Point("nan", 0.9, math.nan)]) == [good]


def test_knee_is_the_bend():
    # In log cost the straight line passes 0.85 at cost 10; the middle point lies above it, the other below.
    bag, cnn, cut, teacher = (
        Point("bag", 0.80, 1.0),
        Point("cnn", 0.88, 10.0),
        Point("cut", 0.885, 50.0),
        Point("teacher", 0.90, 100.0),
    )
    assert knee([teacher, cut, cnn, bag]) is cnn


def test_knee_of_two_points_is_the_cheap_one():
    assert knee([Point("a", 0.8, 1.0), Point("b", 0.9, 10.0)]).name == "a"
