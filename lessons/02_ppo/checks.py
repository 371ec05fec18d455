"""What the answers to lesson 02's exercises must do, and the course's own answers where the library has none."""

import copy
import math
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from torch.optim.optimizer import register_optimizer_step_pre_hook

from course_lib import budget
from course_lib.exercises import Fail, agrees, beside, close, difference, differentiable, exercise, shape_is
from course_lib.rl import objectives
from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.evaluate import evaluate, greedy, sampled
from course_lib.rl.networks import ActorCritic
from course_lib.rl.ppo import PPOConfig
from course_lib.rl.rollout import Collector
from course_lib.rl.settings import CARTPOLE
from course_lib.training.run import gradient_step
from course_lib.training.schedules import warmup_then_linear

# ---------------------------------------------------------------------------------------------------------------- 02.1

estimate = exercise(
    "02.1", title="Generalized advantage estimation", function="gae", points=3, kind="implement",
    difficulty=3, importance=3, minutes=25, reference="course_lib.rl.objectives:gae",
    hints=("Start with the TD error of each step: the reward, plus the discounted value estimate after the step, minus the one before.",
           "Walk backwards: advantage[t] = delta[t] + gamma * lam * advantage[t + 1]. At an end, both the critic's next "
           "value and the later advantage belong to another episode.",
           "nonterminal = 1.0 - dones.float() stands in two places: before the next value in delta[t], and before the later "
           "advantage. next_values is torch.cat([values[1:], last_value[None]]). Start the walk with an advantage of 0."))


def _gae(rewards, values, dones, last_value, gamma, lam, *, cut_value=True, cut_trace=True, next_from=1, end_shift=0):
    """GAE by plain numbers, in the right way or in a wrong one: for the expected values and the likely mistakes."""
    T = len(rewards)
    next_values = [*values[1:], last_value] if next_from else list(values)
    advantages, next_advantage = [0.0] * T, 0.0
    for t in reversed(range(T)):
        end = dones[t + end_shift] if 0 <= t + end_shift < T else False
        delta = rewards[t] + gamma * (0.0 if end and cut_value else next_values[t]) - values[t]
        advantages[t] = delta + (0.0 if end and cut_trace else gamma * lam * next_advantage)
        next_advantage = advantages[t]
    return torch.tensor(advantages)


REWARDS, VALUES = [1.0, 0.0, 2.0, 1.0], [0.5, 1.0, 0.2, 0.8]
NO_ENDS = [False] * 4
NO_TARGETS = "These are advantages + values, the critic's targets. Return the advantages alone."


def _call(fn, rewards, values, dones, last, gamma, lam):
    return fn(torch.tensor(rewards), torch.tensor(values), torch.tensor(dones), torch.tensor(last), gamma, lam)


@estimate.case("one step: the TD error")
def _(fn):
    got = _call(fn, [1.0], [2.0], [False], 3.0, 0.9, 0.95)
    shape_is(got, (1,), mistake="One advantage for each step is wanted, in the shape of the rewards.")
    close(got, torch.tensor([1.7]), likely=[
        (torch.tensor([-1.0]), "last_value is missing: it is the value estimate after the last step, discounted once."),
        (torch.tensor([2.0]), "The next value estimate lies one step ahead: it is discounted by gamma."),
        (torch.tensor([3.7]), "Subtract the value estimate before the step: an advantage is a TD error."),
        (torch.tensor([0.8]), "You used values[t] where the value estimate after the step is wanted."),
        (torch.tensor([1.0 + 0.9 * 0.95 * 3 - 2]), "lam is for the later TD errors; the next value estimate is discounted by gamma alone.")])


@estimate.case("lambda 0: each step's TD error alone")
def _(fn):
    close(_call(fn, REWARDS, VALUES, NO_ENDS, 0.4, 0.9, 0.0), _gae(REWARDS, VALUES, NO_ENDS, 0.4, 0.9, 0.0), likely=[
        (_gae(REWARDS, VALUES, NO_ENDS, 0.4, 0.9, 1.0), "lam does nothing here: with lam = 0 no later TD error counts."),
        (_gae(REWARDS, VALUES, NO_ENDS, 0.4, 0.9, 0.0, next_from=0),
         "You subtracted a value estimate from itself: the one *after* step t is values[t + 1], and last_value after the last."),
        (_gae(REWARDS, VALUES, NO_ENDS, 0.4, 0.9, 0.0) + torch.tensor(VALUES), NO_TARGETS)])


@estimate.case("lambda 1: the return minus the value estimate")
def _(fn):
    close(_call(fn, REWARDS, VALUES, NO_ENDS, 0.4, 0.9, 1.0), _gae(REWARDS, VALUES, NO_ENDS, 0.4, 0.9, 1.0), likely=[
        (_gae(REWARDS, VALUES, NO_ENDS, 0.4, 0.9, 0.0), "Only the next TD error counts here: add the later ones, discounted by gamma * lam a step."),
        (_gae(REWARDS, VALUES, NO_ENDS, 0.4, 1.0, 1.0), "gamma is missing: a reward one step later is discounted by gamma."),
        (_gae(REWARDS, VALUES, NO_ENDS, 0.4, 0.9, 1.0) + torch.tensor(VALUES), NO_TARGETS)])


@estimate.case("in between: later TD errors are discounted by gamma * lambda")
def _(fn):
    right = _gae(REWARDS, VALUES, NO_ENDS, 0.4, 0.9, 0.8)
    deltas = _gae(REWARDS, VALUES, NO_ENDS, 0.4, 0.9, 0.0)
    by_lam = torch.stack([sum(0.8**k * deltas[t + k] for k in range(4 - t)) for t in range(4)])
    forwards = torch.stack([sum(0.72**k * deltas[t - k] for k in range(t + 1)) for t in range(4)])
    close(_call(fn, REWARDS, VALUES, NO_ENDS, 0.4, 0.9, 0.8), right, likely=[
        (by_lam, "Later TD errors lie in the future: they are discounted by gamma * lam a step, not by lam alone."),
        (forwards, "You carried TD errors forwards in time. An action gets credit only for what came after it: walk backwards."),
        (deltas, "lam = 0.8 changed nothing: add the later TD errors, discounted by gamma * lam a step.")])


ENDS = [False, True, False, False]


@estimate.case("an episode that ends in the middle")
def _(fn):
    got = _call(fn, REWARDS, VALUES, ENDS, 0.4, 0.9, 0.8)
    close(got, _gae(REWARDS, VALUES, ENDS, 0.4, 0.9, 0.8), likely=[
        (_gae(REWARDS, VALUES, NO_ENDS, 0.4, 0.9, 0.8), "`dones` changed nothing. After an end comes another episode: neither its "
         "value nor its TD errors may count for the steps before."),
        (_gae(REWARDS, VALUES, ENDS, 0.4, 0.9, 0.8, cut_trace=False), "The critic's value stops at the end, but the later advantage leaks "
         "through: the next episode's TD errors still count for this one. Cut both."),
        (_gae(REWARDS, VALUES, ENDS, 0.4, 0.9, 0.8, cut_value=False), "The trace is cut, but the critic's value estimate is not: values[t + 1] "
         "belongs to the next episode. Cut both."),
        (_gae(REWARDS, VALUES, ENDS, 0.4, 0.9, 0.8, end_shift=1), "Off by one: dones[t] says that the episode ended *after* step t. "
         "You looked at dones[t + 1]."),
        (_gae(REWARDS, VALUES, ENDS, 0.4, 0.9, 0.8, end_shift=-1), "Off by one: dones[t] says that the episode ended *after* step t. "
         "You looked at dones[t - 1].")],
        otherwise="After an end comes another episode: neither its value nor its TD errors may count for the steps before.")


@estimate.case("an episode that ends with the last step")
def _(fn):
    ends = [False, False, False, True]
    close(_call(fn, REWARDS, VALUES, ends, 50.0, 0.9, 0.8), _gae(REWARDS, VALUES, ends, 50.0, 0.9, 0.8), likely=[
        (_gae(REWARDS, VALUES, NO_ENDS, 50.0, 0.9, 0.8), "The last step ended its episode: last_value, here 50, belongs to another one.")])


