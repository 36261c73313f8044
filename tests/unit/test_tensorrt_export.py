"""TensorRT folders: which graphs its parser would read, shapes, int8, and the script that builds the engine."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgekd.compress.graph import load, operator_counts
from edgekd.compress.static_int8 import static_int8
from edgekd.devices import Int8, find_profile
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.export.tensorrt import GUIDE_FILE, check_graph, check_shapes, write_tensorrt
from edgekd.export.tensorrt.int8 import fold_biases, widen_tables
from edgekd.export.tensorrt.script import board_software, shape_flags
from edgekd.runtime.shape_range import ShapeRange, shape_range
from edgekd.runtime.tensorrt_session import BUILD_SCRIPT, ENGINE_FILE, ENGINE_RECORD
from edgekd.steps import StaticInt8Step
from tests.bundles import make_bundle
from tests.graphs import VOCABULARY, make_graph, mean_graph, run, some_rows
from tests.jetson import as_tensorrt, make_trtexec, run_script

JETSON = find_profile("jetson")
S8S8 = Int8(activation="int8", weight="int8", reason="test")


def write(source, folder, **options):
    folder.mkdir(parents=True)
    return write_tensorrt(source, folder, profile=JETSON, name="toy", max_length=32, **options)


def problems(path, precision="fp16"):
    return check_graph(load(path), precision).problems


def one_node(path, node, constants=(), **options):
    """Write: token vectors, one node on them, their mean as logits."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"]),
        node,
        helper.make_node("ReduceMean", ["changed", "axis"], ["logits"], keepdims=0),
    ]
    table = np.ones((VOCABULARY, 2), np.float32)
    return make_graph(path, nodes, {"table": table, "axis": np.array([1]), **dict(constants)}, **options)


# Operators


def test_a_portable_graph_has_no_problems(tmp_path):
    found = check_graph(load(mean_graph(tmp_path / "m.onnx")), "fp16")
    assert (found.problems, found.notes) == ([], [])


@pytest.mark.parametrize("name", ["Hardmax", "Shrink", "MeanVarianceNormalization"])
def test_an_operator_that_is_not_read_is_a_problem(tmp_path, name):
    path = one_node(tmp_path / "m.onnx", helper.make_node("Identity", ["vectors"], ["changed"]))
    model = onnx.load(path)
    model.graph.node[1].op_type = name
    assert check_graph(model, "fp16").problems == [f"{name}: not read"]


def test_operators_of_onnx_runtime_are_a_problem(tmp_path):
    path = one_node(tmp_path / "m.onnx", helper.make_node("Identity", ["vectors"], ["changed"]))
    model = onnx.load(path)
    model.graph.node[1].op_type, model.graph.node[1].domain = "BiasGelu", "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    [problem] = check_graph(model, "fp16").problems
    assert problem == "com.microsoft::BiasGelu: ONNX Runtime's own; export the portable graph"


def test_a_newer_opset_is_a_problem(tmp_path):
    model = load(mean_graph(tmp_path / "m.onnx"))
    model.opset_import[0].version = 21
    assert check_graph(model, "fp16").problems == ["opset 21 is newer than 20, the newest that it reads"]


def test_int8_values_are_read_only_between_quantize_and_dequantize(tmp_path):
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["rows"], ["vectors"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["vectors", "axis"], ["logits"], keepdims=0),
    ]
    table = np.arange(VOCABULARY * 2, dtype=np.int8).reshape(VOCABULARY, 2)
    path = make_graph(tmp_path / "m.onnx", nodes, {"table": table, "axis": np.array([1])})
    assert problems(path) == ["Gather of int8: not read", "Cast of int8: not read"]
    model, before = load(path), [run(path, row) for row in some_rows()]
    assert widen_tables(model) == 1
    onnx.save(model, str(path))
    assert problems(path) == []
    assert operator_counts(model) == {"Gather": 1, "ReduceMean": 1}
    np.testing.assert_array_equal([run(path, row) for row in some_rows()], before)


def test_axes_that_are_computed_are_a_problem(tmp_path):
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"]),
        helper.make_node("Identity", ["axis"], ["computed"]),
        helper.make_node("ReduceMean", ["vectors", "computed"], ["logits"], keepdims=0),
    ]
    path = make_graph(tmp_path / "m.onnx", nodes, {"table": np.ones((9, 2), np.float32), "axis": np.array([1])})
    assert problems(path) == ["ReduceMean: its axes must be constant"]


