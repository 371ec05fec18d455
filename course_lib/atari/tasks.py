"""What belongs together: a game, how it is observed, who plays, what judges a step, where a rally ends. Lesson 06."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from course_lib.atari.donkey_kong import KongObjects
from course_lib.atari.encoders import BinaryFrames, Encoder, PongObjects
from course_lib.atari.games import DONKEY_KONG, PONG, Game
from course_lib.atari.networks import BinnedObjectAgent, FrameAgent, ObjectAgent
from course_lib.atari.pong import at_ball_gone
from course_lib.atari.reward_models import BinnedReward, CellReward, ObjectReward, RowPooledReward
from course_lib.rl.rollout import Rollout


def nowhere(rollout: Rollout) -> torch.Tensor:
    """(T, N) bool, all False: no step is a boundary."""
    return torch.zeros_like(rollout.ended)


@dataclass(frozen=True)
class Track:
    """One way of playing one game from preferences."""

    game: Game
    encoder: Callable[[], Encoder]
    agent: Callable[..., nn.Module]                     # agent(seed=...)
    reward_model: type[nn.Module]
    boundary: Callable[[Rollout], torch.Tensor]         # never the score: see pong.py


TRACKS = {
    "pong frames": Track(PONG, BinaryFrames, FrameAgent, RowPooledReward, at_ball_gone),
    "pong cells": Track(PONG, BinaryFrames, FrameAgent, CellReward, at_ball_gone),
    "pong objects": Track(PONG, PongObjects, BinnedObjectAgent, BinnedReward, at_ball_gone),
    "donkey kong objects": Track(DONKEY_KONG, KongObjects, partial(ObjectAgent, actions=len(DONKEY_KONG.actions)),
                                 ObjectReward, nowhere),
}
