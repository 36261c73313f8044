"""From flags to a recipe: flags win over ``--set``, which wins over the file, which wins over the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekd.cli.quantities import parse_amount
from edgekd.errors import ConfigError
from edgekd.gate.grammar import Quantity
from edgekd.recipe import apply_settings, demo_recipe, read_recipe, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edgekd.config import Recipe


_ALIASES = {"alpha": "w_hard", "beta": "w_soft"}


def data_settings(
    data: str | None,
    validation: str | None,
    test: str | None,
    unlabelled: Sequence[str] | None,
    text_column: str | None,
    label_column: str | None,
    task: str | None = None,
    evaluate: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the dotted keys that the data flags set.

    Raises:
        ConfigError: when ``evaluate`` is not of the form NAME=SOURCE.
    """
    return {
        "data.train": data,
        "data.validation": validation,
        "data.test": test,
        "data.unlabelled": list(unlabelled) if unlabelled else None,
        "data.text_column": text_column,
        "data.label_column": label_column,
        "data.task": task,
        "data.evaluate": dict(_named_source(item) for item in evaluate) if evaluate else None,
    }


def _named_source(item: str) -> tuple[str, str]:
    name, equals, source = item.partition("=")
    if not equals or not name or not source:
        raise ConfigError(
            f"--evaluate '{item}' is not of the form NAME=SOURCE.",
            hint="For example: --evaluate products=asset:product-sentiment",
        )
    return name, source


def compress_settings(
    max_accuracy_drop: str | None, max_p95: str | None, max_size: str | None, max_rss: str | None, no_compress: bool
) -> dict[str, Any]:
    """Return the dotted keys that the compression flags set.

    Raises:
        ConfigError: for an amount that is none.
    """
    size = parse_amount("--max-size", max_size, Quantity.BYTES)
    memory = parse_amount("--max-rss", max_rss, Quantity.BYTES)
    return {
        "compress.max_accuracy_drop": parse_amount("--max-accuracy-drop", max_accuracy_drop, Quantity.SHARE),
        "compress.limits.p95_s": parse_amount("--max-p95", max_p95, Quantity.TIME),
        "compress.limits.size_bytes": None if size is None else int(size),
        "compress.limits.peak_rss_bytes": None if memory is None else int(memory),
        "compress.ladder": [] if no_compress else None,
    }


def student_settings(
    loss: str | None,
    alpha: float | None,
    beta: float | None,
    temperature: float | None,
    epochs: int | None,
    seed: int | None,
) -> dict[str, Any]:
    """Return the keys that the distillation flags set in every student."""
    return {
        "loss": loss,
        "alpha": alpha,
        "beta": beta,
        "temperature": temperature,
        "epochs": epochs,
        "seed": seed,
    }


def build_recipe(
    path: Path | None,
    flags: Mapping[str, Any],
    settings: Sequence[str] | None,
    *,
    targets: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
    per_student: Mapping[str, Any] | None = None,
    top: Mapping[str, Any] | None = None,
) -> Recipe:
    """Return the resolved recipe.

    Args:
        path: recipe file; None for the built-in demo.
        flags: dotted keys and values; None means that the flag was not given.
        settings: ``--set`` options.
        targets: replace the recipe's targets.
        kinds: keep only these students of the recipe, adding missing ones with defaults.
        per_student: keys set in every student; None means not given.
        top: keys of the recipe itself; None means not given.

    Raises:
        ConfigError: with the dotted path of every wrong value.
    """
    raw = demo_recipe() if path is None else read_recipe(path)
    if path is None and flags.get("data.train"):
        raw["name"] = "run"  # the demo's recipe on other data is no longer the demo
    raw = apply_settings(raw, settings or [])
    for key, value in flags.items():
        if value is not None:
            *sections, name = key.split(".")
            node = raw
            for section in sections:
                node = node.setdefault(section, {})
            node[name] = value
    if targets:
        raw["targets"] = list(targets)
    if kinds:
        known = {student.get("kind"): student for student in raw.get("students", [])}
        raw["students"] = [known.get(kind, {"kind": kind}) for kind in dict.fromkeys(kinds)]
    changes = {key: value for key, value in (per_student or {}).items() if value is not None}
    for student in raw.get("students", []):
        for name, alias in _ALIASES.items():
            if name in changes:
                student.pop(alias, None)
        student.update(changes)
    raw |= {key: value for key, value in (top or {}).items() if value is not None}
    return resolve(raw, source=f"'{path}'" if path else "The recipe made from the flags")
