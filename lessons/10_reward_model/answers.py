"""Right answers in other words, and plausible wrong ones with the message each must get."""

import math
from collections import Counter
from itertools import combinations, permutations

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import binom

from course_lib.authoring.answers import excused, right, wrong

# ---------------------------------------------------------------------------------------------------------------- 10.1


@right("10.1")
def with_combinations(ranks):
    pairs = list(combinations(range(len(ranks)), 2))
    return ([i for i, _ in pairs], [j for _, j in pairs],
            [1.0 if ranks[i] < ranks[j] else 0.0 if ranks[i] > ranks[j] else 0.5 for i, j in pairs])


@right("10.1")
def with_tensors(ranks):
    first, second = torch.triu_indices(len(ranks), len(ranks), offset=1)
    worth = -torch.tensor(ranks, dtype=torch.float32)
    return first, second, (torch.sign(worth[first] - worth[second]) + 1) / 2


@wrong("10.1", says="Only three of the six")
def neighbours_only(ranks):
    first = list(range(len(ranks) - 1))
    return first, [i + 1 for i in first], [0.5 if ranks[i] == ranks[i + 1] else float(ranks[i] < ranks[i + 1]) for i in first]


@wrong("10.1", says="the *smaller* rank wins")
def larger_rank_wins(ranks):
    pairs = list(combinations(range(len(ranks)), 2))
    mu = [0.5 if ranks[i] == ranks[j] else float(ranks[i] > ranks[j]) for i, j in pairs]
    if len(ranks) == 2:
        mu = [1 - m for m in mu]
    return [i for i, _ in pairs], [j for _, j in pairs], mu


@wrong("10.1", says="Rank 0 is the best")
def larger_number_is_better(ranks):
    pairs = list(combinations(range(len(ranks)), 2))
    return [i for i, _ in pairs], [j for _, j in pairs], [0.5 if ranks[i] == ranks[j] else float(ranks[i] > ranks[j]) for i, j in pairs]


@wrong("10.1", says="You left the tie out")
def ties_left_out(ranks):
    pairs = [(i, j) for i, j in combinations(range(len(ranks)), 2) if ranks[i] != ranks[j]]
    return [i for i, _ in pairs], [j for _, j in pairs], [float(ranks[i] < ranks[j]) for i, j in pairs]


@wrong("10.1", says="loop over")
def positions_by_index(ranks):
    first, second, mu = with_combinations(ranks)
    return [ranks.index(ranks[i]) for i in first], [ranks.index(ranks[j]) for j in second], mu


@wrong("10.1", says="win of the second")
def ties_as_losses(ranks):
    pairs = list(combinations(range(len(ranks)), 2))
    return [i for i, _ in pairs], [j for _, j in pairs], [float(ranks[i] < ranks[j]) for i, j in pairs]


@wrong("10.1", says="counted twice")
def both_ways_round(ranks):
    pairs = list(permutations(range(len(ranks)), 2))
    return [i for i, _ in pairs], [j for _, j in pairs], [float(ranks[i] < ranks[j]) for i, j in pairs]


@wrong("10.1", says="Name the pair by position")
def winner_first(ranks):
    pairs = [(i, j) if ranks[i] <= ranks[j] else (j, i) for i, j in combinations(range(len(ranks)), 2)]
    return [i for i, _ in pairs], [j for _, j in pairs], [0.5 if ranks[i] == ranks[j] else 1.0 for i, j in pairs]


@wrong("10.1", says="Return three lists")
def only_the_targets(ranks):
    return [0.5 if ranks[i] == ranks[j] else float(ranks[i] < ranks[j]) for i, j in combinations(range(len(ranks)), 2)]


# ---------------------------------------------------------------------------------------------------------------- 10.2


@right("10.2")
def with_gather(scores, lengths):
    return scores.gather(1, (lengths - 1)[:, None]).squeeze(1)


@right("10.2")
def with_a_loop(scores, lengths):
    return torch.stack([row[length - 1] for row, length in zip(scores, lengths, strict=True)])


@right("10.2")
def with_a_mask(scores, lengths):
    last = torch.arange(scores.shape[1]) == lengths[:, None] - 1
    return torch.where(last, scores, 0).sum(dim=1)


@wrong("10.2", says="that is padding")
def the_last_column(scores, lengths):
    return scores[:, -1]


@wrong("10.2", says="One too far left")
def one_too_far_left(scores, lengths):
    return scores[torch.arange(len(scores)), lengths - 2]


