"""What the answers to lesson 15's exercises must do."""

import torch
from torch import Tensor

from course_lib.exercises import Fail, agrees, close, differentiable, exercise, likely_values, shape_is
from course_lib.exercises.draws import Draw

# ---------------------------------------------------------------------------------------------------------------- 15.1

mixing = exercise(
    "15.1", title="One weight, two rewards", function="best_by_weight", points=2, kind="implement",
    difficulty=2, importance=2, minutes=10, reference="checks:best_by_weight",
    hints=("First bring both rewards to one scale: divide each by its own std, over all its numbers.",
           "weights[:, None, None] has shape (W, 1, 1) and broadcasts against (requests, n).",
           "Mix, then argmax over the last dimension: (W, requests, n) -> (W, requests)."))


def _mixed(helpful, harmless, weights):
    w = weights[:, None, None]
    return (w * helpful + (1 - w) * harmless).argmax(dim=-1)


def best_by_weight(helpful: Tensor, harmless: Tensor, weights: Tensor) -> Tensor:
    """(W, requests). helpful, harmless: (requests, n). weights: (W,)."""
    return _mixed(helpful / helpful.std(), harmless / harmless.std(), weights)


MIXES = [
    (_mixed, "The two rewards are on different scales: divide each by its standard deviation first."),
    (lambda a, b, w: best_by_weight(b, a, w), "The weight belongs to the helpful reward, 1 - weight to the harmless one."),
    (lambda a, b, w: best_by_weight(-a, -b, w), "This is the worst answer: take the largest mixed reward."),
    (lambda a, b, w: _mixed(a / a.std(dim=1, keepdim=True), b / b.std(dim=1, keepdim=True), w),
     "One standard deviation for each reward, over all requests, not one for each request."),
    (lambda a, b, w: _mixed(a / a.var(), b / b.var(), w), "This divides by the variance: divide by the standard deviation."),
    (lambda a, b, w: best_by_weight(a, b, w).T, "The shape is (W, requests): a row for each weight."),
    (lambda a, b, w: (w[:, None, None] * a / a.std() + b / b.std()).argmax(dim=-1), "The harmless reward is multiplied by 1 - weight."),
]
LAST_OF_EQUALS = (lambda a, b, w: a.shape[1] - 1 - best_by_weight(a.flip(1), b.flip(1), w),
                  "Of equal rewards the first one is kept, as argmax does.")


def _draw_mix(rng: Draw):
    requests, n = 1 + rng.length(), 2 + rng.length(0, 3)
    scale = rng.one_of((0.1, 1.0, 10.0))
    helpful, harmless = rng.normal(requests, n, scale=scale), rng.normal(requests, n)
    helpful[0, 0] += 3 * scale
    harmless[0, 1] += 3
    return helpful, harmless, rng.among((0.0, 0.25, 0.5, 0.75, 1.0), 1 + rng.length())


@mixing.case("two requests, three answers, four weights, by hand")
def _(fn):
    given = (torch.tensor([[7.0, 0.0, 2.0], [2.0, 5.0, 7.0]]), torch.tensor([[0.7, 0.2, 0.8], [0.6, 0.5, 0.4]]),
             torch.tensor([0.0, 0.25, 0.5, 1.0]))
    got, right = fn(*given), best_by_weight(*given)
    shape_is(got, (4, 2), mistake="The shape is (W, requests): a row for each weight.")
    close(got, right, likely=likely_values(MIXES, *given, right=right))


@mixing.case("one reward has numbers that are a hundred times larger")
def _(fn):
    given = torch.tensor([[100.0, 0.0, 50.0]]), torch.tensor([[0.0, 1.0, 0.9]]), torch.tensor([0.4])
    right = best_by_weight(*given)
    close(fn(*given), right, likely=likely_values(MIXES[:4], *given, right=right),
          otherwise="Divided by their stds the rewards are 2, 0, 1 and 0, 1.82, 1.63. Mixed with weight 0.4 they are 0.80, 1.09, 1.38.")


@mixing.case("two equal rewards")
def _(fn):
    # weights 1 and 0 only: there the mixes of both answers are equal however a product is rounded
    given = torch.tensor([[2.0, 2.0, 0.0]]), torch.tensor([[0.0, 1.0, 1.0]]), torch.tensor([1.0, 0.0])
    right = best_by_weight(*given)
    close(fn(*given), right, likely=likely_values([LAST_OF_EQUALS, MIXES[1]], *given, right=right))


