"""What runs in the measuring process: the same two calls that are timed, between marks."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

from edgekd.bench.counts.marks import KINDS, PerfMarks
from edgekd.bench.counts.regions import BEGIN, INFER, NOTHING, TOKENIZE

if TYPE_CHECKING:
    from edgekd.bench.counts.marks import Marks
    from edgekd.bench.session import Session
    from edgekd.bench.worker import Worker

EMPTY_REGIONS = 3
LIBRARIES = ("onnxruntime", "openvino", "numpy", "tokenizers", "torch")  # that decide what is executed


def count(worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
    """Count one text.

    Args:
        worker: loaded.
        request: ``text``; ``warm_up`` calls before; ``repetitions``; ``tool``, one of ``marks.KINDS``.

    Returns:
        ``tokens`` of the text; ``libraries`` with their versions; ``regions`` as pairs of tag and count, where the
        process itself can read the counter.

    Raises:
        NotApplicable: when there is no counter.
    """
    text = [request["text"]]
    for _ in range(request["warm_up"]):
        worker.session.infer(worker.session.encode(text))
    marks = KINDS[request["tool"]]()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        tokens = _count(worker.session, text, request["repetitions"], marks)
    finally:
        gc.enable()
        if isinstance(marks, PerfMarks):
            marks.close()
    libraries = {name: str(sys.modules[name].__version__) for name in LIBRARIES if name in sys.modules}
    return {"tokens": tokens, "libraries": libraries, "regions": getattr(marks, "regions", [])}


def _count(session: Session, text: list[str], repetitions: int, marks: Marks) -> int:
    encode, infer, mark = session.encode, session.infer, marks.mark
    mark(NOTHING)  # NOTE: the first mark makes what the others reuse
    for _ in range(EMPTY_REGIONS):
        mark(BEGIN)
        mark(NOTHING)
    for _ in range(repetitions):
        mark(BEGIN)
        inputs = encode(text)
        mark(TOKENIZE)
        infer(inputs)[0].argmax()
        mark(INFER)
    tokens: int = inputs.tokens
    return tokens
