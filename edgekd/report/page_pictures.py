"""Where the pictures of a section stand on the HTML page."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from edgekd.report import gists

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.charts import Picture
    from edgekd.report.model import Section
    from edgekd.report.scenarios import Part

# Subjects of pictures with a part of their own, in the order of the page; a scenario of the same subject joins them.
GROUPS = ("latency", "lengths", "split", "throttle", "energy", "cold")
PART_OF_GROUP = {"lengths": "lengths", "throttle": "sustained", "energy": "energy", "cold": "cold"}
ELSEWHERE = {"pareto", "gain", "calibration"}  # beside the numbers they draw


@dataclass(frozen=True)
class PictureGroup:
    """Pictures of one subject, with the table of the same subject where there is one."""

    key: str
    title: str
    gist: str
    pictures: list[Picture]
    part: Part | None


def picture_groups(section: Section, drawn: Sequence[Picture]) -> list[PictureGroup]:
    """Return the subjects that have a part of their own, in the order of the page."""
    chosen = section.recommendation.variant if section.recommendation else None
    parts = {part.key: part for part in section.scenarios}
    given = dict.fromkeys(picture.group for picture in drawn if picture.group not in ELSEWHERE)
    found = []
    for key in sorted(given, key=lambda group: GROUPS.index(group) if group in GROUPS else len(GROUPS)):
        pictures = [picture for picture in drawn if picture.group == key]
        part = parts.get(PART_OF_GROUP.get(key, ""))
        gist = gists.part_gist(part, chosen) if part else gists.picture_gist(pictures[0].alt, chosen)
        found.append(PictureGroup(key, pictures[0].title, gist, pictures, part))
    return found


def shared_caption(pictures: Sequence[Picture]) -> str:
    """Return the sentences that the captions of several pictures begin with; empty for a single one."""
    if len(pictures) < 2:
        return ""
    told = [f"{picture.caption} ".split(". ") for picture in pictures]
    common = takewhile(lambda sentences: len(set(sentences)) == 1 and sentences[0], zip(*told, strict=False))
    return " ".join(f"{sentences[0]}." for sentences in common)