@estimate.case("several environments side by side: (T, N)")
def _(fn):
    rewards, values = torch.tensor([REWARDS, [0.0, 1.0, 0.0, -1.0]]).T, torch.tensor([VALUES, [1.0, -0.5, 0.3, 0.0]]).T
    dones = torch.tensor([ENDS, [False, False, True, False]]).T
    last = torch.tensor([0.4, -0.2])
    expected = torch.stack([_gae(rewards[:, n].tolist(), values[:, n].tolist(), dones[:, n].tolist(), last[n].item(), 0.9, 0.8)
                            for n in range(2)], dim=1)
    got = fn(rewards, values, dones, last, 0.9, 0.8)
    shape_is(got, (4, 2), mistake="rewards of shape (4, 2) are 4 steps of 2 environments: the advantages have that shape too.")
    close(got, expected, otherwise="Each column is an environment of its own: index the steps only, `rewards[t]`, and let the columns be.")


def _variant(*, cut_value=True, cut_trace=True, shift=0):
    """GAE of one environment or several with one slip, for the likely mistakes."""
    def slipped(rewards, values, dones, last_value, gamma, lam):
        alive = torch.roll(1.0 - dones.float(), -shift, 0)
        if shift:
            alive[-1 if shift > 0 else 0] = 1.0
        next_values = torch.cat([values[1:], last_value[None]])
        deltas = rewards + gamma * (alive if cut_value else 1.0) * next_values - values
        found, later = torch.zeros_like(deltas), torch.zeros_like(last_value)
        for t in reversed(range(len(rewards))):
            later = found[t] = deltas[t] + gamma * lam * (alive[t] if cut_trace else 1.0) * later
        return found
    return slipped


def _rollout(rng):
    """A rollout of one environment, (T,), or of several, (T, N), with ends anywhere."""
    shape = rng.shape(1, 2)
    return (rng.normal(*shape, scale=2), rng.normal(*shape, scale=2), rng.ends(*shape), rng.normal(*shape[1:], scale=3),
            rng.one_of((0.0, 0.5, 0.9, 0.99, 1.0)), rng.one_of((0.0, 0.3, 0.8, 0.95, 1.0)))


@estimate.case("any rollout, with any number of ends")
def _(fn):
    agrees(fn, objectives.gae, _rollout, likely=[
        (_variant(cut_value=False, cut_trace=False), "`dones` changed nothing. After an end comes another episode: neither its value nor its "
         "TD errors may count for the steps before."),
        (_variant(cut_trace=False), "The later advantage leaks through the end: cut the trace as well as the value."),
        (_variant(cut_value=False), "The critic's value after the end leaks in: cut the value as well as the trace."),
        (_variant(shift=1), "Off by one: dones[t] says that the episode ended *after* step t. You looked at dones[t + 1]."),
        (_variant(shift=-1), "Off by one: dones[t] says that the episode ended *after* step t. You looked at dones[t - 1].")])


# ---------------------------------------------------------------------------------------------------------------- 02.2

clipped = exercise(
    "02.2", title="The clipped objective", function="clipped_policy_loss", points=2, kind="implement",
    difficulty=2, importance=3, minutes=15, reference="course_lib.rl.objectives:clipped_policy_loss",
    hints=("The ratio of two probabilities is the exponential of the difference of their logarithms.",
           "Two candidates for each action: ratio * advantage, and the same with the ratio held inside 1 - clip and 1 + clip. "
           "PPO takes the smaller of the two.",
           "ratio = (logprobs - old_logprobs).exp(); ratio.clamp(1 - clip, 1 + clip) holds it inside; torch.min of two tensors "
           "takes the smaller entry by entry. Mean and sign are left to you."))


def _objective(ratio: float, advantage: float, clip: float = 0.2) -> float:
    return min(ratio * advantage, min(max(ratio, 1 - clip), 1 + clip) * advantage)


def _loss(fn, ratios, advantages, clip=0.2):
    old = torch.linspace(-1.5, -0.4, len(ratios))
    return fn(old + torch.tensor(ratios).log(), old, torch.tensor(advantages), clip)


@clipped.case("nothing has moved yet: minus the mean advantage")
def _(fn):
    got = _loss(fn, [1.0, 1.0], [2.0, 1.0])
    shape_is(got, (), mistake="One number for all actions is wanted: take the mean.")
    close(got, torch.tensor(-1.5), likely=[
        (1.5, "A loss is minimized, and good actions should become likelier: a minus is missing."),
        (-3.0, "This is the sum. Take the mean, so that the loss does not grow with the batch."),
        (0.0, "The ratio came out as 0 for a policy that has not moved; it is 1: exp of the difference of the log-probabilities.")])


@clipped.case("inside the range the loss follows the ratio")
def _(fn):
    close(_loss(fn, [1.1], [1.0]), torch.tensor(-1.1), likely=[
        (-1 / 1.1, "This is old over new. The ratio is new over old: exp(logprobs - old_logprobs)."),
        (-math.log(1.1), "This is the difference of the log-probabilities; the ratio is its exponential."),
        (-(1 - math.log(1.1) / 1.5), "You divided the log-probabilities by each other. The ratio is that of the *probabilities*: the "
         "exponential of the difference of their logarithms."),
        (1.1, "A loss is minimized, and good actions should become likelier: a minus is missing.")])


@clipped.case("a good action that became much likelier: no further gain")
def _(fn):
    close(_loss(fn, [1.5], [1.0]), torch.tensor(-1.2), likely=[
        (-1.5, "Nothing was clipped: for a good action the objective stops growing at 1 + clip."),
        (-0.8, "The larger bound is 1 + clip: check the order of the bounds."),
        (-0.2, "Hold the ratio between 1 - clip and 1 + clip, not between -clip and clip.")])


@clipped.case("a bad action that became likelier: the full loss")
def _(fn):
    close(_loss(fn, [1.5], [-1.0]), torch.tensor(1.5), likely=[
        (1.2, "The clip hides a mistake here: a bad action became likelier, and the loss must say so in full. Take the smaller of "
              "ratio * advantage and clipped ratio * advantage, not the clipped one always."),
        (-1.5, "The sign of the advantage is lost.")])


@clipped.case("a bad action that became rarer: no further gain")
def _(fn):
    close(_loss(fn, [0.5], [-1.0]), torch.tensor(0.8), likely=[
        (0.5, "For a bad action the objective is flat below 1 - clip: the smaller of -0.5 and -0.8 is -0.8. Was the larger taken?")])


@clipped.case("a mixed batch, another clip range")
def _(fn):
    ratios, advantages = [1.5, 0.9, 0.4, 1.6], [1.0, 2.0, -1.0, -0.5]
    each = [_objective(r, a, 0.3) for r, a in zip(ratios, advantages, strict=True)]
    means = sum(ratios[i] * advantages[i] for i in range(4)) / 4, sum(min(max(r, 0.7), 1.3) * a for r, a in zip(ratios, advantages, strict=True)) / 4
    close(_loss(fn, ratios, advantages, 0.3), torch.tensor(-sum(each) / 4), likely=[
        (-min(means), "You took the smaller of two means. The choice is made for each action on its own; then comes the mean."),
        (-sum(_objective(r, a) for r, a in zip(ratios, advantages, strict=True)) / 4, "The clip range 0.3 was given; yours uses 0.2."),
        (-sum(each), "This is the sum. Take the mean, so that the loss does not grow with the batch.")])


@clipped.case("the gradient of the first step is the policy gradient")
def _(fn):
    logprobs = torch.tensor([-0.7, -1.2], requires_grad=True)
    got = fn(logprobs, torch.tensor([-0.7, -1.2]), torch.tensor([2.0, -1.0]), 0.2)
    if not (isinstance(got, torch.Tensor) and got.requires_grad):
        raise Fail("loss.requires_grad", "True", "False", "The loss lost its way back to the log-probabilities: keep everything in "
                   "tensors, without .item(), .detach() or numpy on `logprobs`.")
    got.backward()
    close(logprobs.grad, torch.tensor([-1.0, 0.5]), call="gradient of logprobs where the ratio is 1, advantages [2, -1]",
          otherwise="Where the ratio is 1 the gradient is minus the advantage over the number of actions, as in REINFORCE.")


def _moved(rng):
    """A batch whose ratios lie at, beside and far from the borders of the clip."""
    count, clip = rng.length(), rng.one_of((0.1, 0.2, 0.3))
    ratios = rng.among([*beside(1 - clip, 1 + clip), 1.0, 0.3, 2.5, math.exp(3.0)], count)
    old = rng.logprobs(count)
    return old + ratios.log(), old, rng.normal(count, scale=2), clip


def _clipped_always(logprobs, old_logprobs, advantages, clip):
    return -((logprobs - old_logprobs).exp().clamp(1 - clip, 1 + clip) * advantages).mean()


