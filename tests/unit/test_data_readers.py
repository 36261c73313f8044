"""Files to tables, and what is said when a file is broken."""

from __future__ import annotations

import json

import pytest

from edgekd.data.columns import label_column, read_texts_of, text_column
from edgekd.data.folders import read_folder
from edgekd.data.readers import read_table
from edgekd.data.sources import open_source
from edgekd.data.table import table_from_columns
from edgekd.errors import DataError, MissingExtra


@pytest.fixture
def write(tmp_path):
    def make(name: str, content: str | bytes):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def columns(table):
    return {name: table.read(name) for name in table.columns}


def test_csv_with_quotes_newlines_and_bom(write):
    path = write("a.csv", b'\xef\xbb\xbftext,label\r\n"one, ""two""\nthree",a\r\n\r\nfour,b\r\n')
    table = read_table(path)
    assert columns(table) == {"text": ['one, "two"\nthree', "four"], "label": ["a", "b"]}
    assert table.where(0) == f"'{path}', line 2"
    assert table.where(1, "label") == f"'{path}', line 5, column 'label'"


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ("plain\ta\nmore\tb\n", ["plain", "more"]),
        ('"quoted ""word"""\ta\nmore\tb\n', ['quoted "word"', "more"]),
        ('"two\nlines"\ta\nmore\tb\n', ["two\nlines", "more"]),
        ('"open\ta\nmore" said\tb\n', ['"open', 'more" said']),
        # NOTE: a naive CSV reader makes one row of these two and loses a label.
        ('"open\ta\nmore"\tb\n', ['"open', 'more"']),
        ('a "word" inside\ta\nmore\tb\n', ['a "word" inside', "more"]),
    ],
)
def test_tsv_quotes_never_swallow_rows(write, body, texts):
    assert read_table(write("a.tsv", "text\tlabel\n" + body)).read("text") == texts


def test_json_lines(write):
    odd = "a\u2028b\u0085c\x1cd"
    lines = [json.dumps({"text": odd, "label": 1}, ensure_ascii=False), "", '{"text": "x", "extra": null}']
    table = read_table(write("a.jsonl", "\n".join(lines)))
    assert columns(table) == {"text": [odd, "x"], "label": [1, None], "extra": [None, None]}
    assert table.where(1).endswith("line 3")


def test_json_array(write):
    assert read_table(write("a.json", ' [{"text": "x"}, {"text": "y"}]')).read("text") == ["x", "y"]


def test_text_file_splits_at_line_ends_only(write):
    table = read_table(write("a.txt", "one\r\ntwo\u2028still two\n\nfour"))
    assert table.read("text") == ["one", "two\u2028still two", "", "four"]


def test_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x", "y"], "label": [0, 1]}), path)
    table = read_table(path)
    assert columns(table) == {"text": ["x", "y"], "label": [0, 1]}
    assert table.where(1).endswith("row 2")


def test_parquet_damaged(write):
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match=r"a\.parquet' is not a readable Parquet file"):
        read_table(write("a.parquet", b"PAR1 nonsense"))


def test_parquet_without_pyarrow(write, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtra) as caught:
        read_table(write("a.parquet", b"PAR1"))
    assert "pip install 'edgekd[train]'" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "content", "message", "hint"),
    [
        ("a.csv", b"text,label\nfine,a\ncaf\xe9,b\n", r"not UTF-8: line 3, byte 21 is 0xe9", "WINDOWS-1252"),
        ("a.csv", "text,label\nx,y\n".encode("utf-16"), r"not UTF-8: line 1, byte 0 is 0xff", "UTF-16"),
        ("a.csv", b"text,label\na\0b,c\n", r"NUL byte: line 2, byte 12", "tr -d"),
        ("a.csv", "text,label\na,b\nc,d,e\n", r"line 3: 3 fields, but the header has 2", "double quotes"),
        ("a.csv", "text,label\na\n", r"line 2: 1 fields, but the header has 2", "double quotes"),
        ("a.csv", 'text,label\na,b\n"open,c\nd,e\n', r"row that starts at line 3", "left open"),
        ("a.csv", "text,text\na,b\n", r"more than one column 'text'", "Rename"),
        ("a.csv", "", r"is empty", "at least one row"),
        ("a.csv", "text,label\n", r"is empty", "at least one row"),
        ("a.jsonl", "\n\n", r"is empty", "at least one row"),
        ("a.txt", "", r"is empty", "at least one row"),
        ("a.jsonl", '{"text": "x"}\n{"text": \n', r"a\.jsonl', line 2: not valid JSON", "one object"),
        ("a.jsonl", '{"text": "x"}\n["x"]\n', r"line 2: expected a JSON object, found list", "Write rows like"),
        ("a.json", '[{"text": "x"}, 3]', r"row 2: expected a JSON object, found int", "Write rows like"),
        ("a.jsonl", "[" * 200_000, r"line 1: not valid JSON", "one object"),
        ("a.xlsx", "x", r"unknown ending '\.xlsx'\. Allowed: \.csv, \.json, ", "Convert it"),
        ("a.csv.gz", "x", r"unknown ending '\.gz'", "Unpack"),
    ],
)
def test_broken_files(write, name, content, message, hint):
    path = write(name, content)
    with pytest.raises(DataError, match=message) as caught:
        read_table(path)
    assert str(path) in caught.value.message
    assert hint in (caught.value.hint or "")


