"""The HTML templates: everything that is put into them is escaped, and a name that is missing is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekd.errors import MissingExtra

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE_FILE = "template.html.j2"


def html_template(folder: Path, file: str = TEMPLATE_FILE) -> Any:
    """Return a template in a folder of the package; it may include others of the same folder.

    Raises:
        MissingExtra: without the packages of the ``report`` extra.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "jinja2", "report") from error
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(file)
