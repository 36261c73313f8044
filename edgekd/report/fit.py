"""Make a report fit: share lines fairly, cut long lists and long names. Pure: text in, text out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ELLIPSIS = "\u2026"


def fair_shares(wanted: Sequence[int], available: int) -> list[int]:
    """Return how many each gets: as wanted while there is enough, else as equal as can be, the first ones first.

    This is max-min fairness (water filling): nobody gets more while somebody who wants more has less.
    """
    shares = [0] * len(wanted)
    left = max(0, available)
    while left and any(share < want for share, want in zip(shares, wanted, strict=True)):
        least = min(share for share, want in zip(shares, wanted, strict=True) if share < want)
        for i, want in enumerate(wanted):
            if left and shares[i] == least and shares[i] < want:
                shares[i] += 1
                left -= 1
    return shares


def spread(names: Sequence[str]) -> list[str]:
    """Order the names on a line so that any first few of them are spread over it: both ends, the middle, and so on."""
    found = [*names[:1], *names[1:][-1:]]
    gaps = [(0, len(names) - 1)]
    while gaps:
        low, high = max(gaps, key=lambda gap: gap[1] - gap[0])
        gaps.remove((low, high))
        if high - low > 1:
            middle = (low + high) // 2
            found.append(names[middle])
            gaps += [(low, middle), (middle, high)]
    return found


def clip_sentences(sentences: Sequence[str], limit: int) -> tuple[str, int]:
    """Join whole sentences up to ``limit`` characters, the first one always.

    Returns:
        The text, and how many sentences were left out.
    """
    told: list[str] = []
    for sentence in sentences:
        if told and len(" ".join([*told, sentence])) > limit:
            break
        told.append(sentence)
    return " ".join(told), len(sentences) - len(told)


def clip(text: str, limit: int) -> str:
    """Cut a text to ``limit`` characters, the last of them an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + ELLIPSIS


def shorten(name: str, limit: int) -> str:
    """Cut the middle out of a name: its start says the model, its end the precision."""
    if len(name) <= limit:
        return name
    head = (limit - 1) * 3 // 5
    return name[:head] + ELLIPSIS + name[len(name) - (limit - 1 - head) :]


def short_names(names: Sequence[str], limit: int) -> dict[str, str]:
    """Return a short form of each name of at most ``limit`` characters; those that would be mixed up stay whole."""
    short = {name: shorten(name, limit) for name in names}
    forms = list(short.values())
    return {name: form if forms.count(form) == 1 else name for name, form in short.items()}


def wrap_name(name: str, width: int) -> list[str]:
    """Break a name after hyphens into lines of at most ``width`` characters; a part that is too long is cut hard."""
    lines: list[str] = []
    rest = name
    while len(rest) > width:
        place = rest.rfind("-", 0, width) + 1 or width
        lines.append(rest[:place])
        rest = rest[place:]
    return [*lines, rest]
