"""Latency over the length of the text: texts of exactly so many tokens, made of the words of the evaluation texts."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from edgekd.bench.scenarios.turns import LIMIT_S
from edgekd.measurements import LengthPoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.child import Child
    from edgekd.bench.collect import Measured
    from edgekd.bench.phase import PhaseContext

LENGTHS = (8, 16, 32, 64, 128, 256)
TEXTS = 20  # of each length
ROUNDS = 6
COLUMNS = ("total_s", "tokenize_s", "infer_s")


class Lengths:
    """Measures texts of given lengths, single-stream; lengths beyond the bundle's longest are left out.

    Args:
        lengths: in tokens, special tokens included.
    """

    title = "Latency over length"
    needs_time = True

    def __init__(self, lengths: Sequence[int] = LENGTHS) -> None:
        self.lengths = sorted({*lengths})

    def run(self, children: Sequence[Child], measured: Sequence[Measured], context: PhaseContext) -> None:
        """Measure all variants and lengths in turns."""
        made = [self._texts(child, m, context) for child, m in zip(children, measured, strict=True)]
        turns = [(position, length) for position, texts in enumerate(made) for length in texts]
        found: dict[tuple[int, int], dict[str, list[float]]] = {turn: {name: [] for name in COLUMNS} for turn in turns}
        rng = Random(context.plan.seed)  # noqa: S311 - not cryptography
        context.progress.start(self.title, ROUNDS * len(turns))
        for number in range(ROUNDS):
            rng.shuffle(turns)
            for done, turn in enumerate(turns, start=number * len(turns) + 1):
                position, length = turn
                request = {"do": "edgekd.bench.scenarios.steps:length", "texts": made[position][length]}
                reply = children[position].ask(request, LIMIT_S)
                for name in COLUMNS:
                    found[turn][name] += reply[name]
                context.progress.update(done, measured[position].variant.name)
        context.progress.finish()
        for position, m in enumerate(measured):
            m.extra["lengths"] = [
                LengthPoint(tokens=length, **columns)
                for (mine, length), columns in sorted(found.items(), key=lambda item: item[0])
                if mine == position
            ]

    def _texts(self, child: Child, measured: Measured, context: PhaseContext) -> dict[int, list[str]]:
        """Return texts of each length that the variant can have."""
        variant = measured.variant
        longest = min(variant.max_length, max(variant.lengths, default=variant.max_length))
        lengths = [length for length in self.lengths if length <= longest]
        too_long = [str(length) for length in self.lengths if length > longest]
        if too_long:
            measured.notes.append(f"not measured at {', '.join(too_long)} tokens: texts are cut to {longest}")
        request = {
            "do": "edgekd.bench.scenarios.steps:make_texts",
            "texts": [context.texts[index] for index in context.plan.timed],
            "lengths": lengths,
            "count": TEXTS,
            "seed": context.plan.seed,
        }
        made: list[list[str]] = child.ask(request, LIMIT_S)["texts"]
        return {length: texts for length, texts in zip(lengths, made, strict=True) if texts}
