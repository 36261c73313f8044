"""The recipe reference (``docs/recipe.md``), written from the configuration models so that it cannot go stale.

``python -m edgekd.recipe_reference > docs/recipe.md``
"""

from __future__ import annotations

import sys
from typing import Any, get_args

from pydantic import BaseModel

from edgekd.config import Recipe
from edgekd.steps import GraphStep, ModelStep

HEADER = """# Recipe reference

A recipe is a YAML file; `edgekd init` writes one. Every key has a default, except `students`. An unknown key or a wrong
value is an error that names the dotted path. `--set section.key=value` changes one key for a single run, and
`students.0.epochs` addresses the first student. The resolved recipe is saved as `recipe.yaml` in the run folder.
"""


def _sections_of(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [found for part in getattr(annotation, "__args__", ()) for found in _sections_of(part)]


def _type_name(annotation: Any) -> str:
    name = (
        annotation.__name__ if isinstance(annotation, type) and not hasattr(annotation, "__args__") else str(annotation)
    )
    for long in ("typing.", "edgekd.tasks.", "NoneType"):
        name = name.replace(long, "")
    return name.replace(" | None", "").replace("|", "or")


def _rows(model: type[BaseModel], prefix: str) -> tuple[list[str], list[tuple[str, type[BaseModel]]]]:
    rows, sections = [], []
    for name, field in model.model_fields.items():
        found = _sections_of(field.annotation)
        if len(found) == 1:
            is_list = "list" in str(field.annotation)
            sections.append((f"{prefix}{name}" + (".N" if is_list else ""), found[0]))
            continue
        default = field.get_default(call_default_factory=True)
        shown = (
            "required" if field.is_required() else "" if default is None else f"`{getattr(default, 'value', default)}`"
        )
        kind = "list of names or steps" if found else _type_name(field.annotation)
        rows.append(f"| `{name}` | {kind} | {shown} | {field.description or ''} |")
    return rows, sections


def reference() -> str:
    """Return the reference as Markdown."""
    parts = [HEADER]
    steps = [*get_args(ModelStep), *get_args(GraphStep)]
    queue: list[tuple[str, type[BaseModel]]] = [("", Recipe)]
    while queue:
        path, model = queue.pop(0)
        rows, sections = _rows(model, f"{path}." if path else "")
        title = f"`{path}`" if path else "Top level"
        about = (model.__doc__ or "").strip().split("\n\n")
        parts.append(f"\n## {title}\n\n{' '.join(' '.join(about).split())}\n\n")
        parts.append("| key | type | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n")
        queue += sections
    return "".join([*parts, *map(_step, steps)])


def _step(model: type[BaseModel]) -> str:
    """Return the section of one step of compression, without the key ``step`` that names it."""
    names = get_args(model.model_fields["step"].annotation)
    rows, _ = _rows(model, "")
    table = "| key | type | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows[1:]) + "\n" if rows[1:] else ""
    about = " ".join((model.__doc__ or "").split())
    return f"\n## Step {', '.join(f'`{name}`' for name in names)}\n\n{about}\n\n{table}"


if __name__ == "__main__":
    sys.stdout.write(reference())
