"""The traced estimate: what is read from QEMU's log, and what blocks cost by LLVM's models."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.devices import find_profile
from edgekd.emulation.unavailable import EmulationUnavailable
from edgekd.errors import ConfigError
from edgekd.estimate.trace.blocks import Block, parse_log
from edgekd.estimate.trace.cycles import Cycles, cost, hottest
from edgekd.estimate.trace.estimate import CORES, core_model
from edgekd.estimate.trace.llvm import Llvm, find_llvm, llvm_version

NOP, ADD, RET = (bytes.fromhex(code) for code in ("1f2003d5", "2000028b", "c0035fd6"))

# instructions, code, then executions in regions 0 (unused), 1 (begin), 2 (tokenizer), 3 (graph) and 4 (a mark alone)
LOG = f"""something else
block 2 {(NOP + ADD).hex()} 0 7 10 20 3
block 1 {RET.hex()} 0 0 1 2 5
end
block 1 {NOP.hex()} 0 0 0 4 0
end
"""


def test_a_text_is_tokenizer_and_graph_less_the_marks():
    first, second = parse_log(LOG.splitlines())
    assert first == [Block(NOP + ADD, (10 - 3) + (20 - 3))]  # the other block is only what marks execute
    assert second == [Block(NOP, 4)]
    assert first[0].instructions == 2


def test_a_log_without_an_end_has_no_text():
    assert parse_log([f"block 1 {NOP.hex()} 0 0 1 1 0"]) == []


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 10**6)), min_size=1, max_size=30), st.floats(0.01, 1.0))
def test_the_hottest_blocks_cover_the_share_and_are_the_fewest(shapes, cover):
    blocks = [Block(NOP * length, executions) for length, executions in shapes]
    chosen = hottest(blocks, cover)
    total = sum(block.instructions * block.executions for block in blocks)
    covered = [block.instructions * block.executions for block in chosen]
    assert sum(covered) >= cover * total * (1 - 1e-12)
    assert sum(covered[:-1]) < cover * total
    assert covered == sorted(covered, reverse=True)


def test_instructions_a_cycle():
    assert Cycles(cycles=50.0, instructions=100).per_cycle == 2


@pytest.mark.parametrize(
    ("target", "model"),
    [("zero2w", "cortex-a53"), ("pi4", "cortex-a72"), ("pi5", "neoverse-n1"), ("jetson", "neoverse-n1")],
)
def test_each_board_has_the_model_of_its_core(target, model):
    assert core_model(find_profile(target)).model == model


@pytest.mark.parametrize("target", ["cpu", "x86-avx2", "n100", "jetson-xavier-nx"])
def test_other_processors_are_not_traced(target):
    with pytest.raises(ConfigError, match="cannot be traced: that is for Cortex-A53, "):
        core_model(find_profile(target))


def test_the_a53_is_known_to_be_too_slow_in_int8():
    assert CORES["cortex-a53"].low < CORES["cortex-a72"].low
    assert "too slow in int8" in CORES["cortex-a53"].int8_note


def tool(path: Path, script: str) -> tuple[str, ...]:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return (str(path),)


def test_a_tool_that_fails_or_knows_too_little_is_an_error(tmp_path):
    blocks = [Block(NOP + ADD, 3)]
    working = tool(tmp_path / "mc", "cat >/dev/null; printf '\\t.text\\n\\tnop\\n\\tadd x0, x1, x2\\n'")
    short = tool(tmp_path / "short", "cat >/dev/null; printf '\\tnop\\n'")
    broken = tool(tmp_path / "broken", "cat >/dev/null; echo no such core >&2; exit 1")
    empty = tool(tmp_path / "empty", "cat >/dev/null; printf '{\"CodeRegions\": []}'")
    for mc, mca, says in (
        (short, broken, "knows 1 of 2 traced instructions"),
        (working, broken, "fails on the trace: no such core"),
        (working, empty, "costs 0 of 1 traced blocks"),
        (working, ("/nowhere/llvm-mca",), "does not run"),
    ):
        with pytest.raises(EmulationUnavailable, match=says):
            cost(blocks, "cortex-a72", Llvm(mc, mca, "19"))


def test_calls_are_not_costed_and_what_is_not_costed_is_scaled_up(tmp_path):
    mc = tool(tmp_path / "mc", "cat >/dev/null; printf '\\tadd x0, x1, x2\\n\\tret\\n'")
    answer = '{\\"CodeRegions\\": [{\\"Name\\": \\"0\\", \\"SummaryView\\": {\\"TotalCycles\\": 128}}]}'
    mca = tool(tmp_path / "mca", f"cat >{tmp_path}/asked; printf '{answer}'".replace('\\"', '"'))
    blocks = [Block(ADD + RET, 1000), Block(NOP, 10)]
    found = cost(blocks, "cortex-a72", Llvm(mc, mca, "19"))
    assert found.instructions == 2010
    assert found.cycles == pytest.approx(1000 * 2 * 2010 / 2000)  # 128 cycles of 64 iterations
    assert (tmp_path / "asked").read_text().splitlines() == [
        "# LLVM-MCA-BEGIN 0",
        "add x0, x1, x2",
        "b #0",
        "# LLVM-MCA-END",
    ]


def test_an_old_or_broken_llvm_is_no_llvm(tmp_path):
    assert llvm_version(tool(tmp_path / "old", "echo 'Debian LLVM version 14.0.6'")) == "14.0.6"
    assert llvm_version(tool(tmp_path / "other", "echo something")) is None
    assert llvm_version(("/nowhere/llvm-mca",)) is None


def llvm_or_skip():
    """Return the tools when they are at hand; nothing is fetched for a test."""
    if not shutil.which("llvm-mca-19") and not (Path(os.environ.get("EDGEKD_CACHE", "")) / "emulation").is_dir():
        pytest.skip("there is no LLVM 19 here, and no cache of emulation (EDGEKD_CACHE)")
    try:
        return find_llvm(print)
    except EmulationUnavailable as error:
        pytest.skip(error.message)


def test_multiply_adds_that_wait_for_nothing_take_a_cycle_each_on_an_a72():
    llvm = llvm_or_skip()
    # fmla v8.4s ... v15.4s, v1.4s, v2.4s: eight sums
    eight = b"".join((0x4E22CC20 | register).to_bytes(4, "little") for register in range(8, 16))
    cycles = cost([Block(eight, 1000)], "cortex-a72", llvm)
    assert cycles.cycles == pytest.approx(8000, rel=0.05)
    twice = cost([Block(eight, 1000)], "neoverse-n1", llvm)
    assert twice.cycles == pytest.approx(4000, rel=0.1)
