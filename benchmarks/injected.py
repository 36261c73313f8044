"""Is a known slowdown measured? Sessions that burn a known share of every call, measured by `edgekd bench`'s own loop.

    python benchmarks/injected.py BUNDLE --data FILE --shares 2 5 10

All variants are the same bundle. A variant "+5%" waits, busy, after each call until 5 % more time has passed than the
call took; the reference does the same with 0 %, so that what the waiting itself costs is in both. Shown is how far the
measured ratios are from the injected ones.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from time import perf_counter_ns
from typing import Any

from edgekd.bench import worker

WORKER = "--as-worker"
SIGN = "+"


class Burning:
    """A session whose calls take a share longer.

    Args:
        session: that does the work.
        share: of its time that is burned besides.
    """

    def __init__(self, session: Any, share: float) -> None:
        self._session = session
        self._share = share
        self._began = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def encode(self, texts: Any) -> Any:
        """Tokenize, and note when that began."""
        self._began = perf_counter_ns()
        return self._session.encode(texts)

    def infer(self, inputs: Any) -> Any:
        """Run the model, then burn time."""
        logits = self._session.infer(inputs)
        now = perf_counter_ns()
        end = now + int(self._share * (now - self._began))
        while perf_counter_ns() < end:
            continue
        return logits

    def run(self, texts: Any) -> Any:
        """Text in, logits out."""
        return self.infer(self.encode(texts))


def serve() -> None:
    """Be a measuring process; the name of a variant says how much it burns."""
    open_session = worker.open_session

    def open_burning(spec: dict[str, Any], threads: int, **options: Any) -> Burning:
        percent = float(spec["name"].rpartition(SIGN)[2].removesuffix("%"))
        return Burning(open_session(spec, threads, **options), percent / 100)

    worker.open_session = open_burning  # type: ignore[assignment]
    worker.main()


def main() -> None:
    """Measure and print one line a share and session."""
    from edgekd.analysis.latency_ratio import latency_ratio
    from edgekd.analysis.stats import speed_up
    from edgekd.bench.place import Place
    from edgekd.bench.runner import run_bench
    from edgekd.bench.variants import variant_from_bundle
    from edgekd.config import BenchConfig
    from edgekd.data.evaluation import read_evaluation
    from edgekd.data.types import Examples
    from edgekd.devices import find_profile

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--shares", type=float, nargs="+", default=[2.0, 5.0, 10.0], help="per cent")
    parser.add_argument("--sessions", type=int, default=3)
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--processes", type=int, default=6)
    parser.add_argument("--passes", type=int, default=24)
    parser.add_argument("--block-size", type=int, default=5)
    options = parser.parse_args()
    variant = variant_from_bundle(options.bundle)
    data = read_evaluation(options.data, variant.task)
    place = Place(python=(sys.executable, str(Path(__file__).resolve()), WORKER))
    worst = {"blocks": 0.0, "all calls": 0.0}
    held = {"blocks": 0, "all calls": 0}
    for session in range(options.sessions):
        chosen = Random(session).sample(range(len(data.texts)), min(options.texts, len(data.texts)))
        reference, *others = run_bench(
            [replace(variant, name=f"{variant.name}{SIGN}{share:g}%") for share in (0.0, *options.shares)],
            profile=find_profile("cpu"),
            config=BenchConfig(
                processes=options.processes, passes=options.passes, block_size=options.block_size, seed=session
            ),
            texts=Examples([data.texts[i] for i in chosen], [data.targets[i] for i in chosen]),
            warm_up_texts=[],
            data_name="drawn",
            out=None,
            place=place,
        )
        for share, result in zip(options.shares, others, strict=True):
            by_blocks, all_calls = latency_ratio(reference, result), speed_up(result, reference)
            assert by_blocks is not None
            assert all_calls is not None
            words = []
            for name, found in (("blocks", by_blocks), ("all calls", all_calls)):
                error = 100 * (found.value - 1) - share
                worst[name] = max(worst[name], abs(error))
                held[name] += found.low <= 1 + share / 100 <= found.high
                low, high = 100 * (found.low - 1), 100 * (found.high - 1)
                words.append(f"{name} {100 * (found.value - 1):+.2f} % [{low:+.2f}, {high:+.2f}]")
            print(f"session {session + 1}, injected {share:g} %: {'; '.join(words)}", flush=True)
    total = options.sessions * len(options.shares)
    for name, points in worst.items():
        print(f"{name}: at most {points:.2f} points off, {held[name]} of {total} intervals hold the injected share")


if __name__ == "__main__":
    if WORKER in sys.argv:
        serve()
    else:
        main()
