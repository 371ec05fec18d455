"""Bradley–Terry with annotator effects: the optimum that scipy finds, annotators found again, errors that hold."""

import numpy as np
import pytest
import scipy.optimize
import torch

from course_lib.preferences.annotators import consensus, fit_annotators
from course_lib.preferences.bradley_terry import preference_probability
from course_lib.preferences.crowd import fit_crowd

RATES = np.array([[0.97, 0.95], [0.9, 0.9], [0.85, 0.8], [0.5, 0.5], [0.1, 0.08], [0.98, 0.03], [0.6, 0.95]])
ITEMS, PEOPLE = 10, len(RATES)


def simulated(seed, labels=3_500, rates=RATES, items=ITEMS, scores=None):
    """(scores, left, right, said_left, annotator) of annotators with these two rates each."""
    rng = np.random.default_rng(seed)
    s = np.linspace(-2, 2, items) if scores is None else scores
    left = rng.integers(items, size=labels)
    right = (left + rng.integers(1, items, size=labels)) % items
    who = rng.integers(len(rates), size=labels)
    p = 1 / (1 + np.exp(s[right] - s[left]))
    chance = rates[who, 0] * p + (1 - rates[who, 1]) * (1 - p)
    said = (rng.random(labels) < chance).astype(np.float32)
    return s, *(torch.tensor(column) for column in (left, right, said, who))


def by_scipy(left, right, said, who, features, people, two=True):
    """The same penalized likelihood, written out in numpy and minimized by BFGS without gradients."""
    a, b, y, k = (column.numpy() for column in (left, right, said, who))
    size = features.shape[1]

    def objective(x):
        s, own = features @ x[:size], x[size:].reshape(people, -1)
        trust = own * np.ones((1, 2))
        p, rates = 1 / (1 + np.exp(s[b] - s[a])), 1 / (1 + np.exp(-trust[k]))
        says_left = rates[:, 0] * p + (1 - rates[:, 1]) * (1 - p)
        nll = -(y * np.log(says_left) + (1 - y) * np.log(1 - says_left)).sum()
        return nll + 0.5 * ((x[:size] ** 2).sum() + ((own - 2) ** 2).sum())

    start = np.concatenate([np.zeros(size), np.full(people * (2 if two else 1), 2.0)])
    found = scipy.optimize.minimize(objective, start, method="BFGS", options={"gtol": 1e-4})
    return found.x[:size], 1 / (1 + np.exp(-found.x[size:].reshape(people, -1) * np.ones((1, 2))))


@pytest.mark.parametrize("two", [True, False], ids=["position bias", "Crowd-BT"])
def test_reaches_the_optimum_that_scipy_finds(two):
    _, *labels = simulated(3, labels=500)
    labels[2][:40] = 0.5                                     # some ties
    strengths, rates = by_scipy(*labels, np.eye(ITEMS), PEOPLE, two)
    fit = fit_annotators(*labels, items=ITEMS, annotators=PEOPLE, position_bias=two)
    assert fit.scores().numpy() == pytest.approx(strengths - strengths.mean(), abs=5e-3)
    assert torch.stack([fit.left, fit.right], dim=1).numpy() == pytest.approx(rates, abs=5e-3)


def test_a_reward_on_features_reaches_the_optimum_that_scipy_finds():
    rng = np.random.default_rng(8)
    features = rng.normal(size=(ITEMS, 3)) * [1, 10, 0.1] + [0, 5, 0]
    _, *labels = simulated(4, labels=500, scores=features @ [0.5, 0.1, 5.0])
    unit = np.sqrt(((features - features.mean(0)) ** 2).sum(1).mean())
    weights, rates = by_scipy(*labels, (features - features.mean(0)) / unit, PEOPLE)
    fit = fit_annotators(*labels, items=ITEMS, annotators=PEOPLE, features=torch.tensor(features))
    assert (fit.weights * unit).numpy() == pytest.approx(weights, abs=5e-3)
    assert fit.left.numpy() == pytest.approx(rates[:, 0], abs=5e-3)
    wanted = features @ weights / unit
    assert fit.scores(torch.tensor(features)).numpy() == pytest.approx(wanted - wanted.mean(), abs=2e-2)
    rescaled = fit_annotators(*labels, items=ITEMS, annotators=PEOPLE, features=torch.tensor(features * 100 + 7))
    assert rescaled.left.numpy() == pytest.approx(fit.left.numpy(), abs=1e-3), "the features' scale does not matter"


def test_without_position_bias_it_is_the_crowd_bt_of_lesson_03():
    _, left, right, said, who = simulated(5, labels=800)
    one = fit_annotators(left, right, said, who, items=ITEMS, annotators=PEOPLE, position_bias=False, pull=0.5)
    assert torch.equal(one.left, one.right) and not one.position_bias.any()
    crowd = fit_crowd(left, right, said, who, items=ITEMS, raters=PEOPLE, steps=2_000)
    assert one.reliability.numpy() == pytest.approx(crowd.reliability.numpy(), abs=2e-3)
    assert one.scores().numpy() == pytest.approx(crowd.strengths.numpy(), abs=5e-3)
    assert (one.bias_error == 0).all() and (one.reliability_error < 0.15).all() and (one.reliability_error > 0).all()


