"""What the answers to lesson 10's exercises must do."""

import math

import torch
from torch import Tensor

from course_lib.exercises import Fail, agrees, close, differentiable, exercise, shape_is
from course_lib.labels import statistics
from course_lib.lm import reward_model
from course_lib.preferences import bradley_terry
from course_lib.preferences import crowd as crowds

# ---------------------------------------------------------------------------------------------------------------- 10.1

ranking = exercise(
    "10.1", title="The pairs in a ranking", function="pairs_from_ranking", points=2, kind="implement",
    difficulty=2, importance=3, minutes=10, reference="course_lib.preferences.crowd:pairs_from_ranking",
    hints=("How many pairs are there among three items? And among four?",
           "Go through all i < j, not only neighbours: itertools.combinations(range(k), 2) gives them in order.",
           "mu is 1 where ranks[i] < ranks[j], because rank 0 is the best; 0 where it is larger; 0.5 where they are equal."))


def _three_lists(fn, ranks):
    got = fn(ranks)
    call = f"pairs_from_ranking({ranks})"
    if not isinstance(got, tuple | list) or len(got) != 3 or any(isinstance(part, int | float) for part in got):
        raise Fail(call, "three lists: first, second, mu", type(got).__name__,
                   "Return three lists of the same length: position of the first item, of the second, and mu.")
    return [list(map(float, part)) for part in got], call


@ranking.case("two items: one pair")
def _(fn):
    (first, second, mu), call = _three_lists(fn, [1, 0])
    if len(mu) == 2:
        raise Fail(call, "one pair", "two pairs", "The same two items came twice, once each way round: that is one comparison, counted twice.")
    close(first, [0.0], call=call + "[0]", likely=[([1.0], "Name the pair by position, the smaller position first; mu says who won.")])
    close(second, [1.0], call=call + "[1]")
    close(mu, [0.0], call=call + "[2]", likely=[([1.0], "Rank 0 is the best: the second item won here, so mu is 0.")])


@ranking.case("four items: all six pairs, not only neighbours")
def _(fn):
    (first, second, mu), call = _three_lists(fn, [2, 0, 3, 1])
    if len(mu) == 3:
        raise Fail(call, "6 pairs", "3 pairs", "Only three of the six: whoever puts four items in order has also compared the first "
                   "with the third. Take every pair.")
    if len(mu) in (12, 16):
        raise Fail(call, "6 pairs", f"{len(mu)} pairs", "Some pairs came twice, or an item met itself: take i < j only.")
    close(first, [0.0, 0, 0, 1, 1, 2], call=call + "[0]", otherwise="The pairs in order: (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3).")
    close(second, [1.0, 2, 3, 2, 3, 3], call=call + "[1]", otherwise="The pairs in order: (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3).")
    close(mu, [0.0, 1, 0, 1, 1, 0], call=call + "[2]", likely=[
        ([1.0, 0, 1, 0, 0, 1], "Every label is turned round: rank 0 is the best, so the *smaller* rank wins.")])


@ranking.case("equal ranks: a tie is a comparison")
def _(fn):
    (_, _, mu), call = _three_lists(fn, [0, 0, 2])
    if len(mu) == 2:
        raise Fail(call, "3 pairs", "2 pairs", "You left the tie out. Two items of one rank are a comparison, too: mu = 0.5.")
    close(mu, [0.5, 1.0, 1.0], call=call + "[2]", likely=[
        ([0.0, 1, 1], "The tie was taken as a win of the second: equal ranks give mu = 0.5."),
        ([1.0, 1, 1], "The tie was taken as a win of the first: equal ranks give mu = 0.5.")])


@ranking.case("five items: ten pairs")
def _(fn):
    (first, _, mu), call = _three_lists(fn, [4, 3, 2, 1, 0])
    close(len(first), 10, call=f"len({call}[0])", otherwise="Five items hold 5 x 4 / 2 = 10 pairs.")
    close(mu, [0.0] * 10, call=call + "[2]", likely=[
        ([1.0] * 10, "Every label is turned round: rank 0 is the best, so the *smaller* rank wins.")])


def _lists(ranks):
    return tuple(part.tolist() for part in crowds.pairs_from_ranking(ranks))


def _by_index(ranks):
    """Positions looked up by their rank, which finds the first of equal ranks."""
    first, second, mu = _lists(ranks)
    return [ranks.index(ranks[i]) for i in first], [ranks.index(ranks[j]) for j in second], mu


