"""A student's own tokenizer, trained on texts, instead of the teacher's.

All kinds clean and split texts as BERT does and put ``[CLS]`` and ``[SEP]`` around them, so ids depend on one word at a
time. Training has no randomness: the same texts give the same tokens.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from edgekd.errors import ConfigError
from edgekd.student.sizes import check_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgekd.config import StudentConfig, VocabularyConfig
    from edgekd.teacher.load import Teacher

UNKNOWN = "[UNK]"
# Their ids are their positions; [PAD] is 0, as everywhere.
SPECIAL_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": UNKNOWN,
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
CHARACTER_SHARE = 4  # at most a quarter of the tokens: a character takes two, at the beginning and inside of a word
MOST_CHARACTERS = 512  # rarer ones become [UNK]; without a limit one odd text could fill the vocabulary

_MARK = "\ue000"  # for private use, in no text


def student_tokenizer(config: StudentConfig, teacher: Teacher, texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a student: its own one, trained on ``texts``, or the teacher's.

    Args:
        config: of the student.
        teacher: whose tokenizer a student without ``vocabulary`` has.
        texts: training and transfer texts, never those of validation or test.

    Raises:
        ConfigError: when the student cannot have its own, or there is no text to train one on.
    """
    check_fields(config)
    if config.vocabulary is None:
        return teacher.tokenizer
    return train_tokenizer(config.vocabulary, texts, max_length=teacher.max_length)


def train_tokenizer(config: VocabularyConfig, texts: Iterable[str], *, max_length: int) -> PreTrainedTokenizerFast:
    """Train a tokenizer with BERT's cleaning and splitting.

    The vocabulary can stay smaller than asked for when the texts have no more to merge.

    Raises:
        ConfigError: when there is no text.
    """
    clean = normalizers.BertNormalizer(lowercase=config.lowercase, strip_accents=config.lowercase)
    split = pre_tokenizers.BertPreTokenizer()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in split.pre_tokenize_str(clean.normalize_str(text)))
    words = _with_frequent_characters(counts, min(MOST_CHARACTERS, config.size // CHARACTER_SHARE))
    if not words:
        raise ConfigError("A student's own vocabulary needs texts to be trained on, but there are none.")
    tokenizer = Tokenizer(_train(config, words))
    tokenizer.normalizer = clean
    tokenizer.pre_tokenizer = split
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS.values()))
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    if config.kind != "unigram":
        tokenizer.decoder = decoders.WordPiece()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=max_length, **SPECIAL_TOKENS)


def _with_frequent_characters(counts: Counter[str], limit: int) -> dict[str, int]:
    """Return the words that consist of the ``limit`` most frequent characters, in alphabetical order."""
    characters: Counter[str] = Counter()
    for word, count in counts.items():
        for character in word:
            characters[character] += count
    kept = {c for c, _ in sorted(characters.items(), key=lambda item: (-item[1], item[0]))[:limit]}
    return {word: count for word, count in sorted(counts.items()) if kept.issuperset(word)}


def _train(config: VocabularyConfig, words: dict[str, int]) -> Any:
    """Return the trained model.

    The trainers go through the words in the order of a hash table, which differs from process to process. What that
    would change is fixed here: the ids of first characters, ties between scores, the last digits of sums.
    """
    special = list(SPECIAL_TOKENS.values())
    repeated = ([word] * count for word, count in words.items())
    if config.kind == "unigram":
        scratch = Tokenizer(models.Unigram())
        # The trainer considers only pieces that occur in two different words, so a frequent word could not become a
        # token. Each word therefore comes once more with a mark; the mark's own piece is dropped afterwards.
        marked = ([word + _MARK] for word in words)
        trainer = trainers.UnigramTrainer(
            vocab_size=config.size + 1, special_tokens=special, unk_token=UNKNOWN, show_progress=False
        )
        scratch.train_from_iterator(itertools.chain(repeated, marked), trainer)
        pieces = [piece for piece in json.loads(scratch.to_str())["model"]["vocab"] if _MARK not in piece[0]]
        return models.Unigram(_in_order(pieces, special), unk_id=special.index(UNKNOWN))
    # Characters get their ids as "special" tokens of a trainer, which come first, in the given order.
    inner = sorted({f"##{character}" for word in words for character in word[1:]})
    first = sorted({word[0] for word in words})
    common: dict[str, Any] = {
        "vocab_size": config.size,
        "special_tokens": [*special, *first, *inner],
        "show_progress": False,
    }
    if config.kind == "wordpiece":
        scratch = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
        scratch.train_from_iterator(repeated, trainers.WordPieceTrainer(**common))
        return models.WordPiece(scratch.get_vocab(), unk_token=UNKNOWN, max_input_chars_per_word=100)
    # "##" tells parts within a word from its beginning, as in WordPiece.
    scratch = Tokenizer(models.BPE(unk_token=UNKNOWN, continuing_subword_prefix="##"))
    scratch.train_from_iterator(repeated, trainers.BpeTrainer(continuing_subword_prefix="##", **common))
    merges = [tuple(pair) for pair in json.loads(scratch.to_str())["model"]["merges"]]
    return models.BPE(
        vocab=scratch.get_vocab(), merges=merges, unk_token=UNKNOWN, continuing_subword_prefix="##", fuse_unk=True
    )


def _in_order(pieces: list[tuple[str, float]], special: list[str]) -> list[tuple[str, float]]:
    """Return the special tokens, then the pieces from the most to the least likely, ties in alphabetical order.

    The trainer adds characters that it had dropped with scores from the lowest upwards, 0.0001 apart; here all get the
    lowest.
    """
    scores = {piece: score for piece, score in pieces if piece not in special}
    lowest = min(scores.values())
    added = lowest + 0.0001 * sum(len(piece) == 1 for piece in scores)
    for piece, score in scores.items():
        scores[piece] = round(lowest if len(piece) == 1 and score <= added else score, 6)
    ordered = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return [*((token, 0.0) for token in special), *ordered]
