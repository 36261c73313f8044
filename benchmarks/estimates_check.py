"""Estimates against published latencies of models whose shapes are public: is the range honest?

python benchmarks/estimates_check.py            prints a Markdown table

Nothing is run: the operators are written down from the shapes of the models, and the estimate is the one of
``edgekd bench --estimate`` without a tokenizer. Most numbers were published for other runtimes than ONNX Runtime, and
threads are not always stated (marked "?"), so this checks the order of magnitude: a half to twice. ncnn multiplies
less in 3 x 3 convolutions than is counted here (Winograd), which makes it up to twice as fast in fp32 and fp16.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import cache

from edgekd.bench.cost import OperatorCost
from edgekd.devices import DeviceProfile, load_profiles
from edgekd.estimate.analytic import estimate_cpu, estimate_gpu
from edgekd.measurements import Estimate
from edgekd.units import rough_duration

NCNN = "ncnn benchmark README, commit a4d2ea1"
ARM = "Arm's model cards on Hugging Face, ExecuTorch with XNNPACK"
MLPERF = "MLPerf Inference, SingleStream mean, TensorRT int8"
BYTES = {"fp32": 4, "fp16": 2, "int8": 1}
NO_TOKENS = 0  # they only label an estimate


@dataclass(frozen=True)
class Model:
    """Public facts of a model: multiply-adds and weights in all, and into how many operators they fall."""

    name: str
    macs: float
    weights: float
    products: int  # convolutions or matrix products
    others: int  # what is left of normalisations, activations and sums after fusion
    activations: float  # values that are written, of all operators


def transformer(name: str, layers: int, width: int, inner: int, tokens: int, table: float = 0.0) -> Model:
    """Return an encoder: a layer has 4 square products, 2 of the feed-forward net, and attention."""
    weights = layers * (4 * width * width + 2 * width * inner)
    macs = weights * tokens + layers * 2 * tokens * tokens * width
    values = layers * tokens * (9 * width + 2 * inner)
    return Model(name, macs, weights + table, layers * 8, layers * 5, values)


RESNET18 = Model("ResNet-18", 1.82e9, 11.7e6, 21, 10, 2.5e6)
RESNET50 = Model("ResNet-50", 4.1e9, 25.6e6, 54, 18, 11e6)
MOBILENET2 = Model("MobileNetV2", 0.30e9, 3.5e6, 53, 11, 6.7e6)
GOOGLENET = Model("GoogLeNet", 1.5e9, 6.6e6, 58, 25, 3.2e6)
INCEPTION3 = Model("Inception-v3", 5.7e9, 23.8e6, 95, 30, 9e6)
MOBILEBERT = Model("MobileBERT, 128 tokens", 2.85e9, 25.3e6, 24 * 17, 24 * 12, 24 * 128 * 9000)
DEIT_TINY = transformer("DeiT-Tiny, 197 tokens", 12, 192, 768, 197)
BERT_LARGE = transformer("BERT-large, 384 tokens", 24, 1024, 4096, 384)


@dataclass(frozen=True)
class Published:
    """A latency that somebody measured."""

    model: Model
    arithmetic: str
    target: str
    milliseconds: float
    source: str
    threads: int = 1
    stated: bool = True  # the threads are
    clock_hz: float | None = None  # of another board with this core
    gpu: bool = False


PUBLISHED = [
    *(
        Published(model, arithmetic, target, milliseconds, NCNN)
        for target, fp, times in (
            ("zero2w", "fp32", (654, 479, 1801, 1312)),
            ("pi3", "fp32", (379, 312, 978, 891)),
            ("pi4", "fp32", (191, 158, 533, 424)),
            ("pi5", "fp16", (29.5, 36.3, 89, 80)),
            ("jetson-orin-nano", "fp16", (48.5, 50.8, 138, 113)),
            ("jetson-agx-orin", "fp16", (30.9, 55.4, 89.5, 107)),
        )
        for (model, arithmetic), milliseconds in zip(
            ((RESNET18, fp), (RESNET18, "int8"), (RESNET50, fp), (RESNET50, "int8")), times, strict=True
        )
    ),
    Published(RESNET18, "fp32", "jetson-nano", 221, NCNN),
    Published(RESNET50, "fp32", "jetson-nano", 624, NCNN),
    Published(RESNET50, "int8", "jetson-nano", 517, NCNN),
    Published(RESNET18, "int8", "pi5", 8.75, ARM, threads=4, stated=False),
    Published(RESNET50, "int8", "pi5", 20.64, ARM, threads=4, stated=False),
    Published(DEIT_TINY, "int8", "pi5", 26.4, ARM, threads=4, stated=False),
    Published(GOOGLENET, "fp32", "pi5", 90.8, ARM, threads=1, stated=False),
    Published(GOOGLENET, "int8", "pi5", 25.3, ARM, threads=1, stated=False),
    Published(MOBILENET2, "fp32", "pi5", 10.9, "learn.arm.com, ExecuTorch on Arm", threads=4, stated=False),
    Published(MOBILENET2, "int8", "pi5", 3.98, "learn.arm.com, ExecuTorch on Arm", threads=4, stated=False),
    Published(INCEPTION3, "int8", "pi5", 113.1, "Arm's model card, ONNX Runtime"),
    Published(MOBILEBERT, "fp32", "pi5", 62.0, "arXiv 2004.02984, a Pixel 4", threads=4, stated=False, clock_hz=2.84e9),
    Published(BERT_LARGE, "int8", "jetson-agx-orin", 4.42, f"{MLPERF}, v3.1", gpu=True),
    Published(BERT_LARGE, "int8", "jetson-xavier-nx", 35.77, f"{MLPERF}, v1.1", gpu=True),
]


def operators_of(model: Model, arithmetic: str) -> list[OperatorCost]:
    """Return operators among which the work of a model is spread evenly."""
    size = BYTES[arithmetic]
    count = model.products + model.others
    activations = round(model.activations * size / count)
    product = OperatorCost(
        name="product",
        op_type="Conv",
        macs=round(model.macs / model.products),
        weight_bytes=round(model.weights * size / model.products),
        activation_bytes=activations,
        written_bytes=activations,
        arithmetic=arithmetic,  # type: ignore[arg-type]
        seconds=0.0,
    )
    other = replace(product, op_type="Add", macs=0, weight_bytes=0)
    return [product] * model.products + [other] * model.others


@cache
def profiles() -> dict[str, DeviceProfile]:
    """Return the shipped profiles by name and alias."""
    return {name: profile for profile in load_profiles().values() for name in (profile.name, *profile.aliases)}


def estimate_of(row: Published) -> Estimate:
    """Return what edgekd would have said."""
    profile = profiles()[row.target]
    if row.clock_hz is not None:
        profile = profile.model_copy(update={"cpu": profile.cpu.model_copy(update={"clock_hz": row.clock_hz})})
    operators = operators_of(row.model, row.arithmetic)
    if row.gpu:
        found = estimate_gpu(profile, operators, tokens=NO_TOKENS, tokenizing=None)
        assert found is not None, f"{row.target} has no GPU"
        return found
    return estimate_cpu(profile, operators, tokens=NO_TOKENS, threads=row.threads, tokenizing=None)


def main() -> None:
    """Print every comparison, and how many lie within the range."""
    lines = ["| model | arithmetic | on | threads | published | estimate | published / estimate | within | source |"]
    lines.append("|---|---|---|---:|---:|---:|---:|---|---|")
    inside = 0
    for row in PUBLISHED:
        estimate = estimate_of(row)
        published_s = row.milliseconds / 1e3
        within = estimate.low_s <= published_s <= estimate.high_s
        inside += within
        where = f"{estimate.target}{', GPU' if row.gpu else ''}{', at 2.84 GHz' if row.clock_hz else ''}"
        threads = "" if row.gpu else f"{row.threads}{'' if row.stated else '?'}"
        ratio = published_s / estimate.latency_s
        lines.append(
            f"| {row.model.name} | {row.arithmetic} | {where} | {threads} | {row.milliseconds:g} ms | "
            f"{rough_duration(estimate.latency_s)} | {ratio:.2f} | {'yes' if within else '**no**'} | {row.source} |"
        )
    lines.append(f"\n{inside} of {len(PUBLISHED)} published latencies lie within the range of their estimate.")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
