"""What other tools read of a bundle; ``make interop`` asks those tools themselves."""

import json

import pytest

from edgekd.bundle import Manifest
from edgekd.publish_config import bundle_config, bundle_tokenizer_config, write_configs
from edgekd.tasks import TaskKind


def manifest(**changes):
    given = {
        "name": "cnn",
        "role": "student",
        "kind": "cnn",
        "precision": "fp32",
        "task": TaskKind.SINGLE_LABEL,
        "labels": ["no", "yes"],
        "max_length": 48,
        "inputs": ["input_ids", "attention_mask"],
        "runtime": "onnxruntime",
        "providers": ["CPUExecutionProvider"],
        "target": "cpu",
    }
    return Manifest.model_validate(given | changes)


def test_a_model_type_that_only_edgekd_knows_is_replaced_and_kept_beside():
    config = bundle_config({"model_type": "edgekd-cnn", "hidden_dim": 8}, manifest())
    assert (config["model_type"], config["edgekd_model_type"], config["hidden_dim"]) == ("bert", "edgekd-cnn", 8)


def test_a_replaced_type_stays_when_a_bundle_is_made_of_a_bundle():
    once = bundle_config({"model_type": "edgekd-linear"}, manifest())
    assert bundle_config(once, manifest()) == once


def test_a_model_type_of_transformers_stays():
    config = bundle_config({"model_type": "distilbert"}, manifest())
    assert config["model_type"] == "distilbert"
    assert "edgekd_model_type" not in config


@pytest.mark.parametrize(
    ("task", "labels", "problem"),
    [
        (TaskKind.SINGLE_LABEL, ["no", "yes"], "single_label_classification"),
        (TaskKind.MULTI_LABEL, ["long", "fun"], "multi_label_classification"),
        (TaskKind.REGRESSION, ["stars"], "regression"),
    ],
)
def test_labels_and_task_are_the_manifests(task, labels, problem):
    config = bundle_config({"id2label": {"0": "LABEL_0"}, "problem_type": None}, manifest(task=task, labels=labels))
    assert config["id2label"] == {str(index): label for index, label in enumerate(labels)}
    assert config["label2id"] == {label: index for index, label in enumerate(labels)}
    assert config["problem_type"] == problem


def test_the_tokenizer_class_is_one_of_transformers_4_and_5_that_changes_nothing():
    given = {
        "tokenizer_class": "TokenizersBackend",
        "model_max_length": 512,
        "do_lower_case": True,
        "cls_token": "[CLS]",
        "mask_token": {"content": "<mask>", "lstrip": True, "__type": "AddedToken"},
        "bos_token": None,
    }
    assert bundle_tokenizer_config(given, manifest()) == {
        "clean_up_tokenization_spaces": False,
        "cls_token": "[CLS]",
        "mask_token": "<mask>",
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": 48,
        "padding_side": "right",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "truncation_side": "right",
    }


def test_transformers_reads_the_same_ids_with_it_as_tokenizers(tmp_path):
    transformers = pytest.importorskip("transformers")
    from edgekd.runtime.tokenization import open_tokenizer
    from tests.toys import make_classifier

    model = make_classifier(tmp_path / "model")
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "tokenizer.json").write_bytes((model / "tokenizer.json").read_bytes())
    write_configs(model, bundle, manifest(max_length=8))
    opened = transformers.AutoTokenizer.from_pretrained(bundle)
    plain = open_tokenizer(bundle / "tokenizer.json", 8)
    for text in ("The film was GREAT!", "", "caf\u00e9 \u4e2d [SEP] x", "fun " * 30):
        assert opened(text, truncation=True)["input_ids"] == plain.encode(text).ids
    assert list(opened("fun")) == ["input_ids", "attention_mask"]
    assert json.loads((bundle / "config.json").read_text())["id2label"] == {"0": "no", "1": "yes"}
