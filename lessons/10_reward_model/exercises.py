# %% [markdown]
# # Lesson 10 exercises: reward models for text
#
# **Goals.** Get every comparison out of a ranking; read a reward at the right position; weight labels by confidence; say what a majority is
# worth and how much of an agreement is chance; know where labels are best spent.
#
# **Time.** {{time}}
# **Builds on** lessons 03 and 08; do each
# exercise when the [lesson](../notebooks/10_reward_model.ipynb) sends you here.

# %%
import math

import torch
import torch.nn.functional as F

from course_lib import check, hint

# %% [markdown]
# {{exercise 10.1}}
#
# Somebody reads several texts and puts them in order. That is more than one comparison: it is one for *each pair* of them. Write them
# down for the loss of 03.1: for all positions `i < j`, in the order (0, 1), (0, 2), …, with `mu` = 1 where item `i` is better, 0 where
# item `j` is, and 0.5 where both have the same rank.
#
# `ranks` has one number for each item. Rank 0 is the best. So `ranks = [1, 0, 1]` means that the middle one of three won and the other two
# share the place behind it: `first` is `[0, 0, 1]`, `second` is `[1, 2, 2]`, `mu` is `[0, 0.5, 1]`.

# %% tags=["exercise:10.1"]
def pairs_from_ranking(ranks):
    """Three lists of length k (k - 1) / 2: first position, second position, mu.

    ranks: k numbers, 0 the best; equal numbers are a tie.
    """
    # BEGIN SOLUTION
    first, second, mu = [], [], []
    for i in range(len(ranks)):
        for j in range(i + 1, len(ranks)):
            first.append(i)
            second.append(j)
            tied = ranks[i] == ranks[j]
            mu.append(0.5 if tied else float(ranks[i] < ranks[j]))
    return first, second, mu
    # END SOLUTION

# %% tags=["check:10.1"]
check("10.1", pairs_from_ranking)

# %% [markdown] tags=["solution-only"]
# **Why all pairs?** Transitivity: whoever puts A before B before C has also said A before C. The three comparisons are not independent,
# since one reading made them all, and section 10.4 measures how much they are worth.

# %% [markdown]
# {{exercise 10.2}}
#
# A transformer with a scalar head gives a number at *every* token. The reward of a text is the one at its last token: only there has
# the model read all of it. Texts of different lengths share a batch, filled up behind with padding.
#
# This function reads the reward. It runs, the shapes fit, training with it even works a little, and when you score one text at a time
# it is right. Its one line is wrong. Correct it.

# %% tags=["exercise:10.2"]
def rewards_at_the_end(scores, lengths):
    """The reward of each text, (B,).

    scores: (B, T) the head's number at every token. lengths: (B,) how many tokens of each row
    are not padding.
    """
    # BEGIN SOLUTION
    return scores[torch.arange(len(scores)), lengths - 1]
    # INSTEAD
    # return scores[:, -1]            # the last token has read all the others
    # END SOLUTION

# %% [markdown]
# One text of two tokens, alone and beside one of four. Its reward should not care who sits next to it:

# %%
alone = torch.tensor([[0.1, 0.5]])
together = torch.tensor([[0.1, 0.5, 7.0, 9.0], [1.0, 2.0, 3.0, 4.0]])
print("alone:    ", rewards_at_the_end(alone, torch.tensor([2])).tolist())
print("together: ", rewards_at_the_end(together, torch.tensor([2, 4])).tolist())

# %% tags=["check:10.2"]
check("10.2", rewards_at_the_end)

# %% [markdown] tags=["solution-only"]
# **The bug.** `scores[:, -1]` is the last *column*. For all but the longest text of a batch that is padding: a number that was never
# trained to mean anything, or, worse, was trained to make up for the length of the others. Nothing crashes, because padding is made of
# ordinary tokens. A cheap test finds this bug in every model that reads batches: score one text alone, then in company.

# %% [markdown]
# {{exercise 10.3}}
#
# Stiennon et al. (2020) asked their labelers how sure they were, on nine points. The label store turns that into a weight between
# 0.25 ("barely") and 1 ("surely"). Write the loss that uses it: the *weighted mean* of the negative log-likelihoods (NLL) of 03.1,
#
# $$\text{loss} = \frac{\sum_i w_i \cdot \text{NLL}_i}{\sum_i w_i}.$$

