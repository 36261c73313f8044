"""What a ladder of compression is made of: steps, their settings, and the rungs that a target tries."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class StepConfig(BaseModel):
    """Base of all steps: immutable, an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    needs_portable_graph: ClassVar[bool] = False  # it does not read ONNX Runtime's own operators

    @property
    def label(self) -> str:
        """What the step adds to the name of a variant."""
        return str(self.step)  # type: ignore[attr-defined]


# Steps on a trained model: model and tokenizer in, smaller model and tokenizer out.


class VocabularyStep(StepConfig):
    """Keep only the tokens that the texts need, and characters to spell the rest."""

    step: Literal["vocabulary"] = "vocabulary"
    texts: Literal["data", "transfer"] = "data"
    """Which texts need them: training and unlabelled ones, or the transfer texts too."""
    min_count: int = Field(default=1, ge=1)
    """A token that occurs less often goes too; its words are then spelled with smaller pieces."""
    size: int | None = Field(default=None, ge=100)
    """At most so many tokens, the most frequent ones; all that occur if not given."""
    characters: Literal["all", "seen"] = "all"
    """Single characters that stay, to spell any word: all of the tokenizer's, or those of tokens that occur."""
    epochs: int = Field(default=0, ge=0)
    """Distil so long afterwards."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Of it; a fifth of the model's own if not given."""

    @property
    def label(self) -> str:
        """``vocabulary``, with its size if there is one."""
        return "vocab" if self.size is None else f"vocab{self.size}"


Units = Literal["heads", "ffn", "filters", "recurrent", "hidden"]


class PruneStep(StepConfig):
    """Remove whole units, so that the tensors shrink, and distil again. Exactly one budget says how much."""

    step: Literal["prune"] = "prune"
    units: list[Units] | None = None
    """Heads, feed-forward neurons, filters (`cnn`), recurrent units, hidden neurons (`bag`); all by default."""
    ratio: float | None = Field(default=None, gt=0, lt=1)
    """Budget: share of the units' parameters that go."""
    max_bytes: int | None = Field(default=None, ge=1)
    """Budget: fp32 bytes of the whole model."""
    macs_ratio: float | None = Field(default=None, gt=0, lt=1)
    """Budget: multiplications of the whole model for a text of 32 tokens, as a share of before."""
    latency_ratio: float | None = Field(default=None, gt=0, lt=1)
    """Budget: median latency of the exported graph for the target, measured here, as a share of before."""
    scope: Literal["global", "layer"] = "global"
    """Compare units of all layers with each other, or take an equal share from each layer."""
    importance: Literal["magnitude", "taylor"] = "taylor"
    """`taylor`: weight times gradient on training texts (Molchanov et al. 2019); `magnitude`: size of the weights."""
    multiple_of: int = Field(default=8, ge=1)
    """Widths that are left are multiples of it, which vector instructions like."""
    layers: int | None = Field(default=None, ge=1)
    """Keep so many layers: those go first whose loss costs least on validation (leave one out)."""
    hidden_dim: int | None = Field(default=None, ge=4)
    """Project a transformer's hidden size on its principal components."""
    embedding_dim: int | None = Field(default=None, ge=2)
    """Project token vectors on their principal components (`bag`, `cnn`, `bilstm`, `bigru`)."""
    rounds: int = Field(default=1, ge=1, le=10)
    """Remove in so many rounds, each followed by distillation."""
    epochs: int = Field(default=1, ge=0)
    """Of distillation after each round."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Of it; half of the model's own if not given."""

    @model_validator(mode="after")
    def _one_budget(self) -> PruneStep:
        budgets = ("ratio", "max_bytes", "macs_ratio", "latency_ratio")
        given = [name for name in budgets if getattr(self, name) is not None]
        shape = [name for name in ("layers", "hidden_dim", "embedding_dim") if getattr(self, name) is not None]
        if len(given) > 1 or (not given and not shape):
            raise ValueError(
                f"prune needs exactly one of {', '.join(budgets)} (given: {', '.join(given) or 'none'}), or layers, "
                "hidden_dim or embedding_dim"
            )
        if self.units == []:
            raise ValueError("units is empty, so there is nothing to remove")
        return self

    @property
    def label(self) -> str:
        """``prune``, what decides how much, and which units."""
        parts = [
            ("", self.ratio and round(100 * self.ratio)),
            ("mb", self.max_bytes and f"{self.max_bytes / 1e6:.3g}"),
            ("macs", self.macs_ratio and round(100 * self.macs_ratio)),
            ("p50-", self.latency_ratio and round(100 * self.latency_ratio)),
            ("l", self.layers),
            ("h", self.hidden_dim),
            ("e", self.embedding_dim),
        ]
        named = "prune" + "-".join(f"{mark}{value}" for mark, value in parts if value)
        return "-".join([named, *(self.units or [])])


