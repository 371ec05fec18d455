# %% [markdown]
# # Lesson 15 exercises: evaluate and scale
#
# **Goals.** Weigh two rewards against each other. Read a report of an evaluation. Take position bias out of a judge, length out of a reward, and optimism
# out of an ensemble. Average gradients of several processes. Keep weights in eight bits. Measure whom a classifier's false alarms fall on.
#
# **Time.** {{time}}
# **Builds on** lessons 10, 13 and 14; do each exercise when the [lesson](../notebooks/15_evaluate_and_scale.ipynb) sends you here.

# %%
import torch

from course_lib import check, hint

# %% [markdown]
# {{exercise 15.1}}
#
# Two reward models score the answers to each request: how helpful, and how harmless. Each has a scale of its own, so each is first
# divided by its standard deviation over *all* answers to all requests. Then a weight $w$ mixes them: $w \cdot \text{helpful} + (1 - w) \cdot \text{harmless}$.

# %% tags=["exercise:15.1"]
def best_by_weight(helpful, harmless, weights):
    """(W, requests) int64: for each weight, which answer of each request has the largest mixed reward.

    helpful, harmless: (requests, n) rewards. weights: (W,) of the helpful reward, from 0 to 1. Each reward is divided by its
    standard deviation (torch's std) over all its requests * n numbers. Of equal rewards the first one is kept.
    """
    # BEGIN SOLUTION
    helpful, harmless = helpful / helpful.std(), harmless / harmless.std()
    w = weights[:, None, None]                                              # (W, 1, 1)
    return (w * helpful + (1 - w) * harmless).argmax(dim=-1)                # (W, requests)
    # END SOLUTION

# %% tags=["check:15.1"]
check("15.1", best_by_weight)

# %% [markdown] tags=["solution-only"]
# **Why not one standard deviation for each request?** Then a request whose answers hardly differ would count as much as one whose answers differ a lot. And the mean need
# not be subtracted: it is the same for all answers, so it changes no choice.

# %% [markdown]
# {{exercise 15.2}}
#
# Four reports. What would happen? Answer `"first"` or `"second"` for each.
#
# - `"raters"`: a win rate on 20 prompts with 10 raters each gets 90 raters more, for the same prompts. The interval *by prompt* becomes (first) about a third as
#   wide; (second) hardly narrower, since the prompts stay the same.
# - `"always A"`: a judge answers A whatever it reads. The better text stands first in half of the pairs. Its agreement with people is (first) about 50%;
#   (second) about 0%.
# - `"one order"`: all new answers are shown as A, all old ones as B, to a judge that favours A. The win rate of the new ones is (first) too
#   high; (second) right, if there are enough pairs.
# - `"raters who like length"`: a reward with length bias chooses the best of 16. Raters who like long texts compare it blind with single samples. Its win rate (first)
#   goes up, although nothing but the length changed; (second) stays at 50%.

# %% tags=["exercise:15.2"]
def prediction():
    """What happens in each of the four reports."""
    # BEGIN SOLUTION
    return {"raters": "second", "always A": "first", "one order": "first", "raters who like length": "first"}
    # INSTEAD
    # return {"raters": ..., "always A": ..., "one order": ..., "raters who like length": ...}
    # END SOLUTION

# %% tags=["check:15.2"]
check("15.2", prediction)

# %% [markdown] tags=["solution-only"]
# A blind comparison protects against knowing whose answer it is. It does not protect against raters who like something that you do not want.

# %% [markdown]
# {{exercise 15.3}}
#
# A judge has read each pair in both orders. Averaging the two logits takes out what the *position* adds, if it adds the same in both orders. How
# far can the judge be trusted?

# %% tags=["exercise:15.3"]
def swap_test(logits):
    """(probability, consistent, says_first): a (pairs,) tensor and two floats.

    logits: (pairs, 2), how much the judge prefers the *first text* of each pair: in column 0 it stood first, in column 1 second. A
    logit above 0 is a preference for the first text, any other one for the second text.
    probability: that the first text is preferred, from the mean of both logits. consistent: share of pairs with the same
    preference in both orders. says_first: share of all 2 * pairs preferences that are for the text that stood first.
    """
    # BEGIN SOLUTION
    preferred = logits > 0                                                  # (pairs, 2) for the first text
    consistent = (preferred[:, 0] == preferred[:, 1]).float().mean().item()
    stood_first = torch.stack([preferred[:, 0], ~preferred[:, 1]])          # (2, pairs) for the text that stood first
    return torch.sigmoid(logits.mean(dim=1)), consistent, stood_first.float().mean().item()
    # END SOLUTION

