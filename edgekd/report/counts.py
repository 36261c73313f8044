"""Instructions, multiply-adds, bytes and operators as tables, in the form of the scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.report.cells import Cell, missing, plain
from edgekd.report.scenarios import Part, PartRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.measurements import Cost, Counts
    from edgekd.report.table import Row

NAMED_SHARE = 0.01  # classes and types below it are not named
TOOLS = {
    "qemu-plugin": "counted under QEMU",
    "callgrind": "counted under callgrind, which knows AVX2 at most",
    "perf": "counted by the processor",
}


def count_parts(rows: Sequence[Row]) -> list[Part]:
    """Return a table of instructions, one of multiply-adds and bytes, and the operators of each variant."""
    counted = [row for row in rows if row.result.counts]
    known = [(row, row.result.cost) for row in rows if row.result.cost is not None]
    parts = [_instructions(counted)] if counted else []
    parts += [_costs(known)] if known else []
    return parts + [_operators(row, cost) for row, cost in known if cost.operators]


def _instructions(rows: Sequence[Row]) -> Part:
    tokens = sorted({count.tokens for row in rows for count in row.result.counts})
    lines, sentences = [], []
    for row in rows:
        for core in dict.fromkeys(count.core for count in row.result.counts):
            mine = {count.tokens: count for count in row.result.counts if count.core == core}
            first = next(iter(mine.values()))
            graph = [_least(mine[n].instructions) if n in mine else _absent(n) for n in tokens]
            lines.append(PartRow(row.name, f"{core}, graph", graph, first.evidence))
            if any(count.tokenize for count in mine.values()):
                words = [_least(mine[n].tokenize) if n in mine else _absent(n) for n in tokens]
                lines.append(PartRow(row.name, f"{core}, tokenizer", words, first.evidence))
            if sentence := _mix(row.name, core, mine[max(mine)]):
                sentences.append(sentence)
    tools = ", ".join(TOOLS[tool] for tool in dict.fromkeys(count.tool for row in rows for count in row.result.counts))
    method = (
        f"Executed in user space, {tools}: one text of so many tokens, one thread, the smallest of several repetitions "
        "after the first calls. They tell what changed, not how long it takes."
    )
    return Part("counts", "Instructions", method, [f"{n} tokens" for n in tokens], lines, sentences)


def _least(counts: Sequence[int]) -> Cell:
    return plain(float(min(counts)), units.instructions)


def _absent(tokens: int) -> Cell:
    return missing(f"no text of {tokens} tokens", blank=True)


def _mix(name: str, core: str, count: Counts) -> str:
    """Say which kinds of instructions the graph executes."""
    total = sum(count.classes.values())
    largest = sorted(count.classes.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{kind} {units.percent(n / total)}" for kind, n in largest if n >= NAMED_SHARE * total]
    return f"{name} on {core}, {count.tokens} tokens: {', '.join(named)}." if named else ""


def _costs(known: Sequence[tuple[Row, Cost]]) -> Part:
    lines = [
        PartRow(
            row.name,
            f"{cost.tokens} tokens",
            [
                plain(float(cost.macs), units.count),
                plain(float(cost.weight_bytes), units.size),
                plain(float(cost.read_bytes - cost.weight_bytes), units.size),
                plain(float(cost.written_bytes), units.size),
            ],
            row.evidence,
        )
        for row, cost in known
    ]
    method = (
        "From the shapes of the graph as the runtime opens it, after its fusions. Multiply-adds are those of matrix "
        "products and convolutions; of a table of token vectors only the rows in use are read."
    )
    headings = ["multiply-adds", "weights read", "activations read", "written"]
    return Part("cost", "Work of one inference", method, headings, lines)


def _operators(row: Row, cost: Cost) -> Part:
    lines = [
        PartRow(
            operator.op_type,
            operator.name,
            [plain(operator.share, units.percent), plain(operator.seconds, units.duration)],
            row.evidence,
        )
        for operator in cost.operators
    ]
    named = [f"{kind.op_type} {units.percent(kind.share)}" for kind in cost.types if kind.share >= NAMED_SHARE]
    method = (
        f"Median of {cost.inferences} inferences of {cost.tokens} tokens with the runtime's profiler on. It adds "
        "some microseconds to every operator and tells whole ones: shares, not latencies."
    )
    sentences = [f"All operators of {row.name} by type: {', '.join(named)}."] if named else []
    title = f"Operators of {row.name} that take longest"
    return Part(f"operators:{row.name}", title, method, ["share", "time"], lines, sentences, of="operator")
