# %% [markdown]
# # Lesson 06 exercises: Pong from its score
#
# **Goals.** Write what stands between a game console and a small network: frame-skip and max-pooling, cells without the
# score, the ends of rallies. Know how far back the credit for a point reaches. Find two silent bugs.
#
# **Time.** {{time}}
# **Builds on** lessons 02 and 06; do each exercise
# when the [lesson](../notebooks/06_atari_ppo.ipynb) sends you here.

# %%
import numpy as np
import torch

from course_lib import check, hint

torch.set_num_threads(1)

# %% [markdown]
# {{exercise 06.1}}
#
# The console draws 60 frames a second. With **frame-skip** an agent acts every `skip` frames, and its action is repeated
# in between. Each of its steps combines the `skip` frames that its action led to:
#
# - the **picture**: for each pixel the brighter one of the *last two* frames (**max-pooling**). Some games draw a thing in
#   every second frame only, and so it is in one of the two;
# - the **reward**: the sum of the rewards of *all* these frames.
#
# `len(frames)` is a multiple of `skip`, and `skip` is at least 2.

# %% tags=["exercise:06.1"]
def frame_skip(frames, rewards, skip):
    """(pictures (T // skip, H, W), rewards (T // skip,)) of an agent that acts every `skip` frames.

    frames: (T, H, W) uint8, one for each 60th of a second. rewards: (T,), one for each frame.
    """
    # BEGIN SOLUTION
    groups = frames.reshape(-1, skip, *frames.shape[1:])                   # (steps, skip, H, W)
    pictures = np.maximum(groups[:, -1], groups[:, -2])
    return pictures, rewards.reshape(-1, skip).sum(axis=1)
    # END SOLUTION

# %% tags=["check:06.1"]
check("06.1", frame_skip)

# %% [markdown] tags=["solution-only"]
# **Why it works.** `reshape` puts the frames of one step into one row, in order. A maximum of two shades is a shade, and
# it cannot overflow; a sum of two bright ones in `uint8` does. The lesson compares your function with the emulator's own.

# %% [markdown]
# {{exercise 06.2}}
#
# A screen has 210 × 160 shades. The agent should observe 80 × 40 cells of 0 and 1, and no score.
#
# - Rows 34 to 193 are the court; above is the score, below a wall. Only the court counts.
# - A cell is 2 pixels high and 4 wide. Look only at the *first* of its two rows, and there at its columns 0 and 2.
# - The cell is 1 where one of these two pixels is not empty court, whose shade is 87.
#
# Why so few pixels? The ball is four pixels high and two wide: wherever it is, it covers exactly two of the rows and one of the
# columns that you look at.

# %% tags=["exercise:06.2"]
def to_cells(screens):
    """Cells of the court, (N, 80, 40) uint8 of 0 and 1. screens: (N, 210, 160) uint8."""
    # BEGIN SOLUTION
    court = screens[:, 34:194]                                             # (N, 160, 160)
    seen = court[:, ::2, ::2] != 87                                        # (N, 80, 80)
    return (seen[:, :, ::2] | seen[:, :, 1::2]).astype(np.uint8)           # (N, 80, 40)
    # END SOLUTION

# %% tags=["check:06.2"]
check("06.2", to_cells)

# %% [markdown] tags=["solution-only"]
# **Why it works.** The slices are views of the pixels and copy nothing, which matters at thousands of screens a second. If
# any of the eight pixels were enough, the ball would set two cells or three or six, depending on how it lies across
# their borders.

# %% [markdown]
# {{exercise 06.3}}
#
# A game of Pong is 21 to 41 points. What happens in one says nothing about the next, so no reward should flow back past
# a point: each is a *boundary* for GAE, as the end of a game is. Mark where they are.

# %% tags=["exercise:06.3"]
def point_boundaries(rewards, ended):
    """(T, N) bool: True where a rally or a game ended *with* this step.

    rewards: (T, N), 1 where we scored, -1 where the other one did, else 0. ended: (T, N) bool.
    """
    # BEGIN SOLUTION
    return (rewards != 0) | ended
    # END SOLUTION

# %% tags=["check:06.3"]
check("06.3", point_boundaries)

# %% [markdown] tags=["solution-only"]
# **Why it works.** In Pong the reward itself marks the boundary. This is knowledge about one game, put in by hand; in a
# game where rewards come in the middle of things it would be wrong.

# %% [markdown]
# {{exercise 06.4}}
#
# Good agents can play endless rallies. Somebody wants to make them hurry with a **time penalty**: every step's reward is
# `cost` less. The program below runs, and the agent trained with it learns next to nothing. One line is wrong. Find it
# and fix it; the cost should stay.

# %% tags=["exercise:06.4"]
def advantages_in_a_hurry(rewards, values, ended, last_value, gamma, lam, cost):
    """GAE with a boundary at each point, where each step costs `cost`. All (T, N), last_value (N,)."""
    paid = rewards - cost
    # BEGIN SOLUTION
    boundary = (rewards != 0) | ended
    # INSTEAD
    # boundary = (paid != 0) | ended
    # END SOLUTION
    nonterminal = 1.0 - boundary.float()
    next_values = torch.cat([values[1:], last_value[None]])
    deltas = paid + gamma * nonterminal * next_values - values
    advantages, next_advantage = torch.empty_like(deltas), torch.zeros_like(last_value)
    for t in reversed(range(len(rewards))):
        advantages[t] = deltas[t] + gamma * lam * nonterminal[t] * next_advantage
        next_advantage = advantages[t]
    return advantages

