"""What a gate run was asked for, and what it needs for that."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.errors import ConfigError
from edgekd.gate.grammar import Origin
from edgekd.gate.margin import DEFAULT_MARGIN

if TYPE_CHECKING:
    from edgekd.data.types import Examples
    from edgekd.gate.grammar import Rule
    from edgekd.gate.sides import Side

WARM_UP_TEXTS = 2000  # enough words for a cache to be warm; more only makes every process start later
GIVE_DATA = "Give labelled texts with --data FILE: CSV, JSON lines, Parquet, a folder or asset:NAME."


@dataclass(frozen=True)
class GateJob:
    """What to judge for one target.

    Args:
        candidate: bundle folder, packed bundle or result file.
        baseline: the same, or a record of ``benchmarks/baselines``; None: the newest one in ``baselines``.
        baselines: folder of baselines; None: there is none.
        rules: what the user requires, as flags.
        file_rules: what the configuration file requires; one of a metric that ``rules`` name is left out.
        profile_budgets: whether the target's budgets are required too, where the user names no rule of that metric.
        config: the configuration file, for messages.
        target: name or alias of a profile; None: the one the candidate was made for.
        margin: share by which a change of latency must be beyond its limit to fail.
        report_only: the exit code does not follow the verdict.
    """

    candidate: Path
    baseline: Path | None = None
    baselines: Path | None = None
    rules: tuple[str, ...] = ()
    file_rules: tuple[str, ...] = ()
    profile_budgets: bool = False
    config: Path | None = None
    target: str | None = None
    devices: Path | None = None
    data: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    max_seconds: float = 60.0
    margin: float = DEFAULT_MARGIN
    self_test: bool = False
    report_only: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Texts:
    """Evaluation texts and where they come from; ``warm_up`` may be empty."""

    name: str
    examples: Examples
    warm_up: list[str] = field(default_factory=list)


def is_latency(rule: Rule) -> bool:
    """Tell whether a rule is about a latency percentile."""
    return rule.metric.percentile is not None


def needs_texts(job: GateJob, rules: list[Rule], sides: list[Side]) -> bool:
    """Tell whether something has to be run: a rule beyond size, and a side that is not already measured."""
    beyond_size = any(rule.metric.name != "size" for rule in rules)
    return (beyond_size or job.data is not None) and any(side.bundle for side in sides)


def find_texts(job: GateJob, rules: list[Rule], sides: list[Side]) -> Texts:
    """Read the evaluation texts: those given, or the test split of the run that made a bundle.

    Raises:
        ConfigError: when none are given and the bundle is not in a run folder.
        DataError: when they cannot be used.
    """
    from edgekd.bench.job import run_split
    from edgekd.data.evaluation import read_evaluation, read_texts
    from edgekd.data.sources import ASSET_PREFIX

    folders = [side.bundle.folder for side in sides if side.bundle is not None]
    found = run_split(folders, "test")
    source = job.data or (str(found) if found else None)
    if source is None:
        raise ConfigError(
            "There are no texts to measure with: --data is not given, and the bundle is not in a run folder "
            "(RUN/bundles/TARGET/NAME with RUN/data/test.jsonl).",
            hint=f"{GIVE_DATA}{_who_needs(rules)}",
        )
    examples = read_evaluation(source, sides[0].task, text_column=job.text_column, label_column=job.label_column)
    # Texts of a run warm up only where the evaluation texts are of the same run.
    train = run_split(folders, "train") if job.data is None else None
    tested = set(examples.texts)
    warm_up = [text for text in read_texts(str(train)) if text not in tested] if train else []
    name = source if source.startswith(ASSET_PREFIX) else Path(source).name
    return Texts(name, examples, warm_up[:WARM_UP_TEXTS])


def _who_needs(rules: list[Rule]) -> str:
    """Say when nothing but the target's budgets needs texts."""
    needy = [rule for rule in rules if rule.metric.name != "size"]
    if not needy or any(rule.origin is not Origin.PROFILE for rule in needy):
        return ""
    budgets = ", ".join(rule.text for rule in needy)
    return f" Only the target's budgets need them ({budgets}); --no-profile-budgets leaves those out."


def is_fresh(rule: Rule) -> bool:
    """Tell whether a rule needs a process of its own for every value."""
    return rule.metric.name in ("load_time", "peak_rss")
