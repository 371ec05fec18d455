"""Other ways to ask for the same ratings: costs, comparisons, and the learner's own function inside."""

import pytest
import torch

from course_lib.preferences.bradley_terry import confidence_loss
from course_lib.preferences.crowd import consensus_comparisons, majority_agreement, ranking_comparisons
from course_lib.preferences.human_ratings import RatedText, rating_gaps, sample_comparisons

TEXTS = [RatedText("movies", str(n), f"text {n}", tuple(max(-4, min(4, n - 4 + d)) for d in (-1, 0, 0, 1, 2)))
         for n in range(9)]


def test_with_all_raters_the_higher_mean_always_wins():
    drawn = consensus_comparisons(TEXTS, 50, raters=5, seed=0)
    means = torch.tensor([text.mean for text in TEXTS])
    assert ((means[drawn.first] > means[drawn.second]) == (drawn.mu == 1)).all() and 30 < len(drawn) <= 50


def test_more_raters_than_there_are_is_refused():
    with pytest.raises(ValueError, match="fewer than 6 raters"):
        consensus_comparisons(TEXTS, 5, raters=6, seed=0)


def test_a_ranking_of_texts_far_apart_has_all_its_pairs():
    far = [TEXTS[0], TEXTS[4], TEXTS[8]]
    drawn = ranking_comparisons(far, 10, items=3, seed=0)
    assert len(drawn) == 30 and (drawn.mu == (drawn.first > drawn.second).float()).all()


def test_ties_within_a_ranking_are_dropped():
    same = [RatedText("movies", str(n), "x", (1, 1)) for n in range(3)] + [RatedText("movies", "3", "y", (2, 2))]
    drawn = ranking_comparisons(same, 5, items=4, seed=0)
    assert len(drawn) == 15 and ((drawn.first == 3) == (drawn.mu == 1)).all()


def test_the_pairs_of_another_function_are_used():
    drawn = ranking_comparisons(TEXTS, 4, items=4, seed=0, pairs=lambda ranks: ([0], [1], [1.0]))
    assert len(drawn) == 4


def test_gaps_are_those_of_the_two_ratings_drawn():
    drawn = sample_comparisons(TEXTS, 20, seed=0)
    gaps = rating_gaps(TEXTS, drawn)
    one = TEXTS[drawn.first[3]].ratings[drawn.first_rater[3]]
    two = TEXTS[drawn.second[3]].ratings[drawn.second_rater[3]]
    assert gaps.min() >= 1 and gaps[3] == abs(one - two)


def test_a_verdict_of_weight_two_counts_like_two():
    r1, r2, mu = torch.tensor([2.0, -1.0, -1.0]), torch.zeros(3), torch.ones(3)
    twice = confidence_loss(r1, r2, mu, torch.ones(3))
    torch.testing.assert_close(confidence_loss(r1[:2], r2[:2], mu[:2], torch.tensor([1.0, 2.0])), twice)


def test_judges_who_all_see_the_same_agree_with_the_rest():
    clear = [RatedText("movies", "0", "good", (3,) * 6), RatedText("movies", "1", "bad", (-3,) * 6)]
    assert majority_agreement(clear, sample_comparisons(clear, 10, 0), raters=3, seed=0) == 1.0


def test_judges_must_leave_somebody_else():
    with pytest.raises(ValueError, match="leaves nobody else"):
        majority_agreement(TEXTS, sample_comparisons(TEXTS, 5, 0), raters=5, seed=0)
