"""The bundle that a test gets: a function of a text, with its evaluation texts and what a benchmark should know."""

from __future__ import annotations

import os
import platform
from functools import cached_property
from itertools import cycle, islice
from pathlib import Path
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from edgekd import __version__
from edgekd.analysis.benchmark_json import EXTRA_KEY, Facts
from edgekd.api import Classifier
from edgekd.bench.affinity import allowed_cpus
from edgekd.bench.machine import describe_machine
from edgekd.bundle import load_bundle
from edgekd.devices import find_profile
from edgekd.doctor.emulator import emulated_by
from edgekd.doctor.system import System
from edgekd.errors import EdgekdError
from edgekd.gate.job import GateJob, Texts, find_texts
from edgekd.gate.lab import hold_out
from edgekd.gate.sides import side_of_bundle
from edgekd.pytest_support.paths import NONE_GIVEN, given_bundles
from edgekd.results import Evidence
from edgekd.runtime import session_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgekd.runtime.text_session import TextSession

FEWEST_ROUNDS = 400  # calls that the gate wants before it judges a p95
MOST_ROUNDS = 20_000
PROBES = 50


class OpenedBundle:
    """A bundle under test. Calling it with a text is what a user does; it gives ``edgekd.load``'s answer.

    Args:
        path: its folder.
        target: profile whose threads are used; None: the bundle's own.
        data: labelled texts; None: those of the run that made it.
        max_seconds: time of :meth:`time_texts`.
    """

    def __init__(self, path: Path, *, target: str | None, data: str | None, max_seconds: float) -> None:
        self.path = path
        self._bundle = load_bundle(path)
        self.profile = find_profile(target or self._bundle.manifest.target)
        self.threads = min(self.profile.threads, len(allowed_cpus()))
        self.session = self.open_session()
        self._classifier = Classifier(self._bundle, self.session)
        self._data = data
        self._max_seconds = max_seconds

    def __call__(self, texts: Any, **options: Any) -> Any:
        """Label a text, or several; options are those of :class:`edgekd.api.Classifier`."""
        return self._classifier(texts, **options)

    def __repr__(self) -> str:
        return f"<bundle {self.name} of {self.path}>"

    @property
    def name(self) -> str:
        """Name of the variant, e.g. "cnn-int8"."""
        return self._bundle.manifest.name

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels in the order of the logits."""
        return self._classifier.labels

    def open_session(self) -> TextSession:
        """Open the bundle once more: ``encode`` texts, ``infer`` what was encoded, ``run`` both."""
        session = session_for(self._bundle, self.threads)
        session.load()
        return session

    @cached_property
    def _found(self) -> Texts:
        side = side_of_bundle(self._bundle, self.path)
        try:
            return find_texts(GateJob(candidate=self.path, data=self._data), [], [side])
        except EdgekdError as error:
            fail(error, "Give them with --edgekd-data FILE.")

    @property
    def texts(self) -> list[str]:
        """The evaluation texts in their order."""
        return list(self._found.examples.texts)

    @property
    def targets(self) -> list[Any]:
        """The true answers of :attr:`texts`: indexes into :attr:`labels`, tuples of them, or values."""
        return list(self._found.examples.targets)

    @cached_property
    def facts(self) -> Facts:
        """What a benchmark of this bundle should say of itself."""
        emulated = emulated_by(System(), platform.machine())
        return Facts(
            variant=self.name,
            target=self.profile.name,
            artifact_hash=self._bundle.artifact_hash,
            machine=describe_machine().fingerprint,
            evidence=(Evidence.EMULATED if emulated else Evidence.HOST).value,
            threads=self.threads,
            edgekd_version=__version__,
        )

    def time_texts(self, benchmark: Any, function: Callable[[str], object] | None = None) -> None:
        """Time one call a round, each with the next of the evaluation texts: percentiles are those of the real mix.

        Texts come in a fixed random order, again and again until ``--benchmark-max-time`` is used up, at least 400
        calls. Words are learned from other texts first (the training texts of the run, else a part of the texts that
        is not timed), and what was learned meanwhile is forgotten before every pass, as in 'edgekd gate'.

        Args:
            benchmark: the fixture of pytest-benchmark.
            function: what is timed, given a text; this bundle if there is none.
        """
        timed, warm_up = self.texts, self._found.warm_up
        if not warm_up:
            timed, warm_up = hold_out(timed)
        Random(0).shuffle(timed)  # noqa: S311
        self.session.begin_pass()  # other tests may have labelled these texts
        self.session.warm_up([*islice(cycle(warm_up), max(PROBES, len(warm_up)))])
        called = function or self._classifier
        rounds = self._rounds(called, timed)
        number = -1

        def next_text() -> tuple[tuple[str], dict[str, Any]]:
            nonlocal number
            number = (number + 1) % len(timed)
            if number == 0:
                self.session.begin_pass()
            return (timed[number],), {}

        benchmark.pedantic(called, setup=next_text, rounds=rounds)

    def _rounds(self, function: Callable[[str], object], texts: list[str]) -> int:
        """Return how many calls fit into the time, in whole passes where there is one."""
        begun = perf_counter()
        for text in islice(cycle(texts), PROBES):
            function(text)
        fitting = int(self._max_seconds / max((perf_counter() - begun) / PROBES, 1e-9))
        rounds = min(max(fitting, FEWEST_ROUNDS), MOST_ROUNDS)
        return -(-rounds // len(texts)) * len(texts) if rounds >= len(texts) else rounds


def fail(error: EdgekdError, hint: str | None = None) -> NoReturn:
    """End the test with the words of an error, without a traceback."""
    advice = hint or error.hint
    text = f"{error.message}\nNext: {advice}" if advice else error.message
    raise pytest.fail.Exception(text, pytrace=False) from None


def open_bundle(path: str | None, config: pytest.Config) -> OpenedBundle:
    """Open a bundle for tests; without one the test fails."""
    if path is None:
        pytest.fail(NONE_GIVEN, pytrace=False)
    try:
        return OpenedBundle(
            Path(path),
            target=config.getoption("edgekd_target"),
            data=given_data(config),
            max_seconds=float(config.getoption("benchmark_max_time", 1.0)),
        )
    except EdgekdError as error:
        fail(error)


def lone_bundle(config: pytest.Config) -> str | None:
    """Return the bundle of a test that pytest cannot run once for each, such as a method of a unittest class."""
    try:
        bundles = given_bundles(config)
    except EdgekdError as error:
        fail(error)
    if len(bundles) > 1:
        pytest.fail(
            f"This test cannot run once for each of {len(bundles)} bundles; give it a single one.", pytrace=False
        )
    return os.fspath(bundles[0]) if bundles else None


def given_data(config: pytest.Config) -> str | None:
    """Return the texts of ``--edgekd-data``: a file from where pytest was started, else a name as it is."""
    data: str | None = config.getoption("edgekd_data")
    here = None if data is None else config.invocation_params.dir / data
    return os.fspath(here) if here is not None and here.exists() else data


def describe_benchmark(benchmark: Any, bundle: OpenedBundle) -> None:
    """Write into a benchmark's ``extra_info`` what is timed, where, and what the numbers are worth."""
    benchmark.extra_info[EXTRA_KEY] = bundle.facts.model_dump(exclude_none=True)
