"""What the answers to lesson 11's exercises must do, and the course's own answers where the library has none."""

import copy
import math
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from course_lib.exercises import Fail, agrees, apart, beside, close, difference, differentiable, exercise, shape_is
from course_lib.exercises.describe import describe
from course_lib.lm import kl
from course_lib.lm.gpt import GPT, GPTConfig, causal_attention
from course_lib.lm.ppo import token_gae, whiten
from course_lib.rl.objectives import clipped_policy_loss, k1, k2, k3, value_loss

# ---------------------------------------------------------------------------------------------------------------- 11.1

per_token = exercise(
    "11.1", title="The reward of each token", function="token_rewards", points=3, kind="implement",
    difficulty=2, importance=3, minutes=20, reference="course_lib.lm.kl:token_rewards",
    hints=("Two terms. The KL penalty comes at every choice; the text's reward comes once, at the last choice.",
           "The last choice of a row is where mask is True and the next column is False, or where the row stops. The penalty is "
           "beta * (logprobs - reference_logprobs), and it is subtracted.",
           "next_mask = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1) says where another choice follows; last = mask & "
           "~next_mask has one True a row. rewards[:, None] * last puts the rewards there."))

MASK = torch.tensor([[False, True, True, True, False], [False, True, True, True, True], [False, True, False, False, False]])
REWARDS = torch.tensor([1.0, -2.0, 0.5])
LOGPROBS = torch.tensor([[-1.0, -2.0, -0.5, -1.5, -9.0], [-0.2, -1.0, -3.0, -0.7, -0.1], [-4.0, -0.3, -7.0, -8.0, -6.0]])
REFERENCE = torch.tensor([[-1.5, -2.5, -0.4, -3.0, -1.0], [-0.9, -1.0, -2.0, -1.7, -0.6], [-1.0, -1.3, -2.0, -1.0, -3.0]])


def _expected(beta, at="last", sign=-1.0, masked=True):
    """The rewards of the choices, in the right way or in a wrong one."""
    last = kl.reward_at_last_token(torch.ones(3), MASK)
    where = {"last": last, "all": MASK.float(), "column": torch.eye(5)[4].expand(3, 5), "none": last * 0}[at]
    rewards = REWARDS[:, None] * where + sign * beta * (LOGPROBS - REFERENCE)
    return rewards * MASK if masked else rewards


def _called(fn, beta):
    return fn(REWARDS, LOGPROBS, REFERENCE, MASK, beta)


@per_token.case("beta 0: the reward at the last choice, nothing before")
def _(fn):
    got = _called(fn, 0.0)
    shape_is(got, (3, 5), mistake="One number for each choice is wanted, in the shape of the mask.")
    evenly = _expected(0.0, "all") / MASK.sum(1, keepdim=True)
    close(got, _expected(0.0), likely=[
        (_expected(0.0, "all"), "Every choice got the whole reward. A text is scored once: the reward belongs to the last choice alone."),
        (evenly, "The reward was divided among the choices. It comes once, at the last one; credit assignment is GAE's task."),
        (_expected(0.0, "column"), "The reward stands in the last *column*. A short text ended earlier: its last choice is the last True of its row."),
        (_expected(0.0, "column", masked=False), "The reward stands in the last *column*, padding or not. A short text ended earlier: it belongs to "
         "the last True of its row."),
        (_expected(0.0, "none"), "The reward is lost: it belongs to the last choice of each row."),
        (torch.roll(_expected(0.0, "last"), 1, 1), "One column too late: the last choice is where mask is True, not the column behind.")],
        otherwise="The reward belongs to the last True of each row of the mask, and to nothing else.")


@per_token.case("every choice has its KL penalty")
def _(fn):
    close(_called(fn, 0.5), _expected(0.5), likely=[
        (_expected(0.5, sign=1.0), "The KL was rewarded: a token that is likelier than under the reference gets a *negative* term. Turn the sign."),
        (_expected(0.0), "beta did nothing: every choice has the penalty beta times its log-ratio."),
        (_expected(1.0), "The penalty was taken without beta, the KL coefficient."),
        (_expected(0.5, masked=False), "Prompt and padding have a penalty too. They are no choices of the policy: multiply by the mask."),
        (torch.where(kl.reward_at_last_token(torch.ones(3), MASK) > 0, _expected(0.0), _expected(0.5)),
         "The last choice has no KL penalty of its own. It was a choice like the others: it gets the reward *and* the KL penalty."),
        (_expected(0.0) - kl.reward_at_last_token(0.5 * ((LOGPROBS - REFERENCE) * MASK).sum(1), MASK),
         "The whole KL penalty came at the end. Then GAE cannot know which token caused it: give each token its own.")],
        otherwise="Each choice has the penalty beta * (logprobs - reference_logprobs), and the last one gets the reward as well.")


@per_token.case("a row's sum is its reward less beta times its log-ratio")
def _(fn):
    got = torch.as_tensor(_called(fn, 0.2)).sum(1)
    close(got, REWARDS - 0.2 * ((LOGPROBS - REFERENCE) * MASK).sum(1), call="token_rewards(..., beta=0.2).sum(dim=1)",
          otherwise="Something is counted twice, or outside the mask.")


@per_token.case("any texts, wherever their choices begin and end")
def _(fn):
    def draw(rng):
        rows, columns = rng.length(), rng.length()
        return (rng.normal(rows, scale=3), rng.logprobs(rows, columns), rng.logprobs(rows, columns), rng.mask(rows, columns),
                rng.one_of((0.0, 0.1, 0.5, 2.0)))

    def unpenalized(rewards, logprobs, reference_logprobs, mask, beta):
        last = kl.reward_at_last_token(torch.ones_like(rewards), mask) > 0
        return torch.where(last, rewards[:, None], kl.token_rewards(0 * rewards, logprobs, reference_logprobs, mask, beta))

    def first(rewards, logprobs, reference_logprobs, mask, beta):
        where = mask & (mask.cumsum(1) == 1)
        return rewards[:, None] * where + kl.token_rewards(0 * rewards, logprobs, reference_logprobs, mask, beta)

    agrees(fn, kl.token_rewards, draw, likely=[
        (unpenalized, "The last choice has no KL penalty of its own. It was a choice like the others: it gets the reward *and* the KL penalty."),
        (first, "The reward went to the *first* choice of each row; it belongs to the last.")],
        otherwise="The last True of each row gets the reward; every True has its penalty; nothing else.")


# ---------------------------------------------------------------------------------------------------------------- 11.2

estimate = exercise(
    "11.2", title="Three ways to estimate a KL", function="kl_estimates", points=2, kind="implement",
    difficulty=1, importance=3, minutes=10, reference="checks:kl_estimates",
    hints=("Call d = logprobs - reference_logprobs. k1 is d itself.",
           "k2 is half the square of d. k3 corrects k1 by something whose mean is zero: the inverse ratio minus 1.",
           "d = logprobs - reference_logprobs; return d, d ** 2 / 2, d + (-d).exp() - 1."))


