"""Splits by hash of the text, and cleaning. Pure: texts and targets in, texts and targets out."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd.data.types import Dropped, Examples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgekd.config import SplitConfig
    from edgekd.data.types import Target

MAX_EXAMPLES = 3
EXAMPLE_CHARS = 80


def normalise(text: str) -> str:
    """Return the form in which two texts count as the same: case folded, white space collapsed."""
    return " ".join(text.casefold().split())


def shorten(text: str) -> str:
    """Return the beginning of a text on one line, for messages."""
    line = " ".join(text.split())
    return line if len(line) <= EXAMPLE_CHARS else line[: EXAMPLE_CHARS - 3] + "..."


def dropped(reason: str, split: str, texts: Sequence[str]) -> Dropped:
    """Describe texts that were left out."""
    return Dropped(reason, split, len(texts), [shorten(text) for text in texts[:MAX_EXAMPLES]])


def assign(text: str, shares: Mapping[str, float], *, seed: int, rest: str = "train") -> str:
    """Return the split of a text: it depends on the text, the shares and the seed, and on no other text.

    Args:
        text: compared in its normalised form.
        shares: split -> share of the texts, in a fixed order.
        seed: another seed gives another split.
        rest: split of the texts that no share takes.
    """
    digest = hashlib.sha256(f"{seed}\0{normalise(text)}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64  # uniform in [0, 1)
    for name, share in shares.items():
        if position < share:
            return name
        position -= share
    return rest


def make_splits(examples: Examples, shares: Mapping[str, float], *, seed: int) -> dict[str, Examples]:
    """Divide examples by hash; the order inside a split is the order of the input."""
    names = ["train", *shares]
    rows: dict[str, list[int]] = {name: [] for name in names}
    for row, text in enumerate(examples.texts):
        rows[assign(text, shares, seed=seed)].append(row)
    return {name: _take(examples, rows[name]) for name in names}


def complete(given: Mapping[str, Examples], config: SplitConfig) -> dict[str, Examples]:
    """Make the splits that are not given from the training examples."""
    wanted = {"test": config.test, "validation": config.validation}
    shares = {name: share for name, share in wanted.items() if name not in given}
    return {**given, **make_splits(given["train"], shares, seed=config.seed)}


@dataclass(frozen=True)
class Clean:
    """Splits without duplicates, and what was left out."""

    splits: dict[str, Examples]
    unlabelled: list[str]
    dropped: list[Dropped]
    evaluate: dict[str, Examples]


def clean(
    splits: Mapping[str, Examples], unlabelled: Sequence[str], evaluate: Mapping[str, Examples] | None = None
) -> Clean:
    """Drop duplicates by normalised text.

    Within a split the first stays. Across splits the texts to score on win: test and ``evaluate`` (which may
    share texts) over validation, validation over train, and any of them over unlabelled texts.
    """
    seen: dict[str, str] = {}  # normalised text -> the split that holds it
    report: dict[tuple[str, str], list[str]] = defaultdict(list)
    kept: dict[str, Examples] = {}
    scored = {"test": splits["test"], **(evaluate or {})}
    for name, examples in {**scored, "validation": splits["validation"], "train": splits["train"]}.items():
        first: dict[str, Target] = {}  # normalised text -> target, within this split
        rows = []
        for row, (text, target) in enumerate(zip(examples.texts, examples.targets, strict=True)):
            key = normalise(text)
            if key in first:
                same = first[key] == target
                report[name, f"{'duplicate' if same else 'conflicting label'} within {name}"].append(text)
            elif key in seen and name not in scored:
                report[name, f"also in {seen[key]}"].append(text)
            else:
                first[key] = target
                rows.append(row)
        for key in first:
            seen.setdefault(key, name)
        kept[name] = _take(examples, rows)
    extra = []
    for text in unlabelled:
        key = normalise(text)
        if not key:
            report["unlabelled", "empty text"].append(text)
        elif key in seen:
            home = seen[key]
            reason = "duplicate within unlabelled" if home == "unlabelled" else f"also in {home}"
            report["unlabelled", reason].append(text)
        else:
            seen[key] = "unlabelled"
            extra.append(text)
    return Clean(
        splits={name: kept[name] for name in splits},
        unlabelled=extra,
        dropped=[dropped(reason, split, texts) for (split, reason), texts in report.items()],
        evaluate={name: kept[name] for name in evaluate or {}},
    )


def _take(examples: Examples, rows: Sequence[int]) -> Examples:
    return Examples([examples.texts[row] for row in rows], [examples.targets[row] for row in rows])
