"""``edgekd prune`` and ``edgekd quantize`` on tiny random models."""

from __future__ import annotations

import builtins
import json
import shutil
import signal
import sys
from functools import partial

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")

from edgekd.bundle import MODEL_FILE, load_bundle, write_manifest
from edgekd.cli.app import app
from edgekd.errors import EdgekdError
from tests.bundles import make_bundle
from tests.integration.test_pipeline import start, stop_when, whole_checkpoints
from tests.toys import make_classifier, write_csv

pytestmark = pytest.mark.slow

QUICK = ["transfer.amount=1", "compress.timed_texts=20", "compress.passes=1", "compress.max_seconds=2"]
SETTINGS = [part for setting in QUICK for part in ("--set", setting)]


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """A folder with data, a classifier and an fp32 bundle."""
    folder = tmp_path_factory.mktemp("toys")
    write_csv(folder / "data.csv", 160)
    make_classifier(folder / "model")
    make_fp32_bundle(folder / "bundle", folder)
    return folder


def make_fp32_bundle(target, folder):
    """Write the bundle of the classifier, with the manifest of a tiny one."""
    from transformers import AutoModelForSequenceClassification

    from edgekd.export.onnx import export_onnx

    manifest = make_bundle(folder / "tiny", name=target.name, max_length=32).manifest
    target.mkdir()
    export_onnx(
        AutoModelForSequenceClassification.from_pretrained(folder / "model").eval(), target / MODEL_FILE, opset=18
    )
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        shutil.copyfile(folder / "model" / name, target / name)
    write_manifest(target, manifest.model_copy(update={"files": {}}))


