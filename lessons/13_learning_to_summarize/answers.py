"""Right answers in other words, and plausible wrong ones with the message each must get."""

from itertools import combinations

import numpy as np
import torch

from course_lib.authoring.answers import excused, right, wrong

NAN = float("nan")

# ---------------------------------------------------------------------------------------------------------------- 13.1


def _compared(ratings):
    """(annotator, i, j, rating of i, rating of j) for i < j, nan left out."""
    for annotator, row in enumerate(ratings.tolist()):
        for i, j in combinations(range(len(row)), 2):
            if row[i] == row[i] and row[j] == row[j]:
                yield annotator, i, j, row[i], row[j]


@right("13.1")
def by_combinations(ratings):
    rows = [(k, i, j) if a > b else (k, j, i) for k, i, j, a, b in _compared(ratings) if a != b]
    return torch.tensor(rows, dtype=torch.long).view(len(rows), 3)


@right("13.1")
def by_masks(ratings):
    gaps = ratings[:, :, None] - ratings[:, None, :]                     # (A, S, S)
    upper = torch.ones(gaps.shape[1:]).triu(1).bool()
    places = (upper & (gaps != 0) & ~gaps.isnan()).nonzero()
    first_better = gaps[tuple(places.T)] > 0
    return torch.where(first_better[:, None], places, places[:, [0, 2, 1]])


@wrong("13.1", says="changed places")
def worse_first(ratings):
    return by_combinations(ratings)[:, [0, 2, 1]]


@wrong("13.1", says="Equal ratings are no preference")
def ties_too(ratings):
    rows = [(k, i, j) if a >= b else (k, j, i) for k, i, j, a, b in _compared(ratings)]
    return torch.tensor(rows, dtype=torch.long).reshape(-1, 3)


@wrong("13.1", says="once is enough")
def both_directions(ratings):
    rows = [one for k, i, j, a, b in _compared(ratings) if a != b for one in ((k, i, j), (k, j, i))]
    return torch.tensor(rows, dtype=torch.long).reshape(-1, 3)


@wrong("13.1", says="not a rating of 0")
def nan_is_zero(ratings):
    return by_combinations(torch.nan_to_num(ratings))


@wrong("13.1", says="The annotator comes first")
def annotator_last(ratings):
    return by_combinations(ratings)[:, [1, 2, 0]]


@wrong("13.1", says="(0, 3)")
def no_shape_when_empty(ratings):
    return torch.tensor(by_combinations(ratings).tolist(), dtype=torch.long)


@wrong("13.1", says="preferences of the mean rating")
def of_the_mean_rating(ratings):
    return by_combinations(ratings.nanmean(dim=0, keepdim=True))


@wrong("13.1", says="in another order")
def by_better_summary(ratings):
    rows = [(k, i, j) for k, row in enumerate(ratings.tolist()) for i, a in enumerate(row) for j, b in enumerate(row) if a > b]
    return torch.tensor(rows, dtype=torch.long).reshape(-1, 3)


# ---------------------------------------------------------------------------------------------------------------- 13.2


def _agreement(ratings, others, half=0.5):
    agreed, total = 0.0, 0
    for k, i, j, a, b in _compared(ratings):
        gap = others(ratings, k, i) - others(ratings, k, j)
        if a == b or np.isnan(gap):
            continue
        total += 1
        agreed += half if gap == 0 else (gap > 0) == (a > b)
    return float(agreed), total


def _rest(ratings, k, i):
    given = [float(score) for place, score in enumerate(ratings[:, i]) if place != k and not score.isnan()]
    return sum(given) / len(given) if given else NAN


@right("13.2")
def by_lists(ratings):
    return _agreement(ratings, _rest)


@right("13.2")
def by_sums(ratings):
    known, filled = (~ratings.isnan()).to(ratings.dtype), ratings.nan_to_num(0.0)
    means = (filled.sum(0) - filled) / (known.sum(0) - known)            # (A, S) of the others; nan where none
    agreed, total = 0.0, 0
    for i, j in combinations(range(ratings.shape[1]), 2):
        own, gap = ratings[:, i] - ratings[:, j], means[:, i] - means[:, j]
        use = ~own.isnan() & (own != 0) & ~gap.isnan()
        total += int(use.sum())
        agreed += torch.where(gap == 0, 0.5, (gap.sign() == own.sign()).to(gap.dtype))[use].sum().item()
    return agreed, total


