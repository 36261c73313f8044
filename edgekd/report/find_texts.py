"""Find the texts that results were measured with: in the user's file or the run folder, matched by their hash."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.bench.emulated import fewer_texts
from edgekd.config import BenchConfig
from edgekd.data.evaluation import read_evaluation
from edgekd.errors import DataError, EdgekdError
from edgekd.report.texts import NOT_FOUND, Texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgekd.data.types import Examples
    from edgekd.results import BenchResult

TEST_FILE = Path("data") / "test.jsonl"  # of a run folder
RUN_DEPTH = 3  # RUN/results/TARGET/FILE and RUN/bundles/TARGET/NAME lie so deep


def find_texts(
    results: Sequence[BenchResult],
    paths: Sequence[Path],
    data: str | None = None,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
) -> Texts:
    """Find the texts that results were measured with.

    Args:
        results: what was measured.
        paths: where the results were read from; a run folder is looked for around them, and around the bundles.
        data: the user's file; None looks for run folders only.
        text_column: of the file; recognised if not given.
        label_column: of the file; recognised if not given.

    Raises:
        DataError: when the user's file cannot be read, or holds the texts of no result.
    """
    if data is None:
        files = dict.fromkeys(_run_files(results, paths))
        found = [_matching(results, str(file), must_read=False) for file in files]
        by_hash = {key: texts for one in found for key, texts in one.by_hash.items()}
        others = [str(file) for file, one in zip(files, found, strict=True) if not one.by_hash]
        return Texts(by_hash, note=NOT_FOUND + (f" Other texts lie in {', '.join(others)}." if others else ""))
    texts = _matching(results, data, text_column=text_column, label_column=label_column)
    if not texts.by_hash:
        names = ", ".join(sorted({f"'{r.data_name}' ({len(r.quality.predictions):,} texts)" for r in results}))
        raise DataError(
            f"'{data}' holds other texts than those that were measured: {names}.",
            hint="Give the very file (and columns) of 'edgekd bench --data', or leave --data out.",
        )
    return texts


def _matching(
    results: Sequence[BenchResult],
    source: str,
    *,
    must_read: bool = True,
    text_column: str | None = None,
    label_column: str | None = None,
) -> Texts:
    found: dict[str, list[str]] = {}
    firsts = {(result.data_hash, result.quality.as_task): result for result in results}
    read: dict[object, Examples] = {}
    for (data_hash, task), result in firsts.items():
        try:
            if task not in read:
                read[task] = read_evaluation(source, task, text_column=text_column, label_column=label_column)
        except EdgekdError:
            if must_read:
                raise
            continue
        if (texts := _with_hash(read[task], result)) is not None:
            found[data_hash] = texts
    return Texts(found, dict.fromkeys(found, source))


def _with_hash(examples: Examples, result: BenchResult) -> list[str] | None:
    """Return the texts that a result was measured with: all, or the part that an emulator answers."""
    if examples.hash() == result.data_hash:
        return list(examples.texts)
    count = len(result.quality.predictions)
    if count >= len(examples):
        return None
    config = BenchConfig(max_texts=count, seed=int(result.settings.get("seed", 0)))
    part, _ = fewer_texts(examples, "", config)
    return list(part.texts) if part.hash() == result.data_hash else None


def _run_files(results: Sequence[BenchResult], paths: Sequence[Path]) -> Iterator[Path]:
    for place in [*(Path(result.artifact) for result in results), *paths]:
        yield from _around(place, TEST_FILE)


def _around(place: Path, name: Path) -> Iterator[Path]:
    """Yield the nearest file of that name in a folder or those above it."""
    resolved = place.resolve()
    for folder in [resolved, *resolved.parents[:RUN_DEPTH]]:
        if (folder / name).is_file():
            yield folder / name
            return


def run_folder_of(paths: Sequence[Path]) -> Path | None:
    """Return the run folder that results lie in, with a recipe; None where they lie in none or in several."""
    found = {file.parent for path in paths for file in _around(path, Path("recipe.yaml"))}
    runs = [folder for folder in found if (folder / "results").is_dir()]
    return runs[0] if len(runs) == 1 and len(found) == 1 else None
