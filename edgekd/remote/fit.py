"""Is this the board that the results will say, and can it have the packages?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from edgekd.devices import load_profiles
from edgekd.errors import ConfigError
from edgekd.remote.errors import BoardFailed, printable

if TYPE_CHECKING:
    from edgekd.devices import DeviceProfile


def check_target(facts: dict[str, Any], profile: DeviceProfile, name: str) -> None:
    """Refuse to measure a board under the name of another one: its numbers would be called those of the target.

    A profile that names no boards fits every machine of its architecture, that of "this machine" every machine.

    Args:
        facts: of the board: machine, board.
        profile: of the target.
        name: of the board, for messages.

    Raises:
        ConfigError: when the board is no such board.
    """
    if profile.is_this_machine:
        return
    machine, board = printable(str(facts["machine"])), printable(str(facts["board"]))
    if machine != profile.cpu.arch:
        raise ConfigError(
            f"{name}: the board is a {machine} machine, the target '{profile.name}' is {profile.cpu.arch}.",
            hint=_other_target(board),
        )
    if board and profile.boards and not board.startswith(tuple(profile.boards)):
        raise ConfigError(
            f"{name}: the board calls itself '{board}', which is no '{profile.name}' ({', '.join(profile.boards)}).",
            hint=_other_target(board),
        )


def _other_target(board: str) -> str:
    fitting = [p.name for p in load_profiles().values() if p.boards and board.startswith(tuple(p.boards))]
    if fitting:
        return f"Give --target {fitting[0]}."
    return "Give --target with its own profile ('edgekd devices new' writes one), or --target cpu for any machine."


def check_platform(facts: dict[str, Any], name: str) -> None:
    """Refuse a board that no wheels exist for.

    Args:
        facts: of the board's Python: machine, bits, glibc.
        name: of the board, for messages.

    Raises:
        BoardFailed: with what to do.
    """
    if facts["bits"] != 64:
        raise BoardFailed(
            f"{name}: the board runs a 32-bit system ({printable(str(facts['machine']))}), for which there is no "
            "onnxruntime.",
            hint="Install the 64-bit version of its system (Raspberry Pi OS: 64-bit), or give a Python that has "
            "onnxruntime with --board-python.",
        )
    if not re.fullmatch(r"2\.[0-9]{1,3}", str(facts["glibc"])):
        raise BoardFailed(
            f"{name}: the board's C library is not glibc, for which the packages are made.",
            hint="Give a Python that has them with --board-python.",
        )
