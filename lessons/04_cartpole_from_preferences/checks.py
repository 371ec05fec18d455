"""What the answers to lesson 04's exercises must do."""


import torch
from torch import Tensor

from course_lib.exercises import Fail, agrees, beside, close, difference, differentiable, exercise, shape_is
from course_lib.preferences import bradley_terry, cartpole, reward_model, segments

# ---------------------------------------------------------------------------------------------------------------- 04.1

clip = exercise(
    "04.1", title="The return of a segment", function="segment_return", points=1, kind="implement",
    difficulty=1, importance=3, minutes=5, reference="course_lib.preferences.bradley_terry:segment_return",
    hints=("Without a mask it is one line: a sum. Over which dimension?",
           "rewards.sum(dim=-1) adds the steps of each clip. With a mask, steps with a 0 must count nothing, whatever stands "
           "there.",
           "torch.where(condition, a, b) chooses, entry by entry. Why not rewards * mask? Because 0 * nan is nan."))


@clip.case("two clips of three steps")
def _(fn):
    got = fn(torch.tensor([[1.0, 2.0, 4.0], [0.5, -0.5, 3.0]]))
    shape_is(got, (2,), mistake="One number for each clip is wanted: add up the steps, which are the last dimension.")
    close(got, torch.tensor([7.0, 3.0]), likely=[
        ([7 / 3, 1.0], "This is the mean. The sum is wanted: with the mean a long clip could not score higher than a short one."),
        ([1.0, 0.5], "Only the first step was counted."), ([4.0, 3.0], "Only the last step was counted.")])


@clip.case("one clip, and two clips under a whole ensemble")
def _(fn):
    close(fn(torch.tensor([1.0, 1.0, 0.5])), torch.tensor(2.5), otherwise="Add up along the last dimension, `dim=-1`, however "
          "many dimensions stand before it.")
    rewards = torch.arange(12.0).reshape(3, 2, 2)                           # (members, clips, steps)
    close(fn(rewards), torch.tensor([[1.0, 5.0], [9.0, 13.0], [17.0, 21.0]]),
          otherwise="Add up along the last dimension, `dim=-1`, however many dimensions stand before it.")


@clip.case("a shorter clip, padded: the mask says what counts")
def _(fn):
    rewards = torch.tensor([[1.0, 2.0, 9.0, 9.0], [1.0, 1.0, 1.0, 1.0]])
    mask = torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    close(fn(rewards, mask), torch.tensor([3.0, 4.0]), likely=[
        ([21.0, 4.0], "The padding was counted: the mask was not used."),
        ([1.5, 1.0], "This is the mean over the steps that count. The sum is wanted."),
        ([18.0, 0.0], "Inverted: 1 says that the step counts, 0 that it is padding.")])


@clip.case("what stands in the padding does not matter, not even nan")
def _(fn):
    rewards = torch.tensor([[1.0, 2.0, float("nan"), float("inf")]])
    close(fn(rewards, torch.tensor([[1.0, 1.0, 0.0, 0.0]])), torch.tensor([3.0]), likely=[
        ([float("nan")], "0 * nan is nan: multiplying by the mask lets the padding through. Choose instead, with "
                         "`torch.where(mask > 0, rewards, 0)` or `masked_fill`.")])


def _clips(rng, rubbish):
    """Rewards of clips, sometimes with a mask and rubbish behind it."""
    shape = rng.shape(1, 3)
    rewards = rng.normal(*shape, scale=2)
    if rng.chance(0.2):
        return (rewards,)
    mask = rng.mask(rewards.numel() // shape[-1], shape[-1], gaps=True).reshape(shape).float()
    return torch.where(mask > 0, rewards, rng.among(rubbish, *shape)), mask


@clip.case("any clips, any mask, any rubbish, and the gradient")
def _(fn):
    agrees(fn, bradley_terry.segment_return, lambda rng: _clips(rng, [9.0, -50.0, float("nan"), float("inf")]),
           otherwise="Only the steps whose mask is 1 count, along the last dimension.")
    differentiable(fn, lambda rng: _clips(rng, [9.0, -50.0]), bradley_terry.segment_return, wrt=["rewards"])


@clip.case("a nan in a step that counts stays visible")
def _(fn):
    rewards = torch.tensor([[1.0, float("nan"), 5.0], [1.0, 2.0, 5.0]])
    close(fn(rewards, torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])), torch.tensor([float("nan"), 3.0]), likely=[
        ([1.0, 3.0], "A step that counts has the reward nan, and your sum hides it: `nan_to_num` replaces every nan, not only those of "
                     "the padding. Choose by the mask instead."),
        ([float("nan"), float("nan")], "One bad clip spoiled the other: each clip has its own sum.")],
        otherwise="The sum of a clip with a nan in a step that counts is nan.")


