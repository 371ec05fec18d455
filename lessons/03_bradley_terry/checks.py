"""What the answers to lesson 03's exercises must do."""

import math

import torch

from course_lib.exercises import Fail, agrees, close, differentiable, exercise, shape_is
from course_lib.preferences import bradley_terry, evaluation

# ---------------------------------------------------------------------------------------------------------------- 03.1

loss = exercise(
    "03.1", title="The Bradley–Terry loss", function="bradley_terry_loss", points=2, kind="implement",
    difficulty=2, importance=3, minutes=10, reference="course_lib.preferences.bradley_terry:bradley_terry_loss",
    hints=("The only thing that matters about two scores is their difference. Which function turns it into a probability?",
           "For one pair the negative log-likelihood is -(mu * log p + (1 - mu) * log(1 - p)) with p = sigmoid(r1 - r2). "
           "Take the mean over the pairs.",
           "PyTorch has this loss, safe for large differences, under the name "
           "F.binary_cross_entropy_with_logits(logits, target). What is the logit, and what is the target?"))


def nll(d: float, mu: float) -> float:
    """The loss of one pair with difference d, by hand."""
    return mu * math.log1p(math.exp(-d)) + (1 - mu) * math.log1p(math.exp(d))


@loss.case("equal scores, first preferred: log 2")
def _(fn):
    got = fn(torch.tensor([0.5]), torch.tensor([0.5]), torch.tensor([1.0]))
    shape_is(got, (), mistake="One number for all pairs is wanted: take the mean.")
    close(got, torch.tensor(math.log(2)), likely=[
        (0.5, "This is the probability. The loss is the negative log-likelihood: minus its logarithm."),
        (-math.log(2), "A sign is missing: the loss is minus log p.")])


@loss.case("the preferred side has the higher score: a small loss")
def _(fn):
    close(fn(torch.tensor([2.0]), torch.tensor([0.0]), torch.tensor([1.0])), torch.tensor(nll(2, 1)), likely=[
        (nll(2, 0), "This is the loss of the opposite label: is the logit r1 - r2, or r2 - r1?"),
        (1 / (1 + math.exp(2)), "This is 1 - p. The loss is -log p.")])


@loss.case("several pairs: the mean, with mu = 0 as second preferred")
def _(fn):
    r1, r2, mu = torch.tensor([1.0, -0.5, 3.0]), torch.tensor([0.0, 1.0, 1.0]), torch.tensor([1.0, 0.0, 0.0])
    each = [nll(1, 1), nll(-1.5, 0), nll(2, 0)]
    close(fn(r1, r2, mu), torch.tensor(sum(each) / 3), likely=[
        (sum(each), "This is the sum. Take the mean, so that the loss does not grow with the number of pairs."),
        ((nll(1, 1) + nll(-1.5, 1) + nll(2, 1)) / 3,
         "Your loss does not look at mu: it takes the first as preferred in every pair.")])


@loss.case("a tie, mu = 0.5, has the smallest loss for equal scores")
def _(fn):
    r1, r2, mu = torch.tensor([0.0, 2.0]), torch.tensor([0.0, 0.0]), torch.tensor([0.5, 0.5])
    close(fn(r1, r2, mu), torch.tensor((math.log(2) + nll(2, 0.5)) / 2), likely=[
        ((math.log(2) + nll(2, 1)) / 2, "A tie was taken as a win of the first: let mu itself weigh both logarithms."),
        ((math.log(2) + nll(2, 0)) / 2, "A tie was taken as a win of the second: let mu itself weigh both logarithms."),
        (0.0, "A tie was left out. It is a label: both are equally likely to be preferred.")])


