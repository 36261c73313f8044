"""Which tests of two files of pytest-benchmark may be compared, and what they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.errors import Incomparable

if TYPE_CHECKING:
    from edgekd.analysis.benchmark_json import BenchmarkFile, TimedTest


def check_same_machine(before: BenchmarkFile, after: BenchmarkFile) -> None:
    """Refuse files of different machines.

    Where edgekd's plugin left its fingerprint in all tests of both files, that decides (a CI runner has another host
    name every time); else host, processor and system do. Python's minor version has to be the same either way.

    Raises:
        Incomparable: with what differs.
    """
    prints = [{test.facts.machine for test in file.tests.values()} for file in (before, after)]
    keys = ["python"]
    different = []
    if all("" not in found for found in prints):
        if prints[0] != prints[1] or len(prints[0]) > 1:
            texts = [", ".join(sorted(value[:8] for value in found)) for found in prints]
            different.append(f"machine fingerprint: {texts[0]} and {texts[1]}")
    else:
        keys += ["host", "processor", "CPUs", "architecture", "system"]
    silent = [file.path for file in (before, after) if not file.machine.keys() & set(keys)]
    different += [f"'{path}' does not say where it was measured" for path in silent]
    for key in keys:
        one, other = (file.machine.get(key, "unknown") for file in (before, after))
        if one != other:
            different.append(f"{key}: {one} and {other}")
    if different:
        raise Incomparable(
            f"'{before.path}' and '{after.path}' are of different machines: {'; '.join(different)}.",
            hint="Run both suites on one machine. For the two bundles themselves: edgekd gate NEW --baseline OLD, "
            "which measures them in turns.",
        )


def check_same_setting(before: TimedTest, after: TimedTest) -> None:
    """Refuse two timings of a test for different targets or with different numbers of threads.

    Raises:
        Incomparable: with what differs.
    """
    for what, old, new in (
        ("target", before.facts.target, after.facts.target),
        ("threads", before.facts.threads, after.facts.threads),
        ("evidence", before.facts.evidence, after.facts.evidence),
    ):
        if old != new:
            raise Incomparable(
                f"'{after.name}' was not timed alike: {what} {old or 'unknown'} and {new or 'unknown'}.",
                hint="Run both suites with the same --edgekd-target.",
            )


def labels_of(*files: BenchmarkFile) -> dict[str, str]:
    """Return what each test is called in a table: without its file where no two tests are called alike."""
    names = list(dict.fromkeys(name for file in files for name in file.tests))
    short = [name.partition("::")[2] or name for name in names]
    return dict(zip(names, short if len(set(short)) == len(short) else names, strict=True))


def common_tests(before: BenchmarkFile, after: BenchmarkFile) -> list[str]:
    """Return the names of the tests that both files have.

    Raises:
        Incomparable: when there is none.
    """
    common = [name for name in before.tests if name in after.tests]
    if not common:
        one, other = (
            ", ".join([*list(file.tests)[:3], *(["..."] * (len(file.tests) > 3))]) for file in (before, after)
        )
        raise Incomparable(
            f"No test is in both files: '{before.path}' has {one}; '{after.path}' has {other}.",
            hint="Run both suites from the same folder: the path of a test is a part of its name.",
        )
    return common
