# %% [markdown]
# # Lesson 03. From "A beat B" to a number: Bradley–Terry
#
# **Goals.** Turn comparisons into scores; know what such scores can and cannot say; fit a reward model to the verdicts of real
# people; say how good it is, how sure it is, and how good it could ever be.
#
# **Time.** About 50 minutes to read and run, 65 minutes for the exercises; the essential part takes 70 minutes in all. The cells
# use about one CPU-minute. **Builds on** lesson 00. No reinforcement learning is needed.
#
# Lessons 04, 07, 10 and 11 stand on this one. Two functions run through the whole course; here is the first.

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
# In the winter of 2004 to 2005 forty people sat in a laboratory in Aalborg and listened to the same music through eight
# arrangements of loudspeakers, two at a time. Each time they said which they preferred: 21,924 choices. Nobody was asked for
# a *number*.
#
# Each row of this table is one way to play; a column says how often the row was preferred to it. Can one number for each way to
# play explain all 28 comparisons?

# %%
from course_lib.preferences.human_ratings import MODES, RUNS, sound_quality_wins

wins = sound_quality_wins()
title = "Both monos lose clearly; the other six are close"
show(plots.win_table(wins / RUNS, MODES, title),
     alt="Heat map of eight playback modes against each other. The rows Mono and Phantom mono "
         "hold shares below 0.2 against the six others; among those six all shares lie between "
         "0.36 and 0.64.")

# %% [markdown]
# ## 3.2 From a verdict to a number
#
# People are poor at numbers and good at comparisons. The model has to go the other way: from verdicts back to a number for
# each thing compared.
#
# Bradley and Terry's answer (1952) needs one assumption. Give each item a score $r$. The larger the *difference*, the surer the
# verdict:
#
# $$P(\text{first preferred}) = \sigma(r_1 - r_2) = \frac{1}{1 + e^{-(r_1 - r_2)}}$$

# %%
r1, r2 = torch.tensor(0.8), torch.tensor(0.1)
torch.sigmoid(r1 - r2)

# %% [markdown]
# > **Predict.** If both scores grow by 100, what happens to this probability? And if both are doubled? Write it down in
# > [exercise 03.3](../exercises/03_bradley_terry.ipynb), then come back.
#
# A verdict is like a coin that came up once. Its cost is the *surprise* at what we saw, minus the logarithm of the
# probability we had given it. One verdict that we thought 67% likely, and its opposite:

# %%
p = torch.sigmoid(r1 - r2)
print(f"the first is preferred: surprise {-torch.log(p):.3f} nats")
print(f"the second is preferred: surprise {-torch.log(1 - p):.3f} nats")

# %% [markdown]
# The loss is the mean surprise over all verdicts. Smaller scores for losers and larger ones for winners make it fall; that is
# the whole idea, and the rest of this course is what you can do with it.
#
# **Now do [exercise 03.1](../exercises/03_bradley_terry.ipynb)**: write this loss. The next line takes *your* function as soon as
# its check has passed, and the course's until then. (Does it loop over the pairs? Then the fit of 3.7 takes minutes; the
# stop button ends them, and a version in whole tensors takes a second.)

# %%
bradley_terry_loss = mine("03.1")

# %% [markdown]
# ## 3.3 Strengths from a table
#
# Eight unknown numbers, 21,924 verdicts. Start at zero and walk downhill on your loss. Each cell of the table is one kind of verdict
# ("row beat column"), and counts as often as it happened.

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
# Stereo comes out on top, a little above four-channel Matrix and the five-channel original: more than two loudspeakers did not
# please more. Is it the right optimum, or merely *a* place downhill? A general-purpose optimiser, which knows nothing of our
# code, must agree.

# %%
import scipy.optimize


def total_surprise(s):
    gap = s[:, None] - s[None, :]
    return (wins * np.logaddexp(0, -gap)).sum() / wins.sum()

