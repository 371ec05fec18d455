# %% [markdown]
# # Lesson 15. Evaluate and scale
#
# **Goals.** Say what helpful, honest and harmless mean, and see two of them pull apart. Give a win rate the interval it deserves. Test a language model
# as a judge. Find length bias and over-optimisation in a reward model, and treat them. Measure toxicity, and whom its false alarms fall on. Then leave the notebook: the same training in several
# processes, with the libraries that people use on clusters, and what a full-size run costs.
#
# **Time.** About 85 minutes to read and run, 90 minutes for the exercises; the essential part takes 105 minutes in all. The cells use about three
# CPU-minutes. **Builds on** lessons 10 to 14.

# %%
import json

import numpy as np
import torch

from course_lib import budget, expect, mine
from course_lib.paths import root
from course_lib.show import palette
from course_lib.show import scale_plots as plots
from course_lib.show.figures import show
from course_lib.show.tables import show_texts

palette.style()
torch.set_num_threads(1)
show(plots.who_judges(),
     alt="Two answers to one prompt go to three who can say which is better: people, who are slow and disagree; "
         "an LLM judge, which prefers a position; a reward model, which counts words and is exploited.")


def results(job):
    """The lines of one job of benchmarks/scale.py."""
    path = root() / "benchmarks" / "results" / f"scale_{job}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]

# %% [markdown]
# ## 15.1 Helpful, honest, harmless
#
# "Better" has meant one thing in each lesson so far. Asked what they want of an assistant, people name several things. Askell et al. (2021) sum them up as
# **helpful, honest, harmless**:
#
# | | it means | a test | what goes wrong |
# |---|---|---|---|
# | **helpful** | does what was asked, and asks back where it is unclear | requests that anyone should help with | declines too often |
# | **honest** | says what it believes to be true, and how sure it is | questions with known answers | agrees with the user |
# | **harmless** | does not help to hurt anyone | requests that would harm someone | does everything it is asked |
#
# **Honest first.** Sixteen easy questions were written for this course. Each has a right and a wrong answer. How likely is each to the 135M model, and what
# happens when the user adds "I think it is ..., but I am not sure"? The numbers are mean log-probabilities a token, the right answer's minus the wrong
# one's: above 0 the right answer is preferred.
#
# > **Predict.** Without an opinion the model prefers the right answer to 13 of the 16 questions. To how many when the user names the wrong one?

# %%
from course_lib.lm.hhh_texts import QUESTIONS, REQUESTS
from course_lib.lm.llm_judge import right_odds

asked = QUESTIONS[::budget(full=3, ci=6)]
odds = {opinion: right_odds(asked, opinion) for opinion in (None, "right", "wrong")}      # nats a token
for place, one in enumerate(asked):
    print(f"{one.text:45s} right: {one.right:10s}" + "   ".join(f"{values[place]:+5.1f}" for values in odds.values()))
print(" " * 62 + "none, right, wrong opinion")
stored = {name: np.array(values) for name, values in results("opinions")[0]["odds"].items()}
print("all sixteen (stored): right answer preferred in", {name: f"{(values > 0).mean():.0%}" for name, values in stored.items()})

# %%
expect((odds[None] - odds["wrong"]).mean() > 1, "a user's wrong opinion costs the right answer more than a nat a token",
       measured=f"{(odds[None] - odds['wrong']).mean():.1f}")

# %% [markdown]
# To four of sixteen. That is **sycophancy**: agreeing with the user in place of the facts. A small model is easy to sway; large models that were trained on
# human preferences do it, too, partly because people prefer answers that agree with them (Sharma et al. 2023). So a reward model learns it from *honest* labels.
#
# **Helpful against harmless.** Thirty-two requests, half of them risky, each with an answer that does it and one that declines. The
# course wrote them all, so these labels are ours, not a crowd's. Three of each:

# %%
some = [*REQUESTS[:3], *REQUESTS[16:19]]
show_texts([one.text for one in some], {"does it": [one.does for one in some], "declines": [one.declines for one in some]})

# %% [markdown]
# Two linear rewards are fitted (lesson 10), here called **heads**, since both read the hidden states of one model. For the *helpful* head the answer that does it is
# always preferred. For the *harmless* head the answer that declines is preferred, and it sees risky requests only. Which answer is best for both?
# **Do [exercise 15.1](../exercises/15_evaluate_and_scale.ipynb)** and sweep the weight. Every request is scored by heads that never saw it (lesson 12's
# cross-validation).

# %%
from course_lib.lm.hhh_heads import fit_heads, read_requests

best_by_weight = mine("15.1")
requests = REQUESTS[::budget(full=1, ci=4)]
risky = torch.tensor([one.risky for one in requests])
heads = fit_heads(read_requests(requests), risky, folds=budget(full=8, ci=4), seed=1000)
WEIGHTS = [round(0.05 * k, 2) for k in range(21)]
curves = {}
for label, kind in (("harmlessness learned from risky requests only", "risky only"), ("ties for harmless requests, too", "ties too")):
    helpful, harmless = heads[kind].unbind(dim=-1)                           # (requests, 2 answers) each
    does = best_by_weight(helpful, harmless, torch.tensor(WEIGHTS)) == 0     # (weights, requests)
    curves[label] = ((~does[:, risky]).float().mean(1).tolist(), does[:, ~risky].float().mean(1).tolist())
show(plots.trade_off(WEIGHTS, curves, "No weight gives both: more help, more harm"),
     alt="The share of harmless requests that are helped with against the share of risky ones that are declined, "
         "for weights from 0 to 1: from declining everything to doing everything, with the middle weights near the "
         "corner where both would be right.")

# %%
declined, helped = next(iter(curves.values()))
expect(helped[0] < 0.3 and declined[-1] < 0.3, "with one head alone it declines everything, or does everything",
       measured=f"{helped[0]:.2f}, {declined[-1]:.2f}")
several = {kind: [np.mean([row[kind][name][10] for row in results("conflict")]) for name in ("helped", "declined")]
           for kind in ("risky only", "ties too")}
print("weight 0.5, over twenty foldings (stored):",
      {kind: f"helped {h:.2f}, declined {d:.2f}" for kind, (h, d) in several.items()})
corner = [np.mean([np.add(row[kind]["helped"], row[kind]["declined"]) / 2 for row in results("conflict")], axis=0).max()
          for kind in ("risky only", "ties too")]
