"""The named settings, the ablation over them, and the shipped agents: they do what the lessons say of them."""

from dataclasses import asdict

import pytest

from course_lib.rl import shipped
from course_lib.rl.ablation import VARIANTS, ablate
from course_lib.rl.checkpoint import CheckpointError
from course_lib.rl.evaluate import evaluate, greedy, sampled
from course_lib.rl.settings import CARTPOLE, CARTPOLE_CLEANRL, LEGS_EVERY_STEP, LUNAR_LANDER, SCORE_EVERY_STEP

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
    lander, _ = shipped.load_agent(shipped.LANDER)
    landings = evaluate(LUNAR_LANDER.make_envs(6), sampled(lander))
    assert landings.mean >= 200 and landings.lengths.max() < 1000
    never_done, facts = shipped.load_agent(shipped.LANDER_LEGS)
    fidgeting = evaluate(LUNAR_LANDER.make_envs(6), sampled(never_done))
    assert fidgeting.mean < 200 and (fidgeting.lengths == 1000).sum() >= 3
    assert facts["trained_on"] == LEGS_EVERY_STEP.task
    paid = [evaluate(LEGS_EVERY_STEP.make_envs(6), sampled(agent)).mean for agent in (lander, never_done)]
    assert paid[1] > 4 * paid[0], "the slip is not exploited"
    diving, _ = shipped.load_agent(shipped.LANDER_SCORE)
    dives = evaluate(LUNAR_LANDER.make_envs(6), sampled(diving))
    assert dives.lengths.max() < 150 and dives.mean < -50
    paid = [evaluate(SCORE_EVERY_STEP.make_envs(6), sampled(agent)).mean for agent in (lander, diving)]
    assert paid[1] > paid[0], "landing would pay more than diving"


def test_a_missing_or_foreign_checkpoint_is_said_in_words(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    with pytest.raises(CheckpointError, match="no lander.pt"):
        shipped.load_agent(shipped.LANDER)
    shipped.save_checkpoint(shipped.folder() / shipped.LANDER, {"network": {"a": 1}, "facts": {}})
    with pytest.raises(CheckpointError, match="another network.*git checkout"):
        shipped.load_agent(shipped.LANDER)
