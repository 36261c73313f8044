"""``edgekd bench --counts`` and ``--profile``: multiply-adds and bytes of an inference, operators that take longest."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, Any

from edgekd.bench.cost import operator_costs, operator_name
from edgekd.bench.operators import PROFILED
from edgekd.measurements import Cost, OperatorTime

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edgekd.bench.child import Child
    from edgekd.bench.collect import Measured
    from edgekd.bench.phase import PhaseContext

TOKENS = 32  # of the text, special tokens included; as many as a variant can have
CALLS = 30
TOP = 10
LIMIT_S = 600.0


class ProfilePhase:
    """Profiles one text with every variant of ONNX Runtime.

    Args:
        timed: also time the operators, except where time means nothing.
    """

    title = "Profiling operators"
    needs_time = False

    def __init__(self, *, timed: bool = True) -> None:
        self.timed = timed

    def run(self, children: Sequence[Child], measured: Sequence[Measured], context: PhaseContext) -> None:
        """Profile the variants one after the other; one of another runtime is said and left out."""
        context.progress.start(self.title, len(children))
        if self.timed and not context.place.has_time:
            context.progress.say(f"Operators are not timed: {context.place.name} has no time of its own.")
        for done, (child, m) in enumerate(zip(children, measured, strict=True), start=1):
            if m.variant.backend in PROFILED:
                m.extra["cost"] = self._cost(child, m, context)
            else:
                context.progress.say(f"{m.variant.name} is not profiled: {m.variant.backend} names no operators.")
            context.progress.update(done, m.variant.name)
        context.progress.finish()

    def _cost(self, child: Child, m: Measured, context: PhaseContext) -> Cost:
        step = {"do": "edgekd.bench.operators:profile", "text": self._text(child, m, context)}
        shapes = child.ask({**step, "calls": 1, "prepack": False}, LIMIT_S)
        calls: list[list[dict[str, Any]]] = []
        if self.timed and context.place.has_time:
            calls = child.ask({**step, "calls": CALLS, "prepack": True}, LIMIT_S)["calls"]
        costs = operator_costs(shapes["calls"][0])
        return Cost(
            tokens=shapes["tokens"],
            macs=sum(cost.macs for cost in costs),
            read_bytes=sum(cost.read_bytes for cost in costs),
            written_bytes=sum(cost.written_bytes for cost in costs),
            weight_bytes=sum(cost.weight_bytes for cost in costs),
            inferences=len(calls),
            operators=longest(calls)[:TOP],
            types=by_type(calls),
        )

    def _text(self, child: Child, m: Measured, context: PhaseContext) -> str:
        longest_text = min(m.variant.max_length, max(m.variant.lengths, default=m.variant.max_length))
        request = {
            "do": "edgekd.bench.scenarios.steps:make_texts",
            "texts": [context.texts[index] for index in context.plan.timed],
            "lengths": [min(TOKENS, longest_text)],
            "count": 1,
            "seed": context.plan.seed,
        }
        (made,) = child.ask(request, LIMIT_S)["texts"]
        return str(made[0]) if made else context.texts[context.plan.timed[0]]


def longest(inferences: Iterable[Iterable[Mapping[str, Any]]]) -> list[OperatorTime]:
    """Return all nodes, the one that takes longest first.

    Args:
        inferences: the operators of each, as :func:`edgekd.bench.operators.profile` returns them.
    """
    return _summed([[((operator_name(e), e["args"]["op_name"]), e["dur"]) for e in events] for events in inferences])


def by_type(inferences: Iterable[Iterable[Mapping[str, Any]]]) -> list[OperatorTime]:
    """Return the types of operators, the one that takes longest first."""
    return _summed([[(("", e["args"]["op_name"]), e["dur"]) for e in events] for events in inferences])


def _summed(inferences: Sequence[Sequence[tuple[tuple[str, str], int]]]) -> list[OperatorTime]:
    """Sum what belongs together in each inference; the median of them, because a pause of the machine hits some one.

    Args:
        inferences: of each, name and type of an operator with its microseconds.
    """
    sums = [_sums(events) for events in inferences]
    keys = dict.fromkeys(key for found in sums for key in found)
    seconds = {key: median(found.get(key, 0) for found in sums) * 1e-6 for key in keys}
    calls = Counter(key for key, _ in inferences[0]) if inferences else Counter()
    total = sum(seconds.values())
    found = [
        OperatorTime(
            name=name, op_type=op_type, seconds=value, calls=calls[name, op_type], share=value / (total or 1.0)
        )
        for (name, op_type), value in seconds.items()
    ]
    return sorted(found, key=lambda operator: (-operator.seconds, operator.name, operator.op_type))


def _sums(events: Iterable[tuple[tuple[str, str], int]]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for key, microseconds in events:
        found[key] += microseconds
    return found
