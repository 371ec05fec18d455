# %% [markdown]
# # Lesson 00. Start here
#
# **Goals.** Know whether this course is for you; see the way ahead; check your machine; meet an exercise; label your first ten
# pairs and see what a reward model makes of them.
#
# **Time.** 30 minutes to read and run, 15 for the exercises. **Builds on** Python; the self-test below says how much.
#
# ## 0.1 What is this about?
#
# An agent learns by reward: it does more of what pays. For a game the reward is the score. But what is the score of a good
# joke, a safe lane change, a helpful answer? Nobody can write it down. People *can* look at two attempts and say which is better.
#
# This course takes you from there all the way: you will say which is better, with your own hands, in a notebook cell; fit a model of
# your taste; and train agents and language models on it. You write every algorithm yourself. This is how assistants such as
# ChatGPT and Claude learn to be helpful; it is called *reinforcement learning from human feedback*, RLHF.
#
# Everything runs on this computer, without an account and without the internet. Press **Shift+Enter** to run a cell and go on to
# the next.

# %%
from course_lib import board
from course_lib.course_map import show_map

show_map()

# %% [markdown]
# **The essential path** is the third column; it leaves the optional exercises for another day. Lessons 01 and 02 lead to 04, 06 and 07;
# lesson 03 leads to everything. In a hurry to reach language models? 00, 01, 02, 03, 08, 09, 10, 11.
#
# ## 0.2 Is it for you?
#
# You should know Python, have used numpy, and have met a neural network once. Ten questions; open each to compare. **Eight or more:**
# go on. **Five to seven:** go on, and read the pointers when you stumble. **Fewer:** spend a weekend with the pointers first.
#
# <details><summary>1. What is <code>[x * x for x in range(4) if x != 2]</code>?</summary>
# <code>[0, 1, 9]</code>. Not sure? The Python tutorial, chapter 5, list comprehensions.</details>
#
# <details><summary>2. A function says <code>yield</code> where you expected <code>return</code>. What does calling it give?</summary>
# A generator: nothing runs until you ask it for values. Python tutorial, chapter 9.9.</details>
#
# <details><summary>3. <code>a</code> has the shape (3, 1) and <code>b</code> the shape (4,). What is the shape of <code>a + b</code>?</summary>
# (3, 4), by broadcasting. NumPy's user guide, “Broadcasting”.</details>
#
# <details><summary>4. What does <code>x[x &gt; 0].mean()</code> compute?</summary>
# The mean of the positive entries. NumPy's quickstart, “Indexing with boolean arrays”.</details>
#
# <details><summary>5. A coin shows heads with probability p. How surprising is a head, in nats?</summary>
# −log p: 0 for a sure thing, larger the rarer it is. Lesson 03 uses nothing else.</details>
#
# <details><summary>6. A bet pays 10 with probability 0.2 and costs 1 otherwise. What does it earn on average?</summary>
# 0.2 × 10 − 0.8 × 1 = 1.2, its expected value. Any introduction to probability.</details>
#
# <details><summary>7. What does the sigmoid of 0 give, and where does it go for large numbers?</summary>
# 0.5; it approaches 1. It turns any number into a probability.</details>
#
# <details><summary>8. A loss falls when a weight grows. Which sign has its gradient, and what does gradient descent do?</summary>
# Negative; it makes the weight larger. PyTorch's “Learn the Basics”, “Optimizing Model Parameters”.</details>
#
# <details><summary>9. Which three lines of a PyTorch training step come after computing the loss?</summary>
# <code>optimizer.zero_grad()</code>, <code>loss.backward()</code>, <code>optimizer.step()</code>. Same tutorial.</details>
#
# <details><summary>10. Training loss falls, validation loss rises. What is happening?</summary>
# Overfitting: the model learns its examples by heart. PyTorch's “Learn the Basics”, or any course on machine learning.</details>
#
# ## 0.3 Your machine
#
# Each row says whether something the course needs is in order, and what to do if not. In a terminal, `course doctor` prints the same.

# %% tags=["this-machine"]
from course_lib import doctor

print(doctor.table(doctor.findings()))

