# %% [markdown]
# # Lesson 05 exercises: a backflip from preferences
#
# **Goals.** Continuous actions: their log-densities, and what squashing does to them. Units: steps and seconds. Clips that lie inside
# episodes. A written reward with a silent bug. What ten runs can prove.
#
# **Time.** {{time}}
# **Builds on** lessons 02 and 04; do each
# exercise when the [lesson](../notebooks/05_backflip.ipynb) sends you here.

# %%
import math

import torch

from course_lib import check, hint

# %% [markdown]
# {{exercise 05.1}}
#
# CartPole has two discrete actions, and its policy outputs their probabilities. The hopper's motors take any torque from
# -1 to 1, at three joints. Its policy is a **Gaussian**: for each action $a_i$ a mean $\mu_i$, which depends on the observation, and a
# standard deviation $\sigma_i$. PPO needs the logarithm of the density of the sampled action. One number has the log-density
#
# $$\log \mathcal{N}(a_i \mid \mu_i, \sigma_i) = -\tfrac{1}{2}\Big(\frac{a_i - \mu_i}{\sigma_i}\Big)^2 - \log \sigma_i - \tfrac{1}{2}\log 2\pi$$
#
# and the three are sampled independently. What is the log-density of the whole action?

# %% tags=["exercise:05.1"]
def gaussian_log_prob(actions, mean, log_std):
    """Log-density of each action, (...), in nats.

    actions, mean: (..., D), one number for each of D motors. log_std: (D,) log of the standard deviations.
    """
    # BEGIN SOLUTION
    z = (actions - mean) / log_std.exp()                                        # (..., D)
    return -(0.5 * z**2 + log_std + 0.5 * math.log(2 * math.pi)).sum(dim=-1)    # (...)
    # END SOLUTION

# %% tags=["check:05.1"]
check("05.1", gaussian_log_prob)

# %% [markdown] tags=["solution-only"]
# **Why a sum?** Independent samples: the densities multiply, so their logs add. A density is not a probability: with a small $\sigma$ it can be
# far above 1, and its log positive. PPO only uses the *difference* of two log-densities of the same action, the log of their ratio.
#
# The policy's `log_std` does not depend on the state: it is one learned number a motor.

# %% [markdown]
# {{exercise 05.2}}
#
# A Gaussian does not stop at 1, but a motor does. Our environment clips the action, and the policy does not know. The
# other way, used by SAC (Haarnoja et al. 2018), is **squashing**: sample $u$ from the Gaussian and act with $a = \tanh(u)$. Then the density
# has to be corrected by the derivative of tanh (the change of variables formula):
#
# $$\log p(a) = \log \mathcal{N}(u \mid \mu, \sigma) - \sum_i \log\big(1 - \tanh^2(u_i)\big)$$
#
# At $u = 10$ the difference $1 - \tanh^2(u)$ is 0 in 32-bit numbers, and its log is minus infinity. The identity
# $\log(1 - \tanh^2 u) = 2\,(\log 2 - u - \mathrm{softplus}(-2u))$ is numerically stable. Use it.

# %% tags=["exercise:05.2"]
def squashed_log_prob(u, mean, log_std):
    """Log-density of the action tanh(u), (...), in nats.

    u, mean: (..., D); u was drawn from the Gaussian, before squashing. log_std: (D,).
    """
    # BEGIN SOLUTION
    z = (u - mean) / log_std.exp()                                                          # (..., D)
    gaussian = -(0.5 * z**2 + log_std + 0.5 * math.log(2 * math.pi))                        # (..., D)
    correction = 2 * (math.log(2) - u - torch.nn.functional.softplus(-2 * u))               # (..., D)
    return (gaussian - correction).sum(dim=-1)                                              # (...)
    # END SOLUTION

# %% tags=["check:05.2"]
check("05.2", squashed_log_prob)

# %% [markdown] tags=["solution-only"]
# **The sign.** Near 1, tanh squeezes a long piece of the $u$-axis into a short piece of actions, so the density of the *action* is higher
# there: $1 - \tanh^2$ is small, its log negative, and subtracting it adds.
#
# Why does the lesson clip, then? It is simpler, and for PPO's ratio it makes no difference: new and old densities are taken at the same $u$, and
# the correction cancels. It does not cancel in SAC's entropy.

# %% [markdown]
# {{exercise 05.3}}
#
# The hopper acts 50 times a second: **frame skip**, five steps of physics between two actions. Suppose you let it act `new_dt` instead of
# `old_dt` seconds apart, and want the same task in *seconds*: an episode as long, and a reward just as far away discounted just as much.
# How many steps has an episode now, and what is the discount factor of a step?

# %% tags=["exercise:05.3"]
def change_time_step(gamma, steps, old_dt, new_dt):
    """(discount factor of a step, steps in an episode) that mean the same in seconds with the new time step.

    gamma: discount factor of a step of old_dt seconds. steps: of an episode; round to a whole number.
    """
    # BEGIN SOLUTION
    return gamma ** (new_dt / old_dt), round(steps * old_dt / new_dt)
    # END SOLUTION

# %% tags=["check:05.3"]
check("05.3", change_time_step)

# %% [markdown] tags=["solution-only"]
# **Say it in seconds.** The horizon of $\gamma = 0.99$ is $1/(1-\gamma) = 100$ steps: at 50 steps a second two seconds, long enough for a
# jump, a turn and a landing. At 500 steps a second it would be a fifth of a second. "Gamma is 0.99" says nothing without the time step.