def kl_estimates(logprobs: torch.Tensor, reference_logprobs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(k1, k2, k3) of tokens that the policy sampled, each of their shape, in nats."""
    return tuple(estimator(logprobs, reference_logprobs) for estimator in (k1, k2, k3))


def _three(fn, logprobs, reference):
    got = fn(logprobs, reference)
    if not isinstance(got, tuple | list) or len(got) != 3:
        raise Fail("kl_estimates(logprobs, reference_logprobs)", "three tensors: k1, k2, k3",
                   f"{len(got)} things" if isinstance(got, tuple | list) else type(got).__name__, "Return k1, k2, k3, in this order.")
    return got


@estimate.case("one token, twice as likely as under the reference")
def _(fn):
    d = math.log(2)
    got = _three(fn, torch.tensor([math.log(0.5)]), torch.tensor([math.log(0.25)]))
    close(got[0], torch.tensor([d]), likely=[
        (torch.tensor([-d]), "This is log(reference / policy). The policy's log-probability is compared with the reference's: log(policy / reference)."),
        (torch.tensor([2.0]), "This is the ratio; k1 is its logarithm.")])
    close(got[1], torch.tensor([d * d / 2]), likely=[(torch.tensor([d * d]), "k2 is *half* the square of the log-ratio."),
                                                     (torch.tensor([d / 2]), "k2 is half of the *square*.")])
    close(got[2], torch.tensor([0.5 - 1 + d]), likely=[
        (torch.tensor([2 - 1 - d]), "Here the ratio is upside down. The tokens came from the policy, so the correction is reference / policy - 1; "
                    "the other way round the mean is no KL of these two."),
        (torch.tensor([0.5 - 1]), "This is the correction alone: add it to k1."),
        (torch.tensor([0.5 + d]), "The correction is the ratio *minus 1*: its mean is zero, and then k3 has k1's mean.")])


@estimate.case("on average k1 and k3 are the exact KL")
def _(fn):
    policy, reference = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.2, 0.3, 0.5])
    got = _three(fn, policy.log(), reference.log())
    exact = (policy * (policy / reference).log()).sum()
    for name, values in (("k1", got[0]), ("k3", got[2])):
        close((policy * torch.as_tensor(values)).sum(), exact, call=f"mean of {name} under the policy [0.7, 0.2, 0.1]",
              otherwise="Weighed by the policy's probabilities this estimator must give the exact KL.")


@estimate.case("log-probabilities of -200 stay numbers")
def _(fn):
    logprobs, reference = torch.tensor([-200.0, -1.0, -150.0]), torch.tensor([-199.0, -1.5, -150.0])
    got = _three(fn, logprobs, reference)
    rounded = "exp(-200) is rounded to 0, and 0/0 is not a number. Take the difference of the logarithms first: the ratio is exp(-d)."
    for name, values, right in zip(("k1", "k2", "k3"), got, kl_estimates(logprobs, reference), strict=True):
        close(values, right, call=f"{name} of log-probabilities [-200, -1, -150] and [-199, -1.5, -150]", likely=[
            ([float("nan"), right[1].item(), float("nan")], rounded), ([float("nan"), right[1].item(), right[2].item()], rounded)],
            otherwise=rounded)


@estimate.case("k2 and k3 are never negative, and shapes are kept")
def _(fn):
    rng = torch.Generator().manual_seed(0)
    logprobs, reference = -3 * torch.rand(4, 6, generator=rng), -3 * torch.rand(4, 6, generator=rng)
    got = _three(fn, logprobs, reference)
    for name, values, right in zip(("k1", "k2", "k3"), got, kl_estimates(logprobs, reference), strict=True):
        shape_is(values, (4, 6), mistake=f"{name} is wanted for each token, not summed or averaged.")
        close(values, right, call=f"{name} of 24 tokens", otherwise=f"{name} of random tokens differs from its formula.")


@estimate.case("any tokens")
def _(fn):
    def draw(rng):
        shape = rng.shape(1, 3)
        return rng.logprobs(*shape), rng.logprobs(*shape)

    agrees(fn, kl_estimates, draw, names=("k1", "k2", "k3"))


# ---------------------------------------------------------------------------------------------------------------- 11.3

advantage = exercise(
    "11.3", title="GAE over tokens", function="token_gae", points=3, kind="implement",
    difficulty=3, importance=3, minutes=25, reference="course_lib.lm.ppo:token_gae",
    hints=("It is lesson 02's GAE along each row. What is new: the row holds columns that are no choices, before and behind.",
           "After the last choice nothing follows: the next value there is 0, whatever the value network says about padding. "
           "Multiply rewards and values by the mask first, and the advantages by the mask in the end.",
           "Walk t from the last column to the first with next_advantage and next_value, both 0 at first. What is multiplied by mask[:, t] is "
           "0 outside the choices, so that each text is entered from behind as if its row had stopped there."))

GAE_REWARDS = torch.tensor([[0.0, -0.1, 0.2, 1.0, 0.0], [0.0, 0.3, 0.0, -0.2, 2.0], [0.0, 0.7, 0.0, 0.0, 0.0]])
GAE_VALUES = torch.tensor([[5.0, 0.5, 0.8, 0.6, 7.0], [3.0, 1.0, 1.2, 1.5, 1.9], [4.0, 0.2, 6.0, 6.0, 6.0]])


def _walk(rewards, values, mask, gamma, lam, cut_value=True, cut_trace=True, masked=True):
    """GAE by plain numbers along each row, in the right way or in a wrong one."""
    B, T = rewards.shape
    out = torch.zeros(B, T)
    for b in range(B):
        next_advantage = 0.0
        for t in reversed(range(T)):
            has_next = t + 1 < T and (mask[b, t + 1] or not cut_value)
            delta = rewards[b, t] + (gamma * values[b, t + 1] if has_next else 0.0) - values[b, t]
            keeps = t + 1 < T and (mask[b, t + 1] or not cut_trace)
            out[b, t] = delta + (gamma * lam * next_advantage if keeps else 0.0)
            next_advantage = out[b, t]
    return out * mask if masked else out


def _advantages(fn, gamma, lam, mask=MASK):
    return fn(GAE_REWARDS, GAE_VALUES, mask, gamma, lam)


@advantage.case("no padding at all: lesson 02's GAE in each row")
def _(fn):
    everywhere = torch.ones_like(MASK)
    got = _advantages(fn, 0.9, 0.8, everywhere)
    shape_is(got, (3, 5), mistake="One advantage for each column is wanted, in the shape of the rewards.")
    right = _walk(GAE_REWARDS, GAE_VALUES, everywhere, 0.9, 0.8)
    close(got, right, likely=[
        (right + GAE_VALUES, "These are advantages + values, the value network's targets. Return the advantages alone."),
        (_walk(GAE_REWARDS, GAE_VALUES, everywhere, 0.9, 0.0), "Later TD errors do not count: carry them back, faded by gamma * lam."),
        (_walk(GAE_REWARDS.T, GAE_VALUES.T, everywhere.T, 0.9, 0.8).T, "You walked down the columns. A text is a row: time runs along "
         "dimension 1. Lesson 02's `gae` wants time first, so transpose on the way in and out.")],
        otherwise="Each row is an episode; after its last column nothing follows, so the next value there is 0.")


@advantage.case("nothing follows the end token")
def _(fn):
    close(_advantages(fn, 1.0, 0.0), _walk(GAE_REWARDS, GAE_VALUES, MASK, 1.0, 0.0), likely=[
        (_walk(GAE_REWARDS, GAE_VALUES, MASK, 1.0, 0.0, cut_value=False), "The last choice looked at what the value network says about "
         "the padding (7 and 6 here). Nothing follows the end: its next value is 0."),
        (_walk(GAE_REWARDS, GAE_VALUES, MASK, 1.0, 0.0, masked=False), "Prompt and padding got advantages. They are no choices: "
         "multiply by the mask in the end."),
        (_walk(GAE_REWARDS * 1.0, GAE_VALUES * 0, MASK, 1.0, 0.0), "The values are missing from the TD errors.")],
        otherwise="With lam = 0 each choice has its own TD error: reward + next value - value, the next value 0 at the last choice.")


@advantage.case("credit is passed back along the row, through choices only")
def _(fn):
    close(_advantages(fn, 1.0, 0.95), _walk(GAE_REWARDS, GAE_VALUES, MASK, 1.0, 0.95), likely=[
        (_walk(GAE_REWARDS, GAE_VALUES, MASK, 1.0, 0.95, cut_trace=False), "TD errors of the padding leak back into the text: cut the "
         "trace at the end, not only the value."),
        (_walk(GAE_REWARDS, GAE_VALUES, MASK, 1.0, 0.95, cut_value=False, cut_trace=False), "The padding's values and TD errors leak "
         "into the text. Nothing follows the last choice of a row."),
        (_walk(GAE_REWARDS, GAE_VALUES, MASK, 1.0, 1.0), "lam = 0.95 was given and yours uses 1."),
        (_walk(GAE_REWARDS, GAE_VALUES, MASK, 1.0, 0.95, masked=False), "Prompt and padding got advantages. They are no choices: "
         "multiply by the mask in the end.")])


@advantage.case("what is said about prompt and padding does not matter")
def _(fn):
    noise = torch.where(MASK, GAE_VALUES, torch.tensor(1e3))
    close(fn(GAE_REWARDS, noise, MASK, 0.9, 0.8), token_gae(GAE_REWARDS, GAE_VALUES, MASK, 0.9, 0.8),
          call="token_gae(...) with values of 1,000 in the prompt and in the padding",
          otherwise="Values outside the mask came into the advantages: multiply values by the mask before anything else.")


@advantage.case("any texts, wherever their choices begin and end")
def _(fn):
    def draw(rng):
        rows, columns = rng.length(), rng.length()
        mask = rng.mask(rows, columns)
        return (rng.normal(rows, columns) * mask, rng.normal(rows, columns, scale=3), mask, rng.one_of((0.5, 0.9, 1.0)),
                rng.one_of((0.0, 0.5, 0.95, 1.0)))

    agrees(fn, token_gae, draw, likely=[
        (lambda *given: _walk(*given, cut_trace=False), "TD errors of the padding leak back into the text: cut the trace at the end, not only "
                                                        "the value."),
        (lambda *given: _walk(*given, masked=False), "Prompt and padding got advantages: multiply by the mask in the end.")])


# ---------------------------------------------------------------------------------------------------------------- 11.4

masked = exercise(
    "11.4", title="The clipped objective, told where to look", function="masked_policy_loss", points=2, kind="implement",
    difficulty=2, importance=3, minutes=10, reference="course_lib.rl.objectives:clipped_policy_loss",
    hints=("Take your function of 02.2 up to the mean. Which tokens may the mean be taken over?",
           "Sum the gains where mask is True, and divide by the number of True, not by the number of columns.",
           "With gain, (B, L - 1), as in 02.2: gain[mask] holds the choices alone."))

NEW = LOGPROBS + torch.tensor([[3.0, 0.1, 0.5, -0.4, 5.0], [1.0, -0.1, 0.3, 0.0, -0.6], [2.0, 0.2, 4.0, -3.0, 1.0]])
WEIGHTS = torch.tensor([[9.0, 1.0, 2.0, -1.0, 9.0], [9.0, -1.0, 0.5, 1.0, -2.0], [9.0, 1.5, 9.0, 9.0, 9.0]])


def _gain(clip=0.2, pessimist=True):
    ratio = (NEW - LOGPROBS).exp()
    held = ratio.clamp(1 - clip, 1 + clip) * WEIGHTS
    return torch.min(ratio * WEIGHTS, held) if pessimist else held


def _masked_loss(fn, clip=0.2, mask=MASK):
    return fn(NEW, LOGPROBS, WEIGHTS, clip, mask)


@masked.case("no padding: the loss of lesson 02")
def _(fn):
    everywhere = torch.ones_like(MASK)
    got = _masked_loss(fn, mask=everywhere)
    shape_is(got, (), mistake="One number for the whole batch is wanted.")
    close(got, clipped_policy_loss(NEW, LOGPROBS, WEIGHTS, 0.2), likely=[
        (_gain().mean(), "A loss is minimised, and good choices should become likelier: a minus is missing."),
        (-_gain(pessimist=False).mean(), "The clipped gain was taken always. PPO takes the smaller of the two, choice by choice."),
        (-_gain().sum(), "This is the sum; a mean is wanted, so that the loss does not grow with the batch.")])


@masked.case("prompt and padding do not count")
def _(fn):
    gain = _gain()
    by_row = ((gain * MASK).sum(1) / MASK.sum(1)).mean()
    close(_masked_loss(fn), clipped_policy_loss(NEW, LOGPROBS, WEIGHTS, 0.2, MASK), likely=[
        (-gain.mean(), "The mask did nothing: prompt and padding, which nobody chose, are in the mean."),
        (-(gain * MASK).mean(), "The sum is over the choices, but it was divided by *all* columns: short texts make the loss small. "
         "Divide by mask.sum()."),
        (-by_row, "You took a mean in each row and then over the rows: a token of a short text then weighs more. Here every choice "
         "weighs the same."),
        (-(gain * MASK).sum(), "This is the sum; divide by the number of choices, mask.sum()."),
        ((gain * MASK).sum() / MASK.sum(), "A loss is minimised, and good choices should become likelier: a minus is missing.")])


@masked.case("another clip, and padding that blows up")
def _(fn):
    huge = torch.where(MASK, NEW, LOGPROBS + 60.0)
    got = fn(huge, LOGPROBS, WEIGHTS, 0.1, MASK)
    close(got, clipped_policy_loss(NEW, LOGPROBS, WEIGHTS, 0.1, MASK), likely=[
        (-(_gain(0.2) * MASK).sum() / MASK.sum(), "The clip 0.1 was given; yours uses 0.2.")],
        call="masked_policy_loss(...) with ratios of e^60 in the padding, clip 0.1",
        otherwise="Something outside the mask came into the loss.")


@masked.case("the gradient reaches the choices and nothing else")
def _(fn):
    logprobs = LOGPROBS.clone().requires_grad_(True)
    got = fn(logprobs, LOGPROBS, WEIGHTS, 0.2, MASK)
    if not (isinstance(got, torch.Tensor) and got.requires_grad):
        raise Fail("loss.requires_grad", "True", "False", "The loss lost its way back to the log-probabilities: keep everything in tensors, "
                   "without .item(), .detach() or numpy on `logprobs`.")
    got.backward()
    close(logprobs.grad, -WEIGHTS * MASK / MASK.sum(), call="gradient of logprobs where the policy has not moved",
          otherwise="Where the ratio is 1 the gradient is minus the advantage over the number of choices, and 0 outside the mask.")


@masked.case("any texts, wherever their choices begin and end, and the gradient")
def _(fn):
    at_the_borders = [*beside(0.7, 0.8, 1.2, 1.3), 0.3, 1.0, 2.5]

    def draw(rng, ratios=at_the_borders):
        rows, columns = rng.length(), rng.length()
        old = rng.logprobs(rows, columns)
        return (old + rng.among(ratios, rows, columns).log(), old, rng.normal(rows, columns, scale=2), rng.one_of((0.2, 0.3)),
                rng.mask(rows, columns))

    def reference(logprobs, old_logprobs, advantages, clip, mask):
        return clipped_policy_loss(logprobs, old_logprobs, advantages, clip, mask)

    def rows_first(logprobs, old_logprobs, advantages, clip, mask):
        losses = [clipped_policy_loss(a[m], b[m], c[m], clip) for a, b, c, m in zip(logprobs, old_logprobs, advantages, mask, strict=True)]
        return torch.stack(losses).mean()

    agrees(fn, reference, draw, likely=[
        (rows_first, "You took a mean in each row and then over the rows. Here every choice weighs the same.")])
    differentiable(fn, lambda rng: draw(rng, (0.3, 0.9, 1.0, 1.1, 2.5)), reference, wrt=["logprobs"])


# ---------------------------------------------------------------------------------------------------------------- 11.5

padding = exercise(
    "11.5", title="Find the silent bug: whitening", function="whiten", points=2, kind="bug",
    difficulty=2, importance=2, minutes=10, reference="course_lib.lm.ppo:whiten",
    hints=("Give it the same texts in a wider batch, and look at the mean of what comes out, over the choices alone.",
           "How many numbers went into the mean, and how many into the standard deviation? How many of them are padding?",
           "advantages[mask] holds the choices alone: take mean *and* standard deviation of those."))

RAW = torch.tensor([[0.0, 2.0, 4.0, 3.0, 0.0], [0.0, 5.0, 1.0, 2.5, 3.5], [0.0, 9.0, 0.0, 0.0, 0.0]])


def _white(mean, std):
    return (RAW - mean) / (std + 1e-8) * MASK


@padding.case("mean 0 over the choices")
def _(fn):
    got = torch.as_tensor(fn(RAW, MASK))
    shape_is(got, (3, 5), mistake="The shape of the advantages is wanted.")
    close(got[MASK].mean(), 0.0, call="whiten(advantages, mask)[mask].mean()", atol=1e-5, likely=[
        (_white(RAW.mean(), RAW.std(correction=0))[MASK].mean(), "The mean was taken over padding too, so it is too small, and what "
         "comes out is too large: choices look good because there is padding."),
        (_white(RAW.mean(), RAW.std())[MASK].mean(), "The mean was taken over padding too, so it is too small, and what comes out is "
         "too large: choices look good because there is padding."),
        (_white(RAW.mean(), RAW[MASK].std())[MASK].mean(), "The standard deviation is over the choices now, the mean is not yet: padding is in it."),
        (_white(RAW.mean(), RAW[MASK].std(correction=0))[MASK].mean(), "The standard deviation is over the choices now, the mean is not yet: "
         "padding is in it.")],
        otherwise="Over the choices the mean must be 0.")


@padding.case("standard deviation 1 over the choices")
def _(fn):
    got = torch.as_tensor(fn(RAW, MASK))[MASK]
    centred = RAW - RAW[MASK].mean()
    std = got.std(correction=0).item()
    if abs(std - 1) > 0.08:                                      # n and n - 1 are both right: 0.94 and 1 for 8 choices
        with_padding = (RAW[MASK].std(correction=0) / RAW.std(correction=0)).item()
        late = (RAW[MASK].std(correction=0) / (centred * MASK).std(correction=0)).item()
        near = min(abs(std - with_padding), abs(std - late)) < 0.1
        raise Fail("whiten(advantages, mask)[mask].std()", "about 1", f"{std:.3f}",
                   "The mean is right, but padding is in the standard deviation. Take both over the choices." if near else
                   "Over the choices it must be 1: divide by the standard deviation of the choices.")


@padding.case("zero outside the mask", given=True)
def _(fn):
    got = torch.as_tensor(fn(RAW, MASK))
    if got[~MASK].abs().max() > 1e-6:
        raise Fail("whiten(advantages, mask)[~mask]", "zeros", f"up to {got[~MASK].abs().max().item():.2f}",
                   "Padding was 0 and is now minus the mean: multiply by the mask in the end.")


@padding.case("more padding changes nothing")
def _(fn):
    wide, mask = torch.cat([RAW, torch.zeros(3, 40)], 1), torch.cat([MASK, torch.zeros(3, 40, dtype=torch.bool)], 1)
    got = torch.as_tensor(fn(wide, mask))[:, :5]
    right = whiten(RAW, MASK)
    if difference(got, right, atol=1e-4) is not None:
        close(got, right * math.sqrt(7 / 8), call="whiten(...) of the same texts in a batch 40 columns wider",
              otherwise="The same texts, in a wider batch, got other advantages: padding is still counted somewhere.")


@padding.case("any texts, wherever their choices begin and end")
def _(fn):
    def draw(rng):
        rows, columns = rng.length(2), rng.length(2)
        advantages = rng.normal(rows, columns, scale=2)
        advantages[:, 0] += torch.arange(rows)                       # never all alike
        mask = rng.mask(rows, columns)
        mask[:2, 0] = True
        return torch.where(mask, advantages, rng.among((0.0, 5.0), rows, columns)), mask

    def over_n_less_one(advantages, mask):
        return (advantages - advantages[mask].mean()) / (advantages[mask].std() + 1e-8) * mask

    agrees(fn, whiten, draw, also=[over_n_less_one], atol=1e-4,
           otherwise="Mean and standard deviation are those of the choices, and what is no choice gets 0.")


# ---------------------------------------------------------------------------------------------------------------- 11.6

ratio = exercise(
    "11.6", title="Find the silent bug: a policy at another temperature", function="first_ratios", points=2, kind="bug",
    difficulty=2, importance=3, minutes=15, reference="checks:first_ratios",
    hints=("Before anything has moved, new and old policy are the same. What must every ratio be then, at any temperature?",
           "The policy that wrote is softmax(logits / temperature). Which policy stands above the fraction line?",
           "Both log-probabilities must be those of the policy that draws. What was done to one of them must be done to the other."))


def first_ratios(logits: torch.Tensor, old_logits: torch.Tensor, tokens: torch.Tensor, temperature: float) -> torch.Tensor:
    """PPO's ratios of tokens that were drawn at `temperature`: (B, T, V) twice and (B, T) -> (B, T)."""
    def chosen(some: torch.Tensor) -> torch.Tensor:
        return (some / temperature).log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)
    return (chosen(logits) - chosen(old_logits)).exp()


