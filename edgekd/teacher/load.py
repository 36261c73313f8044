"""Open an encoder or classifier: a folder, a hub id, or a pinned asset. Safetensors only, no remote code."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from edgekd.assets import get_asset
from edgekd.compress import qat
from edgekd.errors import ConfigError, DataError
from edgekd.tasks import TaskKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from edgekd.config import TeacherConfig
    from edgekd.progress import Progress
    from edgekd.tasks import Task

ASSET_PREFIX = "asset:"
DEFAULT_LENGTH = 512  # tokens; encoders that read more take quadratic time and memory for it

# What transformers calls the tasks.
PROBLEM_TYPES = {
    TaskKind.SINGLE_LABEL: "single_label_classification",
    TaskKind.MULTI_LABEL: "multi_label_classification",
    TaskKind.REGRESSION: "regression",
}


@dataclass(frozen=True)
class Teacher:
    """A classifier with its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    max_length: int

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits."""
        names = self.model.config.id2label
        return tuple(names[index] for index in range(self.model.config.num_labels))


def resolve_model(source: str, progress: Progress) -> str:
    """Return a folder or a hub id that transformers can open.

    Raises:
        ConfigError: when something that looks like a path does not exist or has no model in it.
    """
    if source.startswith(ASSET_PREFIX):
        progress.say(f"Base model: {source}")
        return str(get_asset(source.removeprefix(ASSET_PREFIX), progress=progress.say))
    path = Path(source).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ConfigError(f"'{source}' has no config.json, so it is not a model folder.", hint=_models_below(path))
        if not list(path.glob("*.safetensors")):
            raise ConfigError(
                f"'{source}' has no *.safetensors weights; pickled weights are not read because they can run code.",
                hint="Convert it once: model.save_pretrained(folder) writes safetensors.",
            )
        return str(path)
    if path.exists() or source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise ConfigError(
            f"Model folder '{source}' does not exist.",
            hint="Give a folder with config.json and model.safetensors, a hub id (org/name), or asset:NAME.",
        )
    return source


def _models_below(folder: Path) -> str | None:
    """Return a hint that names model folders inside of a folder, as in a run folder."""
    below = (path.parent for depth in range(1, 5) for path in sorted(folder.glob("*/" * depth + "config.json")))
    models = (path for path in below if any(path.glob("*.safetensors")))
    found = [str(path) for path in itertools.islice(models, 3)]
    return f"Give one of its model folders: {', '.join(found)}" if found else None


def _from_hub(load: Any, source: str, **options: Any) -> Any:
    """Call a ``from_pretrained``; explain a failure."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        return load(source, **options)
    except (OSError, ValueError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"Cannot open the model '{source}': {first_line}",
            hint="Give a local folder, a hub id that this machine can reach, or asset:all-MiniLM-L6-v2.",
        ) from error


