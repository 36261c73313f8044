"""``edgekd export`` on tiny random models."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from edgekd.bundle import load_bundle  # noqa: E402
from edgekd.cli.app import app  # noqa: E402
from edgekd.errors import EdgekdError  # noqa: E402
from edgekd.runtime import session_for  # noqa: E402
from tests.students import write_student  # noqa: E402
from tests.toys import make_classifier, write_csv  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """A folder with data, a student and a fused bundle of it."""
    folder = tmp_path_factory.mktemp("toys")
    write_student(folder / "cnn", "cnn")
    write_csv(folder / "data.csv", 160)
    return folder


def call(*arguments):
    """Return exit code, stdout and stderr; an error of ours counts as the command line shows it."""
    result = CliRunner().invoke(app, ["export", *(str(argument) for argument in arguments)])
    error = result.exception
    if isinstance(error, EdgekdError):
        return error.exit_code, "", f"{error.message}\n{error.hint}"
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return result.exit_code, result.stdout, result.stderr


def logits(folder, texts, batch=1):
    session = session_for(load_bundle(folder), 1)
    session.load()
    return np.concatenate([session.run(texts[i : i + batch]) for i in range(0, len(texts), batch)])


def test_several_formats_become_bundles_and_the_next_command_is_said(toys, tmp_path):
    code, out, _ = call(toys / "cnn", "--to", "onnx,ort", "--to", "onnx-fused", "--out", tmp_path / "b")
    assert code == 0
    for name in ("onnx", "ort", "onnx-fused"):
        assert load_bundle(tmp_path / "b" / f"cnn-{name}").manifest.parity.label_flips == 0
    assert "64 texts made of the vocabulary" in out
    assert f"edgekd predict {tmp_path / 'b' / 'cnn-onnx'}" in out.replace("\n", "")
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["cnn-onnx", "cnn-onnx-fused", "cnn-ort"]


def test_json_says_everything_and_a_second_export_keeps_the_bundle(toys, tmp_path):
    _, first, _ = call(toys / "cnn", "--to", "onnx", "--out", tmp_path / "b", "--json")
    _, second, _ = call(toys / "cnn", "--to", "onnx", "--out", tmp_path / "b", "--json")
    [one], [other] = json.loads(first)["formats"], json.loads(second)["formats"]
    assert (one.pop("reused"), other.pop("reused")) == (False, True)
    assert one == other
    assert one["operators"]
    assert one["opset"] == 18
    assert one["parity"]["hostile_texts"] > 50
    _, third, _ = call(toys / "cnn", "--to", "onnx", "--out", tmp_path / "b", "--max-length", 20, "--json")
    assert json.loads(third)["formats"][0]["reused"] is False


def test_a_target_gets_the_format_that_its_runtime_prefers(toys, tmp_path):
    assert call(toys / "cnn", "--out", tmp_path / "b")[0] == 0
    assert (tmp_path / "b" / "cnn-onnx-fused").is_dir()


@pytest.mark.parametrize("shape", [["--length", "16"], ["--length", "8,16,32"], ["--length", "16", "--batch", "4"]])
def test_fixed_lengths_and_buckets_answer_as_free_ones(toys, tmp_path, shape):
    """One token, the longest, one text and 64 at once; the same text alone and in a batch."""
    texts = ["", "a", "the film was awful", "great fun, very good movie " * 40] * 16
    longest = shape[1].split(",")[-1]
    assert call(toys / "cnn", "--to", "onnx", "--max-length", longest, "--out", tmp_path / "free")[0] == 0
    expected = logits(tmp_path / "free" / "cnn-onnx", texts)
    assert call(toys / "cnn", "--to", "onnx,ort", *shape, "--out", tmp_path / "b")[0] == 0
    for name in ("onnx", "ort"):
        manifest = load_bundle(tmp_path / "b" / f"cnn-{name}").manifest
        assert manifest.lengths == [int(part) for part in shape[1].split(",")]
        assert manifest.max_length == int(longest)
        for batch in (1, 64):
            assert np.abs(logits(tmp_path / "b" / f"cnn-{name}", texts, batch) - expected).max() < 1e-5


def test_an_onnx_bundle_is_converted_and_a_fused_one_is_not_portable(toys, tmp_path):
    make_classifier(tmp_path / "model", family="bert")
    assert call(tmp_path / "model", "--to", "onnx-fused", "--out", tmp_path / "b", "--name", "toy")[0] == 0
    code, _, errors = call(tmp_path / "b" / "toy-onnx-fused", "--to", "ort,onnx", "--out", tmp_path / "c")
    assert code == 3
    assert "needs a graph of the flavour 'portable'" in errors
    assert load_bundle(tmp_path / "c" / "toy-ort").manifest.parity.max_abs_diff < 1e-5
    assert not (tmp_path / "c" / "toy-onnx").exists()
    code, _, errors = call(tmp_path / "c" / "toy-ort", "--to", "ort", "--out", tmp_path / "d")
    assert code == 2
    assert "exports start from ONNX" in errors
    assert not (tmp_path / "d").exists()


def test_a_plain_onnx_file_needs_its_tokenizer_beside_it(toys, tmp_path):
    assert call(toys / "cnn", "--to", "onnx", "--out", tmp_path / "b")[0] == 0
    plain = tmp_path / "plain"
    shutil.copytree(tmp_path / "b" / "cnn-onnx", plain)
    (plain / "edgekd.json").unlink()
    assert call(plain / "model.onnx", "--to", "ort", "--out", tmp_path / "c")[0] == 0
    assert load_bundle(tmp_path / "c" / "plain-ort").manifest.labels == ["bad", "good", "so-so"]
    (plain / "tokenizer.json").unlink()
    code, _, errors = call(plain / "model.onnx", "--to", "ort", "--out", tmp_path / "c")
    assert code == 2
    assert "has no tokenizer.json beside it" in errors


def test_labelled_texts_give_the_change_of_the_score(tmp_path):
    make_classifier(tmp_path / "model")
    write_csv(tmp_path / "data.csv", 160)
    code, out, _ = call(
        tmp_path / "model", "--to", "onnx", "--data", tmp_path / "data.csv", "--out", tmp_path / "b", "--json"
    )
    assert code == 0
    parity = json.loads(out)["formats"][0]["parity"]
    assert parity["score_change"] == 0
    assert set(parity["recall_change"]) == {"negative", "positive"}


def test_a_failed_parity_publishes_nothing_and_leaves_evidence(toys, tmp_path):
    code, _, errors = call(toys / "cnn", "--to", "onnx", "--out", tmp_path / "b", "--set", "export.max_abs_diff=1e-12")
    assert code == 3
    assert "failed its parity check" in errors
    assert str(tmp_path / "b" / "cnn-onnx.failed") in errors.replace("\n", "")
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["cnn-onnx.failed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "onnxx"], "Did you mean 'onnx'?"),
        (["--to", ""], "names no format"),
        (["--to", "openvino-int8"], "there is no --data"),
        (["--to", "tensorrt"], "has no TensorRT"),
        (["--length", "abc"], "is no length"),
        (["--length", "64,32"], "ascending"),
        (["--length", "0"], "too short"),
        (["--task", "multi"], "Did you mean 'multi-label'?"),
        (["--task", "regression"], "3 output"),
        (["--name", "a/b"], "cannot be the name of a folder"),
        (["--validation", "x.csv"], "--data"),
    ],
)
def test_mistakes_are_explained_and_leave_nothing_behind(toys, tmp_path, arguments, message):
    code, _, errors = call(toys / "cnn", "--out", tmp_path / "b", *arguments)
    assert code == 2
    assert message in errors
    assert not (tmp_path / "b").exists()


def test_what_is_no_model_is_refused(toys, tmp_path):
    code, _, errors = call(toys, "--out", tmp_path / "b")
    assert code == 2
    assert "is not a model folder" in errors
    assert str(toys / "cnn") in errors
    code, _, errors = call(tmp_path / "missing.onnx", "--out", tmp_path / "b")
    assert code == 2
    assert "does not exist" in errors


def test_a_folder_that_is_no_bundle_is_not_replaced(toys, tmp_path):
    (tmp_path / "b" / "cnn-onnx").mkdir(parents=True)
    (tmp_path / "b" / "cnn-onnx" / "thesis.txt").write_text("mine", encoding="utf-8")
    code, _, errors = call(toys / "cnn", "--to", "onnx", "--out", tmp_path / "b")
    assert code == 2
    assert "exists and is no bundle" in errors
    assert (tmp_path / "b" / "cnn-onnx" / "thesis.txt").read_text(encoding="utf-8") == "mine"


def test_a_model_that_was_trained_with_rounding_keeps_its_integers(toys, tmp_path):
    """Its graph is one of standard operators, int8, for any length and batch."""
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    import edgekd.student.kinds  # noqa: F401
    from edgekd.compress.qat import prepare
    from edgekd.devices import Int8
    from edgekd.progress import Silent
    from edgekd.teacher.load import encode, load_classifier

    make_classifier(tmp_path / "plain")
    config = AutoConfig.from_pretrained(tmp_path / "plain", hidden_size=64, intermediate_size=128)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path / "plain")
    opened = load_classifier(tmp_path / "plain", 32, Silent())
    prepare(opened.model, per_channel=True, flavour=Int8(activation="uint8", weight="int8", reason=""))
    opened.model.train()
    for row in encode(opened.tokenizer, ["the film was awful", "great fun, very good movie"], 32):
        opened.model(input_ids=torch.tensor([row]))
    opened.model.save_pretrained(tmp_path / "model")
    AutoTokenizer.from_pretrained(tmp_path / "plain").save_pretrained(tmp_path / "model")
    assert call(tmp_path / "model", "--to", "onnx,ort", "--out", tmp_path / "b")[0] == 0
    manifest = load_bundle(tmp_path / "b" / "model-onnx").manifest
    assert (manifest.precision, manifest.graph) == ("int8", "portable")
    assert manifest.operators["QuantizeLinear"] > 0
    code, _, errors = call(tmp_path / "model", "--to", "onnx-fused", "--out", tmp_path / "b")
    assert code == 3
    assert "flavour 'ort-fused'" in errors
    code, _, errors = call(tmp_path / "model", "--to", "onnx", "--batch", "2", "--out", tmp_path / "b")
    assert code == 3
    assert "takes any length and any batch" in errors


def test_the_tokenizer_goes_into_the_graphs_that_can_take_texts(toys, tmp_path):
    pytest.importorskip("onnxruntime_extensions")
    code, out, _ = call(toys / "cnn", "--to", "onnx,ort", "--with-tokenizer", "-o", tmp_path / "b", "--json")
    assert code == 0
    made = [(one["format"], one["takes_text"]) for one in json.loads(out)["formats"]]
    assert made == [("onnx", False), ("onnx", True), ("ort", False)]
    texts = ["a great film", "awful, dull and slow", ""]
    assert np.allclose(logits(tmp_path / "b" / "cnn-onnx-text", texts), logits(tmp_path / "b" / "cnn-onnx", texts))
    code, _, error = call(toys / "cnn", "--to", "ort", "--with-tokenizer", "-o", tmp_path / "b")
    assert code == 2
    assert "cannot take texts" in error
