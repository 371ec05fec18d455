"""Shared by the tests of the loop: a small CartPole run that takes a fraction of a second, and what it led to."""

from pathlib import Path

import torch

from course_lib.labels.store import PreferenceStore
from course_lib.preferences.cartpole import CartPoleLabeler, CartPoleTask
from course_lib.preferences.loop import LoopConfig, PreferenceLoop
from course_lib.preferences.reward_model import RewardConfig
from course_lib.rl.ppo import PPOConfig

SMALL = LoopConfig(labels=(5, 4), updates=(3, 2), clip_steps=8, pool=30, save_every=1, seed=3,
                   reward=RewardConfig(members=2, hidden=8, fit_steps=4),
                   ppo=PPOConfig(num_steps=24, epochs=1, minibatch_size=64))
SYNTHETIC = CartPoleLabeler(seed=1)


def make(folder: Path, config: LoopConfig = SMALL, task: CartPoleTask | None = None, **options) -> PreferenceLoop:
    """The loop that keeps everything in `folder`."""
    store = PreferenceStore(folder / "labels.sqlite")
    return PreferenceLoop(task or CartPoleTask(num_envs=4, width=24), store, folder / "run", "test", config, **options)


def label(loop: PreferenceLoop) -> int:
    """Let the synthetic labeler answer what is open."""
    return loop.label(answered(loop))


def answered(loop: PreferenceLoop) -> list:
    """The preferences after the synthetic labeler has answered what is open."""
    labeler = loop.labeler(SYNTHETIC)
    labeler.answer_synthetic()
    return labeler.require()


STEPS = {"collect": PreferenceLoop.collect, "label": label, "fit": PreferenceLoop.fit,
         "train": lambda loop: list(loop.train())}


def finish(loop: PreferenceLoop) -> PreferenceLoop:
    """Take all steps that are left."""
    while loop.stage != "finished":
        STEPS[loop.stage](loop)
    return loop


def outcome(loop: PreferenceLoop) -> list:
    """All that two equal runs share, to the last digit."""
    return [*(value for agent in loop.agents for value in agent.values()), *loop.ensemble.state_dict().values(),
            *loop.network.state_dict().values(), loop.preferences.first, loop.preferences.mu,
            torch.tensor([fit.loss for fit in loop.fits]), torch.tensor([p.mean_reward for p in loop.ppo.history]),
            torch.tensor(loop.rng.random())]


def same(one: list, other: list) -> bool:
    """Whether two outcomes are equal to the last digit."""
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
