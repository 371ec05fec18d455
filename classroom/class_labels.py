# %% [markdown]
# # The labels of your class
#
# **For teachers.** Your students have labelled pairs in a lesson and handed in their label files. This notebook puts them together: who agrees
# with whom, whose answers are unusual, one reward model from all of them, and how much each further student adds.
#
# As it is stored here it shows a **synthetic class**: 24 students, each a synthetic labeler of a kind that we chose (careful, noisy, at random,
# always left, upside down, ...), so that one can see how well the method finds them. For your own class, change one variable.

# %%
SUBMITTED = None           # your class: "submitted", or wherever the folder with a folder for each student is
RUN = "text-taste"         # which labels: the run of lesson 10
LEAVE_OUT = []             # names of students whose labels should not count

# %%
import tempfile
from pathlib import Path

import numpy as np
import torch

from course_lib import budget, expect
from course_lib.classroom import annotators_of_class as together
from course_lib.classroom import class_labels, synthetic_class
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.human_ratings import rated_texts
from course_lib.show import class_plots as plots
from course_lib.show import palette
from course_lib.show.figures import show

palette.style()
torch.set_num_threads(1)
folder = Path(tempfile.mkdtemp(prefix="class-"))
train = rated_texts("train")
synthetic = SUBMITTED is None
kinds = synthetic_class.write(folder / "submitted", train) if synthetic else {}
submitted = folder / "submitted" if synthetic else Path(SUBMITTED)

# %% [markdown]
# ## 1 Which files can be used
#
# A file from a student is foreign. Each is copied and checked whole before anything of it is used: tables, every row, every text, every seal of
# an answer. A file that is not sound is left out and named with the reason; the others go on. Of a file only the student's own labels count.
# (In the synthetic class one file was cut off on its way, on purpose.)

# %% tags=["this-machine"]
store = PreferenceStore(folder / "class.sqlite")
collected = class_labels.collect(class_labels.find(submitted), RUN, store, source="scripted" if synthetic else "human")
for path, why in collected.refused.items():
    print(f"Left out: {path.parent.name}. {why}")
for note in collected.notes:
    print("Look at", note)

# %%
table = together.label_table(store, RUN, leave_out=LEAVE_OUT)
print(f"{'Synthetic' if synthetic else 'Your'} class: {len(table)} labels of {len(table.students)} students, "
      f"{len(table.pair.unique())} pairs, {len(table.items)} items; files left out: {len(collected.refused)}")
print("runs in the files, and how many students have labels in each:", dict(collected.runs))
if synthetic:
    expect(len(collected.refused) == 1 and len(table.students) == 24, "the broken file alone was left out",
           measured=f"{len(collected.refused)} file, {len(table.students)} students")

# %% [markdown]
# ## 2 One fit for the items and for the students
#
# The Bradley–Terry model of lesson 03 takes every label for equally good. Here each student $k$ has two numbers beside it: how often they report
# faithfully when the left side is better, $l_k$, and when the right side is, $r_k$:
#
# $$P(k \text{ says left}) = l_k\,\sigma(s_{\text{left}} - s_{\text{right}}) + (1 - r_k)\,\sigma(s_{\text{right}} - s_{\text{left}})$$
#
# Their mean is the **reliability** (1 careful, ½ at random, 0 upside down), their difference the **position bias**. The score $s$ of a text is a
# weighted sum of what a frozen language model knows of it (lesson 10), so it is one reward model for the whole class. The method is one file,
# `course_lib/preferences/annotators.py`.

# %%
from course_lib.lm.features import features, load_reduced

shipped = load_reduced()
known = {text.text: text for text in train}
texts = [item.text for item in table.items]
if all(text in known for text in texts):
    rows = shipped.of([known[text] for text in texts])
else:                                                     # texts of other lessons: the frozen model reads them now
    rows = shipped.reduction.reduce(features(texts))
fit = table.fit(rows)
order = fit.reliability.argsort(descending=True).tolist()
odd = together.outliers(table, fit)

# %% [markdown]
# ## 3 Who agrees with whom
#
# Each square is the share of the pairs that two students both labelled on which they said the same. Two who guess agree on half of their pairs.

# %%
from course_lib.labels.statistics import agreement_matrix, agreement_of

said = {(table.students[k], pair): (mu if left < right else 1 - mu) for k, pair, left, right, mu in zip(
    table.student.tolist(), table.pair.tolist(), table.left.tolist(), table.right.tolist(), table.said_left.tolist())}
matrix, whole = agreement_matrix(said), agreement_of(said)
off = ~np.eye(len(table.students), dtype=bool)
shared = matrix.shared[off]
alpha = "undefined" if whole.alpha is None else f"{whole.alpha:.2f}"
print(f"two students share {shared.min()} to {shared.max()} pairs, {np.median(shared):.0f} in the middle")
print(f"{whole.pairs} pairs labelled by several; Krippendorff's alpha {alpha} (1: all the same, 0: as chance gives)")
mean_kappa = np.array([np.nanmean(row[keep]) if np.isfinite(row[keep]).any() else np.nan
                       for row, keep in zip(matrix.kappa, off)])
