"""Packed bundles: the same bytes for the same content, and nothing hostile gets out of an archive."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.bundles.archive import write_archive
from edgekd.bundles.extract import extract
from edgekd.bundles.names import why_unsafe
from edgekd.errors import InvalidArtifact

LETTERS = st.text("abcXYZ019-_. äж\u200d(", min_size=1, max_size=12).filter(lambda part: part.strip(". ") != "")
NAMES = st.lists(LETTERS, min_size=1, max_size=3).map("/".join).filter(lambda name: why_unsafe(name) is None)


def without_conflicts(files):
    """Leave out files that lie where another name needs a folder."""
    return {name: data for name, data in files.items() if not any(other.startswith(f"{name}/") for other in files)}


FILES = st.dictionaries(NAMES, st.binary(max_size=3000), min_size=1, max_size=6).map(without_conflicts)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@settings(max_examples=60)
@given(files=FILES, seconds=st.integers(0, 2_000_000_000), mask=st.sampled_from([0o022, 0o077, 0o002]))
def test_the_same_content_gives_the_same_bytes_whatever_its_time_order_and_mode(tmp_path_factory, files, seconds, mask):
    base = tmp_path_factory.mktemp("pack")
    write_archive(base / "a.tar.gz", "top", dict(files))
    previous = os.umask(mask)
    try:
        on_disk = {}
        for number, (name, data) in enumerate(reversed(files.items())):
            path = base / f"elsewhere-{number}"
            path.write_bytes(data)
            os.utime(path, (seconds, seconds))
            on_disk[name] = path
        write_archive(base / "b.tar.gz", "top", on_disk)
    finally:
        os.umask(previous)
    assert (base / "a.tar.gz").read_bytes() == (base / "b.tar.gz").read_bytes()
    (base / "out").mkdir()
    (base / "out" / "top").mkdir()
    with tarfile.open(base / "a.tar.gz") as archive:
        assert {m.name: archive.extractfile(m).read() for m in archive} == {f"top/{n}": d for n, d in files.items()}


@settings(max_examples=40)
@given(files=FILES)
def test_what_is_packed_comes_out_again(tmp_path_factory, files):
    base = tmp_path_factory.mktemp("pack")
    packed = {**files, "edgekd.json": b"{}"}
    write_archive(base / "a.tar.gz", "top", packed)
    (base / "out").mkdir()
    assert contents(extract(base / "a.tar.gz", base / "out")) == packed


def test_nothing_of_the_machine_is_in_the_archive(tmp_path):
    write_archive(tmp_path / "a.tar.gz", "top", {"b.txt": b"beta", "run.py": b"pass"}, runnable=["run.py"])
    raw = (tmp_path / "a.tar.gz").read_bytes()
    assert raw[4:8] == b"\0\0\0\0"  # no time
    assert raw[3] == 0  # no name
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        found = [(m.name, m.mode, m.mtime, m.uid, m.gid, m.uname, m.gname) for m in archive]
    assert found == [("top/b.txt", 0o644, 0, 0, 0, "", ""), ("top/run.py", 0o755, 0, 0, 0, "", "")]
    digest = hashlib.sha256(gzip.decompress(raw)).hexdigest()
    assert digest == "ea3d2a32e3ffc437a3fdb6ff39730ac4e7da738cf4985b8a291103d304279d78"


def test_a_failed_write_leaves_the_old_archive(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        write_archive(tmp_path / "a.tar.gz", "top", {"x": tmp_path / "absent"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]
    assert (tmp_path / "a.tar.gz").read_bytes() == b"old"


def entry(name, data=b"x", **changes):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, data


def make(path, *entries, tail=b""):
    with gzip.open(path, "wb") as stream:
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for info, data in entries:
                archive.addfile(info, io.BytesIO(data))
        stream.write(tail)
    return path


MANIFEST = entry("top/edgekd.json", b"{}")
HOSTILE = {
    "absolute": (entry("/etc/passwd"), "it is absolute"),
    "upward": (entry("top/../../x"), "'..'"),
    "upward at once": (entry("../x"), "'..'"),
    "a dot": (entry("./top/x"), "empty part"),
    "backslash": (entry("top/a\\b"), "backslash"),
    "drive": (entry("c:/x"), "colon"),
    "new line": (entry("top/a\nb"), "printed"),
    "turned": (entry("top/\u202egpj.sh"), "printed"),
    "long": (entry("top/" + "a" * 256), "longer than 255"),
    "deep": (entry("top/" + "a/" * 600 + "b"), "longer than 1000"),
    "symbolic link": (entry("top/link", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "no plain file"),
    "hard link": (entry("top/link", b"", type=tarfile.LNKTYPE, linkname="top/edgekd.json"), "no plain file"),
    "device": (entry("top/null", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3), "no plain file"),
    "pipe": (entry("top/pipe", b"", type=tarfile.FIFOTYPE), "no plain file"),
    "folder outside": (entry("../out", b"", type=tarfile.DIRTYPE), "'..'"),
    "twice": (entry("top/edgekd.json", b"[]"), "it is there twice"),
    "no folder": (entry("loose"), "it lies in no folder"),
    "file as folder": (entry("top/edgekd.json/x"), "in the way of"),
    "two folders": (entry("other/x"), "2 folders at its top"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_entry_is_refused(tmp_path, case):
    hostile, reason = HOSTILE[case]
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidArtifact, match=reason.replace("'..'", r"'\.\.'")):
        extract(make(tmp_path / "a.tar.gz", MANIFEST, hostile), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "out"]


def test_an_archive_without_a_manifest_is_no_bundle(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidArtifact, match=r"its folder 'top' has no edgekd\.json"):
        extract(make(tmp_path / "a.tar.gz", entry("top/x")), tmp_path / "out")


def test_an_empty_archive_is_no_bundle(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidArtifact, match="0 folders at its top"):
        extract(make(tmp_path / "a.tar.gz"), tmp_path / "out")


def test_more_bytes_than_allowed_are_not_written(tmp_path):
    (tmp_path / "out").mkdir()
    path = make(tmp_path / "a.tar.gz", MANIFEST, entry("top/big", bytes(3_000_000)))
    with pytest.raises(InvalidArtifact, match="more than 1,000,000 bytes") as caught:
        extract(path, tmp_path / "out", max_bytes=1_000_000)
    assert "--max-size" in caught.value.hint
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file()) == 2


def test_more_files_than_allowed_are_not_written(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidArtifact, match="1,000 files"):
        extract(make(tmp_path / "a.tar.gz", *(entry(f"top/{i}", b"") for i in range(1001))), tmp_path / "out")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_claims_to_be_huge_is_not_read(tmp_path, kind):
    """tarfile reads extended headers whole; this one claims 3 GB and would be that in memory."""
    info = tarfile.TarInfo("top/x")
    info.type, info.size = kind, 3_000_000_000
    with gzip.open(tmp_path / "a.tar.gz", "wb") as stream:
        stream.write(info.tobuf(tarfile.GNU_FORMAT))
        stream.write(bytes(100_000))
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidArtifact, match=r"no whole \.tar\.gz"):
        extract(tmp_path / "a.tar.gz", tmp_path / "out")


def test_a_negative_size_cannot_hide_others(tmp_path):
    info, _ = entry("top/x")
    info.pax_headers = {"size": "-5000000"}
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidArtifact):
        extract(make(tmp_path / "a.tar.gz", MANIFEST, (info, b"x")), tmp_path / "out", max_bytes=10)


@pytest.fixture
def whole(tmp_path):
    (tmp_path / "out").mkdir()
    return make(tmp_path / "a.tar.gz", MANIFEST, entry("top/random", os.urandom(50_000)))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
def test_an_archive_that_was_cut_short_says_so(tmp_path, whole, share):
    data = whole.read_bytes()
    whole.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InvalidArtifact, match=r"no whole \.tar\.gz archive"):
        extract(whole, tmp_path / "out")


@pytest.mark.parametrize("place", [0, 1, 200, 25_000, -3])
def test_a_changed_byte_is_found(tmp_path, whole, place):
    data = bytearray(whole.read_bytes())
    data[place] ^= 0x55
    whole.write_bytes(data)
    with pytest.raises(InvalidArtifact, match=r"no whole \.tar\.gz archive"):
        extract(whole, tmp_path / "out")


def test_endless_zeros_after_the_last_file_are_not_read(tmp_path):
    (tmp_path / "out").mkdir()
    path = make(tmp_path / "a.tar.gz", MANIFEST, tail=bytes(20_000_000))
    with pytest.raises(InvalidArtifact, match="goes on after its last file"):
        extract(path, tmp_path / "out")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04zip", b"{}", bytes(10_240)])
def test_another_kind_of_file_is_no_archive(tmp_path, data):
    (tmp_path / "a.tar.gz").write_bytes(data)
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidArtifact, match=r"no whole \.tar\.gz archive"):
        extract(tmp_path / "a.tar.gz", tmp_path / "out")


def test_a_missing_archive(tmp_path):
    with pytest.raises(InvalidArtifact, match="does not exist"):
        extract(tmp_path / "absent.tar.gz", tmp_path)
