"""From a budget to the units that stay."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.compress.prune.order import Order
from edgekd.compress.prune.remove import remove
from edgekd.compress.prune.size import Kept, Meter, Size
from edgekd.compress.prune.structure import UNIT_WORDS
from edgekd.errors import ConfigError, NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transformers import PreTrainedModel

    from edgekd.compress.prune.importance import Scores
    from edgekd.compress.prune.structure import Group
    from edgekd.steps import PruneStep

MEASUREMENTS = 6  # at most, of a latency budget in a round


@dataclass(frozen=True)
class Plan:
    """What a round removes.

    Args:
        kept: of each group.
        groups: all of the model.
        before: the model as it is.
        after: the model as it will be.
        start: the model before the first round, which a relative budget counts from.
        measured: of a latency budget: what share of the units' parameters was gone, and the median latency with it.
        start_latency_s: of the model before the first round; None for other budgets.
    """

    kept: Kept
    groups: tuple[Group, ...]
    before: Size
    after: Size
    start: Size
    measured: tuple[tuple[float, float], ...] = ()
    start_latency_s: float | None = None

    def _units(self) -> dict[str, tuple[int, int]]:
        """Return for each kind of unit how many stay, and of how many."""
        stay, total = Counter[str](), Counter[str]()
        for group in self.groups:
            stay[group.unit] += len(self.kept[group.name])
            total[group.unit] += group.count
        return {unit: (stay[unit], total[unit]) for unit in total}

    def words(self) -> str:
        """Return what goes in a sentence."""
        parts = [f"{total - stay:,} of {total:,} {UNIT_WORDS[unit]}" for unit, (stay, total) in self._units().items()]
        smaller = 1 - self.after.parameters / self.before.parameters
        fewer = 1 - self.after.macs / self.before.macs
        tried = ", ".join(
            f"{units.short_duration(seconds)} without {units.rough_percent(share)}" for share, seconds in self.measured
        )
        return (
            f"Removed {' and '.join(parts)}: {self.before.parameters:,} -> {self.after.parameters:,} parameters "
            f"({units.percent(smaller)} fewer), {units.percent(fewer)} fewer multiplications."
            + (f" Measured: {tried}." if tried else "")
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON types, with the number of units that stay in each group."""
        sides = {"start": self.start, "before": self.before, "after": self.after}
        return {
            **{
                name: {"parameters": size.parameters, "bytes": size.bytes, "macs": size.macs}
                for name, size in sides.items()
            },
            "kept": {group.name: [len(self.kept[group.name]), group.count] for group in self.groups},
            "measured": [{"removed": share, "latency_s": seconds} for share, seconds in self.measured],
        }


def plan(
    model: PreTrainedModel,
    groups: Sequence[Group],
    scores: Scores,
    step: PruneStep,
    *,
    rounds_left: int = 1,
    first: Plan | None = None,
    latency_s: Callable[[PreTrainedModel], float] | None = None,
) -> Plan:
    """Choose the units that go in this round, as few as the budget allows.

    With several rounds each goes an equal part of the way that is left: ``now - (now - goal) / rounds_left``. The goal
    counts from the model before the first round, so that rounding up in one round is not repeated in the next.

    Args:
        model: before the round, on the CPU.
        groups: its units, of the kinds that may go.
        scores: theirs.
        step: has one of the budgets.
        rounds_left: with this one.
        first: the plan of the first round, in any round after it.
        latency_s: median latency of a model for the target; for ``latency_ratio``.

    Raises:
        ConfigError: when the budget cannot be reached; says what is the smallest possible.
        NotApplicable: when no unit can go, or the model fits the budget already.
    """
    assert first is not None or rounds_left == step.rounds, "a later round needs the plan of the first"
    groups = tuple(groups)
    order = Order(groups, scores, scope=step.scope, multiple_of=step.multiple_of)
    meter = Meter(model, groups)
    before = meter.size()
    start = first.start if first else before
    if not order and first is None:
        widths = ", ".join(sorted({f"{group.count} {UNIT_WORDS[group.unit]}" for group in groups}))
        raise NotApplicable(
            f"No unit can go: at least {step.multiple_of} outputs of a matrix stay, and there are {widths} in a place.",
            hint="A smaller multiple_of allows smaller widths.",
        )
    if step.latency_ratio is not None:
        assert latency_s is not None
        search = _LatencySearch(model, order, meter, latency_s)
        start_s = first.start_latency_s if first else search.at(0)
        assert start_s is not None
        count = search.find(step.latency_ratio * start_s, rounds_left)
        kept = order.kept(count)
        return Plan(kept, groups, before, meter.size(kept), start, search.measured(), start_s)

    quantity, goal, words = _budget(step, start)
    now, least = quantity(before), quantity(meter.size(order.kept(len(order))))
    if least > goal:
        raise ConfigError(
            f"prune cannot reach {words.format(goal)}: without all units that may go it is {words.format(least)}.",
            hint=f"Allow more{_advice(step)}.",
        )
    if now <= goal and first is None:
        raise NotApplicable(f"The model has {words.format(now)} already, and {words.format(goal)} are allowed.")
    target = now - (now - goal) / rounds_left
    counts = range(len(order) + 1)
    count = bisect_left(counts, x=True, key=lambda number: quantity(meter.size(order.kept(number))) <= target)
    kept = order.kept(count)
    return Plan(kept, groups, before, meter.size(kept), start)


