"""What the answers to lesson 12's exercises must do."""

import math

import torch
from torch import Tensor

from course_lib.exercises import Fail, close, exercise, shape_is

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


def _layer(generator: torch.Generator, inside: int, outside: int, rank: int) -> tuple[Tensor, ...]:
    shapes = ((outside, inside), (outside,), (rank, inside), (outside, rank))
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)


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
    generator = torch.Generator().manual_seed(0)
    weight, bias, A, B = _layer(generator, 5, 3, 2)
    x = torch.randn(4, 5, generator=generator)
    close(fn(x, weight, bias, A, torch.zeros_like(B), 16.0), x @ weight.T + bias)


@lora.case("ranks of 1, 2 and 4, and any number of dimensions before the last")
def _(fn):
    generator = torch.Generator().manual_seed(1)
    for rank, shape, alpha in ((1, (6,), 2.0), (2, (3, 6), 8.0), (4, (2, 3, 6), 3.0)):
        weight, bias, A, B = _layer(generator, 6, 5, rank)
        x = torch.randn(shape, generator=generator)
        got = fn(x, weight, bias, A, B, alpha)
        shape_is(got, (*shape[:-1], 5))
        update, plain = x @ A.T @ B.T, x @ weight.T + bias
        close(got, plain + alpha / rank * update, rtol=1e-4, atol=1e-4, likely=[
            (plain + alpha * update, "alpha is divided by the rank, which is A.shape[0]."),
            (plain + update / rank, "alpha is missing."),
            (plain + alpha / 6 * update, "The rank is A.shape[0]; you divided by the number of inputs."),
            (plain + alpha / 5 * update, "The rank is A.shape[0]; you divided by the number of outputs."),
            (plain + alpha / math.sqrt(rank) * update, "alpha is divided by the rank itself here; its square root is another "
             "method (rsLoRA)."),
            (alpha / rank * (plain + update), "Only the update is scaled by alpha / rank, not W x + b.")])


@lora.case("the gradient reaches A and B: they are what is trained")
def _(fn):
    generator = torch.Generator().manual_seed(2)
    weight, bias, A, B = _layer(generator, 4, 3, 2)
    x, A, B = torch.randn(5, 4, generator=generator), A.requires_grad_(), B.requires_grad_()
    got = fn(x, weight, bias, A, B, 6.0)
    if not (torch.is_tensor(got) and got.requires_grad):
        raise Fail("lora_forward(x, weight, bias, A, B, 6.0)", "a tensor that gradients flow through", repr(got)[:60],
                   "Compute with torch, without .detach(), .data, .item() or numpy: A and B would never learn.")
    wanted = torch.autograd.grad(lora_forward(x, weight, bias, A, B, 6.0).square().sum(), (A, B))
    found = torch.autograd.grad(got.square().sum(), (A, B), allow_unused=True)
    for name, right, one in zip("AB", wanted, found, strict=True):
        if one is None:
            raise Fail(f"the gradient by {name}", f"a tensor {tuple(right.shape)}", "none",
                       f"{name} must be used without .detach(): it is trained.")
        close(one, right, call=f"the gradient by {name}", rtol=1e-3, atol=1e-3)


# ---------------------------------------------------------------------------------------------------------------- 12.2

logprob = exercise(
    "12.2", title="How likely is an answer?", function="answer_logprob", points=2, kind="implement",
    difficulty=2, importance=3, minutes=15, reference="checks:answer_logprob",
    hints=("The logits at the last place are about a token that is not there. Which places are left, and which tokens do they "
           "speak of?",
           "(logits[:, :-1] / temperature).log_softmax(-1) is (B, L - 1, V); tokens[:, 1:] says which of the V was chosen.",
           "gather(-1, ...) takes the chosen ones out. Set those outside the mask to 0 with torch.where, then sum each row."))