# ---------------------------------------------------------------------------------------------------------------- 04.2

standardized = exercise(
    "04.2", title="From scores to rewards", function="standardize_rewards", points=2, kind="implement",
    difficulty=1, importance=3, minutes=10, reference="course_lib.preferences.reward_model:standardize_rewards",
    hints=("Which scores should say where 0 is and how large 1 is: those of this rollout, or those of the labelled clips?",
           "The mean of *all* labelled scores is the new 0, and their standard deviation becomes `std`. `raw` is only shifted "
           "and scaled by them.",
           "Subtract labelled.mean(), divide by the deviation of `labelled`, held at 0.001 or more with max(...), and multiply last."))

RAW = torch.tensor([[1.0, 3.0], [5.0, 7.0]])                                # mean 4
LABELLED = torch.tensor([[0.0, 4.0], [2.0, 6.0], [0.0, 0.0]])               # mean 2; means of the clips 2, 4, 0
STD, STD_N = 2.529822, 2.309401                                             # torch's std with n - 1, and with n


def _rewards(fn, raw, labelled, std):
    got = fn(raw, labelled, std)
    shape_is(got, tuple(raw.shape), mistake="Every state of the rollout keeps its own reward: the result has the shape of `raw`. Its "
             "mean and deviation come from *all* labelled scores, not from each clip.")
    return torch.as_tensor(got)


@standardized.case("a rollout of four states, three labelled clips of two")
def _(fn):
    got = _rewards(fn, RAW, LABELLED, 0.15)
    centred = RAW - 2
    if difference(got, centred / STD_N * 0.15, atol=1e-4) is None:          # divided by n and not n - 1: right too
        return
    own = (RAW - 4) / RAW.std() * 0.15
    close(got, centred / STD * 0.15, atol=1e-4, call="raw = [[1, 3], [5, 7]], labelled = [[0, 4], [2, 6], [0, 0]], std = 0.15",
          likely=[
              (own, "This is the rollout's own mean and deviation. If each rollout had mean 0, a good rollout would get no more "
                    "reward than a bad one. Take those of `labelled`."),
              ((RAW - 4) / STD * 0.15, "The mean is the rollout's own. Subtract the mean of `labelled`."),
              (centred / RAW.std() * 0.15, "The deviation is the rollout's own. Divide by that of `labelled`."),
              (RAW / STD * 0.15, "The mean is still in it: subtract that of `labelled` before you divide."),
              (centred * 0.15, "You did not divide by the deviation of `labelled`."),
              (centred / STD, "The standard deviation is 1 now: multiply by `std` at the end."),
              (centred / STD / 0.15, "You divided by `std`. Divide by the deviation of `labelled`, multiply by `std`."),
              (centred / STD**2 * 0.15, "You divided by the variance. The standard deviation is its root.")])


@standardized.case("the same labelled clips, a better rollout: more reward")
def _(fn):
    labelled = torch.tensor([[-1.0, 1.0], [-1.0, 1.0]])
    worse, better = (float(_rewards(fn, torch.full((3, 2), score), labelled, 1.0).mean()) for score in (0.0, 2.0))
    close(better - worse, 2 / float(labelled.std()), rtol=0.16, call="mean reward of states with score 2, less that of states with score 0",
          likely=[(0.0, "A better rollout got no more reward. The zero must stay where the labelled clips put it, and not follow "
                        "the rollout.")],
          otherwise="The zero and the scale come from `labelled` alone, so that they stay as they are from rollout to rollout.")


