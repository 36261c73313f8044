"""How often would the gate be wrong on machines that we do not have? The gate's own decision, over assumed noise.

    python benchmarks/gate_simulation.py --runs 200

Every call takes log-normal time with outliers; the ratio of both sides has a part that is drawn once for a process
(memory layout) and a part that is drawn once for a pair of files and stays (--margin is about it). Slow drift and
neighbours hit both sides of a round alike, so they are left out of it; in a stored median they are the whole error.
Takes some minutes on one core; the numbers are the same every time.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from math import erf, sqrt

import numpy as np

from edgekd.analysis.paired import Rounds, median_change
from edgekd.gate.grammar import parse_rule
from edgekd.gate.latency import UNPAIRED_DRIFT, judge_interval
from edgekd.gate.looks import MIN_CALLS
from edgekd.gate.records import Outcome
from edgekd.gate.rounds import CALLS_PER_ROUND

LIMITS = (0.01, 0.03, 0.05)
CHANGES = (0.0, 0.03, 0.05, 0.10)
MARGINS = (0.0, 0.005)
RESAMPLES = 500
HEAD = (
    *(f"gate, margin {100 * margin:g} %: alarm, cannot tell" for margin in MARGINS),
    *("looks, mean", "stored median: alarm", "gate, stored: alarm"),
)


@dataclass(frozen=True)
class Machine:
    """Assumed noise; standard deviations of logarithms."""

    name: str
    processes: tuple[int, ...]  # at each look
    rounds: int  # of each process; of a fast model the gate takes up to 150, which only makes it surer
    call: float  # of a call
    outliers: float  # share of the calls
    process: float  # of the ratio, once a process
    files: float  # of the ratio, once a pair of files
    drift: float  # between two measurements at different times


MACHINES = (
    Machine("quiet board, 1 ms", (6, 8, 16, 32, 48, 64), 40, 0.02, 0.005, 0.0025, 0.0015, 0.005),
    Machine("shared virtual machine, 0.1 ms", (6, 8, 16, 32, 48, 64), 40, 0.12, 0.03, 0.005, 0.002, 0.064),
    Machine("shared virtual machine, 30 ms", (6, 8, 10, 12, 16, 20), 4, 0.10, 0.03, 0.005, 0.002, 0.055),
)


def simulate(machine: Machine, change: float, rng: np.random.Generator) -> Rounds:
    """Return as many rounds as the last look has; one call of a round stands for its median."""
    processes = machine.processes[-1]
    shape = (2, processes * machine.rounds, CALLS_PER_ROUND)
    seconds = np.exp(rng.normal(0, machine.call, shape))
    seconds *= np.where(rng.random(shape) < machine.outliers, 1 + rng.exponential(1.0, shape), 1.0)
    layout = rng.normal(0, machine.process, processes).repeat(machine.rounds) + rng.normal(0, machine.files)
    baseline, candidate = np.median(seconds, axis=2)
    candidate *= np.exp(np.log1p(change) + layout)
    number = np.arange(processes * machine.rounds)
    return Rounds((baseline, candidate), number, number // machine.rounds)


def first(rounds: Rounds, processes: int) -> Rounds:
    """Return the rounds of the first processes."""
    chosen = rounds.process < processes
    return Rounds((rounds.seconds[0][chosen], rounds.seconds[1][chosen]), rounds.round[chosen], rounds.process[chosen])


def judge(machine: Machine, rounds: Rounds) -> dict[tuple[float, float], tuple[Outcome, int]]:
    """Return what the gate says for every limit and margin, and at which look."""
    said: dict[tuple[float, float], tuple[Outcome, int]] = {}
    cases = [(limit, margin) for limit in LIMITS for margin in MARGINS]
    for look, processes in enumerate(machine.processes):
        if processes * machine.rounds * CALLS_PER_ROUND < MIN_CALLS[0.5]:
            continue
        interval = median_change(first(rounds, processes), resamples=RESAMPLES)
        for limit, margin in cases:
            rule = parse_rule(f"p50<+{100 * limit:g}%")
            outcome = judge_interval(rule, interval.low, interval.high, margin)
            if said.get((limit, margin), (Outcome.UNDECIDED, 0))[0] is Outcome.UNDECIDED:
                said[limit, margin] = outcome, look
        if all(outcome is not Outcome.UNDECIDED for outcome, _ in said.values()):
            break
    return said


def above(value: float, limit: float, deviation: float) -> float:
    """Return the probability that a normal value lies above a limit."""
    return 0.5 * (1 - erf((limit - value) / (deviation * sqrt(2))))


def main() -> None:
    """Print one table a machine."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for machine in MACHINES:
        print(f"\n{machine.name}\n")
        print(f"| limit | true change | {' | '.join(HEAD)} |")
        print(f"|---:|---:|{'---:|' * len(HEAD)}")
        # Two medians at different times; each has the drift.
        apart = machine.drift * sqrt(2)
        for change in CHANGES:
            rng = np.random.default_rng([options.seed, round(1000 * change)])
            runs = [judge(machine, simulate(machine, change, rng)) for _ in range(options.runs)]
            for limit in LIMITS:
                cells = []
                for margin in MARGINS:
                    outcomes = [run[limit, margin][0] for run in runs]
                    alarms, unknown = outcomes.count(Outcome.FAIL), outcomes.count(Outcome.UNDECIDED)
                    cells.append(f"{100 * alarms / len(runs):.1f} %, {100 * unknown / len(runs):.1f} %")
                looks = np.mean([run[limit, MARGINS[-1]][1] + 1 for run in runs])
                stored = above(change, limit, apart)
                widened = above(change, limit + UNPAIRED_DRIFT, apart)
                cells += [f"{looks:.1f}", f"{100 * stored:.0f} %", f"{100 * widened:.1f} %"]
                print(f"| {100 * limit:g} % | {100 * change:+g} % | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
