"""An order of several items is many verdicts: one for each two of them.

People who read four texts can put them in order with little more effort than it takes to name the best; the order holds
six comparisons. They are not six *independent* ones, so a loss may count each ranking once (`share`).

Source: L. Ouyang et al. (2022), section 3.5 and equation 1: rankings of 4 to 9 answers, all pairs of one ranking in one
batch, their loss divided by their number. Taught in lesson 09, section 9.4.
"""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor


def pairs_from_ranking(ranks: Sequence[float]) -> tuple[Tensor, Tensor, Tensor]:
    """(first, second, mu), each (k (k - 1) / 2,), of a ranking of k items; first < second, in order.

    ranks: one number for each item, 0 the best; equal numbers are a tie, mu = 0.5.

    Raises ValueError for fewer than two items.
    """
    if len(ranks) < 2:
        raise ValueError("a ranking orders at least two items")
    first, second = torch.tensor(list(combinations(range(len(ranks)), 2))).T
    better = torch.as_tensor(ranks, dtype=torch.float32)
    mu = (1 + torch.sign(better[second] - better[first])) / 2                    # a lower rank is better
    return first, second, mu


def share(ranks: Sequence[float]) -> float:
    """What each pair of this ranking counts so that the whole ranking counts 1: one over the number of its pairs."""
    return 2 / (len(ranks) * (len(ranks) - 1))
