"""``edgekd gate`` from end to end, on tiny real bundles."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from typer.testing import CliRunner

from edgekd.bench.machine import describe_machine
from edgekd.bundle import load_bundle
from edgekd.cli.app import app
from edgekd.data.evaluation import read_evaluation
from edgekd.errors import ConfigError, DataError
from edgekd.gate.records import ProcessSamples
from edgekd.results import Quality, save_result
from edgekd.tasks import Task, TaskKind
from tests.bundles import make_bundle
from tests.results import make_machine, make_memory, make_result, make_samples
from tests.toys import write_csv

pytestmark = pytest.mark.timing
LABELS = ("negative", "positive")
OWN = ["--no-profile-budgets"]


def rules(*texts):
    return [part for text in texts for part in ("--require", text)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A baseline, the same again, one that is slower, one with other labels, and texts."""
    pytest.importorskip("onnx")
    root = tmp_path_factory.mktemp("gate")
    make_bundle(root / "old", name="old")
    make_bundle(root / "new", name="new")
    make_bundle(root / "slow", name="slow", slow_factor=2.0)
    make_bundle(root / "other", name="other", labels=("ham", "spam"))
    write_csv(root / "data.csv", count=200)
    return root


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """Nothing is found in the working folder unless a test puts it there."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def gate(*arguments, **env):
    if "--max-seconds" not in arguments:
        arguments = (*arguments, "--max-seconds", "20")
    environment = {"COLUMNS": "200", "GITHUB_STEP_SUMMARY": "", **env}
    return CliRunner().invoke(app, ["gate", *map(str, arguments)], env=environment)


def pair(world, candidate, *arguments, **env):
    return gate(
        world / candidate,
        "--baseline",
        world / "old",
        "--data",
        world / "data.csv",
        "--target",
        "cpu",
        *arguments,
        **env,
    )


@pytest.mark.slow
def test_the_same_model_passes_and_leaves_its_samples(world, tmp_path):
    out, junit, markdown = tmp_path / "o" / "gate.json", tmp_path / "j.xml", tmp_path / "m.md"
    files = ["--out", out, "--junit", junit, "--markdown", markdown]
    result = pair(world, "new", *rules("p50<40%", "accuracy>-1pt", "agreement>0.99", "size<+5%"), *files)
    assert result.exit_code == 0, result.output
    assert "PASS: all 4 rules hold." in result.stdout
    assert "same label on 100.0 %" in result.stdout
    document = json.loads(out.read_text())
    [report] = document["gates"]
    assert (document["schema_version"], document["verdict"], report["verdict"]) == (2, "pass", "pass")
    assert {rule["origin"] for rule in report["rules"]} == {"flag"}
    assert len(report["paired"]) >= 4
    for number, process in enumerate(report["paired"]):
        assert process["created_first"] == number % 2
        assert len(process["seconds"][0]) == len(process["seconds"][1]) == len(process["text_index"]) >= 50
    assert ET.fromstring(junit.read_text()).find("testsuite").get("tests") == "4"
    assert markdown.read_text().startswith("## edgekd gate: PASS")


@pytest.mark.slow
def test_a_slower_model_fails(world, tmp_path):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    result = pair(world, "slow", *rules("p50<+10%", "size<1GB"), "--json", GITHUB_STEP_SUMMARY=str(summary))
    assert result.exit_code == 1, result.output
    document = json.loads(result.stdout)
    [report] = document["gates"]
    judged = [(rule["rule"], rule["origin"], rule["outcome"]) for rule in report["rules"]]
    assert judged == [
        ("p50<+10%", "flag", "fail"),
        ("size<1GB", "flag", "pass"),
        ("accuracy>=-10pt", "profile", "pass"),
    ]
    assert report["rules"][0]["low"] > 0.1
    assert "paired" not in report
    assert summary.read_text().startswith("before\n## edgekd gate: FAIL")


@pytest.mark.slow
def test_a_self_test_needs_no_baseline(world):
    result = gate(world / "old", "--self-test", "--data", world / "data.csv", *rules("p50<+40%", "size<1MB"))
    assert result.exit_code == 0, result.output
    assert "PASS: this machine can judge p50<+40%." in result.stdout


@pytest.mark.slow
def test_a_self_test_refuses_a_limit_that_is_too_fine(world):
    result = gate(
        world / "old", "--self-test", "--data", world / "data.csv", *rules("p50<+0.01%"), "--max-seconds", "6"
    )
    assert result.exit_code == 3, result.output
    assert "this machine is too noisy for this limit" in result.stdout


@pytest.mark.slow
def test_absolute_limits_need_no_baseline(world):
    data = ["--data", world / "data.csv"]
    result = gate(world / "old", *data, *rules("p50<1s", "accuracy>0.9", "peak_rss<4GB", "load_time<60s", "size<1GB"))
    assert result.exit_code == 0, result.output


def test_size_alone_runs_nothing_and_needs_no_texts(world):
    result = gate(world / "slow", "--baseline", world / "old", *rules("size<1B", "size<+1B"), *OWN, "--json")
    assert result.exit_code == 1, result.output
    [report] = json.loads(result.stdout)["gates"]
    assert report["texts"] == 0
    assert report["rules"][1]["value"] == report["candidate"]["size_bytes"] - report["baseline"]["size_bytes"]
    assert "Measured on this host" not in str(report["notes"])


def test_texts_of_the_run_folder_are_found(tmp_path):
    pytest.importorskip("onnx")
    bundle = tmp_path / "run" / "bundles" / "cpu" / "tiny"
    make_bundle(bundle)
    (tmp_path / "run" / "data").mkdir()
    lines = ['{"text": "great fun", "label": "positive"}', '{"text": "awful", "label": "negative"}']
    (tmp_path / "run" / "data" / "test.jsonl").write_text("\n".join(lines) + "\n")
    result = gate(bundle, *rules("accuracy>0.99"), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["gates"][0]["data_name"] == "test.jsonl"


@pytest.mark.parametrize(
    ("arguments", "error", "parts"),
    [
        ([], ConfigError, ["no CANDIDATE is given, and there is no 'edgekd.gate.yaml' here"]),
        (["new", *rules("p95>5%")], ConfigError, ['Rule "p95>5%"', 'Write "p95<+5%"']),
        (["new", *rules("size<2ms")], ConfigError, ["size cannot have unit 'ms'. Allowed: B, KB"]),
        (["new"], ConfigError, ["no rule is required, no baseline is given", "cpu has no absolute budget"]),
        (["new", *rules("p95<+5%")], ConfigError, ["These rules compare with a baseline"]),
        (["new", *rules("p95<1s")], ConfigError, ["no texts to measure with", "RUN/data/test.jsonl"]),
        (["new", *rules("p95<1s"), "--data", "no.csv"], DataError, ["'no.csv' does not exist"]),
        (["new", *rules("p95<1s"), "--data", "bare.csv"], DataError, ["no label column", "Columns: 'text'"]),
        (["nowhere", *rules("size<1B")], ConfigError, ["candidate must be a bundle folder", "does not exist"]),
        (["data.csv", *rules("size<1B")], ConfigError, ["candidate must be a bundle folder", "is not one"]),
        (["new", *rules("size<1B"), "--target", "pi9"], ConfigError, ["Unknown target 'pi9'", "cpu"]),
        (["other", *rules("accuracy>0.5"), "--data", "data.csv"], DataError, ["ham", "spam"]),
        (["new", *rules("size<1B"), "--out", "."], ConfigError, ["is a folder"]),
        (["new", *rules("size<1B"), "--out", "x", "--junit", "x"], ConfigError, ["different files"]),
    ],
)
def test_wrong_use_is_explained(world, monkeypatch, arguments, error, parts):
    monkeypatch.chdir(world)
    (world / "bare.csv").write_text("text\nfine\n")
    result = gate(*arguments)
    assert isinstance(result.exception, error), result.output
    for part in parts:
        assert part in result.exception.message
    assert result.exception.exit_code == 2


def test_budgets_that_need_texts_can_be_left_out(world):
    result = gate(world / "new", "-b", world / "old", *rules("size<1B"))
    assert result.exception.hint.endswith("(accuracy>=-10pt); --no-profile-budgets leaves those out.")


@pytest.fixture
def damaged(tmp_path):
    make_bundle(tmp_path / "damaged")
    with (tmp_path / "damaged" / "model.onnx").open("ab") as stream:
        stream.write(b"x")
    return tmp_path / "damaged"


def test_what_cannot_be_opened_is_invalid_and_ci_can_read_why(world, damaged, tmp_path):
    out, junit, markdown = tmp_path / "o.json", tmp_path / "j.xml", tmp_path / "m.md"
    result = gate(damaged, *rules("size<1B"), "--out", out, "--junit", junit, "--markdown", markdown)
    assert result.exit_code == 3, result.output
    assert "INVALID" in result.stdout
    assert "damaged" in result.stdout
    document = json.loads(out.read_text())
    assert (document["verdict"], document["gates"][0]["rules"]) == ("invalid", [])
    assert "damaged" in ET.fromstring(junit.read_text()).find(".//error").get("message")
    assert "INVALID" in markdown.read_text()
    result = gate(world / "other", "-b", world / "old", *rules("size<1B"), *OWN)
    assert result.exit_code == 3, result.output
    assert "The labels differ: baseline 'old' has negative, positive; candidate 'other' has ham, spam" in result.stdout


def test_a_model_that_does_not_load_is_named(world, tmp_path):
    make_bundle(tmp_path / "broken")
    bundle = load_bundle(tmp_path / "broken")
    (bundle.folder / "model.onnx").write_bytes(b"no graph")
    from edgekd.bundle import write_manifest

    write_manifest(bundle.folder, bundle.manifest)
    result = gate(tmp_path / "broken", *rules("accuracy>0.5"), "--data", world / "data.csv")
    assert result.exit_code == 3, result.output
    assert f"'{tmp_path / 'broken'}'" in result.stdout
    assert "exit code 3" in result.stdout


# Several targets, from a file


def test_a_file_names_targets_and_the_worst_decides(world, damaged, tmp_path):
    packed = tmp_path / "old.tar.gz"
    assert CliRunner().invoke(app, ["bundle", "pack", str(world / "old"), "--out", str(packed)]).exit_code == 0
    targets = {
        "cpu": {"candidate": str(world / "new"), "baseline": packed.name, "require": ["size<=+0%"], "budgets": "none"},
        "pi4": {"candidate": str(world / "slow"), "require": "size<1B", "budgets": "none"},
        "pi5": {"candidate": damaged.name, "require": ["size<1B"]},
        "pi3": None,
    }
    config = tmp_path / "edgekd.gate.yaml"
    config.write_text(yaml.safe_dump({"targets": targets}))
    result = gate("-c", config, "--out", "run.json")
    assert result.exit_code == 1, result.output
    last = "FAIL over 3 targets. invalid: raspberry-pi-5; FAIL: raspberry-pi-4; pass: cpu."
    assert result.stdout.strip().endswith(last)
    document = json.loads(Path("run.json").read_text())
    assert [report["verdict"] for report in document["gates"]] == ["pass", "fail", "invalid"]
    assert document["gates"][0]["rules"][0]["origin"] == "file"
    result = gate("-c", config, "-t", "raspberry-pi-5", "-t", "cpu")
    assert result.exit_code == 3, result.output
    result = gate("-c", config, "-t", "pi4", "--report-only", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["verdict"] == "fail"
    assert "REPORT ONLY" in gate("-c", config, "-t", "pi4", "--report-only").stdout
    result = gate(world / "new", "-c", config, "-t", "pi4", *rules("size<1GB"))  # a flag wins
    assert (result.exit_code, "PASS: the rule holds." in result.stdout) == (0, True), result.output


def test_the_newest_baseline_of_the_repository_is_taken(world):
    make_bundle(Path("older"), name="old", slow_factor=2.0)
    for bundle in (Path("older"), world / "old"):
        done = CliRunner().invoke(app, ["baseline", "set", str(bundle), "--no-commit"])
        assert done.exit_code == 0, (done.output, done.exception)
    result = gate("older", *rules("size<=+0%"), *OWN)
    assert result.exit_code == 1, (result.output, result.exception)
    assert "the newest of old for cpu is benchmarks/baselines/cpu/2-nogit.json." in result.stdout
    result = gate("older", "-b", "benchmarks/baselines/cpu/1-nogit.json", *rules("size<=+0%"), *OWN)
    assert result.exit_code == 0, (result.output, result.exception)


# Stored results


def stored(world, path, **changes):
    examples = read_evaluation(str(world / "data.csv"), Task(TaskKind.SINGLE_LABEL, LABELS))
    facts = {
        "variant": path.name.split(".")[0],
        "machine": describe_machine(),
        "data_hash": examples.hash(),
        "artifact": "gone",
        "quality": Quality(labels=list(LABELS), targets=examples.targets, predictions=examples.targets),
    }
    save_result(make_result(**(facts | changes)), path)
    return path


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        (
            {"machine": make_machine(fingerprint="somewhere-else")},
            "measured on another machine: Toy CPU 9000 (fingerprint somewhere-else), the candidate on ",
        ),
        ({"target": "raspberry-pi-4"}, "another target: baseline raspberry-pi-4, candidate cpu"),
        ({"threads": 4}, "another number of threads: baseline 4, candidate 1"),
        ({"data_hash": "d" * 64}, "another data set: baseline ddd"),
    ],
)
def test_a_result_from_other_conditions_is_refused(world, tmp_path, changes, part):
    baseline = stored(world, tmp_path / "base.result.json", **changes)
    result = gate(world / "new", "-b", baseline, "--data", world / "data.csv", "--target", "cpu", *rules("p50<5%"))
    assert result.exit_code == 3, result.output
    assert part in result.stdout
    assert "Keep the baseline's bundle folder" in result.stdout


def test_a_result_that_cannot_be_read_or_lacks_a_metric_says_so(world, tmp_path):
    whole = stored(world, tmp_path / "whole.result.json")
    text = whole.read_text()
    cases = {
        "cut": (text[: len(text) // 2], ["is not valid JSON", "cut off"]),
        "newer": (json.dumps(json.loads(text) | {"schema_version": 99}), ["schema 99", "Update edgekd"]),
    }
    for name, (content, parts) in cases.items():
        (tmp_path / f"{name}.result.json").write_text(content)
        result = gate(whole, "-b", tmp_path / f"{name}.result.json", *rules("size<2GB"))
        assert result.exit_code == 3, result.output
        assert all(part in result.stdout for part in parts), result.stdout
    memory = make_memory().model_copy(update={"peak_rss_bytes": None})
    bare = stored(world, tmp_path / "bare.result.json", memory=memory)
    result = gate(bare, "-b", whole, *rules("peak_rss<+5%", "peak_rss<1GB", "instructions<+1%"), *OWN)
    assert result.exit_code == 3, result.output
    assert result.stdout.count("measured nothing, because the result of the candidate has no peak_rss") == 2
    assert "counts of result files are not compared" in result.stdout


@pytest.mark.slow
def test_a_result_whose_bundle_is_still_there_is_measured_now(world, tmp_path):
    bundle = load_bundle(world / "old")
    baseline = stored(
        world, tmp_path / "base.result.json", artifact=str(world / "old"), artifact_hash=bundle.artifact_hash
    )
    arguments = ["--baseline", baseline, "--data", world / "data.csv", *rules("p50<+40%", "accuracy>-1pt")]
    result = gate(world / "new", *arguments)
    assert result.exit_code == 0, result.output
    assert "bundle is still where its result says" in result.stdout


@pytest.mark.slow
def test_a_result_without_its_bundle_allows_for_drift(world, tmp_path):
    baseline = stored(world, tmp_path / "base.result.json", p50_s=50.0)
    arguments = ["--baseline", baseline, "--data", world / "data.csv", *rules("p50<+5%", "accuracy>-1pt"), "--json"]
    result = gate(world / "new", *arguments)
    assert result.exit_code == 0, result.output  # the stored baseline took 50 s a text
    latency = json.loads(result.stdout)["gates"][0]["rules"][0]
    assert latency["method"].startswith("not in turns")


def two_results(world, tmp_path, **changes):
    one = stored(world, tmp_path / "one.result.json", samples=make_samples(blocks=40), size_bytes=1000)
    facts = {"samples": make_samples(blocks=40, seed=1), "size_bytes": 1000}
    other = stored(world, tmp_path / "two.result.json", **(facts | changes))
    return gate(other, "--baseline", one, *rules("p50<+10%", "size<+5%", "accuracy>-1pt", "peak_rss<+5%"), "--json")


def test_two_results_of_one_session_are_judged_without_measuring(world, tmp_path):
    result = two_results(world, tmp_path)
    assert result.exit_code == 0, result.output
    [report] = json.loads(result.stdout)["gates"]
    assert report["candidate"]["source"] == "result"
    assert report["rules"][0]["method"].startswith("in turns")


def test_two_results_of_which_one_is_slower(world, tmp_path):
    result = two_results(world, tmp_path, samples=make_samples(p50_s=0.001, blocks=40, seed=1))
    assert result.exit_code == 1, result.output


def test_what_cannot_be_told_is_no_pass(world, tmp_path):
    one = stored(world, tmp_path / "one.result.json")
    other = stored(world, tmp_path / "two.result.json", session="s2")
    result = gate(other, "--baseline", one, *rules("p50<+1%"))
    assert result.exit_code == 3, result.output
    assert "CANNOT TELL: p50<+1% (1 of 2 rules). This is not a pass." in result.stdout
    assert "Give the baseline's bundle folder instead of its result" in result.stdout


def test_two_results_of_different_sessions_cannot_be_told_apart_finely(world, tmp_path):
    result = two_results(world, tmp_path, session="s2")
    assert result.exit_code == 3, result.output
    assert "take turns" in json.loads(result.stdout)["gates"][0]["rules"][0]["problem"]


def test_a_self_test_of_a_result_is_refused(world, tmp_path):
    result = gate(stored(world, tmp_path / "a.result.json"), "--self-test")
    assert isinstance(result.exception, ConfigError)
    assert "--self-test measures a bundle" in result.exception.message


def test_samples_outlive_a_decision_that_crashes(world, tmp_path, monkeypatch):
    samples = ProcessSamples(text_index=[0], round=[0], first_side=[0], seconds=[[0.1], [0.2]])

    def measure(setup, lab, comparison, progress, measured):
        measured("paired", [samples])
        raise RuntimeError("killed")

    monkeypatch.setattr("edgekd.gate.run.measure_latency", measure)
    out = tmp_path / "run.json"
    out.write_text('{"verdict": "pass"}')  # of an earlier run
    result = gate(stored(world, tmp_path / "a.result.json"), *rules("p50<1s"), "--out", out)
    assert isinstance(result.exception, RuntimeError)
    document = json.loads(out.read_text())
    assert (document["verdict"], document["gates"][0]["verdict"]) == ("invalid", "invalid")
    assert document["gates"][0]["problem"] == "the run ended before this was judged"
    assert document["gates"][0]["paired"] == [samples.model_dump()]
