"""Agent steps per CPU-second in Pong, learning included: the course, stable-baselines3, and CleanRL's settings.

    python benchmarks/pong_speed.py

The contestants take turns in one process with one thread, because a busy machine slows all of them; medians over the
rounds go to benchmarks/results/pong_speed.jsonl. Atari wrappers of stable-baselines3 need opencv-python, which we do
not install: put it where this process finds it (pip install --target FOLDER --no-deps opencv-python-headless, then
PYTHONPATH=FOLDER), or stable-baselines3 is left out with a sentence.

- course: 16 games x 128 steps, 2 x 80 x 40 cells, one convolution, 4 epochs, minibatches of 512 (lesson 06).
- course, 40 rows: the same on 2 x 40 x 40 cells, for comparison with the contestant after the next.
- sb3: stable-baselines3's PPO and wrappers, its Nature CNN, 8 games x 128 steps, 4 epochs, minibatches of 256, as its
  zoo has it; frames 84 x 84, four stacked.
- sb3, same network: the same PPO and wrappers with the course's network for 40 rows, its games, epochs and minibatches;
  frames shrunk by the wrappers to 40 x 40 (they know only squares), two stacked.
- CleanRL's settings: Nature CNN, 8 games x 128 steps, 84 x 84, four stacked, pooled, 4 epochs of 4 minibatches, run by
  the course's PPO on the native vector environment (CleanRL itself is no package).
- threads: the course with two emulator threads, with two torch threads.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from record import append, circumstances
from torch import nn

from course_lib.atari.encoders import BinaryFrames
from course_lib.atari.envs import AtariEnvs
from course_lib.atari.games import PONG, emulators
from course_lib.atari.networks import FrameAgent
from course_lib.atari.pong import at_points, pong_config, pong_from_score
from course_lib.rl.networks import Categorical, orthogonal
from course_lib.rl.ppo import PPO, PPOConfig

NATURE_FEATURES = 64 * 7 * 7
Contestant = Iterator[int]              # each turn runs at least one update and yields the agent steps it took


class NatureAgent(nn.Module):
    """The network of V. Mnih et al. (2015) with two heads. obs: (B, 4, 84, 84) uint8."""

    def __init__(self, actions: int):
        super().__init__()
        self.trunk = nn.Sequential(
            orthogonal(nn.Conv2d(4, 32, 8, 4)), nn.ReLU(), orthogonal(nn.Conv2d(32, 64, 4, 2)), nn.ReLU(),
            orthogonal(nn.Conv2d(64, 64, 3, 1)), nn.ReLU(), nn.Flatten(),
            orthogonal(nn.Linear(NATURE_FEATURES, 512)), nn.ReLU())
        self.policy, self.critic = orthogonal(nn.Linear(512, actions), 0.01), orthogonal(nn.Linear(512, 1), 1.0)

    def distribution(self, obs: torch.Tensor) -> Categorical:
        """The policy alone."""
        return Categorical(self.policy(self.trunk(obs / 255.0)))

    def forward(self, obs: torch.Tensor) -> tuple[Categorical, torch.Tensor]:
        h = self.trunk(obs / 255.0)
        return Categorical(self.policy(h)), self.critic(h).squeeze(-1)


class FullScreens(VectorEnv):
    """Native games as CleanRL sees them: 84 x 84, four stacked, pooled over two frames, all six buttons."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, num_envs: int):
        self.num_envs = num_envs
        self.games = emulators(PONG, num_envs, img_height=84, img_width=84, stack_num=4, maxpool=True)
        self.single_action_space = gym.spaces.Discrete(6)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        """Observations (N, 4, 84, 84)."""
        return self.games.reset(seed=seed)

    def step(self, actions: np.ndarray) -> tuple:
        """Gymnasium's five."""
        return self.games.step(actions)


def by_our_ppo(ppo: PPO) -> Contestant:
    """One update a turn."""
    before = 0
    for progress in ppo.train(until=10**9):
        yield progress.steps - before
        before = progress.steps


