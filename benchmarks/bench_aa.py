"""How often does the interval of a ratio hold the truth? Measures pairs of one and the same bundle.

    python benchmarks/bench_aa.py BUNDLE --data FILE --pairs 50

Each pair is a session of `edgekd bench` with the bundle as both variants. The true ratio of the medians is 1, so of the
95 % intervals 90 to 99 % should contain 1. Shown are the ratio of all calls (`speed_up`) and that of blocks
(`latency_ratio`).
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from random import Random

from edgekd.analysis.latency_ratio import latency_ratio
from edgekd.analysis.stats import speed_up
from edgekd.bench.runner import run_bench
from edgekd.bench.variants import variant_from_bundle
from edgekd.config import BenchConfig
from edgekd.data.evaluation import read_evaluation
from edgekd.data.types import Examples
from edgekd.devices import find_profile


def main() -> None:
    """Measure the pairs, one line each, then the shares."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--texts", type=int, default=400, help="drawn anew for each pair; a fifth of them warms up")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--block-size", type=int, default=10)
    parser.add_argument("--out", type=Path, help="JSON lines: ratio and interval of each pair")
    options = parser.parse_args()
    variant = variant_from_bundle(options.bundle)
    everything = read_evaluation(options.data, variant.task)
    profile = find_profile("cpu")
    rng = Random(0)
    found: dict[str, list[tuple[float, float, float]]] = {"all calls": [], "blocks": []}
    started = time.monotonic()
    for pair in range(options.pairs):
        chosen = rng.sample(range(len(everything.texts)), min(options.texts, len(everything.texts)))
        config = BenchConfig(
            processes=options.processes, passes=options.passes, block_size=options.block_size, seed=pair
        )
        one, other = run_bench(
            [variant, replace(variant, name=f"{variant.name}-again")],
            profile=profile,
            config=config,
            texts=Examples([everything.texts[i] for i in chosen], [everything.targets[i] for i in chosen]),
            warm_up_texts=[],
            data_name="drawn",
            out=None,
        )
        ratios = {"all calls": speed_up(one, other), "blocks": latency_ratio(other, one)}
        words = []
        for name, estimate in ratios.items():
            assert estimate is not None
            found[name].append((estimate.value, estimate.low, estimate.high))
            words.append(f"{name} {estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]")
        print(f"pair {pair + 1:3}: {'; '.join(words)}", flush=True)
        if options.out is not None:
            with options.out.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({name: values[-1] for name, values in found.items()}) + "\n")
    print(f"\n{options.pairs} pairs in {time.monotonic() - started:.0f} s")
    for name, values in found.items():
        inside = sum(low <= 1 <= high for _, low, high in values)
        widths = sorted((high - low) / 2 for _, low, high in values)
        off = sorted(abs(value - 1) for value, _, _ in values)
        print(
            f"{name}: {inside} of {len(values)} intervals contain 1 ({inside / len(values):.0%}); median half width "
            f"{widths[len(widths) // 2]:.2%}, median error {off[len(off) // 2]:.2%}, largest {off[-1]:.2%}"
        )


if __name__ == "__main__":
    main()
