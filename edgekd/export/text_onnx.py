"""A tokenizer as ONNX, for ONNX Runtime with onnxruntime-extensions: texts in, token ids and mask out.

Data flow: texts -> pieces (special tokens, runs of plain characters, single characters) -> rewritten pieces -> one
string a text with spaces between words -> WordPiece -> ids -> rows of equal length with special tokens around them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from edgekd.analysis.probabilities import DEFAULT_THRESHOLD
from edgekd.export.characters import code_class, long_runs
from edgekd.runtime.text_graph_session import TEXT_INPUT, extension_of_onnxruntime
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onnx import ModelProto

    from edgekd.bundle import Manifest
    from edgekd.export.characters import CharacterTable
    from edgekd.export.wordpiece import WordPiece

CONTRIB = "ai.onnx.contrib"  # the operators of onnxruntime-extensions
ML = "ai.onnx.ml"
_DEFAULT_DOMAIN = {"", "ai.onnx"}
TEXT_OPSET = 20  # the first with StringSplit
_LINE_CODES = frozenset(map(ord, "\t\n"))  # what the map of StringMapping is written with


class _Nodes:
    """Nodes and constants with names of their own."""

    def __init__(self, prefix: str = "tokenizer/") -> None:
        self.prefix = prefix
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, value: Any) -> str:
        name = f"{self.prefix}constant_{len(self.constants)}"
        strings = isinstance(value, list) and all(isinstance(entry, str) for entry in value) and value
        array = np.array(value, dtype=object if strings else np.int64)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def floats(self, values: Sequence[float]) -> str:
        name = f"{self.prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(values, np.float32), name))
        return name

    def add(self, kind: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        names = [f"{self.prefix}{kind}_{len(self.nodes)}_{index}" for index in range(outputs)]
        node = helper.make_node(kind, list(inputs), names, name=names[0], domain=domain, **attributes)
        self.nodes.append(node)
        return names[0] if outputs == 1 else names


@dataclass(frozen=True)
class TokenizerNodes:
    """What stands before a graph: from ``text`` to what the graph takes."""

    nodes: list[NodeProto]
    constants: list[TensorProto]
    outputs: dict[str, str]  # names of the inputs of a graph: names of the values


def tokenizer_nodes(tokenizer: WordPiece, table: CharacterTable, wanted: dict[str, int]) -> TokenizerNodes:
    """Return a tokenizer's nodes.

    Args:
        tokenizer: what it does with words.
        table: what it does with characters.
        wanted: the inputs of a graph, each with its element type.
    """
    made = _Nodes()
    words = _words(made, table)
    ids, ends = _ids(made, words, tokenizer, table)
    values = _rows(made, ids, ends, tokenizer)
    outputs = {name: made.add("Cast", values[name], to=kind) for name, kind in wanted.items()}
    return TokenizerNodes(made.nodes, made.constants, outputs)


def tokenizer_model(tokenizer: WordPiece, table: CharacterTable) -> ModelProto:
    """Return the tokenizer as a model of its own, int64 ``input_ids`` and ``attention_mask``."""
    names = ("input_ids", "attention_mask")
    found = tokenizer_nodes(tokenizer, table, dict.fromkeys(names, TensorProto.INT64))
    nodes = [*found.nodes, *(helper.make_node("Identity", [found.outputs[name]], [name]) for name in names)]
    outputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in names]
    graph = helper.make_graph(nodes, "tokenizer", [text_input()], outputs, found.constants)
    return helper.make_model(graph, opset_imports=opsets(TEXT_OPSET), ir_version=10)


def text_input() -> Any:
    """Return the input: any number of texts."""
    return helper.make_tensor_value_info(TEXT_INPUT, TensorProto.STRING, ["batch"])


def opsets(default: int) -> list[Any]:
    """Return the operator sets of a graph with a tokenizer in it."""
    return [helper.make_opsetid("", default), helper.make_opsetid(ML, 3), helper.make_opsetid(CONTRIB, 1)]


def _words(made: _Nodes, table: CharacterTable) -> str:
    """Return one string a text, words with spaces between them."""
    plain = _plain_characters(table)
    if plain is None:
        return _rewritten(made, table)
    branches = {}
    for name, build in (("then_branch", plain), ("else_branch", lambda inner: _rewritten(inner, table))):
        inner = _Nodes(f"{made.prefix}{name}/")
        result = build(inner)
        output = helper.make_tensor_value_info(result, TensorProto.STRING, ["texts"])
        branches[name] = helper.make_graph(inner.nodes, name, [], [output], inner.constants)
    matches = made.add("RegexFullMatch", TEXT_INPUT, pattern=f"{code_class(_plain_codes(table))}*")
    worst = made.add("ReduceMin", made.add("Cast", matches, to=TensorProto.INT32), keepdims=0)
    return str(made.add("If", made.add("Cast", worst, to=TensorProto.BOOL), **branches))


def _plain_codes(table: CharacterTable) -> list[int]:
    """Return the printable ASCII characters that begin no special token."""
    starts = {key[0] for key in table.rewritten if len(key) > 1}
    return [code for code in range(32, 127) if chr(code) not in starts]


def _plain_characters(table: CharacterTable) -> Callable[[_Nodes], str] | None:
    """Return what builds the short way, for texts of :func:`_plain_codes` alone; None when there is none."""
    told = {chr(code): table.rewritten.get(chr(code), chr(code)) for code in _plain_codes(table)}
    alone = [c for c, result in told.items() if result == f" {c} " or ord(c) in table.unknown_words]
    lowered = [c for c, result in told.items() if result != c and result == c.lower()]
    upper = [c for c in told if c.lower() != c]
    others = [c for c, result in told.items() if result != c and c not in alone and c not in lowered]
    asked = table.removed | table.spaces
    if others or lowered not in ([], upper) or not alone or asked.intersection(map(ord, told)):
        return None

    def build(made: _Nodes) -> str:
        texts = made.add("StringLower", TEXT_INPUT, domain=CONTRIB) if lowered else TEXT_INPUT
        given = made.constant([f"({code_class(map(ord, alone))})"]), made.constant([" \\1 "])
        return str(made.add("StringRegexReplace", texts, *given, domain=CONTRIB, global_replace=1))

    return build


def _rewritten(made: _Nodes, table: CharacterTable) -> str:
    """Build the long way, for any text."""
    # The operators of onnxruntime-extensions end a string at its first NUL; ONNX Runtime's own do not.
    parts, _ = made.add("StringSplit", TEXT_INPUT, outputs=2, delimiter="\0")
    separator, axis = made.constant([table.nothing]), made.constant([1])
    texts = made.add("StringJoin", parts, separator, axis, domain=CONTRIB)
    pattern = made.constant([_pieces_pattern(table)])
    split = made.add("StringRegexSplitWithOffsets", texts, pattern, pattern, outputs=4, domain=CONTRIB)
    pieces, splits = split[0], split[3]
    classes = {"": table.removed, " ": table.spaces, f" {table.unknown} ": table.unknown_words}
    long = {rewrite: long_runs(codes) | (_LINE_CODES & codes) for rewrite, codes in classes.items()}
    short = {chr(code): rewrite for rewrite, codes in classes.items() for code in codes - long[rewrite]}
    mapped = {**{key: value or table.nothing for key, value in short.items()}, **table.rewritten}
    pairs = "\n".join(f"{key}\t{value}" for key, value in mapped.items())
    pieces = made.add("StringMapping", pieces, domain=CONTRIB, map=pairs)
    padded = made.add("Concat", pieces, made.constant([""]), axis=0)
    place = _grid(made, splits, made.constant([0]), made.constant([0])).place
    joined = made.add("StringJoin", made.add("Gather", padded, place), made.constant([""]), axis, domain=CONTRIB)
    for rewrite, codes in long.items():
        if codes:
            given = made.constant([code_class(codes)]), made.constant([rewrite])
            joined = made.add("StringRegexReplace", joined, *given, domain=CONTRIB, global_replace=1)
    return str(joined)


def _pieces_pattern(table: CharacterTable) -> str:
    """Return what a piece is: a special token, a run of characters that stay as they are, or any character."""
    tokens = sorted((key for key in table.rewritten if len(key) > 1), key=len, reverse=True)
    special = table.removed | table.spaces | table.unknown_words
    plain = [code for code in _plain_codes(table) if chr(code) not in table.rewritten and code not in special]
    return "(" + "|".join([*map(_quoted, tokens), f"{code_class(plain)}+", "(?s:.)"]) + ")"


def _quoted(text: str) -> str:
    return "".join(code_class([ord(character)]) for character in text)


def _ids(made: _Nodes, texts: str, tokenizer: WordPiece, table: CharacterTable) -> tuple[str, str]:
    """Return the ids of all texts in one row, and where each text ends in it (with a leading 0)."""
    words, _ = made.add("StringSplit", texts, outputs=2)  # (texts, words), short rows end with empty words
    vocabulary = {**tokenizer.vocabulary, **table.markers}
    pieces, word_ends, _, _ = made.add(
        "WordpieceTokenizer",
        made.add("Reshape", words, made.constant([-1])),
        made.constant([]),
        outputs=4,
        domain=CONTRIB,
        vocab=json.dumps(vocabulary, ensure_ascii=False),
        suffix_indicator=tokenizer.prefix,
        unknown_token=tokenizer.unknown_token,
        max_input_chars_per_word=tokenizer.max_word_chars,
    )
    ids = made.add(
        "LabelEncoder",
        pieces,
        domain=ML,
        keys_strings=list(vocabulary),
        values_int64s=list(vocabulary.values()),
        default_int64=tokenizer.unknown_id,
    )
    # A word that cannot be put together is unknown as a whole; the operator keeps its known beginning before [UNK].
    grid = _grid(made, word_ends, made.constant([0]), made.constant([0]))
    unknown, zero, one = made.constant([tokenizer.unknown_id]), made.constant([0]), made.constant([1])
    cells = made.add("Gather", made.add("Concat", ids, unknown, axis=0), grid.place)
    found = made.add("And", made.add("Equal", cells, unknown), grid.inside)
    bad = made.add("ReduceMax", made.add("Cast", found, to=TensorProto.INT32), one)
    is_bad = made.add("Cast", bad, to=TensorProto.BOOL)
    cells = made.add("Where", is_bad, unknown, cells)
    lengths = made.add("Where", is_bad, one, grid.lengths)
    kept = made.add(
        "Compress", cells, made.add("Reshape", made.add("Less", grid.columns, lengths), made.constant([-1]))
    )
    by_text = made.add("Reshape", lengths, made.add("Shape", words), allowzero=1)
    totals = made.add("CumSum", made.add("ReduceSum", by_text, one, keepdims=0), made.constant(0))
    return kept, made.add("Concat", zero, totals, axis=0)


@dataclass(frozen=True)
class _Grid:
    """Rows of unequal length side by side, as names of values."""

    place: str  # of each cell in the long row, whose length stands for cells outside their row (rows, columns)
    columns: str  # (columns,)
    lengths: str  # what is kept of each row (rows, 1)
    inside: str  # whether a cell is inside its row (rows, columns)


def _grid(made: _Nodes, splits: str, first: str, around: str, longest: str | None = None) -> _Grid:
    """Lay rows of unequal length side by side.

    Args:
        made: receives the nodes.
        splits: where rows begin in one long row, and where the last one ends: ``(rows + 1,)``.
        first: columns before a row.
        around: columns before and after it, together.
        longest: how much of a row is kept; all of it by default.
    """
    zero, one, most = made.constant([0]), made.constant([1]), made.constant([2**62])
    begins = made.add("Slice", splits, zero, made.constant([-1]), zero)
    last = made.add("Slice", splits, one, most, zero)
    lengths = made.add("Sub", last, begins)
    if longest is not None:
        lengths = made.add("Min", lengths, longest)
    scalar = made.constant(0)
    width = made.add("Squeeze", made.add("Add", made.add("ReduceMax", lengths), around), zero)
    columns = made.add("Range", scalar, width, made.constant(1))
    begins, lengths = made.add("Unsqueeze", begins, one), made.add("Unsqueeze", lengths, one)
    offset = made.add("Sub", columns, first)
    inside = made.add("And", made.add("GreaterOrEqual", offset, zero), made.add("Less", offset, lengths))
    end = made.add("Slice", splits, made.constant([-1]), most, zero)
    place = made.add("Where", inside, made.add("Add", begins, offset), end)
    return _Grid(place, columns, lengths, inside)


def _rows(made: _Nodes, ids: str, ends: str, tokenizer: WordPiece) -> dict[str, str]:
    """Return what graphs take, ``(texts, sequence)``: ids with special tokens around them, cut and padded."""
    first, around = made.constant([len(tokenizer.before)]), len(tokenizer.before) + len(tokenizer.after)
    room = made.constant([tokenizer.max_length - around])
    grid = _grid(made, ends, first, made.constant([around]), room)
    columns, lengths = grid.columns, grid.lengths
    result = made.add("Gather", made.add("Concat", ids, made.constant([tokenizer.pad_id]), axis=0), grid.place)
    for index, token in enumerate(tokenizer.before):
        here = made.add("Equal", columns, made.constant([index]))
        result = made.add("Where", here, made.constant([token]), result)
    for index, token in enumerate(tokenizer.after, start=len(tokenizer.before)):
        here = made.add("Equal", columns, made.add("Add", lengths, made.constant([index])))
        result = made.add("Where", here, made.constant([token]), result)
    filled = made.add("Less", columns, made.add("Add", lengths, made.constant([around])))
    mask = made.add("Cast", filled, to=TensorProto.INT64)
    return {"input_ids": result, "attention_mask": mask, "token_type_ids": made.add("Sub", mask, mask)}


def put_before(model: ModelProto, found: TokenizerNodes) -> None:
    """Put a tokenizer before a graph, in place."""
    graph = model.graph
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name in found.outputs:
                node.input[index] = found.outputs[name]
    nodes = [*found.nodes, *graph.node]
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    graph.initializer.extend(found.constants)
    graph.input.append(text_input())
    for entry in opsets(TEXT_OPSET):
        known = [have for have in model.opset_import if {have.domain, entry.domain} <= _DEFAULT_DOMAIN]
        known = known or [have for have in model.opset_import if have.domain == entry.domain]
        if known:
            known[0].version = max(known[0].version, entry.version)
        else:
            model.opset_import.append(entry)


def put_behind(model: ModelProto, manifest: Manifest) -> None:
    """Put probabilities and choice behind a graph's logits, in place: the calibration of a bundle."""
    logits, calibration = model.graph.output[0].name, manifest.calibration
    if manifest.task is TaskKind.REGRESSION:
        return
    made = _Nodes("calibration/")
    scaled = made.add("Div", logits, made.floats([calibration.temperature]))
    labels = len(manifest.labels)
    shape: list[str | int] = ["batch"]
    if manifest.task is TaskKind.SINGLE_LABEL:
        probabilities, name, kind = made.add("Softmax", scaled, axis=-1), "label", TensorProto.STRING
        best = made.add("ArgMax", logits, axis=-1, keepdims=0)
        choice = made.add("Gather", made.constant(list(manifest.labels)), best)
    else:
        probabilities, name, kind = made.add("Sigmoid", scaled), "chosen", TensorProto.BOOL
        shape.append(labels)
        thresholds = made.floats(calibration.thresholds or [DEFAULT_THRESHOLD] * labels)
        choice = made.add("GreaterOrEqual", probabilities, thresholds)
    for value, output, element, dimensions in (
        (probabilities, "probabilities", TensorProto.FLOAT, ["batch", labels]),
        (choice, name, kind, shape),
    ):
        made.nodes.append(helper.make_node("Identity", [value], [output]))
        model.graph.output.append(helper.make_tensor_value_info(output, element, dimensions))
    model.graph.node.extend(made.nodes)
    model.graph.initializer.extend(made.constants)


def tokenizer_encoder(tokenizer: WordPiece, table: CharacterTable) -> Callable[[Sequence[str]], list[list[int]]]:
    """Return what gives token ids of texts, by ONNX Runtime."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.register_custom_ops_library(extension_of_onnxruntime())
    model = tokenizer_model(tokenizer, table).SerializeToString()
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def encode(texts: Sequence[str]) -> list[list[int]]:
        ids, mask = session.run(None, {TEXT_INPUT: np.array(texts, dtype=object)})
        return [row[: int(kept.sum())].tolist() for row, kept in zip(ids, mask, strict=True)]

    return encode