def course(rows: int = 80, **changes) -> Contestant:
    """Lesson 06's run on so many rows of cells; `changes` go to the emulators."""
    envs = AtariEnvs("pong", 16, BinaryFrames(rows=rows), **changes)
    return by_our_ppo(PPO(envs, FrameAgent(rows=rows), pong_config(), boundary_function=at_points))


def two_torch_threads() -> Contestant:
    """Lesson 06's run with two torch threads."""
    turns = by_our_ppo(pong_from_score())
    while True:
        torch.set_num_threads(2)
        steps = next(turns)
        torch.set_num_threads(1)
        yield steps


def cleanrl_settings() -> Contestant:
    """CleanRL's ppo_atari.py: 8 environments, 128 steps, 4 minibatches, 4 epochs, learning rate 2.5e-4, clip 0.1."""
    config = PPOConfig(num_steps=128, minibatch_size=256, learning_rate=2.5e-4, clip=0.1)
    return by_our_ppo(PPO(FullScreens(8), NatureAgent(6), config))


def stable_baselines3(same_network: bool) -> Contestant:
    """stable-baselines3's PPO behind its own Atari wrappers, one rollout and its updates a turn."""
    import ale_py
    from stable_baselines3 import PPO as TheirPPO
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
    from stable_baselines3.common.vec_env import VecFrameStack

    class SmallExtractor(BaseFeaturesExtractor):
        def __init__(self, space: gym.Space):
            super().__init__(space, 128)
            self.trunk = nn.Sequential(nn.Conv2d(2, 16, 8, 4), nn.ReLU(), nn.Flatten(), nn.Linear(1296, 128), nn.ReLU())

        def forward(self, obs: torch.Tensor) -> torch.Tensor:
            return self.trunk(obs)

    gym.register_envs(ale_py)
    size, stack, games, minibatch = (40, 2, 16, 512) if same_network else (84, 4, 8, 256)
    envs = make_atari_env("PongNoFrameskip-v4", n_envs=games, seed=0, wrapper_kwargs={"screen_size": size})
    policy = {"features_extractor_class": SmallExtractor, "net_arch": []} if same_network else {}
    model = TheirPPO("CnnPolicy", VecFrameStack(envs, stack), n_steps=128, batch_size=minibatch, n_epochs=4,
                     learning_rate=2.5e-4, clip_range=0.1, ent_coef=0.01, policy_kwargs=policy, device="cpu")
    while True:
        model.learn(128 * games, reset_num_timesteps=False)
        yield 128 * games


CONTESTANTS: dict[str, Callable[[], Contestant]] = {
    "course": course,
    "course, 40 rows": lambda: course(rows=40),
    "sb3": lambda: stable_baselines3(same_network=False),
    "sb3, same network": lambda: stable_baselines3(same_network=True),
    "CleanRL's settings": cleanrl_settings,
    "course, two emulator threads": lambda: course(num_threads=2),
    "course, two torch threads": two_torch_threads,
}


def main() -> None:
    """Let them take turns; write and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    contestants = dict(CONTESTANTS)
    try:
        import cv2
        cv2.setNumThreads(1)
    except ImportError:
        print("opencv-python is not here: stable-baselines3 is left out (see the top of this file)")
        contestants = {name: make for name, make in contestants.items() if not name.startswith("sb3")}
    running = {name: make() for name, make in contestants.items()}
    speeds: dict[str, list[float]] = {name: [] for name in running}
    walls: dict[str, list[float]] = {name: [] for name in running}
    for turn in range(rounds + 1):                                                  # the first turn warms up
        for name, contestant in running.items():
            cpu, wall = time.process_time(), time.perf_counter()
            steps = next(contestant)
            if turn:
                speeds[name].append(steps / (time.process_time() - cpu))
                walls[name].append(steps / (time.perf_counter() - wall))
    medians = {name: round(statistics.median(values)) for name, values in speeds.items()}
    append("pong_speed", {"steps_per_cpu_s": medians, "rounds": rounds, "all": speeds,
                          "steps_per_wall_s": {name: round(statistics.median(v)) for name, v in walls.items()},
                          **circumstances()})
    for name, speed in medians.items():
        print(f"{name:30} {speed:6,} agent steps per CPU-second")


if __name__ == "__main__":
    main()