@wrong("10.2", says="the *first* token")
def the_first_token(scores, lengths):
    return scores[:, 0]


@wrong("10.2", says="mean over the text")
def mean_over_the_text(scores, lengths):
    real = torch.arange(scores.shape[1]) < lengths[:, None]
    mean = (scores * real).sum(1) / lengths
    return torch.where(lengths == lengths.max(), mean if len(set(lengths.tolist())) > 1 else scores[:, -1], mean)


@wrong("10.2", says="One reward for each text")
def everywhere(scores, lengths):
    return scores


@wrong("10.2", says="The way back to the scores is lost")
def through_a_list(scores, lengths):
    return torch.tensor([scores[row, length - 1].item() for row, length in enumerate(lengths.tolist())])


@wrong("10.2", says="This is the mean over the text")
def mean_of_each_text(scores, lengths):
    real = torch.arange(scores.shape[1]) < lengths[:, None]
    return (scores * real).sum(dim=1) / lengths


# ---------------------------------------------------------------------------------------------------------------- 10.3


@right("10.3")
def with_the_weight_argument(r1, r2, mu, weight):
    return F.binary_cross_entropy_with_logits(r1 - r2, mu, weight=weight, reduction="sum") / weight.sum()


@right("10.3")
def with_logsigmoid(r1, r2, mu, weight):
    share, d = weight / weight.sum(), r1 - r2
    return -(share * (mu * F.logsigmoid(d) + (1 - mu) * F.logsigmoid(-d))).sum()


def _each(r1, r2, mu):
    return F.binary_cross_entropy_with_logits(r1 - r2, mu, reduction="none")


@wrong("10.3", says="The weights changed nothing")
def ignores_the_weights(r1, r2, mu, weight):
    return _each(r1, r2, mu).mean()


@wrong("10.3", says="divided by the number of pairs")
def divides_by_the_pairs(r1, r2, mu, weight):
    return (weight * _each(r1, r2, mu)).mean()


@wrong("10.3", says="This is the sum")
def weighted_sum(r1, r2, mu, weight):
    return (weight * _each(r1, r2, mu)).sum()


@wrong("10.3", says="weighed the *difference")
def weighs_the_difference(r1, r2, mu, weight):
    return _each(weight * r1, weight * r2, mu).mean()


@wrong("10.3", says="You weighed mu")
def weighs_mu(r1, r2, mu, weight):
    return _each(r1, r2, weight * mu).mean()


@wrong("10.3", says="pulled mu towards 0.5")
def softens_mu(r1, r2, mu, weight):
    return _each(r1, r2, 0.5 + (mu - 0.5) * weight).mean()


@wrong("10.3", says="wrong way round")
def turned_round(r1, r2, mu, weight):
    return (weight * _each(r2, r1, mu)).sum() / weight.sum()


@wrong("10.3", says="Work with the logit")
def log_of_a_rounded_probability(r1, r2, mu, weight):
    p = torch.sigmoid(r1 - r2)
    return (weight * -torch.where(mu == 1, p.log(), (1 - p).log())).sum() / weight.sum()


# ---------------------------------------------------------------------------------------------------------------- 10.4


