"""What the answers to lesson 01's exercises must do."""

import numpy as np
import torch

from course_lib.exercises import Fail, agrees, close, differentiable, exercise, shape_is
from course_lib.rl import objectives
from course_lib.rl.cartpole import fallen, step_states

# ---------------------------------------------------------------------------------------------------------------- 01.1

hand = exercise(
    "01.1", title="Balance the pole by hand", function="balance", points=1, kind="implement",
    difficulty=1, importance=2, minutes=10, reference="checks:balance",
    hints=("Balance a broom on your palm: which way does the hand move when the broom leans to the right?",
           "Pushing towards the lean alone is too late: the pole is still moving when it stands upright. How fast it turns "
           "tells where it will be in a moment.",
           "angle + seconds * angular_velocity is about where the pole will be in so many seconds: push to the side where that is. "
           "Try a few tenths of a second."))

LONG_ENOUGH = 400       # steps, mean of ten episodes of at most 500


def balance(obs: list[float]) -> int:
    """Push (0 left, 1 right) towards where the pole will be in 0.3 seconds. obs: x, velocity, angle, angular velocity."""
    x, velocity, angle, angular_velocity = obs
    return 1 if angle + 0.3 * angular_velocity > 0 else 0


def _push(fn, obs):
    got = fn(obs)
    try:
        push = float(got)
    except (TypeError, ValueError):
        push = None
    if push not in (0.0, 1.0):
        raise Fail(f"balance({obs})", "0 (push left) or 1 (push right)", repr(got)[:60],
                   "CartPole has two actions, and their names are 0 and 1.")
    return int(push)


@hand.case("a pole that leans right and falls further: push right")
def _(fn):
    for side, push in ((1, 1), (-1, 0)):
        obs = [0.0, 0.0, 0.1 * side, 0.5 * side]
        if (got := _push(fn, obs)) != push:
            raise Fail(f"balance({obs})", str(push), str(got), "The cart must drive under the falling pole: push towards the "
                       "side to which it leans, as one does with a broom on the palm.")


@hand.case("ten episodes last 400 steps on average", seconds=20)
def _(fn):
    lengths = []
    for seed in range(10):
        state, steps = np.random.default_rng(seed).uniform(-0.05, 0.05, (1, 4)), 0
        while steps < 500 and not fallen(state)[0]:
            action = _push(fn, [round(float(number), 6) for number in state[0]])
            state, steps = step_states(state, np.array([action])), steps + 1
        lengths.append(steps)
    mean = sum(lengths) / len(lengths)
    if mean >= LONG_ENOUGH:
        return
    if mean < 120:
        why = ("The pole swings to and fro, further each time: when it stands upright it is still turning. Let the angular "
               "velocity count too.")
    elif min(lengths) > 120:
        why = ("Nearly: the pole stays up for a while. The angle says where the pole is, the angular velocity where it goes. "
               "Add the two, and try how much the second should count.")
    else:
        why = "Some episodes end early. Watch one: does the pole fall, or does the cart leave its track?"
    raise Fail("balance, in ten episodes of at most 500 steps", f"a mean length of at least {LONG_ENOUGH} steps",
               f"a mean of {mean:.0f} (from {min(lengths)} to {max(lengths)})", why)


# ---------------------------------------------------------------------------------------------------------------- 01.2

returns = exercise(
    "01.2", title="The discounted return", function="discounted_returns", points=2, kind="implement",
    difficulty=1, importance=3, minutes=10, reference="course_lib.rl.objectives:discounted_returns",
    hints=("What is the return of the very last step? And of the step before it, if you know that one?",
           "G_t = r_t + gamma * G_{t+1}: walk through the rewards from the back.",
           "Keep the return of the next step in a variable, 0 at first. In `for t in reversed(range(len(rewards)))` the new return is "
           "rewards[t] plus gamma times that variable."))


