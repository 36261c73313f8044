"""The ladder of compression on tiny random models: through the CLI, in child processes, offline."""

from __future__ import annotations

import json
import shutil
import signal
import time
from functools import partial
from importlib.util import find_spec

import pytest

torch = pytest.importorskip("torch")

from edgekd.bundle import load_bundle  # noqa: E402
from tests.integration.test_pipeline import edgekd, start, stop_when, whole_checkpoints  # noqa: E402
from tests.toys import make_encoder, write_csv  # noqa: E402

pytestmark = pytest.mark.slow

RECIPE = """
name: ladder
data: {{train: {data}}}
teacher: {{model: {model}, epochs: 4, learning_rate: 1.0e-3, batch_size: 16, max_length: 32}}
transfer: {{amount: 1}}
control: false
students:
  - {{kind: bag, embedding_dim: 16, hidden_dim: 32, epochs: 3, learning_rate: 0.02, batch_size: 16}}
  - {{kind: cnn, embedding_dim: 64, hidden_dim: 96, widths: [2], epochs: 2, learning_rate: 0.01, batch_size: 16}}
compress:
  max_accuracy_drop: 0.5
  timed_texts: 20
  passes: 1
  max_seconds: 10
  ladder: {ladder}
bench: {{passes: 1, processes: 1, warm_up_calls: 5, block_size: 10, max_seconds: 10}}
"""
LADDER = [
    {"steps": ["vocabulary"]},
    {"steps": ["int8"], "reason": "a quarter of the bytes"},
    {"steps": ["vocabulary", "int8"]},
    {"steps": [{"step": "prune", "ratio": 0.4, "units": ["ffn", "heads"], "multiple_of": 4}], "kinds": ["teacher"]},
    {"steps": [{"step": "prune", "ratio": 0.25}], "kinds": ["bag", "cnn"]},
    {
        "steps": ["vocabulary", {"step": "prune", "ratio": 0.25}, {"step": "qat", "steps": 10}],
        "kinds": ["teacher", "cnn"],
    },
    {"steps": [{"step": "sparse", "pattern": "2:4"}], "kinds": ["teacher"]},
    {"steps": [{"step": "qat", "steps": 10}], "kinds": ["bag", "cnn"]},
    {"steps": ["int8-static"]},
    {"steps": ["int8-mixed"], "kinds": ["teacher", "cnn"]},
    {"steps": ["int8-weights"], "kinds": ["teacher"]},
    {"steps": ["int4-weights"], "kinds": ["teacher", "bag"]},
    {"steps": ["int8-embeddings"]},
    {"steps": ["int4-embeddings", "int8"], "kinds": ["teacher", "cnn"]},
    {"steps": ["fp16"]},
    {"steps": ["openvino-fp16"], "kinds": ["teacher", "bag"]},
    {"steps": ["openvino-int8"], "kinds": ["teacher", "cnn"]},
    {"steps": ["int8-weights", "int4-embeddings"], "kinds": ["teacher"], "when": "int8-loses"},
]
HAVE_OPENVINO = find_spec("openvino") is not None and find_spec("nncf") is not None


def make_recipe(folder, ladder):
    """Write a recipe with an encoder whose matrices are wide enough for every step."""
    from transformers import AutoConfig, AutoModel

    encoder = make_encoder(folder / "encoder")
    small = AutoConfig.from_pretrained(encoder)
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "bert",
        **{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128},
        **{name: getattr(small, name) for name in ("vocab_size", "max_position_embeddings", "pad_token_id")},
    )
    AutoModel.from_config(config).save_pretrained(encoder)
    path = folder / "recipe.yaml"
    data = write_csv(folder / "data.csv", 300)
    path.write_text(RECIPE.format(data=data, model=encoder, ladder=json.dumps(ladder)), encoding="utf-8")
    return path


def wanted(ladder):
    return [rung for rung in ladder if HAVE_OPENVINO or not str(rung["steps"][-1]).startswith("openvino")]


def decisions_of(out, target="cpu"):
    return json.loads((out / "results" / target / "decisions.json").read_text())


def by_model(decisions):
    models = dict.fromkeys(row["model"] for row in decisions if row["model"])
    return {model: [row for row in decisions if row["model"] == model] for model in models}


@pytest.fixture(scope="module")
def climbed(tmp_path_factory):
    """A run whose ladder has every step."""
    folder = tmp_path_factory.mktemp("ladder")
    recipe = make_recipe(folder, wanted(LADDER))
    done = edgekd("run", recipe, "--out", folder / "out", timeout=500)
    assert done.returncode == 0, done.stderr
    return folder / "out", recipe, done


def test_every_rung_ends_with_a_verdict_and_none_fails(climbed):
    out, *_ = climbed
    ladder = [rung for rung in wanted(LADDER) if rung.get("when") != "int8-loses"]
    found = by_model(decisions_of(out))
    assert set(found) == {"teacher", "bag", "cnn"}
    for model, rows in found.items():
        tried = [rung for rung in ladder if model in rung.get("kinds", [model])]
        assert len(rows) == 1 + len(tried), [row["variant"] for row in rows]
        for row in rows:
            assert row["status"] in ("best", "nearest-miss", "kept", "dropped", "not-applicable"), row
            assert row["reason"]
            if row["status"] != "not-applicable":
                assert row["size_bytes"] > 0
                assert row["p50_s"] > 0
                assert 0 <= row["score"] <= 1