@mixing.case("any rewards, any weights")
def _(fn):
    agrees(fn, best_by_weight, _draw_mix, likely=MIXES)


# ---------------------------------------------------------------------------------------------------------------- 15.2

predict = exercise(
    "15.2", title="Four reports", function="prediction", points=1, kind="predict",
    difficulty=1, importance=2, minutes=5, reference="checks:prediction",
    hints=("What does an interval by prompt draw with replacement?",
           "A judge that always says A agrees whenever the better text happens to stand first.",
           "Blind raters do not know whose answer it is. They still see how long it is."))

REASONS = {
    "raters": "This interval draws prompts, and there are 20 of them as before: section 15.2.",
    "always A": "It is right whenever the better text stands first, which is half of the time. Its *consistency* over both orders is 0.",
    "one order": "What the judge gives to A all goes to the new answers, and more pairs do not take it away: draw the sides, or ask in both orders.",
    "raters who like length": "Blind is not unbiased: the raters reward what they like, and here that is length. Report lengths beside win rates.",
}


def prediction() -> dict[str, str]:
    """What happens in each of four reports."""
    return {"raters": "second", "always A": "first", "one order": "first", "raters who like length": "first"}


def _predicted(fn, key):
    got = fn()
    if not isinstance(got, dict) or key not in got:
        raise Fail("prediction()", "a dict with the keys " + ", ".join(map(repr, REASONS)), repr(got)[:80], f"The key {key!r} is missing.")
    if got[key] not in ("first", "second"):
        raise Fail(f"prediction()[{key!r}]", "'first' or 'second'", repr(got[key])[:80], "Choose the first or the second of the two.")
    if got[key] != prediction()[key]:
        raise Fail(f"prediction()[{key!r}]", "the other one", repr(got[key]), REASONS[key])


@predict.case("ninety raters more")
def _(fn):
    _predicted(fn, "raters")


@predict.case("a judge that says A")
def _(fn):
    _predicted(fn, "always A")


@predict.case("all new answers stand first")
def _(fn):
    _predicted(fn, "one order")


@predict.case("raters who like length")
def _(fn):
    _predicted(fn, "raters who like length")


# ---------------------------------------------------------------------------------------------------------------- 15.3

swapping = exercise(
    "15.3", title="The judge, asked twice", function="swap_test", points=2, kind="implement",
    difficulty=2, importance=3, minutes=15, reference="checks:swap_test",
    hints=("Both columns are about the same text, the first one of the pair. Only its place differs.",
           "preferred = logits > 0. Consistent: both columns of a row agree.",
           "The text that stood first is the first text in column 0 and the second text in column 1, so count preferred[:, 0] and ~preferred[:, 1]."))


def _swap(logits, probability=None, consistent=None, first=None):
    preferred = logits > 0
    same = (preferred[:, 0] == preferred[:, 1]).double().mean().item() if consistent is None else consistent(logits)
    stood = torch.stack([preferred[:, 0], ~preferred[:, 1]]) if first is None else first(logits)
    return torch.sigmoid(logits.mean(dim=1)) if probability is None else probability(logits), same, stood.double().mean().item()


def swap_test(logits: Tensor) -> tuple[Tensor, float, float]:
    """(probability (pairs,), consistent, says_first). logits: (pairs, 2) for the first text, standing first and second."""
    return _swap(logits)


