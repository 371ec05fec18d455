# %% [markdown]
# # Lesson 09. HappyGPT
#
# **Goals.** Turn a language model into one that writes what you want, first by showing it (fine-tuning), then by paying it (reinforcement
# learning). Derive the policy gradient for text and write it in ten lines; see what a baseline is worth; then watch the model cheat, and
# learn to notice that it does.
#
# **Time.** About 55 minutes to read and run, 85 minutes for the exercises; the essential part takes 80 minutes in all. The cells use
# about two CPU-minutes. **Builds on** lesson 01 (policy gradient), lesson 08 (the GPT and its log-probabilities).
#
# The wish is simple on purpose: *write happy texts*. Everything that goes wrong here goes wrong with larger wishes too.

# %%
import copy
from dataclasses import replace

import torch

from course_lib import budget, expect, mine, paths
from course_lib.show import lm_plots as plots
from course_lib.show import palette
from course_lib.show.figures import show
from course_lib.show.tables import show_texts

palette.style()
torch.set_num_threads(1)

# %% [markdown]
# ## 9.1 The model and the wish
#
# The GPT of lesson 08, the one that reads pieces of words. It learned from tweets and from sentences of reviews and newspapers, the sad and
# angry ones included. We give it *prompts*: the first four tokens of real texts that it has never seen. It goes on from there.
#
# How happy is a text? VADER (lesson 03) gives an answer between −1 and 1, from a dictionary. For now, believe it.

# %%
from course_lib.lm.data import Prompts, short_texts
from course_lib.lm.evaluation import text_report
from course_lib.lm.shipped import BPE, load_shipped

