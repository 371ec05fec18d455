"""What the answers to lesson 14's exercises must do, and the course's own answers where the library has none."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.exercises import Fail, agrees, close, differentiable, exercise, shape_is
from course_lib.exercises.draws import Draw
from course_lib.lm import best_of_n as library
from course_lib.lm import dpo, grpo
from course_lib.lm.verifiable import exact_reward, pass_at_k
from course_lib.rl.objectives import leave_one_out

# ---------------------------------------------------------------------------------------------------------------- 14.1

keep = exercise(
    "14.1", title="Best-of-n, and a bound on its KL", function="best_of_n", points=2, kind="implement",
    difficulty=1, importance=2, minutes=10, reference="checks:best_of_n",
    hints=("Bring the rewards into a table with one row for each prompt. What does argmax along a row give, and what is it not yet?",
           "The row of the batch is the place within the group plus n times the number of the group: + n * torch.arange(prompts).",
           "groups = rewards.view(-1, n) has a row for each prompt, len(groups) of them; groups.argmax(dim=1) are the places. Shift "
           "each by what stands before its group. The nats are the formula above, with math.log."))


def best_of_n(rewards: Tensor, n: int) -> tuple[Tensor, float]:
    """(rows that are kept (prompts,), bound on the KL in nats). rewards: (prompts * n,)."""
    return library.best_rows(rewards, n), library.best_of_n_kl(n)


def _kept(fn, rewards, n):
    got = fn(rewards, n)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Fail(f"best_of_n(rewards, {n})", "two things: rows, nats", repr(got)[:60], "Return both: return rows, nats.")
    return got


@keep.case("two prompts, three completions each")
def _(fn):
    rows, _ = _kept(fn, torch.tensor([0.1, 0.9, 0.3, -5.0, -4.0, -2.0]), 3)
    close(rows, torch.tensor([1, 5]), call="the rows", likely=[
        (torch.tensor([1, 2]), "These are places within each group. Add n for each group that stands before it, so that they are "
                               "rows of the batch."),
        (torch.tensor([0, 3]), "These are the worst ones: argmax, not argmin."),
        (torch.tensor([1]), "One row for each prompt is wanted, not the best of the whole batch: view(-1, n) and dim=1."),
        (torch.tensor(1), "One row for each prompt is wanted, not the best of the whole batch: view(-1, n) and dim=1."),
        (torch.tensor([0.9, -2.0]), "These are the rewards; the rows are wanted, to take the texts with.")],
        otherwise="Rows 0, 1, 2 belong to the first prompt and 3, 4, 5 to the second: view(-1, n), best along dim=1.")


@keep.case("the n completions of a prompt stand behind each other; of equal ones the first")
def _(fn):
    rows, _ = _kept(fn, torch.tensor([1.0, 1.0, 0.0, 3.0, 2.0, 3.0, -1.0, -1.0]), 2)
    close(rows, torch.tensor([0, 3, 5, 6]), call="the rows", likely=[
        (torch.tensor([1, 3, 5, 7]), "Of equal rewards the first is kept.")],
        otherwise="With n = 2 rows 0 and 1 are of the first prompt, 2 and 3 of the second: view(-1, n), not view(n, -1).")


@keep.case("the bound on the KL")
def _(fn):
    for n in (16, 5):
        _, nats = _kept(fn, torch.arange(float(2 * n)), n)
        close(nats, library.best_of_n_kl(n), call=f"the nats for n = {n}", likely=[
            (math.log(n), "(n - 1) / n is missing: with n = 1 nothing is chosen, and with log n alone every completion would have to "
                          "be different from all others in rank *and* known to be the best."),
            (math.log(n) + (n - 1) / n, "(n - 1) / n is subtracted."),
            (math.log2(n) - (n - 1) / n, "Nats: the natural logarithm, math.log."),
            (math.log(n) - 1 / n, "It is (n - 1) / n that is subtracted: with n = 1 nothing is chosen and the KL is 0."),
            (math.log10(n) - (n - 1) / n, "Nats: the natural logarithm, math.log."),
            (math.log(n) - n - 1 / n, "Brackets: (n - 1) / n."),
            (math.log(n) - (n - 1), "It is (n - 1) *divided by n* that is subtracted.")])
    for n in (1, 2):
        _, nats = _kept(fn, torch.arange(float(2 * n)), n)
        close(nats, library.best_of_n_kl(n), call=f"the nats for n = {n}",
              otherwise="The bound was right for n = 16 and n = 5: it is the same formula for every n, and 0 for n = 1.")


def _draw_groups_of_n(rng: Draw):
    prompts, n = rng.length(), rng.one_of((rng.length(), rng.length(), 16))
    return (rng.wholes(-2, 2, prompts * n).float() if rng.chance() else rng.normal(prompts * n), n)


@keep.case("as the course's, for many batches")
def _(fn):
    agrees(fn, best_of_n, _draw_groups_of_n, names=("rows", "nats"))


# ---------------------------------------------------------------------------------------------------------------- 14.2

preferred = exercise(
    "14.2", title="DPO's loss", function="dpo_loss", points=3, kind="implement",
    difficulty=2, importance=3, minutes=20, reference="checks:dpo_loss",
    hints=("First one number for each row: beta times the sum, over the completion's tokens, of the difference of log-probabilities.",
           "Split these rewards into the two halves with .chunk(2). The loss of a pair is minus the log of the sigmoid of chosen minus "
           "rejected; torch.nn.functional.logsigmoid computes that log safely.",
           "beta * ((logprobs - reference_logprobs) * mask).sum(dim=1) is one reward for each row, and .chunk(2) makes chosen and "
           "rejected of them. logsigmoid of which difference? A loss is low where that is likely: mind the sign, and average."))


def dpo_loss(logprobs: Tensor, reference_logprobs: Tensor, mask: Tensor, beta: float) -> Tensor:
    """DPO's loss, (). All but beta: (2 * pairs, T), chosen completions first."""
    chosen, rejected = (logprobs * mask).sum(dim=1).chunk(2)
    reference_chosen, reference_rejected = (reference_logprobs * mask).sum(dim=1).chunk(2)
    return dpo.dpo_loss(chosen, rejected, reference_chosen, reference_rejected, torch.ones(len(chosen)), beta)


