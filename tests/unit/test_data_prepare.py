"""Whole data sets: sources, labels, splits, cleaning, and storing them. All texts are made up."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.config import DataConfig, SplitConfig
from edgekd.data.assets import NEAR_ZERO, ratings_table, sms_table
from edgekd.data.prepare import load_data, prepare, read_evaluation, read_texts, save_data
from edgekd.data.types import SPLITS, Dropped, Examples, TextData
from edgekd.errors import ConfigError, DataError, InvalidArtifact
from edgekd.tasks import Task, TaskKind

ROWS = [(f"made up text number {i}", "good" if i % 2 else "bad") for i in range(60)]


@pytest.fixture
def jsonl(tmp_path):
    def make(name: str, rows):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
        return str(path)

    return make


def reasons(data: TextData) -> dict[tuple[str, str], int]:
    return {(item.split, item.reason): item.count for item in data.dropped}


def test_splits_are_made_and_do_not_move_when_rows_are_added(jsonl):
    first = prepare(DataConfig(train=jsonl("a.jsonl", ROWS)))
    assert first.name == "a"
    assert first.task == Task(TaskKind.SINGLE_LABEL, ("bad", "good"))
    assert len(first.train) + len(first.validation) + len(first.test) == 60
    more = [(f"another text {i}", "good") for i in range(60)]
    second = prepare(DataConfig(train=jsonl("b.jsonl", [*more, *reversed(ROWS)])))
    for name in ("train", "validation", "test"):
        assert set(first.split(name).texts) <= set(second.split(name).texts)


def test_only_missing_splits_are_made(jsonl):
    test = [("tested one", "good"), ("tested two", "bad"), (ROWS[0][0].upper(), "bad")]
    data = prepare(DataConfig(train=jsonl("a.jsonl", ROWS), test=jsonl("t.jsonl", test)))
    assert data.test.texts == [text for text, _ in test]
    assert len(data.train) + len(data.validation) == 59
    assert len(data.validation) > 0
    assert sum(count for (_, reason), count in reasons(data).items() if reason == "also in test") == 1


def test_folder_with_its_own_splits_and_unlabelled_texts(jsonl, tmp_path):
    jsonl("set/train.jsonl", ROWS)
    jsonl("set/val.jsonl", [("v one", "good"), ("v two", "bad")])
    jsonl("set/test.jsonl", [("t one", "good"), ("t two", "bad"), ("v ONE", "good")])
    (tmp_path / "set/unlabelled.txt").write_text("new text\n\nt one\nnew  TEXT\n")
    (tmp_path / "more.txt").write_text("more text\n\n")
    data = prepare(DataConfig(train=str(tmp_path / "set"), unlabelled=[str(tmp_path / "more.txt")]))
    assert (data.name, len(data.train)) == ("set", 60)
    assert data.validation.texts == ["v two"]
    assert data.unlabelled == ["new text", "more text"]
    assert reasons(data) == {
        ("validation", "also in test"): 1,
        ("unlabelled", "empty text"): 2,
        ("unlabelled", "also in test"): 1,
        ("unlabelled", "duplicate within unlabelled"): 1,
    }


def test_given_validation_wins_over_the_folder(jsonl, tmp_path):
    jsonl("set/train.jsonl", ROWS)
    jsonl("set/validation.jsonl", [("inside", "good")])
    config = DataConfig(train=str(tmp_path / "set"), validation=jsonl("v.jsonl", [("outside", "good")]))
    assert prepare(config).validation.texts == ["outside"]


def test_empty_texts_are_dropped_before_their_labels_are_read(jsonl):
    data = prepare(DataConfig(train=jsonl("a.jsonl", [*ROWS, ("", None), ("  \n", "nonsense")])))
    assert reasons(data)["train", "empty text"] == 2
    assert data.task.labels == ("bad", "good")


def test_integer_labels_are_sorted_as_numbers(jsonl):
    rows = [(f"text {i}", (2, 10, 9)[i % 3]) for i in range(60)]
    data = prepare(DataConfig(train=jsonl("a.jsonl", rows)))
    assert data.task.labels == ("2", "9", "10")
    by_text = dict(zip(data.train.texts, data.train.targets, strict=True))
    expected = {2: 0, 9: 1, 10: 2}
    assert by_text == {text: expected[label] for text, label in rows if text in by_text}


def test_configured_labels_give_the_order_and_name_integers(jsonl):
    rows = [(text, int(label == "good")) for text, label in ROWS]
    data = prepare(DataConfig(train=jsonl("a.jsonl", rows), labels=["no", "yes"]))
    assert data.task.labels == ("no", "yes")
    assert all(target == dict(rows)[text] for text, target in zip(data.train.texts, data.train.targets, strict=True))
    named = prepare(DataConfig(train=jsonl("b.jsonl", ROWS), labels=["good", "bad"]))
    assert named.task.labels == ("good", "bad")


def test_label_in_validation_that_train_does_not_have(jsonl):
    config = DataConfig(train=jsonl("a.jsonl", ROWS), validation=jsonl("v.jsonl", [("x", "good"), ("y", "god")]))
    with pytest.raises(DataError, match=r"v\.jsonl', line 2, column 'label': unknown label 'god'.*mean 'good'"):
        prepare(config)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "x"), ("b", None), ("c", "y")], r"a\.jsonl', line 2, column 'label': the label is missing"),
        ([(f"t{i}", "x") for i in range(60)], r"have one class only: 'x'"),
        ([("a", "x"), ("b", "y")], r"The (test|validation) split of '.*' has no texts"),
        ([("", "x"), (" ", "y")], r"split of '.*' has no texts"),
        ([], r"is empty"),
    ],
)
def test_data_that_cannot_be_used(jsonl, rows, message):
    with pytest.raises(DataError, match=message):
        prepare(DataConfig(train=jsonl("a.jsonl", rows)))


@pytest.mark.parametrize("labels", [["a", "a"], ["a"], []])
def test_configured_labels_must_be_two_different_names(jsonl, labels):
    with pytest.raises(ConfigError, match=r"data\.labels"):
        prepare(DataConfig(train=jsonl("a.jsonl", ROWS), labels=labels))


def test_other_task_is_refused_before_reading():
    with pytest.raises(ConfigError, match="'multi-label' is not supported yet"):
        prepare(DataConfig(train="nowhere.csv", task=TaskKind.MULTI_LABEL))


def test_text_file_cannot_be_train(tmp_path):
    (tmp_path / "a.txt").write_text("text\n")
    with pytest.raises(DataError, match="without labels it can only be used for unlabelled texts"):
        prepare(DataConfig(train=str(tmp_path / "a.txt")))


def test_saved_hf_dataset_with_class_names_and_withheld_test_labels(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "idx": datasets.ClassLabel(names=["zero"]),
            "sentence": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["unhappy", "happy"]),
        }
    )

    def make(count, offset, label):
        rows = {
            "idx": [0] * count,
            "sentence": [f"made up {offset + i}" for i in range(count)],
            "label": [label(i) for i in range(count)],
        }
        return datasets.Dataset.from_dict(rows, features=features)

    folder = tmp_path / "saved"
    datasets.DatasetDict(
        {"train": make(40, 0, lambda i: i % 2), "dev": make(4, 100, lambda i: 1), "test": make(4, 200, lambda i: -1)}
    ).save_to_disk(str(folder))
    data = prepare(DataConfig(train=str(folder)))
    assert data.task.labels == ("unhappy", "happy")  # the order of the class names, not of the alphabet
    assert data.validation == Examples([f"made up {100 + i}" for i in range(4)], [1] * 4)
    assert reasons(data) == {("test", "split without labels"): 4}
    assert len(data.train) + len(data.test) == 40
    assert len(read_texts(str(folder))) == 48
    single = tmp_path / "single"
    make(40, 0, lambda i: i % 2).save_to_disk(str(single))
    assert sum(len(prepare(DataConfig(train=str(single))).split(s)) for s in ("train", "validation", "test")) == 40


def test_rated_sentences_become_labels_by_sign(tmp_path):
    path = tmp_path / "ratings.txt"
    path.write_bytes(b'id\tsentiment\ttext\r\n1\t2.3\t"fine\r\n2\t-0.5\tpoor\r\n3\t0.49\tso so\r\n4\t-0.1\tmeh\r\n')
    table = ratings_table(path, "asset:toy")
    assert table.read("text") == ['"fine', "poor"]
    assert table.read("label") == ["positive", "negative"]
    assert table.skipped == {NEAR_ZERO: ["so so", "meh"]}
    assert table.where(1) == "'asset:toy', line 3"


def test_sms_rows_that_were_swallowed_are_divided_again(tmp_path):
    path = tmp_path / "sms.csv"
    path.write_text(',spam,text\n0,0,"hello"\n1,1,"win now\nham\tlunch?\nspam\tcall us"\n')
    table = sms_table(path, "asset:toy")
    assert list(zip(table.read("label"), table.read("text"), strict=True)) == [
        ("ham", "hello"),
        ("spam", "win now"),
        ("ham", "lunch?"),
        ("spam", "call us"),
    ]


def test_asset_with_skipped_rows(tmp_path, monkeypatch):
    lines = [f"{i}\t{(-1) ** i * (0.1 if i < 5 else 2)}\tmade up sentence {i}" for i in range(65)]
    file = tmp_path / "movieReviewSnippets_GroundTruth.txt"
    file.write_text("\r\n".join(["id\tsentiment\ttext", *lines]) + "\r\n", newline="")
    monkeypatch.setattr("edgekd.data.assets.get_asset", lambda name, progress=None: tmp_path)
    data = prepare(DataConfig())
    assert (data.name, data.task.labels) == ("movie-sentiment", ("negative", "positive"))
    assert reasons(data)["train", NEAR_ZERO] == 5
    assert len(data.train) + len(data.validation) + len(data.test) == 60
    # Measuring with an asset never touches its training texts.
    assert read_evaluation("asset:movie-sentiment", ["negative", "positive"]) == data.test


def test_evaluation_of_a_file_keeps_rows_and_order(jsonl):
    rows = [("b", "good"), ("a", "bad"), ("", "bad"), ("b", "good")]
    assert read_evaluation(jsonl("e.jsonl", rows), ["good", "bad"]) == Examples(["b", "a", "b"], [0, 1, 0])
    with pytest.raises(DataError, match=r"line 1, column 'label': unknown label 'good'\. Allowed: x, y"):
        read_evaluation(jsonl("e.jsonl", rows), ["x", "y"])


def test_evaluation_of_a_folder_takes_the_test_split(jsonl, tmp_path):
    jsonl("set/train.jsonl", ROWS)
    with pytest.raises(DataError, match="has no test split"):
        read_evaluation(str(tmp_path / "set"), ["bad", "good"])
    jsonl("set/test.jsonl", [("t", 1)])
    assert read_evaluation(str(tmp_path / "set"), ["bad", "good"]) == Examples(["t"], [1])


def test_evaluation_with_named_columns(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text("what,mood\nhello,good\n")
    found = read_evaluation(str(path), ["bad", "good"], text_column="what", label_column="mood")
    assert found == Examples(["hello"], [1])


def test_texts_of_any_format(jsonl, tmp_path):
    (tmp_path / "a.txt").write_text("one\n\n two \n")
    assert read_texts(str(tmp_path / "a.txt")) == ["one", " two "]
    assert read_texts(jsonl("b.jsonl", [("x", None), ("y", None)])) == ["x", "y"]


pairs = st.lists(st.tuples(st.text(), st.integers(0, 1)), max_size=6)


@settings(max_examples=40, deadline=None)
@given(pairs, pairs, pairs, st.lists(st.text()), st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
def test_round_trip_is_exact(tmp_path_factory, train, validation, test, unlabelled, labels):
    parts = [Examples([t for t, _ in part], [y for _, y in part]) for part in (train, validation, test)]
    odd = Dropped("empty text", "train", 1, ["\u2028\n\x85"])
    data = TextData("n\u2028", Task(TaskKind.SINGLE_LABEL, tuple(labels)), *parts, unlabelled, [odd])
    folder = tmp_path_factory.mktemp("data")
    save_data(data, folder)
    assert load_data(folder) == data


def test_prepared_folder_is_itself_a_source(jsonl, tmp_path):
    data = prepare(DataConfig(train=jsonl("a.jsonl", ROWS), labels=["good", "bad"], split=SplitConfig(seed=5)))
    save_data(data, tmp_path / "out")
    again = prepare(DataConfig(train=str(tmp_path / "out")))
    assert again.task == data.task
    assert [again.split(name) for name in SPLITS] == [data.split(name) for name in SPLITS]
    assert read_evaluation(str(tmp_path / "out"), ["good", "bad"]) == data.test


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_damaged_prepared_data(jsonl, tmp_path, damage):
    save_data(prepare(DataConfig(train=jsonl("a.jsonl", ROWS))), tmp_path / "out")
    path = tmp_path / "out/train.jsonl"
    if damage == "changed":
        path.write_text(path.read_text().replace("good", "bad", 1))
    else:
        path.unlink()
    with pytest.raises(InvalidArtifact, match=r"'train\.jsonl' is missing or was changed"):
        load_data(tmp_path / "out")


def test_text_formats_need_no_heavy_package(jsonl):
    path = jsonl("a.jsonl", ROWS)
    script = f"""
import sys
from edgekd.config import DataConfig, TransferConfig
from edgekd.data.prepare import prepare
from edgekd.data.transfer import transfer_texts
transfer_texts(prepare(DataConfig(train={path!r})), TransferConfig())
heavy = {{"numpy", "torch", "transformers", "datasets", "pandas", "pyarrow"}} & set(sys.modules)
sys.exit(f"imported {{heavy}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
