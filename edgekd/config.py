"""Configuration of every stage, as inert pydantic models: they only reject, they never act."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from edgekd.steps import Rung
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
    """`single-label`, `multi-label` (a list, or names joined with `|`, `,` or `;`) or `regression` (a number)."""
    evaluate: dict[str, str] = Field(default_factory=dict)
    """Further labelled sources by name, for instance of another domain; teacher and students are scored on them."""
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


class TransferMix(StageConfig):
    """Shares of the ways in which texts are made from texts; they need not add up to 1."""

    spans: float = Field(default=1.0, ge=0)
    """A random part of a text: contiguous words."""
    masking: float = Field(default=0.0, ge=0)
    """A text with random words replaced by the mask token (Tang et al. 2019)."""
    ngrams: float = Field(default=0.0, ge=0)
    """One to five contiguous words of a text (n-gram sampling, Tang et al. 2019)."""
    noise: float = Field(default=0.0, ge=0)
    """A text with words left out, masked, or replaced by words whose vectors are near in the teacher."""


class TransferConfig(StageConfig):
    """Extra texts that only the teacher labels."""

    amount: float = Field(default=8.0, ge=0)
    """Texts made by augmentation, as a multiple of the training set."""
    mix: TransferMix = TransferMix()
    """How they are made."""
    min_words: int = Field(default=2, ge=1)
    """Of a span."""
    mask_share: float = Field(default=0.15, gt=0, lt=1)
    """Probability that masking replaces a word."""
    words: bool = False
    """Each whole word of the teacher's vocabulary is a text of its own."""
    augment_unlabelled: bool = False
    """Make texts from the unlabelled ones too (then `amount` counts from both together)."""
    unlabelled: bool = True
    """Use `data.unlabelled`."""
    min_confidence: float = Field(default=0.0, ge=0, lt=1)
    """Leave out texts whose most likely label has a lower probability under the teacher (`single-label`)."""
    class_balance: bool = False
    """Leave out texts of the teacher's more frequent labels until all are equally frequent (`single-label`)."""
    seed: int = 0
    """Of everything random here."""


class LabelConfig(StageConfig):
    """How teacher labels are computed."""

    batch_size: int = Field(default=64, ge=1)
    """Texts the teacher labels at once."""
    shard_size: int = Field(default=4096, ge=1)
    """Texts a file; a killed run goes on at the next file."""


LossKind = Literal["soft", "hard", "mse", "huber", "dkd", "dist"]
FeatureKind = Literal["hidden", "attention", "relations", "cosine", "contrastive", "rkd"]
Curve = Literal["constant", "linear", "cosine"]


class FeatureLossConfig(StageConfig):
    """One loss between inner representations of teacher and student."""

    kind: FeatureKind
    """`hidden`, `attention`, `relations` (transformer students); `cosine`, `contrastive`, `rkd` (sentence vectors)."""
    weight: float = Field(default=1.0, gt=0)
    """Added with this weight."""
    mapping: Literal["uniform", "last", "skip", "auto"] | list[int] = "uniform"
    """The teacher layer (from 0) of each student layer; `auto` compares representations (CKA) on a sample."""
    heads: int | None = Field(default=None, ge=1)
    """`relations`: relation heads; the student's number of heads if not given."""
    temperature: float = Field(default=0.05, gt=0)
    """`contrastive`: of the similarities."""


class VocabularyConfig(StageConfig):
    """A student's own tokenizer, trained on the training and transfer texts."""

    kind: Literal["wordpiece", "bpe", "unigram"] = "wordpiece"
    """Algorithm."""
    size: int = Field(default=8000, ge=100, le=200_000)
    """Tokens, special ones included."""
    lowercase: bool = True
    """Fold case and strip accents first."""


class SelfTrainingConfig(StageConfig):
    """Rounds in which a student labels the transfer texts itself and learns from what it is sure of."""

    rounds: int = Field(default=1, ge=1, le=10)
    """Each goes on from the student before; it is kept when it is better on validation."""
    min_confidence: float = Field(default=0.9, gt=0, lt=1)
    """Probability of a label below which a text is left out."""
    class_balance: bool = True
    """As many texts of each label."""


