# %% [markdown]
# # Lesson 08. A tiny GPT
#
# **Goals.** Know every part of a GPT by its shape; train one from scratch on real short texts; sample from it, and know what temperature
# and top-k do; see what the KV cache saves; compare models in bits per character.
#
# **Time.** About 55 minutes to read and run, 80 minutes for the exercises; the essential part takes 90 minutes in all. The cells use
# about three CPU-minutes. **Builds on** lesson 00 and on having met a neural network once. No reinforcement learning is needed; it comes
# back in lesson 09, which trains this model further.

# %%
import math

import numpy as np
import torch
import torch.nn.functional as F

from course_lib import budget, expect, mine, paths
from course_lib.show import lm_plots as plots
from course_lib.show import palette
from course_lib.show.figures import explore, show
from course_lib.show.tables import sample_table, show_samples

palette.style()
torch.set_num_threads(1)

# %% [markdown]
# ## 8.1 It writes
#
# Three **language models**, five texts each. The first has not been trained. The other two were, for a few minutes on one core of a
# laptop, on tweets and sentences from reviews and newspapers. One of them reads *characters*, the other *pieces of words*. None of them
# was ever told what a word is.

# %%
from course_lib.lm.generate import generate
from course_lib.lm.gpt import GPT
from course_lib.lm.shipped import BPE, CHAR, load_shipped
from course_lib.lm.tokenizers import begin, decode_until_end

char, bpe = load_shipped(CHAR), load_shipped(BPE)

def write(model, tokenizer, prompt="", count=5, tokens=90, seed=0, **settings):
    """Texts that begin with `prompt`."""
    prompts = begin(tokenizer, prompt, count)                              # (count, P)
    rng = torch.Generator().manual_seed(seed)
    written = generate(model, prompts, tokens, generator=rng, eos=tokenizer.eos, **settings)
    return [decode_until_end(tokenizer, row) for row in written.tokens]    # (count, P + tokens)

show_samples({"before training": write(GPT(char.model.config), char.tokenizer),
              "reads characters": write(char.model, char.tokenizer, tokens=180),
              "reads pieces of words": write(bpe.model, bpe.tokenizer)})

# %% [markdown]
# Nobody would mistake these for real reviews. And yet there are words, commas, the tone of a film critic. How do 800,000 parameters
# come to write that? They were trained on one task: **predict the next token**.
#
# ## 8.2 Tokens
#
# A network reads numbers. So we need a list of symbols, the **vocabulary**, and a number for each of them. A text becomes a sequence of
# these numbers, its **tokens**. The simplest **tokenizer** has one token for each character of an English keyboard, one for "here a text
# ends" (the end token, number 0), and one, called *escape*, to spell out everything else.

# %%
tokenizer = char.tokenizer
ids = tokenizer.encode("A café!")
print(ids, "->", repr(tokenizer.decode(ids)))
print(tokenizer.vocab_size, "tokens; the end of a text is token", tokenizer.eos)

# %% [markdown]
# The é became six tokens: its two bytes in UTF-8, each written as *escape* and two hexadecimal digits. Rare characters get long, but no
# text is refused or changed, and that holds for every language:

# %%
strange = "Zażółć gęślą jaźń 😀 \n\t <|endoftext|>"
expect(all(t.decode(t.encode(strange)) == strange for t in (char.tokenizer, bpe.tokenizer)),
       "both tokenizers give every text back unchanged")
print(len(tokenizer.encode(strange)), "tokens for", len(strange), "characters")

# %% [markdown]
# ## 8.3 The texts
#
# About 23,700 short texts that people rated. Lesson 03 used their ratings; here only the texts count. 16,547 of them are for training. The
# rest is held out, and the split is the same in every lesson, so that no model is tested on a text that another one was trained on.

# %% tags=["third-party-text"]
from course_lib.lm.data import TokenStream, short_texts

for text in short_texts("train")[100::3_500]:
    print("|", text)

# %% [markdown]
# For training the texts are joined into one long sequence, with an end token between them. A *batch* cuts rows out of it, each beginning
# where a text begins. The targets are the same rows, one position further: after each token, which one came next?
#
# Each row begins with the end token of the text before. So "here a text ends" also means "here a text begins", and the first character has
# something to be predicted from.