DPO_MASK = torch.tensor([[0, 1, 1, 0], [0, 1, 1, 1], [0, 1, 0, 0], [0, 1, 1, 0]]).bool()
DPO_NEW = torch.tensor([[-9.0, -1.0, -2.0, -7.0], [-3.0, -2.0, -1.0, -0.5], [-5.0, -4.0, -2.0, -1.0], [-6.0, -1.0, -3.0, -8.0]])
DPO_OLD = torch.tensor([[-1.0, -1.5, -2.5, -1.0], [-8.0, -2.2, -1.1, -1.4], [-2.0, -3.0, -9.0, -4.0], [-1.0, -2.0, -1.5, -3.0]])


def _log_ratios(mask=DPO_MASK):
    return ((DPO_NEW - DPO_OLD) * mask).sum(1)


@preferred.case("at the reference the loss is log 2, whatever beta")
def _(fn):
    for beta in (0.1, 3.0):
        got = fn(DPO_OLD, DPO_OLD.clone(), DPO_MASK, beta)
        shape_is(got, (), mistake="One number for the whole batch is wanted: the mean over pairs.")
        close(got, torch.tensor(math.log(2)), call=f"dpo_loss(...) where the policy is still the reference, beta = {beta}", likely=[
            (torch.tensor(2 * math.log(2)), "This is the sum over both pairs; the mean is wanted."),
            (torch.tensor(-math.log(2)), "A loss is minimized: minus the log-likelihood."),
            (torch.tensor(0.5), "This is the probability; its negative logarithm is wanted."),
            (torch.tensor(-0.5), "This is the probability; its negative logarithm is wanted."),
            (torch.tensor(0.0), "The loss of a pair is -log(sigmoid(margin)); where the margin is 0 that is log 2."),
            (torch.tensor(beta * math.log(2)), "beta belongs to the rewards, inside the sigmoid.")],
            otherwise="Where policy and reference agree every reward is 0 and the loss log 2. Is the reference used, with a minus?")


