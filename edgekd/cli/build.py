"""``edgekd init``, ``teach``, ``distill`` and ``run``: from data to bundles, and on to a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgekd.config import Recipe
    from edgekd.devices import DeviceProfile
    from edgekd.pipeline import DistillOutcome
    from edgekd.search.weights import WeightSearch

RecipeArgument = Annotated[
    Path | None, typer.Argument(help="Recipe (YAML). Without one the built-in demo runs.", show_default=False)
]
Target = Annotated[
    list[str] | None,
    typer.Option("--target", "-t", help="Device profile or alias; repeatable.", show_default="cpu"),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Run folder.", show_default="runs/NAME of the recipe")]
Data = Annotated[
    str | None,
    typer.Option("--data", "-d", help="Training data: file, folder, hub id or asset:NAME.", rich_help_panel="Data"),
]
Validation = Annotated[str | None, typer.Option(help="Validation data.", rich_help_panel="Data")]
Test = Annotated[str | None, typer.Option(help="Test data.", rich_help_panel="Data")]
Unlabelled = Annotated[list[str] | None, typer.Option(help="Texts without labels; repeatable.", rich_help_panel="Data")]
TextColumn = Annotated[
    str | None, typer.Option(help="Column of the text; recognised if not given.", rich_help_panel="Data")
]
LabelColumn = Annotated[
    str | None, typer.Option(help="Column of the label; recognised if not given.", rich_help_panel="Data")
]
Task = Annotated[
    str | None,
    typer.Option(help="single-label, multi-label or regression.", show_default="single-label", rich_help_panel="Data"),
]
Evaluate = Annotated[
    list[str] | None,
    typer.Option(help="Further labelled data to score on, NAME=SOURCE; repeatable.", rich_help_panel="Data"),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one key of the recipe: section.key=value.", rich_help_panel="Recipe"),
]
Seeds = Annotated[
    int | None,
    typer.Option(help="Train every student and control so many times.", rich_help_panel="Distillation"),
]
FindWeights = Annotated[
    bool,
    typer.Option(
        "--find-weights",
        help="First search each student's alpha, beta, temperature and learning rate on validation.",
        rich_help_panel="Search",
    ),
]
Trials = Annotated[
    int | None,
    typer.Option(min=1, help="Trials a student.", show_default="20", rich_help_panel="Search"),
]
SearchSeconds = Annotated[
    float | None,
    typer.Option(
        min=0, help="Begin no trial once a student's trials took so many seconds together.", rich_help_panel="Search"
    ),
]
MaxAccuracyDrop = Annotated[
    str | None,
    typer.Option(
        help="What compression may lose against the same model uncompressed: 1pt or 0.01.",
        show_default="1pt",
        rich_help_panel="Compression",
    ),
]
MaxP95 = Annotated[
    str | None,
    typer.Option(help="Latency limit of the best variant: 5ms.", show_default="profile", rich_help_panel="Compression"),
]
MaxSize = Annotated[
    str | None,
    typer.Option(help="Size limit, tokenizer included: 2MB.", show_default="profile", rich_help_panel="Compression"),
]
MaxRss = Annotated[
    str | None,
    typer.Option(help="Memory limit: 200MB.", show_default="profile", rich_help_panel="Compression"),
]
NoCompress = Annotated[
    bool,
    typer.Option("--no-compress", help="Only fp32, as trained.", rich_help_panel="Compression"),
]
Devices = Annotated[Path | None, typer.Option("--devices", help="Your own profiles: a YAML file or folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.command(rich_help_panel="Build")(init)
    app.command(rich_help_panel="Build")(teach)
    app.command(rich_help_panel="Build")(distill)
    app.command(rich_help_panel="Build")(run)


def init(
    path: Annotated[Path, typer.Argument(help="Where to write the recipe.")] = Path("edgekd.yaml"),
    data: Data = None,
    target: Target = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented recipe."""
    from edgekd.artifacts import write_text_atomic
    from edgekd.cli.common import stderr_console
    from edgekd.errors import ConfigError
    from edgekd.recipe import template

    if path.exists() and not force:
        raise ConfigError(f"'{path}' exists already.", hint="Give another path, or --force to overwrite it.")
    write_text_atomic(path, template(data=data, targets=target))
    stderr_console().print(f"Wrote {path}. Next: edgekd run {path}")


