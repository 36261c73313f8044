"""``edgekd prune`` and ``quantize``: one step on a model folder or a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option, Typer

from edgekd.cli.build import Data, Devices, Evaluate, Json, LabelColumn, MaxAccuracyDrop, Set, Task, Test, TextColumn
from edgekd.cli.build import Validation as ValidationData

if TYPE_CHECKING:
    from edgekd.config import Recipe
    from edgekd.devices import DeviceProfile

Model = Annotated[Path, Argument(help="Model folder: config.json, model.safetensors, tokenizer.json.")]
Teacher = Annotated[
    str | None,
    Option(help="Whose labels it learns from afterwards.", show_default="the model itself", rich_help_panel="Recovery"),
]
OneTarget = Annotated[str, Option("--target", "-t", help="Device profile or alias.")]
Epochs = Annotated[int | None, Option(min=0, help="Of distillation after each round.", rich_help_panel="Recovery")]
LearningRate = Annotated[
    float | None, Option(help="Of it.", show_default="depends on the model", rich_help_panel="Recovery")
]
_BUDGET, _SHAPE, _VOCABULARY, _ZEROS = "Budget (one of them)", "Shape", "Vocabulary", "Zeros"


def register(app: Typer) -> None:
    """Add the commands of this module to the app."""
    app.command(rich_help_panel="Build")(prune)
    app.command(rich_help_panel="Build")(quantize)


def prune(
    model: Model,
    out: Annotated[Path, Option("--out", "-o", help="Folder for the smaller model.")],
    data: Data = None,
    validation: ValidationData = None,
    test: Test = None,
    unlabelled: Annotated[
        list[str] | None, Option(help="Texts without labels; repeatable.", rich_help_panel="Data")
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    task: Task = None,
    evaluate: Evaluate = None,
    ratio: Annotated[
        float | None, Option(help="Share of the units' parameters that go.", rich_help_panel=_BUDGET)
    ] = None,
    max_size: Annotated[str | None, Option(help="fp32 weights: 40MB.", rich_help_panel=_BUDGET)] = None,
    macs_ratio: Annotated[
        float | None, Option(help="Multiplications left, as a share.", rich_help_panel=_BUDGET)
    ] = None,
    latency_ratio: Annotated[
        float | None, Option(help="Median latency left, as a share; measured here.", rich_help_panel=_BUDGET)
    ] = None,
    units: Annotated[
        list[str] | None, Option(help="heads, ffn, filters, recurrent or hidden; repeatable.", show_default="all")
    ] = None,
    scope: Annotated[str, Option(help="global or layer.")] = "global",
    importance: Annotated[str, Option(help="taylor or magnitude.")] = "taylor",
    rounds: Annotated[int, Option(min=1, help="Remove in so many rounds.")] = 1,
    layers: Annotated[int | None, Option(help="Keep so many layers.", rich_help_panel=_SHAPE)] = None,
    hidden_dim: Annotated[int | None, Option(help="Hidden size of a transformer.", rich_help_panel=_SHAPE)] = None,
    embedding_dim: Annotated[int | None, Option(help="Width of token vectors.", rich_help_panel=_SHAPE)] = None,
    vocabulary: Annotated[
        bool, Option("--vocabulary", help="Keep only the tokens of the data.", rich_help_panel=_VOCABULARY)
    ] = False,
    vocabulary_size: Annotated[int | None, Option(help="At most so many.", rich_help_panel=_VOCABULARY)] = None,
    sparse: Annotated[
        str | None,
        Option(help="Zeros instead of smaller tensors: 2:4, or a share such as 0.5.", rich_help_panel=_ZEROS),
    ] = None,
    sparse_method: Annotated[str, Option(help="magnitude or movement.", rich_help_panel=_ZEROS)] = "magnitude",
    teacher: Teacher = None,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    target: OneTarget = "cpu",
    settings: Set = None,
    devices: Devices = None,
    as_json: Json = False,
) -> None:
    """Make a trained model really smaller, by vocabulary, units, layers or widths, and distil it again."""
    from edgekd.cli.compress_steps import prune_steps
    from edgekd.cli.compress_tables import show_smaller
    from edgekd.cli.options import data_settings
    from edgekd.cli.progress import ConsoleProgress
    from edgekd.single import compress_folder

    steps = prune_steps(
        {
            "ratio": ratio,
            "max_bytes": max_size,
            "macs_ratio": macs_ratio,
            "latency_ratio": latency_ratio,
            "layers": layers,
            "hidden_dim": hidden_dim,
            "embedding_dim": embedding_dim,
        },
        {"units": units, "scope": scope, "importance": importance, "rounds": rounds},
        {"epochs": epochs, "learning_rate": learning_rate},
        vocabulary=vocabulary or vocabulary_size is not None,
        vocabulary_size=vocabulary_size,
        sparse=sparse,
        sparse_method=sparse_method,
    )
    flags = data_settings(data, validation, test, unlabelled, text_column, label_column, task, evaluate)
    recipe, profile = _recipe(flags, settings, teacher or str(model), target, devices)
    show_smaller(compress_folder(model, steps, recipe, profile, out, ConsoleProgress()), as_json)


def quantize(
    source: Annotated[Path, Argument(help="fp32 bundle, or model folder.")],
    out: Annotated[Path, Option("--out", "-o", help="Folder for the bundle; its name is the variant's.")],
    to: Annotated[
        list[str] | None,
        Option(
            help="Steps in their order: int8, int8-static, int8-mixed, int8-weights, int4-weights, int8-embeddings, "
            "int4-embeddings, fp16, openvino, openvino-fp16, openvino-int8, openvino-int8-controlled, "
            "openvino-int8-weights, or qat (model folder only); with settings as YAML: "
            "'{step: int8-static, calibration: entropy}'.",
            show_default="int8",
        ),
    ] = None,
    data: Data = None,
    validation: ValidationData = None,
    test: Test = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    task: Task = None,
    target: OneTarget = "cpu",
    max_accuracy_drop: MaxAccuracyDrop = None,
    exclude: Annotated[list[str] | None, Option(help="Node or operator type that stays fp32; repeatable.")] = None,
    sensitivity: Annotated[
        bool, Option("--sensitivity", help="Only show what each operator costs in int8; writes no bundle.")
    ] = False,
    teacher: Teacher = None,
    settings: Set = None,
    devices: Devices = None,
    as_json: Json = False,
) -> None:
    """Quantize a bundle or a model folder, measure it against its fp32 self in turns, and say whether it pays."""
    from edgekd.cli.compress_steps import quantize_rung
    from edgekd.cli.compress_tables import show_quantized, show_sensitivity
    from edgekd.cli.options import compress_settings, data_settings
    from edgekd.cli.progress import ConsoleProgress
    from edgekd.single import quantize as quantize_source
    from edgekd.single import sensitivity_of

    rung = quantize_rung(to or ["int8"], exclude or [])
    flags = data_settings(data, validation, test, None, text_column, label_column, task)
    flags |= compress_settings(max_accuracy_drop, None, None, None, False)
    recipe, profile = _recipe(flags, settings, teacher or str(source), target, devices)
    if sensitivity:
        show_sensitivity(sensitivity_of(source, recipe, profile, ConsoleProgress()), as_json)
        return
    show_quantized(quantize_source(source, rung, recipe, profile, out, ConsoleProgress()), as_json)


def _recipe(
    flags: dict[str, Any], settings: list[str] | None, teacher: str, target: str, devices: Path | None
) -> tuple[Recipe, DeviceProfile]:
    """Return a recipe whose teacher is a classifier that is there already, and the profile."""
    from edgekd.cli.options import build_recipe
    from edgekd.devices import find_profile
    from edgekd.errors import ConfigError
    from edgekd.workplace import stored_max_length

    if flags["data.train"] is None and not any(item.startswith("data.train=") for item in settings or []):
        raise ConfigError(
            "Labelled texts are needed, to learn from and to measure with, but there is no --data.",
            hint="For a model of a run: --data RUN/data",
        )
    if not any(item.startswith("teacher.max_length") for item in settings or []):
        flags["teacher.max_length"] = stored_max_length(Path(teacher))
    flags |= {"teacher.model": teacher, "teacher.fine_tune": False}
    return build_recipe(None, flags, settings, targets=[target]), find_profile(target, devices)
