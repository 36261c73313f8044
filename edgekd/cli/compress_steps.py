"""From the flags of ``edgekd prune`` and ``quantize`` to steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from edgekd.cli.quantities import parse_amount
from edgekd.errors import ConfigError
from edgekd.gate.grammar import Quantity
from edgekd.steps import PruneStep, Rung, SparseStep, VocabularyStep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_Model = TypeVar("_Model", bound=BaseModel)


def prune_steps(
    budget: Mapping[str, Any],
    how: Mapping[str, Any],
    recovery: Mapping[str, Any],
    *,
    vocabulary: bool,
    vocabulary_size: int | None,
    sparse: str | None,
    sparse_method: str,
) -> list[Any]:
    """Return the steps that the flags ask for, in the order vocabulary, prune, sparse.

    Raises:
        ConfigError: when they ask for nothing, or for something that is not possible.
    """
    after = {name: value for name, value in recovery.items() if value is not None}
    steps: list[Any] = []
    if vocabulary:
        steps.append(_checked(VocabularyStep, {"size": vocabulary_size}))
    given = {name: value for name, value in budget.items() if value is not None}
    if "max_bytes" in given:
        given["max_bytes"] = int(parse_amount("--max-size", given["max_bytes"], Quantity.BYTES) or 0)
    if given:
        steps.append(_checked(PruneStep, {**given, **how, **after}))
    if sparse is not None:
        if ":" in sparse:
            settings: dict[str, Any] = {"pattern": sparse}
        else:
            settings = {"sparsity": parse_amount("--sparse", sparse, Quantity.SHARE)}
        steps.append(_checked(SparseStep, {**settings, "method": sparse_method, **after}))
    if not steps:
        raise ConfigError(
            "Nothing says what should go.",
            hint="Give a budget (--ratio 0.4), a shape (--layers 3), --vocabulary, or --sparse 2:4.",
        )
    return steps


def quantize_rung(names: Sequence[str], exclude: Sequence[str]) -> Rung:
    """Return the steps of ``--to`` as one candidate.

    Raises:
        ConfigError: for a step that is none, or an ``--exclude`` that no step takes.
    """
    steps = [_as_step(name) for name in names]
    if exclude:
        takers = [step for step in steps if step["step"] in ("int8", "int8-static")]
        if not takers:
            raise ConfigError("--exclude belongs to int8 and int8-static.", hint="int8-mixed chooses by itself.")
        for step in takers:
            step["exclude"] = [*step.get("exclude", []), *exclude]
    return _checked(Rung, {"steps": steps})


def _as_step(text: str) -> dict[str, Any]:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--to '{text}' is neither a step nor YAML: {error}") from error
    value = {"step": value} if isinstance(value, str) else value
    if not isinstance(value, dict) or not isinstance(value.get("step"), str):
        raise ConfigError(f"--to '{text}' is not a step.", hint="For example: --to int8")
    return value


def _checked(model: type[_Model], values: Mapping[str, Any]) -> _Model:
    """Validate settings; a wrong one is told by its name."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        lines = []
        for details in error.errors():
            path = ".".join(str(part) for part in details["loc"])
            lines.append(f"{path}: {details['msg']}" if path else details["msg"].removeprefix("Value error, "))
        raise ConfigError("; ".join(lines) + ".", hint="See docs/compression.md for all steps.") from error