@wrong("13.2", says="holds this annotator's own rating")
def own_rating_too(ratings):
    return _agreement(ratings, lambda table, k, i: float(table[:, i].nanmean()))


@wrong("13.2", says="count one half")
def equal_means_are_wrong(ratings):
    return _agreement(ratings, _rest, half=0.0)


@wrong("13.2", says="not one")
def equal_means_are_right(ratings):
    return _agreement(ratings, _rest, half=1.0)


@wrong("13.2", says="no preference: leave them out")
def own_ties_counted(ratings):
    agreed, total = 0.0, 0
    for k, i, j, a, b in _compared(ratings):
        gap = _rest(ratings, k, i) - _rest(ratings, k, j)
        if not np.isnan(gap):
            total += 1
            agreed += 0.5 if gap == 0 else (gap > 0) == (a > b)
    return float(agreed), total


@wrong("13.2", says="nobody else rated")
def unknown_counted(ratings):
    agreed, total = 0.0, 0
    for k, i, j, a, b in _compared(ratings):
        if a != b:
            gap = _rest(ratings, k, i) - _rest(ratings, k, j)
            total += 1
            agreed += 0.0 if np.isnan(gap) else 0.5 if gap == 0 else (gap > 0) == (a > b)
    return float(agreed), total


@wrong("13.2", says="not a rating of 0")
def zeros_in_the_mean(ratings):
    def mean(table, k, i):
        given = [float(score.nan_to_num(0.0)) for place, score in enumerate(table[:, i]) if place != k]
        return sum(given) / len(given)
    return _agreement(ratings, mean)


@wrong("13.2", says="not their share")
def a_share(ratings):
    agreed, total = by_lists(ratings)
    return agreed / max(total, 1), total


@wrong("13.2", says="who rated *both* summaries")
def those_who_rated_both(ratings):
    agreed, number = 0.0, 0
    for k, i, j, a, b in _compared(ratings):
        others = [(c, d) for n, row in enumerate(ratings.tolist()) if n != k for c, d in [(row[i], row[j])] if c == c and d == d]
        if a == b or not others:
            continue
        gap = sum(c - d for c, d in others)
        agreed, number = agreed + (0.5 if gap == 0 else float((gap > 0) == (a > b))), number + 1
    return agreed, number


# ---------------------------------------------------------------------------------------------------------------- 13.3


def _matched(keep_of, half=0.5):
    def function(first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance):
        right_ones, number = 0.0, 0
        columns = (first_rewards, second_rewards, first_lengths, second_lengths, mu)
        for a, b, m, n, preferred in zip(*(column.tolist() for column in columns), strict=True):
            if keep_of(m, n, tolerance):
                number += 1
                right_ones += half if a == b else float((a > b) == (preferred == 1))
        return (right_ones / number if number else NAN), number
    return function


@right("13.3")
def pair_by_pair(first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance):
    return _matched(lambda m, n, limit: abs(m - n) <= limit * max(m, n))(
        first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance)


@right("13.3")
def by_signs(first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance):
    pair = torch.stack([first_lengths, second_lengths])
    keep = pair.max(0).values - pair.min(0).values <= tolerance * pair.max(0).values
    said, wanted = (first_rewards - second_rewards)[keep].sign(), 2 * mu[keep] - 1
    return ((said * wanted + 1) / 2).mean().item(), keep.sum().item()


@wrong("13.3", says="All pairs are counted")
def all_pairs(first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance):
    return _matched(lambda m, n, limit: True)(first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance)


@wrong("13.3", says="a share of the longer one")
def of_the_shorter(first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance):
    return _matched(lambda m, n, limit: abs(m - n) <= limit * min(m, n))(
        first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance)


@wrong("13.3", says="not a number of words")
def absolute(first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance):
    return _matched(lambda m, n, limit: abs(m - n) <= limit)(
        first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance)


@wrong("13.3", says="<= and not <")
def border_left_out(first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance):
    return _matched(lambda m, n, limit: abs(m - n) < limit * max(m, n))(
        first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance)


@wrong("13.3", says="turned round")
def the_different_ones(first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance):
    return _matched(lambda m, n, limit: abs(m - n) > limit * max(m, n))(
        first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance)


@wrong("13.3", says="Equal rewards are half right")
def equal_is_wrong(first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance):
    return _matched(lambda m, n, limit: abs(m - n) <= limit * max(m, n), half=0.0)(
        first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance)


