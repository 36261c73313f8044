"""Make the student that this repository gates itself with: texts from a grammar, a tiny transformer trained on them.

    python benchmarks/self_gate.py [--out benchmarks/self_gate]

Writes OUT/model (weights as safetensors, tokenizer, labels) and OUT/test.csv. Both are committed, so that `make gate`
exports the same weights with today's code and compares the bundle with the committed one: what differs is edgekd.
Run it again only to change the student; `edgekd baseline set` then makes its bundles the new baselines.
"""

from __future__ import annotations

import argparse
import csv
import random
import shutil
import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoModelForSequenceClassification, BertConfig, PreTrainedTokenizerFast

import edgekd.student.kinds  # noqa: F401 - registers the students with the Auto classes
from edgekd.config import StudentConfig
from edgekd.student.kinds import build_student
from edgekd.teacher.load import Teacher

LABELS = ("negative", "positive")
GOOD = [
    "great",
    "fine",
    "funny",
    "clever",
    "warm",
    "lovely",
    "bright",
    "brilliant",
    "moving",
    "fresh",
    "sharp",
    "tender",
]
BAD = ["awful", "dull", "boring", "weak", "cold", "bland", "flat", "clumsy", "tired", "noisy", "empty", "slow"]
NOT = ("not", "never", "hardly")
THINGS = ["film", "story", "plot", "cast", "scene", "ending", "dialogue", "music", "camera", "script", "joke", "hero"]
FILLERS = [
    "the",
    "a",
    "and",
    "it",
    "is",
    "was",
    "this",
    "that",
    "with",
    "very",
    "quite",
    "rather",
    "really",
    "still",
    "all",
    "in",
    "of",
    "one",
]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-"
FLIPPED = 0.06  # of the labels are wrong, so that a perfect score is impossible and both directions can be seen
TRAIN, TEST = 1500, 400
MAX_LENGTH = 64
STUDENT = StudentConfig(kind="transformer", from_scratch=True, layers=2, hidden_dim=16)
EPOCHS, BATCH, LEARNING_RATE = 8, 25, 3e-3


def sentence(rng: random.Random) -> tuple[str, int]:
    """Return a text of 3 to about 40 words and its label; all its opinions agree, some by a negation."""
    label = rng.randrange(2)
    words: list[str] = []
    while not words or (len(words) < 30 and rng.random() < 0.5):
        words += [*rng.choices(FILLERS, k=rng.randint(1, 6)), rng.choice(THINGS)]
        negated = rng.random() < 0.25
        words += [rng.choice(NOT)] * negated + [rng.choice(GOOD if label != negated else BAD)]
    return " ".join(words), label


def texts(count: int, seed: int) -> tuple[list[str], list[int]]:
    """Return distinct texts and labels, some of which are wrong."""
    rng = random.Random(seed)
    rows: dict[str, int] = {}
    while len(rows) < count:
        text, label = sentence(rng)
        rows[text] = label if rng.random() >= FLIPPED else 1 - label
    return list(rows), list(rows.values())


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Return a WordPiece tokenizer that knows the words of the grammar, and any other by its characters."""
    pieces = [*SPECIAL, *GOOD, *BAD, *NOT, *THINGS, *FILLERS, *CHARACTERS, *(f"##{c}" for c in CHARACTERS)]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    ends = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_LENGTH,
        **dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True)),
    )


def make_student(tokenizer: PreTrainedTokenizerFast) -> torch.nn.Module:
    """Return an untrained student; its shape needs a teacher, which is a small random one."""
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=MAX_LENGTH,
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    )
    teacher = AutoModelForSequenceClassification.from_config(config)
    with tempfile.TemporaryDirectory() as folder:
        teacher.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        loaded = AutoModelForSequenceClassification.from_pretrained(folder)
    return build_student(STUDENT, Teacher(loaded.eval(), tokenizer, MAX_LENGTH))


def train(model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast) -> None:
    """Train with the true labels alone; there is nobody to learn from."""
    rows, labels = texts(TRAIN, seed=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    order = random.Random(0)
    model.train()
    for _ in range(EPOCHS):
        indexes = order.sample(range(len(rows)), len(rows))
        for start in range(0, len(indexes), BATCH):
            chosen = indexes[start : start + BATCH]
            batch = tokenizer([rows[i] for i in chosen], padding=True, truncation=True, return_tensors="pt")
            target = torch.tensor([labels[i] for i in chosen])
            logits = model(batch["input_ids"], batch["attention_mask"]).logits
            loss = torch.nn.functional.cross_entropy(logits, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()


def main() -> None:
    """Make the model and the texts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "self_gate")
    out = parser.parse_args().out
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokenizer = make_tokenizer()
    model = make_student(tokenizer)
    train(model, tokenizer)
    shutil.rmtree(out / "model", ignore_errors=True)
    model.save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    rows, labels = texts(TEST, seed=2)
    with (out / "test.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["text", "label"])
        writer.writerows(zip(rows, (LABELS[label] for label in labels), strict=True))
    batch = tokenizer(rows, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        answers = model(batch["input_ids"], batch["attention_mask"]).logits.argmax(-1).tolist()
    right = sum(answer == label for answer, label in zip(answers, labels, strict=True))
    size = sum(path.stat().st_size for path in (out / "model").iterdir())
    print(f"{right} of {TEST} test texts right; {size:,} bytes in {out / 'model'}")


if __name__ == "__main__":
    main()
