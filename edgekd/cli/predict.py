"""``edgekd predict``: run a bundle on texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option, Typer

from edgekd.errors import ConfigError


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
    from edgekd.cli.texts import check_unicode, read_lines
    from edgekd.runtime import session_for
    from edgekd.runtime.predict import predict_texts

    if texts and file:
        raise ConfigError("Give texts or --file, not both.")
    opened = load_bundle(bundle)
    if texts:
        check_unicode(texts)
    source = texts or read_lines(file)
    session = session_for(opened, threads)
    session.load()
    task, calibration = opened.manifest.as_task, opened.manifest.calibration
    write = json_line if as_json else text_line
    for prediction in predict_texts(session, task, source, calibration=calibration, batch_size=batch_size):
        sys.stdout.write(write(prediction, task))
        sys.stdout.flush()
