"""Calibration against scikit-learn's curve on pairs seen from both sides, and on raters whose honesty is known."""

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve

from course_lib.preferences.evaluation import calibration


def promises(seed, pairs, sharpen=1.0):
    """Probabilities and comparisons: what happens has the logit `sharpen` times that of the promise."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, 1.5, pairs)
    happens = rng.random(pairs) < 1 / (1 + np.exp(-sharpen * logit))
    return torch.tensor(1 / (1 + np.exp(-logit))), torch.tensor(happens, dtype=torch.float64)


@pytest.mark.parametrize("bins", [5, 10, 17])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_curve_of_scikit_learn_on_pairs_seen_from_both_sides(bins, seed):
    p, mu = promises(seed, 400)
    report = calibration(p, mu, bins)
    both_p, both_mu = np.concatenate([p, 1 - p]), np.concatenate([mu, 1 - mu])
    happened, promised = calibration_curve(both_mu, both_p, n_bins=bins)
    assert report.happened.numpy() == pytest.approx(happened) and report.promised.numpy() == pytest.approx(promised)
    counts = np.histogram(both_p, np.linspace(0, 1, bins + 1))[0]
    assert report.count.tolist() == counts[counts > 0].tolist() and report.count.sum() == 800
    assert report.error == pytest.approx(np.average(np.abs(happened - promised), weights=counts[counts > 0]))


def test_the_order_in_which_a_pair_is_written_down_does_not_matter():
    p, mu = promises(1, 500)
    swap = torch.arange(500) % 3 == 0
    one, other = calibration(p, mu), calibration(torch.where(swap, 1 - p, p), torch.where(swap, 1 - mu, mu))
    assert one.error == pytest.approx(other.error) and one.count.tolist() == other.count.tolist()
    assert one.happened.numpy() == pytest.approx(1 - one.happened.flip(0).numpy())


def test_a_model_that_keeps_its_promises_and_one_that_boasts():
    assert calibration(*promises(0, 100_000)).error < 0.01
    boaster = calibration(*promises(0, 100_000, sharpen=0.5))
    assert boaster.error > 0.08
    ends = [0, 1, -2, -1]
    assert ((boaster.happened - 0.5).abs() < (boaster.promised - 0.5).abs())[ends].all()


def test_by_hand():
    report = calibration(torch.tensor([0.9, 0.9, 0.6]), torch.tensor([1.0, 0.0, 0.5]), bins=2)
    assert report.promised.tolist() == pytest.approx([0.2, 0.8])
    assert report.happened.tolist() == pytest.approx([0.5, 0.5])
    assert report.count.tolist() == [3, 3] and report.error == pytest.approx(0.3)


def test_certainty_belongs_to_the_last_bin():
    report = calibration(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0]))
    assert report.promised.tolist() == [0.0, 1.0] == report.happened.tolist() and report.error == 0.0


@pytest.mark.parametrize(("p", "mu", "says"), [
    ([0.5, 1.2], [1.0, 0.0], "between 0 and 1"),
    ([0.5, float("nan")], [1.0, 0.0], "between 0 and 1"),
    ([0.5, -3.0], [1.0, 0.0], "sigmoid"),
    ([0.5], [1.0, 0.0], "one shape"),
    ([[0.5]], [[1.0]], "one shape"),
    ([], [], "at least one pair"),
])
def test_what_is_no_probability_is_refused(p, mu, says):
    with pytest.raises(ValueError, match=says):
        calibration(torch.tensor(p), torch.tensor(mu))
