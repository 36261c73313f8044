"""The whole line with a tiny random teacher: through the CLI, in child processes, offline."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("torch")

from edgekd.bundle import load_bundle
from tests.toys import make_classifier, make_encoder, write_csv

pytestmark = pytest.mark.slow

RECIPE = """
name: toy
targets: [{targets}]
data: {{train: {data}}}
teacher: {{model: {model}, epochs: {teacher_epochs}, learning_rate: 2.0e-3, batch_size: 16, max_length: 32}}
transfer: {{amount: {spans}}}
labels: {{batch_size: 8, shard_size: {shard}}}
students:
  - {{kind: bag, embedding_dim: 16, hidden_dim: 8, epochs: {epochs}, learning_rate: 0.02, batch_size: 16}}
  - {{kind: cnn, embedding_dim: 16, hidden_dim: 8, epochs: 2, learning_rate: 0.01, batch_size: 16}}
  - {{kind: transformer, layers: 1, epochs: 1, learning_rate: 1.0e-3, batch_size: 16}}
compress:
  ladder:
    - {{steps: [int8]}}
    - {{steps: [{{step: prune, ratio: 0.4, multiple_of: 2}}], kinds: [cnn]}}
    - {{steps: [fp16], kinds: [transformer], measured_here: false}}
  max_accuracy_drop: 0.5
  timed_texts: 20
  max_seconds: 5
bench: {{passes: 2, processes: 2, warm_up_calls: 5, block_size: 10, max_seconds: 20}}
"""


def edgekd(*arguments, timeout=240):
    return subprocess.run(
        [sys.executable, "-m", "edgekd", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "COLUMNS": "160", "HF_HUB_OFFLINE": "1"},
    )


def write_recipe(folder, **changes):
    values = {"targets": "cpu", "teacher_epochs": 2, "spans": 2, "shard": 64, "epochs": 3} | changes
    if "data" not in values:
        values["data"] = write_csv(folder / "data.csv", 300)
    if "model" not in values:
        values["model"] = make_encoder(folder / "encoder")
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(**values), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run for a host and a board."""
    folder = tmp_path_factory.mktemp("run")
    recipe = write_recipe(folder, targets="cpu, jetson")
    done = edgekd("run", recipe, "--out", folder / "out")
    assert done.returncode == 0, done.stderr
    return folder, recipe, done


def test_the_run_ends_with_a_table_and_a_report(finished):
    folder, _, done = finished
    for name in ("teacher", "bag", "cnn", "transformer"):
        assert name in done.stdout
    report = folder / "out" / "report" / "report.html"
    assert str(report) in done.stdout
    assert report.is_file()
    results = list((folder / "out" / "results" / "cpu").glob("*.result.json"))
    names = {json.loads(path.read_text())["variant"] for path in results}
    assert {"bag-fp32", "cnn-fp32", "transformer-fp32", "teacher-fp32"} <= names
    assert any(json.loads(path.read_text())["backend"] == "torch" for path in results)


def test_every_bundle_is_verified_and_knows_where_it_comes_from(finished):
    folder, *_ = finished
    for target in ("cpu", "jetson-orin-nano"):
        bundles = [load_bundle(path) for path in (folder / "out" / "bundles" / target).iterdir()]
        assert {b.manifest.name for b in bundles} >= {"bag-fp32", "cnn-fp32", "transformer-fp32", "teacher-fp32"}
        for bundle in bundles:
            assert bundle.manifest.target == target
            assert bundle.manifest.lineage[-1].step == ("export" if bundle.manifest.precision == "fp32" else "graph")
            if bundle.manifest.role == "student":
                assert [step.step for step in bundle.manifest.lineage[:3]] == ["teacher", "labels", "student"]
                assert bundle.manifest.proof.control


def test_a_board_that_is_not_here_has_host_numbers_only(finished):
    folder, _, done = finished
    results = list((folder / "out" / "results" / "jetson-orin-nano").glob("*.result.json"))
    assert results
    assert {json.loads(path.read_text())["evidence"] for path in results} == {"host"}
    assert "jetson-orin-nano" in done.stdout
    assert "host" in done.stdout


def test_candidates_that_cannot_be_timed_here_have_a_size_and_a_score_only(finished):
    folder, *_ = finished
    for target in ("cpu", "jetson-orin-nano"):
        decisions = json.loads((folder / "out" / "results" / target / "decisions.json").read_text())
        rows = {row["variant"]: row for row in decisions if row["model"] == "transformer"}
        assert set(rows) == {"transformer-fp32", "transformer-int8", "transformer-fp16"}
        assert rows["transformer-fp16"]["p50_s"] is rows["transformer-fp16"]["latency_ratio"] is None
        assert rows["transformer-fp16"]["size_bytes"] < rows["transformer-fp32"]["size_bytes"]
        assert 0 <= rows["transformer-fp16"]["score"] <= 1
        assert rows["transformer-int8"]["p50_s"] > 0