@clipped.case("any batch, any clip range, and the gradient")
def _(fn):
    agrees(fn, objectives.clipped_policy_loss, _moved, likely=[
        (_clipped_always, "The clip was applied always. PPO takes the smaller of ratio * advantage and clipped ratio * advantage."),
        (lambda *batch: objectives.clipped_policy_loss(*batch[:3], 0.2), "The clip range that was given is not used.")])

    def off_the_border(rng):
        count = rng.length()
        old = rng.logprobs(count)
        return old + rng.among([0.3, 0.85, 1.0, 1.15, 2.5], count).log(), old, rng.normal(count, scale=2), 0.2

    differentiable(fn, off_the_border, objectives.clipped_policy_loss, wrt=["logprobs"])


# ---------------------------------------------------------------------------------------------------------------- 02.3

predict = exercise(
    "02.3", title="What the clip does to a gradient", function="prediction", points=1, kind="predict",
    difficulty=2, importance=2, minutes=10, reference="checks:prediction",
    hints=("Look at the picture of the objective in section 2.6: where is it flat?",
           "Where the objective is flat in the ratio, its gradient is zero. For a good action that is above 1.2, for a bad one below 0.8.",
           "The clip stops a step only where the policy has already gone far in the *wanted* direction. Gone far in the unwanted "
           "one, it is still pulled back."))

FOUR = ("ratio 1.5, advantage +1", "ratio 1.5, advantage -1", "ratio 0.5, advantage +1", "ratio 0.5, advantage -1")
WORDS = ("likelier", "rarer", "nothing")


def prediction() -> dict[str, str]:
    """What one gradient step on the clipped loss makes of the action, clip = 0.2."""
    return dict(zip(FOUR, ("nothing", "rarer", "likelier", "nothing"), strict=True))


def _predicted(fn, key):
    got = fn()
    if not isinstance(got, dict) or key not in got:
        raise Fail("prediction()", "a dict with the keys " + ", ".join(map(repr, FOUR)), repr(got)[:80], f"The key {key!r} is missing.")
    if got[key] not in WORDS:
        raise Fail(f"prediction()[{key!r}]", " or ".join(map(repr, WORDS)), repr(got[key])[:80], "Choose one of the three words.")
    return got[key]


@predict.case("a good action that is likelier already")
def _(fn):
    if (got := _predicted(fn, FOUR[0])) != "nothing":
        raise Fail(f"prediction()[{FOUR[0]!r}]", "another word", repr(got), "At 1.5 the objective of a good action is flat: the gain "
                   "ends at 1.2. What is the slope of a flat line?")


@predict.case("a bad action that became likelier")
def _(fn):
    if (got := _predicted(fn, FOUR[1])) != "rarer":
        raise Fail(f"prediction()[{FOUR[1]!r}]", "another word", repr(got), "min(1.5 * -1, 1.2 * -1) = -1.5 is the unclipped one: here the "
                   "objective is not flat. A bad action that became likelier is a mistake, and mistakes are pulled back.")


@predict.case("a good action that became rarer")
def _(fn):
    if (got := _predicted(fn, FOUR[2])) != "likelier":
        raise Fail(f"prediction()[{FOUR[2]!r}]", "another word", repr(got), "min(0.5 * 1, 0.8 * 1) = 0.5 is the unclipped one: the policy "
                   "went the wrong way with a good action, and the objective still has a slope there.")


@predict.case("a bad action that is rarer already")
def _(fn):
    if (got := _predicted(fn, FOUR[3])) != "nothing":
        raise Fail(f"prediction()[{FOUR[3]!r}]", "another word", repr(got), "min(0.5 * -1, 0.8 * -1) = -0.8 does not change with the ratio: "
                   "the action has become rare enough for one rollout.")


# ---------------------------------------------------------------------------------------------------------------- 02.4

ends = exercise(
    "02.4", title="Find the silent bug: credit across the end of an episode", function="gae_at_once", points=2, kind="bug",
    difficulty=3, importance=2, minutes=15, reference="checks:gae_at_once",
    hints=("Within one episode all is well. Take two short episodes whose advantages you can work out, and compare.",
           "Print `episode` for dones = [False, True, False]. Which episode does step 1, the one that fell, belong to?",
           "dones[t] is True *after* step t, so the step that ends an episode still belongs to it: number the steps by how many ends lie "
           "*before* each of them."))


def gae_at_once(rewards: torch.Tensor, values: torch.Tensor, dones: torch.Tensor, last_value: torch.Tensor,
                gamma: float, lam: float) -> torch.Tensor:
    """GAE of one environment as a single matrix product; all arguments as for `gae`, of shape (T,)."""
    ended = dones.long()
    next_values = torch.cat([values[1:], last_value[None]])
    deltas = rewards + gamma * (1 - ended) * next_values - values
    t = torch.arange(len(rewards))
    ahead = t[None, :] - t[:, None]                                     # (T, T) how far step k lies ahead of step t
    episode = ended.cumsum(0) - ended                                   # (T,) ends before each step
    counts = (ahead >= 0) & (episode[None, :] == episode[:, None])
    return (counts * (gamma * lam) ** ahead.clamp(min=0)) @ deltas


def _leaky(rewards, values, dones, last_value, gamma, lam, number):
    """`gae_at_once` with another numbering of the episodes."""
    deltas = gae_at_once(rewards, values, dones, last_value, gamma, 0.0)
    t = torch.arange(len(rewards))
    ahead = t[None, :] - t[:, None]
    episode = number(dones.long())
    counts = (ahead >= 0) & (episode[None, :] == episode[:, None])
    return (counts * (gamma * lam) ** ahead.clamp(min=0)) @ deltas


def _counted(ended):
    return ended.cumsum(0)


FALLS = (torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0]), torch.tensor([3.0, 2.0, 4.0, 3.0, 2.0]),
         torch.tensor([False, True, False, False, True]), torch.tensor(5.0))


ONE_EPISODE = "Now everything is one episode: TD errors leak back through the ends."
UNTOUCHED = "This case was right before: another line was changed. Only the numbering of the episodes is at fault."


def _compare_at_once(fn, arguments, gamma, lam):
    close(fn(*arguments, gamma, lam), gae_at_once(*arguments, gamma, lam), likely=[
        (_leaky(*arguments, gamma, lam, _counted), "The step that ends an episode is counted to the next one: the TD error of the fall "
         "never reaches the steps before it, and it gets those of the next episode. Which step does dones[t] close?"),
        (_leaky(*arguments, gamma, lam, torch.zeros_like), ONE_EPISODE)],
        otherwise="Within one episode it is right; look at the steps around an end.")


@ends.case("one episode without an end", given=True)
def _(fn):
    arguments = (torch.tensor(REWARDS), torch.tensor(VALUES), torch.tensor(NO_ENDS), torch.tensor(0.4))
    close(fn(*arguments, 0.9, 0.8), _gae(REWARDS, VALUES, NO_ENDS, 0.4, 0.9, 0.8), otherwise=UNTOUCHED)


@ends.case("two short episodes")
def _(fn):
    _compare_at_once(fn, FALLS, 0.9, 0.8)


@ends.case("every step ends an episode", given=True)
def _(fn):
    arguments = (torch.ones(3), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([True, True, True]), torch.tensor(9.0))
    close(fn(*arguments, 0.99, 0.95), gae_at_once(*arguments, 0.99, 0.95), likely=[
        (_leaky(*arguments, 0.99, 0.95, torch.zeros_like), ONE_EPISODE)], otherwise=UNTOUCHED)


@ends.case("a long rollout with many ends")
def _(fn):
    rng = torch.Generator().manual_seed(3)
    arguments = (torch.randn(60, generator=rng), torch.randn(60, generator=rng), torch.rand(60, generator=rng) < 0.15, torch.tensor(0.7))
    _compare_at_once(fn, arguments, 0.99, 0.95)


@ends.case("any rollout of one environment")
def _(fn):
    def draw(rng):
        steps = rng.length()
        return (rng.normal(steps, scale=2), rng.normal(steps, scale=2), rng.ends(steps), rng.normal(scale=3),
                rng.one_of((0.5, 0.9, 0.99, 1.0)), rng.one_of((0.3, 0.8, 0.95, 1.0)))

    agrees(fn, lambda *given: objectives.gae(*(value.double() if torch.is_tensor(value) and value.is_floating_point() else value
                                               for value in given)), draw,
           otherwise="Within one episode it is right; look at the steps around an end.")


# ---------------------------------------------------------------------------------------------------------------- 02.5

