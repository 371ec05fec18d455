"""Many games at once behind Gymnasium's `VectorEnv`: encoded observations, and the score as rewards. Lesson 06.

Whoever learns from preferences gets them under seal (preferences/hidden_reward.py, lesson 07). `film` plays a few
seconds and returns them as pictures.
"""

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import nn

from course_lib.atari.encoders import BinaryFrames, Encoder
from course_lib.atari.games import Game, emulators, find_game, in_colour
from course_lib.rl.evaluate import greedy, sampled


class AtariEnvs(VectorEnv):
    """`num_envs` games, observed through `encoder`; same-step autoreset; actions 0 to `len(game.actions) - 1`.

    `keep_frames=True` keeps the court of each step for clips until `take_frames` fetches it. Observations, clips and
    everything else that leaves this class come from the court; rows with the score are cut off first.
    Raises UnknownGame.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_fps": 15}        # 60 frames a second, four a step

    def __init__(self, game: str | Game, num_envs: int, encoder: Encoder, keep_frames: bool = False,
                 **changes):
        self.game, self.num_envs, self.encoder = find_game(game), num_envs, encoder
        self.emulators = emulators(self.game, num_envs, **changes)
        self.buttons = np.array(self.game.actions)
        self.keep_frames = keep_frames
        low, high = (0, 1) if encoder.dtype is np.uint8 else (-np.inf, np.inf)
        self.single_observation_space = gym.spaces.Box(low, high, encoder.shape, encoder.dtype)
        self.single_action_space = gym.spaces.Discrete(len(self.game.actions))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._frames: list[np.ndarray] = []

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        """Start every game anew; returns observations (N, *encoder.shape) and an empty info."""
        super().reset(seed=seed)
        screens, _ = self.emulators.reset(seed=seed)                                # (N, 1, 210, 160)
        self._frames = []
        self.last_look = self.encoder.look(self._court(screens))
        return self.encoder.join(self.last_look, self.last_look), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        """actions: (N,); returns observations (N, ...), rewards (N,), terminated (N,), truncated (N,), info.

        Where a game ended the observation is the first of the next game and `info["final_obs"]` holds the last one.
        """
        screens, rewards, terminated, truncated, emulator_info = self.emulators.step(self.buttons[actions])
        court = self._court(screens)
        look, before, info = self.encoder.look(court), self.last_look, {}
        rewards = rewards.astype(np.float32)
        ended = terminated | truncated
        if ended.any():
            last_court = self._court(np.asarray(emulator_info["final_obs"]))
            last_look = self.encoder.look(last_court)
            info = {"final_obs": self.encoder.join(last_look, before), "_final_obs": ended}
            before = np.where(ended.reshape(-1, *[1] * (look.ndim - 1)), look, before)  # a new game has no past
            court = np.where(ended[:, None, None], last_court, court)
        if self.keep_frames:
            self._frames.append(court)
        self.last_look = look
        return self.encoder.join(look, before), rewards, terminated, truncated, info

    def take_frames(self) -> np.ndarray:
        """The court after each step since the last call, (T, N, H, W) uint8: what each action led to. Then forgets."""
        frames = np.stack(self._frames)
        self._frames = []
        return frames

    def stop_keeping_frames(self) -> None:
        """Nobody will ask for clips again: forget the pictures, and keep no more."""
        self.keep_frames, self._frames = False, []

    def start_keeping_frames(self) -> None:
        """Keep the court of each step from now on."""
        self.keep_frames = True

    def close_extras(self, **kwargs) -> None:
        """End the emulators."""
        self.emulators.close()

    def _court(self, screens: np.ndarray) -> np.ndarray:
        return screens[:, 0, self.game.court].copy()                                # (N, H, W)


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
