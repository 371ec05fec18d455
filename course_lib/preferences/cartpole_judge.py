"""A scripted judge for CartPole that sees what a person sees: a clip, and nothing of rewards or of what came after.

More upright is better, nearer to the centre is better, a fall is worst; clips that are nearly alike are a tie.
Its verdicts are always stored with source = "scripted". Lesson 04.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_lib.rl.cartpole import ANGLE_LIMIT, X_LIMIT, fallen

TIE_BELOW = 0.5                     # a difference of marks under this is called equal


def mark_place(obs: Tensor, place: float) -> float:
    """How good a clip looks to one who wants the cart at `place` (m): 0 is perfect, less is worse. obs: (L, 4).

    A metre away from the place costs 1 a step, the pole at its limit 1, a fall 10 more.
    """
    tilt, away = obs[:, 2].abs() / ANGLE_LIMIT, (obs[:, 0] - place).abs()
    return -float((tilt + away).sum()) - 10 * int(fallen(obs.numpy()).sum())


def mark(obs: Tensor) -> float:
    """How good a clip looks: 0 is perfect, less is worse. obs: (L, 4) states as shown.

    One step costs 1 with the pole at its limit, and 0.5 with the cart at the end of its track; a fall costs 10.
    """
    tilt, away = obs[:, 2].abs() / ANGLE_LIMIT, obs[:, 0].abs() / X_LIMIT
    falls = int(fallen(obs.numpy()).sum())
    return -float((tilt + 0.5 * away).sum()) - 10 * falls


@dataclass(frozen=True)
class ScriptedJudge:
    """Answers 1, 0.5 or 0 for the first clip, by a difference of marks; now and then wrong on purpose.

    The same two clips get the same verdict, whichever stands first and however often the question is put: a run that
    was interrupted and goes on asks again and must hear the same.
    """

    wrong_share: float = 0.0                                # share of verdicts replaced by left or right at random
    seed: int = 0
    marks: Callable[[Tensor], float] = mark                 # what it likes: (L, 4) -> a number, more is better
    tie_below: float = TIE_BELOW                            # smaller differences are called equal

    def __call__(self, first: Tensor, second: Tensor) -> float:
        """mu for a pair of clips, (L, 4) each."""
        first, second = torch.as_tensor(first), torch.as_tensor(second)
        gap = self.marks(first) - self.marks(second)
        names = [zlib.crc32(clip.numpy().tobytes()) for clip in (first, second)]
        rng = np.random.default_rng([self.seed, *sorted(names)])
        if rng.random() < self.wrong_share:
            return float((rng.random() < 0.5) == (names[0] < names[1]))
        return 0.5 if abs(gap) < self.tie_below else float(gap > 0)
