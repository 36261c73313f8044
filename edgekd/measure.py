"""The second half of ``edgekd run``: measure the bundles of each target, decide what earned its place, report.

Results are reused when the bundles, the texts, the settings and the machine are the same as when they were made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekd.analysis.decide import confirm
from edgekd.artifacts import folder_lock
from edgekd.bench.variants import variant_from_bundle, variant_from_teacher
from edgekd.decisions import Decision, save_decisions
from edgekd.report.commands import run_command
from edgekd.report.model import build_report
from edgekd.report.texts import texts_of
from edgekd.report.write import write_report
from edgekd.sessions import measure_once

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.config import Recipe
    from edgekd.devices import DeviceProfile
    from edgekd.pipeline import DistillOutcome
    from edgekd.progress import Progress
    from edgekd.report.model import Report
    from edgekd.results import BenchResult


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
            of_target = confirm(of_target, measured, max_drop=recipe.compress.max_accuracy_drop)
            save_decisions(of_target, folder.results(profile.name))
            results += measured
            decisions += of_target
        report = build_report(
            results,
            decisions=decisions,
            title=f"edgekd: {recipe.name}",
            run={"commands": [run_command(folder.root)]},
            profiles={profile.name: profile for profile in profiles},
            texts=texts_of(outcome.data.test),
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
    variants = [variant_from_teacher(outcome.folder.teacher, max_length=recipe.teacher.max_length)]
    variants += [variant_from_bundle(bundle.folder) for bundle in outcome.bundles[profile.name]]
    return measure_once(
        variants,
        outcome.folder.results(profile.name),
        profile=profile,
        config=recipe.bench,
        texts=outcome.data.test,
        warm_up_texts=outcome.data.train.texts,
        data_name=f"{outcome.data.name}, test split",
        progress=progress,
    )
