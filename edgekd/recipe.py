"""YAML <-> Recipe: files, the built-in demo, ``--set a.b=3``, errors with the dotted path."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ValidationError

from edgekd.config import Recipe
from edgekd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

DEMO_FILE = Path(__file__).parent / "demo.yaml"


def demo_recipe() -> dict[str, Any]:
    """Return the built-in recipe as plain data."""
    raw: dict[str, Any] = yaml.safe_load(DEMO_FILE.read_text(encoding="utf-8"))
    return raw


def read_recipe(path: Path) -> dict[str, Any]:
    """Read a recipe file as plain data.

    Raises:
        ConfigError: when it does not exist, is not UTF-8 YAML or holds no mapping.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ConfigError(f"Recipe '{path}' does not exist.", hint="Write one with: edgekd init") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"Recipe '{path}' is not UTF-8 text: {error}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"Recipe '{path}' is not valid YAML: {error}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"Recipe '{path}' must be a mapping of sections, but it is {type(raw).__name__}.")
    return raw


def apply_settings(raw: dict[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Return ``raw`` with ``a.b=value`` settings applied; values are YAML, list items numbers (``students.0.epochs``).

    Raises:
        ConfigError: when a setting has no ``=`` or its path goes through something that is no section.
    """
    result: dict[str, Any] = yaml.safe_load(yaml.safe_dump(raw))
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not path:
            raise ConfigError(f"--set '{setting}' is not of the form section.key=value.")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set '{setting}': the value is not valid YAML.") from error
        _put(result, path.split("."), value, setting)
    return result


def _put(node: Any, keys: list[str], value: Any, setting: str) -> None:
    *parents, last = keys
    try:
        for key in parents:
            node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
        if isinstance(node, list):
            node[int(last)] = value
        else:
            node[last] = value
    except (TypeError, AttributeError, ValueError, IndexError) as error:
        raise ConfigError(f"--set '{setting}': '{'.'.join(keys)}' is not a key of the recipe.") from error


def resolve(raw: dict[str, Any], *, source: str) -> Recipe:
    """Validate a recipe.

    Raises:
        ConfigError: with the dotted path of every wrong value, and the nearest key for an unknown one.
    """
    try:
        return Recipe.model_validate(raw)
    except ValidationError as error:
        lines = [_describe(details) for details in error.errors()]
        raise ConfigError(
            f"{source} is not a valid recipe:\n  " + "\n  ".join(lines),
            hint="See docs/recipe.md for all keys.",
        ) from error


def _describe(details: ErrorDetails) -> str:
    location = [str(part) for part in details["loc"]]
    path = ".".join(location)
    if details["type"] == "extra_forbidden":
        known = _keys_at(location[:-1])
        near = get_close_matches(location[-1], known, n=1, cutoff=0.5)
        guess = f" Did you mean '{near[0]}'?" if near else ""
        return f"{path}: unknown key. Allowed here: {', '.join(known)}.{guess}"
    given = details.get("input")
    shown = f" (given: {given!r})" if isinstance(given, (str, int, float, bool, type(None))) else ""
    return f"{path}: {details['msg']}{shown}"


def _keys_at(location: list[str]) -> list[str]:
    """Return the keys that the model at a location allows."""
    model: Any = Recipe
    for part in location:
        if part.isdigit():
            continue
        annotation = model.model_fields[part].annotation
        arguments = getattr(annotation, "__args__", ())
        candidates = [annotation, *arguments]
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return sorted(model.model_fields)


def dump_recipe(recipe: Recipe) -> str:
    """Return a resolved recipe as YAML."""
    return yaml.safe_dump(recipe.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True)


def template(*, data: str | None, targets: Sequence[str] | None) -> str:
    """Return a commented recipe for a new project."""
    text = (DEMO_FILE.parent / "template.yaml").read_text(encoding="utf-8")
    quoted = yaml.safe_dump(data or "asset:movie-sentiment").strip().removesuffix("\n...")
    listed = yaml.safe_dump(list(targets or ["cpu"]), default_flow_style=True).strip()
    return text.replace("{{data}}", quoted).replace("{{targets}}", listed)
