"""The folders of ``edgekd prune`` and ``quantize``: what comes in, where unfinished work is, what may be replaced."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgekd.artifacts import folder_lock, read_json
from edgekd.errors import ConfigError, EdgekdError
from edgekd.recipe import read_recipe
from edgekd.runfolder import COMPRESS_FILE, METRICS_FILE, RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN_DEPTH = 4  # RUN/students/NAME/distilled/seed-0
MODEL_FOLDERS = ("students", "teacher", "more-teachers", "compressed")


def require_source(source: Path) -> None:
    """Refuse what is no folder, before anything is read.

    Raises:
        ConfigError: naming it.
    """
    if not source.is_dir():
        what = "is a file" if source.exists() else "does not exist"
        raise ConfigError(
            f"'{source}' {what}; a model folder or a bundle is wanted.",
            hint="Give the folder that 'edgekd teach' or 'edgekd distill' wrote, or one with config.json, "
            "model.safetensors and tokenizer.json.",
        )


def stored_max_length(folder: Path) -> int | None:
    """Return how many tokens of a text a model folder was scored with, if it, or the recipe of its run, says so."""
    for name in (METRICS_FILE, COMPRESS_FILE):
        if (folder / name).is_file():
            record = read_json(folder / name)
            length = record.get("max_length", record.get("metrics", {}).get("max_length"))
            if length is not None:
                return int(length)
    place = folder.resolve()
    for parent in place.parents[:RUN_DEPTH]:
        run = RunFolder(parent)
        if run.recipe.is_file() and place.relative_to(parent).parts[0] in MODEL_FOLDERS:
            length = (read_recipe(run.recipe).get("teacher") or {}).get("max_length")
            return None if length is None else int(length)
    return None


@contextmanager
def work_folder(source: Path, out: Path, marker: str) -> Iterator[RunFolder]:
    """Yield the hidden sibling folder of ``out`` for unfinished work, locked; it is removed in the end.

    It stays when the process is killed, and when a step fails after a teacher has labelled texts: other settings can
    use the labels.

    Args:
        source: must not be overwritten.
        out: what will be published.
        marker: a file that tells that ``out`` was made by the same command, so that it may be replaced.

    Raises:
        ConfigError: when ``out`` is no name for a folder, or something else is there.
    """
    if not out.name or out.name == "..":
        raise ConfigError(f"--out '{out}' is not the name of a folder to make.", hint="For example: --out smaller")
    if out.resolve() == source.resolve():
        raise ConfigError(f"--out '{out}' is the model itself.", hint="Choose another folder.")
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / marker).is_file())):
        raise ConfigError(f"--out '{out}' exists and holds something else.", hint="Choose another folder.")
    folder = RunFolder(out.with_name(f".{out.name}.work"))
    with folder_lock(folder.root):
        try:
            yield folder
        except EdgekdError:
            if not any(folder.root.glob("labels/*")):
                shutil.rmtree(folder.root)
            raise
        shutil.rmtree(folder.root)