class StudentConfig(StageConfig):
    """One student and how it is trained; a field that its kind does not have is rejected when it is built."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, populate_by_name=True)

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Folder and table name; the kind if not given."""
    kind: str
    """`linear`, `bag`, `cnn`, `bilstm`, `bigru` or `transformer`; `edgekd students` explains them."""
    size: Literal["nano", "micro", "tiny", "small"] | None = None
    """A named size; explicit fields win over it."""
    teacher: str | None = None
    """Distil from another student of the recipe (a teacher assistant), by its name."""
    embedding_dim: int | None = Field(default=None, ge=4)
    """All but a cut `transformer`: width of the token vectors."""
    embeddings: Literal["teacher-output", "teacher-input", "random"] | None = None
    """Start of the token vectors: a PCA of what the teacher makes of each token, of its input table, or random."""
    factor_dim: int | None = Field(default=None, ge=4)
    """Factorised embeddings: vectors of this width, then a matrix to `embedding_dim` (ALBERT)."""
    hidden_dim: int | None = Field(default=None, ge=4)
    """`bag`: MLP; `cnn`: filters of a width; `bilstm`, `bigru`: units of a direction; `transformer`: hidden size."""
    widths: list[int] | None = None
    """`cnn`: filter widths in tokens."""
    ngrams: int | None = Field(default=None, ge=1, le=4)
    """`linear`, `bag`: longest hashed n-gram of tokens."""
    buckets: int | None = Field(default=None, ge=16)
    """`linear`, `bag`: rows of the n-gram table."""
    layers: list[int] | int | None = None
    """`transformer`: layers of the teacher (a list from 0) or how many; `bilstm`, `bigru`: how many."""
    from_scratch: bool | None = None
    """`transformer`: new random layers of `hidden_dim`, `heads`, `ffn_dim` instead of the teacher's."""
    heads: int | None = Field(default=None, ge=1)
    """`transformer` from scratch: attention heads."""
    ffn_dim: int | None = Field(default=None, ge=4)
    """`transformer` from scratch: width of the feed-forward part."""
    projection: Literal["pca", "learned"] | None = None
    """`transformer` cut from the teacher with a smaller `hidden_dim`: how its weights are projected."""
    features: Literal["tokens", "teacher"] | None = None
    """`linear`: a head on token (n-gram) counts, or on the frozen teacher's sentence vector."""
    vocabulary: VocabularyConfig | None = None
    """An own tokenizer instead of the teacher's."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Before and after the pooled vector; not for a cut `transformer`."""

    loss: LossKind = "soft"
    """Teacher part: `soft` T^2 KL; `hard` its most likely label; `mse`, `huber` its logits; `dkd`; `dist`."""
    alpha: float = Field(default=0.1, ge=0, validation_alias=AliasChoices("alpha", "w_hard"))
    """Weight of the true labels; also `w_hard`."""
    beta: float = Field(default=0.9, ge=0, validation_alias=AliasChoices("beta", "w_soft"))
    """Weight of the teacher; also `w_soft`."""
    temperature: float = Field(default=2.0, gt=0)
    """Softens both sides (`soft`, `dkd`, `dist`)."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Of the true labels."""
    dkd_target: float = Field(default=1.0, ge=0)
    """`dkd`: weight of the target-class part."""
    dkd_others: float = Field(default=2.0, ge=0)
    """`dkd`: weight of the other classes' part."""
    alpha_curve: Curve = "constant"
    """How alpha goes to `alpha_end`; beta then keeps alpha + beta."""
    alpha_end: float | None = Field(default=None, ge=0)
    """Alpha at the last step."""
    temperature_curve: Curve = "constant"
    """How the temperature goes to `temperature_end`."""
    temperature_end: float | None = Field(default=None, gt=0)
    """Temperature at the last step."""
    sample_weights: Literal["equal", "teacher-confidence", "student-uncertainty"] = "equal"
    """Weight of each text in the teacher part; its mean over a batch is 1 (dynamic distillation, Li et al. 2021)."""
    feature_losses: list[FeatureLossConfig] = Field(default_factory=list)
    """Losses on inner representations; the teacher then runs beside the student."""
    feature_epochs: int = Field(default=0, ge=0)
    """So many epochs with the feature losses alone come first; 0 uses them beside the others."""
    self_training: SelfTrainingConfig | None = None
    """Rounds after the distillation."""

    epochs: int = Field(default=8, ge=1)
    """At most so many; the weights that were best on validation are kept."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak of the schedule."""
    batch_size: int = Field(default=128, ge=1)
    """Texts a step."""
    warmup_ratio: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Of AdamW."""
    average: float = Field(default=0.0, ge=0, lt=1)
    """Decay a step of an exponential mean of the weights, which is then what is evaluated and kept; 0: none."""
    patience: int = Field(default=3, ge=1)
    """Epochs without improvement before training stops."""
    max_transfer: int | None = Field(default=None, ge=0)
    """At most so many texts that only the teacher labelled; all if not given."""
    control_epochs: int | None = Field(default=None, ge=1)
    """Of the control; as many steps as the student took, at most 30 epochs, if not given."""
    seed: int = 0
    """Of the weights and the order of the texts; with several `seeds` the first one."""
    seeds: int | None = Field(default=None, ge=1, le=50)
    """Train this student and its controls so many times; `seeds` of the recipe if not given."""

    @model_validator(mode="after")
    def _some_signal(self) -> StudentConfig:
        if self.alpha == 0 and self.beta == 0:
            raise ValueError("alpha and beta are both 0, so there is nothing to learn from")
        for name in ("alpha", "temperature"):
            curve, end = getattr(self, f"{name}_curve"), getattr(self, f"{name}_end")
            if (curve == "constant") != (end is None):
                raise ValueError(f"{name}_curve and {name}_end go together: give both or neither")
        if self.feature_epochs and not self.feature_losses:
            raise ValueError("feature_epochs needs feature_losses")
        return self

    @property
    def label(self) -> str:
        """The student's name in folders and tables."""
        return self.name or self.kind


