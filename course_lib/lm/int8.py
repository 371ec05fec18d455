"""A frozen model in eight bits: a quarter of float32's memory, and what that costs. Lesson 15, section 15.10.

Each row of a weight matrix is divided by its largest absolute value and rounded to a whole number from -127 to 127
(absmax quantisation, a scale for each output). What is computed with are the rounded weights, turned back into floats
on the way, so the results are exactly those of a model with slightly wrong weights. Libraries for GPUs multiply the
integers themselves and are faster; this one saves memory only.

Source: T. Dettmers et al. (2022), "LLM.int8(): 8-bit matrix multiplication for transformers at scale", section 2, for
absmax quantisation by rows. Departure: no outlier columns are kept in 16 bits.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LIMIT = 127


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(codes (out, in) int8, scale (out, 1)): weight is about codes * scale. Exercise 15.7.

    weight: (out, in). A row of zeros gets scale 1.
    """
    largest = weight.abs().amax(dim=1, keepdim=True)                                        # (out, 1)
    scale = torch.where(largest > 0, largest / LIMIT, torch.ones_like(largest))
    return (weight / scale).round().to(torch.int8), scale


class Int8Linear(nn.Module):
    """A frozen linear layer whose weights are kept in eight bits."""

    def __init__(self, layer: nn.Linear, quantize=quantize_rows):
        super().__init__()
        codes, scale = quantize(layer.weight.detach().float())
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale.to(layer.weight.dtype))
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return F.linear(x, self.codes.to(x.dtype) * self.scale.to(x.dtype), self.bias)


def to_int8(model: nn.Module, quantize=quantize_rows, skip: tuple[str, ...] = ("lm_head",)) -> int:
    """Replace the linear layers inside `model` by eight-bit ones, in place; returns how many. Nothing can learn then.

    quantize: takes the place of `quantize_rows`, for the learner's own. skip: names that stay as they are; the last
    table is often shared with the embedding. Raises ValueError when there is no linear layer.
    """
    found = [(parent, name, child) for parent in list(model.modules()) for name, child in parent.named_children()
             if isinstance(child, nn.Linear) and name not in skip]
    if not found:
        raise ValueError("there is no linear layer in this model")
    for parent, name, child in found:
        setattr(parent, name, Int8Linear(child, quantize))
    return len(found)


def megabytes(model: nn.Module) -> float:
    """Memory of all weights and buffers, in MB of 10^6 bytes; what is shared counts once."""
    held = {part.data_ptr(): part.numel() * part.element_size() for part in [*model.parameters(), *model.buffers()]}
    return sum(held.values()) / 1e6
