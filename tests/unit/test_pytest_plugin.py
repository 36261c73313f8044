"""The pytest plugin, run inside small test suites."""

import json
import subprocess
import sys
from functools import cache
from types import SimpleNamespace

import onnxruntime  # noqa: F401 - a run in this process must not import it a second time
import pytest
import tokenizers  # noqa: F401

from edgekd import devices
from edgekd.analysis.benchmark_json import load_benchmark_json
from edgekd.errors import ConfigError, Incomparable
from edgekd.gate.records import Outcome
from edgekd.pytest_support import judging, opened
from edgekd.pytest_support.marks import in_marker, job_of, wishes_of
from edgekd.pytest_support.paths import names_of
from edgekd.pytest_support.summary import aligned
from tests.bundles import make_bundle
from tests.toys import write_csv

pytest_plugins = "pytester"

PLUGIN = ("-p", "edgekd.pytest_plugin", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
READ_ONCE = cache(devices.load_profile_file)
GIVEN = ("--edgekd-bundle", "cpu/bag-fp32", "--edgekd-data", "data.csv")

GATED = """
    import pytest

    @pytest.mark.edgekd({marker})
    def test_gate(edgekd_bundle):
        assert edgekd_bundle("the film was great")[0]["label"] == "positive"
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two bundles for cpu in a folder, and labelled texts."""
    pytest.importorskip("onnx")
    root = tmp_path_factory.mktemp("world")
    make_bundle(root / "cpu" / "bag-fp32", name="bag-fp32")
    make_bundle(root / "cpu" / "cnn-fp32", name="cnn-fp32")
    write_csv(root / "data.csv", count=60)
    return root


@pytest.fixture(autouse=True)
def profiles_are_read_once(monkeypatch):
    """Reading all profiles takes most of the time of a small suite."""
    monkeypatch.setattr(devices, "load_profile_file", READ_ONCE)


@pytest.fixture
def run(pytester, world, monkeypatch):
    """Run a suite in this process; one bundle and the texts are given unless a test says otherwise."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # the suite inside is none of its workers

    def run_suite(code, *arguments, given=GIVEN):
        pytester.makepyfile(code)
        paths = [str(world / text) if (world / text).exists() else text for text in given]
        return pytester.runpytest_inprocess(*PLUGIN, *paths, *arguments)

    return run_suite


def words(result):
    return "\n".join(result.outlines)


def test_the_plugin_imports_nothing_heavy():
    code = (
        "import sys, pytest\n"
        "import edgekd.pytest_plugin, edgekd.pytest_support.summary, edgekd.pytest_support.paths\n"
        "heavy = {'numpy', 'pydantic', 'onnxruntime', 'tokenizers', 'yaml', 'typer', 'edgekd.gate', 'edgekd.api'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_test_runs_once_for_every_bundle_of_a_folder(run, world):
    code = """
        def test_answers(edgekd_bundle):
            assert edgekd_bundle("great")[0]["label"] == "positive"
            assert edgekd_bundle.name in edgekd_bundle.path.name
            assert (edgekd_bundle.labels, edgekd_bundle.profile.name) == (("negative", "positive"), "cpu")
            assert len(edgekd_bundle.texts) == len(edgekd_bundle.targets) == 60
    """
    result = run(code, "-v", given=("--edgekd-bundle", "cpu", "--edgekd-data", "data.csv"))
    result.assert_outcomes(passed=2)
    assert "test_answers[bag-fp32] PASSED" in words(result)
    assert "test_answers[cnn-fp32] PASSED" in words(result)
    pattern = run(code, given=("--edgekd-bundle", f"{world}/cpu/b*", "--edgekd-data", "data.csv"))
    pattern.assert_outcomes(passed=1)


def test_the_ini_file_names_bundles(run, pytester, world):
    pytester.makeini(f"[pytest]\nedgekd_bundles = {world}/cpu/bag-fp32 {world}/cpu/c*")
    run("def test_it(edgekd_bundle): assert edgekd_bundle", given=()).assert_outcomes(passed=2)
    pytester.makeini("[pytest]\nedgekd_bundles = none")
    result = run("def test_it(edgekd_bundle): pass", given=())
    assert "edgekd_bundles: " in words(result)
    assert "does not exist" in words(result)
    assert "Traceback" not in words(result)


def test_names_have_as_many_folders_as_tell_them_apart(tmp_path):
    assert names_of([tmp_path / "cpu" / "bag", tmp_path / "cpu" / "cnn"]) == ["bag", "cnn"]
    assert names_of([tmp_path / "cpu" / "bag", tmp_path / "pi4" / "bag"]) == ["cpu/bag", "pi4/bag"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--edgekd-bundle", "none"), "*--edgekd-bundle: 'none' does not exist.*"),
        (("--edgekd-bundle", "n*"), "*--edgekd-bundle: 'n[*]' matches no bundle.*"),
        (("--edgekd-bundle", "data.csv"), "*holds no bundle.*"),
        (("--edgekd-bundle", "cpu/bag-fp32", "cpu/cnn-fp32"), "*was taken for a folder of tests*"),  # the shell's work
    ],
)
def test_wrong_bundles_are_a_usage_error(run, given, words):
    result = run("def test_it(edgekd_bundle): pass", given=given)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([words])


def test_without_a_bundle_a_test_is_skipped_and_a_gate_fails(run):
    result = run(GATED.format(marker="size='1MB'") + "\n    def test_plain(edgekd_bundle): pass", "-rs", given=())
    result.assert_outcomes(errors=1, skipped=1)
    assert words(result).count("there is no bundle: give --edgekd-bundle PATH") == 2


def test_a_marker_without_fixture_needs_its_own_bundle(run, world):
    code = """
        import pytest

        @pytest.mark.edgekd(size="1MB", bundle={bundle!r})
        def test_named(): pass

        @pytest.mark.edgekd(size="1MB")
        def test_forgotten(): pass
    """
    result = run(code.format(bundle=str(world / "cpu" / "bag-fp32")), given=())
    result.assert_outcomes(passed=1, failed=1)
    assert "give it the argument edgekd_bundle, or the marker bundle=PATH" in words(result)


def test_texts_that_are_missing_are_asked_for(run):
    result = run("def test_it(edgekd_bundle): edgekd_bundle.texts", given=("--edgekd-bundle", "cpu/bag-fp32"))
    result.assert_outcomes(failed=1)
    assert "Next: Give them with --edgekd-data FILE." in words(result)
    assert "opened.py" not in words(result)


def test_a_rule_that_holds_passes_and_is_in_the_table(run):
    result = run(GATED.format(marker="size='1MB'"))
    result.assert_outcomes(passed=1)
    assert "edgekd: 1 rule judged: 1 kept" in words(result)
    result.stdout.fnmatch_lines(["*::test_gate[[]bag-fp32[]] *size<1MB *pass *host"])


def test_a_broken_rule_fails_with_what_was_measured_and_wanted(run, tmp_path):
    xml = tmp_path / "junit.xml"
    result = run(GATED.format(marker="size='1KB', accuracy=0.5"), f"--junitxml={xml}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["edgekd: FAIL: size<1KB", "  measured: size * kB", "  wanted: size below 1 kB"])
    assert "edgekd: 2 rules judged: 1 kept, 1 BROKEN" in words(result)
    assert "judging.py" not in words(result)
    assert 'name="edgekd size&lt;1KB" value="FAIL; measured' in xml.read_text()


def test_a_failing_body_is_not_judged(run):
    result = run(GATED.format(marker="size='1KB'") + "        assert 1 == 2")
    result.assert_outcomes(failed=1)
    assert "assert 1 == 2" in words(result)
    assert "rule judged" not in words(result)


def test_latency_is_measured_by_the_gate_in_processes_of_its_own(run):
    result = run(GATED.format(marker="p50='10s', max_seconds=8, target='pi4'"))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*p50<10s *s *[[]99 %: * to *[]] *pass *host", "Measured on this host*, not on*"])


def undecided(job):
    report = judging_report(job)
    rules = [rule.model_copy(update={"outcome": Outcome.UNDECIDED, "problem": "noise"}) for rule in report.rules]
    return report.model_copy(update={"rules": rules, "verdict": Outcome.UNDECIDED})


def incomparable(job):
    raise Incomparable("The machines differ.", hint="Measure here.")


judging_report = judging.run_gate


@pytest.mark.parametrize(
    ("gate", "lines"),
    [
        (undecided, ["edgekd: cannot tell: size<1MB", "  measured: size *noise"]),
        (incomparable, ["edgekd: invalid: size<1MB", "  The machines differ.", "  advice: Measure here."]),
    ],
)
def test_what_cannot_be_told_fails_too_and_report_only_makes_it_a_warning(run, monkeypatch, gate, lines):
    monkeypatch.setattr(judging, "run_gate", gate)
    code = GATED.format(marker="size='1MB'")
    result = run(code)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(lines)
    result = run(code, "--edgekd-report-only")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*::test_gate[[]bag-fp32[]]: warning", *(f"*{line}" for line in lines)])
    assert "REPORT ONLY: 1 rule judged: 1 " in words(result)


def test_a_slip_in_a_marker_is_an_error_even_when_only_reporting(run):
    result = run(GATED.format(marker="p59='20ms'"), "--edgekd-report-only")
    result.assert_outcomes(errors=1)
    assert "Unknown keyword of the marker edgekd 'p59'." in words(result)
    assert "Did you mean 'p99'?" in words(result)
    assert "Traceback" not in words(result)


def test_judgements_come_back_from_workers(run):
    pytest.importorskip("xdist")
    result = run(GATED.format(marker="size='1KB'"), "-p", "xdist.plugin", "-n1")
    result.assert_outcomes(failed=1)
    assert "edgekd: 1 rule judged: 1 BROKEN" in words(result)


def test_a_benchmark_says_what_it_timed(run, tmp_path):
    pytest.importorskip("pytest_benchmark")
    code = """
        def test_latency(edgekd_bundle, benchmark):
            benchmark(edgekd_bundle, "great")

        def test_mix(edgekd_bundle, benchmark):
            edgekd_bundle.time_texts(benchmark)
    """
    path = tmp_path / "times.json"
    fast = ("--benchmark-max-time=0.01", "--benchmark-min-time=0.00001", "--benchmark-warmup=off")
    result = run(code, "-p", "pytest_benchmark.plugin", f"--benchmark-json={path}", *fast)
    result.assert_outcomes(passed=2)
    latency, mix = load_benchmark_json(path).tests.values()
    assert latency.facts == mix.facts
    facts = latency.facts
    assert (facts.variant, facts.target, facts.evidence, facts.threads) == ("bag-fp32", "cpu", "host", 1)
    assert (len(facts.artifact_hash), len(facts.machine)) == (64, 16)
    assert (mix.iterations, mix.rounds % 45) == (1, 0)  # whole passes over the texts that do not warm up
    assert mix.rounds >= 400
    assert json.loads(path.read_text())["benchmarks"][0]["extra_info"]["edgekd"]["edgekd_version"]


class Recorder:
    """Stands for the fixture of pytest-benchmark: calls and remembers."""

    def __init__(self):
        self.texts = []

    def pedantic(self, function, *, setup, rounds):
        for _ in range(rounds):
            (text,), _ = setup()
            self.texts.append(text)
            function(text)


def test_the_real_mix_has_every_text_equally_often_and_none_that_warmed_up(world):
    bundle = opened.OpenedBundle(
        world / "cpu" / "bag-fp32", target=None, data=str(world / "data.csv"), max_seconds=0.001
    )
    recorder, warm, known = Recorder(), [], []
    encoder = bundle.session._encoder

    def warm_up(texts):
        warm.extend(texts)
        known.append(encoder.learned())

    bundle.session.warm_up = warm_up
    assert bundle("words that only another test has seen")
    assert encoder.learned() > 0
    bundle.time_texts(recorder, len)
    assert known == [0]
    counts = [recorder.texts.count(text) for text in set(recorder.texts)]
    assert len(set(recorder.texts) | set(warm)) <= 60
    assert len(recorder.texts) >= 400
    assert len(set(counts)) == 1
    assert recorder.texts != sorted(recorder.texts)


def marks(*keywords):
    return [SimpleNamespace(args=(), kwargs=given) for given in keywords]


def test_keywords_become_rules():
    [wish] = wishes_of(
        marks({"p95": "20ms", "accuracy": ["0.88", "-0.5pt"], "require": ["size<=2MB"], "target": "pi4"})
    )
    assert wish.rules == ("p95<20ms", "accuracy>0.88", "accuracy>-0.5pt", "size<=2MB")
    assert wish.settings == {"target": "pi4"}


def test_each_marker_is_judged_and_one_without_rules_sets_defaults():
    closest_first = marks(
        {"p95": "5ms", "target": "cpu"}, {"p95": "20ms"}, {"target": "pi4"}, {"max_seconds": 5, "target": "pi5"}
    )
    found = wishes_of(closest_first)
    assert [(wish.rules, wish.settings) for wish in found] == [
        (("p95<5ms",), {"target": "cpu", "max_seconds": 5}),
        (("p95<20ms",), {"target": "pi4", "max_seconds": 5}),
    ]
    [alone] = wishes_of(marks({"target": "pi4"}))
    assert (alone.rules, alone.settings) == ((), {"target": "pi4"})


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"p59": "20ms"}, "Did you mean 'p99'"),
        ({"targt": "pi4"}, "Did you mean 'target'"),
        ({"p95": "20"}, "p95 cannot have a number without a unit"),
        ({"p95": "20MB"}, "p95 cannot have unit 'MB'"),
        ({"p95": "<20ms"}, "takes the limit without an operator"),
        ({"p95": None}, "p95 is None"),
        ({"p95": True}, "p95 is True"),
        ({"require": "p95<20ms"}, "takes a list of rules"),
        ({"require": ["p95>20ms"]}, 'Write "p95<20ms"'),
        ({"target": 4}, "target is 4"),
        ({"max_seconds": 0.5}, "at least 1 is needed"),
    ],
)
def test_slips_in_a_marker_are_said(keywords, words):
    with pytest.raises(ConfigError) as said:
        wishes_of(marks(keywords))
    assert words in f"{said.value.message} {said.value.hint}"


def test_positional_arguments_of_a_marker_are_refused():
    with pytest.raises(ConfigError, match="takes keywords only"):
        wishes_of([SimpleNamespace(args=("p95<20ms",), kwargs={})])


def test_paths_in_a_marker_start_from_the_root_folder(tmp_path):
    (tmp_path / "data.csv").touch()
    [wish] = wishes_of(marks({"p50": "+3%", "baseline": "old", "data": "data.csv"}))
    job = job_of(wish, tmp_path / "b", tmp_path, target="pi4", data="other.csv")
    assert (job.baseline, job.data, job.target) == (tmp_path / "old", str(tmp_path / "data.csv"), "pi4")
    assert job.baselines == tmp_path / "benchmarks" / "baselines"
    [wish] = wishes_of(marks({"p50": "3ms", "data": "asset:sms"}))
    job = job_of(wish, tmp_path / "b", tmp_path, target=None, data=None)
    assert (job.data, job.baselines, job.profile_budgets) == ("asset:sms", None, False)
    [wish] = wishes_of(marks({"size": "3MB"}))
    assert job_of(wish, tmp_path / "b", tmp_path, target=None, data="data.csv").data is None  # nothing has to be run
    [wish] = wishes_of(marks({}))
    assert job_of(wish, tmp_path / "b", tmp_path, target=None, data=None).profile_budgets


@pytest.mark.parametrize(
    ("advice", "said"),
    [
        ("Raise --max-seconds, or wait.", "Raise max_seconds=, or wait."),
        ("Give --baseline BUNDLE.", "Give baseline=BUNDLE."),
        ("or rules such as --require 'p95<20ms'.", 'or rules such as require=["p95<20ms"].'),
        ("--no-profile-budgets", "--no-profile-budgets"),
    ],
)
def test_advice_names_keywords_of_the_marker(advice, said):
    assert in_marker(advice) == said


def test_a_unittest_class_takes_a_single_bundle(run):
    code = """
        import unittest, pytest

        @pytest.mark.usefixtures("edgekd_bundle")
        @pytest.mark.edgekd(size="1KB")
        class TestBundle(unittest.TestCase):
            def test_it(self): pass
    """
    result = run(code)
    result.assert_outcomes(failed=1)
    assert "edgekd: FAIL: size<1KB" in words(result)
    result = run(code, given=("--edgekd-bundle", "cpu"))
    result.assert_outcomes(errors=1)
    assert "cannot run once for each of 2 bundles" in words(result)


def test_columns_are_as_wide_as_their_widest_cell():
    assert aligned([("a", "b"), ("long", "c")]) == ["a     b", "long  c"]