# %%
stream = TokenStream.of(short_texts("train"), tokenizer)
held_out = TokenStream.of(short_texts("validation"), tokenizer)
inputs, targets = stream.batch(rows=4, length=12, generator=torch.Generator().manual_seed(0))
print(f"{len(stream):,} tokens to learn from, {len(held_out):,} held out")
print("inputs ", tuple(inputs.shape), inputs[0].tolist())
print("targets", tuple(targets.shape), targets[0].tolist())

# %% [markdown]
# One row of 12 tokens is 12 training examples at once: the second token from the first, the third from the first two, and so on.
#
# ## 8.4 The loss: negative log-likelihood
#
# A language model gives each possible next token a probability, $p_\theta(x_t \mid x_1 \dots x_{t-1})$. How good are its predictions? The
# measure is the **negative log-likelihood** (NLL) of the token that came, $-\log p_\theta(x_t \mid \dots)$, in **nats** with the natural
# logarithm. It is 0 for a token predicted with certainty, and large for one that was thought improbable. Its mean over many tokens is the
# **cross-entropy** loss, with which every language model is trained. $e^\text{loss}$ is called **perplexity**: a model of perplexity 4
# is as uncertain as one that chooses evenly among 4 tokens.
#
# Two baselines. A model that knows nothing gives each of the 97 tokens the same probability: $\log 97 = 4.57$ nats a character. A
# **bigram** model has counted which character follows which. (Each count below starts at 0.01, so that no pair has the probability 0 and
# an infinite loss.)
#
# > **Predict.** What loss does the bigram model reach? 97 characters, and only the last one is known. Write a number between 0 and 4.6
# > down.

# %%
counts = torch.full((97, 97), 0.01)
pairs = stream.tokens[:-1], stream.tokens[1:]
counts.index_put_(pairs, torch.ones(len(stream) - 1), accumulate=True)     # (V, V) row: the last one
bigram = (counts / counts.sum(dim=1, keepdim=True)).log()                  # (V, V)
guessed = -bigram[held_out.tokens[:-1], held_out.tokens[1:]].mean().item()
nothing = float(np.log(97))
print(f"knows nothing: {nothing:.2f} nats a character; has counted pairs: {guessed:.2f}")
expect(2.2 < guessed < 2.6, "counting pairs nearly halves the loss", measured=guessed)

# %% [markdown]
# The trained model conditions on the whole text before. Move the slider through a sentence and watch its distribution over the next
# character. Where is it certain, and where does it give many characters some probability? In the figure after that, each character of the
# sentence has a bar, its negative log-likelihood; bars above 2.5 nats, about the bigram model's mean, are orange.

# %%
sentence = "The film was so bad that I left before the end."
said = torch.tensor([[tokenizer.eos, *tokenizer.encode(sentence)]])        # (1, T)
with torch.no_grad():
    probs = char.model(said)[0].softmax(dim=-1)                            # (T, V)

def guess(place):
    best = probs[int(place)].topk(8)
    bars = {tokenizer.decode([i]) or "end": p
            for p, i in zip(best.values.tolist(), best.indices.tolist())}
    return plots.next_token_bars(bars, f"After “{sentence[:int(place)]}”")

explore(guess, "Bars of the eight likeliest next characters after the beginning of the sentence "
               "up to the slider.", place=(0, len(sentence), 1, 9))

# %%
nats = -probs[:-1].log().gather(1, said[0, 1:, None]).squeeze(1)           # (T - 1,)
show(plots.loss_along(sentence, nats.tolist(), "Words are hard to begin and easy to end"),
     alt="Bars of the negative log-likelihood of each character of the sentence. High bars stand mostly "
         "at first letters of words; inside words they are low.")
first_letters = torch.tensor([i == 0 or sentence[i - 1] == " " for i in range(len(sentence))])
expect(nats[first_letters].mean() > 2 * nats[~first_letters].mean(),
       "the first letter of a word has more than twice the negative log-likelihood of the others",
       measured=f"{nats[first_letters].mean():.2f} against {nats[~first_letters].mean():.2f} nats")

# %% [markdown]
# ## 8.5 Attention: a weighted mean over the past
#
# To predict what follows `The film was so b`, one must look back: at the `b`, at the space before it, at `film`. **Attention** is how a
# position looks back. The trained model is a stack of four blocks of the same form, and attention is the first half of a block. Here is
# the attention of the first block, line by line, with all shapes: $B$ texts, $T$ positions, $C$ numbers a position. First, each token becomes
# a vector of 128 numbers: its **token embedding** (what it is) plus its **position embedding** (where it stands). (`norm_1` in the code
# rescales these vectors; section 8.6 says how and why.)

