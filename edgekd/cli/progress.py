"""Progress on stderr: a live bar in a terminal, a line now and then elsewhere (CI logs, files)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from edgekd import units
from edgekd.cli.common import stderr_console

if TYPE_CHECKING:
    from collections.abc import Callable

LINE_INTERVAL_S = 10.0


class ConsoleProgress:
    """Shows one piece of work at a time.

    Args:
        clock: seconds; an argument so that tests can script it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = stderr_console()
        self._clock = clock
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._description = ""
        self._total: int | None = None
        self._started = 0.0
        self._last_line = 0.0

    def start(self, description: str, total: int | None) -> None:
        """Begin a piece of work."""
        self._close()
        self._description, self._total = description, total
        self._started = self._last_line = self._clock()
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=30),
                TextColumn("{task.percentage:>3.0f}%" if total else "{task.completed}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}", style="dim"),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task(escape(description), total=total, note="")
            self._bar.start()
        else:
            self._line(f"{description} ...")

    def update(self, done: int, note: str = "") -> None:
        """Show the state."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, note=escape(note))
            return
        now = self._clock()
        if now - self._last_line >= LINE_INTERVAL_S:
            self._last_line = now
            share = f"{100 * done / self._total:3.0f}%" if self._total else str(done)
            self._line(f"  {self._description}: {share} {note}".rstrip())

    def finish(self, note: str = "") -> None:
        """Leave one line with the time it took."""
        self._close()
        took = self._clock() - self._started
        self._line(f"{self._description}: done in {units.duration(took)}{'; ' + note if note else ''}")

    def say(self, message: str) -> None:
        """Print one line."""
        self._line(message)

    def _line(self, text: str) -> None:
        self._console.print(escape(text), highlight=False, soft_wrap=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None
