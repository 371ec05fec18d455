# %% [markdown]
# # Lesson 13 exercises: learning to summarize
#
# **Goals.** From ratings to preferences. How far people agree. A reward model's accuracy where length cannot help. How much a summary copies.
# Best-of-n with a filter. A win rate with an interval that knows which comparisons belong together.
#
# **Time.** {{time}}
# **Builds on** lessons 03, 10 and 12; do each exercise when the [lesson](../notebooks/13_learning_to_summarize.ipynb) sends you here.

# %%
import torch

from course_lib import check, hint

# %% [markdown]
# {{exercise 13.1}}
#
# Ten annotators rated the summaries of one article. Ratings of two *different* people cannot be compared: one gives a 3 where the other
# gives a 1. Two ratings by the *same* annotator can. Each pair of summaries that an annotator rated differently is one **preference**.

# %% tags=["exercise:13.1"]
def preferences(ratings):
    """(P, 3) int64: one row for each preference, [annotator, better summary, worse summary].

    ratings: (annotators, summaries) of one article, nan where an annotator did not rate a summary. Equal ratings are no
    preference. Rows are in order of annotators, then of pairs: (0, 1), (0, 2), ..., (1, 2), ... A (0, 3) tensor when there
    are none.
    """
    # BEGIN SOLUTION
    rows = []
    for annotator, given in enumerate(ratings.tolist()):
        for i in range(len(given)):
            for j in range(i + 1, len(given)):
                if given[i] > given[j]:                     # False where one of them is nan
                    rows.append([annotator, i, j])
                elif given[i] < given[j]:
                    rows.append([annotator, j, i])
    return torch.tensor(rows, dtype=torch.long).reshape(-1, 3)
    # END SOLUTION

# %% tags=["check:13.1"]
check("13.1", preferences)

# %% [markdown] tags=["solution-only"]
# **Why does nan need no extra line?** Every comparison with nan is False, so such a pair makes neither kind of row. The `reshape` is for the
# article without a preference: an empty list alone would become a tensor of shape (0,).

# %% [markdown]
# {{exercise 13.2}}
#
# How well can these preferences be predicted at all? One answer: let all the *other* annotators predict this one, by their mean. The word
# *other* matters. A mean that holds the annotator's own rating agrees with it too often.

# %% tags=["exercise:13.2"]
def agreement(ratings):
    """(agreed, preferences): how many strict preferences the mean of the other annotators predicts, and of how many.

    ratings: (annotators, summaries) of one article, nan where there is no rating. For an annotator's preference between
    summaries i and j: the mean rating of i by all others who rated i, against the mean of j by all others who rated j.
    Equal means count one half. Preferences where nobody else rated i, or j, are left out of both numbers.
    """
    # BEGIN SOLUTION
    agreed, total = 0.0, 0
    for annotator in range(len(ratings)):
        own = ratings[annotator]                                            # (summaries,)
        rest = torch.cat([ratings[:annotator], ratings[annotator + 1:]])    # (annotators - 1, summaries)
        means = rest.nanmean(dim=0)                                         # (summaries,) nan where nobody else rated
        for i in range(len(own)):
            for j in range(i + 1, len(own)):
                preferred, gap = own[i] - own[j], means[i] - means[j]
                if preferred.isnan() or preferred == 0 or gap.isnan():
                    continue
                agreed += 0.5 if gap == 0 else float((gap > 0) == (preferred > 0))
                total += 1
    return agreed, total
    # END SOLUTION

# %% tags=["check:13.2"]
check("13.2", agreement)

# %% [markdown] tags=["solution-only"]
# On the real ratings the difference is large: 76% with the annotator's own rating among the ten, 66% without. A single vote of ten moves a mean
# often enough, because good and bad summaries of an article lie close together.

# %% [markdown]
# {{exercise 13.3}}
#
# A reward model that has only learned to count words is right about 62% of these preferences. So look at pairs in which *counting does not
# help*: both summaries are about equally long.

# %% tags=["exercise:13.3"]
def length_matched_accuracy(first_rewards, second_rewards, first_lengths, second_lengths, mu, tolerance):
    """(accuracy, pairs): the share of preferences that the rewards predict among pairs of similar length, and how many.

    All (pairs,) tensors; mu is 1 where the first was preferred and 0 where the second was. Two lengths are similar when they
    differ by at most `tolerance` times the longer one. Equal rewards are half right. (nan, 0) when no pair is similar.
    """
    # BEGIN SOLUTION
    longer = torch.maximum(first_lengths, second_lengths)
    similar = (first_lengths - second_lengths).abs() <= tolerance * longer              # (pairs,)
    gap = (first_rewards - second_rewards)[similar]                                     # (similar,)
    right = torch.where(gap == 0, 0.5, ((gap > 0) == (mu[similar] > 0.5)).float())      # (similar,)
    return right.mean().item(), int(similar.sum())
    # END SOLUTION

