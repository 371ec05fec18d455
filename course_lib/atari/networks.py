"""Actor-critic networks for Atari: one small network with two heads, an action and a value estimate. Lesson 06.

The layer that matters is the first: it looks at squares of 32 x 32 pixels, every 16 pixels, which leaves a 9 x 9 grid,
fine enough to say where the ball is. The counter-example is at the end of the file: large networks for large frames put
convolution upon convolution. On a court of 160 x 160 pixels a second convolution leaves 3 x 3 places, each of which
looks at 80 x 80 pixels, a quarter of the court, and the ball's place is lost. Measured by benchmarks/pong_parts.py.
"""

import torch
from torch import nn

from course_lib.atari.encoders import BINNED, binned
from course_lib.rl.networks import Categorical, orthogonal


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
    """ObjectAgent for Pong's ten numbers that reads places in soft bins (encoders.py). 29,700 weights.

    A small network is slow at telling near numbers apart, and Pong is decided by a few pixels.
    """

    def __init__(self, actions: int = 3, hidden: int = 128, seed: int = 0):
        super().__init__(actions, BINNED, hidden, seed)
        self.trunk[1], self.trunk[3] = nn.ReLU(), nn.ReLU()

    def distribution(self, obs: torch.Tensor) -> Categorical:
        """The policy alone: what acting needs."""
        return super().distribution(binned(obs))

    def forward(self, obs: torch.Tensor) -> tuple[Categorical, torch.Tensor]:
        return super().forward(binned(obs))


class CoarseAgent(FrameAgent):
    """`FrameAgent` with a second convolution: obs (B, C, rows, 40) -> a 3 x 3 grid of features -> the heads."""

    def __init__(self, actions: int = 3, channels: int = 2, hidden: int = 128, filters: int = 32,
                 rows: int = 80, seed: int = 0):
        super().__init__(actions, channels, hidden, rows, seed)
        draw = torch.Generator().manual_seed(seed)
        squares = nn.Conv2d(channels, 16, kernel_size=(rows // 5, 8), stride=(rows // 10, 4))
        self.trunk = nn.Sequential(
            orthogonal(squares, generator=draw), nn.ReLU(),                                           # (B, 16, 9, 9)
            orthogonal(nn.Conv2d(16, filters, kernel_size=4, stride=2), generator=draw), nn.ReLU(),   # (B, 32, 3, 3)
            nn.Flatten(),                                                                             # (B, 288)
            orthogonal(nn.Linear(filters * 3 * 3, hidden), generator=draw), nn.ReLU())                # (B, hidden)
