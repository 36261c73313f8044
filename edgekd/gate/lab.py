"""Measures bundles now, in fresh processes, under the profile's threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.bench.variants import variant_of
from edgekd.gate.child import ask
from edgekd.gate.looks import gather
from edgekd.gate.protocol import LabelRequest, RoundsRequest
from edgekd.gate.records import Fresh, ProcessSamples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edgekd.bundle import Bundle
    from edgekd.gate.looks import Look
    from edgekd.gate.protocol import ModelFields

FRESH_TEXTS = 100  # the longest ones; they decide the peak of memory
SMALLEST_HOLD_OUT = 20
LARGEST_HOLD_OUT = 200


def hold_out(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split texts into those that are timed and, spread evenly over the rest, those that only warm up.

    A tenth warms up, 20 to 200 texts, but never more than a quarter.
    """
    wanted = min(max(len(texts) // 10, SMALLEST_HOLD_OUT), LARGEST_HOLD_OUT, len(texts) // 4)
    if wanted == 0:
        return list(texts), list(texts)
    step = len(texts) / wanted
    warm = {int(index * step) for index in range(wanted)}
    timed = [text for index, text in enumerate(texts) if index not in warm]
    return timed, [texts[index] for index in sorted(warm)]


def _fields(bundle: Bundle) -> ModelFields:
    return variant_of(bundle, bundle.folder.resolve()).worker_spec()


@dataclass(frozen=True)
class Lab:
    """What all measurements of a gate share.

    Args:
        texts: evaluation texts, all of them.
        warm_up: other texts, for warm-up only; without any a part of ``texts`` is held out and not timed.
    """

    threads: int
    affinity: list[int]
    texts: list[str]
    warm_up: list[str]
    seed: int = 0

    def logits(self, bundle: Bundle) -> NDArray[np.float64]:
        """Return the logits of every text, shape ``(texts, outputs)``."""
        reply = ask(LabelRequest(_fields(bundle), self.threads, self.affinity, self.texts), what=_name(bundle))
        return np.asarray(reply["logits"], dtype=np.float64)

    def fresh(self, bundle: Bundle) -> Fresh:
        """Return load time and peak memory of one fresh process."""
        longest = sorted(self.texts, key=len)[-FRESH_TEXTS:]
        reply = ask(LabelRequest(_fields(bundle), self.threads, self.affinity, longest), what=_name(bundle))
        return Fresh(load_time_s=reply["load_time_s"], peak_rss_bytes=reply["peak_rss_bytes"])

    def rounds(
        self,
        bundles: Sequence[Bundle],
        decided: Callable[[Sequence[ProcessSamples]], bool],
        measured: Callable[[Sequence[ProcessSamples]], None],
        *,
        min_calls: int,
        max_seconds: float,
    ) -> list[ProcessSamples]:
        """Time bundles in turns until ``decided`` says that more would change nothing.

        Args:
            bundles: one or two sides.
            decided: see :func:`edgekd.gate.looks.gather`.
            measured: hears of all samples so far after every process.
            min_calls: see :func:`edgekd.gate.looks.gather`.
            max_seconds: see :func:`edgekd.gate.looks.gather`.
        """
        timed, warm = (self.texts, self.warm_up) if self.warm_up else hold_out(self.texts)
        models = [_fields(bundle) for bundle in bundles]
        what = " and ".join(_name(bundle) for bundle in bundles)

        done: list[ProcessSamples] = []

        def run(look: Look) -> ProcessSamples:
            request = RoundsRequest(
                models=models,
                # NOTE: the session that is created second is about 0.4 % faster, so they alternate.
                first=look.process % len(models),
                threads=self.threads,
                affinity=self.affinity,
                texts=timed,
                warm_up=warm,
                seconds=look.stop.seconds,
                min_rounds=look.stop.min_rounds,
                max_rounds=look.stop.max_rounds,
                max_seconds=look.stop.max_seconds,
                seed=self.seed + look.process,
            )
            done.append(ProcessSamples.model_validate(ask(request, what=what)))
            measured(done)
            return done[-1]

        return gather(run, decided, min_calls=min_calls, max_seconds=max_seconds)


def _name(bundle: Bundle) -> str:
    return f"'{bundle.folder}'"
