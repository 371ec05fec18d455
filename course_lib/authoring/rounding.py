"""Another processor, by chance: the last digits of trained weights, differing as they do between machines.

Floating-point sums come out a little differently on another processor, and training amplifies the difference until two
runs of one seed are as different as two seeds. A claim about a run must survive that. `install(seed)` makes such a
difference on any machine: after each step of any optimizer, about half of the float32 weights move to the next
representable number, up or down. Which ones is a function of the weight's bits and of `seed` alone, so no random number
is drawn, and a run that is stopped and resumed still equals the one that went through.
"""

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

MULTIPLIER = 0x9E3779B1 - (1 << 32)       # 2**32 / golden ratio, as a signed 32-bit number: spreads the bits


def install(seed: int) -> None:
    """Let every optimizer of this process round by `seed` from now on."""
    register_optimizer_step_post_hook(lambda optimizer, *_: shift_weights(optimizer, seed))


@torch.no_grad()
def shift_weights(optimizer: torch.optim.Optimizer, seed: int) -> None:
    """Move about half of the float32 weights of the optimizer by one unit in the last place; zeros stay zeros."""
    for group in optimizer.param_groups:
        for weight in group["params"]:
            if weight.dtype == torch.float32 and weight.grad is not None:
                weight.copy_(shifted(weight, seed))


def shifted(weight: torch.Tensor, seed: int) -> torch.Tensor:
    """`weight` (any shape, float32) with the lowest bit of about half of its numbers turned."""
    bits = weight.contiguous().view(torch.int32)
    scattered = (bits + (2 * seed + 1)) * MULTIPLIER
    turned = bits ^ ((scattered >> 15) & 1)
    return torch.where(bits == 0, bits, turned).view(torch.float32)
