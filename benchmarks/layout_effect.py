"""How much do files that do the same differ in time, for good? For the margin of the gate.

    python benchmarks/layout_effect.py BUNDLE --data FILE --work FOLDER --copies 8 --processes 40

Copy 0 is the bundle in another folder; the others have constants that nothing uses and other names of nodes. Each is
measured in turns with the bundle, in fresh processes, copies in random order. What differs between processes of one
copy averages out over processes; what differs between copies does not, and is what a margin has to cover.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from random import Random

import numpy as np
from slow_bundle import write_different

from edgekd.analysis.paired import round_log_ratios, trimmed_means
from edgekd.bench.affinity import choose_cpus
from edgekd.bench.variants import variant_of
from edgekd.bundle import Bundle, load_bundle
from edgekd.data.evaluation import read_evaluation
from edgekd.gate.child import ask
from edgekd.gate.evidence import rounds_of
from edgekd.gate.lab import hold_out
from edgekd.gate.protocol import RoundsRequest
from edgekd.gate.records import ProcessSamples

CALLS = 150  # rounds of ten


def change(pair: tuple[Bundle, Bundle], texts: list[str], seed: int) -> tuple[float, float]:
    """Return the change of one fresh process and the variance of its estimate, both of logarithms."""
    timed, warm = hold_out(texts)
    request = RoundsRequest(
        models=[variant_of(side, side.folder.resolve()).worker_spec() for side in pair],
        first=seed % 2,
        threads=1,
        affinity=choose_cpus(1),
        texts=timed,
        warm_up=warm,
        seconds=0.0,
        min_rounds=CALLS,
        max_rounds=CALLS,
        max_seconds=60.0,
        seed=seed,
    )
    rounds = rounds_of([ProcessSamples.model_validate(ask(request, what="both"))])
    assert rounds is not None
    ratios = round_log_ratios(rounds)
    drawn = np.random.default_rng(seed).multinomial(len(ratios), np.full(len(ratios), 1 / len(ratios)), size=500)
    value = trimmed_means(ratios, np.ones((1, len(ratios)), np.int32))[0]
    return float(value), float(np.var(trimmed_means(ratios, drawn.astype(np.int32))))


def main() -> None:
    """Measure and print the parts of the variance."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--processes", type=int, default=40, help="of each copy; even, so that each side is first")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    texts = read_evaluation(options.data, bundle.manifest.as_task).texts
    copies = []
    for number in range(options.copies):
        folder = options.work / str(number)
        if not folder.is_dir() and number == 0:
            shutil.copytree(options.bundle, folder)
        copies.append(load_bundle(folder) if folder.is_dir() else write_different(bundle, folder, number))
    order = [(copy, process) for copy in range(options.copies) for process in range(options.processes)]
    Random(0).shuffle(order)
    found: dict[int, list[tuple[float, float]]] = {copy: [] for copy in range(options.copies)}
    for copy, process in order:
        found[copy].append(change((bundle, copies[copy]), texts, process))
    means, errors, between = [], [], []
    for copy, pairs in found.items():
        values, noise = np.array(pairs).T
        means.append(float(values.mean()))
        errors.append(float(values.std(ddof=1) / np.sqrt(len(values))))
        between.append(float(values.var(ddof=1) - noise.mean()))
        print(f"copy {copy}: {100 * means[-1]:+.3f} % +- {100 * errors[-1]:.3f} (standard error)")
    spread = np.var(means, ddof=1) - np.mean(np.square(errors))
    print(f"between processes of a copy: {100 * np.sqrt(max(0.0, np.mean(between))):.2f} % (standard deviation)")
    print(f"between copies: {100 * np.sqrt(max(0.0, spread)):.2f} %; largest {100 * max(map(abs, means)):.2f} %")


if __name__ == "__main__":
    main()
