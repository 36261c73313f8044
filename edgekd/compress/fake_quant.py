"""Layers that round as an int8 graph will, while their fp32 weights go on learning.

``q = clip(round(x / scale) + zero_point)`` and back, ``(q - zero_point) * scale``, in the forward pass; gradients pass
through the rounding unchanged where nothing was clipped (the straight-through estimator, Bengio et al. 2013, arXiv
1308.3432). Ranges of activations are exponential means of what batches held (Jacob et al. 2018, arXiv 1712.05877,
section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

MOMENTUM = 0.05  # of a batch in the exponential means
_ROW_LIMIT = 127  # a row of token vectors is int8 with its own scale
_SMALLEST_SCALE = 1e-8  # of a tensor that is 0 everywhere


@dataclass(frozen=True)
class Rounding:
    """What is rounded to what.

    Args:
        activation: "uint8", with a zero point, or "int8", symmetric.
        weight_limit: weights become integers from ``-weight_limit`` to ``weight_limit``: 127, or 64 where sums of
            products with uint8 could saturate 16 bits (2 * 255 * 64 < 2^15).
        per_channel: one scale for each output of a matrix, or one for all.
    """

    activation: str
    weight_limit: int
    per_channel: bool

    def activation_grid(self, minimum: torch.Tensor, maximum: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scale (fp32) and zero point (int32) that cover a range and 0; all shapes ``()``."""
        low, high = minimum.clamp(max=0), maximum.clamp(min=0)
        if self.activation == "int8":
            scale = (torch.maximum(-low, high) / 127).clamp_min(_SMALLEST_SCALE)
            return scale, torch.zeros_like(scale, dtype=torch.int32)
        scale = ((high - low) / 255).clamp_min(_SMALLEST_SCALE)
        return scale, (-low / scale).round().clamp(0, 255).to(torch.int32)

    @property
    def activation_limits(self) -> tuple[int, int]:
        """Smallest and largest integer of an activation."""
        return (-128, 127) if self.activation == "int8" else (0, 255)

    def weight_scale(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the scale of weights ``(outputs, ...)``: ``(outputs,)``, or ``()`` if all have one."""
        largest = weight.detach().abs().float()
        largest = largest.flatten(1).amax(dim=1) if self.per_channel else largest.amax()
        return (largest / self.weight_limit).clamp_min(_SMALLEST_SCALE)

    def weight_integers(self, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weights ``(outputs, ...)`` as int8 of the same shape, and their scale."""
        scale = self.weight_scale(weight)
        by_output = scale.reshape(-1, *[1] * (weight.dim() - 1))
        integers = (weight.detach().float() / by_output).round().clamp(-self.weight_limit, self.weight_limit)
        return integers.to(torch.int8), scale

    def round_weight(self, weight: torch.Tensor) -> torch.Tensor:
        """Return weights as the graph will hold them, with a gradient."""
        scale = self.weight_scale(weight)
        zero_point = torch.zeros_like(scale, dtype=torch.int32)
        limits = (-self.weight_limit, self.weight_limit)
        if self.per_channel:
            return torch.fake_quantize_per_channel_affine(weight.float(), scale, zero_point, 0, *limits)
        return torch.fake_quantize_per_tensor_affine(weight.float(), scale, zero_point, *limits)


class RoundedValues(nn.Module):
    """Rounds what passes, to a range that is an exponential mean over the first training steps and fixed afterwards.

    A range that no longer moves lets the weights settle. All is in buffers, so that checkpoints and the best weights of
    a training carry it.

    Args:
        rounding: to what.
        steps: so many training steps are followed.
    """

    minimum: torch.Tensor
    maximum: torch.Tensor
    seen: torch.Tensor

    def __init__(self, rounding: Rounding, steps: int) -> None:
        super().__init__()
        self.rounding = rounding
        self.steps = steps
        self.register_buffer("minimum", torch.zeros(()))
        self.register_buffer("maximum", torch.zeros(()))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return values of any shape on the grid, fp32: bf16 could not even hold 256 steps apart."""
        if self.training:
            self._follow(values)
        return torch.fake_quantize_per_tensor_affine(values.float(), *self.grid(), *self.rounding.activation_limits)

    def grid(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scale and zero point, both ``()``."""
        return self.rounding.activation_grid(self.minimum, self.maximum)

    @torch.no_grad()
    def _follow(self, values: torch.Tensor) -> None:
        seen = int(self.seen)
        if seen >= self.steps:
            return
        low, high = values.float().aminmax()
        share = 1.0 if seen == 0 else MOMENTUM
        # With 0 in each range, padding with zeros changes none: layers that read the same values have one grid.
        self.minimum.lerp_(low.clamp(max=0), share)
        self.maximum.lerp_(high.clamp(min=0), share)
        self.seen += 1


class QuantLinear(nn.Linear):
    """A linear map whose inputs and weights are rounded. The bias is added in fp32."""

    def __init__(self, linear: nn.Linear, rounding: Rounding, steps: int) -> None:
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias  # the same parameters, so that an optimizer knows them
        self.rounding = rounding
        self.inputs = RoundedValues(rounding, steps).to(linear.weight.device)
        self.train(linear.training)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return ``(..., outputs)`` for ``(..., inputs)``."""
        return nn.functional.linear(self.inputs(values), self.rounding.round_weight(self.weight), self.bias)


class QuantConv1d(nn.Conv1d):
    """A convolution whose inputs, weights and outputs are rounded: int8 convolutions of ONNX Runtime give int8."""

    def __init__(self, convolution: nn.Conv1d, rounding: Rounding, steps: int) -> None:
        super().__init__(
            convolution.in_channels,
            convolution.out_channels,
            convolution.kernel_size,
            convolution.stride,
            convolution.padding,
            convolution.dilation,
            convolution.groups,
            convolution.bias is not None,
            device="meta",
        )
        self.weight, self.bias = convolution.weight, convolution.bias
        self.rounding = rounding
        self.inputs = RoundedValues(rounding, steps).to(convolution.weight.device)
        self.outputs = RoundedValues(rounding, steps).to(convolution.weight.device)
        self.train(convolution.training)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, outputs, positions)`` for ``(batch, inputs, positions)``."""
        weight = self.rounding.round_weight(self.weight)
        return self.outputs(self._conv_forward(self.inputs(values), weight, self.bias))


class QuantEmbedding(nn.Embedding):
    """Vectors that are rounded with a scale for each row. Only the rows of a batch are, which is the same and cheap."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__(
            embedding.num_embeddings, embedding.embedding_dim, embedding.padding_idx, _weight=embedding.weight.detach()
        )
        self.weight = embedding.weight
        self.train(embedding.training)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return ``(..., width)`` for row numbers ``(...)``."""
        return round_rows(super().forward(rows))


def round_rows(vectors: torch.Tensor) -> torch.Tensor:
    """Return vectors ``(..., width)`` rounded to int8, each with its largest absolute value / 127 as scale."""
    flat = vectors.float().reshape(-1, vectors.shape[-1])
    scale = (flat.detach().abs().amax(dim=1) / _ROW_LIMIT).clamp_min(_SMALLEST_SCALE)
    zero_point = torch.zeros_like(scale, dtype=torch.int32)
    rounded = torch.fake_quantize_per_channel_affine(flat, scale, zero_point, 0, -_ROW_LIMIT, _ROW_LIMIT)
    return rounded.reshape(vectors.shape)