stale = exercise(
    "02.5", title="Find the silent bug: a clip that never takes effect", function="improve", points=2, kind="bug",
    difficulty=2, importance=3, minutes=15, reference="checks:improve",
    hints=("One step is right; after fifty steps the policy has gone far beyond what the clip allows. Print `ratio` in each round.",
           "The ratio is 1 in every round. Which policy's log-probabilities are in its denominator, and when were they computed?",
           "The old log-probabilities belong to the policy that *took* the actions, and that one does not change in the loop."))


def improve(logits: torch.Tensor, actions: torch.Tensor, advantages: torch.Tensor, steps: int, lr: float = 0.5,
            clip: float = 0.2) -> torch.Tensor:
    """Several gradient steps on one batch. logits: (K,) of the policy that took the actions (B,); returns new logits (K,)."""
    logits = logits.clone().requires_grad_(True)
    old_logprobs = torch.log_softmax(logits, dim=-1)[actions].detach()
    for _ in range(steps):
        logprobs = torch.log_softmax(logits, dim=-1)[actions]
        ratio = (logprobs - old_logprobs).exp()
        gain = torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)
        gradient, = torch.autograd.grad(-gain.mean(), logits)
        logits = (logits - lr * gradient).detach().requires_grad_(True)
    return logits.detach()


def _unclipped(logits, actions, advantages, steps, lr=0.5, clip=0.2):
    for _ in range(steps):
        logits = improve(logits, actions, advantages, 1, lr, clip)
    return logits


THREE = torch.tensor([0.2, 0.0, -0.3])
NEVER_MOVED = ("Nothing moved. If the old log-probabilities carry a gradient, it cancels the new one's: they are numbers from the past, "
               "compute them before the loop and `.detach()` them.")


@stale.case("one step: the policy gradient", given=True)
def _(fn):
    actions, advantages = torch.tensor([0, 1, 2, 0]), torch.tensor([1.0, -1.0, 0.5, 2.0])
    right = improve(THREE, actions, advantages, 1)
    close(fn(THREE, actions, advantages, 1), right, likely=[
        (THREE, NEVER_MOVED), (2 * THREE - right, "The step went the wrong way: good actions became rarer. Which way round is the ratio?")])


@stale.case("fifty steps on one good action: the clip stops them")
def _(fn):
    actions, advantages = torch.tensor([1]), torch.tensor([1.0])
    old = torch.softmax(THREE, -1)[1]
    new = fn(THREE, actions, advantages, 50)
    times = (torch.softmax(torch.as_tensor(new), -1)[1] / old).item()
    close(new, improve(THREE, actions, advantages, 50), call="improve([0.2, 0, -0.3], actions=[1], advantages=[1], steps=50)", likely=[
        (_unclipped(THREE, actions, advantages, 50), f"The action became {times:.1f} times as likely; with clip 0.2 it should stay where its "
         "first step past 1.2 brought it, at 1.36 times. The ratio is 1 in every round, so the clip never takes effect: when are old_logprobs computed?"),
        (THREE, NEVER_MOVED)])


@stale.case("fifty steps on a bad action: the same below")
def _(fn):
    actions, advantages = torch.tensor([0]), torch.tensor([-1.0])
    close(fn(THREE, actions, advantages, 50), improve(THREE, actions, advantages, 50),
          call="improve([0.2, 0, -0.3], actions=[0], advantages=[-1], steps=50)", likely=[
        (_unclipped(THREE, actions, advantages, 50), "The action all but vanished; with clip 0.2 it should stay where its first step below 0.8 of its old "
         "probability brought it. The ratio is 1 in every round: when are old_logprobs computed?"), (THREE, NEVER_MOVED)])


@stale.case("a batch of both")
def _(fn):
    rng = torch.Generator().manual_seed(1)
    actions, advantages = torch.randint(3, (40,), generator=rng), torch.randn(40, generator=rng)
    close(fn(THREE, actions, advantages, 30), improve(THREE, actions, advantages, 30), likely=[
        (_unclipped(THREE, actions, advantages, 30), "The ratio is 1 in every round, so the clip never takes effect: when are old_logprobs computed?"),
        (THREE, NEVER_MOVED)])


@stale.case("any logits, batch, step size and clip range")
def _(fn):
    def draw(rng):
        actions, count = rng.length(2), rng.length()
        return (rng.normal(actions), rng.wholes(0, actions - 1, count), rng.normal(count), rng.whole(1, 12), rng.number(0.1, 1.5),
                rng.one_of((0.1, 0.2, 0.4)))

    agrees(fn, improve, draw, rtol=1e-3, atol=1e-4, likely=[(_unclipped, "The ratio is 1 in every round, so the clip never takes effect: when are "
                                                                         "old_logprobs computed?")])


# ---------------------------------------------------------------------------------------------------------------- 02.6

clock = exercise(
    "02.6", title="Truncated is not terminated", function="bootstrap_truncated", points=2, kind="implement",
    difficulty=2, importance=2, minutes=15, reference="checks:bootstrap_truncated",
    hints=("After a fall nothing follows. After a truncated episode, what would have followed, had it continued?",
           "The critic estimates the value of the final state: final_values. It lies one step ahead.",
           "Only where truncated is true and terminated is not: there the discounted estimate is added to the reward of the step."))


def bootstrap_truncated(rewards: torch.Tensor, terminated: torch.Tensor, truncated: torch.Tensor,
                                 final_values: torch.Tensor, gamma: float) -> torch.Tensor:
    """Rewards with the discounted final value added where an episode was truncated and not terminated. All (T, N)."""
    return torch.where(truncated & ~terminated, rewards + gamma * final_values, rewards)


REWARD_ONES = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
FINAL_VALUES = torch.tensor([[30.0, 31.0], [32.0, 33.0], [34.0, 35.0]])


def _bootstrapped(fn, terminated, truncated):
    return fn(REWARD_ONES, torch.tensor(terminated), torch.tensor(truncated), FINAL_VALUES, 0.9)


@clock.case("nothing ended: nothing is added")
def _(fn):
    never = [[False, False]] * 3
    close(_bootstrapped(fn, never, never), REWARD_ONES, likely=[
        (REWARD_ONES + 0.9 * FINAL_VALUES, "The value estimate was added at every step. Only where an episode was truncated is something missing.")])


@clock.case("one episode was truncated")
def _(fn):
    never, cut = [[False, False]] * 3, [[False, False], [True, False], [False, False]]
    expected = REWARD_ONES.clone()
    expected[1, 0] += 0.9 * 32
    undiscounted = REWARD_ONES.clone()
    undiscounted[1, 0] += 32
    instead = REWARD_ONES.clone()
    instead[1, 0] = 0.9 * 32
    close(_bootstrapped(fn, never, cut), expected, likely=[
        (REWARD_ONES, "Nothing was added: this episode was going well when it was truncated, and the critic would learn that the value of its last state is 0."),
        (undiscounted, "The final value lies one step ahead: it is discounted by gamma."),
        (instead, "The reward of the step itself is lost: add to it.")])


@clock.case("a fall: nothing follows")
def _(fn):
    fell, never = [[False, True], [False, False], [False, False]], [[False, False]] * 3
    wrong = REWARD_ONES.clone()
    wrong[0, 1] += 0.9 * 31
    close(_bootstrapped(fn, fell, never), REWARD_ONES, likely=[
        (wrong, "A fall was treated as if the episode had continued. Where it *terminated*, nothing follows.")])


@clock.case("terminated and truncated in the same step")
def _(fn):
    both = [[False, False], [False, False], [True, False]]
    wrong = REWARD_ONES.clone()
    wrong[2, 0] += 0.9 * 34
    close(_bootstrapped(fn, both, both), REWARD_ONES, likely=[
        (wrong, "Both flags are true: it fell, so nothing follows. Terminated outweighs truncated.")])


@clock.case("any rewards, any flags, any gamma")
def _(fn):
    def draw(rng):
        steps, count = rng.length(), rng.length()
        return (rng.normal(steps, count), rng.flags(steps, count, p=0.4), rng.flags(steps, count, p=0.4),
                rng.normal(steps, count, scale=20), rng.one_of((0.5, 0.9, 0.99, 1.0)))

    agrees(fn, bootstrap_truncated, draw, likely=[
        (lambda rewards, terminated, truncated, final, gamma: torch.where(truncated, rewards + gamma * final, rewards),
         "Where both flags are true it fell, so nothing follows. Terminated outweighs truncated."),
        (lambda rewards, terminated, truncated, final, gamma: torch.where(truncated | terminated, rewards + gamma * final, rewards),
         "A fall was treated as if the episode had continued. Where it *terminated*, nothing follows.")])

