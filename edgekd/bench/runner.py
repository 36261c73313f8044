"""Measure variants interleaved: processes of their own, one at work at a time, all on the same blocks of texts."""

from __future__ import annotations

from contextlib import nullcontext
from time import monotonic
from typing import TYPE_CHECKING

from edgekd.artifacts import folder_lock
from edgekd.bench.collect import Measured, make_results
from edgekd.bench.interleaved import Interleaved
from edgekd.bench.limits import join
from edgekd.bench.place import HERE
from edgekd.bench.plan import make_plan
from edgekd.bench.variants import Variant, in_order, label_order, unique_names
from edgekd.errors import ConfigError, DataError, InvalidArtifact
from edgekd.progress import Progress, Silent
from edgekd.results import RESULT_SUFFIX, BenchResult, save_result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgekd.bench.limits import MemoryLimit
    from edgekd.bench.phase import Phase
    from edgekd.bench.place import Place
    from edgekd.config import BenchConfig
    from edgekd.data.types import Examples
    from edgekd.devices import DeviceProfile


def run_bench(
    variants: Sequence[Variant],
    *,
    profile: DeviceProfile,
    config: BenchConfig,
    texts: Examples,
    warm_up_texts: Sequence[str],
    data_name: str,
    out: Path | None,
    progress: Progress | None = None,
    clock: Callable[[], float] = monotonic,
    place: Place = HERE,
    phases: Sequence[Phase] = (),
    memory_limit: MemoryLimit | None = None,
) -> list[BenchResult]:
    """Measure latency, memory, load time and quality of all variants in one session.

    Args:
        variants: names are made unique. ``texts.targets`` are indexes into the labels of the first one.
        profile: gives the threads; what is measured is this machine all the same.
        config: how long and how finely.
        texts: all of them are labelled; ``config.max_texts`` of them are timed.
        warm_up_texts: other texts of the same kind; when empty, a part of ``texts`` is held out for it.
        data_name: stored with the results.
        out: result files go there as ``VARIANT.result.json``; None writes none.
        progress: told where the work stands.
        clock: seconds; limits the session to ``config.max_seconds`` of timing.
        place: where the measuring processes run; where durations mean nothing, nothing is timed.
        phases: what is measured besides, in this order.
        memory_limit: that each variant may have until its latency is measured; None: as much as there is.

    Raises:
        ConfigError: when there is nothing to measure, or task or labels differ between variants.
        InvalidArtifact: when a variant gives no finite logit for each label.
        DataError: when there are no texts.
        WorkerFailed: when a measuring process fails; the message names its variant.
        DoesNotFit: when a variant exceeds the memory limit. The others are measured and saved, as its ``results``.
        Busy: when another process measures into ``out``.
    """
    if not variants:
        raise ConfigError("There is nothing to measure.", hint="Give bundles, or --teacher FOLDER.")
    if len(texts) == 0:
        raise DataError("There are no texts to measure with.")
    measured = [Measured(variant) for variant in unique_names(variants)]
    task = measured[0].variant.task
    orders = {m.variant.name: label_order(m.variant, task) for m in measured}
    session = Interleaved(
        measured,
        profile=profile,
        config=config,
        plan=make_plan(texts.texts, warm_up_texts, config),
        progress=progress or Silent(),
        clock=clock,
        place=place,
        phases=phases,
        limit=memory_limit,
    )
    results: list[BenchResult] = []
    with folder_lock(out) if out is not None else nullcontext():
        session.run(texts.texts)
        fitting = session.fitting
        for m in fitting:
            order = orders[m.variant.name]
            m.logits = [_reordered(row, order, m.variant.name) for row in m.logits]
            m.calibration = in_order(m.variant.calibration, order)
        if fitting:
            results = make_results(fitting, session.conditions, task, texts, data_name)
        if out is not None:
            for result in results:
                save_result(result, out / f"{result.variant}{RESULT_SUFFIX}")
    misfits = [m.misfit for m in measured if m.misfit is not None]
    if misfits:
        raise join(misfits, results)
    return results


def _reordered(row: list[float], order: Sequence[int], name: str) -> list[float]:
    """Return logits in the order of the first variant's labels.

    Raises:
        InvalidArtifact: when there are more or fewer logits than labels.
    """
    if len(row) != len(order):
        raise InvalidArtifact(f"'{name}' gives {len(row)} logits a text, and its labels are {len(order)}.")
    placed = dict(zip(order, row, strict=True))
    return [placed[place] for place in range(len(order))]