@returns.case("rewards 4, 2, 1 with gamma = 0.5")
def _(fn):
    got = fn(torch.tensor([4.0, 2.0, 1.0]), 0.5)
    if isinstance(got, torch.Tensor) and got.ndim == 0:
        raise Fail("", "tensor of shape (3,)", "one number", "A return for every step is wanted, not only for the first.")
    shape_is(got, (3,))
    close(got, torch.tensor([5.25, 2.5, 1.0]), likely=[
        ([1.0, 2.5, 5.25], "The numbers are right and stand in reverse order: you walked back, as one should, and stored the last step's "
                           "return first. Turn the result round, or fill `returns[t]`."),
        ([4.0, 4.0, 3.0], "You counted from the front: this is what the agent *has got so far*. The return of a step is what is "
                          "still to come: count back from the last step."),
        ([4.0, 5.0, 5.25], "You counted from the front: this is what the agent *has got so far*. The return of a step is what is "
                           "still to come: count back from the last step."),
        ([5.25, 1.25, 0.25], "Each return must be seen from its own step: a reward that comes now counts in full. "
                             "You discounted everything to the start of the episode."),
        ([7.0, 3.0, 1.0], "gamma changed nothing: what comes one step later counts gamma times as much."),
        ([5.25, 5.25, 5.25], "A step gets what comes after it, not what came before: the last step's return is 1."),
        ([2.625, 1.25, 0.5], "The reward of the step itself is not discounted: r_t counts in full, gamma starts with the next."),
        ([1.25, 0.5, 0.0], "The reward of the step itself belongs to its return."),
        ([5.0, 2.5, 1.0], "Only the next reward counts in yours. G_t holds the whole return of the next step, not only its reward.")])


@returns.case("gamma = 1: plain sums of what is to come")
def _(fn):
    close(fn(torch.tensor([2.0, -1.0, 0.0, 4.0]), 1.0), torch.tensor([5.0, 3.0, 4.0, 4.0]), likely=[
        ([2.0, 1.0, 1.0, 5.0], "You counted from the front: the return of a step is what is still to come.")])


@returns.case("one reward at the end counts for all steps before it")
def _(fn):
    close(fn(torch.tensor([0.0, 0.0, 0.0, 8.0]), 0.5), torch.tensor([1.0, 2.0, 4.0, 8.0]), likely=[
        ([8.0, 4.0, 2.0, 1.0], "The result is turned round: the last entry belongs to the last step."),
        ([0.0, 0.0, 0.0, 8.0], "Only the last step got the reward: G_t = r_t + gamma * G_{t+1} reaches all the way back.")])


@returns.case("gamma = 0: only the reward of the step itself")
def _(fn):
    rewards = torch.tensor([3.0, 0.0, -2.0])
    close(fn(rewards, 0.0), rewards, otherwise="With gamma = 0 the future does not count: the rewards themselves come out.")


@returns.case("three hundred steps")
def _(fn):
    rewards = torch.sin(torch.arange(300.0))
    expected, next_return = [], 0.0
    for reward in reversed(rewards.tolist()):
        next_return = reward + 0.5 * next_return
        expected.insert(0, next_return)
    got, call = fn(rewards, 0.5), "discounted_returns([sin(0), …, sin(299)], 0.5)"
    lost = ("Right for short episodes, wrong for long ones: 0.5^200 is too small for a float, and dividing by such powers of "
            "gamma gives inf or nan. Walk back from the end instead.")
    if isinstance(got, torch.Tensor) and not bool(torch.isfinite(got).all()):
        raise Fail(call, "300 finite numbers", "inf or nan among them", lost)
    close(got, torch.tensor(expected), call=call, otherwise=lost)


@returns.case("any rewards, any gamma")
def _(fn):
    agrees(fn, objectives.discounted_returns,
           lambda rng: (rng.normal(rng.length(), scale=3), rng.one_of((0.0, 0.5, 0.9, 0.99, 1.0))))


# ---------------------------------------------------------------------------------------------------------------- 01.3

loss = exercise(
    "01.3", title="REINFORCE in one line", function="policy_gradient_loss", points=2, kind="implement",
    difficulty=2, importance=3, minutes=15, reference="course_lib.rl.objectives:policy_gradient_loss",
    hints=("We want actions with a high return to become likelier. An optimizer makes a loss *smaller*. Which sign?",
           "Multiply each step's log-probability by its return, and take the mean over all steps.",
           "The mean of logprobs * returns grows when good actions become likelier. A loss must become *smaller* then."))


