"""Whole data sets: sources, labels, splits, cleaning, and storing them. All texts are made up."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekd.config import DataConfig, SplitConfig
from edgekd.data.assets import NEAR_ZERO, ratings_table, sentiment_table, sms_table
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


def single(*labels: str) -> Task:
    return Task(TaskKind.SINGLE_LABEL, labels)


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


def test_configured_labels_are_checked_before_reading():
    with pytest.raises(ConfigError, match=r"data\.labels"):
        prepare(DataConfig(train="nowhere.csv", labels=["a", "a"]))


def test_multi_label_data(jsonl):
    rows = [(text, ["good", "long"] if i % 3 else []) for i, (text, _) in enumerate(ROWS)]
    data = prepare(DataConfig(train=jsonl("a.jsonl", rows), task=TaskKind.MULTI_LABEL))
    assert data.task == Task(TaskKind.MULTI_LABEL, ("good", "long"))
    found = {text: target for name in SPLITS for text, target in zip(*vars(data.split(name)).values(), strict=True)}
    assert found == {text: (0, 1) if labels else () for text, labels in rows}  # no text is lost for having no label


def test_regression_data(tmp_path):
    lines = [f"{text},{i / 4}" for i, (text, _) in enumerate(ROWS)]
    (tmp_path / "a.csv").write_text("\n".join(["text,rating", *lines]))
    data = prepare(DataConfig(train=str(tmp_path / "a.csv"), task=TaskKind.REGRESSION))
    assert data.task == Task(TaskKind.REGRESSION, ("rating",))
    found = {text: target for name in SPLITS for text, target in zip(*vars(data.split(name)).values(), strict=True)}
    assert found == {text: i / 4 for i, (text, _) in enumerate(ROWS)}


def test_splits_depend_on_the_text_not_on_the_task(jsonl):
    single = prepare(DataConfig(train=jsonl("a.jsonl", ROWS)))
    numbers = [(text, i / 4) for i, (text, _) in enumerate(ROWS)]
    regression = prepare(DataConfig(train=jsonl("b.jsonl", numbers), task=TaskKind.REGRESSION))
    assert [single.split(name).texts for name in SPLITS] == [regression.split(name).texts for name in SPLITS]


@pytest.mark.parametrize(
    ("task", "withheld"),
    [(TaskKind.SINGLE_LABEL, -1), (TaskKind.MULTI_LABEL, []), (TaskKind.REGRESSION, None)],
)
def test_test_split_with_withheld_labels_is_made_from_train(jsonl, tmp_path, task, withheld):
    label = {
        TaskKind.SINGLE_LABEL: lambda i: i % 2,
        TaskKind.MULTI_LABEL: lambda i: [i % 2],
        TaskKind.REGRESSION: lambda i: i / 4,
    }[task]
    jsonl("set/train.jsonl", [(text, label(i)) for i, (text, _) in enumerate(ROWS)])
    jsonl("set/test.jsonl", [("t one", withheld), ("t two", withheld)])
    (tmp_path / "set/data.json").write_text(json.dumps({"labels": ["n", "y"] if task != "regression" else ["x"]}))
    data = prepare(DataConfig(train=str(tmp_path / "set"), task=task))
    assert reasons(data) == {("test", "split without labels"): 2}
    assert len(data.test) > 2


def test_evaluation_sets_win_over_everything_that_is_learned_from(jsonl, tmp_path):
    jsonl("set/train.jsonl", ROWS)
    jsonl("set/validation.jsonl", [("v one", "good"), ("v two", "bad")])
    jsonl("set/test.jsonl", [("t one", "good"), ("t two", "bad")])
    (tmp_path / "more.txt").write_text("u one\nu two\n")
    other = [("V one", "good"), ("t one", "good"), ("u  one", "bad"), (ROWS[0][0], "bad"), ("x", "bad"), ("X", "bad")]
    data = prepare(
        DataConfig(
            train=str(tmp_path / "set"),
            unlabelled=[str(tmp_path / "more.txt")],
            evaluate={"o": jsonl("o.jsonl", other)},
        )
    )
    assert data.evaluate == {"o": Examples(["V one", "t one", "u  one", ROWS[0][0], "x"], [1, 1, 0, 0, 0])}
    assert data.test.texts == ["t one", "t two"]  # to be scored on twice harms nobody
    assert data.validation.texts == ["v two"]
    assert data.unlabelled == ["u two"]
    assert len(data.train) == 59
    assert reasons(data) == {
        ("o", "duplicate within o"): 1,
        ("validation", "also in o"): 1,
        ("train", "also in o"): 1,
        ("unlabelled", "also in o"): 1,
    }


def test_evaluation_sets_have_the_labels_of_train(jsonl):
    evaluate = {"o": jsonl("o.jsonl", [("a", "good"), ("b", "fine")])}
    with pytest.raises(DataError, match=r"o\.jsonl', line 2, column 'label': unknown label 'fine'"):
        prepare(DataConfig(train=jsonl("a.jsonl", ROWS), evaluate=evaluate))


@pytest.mark.parametrize("name", ["train", "unlabelled", "a/b", "", ".."])
def test_names_of_evaluation_sets_are_file_names(name):
    with pytest.raises(ConfigError, match=r"data\.evaluate: '.*' cannot be a name"):
        prepare(DataConfig(train="nowhere.csv", evaluate={name: "nowhere.csv"}))


def test_empty_evaluation_set_names_its_source(jsonl):
    with pytest.raises(DataError, match=r"The o split of '.*o\.jsonl' has no texts"):
        prepare(DataConfig(train=jsonl("a.jsonl", ROWS), evaluate={"o": jsonl("o.jsonl", [(" ", "good")])}))


def test_text_file_cannot_be_train(tmp_path):
    (tmp_path / "a.txt").write_text("text\n")
    with pytest.raises(DataError, match="without labels it can only be used for unlabelled texts"):
        prepare(DataConfig(train=str(tmp_path / "a.txt")))


def test_saved_hf_dataset_with_lists_of_classes(tmp_path):
    datasets = pytest.importorskip("datasets")
    classes = datasets.List(datasets.ClassLabel(names=["z", "y", "x"]))
    features = datasets.Features({"text": datasets.Value("string"), "labels": classes})
    rows = {"text": [f"made up {i}" for i in range(60)], "labels": [[[2, 0], [], [1]][i % 3] for i in range(60)]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "saved"))
    data = prepare(DataConfig(train=str(tmp_path / "saved"), task=TaskKind.MULTI_LABEL))
    assert data.task == Task(TaskKind.MULTI_LABEL, ("z", "y", "x"))
    found = dict(zip(data.train.texts, data.train.targets, strict=True))
    assert all(target == [(0, 2), (), (1,)][int(text.split()[-1]) % 3] for text, target in found.items())


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
    rated = ratings_table(path, "asset:toy")
    assert rated.read("text") == ['"fine', "poor", "so so", "meh"]
    assert rated.read("rating") == [2.3, -0.5, 0.49, -0.1]
    table = sentiment_table(rated)
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


@pytest.fixture
def asset(tmp_path, monkeypatch):
    """All assets of rated texts hold these: 65 sentences, five of them rated near zero."""
    lines = [f"{i}\t{(-1) ** i * (0.1 if i < 5 else 2)}\tmade up sentence {i}" for i in range(65)]
    file = tmp_path / "movieReviewSnippets_GroundTruth.txt"
    file.write_text("\r\n".join(["id\tsentiment\ttext", *lines]) + "\r\n", newline="")
    (tmp_path / "amazonReviewSnippets_GroundTruth.txt").write_bytes(file.read_bytes().replace(b"made", b"thing"))
    monkeypatch.setattr("edgekd.data.assets.get_asset", lambda name, progress=None: tmp_path)


def test_asset_with_skipped_rows(asset):
    data = prepare(DataConfig())
    assert (data.name, data.task.labels) == ("movie-sentiment", ("negative", "positive"))
    assert reasons(data)["train", NEAR_ZERO] == 5
    assert len(data.train) + len(data.validation) + len(data.test) == 60
    # Measuring with an asset never touches its training texts.
    assert read_evaluation("asset:movie-sentiment", data.task) == data.test


def test_asset_as_regression(asset):
    data = prepare(DataConfig(train="asset:movie-ratings", task=TaskKind.REGRESSION))
    assert data.task == Task(TaskKind.REGRESSION, ("rating",))
    assert sum(len(data.split(name)) for name in SPLITS) == 65
    assert set(data.train.targets) <= {-2.0, 2.0, -0.1, 0.1}
    assert read_evaluation("asset:movie-ratings", data.task) == data.test


def test_other_domain_is_learned_from_and_scored_on_in_different_texts(asset):
    products = "asset:product-sentiment"
    data = prepare(DataConfig(unlabelled=[products], evaluate={"products": products}))
    of_products = prepare(DataConfig(train=products))
    assert data.evaluate == {"products": of_products.test}
    assert data.unlabelled == of_products.train.texts
    # Whatever the recipe's shares are: measuring with the asset later must not meet texts of the training.
    config = DataConfig(unlabelled=[products], validation=products, test=products, split=SplitConfig(test=0.4, seed=7))
    other = prepare(config)
    assert other.unlabelled == data.unlabelled
    assert (other.validation, other.test) == (of_products.validation, of_products.test)


def test_evaluation_of_a_file_keeps_rows_and_order(jsonl):
    rows = [("b", "good"), ("a", "bad"), ("", "bad"), ("b", "good")]
    assert read_evaluation(jsonl("e.jsonl", rows), single("good", "bad")) == Examples(["b", "a", "b"], [0, 1, 0])
    with pytest.raises(DataError, match=r"line 1, column 'label': unknown label 'good'\. Allowed: x, y"):
        read_evaluation(jsonl("e.jsonl", rows), single("x", "y"))


def test_evaluation_of_a_folder_takes_the_test_split(jsonl, tmp_path):
    jsonl("set/train.jsonl", ROWS)
    with pytest.raises(DataError, match="has no test split"):
        read_evaluation(str(tmp_path / "set"), single("bad", "good"))
    jsonl("set/test.jsonl", [("t", 1)])
    assert read_evaluation(str(tmp_path / "set"), single("bad", "good")) == Examples(["t"], [1])


@pytest.mark.parametrize(
    ("task", "labels", "expected"),
    [
        (Task(TaskKind.MULTI_LABEL, ("x", "y")), ["x|y", [], "1", ""], [(0, 1), (), (1,), ()]),
        (Task(TaskKind.REGRESSION, ("rating",)), [1, "2.5", 0, -1], [1.0, 2.5, 0.0, -1.0]),
    ],
)
def test_evaluation_of_every_task(jsonl, task, labels, expected):
    path = jsonl("e.jsonl", [(f"t{i}", label) for i, label in enumerate(labels)])
    assert read_evaluation(path, task) == Examples(["t0", "t1", "t2", "t3"], expected)


def test_evaluation_with_data_of_another_task(jsonl):
    with pytest.raises(ConfigError, match="looks like multi-label data, but the task is single-label"):
        read_evaluation(jsonl("e.jsonl", [("a", "x|y")]), single("x", "y"))
    with pytest.raises(DataError, match="expected a number, found 'x'"):
        read_evaluation(jsonl("e.jsonl", [("a", "x")]), Task(TaskKind.REGRESSION, ("rating",)))


def test_evaluation_with_named_columns(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text("what,mood\nhello,good\n")
    found = read_evaluation(str(path), single("bad", "good"), text_column="what", label_column="mood")
    assert found == Examples(["hello"], [1])


def test_texts_of_any_format(jsonl, tmp_path):
    (tmp_path / "a.txt").write_text("one\n\n two \n")
    assert read_texts(str(tmp_path / "a.txt")) == ["one", " two "]
    assert read_texts(jsonl("b.jsonl", [("x", None), ("y", None)])) == ["x", "y"]


label_names = st.lists(st.text(min_size=1), min_size=2, max_size=4, unique=True)
TARGETS = {
    TaskKind.SINGLE_LABEL: st.integers(0, 1),
    TaskKind.MULTI_LABEL: st.sets(st.integers(0, 1)).map(lambda chosen: tuple(sorted(chosen))),
    TaskKind.REGRESSION: st.floats(allow_nan=False, allow_infinity=False),
}


@settings(max_examples=60)
@given(st.data(), st.sampled_from(TaskKind), st.lists(st.text()), label_names)
def test_round_trip_is_exact(tmp_path_factory, draws, kind, unlabelled, labels):
    rows = st.lists(st.tuples(st.text(), TARGETS[kind]), max_size=6)
    parts = [Examples([t for t, _ in part], [y for _, y in part]) for part in (draws.draw(rows) for _ in range(5))]
    odd = Dropped("empty text", "train", 1, ["\u2028\n\x85"])
    names = labels[:1] if kind is TaskKind.REGRESSION else labels
    data = TextData("n\u2028", Task(kind, tuple(names)), *parts[:3], unlabelled, [odd], {"a": parts[3], "b": parts[4]})
    folder = tmp_path_factory.mktemp("data")
    save_data(data, folder)
    again = load_data(folder)
    assert again == data
    assert again.train.hash() == data.train.hash()


def test_data_without_evaluation_sets_of_an_earlier_version_load(jsonl, tmp_path):
    data = prepare(DataConfig(train=jsonl("a.jsonl", ROWS)))
    save_data(data, tmp_path / "out")
    description = json.loads((tmp_path / "out/data.json").read_text())
    assert description.pop("evaluate") == []
    (tmp_path / "out/data.json").write_text(json.dumps(description))
    assert load_data(tmp_path / "out") == data


@pytest.mark.parametrize("task", [TaskKind.MULTI_LABEL, TaskKind.REGRESSION])
def test_prepared_folder_of_every_task_is_itself_a_source(jsonl, tmp_path, task):
    def label(i):
        return [["b", "a"], ["c"], []][i % 3] if task is TaskKind.MULTI_LABEL else i / 4

    rows = [(text, label(i)) for i, (text, _) in enumerate(ROWS)]
    labels = ["c", "b", "a"] if task is TaskKind.MULTI_LABEL else ["rating"]
    data = prepare(DataConfig(train=jsonl("a.jsonl", rows), task=task, labels=labels))
    save_data(data, tmp_path / "out")
    again = prepare(DataConfig(train=str(tmp_path / "out"), task=task))
    assert again.task == data.task == Task(task, tuple(labels))
    assert [again.split(name) for name in SPLITS] == [data.split(name) for name in SPLITS]
    assert read_evaluation(str(tmp_path / "out/test.jsonl"), data.task) == data.test
    with pytest.raises(ConfigError, match=f"looks like {task.value} data"):
        prepare(DataConfig(train=str(tmp_path / "out")))


def test_prepared_folder_is_itself_a_source(jsonl, tmp_path):
    data = prepare(DataConfig(train=jsonl("a.jsonl", ROWS), labels=["good", "bad"], split=SplitConfig(seed=5)))
    save_data(data, tmp_path / "out")
    again = prepare(DataConfig(train=str(tmp_path / "out")))
    assert again.task == data.task
    assert [again.split(name) for name in SPLITS] == [data.split(name) for name in SPLITS]
    assert read_evaluation(str(tmp_path / "out"), single("good", "bad")) == data.test


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
prepare(DataConfig(train={path!r}, task="multi-label", labels=["bad", "good"]))
heavy = {{"numpy", "torch", "transformers", "datasets", "pandas", "pyarrow"}} & set(sys.modules)
sys.exit(f"imported {{heavy}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
