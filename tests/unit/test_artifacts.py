"""Artifacts: atomic writes, folders that appear whole, locks, stage records."""

import os
import subprocess
import sys

import pytest

from edgekd.artifacts import (
    folder_lock,
    hash_json,
    publish_folder,
    read_json,
    stage_is_valid,
    write_json_atomic,
    write_stage,
    write_text_atomic,
)
from edgekd.errors import Busy, InvalidArtifact


def test_hash_does_not_depend_on_key_order():
    assert hash_json({"a": 1, "b": [2, "ü"]}) == hash_json({"b": [2, "ü"], "a": 1})
    assert hash_json({"a": 1}) != hash_json({"a": 2})


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "f.json"
    write_json_atomic(path, {"old": True})

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_json_atomic(path, {"new": True})
    assert read_json(path) == {"old": True}
    assert [p.name for p in tmp_path.iterdir()] == ["f.json"]


def test_nan_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json_atomic(tmp_path / "f.json", {"x": float("nan")})


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "out"

    def dies():
        with publish_folder(target) as building:
            (building / "half").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        dies()
    assert list(tmp_path.iterdir()) == []
    with publish_folder(target) as building:
        (building / "a").write_text("1")
    with publish_folder(target) as building:
        (building / "b").write_text("2")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert [p.name for p in target.iterdir()] == ["b"]


def test_a_stage_is_valid_only_while_key_and_files_are_the_same(tmp_path):
    assert not stage_is_valid(tmp_path, "k")
    write_text_atomic(tmp_path / "model", "weights")
    write_stage(tmp_path, stage="s", key="k", inputs={"x": 1}, started_at=0)
    assert stage_is_valid(tmp_path, "k")
    assert not stage_is_valid(tmp_path, "other")
    (tmp_path / "model").write_text("Weights")
    assert not stage_is_valid(tmp_path, "k")


def test_a_second_process_is_told_who_holds_the_folder(tmp_path):
    code = (
        "from pathlib import Path\nfrom edgekd.artifacts import folder_lock\n"
        f"with folder_lock(Path({str(tmp_path)!r})): pass"
    )
    with folder_lock(tmp_path):
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert f"in use by another edgekd process (pid {os.getpid()})" in other.stderr
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_lock_refuses_the_same_process_too(tmp_path):
    with folder_lock(tmp_path), pytest.raises(Busy), folder_lock(tmp_path):
        pass


@pytest.mark.parametrize("content", [b"{", b"\xff"])
def test_damaged_json(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InvalidArtifact, match="is not valid JSON"):
        read_json(tmp_path / "x.json")
