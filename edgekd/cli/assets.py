"""Commands for pinned assets: ``edgekd assets list``, ``get`` and ``path``."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

_assets = typer.Typer(no_args_is_help=True, help="Pinned models and data sets: list them, fetch them, find them.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(_assets, name="assets", rich_help_panel="Look up")


@_assets.command("list")
def list_assets(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """List the pinned assets: kind, size, licence, and whether they are in the cache."""
    from edgekd.assets import cache_dir
    from edgekd.cli.common import print_json, stderr_console, stdout_console

    rows = _rows()
    if as_json:
        print_json(rows)
        return
    from rich.table import Table

    from edgekd import units

    table = Table("Name", "Kind", "Size", "Licence", "Cached", "What", box=None, pad_edge=False)
    for row in rows:
        size = units.size(row["size_bytes"])
        cached = "yes" if row["cached"] else "no"
        table.add_row(row["name"], row["kind"], size, row["licence"], cached, row["description"])
    stdout_console().print(table)
    stderr_console().print(f"Cache: {cache_dir()}", highlight=False, soft_wrap=True, markup=False)


@_assets.command("get")
def get(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names from 'edgekd assets list'.")],
    verify: Annotated[bool, typer.Option("--verify", help="Check the hash of every file, large ones too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Fetch assets into the cache (nothing is done for those that are there) and print their folders."""
    from edgekd.assets import get_asset
    from edgekd.catalogue import ASSETS
    from edgekd.cli.common import print_json, stderr_console

    for name in names:
        ASSETS.get(name)  # a misspelt name fails before the first download
    console = stderr_console()

    def show(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True, markup=False)

    folders = {name: str(get_asset(name, full=verify, progress=show)) for name in names}
    if as_json:
        print_json(folders)
    else:
        sys.stdout.write("".join(f"{folder}\n" for folder in folders.values()))


@_assets.command("path")
def path(name: Annotated[str, typer.Argument(help="Name from 'edgekd assets list'.")]) -> None:
    """Print the folder of a cached asset; exit code 3 when it is not there."""
    from edgekd.assets import asset_path, cache_dir
    from edgekd.errors import AssetUnavailable

    folder = asset_path(name)
    if folder is None:
        raise AssetUnavailable(
            f"Asset '{name}' is not in the cache '{cache_dir()}', or it is damaged.",
            hint=f"Run: edgekd assets get {name}",
        )
    sys.stdout.write(f"{folder}\n")


def _rows() -> list[dict[str, Any]]:
    from edgekd.assets import asset_path
    from edgekd.catalogue import ASSETS

    return [
        {
            "name": asset.name,
            "kind": asset.kind,
            "description": asset.description,
            "licence": asset.licence,
            "source": asset.source,
            "size_bytes": asset.size_bytes,
            "wheel": f"{asset.wheel.distribution}=={asset.wheel.version}",
            "cached": asset_path(asset.name) is not None,
        }
        for asset in map(ASSETS.get, ASSETS.names())
    ]
