"""GRPO: advantages and weights by hand, what it learns, how aggregation treats long completions, stop and resume."""

from dataclasses import replace

import pytest
import torch
from test_lm_ppo import PROMPTS, SHAPE, Numbers, count_good, curve, some_completions

from course_lib.lm.generate import token_logprobs
from course_lib.lm.gpt import GPT
from course_lib.lm.grpo import AGGREGATIONS, GRPO, GRPOConfig, group_advantages, grpo_loss, token_weights
from course_lib.rl.objectives import clipped_policy_loss, k3, leave_one_out
from course_lib.training.resume import TrainingDiverged

CONFIG = GRPOConfig(updates=4, batch_size=16, samples_per_prompt=4, max_new_tokens=6, minibatch_size=8, seed=3,
                    checkpoint_every=2)


def grpo(path=None, reward=count_good, config=CONFIG, **changes) -> GRPO:
    return GRPO(GPT(SHAPE, seed=1), GPT(SHAPE, seed=1), PROMPTS, reward, Numbers(), replace(config, **changes), path)


def test_advantages_by_hand():
    rewards = torch.tensor([[0.0, 0.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]])
    found = group_advantages(rewards)
    assert found[0].tolist() == pytest.approx([-0.866, -0.866, 0.866, 0.866], abs=1e-3) and found[1].tolist() == [0] * 4
    assert group_advantages(rewards, divide_by_std=False)[0].tolist() == [-0.5, -0.5, 0.5, 0.5]
    with pytest.raises(ValueError, match="at least two"):
        group_advantages(torch.ones(4, 1))


def test_without_std_they_are_leave_one_outs_but_for_a_factor():
    rewards = torch.randn(5, 4)
    torch.testing.assert_close(group_advantages(rewards, divide_by_std=False), leave_one_out(rewards) * 3 / 4)


def test_what_a_token_counts():
    mask = torch.tensor([[False, True, True, True, True], [False, True, False, False, False]])
    by_name = {name: token_weights(mask, name, max_new_tokens=8) for name in AGGREGATIONS}
    assert by_name["completions"][mask].tolist() == [0.125] * 4 + [0.5]
    assert by_name["tokens"][mask].tolist() == pytest.approx([0.2] * 5)
    assert by_name["constant"][mask].tolist() == [1 / 16] * 5
    assert all((weights[~mask] == 0).all() for weights in by_name.values())
    with pytest.raises(ValueError, match="aggregation is one of completions, tokens, constant, not 'mean'"):
        token_weights(mask, "mean", 8)


def test_over_all_tokens_the_loss_is_ppos_and_k3():
    batch, luck = some_completions(), torch.Generator().manual_seed(0)
    old = batch.logprobs + 0.3 * torch.randn(batch.mask.shape, generator=luck)
    advantages = torch.randn(16, generator=luck)
    found = grpo_loss(batch.logprobs, old, batch.reference_logprobs, advantages, batch.mask,
                      token_weights(batch.mask, "tokens", 6), 0.2, 0.3)
    policy = clipped_policy_loss(batch.logprobs, old, advantages[:, None].expand(old.shape), 0.2, batch.mask)
    penalty = k3(batch.logprobs, batch.reference_logprobs)[batch.mask].mean()
    assert found.item() == pytest.approx((policy + 0.3 * penalty).item(), abs=1e-6)


def test_a_long_failure_is_punished_less_a_token_where_completions_are_averaged():
    """At the first step the gradient of a token's log-probability is minus its weight times its advantage."""
    mask = torch.tensor([[True] * 6, [True] * 2 + [False] * 4])
    logprobs = torch.full((2, 6), -1.0, requires_grad=True)
    for name, ratio in (("completions", 1 / 3), ("tokens", 1.0), ("constant", 1.0)):
        loss = grpo_loss(logprobs, logprobs.detach(), logprobs.detach(), torch.tensor([-1.0, -1.0]), mask,
                         token_weights(mask, name, 6), 0.2, 0.0)
        push, = torch.autograd.grad(loss, logprobs)
        assert (push[0, 0] / push[1, 0]).item() == pytest.approx(ratio)


@pytest.mark.parametrize("changes", [
    {}, {"divide_by_std": False, "aggregation": "constant"}, {"aggregation": "tokens"}])
def test_it_learns_to_write_the_token_that_is_rewarded(changes):
    run = grpo(updates=15, batch_size=64, minibatch_size=32, learning_rate=1e-2, beta=0.0, **changes)
    list(run.train())
    first, last = run.history[0].reward, run.history[-1].reward
    assert first < 1 and last > first + 1.5, (first, last)


def test_a_high_coefficient_keeps_the_policy_near_its_reference():
    free, charged = (grpo(updates=10, batch_size=32, learning_rate=5e-3, beta=beta) for beta in (0.0, 2.0))
    for run in (free, charged):
        list(run.train())
    assert charged.history[-1].kl_from_reference < 0.5 * free.history[-1].kl_from_reference


def test_rewards_that_are_all_equal_teach_nothing():
    run = grpo(reward=lambda texts: torch.ones(len(texts)))
    list(run.train())
    tokens = torch.tensor([[0, 3, 5, 5]])
    now, before = (token_logprobs(model(tokens), tokens) for model in (run.policy, run.reference))
    torch.testing.assert_close(now, before, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("changes", [{}, {"bfloat16": True}, {"kl_target": 0.5}])
def test_a_stopped_run_goes_on_to_the_identical_curve(changes, tmp_path):
    whole, cut = grpo(**changes), grpo(tmp_path / "run.pt", **changes)
    list(whole.train())
    list(cut.train(until=3))
    again = grpo(tmp_path / "run.pt", **changes)
    assert again.updates == 3
    list(again.train())
    assert curve(again) == curve(whole)


def test_a_reward_that_is_no_number_stops_with_good_weights():
    run = grpo(reward=lambda texts: torch.full((len(texts),), float("nan")))
    with pytest.raises(TrainingDiverged, match="A reward is not a number, in update 1"):
        list(run.train())
    assert all(a.equal(b) for a, b in zip(run.policy.state_dict().values(), GPT(SHAPE, seed=1).state_dict().values(),
                                          strict=True))


def test_advantages_may_be_the_learners_own():
    asked = []

    def own(rewards, divide_by_std):
        asked.append((tuple(rewards.shape), divide_by_std))
        return group_advantages(rewards, divide_by_std)

    with_own = GRPO(GPT(SHAPE, seed=1), GPT(SHAPE, seed=1), PROMPTS, count_good, Numbers(), CONFIG, advantages=own)
    without = grpo()
    assert len(list(with_own.train())) == len(list(without.train())) == CONFIG.updates
    assert curve(with_own) == curve(without) and asked == [((4, 4), True)] * CONFIG.updates