class SparseStep(StepConfig):
    """Set single weights to zero. Dense runtimes do not get faster from it; compressed files get smaller."""

    step: Literal["sparse"] = "sparse"
    pattern: str = Field(default="unstructured", pattern=r"^(unstructured|[1-9]\d*:[1-9]\d*)$")
    """`unstructured`, or `N:M`: at most N of M neighbours are not zero (2:4 for sparse tensor cores)."""
    sparsity: float = Field(default=0.5, gt=0, lt=1)
    """Share of zeros of `unstructured`."""
    method: Literal["magnitude", "movement"] = "magnitude"
    """The smallest weights go, or those that training moves towards zero (Sanh et al. 2020)."""
    epochs: int = Field(default=1, ge=0)
    """Of distillation with the zeros held."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Of it; half of the model's own if not given."""

    @model_validator(mode="after")
    def _possible(self) -> SparseStep:
        if self.pattern != "unstructured":
            kept, of = map(int, self.pattern.split(":"))
            if kept >= of:
                raise ValueError(f"pattern {self.pattern} keeps everything; N:M needs N smaller than M")
        if self.method == "movement" and not self.epochs:
            raise ValueError("movement pruning happens while training: give epochs")
        return self

    @property
    def label(self) -> str:
        """``sparse`` and its pattern."""
        return f"sparse{self.pattern.replace(':', 'of')}" if ":" in self.pattern else f"sparse{100 * self.sparsity:.0f}"


class QatStep(StepConfig):
    """Train with int8 rounding in the forward pass, from the teacher's labels, and export QDQ int8."""

    step: Literal["qat"] = "qat"
    steps: int = Field(default=300, ge=1)
    """Training steps."""
    learning_rate: float | None = Field(default=None, gt=0)
    """A fifth of the model's own if not given."""
    per_channel: bool = True
    """One scale for each output of a matrix."""


# Steps on a graph: ONNX in, ONNX (or OpenVINO IR) out.


class Int8Step(StepConfig):
    """ONNX Runtime dynamic int8 in the target's flavour."""

    step: Literal["int8"] = "int8"
    per_channel: bool | None = None
    """One scale for each output of a matrix; the profile decides if not given."""
    embeddings: Literal["row", "tensor", "fp32"] = "row"
    """Token vectors: one scale a row, one for the table, or not quantized."""
    exclude: list[str] = Field(default_factory=list)
    """Nodes or operator types that stay fp32."""

    @property
    def label(self) -> str:
        """``int8``, with what differs from the default."""
        return (
            "int8" + ("-pc" if self.per_channel else "") + ("" if self.embeddings == "row" else f"-{self.embeddings}")
        )


class StaticInt8Step(StepConfig):
    """ONNX Runtime static int8 (QDQ): activation ranges come from calibration texts."""

    step: Literal["int8-static"] = "int8-static"
    calibration: Literal["minmax", "entropy", "percentile"] = "minmax"
    """How ranges are made of what was seen."""
    percentile: float = Field(default=99.99, gt=50, le=100)
    """Of `percentile`."""
    texts: int = Field(default=128, ge=1)
    """Calibration texts, of all lengths and classes."""
    flavour: Literal["profile", "s8s8"] = "profile"
    """Signs: the profile's, or symmetric int8 on both sides, the only one that TensorRT reads."""
    per_channel: bool | None = None
    """One scale for each output of a matrix; the profile decides if not given."""
    exclude: list[str] = Field(default_factory=list)
    """Nodes or operator types that stay fp32."""

    @property
    def label(self) -> str:
        """``int8-static``, with the calibration if it is not min-max."""
        parts = [self.step, *([self.flavour] if self.flavour != "profile" else [])]
        return "-".join([*parts, *([self.calibration] if self.calibration != "minmax" else [])])


class MixedInt8Step(StepConfig):
    """Dynamic int8 with the operators in fp32 that cost most accuracy, found one by one."""

    step: Literal["int8-mixed"] = "int8-mixed"
    max_fp32: int = Field(default=8, ge=1)
    """At most so many operators stay fp32."""


