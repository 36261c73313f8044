"""Assets come from a small wheel made here, through the real pip, with a local folder as its only index."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

from edgekd import assets, catalogue, units
from edgekd.artifacts import sha256_file
from edgekd.assets import asset_path, cache_dir, get_asset
from edgekd.catalogue import Asset, Wheel
from edgekd.errors import AssetUnavailable, ConfigError
from edgekd.registry import Registry

FILENAME = "toyassets-1.0-py3-none-any.whl"
BIG = b"x" * (assets.QUICK_HASH_BYTES + 1)


def make_wheel(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILENAME
    info = "toyassets-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("toyassets/one.txt", "one\n")
        archive.writestr("toyassets/big.bin", BIG)
        archive.writestr("toyassets/two.txt", "two\n")
        archive.writestr("../evil.txt", "evil\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: toyassets\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def make_asset(name: str, wheel: Wheel, files: dict[str, str], size_bytes: int = 10 << 20) -> Asset:
    return Asset(name, "data", "toy", "MIT", "made up", size_bytes, wheel, tuple(files.items()))


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that is pip's only index and holds the toy wheel; cache and catalogue are toys as well."""
    wheel_path = make_wheel(tmp_path / "index")
    wheel = Wheel("toyassets", "1.0", FILENAME, sha256_file(wheel_path), wheel_path.stat().st_size)
    registry: Registry[Asset] = Registry("asset")
    one = {"toyassets/one.txt": "sub/one.txt", "toyassets/big.bin": "big.bin"}
    registry.register("toy-one")(make_asset("toy-one", wheel, one))
    registry.register("toy-two")(make_asset("toy-two", wheel, {"toyassets/two.txt": "two.txt"}))
    monkeypatch.setattr(catalogue, "ASSETS", registry)
    monkeypatch.setattr(assets, "ASSETS", registry)
    monkeypatch.setenv("EDGEKD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path / "index"


@pytest.fixture
def no_pip(monkeypatch):
    """Fail the test when anything is downloaded."""

    def refuse(*args, **kwargs):
        raise AssertionError("a download was started")

    monkeypatch.setattr(assets, "pip_download", refuse)


def place_wheel(index: Path) -> Path:
    """Put the wheel where a complete download would be."""
    downloads = cache_dir() / "downloads"
    downloads.mkdir(parents=True)
    return Path((index / FILENAME).rename(downloads / FILENAME))


def test_get_downloads_extracts_and_reuses(index):
    said = []
    folder = get_asset("toy-one", progress=said.append)
    assert (folder / "sub/one.txt").read_text() == "one\n"
    assert (folder / "big.bin").read_bytes() == BIG
    wheel = units.size((index / FILENAME).stat().st_size)
    assert said[0] == f"toy-one: downloading toyassets==1.0 ({wheel}) with pip"
    record = json.loads((folder / assets.RECORD_FILE).read_text())
    assert set(record["files"]) == {"sub/one.txt", "big.bin"}
    assert not list(cache_dir().rglob("evil*"))
    (index / FILENAME).unlink()  # from here on there is no network
    assert get_asset("toy-one") == folder == asset_path("toy-one")
    assert get_asset("toy-two").is_dir()  # the same wheel serves the other asset
    assert not (cache_dir() / "downloads" / FILENAME).exists()  # and is removed when no asset needs it


def test_without_network_the_error_says_what_to_do(index):
    (index / FILENAME).unlink()
    with pytest.raises(AssetUnavailable) as caught:
        get_asset("toy-one")
    assert "'toy-one' is not in the cache" in caught.value.message
    assert "No matching distribution found for toyassets==1.0" in caught.value.message
    for way in ("EDGEKD_CACHE", FILENAME, "local file or folder", "hub id"):
        assert way in (caught.value.hint or "")
    assert caught.value.exit_code == 3
    assert asset_path("toy-one") is None
    assert not list((cache_dir() / "downloads").glob(".part-*"))


def test_wheel_with_another_hash_is_refused(index):
    with zipfile.ZipFile(index / FILENAME, "a") as archive:
        archive.writestr("toyassets/extra.txt", "changed")
    with pytest.raises(AssetUnavailable, match=r"has sha256 \w+\.\.\., expected \w+\.\.\.; it was not used"):
        get_asset("toy-one")
    assert asset_path("toy-one") is None
    assert not list(cache_dir().rglob("*.whl"))


def test_placed_wheel_needs_no_network(index, no_pip):
    place_wheel(index)
    assert (get_asset("toy-two") / "two.txt").read_text() == "two\n"


def test_broken_placed_wheel_is_downloaded_again(index):
    downloads = cache_dir() / "downloads"
    downloads.mkdir(parents=True)
    (downloads / FILENAME).write_bytes((index / FILENAME).read_bytes()[:100])
    assert (get_asset("toy-two") / "two.txt").is_file()


@pytest.mark.parametrize("damage", ["small file changed", "big file cut", "record gone", "file gone"])
def test_damage_is_found_and_repaired(index, no_pip, damage):
    place_wheel(index)
    folder = get_asset("toy-one")
    if damage == "small file changed":
        (folder / "sub/one.txt").write_text("two\n")  # same size
    elif damage == "big file cut":
        (folder / "big.bin").write_bytes(BIG[:-1])
    elif damage == "record gone":
        (folder / assets.RECORD_FILE).unlink()
    else:
        (folder / "big.bin").unlink()
    assert asset_path("toy-one") is None
    assert (get_asset("toy-one") / "sub/one.txt").read_text() == "one\n"
    assert (folder / "big.bin").read_bytes() == BIG


def test_full_check_hashes_large_files(index, no_pip):
    place_wheel(index)
    folder = get_asset("toy-one")
    (folder / "big.bin").write_bytes(b"y" * len(BIG))
    assert get_asset("toy-one") == folder
    assert (folder / "big.bin").read_bytes() != BIG  # the quick check looks at its size only
    get_asset("toy-one", full=True)
    assert (folder / "big.bin").read_bytes() == BIG


def test_killed_get_leaves_nothing_half_published(index, tmp_path):
    """A process dies hard in the middle of the extraction; the next call finishes without network."""
    wheel = place_wheel(index)
    asset = catalogue.ASSETS.get("toy-one")
    script = f"""
        import os
        from edgekd import assets, units, catalogue
        from edgekd.catalogue import Asset, Wheel
        wheel = Wheel("toyassets", "1.0", {FILENAME!r}, {asset.wheel.sha256!r}, 1)
        asset = Asset("toy-one", "data", "toy", "MIT", "made up", {asset.size_bytes}, wheel, {asset.files!r})
        catalogue.ASSETS.register("toy-one")(asset)
        real = assets._copy_member
        def copy_then_die(archive, member, target, *, limit):
            real(archive, member, target, limit=limit)
            os.kill(os.getpid(), 9)
        assets._copy_member = copy_then_die
        assets.get_asset("toy-one")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False, capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    assert list((cache_dir() / "assets").iterdir()) != []  # it did die in the middle
    assert asset_path("toy-one") is None
    assert wheel.is_file()
    folder = get_asset("toy-one")
    assert (folder / "sub/one.txt").read_text() == "one\n"
    assert [path.name for path in folder.parent.iterdir()] == ["toy-one"]


def test_leftovers_of_a_killed_download_are_removed(index):
    stale = cache_dir() / "downloads" / ".part-toyassets-99999"
    stale.mkdir(parents=True)
    (stale / "half.whl").write_bytes(b"half")
    get_asset("toy-one")
    assert not stale.exists()


def test_second_process_waits_for_the_first(index, monkeypatch, no_pip):
    """While another holds the lock it fetches the asset; the waiting call then finds it and does nothing."""
    wheel = place_wheel(index)
    lock = cache_dir() / "downloads" / "toyassets.lock"
    said = []
    with lock.open("a+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def other_finishes(line):
            said.append(line)
            asset = catalogue.ASSETS.get("toy-two")
            assets._extract(wheel, asset, assets._folder(asset))
            monkeypatch.setattr(assets, "_extract", None)  # extracting again would raise
            fcntl.flock(other, fcntl.LOCK_UN)

        folder = get_asset("toy-two", progress=other_finishes)
    assert said == ["waiting for another edgekd process that is fetching the same files (toyassets)"]
    assert (folder / "two.txt").is_file()


def test_member_larger_than_allowed_is_refused(index, no_pip):
    wheel = place_wheel(index)
    asset = make_asset("small", catalogue.ASSETS.get("toy-one").wheel, {"toyassets/big.bin": "b"}, size_bytes=1000)
    folder = cache_dir() / "assets" / "small"
    with pytest.raises(AssetUnavailable, match=r"'toyassets/big.bin' is larger than the 1000 bytes"):
        assets._extract(wheel, asset, folder)
    assert not folder.exists()


@pytest.mark.parametrize("target", ["../out.txt", "/etc/out.txt", "a/../../out.txt"])
def test_target_outside_the_folder_is_refused(index, target):
    wheel = place_wheel(index)
    asset = make_asset("bad", catalogue.ASSETS.get("toy-one").wheel, {"toyassets/one.txt": target})
    with pytest.raises(Exception, match="outside its folder"):
        assets._extract(wheel, asset, cache_dir() / "assets" / "bad")
    assert not (cache_dir() / "assets" / "bad").exists()


def test_member_missing_in_the_wheel_is_reported(index):
    wheel = place_wheel(index)
    asset = make_asset("bad", catalogue.ASSETS.get("toy-one").wheel, {"toyassets/none.txt": "none.txt"})
    with pytest.raises(AssetUnavailable, match=r"cannot be unpacked.*none\.txt"):
        assets._extract(wheel, asset, cache_dir() / "assets" / "bad")


def test_cache_that_cannot_be_written(index, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEKD_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(AssetUnavailable, match="Cannot store asset 'toy-one'") as caught:
        get_asset("toy-one")
    assert "EDGEKD_CACHE" in (caught.value.hint or "")


def test_unknown_asset_lists_names_and_the_nearest():
    with pytest.raises(ConfigError, match=r"Unknown asset 'movie-sentimen'.*Did you mean 'movie-sentiment'"):
        get_asset("movie-sentimen")


def test_cache_dir_follows_the_platform(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEKD_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("EDGEKD_CACHE")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x/cache")
    assert cache_dir() == Path("/x/cache/edgekd")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == tmp_path / ".cache/edgekd"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_dir() == tmp_path / "Library/Caches/edgekd"


def test_pinned_assets_are_complete():
    for name in catalogue.ASSETS:
        asset = catalogue.ASSETS.get(name)
        assert asset.description
        assert asset.licence
        assert asset.source
        assert asset.size_bytes > 0
        assert len(asset.wheel.sha256) == 64
        assert len({file for _, file in asset.files}) == len(asset.files)