@loss.case("two actions, one with a high return")
def _(fn):
    got = fn(torch.tensor([-1.0, -0.5]), torch.tensor([4.0, 1.0]))
    shape_is(got, (), mistake="One number for all steps is wanted: take the mean.")
    close(got, torch.tensor(2.25), likely=[
        (-2.25, "The sign is turned: an optimizer makes the loss *smaller*, so this makes actions with high returns rarer."),
        (4.5, "This is the sum. Take the mean, or a long episode takes larger gradient steps than a short one."),
        (-4.5, "Two mistakes: the sign, and a sum in place of a mean."),
        *((value, "You changed the returns first (subtracted their mean, perhaps also divided by their standard deviation). That is a good idea, "
                  "and lesson 02's; here each log-probability is multiplied by its return as it comes.") for value in (0.375, 0.1768, 0.25)),
        (1.875, "You averaged first and multiplied then. Each action is weighed by its *own* return."),
        (-1.0390, "These are probabilities. The gradient of the expected return needs their logarithm, which you were given."),
        (1.0390, "These are probabilities, and the sign is turned. The gradient needs their logarithm, which you were given.")])


@loss.case("the gradient makes each action likelier by its own return")
def _(fn):
    logprobs = torch.tensor([-0.7, -0.7, -2.3], requires_grad=True)
    got = fn(logprobs, torch.tensor([3.0, 0.0, -1.5]))
    if not (isinstance(got, torch.Tensor) and got.requires_grad):
        raise Fail("policy_gradient_loss(logprobs, returns).requires_grad", "True", "False",
                   "No gradient flows back to the policy: keep everything in tensors, without .item(), .detach() on the "
                   "log-probabilities, or numpy.")
    got.backward()
    close(logprobs.grad, torch.tensor([-1.0, 0.0, 0.5]), call="gradient for returns [3, 0, -1.5]", likely=[
        ([1.0, 0.0, -0.5], "The sign is turned: this makes actions with high returns rarer.")],
        otherwise="The gradient for a log-probability is minus its return, divided by the number of steps.")


@loss.case("a whole batch, steps by episodes")
def _(fn):
    logprobs = -torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    weights = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    got = fn(logprobs, weights)
    shape_is(got, (), mistake="One number for all steps of all episodes is wanted: take the mean over everything.")
    close(got, torch.tensor(9.1 / 6), likely=[
        (9.1 / 2, "You divided by the number of episodes: the mean over all steps is wanted."),
        (9.1 / 3, "You divided by the number of steps in time: the mean over all entries is wanted."),
        (9.1, "This is the sum. Take the mean.")])


def _steps(rng):
    shape = rng.shape(1, 2)
    return rng.logprobs(*shape), rng.normal(*shape, scale=3)


@loss.case("any batch, and its gradient")
def _(fn):
    agrees(fn, objectives.policy_gradient_loss, _steps)
    differentiable(fn, _steps, objectives.policy_gradient_loss, wrt=["logprobs"])


# ---------------------------------------------------------------------------------------------------------------- 01.4

patience = exercise(
    "01.4", title="How patient is gamma?", function="prediction", points=1, kind="predict",
    difficulty=2, importance=2, minutes=10, reference="checks:prediction",
    hints=("Write down the discounted return of each plan: a reward in k steps counts gamma^k.",
           "A returns 12 whatever gamma is, B 70 * gamma^20. C is a geometric sum: about 1 / (1 - gamma), as long as "
           "100 steps are far beyond that.",
           "0.9^20 is 0.12, 0.95^20 is 0.36, 0.99^20 is 0.82; and 0.99^100 is still 0.37."))

PLANS = {"A": "12 points at once", "B": "70 points after 20 steps", "C": "1 point in each of 100 steps"}


def prediction() -> dict[float, str]:
    """The best plan for each gamma."""
    return {0.5: "A", 0.9: "A", 0.95: "B", 0.99: "C"}


