# %% [markdown]
# # Lesson 03. From "A beat B" to a number: Bradley–Terry
#
# **Goals.** Turn comparisons into scores; know what such scores can and cannot say; fit a reward model to preferences
# derived from real people's ratings; say how accurate it is, how well calibrated, and how that compares with people.
#
# **Time.** About 50 minutes to read and run, 65 minutes for the exercises; the essential part takes 70 minutes in all.
# The cells use about one CPU-minute. **Builds on** lesson 00. No reinforcement learning is needed.
#
# Lessons 04, 07, 10 and 11 build on this one.

# %%
import numpy as np
import torch
import torch.nn.functional as F

from course_lib import budget, expect, mine
from course_lib.show import palette
from course_lib.show import preference_plots as plots
from course_lib.show.figures import explore, show

palette.style()
torch.set_num_threads(1)

# %% [markdown]
# ## 3.1 Eight ways to play a song
#
# Between September 2004 and March 2005 forty people sat in a laboratory in Aalborg and listened to excerpts of four
# pieces of music (Beethoven, Rachmaninov, Steely Dan, Sting). Each was played through eight arrangements of
# loudspeakers, two at a time, and each time the listener said which of the two they preferred: 21,924 **comparisons**
# (Choisel and Wickelmaier 2007). Nobody was asked for a *number*.
#
# Each row of this table is one way to play; a column says how often the row was preferred to it. Can one number for
# each way to play explain all 28 shares?

# %%
from course_lib.preferences.human_ratings import MODES, RUNS, sound_quality_wins

wins = sound_quality_wins()
title = "Both monos lose clearly; the other six are close"
show(plots.win_table(wins / RUNS, MODES, title),
     alt="Heat map of eight playback modes against each other. The rows Mono and Phantom mono "
         "hold shares below 0.2 against the six others; among those six all shares lie between "
         "0.36 and 0.64.")

# %% [markdown]
# ## 3.2 From a comparison to a score
#
# People are poor at giving numbers and good at comparing. A **reward model** goes the other way, from comparisons back
# to a score for each item.

# %%
from course_lib.show.schematics import from_comparisons

show(from_comparisons(), alt="A question, Stereo or Mono, was answered 783 times, 737 times with "
     "Stereo. A fit turns these counts into two scores on a scale; the sigmoid of their "
     "difference is the probability that Stereo is preferred.")

# %% [markdown]
# Bradley and Terry (1952) need one assumption. Give each item a score $r$. The probability that the first of a pair is
# preferred is the **sigmoid** $\sigma$ of the difference of the scores, which is therefore a **logit**:
#
# $$P(1 \succ 2) = \sigma(r_1 - r_2) = \frac{1}{1 + e^{-(r_1 - r_2)}}$$

# %%
r1, r2 = torch.tensor(0.8), torch.tensor(0.1)
torch.sigmoid(r1 - r2)

# %% [markdown]
# > **Predict.** If both scores grow by 100, what happens to this probability? And if both are doubled? Write it down in
# > [exercise 03.3](../exercises/03_bradley_terry.ipynb), then come back.
#
# Which scores fit best? Those that give the labels we saw the highest probability: **maximum likelihood**. It is the
# same to minimize the **negative log-likelihood** (NLL), minus the natural logarithm of the probability of what
# happened (its unit is the nat). Here it is for one comparison that the model expects to go to the first with 67%, and
# for the opposite label:

# %%
p = torch.sigmoid(r1 - r2)
print(f"the first is preferred: NLL {-torch.log(p):.3f} nats")
print(f"the second is preferred: NLL {-torch.log(1 - p):.3f} nats")

# %% [markdown]
# Write a label as a number $\mu$: 1 where the first was preferred, 0 where the second was. With $p = \sigma(r_1 - r_2)$
# both cases are one formula, $-\big(\mu \log p + (1 - \mu) \log (1 - p)\big)$. The **Bradley–Terry loss** is its mean over
# all comparisons. For two outcomes this is the **binary cross-entropy** that you know from classification, with the
# difference of the scores as logit.
#
# **Now do [exercise 03.1](../exercises/03_bradley_terry.ipynb)**: write this loss. The next line takes *your*
# function as soon as its check has passed, and the course's until then. (Does it loop over the pairs? Then the fit of
# 3.7 takes minutes; the stop button ends it. A version in whole tensors takes a second.)

# %%
bradley_terry_loss = mine("03.1")

