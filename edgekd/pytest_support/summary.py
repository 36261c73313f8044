"""All judgements of a test run as one table at its end. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = ("test", "must hold", "baseline", "candidate", "change [interval]", "verdict", "evidence")
PASS = "pass"  # noqa: S105 - not a password
COLORS = {"pass": {"green": True}, "fail": {"red": True, "bold": True}}
UNSURE = {"yellow": True}


class Summary:
    """Collects the judgements of all reports, those of pytest-xdist's workers too."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._found: list[tuple[str, dict[str, Any]]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember what a test's report carries."""
        self._found += [(report.nodeid, judgement) for judgement in getattr(report, "edgekd", [])]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the table, the notes, and with --edgekd-report-only what would have failed."""
        if not self._found:
            return
        bad = [(test, one) for test, one in self._found if one["outcome"] != PASS]
        terminalreporter.section(f"edgekd: {_counts([one['outcome'] for _, one in self._found])}")
        lines = aligned([COLUMNS, *((test, *one["cells"]) for test, one in self._found)])
        terminalreporter.write_line(lines[0])
        for line, (_, one) in zip(lines[1:], self._found, strict=True):
            terminalreporter.write_line(line, **COLORS.get(one["outcome"], UNSURE))
        for note in dict.fromkeys(note for _, one in self._found for note in one["notes"]):
            terminalreporter.write_line(note)
        if bad and self._config.getoption("edgekd_report_only"):
            for test, one in bad:
                terminalreporter.write_line(f"{test}: warning", **UNSURE)
                for line in one["lines"]:
                    terminalreporter.write_line(f"  {line}")
            terminalreporter.write_line(
                f"REPORT ONLY: {_counts([one['outcome'] for _, one in bad])}; no test failed for it "
                "(--edgekd-report-only).",
                **UNSURE,
            )


def _counts(outcomes: Sequence[str]) -> str:
    words = {"pass": "kept", "fail": "BROKEN", "undecided": "cannot tell", "invalid": "invalid"}
    parts = [f"{outcomes.count(name)} {word}" for name, word in words.items() if name in outcomes]
    return f"{len(outcomes)} rule{'s' if len(outcomes) != 1 else ''} judged: {', '.join(parts)}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with columns of equal width."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
