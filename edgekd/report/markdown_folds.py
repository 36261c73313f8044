"""What a Markdown report has behind its folds: reasons, doubts, the machine, the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.report import brief
from edgekd.report.marks import bullet, escape, fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.report.model import Report, Section

FOLDED = "Reasons, gain from the teacher, what was tried, doubts, machine"
FRAME = 4  # lines of a fold around what is in it
LIST_AT_MOST = 10  # sentences of a topic that may get a line each


def all_topics(sections: Sequence[Section]) -> list[tuple[brief.Topic, str]]:
    """Return what is behind the fold with its heading, the same words of several targets once."""
    groups: dict[brief.Topic, list[str]] = {}
    order: dict[str, int] = {}
    for section in sections:
        for topic in brief.topics(section):
            order.setdefault(topic.title, len(order))
            groups.setdefault(topic, []).append(section.heading)
    found = []
    for topic in sorted(groups, key=lambda topic: order[topic.title]):  # stable: the first target first
        of = "" if len(groups[topic]) == len(sections) else f", {' and '.join(groups[topic])}"
        found.append((topic, f"{topic.title}{of}{'' if topic.title.endswith('?') and not of else ':'}"))
    return found


def topic_bullets(topics: Sequence[tuple[brief.Topic, str]], lines: int) -> list[str]:
    """Write topics in at most so many lines: the least important goes first, a list is opened where there is room."""
    places = sorted(range(len(topics)), key=lambda place: -topics[place][0].weight)[: max(0, lines)]
    left = lines - len(places)
    opened = set()
    for place in places:
        needed = len(topics[place][0].sentences)
        if 1 < needed <= min(left, LIST_AT_MOST):
            left -= needed
            opened.add(place)
    written = []
    for place in sorted(places):
        topic, title = topics[place]
        if place in opened:
            written += [f"- **{escape(title)}**", *(f"  {bullet([sentence])}" for sentence in topic.sentences)]
        else:
            written.append(bullet(topic.sentences, title=title))
    return written


def _commands(report: Report, count: int) -> list[str]:
    """Write the commands in a fence that none of them can close."""
    commands = [command for command in report.commands if len(command.splitlines()) == 1]
    shown, left = commands[:count], len(report.commands) - len(commands[:count])
    longest = max((len(run) for command in shown for run in _backticks(command)), default=0)
    fence = "`" * max(3, longest + 1)
    more = [f"# and {left} more"] if left else []
    return [fence, *shown, *more, fence] if shown else []


def _backticks(text: str) -> list[str]:
    return "".join(c if c == "`" else " " for c in text).split()


def reproduce(report: Report, count: int) -> list[str]:
    """Write when it was measured and so many commands, behind a fold."""
    measured = f"Measured {report.measured_at}, edgekd {report.edgekd_version}."
    return fold("How to reproduce", [escape(measured), "", *_commands(report, count)])
