"""Commands about targets and machines: ``edgekd devices list``, ``show``, ``doctor`` and ``new``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from edgekd.cli import emulation
from edgekd.cli.board import BoardDir, BoardPython, PushWheels
from edgekd.cli.common import print_json, stderr_console, stdout_console

if TYPE_CHECKING:
    from edgekd.doctor.diagnosis import Diagnosis

DevicesFolder = Annotated[
    Path | None,
    Option("--devices", metavar="DIR", help="Your own profiles: a YAML file or a folder of them."),
]
AsJson = Annotated[bool, Option("--json", help="Print JSON on stdout.")]
On = Annotated[
    str | None,
    Option("--on", metavar="PLACE", help="ssh://[USER@]HOST[:PORT] or qemu://NAME.", show_default="this machine"),
]
Seconds = Annotated[float, Option("--seconds", min=0, max=600, help="How long to measure; 0: only look.")]


def register(app: Typer) -> None:
    """Add the commands of this module to the app."""
    devices = Typer(no_args_is_help=True, help="Targets that edgekd knows, and what this machine really is.")
    devices.command("list")(list_devices)
    devices.command("show")(show_device)
    devices.command("doctor")(doctor)
    devices.command("new")(new_device)
    emulation.register(devices)
    app.add_typer(devices, name="devices", rich_help_panel="Look up")


def list_devices(folder: DevicesFolder = None, as_json: AsJson = False) -> None:
    """List the targets."""
    from edgekd.devices import load_profiles

    profiles = load_profiles(folder)
    if as_json:
        print_json([profile.model_dump(mode="json") for profile in profiles.values()])
        return
    from edgekd.cli.device_tables import print_list

    print_list(stdout_console(), profiles.values())


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
        return
    from edgekd.cli.device_tables import print_sheet

    print_sheet(stdout_console(), profile)


def doctor(
    on: On = None,
    seconds: Seconds = 10.0,
    folder: DevicesFolder = None,
    as_json: AsJson = False,
    board_python: BoardPython = None,
    board_dir: BoardDir = None,
    push_wheels: PushWheels = False,
) -> None:
    """Look at a machine, measure for ten seconds, and give advice."""
    found = _diagnose(on, seconds, folder, python=board_python, board_dir=board_dir, push_wheels=push_wheels)
    _show_diagnosis(found, folder, as_json)


def new_device(
    name: Annotated[str, Argument(help="Of the new target: lower-case letters, digits, dashes.")],
    like: Annotated[
        str | None,
        Option("--like", metavar="TARGET", help="Its choices are taken.", show_default="the target this machine is"),
    ] = None,
    out: Annotated[
        Path | None, Option("--out", "-o", metavar="FILE", help="Where it goes.", show_default="NAME.yaml")
    ] = None,
    source: Annotated[
        Path | None,
        Option("--from", metavar="FILE", help="A diagnosis, as 'edgekd devices doctor --json' writes it."),
    ] = None,
    on: On = None,
    force: Annotated[bool, Option("--force", help="Replace the file.")] = False,
    seconds: Seconds = 10.0,
    folder: DevicesFolder = None,
    board_python: BoardPython = None,
    board_dir: BoardDir = None,
    push_wheels: PushWheels = False,
) -> None:
    """Write a profile of a machine: its facts, and the choices of a target that it is like."""
    from edgekd.artifacts import write_text_atomic
    from edgekd.devices import find_profile, load_profiles
    from edgekd.doctor.profile import check_name, new_profile, profile_text
    from edgekd.doctor.target import find_target
    from edgekd.errors import ConfigError

    profiles = load_profiles(folder)
    check_name(name, [n for profile in profiles.values() for n in (profile.name, *profile.aliases)])
    chosen = find_profile(like, folder) if like else None
    path = out or Path(f"{name}.yaml")
    if path.exists() and not force:
        raise ConfigError(f"'{path}' exists.", hint="Give another file with -o, or --force to replace it.")
    if source and on:
        raise ConfigError("--from and --on are two sources of one thing.", hint="Give one of them.")
    if source:
        found = _read_diagnosis(source)
    else:
        found = _diagnose(on, seconds, folder, python=board_python, board_dir=board_dir, push_wheels=push_wheels)
    chosen = chosen or find_target(found, profiles.values()) or profiles["cpu"]
    profile = new_profile(name, found, chosen)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomic(path, profile_text(profile, chosen.name, found.created_at[:10]))
    _say_new(name, chosen.name, path)


def _diagnose(
    on: str | None, seconds: float, folder: Path | None, *, python: str | None, board_dir: str | None, push_wheels: bool
) -> Diagnosis:
    from rich.markup import escape

    from edgekd.doctor.places import diagnose_at
    from edgekd.remote.board import BoardOptions

    console = stderr_console()
    return diagnose_at(
        on,
        seconds=seconds,
        options=BoardOptions(python, board_dir, push_wheels),
        devices=folder,
        say=lambda line: console.print(f"[dim]{escape(line)} ...[/]", highlight=False),
    )


def _read_diagnosis(path: Path) -> Diagnosis:
    from edgekd.doctor.read import read_diagnosis
    from edgekd.errors import ConfigError

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--from '{path}' cannot be read: {error}.") from error
    return read_diagnosis(text, str(path))


def _show_diagnosis(found: Diagnosis, folder: Path | None, as_json: bool) -> None:
    """Print a diagnosis, with the target that the machine is."""
    import dataclasses

    if as_json:
        print_json(dataclasses.asdict(found))
        return
    from edgekd.cli.device_tables import print_diagnosis
    from edgekd.devices import load_profiles
    from edgekd.doctor.target import differences, find_target

    profile = find_target(found, load_profiles(folder).values())
    target = f"--target {profile.name}" if profile else "--target cpu"
    print_diagnosis(stdout_console(), found, target, differences(found, profile) if profile else [])


def _say_new(name: str, like: str, path: Path) -> None:
    from rich.markup import escape

    console = stdout_console()
    console.print(f"wrote [bold]{escape(str(path))}[/], a target like {escape(like)}", highlight=False)
    command = f"edgekd bench BUNDLE --target {name} --devices {escape(str(path))}"
    console.print(f"Look at its budgets, then: [bold]{command}[/]", highlight=False, soft_wrap=True)
