from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.analysis.by_length import relative_latency
from edgekd.analysis.findings import Severity, findings
from edgekd.analysis.modes import find_modes
from edgekd.analysis.trend import block_levels, relative_change
from edgekd.measurements import Harness, HeapPoint, Moment
from edgekd.results import Evidence, Samples
from edgekd.units import rough_percent
from tests.results import make_machine, make_memory, make_result, make_samples

QUIET = {"load_average": 0.1, "steal_share": 0.0, "busy_share": 0.02, "waited_share": 0.001, "clock_hz": 2.4e9}


def moments(count=10, **changes):
    return [Moment(at_s=float(n), **(QUIET | changes)) for n in range(count)]


def samples(infer_s, *, tokens=None, block=None, process=()):
    calls = len(infer_s)
    return Samples(
        text_index=list(range(calls)),
        tokens=tokens if tokens is not None else [10] * calls,
        block=block if block is not None else [i // 20 for i in range(calls)],
        process=list(process),
        total_s=[value + 1e-5 for value in infer_s],
        tokenize_s=[1e-5] * calls,
        infer_s=list(infer_s),
    )


def noise(calls, seed=0, spread=0.05):
    return 1e-3 * np.exp(spread * np.random.default_rng(seed).normal(size=calls))


def only(result):
    [finding] = findings(result)
    return finding


def found(result):
    return {finding.name: finding for finding in findings(result)}


def test_nothing_speaks_against_a_quiet_measurement():
    assert findings(make_result(samples=samples(noise(800).tolist()), machine_over_time=moments())) == []
    assert findings(make_result()) == []


def test_too_few_calls_for_a_median_are_invalid():
    finding = only(make_result(samples=make_samples(calls=8, blocks=2)))
    assert (finding.name, finding.severity) == ("few-samples", Severity.INVALID)
    assert (finding.measured, finding.wanted) == ("8 timed calls", "at least 11 for p50")
    assert "--passes" in finding.advice


def test_too_few_calls_for_a_95th_percentile_are_said():
    finding = only(make_result(samples=make_samples(calls=129)))
    assert (finding.severity, finding.wanted) == (Severity.WARNING, "at least 130 for p95")
    assert findings(make_result(samples=make_samples(calls=130))) == []


def test_two_kinds_of_calls_are_found_with_their_size():
    slow = np.random.default_rng(1).random(2000) < 0.3
    finding = only(make_result(samples=samples((noise(2000) * np.where(slow, 1.5, 1.0)).tolist())))
    assert (finding.name, finding.severity) == ("two-modes", Severity.WARNING)
    assert slow.mean() == pytest.approx(0.2945)
    assert finding.measured == "28 % of the calls take 1.5 times as long as the others"


def test_a_mix_of_lengths_is_no_second_kind():
    rng = np.random.default_rng(2)
    tokens = rng.choice([10, 20], size=2000)  # two lengths: latencies alone have two modes
    seconds = noise(2000) * tokens
    assert find_modes(seconds) is not None
    assert find_modes(relative_latency(samples(seconds.tolist(), tokens=tokens.tolist()))) is None


@pytest.mark.parametrize("shape", ["normal", "skewed", "heavy", "tail"])
def test_one_kind_is_not_taken_for_two(shape):
    """No alarm in 25 measurements of each shape, where 1 in 100 is allowed."""
    for seed in range(25):
        rng = np.random.default_rng(seed)
        shapes = {
            "normal": lambda rng=rng: np.exp(0.1 * rng.normal(size=400)),
            "skewed": lambda rng=rng: 1 + rng.gamma(1.5, 0.1, 400),
            "heavy": lambda rng=rng: np.exp(0.05 * rng.standard_t(3, 400)),
            "tail": lambda rng=rng: np.exp(0.05 * rng.normal(size=400) + (rng.random(400) < 0.05) * rng.random(400)),
        }
        assert find_modes(shapes[shape]()) is None


def test_modes_need_calls_that_differ():
    assert find_modes(np.ones(500)) is None
    assert find_modes(np.array([])) is None
    assert find_modes(np.tile([1.0, 2.0], 40)) is None  # 80 calls


def test_modes_are_the_same_each_time():
    values = np.concatenate([noise(600), 2 * noise(200, seed=1)])
    assert find_modes(values) == find_modes(values)
    assert find_modes(values).ratio == pytest.approx(2.0, rel=0.02)
    assert find_modes(values).slow_share == pytest.approx(0.25, abs=0.01)


def test_lengths_are_taken_out_of_latencies():
    rng = np.random.default_rng(0)
    tokens = rng.integers(3, 60, 1000)
    seconds = 1e-4 + 2e-5 * tokens
    relative = relative_latency(samples(seconds.tolist(), tokens=tokens.tolist()))
    assert np.abs(relative - 1).max() < 0.15  # the first and the last group are a few tokens wide
    assert np.abs(np.median(relative) - 1) < 0.01
    assert len(relative_latency(Samples())) == 0


def test_a_p50_that_rises_by_a_fifth_is_drift():
    seconds = noise(2000) * np.linspace(1.0, 1.2, 2000)
    finding = only(make_result(samples=samples(seconds.tolist())))
    assert (finding.name, finding.severity, finding.wanted) == ("drift", Severity.WARNING, "within 5 %")
    assert finding.measured == "p50 +19.8 % from the first to the last block (+18.2 to +21.4)"


def test_drift_needs_its_whole_interval_beyond_five_per_cent():
    assert findings(make_result(samples=samples((noise(2000) * np.linspace(1.0, 1.04, 2000)).tolist()))) == []


def test_a_few_disturbed_blocks_are_no_drift():
    seconds = noise(2000)
    seconds[1500:1560] *= 2.5
    assert "drift" not in found(make_result(samples=samples(seconds.tolist())))


def test_the_change_of_a_straight_line_is_exact():
    change = relative_change(np.exp(np.linspace(0.0, np.log(2.0), 30)))
    assert change.value == pytest.approx(1.0)
    assert change.low == pytest.approx(1.0)
    assert change.high == pytest.approx(1.0)
    assert relative_change([1.0] * 9) is None


def test_the_interval_of_a_change_covers_it():
    """Without drift 95 % of the intervals contain 0; of 40 at least 34 do."""
    hits = 0
    for seed in range(40):
        change = relative_change(np.exp(0.05 * np.random.default_rng(seed).normal(size=40)))
        hits += change.low <= 0 <= change.high
    assert hits >= 34


def test_blocks_are_told_apart_by_number_and_process():
    levels, process = block_levels(
        samples([1.0] * 40 + [2.0] * 20, block=[0] * 20 + [1] * 20 + [1] * 20, process=[0] * 40 + [1] * 20)
    )
    assert levels.tolist() == [1.0, 1.0, 2.0]
    assert process.tolist() == [0, 0, 1]


def test_more_than_one_outlier_in_a_hundred_is_said():
    seconds = noise(1000)
    seconds[::50] *= 5
    finding = only(make_result(samples=samples(seconds.tolist())))
    assert (finding.name, finding.measured) == ("outliers", "2 % of the calls take more than 3 times as long as usual")
    seconds = noise(1000)
    seconds[::200] *= 5
    assert findings(make_result(samples=samples(seconds.tolist()))) == []


def test_processes_that_differ_are_said_and_others_are_not():
    process = np.repeat([0, 1, 2], 400)
    different = noise(1200) * np.array([1.0, 1.0, 1.08])[process]
    finding = found(make_result(samples=samples(different.tolist(), process=process.tolist())))["processes-differ"]
    assert finding.severity is Severity.INFO
    assert finding.measured.startswith("the p50 of 3 processes differs by 7.8 %, more")
    assert findings(make_result(samples=samples(noise(1200).tolist(), process=process.tolist()))) == []


def test_a_timing_loop_that_is_seen_is_said():
    seconds = (2e-5 + 0 * noise(800)).tolist()
    result = make_result(samples=samples(seconds), harness=Harness(calls=10_000, overhead_s=3e-6))
    finding = only(result)  # the p50 is 30 microseconds with tokenization
    assert finding.measured == "the timing loop takes 3 \u00b5s, 10 % of the p50"
    assert findings(make_result(samples=samples(seconds), harness=Harness(calls=10_000, overhead_s=1e-6))) == []


def test_a_throttled_board_is_not_comparable():
    over_time = moments(8)
    over_time[5] = over_time[5].model_copy(update={"throttled": ["under-voltage", "throttled", "x since boot"]})
    finding = only(make_result(machine_over_time=over_time))
    assert (finding.name, finding.severity) == ("throttled", Severity.INVALID)
    assert finding.measured == "under-voltage, throttled in 1 of 8 readings"
    assert finding.advice == "use the supply that the maker recommends, and measure again: not comparable"


def test_a_hot_board_is_to_be_cooled():
    assert only(make_result(machine_over_time=moments(throttled=["frequency capped"]))).advice.startswith("cool")


def test_what_happened_before_is_only_said():
    finding = only(make_result(machine_over_time=moments(throttled=["under-voltage since boot"])))
    assert (finding.name, finding.severity) == ("throttled-before", Severity.INFO)
    assert finding.measured == "not while measuring, but under-voltage since boot"


@pytest.mark.parametrize(
    ("change", "name", "measured"),
    [
        ({"steal_share": 0.04}, "steal", "4 % of the processor time was stolen"),
        (
            {"waited_share": 0.125},
            "processor-shared",
            "other programs had the processor in use for 12 % of the time",
        ),
        ({"busy_share": 0.5}, "other-load", "the other processors were busy for 50 % of the time"),
    ],
)
def test_others_at_work_are_said(change, name, measured):
    finding = only(make_result(machine_over_time=moments(**change)))
    assert (finding.name, finding.severity, finding.measured) == (name, Severity.WARNING, measured)


def test_shares_are_weighted_by_time():
    over_time = [
        Moment(at_s=0.0),
        Moment(at_s=1.0, steal_share=0.1),
        Moment(at_s=5.0, steal_share=0.0),
    ]
    assert only(make_result(machine_over_time=over_time)).measured == "2 % of the processor time was stolen"
    over_time[2] = Moment(at_s=19.0, steal_share=0.0)
    assert findings(make_result(machine_over_time=over_time)) == []


def test_a_clock_that_moves_is_said():
    over_time = [Moment(at_s=float(n), clock_hz=2.4e9 if n < 15 else 1.5e9) for n in range(30)]
    finding = only(make_result(machine_over_time=over_time))
    assert (finding.name, finding.measured) == ("clock-changed", "clock from 1.5 GHz to 2.4 GHz")


def test_where_the_clock_is_a_constant_the_spin_tells():
    over_time = [Moment(at_s=float(n), clock_hz=2.6e9, spin_s=1e-4 * (1 + (n % 2))) for n in range(10)]
    finding = only(make_result(machine_over_time=over_time))
    assert finding.measured == "a fixed piece of work took 100 \u00b5s to 200 \u00b5s: clock or a shared core"
    assert findings(make_result(machine_over_time=over_time[:4])) == []


def test_another_governor_is_only_said():
    finding = only(make_result(machine=make_machine(governor="ondemand")))
    assert (finding.severity, finding.measured) == (Severity.INFO, "governor 'ondemand'")
    assert findings(make_result(machine=make_machine(governor="performance"))) == []


def test_swap_is_said_of_the_process_and_of_the_machine():
    over_time = moments(4, swapped_in_bytes=1 << 20)
    result = make_result(memory=make_memory(swap_bytes=3 << 19), machine_over_time=over_time)
    assert only(result).measured == "1.5 MiB of the process in swap, 4 MiB read back from swap by the machine"
    assert findings(make_result(machine_over_time=moments(4, swapped_in_bytes=4096))) == []


def test_a_leak_is_said():
    heap = [HeapPoint(calls=100 * n, rss_bytes=60_000_000 + 100 * n * 50) for n in range(1, 101)]
    finding = only(make_result(heap=heap))
    assert (finding.name, finding.severity) == ("leak", Severity.WARNING)
    assert finding.measured == "50 bytes a call more (50 to 50, 7,900 calls)"


def test_under_an_emulator_nothing_is_said_about_time():
    result = make_result(
        evidence=Evidence.EMULATED, samples=Samples(), warm_up=Samples(), machine=make_machine(governor="powersave")
    )
    assert findings(result) == []


def test_the_worst_comes_first():
    over_time = moments(throttled=["throttled"], steal_share=0.5)
    result = make_result(machine_over_time=over_time, machine=make_machine(governor="powersave"))
    severities = [finding.severity for finding in findings(result)]
    assert severities == [Severity.INVALID, Severity.WARNING, Severity.INFO]


calls = st.tuples(st.floats(0, 1e-2), st.integers(1, 4), st.integers(0, 3), st.integers(0, 2))


@given(st.lists(calls, max_size=300))
@settings(max_examples=40)
def test_no_measurement_makes_them_fail(rows):
    infer, tokens, block, process = ([row[column] for row in rows] for column in range(4))
    result = make_result(samples=samples(infer, tokens=tokens, block=block, process=process))
    for finding in findings(result):
        assert finding.measured
        assert "nan" not in finding.measured
        assert finding.wanted
        assert finding.advice


@pytest.mark.parametrize(("share", "text"), [(0.0123, "1.2 %"), (0.5, "50 %"), (1.0, "100 %"), (0.00071, "0.071 %")])
def test_shares_have_two_digits(share, text):
    assert rough_percent(share) == text