@ranking.case("any ranking, with ties and with ranks left out")
def _(fn):
    def draw(rng):
        return ([rng.whole(0, rng.size + 1) for _ in range(rng.size + 1)],)

    agrees(fn, _lists, draw, read=lambda got: tuple([float(number) for number in part] for part in got),
           names=("first", "second", "mu"), likely=[
               (_by_index, "`ranks.index(rank)` finds the *first* item with such a rank, so of two equal items one comes twice: loop over "
                           "positions.")])


# ---------------------------------------------------------------------------------------------------------------- 10.2

end = exercise(
    "10.2", title="Find the silent bug: a reward that depends on the neighbours", function="rewards_at_the_end", points=2, kind="bug",
    difficulty=2, importance=3, minutes=10, reference="course_lib.lm.reward_model:rewards_at_the_end",
    hints=("Nothing crashes, and a batch of texts of one length comes out right. Score a short text alone, then beside a long one.",
           "Rows of one batch are filled up behind with padding. What stands in the last *column* of a short text's row?",
           "The last real token of row b stands in column lengths[b] - 1. Indexing with two tensors, rows and columns, takes one entry for "
           "each row."))

PADDING = ("This is the score in the last column, and for a shorter text that is padding. The model never meant a reward there, and it "
           "changes with the longest text in the batch.")


@end.case("texts of one length", given=True)
def _(fn):
    scores = torch.tensor([[0.1, 0.2, 0.6], [1.0, 2.0, 6.0]])
    got = fn(scores, torch.tensor([3, 3]))
    shape_is(got, (2,), mistake="One reward for each text is wanted.")
    close(got, torch.tensor([0.6, 6.0]), likely=[
        ([0.1, 1.0], "This is the score at the *first* token, which has seen nothing of the text yet."),
        ([0.3, 3.0], "This is the mean over the text. The head is read at one place, the last token, which has seen all the others."),
        ([0.2, 2.0], "One too far left: a text of length 3 ends in column 2. Count from the lengths, not from the end of the row.")])


@end.case("a short text beside a long one")
def _(fn):
    scores = torch.tensor([[0.1, 0.5, 7.0, 9.0], [1.0, 2.0, 3.0, 4.0]])
    close(fn(scores, torch.tensor([2, 4])), torch.tensor([0.5, 4.0]), likely=[
        ([9.0, 4.0], PADDING),
        ([0.3, 2.5], "This is the mean over the text. The head is read at one place, the last token, which has seen all the others."),
        ([4.15, 2.5], "This is the mean, and over the padding, too."),
        ([0.6, 10.0], "This is the sum over the text. The head is read at one place, the last token."),
        ([9.0, 9.0], PADDING)],
        otherwise="A text of length n ends in column n - 1.")


@end.case("more padding changes nothing")
def _(fn):
    rng = torch.Generator().manual_seed(0)
    scores, lengths = torch.randn(5, 6, generator=rng), torch.tensor([1, 6, 3, 2, 5])
    wider = torch.cat([scores, torch.full((5, 3), 100.0)], dim=1)
    close(fn(wider, lengths), scores[torch.arange(5), lengths - 1], likely=[(torch.full((5,), 100.0), PADDING)],
          otherwise="Three columns of padding were added and the rewards changed.")


@end.case("gradients reach the last token, and nothing else")
def _(fn):
    scores = torch.zeros(2, 4, requires_grad=True)
    got = fn(scores, torch.tensor([2, 4]))
    if not (isinstance(got, Tensor) and got.requires_grad):
        raise Fail("rewards_at_the_end(scores, [2, 4]).requires_grad", "True", "False",
                   "The way back to the scores is lost: index the tensor, without .item(), .tolist() or .detach().")
    got.sum().backward()
    close(scores.grad, torch.tensor([[0.0, 1, 0, 0], [0.0, 0, 0, 1]]), call="gradient of the sum of the rewards",
          otherwise="Only the score at each text's last token may be pulled.")


@end.case("any batch, any lengths")
def _(fn):
    def draw(rng):
        rows, columns = rng.length(), rng.length()
        return rng.normal(rows, columns, scale=3), rng.wholes(1, columns, rows)

    agrees(fn, reward_model.rewards_at_the_end, draw, likely=[
        (lambda scores, lengths: scores[:, -1], PADDING),
        (lambda scores, lengths: scores[torch.arange(len(scores)), lengths - 2], "One too far left: a text of length n ends in column n - 1.")])
    differentiable(fn, draw, reward_model.rewards_at_the_end, wrt=["scores"])


