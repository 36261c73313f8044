"""The Typer app. The only place where errors become messages and exit codes."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from edgekd import __version__
from edgekd.cli import (
    assets,
    baseline,
    bench,
    board,
    build,
    bundle,
    compare,
    compress,
    devices,
    estimate,
    explain,
    export,
    gate,
    predict,
    report,
    students,
    verify,
)
from edgekd.errors import EXIT_INTERRUPTED, EXIT_INVALID, EdgekdError

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    name="edgekd",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Distil a text classifier into tiny students, measure them on the target, gate regressions.",
    epilog="Exit codes: 0 pass, 1 regression or failed budget, 2 usage, 3 invalid or cannot tell.",
)

for commands in (
    build,
    compress,
    export,
    bench,
    report,
    compare,
    gate,
    baseline,
    estimate,
    verify,
    predict,
    explain,
    bundle,
    students,
    devices,
    board,
    assets,
):
    commands.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"edgekd {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of all commands."""


def _fail(message: str, hint: str | None, code: int) -> NoReturn:
    from rich.markup import escape

    from edgekd.cli.common import stderr_console

    console = stderr_console()
    console.print(f"[bold red]Error:[/] {escape(message)}", soft_wrap=True, highlight=False)
    if hint:
        console.print(f"[bold]Next:[/] {escape(hint)}", soft_wrap=True, highlight=False)
    raise SystemExit(code)


_OS_HINTS = {
    errno.ENOSPC: "The disk is full: free some space or choose another folder with --out.",
    errno.EROFS: "The file system is read-only: choose another folder with --out.",
    errno.EACCES: "Permission denied: choose another folder with --out.",
    errno.EPERM: "Permission denied: choose another folder with --out.",
    errno.ENOTDIR: "A file stands where a folder is needed: choose another folder with --out.",
    errno.EEXIST: "A file stands where a folder is needed: choose another folder with --out.",
    errno.EFBIG: "The system's limit on file sizes is reached: raise it or choose another folder with --out.",
    errno.EDQUOT: "The disk quota is used up: free some space or choose another folder with --out.",
}


class _Stopped(BaseException):
    """Ctrl-C. Not KeyboardInterrupt, which Typer turns into a bare "Aborted!" before we can say how to go on."""


# These keep what they finished and take it up again; whoever stops another command has to start over.
_RESUMING = frozenset({"teach", "distill", "run", "prune", "quantize"})


def _after_stop(arguments: Sequence[str]) -> str:
    """Say what a stopped command left behind."""
    if arguments and arguments[0] in _RESUMING:
        return "Finished work is kept: run the same command again to go on."
    return "The same command starts over; files that it had already written stay."


def _stop(*_: object) -> NoReturn:
    raise _Stopped


def main() -> None:
    """Run the command line; map errors to messages and exit codes."""
    signal.signal(signal.SIGINT, _stop)
    try:
        app()
    except EdgekdError as error:
        _fail(error.message, error.hint, error.exit_code)
    except (_Stopped, KeyboardInterrupt):
        _fail("Stopped.", _after_stop(sys.argv[1:]), EXIT_INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(EXIT_INVALID) from None
    except OSError as error:
        if error.errno not in _OS_HINTS:
            raise
        where = f" '{error.filename}'" if error.filename else ""
        _fail(f"Cannot write{where}: {error.strerror}.", _OS_HINTS[error.errno], EXIT_INVALID)