def test_integers_where_only_floats_are_documented_are_a_note(tmp_path):
    clip = helper.make_node("Clip", ["input_ids", "low", "high"], ["clipped"])
    nodes = [
        clip,
        helper.make_node("Gather", ["table", "clipped"], ["vectors"]),
        helper.make_node("ReduceMean", ["vectors", "axis"], ["logits"], keepdims=0),
    ]
    constants = {"table": np.ones((9, 2), np.float32), "axis": np.array([1]), "low": np.int64(0), "high": np.int64(8)}
    found = check_graph(load(make_graph(tmp_path / "m.onnx", nodes, constants)), "fp16")
    assert found.problems == []
    assert found.notes == ["Clip of int64: not documented"]


@pytest.mark.parametrize(("precision", "count"), [("fp16", 1), ("fp32", 0)])
def test_constants_that_fp16_cannot_hold_are_a_note(tmp_path, precision, count):
    low = np.finfo(np.float32).min
    node = helper.make_node("Max", ["vectors", "low"], ["changed"])
    found = check_graph(load(one_node(tmp_path / "m.onnx", node, {"low": low})), precision)
    assert found.problems == []
    assert len(found.notes) == count
    assert all("beyond the range of fp16" in note for note in found.notes)


def test_recurrent_layers_may_not_be_batch_first(tmp_path):
    weights = {"w": np.zeros((1, 8, 2), np.float32), "r": np.zeros((1, 8, 2), np.float32)}
    node = helper.make_node("LSTM", ["vectors", "w", "r"], ["", "changed"], hidden_size=2, layout=1)
    path = one_node(tmp_path / "m.onnx", node, weights)
    assert "LSTM: layout must be 0" in problems(path)


# int8


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    path, target = mean_graph(folder / "m.onnx"), folder / "q.onnx"
    static_int8(path, target, S8S8, step=StaticInt8Step(), rows=some_rows(40), pad_token_id=0)
    return target


def test_int8_on_both_sides_is_symmetric(quantized):
    points = [
        numpy_helper.to_array(tensor)
        for tensor in load(quantized).graph.initializer
        if tensor.name.endswith("zero_point") and tensor.data_type == TensorProto.INT8
    ]
    assert len(points) == 2  # of what goes into the hidden layer, and of its weights
    assert not any(point.any() for point in points)


def test_biases_become_floats_with_the_same_values(tmp_path, quantized):
    assert "DequantizeLinear of int32: not read" in problems(quantized, "int8")
    model = load(quantized)
    assert fold_biases(model) == 1
    widen_tables(model)
    onnx.save(model, str(tmp_path / "f.onnx"))
    assert problems(tmp_path / "f.onnx", "int8") == []
    for row in some_rows():
        np.testing.assert_allclose(run(tmp_path / "f.onnx", row), run(quantized, row), atol=1e-6)


def test_unsigned_int8_is_a_problem(tmp_path):
    flavour = Int8(activation="uint8", weight="int8", reason="test")
    path = mean_graph(tmp_path / "m.onnx")
    static_int8(path, tmp_path / "q.onnx", flavour, step=StaticInt8Step(), rows=some_rows(40), pad_token_id=0)
    with pytest.raises(InvalidArtifact, match="the zero point must be 0, of type int8"):
        write(tmp_path / "q.onnx", tmp_path / "out", precision="int8")


def test_the_precision_must_be_that_of_the_graph(tmp_path, quantized):
    with pytest.raises(InvalidArtifact, match="int8 needs QuantizeLinear/DequantizeLinear pairs"):
        write(mean_graph(tmp_path / "m.onnx"), tmp_path / "a", precision="int8")
    with pytest.raises(InvalidArtifact, match="quantized to int8, and fp16 was asked for"):
        write(quantized, tmp_path / "b")
    with pytest.raises(ConfigError, match="Unknown precision 'int4'"):
        write(quantized, tmp_path / "c", precision="int4")


# Shapes


@given(
    st.lists(st.integers(1, 512), max_size=4, unique=True).map(sorted),
    st.one_of(st.none(), st.integers(1, 64)),
    st.integers(1, 512),
    st.integers(1, 512),
)
def test_the_usual_shape_lies_between_the_smallest_and_the_largest(lengths, batch, max_length, usual):
    shapes = shape_range(lengths, batch, max_length, usual_length=usual)
    pairs = list(zip(shapes.smallest, shapes.usual, shapes.largest, strict=True))
    assert all(1 <= low <= middle <= high for low, middle, high in pairs)
    if lengths:
        assert shapes.usual[1] in lengths  # what texts are padded to
        assert (shapes.smallest[1], shapes.largest[1]) == (lengths[0], lengths[-1])
    assert shapes.is_fixed == (batch is not None and len({shapes.smallest[1], shapes.largest[1]}) == 1)


def test_a_fixed_shape_needs_no_flags():
    names = ["input_ids", "attention_mask"]
    assert shape_flags(names, shape_range([64], 1, 128)) == []
    assert shape_flags(names, shape_range([], None, 128)) == [
        "--minShapes=input_ids:1x1,attention_mask:1x1",
        "--optShapes=input_ids:1x32,attention_mask:1x32",
        "--maxShapes=input_ids:8x128,attention_mask:8x128",
    ]


