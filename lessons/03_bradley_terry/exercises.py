# %% [markdown]
# # Lesson 03 exercises: Bradley–Terry
#
# **Goals.** Write the loss that the rest of the course uses; turn clicks into targets; find the bug in a fit that looks
# right and is not; assume an error rate; measure how well people predict each other.
#
# **Time.** {{time}}
# **Builds on** lesson 03; do each exercise
# when the [lesson](../notebooks/03_bradley_terry.ipynb) sends you here.
#
# Run a cell with Shift+Enter. Each `check` shows what was called, what was expected and what it got. After two misses it
# offers a hint; `hint("03.1")` asks for one. When a check passes, your function is saved, and the lesson uses it.

# %%
import torch
import torch.nn.functional as F

from course_lib import check, hint
from course_lib.preferences.bradley_terry import preference_probability
from course_lib.preferences.human_ratings import MODES, sound_quality_wins

# %% [markdown]
# {{exercise 03.1}}
#
# With $p = \sigma(r_1 - r_2)$, the probability that the first is preferred, the **negative log-likelihood** of a label $\mu$ is
#
# $$-\big(\mu \log p + (1-\mu)\log(1-p)\big),$$
#
# and the loss is the mean over all pairs. It must survive a difference of 200: there $p$ rounds to 0, and
# $\log 0$ is not a number that one can learn from. A loop over the pairs is right, too; but the lesson calls your function with up
# to 60,000 pairs, many times over, and a loop then takes minutes where whole tensors take a second.

# %% tags=["exercise:03.1"]
def bradley_terry_loss(r1, r2, mu):
    """Mean negative log-likelihood of the labels, a scalar tensor.

    r1, r2: (pairs,) scores. mu: (pairs,) 1 first preferred, 0 second preferred, 0.5 a tie.
    """
    # BEGIN SOLUTION
    return F.binary_cross_entropy_with_logits(r1 - r2, mu)     # the logit of p is r1 - r2
    # END SOLUTION

# %% tags=["check:03.1"]
check("03.1", bradley_terry_loss)

# %% [markdown] tags=["solution-only"]
# **Why it works.** The loss is the binary cross-entropy with $r_1 - r_2$ as logit. `binary_cross_entropy_with_logits` computes $\log\sigma(d)$ as $-\log(1+e^{-d})$ in a form that never rounds
# to $\log 0$. Ties need no special case: with $\mu = 0.5$ both logarithms weigh half, and the sum is smallest at $d = 0$.

# %% [markdown]
# {{exercise 03.2}}
#
# A person sees two items side by side. Which one stands left is random, so that a habit of clicking left (**position bias**) cannot
# become a "preference". Their answer is one of four words: `"left"`, `"right"`, `"equal"` (as good as each other) and `"skip"` (cannot
# tell, or neither is good).
#
# Turn the clicks into what the loss of 03.1 takes. Where `flipped[k]` is true, the *first* item of pair `k` stood on the
# **right**. Which answers should be left out altogether?

# %% tags=["exercise:03.2"]
def choices_to_targets(choices, flipped):
    """Two lists: positions of the pairs to keep, and mu of each kept pair.

    choices: a list of "left", "right", "equal" or "skip".
    flipped: a list of booleans of the same length.
    """
    # BEGIN SOLUTION
    kept, mu = [], []
    for position, (choice, flip) in enumerate(zip(choices, flipped)):
        if choice == "skip":
            continue
        kept.append(position)
        mu.append(0.5 if choice == "equal" else float((choice == "left") != flip))
    return kept, mu
    # END SOLUTION

# %% tags=["check:03.2"]
check("03.2", choices_to_targets)

# %% [markdown] tags=["solution-only"]
# **Why it works.** `(choice == "left") != flip` is true in exactly two cases: clicked left and not flipped, or clicked right and
# flipped. Both mean the first item. A tie is a label and stays; a skip is not and goes.

