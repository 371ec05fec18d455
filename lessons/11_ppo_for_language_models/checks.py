"""What the answers to lesson 11's exercises must do, and the course's own answers where the library has none."""

import math

import torch

from course_lib.exercises import Fail, agrees, beside, close, difference, differentiable, exercise, shape_is
from course_lib.lm import kl
from course_lib.lm.ppo import token_gae, whiten
from course_lib.rl.objectives import clipped_policy_loss, k1, k2, k3

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
        (torch.tensor([2 - 1 + d]), "The ratio in the correction is upside down: reference / policy is exp(-d), not exp(d)."),
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


def _by_text(advantages, mask):
    """Each row whitened by itself."""
    rows = [row[chosen] for row, chosen in zip(advantages, mask, strict=True)]
    return torch.stack([(row - some.mean()) / (some.std(correction=0) + 1e-8) for row, some in zip(advantages, rows, strict=True)]) * mask


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
        close(got, right * math.sqrt(7 / 8), call="whiten(...) of the same texts in a batch 40 columns wider", likely=[
            (_by_text(RAW, MASK), "Each text was whitened by itself. Mean and standard deviation are over all choices of the batch: "
             "else a good text and a bad one get the same advantages.")],
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
        (_mixed(1.0, 1.0) ** (1 / 0.7), "The temperature was applied after the softmax, to log-probabilities: they are no longer those of a "
         "distribution. Divide the *logits*, before log_softmax."),
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
