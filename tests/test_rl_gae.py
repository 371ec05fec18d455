"""GAE and returns: against stable-baselines3, against sums by hand, and at the ends of episodes."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from stable_baselines3.common.buffers import RolloutBuffer

from course_lib.rl.objectives import discounted_returns, gae


@pytest.mark.parametrize(("gamma", "lam"), [(0.99, 0.95), (1.0, 1.0), (0.9, 0.0), (0.5, 0.8)])
def test_equals_stable_baselines3(gamma, lam):
    T, N = 37, 5
    rng = np.random.default_rng(int(1000 * gamma + 10 * lam))
    rewards, values = rng.normal(size=(T, N)), rng.normal(size=(T, N))
    dones, last_values = rng.random((T, N)) < 0.15, rng.normal(size=N)
    buffer = RolloutBuffer(T, Box(-1, 1, (1,)), Discrete(2), device="cpu", gae_lambda=lam, gamma=gamma, n_envs=N)
    starts = np.vstack([np.zeros((1, N)), dones[:-1]])           # theirs marks the first step of an episode
    nothing = np.zeros((N, 1))
    for t in range(T):
        buffer.add(nothing, nothing, rewards[t], starts[t], torch.as_tensor(values[t]), torch.zeros(N))
    buffer.compute_returns_and_advantage(torch.as_tensor(last_values, dtype=torch.float32), dones[-1])
    ours = gae(torch.tensor(rewards), torch.tensor(values), torch.tensor(dones), torch.tensor(last_values), gamma, lam)
    np.testing.assert_allclose(ours.numpy(), buffer.advantages, atol=1e-6)
    np.testing.assert_allclose((ours + torch.tensor(values)).numpy(), buffer.returns, atol=1e-6)


def test_one_environment_is_a_column_of_many():
    torch.manual_seed(0)
    rewards, values, last = torch.randn(12, 3), torch.randn(12, 3), torch.randn(3)
    dones = torch.rand(12, 3) < 0.2
    together = gae(rewards, values, dones, last)
    for n in range(3):
        torch.testing.assert_close(gae(rewards[:, n], values[:, n], dones[:, n], last[n]), together[:, n])


def test_by_hand():
    rewards, values = torch.tensor([1.0, 0.0, 2.0]), torch.tensor([0.5, 1.0, 1.5])
    dones = torch.tensor([False, False, False])
    # TD errors: 1 + .5*1 - .5 = 1;  0 + .5*1.5 - 1 = -.25;  2 + .5*4 - 1.5 = 2.5;  fading .5 * .5 = .25
    expected = torch.tensor([1 + 0.25 * (-0.25 + 0.25 * 2.5), -0.25 + 0.25 * 2.5, 2.5])
    torch.testing.assert_close(gae(rewards, values, dones, torch.tensor(4.0), gamma=0.5, lam=0.5), expected)


def test_nothing_leaks_over_the_end_of_an_episode():
    torch.manual_seed(1)
    rewards, values, dones = torch.randn(10), torch.randn(10), torch.zeros(10, dtype=torch.bool)
    dones[4] = True
    before = gae(rewards, values, dones, torch.tensor(0.3))
    rewards[5:] += 100
    values[5:] -= 50
    after = gae(rewards, values, dones, torch.tensor(-7.0))
    torch.testing.assert_close(after[:5], before[:5])
    assert not torch.allclose(after[5:], before[5:])


def test_lambda_one_is_return_minus_value_and_lambda_zero_one_step():
    torch.manual_seed(2)
    rewards, values = torch.randn(8, 2), torch.randn(8, 2)
    dones = torch.zeros(8, 2, dtype=torch.bool)
    dones[-1] = True
    zero = torch.zeros(2)
    torch.testing.assert_close(gae(rewards, values, dones, zero, 0.9, 1.0), discounted_returns(rewards, 0.9) - values)
    next_values = torch.cat([values[1:], zero[None]])
    torch.testing.assert_close(gae(rewards, values, dones, zero, 0.9, 0.0), rewards + 0.9 * next_values - values)


def test_discounted_returns_by_hand_and_across_an_end():
    rewards = torch.tensor([1.0, 2.0, 3.0, 4.0])
    torch.testing.assert_close(discounted_returns(rewards, 0.5), torch.tensor([3.25, 4.5, 5.0, 4.0]))
    ends = torch.tensor([False, True, False, False])
    torch.testing.assert_close(discounted_returns(rewards, 0.5, ends), torch.tensor([2.0, 2.0, 5.0, 4.0]))
    torch.testing.assert_close(discounted_returns(rewards.expand(3, 4).T, 1.0)[0], torch.full((3,), 10.0))
