"""git-lfs: files that are kept outside the history, and the pointers that stand for them until they are fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.artifacts import write_text_atomic
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.gate.git import Repository, has_lfs, kept_by_lfs

if TYPE_CHECKING:
    from pathlib import Path

BUNDLES = "bundles"  # folder of the packed bundles, below that of the baselines
ATTRIBUTES_FILE = ".gitattributes"
ATTRIBUTES = f"{BUNDLES}/*.tar.gz filter=lfs diff=lfs merge=lfs -text"  # in the folder of baselines
LARGE_BYTES = 5_000_000  # a packed bundle from here on is worth git-lfs: git keeps every version for ever
_POINTER = b"version https://git-lfs"
_POINTER_BYTES = 1024  # a pointer is smaller (git-lfs, docs/spec.md)


def is_pointer(path: Path) -> bool:
    """Tell whether a file is the small text that stands for a large file until git-lfs fetches it."""
    return path.stat().st_size <= _POINTER_BYTES and path.read_bytes().startswith(_POINTER)


def refuse_pointer(path: Path) -> None:
    """Refuse a file that was not fetched; one that does not exist is not looked at.

    Raises:
        InvalidArtifact: when it is a pointer.
    """
    if path.is_file() and is_pointer(path):
        raise InvalidArtifact(
            f"'{path}' is a pointer of git-lfs; the file itself was not fetched.",
            hint="Run 'git lfs pull'; in GitHub Actions give actions/checkout 'lfs: true'.",
        )


def require_lfs() -> None:
    """Make sure that git-lfs is there before anything is written.

    Raises:
        ConfigError: when it is not.
    """
    if not has_lfs():
        raise ConfigError(
            "--lfs needs git-lfs, which is not installed: the bundle would be committed as it is.",
            hint="Install git-lfs and run 'git lfs install' once, or leave --lfs out.",
        )


def write_attributes(root: Path) -> Path:
    """Give the packed bundles below a folder of baselines to git-lfs, in a file of attributes that is nobody else's."""
    path = root / ATTRIBUTES_FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    if ATTRIBUTES not in lines:
        write_text_atomic(path, "\n".join([*lines, ATTRIBUTES]) + "\n")
    return path


def suggestion(packed: Path, repository: Repository | None) -> str:
    """Return the line that gives packed bundles to git-lfs where that is worth it; else nothing."""
    if packed.stat().st_size < LARGE_BYTES or repository is None or kept_by_lfs(repository, packed):
        return ""
    return ATTRIBUTES