# ---------------------------------------------------------------------------------------------------------------- 10.3

weighing = exercise(
    "10.3", title="How sure were you?", function="confidence_loss", points=2, kind="implement",
    difficulty=2, importance=2, minutes=10, reference="course_lib.preferences.bradley_terry:confidence_loss",
    hints=("First the negative log-likelihood of each label, one number a pair: your loss of 03.1 before its mean.",
           "Then the weighted mean. Divide by what makes it a mean: two labels of weight 1 and one of weight 0 must give the mean "
           "of the two.",
           "With reduction=\"none\" binary_cross_entropy_with_logits gives one number a pair. Multiply by the weights, add up, and "
           "divide by what all weights come to."))


def _nll(d, mu):
    return mu * math.log1p(math.exp(-d)) + (1 - mu) * math.log1p(math.exp(d))


GAPS, MU, WEIGHT = (2.0, -1.0, 0.5), (1.0, 1.0, 0.0), (1.0, 0.25, 0.5)


def _weighted(gaps=GAPS, mu=MU, weight=WEIGHT, total=None):
    return sum(w * _nll(d, m) for d, m, w in zip(gaps, mu, weight, strict=True)) / (total or sum(weight))


@weighing.case("weights that are all 1: the plain loss")
def _(fn):
    got = fn(torch.tensor(GAPS), torch.zeros(3), torch.tensor(MU), torch.ones(3))
    shape_is(got, (), mistake="One number for all pairs is wanted: the weighted mean.")
    close(got, torch.tensor(_weighted(weight=(1, 1, 1))), likely=[
        (3 * _weighted(weight=(1, 1, 1)), "This is the sum. A *mean* does not grow with the number of pairs."),
        (_weighted(gaps=[-g for g in GAPS], weight=(1, 1, 1)), "The difference is the wrong way round: r1 - r2.")])


@weighing.case("a confident label counts more than an unsure one")
def _(fn):
    got = fn(torch.tensor(GAPS), torch.zeros(3), torch.tensor(MU), torch.tensor(WEIGHT))
    scaled = _weighted(gaps=[g * w for g, w in zip(GAPS, WEIGHT, strict=True)], weight=(1, 1, 1))
    target = _weighted(mu=[m * w for m, w in zip(MU, WEIGHT, strict=True)], weight=(1, 1, 1))
    soft = _weighted(mu=[0.5 + (m - 0.5) * w for m, w in zip(MU, WEIGHT, strict=True)], weight=(1, 1, 1))
    close(got, torch.tensor(_weighted()), likely=[
        (_weighted(weight=(1, 1, 1)), "The weights changed nothing."),
        (_weighted(total=3), "You divided by the number of pairs. Divide by the sum of the weights: else unsure labelers make the loss "
                             "small, and with it every step of the training."),
        (_weighted(total=1), "This is the weighted sum. Divide by the sum of the weights."),
        (scaled, "You weighed the *difference of the scores*. That says something else: that an unsure label is about a smaller "
                 "difference. Weight the negative log-likelihood."),
        (target, "You weighed mu: an unsure win of the first then turns into a win of the second. Weight the negative log-likelihood."),
        (soft, "You pulled mu towards 0.5. That is another idea (an unsure label is half a tie) and has its own loss; here an unsure "
               "label says the same, and counts less.")])


@weighing.case("weight 2 is the same label twice; weight 0 is none")
def _(fn):
    twice = fn(torch.tensor([2.0, -1.0, -1.0]), torch.zeros(3), torch.ones(3), torch.ones(3))
    close(fn(torch.tensor([2.0, -1.0, 9.0]), torch.zeros(3), torch.tensor([1.0, 1.0, 0.0]), torch.tensor([1.0, 2.0, 0.0])),
          torch.tensor(float(twice)), otherwise="One label of weight 2 must count like two of weight 1, and one of weight 0 like none.")


@weighing.case("only the ratio of the weights matters")
def _(fn):
    got = fn(torch.tensor(GAPS), torch.zeros(3), torch.tensor(MU), 10 * torch.tensor(WEIGHT))
    close(got, torch.tensor(_weighted()), likely=[
        (_weighted(total=0.3), "Ten times the weights gave ten times the loss: divide by the sum of the weights.")],
        otherwise="All weights were ten times as large, and the loss changed.")


