"""The reader of each task: from label cells to targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from edgekd.data.multi_label import MultiLabel
from edgekd.data.regression import Regression
from edgekd.data.single_label import SingleLabel
from edgekd.data.types import Examples
from edgekd.errors import ConfigError
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.data.rows import Rows
    from edgekd.data.types import Target


class TaskReader(Protocol):
    """Reads the label cells of one task."""

    def parse(self, rows: Rows) -> list[Any]:
        """Return what each cell says; None where it is missing."""

    def labels(self, rows: Rows, parsed: Sequence[Any], configured: Sequence[str] | None) -> list[str]:
        """Return the names of the outputs in order, from the training rows."""

    def targets(
        self, rows: Rows, parsed: Sequence[Any], labels: Sequence[str], *, numbers_are_indexes: bool
    ) -> list[Target]:
        """Return one target a text; an integer that is no name may stand for the label of that index."""

    def check_training(self, targets: Sequence[Target], labels: Sequence[str], source: str) -> None:
        """Refuse training targets from which nothing can be learned."""


TASK_READERS: dict[TaskKind, TaskReader] = {
    TaskKind.SINGLE_LABEL: SingleLabel(),
    TaskKind.MULTI_LABEL: MultiLabel(),
    TaskKind.REGRESSION: Regression(),
}


def examples_of(
    rows: Rows, parsed: Sequence[Any], kind: TaskKind, labels: Sequence[str], *, numbers_are_indexes: bool
) -> Examples:
    """Return the texts with their targets."""
    targets = TASK_READERS[kind].targets(rows, parsed, labels, numbers_are_indexes=numbers_are_indexes)
    return Examples(rows.texts, targets)


def has_labels(parsed: Sequence[Any]) -> bool:
    """Tell whether any text has a label; none has where those of a test split are withheld."""
    return any(value is not None and value not in ("", ()) for value in parsed)


def check_label_names(kind: TaskKind, labels: Sequence[str] | None) -> None:
    """Refuse configured label names that do not fit the task.

    Raises:
        ConfigError: for a name twice, or the wrong number of names.
    """
    if labels is None:
        return
    if kind is TaskKind.REGRESSION:
        if len(labels) != 1:
            raise ConfigError(
                f"data.labels has {len(labels)} name(s): {list(labels)}; a regression has one output.",
                hint="Leave data.labels out, or give one name for what is measured.",
            )
        return
    double = sorted({name for name in labels if list(labels).count(name) > 1})
    if double or len(labels) < 2:
        what = f"names '{double[0]}' twice" if double else f"has {len(labels)} name(s)"
        raise ConfigError(f"data.labels {what}: {list(labels)}.", hint="Give at least two different label names.")