expect(abs(corner[0] - corner[1]) < 0.05 and max(corner) < 0.95, "other labels move the weight, hardly the curve",
       measured=f"right about both kinds at the best weight: {corner[0]:.2f}, {corner[1]:.2f}")

# %% [markdown]
# Weight 0: it declines to boil an egg. A head that has seen only risky requests has learned that *declining* is good. Bai et al. (2022, *Constitutional AI*) report the same:
# models trained for harmlessness became evasive. Weight 1: it does everything. Between the two the weight *chooses* what to get wrong. A weight is a
# decision about values; the labels do not contain it.
#
# Do other labels help? The second curve tells the harmless head that both answers to a harmless request are equally harmless (ties, lesson 03). It becomes less
# eager to decline, so the same weight helps more often and declines less. But the curve itself hardly moves: it is the same exchange of one mistake for
# the other. Moving the curve takes rewards that *see* better which request is risky, and here they have thirty-two examples and a small model.
#
# ## 15.2 A win rate and its interval
#
# People decide. So what does a blind comparison say? Take lesson 13's reward model and let it choose the best of the three or four summaries
# of each article, always by a model that never saw the article. How often do annotators prefer its choice to the others? And the choice of the *longest*?

# %%
from course_lib.lm.summaries import preferences_from_ratings, some_of
from course_lib.lm.summary_reward import compared_summaries, fit_summary_reward, load_summary_features

summaries, known = compared_summaries(), load_summary_features()
pairs = preferences_from_ratings(summaries)
articles = list(dict.fromkeys(one.article for one in summaries))
article_of = torch.tensor([articles.index(one.article) for one in summaries])                 # (655,)
fold = torch.randperm(len(articles), generator=torch.Generator().manual_seed(0))[article_of] % 5
rewards = torch.zeros(len(summaries))
for k in range(5):
    model = fit_summary_reward(known.rows, some_of(pairs, fold[pairs.first] != k))
    rewards[fold == k] = model.rewards(known.rows)[fold == k]
words = torch.tensor([float(len(one.summary.split())) for one in summaries])


def compared(score):
    """(wins, articles): preferences in which the article's best summary by this score took part, and its wins."""
    best = torch.tensor([bool(score[k] == score[article_of == article_of[k]].max()) for k in range(len(score))])
    one = best[pairs.first] ^ best[pairs.second]
    return torch.where(best[pairs.first], pairs.mu, 1 - pairs.mu)[one], article_of[pairs.first][one]

# %% [markdown]
# About ten annotators rate the same few summaries, so the preferences of one article belong together: **[exercise 13.6](../exercises/13_learning_to_summarize.ipynb)** drew whole
# articles. Here is your function (or the course's) beside the naive interval, which draws single preferences.

# %%
bootstrap_interval = mine("13.6")


def interval(wins, groups, seed=0):
    """Rate and 95% interval, drawing whole groups with replacement."""
    groups = groups.unique(return_inverse=True)[1]
    count = int(groups.max()) + 1
    draws = torch.randint(count, (2_000, count), generator=torch.Generator().manual_seed(seed))
    return wins.mean().item(), *bootstrap_interval(wins, groups, draws)


wins, where = compared(rewards)
few = where < 20
print(f"{len(wins):,} preferences about {len(where.unique())} articles")
rates = {"drawn singly": interval(wins, torch.arange(len(wins))), "drawn by article": interval(wins, where),
         "20 articles only": interval(wins[few], where[few]), "the longest, by article": interval(*compared(words))}
show(plots.intervals(rates, "Drawn by article, the interval is wider"),
     alt="Win rates with 95% intervals: of the reward model's choice by single preferences, by articles and for "
         "twenty articles, and of the longest summary.")

# %%
width = [high - low for _, low, high in rates.values()]
expect(width[1] > 1.2 * width[0] and width[2] > 2 * width[1], "whole articles widen the interval, fewer articles more so",
       measured=" ".join(f"{one:.3f}" for one in width))
expect(list(rates.values())[1][1] > 0.5, "people prefer the reward model's choice, interval and all",
       measured=f"{list(rates.values())[1][1]:.2f}")

# %% [markdown]
# More annotators for the same articles make the first interval narrower and hardly the second. For a claim about articles, collect articles.
#
# **What to write beside a win rate:** against what, on how many prompts, how many raters, the interval by prompt, ties, lengths of both sides, and who the raters are.
# **[Exercise 15.2](../exercises/15_evaluate_and_scale.ipynb)** asks what four such reports say.
#
# ## 15.3 A language model as judge
#
# People are slow, and large models agree with people about as often as people agree with each other (Zheng et al. 2023). An **LLM judge** reads both texts and
# answers A or B. We read the logits of these two tokens. Ours has 135 million parameters. Here it compares two sentences, in both orders:

# %%
from course_lib.lm.llm_judge import judge_pairs, judge_prompt

MINE = [("What a wonderful, sunny day!", "The bus was late again and I am soaked."),
        ("The soup was cold and the waiter was rude.", "We laughed all evening and the food was great."),
        ("I love this little shop.", "Never again, what a waste of money."),
        ("It broke on the first day.", "The best present that I ever got.")][:budget(full=4, ci=2)]
print(judge_prompt(*MINE[0]))
logits = judge_pairs(*map(list, zip(*MINE, strict=True)))            # (pairs, 2): the first text shown as A, as B
print(logits)

# %% [markdown]
# Column 0 has the first text as A, column 1 as B; positive: the judge prefers the *first text*. The sign changes with the order. It answers A, whatever stands
# there: position bias. **Do [exercise 15.3](../exercises/15_evaluate_and_scale.ipynb)**, which takes the bias out and measures it. Then on real
# preferences between rated texts (lesson 10), stored by `benchmarks/scale.py judge`:

# %% tags=["nbval-check-output"]
swap_test = mine("15.3")
lines = results("judge")
logits = torch.tensor([pair for line in lines for pair in line["logits"]])
mu = torch.tensor([value for line in lines for value in line["mu"]])
outright = torch.tensor([value for line in lines for value in line["asked"]])
probability, consistent, says_first = swap_test(logits)
show(plots.both_orders(logits.tolist(), "Nearly every preference turns round when the two texts change places"),
     alt="The judge's logit for the first text shown as A against the one shown as B: nearly all points lie where "
         "the two orders contradict each other.")


def right(score):
    """Share of the preferences that the score predicts."""
    return ((score > 0) == (mu > 0.5)).float().mean().item()


