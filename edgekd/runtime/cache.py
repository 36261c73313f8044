"""A bounded cache from words to token ids, used only where it gives exactly the ids of ``tokenizers``.

Why it is the same: BERT-style normalization and pre-tokenization never look across whitespace, WordPiece
works on one pre-token at a time, and added tokens without whitespace are found inside one chunk. So the ids of
a text are the ids of its whitespace chunks, one after the other. In printable ASCII the only whitespace is the
space, so ``str.split`` finds the same chunks; any other text goes to ``tokenizers``.
"""

from __future__ import annotations

from typing import Any

MAX_CHUNKS = 65_536  # about 10 MB when full
MAX_CHUNK_CHARS = 32  # longer chunks are rare; storing them would let odd input fill the memory


def why_not_cacheable(spec: dict[str, Any], max_length: int) -> str | None:
    """Return why the cache cannot be used with this ``tokenizer.json``, or None when it can.

    Args:
        spec: the parsed file.
        max_length: length that ids are truncated to, special tokens included.
    """
    for part, wanted in (("normalizer", "BertNormalizer"), ("pre_tokenizer", "BertPreTokenizer")):
        found = (spec.get(part) or {}).get("type")
        if found != wanted:
            return f"{part} is {found}, not {wanted}"
    model = (spec.get("model") or {}).get("type")
    if model != "WordPiece":
        return f"model is {model}, not WordPiece"
    for token in spec.get("added_tokens") or []:
        content = token.get("content", "")
        flags = [flag for flag in ("lstrip", "rstrip", "single_word", "normalized") if token.get(flag)]
        if flags or content.split() != [content]:
            return f"added token {content!r} looks beyond its chunk ({', '.join(flags) or 'whitespace'})"
    if not _is_plain_template(spec.get("post_processor")):
        return "post-processor is not a template of special tokens around the text"
    if max_length < 3:
        return f"max_length is {max_length}"
    return None


def _is_plain_template(processor: dict[str, Any] | None) -> bool:
    """Accept [CLS] A [SEP], as a template or as the older BertProcessing."""
    if processor is None:
        return False
    if processor.get("type") == "BertProcessing":
        return True
    if processor.get("type") != "TemplateProcessing":
        return False
    pieces = [next(iter(piece.items())) for piece in processor.get("single", [])]
    if [kind for kind, _ in pieces] != ["SpecialToken", "Sequence", "SpecialToken"]:
        return False
    ids = processor.get("special_tokens", {})
    ends = (pieces[0][1]["id"], pieces[2][1]["id"])
    return pieces[1][1]["id"] == "A" and all(len(ids.get(end, {}).get("ids", [])) == 1 for end in ends)


class CachedTokenizer:
    """One dictionary lookup per word; misses are filled by ``tokenizers`` itself.

    Args:
        tokenizer: a ``tokenizers.Tokenizer`` that truncates to ``max_length`` and for whose file
            :func:`why_not_cacheable` returned None.
        max_length: ids per text, special tokens included.
        max_chunks: chunks kept; when full, new ones are tokenized every time.
    """

    def __init__(self, tokenizer: Any, max_length: int, *, max_chunks: int = MAX_CHUNKS) -> None:
        self._encode_batch = tokenizer.encode_batch_fast  # leaves out character offsets, which nobody reads
        # The empty text is encoded as the special tokens alone: the first before the text, the last after it.
        self._first, self._last = tokenizer.encode("").ids
        self._room = max_length - 2
        self._max_chunks = max_chunks
        self._ids_of: dict[str, list[int]] = {}
        self._get = self._ids_of.get
        self._since_mark: list[str] = []

    def __len__(self) -> int:
        return len(self._ids_of)

    def ids(self, text: str) -> list[int]:
        """Return exactly ``tokenizers``' ids of a text."""
        if not (text.isascii() and text.isprintable()):
            return self._encode_batch([text])[0].ids  # type: ignore[no-any-return]
        room = self._room
        # Every chunk gives at least one id, so the chunks beyond the room cannot matter.
        chunks = text.split(None, room)
        if len(chunks) > room:
            del chunks[room:]
        get = self._get
        ids = [self._first]
        for chunk in chunks:
            ids += get(chunk) or self._miss(chunk)
        if len(ids) > room:
            del ids[room + 1 :]
        ids.append(self._last)
        return ids

    def _miss(self, chunk: str) -> list[int]:
        # Ids beyond max_length are cut here, which is no loss: fewer fit into a text.
        ids: list[int] = self._encode_batch([chunk], add_special_tokens=False)[0].ids
        if len(chunk) <= MAX_CHUNK_CHARS and len(self._ids_of) < self._max_chunks:
            self._ids_of[chunk] = ids
            self._since_mark.append(chunk)
        return ids

    def mark(self) -> None:
        """Remember the present chunks as the state after warm-up."""
        self._since_mark.clear()

    def reset(self) -> None:
        """Forget the chunks that came after the mark."""
        for chunk in self._since_mark:
            del self._ids_of[chunk]
        self._since_mark.clear()
