"""A whole trace of a tiny bundle on an emulated Raspberry Pi 4, where everything for it is at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekd.bench.variants import variant_from_bundle
from edgekd.devices import find_profile
from edgekd.emulation.unavailable import EmulationUnavailable
from edgekd.estimate.trace.estimate import estimate_traced, prepare
from tests.bundles import make_bundle

TEXTS = ["great film", "great film"]


def test_a_bundle_is_traced_the_same_twice_but_for_little(tmp_path):
    cache = Path(os.environ.get("EDGEKD_CACHE", "")) / "emulation"
    missing = [name for name in ("root-aarch64", "qemu-plugins-x86_64", "llvm-x86_64") if not (cache / name).is_dir()]
    if missing:
        pytest.skip(f"the cache of emulation (EDGEKD_CACHE) has no {', '.join(missing)}")
    try:
        prepare(print)
    except EmulationUnavailable as error:
        pytest.skip(error.message)
    variant = variant_from_bundle(make_bundle(tmp_path / "tiny").folder)
    first, second = estimate_traced(variant, find_profile("pi4"), TEXTS, print)
    assert first.tokens == second.tokens == 4
    assert second.latency_s == pytest.approx(first.latency_s, rel=0.02)
    assert (first.kind, first.target, first.threads) == ("traced", "raspberry-pi-4", 1)
    assert (first.low_s, first.high_s) == pytest.approx((0.6 * first.latency_s, 1.3 * first.latency_s))
    assert "-cpu cortex-a72" in first.basis
    assert "blind to cache misses and memory" in first.basis
    assert 1e-5 < first.latency_s < 1e-2
