from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from edgekd.bundle import load_bundle, write_manifest
from edgekd.cli.app import app
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.results import save_result
from tests.bundles import make_bundle
from tests.results import make_result

pytest.importorskip("onnx")

runner = CliRunner()


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return make_bundle(tmp_path / "b")


def run(*arguments, code=0):
    result = runner.invoke(app, ["bundle", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.stdout


def error(*arguments):
    return runner.invoke(app, ["bundle", *map(str, arguments)]).exception


def test_verify_prints_a_table_and_the_verdict(bundle):
    out = run("verify", "b")
    assert "  answers    ok       3 texts (short, empty, too long), 2 finite outputs each" in out
    assert out.splitlines()[-1] == "  Sound, 1 to look at."  # the toy's config.json names no labels


def test_verify_of_several_exits_with_3_when_one_is_damaged(bundle, tmp_path):
    make_bundle(tmp_path / "good")
    (bundle.folder / "model.onnx").write_bytes(b"x")
    out = run("verify", "b", "good", "absent", "--json", code=3)
    found = json.loads(out)
    assert [(entry["bundle"], entry["sound"]) for entry in found] == [("b", False), ("good", True), ("absent", False)]
    assert {check["name"]: check["state"] for check in found[0]["checks"]}["files"] == "failed"


def test_verify_of_a_file_that_is_no_archive(bundle, tmp_path):
    (tmp_path / "x.tar.gz").write_bytes(b"x")
    out = run("verify", "x.tar.gz", code=3)
    assert "is no whole .tar.gz archive" in " ".join(out.split())


def test_info_shows_the_parts(bundle):
    out = run("info", "b")
    for title in ("Model", "Graph", "Files"):
        assert f"\n{title}\n" in f"\n{out}"
    assert "labels       negative, positive" in out
    assert "Recipe" not in out


def test_info_shows_the_recipe_when_asked(bundle):
    write_manifest(bundle.folder, bundle.manifest.model_copy(update={"recipe": {"name": "mine"}}))
    assert run("info", "b", "--recipe").rstrip().endswith("Recipe\nname: mine")
    assert "recipe" not in json.loads(run("info", "b", "--json"))["manifest"]
    assert json.loads(run("info", "b", "--json", "--recipe"))["manifest"]["recipe"] == {"name": "mine"}


def test_info_json_has_what_results_refer_to(bundle):
    found = json.loads(run("info", "b", "--json"))
    assert (found["artifact_hash"], found["size_bytes"]) == (bundle.artifact_hash, bundle.size_bytes)
    assert sum(found["file_bytes"].values()) == bundle.size_bytes


def test_markup_and_control_characters_in_a_manifest_are_only_text(bundle):
    write_manifest(bundle.folder, bundle.manifest.model_copy(update={"labels": ["[red]x[/red]", "\x1b[31my"]}))
    out = run("info", "b")
    assert "[red]x[/red],  [31my" in out
    assert "\x1b" not in out


def test_pack_and_unpack(bundle, tmp_path):
    first = run("pack", "b")
    assert first.startswith("tiny.tar.gz  ")
    assert run("pack", "b") == first
    packed = json.loads(run("pack", "b", "--out", "sub/other.tar.gz", "--json"))
    assert first.splitlines()[1] == f"sha256 {packed['sha256']}"
    assert run("unpack", "tiny.tar.gz").startswith("tiny in tiny, ")
    assert load_bundle(tmp_path / "tiny").manifest == bundle.manifest
    found = json.loads(run("unpack", "tiny.tar.gz", "--out", "elsewhere", "--json"))
    assert found == {"folder": "elsewhere", "name": "tiny", "artifact_hash": bundle.artifact_hash}
    assert isinstance(error("unpack", "tiny.tar.gz"), InvalidArtifact)


def test_unpack_refuses_what_is_larger_than_allowed(bundle):
    run("pack", "b")
    assert "more than 1,000 bytes" in error("unpack", "tiny.tar.gz", "--max-size", "1KB").message
    assert isinstance(error("unpack", "tiny.tar.gz", "--max-size", "huge"), ConfigError)


def test_a_damaged_bundle_is_not_packed(bundle, tmp_path):
    (bundle.folder / "model.onnx").write_bytes(b"x")
    assert "has sha256" in error("pack", "b").message
    assert not (tmp_path / "tiny.tar.gz").exists()


def test_a_measurement_goes_into_the_card(bundle, tmp_path):
    result = make_result().model_copy(update={"artifact_hash": bundle.artifact_hash})
    save_result(result, tmp_path / "a.result.json")
    run("pack", "b", "--result", "a.result.json", "--license", "mit")
    run("unpack", "tiny.tar.gz")
    card = (tmp_path / "tiny" / "README.md").read_text()
    assert "license: mit" in card
    assert f"| {result.machine.cpu_model}, {result.threads} thread" in card
    assert "| this bundle |" in card


def test_a_measurement_of_another_bundle_is_refused(bundle, tmp_path):
    save_result(make_result(), tmp_path / "a.result.json")
    found = error("pack", "b", "--result", "a.result.json")
    assert isinstance(found, ConfigError)
    assert "was measured on another bundle" in found.message


def test_diff_says_what_changed_and_the_flag_decides_the_exit_code(bundle, tmp_path):
    make_bundle(tmp_path / "c", precision="int8", seed=1)
    out = run("diff", "b", "c")
    assert "precision  fp32    int8" in out
    assert "model.onnx" in out
    run("diff", "b", "c", "--exit-code", code=1)
    found = json.loads(run("diff", "b", "c", "--json"))
    assert found["changes"]["manifest"] == [{"key": "precision", "before": "fp32", "after": "int8"}]
    assert not found["same"]


def test_a_bundle_and_its_archive_do_not_differ(bundle):
    run("pack", "b")
    assert run("diff", "b", "tiny.tar.gz", "--exit-code") == "No difference: same manifest, same files.\n"


@pytest.mark.parametrize("command", [["info", "absent"], ["diff", "b", "absent"], ["pack", "absent"]])
def test_a_bundle_that_is_not_there(bundle, command):
    found = error(*command)
    assert isinstance(found, InvalidArtifact)
    assert "'absent' does not exist" in found.message


def test_nothing_of_training_is_imported(bundle):
    code = (
        "import sys; sys.argv = ['edgekd', 'bundle', 'verify', sys.argv[1]]\n"
        "import atexit; from edgekd.cli.app import main\n"
        "names = ('torch', 'transformers', 'onnx', 'datasets')\n"
        "atexit.register(lambda: print([m for m in names if m in sys.modules]))\n"
        "main()"
    )
    command = [sys.executable, "-c", code, str(bundle.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_help_of_the_commands_imports_nothing_heavy():
    code = (
        "import sys\nfrom typer.testing import CliRunner\nimport edgekd.cli.app as a\n"
        "for name in ('verify', 'info', 'pack', 'unpack', 'diff'):\n"
        "    assert CliRunner().invoke(a.app, ['bundle', name, '--help']).exit_code == 0\n"
        "print(sorted({'numpy', 'onnxruntime', 'tokenizers', 'yaml'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
