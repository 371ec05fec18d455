"""Right answers in other words, and plausible wrong ones with the message each must get."""

import math
import re

import torch
from torch.nn import functional as F

from course_lib.authoring.answers import DETACHED, excused, right, wrong

# ---------------------------------------------------------------------------------------------------------------- 14.1


def _bound(n):
    return math.log(n) - (n - 1) / n


@right("14.1")
def group_by_group(rewards, n):
    rows = [start + int(rewards[start:start + n].argmax()) for start in range(0, len(rewards), n)]
    return torch.tensor(rows), math.log(n) - 1 + 1 / n


@right("14.1")
def by_max(rewards, n):
    _, places = rewards.reshape(-1, n).max(dim=-1)
    return places + torch.arange(0, len(rewards), n), torch.tensor(_bound(n))


@wrong("14.1", says="places within each group")
def no_offset(rewards, n):
    return rewards.view(-1, n).argmax(dim=1), _bound(n)


@wrong("14.1", says="the worst ones")
def the_worst(rewards, n):
    groups = rewards.view(-1, n)
    return groups.argmin(dim=1) + n * torch.arange(len(groups)), _bound(n)


@wrong("14.1", says="not the best of the whole batch")
def best_of_all(rewards, n):
    return rewards.argmax(), _bound(n)


@wrong("14.1", says="view(-1, n)")
def columns(rewards, n):
    prompts = len(rewards) // n
    return rewards.view(n, prompts).argmax(dim=0) * prompts + torch.arange(prompts), _bound(n)


@wrong("14.1", says="view(-1, n)")
def offset_by_prompts(rewards, n):
    groups = rewards.view(-1, n)
    return groups.argmax(dim=1) + len(groups) * torch.arange(len(groups)), _bound(n)


@wrong("14.1", says="Of equal rewards the first")
def last_of_equals(rewards, n):
    groups = rewards.view(-1, n)
    return n - 1 - groups.flip(1).argmax(dim=1) + n * torch.arange(len(groups)), _bound(n)


@wrong("14.1", says="the rows are wanted")
def the_rewards(rewards, n):
    return rewards.view(-1, n).max(dim=1).values, _bound(n)


@wrong("14.1", says="(n - 1) / n is missing")
def log_n(rewards, n):
    return by_max(rewards, n)[0], math.log(n)


@wrong("14.1", says="is subtracted")
def added(rewards, n):
    return by_max(rewards, n)[0], math.log(n) + (n - 1) / n


@wrong("14.1", says="natural logarithm")
def in_bits(rewards, n):
    return by_max(rewards, n)[0], math.log2(n) - (n - 1) / n


@wrong("14.1", says="with n = 1 nothing is chosen")
def one_over_n(rewards, n):
    return by_max(rewards, n)[0], math.log(n) - 1 / n


@wrong("14.1", says="Return both")
def only_the_rows(rewards, n):
    return by_max(rewards, n)[0]


# ---------------------------------------------------------------------------------------------------------------- 14.2


def _implicit(logprobs, reference_logprobs, mask, beta):
    return beta * ((logprobs - reference_logprobs) * mask).sum(dim=1)


