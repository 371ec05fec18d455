"""All that a row-pooled reward model can see of many frames, in one small table. Lesson 06.

Its convolution looks at 4 x 4 cells of two frames: 32 bits. Most of the 361 patches of a frame are empty and the others
repeat (paddles, walls of nothing, a ball), so that the same few thousand patches make up every clip. The table names
each distinct patch once and counts where it occurs; fitting then touches a dozen entries a frame instead of 361
patches. Nothing is lost: rewards equal those of the convolution to rounding (tests/test_atari_reward_models.py), and a
fitting step on 400 pairs is about 100 times cheaper.
"""

from dataclasses import dataclass

import numpy as np
import torch

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
