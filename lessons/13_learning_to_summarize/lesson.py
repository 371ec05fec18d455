# %% [markdown]
# # Lesson 13. Learning to summarize
#
# **Goals.** Turn real ratings of summaries into preferences. Fit a reward model to them and find out what it has learned: summarizing, or counting
# words? Let it choose among samples of a language model. Evaluate the result yourself, blind and on four axes. That is Stiennon et al. (2020),
# *Learning to summarize from human feedback*, in small.
#
# **Time.** About 70 minutes to read, run and rate, 85 minutes for the exercises; the essential part takes 90 minutes in all. The cells use about
# two CPU-minutes. **Builds on** lessons 03, 10 and 12.

# %%
import json

import numpy as np
import torch

from course_lib import budget, expect, mine
from course_lib.paths import my_work, root
from course_lib.show import palette
from course_lib.show import summary_plots as plots
from course_lib.show.figures import show
from course_lib.show.tables import show_texts

palette.style()
torch.set_num_threads(1)
show(plots.pipeline(),
     alt="Ratings by annotators become preferences of one person about one article; a reward model on hidden "
         "states is fitted to them. From an article n samples are drawn; the reward model chooses the "
         "best one, which is compared blind.")


def results(job):
    """The lines of one job of benchmarks/summarize.py."""
    path = root() / "benchmarks" / "results" / f"summarize_{job}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]

# %% [markdown]
# ## 13.1 Ratings of real people
#
# About ten annotators, trained for it, read news articles and rated summaries of them from 0 (very bad) to 4 (very good). Every rating is kept with the
# number of its annotator (Vasilyev et al. 2020). The first article with four summaries, and what the annotators thought of each:

# %% tags=["third-party-text"]
from course_lib.lm.summaries import load_summaries, of_part, preferences_from_ratings

rated = load_summaries()
four = next(one.article for one in rated if sum(other.article == one.article for other in rated) == 4)
shown = [one for one in rated if one.article == four]
show_texts([four[:240]], {f"mean {one.mean:.1f}: {sorted(one.ratings)}": [one.summary[:300]] for one in shown})
print(f"{len(rated)} summaries of {len({one.article for one in rated})} articles, "
      f"{sum(len(one.ratings) for one in rated):,} ratings")

# %% [markdown]
# Look at one column: the same summary gets a 1 from one person and a 4 from another. Some people rate high and some low, so ratings of *different*
# people cannot be compared. Ratings by the *same* person of two summaries of the *same* article can: whoever gave 3 and 1 prefers the
# first. **Do [exercise 13.1](../exercises/13_learning_to_summarize.ipynb)** now. Here is yours, or the course's, on all articles.

# %%
from course_lib.lm.summary_reward import compared_summaries

preferences = mine("13.1")
summaries = compared_summaries()                     # 655: those whose article has another summary
pairs = preferences_from_ratings(summaries)          # the course's, as tensors of indices


def table_of(article):
    """The ratings of one article's summaries, (annotators, summaries), nan where there is none."""
    some = [one for one in summaries if one.article == article]
    people = sorted({number for one in some for number in one.annotators})
    rows = [[dict(zip(one.annotators, one.ratings, strict=True)).get(number, float("nan")) for one in some]
            for number in people]
    return torch.tensor(rows, dtype=torch.float32)


tables = [table_of(article) for article in dict.fromkeys(one.article for one in summaries)]
yours = sum(len(preferences(table)) for table in tables)
expect(yours == len(pairs) == 4_002, "your function finds the 4,002 preferences", measured=yours)

# %% [markdown]
# ## 13.2 How far do people agree?
#
# > **Predict.** One annotator prefers summary A. How often does the mean rating of the nine *others* prefer A, too? 95%, 80%, 65%?
#
# **Do [exercise 13.2](../exercises/13_learning_to_summarize.ipynb)**, then look.

# %%
from course_lib.preferences.evaluation import pair_accuracy