def answer_logprob(logits: Tensor, tokens: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """(B,) nats. logits: (B, L, V); tokens: (B, L); mask: (B, L - 1)."""
    each = (logits[:, :-1] / temperature).log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
    return torch.where(mask, each, 0.0).sum(dim=1)


def _answers(seed: int, rows: int, length: int, words: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, tokens and a mask that begins and ends somewhere in each row."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(rows, length, words, generator=generator)
    tokens = torch.randint(words, (rows, length), generator=generator)
    starts = torch.randint(0, length - 2, (rows, 1), generator=generator)
    ends = starts + 1 + (torch.rand(rows, 1, generator=generator) * (length - 2 - starts)).long()
    place = torch.arange(length - 1)
    return logits, tokens, (place >= starts) & (place <= ends)


def _slips(logits: Tensor, tokens: Tensor, mask: Tensor, T: float) -> list[tuple[Tensor, str]]:
    every = (logits / T).log_softmax(-1)
    each = every[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]                    # (B, L - 1)
    same_place = every.gather(-1, tokens[..., None])[..., 0]                        # (B, L)
    plain = logits.log_softmax(-1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    inside = torch.where(mask, each, 0.0).sum(1)
    return [
        (each.sum(1), "Prompt and padding are counted too: only choices inside the mask are the policy's."),
        (each.sum(1) - inside, "The mask is turned round: these are the tokens outside the answer."),
        (inside / mask.sum(1), "This is the mean over the answer's tokens; the log-probability of the whole answer is their sum."),
        (torch.where(mask, same_place[:, 1:], 0.0).sum(1), "Off by one: the logits at place t are about token t + 1. Leave out the "
         "last place of the logits and the first token."),
        (torch.where(mask, same_place[:, :-1], 0.0).sum(1), "Off by one: the logits at place t are about token t + 1, not t."),
        (torch.where(mask, plain, 0.0).sum(1), "The temperature is missing: divide the logits by it before the softmax."),
        (torch.where(mask, plain / T, 0.0).sum(1), "Divide the logits by the temperature before the softmax, not the "
         "log-probabilities after it."),
        (torch.where(mask, (logits * T).log_softmax(-1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0], 0.0).sum(1),
         "Divide by the temperature; you multiplied."),
        (torch.where(mask, each.exp(), 0.0).sum(1), "These are sums of probabilities: take the logarithm of each."),
        (torch.where(mask, logits[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0] / T, 0.0).sum(1),
         "Logits are no log-probabilities yet: log_softmax over the words is missing."),
        (-inside, "The sign: a log-probability is negative.")]


@logprob.case("three tokens of four words: the answer is the last two")
def _(fn):
    logits = torch.tensor([[[0.0, 1.0, 2.0, 0.0], [1.0, 0.0, 0.0, 3.0], [9.0, 0.0, 0.0, 0.0]]])
    tokens, mask = torch.tensor([[1, 2, 3]]), torch.tensor([[True, True]])
    right = answer_logprob(logits, tokens, mask, 1.0)
    got = fn(logits, tokens, mask, 1.0)
    shape_is(got, (1,), mistake="One number for each answer: sum over its tokens, the last dimension.")
    close(got, right, likely=_slips(logits, tokens, mask, 1.0))


@logprob.case("five answers that begin and end in different places, temperature 0.5")
def _(fn):
    logits, tokens, mask = _answers(1, 5, 8, 6)
    got = fn(logits, tokens, mask, 0.5)
    shape_is(got, (5,), mistake="One number for each answer: sum over its tokens, the last dimension.")
    close(got, answer_logprob(logits, tokens, mask, 0.5), rtol=1e-4, likely=_slips(logits, tokens, mask, 0.5))


@logprob.case("a batch is its rows one by one, at any temperature")
def _(fn):
    for seed, temperature in ((2, 0.7), (3, 1.0), (4, 2.0)):
        logits, tokens, mask = _answers(seed, 4, 6, 5)
        rows = [fn(logits[k:k + 1], tokens[k:k + 1], mask[k:k + 1], temperature) for k in range(4)]
        right = answer_logprob(logits, tokens, mask, temperature)
        close(torch.cat([torch.as_tensor(row).reshape(-1) for row in rows]), right, rtol=1e-4,
              likely=_slips(logits, tokens, mask, temperature))
        close(fn(logits, tokens, mask, temperature), right, rtol=1e-4, likely=_slips(logits, tokens, mask, temperature))


@logprob.case("a padding token that the model thinks impossible")
def _(fn):
    logits, tokens, mask = _answers(5, 3, 7, 5)
    mask[:, -1] = False
    tokens[:, -1] = 4
    logits[:, -2, 4] = -torch.inf
    close(fn(logits, tokens, mask, 0.7), answer_logprob(logits, tokens, mask, 0.7), rtol=1e-4, likely=[
        ([float("nan")] * 3, "Minus infinity times 0 is not a number: use torch.where(mask, ..., 0.0) and not a product."),
        ([float("-inf")] * 3, "Padding is counted: only choices inside the mask are the policy's.")])


@logprob.case("very large logits stay finite")
def _(fn):
    logits, tokens, mask = _answers(6, 2, 5, 4)
    logits = 200 * logits
    close(fn(logits, tokens, mask, 1.0), answer_logprob(logits, tokens, mask, 1.0), rtol=1e-4, likely=[
        ([float("-inf")] * 2, "log(softmax(...)) is log(0) here: use log_softmax, which stays finite."),
        ([float("nan")] * 2, "exp of such logits is infinite: use log_softmax, which stays finite.")])


@logprob.case("the gradient reaches the logits of the answer and no others")
def _(fn):
    logits, tokens, mask = _answers(7, 3, 6, 5)
    logits.requires_grad_()
    got = fn(logits, tokens, mask, 0.7)
    if not (torch.is_tensor(got) and got.requires_grad):
        raise Fail("answer_logprob(logits, tokens, mask, 0.7)", "a tensor that gradients flow through", repr(got)[:60],
                   "Compute with torch, without .detach(), .item() or numpy: DPO trains through this number.")
    wanted, = torch.autograd.grad(answer_logprob(logits, tokens, mask, 0.7).sum(), logits)
    found, = torch.autograd.grad(got.sum(), logits)
    close(found, wanted, call="the gradient by the logits", rtol=1e-3, atol=1e-5)


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
    "12.4", title="Folds that do not leak", function="folds_by_prompt", points=1, kind="implement",
    difficulty=2, importance=2, minutes=10, reference="checks:folds_by_prompt",
    hints=("First list the different prompts in the order in which they appear. dict.fromkeys keeps that order; a set does not.",
           "The fold of a prompt is its place in that list, modulo the number of folds.",
           "Then look up the fold of each pair's prompt; the result is as long as `prompts`."))


def folds_by_prompt(prompts: list[str], folds: int) -> list[int]:
    """The fold of each pair; prompts go to folds in turns, in the order of their first appearance."""
    order = {prompt: place for place, prompt in enumerate(dict.fromkeys(prompts))}
    return [order[prompt] % folds for prompt in prompts]


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
        mistake = "These are folds of single pairs: pairs of the same prompt land in different folds, and that is the leak."
    elif any(found[i] != found[j] for i in range(len(found)) for j in range(i) if prompts[i] == prompts[j]):
        mistake = "Two pairs of the same prompt are in different folds: that is the leak."
    elif found == [fold + 1 for fold in right]:
        mistake = "Folds are counted from 0."
    elif not all(0 <= fold < folds for fold in found):
        mistake = f"A fold is a number from 0 to {folds - 1}: begin at 0 again after the last."
    elif found == [sorted(set(prompts)).index(prompt) % folds for prompt in prompts]:
        mistake = "The prompts are in the order of the alphabet; wanted is the order in which they first appear."
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
    "12.5", title="What length alone gets right", function="length_alone", points=2, kind="implement",
    difficulty=2, importance=2, minutes=15, reference="checks:length_alone",
    hints=("Leave out the ties among the labels first. What does \"longer is better\" say of each remaining pair: right, wrong, or "
           "a coin?",
           "Count 1, 0 and one half. The other rule gets exactly one minus that.",
           "Four cases: the first longer and preferred, the second longer and preferred, their opposites, and equal lengths."))


def length_alone(first_lengths: Tensor, second_lengths: Tensor, mu: Tensor) -> tuple[float, str]:
    """(share of strict preferences that the better of two rules gets right, "longer" or "shorter")."""
    strict = mu != 0.5
    longer = (first_lengths - second_lengths)[strict].sign()
    share = ((longer * torch.where(mu[strict] > 0.5, 1.0, -1.0) + 1) / 2).mean().item()
    return (1 - share, "shorter") if share < 0.5 else (share, "longer")


def _same_rule(got, first: Tensor, second: Tensor, mu: Tensor) -> None:
    call = f"length_alone({first.tolist()}, {second.tolist()}, {mu.tolist()})"
    share, rule = length_alone(first, second, mu)
    if not isinstance(got, tuple | list) or len(got) != 2 or not isinstance(got[1], str):
        raise Fail(call, f"({share:.3f}, {rule!r})", repr(got)[:80], "Return two things: the share and the name of the rule.")
    strict = mu != 0.5
    longer = torch.where(mu > 0.5, first > second, second > first)
    equal = first == second
    number = max(1, int(strict.sum()))
    right, coins = int((longer & strict).sum()), int((equal & strict).sum())
    close(got[0], share, call=f"{call}[0]", likely=[
        (1 - share, "This is the share of the worse rule."),
        (max(right, number - right) / number, "Where both lengths are equal the rule has to toss a coin: count one half."),
        (max(right, number - right - coins) / number, "Where both lengths are equal the rule has to toss a coin: count one half."),
        (max(right, number - right - coins) / max(1, number - coins), "Pairs of equal length are left out; count them as half right."),
        ((right + coins) / number, "Where both lengths are equal the rule has to toss a coin: count one half, not one."),
        ((right + coins / 2) / max(1, len(mu)), "Ties among the labels are left out, of the number you divide by as well."),
        (right + coins / 2, "This is how many are right; their share is wanted.")])
    if got[1] != rule:
        raise Fail(f"{call}[1]", rule, got[1], "\"longer\" where both rules are equally good." if share == 0.5 else
                   "The share is right, and the other rule has it.")


@length.case("longer answers are mostly preferred")
def _(fn):
    first, second = torch.tensor([9.0, 3.0, 7.0, 8.0]), torch.tensor([4.0, 6.0, 5.0, 2.0])
    mu = torch.tensor([1.0, 0.0, 1.0, 0.0])
    _same_rule(fn(first, second, mu), first, second, mu)


@length.case("shorter answers are mostly preferred")
def _(fn):
    first, second = torch.tensor([9.0, 3.0, 7.0, 8.0, 1.0]), torch.tensor([4.0, 6.0, 5.0, 2.0, 4.0])
    mu = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])
    _same_rule(fn(first, second, mu), first, second, mu)