SWAPS = [
    (lambda x: _swap(x * torch.tensor([1.0, -1.0])), "Column 1 is about the first text already: do not turn its sign round."),
    (lambda x: _swap(x, probability=lambda x: torch.sigmoid((x[:, 0] - x[:, 1]) / 2)),
     "Both columns speak of the first text: add them. Their difference is the position bias."),
    (lambda x: _swap(x, probability=lambda x: torch.sigmoid(x[:, 0])), "This is the first order alone: the position is still in it."),
    (lambda x: _swap(x, probability=lambda x: torch.sigmoid(x).mean(dim=1)),
     "Take the mean of the logits first, then the sigmoid: the position adds to the logit."),
    (lambda x: _swap(x, probability=lambda x: torch.sigmoid(-x.mean(dim=1))), "This is the probability of the second text."),
    (lambda x: _swap(x, probability=lambda x: torch.sigmoid(x.sum(dim=1))), "The mean of both logits, not their sum."),
    (lambda x: _swap(x, probability=lambda x: x.mean(dim=1)), "That is a logit; the sigmoid of it is the probability."),
    (lambda x: _swap(x, first=lambda x: x > 0), "In column 1 the first text stands second: there a preference for the text that stood first is one for the "
     "second text."),
    (lambda x: _swap(x, first=lambda x: torch.stack([x[:, 0] <= 0, x[:, 1] > 0])), "This is the share for the text that stood second."),
    (lambda x: _swap(x, consistent=lambda x: 1 - _swap(x)[1]), "This is the share of pairs whose preference turns round: wanted are those where it stays."),
    (lambda x: _swap(x, first=lambda x: x[:, 0] > 0), "says_first counts all 2 * pairs preferences: in column 1 the second text stood first."),
]
ZEROS = [
    (lambda x: _swap(x, first=lambda x: torch.stack([x[:, 0] > 0, x[:, 1] < 0])),
     "A logit of exactly 0 is a preference for the second text, which stands first in column 1."),
    (lambda x: _swap(x + 1e-9), "A logit of exactly 0 is a preference for the second text: > 0, not >= 0."),
    (lambda x: _swap(x, consistent=lambda x: (x.prod(dim=1) > 0).double().mean().item()),
     "A product of 0 says nothing: 0 is a preference for the second text, as a logit below 0 is. Compare `logits > 0` of both columns."),
    (lambda x: _swap(x, consistent=lambda x: (x[:, 0].sign() == x[:, 1].sign()).double().mean().item()),
     "The sign of 0 is neither: 0 is a preference for the second text, as a logit below 0 is. Compare `logits > 0` of both columns."),
]
PARTS = ("probability", "consistent", "says_first")


def _draw_logits(rng: Draw):
    return (rng.among((-2.5, -1.0, -0.25, 0.0, 0.25, 1.5, 3.0), 1 + rng.length(), 2),)


@swapping.case("a judge that knows and favours A a little; one that always says A")
def _(fn):
    knows = torch.tensor([[2.0, 1.0], [1.5, -0.5], [-1.0, -3.0], [-0.5, -2.0], [0.5, -1.0]])
    for logits, likely in ((knows, SWAPS), (torch.tensor([[1.0, -1.0], [2.0, -2.5]]), SWAPS[:-1])):
        got = fn(logits.clone())
        if not isinstance(got, tuple | list) or len(got) != 3:
            raise Fail("", "three things: " + ", ".join(PARTS), repr(got)[:80], "Return a tensor and two floats.")
        agrees(fn, swap_test, lambda rng, logits=logits: (logits,), likely=likely, names=PARTS, times=1)


@swapping.case("a logit of exactly 0")
def _(fn):
    agrees(fn, swap_test, lambda rng: (torch.tensor([[0.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -2.0]]),), likely=ZEROS, names=PARTS, times=1)


@swapping.case("any logits")
def _(fn):
    agrees(fn, swap_test, _draw_logits, likely=[*SWAPS, *ZEROS], names=PARTS)


# ---------------------------------------------------------------------------------------------------------------- 15.4

controlling = exercise(
    "15.4", title="A reward without length", function="length_controlled", points=2, kind="implement",
    difficulty=2, importance=3, minutes=15, reference="checks:length_controlled",
    hints=("Centre the lengths: subtract their mean. Then the line's slope is one fraction.",
           "slope = sum(centred * rewards) / sum(centred ** 2).",
           "Return rewards - slope * centred. If all lengths are equal the denominator is 0: return the rewards."))


def _residual(rewards, lengths, centre=True, slope=None, keep_mean=True):
    centred = lengths - lengths.mean()
    if (centred == 0).all():
        return rewards.clone()
    value = (centred * rewards).sum() / centred.square().sum() if slope is None else slope(rewards, lengths, centred)
    left = rewards - value * (centred if centre else lengths)
    return left if keep_mean else left - left.mean()


def length_controlled(rewards: Tensor, lengths: Tensor) -> Tensor:
    """(texts,). rewards, lengths: (texts,)."""
    return _residual(rewards, lengths)


