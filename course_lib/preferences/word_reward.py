"""Rewards made of words: one learned from comparisons, and VADER, the dictionary to beat.

The learned one can be read: every word has a score, and a text's reward is made of its words' scores. Words that follow
a negation ("not", "never", "isn't" …) are counted as words of their own, `not_good`. The sum is divided by the square
root of the number of different known words, so that long texts do not win by length alone. Taught in lesson 03, section
3.7; the baseline of lesson 10 and the first reward of lesson 11.

VADER is a dictionary of happy and unhappy words, each rated by ten people, with a few rules. The scorer is nltk's; the
dictionary comes from the course's cache, so nothing is downloaded when it runs. Source: Hutto and Gilbert (2014).
Taught in lesson 03, section 3.8; the reward of lesson 09.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import assets
from course_lib.preferences.bradley_terry import bradley_terry_loss
from course_lib.preferences.human_ratings import Comparisons


@lru_cache(maxsize=1)
def _analyzer():
    import nltk
    from nltk.sentiment.vader import SentimentIntensityAnalyzer

    lexicon = assets.path("vader-lexicon") / "vader_lexicon.txt"
    if str(lexicon.parent) not in nltk.data.path:                # nltk opens files below its data path only
        nltk.data.path.append(str(lexicon.parent))
    return SentimentIntensityAnalyzer(lexicon_file=lexicon.resolve().as_uri())


def vader_scores(texts: Iterable[str]) -> Tensor:
    """VADER's compound score of each text, (texts,) float32 in [-1, 1]: -1 most negative, 1 most positive.

    Raises TypeError for one text in place of a list of texts.
    """
    if isinstance(texts, str):
        raise TypeError("texts is a list of texts; put a single text in brackets: [text]")
    analyzer = _analyzer()
    return torch.tensor([analyzer.polarity_scores(text)["compound"] for text in texts])


WORD = re.compile(r"[a-z]+(?:'[a-z]+)*"                          # words: film, isn't
                  r"|[:;=][-']?(?:[)(]|[dp](?![a-z])|/(?!/))"    # simple smileys, but not the :/ of http://
                  r"|[!?]+")
NEGATIONS = {"not", "no", "never", "without", "hardly", "nothing", "neither", "nor", "cannot"}
NEGATION_REACH = 3                                               # a negation colours the next three words


def words(text: str) -> list[str]:
    """Lower-case words, smileys and runs of ! and ?; the three words after a negation carry the prefix `not_`."""
    found, reach = [], 0
    for word in WORD.findall(text.lower().replace("’", "'")):
        found.append(f"not_{word}" if reach else word)
        negates = word in NEGATIONS or word.endswith("n't")
        reach = NEGATION_REACH if negates else max(0, reach - 1)
    return found


class WordReward(nn.Module):
    """A score for every word of a vocabulary; a text gets their sum, divided by the square root of their count.

    A word that stands twice in a text counts once; a text without any known word gets 0.
    """

    def __init__(self, vocabulary: Iterable[str]):
        super().__init__()
        self.index = {word: i for i, word in enumerate(vocabulary)}
        self.scores = nn.EmbeddingBag(len(self.index), 1, mode="sum")
        nn.init.zeros_(self.scores.weight)

    @classmethod
    def for_texts(cls, texts: Iterable[str], min_texts: int = 3) -> "WordReward":
        """A model that knows every word found in at least `min_texts` of the texts. No labels are looked at."""
        counts = Counter(word for text in texts for word in set(words(text)))
        return cls(sorted(word for word, count in counts.items() if count >= min_texts))

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """(ids, offsets, weights) for EmbeddingBag: each known word of a text once, with weight 1 / sqrt(count).

        Raises TypeError for one text in place of a list of texts.
        """
        if isinstance(texts, str):
            raise TypeError("texts is a list of texts; put a single text in brackets: [text]")
        bags = [[self.index[word] for word in dict.fromkeys(words(text)) if word in self.index] for text in texts]
        sizes = torch.tensor([len(bag) for bag in bags])                          # (texts,)
        ids = torch.tensor([i for bag in bags for i in bag], dtype=torch.long)    # (known words,)
        return ids, sizes.cumsum(0) - sizes, sizes.clamp(min=1).rsqrt().repeat_interleave(sizes)

    def forward(self, encoded: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Rewards of the encoded texts, (texts,)."""
        ids, offsets, weights = encoded
        return self.scores(ids, offsets, per_sample_weights=weights).squeeze(-1)

    @torch.no_grad()
    def rewards(self, texts: Sequence[str]) -> Tensor:
        """Rewards of texts, (texts,)."""
        return self(self.encode(texts))

    def strongest(self, count: int) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """The `count` words with the highest and with the lowest scores, each as (word, score)."""
        weight = self.scores.weight.detach().squeeze(-1)                          # (words,)
        names, order = list(self.index), weight.argsort().tolist()
        return ([(names[i], weight[i].item()) for i in reversed(order[-count:])],
                [(names[i], weight[i].item()) for i in order[:count]])


def fit_word_reward(model: WordReward, texts: Sequence[str], comparisons: Comparisons, l2: float = 0.3,
                    max_steps: int = 50, loss=bradley_terry_loss) -> float:
    """Fit the word scores to comparisons of `texts`, in place; returns the final loss in nats.

    l2: pull of every score towards 0, in the units of the summed (not mean) loss; stands in for knowing little.
    loss: called as loss(r1, r2, mu) with three tensors of shape (pairs,).

    The problem is convex, so L-BFGS finds the one optimum in well under a hundred steps, whatever the start.
    Raises ValueError when there are no comparisons, or when the loss is not finite.
    """
    if len(comparisons) == 0:
        raise ValueError("there are no comparisons to learn from")
    used, position = torch.unique(torch.stack([comparisons.first, comparisons.second]), return_inverse=True)
    first, second = position                                                      # (pairs,) each, index into `used`
    encoded = model.encode([texts[i] for i in used.tolist()])
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=max_steps, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        rewards = model(encoded)                                                  # (used texts,)
        pull = l2 / len(comparisons) * model.scores.weight.square().sum() / 2
        objective = loss(rewards[first], rewards[second], comparisons.mu) + pull
        if not torch.isfinite(objective):
            raise ValueError("the loss is not a finite number; look at the comparisons and at the loss function")
        objective.backward()
        return objective

    optimizer.step(closure)
    with torch.no_grad():
        rewards = model(encoded)
        return loss(rewards[first], rewards[second], comparisons.mu).item()


def validation_loss(model: WordReward, texts: Sequence[str], comparisons: Comparisons) -> float:
    """Mean negative log-likelihood, in nats, of comparisons the model has not seen. What settings are chosen by."""
    rewards = model.rewards(texts)
    logits = rewards[comparisons.first] - rewards[comparisons.second]
    return F.binary_cross_entropy_with_logits(logits, comparisons.mu).item()