# ---------------------------------------------------------------------------------------------------------------- 02.7

build = exercise(
    "02.7", title="Build: PPO, from the first step to an agent that balances", function="PPOAgent", points=8, kind="build",
    difficulty=3, importance=1, minutes=90, reference="checks:PPOAgent",
    hints=("Go from the top of the page to its end, and run the check after each method: its cases come in that order, and name "
           "the part at fault. Print the shapes of everything in your first rollout, with two environments and five steps.",
           "rollout: one list for each name, filled step by step, then `torch.stack`. Keep the observation that the action was "
           "chosen from, and replace `self.obs` only afterwards. update: flatten each (T, N) tensor to (T * N,) in the same way, take "
           "old log-probabilities, normalized advantages and returns once, then loop over epochs and over pieces of "
           "`torch.randperm(T * N).split(minibatch_size)`.",
           "An ended row: `ended = terminated | truncated`; `final_values[ended] = network(final_obs[ended])[1]`. A gradient step: "
           "`zero_grad`, `backward`, `nn.utils.clip_grad_norm_(network.parameters(), max_grad_norm)`, `step`. The learning rate is set with "
           "`for group in optimizer.param_groups: group['lr'] = ...` before each update, from the steps made until then."))

PER_STEP = ("obs", "actions", "logprobs", "values", "rewards", "terminated", "truncated", "final_values")


class PPOAgent:
    """PPO out of the library's pieces, with the parts that exercise 02.7 asks for."""

    def __init__(self, envs, network, config):
        self.network, self.config = network, config
        self.generator = torch.Generator().manual_seed(config.seed)
        self.collector = Collector(envs, network, self.generator, config.seed)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, eps=1e-5)
        self.steps, self.episode_returns = 0, []

    @torch.no_grad()
    def rollout(self):
        """T steps of N environments."""
        found, episodes = self.collector.collect(self.config.num_steps)
        final_values = torch.zeros_like(found.rewards)
        if found.ended.any():
            final_values[found.ended] = self.network(found.final_obs)[1]
        self.steps += found.rewards.numel()
        self.episode_returns += [episode.total_reward for episode in episodes]
        return {name: getattr(found, name) for name in (*PER_STEP[:-1], "last_values")} | {"final_values": final_values}

    def advantages(self, rollout):
        """(advantages, returns), both (T, N)."""
        return _advantages(rollout, self.config)

    def loss(self, obs, actions, old_logprobs, advantages, returns):
        """The loss of one minibatch."""
        return _whole_loss(self.network, self.config, obs, actions, old_logprobs, advantages, returns)

    def update(self, rollout):
        """Epochs of minibatches; the losses."""
        advantages, returns = self.advantages(rollout)
        data = [part.flatten(0, 1) for part in (rollout["obs"], rollout["actions"], rollout["logprobs"],
                                                objectives.standardized(advantages), returns)]
        losses = []
        for _ in range(self.config.epochs):
            for batch in torch.randperm(len(data[0]), generator=self.generator).split(self.config.minibatch_size):
                loss = self.loss(*(part[batch] for part in data))
                gradient_step(loss, self.network, self.optimizer, max_grad_norm=self.config.max_grad_norm)
                losses.append(loss.item())
        return losses

    def train(self):
        """Updates until total_steps; the learning curve."""
        config, history = self.config, []
        share = warmup_then_linear(config.total_steps, final=config.final_learning_rate)
        while self.steps < config.total_steps:
            self.optimizer.param_groups[0]["lr"] = config.learning_rate * share(self.steps)
            self.update(self.rollout())
            recent = self.episode_returns[-20:]
            history.append((self.steps, sum(recent) / len(recent) if recent else math.nan))
        return history


def _advantages(rollout, config, *, scale=True, bootstrap="truncated", next_episode=False, shift=0):
    """(advantages, returns) of a rollout, in the right way or with a slip."""
    rewards = rollout["rewards"] * (config.reward_scale if scale else 1.0)
    ended = rollout["terminated"] | rollout["truncated"]
    at = {"truncated": rollout["truncated"] & ~rollout["terminated"], "every end": ended,
          "every truncation": rollout["truncated"], "never": torch.zeros_like(ended)}[bootstrap]
    rewards = rewards + config.gamma * rollout["final_values"] * at
    dones = rollout["terminated"] if next_episode else ended.roll(shift, 0)
    advantages = objectives.gae(rewards, rollout["values"], dones, rollout["last_values"], config.gamma, config.lam)
    return advantages, advantages + rollout["values"]


def _whole_loss(network, config, obs, actions, old_logprobs, advantages, returns, *, value=1.0, entropy=1.0, policy=1.0):
    """The loss of a minibatch; its parts may be weighed wrongly."""
    distribution, values = network(obs)
    logprobs = distribution.log_prob(actions)
    return (policy * objectives.clipped_policy_loss(logprobs, old_logprobs, advantages, config.clip)
            + value * config.value_coefficient * objectives.value_loss(values, returns)
            - entropy * config.entropy_coefficient * distribution.entropy().mean())


def _updated(network, config, rollout, batches, correction=1, *, weights="rollout", old="kept", clipped=True, zeroed=True):
    """(losses, gradients at each step) of an update with these minibatches, in the right way or with a slip.

    correction: 1 for the standard deviation of a sample, 0 for that of a population; both are right.
    """
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, eps=1e-5)
    advantages, returns = (part.flatten() for part in _advantages(rollout, config))
    obs, actions, old_logprobs = (rollout[name].flatten(0, 1) for name in ("obs", "actions", "logprobs"))
    losses, gradients = [], []
    for batch in batches:
        weight = advantages[batch]
        if weights != "none":
            among = advantages if weights == "rollout" else weight
            weight = (weight - among.mean()) / among.std(correction=correction)
        before = old_logprobs[batch]
        if old == "anew":
            before = network(obs[batch])[0].log_prob(actions[batch]).detach()
        loss = _whole_loss(network, config, obs[batch], actions[batch], before, weight, returns[batch])
        if zeroed:
            optimizer.zero_grad()
        loss.backward()
        if clipped:
            torch.nn.utils.clip_grad_norm_(network.parameters(), config.max_grad_norm)
        losses.append(loss.item())
        gradients.append(_gradient(network))
        optimizer.step()
    return torch.tensor(losses), torch.stack(gradients)


def _gradient(network):
    return torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten().clone() for p in network.parameters()])


class ScriptedEnvs(VectorEnv):
    """N environments in which everything is made up beforehand, ends of both kinds too; they keep what was done."""

    metadata: ClassVar[dict] = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, steps: int, num_envs: int = 2, seed: int = 0):
        rng = np.random.default_rng(seed)
        self.num_envs = num_envs
        self.obs = rng.normal(size=(steps + 1, num_envs, 4)).astype(np.float32)
        self.final_obs = rng.normal(size=(steps, num_envs, 4)).astype(np.float32)
        self.rewards = rng.normal(size=(steps, num_envs)).round(2)
        kind = rng.permuted(np.arange(steps * num_envs) % 7).reshape(steps, num_envs)
        self.terminated, self.truncated = kind <= 1, (kind == 1) | (kind == 2)      # 1: both at once
        self.actions, self.seeds = [], []

    def reset(self, *, seed=None, options=None):
        """The first observations."""
        self.seeds.append(seed)
        return self.obs[0].copy(), {}

    def step(self, actions):
        """The next line of the script."""
        t = len(self.actions)
        if t == len(self.terminated):
            raise Fail("PPOAgent(envs, network, config)", f"{t} steps in each environment", "one step more",
                       "`rollout` makes num_steps steps in each environment, no more, and `train` stops when `steps` has reached total_steps.")
        if not isinstance(actions, np.ndarray) or actions.shape != (self.num_envs,):
            raise Fail("envs.step(actions)", f"a numpy array of {self.num_envs} actions", actions,
                       "`envs.step` wants one action for each environment, as a numpy array: `actions.numpy()`.")
        self.actions.append(actions.copy())
        ended = self.terminated[t] | self.truncated[t]
        info = {"final_obs": self.final_obs[t].copy(), "_final_obs": ended} if ended.any() else {}
        return (self.obs[t + 1].copy(), self.rewards[t].copy(), self.terminated[t].copy(), self.truncated[t].copy(), info)


