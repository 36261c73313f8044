"""From the options of ``edgekd bench`` to the scenarios that are measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgekd.bench.scenarios.cold import Cold
from edgekd.bench.scenarios.lengths import Lengths
from edgekd.bench.scenarios.offline import Offline
from edgekd.bench.scenarios.server import Server
from edgekd.bench.scenarios.sustained import MINUTES, Sustained
from edgekd.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.phase import Phase

SINGLE_STREAM = "single-stream"
SCENARIOS = (SINGLE_STREAM, "offline", "server", "cold", "sustained")


def scenario_phases(
    scenarios: Sequence[str] = (),
    *,
    rates: str | None = None,
    minutes: float | None = None,
    lengths: str | None = None,
) -> list[Phase]:
    """Return what is to be measured besides single texts one after the other, which always is.

    Args:
        scenarios: names, also several joined with commas.
        rates: of the scenario server: texts a second, joined with commas.
        minutes: of the scenario sustained.
        lengths: in tokens, joined with commas.

    Raises:
        ConfigError: for a name, number or combination that is none.
    """
    names = {name.strip() for given in scenarios for name in given.split(",")}
    for name in sorted(names):
        if name not in SCENARIOS:
            raise unknown_name("scenario", name, SCENARIOS, hint="Example: --scenario offline,server")
    for option, given, needed in (("--rates", rates, "server"), ("--minutes", minutes, "sustained")):
        if given is not None and needed not in names:
            raise ConfigError(f"{option} belongs to the scenario {needed}.", hint=f"Add --scenario {needed}.")
    phases: list[Phase] = []
    if lengths is not None:
        phases.append(Lengths([_whole(value) for value in _numbers("--lengths", lengths, "8,32,128")]))
    if "offline" in names:
        phases.append(Offline())
    if "server" in names:
        phases.append(Server(_numbers("--rates", rates, "50,100") if rates is not None else ()))
    if "cold" in names:
        phases.append(Cold())
    if "sustained" in names:  # last: it leaves a hot machine
        phases.append(Sustained(MINUTES if minutes is None else minutes))
    return phases


def _numbers(option: str, given: str, example: str) -> list[float]:
    """Read positive numbers that are joined with commas, in ascending order and each once."""
    try:
        found = [float(part) for part in given.split(",")]
    except ValueError:
        found = []
    if not found or not all(value > 0 and math.isfinite(value) for value in found):
        raise ConfigError(
            f"{option} '{given}' is no list of positive numbers joined with commas.",
            hint=f"For example: {option} {example}",
        )
    return sorted(set(found))


def _whole(tokens: float) -> int:
    if tokens != int(tokens):
        raise ConfigError(f"--lengths are whole numbers of tokens; {tokens:g} is none.", hint="--lengths 8,32,128")
    return int(tokens)
