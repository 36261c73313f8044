"""``edgekd gate`` from end to end, on tiny real bundles."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from edgekd.bench.machine import describe_machine
from edgekd.bundle import load_bundle
from edgekd.cli.app import app
from edgekd.data.evaluation import read_evaluation
from edgekd.errors import ConfigError, DataError, Incomparable, InvalidArtifact
from edgekd.results import Quality, save_result
from edgekd.tasks import Task, TaskKind
from tests.bundles import make_bundle
from tests.results import make_machine, make_result, make_samples
from tests.toys import write_csv

pytestmark = pytest.mark.timing
LABELS = ("negative", "positive")


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


def gate(*arguments, **env):
    if "--max-seconds" not in arguments:
        arguments = (*arguments, "--max-seconds", "30")
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


def rules(*texts):
    return [part for text in texts for part in ("--fail-if", text)]


@pytest.mark.slow
def test_the_same_model_passes_and_leaves_its_samples(world, tmp_path):
    out, junit, markdown = tmp_path / "o" / "gate.json", tmp_path / "j.xml", tmp_path / "m.md"
    files = ["--out", out, "--junit", junit, "--markdown", markdown]
    result = pair(world, "new", *rules("p50>40%", "accuracy<-1pt", "agreement<0.99", "size>5%"), *files)
    assert result.exit_code == 0, result.output
    assert "PASS: all 4 rules hold." in result.stdout
    assert "same label on 100.0 %" in result.stdout
    report = json.loads(out.read_text())
    assert report["verdict"] == "pass"
    assert len(report["paired"]) >= 4
    for number, process in enumerate(report["paired"]):
        assert process["created_first"] == number % 2
        assert len(process["seconds"][0]) == len(process["seconds"][1]) == len(process["text_index"]) >= 50
    assert ET.fromstring(junit.read_text()).get("tests") == "4"
    assert markdown.read_text().startswith("## edgekd gate: PASS")


@pytest.mark.slow
def test_a_slower_model_fails(world, tmp_path):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    result = pair(world, "slow", *rules("p50>10%", "size>1GB"), "--json", GITHUB_STEP_SUMMARY=str(summary))
    assert result.exit_code == 1, result.output
    document = json.loads(result.stdout)
    assert [rule["outcome"] for rule in document["rules"]] == ["fail", "pass"]
    assert document["rules"][0]["low"] > 0.1
    assert "paired" not in document
    assert summary.read_text().startswith("before\n## edgekd gate: FAIL")


@pytest.mark.slow
def test_a_self_test_needs_no_baseline(world):
    result = gate(world / "old", "--self-test", "--data", world / "data.csv", *rules("p50>40%", "size>1MB"))
    assert result.exit_code == 0, result.output
    assert "PASS: this machine can judge p50>40%." in result.stdout


@pytest.mark.slow
def test_a_self_test_refuses_a_limit_that_is_too_fine(world):
    result = gate(world / "old", "--self-test", "--data", world / "data.csv", *rules("p50>0.01%"), "--max-seconds", "6")
    assert result.exit_code == 3, result.output
    assert "the same files differ from themselves by more than the limit" in result.stdout


@pytest.mark.slow
def test_absolute_limits_need_no_baseline(world):
    data = ["--data", world / "data.csv"]
    result = gate(world / "old", *data, *rules("p50>1s", "accuracy<0.9", "peak_rss>4GB", "load_time>60s", "size>1GB"))
    assert result.exit_code == 0, result.output


def test_size_alone_runs_nothing_and_needs_no_texts(world):
    result = gate(world / "slow", "--baseline", world / "old", *rules("size>1B", "size>+1B"), "--json")
    assert result.exit_code == 1, result.output
    document = json.loads(result.stdout)
    assert document["texts"] == 0
    assert document["rules"][1]["value"] == document["candidate"]["size_bytes"] - document["baseline"]["size_bytes"]


def test_texts_of_the_run_folder_are_found(tmp_path):
    pytest.importorskip("onnx")
    bundle = tmp_path / "run" / "bundles" / "cpu" / "tiny"
    make_bundle(bundle)
    (tmp_path / "run" / "data").mkdir()
    lines = ['{"text": "great fun", "label": "positive"}', '{"text": "awful", "label": "negative"}']
    (tmp_path / "run" / "data" / "test.jsonl").write_text("\n".join(lines) + "\n")
    result = gate(bundle, *rules("accuracy<0.99"), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["data_name"] == "test.jsonl"


@pytest.mark.parametrize(
    ("arguments", "error", "parts"),
    [
        (["new", "--fail-if", "p95<5%"], ConfigError, ['Rule "p95<5%"', 'Write "p95>5%"']),
        (["new"], ConfigError, ["default rules compare with a baseline", "p95>5%, accuracy<-1pt, size>5%"]),
        (["new", "--fail-if", "p95>5%"], ConfigError, ["These rules compare with a baseline"]),
        (["new", "--fail-if", "p95>1s"], ConfigError, ["no texts to measure with", "RUN/data/test.jsonl"]),
        (["nowhere", "--fail-if", "size>1B"], ConfigError, ["candidate must be a bundle folder", "does not exist"]),
        (["data.csv", "--fail-if", "size>1B"], ConfigError, ["candidate must be a bundle folder", "is not one"]),
        (["new", "--fail-if", "size>1B", "--target", "pi9"], ConfigError, ["Unknown target 'pi9'", "cpu"]),
        (["other", "-b", "old", "--fail-if", "size>1B"], Incomparable, ["labels differ", "ham, spam", "negative"]),
        (["other", "--fail-if", "accuracy<0.5", "--data", "data.csv"], DataError, ["ham", "spam"]),
        (["new", "--fail-if", "size>1B", "--out", "."], ConfigError, ["is a folder"]),
        (["new", "--fail-if", "size>1B", "--out", "x", "--junit", "x"], ConfigError, ["different files"]),
    ],
)
def test_wrong_use_is_explained(world, monkeypatch, arguments, error, parts):
    monkeypatch.chdir(world)
    result = gate(*arguments)
    assert isinstance(result.exception, error), result.output
    for part in parts:
        assert part in result.exception.message
    assert result.exception.exit_code == (3 if error is Incomparable else 2)


def test_a_damaged_bundle_is_invalid_and_ci_can_read_why(world, tmp_path):
    pytest.importorskip("onnx")
    make_bundle(tmp_path / "broken")
    with (tmp_path / "broken" / "model.onnx").open("ab") as stream:
        stream.write(b"x")
    junit, markdown = tmp_path / "j.xml", tmp_path / "m.md"
    result = gate(tmp_path / "broken", *rules("size>1B"), "--junit", junit, "--markdown", markdown)
    assert isinstance(result.exception, InvalidArtifact)
    assert "damaged" in ET.fromstring(junit.read_text()).find(".//error").get("message")
    assert "## edgekd gate: INVALID" in markdown.read_text()


def test_a_model_that_does_not_load_is_named(world, tmp_path):
    make_bundle(tmp_path / "broken")
    bundle = load_bundle(tmp_path / "broken")
    (bundle.folder / "model.onnx").write_bytes(b"no graph")
    from edgekd.bundle import write_manifest

    write_manifest(bundle.folder, bundle.manifest)
    result = gate(tmp_path / "broken", *rules("accuracy<0.5"), "--data", world / "data.csv")
    assert isinstance(result.exception, InvalidArtifact)
    assert str(tmp_path / "broken") in result.exception.message
    assert "exit code 3" in result.exception.message


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
    ("changes", "parts"),
    [
        (
            {"machine": make_machine(fingerprint="somewhere-else")},
            ["machine fingerprint: baseline somewhere-else, candidate "],
        ),
        ({"target": "raspberry-pi-4"}, ["target: baseline raspberry-pi-4, candidate cpu"]),
        ({"threads": 4}, ["threads: baseline 4, candidate 1"]),
        ({"data_hash": "d" * 64}, ["data: baseline ddd"]),
    ],
)
def test_a_result_from_other_conditions_is_refused(world, tmp_path, changes, parts):
    baseline = stored(world, tmp_path / "base.result.json", **changes)
    result = gate(
        world / "new", "--baseline", baseline, "--data", world / "data.csv", "--target", "cpu", *rules("p50>5%")
    )
    assert isinstance(result.exception, Incomparable), result.output
    for part in parts:
        assert part in result.exception.message
    assert "bundle folder" in result.exception.hint
    assert result.exception.exit_code == 3


@pytest.mark.slow
def test_a_result_whose_bundle_is_still_there_is_measured_now(world, tmp_path):
    bundle = load_bundle(world / "old")
    baseline = stored(
        world, tmp_path / "base.result.json", artifact=str(world / "old"), artifact_hash=bundle.artifact_hash
    )
    arguments = ["--baseline", baseline, "--data", world / "data.csv", *rules("p50>40%", "accuracy<-1pt")]
    result = gate(world / "new", *arguments)
    assert result.exit_code == 0, result.output
    assert "bundle is still where its result says" in result.stdout


@pytest.mark.slow
def test_a_result_without_its_bundle_allows_for_drift(world, tmp_path):
    baseline = stored(world, tmp_path / "base.result.json", p50_s=50.0)
    arguments = ["--baseline", baseline, "--data", world / "data.csv", *rules("p50>5%", "accuracy<-1pt"), "--json"]
    result = gate(world / "new", *arguments)
    assert result.exit_code == 0, result.output  # the stored baseline took 50 s a text
    latency = json.loads(result.stdout)["rules"][0]
    assert latency["method"].startswith("not in turns")


def two_results(world, tmp_path, **changes):
    one = stored(world, tmp_path / "one.result.json", samples=make_samples(blocks=40), size_bytes=1000)
    facts = {"samples": make_samples(blocks=40, seed=1), "size_bytes": 1000}
    other = stored(world, tmp_path / "two.result.json", **(facts | changes))
    return gate(other, "--baseline", one, *rules("p50>10%", "size>5%", "accuracy<-1pt", "peak_rss>5%"), "--json")


def test_two_results_of_one_session_are_judged_without_measuring(world, tmp_path):
    result = two_results(world, tmp_path)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["candidate"]["source"] == "result"
    assert document["rules"][0]["method"].startswith("in turns")


def test_two_results_of_which_one_is_slower(world, tmp_path):
    result = two_results(world, tmp_path, samples=make_samples(p50_s=0.001, blocks=40, seed=1))
    assert result.exit_code == 1, result.output


def test_what_cannot_be_told_is_no_pass(world, tmp_path):
    one = stored(world, tmp_path / "one.result.json")
    other = stored(world, tmp_path / "two.result.json", session="s2")
    result = gate(other, "--baseline", one, *rules("p50>1%"))
    assert result.exit_code == 3, result.output
    assert "CANNOT TELL: p50>1% (1 of 1 rule). This is not a pass." in result.stdout
    assert "Give the baseline's bundle folder instead of its result" in result.stdout


def test_two_results_of_different_sessions_cannot_be_told_apart_finely(world, tmp_path):
    result = two_results(world, tmp_path, session="s2")
    assert result.exit_code == 3, result.output
    assert "take turns" in json.loads(result.stdout)["rules"][0]["problem"]


def test_a_self_test_of_a_result_is_refused(world, tmp_path):
    result = gate(stored(world, tmp_path / "a.result.json"), "--self-test")
    assert isinstance(result.exception, ConfigError)
    assert "--self-test measures a bundle" in result.exception.message
