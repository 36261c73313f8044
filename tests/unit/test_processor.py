from __future__ import annotations

import pytest

from edgekd.processor import cpu_flags, saturates, session_entries

PRECISE = {"session.x64quantprecision": "1"}


@pytest.mark.parametrize(
    ("arch", "flags", "expected"),
    [
        ("x86_64", ["avx2", "fma"], True),
        ("AMD64", [], True),
        ("x86_64", ["avx2", "avx_vnni"], False),
        ("x86_64", ["AVX512_VNNI"], False),
        ("x86_64", ["amx_int8"], False),
        ("aarch64", ["neon"], False),
        ("aarch64", [], False),
    ],
)
def test_int8_saturates_on_x86_without_vnni_only(arch, flags, expected):
    assert saturates(arch, flags) is expected
    assert session_entries(arch, flags) == (PRECISE if expected else {})


def test_flags_are_those_of_the_first_processor(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nflags\t\t: fpu avx2\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    assert cpu_flags(path) == ["fpu", "avx2"]


def test_arm_calls_them_features(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    assert cpu_flags(path) == ["fp", "asimd"]


def test_no_cpuinfo_means_no_flags(tmp_path):
    assert cpu_flags(tmp_path / "none") == []
