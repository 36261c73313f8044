"""A tokenizer as an OpenVINO model, of the operators of openvino-tokenizers: texts in, token ids and mask out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.analysis.probabilities import DEFAULT_THRESHOLD
from edgekd.export.characters import code_class, long_runs
from edgekd.export.charsmap import charsmap
from edgekd.runtime.text_graph_session import TEXT_INPUT
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgekd.bundle import Bundle
    from edgekd.export.characters import CharacterTable
    from edgekd.export.wordpiece import WordPiece

_BYTES_A_CHARACTER = 4
_NUL = 0


def tokenizer_model(tokenizer: WordPiece, table: CharacterTable) -> Any:
    """Return the ``openvino.Model``, with outputs ``input_ids``, ``token_type_ids`` and ``attention_mask`` (int32).

    Args:
        tokenizer: what it does with words.
        table: what it does with characters.
    """
    from openvino import Model, PartialShape, Type, op, opset15
    from openvino_tokenizers import tokenizer_pipeline as steps

    # TokenizerPipeline would chain the steps itself, but takes for granted that special tokens are a step of their own.
    text = op.Parameter(Type.string, PartialShape(["?"]))
    values = opset15.string_tensor_unpack(text).outputs()
    for step in _character_steps(table):
        values = step.get_ov_subgraph(values)
    # WordpieceTokenizer limits bytes, the tokenizer characters.
    too_long = steps.RegexNormalizationStep(rf"[^ ]{{{tokenizer.max_word_chars + 1},}}", table.unknown)
    values = steps.TokenizerPipeline.add_ragged_dimension(too_long.get_ov_subgraph(values))
    # RegexSplit returns one row for a batch of texts without any character, so there is one that belongs to no text.
    values[-1] = opset15.concat([values[-1], np.frombuffer(b" ", np.uint8)], 0).output(0)
    truncation = steps.TruncationStep(
        max_length=tokenizer.max_length - len(tokenizer.before) - len(tokenizer.after), truncation=True
    )
    around = [
        [steps.AddToken(_token_id=token, token_type_id=0) for token in tokens]
        for tokens in (tokenizer.before, tokenizer.after)
    ]
    for step in (
        steps.RegexSplitStep(" +"),
        steps.WordPieceTokenizationStep(
            vocab=_vocabulary(tokenizer, table),
            unk_token=tokenizer.unknown_token,
            suffix_indicator=tokenizer.prefix,
            max_bytes_per_word=_BYTES_A_CHARACTER * tokenizer.max_word_chars,
        ),
        truncation,
        steps.CombineSegmentsStep([*around[0], steps.Sequence(token_type_id=0), *around[1]]),
        steps.PaddingStep(_token_id=tokenizer.pad_id),
    ):
        values = step.get_ov_subgraph(values)
    model = Model(values, [text], "tokenizer")
    model.add_sinks(truncation.get_stateful_sinks())
    return model


def with_tokenizer(bundle: Bundle, tokenizer: Any) -> Any:
    """Return a bundle's graph with a tokenizer before it, and probabilities and choice behind it."""
    import openvino
    from openvino import opset13

    graph = openvino.Core().read_model(str(bundle.model_path))
    for port in graph.inputs:
        value = tokenizer.output(port.get_any_name()).get_node().input_value(0)
        value = opset13.convert(value, port.get_element_type().to_string()).output(0)
        for target in port.get_target_inputs():
            target.replace_source_output(value)
    tokenizer.inputs[0].get_tensor().set_names({TEXT_INPUT})
    manifest = bundle.manifest
    logits = graph.outputs[0].get_node().input_value(0)
    outputs = {"logits": logits}
    if manifest.task is not TaskKind.REGRESSION:
        scaled = opset13.divide(logits, np.float32(manifest.calibration.temperature))
        if manifest.task is TaskKind.SINGLE_LABEL:
            outputs["probabilities"] = opset13.softmax(scaled, -1).output(0)
            best = opset13.topk(logits, np.int64(1), -1, "max", "none", index_element_type="i64")
            outputs["label"] = opset13.squeeze(best.output(1), np.int64(-1)).output(0)
        else:
            thresholds = manifest.calibration.thresholds or [DEFAULT_THRESHOLD] * len(manifest.labels)
            outputs["probabilities"] = opset13.sigmoid(scaled).output(0)
            chosen = opset13.greater_equal(outputs["probabilities"], np.array(thresholds, np.float32))
            outputs["chosen"] = chosen.output(0)
    made = openvino.Model([opset13.result(value) for value in outputs.values()], tokenizer.get_parameters(), "text")
    made.add_sinks(tokenizer.get_sinks())
    for port, name in zip(made.outputs, outputs, strict=True):
        port.get_tensor().set_names({name})
    return made


def tokenizer_encoder(tokenizer: WordPiece, table: CharacterTable) -> Callable[[Sequence[str]], list[list[int]]]:
    """Return what gives token ids of texts, by OpenVINO."""
    import openvino

    request = openvino.Core().compile_model(tokenizer_model(tokenizer, table), "CPU").create_infer_request()

    def encode(texts: Sequence[str]) -> list[list[int]]:
        request.infer({0: openvino.Tensor(list(texts))})
        ids, mask = (request.get_tensor(name).data for name in ("input_ids", "attention_mask"))
        return [row[: int(kept.sum())].tolist() for row, kept in zip(ids, mask, strict=True)]

    return encode


def _character_steps(table: CharacterTable) -> list[Any]:
    from openvino_tokenizers import tokenizer_pipeline as steps

    classes = {"": table.removed, " ": table.spaces, f" {table.unknown} ": table.unknown_words}
    long = {rewrite: long_runs(codes) for rewrite, codes in classes.items()}
    short = {chr(code): rewrite for rewrite, codes in classes.items() for code in codes - long[rewrite]}
    short.pop(chr(_NUL), None)  # ends keys in the map
    long[""] |= {_NUL} & table.removed
    mapped = steps.CharsmapStep(charsmap=charsmap({**short, **table.rewritten}), remove_extra_whitespaces=False)
    return [
        mapped,
        *(steps.RegexNormalizationStep(code_class(codes), rewrite) for rewrite, codes in long.items() if codes),
    ]


def _vocabulary(tokenizer: WordPiece, table: CharacterTable) -> list[str]:
    """Return the pieces by id; special tokens are found by their markers, ids without a piece by nothing."""
    by_id = {index: piece for piece, index in tokenizer.vocabulary.items()}
    by_id |= {index: marker for marker, index in table.markers.items() if index != tokenizer.unknown_id}
    return [by_id.get(index, "") for index in range(max(by_id) + 1)]
