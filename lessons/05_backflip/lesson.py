# %% [markdown]
# # Lesson 05. A backflip from your clicks
#
# **Goals.** Teach a robot, with your preferences alone, something that is hard to write a reward for. Know what is different when actions are
# real numbers; see a written reward go wrong; look at what the reward model learned; then teach a behaviour of your own.
#
# **Time.** About 75 minutes to read, run and label, 60 minutes for the exercises; the essential part takes 80 minutes in all. The cells use
# about four CPU-minutes. **Builds on** lessons 02 and 04.
#
# You can stop at any moment. Later, run the cells again from the top: what is done is skipped, and everything continues where it
# stopped.

# %%
import math

import numpy as np
import torch

from course_lib import budget, expect, mine
from course_lib.hopper.shipped import FROM_LABELS, PITCH_RATE, load_shipped, show_stored_film
from course_lib.paths import my_work
from course_lib.show import hopper_plots as plots
from course_lib.show import palette
from course_lib.show.figures import show
from course_lib.show.training_view import watch
from course_lib.show.video import side_by_side, video

palette.style()
torch.set_num_threads(1)
show_stored_film(FROM_LABELS["backflip"],
                 alt="A one-legged robot leans back, throws its leg over its head, turns over "
                     "in the air, and does it again.")

# %% [markdown]
# This robot was trained with 100 answers to the question "which clip looks more like a backflip?" (here a synthetic labeler's). The film is
# stored with the course; at the end of this lesson you have one of your own.
#
# The backflip is the best-known result of Christiano et al. (2017), *Deep reinforcement learning from human preferences*. They taught the same
# robot with 900 comparisons, in less than an hour of a person's time (their section 3.2).
#
# ## 5.1 A robot without a goal
#
# The **hopper** is one of MuJoCo's classics (a physics engine for robots): torso, thigh, leg and foot in a vertical plane, with a motor at
# each of three joints. In Gymnasium it is rewarded for hopping forwards. Ours has no reward at all, and no terminal states: every episode is
# truncated after three seconds, whatever the hopper does. Here it acts at random:

# %%
from course_lib.hopper.task import HopperTask, film, hopper_config, perform

task = HopperTask()
random_agent = perform(task.network(seed=0), seconds=3, hoppers=2)
video(random_agent.film(), fps=25, width=240, max_bytes=40_000,
      alt="The untrained hopper hardly moves its motors; it tips over and lies on the floor.")
print("observation, (12,):", np.array2string(random_agent.states[10, 0], precision=2))

# %% [markdown]
# Twelve numbers: the torso's height, the sine and cosine of its **pitch** (the lean; positive is forwards), three joint angles, and six
# velocities. The angle itself would grow with every flip; its sine and cosine are the same before and after.
#
# ## 5.2 Actions that are real numbers
#
# CartPole's actions are discrete. A motor takes any torque from -1 to 1, so the policy is a **Gaussian**: the network outputs a
# mean $\mu$ for each motor, the action is sampled around it, and the standard deviation $\sigma$ is a parameter of its own, one number a motor.

# %%
network = task.network(seed=0)
obs = torch.from_numpy(random_agent.states[0])                # (hoppers, 12)
policy = network.distribution(obs)
actions = policy.sample(torch.Generator().manual_seed(0))     # (hoppers, 3)
print("mean:        ", [round(x, 3) for x in policy.mean[0].tolist()])
print("std:         ", policy.log_std.exp().tolist())
print("sampled:     ", [round(x, 2) for x in actions[0].tolist()])
print(f"log-density:  {policy.log_prob(actions)[0]:.2f} nats")

# %% [markdown]
# PPO stays the same: where it had a log-probability it takes the **log-density** of the sampled action, and the ratio of the new density to the
# old one. **Do [exercise 05.1](../exercises/05_backflip.ipynb)** now; here is yours, or the course's, on the same actions. A torque above 1 is
# clipped by the environment. The other usual way, squashing with tanh, is [exercise 05.2](../exercises/05_backflip.ipynb).

# %%
log_prob = mine("05.1")
ours = log_prob(actions, policy.mean, policy.log_std)
expect(torch.allclose(ours, policy.log_prob(actions), atol=1e-5),
       "the log-densities of three motors add up to the action's",
       measured=(ours - policy.log_prob(actions)).abs().max().item())

