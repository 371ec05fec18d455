"""What the answers to lesson 13's exercises must do."""

import math

import torch
from torch import Tensor

from course_lib.exercises import Fail, agrees, close, exercise, likely_values, shape_is
from course_lib.exercises.draws import Draw

NAN = float("nan")


def _two(got, right: tuple, parts: str) -> Tensor:
    """What came back as two numbers, (2,); `parts` says what they are. Raises Fail for anything else."""
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Fail("", str(right), repr(got)[:80], f"Return two things: {parts}.")
    return torch.tensor([float(part) for part in got])


# ---------------------------------------------------------------------------------------------------------------- 13.1

pairing = exercise(
    "13.1", title="From ratings to preferences", function="preferences", points=2, kind="implement",
    difficulty=1, importance=3, minutes=15, reference="checks:preferences",
    hints=("Work through one annotator at a time: which pairs of summaries did this person rate differently?",
           "Three loops: annotators, i, and j behind i. A comparison with nan is always False.",
           "Collect rows [annotator, better, worse] in a list. torch.tensor(rows, dtype=torch.long) needs a reshape when it is empty."))


def _pairs(ratings: Tensor) -> list[tuple[int, int, int]]:
    """(annotator, i, j), i < j, of all pairs that an annotator rated, equal or not."""
    columns = range(ratings.shape[1])
    return [(k, i, j) for k in range(len(ratings)) for i in columns for j in columns
            if i < j and not (ratings[k, i] - ratings[k, j]).isnan()]


