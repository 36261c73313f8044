"""From the flags of ``edgekd prune`` and ``quantize`` to steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from edgekd.cli.quantities import parse_amount
from edgekd.errors import ConfigError, unknown_name
from edgekd.gate.grammar import Quantity
from edgekd.steps import GraphStep, ModelStep, PruneStep, Rung, SparseStep, VocabularyStep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BUDGETS = {
    "ratio": "--ratio",
    "max_bytes": "--max-size",
    "macs_ratio": "--macs-ratio",
    "latency_ratio": "--latency-ratio",
}
_FLAGS = {*_BUDGETS, "units", "scope", "importance", "rounds", "layers", "hidden_dim", "embedding_dim"} | {
    *("epochs", "learning_rate", "exclude")
}
_STEPS = {
    name
    for kind in (*get_args(ModelStep), *get_args(GraphStep))
    for name in get_args(kind.model_fields["step"].annotation)
}
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
    budgets = [option for name, option in _BUDGETS.items() if name in given]
    if len(budgets) > 1:
        raise ConfigError(
            f"{' and '.join(budgets)} are two budgets; one says how much goes.",
            hint=f"Give one of {', '.join(_BUDGETS.values())}.",
        )
    if "max_bytes" in given:
        given["max_bytes"] = int(parse_amount("--max-size", given["max_bytes"], Quantity.BYTES) or 0)
    if given:
        steps.append(_checked(PruneStep, {**given, **how, **after}))
    if sparse is not None:
        if ":" in sparse:
            settings: dict[str, Any] = {"pattern": sparse}
        else:
            settings = {"sparsity": _share_of_zeros(sparse)}
        steps.append(_checked(SparseStep, {**settings, "method": sparse_method, **after}))
    if not steps:
        raise ConfigError(
            "Nothing says what should go.",
            hint="Give a budget (--ratio 0.4), a shape (--layers 3), --vocabulary, or --sparse 2:4.",
        )
    return steps


def _share_of_zeros(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(
            f"--sparse '{text}' is neither a pattern nor a share.", hint="For example: --sparse 2:4, or --sparse 0.5"
        ) from error


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
        raise ConfigError(
            f"--to '{text}' is not a step.",
            hint="For example: --to int8, or --to '{step: int8-static, texts: 64}' with a space after each colon.",
        )
    if value["step"] not in _STEPS:
        raise unknown_name("step", value["step"], _STEPS, hint="See docs/compression.md.")
    return value


def _checked(model: type[_Model], values: Mapping[str, Any]) -> _Model:
    """Validate settings; a wrong one is told by its name."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        lines = []
        for details in error.errors():
            # `--to` validates steps in a list: (steps, number, name of the step, key); flags are keys themselves.
            *_, key = [part for part in details["loc"] if isinstance(part, str)] or [""]
            told = details["msg"].removeprefix("Value error, ")
            if details["type"] == "extra_forbidden":
                told = "no such setting"
            given = "" if isinstance(details["input"], dict) else f" (given: {details['input']})"
            lines.append(f"{_option_of(key)}: {told}{given}" if key and key not in _STEPS else told)
        raise ConfigError("; ".join(lines) + ".", hint="See docs/compression.md for all steps.") from error


def _option_of(key: str) -> str:
    """Return how the command line calls a setting that has a flag."""
    if key in _FLAGS:
        return _BUDGETS.get(key, f"--{key.replace('_', '-')}")
    return {
        "size": "--vocabulary-size",
        "pattern": "--sparse",
        "sparsity": "--sparse",
        "method": "--sparse-method",
    }.get(key, key)
