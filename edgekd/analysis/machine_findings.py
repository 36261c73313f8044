"""What the machine says against a result: it was busy, throttled, at another clock, short of memory. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from edgekd import units
from edgekd.analysis.finding import Finding, Severity
from edgekd.processor import SINCE_BOOT

if TYPE_CHECKING:
    from edgekd.measurements import Moment
    from edgekd.results import BenchResult

STEAL_SHARE = 0.01  # what is stolen is missing in single calls, a whole time slice at once
WAITED_SHARE = 0.01  # likewise, for programs of this machine
BUSY_SHARE = 0.25  # a quarter of the other cores: shared caches, memory and clock are felt then
CLOCK_CHANGE = 1.05  # as much as a drift that counts
SPIN_CHANGE = 1.25  # the fixed work itself scatters by some per cent
MINIMUM_MOMENTS = 5
SWAPPED_IN_BYTES = 1 << 20  # a few pages come back on every machine


def _mean(moments: list[Moment], name: str) -> float | None:
    """Return the mean of a share over time; each holds since the moment before."""
    weights, values = [], []
    for before, now in pairwise(moments):
        value = getattr(now, name)
        if value is not None:
            weights.append(now.at_s - before.at_s)
            values.append(value)
    return float(np.average(values, weights=weights)) if sum(weights) > 0 else None


def throttled(result: BenchResult) -> list[Finding]:
    """Report that the machine held itself back while it measured, or has done so since it was started."""
    moments = result.machine_over_time
    during = list(dict.fromkeys(f for m in moments for f in m.throttled if not f.endswith(SINCE_BOOT)))
    if during:
        count = sum(any(not flag.endswith(SINCE_BOOT) for flag in m.throttled) for m in moments)
        measured = f"{', '.join(during)} in {count} of {len(moments)} readings"
        power = any("voltage" in flag or "current" in flag for flag in during)
        advice = ("use the supply that the maker recommends" if power else "cool the board") + ", and measure again"
        return [Finding("throttled", Severity.INVALID, measured, "never", advice + ": not comparable")]
    before = list(dict.fromkeys(flag for m in moments for flag in m.throttled))
    if not before:
        return []
    measured = f"not while measuring, but {', '.join(before)}"
    advice = "check supply and cooling before longer loads"
    return [Finding("throttled-before", Severity.INFO, measured, "never", advice)]


def steal(result: BenchResult) -> Finding | None:
    """Report processor time that the hypervisor gave to others."""
    share = _mean(result.machine_over_time, "steal_share")
    if share is None or share <= STEAL_SHARE:
        return None
    advice = "the host of this virtual machine is shared: measure at another time or on a machine of your own"
    measured = f"{units.rough_percent(share)} of the processor time was stolen"
    return Finding("steal", Severity.WARNING, measured, f"at most {units.rough_percent(STEAL_SHARE)}", advice)


def other_load(result: BenchResult) -> list[Finding]:
    """Report other programs: on the processors in use, and on the others."""
    found = []
    waited = _mean(result.machine_over_time, "waited_share")
    if waited is not None and waited > WAITED_SHARE:
        measured = f"other programs had the processor in use for {units.rough_percent(waited)} of the time"
        advice = "stop them, or keep a core free of them; medians of variants measured in turns stay comparable"
        found.append(
            Finding(
                "processor-shared", Severity.WARNING, measured, f"at most {units.rough_percent(WAITED_SHARE)}", advice
            )
        )
    busy = _mean(result.machine_over_time, "busy_share")
    if busy is not None and busy > BUSY_SHARE:
        measured = f"the other processors were busy for {units.rough_percent(busy)} of the time"
        advice = "stop other programs: caches, memory and clock are shared with them"
        found.append(
            Finding("other-load", Severity.WARNING, measured, f"at most {units.rough_percent(BUSY_SHARE)}", advice)
        )
    return found


def clock_changed(result: BenchResult) -> Finding | None:
    """Report a clock that moved; where the system shows a constant, a fixed piece of work tells.

    From the 5th to the 95th percentile of the readings, so that a single reading does not count.
    """
    advice = "fix it (governor 'performance', jetson_clocks), or compare only what was measured in turns"
    clocks = [m.clock_hz for m in result.machine_over_time if m.clock_hz is not None]
    if len(clocks) >= MINIMUM_MOMENTS:
        low, high = np.quantile(clocks, [0.05, 0.95])
        if high > CLOCK_CHANGE * low:
            measured = f"clock from {units.frequency(low)} to {units.frequency(high)}"
            wanted = f"within {units.rough_percent(CLOCK_CHANGE - 1)}"
            return Finding("clock-changed", Severity.WARNING, measured, wanted, advice)
    spins = [m.spin_s for m in result.machine_over_time if m.spin_s is not None]
    if len(spins) >= MINIMUM_MOMENTS:
        low, high = np.quantile(spins, [0.05, 0.95])
        if high > SPIN_CHANGE * low:
            spread = f"{units.duration(low)} to {units.duration(high)}"
            measured = f"a fixed piece of work took {spread}: clock or a shared core"
            wanted = f"within {units.rough_percent(SPIN_CHANGE - 1)}"
            return Finding("clock-changed", Severity.WARNING, measured, wanted, advice)
    return None


def governor(result: BenchResult) -> Finding | None:
    """Report a governor that may lower the clock between texts."""
    name = result.machine.governor
    if name is None or name == "performance":
        return None
    advice = "sudo cpupower frequency-set -g performance, unless the product runs with this one"
    return Finding("governor", Severity.INFO, f"governor '{name}'", "'performance'", advice)


def swap(result: BenchResult) -> Finding | None:
    """Report memory that came from swap or is in it."""
    swapped_in = sum(m.swapped_in_bytes or 0 for m in result.machine_over_time)
    inside = result.memory.swap_bytes or 0
    if inside == 0 and swapped_in < SWAPPED_IN_BYTES:
        return None
    parts = [f"{units.binary_size(inside)} of the process in swap"] if inside else []
    if swapped_in >= SWAPPED_IN_BYTES:
        parts.append(f"{units.binary_size(swapped_in)} read back from swap by the machine")
    advice = "free memory: latency includes the disk, and the resident set leaves out what is in swap"
    return Finding("swap", Severity.WARNING, ", ".join(parts), "none", advice)
