# %% [markdown]
# # Lesson 09 exercises: HappyGPT
#
# **Goals.** Decide what fine-tuning learns and what it leaves out; find a silent bug in the log-probability of a completion; derive the
# policy gradient with a pen; build a leave-one-out baseline; measure repetition; know where a sentiment dictionary goes wrong.
#
# **Time.** {{time}}
# **Builds on** lesson 09; do each exercise when
# the [lesson](../notebooks/09_sft_and_sentiment.ipynb) sends you here.
#
# Run a cell with Shift+Enter. Each `check` shows what was called, what was expected and what came. After two misses it offers a
# hint; `hint("09.1")` asks for one. When a check passes, your function is saved, and the lesson's model learns with it.

# %%
import torch

from course_lib import check, hint

torch.set_num_threads(1)

# %% [markdown]
# {{exercise 09.1}}
#
# Fine-tuning shows the model whole texts, but the beginning of each, the *prompt*, will be given when the model is used. It should learn
# to continue prompts, not to invent them. And short rows are filled up at their end with *padding*, which is no text at all. torch's
# cross-entropy ignores every target of $-100$. A row looks like this (`E` is the end token):
#
# | column | 0 | 1 | 2 | 3 | 4 | 5 | 6 |
# |---|---|---|---|---|---|---|---|
# | token | E | `the` | `film` | `is` | `fine` | E | E |
# | | begins the text | prompt | prompt | completion | completion | ends it | padding |
#
# Here `prompt_tokens` is 2 and the length, without the padding, is 6. The target at position $t$ is the token at position $t+1$. The end
# token that *ends* the text is learned: a model that never learned to stop will not stop.

# %% tags=["exercise:09.1"]
def sft_targets(tokens, lengths, prompt_tokens):
    """Target at each position, (B, T), -100 where nothing is learned.

    tokens: (B, T + 1). lengths: (B,) tokens of each row that are not padding.
    """
    # BEGIN SOLUTION
    place = torch.arange(1, tokens.shape[1])                               # of each target
    learned = (place > prompt_tokens) & (place < lengths[:, None])         # (B, T)
    return tokens[:, 1:].masked_fill(~learned, -100)
    # END SOLUTION

# %% tags=["solution-only"]
row = torch.tensor([[0, 11, 12, 13, 14, 0, 0]])
sft_targets(row, torch.tensor([6]), 2)                         # [-100, -100, 13, 14, 0, -100]

# %% tags=["check:09.1"]
check("09.1", sft_targets)

# %% [markdown] tags=["solution-only"]
# **Why it works.** A target stands one position to the right of the logits that predict it, so compare the *target's* position with the
# prompt, which fills positions 1 to `prompt_tokens`. Padding is recognised by its position, not by its token: padding and the end of a text
# are the same token, and one of them must be learned.

# %% [markdown]
# {{exercise 09.2}}
#
# For the policy gradient a whole completion is one action, and its log-probability is the sum over its tokens. The rows hold prompt and
# completion. The completion begins at column `prompt_length` and goes up to and including its first end token. This function runs, and the
# model even becomes a little happier with it. But one line is wrong. Find it and correct it.

# %% tags=["exercise:09.2"]
def completion_logprobs(logits, tokens, prompt_length, eos):
    """Log-probability of each row's completion, (B,). logits: (B, L, V); tokens: (B, L)."""
    completion = tokens[:, prompt_length:]                                 # (B, C)
    # BEGIN SOLUTION
    said = torch.log_softmax(logits[:, prompt_length - 1:-1], dim=-1)      # (B, C, V)
    # INSTEAD
    # said = torch.log_softmax(logits[:, prompt_length:], dim=-1)            # (B, C, V)
    # END SOLUTION
    logprobs = said.gather(-1, completion[..., None]).squeeze(-1)          # (B, C)
    ends = (completion == eos).long()
    chosen = ends.cumsum(dim=1) - ends == 0                    # up to and including the first end
    return (logprobs * chosen).sum(dim=1)

# %% tags=["check:09.2"]
check("09.2", completion_logprobs)

# %% [markdown] tags=["solution-only"]
# **What was wrong.** The logits at a position are about the *next* token: the first token of the completion was sampled from the logits at
# the *last position of the prompt*. Shifted by one, every token is scored by what the model predicted after having read it, and the gradient
# changes the wrong probabilities. Nothing crashes. In lesson 08 the same bug only gave a wrong number; here it trains.

# %% [markdown]
# {{exercise 09.3}}
#
# A policy can write only $K$ texts. It has a logit for each, $p = \text{softmax}(\text{logits})$, and text $i$ gets the reward $r_i$. Its
# expected reward is $J = \sum_i p_i r_i$. Take a pen: what is $\partial J / \partial \text{logit}_k$? You need
# $\partial p_i / \partial \text{logit}_k = p_i\,(\mathbb{1}[i = k] - p_k)$. Then write the answer as code, without autograd.

# %% tags=["exercise:09.3"]
def expected_reward_gradient(logits, rewards):
    """Gradient of the expected reward with respect to the logits, (K,). logits, rewards: (K,)."""
    # BEGIN SOLUTION
    p = torch.softmax(logits, dim=-1)
    return p * (rewards - (p * rewards).sum())
    # END SOLUTION

