from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgekd.emulation import debian, qemu, store, userland, wheels
from edgekd.emulation.unavailable import EmulationUnavailable


def script(path, text):
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEKD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "emulation"


@pytest.fixture
def no_programs(tmp_path, monkeypatch):
    """Let PATH hold nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def build(calls):
    def fill(folder):
        calls.append(folder.name)
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("content")
        return {"version": len(calls)}

    return fill


def test_a_folder_is_made_once(cache):
    calls = []
    folder, facts = store.prepared("thing", {"a": 1}, build(calls), print)
    assert (folder, facts) == (cache / "thing", {"version": 1})
    assert store.prepared("thing", {"a": 1}, build(calls), print) == (folder, facts)
    assert len(calls) == 1


def test_another_key_makes_it_again(cache):
    calls = []
    store.prepared("thing", {"a": 1}, build(calls), print)
    assert store.prepared("thing", {"a": 2}, build(calls), print)[1] == {"version": 2}


@pytest.mark.parametrize("damage", ["missing", "shorter", "stamp", "no stamp"])
def test_a_damaged_folder_is_made_again(cache, damage):
    calls = []
    folder, _ = store.prepared("thing", {}, build(calls), print)
    if damage == "missing":
        (folder / "sub" / "file").unlink()
    elif damage == "shorter":
        (folder / "sub" / "file").write_text("cont")
    elif damage == "stamp":
        (folder / store.STAMP_FILE).write_text("[]")
    else:
        (folder / store.STAMP_FILE).unlink()
    assert store.prepared("thing", {}, build(calls), print)[1] == {"version": 2}
    assert (folder / "sub" / "file").read_text() == "content"


def test_files_that_python_adds_do_not_damage_it(cache):
    calls = []
    folder, _ = store.prepared("thing", {}, build(calls), print)
    (folder / "sub" / "module.pyc").write_text("compiled")
    store.prepared("thing", {}, build(calls), print)
    assert len(calls) == 1


def test_a_failed_build_leaves_nothing(cache):
    def fail(folder):
        (folder / "half").write_text("")
        raise EmulationUnavailable("no network")

    with pytest.raises(EmulationUnavailable, match="no network"):
        store.prepared("thing", {}, fail, print)
    assert [path.name for path in cache.iterdir()] == [".thing.lock"]


def test_a_cache_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEKD_CACHE", str(tmp_path / "file"))
    with pytest.raises(EmulationUnavailable, match="Cannot store 'thing' in the cache folder"):
        store.prepared("thing", {}, build([]), print)


def test_platform_tags_go_down_from_the_boards_c_library():
    tags = wheels.platform_tags("aarch64", "2.19")
    assert tags == [
        "manylinux_2_19_aarch64",
        "manylinux_2_18_aarch64",
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
    ]


def test_the_older_version_is_compared_by_number():
    assert wheels.older("2.36", "2.5") == "2.5"
    assert wheels.older("2.35", "2.36") == "2.35"


def test_the_command_of_pip_asks_for_the_other_platform_and_builds_nothing(tmp_path):
    key = {"arch": "aarch64", "python": "3.11", "glibc": "2.17"}
    command = wheels.download_command(["numpy==2.4.6"], tmp_path, **key, dependencies=False)
    assert command[0] == sys.executable
    assert command[-3:] == ["--dest", str(tmp_path), "numpy==2.4.6"]
    for part in ("--only-binary=:all:", "--no-deps", "--python-version=3.11", "--abi=cp311", "--abi=abi3"):
        assert part in command
    assert "--platform=manylinux_2_17_aarch64" in command


def test_the_versions_are_those_of_this_machine():
    import numpy

    assert wheels.installed_versions()["numpy"] == numpy.__version__
    assert list(wheels.installed_versions()) == ["onnxruntime", "numpy", "tokenizers"]


def test_the_newest_version_is_taken_where_this_one_has_no_wheel(tmp_path, monkeypatch):
    asked = []

    def pip(command, **_):
        asked.append(command[-1])
        if "==" not in command[-1]:
            (Path(command[-2]) / "numpy-3.0.0-cp311-cp311-any.whl").touch()
        return subprocess.CompletedProcess(command, "==" in command[-1], "", "ERROR: No matching distribution")

    monkeypatch.setattr(wheels.subprocess, "run", pip)
    key = {"arch": "aarch64", "python": "3.11", "glibc": "2.36"}
    assert wheels._download("numpy", "2.4.6", key, tmp_path).name.startswith("numpy-3.0.0-")
    assert asked == ["numpy==2.4.6", "numpy"]


def test_without_any_wheel_the_first_reason_is_given(tmp_path, monkeypatch):
    def pip(command, **_):
        return subprocess.CompletedProcess(command, 1, "", f"ERROR: nothing for {command[-1]}\n")

    monkeypatch.setattr(wheels.subprocess, "run", pip)
    key = {"arch": "aarch64", "python": "3.11", "glibc": "2.36"}
    with pytest.raises(EmulationUnavailable, match=r"pip cannot fetch numpy for aarch64.*nothing for numpy==2\.4\.6"):
        wheels._download("numpy", "2.4.6", key, tmp_path)


def test_apt_stays_in_its_folder(tmp_path):
    options = debian.apt_options("arm64", tmp_path)
    assert "-oAPT::Architecture=arm64" in options
    assert f"-oDir::State::status={tmp_path / 'status'}" in options
    assert all(str(tmp_path) in option for option in options if option.startswith("-oDir::"))


def test_ubuntu_keeps_arm_elsewhere(monkeypatch):
    monkeypatch.setattr(debian.platform, "machine", lambda: "x86_64")
    ubuntu = {"ID": "ubuntu", "VERSION_CODENAME": "noble"}
    assert "ports.ubuntu.com/ubuntu-ports noble main" in debian.ports_of(ubuntu, "aarch64")
    assert debian.ports_of(ubuntu, "x86_64") is None
    assert debian.ports_of({"ID": "debian"}, "aarch64") is None


def test_versions_are_read_from_the_names_of_packages():
    files = [Path("libc6_2.36-9+deb12u14_arm64.deb"), Path("zlib1g_1%3a1.2.13_arm64.deb")]
    assert debian.package_versions(files) == {"libc6": "2.36-9+deb12u14", "zlib1g": "1:1.2.13"}


def test_without_apt_the_reason_is_said(no_programs, tmp_path):
    with pytest.raises(EmulationUnavailable, match="There is no apt-get and no dpkg-deb here"):
        debian.Apt("aarch64", tmp_path / "apt")


def test_what_apt_says_is_passed_on(no_programs, tmp_path):
    script(no_programs / "apt-get", "echo 'E: Unable to locate package python3' >&2; exit 100")
    script(no_programs / "dpkg-deb", "exit 0")
    with pytest.raises(EmulationUnavailable, match="apt cannot fetch python3: E: Unable to locate package python3"):
        debian.Apt("aarch64", tmp_path / "apt").download(["python3"])


def test_a_damaged_package_is_refused(no_programs, tmp_path):
    script(no_programs / "dpkg-deb", "echo 'not a Debian archive' >&2; exit 2")
    with pytest.raises(EmulationUnavailable, match=r"'a\.deb' cannot be unpacked: not a Debian archive"):
        debian.unpack([tmp_path / "a.deb"], tmp_path, print)


def test_the_interpreter_is_found_by_its_version(tmp_path):
    for name in ("python3", "python3.11", "python3.11-config"):
        script(tmp_path / "usr" / "bin" / name, "")
    facts = userland.describe(tmp_path, {"libc6": "2.36-9+deb12u14"})
    assert facts == {"python": "usr/bin/python3.11", "version": "3.11", "glibc": "2.36"}


def test_a_system_without_python_is_refused(tmp_path):
    with pytest.raises(EmulationUnavailable, match="brought no Python"):
        userland.describe(tmp_path, {"libc6": "2.36"})


def test_lib_is_linked_where_a_release_has_only_usr_lib(tmp_path):
    (tmp_path / "usr" / "lib").mkdir(parents=True)
    userland._link_lib(tmp_path)
    assert (tmp_path / "lib").readlink() == Path("usr/lib")
    assert not (tmp_path / "lib64").exists()


def test_the_emulator_on_the_path_is_taken_and_the_static_one_first(no_programs):
    for name in ("qemu-aarch64", "qemu-aarch64-static"):
        script(no_programs / name, "echo 'qemu-aarch64 version 8.2.2 (Debian 1:8.2.2)'")
    found = qemu.find_qemu("aarch64", print)
    assert (found.program.name, found.version) == ("qemu-aarch64-static", "8.2.2")


def test_an_old_emulator_on_the_path_is_not_taken(no_programs, monkeypatch):
    script(no_programs / "qemu-aarch64", "echo 'qemu-aarch64 version 5.2.0'")
    fetched = qemu.Qemu(Path("/cache/qemu-aarch64-static"), "7.2.22")
    monkeypatch.setattr(qemu, "_fetched", lambda arch, say: fetched)
    assert qemu.find_qemu("aarch64", print) is fetched


def test_a_given_emulator_must_run_and_be_new_enough(no_programs):
    script(no_programs / "old", "echo 'qemu-aarch64 version 5.2.0'")
    script(no_programs / "other", "echo 'something else'")
    with pytest.raises(EmulationUnavailable, match=r"QEMU 5\.2\.0; 7\.2 or later is needed"):
        qemu.find_qemu("aarch64", print, "old")
    with pytest.raises(EmulationUnavailable, match="does not run here or is no QEMU"):
        qemu.find_qemu("aarch64", print, "other")
    with pytest.raises(EmulationUnavailable, match="There is no program 'none'"):
        qemu.find_qemu("aarch64", print, "none")


def test_a_machine_without_apt_cannot_fetch_an_emulator(no_programs, cache):
    with pytest.raises(EmulationUnavailable, match="There is no apt-get"):
        qemu.find_qemu("aarch64", print)
    assert [path.name for path in cache.iterdir()] == [f".qemu-{qemu.platform.machine()}.lock"]


def test_only_the_two_emulators_are_kept(no_programs, cache, monkeypatch):
    script(no_programs / "apt-get", 'case "$*" in *download*) : > qemu-user-static_1%3a7.2_amd64.deb;; esac')
    text = "#!/bin/sh\\necho qemu version 7.2.22\\n"
    script(
        no_programs / "dpkg-deb",
        f'/bin/mkdir -p "$3/usr/bin"; for n in aarch64 x86_64 riscv64; do p="$3/usr/bin/qemu-$n-static"; '
        f"printf '{text}' > $p; /bin/chmod +x $p; done",
    )
    monkeypatch.setattr(qemu.platform, "machine", lambda: "x86_64")
    found = qemu.find_qemu("aarch64", print)
    assert found == qemu.Qemu(cache / "qemu-x86_64" / "qemu-aarch64-static", "7.2.22")
    names = sorted(path.name for path in (cache / "qemu-x86_64").iterdir())
    assert names == ["edgekd-emulation.json", "qemu-aarch64-static", "qemu-x86_64-static"]
