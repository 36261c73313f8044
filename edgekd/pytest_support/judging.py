"""Judges a marked test with the gate's own measurement, one gate at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pytest

from edgekd.errors import EXIT_INVALID, EdgekdError
from edgekd.gate.grammar import METRICS, Origin
from edgekd.gate.records import Outcome
from edgekd.gate.run import run_gate
from edgekd.gate.words import WORDS, rows_of
from edgekd.pytest_plugin import JUDGED, MARKER
from edgekd.pytest_support.marks import in_marker, job_of, wishes_of
from edgekd.pytest_support.opened import fail, given_data
from edgekd.pytest_support.paths import find_bundles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgekd.gate.job import GateJob
    from edgekd.gate.records import GateReport
    from edgekd.pytest_support.opened import OpenedBundle

NO_FIXTURE = (
    "the test is marked with edgekd and has no bundle: give it the argument edgekd_bundle, or the marker bundle=PATH"
)
SHARED = "Judged while other pytest-xdist workers ran tests; run gates alone for times of a quiet machine (-n 0)."


@dataclass(frozen=True)
class Judgement:
    """One rule of one test as words, so that it can travel between processes."""

    cells: tuple[str, ...]  # in the order of summary.COLUMNS
    outcome: str
    lines: tuple[str, ...]  # why it did not pass
    notes: tuple[str, ...]
    summary: str


def check_markers(item: pytest.Item) -> None:
    """Fail a test whose markers say something that the gate does not understand."""
    try:
        wishes_of(item.iter_markers(MARKER))
    except EdgekdError as error:
        fail(error)


def judge_item(item: pytest.Item, bundle: OpenedBundle | None) -> None:
    """Judge the bundle of a test by all its markers; the test fails unless every rule holds."""
    judgements: list[Judgement] = []
    for wish in wishes_of(item.iter_markers(MARKER)):
        folder = _bundle_folder(item, wish.settings.get("bundle"), bundle)
        config = item.config
        job = job_of(wish, folder, config.rootpath, target=config.getoption("edgekd_target"), data=given_data(config))
        judgements += judge(job, item.config.rootpath)
    item.stash[JUDGED] = [asdict(judgement) for judgement in judgements]
    item.user_properties += [(f"edgekd {one.cells[0]}", one.summary) for one in judgements]  # JUnit XML has them
    bad = [one for one in judgements if one.outcome != Outcome.PASS.value]
    if bad and not item.config.getoption("edgekd_report_only"):
        notes = dict.fromkeys(note for one in bad for note in one.notes)
        pytest.fail("\n".join([*(line for one in bad for line in one.lines), *notes]), pytrace=False)


def _bundle_folder(item: pytest.Item, named: str | None, bundle: OpenedBundle | None) -> Path:
    if bundle is not None:
        return bundle.path
    if named is None:
        pytest.fail(NO_FIXTURE, pytrace=False)
    try:
        found = find_bundles([named], item.config.rootpath)
    except EdgekdError as error:
        fail(error)
    if len(found) > 1:
        pytest.fail(
            f"bundle='{named}' names {len(found)} bundles; give the test the argument edgekd_bundle.", pytrace=False
        )
    return found[0]


def judge(job: GateJob, root: Path) -> list[Judgement]:
    """Run the gate; what cannot be told is a judgement too, and a slip of the user fails the test."""
    try:
        with _alone(root):
            report = run_gate(job)
    except EdgekdError as error:
        if error.exit_code != EXIT_INVALID:
            fail(error, in_marker(error.hint or ""))
        return [_nothing(job, error.message, in_marker(error.hint or ""))]
    if not report.rules:
        return [_nothing(job, report.problem, report.advice)]
    return _judgements(report)


def _judgements(report: GateReport) -> list[Judgement]:
    notes = list(report.notes)
    if _workers() > 1 and any(METRICS[rule.metric].percentile is not None for rule in report.rules):
        notes.append(SHARED)
    found = []
    for row, rule in zip(rows_of(report), report.rules, strict=True):
        asked = row.rule if rule.origin is Origin.FLAG else f"{row.rule} ({row.origin})"
        reason, lines = row.reason, []
        if row.outcome is not Outcome.PASS:
            lines = [f"edgekd: {row.verdict}: {asked}", f"  measured: {reason.measured}", f"  wanted: {reason.wanted}"]
            lines += [f"  advice: {in_marker(reason.advice)}"] if reason.advice else []
        cells = (asked, row.baseline, row.candidate, row.change, row.verdict, row.evidence)
        summary = f"{row.verdict}; measured {reason.measured}; wanted {reason.wanted}"
        found.append(Judgement(cells, row.outcome.value, tuple(lines), tuple(notes), summary))
    return found


def _nothing(job: GateJob, problem: str, advice: str) -> Judgement:
    """Return the judgement of rules for which nothing could be measured."""
    rules, word = ", ".join(job.rules) or "the default rules", WORDS[Outcome.INVALID]
    lines = [f"edgekd: {word}: {rules}", f"  {problem}", *([f"  advice: {advice}"] if advice else [])]
    return Judgement((rules, "", "", "", word, ""), Outcome.INVALID.value, tuple(lines), (), f"{word}; {problem}")


def _workers() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Wait until no other pytest process of this project measures a gate."""
    handle = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
