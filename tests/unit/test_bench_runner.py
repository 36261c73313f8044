from __future__ import annotations

import json
import sys

import pytest

from edgekd.artifacts import folder_lock
from edgekd.bench import interleaved
from edgekd.bench.child import Child, WorkerFailed
from edgekd.bench.runner import run_bench
from edgekd.bench.variants import variant_from_bundle, variant_from_teacher
from edgekd.bundle import load_bundle, write_manifest
from edgekd.config import BenchConfig
from edgekd.data.types import Examples
from edgekd.devices import find_profile
from edgekd.errors import Busy, ConfigError, DataError, InvalidArtifact
from edgekd.proof import Proof
from edgekd.provenance import LineageStep, ParityFigures
from edgekd.results import Evidence, Role, load_result
from edgekd.runtime import OnnxSession
from edgekd.tasks import Calibration, TaskKind
from tests.bundles import make_bundle
from tests.toys import make_classifier, toy_texts

pytest.importorskip("onnx")

CPU = find_profile("cpu")
QUICK = BenchConfig(passes=2, processes=1, block_size=10, warm_up_calls=5)


def examples(count=60):
    return Examples(*toy_texts(count))


def measure(variants, *, profile=CPU, config=QUICK, texts=None, out=None, **options):
    return run_bench(
        variants,
        profile=profile,
        config=config,
        texts=texts or examples(),
        warm_up_texts=toy_texts(30, seed=5)[0],
        data_name="toy",
        out=out,
        **options,
    )


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    make_bundle(folder / "teacher", name="teacher-fp32", role="teacher", kind="teacher", slow_factor=4.0)
    make_bundle(folder / "student", name="bag-int8", precision="int8")
    return folder