@preferred.case("two pairs, by hand")
def _(fn):
    ratios, beta = _log_ratios(), 0.5
    chosen, rejected = ratios.chunk(2)
    margin = beta * (chosen - rejected)
    mean = ratios / DPO_MASK.sum(1)
    everywhere, outside = _log_ratios(torch.ones_like(DPO_MASK)), _log_ratios(~DPO_MASK)
    plain = (DPO_NEW * DPO_MASK).sum(1)

    def of(values, times=beta):
        return -F.logsigmoid(times * (values[:2] - values[2:])).mean()

    close(fn(DPO_NEW, DPO_OLD, DPO_MASK, beta), -F.logsigmoid(margin).mean(), likely=[
        (-F.logsigmoid(-margin).mean(), "The sign: chosen minus rejected, and the policy minus the reference."),
        (of(ratios, 1.0), "beta is missing: it scales the log-ratios."),
        (of(ratios, beta**2), "beta is there twice."),
        (of(ratios, 1 / beta), "The log-ratios are *multiplied* by beta."),
        (-beta * F.logsigmoid(chosen - rejected).mean(), "beta belongs to the rewards, inside the sigmoid."),
        (of(mean), "These are means over the tokens of each completion. The log-probability of a completion is the *sum* over its "
                   "tokens."),
        (of(everywhere), "The mask did nothing: the prompt's tokens and the padding are no part of the completion."),
        (of(outside), "The mask is inverted: it is True at the completion's tokens."),
        (of(plain), "The reference is missing: the reward is a log-*ratio*."),
        (-F.logsigmoid(beta * (ratios[::2] - ratios[1::2])).mean(), "The pairs are mixed up: the first *half* of the rows are chosen "
         "completions, the second half rejected ones."),
        (-F.logsigmoid(margin).sum(), "This is the sum over the pairs; the mean is wanted."),
        (-torch.sigmoid(margin).mean(), "The logarithm is missing: -log sigmoid(margin)."),
        (-F.logsigmoid(margin.mean()), "The loss of each pair first, then the mean. You took the mean of the margins."),
        (F.relu(1 - margin).mean(), "This is a hinge. DPO's loss is -log sigmoid(margin).")])


@preferred.case("what is added to both completions of a prompt changes nothing, and the prompt's tokens do not count")
def _(fn):
    before = fn(DPO_NEW, DPO_OLD, DPO_MASK, 0.3)
    shifted = DPO_NEW + torch.tensor([[50.0, 3.0, 0.0, 9.0], [50.0, 3.0, 0.0, 0.0], [20.0, 3.0, 9.0, 9.0], [20.0, 3.0, 0.0, 9.0]])
    close(fn(shifted, DPO_OLD, DPO_MASK, 0.3), before,
          call="dpo_loss(...) with 3 nats more for the first token of every completion, and noise outside the mask",
          otherwise="Only the difference between the two completions of a pair counts, and only tokens where mask is True.")


@preferred.case("a pair that is far apart: no infinity")
def _(fn):
    far = torch.zeros(2, 3)
    far[1] = 400.0
    got = fn(far, torch.zeros(2, 3), torch.ones(2, 3).bool(), 0.5)
    close(got, torch.tensor(600.0), likely=[
        (torch.tensor(math.inf), "log(sigmoid(-600)) is log(0) in 32-bit numbers: use torch.nn.functional.logsigmoid."),
        (torch.tensor(math.nan), "log(sigmoid(-600)) is log(0) in 32-bit numbers: use torch.nn.functional.logsigmoid.")],
        otherwise="Here the margin is -600, and the loss 600. A small number inside the log, or a clamp, hides the infinity and is "
                  "wrong: use torch.nn.functional.logsigmoid.")


def _draw_pairs(rng: Draw):
    rows, width = 2 * rng.length(), rng.length()
    return (rng.logprobs(rows, width), rng.logprobs(rows, width), rng.mask(rows, width, gaps=True),
            rng.one_of((0.03, 0.1, 0.5, 1.5)))