class FurtherTaskConfig(StageConfig):
    """Another data set with its own teacher, for which every student gets a head of its own."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Names its folder, `tasks/NAME` in the run folder."""
    data: DataConfig
    """Its texts and labels; any task."""
    teacher: TeacherConfig = TeacherConfig()
    """Its teacher; the students' tokenizer and start come from the first task's."""


class ExportConfig(StageConfig):
    """The parity that a graph must reach: fp32 with the model in torch, lower precision with the fp32 graph.

    Lower precision fails only where it is clearly beyond; what passes is judged by `compress.max_accuracy_drop`.
    """

    max_abs_diff: float = Field(default=1e-4, gt=0)
    """fp32: largest difference of a logit; a share of the largest logit where that is above 1."""
    max_label_flips: int = Field(default=0, ge=0)
    """fp32: texts whose label may change, but for those whose best two logits are closer than that."""
    fp16_max_flip_share: float = Field(default=0.01, ge=0, lt=1)
    """Share of texts with another label (low end, 95 %); regression: mean shift in standard deviations."""
    fp16_max_score_drop: float = Field(default=0.01, ge=0, lt=1)
    """Of the main score (small end, 95 %); `compress.max_accuracy_drop` where that allows more."""
    int8_max_flip_share: float = Field(default=0.1, ge=0, lt=1)
    """As for fp16."""
    int8_max_score_drop: float = Field(default=0.05, ge=0, lt=1)
    """As for fp16."""
    int4_max_flip_share: float = Field(default=0.2, ge=0, lt=1)
    """As for fp16."""
    int4_max_score_drop: float = Field(default=0.1, ge=0, lt=1)
    """As for fp16."""
    parity_texts: int = Field(default=256, ge=8)
    """Validation texts compared, of all lengths."""


class LimitsConfig(StageConfig):
    """What a variant may cost on the target; limits of the profile hold where none is given here."""

    p95_s: float | None = Field(default=None, gt=0)
    """95th percentile of the latency, text in to answer out."""
    size_bytes: int | None = Field(default=None, gt=0)
    """Everything that must be shipped, the tokenizer too."""
    peak_rss_bytes: int | None = Field(default=None, gt=0)
    """Highest resident memory."""


