"""Measure on a board: prepare it, start the measurement there, follow it, collect the results."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from edgekd.bench.board import ENGINES_VARIABLE
from edgekd.bench.limits import DoesNotFit
from edgekd.errors import EXIT_INTERRUPTED, EXIT_INVALID, Busy, EdgekdError
from edgekd.remote.board import open_board
from edgekd.remote.collect import accept, collected, keep
from edgekd.remote.errors import BoardFailed, ConnectionLost, printable
from edgekd.remote.fit import check_target
from edgekd.results import RESULT_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgekd.progress import Progress
    from edgekd.remote.address import Address
    from edgekd.remote.board import Board, BoardOptions
    from edgekd.remote.connection import Connection
    from edgekd.remote.order import Prepared
    from edgekd.results import BenchResult


class NoLongerFollowed(EdgekdError):
    """The user stopped this program, and not the measurement."""

    exit_code = EXIT_INTERRUPTED


class FailedThere(EdgekdError):
    """The measurement ended with an error on the board, which has the exit code that it would have here."""

    exit_code = EXIT_INVALID


def measure_on(
    address: Address,
    prepared: Prepared,
    *,
    options: BoardOptions,
    out: Path,
    progress: Progress,
    resume: bool = False,
    opened: Callable[[Connection], None] = lambda _: None,
) -> list[BenchResult]:
    """Measure on one board and return the results, which are written to ``out``.

    The measurement runs there by itself: it outlives the connection and this program, and ``resume`` collects it.

    Args:
        address: of the board.
        prepared: what is measured.
        options: how the board is used.
        out: folder for the results.
        progress: told where the work stands, here and there.
        resume: go on with the same measurement where there is one, running or ended, here or there.
        opened: gets the connection, which another thread may close to stop this one.

    Raises:
        BoardFailed: when the board cannot be reached or used; ConnectionLost while the measurement goes on there.
        Busy: when somebody measures there.
        ConfigError: when the board is no board of the target.
        NoLongerFollowed: after Ctrl-C, while the measurement goes on there.
        FailedThere: when the measurement failed there.
        DoesNotFit: when a variant needs more memory than it may have; it has the results of the others.
        InvalidArtifact: when what comes back is not what was measured.
    """
    if resume and (known := collected(prepared, out)) is not None:
        progress.say(f"{address}: already collected")
        return known
    with open_board(address, options, progress.say, opened) as board:
        state = _begin(board, prepared, resume=resume)
        try:
            if state["state"] in {"started", "running"}:
                progress.say(f"measuring on {address}{'' if state['state'] == 'started' else ' since before'}")
                state = board.ask("follow", {"key": prepared.key}, on_progress=lambda event: replay(event, progress))
            results, misfit = _outcome(board, prepared, state)
        except ConnectionLost as error:
            raise ConnectionLost(error.message, hint=how_to_go_on(address)) from error
        except Exception:
            raise
        except BaseException as stop:  # Ctrl-C
            raise NoLongerFollowed(f"Stopped following {address}.", hint=how_to_go_on(address)) from stop
        keep(results, prepared, out, complete=misfit is None)
        with suppress(BoardFailed):  # what is left behind is removed by the next measurement
            board.ask("forget", {"key": prepared.key})
    if misfit is not None:
        misfit.results = results
        raise misfit
    return results


def how_to_go_on(address: Address) -> str:
    """Say how to collect a measurement, and how to stop it."""
    return (
        "The measurement goes on there by itself. Collect it: the same command with --resume. "
        f"Stop it: edgekd board cancel {address}"
    )


def _begin(board: Board, prepared: Prepared, *, resume: bool) -> dict[str, Any]:
    """Find the measurement, or start it; return its state."""
    found = board.ask("find", {"key": prepared.key, "resume": resume})
    if resume and found["state"] in {"running", "done", "failed"}:
        return found
    if found["state"] == "running":
        raise Busy(f"{board.name}: this measurement is already running on the board.", hint="Collect it with --resume.")
    if found["state"] == "died":
        board.say("the measurement there did not end, perhaps the board was switched off; it begins again")
    check_target(board.facts, prepared.profile, board.name)
    board.prepare(prepared.runtimes, prepared.files.values())
    return board.ask(
        "start",
        {
            "key": prepared.key,
            "files": {name: content.sha256 for name, content in prepared.files.items()},
            "job": prepared.order,
            "path": board.path,
            "environment": {**board.environment, ENGINES_VARIABLE: f"{board.facts['root']}/engines"},
        },
    )


def _outcome(board: Board, prepared: Prepared, state: dict[str, Any]) -> tuple[list[BenchResult], DoesNotFit | None]:
    """Return the results of a job that has ended, and what did not fit into the memory; or raise what it ended with."""
    if state["state"] == "running":
        raise ConnectionLost(f"{board.name}: the board stopped sending.")
    if state["state"] != "done":
        board.ask("forget", {"key": prepared.key})
        raise _failure(board.name, state)
    misfit = None
    if state.get("misfit"):
        error = state["misfit"]
        misfit = DoesNotFit(f"{board.name}: {printable(str(error['message']))}", hint=_hint(error))
    measured = [variant for variant in prepared.variants if variant.name in state["variants"]]
    names = {f"{variant.name}{RESULT_SUFFIX}": variant for variant in measured}
    received: dict[str, bytes] = {}
    board.ask("fetch", {"key": prepared.key, "names": list(names)}, on_file=received.__setitem__)
    if set(received) != set(names) or (misfit is None and len(measured) < len(prepared.variants)):
        raise BoardFailed(f"{board.name}: not all results came back.", hint="Run the same command with --resume.")
    return [accept(received[name], variant, prepared, board.name) for name, variant in names.items()], misfit


def _failure(name: str, state: dict[str, Any]) -> FailedThere:
    if state["state"] == "failed":
        error = FailedThere(f"{name}: {printable(str(state['message']))}", hint=_hint(state))
        error.exit_code = int(state["exit_code"])
        return error
    log = printable("\n".join(str(line) for line in state["log"])) or "It said nothing."
    return FailedThere(
        f"{name}: the measurement ended without results. {log}",
        hint="When nothing is said it was killed: perhaps the memory was used up, or the board was switched off.",
    )


def _hint(error: dict[str, Any]) -> str | None:
    return printable(str(error["hint"])) if error.get("hint") else None


def replay(event: dict[str, Any], progress: Progress) -> None:
    """Show what a board says about its work; what is not understood is left out."""
    arguments = [printable(value) if isinstance(value, str) else value for value in event.get("arguments", [])]
    match event.get("do"), arguments:
        case "start", [str(description), int() | None as total]:
            progress.start(description, total)
        case "update", [int(done), str(note)]:
            progress.update(done, note)
        case "finish", [str(note)]:
            progress.finish(note)
        case "say", [str(message)]:
            progress.say(message)
