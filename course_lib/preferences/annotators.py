"""Several judges who are not equally careful: learn whom to trust, from their verdicts alone.

Each judge k has a reliability, the probability of reporting what Bradley–Terry says and not its opposite:
P(k prefers first) = q_k * sigmoid(s1 - s2) + (1 - q_k) * sigmoid(s2 - s1). Half is guessing, below half is contrary.

Source: X. Chen et al. (2013), "Pairwise ranking aggregation in a crowdsourced setting" (Crowd-BT), equation 4.
Taught in lesson 03, section 3.5; used again in lesson 09.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class CrowdFit:
    """What a crowd's verdicts say about the items and about the crowd."""

    strengths: Tensor               # (items,), mean zero
    reliability: Tensor             # (judges,) in (0, 1); 0.5 guesses, near 0 answers the wrong way round


def fit_crowd(first: Tensor, second: Tensor, mu: Tensor, judge: Tensor, *, items: int, judges: int,
              steps: int = 400, pull: float = 0.5) -> CrowdFit:
    """Strengths of items and reliability of judges, fitted together by gradient descent.

    first, second: (verdicts,) index of the two items; mu: (verdicts,) 1, 0 or 0.5; judge: (verdicts,) who said it.
    pull: weight of a prior that holds strengths near 0 and reliabilities near 0.88 (we expect people to try).

    The labels alone cannot tell "all are right" from "all are contrary with the order turned round": the prior does.
    Raises ValueError when the shapes differ, when there are no verdicts, when an index is out of range or mu leaves
    [0, 1].
    """
    if not first.shape == second.shape == mu.shape == judge.shape or len(mu) == 0:
        shapes = ", ".join(str(tuple(part.shape)) for part in (first, second, mu, judge))
        raise ValueError(f"first, second, mu and judge need one shape, (verdicts,), with at least one; got {shapes}")
    if not ((mu >= 0) & (mu <= 1)).all():
        raise ValueError("mu is a probability: 1 first preferred, 0 second preferred, 0.5 a tie; leave skips out")
    used = torch.stack([first, second])
    if min(used.min(), judge.min()) < 0 or used.max() >= items or judge.max() >= judges:
        raise ValueError(f"indices must lie in 0..{items - 1} for items and 0..{judges - 1} for judges")
    strengths = torch.zeros(items, requires_grad=True)
    trust = torch.full((judges,), 2.0, requires_grad=True)                        # sigmoid(2) = 0.88
    optimizer = torch.optim.Adam([strengths, trust], lr=0.05)
    for _ in range(steps):
        agrees = F.logsigmoid(strengths[first] - strengths[second])               # (verdicts,) log P(first wins)
        opposes = F.logsigmoid(strengths[second] - strengths[first])
        honest, contrary = F.logsigmoid(trust[judge]), F.logsigmoid(-trust[judge])
        log_first = torch.logaddexp(honest + agrees, contrary + opposes)
        log_second = torch.logaddexp(honest + opposes, contrary + agrees)
        surprise = -(mu * log_first + (1 - mu) * log_second).sum()
        loss = surprise + pull * (strengths.square().sum() + (trust - 2).square().sum())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return CrowdFit((strengths - strengths.mean()).detach(), torch.sigmoid(trust).detach())