@weighing.case("a difference of 200 stays a number")
def _(fn):
    got = fn(torch.tensor([-200.0, 0.0]), torch.zeros(2), torch.ones(2), torch.tensor([1.0, 1.0]))
    rounded = "At a difference of 200 the sigmoid rounds to 0, and log 0 is no number. Work with the logit, as in 03.1."
    close(got, torch.tensor((200 + math.log(2)) / 2), likely=[(float("inf"), rounded), (float("nan"), rounded)], otherwise=rounded)


@weighing.case("any pairs, any weights, and the gradient of both scores")
def _(fn):
    def draw(rng):
        count = rng.length()
        weight = rng.among([0.0, 0.25, 0.5, 1.0, 3.0], count)
        weight[rng.whole(0, count - 1)] = 0.5                       # at least one counts
        return rng.normal(count, scale=2), rng.normal(count, scale=2), rng.among([0.0, 0.5, 1.0], count), weight

    agrees(fn, bradley_terry.confidence_loss, draw)
    differentiable(fn, draw, bradley_terry.confidence_loss, wrt=["r1", "r2"])


# ---------------------------------------------------------------------------------------------------------------- 10.4

crowd = exercise(
    "10.4", title="What is a majority worth?", function="majority_right", points=2, kind="implement",
    difficulty=2, importance=2, minutes=10, reference="course_lib.labels.statistics:majority_right",
    hints=("In how many ways can exactly two of three raters be right, and how likely is each?",
           "Exactly j of k right: math.comb(k, j) * p**j * (1 - p)**(k - j). Which j make a majority?",
           "Add these for all j with 2 * j > k; where k is even add half of the chance for j = k / 2: a tied vote is a coin."))


@crowd.case("one rater")
def _(fn):
    close(fn(0.7, 1), 0.7, otherwise="The majority of one is that one.")


@crowd.case("three raters")
def _(fn):
    close(fn(0.7, 3), 0.784, likely=[
        (0.343, "This is the chance that all three are right. Two are enough."),
        (0.973, "This is the chance that at least one is right."),
        (0.441, "This is the chance that exactly two are right. Three right are a majority, too."),
        (0.147 + 0.343, "There are three ways in which two of three can be right: multiply by math.comb(3, 2)."),
        (0.7, "With three raters the majority is right more often than one of them."),
        (0.216, "This is the chance that the majority is wrong.")])


@crowd.case("two raters: a tied vote is a coin")
def _(fn):
    close(fn(0.7, 2), 0.7, likely=[
        (0.49, "One against one is no loss: a coin decides, and is right half of the time. Add half of that chance."),
        (0.91, "One against one is no win either: a coin decides. Add *half* of that chance.")])


@crowd.case("guessing stays guessing; five careful raters")
def _(fn):
    close(fn(0.5, 4), 0.5, otherwise="Raters who guess do not get better by being many.")
    close(fn(0.9, 5), 0.99144, otherwise="Add the chances of 3, 4 and 5 right out of 5.")


@crowd.case("any chance, any number of raters")
def _(fn):
    agrees(fn, statistics.majority_right, lambda rng: (rng.one_of((0.0, 0.2, 0.5, 0.7, 0.95, 1.0)), rng.whole(1, 3 + rng.size)))


# ---------------------------------------------------------------------------------------------------------------- 10.5

kappa = exercise(
    "10.5", title="Agreement beyond chance", function="cohen_kappa", points=2, kind="implement",
    difficulty=2, importance=2, minutes=10, reference="course_lib.labels.statistics:cohen_kappa",
    hints=("Two people who both say “first” nine times in ten agree often, even if neither reads. How often?",
           "Chance: for each word, the share of it in one list times its share in the other; add these up over the words.",
           "kappa = (same - chance) / (1 - chance), where `same` is the share of items on which they agree."))


@kappa.case("all the same: 1")
def _(fn):
    close(fn([1, 0, 1, 0.5], [1, 0, 1, 0.5]), 1.0, likely=[
        (0.0, "Turned round: they agree on everything, and that is 1.")], otherwise="They agree on everything: kappa is 1.")


@kappa.case("as much as chance gives: 0")
def _(fn):
    one, other = [1, 1, 0, 0], [1, 0, 1, 0]
    close(fn(one, other), 0.0, likely=[
        (0.5, "This is the share on which they agree. Half of the items is what two coins agree on, too."),
        (-1.0, "Turned round: (same - chance) / (1 - chance).")])