@standardized.case("labelled scores that are all alike are not magnified")
def _(fn):
    flat = torch.tensor([[2.0, 2.00001], [1.99999, 2.0]])
    close(_rewards(fn, flat, flat, 0.15), (flat - 2) / 1e-3 * 0.15, atol=2e-4, call="raw = labelled = [[2, 2.00001], [1.99999, 2]]",
          otherwise="The deviation is almost 0 here and dividing by it turns rounding into large rewards. Divide by "
                    "max(deviation, 0.001).")
    close(_rewards(fn, torch.full((4,), 3.0), torch.full((2, 4), 3.0), 0.15), torch.zeros(4), call="raw and labelled all 3",
          otherwise="All states are equally good: 0 / 0 must not become nan. Divide by max(deviation, 0.001).")


@standardized.case("any rollout, any labelled clips, any std")
def _(fn):
    def draw(rng):
        spread, zero = rng.one_of((0.0, 0.0004, 1.0, 10.0)), rng.one_of((0.0, 2.0))
        return (zero + rng.normal(*rng.shape(1, 3)), zero + spread * rng.normal(rng.length(2), rng.length()),
                rng.one_of((0.15, 1.0, 2.5)))

    def over_n(raw, labelled, std):
        return (raw - labelled.mean()) / max(float(labelled.std(correction=0)), 1e-3) * std

    def added(raw, labelled, std):
        return (raw - labelled.mean()) / (labelled.std() + 1e-3) * std

    plus = "You *added* 0.001 to the deviation, so that every scale is a little off. Divide by max(deviation, 0.001): the larger of the two."
    agrees(fn, reward_model.standardize_rewards, draw, also=[over_n], atol=5e-3,
           likely=[(added, plus), (lambda raw, labelled, std: (raw - labelled.mean()) / (labelled.std(correction=0) + 1e-3) * std, plus)],
           otherwise="Subtract the mean of `labelled`, divide by its deviation (0.001 at least), multiply by `std`.")


# ---------------------------------------------------------------------------------------------------------------- 04.3

disputed = exercise(
    "04.3", title="Ask where the models disagree", function="most_disputed", points=2, kind="implement",
    difficulty=2, importance=2, minutes=10, reference="course_lib.preferences.segments:most_disputed",
    hints=("What should the members disagree about: the size of the difference, or who wins?",
           "For each pair, every member gives a probability that the first is preferred. Where do these differ most?",
           "sigmoid(first - second) is (members, pairs); its standard deviation over the members is one number for each pair. "
           "`argsort(descending=True)` gives positions, the largest first."))


def _positions(fn, first, second, count):
    got = fn(first, second, count)
    shape_is(got, (count,), mistake=f"Positions of the {count} most disputed pairs are wanted, one whole number each.")
    return got.long() if torch.is_tensor(got) else torch.as_tensor(got).long()


@disputed.case("the members agree about one pair and contradict each other about the other")
def _(fn):
    first, second = torch.tensor([[2.0, 1.0], [2.2, -1.0]]), torch.zeros(2, 2)
    close(_positions(fn, first, second, 1), torch.tensor([1]), likely=[
        ([0], "This is the pair they agree about most: take the largest standard deviation, not the smallest.")])


@disputed.case("both sure of the winner, by different margins: no dispute")
def _(fn):
    first, second = torch.tensor([[5.0, 0.9, 0.0], [15.0, -0.2, 0.1]]), torch.zeros(2, 3)
    close(_positions(fn, first, second, 1), torch.tensor([1]), likely=[
        ([0], "Here the members differ in how much better the first is, 5 or 15, but both are sure that it wins: a label would "
              "teach them little. Compare probabilities, sigmoid(first - second), not differences."),
        ([2], "Here both members say about 0.5, and agree in that. Uncertain is not disputed: measure how the members differ.")])


@disputed.case("the second score counts")
def _(fn):
    first, second = torch.tensor([[3.0, 1.0], [-3.0, 1.0]]), torch.tensor([[3.0, 0.0], [-3.0, 2.0]])
    close(_positions(fn, first, second, 1), torch.tensor([1]), likely=[
        ([0], "A member's prediction for a pair depends on first - second: on this one both members say 0, whatever they think of each clip.")])


