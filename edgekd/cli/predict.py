"""``edgekd predict``: run a bundle on texts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option, Typer

from edgekd.cli.common import stderr_console
from edgekd.errors import ConfigError, DataError
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edgekd.runtime.predict import Prediction
    from edgekd.tasks import Task

NO_LABEL = "(none)"


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
    from edgekd.runtime import OnnxSession
    from edgekd.runtime.predict import predict_texts

    if texts and file:
        raise ConfigError("Give texts or --file, not both.")
    opened = load_bundle(bundle)
    source = _source(texts, file)
    session = OnnxSession(opened, threads)
    session.load()
    task, calibration = opened.manifest.as_task, opened.manifest.calibration
    write = _json_line if as_json else _line
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


def _line(prediction: Prediction, task: Task) -> str:
    # Control characters of a text must not reach the terminal.
    shown = "".join(c if c.isprintable() else " " for c in prediction.text)
    return f"{_answer(prediction, task)}  {shown}\n"


def _answer(prediction: Prediction, task: Task) -> str:
    if prediction.value is not None:
        return f"{prediction.value:>8.4g}"
    if task.kind is TaskKind.SINGLE_LABEL:
        width = max(len(label) for label in task.labels)
        [(label, p)] = prediction.chosen.items()
        return f"{label:<{width}}  {p:.3f}"
    return ", ".join(f"{label} {p:.3f}" for label, p in prediction.chosen.items()) or NO_LABEL


def _json_line(prediction: Prediction, task: Task) -> str:
    value: dict[str, Any] = {"text": prediction.text}
    if task.kind is TaskKind.REGRESSION:
        value["value"] = prediction.value
    elif task.kind is TaskKind.SINGLE_LABEL:
        [(label, p)] = prediction.chosen.items()
        value |= {"label": label, "probability": p, "probabilities": prediction.probabilities}
    else:
        value |= {"labels": list(prediction.labels), "probabilities": prediction.probabilities}
    return json.dumps(value, ensure_ascii=False) + "\n"
