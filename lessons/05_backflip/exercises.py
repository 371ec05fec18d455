# %% [markdown]
# # Lesson 05 exercises: a backflip from preferences
#
# **Goals.** Actions that are real numbers: their log-probabilities, and what squashing does to them. Units: steps and seconds. Clips that
# show what happened and nothing else. A written reward with a silent bug. How sure ten runs make you.
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
# CartPole's agent chose among two actions, and its policy was a list of probabilities. The hopper's motors take any torque from
# -1 to 1, at three joints. Its policy is a **Gaussian**: for each action $a_i$ a mean $\mu_i$, which depends on what the hopper sees, and a
# standard deviation $\sigma_i$. PPO needs the log of the density of the action that was drawn. One number has the log-density
#
# $$\log \mathcal{N}(a_i \mid \mu_i, \sigma_i) = -\tfrac{1}{2}\Big(\frac{a_i - \mu_i}{\sigma_i}\Big)^2 - \log \sigma_i - \tfrac{1}{2}\log 2\pi$$
#
# and the three are drawn independently. What does that make the log-density of the whole action?

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
# **Why a sum?** Independent draws: the densities multiply, so their logs add. A density is no probability: with a small $\sigma$ it is
# far above 1, and its log positive. PPO only uses the *difference* of two log-densities of the same action, the log of their ratio.
#
# The policy's `log_std` does not depend on the state: it is one learned number a motor. Beginners explore with $\sigma = 1$.

# %% [markdown]
# {{exercise 05.2}}
#
# A Gaussian does not stop at 1, but a motor does. Our environment simply cuts the action off (**clipping**); the policy never knows. The
# other way, used by SAC (Haarnoja et al. 2018), is **squashing**: draw $u$ from the Gaussian and act with $a = \tanh(u)$. Then the density
# has to be corrected for how much tanh squeezes the axis at that place:
#
# $$\log p(a) = \log \mathcal{N}(u \mid \mu, \sigma) - \sum_i \log\big(1 - \tanh^2(u_i)\big)$$
#
# At $u = 10$ the difference $1 - \tanh^2(u)$ is 0 in 32-bit numbers, and its log is minus infinity. The identity
# $\log(1 - \tanh^2 u) = 2\,(\log 2 - u - \mathrm{softplus}(-2u))$ has no such trouble. Use it.

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
# Why does the lesson clip, then? It is simpler, and with PPO it works: the ratio of new and old densities is taken at $u$ in both cases, and
# the correction cancels in it. It does not cancel in SAC's entropy.

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
# **The habit of saying it in seconds.** $\gamma = 0.99$ at 50 steps a second looks $1/(1-\gamma) = 100$ steps ahead, two seconds: long enough for a
# jump, a turn and a landing. At 500 steps a second the same 0.99 would end before the feet leave the ground. "Gamma is 0.99" says
# nothing without the time step.

# %% [markdown]
# {{exercise 05.4}}
#
# A rollout is 256 steps long, and episodes end inside it: the next step belongs to a hopper that stands again. A clip across such an end
# shows a hopper that lies on its back and *jumps up within one picture*. To a labeler that looks like half a flip, and to a reward model like
# a very good one. So clips are cut inside episodes.

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
#
# In the prototype of this lesson most clips crossed an end, and turns were counted that no hopper had made.

# %% [markdown]
# {{exercise 05.5}}
#
# Before you label anything you try to *write* the reward: how far the torso turns backwards in a step. The observation holds the sine
# and the cosine of the pitch; a positive pitch is a lean forwards. This function runs, and for a hopper that wobbles its numbers are right.
# But add them up over a whole turn, and the sum is **zero**: no flip ever counts. Find the reason and mend it.

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
# this one step takes back what all the others gave. Bringing the *difference* back to between $-\pi$ and $\pi$ cures it.
#
# **A lesson about rewards.** An agent trained on the faulty version would learn to lean back and stop just before it is upside down, and
# you would search the fault in PPO for a week.

# %% [markdown]
# {{exercise 05.6}}
#
# Ten runs, eight of them good. Is the method good in 80% of runs? Ten runs cannot say so precisely. **Wilson's interval** (1927) is the usual
# answer for a share: with $n$ runs, $k$ good ones, $\hat p = k/n$ and $z = 1.96$ for 95%,
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
# A clip must show one piece of life. Angles wrap round, and a reward that forgets it is silent. Few runs prove little, and how little can be
# computed.
#
# **What failed here, on purpose:** a reward for turning that gave nothing for a turn.
#
# **Further reading.** T. Haarnoja et al. (2018), *Soft actor-critic algorithms and applications*, appendix C, on squashing. E. B. Wilson (1927),
# *Probable inference, the law of succession, and statistical inference*. R. Agarwal et al. (2021), *Deep reinforcement learning at the edge of the
# statistical precipice*, on few runs. Back to the [lesson](../notebooks/05_backflip.ipynb).
