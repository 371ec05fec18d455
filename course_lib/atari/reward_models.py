"""Reward models for Pong: what a person prefers, as a number a step. Small, because labels are few. Lesson 07.

All offer `rewards(obs)` for play, and `prepare` and `prepared_rewards` for fitting, where the same clips are looked at
hundreds of times. reward_ensemble.py averages several, each fitted to its own resampling of the labels.

- `RowPooledReward` is a convolution summed over rows: where something is along the court may matter, but no height. It
  looks at 4 x 4 cells of two frames: 32 bits. Most of the 361 patches of a frame are empty and the others repeat, so
  `PatchTable` names each distinct patch once and counts where it occurs. Nothing is lost: rewards equal those of the
  convolution to rounding (tests/test_atari_reward_models.py), and a fitting step on 400 pairs is about 100 times
  cheaper.
- `BinnedReward` is the same prior for Pong's ten numbers. An MLP on all ten (`ObjectReward`) fits the labels as well.
  But in a beginner's clips, where nearly every point is lost, other things go with the labels too, such as where our
  paddle stood; an agent that is rewarded for standing there stays there, and no later clip can show that this was a
  mistake.
- `CellReward` can be read like a picture: the reward of a step is the sum of one number for each cell in which
  something is seen. A preference such as "stay low" needs heights, which the row-pooled model cannot know.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.atari.encoders import PLACES, forty_rows, soft_bins

SIZE, STRIDE, GRID = 4, 2, 19           # patches of 4 x 4 cells, every 2 cells: 19 x 19 of them on 40 x 40


def patch_codes(obs: np.ndarray) -> np.ndarray:
    """The 32 cells of every patch as one number. obs: (M, 2, 40, 40) of 0 and 1; returns (M, 19, 19) uint32."""
    span = STRIDE * (GRID - 1) + 1                                                  # 37
    nibbles = np.zeros((*obs.shape[:3], GRID), dtype=np.uint32)                     # (M, 2, 40, 19): 4 cells in a row
    for k in range(SIZE):
        nibbles |= obs[..., k:k + span:STRIDE].astype(np.uint32) << k
    codes = np.zeros((len(obs), GRID, GRID), dtype=np.uint32)
    for frame in range(2):
        for row in range(SIZE):
            codes |= nibbles[:, frame, row:row + span:STRIDE] << (4 * (frame * SIZE + row))
    return codes


def patch_cells(codes: np.ndarray) -> torch.Tensor:
    """The cells back from the codes, in the order of a convolution's weights: (U,) -> (U, 32) float32."""
    return torch.from_numpy((codes[:, None] >> np.arange(32, dtype=np.uint32) & 1).astype(np.float32))


@dataclass(frozen=True)
class SegmentPatches:
    """The non-empty patches of one segment of L steps: E entries."""

    steps: int                          # L
    code: np.ndarray                    # (E,) uint32, the patch
    place: np.ndarray                   # (E,) int64, step * 19 + column of patches
    count: np.ndarray                   # (E,) float32, how often it occurs there, over the rows

    @classmethod
    def of(cls, obs: np.ndarray) -> "SegmentPatches":
        """Count the patches of obs, (L, 2, 40, 40)."""
        codes = patch_codes(obs)                                                    # (L, 19 rows, 19 columns)
        step, _, column = np.nonzero(codes)
        key = (step * GRID + column).astype(np.uint64) << np.uint64(32) | codes[codes != 0].astype(np.uint64)
        key, count = np.unique(key, return_counts=True)
        return cls(len(obs), (key & np.uint64(0xFFFFFFFF)).astype(np.uint32), (key >> np.uint64(32)).astype(np.int64),
                   count.astype(np.float32))


@dataclass(frozen=True)
class PatchTable:
    """Many segments together: U distinct patches, E entries, M = segments * L frames."""

    segments: int
    steps: int                          # L, the same in all
    cells: torch.Tensor                 # (U, 32) float32; the empty patch first
    patch: torch.Tensor                 # (E,) which patch
    column: torch.Tensor                # (E,) in which column of patches, 0 to 18
    frame: torch.Tensor                 # (E,) in which frame, 0 to M - 1
    count: torch.Tensor                 # (E,) how often

    @classmethod
    def of(cls, segments: list[SegmentPatches]) -> "PatchTable":
        """One table of all. The segments must be equally long."""
        steps = segments[0].steps
        code = np.concatenate([segment.code for segment in segments])
        place = np.concatenate([segment.place + i * steps * GRID for i, segment in enumerate(segments)])
        distinct, patch = np.unique(code, return_inverse=True)
        return cls(len(segments), steps, patch_cells(np.concatenate([np.zeros(1, np.uint32), distinct])),
                   torch.from_numpy(patch + 1), torch.from_numpy(place % GRID), torch.from_numpy(place // GRID),
                   torch.from_numpy(np.concatenate([segment.count for segment in segments])))


class RowPooledReward(nn.Module):
    """A convolution, summed over the rows: the reward may depend on where along the court something is and how it
    moves, not on its height. 833 weights.

    obs: (..., 2, rows, 40) of 0 and 1 -> rewards (...); of 80 rows every second is read. A general
    image network needs many more labels to find out that height does not matter; the choice is tailored to Pong and
    lesson 07 says so.
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


CELLS = 40 * 40


class CellReward(nn.Module):
    """A weight for each cell of the newer frame; linear: one weight a cell, and one.

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
