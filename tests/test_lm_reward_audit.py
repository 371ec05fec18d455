"""Length bias, ensembles and best-of-n of a pool: against brute force and by hand; and what bad input is told."""

import itertools

import numpy as np
import pytest
import torch

from course_lib.lm.reward_audit import (
    RULES,
    best_of_pool,
    confounded,
    conservative,
    labelled_by,
    length_controlled,
    proxies,
    rated,
    standard,
    test_comparisons,
)
from course_lib.preferences.evaluation import pair_accuracy

test_comparisons.__test__ = False           # a function of the library, not a test


def luck(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_the_best_of_a_pool_is_the_mean_over_all_sets(n):
    scores, values = torch.randn(6, generator=luck()), torch.randn(6, generator=luck(1))
    every = [values[list(some)][scores[list(some)].argmax()].item() for some in itertools.combinations(range(6), n)]
    assert best_of_pool(scores, values, [n])[0] == pytest.approx(np.mean(every), abs=1e-6)


def test_a_pool_of_thousands_stays_finite():
    scores = torch.randn(5_000, generator=luck())
    found = best_of_pool(scores, scores, (1, 64, 4_999, 5_000))
    assert found[0] == pytest.approx(scores.mean().item(), abs=1e-5) and found[-1] == pytest.approx(scores.max().item())


@pytest.mark.parametrize(("scores", "sizes", "says"), [
    (torch.tensor([1.0, float("nan")]), [1], "not a finite number"), (torch.zeros(2), [3], "n is 1 to 2"),
    (torch.zeros(2), [0], "n is 1 to 2")])
def test_pools_without_a_best_text(scores, sizes, says):
    with pytest.raises(ValueError, match=says):
        best_of_pool(scores, torch.zeros(2), sizes)


def test_length_control_takes_out_the_line_and_keeps_the_mean():
    lengths = torch.tensor([3.0, 9.0, 4.0, 12.0, 5.0])
    rewards = 0.7 * lengths + torch.tensor([0.1, -0.3, 0.5, 0.2, 0.0])
    left = length_controlled(rewards, lengths)
    slope, _ = np.polyfit(lengths, left, 1)
    assert slope == pytest.approx(0, abs=1e-5) and left.mean().item() == pytest.approx(rewards.mean().item(), abs=1e-5)
    assert torch.equal(length_controlled(rewards, torch.full((5,), 7.0)), rewards)


def test_the_rules_for_several_proxies():
    scores = torch.tensor([[0.0, 100.0, 200.0], [1.0, 3.0, 2.0]])
    assert torch.allclose(standard(scores)[0], torch.tensor([-1.0, 0.0, 1.0]))
    assert torch.allclose(conservative(scores, "mean"), torch.tensor([-1.0, 0.5, 0.5]))
    assert torch.allclose(conservative(scores, "min"), torch.tensor([-1.0, 0.0, 0.0]))
    assert torch.allclose(conservative(scores, "mean - std"), torch.tensor([-1.0, 0.0, 0.0]))
    assert torch.allclose(conservative(scores[:1], "mean - std"), torch.tensor([-1.0, 0.0, 1.0]))
    with pytest.raises(ValueError, match=", ".join(RULES)):
        conservative(scores, "median")


def test_confounded_preferences_are_real_ones_with_the_wanted_share():
    part = rated("train")
    for share in (0.5, 0.9):
        some = confounded(part, 400, share, seed=3)
        longer = (part.words[some.first] - part.words[some.second]) * (some.mu - 0.5) > 0
        assert len(some) == 400 and longer.float().mean().item() == pytest.approx(share)
        for first, a, second, b, mu in list(zip(some.first.tolist(), some.first_rater.tolist(), some.second.tolist(),
                                                some.second_rater.tolist(), some.mu.tolist(), strict=True))[:50]:
            assert (part.texts[first].ratings[a] > part.texts[second].ratings[b]) == (mu == 1)
    with pytest.raises(ValueError, match="share from 0 to 1"):
        confounded(part, 10, 1.2, seed=0)
    with pytest.raises(ValueError, match="too few"):
        confounded(part, 15_000, 1.0, seed=0)


def test_labels_of_a_scorer():
    some, words = confounded(rated("train"), 20, 0.5, seed=0), rated("train").words
    assert labelled_by(words, some).mu.tolist() == (words[some.first] > words[some.second]).float().tolist()
    assert (labelled_by(torch.zeros(len(words)), some).mu == 0.5).all()


def test_proxies_with_labels_of_their_own_differ_and_predict_people():
    train, test = rated("train"), rated("test")
    own = [pair_accuracy(one.rewards(test.rows), test_comparisons()) for one in proxies(train, 100, 3, seed=7)]
    assert len(set(own)) == 3 and min(own) > 0.55
    same = proxies(train, 100, 2, seed=7, same_labels=True)
    assert not torch.equal(same[0].weights, same[1].weights)