pretrained = load_shipped(BPE)
gpt, tokenizer = pretrained.model, pretrained.tokenizer
to_train = Prompts.of(short_texts("train"), tokenizer)
unseen = Prompts.of(short_texts("validation"), tokenizer).evenly_spaced(budget(full=512, ci=64))
print(f"{len(to_train):,} prompts to train on; to measure, {len(unseen)} others, "
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
# The prompts are pale. A little happier than neutral, for people rather praise than blame, and everything is in it.
#
# ## 9.2 Show it: supervised fine-tuning
#
# The simplest way to a happier model: train it further, on happy texts only. Ours were rated by people, about twenty for each text. We take
# those with a mean above 1 (from −4 to 4). This is **supervised fine-tuning**, SFT. It is lesson 08 over again with other texts, a
# smaller learning rate, and one detail.

# %% tags=["third-party-text"]
from course_lib.lm.sft import positive_texts

positive = positive_texts("train")
print(f"{len(positive):,} of {len(short_texts('train')):,} training texts; five of them:")
for text in positive[50::1_200]:
    print("|", text)

# %% [markdown]
# The detail: when the model is used, the prompt is *given*. It shall learn to go on, not to make up beginnings. So the targets in the prompt
# are crossed out, and those in the padding behind the text as well.
#
# **Do [exercise 09.1](../exercises/09_sft_and_sentiment.ipynb)**: decide for each place what is learned. Your function makes the targets:

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
# > **Predict.** The held-out loss, on *positive* texts that it has not seen: how far will it fall? In lesson 08 it came down from 6.9 to
# > about 4 nats a token.
#
# Below, the model trains with your targets. As it stands it takes 40 steps and then gives way to the shipped model; with `retrain = True`
# it does all 360, with larger steps, which shake the model first and bring it further. Stop it whenever you like and run the cell again: it goes on.

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
# How happy could it become this way? Not happier than what it is shown. The ceiling are real positive texts:

# %%
from course_lib.lm.sentiment import sentiment

ceiling = sentiment(positive_texts("validation")).tolist()
everything = sentiment(short_texts("validation")).tolist()
means = {"GPT": before.rewards, "after SFT": after.rewards,
         "real texts, all": everything, "real texts, rated positive": ceiling}
show(plots.sentiment_bars(means, "Fine-tuning closes a part of the gap to what it is shown"),
     alt="Bars of the mean VADER score: the GPT's texts lowest, after SFT clearly higher, real "
         "texts that people rated positive highest.")
best = sum(ceiling) / len(ceiling)
share = (after.reward - before.reward) / (best - before.reward)
expect(after.reward > before.reward + 3 * before.reward_error,
       "after SFT its texts are happier", ci=share > -0.5,
       measured=f"{before.reward:.2f} to {after.reward:.2f}")
print(f"{share:.0%} of the way to real positive texts")

# %% [markdown]
# Cheap and quick, and it stops short of the ceiling: many of our prompts begin a sad text, and a small model learns a mood slowly. A model that is only shown cannot find out anything that was not in the examples.
# Nor was it ever told what it did *wrong*.
#
# ## 9.3 Pay it: but who pays?
#
# To go further the model must try things and be told what they are worth. We need a **reward**: a number for any text. People are too slow for
# tens of thousands of texts. VADER answers in a tenth of a millisecond. Is it right? Ask the people who rated.

# %%
from course_lib.preferences.human_ratings import rated_texts

rated = rated_texts("validation")
people = torch.tensor([text.mean for text in rated])
vader = sentiment([text.text for text in rated])
correlation = torch.corrcoef(torch.stack([people, vader]))[0, 1].item()
title = "VADER follows people, and is dead wrong on some texts"
show(plots.people_against_vader(people, vader, title),
     alt="Scatter of people's mean rating against VADER's score for 2,424 texts: a broad "
         "rising cloud, a line of texts at exactly zero, red dots in the two wrong corners.")
expect(0.4 < correlation < 0.9, "VADER goes along with people, far from perfectly",
       measured=correlation)

# %% [markdown]
# > **Predict.** What do the red dots have in common? Guess before you read the worst of them. **Exercise 09.6** is a game about this:
# > play it first, since the next two cells give some of its answers away.

# %% tags=["third-party-text"]
from course_lib.lm.sentiment import mistakes

for too_happy in (True, False):
    print("VADER is too happy about:" if too_happy else "\nVADER is too sad about:")
    for one in mistakes(rated, 6, too_happy):
        print(f"  people {one.people:+.2f}, VADER {one.vader:+.2f} | {one.text}")

# %% [markdown]
# It reads *words*. What a sentence says about them, that the joy was expected and did not come, that the killer is a bargain, it cannot
# see. Here are sentences of our own, sorted by the kind of mistake:

# %%
made_up = {"negation": ["The film was not bad at all.", "Nobody will ever love this film."],
           "irony": ["Great, another delay. Thank you so much, airline.",
                     "I just love waiting in line."],
           "topic": ["He won the war against cancer.",
                     "This film is about war, murder and hope."],
           "absence": ["It lacks charm, wit and joy.",
                       "The food was cold and the waiter never came."],
           "nothing said": ["Love love love love love.", "Good good great good love."]}
for kind, sentences in made_up.items():
    for sentence, score in zip(sentences, sentiment(sentences).tolist()):
        print(f"{kind:13s} {score:+.2f}  {sentence}")
expect(sentiment(["Love love love love love."]).item() > 0.95,
       "five times the same word is one of the happiest texts there is")

# %% [markdown]
# Keep the last two lines in mind. Among real texts they hardly matter: nobody writes like that. But we are about to train something that
# will look for the highest score wherever it is.
#
# ## 9.4 The policy gradient, from its beginning
#
# The model is the **policy**. A prompt is the situation, the whole completion $y$ is one action, the reward is $r(y)$. What we want to
# raise is the *expected* reward, over everything the model could write:
#
# $$J(\theta) = \sum_y p_\theta(y)\, r(y)$$
#
# The chain rule, and the fact that $\nabla p = p\, \nabla \log p$, turn its slope into a mean again:
#
# $$\nabla J = \sum_y \nabla p_\theta(y)\, r(y) = \sum_y p_\theta(y)\, r(y)\, \nabla \log p_\theta(y) = \mathbb{E}\big[r(y)\, \nabla \log p_\theta(y)\big]$$
#
# Nothing had to be differentiated through VADER, or through the dice that drew the words. Write texts, weigh the gradient of each
# one's log-probability by what it was paid, take the mean. **Exercise 09.3** does the sum with a pen; here both ways meet on a "model" that
# can write four texts only:

# %%
expected_reward_gradient = mine("09.3")

all_texts = ["love it", "fine", "it is a film", "awful"]
paid = sentiment(all_texts)                                    # (4,)
logits = torch.tensor([0.0, 0.5, 1.0, -0.5], requires_grad=True)
exact = expected_reward_gradient(logits.detach(), paid)
for count in (10, 1_000, 100_000):
    drawn = torch.multinomial(logits.detach().softmax(-1), count, replacement=True)
    logprobs = logits.log_softmax(-1)[drawn]                   # (count,)
    sampled, = torch.autograd.grad((paid[drawn] * logprobs).mean(), logits)
    print(f"{count:7,d} texts: {[round(g, 3) for g in sampled.tolist()]}")
print("  exact slope:", [round(g, 3) for g in exact.tolist()])
expect(torch.allclose(sampled, exact, atol=0.02), "many samples find the exact slope")

# %% [markdown]
# ## 9.5 In ten lines
#
# A text's log-probability is the sum over its tokens, and from lesson 08 you know the trap: the logits at a place are about the *next* token.
# **Do [exercise 09.2](../exercises/09_sft_and_sentiment.ipynb)** now: the same trap, at the border between prompt and completion.

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
       "read again, each completion has the log-probability it was written with",
       measured=f"{(again - drawn_with).abs().max():.0e} nats apart")