# %%
rewards = torch.tensor([[0.0], [0.0], [0.0], [1.0]])       # a rally of four steps, won
nothing = torch.zeros(4, 1)
for cost in (0.0, 0.01):
    found = advantages_in_a_hurry(rewards, nothing, nothing.bool(), torch.zeros(1), 0.99, 0.98, cost)
    print(f"cost {cost}: advantages {[round(a, 2) for a in found.flatten().tolist()]}")

# %% tags=["check:06.4"]
check("06.4", advantages_in_a_hurry)

# %% [markdown] tags=["solution-only"]
# **What was wrong.** Once the cost is subtracted, *no* reward is 0, so every step is taken for the end of a rally. The
# paddle hit that won the point gets no credit for it, $\lambda$ does nothing at all, and no error says so. Read events
# off the original rewards, never off **shaped** ones (a cost, a shift to mean 0, a learned reward).

# %% [markdown]
# {{exercise 06.5}}
#
# You hit the ball; thirty steps later it passes the other paddle and you get a reward of 1. As long as the critic's value
# estimates are 0, GAE passes each reward back to the steps before it, **discounted** by $\gamma\lambda$ a step. With
# $\gamma = 0.99$: how much of the point's reward reaches your paddle hit? Estimate (within 0.02) before you compute
# anything; the last answer is a number of steps.

# %% tags=["exercise:06.5"]
def prediction():
    """What is left of a point, gamma 0.99."""
    # BEGIN SOLUTION
    return {
        "lambda 0.95: left after 30 steps": 0.16,
        "lambda 0.98: left after 30 steps": 0.40,
        "lambda 1: left after 30 steps": 0.74,
        "lambda 0.98: steps until half is left": 23,
    }
    # INSTEAD
    # return {
    #     "lambda 0.95: left after 30 steps": ...,
    #     "lambda 0.98: left after 30 steps": ...,
    #     "lambda 1: left after 30 steps": ...,
    #     "lambda 0.98: steps until half is left": ...,
    # }
    # END SOLUTION

# %% tags=["check:06.5"]
check("06.5", prediction)

# %% [markdown]
# Now compute it, with GAE itself: one point, thirty-one steps, value estimates of 0.

# %%
from course_lib.rl.objectives import gae

rewards, nothing = torch.zeros(31), torch.zeros(31)
rewards[30] = 1.0
for lam in (0.95, 0.98, 1.0):
    found = gae(rewards, nothing, nothing.bool(), torch.tensor(0.0), 0.99, lam)
    half = (found > 0.5).sum().item()
    print(f"lambda {lam:4g}: {found[0].item():.2f} reaches the hit; half is left {half} steps back")

# %% [markdown]
# (At $\lambda = 1$ more than half is left at all 31 steps.) Between 0.95 and 0.98 lies a factor of two and a half. It is not free:
# lesson 02 measured how a larger $\lambda$ raises the variance of the advantages.
#
# {{exercise 06.6}}
#
# One frame does not tell which way the ball flies, so an observation is two frames (**frame stacking**): the present one
# and the one before. In a rollout, `looks[t]` is the frame, as cells, before step $t$; where a game ended with step
# $t$, `looks[t + 1]` already shows the *next* game. This program pairs the frames. It is right within a game, and
# silently wrong at the ends of games.

# %% tags=["exercise:06.6"]
def with_the_look_before(looks, ended):
    """Observations (T, N, 2, H, W), the newer frame first; the first frame of a game is given twice.

    looks: (T, N, H, W). ended: (T, N) bool, True where a game ended *with* step t.
    """
    # BEGIN SOLUTION
    first = torch.cat([torch.ones_like(ended[:1]), ended[:-1]])            # (T, N)
    # INSTEAD
    # first = ended
    # END SOLUTION
    before = torch.cat([looks[:1], looks[:-1]])
    before = torch.where(first[..., None, None], looks, before)
    return torch.stack([looks, before], dim=2)

# %%
looks = torch.arange(4.0).reshape(4, 1, 1, 1)              # four steps of one game, a pixel each
ended = torch.tensor([[False], [True], [False], [False]])  # looks 2 and 3 belong to the next game
with_the_look_before(looks, ended).squeeze()               # rows: (now, before)

# %% tags=["check:06.6"]
check("06.6", with_the_look_before)

# %% [markdown] tags=["solution-only"]
# **What was wrong.** `ended[t]` is true *after* step $t$. The faulty line takes the past away from the last frame of the
# old game and leaves that frame as the past of the new game, so the ball seems to jump across the court. It happens once a
# game; no curve shows it, and it is wrong all the same. `course_lib/atari/envs.py` does it right in its `step`.

# %% [markdown]
# ## What you learned
#
# Frame-skip keeps the reward of every frame and the picture of the last two. Well-chosen pixels never lose the ball. A
# rally ends at a point, and whatever reads events off rewards must do so before they are shaped.
#
# **What failed here, on purpose:** two programs that run without complaint; a case small enough to work out by hand shows both.
#
# **Further reading.** M. Machado et al. (2018), *Revisiting the Arcade Learning Environment*; S. Huang et al. (2022), *The 37
# implementation details of proximal policy optimization*. Back to [lesson 06](../notebooks/06_atari_ppo.ipynb).
