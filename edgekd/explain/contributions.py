"""What every word of a text contributes to a model's answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.scores import choose, probabilities
from edgekd.explain.additive import additive_parts
from edgekd.explain.scores import log_odds
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgekd.explain.additive import AdditiveParts
    from edgekd.explain.model import ExplainedModel, Reading


class Method(str, Enum):
    """How contributions were found."""

    LEFT_OUT = "left out"  # score of the text - score of the text without the word
    ADDITIVE = "additive"  # exact parts of a linear model: base + sum of the contributions = score


@dataclass(frozen=True)
class Contributions:
    """The words of a text for one output of one model."""

    label: str
    method: Method
    score: float  # of the whole text: log-odds, or the value of a regression
    base: float | None  # additive: the score of no words at all
    values: list[float | None]  # one a word; None: the model does not read the word
    probability: float | None  # of the label; None for a regression
    without: list[float | None]  # probability (or value) when the word is left out


@dataclass(frozen=True)
class Answer:
    """What a model says about a text, and what it would say without each of its words."""

    reading: Reading
    logits: NDArray[np.float64]  # (outputs,)
    without: NDArray[np.float64]  # (words that are read, outputs)
    parts: AdditiveParts | None = None

    @property
    def model(self) -> ExplainedModel:
        """Return the model."""
        return self.reading.model

    @property
    def chosen(self) -> list[int]:
        """Return the outputs to explain: the label, all chosen labels or else the likeliest, the regression's value."""
        model = self.model
        if model.task.kind is TaskKind.REGRESSION:
            return [0]
        [choice] = choose(model.task, self.logits[None], model.calibration)
        if isinstance(choice, tuple):
            return list(choice) or [int(self.outputs.argmax())]
        return [int(choice)]

    @property
    def is_undecided(self) -> bool:
        """Tell whether a multi-label model chooses no label for the text."""
        return choose(self.model.task, self.logits[None], self.model.calibration) == [()]

    @property
    def outputs(self) -> NDArray[np.float64]:
        """Return the probabilities of the labels, or the value, ``(outputs,)``."""
        found = probabilities(self.model.task, self.logits[None], self.model.calibration)
        return np.asarray(found[0])

    def contributions(self, index: int, words: int) -> Contributions:
        """Return what each of ``words`` words contributes to output ``index``."""
        model = self.model
        is_value = model.task.kind is TaskKind.REGRESSION
        scores = log_odds(model.task, np.vstack([self.logits, self.without]), model.calibration)[:, index]
        shares = probabilities(model.task, np.vstack([self.logits, self.without]), model.calibration)[:, index]
        values = scores[0] - scores[1:]
        base = None
        if self.parts is not None:
            rows = log_odds(model.task, np.vstack([self.parts.base, self.parts.words]), model.calibration)[:, index]
            base, values = float(rows[0]), rows[1:]
        place = {word: row for row, word in enumerate(self.reading.read)}
        return Contributions(
            label=model.task.labels[index],
            method=Method.LEFT_OUT if self.parts is None else Method.ADDITIVE,
            score=float(scores[0]),
            base=base,
            values=[float(values[place[word]]) if word in place else None for word in range(words)],
            probability=None if is_value else float(shares[0]),
            without=[float(shares[1 + place[word]]) if word in place else None for word in range(words)],
        )


def answer(reading: Reading) -> Answer:
    """Run the model on a text and on the text without each word in turn."""
    rows = [reading.tokens.ids, *(reading.without({word}) for word in reading.read)]
    logits = reading.model.logits(rows)
    return Answer(reading, logits[0], logits[1:], additive_parts(reading, logits[0]))
