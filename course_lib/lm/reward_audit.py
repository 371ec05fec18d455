"""Reward models put to the test on texts that people rated: length bias and over-optimisation. Lesson 15.

The gold reward here is nothing fitted: it is the mean of the twenty ratings of a text. So a reward model can choose the
best of n held-out texts, and people have already said how good that choice is.

Length bias: `confounded` selects real preferences so that the longer text is preferred more often than not. A reward
fitted on them learns to count words. `length_controlled` takes out what a straight line in length explains.

Over-optimisation: `best_of_pool` is the expected score and the expected gold rating of the best of n. `conservative`
turns several proxies into one score: their mean, their minimum, or the mean less their disagreement.

Sources: L. Gao, J. Schulman, J. Hilton (2023), "Scaling laws for reward model overoptimization", for proxy against
gold under best-of-n; T. Coste et al. (2024), "Reward model ensembles help mitigate overoptimization", for minimum and
mean less variance (here: less standard deviation); P. Singhal et al. (2023), "A long way to go: investigating length
correlations in RLHF".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.special import gammaln
from torch import Tensor

from course_lib.lm.features import load_reduced
from course_lib.lm.reward_model import LinearReward, fit_linear_reward
from course_lib.lm.summaries import some_of
from course_lib.preferences.human_ratings import (
    Comparisons,
    RatedText,
    evaluation_comparisons,
    rated_texts,
    sample_comparisons,
)

RULES = ("mean", "min", "mean - std")
DRAWN = 20_000                      # preferences among which `confounded` selects


@dataclass(frozen=True)
class Rated:
    """Texts of one part with what is known of them; all tensors are in the order of the texts."""

    texts: Sequence[RatedText]
    rows: Tensor                    # (texts, 200) shipped features of the frozen 135M model
    asked: Tensor                   # (texts,) "positive" against "negative", when the model is asked without any label
    words: Tensor                   # (texts,) length in words
    gold: Tensor                    # (texts,) mean rating by about twenty people, -4 to 4


@lru_cache(maxsize=2)
def rated(part: str) -> Rated:
    """The rated texts of "train", "validation" or "test". Raises as `rated_texts` and `load_reduced` do."""
    texts, known = rated_texts(part), load_reduced()
    return Rated(texts, known.of(texts), known.asked_of(texts),
                 torch.tensor([float(len(one.text.split())) for one in texts]),
                 torch.tensor([float(np.mean(one.ratings)) for one in texts]))


@lru_cache(maxsize=1)
def test_comparisons() -> Comparisons:
    """The 6,000 comparisons of held-out texts on which every model of the course is compared."""
    return evaluation_comparisons("test")[1]


def confounded(part: Rated, count: int, longer_share: float, seed: int) -> Comparisons:
    """`count` real preferences, selected so that the longer text is preferred in this share of them.

    Pairs of equal length are left out. Raises ValueError for a share outside 0 to 1, and when there are too few.
    """
    if not 0 <= longer_share <= 1:
        raise ValueError(f"longer_share is a share from 0 to 1, not {longer_share}")
    drawn = sample_comparisons(part.texts, DRAWN, seed)
    gap = (part.words[drawn.first] - part.words[drawn.second]) * (drawn.mu - 0.5)           # (pairs,) > 0: longer wins
    order = torch.randperm(DRAWN, generator=torch.Generator().manual_seed(seed))
    longer = round(count * longer_share)
    picked = [order[(gap[order] * sign) > 0] for sign in (1, -1)]
    if len(picked[0]) < longer or len(picked[1]) < count - longer:
        raise ValueError(f"{DRAWN:,} drawn preferences hold too few for {count:,}: ask for fewer")
    return some_of(drawn, torch.cat([picked[0][:longer], picked[1][:count - longer]]))


def labelled_by(scores: Tensor, comparisons: Comparisons) -> Comparisons:
    """The same pairs with the labels of a scorer in place of a person's: mu is 1 where the first has more, 0.5 equal.

    scores: (texts,).
    """
    gap = scores[comparisons.first] - scores[comparisons.second]                            # (pairs,)
    return Comparisons(comparisons.first, comparisons.second, (gap.sign() + 1) / 2, comparisons.first_rater,
                       comparisons.second_rater)


def length_controlled(rewards: Tensor, lengths: Tensor) -> Tensor:
    """Rewards less the straight line in length that fits them best, (texts,). Exercise 15.4.

    rewards, lengths: (texts,). The mean is kept. Where all lengths are equal the rewards come back as they are.
    """
    centred = lengths - lengths.mean()                                                      # (texts,)
    slope = (centred * rewards).sum() / centred.square().sum().clamp(min=1e-12)
    return rewards - slope * centred


def standard(scores: Tensor) -> Tensor:
    """(..., texts) scores with mean 0 and standard deviation 1 in each row: proxies on one scale."""
    return (scores - scores.mean(dim=-1, keepdim=True)) / scores.std(dim=-1, keepdim=True).clamp(min=1e-6)


def conservative(scores: Tensor, rule: str) -> Tensor:
    """One score for each text from those of several proxies: (members, texts) -> (texts,).

    rule: "mean", "min", or "mean - std" (the standard deviation among members, divided by their number). Each member
    is brought to mean 0 and standard deviation 1 first. Raises ValueError for another rule. Exercise 15.5.
    """
    members = standard(scores)
    if rule == "mean":
        return members.mean(dim=0)
    if rule == "min":
        return members.amin(dim=0)
    if rule == "mean - std":
        return members.mean(dim=0) - members.std(dim=0, unbiased=False)
    raise ValueError(f"rule is one of {', '.join(RULES)}, not {rule!r}")


def proxies(part: Rated, labels: int, members: int, seed: int, same_labels: bool = False) -> list[LinearReward]:
    """Reward models of `labels` preferences each: of their own, or each of a bootstrap sample of the same ones."""
    one = sample_comparisons(part.texts, labels * (1 if same_labels else members), seed)
    if same_labels:
        luck = torch.Generator().manual_seed(seed)
        draws = [torch.randint(labels, (labels,), generator=luck) for _ in range(members)]
    else:
        draws = list(torch.arange(labels * members).split(labels))
    return [fit_linear_reward(part.rows, some_of(one, draw)) for draw in draws]


def best_of_pool(scores: Tensor, values: Tensor, sizes: Sequence[int]) -> list[float]:
    """What the best of n texts, drawn at random from a pool, is worth on average, for each n of `sizes`.

    scores: (texts,) by which the best is chosen. values: (texts,) what it is then worth. The mean over all sets of n,
    as `best_of_n.expected_best` takes it, for pools of thousands.

    Raises ValueError for nan and for n outside 1 to texts.
    """
    if not torch.isfinite(scores).all():
        raise ValueError("a score is not a finite number, so there is no best text: look at the reward")
    total = len(scores)
    if not all(1 <= n <= total for n in sizes):
        raise ValueError(f"the best of n of {total} texts: n is 1 to {total}, not {[*sizes]}")
    ordered = values[scores.argsort()].double().numpy()                                     # lowest score first
    place = np.arange(1, total + 1)
    found = []
    for n in sizes:
        below = np.maximum(place - n, 0)                    # log of C(place - 1, n - 1) / C(total, n)
        log_share = gammaln(place) - gammaln(n) - gammaln(below + 1) - (
            gammaln(total + 1) - gammaln(n + 1) - gammaln(total - n + 1))
        found.append(float((np.where(place >= n, np.exp(log_share), 0) * ordered).sum()))
    return found
