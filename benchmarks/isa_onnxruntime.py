"""What ONNX Runtime makes of int8 graphs on this processor, and on one that has AVX2 but no VNNI.

    python benchmarks/isa_onnxruntime.py BUNDLE-fp32... --data FILE [--texts 200] [--qemu PATH]

Without VNNI, products of uint8 and int8 are added in pairs in 16 bits, where they saturate. ONNX Runtime has no switch
for its instructions, so a Haswell is emulated by QEMU (7.2 or later, user mode). That shows what is computed, never how
long it takes. Each fp32 graph is quantized in all flavours, and all graphs answer the same texts natively and emulated,
in processes that differ in nothing else. Before that, a sum that is known must saturate in the emulator, and the fp32
row is a control: it must be the same on both. Static int8 is calibrated with texts of the file that are not answered.
Prints a Markdown table for each bundle.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekd.analysis.scores import score
from edgekd.bench.machine import describe_machine
from edgekd.bundle import Bundle, load_bundle
from edgekd.compress.calibration import choose_calibration
from edgekd.compress.int8 import dynamic_int8
from edgekd.compress.static_int8 import static_int8
from edgekd.data.evaluation import read_evaluation
from edgekd.devices import Int8
from edgekd.errors import EXIT_INVALID, EdgekdError, NotApplicable
from edgekd.export.parity import compare_logits, spread_over_lengths
from edgekd.processor import VNNI_FLAGS
from edgekd.runtime.tokenization import open_encoder, pad_id
from edgekd.steps import StaticInt8Step

ANSWERS = Path(__file__).with_name("isa_answers.py")
EMULATORS = ("qemu-x86_64-static", "qemu-x86_64")
TERMS = 16
EXACT = TERMS * 255 * 127
SATURATED = TERMS // 2 * 32767  # 2 * 255 * 127 = 64770 is more than 16 bits hold; 2 * 255 * 64 = 32640 is not
CONTROL = 1e-4  # fp32 logits may differ by so much: other kernels add in another order
# Matrices whose 8-bit weights could saturate are multiplied as uint8 by uint8 where there is no VNNI
# (onnxruntime_session_options_config_keys.h, kOrtSessionOptionsAvx2PrecisionMode).
PRECISE = "session.x64quantprecision=1"
INSTALL = """Install QEMU 7.2 or later: apt-get install qemu-user-static
Without root: apt-get download qemu-user-static && dpkg -x qemu-user-static_*.deb qemu
              and give --qemu qemu/usr/bin/qemu-x86_64-static"""


@dataclass(frozen=True)
class Flavour:
    """One way to make and to run an int8 graph."""

    static: bool
    per_channel: bool
    reduce_range: bool = False
    precise: bool = False

    @property
    def name(self) -> str:
        """How the table calls it."""
        kind = "static U8S8 (QDQ)" if self.static else "dynamic U8S8"
        parts = [kind, "per channel" if self.per_channel else "per tensor"]
        parts += ["`reduce_range`"] * self.reduce_range + ["`session.x64quantprecision`"] * self.precise
        return ", ".join(parts)


FLAVOURS = [
    Flavour(static=False, per_channel=False),
    Flavour(static=False, per_channel=True),
    Flavour(static=False, per_channel=False, reduce_range=True),
    Flavour(static=False, per_channel=True, reduce_range=True),
    Flavour(static=False, per_channel=False, precise=True),
    Flavour(static=False, per_channel=True, precise=True),
    Flavour(static=True, per_channel=True),
    Flavour(static=True, per_channel=True, reduce_range=True),
    Flavour(static=True, per_channel=True, precise=True),
]


class Unusable(EdgekdError):
    """There is no emulator that shows what is asked."""

    exit_code = EXIT_INVALID


def find_emulator(given: str | None, cpu: str) -> list[str]:
    """Return the command that emulates a processor, up to the program that is to run."""
    if platform.machine() != "x86_64":
        raise Unusable(f"This machine is {platform.machine()}; the other flavour of x86 is emulated on x86-64.")
    path = next(filter(None, map(shutil.which, [given] if given else EMULATORS)), None)
    if path is None:
        raise Unusable(f"There is no program '{given or ' or '.join(EMULATORS)}'.", hint=INSTALL)
    return [path, "-cpu", cpu]


def answer(
    rows: list[list[int]], graph: Path, emulator: list[str], *, precise: bool = False
) -> tuple[np.ndarray, set[str]]:
    """Return the logits of a graph, and the instructions of the processor that computed them."""
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "rows.npz", Path(folder) / "out.npz"
        np.savez(
            given,
            ids=np.concatenate([np.array(row, np.int64) for row in rows]),
            lengths=np.array([len(row) for row in rows]),
        )
        command = [*emulator, sys.executable, str(ANSWERS), str(given), str(out), str(graph)]
        command += ["--option", PRECISE] if precise else []
        env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unusable(f"'{' '.join(command)}' ended with {done.returncode}:\n{done.stderr[-2000:]}", hint=INSTALL)
        found = np.load(out)
        return found["logits"], set(found["instructions"].tolist())


def write_sum(path: Path) -> None:
    """Write a graph that multiplies a row of 16 values, as uint8, with a matrix of 127, as int8."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["row"], to=TensorProto.UINT8),
        helper.make_node("MatMulInteger", ["row", "matrix"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["logits"], to=TensorProto.FLOAT),
    ]
    entry = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, TERMS])
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, TERMS])
    matrix = numpy_helper.from_array(np.full((TERMS, TERMS), 127, np.int8), "matrix")
    graph = helper.make_graph(nodes, "sum", [entry], [output], [matrix])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(path))


