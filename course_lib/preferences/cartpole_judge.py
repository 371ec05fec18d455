"""A scripted judge for CartPole that sees what a person sees: a clip, and nothing of rewards or of what came after.

More upright is better, nearer to the centre is better, a fall is worst; clips that are nearly alike are a tie.
Its verdicts are always stored with source = "scripted". Lesson 04.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_lib.rl.cartpole import ANGLE_LIMIT, X_LIMIT, fallen

TIE_BELOW = 0.5                     # a difference of marks under this is called equal


def mark(obs: Tensor) -> float:
    """How good a clip looks: 0 is perfect, less is worse. obs: (L, 4) states as shown.

    One step costs 1 with the pole at its limit, and 0.5 with the cart at the end of its track; a fall costs 10.
    """
    tilt, away = obs[:, 2].abs() / ANGLE_LIMIT, obs[:, 0].abs() / X_LIMIT
    falls = int(fallen(obs.numpy()).sum())
    return -float((tilt + 0.5 * away).sum()) - 10 * falls


@dataclass
class ScriptedJudge:
    """Answers 1, 0.5 or 0 for the first clip; wrong on purpose, the other way round, with `wrong_share`."""

    wrong_share: float = 0.0        # share of verdicts replaced by one drawn at random
    seed: int = 0

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng([self.seed, 4])

    def __call__(self, first: Tensor, second: Tensor) -> float:
        """mu for a pair of clips, (L, 4) each."""
        gap = mark(torch.as_tensor(first)) - mark(torch.as_tensor(second))
        mu = 0.5 if abs(gap) < TIE_BELOW else float(gap > 0)
        if self.wrong_share and self.rng.random() < self.wrong_share:
            mu = float(self.rng.integers(2))
        return mu
