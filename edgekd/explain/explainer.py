"""Explain texts with a bundle, and beside it with its teacher: same words, same labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.analysis.regression import spearman
from edgekd.errors import ConfigError, DataError, unknown_name
from edgekd.explain.contributions import answer
from edgekd.explain.faithfulness import MINIMUM_WORDS, mean_estimates, summarize, trace
from edgekd.explain.model import Reading
from edgekd.explain.words import join, word_spans
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.analysis.estimators import Estimate
    from edgekd.explain.contributions import Answer, Contributions
    from edgekd.explain.faithfulness import Faithfulness, Trace
    from edgekd.explain.model import ExplainedModel
    from edgekd.explain.words import Word
    from edgekd.progress import Progress

COMPARABLE_WORDS = 3  # with two words a rank correlation is always -1, 0 or 1
RANK_DECIMALS = 5  # contributions that differ by less are rounding noise of the runtime, hence ties


@dataclass(frozen=True)
class View:
    """What one model says about a text."""

    model: str
    chosen: list[str]  # labels; empty when a multi-label model chooses none
    outputs: dict[str, float]  # probability of each label, or the value of a regression
    cut: list[str]  # words that it does not read because the text is too long


@dataclass(frozen=True)
class Explanation:
    """One label (or the value of a regression): what each word contributes to it."""

    label: str
    models: list[Contributions]  # of the bundle, then of the teacher if there is one
    agreement: float | None  # Spearman's rank correlation of the two; None with fewer than three words


@dataclass(frozen=True)
class TextExplanation:
    """A text, its words, and an explanation for each label that was chosen or asked for."""

    text: str
    words: list[Word]
    views: list[View]  # of the bundle, then of the teacher if there is one
    explanations: list[Explanation]


@dataclass(frozen=True)
class FaithfulnessReport:
    """The figures of bundle and teacher on the same texts and words."""

    models: list[Faithfulness]
    agreement: Estimate | None  # mean rank correlation of the two explanations over texts
    skipped: int  # texts with fewer than two words that are read


class Explainer:
    """Explains texts with one or two models.

    Args:
        model: the bundle.
        teacher: another model of the same task to show beside it.
        by_token: explain each of the bundle's tokens instead of whole words.

    Raises:
        ConfigError: when the teacher has another task or other labels.
    """

    def __init__(self, model: ExplainedModel, teacher: ExplainedModel | None = None, *, by_token: bool = False) -> None:
        self.models = [model] if teacher is None else [model, teacher]
        self.by_token = by_token
        if teacher is not None:
            _check_same_task(model, teacher)

    def explain(self, text: str, label: str | None = None) -> TextExplanation:
        """Explain a text: the label that the bundle chooses, all that it chooses (multi-label), or ``label``.

        Raises:
            ConfigError: when there is no such label.
            DataError: when the text has no word.
        """
        words, answers = self._answers(text)
        labels = self.models[0].task.labels
        if label is not None and label not in labels:
            hint = None
            if self.models[0].task.kind is TaskKind.REGRESSION:
                hint = "A regression has one value and needs no --label."
            raise unknown_name("label", label, labels, hint=hint)
        names = [label] if label is not None else [labels[index] for index in answers[0].chosen]
        return TextExplanation(
            text=text,
            words=words,
            views=[_view(found, words) for found in answers],
            explanations=[self._explanation(name, words, answers) for name in names],
        )

    def faithfulness(self, texts: Sequence[str], progress: Progress, *, seed: int = 0) -> FaithfulnessReport:
        """Measure over texts how far the explanations can be trusted, for the likeliest label of each model.

        Raises:
            DataError: when too few texts have two or more words.
        """
        traces: list[list[Trace]] = [[] for _ in self.models]
        agreements: list[float] = []
        skipped = 0
        progress.start("Faithfulness", len(texts))
        for number, text in enumerate(texts):
            words, readings = self._read(text)
            if any(len(reading.read) < MINIMUM_WORDS for reading in readings):
                skipped += 1
                continue
            answers = [answer(reading) for reading in readings]
            for found, collected in zip(answers, traces, strict=True):
                # Both models get the same random order.
                collected.append(trace(found, np.random.default_rng([seed, number])))
            likeliest = self.models[0].task.labels[int(answers[0].outputs.argmax())]
            agreement = self._explanation(likeliest, words, answers).agreement
            agreements += [] if agreement is None else [agreement]
            progress.update(number + 1)
        progress.finish()
        return FaithfulnessReport(
            models=[summarize(m.name, t, seed=seed) for m, t in zip(self.models, traces, strict=True)],
            agreement=mean_estimates(np.array(agreements)[:, None], seed=seed)[0] if agreements else None,
            skipped=skipped,
        )

    def _read(self, text: str) -> tuple[list[Word], list[Reading]]:
        tokens = [model.encode(text) for model in self.models]
        spans = [[span for span in found.spans if span is not None] for found in tokens]
        words = join(text, *spans) if self.by_token else join(text, word_spans(text), *spans)
        return words, [Reading.of(m, found, words) for m, found in zip(self.models, tokens, strict=True)]

    def _answers(self, text: str) -> tuple[list[Word], list[Answer]]:
        words, readings = self._read(text)
        for reading in readings:
            if not reading.read:
                what = "has no word that it knows how to read" if text.strip() else "is empty"
                raise DataError(
                    f"'{reading.model.name}' cannot explain the text {text[:40]!r}: it {what}.",
                    hint="Give a text with at least one word.",
                )
        return words, [answer(reading) for reading in readings]

    def _explanation(self, label: str, words: Sequence[Word], answers: Sequence[Answer]) -> Explanation:
        found = [
            a.contributions(
                0 if a.model.task.kind is TaskKind.REGRESSION else a.model.task.labels.index(label), len(words)
            )
            for a in answers
        ]
        return Explanation(label, found, _agreement(found) if len(found) > 1 else None)


def _agreement(models: Sequence[Contributions]) -> float | None:
    """Return Spearman's correlation over the words that both models read."""
    pairs = [(a, b) for a, b in zip(models[0].values, models[1].values, strict=True) if a is not None and b is not None]
    if len(pairs) < COMPARABLE_WORDS:
        return None
    rows = np.round(np.array(pairs), RANK_DECIMALS).T
    return spearman(rows[0], rows[1])


def _view(found: Answer, words: Sequence[Word]) -> View:
    labels = found.model.task.labels
    tokens = found.reading.tokens
    read = set(found.reading.read)
    cut = (
        []
        if tokens.read_to is None
        else [word.text for index, word in enumerate(words) if word.end > tokens.read_to and index not in read]
    )
    return View(
        model=found.model.name,
        chosen=[] if found.is_undecided else [labels[index] for index in found.chosen],
        outputs={name: float(value) for name, value in zip(labels, found.outputs, strict=True)},
        cut=cut,
    )


def _check_same_task(model: ExplainedModel, teacher: ExplainedModel) -> None:
    mine, theirs = model.task, teacher.task
    is_value = mine.kind is TaskKind.REGRESSION
    if mine.kind is theirs.kind and (is_value or sorted(mine.labels) == sorted(theirs.labels)):
        return
    raise ConfigError(
        f"'{teacher.name}' cannot stand beside '{model.name}': it is {theirs.kind.value} with "
        f"{', '.join(theirs.labels)}, the bundle is {mine.kind.value} with {', '.join(mine.labels)}.",
        hint="Give the bundle of the same task's teacher with --teacher, or --no-teacher.",
    )
