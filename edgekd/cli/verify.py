"""``edgekd verify``: does a bundle say the same on the target's processor?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option, Typer

from edgekd import units
from edgekd.errors import ConfigError

if TYPE_CHECKING:
    from edgekd.emulation.record import Comparison, Verification


def register(app: Typer) -> None:
    """Add the commands of this module to the app."""
    app.command(rich_help_panel="Measure")(verify)


def verify(
    bundles: Annotated[list[Path], Argument(metavar="BUNDLE...", help="Bundle folders.", show_default=False)],
    target: Annotated[
        list[str], Option("--target", "-t", help="Device profile or alias; may be given more than once.")
    ],
    data: Annotated[
        str | None,
        Option(
            "--data", "-d", help="Texts to answer; labels are not needed.", show_default="validation texts of the run"
        ),
    ] = None,
    count: Annotated[int, Option(min=1, help="Answer so many of the texts, of all lengths.")] = 64,
    flavours: Annotated[
        bool, Option(help="Make every int8 flavour of fp32 bundles too (needs the train extra).")
    ] = False,
    max_flips: Annotated[float, Option(min=0, max=1, help="Share of the answers that may differ below fp32.")] = 0.02,
    allow_skip: Annotated[bool, Option("--allow-skip", help="What cannot be emulated here does not fail.")] = False,
    timeout: Annotated[float, Option(min=1, help="Seconds that one bundle may take on one target.")] = 1800.0,
    out: Annotated[Path | None, Option("--out", "-o", help="Write the record as JSON.")] = None,
    qemu: Annotated[str | None, Option(help="Emulator to use.", show_default="PATH, the cache, or fetched")] = None,
    devices: Annotated[Path | None, Option(help="Your own profiles: a YAML file or folder.")] = None,
    text_column: Annotated[str | None, Option(help="Column of the text; recognised if not given.")] = None,
    as_json: Annotated[bool, Option("--json", help="Print the record as JSON on stdout.")] = False,
) -> None:
    """Run bundles on a target's instructions under QEMU and compare token ids, logits and labels with this machine.

    Emulation shows what a processor computes, never how long it takes. Nothing is installed: the emulator, Python and
    wheels of the target are fetched once into the cache, without root. Exit code 1: something differs; 3: something
    could not be run.
    """
    from edgekd.artifacts import write_json_atomic
    from edgekd.bundle import load_bundle
    from edgekd.cli.common import print_json
    from edgekd.cli.progress import ConsoleProgress
    from edgekd.devices import find_profile
    from edgekd.emulation import verify as emulation
    from edgekd.emulation.compare import Limits

    if out is not None and out.is_dir():
        raise ConfigError(f"--out '{out}' is a folder.", hint="Give the name of a file, for example verify.json.")
    profiles = {profile.name: profile for profile in (find_profile(name, devices) for name in target)}
    found = emulation.verify(
        emulation.VerifyJob(
            bundles=[load_bundle(folder) for folder in bundles],
            profiles=list(profiles.values()),
            data=data,
            text_column=text_column,
            count=count,
            limits=Limits(flip_share=max_flips),
            flavours=flavours,
            limit_s=timeout,
            qemu=qemu,
        ),
        ConsoleProgress(),
    )
    record = found.model_dump(mode="json")
    if out is not None:
        write_json_atomic(out, record)
    if as_json:
        print_json(record)
    else:
        _print(found)
    code = emulation.exit_code(found.comparisons, allow_skip=allow_skip)
    if code:
        raise Exit(code)


def _print(found: Verification) -> None:
    from rich.markup import escape

    from edgekd.cli.common import stdout_console
    from edgekd.emulation.record import Outcome

    console = stdout_console()
    ran = [comparison for comparison in found.comparisons if comparison.outcome is not Outcome.NOT_RUN]
    console.print(_table(found))
    flags = ", ".join(found.host_instructions)
    console.print(f"This machine: {escape(found.host)} ({flags}).", highlight=False)
    console.print(f"Texts: {escape(found.text_source)}.", highlight=False)
    for about in dict.fromkeys(_about(comparison) for comparison in ran):
        console.print(escape(about), highlight=False)
    console.print("Evidence: emulated. It shows what is computed, not how long it takes.", highlight=False)
    for comparison in found.comparisons:
        if comparison.outcome is not Outcome.SAME:
            head = f"{comparison.bundle} ({comparison.flavour}) on {comparison.target}"
            console.print(f"[bold]{escape(head)}[/]: {escape(comparison.reason)}", highlight=False, soft_wrap=True)
        if comparison.outcome is Outcome.DIFFERS:
            for flip in comparison.worst:
                apart = units.tiny(flip.max_abs_diff)
                words = f"  {flip.here} here, {flip.there} there (logits {apart} apart): {flip.text!r}"
                console.print(escape(words), highlight=False, soft_wrap=True)


def _table(found: Verification) -> object:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    from edgekd.emulation.record import Outcome

    style = {Outcome.SAME: "green", Outcome.DIFFERS: "bold red", Outcome.NOT_RUN: "yellow"}
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("bundle", "precision", "target", "texts", "other ids", "largest", "mean", "flips", "verdict"):
        right = heading in {"texts", "other ids", "largest", "mean", "flips"}
        folds = heading in {"bundle", "precision"}
        table.add_column(heading, justify="right" if right else "left", overflow="fold", no_wrap=not folds)
    for row in found.comparisons:
        numbers = [str(row.texts), str(row.other_ids), *(_number(x) for x in (row.max_abs_diff, row.mean_abs_diff))]
        flips = str(row.flips) + (f" of {row.allowed_flips}" if row.allowed_flips is not None else "")
        cells = [*numbers, flips] if row.outcome is not Outcome.NOT_RUN else [""] * 5
        verdict = f"[{style[row.outcome]}]{row.outcome.value}[/]"
        table.add_row(*map(escape, (row.bundle, row.flavour, row.target)), *cells, verdict)
    return table


def _number(value: float | None) -> str:
    return "" if value is None else units.tiny(value)


def _about(comparison: Comparison) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in comparison.libraries.items())
    return (
        f"{comparison.target}: {comparison.emulator}, -cpu {comparison.cpu}, Python {comparison.python}, {libraries}."
    )
