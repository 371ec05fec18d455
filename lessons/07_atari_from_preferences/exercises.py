# %% [markdown]
# # Lesson 07 exercises: Pong from preferences
#
# **Goals.** Write the parts of the loop that Pong makes harder than CartPole: a synthetic labeler that sees only a
# clip, rewards standardized by a running mean and variance, the end of a rally without the score, pairs chosen by the
# ensemble's disagreement. Find the bug that flips labels silently.
#
# **Time.** {{time}}
# **Builds on** lessons 03 and 04; do each
# exercise when the [lesson](../notebooks/07_atari_from_preferences.ipynb) sends you here.

# %%
import torch

from course_lib import check, hint

# %% [markdown]
# {{exercise 07.1}}
#
# To compare the learned with the true reward, you need the **return** (the sum of the rewards) of *every* clip of
# `length` steps that could be cut from a rollout: overlapping windows, one from each step on.

# %% tags=["exercise:07.1"]
def window_returns(rewards, length):
    """The sum of every `length` consecutive rewards of each game.

    rewards: (T, N), T steps of N games. Returns (T - length + 1, N).
    """
    # BEGIN SOLUTION
    total = torch.cat([torch.zeros_like(rewards[:1]), rewards.cumsum(dim=0)])       # (T + 1, N)
    return total[length:] - total[:-length]
    # END SOLUTION

# %% tags=["check:07.1"]
check("07.1", window_returns)

# %% [markdown] tags=["solution-only"]
# **Why it works.** The running sum up to the end of a window minus the running sum up to its beginning leaves the window.
# `rewards.unfold(0, length, 1).sum(-1)` says the same in fewer words and adds every reward `length` times. The zero in front is for the
# window that begins at step 0.

# %% [markdown]
# {{exercise 07.2}}
#
# The **synthetic labeler** of this lesson should have no more information than a person at the screen. It gets the ball's
# position in each frame of a clip: the column of pixels from the left, -1 where no ball is seen. We play on the right. A ball left
# of column `BEHIND_THEM` is behind their paddle: our point. A ball at column `BEHIND_US` or further right is behind
# ours: their point.
#
# A ball needs several frames to leave, and that is *one* point. A clip may show several points. The clip with the
# better balance, won minus lost, is preferred; equal balances are a tie.

# %% tags=["exercise:07.2"]
BEHIND_THEM, BEHIND_US = 12, 148

def compare_clips(across1, across2):
    """mu: 1.0 if the first clip has the better balance of points, 0.0 if the second, else 0.5.

    across1, across2: (L,) whole numbers, the ball's column in each frame; -1: not seen.
    """
    # BEGIN SOLUTION
    def runs(flags):
        before = torch.cat([torch.zeros(1, dtype=torch.bool), flags[:-1]])
        return (flags & ~before).sum().item()               # how often a run of True begins

    def balance(across):
        return runs((across >= 0) & (across < BEHIND_THEM)) - runs(across >= BEHIND_US)

    first, second = balance(across1), balance(across2)
    return 0.5 if first == second else float(first > second)
    # END SOLUTION

# %% tags=["check:07.2"]
check("07.2", compare_clips)

# %% [markdown] tags=["solution-only"]
# **Why ties are kept.** Most pairs of such short clips show the same balance of points, so most labels are ties. They
# carry information: each tie pulls the predicted returns of two quiet clips together, until quiet play gets no reward.
# Without them the model is free to reward a nicely moving paddle.

# %% [markdown]
# {{exercise 07.3}}
#
# Rewards need mean 0 and a fixed **standard deviation** (lesson 04). An average of the rollouts' own standard
# deviations is not the standard deviation of all rewards: it misses how far the rollouts' *means* lie apart. Do it
# exactly: keep count, mean and variance of all numbers so far (**running moments**), and merge each new rollout into
# them as if all had been seen at once.
#
# Variances divide by n here. With `count` 0 nothing has been seen, whatever `mean` and `variance` hold. Avoid "mean of
# squares minus square of the mean": far from zero it loses all digits.