def test_steps_apply_to_the_models_that_they_are_for(climbed):
    out, *_ = climbed
    found = by_model(decisions_of(out))
    refused = {model: {r["variant"] for r in rows if r["status"] == "not-applicable"} for model, rows in found.items()}
    # Nothing to do: no matrices in the bag, and int8 loses nothing that mixed precision could get back.
    assert refused["bag"] >= {"bag-qat", "bag-int8-static", "bag-int4-weights"}
    assert refused["teacher"] <= {"teacher-int8-mixed"}
    assert refused["cnn"] <= {"cnn-int8-mixed"}
    assert "cnn-vocab-prune25-qat" in {row["variant"] for row in found["cnn"]}


def test_each_model_has_one_best_variant_and_the_target_one_choice(climbed):
    out, _, done = climbed
    decisions = decisions_of(out)
    for rows in by_model(decisions).values():
        assert len([row for row in rows if row["status"] in ("best", "nearest-miss")]) == 1
    [choice] = [row for row in decisions if not row["model"]]
    assert choice["status"] == "best"
    assert choice["variant"] in {row["variant"] for row in decisions if row["status"] == "best" and row["model"]}
    assert f"Choice for cpu: {choice['variant']}" in done.stdout


def test_kept_variants_are_bundles_that_answer_and_dropped_ones_are_not_published(climbed):
    out, *_ = climbed
    decisions = [row for row in decisions_of(out) if row["model"]]
    kept = {row["variant"] for row in decisions if row["kept"]} | {"teacher-fp32", "bag-fp32", "cnn-fp32"}
    folders = sorted((out / "bundles" / "cpu").iterdir())
    assert {folder.name for folder in folders} == kept
    for row in decisions:
        if row["status"] != "not-applicable":
            bundle = load_bundle(out / "candidates" / "cpu" / row["variant"])
            assert bundle.size_bytes == row["size_bytes"]
    done = [edgekd("predict", folder, "the film was great 1", "--json") for folder in folders]
    for folder, answer in zip(folders, done, strict=True):
        assert answer.returncode == 0, (folder.name, answer.stderr)
        assert json.loads(answer.stdout)


def test_a_candidate_knows_its_steps_and_why_it_was_tried(climbed):
    out, *_ = climbed
    [row] = [row for row in decisions_of(out) if row["variant"] == "cnn-int8"]
    assert (row["steps"], row["why"], row["base"]) == (["int8"], "a quarter of the bytes", "cnn-fp32")
    manifest = load_bundle(out / "candidates" / "cpu" / "cnn-vocab-int8").manifest
    assert [step.step for step in manifest.lineage[-3:]] == ["student", "vocabulary", "graph"]
    assert manifest.precision == "int8"
    assert len(manifest.libraries) >= 4


def test_what_waits_for_int8_to_lose_is_not_tried_when_it_does_not(climbed):
    out, *_ = climbed
    rows = {row["variant"]: row for row in decisions_of(out)}
    assert rows["teacher-int8"]["score_change"]["value"] >= -0.5
    assert not [name for name in rows if name.startswith("teacher-int8-weights-int4")]


def test_a_second_run_is_quick_and_changes_nothing(climbed):
    out, recipe, _ = climbed
    # What was measured on the test texts is in the decisions too, so the whole run is compared.
    before = {
        p: p.stat().st_mtime_ns for p in out.rglob("*") if p.name in ("stage.json", "session.json", "edgekd.json")
    }
    decisions = decisions_of(out)
    started = time.monotonic()
    done = edgekd("run", recipe, "--out", out)
    took = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert decisions_of(out) == decisions
    for work in ("Exporting", "Distilling", "Timing", "Loading", "rounding ..."):
        assert work not in done.stderr
    assert done.stderr.count("Measurements of ") == done.stderr.count("more: unchanged, reused") == 4
    assert took < 40


def test_a_limit_that_nothing_meets_ends_with_the_nearest_miss(climbed, tmp_path):
    out, recipe, _ = climbed
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    done = edgekd("distill", recipe, "--out", copy, "--max-size", "1KB")
    assert done.returncode == 0, done.stderr
    decisions = decisions_of(copy)
    for rows in by_model(decisions).values():
        [nearest] = [row for row in rows if row["status"] == "nearest-miss"]
        assert "nothing meets the limits" in nearest["reason"]
        assert not [row for row in rows if row["status"] == "best"]
        assert (copy / "bundles" / "cpu" / nearest["variant"]).is_dir()
    assert "Nearest miss for cpu: " in done.stdout
    assert "Timing" not in done.stderr


def test_killed_while_a_pruned_model_recovers_the_same_command_goes_on(tmp_path):
    ladder = [{"steps": [{"step": "prune", "ratio": 0.25, "epochs": 60}]}]
    recipe, out = make_recipe(tmp_path, ladder), tmp_path / "out"
    command = ("distill", recipe, "--out", out, "--student", "bag", "--set", "compress.teacher=false")
    with (tmp_path / "log").open("w") as log:
        first = partial(whole_checkpoints, out, "work/compress-bag-*/round-0")
        assert stop_when(start(*command, log=log), first, signal.SIGKILL) == -signal.SIGKILL
    assert not (out / "compressed").exists()
    done = edgekd(*command)
    assert done.returncode == 0, done.stderr
    [record] = out.glob("compressed/bag/prune25-*/compress.json")
    [only] = json.loads(record.read_text())["details"]["rounds"]
    assert only["recovery"]["resumed_from_step"] > 0
    assert not list(out.glob("work/compress-*"))
    assert {row["variant"] for row in decisions_of(out) if row["model"]} == {"bag-fp32", "bag-prune25-fp32"}
