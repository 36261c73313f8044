"""Two flavours of graphs of every encoder family: the same logits, few operators, padding without effect."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import numpy as np  # noqa: E402

from edgekd.errors import ConfigError, InvalidArtifact  # noqa: E402
from edgekd.export.onnx import export_onnx  # noqa: E402

VOCABULARY, LONGEST, LAYERS = 200, 64, 2
BERT: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 64,
    "max_position_embeddings": 80,
}  # fmt: skip
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": BERT,
    "distilbert": {"dim": 32, "n_layers": LAYERS, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 80},
    "roberta": {**BERT, "type_vocab_size": 1},
    "electra": {**BERT, "embedding_size": 16},
    "albert": {**BERT, "embedding_size": 16},
    "mobilebert": {**BERT, "embedding_size": 16, "intra_bottleneck_size": 16, "true_hidden_size": 16,
                   "num_feedforward_networks": 2},
    "modernbert": {**BERT, "local_attention": 8, "global_attn_every_n_layers": 2, "cls_token_id": 2, "sep_token_id": 3,
                   "bos_token_id": 2, "eos_token_id": 3},
    "deberta-v2": {**BERT, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16,
                   "norm_rel_ebd": "layer_norm", "share_att_key": True, "pooler_hidden_size": 32},
}  # fmt: skip
# All nodes of the portable graph, and of the fused one: with the fused attentions among them.
NODES = {
    "bert": (82, 41, 2),
    "distilbert": (82, 41, 2),
    "roberta": (90, 50, 2),
    "electra": (88, 43, 2),
    "albert": (90, 57, 2),
    "mobilebert": (128, 101, 2),
    "modernbert": (159, 124, 2),
    "deberta-v2": (202, 190, 0),
}


def make_model(family: str, **changes: Any) -> Any:
    """Return a random classifier whose biases and norms are not trivial."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.manual_seed(0)
    sizes = {"vocab_size": VOCABULARY, "pad_token_id": 0, "num_labels": 3, **FAMILIES[family], **changes}
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(family, **sizes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        model.get_input_embeddings().weight[0] = 0  # of padding: a MobileBERT sees the neighbours of a token
    return model


@pytest.fixture(scope="module", params=FAMILIES)
def graphs(request, tmp_path_factory):
    model = make_model(request.param)
    folder = tmp_path_factory.mktemp("graphs")
    counts = {flavour: export_onnx(model, folder / f"{flavour}.onnx", opset=18, flavour=flavour)
              for flavour in ("portable", "ort-fused")}  # fmt: skip
    return request.param, model, folder, counts


def opened(path):
    import onnxruntime as ort

    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def answers(session, ids, mask):
    types = {"tensor(int32)": np.int32, "tensor(int64)": np.int64}
    feed = {"input_ids": ids, "attention_mask": mask}
    return session.run(None, {entry.name: feed[entry.name].astype(types[entry.type])
                              for entry in session.get_inputs()})[0]  # fmt: skip


def texts(batch, length, seed=0):
    """Return ids and mask; every text but the first is shorter."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(5, VOCABULARY, (batch, length))
    mask = np.ones_like(ids)
    for row in range(1, batch):
        mask[row, 1 + rng.integers(0, length) :] = 0
    return ids * mask, mask


@pytest.mark.parametrize("flavour", ["portable", "ort-fused"])
@pytest.mark.parametrize(("batch", "length"), [(1, 1), (1, 2), (1, LONGEST), (64, 1), (64, 9), (3, LONGEST)])
def test_a_graph_says_what_the_model_says(graphs, flavour, batch, length):
    _, model, folder, _ = graphs
    ids, mask = texts(batch, length)
    with torch.no_grad():
        expected = model(torch.tensor(ids), torch.tensor(mask)).logits.numpy()
    assert np.abs(answers(opened(folder / f"{flavour}.onnx"), ids, mask) - expected).max() < 1e-5


@pytest.mark.parametrize("flavour", ["portable", "ort-fused"])
def test_padding_changes_nothing(graphs, flavour):
    _, _, folder, _ = graphs
    session = opened(folder / f"{flavour}.onnx")
    ids, mask = texts(6, 20)
    together = answers(session, ids, mask)
    for row, length in enumerate(mask.sum(axis=1)):
        alone = answers(session, ids[row : row + 1, :length], mask[row : row + 1, :length])
        assert np.abs(alone - together[row]).max() < 1e-5


def test_a_graph_has_no_more_operators_than_needed(graphs):
    family, _, folder, counts = graphs
    portable, fused, attentions = NODES[family]
    assert sum(counts["portable"].values()) <= portable
    assert sum(counts["ort-fused"].values()) <= fused
    found = counts["ort-fused"]
    assert found.get("Attention", 0) + found.get("MultiHeadAttention", 0) == attentions
    for flavour, counted in counts.items():
        assert Counter(node.op_type for node in onnx.load(folder / f"{flavour}.onnx").graph.node) == counted


def test_a_portable_graph_has_standard_operators_only(graphs):
    _, _, folder, _ = graphs
    model = onnx.load(folder / "portable.onnx")
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": 18}
    assert {node.domain for node in model.graph.node} == {""}


def test_the_export_leaves_the_attention_of_the_model_alone(graphs):
    _, model, _, _ = graphs
    assert model.config._attn_implementation in ("sdpa", "eager")


def test_a_long_graph_has_few_operators_a_layer(tmp_path):
    """Two layers more are an attention, three products with bias, a Gelu, two sums and two norms each."""
    few = export_onnx(make_model("bert"), tmp_path / "few.onnx", opset=18, flavour="ort-fused")
    many = export_onnx(make_model("bert", num_hidden_layers=4), tmp_path / "many.onnx", opset=18, flavour="ort-fused")
    assert {name: many[name] - few[name] for name in many if many[name] != few[name]} == {
        "Attention": 2, "MatMul": 6, "Add": 6, "Gelu": 2, "Sum": 4, "LayerNormalization": 4,
    }  # fmt: skip


@pytest.mark.parametrize("flavour", ["portable", "ort-fused"])
@pytest.mark.parametrize(("batch", "lengths"), [(1, [16]), (None, [16]), (4, []), (1, [1])])
def test_sizes_can_be_fixed(tmp_path, flavour, batch, lengths):
    model = make_model("bert")
    export_onnx(model, tmp_path / "model.onnx", opset=18, flavour=flavour, lengths=lengths, batch=batch)
    session = opened(tmp_path / "model.onnx")
    assert session.get_inputs()[0].shape == [batch or "batch", lengths[0] if lengths else "sequence"]
    ids, mask = texts(batch or 3, lengths[0] if lengths else 11)
    with torch.no_grad():
        expected = model(torch.tensor(ids), torch.tensor(mask)).logits.numpy()
    assert np.abs(answers(session, ids, mask) - expected).max() < 1e-5


def test_several_lengths_leave_the_length_free(tmp_path):
    export_onnx(make_model("bert"), tmp_path / "model.onnx", opset=18, lengths=[8, 16])
    assert opened(tmp_path / "model.onnx").get_inputs()[0].shape == ["batch", "sequence"]


def test_an_unknown_flavour_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="'fast' is no flavour"):
        export_onnx(make_model("bert"), tmp_path / "model.onnx", opset=18, flavour="fast")


def test_a_layer_without_its_attention_is_refused(tmp_path):
    model = make_model("bert")
    model.config.num_hidden_layers = 3
    with pytest.raises(InvalidArtifact, match=r"2 attentions of the bert .* it has 3 layers"):
        export_onnx(model, tmp_path / "model.onnx", opset=18, flavour="ort-fused")
    assert not (tmp_path / "model.onnx").exists()