def _budget(step: PruneStep, start: Size) -> tuple[Callable[[Size], int], float, str]:
    """Return what is counted, how much of it may be left, and its words."""
    if step.ratio is not None:
        # The largest whole number of parameters; the small part is for products such as 0.7 * 10.
        goal = start.parameters - step.ratio * start.prunable
        return lambda size: size.parameters, goal + 1e-6, "{:,.0f} parameters"
    if step.max_bytes is not None:
        return lambda size: size.bytes, step.max_bytes, "{:,.0f} bytes"
    assert step.macs_ratio is not None
    return lambda size: size.macs, step.macs_ratio * start.macs, "{:,.0f} multiplications"


def _advice(step: PruneStep) -> str:
    return (
        ", or let other units go too (units), or smaller widths (multiple_of); embeddings become smaller with the "
        "steps vocabulary, or prune with embedding_dim or hidden_dim"
        if step.units or step.multiple_of > 1
        else ", or make the embeddings smaller with the step vocabulary, or prune with embedding_dim or hidden_dim"
    )


class _LatencySearch:
    """Finds the first number of chunks with which a model is fast enough, by at most six measurements in a round.

    Between a number that is too slow and one that is fast enough the next is interpolated, because latency falls about
    linearly with the parameters, but kept away from both ends by a quarter, because measurements are noisy.
    """

    def __init__(
        self, model: PreTrainedModel, order: Order, meter: Meter, latency_s: Callable[[PreTrainedModel], float]
    ) -> None:
        self.model, self.order, self.latency_s = model, order, latency_s
        sizes = [meter.size(order.kept(count)).parameters for count in range(len(order) + 1)]
        self.gone = [(sizes[0] - size) / max(1, meter.size().prunable) for size in sizes]
        self.seconds: dict[int, float] = {}

    def at(self, count: int) -> float:
        """Return the latency without the first ``count`` chunks."""
        if count not in self.seconds:
            self.seconds[count] = self.latency_s(remove(self.model, self.order.kept(count)))
        return self.seconds[count]

    def measured(self) -> tuple[tuple[float, float], ...]:
        """Return removed share and latency, in the order of the measurements."""
        return tuple((self.gone[count], seconds) for count, seconds in self.seconds.items())

    def find(self, goal_s: float, rounds_left: int) -> int:
        """Return how many chunks go."""
        now, fastest = self.at(0), self.at(len(self.order))
        if fastest > goal_s:
            raise ConfigError(
                f"prune cannot reach a median latency of {units.short_duration(goal_s)} (it is "
                f"{units.short_duration(now)} now): without all units that may go it is "
                f"{units.short_duration(fastest)}.",
                hint="Raise latency_ratio, or let other units go too (units), or remove layers.",
            )
        if now <= goal_s:
            return 0
        target = now - (now - goal_s) / rounds_left
        slow, fast = 0, len(self.order)
        while len(self.seconds) < MEASUREMENTS and fast - slow > 1:
            way = (self.at(slow) - target) / (self.at(slow) - self.at(fast))
            gone = self.gone[slow] + min(0.75, max(0.25, way)) * (self.gone[fast] - self.gone[slow])
            middle = min(fast - 1, max(slow + 1, bisect_left(self.gone, gone)))
            slow, fast = (slow, middle) if self.at(middle) <= target else (middle, fast)
        return fast
