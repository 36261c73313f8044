"""Configuration of every stage, as inert pydantic models: they only reject, they never act."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edgekd.tasks import TaskKind


class StageConfig(BaseModel):
    """Base of all stage configurations: immutable, an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitConfig(StageConfig):
    """Shares of the hash-based splits that are made when a split is not given."""

    validation: float = Field(default=0.1, gt=0, lt=0.5)
    test: float = Field(default=0.15, gt=0, lt=0.5)
    seed: int = 0


class DataConfig(StageConfig):
    """Where the texts come from.

    A source is a file (CSV, TSV, JSON lines, Parquet, text), a data set folder, a hub id, or ``asset:NAME``.
    """

    train: str = "asset:movie-sentiment"
    validation: str | None = None
    test: str | None = None
    unlabelled: list[str] = Field(default_factory=list)
    text_column: str | None = None
    label_column: str | None = None
    labels: list[str] | None = None
    task: TaskKind = TaskKind.SINGLE_LABEL
    split: SplitConfig = SplitConfig()


class TeacherConfig(StageConfig):
    """The teacher: a base encoder to fine-tune, or a classifier that is used as it is."""

    model: str = "asset:all-MiniLM-L6-v2"
    fine_tune: bool = True
    epochs: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    batch_size: int = Field(default=32, ge=1)
    max_length: int = Field(default=64, ge=8, le=8192)
    warmup_ratio: float = Field(default=0.1, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    patience: int = Field(default=2, ge=1)
    seed: int = 0
    trust_remote_code: bool = False


class TransferConfig(StageConfig):
    """Extra texts that only the teacher labels."""

    spans_per_text: float = Field(default=8.0, ge=0)
    min_words: int = Field(default=2, ge=1)
    unlabelled: bool = True
    seed: int = 0


class LabelConfig(StageConfig):
    """How teacher labels are computed."""

    batch_size: int = Field(default=64, ge=1)
    shard_size: int = Field(default=4096, ge=1)


LossKind = Literal["soft", "hard", "mse"]


class StudentConfig(StageConfig):
    """One student and how it is trained; a field that its kind does not have is rejected when it is built."""

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    kind: str
    embedding_dim: int | None = Field(default=None, ge=4)  # bag, cnn: PCA of the teacher's embeddings
    hidden_dim: int | None = Field(default=None, ge=4)  # bag: width of the MLP; cnn: filters per width
    widths: list[int] | None = None  # cnn: filter widths in tokens
    layers: list[int] | int | None = None  # transformer: which teacher layers, or how many
    dropout: float = Field(default=0.1, ge=0, lt=1)

    loss: LossKind = "soft"
    alpha: float = Field(default=0.1, ge=0)  # weight of the true labels
    beta: float = Field(default=0.9, ge=0)  # weight of the teacher
    temperature: float = Field(default=2.0, gt=0)
    epochs: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    batch_size: int = Field(default=128, ge=1)
    warmup_ratio: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    patience: int = Field(default=3, ge=1)
    max_transfer: int | None = Field(default=None, ge=0)  # at most so many teacher-labelled texts
    control_epochs: int | None = Field(default=None, ge=1)
    seed: int = 0

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
    max_label_flips: int = Field(default=0, ge=0)
    parity_texts: int = Field(default=256, ge=8)


class QuantizeConfig(StageConfig):
    """Which precisions are built besides fp32."""

    int8: bool = True
    max_flip_rate: float = Field(default=0.05, ge=0, le=1)


class BenchConfig(StageConfig):
    """How long and how finely variants are measured."""

    passes: int = Field(default=2, ge=1)
    max_texts: int | None = Field(default=None, ge=1)
    warm_up_calls: int = Field(default=50, ge=1)
    block_size: int = Field(default=50, ge=1)
    max_seconds: float = Field(default=120.0, gt=0)
    seed: int = 0


class Recipe(StageConfig):
    """Everything a run needs; saved resolved beside every output."""

    name: str = Field(default="demo", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    targets: list[str] = Field(default_factory=lambda: ["cpu"], min_length=1)
    data: DataConfig = DataConfig()
    teacher: TeacherConfig = TeacherConfig()
    transfer: TransferConfig = TransferConfig()
    labels: LabelConfig = LabelConfig()
    students: list[StudentConfig] = Field(min_length=1)
    control: bool = True
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
