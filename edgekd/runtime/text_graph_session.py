"""Bundles whose graph takes texts: the tokenizer is inside, as operators of an extension of the runtime.

``tokenizers`` is needed only to say how many tokens a text has, which is asked after a text was timed.
"""

from __future__ import annotations

from abc import abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd.errors import InvalidArtifact, MissingExtra, NotApplicable
from edgekd.runtime.onnx_session import open_onnx
from edgekd.runtime.openvino_session import compile_graph
from edgekd.runtime.text_session import WARM_UP_CALLS, GraphInput, TextSession
from edgekd.runtime.tokenization import open_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgekd.runtime.text_session import Encoded

TEXT_INPUT = "text"
EXTRA = "text-graph"


class Texts:
    """Texts for a graph, and how many tokens the longest has."""

    __slots__ = ("_session", "feed", "texts")

    def __init__(self, texts: Sequence[str], feed: Any, session: TextGraphSession) -> None:
        self.texts = texts
        self.feed = feed
        self._session = session

    @property
    def tokens(self) -> int:
        """Tokens of the longest text, special tokens included."""
        return self._session.count_tokens(self.texts)


class TextGraphSession(TextSession):
    """Runs a bundle whose graph takes texts. The tokenizer's time is part of the graph's."""

    _tokenizer: Any = None

    def load(self) -> None:
        """Open the graph.

        Raises:
            InvalidArtifact: when it cannot be read, or takes something else than texts.
            MissingExtra: when the runtime or its extension is not installed.
        """
        self.import_libraries()
        names = [entry.name for entry in self._open_graph()]
        if names != [TEXT_INPUT] or list(self._model.inputs) != names:
            raise InvalidArtifact(
                f"The graph of '{self.name}' takes {names}, its manifest says {list(self._model.inputs)}; a graph with "
                f"a tokenizer takes {TEXT_INPUT}.",
                hint="Export the bundle again with --with-tokenizer.",
            )

    @abstractmethod
    def _feed(self, texts: Sequence[str]) -> Any:
        """Return texts as the runtime takes them."""

    @abstractmethod
    def _call(self, feed: Any) -> NDArray[np.float32]:
        """Run the graph: logits of shape ``(texts, labels)``."""

    def encode(self, texts: Sequence[str]) -> Texts:  # type: ignore[override] # texts instead of ids
        """Hand texts over to the runtime; the graph cuts them into tokens."""
        return Texts(texts, self._feed(texts), self)

    def pad(self, rows: Sequence[Sequence[int]], *, min_length: int = 0) -> Encoded:
        """Refuse.

        Raises:
            NotApplicable: always; the graph takes texts.
        """
        raise NotApplicable(
            f"The graph of '{self.name}' takes texts; this needs one that takes tokens.",
            hint="Use the bundle that it was made of.",
        )

    def infer(self, inputs: Texts) -> NDArray[np.float32]:  # type: ignore[override] # texts instead of ids
        """Run the graph: logits of shape ``(texts, labels)``."""
        return self._call(inputs.feed)

    def run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Text in, logits out."""
        return self._call(self._feed(texts))

    def warm_up(self, texts: Sequence[str]) -> None:
        """Run the first 50 texts."""
        for text in texts[:WARM_UP_CALLS]:
            self.run([text])

    def learn_words(self, texts: Sequence[str]) -> None:
        """Do nothing: no words are remembered."""

    def begin_pass(self) -> None:
        """Do nothing: nothing is remembered between texts."""

    def count_tokens(self, texts: Sequence[str]) -> int:
        """Return the tokens of the longest text, special tokens included."""
        if self._tokenizer is None:
            self._tokenizer = open_tokenizer(self._model.tokenizer_path, self._model.max_length)
        return max((len(self._tokenizer.encode(text).ids) for text in texts), default=0)


class OnnxTextSession(TextGraphSession):
    """Runs it with ONNX Runtime and onnxruntime-extensions."""

    _run: Any
    _output: list[str]

    @staticmethod
    def import_libraries() -> None:
        """Import both.

        Raises:
            MissingExtra: when the extension is not installed.
        """
        import onnxruntime  # noqa: F401

        extension_of_onnxruntime()

    def _open_graph(self) -> list[GraphInput]:
        session = open_onnx(self._model, self._threads, libraries=[extension_of_onnxruntime()])
        self.providers = list(session.get_providers())
        self._run = session.run
        self._output = [session.get_outputs()[0].name]
        return [GraphInput(entry.name, "string", (None,)) for entry in session.get_inputs()]

    def _feed(self, texts: Sequence[str]) -> Any:
        return {TEXT_INPUT: np.array(texts, dtype=object)}

    def _call(self, feed: Any) -> NDArray[np.float32]:
        return self._run(self._output, feed)[0]  # type: ignore[no-any-return]


class OpenVinoTextSession(TextGraphSession):
    """Runs it with OpenVINO and openvino-tokenizers."""

    _request: Any
    _tensor: Any

    @staticmethod
    def import_libraries() -> None:
        """Import both; importing the extension makes its operators known to OpenVINO.

        Raises:
            MissingExtra: when one is not installed.
        """
        try:
            import openvino_tokenizers  # noqa: F401
        except ImportError as error:
            raise MissingExtra("openvino-tokenizers", EXTRA) from error

    def _open_graph(self) -> list[GraphInput]:
        import openvino

        compiled = compile_graph(self._model.model_path, self._threads)
        self.providers = list(compiled.get_property("EXECUTION_DEVICES"))
        self._request = compiled.create_infer_request()
        self._tensor = openvino.Tensor
        return [GraphInput(port.get_any_name(), "string", (None,)) for port in compiled.inputs]

    def _feed(self, texts: Sequence[str]) -> Any:
        return self._tensor(list(texts))

    def _call(self, feed: Any) -> NDArray[np.float32]:
        self._request.set_input_tensor(0, feed)
        self._request.infer()
        logits: NDArray[np.float32] = self._request.get_output_tensor(0).data.copy()
        return logits


def extension_of_onnxruntime() -> str:
    """Return the library with the operators of onnxruntime-extensions.

    Raises:
        MissingExtra: when it is not installed.
    """
    # Importing the package would import onnx, torch and transformers where they are installed.
    found = find_spec("onnxruntime_extensions")
    folders = [Path(folder) for folder in (found.submodule_search_locations or [])] if found else []
    libraries = [path for folder in folders for path in sorted(folder.glob("_extensions_pydll*")) if _is_library(path)]
    if not libraries:
        raise MissingExtra("onnxruntime-extensions", EXTRA)
    return str(libraries[0])


def _is_library(path: Path) -> bool:
    return path.suffix in (".so", ".pyd", ".dylib")
