"""Which teacher layer each student layer learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from edgekd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

Mapping = Literal["uniform", "last", "skip", "auto"] | list[int]


def rule_mapping(mapping: Mapping, student_layers: int, teacher_layers: int) -> list[int]:
    """Return the teacher layer (from 0) of each student layer, for every mapping but `auto`.

    With S student and T teacher layers, student layer i learns from

    - uniform: ``(i + 1) * T // S - 1``, spread evenly, the last from the last (TinyBERT: arXiv 1909.10351);
    - last: ``T - S + i``, the last S layers (PKD-Last: arXiv 1908.09355);
    - skip: ``i * T // S``, every (T / S)-th layer from the first on, so not the last (PKD-Skip);
    - a list: as given.

    A student with more layers than its teacher learns several from the same one.

    Raises:
        ConfigError: for a list of another length, or with a layer that the teacher does not have.
    """
    s, t = student_layers, teacher_layers
    if mapping == "uniform":
        return [max(0, (i + 1) * t // s - 1) for i in range(s)]
    if mapping == "last":
        return [max(0, t - s + i) for i in range(s)]
    if mapping == "skip":
        return [i * t // s for i in range(s)]
    if mapping == "auto":
        raise ValueError("auto is decided by cka_mapping")
    if len(mapping) != s or any(not 0 <= index < t for index in mapping):
        raise ConfigError(
            f"mapping: {mapping} must name one teacher layer for each of the student's {s} layers, "
            f"each from 0 to {t - 1}."
        )
    return list(mapping)


def linear_cka(first: Tensor, second: Tensor) -> float:
    """Similarity of two representations of the same tokens, from 0 to 1; their widths may differ.

    Linear centred kernel alignment ``|Y'X|^2 / (|X'X| |Y'Y|)`` of centred columns, Frobenius norms (Kornblith et al.
    2019, arXiv 1905.00414). It does not change when a representation is rotated, scaled or shifted. 0 when
    one is constant.

    Args:
        first: ``(tokens, width)``.
        second: ``(tokens, other width)``.
    """
    x = first.double() - first.double().mean(dim=0)
    y = second.double() - second.double().mean(dim=0)
    scale = float((x.T @ x).norm() * (y.T @ y).norm())
    return float((y.T @ x).norm() ** 2) / scale if scale > 0 else 0.0


def monotone_assignment(similarity: Sequence[Sequence[float]]) -> list[int]:
    """Return for each row a column, so that columns rise from row to row and the sum of similarities is largest.

    Columns rise strictly; when there are more rows than columns they may repeat. Of equal sums the one with the lower
    columns wins. Dynamic programming, O(rows * columns).
    """
    table = np.asarray(similarity, dtype=float)
    rows, columns = table.shape
    step = 1 if rows <= columns else 0
    best = np.full((rows, columns), -np.inf)  # best[i, j]: the largest sum of rows 0..i with row i at column j
    before = np.zeros((rows, columns), dtype=int)
    best[0] = table[0]
    for row in range(1, rows):
        for column in range(step, columns):
            allowed = best[row - 1, : column + 1 - step]
            before[row, column] = int(allowed.argmax())
            best[row, column] = table[row, column] + allowed[before[row, column]]
    chosen = [int(best[-1].argmax())]
    for row in range(rows - 1, 0, -1):
        chosen.append(int(before[row, chosen[-1]]))
    return chosen[::-1]


def cka_mapping(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> tuple[list[int], list[float]]:
    """Return the `auto` mapping and the similarity (CKA) of each chosen pair.

    Args:
        student: the output of each layer for the same tokens, ``(tokens, width)``.
        teacher: likewise.
    """
    table = [[linear_cka(one, other) for other in teacher] for one in student]
    chosen = monotone_assignment(table)
    return chosen, [table[row][column] for row, column in enumerate(chosen)]
