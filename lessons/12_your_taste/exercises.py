# %% [markdown]
# # Lesson 12 exercises: a language model and your own preferences
#
# **Goals.** LoRA, from its formula. The log-probability of a whole answer. Which answers can be compared. Cross-validation without leakage. The
# accuracy of length alone. The win rate of a blind comparison.
#
# **Time.** {{time}}
# **Builds on** lessons 03, 08 and 11; do each
# exercise when the [lesson](../notebooks/12_your_taste.ipynb) sends you here.

# %%
import torch

from course_lib import check, hint

# %% [markdown]
# {{exercise 12.1}}
#
# **LoRA** freezes a large layer and trains two small matrices beside it (Hu et al. 2021). A linear layer computes $Wx + b$.
# With an adapter of **rank** $r$ it computes
#
# $$y = W x + b + \frac{\alpha}{r}\, B A x$$
#
# where $A$ has $r$ rows and $B$ has $r$ columns. Only $A$ and $B$ are trained. The rank is not given to the function: read it off $A$.

# %% tags=["exercise:12.1"]
def lora_forward(x, weight, bias, A, B, alpha):
    """What the layer with its adapter makes of x, (..., out).

    x: (..., in). weight: (out, in). bias: (out,). A: (r, in). B: (out, r). alpha: a number.
    """
    # BEGIN SOLUTION
    update = x @ A.T @ B.T                                  # (..., r), then (..., out)
    return x @ weight.T + bias + alpha / A.shape[0] * update
    # END SOLUTION

# %% tags=["check:12.1"]
check("12.1", lora_forward)

# %% [markdown] tags=["solution-only"]
# **Why $\alpha / r$?** With a larger rank more products are added up. Dividing by $r$ limits the size of the update, so that a learning rate found
# at one rank need not be tuned again for another. (Whether $r$ or $\sqrt r$ is the right divisor is debated: rsLoRA.)
#
# **Why from right to left?** $A x$ has only $r$ numbers. Multiplying $B A$ first would make a matrix as large as $W$, which is what LoRA
# avoids while it trains. *After* training one does exactly that, once: $W + \frac{\alpha}{r} B A$ is a plain layer again (**merging**).

# %% [markdown]
# {{exercise 12.2}}
#
# DPO, PPO, RLOO and the KL divergence all need one number from a language model: the log-probability of a whole answer. The model gives **logits**
# $(B, L, V)$: those at position $t$ are about the token at position $t + 1$. `mask` $(B, L-1)$ is true in column $t$ where token $t + 1$
# belongs to the answer. Prompt and padding are not the policy's actions and do not count.
#
# The policy samples at a **temperature** $T$: its probabilities are the softmax of the logits divided by $T$.

# %% tags=["exercise:12.2"]
def answer_logprob(logits, tokens, mask, temperature):
    """Log-probability of each answer in nats, (B,): the sum over its tokens.

    logits: (B, L, V). tokens: (B, L). mask: (B, L - 1) bool. temperature: above 0.
    """
    # BEGIN SOLUTION
    logprobs = (logits[:, :-1] / temperature).log_softmax(dim=-1)                   # (B, L - 1, V)
    chosen = logprobs.gather(-1, tokens[:, 1:, None])[..., 0]                       # (B, L - 1)
    return torch.where(mask, chosen, 0.0).sum(dim=1)                                # (B,)
    # END SOLUTION

# %% tags=["check:12.2"]
check("12.2", answer_logprob)

# %% [markdown] tags=["solution-only"]
# **Why `torch.where` and not `chosen * mask`?** A padding token may have a log-probability of minus infinity, and minus infinity times
# zero is not a number. `where` selects, so that value is never used.
#
# A longer answer has a lower log-probability simply because it is longer. DPO compares the policy with its reference *on the same answer*, so this
# does no harm there. The log-probabilities of two answers cannot be compared in this way.

# %% [markdown]
# {{exercise 12.3}}
#
# Two answers can be compared only if they answer the same prompt. Two answers with the same text teach nothing, and an empty one is no
# answer. Which pairs are left?

# %% tags=["exercise:12.3"]
def pairs_to_ask(prompts, answers):
    """All pairs (i, j) with i < j that a person can compare, as a list of tuples in order.

    prompts, answers: lists of the same length; answers[k] answers prompts[k]. Spaces around an answer do not count.
    """
    # BEGIN SOLUTION
    texts = [answer.strip() for answer in answers]
    return [(i, j) for i in range(len(texts)) for j in range(i + 1, len(texts))
            if prompts[i] == prompts[j] and texts[i] and texts[j] and texts[i] != texts[j]]
    # END SOLUTION

# %% tags=["check:12.3"]
check("12.3", pairs_to_ask)

# %% [markdown] tags=["solution-only"]
# With four answers to a prompt this gives six pairs, more than one asks about: Ouyang et al. (2022) had people *rank* four to nine answers
# and used all pairs of a ranking. Such pairs are not independent of each other, which matters in the next exercise.

