"""Settings that were measured, by name. Each says which benchmark measured it; its figures are in benchmarks/results/.

`CARTPOLE.start(seed=0)` makes the environments, the network and PPO. Lessons 01, 02 and 04.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gymnasium.vector import VectorEnv
from torch import nn

from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.lunar_lander import (
    Slip,
    SlippedReward,
    legs_paid_every_step,
    only_progress_counts,
    score_paid_every_step,
)
from course_lib.rl.networks import ActorCritic
from course_lib.rl.ppo import PPO, PPOConfig
from course_lib.rl.vector_envs import make_vector


@dataclass(frozen=True)
class Setting:
    """A task and how PPO solves it."""

    task: str                                   # what a reader would call it
    make_envs: Callable[[int], VectorEnv]       # number of environments -> them
    num_envs: int                               # environments stepped together while training
    goal: float                                 # mean return of 20 fresh episodes that counts as solved
    config: PPOConfig
    measured_by: str                            # the benchmark whose results say how well this works

    def start(self, seed: int = 0, checkpoint: Path | None = None, network: nn.Module | None = None, **changes) -> PPO:
        """PPO ready to train: two networks of 64-64 with ReLU, seeded, or the `network` given, to train it on.

        `changes` replace fields of the config.
        """
        envs = self.make_envs(self.num_envs)
        if network is None:
            network = ActorCritic(envs.single_observation_space.shape[0], int(envs.single_action_space.n), seed=seed)
        return PPO(envs, network, replace(self.config, seed=seed, **changes), checkpoint)


def lunar_landers(num_envs: int) -> VectorEnv:
    """Gymnasium's LunarLander-v3, `num_envs` times."""
    return make_vector("LunarLander-v3", num_envs)


def slipped_landers(slip: Slip) -> Callable[[int], VectorEnv]:
    """The same with a slip in the reward (see lunar_lander.py): a function from a number to the environments."""
    return lambda num_envs: make_vector("LunarLander-v3", num_envs, wrap=lambda env: SlippedReward(env, slip))


CARTPOLE = Setting(
    task="CartPole", make_envs=VectorCartPole, num_envs=16, goal=475.0, measured_by="benchmarks/rl_cartpole.py",
    config=PPOConfig(total_steps=100_000, num_steps=128, epochs=4, minibatch_size=256, reward_scale=0.1))

CARTPOLE_CLEANRL = Setting(
    # the defaults of CleanRL's ppo.py: few environments, small steps, five times as many of them
    task="CartPole, CleanRL's settings", make_envs=VectorCartPole, num_envs=4, goal=475.0,
    measured_by="benchmarks/rl_cartpole.py",
    config=PPOConfig(total_steps=500_000, num_steps=128, epochs=4, minibatch_size=128, learning_rate=2.5e-4,
                     final_learning_rate=0.0))

LUNAR_LANDER = Setting(
    task="LunarLander", make_envs=lunar_landers, num_envs=64, goal=200.0, measured_by="benchmarks/rl_lunarlander.py",
    config=PPOConfig(total_steps=800_000, num_steps=128, epochs=4, minibatch_size=512, gamma=0.999, lam=0.98,
                     reward_scale=0.1))

ONLY_PROGRESS = Setting(
    # coming nearer is paid, going away is free; the goal is more than a good landing earns under this reward
    task="LunarLander, only progress counts", make_envs=slipped_landers(only_progress_counts), num_envs=64, goal=400.0,
    measured_by="benchmarks/rl_slip.py", config=replace(LUNAR_LANDER.config, total_steps=500_000))

SCORE_EVERY_STEP = Setting(
    # the score is negative until the lander is down, so every step hurts; the goal is less hurt than a good landing
    task="LunarLander, the score at every step", make_envs=slipped_landers(score_paid_every_step), num_envs=64,
    goal=-16_000.0, measured_by="benchmarks/rl_slip.py",
    config=replace(LUNAR_LANDER.config, total_steps=300_000, reward_scale=0.01))

LEGS_EVERY_STEP = Setting(
    # meant to go on from the shipped lander: start(network=...); the goal is five times what a good landing earns
    task="LunarLander, legs paid at every step", make_envs=slipped_landers(legs_paid_every_step), num_envs=64,
    goal=10_000.0, measured_by="benchmarks/rl_slip.py",
    config=replace(LUNAR_LANDER.config, total_steps=200_000, gamma=0.99, lam=0.95, reward_scale=0.01))
