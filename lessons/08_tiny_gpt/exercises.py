# %% [markdown]
# # Lesson 08 exercises: a tiny GPT
#
# **Goals.** Write causal attention, and the memory that makes writing fast; find the bug that shifts every log-probability by one; draw
# tokens with temperature and top-k; measure models in bits per character; know where the parameters are.
#
# **Time.** {{time}}
# **Builds on** lesson 08; do each exercise when the
# [lesson](../notebooks/08_tiny_gpt.ipynb) sends you here.
#
# Run a cell with Shift+Enter. Each `check` shows what was called, what was expected and what came. After two misses it offers a
# hint; `hint("08.1")` asks for one. When a check passes, your function is saved, and the lesson's model runs on it.

# %%
import math

import torch

from course_lib import check, hint

torch.set_num_threads(1)

# %% [markdown]
# {{exercise 08.1}}
#
# Every position has a *query* (what it looks for), a *key* (what it is found by) and a *value* (what it tells). Position $t$ compares
# its query with the keys of all positions up to and including its own, turns the scores into weights that sum to 1, and takes
# the so weighted mean of their values:
#
# $$\text{softmax}\!\Big(\frac{QK^\top}{\sqrt{D}}\Big)V, \qquad \text{where no position sees a later one.}$$
#
# The shapes are `(B, H, T, D)`: texts, heads, positions, width of a head. Use the last two dimensions and the rest comes by itself.

# %% tags=["exercise:08.1"]
def causal_attention(q, k, v):
    """What each position makes of itself and its past, (B, H, T, D).

    q, k, v: (B, H, T, D), with the same T for all three. (Exercise 08.2 has fewer queries.)
    """
    # BEGIN SOLUTION
    T, D = q.shape[-2:]
    scores = q @ k.transpose(-2, -1) / math.sqrt(D)                        # (B, H, T, T): row = query, column = key
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    scores = scores.masked_fill(future, float("-inf"))
    return scores.softmax(dim=-1) @ v                                      # (B, H, T, D)
    # END SOLUTION

# %% tags=["check:08.1"]
check("08.1", causal_attention)

# %% [markdown] tags=["solution-only"]
# **Why before the softmax?** $e^{-\infty}$ is 0, so a crossed-out key gets no weight and the others share it all. Crossed out afterwards,
# the weights of the early positions would sum to less than 1. **Why the root?** A dot product of two random vectors of width $D$ has
# a spread of $\sqrt{D}$; without the division wide heads would look at one single key from the start.

# %% [markdown]
# {{exercise 08.2}}
#
# A model that writes works on one new token at a time. The keys and values of the earlier positions have not changed since the last
# step, so it keeps them: the *KV cache*. Write the step. It gets queries, keys and values of `S` new positions (mostly one) and the
# keys and values of the `P` positions before (`P` may be 0); it returns what the new positions mix, and **all** keys and values for
# next time.
#
# The queries are the last positions of the text: query `s` stands at place `P + s` and sees the places up to there. `causal_attention`
# of 08.1 was for as many queries as keys; write its four lines again, with the mask that belongs here.

# %% tags=["exercise:08.2"]
def attend_next(q, k, v, past_k, past_v):
    """(mixed (B, H, S, D), all keys (B, H, P + S, D), all values (B, H, P + S, D)).

    q, k, v: (B, H, S, D) of the new positions. past_k, past_v: (B, H, P, D).
    """
    # BEGIN SOLUTION
    k, v = torch.cat([past_k, k], dim=2), torch.cat([past_v, v], dim=2)    # (B, H, P + S, D)
    P, S = past_k.shape[2], q.shape[2]
    future = torch.arange(P + S) > P + torch.arange(S)[:, None]            # (S, P + S)
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])              # (B, H, S, P + S)
    weights = scores.masked_fill(future, float("-inf")).softmax(dim=-1)
    return weights @ v, k, v
    # END SOLUTION

# %% tags=["check:08.2"]
check("08.2", attend_next)

# %% [markdown] tags=["solution-only"]
# **Note.** Queries are never kept: an old position's question has been answered. And with one new position the mask does nothing, for
# the newest position may see everything. It matters for the prompt, which is read in one go.

# %% [markdown]
# {{exercise 08.3}}
#
# Reinforcement learning for language models is built on one number per token: the log-probability that the model gave it. The
# function below computes it. It runs, the shape is right, the values are all negative, training with it changes the model; and it is
# **wrong**. Find out why and mend it.

