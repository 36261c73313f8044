"""What the hostile texts are."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

from edgekd.export.hostile import LONG, hostile_texts, random_texts


def test_they_are_always_the_same_and_none_comes_twice():
    texts = hostile_texts()
    assert texts == hostile_texts()
    assert len(set(texts)) == len(texts) > 90


def test_every_kind_that_was_promised_is_there():
    texts = hostile_texts()
    everything = "".join(texts)
    assert "" in texts
    assert any(len(text) == 1 for text in texts)
    assert any(text and text.isspace() for text in texts)
    assert sum(len(text) == LONG for text in texts) >= 4  # one word, many words, other alphabets
    assert any(len(text) == LONG and " " not in text for text in texts)
    assert {unicodedata.bidirectional(char) for char in everything} >= {"AL", "R", "RLO", "PDF", "LRI", "PDI"}
    assert {"\x00", "\x1f", "\x85", "\u2028", "\u200b", "\u200d", "\ufeff", "\U0001f1e9", "\U0001f3ff"} <= set(
        everything
    )
    assert {"\ud7ff", "\ue000", "\uffff", "\U0010ffff"} <= set(everything)
    assert any("[MASK]" in text for text in texts)
    assert any("</s>" in text for text in texts)
    assert any("<script>" in text for text in texts)
    composed = [text for text in texts if unicodedata.normalize("NFD", text) != text]
    assert any(unicodedata.normalize("NFD", text) in texts for text in composed)


def test_they_can_be_written_as_utf_8():
    for text in [*hostile_texts(), *random_texts(500, seed=1)]:
        assert text.encode().decode() == text


def test_they_need_only_the_standard_library():
    code = "import sys, edgekd.export.hostile; print({'numpy', 'torch', 'pydantic', 'tokenizers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
