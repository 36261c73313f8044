"""Teacher labels: computed once, resumed by shard, checked when they are read."""

import json
import re

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from edgekd.batches import predict_logits  # noqa: E402
from edgekd.config import LabelConfig, StudentConfig  # noqa: E402
from edgekd.progress import Silent  # noqa: E402
from edgekd.runfolder import label_key  # noqa: E402
from edgekd.teacher import label  # noqa: E402
from edgekd.teacher.engine import TORCH  # noqa: E402
from edgekd.teacher.label import label_texts  # noqa: E402
from edgekd.teacher.load import Teacher, encode, load_classifier  # noqa: E402
from tests.toys import make_classifier, toy_data  # noqa: E402

CONFIG = LabelConfig(batch_size=4, shard_size=16)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return load_classifier(make_classifier(tmp_path_factory.mktemp("teacher")), 32, Silent())


@pytest.fixture
def computed(monkeypatch):
    """Return the list of texts whose logits were computed."""
    texts = []
    real = label.logits_in_order
    monkeypatch.setattr(label, "logits_in_order", lambda run, ids, **o: texts.extend(ids) or real(run, ids, **o))
    return texts


class Killed(Exception):
    pass


class DiesAfter(Silent):
    """Stands for a process that dies when so many texts are done."""

    def __init__(self, done):
        self.done = done

    def update(self, done, note=""):
        if done == self.done:
            raise Killed


class Listens(Silent):
    def __init__(self):
        self.notes = []

    def finish(self, note=""):
        self.notes.append(note)


def test_labels_are_computed_once_and_resumed_by_shard(teacher, tmp_path, computed):
    texts = toy_data().train.texts
    key = label_key("weights", "tokenizer", texts, 32)
    options = {"key": key, "config": CONFIG, "folder": tmp_path}
    with pytest.raises(Killed):
        label_texts(teacher, texts, progress=DiesAfter(48), **options)
    assert len(list(tmp_path.glob("shard-*"))) == 2  # the third was being computed

    computed.clear()
    logits = label_texts(teacher, texts, progress=Silent(), **options)
    assert len(computed) == len(texts) - 32
    assert np.allclose(logits, predict_logits(teacher.model, encode(teacher.tokenizer, texts, 32)), atol=1e-5)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest["texts"], manifest["shards"], manifest["key"]) == (len(texts), 6, key)

    computed.clear()
    assert np.array_equal(label_texts(teacher, texts, progress=Silent(), **options), logits)
    assert computed == []
    assert json.loads((tmp_path / "manifest.json").read_text())["engine"] == manifest["engine"]

    damaged = tmp_path / "shard-00003.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    assert np.array_equal(label_texts(teacher, texts, progress=Silent(), **options), logits)
    assert len(computed) == 16


def test_labels_of_another_key_are_not_used(teacher, tmp_path, computed):
    texts = toy_data().train.texts[:20]
    for key in ("a", "b"):
        computed.clear()
        label_texts(teacher, texts, key=key, config=CONFIG, folder=tmp_path, progress=Silent())
        assert len(computed) == 20


def test_the_engine_is_shown_kept_and_used_again(teacher, tmp_path, monkeypatch):
    texts = toy_data().train.texts
    options = {"key": "k", "config": CONFIG, "folder": tmp_path}
    shown = Listens()
    label_texts(teacher, texts, progress=shown, **options)
    assert re.match(r"by torch: about [\d.]+ (ms|\u00b5s) of work, too little", shown.notes[0])
    engine = json.loads((tmp_path / "manifest.json").read_text())["engine"]
    assert (engine["engine"], engine["label_flips"], engine["first_token_only"]) == (TORCH, 0, True)

    (tmp_path / "shard-00001.safetensors").unlink()
    preferred = []
    real = label.open_engine
    monkeypatch.setattr(label, "open_engine", lambda *a, **o: preferred.append(o["prefer"]) or real(*a, **o))
    label_texts(teacher, texts, progress=shown, **options)
    assert preferred == [TORCH]
    assert shown.notes[1] == "by torch: the earlier labels are by torch; 80 of 96 were already there"

    (tmp_path / "engine.json").write_text('{"half')
    (tmp_path / "shard-00001.safetensors").unlink()
    label_texts(teacher, texts, progress=Silent(), **options)
    assert preferred == [TORCH, None]


def test_a_student_can_label(teacher, tmp_path):
    from edgekd.student.kinds import build_student

    student = build_student(StudentConfig(kind="bag", embedding_dim=8), teacher)
    texts = toy_data().train.texts[:20]
    assistant = Teacher(student.eval(), teacher.tokenizer, 16)
    logits = label_texts(assistant, texts, key="k", config=CONFIG, folder=tmp_path, progress=Silent())
    expected = predict_logits(student, encode(teacher.tokenizer, texts, 16))
    assert np.allclose(logits, expected, atol=1e-5)
