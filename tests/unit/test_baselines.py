"""Baselines: records, packed bundles, their own commits, and what is said when one of them is not as it should be."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgekd.artifacts import sha256_file, write_json_atomic
from edgekd.bundle import load_bundle
from edgekd.cli.app import app
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.gate.baseline_set import BaselineJob, message, set_baseline
from edgekd.gate.baseline_words import in_use
from edgekd.gate.baselines import (
    Baseline,
    bundle_file,
    find_baseline,
    list_baselines,
    load_baseline,
    next_number,
    open_baseline,
)
from edgekd.gate.config import read_config
from edgekd.gate.git import Repository, find_repository
from edgekd.gate.lfs import ATTRIBUTES
from edgekd.results import save_result
from tests.bundles import make_bundle
from tests.results import make_result
from tests.toys import write_csv

ROOT = Path(__file__).parents[2]
HASH = "a" * 64


def record(**changes):
    facts = {
        "edgekd_version": "0.1.0",
        "created_at": "2026-01-02T03:04:05+00:00",
        "target": "cpu",
        "variant": "bag-int8",
        "kind": "bag",
        "precision": "int8",
        "task": "single-label",
        "artifact_hash": HASH,
        "size_bytes": 1000,
    }
    return Baseline.model_validate(facts | changes)


def write(root, name, **changes):
    found = record(target=name.split("/")[0], **changes)
    write_json_atomic(root / f"{name}.json", found.model_dump(mode="json"))


def git(folder, *arguments):
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """An empty repository with one commit, which is the working folder."""
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "user.email", "somebody@example.com")
    git(tmp_path, "config", "user.name", "Somebody")
    (tmp_path / "code.py").write_text("1\n")
    (tmp_path / "other.py").write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two tiny bundles of one variant."""
    pytest.importorskip("onnx")
    root = tmp_path_factory.mktemp("bundles")
    return make_bundle(root / "one").folder, make_bundle(root / "other", seed=5).folder


@pytest.fixture
def bundle(made):
    """A tiny bundle."""
    return made[0]


@pytest.fixture
def other_bundle(made):
    """Another one of the same variant."""
    return made[1]


def test_the_newest_has_the_highest_number_not_the_last_in_the_alphabet(tmp_path):
    for name in ("cpu/9-aaaa", "cpu/10-bbbb", "pi4/11-cccc"):
        write(tmp_path, name)
    write(tmp_path, "cpu/12-dddd", variant="cnn")
    found = find_baseline(tmp_path, "cpu", "bag-int8")
    assert (found.name, found.number) == ("cpu/10-bbbb", 10)
    assert next_number(tmp_path / "cpu") == 13
    assert find_baseline(tmp_path, "pi5", "bag-int8") is None
    assert find_baseline(tmp_path / "nowhere", "cpu", "bag-int8") is None
    names = [entry.name for entry in list_baselines(tmp_path)]
    assert names == ["cpu/9-aaaa", "cpu/10-bbbb", "cpu/12-dddd", "pi4/11-cccc"]
    assert {entry.name for entry in in_use(list_baselines(tmp_path))} == {"cpu/10-bbbb", "cpu/12-dddd", "pi4/11-cccc"}


def test_of_two_branches_with_the_same_number_the_later_one_is_in_use(tmp_path):
    write(tmp_path, "cpu/3-ffff", created_at="2026-01-02T00:00:00+00:00")
    write(tmp_path, "cpu/3-aaaa", created_at="2026-01-03T00:00:00+00:00")
    assert find_baseline(tmp_path, "cpu", "bag-int8").name == "cpu/3-aaaa"


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("{", ["not valid JSON"]),
        ("[]", ["is no baseline", "schema_version is None"]),
        ('{"schema_version": 99}', ["has schema 99; this edgekd reads 1", "Update edgekd"]),
        ('{"schema_version": "1"}', ["is no baseline: its schema_version is '1'"]),
        ('{"schema_version": 1, "x": 2}', ["is damaged", "Restore it with git"]),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", ["pointer of git-lfs", "git lfs pull"]),
    ],
)
def test_a_record_that_cannot_be_read_is_told_and_never_skipped(tmp_path, content, parts):
    write(tmp_path, "cpu/1-aaaa")
    (tmp_path / "cpu" / "2-bbbb.json").write_text(content)
    with pytest.raises(InvalidArtifact) as caught:
        find_baseline(tmp_path, "cpu", "bag-int8")
    said = f"{caught.value.message} {caught.value.hint}"
    assert all(part in said for part in [*parts, "2-bbbb.json"]), said


