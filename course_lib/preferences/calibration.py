"""When the model says 70%, is it right 7 times out of 10?

Source: A. Niculescu-Mizil and R. Caruana (2005) for reliability diagrams; C. Guo et al. (2017), section 2, for the
expected calibration error. Taught in lesson 03, section 3.9.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Calibration:
    """What was promised and what came, by bin of promised probability. Tensors: (bins that hold pairs,)."""

    promised: Tensor                # mean predicted probability in the bin
    happened: Tensor                # share of verdicts that went that way
    count: Tensor                   # number of pairs in the bin
    error: float                    # expected calibration error: mean gap, weighted by count


def calibration(probability: Tensor, mu: Tensor, bins: int = 10) -> Calibration:
    """Compare promised probabilities with what happened.

    probability, mu: (pairs,). Every pair is counted from both sides (p and 1 - p), so that the order in which a pair
    was written down cannot matter. Bins have equal width on [0, 1].

    Raises ValueError when the shapes differ, when there are no pairs, or when a probability leaves [0, 1].
    """
    if probability.shape != mu.shape or probability.ndim != 1 or len(mu) == 0:
        raise ValueError(f"probability and mu need one shape, (pairs,), with at least one pair; got "
                         f"{tuple(probability.shape)} and {tuple(mu.shape)}")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("probability lies between 0 and 1; turn scores into one with sigmoid(r1 - r2)")
    p, y = torch.cat([probability, 1 - probability]), torch.cat([mu, 1 - mu])     # (2 * pairs,)
    where = (p * bins).long().clamp(0, bins - 1)
    count = torch.bincount(where, minlength=bins)
    filled = count > 0
    promised = torch.bincount(where, weights=p, minlength=bins)[filled] / count[filled]
    happened = torch.bincount(where, weights=y, minlength=bins)[filled] / count[filled]
    gap = (promised - happened).abs()
    return Calibration(promised, happened, count[filled], (gap * count[filled]).sum().item() / count.sum().item())