# %%
model, config = char.model, char.model.config
tokens = said[:, :18]                                                      # (B, T) = (1, 18)
B, T, H, D = 1, tokens.shape[1], config.heads, config.width // config.heads
with torch.no_grad():
    x = model.token_embedding(tokens)                                      # (B, T, C) = (1, 18, 128)
    x = x + model.position_embedding.weight[:T]                            # (B, T, C)
    block = model.blocks[0]
    qkv = block.attention.qkv(block.norm_1(x))                             # (B, T, 3 C)
q, k, v = (part.view(B, T, H, D).transpose(1, 2)                           # 3 x (B, H, T, D)
           for part in qkv.split(config.width, dim=-1))
print("x", tuple(x.shape), " qkv", tuple(qkv.shape), " q, k, v", tuple(q.shape))

# %% [markdown]
# From its vector every position makes three others, in each of four **heads**: a **query**, what it looks for; a **key**, what it
# offers to be found by; and a **value**, what it passes on. Each head has $D = 128 / 4 = 32$ numbers and works by itself, so a position can
# look for four things at once. The score of a query with a key is their dot product, divided by $\sqrt{D}$: a sum of $D$ random products
# grows like $\sqrt{D}$, and with large scores the softmax would give one position nearly all the weight. The softmax turns a row of scores
# into weights that sum to 1, and the output is the mean of the values with these weights:

# %%
scores = q @ k.transpose(-2, -1) / D ** 0.5                                # (B, H, T, T)
future = torch.ones(T, T, dtype=torch.bool).triu(1)                        # (T, T) right of the diagonal
weights = scores.masked_fill(future, float("-inf")).softmax(dim=-1)        # (B, H, T, T)
mixed = weights @ v                                                        # (B, H, T, D)
print("scores", tuple(scores.shape), " weights", tuple(weights.shape), " mixed", tuple(mixed.shape))
print("each row of weights sums to", weights.sum(-1).unique().round(decimals=4).tolist())

# %%
back = {d: weights[0].diagonal(-d, dim1=1, dim2=2).mean(dim=1) for d in (1, 2)}      # (H,) each
heads = [back[d].argmax().item() for d in (1, 2)]
marks = ["end", *("␣" if c == " " else c for c in sentence[:T - 1])]
title = "One head looks one character back, another one two: nobody told them to"
show(plots.attention_maps(weights[0, heads].numpy(), marks, [f"block 1, head {h + 1}" for h in heads],
                          title),
     alt="Two heat maps of attention weights, 18 by 18 characters. All weight lies on or below the "
         "diagonal; in the first map nearly all of it one place left of the diagonal, in the "
         "second one mostly two places left.")
shares = [back[d][h].item() for d, h in zip((1, 2), heads)]
expect(min(shares) > 0.6, "these two heads keep most of their weight for that one place",
       measured=[round(share, 2) for share in shares])

# %% [markdown]
# Each row is a query, each column a key. The weights to the right of the diagonal are 0: that is the **causal mask**. With it no position
# can see the token that it must predict, and one row of text gives a training example at every position.
#
# **Now do [exercise 08.1](../exercises/08_tiny_gpt.ipynb)**: write it. The next line takes *your* function once it has passed, and the
# course's until then. It goes into the trained model, in all four blocks:

# %%
causal_attention = mine("08.1")

with_yours = GPT(config, attention=causal_attention).eval()
with_yours.load_state_dict(model.state_dict())
with torch.no_grad():
    apart = (with_yours(said) - model(said)).abs().max().item()
expect(apart < 1e-3, "the model with this attention says the same as before",
       measured=f"largest difference of a logit {apart:.0e}")

# %% [markdown]
# > **Predict.** What if somebody forgets the mask and trains? Will the loss be higher, lower, or the same? And what will the model write?

# %%
from course_lib.lm.gpt import GPTConfig
from course_lib.lm.pretrain import PretrainConfig, Pretraining


