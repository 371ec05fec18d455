"""Muon: momentum whose every step is orthogonalized, for the matrices of inner layers. Lesson 08, section 8.7.

    optimizer = Muon(matrices, lr=1.4e-2, weight_decay=0.1)

A gradient's singular values differ by factors of hundreds, so a plain step moves the weights along few directions.
`orthogonalized` brings all of them near 1 by a fixed polynomial, applied five times: products of matrices and nothing
else. Steps are then scaled to the size of AdamW's, so one learning rate serves both.

torch.optim.Muon does the same, always in bfloat16. Where a processor has no products of such numbers, that one is many
times slower than all the rest of a training step; here they are 32-bit there.

Sources: K. Jordan et al. (2024), "Muon: an optimizer for hidden layers in neural networks", for the method and the
coefficients; J. Liu et al. (2025), "Muon is scalable for LLM training", section 2.2, for the scale 0.2 sqrt(max(m, n)).
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from course_lib.training.precision import in_bfloat16

COEFFICIENTS = (3.4445, -4.7750, 2.0315)        # of x, x^3 and x^5: steep at 0, and near 1 from there on
ROUNDS = 5
SCALE = 0.2                                     # root mean square of a step, in units of the learning rate


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalized, with decoupled weight decay.

    params: matrices only. lr: as for AdamW. weight_decay: the share lr * weight_decay is taken off at each step.
    momentum: memory of the running mean of gradients. bfloat16: see `training/precision.py`.
    Raises ValueError for a parameter that is not a matrix.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float = 0.1, momentum: float = 0.95,
                 bfloat16: bool | None = None) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self.dtype = torch.bfloat16 if in_bfloat16(bfloat16) else torch.float32
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.ndim != 2:
                    raise ValueError(f"Muon is for matrices; here is a parameter of shape {tuple(weight.shape)}.")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                mean = state.setdefault("momentum_buffer", torch.zeros_like(weight))
                mean.lerp_(weight.grad, 1 - group["momentum"])
                update = weight.grad.lerp(mean, group["momentum"])              # Nesterov: a look ahead
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                size = SCALE * max(weight.shape) ** 0.5
                weight.sub_(orthogonalized(update, self.dtype), alpha=group["lr"] * size)


def orthogonalized(update: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """The same singular vectors with singular values near 1.

    Five rounds bring singular values of at least 0.2% of the matrix's norm to between 0.68 and 1.21.

    update: (m, n). dtype: of the products. Returns (m, n) in the dtype of `update`.
    """
    tall = update.shape[0] > update.shape[1]
    x = (update.T if tall else update).to(dtype)
    x = x / x.norm().clamp(min=1e-7)                    # now no singular value exceeds 1
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).to(update.dtype)