@loss.case("a difference of 200 stays finite")
def _(fn):
    got = fn(torch.tensor([0.0]), torch.tensor([200.0]), torch.tensor([1.0]))
    close(got, torch.tensor(200.0), likely=[
        (float("inf"), "sigmoid(-200) rounds to 0 and its logarithm is minus infinity. Work with the logit: logsigmoid or "
                       "binary_cross_entropy_with_logits never take the logarithm of a rounded 0."),
        (float("nan"), "0 * log 0 is not a number. Work with the logit: logsigmoid or binary_cross_entropy_with_logits."),
        (100.0, "binary_cross_entropy cuts the loss at 100 and with it the gradient. Give the logit to "
                "binary_cross_entropy_with_logits instead.")],
        otherwise="The loss of a label against a difference of 200 is 200. Work with the logit, "
                  "not with a probability that was rounded or clamped.")


@loss.case("gradients flow to both scores")
def _(fn):
    r1, r2 = torch.tensor([1.0], requires_grad=True), torch.tensor([0.0], requires_grad=True)
    got = fn(r1, r2, torch.tensor([0.0]))
    if not (isinstance(got, torch.Tensor) and got.requires_grad):
        raise Fail("loss.requires_grad", "True", "False", "No gradient flows back to the scores: keep everything in "
                   "tensors, without .item(), .detach() or numpy.")
    got.backward()
    up = 1 / (1 + math.exp(-1))
    close(torch.cat([r1.grad, r2.grad]), torch.tensor([up, -up]), call="gradients of (r1, r2) for r1 = [1], r2 = [0], mu = [0]",
          otherwise="The gradient is p - mu for the first score and the opposite for the second.")


def _pairs(rng):
    """Scores of any pairs, some of them far apart, and labels of all sorts."""
    count = rng.length()
    r1, r2 = rng.normal(count, scale=2), rng.normal(count, scale=2)
    return r1 + rng.among([0.0, 0.0, 0.0, 200.0, -200.0], count), r2, rng.among([0.0, 1.0, 0.5, 0.25], count)


@loss.case("any pairs, and the gradient of both scores")
def _(fn):
    agrees(fn, bradley_terry.bradley_terry_loss, _pairs, likely=[
        (lambda r1, r2, mu: bradley_terry.bradley_terry_loss(r2, r1, mu), "The difference is the wrong way round: r1 - r2."),
        (lambda r1, r2, mu: bradley_terry.bradley_terry_loss(r1, r2, mu) * len(mu), "This is the sum. Take the mean over the pairs."),
        (lambda r1, r2, mu: bradley_terry.bradley_terry_loss(r1, r2, (mu > 0.5).float()),
         "mu was rounded to a win or a loss: let mu itself weigh both logarithms.")])
    differentiable(fn, _pairs, bradley_terry.bradley_terry_loss, wrt=["r1", "r2"])


@loss.case("only the difference counts, and a pair may be named the other way round")
def _(fn):
    r1, r2, mu = torch.tensor([1.0, -0.5, 3.0]), torch.tensor([0.0, 1.0, 1.5]), torch.tensor([1.0, 0.0, 0.5])
    before = torch.as_tensor(fn(r1, r2, mu))
    close(fn(r1 + 10, r2 + 10, mu), before, rtol=1e-3, otherwise="Both scores grew by 10, no preference changed, and the loss did.")
    close(fn(r2, r1, 1 - mu), before, otherwise="The same pairs, with first and second exchanged, have another loss.")


# ---------------------------------------------------------------------------------------------------------------- 03.2

targets = exercise(
    "03.2", title="From clicks to targets", function="choices_to_targets", points=2, kind="implement",
    difficulty=2, importance=3, minutes=10, reference="course_lib.preferences.bradley_terry:choices_to_targets",
    hints=("Two questions for each pair: does it have a label at all, and which item did the person mean?",
           "When a pair was flipped, its first item stood on the right. What does \"left\" then say about the first item? "
           "And what does flipping change about \"equal\"?",
           "Go through the pairs with enumerate, which counts positions for you; pass over \"skip\". The first item was meant in "
           "two cases: \"left\" and not flipped, \"right\" and flipped."))


def _both(fn, choices, flipped):
    got = fn(choices, flipped)
    call = f"choices_to_targets({choices}, {flipped})"
    if not isinstance(got, tuple | list) or len(got) != 2 or any(isinstance(part, int | float) for part in got):
        raise Fail(call, "two things: (kept positions, targets)", f"{type(got).__name__}",
                   "Return two lists or tensors: which pairs are kept, and mu for each of them.")
    return got[0], got[1], call


