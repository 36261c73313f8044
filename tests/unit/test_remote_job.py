"""What goes to a board and what is taken from it; fleets; packages; which board is which."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgekd.bench.board import FileProgress, Order
from edgekd.bench.job import BenchJob
from edgekd.cli.app import app
from edgekd.data.evaluation import read_evaluation
from edgekd.data.types import Examples
from edgekd.devices import find_profile
from edgekd.errors import ConfigError, InvalidArtifact
from edgekd.progress import Silent
from edgekd.provenance import LineageStep
from edgekd.remote.address import Address
from edgekd.remote.board import BoardOptions
from edgekd.remote.collect import accept, collected, keep
from edgekd.remote.errors import BoardFailed
from edgekd.remote.fit import check_platform, check_target
from edgekd.remote.fleet import Station, read_fleet, stations
from edgekd.remote.measure import replay
from edgekd.remote.order import _labelled, prepare
from edgekd.remote.requirements import AT_LEAST, BASE, RUNTIMES, candidates, command_for, needed
from edgekd.results import Evidence
from edgekd.runtime import SESSIONS
from edgekd.tasks import Task, TaskKind
from tests.results import make_result

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("task", "targets"),
    [
        (Task(TaskKind.SINGLE_LABEL, ("1", "0", "a|b")), [0, 1, 2]),
        (Task(TaskKind.MULTI_LABEL, ("joy", "fear", "1")), [(), (0,), (1, 2)]),
        (Task(TaskKind.REGRESSION, ("stars",)), [0.1, -3.0, 1e-17]),
    ],
)
def test_a_board_reads_the_same_texts_and_targets(task, targets, tmp_path):
    texts = Examples(["  white\tspace \n", "\u2028 ünïcödé \U0001f600", "'quoted' and \"quoted\""], targets)
    (tmp_path / "texts.jsonl").write_bytes(_labelled(texts, task))
    assert read_evaluation(str(tmp_path / "texts.jsonl"), task).hash() == texts.hash()


def test_no_path_of_this_machine_is_sent(tmp_path):
    pytest.importorskip("onnx")
    from tests.bundles import make_bundle
    from tests.toys import write_csv

    make_bundle(tmp_path / "student", name="bag-fp32")
    job = BenchJob(
        bundles=(tmp_path / "student",), data=str(write_csv(tmp_path / "test.csv", 20)), out=tmp_path, target="cpu"
    )
    prepared = prepare(job, None)
    assert str(tmp_path) not in json.dumps(prepared.order)
    assert set(prepared.files) >= {"texts.jsonl", "bundles/00/edgekd.json", "bundles/00/model.onnx"}
    assert Order.model_validate(prepared.order).profile == find_profile("cpu")
    assert prepare(job, None).key == prepared.key
    assert prepare(job, "x86-avx2").key != prepared.key
    (tmp_path / "test.csv").write_text((tmp_path / "test.csv").read_text() + "great film,positive\n")
    assert prepare(job, None).key != prepared.key
    with pytest.raises(ConfigError, match="--traced"):
        prepare(BenchJob(bundles=job.bundles, data=job.data, estimate=True, traced=True), None)
    with pytest.raises(ConfigError, match="nothing to measure"):
        prepare(BenchJob(bundles=()), None)


class Sent:
    """What a board was sent, as far as results are checked against it."""

    key = "k"

    def __init__(self, result, path):
        self.data_hash, self.data_name, self.profile = result.data_hash, "test.csv", find_profile("cpu")
        self.variants = [Made(result, path)]


class Made:
    def __init__(self, result, path):
        self.name, self.artifact_hash, self.path = result.variant, result.artifact_hash, path
        self.lineage, self.parity = (LineageStep(step="student", name="cnn", hash="abc"),), None


@pytest.fixture
def result():
    return make_result().model_copy(update={"evidence": Evidence.DEVICE, "target": "cpu"})


def test_a_result_of_the_board_gets_the_names_of_this_machine(result, tmp_path):
    sent = Sent(result, tmp_path / "student")
    taken = accept(result.model_dump_json().encode(), sent.variants[0], sent, "ssh://pi5")
    lineage = list(sent.variants[0].lineage)
    changed = {"artifact": str(tmp_path / "student"), "data_name": "test.csv", "board": "ssh://pi5", "lineage": lineage}
    assert taken == result.model_copy(update=changed)


@pytest.mark.parametrize(
    ("field", "value"),
    [("variant", "../../x"), ("artifact_hash", "0"), ("data_hash", "0"), ("target", "pi"), ("evidence", Evidence.HOST)],
)
def test_a_result_of_something_else_is_refused(result, field, value, tmp_path):
    sent = Sent(result, tmp_path)
    other = result.model_copy(update={field: value})
    with pytest.raises(InvalidArtifact, match=r"another measurement|not measured on the board"):
        accept(other.model_dump_json().encode(), sent.variants[0], sent, "ssh://pi5")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\x80\x04pickle", b'{"schema_version": 99}'])
def test_a_damaged_result_is_refused(result, content, tmp_path):
    sent = Sent(result, tmp_path)
    with pytest.raises(InvalidArtifact, match="is damaged"):
        accept(content, sent.variants[0], sent, "ssh://pi5")


def test_results_are_known_again_until_something_changes(result, tmp_path):
    sent = Sent(result, tmp_path)
    assert collected(sent, tmp_path) is None
    keep([result], sent, tmp_path, complete=False)
    assert collected(sent, tmp_path) is None
    keep([result], sent, tmp_path, complete=True)
    assert collected(sent, tmp_path) == [result]
    keep([result.model_copy(update={"session": "other"})], sent, tmp_path, complete=False)
    assert collected(sent, tmp_path) is None


def test_progress_of_the_board_is_shown_and_nonsense_is_left_out(tmp_path):
    said = []

    class Shown(Silent):
        def start(self, description, total):
            said.append((description, total))

        def update(self, done, note=""):
            said.append((done, note))

        def say(self, message):
            said.append(message)

    written = FileProgress(tmp_path / "progress.jsonl")
    written.start("Timing\x1b[2J", 3)
    written.update(1, "bag")
    written.update(2, "too soon after the first")
    written.say("hello")
    written.close()
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    nonsense = [{}, {"do": "start"}, {"do": "start", "arguments": [1, 2]}, {"do": "exit", "arguments": []}]
    for event in [*lines, *nonsense]:
        replay(event, Shown())
    assert said == [("Timing?[2J", 3), (1, "bag"), "hello"]


def test_a_fleet_is_read(tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text(
        "boards:\n  - {on: 'ssh://pi@pi5', target: pi5, name: kitchen}\n  - on: ssh://nano.local:2222\n", "utf-8"
    )
    kitchen, nano = read_fleet(path)
    assert kitchen == Station(Address("pi5", "pi"), "kitchen", "pi5")
    assert nano == Station(Address("nano.local", None, 2222), "nano.local-2222", None)
    assert len(stations(["ssh://pi4"], path)) == 3
    with pytest.raises(ConfigError, match="Two boards are called 'pi4'"):
        stations(["ssh://pi4", "ssh://pi@pi4"], None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "file"),
        ("boards: []", "boards"),
        ("boards: [{target: pi5}]", r"boards\.0\.on"),
        ("boards: [{on: 'ssh://h', color: red}]", r"boards\.0\.color"),
        ("boards: [{on: 'ssh://h', name: '../x'}]", r"boards\.0\.name"),
        ("boards: [{on: 'ssh://-oProxyCommand=x'}]", "no host name"),
        ("boards: [", "not valid YAML"),
        ("!!python/object/apply:os.system [id]", "not valid YAML"),
    ],
)
def test_a_wrong_fleet_is_refused_with_the_place(text, said, tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=said):
        read_fleet(path)


PI5 = {"machine": "aarch64", "board": "Raspberry Pi 5 Model B Rev 1.0", "bits": 64, "glibc": "2.36", "python": "3.11"}


def test_a_board_is_what_its_results_will_say():
    check_target(PI5, find_profile("pi5"), "b")
    check_target(PI5, find_profile("cpu"), "b")
    check_target({**PI5, "board": ""}, find_profile("pi4"), "b")  # it does not say what it is
    with pytest.raises(ConfigError, match="calls itself 'Raspberry Pi 5 Model B Rev") as caught:
        check_target(PI5, find_profile("pi4"), "b")
    assert caught.value.hint == "Give --target raspberry-pi-5."
    with pytest.raises(ConfigError, match="a x86_64 machine"):
        check_target({**PI5, "machine": "x86_64"}, find_profile("pi5"), "b")


def test_boards_without_wheels_are_refused():
    check_platform(PI5, "b")
    with pytest.raises(BoardFailed, match="32-bit"):
        check_platform({**PI5, "bits": 32, "machine": "armv7l"}, "b")
    with pytest.raises(BoardFailed, match="not glibc"):
        check_platform({**PI5, "glibc": ""}, "b")


def test_least_versions_are_those_of_the_package():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    declared = dict(re.findall(r'^  "([A-Za-z0-9-]+)(>=[0-9.]+)', text, re.M))
    declared |= dict(re.findall(r'"([a-z-]+)(>=[0-9.]+)"', text))  # extras on one line
    assert {name: declared[name] for name in AT_LEAST} == AT_LEAST
    base = re.search(r"^dependencies = \[(.*?)^\]", text, re.M | re.S)[1]
    assert set(re.findall(r'^  "([A-Za-z0-9-]+)', base, re.M)) - set(BASE) == {"typer", "rich"}  # for the terminal


def test_every_runtime_has_its_packages():
    assert set(RUNTIMES) == set(SESSIONS)
    assert needed(["onnxruntime"]) == BASE
    assert "openvino" in needed(["openvino", "onnxruntime"])


def test_versions_of_this_machine_are_asked_for_first():
    pinned, least = candidates(["numpy", "pyyaml"])
    import numpy

    assert pinned[0] == f"numpy=={numpy.__version__}"
    assert least == ["numpy>=2.0", "pyyaml>=6.0.2"]


def test_wheels_are_those_of_the_board(tmp_path):
    command = command_for(["numpy>=2.0"], PI5, tmp_path)
    assert "--platform=manylinux_2_36_aarch64" in command
    assert "--platform=manylinux_2_37_aarch64" not in command
    assert "--python-version=3.11" in command
    assert "--only-binary=:all:" in command


@pytest.mark.parametrize("path", ["-c", "python3", "/bin/py thon", "/bin/'x", "/bin/$(id)", "/a\nb", "~root/x", ""])
def test_paths_on_the_board_have_usual_characters(path):
    with pytest.raises(ConfigError):
        BoardOptions(python=path)
    with pytest.raises(ConfigError):
        BoardOptions(folder=path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--on", "pi5"], "no place to measure"),
        (["--resume"], "--resume is for boards"),
        (["--push-wheels"], "--push-wheels is for boards"),
        (["--fleet", "absent.yaml"], "Cannot read the fleet"),
        (["--on", "ssh://pi5", "--on", "qemu://cortex-a72"], "does not begin with ssh://"),
    ],
)
def test_places_that_are_none_are_usage_errors(arguments, said):
    result = CliRunner().invoke(app, ["bench", *arguments])
    assert isinstance(result.exception, ConfigError)
    assert said in result.exception.message
