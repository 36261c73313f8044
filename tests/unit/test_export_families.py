"""The common encoder families in every format: bundles that say what torch says."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from edgekd.batches import predict_logits  # noqa: E402
from edgekd.config import ExportConfig  # noqa: E402
from edgekd.devices import find_profile  # noqa: E402
from edgekd.export.formats import FORMATS  # noqa: E402
from edgekd.exportable import Shape  # noqa: E402
from edgekd.exporting import ExportSettings, export_model  # noqa: E402
from edgekd.progress import Silent  # noqa: E402
from edgekd.runtime import session_for  # noqa: E402
from edgekd.teacher.load import encode, load_classifier  # noqa: E402
from tests.families import FAMILIES, POSITIONS, make_family  # noqa: E402

pytestmark = pytest.mark.slow

TEXTS = [
    "",
    "a",
    "the film was awful",
    "it is not fun at all, and very boring",
    "naïve 日本 🙂 \x00 émigré",
    "great fun, very good movie " * 40,
]


def exported(folder, *formats, out="out", shape=None):
    settings = ExportSettings([FORMATS[name] for name in formats], ExportConfig(), shape=shape or Shape())
    outcome = export_model(str(folder), settings, find_profile("cpu"), folder.parent / out, Silent())
    assert [one.error for one in outcome.exported] == [None] * len(formats)
    return [one.bundle for one in outcome.exported]


def answers(bundle, batch):
    session = session_for(bundle, 1)
    session.load()
    return np.concatenate([session.run(TEXTS[i : i + batch]) for i in range(0, len(TEXTS), batch)])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_format_of_a_family_says_what_torch_says(tmp_path, family):
    """Alone and padded in a batch with the longest text; ids come from ``tokenizer.json`` alone."""
    formats = ["onnx", "onnx-fused", "ort", *(["openvino", "openvino-fp16"] if find_spec("openvino") else [])]
    folder = make_family(tmp_path / "model", family)
    opened = load_classifier(folder, None, Silent())
    assert opened.max_length == POSITIONS
    rows = encode(opened.tokenizer, TEXTS, POSITIONS)
    expected = predict_logits(opened.model, rows, batch_size=1, pad_token_id=opened.tokenizer.pad_token_id)
    assert np.ptp(expected, axis=0).max() > 1e-2
    for bundle in exported(folder, *formats):
        tolerance = 1e-2 if bundle.manifest.precision == "fp16" else 1e-5
        for batch in (1, len(TEXTS)):
            assert np.abs(answers(bundle, batch) - expected).max() < tolerance, (bundle.manifest.name, batch)
        assert bundle.manifest.inputs == ["input_ids", "attention_mask"]


def test_positions_of_roberta_are_counted_from_behind_the_padding_id(tmp_path):
    folder = make_family(tmp_path / "model", "roberta")
    assert load_classifier(folder, POSITIONS, Silent()).model.config.max_position_embeddings == POSITIONS + 2
    with pytest.raises(Exception, match=f"more than the model's {POSITIONS} positions"):
        load_classifier(folder, POSITIONS + 1, Silent())


def test_a_tokenizer_without_a_padding_token_is_padded_with_anything(tmp_path):
    from transformers import AutoTokenizer

    folder = make_family(tmp_path / "model", "bert")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    [bundle] = exported(folder, "onnx")
    assert np.abs(answers(bundle, 1) - answers(bundle, len(TEXTS))).max() < 1e-5


def test_a_model_that_padding_changes_is_refused_and_may_answer_texts_one_by_one(tmp_path):
    """MobileBERT reads a token's neighbours; a padding vector that is not zero is one of them."""
    from transformers import AutoModelForSequenceClassification

    folder = make_family(tmp_path / "model", "mobilebert")
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        model.get_input_embeddings().weight[0] = 1.0
    model.save_pretrained(folder)
    settings = ExportSettings([FORMATS["onnx"]], ExportConfig())
    [failed] = export_model(str(folder), settings, find_profile("cpu"), tmp_path / "out", Silent()).exported
    assert "The model itself does so: padding changes its logits" in failed.error.message
    assert "--batch 1" in failed.error.hint
    assert not (tmp_path / "out" / "model-onnx").exists()
    assert (tmp_path / "out" / "model-onnx.failed" / "README.txt").is_file()
    [bundle] = exported(folder, "onnx", shape=Shape(batch=1))
    assert bundle.manifest.batch == 1
    assert np.abs(answers(bundle, 1) - answers(bundle, len(TEXTS))).max() < 1e-6
    assert not (tmp_path / "out" / "model-onnx.failed").exists()