# %% tags=["check:15.3"]
check("15.3", swap_test)

# %% [markdown] tags=["solution-only"]
# In column 1 the first text stands *second*, so a preference for the text that stood first is a preference for the second text: the `~`. Averaging logits and not
# probabilities: position adds to the logit, and near 0 and 1 probabilities hardly move.

# %% [markdown]
# {{exercise 15.4}}
#
# A reward goes up with length. Fit the straight line in length that explains it best (least squares), and subtract what the line adds.

# %% tags=["exercise:15.4"]
def length_controlled(rewards, lengths):
    """(texts,) rewards that no longer go with length, with the same mean as before.

    rewards, lengths: (texts,) float. Subtract slope * (length - mean length), with the slope of the least-squares line through
    (length, reward). Where all lengths are equal there is no slope: return the rewards as they are.
    Stay in torch: gradients should flow through the rewards, the slope among them.
    """
    # BEGIN SOLUTION
    centred = lengths - lengths.mean()                                      # (texts,)
    squares = centred.square().sum()
    if squares == 0:
        return rewards
    slope = (centred * rewards).sum() / squares
    return rewards - slope * centred
    # END SOLUTION

# %% tags=["check:15.4"]
check("15.4", length_controlled)

# %% [markdown] tags=["solution-only"]
# What is left is *uncorrelated* with length, not independent of it: a reward that likes texts of medium length keeps doing so. Singhal et al. (2023) compare several
# ways; matching pairs by length (exercise 13.3) is another.

# %% [markdown]
# {{exercise 15.5}}
#
# **Best-of-n with a conservative reward.** Several proxies score the same samples. Bring each to mean 0 and standard deviation 1, take the mean over the proxies and
# subtract $k$ times their standard deviation: where they disagree, be careful.

# %% tags=["exercise:15.5"]
def conservative_best(rewards, k):
    """(prompts,) int64: which of the n samples of each prompt has the largest mean - k * std over the proxies.

    rewards: (members, prompts, n). Each member is first standardized over all its prompts * n rewards (torch's mean and std). The std
    over the members divides by their number (correction=0), so it is 0 for a single member.
    """
    # BEGIN SOLUTION
    flat = rewards.flatten(1)                                               # (members, prompts * n)
    flat = (flat - flat.mean(dim=1, keepdim=True)) / flat.std(dim=1, keepdim=True)
    scores = flat.mean(dim=0) - k * flat.std(dim=0, correction=0)           # (prompts * n,)
    return scores.view(rewards.shape[1:]).argmax(dim=1)                     # (prompts,)
    # END SOLUTION

# %% tags=["check:15.5"]
check("15.5", conservative_best)

# %% [markdown] tags=["solution-only"]
# Reward models are determined up to a constant (lesson 03) and, fitted to other labels, come out on other scales. Without standardizing, the member with the largest numbers
# decides alone, and the standard deviation measures scales and not doubt.

# %% [markdown]
# {{exercise 15.6}}
#
# **Data parallelism.** Each process computes the gradient of the *mean* loss over the tokens of *its own* shard. Together they want the gradient of the
# mean loss over *all* tokens. One process may have drawn no token at all: its gradient is the mean of nothing, nan.

# %% tags=["exercise:15.6"]
def average_gradients(gradients, tokens):
    """(D,) gradient of the mean loss over all tokens of all processes.

    gradients: (processes, D), each of the mean loss over that process's own tokens; nan where it has none. tokens: (processes,) int64, how
    many tokens each process has, at least one of them more than 0.
    """
    # BEGIN SOLUTION
    used = tokens > 0                                                       # (processes,)
    share = tokens[used] / tokens.sum()                                     # (used,)
    return (share[:, None].to(gradients.dtype) * gradients[used]).sum(dim=0)
    # END SOLUTION

