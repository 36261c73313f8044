"""One real, tiny training as a trial: nothing of test is read, texts are encoded once, it can be stopped."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")
pytest.importorskip("optuna")

import numpy as np

import edgekd.student.lesson
from edgekd.config import SelfTrainingConfig, StudentConfig
from edgekd.progress import Silent
from edgekd.search.study import StoppedEarly
from edgekd.search.trial import open_trainer
from edgekd.student.lesson import TransferSet
from edgekd.tasks import Calibration
from edgekd.teacher.load import load_classifier
from tests.toys import make_classifier, toy_data

CONFIG = StudentConfig(kind="bag", embedding_dim=8, hidden_dim=4, epochs=3, batch_size=32, learning_rate=0.02)


class Forbidden:
    def __getattr__(self, name):
        raise AssertionError(f"test texts were asked for {name}")


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A desk and a labeller as far as a trial looks at them; the test texts must not be looked at."""
    folder = make_classifier(tmp_path_factory.mktemp("teacher"))
    data = replace(toy_data(96, 32), test=Forbidden())
    rng = np.random.default_rng(0)
    transfer = TransferSet(
        rng.normal(size=(96, 2)).astype(np.float32), data.unlabelled, rng.normal(size=(40, 2)).astype(np.float32)
    )
    labeller = SimpleNamespace(
        teacher=load_classifier(folder, 32, Silent()), calibration=Calibration(), transfer_set=transfer
    )
    return [SimpleNamespace(data=data, labeller=labeller)], [labeller]


def test_the_score_is_the_best_of_what_was_reported_and_comes_again(material, tmp_path):
    train = open_trainer(CONFIG, *material)
    reports = []
    score = train(CONFIG, work=tmp_path / "a", progress=Silent(), on_score=lambda *at: reports.append(at))
    assert [step for step, _ in reports] == [5, 10, 15]  # 136 texts are 5 steps an epoch
    assert score == max(value for _, value in reports)
    assert train(CONFIG, work=tmp_path / "b", progress=Silent(), on_score=lambda *_: None) == score


def test_texts_are_encoded_once_for_all_trials(material, tmp_path, monkeypatch):
    encoded = []
    original = edgekd.student.lesson.encode

    def counting(tokenizer, texts, max_length):
        encoded.append(len(texts))
        return original(tokenizer, texts, max_length)

    monkeypatch.setattr(edgekd.student.lesson, "encode", counting)
    train = open_trainer(CONFIG, *material)
    for rate in (0.01, 0.02):
        config = CONFIG.model_copy(update={"learning_rate": rate, "epochs": 1})
        train(config, work=tmp_path / str(rate), progress=Silent(), on_score=lambda *_: None)
    assert sorted(encoded) == [32, 32, 40, 96]  # validation for each trial


def test_a_trial_trains_with_its_own_values(material, tmp_path):
    train = open_trainer(CONFIG, *material)
    scores = []
    for name, update in {
        "labels": {"alpha": 1.0, "beta": 0.0, "learning_rate": 0.05, "epochs": 15},
        "still": {"learning_rate": 1e-9},
    }.items():
        config = CONFIG.model_copy(update=update)
        scores.append(train(config, work=tmp_path / name, progress=Silent(), on_score=lambda *_: None))
    assert scores[0] > scores[1]


def test_self_training_is_left_out(material, tmp_path):
    config = CONFIG.model_copy(update={"self_training": SelfTrainingConfig(rounds=2), "epochs": 1})
    reports = []
    open_trainer(config, *material)(config, work=tmp_path, progress=Silent(), on_score=lambda *at: reports.append(at))
    assert len(reports) == 1


def test_a_training_can_be_stopped_and_the_next_one_is_not_disturbed(material, tmp_path):
    train = open_trainer(CONFIG, *material)
    expected = train(CONFIG, work=tmp_path / "a", progress=Silent(), on_score=lambda *_: None)

    def stop(step, score):
        raise StoppedEarly

    with pytest.raises(StoppedEarly):
        train(CONFIG, work=tmp_path / "b", progress=Silent(), on_score=stop)
    assert train(CONFIG, work=tmp_path / "c", progress=Silent(), on_score=lambda *_: None) == expected
