"""What the answers to lesson 02's exercises must do, and the course's own answers where the library has none."""

import math

import torch

from course_lib.exercises import Fail, agrees, beside, close, differentiable, exercise, shape_is
from course_lib.rl import objectives

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
        (-1.5, "Nothing was clipped: for a good action the objective stops growing at 1 + clip. (If you did clip: of the two objectives the "
               "smaller counts. If you put the minus sign in first, these are losses, and of two losses it is the larger.)"),
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


ALONE = ("The step that ends an episode now has a number of its own, so that its TD error reaches no earlier step. It belongs to the same "
         "episode as the steps before it.")
ONE_EPISODE = "Now everything is one episode: TD errors leak back through the ends."
UNTOUCHED = "This case was right before: another line was changed. Only the numbering of the episodes is at fault."


def _compare_at_once(fn, arguments, gamma, lam):
    close(fn(*arguments, gamma, lam), gae_at_once(*arguments, gamma, lam), likely=[
        (_leaky(*arguments, gamma, lam, _counted), "The step that ends an episode is counted to the next one: the TD error of the fall "
         "never reaches the steps before it, and it gets those of the next episode. Which step does dones[t] close?"),
        (_leaky(*arguments, gamma, lam, lambda ended: ended.cumsum(0) + ended), ALONE),
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


def _one_behind(logits, actions, advantages, steps, lr=0.5, clip=0.2):
    """The old log-probabilities are those of the step before."""
    before = logits
    for _ in range(steps):
        now = logits.clone().requires_grad_(True)
        ratio = (torch.log_softmax(now, -1)[actions] - torch.log_softmax(before, -1)[actions]).exp()
        gain = torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)
        gradient, = torch.autograd.grad(-gain.mean(), now)
        before, logits = logits, (now - lr * gradient).detach()
    return logits


BEHIND = ("Your old log-probabilities are those of the step before. They follow the policy, so the ratio stays near 1 and the clip hardly "
          "ever takes effect. The old policy is the one that took the actions, and it stays the same in every round.")
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
        (_one_behind(THREE, actions, advantages, 50), BEHIND), (THREE, NEVER_MOVED)])


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
