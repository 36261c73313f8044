"""Toy texts and tiny random models, made on the spot: nothing is downloaded."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

from edgekd.data.types import Examples, TextData
from edgekd.tasks import Task, TaskKind
from tests.bundles import LABEL_WORDS, make_tokenizer, vocabulary

GOOD = [word for index, word in enumerate(LABEL_WORDS) if index % 2 == 1]
BAD = [word for index, word in enumerate(LABEL_WORDS) if index % 2 == 0]
FILLER = ["the film was", "it is", "a movie and", "the movie is very", "not very", "and it was"]


def toy_texts(count: int, seed: int = 0) -> tuple[list[str], list[int]]:
    """Return distinct texts whose label is told by one word."""
    rng = random.Random(seed)
    rows: dict[str, int] = {}
    while len(rows) < count:
        target = rng.randrange(2)
        words = [rng.choice(FILLER) for _ in range(rng.randint(1, 4))]
        words.insert(rng.randrange(len(words) + 1), rng.choice(GOOD if target else BAD))
        rows[" ".join(words) + f" {rng.randrange(10_000)}"] = target
    return list(rows), list(rows.values())


def toy_data(train: int = 96, other: int = 32) -> TextData:
    """Return a small prepared data set."""
    texts, targets = toy_texts(train + 2 * other)
    cut = [0, train, train + other, train + 2 * other]
    parts = [Examples(texts[a:b], targets[a:b]) for a, b in itertools.pairwise(cut)]
    task = Task(TaskKind.SINGLE_LABEL, ("negative", "positive"))
    unlabelled, _ = toy_texts(40, seed=9)
    return TextData("toy", task, *parts, unlabelled, [])


def write_csv(path: Path, count: int = 160, seed: int = 0) -> Path:
    """Write toy texts as CSV with columns text and label."""
    texts, targets = toy_texts(count, seed)
    rows = [f"{text},{('negative', 'positive')[target]}" for text, target in zip(texts, targets, strict=True)]
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def make_encoder(folder: Path, *, family: str = "bert", layers: int = 2, seed: int = 0) -> Path:
    """Write a tiny random encoder with a tokenizer, as a Hugging Face folder.

    Args:
        family: "bert", "distilbert", "roberta" or "electra".
    """
    import torch
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    sizes = {
        "distilbert": {"dim": 32, "n_layers": layers, "n_heads": 2, "hidden_dim": 64},
        "electra": {"embedding_size": 16},
    }.get(family, {})
    if family != "distilbert":
        sizes |= {
            "hidden_size": 32,
            "num_hidden_layers": layers,
            "num_attention_heads": 2,
            "intermediate_size": 64,
        }
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        family, vocab_size=len(vocabulary()), max_position_embeddings=80, pad_token_id=0, **sizes
    )
    AutoModel.from_config(config).save_pretrained(folder)
    make_tokenizer(folder / "tokenizer.json")
    PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    return folder


def make_classifier(folder: Path, *, labels: tuple[str, ...] = ("negative", "positive"), **options: object) -> Path:
    """Write a tiny random classifier with a tokenizer."""
    from transformers import AutoModelForSequenceClassification

    make_encoder(folder, **options)  # type: ignore[arg-type]
    model = AutoModelForSequenceClassification.from_pretrained(
        folder,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    model.save_pretrained(folder)
    return folder