CONTROLS = [
    (lambda r, x: _residual(r, x, centre=False), "Subtract slope * (length - mean length): the mean reward should stay."),
    (lambda r, x: _residual(r, x, keep_mean=False), "The mean reward has been subtracted, too: it should stay."),
    (lambda r, x: _residual(r, x, slope=lambda r, x, c: (x * r).sum() / x.square().sum()),
     "This slope is that of a line through the origin: centre the lengths first."),
    (lambda r, x: _residual(r, x, slope=lambda r, x, c: -(c * r).sum() / c.square().sum()), "The line was added: subtract it."),
    (lambda r, x: _residual(r, x, slope=lambda r, x, c: (c * r).sum() / (c.norm() * (r - r.mean()).norm()).clamp(min=1e-9)),
     "This is the correlation: the slope divides by the sum of the squared centred lengths."),
    (lambda r, x: r / x, "Dividing by the length is no control: it favours short texts. Subtract the line that fits best."),
    (lambda r, x: _residual(r, x, slope=lambda r, x, c: (c * r).mean() / c.square().sum()),
     "Sum over sum, or mean over mean: here a mean is divided by a sum."),
    (lambda r, x: _residual(r, x, slope=lambda r, x, c: (c * r).mean() / c.var()),
     "torch's var divides by n - 1, your mean by n: take a sum over a sum, or mean over mean."),
    (lambda r, x: _residual(r, x, slope=lambda r, x, c: r.std() / c.std()),
     "This is std over std: the slope is that times the correlation, or sum(centred * rewards) / sum(centred ** 2)."),
    (lambda r, x: r - length_controlled(r, x), "This is what the line adds: subtract it from the rewards."),
]


def _draw_lengths(rng: Draw):
    texts = 2 + rng.length()
    lengths = rng.wholes(1, 30, texts).float()
    lengths[0] = lengths[1] + rng.whole(1, 9)
    return rng.normal(texts) + rng.number(-0.2, 0.2) * lengths + rng.number(-2, 2), lengths


@controlling.case("three texts on a line, and one that is better than its length")
def _(fn):
    for given in ((torch.tensor([2.0, 3.0, 4.0]), torch.tensor([10.0, 20.0, 30.0])),
                  (torch.tensor([1.0, 5.0, 3.0, 4.0]), torch.tensor([10.0, 20.0, 30.0, 40.0]))):
        right, got = length_controlled(*given), fn(*(one.clone() for one in given))
        shape_is(got, given[0].shape)
        close(got, right, likely=likely_values(CONTROLS, *given, right=right), atol=1e-5)


@controlling.case("all texts are equally long")
def _(fn):
    rewards = torch.tensor([1.0, -2.0, 0.5])
    got = fn(rewards.clone(), torch.full((3,), 7.0))
    close(got, rewards, likely=[(torch.full((3,), float("nan")), "0 divided by 0: where all lengths are equal, return the rewards.")])


@controlling.case("any rewards, any lengths")
def _(fn):
    agrees(fn, length_controlled, _draw_lengths, likely=CONTROLS, rtol=1e-3, atol=1e-4)


@controlling.case("a reward that is still being trained")
def _(fn):
    differentiable(fn, _draw_lengths, length_controlled, wrt=("rewards",), atol=1e-4)


# ---------------------------------------------------------------------------------------------------------------- 15.5

careful = exercise(
    "15.5", title="A careful ensemble", function="conservative_best", points=2, kind="implement",
    difficulty=2, importance=2, minutes=15, reference="checks:conservative_best",
    hints=("flatten(1) puts all samples of a member side by side: (members, prompts * n).",
           "Standardize along dim=1 with keepdim=True; then mean and std over dim=0.",
           "std(dim=0, correction=0) divides by the number of members. view back to (prompts, n), argmax over dim 1."))


def _standardized(rewards):
    flat = rewards.flatten(1)
    return ((flat - flat.mean(dim=1, keepdim=True)) / flat.std(dim=1, keepdim=True)).view(rewards.shape)


def _best(members, k, correction=0):
    return (members.mean(dim=0) - k * members.std(dim=0, correction=correction)).argmax(dim=1)


def conservative_best(rewards: Tensor, k: float) -> Tensor:
    """(prompts,). rewards: (members, prompts, n)."""
    return _best(_standardized(rewards), k)


def _by_prompt(rewards, k):
    return _best((rewards - rewards.mean(dim=2, keepdim=True)) / rewards.std(dim=2, keepdim=True), k)


CAREFUL = [
    (lambda rewards, k: _best(rewards, k), "The members are on different scales: standardize each one first."),
    (lambda rewards, k: conservative_best(rewards, -k), "Where members disagree be careful: subtract k times the std."),
    (lambda rewards, k: conservative_best(rewards, 0.0), "The std over the members is missing."),
    (lambda rewards, k: _standardized(rewards).amin(dim=0).argmax(dim=1), "This is the minimum over the members; wanted is mean - k * std."),
    (_by_prompt, "Standardize each member over all prompts together, not within each prompt."),
    (lambda rewards, k: (_standardized(rewards).mean(0) - k * _standardized(rewards).var(0, correction=0)).argmax(1),
     "This is the variance; wanted is the standard deviation."),
    (lambda rewards, k: _best(_standardized(rewards), k, 1) if len(rewards) > 1 else conservative_best(rewards, k),
     "The std over the members divides by their number: correction=0."),
    (lambda rewards, k: _best(rewards / rewards.flatten(1).std(dim=1)[:, None, None], k),
     "Subtract each member's mean, too: otherwise the std over the members measures how far their means are apart."),
    (lambda rewards, k: _best(-_standardized(rewards), -k), "This is the worst sample: take the largest."),
]


