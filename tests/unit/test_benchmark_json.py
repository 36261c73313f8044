"""Files of pytest-benchmark: reading them, comparing them, gating them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from edgekd.analysis.benchmark_changes import Unknown, change_of, compare_benchmarks, value_of
from edgekd.analysis.benchmark_json import Facts, TimedTest, is_benchmark_json, load_benchmark_json
from edgekd.analysis.benchmark_pairing import check_same_machine, labels_of
from edgekd.analysis.change import Verdict
from edgekd.cli.app import app
from edgekd.errors import ConfigError, DataError, Incomparable, InvalidArtifact
from edgekd.gate.benchmark_json import judge_benchmarks
from edgekd.gate.job import GateJob
from edgekd.gate.records import Outcome
from edgekd.gate.sides import open_side

FACTS = {"variant": "bag-int8", "target": "cpu", "machine": "m" * 16, "evidence": "host", "threads": 1}
MACHINE = {
    "node": "runner-1",
    "machine": "x86_64",
    "system": "Linux",
    "python_implementation": "CPython",
    "python_version": "3.11.7",
    "cpu": {"brand_raw": "Some CPU", "count": 2},
}


def times(count=600, scale=1e-3, seed=0):
    return (scale * np.random.default_rng(seed).lognormal(0.0, 0.1, count)).tolist()


def entry(name="test_latency[bag-int8]", data=None, *, iterations=1, keep=True, facts=FACTS):
    data = times() if data is None else data
    low, high = np.quantile(data, [0.25, 0.75])
    stats = {"median": float(np.median(data)), "iqr": float(high - low), "rounds": len(data), "iterations": iterations}
    return {
        "fullname": f"benchmarks/test_bundles.py::{name}",
        "name": name,
        "extra_info": {"edgekd": facts} if facts else {},
        "stats": {**stats, **({"data": data} if keep else {})},
    }


@pytest.fixture
def write(tmp_path):
    def write_file(name, *tests, machine=MACHINE, version="5.3.1", **fields):
        content = {"machine_info": machine, "benchmarks": list(tests), "version": version, "datetime": "", **fields}
        path = tmp_path / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write_file


def timed(data=None, **fields):
    data = times() if data is None else data
    low, high = np.quantile(data, [0.25, 0.75])
    values = {"median_s": float(np.median(data)), "iqr_s": float(high - low), "rounds": len(data), "iterations": 1}
    return TimedTest(**{"name": "t", **values, "seconds": tuple(data), "facts": Facts(), **fields})


def test_a_file_is_read_with_its_machine_and_what_the_plugin_said(write):
    found = load_benchmark_json(write("a.json", entry(), entry("test_other", facts=None, iterations=7)))
    one, other = found.tests.values()
    assert one.seconds == tuple(times())
    assert (one.facts.variant, one.facts.threads, one.iterations) == ("bag-int8", 1, 1)
    assert (other.facts.machine, other.iterations) == ("", 7)
    assert found.machine["processor"] == "Some CPU"
    assert found.machine["python"] == "CPython 3.11"
    assert found.warnings == []


def test_an_old_file_calls_the_processor_brand_and_has_no_times_of_rounds(write):
    machine = {**MACHINE, "cpu": {"brand": "Old CPU"}}
    found = load_benchmark_json(write("a.json", entry(keep=False), machine=machine, version="3.2.3"))
    assert found.machine["processor"] == "Old CPU"
    assert next(iter(found.tests.values())).seconds is None


def test_a_newer_file_that_has_what_is_needed_is_read_with_a_warning(write):
    [warning] = load_benchmark_json(write("a.json", entry(), version="6.0.0")).warnings
    assert "6.0.0" in warning


def damage(content):
    content["benchmarks"][0]["stats"]["median"] = -1


def rename(content):
    content["benchmarks"][0]["statistics"] = content["benchmarks"][0].pop("stats")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda text: "", DataError, "is empty"),
        (lambda text: text[: len(text) // 2], InvalidArtifact, "is not valid JSON"),
        (lambda text: "[1, 2]", DataError, "no file of pytest-benchmark"),
        (lambda text: '{"schema_version": 3}', DataError, "it has schema_version"),
        (lambda text: json.dumps({**json.loads(text), "benchmarks": []}), InvalidArtifact, "holds no benchmark"),
        (lambda text: edit(text, damage), InvalidArtifact, "damaged .*benchmarks.0.stats.median"),
        (lambda text: edit(text, rename, version="7.1"), InvalidArtifact, "7.1, which is newer than this edgekd knows"),
        (lambda text: text.replace('"threads": 1', '"threads": "many"'), InvalidArtifact, "extra_info.edgekd.threads"),
    ],
)
def test_what_cannot_be_read_is_said(write, change, error, words):
    path = write("a.json", entry())
    path.write_text(change(path.read_text()))
    with pytest.raises(error, match=words):
        load_benchmark_json(path)


def edit(text, change, **fields):
    content = {**json.loads(text), **fields}
    change(content)
    return json.dumps(content)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InvalidArtifact, match="does not exist"):
        load_benchmark_json(tmp_path / "none.json")


def test_the_kind_of_a_file_is_told_from_its_beginning(write, tmp_path):
    path = write("a.json", entry())
    assert is_benchmark_json(path)
    truncated = tmp_path / "b.json"
    truncated.write_text(path.read_text()[:200])
    assert is_benchmark_json(truncated)
    result = tmp_path / "a.result.json"
    result.write_text(path.read_text())
    assert not is_benchmark_json(result)
    empty = tmp_path / "d.json"
    empty.touch()
    assert is_benchmark_json(empty)
    other = tmp_path / "c.json"
    other.write_text('{"schema_version": 1}')
    assert not is_benchmark_json(other)
    assert not is_benchmark_json(tmp_path)


def test_tests_are_called_without_their_file_unless_two_are_called_alike(write):
    one = load_benchmark_json(write("a.json", entry("test_a"), entry("test_b")))
    assert list(labels_of(one).values()) == ["test_a", "test_b"]
    other = entry("test_a")
    other["fullname"] = "elsewhere.py::test_a"
    two = load_benchmark_json(write("b.json", entry("test_a"), other))
    assert list(labels_of(two).values()) == ["benchmarks/test_bundles.py::test_a", "elsewhere.py::test_a"]


@pytest.mark.parametrize(
    ("facts", "machine", "words"),
    [
        (FACTS, {**MACHINE, "node": "runner-2"}, None),  # a CI runner has another name every time
        ({**FACTS, "machine": "n" * 16}, MACHINE, "machine fingerprint: mmmmmmmm and nnnnnnnn"),
        (FACTS, {**MACHINE, "python_version": "3.12.1"}, "python: CPython 3.11 and CPython 3.12"),
        (None, {**MACHINE, "node": "runner-2"}, "host: runner-1 and runner-2"),
        (None, {**MACHINE, "cpu": {"brand_raw": "Other", "count": 2}}, "processor: Some CPU and Other"),
        (None, {}, "does not say where it was measured"),
    ],
)
def test_files_of_different_machines_are_refused(write, facts, machine, words):
    before = load_benchmark_json(write("a.json", entry()))
    after = load_benchmark_json(write("b.json", entry(facts=facts), machine=machine))
    if words is None:
        check_same_machine(before, after)
        return
    with pytest.raises(Incomparable, match=words):
        check_same_machine(before, after)
    with pytest.raises(Incomparable) as refused:
        compare_benchmarks(before, after, drift=0.1)
    assert "--allow-different-machine" in refused.value.hint


def test_a_comparison_over_machines_says_so(write):
    before = load_benchmark_json(write("a.json", entry(facts=None)))
    after = load_benchmark_json(write("b.json", entry(facts=None), machine={**MACHINE, "node": "other"}))
    [pair] = compare_benchmarks(before, after, drift=0.1, allow_different_machine=True).pairs
    assert any("different machines" in warning for warning in pair.warnings)


def test_the_interval_of_a_change_allows_for_drift():
    found = change_of(timed(), timed(times(scale=1.3e-3, seed=1)), 0.5, drift=0.1)
    assert found.value == pytest.approx(0.3, abs=0.03)
    assert found.low < 1.3 / 1.1 - 1
    assert found.high > 1.3 * 1.1 - 1
    assert found.high < 0.5


@settings(max_examples=30)
@given(st.floats(0.5, 2.0), st.integers(30, 5000), st.floats(0.0, 1.0))
def test_without_the_times_of_rounds_the_interval_of_the_median_is_around_it(ratio, rounds, share):
    before = timed(seconds=None, median_s=1.0, iqr_s=share, rounds=rounds)
    after = timed(seconds=None, median_s=ratio, iqr_s=share * ratio, rounds=rounds)
    found = change_of(before, after, 0.5, drift=0.1)
    assert found.low <= ratio / 1.1 - 1 + 1e-9
    assert found.value == pytest.approx(ratio - 1)
    assert found.high >= ratio * 1.1 - 1 - 1e-9


@pytest.mark.parametrize("sample", [np.random.Generator.standard_normal, np.random.Generator.standard_exponential])
def test_the_interval_from_median_and_range_holds_the_true_median(sample):
    """Of normal and of skewed samples: 99 % is promised; 400 trials may miss a few."""
    rng = np.random.default_rng(0)
    true = {"standard_normal": 10.0, "standard_exponential": 10.0 + np.log(2)}[sample.__name__]
    hits = 0
    for _ in range(400):
        data = 10.0 + sample(rng, 300)
        interval = value_of(timed(data.tolist(), seconds=None), 0.5)
        hits += interval.low <= true <= interval.high
    assert hits >= 390


@pytest.mark.parametrize(
    ("test", "q", "words"),
    [
        (timed(iterations=5), 0.95, "mean of 5 calls"),
        (timed(seconds=None), 0.95, "no times of single rounds"),
        (timed(seconds=None, rounds=29), 0.5, "29 rounds without"),
    ],
)
def test_what_a_file_cannot_tell_is_not_guessed(test, q, words):
    found = value_of(test, q)
    assert isinstance(found, Unknown)
    assert words in found.problem
    assert change_of(timed(), test, q, drift=0.1) == found


def test_a_comparison_has_the_most_important_test_first(write):
    names = ("test_same", "test_slower", "test_faster")
    before = write("a.json", *(entry(name) for name in names), entry("test_gone"))
    scales = (1e-3, 2e-3, 0.5e-3)
    after = [entry(name, times(scale=scale, seed=1)) for name, scale in zip(names, scales, strict=True)]
    found = compare_benchmarks(
        load_benchmark_json(before), load_benchmark_json(write("b.json", *after, entry("test_new"))), drift=0.1
    )
    assert [pair.variant for pair in found.pairs] == ["test_slower", "test_faster", "test_same"]
    verdicts = [pair.changes[0].verdict for pair in found.pairs]
    assert verdicts == [Verdict.WORSE, Verdict.BETTER, Verdict.UNSURE]
    assert {change.metric for change in found.pairs[0].changes} == {"p50_s", "p95_s"}
    assert (found.only_before, found.only_after) == (["test_gone"], ["test_new"])
    assert any("10 % of drift" in warning for warning in found.pairs[0].warnings)


def test_a_comparison_without_the_times_of_rounds_is_approximate_and_says_so(write):
    before = load_benchmark_json(write("a.json", entry(keep=False)))
    after = load_benchmark_json(write("b.json", entry(data=times(scale=2e-3))))
    [pair] = compare_benchmarks(before, after, drift=0.1).pairs
    [change] = pair.changes
    assert (change.metric, change.verdict) == ("p50_s", Verdict.WORSE)
    assert any("approximate" in warning for warning in pair.warnings)


def gate(candidate, baseline=None, *rules, **fields):
    return judge_benchmarks(GateJob(candidate=candidate, baseline=baseline, rules=rules, **fields))


@pytest.mark.parametrize(
    ("scale", "rule", "outcome"),
    [
        (2e-3, "p50<+3%", Outcome.FAIL),
        (1e-3, "p50<+3%", Outcome.UNDECIDED),  # 3 % cannot be seen through the drift
        (1e-3, "p50<+30%", Outcome.PASS),
        (1e-3, "p50<+1ms", Outcome.PASS),
        (2e-3, "p50<20ms", Outcome.PASS),
        (2e-3, "p95<1ms", Outcome.FAIL),
    ],
)
def test_a_file_is_gated(write, scale, rule, outcome):
    before = write("a.json", entry())
    report = gate(write("b.json", entry(data=times(scale=scale, seed=1))), before, rule)
    [result] = report.rules
    assert (result.outcome, report.verdict) == (outcome, outcome)
    assert result.rule == f"test_latency[bag-int8]: {rule}"
    assert (report.candidate.source, report.candidate.name, report.threads) == ("pytest-benchmark", "bag-int8", 1)
    assert bool(result.advice) == (outcome is not Outcome.PASS and "+" in rule)


def test_a_test_that_is_gone_is_invalid_and_a_new_one_is_said(write):
    before = write("a.json", entry("test_a"), entry("test_gone"))
    report = gate(write("b.json", entry("test_a"), entry("test_new")), before, "p50<+30%", "p95<1s")
    outcomes = {result.rule: result.outcome.value for result in report.rules}
    assert outcomes == {
        "test_gone: p50<+30%": "invalid",
        "test_gone: p95<1s": "invalid",
        "test_a: p50<+30%": "pass",
        "test_a: p95<1s": "pass",
        "test_new: p95<1s": "pass",
    }
    assert report.verdict is Outcome.INVALID
    assert "Not in the baseline, so not judged by p50<+30%: test_new." in report.notes


def test_few_rounds_decide_nothing(write):
    report = gate(write("b.json", entry(data=times(20))), None, "p50<1s")
    assert report.rules[0].outcome is Outcome.UNDECIDED
    assert report.rules[0].problem == "too few rounds: 20, needs 30"


def test_what_an_emulator_timed_is_invalid(write):
    report = gate(write("b.json", entry(facts={**FACTS, "evidence": "emulated"})), None, "p50<1s")
    assert report.verdict is Outcome.INVALID
    assert report.rules[0].problem == "an emulator shows no time"


@pytest.mark.parametrize(
    ("baseline", "rules", "error", "words"),
    [
        (None, (), ConfigError, "no rule is given"),
        (None, ("p50<+3%",), ConfigError, "compare with a baseline, and none is given"),
        ("same", ("size<2MB",), ConfigError, "holds times only; it cannot decide size<2MB"),
        ("folder", ("p50<+3%",), ConfigError, "is a folder"),
        ("other", ("p50<+3%",), Incomparable, "No test is in both files"),
        ("threads", ("p50<+3%",), Incomparable, "threads 4 and 1"),
        ("truncated", ("p50<+3%",), InvalidArtifact, "is not valid JSON"),
    ],
)
def test_what_cannot_be_gated_is_said(write, tmp_path, baseline, rules, error, words):
    candidate = write("b.json", entry())
    path = {
        None: lambda: None,
        "same": lambda: candidate,
        "folder": lambda: tmp_path,
        "other": lambda: write("a.json", entry("test_other")),
        "threads": lambda: write("a.json", entry(facts={**FACTS, "threads": 4})),
        "truncated": lambda: write("a.json", entry()),
    }[baseline]()
    if baseline == "truncated":
        path.write_text(path.read_text()[:300])
    with pytest.raises(error, match=words):
        gate(candidate, path, *rules)


def test_a_self_test_of_a_file_is_refused(write):
    with pytest.raises(ConfigError, match="--self-test"):
        gate(write("b.json", entry()), None, self_test=True)


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200", "GITHUB_STEP_SUMMARY": ""})


def test_the_commands_take_such_files(write, tmp_path):
    before = write("a.json", entry())
    after = write("b.json", entry(data=times(scale=2e-3, seed=1)))
    compared = run("compare", before, after)
    assert compared.exit_code == 0
    assert "test_latency[bag-int8]" in compared.stdout
    assert "worse" in compared.stdout
    out = tmp_path / "gate.json"
    failed = run("gate", after, "--baseline", before, "--require", "p50<+3%", "--out", out)
    assert failed.exit_code == 1
    assert json.loads(out.read_text())["gates"][0]["candidate"]["source"] == "pytest-benchmark"
    assert run("gate", before, "--baseline", before, "--require", "p50<+3%").exit_code == 3
    assert run("gate", before, "--baseline", before, "--require", "p50<+30%").exit_code == 0
    refused = run("gate", after, "--baseline", before, "--require", "size<2MB")
    assert isinstance(refused.exception, ConfigError)


def test_a_bundle_is_not_gated_against_such_a_file(write, tmp_path):
    with pytest.raises(ConfigError, match="is a file of pytest-benchmark; the candidate is none"):
        open_side(write("a.json", entry()), "baseline", tmp_path)
