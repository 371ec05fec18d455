"""Encoders: from the court on the screen to the few numbers that a small network can learn from. Lesson 06.

All encoders read one frame at a time (`look`) and then put two encoded frames together (`join`), because one picture
does not tell which way the ball flies. Nothing else reaches the agent: no score, no memory of the emulator.

Soft bins turn Pong's ten numbers into places that a small network, or even a line, can tell apart. A bin is 1 at its
middle and falls to 0 at the next one's, so that nothing jumps. Source: R. Sutton and A. Barto (2018), "Reinforcement
Learning", 2nd ed., section 9.5 (coarse coding). Lessons 06 and 07.
"""

from typing import Any, Protocol

import numpy as np
import torch

from course_lib.atari.games import Game, find_game

BALL, OUR_PADDLE, THEIR_PADDLE = 236, 147, 148      # shades of grey in Pong
OUR_COLUMN, THEIR_COLUMN = 141, 17                  # screen columns inside the paddles


class Encoder(Protocol):
    """Turns court frames into observations."""

    shape: tuple[int, ...]                          # of one observation
    dtype: type                                     # of its numbers

    def look(self, court: np.ndarray) -> np.ndarray:
        """Court frames (N, H, W) uint8 -> one encoded frame each, (N, ...)."""

    def join(self, now: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Two encoded frames (N, ...), four emulated frames apart -> observations (N, *shape)."""


class BinaryFrames:
    """Two frames of `rows` x 40 cells: 1 where anything but empty court was seen. For Pong.

    A cell is 4 pixels wide and 160 / rows high. Of its pixels only those of the first row in every second column are
    looked at. The ball is 4 pixels high and 2 wide: with 40 rows it covers exactly one sampled row and one sampled
    column, so that it is never lost. The 80 rows of the default tell in addition where on the paddle it will land,
    which decides at what angle it flies off (lesson 06; measured by benchmarks/pong_parts.py).
    """

    dtype = np.uint8

    def __init__(self, game: str | Game = "pong", rows: int = 80):
        self.floor, self.height = find_game(game).floor, 160 // rows                # height of a cell, pixels
        self.shape = (2, rows, 40)

    def look(self, court: np.ndarray) -> np.ndarray:
        """(N, 160, 160) -> (N, rows, 40) of 0 and 1."""
        seen = court[:, ::self.height, ::2] != self.floor                           # (N, rows, 80)
        return (seen[:, :, ::2] | seen[:, :, 1::2]).astype(np.uint8)                # (N, rows, 40)

    def join(self, now: np.ndarray, before: np.ndarray) -> np.ndarray:
        """(N, rows, 40) twice -> (N, 2, rows, 40), the newer first."""
        return np.stack([now, before], axis=1)


def forty_rows(obs: Any) -> Any:
    """The same frames with 40 rows, all that the reward models look at. (..., rows, 40) -> (..., 40, 40).

    Few labels teach few numbers, and who won a point shows on 40 rows as well as on 80. Arrays and tensors alike.
    """
    return obs[..., ::obs.shape[-2] // 40, :]


class PongObjects:
    """Ten numbers about the ball and the paddles, cut out of the screen by their shades.

    Places run from -1 (left, top) to 1 (right, bottom). 0: whether the ball is seen; 1, 2: ball across, down;
    3, 4: our and their paddle, down; 5, 6: the ball's movement since the look before, times 10; 7, 8: the paddles';
    9: how far the ball is below our paddle, as a multiple of a quarter of the court, at most 3 either way.
    """

    shape = (10,)
    dtype = np.float32

    def look(self, court: np.ndarray) -> np.ndarray:
        """(N, 160, 160) -> (N, 5): ball seen, ball across, ball down, our paddle, theirs; 0 to 1, 0.5 if unseen."""
        ball = court[:, ::2, ::2] == BALL                                           # (N, 80, 80)
        rows, columns = ball.any(axis=2), ball.any(axis=1)                          # (N, 80) each
        seen = rows.any(axis=1)                                                     # (N,)
        across = np.where(seen, columns.argmax(axis=1) / 80, 0.5)
        down = np.where(seen, rows.argmax(axis=1) / 80, 0.5)
        ours = _middle(court[:, :, OUR_COLUMN] == OUR_PADDLE)
        theirs = _middle(court[:, :, THEIR_COLUMN] == THEIR_PADDLE)
        return np.stack([seen, across, down, ours, theirs], axis=1).astype(np.float32)

    def join(self, now: np.ndarray, before: np.ndarray) -> np.ndarray:
        """(N, 5) twice -> (N, 10)."""
        seen, places = now[:, :1], now[:, 1:] * 2 - 1                               # (N, 1), (N, 4)
        moved = (now[:, 1:] - before[:, 1:]) * 10                                   # (N, 4)
        moved[:, :2] *= seen * before[:, :1]                                        # a ball seen once does not move yet
        below = seen * np.clip((now[:, 2:3] - now[:, 3:4]) * 4, -3, 3)              # (N, 1)
        return np.concatenate([seen, places, moved, below], axis=1).astype(np.float32)


def _middle(rows: np.ndarray) -> np.ndarray:
    """The middle of a run of True, as a share of the height; 0.5 where there is none. (N, H) -> (N,)."""
    length = rows.sum(axis=1)
    return np.where(length > 0, (rows.argmax(axis=1) + length / 2) / rows.shape[1], 0.5)


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
