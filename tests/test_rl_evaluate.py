"""Evaluation counts one whole episode for each environment; a recording holds every step."""

import gymnasium as gym
import numpy as np
import torch

from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.evaluate import evaluate, greedy, record, sampled
from course_lib.rl.networks import ActorCritic


def to_the_right(obs: np.ndarray) -> np.ndarray:
    return np.ones(len(obs), dtype=np.int64)


def test_only_the_first_episode_of_each_environment_counts():
    result = evaluate(VectorCartPole(50), to_the_right)
    alone = [int(evaluate(VectorCartPole(1), to_the_right, seed=s).returns[0]) for s in range(20)]
    assert result.returns.shape == (50,) and set(result.returns) <= set(range(7, 13)) and max(alone) <= 12
    assert np.array_equal(result.returns, result.lengths) and result.mean == result.returns.mean()
    np.testing.assert_array_equal(evaluate(VectorCartPole(50), to_the_right).returns, result.returns)


def test_an_endless_episode_is_cut():
    assert evaluate(VectorCartPole(3), to_the_right, max_steps=4).lengths.tolist() == [4, 4, 4]


def test_greedy_takes_the_likeliest_and_sampled_draws():
    network = ActorCritic(4, 2)
    with torch.no_grad():
        network.policy[-1].bias.copy_(torch.tensor([0.0, 1.0]))
    obs = np.zeros((5_000, 4), np.float32)
    assert greedy(network)(obs).tolist() == [1] * 5_000
    assert abs(sampled(network, seed=0)(obs).mean() - 0.731) < 0.03
    np.testing.assert_array_equal(sampled(network, seed=0)(obs), sampled(network, seed=0)(obs))


def test_a_recording_holds_every_step_and_picture():
    played = record(gym.make("CartPole-v1", render_mode="rgb_array"), to_the_right, seed=0)
    T = len(played.actions)
    assert played.obs.shape == (T + 1, 4) and len(played.frames) == T + 1 and played.terminated
    assert played.rewards.sum() == T and played.frames[0].shape[2] == 3
    assert not record(gym.make("CartPole-v1"), to_the_right, frames=False, max_steps=3).terminated
