"""What the formats of one export share: the model, the texts that it is compared on, and its graphs, each made once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from edgekd import units
from edgekd.bundle import MODEL_FILE, TOKENIZER_FILE
from edgekd.errors import InvalidArtifact, NotApplicable
from edgekd.export.made_texts import made_texts
from edgekd.export.parity import Exam
from edgekd.exportable import PORTABLE, Exportable, Shape
from edgekd.graphs import encode_texts
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgekd.config import DataConfig, ExportConfig
    from edgekd.data.types import TextData
    from edgekd.export.formats import Format
    from edgekd.export.parity import Answers, Limits
    from edgekd.progress import Progress

MADE_TEXTS = 64
PADDED = 4  # texts that tell whether padding changes what the model says


class ExportMaterial:
    """Made when it is asked for.

    Args:
        model: the source, opened.
        config: how many texts are compared.
        data_config: labelled texts, or None.
        opset: the newest that a graph may need.
        work: folder for the graphs.
        progress: told what is read.
    """

    def __init__(
        self,
        model: Exportable,
        config: ExportConfig,
        data_config: DataConfig | None,
        opset: int,
        work: Path,
        progress: Progress,
    ) -> None:
        self.model = model
        self.opset = opset
        self.work = work
        self.progress = progress
        self._config = config
        self._data_config = data_config

    @cached_property
    def data(self) -> TextData | None:
        """The labelled texts, if there are some."""
        config = self._data_config
        if config is None:
            return None
        from edgekd.data.prepare import prepare

        task = self.model.task
        labels = None if task.kind is TaskKind.REGRESSION else list(task.labels)
        return prepare(config.model_copy(update={"task": task.kind, "labels": labels}), progress=self.progress.say)

    @cached_property
    def exam(self) -> Exam:
        """The texts that model and graphs are asked."""
        from tokenizers import Tokenizer

        model, data = self.model, self.data
        if data is None:
            tokenizer = Tokenizer.from_file(str(model.folder / TOKENIZER_FILE))
            texts, targets = made_texts(tokenizer, model.max_length, MADE_TEXTS), None
        else:
            texts, targets = data.validation.texts, data.validation.targets
        return Exam.of(
            texts,
            targets,
            encode=self.encode,
            task=model.task,
            calibration=model.calibration,
            pad_token_id=model.pad_token_id,
            count=self._config.parity_texts,
        )

    @cached_property
    def expected(self) -> Answers:
        """What the model says."""
        return self.exam.answers_by(self.model.logits)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return token ids of texts, cut to what the model reads."""
        return encode_texts(self.model.folder / TOKENIZER_FILE, texts, self.model.max_length)

    def graph(self, one: Format) -> Path:
        """Return the ONNX graph that a format is made of; it is written when it is wanted for the first time."""
        model, flavour = self.model, one.graph
        if flavour not in model.flavours:
            if one.graph == PORTABLE or one.name == "onnx-fused":
                raise NotApplicable(
                    f"{one.name} needs a graph of the flavour '{flavour}', and the one of '{model.name}' is "
                    f"'{model.flavours[0]}'.",
                    hint="Export the model folder that it was made of.",
                )
            flavour = model.flavours[0]
        free = one.runtime == "openvino"  # fixed after the conversion, because int8 is calibrated on free lengths
        if free and not model.is_free:
            raise NotApplicable(
                f"{one.name} starts from a graph that takes any length and batch, and that of '{model.name}' is fixed.",
                hint="Export the model folder that it was made of.",
            )
        shape = Shape() if free else model.shape
        is_fixed = shape.fixed_length is not None or shape.batch is not None
        path = self.work / (f"{flavour}-fixed" if is_fixed else flavour) / MODEL_FILE
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            model.write(path, flavour, self.opset, shape)
        return path

    def explained(self, error: InvalidArtifact, limits: Limits) -> InvalidArtifact:
        """Say so when it is the model itself that answers a padded text differently, as MobileBERT may."""
        if limits.max_abs_diff is None or self.model.shape.batch == 1 or len(self.exam.rows) < PADDED:
            return error
        by_length = sorted(self.exam.rows, key=len)
        changes = self.model.padding_changes([*by_length[: PADDED - 1], by_length[-1]])
        if changes <= limits.max_abs_diff:
            return error
        return InvalidArtifact(
            f"{error.message} The model itself does so: padding changes its logits by up to {units.tiny(changes)}.",
            hint="Export it for one text a call, which is never padded: --batch 1",
        )

    def texts_in_words(self) -> str:
        """Say which texts are compared."""
        if self.data is None:
            return f"{MADE_TEXTS} texts made of the vocabulary, and hostile ones (no --data was given)"
        return f"{len(self.exam.texts)} validation texts of '{self.data.name}', and hostile ones"
