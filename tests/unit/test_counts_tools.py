"""Where valgrind comes from, and what makes processes execute the same instructions."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import edgekd
from edgekd.bench.counts import addresses, valgrind
from edgekd.bench.counts.addresses import fixed_addresses, with_fixed_names
from edgekd.bench.counts.regions import parse_callgrind_dump
from edgekd.bench.counts.valgrind import callgrind_command, find_valgrind, runs
from edgekd.bench.place import HERE, Place
from edgekd.emulation.unavailable import EmulationUnavailable

# Loops of 100,000 and of 300,000 turns between marks; a turn is two instructions.
LOOPS = """
import ctypes, mmap
from edgekd.bench.counts.marks import ValgrindMarks
memory = mmap.mmap(-1, mmap.PAGESIZE, prot=7)
memory.write(bytes.fromhex("89f8 ffc8 75fc c3"))  # mov eax, edi; dec eax; jnz to the second; ret
loop = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
marks = ValgrindMarks()
for turns in [100000, 300000] * 5:
    marks.mark(1)
    loop(turns)
    marks.mark(2)
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "emulation"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
def test_callgrind_counts_a_loop(tmp_path):
    command = [*callgrind_command(("valgrind",), tmp_path), sys.executable, "-c", LOOPS]
    subprocess.run(command, check=True, timeout=120, env={**os.environ, "PYTHONHASHSEED": "0"})
    files = sorted(tmp_path.glob("dump.*"), key=lambda path: int(path.suffix[1:]))
    found = [region for path in files if (region := parse_callgrind_dump(path.read_text()))]
    assert [region.tag for region in found] == [1, 2] * 10
    assert found[-1].total - found[-3].total == pytest.approx(2 * 200_000, abs=2_000)  # what Python does around it


def test_valgrind_is_for_x86(monkeypatch):
    monkeypatch.setattr(valgrind.platform, "machine", lambda: "aarch64")
    with pytest.raises(EmulationUnavailable, match="callgrind counts on x86_64 only; this is aarch64"):
        find_valgrind(print)


def test_without_valgrind_it_is_fetched_and_told_where_its_tools_are(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(valgrind.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(valgrind.shutil, "which", lambda _: None)

    class Apt:
        def __init__(self, arch, folder):
            assert arch == "x86_64"

        def download(self, packages, *, dependencies):
            assert (packages, dependencies) == (["valgrind"], False)
            return [tmp_path / "valgrind_1%3a3.19.0-1_amd64.deb"]

    def unpack(packages, folder, say):
        tool = folder / "usr" / "libexec" / "valgrind" / "callgrind-amd64-linux"
        tool.parent.mkdir(parents=True)
        tool.touch()
        program = folder / "usr" / "bin" / "valgrind.bin"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\ntest -f $VALGRIND_LIB/callgrind-amd64-linux\n")
        program.chmod(0o755)

    monkeypatch.setattr(valgrind, "Apt", Apt)
    monkeypatch.setattr(valgrind, "unpack", unpack)
    command, variables = find_valgrind(print)
    assert command == (str(cache / "valgrind" / "usr" / "bin" / "valgrind.bin"),)
    assert variables == (("VALGRIND_LIB", str(cache / "valgrind" / "usr" / "libexec" / "valgrind")),)


def test_a_program_that_does_not_start_does_not_run(tmp_path):
    assert not runs(tmp_path / "absent", tmp_path)


def test_addresses_are_fixed_where_that_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    fixed_addresses.cache_clear()
    try:
        assert fixed_addresses() == ()
        program = tmp_path / "setarch"
        program.write_text('#!/bin/sh\n[ "$2" = -R ]\n')
        program.chmod(0o755)
        fixed_addresses.cache_clear()
        assert fixed_addresses() == (str(program), addresses.platform.machine(), "-R")
        program.write_text("#!/bin/sh\nexit 1\n")  # as in a container that forbids it
        fixed_addresses.cache_clear()
        assert fixed_addresses() == ()
    finally:
        fixed_addresses.cache_clear()


def test_an_emulated_process_finds_the_package_under_a_name_that_stays(cache):
    place = Place("a core", environment=(("A", "b"), ("PYTHONPATH", "/tmp/random-x7/code:/packages")))
    fixed = dict(with_fixed_names(place).environment)
    folder, _, others = fixed["PYTHONPATH"].partition(":")
    assert (fixed["A"], others) == ("b", "/packages")
    assert Path(folder).parent == cache
    assert (Path(folder) / "edgekd").resolve() == Path(edgekd.__file__).parent
    assert dict(with_fixed_names(place).environment) == fixed


def test_a_cache_that_cannot_be_written_changes_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGEKD_CACHE", str(tmp_path / "file"))
    place = Place("a core", environment=(("PYTHONPATH", "/code:/packages"),))
    assert with_fixed_names(place) is place


def test_this_machine_needs_no_other_names(cache):
    assert with_fixed_names(HERE) is HERE
