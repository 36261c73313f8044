"""A Jetson that is none: stand-ins for trtexec, TensorRT's Python package and the CUDA runtime."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgekd.bundle import Bundle, write_manifest
from edgekd.devices import find_profile
from edgekd.export.tensorrt import write_tensorrt
from edgekd.runtime.tensorrt_session import BUILD_SCRIPT

STANDINS = Path(__file__).parent / "standins"


def make_trtexec(folder: Path) -> Path:
    """Write a ``trtexec`` that runs the stand-in."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trtexec"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STANDINS / "trtexec.py"}" "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


def make_cudart(folder: Path, *flags: str) -> Path:
    """Compile the CUDA runtime's stand-in; skips the test without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc) for the stand-in of the CUDA runtime")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "libcudart.so.13"  # the first name that is looked for, so that no real one is found before it
    subprocess.run([compiler, "-shared", "-fPIC", *flags, "-o", path, STANDINS / "cudart.c"], check=True)
    return path


def as_tensorrt(folder: Path, source: Bundle, **options: object) -> Bundle:
    """Write a bundle again as a TensorRT folder, without its engine."""
    shutil.copytree(source.folder, folder)
    manifest = source.manifest
    settings = {"precision": "fp16", "max_length": manifest.max_length, **options}
    write_tensorrt(source.model_path, folder, profile=find_profile("jetson"), name=manifest.name, **settings)  # type: ignore[arg-type]
    changes = {
        "runtime": "tensorrt",
        "providers": ["TensorRT"],
        "target": "jetson-orin-nano",
        "precision": settings["precision"],
        "lengths": list(options.get("lengths", [])),  # type: ignore[call-overload]
        "batch": options.get("batch"),
    }
    return write_manifest(folder, manifest.model_copy(update=changes))


def run_script(
    folder: Path, *arguments: str, trtexec: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run ``build_engine.sh`` of a bundle, on a board with JetPack 6.2 where nothing else is said."""
    release = folder.parent / "nv_tegra_release"
    if "TEGRA_RELEASE_FILE" not in env:
        release.write_text("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n", "utf-8")
    settings = {"TEGRA_RELEASE_FILE": str(release), **({"TRTEXEC": str(trtexec)} if trtexec else {}), **env}
    return subprocess.run(
        ["bash", folder / BUILD_SCRIPT, *arguments],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
