# %% [markdown]
# # Lesson 08 exercises: a tiny GPT
#
# **Goals.** Write causal attention, and the KV cache that makes generation fast; find the bug that shifts every log-probability by one;
# sample with temperature and top-k; measure models in bits per character; count parameters; build a GPT and its training loop.
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
# Every position has a *query* (what it looks for), a *key* (what it offers) and a *value* (what it passes on). Position $t$ compares
# its query with the keys of all positions up to and including its own, turns the scores into weights that sum to 1, and takes
# the weighted mean of their values:
#
# $$\text{softmax}\!\Big(\frac{QK^\top}{\sqrt{D}}\Big)V, \qquad \text{where no position sees a later one.}$$
#
# The shapes are `(B, H, T, D)`: texts, heads, positions, width of a head. Work on the last two dimensions; the first two are batched.

# %% tags=["exercise:08.1"]
def causal_attention(q, k, v):
    """The weighted mean of the values of each position and its past, (B, H, T, D).

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
# **Why before the softmax?** $e^{-\infty}$ is 0, so a masked key gets no weight and the others share all of it. Masked afterwards, the
# weights of the early positions would sum to less than 1. **Why the root?** The dot product of two random vectors of width $D$ has
# standard deviation $\sqrt{D}$; without the division the softmax of wide heads would put nearly all weight on one key from the start.

# %% [markdown]
# {{exercise 08.2}}
#
# In generation the model processes one new token at a time. The keys and values of the earlier positions have not changed since the last
# step, so it keeps them: the *KV cache*. Write the step. It gets queries, keys and values of `S` new positions (mostly one) and the
# keys and values of the `P` positions before (`P` may be 0); it returns the attention output of the new positions, and **all** keys and
# values for the next step.
#
# The queries are the last positions of the text: query `s` is at position `P + s` and sees the positions up to there. `causal_attention`
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
# **Note.** Queries are not kept: an old position needs no new output. And with one new position the mask does nothing, for the newest
# position may see everything. It matters for the prompt, which is processed in one step (the **prefill**).

# %% [markdown]
# {{exercise 08.3}}
#
# Reinforcement learning for language models is built on one number per token: the log-probability that the model gave it. The
# function below computes it. It runs, the shape is right, the values are all negative, training with it changes the model; and it is
# **wrong**. Find out why and correct it.

# %% tags=["exercise:08.3"]
def token_logprobs(logits, tokens):
    """Log-probability of each token given those before it, (B, T - 1); none for the first.

    tokens: (B, T). logits: (B, T, V), the model's output after reading each of the tokens.
    """
    logprobs = torch.log_softmax(logits, dim=-1)                           # (B, T, V)
    # BEGIN SOLUTION
    of_next = logprobs[:, :-1].gather(-1, tokens[:, 1:, None])             # (B, T - 1, 1)
    # INSTEAD
    # of_next = logprobs.gather(-1, tokens[:, :, None])[:, 1:]    # the first has no prediction
    # END SOLUTION
    return of_next.squeeze(-1)

# %% [markdown]
# A model with four words predicts "next comes the following number" with certainty, and reads 0, 1, 2, 3. It was right each time, so all
# its log-probabilities should be 0.

# %%
sure = torch.full((1, 4, 4), -20.0)
for place, following in enumerate((1, 2, 3, 0)):
    sure[0, place, following] = 20.0
print(token_logprobs(sure, torch.tensor([[0, 1, 2, 3]])))

# %% tags=["check:08.3"]
check("08.3", token_logprobs)

# %% [markdown] tags=["solution-only"]
# **The bug.** Each token was looked up in the logits of its *own* position, which were computed after reading it. They are about the next
# token. So the function returns the log-probability that the same letter comes twice. Nothing crashes. In lesson 11 the ratio of new to
# old probabilities would still be 1 at the start, the loss would still move, and the policy would learn nonsense.

# %% [markdown]
# {{exercise 08.4}}
#
# From logits to the probabilities from which the next token is sampled. Two settings: the *temperature* divides the logits; *top-k* leaves
# only the `k` best tokens of each row (all of them if there are no more than `k`). Temperature 0 means greedy decoding: the best token has
# probability 1.

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
# One model reads characters, another one pieces of words. Their losses per token cannot be compared: a piece is harder to predict than a
# character and there are fewer of them. Per *character* of the text they can. You get, for each text, the negative log-likelihood of each
# of its tokens in nats; the last one is that of the end token, which counts as one character more. Return bits per character over all
# texts together. (One bit is $\log 2$ nats.)

# %% tags=["exercise:08.5"]
def bits_per_char(nlls, texts):
    """A number. nlls: list of (tokens,) tensors, negative log-likelihoods in nats. texts: list of str."""
    # BEGIN SOLUTION
    nats = sum(nll.sum().item() for nll in nlls)
    characters = sum(len(text) + 1 for text in texts)
    return nats / characters / math.log(2)
    # END SOLUTION

# %% tags=["check:08.5"]
check("08.5", bits_per_char)

# %% [markdown]
# {{exercise 08.6}}
#
# How many parameters has a GPT with `vocab_size` tokens, `context` positions, `layers` blocks and a residual stream of `width`
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
# {{exercise 08.7}}
#
# **Something whole to build; optional.** The formulas are behind you. Here nothing is given: you write a GPT, its minibatches and its
# training loop, and it must reach a stated loss on texts that it has not seen. Plan one to two hours. `check` calls the parts one by one, so
# that a failure says where. It begins by making a `Pretraining`, so write all three `__init__` before you check.
#
# **The texts.** A tiny language, made so that we know how well it can be predicted: *anna gave hugo a red ball and hugo thanked anna.* Five
# words of each text are free. The two names at the end can be known, by looking back.

# %%
import random
from dataclasses import dataclass

import torch.nn.functional as F
from torch import nn

from course_lib import budget

NAMES, VERBS = ["anna", "bert", "cleo", "dora", "emil", "fred", "gina", "hugo"], ["gave", "sold", "showed", "lent"]
ADJECTIVES, THINGS = ["red", "old", "new", "big", "small", "green"], ["ball", "book", "boat", "lamp", "coat", "drum"]
WORDS = [".", *NAMES, *VERBS, *ADJECTIVES, *THINGS, "a", "and", "thanked"]           # token 0 ends a text


def tiny_texts(count, seed):
    """Texts as tokens, (count, 12): each begins and ends with token 0."""
    rng, rows = random.Random(seed), []
    for _ in range(count):
        a, b = rng.sample(NAMES, 2)
        verb, adjective, thing = rng.choice(VERBS), rng.choice(ADJECTIVES), rng.choice(THINGS)
        rows.append([".", a, verb, b, "a", adjective, thing, "and", b, "thanked", a, "."])
    return torch.tensor([[WORDS.index(word) for word in row] for row in rows])


free = math.log(8) + math.log(7) + math.log(4) + 2 * math.log(6)           # nats: the words that are free
print(" ".join(WORDS[i] for i in tiny_texts(1, seed=0)[0]))
print(f"best possible: {free / 11:.3f} nats a token; without looking back: "
      f"{(free + math.log(8) + math.log(7)) / 11:.3f}; knowing nothing: {math.log(len(WORDS)):.3f}")

# %%
@dataclass(frozen=True)
class Settings:
    """What the three classes below are made with."""

    vocab_size: int = 28            # different tokens (V)
    context: int = 11               # positions that the model can read at once (T at most)
    layers: int = 2                 # blocks, one after the other
    heads: int = 4                  # attention heads of a block (H)
    width: int = 32                 # numbers that describe one position (C)
    dropout: float = 0.0            # share of a branch's numbers that is left out in training
    rows: int = 32                  # texts in a minibatch (B)
    steps: int = 200                # gradient steps of the whole training
    warmup_steps: int = 20          # of these, while the learning rate rises
    learning_rate: float = 1e-2     # at its highest
    seed: int = 0                   # of first weights and minibatches

# %% [markdown]
# ### The specification
#
# ```
# tokens (B, T) → token_embedding + position_embedding → Block → … → Block → norm → logits (B, T, V)
#                                                          │
#    x ──┬── norm_1 → qkv → attention → projection → drop ─(+)─┬── norm_2 → widen → GELU → narrow → drop ─(+)──→
#        └─────────────────────────────────────────────────┘  └──────────────────────────────────────────┘
# ```
#
# **`Block(settings)`**, `(B, T, C) → (B, T, C)`, pre-norm. Submodules, by these names: `norm_1`, `norm_2` (`nn.LayerNorm`); `qkv`
# (`nn.Linear`, C → 3C: first the C numbers of the queries, then the keys', then the values'); `projection` (C → C); `widen` (C → 4C); `narrow`
# (4C → C). Head `h` has the numbers `h·D` to `(h+1)·D` of each, with `D = C / H`. Attention is causal, scaled by $1/\sqrt D$. Dropout acts on
# each branch, just before it is added to the stream; nowhere else.
#
# **`GPT(settings)`**. `token_embedding` (V × C) and `position_embedding` (context × C, `nn.Embedding`); `blocks` (`nn.ModuleList`); `norm`, after
# the last block. The logits are the normalized stream times the token embedding's matrix, transposed (tied: no other matrix, no bias). First
# weights: every matrix normal with std 0.1, every bias 0, the norms as torch makes them.
# - `forward(tokens)`: `(B, T) → (B, T, V)`, for any `T` up to `context`.
# - `loss(inputs, targets)`: the mean cross-entropy over all tokens, a scalar with a gradient. `targets[:, t]` is what follows `inputs[:, t]`.
#
# **`Pretraining(texts, settings)`** has `model` (a `GPT`) and `optimizer` (`torch.optim.AdamW` of all its parameters, torch's defaults but for the
# learning rate). Two of one seed have the same first weights and draw the same minibatches.
# - `batch()`: `settings.rows` random rows of `texts`, with replacement, as `(inputs, targets)`, both `(B, L - 1)`.
# - `step()`: one gradient step on `self.batch()`; returns the loss as a float. The gradient's norm is clipped to 1. In step $k = 1, 2, …$ the
#   learning rate is `learning_rate` times $\min\big(k / w,\; (n - k + 1) / (n - w)\big)$, where $w$ is `warmup_steps` and $n$ is `steps`.
# - `fit()`: `settings.steps` steps; returns the list of their losses.
# - `evaluate(texts)`: the mean cross-entropy on other texts, a float, without dropout and without gradients. Afterwards the model is in training
#   mode again.
#
# **What is measured at the end.** Trained on `tiny_texts(2_000, seed=0)` with the settings above, at most **0.90 nats** a token on texts of
# another seed. It takes a few seconds. torch's `nn` and `F` are yours to use (`F.scaled_dot_product_attention` too), and so is 08.1.

# %% tags=["exercise:08.7"]
class Block(nn.Module):
    """Attention, then MLP; each reads a normalized copy of the stream and adds to it."""

    def __init__(self, settings):
        super().__init__()
        # BEGIN SOLUTION
        C = settings.width
        self.heads, self.dropout = settings.heads, nn.Dropout(settings.dropout)
        self.norm_1, self.norm_2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.qkv, self.projection = nn.Linear(C, 3 * C), nn.Linear(C, C)
        self.widen, self.narrow = nn.Linear(C, 4 * C), nn.Linear(4 * C, C)
        # END SOLUTION

    def forward(self, x):
        """x: (B, T, C) -> (B, T, C)."""
        # BEGIN SOLUTION
        B, T, C = x.shape
        q, k, v = self.qkv(self.norm_1(x)).view(B, T, 3, self.heads, -1).permute(2, 0, 3, 1, 4)    # 3 x (B, H, T, D)
        scores = q @ k.transpose(-2, -1) / math.sqrt(C // self.heads)      # (B, H, T, T)
        future = torch.ones(T, T, dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(future, float("-inf")).softmax(dim=-1) @ v                      # (B, H, T, D)
        x = x + self.dropout(self.projection(mixed.transpose(1, 2).reshape(B, T, C)))
        return x + self.dropout(self.narrow(F.gelu(self.widen(self.norm_2(x)))))
        # END SOLUTION

# %% tags=["exercise:08.7"]
class GPT(nn.Module):
    """Tokens in, for each position the logits of the token that comes next."""

    def __init__(self, settings):
        super().__init__()
        # BEGIN SOLUTION
        self.token_embedding = nn.Embedding(settings.vocab_size, settings.width)
        self.position_embedding = nn.Embedding(settings.context, settings.width)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(settings.width)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.1)
            elif "norm" not in name:
                nn.init.zeros_(weight)
        # END SOLUTION

    def forward(self, tokens):
        """tokens: (B, T) int64 -> logits (B, T, V)."""
        # BEGIN SOLUTION
        x = self.token_embedding(tokens) + self.position_embedding.weight[:tokens.shape[1]]        # (B, T, C)
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.token_embedding.weight.T                # (B, T, V)
        # END SOLUTION

    def loss(self, inputs, targets):
        """inputs, targets: (B, T) int64 -> the mean cross-entropy, a scalar."""
        # BEGIN SOLUTION
        return F.cross_entropy(self(inputs).flatten(0, 1), targets.flatten())
        # END SOLUTION

# %% tags=["exercise:08.7"]
class Pretraining:
    """Trains a fresh GPT on texts (N, L)."""

    def __init__(self, texts, settings):
        # BEGIN SOLUTION
        torch.manual_seed(settings.seed)
        self.texts, self.settings, self.taken = texts, settings, 0
        self.model = GPT(settings)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=settings.learning_rate)
        self.generator = torch.Generator().manual_seed(settings.seed)
        # END SOLUTION

    def batch(self):
        """Random rows: (inputs, targets), both (B, L - 1)."""
        # BEGIN SOLUTION
        rows = torch.randint(len(self.texts), (self.settings.rows,), generator=self.generator)
        return self.texts[rows, :-1], self.texts[rows, 1:]
        # END SOLUTION

    def step(self):
        """One gradient step; returns the loss."""
        # BEGIN SOLUTION
        s, self.taken = self.settings, self.taken + 1
        share = min(self.taken / s.warmup_steps, (s.steps - self.taken + 1) / (s.steps - s.warmup_steps))
        self.optimizer.param_groups[0]["lr"] = share * s.learning_rate
        loss = self.model.loss(*self.batch())
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()
        # END SOLUTION

    def fit(self):
        """All steps; returns the list of losses."""
        # BEGIN SOLUTION
        return [self.step() for _ in range(self.settings.steps)]
        # END SOLUTION

    def evaluate(self, texts):
        """The mean cross-entropy on other texts (N, L), a float."""
        # BEGIN SOLUTION
        self.model.eval()
        with torch.no_grad():
            loss = self.model.loss(texts[:, :-1], texts[:, 1:]).item()
        self.model.train()
        return loss
        # END SOLUTION

# %% tags=["check:08.7"]
check("08.7", Pretraining)

# %% [markdown]
# Let it write. Five words of each text are free; do the two names at the end fit?

# %%
def write_one(model, generator):
    """One text, word after word, from the model's own distribution."""
    tokens = [0]
    while len(tokens) == 1 or (tokens[-1] and len(tokens) < 12):
        probs = model(torch.tensor([tokens]))[0, -1].softmax(dim=-1)
        tokens.append(torch.multinomial(probs, 1, generator=generator).item())
    return " ".join(WORDS[token] for token in tokens[1:])


