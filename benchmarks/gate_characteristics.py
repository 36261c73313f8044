"""How often is a gate wrong, and how long does it take? Many real gates, next to what teams use otherwise.

    python benchmarks/gate_characteristics.py BUNDLE --data FILE --work FOLDER --max-minutes 60

Candidates: copies of the bundle that do the same (an alarm is false), and copies that are slower by 5 % and by 10 %
(no alarm is a miss). Methods: the gate in turns; the median of a fresh process against a stored median;
``pytest-benchmark --benchmark-compare-fail=median:5%`` against a stored run; the gate against a stored result.
All of them are run in random order, so that each meets the machine's quiet and busy minutes alike. Stored baselines
are measured ``--baselines`` times on the way. The numbers of runs that are set take about 45 minutes.

Every outcome is appended to FOLDER/runs.jsonl at once: the same command goes on where it was stopped
(``--max-minutes``, Ctrl-C), and ``--table`` only prints what there is.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import numpy as np
from gate_methods import (
    ALARM,
    UNKNOWN,
    Material,
    Said,
    compare_plain,
    compare_pytest,
    compare_result,
    gate,
    store_plain,
    store_pytest,
    store_result,
)
from slow_bundle import measure_rounds, write_different, write_slower_by

from edgekd.analysis.estimators import percentile, wilson
from edgekd.analysis.paired import median_change
from edgekd.artifacts import write_text_atomic
from edgekd.bench.affinity import allowed_cpus
from edgekd.bundle import load_bundle
from edgekd.data.evaluation import read_evaluation
from edgekd.devices import find_profile

GATE, PLAIN, PYTEST, STORED, CHECK = "gate in turns", "stored median", "pytest-benchmark", "gate, stored", "check"
STORE = {PLAIN: store_plain, PYTEST: store_pytest, STORED: store_result}
COPIES = 4  # files that differ and do the same
CHECK_SECONDS = 10.0  # measured in turns, of which the true change is told
CHECKS = 3


@dataclass(frozen=True)
class Item:
    """One thing to do. ``place`` from 0 to 1 says when."""

    method: str
    injected: float  # share
    number: int
    place: float
    store: bool = False

    @property
    def key(self) -> str:
        """Name in the file of outcomes."""
        return f"{'store ' if self.store else ''}{self.method} {self.injected:g} {self.number}"


def schedule(counts: dict[tuple[str, float], int], baselines: int, seed: int) -> list[Item]:
    """Spread every kind evenly and in random order; a baseline is stored before what is compared with it."""
    rng = Random(seed)
    items = []
    for (method, injected), count in counts.items():
        items += [Item(method, injected, n, (n + rng.random()) / count) for n in range(count)]
    compared = {method for (method, _), count in counts.items() if count and method in STORE}
    for method in sorted(compared):
        items += [Item(method, 0.0, n, n / baselines, store=True) for n in range(baselines)]
    return sorted(items, key=lambda item: (item.place, not item.store))


def prepare(bundle: Path, work: Path, injected: list[float], texts: list[str], seconds: float) -> None:
    """Write the candidates once, and the baseline in a folder beside them."""
    original = load_bundle(bundle)
    baseline = work / "baseline"
    if not baseline.is_dir():
        shutil.copytree(bundle, baseline)
    for copy in range(COPIES):
        folder = work / "0" / str(copy)
        if folder.is_dir():
            continue
        if copy == 0:
            shutil.copytree(bundle, folder)
        else:
            write_different(original, folder, copy)
    for change in injected:
        folder = work / f"{change:g}"
        if change and not folder.is_dir():
            print(f"candidate {100 * change:+g} %", flush=True)
            write_slower_by(original, work / "trial", change, texts, seconds)
            (work / "trial").rename(folder)


def candidate_of(work: Path, item: Item) -> Path:
    """Return the folder that an item judges."""
    return work / "0" / str(item.number % COPIES) if item.injected == 0 else work / f"{item.injected:g}"


def carry_out(item: Item, material: Material, baselines: int) -> Said | None:
    """Do one thing; storing says nothing."""
    baseline, candidate = material.work / "baseline", candidate_of(material.work, item)
    seed = Random(item.key).randrange(10**6)
    stored = min(baselines - 1, int(item.place * baselines))
    if item.store:
        STORE[item.method](material, baseline, item.number)
        return None
    if item.method == GATE:
        return gate(material, baseline, candidate, seed)
    if item.method == PLAIN:
        return compare_plain(material, candidate, stored, seed)
    if item.method == PYTEST:
        return compare_pytest(material, candidate, stored)
    if item.method == STORED:
        return compare_result(material, candidate, stored, seed)
    rounds = measure_rounds(load_bundle(baseline), load_bundle(candidate), material.texts, CHECK_SECONDS, seed)
    before, after = (percentile(side, 0.5) for side in rounds.seconds)
    found = median_change(rounds)
    return Said(
        {}, CHECK_SECONDS, found.value, found.low, found.high, {"of_medians": after / before - 1, "calls": found.n}
    )


def run(items: list[Item], material: Material, baselines: int, max_minutes: float) -> None:
    """Do what is not done yet, until the time is up."""
    file = material.work / "runs.jsonl"
    done = {row["key"] for row in read(file)}
    until = time.monotonic() + 60 * max_minutes
    left = [item for item in items if item.key not in done]
    for position, item in enumerate(left):
        if time.monotonic() > until:
            print(f"{len(left) - position} of {len(items)} left; the same command goes on.")
            return
        said = carry_out(item, material, baselines)
        row = {"key": item.key, "method": item.method, "injected": item.injected, "store": item.store}
        row |= {"at": time.time(), "limits": material.limits, **(asdict(said) if said else {})}
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        if said:
            change = "" if said.change is None else f"{100 * said.change:+.2f} %"
            print(f"{item.key:32} {change:>9}  {said.seconds:5.1f} s  {said.outcome}", flush=True)


def read(file: Path) -> list[dict]:
    """Return the outcomes so far; the end of a file that was cut off in a line is removed, and the item done again."""
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_text_atomic(file, whole)
    return [json.loads(line) for line in whole.splitlines()]


def share(hits: int, runs: int) -> str:
    """Write a share with its 95 % Wilson interval."""
    found = wilson(hits, runs)
    return f"{hits} ({100 * hits / runs:.1f} %, {100 * found.low:.1f} to {100 * found.high:.1f})"


def table(rows: list[dict]) -> str:
    """Write what happened as a Markdown table, and the true changes below it."""
    lines = ["| method | limit | change | runs | alarms (share, 95 % interval) | cannot tell | time: median, p90 |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    groups: dict[tuple[int, float, float], list[dict]] = {}
    methods = [GATE, PLAIN, PYTEST, STORED]
    for row in rows:
        for limit in row.get("outcome", {}):
            groups.setdefault((methods.index(row["method"]), float(limit), row["injected"]), []).append(row)
    for (method, limit, injected), found in sorted(groups.items(), key=lambda pair: pair[0]):
        said = [row["outcome"][f"{limit:g}"] for row in found]
        seconds = [row["seconds"] for row in found]
        what = f"{100 * injected:+.0f} %" if injected else "none"
        cells = [methods[method], f"{100 * limit:g} %", what, str(len(found)), share(said.count(ALARM), len(said))]
        cells += [str(said.count(UNKNOWN)), f"{np.median(seconds):.1f} s, {np.quantile(seconds, 0.9):.1f} s"]
        lines.append(f"| {' | '.join(cells)} |")
    lines.append("")
    for injected in sorted({row["injected"] for row in rows if row["method"] == CHECK}):
        checks = [row for row in rows if row["method"] == CHECK and row["injected"] == injected]
        gates = [row["change"] for row in rows if row["method"] == GATE and row["injected"] == injected]
        calls = sum(row["details"]["calls"] for row in checks)
        rounds = ", ".join(f"{100 * row['change']:+.2f}" for row in checks)
        medians = ", ".join(f"{100 * row['details']['of_medians']:+.2f}" for row in checks)
        line = f"Meant {100 * injected:+g} %; checked with {calls:,} calls a side: {rounds} % (rounds), "
        line += f"{medians} % (medians)"
        if gates:
            line += f"; the gates' own: mean {100 * np.mean(gates):+.2f} %, from {100 * min(gates):+.2f} to "
            line += f"{100 * max(gates):+.2f} %"
        lines.append(f"- {line}.")
    return "\n".join(lines)


def main() -> None:
    """Prepare, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--limits", type=float, nargs="+", default=[3.0, 5.0], help="per cent; the first is the gate's")
    parser.add_argument("--injected", type=float, nargs="+", default=[0.0, 5.0, 10.0], help="per cent")
    parser.add_argument("--equal", type=int, default=200, help="gates of copies that do the same")
    parser.add_argument("--changed", type=int, default=80, help="gates of each slower copy")
    parser.add_argument("--others", type=int, default=40, help="stored medians and runs of pytest-benchmark, each kind")
    parser.add_argument("--stored", type=int, default=3, help="gates against a stored result, each kind")
    parser.add_argument("--baselines", type=int, default=5, help="how often baselines are stored")
    parser.add_argument("--max-seconds", type=float, default=60.0, help="of a gate")
    parser.add_argument("--stored-seconds", type=float, default=10.0, help="of a gate against a stored result")
    parser.add_argument("--calibration-seconds", type=float, default=10.0, help="of each trial of a slower copy")
    parser.add_argument("--max-minutes", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="only print what there is")
    options = parser.parse_args()
    file = options.work / "runs.jsonl"
    if options.table:
        print(table(read(file)))
        return
    bundle = load_bundle(options.bundle)
    texts = read_evaluation(options.data, bundle.manifest.as_task).texts
    injected = [change / 100 for change in options.injected]
    options.work.mkdir(parents=True, exist_ok=True)
    prepare(options.bundle, options.work, injected, texts, options.calibration_seconds)
    material = Material(
        work=options.work.resolve(),
        data=str(Path(options.data).resolve()),
        texts=texts,
        threads=min(find_profile(bundle.manifest.target).threads, len(allowed_cpus())),
        limits=tuple(limit / 100 for limit in options.limits),
        max_seconds=options.max_seconds,
        stored_seconds=options.stored_seconds,
    )
    counts = {(GATE, change): options.changed if change else options.equal for change in injected}
    counts |= {(method, change): options.others for method in (PLAIN, PYTEST) for change in injected}
    counts |= {(STORED, change): options.stored for change in injected}
    counts |= {(CHECK, change): CHECKS for change in injected}
    try:
        run(schedule(counts, options.baselines, options.seed), material, options.baselines, options.max_minutes)
    except KeyboardInterrupt:
        print("stopped; the same command goes on.")
    print(table(read(file)))


if __name__ == "__main__":
    main()