def test_a_graph_that_cannot_take_the_shapes_is_refused(tmp_path):
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"]),
        helper.make_node("Add", ["vectors", "positions"], ["placed"]),
        helper.make_node("ReduceMean", ["placed", "axis"], ["logits"], keepdims=0),
    ]
    constants = {"table": np.ones((9, 2), np.float32), "positions": np.ones((16, 2), np.float32), "axis": np.array([1])}
    model = load(make_graph(tmp_path / "m.onnx", nodes, constants))
    check_shapes(model, ShapeRange((1, 16), (1, 16), (8, 16)))
    with pytest.raises(InvalidArtifact, match="does not take 1 texts of 15 tokens"):
        check_shapes(model, ShapeRange((1, 15), (1, 16), (8, 16)))


def test_an_output_without_a_row_a_text_is_refused(tmp_path):
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"]),
        helper.make_node("ReduceMean", ["vectors", "axis"], ["logits"], keepdims=0),
    ]
    constants = {"table": np.ones((9, 2), np.float32), "axis": np.array([0])}
    model = load(make_graph(tmp_path / "m.onnx", nodes, constants))
    with pytest.raises(InvalidArtifact, match="not a row a text"):
        check_shapes(model, ShapeRange((1, 4), (1, 4), (2, 4)))


# Profiles


def test_the_versions_come_from_the_profile():
    software = board_software(JETSON)
    assert (software.tensorrt, software.jetpack, software.l4t) == ("10.3", "6.1 or 6.2", "36")


@pytest.mark.parametrize(
    ("stack", "message"),
    [("", "has no TensorRT"), ("JetPack 5.1.1, CUDA 11.4, TensorRT 8.5", r"8\.5; 10\.0 or later is needed")],
)
def test_a_profile_without_a_usable_tensorrt_is_refused(tmp_path, stack, message):
    old = JETSON.model_copy(update={"software": JETSON.software.model_copy(update={"stack": stack})})
    with pytest.raises(ConfigError, match=message):
        write_tensorrt(mean_graph(tmp_path / "m.onnx"), tmp_path, profile=old, name="toy", max_length=32)


# The script


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("onnx"))


@pytest.fixture
def bundle(tmp_path, source):
    return as_tensorrt(tmp_path / "a bundle", source)


@pytest.fixture
def trtexec(tmp_path):
    return make_trtexec(tmp_path / "bin dir")


def test_the_script_builds_an_engine_and_says_what_from(bundle, trtexec):
    done = run_script(bundle.folder, trtexec=trtexec)
    assert done.returncode == 0, done.stderr
    assert "this board runs L4T R36.4.3" in done.stdout
    assert done.stderr == ""
    head = json.loads((bundle.folder / ENGINE_FILE).read_bytes().split(b"\n")[1])
    assert "--fp16" in head["arguments"]
    assert "--skipInference" in head["arguments"]
    assert json.loads((bundle.folder / ENGINE_RECORD).read_text()) == {
        "onnx_sha256": bundle.manifest.files["model.onnx"],
        "tensorrt": "10.3.0",
        "precision": "fp16",
    }
    assert not list(bundle.folder.glob("*.building"))


@pytest.mark.parametrize(("arguments", "flag"), [((), "--fp16"), (("--fp32",), "--noTF32")])
def test_a_dry_run_prints_the_command_and_does_nothing(bundle, trtexec, arguments, flag):
    before = {path.name for path in bundle.folder.iterdir()}
    for extra, env in (("--dry-run",), {}), ((), {"DRY_RUN": "1"}):
        done = run_script(bundle.folder, *arguments, *extra, "--", "--verbose", trtexec=trtexec, **env)
        command = shlex.split(done.stdout.splitlines()[-1])
        assert (command[0], command[-1]) == (str(trtexec), "--verbose")
        assert flag in command
        assert "--maxShapes=input_ids:8x64,attention_mask:8x64" in command
    assert {path.name for path in bundle.folder.iterdir()} == before


def test_a_dry_run_needs_no_trtexec(bundle):
    done = run_script(bundle.folder, "--dry-run", trtexec=Path("/nowhere/trtexec"))
    assert done.returncode == 0
    assert "trtexec was not found" in done.stderr
    assert done.stdout.splitlines()[-1].startswith("/nowhere/trtexec --onnx=model.onnx")