@preferred.case("the gradient makes chosen tokens likelier and rejected ones less likely, and reaches nothing else")
def _(fn):
    differentiable(fn, (DPO_NEW, DPO_OLD, DPO_MASK, 0.5), dpo_loss, wrt=["logprobs"])
    differentiable(fn, _draw_pairs, dpo_loss, wrt=["logprobs"])


@preferred.case("as the course's, for many batches")
def _(fn):
    def of(values):
        chosen, rejected = values.chunk(2)
        return -F.logsigmoid(chosen - rejected).mean()

    def mean_over_tokens(logprobs, reference_logprobs, mask, beta):
        return of(beta * ((logprobs - reference_logprobs) * mask).sum(1) / mask.sum(1))

    def in_turns(logprobs, reference_logprobs, mask, beta):
        rewards = beta * ((logprobs - reference_logprobs) * mask).sum(1)
        return -F.logsigmoid(rewards[::2] - rewards[1::2]).mean()

    agrees(fn, dpo_loss, _draw_pairs, likely=[
        (mean_over_tokens, "These are means over the tokens of each completion. The log-probability of a completion is the *sum* over "
                           "its tokens."),
        (in_turns, "The pairs are mixed up: the first *half* of the rows are chosen completions, the second half rejected ones.")])


# ---------------------------------------------------------------------------------------------------------------- 14.3

identity = exercise(
    "14.3", title="IPO: a margin with a target", function="ipo_loss", points=2, kind="implement",
    difficulty=1, importance=2, minutes=10, reference="checks:ipo_loss",
    hints=("h is DPO's margin without beta: the chosen log-ratio minus the rejected one.",
           "How far is h from 1 / (2 * beta)? Square that for each pair, then take the mean.",
           "h = (chosen - reference_chosen) - (rejected - reference_rejected) is (pairs,). Subtract the goal before you square, with "
           "brackets round 2 * beta."))


def ipo_loss(chosen: Tensor, rejected: Tensor, reference_chosen: Tensor, reference_rejected: Tensor, beta: float) -> Tensor:
    """IPO's loss, (). All but beta: (pairs,)."""
    return dpo.ipo_loss(chosen, rejected, reference_chosen, reference_rejected, torch.ones(len(chosen)), beta)


@identity.case("at the reference, and where the margin is as it should be")
def _(fn):
    some = torch.tensor([-3.0, -7.0])
    got = fn(some, some - 1, some, some - 1, 0.5)
    shape_is(got, (), mistake="One number is wanted: the mean over pairs.")
    close(got, torch.tensor(1.0), call="ipo_loss(...) at the reference, beta = 0.5", likely=[
        (torch.tensor(2.0), "This is the sum over the pairs; the mean is wanted."),
        (torch.tensor(4.0), "The goal is 1 / (2 * beta), not 1 / beta."),
        (torch.tensor(0.25), "The goal is 1 / (2 * beta): in brackets, and beta divides. With beta = 0.5 it is 1."),
        (torch.tensor(0.0625), "1 / (2 * beta), with the 2 * beta in brackets: 1 / 2 * beta multiplies by beta."),
        (torch.tensor(0.0), "Nothing is at its goal here: the margin is 0 and should be 1.")],
        otherwise="The margin is 0 for both pairs and should be 1 / (2 * 0.5) = 1.")
    close(fn(some + 1.5, some - 1, some, some, 0.2), torch.tensor(0.0), call="ipo_loss(...) where each margin is 1 / (2 * 0.2) = 2.5",
          atol=1e-4, likely=[
              (torch.tensor(25.0), "A sign is wrong: h is chosen minus rejected, and the goal is subtracted from it.")],
          otherwise="The margin is 2.5 and beta 0.2: there the loss has its lowest point, 0.")


IPO_ROWS = (torch.tensor([-3.0, -8.0, -1.0]), torch.tensor([-4.0, -5.0, -6.5]), torch.tensor([-3.5, -7.0, -2.0]),
            torch.tensor([-4.5, -4.0, -2.5]))


