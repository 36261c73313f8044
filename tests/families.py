"""Tiny random classifiers of the common encoder families, each with a small tokenizer of its family's own kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bundles import LABEL_WORDS, OTHER_WORDS

POSITIONS = 96  # tokens that every model has positions for
_SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
# What differs from the usual names and sizes; RoBERTa counts positions from behind the padding id.
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": _SHAPE,
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "roberta": {**_SHAPE, "max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1},
    "electra": {**_SHAPE, "embedding_size": 16},
    "albert": {**_SHAPE, "embedding_size": 16},
    "mobilebert": {**_SHAPE, "embedding_size": 16, "intra_bottleneck_size": 16, "num_feedforward_networks": 2},
    "deberta-v2": {
        **_SHAPE,
        "relative_attention": True,
        "position_biased_input": False,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 8,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "type_vocab_size": 0,
    },
    "modernbert": {**_SHAPE, "global_attn_every_n_layers": 2, "local_attention": 8},
}
# Words of the toy texts and some that no text has, so that all tokenizers learn pieces of words.
_LINES = [*LABEL_WORDS, *OTHER_WORDS, "the film was awful, but it's fun: 3.5 of 10!", "unbelievable naïve cafés"]


def make_family(
    folder: Path, family: str, *, labels: tuple[str, ...] = ("negative", "positive"), seed: int = 0
) -> Path:
    """Write a tiny random classifier of a family, as a Hugging Face folder."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    tokenizer = make_family_tokenizer(family)
    tokenizer.model_max_length = POSITIONS
    torch.manual_seed(seed)
    special = {name: getattr(tokenizer, name) for name in ("pad_token_id", "cls_token_id", "sep_token_id")}
    config = AutoConfig.for_model(
        family,
        **{"max_position_embeddings": POSITIONS, "vocab_size": len(tokenizer), **special, **FAMILIES[family]},
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    model = AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():  # random heads of small models all but ignore the text
            parameter.add_(0.1 * torch.randn_like(parameter))
        # MobileBERT reads a token's neighbours, so what is padded must be nothing.
        model.get_input_embeddings().weight[tokenizer.pad_token_id] = 0.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_family_tokenizer(family: str) -> Any:
    """Return a tokenizer of the family's class that learned a few words."""
    import transformers as hf
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    if family == "roberta":
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        vocab, merges = _byte_pairs(special)
        return hf.RobertaTokenizer(vocab=vocab, merges=merges)
    if family == "modernbert":
        special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
        vocab, merges = _byte_pairs(special)
        made = Tokenizer(models.BPE(vocab=vocab, merges=merges))
        made.normalizer = normalizers.NFC()
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        made.add_special_tokens(special)
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])]
        )
        names = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
        return hf.PreTrainedTokenizerFast(tokenizer_object=made, mask_token="[MASK]", **names)
    if family in ("albert", "deberta-v2"):
        special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
        if family == "deberta-v2":
            special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
        pieces = [(piece, 0.0) for piece in special] + list(_unigrams())
        kind = hf.AlbertTokenizer if family == "albert" else hf.DebertaV2Tokenizer
        return kind(vocab=pieces)
    learned = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learned.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    learned.train_from_iterator(
        _LINES, trainers.WordPieceTrainer(special_tokens=special, vocab_size=300, show_progress=False)
    )
    kinds = {"distilbert": hf.DistilBertTokenizer, "electra": hf.ElectraTokenizer, "mobilebert": hf.MobileBertTokenizer}
    return kinds.get(family, hf.BertTokenizer)(vocab=learned.get_vocab())


def _byte_pairs(special: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return vocabulary and merges of a byte-level BPE, the special tokens first."""
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        special_tokens=special, vocab_size=360, initial_alphabet=alphabet, show_progress=False
    )
    learned.train_from_iterator([f" {line}" for line in _LINES] * 3, trainer)
    model = json.loads(learned.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def _unigrams() -> Iterator[tuple[str, float]]:
    """Yield pieces with their log probabilities: words, and characters to spell all others."""
    for index, word in enumerate([*LABEL_WORDS, *(word for word in OTHER_WORDS if word.isalpha())]):
        yield f"▁{word}", -4.0 - 0.01 * index
    for index, character in enumerate("▁abcdefghijklmnopqrstuvwxyz0123456789.,!?'-:"):
        yield character, -8.0 - 0.01 * index