# %% [markdown]
# And now everything: write, be paid, make likelier. Here are the ten lines, and one step with them.

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

# %%
with torch.no_grad():
    moved = completion_logprobs(happy(tokens), tokens, P, eos) - logprobs  # (B,)
happiest, saddest = rewards.topk(20).indices, (-rewards).topk(20).indices
print(f"after one step, the 20 happiest texts: {moved[happiest].mean():+.2f} nats; "
      f"the 20 saddest: {moved[saddest].mean():+.2f}")
expect(moved[happiest].mean() > moved[saddest].mean(),
       "the happy texts gained more than the sad ones")

# %% [markdown]
# The loss is the function that balanced the pole in lesson 01. Only the actions have become longer.
#
# ## 9.6 Noise, and what siblings are good for
#
# A batch has 128 texts of some hundred million billion possible ones. How far does the gradient of *one* batch lie from the mean of many? And
# what is "good"? After a prompt like `I hate` a score of 0 is an achievement; after `Happy birth` it is a disappointment.
#
# Lesson 02 bought a critic. Here is something cheaper: we wrote four completions of each prompt. Compare each with its three siblings.
# **Do [exercise 09.4](../exercises/09_sft_and_sentiment.ipynb)**.
#
# > **Predict.** Four ways to weigh a text: its reward, on a scale from 0 to 2; the same on VADER's own scale from −1 to 1; minus the mean of
# > the batch; minus its siblings' mean. All four point in the same direction on average (lesson 02, section 2.2). Which is the loudest?

# %%
from course_lib.lm.policy_gradient import minus_batch_mean, no_baseline

leave_one_out = mine("09.4")
ways = {"the reward, from 0 to 2": lambda rewards: rewards + 1,
        "the reward, from -1 to 1": no_baseline,
        "minus the batch's mean": minus_batch_mean, "minus the siblings' mean": leave_one_out}

def gradients(model, seed):
    """One batch's gradient for each way to weigh it, each as one long vector."""
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
noises = {}
for name, found in zip(ways, zip(*measured)):
    found = torch.stack(found)                                 # (batches, parameters)
    noises[name] = (found - found.mean(0)).norm(dim=1).square().mean().sqrt().item()
show(plots.noise_bars(noises, "Most of the noise was only the zero of the scale"),
     alt="Bars of the gradient's noise: a reward from 0 to 2 is by far the noisiest, the same "
         "from -1 to 1 much quieter, minus the batch's or the siblings' mean a little more so.")
loudest, plain, batch_mean, siblings = noises.values()
expect(plain < 0.8 * loudest and max(batch_mean, siblings) < plain,
       "where the zero lies decides how noisy the gradient is", ci=siblings < loudest,
       measured={way: round(n / loudest, 2) for way, n in noises.items()})

# %% [markdown]
# The scale has no business in it, and yet it makes most of the difference. VADER's zero happens to lie near our model's average, so it is a
# fair baseline by luck. That luck ends as the model gets happier; a baseline that is measured moves along.
#
# And the siblings? They compare more fairly, but the mean of three is itself a shaky number, and prompts of four tokens decide little. Here the
# batch's mean is as good. With longer prompts, where one is worth much more than another, siblings win; lesson 11 comes back to them.

