"""What ``edgekd bundle`` prints for people. Names come from files, so nothing of them is read as markup or control."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.bundles.checks import State, is_sound
from edgekd.bundles.info import describe
from edgekd.cli.common import stdout_console
from edgekd.score_text import change_text, score_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console, RenderableType

    from edgekd.bundle import Bundle
    from edgekd.bundles.checks import Check
    from edgekd.bundles.diff import Difference, ScorePair
    from edgekd.bundles.pack import Packed

STYLES = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "bold red", State.SKIPPED: "yellow"}
LONGEST_VALUE = 60  # characters of a changed value
TITLES = {
    "manifest": "Manifest",
    "operators": "Operators",
    "lineage": "Made from",
    "libraries": "Made with",
    "recipe": "Recipe",
    "parity": "Graph against the model",
    "proof": "Did the teacher help?",
}


def show_checks(found: Mapping[Path, Sequence[Check]]) -> None:
    """Print the checks of each bundle and what follows from them."""
    from rich.table import Table
    from rich.text import Text

    console = stdout_console()
    for path, checks in found.items():
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column()
        table.add_column()
        table.add_column(overflow="fold")
        for check in checks:
            table.add_row(f"  {check.name}", Text(check.state.value, style=STYLES[check.state]), _plain(check.detail))
        console.print(_plain(path), style="bold", highlight=False)
        console.print(table)
        odd = sum(check.state in {State.WARNING, State.SKIPPED} for check in checks)
        if not is_sound(checks):
            console.print("  Not sound.", style="bold red", highlight=False)
        else:
            console.print(f"  Sound{f', {odd} to look at' if odd else ''}.", style="green", highlight=False)


def show_info(bundle: Bundle, *, recipe: bool) -> None:
    """Print the sheet of a bundle."""
    console = stdout_console()
    for part in describe(bundle):
        _heading(console, part.title)
        _grid(console, part.rows, part.headings, part.right)
    if recipe:
        import yaml

        _heading(console, "Recipe")
        text = yaml.safe_dump(bundle.manifest.recipe, sort_keys=False, allow_unicode=True)
        console.print(_plain(text, keep="\n"), highlight=False, soft_wrap=True)


def show_packed(packed: Packed) -> None:
    """Print what was written."""
    console = stdout_console()
    console.print(_plain(f"{packed.file}  {units.size(packed.size_bytes)}"), highlight=False, soft_wrap=True)
    console.print(f"sha256 {packed.sha256}", highlight=False, soft_wrap=True)


def show_unpacked(bundle: Bundle) -> None:
    """Print what was extracted, and what to do with it."""
    console = stdout_console()
    found = f"{bundle.manifest.name} in {bundle.folder}, {units.size(bundle.size_bytes)}: every hash is right."
    console.print(_plain(found), highlight=False, soft_wrap=True)


def show_difference(found: Difference) -> None:
    """Print what differs, then files and scores side by side."""
    console = stdout_console()
    if found.is_same:
        console.print("No difference: same manifest, same files.", highlight=False)
        return
    for name, group in found.groups.items():
        if group:
            _heading(console, TITLES[name])
            rows = [(change.key, _value(change.before), _value(change.after)) for change in group]
            _grid(console, rows, ("", "before", "after"))
    _heading(console, "Files")
    rows4 = [(file.name, _bytes(file.before_bytes), _bytes(file.after_bytes), file.state) for file in found.files]
    change = units.relative(found.after_bytes / found.before_bytes - 1)
    rows4.append(("with the manifest", _bytes(found.before_bytes), _bytes(found.after_bytes), change))
    _grid(console, rows4, ("", "before", "after", ""), (1, 2))
    if found.scores:
        _heading(console, "Scores")
        _grid(
            console,
            [_score(pair) for pair in found.scores],
            ("", "texts from", "before", "after", "change", "evidence"),
        )


def _score(pair: ScorePair) -> tuple[str, ...]:
    def write(value: float | None) -> str:
        if value is None:
            return units.BLANK
        return score_text(pair.name, value)

    change = ""
    if pair.before is not None and pair.after is not None:
        change = change_text(pair.name, pair.after - pair.before)
    return (pair.name, pair.split, write(pair.before), write(pair.after), change, pair.evidence)


def _bytes(size: int | None) -> str:
    return units.BLANK if size is None else units.size(size)


def _value(value: Any) -> str:
    """Write a value of a manifest on one line, cut where it is long."""
    if value is None:
        return units.BLANK
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _plain(value: object, *, keep: str = "") -> RenderableType:
    """Return text in which nothing is markup, and nothing reaches the terminal that cannot be printed."""
    from rich.text import Text

    return Text("".join(c if c.isprintable() or c in keep else " " for c in str(value)))


def _heading(console: Console, title: str) -> None:
    console.print(f"\n[bold cyan]{title}[/]")


def _grid(
    console: Console, rows: Sequence[tuple[str, ...]], headings: Sequence[str] = (), right: Sequence[int] = ()
) -> None:
    """Print rows; without headings the first column is a label."""
    from rich.padding import Padding
    from rich.table import Table

    table = Table(box=None, show_header=bool(headings), header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for index in range(len(rows[0])):
        is_label = not headings and index == 0
        table.add_column(
            headings[index] if headings else "",
            justify="right" if index in right else "left",
            style="dim" if is_label else "",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console.print(Padding(table, (0, 0, 0, 2)))