class SpiedNetwork(ActorCritic):
    """A small actor-critic that keeps the observations it was trained on: one tensor a gradient step."""

    def __init__(self, seed: int = 0):
        super().__init__(4, 2, hidden=(8,), seed=seed)
        self.seen: list[torch.Tensor] = []
        with torch.no_grad():
            self.policy[-1].weight.mul_(50)                     # so that probabilities differ from state to state

    def forward(self, obs):
        if torch.is_grad_enabled():
            self.seen.append(obs.detach().clone())
        return super().forward(obs)


def _config(**changes):
    given = {"total_steps": 48, "num_steps": 8, "epochs": 1, "minibatch_size": 1000, "learning_rate": 0.01, "gamma": 0.9, "lam": 0.8,
             "clip": 0.15, "entropy_coefficient": 0.3, "value_coefficient": 0.7, "max_grad_norm": 0.4, "reward_scale": 0.5,
             "final_learning_rate": 0.2, "seed": 3}
    return PPOConfig(**{**given, **changes})


def _made_up(T=8, N=3, seed=1):
    """A rollout of random numbers, with ends of both kinds."""
    rng = torch.Generator().manual_seed(seed)
    kind = (torch.randperm(T * N, generator=rng) % 6).reshape(T, N)
    return {"obs": torch.randn(T, N, 4, generator=rng), "actions": torch.randint(2, (T, N), generator=rng),
            "logprobs": -torch.rand(T, N, generator=rng) - 0.3, "values": torch.randn(T, N, generator=rng),
            "rewards": torch.randn(T, N, generator=rng) + 1, "terminated": kind <= 1, "truncated": (kind == 1) | (kind == 2),
            "final_values": torch.randn(T, N, generator=rng) * (kind <= 2), "last_values": torch.randn(N, generator=rng)}


def _played(fn, steps=8, num_envs=16, config=None, network=None):
    """(agent, its environments, its network, its first rollout)."""
    envs, network = ScriptedEnvs(2 * steps, num_envs), network or SpiedNetwork()
    agent = fn(envs, network, config or _config(num_steps=steps))
    return agent, envs, network, fn.method(agent, "rollout")


CALL = "PPOAgent(envs, network, config).{}"


@build.case("rollout: nine tensors, and their shapes", seconds=30)
def _(fn):
    _, _, _, rollout = _played(fn, num_envs=3)
    names = (*PER_STEP, "last_values")
    missing = [name for name in names if not isinstance(rollout, dict) or name not in rollout]
    if missing:
        raise Fail(expected=f"a dict with {', '.join(names)}", got=rollout, mistake=f"`rollout` gives a dict back, and {missing[0]!r} is missing.")
    for name in names:
        shape_is(rollout[name], {"obs": (8, 3, 4), "last_values": (3,)}.get(name, (8, 3)), call=CALL.format(f"rollout()[{name!r}]"),
                 mistake="Time comes first, then the environments: `torch.stack` the T steps of each name. num_steps is 8 here, and there are 3 environments.")
        kind = {"actions": torch.int64, "terminated": torch.bool, "truncated": torch.bool}.get(name, torch.float32)
        if not isinstance(rollout[name], torch.Tensor) or rollout[name].dtype != kind:
            raise Fail(CALL.format(f"rollout()[{name!r}]"), f"a tensor of {kind}", rollout[name], "Environments speak numpy and float64, networks torch and float32: "
                       "`torch.as_tensor(rewards).float()`; what is True or False stays bool.")
        if rollout[name].requires_grad:
            raise Fail(CALL.format(f"rollout()[{name!r}]"), "data without a gradient", "a tensor that requires a gradient",
                       "A rollout is data. Act under `torch.no_grad()`, or the old log-probabilities will move with the new ones.")


@build.case("rollout: what happened at each step stands in its row")
def _(fn):
    _, envs, _, rollout = _played(fn)
    script = {"obs": torch.from_numpy(envs.obs), "rewards": torch.from_numpy(envs.rewards).float(), "actions": torch.from_numpy(np.stack(envs.actions)),
              "terminated": torch.from_numpy(envs.terminated), "truncated": torch.from_numpy(envs.truncated)}
    for name, rows in script.items():
        likely = {"obs": [(rows[1:9], "These are the observations *after* each step. Keep the one that the action was chosen from.")],
                  "terminated": [(script["truncated"][:8], "`terminated` and `truncated` have changed places."),
                                 ((script["truncated"] | script["terminated"])[:8], "This is every end. `terminated` and `truncated` are kept apart: a value follows only after a truncation.")],
                  "truncated": [((script["truncated"] & ~script["terminated"])[:8], "Keep `truncated` as the environments give it; `advantages` decides what counts where both are true.")],
                  "rewards": [(0.5 * rows[:8], "The rewards are scaled here already. `rollout` keeps them as they came; `advantages` scales them.")]}
        close(rollout[name], rows[:8], call=CALL.format(f"rollout()[{name!r}]"), likely=likely.get(name, []),
              otherwise=f"Row t of {name!r} is not what the environments gave (or got) at step t.")


@build.case("rollout: log-probabilities and values of what was seen; ends have a value of their own")
def _(fn):
    _, envs, network, rollout = _played(fn)
    seen, final = torch.from_numpy(envs.obs), torch.from_numpy(envs.final_obs[:8])
    ended = torch.from_numpy(envs.terminated | envs.truncated)[:8]
    with torch.no_grad():
        distribution, values = network(seen[:8])
        after, at_end = network(seen)[1][1:9], network(final)[1]
    logprobs = distribution.log_prob(rollout["actions"])
    close(rollout["logprobs"], logprobs, call=CALL.format("rollout()['logprobs']"), likely=[
        (logprobs.exp(), "These are probabilities. The ratio needs their logarithms: `distribution.log_prob(actions)`."),
        (distribution.log_prob(1 - rollout["actions"]), "These belong to the other action: log_prob of the actions that were taken is wanted.")],
        otherwise="`logprobs[t]` is log pi(actions[t] | obs[t]), of the policy that acted.")
    close(rollout["values"], values, call=CALL.format("rollout()['values']"), likely=[
        (after, "These are the values after each step. `values[t]` is the critic's estimate for obs[t], before it.")])
    close(rollout["last_values"], after[-1], call=CALL.format("rollout()['last_values']"), likely=[
        (values[-1], "This is the value *before* the last step. `last_values` belongs to the observation after it, `self.obs`.")])
    close(rollout["final_values"], at_end * ended, call=CALL.format("rollout()['final_values']"), likely=[
        (after * ended, "Where an episode ended, the new observation is the next episode's first. Its true last one is in info['final_obs']."),
        (at_end * torch.from_numpy(envs.truncated)[:8], "Only truncated episodes have a final value here. Keep it wherever an episode ended: `advantages` decides what counts."),
        (torch.zeros_like(at_end), "Nothing was kept: where an episode ended, the critic's value of info['final_obs'][n] is wanted.")],
        otherwise="`final_values[t, n]` is the critic's estimate for info['final_obs'][n] where episode n ended with step t, and 0 everywhere else.")
    if bool((rollout["actions"] == distribution.mode()).all()):
        raise Fail(CALL.format("rollout()['actions']"), "actions drawn by their probabilities", "the likeliest action every time",
                   "Draw the actions, `distribution.sample(generator)`: a policy that never tries anything else has nothing to compare.")


@build.case("rollout: the second one goes on where the first ended")
def _(fn):
    agent, envs, network, _ = _played(fn)
    rollout = fn.method(agent, "rollout")
    close(rollout["obs"], torch.from_numpy(envs.obs[8:16]), call="the second " + CALL.format("rollout()['obs']"), likely=[
        (torch.from_numpy(np.concatenate([envs.obs[:1], envs.obs[9:16]])), "The environments were reset, or the first observation was kept: go on with the one that the last step gave, `self.obs`.")])
    if len(envs.seeds) != 1:
        raise Fail("two rollouts", "one reset, in __init__", f"{len(envs.seeds)} resets", "Reset once, in `__init__`. Episodes run on from one rollout to the next; with a reset each time nothing beyond T steps is ever seen.")
    running, returns = np.zeros(16), []
    for rewards, ended in zip(envs.rewards, envs.terminated | envs.truncated, strict=True):
        running += rewards
        returns += running[ended].tolist()
        running[ended] = 0.0
    close(getattr(agent, "steps", None), 256, call=CALL.format("steps") + " after two rollouts of 8 steps in 16 environments", likely=[
        (16, "Count the steps of all environments: T * N a rollout."), (128, "The steps of the second rollout are missing, or of the first.")])
    if len(returns) != len(agent.episode_returns):
        raise Fail(CALL.format("episode_returns"), f"{len(returns)} returns, one for each episode that ended", f"{len(agent.episode_returns)} returns",
                   "An episode ends where `terminated` or `truncated` is true; each gives one entry in `episode_returns`.")
    close(list(map(float, agent.episode_returns)), returns, call=CALL.format("episode_returns"),
          otherwise="The return of an episode is the sum of all its rewards, unscaled, those of earlier rollouts included; a new episode begins with 0.")


