"""Marks do nothing to the program that sets them, and the processor's counter says why it is not there."""

import errno
import mmap
import platform
from pathlib import Path

import pytest

from edgekd.bench.counts import marks
from edgekd.bench.counts.marks import KINDS, CloseMarks, PerfMarks, ValgrindMarks, why_not
from edgekd.errors import NotApplicable

SOFTWARE, PAGE_FAULTS = 1, 2  # linux/perf_event.h
PAGES = 64


def test_a_mark_of_the_plugin_closes_nothing():
    with Path(__file__).open() as stream:
        CloseMarks().mark(1)
        assert stream.readline().startswith('"""Marks')


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the marks of callgrind are x86 instructions")
def test_a_mark_of_callgrind_does_nothing_outside_of_it():
    mine = ValgrindMarks()
    for tag in (1, 2, 1):
        mine.mark(tag)


def test_the_counter_of_the_system_counts_between_marks():
    """The number of page faults stands in for instructions, which virtual machines often do not count."""
    try:
        mine = PerfMarks(SOFTWARE, PAGE_FAULTS)
    except NotApplicable as error:
        pytest.skip(error.message)
    mine.mark(1)
    fresh = mmap.mmap(-1, PAGES * mmap.PAGESIZE)
    for page in range(PAGES):
        fresh[page * mmap.PAGESIZE] = 1
    mine.mark(2)
    mine.mark(3)
    mine.close()
    assert [tag for tag, _ in mine.regions] == [1, 2, 3]
    assert PAGES <= mine.regions[1][1] < PAGES + 8
    assert mine.regions[2][1] < 8


def test_a_processor_without_the_system_call_has_no_counter(monkeypatch):
    monkeypatch.setattr(marks.platform, "machine", lambda: "riscv64")
    with pytest.raises(NotApplicable, match=r"There is no counter of instructions on .* riscv64"):
        PerfMarks()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_forbidden_counter_says_which_setting_forbids_it(number):
    assert "perf_event_paranoid must be 2 or less" in why_not(number)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP])
def test_a_missing_counter_is_said(number):
    assert why_not(number) == "This processor shows no counter of instructions to its programs."


def test_another_error_is_told_as_the_system_tells_it():
    assert why_not(errno.EMFILE) == (
        "The processor's counter of instructions cannot be read here: Too many open files."
    )


def test_every_tool_has_its_marks():
    assert set(KINDS) == {"qemu-plugin", "callgrind", "perf"}