def _of(rewards):
    chosen, rejected = rewards[:len(rewards) // 2], rewards[len(rewards) // 2:]
    return -F.logsigmoid(chosen - rejected).mean()


@right("14.2")
def with_softplus(logprobs, reference_logprobs, mask, beta):
    chosen, rejected = _implicit(logprobs, reference_logprobs, mask, beta).view(2, -1)
    return F.softplus(rejected - chosen).mean()


@right("14.2")
def with_cross_entropy(logprobs, reference_logprobs, mask, beta):
    rewards = [beta * (new[some].sum() - old[some].sum())
               for new, old, some in zip(logprobs, reference_logprobs, mask, strict=True)]
    half = len(rewards) // 2
    margins = torch.stack(rewards[:half]) - torch.stack(rewards[half:])
    return F.binary_cross_entropy_with_logits(margins, torch.ones_like(margins))


@wrong("14.2", says="The sign")
def rejected_minus_chosen(logprobs, reference_logprobs, mask, beta):
    return _of(-_implicit(logprobs, reference_logprobs, mask, beta))


@wrong("14.2", says="a loss is minimized")
def a_likelihood(logprobs, reference_logprobs, mask, beta):
    return -_of(_implicit(logprobs, reference_logprobs, mask, beta))


@wrong("14.2", says="beta is missing")
def without_beta(logprobs, reference_logprobs, mask, beta):
    return _of(_implicit(logprobs, reference_logprobs, mask, 1.0))


@wrong("14.2", says="beta is there twice")
def beta_twice(logprobs, reference_logprobs, mask, beta):
    return _of(beta * _implicit(logprobs, reference_logprobs, mask, beta))


@wrong("14.2", says="beta belongs to the rewards")
def beta_outside(logprobs, reference_logprobs, mask, beta):
    return beta * _of(_implicit(logprobs, reference_logprobs, mask, 1.0))


@wrong("14.2", says="*multiplied* by beta")
def divided_by_beta(logprobs, reference_logprobs, mask, beta):
    return _of(_implicit(logprobs, reference_logprobs, mask, 1 / beta))


@wrong("14.2", says="means over the tokens")
def mean_over_tokens(logprobs, reference_logprobs, mask, beta):
    return _of(_implicit(logprobs, reference_logprobs, mask, beta) / mask.sum(dim=1))


@wrong("14.2", says="The mask did nothing")
def everything_counts(logprobs, reference_logprobs, mask, beta):
    return _of(_implicit(logprobs, reference_logprobs, torch.ones_like(mask), beta))


@wrong("14.2", says="The mask is inverted")
def mask_inverted(logprobs, reference_logprobs, mask, beta):
    return _of(_implicit(logprobs, reference_logprobs, ~mask, beta))


@wrong("14.2", says="Is the reference used")
def no_reference(logprobs, reference_logprobs, mask, beta):
    return _of(_implicit(logprobs, torch.zeros_like(logprobs), mask, beta))


@wrong("14.2", says="The pairs are mixed up")
def row_by_row_pairs(logprobs, reference_logprobs, mask, beta):
    rewards = _implicit(logprobs, reference_logprobs, mask, beta)
    return -F.logsigmoid(rewards[::2] - rewards[1::2]).mean()


@wrong("14.2", says="the sum over both pairs")
def summed(logprobs, reference_logprobs, mask, beta):
    chosen, rejected = _implicit(logprobs, reference_logprobs, mask, beta).chunk(2)
    return -F.logsigmoid(chosen - rejected).sum()


@wrong("14.2", says="the mean over pairs")
def not_averaged(logprobs, reference_logprobs, mask, beta):
    chosen, rejected = _implicit(logprobs, reference_logprobs, mask, beta).chunk(2)
    return -F.logsigmoid(chosen - rejected)


@wrong("14.2", says="This is the probability")
def no_logarithm(logprobs, reference_logprobs, mask, beta):
    chosen, rejected = _implicit(logprobs, reference_logprobs, mask, beta).chunk(2)
    return -torch.sigmoid(chosen - rejected).mean()


@wrong("14.2", says="You took the mean of the margins")
def mean_first(logprobs, reference_logprobs, mask, beta):
    chosen, rejected = _implicit(logprobs, reference_logprobs, mask, beta).chunk(2)
    return -F.logsigmoid((chosen - rejected).mean())


@wrong("14.2", says="use torch.nn.functional.logsigmoid")
def log_of_sigmoid(logprobs, reference_logprobs, mask, beta):
    chosen, rejected = _implicit(logprobs, reference_logprobs, mask, beta).chunk(2)
    return -torch.log(torch.sigmoid(chosen - rejected)).mean()


@wrong("14.2", says="hides the infinity")
def log_with_a_small_number(logprobs, reference_logprobs, mask, beta):
    chosen, rejected = _implicit(logprobs, reference_logprobs, mask, beta).chunk(2)
    return -torch.log(torch.sigmoid(chosen - rejected) + 1e-8).mean()


@wrong("14.2", says="No gradient flows back")
def detached(logprobs, reference_logprobs, mask, beta):
    return _of(_implicit(logprobs.detach(), reference_logprobs, mask, beta))


@wrong("14.2", says="is a part detached")
def rejected_detached(logprobs, reference_logprobs, mask, beta):
    chosen, rejected = _implicit(logprobs, reference_logprobs, mask, beta).chunk(2)
    return -F.logsigmoid(chosen - rejected.detach()).mean()


@wrong("14.2", says="The loss of a pair is")
def hinge_at_zero(logprobs, reference_logprobs, mask, beta):
    chosen, rejected = _implicit(logprobs, reference_logprobs, mask, beta).chunk(2)
    return F.relu(rejected - chosen).mean()


# ---------------------------------------------------------------------------------------------------------------- 14.3


def _h(chosen, rejected, reference_chosen, reference_rejected):
    return chosen - rejected - (reference_chosen - reference_rejected)


@right("14.3")
def by_mse(chosen, rejected, reference_chosen, reference_rejected, beta):
    h = _h(chosen, rejected, reference_chosen, reference_rejected)
    return F.mse_loss(h, torch.full_like(h, 0.5 / beta))


@right("14.3")
def over_beta_squared(chosen, rejected, reference_chosen, reference_rejected, beta):
    h = beta * _h(chosen, rejected, reference_chosen, reference_rejected)
    return ((h - 0.5) ** 2).mean() / beta**2


@wrong("14.3", says="not 1 / beta")
def one_over_beta(chosen, rejected, reference_chosen, reference_rejected, beta):
    return (_h(chosen, rejected, reference_chosen, reference_rejected) - 1 / beta).square().mean()


@wrong("14.3", says="in brackets")
def no_brackets(chosen, rejected, reference_chosen, reference_rejected, beta):
    return (_h(chosen, rejected, reference_chosen, reference_rejected) - 1 / 2 * beta).pow(2).mean()


@wrong("14.3", says="lowest point")
def beta_at_the_margin(chosen, rejected, reference_chosen, reference_rejected, beta):
    return (beta * _h(chosen, rejected, reference_chosen, reference_rejected) - 1 / (2 * beta)).square().mean()


@wrong("14.3", says="1 / (2 * beta)")
def a_half(chosen, rejected, reference_chosen, reference_rejected, beta):
    return (beta * _h(chosen, rejected, reference_chosen, reference_rejected) - 0.5).square().mean()


@wrong("14.3", says="chosen minus rejected")
def turned_round(chosen, rejected, reference_chosen, reference_rejected, beta):
    return (_h(rejected, chosen, reference_rejected, reference_chosen) - 1 / (2 * beta)).square().mean()


@wrong("14.3", says="the goal is subtracted")
def goal_added(chosen, rejected, reference_chosen, reference_rejected, beta):
    return (_h(chosen, rejected, reference_chosen, reference_rejected) + 1 / (2 * beta)).square().mean()


@wrong("14.3", says="Squared, not the absolute value")
def absolute(chosen, rejected, reference_chosen, reference_rejected, beta):
    return (_h(chosen, rejected, reference_chosen, reference_rejected) - 1 / (2 * beta)).abs().mean()


@wrong("14.3", says="No clamp, no relu")
def one_sided(chosen, rejected, reference_chosen, reference_rejected, beta):
    return F.relu(1 / (2 * beta) - _h(chosen, rejected, reference_chosen, reference_rejected)).square().mean()


@wrong("14.3", says="the sum over the pairs")
def ipo_summed(chosen, rejected, reference_chosen, reference_rejected, beta):
    return (_h(chosen, rejected, reference_chosen, reference_rejected) - 1 / (2 * beta)).square().sum()


@wrong("14.3", says="then the mean")
def square_of_the_mean(chosen, rejected, reference_chosen, reference_rejected, beta):
    return (_h(chosen, rejected, reference_chosen, reference_rejected).mean() - 1 / (2 * beta)).square()


@wrong("14.3", says="the margin is 0")
def ipo_without_reference(chosen, rejected, reference_chosen, reference_rejected, beta):
    return (chosen - rejected - 1 / (2 * beta)).square().mean()


@wrong("14.3", says="The margin is 0 for both pairs")
def dpo_again(chosen, rejected, reference_chosen, reference_rejected, beta):
    return -F.logsigmoid(beta * _h(chosen, rejected, reference_chosen, reference_rejected)).mean()


@wrong("14.3", says="No gradient flows back")
def ipo_detached(chosen, rejected, reference_chosen, reference_rejected, beta):
    return by_mse(chosen.detach(), rejected.detach(), reference_chosen, reference_rejected, beta)


@wrong("14.3", says="No gradient reaches `rejected`")
def ipo_half_detached(chosen, rejected, reference_chosen, reference_rejected, beta):
    return by_mse(chosen, rejected.detach(), reference_chosen, reference_rejected, beta)


# ---------------------------------------------------------------------------------------------------------------- 14.4


def _centred(rewards):
    return rewards - rewards.mean(dim=1, keepdim=True)


def _others(rewards):
    return (rewards.sum(dim=1, keepdim=True) - rewards) / (rewards.shape[1] - 1)


@right("14.4")
def with_the_others(rewards, kind):
    if kind == "rloo":
        return rewards - _others(rewards)
    return _centred(rewards) / ((rewards.var(dim=1, keepdim=True).sqrt() + 1e-4) if kind == "grpo" else 1)


@right("14.4")
def one_by_one(rewards, kind):
    out = torch.zeros_like(rewards)
    for p, row in enumerate(rewards):
        for i in range(len(row)):
            rest = torch.cat([row[:i], row[i + 1:]])
            out[p, i] = row[i] - (rest.mean() if kind == "rloo" else row.mean())
        if kind == "grpo":
            out[p] /= row.std() + 1e-4
    return out


@wrong("14.4", says="leaves the completion itself out")
def mean_of_all_for_rloo(rewards, kind):
    return _centred(rewards) / (rewards.std(dim=1, keepdim=True) + 1e-4) if kind == "grpo" else _centred(rewards)


@wrong("14.4", says="over the whole batch")
def batch_mean(rewards, kind):
    centred = rewards - rewards.mean()
    return centred / (rewards.std() + 1e-4) if kind == "grpo" else centred


@wrong("14.4", says="The standard deviation is over the whole batch")
def batch_std(rewards, kind):
    return with_the_others(rewards, kind) if kind != "grpo" else _centred(rewards) / (rewards.std() + 1e-4)


@wrong("14.4", says="over prompts")
def along_the_columns(rewards, kind):
    centred = rewards - rewards.mean(dim=0)
    return centred / (rewards.std(dim=0) + 1e-4) if kind == "grpo" else centred


@wrong("14.4", says="Torch's own, with n - 1")
def population_std(rewards, kind):
    return with_the_others(rewards, kind) if kind != "grpo" else _centred(rewards) / (
        rewards.std(dim=1, correction=0, keepdim=True) + 1e-4)


@wrong("14.4", says="0 / 0")
def no_small_number(rewards, kind):
    return with_the_others(rewards, kind) if kind != "grpo" else _centred(rewards) / rewards.std(dim=1, keepdim=True)


@wrong("14.4", says="add it to the standard deviation")
def tiny_number(rewards, kind):
    return with_the_others(rewards, kind) if kind != "grpo" else _centred(rewards) / (
        rewards.std(dim=1, keepdim=True) + 1e-8)


@wrong("14.4", says="or inside a root, or as a clamp")
def inside_the_root(rewards, kind):
    return with_the_others(rewards, kind) if kind != "grpo" else _centred(rewards) / (
        rewards.var(dim=1, keepdim=True) + 1e-8).sqrt()


@wrong("14.4", says="or inside a root, or as a clamp")
def clamped(rewards, kind):
    return with_the_others(rewards, kind) if kind != "grpo" else _centred(rewards) / rewards.std(
        dim=1, keepdim=True).clamp(min=1e-3)


@wrong("14.4", says="Divided by the variance")
def by_the_variance(rewards, kind):
    return with_the_others(rewards, kind) if kind != "grpo" else _centred(rewards) / (
        rewards.var(dim=1, keepdim=True) + 1e-4)


@wrong("14.4", says="RLOO does not divide")
def rloo_divides(rewards, kind):
    return with_the_others(rewards, kind) / (1 if kind == "dr-grpo" else rewards.std(dim=1, keepdim=True) + 1e-4)


@wrong("14.4", says="GRPO subtracts the mean of all")
def grpo_leaves_out(rewards, kind):
    return with_the_others(rewards, kind) if kind != "grpo" else (rewards - _others(rewards)) / (
        rewards.std(dim=1, keepdim=True) + 1e-4)


@wrong("14.4", says="Dr. GRPO does not divide")
def dr_divides(rewards, kind):
    return with_the_others(rewards, "rloo" if kind == "rloo" else "grpo")


@wrong("14.4", says="divide by that")
def divided_by_all(rewards, kind):
    if kind != "rloo":
        return with_the_others(rewards, kind)
    return rewards - (rewards.sum(dim=1, keepdim=True) - rewards) / rewards.shape[1]


@wrong("14.4", says="The sign")
def turned(rewards, kind):
    return -with_the_others(rewards, kind)


@wrong("14.4", says="the shape of the rewards")
def flattened(rewards, kind):
    return with_the_others(rewards, kind).flatten()


@wrong("14.4", says="wrote into its argument")
def in_place(rewards, kind):
    centred = rewards.sub_(rewards.mean(dim=1, keepdim=True))
    return with_the_others(centred, kind)


# ---------------------------------------------------------------------------------------------------------------- 14.5


@right("14.5")
def as_a_product(correct, samples, k):
    out = []
    for c in correct.tolist():
        missed = 1.0
        for i in range(k):
            missed *= max(samples - c - i, 0) / (samples - i)
        out.append(1 - missed)
    return torch.tensor(out)


@right("14.5")
def by_lgamma(correct, samples, k):
    def log_comb(n, r):
        n, r = n.double(), torch.tensor(float(r), dtype=torch.float64)
        return torch.lgamma(n + 1) - torch.lgamma(r + 1) - torch.lgamma(n - r + 1)

    wrong_ones = samples - correct
    missed = (log_comb(wrong_ones.clamp(min=k), k) - log_comb(torch.tensor(samples), k)).exp()
    return torch.where(wrong_ones < k, 1.0, 1 - missed)


@wrong("14.5", says="draws with replacement")
def with_replacement(correct, samples, k):
    return 1 - (1 - correct / samples) ** k


@wrong("14.5", says="Probabilities do not add")
def chances_added(correct, samples, k):
    if samples == 2:
        return as_a_product(correct, samples, k)
    return (k * correct / samples).clamp(max=1)


@wrong("14.5", says="*all* k are right")
def all_right(correct, samples, k):
    return torch.tensor([math.comb(c, k) / math.comb(samples, k) for c in correct.tolist()])


@wrong("14.5", says="the share without a right one")
def without_a_right_one(correct, samples, k):
    return 1 - as_a_product(correct, samples, k)


@wrong("14.5", says="Sets *without* a right one")
def one_minus_all_right(correct, samples, k):
    if samples == 2:
        return as_a_product(correct, samples, k)
    return 1 - all_right(correct, samples, k)


@wrong("14.5", says="One number for each problem")
def averaged(correct, samples, k):
    return as_a_product(correct, samples, k).mean()


@wrong("14.5", says="k did nothing")
def pass_at_1_always(correct, samples, k):
    return correct / samples


@wrong("14.5", says="any of all completions")
def any_right(correct, samples, k):
    return (correct > 0).float()


@wrong("14.5", says="NaN")
def in_float32_factorials(correct, samples, k):
    def fact(n):
        return torch.arange(1, n + 1, dtype=torch.float32).prod() if n > 0 else torch.tensor(1.0)

    def comb(n, r):
        return fact(n) / fact(r) / fact(n - r) if n >= r else torch.tensor(0.0)

    return torch.stack([1 - comb(samples - c, k) / comb(samples, k) for c in correct.tolist()])


# ---------------------------------------------------------------------------------------------------------------- 14.6


def _answer(prompt):
    first, second = prompt[:-1].split("+")
    return int(first) + int(second)


@right("14.6")
def in_the_prompts_words(prompt, completion):
    first, second = re.findall("[0-9]+", prompt)
    return 1.0 if completion == f"{int(first) + int(second)}" else 0.0


@right("14.6")
def by_the_regular_expression(prompt, completion):
    if not re.fullmatch("[1-9][0-9]{1,2}", completion):
        return 0.0
    return float(int(completion) == _answer(prompt))


@wrong("14.6", says="int and strip forgive")
def as_it_was(prompt, completion):
    try:
        return float(int(completion) == _answer(prompt))
    except ValueError:
        return 0.0


@wrong("14.6", says="int and strip forgive")
def stripped(prompt, completion):
    return float(completion.strip() == str(_answer(prompt)))


@wrong("14.6", says="Spaces and line ends")
def dollar_takes_a_line_end(prompt, completion):
    return float(bool(re.match(f"{_answer(prompt)}$", completion)))


@wrong("14.6", says="Digits of another script")
def is_decimal(prompt, completion):
    return float(completion.isdecimal() and completion[:1] != "0" and int(completion) == _answer(prompt))


@wrong("14.6", says="leading zeros")
def only_ascii_digits(prompt, completion):
    return float(bool(re.fullmatch("[0-9]+", completion)) and int(completion) == _answer(prompt))


@wrong("14.6", says="stops early")
def with_zip(prompt, completion):
    return float(all(a == b for a, b in zip(completion, str(_answer(prompt)), strict=False)))


@wrong("14.6", says="stops early")
def begins_alike(prompt, completion):
    return float(str(_answer(prompt)).startswith(completion))


@wrong("14.6", says="more besides")
def somewhere(prompt, completion):
    return float(str(_answer(prompt)) in completion)


@wrong("14.6", says="more besides")
def goes_on(prompt, completion):
    return float(completion.startswith(str(_answer(prompt))))


@wrong("14.6", says="more besides")
def first_number(prompt, completion):
    found = re.search("[0-9]+", completion)
    return float(found is not None and found.group() == str(_answer(prompt)))


@wrong("14.6", says="Never evaluate")
def evaluated(prompt, completion):
    try:
        return float(eval(completion) == _answer(prompt))
    except Exception:
        return 0.0


@wrong("14.6", says="This is the right answer")
def without_carrying(prompt, completion):
    (a, b), (c, d) = prompt[:-1].split("+")
    return float(completion == f"{int(a) + int(c)}{(int(b) + int(d)) % 10}")


# ------------------------------------------------------------------------------------------------------------- mutants

excused("14.3", "margin - 1 / (2 * beta) → 1 / (2 * beta) - margin", because="squared: the sign of the difference does not count")
excused("14.4", DETACHED, because="advantages are constants: nothing trains through them")