@build.case("advantages: bootstrap where truncated, stop at every end")
def _(fn):
    for seed, changes in enumerate(({}, {"gamma": 0.99, "lam": 0.95, "reward_scale": 0.1})):
        config, rollout = _config(**changes), _made_up(seed=seed)
        agent = fn(ScriptedEnvs(8, 3), SpiedNetwork(), config)
        got = fn.method(agent, "advantages", rollout)
        if not isinstance(got, tuple | list) or len(got) != 2:
            raise Fail(expected="two tensors: advantages, returns", got=got, mistake="`advantages` gives two tensors back: the advantages, and the returns that the critic learns.")
        advantages, returns = _advantages(rollout, config)
        slips = {"No value was added where an episode was truncated (exercise 02.6): the agent was doing well and only the time limit stopped it.": {"bootstrap": "never"},
                 "A value was added at terminated episodes as well. After a fall nothing follows.": {"bootstrap": "every end"},
                 "Where an episode is terminated *and* truncated, the fall counts: no value is added.": {"bootstrap": "every truncation"},
                 "The advantages run on into the next episode where one was truncated: `dones` is `terminated | truncated`.": {"next_episode": True},
                 "The ends are shifted by one step: `terminated[t]` and `truncated[t]` say that the episode ended *after* step t, as `gae` wants it.": {"shift": 1},
                 "The rewards are to be multiplied by config.reward_scale.": {"scale": False}}
        likely = [(_advantages(rollout, config, **slip)[0], words) for words, slip in slips.items()]
        close(got[0], advantages, likely=[
            *likely, (objectives.standardized(advantages), "Not normalized yet, please: the returns are made from these advantages. `update` normalizes what the policy's loss gets."),
            (returns, "These are the returns, advantages + values: advantages come first.")])
        close(got[1], returns, likely=[(advantages, "The returns, the critic's targets, are advantages + values."),
                                       (objectives.standardized(advantages) + rollout["values"], "The returns were made from normalized advantages.")])


@build.case("loss: clipped objective, the critic's error, entropy bonus")
def _(fn):
    for seed, changes in enumerate(({}, {"clip": 0.3, "entropy_coefficient": 0.05, "value_coefficient": 0.2})):
        config, rollout, network = _config(**changes), _made_up(seed=seed), SpiedNetwork(seed)
        agent = fn(ScriptedEnvs(8, 3), network, config)
        batch = [rollout[name].flatten(0, 1) for name in ("obs", "actions", "logprobs", "values", "rewards")]
        got = fn.method(agent, "loss", *batch)
        wrongly = {"The entropy bonus has the wrong sign: a loss is made small, and entropy should be large.": {"entropy": -1},
                   "The entropy bonus is missing.": {"entropy": 0}, "The critic's error is missing.": {"value": 0},
                   "The critic's error is halved twice: value_coefficient times the mean of (values - returns)².": {"value": 0.5},
                   "The critic's error is not multiplied by value_coefficient.": {"value": 1 / config.value_coefficient},
                   "The policy's part has the wrong sign: its objective should become large, and the loss small.": {"policy": -1}}
        likely = [(_whole_loss(network, config, *batch, **slip).item(), words) for words, slip in wrongly.items()]
        unclipped = replace(config, clip=float("inf"))
        close(got, _whole_loss(network, config, *batch).item(), likely=[*likely, (_whole_loss(network, unclipped, *batch).item(), "Nothing was clipped: exercise 02.2 has the clipped objective.")])
        if not isinstance(got, torch.Tensor) or not got.requires_grad:
            raise Fail(expected="a tensor through which gradients flow", got=got, mistake="No gradient flows through the loss: `.item()`, `.detach()` or `torch.no_grad()` cut it.")
        network.zero_grad()
        got.backward()
        mine, twin = _gradient(network), copy.deepcopy(network)
        twin.zero_grad()
        _whole_loss(twin, config, *batch).backward()
        close(mine, _gradient(twin), call="the gradient of " + CALL.format("loss(...)"), rtol=1e-3,
              otherwise="The loss is right and its gradient is not: a part of it is detached. Log-probabilities, entropy and values all need their gradient.")


def _watched_update(fn, config, rollout, network):
    """(losses, gradient at each optimizer step, rows of the steps in each minibatch) of the learner's update."""
    agent = fn(ScriptedEnvs(8, 3), network, config)
    gradients = []
    hook = register_optimizer_step_pre_hook(lambda *_: gradients.append(_gradient(network)))
    network.seen.clear()
    try:
        losses = fn.method(agent, "update", rollout)
    finally:
        hook.remove()
    wanted = config.epochs * math.ceil(rollout["values"].numel() / config.minibatch_size)
    if len(gradients) != wanted:
        raise Fail(expected=f"{wanted} steps of the optimizer", got=f"{len(gradients)} steps", mistake="Each minibatch of each epoch is one gradient step: is `optimizer.step()` "
                   "missing, or does it stand in the wrong loop?" if len(gradients) < wanted else "One step of the optimizer for each minibatch of each epoch, and no more.")
    if not isinstance(losses, list | tuple) or len(losses) != wanted:
        raise Fail(expected=f"a list of {wanted} losses", got=losses, mistake="`update` gives the losses back, one number for each minibatch, in order.")
    rows = {tuple(row): place for place, row in enumerate(rollout["obs"].flatten(0, 1).tolist())}
    batches = [torch.tensor([rows.get(tuple(row), -1) for row in seen.reshape(-1, 4).tolist()]) for seen in network.seen]
    whole, last = divmod(24, config.minibatch_size)
    sizes = ([config.minibatch_size] * whole + [last] * (last > 0)) * config.epochs
    if [len(batch) for batch in batches] != sizes:
        raise Fail(CALL.format("update(rollout)"), f"minibatches of {sizes} of the 24 steps", f"the network was trained on {[len(batch) for batch in batches]} steps",
                   "An epoch goes through all T * N steps in pieces of minibatch_size; the last piece may be smaller, and is used too. The network is called once for each.")
    epochs = torch.cat(batches).reshape(config.epochs, 24)
    if not bool((epochs.sort().values == torch.arange(24)).all()):
        raise Fail(CALL.format("update(rollout)"), "each of the 24 steps once in every epoch", "some twice or more, others never",
                   "Draw one permutation of all steps in each epoch and cut it into pieces. Minibatches drawn one by one miss a third of the steps.")
    if bool((epochs[0] == epochs[-1]).all()) and config.epochs > 1:
        raise Fail(CALL.format("update(rollout)"), "a new order in each epoch", "the same order each time", "Shuffle inside the loop over epochs: `torch.randperm` once in each.")
    return torch.tensor([float(loss) for loss in losses]), torch.stack(gradients), batches


def _follows(losses, gradients, steps, slips, before, config, rollout, batches, otherwise):
    """Compare the gradients of some steps and all losses with those expected. slips: message -> arguments of `_updated`."""
    for correction in (1, 0):
        right, right_gradients = _updated(before, config, rollout, batches, correction)
        if difference(losses, right, 0.01, 2e-3) is None:
            break
    wrongly = {}
    if difference(losses, right, 0.01, 2e-3) or difference(gradients[steps], right_gradients[steps], 0.02, 1e-3):
        wrongly = {(words, correction): _updated(before, config, rollout, batches, correction, **slip) for words, slip in slips.items() for correction in (1, 0)}
    close(losses[:1], right[:1], call="the first loss of " + CALL.format("update(rollout)"), rtol=0.01, atol=2e-3,
          likely=[(wrong[0][:1], words) for (words, _), wrong in wrongly.items()], otherwise=otherwise)
    close(gradients[steps], right_gradients[steps], call="the gradient before a step of the optimizer", rtol=0.02, atol=1e-3,
          likely=[(wrong[1][steps], words) for (words, _), wrong in wrongly.items()], otherwise=otherwise)
    close(losses, right, call=CALL.format("update(rollout)"), rtol=0.01, atol=2e-3,
          likely=[(wrong[0], words) for (words, _), wrong in wrongly.items()], otherwise=otherwise)


