"""What the answers to lesson 12's exercises must do."""

import math

import torch
from torch import Tensor

from course_lib.exercises import Fail, agrees, close, differentiable, exercise, shape_is
from course_lib.exercises.draws import Draw
from course_lib.lm.answer_reward import folds_by_prompt, length_alone

# ---------------------------------------------------------------------------------------------------------------- 12.1

lora = exercise(
    "12.1", title="A layer with LoRA", function="lora_forward", points=2, kind="implement",
    difficulty=1, importance=3, minutes=10, reference="checks:lora_forward",
    hints=("Write down the shape after each product: x is (..., in), A x is (..., r), B A x is (..., out).",
           "A layer multiplies rows from the right: x @ weight.T. The same goes for A, and then for B.",
           "The rank is A.shape[0]. The update is scaled by alpha / rank; the rest of the layer is not."))


def lora_forward(x: Tensor, weight: Tensor, bias: Tensor, A: Tensor, B: Tensor, alpha: float) -> Tensor:
    """(..., out). x: (..., in), weight: (out, in), bias: (out,), A: (r, in), B: (out, r)."""
    return x @ weight.T + bias + alpha / A.shape[0] * (x @ A.T @ B.T)


@lora.case("a layer from two numbers to three, by hand")
def _(fn):
    x, bias = torch.tensor([[1.0, 2.0]]), torch.tensor([0.5, -0.5, 0.0])
    weight = torch.tensor([[1.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    A, B = torch.tensor([[1.0, 1.0]]), torch.tensor([[2.0], [-1.0], [1.0]])
    got = fn(x, weight, bias, A, B, 12.0)
    shape_is(got, (1, 3))
    close(got, torch.tensor([[73.5, -30.5, 39.0]]), likely=[
        ([[1.5, 5.5, 3.0]], "This is the layer without its adapter."),
        ([[72.0, -36.0, 36.0]], "This is the adapter alone: W x + b is missing."),
        ([[73.0, -30.0, 39.0]], "The bias is missing."),
        ([[7.5, 2.5, 6.0]], "alpha / rank is missing."),
        ([[2.0, 5.25, 3.25]], "The update is scaled by alpha / rank, not by rank / alpha."),
        ([[37.5, -12.5, 21.0]], "The rank is A.shape[0]; you divided by the number of inputs."),
        ([[25.5, -6.5, 15.0]], "The rank is A.shape[0]; you divided by the number of outputs."),
        ([[90.0, 30.0, 72.0]], "Only the update is scaled by alpha / rank, not W x + b.")])


@lora.case("B is zero, as it is before training: the layer is the one from before")
def _(fn):
    x, weight = torch.tensor([[1.0, -2.0], [0.5, 3.0]]), torch.tensor([[2.0, 1.0], [-1.0, 0.5]])
    bias, A = torch.tensor([1.0, -1.0]), torch.tensor([[3.0, 1.0], [0.5, -2.0]])
    close(fn(x, weight, bias, A, torch.zeros(2, 2), 16.0), x @ weight.T + bias)


def _draw_layer(rng: Draw):
    inside, outside, rank = rng.length(2), rng.length(2), rng.length(1)
    shape = (*rng.shape(0, 2), inside)
    return (rng.normal(*shape), rng.normal(outside, inside), rng.normal(outside), rng.normal(rank, inside),
            rng.normal(outside, rank), rng.one_of((1.0, 3.0, 8.0, 16.0)))


def _scaled(by):
    """The layer with its update scaled otherwise; by: (A, B, alpha) -> the factor."""
    return lambda x, weight, bias, A, B, alpha: x @ weight.T + bias + by(A, B, alpha) * (x @ A.T @ B.T)


@lora.case("any rank, any alpha, any number of dimensions before the last")
def _(fn):
    agrees(fn, lora_forward, _draw_layer, rtol=1e-3, atol=1e-3, likely=[
        (_scaled(lambda A, B, alpha: alpha), "alpha is divided by the rank, which is A.shape[0]."),
        (_scaled(lambda A, B, alpha: 1 / len(A)), "alpha is missing."),
        (_scaled(lambda A, B, alpha: alpha / A.shape[1]), "The rank is A.shape[0]; you divided by the number of inputs."),
        (_scaled(lambda A, B, alpha: alpha / len(B)), "The rank is A.shape[0]; you divided by the number of outputs."),
        (_scaled(lambda A, B, alpha: alpha / math.sqrt(len(A))), "alpha is divided by the rank itself here; its square root is "
         "another method (rsLoRA).")])


@lora.case("the gradient reaches A and B: they are what is trained")
def _(fn):
    differentiable(fn, _draw_layer, lora_forward, wrt=["A", "B"])


# ---------------------------------------------------------------------------------------------------------------- 12.2

logprob = exercise(
    "12.2", title="The log-probability of an answer", function="answer_logprob", points=2, kind="implement",
    difficulty=2, importance=3, minutes=15, reference="checks:answer_logprob",
    hints=("The logits at the last position are about a token that is not there. Which positions are left, and which tokens are they "
           "about?",
           "(logits[:, :-1] / temperature).log_softmax(-1) is (B, L - 1, V); tokens[:, 1:] says which of the V was chosen.",
           "gather(-1, ...) takes the chosen ones out. Set those outside the mask to 0 with torch.where, then sum each row."))


def answer_logprob(logits: Tensor, tokens: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """(B,) nats. logits: (B, L, V); tokens: (B, L); mask: (B, L - 1)."""
    each = (logits[:, :-1] / temperature).log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
    return torch.where(mask, each, 0.0).sum(dim=1)


def _draw_answers(rng: Draw):
    rows, length, words = rng.length(), 2 + rng.length(), 2 + rng.length()
    return (rng.normal(rows, length, words, scale=2.0), rng.wholes(0, words - 1, rows, length), rng.mask(rows, length - 1),
            rng.one_of((0.5, 0.7, 1.0, 2.0)))


def _inside(each: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, each, 0.0).sum(1)


def _of(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of the next token at every place, (B, L - 1), at temperature 1."""
    return logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]


SLIPS = [
    (lambda logits, tokens, mask, temperature: _of(logits / temperature, tokens).sum(1),
     "Prompt and padding are counted too: only tokens inside the mask are the policy's actions."),
    (lambda logits, tokens, mask, temperature: _inside(_of(logits / temperature, tokens), ~mask),
     "The mask is inverted: these are the tokens outside the answer."),
    (lambda logits, tokens, mask, temperature: _inside(_of(logits / temperature, tokens), mask) / mask.sum(1),
     "This is the mean over the answer's tokens; the log-probability of the whole answer is their sum."),
    (lambda logits, tokens, mask, temperature: _inside(
        (logits[:, 1:] / temperature).log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0], mask),
     "Off by one: the logits at position t are about token t + 1. Leave out the last position of the logits and the first token."),
    (lambda logits, tokens, mask, temperature: _inside(
        (logits[:, :-1] / temperature).log_softmax(-1).gather(-1, tokens[:, :-1, None])[..., 0], mask),
     "Off by one: the logits at position t are about token t + 1, not t."),
    (lambda logits, tokens, mask, temperature: _inside(_of(logits, tokens), mask),
     "The temperature is missing: divide the logits by it before the softmax."),
    (lambda logits, tokens, mask, temperature: _inside(_of(logits, tokens), mask) / temperature,
     "Divide the logits by the temperature before the softmax, not the log-probabilities after it."),
    (lambda logits, tokens, mask, temperature: _inside(_of(logits * temperature, tokens), mask),
     "Divide by the temperature; you multiplied."),
    (lambda logits, tokens, mask, temperature: _inside(_of(logits / temperature, tokens).exp(), mask),
     "These are sums of probabilities: take the logarithm of each."),
    (lambda logits, tokens, mask, temperature: _inside(
        logits[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0] / temperature, mask),
     "Logits are no log-probabilities yet: log_softmax over the words is missing."),
    (lambda logits, tokens, mask, temperature: -_inside(_of(logits / temperature, tokens), mask),
     "The sign: a log-probability is negative.")]


@logprob.case("five tokens of four words, temperature 0.5: the answer is the third and the fourth")
def _(fn):
    logits = torch.tensor([[[0.0, 1.0, 2.0, 0.0], [1.0, 0.0, 0.5, 3.0], [2.0, 0.0, 0.0, 1.0], [0.0, 0.5, 0.0, 0.0],
                            [0.0, 0.0, 2.5, 1.0]]])
    given = logits, torch.tensor([[1, 2, 3, 0, 1]]), torch.tensor([[False, True, True, False]]), 0.5
    got = fn(*given)
    shape_is(got, (1,), mistake="One number for each answer: sum over its tokens, the last dimension.")
    close(got, answer_logprob(*given), likely=[(slip(*given), message) for slip, message in SLIPS])


@logprob.case("several answers that begin and end anywhere, at several temperatures")
def _(fn):
    agrees(fn, answer_logprob, _draw_answers, rtol=1e-3, likely=SLIPS)


@logprob.case("a padding token whose probability is 0")
def _(fn):
    logits = torch.tensor([[[0.0, 1.0, 2.0], [1.0, 0.0, -torch.inf], [2.0, 0.0, 0.0]]])
    given = logits, torch.tensor([[1, 0, 2]]), torch.tensor([[True, False]]), 0.7
    close(fn(*given), answer_logprob(*given), likely=[
        ([float("nan")], "Minus infinity times 0 is not a number: use torch.where(mask, ..., 0.0) and not a product."),
        ([float("-inf")], "Padding is counted: only tokens inside the mask are the policy's actions.")])


@logprob.case("very large logits stay finite")
def _(fn):
    logits = 200 * torch.tensor([[[0.0, 1.0, 2.0], [1.0, 0.0, -1.0], [2.0, 0.0, 0.0]]])
    given = logits, torch.tensor([[1, 0, 2]]), torch.tensor([[True, True]]), 1.0
    close(fn(*given), answer_logprob(*given), rtol=1e-4, likely=[
        ([float("-inf")], "log(softmax(...)) is log(0) here: use log_softmax, which stays finite."),
        ([float("nan")], "exp of such logits is infinite: use log_softmax, which stays finite.")])


@logprob.case("the gradient reaches the logits of the answer and no others")
def _(fn):
    differentiable(fn, _draw_answers, answer_logprob, wrt=["logits"])


# ---------------------------------------------------------------------------------------------------------------- 12.3

asking = exercise(
    "12.3", title="Which answers can be compared?", function="pairs_to_ask", points=1, kind="implement",
    difficulty=1, importance=1, minutes=10, reference="checks:pairs_to_ask",
    hints=("Go through all i and all j behind it. What three things must hold?",
           "The same prompt; both texts not empty; different texts. Compare the texts after strip().",
           "itertools.combinations(range(len(answers)), 2) gives all (i, j) with i < j, in order."))


def pairs_to_ask(prompts: list[str], answers: list[str]) -> list[tuple[int, int]]:
    """(i, j), i < j, of different answers to the same prompt that are not empty."""
    texts = [answer.strip() for answer in answers]
    return [(i, j) for i in range(len(texts)) for j in range(i + 1, len(texts))
            if prompts[i] == prompts[j] and texts[i] and texts[j] and texts[i] != texts[j]]


def _same_pairs(got, prompts: list[str], answers: list[str], mistakes: dict[str, str]) -> None:
    """Compare lists of pairs; mistakes: what a pair too many or missing means, by what it is."""
    call, right = f"pairs_to_ask({prompts!r}, {answers!r})", pairs_to_ask(prompts, answers)
    if not isinstance(got, list | tuple):
        raise Fail(call, str(right), repr(got)[:80], "Return a list of pairs.")
    try:
        found = [tuple(pair) for pair in got]
    except TypeError:
        raise Fail(call, str(right), repr(got)[:80], "Each entry is a pair (i, j) of two positions.") from None
    if found == right:
        return
    texts = [answer.strip() for answer in answers]
    for pair in found:
        if len(pair) != 2 or not all(isinstance(k, int) and 0 <= k < len(answers) for k in pair):
            raise Fail(call, str(right), str(found), "Each entry is a pair (i, j) of two positions in the lists.")
        i, j = pair
        why = ("order" if i >= j else "prompt" if prompts[i] != prompts[j] else
               "empty" if not (texts[i] and texts[j]) else "equal" if texts[i] == texts[j] else "")
        if why:
            raise Fail(call, str(right), str(found), f"{pair}: {mistakes[why]}")
    missing = [pair for pair in right if pair not in found]
    raise Fail(call, str(right), str(found), f"The pair {missing[0]} is missing." if missing else
               "The pairs are right and their order is not, or one comes twice: sort by i, then by j.")


MISTAKES = {"order": "i comes before j, and each pair once.", "prompt": "these answer different prompts.",
            "empty": "one of them is empty; spaces alone are empty, too.",
            "equal": "these are the same text; spaces around it do not count."}


@asking.case("two prompts, two answers each, not side by side")
def _(fn):
    prompts, answers = ["rain?", "ice?", "rain?", "ice?"], ["Clouds.", "Cold.", "Water.", "Frost."]
    _same_pairs(fn(prompts, answers), prompts, answers, MISTAKES)


@asking.case("three answers to one prompt")
def _(fn):
    prompts, answers = ["why?"] * 3, ["A.", "B.", "C."]
    _same_pairs(fn(prompts, answers), prompts, answers, MISTAKES)


@asking.case("equal and empty answers, with spaces around them")
def _(fn):
    prompts = ["why?", "why?", "why?", "why?", "how?", "how?"]
    answers = ["Because.", " Because. ", "  ", "It is so.", "", "So."]
    _same_pairs(fn(prompts, answers), prompts, answers, MISTAKES)


@asking.case("the same answer to two prompts; one prompt alone; nothing at all")
def _(fn):
    for prompts, answers in ((["a?", "b?", "a?"], ["Yes.", "Yes.", "No."]), (["a?"], ["Yes."]), ([], []),
                             (["a?", "a?", "b?", "b?", "a?"], ["x", "y", "x", "y", "y"])):
        _same_pairs(fn(list(prompts), list(answers)), prompts, answers, MISTAKES)


# ---------------------------------------------------------------------------------------------------------------- 12.4

folding = exercise(
    "12.4", title="Cross-validation without leakage", function="folds_by_prompt", points=1, kind="implement",
    difficulty=2, importance=2, minutes=10, reference="course_lib.lm.answer_reward:folds_by_prompt",
    hints=("First list the different prompts in the order in which they appear. dict.fromkeys keeps that order; a set does not.",
           "The fold of a prompt is its place in that list, modulo the number of folds.",
           "Then look up the fold of each pair's prompt; the result is as long as `prompts`."))


def _same_folds(got, prompts: list[str], folds: int) -> None:
    call, right = f"folds_by_prompt({prompts!r}, {folds})", folds_by_prompt(prompts, folds)
    if not isinstance(got, list | tuple) or not all(isinstance(fold, int) for fold in got):
        raise Fail(call, str(right), repr(got)[:80], "Return a list of whole numbers, one for each pair.")
    found = list(got)
    if found == right:
        return
    if len(found) != len(prompts):
        mistake = f"One fold for each of the {len(prompts)} pairs is wanted, and {len(found)} came."
    elif found == [place % folds for place in range(len(prompts))]:
        mistake = "These are folds of single pairs: pairs of the same prompt land in different folds: this is leakage."
    elif any(found[i] != found[j] for i in range(len(found)) for j in range(i) if prompts[i] == prompts[j]):
        mistake = "Two pairs of the same prompt are in different folds: this is leakage."
    elif found == [fold + 1 for fold in right]:
        mistake = "Folds are counted from 0."
    elif not all(0 <= fold < folds for fold in found):
        mistake = f"A fold is a number from 0 to {folds - 1}: begin at 0 again after the last."
    elif found == [sorted(set(prompts)).index(prompt) % folds for prompt in prompts]:
        mistake = "The prompts are in alphabetical order; they should be in the order in which they first appear."
    else:
        mistake = "Prompts go to folds 0, 1, 2, ... in the order in which they first appear, then from 0 again."
    raise Fail(call, str(right), str(found), mistake)


@folding.case("each prompt twice, three folds")
def _(fn):
    prompts = ["rain?", "ice?", "rain?", "bread?", "ice?", "bread?"]
    _same_folds(fn(prompts, 3), prompts, 3)


@folding.case("more prompts than folds")
def _(fn):
    prompts = ["z?", "b?", "y?", "a?", "x?", "b?", "a?"]
    _same_folds(fn(prompts, 2), prompts, 2)


@folding.case("unequal numbers of pairs, more folds than prompts, one fold, no pair")
def _(fn):
    for prompts, folds in ((["c?"] * 4 + ["a?", "b?", "c?"], 2), (["b?", "a?", "b?"], 5), (["b?", "a?"], 1), ([], 3),
                           ([f"{k % 7}?" for k in range(20)], 4)):
        _same_folds(fn(list(prompts), folds), prompts, folds)


# ---------------------------------------------------------------------------------------------------------------- 12.5

length = exercise(
    "12.5", title="The accuracy of length alone", function="length_alone", points=2, kind="implement",
    difficulty=2, importance=2, minutes=15, reference="course_lib.lm.answer_reward:length_alone",
    hints=("Leave out the ties among the labels first. What does \"longer is better\" say of each remaining pair: right, wrong, or "
           "a coin?",
           "Count 1, 0 and one half. The other rule gets exactly one minus that.",
           "Four cases: the first longer and preferred, the second longer and preferred, their opposites, and equal lengths."))


COIN = "Where both lengths are equal the rule has to toss a coin: count one half."


def _counted(share_of):
    """The exercise with another way to count; share_of: (right, equal, strict, pairs) -> the share of "longer"."""
    def slip(first_lengths: Tensor, second_lengths: Tensor, mu: Tensor) -> tuple[float, str]:
        strict = mu != 0.5
        longer = torch.where(mu > 0.5, first_lengths > second_lengths, second_lengths > first_lengths)
        counts = [int(flags.sum()) for flags in (longer & strict, (first_lengths == second_lengths) & strict, strict)]
        share = share_of(*counts, len(mu))
        return (1 - share, "shorter") if share < 0.5 else (share, "longer")
    return slip


def _ties_lost(first_lengths: Tensor, second_lengths: Tensor, mu: Tensor) -> tuple[float, str]:
    return length_alone(first_lengths, second_lengths, (mu > 0.5).float())


RULES = [
    (_counted(lambda right, equal, strict, pairs: right / strict), COIN),
    (_counted(lambda right, equal, strict, pairs: (right + equal) / strict), COIN),
    (_counted(lambda right, equal, strict, pairs: right / (strict - equal)), "Pairs of equal length are left out; count them as "
     "half right."),
    (_counted(lambda right, equal, strict, pairs: (right + equal / 2) / pairs), "Ties among the labels are left out, of the number "
     "you divide by as well."),
    (_counted(lambda right, equal, strict, pairs: (right + equal / 2 + (pairs - strict) / 2) / pairs), "Ties among the labels are "
     "left out; they are not half right."),
    (_ties_lost, "Ties among the labels (mu = 0.5) were counted as wins of the second answer: leave them out first."),
    (lambda first, second, mu: (1 - length_alone(first, second, mu)[0], length_alone(first, second, mu)[1]),
     "This is the accuracy of the worse rule."),
    (lambda first, second, mu: (length_alone(first, second, mu)[0] * int((mu != 0.5).sum()), length_alone(first, second, mu)[1]),
     "This is how many are right; their share is wanted.")]


def _same_rule(got, first: Tensor, second: Tensor, mu: Tensor) -> None:
    call = f"length_alone({first.tolist()}, {second.tolist()}, {mu.tolist()})"
    share, rule = length_alone(first, second, mu)
    if not isinstance(got, tuple | list) or len(got) != 2 or not isinstance(got[1], str):
        raise Fail(call, f"({share:.3f}, {rule!r})", repr(got)[:80], "Return two things: the share and the name of the rule.")
    close(got[0], share, call=f"{call}[0]", likely=[(slip(first, second, mu)[0], message) for slip, message in RULES])
    if got[1] != rule:
        raise Fail(f"{call}[1]", rule, got[1], "The share is right, but it is that of the other rule.")


@length.case("ties among the labels, answers of equal length; longer ones are mostly preferred, then shorter ones")
def _(fn):
    first = torch.tensor([9.0, 3.0, 5.0, 8.0, 2.0, 6.0, 7.0, 9.0, 4.0])
    second = torch.tensor([4.0, 6.0, 5.0, 2.0, 7.0, 6.0, 3.0, 5.0, 1.0])
    mu = torch.tensor([1.0, 0.5, 1.0, 1.0, 0.5, 0.0, 0.0, 1.0, 1.0])
    _same_rule(fn(first, second, mu), first, second, mu)
    _same_rule(fn(first, second, 1 - mu), first, second, 1 - mu)


@length.case("both rules equally good, and no strict preference at all")
def _(fn):
    first, second = torch.tensor([9.0, 3.0]), torch.tensor([4.0, 2.0])
    got = fn(first, second, torch.tensor([1.0, 0.0]))
    if not (isinstance(got, tuple | list) and len(got) == 2 and got[0] == 0.5 and got[1] == "longer"):
        raise Fail("length_alone([9.0, 3.0], [4.0, 2.0], [1.0, 0.0])", "(0.5, 'longer')", repr(got)[:80],
                   "Each rule is right once: one half, and \"longer\" where both rules are equally good.")
    got = fn(first, second, torch.tensor([0.5, 0.5]))
    if not (isinstance(got, tuple | list) and len(got) == 2 and got[0] != got[0] and got[1] == "longer"):
        raise Fail("length_alone([9.0, 3.0], [4.0, 2.0], [0.5, 0.5])", "(nan, 'longer')", repr(got)[:80],
                   "Without a strict preference there is nothing to be right about: nan, and \"longer\".")


@length.case("random pairs, whole numbers of words, labels of all three kinds")
def _(fn):
    def draw(rng: Draw):
        pairs = rng.length()
        mu = rng.among((0.0, 0.5, 1.0), pairs)
        mu[0] = float(rng.chance())
        return rng.wholes(1, 5, pairs).float(), rng.wholes(1, 5, pairs).float(), mu

    agrees(fn, length_alone, draw, names=("share", "rule"), likely=RULES)


# ---------------------------------------------------------------------------------------------------------------- 12.6

blind = exercise(
    "12.6", title="The win rate of a blind comparison", function="win_rate", points=1, kind="implement",
    difficulty=1, importance=3, minutes=10, reference="checks:win_rate",
    hints=("When does the new model win? Think of the four cases of side and answer.",
           "Where the new one is on the right, \"left\" is a loss and \"right\" a win; \"equal\" is half a win on either side.",
           "Leave the skipped pairs out first, then divide by how many are left; nan where none is."))


def win_rate(new_is_left: list[bool], answers: list[str]) -> tuple[float, int]:
    """(rate, compared). new_is_left: one bool a pair; answers: "left", "right", "equal" or "skip"."""
    worth = {"left": 1.0, "right": 0.0, "equal": 0.5}
    wins = [worth[answer] if left else 1 - worth[answer]
            for left, answer in zip(new_is_left, answers, strict=True) if answer != "skip"]
    return (sum(wins) / len(wins) if wins else math.nan), len(wins)


def _counting(count):
    """The exercise with another way to count; count: (lefts won, wins of the new one, equal, skipped, pairs) -> what it gives."""
    def slip(new_is_left: list[bool], answers: list[str]) -> tuple[float, int]:
        wins = sum(left == (answer == "left") for left, answer in zip(new_is_left, answers, strict=True)
                   if answer in ("left", "right"))
        return count(answers.count("left"), wins, answers.count("equal"), answers.count("skip"), len(answers))
    return slip


RATES = [
    (_counting(lambda lefts, wins, equal, skip, pairs: ((lefts + equal / 2) / (pairs - skip), pairs - skip)),
     "That is how often the left one won. Which model is on the left differs from pair to pair."),
    (_counting(lambda lefts, wins, equal, skip, pairs: (1 - (wins + equal / 2) / (pairs - skip), pairs - skip)),
     "This is the rate of the old model."),
    (_counting(lambda lefts, wins, equal, skip, pairs: (wins / (pairs - skip), pairs - skip)), "An \"equal\" counts as half a win."),
    (_counting(lambda lefts, wins, equal, skip, pairs: ((wins + equal) / (pairs - skip), pairs - skip)),
     "An \"equal\" counts as half a win, not as a whole one."),
    (_counting(lambda lefts, wins, equal, skip, pairs: ((wins + equal / 2) / pairs, pairs - skip)),
     "Skipped pairs do not count: divide by the pairs that were compared."),
    (_counting(lambda lefts, wins, equal, skip, pairs: (wins + equal / 2, pairs - skip)),
     "This is how many were won; their share is wanted."),
    (_counting(lambda lefts, wins, equal, skip, pairs: ((wins + equal / 2) / pairs, pairs)),
     "Skipped pairs were not compared: they do not count."),
    (_counting(lambda lefts, wins, equal, skip, pairs: ((wins + equal / 2 + skip / 2) / pairs, pairs)),
     "Skipped pairs were not compared: they are no half wins either."),
    (_counting(lambda lefts, wins, equal, skip, pairs: (wins / (pairs - skip - equal), pairs - skip - equal)),
     "A pair that is equal was compared: it counts, as half a win.")]


def _draw_pairs(rng: Draw):
    pairs = rng.length()
    answers = [rng.one_of(("left", "right", "equal", "skip")) for _ in range(pairs)]
    answers[0] = rng.one_of(("left", "right", "equal"))
    return [rng.chance() for _ in range(pairs)], answers


@blind.case("the new one on both sides; equal and skipped pairs among them")
def _(fn):
    sides = [True, False, True, False, True, False, False, True, True]
    answers = ["left", "equal", "skip", "right", "equal", "skip", "right", "right", "left"]
    call = f"win_rate({sides}, {answers})"
    got = fn(list(sides), list(answers))
    rate, compared = win_rate(sides, answers)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Fail(call, f"({rate:.3f}, {compared})", repr(got)[:80], "Return two things: the rate and the number of pairs compared.")
    close(torch.tensor([float(part) for part in got]), torch.tensor([rate, float(compared)]), call=call,
          likely=[(slip(sides, answers), message) for slip, message in RATES])


@blind.case("everything skipped, and no pair at all")
def _(fn):
    for sides, answers in (([True, False], ["skip", "skip"]), ([], [])):
        got = fn(list(sides), list(answers))
        if not (isinstance(got, tuple | list) and len(got) == 2 and got[0] != got[0] and got[1] == 0):
            raise Fail(f"win_rate({sides}, {answers})", "(nan, 0)", repr(got)[:80], "Nothing was compared: the rate is nan, of 0 pairs.")


@blind.case("any number of pairs")
def _(fn):
    agrees(fn, win_rate, _draw_pairs, names=("rate", "compared"), likely=RATES)
