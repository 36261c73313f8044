"""Distillation in depth, through the CLI: seeds and controls, several teachers, assistants, self-training, tasks."""

import csv
import json
import signal

import pytest

pytest.importorskip("torch")

from edgekd.bundle import load_bundle
from edgekd.config import SplitConfig
from edgekd.data.splits import assign
from tests.integration.test_pipeline import edgekd, start, stop_when, whole_checkpoints
from tests.toys import make_encoder, write_csv

pytestmark = pytest.mark.slow

TEACHER = "{{model: {model}, epochs: {epochs}, learning_rate: 2.0e-3, batch_size: 16, max_length: 32}}"
DEPTH = """
name: depth
data: {{train: {data}, evaluate: {{others: {others}}}}}
teacher: {teacher}
more_teachers: [{{model: {model}, epochs: 1, learning_rate: 2.0e-3, batch_size: 16, max_length: 32, seed: 3}}]
transfer: {{amount: 2, mix: {{spans: 1, masking: 1, ngrams: 1}}}}
seeds: 2
transfer_control: true
students:
  - {{kind: bag, embedding_dim: 16, hidden_dim: 8, epochs: 6, learning_rate: 0.05, batch_size: 16, average: 0.9,
     alpha: 1, beta: 0.1, self_training: {{rounds: 2, min_confidence: 0.51, class_balance: false}}}}
  - {{name: own, kind: linear, vocabulary: {{size: 120}}, ngrams: 2, buckets: 64, epochs: 2, learning_rate: 0.02}}
  - {{kind: transformer, seeds: 1, layers: 1, epochs: 1, learning_rate: 1.0e-3, batch_size: 16, feature_epochs: 1,
     feature_losses: [{{kind: hidden, mapping: auto}}, {{kind: relations}}]}}
  - {{name: small, kind: cnn, teacher: transformer, embedding_dim: 16, hidden_dim: 8, epochs: 2, learning_rate: 0.01,
     batch_size: 16}}
compress: {{ladder: []}}
"""
HEADS = """
name: heads
data: {{train: {data}}}
teacher: {teacher}
more_tasks:
  - {{name: stars, data: {{train: {stars}, task: regression}}, teacher: {teacher}}}
  - {{name: topics, data: {{train: {topics}, task: multi-label, split: {{seed: 5}}}}, teacher: {teacher}}}
transfer: {{amount: 1}}
students:
  - {{kind: cnn, embedding_dim: 16, hidden_dim: 8, epochs: 6, learning_rate: 0.01, batch_size: 16}}
compress: {{ladder: []}}
bench: {{passes: 1, processes: 1, warm_up_calls: 5, block_size: 10, max_seconds: 5}}
"""


def write(folder, recipe, **values):
    values["model"] = make_encoder(folder / "encoder")
    values["data"] = write_csv(folder / "data.csv", 300)
    values["teacher"] = TEACHER.format(model=values["model"], epochs=values.pop("epochs", 3))
    path = folder / "recipe.yaml"
    path.write_text(recipe.format(**values), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def depth(tmp_path_factory):
    """A run that was killed during self-training, and the one that went on."""
    folder = tmp_path_factory.mktemp("depth")
    recipe, out = write(folder, DEPTH, others=write_csv(folder / "others.csv", 40, seed=7)), folder / "out"
    with (folder / "log").open("w") as log:
        command = ("distill", recipe, "--out", out)
        stop_when(
            start(*command, log=log), lambda: whole_checkpoints(out, "work/bag-distilled-0-*/round-*"), signal.SIGKILL
        )
        [outcome] = out.glob("work/bag-distilled-0-*/training/outcome.json")
        first = json.loads(outcome.read_text())
    done = edgekd("distill", recipe, "--out", out, "--json", timeout=500)
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout), done.stderr, first


SEEDS = {"bag": 2, "own": 2, "transformer": 1, "small": 2}  # the recipe's, but for the student that says its own


def record(out, student, arm="distilled", seed=0):
    return json.loads((out / "students" / student / arm / f"seed-{seed}" / "train.json").read_text())


def test_every_arm_was_trained_with_every_seed(depth):
    out, *_ = depth
    for student, seeds in SEEDS.items():
        for arm in ("distilled", "control", "transfer-control"):
            folders = sorted((out / "students" / student / arm).iterdir())
            assert [folder.name for folder in folders] == [f"seed-{seed}" for seed in range(seeds)]
            for folder in folders:
                assert (folder / "predictions.safetensors").is_file()
                assert (folder / "model.safetensors").is_file() == (arm == "distilled")


def test_the_proof_is_in_every_bundle_and_says_in_words_whether_the_teacher_helped(depth):
    out, summary, *_ = depth
    rows = {row["name"]: row for row in summary["bundles"]}
    for student, seeds in SEEDS.items():
        proof = load_bundle(out / "bundles" / "cpu" / f"{student}-fp32").manifest.proof
        assert proof.model_dump(mode="json") == rows[f"{student}-fp32"]["proof"]
        assert len(proof.student) == len(proof.control) == len(proof.transfer_control) == seeds
        assert proof.total.value == pytest.approx(proof.more_data.value + proof.softer_targets.value)
        assert proof.student == [record(out, student, seed=seed)["test"]["accuracy"] for seed in range(seeds)]
        assert f"{seeds} seed" in proof.words


def test_a_kill_during_self_training_does_not_train_the_student_again(depth):
    out, _, log, first = depth
    assert record(out, "bag")["training"] == first
    assert "Self-training bag, round 1" in log


