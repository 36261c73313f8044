"""Where a report finds texts, which results never hold, and the commands that it says repeat it."""

from __future__ import annotations

import json
import shlex

import pytest
from typer.testing import CliRunner

from edgekd.bench.emulated import fewer_texts
from edgekd.cli.app import app
from edgekd.config import BenchConfig
from edgekd.data.types import Examples
from edgekd.errors import DataError
from edgekd.measurements import Energy, LengthPoint, Moment, SustainedSlice
from edgekd.report.commands import bench_command, run_command
from edgekd.report.find_texts import find_texts, run_folder_of
from edgekd.results import Evidence, Quality, save_result
from tests.results import make_result, make_teacher

LABELS = ["negative", "positive"]
EXAMPLES = Examples(["a bad film", "a good one", "so so", "<b>fine</b>"], [0, 1, 0, 1])


def result_of(examples=EXAMPLES, **more):
    targets = list(examples.targets)
    quality = Quality(labels=LABELS, targets=targets, predictions=[1 - t for t in targets], teacher_predictions=targets)
    return make_result(quality=quality, data_hash=examples.hash(), **more)


def write(path, examples=EXAMPLES):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = zip(examples.texts, examples.targets, strict=True)
    lines = [json.dumps({"text": text, "label": LABELS[target]}) for text, target in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path):
    """A run folder with results, as 'edgekd run' leaves it."""
    root = tmp_path / "my run"
    write(root / "data" / "test.jsonl")
    (root / "recipe.yaml").write_text("name: x\n", encoding="utf-8")
    bundle = {"artifact": str(root / "bundles" / "cpu" / "cnn-int8"), "data_name": "x, test split"}
    folder = root / "results" / "cpu"
    save_result(result_of(**bundle), folder / "cnn-int8.result.json")
    teacher = make_teacher(quality=result_of().quality, data_hash=EXAMPLES.hash(), **bundle)
    save_result(teacher, folder / "teacher.result.json")
    return root


def test_the_user_s_file_is_matched_by_its_hash(tmp_path):
    file = write(tmp_path / "test.jsonl")
    found = find_texts([result_of()], [tmp_path], str(file))
    assert found.by_hash == {EXAMPLES.hash(): EXAMPLES.texts}
    assert found.sources == {EXAMPLES.hash(): str(file)}


def test_other_texts_are_refused_and_say_which_are_wanted(tmp_path):
    file = write(tmp_path / "other.jsonl", Examples(EXAMPLES.texts[:3], EXAMPLES.targets[:3]))
    with pytest.raises(DataError, match=r"holds other texts than those that were measured: 'toy' \(4 texts\)"):
        find_texts([result_of()], [tmp_path], str(file))


def test_a_run_folder_is_found_through_the_results_and_through_the_bundles(run, tmp_path):
    texts = {EXAMPLES.hash(): EXAMPLES.texts}
    file = run / "results" / "cpu" / "cnn-int8.result.json"
    for place in (run, run / "results", run / "results" / "cpu", file):
        found = find_texts([result_of()], [place])
        assert (found.by_hash, found.sources) == (texts, {})
    elsewhere = tmp_path / "elsewhere"
    inside = result_of(artifact=str(run / "bundles" / "cpu" / "cnn-int8"))
    assert find_texts([inside], [elsewhere]).by_hash == texts
    assert find_texts([result_of()], [elsewhere]).by_hash == {}


def test_a_run_folder_with_other_texts_is_named_in_the_note(run):
    write(run / "data" / "test.jsonl", Examples(["x"], [0]))
    found = find_texts([result_of()], [run])
    assert found.by_hash == {}
    assert "--data FILE" in found.note
    assert str(run / "data" / "test.jsonl") in found.note
    (run / "data" / "test.jsonl").write_text("{broken", encoding="utf-8")
    assert find_texts([result_of()], [run]).by_hash == {}


def test_the_part_that_an_emulator_answered_is_found(tmp_path):
    file = write(tmp_path / "test.jsonl")
    part, _ = fewer_texts(EXAMPLES, "x", BenchConfig(max_texts=2, seed=3))
    result = result_of(part, settings={"max_texts": 2, "seed": 3})
    assert find_texts([result], [tmp_path], str(file)).by_hash == {part.hash(): part.texts}