def leaky_attention(q, k, v):
    return (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(dim=-1) @ v


small = GPTConfig(97, context=64, layers=2, heads=4, width=64)
short = PretrainConfig(steps=budget(full=400, ci=60), length=64, learning_rate=1e-2, muon=True)
runs = {}
for name, attention in (("causal", causal_attention), ("leaky", leaky_attention)):
    run = Pretraining(GPT(small, attention), stream, held_out, short)
    *_, last = run.train()
    runs[name] = run
    print(f"{name:7s} loss on held-out texts {last.held_out_loss:.2f} nats")

# %%
show_samples({name: write(run.model, tokenizer, tokens=60, count=3) for name, run in runs.items()})
leak, honest = (runs[name].history[-1].held_out_loss for name in ("leaky", "causal"))
expect(leak < 0.5 * honest, "without the mask the loss is far too good",
       ci=leak < honest + 0.1, measured=f"{leak:.2f} against {honest:.2f} nats")

# %% [markdown]
# The lowest loss of the lesson, and the model writes nonsense. It learned to *copy* the next character, which it could see: **data
# leakage**. When it generates, the next character does not exist yet. **A loss that is too good is a bug** until the opposite is shown.
#
# ## 8.6 The whole model
#
# Attention is one of two parts of a **transformer block**. Here is the whole block, step by step.
#
# 1. **The residual stream.** Each position has a vector $x$ of $C = 128$ numbers. It begins as the sum of the two embeddings and runs
#    through all blocks to the end. No part of a block replaces it. Each part reads it, computes something, and *adds* its result:
#    $x \leftarrow x + f(x)$, a **residual connection**. So a block can leave alone what it does not need, and in training the gradient
#    reaches the first block through the additions, undamped.
# 2. **Layer normalization.** Sums grow from block to block. So each part reads a normalized copy: the 128 numbers of a position are
#    shifted and scaled to mean 0 and standard deviation 1, then multiplied by 128 learned gains, plus 128 learned biases. The stream
#    itself is not normalized. (This order is called *pre-norm*.)
# 3. **Attention** is the only part in which positions exchange information. The outputs of the four heads, 32 numbers each, stand side
#    by side and make 128 again; one more matrix, the *projection*, mixes the heads. The result is added to the stream.
# 4. The **MLP** (multilayer perceptron) works on each position for itself: a matrix from 128 to 512 numbers, a nonlinearity (**GELU**, a
#    smooth version of "negative numbers become 0"), and a matrix back to 128. Its result is added, too. (Without the nonlinearity the two
#    matrices could be multiplied into one.) The MLP holds two thirds of a block's parameters.
#
# In two lines: $x \leftarrow x + \text{attention}(\text{norm}_1(x))$, then $x \leftarrow x + \text{MLP}(\text{norm}_2(x))$.
#
# After four such blocks comes one last norm. The **logit** of a token is the dot product of the normalized stream with that token's
# embedding, so the table of embeddings is used twice (**weight tying**). A softmax over the 97 logits gives the probabilities of the
# next character.

# %% [markdown]
# Section 8.5 computed `mixed`, the heads' outputs in the first block, from the stream `x`. The rest of that block is six lines more. Then its
# parts are printed with their sizes: enough to count the parameters of a whole model, which is
# [exercise 08.6](../exercises/08_tiny_gpt.ipynb) (optional).

# %%
with torch.no_grad():
    heads_joined = mixed.transpose(1, 2).reshape(B, T, -1)                 # (B, T, C)
    stream_1 = x + block.attention.projection(heads_joined)                # (B, T, C) attention is added
    widened = block.mlp.widen(block.norm_2(stream_1))                      # (B, T, 4 C)
    stream_2 = stream_1 + block.mlp.projection(F.gelu(widened, approximate="tanh"))          # (B, T, C)
    apart = (stream_2 - block(x)).abs().max().item()
expect(apart < 1e-4, "the block step by step is the block of the model", measured=f"largest difference {apart:.0e}")

# %%
print(model.blocks[0])

# %%
parameter_count = mine("08.6")

shapes = {"characters": char.model.config, "pieces": bpe.model.config,
          "GPT-2 (2019)": GPTConfig(50_257, 1_024, 12, 12, 768)}
for name, c in shapes.items():
    tables = (c.vocab_size + c.context) * c.width
    total = parameter_count(c.vocab_size, c.context, c.layers, c.width)
    print(f"{name:13s} {total:11,.0f} parameters, {tables / total:.0%} of them in the tables")
expect(parameter_count(97, config.context, 4, 128) == model.parameter_count,
       "the formula of exercise 08.6 counts our model rightly", measured=model.parameter_count)

# %% [markdown]
# In the small models nearly all parameters are in the blocks; in GPT-2, with its large vocabulary, a third is in the tables. Otherwise
# this is GPT-2's architecture exactly. So a library that has GPT-2 must compute the same logits from our weights:

# %%
import tempfile

from transformers import GPT2LMHeadModel

from course_lib.lm.hf_format import save_hf

with tempfile.TemporaryDirectory() as folder:
    save_hf(model, folder)
    theirs = GPT2LMHeadModel.from_pretrained(folder).eval()
with torch.no_grad():
    apart = (theirs(said).logits - model(said)).abs().max().item()
expect(apart < 1e-4, "transformers' GPT-2 computes the same logits with our weights",
       measured=f"largest difference {apart:.0e}")

# %% [markdown]
# ## 8.7 Training
#
# The loss is the mean cross-entropy over all positions of all rows. A training step has four parts: draw a batch, compute the logits and
# the loss (**forward pass**), compute the gradients (**backward pass**), and let the optimizer change the weights. Three steps, by hand:

# %%
fresh = GPT(config, attention=causal_attention)
optimizer = torch.optim.AdamW(fresh.parameters(), lr=2e-3)
rng = torch.Generator().manual_seed(0)
for step in range(3):
    inputs, targets = stream.batch(rows=16, length=96, generator=rng)      # 2 x (16, 96)
    logits = fresh(inputs)                                                 # (16, 96, V)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())        # (16 * 96, V), (16 * 96,)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step + 1}: {loss.item():.2f} nats (knowing nothing: {nothing:.2f})")

# %% [markdown]
# The first loss is that of the uniform baseline, log 97 and a little more. If a model starts far above it, something is wrong with its first
# weights. The rest of a training run is many such steps and a few habits, all in one file, `course_lib/lm/pretrain.py`:
#
# - **Learning-rate schedule.** The rate rises over the first steps (**warmup**), while the optimizer's averages are still rough, and then
#   falls along a cosine to a twentieth of its top, so that the last steps are small.
# - **Gradient clipping.** A gradient whose norm exceeds 1 is scaled down to 1. One odd batch cannot throw the weights far away.
# - **Weight decay.** Each step multiplies the matrices by a number slightly below 1, against overfitting. Norms and biases are left out.
# - **Mixed precision.** Matrix products are computed in bfloat16, 16-bit numbers, where the processor is fast at them; the weights stay
#   in 32 bits.
# - **Muon** (Jordan et al. 2024) in place of AdamW for the matrices of the blocks. It orthogonalizes each update: all its singular values
#   become about equal. So directions that gradients rarely point in are learned, too.
#
# Now the real size, live, with samples under the curve. As it stands the run stops after 250 gradient steps, far from its best. That takes
# about half a CPU-minute where the processor is fast at 16-bit numbers, and two CPU-minutes where it is not. With `retrain = True` it goes
# on for three CPU-minutes. Stop it whenever you like; run the cell again and it continues.
#
# > **Predict.** What will a text look like after 250 steps? Real words, real sentences, or neither?

# %%
from course_lib.lm.recipes import CHAR_RECIPE

retrain = False
steps = budget(full=250, ci=15)
length = {} if retrain else {"steps": steps, "cpu_seconds": math.inf}
checkpoint = paths.my_work() / "checkpoints" / f"08-char-{'long' if retrain else steps}.pt"
run = CHAR_RECIPE.start(seed=1, checkpoint=checkpoint, **length)

# %%
from course_lib.show.training_view import watch


def look():
    texts = write(run.model.eval(), tokenizer, "The ", count=4, tokens=80)
    return sample_table({f"after {run.steps} steps": texts}, prompt="The ")


view = watch(run.train(), curves=("loss", "held_out_loss"), past=run.history, unit="gradient steps",
             picture=look, picture_every=5)

# %%
untrained = GPT(config)
show_samples({"before": write(untrained, tokenizer, "The film", 4, 80),
              f"after {run.steps} steps": write(run.model.eval(), tokenizer, "The film", 4, 80),
              "the shipped one": write(char.model, tokenizer, "The film", 4, 80)}, prompt="The film")
measured = run.history[-1].held_out_loss
expect(measured < guessed - 0.1, "in 250 steps it beats counting pairs",
       ci=measured < 3.4, measured=f"{measured:.2f} against {guessed:.2f} nats a character")

# %% [markdown]
# Words appear, many of them misspelled, and no sentences. The shipped model was trained for the full time. Its curve is stored with it:

# %%
steps, losses, unseen, times = np.array(char.facts["curve"]).T
lines = {"counting pairs": guessed, "what minRLHF's authors report": 1.6}
title = "Most is learned in the first minute; the rest takes its time"
show(plots.loss_curves({"training texts": (times, losses), "held-out texts": (times, unseen)}, lines, title),
     alt="Loss against CPU-seconds. Both curves fall steeply in the first minute and pass the line of "
         "counted pairs, then slowly; they end below 1.6 nats a character.")
print(f"on {len(short_texts('test')):,} unseen test texts: {char.facts['nats_per_char']:.3f} nats a character "
      f"after {char.facts['cpu_s']:.0f} CPU-seconds")
expect(char.facts["nats_per_char"] < 1.6, "the shipped model passes the 1.6 of minRLHF",
       measured=char.facts["nats_per_char"])

# %% [markdown]
# The 1.6 is a rough comparison only: minRLHF's character model learned other texts. The two curves end at 1.38 and 1.45 nats: the model
# predicts its training texts better than new ones. That is the **generalization gap**, the part that was memorized. Here it is small, for
# each text was read only a few times.
#
# You have now seen every part of the model and of its training. To write a whole GPT and its training loop yourself, there is
# [exercise 08.7](../exercises/08_tiny_gpt.ipynb) (optional, an hour or two).
#
# %% [markdown]
# ## 8.8 Sampling: temperature and top-k
#
# The model gives probabilities; we must choose a token. The most probable one (**greedy decoding**)? Or a random one, with these
# probabilities (**sampling**)? The logits are divided by the **temperature** $T$ before the softmax: near 0 the
# choice is greedy, at 1 the probabilities are the model's own, above 1 they are more even. **Do [exercise
# 08.4](../exercises/08_tiny_gpt.ipynb)**, and the choice below is yours.

# %%
next_token_probs = mine("08.4")

logits = torch.log(probs[[9]])                                             # (1, V) after "The film "

def tempered(temperature):
    p = next_token_probs(logits, temperature, None)[0]
    best = probs[9].topk(10).indices
    return plots.next_token_bars({tokenizer.decode([i]): p[i].item() for i in best.tolist()},
                                 "A low temperature favours the most probable token, a high one none")

explore(tempered, "Probabilities of ten next characters: at a low temperature one bar has nearly "
                  "everything, at a high one they are almost equal.", temperature=(0.1, 3, 0.1, 1))

# %%
own = {"choose_probs": next_token_probs}
texts = {f"temperature {t}": write(bpe.model, bpe.tokenizer, "I", 4, 40, temperature=t, **own)
         for t in (0.0, 0.6, 1.0, 1.6)}
show_samples(texts, prompt="I")

# %% [markdown]
# At temperature 0 there is one text, four times: nothing is random. At 1.6 the words fall apart. In between is a trade-off. We measure both
# ends of it on 200 texts: how *varied* are they (**distinct-2**: of all pairs of neighbouring words, the share of different ones), and
# how many of their words occur in the training texts?
#
# > **Predict.** Which of the two falls as the temperature goes up? What happens to the other?

# %%
import re

from course_lib.lm.metrics import distinct_n

vocabulary = {word for text in short_texts("train") for word in re.findall(r"[a-z']+", text.lower())}
temperatures, variety, real = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5), [], []
for t in temperatures:
    texts = write(char.model, tokenizer, count=budget(full=200, ci=40), tokens=100, temperature=t, **own)
    words = [word for text in texts for word in re.findall(r"[a-z']+", text.lower())]
    variety.append(distinct_n(texts, 2))
    real.append(np.mean([word in vocabulary for word in words]))
