"""Labels for all evaluation texts, outside the timed span."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgekd.bench.session import Session


def predict_labels(
    session: Session, texts: Sequence[str], *, batch_size: int, known: Mapping[int, int] | None = None
) -> list[int]:
    """Return the label index of every text.

    Args:
        session: loaded.
        texts: evaluation texts.
        batch_size: use 1 where a batch changes the answer. Dynamic int8 does: its activation scale covers the
            whole batch, padding included.
        known: labels that timed calls have found already, by text index.
    """
    found = dict(known or {})
    missing = [index for index in range(len(texts)) if index not in found]
    missing.sort(key=lambda index: len(texts[index]))  # rows of like length need little padding
    for start in range(0, len(missing), batch_size):
        batch = missing[start : start + batch_size]
        labels = session.run([texts[index] for index in batch]).argmax(axis=-1)
        found.update(zip(batch, (int(label) for label in labels), strict=True))
    return [found[index] for index in range(len(texts))]