print(f"{len(mu)} preferences: the text shown first wins {says_first:.0%}, same preference in both orders {consistent:.0%}")
print(f"right: one order {right(logits[:, 0]):.2f}, both orders {right(probability - 0.5):.2f}, asked outright {right(outright):.2f}")

# %%
expect(says_first > 0.8 and consistent < 0.3, "the judge follows the position", measured=f"{says_first:.2f}, {consistent:.2f}")
expect(right(outright) > right(logits[:, 0]) + 0.05, "asked about one text at a time, the same model knows more",
       measured=f"{right(outright):.2f}")

# %% [markdown]
# In one order this judge is a coin, and with the bias taken out it is hardly more. Yet the same model, asked about *one text at a time* ("positive" or "negative", lesson
# 10), predicts seven in ten. It knows; it cannot compare. So test *your* judge before you believe it: both orders, agreement with people on a few hundred pairs,
# and length. Large judges have position bias, too, only less (Zheng et al. 2023).
#
# On lesson 13's summaries even the single question fails, "Is this a good summary of the article?", Yes or No:

# %% tags=["nbval-check-output"]
single = results("outright")[0]
print(f"of {single['preferences']:,} preferences the single question predicts {single['asked']:.1%}, length alone {single['length']:.1%} (stored)")
expect(single["asked"] < 0.55 < single["length"], "about summaries the model, asked outright, is a coin")

# %% [markdown]
# ## 15.4 Labels from a principle
#
# If a model can be asked, it can *label*. **RLAIF** (Bai et al. 2022, "Constitutional AI"; Lee et al. 2023) replaces people's preferences by those
# of a model that was given a written principle. Ours: *prefer the more positive text*. The same pairs are labelled twice, by people and by the model (asked
# outright), and a linear reward on hidden states is fitted to each. Lines are means over twenty draws of labels, bands one standard deviation.
#
# > **Predict.** Model labels cost nothing. Are 10,000 of them better than 1,000 by people?

# %% tags=["nbval-check-output"]
rows = results("labels")
COUNTS = [one["count"] for one in rows[0]["rows"]]
curves = {label: [[one[name] for one in row["rows"]] for row in rows]
          for label, name in (("labels by people", "people"), ("labels by the model", "model"))}
show(plots.labels_against(COUNTS, curves, {"the labelling model itself": rows[0]["labeler"]},
                          "Up to 300 labels the source hardly matters; then people pull ahead"),
     alt="Accuracy on people's held-out preferences against the number of labels, for people's labels and the "
         "model's: close up to 300, then the model's stay at what the model itself knows and people's rise.")
people, by_model = (np.array(curves[name]) for name in curves)
expect((people[:, -1] > by_model[:, -1] + 0.04).all() and (by_model.mean(0)[1] > people.mean(0)[1] - 0.03),
       "10,000 people's labels beat 10,000 of the model's; with 300 there is little between them",
       measured=f"{people.mean(0)[-1]:.3f}, {by_model.mean(0)[-1]:.3f}")

# %% [markdown]
# No: the model's curve stops at what the labelling model knows itself. People's errors are mostly *random* (raters differ) and average out; the
# model's errors are *systematic*, and a thousand copies of an error are learned as a rule. And 300 free labels were nearly as good as 300 by people: cheap labels
# to start with, people's where it matters. A larger labelling model moves the ceiling up; it does not remove it.
#
# ## 15.5 Length bias
#
# Lesson 13 found that length alone predicts most of what its reward model does. Where does such a length bias come from, and can it be treated? An experiment with real
# ratings: from people's preferences between short texts we *select* training pairs so that in 50% to 90% of them the longer text won. Every single
# label is a real one; only the choice is ours. The reward then chooses the best of 16 among held-out texts, and the mean of twenty people's
# ratings says how good that is. This gold reward is measured, not fitted. The figure has means and standard deviations of twenty draws.
#
# **Do [exercise 15.4](../exercises/15_evaluate_and_scale.ipynb)**: take out of the rewards what a straight line in length explains.

# %%
from course_lib.lm.reward_audit import best_of_pool, confounded, rated, test_comparisons
from course_lib.lm.reward_model import fit_linear_reward
from course_lib.preferences.evaluation import pair_accuracy

length_controlled = mine("15.4")
train, test = rated("train"), rated("test")
plain = fit_linear_reward(train.rows, confounded(train, 1_000, 0.9, seed=2000)).rewards(test.rows)
treated = length_controlled(plain, test.words)
for name, score in (("as fitted", plain), ("length controlled", treated)):
    print(f"{name:18s} accuracy {pair_accuracy(score, test_comparisons()):.3f}, best of 16: "
          f"{best_of_pool(score, test.words, [16])[0]:.1f} words, rated {best_of_pool(score, test.gold, [16])[0]:.2f}")
print(f"all texts: {test.words.mean():.1f} words, rated {test.gold.mean():.2f}; length alone: accuracy {pair_accuracy(test.words, test_comparisons()):.3f}")
expect(best_of_pool(plain, test.words, [16])[0] > best_of_pool(treated, test.words, [16])[0] + 5
       and best_of_pool(treated, test.gold, [16])[0] > best_of_pool(plain, test.gold, [16])[0] + 0.1,
       "controlled for length, it chooses shorter texts and better ones")

# %% tags=["nbval-check-output"]
rows = results("length")
SHARES = sorted({one["share"] for one in rows[0]["rows"]})


def measured(name, measure):
    """(seeds, shares) of one measure; of pairs of numbers the second, which is the best of 16."""
    found = [[one[measure] for one in row["rows"] if one["name"] == name] for row in rows]
    return [[value[1] if isinstance(value, list) else value for value in seed] for seed in found]


panels = {label: {told: measured(name, measure) for told, name in (("as fitted", "plain"), ("length controlled", "controlled"))}
          for label, measure in (("words of the best of 16", "words"), ("people's rating of it", "gold"), ("pair accuracy", "accuracy"))}
show(plots.length_bias(SHARES, panels, "The more the labels favour length, the longer and the worse the best of 16"),
     alt="Against the share of training pairs whose longer text won: the words of the best of 16 rise and its rating "
         "and the accuracy fall for the reward as fitted; with length controlled all three stay nearly level.")
expect(all(np.diff(np.mean(panels["words of the best of 16"]["as fitted"], axis=0)) > 0), "each step adds words")

# %% [markdown]
# The treatment works because here length has *nothing* to do with the rating: length alone predicts these preferences like a coin. On lesson 13's summaries
# it does not work so well:

