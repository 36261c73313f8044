"""Configuration of every stage, as inert pydantic models: they only reject, they never act."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edgekd.tasks import TaskKind


class StageConfig(BaseModel):
    """Base of all stage configurations: immutable, an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class SplitConfig(StageConfig):
    """Shares of the hash-based splits that are made when a split is not given."""

    validation: float = Field(default=0.1, gt=0, lt=0.5)
    """Share of the texts."""
    test: float = Field(default=0.15, gt=0, lt=0.5)
    """Share of the texts."""
    seed: int = 0
    """Another seed gives other splits."""


class DataConfig(StageConfig):
    """Where the texts come from.

    A source is a file (CSV, TSV, JSON lines, Parquet, text), a data set folder, a hub id, or ``asset:NAME``.
    """

    train: str = "asset:movie-sentiment"
    """Labelled texts."""
    validation: str | None = None
    """Labelled texts; made from `train` if not given."""
    test: str | None = None
    """Labelled texts; made from `train` if not given."""
    unlabelled: list[str] = Field(default_factory=list)
    """Texts without labels, for the teacher to label."""
    text_column: str | None = None
    """Recognised if not given."""
    label_column: str | None = None
    """Recognised if not given."""
    labels: list[str] | None = None
    """Label names in the order of the logits; sorted names if not given."""
    task: TaskKind = TaskKind.SINGLE_LABEL
    """Only `single-label` so far."""
    split: SplitConfig = SplitConfig()
    """How missing splits are made."""


class TeacherConfig(StageConfig):
    """The teacher: a base encoder to fine-tune, or a classifier that is used as it is."""

    model: str = "asset:all-MiniLM-L6-v2"
    """Folder, hub id (org/name) or asset:NAME."""
    fine_tune: bool = True
    """False: the model is a classifier already and is used as it is."""
    epochs: int = Field(default=3, ge=1)
    """At most so many; the weights that were best on validation are kept."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """Peak of a linear schedule."""
    batch_size: int = Field(default=32, ge=1)
    """Texts a step."""
    max_length: int = Field(default=64, ge=8, le=8192)
    """In tokens; longer texts are cut, for the students too."""
    warmup_ratio: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Of AdamW."""
    patience: int = Field(default=2, ge=1)
    """Evaluations (two an epoch) without improvement before training stops."""
    seed: int = 0
    """Of the new head and the order of the texts."""
    runs: int = Field(default=1, ge=1, le=10)
    """Fine-tune so many times with other orders of the texts and average the weights (takes as many times longer)."""
    trust_remote_code: bool = False
    """Run code that comes with a hub model."""


class TransferConfig(StageConfig):
    """Extra texts that only the teacher labels."""

    spans_per_text: float = Field(default=8.0, ge=0)
    """Random sub-spans of each training text, on average."""
    min_words: int = Field(default=2, ge=1)
    """Of a span."""
    unlabelled: bool = True
    """Use `data.unlabelled`."""
    seed: int = 0
    """Of the spans."""


class LabelConfig(StageConfig):
    """How teacher labels are computed."""

    batch_size: int = Field(default=64, ge=1)
    """Texts the teacher labels at once."""
    shard_size: int = Field(default=4096, ge=1)
    """Texts a file; a killed run goes on at the next file."""


LossKind = Literal["soft", "hard", "mse"]


