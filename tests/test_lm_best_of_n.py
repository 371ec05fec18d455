"""Best-of-n and rejection sampling: against brute force, against the exact KL, and as data to learn from."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from test_lm_ppo import PROMPTS, SHAPE, Numbers, count_good, curve, some_completions

from course_lib.errors import CourseError
from course_lib.lm.best_of_n import best_of_n_kl, best_rows, expected_best
from course_lib.lm.generate import token_logprobs
from course_lib.lm.gpt import GPT
from course_lib.lm.pretrain import PretrainConfig, Pretraining, next_token_loss
from course_lib.lm.rejection_sampling import RejectionSampling, RejectionSamplingConfig, kept_rows, learned_examples
from course_lib.lm.sft import NOT_LEARNED
from course_lib.training.resume import TrainingDiverged

CONFIG = RejectionSamplingConfig(updates=4, batch_size=16, samples_per_prompt=4, max_new_tokens=6, minibatch_size=2,
                                 seed=3, checkpoint_every=2)


def rejection(path=None, reward=count_good, **changes) -> RejectionSampling:
    return RejectionSampling(GPT(SHAPE, seed=1), GPT(SHAPE, seed=1), PROMPTS, reward, Numbers(),
                             replace(CONFIG, **changes), path)


# the estimate


def brute_force(rewards: list[float], n: int, values: list[float]) -> float:
    """The mean over all sets of n, and in each over the completions that share its highest reward."""
    kept = []
    for chosen in itertools.combinations(range(len(rewards)), n):
        highest = max(rewards[i] for i in chosen)
        ties = [values[i] for i in chosen if rewards[i] == highest]
        kept.append(sum(ties) / len(ties))
    return sum(kept) / len(kept)


@pytest.mark.parametrize("n", range(1, 8))
def test_the_best_of_n_is_worth_the_mean_over_all_sets_of_n(n):
    luck = torch.Generator().manual_seed(n)
    rewards = torch.randn(3, 7, generator=luck)
    rewards[1] = rewards[1].round()                                     # some are equal
    rewards[2] = (rewards[2] > 0).float()                               # nearly all are
    values = torch.randn(3, 7, generator=luck)
    alone, others = expected_best(rewards, n), expected_best(rewards, n, values)
    for row in range(3):
        theirs = rewards[row].tolist()
        assert alone[row].item() == pytest.approx(brute_force(theirs, n, theirs), abs=1e-5)
        assert others[row].item() == pytest.approx(brute_force(theirs, n, values[row].tolist()), abs=1e-5)


def test_it_is_right_on_average():
    """The maximum of 4 fair dice, from 10 throws each."""
    exact = sum(k * ((k / 6) ** 4 - ((k - 1) / 6) ** 4) for k in range(1, 7))
    throws = torch.randint(1, 7, (20_000, 10), generator=torch.Generator().manual_seed(0)).float()
    assert expected_best(throws, 4).mean().item() == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("n", [0, 8])
def test_more_than_there_are_cannot_be_estimated(n):
    with pytest.raises(ValueError, match="n is 1 to 7"):
        expected_best(torch.randn(7), n)


def test_a_reward_that_is_no_number_has_no_best():
    rewards = torch.tensor([1.0, float("nan")])
    for ask in (expected_best, best_rows):
        with pytest.raises(ValueError, match="nan, so there is no best one"):
            ask(rewards, 2)


# the bound


@pytest.mark.parametrize("n", [1, 2, 5, 16])
def test_the_kl_is_the_bound_where_all_completions_are_unlikely_and_less_where_few_are(n):
    """Of k equally likely completions the j-th lowest is the best of n with probability (j^n - (j - 1)^n) / k^n."""
    def kl(k: int) -> float:
        chances = [(j / k) ** n - ((j - 1) / k) ** n for j in range(1, k + 1)]
        return sum(p * math.log(p * k) for p in chances if p > 0)

    bound = best_of_n_kl(n)
    assert kl(50_000) == pytest.approx(bound, abs=1e-3) and kl(3) <= bound
    assert n == 1 or kl(3) < bound - 0.02
    with pytest.raises(ValueError, match="n is 1 or more"):
        best_of_n_kl(0)


# what is kept


def test_the_best_row_of_each_prompt():
    rewards = torch.tensor([0.0, 2.0, 1.0, 5.0, 5.0, 4.0])
    assert best_rows(rewards, 3).tolist() == [1, 3] and best_rows(rewards, 1).tolist() == list(range(6))
    assert kept_rows(rewards, 3, at_least=3.0).tolist() == [3]
    with pytest.raises(ValueError, match="6 rewards are not 4 for each prompt"):
        best_rows(rewards, 4)
    with pytest.raises(CourseError, match="None of 2 prompts .* at least 9.0; the best has 5"):
        kept_rows(rewards, 3, at_least=9.0)


def test_examples_of_kept_completions_learn_the_completion_and_its_end():
    batch = some_completions()
    rows = torch.tensor([3, 0, 9])
    examples = learned_examples(batch, rows)
    for row, x, y in zip(rows.tolist(), examples.inputs, examples.targets, strict=True):
        assert torch.equal(x, batch.tokens[row, :-1])
        assert y[y != NOT_LEARNED].tolist() == batch.tokens[row, 1:][batch.mask[row]].tolist()
    model = GPT(SHAPE, seed=1).eval()
    logprobs = token_logprobs(model(batch.tokens[rows]), batch.tokens[rows])
    expected = -logprobs[batch.mask[rows]].mean()
    found = next_token_loss(model(examples.inputs), examples.targets)
    torch.testing.assert_close(found, expected)


def test_they_are_data_for_fine_tuning():
    examples = learned_examples(some_completions(), torch.arange(16))
    run = Pretraining(GPT(SHAPE, seed=1), examples, examples, PretrainConfig(
        steps=30, batch_size=8, length=7, learning_rate=1e-2, report_every=10, held_out_rows=8))
    points = list(run.train())
    assert points[-1].loss < points[0].loss - 0.2


# the run


def test_it_learns_to_write_the_token_that_is_rewarded():
    run = rejection(updates=15, batch_size=64, samples_per_prompt=8, minibatch_size=4, learning_rate=1e-2)
    list(run.train())
    first, last = run.history[0].reward, run.history[-1].reward
    assert first < 1 and last > first + 1.5, (first, last)


def test_a_stopped_run_goes_on_to_the_identical_curve(tmp_path):
    whole, cut = rejection(), rejection(tmp_path / "run.pt")
    list(whole.train())
    list(cut.train(until=3))
    again = rejection(tmp_path / "run.pt")
    assert again.updates == 3
    list(again.train())
    assert curve(again) == curve(whole)


def test_nothing_good_enough_and_rewards_that_are_no_numbers_are_told():
    with pytest.raises(CourseError, match="None of 4 prompts"):
        list(rejection(at_least=99.0).train())
    with pytest.raises(TrainingDiverged, match="A reward is not a number"):
        list(rejection(reward=lambda texts: torch.full((len(texts),), float("nan"))).train())
