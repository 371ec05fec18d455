"""What a summary can be measured by without any person: length, copying, overlap, and baselines. Lesson 13.

    lead(article, 40)                       # the first sentences: the baseline that is hard to beat
    copy_rate(article, summary)             # 1: every run of four words stands in the article
    rouge_l(summary, reference)             # 0 to 1

None of these is quality. They are there to see what a reward has learned, and what a policy does to get it.

Sources: C.-Y. Lin (2004), "ROUGE: a package for automatic evaluation of summaries", section 3.2, for ROUGE-L; A. See,
P. Liu, C. Manning (2017), "Get to the point", figure 6, for the share of new n-grams; D. Ziegler et al. (2019),
"Fine-tuning language models from human preferences", section 3.2, for summarizers that learned to copy.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

SENTENCE = re.compile(r"(?<=[.!?])[\"'”’)]*\s+|\n+")


def words(text: str) -> list[str]:
    """The words of a text, in lower case, without punctuation."""
    return re.findall(r"\w+", text.lower())


def sentences(text: str) -> list[str]:
    """The sentences of a text, cut behind full stops, question and exclamation marks, and at line ends."""
    return [one.strip() for one in SENTENCE.split(text) if words(one)]


def lead(article: str, most_words: int = 40) -> str:
    """The first sentences of an article, as many as fit into `most_words`; of a longer first one its first words."""
    kept: list[str] = []
    for sentence in sentences(article):
        if sum(len(one.split()) for one in kept) + len(sentence.split()) > most_words:
            break
        kept.append(sentence)
    return " ".join(kept) or " ".join(article.split()[:most_words])


def random_sentences(article: str, most_words: int, seed: int) -> str:
    """Sentences drawn at random from an article, in its order, as many as fit into `most_words`; at least one."""
    all_of_them = sentences(article)
    order = np.random.default_rng(seed).permutation(len(all_of_them))
    kept: list[int] = []
    for place in order.tolist():
        if sum(len(all_of_them[one].split()) for one in [*kept, place]) <= most_words or not kept:
            kept.append(place)
    return " ".join(all_of_them[place] for place in sorted(kept))


def copy_rate(article: str, summary: str, n: int = 4) -> float:
    """Share of the summary's runs of n words that stand in the article, too: 1 is all copied, 0 all new. Exercise 13.3.

    A summary of fewer than n words is one run. 0 for a summary without words.
    """
    there, here = words(article), words(summary)
    if not here:
        return 0.0
    n = min(n, len(here))
    known = {tuple(there[k:k + n]) for k in range(len(there) - n + 1)}
    runs = [tuple(here[k:k + n]) for k in range(len(here) - n + 1)]
    return sum(run in known for run in runs) / len(runs)


def overlap(text: str, summary: str) -> float:
    """Share of the summary's different words that the text holds, too; 0 for a summary without words."""
    here = set(words(summary))
    return len(here & set(words(text))) / len(here) if here else 0.0


def rouge_l(summary: str, reference: str) -> float:
    """ROUGE-L: F1 of the longest common subsequence of words; 0 where one of the two has no words."""
    a, b = words(summary), words(reference)
    if not a or not b:
        return 0.0
    row = [0] * (len(b) + 1)
    for word in a:
        before = row
        row = [0]
        for place, other in enumerate(b):
            row.append(before[place] + 1 if word == other else max(row[place], before[place + 1]))
    return 2 * row[-1] / (len(a) + len(b))


def repeated_share(summary: str) -> float:
    """Share of the summary's pairs of neighbouring words that stood in it before: 0 is no repetition."""
    pairs = list(pairwise(words(summary)))
    return 1 - len(set(pairs)) / len(pairs) if pairs else 0.0


SCALARS = ("length", "copy_rate", "overlap_lead", "coverage", "sentence_length", "repeated")


def scalars(articles: Sequence[str], summaries: Sequence[str]) -> Tensor:
    """(summaries, 6) simple numbers about each summary, in the order of SCALARS: rivals of any reward model.

    Words; copy rate; overlap with the article's first 60 words; share of the article's commonest longer words that the
    summary holds; words a sentence; repeated pairs of words.
    """
    rows = []
    for article, summary in zip(articles, summaries, strict=True):
        long = [word for word in words(article) if len(word) > 5]
        common = sorted(set(long), key=lambda word: (-long.count(word), word))[:20]
        here, count = set(words(summary)), len(summary.split())
        rows.append([count, copy_rate(article, summary), overlap(" ".join(article.split()[:60]), summary),
                     len(here & set(common)) / max(1, len(common)), count / max(1, len(sentences(summary))),
                     repeated_share(summary)])
    return torch.tensor(rows, dtype=torch.float32)