scipy_fit = scipy.optimize.minimize(total_surprise, np.zeros(8), tol=1e-12).x
scipy_fit -= scipy_fit.mean()
apart = np.abs(scipy_fit - strengths.numpy()).max()
expect(apart < 0.01, "gradient descent and scipy find the same strengths",
       measured=f"largest difference {apart:.5f}")

# %% [markdown]
# The library's `fit_strengths` does the same with a second-order method and gets within 0.00001 of scipy (a test holds it to that).
#
# Eight numbers now stand for 28 comparisons. Do they do them justice? On the diagonal the fitted probability equals what people did.

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
# **Now do [exercise 03.4](../exercises/03_bradley_terry.ipynb)**: a fit that runs, orders everything rightly, and is wrong.
#
# ## 3.4 No zero, but a scale
#
# Adding 100 to every score changes no difference, so it changes no verdict. Scores from preferences have **no zero point**. Remember
# this in lessons 04 and 07, where an agent is paid such scores at every step and their average suddenly matters a great deal.
#
# Doubling them does change something: how sure the judge is. Move the sliders. *Scale* multiplies the true scores. *Slips* is the
# share of verdicts given by a coin. A smaller scale and more slips both make the judge less sure, and a few verdicts can hardly
# tell the two apart.

# %%
import matplotlib.pyplot as plt


def rater(scale, slips):
    gap = np.linspace(-4, 4, 200)
    figure, axes = plt.subplots(figsize=(6, 3))
    plain = 1 / (1 + np.exp(-gap))
    this_rater = (1 - slips) / (1 + np.exp(-scale * gap)) + slips / 2
    axes.plot(gap, plain, "--", color=palette.GREY, label="scale 1, no slips")
    axes.plot(gap, this_rater, color=palette.BLUE, label="this rater")
    axes.set(xlabel="difference of the scores", ylabel="P(first preferred)", ylim=(0, 1),
             title="A small scale flattens the middle; slips keep the ends from 0 and 1")
    axes.legend()
    return figure

explore(rater, "S-curves of a rater: a larger scale makes the middle steeper; slips keep the "
               "ends away from 0 and 1.",
        scale=(0.25, 4, 0.25, 2), slips=(0, 0.6, 0.05, 0.2))

# %% [markdown]
# ## 3.5 Ties, slips, and judges who are not equally careful
#
# Real answers are messier than "left" or "right". **Do [exercise 03.2](../exercises/03_bradley_terry.ipynb) now**: two more words,
# *equal* and *skip*, and what becomes of each.
#
# A tie is a verdict: both are equally likely to be preferred, $\mu = 0.5$. Watch the three curves. A win pulls the difference one
# way for ever; a tie pulls it to zero. A pair that nobody could judge has no curve: it stays out.

# %%
def surprise_at(gap, mu):
    return F.binary_cross_entropy_with_logits(gap, torch.full_like(gap, mu), reduction="none")

gap = torch.linspace(-5, 5, 201)
curves = {"first preferred, μ = 1": surprise_at(gap, 1.0).numpy(),
          "second preferred, μ = 0": surprise_at(gap, 0.0).numpy(),
          "tie, μ = 0.5": surprise_at(gap, 0.5).numpy()}
title = "A tie is least surprising where the scores are equal"
show(plots.loss_curves(gap.numpy(), curves, title),
     alt="Three loss curves. A win of the first falls with the difference, a win of the second "
         "rises, a tie has its minimum of 0.69 nats at zero.")

# %% [markdown]
# People also slip. Suppose one verdict in ten is a coin. Even a far better item then loses one time in twenty, and the plain loss
# can explain that in one way only: by pulling *all* scores together. The loss that expects slips
# ([**exercise 03.5**](../exercises/03_bradley_terry.ipynb)) knows better. Nine simulated items with known scores from -4 to 4,
# 600 verdicts, a tenth of them coins, five times over:

# %%
robust_loss = mine("03.5")

