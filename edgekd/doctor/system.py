"""Where facts are read: the files of a system, and the programs that boards bring."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.bench.sysfs import read_int, read_text
from edgekd.bench.tools import run

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class System:
    """A system to look at.

    Args:
        root: of its files; another folder in tests.
        answers: what programs print, by command line; None runs those of this machine.
    """

    root: Path = Path("/")
    answers: Mapping[str, str] | None = field(default=None)

    def text(self, path: str) -> str | None:
        """Return what a file says; None when it is missing or unreadable."""
        return read_text(self.root / path)

    def number(self, path: str) -> int | None:
        """Return the number in a file."""
        return read_int(self.root / path)

    def find(self, pattern: str) -> list[Path]:
        """Return the paths that match, in order of their names."""
        return sorted(self.root.glob(pattern))

    def ask(self, *command: str) -> str | None:
        """Return what a program prints; None when it is missing, fails or hangs."""
        if self.answers is not None:
            return self.answers.get(" ".join(command))
        return run(list(command)) if shutil.which(command[0]) else None


def count_listed(text: str) -> int:
    """Return how many numbers a list of the kernel holds: "0-3,8" has five."""
    total = 0
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if first.isdigit():
            total += int(last) - int(first) + 1 if dash and last.isdigit() else 1
    return total


def parse_size(text: str) -> int | None:
    """Return the bytes of a cache size: "32K", "2048K", "1M"."""
    factors = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    digits = text.rstrip("KMG")
    return int(digits) * factors.get(text[-1:], 1) if digits.isdigit() else None
