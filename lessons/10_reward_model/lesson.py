# %% [markdown]
# # Lesson 10. A reward model for text
#
# **Goals.** Turn ratings of real people into preferences, and preferences into a reward model; know what one rater, a majority and a ranking
# are worth; see what a pretrained language model already knows, and fit *your own* preferences on top of it with 30 clicks; find out where
# labels are well spent.
#
# **Time.** About 80 minutes to read, run and label, 55 minutes for the exercises; the essential part takes 80 minutes in all. The cells
# use about two CPU-minutes. **Builds on** lessons 03 and 08.
#
# Lesson 03 ended with a gap. Its model of words, fitted to 10,000 labels, predicts 72% of unseen preferences; VADER, the experts' dictionary,
# 70%; the mean rating of all other people 90%. This lesson closes a good part of the gap, and asks what each label was worth.

# %%
import json

import numpy as np
import torch

from course_lib import budget, expect, mine
from course_lib.paths import root
from course_lib.show import palette
from course_lib.show import text_rl_plots as plots
from course_lib.show.figures import show

palette.style()
torch.set_num_threads(1)

# %% [markdown]
# ## 10.1 The data
#
# Some 23,700 tweets and sentences, each rated by about 20 people from −4 to 4. A label draws two texts and **one rater of each**; the text
# with the higher rating is preferred. So these are preferences *derived from ratings*: nobody compared the two texts side by side. A text
# belongs to training, validation or test for ever, and the 6,000 test pairs are the same for every model of the course. The **accuracy** of a
# reward model is the share of these pairs in which it gives the preferred text the higher reward.

# %%
from course_lib.preferences.evaluation import human_ceiling, pair_accuracy
from course_lib.preferences.human_ratings import evaluation_comparisons, rated_texts, sample_comparisons
from course_lib.preferences.word_reward import vader_scores

train = rated_texts("train")
test_texts, test_pairs = evaluation_comparisons("test")
agreement = human_ceiling(test_texts, test_pairs)
dictionary = pair_accuracy(vader_scores([text.text for text in test_texts]), test_pairs)
print(f"{len(train):,} texts to learn from, {len(test_pairs):,} preferences to predict")
print(f"accuracy of the mean of all other raters {agreement:.3f}, of the dictionary {dictionary:.3f}")

# %% [markdown]
# The first number is **human agreement**: how often the mean of all *other* raters predicts one rater's preference. It is what a very good
# reward model could reach, though not a strict upper bound: a mean of twenty ratings is noisy itself.
#
# ## 10.2 Thirty labels of your own
#
# Before you see what others said, label for yourself. Below are 30 pairs of sentences from the training texts. **Which writer sounds more
# pleased?** Press one of nine keys or buttons, from "left, surely" over "equal" to "right, surely": your confidence will be used later. It
# takes about five minutes. Some sentences are rude; skip what you would rather not label.
#
# (Then predict four findings of this lesson before you see them: **[exercise 10.6](../exercises/10_reward_model.ipynb)**.)

# %% tags=["third-party-text"]
from course_lib.labels import Labeler
from course_lib.labels.store import PreferenceStore

RUN = "text-taste"
store = PreferenceStore()
short = [place for place, text in enumerate(train) if len(text.text) < 200]
drawn = np.random.default_rng(9).permutation(short)[:60].reshape(30, 2)
place_of = {text.text: place for place, text in enumerate(train)}

with store.transaction():
    for pair in drawn:
        store.add_pair(*(store.add_text(train[place].text) for place in pair), run=RUN)

def one_rater(left, right):
    """Synthetic labeler, for runs without a person: one rater's number for each text."""
    a, b = (train[place_of[side.text]].ratings[0] for side in (left, right))
    return "left" if a > b else "right" if a < b else "equal"

labeler = Labeler(store, run=RUN, target=30, scale=True, repeats=0.1, synthetic=one_rater,
                  title="Which writer sounds more pleased?")
labeler

# %% [markdown]
# Here are your labels as tensors: the two texts of each pair by their place in the list, the target $\mu$ (1: first preferred, 0: second,
# 0.5: a tie), and your confidence as a weight.

# %%
from course_lib.preferences.human_ratings import Comparisons

