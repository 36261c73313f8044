"""Instructions of a real bundle: two processes execute the same ones, and QEMU and callgrind agree."""

import platform
import shutil

import pytest

from edgekd.bench.child import Child
from edgekd.bench.collect import Measured
from edgekd.bench.counts.counters import CallgrindCounter, PluginCounter
from edgekd.bench.counts.phase import CountsPhase
from edgekd.bench.phase import PhaseContext
from edgekd.bench.place import HERE
from edgekd.bench.plan import Plan
from edgekd.bench.variants import variant_from_bundle
from edgekd.devices import find_profile
from edgekd.emulation.plugin_build import compiler
from edgekd.emulation.store import emulation_dir
from edgekd.emulation.unavailable import EmulationUnavailable
from edgekd.progress import Silent
from tests.bundles import make_bundle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="compares counters of x86"),
]
TEXTS = ["the film was great and not dull", "a very boring movie", "it is good fun"]
REPEATS = 0.001  # what the graph in two processes may differ by
TOKENIZER_REPEATS = 0.005  # a hundred instructions of Python


def counted(counter, folder):
    """Return the fewest instructions of the graph and of the tokenizer."""
    variant = variant_from_bundle(folder)
    measured = Measured(variant)
    context = PhaseContext(TEXTS, Plan([[0, 1, 2]], TEXTS, "", 1, 0), find_profile("cpu"), HERE, 1, [], Silent())
    with Child("tiny", 1) as child:
        child.ask({"do": "load", "variant": variant.worker_spec(), "threads": 1, "affinity": []}, 60)
        CountsPhase(counter, [8]).run([child], [measured], context)
    (count,) = measured.extra["counts"]
    assert count.tokens == 8
    return min(count.instructions), min(count.tokenize)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counts") / "b"
    make_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def emulator():
    fetched = emulation_dir() / f"qemu-plugins-{platform.machine()}"
    if not fetched.is_dir() and shutil.which("qemu-x86_64") is None:
        pytest.skip("needs QEMU with plugins; 'edgekd bench --counts' fetches it")
    try:
        compiler()
    except EmulationUnavailable as error:
        pytest.skip(error.message)
    return PluginCounter(find_profile("x86-avx2"), print)


@pytest.fixture(scope="module")
def emulated(emulator, folder):
    return counted(emulator, folder)


def test_two_processes_execute_the_same_instructions(emulator, emulated, folder):
    graph, tokenizer = counted(emulator, folder)
    assert graph == pytest.approx(emulated[0], rel=REPEATS)
    assert tokenizer == pytest.approx(emulated[1], rel=TOKENIZER_REPEATS)


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
def test_the_emulator_and_callgrind_agree(emulated, folder):
    graph, _ = counted(CallgrindCounter(print), folder)
    assert graph == pytest.approx(emulated[0], rel=0.02)
