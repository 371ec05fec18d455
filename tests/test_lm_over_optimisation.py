"""Evaluating a policy from outside, scaling rewards, best of n, and mixtures of tokens."""

import json
import math
from dataclasses import asdict

import pytest
import torch
from test_lm_ppo import GOOD, PROMPTS, SHAPE, SHORT, Numbers, count_good, ppo

from course_lib.errors import CourseError
from course_lib.lm import evaluation
from course_lib.lm.best_of_n import best_of_n
from course_lib.lm.evaluation import PolicyEvaluation, benchmark_results, evaluate_policy, evaluations_during, kl_of
from course_lib.lm.generate import sample_completions
from course_lib.lm.gpt import GPT
from course_lib.lm.ppo import value_network_for
from course_lib.lm.reward_model import RewardModel, ScaledReward, pack
from course_lib.lm.rewards import climb, reward_of_mixtures

MANY = PROMPTS.repeat(200, 1)


def test_the_exact_kl_agrees_with_the_mean_log_ratio_and_scatters_less():
    policy, reference = GPT(SHAPE, seed=1), GPT(SHAPE, seed=5)
    for model in (policy, reference):
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(3)
    exact, ratios = [], []
    for seed in range(4):
        batch = sample_completions(policy, reference, MANY, count_good, Numbers(), 6,
                                   torch.Generator().manual_seed(seed))
        exact.append(kl_of(policy, reference, batch))
        ratios.append(batch.kl.mean().item())
    exact, ratios = torch.tensor(exact), torch.tensor(ratios)
    assert exact.mean() > 0.1
    assert exact.mean().item() == pytest.approx(ratios.mean().item(), rel=0.15)
    assert exact.std() < ratios.std()


def test_a_model_is_no_distance_from_itself():
    seen = evaluate_policy(GPT(SHAPE, seed=1), GPT(SHAPE, seed=1), PROMPTS, {"good": count_good}, Numbers(), 6)
    assert seen.kl == pytest.approx(0, abs=1e-6)


def test_a_dear_reward_is_asked_about_the_first_texts_only():
    asked = []

    def dear(texts):
        asked.append(len(texts))
        return torch.zeros(len(texts))

    rewards = {"dear": dear, "good": count_good}
    evaluate_policy(GPT(SHAPE), GPT(SHAPE), MANY, rewards, Numbers(), 6, at_most={"dear": 10})
    assert asked == [10]


def test_looking_changes_nothing_of_the_training():
    seen, alone = ppo(), ppo()
    evaluations = list(evaluations_during(seen, 2, PROMPTS, {"good": count_good}))
    list(alone.train())
    assert [one.updates for one in evaluations] == [0, 2, SHORT.updates]
    assert [point.reward for point in seen.history] == [point.reward for point in alone.history]


def test_measured_runs_come_back_as_looks(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation, "benchmark_path", lambda name: tmp_path / f"{name}.jsonl")
    one = PolicyEvaluation(3, 1.0, 2.0, 0.9, 5.0, {"proxy": 1.0}, {"proxy": 0.5}, ["a text"])
    lines = [{"seed": 0, "start": start, "evaluations": [asdict(one)]} for start in ("older", "newer", "newer")]
    (tmp_path / "job.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert benchmark_results("job") == [{"seed": 0, "start": "newer", "evaluations": [one]}] * 2
    with pytest.raises(CourseError, match=r"text_rl\.py other"):
        benchmark_results("other")


def test_a_scaled_reward_has_mean_0_and_std_1_on_its_texts():
    texts = ["5 5 1", "1", "5", "5 5 5 2"]
    scaled = ScaledReward.on(count_good, texts)
    assert scaled(texts).mean().abs() < 1e-6 and scaled(texts).std() == pytest.approx(1)
    with pytest.raises(ValueError, match="says the same"):
        ScaledReward.on(count_good, ["1", "2"])


def test_a_value_network_for_another_reward_has_its_mean_and_std():
    model, tokenizer = RewardModel(GPT(SHAPE, seed=4)).eval(), Numbers()
    texts = [" ".join(map(str, torch.randint(1, 12, (5,)).tolist())) for _ in range(60)]
    values = value_network_for(count_good, model, texts, tokenizer)
    guesses, wanted = values.rewards(texts, tokenizer), count_good(texts)
    assert guesses.mean().item() == pytest.approx(wanted.mean().item(), abs=1e-3)
    assert guesses.std().item() == pytest.approx(wanted.std().item(), rel=1e-3)


def test_the_best_of_many_is_better_and_belongs_to_its_prompt():
    rng = torch.Generator().manual_seed(0)
    model = GPT(SHAPE, seed=1)
    one, first = best_of_n(model, PROMPTS, 1, count_good, Numbers(), 6, rng)
    many, best = best_of_n(model, PROMPTS, 64, count_good, Numbers(), 6, rng)
    assert best.mean() > first.mean() and torch.equal(best, count_good(many))
    assert [text.split()[0] for text in many] == ["3", "4", "9"]
    with pytest.raises(ValueError, match="n is 1 or more"):
        best_of_n(model, PROMPTS, 0, count_good, Numbers(), 6)


def test_a_mixture_that_is_one_token_has_the_reward_of_the_text():
    model = RewardModel(GPT(SHAPE, seed=4)).eval()
    ids = [3, 5, 9]
    one_hot = torch.nn.functional.one_hot(torch.tensor([ids]), SHAPE.vocab_size).float()
    with torch.no_grad():
        torch.testing.assert_close(reward_of_mixtures(model, one_hot, 0), model(*pack([ids], 0, SHAPE.context)))


def test_climbing_raises_the_reward_of_the_mixture():
    model = RewardModel(GPT(SHAPE, seed=4)).eval()
    climbed = climb(model, [3, int(GOOD), 9, 2], Numbers(), steps=20)
    assert climbed.soft[-1] > climbed.soft[0] and len(climbed.soft) == len(climbed.hard) == 20
    assert math.isfinite(climbed.hard[-1]) and all(weight.grad is None for weight in model.parameters())