@targets.case("clicks on pairs that were not flipped")
def _(fn):
    kept, mu, call = _both(fn, ["left", "right"], [False, False])
    close(list(map(int, kept)), [0, 1], call=call + "[0]")
    close(list(map(float, mu)), [1.0, 0.0], call=call + "[1]", likely=[
        ([0.0, 1.0], "The sides are the wrong way round: unflipped, the first item stands on the left.")])


@targets.case("a flipped pair: left means the second item")
def _(fn):
    _, mu, call = _both(fn, ["left", "right", "left"], [True, True, False])
    close(list(map(float, mu)), [0.0, 1.0, 1.0], call=call + "[1]", likely=[
        ([1.0, 0.0, 1.0], "You took the click as it is. Where a pair was flipped its first item stood on the right, so a "
                          "click on the left prefers the second."),
        ([1.0, 0.0, 0.0], "Only flipped pairs are turned back; yours turns the others.")])


@targets.case("equal is a label: 0.5, flipped or not")
def _(fn):
    kept, mu, call = _both(fn, ["equal", "equal", "left"], [False, True, False])
    if len(list(kept)) == 1:
        raise Fail(call, "three pairs kept", "one pair kept",
                   "You left the ties out. A tie says that the two are equally good: keep it, with mu = 0.5.")
    close(list(map(float, mu)), [0.5, 0.5, 1.0], call=call + "[1]",
          otherwise="\"equal\" becomes 0.5: half a win for each side, and turning 0.5 round leaves 0.5.")


@targets.case("skip is not a label: left out, positions stay those of the pairs")
def _(fn):
    kept, mu, call = _both(fn, ["skip", "left", "skip", "equal", "right"], [False, False, True, True, True])
    kept, mu = list(map(int, kept)), list(map(float, mu))
    if len(kept) == 5:
        raise Fail(call, "three pairs kept", "all five kept", "\"skip\" means: no label. A pair that nobody could compare "
                   "teaches nothing; as 0.5 it would claim that the two are equally good.")
    close(kept, [1, 3, 4], call=call + "[0]", likely=[
        ([0, 1, 2], "These are positions in the shortened list. The caller needs to know which of *their* pairs you kept.")])
    close(mu, [1.0, 0.5, 1.0], call=call + "[1]")


@targets.case("nothing but skips: two empty results")
def _(fn):
    kept, mu, call = _both(fn, ["skip", "skip"], [False, True])
    close([len(list(kept)), len(list(mu))], [0, 0], call=call, otherwise="Nothing was labelled, so nothing is kept.")


def _first_of_its_kind(choices, flipped):
    kept, mu = bradley_terry.choices_to_targets(choices, flipped)
    return [choices.index(choices[position]) for position in kept.tolist()], mu.tolist()


def _targets(choices, flipped):
    kept, mu = bradley_terry.choices_to_targets(choices, flipped)
    return kept.tolist(), mu.tolist()


@targets.case("any clicks in any order")
def _(fn):
    def draw(rng):
        count = rng.length() + 1
        return [rng.one_of(("left", "right", "equal", "skip")) for _ in range(count)], [rng.chance() for _ in range(count)]

    def two_lists(got):
        return [int(position) for position in got[0]], [float(target) for target in got[1]]

    agrees(fn, _targets, draw, read=two_lists, names=("kept", "mu"), likely=[
        (_first_of_its_kind, "`choices.index(choice)` finds the *first* pair with such a click, not this one: count the positions, for "
                             "example with enumerate.")])


# ---------------------------------------------------------------------------------------------------------------- 03.3

predict = exercise(
    "03.3", title="What does not change", function="prediction", points=1, kind="predict",
    difficulty=1, importance=2, minutes=5, reference="checks:prediction",
    hints=("Write r1 - r2 down for each of the four changes.",
           "Only the difference enters the probability: a change that leaves it alone changes nothing.",
           "Differences: before 0.7; then 0.7, 1.4, 0.35, -0.7. A larger difference means a probability farther from 1/2: surer."))

