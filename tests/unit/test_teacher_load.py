"""Opening teachers: labels, tasks, models that cannot be opened."""

import shutil

import pytest

torch = pytest.importorskip("torch")

from edgekd.config import TeacherConfig  # noqa: E402
from edgekd.errors import ConfigError, DataError  # noqa: E402
from edgekd.progress import Silent  # noqa: E402
from edgekd.tasks import Task, TaskKind  # noqa: E402
from edgekd.teacher.load import check_labels, encode, load_classifier, load_for_training  # noqa: E402
from tests.toys import make_classifier, make_encoder  # noqa: E402


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return load_classifier(make_classifier(tmp_path_factory.mktemp("teacher")), 32, Silent())


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


def test_a_teacher_of_another_task_is_refused(teacher):
    with pytest.raises(DataError) as caught:
        check_labels(teacher, Task(TaskKind.MULTI_LABEL, ("negative", "positive")), "t")
    assert "was trained for single label classification, but the data's task is multi-label" in caught.value.message
    assert "--task" in caught.value.hint


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        (Task(TaskKind.SINGLE_LABEL, ("a", "b")), "single_label_classification"),
        (Task(TaskKind.MULTI_LABEL, ("a", "b", "c")), "multi_label_classification"),
        (Task(TaskKind.REGRESSION, ("rating",)), "regression"),
    ],
)
def test_the_task_is_written_into_the_model_and_read_back(tmp_path, task, problem):
    made = load_for_training(TeacherConfig(model=str(make_encoder(tmp_path / "encoder"))), task, Silent())
    assert made.model.config.problem_type == problem
    made.model.save_pretrained(tmp_path / "teacher")
    made.tokenizer.save_pretrained(tmp_path / "teacher")
    again = load_classifier(tmp_path / "teacher", 32, Silent())
    assert again.model.config.problem_type == problem
    assert again.model.config.num_labels == task.num_outputs
    check_labels(again, task, "t")


def test_models_that_cannot_be_opened(tmp_path):
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
