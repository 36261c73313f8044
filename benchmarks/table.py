"""Print the students of run folders as one Markdown table: seeds, control, gain, speed.

edgekd bench runs/*/bundles/cpu/* --data data/test.jsonl --out results     # all in one session
python benchmarks/table.py results runs/sst2 runs/sst2-slow
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from edgekd.analysis.stats import speed_up
from edgekd.results import BenchResult, load_result


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def mean(values: list[float], factor: float) -> str:
    if not values:
        return ""
    spread = f" ± {factor * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{factor * statistics.mean(values):.1f}{spread}"


def gain(raw: dict[str, float] | None, factor: float) -> str:
    return f"{factor * raw['value']:+.1f} [{factor * raw['low']:+.1f}, {factor * raw['high']:+.1f}]" if raw else ""


def measured(folder: Path) -> dict[str, BenchResult]:
    return {result.variant: result for result in map(load_result, sorted(folder.glob("*.result.json")))}


def speed(results: dict[str, BenchResult], variant: str) -> list[str]:
    teacher, student = results.get("teacher-fp32"), results.get(variant)
    if teacher is None or student is None:
        return ["", ""]
    ratio = speed_up(teacher, student)
    shown = f"{ratio.value:.3g}x [{ratio.low:.3g}, {ratio.high:.3g}]" if ratio else ""
    return [shown, f"{student.size_bytes / 1e6:.1f} MB"]


def rows(run: Path, results: dict[str, BenchResult]) -> list[str]:
    lines = []
    teacher = read(run / "teacher" / "edgekd_metrics.json")["test"]
    for proof_file in sorted(run.glob("students/*/proof.json")):
        proof, name = read(proof_file), proof_file.parent.name
        factor = 1.0 if proof["metric"] == "pearson" else 100.0
        seconds = [
            read(file)["training"]["duration_s"] for file in proof_file.parent.glob("distilled/seed-*/train.json")
        ]
        cells = [
            name,
            f"{factor * teacher[proof['metric']]:.1f}",
            str(len(proof["seeds"])),
            mean(proof["student"], factor),
            mean(proof["control"], factor),
            mean(proof["transfer_control"], factor),
            *(gain(proof[key], factor) for key in ("total", "more_data", "softer_targets")),
            *speed(results, f"{name}-fp32"),
            *speed(results, f"{name}-int8"),
            f"{statistics.mean(seconds):.0f} s",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main(results: str, *runs: str) -> None:
    headings = ["student", "teacher", "seeds", "distilled", "control", "teacher's choices", "gain", "of it more data"]
    headings += ["of it softer targets", "speed-up fp32", "size fp32", "speed-up int8", "size int8"]
    headings += ["training a seed"]
    print("| " + " | ".join(headings) + " |")
    print("|---" + "|---:" * (len(headings) - 1) + "|")
    for run in runs:
        print("\n".join(rows(Path(run), measured(Path(results)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
