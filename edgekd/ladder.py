"""The ladder of one target: build every candidate of a model, measure them in turns, keep what earns its place.

Data flow: trained model -> rungs of the ladder -> ``candidates/TARGET/VARIANT`` (bundles) -> one interleaved
measurement on validation texts, ``results/TARGET/ladder/MODEL`` -> decisions -> ``bundles/TARGET/VARIANT``.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgekd.analysis.ladder import overall
from edgekd.artifacts import publish_folder
from edgekd.bundle import MODEL_FILE, load_bundle
from edgekd.decisions import Decision
from edgekd.errors import ConfigError, InvalidArtifact, MissingExtra, NotApplicable, unknown_name
from edgekd.judging import limits_of, measure_and_judge
from edgekd.publish import write_bundle
from edgekd.results import Evidence
from edgekd.steps import SparseStep
from edgekd.student.names import STUDENT_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.bundle import Bundle
    from edgekd.compression import Compressor
    from edgekd.config import CompressConfig
    from edgekd.devices import DeviceProfile
    from edgekd.exported import ExportedModel
    from edgekd.graphs import Graphs
    from edgekd.results import BenchResult
    from edgekd.steps import Rung


_KINDS = ("teacher", *STUDENT_KINDS)


@dataclass
class Climbed:
    """What became of one model on one target."""

    bundles: list[Bundle]
    decisions: list[Decision]
    results: list[BenchResult] = field(default_factory=list)  # on validation, of the session that decided


class Ladder:
    """Walks the rungs of one target."""

    def __init__(self, graphs: Graphs, compressor: Compressor) -> None:
        self.graphs = graphs
        self.compressor = compressor
        self.recipe = graphs.recipe
        self.profile = graphs.profile
        self.folder = graphs.folder
        self.progress = graphs.progress
        self.config = self.recipe.compress
        self.rungs = ladder_of(self.profile, self.config)
        self._untimed: set[str] = set()

    def climb(self, model: ExportedModel) -> Climbed:
        """Return the bundles of a model that earned their place, its fp32 self among them, and why."""
        base = self._write(model, model, self.graphs.export(model), f"{model.name}-fp32", "fp32")
        rungs = [rung for rung in self.rungs if rung.kinds is None or model.kind in rung.kinds]
        if not rungs or (model.role == "teacher" and not self.config.teacher):
            return Climbed([self._publish(base)], [])
        failed: list[Decision] = []
        built: dict[str, tuple[Bundle, Rung]] = {}
        self._build(model, [rung for rung in rungs if rung.when == "always"], built, failed)
        climbed = self._decide(model, base, built)
        more = [rung for rung in rungs if rung.when == "int8-loses"]
        broken = {decision.variant for decision in failed if decision.status == "failed"}
        int8_failed = any(rung.precision == "int8" and f"{model.name}-{rung.label}" in broken for rung in rungs)
        if more and _int8_loses(climbed.results, climbed.decisions, self.config.max_accuracy_drop, int8_failed):
            self.progress.say(f"{model.name}: int8 loses more than allowed, so the rest of the ladder is tried")
            before = len(built)
            self._build(model, more, built, failed)
            if len(built) > before:
                climbed = self._decide(model, base, built, "more")
        kept = {decision.variant for decision in climbed.decisions if decision.kept}
        climbed.bundles = [self._publish(base)]
        climbed.bundles += [self._publish(bundle) for name, (bundle, _) in built.items() if name in kept]
        climbed.decisions += failed
        return climbed

    def choose(self, climbed: Sequence[Climbed]) -> list[Decision]:
        """Return the choice among the best variants of all models; none when nothing was measured."""
        best = {d.variant for one in climbed for d in one.decisions if d.status in ("best", "nearest-miss")}
        results = [result for one in climbed for result in one.results if result.variant in best]
        limits = limits_of(self.profile, self.config)
        return [overall(results, limits=limits, untimed=self._untimed)] if results else []

    def _build(
        self,
        model: ExportedModel,
        rungs: Sequence[Rung],
        built: dict[str, tuple[Bundle, Rung]],
        failed: list[Decision],
    ) -> None:
        """Make the bundles of rungs; what cannot be made is said and noted."""
        for rung in rungs:
            name = f"{model.name}-{rung.label}" + ("-fp32" if rung.precision == "fp32" else "")
            try:
                form = self.compressor.apply(model, rung.model_steps)
                graph = self.graphs.change(form, self.graphs.export(form, rung.graph_steps), rung.graph_steps)
            except (ConfigError, NotApplicable, MissingExtra, InvalidArtifact) as error:
                status = "failed" if isinstance(error, InvalidArtifact) else "not-applicable"
                self.progress.say(f"  {name}: {error.message}")
                failed.append(
                    Decision(
                        variant=name,
                        target=self.profile.name,
                        kept=False,
                        status=status,
                        reason=error.message,
                        evidence=Evidence.HOST.value,
                        model=model.name,
                        base=f"{model.name}-fp32",
                        steps=[step.label for step in rung.steps],
                    )
                )
            else:
                zeros = self._zeros(model, rung, graph)
                if zeros:
                    rung = rung.model_copy(update={"reason": " ".join(filter(None, (rung.reason, zeros)))})
                if not rung.measured_here:
                    self._untimed.add(name)
                built[name] = (self._write(model, form, graph, name, rung.precision), rung)

    def _zeros(self, model: ExportedModel, rung: Rung, graph: Path) -> str:
        """Return what the zeros of a sparse candidate do to its file, and whether the pattern is in the graph."""
        pattern = next((step.pattern for step in rung.model_steps if isinstance(step, SparseStep)), None)
        if pattern is None or not (graph / MODEL_FILE).is_file():
            return ""
        from edgekd.compress.sparsity import zeros_in_words

        return zeros_in_words(graph / MODEL_FILE, self.graphs.export(model) / MODEL_FILE, pattern)

    def _write(self, model: ExportedModel, form: ExportedModel, graph: Path, name: str, precision: str) -> Bundle:
        return write_bundle(form, graph, self.graphs, self.folder.candidates(self.profile.name) / name, precision)

    def _decide(
        self, model: ExportedModel, base: Bundle, built: dict[str, tuple[Bundle, Rung]], session: str = ""
    ) -> Climbed:
        """Measure the model's fp32 self and its candidates in turns, and judge; each session has its own folder."""
        results, decisions = measure_and_judge(
            base,
            list(built.values()),
            data=self.graphs.data,
            profile=self.profile,
            config=self.config,
            out=self.folder.results(self.profile.name) / "ladder" / model.name / session,
            progress=self.progress,
        )
        return Climbed([], decisions, results)

    def _publish(self, bundle: Bundle) -> Bundle:
        """Copy a candidate to where the bundles of the target are."""
        target = self.folder.bundles(self.profile.name) / bundle.manifest.name
        try:
            existing = load_bundle(target)
        except InvalidArtifact:
            existing = None
        if existing is not None and existing.manifest == bundle.manifest:
            return existing
        with publish_folder(target) as building:
            shutil.copytree(bundle.folder, building, dirs_exist_ok=True)
        return load_bundle(target)


