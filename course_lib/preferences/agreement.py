"""How good is a score at predicting verdicts, and how good could any score be?

Taught in lesson 03, sections 3.6 and 3.8; used again in lessons 09 and 11.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.preferences.human_ratings import Comparisons, RatedText


def pair_accuracy(scores: Tensor, comparisons: Comparisons) -> float:
    """Share of verdicts that the scores predict; equal scores count as half right.

    scores: (texts,) one for each text that the comparisons point into.

    Raises ValueError when a score is not a finite number, or when there are no comparisons.
    """
    if len(comparisons) == 0:
        raise ValueError("there are no comparisons to predict")
    if not torch.isfinite(scores).all():
        raise ValueError("some scores are not finite numbers, so they cannot say who wins")
    gap = scores[comparisons.first] - scores[comparisons.second]                  # (pairs,)
    return torch.where(gap == 0, 0.5, ((gap > 0) == (comparisons.mu > 0.5)).float()).mean().item()


def human_ceiling(texts: Sequence[RatedText], comparisons: Comparisons) -> float:
    """How often all *other* raters together agree with the verdicts: what a perfect score could reach."""
    return leave_one_out_agreement(
        [texts[i].ratings for i in comparisons.first.tolist()], comparisons.first_rater.tolist(),
        [texts[i].ratings for i in comparisons.second.tolist()], comparisons.second_rater.tolist())


def leave_one_out_agreement(first_ratings: Sequence[Sequence[int]], first_rater: Sequence[int],
                            second_ratings: Sequence[Sequence[int]], second_rater: Sequence[int]) -> float:
    """Share of verdicts that the mean ratings of everyone else predict; equal means count as half right.

    first_ratings, second_ratings: for each pair all ratings of its first and of its second text, at least two each.
    first_rater, second_rater: whose ratings made the verdict; these two are left out of the means, else each rater
        would agree with a copy of themselves.

    Raises ValueError when there are no pairs, or when a text has a single rating.
    """
    if len(first_rater) == 0:
        raise ValueError("there are no comparisons to predict")
    agreed = 0.0
    for first, i, second, j in zip(first_ratings, first_rater, second_ratings, second_rater, strict=True):
        verdict = first[i] - second[j]
        others = mean_of_the_others(first, i) - mean_of_the_others(second, j)
        agreed += 0.5 if others == 0 else float((others > 0) == (verdict > 0))
    return agreed / len(first_rater)


def mean_of_the_others(ratings: Sequence[int], rater: int) -> float:
    """Mean of the ratings without the one of `rater`. Raises ValueError when there is no other."""
    if len(ratings) < 2:
        raise ValueError("a text with a single rating has no other raters")
    return (sum(ratings) - ratings[rater]) / (len(ratings) - 1)