@length.case("ties among the labels, and answers of equal length")
def _(fn):
    first = torch.tensor([9.0, 3.0, 5.0, 8.0, 2.0, 6.0, 7.0, 9.0, 4.0])
    second = torch.tensor([4.0, 6.0, 5.0, 2.0, 7.0, 6.0, 3.0, 5.0, 1.0])
    mu = torch.tensor([1.0, 0.5, 1.0, 1.0, 0.5, 0.0, 0.0, 1.0, 1.0])
    _same_rule(fn(first, second, mu), first, second, mu)
    mu = 1 - mu
    _same_rule(fn(first, second, mu), first, second, mu)


@length.case("both rules equally good, and no strict preference at all")
def _(fn):
    first, second = torch.tensor([9.0, 3.0]), torch.tensor([4.0, 2.0])
    _same_rule(fn(first, second, torch.tensor([1.0, 0.0])), first, second, torch.tensor([1.0, 0.0]))
    got = fn(first, second, torch.tensor([0.5, 0.5]))
    if not (isinstance(got, tuple | list) and len(got) == 2 and got[0] != got[0] and got[1] == "longer"):
        raise Fail("length_alone([9.0, 3.0], [4.0, 2.0], [0.5, 0.5])", "(nan, 'longer')", repr(got)[:80],
                   "Without a strict preference there is nothing to be right about: nan, and \"longer\".")


