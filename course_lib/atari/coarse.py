"""A network that loses the ball: the counter-example of lesson 05, measured by benchmarks/pong_parts.py.

Large networks for large frames put convolution upon convolution until little of the screen's grid is left. On a
court of 160 x 160 pixels a second convolution leaves 3 x 3 places, each of which looks at 80 x 80 pixels, a quarter of
the court.
"""

import torch
from torch import nn

from course_lib.atari.networks import FrameAgent
from course_lib.rl.networks import orthogonal


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
