"""The Bradley–Terry loss against scipy in float64, its gradients, clips and language-model scores, and its refusals."""

import numpy as np
import pytest
import torch
from scipy.special import expit, log_expit

from course_lib.preferences.bradley_terry import bradley_terry_loss, preference_probability, segment_return

LABELS = (0.0, 0.5, 1.0)


def random_pairs(seed, pairs=40, std=4.0):
    """Scores, comparisons (wins, losses, ties and soft ones) and weights, as float64 arrays of shape (pairs,)."""
    rng = np.random.default_rng(seed)
    mu = np.where(rng.random(pairs) < 0.8, rng.choice(LABELS, pairs), rng.random(pairs))
    return rng.normal(0, std, pairs), rng.normal(0, std, pairs), mu, rng.random(pairs) * 3


def by_scipy(r1, r2, mu, error_rate=0.0, weight=None):
    """The mean negative log-likelihood, from its definition."""
    gap = np.asarray(r1) - np.asarray(r2)
    log_first, log_second = log_expit(gap), log_expit(-gap)
    if error_rate:
        log_first = np.log((1 - error_rate) * expit(gap) + error_rate / 2)
        log_second = np.log((1 - error_rate) * expit(-gap) + error_rate / 2)
    return np.average(-(mu * log_first + (1 - mu) * log_second), weights=weight)


def tensors(*arrays):
    return [torch.tensor(array, dtype=torch.float64) for array in arrays]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("error_rate", [0.0, 0.01, 0.1, 0.6])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_scipy(seed, error_rate, weighted):
    r1, r2, mu, weight = random_pairs(seed)
    weight = weight if weighted else None
    got = bradley_terry_loss(*tensors(r1, r2, mu), error_rate, weight=None if weight is None else torch.tensor(weight))
    assert got.shape == () and got.dtype == torch.float64
    assert got.item() == pytest.approx(by_scipy(r1, r2, mu, error_rate, weight), rel=1e-12)


@pytest.mark.parametrize("error_rate", [0.0, 0.1])
def test_float32_is_nearly_as_exact(error_rate):
    r1, r2, mu, _ = random_pairs(7)
    got = bradley_terry_loss(*(torch.tensor(array, dtype=torch.float32) for array in (r1, r2, mu)), error_rate)
    assert got.dtype == torch.float32
    assert got.item() == pytest.approx(by_scipy(r1, r2, mu, error_rate), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_huge_gap_costs_the_gap(dtype):
    r1, r2 = torch.tensor([-800.0, 800.0], dtype=dtype, requires_grad=True), torch.zeros(2, dtype=dtype)
    loss = bradley_terry_loss(r1, r2, torch.tensor([1.0, 1.0], dtype=dtype))
    loss.backward()
    assert loss.item() == 400.0
    assert r1.grad.tolist() == [-0.5, 0.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mu", LABELS)
def test_with_slips_an_absurd_verdict_costs_no_more_than_the_coin(dtype, mu):
    r1 = torch.tensor([800.0, -800.0], dtype=dtype, requires_grad=True)
    loss = bradley_terry_loss(r1, torch.zeros(2, dtype=dtype), torch.full((2,), mu, dtype=dtype), error_rate=0.1)
    loss.backward()
    assert loss.item() == pytest.approx(-(np.log(0.05) + np.log(0.95)) / 2, rel=1e-6)
    assert r1.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("error_rate", [0.0, 0.1])
def test_gradients_equal_finite_differences(error_rate):
    r1, r2, mu, weight = tensors(*random_pairs(3, pairs=8, std=2.0))
    r1.requires_grad_(), r2.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: bradley_terry_loss(a, b, mu, error_rate), (r1, r2))
    assert torch.autograd.gradcheck(lambda a, b: bradley_terry_loss(a, b, mu, error_rate, weight=weight), (r1, r2))


@pytest.mark.parametrize("error_rate", [0.0, 0.1])
def test_shift_changes_nothing_and_a_tie_is_likeliest_at_equal_scores(error_rate):
    r1, r2, mu, _ = tensors(*random_pairs(4))
    moved = bradley_terry_loss(r1 + 100, r2 + 100, mu, error_rate)
    assert moved.item() == pytest.approx(bradley_terry_loss(r1, r2, mu, error_rate).item(), rel=1e-9)
    tie = [bradley_terry_loss(*tensors([gap], [0.0], [0.5]), error_rate).item() for gap in (-1, -0.1, 0, 0.1, 1)]
    assert min(tie) == tie[2] == pytest.approx(np.log(2))
    assert tie == pytest.approx(tie[::-1])


def test_a_weight_of_two_is_the_pair_twice_and_a_weight_of_zero_is_no_pair():
    r1, r2, mu, _ = tensors(*random_pairs(5, pairs=3))
    weighted = bradley_terry_loss(r1, r2, mu, weight=torch.tensor([2.0, 1.0, 0.0]))
    twice = torch.tensor([0, 0, 1])
    assert weighted.item() == pytest.approx(bradley_terry_loss(r1[twice], r2[twice], mu[twice]).item(), rel=1e-12)


def test_whole_number_verdicts_are_taken():
    r1, r2 = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 3.0])
    whole, real = torch.tensor([1, 0]), torch.tensor([1.0, 0.0])
    for error_rate in (0.0, 0.1):
        assert bradley_terry_loss(r1, r2, whole, error_rate) == bradley_terry_loss(r1, r2, real, error_rate)