@disputed.case("several, the most disputed first")
def _(fn):
    first = torch.tensor([[0.2, 2.0, 0.0, 1.0], [-0.2, -2.0, 0.0, -1.0], [0.0, 0.0, 0.0, 0.0]])
    close(_positions(fn, first, torch.zeros(3, 4), 3), torch.tensor([1, 3, 0]), likely=[
        ([2, 0, 3], "These are the least disputed ones: sort from large to small."),
        ([0, 1, 3], "The right pairs in the wrong order: the most disputed comes first.")])


@disputed.case("any members, any pairs")
def _(fn):
    def draw(rng):
        members, pairs = rng.length(2), rng.length(2)
        while True:
            first, second = rng.normal(members, pairs, scale=3), rng.normal(members, pairs, scale=2)
            spread = torch.sigmoid(first - second).std(dim=0).sort().values
            if float((spread[1:] - spread[:-1]).min()) > 0.01:             # no ties
                return first, second, rng.whole(1, pairs)

    agrees(fn, segments.most_disputed, draw, read=lambda got: torch.as_tensor(got).long(), likely=[
        (lambda first, second, count: (first - second).std(dim=0).argsort(descending=True)[:count],
         "Compare probabilities, sigmoid(first - second): two members who are both sure of the same winner do not disagree.")],
        otherwise="The disagreement about a pair is the standard deviation of sigmoid(first - second) over the members.")


# ---------------------------------------------------------------------------------------------------------------- 04.4

predict = exercise(
    "04.4", title="How the end of an episode counts", function="prediction", points=1, kind="predict",
    difficulty=2, importance=3, minutes=5, reference="checks:prediction",
    hints=("Add up what an episode of 20 steps and one of 200 steps bring, in each of the four cases.",
           "Where the end counts, no reward comes after it. Is 0 more or less than the reward of a step?",
           "Where ends are hidden, the same reward goes on for ever whatever the agent does: can any action bring more?"))

WORDS = ("balances longer", "falls sooner", "no reason to change")
WORLDS = ("+1 a step, the end counts", "-1 a step, the end counts", "+1 a step, ends hidden", "-1 a step, ends hidden")


def prediction() -> dict[str, str]:
    """What PPO learns in CartPole when every step has the same reward."""
    return dict(zip(WORLDS, ("balances longer", "falls sooner", "no reason to change", "no reason to change"), strict=True))


def _predicted(fn, key):
    got = fn()
    if not isinstance(got, dict) or key not in got:
        raise Fail("prediction()", "a dict with the keys " + ", ".join(map(repr, WORLDS)), repr(got)[:80],
                   f"The key {key!r} is missing.")
    if got[key] not in WORDS:
        raise Fail(f"prediction()[{key!r}]", " or ".join(map(repr, WORDS)), repr(got[key])[:80], "Choose one of the three answers.")
    return got[key]


@predict.case("+1 a step, the end counts")
def _(fn):
    if (got := _predicted(fn, WORLDS[0])) != "balances longer":
        raise Fail(f"prediction()[{WORLDS[0]!r}]", "another answer", repr(got),
                   "A longer episode holds more steps of +1, and after its end there is no reward. Which return is higher?")


@predict.case("-1 a step, the end counts")
def _(fn):
    if (got := _predicted(fn, WORLDS[1])) != "falls sooner":
        raise Fail(f"prediction()[{WORLDS[1]!r}]", "another answer", repr(got),
                   "Every step has a negative reward, and after the end there is none. 0 is more than -1: the end is the best that can "
                   "happen.")


@predict.case("the same reward for ever")
def _(fn):
    for key in WORLDS[2:]:
        if (got := _predicted(fn, key)) != "no reason to change":
            raise Fail(f"prediction()[{key!r}]", "another answer", repr(got),
                       "The agent gets the same reward at every step and, as far as it learns, the steps never end. Whatever it does "
                       "brings the same.")


# ---------------------------------------------------------------------------------------------------------------- 04.5

