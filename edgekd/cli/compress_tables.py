"""What ``edgekd prune`` and ``quantize`` print."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgekd import units
from edgekd.cli.common import print_json, stdout_console
from edgekd.cli.flips import show_flips
from edgekd.score_text import change_text, score_text

if TYPE_CHECKING:
    from edgekd.compress.sensitivity import Sensitivity
    from edgekd.single import QuantizedModel, SmallerModel

_SCORES = ("accuracy", "macro_f1", "map", "pearson")


def show_smaller(made: SmallerModel, as_json: bool) -> None:
    """Print a model before and after: parameters, bytes, scores."""
    if as_json:
        print_json({**asdict(made), "folder": str(made.folder)})
        return
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("", "before", "after"):
        table.add_column(heading, justify="right" if heading else "left")
    table.add_row("parameters", *(f"{side['parameters']:,}" for side in (made.before, made.after)))
    table.add_row("folder", *(units.size(side["bytes"]) for side in (made.before, made.after)))
    for split in ("validation", "test"):
        for name in _SCORES:
            if name in made.before[split]:
                both = (side[split][name] for side in (made.before, made.after))
                table.add_row(f"{split} {name.replace('_', ' ')}", *(score_text(name, value) for value in both))
    stdout_console().print(table)
    for details in made.details:
        if "words" in details:
            stdout_console().print(escape(details["words"]), soft_wrap=True, highlight=False)
    if made.is_uneven:
        told = "Its layers have different widths, which config.json of transformers cannot say: only edgekd opens it."
        stdout_console().print(told, soft_wrap=True, highlight=False)
    stdout_console().print(f"Smaller model: {made.folder}", soft_wrap=True, highlight=False, markup=False)


def show_quantized(made: QuantizedModel, as_json: bool) -> None:
    """Print the bundle, the comparison with its fp32 self, and the labels that changed most."""
    bundle, decisions = made.bundle, made.decisions
    if as_json:
        listed: list[dict[str, Any]] = [decision.model_dump(mode="json") for decision in decisions]
        parity = made.parity.model_dump(mode="json")
        print_json(
            {"bundle": str(bundle.folder), "size_bytes": bundle.size_bytes, "decisions": listed, "parity": parity}
        )
        return
    from edgekd.report.ladder_terminal import render_decisions

    console = stdout_console()
    for part in render_decisions(decisions):
        console.print(part, highlight=False)
    for decision in decisions:  # why it was kept, which the table leaves out
        if decision.variant == bundle.manifest.name and decision.status == "kept":
            console.print(f"Kept {decision.variant}: {decision.reason}", highlight=False, markup=False)
    show_flips(made.parity, "")
    console.print(f"Bundle: {bundle.folder}", highlight=False, soft_wrap=True, markup=False)


def show_sensitivity(table: Sensitivity, as_json: bool) -> None:
    """Print what each operator costs in int8, the most harmful first."""
    if as_json:
        print_json(table.as_dict())
        return
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    metric = table.score_name
    score = metric.replace("_", " ")
    fp32, int8 = (score_text(metric, one.score) for one in (table.fp32, table.int8))
    stdout_console().print(
        f"One operator in fp32, all others int8, on {table.texts} validation texts. fp32: {score} "
        f"{fp32}. All int8: {score} {int8}, {table.divergence_name} "
        f"{_number(table.int8.divergence)}, {table.int8.flips} labels changed.",
        highlight=False,
    )
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    shown.add_column("operator", overflow="fold")
    shown.add_column("type")
    for heading in ("fp32 costs", score, "gain", f"{table.divergence_name} gain", "labels changed"):
        shown.add_column(heading, justify="right")
    for one in table.operators:
        shown.add_row(
            escape(one.name),
            one.op_type,
            units.size_change(one.added_bytes),
            score_text(metric, one.score),
            change_text(metric, one.score_gain),
            _number(one.divergence_gain),
            str(one.flips),
        )
    stdout_console().print(shown)


def _number(value: float | None) -> str:
    return "" if value is None else units.tiny(value)