def simulated_verdicts(seed, slips, scores, count=600):
    rng = torch.Generator().manual_seed(seed)
    first = torch.randint(len(scores), (count,), generator=rng)
    second = (first + torch.randint(1, len(scores), (count,), generator=rng)) % len(scores)
    p = torch.sigmoid(scores[first] - scores[second])                     # (count,)
    mu = (torch.rand(count, generator=rng) < p).float()
    coin = (torch.rand(count, generator=rng) < 0.5).float()
    return first, second, torch.where(torch.rand(count, generator=rng) < slips, coin, mu)

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
    verdicts = simulated_verdicts(seed, 0.1, truth)
    for assumed in errors:
        fitted = fit_scores(*verdicts, error_rate=assumed, items=9)
        errors[assumed].append((fitted - truth).square().mean().sqrt().item())
for assumed, values in errors.items():
    print(f"assumed slips {assumed:3.0%}: the scores are off by {np.mean(values):.2f} (RMS)")
plain, robust = np.mean(errors[0.0]), np.mean(errors[0.1])
expect(robust < 0.75 * plain, "expecting slips recovers the scores better",
       measured=f"{robust:.2f} against {plain:.2f}")

# %% [markdown]
# Slips differ from judge to judge. With several judges on the same items one can learn, from the verdicts alone, whom to trust:
# give each judge a *reliability* of their own and fit it together with the scores (Chen et al. 2013). Here are six simulated judges;
# the fifth guesses, the sixth mistook "better" for "worse".

# %%
from course_lib.preferences.crowd import fit_crowd

rng = torch.Generator().manual_seed(0)
reliability = torch.tensor([0.95, 0.95, 0.90, 0.90, 0.50, 0.10])
scores = torch.linspace(-1.5, 1.5, 8)
first, second, mu = simulated_verdicts(0, 0.0, scores, count=2_000)
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
# A contrary judge is as useful as a careful one, once you know it. A judge who guesses teaches nothing.
#
# ## 3.6 Real people, real texts
#
# Now the real thing. About 23,700 short texts (tweets, and sentences from film reviews, product reviews and newspaper
# editorials) were rated by some 20 people each, a thousand of the tweets by more than 90, from -4, extremely negative, to 4,
# extremely positive (Hutto and Gilbert 2014). And every single rating was kept, so we can watch people disagree.

# %%
from course_lib.preferences.human_ratings import DOMAINS, load_rated_texts

texts = load_rated_texts()
for domain in DOMAINS:
    ratings = [text.ratings for text in texts if text.domain == domain]
    count, std = sum(map(len, ratings)), np.mean([np.std(r) for r in ratings])
    print(f"{domain:11s} {len(ratings):6,d} texts, {count:7,d} ratings, "
          f"standard deviation within a text {std:.2f}")

# %% [markdown]
# Three texts: one on which people agree, one in the middle, and one on which they hardly could agree less. The dashed line is
# the mean, a number that perhaps nobody gave.

