"""Which counter stands for a target, and what is asked of it."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from edgekd.bench.collect import Measured
from edgekd.bench.counts import choose, steps
from edgekd.bench.counts.choose import choose_counter, cost_phases
from edgekd.bench.counts.phase import FEW, FIRST_WARM_UP_CALLS, MANY, SMALL, WARM_UP_CALLS, CountsPhase
from edgekd.bench.counts.regions import BEGIN, INFER, NOTHING, TOKENIZE, Region
from edgekd.bench.place import HERE, Place
from edgekd.bench.profile_phase import ProfilePhase
from edgekd.devices import find_profile
from edgekd.emulation.unavailable import EmulationUnavailable
from edgekd.errors import ConfigError, NotApplicable
from edgekd.progress import Silent
from edgekd.results import Evidence


@pytest.fixture
def counters(monkeypatch):
    """Replace the three counters; a name in the returned set cannot be had."""
    absent = set()

    def stand_in(name, error):
        def make(*arguments):
            if name in absent:
                raise error(f"no {name} here.")
            core = getattr(getattr(arguments[0], "emulator", None), "cpu", "")
            return (name, core)

        return make

    monkeypatch.setattr(choose, "PluginCounter", stand_in("plugin", EmulationUnavailable))
    monkeypatch.setattr(choose, "CallgrindCounter", stand_in("callgrind", EmulationUnavailable))
    monkeypatch.setattr(choose, "PerfCounter", stand_in("perf", NotApplicable))
    monkeypatch.setattr(choose.platform, "machine", lambda: "x86_64")
    return absent


def chosen(target="cpu", place=HERE, **given):
    return choose_counter(find_profile(target), place, lambda _: None, **given)


def test_another_processor_is_emulated(counters):
    assert chosen("pi4") == ("plugin", "cortex-a72")
    assert chosen("cpu", core="cortex-a53") == ("plugin", "cortex-a53")


def test_this_processor_counts_by_itself_where_it_can(counters):
    assert chosen("cpu") == ("perf", "")


def test_without_a_counter_of_its_own_an_x86_is_emulated(counters):
    counters.add("perf")
    assert chosen("cpu") == ("plugin", "Haswell-noTSX")


def test_without_an_emulator_callgrind_counts_on_x86(counters):
    counters.update(("perf", "plugin"))
    assert chosen("cpu") == ("callgrind", "")
    assert chosen("x86-avx2") == ("callgrind", "")


def test_callgrind_does_not_stand_for_arm(counters):
    counters.add("plugin")
    with pytest.raises(EmulationUnavailable, match="no plugin here"):
        chosen("pi4")


def test_a_tool_that_is_asked_for_is_not_replaced(counters):
    counters.add("plugin")
    with pytest.raises(EmulationUnavailable, match="no plugin here"):
        chosen("cpu", tool="qemu-plugin")
    assert chosen("cpu", tool="callgrind") == ("callgrind", "")


def test_on_a_board_the_board_counts(counters):
    board = Place("this board", evidence=Evidence.DEVICE)
    assert chosen("pi4", board) == ("perf", "")


def test_a_board_that_cannot_count_says_so(counters, monkeypatch):
    counters.add("perf")
    monkeypatch.setattr(choose.platform, "machine", lambda: "aarch64")
    with pytest.raises(NotApplicable, match="no perf here"):
        chosen("pi4", Place("this board", evidence=Evidence.DEVICE))


def test_an_emulated_board_does_not_count(counters):
    with pytest.raises(NotApplicable, match="An emulated board cannot count its instructions"):
        chosen("pi4", Place("this board", evidence=Evidence.EMULATED))


def test_an_unknown_tool_is_refused_with_those_that_there_are(counters):
    with pytest.raises(ConfigError, match=r"Unknown counter 'pref'.*perf"):
        chosen("cpu", tool="pref")


def test_a_core_is_only_for_the_emulator(counters):
    with pytest.raises(ConfigError, match="--core is for the counter qemu-plugin; perf counts on this processor"):
        chosen("cpu", tool="perf", core="cortex-a72")


@pytest.mark.parametrize(("given", "flag"), [({"core": "cortex-a72"}, "--core"), ({"tool": "perf"}, "--counter")])
def test_a_core_or_tool_without_counts_is_a_mistake(counters, given, flag):
    with pytest.raises(ConfigError, match=f"{flag} says how instructions are counted, and none are"):
        cost_phases(find_profile("cpu"), HERE, print, counts=False, timed=True, **given)


def test_counts_bring_costs_and_a_profile_brings_times(counters):
    def kinds(**given):
        phases = cost_phases(find_profile("cpu"), HERE, print, **given)
        return [(type(phase), getattr(phase, "timed", None)) for phase in phases]

    assert kinds(counts=True, timed=False) == [(CountsPhase, None), (ProfilePhase, False)]
    assert kinds(counts=False, timed=True) == [(ProfilePhase, True)]
    assert kinds(counts=False, timed=False) == []


class Telling(Silent):
    """Keeps what is said."""

    def __init__(self, said):
        self.said = said

    def say(self, message):
        self.said.append(message)


class Counter:
    """Counts a text of n words as n times ``each``."""

    tool = "qemu-plugin"
    core = "cortex-a72"
    evidence = "emulated"

    def __init__(self, each=100, refusal=""):
        self.each = each
        self.refusal = refusal
        self.requests = []

    def why_not(self, variant):
        return self.refusal

    @contextmanager
    def opened(self, variant, warm):
        yield self.ask

    def ask(self, request):
        self.requests.append(request)
        words = len(request["text"].split())
        regions = [Region(NOTHING, 0), Region(BEGIN, 0)]
        for _ in range(request["repetitions"]):
            regions += [Region(TOKENIZE, words), Region(INFER, words * self.each, {"branch": words})]
        return {"tokens": words, "libraries": {"onnxruntime": "1.0"}}, regions


class Warm:
    """A measured process that makes texts."""

    def ask(self, request, limit_s):
        assert request["do"] == "edgekd.bench.scenarios.steps:make_texts"
        return {"texts": [[" ".join(["word"] * length)] for length in request["lengths"]]}


def run(counter, *, max_length=64, said=None):
    variant = SimpleNamespace(name="tiny", backend="onnxruntime", max_length=max_length, lengths=())
    measured = Measured(variant)
    context = SimpleNamespace(
        texts=["a b"], plan=SimpleNamespace(timed=[0], seed=0), progress=Telling([] if said is None else said)
    )
    CountsPhase(counter).run([Warm()], [measured], context)
    return measured.extra


def test_texts_of_the_lengths_that_a_variant_can_have_are_counted():
    counter = Counter()
    counts = run(counter)["counts"]
    assert [count.tokens for count in counts] == [8, 32]  # not 128
    assert counts[0].instructions == [800] * MANY
    assert counts[0].tokenize == [8] * MANY
    assert counts[0].classes == {"branch": 8}
    assert counts[0].libraries == {"onnxruntime": "1.0"}
    assert (counts[0].tool, counts[0].core, counts[0].evidence) == ("qemu-plugin", "cortex-a72", "emulated")


def test_the_first_text_is_warmed_up_longest():
    counter = Counter()
    run(counter)
    assert [request["warm_up"] for request in counter.requests] == [FIRST_WARM_UP_CALLS, 0, WARM_UP_CALLS, 0]


def test_a_large_model_is_counted_less_often():
    counts = run(Counter(each=SMALL // 8))["counts"]
    assert [len(count.instructions) for count in counts] == [FEW, FEW]


def test_what_cannot_be_counted_is_said_and_left_out():
    said = []
    assert run(Counter(refusal="openvino is not fetched for aarch64"), said=said) == {}
    assert said == ["tiny is not counted: openvino is not fetched for aarch64."]


def test_a_text_is_marked_around_the_two_calls_that_are_timed(monkeypatch):
    calls = []

    class Session:
        def encode(self, texts):
            calls.append("encode")
            return SimpleNamespace(tokens=3)

        def infer(self, inputs):
            calls.append("infer")
            return [SimpleNamespace(argmax=lambda: calls.append("answer"))]

    class Marks:
        def mark(self, tag):
            calls.append(tag)

    monkeypatch.setitem(steps.KINDS, "qemu-plugin", Marks)
    request = {"text": "a", "warm_up": 1, "repetitions": 2, "tool": "qemu-plugin"}
    reply = steps.count(SimpleNamespace(session=Session()), request)
    assert reply["tokens"] == 3
    assert reply["regions"] == []
    once = [BEGIN, "encode", TOKENIZE, "infer", "answer", INFER]
    assert calls == ["encode", "infer", NOTHING, *[BEGIN, NOTHING] * steps.EMPTY_REGIONS, *once, *once]
