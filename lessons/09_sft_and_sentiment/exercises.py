# %% [markdown]
# # Lesson 09 exercises: HappyGPT
#
# **Goals.** Decide what fine-tuning learns and what it leaves alone; find the bug that blames every word for its neighbour; derive the
# policy gradient with a pen; build a baseline from siblings; count repetition; know where a dictionary of feelings goes wrong.
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
# to go on, not to make up prompts. And rows of unequal texts are filled up behind with *padding*, which is no text at all. torch's
# cross-entropy passes over every target of $-100$. A row looks like this (`E` is the end token):
#
# | column | 0 | 1 | 2 | 3 | 4 | 5 | 6 |
# |---|---|---|---|---|---|---|---|
# | token | E | `the` | `film` | `is` | `fine` | E | E |
# | | begins the text | prompt | prompt | completion | completion | ends it | padding |
#
# Here `prompt_tokens` is 2 and the length, without the padding, is 6. The target at place $t$ is the token at place $t+1$. The end token
# that *ends* the text is learned: a model that never learned to stop will not.

# %% tags=["exercise:09.1"]
def sft_targets(tokens, lengths, prompt_tokens):
    """What is to be learned at each place, (B, T), -100 where nothing is.

    tokens: (B, T + 1). lengths: (B,) tokens of each row that are no padding.
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
# **Why it works.** A target stands one place to the right of the logits that guess it, so compare the *target's* place with the prompt: in
# the row, the prompt fills places 1 to `prompt_tokens`. Padding is told apart by its place, not by its token: padding and the end of a
# text are the same token, and one of them must be learned.

# %% [markdown]
# {{exercise 09.2}}
#
# For the policy gradient a whole completion is one action, and its log-probability is the sum over its tokens. The rows hold prompt and
# completion, the completion from column `prompt_length` on, up to and including its first end token. This function runs, the model even
# becomes a little happier with it. But one line is at fault. Find it and mend it.

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
# **What was wrong.** The logits at a place are about the *next* token: the first token of the completion was drawn from what stands at the
# *last place of the prompt*. Shifted by one, every token is judged by what the model said after having read it, and the gradient pushes
# the wrong probabilities. Nothing crashes. In lesson 08 the same slip cost nothing but a wrong number; here it trains.

# %% [markdown]
# {{exercise 09.3}}
#
# A policy that can write only $K$ texts. It has a logit for each, $p = \text{softmax}(\text{logits})$, and text $i$ is paid $r_i$. What
# it earns on average is $J = \sum_i p_i r_i$. Take a pen: what is $\partial J / \partial \text{logit}_k$? You need
# $\partial p_i / \partial \text{logit}_k = p_i\,(\mathbb{1}[i = k] - p_k)$. Then write the answer as code, without autograd.

# %% tags=["exercise:09.3"]
def expected_reward_gradient(logits, rewards):
    """Slope of the expected reward along each logit, (K,). logits, rewards: (K,)."""
    # BEGIN SOLUTION
    p = torch.softmax(logits, dim=-1)
    return p * (rewards - (p * rewards).sum())
    # END SOLUTION

# %% tags=["solution-only"]
expected_reward_gradient(torch.zeros(3), torch.tensor([1.0, 2.0, 6.0]))    # who gains, who loses?

# %% tags=["check:09.3"]
check("09.3", expected_reward_gradient)

# %% [markdown] tags=["solution-only"]
# **Read it.** A text becomes likelier when it is paid more than the *average* text, and in proportion to how often it is written. So the
# exact gradient brings its own baseline. Only sampling loses it: one sample does not know the average.

# %% [markdown]
# {{exercise 09.4}}
#
# The model wrote several completions of each prompt. Some prompts are sad by themselves, some happy: a reward of 0.2 may be much or little.
# Compare each completion with the mean of the *other* completions of *its* prompt. Not with its own: whoever stands in their own
# average pulls against themselves.

# %% tags=["exercise:09.4"]
def leave_one_out(rewards):
    """Each reward minus the mean of its siblings', (prompts, copies), as rewards comes."""
    # BEGIN SOLUTION
    copies = rewards.shape[1]
    others = (rewards.sum(dim=1, keepdim=True) - rewards) / (copies - 1)
    return rewards - others
    # END SOLUTION

# %% tags=["solution-only"]
leave_one_out(torch.tensor([[1.0, 2.0, 6.0]]))     # siblings' means are 4, 3.5 and 1.5

# %% tags=["check:09.4"]
check("09.4", leave_one_out)

# %% [markdown] tags=["solution-only"]
# **Why leave one out?** With the mean of *all* copies, one's own included, every gradient comes out too short by the factor
# $(k-1)/k$: harmless here, for the learning rate can make up for it, but no longer the gradient of what was promised.
# `tests/test_lm_policy_gradient.py` shows both, exactly, on a model that can write seven texts.

# %% [markdown]
# {{exercise 09.5}}
#
# When a model repeats itself, its reward will not tell you. *distinct-n* will: take all runs of `n` neighbouring words of all the texts,
# lower case, split at white space. Which share of them are different? No run crosses from one text into the next; if there is no run at all,
# the answer is 0.

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
# VADER knows some 7,500 words with a weight each, adds up, and has a few rules: a negation like *not* shortly before a word turns it round,
# capitals and `!` make it stronger. What will it say about these sentences: `"positive"`, `"negative"` or `"neutral"` (exactly 0)? Predict
# what *VADER* says, not what is true. Commit yourself before you run anything.

# %% tags=["exercise:09.6"]
def vader_says():
    """What VADER makes of each sentence."""
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
# One rule right, four readers puzzled. This is the teacher that the lesson's model tries to please.
#
# ## What you learned
#
# Fine-tuning learns what you leave unmasked. A completion's log-probability begins at the last place of the prompt. The policy gradient
# compares with the average; siblings are an average for next to nothing. Repetition must be measured by itself.
#
# **What failed here, on purpose:** a shift by one that trains the wrong words, and a reward that reads words and not sentences.
#
# **Further reading.** R. J. Williams (1992), *Simple statistical gradient-following algorithms*. W. Kool et al. (2019), *Buy 4 REINFORCE
# samples, get a baseline for free!* J. Li et al. (2016), on distinct-n. Back to [lesson 09](../notebooks/09_sft_and_sentiment.ipynb).
