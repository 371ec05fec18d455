# %% [markdown]
# # Lesson 10. A reward model for text
#
# **Goals.** Turn ratings of real people into verdicts and verdicts into a reward; know what one rater, a majority and a ranking are
# worth; see what a pretrained language model already knows, and fit *your own* taste on top of it with 30 clicks; find out where
# labels are well spent.
#
# **Time.** About 80 minutes to read, run and label, 55 minutes for the exercises; the essential part takes 80 minutes in all. The cells
# use about two CPU-minutes. **Builds on** lessons 03 and 08.
#
# Lesson 03 ended with a gap: a model of words that had seen 10,000 verdicts predicts 72% of unseen ones, the experts' dictionary VADER 70%,
# all other people together 90%. This lesson closes a good part of the gap, and asks what each label was worth.

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
# ## 10.1 The protocol, once more
#
# Some 23,700 tweets and sentences, each rated by about 20 people from -4 to 4. A verdict draws two texts and **one rater of each**;
# the higher rating wins. Texts are for training or for testing for ever; the 6,000 test verdicts are the same for every model of
# the course.

# %%
from course_lib.preferences.evaluation import human_ceiling, pair_accuracy
from course_lib.preferences.human_ratings import evaluation_comparisons, rated_texts, sample_comparisons
from course_lib.preferences.word_reward import vader_scores

train = rated_texts("train")
test_texts, test_pairs = evaluation_comparisons("test")
ceiling = human_ceiling(test_texts, test_pairs)
dictionary = pair_accuracy(vader_scores([text.text for text in test_texts]), test_pairs)
print(f"{len(train):,} texts to learn from, {len(test_pairs):,} verdicts to predict")
print(f"all other people together {ceiling:.3f}, the dictionary {dictionary:.3f}")

# %% [markdown]
# ## 10.2 Thirty verdicts of your own
#
# Before you see what others did: judge for yourself. Below are 30 pairs of sentences from the training texts. **Which writer sounds more
# pleased?** Press one of nine keys or buttons, from "left, surely" over "equal" to "right, surely": how sure you are will count later. It
# takes about five minutes. Some sentences are rude; skip what you would rather not judge.
#
# (Then make four bets on what this lesson will find, before it shows you: **[exercise 10.6](../exercises/10_reward_model.ipynb)**.)

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
    """Stands in where nobody sits in front of this notebook: one rater's number for each."""
    a, b = (train[place_of[side.text]].ratings[0] for side in (left, right))
    return "left" if a > b else "right" if a < b else "equal"

labeler = Labeler(store, run=RUN, target=30, scale=True, repeats=0.1, synthetic=one_rater,
                  title="Which writer sounds more pleased?")
labeler

# %% [markdown]
# A reward model knows texts by their place in the list. Here are your verdicts in the form that every model below learns from:

# %%
from course_lib.preferences.human_ratings import Comparisons

verdicts = labeler.require(30)
my_first = torch.tensor([place_of[one.text] for one, _, _ in verdicts])
my_second = torch.tensor([place_of[two.text] for _, two, _ in verdicts])
my_mu = torch.tensor([mu for _, _, mu in verdicts])
my_weight = torch.tensor([verdict.weight for verdict in verdicts])
nobody = torch.zeros_like(my_first)
my_pairs = Comparisons(my_first, my_second, my_mu, nobody, nobody)
print(f"{len(my_pairs)} verdicts ({verdicts[0].source}), {(my_mu == 0.5).sum()} of them ties")

