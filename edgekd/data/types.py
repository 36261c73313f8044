"""What the other stages see of data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgekd.artifacts import hash_json

if TYPE_CHECKING:
    from edgekd.tasks import Task

SPLITS = ("train", "validation", "test")

# single-label: index into Task.labels; multi-label: sorted indexes, perhaps none; regression: the value
Target = int | tuple[int, ...] | float


@dataclass(frozen=True)
class Examples:
    """Labelled texts; ``targets[i]`` belongs to ``texts[i]``."""

    texts: list[str]
    targets: list[Target]

    def __len__(self) -> int:
        return len(self.texts)

    def hash(self) -> str:
        """Return a hash of texts and targets in order."""
        return hash_json([self.texts, self.targets])


@dataclass(frozen=True)
class Dropped:
    """Texts that were left out, and why."""

    reason: str  # "empty text", "duplicate within train", "also in test"...
    split: str
    count: int
    examples: list[str] = field(default_factory=list)  # at most three, shortened


@dataclass(frozen=True)
class TextData:
    """A prepared data set: clean, split, labels as targets of the task."""

    name: str
    task: Task
    train: Examples
    validation: Examples
    test: Examples
    unlabelled: list[str]
    dropped: list[Dropped]
    evaluate: dict[str, Examples] = field(default_factory=dict)  # further sets to score on, by name

    def split(self, name: str) -> Examples:
        """Return one split by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]