# %% tags=["nbval-check-output"]
rows = results("summaries")
for name in rows[0]["accuracy"]:
    both = [[row["accuracy"][name][k] for row in rows] for k in (0, 1)]
    print(f"{name:11s} all pairs {np.mean(both[0]):.3f} ± {np.std(both[0], ddof=1):.3f}, "
          f"pairs of similar length {np.mean(both[1]):.3f} ± {np.std(both[1], ddof=1):.3f}")
expect(np.mean([row["accuracy"]["plain"][0] - row["accuracy"]["controlled"][0] for row in rows]) > 0.04,
       "on summaries, control costs accuracy")

# %% [markdown]
# Controlled for length, the reward model loses nine points on all pairs and gains nothing on pairs of similar length. People *did* like longer summaries: they say more of
# the article. Whether length is a bias or a quality is no question of statistics. It is one of what you want; and control for it has its cost.
#
# ## 15.6 Ensembles against over-optimisation
#
# A reward model is right on average and wrong in places, and best-of-n *looks for* those places. Over-optimisation (lesson 11): the proxy rises, the gold
# reward does not follow. Five proxies are seldom wrong in the same place. So choose by their mean, by their minimum, or by mean minus standard
# deviation (Coste et al. 2023). **Do [exercise 15.5](../exercises/15_evaluate_and_scale.ipynb).**

# %%
from course_lib.lm.reward_audit import proxies

conservative_best = mine("15.5")
scores = torch.stack([one.rewards(test.rows) for one in proxies(train, 100, 5, seed=2000)])   # (5, texts)
luck = torch.randint(len(test.texts), (400, 64), generator=torch.Generator().manual_seed(0))  # 400 choices among 64 texts
for label, some, k in (("one proxy", scores[:1], 0.0), ("mean of five", scores, 0.0), ("mean - std of five", scores, 1.0)):
    chosen = conservative_best(some[:, luck], k)                                              # (400,)
    print(f"{label:20s} people rate its choice {test.gold[luck.gather(1, chosen[:, None])].mean():.2f}")
print(f"{'best possible':20s} {test.gold[luck].amax(dim=1).mean():.2f}")

# %% [markdown]
# That is one seed. Here are twenty, for n up to 1,024 (`benchmarks/scale.py ensembles`). Left: five proxies with 100 labels *each*, beside one proxy with all 500. Right:
# five proxies on bootstrap samples of the *same* 100 labels.

# %% tags=["nbval-check-output"]
rows = results("ensembles")
SIZES = rows[0]["sizes"]
mean_of = {name: np.mean([row["gold"][name] for row in rows], axis=0) for name in rows[0]["gold"]}
RULES = ("mean", "min", "mean - std")
own = {"one proxy, 100 labels": mean_of["one proxy"], **{f"{rule} of five": mean_of[f"{rule}, own labels"] for rule in RULES},
       "one proxy, all 500 labels": mean_of["one proxy, all labels"]}
same = {"one proxy, 100 labels": mean_of["one proxy"], **{f"{rule} of five": mean_of[f"{rule}, same labels"] for rule in RULES}}
show(plots.over_optimisation(SIZES, {"100 labels for each of five": own, "the same 100 labels for all five": same},
                             mean_of["people"], "Five proxies help as far as they bring new labels"),
     alt="People's rating of the best of n against n. With labels of their own, five proxies are far above one, and "
         "as good as one proxy with all 500 labels; on the same labels they are no better than one.")
for name in ("one proxy", "mean, own labels", "mean - std, own labels", "one proxy, all labels", "mean - std, same labels"):
    rise = np.mean([row["proxy"][name] for row in rows], axis=0)
    print(f"{name:24s} from n = 64 to 1,024 the score rises by {rise[5] - rise[3]:.2f}, the rating by {mean_of[name][5] - mean_of[name][3]:+.2f}")

# %%
gain = {name: values[-1] - mean_of["one proxy"][-1] for name, values in mean_of.items()}
expect(gain["mean - std, own labels"] > 0.4 and abs(gain["mean - std, own labels"] - gain["one proxy, all labels"]) < 0.3,
       "five with labels of their own are as good as one with all labels", measured=f"{gain['mean - std, own labels']:+.2f}")
expect(gain["mean - std, same labels"] < 0.1, "on the same labels they gain nothing",
       measured=f"{gain['mean - std, same labels']:+.2f}")

# %% [markdown]
# Over-optimisation is there: from n = 64 on, every score goes on rising by almost a standard deviation, and what people think of its choice moves little. And an honest answer about
# ensembles: five *linear* rewards on the same labels are no better than one, whatever the rule. With labels of their own they gain much, and one reward fitted on all those labels gains
# as much. Coste et al. gain with networks that differ by their seeds; a linear fit has no such differences, its optimum is unique. Ensembles are worth their cost where members
# differ in what they do *not* know. (Here the gold rating hardly falls with n, by no more than twenty draws differ by chance, since every candidate is a text
# that a person wrote. Lesson 11 let a policy invent its own texts, and there it fell.)
#
# ## 15.7 Toxicity, and whom its false alarms fall on
#
# "Negative is not toxic", said lesson 10. For harmlessness one needs a reward that was fitted to the right question. This one was: **toxicity** classifiers learn from texts
# that people labelled as hateful, offensive or insulting. Ours is that of the package alt-profanity-check (MIT), a linear classifier on single words, fitted to about 200,000
# texts: tweets labelled by a crowd (Davidson et al. 2017) and comments from Wikipedia's talk pages (Jigsaw). Its words are shipped as fingerprints, so no list of insults
# comes with the course. Five kinds of sentences, written for this course, beside VADER:
#
# > **Predict.** Which of the five kinds does it flag? Think of "You are not an idiot", too.

# %%
from course_lib.lm import toxicity_texts as ours
from course_lib.lm.data import short_texts
from course_lib.lm.sentiment import sentiment
from course_lib.lm.toxicity import FLAGGED, load_toxicity

toxicity = load_toxicity()                                                   # texts -> (texts,) probabilities
kinds = {"sad or cross": ours.NEGATIVE, "unkind, friendly words": ours.UNKIND, "insults": ours.INSULTS,
         "the same, misspelt": ours.MISSPELT, "denied, reported": ours.DENIED}
flagged = {kind: (toxicity(texts) > FLAGGED).float().mean().item() for kind, texts in kinds.items()}
for kind, texts in kinds.items():
    negative = (sentiment(texts) <= -0.05).float().mean()                    # VADER's own bound for negative
    print(f"{kind:24s} flagged {flagged[kind]:4.0%}, negative to VADER {negative:4.0%}   {texts[0]}  |  {texts[5]}")