top, bottom = order[: len(order) // 2], order[-3:]
title = "The least reliable students, at the bottom, agree least with the others" if synthetic else "Agreement of each two students"
show(plots.agreement(matrix.same, matrix.shared, matrix.labelers, order, title),
     alt=f"A square for each two of {len(order)} students, ordered by reliability. Mean kappa with the others: "
         f"{np.nanmean(mean_kappa[top]):.2f} in the upper half, {np.nanmean(mean_kappa[bottom]):.2f} for the last three.")

# %%
if synthetic:
    expect(np.nanmean(mean_kappa[top]) > np.nanmean(mean_kappa[bottom]) + 0.2,
           "reliable students agree with the others far more than the last three do",
           measured=f"mean kappa {np.nanmean(mean_kappa[top]):.2f} against {np.nanmean(mean_kappa[bottom]):.2f}")

# %% [markdown]
# ## 4 Whose answers are unusual
#
# Sides are drawn at random for each question, so somebody who reads says "left" about half of the time. A student is named below when the whole
# 95% interval of the reliability is low, when one side has too many answers to be chance, or when half of the answers came faster than one can
# read. It is a reason to talk with somebody, no proof: a student with another taste looks unreliable, too.

# %%
title = "Upside down and one-sided answers stand apart; some guessing does not" if synthetic else "Reliability of each student"
show(plots.reliabilities(table.students, fit.reliability.tolist(), fit.reliability_error.tolist(), list(odd), order, title),
     alt=f"Reliability of {len(order)} students with 95% intervals, from {fit.reliability.max():.2f} down to "
         f"{fit.reliability.min():.2f}; {len(odd)} are marked: {', '.join(odd) or 'none'}.")
for name, words in odd.items():
    print(f"{name}: {'; '.join(words)}" + (f"   (this synthetic student: {kinds[name]})" if synthetic else ""))
missed = [name for name, kind in kinds.items() if kind in ("always left", "upside down", "at random")
          or "0.3 s" in kind if name not in odd]
if synthetic:
    print("not named, though they should be:", {name: kinds[name] for name in missed} or "nobody")
    named = {kinds[name] for name in odd}
    expect({"always left", "upside down", "at random, in 0.3 s each"} <= named,
           "those who answer always left, upside down or in 0.3 s each are named", measured=sorted(named))
    careful = [name for name in odd if kinds[name] == "careful"]
    expect(not careful, "no careful student is named", measured=careful or "none")

# %% [markdown]
# Forty labels say little about one person: an interval is about 0.2 wide, and some of those who answer at random are lucky. The reward model does
# not need a decision about anybody. It gives each label the weight that its student has earned.
#
# ## 5 One reward model from all
#
# How much does each further student add? We hold out a quarter of the pairs, draw some students, fit a reward model to their labels on the
# other pairs, and predict the held-out ones: what the whole class says of them, each label weighted by its student's reliability. Once with
# annotator effects, once with everybody trusted alike.

# %%
sizes = sorted({size for size in (1, 2, 4, 8, 16, 24, 48, 96, 192) if size < len(table.students)} | {len(table.students)})
curve = together.accuracy_curve(table, rows, sizes, draws=budget(full=40, ci=6))
for point in curve:
    low, high = np.percentile(point.annotators, [10, 90])
    print(f"{point.students:4} students: {np.mean(point.annotators):.1%} (8 of 10 draws {low:.0%} to {high:.0%}); "
          f"everybody trusted alike {np.mean(point.equal_trust):.1%}")
title = "More students, better predictions; knowing whom to trust adds to it" if synthetic else "Accuracy by number of students"
show(plots.accuracy_by_students(sizes, {"with annotator effects": [point.annotators for point in curve],
                                        "everybody trusted alike": [point.equal_trust for point in curve]}, title),
     alt=f"Accuracy on held-out pairs, with annotator effects from {np.mean(curve[0].annotators):.0%} with {sizes[0]} "
         f"to {np.mean(curve[-1].annotators):.0%} with {sizes[-1]} students; trusting everybody alike ends at "
         f"{np.mean(curve[-1].equal_trust):.0%}. Bands hold 8 of 10 draws.")

# %%
if synthetic:
    expect(np.mean(curve[-1].annotators) > np.mean(curve[0].annotators) + 0.08,
           "the whole class predicts held-out pairs better than one student",
           measured=f"{np.mean(curve[-1].annotators):.3f} against {np.mean(curve[0].annotators):.3f}")
    expect(np.mean(curve[-1].annotators) > np.mean(curve[-1].equal_trust),
           "annotator effects are better than trusting everybody alike",
           measured=f"{np.mean(curve[-1].annotators):.3f} against {np.mean(curve[-1].equal_trust):.3f}")

# %% [markdown]
# In lesson 10 everybody labels *the same* 30 pairs. Such a class gets a full agreement matrix, and a curve that soon stays flat: further students
# make the same 30 labels cleaner, and only other pairs would say something new. The synthetic class labels 12 pairs together and draws 28
# of 150 others for each student.
#
# Last, a test on other people: the 6,000 preferences of lesson 10, about texts that nobody here has labelled.

# %%
from course_lib.preferences.evaluation import pair_accuracy
from course_lib.preferences.human_ratings import evaluation_comparisons

test_texts, test_pairs = evaluation_comparisons("test")
unseen = shipped.of(test_texts)
alike = table.fit(rows, equal_trust=True)
print(f"accuracy on 6,000 preferences of other people: {pair_accuracy(fit.scores(unseen), test_pairs):.1%}, "
      f"with everybody trusted alike {pair_accuracy(alike.scores(unseen), test_pairs):.1%}")

# %% [markdown]
# To keep the class's labels as one label file: `course classroom labels ../my_class/submitted --run text-taste --out class.sqlite`; then
# `course labels --file class.sqlite stats` and `export` work on it.
