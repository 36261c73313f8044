"""From a bundle to one file, and back."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.artifacts import publish_folder, sha256_file
from edgekd.bundle import MANIFEST_FILE, Bundle, load_bundle
from edgekd.bundles.archive import SUFFIX, write_archive
from edgekd.bundles.extract import MAX_BYTES, extract
from edgekd.bundles.names import why_unsafe
from edgekd.bundles.runner import PACKAGES, RUN_FILE, runner_source
from edgekd.errors import ConfigError, InvalidArtifact

if TYPE_CHECKING:
    from collections.abc import Iterator

CARD_FILE = "README.md"
ADDED_FILES = (RUN_FILE, CARD_FILE)  # by pack, beside what the manifest lists


@dataclass(frozen=True)
class Packed:
    """An archive that was written."""

    file: Path
    sha256: str
    size_bytes: int
    files: tuple[str, ...]  # in the archive, below its folder
    left_out: tuple[str, ...]  # in the folder, but not part of the bundle


def unlisted_files(bundle: Bundle) -> list[str]:
    """Return the files in a bundle's folder that its manifest does not list."""
    known = {*bundle.manifest.files, MANIFEST_FILE}
    found = (path.relative_to(bundle.folder).as_posix() for path in bundle.folder.rglob("*") if not path.is_dir())
    return sorted(set(found) - known)


def check_archive_name(out: Path) -> None:
    """Refuse a target that is a folder or not called ``.tar.gz``.

    Raises:
        ConfigError: naming a better one.
    """
    if out.is_dir():
        raise ConfigError(
            f"--out '{out}' is a folder.", hint=f"Name a file, for example '{out / ('bundle' + SUFFIX)}'."
        )
    if not out.name.endswith((SUFFIX, ".tgz")):
        raise ConfigError(f"--out '{out}' does not end in {SUFFIX}.", hint=f"For example: --out '{out}{SUFFIX}'")


def pack_bundle(bundle: Bundle, out: Path, card: str, *, replace: bool = False) -> Packed:
    """Write a verified bundle with its runner and model card as one archive; a file with the same bytes stays.

    Files that the manifest does not list are left out. The manifest is not changed, so the bundle inside is the same.

    Args:
        bundle: verified.
        out: the archive.
        card: text of the model card; not used where the bundle has a README.md of its own.
        replace: overwrite another file.

    Raises:
        ConfigError: when the target is no good.
        InvalidArtifact: when the bundle's name or a file's name cannot be a path, or another file is in the way.
    """
    check_archive_name(out)
    top = bundle.manifest.name
    for name in (top, *bundle.manifest.files):
        reason = "it has several parts" if name == top and "/" in name else why_unsafe(name)
        if reason:
            raise InvalidArtifact(f"'{bundle.folder}' cannot be packed because of the name {name!r}: {reason}.")
    files: dict[str, Path | bytes] = {CARD_FILE: card.encode()}
    if bundle.manifest.runtime in PACKAGES:
        files[RUN_FILE] = runner_source()
    files |= {name: bundle.folder / name for name in (*bundle.manifest.files, MANIFEST_FILE)}
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=_existing(out.parent)) as folder:
        written = Path(folder) / out.name
        write_archive(
            written, top, files, runnable=[name for name in files if name == RUN_FILE or name.endswith(".sh")]
        )
        digest, size = sha256_file(written), written.stat().st_size
        if out.exists() and not replace and sha256_file(out) != digest:
            raise InvalidArtifact(
                f"'{out}' exists and holds something else.", hint="Choose another file with --out, or add --force."
            )
        written.replace(out)
    left_out = [name for name in unlisted_files(bundle) if name not in ADDED_FILES]
    return Packed(out, digest, size, tuple(sorted(files)), tuple(left_out))


def _existing(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def unpack_bundle(file: Path, out: Path | None = None, *, max_bytes: int = MAX_BYTES) -> Bundle:
    """Extract a packed bundle, verify it, and only then let it appear.

    Args:
        file: the archive.
        out: folder of the bundle; None for one of the bundle's name in the working folder. It must be new or empty.
        max_bytes: of all files together.

    Raises:
        InvalidArtifact: when the archive or the bundle inside is damaged or unsafe, or the folder is not empty.
    """
    if out is not None:
        _require_empty(out)
    beside = (out or Path("bundle")).parent
    with tempfile.TemporaryDirectory(prefix=".edgekd-unpack-", dir=_existing(beside)) as folder:
        extracted = extract(file, Path(folder), max_bytes=max_bytes)
        load_bundle(extracted)
        target = out or Path(extracted.name)
        _require_empty(target)
        with publish_folder(target) as building:
            for path in extracted.iterdir():
                path.rename(building / path.name)
    return load_bundle(target, verify=False)


def _require_empty(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()) or (folder.is_dir() and any(folder.iterdir())):
        raise InvalidArtifact(
            f"'{folder}' exists already; nothing is overwritten.", hint="Choose a new one with --out."
        )


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Yield the folder of a bundle: the path itself, or where an archive was extracted to for as long as it takes.

    Raises:
        InvalidArtifact: when the path does not exist, or is a file that is no packed bundle.
    """
    if not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="edgekd-bundle-") as folder:
        yield extract(path, Path(folder))