def test_the_run_folder_of_results(run, tmp_path):
    assert run_folder_of([run / "results"]) == run
    assert run_folder_of([run / "results" / "cpu", run / "results" / "cpu" / "teacher.result.json"]) == run
    assert run_folder_of([tmp_path / "nowhere"]) is None


def report(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)], env={"COLUMNS": "120"})


def stored(out):
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def test_the_report_of_a_run_shows_its_texts_and_how_to_repeat_it(run, tmp_path):
    out = tmp_path / "out"
    assert report(run / "results", "--out", out, "--format", "json").exit_code == 0
    [section] = stored(out)["sections"]
    assert [flip["text"] for flip in section["flips"]] == EXAMPLES.texts
    commands = [shlex.split(command) for command in stored(out)["commands"]]
    assert commands[0] == ["edgekd", "run", str(run / "recipe.yaml"), "--out", str(run)]
    assert commands[1][:3] == ["edgekd", "bench", str(run / "bundles" / "cpu" / "cnn-int8")]
    assert commands[-1] == ["edgekd", "report", str(run / "results"), "--out", str(out)]


def test_no_text_where_none_is_wanted(run, tmp_path):
    out = tmp_path / "out"
    assert report(run / "results", "--out", out, "--no-texts", "--format", "json").exit_code == 0
    [section] = stored(out)["sections"]
    assert {flip["text"] for flip in section["flips"]} == {""}
    assert section["texts_note"] == "Texts are left out, as asked."
    shown = (out / "report.json").read_text(encoding="utf-8")
    assert not any(text in shown for text in EXAMPLES.texts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "x.csv", "--no-texts"], "--data gives the texts and --no-texts leaves them out"),
        (["--text-column", "text"], "--text-column is about the file of --data"),
        (["--data", "missing.csv"], "missing.csv"),
    ],
)
def test_options_that_do_not_fit_are_refused(run, tmp_path, options, message):
    result = report(run / "results", "--out", tmp_path / "out", *options)
    assert message in str(result.exception)
    assert result.exception.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_a_command_measures_again_with_the_same_options():
    results = [
        make_teacher(
            artifact="t b", settings={"passes": 3, "precision": 0.02, "max_seconds": 30.5, "warm_up_calls": 9}
        ),
        make_result(
            artifact="b/$(x)",
            lengths=[LengthPoint(tokens=n, total_s=[1.0], tokenize_s=[0.1], infer_s=[0.9]) for n in (32, 8)],
            energy=[Energy(source="rapl", idle_w=1.0, joules=1.0, seconds=1.0, calls=1)],
        ),
        make_teacher(artifact="hf folder", backend="torch"),
    ]
    assert bench_command(results) == (
        "edgekd bench 't b' 'b/$(x)' --teacher 'hf folder' --target cpu --data toy --passes 3 --precision 2% "
        "--max-seconds 30.5 --lengths 8,32 --energy"
    )
    assert " --data 'my data.csv' " in bench_command(results, data="my data.csv")


def test_a_command_names_the_board_or_the_emulator():
    on_board = make_result(board="ssh://pi@pi4", target="raspberry-pi-4", evidence=Evidence.DEVICE)
    assert bench_command([on_board]).endswith("--target raspberry-pi-4 --data toy --on ssh://pi@pi4")
    emulated = make_result(target="raspberry-pi-4", evidence=Evidence.EMULATED)
    assert bench_command([emulated]).endswith("--on qemu://cortex-a72")


def slices(seconds):
    one = Moment(at_s=0.0)
    return [
        SustainedSlice(start_s=start, seconds=0.5, calls=9, p50_s=1e-3, p95_s=2e-3, moment=one)
        for start in (0.0, seconds - 0.5)
    ]


@pytest.mark.parametrize(("seconds", "option"), [(300.0, ""), (11.9, " --minutes 0.2")])
def test_a_command_says_how_long_the_load_lasted_unless_it_is_the_usual_time(seconds, option):
    assert bench_command([make_result(sustained=slices(seconds))]).endswith(f" --scenario sustained{option}")


def test_a_run_below_the_working_folder_is_named_from_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_command(tmp_path / "runs" / "a b") == "edgekd run 'runs/a b/recipe.yaml' --out 'runs/a b'"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run_command(tmp_path / "runs") == f"edgekd run {tmp_path}/runs/recipe.yaml --out {tmp_path}/runs"
