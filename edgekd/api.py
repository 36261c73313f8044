"""A bundle as a function of texts, which answers as ``pipeline("text-classification")`` of transformers does."""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from edgekd.bundle import load_bundle
from edgekd.errors import ConfigError, DataError
from edgekd.runtime import session_for
from edgekd.runtime.predict import predict_texts
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from edgekd.bundle import Bundle
    from edgekd.runtime.predict import Prediction
    from edgekd.runtime.text_session import TextSession

Answer = dict[str, Any]  # {"label": str, "score": float}
TopK = int | Literal["chosen"] | None


class Classifier:
    """Texts in, labels with calibrated probabilities out: the labels that ``edgekd predict`` shows.

    Args:
        bundle: a verified one.
        session: of it, loaded.
    """

    def __init__(self, bundle: Bundle, session: TextSession) -> None:
        self.bundle = bundle
        self.labels = tuple(bundle.manifest.labels)
        self._session = session
        self._task = bundle.manifest.as_task
        self._calibration = bundle.manifest.calibration
        self._temperature = self._calibration.temperature
        self._is_single_label = self._task.kind is TaskKind.SINGLE_LABEL
        self._encode, self._infer = session.encode, session.infer

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, threads: int = 1) -> Classifier:
        """Open a bundle; see :func:`edgekd.load`."""
        if threads < 1:
            raise ConfigError(f"threads is {threads}; at least one is needed.")
        bundle = load_bundle(Path(folder))
        session = session_for(bundle, threads)
        session.load()
        return cls(bundle, session)

    @overload
    def __call__(self, texts: str, *, top_k: TopK = "chosen", batch_size: int = 1) -> list[Answer]: ...
    @overload
    def __call__(
        self, texts: Sequence[str], *, top_k: TopK = "chosen", batch_size: int = 1
    ) -> list[Answer] | list[list[Answer]]: ...

    def __call__(
        self, texts: str | Sequence[str], *, top_k: TopK = "chosen", batch_size: int = 1
    ) -> list[Answer] | list[list[Answer]]:
        """Label texts.

        Args:
            texts: one, or several.
            top_k: "chosen": the label, or all labels of a multi-label bundle that reach their thresholds, perhaps
                none. A number: so many labels, the most likely first. None: all.
            batch_size: texts per call of the graph. Above 1 an int8 model may answer a little differently.

        Returns:
            For one text a list of ``{"label": ..., "score": ...}``. For several a list with one such dictionary a
            text, or, with ``top_k`` or a multi-label bundle, with a list of them a text. The label of a regression is
            the name of what is measured, its score the value.

        Raises:
            DataError: for a text that is none.
            ConfigError: for a ``top_k`` or ``batch_size`` below 1.
            InvalidArtifact: when a logit is not a finite number.
        """
        if isinstance(texts, str):
            if self._is_single_label and top_k == "chosen":
                return self._label(texts)
            return self._several([texts], top_k, 1)[0]
        found = self._several(texts, top_k, batch_size)
        if top_k == "chosen" and self._task.kind is not TaskKind.MULTI_LABEL:
            return [answers[0] for answers in found]
        return found

    def _label(self, text: str) -> list[Answer]:
        """Return the label of one text, without the arrays that the general way makes: they cost as much as a graph."""
        try:
            row = self._infer(self._encode([text]))[0].tolist()
        except TypeError:
            _check_text(1, text)
            raise
        best = max(row)
        if len(row) != len(self.labels) or not isfinite(sum(row)):
            return self._several([text], "chosen", 1)[0]  # says what is wrong
        temperature = self._temperature
        total = 0.0
        for logit in row:
            total += exp((logit - best) / temperature)
        return [{"label": self.labels[row.index(best)], "score": 1.0 / total}]

    def _several(self, texts: Iterable[str], top_k: TopK, batch_size: int) -> list[list[Answer]]:
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}; at least one is needed.")
        if top_k not in ("chosen", None) and (not isinstance(top_k, int) or top_k < 1):
            raise ConfigError(f"top_k is {top_k!r}; give a number from 1 on, None for all labels, or 'chosen'.")
        if not isinstance(texts, Iterable):
            _check_text(1, texts)
        given = list(texts)
        for number, text in enumerate(given, start=1):
            _check_text(number, text)
        found = predict_texts(self._session, self._task, given, calibration=self._calibration, batch_size=batch_size)
        return [self._answers(prediction, top_k) for prediction in found]

    def _answers(self, prediction: Prediction, top_k: TopK) -> list[Answer]:
        if prediction.value is not None:
            return [{"label": self.labels[0], "score": prediction.value}]
        shares = prediction.chosen
        if top_k != "chosen":
            ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
            shares = dict(ranked[:top_k])
        return [{"label": label, "score": share} for label, share in shares.items()]


def _check_text(number: int, text: object) -> None:
    if not isinstance(text, str):
        raise DataError(f"Text {number} is a {type(text).__name__}, not a str.", hint="Give a str or a list of them.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"Text {number} is no Unicode text: character {error.start + 1} is a lone surrogate.",
            hint="Decode its bytes with the right encoding.",
        ) from error
