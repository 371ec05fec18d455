"""One rater or several? What a majority is worth, and how much of an agreement is chance.

Taught in lesson 09, section 9.3.
"""

import math
from collections.abc import Sequence


def majority_right(p: float, raters: int) -> float:
    """Chance that the majority of `raters` is right, each right with chance p and *independently* of the others.

    A tied vote of an even number is decided by a coin. Source: M. de Condorcet (1785), the jury theorem. Real raters
    are not independent: they find the same pairs hard.

    Raises ValueError without a rater, or when p is no probability.
    """
    if raters < 1 or not 0 <= p <= 1:
        raise ValueError("a majority needs at least one rater and a chance between 0 and 1")
    chances = [math.comb(raters, right) * p ** right * (1 - p) ** (raters - right) for right in range(raters + 1)]
    clear = sum(chance for right, chance in enumerate(chances) if 2 * right > raters)
    return clear + (chances[raters // 2] / 2 if raters % 2 == 0 else 0.0)


def cohen_kappa(one: Sequence[float], other: Sequence[float]) -> float:
    """Agreement of two labellers beyond chance: 1 all the same, 0 what chance gives, below 0 worse than chance.

    one, other: their verdicts on the same items, any values that can be compared. Undefined, and nan, where both always
    say the same one thing. Source: J. Cohen (1960), Educational and Psychological Measurement 20.

    Raises ValueError without items, or when the lists differ in length.
    """
    if not one:
        raise ValueError("there is no verdict to compare")
    same = sum(a == b for a, b in zip(one, other, strict=True)) / len(one)
    chance = sum((list(one).count(word) / len(one)) * (list(other).count(word) / len(other)) for word in set(one))
    return (same - chance) / (1 - chance) if chance < 1 else math.nan
