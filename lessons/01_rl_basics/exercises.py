# %% [markdown]
# # Lesson 01 exercises: what is a reward?
#
# **Goals.** Balance a pole with one line; write the return and the loss of REINFORCE, which then train the lesson's agents; see what
# gamma does; predict what an agent learns from a changed reward; find a bug that rewards falling.
#
# **Time.** {{time}}
# **Builds on** lesson 01; do each exercise
# when the [lesson](../notebooks/01_rl_basics.ipynb) sends you here.
#
# Each `check` shows what was called, what was expected and what it got. `hint("01.1")` asks for a hint. When a check passes, your
# function is saved, and the lesson trains its agents with it.

# %%
import torch

from course_lib import check, hint

# %% [markdown]
# {{exercise 01.1}}
#
# A pole stands on a cart. Fifty times a second you see four numbers and push the cart to the left or to the right. Keep the pole
# from falling for 400 steps on average. There is no learning here: *you* are the one who learns.
#
# All four numbers grow to the right: `angle` is positive when the pole leans right, `angular_velocity` when it turns to the right.

# %% tags=["exercise:01.1"]
def balance(obs):
    """0 pushes the cart left, 1 right. obs: four numbers, in m, m/s, rad and rad/s."""
    x, velocity, angle, angular_velocity = obs
    # BEGIN SOLUTION
    soon = angle + 0.3 * angular_velocity      # about where the pole will be in 0.3 seconds
    return 1 if soon > 0 else 0
    # END SOLUTION

# %% tags=["check:01.1"]
check("01.1", balance)

# %% [markdown] tags=["solution-only"]
# **Why it works.** Pushing towards the lean alone swings the pole further each time, because at the moment it stands upright it is
# still turning. `angle + 0.3 * angular_velocity` looks a little ahead. Many other mixtures work as well. For CartPole a
# person is faster than an algorithm; for most other tasks nobody can write this line.

# %% [markdown]
# {{exercise 01.2}}
#
# The **return** of a step is the discounted sum of all rewards from that step on; a reward $k$ steps later counts $\gamma^k$:
#
# $$G_t = r_t + \gamma\, r_{t+1} + \gamma^2 r_{t+2} + \dots = r_t + \gamma\, G_{t+1}$$
#
# Give the return of every step of one episode. The episode is over after the last reward.

# %% tags=["exercise:01.2"]
def discounted_returns(rewards, gamma):
    """The return of each step, (T,). rewards: (T,), one episode; gamma: from 0 to 1."""
    # BEGIN SOLUTION
    returns, next_return = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        returns[t] = rewards[t] + gamma * next_return
        next_return = returns[t]
    return returns
    # END SOLUTION

# %% tags=["check:01.2"]
check("01.2", discounted_returns)

# %% [markdown] tags=["solution-only"]
# **Why it works.** The second form of the formula is the recipe: each return needs only the next one, so one pass from the end
# suffices. Dividing cumulative sums by powers of gamma looks clever and breaks on long episodes, where those powers vanish.

# %% [markdown]
# {{exercise 01.3}}
#
# The policy gave each sampled action a probability; `logprobs` holds the log-probabilities. Each action was followed by a return.
# Write the loss whose gradient makes every action likelier in proportion to its return:
#
# $$L = -\frac{1}{N} \sum_t \log \pi(a_t \mid s_t)\; G_t,$$
#
# where $N$ counts all entries. The returns are plain numbers here; the gradient flows through `logprobs`.

# %% tags=["exercise:01.3"]
def policy_gradient_loss(logprobs, returns):
    """REINFORCE's loss, a scalar tensor. logprobs, returns: of one shape, one entry a step."""
    # BEGIN SOLUTION
    return -(logprobs * returns).mean()
    # END SOLUTION

# %% tags=["check:01.3"]
check("01.3", policy_gradient_loss)

# %% [markdown] tags=["solution-only"]
# **Why it works.** The optimizer does gradient descent; the minus turns it into ascent. Rewards are plain numbers, so no gradient
# can flow into the returns. From lesson 02 on a network's value estimate takes part in them. Then `returns.detach()` is needed:
# a gradient into the estimate would make the network lower it instead of improving the policy.

# %% [markdown]
# {{exercise 01.4}}
#
# Three plans, and an agent that takes the one with the highest return:
#
# - `"A"`: 12 points at once, then nothing
# - `"B"`: nothing for 20 steps, then 70 points
# - `"C"`: 1 point in each of 100 steps, the first at once
#
# Which does it take with gamma 0.5, 0.9, 0.95 and 0.99? Estimate in your head or on paper; decide before you run anything.

# %% tags=["exercise:01.4"]
def prediction():
    """The best plan, "A", "B" or "C", for each gamma."""
    # BEGIN SOLUTION
    return {0.5: "A", 0.9: "A", 0.95: "B", 0.99: "C"}
    # INSTEAD
    # return {0.5: ..., 0.9: ..., 0.95: ..., 0.99: ...}
    # END SOLUTION

