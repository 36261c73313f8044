"""Where a model comes from, and whether it still answers like the one it was made of: records of bundles and results.

Results carry figures and never texts, which are somebody's data.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from edgekd.measurements import Record


class LineageStep(Record):
    """One step from the teacher to a bundle, with the hash of what it produced."""

    step: str  # "teacher", "labels", "student", "vocabulary", "prune", "export", "graph"
    name: str
    hash: str
    details: dict[str, Any] = Field(default_factory=dict)


def step_of_words(words: str) -> LineageStep:
    """Return the step that results before schema 4 wrote as ``step:name@hash``; what is missing there stays empty."""
    step, _, rest = words.partition(":")
    name, _, short_hash = rest.rpartition("@") if "@" in rest else (rest, "", "")
    return LineageStep(step=step, name=name, hash=short_hash)


class Flip(Record):
    """A text that the graph answers differently."""

    text: str  # cut where it is long
    expected: str  # label, or labels, of the model
    actual: str  # of the graph
    max_abs_diff: float  # of its logits


class ParityFigures(Record):
    """How the exported graph compares with the model it came from: on validation texts, and on hostile ones."""

    texts: int
    max_abs_diff: float  # of a logit
    mean_abs_diff: float
    label_flips: int
    kl: float | None = None  # mean Kullback-Leibler divergence of the graph's answers from the model's, nats
    score_change: float | None = None  # of the main score, graph minus model; None without true labels
    score_change_interval: tuple[float, float] | None = None  # 95 %, paired
    recall_change: dict[str, float] = Field(default_factory=dict)  # by label, graph minus model
    padding_max_abs_diff: float | None = None  # of a logit of the graph, the same text alone and padded in a batch
    padding_flips: int = 0
    hostile_texts: int = 0  # empty, one character, emoji, right to left, 10,000 characters, control characters...
    hostile_max_abs_diff: float | None = None
    hostile_flips: int = 0


class Parity(ParityFigures):
    """The figures with the texts that are answered differently, for whoever made the graph."""

    worst: list[Flip] = Field(default_factory=list)  # at most ten, the largest difference first

    @property
    def figures(self) -> ParityFigures:
        """Without texts, which do not travel with a bundle."""
        return ParityFigures.model_validate(self.model_dump(exclude={"worst"}))
