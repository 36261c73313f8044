"""Factors of a user's own board: computed, kept, used, and what is refused."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from edgekd.cli.app import app
from edgekd.errors import ConfigError, EdgekdError, Incomparable, InvalidArtifact
from edgekd.estimate.calibrate import calibrate
from edgekd.estimate.calibration import Calibrations, default_path, read_calibrations, scaled, write_calibrations
from edgekd.gate.job import GateJob
from edgekd.gate.run import run_gate
from edgekd.measurements import Estimate, Moment
from edgekd.progress import Silent
from edgekd.report.estimates import calibration_sentences
from edgekd.results import Evidence, Samples, save_result
from tests.results import make_result


def estimate(**changes):
    facts = {
        "kind": "analytic",
        "target": "raspberry-pi-4",
        "tokens": 20,
        "latency_s": 0.004,
        "low_s": 0.002,
        "high_s": 0.008,
        "basis": "invented",
    }
    return Estimate(**{**facts, **changes})


def timed(seconds, tokens=(19, 20, 20, 21, 22, 60)):
    calls = len(tokens)
    return Samples(
        text_index=list(range(calls)),
        tokens=list(tokens),
        block=[0] * calls,
        total_s=[seconds if count < 30 else 1.0 for count in tokens],
        tokenize_s=[seconds / 10] * calls,
        infer_s=[seconds / 2] * calls,
    )


def on_board(seconds=0.006, **changes):
    facts = {"target": "raspberry-pi-4", "evidence": Evidence.DEVICE, "estimates": [estimate()]}
    return make_result(**{**facts, "samples": timed(seconds), **changes})


def test_one_result_gives_its_ratio_and_a_range_that_one_model_allows():
    [found] = calibrate([on_board(0.006)])
    assert found.factor == pytest.approx(1.5)
    assert found.band == 1.5
    assert (found.target, found.processor, found.kind) == ("raspberry-pi-4", "cpu", "analytic")
    assert found.comparisons[0].measured_s == 0.006  # of five texts of about 20 tokens; the long one does not count


def test_several_results_give_the_median_and_the_farthest_ratio():
    results = [on_board(0.004 * ratio, artifact_hash=str(ratio) * 8) for ratio in (1, 2, 5)]
    [found] = calibrate(results)
    assert found.factor == pytest.approx(2)
    assert found.band == pytest.approx(2.5)
    alike = [on_board(0.004 * ratio, artifact_hash=str(ratio) * 8) for ratio in (1.0, 1.01)]
    assert calibrate(alike)[0].band == 1.25


def test_what_was_scaled_before_is_compared_as_it_was_computed():
    before = estimate(latency_s=0.008, calibration_factor=2.0)
    [found] = calibrate([on_board(0.006, estimates=[before])])
    assert found.factor == pytest.approx(1.5)


def test_targets_kinds_and_processors_are_kept_apart():
    both = [estimate(), estimate(kind="traced", latency_s=0.003), estimate(target="raspberry-pi-5")]
    found = calibrate([on_board(0.006, estimates=both)])
    assert [(c.target, c.kind, round(c.factor, 3)) for c in found] == [
        ("raspberry-pi-4", "analytic", 1.5),
        ("raspberry-pi-4", "traced", 2.0),
    ]


@pytest.mark.parametrize("evidence", [Evidence.HOST, Evidence.EMULATED, Evidence.ESTIMATED])
def test_only_a_board_can_calibrate(evidence):
    with pytest.raises(ConfigError, match=f"has the evidence '{evidence.value}': it was not measured on a board") as no:
        calibrate([on_board(), on_board(evidence=evidence)])
    assert "--on ssh://HOST --estimate" in no.value.hint


def test_a_result_without_an_estimate_of_its_target_is_refused():
    with pytest.raises(Incomparable, match="no estimate for raspberry-pi-4"):
        calibrate([on_board(estimates=[estimate(target="raspberry-pi-5")])])
    with pytest.raises(Incomparable, match="no estimate for raspberry-pi-4"):
        calibrate([on_board(estimates=[estimate(with_tokenizer=False)])])


def test_a_board_that_slowed_down_does_not_calibrate():
    hot = Moment(at_s=1.0, throttled=["under-voltage"])
    with pytest.raises(Incomparable, match="slowed down: under-voltage"):
        calibrate([on_board(machine_over_time=[hot])])


def test_too_few_texts_of_the_length_are_refused():
    with pytest.raises(Incomparable, match="4 timed calls of about 20 tokens, and needs 5"):
        calibrate([on_board(samples=timed(0.006, (18, 19, 20, 22, 60)))])


def test_nothing_to_calibrate_with():
    with pytest.raises(ConfigError, match="no result"):
        calibrate([])


def test_an_estimate_is_scaled_and_says_so():
    calibrations = Calibrations(calibrations=calibrate([on_board(0.006)]))
    found = scaled(estimate(tokens=99, latency_s=0.010), calibrations)
    assert found.latency_s == pytest.approx(0.015)
    assert (found.low_s, found.high_s) == pytest.approx((0.010, 0.0225))
    assert found.calibration_factor == pytest.approx(1.5)
    assert found.basis.endswith("times 1.5 by 1 model on your own board")
    for other in (estimate(target="raspberry-pi-5"), estimate(kind="traced"), estimate(processor="gpu")):
        assert scaled(other, calibrations) == other


def test_a_file_keeps_other_boards_and_replaces_its_own(tmp_path):
    path = tmp_path / "calibration.json"
    other = calibrate([on_board(target="raspberry-pi-5", estimates=[estimate(target="raspberry-pi-5")])])
    write_calibrations(path, Calibrations(calibrations=[*other, *calibrate([on_board(0.006)])]))
    write_calibrations(path, read_calibrations(path).updated(calibrate([on_board(0.012)])))
    kept = read_calibrations(path).calibrations
    assert [(c.target, round(c.factor, 3)) for c in kept] == [("raspberry-pi-4", 3.0), ("raspberry-pi-5", 1.5)]


def test_the_users_own_file_may_be_absent_and_a_given_one_may_not(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKD_CONFIG", str(tmp_path / "settings"))
    assert default_path() == tmp_path / "settings" / "calibration.json"
    assert read_calibrations().calibrations == []
    with pytest.raises(ConfigError, match=r"nowhere.json' does not exist"):
        read_calibrations(tmp_path / "nowhere.json")
    with pytest.raises(ConfigError, match="is a folder"):
        read_calibrations(tmp_path)
    monkeypatch.delenv("EDGEKD_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert default_path() == tmp_path / "xdg" / "edgekd" / "calibration.json"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not valid JSON|cannot be read|JSON"),
        ("[]", "is no calibration"),
        ('{"method": 0, "calibrations": []}', "estimates of method 0"),
        ('{"method": 1, "calibrations": [{"target": "pi4"}]}', r"calibrations\.0\.processor"),
    ],
)
def test_a_damaged_file_is_an_error_with_a_way_out(tmp_path, text, says):
    path = tmp_path / "calibration.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidArtifact, match=says):
        read_calibrations(path)


def test_the_command_writes_the_file_and_says_how_little_it_rests_on(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKD_CONFIG", str(tmp_path))
    save_result(on_board(0.02), tmp_path / "cnn.result.json")
    done = CliRunner().invoke(app, ["calibrate", str(tmp_path / "cnn.result.json")])
    assert done.exit_code == 0, done.output
    words = " ".join(done.stdout.split())
    assert "cnn-int8 20 20.0 ms 4 ms 5.00x" in words
    assert "are multiplied by 5.00; the truth is expected between 1/1.50 and 1.50 times" in words
    assert "was it really a raspberry-pi-4" in words
    assert "rests on one model" in words
    assert read_calibrations().calibrations[0].factor == pytest.approx(5)


def test_the_command_gives_json_and_takes_a_file(tmp_path):
    save_result(on_board(), tmp_path / "cnn.result.json")
    out = tmp_path / "own.json"
    done = CliRunner().invoke(app, ["calibrate", str(tmp_path), "-o", str(out), "--json"])
    assert json.loads(done.stdout)[0]["factor"] == pytest.approx(1.5)
    assert read_calibrations(out).calibrations


def test_three_models_need_no_warning():
    results = [on_board(0.004 * ratio, artifact_hash=str(ratio) * 8) for ratio in (1, 2, 3)]
    assert len(calibration_sentences(calibrate(results)[0])) == 1


def test_the_command_refuses_a_result_of_this_machine(tmp_path):
    save_result(on_board(evidence=Evidence.HOST), tmp_path / "cnn.result.json")
    done = CliRunner().invoke(app, ["calibrate", str(tmp_path), "-o", str(tmp_path / "own.json")])
    assert isinstance(done.exception, EdgekdError)
    assert done.exception.exit_code == 2
    assert not (tmp_path / "own.json").exists()


def test_the_gate_judges_the_same_with_and_without_estimates(tmp_path):
    """An estimate of a thousand seconds beside a measured millisecond changes nothing."""
    reports = []
    for name, found in (("without", []), ("with", [estimate(latency_s=1000.0, low_s=500.0, high_s=2000.0)])):
        path = tmp_path / name / "cnn.result.json"
        save_result(make_result(target="raspberry-pi-4", estimates=found), path)
        job = GateJob(candidate=path, rules=("p95<5ms", "size<25MB"))
        reports.append(run_gate(job, Silent()))
    without, with_estimates = (report.model_dump(exclude={"created_at", "candidate"}) for report in reports)
    assert len(without["rules"]) == 2
    assert without == with_estimates