@identity.case("three pairs, by hand: one too small, one on the wrong side, one too large")
def _(fn):
    chosen, rejected, reference_chosen, reference_rejected = IPO_ROWS
    h, beta = (chosen - reference_chosen) - (rejected - reference_rejected), 0.25
    close(fn(*IPO_ROWS, beta), (h - 2).square().mean(), likely=[
        ((h - 4).square().mean(), "The goal is 1 / (2 * beta), not 1 / beta."),
        ((h - 0.125).square().mean(), "1 / (2 * beta), with brackets: 1 / 2 * beta multiplies by beta."),
        ((h - 0.5).square().mean(), "The goal is 1 / (2 * beta), not 2 * beta."),
        ((beta * h - 2).square().mean(), "The margin stands there without beta: beta is in the goal alone."),
        ((beta * h - 0.5).square().mean(), "The margin stands there without beta, and the goal is 1 / (2 * beta). This is the same "
                                           "loss times beta squared."),
        ((h + 2).square().mean(), "A sign is wrong: h is chosen minus rejected, and the goal is subtracted from it."),
        ((h - 2).abs().mean(), "Squared, not the absolute value."),
        (F.relu(2 - h).square().mean(), "A margin that is too large counts as well: that is what stops IPO. No clamp, no relu."),
        ((h - 2).square().sum(), "This is the sum over the pairs; the mean is wanted."),
        ((h.mean() - 2).square(), "The square of each pair first, then the mean."),
        ((chosen - rejected - 2).square().mean(), "The reference is missing."),
        (-F.logsigmoid(beta * h).mean(), "This is DPO's loss.")])


def _draw_completions(rng: Draw):
    pairs = rng.length()
    return (*(rng.uniform(-10, -0.1, pairs) for _ in range(4)), rng.one_of((0.05, 0.1, 0.25, 0.7, 2.0)))


@identity.case("the gradient: a margin that is too large is pushed back")
def _(fn):
    differentiable(fn, (*IPO_ROWS, 0.25), ipo_loss, wrt=["chosen", "rejected"])
    differentiable(fn, _draw_completions, ipo_loss, wrt=["chosen", "rejected"])


@identity.case("as the course's, for many batches")
def _(fn):
    def of_the_mean(chosen, rejected, reference_chosen, reference_rejected, beta):
        h = (chosen - reference_chosen) - (rejected - reference_rejected)
        return (h.mean() - 1 / (2 * beta)).square()

    agrees(fn, ipo_loss, _draw_completions, likely=[(of_the_mean, "The square of each pair first, then the mean.")])


# ---------------------------------------------------------------------------------------------------------------- 14.4

groups = exercise(
    "14.4", title="Advantages from a group", function="group_advantages", points=3, kind="implement",
    difficulty=2, importance=3, minutes=15, reference="checks:group_advantages",
    hints=("All three begin with the reward minus the mean of its row. keepdim=True keeps the mean a column.",
           "The mean of the others is (sum of the row - own reward) / (samples - 1). For GRPO divide by "
           "rewards.std(dim=1, keepdim=True) + 1e-4.",
           'centred = rewards - rewards.mean(dim=1, keepdim=True) serves all three: it is "dr-grpo", and "grpo" divides it. For "rloo" '
           "the own reward leaves the mean: compare both for a row of two rewards, then of three. By what factor do they differ?"))


def group_advantages(rewards: Tensor, kind: str) -> Tensor:
    """Advantages, (prompts, samples). kind: "rloo", "grpo" or "dr-grpo"."""
    return leave_one_out(rewards) if kind == "rloo" else grpo.group_advantages(rewards, divide_by_std=kind == "grpo")


GROUPS = torch.tensor([[1.0, 0.0, 0.0, 0.0], [2.0, 4.0, 6.0, 0.0], [-1.0, -3.0, -1.0, -3.0]])
_CENTRED = GROUPS - GROUPS.mean(1, keepdim=True)