# %% tags=["check:15.6"]
check("15.6", average_gradients)

# %% [markdown] tags=["solution-only"]
# **Why is nan times 0 not enough?** `0 * nan` is nan, so the empty process has to be left out, not weighted with 0. In practice each process sends the *sum* of its losses and its
# number of tokens, and divides by the total.

# %% [markdown]
# {{exercise 15.7}}
#
# **Absmax quantisation.** Keep a frozen weight matrix as whole numbers from −127 to 127 and one scale for each row: weight ≈ codes × scale.

# %% tags=["exercise:15.7"]
def quantize_rows(weight):
    """(codes, scale): codes (out, in) int8, scale (out, 1) in the weight's own dtype.

    weight: (out, in). The scale of a row is its largest absolute value / 127; codes are weight / scale, rounded. A row of zeros has
    scale 1 and codes 0.
    """
    # BEGIN SOLUTION
    largest = weight.abs().amax(dim=1, keepdim=True)                        # (out, 1)
    scale = torch.where(largest > 0, largest / 127, torch.ones_like(largest))
    return (weight / scale).round().to(torch.int8), scale
    # END SOLUTION

# %% tags=["check:15.7"]
check("15.7", quantize_rows)

# %% [markdown] tags=["solution-only"]
# `.to(torch.int8)` alone cuts towards 0, which makes the error twice as large and the weights too small. One scale for the whole matrix would let a single large weight take
# the precision of all rows.

# %% [markdown]
# {{exercise 15.8}}
#
# **False alarms.** A classifier flags every text whose probability is above a bound. Its **false positive rate** is the share of the *harmless* texts that it flags. How
# much does that depend on who is mentioned? Dixon et al. (2018) sum, over the terms, how far each term's rate is from the rate of all harmless texts together:
# $\text{FPED} = \sum_t |\text{FPR} - \text{FPR}_t|$, the **false positive equality difference**. It is 0 when every term gets the same rate.

# %% tags=["exercise:15.8"]
def false_alarms(probability, harmless, term, terms, bound=0.5):
    """(rates, difference): (terms,) false positive rate of each term, and their equality difference, a 0-dimensional tensor.

    probability: (texts,) that a text is toxic; above `bound` it is flagged. harmless: (texts,) bool, what people say; the other
    texts have no part in a false positive rate. term: (texts,) int64, from 0 to terms - 1, which term each text contains.
    A term without harmless texts has the rate nan and is left out of the difference.
    """
    # BEGIN SOLUTION
    flagged = (probability > bound).float()[harmless]                       # (harmless texts,)
    mentions = torch.nn.functional.one_hot(term[harmless], terms).float()   # (harmless texts, terms)
    rates = (flagged @ mentions) / mentions.sum(dim=0)                      # (terms,) 0 / 0 is nan
    return rates, (rates - flagged.mean()).abs().nansum()
    # END SOLUTION

# %% tags=["check:15.8"]
check("15.8", false_alarms)

# %% [markdown] tags=["solution-only"]
# The difference is a sum, so it grows with the number of terms: compare classifiers on the same ones. It also depends on the bound. Borkan et al. (2019) measure
# the same thing without one, by the AUC on texts with the term, and on harmless texts with it beside toxic texts without it.

# %% [markdown]
# ## What you learned
#
# Two rewards are brought to one scale before they are mixed. A judge is asked in both orders. A line in length can be subtracted. Proxies that disagree are
# distrusted. Gradients are averaged by tokens, not by processes. Eight bits are enough for weights that do not learn.
# A false positive rate is counted among harmless texts only, for each group by itself.
#
# **What fails:** mixing raw scales, one order, 0 times nan, cutting in place of rounding.
#
# **Further reading.** L. Zheng et al. (2023), *Judging LLM-as-a-judge*; T. Coste et al. (2023), *Reward model ensembles help mitigate overoptimization*; T. Dettmers et al. (2022),
# *LLM.int8()*; L. Dixon et al. (2018), *Measuring and mitigating unintended bias in text classification*. Back to the [lesson](../notebooks/15_evaluate_and_scale.ipynb).
