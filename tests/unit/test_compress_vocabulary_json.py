"""A ``tokenizer.json`` without white space reads the same, or the old file stays."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")

from tokenizers import Tokenizer, models, pre_tokenizers

from edgekd.compress import tokenizer_json
from edgekd.compress.tokenizer_json import compact_tokenizer
from edgekd.errors import InvalidArtifact
from tests.bundles import make_tokenizer


def test_a_compact_file_is_the_same_tokenizer_in_fewer_bytes(tmp_path):
    path = tmp_path / "tokenizer.json"
    make_tokenizer(path)
    before, spec = path.stat().st_size, json.loads(path.read_text(encoding="utf-8"))
    compact_tokenizer(path)
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == spec
    assert "\n" not in text
    assert len(text) < 0.7 * before
    compact_tokenizer(path)
    assert path.read_text(encoding="utf-8") == text
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.json"]


def test_scores_and_letters_of_all_sorts_survive(tmp_path):
    """Letters are not escaped; a score keeps all its digits."""
    path = tmp_path / "tokenizer.json"
    vocab = [("<unk>", 0.0), ("日本", -1.2345678901234567), ("é", -1e-7), ('"', -3.0), ("\\n", -4.0), ("🙂", -5.0)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.save(str(path))
    expected = json.loads(tokenizer.to_str())
    compact_tokenizer(path)
    assert json.loads(Tokenizer.from_file(str(path)).to_str()) == expected
    assert "日本" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("content", ["", "{", "{}", '{"model": {"type": "Morse"}}', "\ud800"])
def test_what_is_no_tokenizer_is_refused_and_stays(content, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content.encode(errors="surrogatepass"))
    with pytest.raises(InvalidArtifact, match="cannot be read"):
        compact_tokenizer(path)
    assert path.read_bytes() == content.encode(errors="surrogatepass")
    with pytest.raises(InvalidArtifact, match="cannot be read"):
        compact_tokenizer(tmp_path / "nothing.json")


def test_a_file_that_would_read_differently_stays(tmp_path, monkeypatch):
    path = tmp_path / "tokenizer.json"
    make_tokenizer(path)
    before = path.read_bytes()
    lossy = json.loads(before)
    lossy["normalizer"]["lowercase"] = False
    monkeypatch.setattr(tokenizer_json.json, "loads", lambda _: lossy)
    with pytest.raises(InvalidArtifact, match="reads differently"):
        compact_tokenizer(path)
    assert path.read_bytes() == before
