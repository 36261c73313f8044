"""Removing units: the same logits as with zeros in their place, real smaller tensors, folders that open again."""

from __future__ import annotations

import copy
import json
import random

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from transformers import AutoModelForSequenceClassification  # noqa: E402

from edgekd.compress.prune import find_groups, macs, remove, zeroed  # noqa: E402
from edgekd.compress.prune.shape import RECORD  # noqa: E402
from edgekd.config import StudentConfig, TeacherConfig  # noqa: E402
from edgekd.errors import InvalidArtifact, NotApplicable  # noqa: E402
from edgekd.export.onnx import export_onnx  # noqa: E402
from edgekd.export.parity import graph_logits  # noqa: E402
from edgekd.progress import Silent  # noqa: E402
from edgekd.student.base import count_parameters  # noqa: E402
from edgekd.student.cut import cut_layers  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.tasks import Task, TaskKind  # noqa: E402
from edgekd.teacher.load import load_classifier, load_for_training  # noqa: E402
from tests.students import SHAPES, make_teacher  # noqa: E402

FAMILIES = ["bert", "distilbert", "roberta", "electra"]
STUDENTS = [name for name in SHAPES if name.startswith(("bag", "cnn", "bi"))]
IDS = [[2, 17, 31, 8, 44, 3], [2, 3], [2, 9, 3], [2, 51, 50, 49, 48, 47, 46, 3]]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """All kinds, with random weights that are large enough for every unit to matter."""
    teachers = {name: make_teacher(tmp_path_factory.mktemp(name), family=name) for name in FAMILIES}
    found = {name: teacher.model for name, teacher in teachers.items()}
    found |= {name: build_student(StudentConfig(**SHAPES[name]), teachers["bert"]) for name in STUDENTS}
    torch.manual_seed(1)
    with torch.no_grad():
        for model in found.values():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.3)
            model.eval()
    return found, teachers["bert"].tokenizer


def padded(rows):
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, mask


def logits(model):
    ids, mask = padded(IDS)
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=mask).logits


def some_kept(groups, draw):
    """Any set of units of each group, equally many where groups are tied."""
    sizes = {}
    for group in groups:
        sizes.setdefault(group.tied, draw.randint(1, group.count))
    return {group.name: sorted(draw.sample(range(group.count), sizes[group.tied])) for group in groups}


@pytest.mark.parametrize("name", [*FAMILIES, *STUDENTS])
@settings(max_examples=5)
@given(draw=st.randoms(use_true_random=False))
def test_a_model_without_units_is_the_one_with_zeros_in_their_place(name, models, draw):
    model = models[0][name]
    kept = some_kept(find_groups(model), draw)
    smaller, same = remove(model, kept), zeroed(model, kept)
    assert torch.allclose(logits(smaller), logits(same), atol=1e-5)
    assert count_parameters(same) == count_parameters(model)
    assert {group.name: group.count for group in find_groups(smaller)} == {key: len(kept[key]) for key in kept}


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_way_to_compute_attention_takes_fewer_heads(name, attention, models):
    model = copy.deepcopy(models[0][name])
    model.set_attn_implementation(attention)
    kept = {group.name: [group.count - 1] for group in find_groups(model, ["heads"])}
    smaller = remove(model, kept)
    assert smaller.config._attn_implementation == attention
    assert torch.allclose(logits(smaller), logits(zeroed(model, kept)), atol=1e-5)