OLD_LOGITS = torch.tensor([[[1.0, 0.0, -1.0], [0.5, 2.0, 0.0]]])
NEW_LOGITS = torch.tensor([[[1.5, -0.2, -1.0], [0.5, 1.0, 0.6]]])
DRAWN = torch.tensor([[0, 2]])


def _mixed(new_at, old_at, logits=NEW_LOGITS):
    def chosen(some, temperature):
        return (some / temperature).log_softmax(-1).gather(-1, DRAWN[..., None]).squeeze(-1)
    return (chosen(logits, new_at) - chosen(OLD_LOGITS, old_at)).exp()


@ratio.case("temperature 1", given=True)
def _(fn):
    right = first_ratios(NEW_LOGITS, OLD_LOGITS, DRAWN, 1.0)
    close(fn(NEW_LOGITS, OLD_LOGITS, DRAWN, 1.0), right, likely=[
        (1 / right, "This is old over new."), (right.log(), "This is the logarithm of the ratio.")],
        otherwise="This case was right before: another line was changed.")


@ratio.case("nothing has moved: every ratio is 1")
def _(fn):
    close(fn(OLD_LOGITS, OLD_LOGITS, DRAWN, 0.7), torch.ones(1, 2), likely=[
        (_mixed(1.0, 0.7, OLD_LOGITS), "The policy has not moved, and yet its ratios are not 1: new and old are read at two temperatures. "
         "PPO would clip, and learn, before anything happened."),
        (_mixed(0.7, 1.0, OLD_LOGITS), "Now the new one is read at the temperature and the old one is not: the same fault, mirrored.")])


