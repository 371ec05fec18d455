"""Lesson 04's evaluator: true returns of fresh episodes, where the cart was, and notes that survive a restart."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from preference_loop import STEPS, finish, make, outcome, same

from course_lib.preferences.cartpole import ScaledActorCritic, Watcher, fresh_episodes, mark_place
from course_lib.rl.networks import Categorical


class Always(torch.nn.Module):
    """Pushes to one side."""

    def __init__(self, side: int):
        super().__init__()
        self.side = side

    def distribution(self, obs):
        return Categorical(torch.nn.functional.one_hot(torch.full(obs.shape[:-1], self.side), 2).float())


class ByHand(torch.nn.Module):
    """Balances for ever: pushes to where the pole leans and turns, and a little back to the centre."""

    def distribution(self, obs):
        push = (obs[..., 2] + 0.3 * obs[..., 3] + 0.03 * obs[..., 0] + 0.06 * obs[..., 1] > 0).long()
        return Categorical(torch.nn.functional.one_hot(push, 2).float())


def test_steps_until_the_fall_and_where_the_cart_was():
    right, left = fresh_episodes(Always(1), episodes=5), fresh_episodes(Always(0), episodes=5)
    assert 8 <= right.true_return <= 12
    assert [len(states) for states in right.states] == right.returns.astype(int).tolist()
    assert right.mean_position > 0.02 > -0.02 > left.mean_position
    assert min(right.mean_speed, left.mean_speed) > 0.2, "the speed has no side"
    assert right.mean_distance == pytest.approx(np.abs(np.concatenate(right.states)[:, 0]).mean())
    assert right.states[0][-1][2] < -0.1                                # pushed right, the pole tips to the left


def test_a_perfect_agent_gets_500():
    episodes = fresh_episodes(ByHand(), episodes=3)
    assert episodes.returns.tolist() == [500.0] * 3 and episodes.mean_distance < 0.3


def test_no_state_of_a_second_episode_is_counted():
    episodes = fresh_episodes(Always(1), episodes=6)
    for states in episodes.states:
        assert (np.diff(states[:, 1]) > 0).all()                        # ever faster: no restart in between


def test_the_watcher_passes_training_on_and_keeps_its_notes(tmp_path):
    network = ScaledActorCritic()

    training = (SimpleNamespace(update=update) for update in (1, 2, 3, 4))
    watcher = Watcher(tmp_path / "notes" / "evaluator.json", every=2)
    assert [p.update for p in watcher.beside(training, network)] == [1, 2, 3, 4]
    assert sorted(watcher.points) == [0, 2, 4]
    again = Watcher(tmp_path / "notes" / "evaluator.json")
    assert again.points == watcher.points
    assert json.loads((tmp_path / "notes" / "evaluator.json").read_text())["4"] == watcher.points[4]


def test_watching_changes_nothing_in_the_run(tmp_path):
    plain = outcome(finish(make(tmp_path / "plain")))
    loop = make(tmp_path / "watched")
    watcher = Watcher(tmp_path / "evaluator.json", every=1)
    while loop.stage != "finished":
        if loop.stage == "train":
            list(watcher.beside(loop.train(), loop.network))
        else:
            STEPS[loop.stage](loop)
    assert same(outcome(loop), plain) and len(watcher.points) == 6


def test_a_mark_for_a_place():
    obs = torch.zeros(4, 4)
    obs[:, 0] = -1.0
    assert mark_place(obs, -1.0) == 0
    assert mark_place(obs, 1.0) < mark_place(obs, 0.0) < 0
    down = obs.clone()
    down[-1, 2] = 0.3
    assert mark_place(down, -1.0) < -10
