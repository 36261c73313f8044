from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from edgekd.cli.app import app
from edgekd.errors import ConfigError, DataError, InvalidArtifact, MissingExtra
from edgekd.tasks import Calibration, TaskKind
from tests.bundles import make_bundle
from tests.toys import toy_texts

pytest.importorskip("onnx")

runner = CliRunner()
TEXT = "the film was great, not boring"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with a student, its teacher and a test split."""
    root = tmp_path_factory.mktemp("run")
    sharp = Calibration(temperature=0.1)
    for name, role, seed in (("bag-fp32", "student", 0), ("teacher-fp32", "teacher", 1)):
        folder = root / "bundles" / "cpu" / name
        make_bundle(folder, name=name, role=role, kind="teacher" if seed else "bag", seed=seed, calibration=sharp)
    (root / "data").mkdir()
    rows = [{"text": text, "label": "positive"} for text in toy_texts(16)[0]]
    (root / "data" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def bundle(run):
    return str(run / "bundles" / "cpu" / "bag-fp32")


def invoke(*arguments, **options):
    return runner.invoke(app, ["explain", *arguments], **options)


def ok(result):
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def as_json(*arguments, **options):
    return json.loads(ok(invoke(*arguments, "--json", **options)).stdout)


def error(*arguments, **options):
    return invoke(*arguments, **options).exception


def test_student_beside_teacher(bundle):
    shown = ok(invoke(bundle, TEXT)).stdout
    assert "Why positive?" in shown
    assert "bag-fp32, log-odds" in shown
    assert "teacher-fp32, log-odds" in shown
    assert "great(+" in shown  # numbers where there is no colour
    assert "Agreement of the two explanations" in shown
    assert "how much the log-odds fall when the word is left out" in shown


def test_colours_instead_of_numbers_in_a_terminal(bundle):
    shown = ok(invoke(bundle, TEXT, env={"FORCE_COLOR": "1", "COLORTERM": "truecolor", "COLUMNS": "100"})).stdout
    assert "great(+" not in shown
    assert "\x1b[" in shown


def test_the_bundle_alone(bundle):
    found = as_json(bundle, TEXT, "--no-teacher")
    assert [model["name"] for model in found["models"]] == ["bag-fp32"]
    assert found["texts"][0]["explanations"][0]["agreement"] is None


def test_a_given_teacher(bundle, tmp_path):
    other = make_bundle(tmp_path / "other", name="other", seed=5).folder
    assert [m["name"] for m in as_json(bundle, TEXT, "--teacher", str(other))["models"]] == ["bag-fp32", "other"]


def test_json_holds_every_word(bundle):
    found = as_json(bundle, TEXT, "great")
    assert [text["text"] for text in found["texts"]] == [TEXT, "great"]
    first = found["texts"][0]
    assert [word["text"] for word in first["words"]] == ["the", "film", "was", "great", ",", "not", "boring"]
    [explanation] = first["explanations"]
    assert [len(model["contributions"]) for model in explanation["models"]] == [7, 7]
    assert found["faithfulness"] is None
    assert found["quantity"] == "log-odds"


def test_another_label(bundle):
    assert as_json(bundle, TEXT, "--label", "negative")["texts"][0]["explanations"][0]["label"] == "negative"


def test_tokens_instead_of_words(bundle):
    assert [w["text"] for w in as_json(bundle, "unfun", "--tokens")["texts"][0]["words"]] == ["un", "f", "u", "n"]


def test_a_file_and_stdin_skip_blank_lines(bundle, tmp_path):
    file = tmp_path / "texts.txt"
    file.write_bytes(b"\xef\xbb\xbfgreat film\n\nawful film\r\n  \ngreat fun\n")
    found = as_json(bundle, "--file", str(file))
    assert [text["text"] for text in found["texts"]] == ["great film", "awful film", "great fun"]
    found = as_json(bundle, input="great\n\nawful\u2028film\n")
    assert [text["text"] for text in found["texts"]] == ["great", "awful\u2028film"]
    limited = ok(invoke(bundle, "--file", str(file), "--max-texts", "2"))
    assert "Only the first 2 texts" in limited.stderr
    assert limited.stdout.count("Why ") == 2


def test_a_page_is_self_contained_and_escaped(bundle, tmp_path):
    pytest.importorskip("vl_convert")
    page = tmp_path / "out.html"
    ok(invoke(bundle, "great <script>alert(1)</script> & \x1b[31m", "--html", str(page), "--faithfulness", "run"))
    html = page.read_text(encoding="utf-8")
    assert "<script" not in html
    assert "\x1b" not in html
    assert "&lt;" in html
    assert html.count("<svg") == 2
    assert "http" not in html.replace("http://www.w3.org/", "")
    for needed in ("Method and evidence", "arXiv 1911.03429", "prefers-color-scheme: dark", "Evidence: host"):
        assert needed in html


def test_a_page_needs_the_report_extra(bundle, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    failed = error(bundle, "great", "--html", str(tmp_path / "out.html"))
    assert isinstance(failed, MissingExtra)
    assert "edgekd[report]" in failed.hint


def test_faithfulness_of_the_run(bundle):
    result = ok(invoke(bundle, "--faithfulness", "run"))
    assert "Why" not in result.stdout
    assert "names words that the model uses" in result.stdout
    figures = as_json(bundle, "--faithfulness", "run", "--max-texts", "12")["faithfulness"]
    assert [model["texts"] for model in figures["models"]] == [12, 12]
    assert [share["share"] for share in figures["models"][0]["shares"]] == [0.1, 0.2, 0.5]
    assert figures["models"][0]["shares"][0]["comprehensiveness_gain"]["low"] > 0


def test_faithfulness_of_other_texts(bundle, tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(toy_texts(12, seed=3)[0]), encoding="utf-8")
    assert as_json(bundle, "--faithfulness", str(file))["faithfulness"]["models"][0]["texts"] == 12


def test_several_labels_and_none(tmp_path):
    calibration = Calibration(temperature=0.25, thresholds=(0.6, 0.6, 0.999, 0.6))
    labels = ("joy", "anger", "fear", "love")
    folder = make_bundle(tmp_path / "m", task=TaskKind.MULTI_LABEL, labels=labels, calibration=calibration).folder
    shown = ok(invoke(str(folder), "awful great film", "bad")).stdout
    assert [line for line in shown.splitlines() if line.startswith("Why")] == ["Why joy?", "Why anger?", "Why fear?"]
    assert "(none); fear 0.99" in shown


def test_a_regression(tmp_path):
    folder = make_bundle(tmp_path / "r", task=TaskKind.REGRESSION, labels=("rating",)).folder
    page = tmp_path / "out.html"
    pytest.importorskip("jinja2")
    shown = ok(invoke(str(folder), "the film was great", "--html", str(page))).stdout
    assert "Why rating?" in shown
    assert "how much the value falls when the word is left out" in shown
    assert "rating 0.6" in page.read_text(encoding="utf-8")


def test_a_long_text_says_what_was_cut(tmp_path):
    folder = make_bundle(tmp_path / "short", name="short", max_length=5).folder
    shown = ok(invoke(str(folder), "the film was great and dull")).stdout
    assert "short did not read the last 3 words, the text is too long: great and dull" in shown


def test_mistakes_name_what_is_allowed(bundle, tmp_path):
    unknown = error(bundle, TEXT, "--label", "positiv")
    assert isinstance(unknown, ConfigError)
    assert "negative, positive" in unknown.message
    assert "is empty" in error(bundle, " ").message
    assert isinstance(error(bundle, TEXT, "--file", "x"), ConfigError)
    assert isinstance(error(bundle, TEXT, "--teacher", "x", "--no-teacher"), ConfigError)
    assert isinstance(error(bundle, "--file", str(tmp_path / "absent")), DataError)
    assert "Text 2 is not UTF-8 at character 3" in error(bundle, "fine", "na\udcefve").message
    assert "is a folder" in error(bundle, TEXT, "--html", str(tmp_path)).message
    assert "has no text" in error(bundle, input="\n \n").message
    assert "line 2 is not UTF-8" in error(bundle, input=b"great\nna\xefve\n").message
    assert isinstance(error(str(tmp_path), TEXT), InvalidArtifact)
    alone = make_bundle(tmp_path / "alone").folder
    assert "RUN/data/test.jsonl" in error(str(alone), "--faithfulness", "run").message


def test_a_damaged_bundle_is_refused(tmp_path):
    folder = make_bundle(tmp_path / "damaged").folder
    (folder / "model.onnx").write_bytes(b"x")
    failed = error(str(folder), TEXT)
    assert isinstance(failed, InvalidArtifact)
    assert "model.onnx" in failed.message


def test_explaining_needs_no_training_library(bundle):
    code = (
        "import sys; sys.argv = ['edgekd', 'explain', sys.argv[1], 'great film']\n"
        "import atexit; from edgekd.cli.app import main\n"
        "names = ('torch', 'transformers', 'datasets', 'onnx', 'vl_convert', 'jinja2')\n"
        "atexit.register(lambda: print([m for m in names if m in sys.modules]))\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code, bundle], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
