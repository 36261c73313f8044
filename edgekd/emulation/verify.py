"""Bundles on the instructions of targets, compared with this machine."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekd.bench.machine import describe_machine
from edgekd.bundle import Bundle
from edgekd.emulation.compare import Limits, compare
from edgekd.emulation.record import Comparison, Outcome, Verification
from edgekd.emulation.run import Answers, GuestFailed, Place, answer, emulated, here, job_of
from edgekd.emulation.texts import Texts, choose_texts
from edgekd.emulation.unavailable import EmulationUnavailable
from edgekd.errors import EXIT_INVALID, EXIT_PASS, EXIT_REGRESSION, EdgekdError
from edgekd.processor import own_session_entries, session_entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edgekd.devices import DeviceProfile
    from edgekd.progress import Progress

# Graphs that the emulated runtime opens: other runtimes are not fetched for another architecture.
RUNTIMES = ("onnxruntime", "ort-format")


@dataclass(frozen=True)
class VerifyJob:
    """What is asked.

    Attributes:
        bundles: verified.
        profiles: targets.
        data: texts of the user; None takes those of the run, or built-in ones.
        text_column: of the data.
        count: texts of the data.
        limits: what may differ.
        flavours: make every int8 flavour of fp32 bundles as well.
        limit_s: of one process.
        qemu: the emulator; searched if not given.
    """

    bundles: Sequence[Bundle]
    profiles: Sequence[DeviceProfile]
    data: str | None = None
    text_column: str | None = None
    count: int = 64
    limits: Limits = field(default_factory=Limits)
    flavours: bool = False
    limit_s: float = 1800.0
    qemu: str | None = None


@dataclass(frozen=True)
class Graph:
    """One graph to compare.

    Attributes:
        bundle: whose tokenizer and task it has.
        flavour: the bundle's precision, or an int8 flavour made of it.
        path: of the graph.
        exact: fp32.
        plain: open the session without what edgekd does where int8 saturates.
        only_where_int8_saturates: leave other targets out.
        refusal: why there is no graph.
    """

    bundle: Bundle
    flavour: str
    path: Path
    exact: bool
    plain: bool = False
    only_where_int8_saturates: bool = False
    refusal: str = ""

    def job(self, texts: Sequence[str], entries: Mapping[str, str]) -> dict[str, Any]:
        """Return the job for ``guest.py``.

        Args:
            texts: to answer.
            entries: of the session's configuration, as edgekd sets them on that processor.
        """
        manifest = self.bundle.manifest
        settings = {
            "tokenizer": str(self.bundle.tokenizer_path),
            "max_length": manifest.max_length,
            "lengths": list(manifest.lengths),
            "batch": manifest.batch,
            "options": {} if self.plain else dict(entries),
        }
        return job_of(f"{manifest.name} {self.flavour}", self.path, settings, texts)


def verify(job: VerifyJob, progress: Progress) -> Verification:
    """Compare every graph on every target with this machine; what cannot be run is said, not raised.

    Raises:
        EdgekdError: when the texts cannot be read.
    """
    comparisons: list[Comparison] = []
    sources: list[str] = []
    with ExitStack() as stack:
        places: dict[str, Place | EmulationUnavailable] = {}
        for profile in job.profiles:
            prefix = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            places[profile.name] = _place(profile, prefix, job, progress)
        for bundle in job.bundles:
            texts = choose_texts(bundle.folder, job.data, job.count, job.text_column)
            sources.append(texts.source)
            work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for graph in _graphs(bundle, texts, job, work, progress):
                comparisons += _compare_graph(graph, texts, job, places, progress)
    machine = describe_machine()
    return Verification(
        host=machine.cpu_model,
        host_instructions=machine.isa,
        host_libraries=machine.libraries,
        text_source="; ".join(dict.fromkeys(sources)),
        comparisons=comparisons,
    )


def exit_code(comparisons: Iterable[Comparison], *, allow_skip: bool) -> int:
    """Return 1 when something differs, 3 when something could not be run, 0 when all is the same.

    Args:
        comparisons: all of them.
        allow_skip: what could not be run does not count, unless nothing was.
    """
    outcomes = [comparison.outcome for comparison in comparisons]
    if Outcome.DIFFERS in outcomes:
        return EXIT_REGRESSION
    if Outcome.NOT_RUN in outcomes and not allow_skip:
        return EXIT_INVALID
    return EXIT_PASS


def _place(profile: DeviceProfile, prefix: Path, job: VerifyJob, progress: Progress) -> Place | EmulationUnavailable:
    try:
        return emulated(profile, prefix, progress.say, job.qemu)
    except EmulationUnavailable as error:
        return error


def _graphs(bundle: Bundle, texts: Texts, job: VerifyJob, work: Path, progress: Progress) -> Iterable[Graph]:
    precision = bundle.manifest.precision
    yield Graph(bundle, precision, bundle.model_path, exact=precision == "fp32")
    if job.flavours and precision == "fp32" and bundle.manifest.runtime in RUNTIMES:
        from edgekd.emulation.flavours import make_flavours

        for made in make_flavours(bundle, texts.texts, work, progress):
            path = made.path or bundle.model_path
            yield Graph(bundle, made.name, path, False, not made.precise, made.precise, made.refusal)


def _compare_graph(
    graph: Graph,
    texts: Texts,
    job: VerifyJob,
    places: dict[str, Place | EmulationUnavailable],
    progress: Progress,
) -> list[Comparison]:
    """Compare one graph on all targets; it answers here only once."""
    native: Answers | None = None
    found = []
    for profile in job.profiles:
        if graph.only_where_int8_saturates and not _entries(profile):
            continue
        base = _base(graph, profile)
        place = places[profile.name]
        if why := _why_not(graph, place):
            found.append(Comparison(**base, outcome=Outcome.NOT_RUN, reason=why))
            continue
        assert isinstance(place, Place)
        request = graph.job(texts.texts, _entries(profile))
        progress.say(f"{request['name']} on {profile.name}: {len(texts.texts)} texts")
        try:
            native = native or answer(here(), graph.job(texts.texts, own_session_entries()), job.limit_s)
            there = answer(place, request, job.limit_s)
        except GuestFailed as error:
            found.append(Comparison(**base, emulator=place.emulator, outcome=Outcome.NOT_RUN, reason=error.message))
            continue
        manifest = graph.bundle.manifest
        fields = compare(
            manifest.as_task,
            manifest.calibration,
            texts.texts,
            native,
            there,
            exact=graph.exact,
            limits=job.limits,
        )
        found.append(Comparison(**base, emulator=place.emulator, **fields))
    return found


def _entries(profile: DeviceProfile) -> dict[str, str]:
    """Return what edgekd sets in a session on the processor of a target."""
    return session_entries(profile.emulator.arch, profile.cpu.isa) if profile.emulator else {}


def _base(graph: Graph, profile: DeviceProfile) -> dict[str, Any]:
    return {
        "bundle": graph.bundle.manifest.name,
        "artifact": graph.bundle.artifact_hash,
        "flavour": graph.flavour,
        "target": profile.name,
        "cpu": profile.emulator.cpu if profile.emulator else "",
    }


def _why_not(graph: Graph, place: Place | EmulationUnavailable) -> str:
    runtime = graph.bundle.manifest.runtime
    if runtime not in RUNTIMES:
        return f"Only graphs of ONNX Runtime are emulated; this one is for '{runtime}'."
    if isinstance(place, EdgekdError):
        return " ".join(filter(None, (place.message, place.hint)))
    return graph.refusal