# %% tags=["exercise:10.3"]
def confidence_loss(r1, r2, mu, weight):
    """Weighted mean negative log-likelihood of the labels, a scalar tensor.

    r1, r2, mu: (pairs,), as in 03.1. weight: (pairs,) how much each label counts.
    """
    # BEGIN SOLUTION
    nll = F.binary_cross_entropy_with_logits(r1 - r2, mu, reduction="none")        # (pairs,)
    return (weight * nll).sum() / weight.sum()
    # END SOLUTION

# %% tags=["check:10.3"]
check("10.3", confidence_loss)

# %% [markdown] tags=["solution-only"]
# **Why divide by the sum of the weights?** So that a person who is never sure does not make the loss, and with it every step of the
# optimiser, four times as small. Only the *ratios* of the weights count.

# %% [markdown]
# {{exercise 10.4}}
#
# One rater is right with chance $p$. Ask $k$ of them, take the majority, and toss a coin when the vote is tied. If they err
# *independently*, how often is the majority right? (Condorcet asked this about juries in 1785.) Section 10.3 compares your answer with
# what real raters do.

# %% tags=["exercise:10.4"]
def majority_right(p, raters):
    """Chance that the majority of `raters` independent raters is right, a number.

    p: chance that one rater is right.
    """
    # BEGIN SOLUTION
    total = 0.0
    for right in range(raters + 1):
        chance = math.comb(raters, right) * p ** right * (1 - p) ** (raters - right)
        if 2 * right > raters:
            total += chance
        elif 2 * right == raters:
            total += chance / 2
    return total
    # END SOLUTION

# %% tags=["check:10.4"]
check("10.4", majority_right)

# %% [markdown]
# {{exercise 10.5}}
#
# You and the crowd agree on 80% of the pairs. Is that much? If you both say "first" nine times in ten, two people who never read a word
# would agree on 82%. Cohen (1960) takes the chance out:
#
# $$\kappa = \frac{\text{same} - \text{chance}}{1 - \text{chance}},$$
#
# where *same* is the share of items on which both say the same, and *chance* is how often that would happen if each gave every answer as
# often as they do, but without looking at the item.

# %% tags=["exercise:10.5"]
def cohen_kappa(one, other):
    """Agreement beyond chance of two labelers, a number.

    one, other: two lists of the same length; labels of the same pairs: 1, 0 or 0.5 for a tie.
    """
    # BEGIN SOLUTION
    count = len(one)
    same = sum(a == b for a, b in zip(one, other)) / count
    chance = sum(one.count(word) / count * other.count(word) / count for word in set(one))
    return (same - chance) / (1 - chance)
    # END SOLUTION

# %% tags=["check:10.5"]
check("10.5", cohen_kappa)

# %% [markdown] tags=["solution-only"]
# **Read it with care.** Kappa asks how far two people agree, not whether either is right, and it falls when one answer is rare. Look at
# the share of agreement beside it, always.

# %% [markdown]
# {{exercise 10.6}}
#
# Where would you spend your budget? Each line offers two ways to get a reward model. Which one predicts more *unseen* preferences? Answer each
# with `"first"` or `"second"`, before you read section 10.3 and what follows; a *reading* is one person reading one text.
#
# - **model**: 300 labels on what a pretrained model knows, or 10,000 labels on words (lesson 03);
# - **1,000 labels**: a small transformer trained from scratch, or words;
# - **4,000 readings**: 2,000 pairs, each text read by one person, or 222 pairs, each text read by nine;
# - **1,200 readings**: 600 pairs, or 300 rankings of four texts.

# %% tags=["exercise:10.6"]
def prediction():
    """Which of the two ways predicts more unseen preferences."""
    # BEGIN SOLUTION
    return {
        "model": "first",
        "1,000 labels": "second",
        "4,000 readings": "first",
        "1,200 readings": "second",
    }
    # INSTEAD
    # return {
    #     "model": ...,
    #     "1,000 labels": ...,
    #     "4,000 readings": ...,
    #     "1,200 readings": ...,
    # }
    # END SOLUTION

# %% tags=["check:10.6"]
check("10.6", prediction)

# %% [markdown]
# ## What you learned
#
# A ranking of k items holds k (k − 1) / 2 comparisons; a reward is read at the last real token; weights are ratios; a majority is worth more
# the more independent its members are; agreement has a chance level.
#
# **What failed here, on purpose:** a reward that changed with the neighbours in the batch, which no error message will ever tell you
# about.
#
# **Further reading.** L. Ouyang et al. (2022), section 3.5; N. Stiennon et al. (2020), section 3.4 and appendix C; J. Cohen (1960),
# *A coefficient of agreement for nominal scales*. Back to the [lesson](../notebooks/10_reward_model.ipynb).