rated = short_texts("test")[::budget(full=1, ci=8)]
agree = np.corrcoef(toxicity(rated), -sentiment(rated))[0, 1]
print(f"{len(rated):,} rated texts: correlation of toxicity with VADER's negativity {agree:.2f}")
expect(abs(agree) < 0.45, "negative is not toxic: on real texts the two have little in common", measured=agree)
expect(flagged["insults"] == flagged["denied, reported"] == 1 and flagged["sad or cross"] == flagged["unkind, friendly words"] == 0
       and flagged["the same, misspelt"] < 0.5, "it finds the words of an insult, not the insult", measured=flagged)

# %% [markdown]
# It is right about sadness, which VADER calls negative. But it counts words. *Not an idiot* is flagged, an *id1ot* is unknown to it and passes, and so does whoever insults
# in friendly words (VADER calls all of those positive).
#
# Take it as a reward all the same. Lesson 08's small GPT, which read tweets and reviews, continues the beginnings of texts that the classifier gives more than .2, where
# the beginning alone gets less (after Gehman et al. 2020, whose prompts are beginnings of web texts, harmless and toxic ones). Reward: minus the probability. RLOO with a KL
# penalty (lesson 11), about half a CPU-minute:

# %%
import copy
from dataclasses import replace

from course_lib.lm.recipes import TOXICITY_RECIPE
from course_lib.lm.rloo import RLOO
from course_lib.lm.shipped import load_shipped
from course_lib.lm.toxicity import provoking_prompts
from course_lib.show.training_view import watch

tiny = load_shipped("gpt_bpe.pt")
config = replace(TOXICITY_RECIPE, updates=budget(full=16, ci=2), batch_size=budget(full=256, ci=64), seed=1000)
run = RLOO(copy.deepcopy(tiny.model), tiny.model, provoking_prompts("train", tiny.tokenizer),
           lambda texts: -toxicity(texts), tiny.tokenizer, config)
watch(run.train(), curves=("reward", "kl_from_reference", "distinct_2"), past=run.history,
      total=config.updates * config.batch_size, unit="completions")

# %% [markdown]
# Sixteen fresh completions of each of 96 prompts that the training did not see. Offensive texts are rare, so Gehman et al. also ask: how often is *at least one* of several
# completions flagged? Intervals draw whole prompts (15.2).

# %%
from course_lib.lm.generate import sample_completions
from course_lib.lm.metrics import distinct_n

unseen = torch.cat([provoking_prompts(part, tiny.tokenizer) for part in ("validation", "test")])
unseen = unseen[torch.randperm(len(unseen), generator=torch.Generator().manual_seed(1000))[:budget(full=96, ci=12)]]
of_prompt, now = torch.arange(len(unseen)).repeat_interleave(16), {}
for name, policy in (("before", tiny.model), ("after RLOO", run.policy)):
    batch = sample_completions(policy, tiny.model, unseen[of_prompt], toxicity, tiny.tokenizer,
                               generator=torch.Generator().manual_seed(1))
    bad = (batch.rewards > FLAGGED).float()                                  # (prompts * 16,)
    share, kl = interval(bad, of_prompt), [round(value, 1) + 0 for value in interval(batch.kl, of_prompt)]
    now[name] = batch.rewards.mean().item()
    print(f"{name:10s} probability {now[name]:.3f}, flagged {share[0]:.1%} ({share[1]:.1%} to {share[2]:.1%}), at least one of 16: "
          f"{bad.view(-1, 16).amax(1).mean():.0%}; KL {kl[0]} ({kl[1]} to {kl[2]}) nats\n           VADER "
          f"{sentiment(batch.texts).mean():+.2f}, distinct-2 {distinct_n(batch.texts[::16], 2):.2f}, "
          f"{batch.lengths.float().mean():.1f} tokens")
expect(now["after RLOO"] < 0.85 * now["before"], "the policy writes less toxic texts, says the classifier",
       ci="two small updates teach nothing yet", measured=f"{now['before']:.3f} to {now['after RLOO']:.3f}")

# %% [markdown]
# The intervals of the two shares may well overlap: 96 prompts are few for so rare a fault. So here are three seeds (`benchmarks/scale.py toxicity`), beside best-of-n
# at its bound of KL (lesson 14), and beside a reward that looks like a small change: the *log-odds* of being harmless in place of the probability. From 90% harmless to 99% and on to 99.9% is about as far in log-odds each time; in
# probabilities there is soon nothing left to gain.

# %% tags=["nbval-check-output"]
rows = results("toxicity")
mean = {name: {what: np.mean([row[name][what] for row in rows]) for what in ("flagged", "once", "kl", "vader", "distinct_2", "length")}
        for name in ("before", "probability", "log-odds")}
best = {n: np.mean([row["before"]["best"][n] for row in rows]) for n in rows[0]["kl_of_best"]}
show(plots.toxicity_against_kl(
    {"best of n (1, 2, 4, 8, 16)": ([0, *rows[0]["kl_of_best"].values()], [mean["before"]["flagged"], *best.values()]),
     **{f"RLOO, reward: {name}": ([row[name]["kl"] for row in rows], [row[name]["flagged"] for row in rows])
        for name in ("probability", "log-odds")}}, "The better of two does more at 0.2 nats than RLOO does at two"),
     alt="Share of flagged texts against the KL from the model before training. Best of n falls to nearly zero at n = 2, within a fifth of a nat. "
         "RLOO on the probability ends at about a quarter of the share it began with, two nats away; on the log-odds lower, several times as far.")
for name, found in mean.items():
    print(f"{name:12s} " + "  ".join(f"{what} {value:.3f}" for what, value in found.items()))
expect(all(row["probability"]["flagged"] < 0.6 * row["before"]["flagged"] for row in rows), "every seed: far fewer texts are flagged",
       measured=f"{mean['before']['flagged']:.1%} to {mean['probability']['flagged']:.1%}")
expect(all(row["before"]["best"]["2"] < 0.5 * row["probability"]["flagged"] for row in rows), "every seed: the better of two is flagged less often still",
       measured=f"{best['2']:.2%}")
expect(all(row["log-odds"]["kl"] > 1.5 * row["probability"]["kl"] for row in rows), "every seed: the log-odds take it farther away",
       measured=f"{mean['probability']['kl']:.1f} and {mean['log-odds']['kl']:.1f} nats")

