"""Clips of behaviour: a few steps cut out of a rollout, without any reward attached. Lessons 04 and 06.

Source: Christiano et al. (2017), section 2.1: a segment is a short sequence of observations and actions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Segment:
    """A few steps of one environment. Where an episode ends inside, the next one follows, as a person would see it."""

    obs: Tensor                     # (L, ...) what each action led to; at an episode's end its true last observation
    actions: Tensor                 # (L,) or (L, D)


def cut_segments(next_obs: Tensor, actions: Tensor, length: int, rng: np.random.Generator) -> list[Segment]:
    """Cut each environment's row into pieces of `length` steps, from a random offset on.

    next_obs: (T, N, ...) as `Rollout.next_obs()` gives it; actions: (T, N, ...). Raises ValueError when T < length.
    """
    steps, count = next_obs.shape[:2]
    if steps < length:
        raise ValueError(f"a rollout of {steps} steps has no segment of {length}: collect more or cut shorter ones")
    segments = []
    for env in range(count):
        offset = int(rng.integers(0, steps % length + 1))
        for start in range(offset, steps - length + 1, length):
            piece = slice(start, start + length)
            segments.append(Segment(next_obs[piece, env].clone(), actions[piece, env].clone()))
    return segments


def stack(segments: Sequence[Segment]) -> Tensor:
    """Observations of several segments of one length, (segments, L, ...)."""
    return torch.stack([segment.obs for segment in segments])
