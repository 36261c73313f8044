"""A prediction as a line, for people or as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from edgekd.runtime.predict import Prediction
    from edgekd.tasks import Task

NO_LABEL = "(none)"


def text_line(prediction: Prediction, task: Task) -> str:
    """Return the answer and the text on one line."""
    # Control characters of a text must not reach the terminal.
    shown = "".join(c if c.isprintable() else " " for c in prediction.text)
    return f"{_answer(prediction, task)}  {shown}\n"


def _answer(prediction: Prediction, task: Task) -> str:
    if prediction.value is not None:
        return f"{units.setting(prediction.value):>8}"
    if task.kind is TaskKind.SINGLE_LABEL:
        width = max(len(label) for label in task.labels)
        [(label, p)] = prediction.chosen.items()
        return f"{label:<{width}}  {units.probability(p)}"
    return ", ".join(f"{label} {units.probability(p)}" for label, p in prediction.chosen.items()) or NO_LABEL


def json_line(prediction: Prediction, task: Task) -> str:
    """Return text and answer as a JSON object on one line."""
    value: dict[str, Any] = {"text": prediction.text}
    if task.kind is TaskKind.REGRESSION:
        value["value"] = prediction.value
    elif task.kind is TaskKind.SINGLE_LABEL:
        [(label, p)] = prediction.chosen.items()
        value |= {"label": label, "probability": p, "probabilities": prediction.probabilities}
    else:
        value |= {"labels": list(prediction.labels), "probabilities": prediction.probabilities}
    return json.dumps(value, ensure_ascii=False) + "\n"
