"""Short clips cut from what the agent did: what the judge is shown and what the reward model learns from. Lesson 06.

Vocabulary, as in Christiano et al. (2017): a segment sigma is a stretch of play; a preference (sigma1, sigma2, mu) says
which of two is better: mu is 1 for the first, 0 for the second, 0.5 for a tie.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from course_lib.atari.games import Game, in_colour
from course_lib.rl.rollout import Rollout

SEGMENT_STEPS = 25                      # 1.7 s of play; Christiano et al. used the same 25 steps of 4 frames


@dataclass(frozen=True)
class Segment:
    """L consecutive steps of one game: what each action led to, as the agent sees it and as a person is shown it."""

    obs: np.ndarray                                 # (L, ...) observations after each step
    frames: np.ndarray | None = field(repr=False)   # (L, H, W) uint8, the court in grey; None: dropped


class Preference(NamedTuple):
    """One verdict, ready for the Bradley–Terry loss: `sigma1, sigma2, mu, source = preference`."""

    sigma1: Segment
    sigma2: Segment
    mu: float
    source: str                                     # "human" or "scripted"


def cut_segments(rollout: Rollout, frames: np.ndarray, count: int, rng: np.random.Generator,
                 steps: int = SEGMENT_STEPS) -> list[Segment]:
    """`count` segments from random places of a rollout, none overlapping another.

    frames: (T, N, H, W), the court after each step. Fewer come back where a rollout has no room for `count`.
    """
    after = rollout.next_obs()                                                      # (T, N, ...)
    T, N = after.shape[:2]
    start = rng.integers(T % steps + 1)
    places = [(t, n) for t in range(start, T - steps + 1, steps) for n in range(N)]
    chosen = rng.permutation(len(places))[:count]
    return [Segment(after[t:t + steps, n].numpy().copy(), frames[t:t + steps, n].copy())
            for t, n in (places[i] for i in chosen)]


def clip_for_people(segment: Segment, game: Game, zoom: int = 2) -> np.ndarray:
    """The frames of a segment in colour, (L, zoom * H, zoom * W, 3) uint8; the score is not in them."""
    if segment.frames is None:
        raise ValueError("the pictures of this segment were dropped after it was judged; cut a new one")
    return in_colour(segment.frames, game).repeat(zoom, axis=1).repeat(zoom, axis=2)
