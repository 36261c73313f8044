"""What all runtimes of a bundle share: texts become the inputs of a graph, words are learned and forgotten.

The hot path is as short as Python allows, because it is part of the latency of a model that answers in
microseconds: for a single text one small array is made, masks come from a table by length.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekd.errors import InvalidArtifact
from edgekd.runtime.tokenization import open_encoder, pad_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edgekd.bundle import Bundle
    from edgekd.runtime.tokenization import TextEncoder

WARM_UP_CALLS = 50
KNOWN_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


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
        )


class Encoded:
    """Inputs of the graph by name, and the number of tokens of the longest row."""

    __slots__ = ("feed", "tokens")

    def __init__(self, feed: dict[str, NDArray[np.int64]], tokens: int) -> None:
        self.feed = feed
        self.tokens = tokens


class TextSession(ABC):
    """Runs a bundle; the runtime is a subclass.

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
        self._others: list[dict[str, NDArray[np.int64]]] = []

    @staticmethod
    @abstractmethod
    def import_libraries() -> None:
        """Import the runtime, which is not part of the time to load a model.

        Raises:
            MissingExtra: when it is not installed.
        """

    @abstractmethod
    def _open_graph(self) -> list[str]:
        """Open the graph, know the providers, and return the names of its inputs.

        Raises:
            InvalidArtifact: when the graph cannot be opened.
        """

    @abstractmethod
    def infer(self, inputs: Encoded) -> NDArray[np.float32]:
        """Run the graph: logits of shape ``(texts, labels)``."""

    def load(self) -> None:
        """Open tokenizer and graph.

        Raises:
            InvalidArtifact: when one of them cannot be read, or the graph's inputs are not the manifest's.
            MissingExtra: when the runtime is not installed.
        """
        self.import_libraries()
        model = self._model
        self._encoder = open_encoder(model.tokenizer_path, model.max_length, cached=self._cached)
        self._pad_id = pad_id(model.tokenizer_path)
        self._check_inputs(self._open_graph())
        self._others = [self._other_inputs(length) for length in range(model.max_length + 1)]

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Tokenize texts; a batch is padded to its longest row."""
        if len(texts) == 1:
            ids = self._encoder.ids(texts[0])
            tokens = len(ids)
            feed = self._others[tokens].copy()
            feed["input_ids"] = np.array([ids], dtype=np.int64)
            return Encoded(feed, tokens)
        return self.pad([self._encoder.ids(text) for text in texts])

    def pad(self, rows: Sequence[Sequence[int]], *, min_length: int = 0) -> Encoded:
        """Make a batch of rows of token ids, padded to the longest one.

        Args:
            rows: token ids.
            min_length: pad to at least so many tokens; a graph may not take rows that are all empty.
        """
        longest = max((len(row) for row in rows), default=0)
        longest = max(longest, min_length)
        input_ids = np.full((len(rows), longest), self._pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=np.int64)
        for index, row in enumerate(rows):
            input_ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        columns = {"input_ids": input_ids, "attention_mask": mask, "token_type_ids": np.zeros_like(mask)}
        return Encoded({name: columns[name] for name in self._model.inputs}, longest)

    def run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Text in, logits out."""
        return self.infer(self.encode(texts))

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

    def _other_inputs(self, length: int) -> dict[str, NDArray[np.int64]]:
        values = {"attention_mask": np.ones, "token_type_ids": np.zeros}
        return {n: make((1, length), np.int64) for n, make in values.items() if n in self._model.inputs}

    def _check_inputs(self, found: list[str]) -> None:
        wanted = list(self._model.inputs)
        if sorted(found) != sorted(wanted) or "input_ids" not in wanted or not set(wanted) <= {*KNOWN_INPUTS}:
            raise InvalidArtifact(
                f"The graph of '{self.name}' takes {found}, its manifest says {wanted}; input_ids is needed, "
                f"and {', '.join(KNOWN_INPUTS)} are known.",
                hint="Rebuild the bundle with 'edgekd distill'.",
            )
