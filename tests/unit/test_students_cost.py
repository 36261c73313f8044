"""The formulas of `edgekd students` against models that were really built and graphs that were really written."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from edgekd import units  # noqa: E402
from edgekd.compress.int8 import dynamic_int8  # noqa: E402
from edgekd.config import StudentConfig  # noqa: E402
from edgekd.devices import find_profile  # noqa: E402
from edgekd.export.onnx import export_onnx  # noqa: E402
from edgekd.student.base import count_parameters  # noqa: E402
from edgekd.student.cost import COSTS, LENGTH, Cost  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.student.names import STUDENT_KINDS  # noqa: E402
from edgekd.student.overview import DETAILS, SUMMARIES, options, rows  # noqa: E402
from edgekd.student.sizes import FORMS, SHAPE_FIELDS, SIZE_NAMES, SIZES, shape_of  # noqa: E402
from tests.students import SHAPES, make_teacher  # noqa: E402

OWN_SHAPE = [name for name in SHAPES if "cut" not in name and "on the teacher" not in name]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"))


def cost_of(config, teacher):
    shape = dict(shape_of(config))
    if config.kind == "transformer" and config.ffn_dim is None and config.hidden_dim is not None:
        shape["ffn_dim"] = 4 * config.hidden_dim
    return COSTS[config.kind](shape, vocab=len(teacher.tokenizer), labels=3)


def random_start(config):
    return config if config.kind == "linear" else config.model_copy(update={"embeddings": "random"})


@pytest.mark.parametrize("name", OWN_SHAPE)
def test_parameters_of_every_form(name, teacher):
    config = StudentConfig(**SHAPES[name])
    assert cost_of(config, teacher).parameters == count_parameters(build_student(config, teacher))


@pytest.mark.parametrize("kind", STUDENT_KINDS)
@pytest.mark.parametrize("size", SIZE_NAMES)
def test_parameters_of_every_size(kind, size, teacher):
    config = random_start(StudentConfig(kind=kind, size=size))
    assert cost_of(config, teacher).parameters == count_parameters(build_student(config, teacher))


@pytest.mark.parametrize(
    "name", ["bag", "cnn", "cnn factorised", "transformer from scratch", "transformer factorised", "linear"]
)
def test_operations_are_those_that_torch_counts(name, teacher):
    config = StudentConfig(**SHAPES[name])
    model = build_student(config, teacher).eval()
    if config.kind == "transformer":
        model.set_attn_implementation("eager")
    ids = torch.randint(5, 60, (1, LENGTH))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    assert counter.get_total_flops() == 2 * cost_of(config, teacher).macs


def test_operations_of_recurrent_layers_by_hand():
    # 10 tokens, two directions, 4 gates (GRU: 3) of 3 units that read 2 inputs and 3 states, then 6 x 2.
    shape = {"embedding_dim": 2, "hidden_dim": 3, "layers": 1}
    assert COSTS["bilstm"](shape, vocab=5, labels=2, length=10).macs == 10 * 2 * 4 * 3 * (2 + 3) + 12
    assert COSTS["bigru"](shape, vocab=5, labels=2, length=10).macs == 10 * 2 * 3 * 3 * (2 + 3) + 12


def test_bytes_by_hand():
    cost = Cost(parameters=100, macs=7, int8_parameters=60) + Cost(parameters=10)
    assert (cost.parameters, cost.macs, cost.fp32_bytes, cost.int8_bytes) == (110, 7, 440, 50 * 4 + 60)


@pytest.mark.parametrize("kind", STUDENT_KINDS)
def test_bytes_are_close_to_those_of_the_graphs(kind, tmp_path):
    teacher = make_teacher(tmp_path / "teacher")
    teacher.model.resize_token_embeddings(3_000)
    config = random_start(StudentConfig(kind=kind, size="micro"))
    model = build_student(config, teacher)
    with torch.no_grad():  # equal weights, as the zeros of a start, would be stored once
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    cost = COSTS[kind](dict(shape_of(config)), vocab=3_000, labels=3)
    fp32, int8 = tmp_path / "fp32.onnx", tmp_path / "int8.onnx"
    export_onnx(model, fp32, opset=18)
    dynamic_int8(fp32, int8, find_profile("cpu").int8)
    # A graph also has some constants, and an int8 one a scale and a zero point for each column of a matrix. That of a
    # transformer lacks the vector of the one token type, which is added to those of the positions.
    assert -300 < weight_bytes(fp32) - cost.fp32_bytes < 2_000
    assert 0 <= weight_bytes(int8) - cost.int8_bytes < 0.05 * cost.int8_bytes


def weight_bytes(path):
    return sum(onnx.numpy_helper.to_array(weight).nbytes for weight in onnx.load(path).graph.initializer)


def test_the_cut_teacher_of_the_table_is_the_known_one():
    # all-MiniLM-L6-v2 has 22.7 M parameters with 6 layers and no classifier of its own.
    [three] = [row for row in rows(30_522, 2) if row.size.startswith("3 of 6")]
    layer = 4 * (384 * 384 + 384) + 2 * 384 * 1536 + 1536 + 384 + 4 * 384
    assert three.cost.parameters + 3 * layer == 22_713_216 + 2 * 384 + 2


def test_every_kind_is_described():
    assert set(SUMMARIES) == set(DETAILS) == set(SIZES) == set(FORMS) == set(STUDENT_KINDS)
    for kind in STUDENT_KINDS:
        assert tuple(SIZES[kind]) == SIZE_NAMES
        assert all(options(kind).values())
    assert options("transformer")["heads"].endswith("Only from scratch.")
    # Every option of a shape is a field of the configuration, with a None that means "not given".
    assert all(StudentConfig.model_fields[name].default is None for name in SHAPE_FIELDS)


def test_the_documentation_has_the_numbers_of_the_command():
    text = (Path(__file__).parents[2] / "docs" / "students.md").read_text(encoding="utf-8")
    for row in rows(30_522, 2):
        bytes_ = f"{units.size(row.cost.fp32_bytes)} | {units.size(row.cost.int8_bytes)} |"
        numbers = f"{units.count(row.cost.parameters)} | {units.count(row.cost.macs)} | {bytes_}"
        [line] = [line for line in text.splitlines() if line.startswith(f"| `{row.kind}` | {row.size} |")]
        assert line.endswith(numbers)


def test_own_tokens_make_small_students_small():
    smaller, larger = (rows(vocab, 2, ("bag",))[0].cost.parameters for vocab in (4_000, 30_522))
    assert larger - smaller == (30_522 - 4_000) * (16 + 1)
