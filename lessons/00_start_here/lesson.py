# %% [markdown]
# # Lesson 00. Start here
#
# **Goals.** Know whether this course is for you; see the way ahead; check your machine; meet an exercise; label your
# first ten pairs and see what a reward model learns from them.
#
# **Time.** 30 minutes to read and run, 15 for the exercises. **Builds on** Python; the self-test below says how much.
#
# ## 0.1 What is this about?
#
# ![Left: two clips of a one-legged robot side by side in a notebook cell, waiting for a label. Right: the same robot leans back, turns over in the air and lands, again and again](../assets/pictures/label_and_flip.webp)
#
# *Left: two clips and one question, which looks more like a backflip? Right: what a robot learned from 100 answers
# (lesson 05; here a synthetic labeler, a program, gave the answers).*
#
# In **reinforcement learning** an agent learns from **rewards**: numbers that say how well it does. In a game the score
# can be the reward. But what number should a backflip get, or a joke, or a helpful answer? Nobody can write that down
# as a formula. People *can* look at two attempts and say which is better.
#
# This course starts there. You will compare clips and texts in a notebook cell, fit a **reward model** to your answers,
# and train agents and language models on it. You write every algorithm yourself. The method is called **reinforcement
# learning from human feedback**, **RLHF** (Christiano et al. 2017). It is one of the steps that made language models
# follow instructions (Ouyang et al. 2022).
#
# Everything runs on this computer, without an account and without the internet. Press **Shift+Enter** to run a cell and
# go on to the next.

# %%
from course_lib.show.figures import show
from course_lib.show.schematics import feedback_loop

show(feedback_loop(), alt="A loop. A policy, an agent or a language model, makes two clips or "
     "two texts; you say which is better; a reward model is fitted to these preferences; its "
     "rewards train the policy by reinforcement learning. Under each box stand its lessons.")

# %%
from course_lib import board
from course_lib.course_map import show_map

show_map()

# %% [markdown]
# **The essential path** is the third column; it leaves the optional exercises for another day. The agents of lessons 04
# to 07 need 01 to 03; each lesson says at its top what it builds on. In a hurry to reach language models? 00, 01, 02, 03,
# 08, 09, 10, 11.
#
# A word you do not know? The [glossary](glossary.ipynb) lists the terms of the course, each with its symbol and the
# lesson that introduces it.
#
# ## 0.2 Is it for you?
#
# You should know Python, have used numpy, and have met a neural network once. Ten questions; open each to compare.
# **Eight or more:** go on. **Five to seven:** go on, and read the pointers when you need them. **Fewer:** spend a
# weekend with the pointers first.
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
# <details><summary>5. A model says that a coin shows heads with probability p. It shows heads. What is the negative log-likelihood, in nats?</summary>
# −log p: 0 if the model was certain, larger the less probable heads was. The loss of lesson 03 is a mean of such
# terms.</details>
#
# <details><summary>6. A bet wins 10 with probability 0.2 and loses 1 otherwise. What is its expected value?</summary>
# 0.2 × 10 − 0.8 × 1 = 1.2. Any introduction to probability.</details>
#
# <details><summary>7. What is the sigmoid of 0, and where does it go for large numbers?</summary>
# 0.5; it approaches 1. It turns any number into a probability.</details>
#
# <details><summary>8. A loss falls when a weight grows. Which sign has its gradient, and what does gradient descent do?</summary>
# Negative; it makes the weight larger. PyTorch's “Learn the Basics”, “Optimizing Model Parameters”.</details>
#
# <details><summary>9. Which three lines of a PyTorch training step come after computing the loss?</summary>
# <code>optimizer.zero_grad()</code>, <code>loss.backward()</code>, <code>optimizer.step()</code>. Same tutorial.</details>
#
# <details><summary>10. Training loss falls, validation loss rises. What is happening?</summary>
# Overfitting: the model memorizes its examples. PyTorch's “Learn the Basics”, or any course on machine
# learning.</details>
#
# ## 0.3 Your machine
#
# Each row says whether something the course needs is in order, and what to do if not. In a terminal, `course doctor`
# prints the same.

# %% tags=["this-machine"]
from course_lib import doctor

print(doctor.table(doctor.findings()))

