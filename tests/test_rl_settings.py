"""The named settings, the ablation over them, and the shipped agents: they do what the lessons say of them."""

from dataclasses import asdict

import pytest

from course_lib.rl import settings
from course_lib.rl.evaluate import evaluate, greedy, sampled
from course_lib.rl.settings import (
    CARTPOLE,
    CARTPOLE_CLEANRL,
    LEGS_EVERY_STEP,
    LUNAR_LANDER,
    ONLY_PROGRESS,
    SCORE_EVERY_STEP,
    VARIANTS,
    ablate,
)
from course_lib.training.checkpoint import CheckpointError

SETTINGS = (CARTPOLE, CARTPOLE_CLEANRL, LEGS_EVERY_STEP, LUNAR_LANDER, SCORE_EVERY_STEP)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.task)
def test_each_setting_starts_from_its_seed_and_its_minibatches_fill_a_rollout(setting):
    ppo = setting.start(seed=5, gamma=0.5)
    assert (ppo.config.seed, ppo.config.gamma, ppo.config.lam) == (5, 0.5, setting.config.lam)
    assert setting.num_envs * ppo.config.num_steps % ppo.config.minibatch_size == 0
    weights = [next(setting.start(seed=s).network.parameters()).sum().item() for s in (5, 6)]
    assert next(ppo.network.parameters()).sum().item() == weights[0] != weights[1]


@pytest.mark.slow
def test_the_cartpole_setting_solves_it():
    ppo = CARTPOLE.start(seed=11)
    list(ppo.train())
    assert evaluate(CARTPOLE.make_envs(20), greedy(ppo.network)).mean >= CARTPOLE.goal


def test_each_variant_changes_what_its_name_says():
    whole = asdict(CARTPOLE.config)
    for name, changes in VARIANTS.items():
        assert (name == "PPO") == (not changes)
        assert all(whole[field] != value for field, value in changes.items()), f"{name} changes nothing"


def test_an_ablation_runs_each_variant_with_each_seed():
    runs = list(ablate(CARTPOLE, ("PPO", "no clipping"), seeds=(0, 1), total_steps=3 * 2048))
    assert [(run.variant, run.seed) for run in runs] == [(v, s) for v in ("PPO", "no clipping") for s in (0, 1)]
    for run in runs:
        assert run.steps == [2048, 4096, 6144] and len(run.returns) == 3 and run.greedy > 5 and run.sampled > 5
    assert runs[0].returns != runs[1].returns and runs[0].returns != runs[2].returns


def test_the_shipped_landers_do_what_the_lesson_says():
    """Each earns more than the good lander under the slip it was trained on, and less under the reward as written."""
    lander, _ = settings.load_agent(settings.LANDER)
    landings = evaluate(LUNAR_LANDER.make_envs(6), sampled(lander))
    assert landings.mean >= 200 and landings.lengths.max() < 1000
    slipped = {settings.LANDER_ONLY_PROGRESS: ONLY_PROGRESS, settings.LANDER_LEGS_EVERY_STEP: LEGS_EVERY_STEP,
               settings.LANDER_SCORE_EVERY_STEP: SCORE_EVERY_STEP}
    for name, setting in slipped.items():
        agent, facts = settings.load_agent(name)
        assert facts["trained_on"] == setting.task
        truly = evaluate(LUNAR_LANDER.make_envs(6), sampled(agent))
        assert truly.mean < landings.mean - 80, name
        earned, for_landing = (evaluate(setting.make_envs(6), sampled(one)).mean for one in (agent, lander))
        assert earned > for_landing, name
        if setting is LEGS_EVERY_STEP:
            assert (truly.lengths == 1000).sum() >= 3 and earned > 4 * for_landing
        if setting is SCORE_EVERY_STEP:
            assert truly.lengths.max() < 150


def test_a_missing_or_foreign_checkpoint_is_said_in_words(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    with pytest.raises(CheckpointError, match="no lander.pt"):
        settings.load_agent(settings.LANDER)
    settings.save_checkpoint(settings.folder() / settings.LANDER, {"network": {"a": 1}, "facts": {}})
    with pytest.raises(CheckpointError, match="another network.*git checkout"):
        settings.load_agent(settings.LANDER)
