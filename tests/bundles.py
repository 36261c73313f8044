"""Tiny real bundles for tests: an ONNX graph, a WordPiece tokenizer and a manifest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgekd.bundle import MODEL_FILE, TOKENIZER_FILE, Bundle, Manifest, write_manifest
from edgekd.proof import Proof
from edgekd.tasks import Calibration, TaskKind

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Word i speaks for label i % len(labels): with two labels "awful" is negative, "great" positive, and so on.
LABEL_WORDS = ["awful", "great", "bad", "good", "boring", "fine", "dull", "fun"]
OTHER_WORDS = [
    "the",
    "a",
    "film",
    "movie",
    "was",
    "is",
    "and",
    "not",
    "very",
    "it",
    "un",
    "##s",
    "##ly",
    "##able",
]
CHARACTERS = list("abcdefghijklmnopqrstuvwxyz0123456789.,!?'-\"()[]#")
HIDDEN = 64
MAX_LENGTH = 64
BALLAST = 80  # matrix products that every tiny bundle does, so that slow_factor has something to multiply
OTHER_WORK = 30  # what the rest of the graph and the call cost, in such products


def vocabulary() -> dict[str, int]:
    """Return the vocabulary: token to id."""
    pieces = [*SPECIAL_TOKENS, *LABEL_WORDS, *OTHER_WORDS, *CHARACTERS, *(f"##{c}" for c in CHARACTERS)]
    return {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}


def make_tokenizer(path: Path) -> None:
    """Write a BERT-style WordPiece ``tokenizer.json``."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    vocab = vocabulary()
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(SPECIAL_TOKENS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])],
    )
    tokenizer.save(str(path))


def make_model(path: Path, *, num_labels: int, slow_factor: float | None, seed: int) -> None:
    """Write a graph: masked mean of embeddings, one linear layer, ballast that leaves the logits alone."""
    onnx = pytest.importorskip("onnx")
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)
    vocab = vocabulary()
    embeddings = rng.normal(0, 0.02, (len(vocab), HIDDEN)).astype(np.float32)
    for index, word in enumerate(LABEL_WORDS):
        embeddings[vocab[word], index % num_labels] += 4.0
    head = np.zeros((HIDDEN, num_labels), np.float32)
    head[np.arange(num_labels), np.arange(num_labels)] = 1.0
    mixing = (rng.normal(0, 1, (HIDDEN, HIDDEN)) / np.sqrt(HIDDEN)).astype(np.float32)
    constants = {
        "embeddings": embeddings,
        "head": head,
        "bias": rng.normal(0, 0.01, num_labels).astype(np.float32),
        "mixing": mixing,
        "zero": np.zeros((), np.float32),
        "axis_1": np.array([1], np.int64),
        "axis_2": np.array([2], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["embeddings", "input_ids"], ["embedded"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "axis_2"], ["mask_3d"]),
        helper.make_node("Mul", ["embedded", "mask_3d"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "axis_1"], ["summed"], keepdims=0),
        helper.make_node("ReduceSum", ["mask", "axis_1"], ["count"], keepdims=1),
        helper.make_node("Div", ["summed", "count"], ["pooled"]),
        helper.make_node("MatMul", ["pooled", "head"], ["scores"]),
        helper.make_node("Add", ["scores", "bias"], ["clean_logits"]),
    ]
    current = "pooled"
    extra = (slow_factor - 1.0) * (BALLAST + OTHER_WORK) if slow_factor is not None else 0.0
    for step in range(BALLAST + round(extra)):
        nodes.append(helper.make_node("MatMul", [current, "mixing"], [f"mixed_{step}"]))
        nodes.append(helper.make_node("Tanh", [f"mixed_{step}"], [f"ballast_{step}"]))
        current = f"ballast_{step}"
    # A runtime may not fold x * 0 (x could be NaN), so the chain stays although the logits do not change.
    nodes += [
        helper.make_node("ReduceSum", [current, "axis_1"], ["ballast_sum"], keepdims=1),
        helper.make_node("Mul", ["ballast_sum", "zero"], ["nothing"]),
        helper.make_node("Add", ["clean_logits", "nothing"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"]),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "sequence"]),
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", num_labels])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def make_bundle(
    folder: Path,
    *,
    name: str = "tiny",
    labels: Sequence[str] = ("negative", "positive"),
    precision: str = "fp32",
    slow_factor: float | None = None,
    seed: int = 0,
    role: str = "student",
    kind: str = "bag",
    target: str = "cpu",
    max_length: int = MAX_LENGTH,
    task: TaskKind = TaskKind.SINGLE_LABEL,
    calibration: Calibration | None = None,
    proof: Proof | None = None,
) -> Bundle:
    """Build a small bundle that runs and says "positive" to "great" and "negative" to "awful".

    Multi-label: the logit of a label without its words is about 0, so its probability is 0.5. Regression (one label):
    the value is 4 times the share of tokens that are any label's words.

    Args:
        folder: where it goes; made when it does not exist.
        precision: only what the manifest says; the graph is fp32.
        slow_factor: about how much slower the graph is; logits stay the same. ``None`` is 1.
        seed: other weights, the same meaning of words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    make_model(folder / MODEL_FILE, num_labels=len(labels), slow_factor=slow_factor, seed=seed)
    make_tokenizer(folder / TOKENIZER_FILE)
    (folder / "config.json").write_text(json.dumps({"model_type": "tiny"}), encoding="utf-8")
    return write_manifest(
        folder,
        Manifest(
            name=name,
            role=role,
            kind=kind,
            precision=precision,
            task=task,
            labels=list(labels),
            calibration=calibration or Calibration(),
            proof=proof,
            max_length=max_length,
            inputs=["input_ids", "attention_mask"],
            runtime="onnxruntime",
            providers=["CPUExecutionProvider"],
            target=target,
            parameters=len(vocabulary()) * HIDDEN,
        ),
    )
