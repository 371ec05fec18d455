"""From raw scores to rewards: comparisons fix no zero and no scale, so the labelled clips give both. Lesson 04.

Source: Christiano et al. (2017), section 2.2.1, who normalize predicted rewards to mean 0 and a fixed standard
deviation. Departure: theirs follows what the policy meets. As a policy gets good its states become alike, and dividing
by *their* deviation magnifies what is left, noise; the labelled clips hold falls as well and keep their scale.
"""

from collections.abc import Callable

from torch import Tensor

Standardize = Callable[[Tensor, Tensor, float], Tensor]


def standardize_rewards(raw: Tensor, labelled: Tensor, std: float) -> Tensor:
    """Rewards for the agent, the shape of `raw`: mean 0 and standard deviation `std` over the labelled clips.

    raw: scores of the states of one rollout, any shape. labelled: scores of all states of the labelled clips, by the
    same reward model, any shape. A deviation of the labelled scores under 0.001 counts as 0.001: scores that flat are
    noise and are not magnified. Lesson 04, exercise 04.2.
    """
    return (raw - labelled.mean()) / max(float(labelled.std()), 1e-3) * std
