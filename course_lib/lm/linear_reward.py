"""A reward that is a weighted sum of features: one weight each, fitted to verdicts with the Bradley–Terry loss.

The features come from a frozen language model (`pretrained_features.py`), so the only thing learned from verdicts is
which directions of what the model already knows people like. Taught in lesson 09, sections 9.5 and 9.6.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.preferences.bradley_terry import bradley_terry_loss
from course_lib.preferences.human_ratings import Comparisons

L2 = 1.0        # the one pull for every number of labels: a belief about weights does not change with the evidence


@dataclass(frozen=True)
class LinearReward:
    """weights . (features - mean) / unit: a number a text."""

    weights: Tensor                 # (D,)
    mean: Tensor                    # (D,) of the features it was fitted on, labelled or not
    unit: Tensor                    # (D,) what each feature is divided by, so that all together vary by 1

    def rewards(self, features: Tensor) -> Tensor:
        """(..., D) -> (...): the reward of each text. Raises ValueError for another number of features."""
        if features.shape[-1] != len(self.weights):
            raise ValueError(f"this reward reads {len(self.weights)} features a text, not {features.shape[-1]}")
        return (features - self.mean) / self.unit @ self.weights


def fit_linear_reward(features: Tensor, comparisons: Comparisons, l2: float = L2, weight: Tensor | None = None,
                      loss: Callable[..., Tensor] = bradley_terry_loss, one_unit: bool = False) -> LinearReward:
    """Fit a linear reward to comparisons of the texts whose features are given.

    features: (texts, D), also of texts that no comparison names: their spread is used, no label.
    l2: pull of every weight towards 0, in the units of the summed (not mean) loss, on features / unit.
    weight: (pairs,) how much each verdict counts; equal when None. loss: called as loss(r1, r2, mu, weight=...).
    one_unit: the features are places along directions of one space, such as principal components: a direction that
        hardly varies stays small. False gives each feature the same spread, whatever its units.

    The problem is convex: L-BFGS finds the one optimum. Raises ValueError when there are no comparisons, when features
    are not finite, or when the loss is not.
    """
    if len(comparisons) == 0:
        raise ValueError("there are no comparisons to learn from")
    if not torch.isfinite(features).all():
        raise ValueError("some features are not finite numbers")
    mean, spread = features.mean(dim=0), features.std(dim=0).clamp(min=1e-6)              # (D,) each
    unit = spread.square().sum().sqrt().expand(len(mean)) if one_unit else spread * len(mean) ** 0.5
    used, position = torch.unique(torch.stack([comparisons.first, comparisons.second]), return_inverse=True)
    known = (features[used] - mean) / unit                                                # (used texts, D)
    weights = torch.zeros(features.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=60, line_search_fn="strong_wolfe")
    options = {} if weight is None else {"weight": weight}
    total = len(comparisons) if weight is None else weight.sum().item()

    def closure() -> Tensor:
        optimizer.zero_grad()
        rewards = known @ weights                                                         # (used texts,)
        pull = l2 / total * weights.square().sum() / 2
        objective = loss(rewards[position[0]], rewards[position[1]], comparisons.mu, **options) + pull
        if not torch.isfinite(objective):
            raise ValueError("the loss is not a finite number; look at the verdicts and at the loss function")
        objective.backward()
        return objective

    optimizer.step(closure)
    return LinearReward(weights.detach(), mean, unit.clone())
