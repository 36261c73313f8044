"""``edgekd.gate.yaml`` and flags: what is judged, and what a slip in the file says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.errors import ConfigError
from edgekd.gate.config import find_config, read_config
from edgekd.gate.jobs import Flags, jobs_of

WHOLE = """\
data: data/test.csv
text_column: body
max_seconds: 30
report_only: true
targets:
  pi4:
    candidate: runs/pi4
    baseline: base.tar.gz
    require: [p95<20ms, p50<+3%]
  cpu:
    candidate: runs/cpu
    require: accuracy>=0.88
    budgets: none
  pi5:
"""


@pytest.fixture
def write(tmp_path):
    def to_file(text):
        path = tmp_path / "edgekd.gate.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def test_targets_that_name_a_candidate_are_judged_with_paths_relative_to_the_file(write, tmp_path):
    one, other = jobs_of(Flags(), read_config(write(WHOLE)))
    assert (one.target, one.candidate, one.baseline) == (
        "raspberry-pi-4",
        tmp_path / "runs/pi4",
        tmp_path / "base.tar.gz",
    )
    assert (one.file_rules, one.rules, one.profile_budgets) == (("p95<20ms", "p50<+3%"), (), True)
    assert (other.target, other.baseline, other.file_rules) == ("cpu", None, ("accuracy>=0.88",))
    assert other.profile_budgets is False
    for job in (one, other):
        assert (job.data, job.text_column, job.max_seconds) == (str(tmp_path / "data/test.csv"), "body", 30.0)
        assert job.report_only


def test_flags_win_over_the_file(write):
    flags = Flags(
        targets=("raspberry-pi-4",),
        baseline=Path("other"),
        require=("p95<5ms",),
        data="asset:x",
        max_seconds=5.0,
        profile_budgets=False,
        report_only=False,
    )
    [job] = jobs_of(flags, read_config(write(WHOLE)))
    assert (job.baseline, job.data, job.max_seconds, job.profile_budgets) == (Path("other"), "asset:x", 5.0, False)
    assert job.report_only is False
    assert (job.rules, job.file_rules) == (("p95<5ms",), ("p95<20ms", "p50<+3%"))


def test_a_candidate_of_a_flag_takes_the_rules_of_its_target(write):
    file = read_config(write(WHOLE.replace("data/test.csv", "asset:movie-sentiment")))
    [job] = jobs_of(Flags(candidate=Path("mine"), targets=("pi4",)), file)
    assert (job.candidate, job.file_rules, job.data) == (Path("mine"), ("p95<20ms", "p50<+3%"), "asset:movie-sentiment")
    [job] = jobs_of(Flags(candidate=Path("mine"), targets=("pi3",)), file)
    assert (job.target, job.file_rules, job.profile_budgets) == ("raspberry-pi-3", (), True)
    assert len(jobs_of(Flags(candidate=Path("mine"), targets=("pi3", "pi4")), file)) == 2


def test_the_file_of_the_working_folder_is_found(write, monkeypatch):
    path = write(WHOLE)
    assert find_config(None) is None or find_config(None).path != path
    monkeypatch.chdir(path.parent)
    assert find_config(None).path == Path(path.name)
    with pytest.raises(ConfigError, match=r"'other.yaml' does not exist"):
        find_config(Path("other.yaml"))


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (Flags(targets=("pi3",)), "has no target raspberry-pi-3. It has: pi4, cpu, pi5."),
        (Flags(targets=("pi5",)), "Target pi5 of .* names no candidate"),
        (Flags(targets=("pi9",)), "Unknown target 'pi9'"),
        (Flags(baseline=Path("one")), "--baseline is one baseline, and 2 targets are judged: raspberry-pi-4, cpu"),
    ],
)
def test_what_flags_pick_must_be_there(write, flags, part):
    with pytest.raises(ConfigError, match=part):
        jobs_of(flags, read_config(write(WHOLE)))


def test_without_a_candidate_there_is_nothing_to_judge(write):
    with pytest.raises(ConfigError, match=r"no CANDIDATE is given, and there is no 'edgekd.gate.yaml' here"):
        jobs_of(Flags(), None)
    with pytest.raises(ConfigError, match=r"no target of .* names one"):
        jobs_of(Flags(), read_config(write("targets: {pi4: {require: size<2MB}}")))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "must be a mapping with 'targets', but it is empty"),
        ("- pi4", "must be a mapping with 'targets', but it is a list"),
        ("data: x\ntargets:\n", ":2: targets is empty; name a target."),
        ("targets: {}", ":1: targets is empty; name a target."),
        ("targets: [pi4]", ":1: targets: Input should be a valid dictionary"),
        ("targets:\n  pi9: {}\n", ":2: targets.pi9: Unknown target 'pi9'. Available: "),
        ("targets:\n  pi4:\n  raspberry-pi-4:\n", ":3: targets.raspberry-pi-4 and targets.pi4 are the same target"),
        ("targets:\n  pi4: {}\n  pi4: {}\n", ":3: 'pi4' is there already in line 2."),
        ("targets:\n  pi4:\n    requires: []\n", ":3: targets.pi4.requires: unknown key. Allowed here: baseline, budg"),
        ("targets:\n  pi4:\n    requires: []\n", "Did you mean 'require'?"),
        ("max_second: 5\ntargets: {cpu: }\n", ":1: max_second: unknown key."),
        ("max_seconds: 0\n", ":1: max_seconds: Input should be greater than or equal to 1 (given: 0)"),
        ("targets: {cpu: {budgets: some}}", "targets.cpu.budgets: Input should be 'profile' or 'none' (given: 'some')"),
        ("targets:\n  pi4:\n    require:\n    - size<2MB\n    - p95<20\n", ':5: targets.pi4.require.1: Rule "p95<20"'),
        ("targets: {pi4: {require: p95>5%}}", ':1: targets.pi4.require.0: Rule "p95>5%": rules say what must hold'),
        ("targets:\n\tpi4: 1\n", ":2: this is not valid YAML: found character"),
        ("!!python/object/apply:os.getcwd []", ":1: this is not valid YAML: could not determine a constructor"),
        ("targets: &a {pi4: *a}", "targets.pi4"),
    ],
)
def test_a_slip_is_told_with_its_line(write, text, part):
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert path.name in caught.value.message
    assert part in caught.value.message
    assert caught.value.exit_code == 2


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        read_config(tmp_path / "x.yaml")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab:<%5", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["targets", "pi4", "require", "data"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
@settings(max_examples=30)
def test_any_document_is_a_configuration_or_a_clear_error(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(repr(value).replace("None", "null"))
    try:
        said = str(read_config(path).path)
    except ConfigError as error:
        said = error.message
    assert path.name in said
