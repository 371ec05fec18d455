"""Let the policy act for a while in many environments at once and write down what happened. Lesson 02."""

from dataclasses import dataclass

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import nn

from course_lib.rl.vector_envs import final_observations, require_same_step


@dataclass
class Rollout:
    """T steps of N environments. Where an episode ended after step t, obs[t + 1] already belongs to the next one."""

    obs: torch.Tensor               # (T, N, ...) what the policy saw before each step
    actions: torch.Tensor           # (T, N) or (T, N, D)
    logprobs: torch.Tensor          # (T, N) log-probability of each action when it was taken, nats
    values: torch.Tensor            # (T, N) the critic's value estimate before each step
    terminated: torch.Tensor        # (T, N) bool: the world ended the episode; nothing can follow
    truncated: torch.Tensor         # (T, N) bool: a time limit cut it off; the value there counts
    final_obs: torch.Tensor         # (E, ...) the true last observations of the E episodes that ended, in order
    last_obs: torch.Tensor          # (N, ...) what the policy sees next
    last_values: torch.Tensor       # (N,) the critic's value estimate there
    rewards: torch.Tensor | None    # (T, N) the environment's rewards; None where they are kept from the agent

    @property
    def ended(self) -> torch.Tensor:
        """(T, N) bool: an episode ended after this step, one way or the other."""
        return self.terminated | self.truncated

    def next_obs(self) -> torch.Tensor:
        """What each action led to, (T, N, ...): at an episode's end its true last observation."""
        next_obs = torch.cat([self.obs[1:], self.last_obs[None]])
        next_obs[self.ended] = self.final_obs
        return next_obs


@dataclass(frozen=True)
class Episode:
    """One finished episode: the sum of its true rewards (nan where those are kept from the agent) and its steps."""

    total_reward: float
    length: int


class Collector:
    """Steps `envs` with `network` and keeps the running episodes between calls. Actions are sampled with `generator`.

    With `keep_rewards=False` the environments' rewards are never looked at: whoever learns from preferences must not
    see them.
    """

    def __init__(self, envs: VectorEnv, network: nn.Module, generator: torch.Generator, seed: int,
                 keep_rewards: bool = True):
        require_same_step(envs)
        self.envs, self.network, self.generator, self.keep_rewards = envs, network, generator, keep_rewards
        self.restart(seed)

    def restart(self, seed: int) -> None:
        """Begin every environment's episode anew, once they are needed: emulators take long to start."""
        self._seed: int | None = seed
        self.total_rewards = np.zeros(self.envs.num_envs)
        self.lengths = np.zeros(self.envs.num_envs, dtype=np.int64)

    @property
    def obs(self) -> np.ndarray:
        """What the policy sees next, (N, ...)."""
        if self._seed is not None:
            self._obs, _ = self.envs.reset(seed=self._seed)
            self._seed = None
        return self._obs

    @torch.no_grad()
    def collect(self, num_steps: int) -> tuple[Rollout, list[Episode]]:
        """Act for `num_steps` steps in every environment; returns them and the episodes that ended meanwhile."""
        T, N = num_steps, self.envs.num_envs
        obs = np.empty((T, *self.obs.shape), dtype=self.obs.dtype)
        rewards = np.zeros((T, N), dtype=np.float32)
        terminated, truncated = np.zeros((T, N), dtype=bool), np.zeros((T, N), dtype=bool)
        actions, final_obs, episodes = [], [], []
        for t in range(T):
            obs[t] = self._obs
            actions.append(self.network.distribution(torch.from_numpy(obs[t])).sample(self.generator))  # (N,) or (N, D)
            self._obs, reward, terminated[t], truncated[t], info = self.envs.step(actions[t].numpy())
            if self.keep_rewards:
                rewards[t] = reward
                self.total_rewards += reward
            self.lengths += 1
            ended = terminated[t] | truncated[t]
            if ended.any():
                final_obs.append(final_observations(info, ended))
                episodes += self._finish(ended)
        obs, actions, last_obs = torch.from_numpy(obs), torch.stack(actions), torch.from_numpy(np.array(self.obs))
        logprobs, values = self._evaluate_actions(obs.flatten(0, 1), actions.flatten(0, 1))    # (T * N,), faster
        none_ended = np.empty((0, *self.obs.shape[1:]), dtype=self.obs.dtype)
        return Rollout(
            obs=obs, actions=actions, logprobs=logprobs.reshape(T, N), values=values.reshape(T, N),
            terminated=torch.from_numpy(terminated), truncated=torch.from_numpy(truncated),
            final_obs=torch.from_numpy(np.concatenate([none_ended, *final_obs])), last_obs=last_obs,
            last_values=self.network(last_obs)[1], rewards=torch.from_numpy(rewards) if self.keep_rewards else None,
        ), episodes

    def _evaluate_actions(self, obs: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(log-probabilities, values), both (B,), in pieces of 4,096 steps so that images fit in memory."""
        pieces = []
        for o, a in zip(obs.split(4096), actions.split(4096), strict=True):
            distribution, values = self.network(o)
            pieces.append((distribution.log_prob(a), values))
        logprobs, values = zip(*pieces, strict=True)
        return torch.cat(logprobs), torch.cat(values)

    def _finish(self, ended: np.ndarray) -> list[Episode]:
        episodes = [Episode(float(self.total_rewards[n]) if self.keep_rewards else float("nan"), int(self.lengths[n]))
                    for n in np.flatnonzero(ended)]
        self.total_rewards[ended], self.lengths[ended] = 0.0, 0
        return episodes

    def state_dict(self, seed: int) -> dict:
        """What a checkpoint needs to go on identically.

        Environments with a `state_dict` of their own are copied. Others (Box2D, Atari) cannot be: they start new
        episodes here, from `seed`, both in the run that goes on and in the one that is loaded, so that the two agree.
        """
        if hasattr(self.envs, "state_dict"):
            _ = self.obs                            # begun, if a restart is due
            return {"envs": self.envs.state_dict(), "total_rewards": self.total_rewards.tolist(),
                    "lengths": self.lengths.tolist()}
        self.restart(seed)
        return {"restart": seed}

    def load_state_dict(self, state: dict) -> None:
        """Go on from `state_dict()`."""
        if "restart" in state:
            self.restart(state["restart"])
            return
        self._obs, self._seed = self.envs.load_state_dict(state["envs"]), None
        self.total_rewards, self.lengths = np.array(state["total_rewards"]), np.array(state["lengths"])