agreement = mine("13.2")
agreed, of = (sum(column) for column in zip(*(agreement(table) for table in tables), strict=True))
with_own = pair_accuracy(torch.tensor([one.mean for one in summaries]), pairs)
print(f"the mean of the others is right about {agreed / of:.1%} of {of:,} preferences")
print(f"a mean that holds the annotator's own rating: {with_own:.1%}")
expect(0.64 < agreed / of < 0.69 and with_own - agreed / of > 0.05,
       "two out of three: people agree that far, and no farther", measured=f"{agreed / of:.3f}, {with_own:.3f}")

# %% [markdown]
# Two in three. Half would be tossing a coin. A mean that *holds* the rating it should predict looks ten points better than it is, which is an
# easy mistake to make. Stiennon et al. report 73% between two researchers and 77% between
# labelers and researchers, on their own posts and summaries.
#
# Keep the number in mind: a reward model that predicts *single people* right two times in three does as well as nine other people do.
#
# ## 13.3 A reward model, and its rivals
#
# As in lesson 12, the language model reads and the reward is a weighted sum of what it knows. It is asked for a summary of the article, reads the summary,
# is asked "Is this a good summary of the article?", and stopped there. Its hidden states in layers 15, 18 and 20 (of 30) are the features. They were read
# once; what is shipped are their 200 principal components. The fit takes a second.
#
# Whole *articles* go to the training or to the test part, for ever, by a hash of their words.

# %%
from course_lib.lm.summary_reward import fit_summary_reward, load_summary_features, others_agree, simple_numbers

known = load_summary_features()
train, test = (of_part(summaries, pairs, part) for part in ("train", "test"))
linear = fit_summary_reward(known.rows, train)
rewards = linear.rewards(known.rows)                                            # (655,)
numbers = simple_numbers(summaries, known.mean_logprobs)
for name, score in {"reward model": rewards, **numbers}.items():
    print(f"{name:18s} {pair_accuracy(score, test):.3f}")
print(f"{'the other people':18s} {others_agree(summaries, test).mean():.3f}")

# %%
expect(pair_accuracy(rewards, test) > pair_accuracy(numbers["length"], test) + 0.01,
       "on unseen articles the reward model is ahead of length",
       measured=f"{pair_accuracy(rewards, test):.3f}, {pair_accuracy(numbers['length'], test):.3f}")

# %% [markdown]
# **Length alone** is a strong rival: "the longer summary is better" is right more often than any other simple number. So what did the reward
# model learn? Two looks. First: how much do its rewards go with length? Second, **[exercise 13.3](../exercises/13_learning_to_summarize.ipynb)**: how good is it where the two
# summaries are *equally long*, and counting words cannot help?

# %%
length_matched_accuracy = mine("13.3")
words = numbers["length"]
print(f"correlation of reward and length: {torch.corrcoef(torch.stack([rewards, words]))[0, 1]:.2f}")
for name, score in {"reward model": rewards, "length": words}.items():
    accuracy, count = length_matched_accuracy(score[test.first], score[test.second], words[test.first],
                                              words[test.second], test.mu, 0.1)
    print(f"{name:14s} {accuracy:.3f} of {count} pairs whose lengths differ by 10% at most")

# %% [markdown]
# One split of 44 test articles is a small sample. `benchmarks/summarize.py reward` splits the articles twenty times. Layers and strength of the fit were
# chosen on splits 0 to 4; these are splits 1000 to 1019, run once (stored).

# %% tags=["nbval-check-output"]
rows = results("reward")
NAMES = {"states": "reward model", "scalars": "all simple numbers together",
         "states and scalars": "reward model and simple numbers", "others": "the other annotators", "length": "length alone",
         "mean_logprob": "mean log-probability", "overlap_lead": "overlap with the lead"}
over = {label: [[row["accuracy"][name][k] for row in rows] for k in (0, 1)] for name, label in NAMES.items()}
show(plots.accuracies(over, "As good as the other people, and partly by counting words"),
     alt="Accuracy over twenty splits of the reward model, of simple numbers, and of the other annotators, on all "
         "pairs and on pairs of similar length; length alone falls to one half on the latter.")
