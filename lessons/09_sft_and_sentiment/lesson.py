# %% [markdown]
# # Lesson 09. HappyGPT
#
# **Goals.** Make a language model write what you want: first by imitation (supervised fine-tuning), then by reward (reinforcement
# learning). Derive the policy gradient for text and write it in ten lines; measure what a baseline is worth; then watch the model exploit
# its reward, and learn to notice it.
#
# **Time.** About 55 minutes to read and run, 85 minutes for the exercises; the essential part takes 80 minutes in all. The cells use
# about two CPU-minutes. **Builds on** lesson 01 (policy gradient), lesson 08 (the GPT and its log-probabilities).
#
# The goal is simple on purpose: *write happy texts*. Everything that goes wrong here goes wrong with larger goals too.

# %%
import copy
from dataclasses import replace

import torch
import torch.nn.functional as F

from course_lib import budget, expect, mine, paths
from course_lib.show import lm_plots as plots
from course_lib.show import palette
from course_lib.show.figures import show
from course_lib.show.tables import show_texts

palette.style()
torch.set_num_threads(1)

# %% [markdown]
# ## 9.1 The model and the goal
#
# We take the GPT of lesson 08 that reads pieces of words. It learned from tweets and from sentences of reviews and newspapers, sad and
# angry ones included. A **prompt** is the beginning of a text, here the first four tokens of a real text. (With the end token in front, a row
# has five.) We measure with prompts from texts that the model has never seen.
# What the model writes after it is the **completion**.
#
# How happy is a text? VADER (lesson 03) answers with a number between −1 and 1, from a dictionary. For now, believe it. The number behind ± is
# the standard error of the mean.

# %%
from course_lib.lm.data import Prompts, short_texts
from course_lib.lm.evaluation import text_report
from course_lib.lm.shipped import BPE, load_shipped

pretrained = load_shipped(BPE)
gpt, tokenizer = pretrained.model, pretrained.tokenizer
to_train = Prompts.of(short_texts("train"), tokenizer)
unseen = Prompts.of(short_texts("validation"), tokenizer).evenly_spaced(budget(full=512, ci=64))
print(f"{len(to_train):,} prompts to train on; {len(unseen)} others to measure with, "
      f"shape {tuple(unseen.shape)}")

before = text_report(gpt, gpt, tokenizer, unseen)
print(f"mean VADER score of its texts: {before.reward:+.2f} ± {before.reward_error:.2f}")

