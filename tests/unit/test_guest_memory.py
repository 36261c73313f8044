from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.bench import memory
from edgekd.bench.guest_memory import WHOLE_SMAPS, guest_rss_bytes, resident_bytes
from edgekd.environment import EVIDENCE_VARIABLE

OWN = """\
00400000-00500000 r-xp 00000000 fe:00 11 /board/usr/bin/python3.11
00500000-00600000 rw-p 00000000 00:00 0
5500000000-5500010000 rw-p 00000000 00:00 0 [stack]
"""


def smaps(*mappings):
    """Return ``smaps`` of (first, end, offset, file, resident kB)."""
    lines = []
    for first, end, offset, file, resident in mappings:
        lines += [f"{first:x}-{end:x} r--p {offset:08x} fe:00 11 {file}", "Size: 9999 kB", f"Rss: {resident} kB"]
        lines += ["VmFlags: rd mr"]
    return lines


def test_the_emulator_and_its_translated_code_do_not_count():
    whole = smaps(
        (0x400000, 0x500000, 0, "/board/usr/bin/python3.11", 100),
        (0x500000, 0x600000, 0, "", 20),
        (0x5500000000, 0x5500010000, 0, "", 3),
        (0x555555554000, 0x555555854000, 0, "/usr/bin/qemu-aarch64", 4000),
        (0x7FED00000000, 0x7FED10000000, 0, "", 40000),
    )
    assert resident_bytes(OWN.splitlines(), whole) == 123 * 1024


def test_addresses_that_the_emulator_moved_are_found_again():
    by = 0x10000000000
    whole = smaps(
        (by + 0x400000, by + 0x500000, 0, "/board/usr/bin/python3.11", 100),
        (by + 0x500000, by + 0x600000, 0, "", 20),
        (0x400000, 0x500000, 0, "/usr/bin/qemu-aarch64", 4000),
    )
    assert resident_bytes(OWN.splitlines(), whole) == 120 * 1024


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=8), st.integers(0, 10_000))
def test_it_is_the_sum_of_its_own_mappings(own, others):
    places = [(0x1000000 * (i + 1), 0x1000000 * (i + 1) + 0x1000) for i in range(len(own))]
    maps = [f"{first:x}-{end:x} rw-p 00000000 00:00 0" for first, end in places]
    whole = smaps(
        *((first, end, 0, "", kb) for (first, end), kb in zip(places, own, strict=True)),
        (0x7F0000000000, 0x7F0000001000, 0, "", others),
    )
    assert resident_bytes(maps, whole) == 1024 * sum(own)


@pytest.mark.skipif(not WHOLE_SMAPS.exists(), reason="this system has no /proc/thread-self/smaps")
def test_without_an_emulator_it_is_about_the_resident_set():
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    resident = 1024 * int(re.search(r"VmRSS:\s+(\d+)", status)[1])
    assert guest_rss_bytes() == pytest.approx(resident, rel=0.1)


def test_an_emulated_process_reports_its_own_memory_and_no_peak(monkeypatch):
    monkeypatch.setenv(EVIDENCE_VARIABLE, "emulated")
    monkeypatch.setattr("edgekd.bench.guest_memory.guest_rss_bytes", lambda: 7)
    assert memory.rss_bytes() == 7
    assert memory.peak_rss_bytes() is None
    assert memory.shared_and_swapped() == {"pss_bytes": None, "swap_bytes": None}


def test_no_other_word_makes_a_process_emulated(monkeypatch):
    monkeypatch.setenv(EVIDENCE_VARIABLE, "device")
    assert memory.peak_rss_bytes() > 0
