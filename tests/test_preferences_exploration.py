"""Exploring before the first label: what novelty is, and that nobody's reward or label is looked at."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from course_lib.hopper.labelers import hopper_labeler
from course_lib.hopper.task import HopperTask, hopper_config
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.exploration import explore, novelty, novelty_rewards
from course_lib.preferences.hidden_reward import hide_reward
from course_lib.preferences.loop import PreferenceLoop
from course_lib.rl.ppo import PPOConfig

TINY = PPOConfig(num_steps=24, epochs=1, minibatch_size=64)


def test_novelty_is_the_distance_to_the_kth_nearest_neighbour():
    generator = torch.Generator().manual_seed(0)
    states, sample = torch.randn(30, 3, generator=generator), torch.randn(20, 3, generator=generator)
    got = novelty(states, sample, neighbour=4)
    for state, value in zip(states, got, strict=True):
        distances = sorted(float((state - other).norm()) for other in sample)
        assert float(value) == pytest.approx(np.log1p(distances[3]), abs=1e-5)


def test_a_state_far_from_the_others_is_novel():
    states = torch.cat([torch.zeros(50, 2), torch.full((1, 2), 9.0)])
    assert novelty(states, states).argmax() == 50


def explored(updates: int, seed: int = 0) -> tuple[list[torch.Tensor], object]:
    task = HopperTask(num_envs=4)
    network = task.network(0)
    rollout = explore(hide_reward(task.envs()), network, replace(TINY, seed=seed), updates)
    return [parameter.detach().clone() for parameter in network.parameters()], rollout


def test_exploring_trains_the_network_under_seal_and_returns_the_last_rollout():
    untrained = list(HopperTask(num_envs=4).network(0).parameters())
    weights, rollout = explored(2)
    assert not all(torch.equal(a, b) for a, b in zip(weights, untrained, strict=True))
    assert rollout.obs.shape == (24, 4, 12) and rollout.rewards is None
    rewards = novelty_rewards(rollout)
    assert rewards.shape == (24, 4) and float(rewards.mean()) == pytest.approx(0, abs=1e-6)
    again, _ = explored(2)
    assert all(torch.equal(a, b) for a, b in zip(weights, again, strict=True))


def test_the_loop_explores_once_before_the_first_round_and_says_so_in_its_settings(tmp_path):
    config = replace(hopper_config(labels=(4, 2), updates=(1, 1), exploration_updates=2), ppo=TINY, clip_steps=4,
                     reward=replace(hopper_config().reward, fit_steps=3))
    task = HopperTask(num_envs=4, width=24)

    def start(folder, **changes):
        store = PreferenceStore(tmp_path / folder / "labels.sqlite")
        return PreferenceLoop(task, store, tmp_path / folder / "run", "flip", replace(config, **changes))

    loop, plain = start("explored"), start("plain", exploration_updates=0)
    for run in (loop, plain):
        before = [parameter.detach().clone() for parameter in run.network.parameters()]
        run.collect()
        moved = not all(torch.equal(a, b) for a, b in zip(before, run.network.parameters(), strict=True))
        assert moved == (run is loop)
        assert all(torch.equal(a, b) for a, b in zip(before, run.agent(0).parameters(), strict=True))
    assert len(loop.pool) > len(plain.pool)                         # clips of the exploration are there to be compared
    weights = [parameter.detach().clone() for parameter in loop.network.parameters()]
    again = start("explored")                                       # a new process takes it up as it was
    assert all(torch.equal(a, b) for a, b in zip(weights, again.network.parameters(), strict=True))
    labeler = again.labeler(hopper_labeler())
    labeler.answer_synthetic()
    again.label(labeler.require())
    again.fit()
    list(again.train())
    weights = [parameter.detach().clone() for parameter in again.network.parameters()]
    again.collect()                                                 # round 2 does not explore
    assert all(torch.equal(a, b) for a, b in zip(weights, again.network.parameters(), strict=True))
