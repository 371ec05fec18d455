"""How much is labelled, by whom, and how far people agree, with each other and with themselves.

Also what a majority of raters is worth, and how much of an agreement is chance. Taught in lessons 03 (why people
disagree) and 10 (section 10.3).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from course_lib.labels.queue import same_again
from course_lib.labels.store import PreferenceStore


@dataclass(frozen=True)
class LabelerStats:
    """One person's work on a run."""

    labeler: str
    choices: dict[str, int]            # answers by choice; each pair of a ranking counts
    undone: int
    median_seconds: float | None
    repeated: int                      # pairs asked twice
    same: int                          # of these, answered the same way both times


@dataclass(frozen=True)
class Agreement:
    """How far the labellers of a run agree on the pairs that more than one of them has labelled."""

    pairs: int
    percent: float | None              # of all twos of labellers on one pair, how many gave the same label
    kappa: float | None                # Cohen (1960): the same beyond chance, for exactly two labellers
    alpha: float | None                # Krippendorff, ordinal: a tie is closer to each side than they are to each other


def labeler_stats(store: PreferenceStore, run: str) -> list[LabelerStats]:
    """What each labeller of the run did, in alphabetical order."""
    choices: dict[str, Counter] = defaultdict(Counter)
    for name, choice, number in store.choices(run):
        choices[name][choice] += number
    stats = []
    for name in sorted(choices):
        times, (twice, same) = store.response_times(run, name), same_again(store, run, [name])
        stats.append(LabelerStats(name, dict(choices[name]), store.undone(run, name),
                                  float(np.median(times)) / 1000 if times else None,
                                  twice, same))
    return stats


def agreement(store: PreferenceStore, run: str) -> Agreement:
    """Agreement between labellers; skips count as "gave no label". Figures that are undefined are None."""
    return agreement_of(store.shared_preferences(run))


def agreement_of(preferences: dict[tuple[str, int], float]) -> Agreement:
    """Agreement for preferences by (labeller, pair): 1 first preferred, 0 second, 0.5 tie."""
    counts = Counter(pair for _, pair in preferences)
    shared = sorted(pair for pair, count in counts.items() if count > 1)
    labelers = sorted({labeler for labeler, pair in preferences if counts[pair] > 1})
    if not shared:
        return Agreement(0, None, None, None)
    import krippendorff

    table = np.array([[preferences.get((labeler, pair), np.nan) for pair in shared] for labeler in labelers])
    each = np.stack([(table == value).sum(axis=0) for value in (0.0, 0.5, 1.0)])       # (3 values, pairs)
    together = each.sum(axis=0)
    percent = float((each * (each - 1)).sum() / (together * (together - 1)).sum())
    several = len(np.unique(table[~np.isnan(table)])) > 1          # with one value only, chance explains everything
    kappa = alpha = None
    if several:
        alpha = float(krippendorff.alpha(table, level_of_measurement="ordinal", value_domain=[0.0, 0.5, 1.0]))
        if len(labelers) == 2:
            kappa = float(cohen_kappa(table[0].tolist(), table[1].tolist()))
    return Agreement(len(shared), percent, kappa, alpha)


@dataclass(frozen=True)
class AgreementMatrix:
    """How far each two labellers of a run agree. All arrays: (labellers, labellers)."""

    labelers: tuple[str, ...]
    shared: np.ndarray                 # pairs that both have labelled; the diagonal: all that one has
    same: np.ndarray                   # share of these with the same label; nan without any
    kappa: np.ndarray                  # Cohen's kappa; nan where it is undefined


def agreement_matrix(preferences: dict[tuple[str, int], float]) -> AgreementMatrix:
    """Agreement of each two, for preferences by (labeller, pair): 1 first preferred, 0 second, 0.5 tie."""
    labelers, pairs = (sorted({key[place] for key in preferences}) for place in (0, 1))
    row, column = ({name: place for place, name in enumerate(names)} for names in (labelers, pairs))
    table = np.full((len(labelers), len(pairs)), np.nan)
    for (labeler, pair), mu in preferences.items():
        table[row[labeler], column[pair]] = mu
    given = (~np.isnan(table)).astype(float)                                           # (labellers, pairs)
    said = [(table == value).astype(float) for value in np.unique(table[~np.isnan(table)])]
    shared = given @ given.T
    with np.errstate(invalid="ignore", divide="ignore"):
        same = sum((one @ one.T for one in said), np.zeros_like(shared)) / shared
        chance = sum(((one @ given.T) * (given @ one.T) for one in said), np.zeros_like(shared)) / shared ** 2
        kappa = np.where(chance < 1 - 1e-12, (same - chance) / (1 - chance), np.nan)
    return AgreementMatrix(tuple(labelers), shared.astype(int), same, kappa)


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

    one, other: their labels of the same items, any values that can be compared. Undefined, and nan, where both
    always say the same one thing. Source: J. Cohen (1960), Educational and Psychological Measurement 20.

    Raises ValueError without items, or when the lists differ in length.
    """
    if not one:
        raise ValueError("there is no label to compare")
    same = sum(a == b for a, b in zip(one, other, strict=True)) / len(one)
    chance = sum((list(one).count(word) / len(one)) * (list(other).count(word) / len(other)) for word in set(one))
    return (same - chance) / (1 - chance) if chance < 1 else math.nan