def _rows(rows: list[list[int]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.long).reshape(-1, 3)


def preferences(ratings: Tensor) -> Tensor:
    """(P, 3): [annotator, better, worse]. ratings: (annotators, summaries), nan where there is none."""
    return _rows([[k, i, j] if ratings[k, i] > ratings[k, j] else [k, j, i]
                  for k, i, j in _pairs(ratings) if ratings[k, i] != ratings[k, j]])


def _with_ties(ratings: Tensor) -> Tensor:
    return _rows([[k, i, j] if ratings[k, i] >= ratings[k, j] else [k, j, i] for k, i, j in _pairs(ratings)])


def _both_ways(ratings: Tensor) -> Tensor:
    return _rows([[k, a, b] for k, i, j in _pairs(ratings) if ratings[k, i] != ratings[k, j] for a, b in ((i, j), (j, i))])


def _better_first(ratings: Tensor) -> Tensor:
    return _rows(sorted(preferences(ratings).tolist()))


def _zeros_for_nan(ratings: Tensor) -> Tensor:
    return preferences(ratings.nan_to_num(0.0))


PAIRS = [
    (lambda ratings: preferences(ratings)[:, [0, 2, 1]], "Better and worse have changed places: a higher rating is better."),
    (_with_ties, "Equal ratings are no preference: leave them out."),
    (_both_ways, "Each pair comes twice: once is enough, the better one first."),
    (_zeros_for_nan, "nan means that there is no rating; it is not a rating of 0."),
    (lambda ratings: preferences(ratings.nanmean(dim=0, keepdim=True)), "These are preferences of the mean rating. Each annotator's own preferences "
     "are wanted, with the annotator's number in front."),
    (_better_first, "The right preferences in another order: go through the pairs (0, 1), (0, 2), ..., (1, 2) of each annotator, whichever of the "
     "two is the better one."),
    (lambda ratings: preferences(ratings)[:, [1, 2, 0]], "The annotator comes first in each row, then better, then worse."),
]


def _draw_ratings(rng: Draw, gaps: bool = True):
    annotators, summaries = 1 + rng.length(), 1 + rng.length(1, 4)
    ratings = rng.wholes(0, 4, annotators, summaries).float()
    if gaps:
        ratings = ratings.masked_fill(rng.flags(annotators, summaries, p=0.2), NAN)
    return (ratings,)


@pairing.case("two annotators, three summaries, by hand")
def _(fn):
    ratings = torch.tensor([[1.0, 3.0, 3.0], [4.0, 0.0, 2.0]])
    got = fn(ratings)
    shape_is(got, (None, 3))
    right = torch.tensor([[0, 1, 0], [0, 2, 0], [1, 0, 1], [1, 0, 2], [1, 2, 1]])
    close(got, right, likely=likely_values(PAIRS, ratings, right=right))


@pairing.case("one annotator who rates the last one best: pairs in their order")
def _(fn):
    ratings, right = torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([[0, 1, 0], [0, 0, 2], [0, 1, 2]])
    close(fn(ratings), right, likely=likely_values(PAIRS, ratings, right=right))


@pairing.case("ratings that are missing")
def _(fn):
    ratings = torch.tensor([[NAN, 3.0, 1.0], [2.0, NAN, NAN], [0.0, 0.0, NAN]])
    close(fn(ratings), torch.tensor([[0, 1, 2]]), likely=likely_values(PAIRS, ratings, right=torch.tensor([[0, 1, 2]])))


@pairing.case("no preference at all")
def _(fn):
    got = fn(torch.tensor([[2.0, 2.0], [NAN, 1.0]]))
    shape_is(got, (0, 3), mistake="Without a preference the shape is (0, 3): use reshape(-1, 3).")


@pairing.case("any number of annotators and summaries")
def _(fn):
    agrees(fn, preferences, _draw_ratings, likely=PAIRS)


# ---------------------------------------------------------------------------------------------------------------- 13.2

agreeing = exercise(
    "13.2", title="The others", function="agreement", points=2, kind="implement",
    difficulty=2, importance=3, minutes=15, reference="checks:agreement",
    hints=("For each annotator, first make the matrix of the others: all rows but this one.",
           "nanmean(dim=0) of it gives the others' mean of each summary, and nan where nobody else rated it.",
           "Compare the sign of own[i] - own[j] with the sign of means[i] - means[j]. Zero in the first: no preference. Zero in the "
           "second: one half. nan in either: leave it out."))


def _count(ratings: Tensor, means_without, half: float = 0.5, ties: bool = False, unknown: bool = False) -> tuple[float, int]:
    agreed, total = 0.0, 0
    for k, i, j in _pairs(ratings):
        means = means_without(ratings, k)
        preferred, gap = float(ratings[k, i] - ratings[k, j]), float(means[i] - means[j])
        if (preferred == 0 and not ties) or (math.isnan(gap) and not unknown):
            continue
        total += 1
        if not math.isnan(gap):
            agreed += half if gap == 0 else float((gap > 0) == (preferred > 0))
    return agreed, total


def _others(ratings: Tensor, k: int) -> Tensor:
    return torch.cat([ratings[:k], ratings[k + 1:]]).nanmean(dim=0)


def agreement(ratings: Tensor) -> tuple[float, int]:
    """(agreed, preferences). ratings: (annotators, summaries), nan where there is none."""
    return _count(ratings, _others)


def _who_rated_both(ratings: Tensor) -> tuple[float, int]:
    """Agreement with the others who rated both summaries of a pair."""
    agreed, total = 0.0, 0
    for k, i, j in _pairs(ratings):
        others = torch.cat([ratings[:k], ratings[k + 1:]])
        gap = (others[:, i] - others[:, j]).nanmean().item()                    # nan where one of the two is missing
        if ratings[k, i] != ratings[k, j] and gap == gap:
            agreed += 0.5 if gap == 0 else float((gap > 0) == bool(ratings[k, i] > ratings[k, j]))
            total += 1
    return agreed, total


AGREEMENTS = [
    (lambda ratings: _count(ratings, lambda all_of_them, k: all_of_them.nanmean(dim=0)),
     "The mean holds this annotator's own rating: leave that row out."),
    (lambda ratings: _count(ratings, _others, half=0.0), "Where the others' means are equal, count one half."),
    (lambda ratings: _count(ratings, _others, half=1.0), "Where the others' means are equal, count one half, not one."),
    (lambda ratings: _count(ratings, _others, ties=True), "Equal ratings by the annotator are no preference: leave them out."),
    (lambda ratings: _count(ratings, _others, unknown=True),
     "Where nobody else rated one of the two, there is nothing to compare with: leave the preference out of both numbers."),
    (lambda ratings: _count(ratings, lambda all_of_them, k: _others(all_of_them.nan_to_num(0.0), k)),
     "nan means that there is no rating; it is not a rating of 0."),
    (_who_rated_both, "Only people who rated *both* summaries were asked. The mean of each summary is over all others "
     "who rated it."),
    (lambda ratings: (_count(ratings, _others)[0] / max(1, _count(ratings, _others)[1]), _count(ratings, _others)[1]),
     "The first number is how many were predicted, not their share: shares of different articles cannot be added up."),
]


def _agreed(fn, ratings: Tensor) -> None:
    right = agreement(ratings)
    got = _two(fn(ratings.clone()), right, "how many were predicted, and of how many")
    close(got, torch.tensor([float(part) for part in right]), likely=likely_values(AGREEMENTS, ratings, right=right))


@agreeing.case("four annotators, two summaries: one against the rest")
def _(fn):
    _agreed(fn, torch.tensor([[3.0, 1.0], [2.0, 1.0], [0.0, 4.0], [3.0, 3.0]]))


@agreeing.case("missing ratings; a summary that only one person rated; equal means")
def _(fn):
    for ratings in (torch.tensor([[3.0, 1.0, 2.0], [2.0, NAN, 4.0], [NAN, NAN, 1.0]]),
                    torch.tensor([[3.0, 1.0, NAN], [2.0, 4.0, 1.0], [2.0, 0.0, 3.0], [1.0, 1.0, 2.0]])):
        _agreed(fn, ratings)


@agreeing.case("any number of annotators and summaries")
def _(fn):
    agrees(fn, agreement, lambda rng: _draw_ratings(rng), names=("agreed", "preferences"), likely=AGREEMENTS)


# ---------------------------------------------------------------------------------------------------------------- 13.3

matched = exercise(
    "13.3", title="Accuracy where length cannot help", function="length_matched_accuracy", points=2, kind="implement",
    difficulty=2, importance=3, minutes=15, reference="checks:length_matched_accuracy",
    hints=("First make a mask of the pairs whose lengths are similar; then forget the others.",
           "torch.maximum gives the longer one of each pair; compare the absolute difference with tolerance times that.",
           "A pair is right when the sign of the rewards' difference says what mu says, and half right when that difference is 0."))


def _accuracy(similar: Tensor, gap: Tensor, mu: Tensor, half: float = 0.5) -> tuple[float, int]:
    right = torch.where(gap == 0, half, ((gap > 0) == (mu > 0.5)).double())[similar]
    return right.mean().item(), int(similar.sum())


def length_matched_accuracy(first_rewards: Tensor, second_rewards: Tensor, first_lengths: Tensor, second_lengths: Tensor,
                            mu: Tensor, tolerance: float) -> tuple[float, int]:
    """(accuracy, pairs) among pairs whose lengths differ by at most tolerance x the longer one. All (pairs,)."""
    similar = (first_lengths - second_lengths).abs() <= tolerance * torch.maximum(first_lengths, second_lengths)
    return _accuracy(similar, first_rewards - second_rewards, mu)


def _similar(limit):
    """The exercise with another idea of what is similar; limit: (difference, shorter, longer, tolerance) -> (pairs,) bool."""
    def slip(first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance):
        pair = torch.stack([first_lengths, second_lengths])
        keep = limit((first_lengths - second_lengths).abs(), pair.amin(0), pair.amax(0), tolerance)
        return _accuracy(keep, first_rewards - second_rewards, mu)
    return slip


def _halves(half):
    def slip(first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance):
        keep = (first_lengths - second_lengths).abs() <= tolerance * torch.maximum(first_lengths, second_lengths)
        return _accuracy(keep, first_rewards - second_rewards, mu, half)
    return slip


def _of_the_first(first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance):
    keep = (first_lengths - second_lengths).abs() <= tolerance * first_lengths
    return _accuracy(keep, first_rewards - second_rewards, mu)


MATCHES = [
    (_similar(lambda gap, shorter, longer, tolerance: gap >= 0), "All pairs are counted: only those of similar length belong here."),
    (_similar(lambda gap, shorter, longer, tolerance: gap <= tolerance * shorter), "The tolerance is a share of the longer one."),
    (_of_the_first, "The tolerance is a share of the *longer* length, not of the first one."),
    (_similar(lambda gap, shorter, longer, tolerance: gap < tolerance * longer),
     "A difference of exactly tolerance times the longer one is still similar: <= and not <."),
    (_similar(lambda gap, shorter, longer, tolerance: gap <= tolerance), "The tolerance is a share of the length, not a number of words."),
    (_similar(lambda gap, shorter, longer, tolerance: gap > tolerance * longer), "These are the pairs of different length: the mask is "
     "turned round."),
    (_halves(0.0), "Equal rewards are half right."), (_halves(1.0), "Equal rewards are half right, not right."),
]


def _draw_matched(rng: Draw):
    pairs = 2 + rng.length()
    second = rng.wholes(2, 12, pairs).float()
    first = (second + rng.wholes(-4, 4, pairs)).clamp(min=1.0)
    first[0] = second[0]                                    # one similar pair at least
    rewards = rng.wholes(-2, 2, pairs).float(), rng.wholes(-2, 2, pairs).float()
    return *rewards, first, second, rng.among((0.0, 1.0), pairs), rng.one_of((0.0, 0.25, 0.5, 0.75))


@matched.case("seven pairs by hand; one lies exactly on the border, one has equal rewards")
def _(fn):
    first, second = torch.tensor([2.0, 1.0, 0.0, 3.0, 1.0, 5.0, 2.0]), torch.tensor([1.0, 2.0, 1.0, 1.0, 1.0, 2.0, 4.0])
    lengths = (torch.tensor([8.0, 10.0, 6.0, 21.0, 9.0, 30.0, 17.0]), torch.tensor([10.0, 9.0, 12.0, 17.0, 9.0, 12.0, 21.0]))
    given = first, second, *lengths, torch.tensor([0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0]), 0.2
    right = length_matched_accuracy(*given)
    close(_two(fn(*given), right, "the accuracy and the number of pairs"), torch.tensor([float(part) for part in right]),
          likely=likely_values(MATCHES, *given, right=right))


@matched.case("no pair of similar length")
def _(fn):
    given = (torch.tensor([2.0]), torch.tensor([1.0]), torch.tensor([4.0]), torch.tensor([9.0]), torch.tensor([1.0]), 0.1)
    got = fn(*given)
    if not (isinstance(got, tuple | list) and len(got) == 2 and got[0] != got[0] and got[1] == 0):
        raise Fail("", "(nan, 0)", repr(got)[:80], "There is nothing to be right about: nan, of 0 pairs.")


@matched.case("any pairs, any tolerance")
def _(fn):
    agrees(fn, length_matched_accuracy, _draw_matched, names=("accuracy", "pairs"), likely=MATCHES)


# ---------------------------------------------------------------------------------------------------------------- 13.4

copying = exercise(
    "13.4", title="How much is copied?", function="copy_rate", points=1, kind="implement",
    difficulty=2, importance=2, minutes=10, reference="checks:copy_rate",
    hints=("How many runs of n words does a text of m words have? Try m = n first.",
           "A run is a slice of the list, from k to k + n. Lists cannot be members of a set; tuples can.",
           "Put the article's runs into a set, go through the summary's runs, and divide by their number. Treat an empty summary first."))


def _copied(article: list[str], summary: list[str], n: int, per=None, distinct: bool = False) -> float:
    known = {tuple(article[k:k + n]) for k in range(len(article) - n + 1)}
    runs = [tuple(summary[k:k + n]) for k in range(len(summary) - n + 1)]
    runs = sorted(set(runs)) if distinct else runs
    total = len(runs) if per is None else per(article, summary, n)
    return sum(run in known for run in runs) / total if total else 0.0


def copy_rate(article: list[str], summary: list[str], n: int) -> float:
    """Share of the summary's runs of n words that the article holds; fewer than n words are one run; 0 for none."""
    return _copied(article, summary, min(n, len(summary))) if summary else 0.0


def _in_the_text(article: list[str], summary: list[str], n: int) -> float:
    """Runs looked up in the joined text, where a word may begin or end within another."""
    size = min(n, len(summary))
    runs = [" ".join(summary[k:k + size]) for k in range(len(summary) - size + 1)] if summary else []
    return sum(run in " ".join(article) for run in runs) / len(runs) if runs else 0.0


COPIES = [
    (lambda article, summary, n: 1 - copy_rate(article, summary, n), "This is the share of new runs; wanted is that of copied ones."),
    (lambda article, summary, n: copy_rate(article, summary, 1), "These are single words: compare runs of n words."),
    (lambda article, summary, n: copy_rate(summary, article, n), "The article and the summary have changed places."),
    (lambda article, summary, n: _copied(article, summary, n, per=lambda a, s, m: len(s)),
     "Divide by the number of runs, which is not the number of words."),
    (lambda article, summary, n: _copied(article, summary, min(n, max(1, len(summary))), distinct=True),
     "Runs that come twice count twice: use a list, not a set, for the summary."),
    (lambda article, summary, n: _copied(article, summary, n), "A summary with fewer than n words is one run of its own length."),
    (_in_the_text, "The words were joined into one text, and “other cat” holds “her cat”: compare whole words."),
    (lambda article, summary, n: _copied(article[:-1], summary, min(n, max(1, len(summary)))), "The article's last run is missing: range(len - n + 1)."),
]


def _draw_words(rng: Draw):
    letters = ("a", "b", "c")
    article = [rng.one_of(letters) for _ in range(3 + rng.length())]
    start, count = rng.whole(0, len(article) - 1), rng.length()
    summary = article[start:start + count] + [rng.one_of((*letters, "d")) for _ in range(rng.whole(0, 3))]
    return article, summary if rng.chance(0.9) else [], rng.one_of((1, 2, 3, 4))


@copying.case("a sentence by hand, runs of two words")
def _(fn):
    given = ["the", "cat", "sat", "on", "the", "mat", "and", "the", "cat", "ran"], ["the", "cat", "sat", "and", "the", "cat", "slept", "on", "the", "mat"], 2
    right = copy_rate(*given)
    close(fn(*given), right, likely=likely_values(COPIES, *given, right=right))


SHORT, JOINED, LAST, NEW, PLACES = COPIES[5], COPIES[6], COPIES[7], COPIES[0], COPIES[2]


@copying.case("words that begin or end within other words")
def _(fn):
    for article, summary, n in ((["the", "other", "cat", "sat"], ["her", "cat"], 2), (["a", "cart", "of", "hay"], ["a", "car"], 2),
                                (["news", "today"], ["new"], 1)):
        close(fn(list(article), list(summary), n), 0.0, likely=likely_values((JOINED, NEW), article, summary, n, right=0.0))


@copying.case("copied to the article's last word; nothing copied; a summary that is longer than the article")
def _(fn):
    for article, summary, n in ((["a", "b", "c", "d", "e"], ["c", "d", "e"], 3), (["a", "b", "c"], ["x", "y", "z"], 2),
                                (["a"], ["a", "b", "c"], 2), (["a", "b", "c", "d"], ["b", "c", "d", "a", "b"], 2)):
        right = copy_rate(article, summary, n)
        close(fn(list(article), list(summary), n), right,
              likely=likely_values((LAST, PLACES, NEW), article, summary, n, right=right))


@copying.case("a summary that is shorter than n; an empty one")
def _(fn):
    for article, summary in ((["a", "b", "c"], ["b", "c"]), (["a", "b", "c"], ["c", "b"]), (["a", "b"], [])):
        right = copy_rate(article, summary, 4)
        close(fn(list(article), list(summary), 4), right, likely=likely_values((SHORT, NEW), article, summary, 4, right=right))


@copying.case("any words, runs of one to three")
def _(fn):
    agrees(fn, copy_rate, _draw_words, likely=[slip for slip in COPIES if slip is not JOINED])


# ---------------------------------------------------------------------------------------------------------------- 13.5

best = exercise(
    "13.5", title="The best of n, within limits", function="best_within", points=1, kind="implement",
    difficulty=1, importance=2, minutes=10, reference="checks:best_within",
    hints=("Which samples take part? Make a mask first, both limits included.",
           "What must a forbidden sample's reward be, so that it can never be the largest?",
           "torch.where with minus infinity, then argmax over the samples; a row in which nothing is allowed gets -1 at the end."))


def best_within(rewards: Tensor, lengths: Tensor, fewest: int, most: int) -> Tensor:
    """(articles,) int64, -1 where no sample is allowed. rewards, lengths: (articles, n)."""
    allowed = (lengths >= fewest) & (lengths <= most)
    return torch.where(allowed.any(1), torch.where(allowed, rewards, -torch.inf).argmax(1), -1)


def _chosen(allowed, forbidden: float = -torch.inf, none: int | None = -1, sign: float = 1.0):
    def slip(rewards: Tensor, lengths: Tensor, fewest: int, most: int) -> Tensor:
        keep = allowed(lengths, fewest, most)
        place = torch.where(keep, sign * rewards, forbidden).argmax(1)
        return place if none is None else torch.where(keep.any(1), place, none)
    return slip


def _inside(lengths: Tensor, fewest: int, most: int) -> Tensor:
    return (lengths >= fewest) & (lengths <= most)


def _filtered_late(rewards: Tensor, lengths: Tensor, fewest: int, most: int) -> Tensor:
    best = rewards.argmax(1)
    return torch.where(_inside(lengths, fewest, most)[torch.arange(len(best)), best], best, -1)


BEST = [
    (_chosen(lambda lengths, fewest, most: lengths > -1), "The filter is missing: samples that are too short or too long take part."),
    (_chosen(lambda lengths, fewest, most: lengths >= fewest), "Samples that are too long take part."),
    (_chosen(lambda lengths, fewest, most: lengths <= most), "Samples that are too short take part."),
    (_chosen(lambda lengths, fewest, most: (lengths > fewest) & (lengths <= most)), "The lower limit is allowed: >= and not >."),
    (_chosen(lambda lengths, fewest, most: (lengths >= fewest) & (lengths < most)), "The upper limit is allowed: <= and not <."),
    (_chosen(_inside, forbidden=0.0), "A forbidden sample with reward 0 wins against negative rewards: use minus infinity."),
    (_filtered_late, "The best of all samples was chosen first and thrown away when its length was not allowed. Filter first, then choose."),
    (_chosen(_inside, none=None), "Where no sample is allowed, -1 is wanted."),
    (_chosen(_inside, sign=-1.0), "This is the worst of them."),
]


def _draw_samples(rng: Draw):
    shape = rng.length(), 1 + rng.length()
    return rng.wholes(-6, 3, *shape).float(), rng.wholes(1, 9, *shape), 3, rng.one_of((5, 6, 7))


@best.case("three articles of four samples, by hand; rewards below zero, lengths on the limits")
def _(fn):
    given = (torch.tensor([[-1.0, -3.0, -2.0, 4.0], [1.0, 5.0, 2.0, 3.0], [2.0, 1.0, 3.0, 0.0]]),
             torch.tensor([[20, 30, 24, 60], [48, 50, 24, 30], [10, 90, 3, 5]]), 24, 48)
    got = fn(*given)
    shape_is(got, (3,))
    close(got, best_within(*given), likely=likely_values(BEST, *given, right=best_within(*given)))


@best.case("of equal rewards the first; one sample each; nothing allowed")
def _(fn):
    for given in ((torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([[9, 9, 9]]), 5, 9),
                  (torch.tensor([[1.0], [2.0]]), torch.tensor([[4], [5]]), 5, 9),
                  (torch.tensor([[1.0, 2.0]]), torch.tensor([[1, 2]]), 5, 9)):
        close(fn(*given), best_within(*given), likely=likely_values((BEST[6], BEST[4], BEST[3], BEST[0]), *given,
                                                               right=best_within(*given)))


@best.case("any number of articles and samples")
def _(fn):
    agrees(fn, best_within, _draw_samples, likely=BEST)


# ---------------------------------------------------------------------------------------------------------------- 13.6

bootstrap = exercise(
    "13.6", title="An interval by article", function="bootstrap_interval", points=2, kind="implement",
    difficulty=3, importance=2, minutes=20, reference="checks:bootstrap_interval",
    hints=("For one draw: which pairs belong to its articles? An article that was drawn twice brings its pairs twice.",
           "First work out the wins and the number of pairs of every article. Then a draw is a sum over its articles, twice.",
           "sums[draws] is (R, A): sum over dim 1, divide, and take torch.quantile at 0.025 and 0.975."))


def _per_article(wins: Tensor, articles: Tensor, count: int) -> tuple[Tensor, Tensor]:
    won = torch.zeros(count, dtype=wins.dtype).index_add(0, articles, wins)
    return won, torch.bincount(articles, minlength=count).to(wins.dtype)


def _quantiles(rates: Tensor, low: float = 0.025, high: float = 0.975) -> tuple[float, float]:
    return tuple(torch.quantile(rates, torch.tensor([low, high], dtype=rates.dtype)).tolist())


def bootstrap_interval(wins: Tensor, articles: Tensor, draws: Tensor) -> tuple[float, float]:
    """(low, high), the 2.5% and 97.5% quantiles. wins, articles: (pairs,); draws: (R, A)."""
    won, pairs = _per_article(wins, articles, draws.shape[1])
    return _quantiles(won[draws].sum(1) / pairs[draws].sum(1))


def _of_rates(rates_of, low: float = 0.025, high: float = 0.975):
    def slip(wins: Tensor, articles: Tensor, draws: Tensor) -> tuple[float, float]:
        return _quantiles(rates_of(*_per_article(wins, articles, draws.shape[1]), draws), low, high)
    return slip


def _normal(wins: Tensor, articles: Tensor, draws: Tensor) -> tuple[float, float]:
    won, pairs = _per_article(wins, articles, draws.shape[1])
    rates = won[draws].sum(1) / pairs[draws].sum(1)
    return (rates.mean() - 1.96 * rates.std()).item(), (rates.mean() + 1.96 * rates.std()).item()


def _ratio(won: Tensor, pairs: Tensor, draws: Tensor) -> Tensor:
    return won[draws].sum(1) / pairs[draws].sum(1)


def _once(won: Tensor, pairs: Tensor, draws: Tensor) -> Tensor:
    held = torch.stack([torch.bincount(row, minlength=len(won)).clamp(max=1) for row in draws]).to(won.dtype)
    return held @ won / (held @ pairs)


BOOTSTRAPS = [
    (_of_rates(lambda won, pairs, draws: (won / pairs)[draws].mean(1)),
     "This is the mean of the articles' own rates. An article with more pairs weighs more: sum wins and pairs first, then divide."),
    (_of_rates(lambda won, pairs, draws: won[draws].sum(1)), "These are numbers of wins; divide by the number of pairs."),
    (_of_rates(lambda won, pairs, draws: won[draws].sum(1) / pairs.sum()), "Divide by the pairs of the articles that were drawn, not by all."),
    (_of_rates(_once), "An article that was drawn twice brings its pairs twice."),
    (_of_rates(_ratio, 0.05, 0.95), "These are the 5% and 95% quantiles, which hold 90%; 2.5% and 97.5% are wanted."),
    (_of_rates(_ratio, 0.0, 1.0), "These are the smallest and the largest rate; the 2.5% and 97.5% quantiles are wanted."),
    (lambda wins, articles, draws: _quantiles(wins[draws].mean(1)), "The draws were used as numbers of *pairs*. They are numbers of articles: take all "
     "pairs of each."),
    (_normal, "This is the mean plus and minus 1.96 standard deviations; the quantiles are wanted."),
    (_of_rates(lambda won, pairs, draws: 1 - _ratio(won, pairs, draws)), "This is the interval of the losses."),
]


def _draw_wins(rng: Draw):
    count = 2 + rng.length(1, 4)
    articles = torch.cat([torch.arange(count), rng.wholes(0, count - 1, rng.length())])
    return rng.among((0.0, 0.5, 1.0), len(articles)), articles.long(), rng.wholes(0, count - 1, rng.one_of((2, 12)), count).long()


@bootstrap.case("three articles with different numbers of pairs, six draws")
def _(fn):
    given = (torch.tensor([1.0, 1.0, 0.5, 0.0, 0.0, 1.0, 0.0]), torch.tensor([0, 0, 0, 0, 1, 2, 2]),
             torch.tensor([[0, 1, 2], [0, 0, 1], [2, 2, 1], [1, 1, 1], [0, 2, 2], [0, 0, 0]]))
    right = bootstrap_interval(*given)
    close(_two(fn(*given), right, "the low and the high end"), torch.tensor(right),
          likely=likely_values(BOOTSTRAPS, *given, right=right))


@bootstrap.case("everything won: an interval without width")
def _(fn):
    got = fn(torch.ones(4), torch.tensor([0, 0, 1, 1]), torch.tensor([[0, 1], [1, 1]]))
    close(torch.tensor([float(end) for end in got]), torch.tensor([1.0, 1.0]))


@bootstrap.case("any articles, any draws")
def _(fn):
    agrees(fn, bootstrap_interval, _draw_wins, names=("low", "high"), likely=BOOTSTRAPS, rtol=1e-4)