WORDS = ("same", "surer", "less sure", "reversed")


def prediction() -> dict[str, str]:
    """What happens to P(first preferred) when both scores are changed."""
    return {"add 100": "same", "double": "surer", "halve": "less sure", "change signs": "reversed"}


def _predicted(fn, key):
    got = fn()
    if not isinstance(got, dict) or key not in got:
        raise Fail("prediction()", "a dict with the keys " + ", ".join(map(repr, prediction())), repr(got)[:80],
                   f"The key {key!r} is missing.")
    if got[key] not in WORDS:
        raise Fail(f"prediction()[{key!r}]", " or ".join(map(repr, WORDS)), repr(got[key])[:80], "Choose one of the four words.")
    return got[key]


@predict.case("adding 100 to both scores")
def _(fn):
    if (got := _predicted(fn, "add 100")) != "same":
        raise Fail("prediction()['add 100']", "another word", repr(got),
                   "Write down r1 - r2 before and after: (0.8 + 100) - (0.1 + 100). Scores have no zero point.")


@predict.case("doubling and halving both scores")
def _(fn):
    for key in ("double", "halve"):
        if (got := _predicted(fn, key)) != prediction()[key]:
            raise Fail(f"prediction()[{key!r}]", "another word", repr(got),
                       "The difference grows or shrinks with the scores, and the probability moves away from 1/2 or nearer to it: "
                       "the scale says how sure the rater is.")


@predict.case("changing both signs")
def _(fn):
    if (got := _predicted(fn, "change signs")) != "reversed":
        raise Fail("prediction()['change signs']", "another word", repr(got),
                   "r1 - r2 = 0.7 becomes -0.7, and sigmoid(-0.7) = 1 - sigmoid(0.7): the other side is preferred.")


# ---------------------------------------------------------------------------------------------------------------- 03.4

bug = exercise(
    "03.4", title="Find the silent bug: strengths that come out too large", function="fit_by_gradient", points=2, kind="bug",
    difficulty=2, importance=2, minutes=10, reference="course_lib.preferences.bradley_terry:fit_strengths",
    hints=("Nothing crashes and the order is right. Compare the fitted probability of a lopsided pair with its win share.",
           "Follow one number: how many times does a difference of strengths pass through a sigmoid before it meets the log?",
           "binary_cross_entropy_with_logits applies a sigmoid itself. Is what it is given a logit or a probability?"))

DOUBLE_SIGMOID = ("The order is right but the strengths do not fit: a pair that is won 3 times out of 4 must come out with "
                  "probability 0.75. How many sigmoids stand between the difference and the logarithm?")


@bug.case("two items, one wins 3 of 4: the strengths differ by log 3")
def _(fn):
    got = fn(torch.tensor([[0.0, 3.0], [1.0, 0.0]]))
    shape_is(got, (2,))
    close(got[0] - got[1], torch.tensor(math.log(3)), atol=0.02, call="s = fit_by_gradient([[0, 3], [1, 0]]); s[0] - s[1]",
          likely=[(-math.log(3), "The losers come out on top: who beat whom was turned round.")], otherwise=DOUBLE_SIGMOID)


@bug.case("three items: fitted probabilities match the win shares")
def _(fn):
    s = torch.tensor([1.2, 0.0, -0.9])
    wins = 100 * torch.sigmoid(s[:, None] - s[None, :])
    close(fn(wins), s - s.mean(), atol=0.02, call="fit_by_gradient(a table made with strengths 1.2, 0 and -0.9)", otherwise=DOUBLE_SIGMOID,
          likely=[(s - s.mean() + 1, "Right up to a constant: subtract the mean, so that two fits can be compared.")])


