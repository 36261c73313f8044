"""The training loop and teacher labels: learning, resuming, damaged files."""

import json
import shutil

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from edgekd.batches import EncodedTexts, PadToLongest, predict_logits  # noqa: E402
from edgekd.config import LabelConfig, StudentConfig, TeacherConfig  # noqa: E402
from edgekd.errors import ConfigError, DataError  # noqa: E402
from edgekd.progress import Silent  # noqa: E402
from edgekd.runfolder import label_key  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.tasks import Task, TaskKind  # noqa: E402
from edgekd.teacher import label  # noqa: E402
from edgekd.teacher.label import label_texts  # noqa: E402
from edgekd.teacher.load import check_labels, encode, load_classifier, load_for_training  # noqa: E402
from edgekd.training import (  # noqa: E402
    CHECKPOINT_FILES,
    Objective,
    Schedule,
    last_complete_checkpoint,
    train,
)
from tests.toys import make_classifier, make_encoder, toy_data  # noqa: E402

SCHEDULE = Schedule(epochs=6, learning_rate=5e-2, batch_size=16, warmup_ratio=0.0, weight_decay=0.0, patience=9, seed=0)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return load_classifier(make_classifier(tmp_path_factory.mktemp("teacher")), 32, Silent())


def sets(teacher, data):
    return [
        EncodedTexts(encode(teacher.tokenizer, part.texts, 32), part.targets) for part in (data.train, data.validation)
    ]


class Killed(Exception):
    pass


class DiesAfter(Silent):
    """Stands for a process that dies at a step."""

    def __init__(self, step):
        self.step, self.seen = step, []

    def update(self, done, note=""):
        self.seen.append(done)
        if done == self.step:
            raise Killed


def test_training_learns_and_a_killed_run_goes_on(teacher, tmp_path):
    data = toy_data()
    config = StudentConfig(kind="bag", embedding_dim=8)
    options = {"objective": Objective(), "schedule": SCHEDULE, "work": tmp_path / "work", "description": "x"}
    with pytest.raises(Killed):
        train(build_student(config, teacher.model), *sets(teacher, data), progress=DiesAfter(20), **options)
    again = DiesAfter(-1)
    model = build_student(config, teacher.model)
    outcome = train(model, *sets(teacher, data), progress=again, **options)
    assert outcome.resumed_from_step == 18  # three epochs of six steps were finished
    assert again.seen[0] == 19
    assert outcome.steps == 36
    assert outcome.best_validation_accuracy > 0.9
    logits = predict_logits(model, encode(teacher.tokenizer, data.validation.texts, 32))
    accuracy = (logits.argmax(axis=1) == np.array(data.validation.targets)).mean()
    assert accuracy == pytest.approx(outcome.best_validation_accuracy)


def test_a_half_written_checkpoint_is_not_used(tmp_path):
    for step in (6, 12):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        for name in CHECKPOINT_FILES:
            (folder / name).write_text("{}")
    (tmp_path / "checkpoint-12" / "trainer_state.json").write_text('{"half')
    assert last_complete_checkpoint(tmp_path) == tmp_path / "checkpoint-6"
    assert not (tmp_path / "checkpoint-12").exists()
    (tmp_path / "checkpoint-6" / "optimizer.pt").unlink()
    assert last_complete_checkpoint(tmp_path) is None


def test_padding_of_a_batch():
    batch = PadToLongest(9)([{"input_ids": [1, 2, 3], "labels": 0}, {"input_ids": [4], "labels": 1}])
    assert batch["input_ids"].tolist() == [[1, 2, 3], [4, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_logits_come_back_in_the_order_of_the_texts(teacher):
    ids = encode(teacher.tokenizer, toy_data().train.texts[:20], 32)
    together = predict_logits(teacher.model, ids, batch_size=7)
    alone = np.concatenate([predict_logits(teacher.model, [row]) for row in ids])
    assert np.allclose(together, alone, atol=1e-5)


def test_labels_are_computed_once_and_resumed_by_shard(teacher, tmp_path, monkeypatch):
    texts = toy_data().train.texts
    key = label_key("weights", "tokenizer", texts, 32)
    options = {"key": key, "config": LabelConfig(batch_size=4, shard_size=16), "folder": tmp_path}
    with pytest.raises(Killed):
        label_texts(teacher, texts, progress=DiesAfter(48), **options)
    assert len(list(tmp_path.glob("shard-*"))) == 2  # the third was being computed

    computed = []
    real = label.predict_logits
    monkeypatch.setattr(label, "predict_logits", lambda model, ids, **o: computed.extend(ids) or real(model, ids, **o))
    logits = label_texts(teacher, texts, progress=Silent(), **options)
    assert len(computed) == len(texts) - 32
    assert np.allclose(logits, real(teacher.model, encode(teacher.tokenizer, texts, 32)), atol=1e-5)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest["texts"], manifest["shards"], manifest["key"]) == (len(texts), 6, key)

    computed.clear()
    assert np.array_equal(label_texts(teacher, texts, progress=Silent(), **options), logits)
    assert computed == []

    damaged = tmp_path / "shard-00003.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    assert np.array_equal(label_texts(teacher, texts, progress=Silent(), **options), logits)
    assert len(computed) == 16


def test_the_key_depends_on_everything():
    base = ("w", "t", ["a", "b"], 32)
    keys = {label_key(*base)}
    for other in [
        ("W", "t", ["a", "b"], 32),
        ("w", "T", ["a", "b"], 32),
        ("w", "t", ["b", "a"], 32),
        ("w", "t", ["ab"], 32),
        ("w", "t", ["a", "b"], 33),
    ]:
        keys.add(label_key(*other))
    assert len(keys) == 6


def test_encoding_truncates_and_keeps_special_tokens(teacher):
    [ids] = encode(teacher.tokenizer, ["film " * 50], 10)
    assert len(ids) == 10
    assert (ids[0], ids[-1]) == (teacher.tokenizer.cls_token_id, teacher.tokenizer.sep_token_id)


def test_a_teacher_with_other_labels_is_refused(teacher):
    with pytest.raises(DataError) as caught:
        check_labels(teacher, Task(TaskKind.SINGLE_LABEL, ("ham", "spam")), "my/teacher")
    assert "'my/teacher' predicts [negative, positive], but the data has [ham, spam]" in caught.value.message
    with pytest.raises(DataError) as caught:
        check_labels(teacher, Task(TaskKind.SINGLE_LABEL, ("positive", "negative")), "t")
    assert "data.labels: [negative, positive]" in caught.value.hint


def test_models_that_cannot_be_opened(tmp_path, teacher):
    with pytest.raises(ConfigError, match="does not exist"):
        load_classifier(tmp_path / "none", 32, Silent())
    encoder = make_encoder(tmp_path / "encoder")
    with pytest.raises(ConfigError, match="is not a text classifier"):
        load_classifier(encoder, 32, Silent())
    pickled = tmp_path / "pickled"
    shutil.copytree(encoder, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"no \*\.safetensors weights; pickled weights are not read"):
        load_classifier(pickled, 32, Silent())
    with pytest.raises(ConfigError, match="max_length 500 is more than the model's 80 positions"):
        load_for_training(
            TeacherConfig(model=str(encoder), max_length=500),
            Task(TaskKind.SINGLE_LABEL, ("a", "b")),
            Silent(),
        )
