"""``edgekd export``: a classifier in other formats, as verified bundles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option, Typer

from edgekd.cli.build import Devices, Json, LabelColumn, Set, TextColumn, Validation
from edgekd.errors import ConfigError

if TYPE_CHECKING:
    from edgekd.devices import DeviceProfile
    from edgekd.export.formats import Format
    from edgekd.tasks import TaskKind

_DATA, _SHAPE = "Data", "Shape"


def register(app: Typer) -> None:
    """Add the commands of this module to the app."""
    app.command(rich_help_panel="Build")(export)


def export(
    model: Annotated[
        str,
        Argument(
            help="Model folder, hub id, asset:NAME, bundle, or .onnx file with its tokenizer.", show_default=False
        ),
    ],
    to: Annotated[
        list[str] | None,
        Option(
            help="onnx, onnx-fused, openvino, openvino-fp16, openvino-int8, tensorrt, ort, or all; repeatable, or with "
            "commas. int8 and fp16 of ONNX: edgekd quantize.",
            show_default="what the target's runtime prefers",
        ),
    ] = None,
    target: Annotated[str, Option("--target", "-t", help="Device profile or alias.")] = "cpu",
    out: Annotated[Path, Option("--out", "-o", help="Folder for the bundles, OUT/NAME-FORMAT.")] = Path("bundles"),
    name: Annotated[str | None, Option(help="What the bundles are called.", show_default="the model's name")] = None,
    length: Annotated[
        str,
        Option(
            help="any, a fixed length such as 128, or buckets such as 32,64,128; in tokens.", rich_help_panel=_SHAPE
        ),
    ] = "any",
    batch: Annotated[
        int | None, Option(min=1, help="Texts a call.", show_default="any", rich_help_panel=_SHAPE)
    ] = None,
    max_length: Annotated[
        int | None,
        Option(help="Tokens where a text is cut.", show_default="the model's, at most 512", rich_help_panel=_SHAPE),
    ] = None,
    opset: Annotated[
        int | None,
        Option(min=13, max=26, help="Newest ONNX opset.", show_default="the profile's", rich_help_panel=_SHAPE),
    ] = None,
    data: Annotated[
        str | None,
        Option(
            "--data",
            "-d",
            help="Labelled texts to compare on and to calibrate with: file, folder, hub id or asset:NAME.",
            show_default="texts made of the vocabulary",
            rich_help_panel=_DATA,
        ),
    ] = None,
    validation: Validation = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    task: Annotated[
        str | None,
        Option(
            help="single-label, multi-label or regression.", show_default="config.json says it", rich_help_panel=_DATA
        ),
    ] = None,
    with_tokenizer: Annotated[
        bool,
        Option("--with-tokenizer", help="Also bundles whose graph takes texts, OUT/NAME-FORMAT-text (onnx, openvino)."),
    ] = False,
    settings: Set = None,
    devices: Devices = None,
    as_json: Json = False,
) -> None:
    """Export a classifier to other formats. Each becomes a bundle, and only one that says what the model says.

    Takes every student, and sequence classifiers of the encoder families BERT, DistilBERT, RoBERTa, ELECTRA, ALBERT,
    MobileBERT, DeBERTa-v2 and ModernBERT.
    """
    from edgekd.cli.export_tables import failed_code, show_exported
    from edgekd.cli.options import build_recipe, data_settings
    from edgekd.cli.progress import ConsoleProgress
    from edgekd.devices import find_profile

    profile = find_profile(target, devices)
    has_data = data is not None or any(item.startswith("data.train=") for item in settings or [])
    formats = _formats(to, profile, has_data)
    if with_tokenizer and not any(one.can_take_text for one in formats):
        raise ConfigError(
            f"--with-tokenizer: graphs for {', '.join(one.name for one in formats)} cannot take texts.",
            hint="Those of onnx, onnx-fused and the openvino formats can.",
        )
    kind = _task(task)
    if validation is not None and not has_data:
        raise ConfigError("--validation needs --data beside it.", hint="To compare on one file: --data FILE")
    lengths = _lengths(length)
    if name is not None and (not name.strip() or "/" in name or name.startswith(".")):
        raise ConfigError(f"--name '{name}' cannot be the name of a folder.", hint="For example: --name sentiment")
    flags = data_settings(data, validation, None, None, text_column, label_column)
    recipe = build_recipe(None, flags, settings, targets=[target])

    from edgekd.exportable import Shape  # only here, because what is wrong so far is said at once
    from edgekd.exporting import ExportSettings, export_model

    wanted = ExportSettings(
        formats=formats,
        config=recipe.export,
        shape=Shape(lengths, batch, max_length),
        opset=opset,
        task=kind,
        name=name,
        data=recipe.data if has_data else None,
        with_tokenizer=with_tokenizer,
    )
    outcome = export_model(model, wanted, profile, out, ConsoleProgress())
    show_exported(outcome, as_json)
    if code := failed_code(outcome):
        raise Exit(code)


def _formats(to: list[str] | None, profile: DeviceProfile, has_data: bool) -> list[Format]:
    """Return the formats that are asked for, each once; refuse those that need data when there is none."""
    from edgekd.export.formats import FORMATS, all_formats, find_format, preferred_format

    names = [part.strip() for item in to or [] for part in item.split(",")]
    if to and not any(names):
        raise ConfigError(f"--to '{to[0]}' names no format.", hint=f"Give {', '.join(FORMATS)} or all.")
    if not names:
        return [preferred_format(profile)]
    if "all" in names:
        return all_formats(profile, has_data=has_data)
    found = [find_format(name) for name in dict.fromkeys(names)]
    for one in found:
        if one.needs_data and not has_data:
            raise ConfigError(
                f"--to {one.name} calibrates on labelled texts, but there is no --data.",
                hint="For a model of a run: --data RUN/data",
            )
    return found


def _task(name: str | None) -> TaskKind | None:
    from edgekd.errors import unknown_name
    from edgekd.tasks import TaskKind

    kinds = {kind.value: kind for kind in TaskKind}
    if name is not None and name not in kinds:
        raise unknown_name("task", name, kinds)
    return None if name is None else kinds[name]


def _lengths(text: str) -> tuple[int, ...]:
    """Return the lengths of ``any``, ``128`` or ``32,64,128``."""
    if text == "any":
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(
            f"--length '{text}' is no length.", hint="Give any, a number of tokens such as 128, or several: 32,64,128."
        ) from None