@pytest.mark.parametrize("changes", [{"artifact_hash": "../../x"}, {"unknown": 1}, {"task": "guessing"}])
def test_a_record_with_a_wrong_value_is_damaged(tmp_path, changes):
    raw = record().model_dump(mode="json") | changes
    write_json_atomic(tmp_path / "1-a.json", raw)
    with pytest.raises(InvalidArtifact, match=f"damaged: {next(iter(changes))}"):
        load_baseline(tmp_path / "1-a.json")


def test_a_record_in_the_folder_of_another_target_is_refused(tmp_path):
    write(tmp_path, "cpu/1-aaaa")
    (tmp_path / "pi4").mkdir()
    (tmp_path / "cpu" / "1-aaaa.json").rename(tmp_path / "pi4" / "1-aaaa.json")
    with pytest.raises(InvalidArtifact, match="is for cpu and lies in the folder of pi4"):
        find_baseline(tmp_path, "pi4", "bag-int8")


def test_set_commits_its_files_and_nothing_else(repository, bundle):
    (repository / "code.py").write_text("2\n")
    (repository / "other.py").write_text("2\n")
    git(repository, "add", "other.py")
    before = git(repository, "rev-parse", "--short", "HEAD").strip()
    done = set_baseline(BaselineJob(bundle, note="Why.\n# not a comment"))
    assert done.commit == git(repository, "rev-parse", "--short", "HEAD").strip()
    found = done.entry
    assert found.path.as_posix() == f"benchmarks/baselines/cpu/1-{before}.json"
    committed = git(repository, "show", "--format=", "--name-only", "HEAD").split()
    assert sorted(committed) == sorted(path.as_posix() for path in done.files)
    assert len(committed) == 2
    status = [line for line in git(repository, "status", "--porcelain", "--untracked-files=no").splitlines() if line]
    assert sorted(status) == [" M code.py", "M  other.py"]
    said = git(repository, "show", "--format=%B", "--no-patch", "HEAD").strip()
    assert said == message(found.record)
    assert said.splitlines()[0] == f"Baseline of tiny on cpu: {found.record.size_bytes / 1000:.1f} kB"
    assert "# not a comment" in said
    assert (found.record.commit, found.record.dirty) == (before, True)
    opened = load_bundle(open_baseline(load_baseline(found.path), repository / "opened"))
    assert opened.artifact_hash == load_bundle(bundle).artifact_hash == found.record.artifact_hash


def test_set_again_changes_nothing_and_another_bundle_gets_the_next_number(repository, bundle, other_bundle):
    first = set_baseline(BaselineJob(bundle))
    again = set_baseline(BaselineJob(bundle))
    assert not again.is_new
    assert again.entry.path == first.entry.path
    packed = sha256_file(first.entry.bundle_path)
    noted = set_baseline(BaselineJob(bundle, note="The same, for another reason."))
    assert noted.entry.number == 2
    assert sha256_file(noted.entry.bundle_path) == packed
    other = set_baseline(BaselineJob(other_bundle, target="host", commit=False))
    assert other.entry.number == 3
    assert other.not_committed == "--no-commit was given"
    assert find_baseline(other.entry.path.parent.parent, "cpu", "tiny").number == 3


