"""Both ends of a request, with a shell of this machine in place of ssh."""

import hashlib
import subprocess
import sys
import zipfile

import pytest

from edgekd.errors import Busy
from edgekd.remote.address import Address
from edgekd.remote.board import Board, BoardOptions
from edgekd.remote.client import Client, command_for
from edgekd.remote.errors import BoardFailed, ConnectionLost
from edgekd.remote.payload import Content, package_zip


class Local:
    """A connection that is a shell; ``noise`` is what its start-up files print."""

    address = Address("here")

    def __init__(self, folder, noise=""):
        self.folder, self.noise = folder, noise

    def start(self, command):
        return subprocess.Popen(
            ["sh", "-c", f"{self.noise}\n{command}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "TMPDIR": str(self.folder)},
        )

    def is_open(self):
        return True


@pytest.fixture
def board(tmp_path):
    return board_of(tmp_path)


def board_of(folder, noise="", said=None):
    say = (said if said is not None else []).append
    return Board(Client(Local(folder, noise), sys.executable, say), BoardOptions(python=sys.executable), say)


def test_what_start_up_files_print_is_skipped(tmp_path):
    facts = board_of(tmp_path, noise="echo Welcome; echo; echo '{}'").ask("facts")
    assert facts["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert facts["root"] == str(tmp_path / ".cache" / "edgekd" / "board")


def test_the_command_means_the_same_in_every_login_shell():
    command = command_for(["python3"])
    assert not set(command) & set("\\!\n")
    assert command.count("'") % 2 == 0


def test_contents_are_copied_once_and_again_when_they_are_damaged(board, tmp_path):
    contents = [Content.of(b"one"), Content.of(b"two" * 500_000)]
    assert board.copy(contents) == 3 + 1_500_000
    assert board.copy(contents) == 0
    assert board.copy([*contents, Content.of(b"new")]) == 3
    stored = tmp_path / ".cache" / "edgekd" / "board" / "store" / contents[0].sha256
    stored.write_bytes(b"0ne")
    assert board.copy(contents) == 3
    assert stored.read_bytes() == b"one"


def test_a_file_that_arrives_damaged_gets_no_name(board, tmp_path):
    with pytest.raises(BoardFailed, match="damaged"):
        board.copy([Content(hashlib.sha256(b"right").hexdigest(), 5, b"wrong")])
    assert list((tmp_path / ".cache" / "edgekd" / "board" / "store").iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", ".hidden", "a//b", "a\nb"])
def test_names_cannot_leave_their_folder(board, name):
    with pytest.raises(BoardFailed, match="no file name that is allowed"):
        board.ask("start", {"key": "k", "files": {name: "0" * 64}, "job": {}, "path": [], "environment": {}})
    with pytest.raises(BoardFailed, match="no file name that is allowed"):
        board.ask("find", {"key": name, "resume": False})


def test_a_board_without_a_new_python_is_refused_with_what_to_do(tmp_path):
    client = Client(Local(tmp_path), "/nonexistent/python3", print)
    with pytest.raises(BoardFailed, match=r"no Python of version 3\.10") as caught:
        client.ask("facts", {})
    assert "--board-python" in caught.value.hint


def test_missing_packages_are_named(board):
    with pytest.raises(BoardFailed, match="has no module no_such_module"):
        board.ask("check", {"modules": ["json", "no_such_module"]})


def test_a_connection_that_ends_is_no_answer(tmp_path):
    client = Client(Local(tmp_path, noise="exit 255"), None, print)
    with pytest.raises(ConnectionLost):
        client.ask("facts", {})


def test_an_answer_that_is_not_understood_is_an_error(tmp_path):
    client = Client(Local(tmp_path, noise="echo edgekd-agent 1; echo 'no \033[31m json'; exit 0"), None, print)
    with pytest.raises(BoardFailed, match="not understood") as caught:
        client.ask("facts", {})
    assert "\033" not in caught.value.message


def test_only_one_measures_on_a_machine_at_a_time(board, tmp_path):
    import fcntl

    with (tmp_path / "edgekd-board.lock").open("w") as lock:
        lock.write("somebody has been measuring since noon")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Busy, match="The board is in use: somebody has been measuring since noon"):
            board.ask("run", {"module": "this", "arguments": [], "path": [], "environment": {}})
    done = board.ask("run", {"module": "this", "arguments": [], "path": [], "environment": {}})
    assert done["exit_code"] == 0
    assert "Beautiful is better than ugly." in done["stdout"]


def test_packages_are_unpacked_from_wheels_once(board, tmp_path):
    wheel = tmp_path / "toy_module-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy_module.py", "__version__ = '1.0'\n")
        archive.writestr("toy_module-1.0.data/purelib/toy_data.py", "")
    content = Content.of(wheel)
    board.copy([content])
    request = {"key": "k", "modules": ["toy_module", "toy_data"]}
    assert board.ask("packages", {**request, "how": "look"}) == {"folder": None}
    made = board.ask("packages", {**request, "how": "wheels", "wheels": [content.sha256]})
    assert made["versions"] == {"toy_module": "1.0", "toy_data": ""}
    assert board.ask("packages", {**request, "how": "look"}) == made
    with pytest.raises(BoardFailed, match="cannot import absent"):
        board.ask("packages", {"key": "l", "modules": ["absent"], "how": "wheels", "wheels": [content.sha256]})
    assert board.ask("packages", {"key": "l", "modules": ["absent"], "how": "look"}) == {"folder": None}


def test_the_zip_of_edgekd_is_the_same_twice_and_runs_alone(board, tmp_path):
    packed = Content.of(package_zip())
    assert packed == Content.of(package_zip())
    board.copy([packed])
    folder = board.ask("code", {"sha256": packed.sha256})["folder"]
    code = "import edgekd, edgekd.devices as d; print(edgekd.__file__, d.find_profile('pi5').name)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": folder},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [f"{folder}/edgekd/__init__.py", "raspberry-pi-5"]


def test_everything_is_removed_again(board, tmp_path):
    board.copy([Content.of(b"one")])
    assert board.ask("status")["sizes"]["store"] == 3
    assert board.ask("cancel") == {"stopped": []}
    board.ask("clean")
    assert not (tmp_path / ".cache" / "edgekd" / "board").exists()
