"""Reasons to doubt the numbers of a section, in words: what was measured, what was wanted, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from edgekd.analysis.findings import Finding, Severity, findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from edgekd.report.table import Row

TITLE = "What speaks against these numbers"
SHOWN = 3  # variants that are quoted; the result files have all
STYLES = {Severity.INVALID: "bold red", Severity.WARNING: "yellow", Severity.INFO: "dim"}


@dataclass(frozen=True)
class FindingLine:
    """One finding and the variants that have it."""

    severity: Severity
    name: str
    measured: str  # with the variants' names where they differ
    wanted: str
    advice: str

    @property
    def sentence(self) -> str:
        """All but the severity, on one line."""
        return f"{self.measured} (wanted: {self.wanted}). {self.advice[0].upper()}{self.advice[1:]}."


def row_findings(rows: Sequence[Row]) -> dict[str, list[Finding]]:
    """Return the findings of each row, by its name."""
    return {row.name: findings(row.result) for row in rows}


def finding_lines(found: dict[str, list[Finding]]) -> list[FindingLine]:
    """Return the findings of all variants, the worst first, those of several variants on one line."""
    groups: dict[tuple[Severity, str, str, str], dict[str, str]] = {}
    for name, mine in found.items():
        for finding in mine:
            key = (finding.severity, finding.name, finding.wanted, finding.advice)
            groups.setdefault(key, {})[name] = finding.measured
    lines = [
        FindingLine(severity, name, _measured(by_variant, len(found)), wanted, advice)
        for (severity, name, wanted, advice), by_variant in groups.items()
    ]
    order = [Severity.INVALID, Severity.WARNING, Severity.INFO]
    return sorted(lines, key=lambda line: order.index(line.severity))


def _measured(by_variant: dict[str, str], variants: int) -> str:
    same: dict[str, list[str]] = {}
    for name, measured in by_variant.items():
        same.setdefault(measured, []).append(name)
    if len(same) == 1 and len(by_variant) == variants:
        return next(iter(same))
    told = [f"{', '.join(names)}: {measured}" for measured, names in same.items()]
    more = [f"and {len(told) - SHOWN} more like this"] if len(told) > SHOWN else []
    return "; ".join(told[:SHOWN] + more)


def render_findings(lines: Sequence[FindingLine]) -> list[RenderableType]:
    """Return the lines for the terminal."""
    if not lines:
        return []
    shown: list[RenderableType] = [Text(TITLE, style="bold")]
    for line in lines:
        text = Text(f"{line.severity.value}: ", style=STYLES[line.severity])
        text.append(line.sentence, style="default not bold")
        shown.append(text)
    return [*shown, Text("")]
