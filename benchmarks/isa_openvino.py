"""What OpenVINO makes of a bundle with all instructions of this processor, and with AVX2 alone.

    python benchmarks/isa_openvino.py BUNDLE... --data FILE [--timed 200] [--passes 3]

oneDNN, which OpenVINO computes with on a CPU, uses at most the instructions that ``ONEDNN_MAX_CPU_ISA`` names when the
process starts. Without VNNI, products of uint8 and int8 are added in 16 bits, where they saturate; this shows on real
hardware what that costs in labels and in time. Every bundle has a process for each set of instructions, and all of them
take turns on blocks of the same texts. ONNX Runtime ignores the variable: its bundles show how equal equal things are.
Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import numpy as np

from edgekd.analysis.scores import score
from edgekd.bench.affinity import choose_cpus
from edgekd.bench.child import Child
from edgekd.bench.variants import variant_from_bundle
from edgekd.bundle import Bundle, load_bundle
from edgekd.data.prepare import read_evaluation

VARIABLE = "ONEDNN_MAX_CPU_ISA"
BLOCK = 20
LIMIT_S = 600.0
SETS = {"all": "ALL", "AVX2": "AVX2"}


def kernels(graph: Path, tokens: int) -> dict[str, int]:
    """Return how often each kernel multiplies matrices when a text of ``tokens`` tokens is answered."""
    import openvino

    options = {"PERF_COUNT": True, "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    for more in ({}, {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}):  # the second as in edgekd.runtime.openvino_session
        compiled = openvino.Core().compile_model(str(graph), "CPU", {**options, **more})
        request = compiled.create_infer_request()
        feed = {port.get_any_name(): np.ones((1, tokens), np.int64) for port in compiled.inputs}
        if request.infer(feed)[0].size:
            break
    wanted = ("FullyConnected", "MatMul", "Convolution", "LSTMSequence")
    done = (info for info in request.profiling_info if info.status.name == "EXECUTED")
    return dict(Counter(info.exec_type for info in done if info.node_type.startswith(wanted)))


def kernels_with(graph: Path, isa: str) -> str:
    """Return the kernels under a set of instructions, found in a process of its own."""
    command = [sys.executable, __file__, "--kernels", str(graph)]
    done = subprocess.run(command, env={**os.environ, VARIABLE: isa}, capture_output=True, text=True, check=True)
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return ", ".join(f"{count} {name}" for name, count in sorted(found.items(), key=lambda item: -item[1]))


class Runner:
    """A bundle in a process with one set of instructions."""

    def __init__(self, stack: ExitStack, bundle: Bundle, isa: str, texts: list[str]) -> None:
        manifest = bundle.manifest
        variable = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = SETS[isa]  # a child takes the environment of its parent
        self.child = stack.enter_context(Child(f"{manifest.name} {isa}", 1))
        if variable is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = variable
        self.bundle, self.isa, self.times_s = bundle, isa, list[float]()
        spec = variant_from_bundle(bundle.folder.resolve()).worker_spec()
        self.ask(do="load", variant=spec, threads=1, affinity=choose_cpus(1))
        self.ask(do="warm_up", texts=texts, calls=20)

    def ask(self, **request: Any) -> dict[str, Any]:
        """Have the process carry out a request."""
        return self.child.ask(request, LIMIT_S)


def measure(bundles: list[Bundle], texts: list[str], timed: int, passes: int) -> list[tuple[Runner, np.ndarray]]:
    """Time all bundles under all instructions in turns; return them with the logits of every text."""
    rng = Random(0)
    with ExitStack() as stack:
        runners = [Runner(stack, bundle, isa, texts) for bundle in bundles for isa in SETS]
        chosen = rng.sample(range(len(texts)), min(timed, len(texts)))
        for runner in runners:
            runner.ask(do="texts", indexes=chosen, texts=[texts[i] for i in chosen])
        for block in range(passes * len(chosen) // BLOCK):
            start = block * BLOCK % len(chosen)
            for runner in rng.sample(runners, len(runners)):
                reply = runner.ask(do="block", indexes=chosen[start : start + BLOCK], block=block)
                runner.times_s += reply["total_s"]
        return [
            (runner, np.array(runner.ask(do="evaluate", texts=texts, batch_size=1)["logits"])) for runner in runners
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", type=Path, nargs="*")
    parser.add_argument("--data", help="labelled texts")
    parser.add_argument("--timed", type=int, default=200, help="texts whose latency is measured")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--kernels", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.kernels:
        print(json.dumps(kernels(args.kernels, 24)))
        return
    bundles = [load_bundle(folder) for folder in args.bundles]
    task = bundles[0].manifest.as_task
    texts = read_evaluation(args.data, task)
    rows = measure(bundles, texts.texts, args.timed, args.passes)
    metric = task.main_metric
    print(f"| bundle | instructions | {metric} | labels that differ from all instructions | p50 | to all | kernels |")
    print("|---|---|---|---|---|---|---|")
    base: dict[str, tuple[np.ndarray, float]] = {}
    for runner, logits in rows:
        manifest = runner.bundle.manifest
        p50 = median(runner.times_s)
        reference, reference_p50 = base.setdefault(manifest.name, (logits, p50))
        flips = int((logits.argmax(1) != reference.argmax(1)).sum())
        value = score(task, texts.targets, logits, manifest.calibration)[metric]
        is_ir = manifest.runtime == "openvino"
        used = kernels_with(runner.bundle.model_path, SETS[runner.isa]) if is_ir else "those of ONNX Runtime"
        print(
            f"| {manifest.name} | {runner.isa} | {value:.4f} | {flips} of {len(texts)} | {1e3 * p50:.3g} ms | "
            f"{p50 / reference_p50:.2f}x | {used} |"
        )


if __name__ == "__main__":
    main()
