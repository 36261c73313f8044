"""Commands about targets: ``edgekd devices list`` and ``show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from edgekd.cli.common import print_json, stdout_console

if TYPE_CHECKING:
    from edgekd.devices import DeviceProfile

DevicesFolder = Annotated[
    Path | None,
    Option("--devices", metavar="DIR", help="Your own profiles: a YAML file or a folder of them."),
]
AsJson = Annotated[bool, Option("--json", help="Print JSON on stdout.")]


def register(app: Typer) -> None:
    """Add the commands of this module to the app."""
    devices = Typer(no_args_is_help=True, help="Targets that edgekd knows.")
    devices.command("list")(list_devices)
    devices.command("show")(show_device)
    app.add_typer(devices, name="devices", rich_help_panel="Look up")


def list_devices(folder: DevicesFolder = None, as_json: AsJson = False) -> None:
    """List the targets."""
    from edgekd.devices import load_profiles

    profiles = load_profiles(folder)
    if as_json:
        print_json([profile.model_dump(mode="json") for profile in profiles.values()])
    else:
        _print_table(list(profiles.values()))


def show_device(
    name: Annotated[str, Argument(help="Name or alias of a target.")],
    folder: DevicesFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show what is known about a target, what edgekd does for it and why."""
    from edgekd.devices import find_profile

    profile = find_profile(name, folder)
    if as_json:
        print_json(profile.model_dump(mode="json"))
    else:
        _print_sheet(profile)


def _print_table(profiles: list[DeviceProfile]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    from edgekd.report import units
    from edgekd.report.datasheet import int8_text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("target", "also", "processor", "clock", "int8", "threads", "students"):
        right = heading in {"clock", "threads"}
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for profile in profiles:
        clock = profile.cpu.clock_hz
        table.add_row(
            f"[bold]{escape(profile.name)}[/]",
            escape(", ".join(profile.aliases)),
            escape(profile.cpu.model),
            units.frequency(clock) if clock else "",
            int8_text(profile.int8).partition(",")[0],
            str(profile.threads),
            escape(", ".join(profile.students)),
        )
    console = stdout_console()
    console.print(table)
    console.print("Details and sources: [bold]edgekd devices show NAME[/]", highlight=False)


def _print_sheet(profile: DeviceProfile) -> None:
    from rich.markup import escape
    from rich.padding import Padding
    from rich.table import Table

    from edgekd.report.datasheet import data_sheet

    console = stdout_console()
    also = f"  [dim]also: {escape(', '.join(profile.aliases))}[/]" if profile.aliases else ""
    console.print(f"[bold]{escape(profile.name)}[/]{also}", highlight=False)
    console.print(escape(profile.description), highlight=False)
    for section in data_sheet(profile):
        console.print(f"\n[bold cyan]{section.title}[/]")
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="dim", width=16)
        table.add_column(overflow="fold")
        if section.title == "Sources":
            for line in section.lines:
                console.print(f"  {escape(line.label)}", highlight=False)
                console.print(f"    [dim]{escape(line.value)}[/]", highlight=False, soft_wrap=True)
            continue
        for line in section.lines:
            reason = f"\n[dim]{escape(line.reason)}[/]" if line.reason else ""
            table.add_row(escape(line.label), escape(line.value) + reason)
        console.print(Padding(table, (0, 0, 0, 2)))
