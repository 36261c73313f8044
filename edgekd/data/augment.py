"""Texts made from one text: spans, masking, n-grams and noise. Words are what white space divides."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from edgekd.config import TransferConfig

MAX_NGRAM = 5
TRIES = 4  # for each text that is wanted, before it is given up

NOISE = (0.1, 0.2, 0.3)
NO_NEIGHBOURS: Mapping[str, Sequence[str]] = {}

Maker = Callable[[random.Random], str]
Neighbours = Mapping[str, Sequence[str]]


def augment(
    name: str,
    text: str,
    mean: float,
    config: TransferConfig,
    *,
    mask_token: str,
    taken: Collection[str] = (),
    neighbours: Mapping[str, Sequence[str]] = NO_NEIGHBOURS,
) -> tuple[int, list[str]]:
    """Return how many texts were wanted, and the different texts that could be made, none of them the text itself.

    Args:
        name: one of ``AUGMENTATIONS``.
        text: what they are made from.
        mean: mean number of texts; its fraction decides by chance whether there is one more.
        config: sizes and seed.
        mask_token: what masking writes in place of a word.
        taken: texts that are not to be made again, for instance what was made of this one in another way.
        neighbours: words that noise may write in place of a word.
    """
    # NOTE: a string seed goes through SHA-512, so it is the same in every process and Python version.
    generator = random.Random(f"{config.seed}\0{name}\0{text}")  # noqa: S311  (no secret)
    wanted = int(mean) + (generator.random() < mean % 1)
    words = text.split()
    make = AUGMENTATIONS[name](words, config, mask_token, neighbours)
    if make is None:
        return wanted, []
    itself = " ".join(words)
    found: dict[str, None] = {}
    for _ in range(wanted * TRIES):
        if len(found) == wanted:
            break
        made = make(generator)
        if made != itself and made not in taken:
            found[made] = None
    return wanted, list(found)


def spans(words: list[str], config: TransferConfig, mask_token: str, _: Neighbours) -> Maker | None:
    """Contiguous words: at least ``min_words``, and fewer than all; every length is equally likely."""
    longest = len(words) - 1
    if longest < config.min_words:
        return None
    return lambda generator: _part(words, _between(generator, config.min_words, longest), generator)


def masking(words: list[str], config: TransferConfig, mask_token: str, _: Neighbours) -> Maker | None:
    """All words, each replaced by the mask token with probability ``mask_share``: at least one, and never all.

    Tang et al. 2019, "Distilling Task-Specific Knowledge from BERT into Simple Neural Networks", arXiv 1903.12136.
    """
    if len(words) < 2:
        return None

    def make(generator: random.Random) -> str:
        masked = {place for place in range(len(words)) if generator.random() < config.mask_share}
        if not masked:
            masked = {_between(generator, 0, len(words) - 1)}
        elif len(masked) == len(words):
            masked.remove(_between(generator, 0, len(words) - 1))
        return " ".join(mask_token if place in masked else word for place, word in enumerate(words))

    return make


def ngrams(words: list[str], config: TransferConfig, mask_token: str, _: Neighbours) -> Maker | None:
    """One to five contiguous words, fewer than all; every length is equally likely (Tang et al. 2019)."""
    longest = min(MAX_NGRAM, len(words) - 1)
    if longest < 1:
        return None
    return lambda generator: _part(words, _between(generator, 1, longest), generator)


def noise(words: list[str], config: TransferConfig, mask_token: str, neighbours: Neighbours) -> Maker | None:
    """All words, with noise of a strength p that is 0.1, 0.2 or 0.3 for a text.

    A word is left out with probability 0.3 p, masked with 0.2 p, and replaced by a neighbour, where it has one, with
    1.5 p. Full sentences with other words complement spans, which are short and have the words of the text.
    """
    if len(words) < 2:
        return None

    def make(generator: random.Random) -> str:
        strength = NOISE[_between(generator, 0, len(NOISE) - 1)]
        result = []
        for word in words:
            chance = generator.random()
            if chance < 0.3 * strength:
                continue
            if chance < 0.5 * strength:
                result.append(mask_token)
            elif chance < 2 * strength and word in neighbours:
                near = neighbours[word]
                result.append(near[_between(generator, 0, len(near) - 1)])
            else:
                result.append(word)
        return " ".join(result)

    return make


AUGMENTATIONS = {"spans": spans, "masking": masking, "ngrams": ngrams, "noise": noise}


def _part(words: list[str], length: int, generator: random.Random) -> str:
    start = _between(generator, 0, len(words) - length)
    return " ".join(words[start : start + length])


def _between(generator: random.Random, low: int, high: int) -> int:
    """Return an integer from ``low`` to ``high``; several times faster than ``randint``."""
    return low + int(generator.random() * (high - low + 1))