show(plots.temperature_trade(temperatures, variety, real, "Hotter is more varied, and less English"),
     alt="Two curves against temperature: the share of different word pairs rises from low values "
         "to nearly 1; the share of real words falls.")

# %%
print("temperature", *temperatures, sep="\t")
print("distinct-2 ", *(f"{d:.2f}" for d in variety), sep="\t")
print("real words ", *(f"{r:.2f}" for r in real), sep="\t")
expect(variety[-1] > variety[0] and real[0] > real[-1], "variety and correctness pull in opposite ways",
       measured=f"distinct-2 {variety[0]:.2f} to {variety[-1]:.2f}, real words {real[0]:.2f} to {real[-1]:.2f}")

# %% [markdown]
# **Top-k** is the other setting: sample only among the $k$ most probable tokens. It cuts off the long tail, in which every single token is
# improbable and all of them together are not.

# %%
show_samples({"all 97 characters": write(char.model, tokenizer, "This", 4, 110, **own),
              "the best 5": write(char.model, tokenizer, "This", 4, 110, top_k=5, **own)}, prompt="This")

# %% [markdown]
# Reinforcement learning needs the probabilities of the policy that sampled, so lessons 09 and 11 sample at temperature 1 and without top-k.
#
# ## 8.9 Characters against pieces of words
#
# A character says little, so a text needs many of them. **Byte-pair encoding** (BPE; Sennrich et al. 2016) starts with single bytes and
# merges the most frequent pair of neighbours into a new token, again and again, until the vocabulary is full. It is fitted to the
# training texts, in half a second.

