"""Labels of several people: raters who are not equally careful, rankings, and how to spend a labeler's time.

Crowd-BT learns whom to trust, from the labels alone. Each rater k has a reliability, the probability of reporting what
Bradley–Terry says and not its opposite: P(k prefers first) = q_k * sigmoid(s1 - s2) + (1 - q_k) * sigmoid(s2 - s1).
Half is guessing, below half is contrary. Source: X. Chen et al. (2013), "Pairwise ranking aggregation in a
crowdsourced setting", equation 4. Taught in lesson 03, section 3.5; used again in lesson 10.

An order of several items is many comparisons: people who read four texts can put them in order with little more effort
than it takes to name the best; the order holds six comparisons. They are not six *independent* ones, so a loss may
count each ranking once (`share`). Source: L. Ouyang et al. (2022), section 3.5 and equation 1: rankings of 4 to 9
answers, all pairs of one ranking in one batch, their loss divided by their number. Taught in lesson 10, section 10.4.

The designs draw from the human ratings as `sample_comparisons` does, with several raters a text or rankings of several
texts, so that they can be compared: what matters is how often somebody reads a text (`readings`). Lesson 10, 10.3
and 10.4.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.preferences.human_ratings import Comparisons, RatedText


@dataclass(frozen=True)
class CrowdFit:
    """What a crowd's labels say about the items and about the crowd."""

    strengths: Tensor               # (items,), mean zero
    reliability: Tensor             # (raters,) in (0, 1); 0.5 guesses, near 0 answers the wrong way round


def fit_crowd(first: Tensor, second: Tensor, mu: Tensor, rater: Tensor, *, items: int, raters: int,
              steps: int = 400, pull: float = 0.5) -> CrowdFit:
    """Strengths of items and reliability of raters, fitted together by gradient descent.

    first, second: (labels,) index of the two items; mu: (labels,) 1, 0 or 0.5; rater: (labels,) who said it.
    pull: weight of a prior that holds strengths near 0 and reliabilities near 0.88 (we expect people to try).

    The labels alone cannot tell "all are right" from "all are contrary with the order turned round": the prior does.
    Raises ValueError when the shapes differ, when there are no labels, when an index is out of range or mu leaves
    [0, 1].
    """
    if not first.shape == second.shape == mu.shape == rater.shape or len(mu) == 0:
        shapes = ", ".join(str(tuple(part.shape)) for part in (first, second, mu, rater))
        raise ValueError(f"first, second, mu and rater need one shape, (labels,), with at least one; got {shapes}")
    if not ((mu >= 0) & (mu <= 1)).all():
        raise ValueError("mu is a probability: 1 first preferred, 0 second preferred, 0.5 a tie; leave skips out")
    used = torch.stack([first, second])
    if min(used.min(), rater.min()) < 0 or used.max() >= items or rater.max() >= raters:
        raise ValueError(f"indices must lie in 0..{items - 1} for items and 0..{raters - 1} for raters")
    strengths = torch.zeros(items, requires_grad=True)
    trust = torch.full((raters,), 2.0, requires_grad=True)                        # sigmoid(2) = 0.88
    optimizer = torch.optim.Adam([strengths, trust], lr=0.05)
    for _ in range(steps):
        agrees = F.logsigmoid(strengths[first] - strengths[second])               # (labels,) log P(first wins)
        opposes = F.logsigmoid(strengths[second] - strengths[first])
        honest, contrary = F.logsigmoid(trust[rater]), F.logsigmoid(-trust[rater])
        log_first = torch.logaddexp(honest + agrees, contrary + opposes)
        log_second = torch.logaddexp(honest + opposes, contrary + agrees)
        nll = -(mu * log_first + (1 - mu) * log_second).sum()
        loss = nll + pull * (strengths.square().sum() + (trust - 2).square().sum())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return CrowdFit((strengths - strengths.mean()).detach(), torch.sigmoid(trust).detach())


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


NOBODY = -1                         # stands for the rater where several were asked


def consensus_comparisons(texts: Sequence[RatedText], count: int, raters: int, seed: int) -> Comparisons:
    """Draw `count` pairs, and of each text `raters` different raters: the higher mean wins; equal means are dropped.

    Costs 2 x count x raters readings, dropped pairs included. Raises ValueError when a text has fewer raters.
    """
    if raters > min(len(text.ratings) for text in texts):
        raise ValueError(f"some texts have fewer than {raters} raters")
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        one, two = rng.choice(len(texts), size=2, replace=False)
        means = [rng.choice(texts[i].ratings, size=raters, replace=False).mean() for i in (one, two)]
        if means[0] != means[1]:
            rows.append((one, two, float(means[0] > means[1])))
    return _comparisons(rows)


def ranking_comparisons(texts: Sequence[RatedText], count: int, items: int, seed: int,
                        pairs: Callable[[Sequence[float]], tuple] = pairs_from_ranking) -> Comparisons:
    """Draw `count` rankings of `items` texts each, by one rater a text, as the pairs they imply; ties are dropped.

    Costs count x items readings. pairs: takes the place of `pairs_from_ranking`, for instance the learner's own of
    exercise 10.1.
    """
    rng = np.random.default_rng(seed)
    kept = []
    for _ in range(count):
        chosen = rng.choice(len(texts), size=items, replace=False)
        ratings = [rng.choice(texts[i].ratings) for i in chosen]
        ranks = [sum(other > rating for other in ratings) for rating in ratings]
        kept += [(chosen[int(i)], chosen[int(j)], float(mu))
                 for i, j, mu in zip(*pairs(ranks), strict=True) if mu != 0.5]
    return _comparisons(kept)


def _comparisons(rows: Sequence[tuple[int, int, float]]) -> Comparisons:
    first, second, mu = (torch.from_numpy(np.array(column)) for column in zip(*rows, strict=True))
    nobody = torch.full((len(rows),), NOBODY)
    return Comparisons(first, second, mu.float(), nobody, nobody)


def majority_agreement(texts: Sequence[RatedText], comparisons: Comparisons, raters: int, seed: int) -> float:
    """How often the majority of `raters` sides with everybody else, on the pairs of `comparisons`.

    One vote takes a rater of the first text and one of the second: the higher rating wins, equal ratings are
    half a vote for each. A tied vote counts half, and so do others who are undecided. The raters' own ratings are left
    out of "everybody else". Raises ValueError when a text has too few raters.
    """
    rng = np.random.default_rng(seed)
    agreed = 0.0
    for i, j in zip(comparisons.first.tolist(), comparisons.second.tolist(), strict=True):
        votes, others = [], []
        for text in (texts[i], texts[j]):
            if len(text.ratings) <= raters:
                raise ValueError(f"a text has {len(text.ratings)} raters: a majority of {raters} leaves nobody else")
            mixed = rng.permutation(text.ratings)
            votes.append(mixed[:raters])
            others.append(mixed[raters:].mean())
        vote, rest = np.sign(votes[0] - votes[1]).sum(), others[0] - others[1]
        agreed += 0.5 if vote == 0 or rest == 0 else float((vote > 0) == (rest > 0))
    return agreed / len(comparisons)
