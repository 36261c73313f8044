"""``edgekd baseline``: set, show and list what candidates are compared with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekd.cli.common import print_json, stderr_console, stdout_console

if TYPE_CHECKING:
    from edgekd.gate.baseline_set import BaselineSet
    from edgekd.gate.baselines import BaselineEntry

_baseline = typer.Typer(no_args_is_help=True, help="Baselines in the repository: what the gate compares with.")

Folder = Annotated[
    Path,
    typer.Option("--dir", metavar="DIR", help="Folder of the baselines.", show_default="benchmarks/baselines"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Devices = Annotated[Path | None, typer.Option("--devices", help="Your own profiles: a YAML file or folder.")]
DEFAULT_FOLDER = Path("benchmarks/baselines")


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(_baseline, name="baseline", rich_help_panel="Measure")


@_baseline.command("set")
def set_(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Bundle folder, or a packed one (.tar.gz).")],
    target: Annotated[
        str | None,
        typer.Option("--target", "-t", help="Device profile or alias.", show_default="the bundle's"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", "-d", help="Labelled texts to score.", show_default="test split of the bundle's run"),
    ] = None,
    result: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A measurement of this bundle, to keep with it.")
    ] = None,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why; goes into the record and the commit.")] = "",
    folder: Folder = DEFAULT_FOLDER,
    lfs: Annotated[
        bool, typer.Option("--lfs", help="Give the packed bundles to git-lfs: writes DIR/.gitattributes.")
    ] = False,
    commit: Annotated[
        bool, typer.Option("--commit/--no-commit", help="Commit these files, and only these, with a message.")
    ] = True,
    devices: Devices = None,
    text_column: Annotated[str | None, typer.Option(help="Column of the text; recognised if not given.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of the label; recognised if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a bundle the baseline of its variant for a target: DIR/TARGET/N-COMMIT.json and the packed bundle."""
    from edgekd.gate.baseline_set import BaselineJob, set_baseline

    done = set_baseline(
        BaselineJob(
            bundle=bundle,
            target=target,
            data=data,
            text_column=text_column,
            label_column=label_column,
            result=result,
            root=folder,
            devices=devices,
            note=note,
            lfs=lfs,
            commit=commit,
        )
    )
    if as_json:
        print_json({**_as_json(done.entry), "files": [str(path) for path in done.files], "own_commit": done.commit})
    _say(done, to_stderr=as_json)


@_baseline.command("show")
def show(
    target: Annotated[
        str | None, typer.Argument(metavar="[TARGET]", help="Device profile or alias.", show_default="all")
    ] = None,
    variant: Annotated[str | None, typer.Option(metavar="NAME", help="Only this variant.")] = None,
    folder: Folder = DEFAULT_FOLDER,
    devices: Devices = None,
    as_json: AsJson = False,
) -> None:
    """Show the baselines in use: the newest of each target and variant."""
    from edgekd.devices import find_profile
    from edgekd.errors import ConfigError, unknown_name
    from edgekd.gate.baseline_words import facts, in_use
    from edgekd.gate.baselines import list_baselines

    name = find_profile(target, devices).name if target else None
    entries = in_use(list_baselines(folder, name))
    if not entries:
        where = f" for {name}" if name else ""
        raise ConfigError(
            f"There is no baseline{where} in '{folder}'.", hint="Set one with 'edgekd baseline set BUNDLE'."
        )
    if variant is not None:
        known = {entry.record.variant for entry in entries}
        if variant not in known:
            raise unknown_name("variant", variant, known, hint=f"See 'edgekd baseline list --dir {folder}'.")
        entries = [entry for entry in entries if entry.record.variant == variant]
    if as_json:
        print_json([_as_json(entry) for entry in entries])
        return
    console = stdout_console()
    for number, entry in enumerate(entries):
        if number:
            console.print()
        for key, value in facts(entry):
            console.print(f"{key:<12} {value}", markup=False, highlight=False, soft_wrap=True)


@_baseline.command("list")
def list_(folder: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """List all baselines, the oldest of each target first."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    from edgekd.gate.baseline_words import COLUMNS, rows
    from edgekd.gate.baselines import list_baselines

    entries = list_baselines(folder)
    if as_json:
        print_json([_as_json(entry) for entry in entries])
        return
    if not entries:
        stderr_console().print(f"There is no baseline in '{folder}'.", markup=False, highlight=False)
        return
    table = Table(box=SIMPLE_HEAD)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column == "size" else "left")
    for row in rows(entries):
        table.add_row(*(escape(cell) for cell in row))
    stdout_console().print(table)


def _as_json(entry: BaselineEntry) -> dict[str, Any]:
    """Return a record without the samples of its result."""
    from edgekd.gate.baseline_words import bundle_state

    record = entry.record.model_dump(mode="json", exclude={"result"})
    has_result = entry.record.result is not None
    bundle = {"bundle": str(entry.bundle_path), "bundle_state": bundle_state(entry)}
    return {"baseline": entry.name, "file": str(entry.path), **bundle, **record, "has_result": has_result}


def _say(done: BaselineSet, *, to_stderr: bool) -> None:
    from edgekd.gate.baseline_words import score_text

    console = stderr_console() if to_stderr else stdout_console()

    def line(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    record = done.entry.record
    if not done.is_new:
        line(f"{record.variant} is the baseline of {record.target} already: {done.entry.path}")
        return
    line(f"Baseline of {record.variant} on {record.target}: {done.entry.path}")
    line(f"Score: {score_text(record)}{f' ({done.not_scored})' if done.not_scored else ''}")
    if done.commit:
        line(f"Committed as {done.commit}: {', '.join(str(path) for path in done.files)}")
    else:
        line(f"Not committed: {done.not_committed}")
        line(f"Written: {', '.join(str(path) for path in done.files)}")
    if record.dirty:
        line("Note: files differed from the last commit, so this commit alone does not say how the bundle was made.")
    if done.suggestion:
        line(
            "Note: git keeps every version of a bundle for ever; this one is large enough for git-lfs. Add --lfs, or "
            f"'{done.suggestion}' to {done.entry.path.parent.parent}/.gitattributes"
        )
