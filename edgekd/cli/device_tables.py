"""What ``edgekd devices`` prints: the list, the data sheet, the diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from edgekd import units
from edgekd.report.datasheet import data_sheet, int8_text
from edgekd.report.doctor import doctor_sheet, other_lines, speed_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from edgekd.devices import DeviceProfile
    from edgekd.doctor.diagnosis import Diagnosis
    from edgekd.report.datasheet import Line, Section

LABEL_WIDTH = 18


def print_list(console: Console, profiles: Iterable[DeviceProfile]) -> None:
    """Print a row for each target."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("target", "also", "processor", "clock", "memory", "int8", "p95 within", "students"):
        right = heading in {"clock", "memory", "p95 within"}
        table.add_column(heading, justify="right" if right else "left", overflow="fold", no_wrap=heading == "target")
    for profile in profiles:
        cpu, budget = profile.cpu, profile.budgets.p95_s
        memory = cpu.memory_bytes or cpu.memory_max_bytes
        table.add_row(
            f"[bold]{escape(profile.name)}[/]",
            escape(", ".join(profile.aliases)),
            escape(cpu.model.rpartition(", ")[2]),  # the cores; the sheet has the whole name
            units.frequency(cpu.clock_hz) if cpu.clock_hz else "",
            ("" if cpu.memory_bytes else "up to ") + units.binary_size(memory) if memory else "",
            int8_text(profile.int8).partition(",")[0],
            units.short_duration(budget) if budget else "",
            escape(", ".join(profile.students)),
        )
    console.print(table)
    console.print(
        "Details and sources: [bold]edgekd devices show NAME[/]. This machine: [bold]edgekd devices doctor[/]",
        highlight=False,
    )


def print_sheet(console: Console, profile: DeviceProfile) -> None:
    """Print the data sheet of a target."""
    also = f"  [dim]also: {escape(', '.join(profile.aliases))}[/]" if profile.aliases else ""
    console.print(f"[bold]{escape(profile.name)}[/]{also}", highlight=False)
    console.print(escape(profile.description), highlight=False)
    for section in data_sheet(profile):
        _print_section(console, section)
    console.print("\n[dim]Nothing above was measured by this command; \\[n] is the source.[/]", highlight=False)


def print_diagnosis(console: Console, found: Diagnosis, target: str, differences: Sequence[str]) -> None:
    """Print a diagnosis, the advice last."""
    for section in doctor_sheet(found, target, differences):
        _print_section(console, section)
    _print_test(console, found)
    console.print("\n[bold cyan]Advice[/]")
    if not found.advice:
        console.print("  none: nothing found that would disturb a measurement", highlight=False)
    table = _grid()
    for advice in found.advice:
        mark = "[bold yellow]![/] " if advice.serious else "  "
        table.add_row(mark + escape(advice.topic), f"{escape(advice.found)}\n[dim]{escape(advice.advice)}[/]")
    console.print(table)


def _print_test(console: Console, found: Diagnosis) -> None:
    test = found.test
    if test is None:
        console.print(f"\n[bold cyan]Micro-test[/]  [dim]not run: {escape(found.no_test)}[/]", highlight=False)
        return
    length = units.short_duration(test.seconds)
    about = f"{length}, one thread; products as a multiple of the time of fp32, in turns (95 % interval)"
    if found.emulated:
        about = "emulated: nothing is timed; root mean square error of products against fp32"
    console.print(f"\n[bold cyan]Micro-test[/]  [dim]{about}[/]", highlight=False)
    speeds = speed_table(test)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in speeds.headings:
        table.add_column(heading, justify="right" if heading else "left")
    for row in speeds.rows:
        table.add_row(*(escape(cell) for cell in row))
    console.print(Padding(table, (0, 0, 0, 2)))
    _print_lines(console, other_lines(test))


def _print_section(console: Console, section: Section) -> None:
    console.print(f"\n[bold cyan]{escape(section.title)}[/]")
    _print_lines(console, section.lines)


def _print_lines(console: Console, lines: Iterable[Line]) -> None:
    table = _grid()
    for line in lines:
        reason = f"\n[dim]{escape(line.reason)}[/]" if line.reason else ""
        table.add_row(f"  {escape(line.label)}", escape(line.sourced_value) + reason)
    console.print(table, highlight=False)


def _grid() -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", width=LABEL_WIDTH, no_wrap=True)
    table.add_column(overflow="fold")
    return table