def test_columns_are_recognised_by_usual_names():
    table = table_from_columns("t", {"ID": ["1"], "Sentence": ["x"], "Sentiment": ["a"]})
    assert text_column(table, None) == "Sentence"
    assert label_column(table, None, text="Sentence") == "Sentiment"


def test_text_column_wins_over_later_names_and_is_no_label():
    table = table_from_columns("t", {"review": ["x"], "text": ["x"], "topic": ["x"]})
    assert text_column(table, None) == "text"
    assert text_column(table, "topic") == "topic"
    with pytest.raises(DataError, match="no label column"):
        label_column(table, None, text="topic")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("txt", r"'t' has no column 'txt'\. Columns: 'body_text', 'stars'\."),
        ("body-text", r"no column 'body-text'.*Did you mean 'body_text'\?"),
        (None, r"no text column with a usual name \(text, .*\)\. Columns: 'body_text', 'stars'\."),
    ],
)
def test_missing_column_lists_columns_and_option(given, message):
    table = table_from_columns("t", {"body_text": ["x"], "stars": ["1"]})
    with pytest.raises(DataError, match=message) as caught:
        text_column(table, given)
    assert "data.text_column" in (caught.value.hint or "")
    assert "--text-column" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("value", "message"), [(5, "row 2, column 'text': expected a text, found int"), ("\ud800", "no valid Unicode")]
)
def test_values_that_are_no_text(value, message):
    table = table_from_columns("t", {"text": ["fine", value]})
    with pytest.raises(DataError, match=message):
        read_texts_of(table, "text")


def test_folder_with_aliases_and_subfolder(write, tmp_path):
    for name in ("train.csv", "dev.csv", "test.csv", "notes.csv"):
        write(f"set/data/{name}", f"text,label\n{name},a\n")
    tables = read_folder(tmp_path / "set")
    assert {split: table.read("text") for split, table in tables.items()} == {
        "train": ["train.csv"],
        "validation": ["dev.csv"],
        "test": ["test.csv"],
    }


def test_folder_with_shards(write, tmp_path):
    for shard in range(2):
        write(f"set/train-0000{shard}-of-00002.csv", f"text,label\nshard {shard},a\n")
    table = read_folder(tmp_path / "set")["train"]
    assert table.read("text") == ["shard 0", "shard 1"]
    (tmp_path / "set/train-00001-of-00002.csv").unlink()
    with pytest.raises(DataError, match="the train split is ambiguous or incomplete"):
        read_folder(tmp_path / "set")


def test_folder_with_a_split_twice_and_without_any(write, tmp_path):
    write("two/train.csv", "text,label\nx,a\n")
    write("two/train.jsonl", '{"text": "x", "label": "a"}\n')
    with pytest.raises(DataError, match=r"ambiguous or incomplete: train\.csv, train\.jsonl"):
        read_folder(tmp_path / "two")
    write("none/other.csv", "text,label\nx,a\n")
    with pytest.raises(DataError, match="no file called like a split"):
        read_folder(tmp_path / "none")


@pytest.mark.parametrize("given", ["revews.csv", "./org/name", "~/nowhere/x", "a/b/c", "/nowhere/at/all", "two words"])
def test_path_that_does_not_exist_is_never_looked_up(write, tmp_path, monkeypatch, given):
    write("reviews.csv", "text,label\nx,a\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edgekd.data.sources.load_hub", lambda *a, **k: pytest.fail("looked up on a hub"))
    with pytest.raises(DataError, match="does not exist") as caught:
        open_source(given)
    assert ("Did you mean 'reviews.csv'?" in caught.value.message) == (given == "revews.csv")


def test_existing_file_or_folder_wins_over_a_hub_id(write, tmp_path, monkeypatch):
    write("org/name/train.csv", "text,label\nx,a\n")
    monkeypatch.chdir(tmp_path)
    assert open_source("org/name").tables["train"].read("text") == ["x"]


def test_hub_id_and_configuration(monkeypatch):
    asked = []
    monkeypatch.setattr("edgekd.data.sources.load_hub", lambda *a, **k: asked.append(a) or {})
    assert open_source("org/name:first").name == "org/name"
    open_source("simple")
    assert asked == [("org/name", "first"), ("simple", None)]


def test_hub_that_cannot_be_reached(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def fail(*args, **kwargs):
        raise ConnectionError("Couldn't reach 'org/name' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(DataError, match=r"'org/name' is no file or folder here.*Couldn't reach") as caught:
        open_source("org/name")
    assert "without network give a local file" in (caught.value.hint or "")


def test_hub_without_the_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(MissingExtra, match="datasets"):
        open_source("org/name")


def test_split_that_is_not_there(write, tmp_path):
    write("set/train.csv", "text,label\nx,a\n")
    with pytest.raises(DataError, match=r"has no test split\. It has: train\."):
        open_source(str(tmp_path / "set")).pick("test")
