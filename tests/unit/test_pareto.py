from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edgekd.analysis.pareto import Point, dominates, front

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


def test_nan_is_never_on_the_front():
    good = Point("good", 0.8, 1.0)
    assert front([good, Point("nan", math.nan, 0.5), Point("nan", 0.9, math.nan)]) == [good]