def _grouped(fn, kind, rewards=GROUPS):
    got = fn(rewards, kind)
    shape_is(got, tuple(rewards.shape), mistake="One advantage for each completion is wanted, in the shape of the rewards.")
    return got


@groups.case("RLOO: the mean of the others")
def _(fn):
    close(_grouped(fn, "rloo"), leave_one_out(GROUPS), likely=[
        (_CENTRED, "This is the mean of *all* completions. RLOO leaves the completion itself out: the mean of the others."),
        (GROUPS - GROUPS.mean(), "The mean is over the whole batch. Compare with completions of the same prompt: dim=1."),
        (GROUPS - GROUPS.mean(0), "The mean is over prompts. A row holds the completions of one prompt: dim=1."),
        (-leave_one_out(GROUPS), "The sign: the reward minus the mean of the others."),
        (GROUPS - (GROUPS.sum(1, keepdim=True) - GROUPS) / 4, "The others are samples - 1 completions: divide by that."),
        (GROUPS - GROUPS.sum(1, keepdim=True) / 3, "The sum still holds the completion's own reward: subtract it."),
        (leave_one_out(GROUPS) / (GROUPS.std(1, keepdim=True) + 1e-4), "RLOO does not divide by the standard deviation."),
        (_CENTRED * 3 / 4, "The factor is inverted: samples / (samples - 1).")])


@groups.case("GRPO: in units of the group's standard deviation")
def _(fn):
    std = GROUPS.std(1, keepdim=True)
    close(_grouped(fn, "grpo"), grpo.group_advantages(GROUPS), likely=[
        (_CENTRED / (GROUPS.std(1, correction=0, keepdim=True) + 1e-4), "This is the standard deviation with n. Torch's own, with n - 1, "
         "is wanted: rewards.std(dim=1, keepdim=True)."),
        (_CENTRED / (GROUPS.std() + 1e-4), "The standard deviation is over the whole batch: dim=1, the completions of one prompt."),
        ((GROUPS - GROUPS.mean()) / (GROUPS.std() + 1e-4), "Mean and standard deviation are over the whole batch: dim=1, the completions "
         "of one prompt."),
        ((GROUPS - GROUPS.mean(0)) / (GROUPS.std(0) + 1e-4), "Mean and standard deviation are over prompts: dim=1."),
        (_CENTRED, "The division by the standard deviation is missing."),
        (GROUPS / (std + 1e-4), "The mean is not subtracted."),
        (_CENTRED / (std**2 + 1e-4), "Divided by the variance; the standard deviation is wanted."),
        (leave_one_out(GROUPS) / (std + 1e-4), "GRPO subtracts the mean of all completions, itself among them."),
        (-grpo.group_advantages(GROUPS), "The sign: the reward minus the mean.")], rtol=1e-3)


@groups.case("Dr. GRPO: the mean is subtracted, and no more")
def _(fn):
    close(_grouped(fn, "dr-grpo"), _CENTRED, likely=[
        (grpo.group_advantages(GROUPS), 'Dr. GRPO does not divide: compare kind with "dr-grpo".'),
        (leave_one_out(GROUPS), "The mean is that of all completions, itself among them."),
        (GROUPS - GROUPS.mean(), "The mean is over the whole batch: dim=1.")])


@groups.case("a group whose rewards are all equal has advantages of 0")
def _(fn):
    equal = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [-2.5, -2.5, -2.5]])
    for kind in ("rloo", "grpo", "dr-grpo"):
        close(_grouped(fn, kind, equal), torch.zeros(3, 3), call=f'group_advantages(equal rewards, "{kind}")', atol=1e-4, likely=[
            (torch.full((3, 3), math.nan), "0 / 0: the standard deviation of equal rewards is 0. Add 0.0001 to it.")],
            otherwise="Where all rewards of a prompt are equal, every advantage is 0.")


@groups.case("the 0.0001 is added to the standard deviation")
def _(fn):
    small = torch.tensor([[0.0, 0.0002]])
    close(_grouped(fn, "grpo", small), grpo.group_advantages(small), rtol=1e-3, likely=[
        (torch.tensor([[-0.7071, 0.7071]]), "Here the standard deviation is 0.00014, and the 0.0001 counts: add it to the standard "
                                            "deviation of every group.")],
        otherwise="(reward - mean) / (std + 0.0001): is it added to the standard deviation, or inside a root, or as a clamp?")


