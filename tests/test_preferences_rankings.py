"""Rankings as pairs; majorities; agreement beyond chance."""

import math

import pytest
import torch

from course_lib.labels.statistics import cohen_kappa, majority_right
from course_lib.preferences.crowd import pairs_from_ranking, share


def test_a_ranking_of_four_is_six_pairs():
    first, second, mu = pairs_from_ranking([2, 0, 3, 1])
    assert first.tolist() == [0, 0, 0, 1, 1, 2] and second.tolist() == [1, 2, 3, 2, 3, 3]
    assert mu.tolist() == [0, 1, 0, 1, 1, 0]


def test_equal_ranks_are_ties():
    assert pairs_from_ranking([0, 0, 2])[2].tolist() == [0.5, 1, 1]


def test_one_item_is_no_ranking():
    with pytest.raises(ValueError, match="at least two"):
        pairs_from_ranking([0])


@pytest.mark.parametrize("items", [2, 3, 5])
def test_the_shares_of_a_ranking_add_up_to_one(items):
    assert math.isclose(share(range(items)) * len(pairs_from_ranking(list(range(items)))[2]), 1)


def test_majorities_follow_condorcet():
    assert math.isclose(majority_right(0.7, 1), 0.7) and math.isclose(majority_right(0.7, 3), 0.784)
    assert math.isclose(majority_right(0.7, 2), 0.7) and math.isclose(majority_right(0.5, 4), 0.5)


def test_a_simulated_jury_agrees():
    votes = torch.rand(200_000, 5, generator=torch.Generator().manual_seed(0)) < 0.65
    assert abs((votes.sum(1) > 2).float().mean().item() - majority_right(0.65, 5)) < 0.005


def test_kappa_is_scikit_learns():
    from sklearn.metrics import cohen_kappa_score

    rng = torch.Generator().manual_seed(0)
    one, other = (torch.randint(3, (50,), generator=rng).tolist() for _ in range(2))
    assert math.isclose(cohen_kappa(one, other), cohen_kappa_score(one, other))


def test_kappa_is_undefined_where_both_always_say_the_same():
    assert math.isnan(cohen_kappa([1, 1], [1, 1]))
