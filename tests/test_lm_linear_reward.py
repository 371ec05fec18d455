"""The linear reward on features: the right optimum, weights of comparisons, and what is refused."""

import pytest
import torch

from course_lib.lm.reward_model import fit_linear_reward
from course_lib.preferences.evaluation import pair_accuracy
from course_lib.preferences.human_ratings import Comparisons


def made_up(pairs: int = 400, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, Comparisons]:
    """(features, true rewards, comparisons): of six features two matter, in very different units."""
    rng = torch.Generator().manual_seed(seed)
    features = torch.randn(100, 6, generator=rng) * torch.tensor([1.0, 50.0, 1.0, 1.0, 1.0, 1.0]) + 3.0
    truth = 2 * (features[:, 0] - 3) - (features[:, 1] - 3) / 25
    first = torch.randint(100, (pairs,), generator=rng)
    second = (first + torch.randint(1, 100, (pairs,), generator=rng)) % 100
    mu = (torch.rand(pairs, generator=rng) < torch.sigmoid(truth[first] - truth[second])).float()
    zeros = torch.zeros(pairs).long()
    return features, truth, Comparisons(first, second, mu, zeros, zeros)


def test_it_recovers_the_rewards_behind_the_verdicts():
    features, truth, comparisons = made_up(4_000)
    rewards = fit_linear_reward(features, comparisons, l2=0.1).rewards(features)
    assert torch.corrcoef(torch.stack([rewards, truth]))[0, 1] > 0.99


def test_it_is_scikit_learns_logistic_regression_on_differences():
    from sklearn.linear_model import LogisticRegression

    features, _, comparisons = made_up()
    known = (features - features.mean(0)) / features.std(0) / 6 ** 0.5
    differences = known[comparisons.first] - known[comparisons.second]
    theirs = LogisticRegression(C=1 / 0.5, fit_intercept=False, tol=1e-8)
    theirs.fit(differences.numpy(), comparisons.mu.numpy())
    ours = fit_linear_reward(features, comparisons, l2=0.5).weights
    torch.testing.assert_close(ours, torch.tensor(theirs.coef_[0]).float(), atol=2e-2, rtol=1e-2)


def test_the_units_of_a_feature_do_not_matter():
    features, _, comparisons = made_up()
    plain = fit_linear_reward(features, comparisons).rewards(features)
    scaled = features * torch.tensor([1.0, 0.001, 7.0, 1.0, 1.0, 1.0]) - 5
    torch.testing.assert_close(fit_linear_reward(scaled, comparisons).rewards(scaled), plain, atol=2e-2, rtol=1e-2)


def test_turning_a_space_changes_nothing_where_all_features_have_one_unit():
    features, _, comparisons = made_up()
    turn, _ = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1)))
    plain = fit_linear_reward(features, comparisons, one_unit=True).rewards(features)
    turned = fit_linear_reward(features @ turn, comparisons, one_unit=True).rewards(features @ turn)
    torch.testing.assert_close(turned, plain, atol=2e-2, rtol=1e-2)


def test_verdicts_of_weight_zero_count_nothing():
    features, truth, comparisons = made_up()
    lies = Comparisons(comparisons.first, comparisons.second, comparisons.mu.clone(), comparisons.first_rater,
                       comparisons.second_rater)
    lies.mu[::2] = 1 - lies.mu[::2]
    trusted = (torch.arange(len(lies)) % 2).float()
    with_weights = pair_accuracy(fit_linear_reward(features, lies, weight=trusted).rewards(features), comparisons)
    without = pair_accuracy(fit_linear_reward(features, lies).rewards(features), comparisons)
    assert with_weights > 0.8 > without


def test_rewards_of_new_texts_use_the_std_of_the_old_ones():
    features, _, comparisons = made_up()
    reward = fit_linear_reward(features, comparisons)
    torch.testing.assert_close(reward.rewards(features[:3]), reward.rewards(features)[:3])


@pytest.mark.parametrize(("change", "words"), [
    (lambda f, c: (f, Comparisons(c.first[:0], c.second[:0], c.mu[:0], c.first[:0], c.second[:0])), "no comparisons"),
    (lambda f, c: (f.clone().fill_(float("nan")), c), "not finite"),
])
def test_what_cannot_be_learned_from_is_refused(change, words):
    features, _, comparisons = made_up()
    with pytest.raises(ValueError, match=words):
        fit_linear_reward(*change(features, comparisons))


def test_another_number_of_features_is_refused():
    features, _, comparisons = made_up()
    with pytest.raises(ValueError, match="reads 6 features a text, not 5"):
        fit_linear_reward(features, comparisons).rewards(features[:, :5])
