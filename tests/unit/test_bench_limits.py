"""A memory limit: who says what, and what a process does that has none left."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgekd.bench.child import Child
from edgekd.bench.limits import (
    UNTOUCHED_BYTES,
    DoesNotFit,
    MemoryExceeded,
    MemoryLimit,
    does_not_fit,
    join,
    limit_of,
    says_out_of_memory,
)
from edgekd.bench.worker import Worker
from edgekd.devices import find_profile
from edgekd.errors import EXIT_INVALID

LIMIT = MemoryLimit(512_000_000, "--memory-limit")
linux = pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts all writable memory on Linux only")


def test_a_board_leaves_three_quarters_of_its_smallest_memory():
    profile = find_profile("raspberry-pi-zero-2-w")
    limit = limit_of(profile)
    assert limit.size_bytes == profile.cpu.memory_bytes * 3 // 4
    assert limit.source == "the memory of 'raspberry-pi-zero-2-w' less a quarter for its system"
    assert limit_of(find_profile("cpu")) is None
    unknown = profile.model_copy(update={"cpu": profile.cpu.model_copy(update={"memory_bytes": None})})
    assert limit_of(unknown) is None


def test_the_error_says_what_was_needed_and_who_sets_the_limit():
    error = does_not_fit("teacher", LIMIT)
    assert error.message == "'teacher' does not fit: it needs more than 512 MB (--memory-limit)."
    assert error.exit_code == EXIT_INVALID
    assert "--memory-limit" in error.hint
    assert does_not_fit("t", LIMIT, 700_000_000).message == (
        "'t' does not fit: it took 700 MB, and it may have 512 MB (--memory-limit)."
    )


def test_several_misfits_are_one_error_with_the_results_of_the_others():
    joined = join([does_not_fit("a", LIMIT), does_not_fit("b", LIMIT)], [])
    assert isinstance(joined, DoesNotFit)
    assert joined.message.count("does not fit") == 2
    assert joined.results == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("terminate called after throwing an instance of 'std::bad_alloc'", True),
        ("MemoryError: Unable to allocate 4.00 GiB", True),
        ("memory allocation of 4096 bytes failed", True),
        ("The process that measures 'x' was killed by signal 9 (step: load).", True),
        ("ended with exit code 1 (step: load). It said: ValueError", False),
    ],
)
def test_errors_about_memory_are_recognised(said, expected):
    assert says_out_of_memory(said) is expected


class Limited(Worker):
    """A worker whose steps are replaced by what a test wants."""

    def __init__(self, step, limit=LIMIT.size_bytes):
        super().__init__()
        self.step = step
        self._memory_limit = limit

    def _step(self, request):
        return self.step()


def test_the_highest_memory_is_compared_after_loading(monkeypatch):
    monkeypatch.setattr("edgekd.bench.worker.peak_rss_bytes", lambda: 600_000_000)
    with pytest.raises(MemoryExceeded) as caught:
        Limited(dict).answer({"do": "load"})
    assert caught.value.needed_bytes == 600_000_000
    assert Limited(dict).answer({"do": "block"}) == {}  # a look at it would disturb what is timed
    assert Limited(dict, limit=600_000_000).answer({"do": "memory"}) == {}
    assert Limited(dict, limit=None).answer({"do": "memory"}) == {}


def test_an_error_about_memory_becomes_one_only_under_a_limit():
    def fails():
        raise MemoryError

    with pytest.raises(MemoryExceeded):
        Limited(fails).answer({"do": "block"})
    with pytest.raises(MemoryError):
        Limited(fails, limit=None).answer({"do": "block"})


def test_other_errors_stay_what_they_are():
    def fails():
        raise ValueError("no luck")

    with pytest.raises(ValueError, match="no luck"):
        Limited(fails).answer({"do": "block"})


@linux
def test_the_system_refuses_what_is_beyond_the_limit_and_gives_it_after():
    code = (
        "import numpy\nfrom edgekd.bench.limits import lift_own_limit, limit_own_memory\n"
        f"limit_own_memory(100_000_000)\nwanted = {UNTOUCHED_BYTES} + 100_000_001\n"
        "try:\n    numpy.ones(wanted, dtype='uint8')\n    print('given')\n"
        "except MemoryError:\n    print('refused')\n"
        "lift_own_limit()\nprint(numpy.ones(wanted, dtype='uint8').size == wanted)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused", "True"]


def test_a_child_passes_on_what_it_would_have_needed():
    reply = '{"error": {"message": "m", "hint": null, "exit_code": 3, "memory_exceeded": true, "needed_bytes": 7}}'
    code = f"input(); print('{reply}')"
    with Child("toy", 1, [sys.executable, "-c", code]) as child, pytest.raises(MemoryExceeded) as caught:
        child.ask({"do": "load"}, 30)
    assert caught.value.needed_bytes == 7
