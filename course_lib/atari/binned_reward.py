"""A reward model for Pong's ten numbers that can be read like a ruler: a worth for each bin of each place. Lesson 06.

An MLP on the bare numbers explains 200 verdicts just as well, and talks all the time between points; linear in soft
bins it has little to say where no label spoke (benchmarks/pong.py, features-200; lesson 06 tells what that changed).
"""

import numpy as np
import torch
from torch import nn

from course_lib.atari.soft_bins import BINNED, binned


class BinnedReward(nn.Module):
    """Linear in the numbers and their soft bins. obs: (..., 10) -> rewards (...). 99 weights."""

    def __init__(self, seed: int = 0):
        super().__init__()
        self.worth = nn.Linear(BINNED, 1)
        with torch.no_grad():
            draw = torch.Generator().manual_seed(seed)
            self.worth.weight.normal_(0.0, 5e-3, generator=draw)
            self.worth.bias.zero_()

    def rewards(self, obs: torch.Tensor) -> torch.Tensor:
        """(..., 10) -> (...)."""
        return self.worth(binned(obs)).squeeze(-1)

    @staticmethod
    def prepare(segments: list[np.ndarray]) -> list[torch.Tensor]:
        """Segments (L, 10), binned once: (L, 98) each."""
        return [binned(torch.from_numpy(obs)) for obs in segments]

    @staticmethod
    def gather(prepared: list[torch.Tensor]) -> torch.Tensor:
        """The prepared segments together, (segments, L, 98)."""
        return torch.stack(prepared)

    def prepared_rewards(self, segments: torch.Tensor) -> torch.Tensor:
        """(segments, L, 98) -> (segments, L)."""
        return self.worth(segments).squeeze(-1)
