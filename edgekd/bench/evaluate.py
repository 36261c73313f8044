"""Logits for all evaluation texts, outside the timed span."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

from edgekd.errors import InvalidArtifact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgekd.bench.session import Session

DIGITS = 6  # significant ones of a stored logit; float32 has 7.2, and the last one differs between machines
ALL_DIGITS = 9  # tell every float32 from every other


def predict_logits(
    session: Session,
    texts: Sequence[str],
    *,
    batch_size: int,
    known: Mapping[int, bytes] | None = None,
    digits: int = DIGITS,
) -> list[list[float]]:
    """Return the logits of every text, in the order of the texts, rounded to ``digits`` significant digits.

    Args:
        session: loaded.
        texts: evaluation texts.
        batch_size: use 1 where a batch changes the answer. Dynamic int8 does: its activation scale covers the
            whole batch, padding included.
        known: logits that timed calls have found already, as bytes of float32 by text index.
        digits: of a logit.

    Raises:
        InvalidArtifact: when a logit is not a finite number.
    """
    found = {index: array("f", row).tolist() for index, row in (known or {}).items()}
    missing = [index for index in range(len(texts)) if index not in found]
    missing.sort(key=lambda index: len(texts[index]))  # rows of like length need little padding
    for start in range(0, len(missing), batch_size):
        batch = missing[start : start + batch_size]
        rows = session.run([texts[index] for index in batch]).tolist()
        found.update(zip(batch, rows, strict=True))
    return [_rounded(found[index], session.name, text, digits) for index, text in enumerate(texts)]


def _rounded(row: list[float], name: str, text: str, digits: int) -> list[float]:
    if not all(map(math.isfinite, row)):
        raise InvalidArtifact(
            f"'{name}' answers a text with {row}, which are no numbers: '{text:.60}'.",
            hint="The model is broken. Train or quantize it again.",
        )
    return [float(f"{value:.{digits}g}") for value in row]
