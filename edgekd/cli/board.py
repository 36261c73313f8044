"""Options of ``edgekd bench`` about boards, and ``edgekd board``: what is on a board, stopping it, removing it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option, Typer

from edgekd.cli.common import print_json, stdout_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.job import BenchJob
    from edgekd.errors import EdgekdError
    from edgekd.progress import Progress
    from edgekd.results import BenchResult

PLACE = "Place"
Fleet = Annotated[
    Path | None,
    Option(metavar="FILE", help="Measure on all boards of a fleet.yaml.", show_default=False, rich_help_panel=PLACE),
]
Resume = Annotated[
    bool,
    Option(
        "--resume",
        help="Collect what goes on or has ended on the boards; nothing is measured twice.",
        rich_help_panel=PLACE,
    ),
]
BoardPython = Annotated[
    str | None,
    Option(
        metavar="PATH",
        help="Use this Python of the board, which has the packages; install nothing.",
        show_default=False,
        rich_help_panel=PLACE,
    ),
]
BoardDir = Annotated[
    str | None,
    Option(
        metavar="PATH",
        help="Folder of edgekd on the board.",
        show_default="~/.cache/edgekd/board",
        rich_help_panel=PLACE,
    ),
]
PushWheels = Annotated[
    bool,
    Option("--push-wheels", help="Fetch packages here and copy them to the board.", rich_help_panel=PLACE),
]
Address = Annotated[str, Argument(metavar="ADDRESS", help="ssh://[USER@]HOST[:PORT]")]


def register(app: Typer) -> None:
    """Add the commands of this module to the app."""
    board = Typer(no_args_is_help=True, help="What edgekd keeps and does on a board.")
    board.command()(status)
    board.command()(cancel)
    board.command()(clean)
    app.add_typer(board, name="board", rich_help_panel="Look up")


def measure_on_boards(
    job: BenchJob,
    progress: Progress,
    *,
    fleet: Path | None,
    resume: bool,
    python: str | None,
    folder: str | None,
    push_wheels: bool,
) -> tuple[list[BenchResult], EdgekdError | None] | None:
    """Measure on the boards of ``--on`` and ``--fleet``; None where no board is meant.

    Returns:
        The results, and what failed on some of several boards.

    Raises:
        ConfigError: for places that are none, and options that only boards have.
        EdgekdError: when nothing was measured.
    """
    from edgekd.errors import ConfigError
    from edgekd.remote.address import is_remote

    if not any(is_remote(place) for place in job.on) and fleet is None:
        options = {"--resume": resume, "--board-python": python, "--board-dir": folder, "--push-wheels": push_wheels}
        given = [name for name, value in options.items() if value]
        if given:
            raise ConfigError(
                f"{given[0]} is for boards.", hint="Say which one: --on ssh://USER@HOST, or --fleet FILE."
            )
        _check_known(job.on)
        return None
    from edgekd.remote.board import BoardOptions
    from edgekd.remote.fleet import measure_fleet, stations

    boards = stations(job.on, fleet)
    assert job.out is not None
    run = measure_fleet(
        job,
        boards,
        options=BoardOptions(python, folder, push_wheels),
        out=job.out,
        progress=progress,
        resume=resume,
    )
    if run.failure is not None and not run.results:
        raise run.failure
    return run.results, run.failure


def _check_known(places: Sequence[str]) -> None:
    from edgekd.errors import ConfigError

    unknown = [place for place in places if not place.startswith("qemu://")]
    if unknown:
        raise ConfigError(
            f"--on {unknown[0]!r} is no place to measure. Allowed: ssh://[USER@]HOST[:PORT] for a board, qemu://CPU "
            "for an emulated processor.",
            hint="Leave --on out to measure here.",
        )


def status(
    address: Address,
    board_dir: BoardDir = None,
    as_json: Annotated[bool, Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Show what runs on a board and what edgekd keeps there."""
    from rich.markup import escape

    from edgekd import units
    from edgekd.remote.errors import printable

    found = _ask(address, board_dir, "status")
    if as_json:
        print_json(found)
        return
    console = stdout_console()
    console.print(
        f"[bold]{escape(printable(str(found['root'])))}[/] on {escape(address)}", highlight=False, soft_wrap=True
    )
    for part, size in found["sizes"].items():
        console.print(f"  {escape(printable(str(part))):<10} {units.size(size):>10}", highlight=False)
    for job in found["jobs"]:
        line = f"measurement {job['key']}: {job['state']} ({job['title']})"
        console.print(escape(printable(line)), highlight=False)
    if not found["jobs"]:
        console.print("No measurement of this user runs or waits to be collected.", highlight=False)


def cancel(address: Address, board_dir: BoardDir = None) -> None:
    """Stop the user's measurements on a board, and forget those that were not collected."""
    stopped = _ask(address, board_dir, "cancel")["stopped"]
    text = f"Stopped {len(stopped)} measurement{'s' if len(stopped) > 1 else ''}." if stopped else "None was running."
    stdout_console().print(text, highlight=False)


def clean(address: Address, board_dir: BoardDir = None) -> None:
    """Remove everything that edgekd keeps on a board: packages, bundles, engines, results not collected."""
    from rich.markup import escape

    from edgekd.remote.errors import printable

    root = _ask(address, board_dir, "clean")["root"]
    stdout_console().print(
        f"Removed {escape(printable(str(root)))} on {escape(address)}.", highlight=False, soft_wrap=True
    )


def _ask(address: str, folder: str | None, step: str) -> dict[str, Any]:
    from edgekd.remote.address import parse_address
    from edgekd.remote.board import BoardOptions, open_board

    with open_board(parse_address(address), BoardOptions(folder=folder), lambda _: None) as board:
        return board.ask(step)