# %% tags=["exercise:07.3"]
def merge_moments(count, mean, variance, rewards):
    """(count, mean, variance) of the numbers seen before and `rewards` together.

    count: how many numbers were seen before. mean, variance: theirs. rewards: a tensor.
    """
    # BEGIN SOLUTION
    rewards = rewards.double()
    n, own_mean = rewards.numel(), rewards.mean().item()
    own_variance = rewards.var(unbiased=False).item()
    if count == 0:
        return n, own_mean, own_variance
    share, step = n / (count + n), own_mean - mean          # share of the new numbers; difference
    within = (1 - share) * variance + share * own_variance
    between = share * (1 - share) * step ** 2
    return count + n, mean + share * step, within + between
    # END SOLUTION

# %% tags=["check:07.3"]
check("07.3", merge_moments)

# %% [markdown] tags=["solution-only"]
# **The third term** is what an average of variances forgets. Two rollouts in which the reward never changes, one at 0 and one at 10, have
# variance 0 each and 25 together. Chan, Golub and LeVeque (1983) give the formula; every "running mean and std" of an RL library is this
# one.

# %% [markdown]
# {{exercise 07.4}}
#
# In lesson 06 each *point* was a boundary for GAE: advantages do not reach into the next rally. In training from
# preferences the points are hidden. But the screen shows that the ball has left. So we know that a rally is over, and
# not who won it.
#
# `seen[t]` says whether a ball is on the screen *before* step t; `seen[T]` belongs to the observation after the last
# step. A rally ends *with* step t when the ball is there before it and then not seen in the next `patience`
# observations: `seen[t + 1]` up to `seen[t + patience]`. (Pong's ball flickers: a single observation without it means
# nothing.) Observations beyond the rollout's end count as observations without a ball.

# %% tags=["exercise:07.4"]
def ball_gone(seen, patience=3):
    """Where a rally ended: (T + 1, N) bool -> (T, N) bool."""
    # BEGIN SOLUTION
    steps = len(seen) - 1
    unseen = torch.zeros_like(seen[:1]).expand(patience - 1, -1)
    later = torch.cat([seen, unseen])                       # (T + patience, N)
    back = torch.stack([later[1 + k:1 + k + steps] for k in range(patience)]).any(dim=0)
    return seen[:-1] & ~back
    # END SOLUTION

# %% tags=["check:07.4"]
check("07.4", ball_gone)

# %% [markdown] tags=["solution-only"]
# **Why with step t, and not later?** The learned reward for a point comes while the ball flies out. A boundary one step
# too early puts that reward on the wrong side, where GAE does not carry it back to the paddle hit that won the point.
# A late one counts steps in which no rally is played.

# %% [markdown]
# {{exercise 07.5}}
#
# The widget shows the two clips of a pair in random order, so that a labeler's **position bias** (a favourite side) does
# no harm. What is stored is the *side* that was chosen, and `flip`: True where the first clip stood on the right.
# Before anything is learned, left and right are converted back into clip 1 and clip 2: `mu` is 1 where the first clip
# was preferred.
#
# This function does that. It is right for a labeler who never skips. With one who does, it flips part of the labels
# without an error message, and the reward model learns next to nothing from them. Find the bug and fix it.

# %% tags=["exercise:07.5"]
def targets_of(choices, flips):
    """mu of every pair that was not skipped, in their order, as a list.

    choices: "left", "right", "equal" or "skip", one a pair.
    flips: True where the first clip stood on the right.
    """
    worth = {"left": 1.0, "right": 0.0, "equal": 0.5}
    # BEGIN SOLUTION
    pairs = zip(choices, flips, strict=True)
    judged = [(worth[side], turned) for side, turned in pairs if side != "skip"]
    return [1 - mu if turned else mu for mu, turned in judged]
    # INSTEAD
    # judged = [choice for choice in choices if choice != "skip"]     # the others have no label
    # return [1 - worth[choice] if flip else worth[choice]
    #         for choice, flip in zip(judged, flips)]
    # END SOLUTION

# %% [markdown]
# Someone always prefers the first clip of each pair, wherever it stands, and skips the second pair. All labels should
# be 1:

