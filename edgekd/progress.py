"""How long work tells the outside where it stands. Stages call it, the command line shows it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives what a stage is doing."""

    def start(self, description: str, total: int | None) -> None:
        """Begin a piece of work of ``total`` steps (None: unknown)."""

    def update(self, done: int, note: str = "") -> None:
        """Say how many steps are done, with a short note (a loss, an accuracy)."""

    def finish(self, note: str = "") -> None:
        """End the piece of work."""

    def say(self, message: str) -> None:
        """Say one line that stays."""


class Silent:
    """A progress that shows nothing."""

    def start(self, description: str, total: int | None) -> None:
        """Ignore."""

    def update(self, done: int, note: str = "") -> None:
        """Ignore."""

    def finish(self, note: str = "") -> None:
        """Ignore."""

    def say(self, message: str) -> None:
        """Ignore."""
