"""OpenVINO IR of an ONNX graph: fp32 or fp16 weights, int8 by NNCF with or without accuracy control, or int8 weights.

NNCF puts FakeQuantize operations around matrix products (Jacob et al. 2017, arXiv 1712.05877) with ranges from
calibration texts; OpenVINO turns them into int8 arithmetic when it compiles the graph.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd import units
from edgekd.bundle import GRAPH_FILES
from edgekd.errors import InvalidArtifact, MissingExtra, NotApplicable
from edgekd.export.parity import graph_logits
from edgekd.runtime.openvino_session import compile_graph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgekd.steps import OpenVinoStep

    Rows = Sequence[Sequence[int]]
    Logits = NDArray[np.float32]
    Feed = dict[str, NDArray[np.int64]]

COMPARED_ROWS = 16
# Of the largest logit. fp32 sums in another order differ by about 1e-6; a wrong integer changes logits by 0.1 and more.
MAX_DIFFERENCE = 1e-3


def to_openvino(
    source: Path,
    folder: Path,
    step: OpenVinoStep,
    *,
    calibration: Callable[[], Rows],
    validation_rows: Callable[[], Rows] | None = None,
    score: Callable[[Logits], float] | None = None,
    pad_token_id: int,
    reduce_range: bool = False,
    shape: tuple[int, int] | None = None,
    padded: bool = True,
) -> dict[str, Any]:
    """Write ``openvino_model.xml`` and ``openvino_model.bin``.

    Args:
        source: fp32 ONNX graph with free batch and length.
        folder: where the files go.
        step: which flavour.
        calibration: gives token ids of texts that int8 ranges are taken from; at least one row.
        validation_rows: gives token ids of the texts that ``score`` judges; only accuracy control needs both.
        score: main score of logits ``(rows, outputs)`` of the validation rows; higher is better.
        pad_token_id: of the tokenizer.
        reduce_range: 7-bit weights, for x86 without VNNI, where sums of int8 products saturate in 16 bits.
        shape: batch and length of every call, -1 where it stays free; None: both stay free.
        padded: texts may be padded; False for one text a call of any length.

    Returns:
        What was done: operators that are int8 and, with accuracy control, those that went back to fp32.

    Raises:
        NotApplicable: when OpenVINO computes the graph differently, or nothing in it can be quantized.
        InvalidArtifact: when OpenVINO or NNCF fails.
        MissingExtra: when one of them is not installed.
    """
    openvino = _import("openvino")
    try:
        model = openvino.convert_model(str(source))
    except Exception as error:  # openvino raises what its frontends raise
        raise InvalidArtifact(f"OpenVINO could not convert the graph: {_last_line(error)}") from error
    rows = calibration()
    _require_same_answers(model, source, rows[:COMPARED_ROWS], pad_token_id, padded=padded)
    record: dict[str, Any] = {}
    if step.step not in ("openvino", "openvino-fp16"):
        nncf = _import("nncf")
        try:
            with _quiet(nncf):
                model = _quantized(nncf, model, step, rows, validation_rows, score, reduce_range)
        except (RuntimeError, ValueError, LookupError, nncf.InternalError, nncf.ValidationError) as error:
            # NOTE: nncf 3.4 raises a KeyError when accuracy control takes token vectors back to fp32.
            reason = f"{type(error).__name__}: {_last_line(error)}"
            raise InvalidArtifact(f"NNCF could not quantize the graph: {reason}") from error
        record = quantized_operators(model)
        if not record["int8"]:
            if step.step == "openvino-int8-controlled":
                raise NotApplicable(
                    f"Accuracy control took every operator back to fp32 before the loss of the score was at most "
                    f"{step.max_drop:g}."
                )
            raise NotApplicable("NNCF found no operator with weights that it can quantize.")
    folder.mkdir(parents=True, exist_ok=True)
    _tidy(model)
    if shape is not None:
        model.reshape({name: list(shape) for name in _input_names(model)})
    # What is not quantized has fp16 weights: half the bytes, and fp32 again when the graph is compiled.
    half = step.step != "openvino"
    openvino.save_model(model, str(folder / GRAPH_FILES["openvino"][0]), compress_to_fp16=half)
    return record


def _quantized(
    nncf: Any,
    model: Any,
    step: OpenVinoStep,
    rows: Rows,
    validation_rows: Callable[[], Rows] | None,
    score: Callable[[Logits], float] | None,
    reduce_range: bool,
) -> Any:
    """Return the model of an int8 step."""
    if step.step == "openvino-int8-weights":
        # One scale and zero point for each output (and each token vector), computed from the weights alone.
        return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)
    names = _input_names(model)
    options = {
        "model_type": nncf.ModelType.TRANSFORMER if has_attention(model) else None,
        "subset_size": len(rows),
    }
    overflow = nncf.OverflowFix.ENABLE if reduce_range else nncf.OverflowFix.DISABLE
    advanced = nncf.AdvancedQuantizationParameters(overflow_fix=overflow)
    texts = nncf.Dataset([_feed(row, names) for row in rows])
    if step.step == "openvino-int8":
        return nncf.quantize(model, texts, advanced_parameters=advanced, **options)
    if validation_rows is None or score is None:
        raise ValueError("accuracy control needs validation rows and a score")

    def validate(compiled: Any, feeds: Iterable[Feed]) -> tuple[float, None]:
        return score(_answers(compiled, feeds)), None

    return nncf.quantize_with_accuracy_control(
        model,
        texts,
        nncf.Dataset([_feed(row, names) for row in validation_rows()]),
        validate,
        max_drop=step.max_drop,
        drop_type=nncf.DropType.ABSOLUTE,
        advanced_quantization_parameters=advanced,
        **options,
    )


def has_attention(model: Any) -> bool:
    """Tell whether a softmax weights a matrix product, which NNCF quantizes by the rules for transformers."""
    if any(node.get_type_name() == "ScaledDotProductAttention" for node in model.get_ops()):
        return True
    return any(
        target.get_node().get_type_name() == "MatMul"
        for node in model.get_ops()
        if node.get_type_name() == "Softmax"
        for target in node.output(0).get_target_inputs()
    )


def quantized_operators(model: Any) -> dict[str, Any]:
    """Return how many operators with weights have int8 weights, and the names of the others."""
    int8, others = 0, []
    for node in model.get_ops():
        if node.get_type_name() not in _WITH_WEIGHTS:
            continue
        kinds = {kind for port in node.inputs() for kind in _weights_behind(port.get_source_output().get_node())}
        if kinds & {"i8", "u8"}:
            int8 += 1
        elif kinds:
            others.append(node.get_friendly_name())
    return {"int8": int8, "not_int8": others}


_WITH_WEIGHTS = ("MatMul", "Convolution", "Gather", "LSTMSequence", "GRUSequence")
_BETWEEN = ("Convert", "Subtract", "Multiply", "Reshape", "FakeQuantize")  # a stored weight and its operator
_SMALLEST_WEIGHT = 64  # values; smaller constants are shapes, scales and indexes


def _weights_behind(node: Any) -> Iterator[str]:
    """Yield the stored types of the weights that a node gives, through what makes them floats again."""
    while node.get_type_name() in _BETWEEN:
        node = node.input_value(0).get_node()
    if node.get_type_name() == "Constant" and np.prod(node.shape) >= _SMALLEST_WEIGHT:
        yield node.get_element_type().get_type_name()


def _require_same_answers(model: Any, source: Path, rows: Rows, pad_token_id: int, *, padded: bool) -> None:
    """Refuse a graph that OpenVINO computes differently before anything is quantized, with or without padding."""
    if not rows:
        raise InvalidArtifact("OpenVINO needs at least one text to compare and to calibrate with; there is none.")
    compiled = compile_graph(model, 1)
    expected = graph_logits(source, rows, pad_token_id=pad_token_id)
    difference = float(np.abs(_answers(compiled, [_feed(row, _input_names(model)) for row in rows]) - expected).max())
    if not difference <= MAX_DIFFERENCE * max(1.0, float(np.abs(expected).max())):
        raise NotApplicable(
            f"OpenVINO answers differently from ONNX Runtime before anything is quantized: logits differ by up to "
            f"{units.tiny(difference)}. It computes with integers of 32 bits, and hashed n-grams need 64."
        )
    if not padded:
        return
    together = compiled.create_infer_request().infer(_padded(rows, _input_names(model), pad_token_id))[0]
    difference = float(np.abs(together - expected).max())
    if not difference <= MAX_DIFFERENCE * max(1.0, float(np.abs(expected).max())):
        # NOTE: the CPU plugin of openvino 2026.4 reads the padding of LSTM and GRU with free lengths.
        raise NotApplicable(
            f"OpenVINO answers a text differently when it is padded: logits differ by up to {units.tiny(difference)}.",
            hint="A graph for one text a call is never padded: edgekd export MODEL --to openvino --batch 1",
        )


def _answers(compiled: Any, feeds: Iterable[Feed]) -> Logits:
    """Return logits ``(texts, outputs)``, computed text by text."""
    request = compiled.create_infer_request()
    return np.concatenate([np.array(request.infer(feed, share_inputs=True)[0]) for feed in feeds])


def _input_names(model: Any) -> list[str]:
    return [port.get_any_name() for port in model.inputs]


def _feed(row: Sequence[int], names: Iterable[str]) -> Feed:
    """Return the inputs of one text, each ``(1, tokens)``."""
    values = {"input_ids": row, "attention_mask": [1] * len(row), "token_type_ids": [0] * len(row)}
    return {name: np.array([values[name]], dtype=np.int64) for name in names}


def _padded(rows: Rows, names: Iterable[str], pad_token_id: int) -> Feed:
    """Return the inputs of all texts in one batch, each ``(texts, longest)``."""
    longest = max(len(row) for row in rows)
    masks = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows], dtype=np.int64)
    ids = np.array([[*row, *[pad_token_id] * (longest - len(row))] for row in rows], dtype=np.int64)
    values = {"input_ids": ids, "attention_mask": masks, "token_type_ids": np.zeros_like(ids)}
    return {name: values[name] for name in names}


def _tidy(model: Any) -> None:
    """Number the operators anew and drop notes on how the model was made, which hold paths and versions.

    OpenVINO counts operators of a process, so that the same graph would get another file the second time.
    """
    for number, node in enumerate(model.get_ordered_ops()):
        if node.get_type_name() not in ("Parameter", "Result"):
            node.set_friendly_name(f"{node.get_type_name()}_{number}")
    for key in ("conversion_parameters", "nncf", "framework"):
        if model.has_rt_info(key):
            model.set_rt_info("", key)


def _import(name: str) -> Any:
    """Import openvino or nncf.

    Raises:
        MissingExtra: when it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtra(name, name) from error  # the extras have the names of the packages


@contextmanager
def _quiet(nncf: Any) -> Iterator[None]:
    """Keep progress bars and notes of NNCF, which it prints to stdout, from the terminal."""
    nncf.set_log_level(logging.ERROR)
    with redirect_stdout(StringIO()):
        yield


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