def plan_return(plan: str, gamma: float) -> float:
    """The discounted return of a plan of exercise 01.4 at its start."""
    return {"A": 12.0, "B": 70 * gamma**20, "C": sum(gamma**t for t in range(100))}[plan]


def _plan(fn, gamma):
    got = fn()
    if not isinstance(got, dict) or gamma not in got:
        raise Fail("prediction()", "a dict with the keys 0.5, 0.9, 0.95 and 0.99", repr(got)[:80], f"The key {gamma} is missing.")
    plan = str(got[gamma]).strip().upper()
    if plan not in PLANS:
        raise Fail(f"prediction()[{gamma}]", "'A', 'B' or 'C'", repr(got[gamma])[:80], "Name one of the three plans by its letter.")
    return plan


@patience.case("gamma = 0.5: nothing is far-sighted")
def _(fn):
    if (got := _plan(fn, 0.5)) != "A":
        raise Fail("prediction()[0.5]", "another plan", repr(got), "After ten steps a point counts a thousandth. What is "
                   f"the return of plan {got}, against 12 at once?")


@patience.case("gamma = 0.9: ten steps ahead")
def _(fn):
    if (got := _plan(fn, 0.9)) != "A":
        raise Fail("prediction()[0.9]", "another plan", repr(got), "0.9^20 is 0.12, and 1 + 0.9 + 0.9² + … never passes 10. "
                   "Both stay below 12.")


@patience.case("gamma = 0.95: twenty steps ahead")
def _(fn):
    if (got := _plan(fn, 0.95)) != "B":
        raise Fail("prediction()[0.95]", "another plan", repr(got), "0.95^20 is 0.36: how much do 70 points count? And "
                   "1 + 0.95 + 0.95² + … stays just below 20.")


@patience.case("gamma = 0.99: a hundred steps ahead")
def _(fn):
    if (got := _plan(fn, 0.99)) != "C":
        raise Fail("prediction()[0.99]", "another plan", repr(got), "Now later rewards count: 1 + 0.99 + 0.99² + … over a hundred "
                   "steps comes to 63. How much do 70 points after 20 steps count?")


# ---------------------------------------------------------------------------------------------------------------- 01.5

slips = exercise(
    "01.5", title="What will it do?", function="lander_prediction", points=1, kind="predict",
    difficulty=2, importance=3, minutes=10, reference="checks:lander_prediction",
    hints=("Forget what the authors wanted. For each reward, ask only: what would give the highest return?",
           "\"every step\": the score is below 0 until the lander stands still on its pad. How can the episode be short? "
           "\"only progress\": is there a way to make the same progress more than once?",
           "A crash gives -100, once; a hundred steps in the air give minus thousands. And if speeding up is not penalized, "
           "braking can be rewarded again."))

DEEDS = {"a": "land gently, as before", "b": "crash as soon as it can", "c": "stay up, speed up and brake, rock to and fro",
         "d": "hang quietly in one place"}


def lander_prediction() -> dict[str, str]:
    """What an agent learns from each changed reward, as a letter."""
    return {"every step": "b", "only progress": "c"}


def _deed(fn, key):
    got = fn()
    if not isinstance(got, dict) or key not in got:
        raise Fail("lander_prediction()", "a dict with the keys 'every step' and 'only progress'", repr(got)[:80],
                   f"The key {key!r} is missing.")
    deed = str(got[key]).strip().lower()
    if deed not in DEEDS:
        raise Fail(f"lander_prediction()[{key!r}]", "one of 'a', 'b', 'c', 'd'", repr(got[key])[:80],
                   "Answer with one of the four letters.")
    return deed


@slips.case("the score itself at every step")
def _(fn):
    deed = _deed(fn, "every step")
    if deed != "b":
        raise Fail("lander_prediction()['every step']", "another letter", repr(deed), {
            "a": "A gentle landing takes some 300 steps, and nearly each of them costs. What does a crash cost, and how often?",
            "c": "Every step in the air costs, whatever it does there. Is there a quick way out?",
            "d": "Hanging in the air costs its distance from the pad at every step, up to a thousand times. Is there a quick way out?",
        }[deed])


