"""Gates as annotations of GitHub Actions: lines that the runner shows beside the job and on the pull request.

Format: https://docs.github.com/actions/reference/workflow-commands-for-github-actions. The message escapes "%" and line
breaks, a property also ":" and ",".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.gate.records import Outcome
from edgekd.gate.words import headline, reason_line, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.gate.records import GateReport, GateRun

LIMIT = 10  # annotations of one kind that GitHub shows a step
_MESSAGE = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def annotation(kind: str, title: str, message: str) -> str:
    """Write one workflow command.

    Args:
        kind: "error", "warning" or "notice".
        title: shown in bold.
        message: may have several lines.
    """
    return f"::{kind} title={title.translate(_PROPERTY)}::{message.translate(_MESSAGE)}"


def gate_annotations(run: GateRun) -> list[str]:
    """Write an annotation for every rule that does not hold or cannot be told, and a notice for a gate that passes.

    With ``--report-only`` they are warnings, because the job goes on. GitHub shows ten of a kind; what is more is
    counted in the last one, and failed rules come before those that cannot be told.
    """
    kind = "warning" if run.report_only else "error"
    found = [one for report in run.gates for one in _problems(report)]
    found.sort(key=lambda one: one[0] is not Outcome.FAIL)
    lines = [annotation(kind, _title(title, run), message) for _, title, message in found]
    passed = [report for report in run.gates if report.verdict is Outcome.PASS]
    notices = [annotation("notice", f"edgekd gate {report.target}", headline(report)) for report in passed]
    return [*_at_most(lines, kind), *_at_most(notices, "notice")]


def _title(title: str, run: GateRun) -> str:
    return f"{title} (report only)" if run.report_only else title


def _problems(report: GateReport) -> list[tuple[Outcome, str, str]]:
    where = f"edgekd gate {report.target}"
    if report.problem:
        return [(Outcome.INVALID, f"{where}: invalid", f"{report.problem}\n{report.advice}".rstrip())]
    return [
        (
            row.outcome,
            f"{where}: {row.rule} {row.verdict}",
            f"{report.candidate.name}: {reason_line(row)}",
        )
        for row in rows_of(report)
        if row.outcome is not Outcome.PASS
    ]


def _at_most(lines: Sequence[str], kind: str) -> list[str]:
    """Keep what GitHub shows, and say what is left out."""
    if len(lines) <= LIMIT:
        return list(lines)
    more = annotation(kind, "edgekd gate", f"{len(lines) - LIMIT + 1} more; the job summary and --junit have all.")
    return [*lines[: LIMIT - 1], more]