@length.case("random pairs, whole numbers of words, labels of all three kinds")
def _(fn):
    generator = torch.Generator().manual_seed(0)
    for pairs in (1, 2, 5, 12, 31):
        first, second = (torch.randint(1, 6, (pairs,), generator=generator) for _ in range(2))
        mu = torch.tensor([0.0, 0.5, 1.0])[torch.randint(3, (pairs,), generator=generator)]
        mu[0] = float(pairs % 2)
        _same_rule(fn(first.clone(), second.clone(), mu.clone()), first, second, mu)


# ---------------------------------------------------------------------------------------------------------------- 12.6

blind = exercise(
    "12.6", title="A blind comparison", function="win_rate", points=1, kind="implement",
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


def _same_rate(got, new_is_left: list[bool], answers: list[str]) -> None:
    call = f"win_rate({new_is_left}, {answers})"
    rate, compared = win_rate(new_is_left, answers)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Fail(call, f"({rate:.3f}, {compared})", repr(got)[:80], "Return two things: the rate and the number of pairs compared.")
    strict = [(left, answer) for left, answer in zip(new_is_left, answers, strict=True) if answer in ("left", "right")]
    wins = sum(left == (answer == "left") for left, answer in strict)
    equal, pairs = answers.count("equal"), max(1, len(answers))
    close(got[1], compared, call=f"{call}[1]", likely=[
        (len(answers), "Skipped pairs were not compared: they do not count."),
        (len(strict), "A pair that is equal was compared: it counts, as half a win.")])
    close(got[0], rate, call=f"{call}[0]", likely=[
        (answers.count("left") / max(1, compared) + equal / 2 / max(1, compared), "That is how often the left one won. Which model is "
         "on the left differs from pair to pair."),
        (1 - rate, "This is the rate of the old model."),
        (wins / max(1, compared), "An \"equal\" counts as half a win."),
        ((wins + equal) / max(1, compared), "An \"equal\" counts as half a win, not as a whole one."),
        ((wins + equal / 2) / pairs, "Skipped pairs do not count: divide by the pairs that were compared."),
        (wins + equal / 2, "This is how many were won; their share is wanted.")])


@blind.case("the new one on both sides, no ties")
def _(fn):
    sides = [True, True, True, False, False, False, False]
    answers = ["left", "left", "right", "right", "right", "right", "left"]
    _same_rate(fn(list(sides), list(answers)), sides, answers)


@blind.case("equal and skipped pairs on both sides")
def _(fn):
    sides = [True, False, True, False, True, False, False]
    answers = ["left", "equal", "skip", "right", "equal", "skip", "right"]
    _same_rate(fn(list(sides), list(answers)), sides, answers)


@blind.case("everything skipped, and no pair at all")
def _(fn):
    for sides, answers in (([True, False], ["skip", "skip"]), ([], [])):
        got = fn(list(sides), list(answers))
        if not (isinstance(got, tuple | list) and len(got) == 2 and got[0] != got[0] and got[1] == 0):
            raise Fail(f"win_rate({sides}, {answers})", "(nan, 0)", repr(got)[:80], "Nothing was compared: the rate is nan, of 0 pairs.")


@blind.case("all pairs of sides and answers, many times")
def _(fn):
    generator = torch.Generator().manual_seed(0)
    for pairs in (1, 4, 9, 30):
        sides = [bool(k) for k in torch.randint(2, (pairs,), generator=generator)]
        answers = [("left", "right", "equal", "skip")[k] for k in torch.randint(4, (pairs,), generator=generator)]
        answers[0] = "left"
        _same_rate(fn(list(sides), list(answers)), sides, answers)
