"""The marker ``edgekd``: keywords to rules of the gate and a job."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekd.errors import ConfigError, unknown_name
from edgekd.gate.baselines import BASELINES
from edgekd.gate.grammar import METRICS, parse_rules
from edgekd.gate.job import GateJob

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pytest

LONG_FORM = 'Metrics are keywords: @pytest.mark.edgekd(p95="20ms"); whole rules go into require=["p95<20ms"].'
# Keywords that are no metrics, and the types that they take.
SETTINGS: dict[str, tuple[type, ...]] = {
    "bundle": (str,),
    "target": (str,),
    "devices": (str,),
    "baseline": (str,),
    "data": (str,),
    "text_column": (str,),
    "label_column": (str,),
    "max_seconds": (int, float),
}
_PATHS = ("baseline", "devices", "data")


@dataclass(frozen=True)
class Wish:
    """What one marker asks for; no rules: those that the gate has when nobody gives others."""

    rules: tuple[str, ...]
    settings: dict[str, Any]


def wishes_of(marks: Iterable[pytest.Mark]) -> list[Wish]:
    """Read the markers of a test, the closest one first.

    Each marker with rules is judged by itself. One without sets defaults for the others, and alone asks for the rules
    that the gate has by default.

    Raises:
        ConfigError: for a keyword or a rule that is none.
    """
    read = [_read(mark) for mark in marks]
    defaults: dict[str, Any] = {}
    for wish in reversed(read):
        if not wish.rules:
            defaults |= wish.settings
    found = [Wish(wish.rules, {**defaults, **wish.settings}) for wish in read if wish.rules]
    return found or [Wish((), defaults)]


def _read(mark: pytest.Mark) -> Wish:
    if mark.args:
        raise ConfigError(f"The marker edgekd takes keywords only; {mark.args[0]!r} is none.", hint=LONG_FORM)
    rules: list[str] = []
    settings: dict[str, Any] = {}
    for name, value in mark.kwargs.items():
        if name == "require":
            rules += _required(value)
        elif name in SETTINGS:
            settings[name] = _setting(name, value)
        elif name in METRICS:
            rules += [_rule(name, one) for one in (value if isinstance(value, list | tuple) else [value])]
        else:
            known = [*METRICS, *SETTINGS, "require"]
            raise unknown_name("keyword of the marker edgekd", name, known, hint=LONG_FORM)
    parse_rules(rules)
    return Wish(tuple(rules), settings)


def _required(value: object) -> Sequence[str]:
    if isinstance(value, list | tuple) and all(isinstance(rule, str) for rule in value):
        return value
    raise ConfigError(
        f"require is {value!r}; it takes a list of rules.", hint='Example: require=["p95<20ms", "size<2MB"].'
    )


def _setting(name: str, value: object) -> object:
    path_like = hasattr(value, "__fspath__") and name in ("bundle", *_PATHS)
    if path_like:
        return str(value)
    if not isinstance(value, SETTINGS[name]) or isinstance(value, bool):
        wanted = " or ".join(kind.__name__ for kind in SETTINGS[name])
        raise ConfigError(f"{name} is {value!r} in the marker edgekd; it takes a {wanted}.")
    if name == "max_seconds" and value < 1:  # type: ignore[operator]
        raise ConfigError(f"max_seconds is {value} in the marker edgekd; at least 1 is needed.")
    return value


def _rule(name: str, value: object) -> str:
    """Write a keyword as a rule: the metric knows which way it has to read."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigError(f"{name} is {value!r} in the marker edgekd; it takes a limit such as '20ms' or '+3%'.")
    text = str(value).strip()
    if text.startswith(("<", ">", "=")):
        raise ConfigError(
            f"{name} is '{text}' in the marker edgekd; the keyword takes the limit without an operator.",
            hint=f'Write {name}="{text.lstrip("<>=").strip()}", or require=["{name}{text}"].',
        )
    return f"{name}{METRICS[name].direction}{text}"


def in_marker(text: str) -> str:
    """Write the options of ``edgekd gate`` in an advice as keywords of the marker."""
    text = re.sub(r"--require '([^']+)'", r'require=["\1"]', text)
    flags = "|".join(name.replace("_", "-") for name in SETTINGS)
    return re.sub(
        rf"--({flags})\b(?: ([A-Z_]+)\b)?", lambda found: found[1].replace("-", "_") + "=" + (found[2] or ""), text
    )


def job_of(wish: Wish, bundle: Path, root: Path, *, target: str | None, data: str | None) -> GateJob:
    """Return the gate's job for a bundle.

    Args:
        wish: what the marker asks for.
        bundle: the candidate.
        root: pytest's root folder, from which paths in a marker start.
        target: of markers that name none.
        data: of markers that name none.
    """
    given = dict(wish.settings)
    given.pop("bundle", None)
    for name in _PATHS:
        if name in given and (name != "data" or (root / given[name]).exists()):
            given[name] = root / given[name]
    if "data" in given:
        given["data"] = str(given["data"])
    rules = parse_rules(wish.rules)
    compares = not rules or any(rule.needs_baseline for rule in rules)
    if rules and all(rule.metric.name == "size" for rule in rules):
        data = None  # nothing has to be run
    return GateJob(
        candidate=bundle,
        rules=wish.rules,
        profile_budgets=not wish.rules,
        baselines=root / BASELINES if compares else None,
        **{"target": target, "data": data, **given},
    )