mine_labelled = labeler.require(30)
my_first = torch.tensor([place_of[one.text] for one, _, _ in mine_labelled])
my_second = torch.tensor([place_of[two.text] for _, two, _ in mine_labelled])
my_mu = torch.tensor([mu for _, _, mu in mine_labelled])
my_weight = torch.tensor([label.weight for label in mine_labelled])
nobody = torch.zeros_like(my_first)
my_pairs = Comparisons(my_first, my_second, my_mu, nobody, nobody)
print(f"{len(my_pairs)} labels ({mine_labelled[0].source}), {(my_mu == 0.5).sum()} of them ties")

# %% [markdown]
# ## 10.3 One rater, or several?
#
# Do you agree with the people who rated these sentences? The crowd prefers the text with the higher mean. Agreement alone can mislead: two
# people who never read a word agree sometimes, too. **Cohen's kappa** ($\kappa$) takes out what chance would give.
# **Do [exercise 10.5](../exercises/10_reward_model.ipynb)**. Then compare your number with single raters on the same pairs.

# %%
cohen_kappa = mine("10.5")
train_means = torch.tensor([text.mean for text in train])


def crowd(pairs):
    """For each pair 1 where the first text has the higher mean rating, else 0."""
    return (train_means[pairs.first] > train_means[pairs.second]).double().tolist()

they_said = crowd(my_pairs)
decided = [k for k, mu in enumerate(my_mu.tolist()) if mu != 0.5]
both = [(my_mu[k].item(), they_said[k]) for k in decided]
share = np.mean([you == they for you, they in both])
print(f"of your {len(decided)} labels that are no ties, {share:.0%} agree with the crowd; "
      f"kappa {cohen_kappa(*map(list, zip(*both))):.2f}")

# %%
rng = np.random.default_rng(0)
singles = []
for _ in range(200):
    gaps = [rng.choice(train[i].ratings) - rng.choice(train[j].ratings)
            for i, j in zip(my_first.tolist(), my_second.tolist())]
    said = [(gap > 0) == (they > 0.5) for gap, they in zip(gaps, they_said) if gap]
    singles.append(np.mean(said))
low, high = np.percentile(singles, [10, 90])
print(f"single raters on these pairs: {np.mean(singles):.0%} (most between {low:.0%} and {high:.0%})")

# %% [markdown]
# One pair is four points: small differences say nothing. (Single raters are part of the crowd's mean, which flatters them a little.)
#
# **Would several raters do better?** Take the majority of $k$ raters, and ask how often it agrees with the mean of all the others. If raters
# erred independently, Condorcet's formula would say how often ([**exercise 10.4**](../exercises/10_reward_model.ipynb)).
#
# > **Predict.** Will the real majority be better or worse than the formula says?

# %%
from course_lib.preferences.crowd import majority_agreement

majority_right = mine("10.4")
raters = (1, 3, 5, 7, 9)
some_pairs = sample_comparisons(train, budget(full=3_000, ci=600), seed=3)
real = [majority_agreement(train, some_pairs, k, seed=0) for k in raters]
independent = [majority_right(real[0], k) for k in raters]
title = "Majorities of real raters gain less than independent ones would"
show(plots.majorities(raters, real, independent, title),
     alt="Agreement with everybody else against the number of raters. The line of independent "
         "raters rises faster than the line of real people.")
expect(real[-1] > real[0] + 0.03, "nine raters agree with everybody else more often than one",
       measured=f"{real[0]:.3f} and {real[-1]:.3f}")
expect(independent[-1] > real[-1] + 0.02, "but less often than nine independent ones would",
       measured=f"{independent[-1]:.3f} against {real[-1]:.3f}")

# %% [markdown]
# Errors are **correlated**: a pair that is hard for one rater is hard for the others. Still, a majority is less noisy than one rater.
#
# (Three numbers for human agreement, three protocols. 0.903: one rater of each text against the mean of all others, where the two ratings
# differ. 0.866, at $k = 1$: the same with ties, which count half. And 89% above: thirty pairs, and the rater is part of the mean.)
#
# Suppose a team can afford 4,000 **readings** (one person reads one text). Should each text be read once, or several times? To answer we need
# a model that is fitted in a moment. Section 10.5 explains it: a linear reward on what a pretrained language model knows about each text.

