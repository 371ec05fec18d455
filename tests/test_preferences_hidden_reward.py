"""The true reward reaches neither the policy nor the reward model: a poisoned one is never touched, another changes
nothing."""

import copy
import operator
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from preference_loop import answered, finish, make, outcome, same

from course_lib.preferences.cartpole import CartPoleTask
from course_lib.preferences.hidden_reward import HideReward, RewardIsHidden, SealedReward, hide_reward
from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.evaluate import evaluate, greedy
from course_lib.rl.networks import ActorCritic
from course_lib.rl.ppo import PPO, PPOConfig


class Poison(SealedReward):
    """A true reward that notes every look at it before it raises."""

    looks: list[str] = []

    def __getattr__(self, name):
        Poison.looks.append(name)
        raise RewardIsHidden(name)


@dataclass(frozen=True)
class OtherRewards(CartPoleTask):
    """CartPole whose environments pay something else."""

    swap: object = None

    def envs(self):
        envs, step = VectorCartPole(self.num_envs), VectorCartPole.step
        envs.step = lambda actions: (lambda out: (out[0], self.swap(out[1]), *out[2:4], {**out[4], "score": out[1]}))(
            step(envs, actions))
        return envs


def test_no_step_of_the_loop_looks_at_a_poisoned_reward(tmp_path):
    Poison.looks.clear()
    loop = finish(make(tmp_path, task=OtherRewards(num_envs=4, width=24, swap=lambda rewards: Poison())))
    assert Poison.looks == [] and loop.stage == "finished"
    result = evaluate(VectorCartPole(4), greedy(loop.agent(2)))         # the evaluator, and only it, sees the reward
    assert (result.returns == result.lengths).all() and result.mean > 1


def test_another_true_reward_changes_nothing(tmp_path):
    """Whatever leads from the true reward to the agent or to the reward model would show here, by whatever way."""
    plain = outcome(finish(make(tmp_path / "plain")))
    rng = np.random.default_rng(0)
    noise = OtherRewards(num_envs=4, width=24, swap=lambda rewards: rng.normal(size=rewards.shape) * 1e6)
    assert same(outcome(finish(make(tmp_path / "noise", task=noise))), plain)


def test_clips_hold_what_is_seen_and_done_and_nothing_else(tmp_path):
    loop = make(tmp_path)
    loop.collect()
    for sigma1, sigma2, _ in answered(loop):
        for item in (sigma1, sigma2):
            assert set(item.arrays) == {"obs", "acts"} and item.obs.shape == (8, 4)
            assert set(item.info) == {"fps", "frames", "height", "width", "columns", "alt"}


ACCESSES = {
    "float": float, "int": int, "bool": bool, "len": len, "list": list, "array": np.asarray, "sum": np.sum,
    "tensor": torch.as_tensor, "add": lambda r: r + 1, "radd": lambda r: 1.0 + r, "iadd": lambda r: operator.iadd(r, 1),
    "array add": lambda r: np.zeros(3) + r, "times": lambda r: r * 2, "minus": lambda r: 1 - r, "neg": operator.neg,
    "abs": abs, "equal": lambda r: r == 0, "larger": lambda r: r > 0, "item": lambda r: r[0],
    "mean": lambda r: r.mean(), "shape": lambda r: r.shape,
    "in": lambda r: 1 in r, "copy": copy.copy, "pickle": pickle.dumps, "hash": hash,
    "store": lambda r: np.zeros(3).__setitem__(slice(None), r), "max": lambda r: max(r, 0), "round": round,
}


@pytest.mark.parametrize("name", ACCESSES)
def test_every_way_of_looking_at_a_sealed_reward_raises(name):
    with pytest.raises(RewardIsHidden, match="hidden from whoever learns"):
        ACCESSES[name](SealedReward())


def test_a_learner_that_wants_the_reward_is_stopped():
    """PPO without a learned reward, in sealed environments: an error, not a run on the true reward."""
    ppo = PPO(hide_reward(VectorCartPole(4)), ActorCritic(4, 2), PPOConfig(num_steps=4, minibatch_size=16))
    with pytest.raises(RewardIsHidden):
        next(ppo.train())


def test_the_seal_changes_nothing_else_and_empties_info():
    plain, sealed = VectorCartPole(3), hide_reward(VectorCartPole(3))
    assert isinstance(hide_reward(sealed), HideReward) and hide_reward(sealed) is sealed
    assert (plain.reset(seed=1)[0] == sealed.reset(seed=1)[0]).all()
    for _ in range(60):
        actions = np.ones(3, dtype=int)
        a, b = plain.step(actions), sealed.step(actions)
        assert all((x == y).all() for x, y in zip((a[0], *a[2:4]), (b[0], *b[2:4]), strict=True))
        assert set(b[4]) <= {"final_obs", "_final_obs"}
    sealed.load_state_dict(plain.state_dict())
    assert (sealed.step(actions)[0] == plain.step(actions)[0]).all()
    with pytest.raises(AttributeError):
        _ = sealed.rewards
