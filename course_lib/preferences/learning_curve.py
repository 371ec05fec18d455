"""How many labels buy how much accuracy? The word reward model on human ratings, under the course's fixed protocol.

Taught in lesson 03, section 3.8; the curve that lesson 09 has to beat.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from course_lib.preferences.agreement import pair_accuracy
from course_lib.preferences.bradley_terry import bradley_terry_loss
from course_lib.preferences.human_ratings import evaluation_comparisons, rated_texts, sample_comparisons
from course_lib.preferences.word_reward import WordReward, fit_word_reward, validation_loss

L2_CHOICES = (0.1, 0.3, 1.0, 3.0)      # tried in turn; the one with the lowest validation loss is kept


@dataclass(frozen=True)
class FittedReward:
    """A fitted reward model and how it was found."""

    model: WordReward
    labels: int
    seed: int
    l2: float                          # chosen on validation
    validation_loss: float             # nats a pair
    test_accuracy: float               # share of the 6,000 fixed test verdicts that it predicts


def fit_on_human_ratings(labels: int, seed: int, domain: str | None = None,
                         loss: Callable[[Tensor, Tensor, Tensor], Tensor] = bradley_terry_loss) -> FittedReward:
    """Fit the word reward to `labels` human verdicts; the L2 pull is chosen on validation, the test only reports.

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
    surprise, l2, model = min(candidates, key=lambda candidate: candidate[0])
    accuracy = pair_accuracy(model.rewards([text.text for text in tests]), test_pairs)
    return FittedReward(model, labels, seed, l2, surprise, accuracy)


def _parts(domain: str | None):
    return (rated_texts("train", domain), evaluation_comparisons("validation", domain),
            evaluation_comparisons("test", domain))


def learning_curve(sizes: tuple[int, ...], seeds: int, domain: str | None = None) -> Iterator[FittedReward]:
    """One fit for each size and each seed of the labels, smallest first; yields each as soon as it is done."""
    for labels in sizes:
        for seed in range(seeds):
            yield fit_on_human_ratings(labels, seed, domain)
