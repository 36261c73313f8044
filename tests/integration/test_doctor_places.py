"""The doctor elsewhere: on a board behind a real sshd, and on emulated processors."""

from __future__ import annotations

import os
import sys

import pytest

from edgekd.bench.machine import describe_machine
from edgekd.doctor.places import diagnose_at
from edgekd.emulation import store
from edgekd.remote.board import BoardOptions
from tests.sshd import LoopbackBoard

pytestmark = pytest.mark.slow


def _has(name):
    return bool(os.environ.get("EDGEKD_CACHE")) and (store.emulation_dir() / name / store.STAMP_FILE).is_file()


def test_a_board_over_ssh_is_diagnosed_with_its_own_fingerprint(tmp_path, monkeypatch):
    board = LoopbackBoard(tmp_path / "board")
    board.start()
    try:
        monkeypatch.setenv("EDGEKD_SSH", board.ssh)
        said = []
        found = diagnose_at(board.url, seconds=0.2, options=BoardOptions(sys.executable), say=said.append)
    finally:
        board.stop()
    assert found.fingerprint == describe_machine().fingerprint
    assert found.test.speeds
    assert "measuring for 0.2 s" in said[0]


@pytest.mark.skipif(not _has("qemu-x86_64"), reason="no QEMU in EDGEKD_CACHE ('edgekd devices setup' fetches it)")
@pytest.mark.skipif(
    os.uname().machine != "x86_64", reason="the programs of this machine run there, which are not for x86"
)
def test_sums_saturate_on_an_emulated_processor_without_vnni():
    found = diagnose_at("qemu://haswell")
    assert found.emulated == "EDGEKD_EVIDENCE=emulated is set"
    assert found.test.saturates
    errors = {speed.flavour: speed.error for speed in found.test.speeds if speed.width == 384}
    # A scale per channel uses the whole range of eight bits, where sums do not fit any more; elsewhere it is better.
    assert errors["U8S8 per channel"] > errors["U8S8"]
    assert {speed.seconds for speed in found.test.speeds} == {None}


@pytest.mark.skipif(
    not _has("root-aarch64"), reason="no ARM system in EDGEKD_CACHE ('edgekd devices setup' fetches it)"
)
def test_an_emulated_board_is_known_by_its_midr_and_computes_exactly():
    found = diagnose_at("qemu://cortex-a72")
    assert (found.processor.kinds, found.processor.parts) == ({"Cortex-A72": 4}, ["0x41 0xd08"])
    assert found.processor.arch == "aarch64"
    assert not found.test.saturates
    assert (found.test.copy_bytes_per_s, found.test.tokenizer_s) == (None, None)
    assert found.advice[0].topic == "emulation"