# %% tags=["exercise:08.3"]
def token_logprobs(logits, tokens):
    """Log-probability of each token given those before it, (B, T - 1); none for the first.

    tokens: (B, T). logits: (B, T, V), what the model said after reading each of the tokens.
    """
    logprobs = torch.log_softmax(logits, dim=-1)                           # (B, T, V)
    # BEGIN SOLUTION
    said = logprobs[:, :-1].gather(-1, tokens[:, 1:, None])                # (B, T - 1, 1)
    # INSTEAD
    # said = logprobs.gather(-1, tokens[:, :, None])[:, 1:]      # about the first: nothing said
    # END SOLUTION
    return said.squeeze(-1)

# %% [markdown]
# A model with four words that says "next comes the following number, for sure" reads 0, 1, 2, 3. It was right each time, so all its
# log-probabilities should be 0.

# %%
sure = torch.full((1, 4, 4), -20.0)
for place, following in enumerate((1, 2, 3, 0)):
    sure[0, place, following] = 20.0
print(token_logprobs(sure, torch.tensor([[0, 1, 2, 3]])))

# %% tags=["check:08.3"]
check("08.3", token_logprobs)

# %% [markdown] tags=["solution-only"]
# **The bug.** Each token was looked up in the logits of its *own* place, which were computed after reading it. They are about the next
# token. So the function measures how much the model likes to say the same letter twice. Nothing crashes. In lesson 11 the ratio of new to
# old probabilities would still be 1 at the start, the loss would still move, and the policy would learn nonsense.

# %% [markdown]
# {{exercise 08.4}}
#
# From logits to the probabilities from which the next token is drawn. Two knobs: the *temperature* divides the logits; *top-k* leaves
# only the `k` best tokens of each row. Temperature 0 means: the best token, for sure.

# %% tags=["exercise:08.4"]
def next_token_probs(logits, temperature=1.0, top_k=None):
    """Probabilities (B, V) from logits (B, V). top_k: None leaves all tokens in."""
    # BEGIN SOLUTION
    if temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).float()
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        worst_kept = logits.topk(top_k, dim=-1).values[:, -1:]             # (B, 1)
        logits = logits.masked_fill(logits < worst_kept, float("-inf"))
    return logits.softmax(dim=-1)
    # END SOLUTION

# %% tags=["check:08.4"]
check("08.4", next_token_probs)

# %% [markdown]
# {{exercise 08.5}}
#
# One model reads characters, another one pieces of words. Their losses per token cannot be compared: a piece is harder to guess than a
# character and there are fewer of them. Per *character* of the text they can. You get, for each text, the surprise at each of its
# tokens in nats; the last one is the surprise at the text's end, which counts as one character more. Return bits per character over all
# texts together. (One bit is $\log 2$ nats.)

# %% tags=["exercise:08.5"]
def bits_per_char(surprises, texts):
    """A number. surprises: list of (tokens,) tensors, in nats. texts: list of str."""
    # BEGIN SOLUTION
    nats = sum(surprise.sum().item() for surprise in surprises)
    characters = sum(len(text) + 1 for text in texts)
    return nats / characters / math.log(2)
    # END SOLUTION

# %% tags=["check:08.5"]
check("08.5", bits_per_char)

# %% [markdown]
# {{exercise 08.6}}
#
# How many numbers does training set in a GPT with `vocab_size` tokens, `context` positions, `layers` blocks and a stream of `width`
# numbers? Work it out from the model as the lesson prints it. **Predict first:** which part holds most of the character model's
# parameters, and which part most of GPT-2's?

# %% tags=["exercise:08.6"]
def parameter_count(vocab_size, context, layers, width):
    """Parameters of a GPT, biases and norms included; the tied output table counts once."""
    # BEGIN SOLUTION
    attention = 4 * width * width + 4 * width                              # C to 3C, C to C
    mlp = 8 * width * width + 5 * width                                    # C to 4C, 4C to C
    norms = 2 * 2 * width
    tables = (vocab_size + context) * width
    return tables + layers * (attention + mlp + norms) + 2 * width
    # END SOLUTION

# %% tags=["solution-only"]
for name, shape in {"this lesson's": (97, 192, 4, 128), "GPT-2": (50_257, 1_024, 12, 768)}.items():
    print(f"{name:14s} {parameter_count(*shape):11,d} parameters")

# %% tags=["check:08.6"]
check("08.6", parameter_count)

# %% [markdown]
# ## What you learned
#
# Attention is a weighted mean over the past; the mask goes in before the softmax; old keys and values can be kept; the logits at a place
# are about the *next* token; temperature works on logits; only bits per character compare different tokenizers.
#
# **What failed here, on purpose:** log-probabilities of the wrong token, in the right shape.
#
# **Further reading.** A. Vaswani et al. (2017), *Attention is all you need*, section 3.2. Back to the
# [lesson](../notebooks/08_tiny_gpt.ipynb).
