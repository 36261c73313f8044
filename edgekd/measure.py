"""The second half of ``edgekd run``: measure the bundles of each target, decide what earned its place, report.

Results are reused when the bundles, the texts, the settings and the machine are the same as when they were made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekd.analysis.decide import decide
from edgekd.artifacts import folder_lock, hash_json, read_json, write_json_atomic
from edgekd.bench.machine import describe_machine
from edgekd.bench.runner import run_bench
from edgekd.bench.variants import variant_from_bundle, variant_from_teacher
from edgekd.decisions import Decision, save_decisions
from edgekd.report.model import build_report
from edgekd.report.write import write_report
from edgekd.results import RESULT_SUFFIX, BenchResult, load_result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.bundle import Bundle
    from edgekd.config import Recipe
    from edgekd.devices import DeviceProfile
    from edgekd.pipeline import DistillOutcome
    from edgekd.progress import Progress
    from edgekd.report.model import Report

SESSION_FILE = "session.json"


@dataclass(frozen=True)
class Measured:
    """What ``edgekd run`` ends with."""

    report: Report
    path: Path  # the file to open first
    results: list[BenchResult]
    decisions: list[Decision]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types."""
        from edgekd.report.export import to_json_value

        return {"report": str(self.path), **to_json_value(self.report)}


def measure_and_report(
    recipe: Recipe, outcome: DistillOutcome, profiles: Sequence[DeviceProfile], progress: Progress
) -> Measured:
    """Measure every target of a run and write the report."""
    folder = outcome.folder
    results: list[BenchResult] = []
    decisions: list[Decision] = []
    with folder_lock(folder.root):
        for profile in profiles:
            measured = _measure_target(recipe, outcome, profile, progress)
            of_target = [d for d in outcome.decisions if d.target == profile.name]
            of_target += decide(measured, accuracy_drop=profile.budgets.accuracy_drop)
            save_decisions(of_target, folder.results(profile.name))
            results += measured
            decisions += of_target
        command = f"edgekd run {folder.recipe} --out {folder.root}"
        report = build_report(
            results,
            decisions=decisions,
            title=f"edgekd: {recipe.name}",
            run={"commands": [command]},
            host_targets={profile.name for profile in profiles if profile.is_this_machine},
        )
        written = write_report(report, folder.report)
    for reason in written.skipped:
        progress.say(reason)
    html = [path for path in written.files if path.suffix == ".html"]
    markdown = [path for path in written.files if path.suffix == ".md"]
    return Measured(report, (html or markdown)[0], results, decisions)


def _measure_target(
    recipe: Recipe, outcome: DistillOutcome, profile: DeviceProfile, progress: Progress
) -> list[BenchResult]:
    bundles = outcome.bundles[profile.name]
    folder = outcome.folder.results(profile.name)
    key = _session_key(recipe, outcome, bundles, profile)
    reused = _stored_session(folder, key)
    if reused is not None:
        progress.say(f"Measurements for {profile.name}: unchanged, reused")
        return reused
    for old in folder.glob(f"*{RESULT_SUFFIX}"):
        old.unlink()
    variants = [variant_from_teacher(outcome.folder.teacher, max_length=recipe.teacher.max_length)]
    variants += [variant_from_bundle(bundle.folder) for bundle in bundles]
    results = run_bench(
        variants,
        profile=profile,
        config=recipe.bench,
        texts=outcome.data.test,
        warm_up_texts=outcome.data.train.texts,
        data_name=f"{outcome.data.name}, test split",
        out=folder,
        progress=progress,
    )
    names = [result.variant for result in results]
    write_json_atomic(folder / SESSION_FILE, {"key": key, "variants": names})
    return results


def _session_key(recipe: Recipe, outcome: DistillOutcome, bundles: Sequence[Bundle], profile: DeviceProfile) -> str:
    return hash_json(
        {
            "bundles": [[bundle.manifest.name, bundle.artifact_hash] for bundle in bundles],
            "teacher": read_json(outcome.folder.teacher / "stage.json")["key"],
            "texts": outcome.data.test.hash(),
            "bench": recipe.bench.model_dump(),
            "profile": profile.model_dump(mode="json"),
            "machine": describe_machine().fingerprint,
        }
    )


def _stored_session(folder: Path, key: str) -> list[BenchResult] | None:
    """Return the results of an equal session that ended, or None."""
    path = folder / SESSION_FILE
    if not path.is_file():
        return None
    session = read_json(path)
    files = [folder / f"{name}{RESULT_SUFFIX}" for name in session["variants"]]
    if session["key"] != key or not all(file.is_file() for file in files):
        return None
    return [load_result(file) for file in files]
