"""Which pairs of clips to ask about: at random, where the reward models disagree, or around events. Lesson 06."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from course_lib.atari.pong import ball_seen
from course_lib.atari.reward_models import RewardEnsemble
from course_lib.atari.segments import Segment

PairSelection = Callable[[Sequence[Segment], int, RewardEnsemble, np.random.Generator], list[tuple[Segment, Segment]]]


def random_pairs(pool: Sequence[Segment], count: int, ensemble: RewardEnsemble,
                 rng: np.random.Generator) -> list[tuple[Segment, Segment]]:
    """Any two different clips of the pool, `count` times. The ensemble is not asked."""
    chosen = (rng.choice(len(pool), 2, replace=False) for _ in range(count))
    return [(pool[i], pool[j]) for i, j in chosen]


@torch.no_grad()
def disagreement_pairs(pool: Sequence[Segment], count: int, ensemble: RewardEnsemble,
                       rng: np.random.Generator) -> list[tuple[Segment, Segment]]:
    """Of ten times as many random pairs those whose winner the members predict most differently.

    Source: Christiano et al. (2017), section 2.2.4: variance across the ensemble's predicted probabilities.
    """
    returns = ensemble.each(torch.from_numpy(np.stack([segment.obs for segment in pool]))).sum(-1)   # (members, clips)
    pairs = np.array([rng.choice(len(pool), 2, replace=False) for _ in range(10 * count)])           # (10 count, 2)
    disagreement = torch.sigmoid(returns[:, pairs[:, 0]] - returns[:, pairs[:, 1]]).std(dim=0)       # (10 count,)
    chosen = disagreement.argsort(descending=True)[:count]
    return [(pool[i], pool[j]) for i, j in pairs[chosen.numpy()]]


def event_pairs(pool: Sequence[Segment], count: int, ensemble: RewardEnsemble,
                rng: np.random.Generator) -> list[tuple[Segment, Segment]]:
    """Pairs in which each clip shows a ball leaving the screen three times out of four, so that fewer tie.

    Whether the ball leaves is read off the observations; who scored is not.
    """
    eventful = [i for i, segment in enumerate(pool) if _ball_leaves(segment.obs)]

    def pick() -> int:
        return int(rng.choice(eventful)) if eventful and rng.random() < 0.75 else int(rng.integers(len(pool)))

    return [(pool[pick()], pool[pick()]) for _ in range(count)]


def _ball_leaves(obs: np.ndarray) -> bool:
    seen = ball_seen(torch.from_numpy(obs))                                         # (L,)
    return bool((seen[:-1] & ~seen[1:]).any())
