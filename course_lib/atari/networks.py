"""One small network for playing, with two heads: which action, and how well it is going. Lesson 05.

The layer that matters is the first: it looks at squares of 32 x 32 pixels, every 16 pixels, which leaves a 9 x 9 grid,
fine enough to say where the ball is. A second convolution down to 3 x 3, as in large networks for large frames, throws
the ball's place away (coarse.py; shown in lesson 05).
"""

import torch
from torch import nn

from course_lib.rl.distributions import Categorical
from course_lib.rl.networks import orthogonal


class FrameAgent(nn.Module):
    """obs: (B, C, rows, 40) of 0 and 1 -> (Categorical over the actions, values (B,)). 170,644 weights for 80 rows."""

    def __init__(self, actions: int = 3, channels: int = 2, hidden: int = 128, rows: int = 80, seed: int = 0):
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        squares = nn.Conv2d(channels, 16, kernel_size=(rows // 5, 8), stride=(rows // 10, 4))
        self.trunk = nn.Sequential(
            orthogonal(squares, generator=draw), nn.ReLU(),                                           # (B, 16, 9, 9)
            nn.Flatten(),                                                                             # (B, 1296)
            orthogonal(nn.Linear(16 * 9 * 9, hidden), generator=draw), nn.ReLU())                     # (B, hidden)
        self.policy = orthogonal(nn.Linear(hidden, actions), 0.01, draw)
        self.critic = orthogonal(nn.Linear(hidden, 1), 1.0, draw)

    def distribution(self, obs: torch.Tensor) -> Categorical:
        """The policy alone: what acting needs."""
        return Categorical(self.policy(self.trunk(obs.float())))

    def forward(self, obs: torch.Tensor) -> tuple[Categorical, torch.Tensor]:
        h = self.trunk(obs.float())                                                 # (B, hidden)
        return Categorical(self.policy(h)), self.critic(h).squeeze(-1)


class ObjectAgent(nn.Module):
    """obs: (B, 10) numbers about ball and paddles -> (Categorical over the actions, values (B,))."""

    def __init__(self, actions: int = 3, features: int = 10, hidden: int = 64, seed: int = 0):
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.trunk = nn.Sequential(
            orthogonal(nn.Linear(features, hidden), generator=draw), nn.Tanh(),
            orthogonal(nn.Linear(hidden, hidden), generator=draw), nn.Tanh())       # (B, hidden)
        self.policy = orthogonal(nn.Linear(hidden, actions), 0.01, draw)
        self.critic = orthogonal(nn.Linear(hidden, 1), 1.0, draw)

    def distribution(self, obs: torch.Tensor) -> Categorical:
        """The policy alone: what acting needs."""
        return Categorical(self.policy(self.trunk(obs)))

    def forward(self, obs: torch.Tensor) -> tuple[Categorical, torch.Tensor]:
        h = self.trunk(obs)                                                         # (B, hidden)
        return Categorical(self.policy(h)), self.critic(h).squeeze(-1)


class BinnedObjectAgent(ObjectAgent):
    """ObjectAgent for Pong's ten numbers that reads places in soft bins. 29,700 weights.

    A small network is slow at telling near numbers apart; Pong is decided by a few pixels. So each place (ball across
    and down, both paddles) is also given as 16 bins, and the ball's distance below the paddle as 24: a bin is 1 at its
    middle and falls to 0 at the next one's, so that nothing jumps. (R. Sutton and A. Barto, Reinforcement Learning, 2nd
    ed., section 9.5: coarse coding.) Bins of an unseen ball are 0.
    """

    PLACES, OFFSETS = 16, 24                                                        # bins

    def __init__(self, actions: int = 3, hidden: int = 128, seed: int = 0):
        super().__init__(actions, 10 + 4 * self.PLACES + self.OFFSETS, hidden, seed)
        self.trunk[1], self.trunk[3] = nn.ReLU(), nn.ReLU()

    def distribution(self, obs: torch.Tensor) -> Categorical:
        """The policy alone: what acting needs."""
        return super().distribution(self.binned(obs))

    def forward(self, obs: torch.Tensor) -> tuple[Categorical, torch.Tensor]:
        return super().forward(self.binned(obs))

    def binned(self, obs: torch.Tensor) -> torch.Tensor:
        """(B, 10) -> (B, 98)."""
        seen = obs[:, :1]                                                           # (B, 1)
        ball = soft_bins(obs[:, 1:3], 1.0, self.PLACES) * seen[:, None]             # (B, 2, 16)
        paddles = soft_bins(obs[:, 3:5], 1.0, self.PLACES)                          # (B, 2, 16)
        below = soft_bins(obs[:, 9:], 1.5, self.OFFSETS) * seen[:, None]            # (B, 1, 24)
        return torch.cat([obs, ball.flatten(1), paddles.flatten(1), below.flatten(1)], dim=1)


def soft_bins(x: torch.Tensor, reach: float, bins: int) -> torch.Tensor:
    """Numbers from -reach to reach -> `bins` numbers each that add up to 1 (0 far outside). (B, K) -> (B, K, bins)."""
    middles = torch.linspace(-reach, reach, bins)
    return (1 - (x[..., None] - middles).abs() * ((bins - 1) / (2 * reach))).clamp(min=0)