# %%
pieces = bpe.tokenizer
print("the first pairs joined: ", [pieces.token(i) for i in range(257, 275)])
print("among the last:         ", [pieces.token(i) for i in range(pieces.vocab_size - 12, pieces.vocab_size)])
for text in ("The film was so bad that I left", "Zürich 😀"):
    print([pieces.token(i) for i in pieces.encode(text)])

# %% [markdown]
# Which model is better? Their losses per token cannot be compared: a piece of a word is harder to predict than a letter, and a text has
# fewer of them. Per *character of the text* they can be: the **bits per character** are the negative log-likelihood of a whole text,
# divided by its length and by $\log 2$. **Do [exercise 08.5](../exercises/08_tiny_gpt.ipynb).**
#
# > **Predict.** Which of the two needs fewer bits per character?

# %%
bits_per_char = mine("08.5")

from course_lib.lm.metrics import row_nats

some = short_texts("test")[::budget(full=8, ci=60)]

def bits_of(shipped):
    rows = [[0, *ids, 0] for ids in shipped.tokenizer.encode_batch(some)]
    nats = row_nats(shipped.model, rows)                                   # (texts,)
    return bits_per_char(list(nats[:, None]), some), nats.sum().item() / sum(len(r) - 1 for r in rows)

measured = {"characters": bits_of(char), "pieces of words": bits_of(bpe)}
for name, (bits, nats) in measured.items():
    print(f"{name:16s} {nats:.2f} nats a token, {bits:.2f} bits a character")

