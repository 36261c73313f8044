"""Commands that repeat what a report shows, as a shell takes them."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from edgekd.bench.scenarios.sustained import MINUTES
from edgekd.devices import load_profiles
from edgekd.results import Evidence, Role
from edgekd.runfolder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgekd.report.model import Report
    from edgekd.results import BenchResult

TORCH = "torch"
RUN_SUFFIX = ", test split"  # of the name of texts that a run measured with
# Settings of the measurement -> options of 'edgekd bench'.
_OPTIONS = ("passes", "processes", "precision", "max_texts", "block_size", "min_seconds", "max_seconds", "seed")


def run_command(root: Path) -> str:
    """Return what repeats a whole run; from the working folder where the run lies in it."""
    folder = RunFolder(root.relative_to(Path.cwd()) if root.is_relative_to(Path.cwd()) else root)
    return shlex.join(["edgekd", "run", str(folder.recipe), "--out", str(folder.root)])


def bench_command(results: Sequence[BenchResult], data: str | None = None) -> str:
    """Return what measures a section once more, with the options that its results record.

    Args:
        results: of one target on one machine; in the order in which they are given.
        data: file of the texts; None: their name, or nothing where a run folder around the bundles has them.
    """
    first = results[0]
    command = ["edgekd", "bench", *dict.fromkeys(r.artifact for r in results if r.backend != TORCH)]
    teachers = [result.artifact for result in results if result.backend == TORCH and result.role is Role.TEACHER]
    command += ["--teacher", teachers[0]] if teachers else []
    command += ["--target", first.target]
    command += _data(first, data)
    command += _place(first)
    command += _settings(first.settings)
    command += _extras(results)
    return shlex.join(command)


def _data(first: BenchResult, data: str | None) -> list[str]:
    if data is not None:
        return ["--data", data]
    name = first.data_name
    in_a_run = PurePath(first.artifact).parts[-3:-2] == ("bundles",)  # RUN/bundles/TARGET/NAME
    return [] if name.endswith(RUN_SUFFIX) or (in_a_run and name == "test.jsonl") else ["--data", name]


def _place(first: BenchResult) -> list[str]:
    if first.board is not None:
        return ["--on", first.board]
    if first.evidence is not Evidence.EMULATED:
        return []
    profile = load_profiles().get(first.target)
    return ["--on", f"qemu://{profile.emulator.cpu}"] if profile is not None and profile.emulator is not None else []


def _settings(settings: Mapping[str, Any]) -> list[str]:
    command = []
    for name in _OPTIONS:
        value = settings.get(name)
        if isinstance(value, int | float):
            option = f"--{name.replace('_', '-')}"
            command += [option, f"{100 * value:g}%" if name == "precision" else f"{value:g}"]
    return command


def _extras(results: Sequence[BenchResult]) -> list[str]:
    scenarios = [
        name for name in ("offline", "server", "cold", "sustained") if any(getattr(result, name) for result in results)
    ]
    command = ["--scenario", ",".join(scenarios)] if scenarios else []
    loads = [result.sustained[-1].start_s + result.sustained[-1].seconds for result in results if result.sustained]
    minutes = round(max(loads) / 60, 1) if loads else 0.0  # a variant may end a slice early
    command += ["--minutes", f"{minutes:g}"] if minutes and minutes != MINUTES else []
    lengths = sorted({point.tokens for result in results for point in result.lengths})
    command += ["--lengths", ",".join(str(tokens) for tokens in lengths)] if lengths else []
    flags = {
        "--leak-check": any(result.heap for result in results),
        "--energy": any(result.energy for result in results),
        "--counts": any(result.counts for result in results),
        "--profile": any(result.cost is not None and result.cost.inferences for result in results),
    }
    command += [flag for flag, wanted in flags.items() if wanted]
    boards = dict.fromkeys(estimate.target for result in results for estimate in result.estimates)
    for board in boards:
        command += ["--estimate"] if board == results[0].target else ["--estimate-for", board]
    command += ["--traced"] if any(e.kind == "traced" for result in results for e in result.estimates) else []
    return command


def reproduce(report: Report, run: Path | None, results: Sequence[Path], out: Path) -> Report:
    """Add the commands of the whole way to a report of result files.

    Args:
        report: its own commands measure once more.
        run: the run folder of the results, where they have one.
        results: as they were given.
        out: folder of the report.
    """
    whole = [run_command(run)] if run is not None else []
    again = shlex.join(["edgekd", "report", *(str(path) for path in results), "--out", str(out)])
    return replace(report, run={**report.run, "commands": [*whole, *report.commands, again]})