def test_set_outside_a_repository_writes_and_says_why_there_is_no_commit(tmp_path, bundle, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    done = set_baseline(BaselineJob(bundle, root=tmp_path / "b"))
    assert done.entry.path.name == "1-nogit.json"
    assert done.not_committed.endswith("is in no git repository")
    assert done.entry.record.commit is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_repository(tmp_path) == "git is not installed"


def test_a_commit_that_git_refuses_is_told_and_nothing_stays_staged(repository, bundle):
    (repository / ".gitignore").write_text("*.tar.gz\n")
    done = set_baseline(BaselineJob(bundle))
    assert "ignored" in done.not_committed
    assert done.entry.bundle_path.is_file()
    (repository / ".gitignore").unlink()
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    done = set_baseline(BaselineJob(bundle, note="again"))
    assert done.not_committed == "git commit failed: not today"
    assert git(repository, "diff", "--cached", "--name-only") == ""
    assert isinstance(find_repository(repository), Repository)


def test_lfs_writes_attributes_beside_the_baselines_or_says_that_it_is_missing(repository, bundle, monkeypatch):
    monkeypatch.setattr("edgekd.gate.lfs.has_lfs", lambda: False)
    with pytest.raises(ConfigError, match="needs git-lfs, which is not installed"):
        set_baseline(BaselineJob(bundle, lfs=True))
    assert not (repository / "benchmarks").exists()
    monkeypatch.setattr("edgekd.gate.lfs.has_lfs", lambda: True)
    done = set_baseline(BaselineJob(bundle, lfs=True, commit=False))
    attributes = repository / "benchmarks" / "baselines" / ".gitattributes"
    assert attributes.read_text() == ATTRIBUTES + "\n"
    assert attributes.resolve() in [path.resolve() for path in done.files]
    set_baseline(BaselineJob(bundle, lfs=True, commit=False, note="again"))
    assert attributes.read_text().count("lfs") == ATTRIBUTES.count("lfs")


def test_a_large_bundle_suggests_lfs_until_the_attributes_have_it(repository, bundle, monkeypatch):
    monkeypatch.setattr("edgekd.gate.lfs.LARGE_BYTES", 10)
    assert set_baseline(BaselineJob(bundle, commit=False)).suggestion == ATTRIBUTES
    (repository / "benchmarks" / "baselines" / ".gitattributes").write_text(ATTRIBUTES + "\n")
    assert set_baseline(BaselineJob(bundle, commit=False, note="again")).suggestion == ""


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (lambda file: file.unlink(), ["is not there", "Restore it with git"]),
        (lambda file: file.write_bytes(file.read_bytes()[:-200]), ["is damaged", "no whole .tar.gz"]),
        (lambda file: file.write_text("version https://git-lfs.github.com/spec/v1\n"), ["git lfs pull", "lfs: true"]),
        (lambda file: file.write_text(""), ["is damaged"]),
    ],
)
def test_a_packed_bundle_that_is_not_whole_is_told(tmp_path, bundle, damage, parts):
    entry = set_baseline(BaselineJob(bundle, root=tmp_path / "b", commit=False)).entry
    damage(entry.bundle_path)
    with pytest.raises(InvalidArtifact) as caught:
        open_baseline(entry, tmp_path / "opened")
    said = f"{caught.value.message} {caught.value.hint}"
    assert all(part in said for part in parts), said
    assert not list(tmp_path.glob("opened/*"))


def test_a_packed_bundle_can_be_set_too(tmp_path, bundle):
    entry = set_baseline(BaselineJob(bundle, root=tmp_path / "b", commit=False)).entry
    again = set_baseline(BaselineJob(entry.bundle_path, root=tmp_path / "c", commit=False)).entry
    assert again.record.artifact_hash == entry.record.artifact_hash
    assert sha256_file(again.bundle_path) == sha256_file(entry.bundle_path)