@bug.case("the mean of the strengths is zero", given=True)
def _(fn):
    wins = torch.tensor([[0.0, 9.0, 8.0], [1.0, 0.0, 5.0], [2.0, 5.0, 0.0]])
    close(fn(wins).mean(), torch.tensor(0.0), atol=1e-4, call="fit_by_gradient(...).mean()",
          otherwise="Only differences are real: subtract the mean, so that two fits can be compared.")


# ---------------------------------------------------------------------------------------------------------------- 03.5

robust = exercise(
    "03.5", title="Assume that some labels are random", function="robust_loss", points=3, kind="implement",
    difficulty=3, importance=2, minutes=15, reference="course_lib.preferences.bradley_terry:bradley_terry_loss",
    hints=("With probability error_rate the label is random, otherwise it follows Bradley–Terry. Write P(first) for that.",
           "p = (1 - error_rate) * sigmoid(r1 - r2) + error_rate / 2, and 1 - p in the same way with r2 - r1.",
           "With error_rate above 0 no probability is below error_rate / 2, so its logarithm is safe. Then all goes as in 03.1: mu weighs "
           "the one logarithm, 1 - mu the other."))


def _robust(d, mu, e):
    p = (1 - e) / (1 + math.exp(-d)) + e / 2
    return -(mu * math.log(p) + (1 - mu) * math.log(1 - p))


@robust.case("one clear label, error rate 10%")
def _(fn):
    got = fn(torch.tensor([3.0]), torch.tensor([0.0]), torch.tensor([1.0]), 0.1)
    shape_is(got, (), mistake="One number for all pairs is wanted: take the mean.")
    close(got, torch.tensor(_robust(3, 1, 0.1)), likely=[
        (nll(3, 1), "error_rate changed nothing: mix the random label into the probability, before the logarithm."),
        (0.9 * nll(3, 1) + 0.05 * (nll(3, 1) + nll(3, 0)),
         "You mixed the losses (label smoothing). Mix the probabilities, before the logarithm."),
        (-math.log(0.9 / (1 + math.exp(-3)) + 0.1 / (1 + math.exp(3))), "You reversed a share of the labels. A random label is right half "
         "of the time: add error_rate / 2, whatever the scores are."),
        (-math.log(0.9 / (1 + math.exp(-3))), "A random label is right half of the time: add error_rate / 2."),
        (-math.log(0.9 / (1 + math.exp(-3)) + 0.1), "A random label prefers either side with 1/2: add error_rate / 2, not error_rate.")])


@robust.case("error rate 0: the plain loss")
def _(fn):
    close(fn(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0]), torch.tensor([1.0, 1.0]), 0.0),
          torch.tensor((nll(1, 1) + nll(-2, 1)) / 2), likely=[
              (nll(1, 1) + nll(-2, 1), "This is the sum. Take the mean.")])


@robust.case("one label adds at most -log(error_rate / 2)")
def _(fn):
    close(fn(torch.tensor([0.0]), torch.tensor([300.0]), torch.tensor([1.0]), 0.1), torch.tensor(-math.log(0.05)), likely=[
        (300.0, "error_rate changed nothing: mix the random label into the probability, before the logarithm."),
        (0.9 * 300 + 0.05 * 300, "You mixed the losses, and the loss still grows without bound. Mix the probabilities.")])


@robust.case("ties and wins of the second, averaged")
def _(fn):
    r1, r2, mu = torch.tensor([0.4, 2.0, -1.0]), torch.zeros(3), torch.tensor([0.5, 0.0, 0.0])
    each = [_robust(0.4, 0.5, 0.2), _robust(2, 0, 0.2), _robust(-1, 0, 0.2)]
    close(fn(r1, r2, mu, 0.2), torch.tensor(sum(each) / 3), likely=[
        (sum(each), "This is the sum. Take the mean.")],
        otherwise="Check the second half: (1 - mu) * log of the probability that the second is preferred.")