class StudentConfig(StageConfig):
    """One student and how it is trained; a field that its kind does not have is rejected when it is built."""

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Folder and table name; the kind if not given."""
    kind: str
    """`bag`, `cnn` or `transformer`."""
    embedding_dim: int | None = Field(default=None, ge=4)
    """`bag`, `cnn`: components of a PCA of the teacher's embeddings; 128 if not given."""
    hidden_dim: int | None = Field(default=None, ge=4)
    """`bag`: width of the MLP (128); `cnn`: filters of each width (96)."""
    widths: list[int] | None = None
    """`cnn`: filter widths in tokens; [2, 3, 4] if not given."""
    layers: list[int] | int | None = None
    """`transformer`: which layers of the teacher (a list from 0), or how many; half if not given."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """`bag`, `cnn`."""

    loss: LossKind = "soft"
    """`soft`: T^2 KL to the teacher; `hard`: its most likely label; `mse`: its logits."""
    alpha: float = Field(default=0.1, ge=0)
    """Weight of the true labels."""
    beta: float = Field(default=0.9, ge=0)
    """Weight of the teacher."""
    temperature: float = Field(default=2.0, gt=0)
    """Of the `soft` loss."""
    epochs: int = Field(default=8, ge=1)
    """At most so many; the weights that were best on validation are kept."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak of a linear schedule."""
    batch_size: int = Field(default=128, ge=1)
    """Texts a step."""
    warmup_ratio: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Of AdamW."""
    patience: int = Field(default=3, ge=1)
    """Epochs without improvement before training stops."""
    max_transfer: int | None = Field(default=None, ge=0)
    """At most so many texts that only the teacher labelled; all if not given."""
    control_epochs: int | None = Field(default=None, ge=1)
    """Of the control; as many steps as the student took, at most 30 epochs, if not given."""
    seed: int = 0
    """Of the weights and the order of the texts."""

    @model_validator(mode="after")
    def _some_signal(self) -> StudentConfig:
        if self.alpha == 0 and self.beta == 0:
            raise ValueError("alpha and beta are both 0, so there is nothing to learn from")
        return self

    @property
    def label(self) -> str:
        """The student's name in folders and tables."""
        return self.name or self.kind


class ExportConfig(StageConfig):
    """ONNX export and the parity it must reach."""

    max_abs_diff: float = Field(default=1e-3, gt=0)
    """Largest difference of a logit between the graph and torch."""
    max_label_flips: int = Field(default=0, ge=0)
    """Texts whose label may change by the export."""
    parity_texts: int = Field(default=256, ge=8)
    """Validation texts compared, of all lengths."""


class QuantizeConfig(StageConfig):
    """Which precisions are built besides fp32."""

    int8: bool = True
    """Build dynamic int8 beside fp32."""
    max_flip_rate: float = Field(default=0.05, ge=0, le=1)
    """int8 is dropped when it changes a larger share of the labels."""


class BenchConfig(StageConfig):
    """How long and how finely variants are measured."""

    passes: int = Field(default=2, ge=1)
    """Over the texts."""
    max_texts: int | None = Field(default=None, ge=1)
    """Time only so many texts; all if not given."""
    warm_up_calls: int = Field(default=50, ge=1)
    """Calls before timing."""
    block_size: int = Field(default=50, ge=1)
    """Texts a variant measures before it is the next one's turn."""
    max_seconds: float = Field(default=120.0, gt=0)
    """Of timing; stops after a whole block."""
    seed: int = 0
    """Of the order of the variants."""


class Recipe(StageConfig):
    """Everything a run needs; saved resolved beside every output."""

    name: str = Field(default="demo", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Names the run folder."""
    targets: list[str] = Field(default_factory=lambda: ["cpu"], min_length=1)
    """Device profiles or aliases."""
    data: DataConfig = DataConfig()
    teacher: TeacherConfig = TeacherConfig()
    transfer: TransferConfig = TransferConfig()
    labels: LabelConfig = LabelConfig()
    students: list[StudentConfig] = Field(min_length=1)
    control: bool = True
    """Train each student also without the teacher, to show what the teacher gained."""
    export: ExportConfig = ExportConfig()
    quantize: QuantizeConfig = QuantizeConfig()
    bench: BenchConfig = BenchConfig()

    @model_validator(mode="after")
    def _unique_students(self) -> Recipe:
        names = [student.label for student in self.students]
        double = {name for name in names if names.count(name) > 1}
        if double:
            raise ValueError(f"students share the name {sorted(double)}; give each its own 'name'")
        return self
