"""Estimates of boards: a roofline by hand, what makes it longer, its range, and what is refused."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.bench.cost import OperatorCost
from edgekd.devices import DeviceProfile, find_profile, load_profiles
from edgekd.errors import ConfigError
from edgekd.estimate.analytic import Tokenizing, estimate_cpu, estimate_gpu
from edgekd.estimate.here import clock_hz, model_name
from edgekd.estimate.processor import CALL_INSTRUCTIONS, DISPATCH_INSTRUCTIONS, instructions_per_cycle, processor_of
from edgekd.estimate.roofline import arithmetic_s, memory_s, network_time

PROFILE = {
    "name": "toy",
    "description": "a board that does not exist",
    "cpu": {
        "model": "Toy SoC, 4x Cortex-A53",
        "arch": "aarch64",
        "cores": 4,
        "clock_hz": 1e9,
        "l2_bytes": 1_000_000,
        "peaks": {
            "fp32_flops_per_cycle": 8,
            "fp16_flops_per_cycle": 16,
            "int8_ops_per_cycle": 16,
            "efficiency_fp32": 0.5,
            "efficiency_int8": 0.25,
            "read_bytes_per_s": 2e9,
            "all_cores_fp32": 2.0,
            "all_cores_int8": 3.0,
            "source": "invented",
        },
    },
    "runtimes": [{"name": "onnxruntime", "reason": "invented"}],
    "threads": 1,
    "int8": {"activation": "uint8", "weight": "int8", "reason": "invented"},
    "opset": 18,
    "software": {"os": "none", "python": "3.11"},
}
TOY = DeviceProfile.model_validate(PROFILE)
DISPATCH_S = DISPATCH_INSTRUCTIONS / 0.7e9  # 0.7 instructions a cycle on a Cortex-A53
CALL_S = CALL_INSTRUCTIONS / 0.7e9


def toy(cpu=None, peaks=None, **changes):
    facts = {**PROFILE, **changes, "cpu": {**PROFILE["cpu"], **(cpu or {})}}
    if peaks is not None:
        facts["cpu"]["peaks"] = {**PROFILE["cpu"]["peaks"], **peaks}
    return DeviceProfile.model_validate(facts)


def operator(**changes):
    nothing = OperatorCost(
        name="node",
        op_type="MatMul",
        macs=0,
        weight_bytes=0,
        activation_bytes=0,
        written_bytes=0,
        arithmetic="fp32",
        seconds=0.0,
    )
    return replace(nothing, **changes)


def seconds(profile, operators, **options):
    return estimate_cpu(profile, operators, **{"tokens": 8, "threads": 1, "tokenizing": None, **options}).latency_s


def test_a_network_by_hand():
    arithmetic = operator(macs=4_000_000, weight_bytes=400_000, activation_bytes=4_000, written_bytes=4_000)
    memory = operator(macs=1_000, weight_bytes=800_000, activation_bytes=4_000, written_bytes=4_000)
    parts = network_time([arithmetic, memory], processor_of(TOY))
    assert parts.arithmetic_s == pytest.approx(2 * 4_000_000 / (8 * 0.5 * 1e9))  # 2 ms
    # 1.2 MB of weights do not stay in half of 1 MB of cache; 8 kB of activations do
    assert parts.memory_s == pytest.approx(800_000 / 2e9 + 8_000 / 8e9)
    assert parts.dispatch_s == pytest.approx(CALL_S + 2 * DISPATCH_S)
    assert parts.total_s == pytest.approx(parts.arithmetic_s + parts.memory_s + parts.dispatch_s)
    assert (parts.operators, parts.macs, parts.weight_bytes) == (2, 4_001_000, 1_200_000)


def test_weights_that_stay_in_the_cache_are_not_read_from_memory():
    work = operator(weight_bytes=400_000)
    processor = processor_of(TOY)
    assert memory_s(work, processor, 500_000) == pytest.approx(400_000 / 8e9)
    assert memory_s(work, processor, 500_001) == pytest.approx(400_000 / 2e9)


@pytest.mark.parametrize(("arithmetic", "rate"), [("fp32", 8 * 0.5e9), ("fp16", 16 * 0.5e9), ("int8", 16 * 0.25e9)])
def test_each_arithmetic_has_its_own_rate(arithmetic, rate):
    work = operator(macs=1_000_000, arithmetic=arithmetic)
    assert arithmetic_s(work, processor_of(TOY)) == pytest.approx(2_000_000 / rate)


def test_half_precision_is_widened_where_the_core_has_none():
    processor = processor_of(toy(peaks={"fp16_flops_per_cycle": None}))
    assert processor.fp16_flops == processor.fp32_flops


def test_work_on_elements_counts_where_there_is_no_product():
    gelu = operator(op_type="Gelu", activation_bytes=4_000, written_bytes=4_000)
    assert arithmetic_s(gelu, processor_of(TOY)) == pytest.approx(25 * 1_000 / 4e9)
    assert arithmetic_s(replace(gelu, op_type="Add"), processor_of(TOY)) == pytest.approx(1_000 / 4e9)


def test_threads_speed_up_arithmetic_as_the_profile_says_and_no_more():
    one, two, four, nine = (processor_of(TOY, threads) for threads in (1, 2, 4, 9))
    assert four.fp32_flops == pytest.approx(2.0 * one.fp32_flops)
    assert four.int8_ops == pytest.approx(3.0 * one.int8_ops)
    assert two.fp32_flops == pytest.approx(2.0**0.5 * one.fp32_flops)
    assert nine == four
    assert (four.memory_bytes, four.instructions) == (one.memory_bytes, one.instructions)


def test_threads_of_a_profile_that_says_nothing_of_them_count_by_their_root():
    silent = toy(peaks={"all_cores_fp32": None, "all_cores_int8": None})
    assert processor_of(silent, 4).fp32_flops == pytest.approx(2 * processor_of(silent, 1).fp32_flops)


@given(
    macs=st.integers(0, 10**9),
    weights=st.integers(0, 10**8),
    activations=st.integers(0, 10**7),
    more=st.integers(1, 10**9),
)
def test_more_work_never_takes_less_time(macs, weights, activations, more):
    work = operator(macs=macs, weight_bytes=weights, activation_bytes=activations, written_bytes=activations)
    least = seconds(TOY, [work])
    assert seconds(TOY, [replace(work, macs=macs + more)]) >= least - (1e-12 if macs else arithmetic_of_elements(work))
    assert seconds(TOY, [replace(work, weight_bytes=weights + more)]) >= least
    assert seconds(TOY, [work, work]) > least


def arithmetic_of_elements(work):
    """Return what is not counted any more when an operator has a product."""
    return arithmetic_s(replace(work, macs=0), processor_of(TOY))


def test_the_range_is_a_half_to_twice():
    estimate = estimate_cpu(TOY, [operator(macs=1_000_000)], tokens=8, threads=1, tokenizing=None)
    assert estimate.low_s == pytest.approx(estimate.latency_s / 2)
    assert estimate.high_s == pytest.approx(2 * estimate.latency_s)
    assert (estimate.kind, estimate.target, estimate.processor, estimate.tokens) == ("analytic", "toy", "cpu", 8)
    assert estimate.calibration_factor is None


def test_the_tokenizer_is_scaled_by_instructions_a_second():
    tokenizing = Tokenizing(seconds=10e-6, instructions=7e9)  # ten times 0.7e9
    work = [operator(macs=1_000_000)]
    assert seconds(TOY, work, tokenizing=tokenizing) == pytest.approx(seconds(TOY, work) + 100e-6)


def test_the_basis_says_what_was_computed_from_and_that_a_tokenizer_is_missing():
    basis = estimate_cpu(TOY, [operator(macs=2_000_000)], tokens=8, threads=1, tokenizing=None).basis
    assert basis.startswith("2.00 M multiply-adds, 0 B of weights, 1 operators; arithmetic 9")
    assert basis.endswith("no tokenizer: it was not timed")
    timed = estimate_cpu(TOY, [operator()], tokens=8, threads=1, tokenizing=Tokenizing(10e-6, 7e9))
    assert timed.basis.endswith("(10 \u00b5s here, x 10)")
    assert timed.with_tokenizer


def gpu(**facts):
    return toy(accelerator={"name": "toy GPU", **facts})


def test_a_gpu_is_bound_by_starting_its_kernels():
    board = gpu(launch_s=10e-6, fp16_flops_per_s=1e12, int8_ops_per_s=2e12)
    work = [operator(macs=1_500_000), operator(macs=3_000_000, arithmetic="int8"), operator(op_type="Reshape")]
    estimate = estimate_gpu(board, work, tokens=8, tokenizing=None)
    assert estimate.latency_s == pytest.approx(2 * 10e-6 + 3e6 / 0.3e12 + 6e6 / 0.6e12)
    assert (estimate.low_s, estimate.high_s) == pytest.approx((estimate.latency_s / 3, estimate.latency_s * 3))
    assert estimate.processor == "gpu"
    assert "2 kernels of 10 \u00b5s" in estimate.basis
    assert "never checked on a board" in estimate.basis


@pytest.mark.parametrize("board", [TOY, gpu(fp16_flops_per_s=1e12), gpu(launch_s=10e-6)])
def test_a_gpu_that_the_profile_does_not_describe_has_no_estimate(board):
    assert estimate_gpu(board, [operator()], tokens=8, tokenizing=None) is None


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        (find_profile("cpu"), "is this machine, which is measured"),
        (toy(cpu={"peaks": None}), "has no cpu.peaks"),
        (toy(cpu={"clock_hz": None}), "has no cpu.clock_hz"),
        (toy(peaks={"read_bytes_per_s": None}), "says nothing about its memory's speed"),
    ],
)
def test_a_profile_that_says_too_little_is_refused(profile, says):
    with pytest.raises(ConfigError, match=says) as refused:
        processor_of(profile)
    assert refused.value.hint


def test_reading_follows_from_copying_or_from_the_bus():
    silent = {"read_bytes_per_s": None}
    assert processor_of(toy(cpu={"memcpy_bytes_per_s": 1e9}, peaks=silent)).memory_bytes == pytest.approx(1.8e9)
    assert processor_of(toy(cpu={"memory_bandwidth_bytes_per_s": 1e9}, peaks=silent)).memory_bytes == 0.5e9


def test_every_shipped_board_can_be_estimated():
    boards = [profile for profile in load_profiles().values() if profile.cpu.clock_hz is not None]
    assert len(boards) >= 9
    for profile in boards:
        assert 1e-6 < seconds(profile, [operator(macs=1_000_000, weight_bytes=1_000_000)]) < 0.01


def test_a_raspberry_pi_5_is_estimated_faster_than_a_4_and_that_than_a_zero():
    work = [operator(macs=200_000_000, weight_bytes=40_000_000)]
    zero, four, five = (seconds(find_profile(name), work) for name in ("zero2w", "pi4", "pi5"))
    assert five < four < zero


@pytest.mark.parametrize(
    ("model", "arch", "rate"),
    [
        ("Broadcom BCM2712, 4x Cortex-A76", "aarch64", 2.0),
        ("6x Cortex-A78AE", "aarch64", 2.2),
        ("Intel Processor N100", "x86_64", 2.0),
        ("something new", "aarch64", 1.5),
        ("AMD EPYC 9B14", "x86_64", 2.5),
    ],
)
def test_a_core_is_known_by_its_name(model, arch, rate):
    assert instructions_per_cycle(model, arch) == rate


X86 = "processor\t: 0\nmodel name\t: AMD EPYC 9B14\ncpu MHz\t\t: 2596.138\n"
PI5 = "processor\t: 0\nBogoMIPS\t: 108.00\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n"


def test_the_processor_that_tokenizes_says_its_name_and_clock():
    assert (model_name(X86), model_name(PI5), model_name("")) == ("AMD EPYC 9B14", "Cortex-A76", "")
    assert clock_hz("2400000\n", PI5) == 2.4e9
    assert clock_hz("", X86) == pytest.approx(2.596138e9)
    assert clock_hz("", PI5) is None
    assert clock_hz("", "cpu MHz : unknown\n") is None


def published():
    """Return the benchmark that compares with published latencies, which is no part of the package."""
    path = Path(__file__).parents[2] / "benchmarks" / "estimates_check.py"
    spec = importlib.util.spec_from_file_location("estimates_check", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_most_published_latencies_lie_within_the_range():
    check = published()
    found = [(row.milliseconds / 1e3, check.estimate_of(row)) for row in check.PUBLISHED]
    inside = [estimate.low_s <= seconds <= estimate.high_s for seconds, estimate in found]
    assert len(inside) >= 35
    assert sum(inside) >= 0.85 * len(inside)