@build.case("update: one step on the whole rollout")
def _(fn):
    config, rollout, network = _config(value_coefficient=0.1), _made_up(), SpiedNetwork()
    before = copy.deepcopy(network)
    losses, gradients, _ = _watched_update(fn, config, rollout, network)
    if not bool(gradients.any()):
        raise Fail("the gradient before the optimizer's step", "a gradient", "0 everywhere", "The gradient is 0 when the optimizer steps: `zero_grad` goes before `backward`, and `step` after it.")
    length = gradients[0].norm().item()
    slips = {"The advantages are not normalized: mean 0, standard deviation 1 over the whole rollout.": {"weights": "none"},
             "The old log-probabilities are those that the rollout kept. Yours come from the network as it is now: their ratio is always 1.": {"old": "anew"},
             f"The gradient was not clipped: its norm is {length:.3g}, and max_grad_norm is {config.max_grad_norm}. Clip between `backward` and `step`.": {"clipped": False}}
    _follows(losses, gradients, slice(0, 1), slips, before, config, rollout, [torch.arange(24)],
             "It is not what `loss` gives for the whole rollout. Were all parts flattened in the same way?")
    moved = max((a - b).abs().max().item() for a, b in zip(network.parameters(), before.parameters(), strict=True))
    close(moved, config.learning_rate, rtol=0.2, call="the largest change of a weight",
          otherwise="Adam's first step changes a weight by about the learning rate. Does the optimizer have config.learning_rate and the parameters of this very network?")


@build.case("update: the old log-probabilities stay while the policy moves")
def _(fn):
    config, network = _config(epochs=3, learning_rate=0.02, value_coefficient=0.1, max_grad_norm=100.0), SpiedNetwork()
    rollout, before = _made_up(), copy.deepcopy(network)
    with torch.no_grad():
        rollout["logprobs"] = network(rollout["obs"])[0].log_prob(rollout["actions"])
    losses, gradients, _ = _watched_update(fn, config, rollout, network)
    slips = {"The first step is right and the later ones are not: the old log-probabilities were taken anew after the policy had moved (exercise 02.5).": {"old": "anew"},
             "The gradients of all steps add up: `optimizer.zero_grad()` before each `backward()`.": {"zeroed": False}}
    _follows(losses, gradients, slice(1, 2), slips, before, config, rollout, [torch.arange(24)] * 3,
             "The later epochs work on the same rollout, with the same old log-probabilities, advantages and returns.")


@build.case("update: minibatches take every step once in each epoch, in a new order")
def _(fn):
    config, network, rollout = _config(epochs=2, minibatch_size=10, value_coefficient=0.1), SpiedNetwork(), _made_up()
    before = copy.deepcopy(network)
    losses, gradients, batches = _watched_update(fn, config, rollout, network)
    slips = {"The advantages were normalized in each minibatch. Here they are normalized once, over the whole rollout.": {"weights": "minibatch"}}
    _follows(losses, gradients, slice(0, 1), slips, before, config, rollout, batches,
             "The steps of the minibatches are right: do actions, log-probabilities, advantages and returns belong to the same steps as the observations?")


@build.case("all that is random follows from config.seed")
def _(fn):
    def run(seed):
        config, network = _config(minibatch_size=10, seed=seed), SpiedNetwork()
        agent, envs, _, rollout = _played(fn, config=config, network=network)
        if envs.seeds != [seed]:
            raise Fail("PPOAgent(envs, network, config)", f"envs.reset(seed={seed}): this is config.seed", " and ".join(f"envs.reset(seed={one})" for one in envs.seeds) or "no reset",
                       "Reset the environments with `seed=config.seed`, or no run can be repeated.")
        network.seen.clear()
        fn.method(agent, "update", _made_up())
        return rollout["actions"], torch.cat([seen.reshape(-1, 4) for seen in network.seen])

    (actions, order), (again, same_order), (others, _) = run(3), run(3), run(5)
    if not torch.equal(actions, again):
        raise Fail("the actions of two runs with config.seed = 3", actions, again, "Two runs with one seed should do the same. Hand the generator that is seeded with config.seed to `distribution.sample`.")
    if torch.equal(actions, others):
        raise Fail("the actions of runs with config.seed = 3 and 5", "two runs that differ", actions, "The generator is seeded with `config.seed`, not with a number of your own.")
    if not torch.equal(order, same_order):
        raise Fail("the minibatches of two runs with config.seed = 3", "the same minibatches", "others", "Two runs with one seed should do the same. Draw the order of the minibatches with the generator that is seeded with config.seed, too: "
                   "`torch.randperm(n, generator=...)`.")


@build.case("train: updates until total_steps, and the learning rate falls")
def _(fn):
    config, envs, network = _config(num_steps=8, total_steps=96, minibatch_size=12), ScriptedEnvs(32, 3), SpiedNetwork()
    agent, rates, optimizers = fn(envs, network, config), [], []

    def note(optimizer, *_):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizers.append(optimizer)

    hook = register_optimizer_step_pre_hook(note)
    try:
        history = fn.method(agent, "train")
    finally:
        hook.remove()
    if len(envs.actions) != 32:
        raise Fail(expected="4 rollouts of 8 steps in 3 environments: total_steps is 96", got=f"{len(envs.actions)} steps in each environment", mistake="`train` goes on while `steps` is below total_steps. Steps are counted in all environments together.")
    falls = [config.learning_rate * (1 - 0.8 * done) for done in (0, 0.25, 0.5, 0.75)]
    late = [config.learning_rate * (1 - 0.8 * done) for done in (0.25, 0.5, 0.75, 1.0)]
    close(rates, [rate for rate in falls for _ in range(2)], call="the learning rate at each gradient step", likely=[
        ([config.learning_rate] * 8, "The learning rate stays: set it in `optimizer.param_groups` before each update."),
        ([rate for rate in late for _ in range(2)], "The learning rate falls one update too early: it is set before the rollout, from the steps made until then, and starts at config.learning_rate."),
        ([config.learning_rate * (1 - done) for done in (0, 0.25, 0.5, 0.75) for _ in range(2)], "It falls to 0. At total_steps the share final_learning_rate of it is left.")],
        otherwise="learning_rate * (1 - (1 - final_learning_rate) * steps / total_steps), with the steps made before the update.")
    if any(optimizer is not optimizers[0] for optimizer in optimizers):
        raise Fail("train()", "one optimizer for the whole run", "a new one for some updates", "Make the optimizer once, in `__init__`: Adam's running means are lost with every new one.")
    close(optimizers[0].param_groups[0].get("eps"), 1e-5, atol=1e-9, call="the optimizer's eps", otherwise="Adam is wanted with `eps=1e-5`. With torch's own, 1e-8, a gradient that is nearly 0 still moves a weight by the whole learning rate.")
    returns = agent.episode_returns
    ended, means = np.cumsum((envs.terminated | envs.truncated).sum(1)).tolist(), []
    for count in ended[7::8]:
        recent = returns[max(0, count - 20):count]
        means.append(sum(recent) / len(recent))
    if not isinstance(history, list | tuple) or len(history) != 4 or any(len(point) != 2 for point in history):
        raise Fail(expected="4 pairs (steps, mean return of the last 20 episodes)", got=history, mistake="`train` gives the learning curve back: one pair after each update.")
    close([float(steps) for steps, _ in history], [24.0, 48.0, 72.0, 96.0], call="the steps in train()", otherwise="The first number of each pair is `steps` after that update.")
    close([float(mean) for _, mean in history], means, call="the returns in train()", otherwise="The second number is the mean of the last 20 entries of `episode_returns` (of all, while there are fewer).")


TRIES = 2               # seeds that a right program may need: about one training in a thousand goes astray


@build.case("it learns to balance: a mean return of 475", seconds=150, last=True)
def _(fn):
    steps, goal = budget(full=80_000, ci=16_000), budget(full=475, ci=60)
    best = 0.0
    for seed in range(TRIES):
        network = ActorCritic(4, 2, seed=seed)
        fn.method(fn(VectorCartPole(CARTPOLE.num_envs), network, replace(CARTPOLE.config, total_steps=steps, seed=seed)), "train")
        for policy in (sampled(network), greedy(network)):
            best = max(best, evaluate(VectorCartPole(20), policy).mean)
        if best >= goal:
            return
    raise Fail(f"train() for {steps:,} steps, then 20 fresh episodes", f"a mean return of {goal} of 500", f"{best:.0f}, the best of {TRIES} runs",
               "Each part passed by itself. Look at the curve that `train` gives back: does it rise and fall again (steps too large), or not rise at all?")
