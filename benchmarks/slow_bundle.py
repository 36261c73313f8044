"""Make a copy of a bundle that gives the same answers but takes about FACTOR times as long.

    python benchmarks/slow_bundle.py BUNDLE OUT --factor 1.10 --data FILE

A chain of small matrix products is added whose result is multiplied by zero and added to the logits. A runtime must
not fold ``x * 0`` (x could be NaN), so the work stays; it ends in tanh, so the zero stays too. The length of the chain
is found by measuring original and copy in turns, text in to label out. For checks of the gate.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from random import Random

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekd.analysis.paired import median_change
from edgekd.artifacts import publish_folder
from edgekd.bundle import MANIFEST_FILE, MODEL_FILE, Bundle, load_bundle, write_manifest
from edgekd.data.prepare import read_evaluation
from edgekd.gate.evidence import rounds_of
from edgekd.gate.records import ProcessSamples
from edgekd.gate.rounds import Stop, measure_rounds
from edgekd.runtime import OnnxSession

WIDTH = 64
PREFIX = "edgekd_ballast"


def add_ballast(model: onnx.ModelProto, steps: int) -> None:
    """Add ``steps`` products of a 1 x 64 row with a 64 x 64 matrix in front of the first output."""
    graph = model.graph
    output = graph.output[0].name
    clean = f"{PREFIX}_clean"
    for node in graph.node:
        for position, name in enumerate(node.output):
            if name == output:
                node.output[position] = clean
        for position, name in enumerate(node.input):
            if name == output:
                node.input[position] = clean
    rng = np.random.default_rng(0)
    constants = {
        "row": np.ones((1, WIDTH), np.float32),
        "matrix": (rng.normal(0, 1, (WIDTH, WIDTH)) / np.sqrt(WIDTH)).astype(np.float32),
        "zero": np.zeros((), np.float32),
    }
    graph.initializer.extend(numpy_helper.from_array(value, f"{PREFIX}_{key}") for key, value in constants.items())
    # The chain starts from the logits, so it cannot be computed before a text is known.
    nodes = [
        helper.make_node("ReduceMax", [clean], [f"{PREFIX}_max"], keepdims=0),
        helper.make_node("Mul", [f"{PREFIX}_max", f"{PREFIX}_row"], [f"{PREFIX}_0"]),
    ]
    for step in range(steps):
        inputs = [f"{PREFIX}_{step}", f"{PREFIX}_matrix"]
        nodes.append(helper.make_node("MatMul", inputs, [f"{PREFIX}_product_{step}"]))
        nodes.append(helper.make_node("Tanh", [f"{PREFIX}_product_{step}"], [f"{PREFIX}_{step + 1}"]))
    nodes += [
        helper.make_node("ReduceMax", [f"{PREFIX}_{steps}"], [f"{PREFIX}_end"], keepdims=0),
        helper.make_node("Mul", [f"{PREFIX}_end", f"{PREFIX}_zero"], [f"{PREFIX}_nothing"]),
        helper.make_node("Add", [clean, f"{PREFIX}_nothing"], [output]),
    ]
    graph.node.extend(nodes)
    graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT


def write_copy(bundle: Bundle, out: Path, steps: int) -> Bundle:
    """Write the slower bundle with a valid manifest."""
    with publish_folder(out) as building:
        shutil.copytree(bundle.folder, building, dirs_exist_ok=True)
        (building / MANIFEST_FILE).unlink()
        model = onnx.load(str(bundle.model_path))
        add_ballast(model, steps)
        onnx.save(model, str(building / MODEL_FILE))
        write_manifest(building, bundle.manifest.model_copy(update={"name": f"{bundle.manifest.name}-slow"}))
    return load_bundle(out)


def slowdown(bundle: Bundle, copy: Bundle, texts: list[str], seconds: float) -> float:
    """Return the relative change of the median latency, measured in turns."""
    sessions = [OnnxSession(bundle, threads=1), OnnxSession(copy, threads=1)]
    for session in sessions:
        session.load()
        session.warm_up(texts[:200])
    stop = Stop(seconds=seconds, min_rounds=20, max_rounds=10**6, max_seconds=10 * seconds)
    columns = measure_rounds(sessions, texts, stop, Random(0))
    samples = ProcessSamples(
        text_index=columns.text_index,
        round=columns.round,
        first_side=columns.first_side,
        seconds=columns.seconds,
    )
    rounds = rounds_of([samples])
    assert rounds is not None
    return median_change(rounds).value


def main() -> None:
    """Build, measure, adjust; then check that the answers are equal."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--factor", type=float, default=1.10)
    parser.add_argument("--data", required=True)
    parser.add_argument("--seconds", type=float, default=4.0, help="measuring time of each adjustment")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    texts = read_evaluation(options.data, bundle.manifest.labels).texts
    wanted = options.factor - 1
    steps = 200
    for _ in range(4):
        copy = write_copy(bundle, options.out, steps)
        found = slowdown(bundle, copy, texts, options.seconds)
        print(f"{steps} steps: {100 * found:+.1f} % at p50")
        if abs(found - wanted) < 0.1 * wanted:
            break
        steps = max(1, round(steps * wanted / max(found, 1e-3)))
    first, second = OnnxSession(bundle, threads=1), OnnxSession(copy, threads=1)
    first.load()
    second.load()
    worst = max(float(np.abs(first.run([text]) - second.run([text])).max()) for text in texts[:500])
    print(f"largest difference of a logit on {min(500, len(texts))} texts: {worst:g}")


if __name__ == "__main__":
    main()
