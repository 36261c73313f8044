"""The recipe reference (``docs/recipe.md``), written from the configuration models so that it cannot go stale.

``python -m edgekd.recipe_reference > docs/recipe.md``
"""

from __future__ import annotations

import sys
from typing import Any

from pydantic import BaseModel

from edgekd.config import Recipe

HEADER = """# Recipe reference

A recipe is a YAML file; `edgekd init` writes one. Every key has a default, except `students`. An unknown key or a wrong
value is an error that names the dotted path. `--set section.key=value` changes one key for a single run, and
`students.0.epochs` addresses the first student. The resolved recipe is saved as `recipe.yaml` in the run folder.
"""


def _section_of(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


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
        section = _section_of(field.annotation)
        if section is not None:
            is_list = "list" in str(field.annotation)
            sections.append((f"{prefix}{name}" + (".N" if is_list else ""), section))
            continue
        default = field.get_default(call_default_factory=True)
        shown = (
            "required" if field.is_required() else "" if default is None else f"`{getattr(default, 'value', default)}`"
        )
        rows.append(f"| `{name}` | {_type_name(field.annotation)} | {shown} | {field.description or ''} |")
    return rows, sections


def reference() -> str:
    """Return the reference as Markdown."""
    parts = [HEADER]
    queue: list[tuple[str, type[BaseModel]]] = [("", Recipe)]
    while queue:
        path, model = queue.pop(0)
        rows, sections = _rows(model, f"{path}." if path else "")
        title = f"`{path}`" if path else "Top level"
        about = (model.__doc__ or "").strip().split("\n\n")
        parts.append(f"\n## {title}\n\n{' '.join(' '.join(about).split())}\n\n")
        parts.append("| key | type | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n")
        queue += sections
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(reference())
