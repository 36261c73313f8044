"""Which bundles tests run with: from options and the ini file to folders. Imports nothing heavy."""

from __future__ import annotations

from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgekd.errors import ConfigError
from edgekd.filenames import MANIFEST_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NONE_GIVEN = "there is no bundle: give --edgekd-bundle PATH, or set edgekd_bundles in the ini file"


def find_bundles(given: Iterable[str], base: Path) -> list[Path]:
    """Return the bundle folders that are named: each one itself, all in a folder of bundles, or all of a pattern.

    Args:
        given: paths and patterns.
        base: folder that relative ones start from.

    Raises:
        ConfigError: for a path that does not exist or holds no bundle.
    """
    found: list[Path] = []
    for name in given:
        path = base / name
        folders = [path]
        if not path.exists() and has_magic(name):
            matches = sorted(glob(str(path)))  # noqa: PTH207 - the pattern may be absolute
            folders = [Path(match) for match in matches if _bundles_of(Path(match))]
        bundles = [bundle for folder in folders for bundle in _bundles_of(folder)]
        if not bundles:
            problem = "holds no bundle" if path.exists() else "does not exist"
            if not path.exists() and has_magic(name):
                problem = "matches no bundle"
            raise ConfigError(
                f"'{name}' {problem}.",
                hint=f"Give a bundle's folder (it has {MANIFEST_FILE}), a folder of bundles such as RUN/bundles/cpu, "
                "or a quoted pattern.",
            )
        found += bundles
    return list(dict.fromkeys(bundle.resolve() for bundle in found))


def _bundles_of(folder: Path) -> list[Path]:
    if (folder / MANIFEST_FILE).is_file():
        return [folder]
    return sorted(file.parent for file in folder.glob(f"*/{MANIFEST_FILE}"))


def names_of(bundles: Sequence[Path]) -> list[str]:
    """Return a name for each bundle: its folder's, with as many parents as it takes to tell them apart."""
    for parts in range(1, 1 + max((len(bundle.parts) for bundle in bundles), default=1)):
        names = ["/".join(bundle.parts[-parts:]) for bundle in bundles]
        if len(set(names)) == len(names):
            break
    return names


def check_arguments(config: pytest.Config) -> None:
    """Look for the bundles that were given, and for those that a shell made test paths of.

    Raises:
        pytest.UsageError: in the words of a command line.
    """
    invoked = config.invocation_params.dir
    try:
        find_bundles(config.getoption("edgekd_bundle"), invoked)
    except ConfigError as error:
        raise pytest.UsageError(f"--edgekd-bundle: {error.message} {error.hint}") from error
    for argument in config.args:
        if (invoked / argument / MANIFEST_FILE).is_file():
            raise pytest.UsageError(
                f"'{argument}' is a bundle and was taken for a folder of tests. --edgekd-bundle takes one value: "
                "quote the pattern, give the folder of bundles, or repeat the option."
            )


def given_bundles(config: pytest.Config) -> list[Path]:
    """Return the bundles of the command line, else those of the ini file.

    Raises:
        ConfigError: see :func:`find_bundles`.
    """
    named = config.getoption("edgekd_bundle")
    if named:
        return find_bundles(named, config.invocation_params.dir)
    return find_bundles(map(str, config.getini("edgekd_bundles")), config.rootpath)


def parametrize(metafunc: pytest.Metafunc, fixture: str, marker: str) -> None:
    """Give a test one parameter a bundle: those of its marker, else those given.

    Without any, a marked test gets none and will fail: a gate must not be left out unnoticed. Others are skipped.
    """
    marks = list(metafunc.definition.iter_markers(marker))
    own = next((mark.kwargs["bundle"] for mark in marks if mark.kwargs.get("bundle")), None)
    try:
        if own is not None:
            bundles = find_bundles([str(own)], metafunc.config.rootpath)
        else:
            bundles = given_bundles(metafunc.config)
    except ConfigError as error:
        where = f"marker {marker}, bundle" if own is not None else "edgekd_bundles"
        raise pytest.Collector.CollectError(f"{where}: {error.message} {error.hint}") from None
    if bundles:
        metafunc.parametrize(fixture, [str(bundle) for bundle in bundles], indirect=True, ids=names_of(bundles))
        return
    skip = [] if marks else [pytest.mark.skip(reason=NONE_GIVEN)]
    metafunc.parametrize(fixture, [pytest.param(None, marks=skip, id="no-bundle")], indirect=True)
