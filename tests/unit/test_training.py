"""The training loop: learning, resuming, mean weights, the objective's own parameters."""

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from edgekd import trainer  # noqa: E402
from edgekd.batches import EncodedTexts, predict_logits  # noqa: E402
from edgekd.config import FeatureLossConfig, StudentConfig  # noqa: E402
from edgekd.goals import Schedule, ValidationTexts  # noqa: E402
from edgekd.progress import Silent  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.student.objective import DistillationObjective, LabelObjective  # noqa: E402
from edgekd.tasks import TaskKind  # noqa: E402
from edgekd.teacher.load import encode, load_classifier  # noqa: E402
from edgekd.trainer import BEST_FILE, has_fast_bf16  # noqa: E402
from edgekd.training import CHECKPOINT_FILES, last_complete_checkpoint, train  # noqa: E402
from tests.toys import make_classifier, toy_data  # noqa: E402

SCHEDULE = {"epochs": 6, "learning_rate": 5e-2, "batch_size": 16, "warmup_ratio": 0.0, "weight_decay": 0.0}
SCHEDULE |= {"patience": 9, "seed": 0}
BAG = StudentConfig(kind="bag", embedding_dim=8)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return load_classifier(make_classifier(tmp_path_factory.mktemp("teacher")), 32, Silent())


@pytest.fixture(scope="module")
def sets(teacher):
    data = toy_data()
    train_ids, validation_ids = (encode(teacher.tokenizer, part.texts, 32) for part in (data.train, data.validation))
    return EncodedTexts(train_ids, data.train.targets), ValidationTexts(
        data.task, validation_ids, data.validation.targets
    )


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


def run(teacher, sets, work, *, config=BAG, progress=None, objective=None, **changes):
    model = build_student(config, teacher)
    outcome = train(
        model,
        *sets,
        objective=objective(model) if objective else LabelObjective(TaskKind.SINGLE_LABEL),
        schedule=Schedule(**SCHEDULE | changes),
        work=work,
        description="x",
        progress=progress or Silent(),
    )
    return model, outcome


def weights(model):
    return np.concatenate([value.detach().numpy().ravel() for value in model.state_dict().values()])


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_training_learns_and_a_killed_run_ends_like_one_that_was_not(teacher, sets, tmp_path, average):
    with pytest.raises(Killed):
        run(teacher, sets, tmp_path / "work", progress=DiesAfter(20), average=average)
    again = DiesAfter(-1)
    model, outcome = run(teacher, sets, tmp_path / "work", progress=again, average=average)
    assert outcome.resumed_from_step == 18  # three epochs of six steps were finished
    assert again.seen[0] == 19
    assert outcome.steps == 36
    assert len(outcome.validation_scores) == 6
    assert outcome.best_validation_score == max(outcome.validation_scores) > 0.9
    logits = predict_logits(model, sets[1].input_ids)
    accuracy = (logits.argmax(axis=1) == np.array(toy_data().validation.targets)).mean()
    assert accuracy == pytest.approx(outcome.best_validation_score)
    whole, _ = run(teacher, sets, tmp_path / "other", average=average)
    assert weights(model) == pytest.approx(weights(whole), abs=1e-6)


def test_what_has_ended_is_not_trained_again(teacher, sets, tmp_path):
    first, outcome = run(teacher, sets, tmp_path)
    assert not list(tmp_path.glob("checkpoint-*"))
    progress = DiesAfter(1)
    second, again = run(teacher, sets, tmp_path, progress=progress)
    assert progress.seen == []
    assert again == outcome
    assert np.array_equal(weights(first), weights(second))


def test_patience_ends_a_training_that_gets_no_better(teacher, sets, tmp_path):
    _, outcome = run(teacher, sets, tmp_path, learning_rate=1e-12, patience=2)
    assert outcome.steps == 18  # the first score, and two that are no better


def test_epochs_of_feature_losses_come_first_and_their_projection_survives_a_kill(teacher, sets, tmp_path):
    config = StudentConfig(
        kind="bag", embedding_dim=8, feature_losses=[FeatureLossConfig(kind="cosine")], feature_epochs=2
    )
    made = []

    def objective(model):
        made.append(
            DistillationObjective(TaskKind.SINGLE_LABEL, config, student=model, teacher=teacher.model, sample=None)
        )
        return made[-1]

    data = toy_data()
    logits = predict_logits(teacher.model, sets[0].input_ids)
    with_logits = EncodedTexts(sets[0].input_ids, data.train.targets, logits)
    both = (with_logits, sets[1])
    options = {"config": config, "objective": objective, "feature_epochs": 2, "epochs": 2, "learning_rate": 1e-3}
    with pytest.raises(Killed):
        run(teacher, both, tmp_path / "work", progress=DiesAfter(8), **options)
    _, outcome = run(teacher, both, tmp_path / "work", **options)
    assert outcome.resumed_from_step == 6
    assert outcome.steps == 24
    killed = made[-1]
    run(teacher, both, tmp_path / "other", **options)
    own = [parameter.detach().numpy() for parameter in made[-1].parameters()]
    assert own
    for parameter, other in zip(killed.parameters(), own, strict=True):
        assert parameter.detach().numpy() == pytest.approx(other, abs=1e-6)


def test_a_half_written_checkpoint_is_not_used(tmp_path):
    (tmp_path / BEST_FILE).write_text("")
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


def test_mixed_precision_of_the_training_does_not_stay_in_the_model(teacher, sets, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "has_fast_bf16", lambda _: True)
    config = StudentConfig(kind="transformer", layers=1)
    model, _ = run(teacher, sets, tmp_path, config=config, epochs=1, learning_rate=1e-3)
    model.save_pretrained(tmp_path / "saved")
    again = type(model).from_pretrained(tmp_path / "saved")
    ids = sets[1].input_ids
    assert np.array_equal(predict_logits(model, ids), predict_logits(again, ids))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU decides by itself")
def test_only_models_of_matrix_products_are_trained_in_bf16_on_a_cpu_that_has_it(teacher, monkeypatch):
    machine = trainer.describe_machine()
    bag = build_student(BAG, teacher)
    for isa, expected in ((["avx512_bf16"], True), (["avx2"], False)):
        monkeypatch.setattr(trainer, "describe_machine", lambda isa=isa: machine.model_copy(update={"isa": isa}))
        assert has_fast_bf16(teacher.model) is expected
        assert not has_fast_bf16(bag)
