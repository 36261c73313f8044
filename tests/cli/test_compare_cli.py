"""``edgekd compare`` as a user runs it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from edgekd.cli.app import app
from edgekd.errors import EXIT_INVALID, EXIT_USAGE, EdgekdError
from edgekd.results import save_result
from tests.results import make_machine, make_result


@pytest.fixture
def run(tmp_path):
    """Return a function that compares two folders: one variant each, the second as given."""
    few = {"calls": 60, "blocks": 6, "texts": 60}
    save_result(make_result(**few), tmp_path / "old" / "cnn-int8.result.json")

    def compared(*options, **changes):
        save_result(make_result(**{"seed": 1, **few, **changes}), tmp_path / "new" / "cnn-int8.result.json")
        return CliRunner().invoke(app, ["compare", str(tmp_path / "old"), str(tmp_path / "new"), *options])

    return compared


def test_every_format_on_stdout_and_in_a_file(run, tmp_path):
    assert run(size_bytes=9_200_000).stdout.startswith("1 variant, ")
    assert run("--format", "md").stdout.startswith("## edgekd compare: ")
    value = json.loads(run("--json").stdout)
    assert value == json.loads(run("--format", "json").stdout)
    for name, start in (("c.md", "## edgekd compare: "), ("c.json", "{")):
        found = run("--out", str(tmp_path / name))
        assert (found.exit_code, found.stdout) == (0, "")
        assert (tmp_path / name).read_text().startswith(start)


@pytest.mark.parametrize(
    ("options", "changes", "words", "code"),
    [
        (["--json", "--format", "md"], {}, "contradict each other", EXIT_USAGE),
        (["--out", "c.txt"], {}, "Cannot tell how to write 'c.txt'", EXIT_USAGE),
        (["--out", "c.md", "--format", "terminal"], {}, "Cannot tell how to write", EXIT_USAGE),
        ([], {"machine": make_machine(fingerprint="a" * 16)}, "different machines", EXIT_INVALID),
        ([], {"data_hash": "e" * 64}, "hash of the evaluation texts differs", EXIT_INVALID),
    ],
)
def test_what_cannot_be_done_is_said(run, options, changes, words, code):
    error = run(*options, **changes).exception
    assert isinstance(error, EdgekdError)
    assert words in error.message
    assert error.hint
    assert error.exit_code == code


def test_an_empty_folder_and_a_damaged_file(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.result.json").write_text('{"schema_version": 3, "variant')
    for path, words in (("empty", "holds no result file"), ("cut.result.json", "cut.result.json"), ("no", "not exist")):
        found = CliRunner().invoke(app, ["compare", str(tmp_path / path), str(tmp_path / path)])
        assert isinstance(found.exception, EdgekdError)
        assert words in found.exception.message