def teach(
    recipe: RecipeArgument = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the teacher.")] = Path("runs/teacher"),
    data: Data = None,
    validation: Validation = None,
    test: Test = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    task: Task = None,
    evaluate: Evaluate = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Encoder: folder, hub id or asset:NAME.", rich_help_panel="Teacher"),
    ] = None,
    epochs: Annotated[int | None, typer.Option(rich_help_panel="Teacher")] = None,
    learning_rate: Annotated[float | None, typer.Option(rich_help_panel="Teacher")] = None,
    batch_size: Annotated[int | None, typer.Option(rich_help_panel="Teacher")] = None,
    max_length: Annotated[int | None, typer.Option(help="Longest text in tokens.", rich_help_panel="Teacher")] = None,
    seed: Annotated[int | None, typer.Option(rich_help_panel="Teacher")] = None,
    runs: Annotated[
        int | None, typer.Option(help="Average the weights of so many fine-tunings.", rich_help_panel="Teacher")
    ] = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Fine-tune an encoder into a teacher (on a GPU in bf16 when there is one)."""
    from edgekd.cli.build_tables import show_teacher
    from edgekd.cli.options import build_recipe, data_settings
    from edgekd.cli.progress import ConsoleProgress
    from edgekd.pipeline import teach as teach_stage

    flags = data_settings(data, validation, test, None, text_column, label_column, task, evaluate)
    flags |= {
        "teacher.model": model,
        "teacher.epochs": epochs,
        "teacher.learning_rate": learning_rate,
        "teacher.batch_size": batch_size,
        "teacher.max_length": max_length,
        "teacher.seed": seed,
        "teacher.runs": runs,
    }
    resolved = build_recipe(recipe, flags, settings)
    metrics = teach_stage(resolved, out, ConsoleProgress())
    show_teacher(out, metrics, resolved.data.task, as_json)


def distill(
    recipe: RecipeArgument = None,
    target: Target = None,
    out: Out = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="A fine-tuned classifier, used as it is.", rich_help_panel="Distillation"),
    ] = None,
    data: Data = None,
    validation: Validation = None,
    test: Test = None,
    unlabelled: Unlabelled = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    task: Task = None,
    evaluate: Evaluate = None,
    student: Annotated[
        list[str] | None,
        typer.Option(help="Student kind (see: edgekd students); repeatable.", rich_help_panel="Distillation"),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(help="soft, hard, mse, huber, dkd or dist; for all students.", rich_help_panel="Distillation"),
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Weight of the true labels.", rich_help_panel="Distillation")
    ] = None,
    beta: Annotated[float | None, typer.Option(help="Weight of the teacher.", rich_help_panel="Distillation")] = None,
    temperature: Annotated[float | None, typer.Option(rich_help_panel="Distillation")] = None,
    epochs: Annotated[int | None, typer.Option(rich_help_panel="Distillation")] = None,
    seed: Annotated[int | None, typer.Option(rich_help_panel="Distillation")] = None,
    seeds: Seeds = None,
    transfer_control: Annotated[
        bool,
        typer.Option(
            "--transfer-control",
            help="Also train the students on the teacher's choices: more data without softer targets.",
            rich_help_panel="Distillation",
        ),
    ] = False,
    no_control: Annotated[
        bool,
        typer.Option(
            "--no-control",
            help="Do not train the students without the teacher.",
            rich_help_panel="Distillation",
        ),
    ] = False,
    find_weights: FindWeights = False,
    trials: Trials = None,
    search_seconds: SearchSeconds = None,
    max_accuracy_drop: MaxAccuracyDrop = None,
    max_p95: MaxP95 = None,
    max_size: MaxSize = None,
    max_rss: MaxRss = None,
    no_compress: NoCompress = False,
    settings: Set = None,
    devices: Devices = None,
    as_json: Json = False,
) -> None:
    """Distil students from a teacher, compress them for the targets and keep the bundles that earn their place."""
    from edgekd.cli.build_tables import show_outcome
    from edgekd.cli.options import build_recipe, compress_settings, data_settings, student_settings

    flags = data_settings(data, validation, test, unlabelled, text_column, label_column, task, evaluate)
    flags |= compress_settings(max_accuracy_drop, max_p95, max_size, max_rss, no_compress)
    if teacher is not None:
        flags |= {"teacher.model": teacher, "teacher.fine_tune": False}
    changes = student_settings(loss, alpha, beta, temperature, epochs, seed)
    top = {"seeds": seeds, "control": False if no_control else None, "transfer_control": transfer_control or None}
    resolved = build_recipe(recipe, flags, settings, targets=target, kinds=student, per_student=changes, top=top)
    search = _weight_search(find_weights, trials, search_seconds)
    outcome, _ = _distill(resolved, out, devices, search)
    show_outcome(outcome, as_json)
    if search is not None and not as_json:
        from edgekd.cli.found import show_found

        show_found(search.found.values())


def run(
    recipe: RecipeArgument = None,
    target: Target = None,
    out: Out = None,
    seeds: Seeds = None,
    max_accuracy_drop: MaxAccuracyDrop = None,
    max_p95: MaxP95 = None,
    max_size: MaxSize = None,
    max_rss: MaxRss = None,
    no_compress: NoCompress = False,
    settings: Set = None,
    devices: Devices = None,
    as_json: Json = False,
) -> None:
    """Distil, measure and report in one go; whatever is still valid is reused."""
    from edgekd.cli.common import print_json
    from edgekd.cli.options import build_recipe, compress_settings
    from edgekd.cli.progress import ConsoleProgress
    from edgekd.measure import measure_and_report

    flags = compress_settings(max_accuracy_drop, max_p95, max_size, max_rss, no_compress)
    resolved = build_recipe(recipe, flags, settings, targets=target, top={"seeds": seeds})
    outcome, profiles = _distill(resolved, out, devices)
    parts = {"": outcome, **outcome.tasks}
    measured = {name: measure_and_report(resolved, part, profiles, ConsoleProgress()) for name, part in parts.items()}
    if as_json:
        further = {"tasks": {name: part.as_dict() for name, part in measured.items() if name}} if outcome.tasks else {}
        print_json({**measured[""].as_dict(), **further})
        return
    from edgekd.cli.common import stdout_console
    from edgekd.report.terminal import render_terminal

    console = stdout_console()
    for name, part in measured.items():
        if name:
            console.rule(f"Task {name}", align="left")
        for item in render_terminal(part.report):
            console.print(item)
        console.print(f"Report: {part.path}", soft_wrap=True, highlight=False)


def _weight_search(wanted: bool, trials: int | None, seconds: float | None) -> WeightSearch | None:
    """Return the search that ``--find-weights`` asks for."""
    from edgekd.errors import ConfigError

    if not wanted:
        if trials is not None or seconds is not None:
            raise ConfigError("--trials and --search-seconds belong to a search.", hint="Add --find-weights.")
        return None
    from edgekd.cli.progress import ConsoleProgress
    from edgekd.search.weights import DEFAULT_TRIALS, WeightSearch

    return WeightSearch(ConsoleProgress(), trials=trials or DEFAULT_TRIALS, seconds=seconds)


def _distill(
    recipe: Recipe, out: Path | None, devices: Path | None, search: WeightSearch | None = None
) -> tuple[DistillOutcome, list[DeviceProfile]]:
    from edgekd.cli.progress import ConsoleProgress
    from edgekd.devices import find_profile
    from edgekd.pipeline import distill as distill_stages

    profiles = {p.name: p for p in (find_profile(name, devices) for name in recipe.targets)}
    folder = out or Path("runs") / recipe.name
    outcome = distill_stages(recipe, folder, list(profiles.values()), ConsoleProgress(), tune=search)
    return outcome, list(profiles.values())
