"""Pong's ten numbers in soft bins: places that a small network, or even a line, can tell apart. Lessons 05 and 06.

A bin is 1 at its middle and falls to 0 at the next one's, so that nothing jumps. Source: R. Sutton and A. Barto,
Reinforcement Learning, 2nd ed., section 9.5 (coarse coding).
"""

import torch

PLACES, OFFSETS = 16, 24                # bins of a place on the court; of the ball's distance below our paddle
BINNED = 10 + 4 * PLACES + OFFSETS      # numbers after binning: 98


def binned(obs: torch.Tensor) -> torch.Tensor:
    """The ten numbers of `PongObjects`, and bins of five of them. (..., 10) -> (..., 98).

    Binned are: ball across and down, our and their paddle, the ball's distance below our paddle. Bins of an unseen
    ball are 0.
    """
    seen = obs[..., :1, None]                                                       # (..., 1, 1)
    ball = soft_bins(obs[..., 1:3], 1.0, PLACES) * seen                             # (..., 2, 16)
    paddles = soft_bins(obs[..., 3:5], 1.0, PLACES)                                 # (..., 2, 16)
    below = soft_bins(obs[..., 9:], 1.5, OFFSETS) * seen                            # (..., 1, 24)
    return torch.cat([obs, ball.flatten(-2), paddles.flatten(-2), below.flatten(-2)], dim=-1)


def soft_bins(x: torch.Tensor, reach: float, bins: int) -> torch.Tensor:
    """Numbers from -reach to reach -> `bins` numbers each that add up to 1 (0 far outside). (...) -> (..., bins)."""
    middles = torch.linspace(-reach, reach, bins)
    return (1 - (x[..., None] - middles).abs() * ((bins - 1) / (2 * reach))).clamp(min=0)
