"""How the numbers were made, and on what: sentences and facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd import units
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.results import BenchResult, Machine


_INTERVALS = {
    TaskKind.SINGLE_LABEL: (
        "accuracy by Wilson's score, differences of accuracy on the same texts by Bonett and Price's interval, the "
        "gain from the teacher over texts and seeds"
    ),
    TaskKind.MULTI_LABEL: (
        "F1 and its differences by a bootstrap over texts, the gain from the teacher over texts and seeds"
    ),
    TaskKind.REGRESSION: (
        "correlations, errors and their differences by a bootstrap over texts, the gain from the teacher over texts "
        "and seeds"
    ),
}
_COUNTED = {
    TaskKind.SINGLE_LABEL: "Accuracy and agreement are counted",
    TaskKind.MULTI_LABEL: "F1, mAP and agreement are counted",
    TaskKind.REGRESSION: "Correlations and errors are computed",
}


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def method_sentences(results: Sequence[BenchResult]) -> list[str]:
    """Say how a group of results was measured and how its statistics are computed."""
    first = results[0]
    task = first.quality.task
    calls = _range([len(r.samples.total_s) for r in results])
    texts = _range([len(set(r.samples.text_index)) for r in results])
    blocks = _range([len(set(r.samples.block)) for r in results])
    warm = _range([len(r.warm_up.total_s) for r in results])
    tokens = sorted(n for r in results for n in r.samples.tokens)
    sessions = len({r.session for r in results})
    threads = f"{first.threads} thread" + ("s" if first.threads != 1 else "")
    pinned = f", pinned to CPU {', '.join(map(str, first.affinity))}" if first.affinity else ", not pinned"
    interleaved = (
        "all variants interleaved in blocks, so that drift of the machine hits all alike"
        if sessions == 1
        else f"in {sessions} sessions at different times, so small differences between sessions mean little"
    )
    several = any(r.samples.process for r in results)
    between = ", widened by what differs from process to process (Student)" if several else ""
    sentences = [
        f"Latency: one text at a time, from text to answer, tokenization included; {calls} calls a variant "
        f"over {texts} texts of '{first.data_name}' in {blocks} blocks, {interleaved}.",
        f"{threads}{pinned}; each variant in {_processes(results)}; {warm} warm-up calls kept apart.",
        "Percentiles interpolate linearly (Hyndman and Fan 1996, type 7); a percentile that too few calls "
        f"support is not shown. Intervals cover 95 %: latency by a bootstrap over blocks of texts"
        f"{between}, {_INTERVALS[task]}.",
        "Speed-up is the ratio of median latencies, with the same blocks drawn for both sides.",
        f"{_COUNTED[task]} on {_range([len(r.quality.targets) for r in results])} texts.",
        "Memory is the resident set of the whole process, Python and runtime included; size is everything "
        "that must be shipped.",
    ]
    if tokens:
        middle, longest = tokens[len(tokens) // 2], tokens[-1]
        sentences.insert(1, f"Texts have {tokens[0]} to {longest} tokens, {middle} in the middle.")
    if harness := harness_sentence(results):
        sentences.insert(1, harness)
    return sentences


def _processes(results: Sequence[BenchResult]) -> str:
    counts = [max(1, len(r.processes)) for r in results]
    return "a process of its own" if max(counts) == 1 else f"{_range(counts)} fresh processes, one after the other"


def harness_sentence(results: Sequence[BenchResult]) -> str:
    """Say what the timing loop itself costs; empty where that is not known."""
    overheads = [r.harness.overhead_s for r in results if r.harness is not None]
    if not overheads:
        return ""
    return f"The timing loop itself takes {units.short_duration(max(overheads))} of each call."


def machine_facts(machine: Machine, results: Sequence[BenchResult]) -> list[tuple[str, str]]:
    """Return labelled facts about the machine a group was measured on."""
    loads = [r.machine.load_average for r in results if r.machine.load_average is not None]
    load = f"{units.load(max(loads))} at most, when measuring started" if loads else ""
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(machine.libraries.items()))
    facts = [
        ("processor", machine.cpu_model),
        ("architecture", machine.arch),
        ("logical CPUs", str(machine.logical_cpus)),
        ("instructions", ", ".join(machine.isa)),
        ("memory", units.binary_size(machine.memory_bytes)),
        ("system", f"{machine.os}, kernel {machine.kernel}"),
        ("Python", machine.python),
        ("libraries", libraries),
        ("edgekd", ", ".join(sorted({result.edgekd_version for result in results}))),
        ("CPU governor", machine.governor or "not reported"),
        ("power mode", machine.power_mode or ""),
        ("board", results[0].board or ""),
        ("load average", load),
        ("fingerprint", machine.fingerprint),
    ]
    return [(label, value) for label, value in facts if value]
