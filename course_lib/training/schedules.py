"""Learning-rate schedules: which share of the learning rate holds when, for `torch.optim.lr_scheduler.LambdaLR`.

    scheduler = LambdaLR(optimizer, warmup_then_linear(total=60, warmup_share=0.1, final=0.1))
    ...
    optimizer.step()
    scheduler.step()

A LambdaLR works each rate out from its step alone, so a training that was stopped goes on with exactly the rates it
would have had. (LinearLR and CosineAnnealingLR multiply the rate before, and rounding adds up.)
"""

import math
from collections.abc import Callable

Schedule = Callable[[int], float]           # number of scheduler.step() calls so far -> share of the learning rate


def warmup_then_linear(total: float, warmup_share: float = 0.0, hold_share: float = 0.0, final: float = 0.0,
                       per_step: int = 1) -> Schedule:
    """Rise along a line, hold, then fall along a line to `final`. PPO (lesson 02), PPO and RLOO on text (lesson 11).

    total: length of the run, in the unit in which one step of the scheduler counts `per_step` (agent steps, updates).
    warmup_share, hold_share: shares of `total` in which it rises, and in which it does not fall yet; each may be 0.
    """
    def share(step: int) -> float:
        done = step * per_step
        risen = min(1.0, (done + per_step) / (warmup_share * total)) if warmup_share else 1.0
        fallen = max(0.0, min(1.0, done / total) - hold_share) / (1.0 - hold_share)
        return risen * (1.0 - fallen * (1.0 - final))

    return share


def warmup_then_cosine(done: float, warmup_share: float, final: float) -> float:
    """Share of the learning rate after the share `done` of a run: up along a line, down along a cosine to `final`.

    A function of the share of the run rather than of a step, for a run may end by its steps or by the clock.
    Source: I. Loshchilov and F. Hutter (2017), "SGDR", equation 5. Pretraining (lesson 08), fine-tuning (lesson 09).
    """
    if done < warmup_share:
        return max(done, 0.01 * warmup_share) / warmup_share
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * (done - warmup_share) / (1 - warmup_share)))


def triangle(total: int, warmup_steps: int, final: float) -> Schedule:
    """The lower of two lines: one rises to 1 in `warmup_steps`, one falls to 0 at `total`, but not below `final`.

    Source: J. Howard and S. Ruder (2018), "Universal language model fine-tuning", section 3.2. Lesson 10.
    """
    return lambda step: min((step + 1) / warmup_steps, max(final, 1 - step / total))