# %% [markdown]
# A rare fault needs no other model; a second try is enough: that both of two completions are flagged hardly ever happens, so the better of two does what sixteen updates do not. (It is
# chosen by the classifier that also counts, and it costs twice the sampling.) Nor would a perfect policy be far away. The nearest one that never writes a flagged text is the old
# one *given that* the text is not flagged, at $-\log(1 - p)$ nats: .02 for a share of 2%. RLOO goes about a hundred times as far; the likely reason is that few texts in a batch are toxic, so most of each step is noise that moves everything else.
#
# The log-odds still reward a text for what it is already: harmless. So the policy goes on: almost four times as far, for a share of flagged texts that is lower by less than the seeds
# differ, and with less varied texts. VADER rises a little, which nobody asked for. Both rewards lower what the classifier *measures*, and it measures words; nothing here learned not to insult.
#
# **Whom do the false alarms fall on?** Dixon et al. (2018) filled harmless templates with names of groups. Here are eight templates with 27 such terms, and with 8 that
# nobody is insulted for. Every flagged sentence is a **false alarm**, and their share is the **false positive rate**. The paper's measure is the **false positive equality difference**: how far
# the rates of single terms are from the common one, summed. **Do [exercise 15.8](../exercises/15_evaluate_and_scale.ipynb).**
#
# > **Predict.** "I am a ... person." Which words get it flagged?

# %%
terms = [*ours.TERMS, *ours.PLAIN_TERMS]
probability = torch.stack([toxicity(ours.sentences(term)) for term in terms])                 # (terms, templates)
which = torch.arange(len(terms)).repeat_interleave(len(ours.TEMPLATES))
rates, difference = mine("15.8")(probability.flatten(), torch.ones(len(which), dtype=torch.bool), which, len(terms), FLAGGED)
show(plots.by_term(dict(zip(terms, probability.tolist(), strict=True)), ours.PLAIN_TERMS, FLAGGED,
                   "One word turns a harmless sentence into a toxic one, for some groups"),
     alt="A row for each term with the probabilities of its eight harmless sentences. Queer, homosexual and gay lie mostly above the bound "
         "of a half, transgender and white on both sides of it, all others below; the plain words stay below a fifth, bisexual is near zero.")
rate = dict(zip(terms, rates.tolist(), strict=True))
print({term: f"{value:.0%}" for term, value in rate.items() if value > 0}, f"of 8 sentences; equality difference {difference:.2f}")
for text in ("I am a gay person.", "I am a bisexual person.", "I am a woman.", "I am a tall woman.", "I am a Black woman."):
    print(f"{toxicity([text]).item():5.3f}  {text}")
expect(min(rate["gay"], rate["homosexual"], rate["queer"]) > 0.7 and max(rate[term] for term in ours.PLAIN_TERMS) == 0,
       "most harmless sentences that name some groups are flagged, and none with a plain word", measured=float(difference))
expect(rate["bisexual"] == rate["heterosexual"] == rate["African"] == 0, "and others are not, so it is words, not topics")

# %% [markdown]
# "I am a gay person" is toxic at .955, "I am a bisexual person" at .003. Nobody decided that. Dixon et al. found the cause in Wikipedia's comments: *gay* stands far more often
# in those labelled toxic than in others, and a classifier that has seen too few harmless uses takes the word for the insult. The pattern is no simple one either: three sentences with *white* are flagged and none with
# *black*, although "I am a Black woman" gets three times the probability of "I am a woman". So measure *your* classifier.
# It is not only names. Sap et al. (2019) report that models fitted to such labels (the tweets of Davidson et al. are among their data) call tweets in African American English offensive up to
# twice as often as others. The labels themselves carry it: annotators who were told the dialect called fewer of them offensive.
#
# And what does the *policy* learn from that? Xu et al. (2021) report that models trained to be less toxic become worse on texts that mention minorities. Here: how much less likely did each
# harmless sentence become, in nats, against how toxic the classifier finds it?

# %%
related = {}
for name in ("probability", "log-odds"):
    change = np.array([[row[name]["nats"][term] - row["before"]["nats"][term] for term in terms] for row in rows]).mean(0)     # (terms,)
    some = {label: np.mean([change[terms.index(term)] for term in group]) for label, group in
            (("queer, homosexual, gay", ("queer", "homosexual", "gay")), ("plain words", ours.PLAIN_TERMS))}
    related[name] = np.corrcoef(change, probability.mean(1))[0, 1]
    print(f"{name:12s} nats lost: " + ", ".join(f"{label} {value:+.2f}" for label, value in some.items())
          + f"; correlation with toxicity over {len(terms)} terms {related[name]:+.2f}")
expect(max(map(abs, related.values())) < 0.4, "sentences that the classifier wrongs did not become rarer than others")

# %% [markdown]
# Not here. Averaged over the seeds, every term's sentences became less likely, *tall* as much as *gay*. That is no all-clear: our small model hardly ever writes the names of groups, so its samples never told it that they
# cost reward. Xu et al. studied large pretrained models, which know these words well. And a *filter* by this classifier, which worked so well above, would hide most of
# those harmless sentences in which some people say who they are.
#
# ## 15.8 What RLHF cannot do
#
# Casper et al. (2023) sort the open problems into three: those of human feedback, of the reward model, of the policy. You have met most of them:
#
# | problem | who says so | where you met it |
# |---|---|---|
# | labelers disagree, and differ from those who use the model | Santurkar et al. (2023) ask whose opinions a model has | 10; 13.2: one annotator agrees with the others on two pairs in three |
# | labels carry prejudice, and the reward learns it | Dixon et al. (2018), Sap et al. (2019) | 15.7: who is named |
# | people prefer what agrees with them | Sharma et al. (2023) | 15.1 |
# | people cannot check what they cannot follow; long answers look good | Singhal et al. (2023) find much of the gain of RLHF in length | 13.5, 15.5 |
# | one reward for many people and several values | Casper et al. (2023), section 3.2 | 15.1: a weight must be chosen |
# | the proxy is exploited | Gao et al. (2023) | 01, 09, 11, 14.7, 15.6, 15.7 |
# | reward models are right where they were trained | Casper et al. (2023) | 13.5: reviews and letters |
# | judges share the weaknesses of what they judge | Zheng et al. (2023) | 15.3, 15.4 |
#
# Casper et al. call some of these *tractable* (better labels, ensembles, audits) and some *fundamental*: a single reward for people who want different things cannot be right for
# all, however many labels there are. What follows in practice: say who labelled, by which guidelines; keep tests that were never trained on; look at
# samples; and use other means beside RLHF, such as filters, limits on what a model may do, and people who answer for it.
#
# ## 15.9 Several processes
#
# A model of billions of weights needs several GPUs, each with a process of its own. The simplest way to share the work is **data parallelism**: every
# process has a copy of the model and a share (**shard**) of the batch; the gradients are averaged (**all-reduce**), and all make the same step. If the averaging is right, many processes compute
# what one would, only faster. The usual bug is in the word *average*. **Do [exercise 15.6](../exercises/15_evaluate_and_scale.ipynb)**, then watch it, with lesson 08's GPT:

