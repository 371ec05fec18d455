"""A reward model that can be read like a picture: one number for every cell of the screen. Lesson 06.

The row-pooled model of Pong (reward_models.py) cannot know at what height anything is. A taste such as "stay low" needs
one that can: here the reward of a step is the sum of the numbers of all cells in which something is seen.
"""

import numpy as np
import torch
from torch import nn

from course_lib.atari.encoders import forty_rows

CELLS = 40 * 40


class CellReward(nn.Module):
    """A worth for each cell of the newer frame; linear: one weight a cell, and one.

    obs: (..., 2, rows, 40) of 0 and 1 -> rewards (...). Starts near 0: what no label spoke of stays there.
    """

    def __init__(self, seed: int = 0):
        super().__init__()
        self.worth = nn.Linear(CELLS, 1)
        with torch.no_grad():
            draw = torch.Generator().manual_seed(seed)
            self.worth.weight.normal_(0.0, 1e-3, generator=draw)
            self.worth.bias.zero_()

    def rewards(self, obs: torch.Tensor) -> torch.Tensor:
        """(..., 2, rows, 40) -> (...)."""
        return self.worth(forty_rows(obs)[..., 0, :, :].flatten(-2).float()).squeeze(-1)

    @staticmethod
    def prepare(segments: list[np.ndarray]) -> list[torch.Tensor]:
        """The newer frames of each segment, (L, 1600) bytes."""
        return [torch.from_numpy(np.ascontiguousarray(forty_rows(obs)[:, 0])).flatten(1) for obs in segments]

    @staticmethod
    def gather(prepared: list[torch.Tensor]) -> torch.Tensor:
        """The prepared segments together, (segments, L, cells)."""
        return torch.stack(prepared).float()

    def prepared_rewards(self, cells: torch.Tensor) -> torch.Tensor:
        """(segments, L, cells) -> (segments, L)."""
        return self.worth(cells).squeeze(-1)
