"""The same files answer the same texts on this machine: what do the emulated instructions change?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.bench.answers import STEP
from edgekd.bench.child import Child
from edgekd.bench.evaluate import ALL_DIGITS
from edgekd.bench.machine import describe_machine
from edgekd.emulation.compare import Limits, compare
from edgekd.emulation.record import Outcome
from edgekd.emulation.run import Answers
from edgekd.measurements import AgainstHost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.collect import Measured
    from edgekd.bench.phase import PhaseContext

LIMIT_S = 600.0
LIMIT_PER_TEXT_S = 30.0  # under an emulator; a text of 128 tokens takes MiniLM 7 s
ALL_TEXTS_AT_ONCE = 32


class CompareWithHost:
    """Fills ``against_host`` of every variant."""

    title = "Answers of this machine, to compare with"
    needs_time = False

    def run(self, children: Sequence[Child], measured: Sequence[Measured], context: PhaseContext) -> None:
        """Answer the texts here, and compare token ids, logits and answers."""
        name = describe_machine().cpu_model
        context.progress.start(self.title, len(measured))
        for done, (child, m) in enumerate(zip(children, measured, strict=True), start=1):
            here, there = _answer_here(m, context), _answers(child, m.logits, context)
            task, exact = m.variant.task, m.variant.precision == "fp32"
            found = compare(task, m.variant.calibration, context.texts, here, there, exact=exact, limits=Limits())
            m.extra["against_host"] = _record(name, found)
            context.progress.update(done, m.variant.name)
        context.progress.finish()


def _answer_here(m: Measured, context: PhaseContext) -> Answers:
    texts = list(context.texts)
    limit_s = LIMIT_S + LIMIT_PER_TEXT_S * len(texts)
    with Child(m.variant.name, context.threads) as child:
        load = {"do": "load", "variant": m.variant.worker_spec(), "threads": context.threads}
        child.ask({**load, "affinity": list(context.affinity)}, LIMIT_S)
        batch_size = ALL_TEXTS_AT_ONCE if m.variant.precision == "fp32" else 1
        reply = child.ask({"do": "evaluate", "texts": texts, "batch_size": batch_size, "digits": ALL_DIGITS}, limit_s)
        return _answers(child, reply["logits"], context)


def _answers(child: Child, logits: list[list[float]], context: PhaseContext) -> Answers:
    texts = list(context.texts)
    ids = child.ask({"do": STEP, "texts": texts}, LIMIT_S + LIMIT_PER_TEXT_S * len(texts))["ids"]
    about: dict[str, Any] = {"python": "", "libraries": {}, "instructions": []}  # the result has its machine's
    return Answers(np.asarray(logits, dtype=np.float32), ids, about)


def _record(host: str, found: dict[str, Any]) -> AgainstHost:
    return AgainstHost(
        host=host,
        texts=found["texts"],
        other_answers=found.get("flips"),
        other_token_ids=found["other_ids"],
        max_abs_diff=found.get("max_abs_diff"),
        mean_abs_diff=found.get("mean_abs_diff"),
        same=found["outcome"] is Outcome.SAME,
        reason=found["reason"],
    )
