"""A learned reward for any library: a Gymnasium environment that pays it and hides its own. Lesson 04.

    env = PreferenceReward(gym.make("CartPole-v1"), ensemble.normalized_reward)
    stable_baselines3.PPO("MlpPolicy", env).learn(50_000)
"""

from collections.abc import Callable

import gymnasium as gym
import torch
from torch import Tensor


class PreferenceReward(gym.Wrapper, gym.utils.RecordConstructorArgs):
    """`env` with `reward(obs)` for the state that each action led to; the true reward is dropped unread.

    reward: from observations (..., D) float32 to rewards (...), as `RewardEnsemble.normalized_reward`.
    hide_ends: report a terminated episode as truncated. A learner then bootstraps from its value estimate of the last
        state instead of counting what follows as 0: comparisons fix no zero, so an end must not be worth 0 (lesson 04,
        section 4.8, where the course's own loop takes an absorbing state instead).

    `info` is emptied, because many environments put parts of the reward into it.
    """

    def __init__(self, env: gym.Env, reward: Callable[[Tensor], Tensor], hide_ends: bool = True):
        gym.utils.RecordConstructorArgs.__init__(self, reward=reward, hide_ends=hide_ends, _disable_deepcopy=True)
        gym.Wrapper.__init__(self, env)
        self.reward, self.hide_ends = reward, hide_ends

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[object, dict]:
        """As `Env.reset`, with an empty info."""
        return self.env.reset(seed=seed, options=options)[0], {}

    def step(self, action: object) -> tuple[object, float, bool, bool, dict]:
        """As `Env.step`, with the learned reward and an empty info."""
        obs, _, terminated, truncated, _ = self.env.step(action)
        with torch.no_grad():
            paid = float(self.reward(torch.as_tensor(obs, dtype=torch.float32)))
        if self.hide_ends:
            terminated, truncated = False, terminated or truncated
        return obs, paid, terminated, truncated, {}
