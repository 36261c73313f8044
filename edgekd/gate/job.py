"""What a gate run was asked for, and what it needs for that."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgekd.errors import ConfigError
from edgekd.gate.grammar import Reference, check_metrics, default_rules, parse_rules

if TYPE_CHECKING:
    from edgekd.data.types import Examples
    from edgekd.gate.grammar import Rule
    from edgekd.gate.sides import Side
    from edgekd.tasks import TaskKind

SELF_TEST_RULE = "p95>5%"
WARM_UP_TEXTS = 2000  # enough words for a cache to be warm; more only makes every process start later
GIVE_DATA = "Give labelled texts with --data FILE: CSV, JSON lines, Parquet, a folder or asset:NAME."


@dataclass(frozen=True)
class GateJob:
    """The options of ``edgekd gate``."""

    candidate: Path
    baseline: Path | None = None
    rules: tuple[str, ...] = ()
    target: str | None = None  # None: the one the candidate was made for
    devices: Path | None = None
    data: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    max_seconds: float = 60.0
    self_test: bool = False
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


def rules_of(job: GateJob, task: TaskKind) -> list[Rule]:
    """Return the rules of a job; a self-test keeps those about a change of latency.

    Args:
        job: what was asked for.
        task: of the candidate; decides the default rules and which metrics there are.

    Raises:
        ConfigError: for a wrong rule, or when rules need a baseline and there is none.
    """
    rules = parse_rules(job.rules or default_rules(task))
    check_metrics(rules, task)
    if job.self_test:
        changes = [rule for rule in rules if is_latency(rule) and rule.reference is not Reference.ABSOLUTE]
        return changes or parse_rules([SELF_TEST_RULE])
    needy = [rule.text for rule in rules if rule.needs_baseline]
    if needy and job.baseline is None:
        which = "The default rules" if not job.rules else "These rules"
        raise ConfigError(
            f"{which} compare with a baseline, and none is given: {', '.join(needy)}.",
            hint="Give --baseline BUNDLE_OR_RESULT, or absolute rules such as --fail-if 'p95>20ms'.",
        )
    return rules


def needs_texts(job: GateJob, rules: list[Rule], sides: list[Side]) -> bool:
    """Tell whether something has to be run: a rule beyond size, and a side that is not already measured."""
    beyond_size = any(rule.metric.name != "size" for rule in rules)
    return (beyond_size or job.data is not None) and any(side.bundle for side in sides)


def find_texts(job: GateJob, sides: list[Side]) -> Texts:
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
            hint=GIVE_DATA,
        )
    examples = read_evaluation(source, sides[0].task, text_column=job.text_column, label_column=job.label_column)
    # Texts of a run warm up only where the evaluation texts are of the same run.
    train = run_split(folders, "train") if job.data is None else None
    tested = set(examples.texts)
    warm_up = [text for text in read_texts(str(train)) if text not in tested] if train else []
    name = source if source.startswith(ASSET_PREFIX) else Path(source).name
    return Texts(name, examples, warm_up[:WARM_UP_TEXTS])


def is_fresh(rule: Rule) -> bool:
    """Tell whether a rule needs a process of its own for every value."""
    return rule.metric.name in ("load_time", "peak_rss")
