"""LunarLander's hand-written reward taken apart, and put together with a slip. Lesson 01.

Gymnasium's `LunarLander-v3` rewards the *change* of a score (nearer, slower, more upright, legs down: better), charges
for fuel, and at the end gives 100 for coming to rest and takes 100 for a crash. The terms are recomputed here from what
the agent sees and does; their sum is the environment's reward to 1e-4 (tests/test_rl_lunar_lander.py). Source:
Gymnasium 1.4, envs/box2d/lunar_lander.py. On rewarding changes of a score rather than the score: A. Y. Ng, D. Harada
and S. Russell (1999), "Policy invariance under reward transformations".
"""

from collections.abc import Callable

import gymnasium as gym
import numpy as np

DO_NOTHING, LEFT_ENGINE, MAIN_ENGINE, RIGHT_ENGINE = range(4)
X, Y, VX, VY, ANGLE, ANGULAR_VELOCITY, LEFT_LEG, RIGHT_LEG = range(8)       # the columns of an observation

RewardTerms = dict[str, np.ndarray]
TERMS = ("distance", "speed", "angle", "legs", "main engine", "side engines", "end")


def shaping_terms(obs: np.ndarray) -> RewardTerms:
    """The score of a situation, in four parts. obs: (..., 8); each part (...); all but the legs are at most 0."""
    return {
        "distance": -100 * np.hypot(obs[..., X], obs[..., Y]),
        "speed": -100 * np.hypot(obs[..., VX], obs[..., VY]),
        "angle": -100 * np.abs(obs[..., ANGLE]),
        "legs": 10 * (obs[..., LEFT_LEG] + obs[..., RIGHT_LEG]),
    }


def reward_terms(obs: np.ndarray, action: np.ndarray, next_obs: np.ndarray, terminated: np.ndarray) -> RewardTerms:
    """The reward of a step, term by term (see TERMS); `sum(reward_terms(...).values())` is the environment's reward.

    obs, next_obs: (..., 8) before and after; action: (...) 0 to 3; terminated: (...) bool. Each term has shape (...).
    In the step that ends an episode the +100 or -100 takes the place of all other terms. A lander at rest is asleep in
    the physics engine, which sets its speed to exactly 0; a crash leaves some.
    """
    obs, next_obs = np.asarray(obs, dtype=np.float64), np.asarray(next_obs, dtype=np.float64)
    action, terminated = np.asarray(action), np.asarray(terminated)
    before, after = shaping_terms(obs), shaping_terms(next_obs)
    terms = {name: after[name] - before[name] for name in before}
    terms["main engine"] = -0.30 * (action == MAIN_ENGINE)
    terms["side engines"] = -0.03 * ((action == LEFT_ENGINE) | (action == RIGHT_ENGINE))
    terms = {name: np.where(terminated, 0.0, term) for name, term in terms.items()}
    at_rest = (next_obs[..., [VX, VY, ANGULAR_VELOCITY]] == 0).all(axis=-1)
    terms["end"] = np.where(terminated, np.where(at_rest, 100.0, -100.0), 0.0)
    return terms


Slip = Callable[[RewardTerms, np.ndarray], RewardTerms]     # (the right terms, next_obs) -> the terms as slipped


def legs_rewarded_every_step(terms: RewardTerms, next_obs: np.ndarray) -> RewardTerms:
    """A plausible slip: 10 points for each leg *on* the ground, instead of for each leg that *comes down*."""
    return {**terms, "legs": shaping_terms(next_obs)["legs"]}


def score_rewarded_every_step(terms: RewardTerms, next_obs: np.ndarray) -> RewardTerms:
    """Another: the score itself at every step, instead of its change."""
    return {**terms, **shaping_terms(next_obs)}


def only_progress_counts(terms: RewardTerms, next_obs: np.ndarray) -> RewardTerms:
    """A third: coming nearer is rewarded, going away is not penalized."""
    return {**terms, **{name: np.maximum(0.0, terms[name]) for name in ("distance", "speed", "angle")}}


class SlippedReward(gym.Wrapper):
    """LunarLander with its reward changed by `slip`. The true reward of each step is in `info["true_reward"]`."""

    def __init__(self, env: gym.Env, slip: Slip):
        super().__init__(env)
        self.slip = slip

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        """As the environment's."""
        self.obs, info = self.env.reset(seed=seed, options=options)
        return self.obs, info

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        """As the environment's, but for the reward."""
        before = self.obs
        self.obs, true_reward, terminated, truncated, info = self.env.step(action)
        terms = self.slip(reward_terms(before, action, self.obs, terminated), self.obs)
        return self.obs, float(sum(terms.values())), terminated, truncated, {**info, "true_reward": true_reward}
