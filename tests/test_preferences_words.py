"""The word reward: how it reads, what it weighs, that it finds scikit-learn's optimum; the learning curve."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from course_lib.preferences import evaluation as curve
from course_lib.preferences.bradley_terry import bradley_terry_loss
from course_lib.preferences.human_ratings import Comparisons, rated_texts, sample_comparisons
from course_lib.preferences.word_reward import WordReward, fit_word_reward, validation_loss, words


@pytest.mark.parametrize(("text", "expected"), [
    ("A good film.", "a good film"),
    ("Not a GOOD film at all", "not not_a not_good not_film at all"),
    ("It isn't bad", "it isn't not_bad"),
    ("It isn’t bad", "it isn't not_bad"),
    ("never ever, no joke", "never not_ever not_no not_joke"),
    ("not one, not two three four five", "not not_one not_not not_two not_three not_four five"),
    ("I can't, won't", "i can't not_won't"),
    ("''Awful,'' he said, 'quite awful'", "awful he said quite awful"),
    ("rock 'n' roll's", "rock n roll's"),
    ("Great!!! Why?!", "great !!! why ?!"),
    ("nice :) :-( ;D =p :'( ok :/", "nice :) :-( ;d =p :'( ok :/"),
    ("see http://t.co/abc and c:drive", "see http t co abc and c drive"),
    ("5 stars, 100%", "stars"),
    ("", ""),
])
def test_how_a_text_is_read(text, expected):
    assert words(text) == expected.split()


def test_an_address_is_no_frown():
    model = WordReward([":/", "look"])
    with torch.no_grad():
        model.scores.weight[0] = -5.0
    assert model.rewards(["look http://t.co/x", "look", "look :/"]).tolist() == pytest.approx([0, 0, -5 / 2 ** 0.5])


def test_a_word_counts_once_and_the_sum_is_divided_by_the_root_of_their_number():
    model = WordReward(["good", "bad", "film", "not_good"])
    with torch.no_grad():
        model.scores.weight[:, 0] = torch.tensor([2.0, -3.0, 0.5, -1.5])
    got = model.rewards(["good", "good good good", "good film", "a not good film", "bad unknown", "nothing known", ""])
    assert got.tolist() == pytest.approx([2, 2, 2.5 / 2 ** 0.5, -1.5, -3, 0, 0])
    ids, offsets, weights = model.encode(["good film", "", "bad", "good good"])
    assert ids.tolist() == [0, 2, 1, 0] and offsets.tolist() == [0, 2, 2, 3]
    assert weights.tolist() == pytest.approx([2 ** -0.5, 2 ** -0.5, 1, 1])


def test_the_vocabulary_holds_words_of_at_least_three_texts():
    texts = ["good good good", "a good film", "a film", "a bad film", "not good"]
    assert list(WordReward.for_texts(texts).index) == ["a", "film"]
    assert list(WordReward.for_texts(texts, min_texts=2).index) == ["a", "film", "good"]
    assert (WordReward.for_texts(texts).rewards(texts) == 0).all(), "nothing is known before the first comparison"


def test_strongest_names_both_ends_in_order():
    model = WordReward("abcde")
    with torch.no_grad():
        model.scores.weight[:, 0] = torch.tensor([0.5, -2.0, 3.0, 0.0, 1.0])
    assert model.strongest(2) == ([("c", 3.0), ("e", 1.0)], [("b", -2.0), ("d", 0.0)])


@pytest.fixture(scope="module")
def some():
    """300 rated texts, 500 comparisons on them."""
    texts = rated_texts("train")[::55][:300]
    return [text.text for text in texts], sample_comparisons(texts, 500, seed=4)


def difference_matrix(vocabulary, texts, comparisons):
    """(pairs, words) features of the first text less those of the second, by their definition."""
    index = {word: i for i, word in enumerate(vocabulary)}
    rows = np.zeros((len(texts), len(index)))
    for row, text in zip(rows, texts, strict=True):
        known = {index[word] for word in words(text) if word in index}
        row[list(known)] = 1 / max(1, len(known)) ** 0.5
    return rows[comparisons.first] - rows[comparisons.second]


@pytest.mark.parametrize("l2", [0.1, 1.0, 3.0])
def test_equals_the_logistic_regression_of_scikit_learn(some, l2):
    texts, comparisons = some
    model = WordReward.for_texts(texts)
    loss = fit_word_reward(model, texts, comparisons, l2)
    x, y = difference_matrix(model.index, texts, comparisons), comparisons.mu.numpy()
    sklearn = LogisticRegression(C=1 / l2, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(x, y)
    exact = sklearn.coef_[0]
    apart = np.abs(model.scores.weight.detach().squeeze(1).numpy() - exact).max()
    assert apart < 1e-3 * max(1, np.abs(exact).max())
    p = sklearn.predict_proba(x)[:, 1]
    assert loss == pytest.approx(-np.log(np.where(y == 1, p, 1 - p)).mean(), abs=1e-4)


def test_the_start_does_not_matter(some):
    texts, comparisons = some
    scores = []
    for seed in range(3):
        model = WordReward.for_texts(texts)
        torch.nn.init.normal_(model.scores.weight, std=2.0, generator=torch.Generator().manual_seed(seed))
        fit_word_reward(model, texts, comparisons)
        scores.append(model.scores.weight.detach())
    assert all(torch.allclose(scores[0], other, atol=5e-3) for other in scores[1:])


def test_a_stronger_pull_makes_scores_smaller_and_untold_words_stay_at_zero(some):
    texts, comparisons = some
    sizes = []
    for l2 in (0.1, 1.0, 10.0):
        model = WordReward([*WordReward.for_texts(texts).index, "unheard"])
        fit_word_reward(model, texts, comparisons, l2)
        sizes.append(model.scores.weight.abs().mean().item())
        assert model.scores.weight[-1].item() == 0.0
    assert sizes[0] > 2 * sizes[1] > 4 * sizes[2]


def test_ties_pull_together_and_the_loss_is_the_one_that_is_given(some):
    texts, comparisons = some
    ties = replace(comparisons, mu=torch.full((500,), 0.5))
    model = WordReward.for_texts(texts)
    assert fit_word_reward(model, texts, ties) == pytest.approx(np.log(2), abs=1e-6)
    assert model.scores.weight.abs().max() < 1e-3
    calls = []

    def counted(r1, r2, mu):
        calls.append(r1.shape)
        return bradley_terry_loss(r1, r2, mu, 0.2)

    careful, plain = WordReward.for_texts(texts), WordReward.for_texts(texts)
    with_slips = fit_word_reward(careful, texts, comparisons, loss=counted)
    assert with_slips > fit_word_reward(plain, texts, comparisons) and set(calls) == {(500,)}


def test_what_cannot_be_learned_from_is_refused(some):
    texts, comparisons = some
    model = WordReward.for_texts(texts)
    with pytest.raises(ValueError, match="not a finite number"):
        fit_word_reward(model, texts, comparisons, loss=lambda r1, r2, mu: (r1 - r2).mean() * float("nan"))
    with pytest.raises(ValueError, match="no comparisons"):
        fit_word_reward(model, texts, Comparisons(*(column[:0] for column in vars(comparisons).values())))
    with pytest.raises(TypeError, match="in brackets"):
        model.rewards("A good film.")


def test_a_loss_that_breaks_on_the_way_is_noticed(some):
    texts, comparisons = some
    calls = Counter()

    def breaks(r1, r2, mu):
        calls["of the loss"] += 1
        return bradley_terry_loss(r1, r2, mu) / (1.0 if calls["of the loss"] < 3 else 0.0)

    with pytest.raises(ValueError, match="not a finite number"):
        fit_word_reward(WordReward.for_texts(texts), texts, comparisons, loss=breaks)


# ----------------------------------------------------------------------------------------------- the learning curve

def test_settings_are_chosen_on_validation_and_the_test_only_reports(monkeypatch):
    honest = curve.fit_on_human_ratings(150, seed=0, domain="products")
    texts, comparisons = curve.evaluation_comparisons("validation", "products")
    train = [text.text for text in rated_texts("train", "products")]
    losses = {}
    for l2 in curve.L2_CHOICES:
        model = WordReward.for_texts(train)
        fit_word_reward(model, train, sample_comparisons(rated_texts("train", "products"), 150, seed=1_000), l2)
        losses[l2] = validation_loss(model, [text.text for text in texts], comparisons)
    assert honest.l2 == min(losses, key=losses.get)
    assert honest.validation_loss == pytest.approx(min(losses.values()), abs=1e-4)

    original = curve.evaluation_comparisons

    def turned_round(part, domain=None):
        texts, found = original(part, domain)
        if part == "test":
            found = replace(found, mu=1 - found.mu)
        return texts, found

    monkeypatch.setattr(curve, "evaluation_comparisons", turned_round)
    fooled = curve.fit_on_human_ratings(150, seed=0, domain="products")
    assert fooled.l2 == honest.l2 and torch.equal(fooled.model.scores.weight, honest.model.scores.weight)
    assert fooled.test_accuracy == pytest.approx(1 - honest.test_accuracy, abs=1e-6)


def test_validation_loss_is_the_mean_nll(some):
    texts, comparisons = some
    model = WordReward.for_texts(texts)
    assert validation_loss(model, texts, comparisons) == pytest.approx(np.log(2))
    torch.nn.init.normal_(model.scores.weight, generator=torch.Generator().manual_seed(1))
    gap = difference_matrix(model.index, texts, comparisons) @ model.scores.weight.detach().double().squeeze(1).numpy()
    expected = np.where(comparisons.mu == 1, np.logaddexp(0, -gap), np.logaddexp(0, gap)).mean()
    assert validation_loss(model, texts, comparisons) == pytest.approx(expected, abs=1e-5)


def test_the_curve_goes_through_sizes_and_seeds_as_it_is_read():
    fits = curve.learning_curve((20, 40), 2, "products")
    first = next(fits)
    assert (first.labels, first.seed) == (20, 0)
    rest = list(fits)
    assert [(fit.labels, fit.seed) for fit in rest] == [(20, 1), (40, 0), (40, 1)]
    assert not torch.equal(first.model.scores.weight, rest[0].model.scores.weight), "other seed, other labels"
    again = curve.fit_on_human_ratings(20, 0, "products")
    assert torch.equal(again.model.scores.weight, first.model.scores.weight)


def test_3000_labels_get_two_thirds_right():
    assert 0.66 < curve.fit_on_human_ratings(3_000, seed=0).test_accuracy < 0.70


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_10000_labels_reach_70_percent(seed):
    fit = curve.fit_on_human_ratings(10_000, seed)
    assert fit.test_accuracy >= 0.70
    assert len(fit.model.index) > 9_000 and fit.labels == 10_000


def test_what_the_lesson_says_about_editorials():
    editorials = rated_texts("train", "editorials")
    assert 3_550 < len(editorials) < 3_650
    assert 11_500 < len({word for text in editorials for word in words(text.text)}) < 12_500