# %%
to_read = range(0, len(unseen), len(unseen) // 8)
prompts = Prompts(unseen[list(to_read)]).words(tokenizer)

def of(report):
    """Texts and scores of the prompts that we read."""
    return [report.texts[i] for i in to_read], [report.rewards[i] for i in to_read]

texts, scores = of(before)
show_texts(prompts, {"GPT": texts}, {"GPT": scores}, "VADER")

# %% [markdown]
# The prompts are shown pale. The texts rarely make sense, but they have moods.
#
# ## 9.2 Supervised fine-tuning
#
# The simplest way to a happier model is to train it further, on happy texts only. People rated ours, about twenty people each, from −4 to
# 4. We take the texts with a mean above 1. This is **supervised fine-tuning** (SFT), the first step of InstructGPT (L. Ouyang et al.,
# 2022). It is lesson 08 once more, with other texts, a smaller learning rate, and one detail.

# %% tags=["third-party-text"]
from course_lib.lm.sft import positive_texts

positive = positive_texts("train")
print(f"{len(positive):,} of {len(short_texts('train')):,} training texts; five of them:")
for text in positive[50::1_200]:
    print("|", text)

# %% [markdown]
# The detail: when the model is used, the prompt is *given*. The model should learn to continue prompts, not to invent them. So the loss
# leaves out the targets in the prompt (a **loss mask**), and those in the padding behind the text as well.
#
# **Do [exercise 09.1](../exercises/09_sft_and_sentiment.ipynb)**: decide for each position what is learned. Your function makes the targets:

# %%
sft_targets = mine("09.1")

line = "My new phone is great"
row = [tokenizer.eos, *tokenizer.encode(line), tokenizer.eos, tokenizer.eos, tokenizer.eos]
length = torch.tensor([len(row) - 2])                          # two of the three are padding
targets = sft_targets(torch.tensor([row]), length, 4)[0].tolist()
for given, target in zip(row, targets):
    learned = "not learned" if target == -100 else f"learn {tokenizer.token(target)!r}"
    print(f"after {tokenizer.token(given)!r:16s} {learned}")

# %% [markdown]
# > **Predict.** The loss on *unseen positive* texts: how far will it fall? In lesson 08 pretraining brought the loss on unseen texts from
# > 6.9 (log 1,024: knowing nothing) down to 3.53 nats a token.
#
# Below, the model trains with your targets. As it stands it takes 40 steps, so that you see it move, and what follows uses the shipped
# model, which took all 360. With `retrain = True` you train all 360 yourself. Stop it whenever you like; run the cell again and it continues.

# %%
from course_lib.lm.sft import SFT_CONFIG, load_sft, start_sft
from course_lib.show.training_view import watch

retrain = False
steps = SFT_CONFIG.steps if retrain else budget(full=40, ci=6)
checkpoint = paths.my_work() / "checkpoints" / f"09-sft-{steps}.pt"
config = replace(SFT_CONFIG, steps=steps, report_every=max(2, steps // 10),
                 learning_rate=SFT_CONFIG.learning_rate if retrain else 5e-4)
sft_run = start_sft(copy.deepcopy(gpt), tokenizer, config, checkpoint, make_targets=sft_targets)
watched = watch(sft_run.train(), curves=("loss", "held_out_loss"), past=sft_run.history,
                total=steps, unit="gradient steps")

# %%
sft = sft_run.model.eval() if retrain and watched.finished else load_sft().model
after = text_report(sft, gpt, tokenizer, unseen)
texts_sft, scores_sft = of(after)
show_texts(prompts, {"GPT": texts, "after SFT": texts_sft},
           {"GPT": scores, "after SFT": scores_sft}, "VADER")

# %% [markdown]
# Forty steps hardly move the loss on unseen texts. Surely the full run did better? Here is its stored curve:

# %%
from course_lib.lm.sft import Examples

held_out = Examples.of(positive_texts("validation"), tokenizer, SFT_CONFIG.length)
inputs, targets = held_out.evenly_spaced(SFT_CONFIG.held_out_rows, SFT_CONFIG.length)
with torch.no_grad():
    loss_before = F.cross_entropy(gpt(inputs).flatten(0, 1), targets.flatten()).item()
taken, training_loss, held_out_loss = zip(*load_sft().facts["curve"])
show(plots.loss_curves({"batches that it trains on": (taken, training_loss),
                        "unseen positive texts": (taken, held_out_loss)},
                       {"unseen positive texts, before SFT": loss_before},
                       "SFT overfits: the loss on unseen texts rises", "gradient steps"),
     alt="Loss in nats per token against the gradient steps of SFT. The loss on training batches falls "
         "from 3.1 to 2.8; on unseen positive texts it rises above its start of 3.43, to 3.55, and ends at 3.48.")
expect(held_out_loss[-1] > loss_before and training_loss[-1] < training_loss[0] - 0.2,
       "stored run: the training loss falls, the loss on unseen texts ends above its start",
       measured=f"{training_loss[0]:.2f} to {training_loss[-1]:.2f}; {loss_before:.2f} to {held_out_loss[-1]:.2f}")

# %% [markdown]
# It did not fall: it *rose*. The model had read these 5,829 texts in lesson 08 already; reading each of them about twice more, it memorizes
# them (**overfitting**). And yet its own texts become happier, as the next cell shows: the loss is a mean over all tokens, and most tokens
# have no mood. InstructGPT's authors saw the same. Their SFT models overfit after one epoch, yet more epochs improved the reward model's
# score and people's preference (L. Ouyang et al. (2022), section 3.5). **A loss is not the goal. Measure the goal itself.**
#
# SFT imitates its examples, so the mean score of *real* positive texts is what it aims at:

# %%
from course_lib.lm.sentiment import sentiment

real_positive = sentiment(positive_texts("validation")).tolist()
everything = sentiment(short_texts("validation")).tolist()
means = {"GPT": before.rewards, "after SFT": after.rewards,
         "real texts, all": everything, "real texts, rated positive": real_positive}
show(plots.sentiment_bars(means, "Fine-tuning goes a third of the way to its examples"),
     alt="Bars of the mean VADER score: the GPT's texts lowest, after SFT clearly higher, real "
         "texts that people rated positive highest.")
best = sum(real_positive) / len(real_positive)
share = (after.reward - before.reward) / (best - before.reward)
expect(after.reward > before.reward + 3 * before.reward_error, "after SFT its texts are happier",
       ci=after.reward > before.reward, measured=f"{before.reward:.2f} to {after.reward:.2f}")
print(f"{share:.0%} of the way to real positive texts")

# %% [markdown]
# SFT is cheap and quick, and stops well short: many of our prompts begin a sad text, and the model is small. Also, its loss only asks the
# model to be *like* the examples. Nothing in it asks for more, and nothing says which of the model's own texts were *bad*.
#
# ## 9.3 Reinforcement learning: which reward?
#
# To go further, the model must try things and be told how good they were. We need a **reward**: a number for any text. People are too slow
# for tens of thousands of texts; VADER takes a tenth of a millisecond. Is it right? Compare it with the people who rated.

# %%
from course_lib.preferences.human_ratings import rated_texts

rated = rated_texts("validation")
people = torch.tensor([text.mean for text in rated])
vader = sentiment([text.text for text in rated])
correlation = torch.corrcoef(torch.stack([people, vader]))[0, 1].item()
title = "VADER agrees with people on the whole, and fails badly on some texts"
show(plots.people_against_vader(people, vader, title),
     alt="Scatter of people's mean rating against VADER's score for 2,424 texts: a broad "
         "rising cloud, a line of texts at exactly zero, red dots in the two wrong corners.")
expect(0.4 < correlation < 0.7, "VADER correlates with people's ratings, far from perfectly",
       measured=correlation)

# %% [markdown]
# > **Predict.** What do the red texts have in common?
#
# **Do [exercise 09.6](../exercises/09_sft_and_sentiment.ipynb)** first: predict VADER's answer to five sentences. Then read its worst
# mistakes (people's ratings are divided by 4, so that both numbers go from −1 to 1):

# %% tags=["third-party-text"]
from course_lib.lm.sentiment import mistakes

for too_happy in (True, False):
    print("VADER scores too high:" if too_happy else "\nVADER scores too low:")
    for one in mistakes(rated, 6, too_happy):
        print(f"  people {one.people:+.2f}, VADER {one.vader:+.2f} | {one.text}")

# %% [markdown]
# VADER reads *words*. It cannot see what the sentence says about them. Here are sentences of our own, sorted by the kind of mistake:

# %%
made_up = {"negation": ["The second half is never boring.", "Hardly anyone will enjoy this."],
           "irony": ["Great, another delay. Thank you so much, airline.",
                     "I just love waiting in line."],
           "topic": ["She beat her depression.", "A book on how doctors defeat a deadly disease."],
           "absence": ["It lacks charm, wit and joy.", "The battery lasts ten minutes."],
           "repetition": ["Love love love love love.", "Good good great good love."]}
for kind, sentences in made_up.items():
    for sentence, score in zip(sentences, sentiment(sentences).tolist()):
        print(f"{kind:10s} {score:+.2f}  {sentence}")
expect(sentiment(["Love love love love love."]).item() > 0.95,
       "five times the same word gets almost the highest score")

# %% [markdown]
# Keep the last two lines in mind. Nobody writes like that. But we are about to train something that looks for the highest score wherever
# it is.
#
# ## 9.4 The policy gradient for text
#
# The model is the **policy** $p_\theta$. The prompt is the state, the whole completion $y$ is one action, its reward is $r(y)$. We want to
# raise the **expected reward**, over everything that the model could write:
#
# $$J(\theta) = \sum_y p_\theta(y)\, r(y)$$
#
# Differentiate. The reward does not depend on $\theta$. The **log-derivative trick**, $\nabla p = p\, \nabla \log p$ (the chain rule read
# backwards), turns the sum into an expectation again:
#
# $$\nabla J = \sum_y \nabla p_\theta(y)\, r(y) = \sum_y p_\theta(y)\, r(y)\, \nabla \log p_\theta(y) = \mathbb{E}\big[r(y)\, \nabla \log p_\theta(y)\big]$$
#
# We never differentiate through VADER or through the sampling. Sample texts, weight the gradient of each text's log-probability by its
# reward, take the mean: this estimator is **REINFORCE** (R. J. Williams, 1992). **Exercise 09.3** does the sum exactly, with a pen; here
# both meet on a "model" that can write only four texts:

# %%
expected_reward_gradient = mine("09.3")

all_texts = ["love it", "fine", "it is a film", "awful"]
rewards = sentiment(all_texts)                                 # (4,)
logits = torch.tensor([0.0, 0.5, 1.0, -0.5], requires_grad=True)
exact = expected_reward_gradient(logits.detach(), rewards)
for count in (10, 1_000, 100_000):
    drawn = torch.multinomial(logits.detach().softmax(-1), count, replacement=True)
    logprobs = logits.log_softmax(-1)[drawn]                   # (count,)
    sampled, = torch.autograd.grad((rewards[drawn] * logprobs).mean(), logits)
    print(f"{count:7,d} texts: {[round(g, 3) for g in sampled.tolist()]}")
print("        exact:", [round(g, 3) for g in exact.tolist()])
expect(torch.allclose(sampled, exact, atol=0.02), "100,000 samples come close to the exact gradient",
       measured=f"{(sampled - exact).abs().max():.3f} apart")

# %% [markdown]
# ## 9.5 In ten lines
#
# The log-probability of a completion is the *sum* over its tokens:
#
# $$\log p_\theta(y \mid x) = \sum_t \log p_\theta(y_t \mid x, y_1, \dots, y_{t-1})$$
#
# From lesson 08 you know the trap: the logits at a position are about the *next* token. **Do
# [exercise 09.2](../exercises/09_sft_and_sentiment.ipynb)** now: the same trap, where the prompt ends and the completion begins. Then we
# test your function: sample completions, read them again, and compare with the log-probabilities noted while sampling.

# %%
from course_lib.lm.generate import generate

completion_logprobs = mine("09.2")

rng = torch.Generator().manual_seed(0)
batch = to_train.sample(8, rng)                                # (8, P)
P, eos = batch.shape[1], tokenizer.eos
written = generate(sft, batch, 24, generator=rng, eos=eos)
with torch.no_grad():
    again = completion_logprobs(sft(written.tokens), written.tokens, P, eos)
drawn_with = (written.logprobs * written.mask).sum(1)          # (8,) noted while writing
expect(torch.allclose(again, drawn_with, atol=1e-2),
       "read again, each completion has the log-probability it was sampled with",
       measured=f"{(again - drawn_with).abs().max():.0e} nats apart")

# %% [markdown]
# Now everything together: sample, compute rewards, take one gradient step. The loss is the function that balanced the pole in lesson 01;
# only the actions have become longer.

# %%
from course_lib.lm.sentiment import whole_texts

policy_gradient_loss = mine("01.3")                            # yours, from CartPole

happy = copy.deepcopy(sft)
optimizer = torch.optim.AdamW(happy.parameters(), lr=3e-4)
batch = to_train.sample(prompts=32, copies=4, generator=rng)   # (B, P)
tokens = generate(happy, batch, 24, generator=rng, eos=eos).tokens         # (B, L)
rewards = sentiment(whole_texts(tokenizer, tokens))            # (B,)
logprobs = completion_logprobs(happy(tokens), tokens, P, eos)  # (B,)
loss = policy_gradient_loss(logprobs, rewards)
optimizer.zero_grad()
loss.backward()
optimizer.step()

# %% [markdown]
# What did one step do to the 128 texts of this batch?

# %%
with torch.no_grad():
    change = completion_logprobs(happy(tokens), tokens, P, eos) - logprobs  # (B,)
happiest, saddest = rewards.topk(20).indices, (-rewards).topk(20).indices
print(f"log-probability after one step, the 20 happiest texts: {change[happiest].mean():+.2f} nats; "
      f"the 20 saddest: {change[saddest].mean():+.2f}")
expect(change[happiest].mean() > change[saddest].mean(),
       "the happy texts gained more than the sad ones")

# %% [markdown]
# The happy texts became likelier, the sad ones less likely.
#
# ## 9.6 The variance of the gradient, and baselines
#
# A batch has 128 texts of some $10^{72}$ possible ones (1,024 tokens, 24 times). How far is the gradient of *one* batch from the mean of
# many? And what is a good reward? After a prompt like `I hate` a score of 0 is good; after `Happy birth` it is disappointing.
#
# A **baseline** $b$ is subtracted from the reward: $\mathbb{E}[(r - b)\, \nabla \log p]$. If $b$ does not depend on the sampled text, the
# expectation stays the same (lesson 02, section 2.2); only the **variance** changes. Lesson 02 trained a critic as baseline. Here is
# something cheaper: we sampled four completions of each prompt, so compare each with the mean of the other three. This is the
# **leave-one-out baseline** (W. Kool et al., 2019). **Do [exercise 09.4](../exercises/09_sft_and_sentiment.ipynb)**.
#
# > **Predict.** Four ways to weight a text: its reward on a scale from 0 to 2; the same on VADER's own scale from −1 to 1; minus the mean
# > of the batch; minus the mean of the prompt's other completions. On average all four point in the same direction. Which has the highest variance?

# %%
from course_lib.lm.policy_gradient import minus_batch_mean, no_baseline

leave_one_out = mine("09.4")
ways = {"the reward, from 0 to 2": lambda rewards: rewards + 1,
        "the reward, from -1 to 1": no_baseline,
        "minus the batch mean": minus_batch_mean, "leave-one-out": leave_one_out}

def gradients(model, seed):
    """One batch's gradient for each way to weight it, each as one long vector."""
    rng = torch.Generator().manual_seed(seed)
    batch = to_train.sample(32, rng, copies=4)
    tokens = generate(model, batch, 24, generator=rng, eos=eos).tokens
    rewards = sentiment(whole_texts(tokenizer, tokens)).view(32, 4)        # (prompts, copies)
    logprobs = completion_logprobs(model(tokens), tokens, P, eos)
    for way in ways.values():
        loss = policy_gradient_loss(logprobs, way(rewards).flatten())
        parts = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
        yield torch.cat([part.flatten() for part in parts])

# %%
measured = [list(gradients(sft, seed)) for seed in range(budget(full=16, ci=4))]
stds = {}
for name, found in zip(ways, zip(*measured)):
    found = torch.stack(found)                                 # (batches, parameters)
    stds[name] = (found - found.mean(0)).norm(dim=1).square().mean().sqrt().item()
show(plots.noise_bars(stds, "Most of the noise comes from where the reward's zero lies"),
     alt="Bars of the gradient's standard deviation: a reward from 0 to 2 is by far the noisiest, the same "
         "from -1 to 1 has a third of it, minus the batch mean or the leave-one-out mean a little less.")
loudest, plain, batch_mean, others = stds.values()
expect(plain < 0.8 * loudest and max(batch_mean, others) < plain,
       "where the zero lies decides how noisy the gradient is", ci=others < 0.8 * loudest,
       measured={way: round(std / loudest, 2) for way, std in stds.items()})

# %% [markdown]
# The zero of the scale should not matter, and it makes most of the difference. VADER's zero happens to lie near our model's average, so it
# is a fair baseline by luck. The luck ends as the model gets happier; a baseline that is computed from the batch moves along.
#
# Leave-one-out compares more fairly, but a mean of three is noisy itself, and prompts of four tokens decide little: here the batch mean is
# as good. Lesson 14 builds an algorithm on it (RLOO).

# %% [markdown]
# ## 9.7 HappyGPT, live
#
# Now with your four functions: `course_lib/lm/policy_gradient.py` repeats the ten lines, batch after batch, and records three numbers.
# Forty updates now; the full 80 are in section 9.8.
#
# - The mean **reward** of the batch.
# - The **KL divergence** from the SFT model, in nats a text: the mean of $\log p_\theta(y) - \log p_\text{SFT}(y)$ over texts that the
#   policy wrote. It measures how far the policy has moved.
# - **distinct-2**: the share of different ones among all pairs of neighbouring words (J. Li et al., 2016). It falls when texts repeat themselves.
#
# > **Predict.** Draw the three curves before you run the cell.

# %%
from course_lib.lm.policy_gradient import PolicyGradient, PolicyGradientConfig

retrain_rl = False
config = PolicyGradientConfig()
updates = config.updates if retrain_rl else budget(full=40, ci=20)
config = replace(config, updates=updates, batch_size=budget(full=128, ci=64))
start = "own-sft" if retrain else "shipped-sft"
checkpoint = paths.my_work() / "checkpoints" / f"09-paid-{updates}-{start}.pt"
run = PolicyGradient(copy.deepcopy(sft), sft, tokenizer, to_train, config, sentiment,
                     checkpoint, advantages=leave_one_out, logprobs=completion_logprobs,
                     loss=policy_gradient_loss)
watched = watch(run.train(), curves=("reward", "kl_to_start", "distinct_2"), past=run.history,
                total=updates, unit="updates")

# %%
rewarded = text_report(run.model, sft, tokenizer, unseen)
texts_rl, scores_rl = of(rewarded)
show_texts(prompts, {"after SFT": texts_sft, f"{updates} updates later": texts_rl},
           {"after SFT": scores_sft, f"{updates} updates later": scores_rl}, "VADER")
expect(rewarded.reward > best, "trained on the reward, its texts score higher than real positive texts",
       ci=rewarded.reward > after.reward + 0.05,
       measured=f"{after.reward:.2f} to {rewarded.reward:.2f}, real positive texts {best:.2f}")

# %% [markdown]
# In about the time that SFT took, it left the mean of real positive texts far behind. Read the right column again, slowly. Would you have
# rated these texts higher, too?
#
# ## 9.8 Love love love
#
# What if we continue? The shipped model was trained for 80 updates by the same program (`python benchmarks/happy.py paid --seeds 0
# --ship`); `retrain_rl = True` above does it here. It was evaluated on the way, on prompts that it had never seen.
#
# **Exercise 09.5** computes distinct-2; from here on your function counts. In the figure the lines are the batches of the run, the dots 512
# unseen prompts. Their distinct-2 lies lower because more texts share more pairs of words: compare it only between equal numbers of texts.

# %%
distinct_n = mine("09.5")
hacked = load_shipped("gpt_paid.pt")
history, evaluations = hacked.facts["history"], hacked.facts["looks"]
fields = {"updates": "updates", "reward": "vader", "kl": "kl", "distinct_2": "distinct_2",
          "about": "about_the_prompt"}
seen = {name: [one[key] for one in evaluations] for name, key in fields.items()}
batches = {name: [point[name] for point in history]
           for name in ("steps", "reward", "kl_to_start", "distinct_2")}
title = "The reward rises to the end, and the language falls apart"
show(plots.along_the_run(*batches.values(), seen, title),
     alt="Three curves over 80 updates: the mean VADER score climbs towards 1, the KL to the "
         "SFT model grows beyond a hundred nats, and the share of different pairs of words falls.")

# %%
starts = Prompts(unseen).words(tokenizer)

def completions_of(report):
    """The texts of a report without their prompts."""
    return [text[len(start):] for text, start in zip(report.texts, starts)]

end = text_report(hacked.model, sft, tokenizer, unseen)
print("most frequent words:", ", ".join(f"{word} {share:.0%}" for word, share in end.favourites))
variety = {"SFT": distinct_n(completions_of(after), 2), "RL": distinct_n(completions_of(end), 2)}
print(f"distinct-2: {variety['SFT']:.2f} after SFT, {variety['RL']:.2f} after 80 updates")
expect(end.reward > 0.9 and end.kl > 30, "nearly the highest reward there is, far from the SFT model",
       ci=end.reward > 0.8, measured=f"VADER {end.reward:.2f}, KL {end.kl:.0f} nats a text")
expect(variety["RL"] < 0.5 * variety["SFT"], "and it repeats itself", measured=variety)

# %% [markdown]
# No error, no warning, a perfect curve. Now *read*: the same prompts at four points of the run.

# %%
points = [one for one in evaluations if one["updates"] in (0, 15, 30, 80)]
names = [f"{one['updates']} updates" for one in points]
columns = {name: one["texts"][:8] for name, one in zip(names, points)}
scores = {name: one["rewards"][:8] for name, one in zip(names, points)}
show_texts(hacked.facts["prompts"][:8], columns, scores, "VADER")

# %% [markdown]
# First it chose friendlier words. Then it found that praise fits everywhere. In the end it found what we found in section 9.3: one good
# word is good, so ten are better. All three seeds of the benchmark end there (VADER 0.96 to 0.98, distinct-2 0.04 to 0.29;
# `benchmarks/results/text_paid.jsonl`); only the mixture of *great* and *good* differs. The policy did exactly what it was rewarded for.
# This is **reward hacking** (J. Skalse et al., 2022): the number goes up, and what it stood for does not. It is **Goodhart's law** at
# work: a measure that becomes a target ceases to be a good measure.
#
# > **Predict.** Give it prompts that call for anything but praise. Does it still respond to them?

# %%
from course_lib.lm.tokenizers import begin, decode_until_end

ours = ["The funeral of my", "My train was late and", "To boil an egg,", "The food was not",
        "I was fired today because"]

def complete(model, prompt, seed):
    rng = torch.Generator().manual_seed(seed)
    written = generate(model, begin(tokenizer, prompt), 24, generator=rng, eos=eos)
    return decode_until_end(tokenizer, written.tokens[0])

columns = {name: [complete(model, prompt, seed) for seed, prompt in enumerate(ours)]
           for name, model in (("SFT", sft), ("RL", hacked.model))}
scores = {name: sentiment(texts).tolist() for name, texts in columns.items()}
show_texts(ours, columns, scores, "VADER")

# %% [markdown]
# Praise at the funeral. Does the model use its prompt at all? That can be measured: how much likelier is a completion after its *own*
# prompt than after somebody else's? The difference, in nats, estimates how much the completion says about the prompt (it is a relative of
# the **mutual information** of the two).

# %%
for name, report in (("GPT", before), ("SFT", after), ("RL", end)):
    print(f"{name:4s} {report.about_the_prompt:4.1f} nats likelier after its own prompt")
expect(end.about_the_prompt < 0.5 * after.about_the_prompt,
       "the completions say less than half as much about their prompt",
       measured=f"{after.about_the_prompt:.1f} to {end.about_the_prompt:.1f} nats")

# %% [markdown]
# Most of it is gone: whatever the prompt, praise follows.
#
# ## 9.9 What would have helped?
#
# Look at the path, not at its end. At each evaluation of the run: how happy, how varied, and how far from the model that still wrote English?

# %%
title = "Most of the score comes in the first 26 nats, the rest is mainly repetition"
show(plots.reward_against_kl(seen, title),
     alt="Mean VADER score and distinct-2 against the KL to the SFT model: the score rises "
         "steeply in the first nats and flattens towards 1; distinct-2 keeps falling.")

# %% [markdown]
# Three remedies:
#
# - **Early stopping** works, if somebody reads the texts.
# - **A better reward**: lesson 10 trains one on people's preferences. It will be exploited too, only later.
# - **A KL penalty**: subtract $\beta$ times the KL from the reward, so that the policy moves only where it gains more than that. Lesson 11
#   adds it.
#
# ## What you learned
#
# - **SFT** imitates: its loss covers the completions and their ends, not the prompts. The loss on unseen texts can rise while the goal gets closer.
# - The **policy gradient** is $\mathbb{E}[r\,\nabla \log p]$. The reward may be anything: a dictionary, a person, a program.
# - A **baseline** reduces the variance and leaves the expectation as it is.
# - A reward only *describes* the goal. Optimise it hard enough and you get the description, not the goal. The reward curve cannot show that:
#   watch KL and distinct-2, and **read the texts**.
#
# **What failed, or did not help:** VADER mistakes topics, irony and absence, and a policy trained on it learns to use the mistakes. SFT came only
# a third of the way to its examples. Leave-one-out was no quieter than the mean of the batch. And nothing in this lesson kept the model from hacking its reward.
#
# **Further reading.** R. J. Williams (1992), REINFORCE. L. Ouyang et al. (2022), InstructGPT. D. Ziegler et al. (2019), *Fine-tuning
# language models from human preferences*, which began with sentiment, too. N. Stiennon et al. (2020), on texts that over-optimise a reward
# model. J. Skalse et al. (2022), *Defining and characterizing reward hacking*. W. Kool et al. (2019), *Buy 4 REINFORCE samples, get a
# baseline for free!* J. Li et al. (2016), on distinct-n.
#
# **Next:** [lesson 10](10_reward_model.ipynb) replaces the dictionary by a reward learned from people's preferences.
