"""``edgekd bench --estimate``: what is stored, what is shown, and what is refused before anything is measured."""

from __future__ import annotations

import csv
import io

import pytest
from rich.console import Console

from edgekd.bench.job import BenchJob, run_job
from edgekd.bench.place import Place
from edgekd.bench.variants import variant_from_bundle
from edgekd.config import BenchConfig
from edgekd.devices import find_profile
from edgekd.errors import ConfigError
from edgekd.estimate.calibration import Calibrations
from edgekd.estimate.phase import EstimatePhase, ran_there, texts_of, tokenizing_of
from edgekd.estimate.processor import instructions_per_cycle
from edgekd.measurements import Estimate
from edgekd.progress import Silent
from edgekd.report.export import to_json_value
from edgekd.report.model import build_report
from edgekd.report.terminal import render_terminal
from edgekd.results import Evidence, load_result
from tests.bundles import make_bundle
from tests.results import make_result

SHORT, LONG = "great film", "the movie was not very good and it was boring and dull and not fun"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("estimates")
    make_bundle(root / "tiny")
    with (root / "texts.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["text", "label"])
        rows.writerows([(f"{SHORT} {'a ' * (i % 3)}", "positive") for i in range(20)])
        rows.writerows([(LONG, "negative")] * 4)
    return root


def job(folder, **changes):
    facts = {
        "bundles": (folder / "tiny",),
        "target": "pi4",
        "data": str(folder / "texts.csv"),
        "out": folder / "results",
        "config": BenchConfig(passes=1, max_seconds=5),
    }
    return BenchJob(**{**facts, **changes})


@pytest.fixture(scope="module")
def result(folder):
    patch = pytest.MonkeyPatch()
    patch.setenv("EDGEKD_CONFIG", str(folder / "settings"))
    try:
        [found] = run_job(job(folder, estimate=True, estimate_for=("zero2w", "pi4", "jetson")), Silent())
    finally:
        patch.undo()
    return found


def test_each_board_has_an_ordinary_and_a_long_text_and_none_is_there_twice(result):
    ordinary, long = sorted({estimate.tokens for estimate in result.estimates})
    assert ordinary < long == 17
    found = [(estimate.target, estimate.processor, estimate.tokens) for estimate in result.estimates]
    boards = [("raspberry-pi-4", "cpu"), ("raspberry-pi-zero-2-w", "cpu"), ("jetson-orin-nano", "cpu")]
    boards.append(("jetson-orin-nano", "gpu"))
    assert sorted(found) == sorted((*board, tokens) for board in boards for tokens in (ordinary, long))


def test_estimates_are_stored_apart_from_what_was_measured(result, folder):
    [path] = (folder / "results").glob("*.result.json")
    stored = load_result(path)
    assert stored.estimates == result.estimates
    assert stored.evidence is Evidence.HOST
    assert all(estimate.low_s < estimate.latency_s < estimate.high_s for estimate in stored.estimates)
    assert "tokenizer" in stored.estimates[0].basis


def test_a_long_text_takes_longer_and_a_smaller_board_too(result):
    by_board = {}
    for estimate in result.estimates:
        by_board.setdefault((estimate.target, estimate.processor), []).append(estimate.latency_s)
    assert all(ordinary < long for ordinary, long in by_board.values())
    assert by_board["raspberry-pi-zero-2-w", "cpu"][0] > by_board["raspberry-pi-4", "cpu"][0]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"target": "cpu", "estimate": True}, "'cpu' is this machine"),
        ({"estimate_for": ("pi6",)}, "Unknown target 'pi6'"),
        ({"calibration": "nowhere.json"}, "none is asked for"),
        ({"estimate": True, "calibration": "nowhere.json"}, "does not exist"),
        ({"target": "n100", "traced": True}, "'intel-n100' cannot be traced"),
    ],
)
def test_what_cannot_be_estimated_is_refused_before_measuring(folder, tmp_path, changes, says):
    if "calibration" in changes:
        changes = {**changes, "calibration": tmp_path / changes["calibration"]}
    with pytest.raises(ConfigError, match=says):
        run_job(job(folder, out=tmp_path / "out", **changes), Silent())
    assert not (tmp_path / "out").exists()


def some_estimate(**changes):
    facts = {"kind": "analytic", "target": "raspberry-pi-4", "tokens": 20, "latency_s": 0.0123, "low_s": 0.006}
    return Estimate(**{**facts, "high_s": 0.0246, "basis": "12 operators | and so on", **changes})


