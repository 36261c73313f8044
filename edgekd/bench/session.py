"""The seam between the timing loop and the backends. Backends never time themselves.

In scope: turn texts into scores. Out of scope: clocks, percentiles, accuracy, printing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class Session(Protocol):
    """One loaded variant."""

    name: str

    def load(self) -> None:
        """Load model and tokenizer; called once, before anything else."""

    def encode(self, texts: Sequence[str]) -> Any:
        """Tokenize texts into the backend's inputs; what it returns has a ``tokens`` attribute (int, longest row)."""

    def infer(self, inputs: Any) -> NDArray[np.float32]:
        """Run the model: logits of shape ``(len(texts), num_outputs)``."""

    def run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Text in, logits out: ``infer(encode(texts))``."""

    def warm_up(self, texts: Sequence[str]) -> None:
        """Make the first timed call an ordinary one."""