def test_clips_are_summed_over_their_steps_without_the_padding():
    rewards = torch.tensor([[1.0, 2.0, 3.0], [4.0, float("nan"), 9.0]], requires_grad=True)      # (pairs, steps)
    mask = torch.tensor([[1, 1, 1], [1, 0, 0]])
    total = segment_return(rewards, mask)
    assert total.tolist() == [6.0, 4.0]
    assert segment_return(rewards[:1]).tolist() == [6.0]
    bradley_terry_loss(total, torch.zeros(2), torch.tensor([1.0, 0.0])).backward()
    assert torch.equal(rewards.grad != 0, mask.bool()) and torch.isfinite(rewards.grad).all()


def test_clips_of_an_ensemble_keep_their_members():
    rewards = torch.arange(24.0).reshape(3, 2, 4)                                    # (members, pairs, steps)
    assert segment_return(rewards).tolist() == [[6.0, 22.0], [38.0, 54.0], [70.0, 86.0]]


def test_scores_of_a_language_model_are_read_at_the_last_token():
    torch.manual_seed(0)
    values = torch.randn(2, 5, 7)                                                   # (sides, pairs, tokens)
    length = torch.tensor([[3, 7, 1, 5, 2], [7, 4, 4, 1, 6]])                       # (sides, pairs)
    chosen, rejected = values.gather(2, length[..., None] - 1).squeeze(2)           # (pairs,) each
    loss = bradley_terry_loss(chosen, rejected, torch.ones(5))
    last = [[values[side, k, length[side, k] - 1].item() for k in range(5)] for side in range(2)]
    assert loss.item() == pytest.approx(np.mean(np.log1p(np.exp(-(np.array(last[0]) - np.array(last[1]))))), rel=1e-5)


def test_the_probability_stays_above_half_of_the_error_rate():
    gap = torch.tensor([-200.0, -1.0, 0.0, 1.0, 200.0], dtype=torch.float64)
    got = preference_probability(gap, torch.zeros(5, dtype=torch.float64), error_rate=0.1)
    assert got.numpy() == pytest.approx(0.9 * expit(gap.numpy()) + 0.05)
    assert preference_probability(gap, torch.zeros(5)).numpy() == pytest.approx(expit(gap.numpy()))


THREE = torch.zeros(3)


@pytest.mark.parametrize(("arguments", "keywords", "says"), [
    ((THREE, THREE, torch.zeros(2)), {}, "one shape"),
    ((THREE, torch.zeros(1), THREE), {}, "one shape"),
    ((torch.zeros(3, 5), torch.zeros(3, 5), THREE), {}, "segment_return"),
    ((torch.zeros(3, 1), THREE, THREE), {}, "one shape"),
    ((THREE, THREE, torch.tensor([0.0, 1.0, 1.1])), {}, "mu is a probability"),
    ((THREE, THREE, torch.tensor([0.0, 1.0, -1.0])), {}, "mu is a probability"),
    ((THREE, THREE, torch.tensor([0.0, 1.0, float("nan")])), {}, "mu is a probability"),
    ((torch.zeros(0), torch.zeros(0), torch.zeros(0)), {}, "no pairs"),
    ((THREE, THREE, THREE, 1.0), {}, "error_rate"),
    ((THREE, THREE, THREE, -0.1), {}, "error_rate"),
    ((THREE, THREE, THREE, 10), {}, "error_rate"),
    ((THREE, THREE, THREE), {"weight": torch.ones(3, 1)}, "one number for each pair"),
    ((THREE, THREE, THREE), {"weight": torch.tensor([1.0, -1.0, 1.0])}, "not negative"),
    ((THREE, THREE, THREE), {"weight": THREE}, "above 0"),
])
def test_what_cannot_be_meant_is_refused(arguments, keywords, says):
    with pytest.raises(ValueError, match=says):
        bradley_terry_loss(*arguments, **keywords)


def test_a_mask_of_another_shape_and_a_wrong_error_rate_are_refused():
    with pytest.raises(ValueError, match="shape of the rewards"):
        segment_return(torch.zeros(3, 3), torch.ones(3))
    with pytest.raises(ValueError, match="error_rate"):
        preference_probability(torch.zeros(1), torch.zeros(1), error_rate=1.5)
