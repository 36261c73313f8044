"""A ``tokenizer.json`` with fewer tokens, or with fewer bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from edgekd.artifacts import write_text_atomic
from edgekd.errors import InvalidArtifact, NotApplicable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Spec = dict[str, Any]

KINDS = ("WordPiece", "BPE", "Unigram", "WordLevel")
POST_PROCESSORS = ("TemplateProcessing", "BertProcessing", "RobertaProcessing", "ByteLevel", "Sequence")

# Read with both files when one was rewritten: letters of all sorts, signs, spaces, special tokens, no text at all.
PROBE = (
    "",
    "A plain sentence, isn't it? 3.14 + 1,000,000 = ... (unbelievably) 'quoted' \"twice\" well-known_name@example.org",
    "naïve Crème brûlée, Straße, ŒUVRE, İstanbul, \u0130, e\u0301, ﬁne",
    "日本語 中文 한국어 العربية עברית हिन्दी ไทย Ελληνικά Русский",
    "🙂👍🏽 \u200d\u00a0\ttab\nline  spaces   ☃ \ufffd \u0000 ½ ² ∑ €",
    "[CLS] [SEP] [PAD] [UNK] [MASK] <s> </s> <pad> <unk> <mask> ##s ▁a Ġb </w> <0x41>",
    "antidisestablishmentarianism Donaudampfschifffahrtsgesellschaft " + 120 * "x",
)


def compact_tokenizer(path: Path) -> None:
    """Rewrite a ``tokenizer.json`` without the white space between its parts, which is a third of BERT's.

    The file is replaced at once, and only when the new one reads a probe as the old one does.

    Raises:
        InvalidArtifact: when the file is no tokenizer, or the new one would read differently.
    """
    try:
        old = Tokenizer.from_file(str(path))
        spec = json.loads(path.read_text(encoding="utf-8"))
    except Exception as error:  # tokenizers raises the bare class
        raise InvalidArtifact(f"The tokenizer '{path}' cannot be read: {error}.") from error
    text = json.dumps(spec, ensure_ascii=False, separators=(",", ":"))
    new = Tokenizer.from_str(text)
    if [e.ids for e in old.encode_batch(list(PROBE))] != [e.ids for e in new.encode_batch(list(PROBE))]:
        raise InvalidArtifact(f"The tokenizer '{path}' reads differently when its JSON is written without white space.")
    write_text_atomic(path, text)


def kind_of(spec: Spec) -> str:
    """Return "WordPiece", "BPE", "Unigram" or "WordLevel".

    Raises:
        NotApplicable: for another kind, or a post-processor whose token ids are not known.
    """
    kind = str((spec.get("model") or {}).get("type"))
    if kind not in KINDS:
        raise NotApplicable(f"The vocabulary cannot shrink: the tokenizer is {kind}, known are {', '.join(KINDS)}.")
    for part in _post_processors(spec):
        if part["type"] not in POST_PROCESSORS:
            raise NotApplicable(
                f"The vocabulary cannot shrink: the tokenizer's post-processor is {part['type']}, known are "
                f"{', '.join(POST_PROCESSORS)}."
            )
    return kind


def model_tokens(spec: Spec) -> dict[str, int]:
    """Return token to id of the tokenizer's model, without the tokens that were added to it."""
    vocab = spec["model"]["vocab"]
    return {piece: index for index, (piece, _) in enumerate(vocab)} if isinstance(vocab, list) else vocab


def template_ids(spec: Spec) -> set[int]:
    """Return the ids of the tokens that are put around a text."""
    found: set[int] = set()
    for part in _post_processors(spec):
        found.update(token for entry in part.get("special_tokens", {}).values() for token in entry["ids"])
        found.update(part[end][1] for end in ("sep", "cls") if end in part)
    return found


def merged(merge: list[str], spec: Spec) -> str:
    """Return what a BPE merge ``[a, b]`` makes: ``ab``, without the mark of inner parts on ``b``."""
    first, second = merge
    return first + second[len(spec["model"].get("continuing_subword_prefix") or "") :]


def keep_tokens(spec: Spec, new_id: Mapping[int, int]) -> Spec:
    """Return the parsed ``tokenizer.json`` with some tokens only.

    Merges stay when all their three tokens do, in their order. Scores of Unigram stay.

    Args:
        spec: of a known kind, see :func:`kind_of`; it is not changed.
        new_id: old id to new id of the tokens that stay; the tokens of the model in the order of their old ids.
    """
    new: Spec = json.loads(json.dumps(spec))
    model = new["model"]
    kept = {token: new_id[index] for token, index in model_tokens(spec).items() if index in new_id}
    if isinstance(model["vocab"], list):
        model["vocab"] = [entry for index, entry in enumerate(model["vocab"]) if index in new_id]
        model["unk_id"] = new_id.get(model.get("unk_id"))
    else:
        model["vocab"] = kept
    if "merges" in model:
        model["merges"] = [m for m in model["merges"] if m[0] in kept and m[1] in kept and merged(m, spec) in kept]
    new["added_tokens"] = [
        token | {"id": new_id[token["id"]]} for token in new.get("added_tokens") or [] if token["id"] in new_id
    ]
    for part in _post_processors(new):
        for entry in part.get("special_tokens", {}).values():
            entry["ids"] = [new_id[token] for token in entry["ids"]]
        for end in ("sep", "cls"):
            if end in part:
                part[end][1] = new_id[part[end][1]]
    if new.get("padding"):
        new["padding"]["pad_id"] = new_id[new["padding"]["pad_id"]]
    return new


def _post_processors(spec: Spec) -> Iterator[Spec]:
    """Yield the post-processor and those inside of it."""
    waiting = [spec["post_processor"]] if spec.get("post_processor") else []
    while waiting:
        part = waiting.pop()
        yield part
        waiting += part.get("processors", [])
