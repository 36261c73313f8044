"""Small files of /proc and /sys. What is missing, unreadable or no number is None: boards differ in all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read_text(path: Path) -> str | None:
    """Return what a file says, without the line end.

    NOTE: sensors of parts that are switched off exist and fail when they are read (EINVAL, EAGAIN, ENODATA).
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return None


def read_int(path: Path) -> int | None:
    """Return the number in a file."""
    text = read_text(path)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
