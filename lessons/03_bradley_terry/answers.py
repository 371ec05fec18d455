"""Right answers in other words, and plausible wrong ones with the message each must get."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.authoring.answers import excused, right, wrong

# ---------------------------------------------------------------------------------------------------------------- 03.1


@right("03.1")
def with_logsigmoid(r1, r2, mu):
    d = r1 - r2
    return -(mu * F.logsigmoid(d) + (1 - mu) * F.logsigmoid(-d)).mean()


@right("03.1")
def with_a_loop_in_float64(r1, r2, mu):
    total = torch.zeros((), dtype=torch.float64)
    for a, b, m in zip(r1.double(), r2.double(), mu.double(), strict=True):
        total = total + m * F.softplus(b - a) + (1 - m) * F.softplus(a - b)
    return total / len(mu)


@right("03.1")
def as_a_softmax_over_two(r1, r2, mu):
    logp = F.log_softmax(torch.stack([r1, r2], dim=-1), dim=-1)
    return -(torch.stack([mu, 1 - mu], dim=-1) * logp).sum(-1).mean()


@wrong("03.1", says="r1 - r2, or r2 - r1")
def logit_turned_round(r1, r2, mu):
    return F.binary_cross_entropy_with_logits(r2 - r1, mu)


@wrong("03.1", says="take the mean")
def sum_of_the_pairs(r1, r2, mu):
    return F.binary_cross_entropy_with_logits(r1 - r2, mu, reduction="sum")


@wrong("03.1", says="does not look at mu")
def winner_always_first(r1, r2, mu):
    return -F.logsigmoid(r1 - r2).mean()


@wrong("03.1", says="rounds to 0")
def log_of_a_rounded_probability(r1, r2, mu):
    p = torch.sigmoid(r1 - r2)
    return -torch.where(mu == 1, p.log(), torch.where(mu == 0, (1 - p).log(), 0.5 * p.log() + 0.5 * (1 - p).log())).mean()


@wrong("03.1", says="cuts the loss at 100")
def cross_entropy_of_a_probability(r1, r2, mu):
    return F.binary_cross_entropy(torch.sigmoid(r1 - r2), mu)


@wrong("03.1", says="tie was taken as a win of the second")
def ties_as_losses(r1, r2, mu):
    return F.binary_cross_entropy_with_logits(r1 - r2, (mu > 0.5).float())


@wrong("03.1", says="This is the probability")
def a_probability_for_a_loss(r1, r2, mu):
    return torch.sigmoid(r2 - r1).mean()


@wrong("03.1", says="No gradient flows back")
def detached(r1, r2, mu):
    return F.binary_cross_entropy_with_logits((r1 - r2).detach(), mu)


# ---------------------------------------------------------------------------------------------------------------- 03.2


@right("03.2")
def with_tensors(choices, flipped):
    kept = [i for i, choice in enumerate(choices) if choice != "skip"]
    table = {("left", False): 1.0, ("left", True): 0.0, ("right", False): 0.0, ("right", True): 1.0}
    mu = [table.get((choices[i], bool(flipped[i])), 0.5) for i in kept]
    return torch.tensor(kept, dtype=torch.long), torch.tensor(mu)


@right("03.2")
def with_numpy(choices, flipped):
    choices, flipped = np.array(choices), np.array(flipped)
    mu = np.where(choices == "equal", 0.5, (choices == "left") ^ flipped)
    kept = np.flatnonzero(choices != "skip")
    return kept, mu[kept].astype(float)


@wrong("03.2", says="You took the click as it is")
def forgets_the_flip(choices, flipped):
    kept = [i for i, c in enumerate(choices) if c != "skip"]
    return kept, [{"left": 1.0, "right": 0.0, "equal": 0.5}[choices[i]] for i in kept]


@wrong("03.2", says="You left the ties out")
def leaves_ties_out(choices, flipped):
    kept = [i for i, c in enumerate(choices) if c in ("left", "right")]
    return kept, [float((choices[i] == "left") != flipped[i]) for i in kept]


@wrong("03.2", says="no label")
def skip_as_a_tie(choices, flipped):
    return list(range(len(choices))), [0.5 if c in ("equal", "skip") else float((c == "left") != f)
                                       for c, f in zip(choices, flipped, strict=True)]


@wrong("03.2", says="positions in the shortened list")
def positions_after_dropping(choices, flipped):
    left = [(c, f) for c, f in zip(choices, flipped, strict=True) if c != "skip"]
    return list(range(len(left))), [0.5 if c == "equal" else float((c == "left") != f) for c, f in left]


@wrong("03.2", says="finds the *first* pair")
def positions_by_index(choices, flipped):
    kept = [choices.index(choice) for choice in choices if choice != "skip"]
    return kept, [0.5 if c == "equal" else float((c == "left") != f) for c, f in zip(choices, flipped, strict=True) if c != "skip"]


@wrong("03.2", says="wrong way round")
def left_means_second(choices, flipped):
    kept = [i for i, c in enumerate(choices) if c != "skip"]
    return kept, [0.5 if choices[i] == "equal" else float((choices[i] == "right") != flipped[i]) for i in kept]


@wrong("03.2", says="Return two lists")
def only_the_targets(choices, flipped):
    return [0.5 if c == "equal" else float((c == "left") != f) for c, f in zip(choices, flipped, strict=True) if c != "skip"]


# ---------------------------------------------------------------------------------------------------------------- 03.3


@right("03.3")
def keys_in_another_order():
    return {"change signs": "reversed", "halve": "less sure", "double": "surer", "add 100": "same"}


@right("03.3")
def built_with_dict():
    return dict([("add 100", "same"), ("double", "surer"), ("halve", "less sure"), ("change signs", "reversed")])


@wrong("03.3", says="no zero point")
def adding_makes_surer():
    return {"add 100": "surer", "double": "surer", "halve": "less sure", "change signs": "reversed"}


@wrong("03.3", says="scale says how sure")
def scale_does_nothing():
    return {"add 100": "same", "double": "same", "halve": "same", "change signs": "reversed"}


@wrong("03.3", says="the other side is preferred")
def signs_do_nothing():
    return {"add 100": "same", "double": "surer", "halve": "less sure", "change signs": "same"}


@wrong("03.3", says="Choose one of the four words")
def in_other_words():
    return {"add 100": "no change", "double": "surer", "halve": "less sure", "change signs": "reversed"}


@wrong("03.3", says="is missing")
def one_forgotten():
    return {"double": "surer", "halve": "less sure", "change signs": "reversed"}


# ---------------------------------------------------------------------------------------------------------------- 03.4


@right("03.4")
def by_zermelos_iteration(wins):
    wins = torch.as_tensor(wins, dtype=torch.float64)
    games, strength = wins + wins.T, torch.ones(len(wins), dtype=torch.float64)
    for _ in range(500):
        strength = wins.sum(1) / (games / (strength[:, None] + strength[None, :])).sum(1)
    return strength.log() - strength.log().mean()


@right("03.4")
def by_lbfgs_on_pairs(wins):
    wins = torch.as_tensor(wins, dtype=torch.float64)
    i, j = torch.where(wins > 0)
    s = torch.zeros(len(wins), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([s], max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = -(wins[i, j] * F.logsigmoid(s[i] - s[j])).sum() / wins.sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return (s - s.mean()).detach()


def _descend(wins, nll, centre=True, steps=400):
    wins = torch.as_tensor(wins, dtype=torch.float32)
    s = torch.zeros(len(wins), requires_grad=True)
    optimizer = torch.optim.Adam([s], lr=0.1)
    for _ in range(steps):
        loss = (wins * nll(s[:, None] - s[None, :])).sum() / wins.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (s - s.mean() if centre else s + 1).detach()


@wrong("03.4", says="How many sigmoids")
def two_sigmoids(wins):
    return _descend(wins, lambda gap: -F.logsigmoid(torch.sigmoid(gap)))


@wrong("03.4", says="losers come out on top")
def who_beat_whom_turned_round(wins):
    return _descend(wins, lambda gap: -F.logsigmoid(-gap))


@wrong("03.4", says="How many sigmoids")
def probability_without_a_logarithm(wins):
    return torch.tanh(_descend(wins, lambda gap: -F.logsigmoid(gap)))


@wrong("03.4", says="subtract the mean")
def not_centred(wins):
    return _descend(wins, lambda gap: -F.logsigmoid(gap)) + 1


# ---------------------------------------------------------------------------------------------------------------- 03.5


@right("03.5")
def in_log_space(r1, r2, mu, error_rate):
    if error_rate == 0:
        return F.binary_cross_entropy_with_logits(r1 - r2, mu)
    floor = torch.full_like(r1, math.log(error_rate / 2))
    first = torch.logaddexp(math.log(1 - error_rate) + F.logsigmoid(r1 - r2), floor)
    second = torch.logaddexp(math.log(1 - error_rate) + F.logsigmoid(r2 - r1), floor)
    return -(mu * first + (1 - mu) * second).mean()


@right("03.5")
def pair_by_pair_in_float64(r1, r2, mu, error_rate):
    losses = []
    for a, b, m in zip(r1.double(), r2.double(), mu.double(), strict=True):
        p = error_rate / 2 + (1 - error_rate) / (1 + torch.exp((b - a).clamp(max=600)))
        q = error_rate / 2 + (1 - error_rate) / (1 + torch.exp((a - b).clamp(max=600)))
        losses.append(-m * p.log() - (1 - m) * q.log())
    return torch.stack(losses).mean()


@wrong("03.5", says="error_rate changed nothing")
def ignores_the_error_rate(r1, r2, mu, error_rate):
    return F.binary_cross_entropy_with_logits(r1 - r2, mu)


@right("03.5")
def with_plain_logarithms(r1, r2, mu, error_rate):
    p = (1 - error_rate) * torch.sigmoid(r1 - r2) + error_rate / 2
    return -(mu * p.log() + (1 - mu) * (1 - p).log()).mean()


@wrong("03.5", says="You reversed a share of the labels")
def turns_labels_round(r1, r2, mu, error_rate):
    p = torch.sigmoid(r1 - r2)
    p = (1 - error_rate) * p + error_rate * (1 - p)
    return -(mu * p.log() + (1 - mu) * (1 - p).log()).mean()


@wrong("03.5", says="You mixed the losses")
def smooths_the_labels(r1, r2, mu, error_rate):
    return F.binary_cross_entropy_with_logits(r1 - r2, (1 - error_rate) * mu + error_rate / 2)


@wrong("03.5", says="A random label is right half of the time: add")
def forgets_that_random_can_be_right(r1, r2, mu, error_rate):
    p, q = (1 - error_rate) * torch.sigmoid(r1 - r2), (1 - error_rate) * torch.sigmoid(r2 - r1)
    return -(mu * p.log() + (1 - mu) * q.log()).mean()


@wrong("03.5", says="error_rate / 2, not error_rate")
def random_for_one_side_only(r1, r2, mu, error_rate):
    p = (1 - error_rate) * torch.sigmoid(r1 - r2) + error_rate
    q = (1 - error_rate) * torch.sigmoid(r2 - r1) + error_rate
    return -(mu * p.log() + (1 - mu) * q.log()).mean()


@wrong("03.5", says="Take the mean")
def a_sum_of_pairs(r1, r2, mu, error_rate):
    p = (1 - error_rate) * torch.sigmoid(r1 - r2) + error_rate / 2
    q = (1 - error_rate) * torch.sigmoid(r2 - r1) + error_rate / 2
    return -(mu * p.log() + (1 - mu) * q.log()).sum()


# ---------------------------------------------------------------------------------------------------------------- 03.6


def _agreement(first_ratings, first_rater, second_ratings, second_rater, others, tie=0.5, turn=False):
    votes = []
    for a, i, b, j in zip(first_ratings, first_rater, second_ratings, second_rater, strict=True):
        gap = others(a, i) - others(b, j)
        votes.append(tie if gap == 0 else float(((gap > 0) == (a[i] > b[j])) != turn))
    return sum(votes) / len(votes)


@right("03.6")
def by_deleting_the_rater(*args):
    return _agreement(*args, others=lambda r, k: sum(r[:k] + r[k + 1:]) / len(r[:k] + r[k + 1:]))


@right("03.6")
def with_numpy_and_signs(first_ratings, first_rater, second_ratings, second_rater):
    total = 0.0
    for a, i, b, j in zip(map(np.array, first_ratings), first_rater, map(np.array, second_ratings), second_rater, strict=True):
        gap = np.delete(a, i).mean() - np.delete(b, j).mean()
        total += 0.5 * (1 + np.sign(gap) * np.sign(a[i] - b[j]))
    return np.float32(total / len(first_rater))


@wrong("03.6", says="a copy of themselves")
def raters_vote_twice(*args):
    return _agreement(*args, others=lambda r, k: sum(r) / len(r))


@right("03.6")
def by_removing_one_copy(*args):
    def others(ratings, k):
        left = list(ratings)
        left.remove(ratings[k])
        return sum(left) / len(left)
    return _agreement(*args, others=others)


@wrong("03.6", says="leave out one *position*")
def leaves_out_the_value(*args):
    def others(ratings, k):
        left = [rating for rating in ratings if rating != ratings[k]]
        return sum(left) / max(1, len(left))
    return _agreement(*args, others=others)


@wrong("03.6", says="The means of the others are equal")
def equal_means_are_wrong(*args):
    return _agreement(*args, others=lambda r, k: (sum(r) - r[k]) / (len(r) - 1), tie=0.0)


@wrong("03.6", says="The means of the others are equal")
def equal_means_are_right(*args):
    return _agreement(*args, others=lambda r, k: (sum(r) - r[k]) / (len(r) - 1), tie=1.0)


@wrong("03.6", says="Divide by the number of the others")
def sums_for_means(*args):
    return _agreement(*args, others=lambda r, k: sum(r) - r[k])


@wrong("03.6", says="disagrees")
def share_of_disagreement(first_ratings, first_rater, second_ratings, second_rater):
    args = (first_ratings, first_rater, second_ratings, second_rater)
    others = lambda r, k: (sum(r) - r[k]) / (len(r) - 1)      # noqa: E731
    return _agreement(*args, others=others, turn=len(first_rater) > 1)


# ------------------------------------------------------------------------------------------------------------- mutants

excused("03.4", "400 → 401", "400 → 399", "0.1 → 0.2", "argument steps never varies", "argument lr never varies",
        because="how a fit gets to its end does not matter; answers by another method take the wins alone")
excused("03.4", "torch.zeros(len(wins), requires_grad=True) → torch.ones(len(wins), requires_grad=True)",
        because="the loss is convex: every start leads to the same fit")
excused("03.4", "(strengths - strengths.mean()).detach() → strengths - strengths.mean()", because="only its values are used")
excused("03.4", "(wins * nll).sum() / wins.sum() → (wins * nll).sum() * wins.sum()",
        "(wins * nll).sum() / wins.sum() → (wins * nll).sum()", "(wins * nll).sum() → (wins * nll).mean()",
        "wins.sum() → wins.mean()", because="Adam's steps do not change with the scale of the loss")
excused("03.6", "others_first > others_second → others_first >= others_second", because="equal means were handled before")
excused("03.6", "first[i] > second[j] → first[i] >= second[j]", because="equal ratings made no label")
