"""Lengths and batch of an export: what is allowed, and an ONNX graph with free shapes made fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from edgekd.compress.graph import save
from edgekd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MIN_LENGTH = 3  # the two special tokens, and one of the text


def check_lengths(lengths: Sequence[int], batch: int | None, max_length: int | None, limit: int | None) -> None:
    """Refuse lengths and batches that no graph can have.

    Args:
        lengths: in tokens; none: any, one: fixed, several: buckets that texts are padded to.
        batch: texts a call; None: any.
        max_length: where texts are cut, if it was asked for.
        limit: positions of the model; None when it needs none.

    Raises:
        ConfigError: naming what is wrong.
    """
    for value in (*lengths, *([] if max_length is None else [max_length])):
        if value < MIN_LENGTH:
            raise ConfigError(
                f"A length of {value} tokens is too short: special tokens alone take two.",
                hint=f"Give at least {MIN_LENGTH}.",
            )
        if limit is not None and value > limit:
            raise ConfigError(
                f"A length of {value} tokens is more than the model's {limit} positions.",
                hint=f"Give at most {limit}.",
            )
    if list(lengths) != sorted(set(lengths)):
        raise ConfigError(
            f"--length {','.join(map(str, lengths))} is not in ascending order.",
            hint=f"For example: --length {','.join(map(str, sorted(set(lengths))))}",
        )
    if max_length is not None and lengths and max_length > lengths[-1]:
        raise ConfigError(
            f"--max-length {max_length} is more than the longest of --length, {lengths[-1]}.",
            hint="Leave --max-length out: texts are cut at the longest length.",
        )
    if batch is not None and batch < 1:
        raise ConfigError(f"A batch of {batch} texts is not possible.", hint="Give 1 or more.")


def fix_shapes(source: Path, target: Path, *, length: int | None, batch: int | None) -> None:
    """Write the ONNX graph at ``source`` with inputs of a fixed length, a fixed batch, or both.

    Raises:
        ConfigError: when the graph has other fixed shapes already.
    """
    model = onnx.load(str(source))
    for entry in model.graph.input:
        for dim, wanted, what in zip(
            entry.type.tensor_type.shape.dim, (batch, length), ("texts", "tokens"), strict=False
        ):
            if dim.HasField("dim_value"):
                if wanted is not None and dim.dim_value != wanted:
                    raise ConfigError(f"'{source.name}' takes {dim.dim_value} {what} a call, not {wanted}.")
            elif wanted is not None:
                dim.dim_value = wanted
    if batch is not None:
        for entry in model.graph.output:
            entry.type.tensor_type.shape.dim[0].dim_value = batch
    del model.graph.value_info[:]  # shapes of the inside, which hold for free inputs
    save(model, target)
