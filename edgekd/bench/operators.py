"""Where the time of a graph goes: ONNX Runtime's own profile of it, operator by operator, after all fusions.

Times of operators are shares of a profiled run, not latencies: the profiler itself takes some microseconds a call.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from edgekd.bench.cost import is_operator
from edgekd.runtime.onnx_session import OnnxSession, open_onnx

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgekd.bench.worker import Worker
    from edgekd.runtime.text_session import RuntimeModel

PROFILED = ("onnxruntime", "ort-format")
WARM_UP_CALLS = 3


class ProfiledSession(OnnxSession):
    """Runs a bundle with ONNX Runtime and writes down every operator.

    Args:
        model: what to open.
        threads: threads inside an operator.
        folder: gets the profile.
        prepack: False shows the shapes of weights, and is slower.
    """

    def __init__(self, model: RuntimeModel, threads: int, folder: Path, *, prepack: bool) -> None:
        super().__init__(model, threads)
        self._folder = folder
        self._prepack = prepack
        self._session: Any

    def _open_session(self) -> Any:
        self._session = open_onnx(self._model, self._threads, profile=self._folder / "profile", prepack=self._prepack)
        return self._session

    def events(self) -> list[dict[str, Any]]:
        """Stop profiling and return all that was written down."""
        events: list[dict[str, Any]] = json.loads(Path(self._session.end_profiling()).read_text(encoding="utf-8"))
        return events


def calls_of(events: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Split the operators of a profile by the call that they belong to."""
    calls: list[list[Mapping[str, Any]]] = []
    ends = sorted(event["ts"] + event["dur"] for event in events if event.get("name") == "model_run")
    operators = sorted((event for event in events if is_operator(event)), key=lambda event: event["ts"])
    start = 0
    for end in ends:
        stop = start
        while stop < len(operators) and operators[stop]["ts"] <= end:
            stop += 1
        calls.append(operators[start:stop])
        start = stop
    return calls


def profile(worker: Worker, request: dict[str, Any]) -> dict[str, Any]:
    """Profile calls in a session of their own, beside the worker's.

    Args:
        worker: knows the model.
        request: ``text``; ``calls``; ``prepack``, False for the shapes of weights.

    Returns:
        ``tokens`` of the text and ``calls``, the operators of each.
    """
    opened = cast("OnnxSession", worker.session)
    with tempfile.TemporaryDirectory() as folder:
        session = ProfiledSession(opened.model, opened.threads, Path(folder), prepack=request["prepack"])
        session.load()
        text = [request["text"]]
        for _ in range(WARM_UP_CALLS):
            session.run(text)
        for _ in range(request["calls"]):
            inputs = session.encode(text)
            session.infer(inputs)
        calls = calls_of(session.events())[WARM_UP_CALLS:]
    return {"tokens": inputs.tokens, "calls": calls}