def call(*arguments):
    """Return exit code and output; an error of ours counts as the command line shows it, another one is raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    error = result.exception
    if isinstance(error, EdgekdError):
        return error.exit_code, f"{error.message}\n{error.hint}", result.stderr
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return result.exit_code, result.stdout, result.stderr


def prune(toys, out, *options):
    return call("prune", toys / "model", "--data", toys / "data.csv", "--out", out, *SETTINGS, *options)


def quantize(toys, out, *options, source="bundle"):
    return call("quantize", toys / source, "--data", toys / "data.csv", "--out", out, *SETTINGS, *options)


def left_behind(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.mark.parametrize(
    ("options", "key", "said"),
    [
        (["--ratio", "0.5", "--units", "ffn", "--scope", "layer"], "intermediate_size", "feed-forward neurons"),
        (["--layers", "1", "--epochs", "0"], "num_hidden_layers", ""),
        (["--vocabulary"], "vocab_size", "tokens stay"),
    ],
)
def test_a_pruned_model_is_smaller_and_opens_anywhere(toys, tmp_path, options, key, said):
    code, out, _ = prune(toys, tmp_path / "smaller", *options)
    assert code == 0, out
    assert "parameters" in out
    assert said in out
    before, after = (json.loads((f / "config.json").read_text())[key] for f in (toys / "model", tmp_path / "smaller"))
    assert after < before
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "smaller")
    assert getattr(model.config, key) == after
    assert left_behind(tmp_path) == []


def test_a_model_that_only_edgekd_opens_is_named_as_such(toys, tmp_path):
    code, out, _ = prune(toys, tmp_path / "uneven", "--ratio", "0.06", "--units", "ffn", "--epochs", "0")
    assert code == 0, out
    assert "only edgekd opens it" in out
    code, out, _ = call("prune", tmp_path / "uneven", "--layers", "1", "--epochs", "0", "--data", toys / "data.csv",
                        "--out", tmp_path / "even", *SETTINGS)  # fmt: skip
    assert code == 0, out
    assert "only edgekd opens it" not in out


def test_zeros_in_the_pattern_that_was_asked_for_and_json(toys, tmp_path):
    code, out, _ = prune(toys, tmp_path / "sparse", "--sparse", "2:4", "--epochs", "0", "--json")
    assert code == 0, out
    told = json.loads(out)
    assert told["folder"] == str(tmp_path / "sparse")
    assert told["after"]["parameters"] == told["before"]["parameters"]
    assert 0 <= told["after"]["test"]["accuracy"] <= 1
    assert "zeros" in told["details"][0]["words"]


def test_several_steps_follow_each_other(toys, tmp_path):
    code, out, _ = prune(
        toys, tmp_path / "m", "--vocabulary", "--layers", "1", "--ratio", "0.3", "--epochs", "0", "--json"
    )
    assert code == 0, out
    told = json.loads(out)
    assert len(told["details"]) == 2
    assert told["after"]["parameters"] < 0.8 * told["before"]["parameters"]
    code, out, _ = call(
        "quantize", tmp_path / "m", "--data", toys / "data.csv", "--out", tmp_path / "m-int8", *SETTINGS
    )
    assert code == 0, out
    assert load_bundle(tmp_path / "m-int8").manifest.precision == "int8"


@pytest.mark.parametrize(
    ("options", "code", "texts"),
    [
        ([], 2, ["Nothing says what should go", "--ratio 0.4", "--vocabulary"]),
        (["--ratio", "0.4", "--max-size", "40KB"], 2, ["--ratio and --max-size are two budgets", "--macs-ratio"]),
        (["--ratio", "0.4", "--units", "legs"], 2, ["--units", "'heads', 'ffn'", "legs"]),
        (["--ratio", "1.5"], 2, ["--ratio", "less than 1", "1.5"]),
        (["--ratio", "0.4", "--scope", "all"], 2, ["--scope", "'global' or 'layer'", "all"]),
        (["--max-size", "40"], 2, ["--max-size '40'", "MB"]),
        (["--sparse", "4:2"], 2, ["4:2", "smaller than M"]),
        (["--sparse", "half"], 2, ["--sparse 'half'", "2:4"]),
        (["--ratio", "0.4", "--label-column", "stars"], 2, ["no column 'stars'", "'text', 'label'"]),
        (["--ratio", "0.4", "--data", "{folder}/empty.csv"], 2, ["empty.csv", "empty"]),
        (["--ratio", "0.4", "--teacher", "{folder}/nobody"], 2, ["nobody", "does not exist"]),
        (["--ratio", "0.4", "--target", "abacus"], 2, ["Unknown target 'abacus'"]),
        (["--layers", "9"], 3, ["2 layers", "9"]),
        (["--units", "filters", "--ratio", "0.4"], 3, ["filters"]),
        (["--ratio", "0.4", "--out", "{folder}"], 2, ["holds something else"]),
        (["--ratio", "0.4", "--out", "{folder}/model"], 2, ["is the model itself"]),
        (["--ratio", "0.4", "--out", "."], 2, ["is not the name of a folder"]),
    ],
)
def test_what_cannot_be_pruned_is_explained(toys, tmp_path, options, code, texts):
    (toys / "empty.csv").write_bytes(b"")
    found, out, _ = prune(toys, tmp_path / "m", *(option.replace("{folder}", str(toys)) for option in options))
    assert found == code, out
    for text in texts:
        assert text in out
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("source", "texts"),
    [("bundle", ["is a bundle", "model folder"]), ("none", ["does not exist"]), ("data.csv", ["is a file"])],
)
def test_what_is_no_model_folder_is_explained(toys, tmp_path, source, texts):
    code, out, _ = call(
        "prune", toys / source, "--ratio", "0.4", "--data", toys / "data.csv", "--out", tmp_path / "m", *SETTINGS
    )
    assert code == 2, out
    for text in texts:
        assert text in out
    assert left_behind(tmp_path) == []


def test_a_bundle_is_quantized_measured_and_judged(toys, tmp_path):
    code, out, _ = quantize(toys, tmp_path / "bundle-int8")
    assert code == 0, out
    assert "bundle-int8" in out
    assert f"Bundle: {tmp_path / 'bundle-int8'}" in out
    made, base = load_bundle(tmp_path / "bundle-int8"), load_bundle(toys / "bundle")
    assert (made.manifest.name, made.manifest.precision) == ("bundle-int8", "int8")
    assert made.model_path.stat().st_size < 0.7 * base.model_path.stat().st_size
    assert made.manifest.calibration == base.manifest.calibration
    assert [step.step for step in made.manifest.lineage[len(base.manifest.lineage) :]] == ["graph"]
    code, out, _ = call("predict", tmp_path / "bundle-int8", "great film")
    assert code == 0, out
    assert left_behind(tmp_path) == []


def test_a_model_folder_is_quantized_in_several_steps(toys, tmp_path):
    code, out, _ = quantize(
        toys,
        tmp_path / "b",
        "--to",
        "int8-embeddings",
        "--to",
        "{step: int8, per_channel: true}",
        "--json",
        source="model",
    )
    assert code == 0, out
    told = json.loads(out)
    assert told["bundle"] == str(tmp_path / "b")
    assert told["size_bytes"] == load_bundle(tmp_path / "b").size_bytes
    rows = {row["variant"]: row for row in told["decisions"]}
    assert set(rows) == {"model-fp32", "b"}
    assert rows["b"]["steps"] == ["int8-embeddings", "int8-pc"]
    assert rows["b"]["latency_ratio"]["value"] > 0


def test_openvino_ends_in_a_bundle_that_answers(toys, tmp_path):
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    code, out, _ = quantize(toys, tmp_path / "ov", "--to", "{step: openvino-int8, texts: 16}")
    assert code == 0, out
    assert load_bundle(tmp_path / "ov").manifest.runtime == "openvino"
    (_, before, _), (code, after, _) = (call("predict", f, "great film") for f in (toys / "bundle", tmp_path / "ov"))
    assert code == 0, after
    assert after.split()[0] == before.split()[0]


def test_sensitivity_is_a_table_of_operators_and_writes_nothing(toys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    code, out, _ = quantize(toys, tmp_path / "unused", "--sensitivity")
    assert code == 0, out
    assert "One operator in fp32, all others int8" in out
    code, out, _ = quantize(toys, tmp_path / "unused", "--sensitivity", "--json")
    assert code == 0, out
    assert {"MatMul"} <= {row["op_type"] for row in json.loads(out)["operators"]}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "code", "texts"),
    [
        (["--to", "int9"], 2, ["Unknown step 'int9'", "int8-embeddings", "Did you mean 'int8'"]),
        (["--to", "{step: int8-static, text: 5}"], 2, ["text: no such setting"]),
        (["--to", "{step: int8-static, texts: 0}"], 2, ["texts", "greater than or equal to 1"]),
        (["--to", "{step:int8}"], 2, ["is not a step", "a space after each colon"]),
        (["--to", "[int8"], 2, ["neither a step nor YAML"]),
        (["--to", "int8", "--to", "prune"], 2, ["prune needs exactly one of ratio"]),
        (["--to", "int8", "--to", "vocabulary"], 2, ["come first"]),
        (["--to", "openvino-fp16", "--to", "int8"], 2, ["OpenVINO", "last"]),
        (["--to", "vocabulary"], 2, ["needs the trained model", "is a bundle"]),
        (["--exclude", "Gather", "--to", "fp16"], 2, ["--exclude belongs to int8"]),
        (["--max-accuracy-drop", "much"], 2, ["--max-accuracy-drop 'much'", "pt"]),
        (["--data", "{folder}/other.csv"], 2, ["predicts negative, positive", "ham, spam"]),
        (["--data", "{folder}/none.csv"], 2, ["none.csv", "does not exist"]),
        (["--out", "{folder}/bundle"], 2, ["is the model itself"]),
    ],
)
def test_what_cannot_be_quantized_is_explained(toys, tmp_path, options, code, texts):
    rows = [f"text {number},{('ham', 'spam')[number % 2]}" for number in range(60)]
    (toys / "other.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    found, out, _ = quantize(toys, tmp_path / "b", *(option.replace("{folder}", str(toys)) for option in options))
    assert found == code, out
    for text in texts:
        assert text in out
    assert "'union" not in out
    assert list(tmp_path.iterdir()) == []


def test_only_fp32_can_be_quantized(toys, tmp_path):
    code, out, _ = quantize(toys, tmp_path / "once")
    assert code == 0, out
    code, out, _ = call(
        "quantize", tmp_path / "once", "--data", toys / "data.csv", "--out", tmp_path / "twice", *SETTINGS
    )
    assert code == 2
    assert "in int8" in out
    assert "fp32 bundle" in out
    assert not (tmp_path / "twice").exists()


def test_without_openvino_the_message_says_how_to_install_it(toys, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.partition(".")[0] in ("openvino", "nncf"):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return real(name, *arguments, **options)

    for name in list(sys.modules):
        if name.partition(".")[0] in ("openvino", "nncf"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    code, out, _ = quantize(toys, tmp_path / "ov", "--to", "openvino-fp16")
    assert code == 2
    assert "openvino" in out
    assert "pip install 'edgekd[" in out
    assert list(tmp_path.iterdir()) == []


def test_killed_while_it_recovers_the_same_command_goes_on(toys, tmp_path):
    command = ["prune", toys / "model", "--data", toys / "data.csv", "--out", tmp_path / "m", *SETTINGS]
    command += ["--ratio", "0.4", "--epochs", "60"]
    first = partial(whole_checkpoints, tmp_path, ".m.work/work/*/round-0")
    with (tmp_path / "log").open("w") as log:
        stop_when(start(*command, log=log), first, signal.SIGKILL)
    assert left_behind(tmp_path) == [".m.work"]
    code, out, log = call(*command, "--json")
    assert code == 0, out
    [details] = json.loads(out)["details"]
    assert details["rounds"][0]["recovery"]["resumed_from_step"] > 0
    assert left_behind(tmp_path) == []