def test_a_packed_bundle_of_another_hash_is_refused(tmp_path, bundle, other_bundle):
    root = tmp_path / "b"
    entry = set_baseline(BaselineJob(bundle, root=root, commit=False)).entry
    other = set_baseline(BaselineJob(other_bundle, root=root, commit=False)).entry
    bundle_file(root, other.record.artifact_hash).replace(entry.bundle_path)
    with pytest.raises(InvalidArtifact, match="holds another bundle than baseline"):
        open_baseline(entry, tmp_path / "opened")


def test_a_damaged_packed_bundle_is_packed_again_by_set(tmp_path, bundle):
    entry = set_baseline(BaselineJob(bundle, root=tmp_path / "b", commit=False)).entry
    packed = sha256_file(entry.bundle_path)
    entry.bundle_path.write_text("version https://git-lfs.github.com/spec/v1\n")
    again = set_baseline(BaselineJob(bundle, root=tmp_path / "b", commit=False))
    assert again.is_new
    assert sha256_file(again.entry.bundle_path) == packed


def test_the_score_has_its_texts_and_a_result_must_be_of_the_bundle(tmp_path, bundle):
    data = write_csv(tmp_path / "data.csv", count=40)
    result = make_result(variant="tiny", artifact_hash=load_bundle(bundle).artifact_hash)
    save_result(result, tmp_path / "good.result.json")
    save_result(make_result(variant="cnn"), tmp_path / "bad.result.json")
    job = {"data": str(data), "root": tmp_path / "b", "commit": False}
    done = set_baseline(BaselineJob(bundle, result=tmp_path / "good.result.json", **job))
    read = load_baseline(done.entry.path).record
    assert (read.data_name, read.texts, read.scores[0].metric, read.scores[0].value) == (
        "data.csv",
        40,
        "accuracy",
        1.0,
    )
    assert read.result == result
    assert len(done.entry.path.read_text().splitlines()) < 40
    raw = json.loads(done.entry.path.read_text())
    raw["result"] |= {"schema_version": 3}
    write_json_atomic(done.entry.path, raw)
    assert load_baseline(done.entry.path).record.result.schema_version == result.schema_version
    with pytest.raises(InvalidArtifact, match="is of another bundle"):
        set_baseline(BaselineJob(bundle, result=tmp_path / "bad.result.json", **job))


def test_this_repository_has_the_baseline_that_its_own_gate_needs(tmp_path):
    config = read_config(ROOT / "benchmarks" / "self_gate" / "gate.yaml")
    for key, profile in config.profiles.items():
        variant = Path(config.config.targets[key].candidate).name
        entry = find_baseline(ROOT / "benchmarks" / "baselines", profile, variant)
        assert load_bundle(open_baseline(entry, tmp_path)).artifact_hash == entry.record.artifact_hash
    assert Path(config.data).is_file()


def run(*arguments):
    return CliRunner().invoke(app, ["baseline", *map(str, arguments)], env={"COLUMNS": "200"})


def test_the_commands_show_what_is_there(tmp_path, bundle):
    root = tmp_path / "b"
    nothing = run("list", "--dir", root)
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert isinstance(run("show", "--dir", root).exception, ConfigError)
    done = run("set", bundle, "--dir", root, "--no-commit", "--note", "[bold]x[/bold]", "--json")
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert (made["baseline"].split("/")[0], made["own_commit"], len(made["files"])) == ("cpu", None, 2)
    shown = run("show", "host", "--dir", root)
    assert "note         [bold]x[/bold]" in shown.stdout
    assert "scored on    nothing" in shown.stdout
    listed = run("list", "--dir", root)
    assert "[bold]x[/bold]" in listed.stdout
    assert len(json.loads(run("list", "--dir", root, "--json").stdout)) == 1
    assert "Available: tiny" in str(run("show", "cpu", "--variant", "x", "--dir", root).exception)
    assert "Unknown target 'nowhere'" in str(run("show", "nowhere", "--dir", root).exception)
