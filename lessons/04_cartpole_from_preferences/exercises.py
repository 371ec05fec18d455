# %% [markdown]
# # Lesson 04 exercises: CartPole from preferences
#
# **Goals.** Write the small parts that turn verdicts on clips into rewards for an agent; choose which pairs to ask about; see why the
# end of an episode needs care; find a bug that no error message will ever tell you about; teach a behaviour of your own.
#
# **Time.** {{time}}
# **Builds on** lessons 02 and 03; do
# each exercise when the [lesson](../notebooks/04_cartpole_from_preferences.ipynb) sends you here.

# %%
import torch

from course_lib import check, hint
from course_lib.rl.cartpole import ANGLE_LIMIT, X_LIMIT

# %% [markdown]
# {{exercise 04.1}}
#
# In lesson 03 a text had one score. A clip has many steps, and the reward model gives each of them a number. Christiano et al.
# (2017) take the *sum* for the worth of the clip: so the score of a step is a reward, the very thing that an agent can be paid.
#
# Clips of different lengths are padded to fit into one tensor. `mask` is 1 where a step counts and 0 where it is padding; what
# stands in the padding is rubbish, perhaps even `nan`. A `nan` in a step that *counts* is a fault of the reward model: it must
# stay visible, so do not replace it.

# %% tags=["exercise:04.1"]
def segment_return(rewards, mask=None):
    """Sum of the rewards along each clip.

    rewards: (..., steps). mask: the same shape, or None when all steps count. Returns (...).
    """
    # BEGIN SOLUTION
    if mask is None:
        return rewards.sum(dim=-1)
    return torch.where(mask > 0, rewards, 0.0).sum(dim=-1)
    # END SOLUTION

# %% tags=["check:04.1"]
check("04.1", segment_return)

# %% [markdown] tags=["solution-only"]
# **Why it works.** `torch.where` *chooses*; `rewards * mask` computes, and `0 * nan` is `nan`. A sum and not a mean: with the mean,
# a long good clip would be worth no more than a short one, and the score of a step would depend on the length of its clip.

# %% [markdown]
# {{exercise 04.2}}
#
# Comparisons fix no zero and no scale (lesson 03, section 3.4). An agent needs both: PPO's critic has to estimate sums of these
# rewards, and a reward model that was fitted once more may suddenly give scores ten times as large. So the scores are
# **standardized**: shifted and scaled to mean 0 and a fixed standard deviation.
#
# Mean 0 over *which* states? We take all states of the **labelled clips**. After each fit the reward model scores them once, and their
# mean and standard deviation hold until the next fit. (Christiano et al. 2017 take the states that the agent meets. Question for
# afterwards: what happens then, once the agent balances so well that all its states are nearly alike?)
#
# If all labelled scores are nearly the same, their deviation is rounding: divide by at least 0.001.

# %% tags=["exercise:04.2"]
def standardize_rewards(raw, labelled, std):
    """Rewards for the agent, the shape of `raw`.

    raw: scores of the states of one rollout, any shape. labelled: scores of all states of the labelled clips,
    any shape. std: the standard deviation that the rewards of the labelled clips should have.
    """
    # BEGIN SOLUTION
    deviation = max(labelled.std().item(), 0.001)
    return (raw - labelled.mean()) / deviation * std
    # END SOLUTION

# %% tags=["check:04.2"]
check("04.2", standardize_rewards)

# %% [markdown] tags=["solution-only"]
# **Why the labelled clips?** Standardized over its own rollout, an agent that improves would never notice: its best day would bring
# the same mean as its worst. A slow average over rollouts has a second fault. Once the agent balances, its states are nearly alike,
# their deviation shrinks, and dividing by it magnifies what is left, which is the noise of the reward model. The labelled clips contain
# falls and good balancing alike, so their scale keeps its meaning. On CartPole, with these clips and with ends handled as in section
# 4.8, every fresh seed of section 4.10's first panel reached the goal; an average over rollouts, with ends hidden, often missed it.

# %% [markdown]
# {{exercise 04.3}}
#
# A person's time is the dearest thing in this lesson. Which pairs are worth asking about? Christiano et al. (2017, section 2.2.4) keep
# several reward models and ask where they *disagree about the winner*. Each member gives a probability that the first clip is
# preferred (lesson 03); the disagreement about a pair is the *standard deviation of these probabilities* over the members. Given what
# each member thinks that the clips are worth, find the pairs with the most.

# %% tags=["exercise:04.3"]
def most_disputed(first, second, count):
    """Positions of the `count` most disputed pairs, the most disputed first, (count,).

    first, second: (members, pairs) what each member says that the two clips are worth.
    """
    # BEGIN SOLUTION
    p = torch.sigmoid(first - second)                       # (members, pairs)
    return p.std(dim=0).argsort(descending=True)[:count]    # (count,)
    # END SOLUTION

# %% tags=["check:04.3"]
check("04.3", most_disputed)

# %% [markdown] tags=["solution-only"]
# **Why probabilities?** One member says "better by 5", another "better by 15": a large difference in *worth* and none in the verdict,
# since both are sure. The sigmoid makes such pairs equal, and leaves those where one member says 0.8 and another 0.2. Does asking there
# help? Section 4.9 measures it.