@slips.case("progress is rewarded, its opposite is not penalized")
def _(fn):
    deed = _deed(fn, "only progress")
    if deed != "c":
        raise Fail("lander_prediction()['only progress']", "another letter", repr(deed), {
            "a": "Landing is rewarded once. Getting worse is not penalized now: what can be rewarded again and again?",
            "b": "A crash still gives -100, and ends all rewards. What can be rewarded again and again?",
            "d": "Hanging quietly is no progress. Getting worse is not penalized now: what can come after that?",
        }[deed])


# ---------------------------------------------------------------------------------------------------------------- 01.6

bug = exercise(
    "01.6", title="Find the silent bug: falling is rewarded most", function="returns_of_a_stream", points=2, kind="bug",
    difficulty=2, importance=2, minutes=10, reference="course_lib.rl.objectives:discounted_returns",
    hints=("Take two short episodes, gamma = 1, and write the right returns down by hand. Which entries differ?",
           "The step that ends an episode is the last whose reward counts, and nothing comes after it. The loop goes "
           "backwards: when it *reaches* that step, which episode does it come from?",
           "nonterminal[k] belongs where the future is *added* to the reward of step k, not where the return is handed on."))


def _stream(fn, rewards, gamma, dones):
    got = fn(torch.tensor(rewards), gamma, torch.tensor(dones))
    shape_is(got, (len(rewards),))
    return got


@bug.case("two episodes, gamma = 1: 2 1, then 3 2 1")
def _(fn):
    close(_stream(fn, [1.0] * 5, 1.0, [False, True, False, False, True]), torch.tensor([2.0, 1.0, 3.0, 2.0, 1.0]), likely=[
        ([1.0, 3.0, 2.0, 1.0, 1.0], "The border is one step off. The step that ends an episode gets the return of the *next* "
                                    "episode, so falling looks like the best action of all."),
        ([5.0, 4.0, 3.0, 2.0, 1.0], "The episodes run into each other: after an end the sum must start afresh."),
        ([1.0, 0.0, 2.0, 1.0, 0.0], "The reward of the last step is lost: the end cuts off what comes *after* that step."),
        ([1.0, 2.0, 1.0, 2.0, 3.0], "You counted from the front: the return of a step is what is still to come.")])


@bug.case("one episode only")
def _(fn):
    close(_stream(fn, [1.0, 2.0, 4.0], 0.5, [False, False, True]), torch.tensor([3.0, 4.0, 4.0]), likely=[
        ([2.0, 2.0, 4.0], "The last step's reward never reaches the steps before it: the future is forgotten one step too late."),
        ([7.0, 6.0, 4.0], "gamma changed nothing.")])


@bug.case("a stream that is cut before the second episode ends")
def _(fn):
    close(_stream(fn, [1.0, 1.0, 1.0, 1.0], 0.5, [False, True, False, False]), torch.tensor([1.5, 1.0, 1.5, 1.0]), likely=[
        ([1.0, 1.75, 1.5, 1.0], "The border is one step off: the step that ends an episode collects the next episode too."),
        ([1.875, 1.75, 1.5, 1.0], "The episodes run into each other: after an end the sum must start afresh.")])


def _late(rewards, gamma, dones):
    """The given code: the episode is cut one step too late."""
    found, future = torch.zeros(len(rewards)), 0.0
    for k in range(len(rewards) - 1, -1, -1):
        found[k] = rewards[k] + gamma * future
        future = 0.0 if dones[k] else found[k]
    return found


@bug.case("any stream, with any number of ends")
def _(fn):
    def draw(rng):
        steps = rng.length()
        return rng.normal(steps, scale=2), rng.one_of((0.0, 0.5, 0.9, 1.0)), rng.ends(steps)

    agrees(fn, lambda rewards, gamma, dones: objectives.discounted_returns(rewards, gamma, dones), draw, likely=[
        (_late, "The border is one step off: the step that ends an episode collects the next episode too."),
        (lambda rewards, gamma, dones: objectives.discounted_returns(rewards, gamma),
         "The episodes run into each other: after an end the sum must start afresh.")])
