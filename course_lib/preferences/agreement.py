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
    """
    gap = scores[comparisons.first] - scores[comparisons.second]                  # (pairs,)
    return torch.where(gap == 0, 0.5, ((gap > 0) == (comparisons.mu > 0.5)).float()).mean().item()


def human_ceiling(texts: Sequence[RatedText], comparisons: Comparisons) -> float:
    """How often the mean of all *other* raters agrees with the two raters of a pair: what a perfect score could reach.

    The two drawn ratings are left out of the means, else each rater would agree with a copy of themselves.
    Texts with a single rater cannot be judged; the course's data has none.
    """
    first = _mean_of_the_others(texts, comparisons.first, comparisons.first_rater)
    second = _mean_of_the_others(texts, comparisons.second, comparisons.second_rater)
    gap = first - second
    return torch.where(gap == 0, 0.5, ((gap > 0) == (comparisons.mu > 0.5)).float()).mean().item()


def _mean_of_the_others(texts: Sequence[RatedText], index: Tensor, rater: Tensor) -> Tensor:
    totals = torch.tensor([sum(text.ratings) for text in texts], dtype=torch.float64)
    counts = torch.tensor([len(text.ratings) for text in texts], dtype=torch.float64)
    own = torch.tensor([texts[i].ratings[k] for i, k in zip(index.tolist(), rater.tolist(), strict=True)])
    return (totals[index] - own) / (counts[index] - 1)