# %%
table = {"knows nothing": np.log2(97), "counts pairs": guessed / np.log(2),
         **{name: bits for name, (bits, _) in measured.items()}}
show(plots.bits_bars(table, "Per character the pieces of words are ahead"),
     alt="Bars of bits per character: 6.6 for knowing nothing, about 3.5 for counted pairs, and the "
         "two models below, that of pieces a little shorter.")
apart = measured["pieces of words"][0] - measured["characters"][0]
expect(apart < -0.05, "pieces of words need fewer bits a character than characters",
       ci=apart < 0.1, measured=table)

# %% [markdown]
# 3.53 nats a token against 1.45, and the model with the larger loss is the better one. Always ask: a loss per what?
#
# But it is not a comparison of tokenizers alone. Both models have the same blocks, and three other things differ
# (`course_lib/lm/recipes.py`):
#
# - **Training.** The BPE model was trained for 297 CPU-seconds, the other one for 178. It read every text about twelve times.
# - **Dropout.** It was trained with **dropout** (Srivastava et al. 2014): in each step a random tenth of what a block adds is set to 0,
#   against overfitting. It overfits all the same. By its stored curve the loss is 3.31 nats a token on training texts, even with
#   dropout on, and 3.57 on held-out ones, a gap of about a quarter of a nat.
# - **Context.** Its 96 tokens hold more text than 192 characters.
#
# To know what the tokenizer alone is worth, one would train both for the same time with the same settings.
#
# ## 8.10 The KV cache
#
# To predict the hundredth character, the model reads ninety-nine. To predict the next one it reads a hundred, ninety-nine of them again,
# with the same result: a position never sees the future, so its key and its value do not change. They can be *kept*: the **KV cache**.
#
# **Do [exercise 08.2](../exercises/08_tiny_gpt.ipynb)**. Then we go through the first block again, one position at a time:

# %%
attend_next = mine("08.2")

past_k, past_v, rows = k[:, :, :0], v[:, :, :0], []                        # (B, H, 0, D): no past
for t in range(T):
    now = slice(t, t + 1)
    row, past_k, past_v = attend_next(q[:, :, now], k[:, :, now], v[:, :, now], past_k, past_v)
    rows.append(row)                                                       # (B, H, 1, D)
apart = (torch.cat(rows, dim=2) - mixed).abs().max().item()
expect(apart < 1e-5, "position by position gives the same as all at once",
       measured=f"largest difference {apart:.0e}")