# %% [markdown]
# ## 10.3 One rater, or several?
#
# Do you agree with the people who rated these sentences? The crowd prefers whichever has the higher mean. To know whether your number is
# high or low, compare it with that of single raters on the same pairs. **Do
# [exercise 10.5](../exercises/10_reward_model.ipynb)**: kappa takes out what chance would give.

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
print(f"of {len(decided)} clear verdicts, {share:.0%} are the crowd's; "
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
# One pair is three or four points, so a few points more or less say nothing. (Single raters are part of the crowd, which flatters them a
# little; you are not.)
#
# **Would several raters do better?** Take the majority of $k$ judges and ask how often it sides with everybody else. If judges erred
# independently, Condorcet's formula would say how often ([**exercise 10.4**](../exercises/10_reward_model.ipynb)).
#
# > **Predict.** Will the real majority be better or worse than the formula says?

# %%
from course_lib.preferences.crowd import majority_agreement

majority_right = mine("10.4")
raters = (1, 3, 5, 7, 9)
some_pairs = sample_comparisons(train, budget(full=3_000, ci=600), seed=3)
real = [majority_agreement(train, some_pairs, k, seed=0) for k in raters]
independent = [majority_right(real[0], k) for k in raters]
title = "Majorities of real people gain less than independent ones would"
show(plots.majorities(raters, real, independent, title),
     alt="Agreement with everybody else against the number of raters. The line of independent "
         "raters rises faster than the line of real people.")
expect(real[-1] > real[0] + 0.03, "nine raters agree with everybody else more often than one",
       measured=f"{real[0]:.3f} and {real[-1]:.3f}")
expect(independent[-1] > real[-1], "but less often than nine independent ones would",
       measured=f"{independent[-1]:.3f} against {real[-1]:.3f}")

# %% [markdown]
# People are wrong *together*: a pair that is hard for one of them is hard for the others. Still, a majority is cleaner than a single
# voice. So should a team that can pay for 4,000 readings have each text read once, by one rater, or several times?
#
# To answer we need a model that learns fast. It comes now, and is explained in section 10.5: a linear reward on what a pretrained
# language model knows about each text. Each fit takes a moment.

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
# > **Predict.** One rater each on 2,000 pairs; three on 666; five on 400; nine on 222. Which predicts unseen verdicts best?

# %%
from course_lib.preferences.crowd import consensus_comparisons

readings = 4_000
draws = budget(full=3, ci=1)
ways = {}
for raters in (1, 3, 5, 9):
    pairs = readings // (2 * raters)
    ways[f"{raters} each: {pairs:,} pairs"] = [
        accuracy_after(consensus_comparisons(train, pairs, raters, seed)) for seed in range(draws)]
for name, values in ways.items():
    print(f"{name:22s} {np.mean(values):.3f}")

# %%
show(plots.ways_to_spend(ways, "4,000 readings teach most when each text is read once",
                         "share of unseen verdicts predicted"),
     alt="Test accuracy for four ways to spend 4,000 readings: one rater each on many pairs, or "
         "three, five or nine raters each on fewer pairs.")
single, nine = (np.mean(list(ways.values())[k]) for k in (0, -1))
expect(single > nine, "many texts read once beat few texts read nine times",
       ci=single > nine - 0.03, measured=f"{single:.3f} against {nine:.3f}")

# %% [markdown]
# Many texts read once win, clearly, although each single verdict is noisier: a model averages over thousands of verdicts anyway, and a new
# text teaches more than a fifth opinion on an old one. Two grains of salt: our raters are about equally careful (one who guesses is
# another matter, lesson 03), and the test verdicts come from single raters, too. For a *test*, several raters a text are worth their price.
#
# ## 10.4 More than two: rankings
#
# InstructGPT's labellers ranked four to nine answers at a time. An order of four holds six verdicts
# ([**exercise 10.1**](../exercises/10_reward_model.ipynb)), for the reading of four texts instead of twelve. Six verdicts from four
# readings are not independent, though: one odd rating can spoil three of them. What are they worth?
#
# > **Predict.** 1,200 readings: 600 pairs; or 300 rankings of four, which hold 1,800 pairs. Which teaches more?

# %%
from course_lib.preferences.crowd import ranking_comparisons

pairs_from_ranking = mine("10.1")
readings, ways = 1_200, {}
for items in (2, 3, 4, 5):
    fits = []
    for seed in range(budget(full=10, ci=1)):
        some = ranking_comparisons(train, readings // items, items, seed, pairs_from_ranking)
        fits.append(accuracy_after(some))
    ways[f"{readings // items} x {items}: about {len(some):,} verdicts"] = fits
several = [accuracy_after(sample_comparisons(train, len(some), seed)) for seed in range(len(fits))]
ways[f"{len(some):,} separate pairs: {2 * len(some):,} readings"] = several
for name, values in ways.items():
    print(f"{name:40s} {np.mean(values):.3f}")

# %%
show(plots.ways_to_spend(ways, "The same 1,200 readings teach more as rankings of four than as pairs",
                         "share of unseen verdicts predicted"),
     alt="Test accuracy for 1,200 readings asked for as pairs and as rankings of three, four and "
         "five, and for as many separate pairs as rankings of five hold.")
as_pairs, as_fours, as_fives, separate = (np.mean(list(ways.values())[k]) for k in (0, 2, 3, 4))
expect(as_fours > as_pairs, "the same readings teach more as rankings of four than as pairs",
       ci=as_fours > as_pairs - 0.03, measured=f"{as_fours:.3f} against {as_pairs:.3f}")
expect(separate > max(as_fours, as_fives), "as many separate verdicts teach more than any ranking",
       ci=separate > as_pairs - 0.03, measured=separate)

# %% [markdown]
# Rankings of four win over pairs, for the same reading; rankings of five add nothing more here. They do not reach as many *separate*
# verdicts (the last row), which cost more than three times the reading. One grain of salt: the price is counted in texts read. Ordering
# four takes a person longer than reading them, and these orders were made from ratings that were given one at a time.
#
# (Verdicts of one ranking repeat each text three times. InstructGPT's reward model learned texts by heart when they were shuffled among
# all others; so its authors kept each ranking together, in one step of the training.)
#
# In RLHF the items are a model's own answers to one prompt. Here are four of lesson 09's model, which was fine-tuned on happy texts. Put
# them in order: change the numbers and run the cell again.

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
# SmolLM2 has 135 million weights and has read some two trillion tokens; ours is the version that was also taught to follow
# instructions. We change none of its weights: they are **frozen**. Each sentence is put before it with a cue,
#
# > *the sentence*<br>Sentiment:
#
# and then we stop it and look inside. Between its 30 blocks run 576 numbers per token, as 128 did in lesson 08. We keep them at the colon,
# behind the last block and behind block 24, and the mean over all tokens behind block 20: 1,728 numbers, the text's **features**. What
# the model was about to say about the sentence stands in there, somewhere. A reward is then one weight for each feature, fitted with
# the loss of lesson 03.
#
# Reading all texts takes minutes (`benchmarks/text_reward.py features`), so the course ships the result, reduced to the 200 directions in
# which the texts differ most (their *principal components*), under 2 MB. The texts themselves cannot be read out of it.

# %%
file = root() / "assets" / "features" / "rated_texts_135m.npz"
print(f"{file.stat().st_size / 1e6:.2f} MB for {len(shipped.rows):,} texts, "
      f"{shipped.rows.shape[1]} directions")
asked = pair_accuracy(shipped.asked_of(test_texts), test_pairs)
expect(asked > dictionary, "asked outright, without one label, the model beats the dictionary",
       measured=f"{asked:.3f} against {dictionary:.3f}")

# %% [markdown]
# "Asked outright" means: does it think that *positive* comes next, or *negative*? None of our labels went into that. How far do they
# take it?

# %%
from tqdm.auto import tqdm

sizes = budget(full=(30, 100, 300, 1_000, 3_000, 10_000, 30_000), ci=(30, 300, 1_000))
curve = {n: [accuracy_after(sample_comparisons(train, n, seed=1_000 + draw))
             for draw in range(budget(full=3, ci=1))] for n in tqdm(sizes, desc="fitting")}
for n, values in curve.items():
    print(f"{n:6,d} verdicts: {np.mean(values):.3f}   ({min(values):.3f} to {max(values):.3f})")
expect(np.mean(curve[300]) > dictionary + 0.02, "300 verdicts beat the experts' dictionary",
       measured=np.mean(curve[300]))

# %% [markdown]
# Lesson 03's words passed the dictionary with 10,000 verdicts, not with 3,000. This is what *pretraining* buys: the model had learned what
# words do to each other before it saw one of our labels, and the labels only say which of the things it knows we care about.
#
# ## 10.6 Your own reward model
#
# Thirty clicks. Fit a reward to them, and see what it makes of 6,000 verdicts of other people.

# %%
my_reward = fit_linear_reward(known, my_pairs, one_unit=True)
my_accuracy = pair_accuracy(my_reward.rewards(unseen), test_pairs)
expect(my_accuracy > 0.55, "30 verdicts predict other people better than a coin",
       measured=f"{my_accuracy:.3f} from {len(my_pairs)} verdicts, {verdicts[0].source}")

# %% [markdown]
# Is it *your* taste, or everybody's? Thirty clicks cannot tell: they choose among directions in which the pretrained model already
# sorts texts. What they can do is to turn it to another question. (Call `RUN` in section 10.2 `"text-funny"`, label by "which is
# funnier", and see.) What does it like best and least among sentences that nobody showed you?

# %% tags=["third-party-text"]
rewards = my_reward.rewards(unseen)
order = rewards.argsort(descending=True).tolist()
for heading, some in (("most liked", order[:4]), ("least liked", order[-4:])):
    print(f"--- {heading}")
    for place in some:
        print(f"{rewards[place]:+.1f}  (people: {test_texts[place].mean:+.1f})  "
              f"{test_texts[place].text[:90]}")

# %% [markdown]
# And sentences of your own? For these the pretrained model itself must read. The first time it is unpacked and converted, which takes
# half a minute; change the sentences and run the cell again.

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
        print(f"yours {one:+.2f}   30,000 verdicts {crowds:+.2f}   {sentence}")
    expect(gold[0] - gold[1] > 1 > gold[2] - gold[3], "30,000 verdicts tell smiling from yawning, but "
           "hardly “not bad” from “not good”", measured=[round(g, 2) for g in gold.tolist()])

# %% [markdown]
# The second column is a reward of the same kind, fitted to 30,000 verdicts of the crowd. Look at its last three lines: "not bad at all"
# and "not good at all" are nearly the same to it, and a plain fact sounds like a complaint. Labels choose among what the model knows; what
# it does not know they cannot teach it.
#
# ## 10.7 How sure were you?
#
# You said not only which, but how surely. Should a sure verdict count more? In the loss this is one factor,
# [**exercise 10.3**](../exercises/10_reward_model.ipynb). With your 30 verdicts nobody could see a difference, so let us ask the
# crowd's data: the distance of the two ratings behind a verdict, 1 to 8 points, stands in for sureness.

# %%
from course_lib.preferences.human_ratings import rating_gaps

confidence_loss = mine("10.3")


def equal_loss(r1, r2, mu, weight):
    return confidence_loss(r1, r2, mu, torch.ones_like(weight))

weighed, plain = [], []
for draw in range(budget(full=5, ci=2)):
    some = sample_comparisons(train, 1_000, seed=1_000 + draw)
    sure = rating_gaps(train, some) / 4                       # (pairs,), 0.25 to 2
    weighed.append(accuracy_after(some, weight=sure, loss=confidence_loss))
    plain.append(accuracy_after(some, weight=torch.ones_like(sure), loss=equal_loss))
print(f"all alike {np.mean(plain):.3f}, by sureness {np.mean(weighed):.3f}; draw by draw:",
      [f"{a - b:+.3f}" for a, b in zip(weighed, plain)])
expect(abs(np.mean(weighed) - np.mean(plain)) < 0.01, "weights change less than one point",
       ci=True, measured=np.mean(weighed) - np.mean(plain))

# %% [markdown]
# No gain to speak of, and the sign differs from draw to draw. Are unsure verdicts not worse? They are:

# %%
gaps, agrees = rating_gaps(train, some), np.array(crowd(some)) == (some.mu > 0.5).numpy()
for low, high in ((1, 1), (2, 2), (3, 4), (5, 8)):
    here = ((gaps >= low) & (gaps <= high)).numpy()
    print(f"{low} to {high} points apart: {here.sum():4d} verdicts, "
          f"the crowd agrees with {agrees[here].mean():.0%}")

# %% [markdown]
# Verdicts by one point are wrong much more often. But they are *right* more often than not, there are many of them, and they are about
# the close pairs, which are the hard ones to learn. What a small weight saves in noise it loses in information.
#
# And your own 30, now that their weights have a use? (Whatever the difference, it is chance.)

# %%
mine_weighed = fit_linear_reward(known, my_pairs, one_unit=True, weight=my_weight, loss=confidence_loss)
print(f"your verdicts all alike {my_accuracy:.3f}, "
      f"by sureness {pair_accuracy(mine_weighed.rewards(unseen), test_pairs):.3f}")

# %% [markdown]
# ## 10.8 A transformer of our own
#
# The pretrained model is some 140 times as large as the GPT of lesson 08, too large to be asked in every step of a training. Lesson 11 needs
# something small: that GPT, the one that reads pieces of words. The last step, in which it compares its state with every token, is taken
# off. What is left is called the *trunk*; on it goes a **scalar head**, which makes one number of the state at each token. The reward is
# read at the *last* one, an end token behind the text: attention looks back only, so nowhere else has the whole text been read, and that
# it ends here.
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
# Does the trunk of a language model help, as the large one helped above? Fit two to the same 1,000 verdicts: one starts from lesson 08's
# weights, one from random ones. Now *all* weights are trained.
#
# > **Predict.** 1,000 verdicts on words got 64% of unseen verdicts right (lesson 03). What will these two get?

# %%
from course_lib.lm.gpt import GPT

rewards_at_the_end = mine("10.2")
labels = budget(full=1_000, ci=150)
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
# Better than a coin, worse than words, and where it started makes hardly a difference: a small model that guesses tokens well has not yet
# learned what its texts *mean*. With three draws of the labels and more of them, section 10.9 says the same.
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
# ## 10.9 How many labels buy what?
#
# All together. Each point is the mean of three draws of the labels, all measured by the same protocol
# (`benchmarks/results/text_reward.json`, which `benchmarks/text_reward.py` writes).

# %%
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
levels = {"all other people together": ceiling, "VADER": dictionary}
title = "What a model knew before the first label matters most"
show(plots.curves_by_labels(curves, levels, title),
     alt="Accuracy on unseen verdicts against the number of labels for four models. The frozen "
         "features of the pretrained model lie far above the words and the small transformers "
         "at every size; the human ceiling is at 0.90.")
for name, curve in curves.items():
    print(f"{name:32s}", {n: round(float(np.mean(v)), 3) for n, v in sorted(curve.items())})

# %%
means = {name: {n: np.mean(v) for n, v in curve.items()} for name, curve in curves.items()}
frozen, by_words, from_lm, scratch = means.values()
expect(frozen[10_000] > 0.79 and frozen[1_000] > 0.77, "1,000 verdicts on frozen features reach "
       ".77, and 10,000 reach .79", measured={n: round(float(a), 3) for n, a in frozen.items()})
expect(frozen[300] > by_words[30_000], "300 verdicts there beat 30,000 verdicts on words",
       measured=f"{frozen[300]:.3f} against {by_words[30_000]:.3f}")
expect(by_words[1_000] > max(from_lm[1_000], scratch[1_000]),
       "with 1,000 verdicts the words beat both small transformers",
       measured=[round(float(m[1_000]), 3) for m in (by_words, from_lm, scratch)])

# %% [markdown]
# Read it from right to left: what you would have to pay, in labels, to get to the same height. 300 verdicts on the frozen features do more
# than 30,000 on words. Between the two small transformers lies next to nothing: the start from lesson 08's language model gains about
# one point at 300 verdicts and less than one beyond. Pretraining helps a *large* model that has read a library; ours has read what it is judged on.
# And both stay below the words at every size: a word's number is learned from every text that holds it, a transformer must first find
# out that there are words. (The points at 10,000 are single draws for these two.)
#
# ## 10.10 The same job, upside down
#
# A reward for friendly text is a detector for unfriendly text: turn the sign round. Filters for toxicity are trained in much the same
# way. Call a test sentence *negative* when its mean rating is -1.5 or lower, let each score put the most negative first, and count.

# %%
negative = np.array([text.mean <= -1.5 for text in test_texts])
labels = budget(full=3_000, ci=500)
reward = fit_linear_reward(known, sample_comparisons(train, labels, 1_000), one_unit=True)
ours = f"reward model, {labels:,} verdicts"
scores = {ours: reward.rewards(unseen), "VADER": vader_scores([text.text for text in test_texts])}
found = {name: negative[score.argsort().numpy()][:500].cumsum() / np.arange(1, 501)
         for name, score in scores.items()}
show(plots.found_among_the_first(found, negative.mean(), "A reward turned round finds negativity"),
     alt="Share of truly negative texts among the first n, up to 500, for the reward model and "
         "for VADER; the dashed line is a blind pick.")
at_200 = {name: shares[199] for name, shares in found.items()}
expect(at_200[ours] > at_200["VADER"],
       "among the 200 most negative the reward model is right more often than the dictionary",
       ci=True, measured={name: round(float(share), 2) for name, share in at_200.items()})

# %% [markdown]
# **Negative is not toxic.** "My cat died" is negative and harms nobody; "you people should all be …" may be said with a smile. A detector
# finds what its raters were *asked* about. Whoever wants toxicity must ask about toxicity; the machinery is the same to the last line.
#
# ## 10.11 Where it fails
#
# Its surest mistakes on test verdicts: each time a rater preferred the first text and the model the second. In brackets stands the mean of
# all raters. What do these pairs share?

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
# In some of them the means side with the model. That is the ceiling once more: one odd rater against everybody. Count how many:

# %%
means = torch.tensor([text.mean for text in test_texts])
crowd_gap = means[test_pairs.first] - means[test_pairs.second]
surest = wrong[gap[wrong].abs().argsort(descending=True)][:100]
sides_with_model = ((crowd_gap[surest] > 0) == (gap[surest] > 0)).float().mean().item()
expect(sides_with_model > 0.4, "in many of its surest mistakes the crowd sides with the model",
       ci=True, measured=sides_with_model)

# %% [markdown]
# The others are close calls, and mistakes of its own. Go further down the list (change the 8 above to 60) and you find cutting remarks
# in warm words, and praise in dark ones.
#
# And is it still fooled by the text that fooled lesson 03's words? The pretrained model reads again:

# %%
crafted = ["great awesome amazing perfect loved", "A quiet, beautiful film about an old man.",
           "love love love love love", "I loved it."]
if budget(full=True, ci=False):
    full = features(crafted, shipped.reduction.settings, progress=False)
    for value, sentence in zip(reward.rewards(shipped.reduction.reduce(full)), crafted):
        print(f"{value:+.2f}  {sentence}")

# %% [markdown]
# The heap of praise is no longer far above everything; repeating one word earns little. But a list of praise still earns as much as a real
# sentence. A reward model is a good judge of what its raters saw. Whatever searches for what it likes will leave that ground; lesson 11
# shows how far, and what holds it back.
#
# ## What you learned
#
# - Ratings become verdicts, rankings become verdicts: k items hold k (k − 1) / 2.
# - For the same reading, many texts read once teach more than few texts read often, and rankings of four more than pairs.
# - A frozen pretrained model and one weight for each of its numbers predict 77% of unseen verdicts after 1,000 labels; the words of lesson
#   03 do not get there with 30,000. People together reach 90%.
# - A reward is read at the last real token. Score a text alone and in company to see whether it is.
#
# **What failed, or did not help:** weights for sureness; a small transformer on few labels, whether it started from a language model or not
# (section 10.9); thirty clicks know little of a taste; "Not bad at all." still sounds bad to a reward from 30,000 verdicts; and a list of
# praise is still worth a sentence. The shipped, reduced features cost about one point of accuracy against the full ones.
#
# **Further reading.** N. Stiennon et al. (2020), *Learning to summarize from human feedback*, section 3.4. L. Ouyang et al. (2022),
# *Training language models to follow instructions with human feedback*, section 3.5. A. Radford, R. Jozefowicz and I. Sutskever (2017),
# *Learning to generate reviews and discovering sentiment*. L. Gao et al. (2023), on rewards that are searched too hard: lesson 11.