@ratio.case("it moved: the ratio of the policies that draw")
def _(fn):
    close(fn(NEW_LOGITS, OLD_LOGITS, DRAWN, 0.7), _mixed(0.7, 0.7), likely=[
        (_mixed(1.0, 1.0), "Both at temperature 1 cancels the fault while nothing moves, but this is not the policy that drew the tokens: "
         "that one is softmax(logits / temperature)."),
        (_mixed(1 / 0.7, 1 / 0.7), "Logits are *divided* by the temperature."),
        (_mixed(0.7, 1.0), "The old log-probabilities are those of another policy now."),
        (_mixed(1.0, 0.7), "The new log-probabilities are read at temperature 1, the old ones at 0.7.")])


@ratio.case("any logits, tokens and temperature, and the gradient")
def _(fn):
    def draw(rng):
        rows, columns, words = rng.length(), rng.length(), rng.length(2)
        return (rng.normal(rows, columns, words, scale=2), rng.normal(rows, columns, words, scale=2),
                rng.wholes(0, words - 1, rows, columns), rng.one_of((0.5, 0.7, 1.0, 1.5)))

    agrees(fn, first_ratios, draw, rtol=1e-3)
    differentiable(fn, draw, first_ratios, wrt=["logits"])


# ---------------------------------------------------------------------------------------------------------------- 11.7

diagnose = exercise(
    "11.7", title="Four faulty runs", function="diagnosis", points=2, kind="predict",
    difficulty=2, importance=2, minutes=10, reference="checks:diagnosis",
    hints=("Ask of each run first: did the policy move at all? How far? And does its reward still mean what was meant?",
           "A large KL with a high proxy is one fault; no change at all is another; ratios that are not 1 before the first step are a third.",
           "Of C: what can differ between two log-probabilities of one token, when the weights do not? Of D: what does a short text have "
           "more of when its batch is wide?"))

RUNS = ("A: proxy 3.9 and rising, gold falling, KL 60 nats, distinct-2 0.2",
        "B: reward flat, KL 0.1 nats after 60 updates, ratios all near 1",
        "C: with learning rate 0 the ratios scatter around 1, and old and new policy are 0.3 nats apart",
        "D: short texts become likelier whenever they share a batch with a very long one")
CAUSES = ("beta too small", "beta too large", "log-probabilities of two policies", "padding is counted")


def diagnosis() -> dict[str, str]:
    """What is wrong with each run."""
    return dict(zip((run[0] for run in RUNS), CAUSES, strict=True))


def _said(fn, key):
    got = fn()
    if not isinstance(got, dict) or key not in got:
        raise Fail("diagnosis()", "a dict with the keys 'A', 'B', 'C' and 'D'", repr(got)[:80], f"The key {key!r} is missing.")
    if got[key] not in CAUSES:
        raise Fail(f"diagnosis()[{key!r}]", "one of " + ", ".join(map(repr, CAUSES)), repr(got[key])[:80],
                   "Choose one of the four causes, letter by letter.")
    return got[key]


@diagnose.case("run A")
def _(fn):
    if (got := _said(fn, "A")) != "beta too small":
        raise Fail("diagnosis()['A']", "another cause", repr(got), "Its reward rises on, 60 nats from the reference, and the texts "
                   "repeat themselves. What should have bounded the KL?")


@diagnose.case("run B")
def _(fn):
    if (got := _said(fn, "B")) != "beta too large":
        raise Fail("diagnosis()['B']", "another cause", repr(got), "After sixty updates the policy is where it began, with ratios near 1: no "
                   "step is wrong, but every change is penalized. By what?")


@diagnose.case("run C")
def _(fn):
    if (got := _said(fn, "C")) != "log-probabilities of two policies":
        raise Fail("diagnosis()['C']", "another cause", repr(got), "Nothing changes, so new and old policy are the same and every ratio should be "
                   "1. If not, the two numbers are not about the same thing.")


@diagnose.case("run D")
def _(fn):
    if (got := _said(fn, "D")) != "padding is counted":
        raise Fail("diagnosis()['D']", "another cause", repr(got), "Only the width of the batch is another one. What stands in the columns behind "
                   "a short text, and who looks at it?")


# ---------------------------------------------------------------------------------------------------------------- 11.8

build = exercise(
    "11.8", title="Build: PPO on tokens", function="TokenPPO", points=8, kind="build",
    difficulty=3, importance=1, minutes=90, reference="checks:TokenPPO",
    hints=("Write all three __init__ first, then forward, sample, collect, loss, update: that is the order of the cases. After each one run the "
           "check; it goes on to the next part.",
           "sample is one loop over max_new_tokens: the model reads all tokens so far, its last position gives the next token, `going` says which rows have not "
           "ended; the mask gets `going` as it was *before* this token. In collect nothing needs a gradient: torch.no_grad().",
           "Both epochs and minibatches use the batch as it was collected: its logprobs stay the old ones. "
           "for rows in torch.randperm(batch_size, generator=...).split(minibatch_size) gives the rows; {key: value[rows] for ...} a part of the batch. "
           "Standardize the advantages after the returns were computed from them."))

SMALL = {"max_new_tokens": 4, "batch_size": 6, "minibatch_size": 4, "epochs": 2, "learning_rate": 0.01, "beta": 0.3, "gamma": 1.0, "lam": 0.9, "clip": 0.2,
         "value_coefficient": 0.5, "seed": 0}
LETTERS = torch.tensor([[0, letter] for letter in range(1, 9)])
REACHED, ALLOWED = 3.0, 8.5         # reward and nats; the reference ends near 4.1 at 6.3


def rising(tokens: torch.Tensor) -> torch.Tensor:
    """The reward of whole texts, (B, L) -> (B,): steps up the alphabet minus steps down. The end is no step."""
    before, after = tokens[:, 1:-1], tokens[:, 2:]
    return (torch.sign(after - before) * (after > 0)).sum(dim=1).float()