def test_a_second_run_reuses_everything(finished):
    folder, recipe, _ = finished
    stages = list((folder / "out").rglob("stage.json"))
    before = {p: p.stat().st_mtime_ns for p in stages}
    started = time.monotonic()
    done = edgekd("run", recipe, "--out", folder / "out")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 60
    assert {p: p.stat().st_mtime_ns for p in stages} == before
    for line in ("encoder: unchanged", "bag, distilled, seed 0: unchanged", "Measurements of teacher-torch-fp32 and"):
        assert line in done.stderr


def test_a_changed_student_does_not_train_the_others_again(finished):
    folder, recipe, _ = finished
    done = edgekd("distill", recipe, "--out", folder / "out", "--set", "students.1.epochs=1")
    assert done.returncode == 0, done.stderr
    assert "bag, distilled, seed 0: unchanged" in done.stderr
    assert "bag, control, seed 0: unchanged" in done.stderr
    assert "Distilling cnn" in done.stderr
    assert "Teacher labels" in done.stderr


def test_the_bundle_predicts_like_the_torch_student(finished):
    folder, *_ = finished
    bundle = folder / "out" / "bundles" / "cpu" / "bag-fp32"
    done = edgekd("predict", bundle, "the film was great 1", "the film was awful 2", "--json")
    assert done.returncode == 0, done.stderr
    assert "torch" not in done.stderr


def test_an_existing_teacher_is_taken_and_its_labels_checked(tmp_path):
    data = write_csv(tmp_path / "data.csv", 200)
    teacher = make_classifier(tmp_path / "teacher")
    options = ("--data", data, "--student", "bag", "--no-control", "--epochs", 1, "--set", "transfer.amount=1")
    done = edgekd("distill", "--teacher", teacher, *options, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert {row["name"] for row in summary["bundles"]} >= {"bag-fp32", "teacher-fp32"}
    assert not any(row["proof"] and row["proof"]["control"] for row in summary["bundles"])

    other = make_classifier(tmp_path / "other", labels=("ham", "spam"))
    done = edgekd("distill", "--teacher", other, *options, "--out", tmp_path / "out2")
    assert done.returncode == 2
    assert "predicts [ham, spam], but the data has [negative, positive]" in done.stderr
    assert "Traceback" not in done.stderr


def start(*arguments, log):
    return subprocess.Popen(
        [sys.executable, "-m", "edgekd", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=log,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        start_new_session=True,
    )


def stop_when(process, condition, sig, timeout=180):
    """Send a signal as soon as a condition holds."""
    deadline = time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < deadline:
        if condition():
            process.send_signal(sig)
            return process.wait(timeout=60)
        time.sleep(0.01)
    raise AssertionError("the process ended, or nothing happened, before it could be stopped")


def shards(out):
    return sorted(out.glob("labels/*/shard-*.safetensors"))


def whole_checkpoints(folder, pattern):
    """Checkpoints that training can go on from: the file that is written last is there to its end."""
    try:
        found = list(folder.glob(f"{pattern}/checkpoint-*/trainer_state.json"))
    except FileNotFoundError:  # a folder was removed while it was looked into
        return []
    return [p for p in found if is_whole(p)]


def is_whole(path):
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):  # half written, or its folder is being removed
        return False
    return True


def checkpoints(out, name):
    return [p for p in whole_checkpoints(out, f"work/{name}-*/**") if "control" not in str(p)]


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_stopped_anywhere_the_same_command_goes_on(tmp_path, sig):
    recipe = write_recipe(tmp_path, shard=8, spans=6, epochs=40)
    out = tmp_path / "out"
    command = ("distill", recipe, "--out", out, "--no-control", "--student", "bag")
    with (tmp_path / "log").open("w") as log:
        code = stop_when(start(*command, log=log), lambda: checkpoints(out, "teacher"), sig)
        assert code == (130 if sig is signal.SIGINT else -signal.SIGKILL)
        assert not (out / "teacher").exists()

        stop_when(start(*command, log=log), lambda: len(shards(out)) >= 3, sig)
        teacher = (out / "teacher" / "model.safetensors").stat().st_mtime_ns
        first_shards = {p: p.stat().st_mtime_ns for p in shards(out)}

        stop_when(start(*command, log=log), lambda: len(checkpoints(out, "bag")) >= 1, sig)
        assert not (out / "students" / "bag" / "distilled" / "seed-0").exists()

    done = edgekd(*command)
    assert done.returncode == 0, done.stderr
    assert (out / "teacher" / "model.safetensors").stat().st_mtime_ns == teacher
    assert {p: p.stat().st_mtime_ns for p in first_shards} == first_shards
    record = json.loads((out / "students" / "bag" / "distilled" / "seed-0" / "train.json").read_text())
    assert record["training"]["resumed_from_step"] > 0
    assert "encoder: unchanged, reused" in done.stderr
    if sig is signal.SIGINT:
        messages = (tmp_path / "log").read_text()
        assert "run the same command again" in messages
        assert "Traceback" not in messages


def test_two_runs_in_one_folder(tmp_path):
    recipe = write_recipe(tmp_path, teacher_epochs=40)
    out = tmp_path / "out"
    with (tmp_path / "log").open("w") as log:
        first = start("distill", recipe, "--out", out, log=log)
        try:
            deadline = time.monotonic() + 120
            while not checkpoints(out, "teacher") and time.monotonic() < deadline:
                time.sleep(0.05)
            second = edgekd("distill", recipe, "--out", out)
        finally:
            first.kill()
            first.wait()
    assert second.returncode == 3
    assert f"in use by another edgekd process (pid {first.pid})" in second.stderr


def test_a_failed_parity_is_exit_3_and_leaves_no_bundle(tmp_path):
    recipe = write_recipe(tmp_path)
    done = edgekd(
        "distill", recipe, "--out", tmp_path / "out", "--student", "bag", "--set", "export.max_abs_diff=1e-30"
    )
    assert done.returncode == 3
    assert "failed its parity check" in done.stderr
    assert not list((tmp_path / "out").rglob("edgekd.json"))
    [evidence] = (tmp_path / "out").rglob("*.failed")
    assert {path.name for path in evidence.iterdir()} == {
        "README.txt",
        "logits.npz",
        "model.onnx",
        "parity.json",
        "worst.csv",
    }
    # With a limit that can be held the same folder goes on, and the evidence is gone.
    again = edgekd("distill", recipe, "--out", tmp_path / "out", "--student", "bag")
    assert again.returncode == 0, again.stderr
    assert not list((tmp_path / "out").rglob("*.failed"))


def test_teach_prints_the_scores(tmp_path):
    data, encoder = write_csv(tmp_path / "d.csv"), make_encoder(tmp_path / "encoder")
    out = tmp_path / "teacher"
    done = edgekd(
        "teach", "--data", data, "--model", encoder, "--epochs", 1, "--max-length", 32, "--out", out, "--json"
    )
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)
    for split in ("validation", "test"):
        assert {"accuracy", "macro_precision", "macro_recall", "macro_f1", "classes"} <= set(scores[split])
    assert (out / "model.safetensors").is_file()
    assert not (tmp_path / ".teacher.work").exists()


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    return write_csv(folder / "d.csv"), make_encoder(folder / "encoder"), folder