# %% [markdown]
# ## 9.7 HappyGPT, live
#
# Everything together, with your four functions: `course_lib/lm/policy_gradient.py` does what the ten lines did, batch after batch, and keeps a
# diary. Forty updates now; the full 80 are in section 9.8.
#
# > **Predict.** Three curves: the reward, the distance from the SFT model (KL, in nats a text), and the share of different pairs of words.
# > Draw them before you run the cell.

# %%
from course_lib.lm.policy_gradient import PolicyGradient, PolicyGradientConfig

retrain_paid = False
config = PolicyGradientConfig()
updates = config.updates if retrain_paid else budget(full=40, ci=3)
config = replace(config, updates=updates, batch_size=budget(full=128, ci=32))
start = "own-sft" if retrain else "shipped-sft"
checkpoint = paths.my_work() / "checkpoints" / f"09-paid-{updates}-{start}.pt"
run = PolicyGradient(copy.deepcopy(sft), sft, tokenizer, to_train, config, sentiment,
                     checkpoint, advantages=leave_one_out, logprobs=completion_logprobs,
                     loss=policy_gradient_loss)
watched = watch(run.train(), curves=("reward", "kl_to_start", "distinct_2"), past=run.history,
                total=updates, unit="updates")

# %%
paid_now = text_report(run.model, sft, tokenizer, unseen)
texts_paid, scores_paid = of(paid_now)
show_texts(prompts, {"after SFT": texts_sft, f"{updates} updates later": texts_paid},
           {"after SFT": scores_sft, f"{updates} updates later": scores_paid}, "VADER")
expect(paid_now.reward > best, "paid, it is happier than the real texts it was shown",
       ci=paid_now.reward > after.reward - 0.3,
       measured=f"{after.reward:.2f} to {paid_now.reward:.2f}, real positive texts {best:.2f}")

# %% [markdown]
# Straight through the ceiling of section 9.2, in about the time that SFT took. Read the right column again, slowly. Would you have rated these
# texts higher, too?
#
# ## 9.8 Love love love
#
# Now without an end. The shipped model was paid for 80 updates by the same program (`python benchmarks/happy.py paid --seeds 0 --ship`);
# `retrain_paid = True` above does it here. On the way it was looked at with prompts it had never seen.
#
# **Exercise 09.5** counts repetition; from here on it is your function that counts.

# %%
distinct_n = mine("09.5")
hacked = load_shipped("gpt_paid.pt")
history, looks = hacked.facts["history"], hacked.facts["looks"]
fields = {"updates": "updates", "reward": "vader", "kl": "kl", "distinct_2": "distinct_2",
          "about": "about_the_prompt"}
seen = {name: [look[key] for look in looks] for name, key in fields.items()}
diary = {name: [point[name] for point in history]
         for name in ("steps", "reward", "kl_to_start", "distinct_2")}
title = "The reward rises to the end; the language does not survive it"
show(plots.along_the_run(*diary.values(), seen, title),
     alt="Three curves over 80 updates: the mean VADER score climbs towards 1, the KL to the "
         "SFT model grows beyond a hundred nats, and the share of different pairs of words falls.")

# %%
end = text_report(hacked.model, sft, tokenizer, unseen)
print("favourite words:", ", ".join(f"{word} {share:.0%}" for word, share in end.favourites))
variety = {"SFT": distinct_n(after.texts, 2), "paid": distinct_n(end.texts, 2)}
print(f"distinct-2: {variety['SFT']:.2f} after SFT, {variety['paid']:.2f} paid")
expect(end.reward > 0.9 and end.kl > 30,
       "nearly the highest reward there is, far away from any language",
       ci=end.reward > 0.8, measured=f"VADER {end.reward:.2f}, KL {end.kl:.0f} nats a text")
expect(variety["paid"] < 0.75 * variety["SFT"], "and it repeats itself",
       ci=variety["paid"] < variety["SFT"], measured=variety)

# %% [markdown]
# No error, no warning, a perfect curve. Now *read*: the same prompts at four moments of the run.