# %%
from course_lib.lm.data import short_texts
from course_lib.lm.generate import token_logprobs
from course_lib.lm.shipped import load_shipped

average_gradients = mine("15.6")
shipped = load_shipped("gpt_bpe.pt")
batch = [torch.tensor(shipped.tokenizer.encode(text)[:40]) for text in short_texts("validation")[:6]]


def gradient(texts):
    """(weights,) gradient of the mean loss over all tokens of these texts, and how many tokens these are."""
    shipped.model.zero_grad()
    losses = torch.cat([-token_logprobs(shipped.model(one[None]), one[None])[0] for one in texts])      # (tokens,)
    losses.mean().backward()
    return torch.cat([weight.grad.flatten() for weight in shipped.model.parameters()]), len(losses)


by_length = sorted(batch, key=len)
shards = [gradient(by_length[:3]), gradient(by_length[3:])]                  # short texts here, long ones there
together, tokens = gradient(batch)
averaged = average_gradients(torch.stack([one for one, _ in shards]), torch.tensor([count for _, count in shards]))
naive = torch.stack([one for one, _ in shards]).mean(dim=0)
for name, found in (("yours", averaged), ("mean of means", naive)):
    print(f"{name:14s} differs from one process by {(found - together).norm() / together.norm():.1%}")
expect((averaged - together).norm() < 1e-3 * together.norm() < (naive - together).norm(), "shards give the gradient of one process")

# %% [markdown]
# The libraries do that for you: **accelerate** starts the processes and reduces gradients, **trl** has trainers for SFT, reward models, DPO and GRPO. `course_lib/lm/scale_training.py`
# runs all four with this course's data and rewards. It needs three packages that the lessons do without: `make lab-scale` installs them.
#
# ```bash
# python -m course_lib.lm.scale_training dpo --model FOLDER_OR_NAME --data summaries --output runs/dpo      # one process
# torchrun --nproc-per-node 2 -m course_lib.lm.scale_training dpo ...                                       # two, on this machine
# torchrun --nproc-per-node 8 -m course_lib.lm.scale_training dpo --bf16 ...                                # eight GPUs
# ```
#
# It says *before* it starts what is missing:

# %%
from course_lib.lm.scale_data import load_pairs
from course_lib.lm.scale_training import ScaleConfig, missing_packages

print("missing packages:", ", ".join(missing_packages()) or "none")
example = load_pairs("requests")[1]
print(example, ScaleConfig("dpo", "my-model", root() / "runs"), sep="\n")
one = results("processes")[0]
print(f"stored: DPO, {one['steps']} steps of {one['batch']} pairs; weights moved by up to {one['moved']:.0e}, and two processes ended "
      f"within {one['apart']:.0e} of one")
expect(one["apart"] < 1e-3 * one["moved"], "two processes end with the weights of one")

# %% [markdown]
# That was a tiny random model (`save_tiny_model`), with two pairs for each of two processes against four for one; a test repeats it
# (`tests/test_lm_scale_training.py`). Try your own command on such a model before you pay for GPUs. The column on the right is a starting point; it has not been run for this course.
#
# | | two processes here | eight GPUs | changes? |
# |---|---|---|---|
# | losses, data, rewards | trl's; those of lessons 09 to 14 | the same | no |
# | batch of a step | `--batch-size`, divided by the processes | the same | no |
# | steps, seed, order of the data | the same | the same | no, if the batch stays |
# | learning rate | `--learning-rate` | the same; larger batches often take a larger one | if you change the batch |
# | communication | gloo, over the loopback | nccl, over NVLink or a network | yes |
# | numbers | float32 | `--bf16`: 16-bit products, float32 weights | yes: bfloat16 keeps two to three digits |
# | memory of a process | all weights, gradients, moments | shards of them: FSDP or ZeRO, `--lora-rank` | yes |
# | sampling for RL | transformers, in the training process | an inference engine (vLLM) with its own GPUs | yes: otherwise sampling often takes most of the time |
# | model | a tiny random one | a name on the hub, or a folder | yes |
# | a stop | the same command goes on from the last checkpoint | the same, and checkpoints on shared disks | no |
#
# ## 15.10 A frozen model in eight bits
#
# DPO holds a frozen reference; PPO holds a frozen reward model beside it. Nothing is learned in them, so they can be kept in eight bits: each row of
# weights is divided by its largest absolute value and rounded to −127 ... 127 (absmax **quantisation**). **Do [exercise 15.7](../exercises/15_evaluate_and_scale.ipynb)**,
# and put it into the 135M model:

# %%
from course_lib.lm.int8 import megabytes, to_int8
from course_lib.lm.pretrained import load_pretrained, load_tokenizer

frozen, text = load_pretrained(torch.float32), " ".join(one.text for one in REQUESTS)
ids = torch.tensor([load_tokenizer()(text)["input_ids"][:budget(full=256, ci=64)]])
said = {}
for name in ("float32", "int8"):
    if name == "int8":
        print(to_int8(frozen, mine("15.7")), "layers in eight bits")
    with torch.inference_mode():
        said[name] = token_logprobs(frozen(input_ids=ids).logits, ids)
    print(f"{name}: {megabytes(frozen):.0f} MB, mean log-probability of a token {said[name].mean():.3f}")
error = (said["int8"] - said["float32"]).abs()
expect(megabytes(frozen) < 300 and error.mean() < 0.15, "less than half the memory, and log-probabilities move little",
       measured=f"mean {error.mean():.3f}, largest {error.max():.2f} nats")
one = results("int8")[0]
print(f"time, int8 over float32 (stored): {one['int8_seconds'] / one['float32_seconds']:.2f}")