def ladder_of(profile: DeviceProfile, config: CompressConfig) -> list[Rung]:
    """Return the candidates of a target: the recipe's, or else the profile's.

    Raises:
        ConfigError: when a rung is for an unknown kind, or two for one kind have one name.
    """
    rungs = profile.ladder if config.ladder is None else config.ladder
    seen: dict[str, list[Rung]] = {}
    for rung in rungs:
        for kind in rung.kinds or ():
            if kind not in _KINDS:
                raise unknown_name("kind of model", kind, _KINDS, hint=f"See 'kinds' of the candidate '{rung.label}'.")
        for other in seen.setdefault(rung.label, []):
            if rung.kinds is None or other.kinds is None or set(rung.kinds) & set(other.kinds):
                raise ConfigError(
                    f"Two candidates of the ladder are both called '{rung.label}'.",
                    hint="Give one of them a name.",
                )
        seen[rung.label].append(rung)
    return rungs


def _int8_loses(
    results: Sequence[BenchResult], decisions: Sequence[Decision], max_drop: float, int8_failed: bool
) -> bool:
    """Tell whether there are int8 candidates and all of them lose more than allowed, or fail before they can."""
    int8 = {result.variant for result in results if result.precision == "int8"}
    changes = [d.score_change.value for d in decisions if d.variant in int8 and d.score_change is not None]
    return max(changes) < -max_drop if changes else int8_failed
