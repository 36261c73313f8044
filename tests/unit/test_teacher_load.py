"""Opening teachers: labels, tasks, models that cannot be opened."""

import shutil

import pytest

torch = pytest.importorskip("torch")

from edgekd.compress.prune import find_groups, remove  # noqa: E402
from edgekd.compress.qat import prepare, quantized_layers  # noqa: E402
from edgekd.config import TeacherConfig  # noqa: E402
from edgekd.devices import Int8  # noqa: E402
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


def wide_model(folder):
    """A classifier with matrices that int8 rounding is for."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    make_classifier(folder)
    sizes = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 1, "intermediate_size": 128}
    shape = AutoConfig.from_pretrained(folder).to_dict() | sizes
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(AutoConfig.for_model(**shape)).eval()


@pytest.mark.parametrize("kept", [{}, {"heads": 3, "ffn": 72}], ids=["whole", "pruned"])
def test_a_model_trained_with_rounding_opens_as_it_was_saved(tmp_path, kept):
    model = wide_model(tmp_path)
    if kept:
        groups = find_groups(model, None)
        model = remove(model, {group.name: list(range(kept[group.unit])) for group in groups})
        assert model.config.edgekd_pruned
    flavour = Int8(activation="uint8", weight="int8", reason="x")
    prepare(model, per_channel=True, flavour=flavour, steps=4)
    ids = torch.tensor([[2, 7, 9, 11, 3]])
    model.train()
    model(input_ids=ids, attention_mask=torch.ones_like(ids))
    model.eval().save_pretrained(tmp_path)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        again = load_classifier(tmp_path, 32, Silent()).model
        assert quantized_layers(again).keys() == quantized_layers(model).keys()
        assert torch.equal(again(**inputs).logits, model(**inputs).logits)

        task = Task(TaskKind.SINGLE_LABEL, ("negative", "positive"))
        fresh = load_for_training(TeacherConfig(model=str(tmp_path), max_length=32), task, Silent()).model
    assert not quantized_layers(fresh)
    assert not hasattr(fresh.config, "edgekd_qat")