# %% [markdown]
# ## 3.3 Strengths from a table
#
# Eight unknown scores, 21,924 comparisons. Start at zero and follow the gradient of your loss downhill. Each cell of
# the table is one kind of label ("row beat column"), and counts as often as it happened.

# %%
row, column = (torch.from_numpy(index) for index in np.nonzero(wins))     # (56,) each
count = torch.from_numpy(wins[row, column]).float()                       # (56,)
share = count / count.sum()

strengths = torch.zeros(len(MODES), requires_grad=True)
optimizer = torch.optim.Adam([strengths], lr=0.1)
for _ in range(300):
    won = torch.ones_like(share)
    loss = sum(w * bradley_terry_loss(strengths[i:i + 1], strengths[j:j + 1], one)
               for w, i, j, one in zip(share, row, column, won[:, None]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
strengths = (strengths - strengths.mean()).detach()
for mode, strength in zip(MODES, strengths.tolist()):
    print(f"{mode:13s} {strength:+.2f}")

# %% [markdown]
# Stereo comes out on top, a little above four-channel Matrix and the five-channel original: more than two loudspeakers
# did not please more. The loss is **convex**, so there is one optimum (up to a shift of all
# scores, which 3.4 is about). Did we find it? A general-purpose optimizer,
# which knows nothing of our code, must agree.

# %%
import scipy.optimize


def mean_nll(s):
    gap = s[:, None] - s[None, :]
    return (wins * np.logaddexp(0, -gap)).sum() / wins.sum()

scipy_fit = scipy.optimize.minimize(mean_nll, np.zeros(8), tol=1e-12).x
scipy_fit -= scipy_fit.mean()
apart = np.abs(scipy_fit - strengths.numpy()).max()
expect(apart < 0.01, "gradient descent and scipy find the same strengths",
       measured=f"largest difference {apart:.5f}")

# %% [markdown]
# Eight numbers now stand for 28 shares (the library's `fit_strengths` finds them with a second-order method). On the
# diagonal the fitted probability equals what people did.

# %%
from course_lib.preferences.bradley_terry import fit_strengths

s = fit_strengths(wins).numpy()
upper = np.triu_indices(8, 1)
fitted, observed = 1 / (1 + np.exp(-(s[upper[0]] - s[upper[1]]))), (wins / RUNS)[upper]
title = "One number a mode explains 28 comparisons"
show(plots.fitted_against_observed(fitted, observed, title),
     alt="Scatter of 28 pairs: fitted probability against the observed share. "
         "All dots lie close to the diagonal.")
expect(np.abs(fitted - observed).max() < 0.05, "no pair is missed by more than 5 points",
       measured=f"largest gap {np.abs(fitted - observed).max():.3f}")

# %% [markdown]
# The largest gap is 3 points. Is that chance? The **deviance** is twice the log-likelihood that 28 free numbers gain
# over the model's seven (one of the eight scores can be set at will). If the model is right it is near 28 − 7 = 21. The
# test takes the choices as independent, though 40 people made them all. To see that a model *can* fail, we put a
# straight line in place of the sigmoid.

# %%
from scipy.stats import chi2


def log_likelihood(p):
    """Of all choices, if the first of pair k is preferred with probability p[k]. p: (28,)"""
    return RUNS * (observed * np.log(p) + (1 - observed) * np.log(1 - p)).sum()

deviance = 2 * (log_likelihood(observed) - log_likelihood(fitted))
p_value = chi2.sf(deviance, df=28 - 7)
expect(p_value > 0.05, "Bradley–Terry explains the 28 shares up to chance",
       measured=f"deviance {deviance:.1f}, p = {p_value:.2f}")

difference = np.zeros((28, 8))                                            # P = 1/2 + s_i - s_j
difference[range(28), upper[0]], difference[range(28), upper[1]] = 1, -1
line = difference @ np.linalg.lstsq(difference, observed - 0.5, rcond=None)[0] + 0.5
expect(np.abs(line - observed).max() > 0.07, "a straight line misses a pair by 8 points",
       measured=f"largest gap {np.abs(line - observed).max():.3f}")

# %% [markdown]
# **Now do [exercise 03.4](../exercises/03_bradley_terry.ipynb)**: a fit that runs, orders everything rightly, and is
# wrong.
#
# ## 3.4 No zero, but a scale
#
# Adding 100 to every score changes no difference, so it changes no probability. Scores are **identifiable up to a
# shift**: they have no zero point. Remember this in lessons 04 and 07, where an agent gets such scores as rewards at
# every step and their mean suddenly matters a great deal.
#
# Doubling them does change something: how often the better item is preferred. Move the sliders. *Scale* multiplies the
# true scores. *Error rate* is the share of labels given at random. A small scale and a high error rate both make labels
# noisier; from a few labels one can hardly tell which of them it is.

# %%
import matplotlib.pyplot as plt


def rater(scale, error_rate):
    gap = np.linspace(-4, 4, 200)
    figure, axes = plt.subplots(figsize=(6, 3))
    plain = 1 / (1 + np.exp(-gap))
    this_rater = (1 - error_rate) / (1 + np.exp(-scale * gap)) + error_rate / 2
    axes.plot(gap, plain, "--", color=palette.GREY, label="scale 1, error rate 0")
    axes.plot(gap, this_rater, color=palette.BLUE, label="this rater")
    axes.set(xlabel="difference of the scores", ylabel="P(first preferred)", ylim=(0, 1),
             title="A small scale flattens the middle; errors keep the ends from 0 and 1")
    axes.legend()
    return figure

explore(rater, "S-curves of a rater: a smaller scale makes the middle flatter; random labels keep "
               "the ends away from 0 and 1.",
        scale=(0.25, 4, 0.25, 0.5), error_rate=(0, 0.6, 0.05, 0.1))

# %% [markdown]
# ## 3.5 Ties, random labels, and raters of different reliability
#
# Real answers are messier than "left" or "right". **Do [exercise 03.2](../exercises/03_bradley_terry.ipynb) now**:
# two more words, *equal* and *skip*, and what becomes of each.
#
# A **tie** is a label: both are equally likely to be preferred, $\mu = 0.5$. Look at the three curves. A win pulls
# the difference one way without end; a tie pulls it to zero. A skipped pair has no curve: nobody could compare it, so
# it stays out.

# %%
def nll_at(gap, mu):
    return F.binary_cross_entropy_with_logits(gap, torch.full_like(gap, mu), reduction="none")

gap = torch.linspace(-5, 5, 201)
curves = {"first preferred, μ = 1": nll_at(gap, 1.0).numpy(),
          "second preferred, μ = 0": nll_at(gap, 0.0).numpy(),
          "tie, μ = 0.5": nll_at(gap, 0.5).numpy()}
title = "The loss of a tie is smallest where the scores are equal"
show(plots.loss_curves(gap.numpy(), curves, title),
     alt="Three loss curves. A win of the first falls with the difference, a win of the second "
         "rises, a tie has its minimum of 0.69 nats at zero.")

# %% [markdown]
# People also make mistakes. Suppose one label in ten is random. Even a far better item then loses one time in twenty,
# and the plain loss can explain that in one way only: by pulling *all* scores together. A loss that assumes an **error
# rate** ([**exercise 03.5**](../exercises/03_bradley_terry.ipynb)) can do better. Nine simulated items with known
# scores from -4 to 4, 600 labels, a tenth of them random, five times over:

# %%
robust_loss = mine("03.5")

def simulated_labels(seed, error_rate, scores, count=600):
    rng = torch.Generator().manual_seed(seed)
    first = torch.randint(len(scores), (count,), generator=rng)
    second = (first + torch.randint(1, len(scores), (count,), generator=rng)) % len(scores)
    p = torch.sigmoid(scores[first] - scores[second])                     # (count,)
    mu = (torch.rand(count, generator=rng) < p).float()
    at_random = (torch.rand(count, generator=rng) < 0.5).float()
    wrong = torch.rand(count, generator=rng) < error_rate
    return first, second, torch.where(wrong, at_random, mu)

def fit_scores(first, second, mu, error_rate, items):
    scores = torch.zeros(items, requires_grad=True)
    optimizer = torch.optim.Adam([scores], lr=0.05)
    for _ in range(400):
        loss = robust_loss(scores[first], scores[second], mu, error_rate)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (scores - scores.mean()).detach()

# %%
truth = torch.linspace(-4, 4, 9)
errors = {0.0: [], 0.1: []}
for seed in range(5):
    labels = simulated_labels(seed, 0.1, truth)
    for assumed in errors:
        fitted = fit_scores(*labels, error_rate=assumed, items=9)
        errors[assumed].append((fitted - truth).square().mean().sqrt().item())
for assumed, values in errors.items():
    print(f"assumed error rate {assumed:3.0%}: the scores are off by {np.mean(values):.2f} (RMS)")
plain, robust = np.mean(errors[0.0]), np.mean(errors[0.1])
expect(robust < 0.75 * plain, "assuming an error rate recovers the scores better",
       measured=f"{robust:.2f} against {plain:.2f}")

# %% [markdown]
# Error rates differ from rater to rater. With several raters on the same items one can learn from the labels alone whom
# to trust: give each rater a **reliability** of their own and fit it together with the scores (Chen et al. 2013). Here
# are six simulated raters; the fifth answers at random, the sixth mistook "better" for "worse".

# %%
from course_lib.preferences.crowd import fit_crowd

rng = torch.Generator().manual_seed(0)
reliability = torch.tensor([0.95, 0.95, 0.90, 0.90, 0.50, 0.10])
scores = torch.linspace(-1.5, 1.5, 8)
first, second, mu = simulated_labels(0, 0.0, scores, count=2_000)
rater_of = torch.randint(6, (2_000,), generator=rng)
contrary = torch.rand(2_000, generator=rng) > reliability[rater_of]
mu = torch.where(contrary, 1 - mu, mu)

crowd = fit_crowd(first, second, mu, rater_of, items=8, raters=6)
print("true reliability:  ", [round(q, 2) for q in reliability.tolist()])
print("fitted reliability:", [round(q, 2) for q in crowd.reliability.tolist()])
worst = (crowd.reliability - reliability).abs().max().item()
expect(worst < 0.15, "each rater's reliability is found to within 0.15",
       measured=f"largest error {worst:.2f}")

# %% [markdown]
# A rater who always says the opposite is as useful as a careful one, once you know it; one who answers at random is
# not.
#
# ## 3.6 Ratings of real texts
#
# Next, texts. About 23,700 short texts (tweets, and sentences from film reviews, product reviews and newspaper
# editorials) were rated by some 20 people each, a thousand of the tweets by more than 90, from -4, extremely negative,
# to 4, extremely positive (Hutto and Gilbert 2014). Every single rating was kept, so we can see people disagree.

# %%
from course_lib.preferences.human_ratings import DOMAINS, load_rated_texts

texts = load_rated_texts()
for domain in DOMAINS:
    ratings = [text.ratings for text in texts if text.domain == domain]
    count, std = sum(map(len, ratings)), np.mean([np.std(r) for r in ratings])
    print(f"{domain:11s} {len(ratings):6,d} texts, {count:7,d} ratings, "
          f"standard deviation within a text {std:.2f}")

# %% [markdown]
# Three texts: one on which people agree, one in the middle, and one on which they hardly could agree less. The dashed
# line is the mean, a number that perhaps nobody gave.

# %%
movies = [text for text in texts if text.domain == "movies"]
by_std = sorted(movies, key=lambda text: np.std(text.ratings))
chosen = {"people agree": by_std[40], "typical": by_std[len(by_std) // 2],
          "people disagree": by_std[-5]}
ratings = {name: text.ratings for name, text in chosen.items()}
title = "Three sentences: raters agree, differ, and contradict each other"
show(plots.rating_histograms(ratings, title),
     alt="Histograms of the ratings of three film-review sentences: one narrow, one of three "
         "neighbouring ratings, one that reaches from -4 to 3.")

# %% tags=["third-party-text"]
for name, text in chosen.items():
    print(f"{name}: {text.text}\n")

# %% [markdown]
# **The protocol.** Every lesson that uses these ratings does the same, in library code
# (`course_lib/preferences/human_ratings.py`), so that its numbers can be compared:
#
# 1. A text belongs to *train*, *validation* or *test* for ever, by a hash of its words. Copies cannot cross the line.
# 2. A comparison draws two texts, and **one rater of each**; the higher rating wins. Equal ratings are dropped here.
# 3. Settings are chosen on validation. The test only reports.
#
# So these are **preferences derived from ratings**: two people saw one text each, and nobody compared the two, as the
# listeners of 3.1 did and you in lesson 00.

# %%
from course_lib.preferences.human_ratings import rated_texts, sample_comparisons

train = rated_texts("train")
comparisons = sample_comparisons(train, 60_000, seed=5)
one, two, mu = comparisons.first[0], comparisons.second[0], comparisons.mu[0]
print(f"{len(train):,} texts to learn from")
print(f"comparison 1: text {one} against text {two}, mu = {mu:.0f}")

# %% [markdown]
# Do derived preferences follow the sigmoid? For each comparison, take the mean rating of all *other* raters of the
# first text, less that of the second. Does the share that the first text wins follow a sigmoid of this gap?

# %%
from course_lib.preferences.evaluation import mean_of_the_others

others_first = [mean_of_the_others(train[i].ratings, rater)
                for i, rater in zip(comparisons.first, comparisons.first_rater)]
others_second = [mean_of_the_others(train[i].ratings, rater)
                 for i, rater in zip(comparisons.second, comparisons.second_rater)]
gap = torch.tensor(others_first) - torch.tensor(others_second)            # (pairs,)
edges = np.arange(-5, 5.01, 0.5)
inside = [(gap >= low) & (gap < low + 0.5) for low in edges[:-1]]
observed = np.array([comparisons.mu[k].mean().item() for k in inside])

few = slice(0, 5_000)                                      # enough for one number
slope = torch.tensor(1.0, requires_grad=True)
optimizer = torch.optim.LBFGS([slope], max_iter=10, line_search_fn="strong_wolfe")

def closure():
    optimizer.zero_grad()
    loss = bradley_terry_loss(slope * gap[few], torch.zeros_like(gap[few]), comparisons.mu[few])
    loss.backward()
    return loss

_ = optimizer.step(closure)

# %%
centre = edges[:-1] + 0.25
title = "Preferences derived from ratings lie near a sigmoid"
show(plots.s_curve(centre, observed, slope.item(), title),
     alt="Share of comparisons for the first text against the gap in mean rating, from -5 to 5. "
         "The dots lie near a sigmoid.")
miss = np.abs(observed - 1 / (1 + np.exp(-slope.item() * centre))).max()
laplace = 0.5 + np.sign(centre) / 2 * (1 - np.exp(-1.28 * np.abs(centre)))  # 1.28: its best fit
laplace_miss = np.abs(observed - laplace).max()
expect(miss < 0.035, "the sigmoid is within 3 points of every dot", measured=f"{miss:.3f}")
expect(abs(laplace_miss - miss) < 0.01, "a curve that is not Bradley–Terry's fits as well",
       measured=f"Laplace {laplace_miss:.3f}")

# %% [markdown]
# This shows less than it seems to. The winner is the higher of two noisy numbers, and almost any noise gives an
# S-curve; that of a Laplace distribution fits as well. So a sigmoid is *good enough* for such data, but the real
# choices of 3.3 are the better evidence for Bradley and Terry.
#
# How well do *people* predict these preferences? Let all the other raters of both texts predict each one: the higher
# mean should win. Do [exercise 03.6](../exercises/03_bradley_terry.ipynb), which computes this leave-one-out **human
# agreement**; the course's version gives:

# %%
from course_lib.preferences.evaluation import human_ceiling, pair_accuracy
from course_lib.preferences.human_ratings import evaluation_comparisons
from course_lib.preferences.word_reward import vader_scores

test_texts, test_pairs = evaluation_comparisons("test")
agreement = human_ceiling(test_texts, test_pairs)
dictionary = pair_accuracy(vader_scores([text.text for text in test_texts]), test_pairs)
print(f"all others together: {agreement:.3f} of {len(test_pairs):,} unseen comparisons predicted")
print(f"VADER, a dictionary of 7,500 rated words: {dictionary:.3f}")
expect(0.88 < agreement < 0.92, "all other raters together predict about 90%", measured=agreement)
expect(0.68 < dictionary < 0.73, "the dictionary gets about 70%", measured=dictionary)

# %% [markdown]
# **VADER** is a dictionary: ten people rated each of its 7,500 words and smileys, and a few rules handle negation and
# emphasis (Hutto and Gilbert 2014; the ten ratings stand in its file).
#
# The 90% is a *reference*, not a limit: the mean of some 20 raters is itself noisy, so a perfect score could do a
# little better. And it depends on who is compared with whom. One other rater for each text, in place of all, predicts
# about 84% (ties count half); by kind of text all others predict 84 to 92%; lesson 10 compares a few raters with all
# others.
#
# ## 3.7 A reward model that you can read
#
# The simplest model that could work is a **linear** one: every word has a score, and a text gets the sum of the scores
# of its different words, divided by the square root of their number. The three words after a "not", "never" or "isn't"
# count as words of their own. The scores start at zero; the labels move them.

# %%
from course_lib.preferences.word_reward import WordReward, fit_word_reward, words

print(words("Not a good film, but I LOVED the ending :)"))

# %% [markdown]
# Fit it to 10,000 comparisons with your loss, and with a pull toward zero (**L2 regularization**). The problem is
# convex, so one second is enough. **Accuracy** is the share of unseen comparisons that the scores predict.

# %%
train_texts = [text.text for text in train]
comparisons = sample_comparisons(train, budget(full=10_000, ci=2_000), seed=1_000)
model = WordReward.for_texts(train_texts)
loss = fit_word_reward(model, train_texts, comparisons, l2=0.3, loss=bradley_terry_loss)
accuracy = pair_accuracy(model.rewards([text.text for text in test_texts]), test_pairs)
print(f"{len(model.index):,} words")
print(f"loss on its own comparisons {loss:.2f} nats (equal scores: 0.69)")
expect(0.70 < accuracy < 0.74, "10,000 labels predict about 72% of unseen comparisons",
       ci=0.64 < accuracy < 0.70, measured=accuracy)

# %% [markdown]
# Seventy-two percent sounds poor. But people together reach 90, and the dictionary 70: over all kinds of text, 10,000
# comparisons beat it.
#
# What did it learn? Nobody told it what a word means.

# %%
best, worst = model.strongest(7)
for (good, plus), (bad, minus) in zip(best, worst):
    print(f"{good:18s} {plus:+.1f}        {bad:18s} {minus:+.1f}")

# %%
for text in ("A good film.", "Not a good film.", "A film.",
             "great awesome amazing perfect loved"):
    print(f"{model.rewards([text]).item():+6.2f}   {text}")

# %% [markdown]
# The last line is a warning. Nobody ever rated such a text, and the model gives it a very high score. When an agent or
# a language model is *rewarded* by this model, it will find such texts. Lesson 09 shows it happen.
#
# ## 3.8 How accuracy grows with the number of labels
#
# Labels cost people's time, so this is *the* practical question. Fit the same model on 300 to 30,000 comparisons, with
# three draws each; the strength of the L2 pull is chosen on validation.

# %%
from tqdm.auto import tqdm

from course_lib.preferences.evaluation import learning_curve

sizes = budget(full=(300, 1_000, 3_000, 10_000, 30_000), ci=(300, 1_000, 3_000))
seeds = budget(full=3, ci=1)
fits = list(tqdm(learning_curve(sizes, seeds), total=len(sizes) * seeds, desc="fitting"))
accuracy = [[fit.test_accuracy for fit in fits if fit.labels == n] for n in sizes]
for n, values in zip(sizes, accuracy):
    print(f"{n:6,d} comparisons: {np.mean(values):.3f}   ({min(values):.3f} to {max(values):.3f})")

# %%
lines = {"the other raters together": agreement, "VADER": dictionary}
title = "Each tenfold increase in labels adds fewer points of accuracy"
show(plots.label_curve(sizes, {"learned words": accuracy}, lines, title),
     alt="Accuracy on unseen comparisons against the number of labels on a logarithmic axis: from "
         "0.59 with 300 labels over 0.72 with 10,000 to 0.74 with 30,000. VADER lies at 0.70, "
         "human agreement at 0.90.")
by_size = dict(zip(sizes, map(np.mean, accuracy)))
expect(by_size.get(10_000, 0) >= 0.70, "10,000 labels reach at least .70 over all domains",
       ci=by_size[3_000] >= 0.64, measured={n: round(float(a), 3) for n, a in by_size.items()})
expect(0.55 < by_size[300] < 0.62, "300 labels get about 59%, little above chance",
       measured=by_size[300])

# %% [markdown]
# Does that hold everywhere? One curve for each kind of text, against the dictionary and the human agreement *on that
# kind*.

# %%
from course_lib.preferences.evaluation import fit_on_human_ratings

curves, lexicon, agreements = {}, {}, {}
for domain in tqdm(DOMAINS, desc="domains"):
    some_texts, some_pairs = evaluation_comparisons("test", domain)
    weighed = vader_scores([text.text for text in some_texts])            # (texts,)
    lexicon[domain] = pair_accuracy(weighed, some_pairs)
    agreements[domain] = human_ceiling(some_texts, some_pairs)
    curves[domain] = [fit_on_human_ratings(n, 0, domain).test_accuracy for n in sizes]
title = "A dictionary is hard to beat on tweets, easy on film reviews"
show(plots.label_curves_by_domain(sizes, curves, lexicon, agreements, title),
     alt="Four panels of accuracy against labels. For tweets and editorials the learned words "
         "stay below the dictionary at every size; for sentences from film and product reviews "
         "they pass it.")

# %%
for domain in DOMAINS:
    passed = [n for n, a in zip(sizes, curves[domain]) if a > lexicon[domain]]
    when = f"passed at {passed[0]:,}" if passed else f"not passed with {sizes[-1]:,}"
    print(f"{domain:11s} dictionary {lexicon[domain]:.3f}, people {agreements[domain]:.3f}, "
          f"learned {curves[domain][-1]:.3f}: {when} labels")

# %%
expect(curves["tweets"][-1] < lexicon["tweets"], "on tweets the dictionary still wins",
       measured=f"{curves['tweets'][-1]:.3f} against {lexicon['tweets']:.3f}")
expect(curves["editorials"][-1] < lexicon["editorials"], "and on editorials",
       measured=f"{curves['editorials'][-1]:.3f} against {lexicon['editorials']:.3f}")
with_3_000 = curves["movies"][sizes.index(3_000)]
expect(with_3_000 > lexicon["movies"], "on film reviews 3,000 labels beat it",
       measured=f"{with_3_000:.3f} against {lexicon['movies']:.3f}")

# %% [markdown]
# **Where this fails.** On tweets the dictionary wins at every size we tried. It was made for them: smileys and slang
# are among its words. It also wins on editorials, whose sober words carry little sentiment: even the other raters agree
# least there, and 3,600 texts spread over 12,000 different words show each word too rarely. On film and product reviews
# the labels teach words that the dictionary does not hold: the model of 3.7 gives *performances* +3.6 and *documentary*
# +3.2.
#
# ## 3.9 Does the model know what it does not know?
#
# Two ways to ask. First, **calibration**: when the model of 10,000 comparisons predicts 80%, is it right 8 times in 10?

# %%
from course_lib.preferences.evaluation import calibration

fit = fit_on_human_ratings(sizes[-2], seed=0)
rewards = fit.model.rewards([text.text for text in test_texts])
predicted = torch.sigmoid(rewards[test_pairs.first] - rewards[test_pairs.second])
report = calibration(predicted, test_pairs.mu)
show(plots.reliability(report.promised.numpy(), report.happened.numpy(), report.count.numpy(),
                       "Predicted probabilities are close to what happened"),
     alt="Calibration plot: ten dots near the diagonal; at the ends what happened is a few "
         "points less extreme than predicted.")
expect(report.error < 0.05, "predictions are off by less than 5 points on average",
       measured=report.error)

# %% [markdown]
# The mean gap, weighted by the number of pairs, is the **expected calibration error** (Guo et al. 2017).
#
# Second, an **ensemble**: five models, each fitted to comparisons drawn again from the same 3,000 with replacement (the
# **bootstrap**). Where they disagree, the data did not settle the matter.
#
# > **Predict.** Is the average of the five better than one model fitted to all 3,000? And are pairs on which they
# > disagree harder?

# %%
def ensemble_rewards(members, labels, l2):
    drawn = sample_comparisons(train, labels, seed=1_000)
    for member in range(members):
        rng = torch.Generator().manual_seed(member)
        again = torch.randint(labels, (labels,), generator=rng)           # with replacement
        sample = type(drawn)(*(column[again] for column in vars(drawn).values()))
        model = WordReward(fit.model.index)
        fit_word_reward(model, train_texts, sample, l2)
        yield model.rewards([text.text for text in test_texts])

single = fit_on_human_ratings(3_000, seed=0)
rewards = torch.stack(list(ensemble_rewards(5, 3_000, single.l2)))        # (members, texts)
together = pair_accuracy(rewards.mean(dim=0), test_pairs)
alone = np.mean([pair_accuracy(r, test_pairs) for r in rewards])
print(f"one model on all 3,000 comparisons: {single.test_accuracy:.3f}")
print(f"the five together {together:.3f}, each of them alone {alone:.3f} on average")

# %%
def probabilities(rewards):
    gap = rewards[..., test_pairs.first] - rewards[..., test_pairs.second]
    return torch.sigmoid(gap)                                             # (..., pairs)

def right_by_fifths(p, uncertainty):
    right = ((p > 0.5) == (test_pairs.mu > 0.5)).float()
    return [part.mean().item() for part in right[uncertainty.argsort()].chunk(5)]

# %%
five = probabilities(rewards)                                             # (members, pairs)
one = probabilities(single.model.rewards([text.text for text in test_texts]))     # (pairs,)
by_members = right_by_fifths(five.mean(dim=0), uncertainty=five.std(dim=0))
by_probability = right_by_fifths(one, uncertainty=-(one - 0.5).abs())
print("accuracy in each fifth of the pairs, the most certain fifth first")
print("sorted by the disagreement of the five:", [round(a, 2) for a in by_members])
print("sorted by one model's own probability: ", [round(a, 2) for a in by_probability])
expect(by_members[0] > by_members[-1] + 0.1, "where the five disagree, they err more often",
       measured=f"{by_members[0]:.3f} right against {by_members[-1]:.3f}")
expect(by_probability[0] > by_members[0] and by_probability[-1] < by_members[-1],
       "but one model's own probability sorts the pairs better",
       measured=f"{by_probability[0]:.3f} right against {by_probability[-1]:.3f}")

# %% [markdown]
# The five together are better than one of them alone, and no better than one model fitted to all the data. Their
# disagreement shows which pairs are hard, but here the single model's own probability shows it better, at a fifth of
# the cost. Lesson 04 uses disagreement to choose which pairs a person labels, and measures whether that helps.
#
# ## 3.10 Read its mistakes
#
# These are the pairs on which the model was most certain, and wrong. In brackets: the rating that was drawn, and the
# mean of everybody.
#
# > **Predict.** What did the model miss? Read the ten, then go on.

# %% tags=["third-party-text"]
wrong = torch.where((predicted > 0.5) != (test_pairs.mu > 0.5))[0]
surest = wrong[(predicted[wrong] - 0.5).abs().argsort(descending=True)]    # (mistakes,)

def describe(text, rater):
    return f"{text.text}  [{text.ratings[rater]:+d}, mean {text.mean:+.1f}]"

for k in surest[:10].tolist():
    sides = [describe(test_texts[test_pairs.first[k]], test_pairs.first_rater[k]),
             describe(test_texts[test_pairs.second[k]], test_pairs.second_rater[k])]
    preferred, other = sides if test_pairs.mu[k] > 0.5 else reversed(sides)
    print(f"preferred: {preferred}\nover:      {other}\n")

# %% [markdown]
# Often the bracket explains it: the rater who was drawn stood against everybody else. How often? Count, among the
# hundred most certain mistakes, those in which the mean of all the other raters agrees with the *model*.

# %%
def gap_of_the_others(k):
    first, second = test_texts[test_pairs.first[k]], test_texts[test_pairs.second[k]]
    return (mean_of_the_others(first.ratings, test_pairs.first_rater[k])
            - mean_of_the_others(second.ratings, test_pairs.second_rater[k]))

with_the_model = np.mean([(gap_of_the_others(k) > 0) == (predicted[k] > 0.5).item()
                          for k in surest[:100].tolist()])
expect(0.28 < with_the_model < 0.45, "in about a third of these the others agree with the model",
       ci=0.2 < with_the_model < 0.6, measured=with_the_model)

# %% [markdown]
# No training mends those: they are one person's preference, or a slip. The rest needs a model that reads words in their
# order and can tell irony (lesson 10), or more labels for rare words.
#
# ## What you learned
#
# - **Bradley–Terry**: $P(1 \succ 2) = \sigma(r_1 - r_2)$; the loss is the mean negative log-likelihood;
#   ties are $\mu = 0.5$, skips stay out.
# - Scores from comparisons have no zero point; their scale says how noisy the labels are, and random labels look like a
#   small scale.
# - People's choices between eight ways to play music fit the model up to chance.
# - 10,000 comparisons make a word-level model that beats a dictionary overall, and 300 do not; all other raters
#   together predict about 90%.
#
# **What failed, or did not help:** the dictionary stays ahead on tweets and editorials; an ensemble did not raise
# accuracy; the model gives its highest scores to texts that nobody ever rated ("great awesome amazing perfect loved").
# Assuming an error rate helped with simulated random labels; on the human ratings it changes the third digit at most.
# Try it: pass `loss=lambda a, b, m: robust_loss(a, b, m, 0.1)` to `fit_on_human_ratings`.
#
# **Further reading.** R. A. Bradley and M. E. Terry (1952), *Rank analysis of incomplete block designs*, the source. S.
# Choisel and F. Wickelmaier (2007), *Evaluation of multichannel reproduced sound*; dates and pieces are in the
# documentation of their data (`SoundQuality` in the R package psychotools, `soundquality` in eba). C. J. Hutto and E.
# Gilbert (2014), the ratings and VADER. P. Christiano et al. (2017), section 2.2, the same loss on clips. X. Chen et
# al. (2013), raters of different reliability. C. Guo et al. (2017), calibration.
#
# **Next:** [lesson 04](04_cartpole_from_preferences.ipynb) fits this loss to clips that you compare, and an agent
# learns from it (it needs lessons 01 and 02); for texts go on to [lesson 08](08_tiny_gpt.ipynb).