# %% tags=["check:13.3"]
check("13.3", length_matched_accuracy)

# %% [markdown] tags=["solution-only"]
# Another way to control for length is to put it into the fit as a feature and then to leave it out of the reward. Matching is simpler to
# explain, and it costs pairs: with a tolerance of 10% about one pair in six is left.

# %% [markdown]
# {{exercise 13.4}}
#
# How much of a summary is copied? Cut it into runs of $n$ words, and count those that stand in the article as they are.

# %% tags=["exercise:13.4"]
def copy_rate(article, summary, n):
    """Share of the summary's runs of n words that also stand in the article, a float from 0 to 1.

    article, summary: lists of words. A summary with fewer than n words is one single run. An empty summary has rate 0.
    """
    # BEGIN SOLUTION
    if not summary:
        return 0.0
    n = min(n, len(summary))
    known = {tuple(article[k:k + n]) for k in range(len(article) - n + 1)}
    runs = [tuple(summary[k:k + n]) for k in range(len(summary) - n + 1)]
    return sum(run in known for run in runs) / len(runs)
    # END SOLUTION

# %% tags=["check:13.4"]
check("13.4", copy_rate)

# %% [markdown] tags=["solution-only"]
# With $n = 1$ almost everything is copied, since a good summary uses the article's words. With $n = 4$ a run seldom agrees by chance. A set of
# tuples makes the look-up quick; comparing every run with every place of the article would be a thousand times slower for a long text.

# %% [markdown]
# {{exercise 13.5}}
#
# **Best-of-n with a filter**: of the samples for each article keep the one with the highest reward, but only samples whose length lies
# within limits take part. The filter is there so that the reward cannot simply choose the longest.

# %% tags=["exercise:13.5"]
def best_within(rewards, lengths, fewest, most):
    """(articles,) int64: which sample of each article has the highest reward among those of allowed length; -1 for none.

    rewards, lengths: (articles, n). Allowed lengths: fewest to most, both included. Of equal rewards the first one is kept.
    """
    # BEGIN SOLUTION
    allowed = (lengths >= fewest) & (lengths <= most)                                   # (articles, n)
    best = torch.where(allowed, rewards, -torch.inf).argmax(dim=1)                      # (articles,)
    return torch.where(allowed.any(dim=1), best, -1)
    # END SOLUTION

# %% tags=["check:13.5"]
check("13.5", best_within)

# %% [markdown] tags=["solution-only"]
# **Why minus infinity and not zero?** Rewards may all be negative, and then a forbidden sample with reward 0 would win. **Why -1?** Someone who
# uses the result must notice that there is nothing; 0 would silently stand for the first sample.

# %% [markdown]
# {{exercise 13.6}}
#
# Forty comparisons of summaries, five for each of eight articles: are these forty independent draws? No. One article may simply suit one policy. The
# **bootstrap by article** draws whole articles with replacement, takes *all* comparisons of each (as often as it was drawn), and looks
# at how much the win rate varies from draw to draw.

# %% tags=["exercise:13.6"]
def bootstrap_interval(wins, articles, draws):
    """(low, high): the 2.5% and the 97.5% quantile of the win rate over the draws.

    wins: (pairs,) 1 for a win, 0 for a loss, 0.5 for a tie. articles: (pairs,) int64, the article of each pair, 0 to A - 1, each at
    least once. draws: (R, A) int64; row r holds the articles of draw r, some of them twice and some not at all. The win rate of
    a draw is over all pairs of its articles.
    """
    # BEGIN SOLUTION
    count = draws.shape[1]
    won = torch.zeros(count, dtype=wins.dtype).index_add(0, articles, wins)             # (A,) wins of each article
    pairs = torch.bincount(articles, minlength=count).to(wins.dtype)                    # (A,) its pairs
    rates = won[draws].sum(dim=1) / pairs[draws].sum(dim=1)                             # (R,)
    low, high = torch.quantile(rates, torch.tensor([0.025, 0.975], dtype=wins.dtype))
    return low.item(), high.item()
    # END SOLUTION

# %% tags=["check:13.6"]
check("13.6", bootstrap_interval)

# %% [markdown] tags=["solution-only"]
# Articles with many pairs weigh more, as they do in the win rate itself. With eight articles even this interval is too narrow: the bootstrap
# cannot know of kinds of articles that it never saw.

# %% [markdown]
# ## What you learned
#
# Ratings become preferences within one annotator and one article. Agreement is measured against the others. A reward model is tested where
# length cannot help. Copying can be counted. A filter takes a short cut away. Comparisons of one article belong together.
#
# **What fails:** means that hold the rating they predict, a filter that forbids with zeros, intervals that count every pair as a new draw.
#
# **Further reading.** N. Stiennon et al. (2020), *Learning to summarize from human feedback*; B. Efron and R. Tibshirani (1993), *An introduction
# to the bootstrap*. Back to the [lesson](../notebooks/13_learning_to_summarize.ipynb).
