"""How well does a score predict preferences, and how well do people?

- Pair accuracy and human agreement: lesson 03, sections 3.6 and 3.8; used again in lesson 10.
- Calibration: when the model says 70%, is it right 7 times out of 10? Source: A. Niculescu-Mizil and R. Caruana (2005)
  for reliability diagrams; C. Guo et al. (2017), section 2, for the expected calibration error. Lesson 03, section 3.9.
- Splitting preferences into a part to learn from and a part to test on: lesson 10.
- Learning curves: how many labels buy how much accuracy? The word reward model on human ratings, under the course's
  fixed protocol. Lesson 03, section 3.8; the curve that lesson 10 has to beat.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.labels.records import Preference
from course_lib.preferences.bradley_terry import bradley_terry_loss
from course_lib.preferences.human_ratings import (
    Comparisons,
    RatedText,
    evaluation_comparisons,
    rated_texts,
    sample_comparisons,
)
from course_lib.preferences.word_reward import WordReward, fit_word_reward, validation_loss


def pair_accuracy(scores: Tensor, comparisons: Comparisons) -> float:
    """Share of comparisons that the scores predict; equal scores count as half right.

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
    """How often the mean of all *other* raters agrees with the preferences: the human agreement of lesson 03.

    A reference, not a limit: the mean of some 20 raters is noisy, so a perfect score could predict a little more.
    """
    return leave_one_out_agreement(
        [texts[i].ratings for i in comparisons.first.tolist()], comparisons.first_rater.tolist(),
        [texts[i].ratings for i in comparisons.second.tolist()], comparisons.second_rater.tolist())


def leave_one_out_agreement(first_ratings: Sequence[Sequence[int]], first_rater: Sequence[int],
                            second_ratings: Sequence[Sequence[int]], second_rater: Sequence[int]) -> float:
    """Share of comparisons that the mean ratings of everyone else predict; equal means count as half right.

    first_ratings, second_ratings: for each pair all ratings of its first and of its second text, at least two each.
    first_rater, second_rater: whose ratings made the comparison; these two are left out of the means, else each rater
        would agree with a copy of themselves.

    Raises ValueError when there are no pairs, or when a text has a single rating.
    """
    if len(first_rater) == 0:
        raise ValueError("there are no comparisons to predict")
    agreed = 0.0
    for first, i, second, j in zip(first_ratings, first_rater, second_ratings, second_rater, strict=True):
        rated_gap = first[i] - second[j]
        others = mean_of_the_others(first, i) - mean_of_the_others(second, j)
        agreed += 0.5 if others == 0 else float((others > 0) == (rated_gap > 0))
    return agreed / len(first_rater)


def mean_of_the_others(ratings: Sequence[int], rater: int) -> float:
    """Mean of the ratings without the one of `rater`. Raises ValueError when there is no other."""
    if len(ratings) < 2:
        raise ValueError("a text with a single rating has no other raters")
    return (sum(ratings) - ratings[rater]) / (len(ratings) - 1)


@dataclass(frozen=True)
class Calibration:
    """What was predicted and what happened, by bin of predicted probability. Tensors: (bins that hold pairs,)."""

    promised: Tensor                # mean predicted probability in the bin
    happened: Tensor                # share of comparisons that went that way
    count: Tensor                   # number of pairs in the bin
    error: float                    # expected calibration error: mean gap, weighted by count


def calibration(probability: Tensor, mu: Tensor, bins: int = 10) -> Calibration:
    """Compare predicted probabilities with what happened.

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


def split_by_group(preferences: Sequence[Preference], test_share: float = 0.2,
                   seed: int = 0) -> tuple[list[Preference], list[Preference]]:
    """Training and test part, in the given order; all preferences of one group go to the same part.

    A ranking of four items implies six preferences. If two of them were tested on while four were trained on, the
    model could repeat what it was told instead of predicting it.
    """
    if not 0 <= test_share <= 1:
        raise ValueError(f"test_share is a share between 0 and 1, not {test_share}")
    groups = sorted({preference.group for preference in preferences})
    random.Random(seed).shuffle(groups)
    tested = set(groups[:round(test_share * len(groups))])
    return ([preference for preference in preferences if preference.group not in tested],
            [preference for preference in preferences if preference.group in tested])


L2_CHOICES = (0.1, 0.3, 1.0, 3.0)      # tried in turn; the one with the lowest validation loss is kept


@dataclass(frozen=True)
class FittedReward:
    """A fitted reward model and how it was found."""

    model: WordReward
    labels: int
    seed: int
    l2: float                          # chosen on validation
    validation_loss: float             # nats a pair
    test_accuracy: float               # share of the 6,000 fixed test comparisons that it predicts


def fit_on_human_ratings(labels: int, seed: int, domain: str | None = None,
                         loss: Callable[[Tensor, Tensor, Tensor], Tensor] = bradley_terry_loss) -> FittedReward:
    """Fit the word reward to `labels` human comparisons; the L2 pull is chosen on validation, the test only reports.

    domain: one of the four, or None for pairs drawn from all of them. loss: called as loss(r1, r2, mu).
    """
    train, (checks, check_pairs), (tests, test_pairs) = _parts(domain)
    comparisons = sample_comparisons(train, labels, seed=1000 + seed)
    train_texts, check_texts = [text.text for text in train], [text.text for text in checks]
    vocabulary = list(WordReward.for_texts(train_texts).index)
    candidates = []
    for l2 in L2_CHOICES:
        model = WordReward(vocabulary)
        fit_word_reward(model, train_texts, comparisons, l2, loss=loss)
        candidates.append((validation_loss(model, check_texts, check_pairs), l2, model))
    lowest, l2, model = min(candidates, key=lambda candidate: candidate[0])
    accuracy = pair_accuracy(model.rewards([text.text for text in tests]), test_pairs)
    return FittedReward(model, labels, seed, l2, lowest, accuracy)


def _parts(domain: str | None):
    return (rated_texts("train", domain), evaluation_comparisons("validation", domain),
            evaluation_comparisons("test", domain))


def learning_curve(sizes: tuple[int, ...], seeds: int, domain: str | None = None) -> Iterator[FittedReward]:
    """One fit for each size and each seed of the labels, smallest first; yields each as soon as it is done."""
    for labels in sizes:
        for seed in range(seeds):
            yield fit_on_human_ratings(labels, seed, domain)