def shown(results):
    report = build_report(results, title="toy", host_targets=set(), resamples=50)
    console = Console(width=140, file=io.StringIO())
    for part in render_terminal(report):
        console.print(part)
    return report, console.file.getvalue()


def test_estimates_stand_in_a_table_of_their_own():
    calibrated = some_estimate(kind="traced", processor="gpu", calibration_factor=1.5)
    report, terminal = shown([make_result(estimates=[some_estimate(), calibrated], evidence=Evidence.HOST)])
    assert "Estimates: computed, not measured" in terminal
    line = next(line for line in terminal.splitlines() if "12 ms" in line)
    assert " ".join(line.split()) == "cnn-int8 raspberry-pi-4 20 12 ms 6 ms to 25 ms roofline estimated"
    _, bare = shown([make_result(estimates=[some_estimate(with_tokenizer=False)])])
    assert "without" in bare
    assert "raspberry-pi-4, GPU" in terminal
    assert "instruction trace, calibrated" in terminal
    [row] = to_json_value(report)["sections"][0]["rows"]
    assert [estimate["evidence"] for estimate in row["estimates"]] == ["estimated", "estimated"]
    assert row["estimates"][0]["basis"] == "12 operators | and so on"
    assert row["evidence"] == "host"


def test_no_measured_cell_holds_an_estimate_and_nothing_is_shown_without_one():
    with_estimate, _ = shown([make_result(estimates=[some_estimate(latency_s=77.0)])])
    without, terminal = shown([make_result()])
    cells = [report.sections[0].table.rows[0].cells for report in (with_estimate, without)]
    assert cells[0] == cells[1]
    assert "Estimates" not in terminal


class Fakes:
    """What the phase knows of a variant and a session."""

    def __init__(self, *, tokens=(), tokenize=(), providers=("CPUExecutionProvider",), place=Place()):  # noqa: B008
        self.timings = self
        self.tokens = list(tokens)
        self.text_index = list(range(len(tokens)))
        self.tokenize_s = list(tokenize)
        self.loaded = {"providers": list(providers)}
        self.place = place
        self.progress = Silent()
        self.profile = find_profile("jetson")
        self.plan = self
        self.timed = [0, 1, 2]
        self.texts = ["a", "a much longer text", "a bit longer"]


def test_texts_are_chosen_by_tokens_or_where_nothing_was_timed_by_characters():
    timed = Fakes(tokens=[9, 3, 5, 4, 7])
    assert texts_of(timed, timed) == [2, 0]
    assert texts_of(Fakes(tokens=[4, 4, 4]), timed) == [1]
    untimed = Fakes()
    assert texts_of(untimed, untimed) == [2, 1]


def test_tokenizing_is_the_median_of_texts_of_about_the_length():
    m = Fakes(tokens=[20, 21, 22, 60], tokenize=[1e-6, 2e-6, 3e-6, 9e-6])
    here = {"model": "Cortex-A76", "arch": "aarch64", "clock_hz": 2e9}
    found = tokenizing_of(m, 20, here)
    assert (found.seconds, found.instructions) == (2e-6, 2e9 * instructions_per_cycle("Cortex-A76", "aarch64"))
    assert tokenizing_of(m, 40, here) is None
    assert tokenizing_of(m, 20, {**here, "clock_hz": None}) is None


def test_on_the_board_itself_only_the_processor_that_answered_is_kept():
    board = Place(evidence=Evidence.DEVICE)
    on_gpu = Fakes(providers=["TensorrtExecutionProvider", "CPUExecutionProvider"], place=board)
    on_cpu = Fakes(place=board)
    here = Fakes()
    cpu, gpu = (some_estimate(target="jetson-orin-nano", processor=name) for name in ("cpu", "gpu"))
    assert [ran_there(each, on_gpu, on_gpu) for each in (cpu, gpu)] == [False, True]
    assert [ran_there(each, on_cpu, on_cpu) for each in (cpu, gpu)] == [True, False]
    assert [ran_there(each, here, here) for each in (cpu, gpu)] == [True, True]
    assert ran_there(some_estimate(processor="gpu"), on_cpu, on_cpu)


def test_a_runtime_that_does_not_tell_its_operators_is_said(folder):
    class Torch:
        def __init__(self):
            self.variant = variant_from_bundle(folder / "tiny")
            self.notes, self.extra = [], {}

    m = Torch()
    object.__setattr__(m.variant, "backend", "torch")
    EstimatePhase((find_profile("pi4"),), Calibrations()).run([None], [m], Fakes())
    assert m.notes == ["not estimated: torch does not tell its operators"]
    assert m.extra == {}
