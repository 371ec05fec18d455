"""`PreferenceReward`: the learned reward for any library, the true one dropped; stable-baselines3 learns from it."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from course_lib.preferences.cartpole import SCALE, CartPoleLabeler
from course_lib.preferences.reward_model import PreferenceReward, RewardConfig, StateRewardEnsemble
from course_lib.preferences.segments import Segment
from course_lib.rl.cartpole import ANGLE_LIMIT, X_LIMIT, VectorCartPole
from course_lib.rl.evaluate import evaluate


def fitted(pairs: int = 120, **config) -> StateRewardEnsemble:
    """A reward model that saw synthetic labels on made-up clips: eight states drawn around one."""
    rng = torch.Generator().manual_seed(0)
    limits = torch.tensor([X_LIMIT, 1.5, 1.3 * ANGLE_LIMIT, 1.5])
    centres = (2 * torch.rand(2 * pairs, 1, 4, generator=rng) - 1) * limits
    clips = centres + 0.05 * torch.randn(2 * pairs, 8, 4, generator=rng) * limits
    labeler = CartPoleLabeler()
    mu = torch.tensor([labeler(Segment(a), Segment(b)) for a, b in zip(clips[:pairs], clips[pairs:], strict=True)])
    ensemble = StateRewardEnsemble(SCALE, RewardConfig(**config))
    ensemble.fit(clips[:pairs], clips[pairs:], mu)
    return ensemble


def test_pays_the_learned_reward_of_the_state_after_the_step():
    env = PreferenceReward(gym.make("CartPole-v1"), lambda obs: 10 * obs[..., 0] + obs[..., 2])
    obs, info = env.reset(seed=0)
    assert info == {}
    for _ in range(5):
        obs, reward, terminated, truncated, info = env.step(1)
        assert reward == pytest.approx(10 * obs[0] + obs[2], rel=1e-5) and isinstance(reward, float)
        assert (terminated, truncated, info) == (False, False, {})


class Telling(gym.Wrapper):
    """Pays a reward that must not be looked at, and tells it in `info` as well."""

    def step(self, action):
        from course_lib.preferences.hidden_reward import SealedReward

        obs, _, terminated, truncated, _ = self.env.step(action)
        return obs, SealedReward(), terminated, truncated, {"reward_forward": 1.0}


def test_the_true_reward_is_not_even_looked_at():
    env = PreferenceReward(Telling(gym.make("CartPole-v1", disable_env_checker=True)), lambda obs: obs.sum(-1))
    env.reset(seed=0)
    _, reward, _, _, info = env.step(0)
    assert isinstance(reward, float) and info == {}


@pytest.mark.parametrize("hide", [True, False])
def test_a_fall_is_reported_as_the_clock_unless_asked_otherwise(hide):
    env = PreferenceReward(gym.make("CartPole-v1"), lambda obs: obs.sum(-1), hide_ends=hide)
    env.reset(seed=0)
    ended = (False, False)
    while not any(ended):
        _, _, *ended, _ = env.step(1)
    assert tuple(ended) == ((False, True) if hide else (True, False))


@pytest.mark.filterwarnings("ignore:.*(different from the unwrapped|infinity):UserWarning")
def test_gymnasium_finds_no_fault_with_it():
    from gymnasium.utils.env_checker import check_env

    ensemble = fitted(20, fit_steps=5)
    check_env(PreferenceReward(gym.make("CartPole-v1").unwrapped, ensemble.normalized_reward), skip_render_check=True)


@pytest.mark.slow
def test_stable_baselines3_learns_to_balance_from_the_learned_reward():
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    ensemble = fitted()
    envs = make_vec_env("CartPole-v1", n_envs=8, seed=0, wrapper_class=PreferenceReward,
                        wrapper_kwargs={"reward": ensemble.normalized_reward})
    model = PPO("MlpPolicy", envs, n_steps=128, batch_size=256, n_epochs=8, learning_rate=1e-3, seed=1)

    def true_return() -> float:
        return evaluate(VectorCartPole(20), lambda obs: model.predict(obs, deterministic=True)[0]).mean

    before = true_return()
    model.learn(30_000)
    after = true_return()
    assert before < 150 and after > 400, (before, after)


def test_stable_baselines3_meets_the_learned_reward_and_no_other():
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env

    ensemble = fitted(20, fit_steps=5, members=1)
    pairs = []

    class Watch(BaseCallback):
        def _on_step(self) -> bool:
            done, obs = self.locals["dones"], self.locals["new_obs"].copy()
            for n in np.flatnonzero(done):
                obs[n] = self.locals["infos"][n]["terminal_observation"]
            pairs.append((self.locals["rewards"].copy(), ensemble.normalized_reward(torch.as_tensor(obs)).numpy()))
            assert not any("episode" in info for info in self.locals["infos"])
            return True

    envs = make_vec_env("CartPole-v1", n_envs=2, seed=0, wrapper_class=PreferenceReward,
                        wrapper_kwargs={"reward": ensemble.normalized_reward})
    PPO("MlpPolicy", envs, n_steps=64, batch_size=64, n_epochs=1, seed=0).learn(128, callback=Watch())
    wrapped, expected = (np.stack(values) for values in zip(*pairs, strict=True))
    assert np.allclose(wrapped, expected, atol=1e-5) and len(wrapped) == 64