# %%
from course_lib.lm.features import load_reduced
from course_lib.lm.reward_model import fit_linear_reward

shipped = load_reduced()
known, unseen = shipped.of(train), shipped.of(test_texts)
print("what is known of each text:", tuple(known.shape), "numbers")


def accuracy_after(comparisons, **options):
    """Test accuracy of a linear reward fitted to these comparisons of the training texts."""
    reward = fit_linear_reward(known, comparisons, one_unit=True, **options)   # all numbers on one scale
    return pair_accuracy(reward.rewards(unseen), test_pairs)

# %% [markdown]
# > **Predict.** One rater for each text of 2,000 pairs; three on 666; five on 400; nine on 222. Which predicts unseen preferences best?

# %%
from course_lib.preferences.crowd import consensus_comparisons

readings = 4_000
draws = 3
ways = {}
for raters in (1, 3, 5, 9):
    pairs = readings // (2 * raters)
    ways[f"{raters} each: {pairs:,} pairs"] = [
        accuracy_after(consensus_comparisons(train, pairs, raters, seed)) for seed in range(draws)]
for name, values in ways.items():
    print(f"{name:22s} {np.mean(values):.3f}")

# %%
show(plots.ways_to_spend(ways, "4,000 readings teach most when each text is read once",
                         "accuracy on unseen preferences"),
     alt="Test accuracy for four ways to spend 4,000 readings: one rater each on many pairs, or "
         "three, five or nine raters each on fewer pairs.")
single, nine = (np.mean(list(ways.values())[k]) for k in (0, -1))
expect(single > nine + 0.01, "many texts read once beat few texts read nine times",
       measured=f"{single:.3f} against {nine:.3f}")

# %% [markdown]
# Many texts read once win: the fit averages over thousands of labels anyway, and a new text teaches more than a fifth opinion on an old
# one. Two caveats: our raters are about equally careful (lesson 03 had careless ones), and the test labels come from single raters, too. For
# a *test* set, several raters for each text are worth their cost.
#
# ## 10.4 More than two: rankings
#
# InstructGPT's labelers **ranked** four to nine answers at a time (L. Ouyang et al. (2022), section 3.5). A ranking of $k$ items holds
# $k(k-1)/2$ comparisons ([**exercise 10.1**](../exercises/10_reward_model.ipynb)): six for four texts, which as separate pairs would take
# twelve readings. But the six are not independent: one odd rating can spoil three of them. What are they worth?
#
# > **Predict.** 1,200 readings: 600 pairs; or 300 rankings of four, which hold 1,800 pairs. Which teaches more?
#
# (Texts with equal ratings are ties and left out, so fewer comparisons remain than these numbers say. The same holds in section 10.3.)

# %%
from course_lib.preferences.crowd import ranking_comparisons

