"""Texts that a user gives: a file or stdin, one a line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from edgekd.cli.common import stderr_console
from edgekd.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def read_lines(file: Path | None) -> Iterator[str]:
    """Yield the lines of a file, or of stdin without one; empty lines too.

    Raises:
        DataError: when the file does not exist, or naming the line that is not UTF-8.
    """
    if file is None:
        if sys.stdin.isatty():
            stderr_console().print("Type texts, one a line; end with Ctrl-D.", style="dim")
        return _lines(sys.stdin.buffer, "stdin")
    if not file.is_file():
        raise DataError(f"Text file '{file}' does not exist.", hint="Give a UTF-8 file, one text a line.")
    return _file_lines(file)


def check_unicode(texts: Iterable[str]) -> None:
    """Refuse what the shell passed on although it is no text: bytes arrive as lone surrogates.

    Raises:
        DataError: naming the text.
    """
    for number, text in enumerate(texts, start=1):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:  # noqa: PERF203 - the loop ends here
            raise DataError(
                f"Text {number} is not UTF-8 at character {error.start + 1}.",
                hint="Give UTF-8, or a file with --file.",
            ) from error


def _file_lines(file: Path) -> Iterator[str]:
    with file.open("rb") as stream:
        yield from _lines(stream, f"'{file}'")


def _lines(lines: Iterable[bytes], where: str) -> Iterator[str]:
    """Decode lines; bytes end a line at a line feed only, so odd Unicode separators stay inside a text."""
    for number, line in enumerate(lines, start=1):
        yield _decode(line.rstrip(b"\r\n"), number, where)


def _decode(line: bytes, number: int, where: str) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}, line {number} is not UTF-8: byte {error.start + 1} is 0x{line[error.start]:02x}.",
            hint="Convert it first, for example with: iconv -f WINDOWS-1252 -t UTF-8",
        ) from error
