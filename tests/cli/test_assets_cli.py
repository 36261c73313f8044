"""``edgekd assets``: what goes to stdout, what to stderr, and the exit codes."""

from __future__ import annotations

import json
import sys

import pytest

from edgekd import assets, catalogue
from edgekd.cli.app import main
from tests.unit.test_assets import FILENAME, index, no_pip, place_wheel  # noqa: F401


@pytest.fixture
def edgekd(monkeypatch, capsys):
    """Run the command line and return exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgekd", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out, captured.err

    return run


def test_list_as_json_says_what_is_cached(edgekd, index, no_pip):  # noqa: F811
    place_wheel(index)
    assert edgekd("assets", "get", "toy-two")[0] == 0
    code, out, _ = edgekd("assets", "list", "--json")
    assert code == 0
    rows = {row["name"]: row for row in json.loads(out)}
    assert rows["toy-two"]["cached"] is True
    assert rows["toy-one"]["cached"] is False
    assert rows["toy-one"]["licence"] == "MIT"
    assert rows["toy-one"]["wheel"] == "toyassets==1.0"


def test_list_shows_every_asset(edgekd, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKD_CACHE", str(tmp_path))
    code, out, err = edgekd("assets", "list")
    assert code == 0
    for name in catalogue.ASSETS:
        assert name in out
    assert str(tmp_path) in err


def test_get_prints_the_folder_only(edgekd, index):  # noqa: F811
    code, out, err = edgekd("assets", "get", "toy-two", "toy-one", "--verify")
    assert code == 0
    root = assets.cache_dir() / "assets"
    assert out.splitlines() == [str(root / "toy-two"), str(root / "toy-one")]
    assert "downloading toyassets==1.0" in err


def test_path_of_an_absent_asset_is_exit_3_with_a_hint(edgekd, index):  # noqa: F811
    code, out, err = edgekd("assets", "path", "toy-one")
    assert code == 3
    assert out == ""
    assert "edgekd assets get toy-one" in err


def test_path_prints_the_folder(edgekd, index, no_pip):  # noqa: F811
    place_wheel(index)
    edgekd("assets", "get", "toy-one")
    assert edgekd("assets", "path", "toy-one")[:2] == (0, f"{assets.cache_dir() / 'assets' / 'toy-one'}\n")


def test_unknown_name_fails_before_any_download(edgekd, index, no_pip):  # noqa: F811
    code, out, err = edgekd("assets", "get", "toy-one", "toy-tow")
    assert code == 2
    assert out == ""
    assert "Unknown asset 'toy-tow'" in err
    assert "toy-two" in err


def test_no_network_is_exit_3(edgekd, index):  # noqa: F811
    (index / FILENAME).unlink()
    code, _, err = edgekd("assets", "get", "toy-one")
    assert code == 3
    assert "EDGEKD_CACHE" in err
