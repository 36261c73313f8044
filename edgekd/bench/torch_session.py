"""A Hugging Face classifier in PyTorch behind the Session protocol: the teacher as it was trained, fp32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekd.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def import_libraries() -> None:
    """Import torch and the parts of transformers that :meth:`TorchSession.load` uses.

    Raises:
        MissingExtra: when one of them is not installed.
    """
    try:
        import torch  # noqa: F401
        from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: F401
    except ImportError as error:
        raise MissingExtra(error.name or "torch", "train") from error


class TorchInputs:
    """Tensors by name, and the number of tokens of the longest row."""

    __slots__ = ("feed", "tokens")

    def __init__(self, feed: dict[str, Any], tokens: int) -> None:
        self.feed = feed
        self.tokens = tokens


class TorchSession:
    """Runs a folder written by ``save_pretrained``: safetensors only, no code from the folder.

    Args:
        folder: model and tokenizer.
        threads: threads inside an operator.
        max_length: tokens a text is cut to.
        name: shown in results.
    """

    def __init__(self, folder: Path, threads: int, *, max_length: int, name: str = "teacher") -> None:
        self.name = name
        self.providers = ["PyTorch"]
        self._folder = folder
        self._threads = threads
        self._max_length = max_length
        self._torch: Any
        self._model: Any
        self._tokenizer: Any
        self._pad_id = 0

    def load(self) -> None:
        """Open model and tokenizer.

        Raises:
            MissingExtra: without torch and transformers.
            ConfigError: when the folder cannot be opened.
        """
        import_libraries()
        import torch
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

        from edgekd.compress.prune.shape import is_recorded, open_pruned

        torch.set_num_threads(self._threads)
        options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        try:
            tokenizer = AutoTokenizer.from_pretrained(self._folder, **options)
            config = AutoConfig.from_pretrained(self._folder, **options)
            if is_recorded(config):
                model = open_pruned(str(self._folder), config)
            else:
                model = AutoModelForSequenceClassification.from_pretrained(
                    self._folder, use_safetensors=True, dtype=torch.float32, **options
                )
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ConfigError(
                f"The teacher '{self._folder}' cannot be opened: {reason}",
                hint="Give a folder with config.json, tokenizer.json and model.safetensors, or a bundle.",
            ) from error
        if not tokenizer.is_fast:
            raise ConfigError(f"The teacher '{self._folder}' has no fast tokenizer (tokenizer.json).")
        self._torch = torch
        self._model = model.eval()
        self._pad_id = tokenizer.pad_token_id or 0
        self._tokenizer = tokenizer.backend_tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._max_length)

    def encode(self, texts: Sequence[str]) -> TorchInputs:
        """Tokenize texts; a batch is padded to its longest row."""
        torch = self._torch
        rows = [self._tokenizer.encode(text).ids for text in texts]
        longest = max((len(row) for row in rows), default=0)
        ids = torch.tensor([row + [self._pad_id] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        return TorchInputs({"input_ids": ids, "attention_mask": mask}, longest)

    def infer(self, inputs: TorchInputs) -> NDArray[np.float32]:
        """Run the model: logits of shape ``(texts, labels)``."""
        with self._torch.inference_mode():
            return self._model(**inputs.feed).logits.numpy()  # type: ignore[no-any-return]

    def run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Text in, logits out."""
        return self.infer(self.encode(texts))

    def warm_up(self, texts: Sequence[str]) -> None:
        """Run the model on the first texts."""
        for text in texts[:10]:
            self.run([text])

    def begin_pass(self) -> None:
        """Do nothing: nothing is remembered between texts."""