@pytest.mark.parametrize("name", [*FAMILIES, *STUDENTS])
def test_tensors_are_smaller_and_the_original_is_untouched(name, models):
    model = models[0][name]
    before, parameters = logits(model), count_parameters(model)
    kept = some_kept(find_groups(model), random.Random(3))
    kept = {key: units[: max(1, len(units) // 2)] for key, units in kept.items()}
    smaller = remove(model, kept)
    assert count_parameters(smaller) < parameters == count_parameters(model)
    assert macs(smaller) < macs(model)
    assert torch.equal(logits(model), before)
    assert not [buffer for buffer in smaller.state_dict() if "mask" in buffer]


@pytest.mark.parametrize("name", [*FAMILIES, *STUDENTS])
def test_a_pruned_folder_opens_again(name, models, tmp_path):
    found, tokenizer = models
    groups = find_groups(found[name])
    smaller = remove(found[name], some_kept(groups, random.Random(5)))
    smaller.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = load_classifier(tmp_path, 64, Silent()).model
    assert torch.equal(logits(again), logits(smaller))
    # And it can be pruned further.
    twice = remove(again, {group.name: [0] for group in find_groups(again)})
    twice.save_pretrained(tmp_path)
    assert torch.equal(logits(load_classifier(tmp_path, 64, Silent()).model), logits(twice))


@pytest.mark.parametrize("name", FAMILIES)
def test_equal_feed_forward_widths_need_no_record_and_any_tool_opens_them(name, models, tmp_path):
    model = models[0][name]
    smaller = remove(model, {group.name: list(range(16, 40)) for group in find_groups(model, ["ffn"])})
    smaller.save_pretrained(tmp_path)
    assert RECORD not in json.loads((tmp_path / "config.json").read_text())
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert torch.equal(logits(again), logits(smaller))


def test_the_record_has_plain_numbers_of_what_differs(models, tmp_path):
    model = models[0]["bert"]
    remove(model, {"bert.encoder.layer.1.heads": [1], "bert.encoder.layer.2.ffn": list(range(8))}).save_pretrained(
        tmp_path
    )
    config = json.loads((tmp_path / "config.json").read_text())
    assert config[RECORD] == {"bert.encoder.layer.1.heads": 1, "bert.encoder.layer.2.ffn": 8}
    assert (config["num_attention_heads"], config["intermediate_size"]) == (2, 64)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("cnn", "filters", [1, 2, 6]),
        ("bilstm of two layers", "hidden_dim", [1, 2]),
        ("bigru of two layers", "hidden_dim", [1, 2]),
        ("bilstm", "hidden_dim", 1),
        ("bag", "hidden_dim", 1),
    ],
)
def test_our_students_say_their_widths_in_their_own_fields(name, field, value, models):
    model = models[0][name]
    widths = iter([value] if isinstance(value, int) else value)
    tied: dict[str, int] = {}
    for group in find_groups(model):
        if group.tied not in tied:
            tied[group.tied] = next(widths)
    smaller = remove(model, {group.name: list(range(tied[group.tied])) for group in find_groups(model)})
    assert getattr(smaller.config, field) == value
    # The same widths everywhere are one number.
    even = remove(model, {group.name: [0] for group in find_groups(model)})
    assert getattr(even.config, field) == 1


@pytest.mark.parametrize("name", ["bert", "bigru of two layers"])
def test_pruned_models_export(name, models, tmp_path):
    model = models[0][name]
    if name in FAMILIES:
        model = cut_layers(model, [0])
    model = remove(model, some_kept(find_groups(model), random.Random(7)))
    expected = logits(model)
    export_onnx(model, tmp_path / "model.onnx", opset=18)
    assert abs(graph_logits(tmp_path / "model.onnx", IDS, pad_token_id=0) - expected.numpy()).max() < 1e-4


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ([1], "no table"),
        ({"bert.encoder.layer.7.heads": 1}, "does not have"),
        ({"bert.encoder.layer.0.heads": 0}, "Allowed: 1 to 2"),
        ({"bert.encoder.layer.0.heads": 3}, "Allowed: 1 to 2"),
        ({"bert.encoder.layer.0.heads": True}, "Allowed: 1 to 2"),
        ({"bert.encoder.layer.0.ffn": 5}, "do not fit"),
    ],
)
def test_a_damaged_record_is_an_error_in_words(record, words, models, tmp_path):
    found, tokenizer = models
    remove(found["bert"], {"bert.encoder.layer.0.heads": [1]}).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, RECORD: record}))
    with pytest.raises(InvalidArtifact, match=words):
        load_classifier(tmp_path, 64, Silent())


def test_damaged_weights_are_an_error_in_words(models, tmp_path):
    found, tokenizer = models
    remove(found["bert"], {"bert.encoder.layer.0.heads": [1]}).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(InvalidArtifact, match="cannot be read"):
        load_classifier(tmp_path, 64, Silent())


@pytest.mark.parametrize("labels", [("bad", "good", "so-so"), ("no", "yes")])
def test_a_pruned_model_can_be_fine_tuned_again(labels, models, tmp_path):
    found, tokenizer = models
    smaller = remove(found["bert"], {"bert.encoder.layer.0.heads": [1]})
    smaller.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    task = Task(TaskKind.SINGLE_LABEL, labels)
    again = load_for_training(TeacherConfig(model=str(tmp_path), max_length=64), task, Silent()).model
    assert again.config.num_labels == len(labels)
    assert logits(again).shape == (4, len(labels))
    for name, weight in smaller.bert.state_dict().items():
        assert torch.equal(again.bert.state_dict()[name], weight)


def test_only_the_wanted_units_are_found(models):
    assert {group.unit for group in find_groups(models[0]["bert"], ["ffn"])} == {"ffn"}
    assert [group.count for group in find_groups(models[0]["bert"], ["heads"])] == [2, 2, 2]
    assert {group.unit for group in find_groups(models[0]["electra"])} == {"heads", "ffn"}
    with pytest.raises(NotApplicable, match=r"no attention heads to remove; it has filters\."):
        find_groups(models[0]["cnn"], ["heads"])


def test_a_linear_student_has_nothing_to_remove(tmp_path):
    student = build_student(StudentConfig(kind="linear"), make_teacher(tmp_path))
    with pytest.raises(NotApplicable, match="edgekd-linear"):
        find_groups(student)


def test_what_does_not_learn_stays_frozen_in_a_smaller_model(models):
    model = copy.deepcopy(models[0]["bert"])
    model.bert.requires_grad_(False)
    smaller = remove(model, {"bert.encoder.layer.0.heads": [1]})
    assert [name for name, value in smaller.named_parameters() if value.requires_grad] == [
        "classifier.weight",
        "classifier.bias",
    ]
