"""What the timing loop itself costs."""

from __future__ import annotations

from edgekd.bench.child import Child
from edgekd.bench.harness import STEP, NullSession
from edgekd.bench.session import Session


def test_the_timing_loop_takes_microseconds_at_most():
    with Child("null", 1) as child:
        found = [child.ask({"do": STEP, "calls": 2000, "affinity": []}, 60) for _ in range(5)]
    assert all(one["calls"] == 2000 for one in found)
    # 2 us on a machine with nothing else to do (benchmarks/LOG.md); here others may be at work.
    assert 1e-8 < min(one["overhead_s"] for one in found) < 1e-5


def test_the_null_session_is_a_session():
    session: Session = NullSession()
    session.load()
    session.warm_up(["a"])
    assert session.run(["a"]).tolist() == [[0.0, 1.0]]
    assert session.encode(["a"]).tokens == 1
