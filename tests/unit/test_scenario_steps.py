"""What measuring processes do in the scenarios, with sessions and clocks that do as they are told."""

import math
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.bench.loop import NS_PER_S
from edgekd.bench.scenarios import steps
from edgekd.bench.scenarios.pagecache import cached_share, drop, files_below, read_in
from edgekd.bench.scenarios.server import arrivals_s, texts_of_round
from edgekd.bench.scenarios.words import texts_of
from edgekd.bench.worker import Worker
from edgekd.runtime.text_session import Encoded


class Clock:
    """Time that passes when somebody works or sleeps, and a nanosecond at each look."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        self.now += 1
        return self.now

    def sleep(self, seconds):
        self.now += round(seconds * NS_PER_S)


class Works:
    """A session whose calls take given nanoseconds each, over and over."""

    def __init__(self, clock, *work_ns):
        self.clock, self.work_ns = clock, work_ns
        self.calls, self.passes = [], 0

    def begin_pass(self):
        self.passes += 1

    def encode(self, texts):
        return Encoded({"texts": texts}, max(len(text.split()) for text in texts) + 2, len(texts))

    def infer(self, inputs):
        self.clock.now += self.work_ns[len(self.calls) % len(self.work_ns)]
        self.calls.append(inputs.feed["texts"])
        return np.zeros((inputs.rows, 2), dtype=np.float32)

    def run(self, texts):
        return self.infer(self.encode(texts))


def near(*values):
    return pytest.approx(list(values), abs=1e-7)


def test_a_text_that_finds_nobody_waiting_is_answered_at_once():
    clock = Clock()
    session = Works(clock, 1_000_000)
    waited, total = steps.serve_arrivals(session, ["a", "b"], [0.01, 0.02], clock, clock.sleep)
    assert waited == near(0, 0)
    assert total == near(0.001, 0.001)
    assert session.calls == [["a"], ["b"]]


def test_one_slow_answer_delays_all_that_arrive_meanwhile():
    clock = Clock()
    session = Works(clock, 10_000_000, 1_000_000, 1_000_000, 1_000_000)
    waited, total = steps.serve_arrivals(session, list("abcd"), [0.001, 0.002, 0.003, 0.1], clock, clock.sleep)
    assert waited == near(0, 0.009, 0.009, 0)
    assert total == near(0.010, 0.010, 0.010, 0.001)


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_waiting_is_what_the_theory_of_queues_says(load, monkeypatch):
    """Poisson arrivals, constant work: the mean wait is load x work / (2 (1 - load)) (Pollaczek and Khinchine)."""
    monkeypatch.setattr(steps, "WATCH_NS", 0)  # this clock's sleep is exact
    clock, work_s = Clock(), 0.001
    arrivals = arrivals_s(load / work_s, 40_000, seed="queue")
    session = Works(clock, round(work_s * NS_PER_S))
    waited, _ = steps.serve_arrivals(session, ["text"] * len(arrivals), arrivals, clock, clock.sleep)
    assert np.mean(waited) == pytest.approx(load * work_s / (2 * (1 - load)), rel=0.06)


def test_gaps_between_arrivals_are_exponential_and_the_same_but_for_their_scale():
    slow, fast = arrivals_s(10, 20_000, seed="x"), arrivals_s(1000, 20_000, seed="x")
    gaps = np.diff(slow)
    assert np.mean(gaps) == pytest.approx(0.1, rel=0.03)
    assert np.std(gaps) == pytest.approx(np.mean(gaps), rel=0.03)
    assert np.allclose(np.asarray(slow) / 100, fast, atol=1e-8)
    assert arrivals_s(10, 5, seed="y") != arrivals_s(10, 5, seed="x")[:5]


@given(st.floats(0.001, 1e6))
def test_a_round_is_neither_endless_nor_too_large_for_a_file(rate):
    texts = texts_of_round(rate)
    assert 1 <= texts <= 500
    assert texts / rate <= max(15.0 + 0.5 / rate, 1 / rate)


def test_a_slice_lasts_as_long_as_asked_and_counts_whole_calls():
    clock = Clock()
    session = Works(clock, 10_000_000, 30_000_000)
    found = steps.load_slice(session, ["a", "b", "c"], 0.2, clock)
    assert found["calls"] == 10
    assert found["seconds"] == pytest.approx(0.2, abs=1e-6)
    assert found["p50_s"] == pytest.approx(0.02, abs=1e-6)
    assert found["p95_s"] == pytest.approx(0.03, abs=1e-6)
    assert session.passes == math.ceil(10 / 3)  # words are forgotten before each pass


def test_offline_hands_over_batches_and_says_how_many_texts_were_answered():
    made = Worker()
    made.session = session = Works(Clock(), 0)
    request = {"texts": list("abcde"), "batch_size": 2, "passes": 3, "warm": ["w", "w"]}
    reply = made.answer({"do": "edgekd.bench.scenarios.steps:offline", **request})
    assert reply["texts"] == 15
    assert reply["seconds"] > 0
    assert session.calls[0] == ["w", "w"]  # untimed
    assert session.calls[-9:] == 3 * [["a", "b"], ["c", "d"], ["e"]]
    assert session.passes == 3


def test_lengths_are_timed_by_the_loop_of_all_latencies():
    made = Worker()
    made.session = Works(Clock(), 0)
    reply = made.answer({"do": "edgekd.bench.scenarios.steps:length", "texts": ["one two", "three four"]})
    assert reply["tokens"] == [4, 4]
    assert all(total >= part > 0 for total, part in zip(reply["total_s"], reply["infer_s"], strict=True))


def two_letters_a_token(text, most=40):
    return min(most, 2 + sum(math.ceil(len(word) / 2) for word in text.split()))


@settings(max_examples=30)
@given(st.lists(st.integers(3, 40), min_size=1, unique=True), st.integers(0, 99))
def test_texts_have_exactly_the_wanted_tokens(lengths, seed):
    made = texts_of(two_letters_a_token, ["a bc def ghij klmno pqrstu", "vwxyzabc d"], lengths, count=3, seed=seed)
    for length in lengths:
        assert [two_letters_a_token(text) for text in made[length]] == [length] * 3


def test_a_length_that_no_text_has_gets_none():
    made = texts_of(two_letters_a_token, ["abcd"], [3, 4, 41], count=2, seed=0)
    assert made == {3: [], 4: ["abcd", "abcd"], 41: []}
    assert texts_of(two_letters_a_token, ["  "], [8], count=2, seed=0) == {8: []}


def test_words_come_from_the_texts_and_the_seed_decides_which():
    words = [f"w{number}" for number in range(50)]
    one, same, other = (texts_of(two_letters_a_token, words, [20], count=4, seed=seed)[20] for seed in (1, 1, 2))
    assert one == same != other
    assert {word for text in one for word in text.split()} <= set(words)


def test_files_leave_the_page_cache_and_come_back(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "large").write_bytes(random.Random(0).randbytes(1 << 20))
    (tmp_path / "inside" / "small").write_bytes(b"small")
    (tmp_path / "empty").touch()
    files = files_below(tmp_path)
    assert [path.name for path in files] == ["empty", "small", "large"]
    read_in(files)
    if cached_share(files) is None:
        pytest.skip("this system does not tell which pages are cached")
    assert cached_share(files) == 1
    drop(files)
    if cached_share(files) == 1:
        pytest.skip("this file system keeps its files in memory")
    assert cached_share(files) == 0
    read_in(files)
    assert cached_share(files) == 1


def test_measuring_processes_need_no_pydantic_for_a_scenario():
    code = (
        "import sys, edgekd.bench.worker, edgekd.bench.scenarios.first_answer\n"
        "assert 'numpy' not in sys.modules\n"  # what is imported there counts as the start of Python
        "import edgekd.bench.scenarios.steps\n"
        "print(sorted({'pydantic', 'yaml', 'rich', 'typer'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
