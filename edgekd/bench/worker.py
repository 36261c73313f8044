"""The measuring process of one variant: a JSON request a line on stdin, a JSON answer a line on stdout.

Runs as ``python -m edgekd.bench.worker``. It imports as little as it can, because its memory is reported.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import sys
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from edgekd.bench.affinity import pin
from edgekd.bench.evaluate import DIGITS, predict_logits
from edgekd.bench.limits import MemoryExceeded, lift_own_limit, limit_own_memory, says_out_of_memory
from edgekd.bench.loop import NS_PER_S, measure
from edgekd.bench.memory import peak_rss_bytes, rss_bytes, shared_and_swapped
from edgekd.errors import EdgekdError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from edgekd.bench.session import Session

WARM_UP_BLOCK = -1
CHECKED = frozenset({"load", "warm_up", "memory"})  # steps after which the highest memory is looked at
REWARM_S = 0.005  # before each block, at least one call
REWARM_NS = int(REWARM_S * NS_PER_S)


def open_session(spec: dict[str, Any], threads: int, *, spinning: bool = True) -> Session:
    """Return a session for a variant, with the libraries it needs imported but nothing loaded.

    Args:
        spec: name, path, backend, graph, inputs, providers, max_length, lengths and batch of the variant.
        threads: threads inside an operator.
        spinning: several threads spin while they wait for work.
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
        spinning=spinning,
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
        self._next_texts: Iterator[tuple[int, str]]  # over and over
        self._warm_up_texts: Iterator[str]  # over and over
        self._memory_limit: int | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request: one of the steps below, or ``module:function`` of a phase of its own.

        Such a function takes the worker and the request. Its module is imported when it is asked for, so that
        what measures latency stays small.
        """
        try:
            answer = self._step(request)
        except Exception as error:
            if self._memory_limit is not None and says_out_of_memory(f"{type(error).__name__}: {error}"):
                raise MemoryExceeded("the system refused more memory") from error
            raise
        if self._memory_limit is not None and request["do"] in CHECKED:
            self._check_memory(self._memory_limit)
        return answer

    def _step(self, request: dict[str, Any]) -> dict[str, Any]:
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

    def _check_memory(self, limit_bytes: int) -> None:
        peak = peak_rss_bytes()
        if peak is not None and peak > limit_bytes:
            raise MemoryExceeded("more memory than the limit", peak)

    def _load(self, request: dict[str, Any]) -> dict[str, Any]:
        affinity = pin(request["affinity"])
        self._memory_limit = request.get("memory_limit_bytes")
        if self._memory_limit is not None:
            limit_own_memory(self._memory_limit)
        start = rss_bytes()
        self.session = open_session(request["variant"], request["threads"], spinning=request.get("spinning", True))
        t0 = perf_counter_ns()
        self.session.load()
        load_time_s = (perf_counter_ns() - t0) / NS_PER_S
        return {
            "affinity": affinity,
            "start_rss_bytes": start,
            "loaded_rss_bytes": rss_bytes(),
            "load_time_s": load_time_s,
            "providers": getattr(self.session, "providers", []),
        }

    def _warm_up(self, request: dict[str, Any]) -> dict[str, Any]:
        """Time the first calls apart, then warm everything up. No measured text is among these.

        Without calls nothing is warmed up: where nothing will be timed.
        """
        texts: list[str] = request["texts"]
        indexes = [call % len(texts) for call in range(request["calls"])]
        timings = measure(self.session, texts, indexes, WARM_UP_BLOCK)
        if indexes:
            self.session.warm_up(texts)
        self._warm_up_texts = itertools.cycle(texts)
        return timings.as_columns()

    def _learn_words(self, request: dict[str, Any]) -> dict[str, Any]:
        learn_words = getattr(self.session, "learn_words", None)
        if learn_words is not None:
            learn_words(request["texts"])
        return {}

    def _set_texts(self, request: dict[str, Any]) -> dict[str, Any]:
        self._texts = dict(zip(request["indexes"], request["texts"], strict=True))
        self._next_texts = itertools.cycle(self._texts.items())
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
            self._rewarm(set(request["indexes"]))
            timings = measure(self.session, self._texts, request["indexes"], request["block"], outputs=self._outputs)
        finally:
            gc.enable()
        return timings.as_columns()

    def _rewarm(self, block: set[int]) -> None:
        """Run other texts, untimed: the variants that were measured in between have emptied the processor's caches.

        A product runs one model, so a variant is timed as if it had been alone. The texts are those of other blocks,
        because they bring as many new words as the block will: with known words alone the tokenizer's own code and
        vocabulary would stay cold. What is learned from them is forgotten again.
        """
        learning_nothing = getattr(self.session, "learning_nothing", nullcontext)
        with learning_nothing():
            end = perf_counter_ns() + REWARM_NS
            for text in self._texts_beside(block):
                measure(self.session, [text], [0], WARM_UP_BLOCK)
                if perf_counter_ns() >= end:
                    return

    def _texts_beside(self, block: set[int]) -> Iterator[str]:
        """Yield texts of other blocks without end, going on where the last block left off."""
        if block.issuperset(self._texts):
            return self._warm_up_texts
        return (text for index, text in self._next_texts if index not in block)

    def _memory(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"steady_rss_bytes": rss_bytes(), "peak_rss_bytes": peak_rss_bytes(), **shared_and_swapped()}

    def _evaluate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer texts; ``first`` is the index of the first among all texts, whose answers may be known.

        Several at once take more memory than the product's one, so the limit no longer holds.
        """
        if self._memory_limit is not None:
            lift_own_limit()
            self._memory_limit = None
        texts, first = request["texts"], request.get("first", 0)
        known = {index - first: row for index, row in self._outputs.items() if first <= index < first + len(texts)}
        digits = request.get("digits", DIGITS)
        logits = predict_logits(self.session, texts, batch_size=request["batch_size"], known=known, digits=digits)
        return {"logits": logits}


def serve(requests: TextIO, replies: TextIO) -> None:
    """Answer requests until the other side closes."""
    worker = Worker()
    for line in requests:
        try:
            reply = {"ok": worker.answer(json.loads(line))}
        except EdgekdError as error:
            failure = {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
            if isinstance(error, MemoryExceeded):
                failure |= {"memory_exceeded": True, "needed_bytes": error.needed_bytes}
            reply = {"error": failure}
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