def _draw_members(rng: Draw):
    members, prompts, n = 1 + rng.length(most=3), 3 + rng.length(), rng.whole(3, 7)
    rewards = rng.normal(members, prompts, n) * rng.among((0.2, 1.0, 8.0), members, 1, 1) + rng.normal(members, 1, 1, scale=3.0)
    return rewards, rng.one_of((0.5, 1.0, 2.0))


@careful.case("two proxies that disagree, four prompts, by hand")
def _(fn):
    given = (torch.tensor([[[3.0, 1.0, 4.0], [0.0, 9.0, 1.0], [3.0, 2.0, 7.0], [1.0, 7.0, 8.0]],
                           [[0.0, 0.7, 0.1], [0.0, 0.1, 0.7], [0.8, 0.9, 0.3], [0.0, 0.4, 0.1]]]), 1.0)
    got, right = fn(*given), conservative_best(*given)
    shape_is(got, (4,))
    close(got, right, likely=likely_values(CAREFUL, *given, right=right))


@careful.case("a proxy whose numbers are a hundred times larger")
def _(fn):
    given = torch.tensor([[[100.0, 0.0, 60.0]], [[0.0, 1.0, 0.9]], [[0.0, 1.0, 0.8]]]), 0.5
    right = conservative_best(*given)
    close(fn(*given), right, likely=likely_values(CAREFUL, *given, right=right))


@careful.case("a single proxy: nothing to disagree with")
def _(fn):
    given = torch.tensor([[[0.1, 0.7, 0.4], [2.0, -1.0, 0.0]]]), 1.0
    close(fn(*given), torch.tensor([1, 0]), likely=[
        (torch.tensor([0, 0]), "The std of one member is nan unless it divides by the number of members: correction=0.")])


@careful.case("any proxies, any k")
def _(fn):
    agrees(fn, conservative_best, _draw_members, likely=CAREFUL)


# ---------------------------------------------------------------------------------------------------------------- 15.6

sharing = exercise(
    "15.6", title="One gradient from many processes", function="average_gradients", points=2, kind="implement",
    difficulty=2, importance=3, minutes=10, reference="checks:average_gradients",
    hints=("A mean over 10 tokens and one over 30: with which weights is their mix the mean over 40?",
           "The weight of a process is its tokens divided by all tokens.",
           "0 * nan is nan: choose the processes with tokens first, then weight and sum over dim 0."))


def _weighted(gradients, weights):
    return (weights[:, None].to(gradients.dtype) * gradients).sum(dim=0)


def average_gradients(gradients: Tensor, tokens: Tensor) -> Tensor:
    """(D,). gradients: (processes, D), nan where there is no token. tokens: (processes,)."""
    used = tokens > 0
    return _weighted(gradients[used], tokens[used].double() / tokens.sum())


