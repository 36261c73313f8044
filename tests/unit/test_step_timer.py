"""The timer of training: parts, shares and what is left out."""

import itertools

import pytest

torch = pytest.importorskip("torch")

from edgekd.step_timer import StepTimer  # noqa: E402


def ticking(*seconds):
    times = itertools.accumulate(seconds)
    return lambda: next(times)


def test_shares_by_hand():
    timer = StepTimer(clock=ticking(0, 1, 2, 0, 3, 1, 4, 5))
    timer.start()  # 0
    with timer.part("forward"):  # 1 to 3
        pass
    with timer.part("backward"):  # 3 to 6
        pass
    with timer.part("evaluation"):  # 7 to 11
        pass
    timer.stop()  # 16
    report = timer.report()
    assert (report["forward_s"], report["backward_s"], report["evaluation_s"]) == (2, 3, 4)
    assert (report["other_s"], report["total_s"]) == (7, 16)
    assert report["computing_share"] == pytest.approx(5 / 12, abs=1e-4)


def test_a_part_inside_a_part_counts_once():
    timer = StepTimer(clock=ticking(0, 4))
    with timer.part("evaluation"), timer.part("forward"):
        pass
    assert timer.seconds == {"evaluation": 4}


def test_each_step_of_the_optimizer_is_timed():
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    timer = StepTimer(clock=ticking(0, 2, 1, 3))
    timer.wrap_optimizer(optimizer)
    for _ in range(2):
        optimizer.step()
    assert timer.seconds == {"optimizer": 5}


def test_nothing_timed_is_a_share_of_zero():
    assert StepTimer().report() == {"other_s": 0.0, "total_s": 0.0, "computing_share": 0.0}


def test_the_device_is_waited_for_before_the_clock_is_read():
    waited = []
    timer = StepTimer(synchronize=lambda: waited.append(1))
    with timer.part("forward"):
        assert len(waited) == 1
    assert len(waited) == 2
