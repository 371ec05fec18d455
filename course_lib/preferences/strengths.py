"""One strength for each of a few items, from a table of who beat whom how often.

Source: Bradley and Terry (1952); existence of the optimum: L. R. Ford (1957). Taught in lesson 03, section 3.3.
"""

import numpy as np
import torch
from torch import Tensor

from course_lib.preferences.bradley_terry import bradley_terry_loss


def fit_strengths(wins: Tensor | np.ndarray, max_steps: int = 200) -> Tensor:
    """Maximum-likelihood Bradley–Terry strengths, (items,), float64, with mean zero.

    wins: (items, items), at least two items; `wins[i, j]` counts how often i beat j. The diagonal is ignored.

    Only differences of strengths are real, so the mean is set to zero by convention.
    Raises ValueError when the table is not square, holds negative or missing numbers, or when the items fall into two
    groups of which one never lost to the other: then there is no single optimum (Ford 1957).
    """
    wins = torch.as_tensor(wins, dtype=torch.float64).clone()
    if wins.ndim != 2 or wins.shape[0] != wins.shape[1] or len(wins) < 2:
        raise ValueError(f"wins needs the shape (items, items) with at least two items, got {tuple(wins.shape)}")
    wins.fill_diagonal_(0)
    if not torch.isfinite(wins).all() or (wins < 0).any():
        raise ValueError("wins holds counts: finite numbers that are not negative")
    if not _strongly_connected(wins):
        raise ValueError("some items never lost to any of the others: how much stronger they are cannot be said. "
                         "Collect more comparisons across the two groups, or add half a win to every cell")
    first, second = torch.where(wins > 0)                                         # (cells,) each
    strengths = torch.zeros(len(wins), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([strengths], max_iter=max_steps, tolerance_grad=1e-10, tolerance_change=1e-14,
                                  line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        won = torch.ones_like(first, dtype=torch.float64)
        loss = bradley_terry_loss(strengths[first], strengths[second], won, weight=wins[first, second])
        loss.backward()
        return loss

    optimizer.step(closure)
    return (strengths - strengths.mean()).detach()


def _strongly_connected(wins: Tensor) -> bool:
    """Does a chain of wins lead from every item to every other?"""
    reach = (wins > 0).double() + torch.eye(len(wins), dtype=torch.float64)
    for _ in range(max(1, len(wins).bit_length())):
        reach = ((reach @ reach) > 0).double()
    return bool((reach > 0).all())
