"""LunarLander's reward, term by term, against the environment's own."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.box2d.lunar_lander import heuristic

from course_lib.rl.lunar_lander import (
    LEFT_ENGINE,
    MAIN_ENGINE,
    TERMS,
    SlippedReward,
    legs_rewarded_every_step,
    reward_terms,
    score_rewarded_every_step,
    shaping_terms,
)


@pytest.fixture(scope="module")
def episodes() -> list[tuple[np.ndarray, np.ndarray, np.ndarray, bool]]:
    """(obs (T + 1, 8), actions (T,), rewards (T,), terminated) of random and of sensible episodes."""
    env, rng, found = gym.make("LunarLander-v3"), np.random.default_rng(0), []
    for seed in range(24):
        obs, _ = env.reset(seed=seed)
        seen, actions, rewards = [obs], [], []
        over = False
        while not over:
            action = int(rng.integers(4)) if seed % 2 else int(heuristic(env.unwrapped, obs))
            obs, reward, terminated, truncated, _ = env.step(action)
            seen.append(obs)
            actions.append(action)
            rewards.append(reward)
            over = terminated or truncated
        found.append((np.array(seen), np.array(actions), np.array(rewards), terminated))
    return found


def test_the_terms_sum_to_the_environments_reward(episodes):
    ends = []
    for obs, actions, rewards, terminated in episodes:
        over = np.arange(len(actions)) == len(actions) - 1
        terms = reward_terms(obs[:-1], actions, obs[1:], over & terminated)
        assert tuple(terms) == TERMS
        np.testing.assert_allclose(sum(terms.values()), rewards, atol=1e-4)
        ends.append(float(terms["end"][-1]))
    assert set(ends) >= {100.0, -100.0}, "landings and crashes must both have been tested"


def test_each_term_by_hand():
    before = np.array([0.3, 0.4, 0.0, -0.1, 0.2, 0.0, 0.0, 0.0])
    after = np.array([0.0, 0.3, 0.0, -0.2, 0.1, 0.0, 1.0, 0.0])
    terms = reward_terms(before, np.int64(MAIN_ENGINE), after, np.bool_(False))
    expected = {"distance": 20.0, "speed": -10.0, "angle": 10.0, "legs": 10.0, "main engine": -0.3, "side engines": 0.0,
                "end": 0.0}
    for name, value in expected.items():
        assert terms[name] == pytest.approx(value), name
    assert reward_terms(before, np.int64(LEFT_ENGINE), after, np.bool_(False))["side engines"] == pytest.approx(-0.03)


def test_each_slip_changes_its_own_terms_only(episodes):
    obs, actions, _, _ = episodes[0]
    right = reward_terms(obs[:-1], actions, obs[1:], np.zeros(len(actions), bool))
    changed = {
        legs_rewarded_every_step: {"legs"},
        score_rewarded_every_step: {"distance", "speed", "angle", "legs"},
    }
    for slip, names in changed.items():
        slipped = slip(right, obs[1:])
        assert {name for name in TERMS if not np.array_equal(slipped[name], right[name])} == names
    np.testing.assert_array_equal(legs_rewarded_every_step(right, obs[1:])["legs"], shaping_terms(obs[1:])["legs"])


def test_the_wrapper_pays_the_slipped_reward_and_keeps_the_true_one():
    plain, slipped = gym.make("LunarLander-v3"), SlippedReward(gym.make("LunarLander-v3"), score_rewarded_every_step)
    plain.reset(seed=5)
    slipped.reset(seed=5)
    rng, differ = np.random.default_rng(0), 0
    for _ in range(60):
        action = int(rng.integers(4))
        obs, true_reward, terminated, _, _ = plain.step(action)
        their_obs, paid, their_terminated, _, info = slipped.step(action)
        np.testing.assert_array_equal(obs, their_obs)
        assert info["true_reward"] == true_reward and terminated == their_terminated
        differ += abs(paid - true_reward) > 1
        if terminated:
            break
    assert differ > 10