# %% [markdown]
# ## 0.4 How exercises work
#
# Each lesson has three notebooks of the same name: the **lesson**, which you are reading; its **exercises**, where you write; and its
# **solutions**. When a lesson says "now do exercise 03.1", open it, write, run the check, and come back.
#
# - A check calls your function and says what it called, what it expected and what came, with the likely mistake.
# - After two misses it offers a hint; `hint("03.1")` asks for one at once. Hints cost nothing.
# - When a check passes, your function is saved, and from then on **the lesson runs your code**: your loss fits the reward model,
#   your PPO trains the agent. Until then it runs the course's, and says which.
# - Everything of yours lies in the folder `my_work`. A new version of the course never touches it; `course update` puts changed
#   lessons beside yours. To start an exercise afresh: `course reset 03.1` in a terminal; your old code is kept.
#
# **Now do the [exercises of lesson 00](../exercises/00_start_here.ipynb)**; they take a quarter of an hour. Then come back.
#
# ## 0.5 A reward model of your own taste
#
# Ten requests, two replies each, written for this course. Which reply would you rather get? Press **←** or **→**, or click;
# **e** for equally good, **s** to skip, **u** to undo. There is no right answer: it is your taste that we are after. Your answers are
# kept when you close the notebook. (Should a box say "model not found" when you come back: run the cell again, and there they are.)

# %%
from course_lib.labels import Labeler
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.first_labels import FEATURES, PAIRS, fit_reply_reward

store = PreferenceStore()
for pair in PAIRS:
    store.add_pair(store.add_text(pair.first), store.add_text(pair.second), run="first-taste",
                   prompt=pair.prompt)

def likes_examples(left, right):
    """Answers where nobody sits in front of this notebook: examples please, then brevity."""
    a, b = ((("for example" in item.text.lower()), -len(item.text)) for item in (left, right))
    return "left" if a > b else "right"

labeler = Labeler(store, run="first-taste", target=10, repeats=0, synthetic=likes_examples,
                  title="Which reply would you rather get?")
labeler

# %% [markdown]
# Done? Then let us see what your clicks say. A reward model sees three things about a reply: how long it is, whether it speaks to you, and
# whether it gives an example. Your verdicts fit one weight for each, all but the last three: those wait, unseen.

# %%
preferences = [(one.text, two.text, mu) for one, two, mu in labeler.require(10)]
seen, unseen = preferences[:-3], preferences[-3:]
reward_model = fit_reply_reward(seen)
for feature, weight in zip(FEATURES, reward_model.weights.tolist()):
    feeling = "liked" if weight > 0 else "disliked"
    print(f"{feature:18s} {weight:+.2f}  {'█' * round(8 * abs(weight))} {feeling}")

# %% [markdown]
# Now the test. These pairs the model has never seen. What does it think you preferred?

# %%
for first, second, mu in unseen:
    said = {1.0: "the first", 0.0: "the second", 0.5: "neither"}[mu]
    likely = reward_model.probability(first, second)
    print(f"model: first preferred with {likely:.0%}; you preferred {said}")

# %% [markdown]
# Three numbers from seven clicks: of course it errs. But look at what happened. You never wrote down a rule; you compared. And now there
# is a *function* that can score a reply you have never seen, and a machine can be trained to please it.
#
# > **Think.** What would a machine write that is paid by *this* function? (One feature is the length. Nothing says when to stop.)

# %%
reply = "For example, you " + "really " * 40 + "should."
ordinary = PAIRS[0].first
likely = reward_model.probability(reply, ordinary)
print(f"the model prefers this to an ordinary reply with {likely:.0%}:\n{reply}")

# %% [markdown]
# Whether it fell for this depends on your clicks. Models like it do fall, as soon as something searches for what they like. That is the other
# half of this course.
#
# ## 0.6 Your board
#
# Run this cell whenever you like; `course progress` in a terminal prints the same.

# %%
board()

# %% [markdown]
# ## What you learned
#
# - An agent does what is paid. For most things worth doing nobody can write the pay down; people can compare.
# - A check tells you what it called and what it expected; your passing function runs in the lesson.
# - Comparisons make a reward model, and a reward model can be fooled.
#
# **What failed:** seven clicks are too few to know a taste, and three features are too few to hold one. Lesson 03 measures how
# many clicks buy how much.
#
# **Further reading.** P. Christiano et al. (2017), *Deep reinforcement learning from human preferences*, where most of this began. L. Ouyang et al.
# (2022), *Training language models to follow instructions with human feedback*, where it met language models.
#
# **Next:** [lesson 01](01_rl_basics.ipynb) for rewards and agents; or [lesson 03](03_bradley_terry.ipynb), if models of human taste draw you more.
