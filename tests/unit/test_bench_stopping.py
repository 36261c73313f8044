"""How long is measured, with a scripted clock."""

from __future__ import annotations

import pytest

from edgekd.analysis.precision import UNKNOWN, Width
from edgekd.bench.stopping import LEAST_CALLS, MOST_PROCESSES, Stopping
from edgekd.config import BenchConfig


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def stopping(passes=1, **config):
    clock = Clock()
    return Stopping(BenchConfig(**config), passes, clock), clock


def process(made, clock, number, seconds, start_s=0.0):
    """Time for so long; return what was said at its end: over, enough."""
    made.begin(number, start_s)
    clock.now += seconds
    elapsed_s = made.elapsed_s()
    said = made.is_over(elapsed_s), made.is_enough(elapsed_s, 1)
    made.end()
    clock.now += 1000.0  # the next ones are started; that is no time of the timing
    return said


def never():
    raise AssertionError("it is asked only when it matters")


def test_the_time_is_shared_by_the_processes_and_what_is_left_goes_to_the_next():
    made, clock = stopping(processes=3, max_seconds=30)
    assert process(made, clock, 0, 4.0) == (False, True)
    assert process(made, clock, 1, 15.9) == (False, True)  # 20 s for both
    assert process(made, clock, 2, 10.2) == (True, True)
    assert made.is_last(3, 1000, never)
    assert made.notes == ["the time limit of 30 s cut the timing short"]


def test_passes_are_added_until_the_least_time():
    made, clock = stopping(processes=2, min_seconds=10, max_seconds=30)
    made.begin(0, 0.0)
    clock.now += 4.9
    assert not made.is_enough(made.elapsed_s(), passes=7)
    clock.now += 0.1
    assert made.is_enough(made.elapsed_s(), passes=7)


def test_a_pass_that_was_planned_is_measured():
    made, _ = stopping(passes=3, processes=1)
    made.begin(0, 0.0)
    assert [made.is_enough(0.0, passes) for passes in (1, 2, 3)] == [False, False, True]


def test_without_a_precision_the_number_of_processes_is_given():
    made, clock = stopping(processes=2)
    process(made, clock, 0, 1.0)
    assert not made.is_last(1, 1000, never)
    process(made, clock, 1, 1.0)
    assert made.is_last(2, 1000, never)
    assert made.notes == []


def test_further_processes_follow_until_every_median_is_known_well_enough():
    made, clock = stopping(processes=2, precision=0.02)
    process(made, clock, 0, 1.0)
    process(made, clock, 1, 1.0)
    assert not made.is_last(2, LEAST_CALLS - 1, never)
    assert not made.is_last(2, LEAST_CALLS, lambda: [Width(0.01, 0.0), Width(0.021, 0.0)])
    assert process(made, clock, 2, 1.9, start_s=2.0) == (False, False)  # at least as long as it took to start
    assert process(made, clock, 3, 2.0, start_s=2.0) == (False, True)
    assert made.is_last(4, 1000, lambda: [Width(0.01, 0.0), Width(0.0199, 0.015)])
    [note] = made.notes
    assert note == "every median latency is known within 2 %, as wanted (4 processes a variant, 5.90 s of timing)"


def test_the_least_time_holds_for_a_precision_too():
    made, clock = stopping(processes=1, precision=0.5, min_seconds=5)
    process(made, clock, 0, 4.0)
    assert not made.is_last(1, 1000, lambda: [Width(0.01, 0.0)])


def test_more_time_does_not_replace_texts():
    made, clock = stopping(processes=1, precision=0.02)
    process(made, clock, 0, 1.0)
    assert made.is_last(1, 1000, lambda: [Width(0.05, 0.03)])
    assert "which texts there are makes 3 % of it, so only more texts would help" in made.notes[0]


@pytest.mark.parametrize(("processes", "seconds", "ended"), [(3, 10.0, "10 s"), (MOST_PROCESSES, 1.0, "100 processes")])
def test_the_end_of_time_or_processes_is_said(processes, seconds, ended):
    made, clock = stopping(processes=1, precision=0.02, max_seconds=10)
    process(made, clock, 0, seconds)
    assert made.is_last(processes, 1000, lambda: [Width(0.031, 0.0)])
    assert f"within 3.1 %, not within 2 % as wanted, when {ended} were used up" in made.notes[0]


def test_too_few_calls_are_said():
    made, clock = stopping(processes=1, precision=0.02, max_seconds=10)
    process(made, clock, 0, 11.0)
    assert made.is_last(1, 1, never)
    assert made.notes[0].startswith("too few calls, not within 2 %")
    assert UNKNOWN.total > 1e9