GRADIENTS = [
    (lambda g, t: g.mean(dim=0), "This is the mean of means: a process with many tokens should count more."),
    (lambda g, t: g.sum(dim=0), "This is the sum over the processes: the step would grow with their number."),
    (lambda g, t: _weighted(g, t.double()), "Divide by the number of all tokens."),
    (lambda g, t: _weighted(g, t.double() / len(t)), "Divide by the number of all tokens, not by that of the processes."),
    (lambda g, t: _weighted(g, t // t.sum()), "`//` drops the fraction, so the shares are 0: divide with `/`."),
    (lambda g, t: _weighted(g, (1 / t.double()) / (1 / t.double()).sum()), "The weights are turned round: many tokens count more."),
]
EMPTY = [
    (lambda g, t: g.mean(dim=0), "A process without tokens makes this nan, and 0 * nan is nan, too: leave it out."),
    (lambda g, t: g[t > 0].mean(dim=0), "This is the mean of means: a process with many tokens should count more."),
    (lambda g, t: g[t > 0].sum(dim=0), "This is the sum over the processes: the step would grow with their number."),
    (lambda g, t: _weighted(g[t > 0], t[t > 0].double()), "Divide by the number of all tokens."),
]


def _draw_shards(rng: Draw):
    processes, D = 1 + rng.length(), rng.length()
    return rng.normal(processes, D), rng.wholes(1, 9, processes)


def _draw_empty(rng: Draw):
    gradients, tokens = _draw_shards(rng)
    gradients, tokens = torch.cat([gradients, gradients + 1]), torch.cat([tokens, tokens + 2])
    tokens[rng.whole(0, len(tokens) - 2)] = 0
    return gradients.masked_fill((tokens == 0)[:, None], float("nan")), tokens


@sharing.case("10 tokens here, 30 there")
def _(fn):
    given = torch.tensor([[4.0, 0.0], [0.0, 8.0]]), torch.tensor([10, 30])
    got, right = fn(*given), torch.tensor([1.0, 6.0])
    shape_is(got, (2,))
    close(got, right, likely=likely_values(GRADIENTS, *given, right=right))


@sharing.case("a process without tokens")
def _(fn):
    given = torch.tensor([[2.0], [float("nan")], [5.0]]), torch.tensor([6, 0, 3])
    close(fn(*given), torch.tensor([3.0]), likely=likely_values(EMPTY, *given, right=torch.tensor([3.0])))


@sharing.case("any processes, all with tokens")
def _(fn):
    agrees(fn, average_gradients, _draw_shards, likely=GRADIENTS)


@sharing.case("any processes, one without tokens")
def _(fn):
    agrees(fn, average_gradients, _draw_empty, likely=EMPTY)


# ---------------------------------------------------------------------------------------------------------------- 15.7

rounding = exercise(
    "15.7", title="Eight bits a weight", function="quantize_rows", points=1, kind="implement",
    difficulty=1, importance=2, minutes=10, reference="checks:quantize_rows",
    hints=("abs().amax(dim=1, keepdim=True) is the largest absolute value of each row, shape (out, 1).",
           "scale = largest / 127; codes = (weight / scale).round().to(torch.int8).",
           "torch.where(largest > 0, largest / 127, torch.ones_like(largest)) keeps rows of zeros from 0 / 0."))


def _scales(weight, dim=1, by=127.0, value=None):
    largest = weight.abs().amax(dim=dim, keepdim=True) if value is None else value(weight)
    return torch.where(largest > 0, largest / by, torch.ones_like(largest))


def _codes(weight, scale, turn=torch.round):
    return turn(weight / scale).to(torch.int8), scale


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(codes (out, in) int8, scale (out, 1)). weight: (out, in)."""
    return _codes(weight, _scales(weight))


ROUNDINGS = [
    (lambda w: _codes(w, _scales(w), torch.trunc), "The codes are cut towards 0: round before you turn them into int8."),
    (lambda w: _codes(w, _scales(w), torch.floor), "The codes are rounded down: round to the nearest."),
    (lambda w: _codes(w, _scales(w, 0)), "One scale for each row (out), not for each column."),
    (lambda w: _codes(w, _scales(w, value=lambda w: w.abs().amax().expand(len(w), 1))), "One scale for each row, not one for the whole matrix."),
    (lambda w: ((w / _scales(w, by=128.0)).round().clamp(-128, 127).to(torch.int8), _scales(w, by=128.0)), "Divide by 127: 128 does not fit into eight bits with a sign."),
    (lambda w: _codes(w, _scales(w, value=lambda w: w.amax(dim=1, keepdim=True).clamp(min=0))), "The largest *absolute* value: a row's largest may be negative."),
    (lambda w: (_codes(w, _scales(w))[0], 1 / _scales(w)), "The scale is turned round: codes * scale should give the weight."),
    (lambda w: (_codes(w, _scales(w))[0], _scales(w).squeeze(1)), "The scale has shape (out, 1): use keepdim=True."),
    (lambda w: _codes(w, w.abs().amax(dim=1, keepdim=True) / 127), "A row of zeros has scale 1, not 0 or nearly 0: 0 / 0 is nan."),
    (lambda w: (_codes(w, _scales(w))[0], _scales(w, by=1.0)), "The scale is the largest absolute value / 127: codes * scale should give the weight."),
    (lambda w: _codes(w, torch.where(_scales(w) > 1e-4, _scales(w), 1.0)), "Rows of small weights have a scale, too: only a row of zeros gets 1."),
]


def _draw_weight(rng: Draw):
    weight = rng.normal(rng.length(), 1 + rng.length(), scale=20.0) * rng.one_of((0.00001, 0.05, 1.0))
    return (weight * rng.flags(len(weight), 1, p=0.85),)


@rounding.case("three rows by hand, one of them zeros")
def _(fn):
    weight = torch.tensor([[1.0, -2.54, 0.015], [0.0, 0.0, 0.0], [1.27, 0.318, -0.012]])
    got = fn(weight.clone())
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Fail("", "two tensors: codes, scale", repr(got)[:80], "Return codes and scale.")
    if got[0].dtype != torch.int8:
        raise Fail("", "codes of dtype int8", str(got[0].dtype), "The codes are whole numbers in eight bits: .to(torch.int8).")
    agrees(fn, quantize_rows, lambda rng: (weight,), likely=ROUNDINGS[:-1], names=("codes", "scale"), times=1)
    for given in (weight, weight.double()):
        scale = fn(given.clone())[1]
        if scale.dtype != given.dtype:
            raise Fail("", f"a scale of dtype {given.dtype}, as the weight's", str(scale.dtype),
                       "The scale has the weight's own dtype: compute it from the weight, without .float() or .double().")


@rounding.case("any weights")
def _(fn):
    agrees(fn, quantize_rows, _draw_weight, likely=ROUNDINGS, names=("codes", "scale"))


# ---------------------------------------------------------------------------------------------------------------- 15.8

alarms = exercise(
    "15.8", title="Whom false alarms fall on", function="false_alarms", points=2, kind="implement",
    difficulty=2, importance=2, minutes=10, reference="checks:false_alarms",
    hints=("Keep the harmless texts only, then look at each term by itself.",
           "The rate of a term is the mean of flagged over the harmless texts with that term; so is the rate of all, over all harmless texts.",
           "mentions = one_hot(term[harmless], terms).float(); rates = (flagged @ mentions) / mentions.sum(0); then abs().nansum()."))


def _rates(flagged, term, terms, count=None):
    return torch.stack([(flagged[term == k].sum() / (term == k).sum() if count is None else flagged[term == k].sum() / count)
                        for k in range(terms)])


def _difference(rates, overall, join=torch.nansum, distance=torch.abs):
    return rates, join(distance(overall - rates))


def false_alarms(probability: Tensor, harmless: Tensor, term: Tensor, terms: int, bound: float = 0.5) -> tuple[Tensor, Tensor]:
    """(rates (terms,), difference ()). probability, harmless, term: (texts,)."""
    flagged = (probability > bound)[harmless].float()
    return _difference(_rates(flagged, term[harmless], terms), flagged.mean())


def _precisely(p, h, t, n, b=0.5):
    wrongly = ((p > b) & h).float()
    return _difference(torch.stack([wrongly[t == k].sum() / (p > b)[t == k].sum() for k in range(n)]), wrongly.sum() / (p > b).sum())


ALARMS = [
    (lambda p, h, t, n, b=0.5: _difference(_rates((p > b).float(), t, n), (p > b).float().mean()),
     "Toxic texts have no part in a false positive rate: keep the harmless ones."),
    (lambda p, h, t, n, b=0.5: _difference(_rates(((p > b) & h).float(), t, n), ((p > b) & h).float().mean()),
     "Divide by the number of *harmless* texts of the term, not by all of its texts."),
    (lambda p, h, t, n, b=0.5: _difference(_rates((p > b)[h].float(), t[h], n, h.sum()), (p > b)[h].float().mean()),
     "Divide by the harmless texts *of the term*, not by those of all terms."),
    (lambda p, h, t, n, b=0.5: false_alarms(p, ~h, t, n, b), "These are the toxic texts: a false positive is a harmless text that is flagged."),
    (lambda p, h, t, n, b=0.5: _difference(_rates((p > b)[h].float(), t[h], n), _rates((p > b)[h].float(), t[h], n).nanmean()),
     "FPR is the rate of all harmless texts together, not the mean of the terms' rates: some terms have more texts."),
    (lambda p, h, t, n, b=0.5: _difference(_rates((p > b)[h].float(), t[h], n), (p > b)[h].float().mean(), torch.nanmean),
     "The difference is a sum over the terms, not a mean."),
    (lambda p, h, t, n, b=0.5: _difference(_rates((p > b)[h].float(), t[h], n), (p > b)[h].float().mean(), distance=lambda x: x),
     "Without absolute values, terms above and below cancel."),
    (lambda p, h, t, n, b=0.5: _difference(_rates((p > b)[h].float(), t[h], n), (p > b)[h].float().mean(), distance=torch.square),
     "Absolute differences, not squared ones."),
    (lambda p, h, t, n, b=0.5: false_alarms(p, h, t, n), "The bound is an argument: 0.5 is only its default."),
    (lambda p, h, t, n, b=0.5: false_alarms(1 - p, h, t, n, 1 - b), "Flagged is what is *above* the bound."),
    (lambda p, h, t, n, b=0.5: _difference(_rates(p[h], t[h], n), p[h].mean()), "A rate counts flagged texts; this is a mean of probabilities."),
    (_precisely, "Divide by the harmless texts, not by the flagged ones: that would be one minus the precision."),
    (lambda p, h, t, n, b=0.5: _difference(_rates((p > b)[h].float(), t[h], n).nan_to_num(), (p > b)[h].float().mean()),
     "A term without harmless texts has no rate: nan, and it is left out of the difference."),
    (lambda p, h, t, n, b=0.5: _difference(_rates((p >= b)[h].float(), t[h], n), (p >= b)[h].float().mean()),
     "Flagged is above the bound; a text exactly at it is not."),
    (lambda p, h, t, n, b=0.5: false_alarms(p, h, t, int(t.max()) + 1, b), "`terms` says how many rates there are: a term may have no text at all."),
    (lambda p, h, t, n, b=0.5: _difference(_rates((p > b)[h].float(), t[h], n), (p > b).float().mean()),
     "The common rate, too, is that of the harmless texts only."),
    (lambda p, h, t, n, b=0.5: _difference(_rates((p > b)[h].float(), t[h], n), (p > b)[h].float().mean(), torch.sum),
     "A term whose rate is nan is left out of the difference."),
    (lambda p, h, t, n, b=0.5: (false_alarms(p, h, t, n, b)[0].nan_to_num(), false_alarms(p, h, t, n, b)[1]),
     "A term without harmless texts has the rate nan, not 0: 0 would say that it is never flagged."),
]
ALARM_PARTS = ("rates", "difference")


def _draw_alarms(rng: Draw):
    terms, texts = rng.whole(2, 4), 8 + 2 * rng.length()
    probability = rng.among((0.05, 0.2, 0.4, 0.5, 0.6, 0.9), texts)
    harmless, term = rng.flags(texts, p=0.7), rng.wholes(0, terms - 1, texts)
    harmless[0] = True
    return probability, harmless, term, terms + rng.one_of((0, 1)), rng.one_of((0.3, 0.5, 0.7))


def _alarms_by_hand(fn, some, probability, harmless, term, terms, *bound):
    """Compare on one example; some: which of ALARMS give another value on it."""
    given = (torch.tensor(probability), torch.tensor(harmless).bool(), torch.tensor(term), terms, *bound)
    agrees(fn, false_alarms, lambda rng: given, likely=[ALARMS[k] for k in some], names=ALARM_PARTS, times=1)


@alarms.case("two terms by hand, three harmless texts each")
def _(fn):
    got = fn(torch.tensor([0.9, 0.1]), torch.ones(2, dtype=torch.bool), torch.tensor([0, 1]), 2)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Fail("", "two tensors: rates, difference", repr(got)[:80], "Return the rates and their difference.")
    shape_is(got[0], (2,))
    _alarms_by_hand(fn, (0, 1, 2, 3, 5, 6, 7, 9, 10), [0.9, 0.1, 0.7, 0.9, 0.1, 0.2, 0.3, 0.8, 0.6],
                    [1, 1, 1, 0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1, 1], 2)


@alarms.case("some terms have more texts, and the bound is lower")
def _(fn):
    _alarms_by_hand(fn, (2, 4, 5, 6, 7, 8, 9, 10), [0.9, 0.8, 0.1, 0.2, 0.1, 0.3, 0.6, 0.1, 0.2, 0.1],
                    [1] * 10, [0, 0, 1, 1, 1, 1, 1, 2, 2, 2], 3, 0.25)


@alarms.case("a term without harmless texts, one without texts, a text at the bound")
def _(fn):
    _alarms_by_hand(fn, (0, 1, 2, 3, 5, 6, 7, 9, 10, 12, 13, 14, 16, 17), [0.9, 0.5, 0.1, 0.95, 0.7, 0.2, 0.1],
                    [1, 1, 1, 0, 1, 1, 1], [0, 0, 1, 2, 1, 1, 1], 4)


@alarms.case("any texts, any bound")
def _(fn):
    agrees(fn, false_alarms, _draw_alarms, likely=ALARMS, names=ALARM_PARTS)
