"""Before the first label: an agent that tries many things, so that the first clips differ. Lesson 05.

The first clips of a beginner are all alike, and labels of clips that are alike say little. So the agent first learns,
with no label at all, to reach states that are unlike the others it meets: the reward of a state is the logarithm of its
distance to its k-th nearest neighbour. That is an estimate of the entropy of the states, up to constants.

Source: K. Lee, L. Smith and P. Abbeel (2021), "PEBBLE: feedback-efficient interactive reinforcement learning via
relabeling experience and unsupervised pre-training", section 4.1. Departures: neighbours are sought among a sample of
the newest rollout, not in a replay buffer; the logarithm of 1 + the distance; PPO learns it, not SAC.
"""

from dataclasses import replace

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from course_lib.rl.objectives import standardized
from course_lib.rl.ppo import PPO, PPOConfig
from course_lib.rl.rollout import Rollout

NEIGHBOUR = 5                       # the k-th nearest
SAMPLE = 512                        # states of a rollout among which neighbours are sought
STD = 0.15                          # standard deviation of the rewards over a rollout


def novelty(states: Tensor, sample: Tensor, neighbour: int = NEIGHBOUR) -> Tensor:
    """How unlike the others each state is: log(1 + distance to its k-th nearest neighbour in `sample`).

    states: (S, D); sample: (M, D) with M >= neighbour. Returns (S,).
    """
    return torch.cdist(states, sample).kthvalue(neighbour, dim=1).values.log1p()


def novelty_rewards(rollout: Rollout) -> Tensor:
    """The novelty of what each action led to, standardized over the rollout: (T, N)."""
    states = rollout.next_obs()                                                     # (T, N, D)
    flat = states.flatten(0, 1)
    generator = torch.Generator().manual_seed(0)                                    # any sample will do
    sample = flat[torch.randperm(len(flat), generator=generator)[:SAMPLE]]
    return STD * standardized(novelty(flat, sample)).reshape(states.shape[:2])


def explore(envs: VectorEnv, network: nn.Module, config: PPOConfig, updates: int) -> Rollout:
    """Train `network` on novelty for some PPO updates; returns the last rollout, to cut clips from.

    envs may be under seal: no reward of theirs is looked at. config: PPO's settings; its learning rate stays.
    """
    steps = updates * config.num_steps * envs.num_envs
    ppo = PPO(envs, network, replace(config, total_steps=steps, final_learning_rate=1.0),
              reward_function=novelty_rewards)
    for _ in ppo.train():
        pass
    return ppo.rollout
