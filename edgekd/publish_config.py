"""What other tools read of a bundle: ``config.json`` and ``tokenizer_config.json``, from those of the model.

edgekd itself reads the manifest. Optimum's model classes and transformers' tokenizers and pipelines read these files,
in versions that know neither our model types nor the tokenizer classes of transformers 5:

- ``model_type`` is one that transformers knows. A graph needs no model class, but AutoConfig refuses an unknown type.
  The student's own type stays under ``edgekd_model_type``.
- Labels and task are the manifest's, so that a pipeline names the same labels and applies the right function.
- The tokenizer class is the general one, which takes ``tokenizer.json`` as it is; the classes of families change its
  normalization to their own defaults. It gives the graph's inputs, and cuts texts at the bundle's length when it is
  asked to (``truncation=True``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekd.artifacts import read_json, write_json_atomic
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from pathlib import Path

    from edgekd.bundle import Manifest

CONFIG_FILE = "config.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
OWN_TYPE_KEY = "edgekd_model_type"
_OWN_PREFIX = "edgekd-"
_KNOWN_TYPE = "bert"
_GENERAL_TOKENIZER = "PreTrainedTokenizerFast"
_SPECIAL_TOKENS = ("bos_token", "cls_token", "eos_token", "mask_token", "pad_token", "sep_token", "unk_token")
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_PROBLEM = {
    TaskKind.SINGLE_LABEL: "single_label_classification",
    TaskKind.MULTI_LABEL: "multi_label_classification",
    TaskKind.REGRESSION: "regression",
}


def write_configs(model: Path, bundle: Path, manifest: Manifest) -> None:
    """Write both files into a bundle.

    Args:
        model: folder with the same files of the model, or of another bundle.
        bundle: folder that they are written to.
        manifest: of the bundle.
    """
    write_json_atomic(bundle / CONFIG_FILE, bundle_config(read_json(model / CONFIG_FILE), manifest))
    tokenizer = bundle_tokenizer_config(read_json(model / TOKENIZER_CONFIG_FILE), manifest)
    write_json_atomic(bundle / TOKENIZER_CONFIG_FILE, tokenizer)


def bundle_config(config: dict[str, Any], manifest: Manifest) -> dict[str, Any]:
    """Return the configuration of a bundle."""
    result = {
        **config,
        "id2label": {str(index): label for index, label in enumerate(manifest.labels)},
        "label2id": {label: index for index, label in enumerate(manifest.labels)},
        "problem_type": _PROBLEM[manifest.task],
    }
    own = str(config.get("model_type", ""))
    if own.startswith(_OWN_PREFIX):
        result |= {"model_type": _KNOWN_TYPE, OWN_TYPE_KEY: own}
    return result


def bundle_tokenizer_config(config: dict[str, Any], manifest: Manifest) -> dict[str, Any]:
    """Return the configuration of a bundle's tokenizer."""
    special = {name: _content(config[name]) for name in _SPECIAL_TOKENS if config.get(name) is not None}
    return {
        "clean_up_tokenization_spaces": False,
        "model_input_names": [name for name in _INPUTS if name in manifest.inputs] or list(_INPUTS[:2]),
        "model_max_length": manifest.max_length,
        "padding_side": "right",
        "tokenizer_class": _GENERAL_TOKENIZER,
        "truncation_side": "right",
        **special,
    }


def _content(token: str | dict[str, Any]) -> str:
    """Return the text of a special token, which may be stored with its flags; they are in ``tokenizer.json`` too."""
    return str(token["content"]) if isinstance(token, dict) else token
