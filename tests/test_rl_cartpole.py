"""The course's CartPole against Gymnasium's, step for step; autoreset; the drawing."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from course_lib.rl.cartpole import ANGLE_LIMIT, X_LIMIT, VectorCartPole, fallen, render, step_states
from course_lib.rl.vector_envs import final_observations, make_vector, require_same_step


def test_equals_gymnasiums_cartpole_step_for_step():
    env, ours = gym.make("CartPole-v1"), VectorCartPole(1)
    rng = np.random.default_rng(0)
    ends = 0
    for episode in range(30):
        obs, _ = env.reset(seed=episode)
        ours.reset(seed=0)
        ours.states = np.array([env.unwrapped.state])
        balance = episode < 3                              # these last to the time limit, the others fall
        while True:
            action = int(obs[2] + obs[3] > 0) if balance else int(rng.integers(2))
            obs, reward, terminated, truncated, _ = env.step(action)
            _, our_reward, our_terminated, our_truncated, info = ours.step(np.array([action]))
            ended = terminated or truncated
            seen = final_observations(info, np.array([True]))[0] if ended else ours.states[0].astype(np.float32)
            np.testing.assert_array_equal(seen, obs)
            assert (our_reward[0], our_terminated[0], our_truncated[0]) == (reward, terminated, truncated)
            if ended:
                ends += truncated
                break
    assert ends >= 1, "no episode reached the time limit, so it was not tested"


def test_many_at_once_are_the_same_as_each_alone():
    rng = np.random.default_rng(1)
    states, actions = rng.normal(0, 0.2, (50, 4)), rng.integers(0, 2, 50)
    together = step_states(states, actions)
    for n in range(50):
        np.testing.assert_allclose(step_states(states[n:n + 1], actions[n:n + 1])[0], together[n], rtol=0, atol=1e-15)


def test_an_ended_episode_restarts_in_the_same_step_and_its_last_observation_is_kept():
    envs = VectorCartPole(2, max_episode_steps=5)
    envs.reset(seed=3)
    envs.states[0] = [0, 0, ANGLE_LIMIT - 1e-6, 1.0]
    obs, rewards, terminated, truncated, info = envs.step(np.array([1, 1]))
    assert terminated.tolist() == [True, False] and truncated.tolist() == [False, False]
    assert rewards.tolist() == [1.0, 1.0]
    assert np.abs(obs[0]).max() <= 0.05 and envs.ages.tolist() == [0, 1]
    assert final_observations(info, terminated)[0, 2] > ANGLE_LIMIT


def test_a_seed_repeats_an_episode_and_a_saved_state_goes_on_identically():
    first, second = VectorCartPole(3), VectorCartPole(3)
    np.testing.assert_array_equal(first.reset(seed=7)[0], second.reset(seed=7)[0])
    assert not np.array_equal(first.reset(seed=8)[0], second.reset(seed=7)[0])
    rng = np.random.default_rng(0)
    saved = first.state_dict()
    actions = rng.integers(0, 2, (60, 3))
    played = [first.step(a)[0] for a in actions]
    second.load_state_dict(saved)
    np.testing.assert_array_equal(played, [second.step(a)[0] for a in actions])


def test_fallen_is_the_rule_of_gymnasium():
    states = np.array([[0, 0, 0, 0], [X_LIMIT + 0.01, 0, 0, 0],
                       [0, 9, -ANGLE_LIMIT - 0.001, 9], [X_LIMIT, 0, ANGLE_LIMIT, 0]])
    assert fallen(states).tolist() == [False, True, True, False]


def test_the_drawing_shows_position_angle_and_fall():
    upright = render(np.array([0.0, 0, 0, 0]), 200, 100)
    assert upright.shape == (100, 200, 3) and upright.dtype == np.uint8
    orange = np.array([0xE6, 0x9F, 0x00])
    vermilion = np.array([0xD5, 0x5E, 0x00])

    def columns(picture: np.ndarray, colour: np.ndarray) -> np.ndarray:
        near = np.abs(picture[:70].astype(int) - colour).max(axis=2) < 25
        return np.flatnonzero(near.any(axis=0))

    assert abs(columns(upright, orange).mean() - 99.5) < 1.5
    right, tilted = render(np.array([1.5, 0, 0, 0]), 200, 100), render(np.array([0, 0, 0.15, 0]), 200, 100)
    assert columns(right, orange).mean() > 140 and columns(tilted, orange).max() > columns(upright, orange).max() + 3
    down = render(np.array([0, 0, 0.3, 0]), 200, 100)
    assert len(columns(down, vermilion)) > 5 and len(columns(down, orange)) == 0
    assert not len(columns(upright, vermilion))


def test_next_step_environments_are_refused_in_words():
    with pytest.raises(ValueError, match="SAME_STEP"):
        require_same_step(SyncVectorEnv([lambda: gym.make("CartPole-v1")], autoreset_mode=AutoresetMode.NEXT_STEP))
    require_same_step(make_vector("CartPole-v1", 2))
    require_same_step(VectorCartPole(2))
