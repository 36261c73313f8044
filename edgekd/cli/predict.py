"""``edgekd predict``: run a bundle on texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from edgekd.cli.common import stderr_console
from edgekd.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def register(app: Typer) -> None:
    """Add the commands of this module to the app."""
    app.command(rich_help_panel="Use")(predict)


def predict(
    bundle: Annotated[Path, Argument(help="Bundle folder.", show_default=False)],
    texts: Annotated[list[str] | None, Argument(metavar="[TEXT]...", help="Texts; without any, stdin is read.")] = None,
    file: Annotated[Path | None, Option("--file", "-f", help="Read texts from a file, one a line.")] = None,
    as_json: Annotated[bool, Option("--json", help="Print one JSON object a line.")] = False,
    batch_size: Annotated[int, Option(min=1, help="Texts per call; an int8 model answers exactly at 1.")] = 1,
    threads: Annotated[int, Option(min=1, help="Threads of the runtime.")] = 1,
) -> None:
    """Label texts with a bundle, or give their values. Needs neither torch nor transformers.

    Probabilities are calibrated; a multi-label bundle shows every label that reaches its threshold.
    """
    from edgekd.bundle import load_bundle
    from edgekd.cli.answers import json_line, text_line
    from edgekd.runtime import OnnxSession
    from edgekd.runtime.predict import predict_texts

    if texts and file:
        raise ConfigError("Give texts or --file, not both.")
    opened = load_bundle(bundle)
    source = _source(texts, file)
    session = OnnxSession(opened, threads)
    session.load()
    task, calibration = opened.manifest.as_task, opened.manifest.calibration
    write = json_line if as_json else text_line
    for prediction in predict_texts(session, task, source, calibration=calibration, batch_size=batch_size):
        sys.stdout.write(write(prediction, task))
        sys.stdout.flush()


def _source(texts: list[str] | None, file: Path | None) -> Iterable[str]:
    if texts:
        return texts
    if file is not None:
        if not file.is_file():
            raise DataError(f"Text file '{file}' does not exist.", hint="Give a UTF-8 file, one text a line.")
        return _file_lines(file)
    if sys.stdin.isatty():
        stderr_console().print("Type texts, one a line; end with Ctrl-D.", style="dim")
    return _lines(sys.stdin.buffer, "stdin")


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
