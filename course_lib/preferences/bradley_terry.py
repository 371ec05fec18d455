"""The Bradley–Terry loss: from "A beat B" to a number for each of them.

One loss for the whole course. For texts `r1` and `r2` are one score a text, (pairs,); for clips the rewards of the
steps are first summed, (pairs, steps) -> (pairs,), by `segment_return`. `choices_to_targets` turns clicks into the
loss's targets, `confidence_loss` weights each label by how sure it is, and `fit_strengths` fits one strength for each
of a few items to a table of who beat whom how often.

Sources: R. A. Bradley and M. E. Terry (1952), Biometrika 39; L. R. Ford (1957) for when strengths exist; P. Christiano
et al. (2017), section 2.2.2 for the targets 1, 0 and 0.5 and for leaving incomparable pairs out, section 2.2.3,
equation 1, for ties as mu = 0.5 and for the assumed error rate; N. Stiennon et al. (2020), appendix C, for confidence:
labelers of summaries answered on nine points, from "surely the left" to "surely the right", which the label store
turns into a weight from 0.25 to 1. Taught in lesson 03 (strengths: 3.3, targets: 3.5) and lesson 10 (confidence: 10.7);
used in lessons 04, 07, 10 and 11.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.labels.records import CHOICES


def choices_to_targets(choices: Sequence[str], flipped: Sequence[bool]) -> tuple[Tensor, Tensor]:
    """Which pairs to keep, and the target mu of each: (kept,) int64 positions and (kept,) float32.

    choices: one of `CHOICES` for each pair. flipped: True where the first item of the pair was shown on the right.
    mu is 1 when the first item was preferred, 0 when the second was, 0.5 for "equal"; "skip" is left out.

    Raises ValueError for another word, or when the two lists differ in length.
    """
    kept, mu = [], []
    for position, (choice, flip) in enumerate(zip(choices, flipped, strict=True)):
        if choice not in CHOICES:
            raise ValueError(f"pair {position}: {choice!r} is not one of {', '.join(CHOICES)}")
        if choice == "skip":
            continue
        kept.append(position)
        mu.append(0.5 if choice == "equal" else float((choice == "left") != bool(flip)))
    return torch.tensor(kept, dtype=torch.long), torch.tensor(mu)


def segment_return(rewards: Tensor, mask: Tensor | None = None) -> Tensor:
    """Sum of the rewards along a clip: (pairs, steps) -> (pairs,).

    `mask`, (pairs, steps), is 1 where a step counts and 0 where a shorter clip was padded; what stands in the padding
    does not matter.

    Raises ValueError when `mask` has another shape.
    """
    if mask is None:
        return rewards.sum(dim=-1)
    if mask.shape != rewards.shape:
        raise ValueError(f"the mask needs the shape of the rewards, {tuple(rewards.shape)}, got {tuple(mask.shape)}")
    return rewards.masked_fill(mask == 0, 0).sum(dim=-1)


def preference_probability(r1: Tensor, r2: Tensor, error_rate: float = 0.0) -> Tensor:
    """Probability that the first of each pair is preferred: sigmoid(r1 - r2), (pairs,) -> (pairs,).

    With `error_rate` = 0.1 a labeler is assumed to answer at random one time in ten, so that no label, however
    unlikely, is impossible: the probability stays between 0.05 and 0.95.

    Raises ValueError when `error_rate` leaves [0, 1).
    """
    _check_error_rate(error_rate)
    return (1 - error_rate) * torch.sigmoid(r1 - r2) + error_rate / 2


def bradley_terry_loss(r1: Tensor, r2: Tensor, mu: Tensor, error_rate: float = 0.0, *,
                       weight: Tensor | None = None) -> Tensor:
    """Mean negative log-likelihood of the labels, in nats: a scalar.

    r1, r2: (pairs,) scores of the first and the second of each pair.
    mu: (pairs,) 1 where the first was preferred, 0 where the second was, 0.5 for a tie. A pair that nobody could
        compare ("skip") does not belong in here at all.
    error_rate: share of labels assumed to be given at random (Christiano et al. 2017 assume 0.1).
    weight: (pairs,) how much each label counts, for example the confidence of the labeler; equal when None.

    Raises ValueError when the shapes differ, when there are no pairs, when `mu` leaves [0, 1] or `error_rate` [0, 1),
    or when a weight is negative or all are 0.
    """
    _check_error_rate(error_rate)
    if not r1.shape == r2.shape == mu.shape:
        raise ValueError(f"r1, r2 and mu need one shape, got {tuple(r1.shape)}, {tuple(r2.shape)}, {tuple(mu.shape)}; "
                         "sum clip rewards over their steps with segment_return first")
    if mu.numel() == 0:
        raise ValueError("there are no pairs, so there is nothing to learn from: were all of them skipped?")
    if not ((mu >= 0) & (mu <= 1)).all():
        raise ValueError("mu is a probability: 1 first preferred, 0 second preferred, 0.5 a tie; leave skips out")
    if weight is not None and weight.shape != mu.shape:
        raise ValueError(f"weight needs one number for each pair, {tuple(mu.shape)}, got {tuple(weight.shape)}")
    if weight is not None and not ((weight >= 0).all() and weight.sum() > 0):
        raise ValueError("weights are not negative, and at least one is above 0")
    logits = r1 - r2                                                              # (pairs,)
    if error_rate == 0:
        nll = F.binary_cross_entropy_with_logits(logits, mu.to(logits.dtype), reduction="none")
    else:
        floor = torch.full_like(logits, math.log(error_rate / 2))
        log_first = torch.logaddexp(math.log1p(-error_rate) + F.logsigmoid(logits), floor)
        log_second = torch.logaddexp(math.log1p(-error_rate) + F.logsigmoid(-logits), floor)
        nll = -(mu * log_first + (1 - mu) * log_second)                      # (pairs,)
    return nll.mean() if weight is None else (weight * nll).sum() / weight.sum()


def _check_error_rate(error_rate: float) -> None:
    if not 0 <= error_rate < 1:
        raise ValueError(f"error_rate is the share of labels given at random, from 0 to below 1, not {error_rate}")


def confidence_loss(r1: Tensor, r2: Tensor, mu: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean negative log-likelihood of the labels, a scalar: sum of weight x nll over the sum of the weights.

    All arguments: (pairs,). Only the ratios of the weights matter. Raises as `bradley_terry_loss` does.
    """
    return bradley_terry_loss(r1, r2, mu, weight=weight)


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
