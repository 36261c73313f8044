"""Extra texts that only the teacher labels: unlabelled texts, and texts made from the training texts."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.data.augment import AUGMENTATIONS, augment
from edgekd.data.lexicon import Lexicon
from edgekd.data.splits import dropped, normalise
from edgekd.data.types import Dropped
from edgekd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekd.config import TransferConfig
    from edgekd.data.types import TextData

UNLABELLED = "unlabelled"
WORDS = "words"
NO_WORDS = Lexicon()
NOT_MADE = "not made: the texts are too short, or parts repeat"


@dataclass(frozen=True)
class Transfer:
    """Transfer texts and where they come from."""

    texts: list[str]
    origins: dict[str, int]  # "unlabelled", "words", "spans", "masking", "ngrams", "noise" -> number
    dropped: list[Dropped]  # by origin: what is also in a split to score on, and what could not be made


def transfer_texts(
    data: TextData,
    config: TransferConfig,
    *,
    mask_token: str | None = "[MASK]",  # noqa: S107  (a token of the tokenizer)
    lexicon: Lexicon = NO_WORDS,
) -> Transfer:
    """Return unlabelled texts first, then those made from the training texts, in their order.

    By normalised form no text is there twice, in the training split, or in any split that models are chosen or
    scored with: validation, test and the ``evaluate`` sets. What is made from a text depends on that text and the
    configuration alone; only where two texts yield the same, the later one loses it.

    Args:
        data: a prepared data set.
        config: what to make, and how much.
        mask_token: how the teacher's tokenizer writes a masked word; None when it has no such token.
        lexicon: words for ``config.words``, and neighbours for noise.

    Raises:
        ConfigError: for masking or noise without a mask token, or when texts are to be made in no way.
    """
    shares = _shares(config, mask_token)
    held_out: dict[str, str] = {}
    splits = {"test": data.test, **data.evaluate, "validation": data.validation}
    for name, examples in splits.items():
        for text in examples.texts:
            held_out.setdefault(normalise(text), name)
    seen = {normalise(text) for text in data.train.texts}
    texts: list[str] = []
    origins: Counter[str] = Counter()
    leaks: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    wanted: Counter[str] = Counter()
    for origin, text in _candidates(data, config, shares, mask_token or "", lexicon, wanted):
        key = normalise(text)
        if key in held_out:
            leaks[origin, held_out[key]].append(text)
        elif key and key not in seen:
            seen.add(key)
            texts.append(text)
            origins[origin] += 1
    report = [dropped(f"also in {name}", origin, found) for (origin, name), found in leaks.items()]
    for origin, count in wanted.items():
        leaked = sum(len(found) for (other, _), found in leaks.items() if other == origin)
        if count > origins[origin] + leaked:
            report.append(Dropped(NOT_MADE, origin, count - origins[origin] - leaked))
    return Transfer(texts, dict(origins), report)


def _shares(config: TransferConfig, mask_token: str | None) -> dict[str, float]:
    """Return the share of each way in which texts are made; they add up to 1, or there are none."""
    if config.amount == 0:
        return {}
    weights = {name: float(getattr(config.mix, name)) for name in AUGMENTATIONS}
    total = sum(weights.values())
    if total == 0:
        raise ConfigError(
            f"transfer.amount is {config.amount:g}, but every share in transfer.mix is 0.",
            hint="Give one of spans, masking, ngrams and noise a share, or set transfer.amount: 0.",
        )
    masks = [name for name in ("masking", "noise") if weights[name]]
    if masks and mask_token is None:
        raise ConfigError(
            f"transfer.mix.{masks[0]} is set, but the teacher's tokenizer has no mask token.",
            hint=f"Set transfer.mix.{masks[0]}: 0 and use spans or ngrams.",
        )
    return {name: weight / total for name, weight in weights.items() if weight}


def _candidates(
    data: TextData,
    config: TransferConfig,
    shares: dict[str, float],
    mask_token: str,
    lexicon: Lexicon,
    wanted: Counter[str],
) -> Iterator[tuple[str, str]]:
    """Yield origin and text; count in ``wanted`` how many were to be made."""
    if config.unlabelled:
        for text in data.unlabelled:
            yield UNLABELLED, text
    if config.words:
        for word in lexicon.words:
            yield WORDS, word
    for text in [*data.train.texts, *(data.unlabelled if config.augment_unlabelled else ())]:
        taken: set[str] = set()
        for name, share in shares.items():
            mean = config.amount * share
            count, made = augment(
                name, text, mean, config, mask_token=mask_token, taken=taken, neighbours=lexicon.neighbours
            )
            wanted[name] += count
            taken.update(made)
            for new in made:
                yield name, new
