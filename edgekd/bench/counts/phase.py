"""``edgekd bench --counts``: instructions of texts of a few lengths, for every variant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.bench.counts.counters import LIMIT_S
from edgekd.bench.counts.regions import count_of_text
from edgekd.measurements import Counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.child import Child
    from edgekd.bench.collect import Measured
    from edgekd.bench.counts.counters import Ask, Counter
    from edgekd.bench.phase import PhaseContext

LENGTHS = (8, 32, 128)  # tokens
# Python rewrites its own code during the first calls, and ONNX Runtime plans the memory of each new length.
FIRST_WARM_UP_CALLS = 12
WARM_UP_CALLS = 2
FEW, MANY = 3, 10  # repetitions; the smallest counts, and of a small model the path of an allocation is a part
SMALL = 20_000_000  # instructions


class CountsPhase:
    """Counts the instructions of one text of each length. Texts are made of the words of the evaluation texts.

    Args:
        counter: that stands for the target.
        lengths: in tokens, special tokens included; those that a variant cannot have are left out.
    """

    title = "Counting instructions"
    needs_time = False

    def __init__(self, counter: Counter, lengths: Sequence[int] = LENGTHS) -> None:
        self.counter = counter
        self.lengths = sorted({*lengths})

    def run(self, children: Sequence[Child], measured: Sequence[Measured], context: PhaseContext) -> None:
        """Count every variant; one that cannot be counted is said and left out."""
        for child, m in zip(children, measured, strict=True):
            if why := self.counter.why_not(m.variant):
                context.progress.say(f"{m.variant.name} is not counted: {why}.")
                continue
            texts = self._texts(child, m, context)
            title = f"{self.title} of {m.variant.name} ({self.counter.tool}, {self.counter.core})"
            context.progress.start(title, len(texts))
            m.extra["counts"] = self._count(child, m, texts, context)
            context.progress.finish()

    def _texts(self, child: Child, m: Measured, context: PhaseContext) -> list[str]:
        """Return a text of each length that the variant can have."""
        longest = min(m.variant.max_length, max(m.variant.lengths, default=m.variant.max_length))
        request = {
            "do": "edgekd.bench.scenarios.steps:make_texts",
            "texts": [context.texts[index] for index in context.plan.timed],
            "lengths": [length for length in self.lengths if length <= longest],
            "count": 1,
            "seed": context.plan.seed,
        }
        return [text for texts in child.ask(request, LIMIT_S)["texts"] for text in texts]

    def _count(self, child: Child, m: Measured, texts: Sequence[str], context: PhaseContext) -> list[Counts]:
        found: list[Counts] = []
        with self.counter.opened(m.variant, child) as ask:
            for done, text in enumerate(texts, start=1):
                found.append(count_text(self.counter, ask, text, first=not found))
                context.progress.update(done, f"{found[-1].tokens} tokens")
        return found


def count_text(counter: Counter, ask: Ask, text: str, *, first: bool) -> Counts:
    """Count a text once, and then as often as its size allows.

    Args:
        counter: that opened the process.
        ask: of that process.
        text: what is counted.
        first: of its process, which then needs more calls before it.
    """
    request = {"do": "edgekd.bench.counts.steps:count", "tool": counter.tool, "text": text}
    warm_up = FIRST_WARM_UP_CALLS if first else WARM_UP_CALLS
    reply, regions = ask({**request, "warm_up": warm_up, "repetitions": 1})
    more = (MANY if count_of_text(regions).infer[0] < SMALL else FEW) - 1
    _, others = ask({**request, "warm_up": 0, "repetitions": more})
    counted = count_of_text([*regions, *others])
    return Counts(
        tool=counter.tool,
        core=counter.core,
        evidence=counter.evidence,
        tokens=reply["tokens"],
        instructions=counted.infer,
        tokenize=counted.tokenize,
        classes=counted.classes,
        libraries=reply["libraries"],
    )
