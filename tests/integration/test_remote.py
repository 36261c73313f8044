"""Measuring on a board: a real sshd on loopback, the user's ssh, and a measurement that lives on by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from edgekd.bench.job import BenchJob
from edgekd.cli.app import app
from edgekd.config import BenchConfig
from edgekd.errors import Busy, ConfigError
from edgekd.progress import Silent
from edgekd.remote.address import parse_address
from edgekd.remote.board import BoardOptions, open_board, run_module
from edgekd.remote.errors import BoardFailed, ConnectionLost
from edgekd.remote.fleet import Station, measure_fleet
from edgekd.remote.measure import FailedThere, NoLongerFollowed, measure_on
from edgekd.remote.order import prepare
from edgekd.remote.payload import Content
from edgekd.results import Evidence, load_result
from tests.bundles import make_bundle
from tests.sshd import LoopbackBoard
from tests.toys import write_csv

pytest.importorskip("onnx")

OPTIONS = BoardOptions(python=sys.executable)
QUICK = BenchConfig(passes=1, processes=1, warm_up_calls=2)
LONG = BenchConfig(passes=100_000, processes=1, warm_up_calls=2, max_seconds=3.0)


class Recorder(Silent):
    """Keeps what a board said; calls ``when`` at the beginning of the timing."""

    def __init__(self, when=None):
        self.started, self.said, self.when = [], [], when

    def start(self, description, total):
        self.started.append(description)
        if self.when and "Timing" in description:
            self.when()

    def say(self, message):
        self.said.append(message)


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    folder = tmp_path_factory.mktemp("material")
    make_bundle(folder / "student", name="bag-fp32")
    make_bundle(folder / "other", name="bag-int8", seed=1)
    write_csv(folder / "test.csv", 40)
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    board = LoopbackBoard(tmp_path_factory.mktemp("board") / "b")
    board.start()
    yield board
    board.stop()


@pytest.fixture
def board(shared, monkeypatch):
    monkeypatch.setenv("EDGEKD_SSH", shared.ssh)
    return shared


@pytest.fixture
def make_board(tmp_path, monkeypatch):
    boards = []

    def make(name="new", **options):
        boards.append(LoopbackBoard(tmp_path / name, **options))
        boards[-1].start()
        monkeypatch.setenv("EDGEKD_SSH", boards[-1].ssh)
        return boards[-1]

    yield make
    for board in boards:
        board.stop()


def job(material, *names, config=QUICK, **options):
    bundles = tuple(material / name for name in names or ("student",))
    return BenchJob(bundles=bundles, data=str(material / "test.csv"), target="cpu", config=config, **options)


def measure(board, prepared, out, progress=None, **options):
    address = parse_address(board.url)
    return measure_on(address, prepared, options=OPTIONS, out=out, progress=progress or Recorder(), **options)


def test_a_bundle_is_measured_on_the_board(board, material, tmp_path):
    result = CliRunner().invoke(
        app,
        [
            *("bench", str(material / "student"), "--data", str(material / "test.csv"), "--target", "cpu"),
            *("--passes", "1", "--processes", "1", "--on", board.url, "--board-python", sys.executable),
            *("--out", str(tmp_path)),
        ],
        env={"COLUMNS": "140", "EDGEKD_SSH": board.ssh},
    )
    assert result.exit_code == 0, result.output
    assert "device" in result.stdout
    assert f"measuring on {board.url}" in result.stderr
    assert "Timing" in result.stderr
    stored = load_result(tmp_path / "bag-fp32.result.json")
    assert stored.evidence is Evidence.DEVICE
    assert stored.artifact == str(material / "student")
    assert stored.data_name == "test.csv"
    assert len(stored.quality.predictions) == 40
    assert list((board.root / "jobs").iterdir()) == []


def test_only_what_changed_is_copied(board, material):
    def copied(*names):
        prepared, progress = prepare(job(material, *names), None), Recorder()
        with open_board(parse_address(board.url), OPTIONS, progress.say) as opened:
            opened.prepare(prepared.runtimes, prepared.files.values())
        return [line.partition(",")[0] for line in progress.said]

    copied("student")
    assert copied("student") == []
    # Graph and manifest of the other bundle; its tokenizer, the texts and edgekd are there.
    assert copied("student", "other") == ["copying 2 files"]
    assert copied("student", "other") == []


def test_a_lost_connection_stops_nothing_and_nothing_is_measured_twice(board, material, tmp_path, monkeypatch):
    prepared = prepare(job(material, config=LONG), None)
    folder = board.root / "jobs" / prepared.key

    def cut():
        psutil.Process(int((folder / "pid").read_text())).suspend()  # until everything was looked at
        assert board.cut() >= 2

    with pytest.raises(ConnectionLost) as caught:
        measure(board, prepared, tmp_path / "out", Recorder(when=cut))
    assert "--resume" in caught.value.hint
    assert f"edgekd board cancel {board.url}" in caught.value.hint
    process = psutil.Process(int((folder / "pid").read_text()))
    began = process.create_time()
    with pytest.raises(Busy, match="already running"):
        measure(board, prepared, tmp_path / "out")
    with pytest.raises(Busy, match="The board is in use"):
        measure(board, prepare(job(material), None), tmp_path / "out")

    began_again = []

    def go_on():
        began_again.append(process.create_time())
        process.resume()

    second = Recorder(when=go_on)
    [result] = measure(board, prepared, tmp_path / "out", second, resume=True)
    assert began_again == [began]  # the same process, which told once what it did
    assert len([line for line in second.started if "Timing" in line]) == 1
    assert any("since before" in line for line in second.said)
    assert result.evidence is Evidence.DEVICE
    assert not folder.exists()

    monkeypatch.setenv("EDGEKD_SSH", "false")  # what was collected needs no connection any more
    third = Recorder()
    [known] = measure(board, prepared, tmp_path / "out", third, resume=True)
    assert known == result
    assert third.said == [f"{board.url}: already collected"]


def test_a_measurement_that_ended_alone_is_collected(board, material, tmp_path):
    prepared = prepare(job(material, config=LONG.model_copy(update={"max_seconds": 0.5})), None)
    with pytest.raises(ConnectionLost):
        measure(board, prepared, tmp_path, Recorder(when=board.cut))
    state = board.root / "jobs" / prepared.key / "state.json"
    end = time.monotonic() + 60
    while not state.exists():
        assert time.monotonic() < end
        time.sleep(0.1)
    collected = Recorder()
    [result] = measure(board, prepared, tmp_path, collected, resume=True)
    assert collected.started == []
    assert len(result.samples.total_s) > 0


def test_ctrl_c_stops_following_and_not_the_measurement(board, material, tmp_path):
    prepared = prepare(job(material, config=LONG.model_copy(update={"max_seconds": 60.0})), None)

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(NoLongerFollowed) as caught:
        measure(board, prepared, tmp_path, Recorder(when=stop))
    assert caught.value.exit_code == 130
    assert "--resume" in caught.value.hint
    with open_board(parse_address(board.url), OPTIONS, print) as opened:
        assert opened.ask("cancel")["stopped"] == [prepared.key]


def test_two_boards_measure_at_once_and_one_that_fails_does_not_lose_the_other(
    board, make_board, material, tmp_path, monkeypatch
):
    boards = [board, make_board()]
    both = tmp_path / "ssh_config"
    keys = "".join(f"  IdentityFile {board.folder}/keys/user\n" for board in boards)
    known = " ".join(str(board.folder / "known_hosts") for board in boards)
    both.write_text(f"Host *\n{keys}  IdentitiesOnly yes\n  UserKnownHostsFile {known}\n")
    monkeypatch.setenv("EDGEKD_SSH", f"ssh -F {both}")
    progress = Recorder()
    fleet = [Station(parse_address(board.url), name) for board, name in zip(boards, ("kitchen", "cellar"), strict=True)]
    fleet.append(Station(parse_address(f"ssh://127.0.0.1:{_closed_port()}"), "attic"))
    run = measure_fleet(job(material), fleet, options=OPTIONS, out=tmp_path / "out", progress=progress)
    measuring = [number for number, line in enumerate(progress.said) if "measuring on" in line]
    done = [number for number, line in enumerate(progress.said) if "Answers" in line and "done" in line]
    assert len(measuring) == len(done) == 2
    assert max(measuring) < max(done)
    assert sorted(path.parent.name for path in tmp_path.glob("out/*/*.result.json")) == ["cellar", "kitchen"]
    assert len({result.session for result in run.results}) == 2
    assert {result.board for result in run.results} == {one.url for one in boards}
    assert list(run.failures) == ["attic"]
    assert "nothing listens on that port" in run.failures["attic"].message
    assert run.failure.exit_code == 3


def test_another_host_key_is_a_clear_error(make_board, material, tmp_path):
    board = make_board()
    board.stop()
    board.make_key("host")
    board.start()
    with pytest.raises(BoardFailed) as caught:
        measure(board, prepare(job(material), None), tmp_path)
    assert "its host key is another one than before" in caught.value.message
    assert "ssh-keygen -R" in caught.value.hint


def test_an_unknown_host_key_is_refused_even_where_the_user_switched_the_check_off(make_board, material, tmp_path):
    board = make_board()
    (board.folder / "known_hosts").write_text("")
    board.config.write_text(board.config.read_text() + "  StrictHostKeyChecking no\n")
    with pytest.raises(BoardFailed, match="its host key is not known here") as caught:
        measure(board, prepare(job(material), None), tmp_path)
    assert f"-p {board.port}" in caught.value.hint
    assert (board.folder / "known_hosts").read_text() == ""


def test_a_key_that_the_board_does_not_know_is_a_clear_error(make_board, material, tmp_path):
    board = make_board()
    board.make_key("user")
    with pytest.raises(BoardFailed, match="does not let this user in") as caught:
        measure(board, prepare(job(material), None), tmp_path)
    assert "ssh-copy-id" in caught.value.hint


def test_a_board_without_python_is_a_clear_error(make_board, material, tmp_path):
    board = make_board(python=None)
    with pytest.raises(BoardFailed, match=r"no Python of version 3\.10 or later on the board"):
        measure_on(
            parse_address(board.url),
            prepare(job(material), None),
            options=BoardOptions(),
            out=tmp_path,
            progress=Silent(),
        )


def test_a_board_of_another_kind_is_not_measured_under_the_targets_name(board, material, tmp_path):
    work = prepare(job(material), "raspberry-pi-5")
    with pytest.raises(ConfigError, match="the target 'raspberry-pi-5' is aarch64"):
        measure(board, work, tmp_path)


@pytest.mark.parametrize("place", ["ssh://-oProxyCommand=touch owned", "ssh://h -oX", "ssh://h'\"", "ssh://h\nX y"])
def test_hostile_addresses_start_no_process(place, material, tmp_path, monkeypatch):
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("EDGEKD_SSH", str(ssh))
    result = CliRunner().invoke(app, ["bench", str(material / "student"), "--on", place])
    assert isinstance(result.exception, ConfigError)
    assert not (tmp_path / "started").exists()


def test_a_failure_on_the_board_has_its_message_and_exit_code(board, material, tmp_path):
    prepared = prepare(job(material), None)
    broken = {**prepared.order, "texts": "absent.jsonl"}
    object.__setattr__(prepared, "order", broken)
    with pytest.raises(FailedThere, match=r"absent\.jsonl"):
        measure(board, prepared, tmp_path)
    assert list((board.root / "jobs").iterdir()) == []


def test_a_measurement_is_cancelled_with_its_processes(board, material, tmp_path):
    prepared = prepare(job(material, config=LONG.model_copy(update={"max_seconds": 60.0})), None)
    with pytest.raises(ConnectionLost):
        measure(board, prepared, tmp_path, Recorder(when=board.cut))
    process = psutil.Process(int((board.root / "jobs" / prepared.key / "pid").read_text()))
    children = process.children(recursive=True)
    assert children
    status = CliRunner().invoke(app, ["board", "status", board.url, "--json"])
    assert [entry["state"] for entry in json.loads(status.stdout)["jobs"]] == ["running"]
    refused = CliRunner().invoke(app, ["board", "clean", board.url])
    assert isinstance(refused.exception, Busy)
    assert "Stopped 1 measurement." in CliRunner().invoke(app, ["board", "cancel", board.url]).stdout
    psutil.wait_procs([process, *children], timeout=10)
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in [process, *children])


def test_no_ssh_process_outlives_this_one(board, tmp_path):
    code = (
        "import os\nfrom edgekd.remote.address import parse_address\nfrom edgekd.remote.board import *\n"
        f"context = open_board(parse_address({board.url!r}), BoardOptions(), print)\nboard = context.__enter__()\n"
        "print(board.client._connection._master.pid, flush=True)\nos.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.stdout, done.stderr
    pid = int(done.stdout)
    end = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_modules_run_on_the_board(board):
    said = run_module(parse_address(board.url), "json.tool", ["--help"], options=OPTIONS)
    assert said.startswith("usage:")
    with pytest.raises(BoardFailed, match="no_such_module failed on the board"):
        run_module(parse_address(board.url), "no_such_module", [], options=OPTIONS)


@pytest.mark.slow
def test_packages_are_set_up_once_from_wheels_that_are_pushed(make_board, material, tmp_path):
    system = Path("/usr/bin/python3")
    code = "import sys; sys.exit(sys.version_info < (3, 10))"
    if not system.exists() or subprocess.run([system, "-c", code], check=False).returncode:
        pytest.skip("no system Python of version 3.10 or later at /usr/bin/python3")
    if subprocess.run([sys.executable, "-m", "pip", "--version"], check=False, capture_output=True).returncode:
        pytest.skip("this Python has no pip")
    board = make_board(python=system)
    options = BoardOptions(push_wheels=True)
    address, prepared, first = parse_address(board.url), prepare(job(material), None), Recorder()
    [result] = measure_on(address, prepared, options=options, out=tmp_path / "1", progress=first)
    assert any("fetching packages for" in line for line in first.said)
    assert result.evidence is Evidence.DEVICE
    [folder] = [path for path in (board.root / "packages").iterdir() if path.is_dir()]
    assert not (folder / "torch").exists()
    again = Recorder()
    measure_on(address, prepared, options=options, out=tmp_path / "2", progress=again)
    assert again.said == [f"measuring on {address}"]


def _closed_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_what_is_on_a_board_is_shown_and_removed(make_board):
    board = make_board()
    with open_board(parse_address(board.url), BoardOptions(), print) as opened:
        opened.copy([Content.of(b"twelve bytes")])
    assert "12 B" in CliRunner().invoke(app, ["board", "status", board.url]).stdout
    assert f"Removed {board.root}" in CliRunner().invoke(app, ["board", "clean", board.url]).stdout
    assert not board.root.exists()
