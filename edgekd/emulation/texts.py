"""Which texts are answered: given ones, the validation texts of the run, or a few of our own; and odd ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.data.evaluation import read_texts
from edgekd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Ordinary sentences for a bundle without data, of all lengths.
SENTENCES = (
    "No.",
    "Thank you.",
    "I want my money back.",
    "It works, and it works well.",
    "The screen broke on the second day.",
    "Nobody answered the phone all morning, so I went there myself.",
    "A warm, funny and clever film that never forgets the people it is about.",
    "The first half drags; the second half is worse.",
    "Delivery took three weeks, the box was open, and the manual is missing.",
    "Is there any way to change the address of an order that has been paid?",
    "Great value for the price, although the battery could last a little longer than it does.",
    "He says that it cannot be repaired, which I do not believe, because my neighbour had hers repaired last year.",
)
# What tokenizers stumble over; here the two processors must still agree.
ODD = (
    "",
    " ",
    "a",
    "\t\n",
    "\x00\x01\x1f\x7f",
    "caf\u00e9 cafe\u0301 \u00c5ngstr\u00f6m",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002",
    "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466\U0001f1e9\U0001f1ea",
    "zero\u200bwidth\u00adsoft\u2028line",
    "[CLS] [MASK] <s> </s>",
    "1234567890" * 20,
    "word " * 2000,
)


@dataclass(frozen=True)
class Texts:
    """Texts and where they come from.

    Attributes:
        texts: in the order in which they are answered.
        source: in words.
    """

    texts: tuple[str, ...]
    source: str


def choose_texts(bundle: Path, given: str | None, count: int, text_column: str | None = None) -> Texts:
    """Return the texts for a bundle: ``count`` of a file or of its run, spread over the lengths, and the odd ones.

    Args:
        bundle: its folder.
        given: data of the user; None takes validation texts of the run that the bundle lies in.
        count: texts of the data.
        text_column: of the user's data; recognised if not given.

    Raises:
        DataError: when the data hold no text.
    """
    run = run_texts(bundle) if given is None else None
    if given is None and run is None:
        return Texts(
            (*SENTENCES[:count], *ODD), f"{len(SENTENCES[:count])} built-in sentences and {len(ODD)} odd texts"
        )
    found = read_texts(given or str(run), text_column=text_column)
    if not found:
        raise DataError(f"'{given or run}' holds no text.", hint="Give a file with texts, one a line, or a data set.")
    chosen = spread(found, count)
    where = f"'{given}'" if given else "the validation texts of the run"
    return Texts((*chosen, *ODD), f"{len(chosen)} of {where} and {len(ODD)} odd texts")


def run_texts(bundle: Path) -> Path | None:
    """Return the validation texts of the run that a bundle lies in: ``RUN/bundles/TARGET/VARIANT``."""
    for folder in bundle.resolve().parents[:3]:
        path = folder / "data" / "validation.jsonl"
        if path.is_file():
            return path
    return None


def spread(texts: Sequence[str], count: int) -> list[str]:
    """Return ``count`` different texts, evenly over the lengths, the shortest and the longest among them."""
    ordered = sorted(dict.fromkeys(texts), key=lambda text: (len(text), text))
    if count >= len(ordered):
        return ordered
    if count == 1:
        return [ordered[len(ordered) // 2]]
    return [ordered[round(place * (len(ordered) - 1) / (count - 1))] for place in range(count)]
