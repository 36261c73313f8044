"""TensorRT engines on the board that measures them: built once for each graph and each JetPack."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.artifacts import hash_json, publish_folder
from edgekd.bench.machine import describe_machine
from edgekd.bundle import load_bundle
from edgekd.errors import InvalidArtifact
from edgekd.runtime.tensorrt_session import BUILD_SCRIPT, ENGINE_FILE, ENGINE_RECORD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.progress import Progress

TENSORRT = "tensorrt"
RELEASE_VARIABLE = "TEGRA_RELEASE_FILE"  # as in the build script
RELEASE_FILE = "/etc/nv_tegra_release"
SAID_LINES = 3


def build_engines(bundles: Sequence[Path], store: Path | None, progress: Progress) -> None:
    """See that every TensorRT bundle has its engine; other bundles are left alone.

    Args:
        bundles: folders.
        store: where engines are kept for the next time; None keeps none.
        progress: told where the work stands: an engine takes minutes.

    Raises:
        InvalidArtifact: when a bundle is damaged, or its engine cannot be built here.
    """
    for folder in bundles:
        bundle = load_bundle(folder)
        if bundle.manifest.runtime != TENSORRT:
            continue
        kept = store / engine_key(bundle.manifest.files) if store else None
        if kept is None or not (kept / ENGINE_FILE).is_file():
            progress.start(f"Building the TensorRT engine of {bundle.manifest.name}", None)
            _build(folder, bundle.manifest.name)
            progress.finish()
            if kept is not None:
                with publish_folder(kept) as into:
                    _copy(folder, into)
        else:
            _copy(kept, folder)


def engine_key(files: dict[str, str]) -> str:
    """Return the key of an engine: the graph and how it is built, the GPU's board, JetPack and TensorRT.

    Args:
        files: of the bundle, with their hashes.
    """
    release = Path(os.environ.get(RELEASE_VARIABLE) or RELEASE_FILE)
    versions = sorted({package.version for package in metadata.distributions(name=TENSORRT)})
    return hash_json(
        {
            "files": files,
            "jetpack": release.read_text(encoding="utf-8", errors="replace") if release.is_file() else "",
            "tensorrt": versions,
            "board": describe_machine().cpu_model,
        }
    )[:16]


def _build(folder: Path, name: str) -> None:
    done = subprocess.run(
        ["bash", str(folder / BUILD_SCRIPT)],  # noqa: S607 - wherever the board has it
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or not (folder / ENGINE_FILE).is_file():
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-SAID_LINES:])
        raise InvalidArtifact(
            f"The TensorRT engine of '{name}' could not be built on this board:\n{said or 'nothing was said'}"
        )


def _copy(source: Path, target: Path) -> None:
    for name in (ENGINE_FILE, ENGINE_RECORD):
        shutil.copy2(source / name, target / name)
