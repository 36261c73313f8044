from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.analysis.heap import heap_growth
from edgekd.bench import calls
from edgekd.bench.child import Child
from edgekd.bench.collect import Measured
from edgekd.bench.leak import LeakCheck
from edgekd.bench.runner import run_bench
from edgekd.bench.variants import variant_from_bundle
from edgekd.config import BenchConfig
from edgekd.data.types import Examples
from edgekd.devices import find_profile
from edgekd.measurements import HeapPoint
from edgekd.progress import Silent
from tests.bundles import make_bundle
from tests.toys import toy_texts

MIB = 1 << 20


def points(sizes):
    return [HeapPoint(calls=100 * n, rss_bytes=int(size)) for n, size in enumerate(sizes, start=1)]


def test_steady_memory_is_no_leak():
    growth = heap_growth(points([60 * MIB] * 100))
    assert (growth.bytes_a_call.value, growth.bytes_a_call.low, growth.bytes_a_call.high) == (0.0, 0.0, 0.0)
    assert not growth.leaks


def test_growth_with_each_call_is_a_leak():
    growth = heap_growth(points(60 * MIB + 4096 * n for n in range(100)))
    assert growth.bytes_a_call.value == pytest.approx(40.96)
    assert growth.bytes_a_call.n == 7_900
    assert growth.leaks


def test_one_large_step_is_no_leak():
    """An allocator that takes another arena once."""
    growth = heap_growth(points([60 * MIB] * 50 + [68 * MIB] * 50))
    assert growth.bytes_a_call.value > 1000
    assert not growth.leaks


def test_a_heap_that_grows_at_first_and_then_stays_is_no_leak():
    growth = heap_growth(points([60 * MIB + min(n, 18) * MIB for n in range(100)]))
    assert growth.bytes_a_call.value == 0
    assert not growth.leaks


def test_a_leak_in_steps_of_pages_is_found():
    """12 bytes a call show as a page of 4,096 bytes every third reading or so."""
    growth = heap_growth(points(60 * MIB + (1200 * n) // 4096 * 4096 for n in range(100)))
    assert growth.bytes_a_call.value == pytest.approx(12, rel=0.05)
    assert growth.leaks


def test_few_readings_say_nothing():
    assert heap_growth(points([MIB] * 19)) is None
    assert heap_growth([]) is None


@given(st.lists(st.integers(0, 1 << 30), min_size=20, max_size=60))
def test_the_interval_holds_the_growth(sizes):
    found = heap_growth(points(sizes), resamples=50).bytes_a_call
    assert found.low <= found.value <= found.high


# What a measuring process with a session of ours runs; it speaks the protocol of the real one.
SERVER = """
import sys
from edgekd.bench.worker import Worker, serve
import edgekd.bench.worker as module

class Session:
    name = "test"
    def __init__(self):
        self.kept = []
    def run(self, texts):
        {what}

class WithSession(Worker):
    def __init__(self):
        super().__init__()
        self.session = Session()

module.Worker = WithSession
serve(sys.stdin, sys.stdout)
"""


def context(texts):
    return SimpleNamespace(texts=texts, plan=SimpleNamespace(timed=list(range(len(texts)))), progress=Silent())


def check(what, tmp_path):
    program = tmp_path / "server.py"
    program.write_text(SERVER.format(what=what))
    measured = Measured(SimpleNamespace(name="test"))
    with Child("test", 1, command=[sys.executable, str(program)]) as child:
        LeakCheck(calls=3000, points=50).run([child], [measured], context(["a", "b", "c"]))
    heap = measured.extra["heap"]
    assert [point.calls for point in heap] == list(range(60, 3001, 60))
    return heap_growth(heap)


def test_a_session_that_keeps_its_texts_is_caught(tmp_path):
    growth = check("self.kept.append(bytearray(2000))", tmp_path)
    assert growth.leaks
    assert 1500 < growth.bytes_a_call.value < 2500


def test_a_session_that_leaves_cycles_for_the_collector_is_not(tmp_path):
    growth = check("cycle = [bytearray(2000)]; cycle.append(cycle)", tmp_path)
    assert not growth.leaks


def test_a_slow_model_is_left_after_its_time():
    seconds = iter([0.0, 1.0, 2.0, 3.5])
    child = SimpleNamespace(ask=lambda request, limit_s: {"rss_bytes": MIB})
    measured = Measured(SimpleNamespace(name="test"))
    LeakCheck(seconds=3.0, clock=lambda: next(seconds)).run([child], [measured], context(["a"]))
    assert [point.calls for point in measured.extra["heap"]] == [100, 200, 300]


def test_a_real_bundle_does_not_leak(tmp_path):
    pytest.importorskip("onnx")
    make_bundle(tmp_path / "bag")
    [result] = run_bench(
        [variant_from_bundle(tmp_path / "bag")],
        profile=find_profile("cpu"),
        config=BenchConfig(passes=1, processes=1, max_texts=20, warm_up_calls=5),
        texts=Examples(*toy_texts(40)),
        warm_up_texts=toy_texts(30, seed=5)[0],
        data_name="toy",
        out=None,
        phases=[LeakCheck(calls=2000, points=40)],
    )
    assert len(result.heap) == 40
    assert result.heap[-1].calls == 2000
    assert not heap_growth(result.heap).leaks
    assert result.memory.swap_bytes is None or result.memory.swap_bytes >= 0
    if Path("/proc/self/smaps_rollup").is_file():
        assert 0 < result.memory.pss_bytes <= result.memory.peak_rss_bytes


@dataclass
class Session:
    texts: list[str] = field(default_factory=list)

    def run(self, texts):
        self.texts += texts


def test_calls_are_counted():
    worker = SimpleNamespace(session=Session())
    answer = calls.some(worker, {"texts": ["a", "b", "c"], "calls": 7})
    assert worker.session.texts == ["a", "b", "c", "a", "b", "c", "a"]
    assert answer["rss_bytes"] > 0


def test_at_least_one_call_is_made_in_no_time():
    worker = SimpleNamespace(session=Session())
    assert calls.for_seconds(worker, {"texts": ["a", "b"], "seconds": 0.0}) == {"calls": 1}
    assert worker.session.texts == ["a"]