# %% [markdown]
# {{exercise 04.4}}
#
# Suppose the reward model says the same of every state: each step brings the reward +1, or -1. Normally an episode of CartPole ends
# with the fall, and PPO adds nothing after it ("the end counts"). One can also hide the ends from its learning ("ends hidden"): the
# environment still starts anew after a fall, but advantages and values run on as if it were one endless episode.
#
# What does PPO learn in the four worlds? Answer each with `"balances longer"`, `"falls sooner"` or `"no reason to change"`.

# %% tags=["exercise:04.4"]
def prediction():
    """What the agent does after training, compared with before."""
    # BEGIN SOLUTION
    return {
        "+1 a step, the end counts": "balances longer",
        "-1 a step, the end counts": "falls sooner",
        "+1 a step, ends hidden": "no reason to change",
        "-1 a step, ends hidden": "no reason to change",
    }
    # INSTEAD
    # return {
    #     "+1 a step, the end counts": ...,
    #     "-1 a step, the end counts": ...,
    #     "+1 a step, ends hidden": ...,
    #     "-1 a step, ends hidden": ...,
    # }
    # END SOLUTION

# %% tags=["check:04.4"]
check("04.4", prediction)

# %% [markdown]
# Section 4.8 of the lesson runs all four. Go and see whether PPO agrees with you, and what is wrong with hidden ends.
#
# {{exercise 04.5}}
#
# An agent should be paid for what its action *led to*. This function finds those states in a rollout, and PPO is then paid
# `reward_model(states_led_to(...))`. It runs, shapes fit, its author even thought of the ends of episodes, and the agent learns a little.
# Then it stops: it does not seem to mind falling. One line is wrong. Find it and mend it.

# %% tags=["exercise:04.5"]
def states_led_to(obs, last_obs, final_obs, ended):
    """The state that each action led to, (T, N, D).

    obs: (T, N, D) what the agent saw before each step. last_obs: (N, D) what it sees next.
    ended: (T, N) True where an episode ended with the step; the environment starts anew at once.
    final_obs: (E, D) the true last states of those episodes, in the order of the steps.
    """
    following = torch.cat([obs[1:], last_obs[None]])        # (T, N, D)
    # BEGIN SOLUTION
    following[ended] = final_obs                            # the state that ended the episode
    # INSTEAD
    # following[ended] = obs[ended]     # the next row is a new episode's: take the last one seen
    # END SOLUTION
    return following

# %% [markdown]
# One environment, three steps; the second one ends an episode, with the pole at 0.22 rad. What does the agent seem to have led to?

# %%
obs = torch.tensor([[[0.0, 0.0, 0.19, 0.0]], [[0.0, 0.0, 0.20, 0.0]], [[0.0, 0.0, 0.01, 0.0]]])
ended = torch.tensor([[False], [True], [False]])
fallen_state = torch.tensor([[0.0, 0.0, 0.22, 0.0]])
print("angles led to:", states_led_to(obs, obs[-1], fallen_state, ended)[:, 0, 2].tolist())

# %% tags=["check:04.5"]
check("04.5", states_led_to)

# %% [markdown] tags=["solution-only"]
# **The bug.** The state *before* the last step stood in for the state after it: a leaning pole, but not a fallen one. No fallen state ever
# reached the reward model, so the worst action of all cost nothing extra. Leaving the line out is worse still: then the first state of
# the *next* episode, upright and in the centre, pays the fall like the best of actions. Nothing crashes and most rows are right; only
# the falls are missing, one step in twenty at first.

# %% [markdown]
# {{exercise 04.6}}
#
# In section 4.11 you teach a behaviour that no reward describes. Your clicks can do it; a scripted labeller can do it while you
# drink your tea. It needs your taste as a *mark* for a clip, more is better: someone who wants the cart at `place`, upright.
#
# Each state of the clip costs $|x - \text{place}| + |\text{angle}|/0.2094$ (metres, and shares of the pole's limit, `ANGLE_LIMIT`), and
# 10 more where the pole is down or the cart has left the track (beyond `X_LIMIT`, 2.4 m): 10 once, also where both are true. The
# mark is minus the sum over all states.

# %% tags=["exercise:04.6"]
def mark_place(obs, place):
    """How good a clip looks to one who wants the cart at `place`, a number.

    obs: (L, 4) states: position (m), velocity, angle (radians), turning. place: metres.
    """
    # BEGIN SOLUTION
    x, angle = obs[:, 0], obs[:, 2]                                   # (L,) each
    down = (x.abs() > X_LIMIT) | (angle.abs() > ANGLE_LIMIT)
    cost = (x - place).abs() + angle.abs() / ANGLE_LIMIT + 10.0 * down
    return -cost.sum().item()
    # END SOLUTION

# %% tags=["check:04.6"]
check("04.6", mark_place)

# %% [markdown] tags=["solution-only"]
# **Note.** This is a rule, so one could pay it to the agent directly. The loop never does: it sees verdicts on pairs only. For the taste
# that you have no rule for, your own clicks take its place.

# %% [markdown]
# ## What you learned
#
# A clip is worth the sum of its steps; rewards need a zero and a scale, which the labelled clips give; where to ask; that the zero
# decides what the end of an episode is worth; how one missing line hides every fall.
#
# **What failed here, on purpose:** an agent that was paid for its falls like for a fresh start.
#
# **Further reading.** P. Christiano et al. (2017), *Deep reinforcement learning from human preferences*, sections 2.2.1 to 2.2.4. I. Kostrikov
# et al. (2019), *Discriminator-actor-critic*, on reward bias and absorbing states.
# Back to the [lesson](../notebooks/04_cartpole_from_preferences.ipynb).