# %% [markdown]
# The hopper acts 50 times a second. How this and a discount of 0.99 are related is [exercise 05.3](../exercises/05_backflip.ipynb).
#
# ## 5.3 First, try to write the reward
#
# A backflip is a turn backwards. So let the reward of a step be how far the torso turned backwards in it. (**Do
# [exercise 05.5](../exercises/05_backflip.ipynb)**: find a silent bug in it.)
#
# > **Predict.** What will an agent do that is rewarded for turning backwards, and for nothing else?
#
# Change the reward as you like. Training takes about half a CPU-minute.

# %%
from course_lib.hopper.environment import COS_PITCH, HEIGHT, SIN_PITCH, VectorHopper
from course_lib.rl.ppo import PPO, PPOConfig

turned_backwards = mine("05.5")


def my_reward(obs, next_obs):
    """The reward of each step, (T, N). obs, next_obs: (T, N, 12)."""
    return turned_backwards(obs[..., SIN_PITCH], obs[..., COS_PITCH],
                            next_obs[..., SIN_PITCH], next_obs[..., COS_PITCH])


written = PPO(VectorHopper(16), task.network(seed=0),
              PPOConfig(num_steps=256, epochs=6, learning_rate=7e-4, entropy_coefficient=0.0,
                        total_steps=budget(full=200_000, ci=8_192)),
              reward_function=lambda rollout: my_reward(rollout.obs, rollout.next_obs()))
watch(written.train(), curves=("mean_reward", "entropy"), past=written.history,
      total=written.config.total_steps)

# %%
rolling = perform(written.network)
video(rolling.film(), fps=25, width=240, max_bytes=50_000,
      alt="What the hopper does that was trained on the written reward.")
print(f"{rolling.mean_turns:.1f} turns backwards in 6 seconds; the torso is on the floor "
      f"for {rolling.floor_share:.0%} of the time")

# %% [markdown]
# And an agent that was trained a little longer on the pitch rate, stored with the course:

# %%
stored = load_shipped(PITCH_RATE)
wheel = perform(stored.agent)
video(wheel.film(), fps=25, width=240, max_bytes=50_000,
      alt="The stored agent turns over again and again, low over the floor, on its head and its back.")
expect(wheel.mean_turns > 3 and wheel.floor_share > 0.3,
       "rewarded for turning alone, it turns a lot, and much of that on the floor",
       measured=f"{wheel.mean_turns:.1f} turns, {wheel.floor_share:.0%} on the floor")

# %% [markdown]
# It does what is rewarded: it turns. The reward does not say *how* it should turn, and the stored agent spends much of its time low on the
# floor, on its head and its back; yours may be better or worse. One could continue with reward shaping (lesson 01): add height, subtract contact with the
# floor, weight the terms, train, look, weight again. But you recognize a good backflip when you see one. So let us use that instead of a formula.
#
# ## 5.4 Before the first label: explore
#
# Soon you will compare clips. But the clips of an untrained agent are all alike: it tips over and lies there. Labels of clips that are alike say
# little: they only teach which way of falling is best.
#
# Lee, Smith and Abbeel (2021, *PEBBLE*, section 4.1) proposed a remedy: **unsupervised pre-training**. Before anyone labels anything, the agent learns
# to reach states that are *unlike the others* it meets. The reward of a state is its distance to its nearest neighbours, an **intrinsic
# reward** that estimates the entropy of the visited states. No preference enters it.

# %%
from course_lib.preferences.exploration import explore, novelty

states = torch.from_numpy(random_agent.states).flatten(0, 1)  # (steps * hoppers, 12)
rewards = novelty(states, states)                             # (steps * hoppers,)
print(f"novelty of the untrained agent's states: {rewards.min():.2f} to {rewards.max():.2f}")

curious = task.network(seed=1)
explore(VectorHopper(16), curious, hopper_config().ppo, updates=budget(full=10, ci=1))
tries = perform(curious, seconds=3, hoppers=2)
video(side_by_side([random_agent.film(width=200), tries.film(width=200)],
                   ["untrained", "after exploring"]), fps=25, width=420, max_bytes=50_000,
      alt="Left the untrained hopper, which tips over; right the one that explored: it throws "
          "itself about.")