# %% tags=["solution-only"]
expected_reward_gradient(torch.zeros(3), torch.tensor([1.0, 2.0, 6.0]))    # which gain, which lose?

# %% tags=["check:09.3"]
check("09.3", expected_reward_gradient)

# %% [markdown] tags=["solution-only"]
# **Read it.** A text becomes likelier when its reward is above the *average*, and in proportion to how often it is written. So the exact
# gradient contains a baseline. Sampling loses it: one sample does not know the average.

# %% [markdown]
# {{exercise 09.4}}
#
# The model wrote several completions of each prompt. Some prompts are sad by themselves, some happy: a reward of 0.2 may be much or little.
# Compare each completion with the mean of the *other* completions of *its* prompt. Its own reward is left out: it would pull the baseline
# towards itself and make every difference too small.

# %% tags=["exercise:09.4"]
def leave_one_out(rewards):
    """Each reward minus the mean of the others of its prompt. rewards and result: (prompts, copies)."""
    # BEGIN SOLUTION
    copies = rewards.shape[1]
    others = (rewards.sum(dim=1, keepdim=True) - rewards) / (copies - 1)
    return rewards - others
    # END SOLUTION

# %% tags=["solution-only"]
leave_one_out(torch.tensor([[1.0, 2.0, 6.0]]))     # the means of the others are 4, 3.5 and 1.5

# %% tags=["check:09.4"]
check("09.4", leave_one_out)

# %% [markdown] tags=["solution-only"]
# **Why leave one out?** With the mean of *all* $k$ copies, its own included, every gradient comes out too small by the factor
# $(k-1)/k$. The learning rate can make up for that, but the estimate is no longer unbiased.
# `tests/test_lm_policy_gradient.py` shows both, exactly, on a model that can write seven texts.

# %% [markdown]
# {{exercise 09.5}}
#
# When a model repeats itself, its reward will not tell you. **distinct-n** will: take all runs of `n` neighbouring words (**n-grams**) of
# all the texts, in lower case, split at white space. What share of them are different? No run crosses from one text into the next; if there
# is no run at all, the answer is 0.

# %% tags=["exercise:09.5"]
def distinct_n(texts, n):
    """Share of different runs of n words among all, a number from 0 to 1."""
    # BEGIN SOLUTION
    runs = []
    for text in texts:
        words = text.lower().split()
        runs += [tuple(words[k:k + n]) for k in range(len(words) - n + 1)]
    return len(set(runs)) / len(runs) if runs else 0.0
    # END SOLUTION

# %% tags=["solution-only"]
distinct_n(["I love it", "I love love love"], 2)     # 5 pairs, 3 different ones

# %% tags=["check:09.5"]
check("09.5", distinct_n)

# %% [markdown] tags=["solution-only"]
# **A warning.** The more text, the more repetition: distinct-2 of a library is small. Compare equal numbers of texts of about equal length only.

# %% [markdown]
# {{exercise 09.6}}
#
# VADER knows some 7,500 words with a weight each, adds them up, and has a few rules: a negation like *not* shortly before a word flips its
# sign, capitals and `!` make it stronger. What will it say about these sentences: `"positive"`, `"negative"` or `"neutral"` (exactly 0)?
# Predict what *VADER* says, not what is true, before you run anything.

# %% tags=["exercise:09.6"]
def vader_says():
    """Sign of VADER's score for each sentence."""
    # BEGIN SOLUTION
    return {
        "The film was not bad at all.": "positive",
        "I expected to love it.": "positive",
        "Nobody will ever love this film.": "positive",
        "He won the war against cancer.": "negative",
        "The food was cold and the waiter never came.": "neutral",
    }
    # INSTEAD
    # return {
    #     "The film was not bad at all.": ...,
    #     "I expected to love it.": ...,
    #     "Nobody will ever love this film.": ...,
    #     "He won the war against cancer.": ...,
    #     "The food was cold and the waiter never came.": ...,
    # }
    # END SOLUTION

# %% tags=["check:09.6"]
check("09.6", vader_says)

# %% [markdown]
# Now ask it:

# %%
from course_lib.lm.sentiment import sentiment

for sentence in vader_says():
    print(f"{sentiment([sentence]).item():+.2f}  {sentence}")

# %% [markdown]
# It is right about the first and wrong about the other four. This is the reward that the lesson's model maximizes.
#
# ## What you learned
#
# Fine-tuning learns what you leave unmasked. A completion's log-probability begins with the logits at the last position of the prompt. The
# policy gradient compares with the average; leave-one-out gives an average almost for free. Repetition must be measured by itself.
#
# **What failed here, on purpose:** a shift by one that trains the wrong words, and a reward that reads words and not sentences.
#
# **Further reading.** R. J. Williams (1992), *Simple statistical gradient-following algorithms*. W. Kool et al. (2019), *Buy 4 REINFORCE
# samples, get a baseline for free!* J. Li et al. (2016), on distinct-n. Back to [lesson 09](../notebooks/09_sft_and_sentiment.ipynb).