def test_gain_or_loss_of_self_training_is_told(depth):
    out, summary, log, _ = depth
    told = record(out, "bag")["self_training"]
    assert told["words"] in log
    assert summary["self_training"]["bag"] in [record(out, "bag", seed=s)["self_training"] for s in (0, 1)]
    for item in told["rounds"]:
        assert item["kept"] == (item["validation_after"] > item["validation_before"])


def test_a_student_learns_from_an_assistant(depth):
    out, *_ = depth
    lineage = load_bundle(out / "bundles" / "cpu" / "small-fp32").manifest.lineage
    assistant = next(step for step in lineage if step.step == "assistant")
    student = load_bundle(out / "bundles" / "cpu" / "transformer-fp32").manifest.lineage
    assert assistant.hash == next(step.hash for step in student if step.step == "student")


def test_an_own_vocabulary_goes_into_the_bundle(depth):
    out, *_ = depth
    own, others = (load_bundle(out / "bundles" / "cpu" / name) for name in ("own-fp32", "bag-fp32"))
    sizes = [len(json.loads(b.tokenizer_path.read_text())["model"]["vocab"]) for b in (own, others)]
    assert sizes[0] <= 120
    assert sizes[0] != sizes[1]


def test_losses_and_layer_mapping_are_recorded(depth):
    out, *_ = depth
    lines = "\n".join(record(out, "transformer")["objective"])
    assert "student layer <- teacher layer: 0 <- " in lines
    assert "CKA" in lines
    assert "relation heads" in lines


def test_several_teachers_are_scored_together_and_other_data_too(depth):
    _, summary, *_ = depth
    assert 0 <= summary["teachers_together"]["accuracy"] <= 1
    assert summary["evaluate"]["bag"]["others"]["count"] > 30


def rows_of(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def is_for_training(text, seed):
    config = SplitConfig()
    return assign(text, {"validation": config.validation, "test": config.test}, seed=seed) == "train"


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    """One student with a head for each of three tasks."""
    folder = tmp_path_factory.mktemp("heads")
    rows = rows_of(write_csv(folder / "source.csv", 260, seed=5))
    stars, topics = ["text,label"], ["text,labels"]
    for number, row in enumerate(rows):
        good = row["label"] == "positive"
        stars.append(f"{row['text']} s,{(2 if good else -1) + number % 7 / 7:.3f}")
        topics.append(f"{row['text']} t,{row['label']}|{'long' if len(row['text']) > 40 else 'short'}")
    for name, lines in (("stars", stars), ("topics", topics)):
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    # One text of the last task's training texts is one that the first task holds out.
    texts = [row["text"] for row in rows_of(write_csv(folder / "data.csv", 300))]
    leak = next(text for text in texts if is_for_training(text, seed=5) and not is_for_training(text, seed=0))
    topics.append(f"{leak},positive|long")
    (folder / "topics.csv").write_text("\n".join(topics) + "\n")
    recipe = write(folder, HEADS, stars=folder / "stars.csv", topics=folder / "topics.csv")
    done = edgekd("run", recipe, "--out", folder / "out", "--json", timeout=500)
    assert done.returncode == 0, done.stderr
    return folder / "out", json.loads(done.stdout), done.stderr


def test_each_task_gets_a_bundle_of_its_own_from_one_training(heads):
    out, _, log = heads
    assert log.count("Distilling cnn: done") == 1
    tasks = {"": "single-label", "tasks/stars": "regression", "tasks/topics": "multi-label"}
    bundles = {name: load_bundle(out / name / "bundles" / "cpu" / "cnn-fp32") for name in tasks}
    assert {name: bundle.manifest.task.value for name, bundle in bundles.items()} == tasks
    assert bundles["tasks/topics"].manifest.labels == ["long", "negative", "positive", "short"]
    assert all(bundle.manifest.proof.control for bundle in bundles.values())


def test_a_text_that_one_task_tests_on_is_not_learnt_for_another(heads):
    _, _, log = heads
    assert "dropped from training and unlabelled texts: 1 (another task tests on them)" in log


def test_each_head_learns_its_task_and_is_measured_for_it(heads):
    out, summary, _ = heads
    assert record(out, "cnn")["test"]["accuracy"] > 0.7
    assert record(out / "tasks" / "stars", "cnn")["test"]["pearson"] > 0.5
    assert record(out / "tasks" / "topics", "cnn")["test"]["macro_f1"] > 0.6
    assert set(summary["tasks"]) == {"stars", "topics"}
    assert (out / "tasks" / "stars" / "report" / "report.html").is_file()
    done = edgekd("predict", out / "tasks" / "stars" / "bundles" / "cpu" / "cnn-fp32", "the film was great 1 s")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ("students.3.teacher=nobody", ["learns from 'nobody'", "bag", "transformer"]),
        ("students.2.vocabulary={size: 200}", ["transformer", "vocabulary"]),
        ("students.0.alpha_curve=linear", ["alpha_curve and alpha_end go together"]),
        ("students.1.feature_losses=[{kind: hidden}]", ["own"]),
        ("transfer.mix={spans: 0}", ["transfer"]),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_trained(tmp_path, change, texts):
    recipe = write(tmp_path, DEPTH, others=write_csv(tmp_path / "others.csv", 40, seed=7))
    done = edgekd("distill", recipe, "--out", tmp_path / "out", "--set", change)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for text in texts:
        assert text in done.stderr
    assert "Distilling" not in done.stderr