class CompressConfig(StageConfig):
    """Which compressed variants are tried, and what they may cost."""

    ladder: list[Rung] | None = None
    """Candidates for every target; those of the profile if not given, none with `[]`."""
    teacher: bool = True
    """Compress the teacher too."""
    max_accuracy_drop: float = Field(default=0.01, ge=0, lt=1)
    """Of the main score against the same model uncompressed, on validation, with a 95 % interval."""
    limits: LimitsConfig = LimitsConfig()
    """Of the best variant."""
    timed_texts: int = Field(default=200, ge=20)
    """Validation texts whose latency is measured; all are answered."""
    passes: int = Field(default=2, ge=1)
    """Over the timed texts."""
    max_seconds: float = Field(default=60.0, gt=0)
    """Of timing all candidates of one model, in turns."""


class BenchConfig(StageConfig):
    """How long and how finely variants are measured."""

    passes: int = Field(default=2, ge=1)
    """How often each text is timed, all processes together; each process goes over the texts at least once."""
    processes: int = Field(default=3, ge=1, le=100)
    """Fresh processes of each variant, one after the other; how they differ is part of the intervals."""
    precision: float | None = Field(default=None, gt=0, lt=1)
    """Go on, with further processes, until every median latency is known within this share (half of its interval)."""
    max_texts: int | None = Field(default=None, ge=1)
    """Time only so many texts; all if not given."""
    warm_up_calls: int = Field(default=50, ge=1)
    """Calls before timing."""
    block_size: int = Field(default=10, ge=1)
    """Texts a variant measures before it is the next one's turn."""
    min_seconds: float = Field(default=0.0, ge=0)
    """Of timing, all variants together; passes are added until then."""
    max_seconds: float = Field(default=120.0, gt=0)
    """Of timing; stops after a whole block."""
    seed: int = 0
    """Of the order of the variants."""

    @model_validator(mode="after")
    def _least_time_is_possible(self) -> BenchConfig:
        if self.min_seconds > self.max_seconds:
            raise ValueError(f"min_seconds ({self.min_seconds:g}) is more than max_seconds ({self.max_seconds:g})")
        return self


class Recipe(StageConfig):
    """Everything a run needs; saved resolved beside every output."""

    name: str = Field(default="demo", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Names the run folder."""
    targets: list[str] = Field(default_factory=lambda: ["cpu"], min_length=1)
    """Device profiles or aliases."""
    data: DataConfig = DataConfig()
    teacher: TeacherConfig = TeacherConfig()
    """The teacher whose tokenizer and vectors the students get."""
    more_teachers: list[TeacherConfig] = Field(default_factory=list)
    """Further teachers that label the texts too."""
    combine: Literal["mean", "weighted", "confident"] = "weighted"
    """Several teachers: mean of the probabilities, weighted by validation score, or the surest for each text."""
    transfer: TransferConfig = TransferConfig()
    labels: LabelConfig = LabelConfig()
    more_tasks: list[FurtherTaskConfig] = Field(default_factory=list)
    """Train each student on these data sets too, one head a data set."""
    students: list[StudentConfig] = Field(min_length=1)
    seeds: int = Field(default=1, ge=1, le=50)
    """Train every student and control so many times; means and intervals are shown, the best on validation is kept."""
    control: bool = True
    """Train each student also without the teacher, to show what the teacher gained."""
    transfer_control: bool = False
    """Train each student also on the teacher's most likely labels: tells *more data* from *softer targets*."""
    export: ExportConfig = ExportConfig()
    compress: CompressConfig = CompressConfig()
    bench: BenchConfig = BenchConfig()

    @model_validator(mode="after")
    def _unique_students(self) -> Recipe:
        names = [student.label for student in self.students]
        double = {name for name in names if names.count(name) > 1}
        if double:
            raise ValueError(f"students share the name {sorted(double)}; give each its own 'name'")
        for index, student in enumerate(self.students):
            if student.teacher is not None and student.teacher not in names[:index]:
                raise ValueError(
                    f"student '{student.label}' learns from '{student.teacher}', which is no student before it; "
                    f"before it are {names[:index] or 'none'}"
                )
        return self
