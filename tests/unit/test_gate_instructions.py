"""Recounting both sides with a counter that is made up: nothing is emulated."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekd.bench.counts.regions import INFER, NOTHING, TOKENIZE, Region
from edgekd.emulation.unavailable import EmulationUnavailable
from edgekd.errors import InvalidArtifact
from edgekd.gate import instructions
from edgekd.gate.evidence import Comparison, Facts
from edgekd.gate.grammar import parse_rule
from edgekd.gate.instructions import choose_texts, count_instructions, per_text
from edgekd.gate.verdict import decide
from edgekd.measurements import Counts
from edgekd.progress import Silent
from edgekd.results import Evidence

TEXTS = ["word " * count for count in range(1, 22)]


class FakeCounter:
    """A hundred instructions a letter in the tokenizer, ``cost`` of the folder in the graph, and 7 for a mark."""

    tool, core, evidence = "qemu-plugin", "cortex-a72", "emulated"

    def __init__(self, cost):
        self.cost, self.seen = cost, []

    def why_not(self, variant):
        return "" if variant.backend == "onnxruntime" else "no such runtime on that core"

    @contextmanager
    def opened(self, variant, warm):
        cost = self.cost[variant.path.resolve().name]
        if isinstance(cost, Exception):
            raise cost
        self.seen.append((str(variant.path), variant.name))

        def ask(request):
            letters = 100 * len(request["text"])
            regions = [Region(NOTHING, 7)]
            for repetition in range(request["repetitions"]):
                regions += [Region(TOKENIZE, letters + 7), Region(INFER, cost + 7 + 5 * repetition)]
            return {"tokens": 3, "libraries": {}}, regions

        yield ask


def side(folder, backend="onnxruntime"):
    folder.mkdir(exist_ok=True)
    return SimpleNamespace(bundle=SimpleNamespace(folder=folder), name=folder.name, backend=backend)


@pytest.fixture
def count(monkeypatch, tmp_path):
    """Count two folders with given costs; returns the comparison and the counter."""

    def run(before, after, rules=("instructions<+1%",), candidate=None):
        counter = FakeCounter({"before": before, "after": after})
        sides = {"baseline": side(tmp_path / "before"), "candidate": candidate or side(tmp_path / "after")}
        backends = {"before": "onnxruntime", "after": sides["candidate"].backend}

        def variant_of(bundle, at):
            from edgekd.bench.variants import Variant  # a real one, of which only these matter

            values = dict.fromkeys(Variant.__dataclass_fields__, None)
            return Variant(**values | {"name": bundle.folder.name, "path": at, "backend": backends[bundle.folder.name]})

        @contextmanager
        def loaded(variant, place):
            yield None

        monkeypatch.setattr(instructions, "choose_counter", lambda *_, **__: counter)
        monkeypatch.setattr(instructions, "variant_of", variant_of)
        monkeypatch.setattr(instructions, "loaded", loaded)
        setup = SimpleNamespace(
            rules=[parse_rule(rule) for rule in rules], profile=None, job=SimpleNamespace(devices=None), **sides
        )
        start = Comparison(candidate=Facts(1), baseline=Facts(1), evidence=Evidence.HOST)
        return count_instructions(setup, SimpleNamespace(texts=TEXTS), start, Silent()), counter

    return run


@given(st.lists(st.text(max_size=30), max_size=60), st.randoms())
def test_the_texts_do_not_depend_on_their_order(texts, random):
    shuffled = list(texts)
    random.shuffle(shuffled)
    chosen = choose_texts(texts)
    assert chosen == choose_texts(shuffled)
    assert set(chosen) <= set(texts)
    assert len(chosen) == len(set(chosen)) == min(3, len(chosen))
    assert bool(chosen) == bool(texts)


def test_the_texts_are_a_short_a_usual_and_a_long_one():
    assert [len(text) // 5 for text in choose_texts(TEXTS)] == [3, 11, 19]


def test_a_count_is_the_mean_of_the_smallest_repetitions_of_tokenizer_and_graph():
    def counts(tokenize, infer):
        common = {"tool": "callgrind", "core": "haswell", "evidence": "emulated", "tokens": 3}
        return Counts(tokenize=tokenize, instructions=infer, **common)

    assert per_text([counts([12, 10], [100, 105]), counts([20], [300, 290])]) == (10 + 100 + 20 + 290) / 2


def test_both_sides_are_counted_on_the_same_texts(count):
    found, counter = count(1000, 1100)
    letters = 100 * sum(len(text) for text in choose_texts(TEXTS)) / 3
    assert found.baseline.instructions == letters + 1000
    assert found.candidate.instructions == letters + 1100
    assert found.counter == "qemu-plugin on cortex-a72, one thread, 3 texts, tokenizer and graph"
    assert found.counter_evidence is Evidence.EMULATED
    assert len(set(counter.seen)) == 1, "names of folders move a count, so both are opened under the same one"


def test_the_rule_is_decided_by_the_counts(count):
    result = decide(parse_rule("instructions<+1%"), count(1_000_000, 1_020_000)[0])
    assert result.outcome.value == "fail"
    assert result.value == pytest.approx(0.02, abs=2e-4)
    assert result.evidence is Evidence.EMULATED


def test_without_such_a_rule_nothing_is_counted(count):
    found, counter = count(1000, 1100, rules=("p50<+3%", "size<2MB"))
    assert found.candidate.instructions is None
    assert counter.seen == []


def test_a_stored_result_is_not_counted(count, tmp_path):
    stored = SimpleNamespace(bundle=None, name="stored", backend="onnxruntime")
    found, _ = count(1000, 1100, rules=("instructions<2000",), candidate=stored)
    assert found.candidate.instructions is None
    assert "runtime's version" in found.candidate.instructions_problem
    assert "bundle" in found.candidate.instructions_advice
    assert found.baseline.instructions is not None


def test_a_bundle_beside_a_stored_result_is_not_counted_for_a_comparison_alone(count):
    stored = SimpleNamespace(bundle=None, name="stored", backend="onnxruntime")
    found, counter = count(1000, 1100, candidate=stored)
    assert "runtime's version" in found.candidate.instructions_problem
    assert found.baseline.instructions is None
    assert counter.seen == []
    said = decide(parse_rule("instructions<+1%"), found)
    assert "runtime's version" in said.problem
    assert "bundle" in said.advice


def test_a_candidate_beside_a_stored_baseline_hears_of_the_baseline(count, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "side", lambda folder: SimpleNamespace(bundle=None, backend=""))
    found, counter = count(1000, 1100, candidate=SimpleNamespace(bundle=object(), backend="onnxruntime"))
    assert counter.seen == []
    assert "runtime's version" in decide(parse_rule("instructions<+1%"), found).problem


def test_a_bundle_that_the_counter_cannot_run_is_said(count, tmp_path):
    found, _ = count(1000, 1100, candidate=side(tmp_path / "after", backend="openvino"))
    assert found.candidate.instructions_problem == "after: no such runtime on that core"


def test_a_counting_process_that_dies_is_said_and_the_other_side_still_counted(count):
    found, _ = count(1000, InvalidArtifact("it died"))
    assert found.candidate.instructions_problem == "it died"
    assert found.baseline.instructions is not None


def test_without_a_counter_the_rule_is_invalid_and_says_what_to_install(monkeypatch, tmp_path):
    def nothing(*_, **__):
        raise EmulationUnavailable("No QEMU here.", hint="Install it: apt-get install qemu-user")

    monkeypatch.setattr(instructions, "choose_counter", nothing)
    rule = parse_rule("instructions<+1%")
    made = side(tmp_path / "after")
    setup = SimpleNamespace(
        rules=[rule], profile=None, job=SimpleNamespace(devices=None), candidate=made, baseline=None
    )
    start = Comparison(candidate=Facts(1), baseline=Facts(1), evidence=Evidence.HOST)
    found = count_instructions(setup, SimpleNamespace(texts=TEXTS), start, Silent())
    result = decide(rule, found)
    assert result.outcome.value == "invalid"
    assert result.problem == "nothing: No QEMU here"
    assert result.advice.startswith("Install it: apt-get install qemu-user. Or ")
    assert "docs/counts.md" in result.advice
