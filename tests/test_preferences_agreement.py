"""How good a score is and how good any could be, against slow counting in fractions; VADER against nltk's scorer."""

import shutil
from fractions import Fraction

import numpy as np
import pytest
import torch

from course_lib import assets
from course_lib.preferences import word_reward
from course_lib.preferences.evaluation import human_ceiling, leave_one_out_agreement, mean_of_the_others, pair_accuracy
from course_lib.preferences.human_ratings import Comparisons, evaluation_comparisons
from course_lib.preferences.word_reward import vader_scores


def comparisons(rows):
    """Rows of (first, second, mu)."""
    first, second, mu = zip(*rows, strict=True)
    zeros = torch.zeros(len(rows), dtype=torch.long)
    return Comparisons(torch.tensor(first), torch.tensor(second), torch.tensor(mu), zeros, zeros)


def slow_ceiling(texts, comparisons, pairs):
    """Share of the first `pairs` comparisons that the exact means of the others predict, by numpy and fractions."""
    points = Fraction(0)
    for k in range(pairs):
        sides = []
        for side, raters in ((comparisons.first, comparisons.first_rater),
                             (comparisons.second, comparisons.second_rater)):
            ratings, rater = np.array(texts[side[k]].ratings), raters[k]
            others = np.delete(ratings, rater)
            sides.append((Fraction(int(others.sum()), len(others)), ratings[rater]))
        (mean1, drawn1), (mean2, drawn2) = sides
        points += Fraction(1, 2) if mean1 == mean2 else int((mean1 > mean2) == (drawn1 > drawn2))
    return points / pairs


@pytest.mark.parametrize("domain", [None, "tweets", "editorials"])
def test_the_ceiling_equals_slow_counting(domain):
    texts, comparisons = evaluation_comparisons("test", domain)
    pairs = 1_500
    some = Comparisons(*(column[:pairs] for column in vars(comparisons).values()))
    assert human_ceiling(texts, some) == pytest.approx(float(slow_ceiling(texts, comparisons, pairs)), abs=1e-12)


def test_the_ceiling_that_every_lesson_quotes():
    assert human_ceiling(*evaluation_comparisons("test")) == pytest.approx(0.903, abs=0.0005)


def test_the_drawn_raters_are_left_out():
    assert mean_of_the_others([4, 0, 1], 0) == 0.5
    assert leave_one_out_agreement([[4, 0, 0]], [0], [[1, 1, 1]], [0]) == 0.0
    assert leave_one_out_agreement([[1, 2, 2], [3, 1]], [0, 0], [[0, 2], [2, 1]], [0, 0]) == 0.5, "two undecided pairs"
    assert leave_one_out_agreement([[2, 2], [0, 3]], [0, 1], [[1, 1], [1, 1]], [0, 0]) == 0.5, "one right, one wrong"


def test_pair_accuracy_counts_and_gives_half_for_equal_scores():
    scores = torch.tensor([3.0, 1.0, 1.0, -2.0])
    rows = [(0, 1, 1.0), (1, 0, 0.0), (3, 0, 1.0), (1, 2, 1.0), (2, 1, 0.0)]         # right, right, wrong, half, half
    assert pair_accuracy(scores, comparisons(rows)) == pytest.approx(3 / 5)
    assert pair_accuracy(-scores, comparisons(rows)) == pytest.approx(2 / 5)
    assert pair_accuracy(10 * scores + 100, comparisons(rows)) == pytest.approx(3 / 5), "only the order counts"


def test_pair_accuracy_of_constant_and_of_perfect_scores():
    texts, comparisons = evaluation_comparisons("test")
    assert pair_accuracy(torch.zeros(len(texts)), comparisons) == 0.5
    means = torch.tensor([text.mean for text in texts])
    accuracy = pair_accuracy(means, comparisons)
    assert 0.90 < accuracy < 0.95, "with the drawn raters in the means it looks better than it is"
    assert pair_accuracy(means, comparisons) > human_ceiling(texts, comparisons)


NOTHING = Comparisons(*(torch.zeros(0, dtype=torch.long) for _ in range(5)))


@pytest.mark.parametrize(("call", "says"), [
    (lambda: pair_accuracy(torch.tensor([0.0, float("nan")]), comparisons([(0, 1, 1.0)])), "finite"),
    (lambda: pair_accuracy(torch.tensor([0.0, float("inf")]), comparisons([(0, 1, 1.0)])), "finite"),
    (lambda: pair_accuracy(torch.zeros(2), NOTHING), "no comparisons"),
    (lambda: human_ceiling([], NOTHING), "no comparisons"),
    (lambda: leave_one_out_agreement([[1]], [0], [[1, 2]], [0]), "single rating"),
    (lambda: leave_one_out_agreement([[1, 2], [1, 2]], [0], [[1, 2]], [0]), "argument"),
])
def test_what_cannot_be_counted_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


# ------------------------------------------------------------------------------------------------------------- VADER

PUBLISHED = {"VADER is smart, handsome, and funny.": 0.8316, "VADER is smart, handsome, and funny!": 0.8439,
             "VADER is very smart, handsome, and funny.": 0.8545, "VADER is VERY SMART, handsome, and FUNNY.": 0.9227,
             "The book was good.": 0.4404, "The book was kind of good.": 0.3832, "": 0.0}


def test_the_scores_that_the_authors_publish():
    assert vader_scores(PUBLISHED) == pytest.approx(list(PUBLISHED.values()), abs=1e-4)


def test_equals_the_scorer_of_nltk_given_the_dictionary_by_hand():
    from nltk.sentiment.vader import SentimentIntensityAnalyzer, VaderConstants

    scorer = SentimentIntensityAnalyzer.__new__(SentimentIntensityAnalyzer)         # without its own file loading
    scorer.lexicon_file = (assets.path("vader-lexicon") / "vader_lexicon.txt").read_text(encoding="utf-8")
    scorer.lexicon, scorer.constants = scorer.make_lex_dict(), VaderConstants()
    texts = [text.text for text in evaluation_comparisons("test")[0][::8]]
    got = vader_scores(texts)
    assert got.dtype == torch.float32 and got.shape == (len(texts),)
    assert got.numpy() == pytest.approx([scorer.polarity_scores(text)["compound"] for text in texts], abs=1e-6)


def test_the_dictionary_that_every_lesson_quotes():
    texts, comparisons = evaluation_comparisons("test")
    assert pair_accuracy(vader_scores([text.text for text in texts]), comparisons) == pytest.approx(0.7039, abs=0.0005)


def test_words_that_the_lesson_calls_missing_from_the_dictionary():
    assert vader_scores(["documentary", "performances"]).tolist() == [0.0, 0.0]
    assert (vader_scores(["great", "hate"]).sign() == torch.tensor([1, -1])).all()


def test_a_cache_folder_with_a_space_and_an_umlaut(tmp_path, monkeypatch):
    cache = tmp_path / "my cäche"
    shutil.copytree(assets.path("vader-lexicon"), cache / "vader-lexicon")
    monkeypatch.setenv("COURSE_CACHE", str(cache))
    word_reward._analyzer.cache_clear()
    try:
        assert vader_scores(["a good film"]).item() == pytest.approx(0.4404, abs=1e-4)
    finally:
        word_reward._analyzer.cache_clear()


def test_one_text_in_place_of_a_list_is_refused():
    with pytest.raises(TypeError, match="in brackets"):
        vader_scores("A good film.")
    assert vader_scores([]).shape == (0,)
