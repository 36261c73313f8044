"""What all runtimes of a bundle share: texts become the inputs of a graph, words are learned and forgotten.

The hot path is as short as Python allows, because it is part of the latency of a model that answers in
microseconds: for a single text one small array is made, masks come from a table by length.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.errors import InvalidArtifact
from edgekd.runtime.tokenization import open_encoder, pad_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgekd.bundle import Bundle
    from edgekd.runtime.tokenization import TextEncoder

WARM_UP_CALLS = 50
KNOWN_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
INTEGERS: dict[str, np.dtype[Any]] = {"int32": np.dtype(np.int32), "int64": np.dtype(np.int64)}


@dataclass(frozen=True)
class RuntimeModel:
    """What a session needs of a bundle. Made of plain types, so that a measuring process stays small."""

    name: str
    runtime: str
    model_path: Path
    tokenizer_path: Path
    inputs: tuple[str, ...]
    providers: tuple[str, ...]
    max_length: int
    lengths: tuple[int, ...] = ()  # in tokens; none: any; one: every text is padded to it; several: to the next
    batch: int | None = None  # texts a call; None: any
    spinning: bool = True  # several threads spin while they wait for work; a lone one has nobody to wait for

    @classmethod
    def of(cls, bundle: Bundle) -> RuntimeModel:
        """Take it from a bundle."""
        manifest = bundle.manifest
        return cls(
            name=manifest.name,
            runtime=manifest.runtime,
            model_path=bundle.model_path,
            tokenizer_path=bundle.tokenizer_path,
            inputs=tuple(manifest.inputs),
            providers=tuple(manifest.providers),
            max_length=manifest.max_length,
            lengths=tuple(manifest.lengths),
            batch=manifest.batch,
        )

    @property
    def most_tokens(self) -> int:
        """Tokens that a text is cut to: no more than its longest length."""
        return min(self.max_length, max(self.lengths, default=self.max_length))

    def padded(self, tokens: int) -> int:
        """Return the length that a row of ``tokens`` gets."""
        return next((length for length in sorted(self.lengths) if length >= tokens), tokens)


@dataclass(frozen=True)
class GraphInput:
    """An input as the opened graph has it."""

    name: str
    dtype: str  # numpy's name: "int64", "int32"
    shape: tuple[int | None, ...] = (None, None)  # texts, tokens; None: free


class Encoded:
    """Inputs of the graph by name, the number of texts, and the number of tokens of the longest one."""

    __slots__ = ("feed", "rows", "tokens")

    def __init__(self, feed: dict[str, NDArray[Any]], tokens: int, rows: int) -> None:
        self.feed = feed
        self.tokens = tokens
        self.rows = rows


class TextSession(ABC):
    """Runs a bundle. A runtime is a subclass that opens a graph and calls it.

    Args:
        bundle: a verified bundle, or what is needed of it.
        threads: threads inside an operator.
        cached: look words up in a cache where that gives the same ids.
    """

    def __init__(self, bundle: Bundle | RuntimeModel, threads: int, *, cached: bool = True) -> None:
        self._model = bundle if isinstance(bundle, RuntimeModel) else RuntimeModel.of(bundle)
        self.name = self._model.name
        self.providers: list[str] = []  # those in use, known after load()
        self._threads = threads
        self._cached = cached
        self._encoder: TextEncoder
        self._pad_id = 0
        self._batch = self._model.batch
        self._dtypes: dict[str, np.dtype[Any]] = {}
        self._others: list[dict[str, NDArray[Any]]] = []  # by the number of tokens of a single text
        self._blanks: list[NDArray[Any] | None] = []  # by the same: ids of padding alone; None where none is needed

    @property
    def model(self) -> RuntimeModel:
        """What was given to open."""
        return self._model

    @property
    def threads(self) -> int:
        """Threads inside an operator."""
        return self._threads

    @staticmethod
    @abstractmethod
    def import_libraries() -> None:
        """Import the runtime, which is not part of the time to load a model.

        Raises:
            MissingExtra: when it is not installed.
        """

    @abstractmethod
    def _open_graph(self) -> list[GraphInput]:
        """Open the graph, know the providers, and return its inputs.

        Raises:
            InvalidArtifact: when the graph cannot be opened.
        """

    @abstractmethod
    def _call(self, feed: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Run the graph on arrays of its types and shapes: logits of shape ``(rows, labels)``."""

    def load(self) -> None:
        """Open tokenizer and graph.

        Raises:
            InvalidArtifact: when one of them cannot be read, or the graph's inputs are not the manifest's.
            MissingExtra: when the runtime is not installed.
        """
        self.import_libraries()
        model = self._model
        self._pad_id = pad_id(model.tokenizer_path)
        self._check_inputs(self._open_graph())
        dtype = self._dtypes["input_ids"]
        self._encoder = open_encoder(model.tokenizer_path, model.most_tokens, cached=self._cached, dtype=dtype)
        counts = range(model.most_tokens + 1)
        self._others = [self._other_inputs([count], model.padded(count)) for count in counts]
        blanks = {length: self._blank(1, length) for length in {*model.lengths}}
        self._blanks = [blanks[model.padded(n)] if n != model.padded(n) else None for n in counts]

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Tokenize texts; a batch is padded to its longest row, or to the next of the bundle's lengths."""
        if len(texts) == 1:
            ids = self._encoder.array(texts[0])
            tokens = ids.shape[1]
            feed = self._others[tokens].copy()
            blank = self._blanks[tokens]
            if blank is not None:
                padded = blank.copy()
                padded[:, :tokens] = ids
                ids = padded
            feed["input_ids"] = ids
            return Encoded(feed, tokens, 1)
        return self.pad([self._encoder.ids(text) for text in texts])

    def pad(self, rows: Sequence[Sequence[int]], *, min_length: int = 0) -> Encoded:
        """Make a batch of rows of token ids, padded to the longest one, or to the next of the bundle's lengths.

        Args:
            rows: token ids.
            min_length: pad to at least so many tokens; a graph may not take rows that are all empty.
        """
        counts = [len(row) for row in rows]
        longest = max(counts, default=0)
        length = self._model.padded(max(longest, min_length))
        input_ids = self._blank(len(rows), length)
        for index, row in enumerate(rows):
            input_ids[index, : len(row)] = row
        return Encoded({"input_ids": input_ids, **self._other_inputs(counts, length)}, longest, len(rows))

    def infer(self, inputs: Encoded) -> NDArray[np.float32]:
        """Run the graph: logits of shape ``(texts, labels)``; a graph of a fixed batch is called as often as needed."""
        if self._batch is None or self._batch == inputs.rows:
            return self._call(inputs.feed)
        starts = range(0, max(inputs.rows, 1), self._batch)
        parts = [
            self._call({name: _rows(a, start, self._batch) for name, a in inputs.feed.items()}) for start in starts
        ]
        return np.concatenate(parts)[: inputs.rows]

    def run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Text in, logits out; texts are padded with those of the same call of the graph only."""
        if self._batch is None or len(texts) <= self._batch:
            return self.infer(self.encode(texts))
        starts = range(0, len(texts), self._batch)
        return np.concatenate([self.infer(self.encode(texts[start : start + self._batch])) for start in starts])

    def warm_up(self, texts: Sequence[str]) -> None:
        """Run the first 50 texts and learn the words of all."""
        for text in texts[:WARM_UP_CALLS]:
            self.run([text])
        self.learn_words(texts)

    def learn_words(self, texts: Sequence[str]) -> None:
        """Fill the cache as traffic would; what it knows then is its warm state."""
        for text in texts:
            self._encoder.ids(text)
        self._encoder.mark()

    def begin_pass(self) -> None:
        """Return the cache to its warm state, so that no text is known because it was measured before."""
        self._encoder.reset()

    @contextmanager
    def learning_nothing(self) -> Iterator[None]:
        """Forget afterwards the words that were learned meanwhile."""
        learned = self._encoder.learned()
        try:
            yield
        finally:
            self._encoder.reset(learned)

    def _blank(self, rows: int, length: int) -> NDArray[Any]:
        return np.full((rows, length), self._pad_id, dtype=self._dtypes["input_ids"])

    def _other_inputs(self, counts: Sequence[int], length: int) -> dict[str, NDArray[Any]]:
        """Return the inputs besides the ids for texts of ``counts`` tokens that are padded to ``length``."""
        inputs = {}
        for name, dtype in self._dtypes.items():
            if name == "input_ids":
                continue
            inputs[name] = np.zeros((len(counts), length), dtype)
            if name == "attention_mask":
                for row, count in enumerate(counts):
                    inputs[name][row, :count] = 1
        return inputs

    def _check_inputs(self, inputs: Sequence[GraphInput]) -> None:
        """Compare the graph with the manifest, and remember the types of its inputs."""
        model = self._model
        found, wanted = [entry.name for entry in inputs], list(model.inputs)
        if sorted(found) != sorted(wanted) or "input_ids" not in wanted or not set(wanted) <= {*KNOWN_INPUTS}:
            raise InvalidArtifact(
                f"The graph of '{self.name}' takes {found}, its manifest says {wanted}; input_ids is needed, "
                f"and {', '.join(KNOWN_INPUTS)} are known.",
                hint="Rebuild the bundle with 'edgekd distill'.",
            )
        for entry in inputs:
            allowed = (model.batch, model.lengths[0] if len(model.lengths) == 1 else None)
            fits = len(entry.shape) == 2 and all(
                there is None or there == said for there, said in zip(entry.shape, allowed, strict=True)
            )
            if entry.dtype not in INTEGERS or not fits:
                raise InvalidArtifact(
                    f"The graph of '{self.name}' takes {entry.name} as {entry.dtype} of shape {entry.shape} (texts, "
                    f"tokens); its manifest says batch {model.batch}, lengths {list(model.lengths)}, and ids are "
                    f"{' or '.join(INTEGERS)}.",
                    hint="Rebuild the bundle with 'edgekd distill' or 'edgekd export'.",
                )
        self._dtypes = {entry.name: INTEGERS[entry.dtype] for entry in inputs}


def _rows(values: NDArray[Any], start: int, count: int) -> NDArray[Any]:
    """Return ``count`` rows from ``start`` on; where there are fewer, the last one is repeated."""
    rows = values[start : start + count]
    missing = count - len(rows)
    return np.concatenate([rows, np.repeat(values[-1:], missing, axis=0)]) if missing else rows