for label, columns in over.items():
    print(f"{label:32s} " + "   ".join(f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" for values in columns))

# %%
gain = [np.subtract(over["reward model"][k], over["length alone"][k]) for k in (0, 1)]
expect(min(gain[0].min(), gain[1].min()) > 0, "the reward model beats length on each of twenty splits, on both kinds of pairs",
       measured=f"by {gain[0].mean():.3f} and {gain[1].mean():.3f}")
expect(abs(np.mean(over["reward model"][0]) - np.mean(over["the other annotators"][0])) < 0.02,
       "it predicts a person about as well as the other annotators do")

# %% [markdown]
# Read the two columns. On all pairs the reward model is four points ahead of length; on pairs of similar length, where length is a coin, it is eight
# points ahead. It has learned something about summaries beside their size. It also predicts one annotator about as well as the other nine do. That is no
# strict upper bound (lesson 10), but a sign that much of what is left differs from person to person. On the five splits where the settings were chosen it reached 69%, on fresh ones 66%, and 67% with the
# simple numbers added. Choosing among fifty settings on five splits flatters by two or three points.
#
# **What did not help** (splits 0 to 4): the top layer, which is busy with the next word (66%); states averaged over the summary; the ratings of five
# aspects as more labels; comparisons of one annotator across articles.
#
# ## 13.4 Samples from several policies
#
# Now a policy. The same 135M model writes, asked in two ways and at two temperatures. Eight texts were written for this course, so that they
# can be shown here; four of them are no news at all. The **lead**, the article's first sentences, is the baseline: in news it is hard to beat.

# %%
from course_lib.lm.summarizer import POLICIES, write_summaries
from course_lib.lm.summary_metrics import lead
from course_lib.lm.summary_metrics import words as words_of
from course_lib.lm.summary_texts import TEXTS

town = TEXTS[0]
written = {policy.name: write_summaries(town.text, 2, policy, torch.Generator().manual_seed(0),
                                        max_new_tokens=budget(full=48, ci=8)).texts for policy in POLICIES[:budget(full=3, ci=1)]}
show_texts(["a road by the sea"] * 2, {"reference, lead": [town.reference, lead(town.text, 36)], **written})

# %% [markdown]
# Read them against each other. Which facts are wrong? A model of this size invents freely, and its summaries are seldom finished after 48 tokens, so each
# is cut behind its last whole sentence.
#
# How much is **copied**? Ziegler et al. (2019), the authors' paper before this one, rewarded summaries by preferences, and their
# policies became **smart copiers**: whole sentences from the article, well chosen. Copying is never inaccurate, and hurried labelers liked it.
# **Do [exercise 13.4](../exercises/13_learning_to_summarize.ipynb).**

# %%
copy_rate = mine("13.4")
article = words_of(town.text)
print(f"lead {copy_rate(article, words_of(lead(town.text, 36)), 4):.2f}, "
      f"reference {copy_rate(article, words_of(town.reference), 4):.2f}, "
      + ", ".join(f"{name} {np.mean([copy_rate(article, words_of(text), 4) for text in texts]):.2f}"
                  for name, texts in written.items()))
expect(copy_rate(article, words_of(lead(town.text, 36)), 4) == 1, "the lead is copied to the last word")

# %% [markdown]
# ## 13.5 Best of n against the reward model
#
# What would the reward model choose if it could choose freely? Try it on the test articles' rated summaries, three or four for each:

# %%
articles_of_test = sorted({summaries[i].article for i in test.first.tolist()})
places = [[k for k, one in enumerate(summaries) if one.article == article] for article in articles_of_test]
chosen_words = np.mean([words[max(some, key=lambda k: rewards[k].item())].item() for some in places])
mean_words = np.mean([words[some].mean().item() for some in places])
print(f"words: {mean_words:.0f} in all summaries, {chosen_words:.0f} in those that it chooses")
expect(chosen_words > mean_words + 5, "free to choose, it chooses longer ones",
       measured=f"{mean_words:.1f}, {chosen_words:.1f}")

# %% [markdown]
# If samples of any length took part, we would pay for sixteen to get the longest, and would have learned what we knew. So there is a **filter**: only
# samples of 24 to 48 tokens take part (the limits of Stiennon et al.). Do **[exercise 13.5](../exercises/13_learning_to_summarize.ipynb)**.
#
# `benchmarks/summarize.py best-of-n` drew 24 samples for each text: news articles of which no two summaries were ever compared, the course's own texts, and
# film reviews, which are far from everything that was rated. (The stored run stopped after so many texts as are printed below; the command goes on.)
#
# > **Predict.** With $n$ the reward rises; that is what is maximized. Which way does copying go? And ROUGE-L, the overlap with a person's summary (by the
# > longest sequence of words that both have in the same order)?
#
# Below the figure stand three texts to compare with: the lead, sentences drawn at *random* from the text, and the reference, a person's summary. The
# rewards there are not reduced by the lead's, so they may be below zero.

# %% tags=["nbval-check-output"]
from course_lib.lm.best_of_n import best_of_n_kl, expected_best

best_within = mine("13.5")
SIZES, COLUMNS = (1, 2, 4, 8, 16), {"reward": "reward, less that of the lead", "tokens": "tokens", "copy_rate": "copied (runs of 4 words)"}
lines = results("best-of-n")
kinds = {kind: [row for row in lines if row["text"].startswith(kind)] for kind in ("own", "news", "review")}


def samples_of(row, column, filtered=True):
    """One column of a text's samples, those that pass the filter."""
    names = {policy.name for policy in POLICIES}
    return torch.tensor([float(value) for value, policy, passes in zip(row[column], row["policy"], row["passes"], strict=True)
                         if policy in names and (passes or not filtered)])


def curve(rows, column, filtered=True):
    """What the best of 1, 2, ... has in a column, mean over texts with 16 samples or more; rewards less the lead's."""
    enough = [row for row in rows if len(samples_of(row, "reward", filtered)) >= SIZES[-1]] or rows
    base = [row["reward"][row["policy"].index("lead")] if column == "reward" else 0 for row in enough]
    return [float(np.mean([expected_best(samples_of(row, "reward", filtered), min(n, len(samples_of(row, "reward", filtered))),
                                         samples_of(row, column, filtered)).item() - less
                           for row, less in zip(enough, base, strict=True)])) for n in SIZES]

# %%
curves = {label: {kind: curve(rows, column) for kind, rows in kinds.items()} for column, label in COLUMNS.items()}
curves["ROUGE-L with the reference"] = {"own": curve(kinds["own"], "rouge_l")}
show(plots.best_of(SIZES, [best_of_n_kl(n) for n in SIZES], curves, {}, "The reward rises with n. Nothing else gets better."),
     alt="Against n: the reward of the best rises for all kinds of texts; tokens rise within the filter's limits; copying "
         "falls; ROUGE-L with the references stays where it was.")
for kind, rows in kinds.items():
    for name in ("lead", "random", "reference"):
        if name in rows[0]["policy"]:
            told = [[row[column][row["policy"].index(name)] for row in rows] for column in ("reward", "copy_rate")]
            print(f"{kind:7s} {name:10s} reward {np.mean(told[0]):+.2f}, copied {np.mean(told[1]):.2f}  ({len(rows)} texts)")

# %%
rises = [curve(rows, "reward") for rows in kinds.values()]
expect(all(one[-1] > one[0] + 0.4 for one in rises), "best of 16 has a clearly higher reward, on every kind of text",
       measured=str([round(one[-1] - one[0], 2) for one in rises]))
rouge = curve(kinds["own"], "rouge_l")
expect(rouge[-1] < rouge[0] + 0.03, "and no higher overlap with what a person wrote", measured=f"{rouge[0]:.3f}, {rouge[-1]:.3f}")

# %% [markdown]
# **No measurable gain.** The reward rises by about a standard deviation, with a KL divergence of at most 1.8 nats. Yet the overlap with a
# person's summary stays where it was, on a handful of texts that could only show a large change. Three things to see:
#
# - The reward model of this lesson does *not* make a smart copier. The opposite: what it chooses copies less than what it was offered. Its labels came
#   from a data set in which generated summaries that patched sentences together were rated badly.
# - It gives the best of sixteen a higher reward than the *reference*, a person's summary. It has no idea of truth: an invented fact costs nothing. That
#   is over-optimisation (lesson 12) without any training.
# - On reviews and letters the rewards rise just as prettily. A reward model does not say when it is out of its depth.
#
# ## 13.6 Ask a person: yourself
#
# First blind pairs: the best sample against the lead, one pair for each of the course's texts that was sampled; sides drawn at random, answered on **nine points**
# as the paper's labelers did (1: left, surely; 9: right, surely). Read the text before you answer; it stands above the pair.

# %%
from course_lib.labels.labeler import Labeler
from course_lib.labels.store import PreferenceStore
from course_lib.lm.summary_metrics import overlap


def best_sample(row):
    """The summary of one of the course's own texts that the reward model chooses among its samples."""
    names = {policy.name for policy in POLICIES}
    places = [k for k, policy in enumerate(row["policy"]) if policy in names]
    rewards, lengths = (torch.tensor([[row[column][k] if row["passes"][k] else 0 for k in places]])
                        for column in ("reward", "tokens"))
    return row["summaries"][places[int(best_within(rewards, lengths, 24, 48)[0])]]


own = {TEXTS[int(row["text"].split("-")[1])].text: row for row in kinds["own"]}
chosen = {text: best_sample(row) for text, row in own.items()}
leads = {text: lead(text, 36) for text in own}
reference_of = {one.text: one.reference for one in TEXTS}
text_of = {summary: text for group in (chosen, leads) for text, summary in group.items()}

# %%
def stands_in(left, right):
    """A synthetic labeler, where nobody sits here: it counts the reference's words. It says nothing about people."""
    held = [overlap(item.text, reference_of[text_of[item.text]]) for item in (left, right)]
    return "equal" if held[0] == held[1] else "left" if held[0] > held[1] else "right"


store, RUN = PreferenceStore(), "summaries-blind"
for text in own:
    store.add_pair(store.add_text(leads[text]), store.add_text(chosen[text]), run=RUN, prompt=text)
labeler = Labeler(store, run=RUN, target=len(own), synthetic=stands_in, scale=True, repeats=0.0,
                  title="Which is the better summary?")
labeler

# %%
bootstrap_interval = mine("13.6")
answers = labeler.require()
wins = torch.tensor([1.0 - one.mu for one in answers])                       # the lead is the pair's first item
articles = torch.arange(len(wins))
draws = torch.randint(len(wins), (2_000, len(wins)), generator=torch.Generator().manual_seed(0))
low, high = bootstrap_interval(wins, articles, draws)
print(f"the best sample is preferred to the lead in {wins.mean():.0%} of {len(wins)} pairs (95%: {low:.0%} to {high:.0%}; "
      f"{answers[0].source})")
expect(0 <= low <= float(wins.mean()) <= high <= 1, "the interval holds the win rate")

# %% [markdown]
# So few texts leave a wide interval, and where all pairs went the same way the bootstrap's has no width at all, which is its weakness: it knows only what it
# saw (Wilson's interval of lesson 12 does better there). To tell 55% from 50% takes some four hundred pairs of different articles.
#
# A preference does not say *why*. So the paper's labelers also rated summaries on **four axes**, from 1 to 7: coverage, accuracy, coherence, overall. Rate
# some here: references, leads and samples in one heap, and nothing says which is which. Each press is saved at once; come back whenever you like.

# %%
from course_lib.labels.ratings import AXES, Rater, RatingBook, RatingItem

groups = {"reference": reference_of, "lead": leads, "best sample": chosen}
heap = [(group, text) for group in groups for text in own]
order = torch.randperm(len(heap), generator=torch.Generator().manual_seed(13)).tolist()
items = [RatingItem(f"13-{place:02d}", heap[place][1], groups[heap[place][0]][heap[place][1]]) for place in order]


def rates(item):
    """A synthetic labeler for stored runs: words held, words found in the text. It says nothing about people."""
    coverage = 1 + round(6 * overlap(item.summary, reference_of[item.text]))
    accuracy = 1 + round(6 * overlap(item.text, item.summary))
    return {"coverage": coverage, "accuracy": accuracy, "coherence": 5, "overall": (coverage + accuracy) // 2}


rater = Rater(RatingBook(my_work() / "ratings" / "summaries.jsonl"), items, AXES, target=min(12, len(items)), synthetic=rates)
rater

# %%
found = rater.require()
group_of = {f"13-{place:02d}": heap[place][0] for place in order}
print(f"{'':14s}" + "".join(f"{axis:>11s}" for axis in AXES) + f"   ({found[0].source})")
for group in groups:
    given = [one.scores for one in found if group_of[one.item_id] == group]
    if given:
        print(f"{group:14s}" + "".join(f"{np.mean([one[axis] for one in given]):11.1f}" for axis in AXES) + f"   {len(given)} rated")
expect(len(found) == rater.target, "every rating is on the disk", measured=len(found))

# %% [markdown]
# If you rated yourself: where does the best sample lose, in coverage or in accuracy? The reward model was fitted to a *single* number for general quality, so it
# could not learn the difference. (The rated data have five aspects for a third of the summaries: `preferences_from_ratings(summaries, "Informative")`.
# A reward for each aspect is a good project.)
#
# ## 13.7 On a GPU, with internet
#
# Everything above runs on a laptop. The paper's own comparisons (92,858 of Reddit posts) and GPT-2 are on the Hugging Face hub, and the course's loaders read
# them: `benchmarks/summarize.py tldr`. Two settings side by side. The loaders are tested on small folders in the
# hub's own format; the right column is a starting point and has not been run for this course.
#
# | | laptop (this lesson) | one GPU, with internet |
# |---|---|---|
# | comparisons | 4,002 from ratings of 655 summaries | 92,858 of `openai/summarize_from_feedback` |
# | reader | 135M, frozen, states of three layers | `openai-community/gpt2` (124M) or larger, all weights trained |
# | reward | linear, L2 = 4, one second | linear head, AdamW, learning rate 1e-5, batch 64, one epoch |
# | article | first 384 tokens | whole post, 512 tokens |
# | policy | 135M chat model, best of 16 | SFT on the TL;DR references, then PPO, KL coefficient 0.05 |
# | time | 16 CPU-minutes to read once, then seconds | not measured |
# | evaluation | you, a few pairs and twelve ratings | labelers, hundreds of pairs, agreement measured |
#
# ```python
# from course_lib.lm.hub_summaries import end_features, load_hub_model, load_tldr
#
# pairs = load_tldr(limit=4_000)                         # or a folder: load_tldr("/my/copy")
# model, tokenizer = load_hub_model("openai-community/gpt2")
# rows = end_features(model, tokenizer, [one.post for one in pairs], [one.first for one in pairs])
# ```
#
# ## What you learned
#
# Ratings become preferences within one person and one article. Agreement with the *others* says what can be predicted, here two in three; a linear reward on
# the middle layers of a frozen model gets there. Length alone gets most of the way, so a reward model is tested on pairs of equal length. Best of n raises the
# reward at once, and whether anything else improved must be asked elsewhere: of references, of people, on several axes.
#
# **What failed on the way to this lesson.** An agreement of 76%, which held the rating it predicted. The top layer's states. An accuracy that was best where it was chosen, and three points lower on fresh splits. A filter on samples
# that end by themselves: at this size hardly one in six does. And the summaries did not get better.
#
# **Further reading.** N. Stiennon et al. (2020), *Learning to summarize from human feedback*; D. Ziegler et al. (2019), *Fine-tuning language models from
# human preferences*; O. Vasilyev et al. (2020), *Fill in the BLANC*; J. Wu et al. (2021), *Recursively summarizing books with human feedback*.
# Next: [lesson 14](14_beyond_ppo.ipynb).
