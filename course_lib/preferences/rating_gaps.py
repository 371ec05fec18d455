"""How sure a verdict is: the gap of the two ratings behind it. Lesson 09, section 9.7."""

from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.preferences.human_ratings import Comparisons, RatedText


def rating_gaps(texts: Sequence[RatedText], comparisons: Comparisons) -> Tensor:
    """How far apart the two ratings behind each verdict were, (pairs,), 1 to 8 points: a measure of how sure it is."""
    sides = ((comparisons.first, comparisons.first_rater), (comparisons.second, comparisons.second_rater))
    first, second = ([texts[i].ratings[r] for i, r in zip(where.tolist(), rater.tolist(), strict=True)]
                     for where, rater in sides)
    return (torch.tensor(first) - torch.tensor(second)).abs().float()
