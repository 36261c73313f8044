"""The timing loop: every latency that edgekd reports was measured by these lines."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgekd.bench.session import Session

NS_PER_S = 1_000_000_000


@dataclass
class Timings:
    """The columns of :class:`edgekd.results.Samples` as plain lists: the measuring process stays small."""

    text_index: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    block: list[int] = field(default_factory=list)
    total_s: list[float] = field(default_factory=list)
    tokenize_s: list[float] = field(default_factory=list)
    infer_s: list[float] = field(default_factory=list)
    post_s: list[float] = field(default_factory=list)

    def as_columns(self) -> dict[str, list[Any]]:
        """Return the columns by name."""
        return asdict(self)

    def extend(self, columns: Mapping[str, list[Any]]) -> None:
        """Append the calls of another block."""
        for name, values in columns.items():
            getattr(self, name).extend(values)


def measure(
    session: Session,
    texts: Sequence[str] | Mapping[int, str],
    indexes: Sequence[int],
    block: int,
    clock: Callable[[], int] = perf_counter_ns,
    outputs: dict[int, bytes] | None = None,
) -> Timings:
    """Time one call for each of ``indexes``: text in, label out.

    Args:
        session: loaded and warm.
        texts: all texts; ``indexes`` points into them.
        indexes: the texts to measure, in this order.
        block: interleaving block, stored with every sample.
        clock: whole nanoseconds, monotonic; an argument so that tests can script it. Read four times a call. Seconds
            as a float lose nanoseconds after 104 days of uptime (Python documentation, ``time.perf_counter_ns``).
        outputs: receives the logits of every measured text as bytes of float32, by index.
    """
    timings = Timings()
    encode, infer = session.encode, session.infer
    for index in indexes:
        text = [texts[index]]
        t0 = clock()
        inputs = encode(text)
        t1 = clock()
        logits = infer(inputs)[0]
        t2 = clock()
        logits.argmax()  # the answer is what the product waits for, so it is timed
        t3 = clock()
        timings.text_index.append(index)
        timings.tokens.append(inputs.tokens)
        timings.block.append(block)
        timings.total_s.append((t3 - t0) / NS_PER_S)
        timings.tokenize_s.append((t1 - t0) / NS_PER_S)
        timings.infer_s.append((t2 - t1) / NS_PER_S)
        timings.post_s.append((t3 - t2) / NS_PER_S)
        if outputs is not None:
            outputs[index] = logits.astype("float32").tobytes()
    return timings