@wrong("13.3", says="not of the first one")
def of_the_first_length(first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance):
    keep = (first_lengths - second_lengths).abs() <= tolerance * first_lengths
    gap = (first_rewards - second_rewards)[keep]
    right_ones = torch.where(gap == 0, 0.5, ((gap > 0) == (mu[keep] > 0.5)).double())
    return (right_ones.mean().item() if len(gap) else NAN), len(gap)


# ---------------------------------------------------------------------------------------------------------------- 13.4


def _runs(words, n):
    return [" ".join(words[k:k + n]) for k in range(len(words) - n + 1)]


@right("13.4")
def by_joined_words(article, summary, n):
    if len(summary) == 0:
        return 0.0
    size = n if len(summary) >= n else len(summary)
    runs, known = _runs(summary, size), set(_runs(article, size))
    return len([run for run in runs if run in known]) / len(runs)


@right("13.4")
def by_looking_everywhere(article, summary, n):
    size = min(n, len(summary))
    if size == 0:
        return 0.0
    found = [any(article[place:place + size] == summary[k:k + size] for place in range(len(article)))
             for k in range(len(summary) - size + 1)]
    return float(np.mean(found))


@wrong("13.4", says="the share of new runs")
def novelty(article, summary, n):
    return 1 - by_joined_words(article, summary, n) if summary else 1.0


@wrong("13.4", says="single words")
def words_alone(article, summary, n):
    return by_joined_words(article, summary, 1)


@wrong("13.4", says="changed places")
def the_other_way(article, summary, n):
    return by_joined_words(summary, article, n)


@wrong("13.4", says="not the number of words")
def by_words(article, summary, n):
    if not summary:
        return 0.0
    return sum(run in set(_runs(article, n)) for run in _runs(summary, n)) / len(summary)


@wrong("13.4", says="count twice")
def different_runs(article, summary, n):
    size = min(n, len(summary))
    runs = set(_runs(summary, size)) if summary else set()
    return len(runs & set(_runs(article, size))) / len(runs) if runs else 0.0


@wrong("13.4", says="one run of its own length")
def short_ones_are_new(article, summary, n):
    return by_joined_words(article, summary, n) if len(summary) >= n else 0.0


@wrong("13.4", says="last run is missing")
def one_too_few(article, summary, n):
    return by_joined_words(article[:-1], summary, n)


@wrong("13.4", says="compare whole words")
def looked_up_in_the_text(article, summary, n):
    runs = _runs(summary, min(n, len(summary))) if summary else []
    return sum(run in " ".join(article) for run in runs) / len(runs) if runs else 0.0


# ---------------------------------------------------------------------------------------------------------------- 13.5


@right("13.5")
def row_by_row(rewards, lengths, fewest, most):
    found = []
    for reward, length in zip(rewards.tolist(), lengths.tolist(), strict=True):
        places = [k for k, number in enumerate(length) if fewest <= number <= most]
        found.append(max(places, key=lambda k: reward[k]) if places else -1)
    return torch.tensor(found)


@right("13.5")
def by_filling(rewards, lengths, fewest, most):
    forbidden = (lengths < fewest) | (lengths > most)
    best = rewards.masked_fill(forbidden, float("-inf")).argmax(dim=1)
    best[forbidden.all(dim=1)] = -1
    return best


@wrong("13.5", says="The filter is missing")
def without_filter(rewards, lengths, fewest, most):
    return rewards.argmax(dim=1)


@wrong("13.5", says="too long take part")
def only_the_short_ones_out(rewards, lengths, fewest, most):
    return row_by_row(rewards, lengths, fewest, 10 ** 9)


@wrong("13.5", says="too short take part")
def only_the_long_ones_out(rewards, lengths, fewest, most):
    return row_by_row(rewards, lengths, 0, most)


@wrong("13.5", says="The upper limit is allowed")
def below_the_limit(rewards, lengths, fewest, most):
    return row_by_row(rewards, lengths, fewest, most - 1)


@wrong("13.5", says="The lower limit is allowed")
def above_the_limit(rewards, lengths, fewest, most):
    return row_by_row(rewards, lengths, fewest + 1, most)


@wrong("13.5", says="minus infinity")
def times_the_mask(rewards, lengths, fewest, most):
    allowed = (lengths >= fewest) & (lengths <= most)
    best = (rewards * allowed).argmax(dim=1)
    return torch.where(allowed.any(dim=1), best, -1)


