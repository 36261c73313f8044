"""Text in, label out in one file: a bundle's graph with its tokenizer before it and its calibration behind it.

The tokenizer is built from operators that the runtime's extension has, and it is refused unless it gives the ids of
``tokenizers``: by what kind of tokenizer it is, then on every character of Unicode, on hostile and random texts, and on
those of the user. Last the logits are compared with the bundle's.
"""

from __future__ import annotations

import shutil
from collections import Counter
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd import units
from edgekd.artifacts import publish_folder, read_json, sha256_file
from edgekd.bundle import GRAPH_FILES, MANIFEST_FILE, Bundle, load_bundle, write_manifest
from edgekd.errors import NotApplicable
from edgekd.export import text_onnx, text_openvino
from edgekd.export.characters import character_table
from edgekd.export.formats import TEXT_RUNTIMES
from edgekd.export.hostile import hostile_texts, random_texts
from edgekd.export.text_check import require_same_ids
from edgekd.export.wordpiece import read_wordpiece
from edgekd.provenance import LineageStep
from edgekd.runtime import session_for
from edgekd.runtime.text_graph_session import TEXT_INPUT, OnnxTextSession, OpenVinoTextSession
from edgekd.runtime.tokenization import open_tokenizer, pad_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgekd.export.characters import CharacterTable
    from edgekd.export.wordpiece import WordPiece

RANDOM_TEXTS = 2_000
COMPARED_TEXTS = 200  # whose logits are compared, besides the hostile ones
MAX_ABS_DIFF = 1e-4  # of a logit, between the same graph with the tokenizer inside and outside
SEED = 0


def add_tokenizer(bundle: Bundle, out: Path, *, texts: Sequence[str] = ()) -> Bundle:
    """Publish a bundle at ``out`` whose graph takes texts.

    Its graph has one input, ``text`` (any number of strings), and the outputs ``logits``, ``probabilities``
    (calibrated; not for a regression), and ``label`` (single-label; the name in ONNX, the index in OpenVINO) or
    ``chosen`` (multi-label, true where the label reaches its threshold).

    Args:
        bundle: with a graph for ONNX Runtime or OpenVINO.
        out: where the new bundle goes; its name is the variant's.
        texts: real texts to compare on as well.

    Raises:
        NotApplicable: when the tokenizer cannot be reproduced exactly; the message has the reason, and the first text
            that differs.
        MissingExtra: without the runtime's extension.
    """
    manifest = bundle.manifest
    runtime = _text_runtime(bundle)
    spec = read_json(bundle.tokenizer_path)
    pad = pad_id(bundle.tokenizer_path)
    tokenizer = read_wordpiece(spec, manifest.max_length, pad)
    table = character_table(open_tokenizer(bundle.tokenizer_path, manifest.max_length), spec)
    real = [*hostile_texts(), *random_texts(RANDOM_TEXTS, seed=SEED), *texts]
    build, encoder = _BUILDERS[runtime]
    require_same_ids(
        lambda length: encoder(read_wordpiece(spec, length, pad), table),
        lambda length: open_tokenizer(bundle.tokenizer_path, length),
        real,
        manifest.max_length,
        runtime,
    )
    with publish_folder(out) as building:
        for name in manifest.files:
            if name not in GRAPH_FILES[manifest.runtime]:
                (building / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(bundle.folder / name, building / name)
        graph = building / GRAPH_FILES[runtime][0]
        operators = build(bundle, tokenizer, table, graph)
        made = manifest.model_copy(
            update={"name": out.name, "runtime": runtime, "inputs": [TEXT_INPUT], "operators": operators, "files": {}}
            | ({"opset": text_onnx.TEXT_OPSET, "graph": "ort-fused"} if runtime == "onnxruntime-extensions" else {})
            | {"libraries": manifest.libraries | {runtime: metadata.version(runtime)}}
        )
        new = write_manifest(building, made)
        compared = [*hostile_texts(), *list(texts)[:COMPARED_TEXTS]]
        difference = _logits_differ(bundle, new, compared)
        details = {"characters": "all", "texts": len(real), "max_abs_diff": difference}
        step = LineageStep(step="tokenizer", name=out.name, hash=sha256_file(graph), details=details)
        (building / MANIFEST_FILE).unlink()
        write_manifest(building, made.model_copy(update={"lineage": [*manifest.lineage, step]}))
    return load_bundle(out)


def _text_runtime(bundle: Bundle) -> str:
    """Return the runtime of the new bundle.

    Raises:
        NotApplicable: when there is none.
        MissingExtra: when its extension is not installed.
    """
    manifest = bundle.manifest
    if manifest.runtime not in TEXT_RUNTIMES:
        raise NotApplicable(
            f"'{manifest.name}' is made for {manifest.runtime}, whose graphs cannot take texts; those of "
            f"{' and '.join(TEXT_RUNTIMES)} can.",
            hint="Export to onnx or openvino.",
        )
    if manifest.lengths or manifest.batch is not None:
        raise NotApplicable(
            f"The graph of '{manifest.name}' has fixed shapes; a tokenizer inside it needs free ones.",
            hint="Export without --length and --batch.",
        )
    runtime = TEXT_RUNTIMES[manifest.runtime]
    (OnnxTextSession if runtime == "onnxruntime-extensions" else OpenVinoTextSession).import_libraries()
    return runtime


def _logits_differ(bundle: Bundle, made: Bundle, texts: Sequence[str]) -> float:
    """Return the largest difference of a logit, texts taken one by one and in a batch.

    Raises:
        NotApplicable: when it is too large.
    """
    outside, inside = session_for(bundle, 1, cached=False), session_for(made, 1)
    outside.load()
    inside.load()
    worst = 0.0
    for text in texts:
        difference = float(np.abs(outside.run([text]) - inside.run([text])).max())
        if difference > MAX_ABS_DIFF:
            raise NotApplicable(
                f"The graph of '{bundle.manifest.name}' gives other logits with the tokenizer inside: they differ by "
                f"{units.tiny(difference)} for {text[:60]!a}."
            )
        worst = max(worst, difference)
    return worst


def _build_onnx(bundle: Bundle, tokenizer: WordPiece, table: CharacterTable, path: Path) -> dict[str, int]:
    """Write the graph; return how often each operator occurs."""
    import onnx

    from edgekd.compress.graph import save

    model = onnx.load(str(bundle.model_path))
    wanted = {entry.name: entry.type.tensor_type.elem_type for entry in model.graph.input}
    text_onnx.put_before(model, text_onnx.tokenizer_nodes(tokenizer, table, wanted))
    text_onnx.put_behind(model, bundle.manifest)
    onnx.checker.check_model(model)
    save(model, path)
    return dict(Counter(node.op_type for node in model.graph.node).most_common())


def _build_openvino(bundle: Bundle, tokenizer: WordPiece, table: CharacterTable, path: Path) -> dict[str, int]:
    """Write the graph; return how often each operator occurs."""
    import openvino

    model = text_openvino.with_tokenizer(bundle, text_openvino.tokenizer_model(tokenizer, table))
    openvino.save_model(model, str(path), compress_to_fp16=False)
    return dict(Counter(op.get_type_name() for op in model.get_ops()).most_common())


# How the graph of a text runtime is written, and its tokenizer alone.
_BUILDERS: dict[str, tuple[Callable[..., dict[str, int]], Callable[[WordPiece, CharacterTable], Any]]] = {
    "onnxruntime-extensions": (_build_onnx, text_onnx.tokenizer_encoder),
    "openvino-tokenizers": (_build_openvino, text_openvino.tokenizer_encoder),
}
