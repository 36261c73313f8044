"""Commands about bundles: ``edgekd bundle verify``, ``info``, ``pack``, ``unpack`` and ``diff``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekd.cli.common import print_json, stderr_console
from edgekd.errors import EXIT_INVALID, EXIT_REGRESSION

if TYPE_CHECKING:
    from edgekd.bundle import Bundle
    from edgekd.results import BenchResult

_bundle = typer.Typer(no_args_is_help=True, help="Bundles: check, describe, compare, pack and unpack them.")

BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Bundle folder, or a packed one (.tar.gz).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(_bundle, name="bundle", rich_help_panel="Use")


@_bundle.command("verify")
def verify(
    bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="Bundle folders, or packed ones.")],
    as_json: AsJson = False,
) -> None:
    """Check bundles: hash of every file, names, labels, tokenizer, graph, and that texts get answers.

    Exit code 3 when a check fails.
    """
    from edgekd.bundles.checks import check_path, is_sound
    from edgekd.cli.bundle_tables import show_checks

    found = {path: check_path(path) for path in bundles}
    if as_json:
        print_json(
            [
                {"bundle": str(path), "sound": is_sound(checks), "checks": [vars(check) for check in checks]}
                for path, checks in found.items()
            ]
        )
    else:
        show_checks(found)
    if not all(is_sound(checks) for checks in found.values()):
        raise typer.Exit(EXIT_INVALID)


@_bundle.command("info")
def info(
    bundle: BundlePath,
    recipe: Annotated[bool, typer.Option("--recipe", help="Also the recipe that it was made with.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a bundle is, how it was made, and what was measured of it."""
    from edgekd.bundle import load_bundle
    from edgekd.bundles.info import as_json as to_json
    from edgekd.bundles.pack import opened
    from edgekd.cli.bundle_tables import show_info

    with opened(bundle) as folder:
        found = load_bundle(folder)
        if as_json:
            print_json({**to_json(found, recipe=recipe), "folder": str(bundle)})
        else:
            show_info(found, recipe=recipe)


@_bundle.command("pack")
def pack(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Bundle folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The archive.", show_default="NAME.tar.gz")
    ] = None,
    result: Annotated[
        list[Path] | None,
        typer.Option("--result", metavar="FILE", help="Result files of this bundle, for the model card."),
    ] = None,
    license_id: Annotated[
        str, typer.Option("--license", metavar="ID", help="Licence of the model, for the model card.")
    ] = "unknown",
    force: Annotated[bool, typer.Option("--force", help="Replace another file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a bundle, a small program that runs it and a model card as one .tar.gz: same input, same bytes."""
    from edgekd.bundle import load_bundle
    from edgekd.bundles.archive import SUFFIX
    from edgekd.bundles.card import model_card
    from edgekd.bundles.pack import check_archive_name, pack_bundle
    from edgekd.cli.bundle_tables import show_packed

    if out is not None:
        check_archive_name(out)
    found = load_bundle(bundle)
    card = model_card(found, _results(found, result or []), license_id=license_id)
    packed = pack_bundle(found, out or Path(found.manifest.name + SUFFIX), card, replace=force)
    for name in packed.left_out:
        stderr_console().print(
            f"Left out, because the manifest does not list it: {name}", markup=False, highlight=False
        )
    if as_json:
        print_json({**vars(packed), "file": str(packed.file)})
    else:
        show_packed(packed)


@_bundle.command("unpack")
def unpack(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A packed bundle (.tar.gz).")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder of the bundle, new or empty.", show_default="its name"),
    ] = None,
    max_size: Annotated[
        str, typer.Option("--max-size", metavar="SIZE", help="Refuse archives that hold more, for example 500MB.")
    ] = "4GB",
    as_json: AsJson = False,
) -> None:
    """Extract a packed bundle, check it, and only then put it in place. Nothing is overwritten."""
    from edgekd.bundles.pack import unpack_bundle
    from edgekd.cli.bundle_tables import show_unpacked
    from edgekd.cli.quantities import parse_amount
    from edgekd.gate.grammar import Quantity

    limit = parse_amount("--max-size", max_size, Quantity.BYTES)
    assert limit is not None
    found = unpack_bundle(file, out, max_bytes=int(limit))
    if as_json:
        print_json({"folder": str(found.folder), "name": found.manifest.name, "artifact_hash": found.artifact_hash})
    else:
        show_unpacked(found)


@_bundle.command("diff")
def diff(
    before: BundlePath,
    after: BundlePath,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 when they differ, as git diff --exit-code does.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what changed between two bundles: manifest, graph, lineage, recipe, files, scores."""
    from edgekd.bundle import load_bundle
    from edgekd.bundles.diff import as_json as to_json
    from edgekd.bundles.diff import compare_bundles
    from edgekd.bundles.pack import opened
    from edgekd.cli.bundle_tables import show_difference

    with opened(before) as first, opened(after) as second:
        found = compare_bundles(load_bundle(first), load_bundle(second))
    if as_json:
        print_json({"before": str(before), "after": str(after), **to_json(found)})
    else:
        show_difference(found)
    if exit_code and not found.is_same:
        raise typer.Exit(EXIT_REGRESSION)


def _results(bundle: Bundle, files: list[Path]) -> list[BenchResult]:
    """Read result files; each must be of this very bundle."""
    from edgekd.errors import ConfigError
    from edgekd.results import load_result

    results = []
    for file in files:
        result = load_result(file)
        if result.artifact_hash != bundle.artifact_hash:
            raise ConfigError(
                f"--result '{file}' was measured on another bundle ('{result.variant}', "
                f"{result.artifact_hash[:12]}...); this is '{bundle.manifest.name}', {bundle.artifact_hash[:12]}...",
                hint="Measure this bundle with 'edgekd bench', and give the result file that it writes.",
            )
        results.append(result)
    return results
