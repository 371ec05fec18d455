"""Strengths from a table of wins, against scipy and against Zermelo's iteration; the table of the sound study."""

import numpy as np
import pytest
import scipy.optimize

from course_lib.preferences.bradley_terry import fit_strengths
from course_lib.preferences.human_ratings import MODES, RUNS, sound_quality_wins


def loss_and_gradient(rest, wins):
    """Sum of the negative log-likelihoods with the first strength held at 0, and its gradient by the others."""
    s = np.concatenate([[0.0], rest])
    gap = s[:, None] - s[None, :]
    pull = wins / (1 + np.exp(gap))                      # wins[i, j] * P(j beats i)
    return (wins * np.logaddexp(0, -gap)).sum(), (pull.sum(axis=0) - pull.sum(axis=1))[1:]


def by_scipy(wins):
    wins = wins - np.diag(np.diag(wins))
    found = scipy.optimize.minimize(loss_and_gradient, np.zeros(len(wins) - 1), args=(wins / wins.sum(),), jac=True,
                                    method="BFGS", options={"gtol": 1e-12, "maxiter": 2_000})
    s = np.concatenate([[0.0], found.x])
    return s - s.mean()


def by_zermelo(wins, rounds=20_000):
    """E. Zermelo (1929): each strength is its wins over its expected share of the comparisons."""
    wins = wins - np.diag(np.diag(wins))
    games, strength = wins + wins.T, np.ones(len(wins))
    for _ in range(rounds):
        strength = wins.sum(axis=1) / (games / (strength[:, None] + strength[None, :])).sum(axis=1)
        strength /= np.exp(np.log(strength).mean())
    return np.log(strength)


def random_wins(seed, items, games=30):
    """Wins among items of random strength, some pairs never met; a circle of wins keeps the optimum finite."""
    rng = np.random.default_rng(seed)
    s = rng.normal(0, 1.5, items)
    wins = np.zeros((items, items))
    for i in range(items):
        for j in range(i + 1, items):
            played = rng.integers(0, games)
            wins[i, j] = rng.binomial(played, 1 / (1 + np.exp(s[j] - s[i])))
            wins[j, i] = played - wins[i, j]
    wins[np.arange(items), (np.arange(items) + 1) % items] += 1
    return wins


TABLES = {"sound": sound_quality_wins().astype(float), "two": np.array([[0.0, 3.0], [1.0, 0.0]]),
          "lopsided": np.array([[0.0, 9_999.0, 500.0], [1.0, 0.0, 2.0], [3.0, 999.0, 0.0]]),
          **{f"random {seed}": random_wins(seed, items) for seed, items in enumerate((3, 5, 12, 30))}}


@pytest.mark.parametrize("name", TABLES)
def test_equals_the_optimum_of_scipy(name):
    assert fit_strengths(TABLES[name]).numpy() == pytest.approx(by_scipy(TABLES[name]), abs=1e-5)


@pytest.mark.parametrize("name", TABLES)
def test_equals_the_iteration_of_zermelo(name):
    assert fit_strengths(TABLES[name]).numpy() == pytest.approx(by_zermelo(TABLES[name]), abs=1e-5)


def test_expected_wins_equal_wins_at_the_optimum():
    wins = TABLES["sound"]
    s = fit_strengths(wins).numpy()
    expected = (RUNS / (1 + np.exp(s[None, :] - s[:, None])) * (1 - np.eye(8))).sum(axis=1)
    assert expected == pytest.approx(wins.sum(axis=1), abs=0.01)
    assert s.mean() == pytest.approx(0, abs=1e-12)


def test_counts_and_shares_give_the_same_and_the_diagonal_is_ignored():
    wins = TABLES["random 1"]
    expected = fit_strengths(wins).numpy()
    holes = wins.copy()
    np.fill_diagonal(holes, np.nan)
    assert fit_strengths(holes).numpy() == pytest.approx(expected, abs=1e-9)
    assert fit_strengths(wins / wins.sum()).numpy() == pytest.approx(expected, abs=1e-5)
    assert fit_strengths(wins.astype(np.int64)).numpy() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("wins", "says"), [
    (np.ones((2, 3)), r"shape \(items, items\)"),
    (np.ones(4), r"shape \(items, items\)"),
    (np.ones((1, 1)), "at least two items"),
    (np.zeros((0, 0)), "at least two items"),
    (np.array([[0, -1], [2, 0]]), "not negative"),
    (np.array([[0, np.nan], [2, 0]]), "finite"),
    (np.array([[0, np.inf], [2, 0]]), "finite"),
    (np.array([[0, 5], [0, 0]]), "never lost"),
    (np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]), "across the two groups"),
    (np.array([[0, 1, 4, 0], [1, 0, 0, 2], [0, 0, 0, 1], [0, 0, 1, 0]]), "never lost"),
])
def test_a_table_without_one_optimum_is_refused(wins, says):
    with pytest.raises(ValueError, match=says):
        fit_strengths(wins)


def test_a_long_chain_of_wins_is_enough():
    items = 21
    wins = np.zeros((items, items))
    wins[np.arange(items), (np.arange(items) + 1) % items] = 1
    assert fit_strengths(wins).numpy() == pytest.approx(np.zeros(items), abs=1e-6)


def test_the_table_of_the_sound_study():
    wins = sound_quality_wins()
    assert wins.shape == (8, 8) and len(MODES) == 8 and wins.sum() == 21_924 == 28 * RUNS
    assert ((wins + wins.T)[~np.eye(8, dtype=bool)] == 783).all() and (np.diag(wins) == 0).all()
    assert wins.sum(axis=1).tolist() == [680, 1_172, 3_640, 3_218, 3_469, 3_303, 2_978, 3_464]
    assert (wins.sum(axis=1) + wins.sum(axis=0) == 7 * RUNS).all()
    assert wins[MODES.index("Stereo"), MODES.index("Mono")] == 737


def test_the_strengths_that_the_lesson_shows():
    fitted = dict(zip(MODES, fit_strengths(sound_quality_wins()).tolist(), strict=True))
    assert sorted(fitted, key=fitted.get, reverse=True)[:3] == ["Stereo", "Matrix", "Original"]
    assert {mode: round(fitted[mode], 2) for mode in ("Stereo", "Matrix", "Original", "Mono")} == {
        "Stereo": 0.75, "Matrix": 0.62, "Original": 0.61, "Mono": -1.86}
