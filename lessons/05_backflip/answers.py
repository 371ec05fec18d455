"""Right answers in other words, and plausible wrong ones with the message each must get."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from course_lib.authoring.answers import DETACHED, excused, right, wrong

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)

# ---------------------------------------------------------------------------------------------------------------- 05.1


@right("05.1")
def by_torch(actions, mean, log_std):
    return torch.distributions.Normal(mean, log_std.exp()).log_prob(actions).sum(-1)


@right("05.1")
def motor_by_motor(actions, mean, log_std):
    total = 0.0
    for d in range(actions.shape[-1]):
        variance = torch.exp(2 * log_std[d])
        total = total - (actions[..., d] - mean[..., d])**2 / (2 * variance) - 0.5 * torch.log(2 * math.pi * variance)
    return total


@wrong("05.1", says="log(2 pi) / 2 is missing")
def without_the_constant(actions, mean, log_std):
    z = (actions - mean) / log_std.exp()
    return -(0.5 * z**2 + log_std).sum(-1)


@wrong("05.1", says="log_std is missing")
def without_the_width(actions, mean, log_std):
    z = (actions - mean) / log_std.exp()
    return -(0.5 * z**2 + HALF_LOG_2PI).sum(-1)


@wrong("05.1", says="The sign of log_std")
def wide_is_high(actions, mean, log_std):
    z = (actions - mean) / log_std.exp()
    return -(0.5 * z**2 - log_std + HALF_LOG_2PI).sum(-1)


@wrong("05.1", says="before you square")
def undivided(actions, mean, log_std):
    return -(0.5 * (actions - mean)**2 + log_std + HALF_LOG_2PI).sum(-1)


@wrong("05.1", says="divide by log_std.exp()")
def log_std_taken_for_std(actions, mean, log_std):
    return (-0.5 * ((actions - mean) / log_std)**2 - log_std.log() - 0.5 * math.log(2 * math.pi)).sum(-1)


@wrong("05.1", says="divide by log_std.exp()")
def divided_by_log_std(actions, mean, log_std):
    return (-0.5 * ((actions - mean) / log_std)**2 - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)


@wrong("05.1", says="The square is halved")
def not_halved(actions, mean, log_std):
    z = (actions - mean) / log_std.exp()
    return -(z**2 + log_std + HALF_LOG_2PI).sum(-1)


@wrong("05.1", says="This is the density")
def the_density(actions, mean, log_std):
    z = (actions - mean) / log_std.exp()
    return torch.exp(-(0.5 * z**2 + log_std + HALF_LOG_2PI)).prod(-1)


@wrong("05.1", says="the mean over the motors")
def mean_over_motors(actions, mean, log_std):
    z = (actions - mean) / log_std.exp()
    return -(0.5 * z**2 + log_std + HALF_LOG_2PI).mean(-1)


@wrong("05.1", says="each of the three motors")
def one_constant_for_all(actions, mean, log_std):
    z = (actions - mean) / log_std.exp()
    return -(0.5 * z**2 + log_std).sum(-1) - HALF_LOG_2PI


@wrong("05.1", says="One number for each action")
def a_number_a_motor(actions, mean, log_std):
    z = (actions - mean) / log_std.exp()
    return -(0.5 * z**2 + log_std + HALF_LOG_2PI)


@wrong("05.1", says="One number for each action")
def the_sum_of_everything(actions, mean, log_std):
    z = (actions - mean) / log_std.exp()
    return -(0.5 * z**2 + log_std + HALF_LOG_2PI).sum()


@wrong("05.1", says="dim=-1")
def the_second_dimension(actions, mean, log_std):
    z = (actions - mean) / log_std.exp()
    return -(0.5 * z**2 + log_std + HALF_LOG_2PI).sum(1)


@wrong("05.1", says="No gradient reaches `mean`")
def cut_off_from_the_mean(actions, mean, log_std):
    z = (actions - mean.detach()) / log_std.exp()
    return -(0.5 * z**2 + log_std + HALF_LOG_2PI).sum(-1)


@wrong("05.1", says="and change nothing")
def in_numpy(actions, mean, log_std):
    a, m, s = (tensor.detach().numpy() for tensor in (actions, mean, log_std))
    z = (a - m) / np.exp(s)
    return torch.from_numpy(-(0.5 * z**2 + s + HALF_LOG_2PI).sum(-1))


# ---------------------------------------------------------------------------------------------------------------- 05.2


@right("05.2")
def by_torchs_transform(u, mean, log_std):
    gaussian = torch.distributions.Normal(mean, log_std.exp()).log_prob(u)
    return (gaussian - torch.distributions.transforms.TanhTransform().log_abs_det_jacobian(u, None)).sum(-1)


@right("05.2")
def with_logaddexp(u, mean, log_std):
    z = (u - mean) * torch.exp(-log_std)
    log_cosh = torch.logaddexp(u, -u) - math.log(2)
    return (-0.5 * z**2 - log_std - HALF_LOG_2PI + 2 * log_cosh).sum(-1)


def _gaussian(u, mean, log_std):
    return -(0.5 * ((u - mean) / log_std.exp())**2 + log_std + HALF_LOG_2PI)


@wrong("05.2", says="the correction for squashing is missing")
def gaussian_alone(u, mean, log_std):
    return _gaussian(u, mean, log_std).sum(-1)


@wrong("05.2", says="The sign")
def correction_added(u, mean, log_std):
    return (_gaussian(u, mean, log_std) + 2 * (math.log(2) - u - F.softplus(-2 * u))).sum(-1)


@wrong("05.2", says="log(0)")
def naive(u, mean, log_std):
    return (_gaussian(u, mean, log_std) - torch.log(1 - torch.tanh(u)**2)).sum(-1)


@wrong("05.2", says="hides the infinity")
def with_a_small_number(u, mean, log_std):
    return (_gaussian(u, mean, log_std) - torch.log(1 - torch.tanh(u)**2 + 1e-6)).sum(-1)


@wrong("05.2", says="with the square")
def no_square(u, mean, log_std):
    return (_gaussian(u, mean, log_std) - torch.log(1 - torch.tanh(u))).sum(-1)


@wrong("05.2", says="One number for each action")
def not_summed(u, mean, log_std):
    return _gaussian(u, mean, log_std) - 2 * (math.log(2) - u - F.softplus(-2 * u))


@wrong("05.2", says="mean over the motors")
def averaged(u, mean, log_std):
    return (_gaussian(u, mean, log_std) - 2 * (math.log(2) - u - F.softplus(-2 * u))).mean(-1)


# ---------------------------------------------------------------------------------------------------------------- 05.3


@right("05.3")
def through_one_second(gamma, steps, old_dt, new_dt):
    a_second = gamma ** (1 / old_dt)
    return a_second ** new_dt, int(round(steps * old_dt / new_dt))


@right("05.3")
def with_logs(gamma, steps, old_dt, new_dt):
    seconds = steps * old_dt
    return math.exp(math.log(gamma) / old_dt * new_dt), round(seconds / new_dt)


@wrong("05.3", says="discounts *more*")
def power_turned_round(gamma, steps, old_dt, new_dt):
    return gamma ** (old_dt / new_dt), round(steps * old_dt / new_dt)


@wrong("05.3", says="fewer of them")
def steps_turned_round(gamma, steps, old_dt, new_dt):
    return gamma ** (new_dt / old_dt), round(steps * new_dt / old_dt)


@wrong("05.3", says="discounted half as often")
def same_gamma(gamma, steps, old_dt, new_dt):
    return gamma, round(steps * old_dt / new_dt)


@wrong("05.3", says="lasts 6 s")
def same_steps(gamma, steps, old_dt, new_dt):
    return gamma ** (new_dt / old_dt), steps


@wrong("05.3", says="only nearly right")
def linear(gamma, steps, old_dt, new_dt):
    return 1 - (1 - gamma) * new_dt / old_dt, round(steps * old_dt / new_dt)


@wrong("05.3", says="a power, not a product")
def product(gamma, steps, old_dt, new_dt):
    return gamma * new_dt / old_dt, round(steps * old_dt / new_dt)


@wrong("05.3", says="cuts off")
def whole_number_by_int(gamma, steps, old_dt, new_dt):
    return gamma ** (new_dt / old_dt), int(steps * old_dt / new_dt + 1e-9)


@wrong("05.3", says="nearest whole number")
def cut_off(gamma, steps, old_dt, new_dt):
    return gamma ** (new_dt / old_dt), steps * old_dt / new_dt


# ---------------------------------------------------------------------------------------------------------------- 05.4


@right("05.4")
def episode_by_episode(ended, length):
    starts, borders = [], [-1, *np.flatnonzero(ended).tolist()]
    if borders[-1] != len(ended) - 1:
        borders.append(len(ended) - 1)
    for before, end in zip(borders, borders[1:]):
        whole = (end - before) // length
        starts += [before + 1 + k * length for k in range(whole)]
    return starts


@right("05.4")
def step_by_step(ended, length):
    starts, run = [], 0
    for t, over in enumerate(ended):
        run += 1
        if run == length:
            starts.append(t - length + 1)
            run = 0
        if over:
            run = 0
    return starts


@wrong("05.4", says="shows the end of one episode")
def across_ends(ended, length):
    return list(range(0, len(ended) - length + 1, length))


@wrong("05.4", says="still running")
def forgets_the_last_episode(ended, length):
    starts, first = [], 0
    for t in np.flatnonzero(ended).tolist():
        starts += range(first, t + 2 - length, length)
        first = t + 1
    return starts


@wrong("05.4", says="one more")
def one_clip_too_few(ended, length):
    starts, first = [], 0
    for t in range(len(ended)):
        if ended[t] or t == len(ended) - 1:
            starts += range(first, t - length, length)
            first = t + 1
    return starts


@wrong("05.4", says="it is whole")
def the_last_step_unused(ended, length):
    starts, first = [], 0
    for t in range(len(ended)):
        if ended[t] or t == len(ended) - 1:
            starts += range(first, t + 1 - length, length)
            first = t + 1
    return starts


@wrong("05.4", says="Step 4 still belongs")
def next_one_begins_too_early(ended, length):
    starts, first = [], 0
    for t in range(len(ended)):
        if ended[t] or t == len(ended) - 1:
            last = t - 1 if ended[t] and t != len(ended) - 1 else t
            starts += range(first, last + 2 - length, length)
            first = t
    return starts


@wrong("05.4", says="end to end")
def overlapping(ended, length):
    return [s for s in range(len(ended) - length + 1) if not ended[s:s + length - 1].any()]


@wrong("05.4", says="no room")
def clips_that_are_too_short(ended, length):
    starts, first = [], 0
    for t in range(len(ended)):
        if ended[t] or t == len(ended) - 1:
            starts += range(first, t + 1, length)
            first = t + 1
    return starts


@wrong("05.4", says="begins with step 5")
def only_whole_clips_of_the_rollout(ended, length):
    return [s for s in range(0, len(ended) - length + 1, length) if not ended[s:s + length - 1].any()]


# ---------------------------------------------------------------------------------------------------------------- 05.5


@right("05.5")
def by_the_sine_of_the_difference(sin_before, cos_before, sin_after, cos_after):
    return torch.atan2(sin_before * cos_after - cos_before * sin_after, cos_before * cos_after + sin_before * sin_after)


@right("05.5")
def by_the_remainder(sin_before, cos_before, sin_after, cos_after):
    turned = torch.atan2(sin_before, cos_before) - torch.atan2(sin_after, cos_after)
    return torch.remainder(turned + math.pi, 2 * math.pi) - math.pi


@wrong("05.5", says="jumped by a whole turn")
def as_it_was(sin_before, cos_before, sin_after, cos_after):
    return torch.atan2(sin_before, cos_before) - torch.atan2(sin_after, cos_after)


@wrong("05.5", says="The sign")
def forwards(sin_before, cos_before, sin_after, cos_after):
    turned = torch.atan2(sin_after, cos_after) - torch.atan2(sin_before, cos_before)
    return torch.atan2(torch.sin(turned), torch.cos(turned))


@wrong("05.5", says="Turning forwards must count below 0")
def the_size(sin_before, cos_before, sin_after, cos_after):
    turned = torch.atan2(sin_before, cos_before) - torch.atan2(sin_after, cos_after)
    return torch.atan2(torch.sin(turned), torch.cos(turned)).abs()


@wrong("05.5", says="nearly a whole turn backwards")
def between_nought_and_two_pi(sin_before, cos_before, sin_after, cos_after):
    return (torch.atan2(sin_before, cos_before) - torch.atan2(sin_after, cos_after)) % (2 * math.pi)


@wrong("05.5", says="loses this step")
def leaves_the_jump_out(sin_before, cos_before, sin_after, cos_after):
    turned = torch.atan2(sin_before, cos_before) - torch.atan2(sin_after, cos_after)
    return torch.where(turned.abs() > math.pi, 0.0, turned)


@wrong("05.5", says="right as they are")
def by_the_sine_alone(sin_before, cos_before, sin_after, cos_after):
    turned = torch.atan2(sin_before, cos_before) - torch.atan2(sin_after, cos_after)
    return torch.asin(torch.sin(turned))


# ---------------------------------------------------------------------------------------------------------------- 05.6


@right("05.6")
def by_scipy(good, runs, z=1.96):
    from scipy.stats import binomtest, norm

    found = binomtest(good, runs).proportion_ci(2 * norm.cdf(z) - 1, method="wilson")
    return found.low, found.high


@right("05.6")
def as_a_quadratic(good, runs, z=1.96):
    a, b, c = runs + z**2, -(2 * good + z**2), good**2 / runs
    root = math.sqrt(b**2 - 4 * a * c)
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


@wrong("05.6", says="the simple interval")
def the_simple_one(good, runs, z=1.96):
    share = good / runs
    half = z * math.sqrt(share * (1 - share) / runs)
    return share - half, share + half


@wrong("05.6", says="Both ends are divided")
def undivided_ends(good, runs, z=1.96):
    share = good / runs
    half = z * math.sqrt(share * (1 - share) / runs + z**2 / (4 * runs**2))
    return share + z**2 / (2 * runs) - half, share + z**2 / (2 * runs) + half


@wrong("05.6", says="put the sum in parentheses")
def divides_the_second_part_alone(good, runs, z=1.96):
    share = good / runs
    middle, half = share + z**2 / (2 * runs), z * math.sqrt(share * (1 - share) / runs + z**2 / (4 * runs**2))
    return middle - half / (1 + z**2 / runs), middle + half / (1 + z**2 / runs)


@wrong("05.6", says="Two parts are missing")
def only_the_root(good, runs, z=1.96):
    share = good / runs
    half = z * math.sqrt(share * (1 - share) / runs + z**2 / (4 * runs**2))
    return share - half, share + half


@wrong("05.6", says="The lower end first")
def upper_first(good, runs, z=1.96):
    share, n = good / runs, runs
    middle, half = share + z**2 / (2 * n), z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return (middle + half) / (1 + z**2 / n), (middle - half) / (1 + z**2 / n)


@wrong("05.6", says="only its default")
def z_fixed(good, runs, z=1.96):
    z, share, n = 1.96, good / runs, runs
    middle, half = share + z**2 / (2 * n), z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)


@wrong("05.6", says="Return both ends")
def only_the_lower_end(good, runs, z=1.96):
    share, n = good / runs, runs
    return (share + z**2 / (2 * n) - z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))) / (1 + z**2 / n)


# ------------------------------------------------------------------------------------------------------------- mutants

excused("05.5", DETACHED, because="a reward is a constant: nothing trains through it")
excused("05.1", "actions - mean → mean - actions", because="it is squared")
excused("05.2", "u - mean → mean - u", because="it is squared")
