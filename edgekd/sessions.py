"""Measurements that are kept: one interleaved session a folder, reused when nothing changed that it depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekd.artifacts import hash_json, read_json, write_json_atomic
from edgekd.bench.machine import describe_machine
from edgekd.bench.runner import run_bench
from edgekd.results import RESULT_SUFFIX, BenchResult, load_result, save_result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.bench.variants import Variant
    from edgekd.config import BenchConfig
    from edgekd.data.types import Examples
    from edgekd.devices import DeviceProfile
    from edgekd.progress import Progress

SESSION_FILE = "session.json"


def measure_once(
    variants: Sequence[Variant],
    out: Path,
    *,
    profile: DeviceProfile,
    config: BenchConfig,
    texts: Examples,
    warm_up_texts: Sequence[str],
    data_name: str,
    progress: Progress,
) -> list[BenchResult]:
    """Measure as :func:`edgekd.bench.runner.run_bench` does, or return what an equal session found in ``out``."""
    key = hash_json(
        {
            "variants": [[variant.name, variant.artifact_hash] for variant in variants],
            "texts": texts.hash(),
            "bench": config.model_dump(),
            "profile": profile.model_dump(mode="json", exclude={"ladder", "sources", "reasons"}),
            "machine": describe_machine().fingerprint,
        }
    )
    stored = _stored(out, key)
    if stored is not None:
        stored = [_with_origin(result, variant, out) for result, variant in zip(stored, variants, strict=True)]
        others = f" and {len(variants) - 1} more" if len(variants) > 1 else ""
        progress.say(f"Measurements of {variants[0].name}{others}: unchanged, reused")
        return stored
    for old in out.glob(f"*{RESULT_SUFFIX}"):
        old.unlink()
    results = run_bench(
        variants,
        profile=profile,
        config=config,
        texts=texts,
        warm_up_texts=warm_up_texts,
        data_name=data_name,
        out=out,
        progress=progress,
    )
    write_json_atomic(out / SESSION_FILE, {"key": key, "variants": [result.variant for result in results]})
    return results


def _with_origin(result: BenchResult, variant: Variant, out: Path) -> BenchResult:
    """Give a result of an older schema, measured on the same bundle, what its manifest knows of its making."""
    lineage = list(variant.lineage)
    if (result.lineage, result.parity) == (lineage, variant.parity) or result.variant != variant.name:
        return result
    complete = result.model_copy(update={"lineage": lineage, "parity": variant.parity})
    save_result(complete, out / f"{result.variant}{RESULT_SUFFIX}")
    return complete


def _stored(folder: Path, key: str) -> list[BenchResult] | None:
    """Return the results of an equal session that ended, or None."""
    path = folder / SESSION_FILE
    if not path.is_file():
        return None
    session: dict[str, Any] = read_json(path)
    files = [folder / f"{name}{RESULT_SUFFIX}" for name in session["variants"]]
    if session["key"] != key or not all(file.is_file() for file in files):
        return None
    return [load_result(file) for file in files]