class ActorCritic(nn.Module):
    """A GPT with a value head."""

    def __init__(self, gpt: GPT) -> None:
        super().__init__()
        self.gpt, self.value_head = gpt, nn.Linear(gpt.config.width, 1)
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(logprobs, values) of the choices in tokens (B, L), both (B, L - 1)."""
        hidden = self.gpt.hidden(tokens[:, :-1])
        return _of_tokens(self.gpt.logits(hidden), tokens), self.value_head(hidden).squeeze(-1)


def _of_tokens(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    return logits.log_softmax(-1).gather(-1, tokens[:, 1:, None]).squeeze(-1)


class Rollouts:
    """Samples from the policy, and computes rewards and advantages of each choice."""

    def __init__(self, model: ActorCritic, reference: GPT, reward: Any, settings: Any, generator: torch.Generator) -> None:
        self.model, self.reference, self.reward, self.settings, self.generator = model, reference, reward, settings, generator

    def sample(self, prompts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (B, P + N) and the mask of the choices (B, P + N - 1)."""
        return _sampled(self.model.gpt, prompts, self.settings.max_new_tokens, self.generator)

    @torch.no_grad()
    def collect(self, prompts: torch.Tensor) -> dict[str, torch.Tensor]:
        """The batch."""
        s, (tokens, mask) = self.settings, self.sample(prompts)
        logprobs, values = (each * mask for each in self.model(tokens))
        batch = {"tokens": tokens, "mask": mask, "logprobs": logprobs, "values": values, "rewards": self.reward(tokens),
                 "reference_logprobs": _of_tokens(self.reference(tokens[:, :-1]), tokens) * mask}
        batch["token_rewards"] = kl.token_rewards(batch["rewards"], logprobs, batch["reference_logprobs"], mask, s.beta)
        advantages = token_gae(batch["token_rewards"], values, mask, s.gamma, s.lam)
        return {**batch, "returns": (advantages + values) * mask, "advantages": whiten(advantages, mask)}


