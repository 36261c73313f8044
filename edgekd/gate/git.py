"""The little of git that baselines need: which commit this is, and a commit of exactly some files."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.errors import EdgekdError

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT_S = 120.0  # hooks may run in it


class GitFailed(EdgekdError):
    """Git refused; the message is its own."""


@dataclass(frozen=True)
class Repository:
    """A working tree.

    Args:
        root: its top folder.
        commit: short hash of HEAD; None before the first commit.
        dirty: a file that git knows differs from HEAD, staged or not.
    """

    root: Path
    commit: str | None
    dirty: bool


def find_repository(folder: Path) -> Repository | str:
    """Return the repository that a folder lies in, or why there is none; the folder need not exist yet."""
    if shutil.which("git") is None:
        return "git is not installed"
    here = folder.resolve()
    while not here.is_dir():
        here = here.parent
    top = _git(here, "rev-parse", "--show-toplevel")
    if top.returncode != 0:
        said = _said(top)
        return f"'{here}' is in no git repository" if "not a git repository" in said else f"git says: {said}"
    root = Path(top.stdout.rstrip("\n"))
    head = _git(root, "rev-parse", "--short", "--verify", "--quiet", "HEAD")
    commit = head.stdout.strip() or None
    changed = _git(root, "status", "--porcelain", "--untracked-files=no").stdout
    return Repository(root, commit, bool(changed.strip()))


def commit_only(repository: Repository, paths: Sequence[Path], message: str) -> str:
    """Commit exactly these files as they are now, and return the short hash; other staged changes stay staged.

    Raises:
        GitFailed: when git refuses: an ignored file, a hook, no name and address, a merge that goes on. Files that git
            did not know before are then not staged.
    """
    names = [str(path.resolve()) for path in paths]
    new = [name for name in names if not _is_known(repository, name)]
    if new:
        # Only a file that git knows can be named to `git commit --only`; this makes it known and stages nothing of it.
        _run(repository, "add", "--intent-to-add", "--", *new)
    try:
        _run(repository, "commit", "--quiet", "--only", "--message", message, "--", *names)
    except GitFailed:
        if new:
            _git(repository.root, "rm", "--cached", "--quiet", "--force", "--", *new)
        raise
    return _run(repository, "rev-parse", "--short", "HEAD").strip()


def is_changed(repository: Repository, path: Path) -> bool:
    """Tell whether a file differs from the last commit, or git does not know it; an ignored one is such a file."""
    name = str(path.resolve())
    return not _is_known(repository, name) or bool(_git(repository.root, "status", "--porcelain", "--", name).stdout)


def kept_by_lfs(repository: Repository, path: Path) -> bool:
    """Tell whether git-lfs keeps a file, as the attributes of the repository say."""
    said = _git(repository.root, "check-attr", "filter", "--", str(path.resolve())).stdout
    return said.rstrip().endswith(": lfs")


def has_lfs() -> bool:
    """Tell whether git-lfs is installed."""
    return shutil.which("git-lfs") is not None


def _is_known(repository: Repository, name: str) -> bool:
    return _git(repository.root, "ls-files", "--error-unmatch", "--", name).returncode == 0


def _run(repository: Repository, *arguments: str) -> str:
    done = _git(repository.root, *arguments)
    if done.returncode != 0:
        raise GitFailed(f"git {arguments[0]} failed: {_said(done)}")
    return done.stdout


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git without a prompt, in English, so that what it says can be recognised."""
    program = shutil.which("git") or "git"
    try:
        return subprocess.run(
            [program, "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            env={**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
        )
    except subprocess.TimeoutExpired as error:
        raise GitFailed(f"git {arguments[0]} did not end within {units.short_duration(TIMEOUT_S)}.") from error


def _said(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return " ".join(lines[:6]) or f"exit code {done.returncode}"
