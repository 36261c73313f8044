from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from edgekd.cli.app import app
from edgekd.errors import EXIT_INTERRUPTED, ConfigError, DataError, InvalidArtifact
from edgekd.tasks import Calibration, TaskKind
from tests.bundles import make_bundle

pytest.importorskip("onnx")

runner = CliRunner()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return str(make_bundle(tmp_path_factory.mktemp("bundle")).folder)


def lines(result):
    assert result.exit_code == 0, result.output
    return result.stdout.split("\n")[:-1]


def test_ctrl_c_says_that_the_command_starts_over(bundle):
    process = subprocess.Popen(
        [sys.executable, "-m", "edgekd", "predict", bundle],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdin.write("great film\n" * 5_000)  # more than is read at once: the first answers come before the end
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == EXIT_INTERRUPTED
    assert errors.splitlines() == [
        "Error: Stopped.",
        "Next: The same command starts over; files that it had already written stay.",
    ]


def test_texts_on_the_command_line(bundle):
    first, second = lines(runner.invoke(app, ["predict", bundle, "great film", "awful"]))
    assert first.startswith("positive  0.")
    assert first.endswith("  great film")
    assert second.startswith("negative  0.")


def test_json_lines(bundle):
    result = runner.invoke(app, ["predict", bundle, "great film", "--json"])
    [value] = [json.loads(line) for line in lines(result)]
    assert (value["text"], value["label"]) == ("great film", "positive")
    assert value["probability"] == value["probabilities"]["positive"]
    assert sum(value["probabilities"].values()) == pytest.approx(1)


@pytest.fixture(scope="module")
def emotions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emotions")
    calibration = Calibration(1.0, (0.6, 0.6, 0.6))
    labels = ("anger", "joy", "love")  # awful, good and dull; great, boring and fun; bad and fine
    return str(make_bundle(folder, labels=labels, task=TaskKind.MULTI_LABEL, calibration=calibration).folder)


def test_every_label_that_reaches_its_threshold_is_shown_the_surest_first(emotions):
    texts = ["great great bad", "great", "the film"]
    both, one, none = lines(runner.invoke(app, ["predict", emotions, *texts]))
    assert re.fullmatch(r"joy 0\.\d{3}, love 0\.\d{3}  great great bad", both)
    assert re.fullmatch(r"joy 0\.\d{3}  great", one)
    assert none == "(none)  the film"


def test_multi_label_json_has_the_chosen_labels_and_all_probabilities(emotions):
    result = runner.invoke(app, ["predict", emotions, "great great bad", "the film", "--json"])
    first, second = (json.loads(line) for line in lines(result))
    assert first["labels"] == ["joy", "love"]
    assert list(first["probabilities"]) == ["anger", "joy", "love"]
    assert first["probabilities"]["joy"] > first["probabilities"]["love"] >= 0.6 > first["probabilities"]["anger"]
    assert second["labels"] == []


def test_a_regression_bundle_gives_values(tmp_path):
    bundle = str(make_bundle(tmp_path, labels=("rating",), task=TaskKind.REGRESSION).folder)
    [line] = lines(runner.invoke(app, ["predict", bundle, "great"]))
    number, text = line.split()
    assert (float(number), text) == (pytest.approx(4 / 3, abs=0.1), "great")
    [value] = [json.loads(row) for row in lines(runner.invoke(app, ["predict", bundle, "great", "--json"]))]
    assert set(value) == {"text", "value"}
    assert value["value"] == pytest.approx(float(number), abs=1e-3)


def test_the_probability_is_the_calibrated_one(bundle, tmp_path):
    warm = str(make_bundle(tmp_path, calibration=Calibration(4.0)).folder)
    cold, warmed = (
        json.loads(lines(runner.invoke(app, ["predict", folder, "great", "--json"]))[0]) for folder in (bundle, warm)
    )
    odds = [value["probability"] / (1 - value["probability"]) for value in (cold, warmed)]
    assert odds[1] == pytest.approx(odds[0] ** 0.25, rel=1e-3)
    assert warmed["label"] == cold["label"] == "positive"


def test_an_empty_text_has_an_answer(bundle):
    assert len(lines(runner.invoke(app, ["predict", bundle, ""]))) == 1


def test_stdin_keeps_empty_lines_in_place(bundle):
    result = runner.invoke(app, ["predict", bundle, "--json"], input="great\n\nawful\r\nfun\u2028film")
    assert [json.loads(line)["text"] for line in lines(result)] == ["great", "", "awful", "fun\u2028film"]


@pytest.mark.parametrize("batch_size", ["1", "2", "64"])
def test_a_file(bundle, tmp_path, batch_size):
    file = tmp_path / "texts.txt"
    file.write_bytes(b"\xef\xbb\xbfgreat film\nawful film\ngreat fun\n")
    result = runner.invoke(app, ["predict", bundle, "--file", str(file), "--batch-size", batch_size])
    assert [line.split()[0] for line in lines(result)] == ["positive", "negative", "positive"]
    assert "\ufeff" not in result.stdout


def test_control_characters_do_not_reach_the_terminal(bundle):
    [line] = lines(runner.invoke(app, ["predict", bundle, "great \x1b[31m"]))
    assert "\x1b" not in line


def test_texts_and_a_file_at_once(bundle, tmp_path):
    error = runner.invoke(app, ["predict", bundle, "great", "--file", str(tmp_path / "x")]).exception
    assert isinstance(error, ConfigError)
    assert "not both" in error.message


def test_a_file_that_is_not_there(bundle, tmp_path):
    error = runner.invoke(app, ["predict", bundle, "--file", str(tmp_path / "absent.txt")]).exception
    assert isinstance(error, DataError)
    assert "does not exist" in error.message


def test_input_that_is_not_utf_8_names_the_line(bundle):
    result = runner.invoke(app, ["predict", bundle], input=b"great\nna\xefve\n")
    assert isinstance(result.exception, DataError)
    assert "stdin, line 2 is not UTF-8: byte 3 is 0xef" in result.exception.message
    assert result.stdout.startswith("positive")


def test_a_folder_that_is_no_bundle(tmp_path):
    error = runner.invoke(app, ["predict", str(tmp_path), "great"]).exception
    assert isinstance(error, InvalidArtifact)
    assert "is not a bundle" in error.message


def test_predicting_needs_no_training_library(bundle):
    code = (
        "import sys; sys.argv = ['edgekd', 'predict', sys.argv[1], 'great']\n"
        "import atexit; from edgekd.cli.app import main\n"
        "atexit.register(lambda: print([m for m in ('torch', 'transformers', 'datasets') if m in sys.modules]))\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code, bundle], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "[]"


def test_an_argument_that_is_not_utf_8_is_an_error(bundle):
    result = runner.invoke(app, ["predict", bundle, "fine", "na\udcefve"])
    assert "Text 2 is not UTF-8 at character 3" in result.exception.message
