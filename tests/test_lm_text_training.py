"""PPO and RLOO on text when things go wrong: power cuts, numbers that are none, prompts that do not fit."""

import inspect
from dataclasses import replace

import pytest
import torch
from test_lm_ppo import SHAPE, SHORT, Numbers, count_good, curve, ppo, rloo

from course_lib.errors import CourseError
from course_lib.lm import policy_gradient, pretrain, reward_model
from course_lib.lm import ppo as token_ppo
from course_lib.lm import rloo as rloo_file
from course_lib.lm.gpt import GPT
from course_lib.lm.kl import token_rewards
from course_lib.lm.ppo import TokenPPO
from course_lib.lm.reward_model import RewardModel
from course_lib.lm.rloo import RLOO
from course_lib.preferences import bradley_terry
from course_lib.rl import objectives
from course_lib.rl import ppo as cartpoles_ppo
from course_lib.training import run as training_run
from course_lib.training.checkpoint import load_checkpoint
from course_lib.training.resume import TrainingDiverged


def run_of(kind, path=None, rewards=token_rewards, **changes):
    """PPO or RLOO with `rewards` in the place of the course's `token_rewards`."""
    run = ppo(path, replace(SHORT, **changes)) if kind is TokenPPO else rloo(path, **changes)
    run.token_rewards = rewards
    return run


def breaks_at(update: int):
    """`token_rewards` that pays nan in one update: the rewards are fine, the loss is not."""
    calls = []

    def nan_rewards(*arguments):
        calls.append(1)
        return token_rewards(*arguments) * (float("nan") if len(calls) == update else 1.0)

    return nan_rewards


@pytest.mark.parametrize("kind", [TokenPPO, RLOO])
def test_after_a_power_cut_it_goes_on_from_the_last_checkpoint(kind, tmp_path):
    whole, cut = run_of(kind), run_of(kind, tmp_path / "run.pt")
    list(whole.train())
    training = cut.train()
    for _ in range(3):
        next(training)                              # three updates; then nothing more is written
    cut.checkpoint = None
    torch.manual_seed(99)                           # another process has other luck of its own
    again = run_of(kind, tmp_path / "run.pt")
    assert again.updates == 2
    list(again.train())
    assert curve(again) == curve(whole)


@pytest.mark.parametrize("kind", [TokenPPO, RLOO])
def test_a_loss_that_is_no_number_stops_with_the_update_and_the_last_good_checkpoint(kind, tmp_path):
    path = tmp_path / "run.pt"
    with pytest.raises(TrainingDiverged, match=r"The loss is nan .*in update 4\. .*after update 2, is in .*run\.pt"):
        list(run_of(kind, path, breaks_at(4)).train())
    kept = load_checkpoint(path)
    assert kept["updates"] == 2
    assert all(torch.isfinite(weight).all() for weight in kept["parts"]["policy"].values())
    whole, again = run_of(kind), run_of(kind, path)
    list(whole.train())
    list(again.train())
    assert curve(again) == curve(whole)


def test_an_error_of_the_value_network_that_is_no_number_stops_before_its_weights_are_spoilt(monkeypatch):
    monkeypatch.setattr(token_ppo, "value_loss", lambda values, targets, mask: values.sum() * float("inf"))
    run = ppo()
    with pytest.raises(TrainingDiverged, match="in update 1"):
        list(run.train())
    assert all(torch.isfinite(weight).all() for weight in run.values.parameters())


def test_a_policy_that_says_nan_stops_with_the_update(monkeypatch):
    run = ppo()
    list(run.train(until=1))
    run.policy.blocks[0].attention.attention = lambda q, k, v: v * float("nan")
    with pytest.raises(TrainingDiverged, match="probabilities are not numbers, in update 2"):
        list(run.train())


@pytest.mark.parametrize("kind", [TokenPPO, RLOO])
def test_in_sixteen_bits_ratios_begin_at_one_and_it_resumes_identically(kind, tmp_path):
    """One epoch of one minibatch: the policy that learns is still the one that wrote."""
    once = run_of(kind, bfloat16=True, epochs=1, minibatch_size=16)
    first = next(once.train())
    assert first.clip_fraction == 0 and first.policy_change == 0
    whole = run_of(kind, bfloat16=True)
    list(whole.train())
    list(run_of(kind, tmp_path / "run.pt", bfloat16=True).train(until=2))
    again = run_of(kind, tmp_path / "run.pt", bfloat16=True)
    list(again.train())
    assert curve(again) == curve(whole)


@pytest.mark.parametrize(("prompts", "words"), [
    (torch.zeros(3, 0, dtype=torch.long), "Begin with the end token"),
    (torch.ones(3, 12, dtype=torch.long), r"prompts\[:, -10:\]")])
def test_prompts_that_are_empty_or_too_long_are_refused_before_anything_is_learned(prompts, words):
    run = TokenPPO(GPT(SHAPE, seed=1), GPT(SHAPE, seed=1), RewardModel(GPT(SHAPE, seed=2)), prompts, count_good,
                   Numbers(), SHORT)
    with pytest.raises(CourseError, match=words):
        list(run.train())
    assert run.updates == 0 and all(a.equal(b) for a, b in zip(
        run.policy.state_dict().values(), GPT(SHAPE, seed=1).state_dict().values(), strict=True))


def test_prompts_that_only_just_fit_are_continued():
    run = TokenPPO(GPT(SHAPE, seed=1), GPT(SHAPE, seed=1), RewardModel(GPT(SHAPE, seed=2)),
                   torch.ones(3, 10, dtype=torch.long), count_good, Numbers(), SHORT)
    assert next(run.train()).update == 1


def test_text_and_cartpole_share_their_losses():
    """One function each, not a copy: what lessons 02 and 03 taught is what trains here."""
    shared = objectives.clipped_policy_loss
    assert shared is cartpoles_ppo.clipped_policy_loss is token_ppo.clipped_policy_loss is rloo_file.clipped_policy_loss
    assert inspect.signature(TokenPPO).parameters["policy_loss"].default is shared
    assert token_ppo.gae is objectives.gae and token_ppo.value_loss is objectives.value_loss
    assert reward_model.bradley_terry_loss is bradley_terry.bradley_terry_loss
    assert rloo_file.leave_one_out is policy_gradient.leave_one_out is objectives.leave_one_out
    for shared in (training_run.gradient_step, training_run.TrainingRun):
        assert all(getattr(file, shared.__name__) is shared
                   for file in (cartpoles_ppo, token_ppo, rloo_file, policy_gradient, pretrain))