try:
    built = Pretraining(tiny_texts(2_000, seed=0), Settings(steps=budget(full=200, ci=40)))
    losses, rng = built.fit(), torch.Generator().manual_seed(0)
    print("loss every 20 steps:", *(f"{loss:.2f}" for loss in losses[::20]))
    print(f"held out: {built.evaluate(tiny_texts(500, seed=2)):.3f} nats a token")
    print(*(write_one(built.model.eval(), rng) for _ in range(5)), sep="\n")
except NotImplementedError:
    print("Here your model will write, once it is built.")

# %% [markdown] tags=["solution-only"]
# **What to compare.** A model that cannot look back ends near 1.21 nats: it knows the form of the sentences and samples the last two names at
# random. With std 0.02, GPT-2's for a width of 768, this narrow one stays there for hundreds of steps; its queries and keys are so small that
# attention begins as a plain mean.

# %% [markdown]
# ## What you learned
#
# Attention is a weighted mean over the past; the mask goes in before the softmax; old keys and values can be kept; the logits at a position
# are about the *next* token; temperature works on logits; only bits per character compare different tokenizers.
#
# **What failed here, on purpose:** log-probabilities of the wrong token, in the right shape.
#
# **Further reading.** A. Vaswani et al. (2017), *Attention is all you need*, section 3.2. Back to the
# [lesson](../notebooks/08_tiny_gpt.ipynb).
