"""The analytic estimate: a roofline of the network, and the tokenizer as measured here, scaled to the board."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.bench.cost import VIEWS
from edgekd.estimate.processor import processor_of
from edgekd.estimate.roofline import network_time
from edgekd.measurements import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.cost import OperatorCost
    from edgekd.devices import DeviceProfile
    from edgekd.estimate.roofline import Parts

BAND = 2.0  # the truth is expected between a half and twice the estimate
GPU_BAND = 3.0  # nothing of it was ever checked on a board
GPU_EFFICIENCY = 0.3  # of a GPU's dense peak that one text at a time reaches


@dataclass(frozen=True)
class Tokenizing:
    """What the tokenizer takes where the text was measured.

    Attributes:
        seconds: of the text.
        instructions: of ordinary code that this machine executes in a second, see ``processor.py``.
    """

    seconds: float
    instructions: float


def estimate_cpu(
    profile: DeviceProfile,
    operators: Sequence[OperatorCost],
    *,
    tokens: int,
    threads: int,
    tokenizing: Tokenizing | None,
) -> Estimate:
    """Estimate the latency of a text on the processor of a board.

    Args:
        profile: of the board.
        operators: of one inference of the text.
        tokens: of the text.
        threads: inside an operator.
        tokenizing: None leaves the tokenizer out, and the basis says so.

    Raises:
        ConfigError: when the profile lacks a fact that is needed.
    """
    processor = processor_of(profile, threads)
    parts = network_time(operators, processor)
    slower = tokenizing.instructions / processor.instructions if tokenizing else 0.0
    tokenizer_s = tokenizing.seconds * slower if tokenizing else 0.0
    total = parts.total_s + tokenizer_s
    shares = {"arithmetic": parts.arithmetic_s, "memory": parts.memory_s, "starting operators": parts.dispatch_s}
    words = [f"{name} {units.rough_percent(seconds / total)}" for name, seconds in shares.items()]
    if tokenizing:
        here = f"{units.short_duration(tokenizing.seconds)} here, x {units.tiny(slower)}"
        words.append(f"tokenizer {units.rough_percent(tokenizer_s / total)} ({here})")
    else:
        words.append("no tokenizer: it was not timed")
    return _banded(
        Estimate(
            kind="analytic",
            target=profile.name,
            threads=threads,
            tokens=tokens,
            latency_s=total,
            low_s=total,
            high_s=total,
            basis=f"{_amounts(parts)}; {', '.join(words)}",
            with_tokenizer=tokenizing is not None,
        ),
        BAND,
    )


def estimate_gpu(
    profile: DeviceProfile,
    operators: Sequence[OperatorCost],
    *,
    tokens: int,
    tokenizing: Tokenizing | None,
) -> Estimate | None:
    """Estimate the latency of a text on the GPU of a board: starting kernels, then arithmetic.

    What is fp32 in the graph is computed in half precision there, where the GPU can. A small model is bound by starting
    its kernels. Nothing of this was checked on a board, so the range is wide.

    Returns:
        The estimate; None when the profile has no GPU or says too little about it.
    """
    gpu = profile.accelerator
    if gpu is None or gpu.launch_s is None:
        return None
    half = gpu.fp16_flops_per_s or gpu.fp32_flops_per_s
    if half is None:
        return None
    rates = {"fp32": half, "fp16": half, "int8": gpu.int8_ops_per_s or half}
    kernels = [work for work in operators if work.op_type not in VIEWS]
    launch_s = gpu.launch_s * len(kernels)
    computing_s = sum(2 * work.macs / (GPU_EFFICIENCY * rates[work.arithmetic]) for work in kernels)
    slower = tokenizing.instructions / processor_of(profile).instructions if tokenizing else 0.0
    tokenizer_s = tokenizing.seconds * slower if tokenizing else 0.0
    total = launch_s + computing_s + tokenizer_s
    launching, computing, tokenized = (
        units.rough_percent(part / total) for part in (launch_s, computing_s, tokenizer_s)
    )
    tokenizing_words = f"tokenizer {tokenized}" if tokenizing else "no tokenizer: it was not timed"
    return _banded(
        Estimate(
            kind="analytic",
            target=profile.name,
            processor="gpu",
            tokens=tokens,
            latency_s=total,
            low_s=total,
            high_s=total,
            basis=(
                f"{len(kernels)} kernels of {units.short_duration(gpu.launch_s)} {launching}, arithmetic at "
                f"{units.rough_percent(GPU_EFFICIENCY)} of the peak {computing}, {tokenizing_words}; "
                "never checked on a board"
            ),
            with_tokenizer=tokenizing is not None,
        ),
        GPU_BAND,
    )


def _banded(estimate: Estimate, band: float) -> Estimate:
    low, high = estimate.latency_s / band, estimate.latency_s * band
    return estimate.model_copy(update={"low_s": low, "high_s": high})


def _amounts(parts: Parts) -> str:
    macs, weights = units.count(parts.macs), units.size(parts.weight_bytes)
    return f"{macs} multiply-adds, {weights} of weights, {parts.operators} operators"
