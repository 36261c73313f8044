from __future__ import annotations

import os
import sys
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.bench.conditions import Sampler, moment_between
from edgekd.bench.memory import shared_and_swapped
from edgekd.bench.probe import Probe, RawMoment, Ticks, parse_mhz, parse_stat, spin_s
from edgekd.bench.throttle import Throttle, ThrottleProbe, pi_flags, throttled_between
from tests.sensors import JETSON, PI5, X86, script, stat, write_tree

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


class Clock:
    """Seconds that a test sets."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def sampler(root, cpus, clock):
    probe = Probe(cpus, root=root, clock=clock, spin=False)
    return Sampler(probe=probe, clock=clock)


def test_a_pi_says_load_clock_temperature_and_swap(tmp_path):
    root = write_tree(tmp_path, PI5 | {"proc/stat": stat((10, 90, 0), (0, 100, 0))})
    clock = Clock()
    machine = sampler(root, [2, 3], clock)
    first = machine.read()
    assert (first.at_s, first.load_average, first.temperature_c) == (0.0, 0.42, pytest.approx(61.7))
    assert first.clock_hz == pytest.approx((2.4e9 + 1.5e9) / 2)  # of the processors in use
    assert first.steal_share is None
    assert first.swapped_in_bytes is None
    clock.now += 2.0
    write_tree(root, {"proc/vmstat": "pswpin 12\n"})
    second = machine.read()
    assert second.at_s == 2.0
    assert second.swapped_in_bytes == 2 * os.sysconf("SC_PAGE_SIZE")


def test_steal_is_of_the_processors_in_use_and_other_load_of_the_others(tmp_path):
    root = write_tree(tmp_path, {"proc/stat": stat((0, 0, 0), (0, 0, 0), (0, 0, 0))})
    clock = Clock()
    machine = sampler(root, [0], clock)
    machine.read()
    clock.now += 1.0
    write_tree(root, {"proc/stat": stat((70, 20, 10), (100, 0, 0), (0, 60, 40))})
    moment = machine.read()
    assert moment.steal_share == pytest.approx(0.10)
    assert moment.busy_share == pytest.approx(100 / 200)


def test_nothing_is_other_load_when_nothing_is_pinned(tmp_path):
    root = write_tree(tmp_path, {"proc/stat": stat((0, 0, 0), (0, 0, 0))})
    clock = Clock()
    machine = sampler(root, [], clock)
    machine.read()
    write_tree(root, {"proc/stat": stat((50, 0, 50), (100, 0, 0))})
    moment = machine.read()
    assert moment.busy_share is None
    assert moment.steal_share == pytest.approx(0.25)


def test_no_tick_is_no_share(tmp_path):
    root = write_tree(tmp_path, {"proc/stat": stat((5, 5, 5))})
    machine = sampler(root, [0], Clock())
    machine.read()
    assert machine.read().steal_share is None


def test_waiting_for_a_processor_counts_all_threads(tmp_path):
    files = {"proc/7/task/7/schedstat": "100 1000000000 5\n", "proc/7/task/8/schedstat": "100 0 5\n"}
    root = write_tree(tmp_path, files)
    clock = Clock()
    machine = sampler(root, [0], clock)
    machine.read([7, 9])  # the second one does not exist
    clock.now += 4.0
    write_tree(root, {"proc/7/task/7/schedstat": "100 1500000000 5\n", "proc/7/task/8/schedstat": "100 500000000 5\n"})
    assert machine.read([7, 9]).waited_share == pytest.approx(0.25)
    assert machine.read([]).waited_share is None


def test_an_empty_machine_says_nothing(tmp_path):
    moment = sampler(tmp_path, [0], Clock()).read([1])
    assert moment.model_dump(exclude={"at_s", "throttled"}, exclude_none=True) == {}
    assert moment.throttled == []


def test_an_x86_without_zones_has_the_sensor_of_the_processor_and_the_clock_of_cpuinfo(tmp_path):
    root = write_tree(tmp_path, X86)
    moment = sampler(root, [1], Clock()).read()
    assert moment.temperature_c == pytest.approx(55.5)
    assert moment.clock_hz == pytest.approx(3.6005e9)
    assert sampler(root, [], Clock()).read().clock_hz == pytest.approx(2.80025e9)


def test_zones_of_parts_that_are_off_do_not_count(tmp_path):
    assert sampler(write_tree(tmp_path, JETSON), [0], Clock()).read().temperature_c == pytest.approx(51.0)


def test_moments_are_kept_once_a_second_and_what_was_before_a_begin_does_not_count(tmp_path):
    root = write_tree(tmp_path, {"proc/stat": stat((0, 0, 0), (0, 0, 0))})
    clock = Clock()
    machine = sampler(root, [0], clock)
    for _ in range(28):
        clock.now += 0.125
        machine.tick()
    assert [m.at_s for m in machine.moments] == [0.125, 1.125, 2.125, 3.125]
    write_tree(root, {"proc/stat": stat((0, 0, 100), (100, 0, 0))})
    machine.begin()
    assert machine.moments[-1].steal_share is None
    machine.keep()
    assert len(machine.moments) == 6


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        (0x0, []),
        (0x1, ["under-voltage"]),
        (0x50005, ["under-voltage", "throttled"]),
        (0x50000, ["under-voltage since boot", "throttled since boot"]),
        (0xA000A, ["frequency capped", "soft temperature limit"]),
        (0xE0008, ["soft temperature limit", "frequency capped since boot", "throttled since boot"]),
    ],
)
def test_every_bit_of_a_pi_has_a_name(value, flags):
    assert pi_flags(value) == flags


@given(st.integers(0, 0xFFFFF))
def test_a_flag_that_is_up_is_never_also_named_since_boot(value):
    flags = pi_flags(value)
    assert not {f"{flag} since boot" for flag in flags} & set(flags)
    assert len(flags) == len(set(flags))


def test_a_flag_that_came_and_went_between_two_readings_was_up():
    before = Throttle(pi_flags(0x10000))
    assert throttled_between(before, Throttle(pi_flags(0x50000))) == ["under-voltage since boot", "throttled"]
    assert throttled_between(None, Throttle(pi_flags(0x50000))) == pi_flags(0x50000)
    assert throttled_between(Throttle(pi_flags(0x50005)), Throttle(pi_flags(0x50000))) == pi_flags(0x50000)


def test_a_pi_is_asked_by_file_or_by_its_tool(tmp_path):
    tool = script(tmp_path / "bin", "vcgencmd", '[ "$1" = get_throttled ] && echo throttled=0x50005')
    by_tool = ThrottleProbe(write_tree(tmp_path / "a", PI5), str(tool))
    assert by_tool.is_slow
    assert by_tool.read().flags == ["under-voltage", "throttled"]
    firmware = "sys/devices/platform/soc/soc:firmware/get_throttled"
    by_file = ThrottleProbe(write_tree(tmp_path / "b", PI5 | {firmware: "20002\n"}), str(tool))
    assert not by_file.is_slow
    assert by_file.read().flags == ["frequency capped"]


@pytest.mark.parametrize("text", ["echo nonsense", "exit 1", "echo throttled="])
def test_a_tool_that_does_not_answer_says_nothing(tmp_path, text):
    tool = script(tmp_path / "bin", "vcgencmd", text)
    assert ThrottleProbe(write_tree(tmp_path / "pi", PI5), str(tool)).read() == Throttle()


def test_the_tool_of_a_pi_is_not_started_elsewhere(tmp_path):
    tool = script(tmp_path / "bin", "vcgencmd", "echo throttled=0x1")
    assert ThrottleProbe(write_tree(tmp_path / "x86", X86), str(tool)).read().flags == []


def test_the_tool_is_started_every_five_seconds(tmp_path):
    tool = script(tmp_path / "bin", "vcgencmd", f"echo x >> {tmp_path}/log; echo throttled=0x0")
    clock = Clock()
    root = write_tree(tmp_path / "pi", PI5)
    probe = Probe([0], root=root, clock=clock, throttle=ThrottleProbe(root, str(tool)), spin=False)
    for _ in range(11):
        probe.read()
        clock.now += 1.0
    assert (tmp_path / "log").read_text().count("x") == 3


def test_events_of_a_jetson_and_of_an_x86_count_when_they_happen(tmp_path):
    for name, files, change, told in (
        ("jetson", JETSON, {"sys/class/hwmon/hwmon0/oc3_event_cnt": "3\n"}, "over-current oc3"),
        (
            "x86",
            X86,
            {"sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "9\n"},
            "thermal throttling of the core",
        ),
    ):
        machine = sampler(write_tree(tmp_path / name, files), [0], Clock())
        assert machine.read().throttled == []  # what happened before does not count
        assert machine.read().throttled == []
        write_tree(tmp_path / name, change)
        assert machine.read().throttled == [told]
        assert machine.read().throttled == []


def test_cooling_that_lowers_the_clock_is_said_and_a_fan_is_not(tmp_path):
    root = write_tree(tmp_path, JETSON | {"sys/class/thermal/cooling_device0/cur_state": "1\n"})
    assert ThrottleProbe(root).read().flags == ["cooling by cpu-throttle-alert"]
    assert ThrottleProbe(write_tree(tmp_path / "pi", PI5), "/nonexistent").read().flags == []


def test_counters_of_the_system_are_parsed():
    text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 4 5 6 7 8 1 1\ncpu12 1 2 3 4\nintr 7\n"
    assert parse_stat(text) == {0: Ticks(total=36, idle=9, steal=8), 12: Ticks(total=10, idle=4, steal=0)}
    assert parse_mhz("processor\t: 3\ncpu MHz\t\t: 1.5\n") == {3: 1.5e6}
    assert parse_mhz("processor\t: 0\nBogoMIPS\t: 108.00\n") == {}


@given(st.tuples(*[st.integers(0, 10**6)] * 6))
def test_shares_are_shares_whatever_the_counters_do(values):
    a, b, c, d, e, f = values
    before, now = ({0: Ticks(x, min(x, y), min(x, z))} for x, y, z in ((a, b, c), (d, e, f)))
    moment = moment_between(0.0, RawMoment(0.0, before), RawMoment(1.0, now), [])
    assert moment.steal_share is None or 0 <= moment.steal_share <= 1


def test_the_spin_takes_the_smallest_of_three():
    ticks = iter([0.0, 5.0, 10.0, 12.0, 20.0, 23.0])
    assert spin_s(None, clock=lambda: next(ticks)) == 2.0


@linux
def test_the_spin_leaves_the_process_where_it_was():
    allowed = os.sched_getaffinity(0)
    assert spin_s(min(allowed)) > 0
    assert os.sched_getaffinity(0) == allowed


@linux
def test_reading_this_machine_is_quick():
    machine = Sampler([min(os.sched_getaffinity(0))])
    times = []
    for _ in range(20):
        started = perf_counter()
        moment = machine.read([os.getpid()])
        times.append(perf_counter() - started)
    assert min(times) < 0.005  # about 1 ms, half of it the spin
    assert moment.load_average is not None
    assert moment.spin_s is not None


def test_shared_memory_and_swap_are_read_from_the_rollup(tmp_path):
    rollup = tmp_path / "smaps_rollup"
    rollup.write_text("5581-7ffd ---p 0 00:00 0   [rollup]\nRss:  1744 kB\nPss:   301 kB\nSwap:   8 kB\n")
    assert shared_and_swapped(rollup) == {"pss_bytes": 301 * 1024, "swap_bytes": 8 * 1024}
    assert shared_and_swapped(tmp_path / "missing") == {"pss_bytes": None, "swap_bytes": None}
