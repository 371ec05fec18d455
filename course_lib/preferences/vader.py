"""VADER: a dictionary of happy and unhappy words, weighed by experts, with a few rules. The rival to beat.

The scorer is nltk's; the dictionary comes from the course's cache, so nothing is downloaded when it runs.
Source: Hutto and Gilbert (2014). Taught in lesson 03, section 3.8; the reward of lesson 08.
"""

from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import Tensor

from course_lib import assets


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
