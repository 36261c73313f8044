"""``edgekd students``: the kinds and sizes of students, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option, Typer

from edgekd.cli.common import print_json, stdout_console

if TYPE_CHECKING:
    from rich.table import Table

    from edgekd.student.overview import Row


def register(app: Typer) -> None:
    """Add the command of this module to the app."""
    app.command("students", rich_help_panel="Look up")(students)


def students(
    kind: Annotated[str | None, Argument(metavar="[KIND]", help="Explain one kind and its options.")] = None,
    vocab: Annotated[int, Option("--vocab", min=6, help="Tokens in the vocabulary.")] = 30_522,
    labels: Annotated[int, Option("--labels", min=1, help="Outputs of the student.")] = 2,
    as_json: Annotated[bool, Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """List the students with parameters, operations and bytes, or explain one kind."""
    from edgekd.student.names import STUDENT_KINDS, check_kind
    from edgekd.student.overview import DETAILS, SUMMARIES, options, rows

    if kind is not None:
        check_kind(kind)
    kinds = STUDENT_KINDS if kind is None else (kind,)
    table = rows(vocab, labels, kinds)
    if as_json:
        listed = [row.as_dict() for row in table]
        document: Any = listed
        if kind is not None:
            about = {"kind": kind, "summary": SUMMARIES[kind], "details": DETAILS[kind]}
            document = {**about, "options": options(kind), "sizes": listed}
        print_json(document)
        return
    console = stdout_console()
    if kind is None:
        console.print(_kinds_table())
    else:
        console.print(f"[bold]{kind}[/]: {SUMMARIES[kind]}", highlight=False)
        console.print(f"\n{DETAILS[kind]}\n", highlight=False, markup=False)
    console.print(_sizes_table(table))
    console.print(
        f"Vocabulary of {vocab:,} tokens, {labels} outputs; cut transformers keep the teacher's vocabulary. MACs are "
        "multiply-accumulates for a text of 32 tokens. Bytes are those of the weights.",
        highlight=False,
    )
    if kind is None:
        console.print("One kind and its options: [bold]edgekd students KIND[/]", highlight=False)
    else:
        console.print(f"\nOptions of [bold]{kind}[/] in a recipe (students.N):", highlight=False)
        console.print(_options_table(options(kind)))


def _kinds_table() -> Table:
    from rich.table import Table

    from edgekd.student.overview import SUMMARIES

    table = Table.grid(padding=(0, 2, 0, 0))
    for kind, summary in SUMMARIES.items():
        table.add_row(f"[bold]{kind}[/]", summary)
    return table


def _sizes_table(rows: list[Row]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from edgekd import units

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("student", "size", "parameters", "MACs", "fp32", "int8", "shape"):
        right = heading in {"parameters", "MACs", "fp32", "int8"}
        table.add_column(heading, justify="right" if right else "left", overflow="fold", no_wrap=right)
    previous = ""
    for row in rows:
        if previous and row.kind != previous:
            table.add_section()
        table.add_row(
            f"[bold]{row.kind}[/]" if row.kind != previous else "",
            row.size,
            units.count(row.cost.parameters),
            units.count(row.cost.macs),
            units.size(row.cost.fp32_bytes),
            units.size(row.cost.int8_bytes),
            _shape(row),
        )
        previous = row.kind
    return table


def _shape(row: Row) -> str:
    shape = dict(row.shape)
    if shape.get("ngrams") == 1:
        shape.pop("buckets", None)
    return ", ".join(f"{name.removesuffix('_dim')} {_value(value)}" for name, value in shape.items())


def _value(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _options_table(described: dict[str, str]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in described.items():
        table.add_row(f"  [bold]{name}[/]", escape(text.replace("`", "")))
    return table