# %% [markdown]
# {{exercise 03.3}}
#
# Two scores, $r_1 = 0.8$ and $r_2 = 0.1$. What happens to $P(1 \succ 2)$, the probability that the first is preferred, when *both*
# are changed? Answer each with `"same"`, `"surer"` (farther from 1/2), `"less sure"` (nearer to 1/2) or `"reversed"`. Decide before you
# run anything.

# %% tags=["exercise:03.3"]
def prediction():
    """What each change does to P(first preferred) for the scores (0.8, 0.1)."""
    # BEGIN SOLUTION
    return {
        "add 100": "same",
        "double": "surer",
        "halve": "less sure",
        "change signs": "reversed",
    }
    # INSTEAD
    # return {
    #     "add 100": ...,
    #     "double": ...,
    #     "halve": ...,
    #     "change signs": ...,
    # }
    # END SOLUTION

# %% tags=["check:03.3"]
check("03.3", prediction)

# %% [markdown]
# Now run it and compare.

# %%
r1, r2 = torch.tensor(0.8), torch.tensor(0.1)
changes = {"before": (r1, r2), "add 100": (r1 + 100, r2 + 100), "double": (2 * r1, 2 * r2),
           "halve": (r1 / 2, r2 / 2), "change signs": (-r1, -r2)}
for name, (a, b) in changes.items():
    print(f"{name:13s} {preference_probability(a, b):.3f}")

# %% [markdown]
# {{exercise 03.4}}
#
# This function fits one strength per item to a table of wins by gradient descent. It runs, the loss falls, and the order comes
# out right. Yet for the sound table its strengths are far too large, and its fitted probabilities do not match the win shares.
# One line is wrong. Find it and fix it.

# %% tags=["exercise:03.4"]
def fit_by_gradient(wins, steps=400, lr=0.1):
    """Bradley–Terry strengths with mean zero, (items,).

    wins: (items, items), row beat column so many times.
    """
    wins = torch.as_tensor(wins, dtype=torch.float32)
    strengths = torch.zeros(len(wins), requires_grad=True)
    optimizer = torch.optim.Adam([strengths], lr=lr)
    for _ in range(steps):
        gap = strengths[:, None] - strengths[None, :]             # (items, items)
        won = torch.ones_like(gap)                                # a cell counts its row's wins
        # BEGIN SOLUTION
        nll = F.binary_cross_entropy_with_logits(gap, won, reduction="none")                 # (items, items)
        # INSTEAD
        # nll = F.binary_cross_entropy_with_logits(torch.sigmoid(gap), won, reduction="none")  # (items, items)
        # END SOLUTION
        loss = (wins * nll).sum() / wins.sum()                    # every win weighs the same
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (strengths - strengths.mean()).detach()

# %% [markdown]
# Stereo against Mono was won 737 times of 783, a share of 0.941. What does the fit say?

# %%
strengths = fit_by_gradient(sound_quality_wins())
print(f"fitted P(Stereo beats Mono) = {torch.sigmoid(strengths[2] - strengths[0]):.3f}")
print("strengths:", {mode: round(s, 2) for mode, s in zip(MODES, strengths.tolist())})

# %% tags=["check:03.4"]
check("03.4", fit_by_gradient)

# %% [markdown] tags=["solution-only"]
# **The bug.** `binary_cross_entropy_with_logits` applies the sigmoid itself. Given `sigmoid(gap)` it applied it twice, so its
# probability could not leave the range from $\sigma(0) = 0.5$ to $\sigma(1) = 0.73$. It could never reach 0.94, so it pulled the
# strengths ever further apart. The order survives, because both sigmoids are increasing; the scale does not. A bug that keeps the
# order is the hardest kind to notice: check a *number*.