# %% [markdown]
# ## 0.4 How exercises work
#
# Each lesson has three notebooks of the same name: the **lesson**, which you are reading; its **exercises**, where you
# write; and its **solutions**. When a lesson says "now do exercise 03.1", open it, write, run the check, and come back.
#
# - A check calls your function and says what it called, what it expected and what it got, with the likely mistake.
# - After two misses it offers a hint; `hint("03.1")` asks for one at once. Hints cost no points.
# - When a check passes, your function is saved, and from then on **the lesson runs your code**: your loss fits the
#   reward model, your PPO trains the agent. Until then it runs the course's, and says which.
# - Everything of yours lies in the folder `my_work`. A new version of the course never touches it; `course update` puts
#   changed lessons beside yours. To start an exercise afresh: `course reset 03.1` in a terminal; your old code is kept.
#
# **Now do the [exercises of lesson 00](../exercises/00_start_here.ipynb)**; they take a quarter of an hour. Then
# come back.
#
# ## 0.5 A reward model of your own preferences
#
# Ten **prompts**, two replies each, written for this course. Which reply would you rather get? Press **←** or **→**, or
# click; **e** for equally good, **s** to skip, **u** to undo. There is no right answer; what counts is what you prefer.
# Each answer except a skip is a **label**. Your labels are kept when you close the notebook. (Should a box say "model not found" when
# you come back: run the cell again, and there they are.)

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
# Done? Then let us see what your labels say. This reward model sees three **features** of a reply: how long it is,
# whether it speaks to you, and whether it gives an example. It fits one weight for each of them to your labels. The
# last three labels are **held out**: the model does not see them.

# %%
preferences = [(one.text, two.text, mu) for one, two, mu in labeler.require(10)]
seen, unseen = preferences[:-3], preferences[-3:]
reward_model = fit_reply_reward(seen)
for feature, weight in zip(FEATURES, reward_model.weights.tolist()):
    feeling = "liked" if weight > 0 else "disliked"
    print(f"{feature:18s} {weight:+.2f}  {'█' * round(8 * abs(weight))} {feeling}")

# %% [markdown]
# Now the test, on the three held-out pairs. Which reply does the model expect you to prefer?

# %%
for first, second, mu in unseen:
    said = {1.0: "the first", 0.0: "the second", 0.5: "neither"}[mu]
    likely = reward_model.probability(first, second)
    print(f"model: first preferred with {likely:.0%}; you preferred {said}")

# %% [markdown]
# Three weights from seven labels: such a model is often wrong, and three pairs are too few to say how often. But look at
# what happened. You never wrote down a rule; you compared. Now there is a *function* that scores a reply it has never seen, and a language model can be trained to
# get high scores from it.
#
# > **Predict.** What would a language model write that is rewarded by *this* function? (One feature is the length.
# > Nothing says when to stop.)

# %%
reply = "For example, you " + "really " * 40 + "should."
ordinary = PAIRS[0].first
likely = reward_model.probability(reply, ordinary)
print(f"the model prefers this to an ordinary reply with {likely:.0%}:\n{reply}")

# %% [markdown]
# Whether the model prefers this reply depends on your labels. If it does, you have seen **reward hacking**: a high
# score for something that nobody wanted. Training searches for high scores, so it finds such replies. That is the other
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
# - An agent learns whatever is rewarded. For most things worth doing nobody can write the reward down, but people can
#   compare.
# - A check tells you what it called and what it expected; your passing function runs in the lesson.
# - A reward model is fitted to comparisons, and it can be fooled.
#
# **What failed:** seven labels are too few to know what somebody prefers, and three features are too few to describe
# it. Lesson 03 measures how accuracy grows with the number of labels.
#
# **Further reading.** A. Wilson, A. Fern and P. Tadepalli (2012), *A Bayesian approach for policy learning from
# trajectory preference queries*, an early work on learning from compared trajectories. P. Christiano et al. (2017),
# *Deep reinforcement learning from human preferences*, which brought the idea to deep networks and Atari. L. Ouyang et
# al. (2022), *Training language models to follow instructions with human feedback*, on language models.
#
# **Next:** [lesson 01](01_rl_basics.ipynb) for rewards and agents; or [lesson 03](03_bradley_terry.ipynb), if you
# would rather begin with reward models.
