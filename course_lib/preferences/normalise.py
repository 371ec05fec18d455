"""From raw scores to what an agent is paid: comparisons fix no zero and no scale, so both are chosen here. Lesson 04.

Source: Christiano et al. (2017), section 2.2.1, who bring predicted rewards to mean 0 and a fixed spread.
"""

from collections.abc import Callable

from torch import Tensor

Normalise = Callable[[Tensor, float, float, float, float], tuple[Tensor, float, float]]


def normalise_rewards(raw: Tensor, mean: float, deviation: float, memory: float,
                      spread: float) -> tuple[Tensor, float, float]:
    """(rewards to pay, new mean, new deviation).

    raw: rewards of one rollout, any shape. mean, deviation: those kept so far; a deviation of 0 says that there are
    none, and then this rollout's own are taken. memory: share of the old ones that is kept. spread: standard deviation
    of what is paid. A deviation under 0.001 counts as 0.001: an opinion that flat is noise and is not blown up.
    """
    if deviation == 0:
        mean, deviation = float(raw.mean()), float(raw.std())
    mean = memory * mean + (1 - memory) * float(raw.mean())
    deviation = memory * deviation + (1 - memory) * float(raw.std())
    return (raw - mean) / max(deviation, 1e-3) * spread, mean, deviation
