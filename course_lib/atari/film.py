"""A few seconds of play as pictures: for a clip beside a training curve, and to watch an agent. Lesson 05."""

import numpy as np
from torch import nn

from course_lib.atari.encoders import BinaryFrames, Encoder
from course_lib.atari.envs import AtariEnvs
from course_lib.atari.games import Game, in_colour
from course_lib.rl.evaluate import greedy, sampled

PLAY_SEED = 2_000_000                   # far from the seeds of training and of fresh games


def film(network: nn.Module, game: str | Game = "pong", encoder: Encoder | None = None, steps: int = 150,
         after: int = 15, seed: int = 0, greedily: bool = False) -> list[np.ndarray]:
    """One game as a person is shown it: `steps` frames (H, W, 3) uint8, 15 a second, without the score.

    encoder: what the network sees, `BinaryFrames` by default. after: steps played before the film begins (Pong's first
    serve takes 15). greedily: always the likeliest action; else actions are drawn as in training. Raises UnknownGame.
    """
    envs = AtariEnvs(game, 1, encoder or BinaryFrames(game), keep_frames=True)
    policy = greedy(network) if greedily else sampled(network, seed)
    try:
        obs, _ = envs.reset(seed=PLAY_SEED + seed)
        for _ in range(after + steps):
            obs, *_ = envs.step(policy(obs))
        return list(in_colour(envs.take_frames()[after:, 0], envs.game))
    finally:
        envs.close()
