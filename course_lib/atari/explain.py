"""What a reward model has learned: its opinion along a clip, and which part of the screen it rests on. Lesson 06."""

import numpy as np
import torch

from course_lib.atari.encoders import forty_rows
from course_lib.atari.reward_models import RewardEnsemble


@torch.no_grad()
def rewards_along(ensemble: RewardEnsemble, obs: np.ndarray) -> np.ndarray:
    """Each member's reward at every step of a clip, minus the clip's middle value: (L, ...) -> (members, L).

    Only differences mean something: preferences fix neither zero nor scale.
    """
    each = ensemble.each(torch.from_numpy(np.ascontiguousarray(obs))[None])[:, 0]   # (members, L)
    return (each - each.median(dim=1, keepdim=True).values).numpy()


@torch.no_grad()
def occlusion(ensemble: RewardEnsemble, obs: np.ndarray, size: int = 4) -> np.ndarray:
    """How much of a step's reward rests on each part of the picture: (2, rows, 40) -> (40 / size, 40 / size).

    Each block of size x size cells of the 40 x 40 that reward models read is emptied in both frames; the entry is the
    reward as it was minus the reward without the block. Source: M. Zeiler and R. Fergus (2014), "Visualizing and
    understanding convolutional networks", section 4.2.
    """
    blocks, obs = 40 // size, forty_rows(obs)
    changed = np.repeat(obs[None], blocks * blocks + 1, axis=0)                     # (blocks^2 + 1, 2, 40, 40)
    for number in range(blocks * blocks):
        row, column = number // blocks * size, number % blocks * size
        changed[number, :, row:row + size, column:column + size] = 0
    rewards = ensemble.rewards(torch.from_numpy(changed)[None])[0]                  # (blocks^2 + 1,)
    return (rewards[-1] - rewards[:-1]).reshape(blocks, blocks).numpy()
