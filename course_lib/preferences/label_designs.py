"""The same ratings, asked for in other ways: several raters a text, or rankings of several texts.

Each function draws from the human ratings as `sample_comparisons` does, so that ways to spend a labeller's time can be
compared: what matters is how often somebody reads a text (`readings`). Taught in lesson 09, sections 9.3 and 9.4.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from course_lib.preferences.human_ratings import Comparisons, RatedText
from course_lib.preferences.rankings import pairs_from_ranking

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
    exercise 09.1.
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


def majority_agreement(texts: Sequence[RatedText], comparisons: Comparisons, judges: int, seed: int) -> float:
    """How often the majority of `judges` sides with everybody else, on the pairs of `comparisons`.

    A judge is a rater of the first text and one of the second: whoever rated higher says who wins, equal ratings are
    half a vote for each. A tied vote counts half, and so do others who are undecided. The judges' own ratings are left
    out of "everybody else". Raises ValueError when a text has too few raters.
    """
    rng = np.random.default_rng(seed)
    agreed = 0.0
    for i, j in zip(comparisons.first.tolist(), comparisons.second.tolist(), strict=True):
        votes, others = [], []
        for text in (texts[i], texts[j]):
            if len(text.ratings) <= judges:
                raise ValueError(f"a text has {len(text.ratings)} raters: {judges} judges leave nobody else")
            mixed = rng.permutation(text.ratings)
            votes.append(mixed[:judges])
            others.append(mixed[judges:].mean())
        vote, rest = np.sign(votes[0] - votes[1]).sum(), others[0] - others[1]
        agreed += 0.5 if vote == 0 or rest == 0 else float((vote > 0) == (rest > 0))
    return agreed / len(comparisons)