# %%
moments = [look for look in looks if look["updates"] in (0, 15, 30, 80)]
names = [f"{look['updates']} updates" for look in moments]
columns = {name: look["texts"][:8] for name, look in zip(names, moments)}
points = {name: look["rewards"][:8] for name, look in zip(names, moments)}
show_texts(hacked.facts["prompts"][:8], columns, points, "VADER")

# %% [markdown]
# First it chose friendlier words. Then it found that praise fits everywhere. In the end it found what we found in section 9.3: one good word is
# good, so ten are better. Which word it falls in love with is luck; another seed loves another. It did exactly what it was paid for. This is
# **reward hacking**: the number goes up and what the number stood for does not.
#
# > **Predict.** Give it prompts that call for anything but praise. Does it still listen?

# %%
from course_lib.lm.tokenizers import begin, decode_until_end

ours = ["The funeral of my", "My train was late and", "To boil an egg,", "The food was not",
        "I was fired today because"]

def goes_on(model, prompt, seed):
    rng = torch.Generator().manual_seed(seed)
    written = generate(model, begin(tokenizer, prompt), 24, generator=rng, eos=eos)
    return decode_until_end(tokenizer, written.tokens[0])

columns = {name: [goes_on(model, prompt, seed) for seed, prompt in enumerate(ours)]
           for name, model in (("SFT", sft), ("paid", hacked.model))}
points = {name: sentiment(texts).tolist() for name, texts in columns.items()}
show_texts(ours, columns, points, "VADER")

# %% [markdown]
# Praise at the funeral. And look at the prompt that ends in *not*: VADER's one rule of grammar meets a model that says the same to
# everything. Does it read at all what it was given? One can measure it: how much likelier is a completion after its *own* prompt than
# after somebody else's? That many nats the completion knows about its prompt.

# %%
for name, report in (("GPT", before), ("SFT", after), ("paid", end)):
    print(f"{name:4s} {report.about_the_prompt:4.1f} nats likelier after its own prompt")
expect(end.about_the_prompt < 0.5 * after.about_the_prompt,
       "the paid model listens less than half as much to its prompt",
       ci=end.about_the_prompt < after.about_the_prompt,
       measured=f"{after.about_the_prompt:.1f} to {end.about_the_prompt:.1f} nats")

# %% [markdown]
# Most of it is gone: the prompt has become a formality before the praise. What is left says that the model still reads a little, not that it
# *heeds* what it reads.
#
# ## 9.9 What would have helped?
#
# Look at the way, not at the goal. For each moment of the run: how happy, how varied, and how far from the model that still wrote English?

# %%
title = "The first part of the way buys happiness, the rest repetition"
show(plots.reward_against_kl(seen, title),
     alt="Mean VADER score and distinct-2 against the KL to the SFT model: the score rises "
         "steeply in the first nats and flattens towards 1; distinct-2 keeps falling.")

# %% [markdown]
# Three remedies offer themselves. **Stop early**: works, if somebody reads. **A better judge**: lesson 10 trains one on people's verdicts, and
# it will be fooled too, only later. **A leash**: make each nat of distance cost something, so that only what is worth its distance is
# changed. That is the KL penalty, and lesson 11 puts it on.
#
# ## What you learned
#
# - **SFT** shows: it learns the completions and their ends, not the prompts; it cannot become better than its examples.
# - The **policy gradient** is $\mathbb{E}[r\,\nabla \log p]$: the reward may be anything, a dictionary, a person, a program.
# - A **baseline** from siblings takes away noise and no truth.
# - A reward is a *description* of a wish. Optimise hard enough and you get the description, not the wish. The reward curve cannot show it: watch
#   KL and variety, and **read the texts**.
#
# **What failed, or did not help:** VADER mistakes topics, irony and absence, and a model that is paid by it learns the mistakes first. SFT came only
# a part of the way to its ceiling: the model is small and the texts are few. And nothing in this lesson kept the model from cheating.
#
# **Further reading.** R. J. Williams (1992), REINFORCE. D. Ziegler et al. (2019), *Fine-tuning language models from human preferences*, which
# began with sentiment, too. N. Stiennon et al. (2020), on what happens to texts when a reward model is overdone. J. Skalse et al. (2022),
# *Defining and characterizing reward hacking*. W. Kool et al. (2019), on siblings as a baseline. L. Ouyang et al. (2022), InstructGPT.
