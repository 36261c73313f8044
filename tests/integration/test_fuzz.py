"""Any text gets the same answer from a bundle on the board and from torch, and the same token ids."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from edgekd.analysis.parity import flips  # noqa: E402
from edgekd.batches import predict_logits  # noqa: E402
from edgekd.bundle import MODEL_FILE, TOKENIZER_FILE, Manifest, load_bundle  # noqa: E402
from edgekd.compress.tokenizer_json import compact_tokenizer  # noqa: E402
from edgekd.config import StudentConfig  # noqa: E402
from edgekd.export.hostile import hostile_texts, random_texts  # noqa: E402
from edgekd.export.onnx import FLAVOURS, export_onnx  # noqa: E402
from edgekd.progress import Silent  # noqa: E402
from edgekd.publish import assemble  # noqa: E402
from edgekd.runtime import session_for  # noqa: E402
from edgekd.runtime.tokenization import open_encoder  # noqa: E402
from edgekd.student.kinds import build_student  # noqa: E402
from edgekd.tasks import Task, TaskKind  # noqa: E402
from edgekd.teacher.load import encode, load_classifier, load_tokenizer  # noqa: E402
from tests.families import FAMILIES, make_family_tokenizer  # noqa: E402
from tests.students import SHAPES, make_teacher  # noqa: E402
from tests.toys import toy_texts  # noqa: E402

pytestmark = pytest.mark.slow

LABELS = ("bad", "good", "so-so")
TASK = Task(TaskKind.SINGLE_LABEL, LABELS)
MAX_LENGTH = 64
MAX_ABS_DIFF = 1e-4
STUDENTS = ("linear", "bag", "bag with n-grams", "cnn", "bilstm", "bigru", "cut transformer")
SHARED = Path(__file__).parents[3] / "shared" / "data"

TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from([*toy_texts(40)[0], "##s", "[SEP]", "\x1f", "\u0301", "\u200d", "\u3000"]), max_size=6
    ).map(" ".join),
    st.tuples(st.text(max_size=10), st.sampled_from(hostile_texts()), st.text(max_size=10)).map("".join),
)
A_CALL, CALLS = 20, 100  # 2,000 texts


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"), labels=LABELS)


@pytest.fixture(scope="module")
def models(teacher, tmp_path_factory):
    """Return, by name, a model folder that was trained in nothing but answers differently to different texts."""
    folders = {}
    for name in STUDENTS:
        model = build_student(StudentConfig(**SHAPES[name]), teacher).eval()
        with torch.no_grad():
            torch.manual_seed(0)
            for weights in model.parameters():
                weights.add_(0.2 * torch.randn_like(weights))
            # No label is the favourite of all texts.
            bias = [weights for weights in model.parameters() if weights.shape == (len(LABELS),)][-1]
            rows = encode(teacher.tokenizer, random_texts(200, seed=3), MAX_LENGTH)
            bias.sub_(torch.from_numpy(predict_logits(model, rows).mean(axis=0)))
        folder = tmp_path_factory.mktemp(name.replace(" ", "-"))
        model.save_pretrained(folder)
        teacher.tokenizer.save_pretrained(folder)
        folders[name] = folder
    return folders


def ids_by_transformers(tokenizer, texts):
    return tokenizer(texts, truncation=True, max_length=MAX_LENGTH)["input_ids"]


def make_bundle(folder, model, model_folder, name, flavour):
    graph, bundle = folder / "graph", folder / "bundle"
    bundle.mkdir(parents=True)
    export_onnx(model, graph / MODEL_FILE, opset=18, flavour=flavour)
    manifest = Manifest(
        name=name.replace(" ", "-"),
        role="student",
        kind=SHAPES[name]["kind"],
        precision="fp32",
        task=TASK.kind,
        labels=list(LABELS),
        max_length=MAX_LENGTH,
        inputs=["input_ids", "attention_mask"],
        runtime="onnxruntime",
        providers=["CPUExecutionProvider"],
        target="cpu",
        graph=flavour,
    )
    assemble(bundle, graph, model_folder, manifest)
    return load_bundle(bundle)


@pytest.mark.parametrize("name", STUDENTS)
def test_bundles_answer_2000_strange_texts_as_torch_does(models, tmp_path, name):
    trained = load_classifier(models[name], MAX_LENGTH, Silent())
    sessions = []
    for flavour in FLAVOURS:
        bundle = make_bundle(tmp_path / flavour, trained.model, models[name], name, flavour)
        sessions.append(session_for(bundle, 1))
        sessions[-1].load()
    seen = 0
    labels = set()

    @given(texts=st.lists(TEXTS, min_size=A_CALL, max_size=A_CALL))
    @settings(max_examples=CALLS, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def check(texts):
        nonlocal seen
        expected = predict_logits(trained.model, ids_by_transformers(trained.tokenizer, texts))
        allowed = MAX_ABS_DIFF * max(1.0, float(np.abs(expected).max()))
        answers = [np.concatenate([session.run([text]) for text in texts]) for session in sessions]
        answers += [session.run(texts) for session in sessions]
        for actual in answers:
            assert np.abs(expected - actual).max() <= allowed
            assert not flips(expected, actual, TASK, tie=allowed).any()
        labels.update(expected.argmax(axis=1).tolist())
        seen += len(texts)

    check()
    assert seen >= A_CALL * CALLS
    assert len(labels) > 1


def real_texts(count):
    """Return real texts, or None where there are none on this machine."""
    if not SHARED.is_dir():
        return None
    lines = (SHARED / "sst2" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    csv = (SHARED / "goemotions").glob("*train*.csv")
    texts += [line.rsplit(",", 1)[0] for path in csv for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return random.Random(0).sample(texts, count)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("origin", ["generated", "real"])
def test_tokenizers_alone_gives_the_ids_of_training_on_10000_texts(tmp_path, family, origin):
    texts = [*hostile_texts(), *random_texts(9_000, seed=7), *toy_texts(1_000)[0]]
    if origin == "real":
        texts = real_texts(10_000)
        if texts is None:
            pytest.skip("the shared data sets are not on this machine")
    assert len(texts) >= 10_000
    make_family_tokenizer(family).save_pretrained(tmp_path)
    trained = load_tokenizer(str(tmp_path))
    shipped = tmp_path / "bundle" / TOKENIZER_FILE
    shipped.parent.mkdir()
    shipped.write_bytes((tmp_path / TOKENIZER_FILE).read_bytes())
    compact_tokenizer(shipped)
    expected = encode(trained, texts, MAX_LENGTH)
    assert expected == ids_by_transformers(trained, texts)
    for cached in (False, True):
        encoder = open_encoder(shipped, MAX_LENGTH, cached=cached)
        different = [text for text, ids in zip(texts, expected, strict=True) if list(encoder.ids(text)) != list(ids)]
        assert different == []
