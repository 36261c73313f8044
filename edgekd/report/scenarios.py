"""The scenarios as tables, computed once; terminal, Markdown, HTML and JSON walk the same rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.analysis.estimators import needed_samples
from edgekd.analysis.scenarios import best_batch, load, scaling, starts, throughputs
from edgekd.analysis.sustained import Verdict, endurance
from edgekd.report.cells import Cell, duration, missing, of_estimate, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.analysis.estimators import Estimate
    from edgekd.analysis.scenarios import Load, Throughput
    from edgekd.analysis.sustained import Endurance
    from edgekd.report.table import Row
    from edgekd.results import BenchResult

TOO_FEW = "fewer than six repetitions"
BUSY = 0.05  # of the time; with less the drift is not that of other programs
SATURATED = "more arrives than can be answered"


@dataclass(frozen=True)
class PartRow:
    """One line: a variant, what tells it from its other lines, and its numbers in the order of the headings."""

    name: str
    detail: str
    cells: list[Cell]
    evidence: str


@dataclass(frozen=True)
class Part:
    """One scenario of all variants that were measured in it."""

    key: str  # the field of a result
    title: str
    method: str
    headings: list[str]
    rows: list[PartRow]
    sentences: list[str] = field(default_factory=list)
    of: str = "variant"  # what a line is about


def scenario_parts(rows: Sequence[Row]) -> list[Part]:
    """Return a table for each scenario that was measured; none for single texts, which every report has."""
    parts = {"lengths": _lengths, "offline": _offline, "server": _server, "cold": _cold, "sustained": _sustained}
    found = []
    for key, make in parts.items():
        mine = [(row.name, row.result) for row in rows if getattr(row.result, key)]
        if mine:
            found.append(make(mine))
    return found


Named = list[tuple[str, "BenchResult"]]


def _rows(name: str, result: BenchResult, lines: Sequence[tuple[str, list[Cell]]]) -> list[PartRow]:
    return [PartRow(name, detail, cells, result.evidence.value) for detail, cells in lines]


def _per_s(estimate: Estimate | None) -> Cell:
    return of_estimate(estimate, lambda value, _low, _high: units.per_second(value), units.per_second_interval, TOO_FEW)


def _lengths(named: Named) -> Part:
    tokens = sorted({point.tokens for _, result in named for point in result.lengths})
    rows, sentences = [], []
    for name, result in named:
        found = scaling(result.lengths)
        known = dict(zip(found.tokens, found.p50, strict=True)) if found else {}
        line = [duration(known.get(n), "no such text, or fewer than three lengths") for n in tokens]
        rows += _rows(name, result, [("", line)])
        if found:
            fixed, each = duration(found.fixed, "").text, duration(found.per_token, "")
            told = f"{name}: {fixed} a text and {each.text} a token ({each.interval})"
            off = f"not a line: off by up to {units.percent(found.off_line)}"
            sentences.append(f"{told}." if found.is_linear else f"{told}; {off}.")
    return Part(
        "lengths",
        "Latency over length",
        "Median of texts of exactly so many tokens, made of the words of the evaluation texts, one at a time.",
        [f"{n} tokens" for n in tokens],
        rows,
        sentences,
    )


def _offline(named: Named) -> Part:
    sizes = sorted({point.batch_size for _, result in named for point in result.offline})
    rows, sentences = [], []
    for name, result in named:
        found = throughputs(result.offline)
        for by_length, detail in ((False, "in order of arrival"), (True, "sorted by length")):
            mine = {t.batch_size: t.per_s for t in found if t.by_length == by_length}
            if mine:
                cells = [_per_s(mine[n]) if n in mine else missing("not measured", blank=True) for n in sizes]
                rows += _rows(name, result, [(detail, cells)])
                sentences += _best(name, found, by_length=by_length, detail=detail)
    texts = sorted({min(p.texts) for _, result in named for p in result.offline})
    return Part(
        "offline",
        "Offline: texts a second over batch sizes",
        f"The same texts for all, {texts[0]:,} or more a repetition, tokenization included; a batch is padded to its "
        "longest text. Median of the repetitions.",
        [str(n) for n in sizes],
        rows,
        sentences,
    )


def _best(name: str, found: Sequence[Throughput], *, by_length: bool, detail: str) -> list[str]:
    best, one = best_batch(found, by_length=by_length), next((t for t in found if t.batch_size == 1), None)
    if best is None or best.per_s is None:
        return []
    told = f"{name}, {detail}: batches of {best.batch_size} answer {_per_s(best.per_s).text} texts a second"
    if one is None or one.per_s is None:
        return [f"{told}."]
    if best.batch_size == 1:
        return [f"{name}, {detail}: batches bring nothing; one by one it answers {_per_s(one.per_s).text} a second."]
    return [f"{told}, {units.ratio(best.per_s.value / one.per_s.value)} as many as one by one."]


def _server(named: Named) -> Part:
    rows, sentences = [], []
    for name, result in named:
        found = [load(point) for point in result.server]
        rows += _rows(name, result, [(_load_words(one), _load_cells(one)) for one in found])
        sentences += _capacity(name, found)
    return Part(
        "server",
        "Server: latency under load",
        "Texts arrive at random (a Poisson process) whether or not the process is free; latency runs from arrival to "
        "answer, waiting included.",
        ["texts/s", "at work", "had to wait", "p50", "p95", "p99"],
        rows,
        sentences,
    )


def _load_words(found: Load) -> str:
    share = "" if found.load_share is None else f"{units.short_percent(found.load_share)} load"
    return ", ".join(part for part in (share, "saturated" if found.saturated else "") if part)


def _load_cells(found: Load) -> list[Cell]:
    def cell(estimate: Estimate | None, q: float) -> Cell:
        if found.saturated:
            return missing(SATURATED)
        enough = found.texts >= needed_samples(q)
        few = "fewer than ten busy periods" if enough else f"needs {needed_samples(q)} texts"
        return duration(estimate, few)

    shares = [plain(value, units.percent) for value in (found.utilisation, found.waited)]
    rate = plain(found.rate_per_s, units.per_second)
    return [rate, *shares, cell(found.p50, 0.5), cell(found.p95, 0.95), cell(found.p99, 0.99)]


def _capacity(name: str, found: Sequence[Load]) -> list[str]:
    """Say what the highest rate is that a variant keeps up with, and what that costs."""
    steady = [one for one in found if not one.saturated and one.p95 is not None]
    first = next((one for one in found if one.saturated), None)
    told = []
    if steady:
        top = steady[-1]
        told.append(
            f"{name} keeps up with {units.per_second(top.rate_per_s)} texts a second: p95 {duration(top.p95, '').text}"
        )
    if first is not None:
        told.append(f"{'' if told else name + ' '}does not with {units.per_second(first.rate_per_s)}")
    return [f"{', but '.join(told)}."] if told else []


def _cold(named: Named) -> Part:
    rows, sentences = [], []
    for name, result in named:
        found = starts(result.cold)
        for one in found:
            parts = (one.whole, one.interpreter, one.imports, one.load, one.first_answer)
            detail = f"{'files in' if one.cached else 'files not in'} the page cache"
            cells = [duration(part, TOO_FEW) for part in parts]
            rows += _rows(name, result, [(detail, [*cells, plain(one.starts, units.count)])])
        first = found[0]
        if first.whole is not None and first.load is not None:
            own = units.percent(first.load.value / first.whole.value)
            sentences.append(
                f"{name} answers {duration(first.whole, '').text} after its process was started; {own} of that is "
                "loading the model and its tokenizer."
            )
    return Part(
        "cold",
        "Cold start",
        "From the start of a new process to its first answer. Only the variant's own files leave the page cache; those "
        "of Python and the libraries stay.",
        ["to first answer", "Python", "imports", "load", "first text", "starts"],
        rows,
        sentences,
    )


def _sustained(named: Named) -> Part:
    rows, sentences = [], []
    for name, result in named:
        found = endurance(result.sustained)
        if found is not None:
            rows += _rows(name, result, [(found.verdict.value, _endurance_cells(found))])
            sentences.append(f"{name}: {_endurance_words(found)}")
    return Part(
        "sustained",
        "Sustained load",
        "Texts one after the other without a pause. Drift is the change of the p50 from start to end (Theil-Sen).",
        ["for", "p50 at first", "p50 at last", "drift", "worst p95", "clock", "temperature"],
        rows,
        sentences,
    )


def _endurance_cells(found: Endurance) -> list[Cell]:
    def interval(_: float, low: float, high: float) -> str:
        return units.relative_interval(low, high)

    times = [plain(value, units.duration) for value in (found.first_p50_s, found.last_p50_s)]
    return [
        plain(found.seconds, units.duration),
        *times,
        of_estimate(found.drift, units.relative, interval, "fewer than ten slices"),
        plain(found.worst_p95_s, units.duration),
        missing("the machine does not tell")
        if found.clock_hz is None
        else Cell(" to ".join(dict.fromkeys(map(units.frequency, found.clock_hz)))),
        missing("the machine does not tell")
        if found.temperature_c is None
        else Cell(" to ".join(map(units.temperature, found.temperature_c))),
    ]


def _endurance_words(found: Endurance) -> str:
    verdict = found.verdict
    if verdict is Verdict.TOO_SHORT:
        return "too short to tell; give more --minutes."
    change = found.drift and units.relative(found.drift.value, found.drift.low, found.drift.high)
    drift = f" (p50 {change} from start to end)" if change else ""
    if verdict is Verdict.THROTTLED:
        why = ", ".join(found.throttled) or "the clock fell"
        return f"{verdict.value}, because the machine held itself back: {why}{drift}. Cool it, then measure again."
    if found.waited_share is None or found.waited_share < BUSY:
        return f"{verdict.value}{drift}."
    waited = units.percent(found.waited_share)
    return f"{verdict.value}{drift}. Other programs had the processor {waited} of the time: measure on a quiet machine."