def _draw_groups(rng: Draw):
    prompts, samples = rng.length(), rng.length(2)
    rewards = rng.wholes(0, 1, prompts, samples).float() if rng.chance() else rng.normal(prompts, samples, scale=3.0)
    return rewards, rng.one_of(("rloo", "grpo", "dr-grpo"))


@groups.case("as the course's, for many groups; what is given stays as it was")
def _(fn):
    agrees(fn, group_advantages, _draw_groups, rtol=1e-3, atol=1e-4)


# ---------------------------------------------------------------------------------------------------------------- 14.5

passing = exercise(
    "14.5", title="pass@k, without bias", function="pass_at_k", points=2, kind="implement",
    difficulty=2, importance=3, minutes=10, reference="course_lib.lm.verifiable:pass_at_k",
    hints=("How many sets of k of the n completions are there? How many of them hold no right one?",
           "math.comb(n, k) counts sets. Sets without a right one are made of the n - c wrong ones alone; math.comb gives 0 where "
           "there are too few of them.",
           "Go through correct.tolist() and make a tensor of the list. math.comb(samples - c, k) sets hold no right one, of "
           "math.comb(samples, k) in all. Which share is wanted?"))


@passing.case("two completions, of which none, one, both are right")
def _(fn):
    correct = torch.tensor([0, 1, 2])
    got = fn(correct, 2, 1)
    shape_is(got, (3,), mistake="One number for each problem is wanted.")
    close(got, torch.tensor([0.0, 0.5, 1.0]), call="pass_at_k(correct, samples=2, k=1)", likely=[
        (torch.tensor([0.0, 1.0, 1.0]), "This is whether any of all completions is right; with k = 1 only one of them is drawn."),
        (torch.tensor([1.0, 0.5, 0.0]), "This is the share without a right one: 1 minus that is wanted.")])
    close(fn(correct, 2, 2), torch.tensor([0.0, 1.0, 1.0]), call="pass_at_k(correct, samples=2, k=2)", likely=[
        (torch.tensor([0.0, 0.75, 1.0]), "This is 1 - (1 - c/n)^k: it draws with replacement. Of these two "
                                         "one is right, so both together always hold a right one."),
        (torch.tensor([0.0, 0.5, 1.0]), "This is pass@1: k did nothing."),
        (torch.tensor([0.0, 0.0, 1.0]), "This is the probability that *all* k are right; at least one is wanted."),
        (torch.tensor([1.0, 0.0, 0.0]), "This is the share without a right one: 1 minus that is wanted.")])


@passing.case("sixteen completions, k = 4")
def _(fn):
    correct = torch.tensor([0, 1, 3, 8, 13, 16])
    c = correct.float()
    all_right = torch.tensor([math.comb(n, 4) / math.comb(16, 4) for n in correct.tolist()])
    close(fn(correct, 16, 4), pass_at_k(correct, 16, 4), likely=[
        (1 - (1 - c / 16)**4, "This is 1 - (1 - c/n)^k: it draws with replacement, and comes out too low."),
        ((4 * c / 16).clamp(max=1), "Probabilities do not add here: the sets of 4 that hold two right ones were counted twice."),
        (4 * c / 16, "Probabilities do not add here: the sets of 4 that hold two right ones were counted twice."),
        (all_right, "This is the probability that *all* 4 are right; at least one is wanted."),
        (1 - all_right, "C(c, k) counts sets of right ones. Sets *without* a right one are made of the n - c wrong ones."),
        (c / 16, "This is pass@1: k did nothing."),
        ((c >= 4).float(), "A probability is wanted for each problem."),
        ((c > 0).float(), "This is pass@16, whether any of all 16 is right: k is 4.")])


