"""REINFORCE, the first policy gradient: play, and make likelier whatever came before a high return. Lesson 01.

Source: R. J. Williams (1992), "Simple statistical gradient-following algorithms for connectionist reinforcement
learning". Departure: Adam instead of plain gradient ascent; several episodes are averaged for one step.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import nn

from course_lib.rl.objectives import discounted_returns, policy_gradient_loss, standardized
from course_lib.rl.vector_envs import require_same_step


@dataclass
class Episodes:
    """One episode from each of N environments, side by side, up to the longest; `mask` is true until each one's end."""

    obs: torch.Tensor           # (T, N, ...)
    actions: torch.Tensor       # (T, N)
    rewards: torch.Tensor       # (T, N), 0 after the end
    mask: torch.Tensor          # (T, N) bool


@torch.no_grad()
def play_episodes(envs: VectorEnv, network: nn.Module, generator: torch.Generator, seed: int | None = None) -> Episodes:
    """Play one episode in every environment, actions drawn from `network.distribution(obs)`."""
    require_same_step(envs)
    obs, _ = envs.reset(seed=seed)                                                      # (N, ...)
    playing = np.ones(envs.num_envs, dtype=bool)
    seen, taken, received, mask = [], [], [], []
    while playing.any():
        actions = network.distribution(torch.from_numpy(obs)).sample(generator)         # (N,)
        seen.append(torch.from_numpy(obs))
        taken.append(actions)
        mask.append(torch.from_numpy(playing.copy()))
        obs, rewards, terminated, truncated, _ = envs.step(actions.numpy())
        received.append(torch.from_numpy((rewards * playing).astype(np.float32)))
        playing &= ~(terminated | truncated)
    return Episodes(torch.stack(seen), torch.stack(taken), torch.stack(received), torch.stack(mask))


@dataclass(frozen=True)
class ReinforceConfig:
    """Settings of one run; found by hand for CartPole."""

    updates: int = 60                   # gradient steps
    learning_rate: float = 1e-2         # Adam's
    gamma: float = 0.99                 # discount factor
    baseline: bool = False              # subtract the mean return of all steps played, divide by their std
    seed: int = 0                       # of actions and environments (the network brings its own)


@dataclass(frozen=True)
class ReinforceProgress:
    """What one update did."""

    update: int                         # counted from 1
    steps: int                          # agent steps so far
    episode_return: float               # mean of the episodes just played, undiscounted
    gradient_norm: float                # length of the gradient: how much it jumps shows the variance
    cpu_seconds: float                  # spent in training so far


def reinforce(envs: VectorEnv, network: nn.Module, config: ReinforceConfig) -> Iterator[ReinforceProgress]:
    """Train `network` in `envs`; each turn of the loop is one episode in every environment and one gradient step."""
    generator = torch.Generator().manual_seed(config.seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    steps, cpu_seconds = 0, 0.0
    for update in range(1, config.updates + 1):
        started = time.process_time()
        played = play_episodes(envs, network, generator, seed=config.seed if update == 1 else None)
        weights = discounted_returns(played.rewards, config.gamma)                      # (T, N)
        if config.baseline:
            weights = standardized(weights, played.mask)
        logprobs = network.distribution(played.obs).log_prob(played.actions)            # (T, N)
        loss = policy_gradient_loss(logprobs, weights, played.mask)
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(network.parameters(), float("inf"))             # measured, not clipped
        optimizer.step()
        steps += int(played.mask.sum())
        cpu_seconds += time.process_time() - started
        yield ReinforceProgress(update, steps, float(played.rewards.sum(0).mean()), float(norm), cpu_seconds)
