"""A classifier in several formats, each a bundle that says what the model says.

Data flow: source -> ONNX graph of a flavour -> conversion -> parity with the source -> ``OUT/NAME-FORMAT``. A bundle
that was made of the same things before is kept, so that a killed export goes on.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.artifacts import folder_lock, publish_folder
from edgekd.bundle import GRAPH_FILES, is_bundle, load_bundle
from edgekd.errors import ConfigError, EdgekdError, InvalidArtifact
from edgekd.export.convert import CONVERTERS, Conversion
from edgekd.export.parity import evidence_folder, limits_for, require_parity
from edgekd.export.shapes import check_lengths
from edgekd.export.tensorrt.script import board_software
from edgekd.export_manifest import bundle_key, bundle_manifest
from edgekd.export_material import ExportMaterial
from edgekd.exportable import Exportable, Shape, model_name
from edgekd.opening import open_source
from edgekd.publish import assemble

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.bundle import Bundle
    from edgekd.config import DataConfig, ExportConfig
    from edgekd.devices import DeviceProfile
    from edgekd.export.formats import Format
    from edgekd.progress import Progress
    from edgekd.provenance import Parity
    from edgekd.tasks import TaskKind


@dataclass(frozen=True)
class ExportSettings:
    """What an export is asked for.

    Args:
        formats: one bundle each.
        shape: lengths and batch of the graphs.
        config: limits of parity, and how many texts are compared.
        opset: the newest that a graph may need; the profile's if None.
        task: what the logits are; the model's configuration says it if None.
        name: what the bundles are called; the model's name if None.
        data: labelled texts to compare on and to calibrate with; texts are made of the vocabulary if None.
        with_tokenizer: also ``NAME-FORMAT-text``, whose graph takes texts, of each format that has such graphs.
    """

    formats: Sequence[Format]
    config: ExportConfig
    shape: Shape = field(default_factory=Shape)
    opset: int | None = None
    task: TaskKind | None = None
    name: str | None = None
    data: DataConfig | None = None
    with_tokenizer: bool = False


@dataclass(frozen=True)
class Exported:
    """What became of one format: a bundle, or the reason why there is none."""

    format: Format
    bundle: Bundle | None = None
    reused: bool = False
    error: EdgekdError | None = None
    parity: Parity | None = None  # with the texts that it answers differently, which the bundle does not carry
    takes_text: bool = False  # the tokenizer is inside the graph

    @property
    def label(self) -> str:
        """What to call it in a table."""
        return f"{self.format.name}, text in" if self.takes_text else self.format.name


@dataclass(frozen=True)
class ExportOutcome:
    """What became of all formats.

    Args:
        exported: one a format, in the order that was asked for.
        texts: which texts were compared, in words.
    """

    exported: list[Exported]
    texts: str


def export_model(
    source: str, settings: ExportSettings, profile: DeviceProfile, out: Path, progress: Progress
) -> ExportOutcome:
    """Write a bundle for each format below ``out``; one format's failure does not stop the others.

    Raises:
        ConfigError: when source, task, shape or data cannot be used.
        InvalidArtifact: when the source is damaged.
    """
    shape = settings.shape
    check_lengths(shape.lengths, shape.batch, shape.max_length, None)
    if any(one.runtime == "tensorrt" for one in settings.formats):
        board_software(profile)
    work = out / f".{settings.name or model_name(source)}.export"
    is_new = not out.exists()
    try:
        with folder_lock(work):
            try:
                return _export(source, settings, profile, work, progress)
            finally:
                shutil.rmtree(work)
    finally:
        if is_new and out.is_dir() and not any(out.iterdir()):
            out.rmdir()


def _export(
    source: str, settings: ExportSettings, profile: DeviceProfile, work: Path, progress: Progress
) -> ExportOutcome:
    """Open the source and make all formats beside the folder ``work``, which is locked."""
    for left in work.iterdir():  # of an export that was killed
        if left.is_dir():
            shutil.rmtree(left)
    (work / "model").mkdir()
    progress.start(f"Opening {source}", None)
    model = open_source(source, work / "model", settings.shape, settings.task, settings.name, progress)
    progress.finish(_in_words(model))
    material = ExportMaterial(model, settings.config, settings.data, settings.opset or profile.opset, work, progress)
    maker = _Maker(material, settings.config, profile, work.parent, progress)
    exported = []
    for one in settings.formats:
        made = maker.make(one)
        exported.append(made)
        if settings.with_tokenizer and one.can_take_text and made.bundle is not None:
            exported.append(maker.with_tokenizer(one, made.bundle))
    return ExportOutcome(exported, material.texts_in_words())


class _Maker:
    """Makes the bundles of one export."""

    def __init__(
        self, material: ExportMaterial, config: ExportConfig, profile: DeviceProfile, out: Path, progress: Progress
    ) -> None:
        self.material = material
        self.config = config
        self.profile = profile
        self.out = out
        self.progress = progress

    def make(self, one: Format) -> Exported:
        """Return the bundle of a format, or why there is none."""
        target = self.out / f"{self.material.model.name}-{one.name}"
        key = bundle_key(one, self.material, self.config, self.profile)
        _require_replaceable(target)
        if (kept := _kept(target, key)) is not None:
            self.progress.say(f"{target.name}: unchanged, kept")
            return Exported(one, kept, reused=True)
        self.progress.start(f"Exporting {target.name}", None)
        try:
            bundle, parity = self._bundle(one, target, key)
        except EdgekdError as error:
            self.progress.finish("it failed")
            return Exported(one, error=error)
        self.progress.finish(f"largest difference {units.tiny(parity.max_abs_diff)}, {parity.label_flips} label flips")
        return Exported(one, bundle, parity=parity)

    def _bundle(self, one: Format, target: Path, key: str) -> tuple[Bundle, Parity]:
        """Convert, compare, publish."""
        material, model = self.material, self.material.model
        source = material.graph(one)
        folder = material.work / one.name
        folder.mkdir()
        is_fp32 = model.precision == "fp32"
        details = CONVERTERS[one.name](self._conversion(one, target.name, source, folder))
        graph = folder / GRAPH_FILES[one.runtime][0]
        limits = limits_for(self.config, one.precision if is_fp32 else model.precision)
        try:
            parity = require_parity(
                material.exam, material.expected, graph, limits, name=target.name, evidence=evidence_folder(target)
            )
        except InvalidArtifact as error:
            raise material.explained(error, limits) from error
        precision = one.computes or one.precision if is_fp32 else model.precision
        manifest = bundle_manifest(
            one,
            material,
            self.profile,
            folder,
            name=target.name,
            precision=precision,
            details={**details, "key": key},
            parity=parity,
        )
        with publish_folder(target) as building:
            assemble(building, folder, model.folder, manifest)
        shutil.rmtree(folder)
        return load_bundle(target), parity

    def with_tokenizer(self, one: Format, bundle: Bundle) -> Exported:
        """Put the tokenizer into the graph of a bundle."""
        from edgekd.export.text_graph import add_tokenizer

        target = bundle.folder.with_name(f"{bundle.folder.name}-text")
        _require_replaceable(target)
        if (kept := _opened(target)) is not None and kept.manifest.lineage[:-1] == bundle.manifest.lineage:
            self.progress.say(f"{target.name}: unchanged, kept")
            return Exported(one, kept, reused=True, takes_text=True)
        self.progress.start(f"Exporting {target.name}", None)
        data = self.material.data
        texts = [] if data is None else data.validation.texts
        try:
            made = add_tokenizer(bundle, target, texts=texts)
        except EdgekdError as error:
            self.progress.finish("it failed")
            return Exported(one, error=error, takes_text=True)
        self.progress.finish("the same token ids")
        return Exported(one, made, takes_text=True)

    def _conversion(self, one: Format, name: str, source: Path, folder: Path) -> Conversion:
        material, model = self.material, self.material.model
        return Conversion(
            format=one,
            name=name,
            source=source,
            folder=folder,
            profile=self.profile,
            task=model.task,
            pad_token_id=model.pad_token_id,
            lengths=model.shape.lengths,
            batch=model.shape.batch,
            max_length=model.max_length,
            precision=model.precision,
            rows=material.exam.rows,
            data=material.data,
            encode=material.encode,
        )


def _require_replaceable(target: Path) -> None:
    if target.exists() and not is_bundle(target) and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"'{target}' exists and is no bundle.", hint="Choose another folder with --out, or --name.")


def _opened(target: Path) -> Bundle | None:
    """Return the bundle at ``target``, if there is one and it is whole."""
    try:
        return load_bundle(target) if is_bundle(target) else None
    except InvalidArtifact:
        return None


def _kept(target: Path, key: str) -> Bundle | None:
    """Return the bundle at ``target`` when it was made of the same things."""
    bundle = _opened(target)
    lineage = bundle.manifest.lineage if bundle is not None else []
    return bundle if lineage and lineage[-1].details.get("key") == key else None


def _in_words(model: Exportable) -> str:
    size = "" if model.parameters is None else f"{model.parameters:,} parameters, "
    labels = ", ".join(model.task.labels[:6]) + (", ..." if len(model.task.labels) > 6 else "")
    return f"{size}{model.task.kind.value}: {labels}; texts of up to {model.max_length} tokens"
