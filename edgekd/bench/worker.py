"""The measuring process of one variant: a JSON request a line on stdin, a JSON answer a line on stdout.

Runs as ``python -m edgekd.bench.worker``. It imports as little as it can, because its memory is reported.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from edgekd.bench.affinity import pin
from edgekd.bench.evaluate import predict_logits
from edgekd.bench.loop import measure
from edgekd.bench.memory import peak_rss_bytes, rss_bytes
from edgekd.errors import EdgekdError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from edgekd.bench.session import Session

WARM_UP_BLOCK = -1
REWARM_S = 0.005  # before each block, at least one call


def open_session(spec: dict[str, Any], threads: int) -> Session:
    """Return a session for a variant, with the libraries it needs imported but nothing loaded.

    Args:
        spec: name, path, backend, graph, inputs, providers, max_length, lengths and batch of the variant.
        threads: threads inside an operator.
    """
    folder = Path(spec["path"])
    if spec["backend"] == "torch":
        from edgekd.bench.torch_session import TorchSession, import_libraries

        import_libraries()
        return TorchSession(folder, threads, max_length=spec["max_length"], name=spec["name"])
    import tokenizers  # noqa: F401 - importing is not part of the load time

    from edgekd.runtime import RuntimeModel, session_for

    model = RuntimeModel(
        name=spec["name"],
        runtime=spec["backend"],
        model_path=folder / spec["graph"],
        tokenizer_path=folder / "tokenizer.json",
        inputs=tuple(spec["inputs"]),
        providers=tuple(spec["providers"]),
        max_length=spec["max_length"],
        lengths=tuple(spec["lengths"]),
        batch=spec["batch"],
    )
    session = session_for(model, threads)
    session.import_libraries()
    return session


class Worker:
    """Holds the session between requests."""

    def __init__(self) -> None:
        self.session: Session
        self._texts: dict[int, str] = {}
        self._outputs: dict[int, bytes] = {}
        self._other_texts: Iterator[str]  # of the warm-up, over and over

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request: one of the steps below, or ``module:function`` of a phase of its own.

        Such a function takes the worker and the request. Its module is imported when it is asked for, so that
        what measures latency stays small.
        """
        module, colon, function = request["do"].partition(":")
        if colon:
            step: Callable[[Worker, dict[str, Any]], dict[str, Any]] = getattr(import_module(module), function)
            return step(self, request)
        steps: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "load": self._load,
            "warm_up": self._warm_up,
            "learn_words": self._learn_words,
            "texts": self._set_texts,
            "begin_pass": self._begin_pass,
            "block": self._block,
            "memory": self._memory,
            "evaluate": self._evaluate,
        }
        return steps[request["do"]](request)

    def _load(self, request: dict[str, Any]) -> dict[str, Any]:
        affinity = pin(request["affinity"])
        start = rss_bytes()
        self.session = open_session(request["variant"], request["threads"])
        t0 = perf_counter()
        self.session.load()
        load_time_s = perf_counter() - t0
        return {
            "affinity": affinity,
            "start_rss_bytes": start,
            "loaded_rss_bytes": rss_bytes(),
            "load_time_s": load_time_s,
            "providers": getattr(self.session, "providers", []),
        }

    def _warm_up(self, request: dict[str, Any]) -> dict[str, Any]:
        """Time the first calls apart, then warm everything up. No measured text is among these."""
        texts: list[str] = request["texts"]
        indexes = [call % len(texts) for call in range(request["calls"])]
        timings = measure(self.session, texts, indexes, WARM_UP_BLOCK)
        self.session.warm_up(texts)
        self._other_texts = itertools.cycle(texts)
        return timings.as_columns()

    def _learn_words(self, request: dict[str, Any]) -> dict[str, Any]:
        learn_words = getattr(self.session, "learn_words", None)
        if learn_words is not None:
            learn_words(request["texts"])
        return {}

    def _set_texts(self, request: dict[str, Any]) -> dict[str, Any]:
        self._texts = dict(zip(request["indexes"], request["texts"], strict=True))
        gc.collect()
        gc.freeze()
        return {}

    def _begin_pass(self, _: dict[str, Any]) -> dict[str, Any]:
        begin_pass = getattr(self.session, "begin_pass", None)
        if begin_pass is not None:
            begin_pass()
        return {}

    def _block(self, request: dict[str, Any]) -> dict[str, Any]:
        gc.disable()
        try:
            self._rewarm()
            timings = measure(self.session, self._texts, request["indexes"], request["block"], outputs=self._outputs)
        finally:
            gc.enable()
        return timings.as_columns()

    def _rewarm(self) -> None:
        """Run other texts, untimed: the variants that were measured in between have emptied the processor's caches.

        A product runs one model, so a variant is timed as if it had been alone.
        """
        end = perf_counter() + REWARM_S
        for text in self._other_texts:
            self.session.run([text])
            if perf_counter() >= end:
                return

    def _memory(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"steady_rss_bytes": rss_bytes(), "peak_rss_bytes": peak_rss_bytes()}

    def _evaluate(self, request: dict[str, Any]) -> dict[str, Any]:
        texts: list[str] = request["texts"]
        return {"logits": predict_logits(self.session, texts, batch_size=request["batch_size"], known=self._outputs)}


def serve(requests: TextIO, replies: TextIO) -> None:
    """Answer requests until the other side closes."""
    worker = Worker()
    for line in requests:
        try:
            reply = {"ok": worker.answer(json.loads(line))}
        except EdgekdError as error:
            reply = {"error": {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def main() -> None:
    """Serve the parent. The answers get a private copy of stdout; what libraries print goes to stderr."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as replies:
        os.dup2(2, 1)
        try:
            serve(sys.stdin, replies)
        except BrokenPipeError:  # the parent is gone
            os._exit(1)


if __name__ == "__main__":
    main()
