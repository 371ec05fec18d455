"""Fresh episodes, played to their end, to see what return a policy gets; and one episode as pictures. Lesson 01.

A policy here is any function from observations (N, ...) to actions (N,) or (N, D), both numpy arrays.
"""

from collections.abc import Callable
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import nn

from course_lib.rl.vector_envs import require_same_step

Policy = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Evaluation:
    """One entry for each environment: its first episode's sum of true rewards, and its steps."""

    returns: np.ndarray             # (N,) float64
    lengths: np.ndarray             # (N,) int64

    @property
    def mean(self) -> float:
        """Mean return."""
        return float(self.returns.mean())


def greedy(network: nn.Module) -> Policy:
    """The policy that always takes the likeliest action of `network`."""
    return torch.no_grad()(lambda obs: network.distribution(torch.as_tensor(obs)).mode().numpy())


def sampled(network: nn.Module, seed: int = 0) -> Policy:
    """The policy that draws its actions by their probabilities, as in training."""
    generator = torch.Generator().manual_seed(seed)
    return torch.no_grad()(lambda obs: network.distribution(torch.as_tensor(obs)).sample(generator).numpy())


@torch.no_grad()
def evaluate(envs: VectorEnv, policy: Policy, seed: int = 10_000, max_steps: int = 100_000) -> Evaluation:
    """Play one episode in every environment of `envs` (make it with 20 for a mean of 20 fresh episodes).

    Only the first episode of each counts, or short ones would be counted more often. Episodes longer than `max_steps`
    are cut there. Training seeds and this `seed` should differ.
    """
    require_same_step(envs)
    obs, _ = envs.reset(seed=seed)
    returns, lengths = np.zeros(envs.num_envs), np.zeros(envs.num_envs, dtype=np.int64)
    playing = np.ones(envs.num_envs, dtype=bool)
    for _ in range(max_steps):
        obs, rewards, terminated, truncated, _ = envs.step(policy(obs))
        returns += rewards * playing
        lengths += playing
        playing &= ~(terminated | truncated)
        if not playing.any():
            break
    return Evaluation(returns, lengths)


@dataclass(frozen=True)
class Recording:
    """One episode of T steps, step by step."""

    obs: np.ndarray                 # (T + 1, ...), the last one included
    actions: np.ndarray             # (T,) or (T, D)
    rewards: np.ndarray             # (T,)
    terminated: bool                # by the environment; False: truncated, or stopped at max_steps
    frames: list[np.ndarray]        # T + 1 pictures (H, W, 3) uint8, or none


@torch.no_grad()
def record(env: gym.Env, policy: Policy, seed: int = 10_000, max_steps: int = 100_000,
           frames: bool = True) -> Recording:
    """Play one episode of a single environment and keep everything. Pictures need render_mode="rgb_array"."""
    obs, _ = env.reset(seed=seed)
    observations, actions, rewards = [obs], [], []
    pictures = [env.render()] if frames else []
    terminated = False
    for _ in range(max_steps):
        action = policy(obs[None])[0]
        obs, reward, terminated, truncated, _ = env.step(action)
        observations.append(obs)
        actions.append(action)
        rewards.append(float(reward))
        if frames:
            pictures.append(env.render())
        if terminated or truncated:
            break
    return Recording(np.stack(observations), np.stack(actions), np.array(rewards), bool(terminated), pictures)