# %% [markdown]
# > **Predict.** 32 texts of 150 characters. How much faster is generation with the cache? And does the advantage grow with the length?

# %%
import time


def cpu_seconds(tokens, use_cache):
    started = time.process_time()
    written = generate(char.model, begin(tokenizer, "", 32), tokens, use_cache=use_cache,
                       generator=torch.Generator().manual_seed(0))
    return time.process_time() - started, written.tokens

lengths = budget(full=(10, 50, 100, 150), ci=(10, 40))
cpu_seconds(5, True)                                                       # warm up
with_cache, without = ([cpu_seconds(n, way) for n in lengths] for way in (True, False))
same = all(a[1].equal(b[1]) for a, b in zip(with_cache, without))
expect(same, "with and without the cache the same texts are written")

# %%
seconds = {"everything anew for each character": [s for s, _ in without],
           "with the KV cache": [s for s, _ in with_cache]}
show(plots.cache_cost(lengths, seconds, "Without a cache the cost grows with the square of the length"),
     alt="CPU-seconds to write 32 texts against their length: with the cache a nearly straight line "
         "close to zero, without it a curve that bends steeply upwards.")
times = without[-1][0] / with_cache[-1][0]
expect(times > 8, "the cache makes long texts at least eight times as fast",
       ci=times > 1.5, measured=f"{times:.0f} times, {lengths[-1]} characters")

# %% [markdown]
# It costs memory: a key and a value in every block, for every position. For large models and long texts that is the bottleneck.
#
# ## 8.11 From language model to policy: log-probabilities
#
# From the next lesson on, writing is *acting*: a text is an episode, a token an action, and the policy is this model. All we need from
# it is the log-probability of each token that was sampled. `generate` returns them; reading the finished text again must give the same.
#
# **Do [exercise 08.3](../exercises/08_tiny_gpt.ipynb)** first: a function that is wrong by one position and never crashes.

# %%
token_logprobs = mine("08.3")

rng = torch.Generator().manual_seed(3)
written = generate(bpe.model, begin(pieces, "", 64), 40, generator=rng, eos=pieces.eos)
with torch.no_grad():
    logits = bpe.model(written.tokens)                                     # (B, L, V)
again = token_logprobs(logits, written.tokens)                             # (B, L - 1)
apart = (again - written.logprobs)[written.mask].abs().max().item()
expect(apart < 1e-3, "read again, the texts have the log-probabilities they were drawn with",
       measured=f"largest difference {apart:.0e} nats")

# %% [markdown]
# How large is the error of the silent bug? Here are the same tokens, looked up in the logits of their own positions:

# %%
own_place = logits.log_softmax(-1).gather(-1, written.tokens[..., None]).squeeze(-1)[:, 1:]
right, wrong = (values[written.mask].mean().item() for values in (again, own_place))
print(f"mean log-probability of a written token: {right:.2f} nats; at its own place {wrong:.2f}")
expect(wrong < right - 1, "the shifted ones are another thing altogether", measured=f"{wrong:.2f} against {right:.2f}")

# %% [markdown]
# ## What you learned
#
# - A language model predicts the next token; its loss is the mean negative log-likelihood. Compare models **per character**, not per token.
# - **Attention** is a weighted mean over the past. With the causal mask one text gives many training examples; without it the loss is
#   low and worth nothing.
# - A block adds to the **residual stream** twice: attention moves information between positions, the MLP works at each one.
# - **Temperature** and **top-k** trade variety against correctness; RL samples at temperature 1.
# - The **KV cache** keeps what does not change and makes generation many times faster.
# - The logits at a position are about the **next** token.
#
# **What failed, or did not help.** Without the mask: the lowest loss and the worst texts. Dropout: the BPE model still overfits. The
# models know words and phrases and lose the thread after a clause: 0.8 million parameters and a few minutes are not enough for sense.
# Lesson 12 uses a real pretrained model.
#
# **Further reading.** A. Vaswani et al. (2017), *Attention is all you need*. A. Radford et al. (2019), *Language models are
# unsupervised multitask learners* (GPT-2). R. Sennrich et al. (2016), byte-pair encoding. C. Shannon (1951), *Prediction and entropy of
# printed English*: people as language models. A. Karpathy's nanoGPT. K. Jordan et al. (2024), *Muon*. N. Srivastava et al.
# (2014), *Dropout*. Next: [lesson 09](09_sft_and_sentiment.ipynb) trains this model further; [lesson 00's board](00_start_here.ipynb)
# shows your points.
