"""What the answers to lesson 05's exercises must do."""

import math

import numpy as np
import torch
from scipy.stats import binomtest
from torch import Tensor

from course_lib.exercises import Fail, agrees, close, differentiable, exercise, shape_is
from course_lib.rl.networks import DiagonalGaussian

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)

# ---------------------------------------------------------------------------------------------------------------- 05.1

gaussian = exercise(
    "05.1", title="The log-density of an action", function="gaussian_log_prob", points=2, kind="implement",
    difficulty=1, importance=3, minutes=10, reference="checks:gaussian_log_prob",
    hints=("Write the formula for one motor first. What do independent draws do to densities, and so to their logs?",
           "z = (actions - mean) / log_std.exp() has the shape (..., D). Each motor adds -(z**2 / 2 + log_std + log(2 pi) / 2).",
           "All three parts belong to each motor, the constant log(2 pi) / 2 too. Which dimension holds the motors?"))


def gaussian_log_prob(actions: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Log-density of each action, (...). actions, mean: (..., D); log_std: (D,)."""
    return DiagonalGaussian(mean, log_std).log_prob(actions)


@gaussian.case("one motor, at its mean and one standard deviation away")
def _(fn):
    mean, log_std = torch.zeros(2, 1), torch.tensor([math.log(2.0)])
    got = fn(torch.tensor([[0.0], [2.0]]), mean, log_std)
    shape_is(got, (2,), mistake="One number for each action is wanted: add up over the motors, the last dimension.")
    at_mean = -math.log(2) - HALF_LOG_2PI
    close(got, torch.tensor([at_mean, at_mean - 0.5]), likely=[
        ([-math.log(2), -math.log(2) - 0.5], "log(2 pi) / 2 is missing."),
        ([-HALF_LOG_2PI, -HALF_LOG_2PI - 0.5], "log_std is missing: a wide bell is lower."),
        ([math.log(2) - HALF_LOG_2PI, math.log(2) - HALF_LOG_2PI - 0.5], "The sign of log_std: a wide bell is lower, so it is "
         "subtracted."),
        *(([-width - HALF_LOG_2PI, -0.5 * (2 / math.log(2))**2 - width - HALF_LOG_2PI],
           "log_std is the *log* of the standard deviation: divide by log_std.exp().") for width in (math.log(2), math.log(math.log(2)))),
        ([at_mean, at_mean - 2.0], "Divide by the standard deviation, log_std.exp(), before you square."),
        ([at_mean, at_mean - 1.0], "The square is halved in a Gaussian's exponent."),
        ([math.exp(at_mean), math.exp(at_mean - 0.5)], "This is the density; its logarithm is wanted.")])


@gaussian.case("three motors with different deviations, two rows of actions")
def _(fn):
    actions = torch.tensor([[0.5, -1.0, 0.2], [1.5, 0.3, -0.7]])
    mean = torch.tensor([[0.0, -0.5, 0.4], [1.0, 0.0, 0.1]])
    log_std = torch.tensor([0.0, -1.0, 0.5])
    right = gaussian_log_prob(actions, mean, log_std)
    z = (actions - mean) / log_std.exp()
    each = -(0.5 * z**2 + log_std + HALF_LOG_2PI)
    got = fn(actions, mean, log_std)
    shape_is(got, (2,), mistake="One number for each action is wanted: add up over the motors, the last dimension.")
    close(got, right, likely=[
        (each.mean(-1), "This is the mean over the motors. They are independent: the densities multiply, so the logs add."),
        (-(0.5 * z**2 + log_std).sum(-1) - HALF_LOG_2PI, "log(2 pi) / 2 belongs to each of the three motors: add it before you sum."),
        (-(0.5 * ((actions - mean) / log_std)**2 + log_std + HALF_LOG_2PI).sum(-1), "log_std is the *log* of the standard deviation: "
         "divide by log_std.exp()."),
        (-(0.5 * z**2 + log_std.exp() + HALF_LOG_2PI).sum(-1), "log sigma is subtracted, which is log_std itself.")])


@gaussian.case("any number of dimensions before the motors")
def _(fn):
    generator = torch.Generator().manual_seed(0)
    actions, mean = torch.randn(4, 3, 2, generator=generator), torch.randn(4, 3, 2, generator=generator)
    log_std = torch.tensor([-0.3, 0.2])
    got = fn(actions, mean, log_std)
    shape_is(got, (4, 3), mistake="Add up over the last dimension only, dim=-1: what stands before it are steps and environments.")
    close(got, gaussian_log_prob(actions, mean, log_std), otherwise="Add up over the last dimension only, dim=-1.")


def _motors(rng, far=()):
    shape, motors = rng.shape(1, 2), rng.length()
    actions = rng.normal(*shape, motors, scale=2)
    if far:
        actions = torch.where(rng.flags(*shape, motors, p=0.3), rng.among(far, *shape, motors), actions)
    return actions, rng.normal(*shape, motors), rng.uniform(-1.5, 1.0, motors)


@gaussian.case("any actions of any number of motors, and the gradient")
def _(fn):
    agrees(fn, gaussian_log_prob, _motors)
    differentiable(fn, _motors, gaussian_log_prob, wrt=["mean", "log_std"])


@gaussian.case("the gradient reaches the mean and log_std: PPO trains through it")
def _(fn):
    mean, log_std = torch.zeros(2, 3, requires_grad=True), torch.zeros(3, requires_grad=True)
    got = fn(torch.ones(2, 3), mean, log_std)
    if not (torch.is_tensor(got) and got.requires_grad):
        raise Fail("gaussian_log_prob(actions, mean, log_std)", "a tensor that gradients flow through", repr(got)[:60],
                   "Compute with torch, without .detach(), .item() or numpy: else PPO would train nothing.")
    by_mean, by_std = torch.autograd.grad(got.sum(), (mean, log_std), allow_unused=True)
    if by_mean is None or by_std is None:
        raise Fail("the gradient", "one for the mean and one for log_std", "none",
                   "Both must be used without .detach(): the policy learns its mean and its standard deviation.")
    close(by_mean, torch.ones(2, 3), call="the gradient by the mean", otherwise="By the mean it is (action - mean) / sigma².")
    close(by_std, torch.zeros(3), call="the gradient by log_std", atol=1e-5, otherwise="By log_std it is z² - 1, added up over the rows.")


# ---------------------------------------------------------------------------------------------------------------- 05.2

squashed = exercise(
    "05.2", title="Squashed actions", function="squashed_log_prob", points=2, kind="implement",
    difficulty=2, importance=1, minutes=15, reference="checks:squashed_log_prob",
    hints=("Take the Gaussian's log-density of u, motor by motor. What has to be subtracted from each?",
           "log(1 - tanh(u)**2) = 2 * (log 2 - u - softplus(-2 * u)), for each motor.",
           "Write the correction with torch.nn.functional.softplus, one number for each motor; take your 05.1 before its sum; subtract, "
           "then add up."))


def squashed_log_prob(u: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Log-density of tanh(u), (...). u, mean: (..., D); log_std: (D,)."""
    correction = 2 * (math.log(2) - u - torch.nn.functional.softplus(-2 * u))
    return gaussian_log_prob(u, mean, log_std) - correction.sum(dim=-1)


@squashed.case("one motor: at 0 nothing is squeezed, at 1 a little")
def _(fn):
    u = torch.tensor([[0.0], [1.0]])
    got = fn(u, torch.zeros(2, 1), torch.zeros(1))
    shape_is(got, (2,), mistake="One number for each action is wanted: add up over the motors, the last dimension.")
    squeeze = math.log(1 - math.tanh(1.0)**2)
    plain = torch.tensor([-HALF_LOG_2PI, -HALF_LOG_2PI - 0.5])
    close(got, plain - torch.tensor([0.0, squeeze]), likely=[
        (plain, "This is the Gaussian alone: the correction for squashing is missing."),
        (plain + torch.tensor([0.0, squeeze]), "The sign: tanh squeezes the axis there, so the density of the action is *higher*. "
         "Subtract the log of 1 - tanh²."),
        (plain - torch.tensor([math.log(2), squeeze / 2 + 0.5 * math.log(2)]), "The factor 2 stands before the whole bracket."),
        (plain - torch.tensor([math.log(1.0), math.log(1 - math.tanh(1.0))]), "1 - tanh², with the square.")])


@squashed.case("three motors, two rows")
def _(fn):
    generator = torch.Generator().manual_seed(1)
    u, mean = torch.randn(2, 3, generator=generator), torch.randn(2, 3, generator=generator)
    log_std = torch.tensor([0.3, -0.5, 0.0])
    got = fn(u, mean, log_std)
    shape_is(got, (2,), mistake="One number for each action is wanted: add up over the motors, the last dimension.")
    right = squashed_log_prob(u, mean, log_std)
    close(got, right, rtol=1e-4, likely=[
        (gaussian_log_prob(u, mean, log_std), "This is the Gaussian alone: the correction for squashing is missing."),
        (2 * gaussian_log_prob(u, mean, log_std) - right, "The sign: subtract the log of 1 - tanh², do not add it."),
        (right / 3, "This is the mean over the motors; their logs add.")])


@squashed.case("far out, where 1 - tanh² is 0 in 32-bit numbers")
def _(fn):
    u = torch.tensor([[20.0], [-20.0]])
    got = fn(u, u.clone(), torch.zeros(1))
    close(got, -HALF_LOG_2PI - 2 * (math.log(2) - torch.tensor([20.0, 20.0])), rtol=1e-4, likely=[
        ([float("inf"), float("inf")], "log(0): use 2 * (log 2 - u - softplus(-2u)), which stays finite."),
        ([-HALF_LOG_2PI - math.log(1e-6)] * 2, "A small number inside the log hides the infinity and is wrong by 24 nats here. Use "
         "2 * (log 2 - u - softplus(-2u)).")],
          otherwise="Here 1 - tanh(u)² is 0 in 32-bit numbers. Use 2 * (log 2 - u - softplus(-2u)), also for negative u.")


@squashed.case("any actions of any number of motors, near and far, and the gradient")
def _(fn):
    agrees(fn, squashed_log_prob, lambda rng: _motors(rng, far=(20.0, -20.0, 10.0, -10.0)))
    differentiable(fn, _motors, squashed_log_prob, wrt=["mean", "log_std"])


# ---------------------------------------------------------------------------------------------------------------- 05.3

units = exercise(
    "05.3", title="From steps to seconds", function="change_time_step", points=1, kind="implement",
    difficulty=2, importance=2, minutes=10, reference="checks:change_time_step",
    hints=("How long is an episode in seconds? How much is a reward one second ahead discounted now?",
           "One second holds 1 / old_dt steps, and is discounted by gamma ** (1 / old_dt). The new factor must give the same.",
           "A new step holds new_dt / old_dt old ones: gamma is multiplied by itself so often. The episode keeps its seconds, "
           "steps * old_dt."))


def change_time_step(gamma: float, steps: int, old_dt: float, new_dt: float) -> tuple[float, int]:
    """(discount factor, steps of an episode) that mean the same in seconds with the new time step."""
    return gamma ** (new_dt / old_dt), round(steps * old_dt / new_dt)


def _two(fn, *arguments):
    got = fn(*arguments)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Fail("change_time_step(...)", "two numbers: gamma, steps", repr(got)[:60], "Return both: return gamma, steps.")
    return float(got[0]), float(got[1])


@units.case("twice as long between two actions")
def _(fn):
    gamma, steps = _two(fn, 0.99, 150, 0.02, 0.04)
    close(steps, 75.0, call="the steps of an episode of 3 s, 0.04 s each", likely=[
        (300.0, "Longer steps: fewer of them fit into the same time."), (150.0, "An episode of 150 steps of 0.04 s lasts 6 s.")])
    close(gamma, 0.99**2, call="gamma, 0.99 at 0.02 s, for 0.04 s", rtol=1e-6, atol=1e-6, likely=[
        (0.99**0.5, "Turned round: a longer step discounts *more*."), (0.99, "With the same gamma a reward one second ahead would be "
        "discounted half as often, and count more."), (0.98, "1 - 2 * (1 - gamma) is only nearly right: a discount multiplies, so it "
        "is a power."), (1.98, "A discount factor is at most 1: it is a power, not a product.")])


@units.case("ten times as often, and another gamma")
def _(fn):
    gamma, steps = _two(fn, 0.9, 40, 0.05, 0.005)
    close(steps, 400.0, call="the steps of an episode of 2 s, 0.005 s each", otherwise="2 s hold 2 / 0.005 steps.")
    close(gamma, 0.9**0.1, call="gamma, 0.9 at 0.05 s, for 0.005 s", rtol=1e-6, likely=[
        (0.99, "1 - (1 - gamma) / 10 is only nearly right: a discount multiplies, so it is a power.")])


@units.case("a reward one second ahead counts the same, and steps are whole")
def _(fn):
    for gamma, steps, old, new in ((0.995, 100, 0.03, 0.02), (0.5, 7, 0.1, 0.3), (0.5, 8, 0.1, 0.3)):
        got, count = _two(fn, gamma, steps, old, new)
        close(got ** (1 / new), gamma ** (1 / old), call=f"gamma ** (1 / {new}), what is left of a reward after one second",
              rtol=1e-6, otherwise="A second holds 1 / dt steps, and each multiplies by gamma.")
        close(count, float(round(steps * old / new)), call=f"{steps} steps of {old} s in steps of {new} s",
              otherwise="Round to the nearest whole number with round(...); int(...) cuts off what stands behind the point.")


@units.case("any gamma, episode and time steps")
def _(fn):
    def draw(rng):
        while True:
            gamma, steps, old, new = rng.number(0.3, 1.0), rng.whole(1, 400), rng.number(0.01, 0.3), rng.number(0.01, 0.3)
            if abs(steps * old / new % 1 - 0.5) > 0.01:             # not on the border of two whole numbers
                return gamma, steps, old, new

    agrees(fn, change_time_step, draw, names=("gamma", "steps"))


# ---------------------------------------------------------------------------------------------------------------- 05.4

starts = exercise(
    "05.4", title="Clips that show one piece of life", function="clip_starts", points=2, kind="implement",
    difficulty=2, importance=3, minutes=10, reference="course_lib.hopper.task:clip_starts",
    hints=("Go through the steps and remember where the running episode began. What happens at a step with ended[t]?",
           "An episode from `first` to `t` has room for clips at first, first + length, ... as long as the clip's last step is not "
           "after t.",
           "An episode is over at each t where ended[t] or the rollout is over. The last clip in it starts at t + 1 - length at the latest, "
           "and the next episode begins at t + 1."))


def _ends(steps, *where):
    ended = np.zeros(steps, dtype=bool)
    ended[list(where)] = True
    return ended


def _starts(fn, ended, length, wanted, likely=(), otherwise=""):
    got = fn(ended.copy(), length)
    try:
        got = [int(start) for start in got]
    except TypeError:
        raise Fail(f"clip_starts(ended, {length})", str(wanted), repr(got)[:60], "A list of whole numbers is wanted.") from None
    if got != wanted:
        for mistake, message in likely:
            if got == mistake:
                raise Fail(f"clip_starts(ended, {length}) of {len(ended)} steps, ends after {np.flatnonzero(ended).tolist()}",
                           str(wanted), str(got), message)
        raise Fail(f"clip_starts(ended, {length}) of {len(ended)} steps, ends after {np.flatnonzero(ended).tolist()}", str(wanted),
                   str(got), otherwise or "Compare the two lists: which clip would cross an end, begin late, or is missing?")


@starts.case("no episode ends: clips end to end")
def _(fn):
    _starts(fn, _ends(10), 3, [0, 3, 6], likely=[
        ([0, 3, 6, 9], "A clip from step 9 would need steps 9, 10 and 11: there is no room for it."),
        (list(range(8)), "Clips lie end to end: the next one begins where this one ends."),
        ([0, 3], "There is room for one more: the last clip may end with the very last step."),
        ([], "The last episode is still running when the rollout is over: cut it up too.")])


@starts.case("an episode ends in the middle: the next clip begins with the next episode")
def _(fn):
    _starts(fn, _ends(10, 4), 3, [0, 5], likely=[
        ([0, 3, 6], "The clip from step 3 shows the end of one episode and the beginning of the next: a jump."),
        ([0, 6], "The episode ended with step 4, so the next one begins with step 5."),
        ([0, 4, 7], "Step 4 still belongs to the episode that ended with it. The next one begins with step 5."),
        ([0], "The last episode, from step 5 on, is still running when the rollout is over: cut it up too.")])


@starts.case("a clip may end with the very last step of an episode")
def _(fn):
    _starts(fn, _ends(9, 5), 3, [0, 3, 6], likely=[
        ([0, 6], "The clip from step 3 ends with step 5, the last one of its episode: it is whole."),
        ([0, 3], "The clip from step 6 ends with step 8, the last one of the rollout: it is whole."),
        ([0], "The clips from steps 3 and 6 end with the last steps of their episodes: check one of them by hand: it is whole.")])


@starts.case("episodes shorter than a clip, an end at the last step, and a rollout too short")
def _(fn):
    _starts(fn, _ends(12, 0, 1, 3, 11), 4, [4, 8])
    _starts(fn, _ends(4, 3), 4, [0])
    _starts(fn, _ends(3), 4, [])
    _starts(fn, _ends(5, 0, 1, 2, 3, 4), 1, [0, 1, 2, 3, 4])


@starts.case("random rollouts")
def _(fn):
    from course_lib.hopper.task import clip_starts

    def draw(rng):
        steps = rng.length() * rng.whole(1, 4)
        return rng.flags(steps, p=rng.one_of((0.0, 0.1, 0.3))).numpy(), rng.whole(1, 5)

    agrees(fn, clip_starts, draw, read=lambda got: [int(start) for start in got],
           otherwise="Compare the two lists: which clip would cross an end, begin late, or is missing?")


# ---------------------------------------------------------------------------------------------------------------- 05.5

turned = exercise(
    "05.5", title="Find the silent bug: the turn that counts nothing", function="turned_backwards", points=2, kind="bug",
    difficulty=2, importance=3, minutes=10, reference="checks:turned_backwards",
    hints=("Print the 40 steps of the whole turn. One of them is not like the others.",
           "atan2 gives angles between -pi and pi. What happens to `after` when the torso passes the point upside down?",
           "Bring the difference back to between -pi and pi. atan2 of a sine and a cosine always gives an angle in that range."))


def turned_backwards(sin_before: Tensor, cos_before: Tensor, sin_after: Tensor, cos_after: Tensor) -> Tensor:
    """How far the torso turned backwards between two states, radians, (...). All four (...)."""
    turned = torch.atan2(sin_before, cos_before) - torch.atan2(sin_after, cos_after)
    return torch.atan2(torch.sin(turned), torch.cos(turned))


def _turn(fn, before, after):
    before, after = torch.as_tensor(before, dtype=torch.float32), torch.as_tensor(after, dtype=torch.float32)
    return fn(torch.sin(before), torch.cos(before), torch.sin(after), torch.cos(after))


@turned.case("a small wobble", given=True)
def _(fn):
    got = _turn(fn, [0.0, 0.3, -0.1], [-0.1, 0.5, -0.1])
    shape_is(got, (3,))
    close(got, torch.tensor([0.1, -0.2, 0.0]), atol=1e-5, likely=[
        ([-0.1, 0.2, 0.0], "The sign: a positive pitch leans forwards, so turning backwards makes the pitch smaller and counts above 0."),
        ([0.1, 2 * math.pi - 0.2, 0.0], "A small turn forwards became nearly a whole turn backwards: your difference lies between 0 and 2 pi. "
         "Bring it to between -pi and pi."),
        ([0.1, 0.2, 0.0], "Turning forwards must count below 0, or rocking to and fro would be rewarded like a flip.")])


@turned.case("past the point upside down, backwards and forwards")
def _(fn):
    close(_turn(fn, [-3.1, 3.1], [3.1, -3.1]), torch.tensor([2 * math.pi - 6.2, 6.2 - 2 * math.pi]), atol=1e-4, likely=[
        ([-6.2, 6.2], "Here the torso turned by 0.08 radians, past the point upside down; the angle from atan2 jumped by a whole turn. "
                      "Bring the difference back to between -pi and pi."),
        ([6.2, 6.2], "The size of the jump: bring the difference back to between -pi and pi instead."),
        ([0.0, 0.0], "Leaving the jump out loses this step; its true size is 0.08 radians.")])


@turned.case("a whole turn backwards adds up to 2 pi, and two turns forwards to -4 pi")
def _(fn):
    for turns, steps in ((1, 40), (-2, 90)):
        pitch = torch.linspace(0.2, 0.2 - 2 * math.pi * turns, steps + 1)
        total = float(_turn(fn, pitch[:-1], pitch[1:]).sum())
        close(total, 2 * math.pi * turns, call=f"the sum over {turns} turn(s) backwards in {steps} steps, radians", atol=1e-3, likely=[
            (0.0, "Still zero: one step takes back what all the others gave."),
            (-2 * math.pi * turns, "The sign is turned round: backwards counts above 0, forwards below.")],
              otherwise="Turning backwards counts above 0 and forwards below 0, and a whole turn adds up to 2 pi.")


@turned.case("fast: a third of a turn in one step")
def _(fn):
    close(_turn(fn, [2.5, -2.5], [2.5 - 2.0, -2.5 - 2.0]), torch.tensor([2.0, 2.0]), atol=1e-4,
          otherwise="Differences between -pi and pi are right as they are, however large; only those outside are brought back.")


@turned.case("any turn of less than half a turn")
def _(fn):
    def draw(rng):
        count = rng.length()
        before = rng.uniform(-3.1, 3.1, count)
        after = before - rng.uniform(-3.0, 3.0, count)
        return torch.sin(before), torch.cos(before), torch.sin(after), torch.cos(after)

    agrees(fn, turned_backwards, draw, atol=1e-4, likely=[
        (lambda a, b, c, d: torch.atan2(a, b) - torch.atan2(c, d), "Past the point upside down the angle from atan2 jumps by a whole turn. Bring "
                                                                   "the difference back to between -pi and pi.")])


# ---------------------------------------------------------------------------------------------------------------- 05.6

wilson = exercise(
    "05.6", title="How sure do ten runs make you?", function="wilson_interval", points=2, kind="implement",
    difficulty=1, importance=2, minutes=10, reference="checks:wilson_interval",
    hints=("Compute the share, then the two parts before and after the ±, then divide both by 1 + z²/n.",
           "middle = share + z**2 / (2 * runs); half = z * sqrt(share * (1 - share) / runs + z**2 / (4 * runs**2)).",
           "The two ends are middle - half and middle + half, and one division is still missing in both."))


def wilson_interval(good: int, runs: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval for a share of `good` among `runs`."""
    share, n = good / runs, runs
    middle, half = share + z**2 / (2 * n), z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)


def _interval(fn, *arguments):
    got = fn(*arguments)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Fail("wilson_interval(...)", "two numbers: lower, upper", repr(got)[:60], "Return both ends: return lower, upper.")
    return [float(end) for end in got]


@wilson.case("eight good runs of ten")
def _(fn):
    share, z, n = 0.8, 1.96, 10
    half = z * math.sqrt(share * (1 - share) / n)
    full = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    close(_interval(fn, 8, 10), list(wilson_interval(8, 10)), atol=1e-5, likely=[
        ([share - half, share + half], "This is the simple interval around the share: it promises too much for few runs. Wilson's has "
                                       "z²/2n, z²/4n² and the division by 1 + z²/n."),
        ([share + z**2 / (2 * n) - full, share + z**2 / (2 * n) + full], "Both ends are divided by 1 + z²/n."),
        ([share - full, share + full], "Two parts are missing: z²/2n is added to the share, and both ends are divided by 1 + z²/n."),
        ([share + z**2 / (2 * n) - full / (1 + z**2 / n), share + z**2 / (2 * n) + full / (1 + z**2 / n)], "Only the part after the ± was "
         "divided by 1 + z²/n. The whole numerator is: put the sum in parentheses."),
        (list(wilson_interval(8, 10))[::-1], "The lower end first.")])


@wilson.case("none good, all good")
def _(fn):
    close(_interval(fn, 10, 10), list(wilson_interval(10, 10)), atol=1e-5, likely=[
        ([1.0, 1.0], "Ten of ten are no certainty: the lower end is 0.72.")])
    close(_interval(fn, 0, 4), list(wilson_interval(0, 4)), atol=1e-5, likely=[
        ([0.0, 0.0], "None of four is no certainty: the upper end is 0.49.")],
        otherwise="With a share of 0 the lower end is 0 and the upper one z²/n over 1 + z²/n.")


@wilson.case("as scipy has it, for other runs and another z")
def _(fn):
    for good, runs in ((3, 7), (1, 1), (55, 100), (19, 20)):
        for z, confidence in ((1.959963984540054, 0.95), (1.6448536269514722, 0.90)):
            interval = binomtest(good, runs).proportion_ci(confidence, method="wilson")
            close(_interval(fn, good, runs, z), [interval.low, interval.high], atol=1e-6,
                  otherwise="z is an argument: 1.96 is only its default.")


@wilson.case("any runs, any z")
def _(fn):
    def draw(rng):
        runs = rng.whole(1, 10 * rng.size)
        return rng.whole(0, runs), runs, rng.one_of((1.0, 1.64, 1.96, 2.58))

    agrees(fn, wilson_interval, draw, names=("the lower end", "the upper end"), atol=1e-6)
