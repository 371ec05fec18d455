"""In a run from preferences nothing that learns can reach the true score: others may not open it."""

import numpy as np
import pytest
import torch

from course_lib.atari import envs as envs_module
from course_lib.atari import from_preferences
from course_lib.atari.evaluate import training_return
from course_lib.atari.fit_reward import FitConfig
from course_lib.atari.from_preferences import AtariFromPreferences, PreferenceConfig
from course_lib.atari.segments import Preference
from course_lib.atari.synthetic_labelers import PointsJudge
from course_lib.rl.ppo import PPOConfig

SHORT = PreferenceConfig(total_steps=1024, labels=16, first_labels=10, labels_a_round=6, updates_a_round=1,
                         warm_up_rollouts=2, ppo=PPOConfig(total_steps=1024), fit=FitConfig(first_steps=5, steps=3))


@pytest.fixture(autouse=True)
def few_games(monkeypatch):
    """Four games at once instead of 16: the same code, a quarter of the wait."""
    monkeypatch.setattr(from_preferences, "NUM_ENVS", 4)


class Forbidden(RuntimeError):
    """Somebody looked at the true score."""


def run_through(run: AtariFromPreferences) -> torch.Tensor:
    judge = PointsJudge(seed=1)
    while not run.finished:
        run.add([Preference(a, b, judge(a, b), judge.source) for a, b in run.pairs(run.wanted)])
        for _ in run.train():
            pass
    return torch.cat([p.detach().flatten() for p in (*run.network.parameters(), *run.ensemble.parameters())])


@pytest.mark.parametrize("senses", ["objects", pytest.param("frames", marks=pytest.mark.slow)])
def test_a_run_never_opens_the_seal_and_is_blind_to_what_is_inside(monkeypatch, senses):
    config = PreferenceConfig(**{**vars(SHORT), "track": f"pong {senses}"})
    plain = run_through(AtariFromPreferences(config))

    def raises(self):
        raise Forbidden("the sealed score was opened")

    monkeypatch.setattr(envs_module.SealedScore, "read", raises)
    trapped = AtariFromPreferences(config)
    step = trapped.envs.emulators.step

    def with_false_score(actions):
        screens, rewards, *rest = step(actions)
        return (screens, np.random.default_rng(0).normal(size=rewards.shape), *rest)

    monkeypatch.setattr(trapped.envs.emulators, "step", with_false_score)
    assert torch.equal(plain, run_through(trapped)), "the true score has an influence on what was learned"
    with pytest.raises(Forbidden):
        training_return(trapped.envs.sealed)


def test_what_the_learner_is_handed_holds_no_rewards():
    run = AtariFromPreferences(SHORT)
    rollout, episodes = run.ppo.collector.collect(4)
    assert rollout.rewards is None
    assert np.isnan(run.envs.step(np.zeros(4, dtype=int))[1]).all()
    assert all(np.isnan(episode.total_reward) for episode in episodes)


def test_the_seal_is_read_in_one_place_only():
    import ast

    from course_lib.paths import root

    readers = set()
    for path in [*(root() / "course_lib").rglob("*.py"), *(root() / "lessons").glob("*/checks.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if "SealedScore" in (getattr(node, "id", ""), getattr(node, "attr", "")):
                readers.add(path.relative_to(root()).as_posix())
    assert readers == {"course_lib/atari/envs.py", "course_lib/atari/evaluate.py"}


def test_labels_of_a_person_and_of_a_script_are_not_mixed():
    run = AtariFromPreferences(SHORT)
    (a, b), (c, d) = run.pairs(2)
    run.add([Preference(a, b, 1.0, "human")])
    with pytest.raises(ValueError, match="would mix human and scripted"):
        run.add([Preference(c, d, 0.5, "scripted")])


def test_training_before_any_label_says_what_to_do():
    with pytest.raises(ValueError, match=r"call pairs\(\) and add\(\) first"):
        next(AtariFromPreferences(SHORT).train())