# %%
movies = [text for text in texts if text.domain == "movies"]
by_std = sorted(movies, key=lambda text: np.std(text.ratings))
chosen = {"people agree": by_std[40], "typical": by_std[len(by_std) // 2],
          "people disagree": by_std[-5]}
ratings = {name: text.ratings for name, text in chosen.items()}
show(plots.rating_histograms(ratings, "Same sentence, different people"),
     alt="Histograms of the ratings of three film-review sentences: one narrow, one of three "
         "neighbouring ratings, one spread from -4 to 3.")

# %% tags=["third-party-text"]
for name, text in chosen.items():
    print(f"{name}: {text.text}\n")

# %% [markdown]
# **The protocol.** Every lesson that uses these ratings does the same, in library code (`course_lib/preferences/human_ratings.py`),
# so that its numbers can be compared:
#
# 1. A text belongs to *train*, *validation* or *test* for ever, by a hash of its words. Copies cannot cross the line.
# 2. A verdict draws two texts, and **one rater of each**; the higher rating wins. Equal ratings are dropped here.
# 3. Settings are chosen on validation. The test only reports.
#
# One honest difference to the lessons with clips: these two people saw one text each, and nobody compared the two side by side.

# %%
from course_lib.preferences.human_ratings import rated_texts, sample_comparisons

train = rated_texts("train")
verdicts = sample_comparisons(train, 60_000, seed=5)
one, two, mu = verdicts.first[0], verdicts.second[0], verdicts.mu[0]
print(f"{len(train):,} texts to learn from")
print(f"verdict 1: text {one} against text {two}, mu = {mu:.0f}")

# %% [markdown]
# Is the S-curve *true*? For each verdict, ask everybody else: how far apart are the two texts in the mean rating of all the
# **other** raters? If Bradley and Terry are right, the share of verdicts for the first text follows a sigmoid of that gap. Nothing forces
# people to behave like this.

# %%
from course_lib.preferences.evaluation import mean_of_the_others

others_first = [mean_of_the_others(train[i].ratings, rater)
                for i, rater in zip(verdicts.first, verdicts.first_rater)]
others_second = [mean_of_the_others(train[i].ratings, rater)
                 for i, rater in zip(verdicts.second, verdicts.second_rater)]
gap = torch.tensor(others_first) - torch.tensor(others_second)            # (verdicts,)
edges = np.arange(-5, 5.01, 0.5)
inside = [(gap >= low) & (gap < low + 0.5) for low in edges[:-1]]
observed = np.array([verdicts.mu[k].mean().item() for k in inside])

few = slice(0, 5_000)                                      # enough for one number
slope = torch.tensor(1.0, requires_grad=True)
optimizer = torch.optim.LBFGS([slope], max_iter=10, line_search_fn="strong_wolfe")

def closure():
    optimizer.zero_grad()
    loss = bradley_terry_loss(slope * gap[few], torch.zeros_like(gap[few]), verdicts.mu[few])
    loss.backward()
    return loss

_ = optimizer.step(closure)

# %%
centre = edges[:-1] + 0.25
title = "People follow the S-curve: 60,000 verdicts, one fitted number"
show(plots.s_curve(centre, observed, slope.item(), title),
     alt="Share of verdicts for the first text against the gap in mean rating, from -5 to 5. "
         "The dots lie on a sigmoid.")
miss = np.abs(observed - 1 / (1 + np.exp(-slope.item() * centre))).max()
expect(miss < 0.05, "one fitted slope passes within 5 points of every dot",
       measured=f"largest miss {miss:.3f}")

# %% [markdown]
# An assumption of 1952 about taste, and twenty dots on its curve.
#
# How good could *anybody* be at predicting these verdicts? Let all the other raters together make the prediction.
# [**Exercise 03.6**](../exercises/03_bradley_terry.ipynb) builds this ceiling; the course's version gives:

# %%
from course_lib.preferences.evaluation import human_ceiling, pair_accuracy
from course_lib.preferences.human_ratings import evaluation_comparisons
from course_lib.preferences.word_reward import vader_scores

test_texts, test_verdicts = evaluation_comparisons("test")
ceiling = human_ceiling(test_texts, test_verdicts)
dictionary = pair_accuracy(vader_scores([text.text for text in test_texts]), test_verdicts)
print(f"all others together: {ceiling:.3f} of {len(test_verdicts):,} unseen verdicts predicted")
print(f"VADER, a dictionary of 7,500 words weighed by experts: {dictionary:.3f}")
expect(0.88 < ceiling < 0.92, "the human ceiling is about 90%", measured=ceiling)
expect(0.68 < dictionary < 0.73, "the expert dictionary gets about 70%", measured=dictionary)

# %% [markdown]
# A ceiling of 90 means that about one verdict in ten is one person's taste, or a slip, which no score for a text will ever
# predict. Keep both numbers in mind.
#
# ## 3.7 A reward model that you can read
#
# The simplest model that could work: every word has a score, and a text earns the scores of its different words, divided by the
# square root of how many there are. The three words after a "not", "never" or "isn't" count as words of their own. No expert
# weighs anything; the scores start at zero and verdicts move them.

# %%
from course_lib.preferences.word_reward import WordReward, fit_word_reward, words

print(words("Not a good film, but I LOVED the ending :)"))

# %% [markdown]
# Fit it to 10,000 verdicts with your loss. The problem is convex, so one second is enough.

# %%
train_texts = [text.text for text in train]
verdicts = sample_comparisons(train, budget(full=10_000, ci=2_000), seed=1_000)
model = WordReward.for_texts(train_texts)
loss = fit_word_reward(model, train_texts, verdicts, l2=0.3, loss=bradley_terry_loss)
accuracy = pair_accuracy(model.rewards([text.text for text in test_texts]), test_verdicts)
print(f"{len(model.index):,} words")
print(f"surprise on its own verdicts {loss:.2f} nats (guessing: 0.69)")
expect(0.70 < accuracy < 0.74, "10,000 verdicts get about 72% of unseen human verdicts right",
       ci=0.64 < accuracy < 0.70, measured=accuracy)

# %% [markdown]
# Seventy-two percent sounds poor. Remember the two numbers before you judge: people together reach 90, the experts' dictionary 70.
# Ten thousand verdicts beat the dictionary, over all kinds of text taken together.
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
# The last line is a warning. Nobody ever rated such a text, and the model adores it. When an agent or a language model is *paid* by
# this model, it will find such texts. Lesson 09 shows it happen.
#
# ## 3.8 How many labels buy how much?
#
# Labels cost people's time, so this is *the* practical question. Fit the same model on 300 to 30,000 verdicts, with three draws each;
# the strength of the pull toward zero is chosen on validation.

# %%
from tqdm.auto import tqdm

from course_lib.preferences.evaluation import learning_curve

sizes = budget(full=(300, 1_000, 3_000, 10_000, 30_000), ci=(300, 1_000, 3_000))
seeds = budget(full=3, ci=1)
fits = list(tqdm(learning_curve(sizes, seeds), total=len(sizes) * seeds, desc="fitting"))
accuracy = [[fit.test_accuracy for fit in fits if fit.labels == n] for n in sizes]
for n, values in zip(sizes, accuracy):
    print(f"{n:6,d} verdicts: {np.mean(values):.3f}   ({min(values):.3f} to {max(values):.3f})")

# %%
lines = {"the other raters together": ceiling, "VADER": dictionary}
title = "Ten times the labels buy ever fewer points"
show(plots.label_curve(sizes, {"learned words": accuracy}, lines, title),
     alt="Accuracy on unseen verdicts against the number of labels on a logarithmic axis: from "
         "0.59 with 300 labels over 0.72 with 10,000 to 0.74 with 30,000. VADER lies at 0.70, "
         "the human ceiling at 0.90.")
by_size = dict(zip(sizes, map(np.mean, accuracy)))
expect(by_size.get(10_000, 0) >= 0.70, "10,000 labels reach at least .70 over all domains",
       ci=by_size[3_000] >= 0.64, measured={n: round(float(a), 3) for n, a in by_size.items()})
expect(0.55 < by_size[300] < 0.62, "300 labels get about 59%: little better than guessing",
       measured=by_size[300])

# %% [markdown]
# Does that hold everywhere? One curve for each kind of text, against the dictionary and the ceiling *of that kind*.

# %%
from course_lib.preferences.evaluation import fit_on_human_ratings

curves, lexicon, ceilings = {}, {}, {}
for domain in tqdm(DOMAINS, desc="domains"):
    some_texts, some_verdicts = evaluation_comparisons("test", domain)
    weighed = vader_scores([text.text for text in some_texts])            # (texts,)
    lexicon[domain] = pair_accuracy(weighed, some_verdicts)
    ceilings[domain] = human_ceiling(some_texts, some_verdicts)
    curves[domain] = [fit_on_human_ratings(n, 0, domain).test_accuracy for n in sizes]
title = "A dictionary is hard to beat on tweets, easy on film reviews"
show(plots.label_curves_by_domain(sizes, curves, lexicon, ceilings, title),
     alt="Four panels of accuracy against labels. For tweets and editorials the learned words "
         "stay below the dictionary at every size; for sentences from film and product reviews "
         "they pass it.")

# %%
for domain in DOMAINS:
    passed = [n for n, a in zip(sizes, curves[domain]) if a > lexicon[domain]]
    when = f"passed at {passed[0]:,}" if passed else f"not passed with {sizes[-1]:,}"
    print(f"{domain:11s} dictionary {lexicon[domain]:.3f}, ceiling {ceilings[domain]:.3f}, "
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
# **Where this fails.** On tweets the dictionary wins at every size we tried. It was made for tweets: its authors weighed smileys and
# slang by hand. It also wins on editorials, whose sober words carry little feeling: even the other raters agree least there, and
# 3,600 texts spread over 12,000 different words show each word too rarely. On film and product reviews the verdicts teach words
# that the dictionary does not hold, such as *documentary* and *performances* in the list above.
#
# ## 3.9 Does the model know what it does not know?
#
# Two ways to ask. First, **calibration**: when the model of 10,000 verdicts promises 80%, is it right 8 times in 10?

# %%
from course_lib.preferences.evaluation import calibration

fit = fit_on_human_ratings(sizes[-2], seed=0)
rewards = fit.model.rewards([text.text for text in test_texts])
promised = torch.sigmoid(rewards[test_verdicts.first] - rewards[test_verdicts.second])
report = calibration(promised, test_verdicts.mu)
show(plots.reliability(report.promised.numpy(), report.happened.numpy(), report.count.numpy(),
                       "It keeps most of its promises"),
     alt="Calibration plot: ten dots near the diagonal; at the ends what happened is a few "
         "points less extreme than promised.")
expect(report.error < 0.05, "promises are off by less than 5 points on average",
       measured=report.error)

# %% [markdown]
# Second, an **ensemble**: five models, each fitted to verdicts drawn again from the same 3,000 with replacement. Where they disagree, the
# verdicts did not settle the matter.
#
# > **Predict.** Is the average of the five better than one model fitted to all 3,000? And are pairs on which they disagree harder?

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
together = pair_accuracy(rewards.mean(dim=0), test_verdicts)
alone = np.mean([pair_accuracy(r, test_verdicts) for r in rewards])
print(f"one model on all 3,000 verdicts: {single.test_accuracy:.3f}")
print(f"the five together {together:.3f}, each of them alone {alone:.3f} on average")

# %%
def promises(rewards):
    gap = rewards[..., test_verdicts.first] - rewards[..., test_verdicts.second]
    return torch.sigmoid(gap)                                             # (..., pairs)

def right_by_fifths(p, doubt):
    right = ((p > 0.5) == (test_verdicts.mu > 0.5)).float()
    return [part.mean().item() for part in right[doubt.argsort()].chunk(5)]

# %%
five = promises(rewards)                                                  # (members, pairs)
one = promises(single.model.rewards([text.text for text in test_texts]))  # (pairs,)
by_members = right_by_fifths(five.mean(dim=0), doubt=five.std(dim=0))
by_promise = right_by_fifths(one, doubt=-(one - 0.5).abs())
print("share right in each fifth of the pairs, the surest fifth first")
print("sorted by the disagreement of the five:", [round(a, 2) for a in by_members])
print("sorted by one model's own promise:     ", [round(a, 2) for a in by_promise])
expect(by_members[0] > by_members[-1] + 0.1, "where the five disagree, they err more often",
       measured=f"{by_members[0]:.3f} right against {by_members[-1]:.3f}")
expect(by_promise[0] > by_members[0] and by_promise[-1] < by_members[-1],
       "but one model's own promise sorts the pairs better",
       measured=f"{by_promise[0]:.3f} right against {by_promise[-1]:.3f}")

# %% [markdown]
# The five together are better than one of them alone, and no better than one model that saw everything: **no gain in accuracy**. Their
# disagreement is a warning light, but here the single model's own promise shines brighter, at a fifth of the cost. Lesson 04 uses
# disagreement to choose which pairs to ask a person about, and measures whether that helps.
#
# ## 3.10 Read its mistakes
#
# The pairs that the model was surest about and got wrong. In brackets: the rating that was drawn, and the mean of everybody. Guess
# before you scroll: what did it miss?

# %% tags=["third-party-text"]
wrong = torch.where((promised > 0.5) != (test_verdicts.mu > 0.5))[0]
surest = wrong[(promised[wrong] - 0.5).abs().argsort(descending=True)]    # (mistakes,)

def describe(text, rater):
    return f"{text.text}  [{text.ratings[rater]:+d}, mean {text.mean:+.1f}]"

for k in surest[:10].tolist():
    sides = [describe(test_texts[test_verdicts.first[k]], test_verdicts.first_rater[k]),
             describe(test_texts[test_verdicts.second[k]], test_verdicts.second_rater[k])]
    preferred, other = sides if test_verdicts.mu[k] > 0.5 else reversed(sides)
    print(f"preferred: {preferred}\nover:      {other}\n")

# %% [markdown]
# Often the bracket explains it: the rater who was drawn stood against everybody else. How often? Count, among the hundred
# surest mistakes, those in which the mean of all the other raters sides with the *model*.

# %%
def gap_of_the_others(k):
    first, second = test_texts[test_verdicts.first[k]], test_texts[test_verdicts.second[k]]
    return (mean_of_the_others(first.ratings, test_verdicts.first_rater[k])
            - mean_of_the_others(second.ratings, test_verdicts.second_rater[k]))

with_the_model = np.mean([(gap_of_the_others(k) > 0) == (promised[k] > 0.5).item()
                          for k in surest[:100].tolist()])
expect(0.28 < with_the_model < 0.45, "in about a third of these the crowd sides with the model",
       ci=with_the_model > 0.1, measured=with_the_model)

# %% [markdown]
# Those are not mistakes that more training mends: they are the ceiling. The rest needs a model that reads words in their order and
# can tell irony (lesson 10), or more labels for rare words.
#
# ## What you learned
#
# - **Bradley–Terry**: $P = \sigma(r_1 - r_2)$; the loss is the mean surprise; ties are $\mu = 0.5$, skips stay out.
# - Scores from preferences have no zero point; their scale says how sure the judge is, and slips look like a small scale.
# - Real people follow the S-curve; all others together predict about 90% of single verdicts.
# - 10,000 verdicts make a word-level model that beats an expert dictionary overall, and 300 do not.
#
# **What failed, or did not help:** the dictionary stays ahead on tweets and editorials; an ensemble did not raise accuracy, and its
# disagreement warned less well than one model's own promise; the model adores texts that nobody ever rated ("great awesome amazing
# perfect loved"). Assuming slips helped with simulated coins; on the human ratings it changes the third digit at most. Try it:
# pass `loss=lambda a, b, m: robust_loss(a, b, m, 0.1)` to `fit_on_human_ratings`.
#
# **Further reading.** R. A. Bradley and M. E. Terry (1952), *Rank analysis of incomplete block designs*, the source. S. Choisel and F.
# Wickelmaier (2007), the sound study, whose counts section 3.1 uses. C. J. Hutto and E. Gilbert (2014), the ratings and VADER.
# P. Christiano et al. (2017), section 2.2, the same loss on clips. X. Chen et al. (2013), judges of different care.
# C. Guo et al. (2017), calibration. Next: [lesson 00's board](00_start_here.ipynb) shows your points.