def check_emulator(emulator: list[str]) -> tuple[int, int]:
    """Return what 16 products of 255 and 127 add up to natively and emulated.

    Raises:
        Unusable: when the emulated processor has no AVX2 or has AVX-512, or the sum does not saturate there.
    """
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "sum.onnx"
        write_sum(graph)
        here, _ = answer([[255] * TERMS], graph, [])
        there, seen = answer([[255] * TERMS], graph, emulator)
    if not {"AVX2", "FMA3"} <= seen or any(name.startswith("AVX512") for name in seen):
        shown = ", ".join(sorted(seen))
        raise Unusable(f"'{' '.join(emulator)}' is no processor with AVX2 and without AVX-512: {shown}.", hint=INSTALL)
    if not (there == SATURATED).all():
        raise Unusable(f"{TERMS} products of 255 and 127 add up to {there[0, 0]:.0f} there, not to {SATURATED}.")
    return int(here[0, 0]), int(there[0, 0])


class Comparison:
    """One bundle and the texts that it answers.

    Args:
        bundle: with an fp32 graph.
        data: labelled texts.
        texts: that are answered, of all lengths; others of the file calibrate static int8.
        emulator: from :func:`find_emulator`.
    """

    def __init__(self, bundle: Bundle, data: str, texts: int, emulator: list[str]) -> None:
        manifest = bundle.manifest
        self.bundle, self.emulator, self.task = bundle, emulator, manifest.as_task
        examples = read_evaluation(data, self.task)
        encoder = open_encoder(bundle.tokenizer_path, manifest.max_length, cached=False)
        rows = [encoder.ids(text) for text in examples.texts]
        chosen = spread_over_lengths([len(row) for row in rows], texts)
        self.rows, self.targets = [rows[i] for i in chosen], [examples.targets[i] for i in chosen]
        rest = sorted({*range(len(rows))} - {*chosen})
        lengths, targets = [len(rows[i]) for i in rest], [examples.targets[i] for i in rest]
        self.calibration = [rows[rest[i]] for i in choose_calibration(lengths, targets, self.task, 128)]

    def quantize(self, flavour: Flavour, target: Path) -> None:
        """Write the graph of a flavour."""
        int8 = Int8(
            activation="uint8",
            weight="int8",
            per_channel=flavour.per_channel,
            reduce_range=flavour.reduce_range,
            reason="compared",
        )
        source = self.bundle.model_path
        if not flavour.static:
            dynamic_int8(source, target, int8)
            return
        pad = pad_id(self.bundle.tokenizer_path)
        static_int8(source, target, int8, step=StaticInt8Step(), rows=self.calibration, pad_token_id=pad)

    def line(self, name: str, graph: Path, *, precise: bool = False) -> tuple[str, float]:
        """Return the line of the table of a graph, and the largest difference of its logits."""
        began = time.monotonic()
        here, _ = answer(self.rows, graph, [], precise=precise)
        there, _ = answer(self.rows, graph, self.emulator, precise=precise)
        print(f"{self.bundle.manifest.name}, {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        parity = compare_logits(here, there, task=self.task)
        cells = [name, f"{graph.stat().st_size:,}", self.quality(here), self.quality(there)]
        cells += [str(parity.label_flips), f"{parity.max_abs_diff:.2g}", f"{parity.mean_abs_diff:.2g}"]
        return "| " + " | ".join(cells) + " |", parity.max_abs_diff

    def quality(self, logits: np.ndarray) -> str:
        """Return the main score."""
        found = score(self.task, self.targets, logits, self.bundle.manifest.calibration)
        return f"{found[self.task.main_metric]:.4f}"

    def print_table(self, native: str, emulated: str) -> bool:
        """Print the table line by line; return whether fp32 is the same on both processors."""
        lengths = [len(row) for row in self.rows]
        metric = self.task.main_metric
        print(f"\n**{self.bundle.manifest.name}**, {len(lengths)} texts of {min(lengths)} to {max(lengths)} tokens\n")
        print(
            f"| flavour | bytes | {metric}, {native} | {metric}, {emulated} | labels that differ | "
            "largest difference of a logit | mean |"
        )
        print("|---|---:|---:|---:|---:|---:|---:|")
        line, difference = self.line("fp32 (control)", self.bundle.model_path)
        print(line, flush=True)
        if difference > CONTROL:
            return False
        with tempfile.TemporaryDirectory() as folder:
            for flavour in FLAVOURS:
                graph = Path(folder) / "model.onnx"
                try:
                    self.quantize(flavour, graph)
                except NotApplicable as error:
                    print(f"| {flavour.name} | not applicable: {error.message} |" + " |" * 5, flush=True)
                    continue
                print(self.line(flavour.name, graph, precise=flavour.precise)[0], flush=True)
        return True


def run(args: argparse.Namespace) -> bool:
    """Print a table for each bundle; return whether all controls held."""
    emulator = find_emulator(args.qemu, args.cpu)
    sums = check_emulator(emulator)
    bundles = [load_bundle(folder) for folder in args.bundles]
    comparisons = [Comparison(bundle, args.data, args.texts, emulator) for bundle in bundles]
    if not all(comparison.calibration for comparison in comparisons):
        raise Unusable(f"--texts {args.texts} leaves no text of '{args.data}' to calibrate static int8 with.")
    machine = describe_machine()
    vnni = [flag for flag in machine.isa if flag in VNNI_FLAGS]
    print(f"{machine.cpu_model}: {', '.join(machine.isa)}; VNNI: {', '.join(vnni) or 'no'}.", end=" ")
    print(f"ONNX Runtime {machine.libraries['onnxruntime']}. Evidence of the columns 'AVX2': emulated ({args.cpu}).")
    print(f"{TERMS} products of 255 and 127 are {EXACT:,}; native {sums[0]:,}, emulated {sums[1]:,}.")
    native = "VNNI (native)" if vnni else "no VNNI (native)"
    return all(comparison.print_table(native, "AVX2 (emulated)") for comparison in comparisons)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE")
    parser.add_argument("--data", required=True, help="labelled texts")
    parser.add_argument("--texts", type=int, default=200, help="texts that are answered")
    parser.add_argument("--qemu", help="qemu-x86_64 or qemu-x86_64-static; searched if not given")
    parser.add_argument("--cpu", default="Haswell-noTSX", help="processor that QEMU emulates")
    args = parser.parse_args()
    try:
        same = run(args)
    except EdgekdError as error:
        print("\n".join(filter(None, [error.message, error.hint])), file=sys.stderr)
        sys.exit(error.exit_code)
    if not same:
        print(f"fp32 differs by more than {CONTROL:g}, so the emulation cannot be trusted.", file=sys.stderr)
        sys.exit(EXIT_INVALID)


if __name__ == "__main__":
    main()
