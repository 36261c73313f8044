"""What a counter says between two marks, and what follows for a text. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Tags of marks: each closes the region before it.
BEGIN, TOKENIZE, INFER, NOTHING = range(1, 5)
MAGIC = 0x5EED0000  # as in plugin.c


@dataclass(frozen=True)
class Region:
    """Instructions between two marks.

    Attributes:
        tag: of the mark that ends it.
        total: all of them.
        classes: of them, by name; empty when the counter tells none.
    """

    tag: int
    total: int
    classes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TextCount:
    """One text, repeated; what a mark itself costs is taken off.

    Attributes:
        infer: of the graph, each repetition.
        tokenize: of the tokenizer, each repetition.
        classes: of the graph in the smallest repetition.
    """

    infer: list[int]
    tokenize: list[int]
    classes: dict[str, int]


def count_of_text(regions: Sequence[Region]) -> TextCount:
    """Return the counts of one text from all regions that were marked for it.

    Raises:
        ValueError: when there is no region of one of the tags.
    """
    by_tag = {tag: [region for region in regions if region.tag == tag] for tag in (TOKENIZE, INFER, NOTHING)}
    if missing := [tag for tag, found in by_tag.items() if not found]:
        raise ValueError(f"no region of {missing} among {len(regions)}")
    nothing = smallest(by_tag[NOTHING])
    least = smallest(by_tag[INFER])
    return TextCount(
        infer=[region.total - nothing.total for region in by_tag[INFER]],
        tokenize=[region.total - nothing.total for region in by_tag[TOKENIZE]],
        classes={name: max(0, count - nothing.classes.get(name, 0)) for name, count in least.classes.items()},
    )


def smallest(regions: Iterable[Region]) -> Region:
    """Return the region with the fewest instructions."""
    return min(regions, key=lambda region: region.total)


def parse_plugin_log(text: str) -> list[Region]:
    """Return the regions that ``plugin.c`` wrote to QEMU's log."""
    return [_plugin_region(line.split()) for line in text.splitlines() if line.startswith("mark ")]


def _plugin_region(words: Sequence[str]) -> Region:
    counts = {name: int(count) for name, _, count in (word.partition("=") for word in words[2:])}
    total = counts.pop("total")
    return Region(int(words[1]), total, {name: count for name, count in counts.items() if count})


def parse_callgrind_dump(text: str) -> Region | None:
    """Return the region of one file that callgrind wrote at a mark; None for the one at the end of the process."""
    tag = total = None
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key == "desc" and "Client Request" in value:
            tag = int(value.rpartition(":")[2])
        elif key in ("totals", "summary") and total is None:
            total = int(value.split()[0])
    return Region(tag, total) if tag is not None and total is not None else None