# %% [markdown]
# {{exercise 03.5}}
#
# People make mistakes: now and then their thoughts are elsewhere. Christiano et al. (2017, section 2.2.3) assume that with
# probability `error_rate` a label is drawn at random, either side with probability 1/2, whatever the scores are. (It is not
# reversed; a random label is right half of the time.) Otherwise it follows Bradley–Terry. Write the loss of 03.1 with the
# probabilities of such a rater. With an error rate of 0 it is that loss. What is the largest loss that one wrong label can
# cause now?

# %% tags=["exercise:03.5"]
def robust_loss(r1, r2, mu, error_rate):
    """Mean negative log-likelihood when a share `error_rate` of the labels is random.

    r1, r2, mu: (pairs,), as in 03.1.
    """
    # BEGIN SOLUTION
    at_random = torch.full_like(r1, error_rate / 2).log()                      # (pairs,), -inf for an error rate of 0
    attentive = torch.full_like(r1, 1 - error_rate).log()
    # logaddexp(a, b) is log(exp(a) + exp(b)) and never rounds to log 0
    log_first = torch.logaddexp(attentive + F.logsigmoid(r1 - r2), at_random)
    log_second = torch.logaddexp(attentive + F.logsigmoid(r2 - r1), at_random)
    return -(mu * log_first + (1 - mu) * log_second).mean()
    # END SOLUTION

# %% tags=["check:03.5"]
check("03.5", robust_loss)

# %% [markdown] tags=["solution-only"]
# **Why it works.** It is $p = (1 - e)\,\sigma(r_1 - r_2) + e/2$ and its counterpart, computed as logarithms, so that it also survives an
# error rate of 0 and a difference of 200; `torch.log` of the sum itself is right wherever the error rate is above 0. Neither probability can fall below `error_rate / 2`, so one label adds at most $-\log(0.05) = 3.0$ nats at
# an error rate of 0.1, and its gradient vanishes as it becomes less likely. **Label smoothing** looks similar and is not: its loss
# still grows without bound.

# %% [markdown]
# {{exercise 03.6}}
#
# A comparison of this lesson was made by two people: one rated the first text, one the second, and the text with the higher number
# won. How well do all the others predict it? Compare the mean rating of all **other** raters of the first text with the mean of all
# other raters of the second. This leave-one-out **human agreement** is the reference for every model of these preferences.

# %% tags=["exercise:03.6"]
def leave_one_out_agreement(first_ratings, first_rater, second_ratings, second_rater):
    """Share of comparisons that the others predict, a number; equal means count as half right.

    first_ratings, second_ratings: for each pair a list with all ratings of the text.
    first_rater, second_rater: for each pair the position of the rating that was drawn.
    """
    # BEGIN SOLUTION
    agreed = 0.0
    for first, i, second, j in zip(first_ratings, first_rater, second_ratings, second_rater):
        others_first = (sum(first) - first[i]) / (len(first) - 1)
        others_second = (sum(second) - second[j]) / (len(second) - 1)
        if others_first == others_second:
            agreed += 0.5
        elif (others_first > others_second) == (first[i] > second[j]):
            agreed += 1
    return agreed / len(first_rater)
    # END SOLUTION

# %% tags=["check:03.6"]
check("03.6", leave_one_out_agreement)

# %% [markdown] tags=["solution-only"]
# **Why it works.** Leaving the drawn raters out is what makes the number honest. With them in, a lone enthusiast drags the mean
# toward their own rating and "agrees" with it, and the agreement looks higher than it is. It is a reference, not a limit: the mean
# of some 20 raters is itself noisy, so a perfect score could predict a little more.

# %% [markdown]
# ## What you learned
#
# The loss that every later lesson uses; what a tie is and what a skip is; that a fit may keep the order and lose the scale;
# how to assume an error rate; how to measure human agreement.
#
# **What failed here, on purpose:** a fit with two sigmoids, which no error message will ever tell you about.
#
# **Further reading.** P. Christiano et al. (2017), *Deep reinforcement learning from human preferences*, sections 2.2.2 and 2.2.3.
# Back to the [lesson](../notebooks/03_bradley_terry.ipynb).