@passing.case("each problem on its own, and k up to all completions, also many of them")
def _(fn):
    for samples, k in ((16, 16), (200, 100), (5, 1), (7, 6)):
        correct = torch.arange(0, samples + 1, max(1, samples // 6))
        close(fn(correct, samples, k), pass_at_k(correct, samples, k), call=f"pass_at_k(correct, {samples}, {k})", rtol=1e-4,
              otherwise="Compare with C(n - c, k) / C(n, k) by math.comb, which gives 0 where n - c is smaller than k.")

    def draw(rng):
        samples = rng.one_of((rng.length(), rng.length(), 16, 100))
        return rng.wholes(0, samples, rng.length()), samples, rng.whole(1, samples)

    agrees(fn, pass_at_k, draw)


@passing.case("right on average: completions that are right one time in five")
def _(fn):
    correct = (torch.rand(4_000, 6, generator=torch.Generator().manual_seed(0)) < 0.2).sum(1)
    close(torch.as_tensor(fn(correct, 6, 3)).double().mean(), torch.tensor(1 - 0.8**3, dtype=torch.float64), atol=0.015, rtol=0.0,
          call="mean of pass_at_k(correct, 6, 3) over 4,000 problems; the truth is 1 - 0.8³")


# ---------------------------------------------------------------------------------------------------------------- 14.6

strict = exercise(
    "14.6", title="Find the silent bug: a check that accepts too much", function="sum_reward", points=2, kind="bug",
    difficulty=2, importance=2, minutes=15, reference="checks:sum_reward",
    hints=("What texts does Python's int turn into the number 82? Try it with spaces, zeros, signs, and other scripts.",
           "Instead of reading a number out of the completion, write the one right answer, and compare two texts.",
           "str(int(first) + int(second)) is the one right answer. The completion is compared with it as it stands, with nothing done "
           "to it before."))


def sum_reward(prompt: str, completion: str) -> float:
    """1.0 if the completion is the right answer and nothing else, else 0.0."""
    return exact_reward([prompt + completion]).item()


def _rewarded(fn, completion, expected, mistake, prompt="37+45="):
    close(fn(prompt, completion), float(expected), call=f"sum_reward({prompt!r}, {completion!r})", otherwise=mistake)


@strict.case("right answers, wrong ones, and completions that are programs", given=True)
def _(fn):
    for prompt, answer in (("37+45=", "82"), ("99+98=", "197"), ("50+50=", "100"), ("10+10=", "20")):
        _rewarded(fn, answer, 1, "This is the right answer.", prompt)
    for said in ("81", "28", "4537", "eighty-two", "8 2", "0"):
        _rewarded(fn, said, 0, "This is not 82.")
    for said in ("41+41", "37+45", "True", "1 if 1 else 0", "0x52"):
        _rewarded(fn, said, 0, "This passed as if it were computed. Never evaluate what a model writes: compare texts.")


@strict.case("an answer that stops early, or says nothing", given=True)
def _(fn):
    for said in ("", "8"):
        _rewarded(fn, said, 0, "An answer that stops early passed: compared with zip or startswith, nothing at all is right. Compare the "
                               "whole texts.")


@strict.case("an answer that continues, or several answers", given=True)
def _(fn):
    for said in ("823", "8281", "82.", "82!", "82 or 83", "182", "81 82", "82=82", "82.0", "-82"):
        _rewarded(fn, said, 0, "The right digits stand in it, and more besides. A model rewarded for this writes many numbers and lets "
                               "you pick.")


@strict.case("spaces and line ends, which int() forgives")
def _(fn):
    for said in (" 82", "82 ", "82\n", "\t82"):
        _rewarded(fn, said, 0, "Spaces and line ends around the number passed: int and strip forgive them. Compare texts.")


@strict.case("other ways to write 82, which int() forgives")
def _(fn):
    for said in ("082", "+82", "8_2"):
        _rewarded(fn, said, 0, "int reads this as 82: leading zeros, a sign, an underscore. Compare with the one right way to write it.")


@strict.case("the digits of other scripts")
def _(fn):
    for said in ("٨٢", "８２"):
        _rewarded(fn, said, 0, "Digits of another script passed: int and \\d take them. Compare with str(...) of the sum.")