pairs_from_ranking = mine("10.1")
readings, ways = 1_200, {}
for items in (2, 3, 4, 5):
    fits = []
    for seed in range(budget(full=10, ci=3)):
        some = ranking_comparisons(train, readings // items, items, seed, pairs_from_ranking)
        fits.append(accuracy_after(some))
    ways[f"{readings // items} x {items}: about {len(some):,} comparisons"] = fits
several = [accuracy_after(sample_comparisons(train, len(some), seed)) for seed in range(len(fits))]
ways[f"{len(some):,} separate pairs: {2 * len(some):,} readings"] = several
for name, values in ways.items():
    print(f"{name:40s} {np.mean(values):.3f}")

# %%
show(plots.ways_to_spend(ways, "The same 1,200 readings teach more as rankings of four than as pairs",
                         "accuracy on unseen preferences"),
     alt="Test accuracy for 1,200 readings asked for as pairs and as rankings of three, four and "
         "five, and for as many separate pairs as rankings of five hold.")
as_pairs, as_fours, as_fives, separate = (np.mean(list(ways.values())[k]) for k in (0, 2, 3, 4))
expect(as_fours > as_pairs, "the same readings teach more as rankings of four than as pairs",
       measured=f"{as_fours:.3f} against {as_pairs:.3f}")
expect(separate > max(as_fours, as_fives), "as many separate comparisons teach more than any ranking",
       measured=separate)

# %% [markdown]
# For the same reading, rankings of four beat pairs; rankings of five add nothing more here. As many *separate* comparisons (the last row)
# teach more still, and cost more than three times the reading. A caveat: ordering four texts takes longer than reading them, and these
# rankings were made from ratings that were given one at a time.
#
# (The comparisons of one ranking repeat each text three times. When they were shuffled into one data set, a single pass over it made
# InstructGPT's reward model overfit, so its authors kept all comparisons of a ranking in one batch element; same section.)
#
# In RLHF the items are a model's own answers to one prompt. Here are four of lesson 09's model, which was fine-tuned on happy texts. Rank
# them: change the numbers and run the cell again.

# %%
from course_lib.lm.generate import generate
from course_lib.lm.sft import load_sft
from course_lib.lm.tokenizers import begin, decode_until_end

writer, rng = load_sft(), torch.Generator().manual_seed(1)
written = generate(writer.model, begin(writer.tokenizer, "The film is", 4), 20, temperature=0.6,
                   generator=rng, eos=writer.tokenizer.eos)
answers = [decode_until_end(writer.tokenizer, row) for row in written.tokens]
my_ranks = (1, 2, 2, 0)             # one for each answer, 0 for the best; the same twice is a tie

for letter, answer in zip("ABCD", answers):
    print(letter, answer)
for i, j, mu in zip(*pairs_from_ranking(my_ranks)):                       # yours may give lists
    word = {1.0: "beats", 0.5: "equals", 0.0: "loses to"}[float(mu)]
    print("ABCD"[int(i)], word, "ABCD"[int(j)], end="; ")

# %% [markdown]
# ## 10.5 What a pretrained model already knows
#
# SmolLM2 (L. Ben Allal et al., 2025) has 135 million weights and was pretrained on two trillion tokens; ours is the version that was also
# taught to follow instructions. We change none of its weights: they are **frozen**. Each sentence is followed by a cue,
#
# > *the sentence*<br>Sentiment:
#
# and then we stop the model and read its hidden states: 576 numbers for each token between its 30 blocks, as lesson 08's GPT has 128. We keep
# those at the colon, after the last block and after block 24, and the mean over all tokens after block 20: 1,728 numbers, the text's
# **features**. What the model was about to say about the sentence is in there, somewhere. The reward is **linear** in them, one weight for
# each feature, fitted with the Bradley–Terry loss of lesson 03. (A linear model on frozen states is called a **linear probe**.)
#
# Reading all texts takes minutes (`benchmarks/text_reward.py features`), so the course ships the result, reduced to the 200 directions in
# which the texts differ most (their **principal components**), under 2 MB. The texts themselves cannot be read out of it.

# %%
file = root() / "assets" / "features" / "rated_texts_135m.npz"
print(f"{file.stat().st_size / 1e6:.2f} MB for {len(shipped.rows):,} texts, "
      f"{shipped.rows.shape[1]} directions")
asked = pair_accuracy(shipped.asked_of(test_texts), test_pairs)
expect(asked > dictionary, "asked outright, without one label, the model beats the dictionary",
       measured=f"{asked:.3f} against {dictionary:.3f}")

# %% [markdown]
# "Asked outright" means: does the model give *positive* or *negative* the higher probability as the next token? No label of ours went into
# that. How far do labels take it?

# %%
from tqdm.auto import tqdm

sizes = budget(full=(30, 100, 300, 1_000, 3_000, 10_000, 30_000), ci=(30, 300, 1_000))
curve = {n: [accuracy_after(sample_comparisons(train, n, seed=1_000 + draw))
             for draw in range(budget(full=3, ci=1))] for n in tqdm(sizes, desc="fitting")}
for n, values in curve.items():
    print(f"{n:6,d} labels: {np.mean(values):.3f}   ({min(values):.3f} to {max(values):.3f})")
expect(np.mean(curve[300]) > dictionary + 0.02, "300 labels beat the experts' dictionary",
       measured=np.mean(curve[300]))

# %% [markdown]
# Lesson 03's words passed the dictionary with 10,000 labels, not with 3,000. This is what **pretraining** buys: the model had learned what
# words do to each other before it saw one of our labels. The labels only say which of the things it knows we care about.
#
# ## 10.6 Your own reward model
#
# Thirty clicks. Fit a reward to them, and measure it on 6,000 preferences of other people.

# %%
my_reward = fit_linear_reward(known, my_pairs, one_unit=True)
my_accuracy = pair_accuracy(my_reward.rewards(unseen), test_pairs)
expect(my_accuracy > 0.55, "30 labels predict other people's preferences better than chance",
       measured=f"{my_accuracy:.3f} from {len(my_pairs)} labels, {mine_labelled[0].source}")

# %% [markdown]
# Are these *your* preferences, or everybody's? Thirty clicks cannot tell. But they can ask another question: call `RUN` in section 10.2
# `"text-funny"`, and label by "which is funnier". Which unseen sentences get the highest and the lowest reward?

# %% tags=["third-party-text"]
rewards = my_reward.rewards(unseen)
order = rewards.argsort(descending=True).tolist()
for heading, some in (("highest reward", order[:4]), ("lowest reward", order[-4:])):
    print(f"--- {heading}")
    for place in some:
        print(f"{rewards[place]:+.1f}  (people: {test_texts[place].mean:+.1f})  "
              f"{test_texts[place].text[:90]}")

# %% [markdown]
# And sentences of your own? For these the pretrained model itself must read. The first time it is unpacked and converted, which takes
# half a minute. Change the sentences and run the cell again.

# %%
from course_lib.lm.features import features
from course_lib.lm.rewards import load_gold

sentences = ["I could not stop smiling.", "I could not stop yawning.",
             "Not bad at all.", "Not good at all.", "The film has two parts."]
if budget(full=True, ci=False):
    full = features(sentences, shipped.reduction.settings, progress=False)
    yours = my_reward.rewards(shipped.reduction.reduce(full))
    gold = load_gold().reward.rewards(full)
    for one, crowds, sentence in zip(yours, gold, sentences):
        print(f"yours {one:+.2f}   30,000 labels {crowds:+.2f}   {sentence}")
    expect(gold[0] - gold[1] > 1 > gold[2] - gold[3], "30,000 labels tell smiling from yawning, but "
           "hardly “not bad” from “not good”", measured=[round(g, 2) for g in gold.tolist()])

# %% [markdown]
# The second column is a reward of the same kind, fitted to 30,000 labels of the crowd. Look at its last three lines: "not bad at all" and
# "not good at all" are nearly the same to it, and a plain fact sounds like a complaint. Labels choose among the features of the model; they
# cannot teach it what it does not know.
#
# ## 10.7 Confidence
#
# You said not only which, but how surely. Should a confident label count more? In the loss this is one factor,
# [**exercise 10.3**](../exercises/10_reward_model.ipynb). Your 30 labels are too few to see a difference, so we use the crowd's: the
# distance between the two ratings behind a label, 1 to 8 points, stands in for confidence.

# %%
from course_lib.preferences.human_ratings import rating_gaps

confidence_loss = mine("10.3")


def equal_loss(r1, r2, mu, weight):
    return confidence_loss(r1, r2, mu, torch.ones_like(weight))

weighted, plain = [], []
for draw in range(budget(full=5, ci=2)):
    some = sample_comparisons(train, 1_000, seed=1_000 + draw)
    confidence = rating_gaps(train, some) / 4                 # (pairs,), 0.25 to 2
    weighted.append(accuracy_after(some, weight=confidence, loss=confidence_loss))
    plain.append(accuracy_after(some, weight=torch.ones_like(confidence), loss=equal_loss))
print(f"equal weights {np.mean(plain):.3f}, by confidence {np.mean(weighted):.3f}; difference in each draw:",
      [f"{a - b:+.3f}" for a, b in zip(weighted, plain)])
expect(abs(np.mean(weighted) - np.mean(plain)) < 0.01, "weights change the accuracy by less than one point",
       measured=np.mean(weighted) - np.mean(plain))

# %% [markdown]
# No gain to speak of, and the sign differs from draw to draw. Are labels of low confidence not worse? They are:

# %%
gaps, agrees = rating_gaps(train, some), np.array(crowd(some)) == (some.mu > 0.5).numpy()
for low, high in ((1, 1), (2, 2), (3, 4), (5, 8)):
    here = ((gaps >= low) & (gaps <= high)).numpy()
    print(f"{low} to {high} points apart: {here.sum():4d} labels, "
          f"the crowd agrees with {agrees[here].mean():.0%}")

# %% [markdown]
# Labels by one point are wrong much more often. But four in five are right, there are many of them, and they are about the close pairs,
# which are hard to learn. What a small weight saves in noise it loses in information.
#
# And your own 30 with your own confidence? (Whatever the difference, it is chance.)

# %%
mine_weighted = fit_linear_reward(known, my_pairs, one_unit=True, weight=my_weight, loss=confidence_loss)
print(f"your labels with equal weights {my_accuracy:.3f}, "
      f"by confidence {pair_accuracy(mine_weighted.rewards(unseen), test_pairs):.3f}")

# %% [markdown]
# ## 10.8 A transformer of our own
#
# The pretrained model is some 140 times as large as the GPT of lesson 08, too large to be run in every step of RL training on a laptop.
# Lesson 11 needs something small: that GPT, the one that reads pieces of words. Its **unembedding** (the last layer, which makes logits) is
# taken off. What is left is the **trunk**; on it goes a **scalar head**, a linear layer that makes one number from the hidden state at each
# token. The reward is read at the *last* token, an end token behind the text: attention looks back only, so nowhere else has the whole text
# been read.
#
# **Do [exercise 10.2](../exercises/10_reward_model.ipynb)**: reading it in the wrong place is the classic silent bug of reward models.

# %%
from course_lib.lm.reward_model import RewardModel, fit_reward_model, pack
from course_lib.lm.rewards import from_language_model, from_scratch, new_reward_model

start, tokenizer = new_reward_model()
tokens, lengths = pack(tokenizer.encode_batch(["Lovely.", "It was lovely while it lasted."]),
                       tokenizer.eos, context=96)
print(tokens, lengths)                                        # padded behind, with end tokens

# %% [markdown]
# Does it help to start from a language model, as it did above? Fit two to the same 1,000 labels: one starts from lesson 08's weights, one
# from random ones. Now *all* weights are trained.
#
# > **Predict.** 1,000 labels on words gave an accuracy of 64% (lesson 03). What will these two get?

# %%
from course_lib.lm.gpt import GPT

rewards_at_the_end = mine("10.2")
labels = budget(full=1_000, ci=40)
some = sample_comparisons(train, labels, seed=1_000)
ids, test_ids = (tokenizer.encode_batch([text.text for text in part]) for part in (train, test_texts))
models = {"from the language model": (start.trunk, from_language_model(labels)),
          "from random weights": (GPT(start.trunk.config, seed=0), from_scratch(labels))}
small = {}
for name, (trunk, config) in models.items():
    small[name] = model = RewardModel(trunk, read=rewards_at_the_end)
    fit_reward_model(model, ids, tokenizer.eos, some, config)
    accuracy = pair_accuracy(model.score(test_ids, tokenizer.eos), test_pairs)
    print(f"{name:24s} {accuracy:.3f}")

# %% [markdown]
# Better than chance, worse than words, and the start makes hardly a difference: a small model that predicts tokens well has not yet learned
# what its texts *mean*. Section 10.9 says the same with three draws of the labels and more of them.
#
# Now the bug on purpose. The same trained model, read in the last *column* of the batch:

# %%
def last_column(scores, lengths):
    return scores[:, -1]

model = small["from the language model"]
sentence = tokenizer.encode("A lovely film.")
company = tokenizer.encode("It begins slowly, and then it goes on like that for two more hours.")
for name, read in (("right", rewards_at_the_end), ("bug", last_column)):
    model.read = read
    with torch.no_grad():
        alone = model.score([sentence], tokenizer.eos)[0]
        beside = model.score([sentence, company], tokenizer.eos)[0]
    print(f"{name:6s} alone {alone:+.3f}, beside a longer text {beside:+.3f}")
model.read = rewards_at_the_end
expect(abs(alone - beside) > 0.001, "read in the padding, a reward depends on its neighbours",
       measured=(alone - beside).item())

# %% [markdown]
# ## 10.9 Learning curves: accuracy against labels
#
# All together. Each point is the mean of three draws of the labels, all measured by the same protocol
# (`benchmarks/results/text_reward.json`, which `benchmarks/text_reward.py` writes).

# %% tags=["nbval-check-output"]
runs = json.loads((root() / "benchmarks" / "results" / "text_reward.json").read_text())["runs"]


def measured(job):
    """labels -> accuracies of the draws, of one job of the benchmark."""
    found = {}
    for run in runs:
        if run["key"].startswith(job + " "):
            found.setdefault(run["labels"], []).append(run["test_accuracy"])
    return found

jobs = {"frozen features, 135M model": "frozen", "words (lesson 03)": "words",
        "small transformer, from the LM": "small-lm",
        "small transformer, from scratch": "small-scratch"}
curves = {name: measured(job) for name, job in jobs.items()}

# %%
levels = {"human agreement": agreement, "VADER": dictionary}
title = "What a model knew before the first label matters most"
show(plots.curves_by_labels(curves, levels, title),
     alt="Accuracy on unseen preferences against the number of labels for four models. The frozen "
         "features of the pretrained model lie far above the words and the small transformers "
         "at every size; human agreement is at 0.90.")
for name, curve in curves.items():
    print(f"{name:32s}", {n: round(float(np.mean(v)), 3) for n, v in sorted(curve.items())})

# %%
means = {name: {n: np.mean(v) for n, v in curve.items()} for name, curve in curves.items()}
frozen, by_words, from_lm, scratch = means.values()
expect(frozen[10_000] > 0.79 and frozen[1_000] > 0.77, "stored runs: 1,000 labels on frozen "
       "features reach .77, and 10,000 reach .79", measured={n: round(float(a), 3) for n, a in frozen.items()})
expect(frozen[300] > by_words[30_000], "stored runs: 300 labels there beat 30,000 labels on words",
       measured=f"{frozen[300]:.3f} against {by_words[30_000]:.3f}")
expect(by_words[1_000] > max(from_lm[1_000], scratch[1_000]),
       "stored runs: with 1,000 labels the words beat both small transformers",
       measured=[round(float(m[1_000]), 3) for m in (by_words, from_lm, scratch)])

# %% [markdown]
# Read it across: how many labels does each model need for the same height? 300 labels on the frozen features do more than 30,000 on words.
#
# Starting a small transformer from lesson 08's language model gains about one point at 300 labels and less beyond: pretraining helps a
# *large* model that has read a library, and ours has read little more than these texts. Both stay below the words at every size: a transformer
# must first find out what words are. (The points at 10,000 are single draws for these two.)
#
# ## 10.10 The same model as a detector
#
# A reward for friendly text is a detector of unfriendly text: turn the sign round. Toxicity filters are trained in much the same way. Call a
# test sentence *negative* when its mean rating is −1.5 or lower, let each score put the most negative first, and count. (The share of hits
# among the first $n$ is called **precision at n**.)

# %%
negative = np.array([text.mean <= -1.5 for text in test_texts])
labels = budget(full=3_000, ci=500)
reward = fit_linear_reward(known, sample_comparisons(train, labels, 1_000), one_unit=True)
ours = f"reward model, {labels:,} labels"
scores = {ours: reward.rewards(unseen), "VADER": vader_scores([text.text for text in test_texts])}
found = {name: negative[score.argsort().numpy()][:500].cumsum() / np.arange(1, 501)
         for name, score in scores.items()}
show(plots.found_among_the_first(found, negative.mean(), "A reward with its sign turned finds negative texts"),
     alt="Share of truly negative texts among the first n, up to 500, for the reward model and "
         "for VADER; the dashed line is a blind pick.")
at_200 = {name: shares[199] for name, shares in found.items()}
expect(at_200[ours] > at_200["VADER"],
       "among the 200 most negative the reward model is right more often than the dictionary",
       measured={name: round(float(share), 2) for name, share in at_200.items()})

# %% [markdown]
# **Negative is not toxic.** "My cat died" is negative and harms nobody; "you people should all be …" may be said with a smile. A detector
# finds what its raters were *asked* about. If you want toxicity, ask about toxicity; the code stays the same to the last line.
#
# ## 10.11 Where it fails
#
# Its most confident mistakes on the test: each time the rater preferred the first text and the model the second. In brackets stands the mean
# of all raters. What do these pairs share?

# %% tags=["third-party-text"]
rewards = reward.rewards(unseen)
gap = rewards[test_pairs.first] - rewards[test_pairs.second]
wrong = torch.where((gap > 0) != (test_pairs.mu > 0.5))[0]
for k in wrong[gap[wrong].abs().argsort(descending=True)][:8].tolist():
    one, two = test_texts[test_pairs.first[k]], test_texts[test_pairs.second[k]]
    better, worse = (one, two) if test_pairs.mu[k] > 0.5 else (two, one)
    print(f"preferred: {better.text}  [{better.mean:+.1f}]")
    print(f"over:      {worse.text}  [{worse.mean:+.1f}]\n")

# %% [markdown]
# In some of them the means agree with the model: the label was one odd rater against everybody. Count how many:

# %%
means = torch.tensor([text.mean for text in test_texts])
crowd_gap = means[test_pairs.first] - means[test_pairs.second]
most_confident = wrong[gap[wrong].abs().argsort(descending=True)][:100]
agrees = (crowd_gap > 0) == (gap > 0)                                      # (pairs,)
sides_with_model = agrees[most_confident].float().mean().item()
print(f"the crowd sides with the model in {agrees[wrong].float().mean():.0%} of all its mistakes")
expect(sides_with_model > 0.4, "in many of its most confident mistakes the crowd sides with the model",
       measured=sides_with_model)

# %% [markdown]
# The others are close calls, and mistakes of its own. Further down the list (change the 8 above to 60) you find cutting remarks in warm
# words, and praise in dark ones.
#
# And does it still fall for the text that fooled lesson 03's words? The pretrained model reads again:

# %%
crafted = ["great awesome amazing perfect loved", "A quiet, beautiful film about an old man.",
           "love love love love love", "I loved it."]
if budget(full=True, ci=False):
    full = features(crafted, shipped.reduction.settings, progress=False)
    for value, sentence in zip(reward.rewards(shipped.reduction.reduce(full)), crafted):
        print(f"{value:+.2f}  {sentence}")

# %% [markdown]
# The list of praise is no longer far above everything, and repeating one word gets a low reward. But a list of praise still gets as much as a
# real sentence. A reward model is accurate near the texts that its raters saw. A policy that searches for high rewards will leave them: lesson
# 11 shows how far, and what holds it back.
#
# ## What you learned
#
# - Ratings and rankings become comparisons; a ranking of $k$ items holds $k(k-1)/2$.
# - For the same reading, many texts read once teach more than few texts read often, and rankings of four more than pairs.
# - A linear reward on the frozen features of a pretrained model predicts 77% of unseen preferences after 1,000 labels; the words of lesson
#   03 do not get there with 30,000. Human agreement is 90%.
# - A transformer's reward is read at the last real token. Score a text alone and in a batch to see whether it is.
#
# **What failed, or did not help:** weights for confidence; a small transformer on few labels, whether it started from a language model or not
# (section 10.9); thirty clicks know little of a person; "Not bad at all." still sounds bad to a reward from 30,000 labels; and a list of
# praise still gets as much as a sentence. The shipped, reduced features cost between half a point and one point of accuracy against the full
# ones.
#
# **Further reading.** N. Stiennon et al. (2020), *Learning to summarize from human feedback*, section 3.4. L. Ouyang et al. (2022),
# *Training language models to follow instructions with human feedback*, section 3.5. A. Radford, R. Jozefowicz and I. Sutskever (2017),
# *Learning to generate reviews and discovering sentiment*. G. Alain and Y. Bengio (2016), linear probes. L. Gao et al. (2023), on
# over-optimised reward models: lesson 11.
#
# **Next:** [lesson 11](11_ppo_for_language_models.ipynb) trains a language model on such a reward.