class WeightsStep(StepConfig):
    """Only the weights of matrices are int8 or int4 (MatMulNBits): for memory, not for speed."""

    step: Literal["int8-weights", "int4-weights"]
    block: Literal[16, 32, 64, 128, 256] = 32
    """Weights that share a scale."""
    accuracy_level: Literal[0, 4] = 4
    """4: multiply in int8 where the processor can; 0: in fp32."""

    @property
    def bits(self) -> int:
        """Of a weight."""
        return 8 if self.step == "int8-weights" else 4


class EmbeddingsStep(StepConfig):
    """Token vectors (and hashed n-gram vectors) in int8 with a scale a row, or int4 with a scale a block."""

    step: Literal["int8-embeddings", "int4-embeddings"]
    block: Literal[16, 32, 64, 128, 256] = 32
    """int4: values that share a scale."""

    @property
    def bits(self) -> int:
        """Of a value."""
        return 8 if self.step == "int8-embeddings" else 4


class Fp16Step(StepConfig):
    """fp16 weights and arithmetic, inputs and outputs fp32: for GPUs and ARM cores with fp16."""

    step: Literal["fp16"] = "fp16"


class OpenVinoStep(StepConfig):
    """OpenVINO IR instead of ONNX, for x86: fp32, fp16, int8 by NNCF, int8 with accuracy control, or int8 weights."""

    needs_portable_graph: ClassVar[bool] = True

    step: Literal["openvino", "openvino-fp16", "openvino-int8", "openvino-int8-controlled", "openvino-int8-weights"]
    texts: int = Field(default=128, ge=1)
    """Calibration texts of the int8 ones."""
    max_drop: float = Field(default=0.01, ge=0, lt=1)
    """Accuracy that `openvino-int8-controlled` may lose on validation."""


ModelStep = VocabularyStep | PruneStep | SparseStep | QatStep
GraphStep = Int8Step | StaticInt8Step | MixedInt8Step | WeightsStep | EmbeddingsStep | Fp16Step | OpenVinoStep
MODEL_STEPS = (VocabularyStep, PruneStep, SparseStep, QatStep)


def _from_name(value: Any) -> Any:
    """Let ``int8`` stand for ``{step: int8}``."""
    return {"step": value} if isinstance(value, str) else value


Step = Annotated[ModelStep | GraphStep, Field(discriminator="step")]
NamedStep = Annotated[Step, BeforeValidator(_from_name)]


class Rung(StepConfig):
    """One candidate: some steps, in their order."""

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """What the name of the variant ends with; the labels of the steps if not given."""
    steps: list[NamedStep] = Field(min_length=1)
    """Each a name or a step with settings; steps on the model come before steps on the graph."""
    kinds: list[str] | None = None
    """Only for these kinds of models (`teacher`, `bag`, `cnn`...); for all if not given."""
    when: Literal["always", "int8-loses"] = "always"
    """`int8-loses`: only when every int8 candidate before it loses more than allowed."""
    measured_here: bool = True
    """False: its latency here says nothing about the target (fp16 on a GPU), so only size and score count."""
    reason: str = ""
    """Why it is worth a try on this target."""

    @model_validator(mode="after")
    def _order(self) -> Rung:
        on_model = [isinstance(step, MODEL_STEPS) for step in self.steps]
        if on_model != sorted(on_model, reverse=True):
            raise ValueError(f"{self.label}: steps on the model (vocabulary, prune, sparse, qat) come first")
        kinds = [type(step) for step in self.steps]
        if QatStep in kinds and (len(self.graph_steps) or kinds.index(QatStep) != len(kinds) - 1):
            raise ValueError(f"{self.label}: qat quantizes the graph itself, so it is the last step")
        last = self.steps[-1]
        if any(isinstance(step, OpenVinoStep) and step is not last for step in self.steps):
            raise ValueError(f"{self.label}: an OpenVINO step ends the work on the graph, so it is the last one")
        return self

    @property
    def model_steps(self) -> list[Any]:
        """Those on the model."""
        return [step for step in self.steps if isinstance(step, MODEL_STEPS)]

    @property
    def graph_steps(self) -> list[Any]:
        """Those on the graph."""
        return [step for step in self.steps if not isinstance(step, MODEL_STEPS)]

    @property
    def label(self) -> str:
        """What the name of the variant ends with."""
        return self.name or "-".join(step.label for step in self.steps)

    @property
    def precision(self) -> str:
        """Of most of the arithmetic or weights: "fp32", "fp16", "int8" or "int4"."""
        for precision in ("int4", "int8", "fp16"):
            if any(precision in step.label for step in self.graph_steps):
                return precision
        return "int8" if any(isinstance(step, QatStep) for step in self.steps) else "fp32"