@pytest.mark.parametrize(
    ("arguments", "env", "code", "said"),
    [
        (("--help",), {}, 0, "Usage: bash build_engine.sh"),
        (("--fp8",), {}, 2, "unknown option: --fp8"),
        ((), {"TRTEXEC": "/nowhere/trtexec"}, 3, "trtexec was not found (/nowhere/trtexec): sudo apt install"),
        ((), {"STANDIN_VERSION": "8502"}, 3, "this board has TensorRT 8.5.2, the bundle is for 10.3 (JetPack 6.1 or"),
        (("--any-version",), {"STANDIN_VERSION": "110000"}, 0, "warning: TensorRT 11.0.0 instead of 10.3"),
        ((), {"STANDIN_VERSION": "100700"}, 0, "warning: TensorRT 10.7.0; the graph was checked against 10.3"),
        ((), {"STANDIN_VERSION": "new"}, 3, "does not say its version"),
        ((), {"TEGRA_RELEASE_FILE": "/nowhere"}, 0, "is this a Jetson?"),
        ((), {"STANDIN_TRTEXEC_FAILS": "1"}, 3, "trtexec failed (see above)"),
        (("--", "--wrong"), {}, 3, "Unknown option: --wrong"),
    ],
)  # fmt: skip
def test_what_the_script_says(bundle, trtexec, arguments, env, code, said):
    done = run_script(bundle.folder, *arguments, **{"TRTEXEC": str(trtexec), **env})
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    assert (bundle.folder / ENGINE_FILE).exists() == (code == 0 and "--help" not in arguments)


def test_the_script_warns_on_another_jetpack(tmp_path, bundle, trtexec):
    release = tmp_path / "release"
    release.write_text("# R35 (release), REVISION: 4.1, GCID: 33958178\n")
    done = run_script(bundle.folder, trtexec=trtexec, TEGRA_RELEASE_FILE=str(release))
    assert done.returncode == 0
    assert "warning: JetPack 6.1 or 6.2 is L4T R36; the bundle was made for that" in done.stderr


def test_a_changed_graph_is_not_built(bundle, trtexec):
    with (bundle.folder / "model.onnx").open("ab") as stream:
        stream.write(b"x")
    done = run_script(bundle.folder, trtexec=trtexec)
    assert done.returncode == 3
    assert "model.onnx is not the file that was exported" in done.stderr


def test_names_are_quoted_for_the_shell(tmp_path, trtexec):
    folder = tmp_path / "bundle"
    folder.mkdir()
    name = 'it\'s "x"; $(touch /tmp/edgekd-was-here) @NAME@ \\'
    write_tensorrt(mean_graph(tmp_path / "m.onnx"), folder, profile=JETSON, name=name, max_length=32)
    done = run_script(folder, trtexec=trtexec)
    assert done.returncode == 0, done.stderr
    assert f"building model.engine of {name} (jetson-orin-nano, fp16)" in done.stdout
    assert not Path("/tmp/edgekd-was-here").exists()


@pytest.mark.parametrize("options", [{}, {"lengths": [16], "batch": 1}])
def test_shellcheck_finds_nothing(tmp_path, options):
    found = shutil.which("shellcheck") or shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("shellcheck is not installed")
    write(mean_graph(tmp_path / "m.onnx"), tmp_path / "bundle", **options)
    done = subprocess.run([found, tmp_path / "bundle" / BUILD_SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert os.access(tmp_path / "bundle" / BUILD_SCRIPT, os.X_OK)


def test_the_guide_says_that_no_board_was_used(tmp_path):
    counts = write(mean_graph(tmp_path / "m.onnx"), tmp_path / "bundle", lengths=[16], batch=1)
    text = (tmp_path / "bundle" / GUIDE_FILE).read_text()
    assert "**Not tested on a Jetson.**" in text
    assert "takes exactly 1 text of 16 tokens a call" in text
    assert "@" not in text
    assert counts == {"Gather": 1, "Gemm": 1, "MatMul": 1, "ReduceMean": 1, "Relu": 1}


# NVIDIA's own parser and builder. TensorRT for RTX has both, and needs no GPU for them.


@pytest.mark.parametrize("options", [{}, {"lengths": [16], "batch": 1}, {"lengths": [8, 16, 32]}])
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_tensorrt_for_rtx_builds_an_engine(tmp_path, quantized, precision, options):
    trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx-cu13 is not installed, whose builder needs no GPU")
    source = quantized if precision == "int8" else mean_graph(tmp_path / "m.onnx")
    write(source, tmp_path / "bundle", precision=precision, **options)
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse_from_file(str(tmp_path / "bundle" / "model.onnx")), parser.get_error(0).desc()
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM86, 0)
    shapes = shape_range(options.get("lengths", []), options.get("batch"), 32)
    profile = builder.create_optimization_profile()
    if not shapes.is_fixed:
        profile.set_shape("input_ids", shapes.smallest, shapes.usual, shapes.largest)
    config.add_optimization_profile(profile)
    assert builder.build_serialized_network(network, config).nbytes > 0