@pytest.fixture(scope="module")
def session(bundles, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    variants = [variant_from_bundle(bundles / name) for name in ("teacher", "student")]
    return measure(variants, out=out), out


def test_every_variant_measures_the_same_texts_in_the_same_blocks(session):
    (teacher, student), _ = session
    assert len(teacher.samples.total_s) == 2 * 60
    assert teacher.samples.text_index == student.samples.text_index
    assert teacher.samples.block == student.samples.block
    assert teacher.samples.tokens == student.samples.tokens
    assert sorted(teacher.samples.text_index) == sorted([*range(60), *range(60)])
    assert teacher.session == student.session


@pytest.mark.timing
def test_the_slower_one_is_slower(session):
    (teacher, student), _ = session
    assert sorted(teacher.samples.infer_s)[60] > 1.5 * sorted(student.samples.infer_s)[60]


def test_warm_up_is_kept_apart(session):
    for result in session[0]:
        assert len(result.warm_up.total_s) == 5
        assert set(result.warm_up.block) == {-1}
        assert "warmed up with 30 given texts, none of them timed" in result.notes


def test_memory_and_load_time_are_plausible(session):
    for result in session[0]:
        m = result.memory
        assert 1 << 20 < m.start_rss_bytes < m.loaded_rss_bytes <= m.peak_rss_bytes < 1 << 30
        assert m.steady_rss_bytes <= m.peak_rss_bytes
        assert 0 < result.load_time_s < 10


def test_quality_and_agreement_with_the_teacher(session):
    teacher, student = session[0]
    assert student.quality.targets == examples().targets
    assert student.quality.predictions == student.quality.targets
    assert student.quality.teacher_predictions == teacher.quality.predictions
    assert teacher.quality.teacher_predictions == teacher.quality.predictions


def test_results_say_where_they_come_from(session):
    teacher, student = session[0]
    assert (teacher.role, student.role) == (Role.TEACHER, Role.STUDENT)
    assert student.evidence is Evidence.HOST
    assert (student.target, student.threads, student.precision) == ("cpu", 1, "int8")
    assert student.data_hash == examples().hash()
    if sys.platform == "linux":
        assert len(student.affinity) == 1


def test_files_hold_the_results(session):
    results, out = session
    for result in results:
        assert load_result(out / f"{result.variant}.result.json") == result


def test_another_target_is_said_to_be_measured_here(bundles):
    profile = find_profile("raspberry-pi-5").model_copy(update={"threads": 10_000})
    [result] = measure([variant_from_bundle(bundles / "student")], profile=profile)
    assert result.evidence is Evidence.HOST
    assert "measured on this host under the profile's 10000 threads, not on raspberry-pi-5" in result.notes
    assert result.threads < 10_000
    assert any(note.startswith("the profile has 10000 threads, this machine allows") for note in result.notes)


def test_the_time_limit_stops_at_a_whole_block(bundles):
    seconds = iter(range(0, 1000, 40))
    config = QUICK.model_copy(update={"max_seconds": 100.0})
    variants = [variant_from_bundle(bundles / name) for name in ("teacher", "student")]
    first, second = measure(variants, config=config, clock=lambda: float(next(seconds)))
    assert len(first.samples.total_s) == len(second.samples.total_s) == 3 * 10
    assert len(first.quality.predictions) == 60  # quality is about all texts


def test_at_least_one_block_is_measured(bundles):
    config = QUICK.model_copy(update={"max_seconds": 1e-9})
    [result] = measure([variant_from_bundle(bundles / "student")], config=config)
    assert len(result.samples.total_s) == 10


def test_labels_in_another_order_are_mapped(bundles, tmp_path):
    swapped = make_bundle(tmp_path, name="swapped", labels=("positive", "negative"))
    manifest = swapped.manifest.model_copy(update={"labels": ["positive", "negative"]})
    write_manifest(tmp_path, manifest)
    plain, other = measure([variant_from_bundle(bundles / "student"), variant_from_bundle(tmp_path)])
    assert other.quality.labels == ["negative", "positive"]
    assert other.quality.predictions == [1 - label for label in plain.quality.predictions]
    assert other.quality.logits == [row[::-1] for row in _raw_logits(tmp_path)]


def _raw_logits(folder):
    session = OnnxSession(load_bundle(folder), 1)
    session.load()
    return [[float(f"{value:.6g}") for value in session.run([text])[0].tolist()] for text in examples().texts]


def test_a_graph_with_other_outputs_than_labels_is_refused(tmp_path):
    bundle = make_bundle(tmp_path, labels=("a", "b", "c"))
    write_manifest(tmp_path, bundle.manifest.model_copy(update={"labels": ["negative", "positive"]}))
    with pytest.raises(InvalidArtifact, match="'tiny' gives 3 logits a text, and its labels are 2"):
        measure([variant_from_bundle(tmp_path)])


def test_what_a_bundle_says_of_itself_travels_with_its_result(tmp_path):
    proof = Proof(metric="accuracy", count=9, seeds=[0], student=[0.9], control=[0.8])
    bundle = make_bundle(tmp_path, proof=proof, calibration=Calibration(1.5))
    parity = ParityFigures(texts=9, max_abs_diff=0.1, mean_abs_diff=0.01, label_flips=1)
    lineage = [LineageStep(step="student", name="bag", hash="a" * 64, details={"texts": 9})]
    write_manifest(tmp_path, bundle.manifest.model_copy(update={"lineage": lineage, "parity": parity}))
    [result] = measure([variant_from_bundle(tmp_path)])
    assert (result.proof, result.lineage, result.parity) == (proof, lineage, parity)
    assert result.quality.calibration == Calibration(1.5)
    assert result.settings == {"processes": 1, "warm_up_calls": 5}


def test_a_variant_that_cannot_be_loaded_is_named(tmp_path):
    bundle = make_bundle(tmp_path, name="rotten")
    bundle.model_path.write_bytes(b"rotten")
    write_manifest(tmp_path, bundle.manifest)
    with pytest.raises(WorkerFailed, match=r"'rotten': onnxruntime cannot open"):
        measure([variant_from_bundle(tmp_path)])


def test_ctrl_c_stops_all_children(bundles, monkeypatch):
    started = []

    class Watched(Child):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            started.append(self)

        def ask(self, request, limit_s):
            if request["do"] == "block":
                raise KeyboardInterrupt
            return super().ask(request, limit_s)

    monkeypatch.setattr(interleaved, "Child", Watched)
    with pytest.raises(KeyboardInterrupt):
        measure([variant_from_bundle(bundles / name) for name in ("teacher", "student")])
    assert len(started) == 3  # the null session's too
    assert all(child._process.poll() is not None for child in started)


def test_a_folder_in_use_is_left_alone(bundles, tmp_path):
    with folder_lock(tmp_path), pytest.raises(Busy, match="in use by another edgekd process"):
        measure([variant_from_bundle(bundles / "student")], out=tmp_path)


def test_nothing_to_do(bundles):
    with pytest.raises(ConfigError, match="nothing to measure"):
        measure([])
    with pytest.raises(DataError, match="no texts"):
        run_bench(
            [variant_from_bundle(bundles / "student")],
            profile=CPU,
            config=QUICK,
            texts=Examples([], []),
            warm_up_texts=[],
            data_name="toy",
            out=None,
        )


@pytest.mark.slow
def test_a_torch_teacher_beside_its_student(bundles, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from edgekd.bench.variants import open_teacher

    make_classifier(tmp_path)
    student = variant_from_bundle(bundles / "student")
    onnx_teacher = variant_from_bundle(bundles / "teacher")
    teacher = open_teacher(tmp_path, [student])
    results = measure([student, onnx_teacher, teacher], config=QUICK.model_copy(update={"passes": 1}))
    by_name = {result.variant: result for result in results}
    torch_result = by_name["teacher-torch-fp32"]
    assert torch_result.backend == "torch"
    assert torch_result.samples.tokens == by_name["bag-int8"].samples.tokens
    # PyTorch's labels are the teacher's, also where an ONNX teacher is there.
    for result in results:
        assert result.quality.teacher_predictions == torch_result.quality.predictions


@pytest.mark.slow
def test_a_multi_label_teacher_in_torch_answers_at_its_own_thresholds(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    labels = ("negative", "positive")
    make_classifier(tmp_path / "teacher", labels=labels)
    config = json.loads((tmp_path / "teacher" / "config.json").read_text())
    config["problem_type"] = "multi_label_classification"
    (tmp_path / "teacher" / "config.json").write_text(json.dumps(config))
    metrics = {"calibration": {"temperature": 2.0, "thresholds": [0.0, 1.1]}}  # always negative, never positive
    (tmp_path / "teacher" / "edgekd_metrics.json").write_text(json.dumps(metrics))
    strict = Calibration(0.05, (0.9, 0.9))  # one word among many counts
    make_bundle(tmp_path / "student", task=TaskKind.MULTI_LABEL, calibration=strict)
    texts, targets = toy_texts(20)
    variants = [variant_from_bundle(tmp_path / "student"), variant_from_teacher(tmp_path / "teacher")]
    student, teacher = measure(
        variants, texts=Examples(texts, [(t,) for t in targets]), config=QUICK.model_copy(update={"passes": 1})
    )
    assert set(teacher.quality.predictions) == {(0,)}
    assert student.quality.teacher_predictions == teacher.quality.predictions
    assert student.quality.teacher_logits == teacher.quality.logits
    assert student.quality.teacher_calibration == Calibration(2.0, (0.0, 1.1))
    assert student.quality.predictions == [(t,) for t in targets]


@pytest.mark.slow
def test_torch_session_equals_transformers(tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from edgekd.bench.torch_session import TorchSession

    make_classifier(tmp_path)
    texts = ["great film", "", "the movie was not very good and it is dull " * 5]
    session = TorchSession(tmp_path, 1, max_length=16)
    session.load()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=16, return_tensors="pt")
    with torch.inference_mode():
        expected = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    assert session.encode(texts).tokens == 16
    torch.testing.assert_close(torch.from_numpy(session.run(texts)), expected, atol=1e-5, rtol=1e-5)
