"""A fresh classifier starts with the frequencies of the labels."""

import math

import pytest

torch = pytest.importorskip("torch")

from edgekd.config import StudentConfig  # noqa: E402
from edgekd.student.base import classifier_of, start_at_priors  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.tasks import Task, TaskKind  # noqa: E402
from tests.students import make_teacher  # noqa: E402

LABELS = ("a", "b", "c")
SINGLE, MULTI = (Task(kind, LABELS) for kind in (TaskKind.SINGLE_LABEL, TaskKind.MULTI_LABEL))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"))


def fresh(teacher, **options):
    return build_student(StudentConfig(**{"kind": "cnn", "embedding_dim": 8} | options), teacher)


def bias(model):
    return classifier_of(model)[1].bias.tolist()


def test_classes_get_log_probabilities(teacher):
    model = fresh(teacher)
    start_at_priors(model, SINGLE, [0] * 5 + [1] * 2 + [2])
    assert bias(model) == pytest.approx([math.log(6 / 10), math.log(3 / 10), math.log(2 / 10)], abs=1e-6)


def test_labels_get_log_odds_also_when_no_text_has_them(teacher):
    model = fresh(teacher)
    start_at_priors(model, MULTI, [(0, 1), (0,), (), (0,)])
    shares = [4 / 6, 2 / 6, 1 / 6]
    assert bias(model) == pytest.approx([math.log(p / (1 - p)) for p in shares], abs=1e-6)


def test_a_value_starts_at_the_mean_and_only_its_head_changes(teacher):
    model = fresh(teacher)
    start_at_priors(model, Task(TaskKind.REGRESSION, ("rating",)), [1.0, 2.0, 6.0], start=1)
    assert bias(model) == pytest.approx([0, 3, 0])


def test_a_linear_student_has_its_bias_elsewhere(teacher):
    model = build_student(StudentConfig(kind="linear", size="nano"), teacher)
    start_at_priors(model, SINGLE, [0, 1, 1, 1])
    assert model.bias.tolist() == pytest.approx([math.log(2 / 6), math.log(4 / 6), math.log(1 / 6)], abs=1e-6)


def test_a_classifier_that_has_learnt_is_left_alone(teacher):
    model = build_student(StudentConfig(kind="transformer", layers=1), teacher)
    with torch.no_grad():
        classifier_of(model)[1].bias.fill_(0.5)
    start_at_priors(model, SINGLE, [0, 1, 1])
    assert bias(model) == [0.5, 0.5, 0.5]