@wrong("13.5", says="-1 is wanted")
def first_for_none(rewards, lengths, fewest, most):
    return row_by_row(rewards, lengths, fewest, most).clamp(min=0)


@wrong("13.5", says="Filter first, then choose")
def chosen_before_the_filter(rewards, lengths, fewest, most):
    best = rewards.argmax(dim=1)
    length = lengths.gather(1, best[:, None]).squeeze(1)
    return torch.where((length >= fewest) & (length <= most), best, -1)


# ---------------------------------------------------------------------------------------------------------------- 13.6


def _rates(wins, articles, draws):
    rates = []
    for drawn in draws.tolist():
        taken = [win for article in drawn for win, of in zip(wins.tolist(), articles.tolist(), strict=True) if of == article]
        rates.append(sum(taken) / len(taken))
    return rates


@right("13.6")
def draw_by_draw(wins, articles, draws):
    low, high = np.quantile(_rates(wins, articles, draws), [0.025, 0.975])
    return float(low), float(high)


@right("13.6")
def by_one_hot(wins, articles, draws):
    members = torch.nn.functional.one_hot(articles, draws.shape[1]).double()                # (pairs, A)
    times = torch.stack([torch.bincount(row, minlength=draws.shape[1]) for row in draws]).double()
    rates = times @ (members.T @ wins.double()) / (times @ members.sum(0))
    return torch.quantile(rates, 0.025).item(), torch.quantile(rates, 0.975).item()


def _ends(rates, low=0.025, high=0.975):
    return tuple(float(end) for end in np.quantile(np.asarray(rates, dtype=float), [low, high]))


@wrong("13.6", says="the articles' own rates")
def mean_of_rates(wins, articles, draws):
    own = [wins[articles == k].mean().item() for k in range(draws.shape[1])]
    return _ends([np.mean([own[k] for k in drawn]) for drawn in draws.tolist()])


@wrong("13.6", says="numbers of wins")
def numbers(wins, articles, draws):
    return _ends([sum(wins[articles == k].sum().item() for k in drawn) for drawn in draws.tolist()])


@wrong("13.6", says="not by all")
def by_all_pairs(wins, articles, draws):
    return _ends([sum(wins[articles == k].sum().item() for k in drawn) / len(wins) for drawn in draws.tolist()])


@wrong("13.6", says="brings its pairs twice")
def each_once(wins, articles, draws):
    return _ends([torch.cat([wins[articles == k] for k in sorted(set(drawn))]).mean().item() for drawn in draws.tolist()])


@wrong("13.6", says="which hold 90%")
def ninety(wins, articles, draws):
    return _ends(_rates(wins, articles, draws), 0.05, 0.95)


@wrong("13.6", says="smallest and the largest")
def the_extremes(wins, articles, draws):
    return _ends(_rates(wins, articles, draws), 0.0, 1.0)


@wrong("13.6", says="the quantiles are wanted")
def by_standard_deviations(wins, articles, draws):
    rates = np.asarray(_rates(wins, articles, draws))
    return float(rates.mean() - 1.96 * rates.std(ddof=1)), float(rates.mean() + 1.96 * rates.std(ddof=1))


@wrong("13.6", says="numbers of *pairs*")
def pairs_in_place_of_articles(wins, articles, draws):
    return _ends(wins[draws].mean(dim=1))


excused("13.1", "i + 1 → i", "i + 1 → i + 0", because="no rating is above or below itself")
excused("13.2", "i + 1 → i", "i + 1 → i + 0", because="nobody prefers a summary to itself")
excused("13.2", "gap > 0 → gap >= 0", "preferred > 0 → preferred >= 0", because="zeros were treated before")
excused("13.3", "first_lengths - second_lengths → second_lengths - first_lengths", because="only its size is used")
excused("13.3", "gap > 0 → gap >= 0", because="a gap of 0 is treated before")
excused("13.3", "mu[similar] > 0.5 → mu[similar] >= 0.5", because="mu is 0 or 1")
excused("13.4", "len(article) - n → len(article) + n", "len(article) - n → len(article)",
        "len(article) - n + 1 → len(article) - n + 2", because="a slice beyond the end is shorter than n and equals no run")
excused("13.6", "torch.bincount(articles, minlength=count) → torch.bincount(articles)",
        because="each article has a pair, so there are as many counts without it")