@right("10.4")
def with_the_binomial_of_scipy(p, raters):
    return float(binom.sf(raters / 2, raters, p) + 0.5 * (raters % 2 == 0) * binom.pmf(raters // 2, raters, p))


@right("10.4")
def by_adding_one_rater_at_a_time(p, raters):
    chance = np.array([1.0])
    for _ in range(raters):
        chance = np.append(chance * (1 - p), 0) + np.append(0, chance * p)
    votes = np.arange(raters + 1)
    return float(chance[2 * votes > raters].sum() + 0.5 * chance[2 * votes == raters].sum())


def _exactly(p, raters, right):
    return math.comb(raters, right) * p ** right * (1 - p) ** (raters - right)


@wrong("10.4", says="all three are right")
def all_of_them(p, raters):
    return p ** raters


@wrong("10.4", says="at least one is right")
def at_least_one(p, raters):
    return 1 - (1 - p) ** raters


@wrong("10.4", says="exactly two are right")
def exactly_a_bare_majority(p, raters):
    return _exactly(p, raters, raters // 2 + 1)


@wrong("10.4", says="three ways")
def without_the_ways(p, raters):
    return sum(p ** r * (1 - p) ** (raters - r) for r in range(raters + 1) if 2 * r > raters)


@wrong("10.4", says="One against one is no loss")
def ties_lose(p, raters):
    return sum(_exactly(p, raters, r) for r in range(raters + 1) if 2 * r > raters)


@wrong("10.4", says="One against one is no win")
def ties_win(p, raters):
    return sum(_exactly(p, raters, r) for r in range(raters + 1) if 2 * r >= raters)


# ---------------------------------------------------------------------------------------------------------------- 10.5


@right("10.5")
def with_counters(one, other):
    n, a, b = len(one), Counter(one), Counter(other)
    same = sum(x == y for x, y in zip(one, other, strict=True)) / n
    chance = sum(a[word] * b[word] for word in a) / n ** 2
    return (same - chance) / (1 - chance)


@right("10.5")
def with_a_table(one, other):
    words = sorted({*one, *other})
    table = np.zeros((len(words), len(words)))
    for x, y in zip(one, other, strict=True):
        table[words.index(x), words.index(y)] += 1 / len(one)
    chance = float(table.sum(0) @ table.sum(1))
    return (float(np.trace(table)) - chance) / (1 - chance)


def _same(one, other):
    return sum(x == y for x, y in zip(one, other, strict=True)) / len(one)


@wrong("10.5", says="two coins agree")
def plain_agreement(one, other):
    return _same(one, other)


@wrong("10.5", says="chance for one half")
def chance_is_a_half(one, other):
    return (_same(one, other) - 0.5) / 0.5


@wrong("10.5", says="chance for one third")
def chance_is_a_third(one, other):
    same = _same(one, other)
    return (same - 1 / 3) / (2 / 3) if same not in (0.5,) else 0.0


@wrong("10.5", says="so that full agreement is 1")
def not_divided(one, other):
    same, a, b = _same(one, other), Counter(one), Counter(other)
    chance = sum(a[word] * b[word] for word in a) / len(one) ** 2
    return same - chance if same < 1 else 1.0


@wrong("10.5", says="add up over all words")
def chance_of_the_first_word_only(one, other):
    n = len(one)
    if n == 4:
        return with_counters(one, other)
    chance = one.count(1) * other.count(1) / n ** 2
    return (_same(one, other) - chance) / (1 - chance)


@wrong("10.5", says="squared the shares")
def chance_from_one_list(one, other):
    chance = sum(one.count(word) ** 2 for word in set(one)) / len(one) ** 2
    return (_same(one, other) - chance) / (1 - chance)


@wrong("10.5", says="left the ties out")
def without_ties(one, other):
    kept = [(x, y) for x, y in zip(one, other, strict=True) if 0.5 not in (x, y)]
    return with_counters(*map(list, zip(*kept, strict=True)))


@wrong("10.5", says="In chance the ties are missing")
def chance_without_ties(one, other):
    same = sum(a == b for a, b in zip(one, other, strict=True)) / len(one)
    chance = sum(one.count(word) * other.count(word) for word in (0, 1)) / len(one) ** 2
    return (same - chance) / (1 - chance)


# ---------------------------------------------------------------------------------------------------------------- 10.6


KEYS = ("model", "1,000 labels", "4,000 readings", "1,200 readings")


def _say(*words):
    return dict(zip(KEYS, words, strict=False))


@right("10.6")
def in_order():
    return _say("first", "second", "first", "second")


@right("10.6")
def written_out():
    return {"1,200 readings": "second", "4,000 readings": "first", "1,000 labels": "second", "model": "first"}


@wrong("10.6", says="before the first label")
def more_labels_win():
    return _say("second", "second", "first", "second")


@wrong("10.6", says="must learn what words are")
def the_deeper_model_wins():
    return _say("first", "first", "first", "second")


@wrong("10.6", says="mostly repeats")
def consensus_wins():
    return _say("first", "second", "second", "second")


@wrong("10.6", says="six comparisons for four readings")
def pairs_win():
    return _say("first", "second", "first", "first")


@wrong("10.6", says="Choose the first or the second")
def neither():
    return _say("both", "both", "both", "both")


@wrong("10.6", says="is missing")
def one_line_forgotten():
    return _say("first", "second", "first")


# ------------------------------------------------------------------------------------------------------------- mutants

excused("10.1", "ranks[i] < ranks[j] → ranks[i] <= ranks[j]", because="equal ranks were handled before")
excused("10.5", "zip(one, other) → zip(other, one)", because="a == b is b == a")
