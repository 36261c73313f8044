"""Steps of compression, rungs, ladders, and amounts with units."""

import pytest
from pydantic import ValidationError

from edgekd.cli.quantities import parse_amount
from edgekd.config import CompressConfig
from edgekd.devices import find_profile, load_profiles
from edgekd.errors import ConfigError
from edgekd.gate.grammar import Quantity
from edgekd.ladder import ladder_of
from edgekd.recipe_reference import reference
from edgekd.steps import PruneStep, Rung, SparseStep, VocabularyStep


@pytest.mark.parametrize(
    ("steps", "label", "precision"),
    [
        (["int8"], "int8", "int8"),
        ([{"step": "int8", "per_channel": True, "embeddings": "tensor"}], "int8-pc-tensor", "int8"),
        (["vocabulary", {"step": "prune", "ratio": 0.4, "units": ["ffn"]}, "int8"], "vocab-prune40-ffn-int8", "int8"),
        ([{"step": "vocabulary", "size": 8000}, "int4-embeddings", "int8"], "vocab8000-int4-embeddings-int8", "int4"),
        ([{"step": "prune", "layers": 3, "hidden_dim": 128}], "prunel3-h128", "fp32"),
        ([{"step": "sparse", "pattern": "2:4"}], "sparse2of4", "fp32"),
        (["vocabulary", "qat"], "vocab-qat", "int8"),
        (["openvino-fp16"], "openvino-fp16", "fp16"),
        ([{"step": "int8-static", "calibration": "entropy", "flavour": "s8s8"}], "int8-static-s8s8-entropy", "int8"),
    ],
)
def test_a_variant_is_named_after_its_steps(steps, label, precision):
    rung = Rung(steps=steps)
    assert (rung.label, rung.precision) == (label, precision)
    assert Rung(steps=steps, name="mine").label == "mine"


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (["int8", "vocabulary"], "steps on the model"),
        (["qat", "int8"], "qat quantizes the graph itself"),
        (["qat", "vocabulary"], "qat quantizes the graph itself"),
        (["openvino-int8", "fp16"], "an OpenVINO step ends the work on the graph"),
        ([], "at least 1 item"),
        (["prune"], "prune needs exactly one of ratio"),
        ([{"step": "prune", "ratio": 0.5, "macs_ratio": 0.5}], "given: ratio, macs_ratio"),
        ([{"step": "prune", "ratio": 0.5, "units": []}], "units is empty"),
        ([{"step": "sparse", "pattern": "4:4"}], "keeps everything"),
        ([{"step": "sparse", "pattern": "2:4", "method": "movement", "epochs": 0}], "give epochs"),
        ([{"step": "int4-weights", "block": 48}], "16, 32, 64, 128 or 256"),
    ],
)
def test_a_rung_that_cannot_be_built_is_refused(steps, words):
    with pytest.raises(ValidationError, match=words):
        Rung(steps=steps)


def test_model_steps_come_apart_from_graph_steps():
    rung = Rung(steps=["vocabulary", {"step": "prune", "layers": 2}, "int4-embeddings", "int8"])
    assert [type(step) for step in rung.model_steps] == [VocabularyStep, PruneStep]
    assert [step.step for step in rung.graph_steps] == ["int4-embeddings", "int8"]
    assert rung.graph_steps[0].bits == 4
    assert SparseStep(sparsity=0.9).label == "sparse90"


def test_every_shipped_ladder_can_be_walked_and_says_why():
    for profile in load_profiles().values():
        rungs = ladder_of(profile, CompressConfig())
        assert rungs
        assert all(rung.reason for rung in rungs)


def test_the_recipe_wins_over_the_profile():
    profile = find_profile("cpu")
    assert ladder_of(profile, CompressConfig(ladder=[])) == []
    own = [Rung(steps=["fp16"])]
    assert ladder_of(profile, CompressConfig(ladder=own)) == own


def test_two_candidates_with_one_name_are_refused_unless_they_are_for_different_kinds():
    profile = find_profile("cpu")
    twice = [Rung(steps=["int8"]), Rung(steps=[{"step": "int8", "exclude": ["Gather"]}])]
    with pytest.raises(ConfigError, match="both called 'int8'"):
        ladder_of(profile, CompressConfig(ladder=twice))
    apart = [Rung(steps=["int8"], kinds=["bag"]), Rung(steps=["int8"], kinds=["cnn"])]
    assert ladder_of(profile, CompressConfig(ladder=apart)) == apart


def test_an_unknown_kind_is_told_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'transformer'"):
        ladder_of(find_profile("cpu"), CompressConfig(ladder=[Rung(steps=["int8"], kinds=["transformers"])]))


@pytest.mark.parametrize(
    ("text", "quantity", "value"),
    [
        ("2MB", Quantity.BYTES, 2_000_000),
        ("1.5 KiB", Quantity.BYTES, 1536),
        ("5ms", Quantity.TIME, 0.005),
        ("1pt", Quantity.SHARE, 0.01),
        (".02", Quantity.SHARE, 0.02),
    ],
)
def test_amounts_have_the_units_of_the_gate(text, quantity, value):
    assert parse_amount("--x", text, quantity) == value
    assert parse_amount("--x", None, quantity) is None


@pytest.mark.parametrize("text", ["2", "MB", "-2MB", "2mb", "2 parsecs", ""])
def test_an_amount_without_a_known_unit_is_told(text):
    with pytest.raises(ConfigError, match="B, KB, MB, GB, KiB, MiB, GiB"):
        parse_amount("--max-size", text, Quantity.BYTES)


def test_the_reference_has_every_step_with_its_settings():
    text = reference()
    for words in (
        "## Step `vocabulary`",
        "`int8-weights`, `int4-weights`",
        "## `compress.ladder.N`",
        "`latency_ratio`",
    ):
        assert words in text
