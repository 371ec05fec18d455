"""How an agent plays, beyond its score: points, rallies, where its paddle stands. For the evaluator. Lesson 06.

It uses the true score, so nothing that learns may call it; see evaluate.py.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from course_lib.atari.encoders import BinaryFrames
from course_lib.atari.envs import AtariEnvs
from course_lib.atari.evaluate import FRESH_SEED
from course_lib.atari.games import PONG
from course_lib.atari.taste_judges import paddle_height
from course_lib.rl.evaluate import sampled


@dataclass(frozen=True)
class PlayStyle:
    """What was seen in some thousand agent steps of fresh play."""

    steps: int                          # agent steps in all games together
    won: int                            # points
    lost: int
    heights: np.ndarray                 # (steps,) height of our paddle: 0 floor, 1 ceiling; nan where not seen
    frames: np.ndarray                  # (K, 160, 160) uint8: the first game's first steps, for a clip

    @property
    def steps_a_point(self) -> float:
        """Agent steps from one point to the next, the serve included: how long rallies are. All steps without any."""
        return self.steps / max(1, self.won + self.lost)

    @property
    def height(self) -> float:
        """Mean height of our paddle."""
        return float(np.nanmean(self.heights))

    @property
    def balance(self) -> float:
        """Points won minus lost, for each 1,000 agent steps."""
        return 1000 * (self.won - self.lost) / self.steps

    def __str__(self) -> str:
        return (f"{self.steps_a_point:4.0f} steps a point, paddle at {self.height:.2f} of the height, "
                f"points {self.won} : {self.lost}")


@torch.no_grad()
def play_style(network: nn.Module, steps: int = 600, games: int = 8, seed: int = 0, keep: int = 240) -> PlayStyle:
    """Let `network` (BinaryFrames) play `games` fresh games of Pong for `steps` steps each, actions sampled."""
    envs, policy = AtariEnvs(PONG, games, BinaryFrames(), keep_frames=True), sampled(network, seed)
    obs, _ = envs.reset(seed=FRESH_SEED + seed)
    won = lost = 0
    heights, frames = [], []
    for step in range(steps):
        obs, rewards, *_ = envs.step(policy(obs))
        court = envs.take_frames()[0]                                               # (games, 160, 160)
        won, lost = won + int((rewards > 0).sum()), lost + int((rewards < 0).sum())
        heights.append(paddle_height(court))
        if step < keep:
            frames.append(court[0])
    envs.close()
    return PlayStyle(steps * games, won, lost, np.concatenate(heights), np.stack(frames))