# %% tags=["check:01.4"]
check("01.4", prediction)

# %% [markdown]
# Now run it and compare.

# %%
for gamma in (0.5, 0.9, 0.95, 0.99, 1.0):
    plans = {"A": 12.0, "B": 70 * gamma**20, "C": sum(gamma**t for t in range(100))}
    best = max(plans, key=plans.get)
    returns = {name: round(value, 1) for name, value in plans.items()}
    print(f"gamma {gamma:4.2f}: {returns} -> {best}")

# %% [markdown]
# Gamma is not a detail of the algorithm. It says what the agent *wants*: with 0.9 it takes the 12 points, with 0.99 a point in each of
# a hundred steps. A rule of thumb: rewards count for about $1 / (1 - \gamma)$ steps ahead, the **effective horizon**.

# %% [markdown]
# {{exercise 01.5}}
#
# LunarLander's authors score a situation: the nearer to the pad, the slower and the more upright, the better. The score is below
# zero until the lander stands quietly on its pad. Each step is rewarded with the **change** of this score, so that approaching gains
# what going away loses. A crash gives -100, a landing 100, and either ends the episode; else it is truncated after 1,000 steps.
#
# Now change one line, and train an agent until it is good at *that* reward. What does it do?
#
# - `"every step"`: reward each step with the **score itself**, in place of its change
# - `"only progress"`: reward getting nearer, slower, more upright; getting farther, faster or more tilted is **not penalized**
#
# Your choices: `"a"` land gently, as before; `"b"` crash as soon as it can; `"c"` stay up, speed up and brake, rock to and fro; `"d"`
# hang quietly in one place. The lesson shows the agents.

# %% tags=["exercise:01.5"]
def lander_prediction():
    """What an agent learns from each changed reward, as a letter."""
    # BEGIN SOLUTION
    return {"every step": "b", "only progress": "c"}
    # INSTEAD
    # return {"every step": ..., "only progress": ...}
    # END SOLUTION

# %% tags=["check:01.5"]
check("01.5", lander_prediction)

# %% [markdown] tags=["solution-only"]
# **Why.** When every step gives a negative reward, a high return needs a short episode: a crash gives -100 once. When only progress is
# rewarded, speeding up is not penalized, so the same braking is rewarded again and again; a landing would end that. Both agents
# learned their reward well. It is the reward that does not say what we want.

# %% [markdown]
# {{exercise 01.6}}
#
# Environments that restart themselves give one long stream of rewards in which several episodes follow each other; `dones[t]` is
# true where an episode ended with step `t`. This function is meant to give the return of each step. It runs, its shapes are right,
# and its numbers are wrong around every end. Find the bug and fix it.

# %% tags=["exercise:01.6"]
def returns_of_a_stream(rewards, gamma, dones):
    """The return of each step of a stream of episodes. rewards: (T,); dones: (T,) bool."""
    nonterminal = 1.0 - dones.float()                  # 0 where an episode ended
    returns, future = torch.zeros(len(rewards)), 0.0
    for k in range(len(rewards) - 1, -1, -1):       # walk back
        # BEGIN SOLUTION
        future = rewards[k] + gamma * nonterminal[k] * future
        returns[k] = future
        # INSTEAD
        # returns[k] = rewards[k] + gamma * future
        # future = nonterminal[k] * returns[k]           # start afresh at the end of an episode
        # END SOLUTION
    return returns

# %% [markdown]
# Two episodes on CartPole, where each step is rewarded with 1: one of three steps and one of six. Write the right returns down before you run
# this. Which step looks best, and what happened in that step?

# %%
dones = torch.tensor([False, False, True, False, False, False, False, False, True])
print(returns_of_a_stream(torch.ones(9), 1.0, dones).tolist())

# %% tags=["check:01.6"]
check("01.6", returns_of_a_stream)

# %% [markdown] tags=["solution-only"]
# **The bug.** Going backwards, we *enter* an episode at its last step. The broken lines forgot the future only after the return of that
# step was computed, so the step in which the pole fell got the return of the whole next episode, and looked like the best action of
# all. The step before it got nothing but its own reward. No error, no nan: only an agent that is rewarded for falling.

# %% [markdown]
# ## What you learned
#
# A policy can be one line; a return looks forward and is computed backward; REINFORCE is one line too; gamma says what the agent
# wants; an agent does what is rewarded.
#
# **What failed here, on purpose:** returns that leak from one episode into the one before, and two rewards that read well and
# are not what we want.
#
# **Further reading.** R. S. Sutton and A. G. Barto (2018), *Reinforcement Learning: An Introduction*, chapters 3 and 13.
# Back to the [lesson](../notebooks/01_rl_basics.ipynb).