def load_tokenizer(source: str) -> PreTrainedTokenizerFast:
    """Open a fast tokenizer; a slow one is refused because bundles need ``tokenizer.json``."""
    tokenizer = _from_hub(AutoTokenizer.from_pretrained, source, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise ConfigError(f"The tokenizer of '{source}' has no fast version (tokenizer.json), which the bundle needs.")
    return tokenizer


def load_for_training(config: TeacherConfig, task: Task, progress: Progress) -> Teacher:
    """Open an encoder with a fresh classification head for the task's labels."""
    source = resolve_model(config.model, progress)
    torch.manual_seed(config.seed)
    options = {
        "num_labels": task.num_outputs,
        "id2label": dict(enumerate(task.labels)),
        "label2id": {label: index for index, label in enumerate(task.labels)},
        "problem_type": PROBLEM_TYPES[task.kind],
        "trust_remote_code": config.trust_remote_code,
        "attn_implementation": "sdpa",
    }
    model = _open_pruned(source, fresh_head=True, **options) or _from_hub(
        AutoModelForSequenceClassification.from_pretrained,
        source,
        ignore_mismatched_sizes=True,
        use_safetensors=True,
        **options,
    )
    qat.plain(model)  # a model that was trained with rounding goes on without
    tokenizer = load_tokenizer(source)
    return Teacher(model, tokenizer, _checked_length(config.max_length, model))


def load_classifier(folder: str | Path, max_length: int | None, progress: Progress) -> Teacher:
    """Open a fine-tuned classifier as it is: pruned, or with the int8 rounding that it was trained with.

    Args:
        folder: folder, hub id or ``asset:NAME``.
        max_length: tokens of a text; None for what model and tokenizer allow, at most 512.
        progress: told what is fetched.
    """
    source = resolve_model(str(folder), progress)
    config = _from_hub(AutoConfig.from_pretrained, source, trust_remote_code=False)
    architectures = config.architectures or []
    if not any(name.endswith("ForSequenceClassification") for name in architectures):
        raise ConfigError(
            f"'{folder}' is not a text classifier (architecture: {', '.join(architectures) or 'unknown'}).",
            hint="Fine-tune it first: edgekd teach --model ... --out FOLDER",
        )
    model = _open_pruned(source)
    if model is None:
        model = _from_hub(
            AutoModelForSequenceClassification.from_pretrained,
            source,
            use_safetensors=True,
            trust_remote_code=False,
        )
        if qat.is_recorded(model.config):
            qat.restore(model, Path(source))
    tokenizer = load_tokenizer(source)
    length = default_length(model, tokenizer) if max_length is None else _checked_length(max_length, model)
    return Teacher(model.eval(), tokenizer, length)


def _open_pruned(source: str, *, fresh_head: bool = False, **options: Any) -> PreTrainedModel | None:
    """Open a model that lost single heads or neurons, whose shape transformers cannot know; None for any other."""
    from edgekd.compress.prune.shape import is_recorded, open_pruned  # only here, because pruning opens teachers too

    config = _from_hub(AutoConfig.from_pretrained, source, **({"trust_remote_code": False} | options))
    return open_pruned(source, config, fresh_head=fresh_head) if is_recorded(config) else None


def position_limit(model: PreTrainedModel) -> int | None:
    """Return how many tokens of a text the model has positions for; None when it needs none.

    RoBERTa and its relatives count positions from the padding id on, so a table of 514 rows serves 512 tokens.
    """
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            return int(module.num_embeddings) - (0 if module.padding_idx is None else module.padding_idx + 1)
    limit: int | None = getattr(model.config, "max_position_embeddings", None)
    return limit


def default_length(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> int:
    """Return how many tokens of a text are read when nobody says so: what both allow, at most 512."""
    limits = (DEFAULT_LENGTH, tokenizer.model_max_length, position_limit(model))
    return min(int(limit) for limit in limits if limit is not None)


def _checked_length(max_length: int, model: PreTrainedModel) -> int:
    limit = position_limit(model)
    if limit is not None and max_length > limit:
        raise ConfigError(
            f"max_length {max_length} is more than the model's {limit} positions.",
            hint=f"Give at most {limit}: teacher.max_length in the recipe, or --max-length.",
        )
    return max_length


def check_labels(teacher: Teacher, task: Task, where: str) -> None:
    """Check that the teacher predicts the data's labels, in the same order.

    Raises:
        DataError: listing both.
    """
    problem = teacher.model.config.problem_type or PROBLEM_TYPES[TaskKind.SINGLE_LABEL]
    if problem != PROBLEM_TYPES[task.kind]:
        raise DataError(
            f"The teacher '{where}' was trained for {problem.replace('_', ' ')}, but the data's task is "
            f"{task.kind.value}.",
            hint="Set data.task in the recipe (or --task) to the teacher's, or take another teacher.",
        )
    if teacher.labels == task.labels or (task.kind is TaskKind.REGRESSION and len(teacher.labels) == 1):
        return
    if set(teacher.labels) == set(task.labels):
        hint = f"Give the data's labels in the teacher's order: data.labels: [{', '.join(teacher.labels)}]"
    else:
        hint = "Use a teacher that was fine-tuned on these labels, or rename the labels in the data."
    raise DataError(
        f"The teacher '{where}' predicts [{', '.join(teacher.labels)}], but the data has [{', '.join(task.labels)}].",
        hint=hint,
    )


def encode(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Return token ids with special tokens, truncated to ``max_length``, one list a text."""
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_padding()
    backend.enable_truncation(max_length)
    return [encoding.ids for encoding in backend.encode_batch_fast(list(texts))]