# %% [markdown]
# {{exercise 12.4}}
#
# Is a reward model right about pairs that it has *not* seen? **Cross-validation**: divide the labels into **folds**, fit on all folds but
# one, test on that one, and repeat for each fold. But pairs of the same prompt share words. If one of them is in the training part and another in the
# test fold, the model may recognize the words and not the preference. So all pairs of a *prompt* go into one fold.

# %% tags=["exercise:12.4"]
def folds_by_prompt(prompts, folds):
    """The fold of each pair, a list of whole numbers from 0 to folds - 1.

    prompts: of each pair. All pairs of a prompt have the same fold. Different prompts, in the order in which they first
    appear, go to folds 0, 1, 2, ... in turns, and begin at 0 again after the last.
    """
    # BEGIN SOLUTION
    order = list(dict.fromkeys(prompts))
    return [order.index(prompt) % folds for prompt in prompts]
    # END SOLUTION

# %% tags=["check:12.4"]
check("12.4", folds_by_prompt)

# %% [markdown] tags=["solution-only"]
# This mistake has a name, **leakage**, and is made in papers, too: sentences of one article in training and test, frames of one film, scans
# of one patient. The accuracy looks fine, and the model fails on the next article.

# %% [markdown]
# {{exercise 12.5}}
#
# People and LLM judges often prefer the longer answer *because* it is longer (**length bias**). So compare a reward model with **length alone**: the
# rule "the longer answer is better" or the rule "the shorter one is better", whichever fits these labels better.

# %% tags=["exercise:12.5"]
def length_alone(first_lengths, second_lengths, mu):
    """(share, rule): the share of strict preferences that the better rule gets right, and "longer" or "shorter".

    first_lengths, second_lengths: (pairs,) tensors. mu: (pairs,) 1 the first is preferred, 0 the second, 0.5 a tie. Ties
    among the labels are left out. Where both lengths are equal, either rule has to toss a coin: half right.
    "longer" where both rules are equally good. With no strict preference the share is nan, the rule "longer".
    """
    # BEGIN SOLUTION
    strict = mu != 0.5
    longer = (first_lengths - second_lengths)[strict].sign()                        # (strict,) 1, 0 or -1
    preferred = torch.where(mu[strict] > 0.5, 1.0, -1.0)                            # (strict,)
    share = ((longer * preferred + 1) / 2).mean().item()
    return (1 - share, "shorter") if share < 0.5 else (share, "longer")
    # END SOLUTION

# %% tags=["check:12.5"]
check("12.5", length_alone)

# %% [markdown] tags=["solution-only"]
# Choosing the better of two rules on the same labels is a fit, too, with one bit: on few labels the share is a little too high. A reward model
# that is hardly better than this may only have learned to count words.

# %% [markdown]
# {{exercise 12.6}}
#
# Is the new model better than the old one? A person compares their answers and must not know which is whose, so the side is drawn at random for
# each pair: `new_is_left`. Their answers are the words on the labeling widget's buttons.

# %% tags=["exercise:12.6"]
def win_rate(new_is_left, answers):
    """(rate, compared): how often the new model wins, and among how many pairs.

    new_is_left: one bool a pair. answers: "left", "right", "equal" or "skip", one a pair. An "equal" counts as half a win,
    a "skip" not at all. The rate is nan where nothing was compared.
    """
    # BEGIN SOLUTION
    worth = {"left": 1.0, "right": 0.0, "equal": 0.5}
    wins = [worth[answer] if left else 1 - worth[answer]
            for left, answer in zip(new_is_left, answers, strict=True) if answer != "skip"]
    return (sum(wins) / len(wins) if wins else float("nan")), len(wins)
    # END SOLUTION

# %% tags=["check:12.6"]
check("12.6", win_rate)

# %% [markdown] tags=["solution-only"]
# **Why draw the sides?** People and LLM judges can have a **position bias**: they choose one side more often whatever stands there. With sides drawn
# at random this moves the win rate towards one half; with the new model always on the left it would be added to the win rate.

# %% [markdown]
# ## What you learned
#
# LoRA adds a product of two small matrices to a large one, scaled by $\alpha / r$. The log-probability of an answer is the sum over its own tokens, at
# the policy's temperature. Only answers to the same prompt can be compared, and all pairs of a prompt go into one fold. Length alone is the baseline
# of a reward model. In a blind comparison the sides are drawn at random.
#
# **What fails:** counting the prompt's tokens, multiplying minus infinity by a mask, folds of single pairs, half a win for a skipped pair.
#
# **Further reading.** E. Hu et al. (2021), *LoRA: low-rank adaptation of large language models*; S. Kapoor and A. Narayanan (2023), *Leakage
# and the reproducibility crisis in machine-learning-based science*. Back to the [lesson](../notebooks/12_your_taste.ipynb).
