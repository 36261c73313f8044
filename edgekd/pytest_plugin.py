"""pytest plugin: the fixture ``edgekd_bundle`` and the marker ``edgekd``, which gates (docs/pytest.md).

It is loaded in every pytest run where edgekd is installed, so nothing but pytest is imported here; what a hook needs
it imports when a test asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from edgekd.pytest_support.opened import OpenedBundle

FIXTURE = "edgekd_bundle"
MARKER = "edgekd"
MARKER_LINE = (
    "edgekd(p95='20ms', accuracy='-0.5pt', ..., require=[...], target=None, baseline=None, bundle=None, data=None, "
    "max_seconds=60): the bundle must keep these rules of 'edgekd gate', measured in fresh processes."
)
JUDGED = pytest.StashKey[list[dict[str, object]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the ini key."""
    group = parser.getgroup("edgekd", "edgekd: bundles under test")
    group.addoption(
        "--edgekd-bundle",
        action="append",
        default=[],
        metavar="PATH",
        help="Bundle folder, folder of bundles, or quoted pattern, for the fixture edgekd_bundle; repeatable.",
    )
    group.addoption(
        "--edgekd-data", metavar="FILE", help="Labelled texts to measure with; by default those of the bundle's run."
    )
    group.addoption(
        "--edgekd-target", metavar="NAME", help="Device profile of tests that name none; by default the bundle's."
    )
    group.addoption(
        "--edgekd-report-only",
        action="store_true",
        help="Rules that are broken or cannot be judged are reported, and fail no test.",
    )
    parser.addini("edgekd_bundles", "Bundles for tests where --edgekd-bundle is not given.", type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, check what was given, and listen for judgements."""
    from edgekd.pytest_support.summary import Summary

    config.addinivalue_line("markers", MARKER_LINE)
    if config.getoption("edgekd_bundle"):
        from edgekd.pytest_support.paths import check_arguments

        check_arguments(config)
    config.pluginmanager.register(Summary(config), "edgekd-summary")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes ``edgekd_bundle`` once for every bundle."""
    if FIXTURE in metafunc.fixturenames:
        from edgekd.pytest_support.paths import parametrize

        parametrize(metafunc, FIXTURE, MARKER)


@pytest.fixture(scope="session")
def edgekd_bundle(request: pytest.FixtureRequest) -> OpenedBundle:
    """An opened bundle of ``--edgekd-bundle``: call it with a text; ``texts`` are the evaluation texts."""
    from edgekd.pytest_support.opened import lone_bundle, open_bundle

    path = request.param if hasattr(request, "param") else lone_bundle(request.config)
    return open_bundle(path, request.config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Find slips in a marker before anything is measured."""
    if item.get_closest_marker(MARKER):
        from edgekd.pytest_support.judging import check_markers

        check_markers(item)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Say in a benchmark's ``extra_info`` what was timed, and judge a marked test after its own body has passed."""
    arguments = getattr(item, "funcargs", {})
    if FIXTURE in arguments and hasattr(arguments.get("benchmark"), "extra_info"):
        from edgekd.pytest_support.opened import describe_benchmark

        describe_benchmark(arguments["benchmark"], arguments[FIXTURE])
    result = yield
    if item.get_closest_marker(MARKER):
        from edgekd.pytest_support.judging import judge_item

        judge_item(item, arguments.get(FIXTURE))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the judgements into the report of the test, with which they travel from a pytest-xdist worker."""
    report = yield
    if call.when == "call" and JUDGED in item.stash:
        report.edgekd = item.stash[JUDGED]  # type: ignore[attr-defined]
    return report
