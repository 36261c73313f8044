"""Find result files: from files and folders as given on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.decisions import DECISIONS_FILE, load_decisions
from edgekd.errors import DataError
from edgekd.results import RESULT_SUFFIX, load_result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.decisions import Decision
    from edgekd.results import BenchResult


LADDER_FOLDER = "ladder"  # results on validation texts, from which the decisions were made


def result_files(paths: Sequence[Path]) -> list[Path]:
    """Return the result files named by paths: files as they are, folders searched at any depth.

    A folder named ``ladder`` is searched only when it is given itself: its results are of other texts.

    Raises:
        DataError: when a path does not exist or a folder holds no result.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(
                file
                for file in path.rglob(f"*{RESULT_SUFFIX}")
                if LADDER_FOLDER not in file.relative_to(path).parts[:-1]
            )
            if not inside:
                raise DataError(
                    f"Folder '{path}' holds no result file (*{RESULT_SUFFIX}).",
                    hint="Measure first with 'edgekd bench ... --out DIR', or give the folder it wrote.",
                )
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise DataError(
                f"'{path}' does not exist.",
                hint=f"Give result files (*{RESULT_SUFFIX}) or the folders that hold them.",
            )
    return list(dict.fromkeys(file.resolve() for file in found))


def load_results(paths: Sequence[Path]) -> list[BenchResult]:
    """Read all results below paths; see :func:`result_files`."""
    return [load_result(file) for file in result_files(paths)]


def decisions_beside(paths: Sequence[Path]) -> list[Decision]:
    """Read every ``decisions.json`` below the folders, and beside the files, that were given."""
    files: list[Path] = []
    for path in paths:
        files += sorted(path.rglob(DECISIONS_FILE)) if path.is_dir() else [path.parent / DECISIONS_FILE]
    folders = dict.fromkeys(file.parent.resolve() for file in files if file.is_file())
    return [decision for folder in folders for decision in load_decisions(folder)]