@robust.case("any pairs, any error rate, and the gradient of both scores")
def _(fn):
    def draw(rng):
        r1, r2, mu = _pairs(rng)
        rate = rng.one_of((0.0, 0.05, 0.1, 0.5))
        return (r1 if rate else rng.normal(len(r1)), r2, mu, rate)

    agrees(fn, bradley_terry.bradley_terry_loss, draw)
    differentiable(fn, draw, bradley_terry.bradley_terry_loss, wrt=["r1", "r2"])


@robust.case("gradients stay finite")
def _(fn):
    r1 = torch.tensor([0.0, 500.0], requires_grad=True)
    fn(r1, torch.tensor([500.0, 0.0]), torch.tensor([1.0, 1.0]), 0.1).backward()
    if r1.grad is None or not torch.isfinite(r1.grad).all():
        raise Fail("gradient of robust_loss([0, 500], [500, 0], [1, 1], 0.1)", "finite numbers", repr(r1.grad),
                   "Somewhere a 0 * infinity hides. Use sigmoid(r2 - r1) for the second side and torch.log of the mixture.")


# ---------------------------------------------------------------------------------------------------------------- 03.6

agreement = exercise(
    "03.6", title="How well do people predict people?", function="leave_one_out_agreement", points=2, kind="implement",
    difficulty=2, importance=2, minutes=15, reference="course_lib.preferences.evaluation:leave_one_out_agreement",
    hints=("A comparison was made by two people. What do all the others say, without those two?",
           "For each text: (sum of its ratings - the drawn rating) / (number of ratings - 1). Compare the two means.",
           "Agreement is 1 when the means differ the same way as the two drawn ratings, 0 when the other way, 0.5 when "
           "the means are equal; the result is the mean over the pairs."))


@agreement.case("everyone agrees")
def _(fn):
    close(fn([[3, 3, 2]], [0], [[-1, 0, -2]], [1]), 1.0, likely=[
        (0.0, "Everybody rated the first text higher, the two drawn raters as well: this label is predicted. Is a comparison turned round?")])


@agreement.case("another rater may have given the same number")
def _(fn):
    close(fn([[3, 3, -2]], [0], [[0, 1, -1]], [0]), 1.0, likely=[
        (0.0, "You left out every rating that equals the drawn one. Another rater gave the same number, a 3, and still counts: leave "
              "out one *position*, first_rater, not a value.")])


@agreement.case("the drawn raters do not vote twice")
def _(fn):
    close(fn([[4, 0, 0]], [0], [[1, 1, 1]], [0]), 0.0, likely=[
        (1.0, "The drawn ratings, 4 and 1, are still in the means, so the rater agrees with a copy of themselves. Leave them out.")])


@agreement.case("equal means count as half right")
def _(fn):
    close(fn([[2, 1, 1]], [0], [[0, 1, 1]], [0]), 0.5, likely=[
        (0.0, "The means of the others are equal. A random prediction is right half of the time: count 0.5."),
        (1.0, "The means of the others are equal. A random prediction is right half of the time: count 0.5.")])


@agreement.case("several pairs with different numbers of raters")
def _(fn):
    first = [[2, 2, 3, 1], [0, -1], [4, -4, -4], [1, 2]]
    second = [[0, 0, 1], [1, 1, 1], [0, 0], [1, 0, 2]]
    close(fn(first, [0, 0, 0, 0], second, [0, 0, 0, 1]), 0.75, likely=[
        (1.0, "The drawn ratings are still in the means."),
        (0.25, "The share that *disagrees* came out: compare the sign of both differences.")],
        otherwise="Divide by the number of the others, which differs from text to text, and take the mean over the pairs.")


@agreement.case("any ratings")
def _(fn):
    def draw(rng):
        first, i, second, j = [], [], [], []
        while len(first) < rng.size:
            one, other = ([rng.whole(-2, 2) for _ in range(rng.whole(2, 4))] for _ in range(2))
            a, b = rng.whole(0, len(one) - 1), rng.whole(0, len(other) - 1)
            if one[a] != other[b]:                          # equal ratings made no label
                first, i, second, j = [*first, one], [*i, a], [*second, other], [*j, b]
        return first, i, second, j

    agrees(fn, evaluation.leave_one_out_agreement, draw)
