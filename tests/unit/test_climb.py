"""Which rungs of a ladder are tried, and what becomes of them; nothing is built or measured."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

import edgekd.ladder
from edgekd.config import CompressConfig
from edgekd.decisions import Decision, Span
from edgekd.devices import find_profile
from edgekd.errors import ConfigError, InvalidArtifact, MissingExtra, NotApplicable
from edgekd.ladder import Ladder
from edgekd.progress import Silent
from edgekd.runfolder import RunFolder
from edgekd.steps import Rung

PRECISIONS = ("int8", "int4", "fp16")


class Workbench:
    """Stands for graphs, compressor, measuring and judging; remembers what it was asked for."""

    def __init__(self, ladder, *, losses=None, errors=None, profile="cpu", **config):
        self.losses, self.errors = losses or {}, errors or {}
        self.profile = find_profile(profile)
        self.recipe = SimpleNamespace(compress=CompressConfig(ladder=ladder, **config))
        self.folder = RunFolder(Path("run"))
        self.data, self.progress = None, Silent()
        self.sessions = []

    def export(self, model, steps=()):
        return Path("exports") / model.name

    def apply(self, model, steps):
        return model

    def change(self, model, exported, steps):
        name = "-".join(step.label for step in steps)
        if name in self.errors:
            raise self.errors[name]
        return exported

    def measure_and_judge(self, base, candidates, *, out, **_):
        names = [base.manifest.name, *(bundle.manifest.name for bundle, _ in candidates)]
        self.sessions.append((out, names))
        results = [
            SimpleNamespace(variant=name, precision=next((p for p in PRECISIONS if p in name), "fp32"))
            for name in names
        ]
        return results, [self.decision(name) for name in names]

    def decision(self, name):
        loss = self.losses.get(name, 0.0)
        change = Span(value=-loss, low=-loss, high=-loss)
        is_base = name.endswith("fp32")
        return Decision(
            variant=name, target="cpu", kept=is_base or loss <= 0.01, reason="x", evidence="host", score_change=change
        )


def bundle(_model, _graph, _graphs, folder, precision):
    return SimpleNamespace(manifest=SimpleNamespace(name=folder.name, precision=precision), folder=folder)


def climb(monkeypatch, bench, *, kind="cnn", role="student"):
    monkeypatch.setattr(edgekd.ladder, "write_bundle", bundle)
    monkeypatch.setattr(edgekd.ladder, "measure_and_judge", bench.measure_and_judge)
    monkeypatch.setattr(Ladder, "_publish", lambda _, made: made)
    return Ladder(bench, bench).climb(SimpleNamespace(name="m", kind=kind, role=role))


def rungs(*items):
    return [Rung.model_validate(item) for item in items]


WAITS = {"steps": ["fp16"], "when": "int8-loses"}


@pytest.mark.parametrize(
    ("losses", "is_tried"),
    [({}, False), ({"m-int8": 0.02}, False), ({"m-int8": 0.02, "m-int8-static": 0.011}, True)],
    ids=["none loses", "one loses", "all lose"],
)
def test_a_rung_that_waits_is_tried_when_every_int8_candidate_loses(monkeypatch, losses, is_tried):
    bench = Workbench(rungs({"steps": ["int8"]}, {"steps": ["int8-static"]}, WAITS), losses=losses)
    climbed = climb(monkeypatch, bench)
    assert ("m-fp16" in {decision.variant for decision in climbed.decisions}) == is_tried
    assert len(bench.sessions) == 1 + is_tried
    # All are measured again together, in a folder of their own, so that the next run finds both sessions.
    if is_tried:
        assert bench.sessions[1][1] == ["m-fp32", "m-int8", "m-int8-static", "m-fp16"]
        assert len({out for out, _ in bench.sessions}) == 2


def test_without_an_int8_candidate_none_can_have_lost(monkeypatch):
    bench = Workbench(rungs({"steps": ["int8"]}, WAITS), errors={"int8": NotApplicable("nothing to quantize")})
    climbed = climb(monkeypatch, bench)
    assert [(d.variant, d.status) for d in climbed.decisions] == [("m-fp32", "kept"), ("m-int8", "not-applicable")]


def test_an_int8_candidate_whose_graph_fails_has_lost_too(monkeypatch):
    ladder = rungs({"steps": ["int8"]}, {"steps": ["int8-static"]}, WAITS)
    broken = InvalidArtifact("'m-int8' failed its parity check")
    bench = Workbench(ladder, errors={"int8": broken, "int8-static": NotApplicable("nothing to do")})
    assert "m-fp16" in {decision.variant for decision in climb(monkeypatch, bench).decisions}
    bench = Workbench(ladder, errors={"int8": broken})  # the other one is good
    assert "m-fp16" not in {decision.variant for decision in climb(monkeypatch, bench).decisions}


def test_what_cannot_be_made_is_noted_with_the_reason_and_the_others_go_on(monkeypatch):
    errors = {
        "int8": InvalidArtifact("it broke"),
        "int8-static": NotApplicable("nothing to do"),
        "openvino-fp16": MissingExtra("openvino", "openvino"),
        "int8-mixed": ConfigError("not so"),
    }
    bench = Workbench(rungs(*({"steps": [name]} for name in (*errors, "fp16"))), errors=errors)
    climbed = climb(monkeypatch, bench)
    found = {decision.variant: (decision.status, decision.reason) for decision in climbed.decisions}
    assert found["m-int8"] == ("failed", "it broke")
    assert found["m-int8-static"] == ("not-applicable", "nothing to do")
    assert found["m-int8-mixed"] == ("not-applicable", "not so")
    assert found["m-openvino-fp16"][0] == "not-applicable"
    assert "openvino" in found["m-openvino-fp16"][1]
    assert {made.manifest.name for made in climbed.bundles} == {"m-fp32", "m-fp16"}


def test_rungs_for_other_kinds_are_left_out_and_an_empty_ladder_measures_nothing(monkeypatch):
    bench = Workbench(rungs({"steps": ["int8"], "kinds": ["bag"]}))
    climbed = climb(monkeypatch, bench)
    assert [made.manifest.name for made in climbed.bundles] == ["m-fp32"]
    assert (climbed.decisions, bench.sessions) == ([], [])


def test_the_teacher_is_left_alone_when_asked(monkeypatch):
    for wanted in (True, False):
        bench = Workbench(rungs({"steps": ["int8"]}), teacher=wanted)
        climb(monkeypatch, bench, kind="teacher", role="teacher")
        assert len(bench.sessions) == wanted


def test_dropped_candidates_are_not_published(monkeypatch):
    bench = Workbench(rungs({"steps": ["int8"]}, {"steps": ["fp16"]}), losses={"m-int8": 0.5})
    assert [made.manifest.name for made in climb(monkeypatch, bench).bundles] == ["m-fp32", "m-fp16"]


def test_the_ladder_of_the_profile_is_taken_when_the_recipe_has_none():
    bench = Workbench(None)
    assert Ladder(bench, bench).rungs == bench.profile.ladder
    assert bench.profile.ladder


def test_two_rungs_for_one_kind_with_one_name_are_refused():
    same = {"steps": ["int8"]}
    with pytest.raises(ConfigError, match="both called 'int8'"):
        Ladder(Workbench(rungs(same, {**same, "kinds": ["bag"]})), None)
    Ladder(Workbench(rungs({**same, "kinds": ["cnn"]}, {**same, "kinds": ["bag"]})), None)