@pytest.mark.parametrize(
    ("options", "code", "texts"),
    [
        (["--target", "raspbery"], 2, ["Unknown target 'raspbery'", "raspberry-pi-4", "Did you mean"]),
        (
            ["--student", "cnnn"],
            2,
            ["Unknown student 'cnnn'", "bag, bigru, bilstm, cnn, linear, transformer", "Did you mean 'cnn'"],
        ),
        (["--temperature", "-1"], 2, ["students.0.temperature", "greater than 0", "given: -1"]),
        (["--set", "teacher.epoch=1"], 2, ["teacher.epoch: unknown key", "Did you mean 'epochs'"]),
        (["--text-column", "body"], 2, ["no column 'body'", "'text', 'label'"]),
        (["--data", "{folder}/nothing.csv"], 2, ["nothing.csv", "does not exist"]),
        (["--set", "teacher.model={folder}/none"], 2, ["does not exist"]),
        (["--loss", "kl"], 2, ["students.0.loss", "'soft', 'hard', 'mse'"]),
        (["--no-such-flag"], 2, ["No such option"]),
        (["--out", "/sys/edgekd"], 3, ["Cannot write", "choose another folder"]),
        (["--out", "{data}/run"], 3, ["Cannot write", "choose another folder"]),
    ],
)
def test_bad_input_is_explained(toy, options, code, texts):
    data, encoder, folder = toy
    filled = [option.format(folder=folder, data=data) for option in options]
    base = ["--data", str(data), "--set", f"teacher.model={encoder}", "--out", str(folder / "out")]
    done = edgekd("distill", *base, *filled)
    assert done.returncode == code, done.stderr
    for text in texts:
        assert text in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (b"", ["empty"]),
        (b"text,label\n", ["no "]),
        (b"text,label\n" + b"".join(b"fine %d,positive\n" % i for i in range(60)), ["one class only", "positive"]),
        (b"text,label\nna\xefve,positive\n", ["UTF-8"]),
    ],
)
def test_bad_data_is_explained(toy, tmp_path, content, texts):
    _, encoder, _ = toy
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    done = edgekd("distill", "--data", path, "--set", f"teacher.model={encoder}", "--out", tmp_path / "out")
    assert done.returncode == 2, done.stderr
    assert "bad.csv" in done.stderr
    for text in texts:
        assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_explained(toy, tmp_path):
    """A file-size limit stands for a full disk: the system refuses to write more, at a place we cannot foresee."""
    data, encoder, _ = toy
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "from edgekd.cli.app import main\n"
        f"sys.argv = ['edgekd', 'distill', '--data', {str(data)!r}, '--set', 'teacher.model={encoder}', "
        f"'--out', {str(tmp_path / 'out')!r}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 3, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