# %% [markdown]
# {{exercise 05.4}}
#
# A rollout is 256 steps long, and episodes end inside it: the next step belongs to a hopper that stands again. A clip across such an end
# shows a hopper that lies on its back and stands upright in the next frame. To a labeler that can look like half a flip. So clips are cut
# inside episodes.

# %% tags=["exercise:05.4"]
def clip_starts(ended, length):
    """First steps of all clips, a list of whole numbers, in order.

    ended: (T,) numpy array of bool, True where an episode ended with this step (the step still belongs to it).
    Clips of `length` steps lie end to end from the first step of each episode on; what is left at its end is left out.
    The last episode is still running when the rollout is over: it is cut up in the same way.
    """
    # BEGIN SOLUTION
    starts, first = [], 0
    for t in range(len(ended)):
        if ended[t] or t == len(ended) - 1:
            starts += range(first, t + 2 - length, length)
            first = t + 1
    return starts
    # END SOLUTION

# %% tags=["check:05.4"]
check("05.4", clip_starts)

# %% [markdown] tags=["solution-only"]
# **Why `t + 2 - length`?** A clip that starts at $s$ ends with step $s + \text{length} - 1$, which may be $t$ at the latest: so
# $s \le t + 1 - \text{length}$, and `range` leaves its end out.

# %% [markdown]
# {{exercise 05.5}}
#
# Before you label anything you try to *write* the reward: how far the torso turns backwards in a step. The observation holds the sine
# and the cosine of the pitch; a positive pitch is a lean forwards. This function runs, and for a hopper that wobbles its numbers are right.
# But add them up over a whole turn, and the sum is **zero**: no flip is ever rewarded. Find the reason and fix it.

# %% tags=["exercise:05.5"]
def turned_backwards(sin_before, cos_before, sin_after, cos_after):
    """How far the torso turned backwards between two states 20 ms apart, radians, (...); forwards is negative.

    All four: (...) sine and cosine of the pitch. The torso turns by less than half a turn in 20 ms.
    """
    before, after = torch.atan2(sin_before, cos_before), torch.atan2(sin_after, cos_after)
    # BEGIN SOLUTION
    turned = before - after
    return torch.atan2(torch.sin(turned), torch.cos(turned))        # brought back to between -pi and pi
    # INSTEAD
    # return before - after
    # END SOLUTION

# %% [markdown]
# One whole turn backwards, in 40 steps:

# %%
pitch = torch.linspace(0, -2 * math.pi, 41)
sin, cos = torch.sin(pitch), torch.cos(pitch)
steps = turned_backwards(sin[:-1], cos[:-1], sin[1:], cos[1:])
print(f"largest step {steps.max():.2f}, smallest {steps.min():.2f}, sum {steps.sum():.2f} radians")

# %% tags=["check:05.5"]
check("05.5", turned_backwards)

# %% [markdown] tags=["solution-only"]
# **The bug.** `atan2` gives angles from $-\pi$ to $\pi$. When the torso passes the point upside down, the angle jumps by a whole turn, and
# this one step takes back what all the others gave. Wrapping the *difference* to between $-\pi$ and $\pi$ fixes it.
#
# **A lesson about rewards.** Under the wrong version the best that an agent can do is to lean back and stop just before it is upside down. It
# looks like a failure of PPO, and is one of the reward.

# %% [markdown]
# {{exercise 05.6}}
#
# Ten runs, eight of them good. Does the method work in 80% of runs? Ten runs cannot say so precisely. **Wilson's interval** (1927) is a usual
# confidence interval for a share: with $n$ runs, $k$ good ones, $\hat p = k/n$ and $z = 1.96$ for 95%,
#
# $$\frac{\hat p + \frac{z^2}{2n} \pm z\sqrt{\frac{\hat p(1-\hat p)}{n} + \frac{z^2}{4n^2}}}{1 + \frac{z^2}{n}}$$

# %% tags=["exercise:05.6"]
def wilson_interval(good, runs, z=1.96):
    """(lower, upper) end of the interval for the true share of good runs, two numbers between 0 and 1."""
    # BEGIN SOLUTION
    share = good / runs
    middle = share + z**2 / (2 * runs)
    half = z * math.sqrt(share * (1 - share) / runs + z**2 / (4 * runs**2))
    return (middle - half) / (1 + z**2 / runs), (middle + half) / (1 + z**2 / runs)
    # END SOLUTION

# %% tags=["check:05.6"]
check("05.6", wilson_interval)

# %% [markdown] tags=["solution-only"]
# **Eight of ten** is anything from 49% to 94%. And ten of ten is *not* certainty: 72% to 100%. The simpler interval
# $\hat p \pm z\sqrt{\hat p(1-\hat p)/n}$ would say "exactly 100%" there, which is why nobody should use it for few runs.

# %% [markdown]
# ## What you learned
#
# Log-densities of Gaussian actions add up over motors; squashing changes the density, clipping does not tell the policy. Say it in seconds.
# Clips lie inside episodes. Angles wrap round, and a reward that ignores this is silently wrong. Few runs prove little, and how little can be
# computed.
#
# **What failed here, on purpose:** a reward for turning that gave nothing for a turn.
#
# **Further reading.** T. Haarnoja et al. (2018), *Soft actor-critic algorithms and applications*, appendix C, on squashing. E. B. Wilson (1927),
# *Probable inference, the law of succession, and statistical inference*. R. Agarwal et al. (2021), *Deep reinforcement learning at the edge of the
# statistical precipice*, on few runs. Back to the [lesson](../notebooks/05_backflip.ipynb).