# %% [markdown]
# It moves a lot: some clips turn, some jump, some roll. Now the clips differ.
#
# ## 5.5 Label: which clip looks more like a backflip?
#
# The loop is that of lesson 04: collect, label, fit, train. What differs is the task: the agent explores before the first
# round; clips last 1.5 seconds and lie inside episodes ([**exercise 05.4**](../exercises/05_backflip.ipynb) cuts them); truncated episodes
# bootstrap from the critic (lesson 02), since none terminates; and the reward model reads six of the twelve numbers, those of the torso.
# There are five rounds of 20 pairs.
#
# Some advice (the synthetic labeler follows it too):
#
# - **any turn backwards beats none**, even a fall on its back: the first labels must show the direction;
# - later, a turn in the air beats a turn on the floor, and a high torso a low one;
# - clips that are nearly alike are *equal*; a clip that you cannot read, *skip*.

# %%
from course_lib.hopper.labelers import hopper_labeler
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.loop import PreferenceLoop

store = PreferenceStore()                                     # your labels: my_work/labels
config = hopper_config(labels=(20,) * 5,
                       updates=budget(full=(10, 12, 14, 18, 26), ci=(1, 1, 1, 1, 2)), seed=1,
                       exploration_updates=budget(full=10, ci=1))
loop = PreferenceLoop(HopperTask(clip_starts=mine("05.4")), store,
                      my_work() / "checkpoints" / "05-backflip", run="backflip", config=config)


def next_round(loop, round, synthetic):
    """Collect clips and show the labeller."""
    loop.collect(round=round)
    return loop.labeler(synthetic, round=round)


labeler = next_round(loop, 1, hopper_labeler("backflip"))
labeler

# %% [markdown]
# After your labels the reward model is fitted and PPO trains for a while. Then you see your agent before and after, and read what changed.

# %%
def learn(loop, labeler, round):
    """Take the labels, fit, train; then show the agent before and after."""
    loop.label(labeler.require(), round=round)
    fit = loop.fit(round=round)
    watch(loop.train(round), curves=("mean_reward", "entropy"), past=loop.ppo.history,
          total=loop.ppo.config.total_steps)
    before, after = (perform(loop.agent(number)) for number in (round - 1, round))
    video(side_by_side([before.film(width=200)[:100], after.film(width=200)[:100]],
                       ["before", f"after round {round}"]), fps=25, width=420, max_bytes=45_000,
          alt=f"The agent before and after round {round}, side by side, for 4 seconds.")
    print(f"The reward model agrees with {fit.accuracy:.0%} of the {fit.pairs - fit.ties} labels that "
          f"prefer a clip.\nAfter round {round} the hopper turns backwards {after.mean_turns:.1f} "
          f"times in 6 seconds (before: {before.mean_turns:.1f}),\nits torso is "
          f"{after.mean_height:.2f} m high on average (before: {before.mean_height:.2f} m).")

learn(loop, labeler, 1)

# %%
labeler = next_round(loop, 2, hopper_labeler("backflip"))
labeler

# %%
learn(loop, labeler, 2)

# %% [markdown]
# **Look before you continue.** Does it lie on the floor? Then prefer whatever gets up or turns. Does it roll? Then prefer what leaves the floor.

# %%
labeler = next_round(loop, 3, hopper_labeler("backflip"))
labeler

# %%
learn(loop, labeler, 3)
labeler = next_round(loop, 4, hopper_labeler("backflip"))
labeler

# %%
learn(loop, labeler, 4)
labeler = next_round(loop, 5, hopper_labeler("backflip"))
labeler

# %%
learn(loop, labeler, 5)
loop

# %% [markdown]
# ## 5.6 Results
#
# Nobody wrote a reward, so there is no true return. The evaluator counts what one can see: 16 fresh hoppers act for six
# seconds, each with the mean of its Gaussian (the greedy action).

# %%
from course_lib.preferences.label_report import not_there_yet

agents = {"before": 0} | {f"after round {number}": number for number in range(1, len(loop.agents))}
shown = {name: perform(loop.agent(number)) for name, number in agents.items()}
for name, hoppers in shown.items():
    print(f"{name:14s} {hoppers.mean_turns:5.1f} turns backwards, torso at {hoppers.mean_height:.2f} m, "
          f"on the floor for {hoppers.floor_share:.0%} of the time")