# %%
flips = [False, True, True, False, False, True, False, True]
choices = ["right" if flip else "left" for flip in flips]
print("nobody skips:     ", targets_of(choices, flips))
choices[1] = "skip"
print("one pair skipped: ", targets_of(choices, flips))

# %% tags=["check:07.5"]
check("07.5", targets_of)

# %% [markdown] tags=["solution-only"]
# **The bug.** Filtering made one list shorter and left the other as it was. From the first skip on, each label had its
# neighbour's flip, and `zip` stopped silently at the shorter end. Half of the flips differ from their neighbour's, so
# about half of the labels after the first skip (ties aside) were flipped: they carry no information.
# `zip(..., strict=True)` would have raised an error at once.

# %% [markdown]
# {{exercise 07.6}}
#
# A person's time is limited, so ask about pairs where a label helps most (**active learning**). Lesson 04 chose pairs by
# the **disagreement** of the ensemble's members. With a large pool this has a drawback: the members may disagree about one odd clip against
# *every* other clip, and the whole batch shows that clip again and again. So: of all pairs of clips take the one with
# the largest disagreement; then the next one without a clip that is taken; and so on.
#
# The disagreement about a pair is the standard deviation over the members of the predicted preference
# $\sigma(\hat R_i - \hat R_j)$, in code `sigmoid(return of i - return of j)`.

# %% tags=["exercise:07.6"]
def disputed_pairs(returns, count):
    """Up to `count` pairs (i, j) of positions, largest disagreement first, each clip once at most.

    returns: (members, clips), the return of each clip as predicted by each member.
    """
    # BEGIN SOLUTION
    clips = returns.shape[1]
    std = torch.sigmoid(returns[:, :, None] - returns[:, None, :]).std(dim=0)
    i, j = torch.triu_indices(clips, clips, 1)              # every pair once
    used, pairs = set(), []
    for k in std[i, j].argsort(descending=True).tolist():
        pair = (int(i[k]), int(j[k]))
        if len(pairs) < count and used.isdisjoint(pair):
            pairs.append(pair)
            used.update(pair)
    return pairs
    # END SOLUTION

# %% tags=["check:07.6"]
check("07.6", disputed_pairs)

# %% [markdown] tags=["solution-only"]
# **Does it help?** Section 7.8 of the lesson measures it. Members often disagree where a person cannot tell either: a
# ball just about to be lost or saved. Disagreement is a heuristic for where labels help.

# %% [markdown]
# {{exercise 07.7}}
#
# A reward model has learned Pong well. Now *all* its rewards are changed in the same way, and a good agent is trained
# further on them. GAE stops where the ball is gone: rewards after the rally do not count for it. How do the rallies
# change? Answer each with `"longer rallies"`, `"shorter rallies"` or `"no difference"`.

# %% tags=["exercise:07.7"]
def prediction():
    """How the rallies change, compared with training on the standardized rewards."""
    # BEGIN SOLUTION
    return {
        "+1 added to every step, not standardized": "longer rallies",
        "-1 added to every step, not standardized": "shorter rallies",
        "+1 added to every step, then standardized": "no difference",
        "every reward times 1000, then standardized": "no difference",
    }
    # INSTEAD
    # return {
    #     "+1 added to every step, not standardized": ...,
    #     "-1 added to every step, not standardized": ...,
    #     "+1 added to every step, then standardized": ...,
    #     "every reward times 1000, then standardized": ...,
    # }
    # END SOLUTION

# %% tags=["check:07.7"]
check("07.7", prediction)

# %% [markdown]
# Section 7.5 of the lesson trains an agent on a constant reward above and below zero. Compare with your prediction.
#
# ## What you learned
#
# The return of a clip; a synthetic labeler that sees what a person sees, and says "equal" when it is; an exact running
# mean and variance; the end of a rally without the score; pairs chosen by disagreement; and a bug that flips labels
# silently.
#
# **What failed here, on purpose:** flips shifted by one skip; an average of variances.
#
# **Further reading.** P. Christiano et al. (2017), *Deep reinforcement learning from human preferences*, section 2.2. T. Chan, G. Golub and
# R. LeVeque (1983), *Algorithms for computing the sample variance*. Back to the [lesson](../notebooks/07_atari_from_preferences.ipynb).
