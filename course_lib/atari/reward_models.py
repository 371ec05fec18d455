"""Reward models for Pong: what a person prefers, as a number a step. Small, because labels are few. Lesson 06.

Both offer `rewards(obs)` for play, and `prepare` and `prepared_rewards` for fitting, where the same clips are looked at
hundreds of times. `RewardEnsemble` averages several, each fitted to its own resampling of the labels.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.atari.encoders import forty_rows
from course_lib.atari.patches import GRID, SIZE, STRIDE, PatchTable, SegmentPatches


class RowPooledReward(nn.Module):
    """A convolution, summed over the rows: the reward may depend on where along the court something is and how it
    moves, not on its height. 833 weights.

    obs: (..., 2, rows, 40) of 0 and 1 -> rewards (...); of 80 rows every second is read. A general
    image network needs many more labels to find out that height does not matter; the choice is tailored to Pong and
    lesson 06 says so.
    """

    def __init__(self, filters: int = 16, seed: int = 0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.look = nn.Conv2d(2, filters, SIZE, STRIDE)
            self.out = nn.Linear(filters * GRID, 1)

    def rewards(self, obs: torch.Tensor) -> torch.Tensor:
        """(..., 2, rows, 40) -> (...)."""
        h = F.relu(self.look(forty_rows(obs).flatten(0, -4).float()))               # (B, filters, 19, 19)
        return self.out(h.sum(dim=2).flatten(1)).reshape(obs.shape[:-3])

    @staticmethod
    def prepare(segments: list[np.ndarray]) -> list[SegmentPatches]:
        """What fitting needs to know of each segment, (L, 2, rows, 40): counted once, used at every step."""
        return [SegmentPatches.of(forty_rows(obs)) for obs in segments]

    @staticmethod
    def gather(prepared: list[SegmentPatches]) -> PatchTable:
        """The prepared segments together."""
        return PatchTable.of(prepared)

    def prepared_rewards(self, table: PatchTable) -> torch.Tensor:
        """The rewards of every frame of the table, (segments, L); the same numbers as `rewards` gives."""
        h = F.relu(table.cells @ self.look.weight.flatten(1).T + self.look.bias)    # (U, filters)
        worth = h @ self.out.weight.reshape(-1, GRID)                               # (U, 19): of a patch in a column
        more_than_empty = (worth - worth[:1]).flatten()                             # (U * 19,)
        entries = more_than_empty.index_select(0, table.patch * GRID + table.column) * table.count      # (E,)
        empty_court = GRID * worth[0].sum() + self.out.bias
        frames = empty_court.expand(table.segments * table.steps).index_add(0, table.frame, entries)    # (M,)
        return frames.reshape(table.segments, table.steps)


class ObjectReward(nn.Module):
    """An MLP on ten object features, those of Donkey Kong. obs: (..., 10) -> rewards (...). 4,929 weights."""

    def __init__(self, features: int = 10, hidden: int = 64, seed: int = 0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = nn.Sequential(nn.Linear(features, hidden), nn.LeakyReLU(), nn.Linear(hidden, hidden),
                                     nn.LeakyReLU(), nn.Linear(hidden, 1))

    def rewards(self, obs: torch.Tensor) -> torch.Tensor:
        """(..., 10) -> (...)."""
        return self.net(obs).squeeze(-1)

    @staticmethod
    def prepare(segments: list[np.ndarray]) -> list[torch.Tensor]:
        """Segments (L, 10) as tensors."""
        return [torch.from_numpy(obs) for obs in segments]

    @staticmethod
    def gather(prepared: list[torch.Tensor]) -> torch.Tensor:
        """The prepared segments together, (segments, L, 10)."""
        return torch.stack(prepared)

    def prepared_rewards(self, segments: torch.Tensor) -> torch.Tensor:
        """(segments, L, 10) -> (segments, L)."""
        return self.rewards(segments)


class RewardEnsemble(nn.Module):
    """Several reward models of one kind: their mean is the reward, their spread says how sure they are.

    kind: `RowPooledReward`, `ObjectReward`, `BinnedReward` (binned_reward.py) or `CellReward` (cell_reward.py).
    """

    def __init__(self, kind: type[nn.Module], members: int = 3, seed: int = 0):
        super().__init__()
        self.members = nn.ModuleList(kind(seed=seed * 1000 + k) for k in range(members))
        self.kind: Any = kind

    def each(self, obs: torch.Tensor) -> torch.Tensor:
        """The rewards by every member, (members, S, L). obs: (S, L, ...), S stretches of L observations.

        Goes by `prepare`, which for frames is ten times faster than the convolution.
        """
        data = self.kind.gather(self.kind.prepare(list(obs.numpy())))
        return torch.stack([member.prepared_rewards(data) for member in self.members])

    def rewards(self, obs: torch.Tensor) -> torch.Tensor:
        """The mean over the members: (S, L, ...) -> (S, L)."""
        return self.each(obs).mean(dim=0)
