"""``transformers.Trainer`` with our objective, batches and best weights, lean enough for tiny students."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainerControl

from edgekd import units
from edgekd.averaging import MeanWeights
from edgekd.batches import PadToLongest
from edgekd.bench.machine import describe_machine
from edgekd.buckets import LengthBuckets
from edgekd.step_timer import StepTimer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from edgekd.batches import EncodedTexts
    from edgekd.goals import Objective, OnScore, Schedule, Validation
    from edgekd.progress import Progress

EXTRAS_FILE = "extras.safetensors"  # in a checkpoint: the objective's own parameters and the mean weights
BEST_FILE = "best.safetensors"  # beside the checkpoints: the weights that were best on validation so far


class DistillationTrainer(Trainer):
    """Trainer whose loss is an objective and whose best weights are kept beside its checkpoints."""

    def __init__(
        self,
        *args: Any,
        objective: Objective,
        schedule: Schedule,
        validation: Validation,
        on_score: OnScore | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.objective = objective
        self.schedule = schedule
        self.validation = validation
        self.on_score = on_score
        self.mean = MeanWeights(self.model, schedule.average) if schedule.average else None
        self.scores: list[float] = []
        self.timer = StepTimer()
        # NOTE: not through TrainingArguments(bf16=True): Accelerate would leave autocast in the model's forward, and
        # every score after training would be one of bf16 logits.
        self.bf16 = has_fast_bf16(self.model)
        if isinstance(objective, torch.nn.Module):
            objective.to(self.args.device)

    def compute_loss(
        self, model: PreTrainedModel, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        """Return the loss of one batch."""
        inputs = dict(inputs)
        teacher_logits = inputs.pop("teacher_logits", None)
        labels = inputs.pop("labels")
        epochs = self.schedule.epochs + self.schedule.feature_epochs
        before = self.state.max_steps * self.schedule.feature_epochs / epochs
        step = self.state.global_step
        loss, outputs = self.objective(
            model,
            inputs,
            labels=labels,
            teacher_logits=teacher_logits,
            progress=min(1.0, max(0.0, (step - before) / max(1.0, self.state.max_steps - before))),
            features_only=step < before,
        )
        return (loss, outputs) if return_outputs else loss

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return batches of texts of about one length, in an order that the seed and the epoch decide."""
        texts: EncodedTexts = self.train_dataset
        loader = DataLoader(
            texts,
            batch_sampler=LengthBuckets(texts.input_ids.lengths, self.schedule.batch_size, self.schedule.seed),
            collate_fn=PadToLongest(self.model.config.pad_token_id or 0),
            pin_memory=self.args.dataloader_pin_memory,
        )
        return self.accelerator.prepare(loader)

    # The next five leave out what a step of a tiny student need not pay for, and time the rest. There is no gradient
    # accumulation here, so a loss is never divided.

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Run forward and backward on one batch and return its loss."""
        model.train()
        for parameter in self.objective.parameters():
            parameter.grad = None  # the Trainer forgets the gradients of the model only
        inputs = self._prepare_inputs(inputs)
        mixed = torch.autocast(self.args.device.type, torch.bfloat16, enabled=self.bf16)
        with self.timer.part("forward"), mixed:
            loss: torch.Tensor = self.compute_loss(model, inputs)
        with self.timer.part("backward"):
            self.accelerator.backward(loss)
        return loss.detach()

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> tuple[list[Any], None]:
        """Return the next batches; nobody asks how many labels they hold."""
        return list(islice(epoch_iterator, num_batches)), None

    def _clip_grad_norm(self, model: Any) -> Any:
        with self.timer.part("clipping"):
            if self.args.device.type != "cpu":
                return super()._clip_grad_norm(model)
            parameters = [parameter for parameter in model.parameters() if parameter.grad is not None]
            norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters])
            if norm > self.args.max_grad_norm:  # gradients are multiplied only when that changes them
                torch.nn.utils.clip_grads_with_norm_(parameters, self.args.max_grad_norm, norm)
            return norm

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        return grad_norm

    def floating_point_ops(self, inputs: Any) -> int:
        """Count none; nobody reads it."""
        return 0

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with self.timer.part("saving"):
            super()._save_checkpoint(model, trial)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Train the objective's own parameters too."""
        known = self.optimizer is not None
        optimizer = super().create_optimizer(model)
        if not known:
            self.timer.wrap_optimizer(optimizer)
        own = list(self.objective.parameters())
        if own and not known:
            optimizer.add_param_group({"params": own, "weight_decay": 0.0})
            for parameter in own:
                parameter.register_post_accumulate_grad_hook(_average_over_processes)
        return optimizer

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Score the validation texts, and keep the weights when they are the best so far."""
        weights = self.mean.in_place_of(self.model) if self.mean else nullcontext()
        with self.timer.part("evaluation"), weights:
            score = self.validation(self.model)
            if (self.state.best_metric is None or score > self.state.best_metric) and self.args.should_save:
                _save_whole(self.model.state_dict(), Path(self.args.output_dir) / BEST_FILE)
        self.scores.append(score)
        metrics = {"eval_score": score}
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        if self.on_score is not None:
            self.on_score(self.state.global_step, score)
        return metrics

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)
        extras = {f"objective.{name}": value for name, value in self.objective.state_dict().items()}
        if self.mean is not None:
            extras |= {f"mean.{name}": value for name, value in self.mean.state().items()}
        extras["scores"] = torch.tensor(self.scores, dtype=torch.float64)
        save_file({name: value.contiguous() for name, value in extras.items()}, Path(str(output_dir)) / EXTRAS_FILE)

    def load_extras(self, checkpoint: Path) -> None:
        """Take over what :meth:`_save` wrote beside the model."""
        extras = load_file(checkpoint / EXTRAS_FILE)
        self.scores = extras.pop("scores").tolist()
        parts: dict[str, dict[str, torch.Tensor]] = {"objective": {}, "mean": {}}
        for name, value in extras.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = value
        self.objective.load_state_dict(parts["objective"])
        if self.mean is not None:
            self.mean.load(parts["mean"])


def _average_over_processes(parameter: torch.nn.Parameter) -> None:
    """Give the objective's parameters equal gradients in all processes; the student's are averaged by Accelerate."""
    if torch.distributed.is_available() and torch.distributed.is_initialized() and parameter.grad is not None:
        torch.distributed.all_reduce(parameter.grad)
        parameter.grad /= torch.distributed.get_world_size()


def _save_whole(state: dict[str, torch.Tensor], path: Path) -> None:
    # Tied tensors are written once a name: safetensors refuses shared memory.
    building = path.with_suffix(".part")
    save_file({name: value.detach().cpu().clone().contiguous() for name, value in state.items()}, building)
    building.replace(path)


class _MeanWeightsStep(TrainerCallback):
    """Move the mean towards the weights after every step."""

    def __init__(self, trainer: DistillationTrainer) -> None:
        self.trainer = trainer

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.trainer.mean is not None:
            self.trainer.mean.update(self.trainer.model)


class _StopEarly(TrainerCallback):
    """Stop when the score has not improved for some evaluations; epochs with feature losses alone do not count."""

    def __init__(self, trainer: DistillationTrainer, patience: int) -> None:
        self.trainer, self.patience = trainer, patience

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        schedule = self.trainer.schedule
        scores = self.trainer.scores[schedule.feature_epochs * schedule.evaluations_per_epoch :]
        since_best = len(scores) - 1 - scores.index(max(scores)) if scores else 0
        if since_best >= self.patience:
            control.should_training_stop = True


class _ShowProgress(TrainerCallback):
    def __init__(self, progress: Progress, description: str) -> None:
        self.progress, self.description, self.note = progress, description, ""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.progress.start(self.description, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.progress.update(state.global_step, self.note)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        self.note = f"validation {units.probability(metrics['eval_score'])}"


def callbacks(trainer: DistillationTrainer, progress: Progress, description: str) -> list[TrainerCallback]:
    """Return what goes along with a training: a progress bar, the mean weights, and stopping early."""
    return [
        _ShowProgress(progress, description),
        _MeanWeightsStep(trainer),
        _StopEarly(trainer, trainer.schedule.patience),
    ]


def has_fast_bf16(model: PreTrainedModel) -> bool:
    """Tell whether a model should be trained in mixed precision (bf16 for matrix products, fp32 weights).

    On a GPU that supports it always; on a CPU with bf16 instructions only models of matrix products, that is
    transformers: on one with AVX512-BF16 fine-tuning took half the time. Other students were not tried in bf16.
    """
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    is_transformer = getattr(model.config, "num_attention_heads", None) is not None
    return is_transformer and bool({"avx512_bf16", "amx_bf16"} & set(describe_machine().isa))