bug = exercise(
    "04.5", title="Find the silent bug: falls that are never penalized", function="states_led_to", points=2, kind="bug",
    difficulty=2, importance=3, minutes=10, reference="checks:states_led_to",
    hints=("For most steps the answer is simply the next row. Look at a step after which an episode ended.",
           "When an episode ends, the environment starts a new one within the same step. Whose state stands in the next row?",
           "`next_states[ended] = ...` fills the places where an episode ended, in the order in which `ended` is True, step by step. What "
           "belongs there?"))

SWAPPED_IN = ("After an end the next row holds the first state of a *new* episode, upright and in the centre. So the action that made "
              "the pole fall is rewarded as if it had led to a perfect start. Put the true last states, final_obs, in their places.")
STOPPED_SHORT = ("At the end of an episode stands the state *before* its last step: the pole leans, but it has not fallen. No fall is ever "
                 "seen or penalized. The state that the last step led to is in final_obs.")


def states_led_to(obs: Tensor, last_obs: Tensor, final_obs: Tensor, ended: Tensor) -> Tensor:
    """The state that each action led to, (T, N, D). obs: (T, N, D) before each step; last_obs: (N, D) after the last;
    final_obs: (E, D) true last states of the episodes that ended; ended: (T, N) bool."""
    next_states = torch.cat([obs[1:], last_obs[None]])
    next_states[ended] = final_obs
    return next_states


def _rollout(steps, envs, ends):
    """States that tell where they belong: 100 * env + step, last ones 7 more; and where episodes end."""
    obs = (torch.arange(steps)[:, None] + 100 * torch.arange(envs)[None]).float()[..., None].repeat(1, 1, 2)
    ended = torch.zeros(steps, envs, dtype=torch.bool)
    for t, n in ends:
        ended[t, n] = True
    final = torch.stack([torch.full((2,), 1000.0 * (t + 1) + n) for t, n in sorted(ends)]) if ends else torch.empty(0, 2)
    last = (steps + 100 * torch.arange(envs)).float()[:, None].repeat(1, 2)
    return obs, last, final, ended


@bug.case("no episode ends: each action leads to the next state", given=True)
def _(fn):
    obs, last, final, ended = _rollout(4, 2, [])
    got = fn(obs, last, final, ended)
    shape_is(got, (4, 2, 2), mistake="One state for each step is wanted: the row after the last step is last_obs.")
    close(got, states_led_to(obs, last, final, ended), likely=[
        (obs, "These are the states *before* the steps: an action would be rewarded for what it found, not for what it did."),
        (torch.cat([obs[1:], obs[-1:]]), "The last step led to last_obs.")])


@bug.case("an episode ends: its true last state, not the next one's first")
def _(fn):
    obs, last, final, ended = _rollout(4, 2, [(1, 0)])
    short = torch.cat([obs[1:], last[None]])
    short[ended] = obs[ended]
    close(fn(obs, last, final, ended), states_led_to(obs, last, final, ended), likely=[
        (torch.cat([obs[1:], last[None]]), SWAPPED_IN), (short, STOPPED_SHORT),
        (torch.where(ended[..., None], final[0], obs), "The last state is in its place, and the other rows are those *before* the "
                                                       "steps: shift them by one.")])


@bug.case("several ends, at the last step too, in the order of the steps")
def _(fn):
    obs, last, final, ended = _rollout(5, 3, [(0, 2), (3, 0), (3, 1), (4, 2)])
    want = states_led_to(obs, last, final, ended)
    turned = torch.cat([obs[1:], last[None]])
    turned.transpose(0, 1)[ended.T] = final
    close(fn(obs, last, final, ended), want, likely=[
        (torch.cat([obs[1:], last[None]]), SWAPPED_IN),
        (turned, "The last states went to the wrong episodes: they come step by step, and within a step environment by environment.")],
        otherwise="Every place where `ended` is True gets its own last state, in the order of the steps.")


@bug.case("any rollout, any ends")
def _(fn):
    def draw(rng):
        steps, envs, size = rng.length(), rng.length(), rng.whole(1, 3)
        ended = rng.ends(steps, envs)
        return (rng.normal(steps, envs, size), rng.normal(envs, size), rng.normal(int(ended.sum()), size, scale=5), ended)

    agrees(fn, states_led_to, draw, otherwise="Every place where `ended` is True gets its own last state, in the order of the steps.")


