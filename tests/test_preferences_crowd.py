"""Several raters: their reliability is found from the labels alone, and trusting them rightly beats trusting all."""

import numpy as np
import pytest
import scipy.optimize
import torch

from course_lib.preferences.bradley_terry import fit_strengths
from course_lib.preferences.crowd import fit_crowd

RELIABILITY = np.array([0.97, 0.93, 0.85, 0.50, 0.10])
RATERS, ITEMS = len(RELIABILITY), 8


def simulated_labels(seed, labels=3_000, reliability=RELIABILITY):
    """(true strengths, first, second, mu, rater) of simulated labels."""
    rng = np.random.default_rng(seed)
    s = np.linspace(-2, 2, ITEMS)
    first = rng.integers(ITEMS, size=labels)
    second = (first + rng.integers(1, ITEMS, size=labels)) % ITEMS
    rater = rng.integers(len(reliability), size=labels)
    mu = rng.random(labels) < 1 / (1 + np.exp(s[second] - s[first]))
    mu ^= rng.random(labels) > reliability[rater]
    return s, *(torch.tensor(column) for column in (first, second, mu.astype(np.float32), rater))


def fitted(first, second, mu, rater, raters=RATERS):
    return fit_crowd(first, second, mu, rater, items=ITEMS, raters=raters)


def all_trusted(first, second, mu):
    """Plain Bradley–Terry, which takes every rater for careful."""
    wins = np.zeros((ITEMS, ITEMS))
    np.add.at(wins, (np.where(mu == 1, first, second), np.where(mu == 1, second, first)), 1)
    return fit_strengths(wins).numpy()


def off(strengths, truth):
    return np.sqrt(np.mean((np.asarray(strengths) - truth) ** 2))


@pytest.mark.parametrize("seed", range(3))
def test_finds_how_reliable_each_judge_is(seed):
    _, *labels = simulated_labels(seed)
    assert fitted(*labels).reliability.numpy() == pytest.approx(RELIABILITY, abs=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_beats_the_fit_that_trusts_everybody(seed):
    truth, first, second, mu, rater = simulated_labels(seed)
    assert off(fitted(first, second, mu, rater).strengths, truth) < 0.5 * off(all_trusted(first, second, mu), truth)


def test_a_contrary_rater_helps_and_a_guesser_does_not():
    errors = {}
    for last in (0.9, 0.1, 0.5):
        simulated = [simulated_labels(seed, 1_000, np.array([0.9, 0.9, 0.9, last])) for seed in range(3)]
        errors[last] = np.mean([off(fitted(*labels, raters=4).strengths, truth) for truth, *labels in simulated])
    assert errors[0.1] < errors[0.5], "1,000 labels with a contrary rater say more than with a guesser"
    assert errors[0.9] < errors[0.5]


def test_reaches_the_optimum_that_scipy_finds():
    _, first, second, mu, rater = simulated_labels(5, labels=600)
    a, b, y, k = (column.numpy() for column in (first, second, mu, rater))

    def objective(x):
        s, trust = x[:ITEMS], x[ITEMS:]
        p, q = 1 / (1 + np.exp(s[b] - s[a])), 1 / (1 + np.exp(-trust[k]))
        first_wins = q * p + (1 - q) * (1 - p)
        nll = -(y * np.log(first_wins) + (1 - y) * np.log(1 - first_wins)).sum()
        return nll + 0.5 * ((s ** 2).sum() + ((trust - 2) ** 2).sum())

    start = np.concatenate([np.zeros(ITEMS), np.full(RATERS, 2.0)])
    best = scipy.optimize.minimize(objective, start, method="BFGS").x
    crowd = fitted(first, second, mu, rater)
    assert crowd.strengths.numpy() == pytest.approx(best[:ITEMS] - best[:ITEMS].mean(), abs=0.02)
    assert crowd.reliability.numpy() == pytest.approx(1 / (1 + np.exp(-best[ITEMS:])), abs=0.01)


def test_a_judge_who_said_nothing_is_expected_to_try():
    _, first, second, mu, rater = simulated_labels(0)
    crowd = fitted(first, second, mu, rater, raters=6)
    assert crowd.reliability[5].item() == pytest.approx(0.88, abs=0.01)
    assert crowd.reliability.shape == (6,) and crowd.strengths.shape == (ITEMS,)
    assert crowd.strengths.mean().item() == pytest.approx(0, abs=1e-5)


def test_ties_are_labels_too():
    first, second, rater = torch.tensor([0, 1, 0]), torch.tensor([1, 2, 2]), torch.zeros(3, dtype=torch.long)
    crowd = fit_crowd(first, second, torch.full((3,), 0.5), rater, items=3, raters=1)
    assert crowd.strengths.tolist() == pytest.approx([0, 0, 0], abs=1e-6)


ONE = torch.tensor([0])


@pytest.mark.parametrize(("change", "says"), [
    ({"first": torch.tensor([3])}, "0..2 for items"),
    ({"second": torch.tensor([-1])}, "0..2 for items"),
    ({"rater": torch.tensor([2])}, "0..1 for raters"),
    ({"mu": torch.tensor([1.5])}, "mu is a probability"),
    ({"mu": torch.tensor([float("nan")])}, "mu is a probability"),
    ({"mu": torch.tensor([1.0, 0.0])}, "one shape"),
    ({"rater": torch.tensor([[0]])}, "one shape"),
    ({name: torch.zeros(0, dtype=torch.long) for name in ("first", "second", "mu", "rater")}, "at least one"),
])
def test_what_cannot_be_meant_is_refused(change, says):
    columns = {"first": ONE, "second": torch.tensor([1]), "mu": torch.tensor([1.0]), "rater": ONE, **change}
    with pytest.raises(ValueError, match=says):
        fit_crowd(*columns.values(), items=3, raters=2)
