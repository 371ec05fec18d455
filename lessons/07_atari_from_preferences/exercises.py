# %% [markdown]
# # Lesson 07 exercises: Pong from preferences
#
# **Goals.** Write the parts of the loop that Pong makes harder than CartPole: a judge who sees only a clip, pay with a running zero and
# scale, the end of a rally that no score announces, pairs worth a person's time. Find the bug that turns labels over without a word.
#
# **Time.** About 80 minutes. The essential ones, 07.1, 07.2, 07.5 and 07.7, take 35 minutes. **Builds on** lessons 03 and 04; do each
# exercise when the [lesson](../notebooks/07_atari_from_preferences.ipynb) sends you here.

# %%
import torch

from course_lib import check, hint

# %% [markdown]
# {{exercise 07.1}}
#
# Which second of a game does the reward model like best, and does it go with the points? For that one needs the return of *every*
# clip of `length` steps that could be cut from a rollout: windows that overlap, one from each step on.

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
# The scripted labeller of this lesson must know no more than a person at the screen. It is given where the ball is seen in each frame of a
# clip: the column of pixels from the left, -1 where no ball is seen. We play on the right. A ball left of column `BEHIND_THEM` is behind
# their paddle: our point. A ball at column `BEHIND_US` or further right is behind ours: theirs.
#
# A ball needs several frames to leave, and that is *one* point. A clip may show several points. The clip with the better balance, won minus
# lost, is preferred; equal balances are a tie.

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
# **Why ties are kept.** Most pairs of one-second clips show no point at all, so most verdicts tie. They are not worthless: each tie pulls
# the rewards of two quiet clips together, until the model pays nothing for quiet play. Dropped, they leave the model free to pay for a
# nicely moving paddle.

# %% [markdown]
# {{exercise 07.3}}
#
# Pay needs mean 0 and a fixed spread (lesson 04). There the deviations of the rollouts were averaged. That is not quite the deviation of
# all rewards: when the *mean* wanders, so do the rewards, and an average of deviations does not notice. Do it exactly: keep count, mean and
# variance of all numbers so far, and merge each new rollout into them as if all had been seen at once.
#
# Variances divide by n here. With `count` 0 nothing has been seen, whatever `mean` and `variance` hold. Keep clear of "mean of squares
# minus square of the mean": far from zero it loses all digits.

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
    share, step = n / (count + n), own_mean - mean          # the newcomers' share; how far away
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
# In lesson 06 each *point* was a boundary for GAE: credit does not leak into the next rally. From preferences nobody may look at points.
# But everybody can see that a ball has left the screen. That says a rally is over, and not who won it.
#
# `seen[t]` says whether a ball is on the screen *before* step t, and `seen[T]` what the last step led to. A rally ends *with* step t when
# the ball is there before it and then not seen in the next `patience` looks: `seen[t + 1]` up to `seen[t + patience]`. (Pong's ball
# flickers: a single look without it means nothing.) Looks that the rollout no longer has count as looks without a ball.

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
# **Why with step t, and not later?** What the reward model pays for a point is paid while the ball flies out. A boundary one step too early
# or too late puts that pay on the wrong side, where GAE never carries it back to the stroke that won it. An early prototype of this course
# read its reward from the serve, which shows who lost, and its agent learned nothing.

# %% [markdown]
# {{exercise 07.5}}
#
# The labeller shows the two clips of a pair in random order, so that a person with a favourite side does no harm. What is stored is the
# *side* that was chosen, and `flip`: True where the first clip stood on the right. Before anything is learned, sides become clips again:
# `mu` is 1 where the first clip was preferred.
#
# This function does that. It worked in every test, with a labeller who never skips. With a person it turns a part of the verdicts over,
# without an error message, and the reward model learns next to nothing from them. Find the bug and mend it.

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
    # judged = [choice for choice in choices if choice != "skip"]     # nobody judged the others
    # return [1 - worth[choice] if flip else worth[choice]
    #         for choice, flip in zip(judged, flips)]
    # END SOLUTION

# %% [markdown]
# Someone always prefers the first clip of each pair, wherever it stands, and skips the second pair. All verdicts should be 1:

# %%
flips = [False, True, True, False, False, True, False, True]
choices = ["right" if flip else "left" for flip in flips]
print("nobody skips:     ", targets_of(choices, flips))
choices[1] = "skip"
print("one pair skipped: ", targets_of(choices, flips))

# %% tags=["check:07.5"]
check("07.5", targets_of)

# %% [markdown] tags=["solution-only"]
# **The bug.** Filtering made one list shorter and left the other as it was; from the first skip on, each verdict had its neighbour's flip,
# and `zip` stopped silently at the shorter end. Half of the flips differ from their neighbour's, so half of the strict verdicts were turned
# over: worth exactly nothing. `zip(..., strict=True)` would have said so at once.

# %% [markdown]
# {{exercise 07.6}}
#
# Twenty verdicts cost a person three minutes. Lesson 04 asked about pairs on which the members of the ensemble contradict each other. With
# a large pool this has a catch: one odd clip is disputed against *every* other clip, and the whole batch shows that clip again and again.
# So: of all pairs of clips take the most disputed one; then the most disputed one without a clip that is taken; and so on.
#
# How disputed a pair is: the standard deviation over the members of `sigmoid(return of i - return of j)`.

# %% tags=["exercise:07.6"]
def disputed_pairs(returns, count):
    """Up to `count` pairs (i, j) of positions, the most disputed first, each clip once at most.

    returns: (members, clips), what each member says that each clip is worth.
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
# **Does it help?** Section 7.8 of the lesson measures it. What the members dispute is often what nobody can judge: a ball just about to be
# lost or saved. Disagreement is a guess about where labels help, and no more.

# %% [markdown]
# {{exercise 07.7}}
#
# A reward model has learned Pong well. Now something is done to *all* its rewards, and a good agent is trained further on them. GAE stops
# where the ball is gone: what comes after the rally does not count for it. What becomes of the rallies? Answer each with `"longer
# rallies"`, `"shorter rallies"` or `"no difference"`.

# %% tags=["exercise:07.7"]
def prediction():
    """What becomes of the rallies, compared with training on the standardised rewards."""
    # BEGIN SOLUTION
    return {
        "+1 added to every step, paid as it is": "longer rallies",
        "-1 added to every step, paid as it is": "shorter rallies",
        "+1 added to every step, then standardised": "no difference",
        "every reward times 1000, then standardised": "no difference",
    }
    # INSTEAD
    # return {
    #     "+1 added to every step, paid as it is": ...,
    #     "-1 added to every step, paid as it is": ...,
    #     "+1 added to every step, then standardised": ...,
    #     "every reward times 1000, then standardised": ...,
    # }
    # END SOLUTION

# %% tags=["check:07.7"]
check("07.7", prediction)

# %% [markdown]
# Section 7.5 of the lesson runs the first two. Go and see whether the agent agrees with you.
#
# ## What you learned
#
# The return of a clip; a judge who sees what a person sees, and says "equal" when it is; an exact running zero and scale; an end of the
# rally without the score; pairs that do not bore; and a bug that turns labels over in silence.
#
# **What failed here, on purpose:** labels shifted by one skip; an average of variances.
#
# **Further reading.** P. Christiano et al. (2017), *Deep reinforcement learning from human preferences*, section 2.2. T. Chan, G. Golub and
# R. LeVeque (1983), *Algorithms for computing the sample variance*. Back to the [lesson](../notebooks/07_atari_from_preferences.ipynb).
