"""What a folded part of the page says about its inside: short, and about the recommended variant where it can be."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from edgekd.report import calibration, parity
from edgekd.report.estimates import estimate_rows
from edgekd.report.findings import finding_lines
from edgekd.report.lineage import path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgekd.report.calibration import CalibrationRow
    from edgekd.report.confusion import Confusion
    from edgekd.report.model import Section
    from edgekd.report.parity import ParityRow
    from edgekd.report.scenarios import Part

LONGEST = 160  # characters of a gist


def many(count: int, one: str, several: str = "") -> str:
    """Write a count with its noun."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def short(text: str) -> str:
    """Cut a text at a word."""
    if len(text) <= LONGEST:
        return text
    return text[:LONGEST].rpartition(" ")[0].rstrip(",;:") + " \u2026"


def gists(section: Section) -> dict[str, str]:
    """Return a gist for each part that every page may have."""
    return {
        "lineage": _lineage(section),
        "gain": _gain(section),
        "decisions": _decisions(section),
        "parity": _of_row(section, section.parity, parity.HEADINGS),
        "calibration": _of_row(section, section.calibrations, calibration.HEADINGS),
        "confusion": _confusion(section),
        "flips": _flips(section),
        "findings": _counted(line.severity.value for line in finding_lines(section.findings)),
        "estimates": many(len(estimate_rows(section.table)), "estimate"),
        "notes": many(len(section.notes), "note"),
        "method": short(next((value for _, value in section.machine if value), "")),
    }


def part_gist(part: Part, variant: str | None) -> str:
    """Return the sentence of a scenario about a variant, else how many variants were measured in it."""
    told = next((text for text in part.sentences if variant and text.startswith(f"{variant}:")), "")
    names = {row.name for row in part.rows}
    return short(told) if told else many(len(names), part.of)


def picture_gist(alt: str, variant: str | None) -> str:
    """Return what the description of a picture says of a variant; empty when it says nothing."""
    told = alt.partition(f" {variant}: ")[2].partition(". ")[0].rstrip(".") if variant else ""
    return short(f"{variant}: {told}") if told else ""


def confusion_gist(confusion: Confusion) -> str:
    """Say how many answers are right, where there is a matrix."""
    texts = many(confusion.texts, "text")
    right = sum(counts[i] for i, counts in enumerate(confusion.counts))
    return f"{right:,} of {texts} right" if confusion.counts else texts


def _counted(words: Iterable[str]) -> str:
    return ", ".join(many(count, word) for word, count in Counter(words).items())


def _chosen(section: Section) -> str | None:
    return section.recommendation.variant if section.recommendation else None


def _of_row(section: Section, rows: Sequence[ParityRow | CalibrationRow], headings: Sequence[str]) -> str:
    """Say the numbers of the recommended variant with their headings, else how many variants there are."""
    row = next((row for row in rows if row.name == _chosen(section)), None)
    if row is None:
        return many(len(rows), "variant")
    known = [(head, cell) for head, cell in zip(headings[1:], row.cells, strict=True) if not cell.missing]
    return short(f"{row.name}: " + ", ".join(f"{head} {cell.text}" for head, cell in known))


def _confusion(section: Section) -> str:
    found = next((each for each in section.confusions if each.variant == _chosen(section)), None)
    return f"{found.variant}: {confusion_gist(found)}" if found else many(len(section.confusions), "variant")


def _lineage(section: Section) -> str:
    row = next((row for row in section.table.rows if row.name == _chosen(section)), None)
    if row is None or not row.result.lineage:
        return many(len(section.lineage), "variant")
    return short(f"{row.name}: {path(row.result.lineage)}")


def _gain(section: Section) -> str:
    if not section.gains:
        return "not known: no control was trained"
    if not section.proofs:
        return short(section.gains[0])
    verdicts = Counter(row.proof.verdict.value for row in section.proofs)
    told = ", ".join(f"{word}: {count}" for word, count in verdicts.items())
    return f"{many(len(section.proofs), 'student')}, {told}"


def _decisions(section: Section) -> str:
    if not section.decisions:
        return "none was recorded"
    tried = [each for each in section.decisions if not each.is_base and not each.is_choice]
    kept = sum(each.kept for each in tried)
    models = f" for {many(len(section.ladders), 'model')}" if section.ladders else ""
    return f"{many(len(tried), 'candidate')}{models}: {kept} kept, {len(tried) - kept} not"


def _flips(section: Section) -> str:
    return f"{many(len(section.flips), 'text')} of {many(len({flip.variant for flip in section.flips}), 'variant')}"