@torch.no_grad()
def _sampled(gpt: GPT, prompts: torch.Tensor, new: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    tokens, mask = prompts, torch.zeros_like(prompts[:, 1:], dtype=torch.bool)
    going = torch.ones(len(prompts), dtype=torch.bool)
    for _ in range(new):
        drawn = torch.multinomial(gpt(tokens)[:, -1].softmax(-1), 1, generator=generator)[:, 0] * going
        tokens, mask = torch.cat([tokens, drawn[:, None]], 1), torch.cat([mask, going[:, None]], 1)
        going = going & (drawn != 0)
    return tokens, mask


class TokenPPO:
    """PPO on tokens, with a value head on the policy: the course's own answer to the build."""

    def __init__(self, gpt: GPT, prompts: torch.Tensor, reward: Any, settings: Any) -> None:
        self.prompts, self.settings = prompts, settings
        self.model, self.reference = ActorCritic(gpt), copy.deepcopy(gpt).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=settings.learning_rate)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.rollouts = Rollouts(self.model, self.reference, reward, settings, self.generator)

    def loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The whole loss of a batch, or of some of its rows."""
        policy, value = _losses(self.model, batch, self.settings.clip)
        return policy + self.settings.value_coefficient * value

    def update(self) -> dict[str, float]:
        """One batch, learned from; its reward and KL."""
        s = self.settings
        batch = self.rollouts.collect(self.prompts[torch.randint(len(self.prompts), (s.batch_size,), generator=self.generator)])
        for _ in range(s.epochs):
            for rows in torch.randperm(s.batch_size, generator=self.generator).split(s.minibatch_size):
                loss = self.loss({key: value[rows] for key, value in batch.items()})
                self.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                self.optimizer.step()
        distance = (batch["logprobs"] - batch["reference_logprobs"]).sum(dim=1)
        return {"reward": batch["rewards"].mean().item(), "kl": distance.mean().item()}


def _losses(model: nn.Module, batch: dict[str, torch.Tensor], clip: float, everywhere=False) -> tuple[torch.Tensor, torch.Tensor]:
    """(policy loss, value loss), by the library; `everywhere`: the value loss without the mask."""
    hidden, mask = model.gpt.hidden(batch["tokens"][:, :-1]), batch["mask"]
    logprobs, values = _of_tokens(model.gpt.logits(hidden), batch["tokens"]), model.value_head(hidden).squeeze(-1)
    return (clipped_policy_loss(logprobs, batch["logprobs"], batch["advantages"], clip, mask),
            value_loss(values, batch["returns"], None if everywhere else mask))


@torch.no_grad()
def _moved(network: nn.Module, by: float, seed: int) -> nn.Module:
    """The network with other weights, biases too."""
    generator = torch.Generator().manual_seed(seed)
    for weight in network.parameters():
        weight.add_(by * torch.randn(weight.shape, generator=generator))
    return network


@torch.no_grad()
def _gpt(words=6, context=8, width=8, seed=1, ends=3.0) -> GPT:
    """A small GPT whose distributions are uneven and depend on what stands before. `ends`: how much it likes to end a text."""
    gpt = _moved(GPT(GPTConfig(words, context, 1, 2, width), attention=causal_attention), 0.5, seed).eval()
    end = gpt.token_embedding.weight[0] - gpt.token_embedding.weight.mean(dim=0)
    gpt.norm.bias.add_(ends * end / end.square().sum())
    return gpt


def _told(got: Any, right: Any, likely: list, **within: float) -> list:
    """The likely mistakes that can be told apart, worked out only where the answer is not right: comparing them takes long."""
    return apart(right, likely, **within) if difference(got, right, **within) else []


def _score(tokens: torch.Tensor) -> torch.Tensor:
    return tokens.float().mean(dim=1) - 0.3 * tokens[:, -1]


STARTS = torch.tensor([[0, 3, 1], [0, 2, 2], [0, 5, 4], [0, 1, 3], [0, 4, 4]])


def _made(fn, *, head=0.5, gpt=None, prompts=STARTS, reward=_score, **changed) -> tuple[Any, Any]:
    """(a TokenPPO of the learner whose value head has weights and whose policy has left the reference, its settings)."""
    settings = SimpleNamespace(**{**SMALL, **changed})
    made = fn(_gpt() if gpt is None else gpt, prompts, reward, settings)
    for owner, names in ((lambda: made, ("model", "reference", "rollouts", "optimizer")), (lambda: made.model, ("gpt", "value_head")),
                         (lambda: made.rollouts, ("model", "reference", "reward", "settings", "generator"))):
        missing = [name for name in names if not hasattr(owner(), name)]
        if missing:
            raise Fail(f"{type(owner()).__name__}(...).{missing[0]}", "an attribute of this name", "none", f"The specification names it: set `self.{missing[0]}` in `__init__`.")
    if head:
        _moved(made.model.value_head, head, 2)
        _moved(made.model.gpt, 0.15, 3)
    return made, settings


@build.case("policy, value head, reference, optimizer: what is made, and what is trained")
def _(fn):
    gpt = _gpt()
    before = [weight.clone() for weight in gpt.state_dict().values()]
    made, settings = _made(fn, head=0, gpt=gpt)
    head = made.model.value_head
    if made.model.gpt is not gpt:
        raise Fail("TokenPPO(gpt, ...).model.gpt is gpt", "True", "False", "The policy is the GPT that was given, trained in place; the *reference* is the copy.")
    if head.weight.any() or head.bias.any() or tuple(head.weight.shape) != (1, 8):
        raise Fail("model.value_head", "nn.Linear(C, 1) with weights and bias 0", describe(head.weight.detach()),
                   "The value head maps C numbers to one and begins at 0, so that the first value estimates are 0.")
    shared = {id(weight) for weight in gpt.parameters()} & {id(weight) for weight in made.reference.parameters()}
    if shared or made.reference is gpt:
        raise Fail("made.reference", "a copy of gpt", "gpt itself", "The reference would move along with the policy, and the KL stay 0: copy.deepcopy(gpt).")
    for weight, copied in zip(before, made.reference.state_dict().values(), strict=True):
        close(copied, weight, call="the reference's weights", otherwise="The reference is the GPT as it was given.")
    in_optimizer = {id(weight) for group in made.optimizer.param_groups for weight in group["params"]}
    if in_optimizer != {id(weight) for weight in made.model.parameters()}:
        lost = [name for name, weight in made.model.named_parameters() if id(weight) not in in_optimizer]
        raise Fail("the optimizer's parameters", "those of made.model", f"without {', '.join(lost[:3])}" if lost else "more than those",
                   "One optimizer trains the GPT and the value head, and nothing else.")
    rates = [_made(fn, learning_rate=rate)[0].optimizer.param_groups[0]["lr"] for rate in (0.01, 0.002)]
    close(rates, [0.01, 0.002], call="the optimizer's learning rates", otherwise="The optimizer takes settings.learning_rate.")


@build.case("log-probabilities of the tokens, and the value before each choice")
def _(fn):
    made, _ = _made(fn)
    model, tokens = made.model, torch.tensor([[0, 3, 1, 5, 2, 4], [0, 2, 2, 1, 0, 0]])
    with torch.no_grad():
        hidden = model.gpt.hidden(tokens)
        logits, values = model.gpt.logits(hidden), model.value_head(hidden).squeeze(-1)
    got = fn.method(model, "forward", tokens)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Fail("model(tokens)", "(logprobs, values)", got, "Two tensors are wanted, both (B, L - 1).")
    for what, name in zip(got, ("logprobs", "values"), strict=True):
        shape_is(what, (2, 5), call=f"{name} of model(tokens), tokens (2, 6)", mistake="(B, L - 1): nothing is chosen after the last token, and the value head's last dimension of "
                 "length 1 is dropped.")
    right, own = _of_tokens(logits[:, :-1], tokens), logits.log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)
    close(got[0], right, call="logprobs of model(tokens)", likely=apart(right, [
        (own[:, 1:], SHIFTED), (own[:, :-1], SHIFTED), (right.exp(), "These are probabilities; their logarithms are wanted."),
        (logits[:, :-1].gather(-1, tokens[:, 1:, None]).squeeze(-1), "These are logits. A log-probability needs log_softmax over the vocabulary.")]),
          otherwise="Column t is the log-probability of tokens[:, t + 1], from the logits at position t.")
    close(got[1], values[:, :-1], call="values of model(tokens)", likely=[
        (values[:, 1:], "One position late: the value in column t is the estimate *before* the choice of tokens[:, t + 1], from the stream at position t.")],
          otherwise="Column t is value_head(gpt.hidden(tokens)) at position t.")
    if not (got[0].requires_grad and got[1].requires_grad):
        raise Fail("model(tokens)", "tensors with a gradient", "without", "The loss goes back through both: no torch.no_grad() and no detach here.")


SHIFTED = "Each token was looked up in the logits of its *own* position. Those at position t are about tokens[:, t + 1]."


@build.case("sample: the prompt stays, nothing follows the end, the mask is what the policy chose")
def _(fn):
    for starts, new, ends in ((STARTS[:, :2].repeat(6, 1), 4, 3.0), (STARTS.repeat(4, 1), 5, 3.0), (STARTS, 4, 60.0)):
        made, _ = _made(fn, max_new_tokens=new, gpt=_gpt(ends=ends))
        B, P = starts.shape
        got = fn.method(made.rollouts, "sample", starts)
        if not isinstance(got, tuple | list) or len(got) != 2:
            raise Fail("", "(tokens, mask)", got, "Two tensors are wanted.")
        tokens, mask = got
        shape_is(tokens, (B, P + new), mistake="Prompt and max_new_tokens new tokens, also when all texts have ended before.")
        shape_is(mask, (B, P + new - 1), mistake="Column t of the mask is about tokens[:, t + 1]: one column less than tokens.")
        close(tokens[:, :P], starts, call="the first P tokens", otherwise="A completion continues its prompt: the prompt's tokens stay in front.")
        ended = torch.cat([torch.zeros(B, 1, dtype=torch.bool), (tokens[:, P:] == 0).cumsum(1)[:, :-1] > 0], dim=1)      # before this one
        if (tokens[:, P:] * ended).any():
            raise Fail("tokens behind the first 0", "0", "others", "A text that has ended goes on: behind the end token all tokens are 0.")
        nothing = torch.zeros(B, P - 1, dtype=torch.bool)
        right = torch.cat([nothing, ~ended], dim=1)
        close(mask, right, call="the mask", likely=_told(mask, right, [
            (torch.cat([~nothing, ~ended], 1), "The prompt is in the mask. Nobody chose its tokens."),
            (torch.cat([nothing, torch.ones_like(ended)], 1), "The padding behind the end is in the mask. Nobody chose it."),
            (torch.cat([nothing, ~ended & (tokens[:, P:] != 0)], 1), "The end token is not in the mask. To stop is a choice too: the mask has `going` as it was before this token."),
            (torch.cat([right[:, 1:], torch.zeros(B, 1, dtype=torch.bool)], 1), "One column early: column t is about tokens[:, t + 1].")]),
              otherwise="True from the first new token to the end token, that one included.")


@build.case("sample: drawn from the policy's own distribution, given all that stands before", seconds=20)
def _(fn):
    made, _ = _made(fn, max_new_tokens=2)
    for start in (STARTS[:1], STARTS[2:3, :2]):
        P, many = start.shape[1], 1500
        tokens, _ = fn.method(made.rollouts, "sample", start.repeat(many, 1))
        with torch.no_grad():
            first = made.model.gpt(start)[0, -1].softmax(-1)
            of_reference = made.reference(start)[0, -1].softmax(-1)
            favourite = int(first[1:].argmax()) + 1
            second = made.model.gpt(torch.cat([start, torch.tensor([[favourite]])], 1))[0, -1].softmax(-1)
        share = torch.bincount(tokens[:, P], minlength=6) / many
        if share.max() == 1:
            raise Fail(f"how often each token follows {start[0].tolist()}, in {many} samples", describe(first), describe(share), "Always the same token: that is no sample. torch.multinomial draws.")
        close(share, first, rtol=0, atol=0.07, call=f"how often each token follows {start[0].tolist()}, in {many} samples", likely=apart(first, [
            (of_reference, "Drawn from the reference. The policy writes.")], rtol=0, atol=0.07),
              otherwise="Sample from the softmax of the policy's logits at the last position, at temperature 1.")
        after = tokens[tokens[:, P] == favourite, P + 1]
        close(torch.bincount(after, minlength=6) / len(after), second, rtol=0, atol=0.12, call=f"how often each token follows {start[0].tolist()} and {favourite}",
              otherwise="The second token depends on the first one: the model reads what it has written.")


def _collected(fn, made, prompts=STARTS) -> dict[str, torch.Tensor]:
    got = fn.method(made.rollouts, "collect", prompts)
    keys = ("tokens", "mask", "logprobs", "reference_logprobs", "values", "rewards", "token_rewards", "advantages", "returns")
    if not isinstance(got, dict) or any(key not in got for key in keys):
        raise Fail("", f"a dict with {', '.join(keys)}", got if not isinstance(got, dict) else f"a dict with {', '.join(map(str, got))}", "The loss needs all of them, by these names.")
    with_gradient = [key for key in keys if got[key].requires_grad]
    if with_gradient:
        raise Fail(f"collect(prompts)[{with_gradient[0]!r}].requires_grad", "False", "True", "What was collected are constants: torch.no_grad() around all of it. Else the "
                   "loss would change the old log-probabilities and the targets, too.")
    return got


@build.case("collect: log-probabilities of both models, values and rewards, 0 outside the mask")
def _(fn):
    for prompts, reward in ((STARTS.repeat(4, 1), _score), (STARTS[1:, :2].repeat(4, 1), lambda tokens: (tokens == 2).sum(1).float())):
        made, _ = _made(fn, reward=reward)
        got = _collected(fn, made, prompts)
        tokens, mask = got["tokens"], got["mask"]
        with torch.no_grad():
            hidden = made.model.gpt.hidden(tokens[:, :-1])
            own, values = _of_tokens(made.model.gpt.logits(hidden), tokens), made.model.value_head(hidden).squeeze(-1)
            theirs = _of_tokens(made.reference(tokens[:, :-1]), tokens)
        close(got["rewards"], reward(tokens), call='collect(prompts)["rewards"]', otherwise="reward(tokens), one number a text: whole texts, the prompt included.")
        for key, full, other in (("logprobs", own, theirs), ("reference_logprobs", theirs, own), ("values", values, None)):
            likely = [(full, "Prompt and padding are not 0: multiply by the mask.")]
            if other is not None:
                likely += [(other * mask, "These are the other model's: `logprobs` are the policy's, `reference_logprobs` those of the frozen copy."),
                           (other, "These are the other model's: `logprobs` are the policy's, `reference_logprobs` those of the frozen copy.")]
            close(got[key], full * mask, call=f"collect(prompts)[{key!r}]", likely=_told(got[key], full * mask, likely),
                  otherwise=f"`{key}` of the sampled tokens, as the model gives them when it reads the whole text again, times the mask.")


@build.case("collect: rewards, advantages and returns of each token")
def _(fn):
    for changed in ({}, {"beta": 0.8, "lam": 0.5, "gamma": 0.9}):
        made, settings = _made(fn, **changed)
        got = _collected(fn, made, STARTS.repeat(4, 1))
        mask, rewards, values = got["mask"], got["rewards"], got["values"]

        def with_penalty(beta, got=got, mask=mask, rewards=rewards):
            return kl.token_rewards(rewards, got["logprobs"], got["reference_logprobs"], mask, beta)

        right, last = with_penalty(settings.beta), kl.last_choice(mask)
        ratio = got["logprobs"] - got["reference_logprobs"]
        column = torch.zeros_like(right)
        column[:, -1] = rewards
        close(got["token_rewards"], right, call='collect(prompts)["token_rewards"]', likely=_told(got["token_rewards"], right, [
            (with_penalty(-settings.beta), "The KL has the wrong sign: a token that is likelier than under the reference gets a *negative* term."),
            (with_penalty(0.0), "The KL penalty is missing."), (with_penalty(1.0), "The KL penalty is taken without beta."),
            (column - settings.beta * ratio, "The reward stands in the last *column*. A text that ended earlier has its last choice there: the last True of its row."),
            (rewards[:, None] * mask - settings.beta * ratio, "Every choice got the whole reward. A text is rewarded once, at its last choice."),
            (rewards[:, None] - settings.beta * ratio, "Every column got the whole reward, the prompt too. A text is rewarded once, at its last choice."),
            (torch.where(last, rewards[:, None], -settings.beta * ratio), "The last choice has no KL penalty. It was a choice like the others.")]),
              otherwise="-beta * (logprobs - reference_logprobs) at every choice, and the reward at the last one.")

        def raw(gamma, lam, values=values, right=right, mask=mask):
            return token_gae(right, values, mask, gamma, lam)

        plain = raw(settings.gamma, settings.lam)
        wanted = (plain + values) * mask
        white, spare = whiten(plain, mask), math.sqrt((mask.sum().item() - 1) / mask.sum().item())       # n, or n - 1 in the std
        close(got["returns"], wanted, call='collect(prompts)["returns"]', likely=_told(got["returns"], wanted, [
            *(((white * by + values) * mask, "Returns were computed from the standardized advantages. They are the value head's targets, in units of reward: standardize afterwards.")
              for by in (1, spare)),
            (plain, "These are the advantages. The value head's targets are advantages *plus* values."),
            ((raw(settings.gamma, 1.0) + values) * mask, "lambda is 1 here; settings.lam was given."),
            ((raw(1.0, settings.lam) + values) * mask, "gamma is 1 here; settings.gamma was given."),
            (plain + values * 2, "The values were added twice.")], atol=1e-4), atol=1e-4,
              otherwise="GAE's advantages (exercise 11.3) plus the values, over the mask.")
        if difference(got["advantages"], white * spare, atol=1e-3) is not None:
            close(got["advantages"], white, atol=1e-3, call='collect(prompts)["advantages"]', likely=_told(got["advantages"], white, [
                (plain, "They are not standardized: mean 0 and std 1 over the mask."),
                ((plain - plain.mean()) / plain.std(correction=0) * mask, "Prompt and padding were counted in mean and standard deviation."),
                ((plain - plain.mean()) / plain.std() * mask, "Prompt and padding were counted in mean and standard deviation."),
                ((plain - plain[mask].mean()) / plain[mask].std(correction=0), "Outside the mask they are not 0.")], atol=1e-3),
                  otherwise="GAE's advantages, standardized over the mask (exercise 11.5).")


def _some_batch(made: Any, prompts=STARTS) -> dict[str, torch.Tensor]:
    """A batch by the course's own `Rollouts`, for the learner's model."""
    reference = made.reference
    return Rollouts(made.model, reference, _score, made_settings(made), torch.Generator().manual_seed(4)).collect(prompts)


def made_settings(made: Any) -> Any:
    """The settings that a `TokenPPO` works with."""
    return made.rollouts.settings


@build.case("the loss: clipped policy loss and value loss, both over the mask")
def _(fn):
    for changed in ({}, {"clip": 0.05, "value_coefficient": 2.0}):
        made, settings = _made(fn, **changed)
        batch = _some_batch(made)
        batch["advantages"] = (batch["advantages"] + 0.7) * batch["mask"]          # of mean 0.7: else a ratio of 1 would look like no policy loss
        _moved(made.model, 0.15, 5)
        policy, value = _losses(made.model, batch, settings.clip)
        right = policy + settings.value_coefficient * value
        got = fn.method(made, "loss", batch)
        shape_is(got, (), mistake="One number for the batch.")
        wrong = _wrong_losses(made.model, batch, settings) if difference(got, right.detach(), rtol=1e-3, atol=1e-4) else []
        close(got, right, rtol=1e-3, atol=1e-4, call="loss(batch) after the policy has moved", likely=wrong,
              otherwise="The clipped policy loss (exercise 11.4) plus value_coefficient times the mean of (values - returns)², both over the mask.")
        weights = list(made.model.parameters())
        for part, of, words in (("the GPT", slice(0, -2), "the policy loss, or the value loss on its way through the stream, has lost its gradient"),
                                ("the value head", slice(-2, None), "the value loss has lost its gradient")):
            theirs = _gradient(got, weights)[of]
            close(torch.cat(theirs), torch.cat(_gradient(right, weights)[of]), rtol=5e-3, atol=1e-4, call=f"the gradient of loss(batch) at {part}",
                  otherwise=f"The loss is right and its gradient is not: {words}. Only what was collected is constant; nothing is detached.")


@torch.no_grad()
def _wrong_losses(model: nn.Module, batch: dict[str, torch.Tensor], settings: Any) -> list[tuple[torch.Tensor, str]]:
    """Likely mistakes of a loss that is not the right one."""
    (policy, value), (_, padded), c = _losses(model, batch, settings.clip), _losses(model, batch, settings.clip, everywhere=True), settings.value_coefficient
    now, old, mask = _of_tokens(model.gpt(batch["tokens"][:, :-1]), batch["tokens"]), batch["logprobs"], batch["mask"]
    again, free = _losses(model, {**batch, "logprobs": now}, settings.clip)[0], _losses(model, batch, math.inf)[0]
    swapped, columns = clipped_policy_loss(old, now, batch["advantages"], settings.clip, mask), clipped_policy_loss(now, old, batch["advantages"], settings.clip)
    larger = -clipped_policy_loss(now, old, -batch["advantages"], settings.clip, mask)
    return apart(policy + c * value, [
        (policy, "The value loss is missing."), (c * value, "The policy loss is missing."), (policy + value, "The value loss is added without value_coefficient."),
        (policy + c * padded, "The value loss counts prompt and padding: its mean is over the mask."),
        (columns + c * value, "The policy loss counts prompt and padding: its mean is over the mask."),
        (columns + c * value * mask.float().mean(), "Both means are over all columns: divide by mask.sum(), not by the number of columns."),
        (-policy + c * value, "The policy loss has the wrong sign: it is minus the mean of what is gained."),
        (policy - c * value, "The value loss is subtracted. Both are minimized."),
        (policy + c * value / 2, "The value loss is halved; it is the mean of (values - returns)², times value_coefficient."),
        (again + c * value, "Every ratio is 1 though the policy has moved: the old log-probabilities were computed anew, or the new ones twice. Take batch[\"logprobs\"]."),
        (swapped + c * value, "The ratio is upside down: exp(logprobs - batch[\"logprobs\"]), new minus old."),
        (larger + c * value, "The larger of the two gains was taken. PPO takes the smaller one, clipped or not: torch.min."),
        (free + c * value, "The ratio was not clipped.")], atol=1e-4)


def _gradient(loss: torch.Tensor, weights: list[torch.Tensor]) -> list[torch.Tensor]:
    """The gradient at each weight, flat; zeros where there is none."""
    if not loss.requires_grad:
        raise Fail("loss(batch).requires_grad", "True", "False", "The loss has no gradient: detach(), item() or torch.no_grad() cut it off.")
    grads = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(weight).flatten() if grad is None else grad.flatten() for grad, weight in zip(grads, weights, strict=True)]


class _Watched:
    """What an update of the learner's does: the batch it collects, the parts it learns from, the gradients it steps with."""

    def __init__(self, made: Any, known: torch.Tensor) -> None:
        self.known, self.made, self.batches, self.parts, self.expected, self.found = known, made, [], [], [], []
        collect, loss = made.rollouts.collect, made.loss
        made.rollouts.collect = lambda prompts: self._collect(collect, prompts)
        made.loss = lambda batch: self._look(loss(batch), batch)
        made.optimizer.register_step_pre_hook(lambda *_: self.found.append(torch.cat(
            [torch.zeros_like(w).flatten() if w.grad is None else w.grad.flatten() for w in made.model.parameters()]).clone()))

    def _collect(self, collect: Any, prompts: torch.Tensor) -> dict[str, torch.Tensor]:
        known = self.made.rollouts.settings.batch_size, self.known.shape[1]
        shape_is(prompts, known, call="the prompts that update() gives to self.rollouts.collect", mistake="`batch_size` rows of self.prompts, drawn at random, with replacement.")
        if not (prompts[:, None] == self.known[None]).all(-1).any(1).all():
            raise Fail("the prompts that update() gives to self.rollouts.collect", "rows of self.prompts", "others", "`batch_size` rows of self.prompts, drawn at random, with replacement.")
        return self._keep(collect(prompts), prompts)

    def _keep(self, batch: dict[str, torch.Tensor], prompts: torch.Tensor) -> dict[str, torch.Tensor]:
        self.batches.append({**{key: value.clone() for key, value in batch.items()}, "prompts": prompts})
        return batch

    def _look(self, loss: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        self.parts.append({key: value.clone() for key, value in batch.items()})
        self.expected.append(torch.cat(_gradient(loss, list(self.made.model.parameters()))))
        return loss


def _updated(fn, **changed) -> tuple[Any, Any, _Watched, Any]:
    made, settings = _made(fn, **changed)
    watched = _Watched(made, changed.get("prompts", STARTS))
    return made, settings, watched, fn.method(made, "update")


@build.case("update: one batch, all its rows in every epoch, the old log-probabilities kept")
def _(fn):
    for changed in ({}, {"epochs": 3, "batch_size": 8, "minibatch_size": 3, "prompts": STARTS[:, :2]}):
        made, s, watched, got = _updated(fn, **changed)
        if len(watched.batches) != 1:
            raise Fail("update()", "one call of self.rollouts.collect(prompts)", f"{len(watched.batches)} calls", "An update writes one batch and learns from it several times.")
        batch = watched.batches[0]
        sizes = [len(part["tokens"]) for part in watched.parts]
        each = [s.minibatch_size] * (s.batch_size // s.minibatch_size) + [s.batch_size % s.minibatch_size] * bool(s.batch_size % s.minibatch_size)
        wanted = each * s.epochs
        if sizes != wanted:
            raise Fail("rows of the minibatches given to self.loss", str(wanted), str(sizes), "In each epoch the whole batch is split into minibatches of minibatch_size rows; the last "
                       "one may be smaller. `loss` is called once for each.")
        per_epoch, orders = len(each), []
        for epoch in range(s.epochs):
            parts = watched.parts[epoch * per_epoch:(epoch + 1) * per_epoch]
            rows = torch.cat([_fingerprint(part, ("logprobs", "tokens")) for part in parts])
            orders.append(rows)
            old = torch.cat([part["logprobs"] for part in parts])
            known = batch["logprobs"]
            apart_from = (old[:, None] - known[None]).abs().amax(-1).amin(1)                                           # (B,)
            if apart_from.max() > 1e-5:
                raise Fail(f'batch["logprobs"] in epoch {epoch + 1}', "those that were collected", "others", "The old log-probabilities were computed anew, with the policy that has already "
                           "moved. They stay those of the policy that wrote.")
            if difference(rows.sort().values, _fingerprint(batch, ("logprobs", "tokens")).sort().values) is not None:
                raise Fail(f"the rows of epoch {epoch + 1}", "each row of the batch once", "some twice, some never", "In each epoch every row comes once: torch.randperm(batch_size), split.")
            for key in ("advantages", "returns"):
                learned = torch.cat([_fingerprint(part, (key,)) for part in parts]).sort().values
                if difference(learned, _fingerprint(batch, (key,)).sort().values, atol=1e-3) is not None:
                    raise Fail(f"batch[{key!r}] in epoch {epoch + 1}", "those that were collected", "others", f"The {key} are learned from as they were collected: nothing is "
                               "standardized or computed anew in a minibatch.")
        if all(torch.equal(orders[0], order) for order in orders[1:]):
            raise Fail("the order of the rows", "a new one in each epoch", "always the same", "A new torch.randperm for each epoch.")
        for _ in range(0 if changed else 2):
            fn.method(made, "update")
        if not changed and all(torch.equal(batch["prompts"], later["prompts"]) for later in watched.batches[1:]):
            raise Fail("the prompts of three updates", "different ones", "always the same", "The rows of self.prompts are drawn at random, anew in each update.")
        if not isinstance(got, dict) or not all(isinstance(got.get(key), float) for key in ("reward", "kl")):
            raise Fail("", 'a dict with floats "reward" and "kl"', got, "Return the batch's mean reward and KL.")
        close(got["reward"], batch["rewards"].mean().item(), call='update()["reward"]', otherwise="The mean reward of this batch's texts, without any penalty.")
        ratio = batch["logprobs"] - batch["reference_logprobs"]
        per_text = ratio.sum(1).mean().item()
        close(got["kl"], per_text, call='update()["kl"]', likely=apart(per_text, [
            (-per_text, "The KL has the wrong sign: policy minus reference."), (ratio.sum().item() / batch["mask"].sum().item(), "This is per token. Sum over a text's tokens, then the mean over texts."),
            (ratio.mean().item(), "This is a mean over all columns. Sum over a text's tokens, then the mean over texts.")]))


def _fingerprint(batch: dict[str, torch.Tensor], keys: tuple[str, ...]) -> torch.Tensor:
    """One number for each row, (B,)."""
    return sum((batch[key] * torch.arange(1, batch[key].shape[1] + 1)).sum(1) * (i + 1.7) for i, key in enumerate(keys))


@build.case("update: the gradient of each minibatch alone, clipped; the reference stays")
def _(fn):
    for changed in ({"reward": lambda tokens: 20 * _score(tokens)}, {"minibatch_size": 2, "learning_rate": 0.05}):
        made, settings = _made(fn, **changed)
        watched = _Watched(made, STARTS)
        reference, model = ([weight.clone() for weight in network.state_dict().values()] for network in (made.reference, made.model))
        fn.method(made, "update")
        if len(watched.found) != len(watched.parts):
            raise Fail("optimizer.step() in an update", f"{len(watched.parts)} times, once for each minibatch", f"{len(watched.found)} times", "Each minibatch has a step of its own: zero_grad, backward, clip, step.")
        for k, (found, full) in enumerate(zip(watched.found, watched.expected, strict=True), start=1):
            right = full / max(1.0, full.norm().item())
            likely = [(full, "The gradient was not clipped before the step: nn.utils.clip_grad_norm_(parameters, 1.0), after backward."),
                      (torch.zeros_like(full), "The optimizer finds no gradient: loss.backward() comes after zero_grad() and before step().")]
            most = found.abs().max().item()
            if 0 < most < 0.999 * full.abs().max().item():
                likely += [(full.clamp(-most, most), "You clipped each number for itself. It is the *norm* of the whole gradient that is clipped.")]
            if k > 1:
                both = watched.found[k - 2] + full
                likely += [(both / max(1.0, both.norm().item()), "The gradient of the minibatch before is still in it: zero_grad() is missing.")]
            close(found, right, rtol=5e-3, atol=1e-4, call=f"the gradient that the optimizer finds in step {k}", likely=_told(found, right, likely, atol=1e-4),
                  otherwise="It should be the gradient of self.loss(minibatch), scaled so that its norm is at most 1.")
        for before, now in zip(reference, made.reference.state_dict().values(), strict=True):
            close(now, before, call="the reference after an update", otherwise="The reference was trained too. It stays as it was: no optimizer has its parameters.")
        if all(torch.equal(before, now) for before, now in zip(model, made.model.state_dict().values(), strict=True)):
            raise Fail("the policy after an update", "other weights", "the same", "Nothing was learned: does the optimizer have the parameters of made.model?")


@build.case("one seed, one run")
def _(fn):
    def run(seed):
        made, _ = _made(fn, seed=seed)
        tokens = _collected(fn, made)["tokens"]
        return tokens, fn.method(made, "update"), torch.cat([weight.detach().flatten() for weight in made.model.parameters()])

    first, second, third = run(1), run(1), run(2)
    for a, b, call in zip(first, second, ("the tokens of collect", "what update returns", "the weights after update"), strict=True):
        if difference(a, b) is not None:
            raise Fail(f"{call}, in two TokenPPO of one seed", "the same", "different", "Draw prompts, tokens and the order of rows with one torch.Generator that is seeded with settings.seed.")
    if torch.equal(first[0], third[0]):
        raise Fail("collect with seeds 1 and 2", "different texts", "the same", "`settings.seed` does nothing: seed the generator with it.")


@build.case("it learns: a reward of 3.0 within 8.5 nats, after 40 updates", seconds=60, last=True)
def _(fn):
    settings = SimpleNamespace(max_new_tokens=8, batch_size=128, minibatch_size=64, epochs=4, learning_rate=3e-3, beta=0.3, gamma=1.0, lam=0.95, clip=0.2,
                               value_coefficient=0.5, seed=0)
    fresh = GPT(GPTConfig(9, 10, 1, 4, 32))
    reference = copy.deepcopy(fresh)
    made = fn(fresh, LETTERS, rising, settings)
    for _ in range(40):
        fn.method(made, "update")
    with torch.no_grad():
        tokens, mask = _sampled(made.model.gpt, LETTERS.repeat(64, 1), 8, torch.Generator().manual_seed(5))
        logprobs, theirs = (_of_tokens(gpt(tokens[:, :-1]), tokens) for gpt in (made.model.gpt, reference))
    reward, distance = rising(tokens).mean().item(), ((logprobs - theirs) * mask).sum(1).mean().item()
    if not (reward >= REACHED and distance <= ALLOWED):
        raise Fail("512 fresh completions after 40 updates", f"a reward of at least {REACHED} at a KL of at most {ALLOWED} nats", f"{reward:.2f} at {distance:.1f} nats",
                   "Every part passed, and yet the run does not get there. Print what update() returns: the reward should rise from 0 to about 4, the KL to about 6.")