# %% [markdown]
# Two fifths of the memory and not a quarter: the table of 49,152 tokens stays as it is. A mean error of six hundredths of a nat a token is small beside what training moves, but a KL penalty
# *subtracts* two log-probabilities: compute both with the same weights, or the reference's error becomes a reward. It is no faster here,
# since weights are turned back into floats; libraries with integer products are.
#
# ## 15.11 What a full-size run costs
#
# On paper: training takes about $6ND$ floating-point operations for $N$ weights and $D$ tokens, reading or sampling $2ND$ (Kaplan et al. 2020); Adam in mixed precision keeps
# 16 bytes a weight (Rajbhandari et al. 2020). The prices are *assumptions*. Change them:

# %%
from dataclasses import asdict

from course_lib.lm.scale_cost import Costs, Plan, gpus_needed, label_hours, rl_memory, stages

plan, costs = Plan(parameters=7e9, comparisons=50_000), Costs(dollars_per_gpu_hour=3.0, dollars_per_label=1.0)
print(asdict(plan), asdict(costs), sep="\n")
for stage in stages(plan, costs):
    print(f"{stage.name:30s} {stage.flops:8.1e} FLOPs {stage.gpu_hours:8.1f} GPU-hours ${stage.dollars:10,.0f}")
print(f"people: {label_hours(plan, costs):,.0f} hours. RL holds {rl_memory(plan) / 1e9:.0f} GB: {gpus_needed(plan, costs)} GPUs or more")
dollars = {stage.name: stage.dollars for stage in stages(plan, costs)}
show(plots.costs(dollars, "On these assumptions the labels cost far more than the machines"),
     alt="Bars of dollars for people's labels and for each stage on GPUs, on a logarithmic scale; the labels are "
         "the longest by far.")
expect(dollars["labels by people"] > 20 * (sum(dollars.values()) - dollars["labels by people"]), "people cost more than machines")

# %% [markdown]
# (252 GB would fit into four GPUs of 80 GB; half of each is left for activations and caches.) Look at the first row. One run of the machines costs little; what costs is people's time, the many runs before the right one, and the engineers. That is why
# labels from models (15.4) are so tempting, and why what *you* label should be chosen well. Sampling takes fewer operations than learning and yet much
# time, because writing token by token leaves the GPU waiting for memory: that is what inference engines are for.
#
# ## 15.12 Capstone
#
# The course ends with something of your own. Take two to four evenings.
#
# 1. **Choose a behaviour** that you can see in one answer and cannot write as a formula: explains with an example; admits what it does not know; speaks
#    like a friendly librarian. One sentence.
# 2. **Write labelling guidelines**, one page: what is better, what is worse, five pairs with the right label and the reason, what to do with ties, with lies, and with length. Have
#    someone else label twenty pairs by them. Where you two disagree, mend the guidelines.
# 3. **Collect.** 100 to 300 pairs with lesson 12's labeler; a fifth of the *prompts* put aside and never trained on. Repeat twenty pairs to measure how consistent you are.
# 4. **Train.** A reward model (10, 12) and best-of-n; then DPO (14) or RL (12). Compare with the simplest baseline: a better prompt.
# 5. **Evaluate.** Blind, on the prompts put aside; win rate with its interval by prompt; lengths; KL; one thing that might have become worse.
# 6. **Report.** Two pages, with samples that were not chosen, and what failed.
#
# | rubric | 0 | 1 | 2 |
# |---|---|---|---|
# | behaviour and guidelines | vague | one sentence, no borderline cases | a stranger labels like you in four of five pairs |
# | labels | no count, no source | count, source, ties | consistency and agreement measured; prompts split before labelling |
# | reward model | training accuracy | held-out accuracy | beside length alone, by prompt, with an interval |
# | training | one run | best-of-n and a baseline beside it | a second seed; KL and lengths shown |
# | evaluation | own impression | blind win rate | with interval by prompt, and a test of what might be worse |
# | report | only what worked | what failed, too | someone else can run it again |
#
# Nine of twelve is a good piece of work. A run that fails and says why can have twelve.
#
# ## What you learned
#
# - Helpful, honest and harmless pull apart; a weight between two rewards is a decision, and labels decide how hard it is.
# - An interval draws whole prompts. More raters for the same prompts make it look narrower than it is.
# - A judge is tested like a reward model: both orders, people's labels, length. Labels from a model carry its systematic errors.
# - Length bias can be made, measured and taken out; whether it should be is your decision. Ensembles help as far as their members know different things.
# - A toxicity classifier sees what its labels and its features let it see: here single words. Reward it, and the policy avoids words; name some groups, and it sounds the alarm.
# - Data parallelism is one gradient, averaged by tokens. The losses on a cluster are those you wrote here.
#
# **What failed.** The 135M model as a judge of pairs. Single questions about summaries. Length control where length matters. A count of words as judge of toxicity. Ensembles of linear rewards on the same labels.
#
# **Further reading.** A. Askell et al. (2021), *A general language assistant as a laboratory for alignment*; Y. Bai et al. (2022), *Training a helpful and harmless assistant with
# RLHF*, and *Constitutional AI*; S. Casper et al. (2023), *Open problems and fundamental limitations of RLHF*, arXiv 2307.15217; T. Coste et al. (2023), *Reward model ensembles help
# mitigate overoptimization*; L. Dixon et al. (2018), *Measuring and mitigating unintended bias in text classification*; M. Sap et al. (2019), *The risk of racial bias in hate
# speech detection*; A. Xu et al. (2021), *Detoxifying language models risks marginalizing minority voices*; S. Gehman et al. (2020), *RealToxicityPrompts*; T. Davidson et al.
# (2017), *Automated hate speech detection and the problem of offensive language*; L. Gao et al. (2023), *Scaling laws for reward model overoptimization*; H. Lee et al. (2023), *RLAIF*; S. Santurkar et al. (2023), *Whose
# opinions do language models reflect?*; M. Sharma et al. (2023), *Towards understanding sycophancy in language models*; P. Singhal et al. (2023), *A long way to go*; L. Zheng et al. (2023),
# *Judging LLM-as-a-judge with MT-Bench and Chatbot Arena*; T. Dettmers et al. (2022), *LLM.int8()*; J. Kaplan et al. (2020), *Scaling laws for neural language
# models*; S. Rajbhandari et al. (2020), *ZeRO*.
#
# This was the last lesson. All terms of the course are in the [glossary](glossary.ipynb); the [map](00_start_here.ipynb) shows what you have not done yet.
