"""A reward model for Pong's ten numbers: a worth for each place of the ball along the court. Lesson 06.

The same prior as for pixels (`RowPooledReward`): where something is along the court may matter, and how it moves there,
but no height. An MLP on all ten numbers (`ObjectReward`) can explain the verdicts as well. But in a beginner's clips,
where nearly every point is lost, other things go with the verdicts too, such as where our paddle stood; an agent that
is paid for standing there stays there, and no later clip can show that this was a mistake.
"""

import numpy as np
import torch
from torch import nn

from course_lib.atari.soft_bins import PLACES, soft_bins

INPUTS = 2 + PLACES


class BinnedReward(nn.Module):
    """Linear in: is the ball seen, how it moves across, and soft bins of its place across. 19 weights.

    obs: (..., 10) -> rewards (...).
    """

    def __init__(self, seed: int = 0):
        super().__init__()
        self.worth = nn.Linear(INPUTS, 1)
        with torch.no_grad():
            draw = torch.Generator().manual_seed(seed)
            self.worth.weight.normal_(0.0, 5e-3, generator=draw)
            self.worth.bias.zero_()

    def rewards(self, obs: torch.Tensor) -> torch.Tensor:
        """(..., 10) -> (...)."""
        return self.worth(along_the_court(obs)).squeeze(-1)

    @staticmethod
    def prepare(segments: list[np.ndarray]) -> list[torch.Tensor]:
        """What the model looks at in segments (L, 10), binned once: (L, 18) each."""
        return [along_the_court(torch.from_numpy(obs)) for obs in segments]

    @staticmethod
    def gather(prepared: list[torch.Tensor]) -> torch.Tensor:
        """The prepared segments together, (segments, L, 18)."""
        return torch.stack(prepared)

    def prepared_rewards(self, segments: torch.Tensor) -> torch.Tensor:
        """(segments, L, 18) -> (segments, L)."""
        return self.worth(segments).squeeze(-1)


def along_the_court(obs: torch.Tensor) -> torch.Tensor:
    """Of the ten numbers: ball seen, its movement across, its place across in soft bins. (..., 10) -> (..., 18)."""
    seen, across, movement = obs[..., :1], obs[..., 1], obs[..., 5:6]
    return torch.cat([seen, movement, soft_bins(across, 1.0, PLACES) * seen], dim=-1)
