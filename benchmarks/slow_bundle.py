"""Make copies of a bundle that give the same answers: one that takes longer, or one that only looks different.

    python benchmarks/slow_bundle.py BUNDLE OUT --factor 1.10 --data FILE

Slower: two small matrix products are put behind the logits, and the second one multiplies with zeros and adds the
logits. A runtime must not fold ``x * 0`` (x could be NaN), so the work stays; its amount follows the width of the
matrices, which is found by measuring original and copy in turns, in several fresh processes, text in to label out.

Only different: constants that nothing uses and other names of nodes. The file, its size and where things lie in memory
change; what is executed does not. For checks of the gate.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgekd.analysis.paired import Interval, Rounds, median_change
from edgekd.artifacts import publish_folder
from edgekd.bench.affinity import choose_cpus
from edgekd.bundle import MANIFEST_FILE, MODEL_FILE, Bundle, load_bundle, write_manifest
from edgekd.data.evaluation import read_evaluation
from edgekd.gate.evidence import rounds_of
from edgekd.gate.lab import Lab
from edgekd.runtime import OnnxSession

PREFIX = "edgekd_ballast"
FIRST_WIDTHS = (64, 4096)
ADJUSTMENTS = 5
NARROWEST = 1


def add_work(model: onnx.ModelProto, labels: int, width: int) -> None:
    """Add two products, with matrices of ``labels x width`` and ``width x labels``, behind the first output."""
    graph = model.graph
    output = graph.output[0].name
    clean = f"{PREFIX}_clean"
    for node in graph.node:
        for names in (node.input, node.output):
            for position, name in enumerate(names):
                if name == output:
                    names[position] = clean
    rng = np.random.default_rng(0)
    up = rng.normal(0, 1, (labels, width)).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(up, f"{PREFIX}_up"))
    graph.initializer.append(numpy_helper.from_array(np.zeros((width, labels), np.float32), f"{PREFIX}_zeros"))
    graph.node.append(helper.make_node("MatMul", [clean, f"{PREFIX}_up"], [f"{PREFIX}_wide"]))
    graph.node.append(helper.make_node("Gemm", [f"{PREFIX}_wide", f"{PREFIX}_zeros", clean], [output]))


def add_dead_weight(model: onnx.ModelProto, seed: int) -> None:
    """Rename the nodes and add constants of random sizes that no node reads."""
    rng = np.random.default_rng(seed)
    for number, node in enumerate(model.graph.node):
        node.name = f"{PREFIX}_{'x' * int(rng.integers(1, 60))}_{number}"
    for number in range(int(rng.integers(1, 8))):
        unused = np.zeros(int(rng.integers(1, 20_000)), np.float32)
        model.graph.initializer.append(numpy_helper.from_array(unused, f"{PREFIX}_unused_{number}"))


def _publish(bundle: Bundle, out: Path, model: onnx.ModelProto, suffix: str) -> Bundle:
    with publish_folder(out) as building:
        shutil.copytree(bundle.folder, building, dirs_exist_ok=True)
        (building / MANIFEST_FILE).unlink()
        onnx.save(model, str(building / MODEL_FILE))
        write_manifest(building, bundle.manifest.model_copy(update={"name": f"{bundle.manifest.name}-{suffix}"}))
    return load_bundle(out)


def write_slower(bundle: Bundle, out: Path, width: int) -> Bundle:
    """Write a copy with more work."""
    model = onnx.load(str(bundle.model_path))
    add_work(model, len(bundle.manifest.labels), width)
    return _publish(bundle, out, model, "slow")


def write_different(bundle: Bundle, out: Path, seed: int) -> Bundle:
    """Write a copy that does the same."""
    model = onnx.load(str(bundle.model_path))
    add_dead_weight(model, seed)
    return _publish(bundle, out, model, f"copy{seed}")


def measure_rounds(baseline: Bundle, candidate: Bundle, texts: list[str], seconds: float, seed: int = 0) -> Rounds:
    """Measure both in turns in fresh processes as the gate does, for so long."""
    lab = Lab(threads=1, affinity=choose_cpus(1), texts=texts, warm_up=[], seed=seed)
    pair = [baseline, candidate]
    samples = lab.rounds(pair, lambda _: False, lambda _: None, min_calls=200, max_seconds=seconds)
    rounds = rounds_of(samples)
    assert rounds is not None
    return rounds


def slowdown(baseline: Bundle, candidate: Bundle, texts: list[str], seconds: float, seed: int = 0) -> Interval:
    """Return the relative change of the median latency."""
    return median_change(measure_rounds(baseline, candidate, texts, seconds, seed))


def write_slower_by(bundle: Bundle, out: Path, wanted: float, texts: list[str], seconds: float) -> Bundle:
    """Write a copy that takes ``wanted`` (a share) longer, within a twentieth of it or as near as five trials come.

    Raises:
        SystemExit: when even the smallest ballast is too much for such a fast model.
    """
    found = {}
    width = FIRST_WIDTHS[0]
    for trial in range(len(FIRST_WIDTHS) + ADJUSTMENTS):
        if trial < len(FIRST_WIDTHS):
            width = FIRST_WIDTHS[trial]
        copy = write_slower(bundle, out, width)
        found[width] = slowdown(bundle, copy, texts, seconds, seed=trial).value
        print(f"  width {width}: {100 * found[width]:+.2f} % at p50", flush=True)
        if abs(found[width] - wanted) < 0.05 * wanted:
            return copy
        if trial + 1 >= len(FIRST_WIDTHS):
            # Time is a straight line in the width; the line through all trials is steadier than the last two.
            slope, start = np.polyfit(list(found), list(found.values()), 1)
            if start >= wanted:
                raise SystemExit(f"The smallest ballast takes {100 * start:.1f} % already; take a larger model.")
            width = max(NARROWEST, round((wanted - start) / max(slope, 1e-9)))
            while width in found:
                width += 1
    nearest = min(found, key=lambda width: abs(found[width] - wanted))
    return write_slower(bundle, out, nearest)


def main() -> None:
    """Build, measure, adjust; then check that the answers are equal."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--factor", type=float, default=1.10)
    parser.add_argument("--data", required=True)
    parser.add_argument("--seconds", type=float, default=6.0, help="measuring time of each adjustment")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    texts = read_evaluation(options.data, bundle.manifest.as_task).texts
    copy = write_slower_by(bundle, options.out, options.factor - 1, texts, options.seconds)
    first, second = OnnxSession(bundle, threads=1), OnnxSession(copy, threads=1)
    first.load()
    second.load()
    worst = max(float(np.abs(first.run([text]) - second.run([text])).max()) for text in texts[:500])
    print(f"largest difference of a logit on {min(500, len(texts))} texts: {worst:g}")


if __name__ == "__main__":
    main()
