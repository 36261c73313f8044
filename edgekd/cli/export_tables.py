"""What ``edgekd export`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.cli.common import print_json, stderr_console, stdout_console
from edgekd.cli.flips import show_flips

if TYPE_CHECKING:
    from edgekd.exporting import Exported, ExportOutcome


def show_exported(outcome: ExportOutcome, as_json: bool) -> None:
    """Print one row a format, the reasons of those that failed, and what to do next."""
    if as_json:
        print_json({"texts": outcome.texts, "formats": [_record(one) for one in outcome.exported]})
    else:
        _print_table(outcome)
    console = stderr_console()
    for one in outcome.exported:
        if one.error is not None:
            console.print(f"[bold red]Error:[/] {one.label}: ", end="", highlight=False)
            console.print(one.error.message, soft_wrap=True, highlight=False, markup=False)
            if one.error.hint:
                console.print("[bold]Next:[/] ", end="", highlight=False)
                console.print(one.error.hint, soft_wrap=True, highlight=False, markup=False)


def failed_code(outcome: ExportOutcome) -> int:
    """Return the exit code: 0 when every format became a bundle, else that of the worst failure."""
    return max((one.error.exit_code for one in outcome.exported if one.error is not None), default=0)


def _print_table(outcome: ExportOutcome) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    made = [one for one in outcome.exported if one.bundle is not None]
    if not made:
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("format")
    for heading in ("operators", "size", "max diff", "flips", "hostile flips"):
        table.add_column(heading, justify="right")
    table.add_column("bundle", overflow="fold")
    for one in made:
        table.add_row(one.label, *_cells(one), escape(str(one.bundle.folder if one.bundle else "")))
    console = stdout_console()
    console.print(table)
    for one in made:
        if one.parity is not None:
            show_flips(one.parity, f"{one.label}: ")
    console.print(f"Compared with the model on {outcome.texts}.", soft_wrap=True, highlight=False, markup=False)
    for line in _next_steps(made):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _next_steps(made: list[Exported]) -> list[str]:
    """Return what to do with the bundles: one that runs here, and one that only a board can build."""
    folders = {one.format.runtime == "tensorrt": one.bundle.folder for one in reversed(made) if one.bundle is not None}
    lines = []
    if False in folders:
        lines.append(f'Next: edgekd predict {folders[False]} "some text"')
    if True in folders:
        lines.append(
            f"Next, on the Jetson: {folders[True]}/build_engine.sh (not run here: it needs the board's TensorRT)"
        )
    return lines


def _cells(one: Exported) -> list[str]:
    if one.bundle is None or one.bundle.manifest.parity is None:
        return [units.MISSING] * 5
    manifest, parity = one.bundle.manifest, one.bundle.manifest.parity
    operators = sum(manifest.operators.values())
    return [
        f"{operators:,}" if operators else units.MISSING,
        units.size(one.bundle.size_bytes),
        units.tiny(parity.max_abs_diff),
        f"{parity.label_flips} of {parity.texts}",
        f"{parity.hostile_flips} of {parity.hostile_texts}",
    ]


def _record(one: Exported) -> dict[str, Any]:
    """Return what became of a format, for JSON."""
    if one.bundle is None:
        error = one.error
        return {
            "format": one.format.name,
            "takes_text": one.takes_text,
            "bundle": None,
            "error": None if error is None else {"message": error.message, "hint": error.hint},
        }
    manifest = one.bundle.manifest
    return {
        "format": one.format.name,
        "takes_text": one.takes_text,
        "bundle": str(one.bundle.folder),
        "reused": one.reused,
        "size_bytes": one.bundle.size_bytes,
        "runtime": manifest.runtime,
        "precision": manifest.precision,
        "graph": manifest.graph,
        "opset": manifest.opset,
        "lengths": manifest.lengths,
        "batch": manifest.batch,
        "max_length": manifest.max_length,
        "operators": manifest.operators,
        "parity": None if manifest.parity is None else manifest.parity.model_dump(mode="json"),
        "worst": [] if one.parity is None else [flip.model_dump(mode="json") for flip in one.parity.worst],
    }