last = shown[list(shown)[-1]]
reached = last.mean_turns >= 3 and last.mean_height > 0.5
if reached or loop.source == "scripted":
    expect(reached, "100 labels teach the hopper to turn backwards, its torso above half a metre on average",
           ci=loop.fits[-1].accuracy > 0.5,
           measured={"turns": last.mean_turns, "height": last.mean_height})
if not reached:
    print(not_there_yet(loop, "3 turns backwards in 6 seconds, the torso above 0.5 m",
                        f"{last.mean_turns:.1f} turns, {last.mean_height:.2f} m"))

# %% [markdown]
# Compare this with the agent of 5.3, which learned from the written reward. In the stored run the labels did better (6.2 turns against 4.0, 16% of the
# time on the floor against 29%). One run of each cannot show that labels are better than that formula. What they show is that nobody needs the formula: the
# agent never read an angle from anything but the labels. And the labels can go on where the formula ends, at how a flip should *look*.
#
# Now the flip in slow motion, a third of its speed, with the **learned reward** of each moment under it.

# %%
def slow_motion(performance, model, hopper=0, start=0, steps=120):
    """A piece of a performance with the learned reward under it."""
    states = performance.states[start:start + steps, hopper]              # (steps, 12)
    rewards = model.normalized_reward(torch.from_numpy(states)).numpy()   # (steps,)
    return plots.with_curve(film(states, 240, every=1), rewards, "learned reward")

video(slow_motion(last, loop.ensemble), fps=16, width=300, max_bytes=110_000,
      alt="The hopper in slow motion. Below it the learned reward as a curve that is drawn as the "
          "film goes on.")

# %% [markdown]
# When does the curve rise? Compare it with what *you* would say at that moment.
#
# ## 5.7 What has the reward model learned?
#
# It knows nothing of speeds, angles or flips but your labels. Here is its reward for the states that your last agent meets, against the speed at
# which the torso turns backwards there. A reward model that learned "turn backwards" shows a rising cloud.

# %%
from course_lib.hopper.environment import PITCH_RATE as PITCH_RATE_COLUMN
from course_lib.hopper.environment import VELOCITY_SCALE

states = torch.from_numpy(last.states).flatten(0, 1)                      # (steps * hoppers, 12)
backwards = -states[:, PITCH_RATE_COLUMN] / VELOCITY_SCALE                # radians a second
height = states[:, HEIGHT] + 1.25
models = {f"round {number}": loop.reward_model(number) for number in (1, len(loop.models))}
rewards = {name: model.normalized_reward(states) for name, model in models.items()}
show(plots.reward_against_turning(rewards, backwards, height),
     alt="Two scatter plots of the learned reward against the speed of turning backwards, after "
         "the first and after the last round; the colour is the height of the torso.")
for name, reward in rewards.items():
    both = torch.stack([reward, backwards])
    print(f"{name}: correlation with the speed of turning backwards {torch.corrcoef(both)[0, 1]:+.2f}")

# %% [markdown]
# **Where you and the synthetic labeler differ.** Neither is right by definition: it follows a rule, you look.

# %%
from course_lib.preferences.differences import differences
from course_lib.show.pairs import show_pairs

found = differences(loop, hopper_labeler("backflip"))
print(found)
show_pairs(found.differing[:3])

# %% [markdown]
# ### Not there yet? Another round
#
# New labels are about what the agent does *now*, so they can lead further. Set `extra_rounds` to 1 and run the next two cells; when
# that round is done, 2 asks for one more.

# %%
from IPython.display import display

extra_rounds = 0
number = 5 + extra_rounds
if extra_rounds:
    loop.add_round(labels=20, updates=25, round=number)
    labeler = next_round(loop, number, hopper_labeler("backflip"))
    display(labeler)
else:
    print("For 20 pairs more, set extra_rounds = 1 above and run this cell.")

# %%
if extra_rounds:
    learn(loop, labeler, number)

# %% [markdown]
# ## 5.8 Now teach it something else
#
# The code is the same; only the question changes. Three ideas, and stored agents that the synthetic labeler taught with 100 labels each: a flip
# *forwards*; *hop* on the spot, upright, the foot in the air; *bend* forwards by 60 degrees, off the floor, and keep still. Each learned what its
# labeler's rule rewards, which is not always what the rule's author had in mind: look at what hops and what kneels.