# ---------------------------------------------------------------------------------------------------------------- 04.6

taste = exercise(
    "04.6", title="A preference of your own, as a score", function="mark_place", points=1, kind="implement",
    difficulty=1, importance=2, minutes=5, reference="course_lib.preferences.cartpole:mark_place",
    hints=("A clip is (L, 4): position, velocity, angle, angular velocity. Three things are penalized: distance from the place, tilt, falls.",
           "Each step has a penalty of |position - place| + |angle| / 0.2094, and 10 more where the pole is down or the cart has left.",
           "down = (|position| > 2.4) | (|angle| > 0.2094). The score is minus the sum over all steps."))


ANGLE = 0.209           # radians, just inside of the pole's limit of 0.2094


def _once_a_clip(obs, place):
    """The score with 10 for the whole clip, however many states fell."""
    down = (obs[:, 2].abs() > 0.20943951) | (obs[:, 0].abs() > 2.4)
    return float(-((obs[:, 0] - place).abs() + obs[:, 2].abs() / 0.20943951).sum() - 10.0 * down.any())


def _twice(obs, place):
    """The score with 10 for each of the two falls."""
    down, left = obs[:, 2].abs() > 0.20943951, obs[:, 0].abs() > 2.4
    return float(-((obs[:, 0] - place).abs() + obs[:, 2].abs() / 0.20943951 + 10.0 * down + 10.0 * left).sum())


@taste.case("still at the place, upright: no penalty")
def _(fn):
    obs = torch.tensor([[-1.0, 0.3, 0.0, 0.1]]).repeat(5, 1)
    close(float(fn(obs, -1.0)), 0.0, likely=[
        (-5.0, "The distance counts from the place, not from the centre."),
        (-10.0, "The place is at position - place = 0: is a sign wrong?")])


@taste.case("away from the place, and leaning")
def _(fn):
    obs = torch.zeros(4, 4)
    obs[:, 0] = 0.2
    obs[:, 2] = -0.1
    want = -4 * (1.2 + 0.1 / 0.20943951)
    close(float(fn(obs, -1.0)), want, likely=[
        (-want, "A worse clip must get a *lower* score: change the sign."),
        (want / 4, "This is the mean over the steps; the sum is wanted."),
        (-4 * (1.2 - 0.1 / 0.20943951), "A lean to the left has the same penalty as one to the right: take the absolute value."),
        (-4 * (0.2 + 0.1 / 0.20943951), "The distance counts from the place, not from the centre."),
        (-4 * 1.2, "The lean of the pole is penalized too.")])


@taste.case("a penalty of ten more for each fallen state")
def _(fn):
    obs = torch.zeros(3, 4)
    obs[:, 0] = -1.0
    obs[2, 2] = 0.25
    close(float(fn(obs, -1.0)), -0.25 / 0.20943951 - 10, likely=[
        (-0.25 / 0.20943951, "The fall at the end of the clip got no extra penalty: 10 for each state with the pole down.")])
    obs[:, 2] = 0.0
    obs[2, 0] = -2.5
    close(float(fn(obs, -1.0)), -1.5 - 10, likely=[
        (-1.5, "Leaving the track is a fall too: 10 for each state beyond 2.4 m.")])


@taste.case("any clip, any place")
def _(fn):
    def draw(rng):
        steps = rng.length()
        x = rng.among([*beside(-2.4, 2.4), -1.0, 0.5, 3.0], steps).where(rng.flags(steps), rng.normal(steps))
        angle = rng.among([*beside(-ANGLE, ANGLE), 0.0, 0.4], steps).where(rng.flags(steps), rng.normal(steps, scale=0.1))
        off = (x.abs() - 2.4).abs() < 1e-3                          # on the border itself float32 and float64 differ
        return torch.stack([torch.where(off, 0.0, x), rng.normal(steps), angle, rng.normal(steps)], dim=1), rng.number(-2, 2)

    agrees(fn, cartpole.mark_place, draw, read=float, likely=[
        (_twice, "A state in which the pole is down *and* the cart has left the track has a penalty of 10 more, not 20."),
        (_once_a_clip, "Your clip has 10 more once, however many of its states are fallen. Each fallen state has 10 more.")])
