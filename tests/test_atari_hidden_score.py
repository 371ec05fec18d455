"""In a run from preferences nothing that learns can reach the true score: it is not there, and another changes nothing.

That every look at a sealed reward raises is tested in test_preferences_hidden_reward.py; here it is the games' score.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from course_lib.atari.evaluate import training_return
from course_lib.atari.reward_ensemble import FitConfig
from course_lib.atari.synthetic_labelers import PongPointsLabeler
from course_lib.atari.tasks import TASKS, AtariTask
from course_lib.preferences.algorithm import run_preference_loop
from course_lib.preferences.environment_task import EnvironmentTrainer, LoopConfig
from course_lib.preferences.hidden_reward import RewardIsHidden, TrueReturns, hide_reward
from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.ppo import PPOConfig


def short(task: AtariTask) -> LoopConfig:
    return task.config(total_steps=1024, labels=16, first_labels=10, labels_a_round=6, updates_a_round=1, rollouts=2,
                       ppo=PPOConfig(), reward=FitConfig(first_steps=5, steps=3))


def run_through(task: AtariTask) -> torch.Tensor:
    """The weights of the agent and of its reward model at the end of a run."""
    *_, learned = run_preference_loop(task, PongPointsLabeler(seed=1), short(task))
    networks = (learned.network, learned.reward_model)
    return torch.cat([p.detach().flatten() for network in networks for p in network.parameters()])


class FalseScore(AtariTask):
    """Its games pay noise."""

    def envs(self):
        envs, rng = super().envs(), np.random.default_rng(0)
        step = envs.step
        envs.step = lambda actions: (lambda out: (out[0], rng.normal(size=len(out[1])), *out[2:]))(step(actions))
        return envs


@pytest.mark.parametrize("name", ["pong objects", pytest.param("pong frames", marks=pytest.mark.slow)])
def test_another_score_changes_nothing(name):
    task = replace(TASKS[name], num_envs=4)
    assert torch.equal(run_through(task), run_through(FalseScore(**vars(task))))


def test_what_the_learner_is_handed_holds_no_rewards():
    task = replace(TASKS["pong objects"], num_envs=4)
    agent = EnvironmentTrainer(task, short(task), task.reward_model(short(task)), [], np.random.default_rng(0))
    rollout, episodes = agent.ppo.collector.collect(4)
    assert rollout.rewards is None
    with pytest.raises(RewardIsHidden):
        agent.envs.step(np.zeros(4, dtype=int))[1].sum()
    assert all(np.isnan(episode.total_reward) for episode in episodes)


def test_the_evaluator_reads_true_returns_beneath_the_seal():
    returns: list[float] = []
    envs = hide_reward(TrueReturns(VectorCartPole(3), returns))
    envs.reset(seed=0)
    lengths = []
    running = np.zeros(3, dtype=int)
    for _ in range(40):
        _, _, terminated, truncated, _ = envs.step(np.ones(3, dtype=int))
        running += 1
        ended = terminated | truncated
        lengths += running[ended].tolist()
        running[ended] = 0
    assert returns == lengths and len(returns) > 3          # CartPole pays 1 a step
    assert training_return(returns, games=2) == np.mean(lengths[-2:]) and np.isnan(training_return([]))


def test_too_few_steps_for_the_rounds_say_so():
    with pytest.raises(ValueError, match="too few for 21 rounds of 12 updates"):
        TASKS["pong frames"].config(total_steps=100_000)
