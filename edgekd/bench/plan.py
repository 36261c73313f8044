"""What is measured in which order: a pure function of the configuration and the seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgekd.config import BenchConfig

MAX_WARM_UP_TEXTS = 20_000
HELD_OUT_SHARE = 0.2
HELD_OUT_TEXTS = 200


@dataclass(frozen=True)
class Round:
    """One block of texts, measured by every variant before the next one begins."""

    number: int
    starts_pass: bool
    indexes: list[int]
    order: list[int]  # which variant goes first, second...


@dataclass(frozen=True)
class Plan:
    """Which texts are timed and which ones warm up."""

    blocks: list[list[int]]
    warm_up: list[str]
    warm_up_note: str
    passes: int  # of each process, when time suffices
    seed: int

    @property
    def timed(self) -> list[int]:
        """The indexes of all timed texts."""
        return [index for block in self.blocks for index in block]

    @property
    def rounds_planned(self) -> int:
        """How many rounds each process has when time suffices."""
        return len(self.blocks) * self.passes

    def rounds(self, variants: int, *, process: int = 0, first: int = 0) -> Iterator[Round]:
        """Yield rounds without end: blocks in a new order in every pass, variants in a new order in every round.

        Args:
            variants: how many take turns.
            process: which of their processes, from 0; each has other orders.
            first: number of the first round.
        """
        rng = Random(f"{self.seed} {process}")  # noqa: S311 - not cryptography
        number = first
        while True:
            order = list(range(len(self.blocks)))
            rng.shuffle(order)
            for position, block in enumerate(order):
                turns = list(range(variants))
                rng.shuffle(turns)
                yield Round(number, position == 0, self.blocks[block], turns)
                number += 1


def make_plan(texts: Sequence[str], warm_up_texts: Sequence[str], config: BenchConfig) -> Plan:
    """Choose timed and warm-up texts.

    The blocks are the same in every pass, so that a block stands for the same texts throughout. Without
    warm-up texts a part of the texts is held out for it and not timed; a single text does both.
    """
    rng = Random(config.seed)  # noqa: S311 - not cryptography
    indexes = list(range(len(texts)))
    rng.shuffle(indexes)
    known = set(texts)
    warm_up = [text for text in warm_up_texts if text not in known]
    if warm_up:
        rng.shuffle(warm_up)
        warm_up = warm_up[:MAX_WARM_UP_TEXTS]
        note = f"warmed up with {len(warm_up):,} given texts, none of them timed"
    else:
        held_out = min(HELD_OUT_TEXTS, max(1, int(HELD_OUT_SHARE * len(indexes))))
        warm_up = [texts[index] for index in indexes[:held_out]]
        if len(indexes) > held_out:
            indexes = indexes[held_out:]
            note = f"warmed up with {held_out:,} held-out texts, none of them timed"
        else:
            note = "warmed up with the timed text itself: there is no other"
    indexes = indexes[: config.max_texts]
    size = config.block_size
    blocks = [indexes[start : start + size] for start in range(0, len(indexes), size)]
    passes = -(-config.passes // config.processes)
    return Plan(blocks, warm_up, note, passes, config.seed)