@kappa.case("two people who almost always say “first”")
def _(fn):
    one = [1] * 9 + [0]
    other = [0] + [1] * 9
    close(fn(one, other), (0.8 - 0.82) / 0.18, likely=[
        (0.8, "This is the share on which they agree: 80%. Two people who say “first” nine times in ten agree on 82% by chance."),
        (0.6, "You took chance for one half. Here it is 0.9 * 0.9 + 0.1 * 0.1 = 0.82: count how often each word is used."),
        ((0.8 - 1 / 3) / (2 / 3), "You took chance for one third. Count how often each of them uses each word."),
        (-0.02, "Divide by 1 - chance, so that full agreement is 1."),
        ((0.8 - 0.81) / 0.19, "Chance also makes both say “second”: add up over all words.")])


@kappa.case("the two use the words differently, and ties are a word")
def _(fn):
    one, other = [1, 1, 1, 0.5, 0, 0.5], [1, 1, 0, 0.5, 0, 0]
    same, chance = 4 / 6, (3 * 2 + 2 * 1 + 1 * 3) / 36
    own = (9 + 4 + 1) / 36
    close(fn(one, other), (same - chance) / (1 - chance), likely=[
        ((same - own) / (1 - own), "You squared the shares of one list. Chance needs both: the share in one times the share in the other."),
        ((3 / 4 - 0.5) / 0.5, "You left the ties out. “Equal” is a third word."),
        ((same - 9 / 36) / (1 - 9 / 36), "In chance the ties are missing: both may say “equal” by chance, too. Add up over all words."),
        (same, "This is the share on which they agree; what chance gives is still in it.")])


@kappa.case("any two labelers")
def _(fn):
    def draw(rng):
        one, other = ([rng.one_of((1, 0, 0.5)) for _ in range(rng.size + 1)] for _ in range(2))
        other[0], other[1] = 1, 0                           # kappa is not defined where both always say one thing
        return one, other

    agrees(fn, statistics.cohen_kappa, draw)


# ---------------------------------------------------------------------------------------------------------------- 10.6

predict = exercise(
    "10.6", title="Where would you spend the budget?", function="prediction", points=1, kind="predict",
    difficulty=2, importance=2, minutes=5, reference="checks:prediction",
    hints=("What does each of the two already know before it sees the first label?",
           "A second rater of the same text mostly repeats the first one. What does a rater of another text say?",
           "The pretrained model; the words, because a small transformer must first learn to read; many texts once; rankings."))

CHOICES = {
    "model": ("300 labels on a pretrained model", "10,000 labels on words"),
    "1,000 labels": ("a small transformer from scratch", "words"),
    "4,000 readings": ("2,000 pairs, each text read once", "222 pairs, each text read nine times"),
    "1,200 readings": ("600 pairs", "300 rankings of four"),
}
REASONS = {
    "model": "What a model knew before the first label matters more than thirty times as many labels: see the curves of section 10.9.",
    "1,000 labels": "A new transformer must learn what words are from the same 1,000 labels; the words only need a number each: see the "
                      "curves of section 10.9.",
    "4,000 readings": "The ninth rater of a text mostly repeats the other eight; a rater of another text says something new: section 10.3.",
    "1,200 readings": "A ranking of four holds six comparisons for four readings. They are not independent, but they are more than two: "
                      "section 10.4.",
}


def prediction() -> dict[str, str]:
    """Which of two ways predicts more unseen preferences."""
    return {"model": "first", "1,000 labels": "second", "4,000 readings": "first", "1,200 readings": "second"}


def _predicted(fn, key):
    got = fn()
    if not isinstance(got, dict) or key not in got:
        raise Fail("prediction()", "a dict with the keys " + ", ".join(map(repr, CHOICES)), repr(got)[:80],
                   f"The key {key!r} is missing.")
    if got[key] not in ("first", "second"):
        raise Fail(f"prediction()[{key!r}]", "'first' or 'second'", repr(got[key])[:80], "Choose the first or the second of the two.")
    if got[key] != prediction()[key]:
        raise Fail(f"prediction()[{key!r}]", "the other one", repr(got[key]), REASONS[key])


@predict.case("a pretrained model or more labels")
def _(fn):
    _predicted(fn, "model")


@predict.case("a small transformer or words")
def _(fn):
    _predicted(fn, "1,000 labels")


@predict.case("many texts once or few texts often")
def _(fn):
    _predicted(fn, "4,000 readings")


@predict.case("pairs or rankings")
def _(fn):
    _predicted(fn, "1,200 readings")