# %%
for behaviour in ("front flip", "hop", "bend"):
    print(behaviour)
    show_stored_film(FROM_LABELS[behaviour], alt=f"The hopper taught by labels: {behaviour}.")

# %% [markdown]
# Choose one of them, or something of your own (a headstand? as flat as possible? shuffling backwards?), and label by that alone.
# `behaviour` is the rule that the synthetic labeler follows if you let it finish. Two rounds are enough to see a beginning; `add_round` adds more.

# %%
behaviour = "hop"
my_task = HopperTask(question="Which clip shows more of what YOU want?")
my_config = hopper_config(labels=(20, 20), updates=budget(full=(12, 18), ci=(1, 1)), seed=2,
                          exploration_updates=budget(full=10, ci=1))
my_loop = PreferenceLoop(my_task, store, my_work() / "checkpoints" / "05-mine",
                         run="hopper-mine", config=my_config)
labeler = next_round(my_loop, 1, hopper_labeler(behaviour))
labeler

# %%
learn(my_loop, labeler, 1)
labeler = next_round(my_loop, 2, hopper_labeler(behaviour))
labeler

# %%
learn(my_loop, labeler, 2)

# %% [markdown]
# In the stored run the labels for "hop" have not led far after two rounds: the torso is lower than after the first. The stored film above needed 100.
# Would you go on, or label differently?
#
# ## 5.9 How many labels, and how often does it work?
#
# One film shows that it *can* work. How often it does takes whole runs with other seeds (`benchmarks/backflip.py`); here are the stored
# results. Your [**exercise 05.6**](../exercises/05_backflip.ipynb) gives a **confidence interval** for so few runs.

# %% tags=["nbval-check-output"]
import json

from course_lib.paths import root

wilson_interval = mine("05.6")
jobs = {"200-labels": "200 labels", "100-labels": "100 labels",
        "200-labels-wrong": "200, 10% wrong",
        "no-exploration": "100, unexplored"}
results = {}
for job, name in jobs.items():
    path = root() / "benchmarks" / "results" / f"backflip_{job}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    results[name] = rows
    good = sum(row["turns"] >= 3 and row["height"] > 0.5 for row in rows)
    low, high = wilson_interval(good, len(rows))
    cpu = np.median([row["cpu_s"] for row in rows])
    print(f"{name:22s} {good:2d} of {len(rows):2d} seeds reach the goal (95%: {low:.0%} to {high:.0%}); "
          f"{cpu:.0f} CPU-s")
show(plots.turns_and_heights(results, goal=(3.0, 0.5)),
     alt="Turns backwards in 6 seconds against the mean height of the torso, one point a seed, a "
         "panel for each job; the goal is the upper right corner.")

# %% [markdown]
# **What failed.** Without exploration (the last panel) it often works, but some runs settle on one way of falling. Other failures were seen in single runs
# that are not stored: clips that crossed the end of an episode (exercise 05.4); a labeler that weighted height as much as turning, whose agents
# stood still; the uncertainty penalty of lesson 04, since fast turning is new to all members and the penalty kept the agent away from it; and a wrong
# sign of the pitch, which taught front flips. Look at your films.
#
# ## What you learned
#
# - A policy for continuous actions is a Gaussian; log-densities add up over motors; PPO stays the same.
# - An agent maximizes the reward that is written, not the one that is meant.
# - Clips must differ before labels can say much: explore first.
# - 100 preferences can replace a formula that nobody has; the first ones show the direction, the later ones the style.
# - What the reward model may read is a prior: fewer inputs, fewer spurious correlations.
# - Few runs prove little; say how many, and the interval.
#
# **Further reading.** P. Christiano et al. (2017), section 3.2, "Novel behaviors". E. Todorov, T. Erez and Y. Tassa (2012), *MuJoCo: a physics
# engine for model-based control*. K. Lee, L. Smith and P. Abbeel (2021), *PEBBLE*, on exploring before labels. V. Krakovna et al. (2020), *Specification
# gaming*. Next: [lesson 06](06_atari_ppo.ipynb) goes from twelve numbers to pixels.
