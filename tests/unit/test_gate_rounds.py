"""Turns, passes and looks with fake sessions and scripted clocks: nothing is measured."""

from __future__ import annotations

from collections import Counter
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.gate.lab import hold_out
from edgekd.gate.looks import FIRST_PROCESSES, LOOKS, MAX_CALLS, calls, gather
from edgekd.gate.protocol import LabelRequest, RoundsRequest, read_request, write_request
from edgekd.gate.records import ProcessSamples
from edgekd.gate.rounds import CALLS_PER_ROUND, Stop, measure_rounds, passes


class Clock:
    """Time that passes only when someone works."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def nanoseconds(self):
        return round(self.now * 1e9)


class FakeSession:
    """Takes a fixed time for each call and remembers what happened."""

    def __init__(self, clock, seconds, log, name):
        self.clock, self.seconds, self.log, self.name = clock, seconds, log, name

    def begin_pass(self):
        self.log.append((self.name, "pass"))

    def encode(self, texts):
        [text] = texts
        self.log.append((self.name, text))
        return SimpleNamespace(tokens=len(text))

    def infer(self, inputs):
        self.clock.now += self.seconds
        return np.array([[0.0, 1.0]], np.float32)


def sessions(*seconds):
    clock, log = Clock(), []
    return clock, log, [FakeSession(clock, s, log, name) for s, name in zip(seconds, "AB", strict=False)]


def stop(rounds):
    return Stop(seconds=0.0, min_rounds=rounds, max_rounds=rounds, max_seconds=1e9)


TEXTS = [f"text {i}" for i in range(24)]


def test_each_side_gets_its_own_time_for_the_same_text():
    clock, log, both = sessions(0.25, 0.5)
    columns = measure_rounds(both, TEXTS, stop(4), Random(0), clock.nanoseconds)
    assert columns.seconds == [[0.25] * 40, [0.5] * 40]
    assert columns.round == [number for number in range(4) for _ in range(10)]
    calls_made = [text for _, text in log if text != "pass"]
    assert calls_made == [TEXTS[index] for index in columns.text_index for _ in range(2)]


def test_each_side_goes_first_equally_often_in_every_round_in_random_order():
    clock, log, both = sessions(1.0, 1.0)
    columns = measure_rounds(both, TEXTS, stop(30), Random(0), clock.nanoseconds)
    turns = [tuple(columns.first_side[start : start + 10]) for start in range(0, 300, 10)]
    assert all(sum(turn) == 5 for turn in turns)
    assert len(set(turns)) > 20
    names = [name for name, text in log if text != "pass"]
    assert names[::2] == ["AB"[first] for first in columns.first_side]


def test_a_pass_begins_with_fresh_caches_on_both_sides():
    clock, log, both = sessions(1.0, 1.0)
    measure_rounds(both, TEXTS, stop(4), Random(0), clock.nanoseconds)  # 24 texts give two rounds a pass
    assert [position for position, (_, what) in enumerate(log) if what == "pass"] == [0, 1, 42, 43, 84, 85]


def test_no_text_comes_twice_within_a_pass():
    rounds = passes([], 24, Random(0))
    for _ in range(5):
        both = next(rounds) + next(rounds)
        assert len(set(both)) == len(both) == 20


def test_few_texts_make_small_rounds():
    rounds = passes([], 3, Random(0))
    assert sorted(next(rounds)) == sorted(next(rounds)) == [0, 1, 2]


def test_one_side_alone():
    clock, _, both = sessions(0.125)
    columns = measure_rounds(both, TEXTS, stop(2), Random(0), clock.nanoseconds)
    assert columns.seconds == [[0.125] * 20]


@pytest.mark.parametrize(
    ("rounds", "elapsed", "reached"),
    [(2, 99.0, False), (3, 4.9, False), (3, 5.0, True), (9, 0.0, True), (0, 100.0, True)],
)
def test_when_a_process_has_measured_enough(rounds, elapsed, reached):
    assert Stop(seconds=5, min_rounds=3, max_rounds=9, max_seconds=100).reached(rounds, elapsed) is reached


def test_collection_of_garbage_is_off_while_timing_and_on_afterwards():
    import gc

    clock, _, [session] = sessions(1.0)
    seen = []
    session.begin_pass = lambda: seen.append(gc.isenabled())
    measure_rounds([session], TEXTS, stop(1), Random(0), clock.nanoseconds)
    assert seen == [False]
    assert gc.isenabled()


def fake_process(count):
    return ProcessSamples(
        text_index=[0] * count, round=[0] * count, first_side=[0] * count, seconds=[[1.0] * count] * 2
    )


class Machine:
    """Runs processes that take ``overhead`` plus the time of their calls."""

    def __init__(self, overhead, call):
        self.clock, self.overhead, self.call, self.looks = Clock(), overhead, call, []

    def __call__(self, look):
        self.looks.append(look)
        rounds, elapsed = 0, 0.0
        while not look.stop.reached(rounds, elapsed):
            rounds, elapsed = rounds + 1, elapsed + 2 * CALLS_PER_ROUND * self.call
        self.clock.now += self.overhead + elapsed
        return fake_process(rounds * CALLS_PER_ROUND)


def test_a_clear_case_ends_at_the_first_look():
    machine = Machine(overhead=0.5, call=1e-4)
    samples = gather(machine, lambda _: True, min_calls=400, max_seconds=60, clock=machine.clock)
    assert len(samples) >= FIRST_PROCESSES
    assert machine.clock.now < 8
    assert calls(samples) >= 400


def test_an_unclear_case_is_looked_at_six_times_at_most():
    machine, looks = Machine(overhead=0.5, call=1e-3), []
    gather(machine, looks.append, min_calls=400, max_seconds=60, clock=machine.clock)
    assert 2 <= len(looks) <= len(LOOKS) == 6
    assert 55 <= machine.clock.now <= 63


@pytest.mark.parametrize("call", [1e-5, 1e-3, 1e-2, 0.2])
@pytest.mark.parametrize("overhead", [0.1, 3.0])
def test_every_look_sees_both_creation_orders_equally_often(call, overhead):
    machine, seen = Machine(overhead, call), []
    gather(machine, lambda samples: bool(seen.append(len(samples))), min_calls=400, max_seconds=60, clock=machine.clock)
    assert all(count % 2 == 0 for count in seen)
    assert [look.process for look in machine.looks] == list(range(len(machine.looks)))


def test_a_fast_model_is_measured_in_many_processes_and_the_file_stays_small():
    machine = Machine(overhead=0.1, call=1e-6)
    samples = gather(machine, lambda _: False, min_calls=400, max_seconds=600, clock=machine.clock)
    assert MAX_CALLS <= calls(samples) < MAX_CALLS + 3000
    assert len(samples) >= 40


def test_a_slow_model_stops_at_the_limit_with_what_there_is():
    machine = Machine(overhead=1.0, call=1.0)
    samples = gather(machine, lambda _: False, min_calls=400, max_seconds=60, clock=machine.clock)
    assert 0 < calls(samples) < 400
    assert machine.clock.now < 120


def test_the_first_processes_share_the_minimum_of_calls():
    machine = Machine(overhead=0.1, call=5e-3)
    samples = gather(machine, lambda _: True, min_calls=1000, max_seconds=60, clock=machine.clock)
    assert calls(samples[:FIRST_PROCESSES]) >= 1000


@given(st.integers(1, 3000))
def test_warm_up_texts_are_never_timed(count):
    texts = [str(i) for i in range(count)]
    timed, warm = hold_out(texts)
    assert warm
    assert len(warm) <= 200
    if count >= 4:
        assert sorted([*timed, *warm]) == sorted(texts)
        assert Counter(timed).keys().isdisjoint(warm)
        assert len(timed) >= 3 * count / 4
    else:
        assert timed == warm == texts


@pytest.mark.parametrize(
    "request_",
    [
        LabelRequest({"name": "x"}, 2, [1], ["a\u2028b", "\u00fc"]),
        RoundsRequest([{"name": "x"}], 0, 1, [], ["a"], ["b"], 1.5, 2, 3, 4.0, 7),
    ],
)
def test_a_request_survives_the_pipe(request_):
    assert read_request(write_request(request_)) == request_