def test_equal_trust_is_bradley_terry():
    _, left, right, said, who = simulated(6, labels=400)
    fit = fit_annotators(left, right, said, who, items=ITEMS, annotators=PEOPLE, equal_trust=True)
    s = fit.scores()
    p = preference_probability(s[left], s[right])
    nll = -(said * p.log() + (1 - said) * (1 - p).log()).mean().item()
    assert fit.nll == pytest.approx(nll, abs=1e-6) and (fit.reliability == 1).all()
    pushed = torch.zeros(ITEMS, dtype=torch.float64).index_add_(0, left, said - p).index_add_(0, right, p - said)
    assert fit.weights.numpy() == pytest.approx(pushed.numpy(), abs=1e-4), "the ridge balances the labels"


@pytest.mark.parametrize("seed", range(3))
def test_finds_careful_random_contrary_and_one_sided_annotators_again(seed):
    truth, *labels = simulated(seed)
    fit = fit_annotators(*labels, items=ITEMS, annotators=PEOPLE)
    assert fit.reliability.numpy() == pytest.approx(RATES.mean(axis=1), abs=0.1)
    assert fit.position_bias.numpy() == pytest.approx(RATES[:, 0] - RATES[:, 1], abs=0.2)
    plain = fit_annotators(*labels, items=ITEMS, annotators=PEOPLE, equal_trust=True)

    def off(one):
        return ((one.scores().numpy() - truth) ** 2).mean() ** 0.5

    assert off(fit) < 0.5 * off(plain)


def test_nineteen_intervals_of_twenty_hold_the_truth():
    inside, widths = [], []
    alike = np.repeat(RATES.mean(axis=1)[:, None], 2, axis=1)
    tied = []
    for seed in range(12):
        _, *labels = simulated(100 + seed, labels=1_400)
        fit = fit_annotators(*labels, items=ITEMS, annotators=PEOPLE)
        for found, error, truth in ((fit.reliability, fit.reliability_error, RATES.mean(axis=1)),
                                    (fit.position_bias, fit.bias_error, RATES[:, 0] - RATES[:, 1])):
            inside += (abs(found.numpy() - truth) < 1.96 * error.numpy()).tolist()
            widths.append(error.mean().item())
        _, *labels = simulated(200 + seed, labels=1_400, rates=alike)
        fit = fit_annotators(*labels, items=ITEMS, annotators=PEOPLE, position_bias=False)
        tied += (abs(fit.reliability.numpy() - alike[:, 0]) < 1.96 * fit.reliability_error.numpy()).tolist()
    assert 0.88 <= np.mean(inside) <= 0.99 and 0.86 <= np.mean(tied) <= 1, (np.mean(inside), np.mean(tied))
    _, *few = simulated(1, labels=140)
    assert fit_annotators(*few, items=ITEMS, annotators=PEOPLE).reliability_error.mean() > 1.5 * np.mean(widths[::2])


def test_somebody_who_said_nothing_is_expected_to_try_and_nothing_is_known():
    _, *labels = simulated(0)
    fit = fit_annotators(*labels, items=ITEMS, annotators=PEOPLE + 1)
    assert fit.reliability[-1].item() == pytest.approx(0.8808, abs=1e-3)
    assert fit.reliability_error[-1] > 2 * fit.reliability_error[:-1].max()


def test_the_consensus_listens_to_the_careful_and_turns_the_contrary_round():
    _, *labels = simulated(2)
    fit = fit_annotators(*labels, items=ITEMS, annotators=PEOPLE)
    say = torch.tensor

    def of(said, who):
        return consensus(fit, say(said), say(who))

    assert of([1.0], [0]) > 1 and of([0.0], [0]) < -1
    assert abs(of([1.0], [3])) < 0.3, "random answers say nothing"
    assert of([1.0], [4]) < -1, "left, by somebody who answers upside down, speaks for the right"
    assert of([1.0], [5]) < 0.5 < 1 < of([1.0], [0]), "left, by somebody who always says left, says nothing"
    assert of([1.0, 0.0, 0.0], [0, 3, 3]) > 0, "one careful annotator against two who guess"
    assert abs(of([0.5], [1])) < 0.5


ONE = torch.tensor([0])


@pytest.mark.parametrize(("change", "says"), [
    ({"left": torch.tensor([3])}, "0..2 for items"), ({"right": torch.tensor([-1])}, "0..2 for items"),
    ({"annotator": torch.tensor([2])}, "0..1 for annotators"), ({"said_left": torch.tensor([1.5])}, "1 for left"),
    ({"said_left": torch.tensor([float("nan")])}, "1 for left"),
    ({"said_left": torch.tensor([1.0, 0.0])}, "one shape"),
    ({name: torch.zeros(0, dtype=torch.long) for name in ("left", "right", "said_left", "annotator")}, "at least one"),
    ({"features": torch.ones(2, 2)}, "shape \\(3, D\\)"), ({"features": torch.full((3, 1), float("nan"))}, "finite"),
])
def test_what_cannot_be_meant_is_refused(change, says):
    given = {"left": ONE, "right": torch.tensor([1]), "said_left": torch.tensor([1.0]), "annotator": ONE, **change}
    with pytest.raises(ValueError, match=says):
        fit_annotators(**given, items=3, annotators=2)
