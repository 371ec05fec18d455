# %% [markdown]
# # Lesson 01. What is a reward?
#
# **Goals.** Say what state, observation, action, policy, trajectory, return and discount are, each with a line that runs; balance a pole
# by hand, then let REINFORCE learn it; take a reward that an expert wrote apart, change one line, and see what an agent makes of it.
#
# **Time.** About 65 minutes to read and run, 65 minutes for the exercises; the essential part takes 80 minutes in all. The cells use
# about one CPU-minute. **Builds on** lesson 00.

# %%
import time
from typing import NamedTuple

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
import torch

from course_lib import budget, expect, mine
from course_lib.show import palette
from course_lib.show import rl_plots as plots
from course_lib.show.figures import explore, show
from course_lib.show.video import side_by_side, video

torch.set_num_threads(1)
torch.manual_seed(0)
palette.style()

# %% [markdown]
# ## 1.1 An agent and its world
#
# A pole stands on a cart. Fifty times a second the **agent** sees four numbers, its **observation**, and pushes the cart to the left
# or to the right, its **action**. The world, which is called the **environment**, answers with the next observation and a
# **reward**, one number. That is the whole interface, and it is the same for a pole, a video game and a language model.

# %%
env = gym.make("CartPole-v1")
obs, info = env.reset(seed=0)
print("position, velocity, angle of the pole, angular velocity:")
print("observation:", obs.round(3))

obs, reward, terminated, truncated, info = env.step(1)          # push to the right
print("afterwards: ", obs.round(3))
print(f"reward {reward}; over because the pole fell: {terminated}, because time is up: "
      f"{truncated}")

# %% [markdown]
# The cart moves to the right now, and the pole begins to turn to the left. Each step pays 1 until the pole leans by more than 12 degrees
# or the cart leaves its track; that ends the **episode**. After 500 steps the clock ends it.
#
# What can an agent do? The **action space** says. Some are **discrete**: choose one of $K$. Others are **continuous**: choose real
# numbers, such as how hard to push. The same world can have either.

# %%
worlds = {"CartPole": gym.make("CartPole-v1"), "Pendulum": gym.make("Pendulum-v1"),
          "LunarLander": gym.make("LunarLander-v3"),
          "LunarLander with throttles": gym.make("LunarLander-v3", continuous=True)}
for name, world in worlds.items():
    space = world.action_space
    space.seed(0)
    what = (f"one of {space.n}" if hasattr(space, "n") else
            f"{space.shape[0]} real number(s), {space.low[0]:.0f} to {space.high[0]:.0f}")
    print(f"{name:27s} {what:25s} for instance {np.round(space.sample(), 2)}")

# %% [markdown]
# ## 1.2 A policy is a function
#
# A **policy** says what to do in each situation: a function from an observation to an action. Here is the simplest. It plays twenty
# episodes at once; our copies of CartPole are array arithmetic, tested step for step against Gymnasium's.

# %%
from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.evaluate import evaluate

rng = np.random.default_rng(0)

def at_random(obs):
    """obs: (N, 4) for N carts; returns (N,) pushes."""
    return rng.integers(2, size=len(obs))

played = evaluate(VectorCartPole(20), at_random)
expect(15 < played.mean < 32, "pushing at random keeps the pole up for about half a second",
       measured=f"{played.mean:.1f} steps of 0.02 s")

# %% [markdown]
# **Now do [exercise 01.1](../exercises/01_rl_basics.ipynb)**: write a better policy by hand. The next cell lets *your* policy play as
# soon as its check has passed, and the course's until then. Beside it plays one that looks at the angle alone: it pushes to the side
# to which the pole leans.
#
# > **Predict.** How long will that one last, with 500 steps the most?

# %%
balance = mine("01.1")

def by_hand(obs):
    return np.array([int(balance(cart.tolist())) for cart in obs])

def by_angle_alone(obs):
    return (obs[:, 2] > 0).astype(int)

policies = {"at random": at_random, "the angle alone": by_angle_alone, "by hand": by_hand}
lengths = {name: evaluate(VectorCartPole(20), policy).lengths
           for name, policy in policies.items()}
print({name: float(steps.mean()) for name, steps in lengths.items()}, "steps on average")

# %%
from course_lib.rl.cartpole import render
from course_lib.rl.evaluate import record


def clip(policy, steps=150):
    played = record(gym.make("CartPole-v1"), policy, seed=1, max_steps=steps, frames=False)
    return [render(state) for state in played.obs]

clips = [clip(policy) for policy in policies.values()]
video(side_by_side(clips, list(policies)), fps=50, width=720,
      alt="Three carts with poles. The random one falls within a second. The one that looks "
          "at the angle alone swings wider and wider, then falls. The one by hand stays up.")

# %% [markdown]
# Watch the one in the middle. It always pushes the right way, and yet the pole swings wider each time: when the pole stands upright
# it is still *turning*, and the angle alone does not say so.
#
# ## 1.3 The state, and what one sees of it
#
# The **state** is everything that decides the future. CartPole's four numbers are its state: put the world back into the same four
# numbers, push the same way, and the same thing happens. CartPole is **fully observed**.

# %%
from course_lib.rl.cartpole import step_states

state = np.array([[0.0, 0.0, 0.05, -0.4]])
once, again = step_states(state, np.array([1])), step_states(state, np.array([1]))
expect((once == again).all(), "same state, same action: same next state",
       measured=once[0].round(3).tolist())

# %% [markdown]
# Now hide the two velocities. A pole that stands upright and one that rushes through upright look the same, though they need opposite
# pushes. The world is now **partially observed**, as most worlds are: a single picture of a game has no velocities, a single sentence
# does not say what the speaker knows.
#
# What helps is **memory**. Two angles, one step apart, give the velocity back.

# %%
class AngleWithMemory:
    """Sees only the angle, and remembers the last one."""
    last = None

    def __call__(self, obs):
        angle = obs[:, 2]
        turning = np.zeros_like(angle) if self.last is None else (angle - self.last) / 0.02
        self.last = angle.copy()
        return (angle + 0.3 * turning > 0).astype(int)

lengths["two angles remembered"] = evaluate(VectorCartPole(20), AngleWithMemory()).lengths
title = "A memory of one step makes up for the hidden velocities"
ranges = "; ".join(f"{name}: {steps.min()} to {steps.max()}" for name, steps in lengths.items())
show(plots.episode_lengths(lengths, title),
     alt=f"Lengths in steps of 20 episodes for four policies. {ranges}.")
expect(lengths["the angle alone"].max() < 80, "the angle alone always falls within 80 steps",
       measured=int(lengths["the angle alone"].max()))
expect(lengths["two angles remembered"].min() == 500, "with one step of memory it never falls",
       measured=int(lengths["two angles remembered"].min()))

# %% [markdown]
# Lessons 06 and 07 do exactly this for Pong: two pictures, so that the ball has a direction.
#
# ## 1.4 Trajectory, return, discount
#
# What happened, from the first step to the last, is a **trajectory**: observation, action, reward, observation, action, reward …

# %%
played = record(gym.make("CartPole-v1"), at_random, seed=3, frames=False)
steps = zip(played.obs, played.actions, played.rewards)
for t, (obs, action, reward) in list(enumerate(steps))[:4]:
    print(f"t = {t}: angle {obs[2]:+.3f}, turning {obs[3]:+.2f}, pushed "
          f"{'right' if action else 'left '}, reward {reward}")
print(f"… and so on for {len(played.rewards)} steps")

# %% [markdown]
# Was the push at $t = 2$ good? Its own reward does not say: every step pays 1, also the step that dooms the pole. What counts is all
# that comes *after*. This is the **return**:
#
# $$G_t = r_t + \gamma\, r_{t+1} + \gamma^2\, r_{t+2} + \dots$$
#
# The **discount** $\gamma$, from 0 to 1, says how much a reward is worth that comes one step later. **Now do
# [exercise 01.2](../exercises/01_rl_basics.ipynb)** (the return) and **01.4** (three plans, and which gamma prefers which), then come back.

# %%
discounted_returns = mine("01.2")

rewards = torch.tensor([0.0, 0.0, 10.0])
for gamma in (1.0, 0.9, 0.5):
    returns = [round(float(g), 2) for g in discounted_returns(rewards, gamma)]
    print(f"gamma {gamma}: returns {returns}")

# %% [markdown]
# One reward at the end is credited to all three steps, less so the longer ago they were. Move the slider, and look at both panels: on
# the left how far ahead the agent looks, on the right what the three plans of exercise 01.4 are worth to it.

# %%
from course_lib.exercises.lesson_checks.lesson_01 import PLANS, worth


def patience(gamma):
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8))
    left.plot(gamma ** np.arange(101))
    left.set(xlabel="steps ahead", ylabel="weight of a reward", ylim=(0, 1.03),
             title=f"Looks about {1 / (1 - gamma):.0f} steps ahead")
    values = [worth(plan, gamma) for plan in PLANS]
    best = values.index(max(values))
    colours = [palette.ORANGE if i == best else palette.SKY for i in range(3)]
    right.barh(range(3), values, color=colours)
    right.set_yticks(range(3), [f"{name}: {what}" for name, what in PLANS.items()], fontsize=8)
    right.invert_yaxis()
    right.set(xlabel="worth today (points)", title=f"It takes plan {'ABC'[best]}")
    return figure

explore(patience, "Left: the weight of a reward falls with the steps until it comes. Right: "
                  "what three plans are worth. With gamma 0.95 the prize after 20 steps wins.",
        gamma=(0.5, 0.99, 0.01, 0.95))

# %% [markdown]
# Gamma is part of what the agent *wants*, not a detail. Up to 0.91 it grabs the 12 points, from
# 0.92 to 0.98 it waits for the 70, and at 0.99 it works for a hundred steps.
#
# Environments usually come many at once and restart by themselves, so the rewards arrive as a stream of episodes. A return must never
# look across an end. **[Exercise 01.6](../exercises/01_rl_basics.ipynb)** is about a bug in exactly this place, one that no error message
# will ever tell you about.

# %%
returns_of_a_stream = mine("01.6")

envs, ended = VectorCartPole(1), []
obs, _ = envs.reset(seed=5)
for _ in range(100):
    obs, reward, terminated, truncated, _ = envs.step(at_random(obs))
    ended.append(bool(terminated[0] or truncated[0]))
dones = torch.tensor(ended)                                               # (100,)
stream = np.asarray(returns_of_a_stream(torch.ones(100), 0.99, dones))
title = "A return falls to 1 at the end of each episode and starts afresh"
show(plots.stream_of_returns(stream, dones.numpy(), title),
     alt="A saw: within each episode the return falls step by step to 1, then jumps up where "
         "the next episode starts. Three dashed lines mark where the pole fell.")
expect(np.allclose(stream[dones.numpy()], 1.0), "the step of a fall is worth 1: its own",
       measured=stream[dones.numpy()].round(2).tolist())

# %% [markdown]
# (The stream was cut off after 100 steps in the middle of the fourth episode, so its last returns are too small. What to do about
# that is a story for lesson 02.)
#
# ## 1.5 A policy that can learn
#
# A policy that learns needs two things: numbers that can be turned, and a way to know where to turn them. So let a small network give
# each action a **probability**, and draw the action. An untrained one is undecided:

# %%
from course_lib.rl.networks import PolicyNetwork

network = PolicyNetwork(observation_size=4, actions=2, seed=0)            # 4 -> 64 -> 2
policy = network.distribution(torch.tensor([0.0, 0.0, 0.05, -0.4]))
print("probabilities of left and right:", policy.logprobs.exp().detach().numpy().round(3))
print("five draws:", [policy.sample().item() for _ in range(5)])

# %% [markdown]
# For a continuous action the network gives the middle of a bell curve instead, and "probability" becomes "density". It draws and it
# gives log-probabilities, as before, and more is not needed for what follows.

# %%
from course_lib.rl.networks import DiagonalGaussian

throttle = DiagonalGaussian(mean=torch.tensor([0.3]), log_std=torch.tensor([-1.0]))
draws = [throttle.sample() for _ in range(5)]
print("five draws:       ", [round(draw.item(), 2) for draw in draws])
print("log-probabilities:", [round(throttle.log_prob(draw).item(), 2) for draw in draws])

# %% [markdown]
# We want a larger *expected* return $J$. But the return comes out of a world that has no gradient: a pole falls or it does not. REINFORCE
# (Williams 1992) needs none. Write $J$ as a sum over everything that can happen, and use $\nabla p = p\, \nabla \log p$:
#
# $$\nabla J = \nabla \sum_a \pi(a)\, G(a) = \sum_a \pi(a)\, \nabla \log \pi(a)\; G(a)
# = \mathbb{E}\big[\nabla \log \pi(a)\; G(a)\big]$$
#
# The last form is a *mean over what the agent does anyway*. Play, and push up the log-probability of each action in proportion to
# the return that followed. **Now do [exercise 01.3](../exercises/01_rl_basics.ipynb)**: this is one line.
#
# Is it true? Three actions that pay 1, 0 and 3. Here the exact gradient can be computed, so we can compare.

# %%
policy_gradient_loss = mine("01.3")

logits, pay = torch.tensor([0.0, 0.5, -0.5], requires_grad=True), torch.tensor([1.0, 0.0, 3.0])
expected_pay = (torch.softmax(logits, 0) * pay).sum()
exact, = torch.autograd.grad(expected_pay, logits)

actions = torch.multinomial(torch.softmax(logits, 0).detach(), 100_000, replacement=True)
logprobs = torch.log_softmax(logits, 0)[actions]
minus_estimate, = torch.autograd.grad(policy_gradient_loss(logprobs, pay[actions]), logits)
print("exact gradient:   ", exact.numpy().round(3))
print("from 100,000 draws:", (-minus_estimate).numpy().round(3))
off = (exact + minus_estimate).abs().max().item()
expect(off < 0.03, "playing and averaging finds the gradient, without looking into the world",
       measured=off)

# %% [markdown]
# ## 1.6 REINFORCE on CartPole
#
# The whole algorithm: play eight episodes, compute the returns (your function), the loss (your function), take one step. That is all.

# %%
from course_lib.rl.reinforce import play_episodes


class Update(NamedTuple):
    steps: int                  # agent steps so far
    cpu_seconds: float
    episode_return: float       # mean of the episodes just played
    entropy: float              # nats: 0.69 undecided, 0 certain

# %%
def reinforce(envs, network, updates, gamma=0.99, learning_rate=0.01, seed=0):
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    dice, steps, began = torch.Generator().manual_seed(seed), 0, time.process_time()
    for update in range(updates):
        played = play_episodes(envs, network, dice, seed=seed if update == 0 else None)
        returns = [torch.as_tensor(discounted_returns(r, gamma)) for r in played.rewards.T]
        returns = torch.stack(returns, dim=1)                             # (steps, episodes)
        policy, alive = network.distribution(played.obs), played.mask     # up to each one's end
        logprobs = policy.log_prob(played.actions)                        # (steps, episodes)
        loss = policy_gradient_loss(logprobs[alive], returns[alive])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += int(alive.sum())
        yield Update(steps, time.process_time() - began, float(played.rewards.sum(0).mean()),
                     policy.entropy()[alive].mean().item())

# %% [markdown]
# > **Predict.** By hand you needed some minutes. How many *steps* will the algorithm need? At random an episode lasts 23.
#
# The curves grow while it trains. ■ stops it after the update in progress.

# %%
network = PolicyNetwork(4, 2, seed=0)

# %%
from course_lib.show.training_view import watch

training = reinforce(VectorCartPole(8), network, updates=budget(full=55, ci=12), seed=0)
run = watch(training, goal=500,
            go_on="Run this cell again: it goes on with the network as it is now.")

# %%
from course_lib.rl.evaluate import greedy

learned = evaluate(VectorCartPole(20), greedy(network)).mean
expect(learned > 400, "the learned policy balances in 20 fresh episodes", ci=learned > 30,
       measured=f"{learned:.0f} of 500 steps after {run.records[-1].steps:,} steps of training")

# %%
video(clip(greedy(network), steps=200), fps=50, width=320,
      alt="The learned policy balances the pole for 200 steps, with small pushes to and fro.")

# %% [markdown]
# Nobody told it about angles. It tried, and did more of what came before a high return. By hand it took *you* one line; the algorithm
# needed about a hundred thousand pushes, forty minutes of balancing if it had to happen in the world. On the right above is the
# **entropy**: it starts at 0.69, undecided, and falls as the policy makes up its mind; near 0.5 it still throws dice, only loaded ones.
#
# ## 1.7 How much of it was luck?
#
# One run tells you little. Eight seeds, the same code:

# %%
from tqdm.auto import tqdm


def curves(make_envs, observation_size):
    for seed in tqdm(range(budget(full=8, ci=2)), desc="seeds"):
        training = reinforce(make_envs(), PolicyNetwork(observation_size, 2, seed=seed),
                             updates=budget(full=60, ci=12), seed=seed)
        yield [update.episode_return for update in training]

sighted = list(curves(lambda: VectorCartPole(8), observation_size=4))
ends = np.array(sighted)[:, -5:].mean(axis=1)                             # (seeds,)
first = [next((t for t, r in enumerate(run, 1) if r >= 400), None) for run in sighted]
print("first update with a mean return of 400:", first)
print("mean return of the last five updates:  ", ends.round().astype(int).tolist())
expect(all(first), "every seed reaches 400 at some time", ci=ends.min() > 25,
       measured=f"updates {first}")
expect(ends.min() < 300, "and one of them loses it again before the end",
       measured=f"{ends.min():.0f} on average in its last five updates")

# %% [markdown]
# Where does the luck come in? Every episode gives an *estimate* of the gradient, and a single one is mostly noise. Let the untrained
# policy play many episodes, and compare each one's gradient with the mean of all: a cosine of 1 means the same direction, 0 a
# right angle to it, below 0 backwards.

# %%
network, dice = PolicyNetwork(4, 2, seed=0), torch.Generator().manual_seed(0)
played = play_episodes(VectorCartPole(budget(full=2_048, ci=256)), network, dice, seed=0)

gradients = []
for alive, obs, actions, rewards in zip(*(column.unbind(1) for column in (
        played.mask, played.obs, played.actions, played.rewards))):       # one episode each
    logprobs = network.distribution(obs[alive]).log_prob(actions[alive])  # (steps,)
    returns = torch.as_tensor(discounted_returns(rewards[alive], 0.99))
    parts = torch.autograd.grad(policy_gradient_loss(logprobs, returns), network.parameters())
    gradients.append(torch.cat([part.flatten() for part in parts]))
gradients = torch.stack(gradients)                                        # (episodes, weights)

# %%
agreement = {}
for size in (1, 8, 64):
    means = gradients.unflatten(0, (-1, size)).mean(dim=1)                # (estimates, weights)
    cosines = torch.cosine_similarity(means, gradients.mean(dim=0), dim=1)
    agreement["1 episode" if size == 1 else f"{size} episodes"] = cosines.numpy()
title = "One episode says little about the way up; 64 together mostly point upwards"
means = ", ".join(f"{np.mean(cosines):.2f} for {name}" for name, cosines in agreement.items())
show(plots.directions(agreement, title),
     alt=f"Histograms of the cosine between an estimate and the mean of all; mean {means}.")
backwards = {name: float((cosines < 0).mean()) for name, cosines in agreement.items()}
expect(backwards["1 episode"] > 0.2 > 0.1 > backwards["64 episodes"], 
       "many single episodes point backwards, few means of 64 do", measured=backwards)

# %% [markdown]
# More than a third of the single episodes point *backwards*, and so do more than a quarter of the means of eight. This is the price
# for not looking into the world. One reason: all returns on CartPole are positive, so *every* action taken is made likelier, the bad
# ones too, only less. Lesson 02 subtracts what was to be expected, and limits how far one step may go: remedies for what you saw.
#
# ## 1.8 Blindfolded
#
# The same algorithm, the same eight seeds, and the two velocities hidden as in 1.3.
#
# > **Predict.** Will it get further than the rule that looks at the angle alone (46 steps), as far, or not even there?

# %%
class PositionsOnly(gym.vector.VectorWrapper):
    """Shows the position of the cart and the angle of the pole; hides both velocities."""

    def reset(self, **options):
        obs, info = self.env.reset(**options)
        return obs[:, [0, 2]], info

    def step(self, actions):
        obs, *rest = self.env.step(actions)
        return obs[:, [0, 2]], *rest

# %%
blindfolded = list(curves(lambda: PositionsOnly(VectorCartPole(8)), observation_size=2))
title = "With all four numbers every seed climbs; blindfolded none does"
show(plots.curves_over_seeds({"all four numbers": sighted, "velocities hidden": blindfolded},
                             title, "return of an episode"),
     alt="Return against updates, eight seeds each, mean, and a band from worst to best. "
         "With all four numbers the mean climbs from 20 to above 400, and one seed falls back; "
         "with velocities hidden all stay below 70.")
best = max(max(run) for run in blindfolded)
expect(best < 80, "blindfolded, no update reaches a mean of 80 steps", measured=best)

# %% [markdown]
# It gets about as far as the rule that looks at the angle alone. No amount of training brings back what is not in the observation. When an agent does not learn, ask first whether it can *see* what it
# needs.
#
# ## 1.9 A reward that somebody wrote
#
# So far the reward was simple: 1 a step. Now a world in which somebody had to think. LunarLander should come down on its pad, between
# two flags, gently. It has four actions: nothing, left engine, main engine, right engine. Here is an agent that learned it with PPO,
# the algorithm of lesson 02 (`benchmarks/rl_slip.py --ship` makes the agents of this section and the next).

# %%
from PIL import Image

from course_lib.rl import settings as shipped
from course_lib.rl.evaluate import sampled


def lander_clip(played):
    """Every fourth picture, small: shown 25 times a second, twice as fast as it happened."""
    frames = [Image.fromarray(frame) for frame in played.frames[::4]]
    return [np.asarray(frame.resize((240, 160))) for frame in frames]

moon = gym.make("LunarLander-v3", render_mode="rgb_array")
agent, facts = shipped.load_agent(shipped.LANDER)
landing = record(moon, sampled(agent), seed=10_004)
print(f"trained for {facts['agent_steps']:,} steps, {facts['cpu_seconds']:.0f} CPU-seconds")
print(f"this flight: {len(landing.rewards)} steps, return {landing.rewards.sum():.0f}")
video(lander_clip(landing), fps=25, width=320,
      alt="A lander sinks from the top of the picture, brakes, and lands between two flags.")

# %% [markdown]
# Where do these points come from? The authors wrote a **score** of a situation: minus 100 for each unit of distance from the pad, of
# speed and of tilt, plus 10 for each leg on the ground. Each step pays the *change* of the score. Fuel costs a little. The last
# step pays 100 for coming to rest or takes 100 for a crash. From what the agent saw and did, all seven terms can be computed again.

# %%
from course_lib.rl.lunar_lander import reward_terms


def terms_of(played):
    """The reward in seven terms, each (steps,)."""
    over = np.zeros(len(played.rewards), dtype=bool)
    over[-1] = played.terminated
    return reward_terms(played.obs[:-1], played.actions, played.obs[1:], over)

terms = terms_of(landing)
for name, points in terms.items():
    print(f"{name:13s} {points.sum():+8.1f} points")
gap = np.abs(sum(terms.values()) - landing.rewards).max()
expect(gap < 1e-3, "the seven terms sum to the reward of every single step",
       measured=f"largest gap {gap:.6f}")

# %%
title = "Falling costs; coming nearer and braking pay; coming to rest pays 100"
show(plots.reward_in_terms(terms, title),
     alt="Stacked bars of the seven terms, in points for every 10 steps. From step 10 to "
         "40 gathering speed costs up to 20; then coming nearer and braking pay up to 25; the "
         "legs pay 10 each near step 160; after step 180 nothing, until the end pays 100.")

# %% [markdown]
# Read it from left to right. The lander loses the push it started with, which pays; falls and gathers speed, which costs; brakes and
# comes nearer, which pays; the legs touch down; it stands, and nothing changes any more, so nothing is paid, until the game calls
# it "at rest".
# A tilt costs a little now and then. Only the two engine terms are pay for an *action*; all others are pay for what came of it.
#
# Why pay the *change*? Because then no detour pays. What a lander gains by coming nearer it loses by going away, so the sum depends
# on the first and the last situation only, however it flew in between (Ng, Harada and Russell 1999).

# %%
from course_lib.rl.lunar_lander import shaping_terms

paid = sum(terms[name][:-1].sum() for name in ("distance", "speed", "angle", "legs"))
score = sum(shaping_terms(landing.obs.astype(float)).values())            # (steps + 1,)
expect(abs(paid - (score[-2] - score[0])) < 1e-6, "all changes: last score less first",
       measured=f"{paid:.1f} and {score[-2]:.1f} - ({score[0]:.1f})")

# %% [markdown]
# ## 1.10 One line changed
#
# That was careful work. Now two versions that read just as well. The first pays the score itself instead of its change: good situations
# should earn more than bad ones, should they not? The second pays for coming nearer, and does not punish going away.

# %%
import inspect

from course_lib.rl.lunar_lander import only_progress_counts, score_rewarded_every_step

print(inspect.getsource(score_rewarded_every_step))
print(inspect.getsource(only_progress_counts))

# %% [markdown]
# > **Predict** in [exercise 01.5](../exercises/01_rl_basics.ipynb): what will an agent do that is trained on each of them? Then look.

# %%
agents = {"the reward as written": agent,
          "score at every step": shipped.load_agent(shipped.LANDER_SCORE_EVERY_STEP)[0],
          "only progress counts": shipped.load_agent(shipped.LANDER_ONLY_PROGRESS)[0]}
clips = [lander_clip(record(moon, sampled(one, 6), seed=10_006)) for one in agents.values()]
video(side_by_side(clips, list(agents)), fps=25, width=720, max_bytes=600_000,
      alt="Three landers. The first lands between the flags. The second dives into the ground "
          "in two seconds. The third hangs in the air, rocks and bounces, and crashes late.")

# %% [markdown]
# The second dives: below a score of 0 each step hurts, so it wants the steps to end. The third rocks and bounces in the air, and the
# clock runs. Are they *bad* agents?
#
# Ten fresh episodes each, and each judged by all three rewards:

# %%
small_step = gym.make("LunarLander-v3")
slips = {"as written": lambda terms, obs: terms, "every step": score_rewarded_every_step,
         "only progress": only_progress_counts}

def play(agent):
    for seed in range(budget(full=10, ci=3)):
        yield record(small_step, sampled(agent, seed), seed=10_000 + seed, frames=False)

def points(played, slip):
    return float(sum(slip(terms_of(played), played.obs[1:]).values()).sum())

games = {name: list(play(one)) for name, one in agents.items()}
earned = {name: {reward: np.mean([points(game, slip) for game in played])
                 for reward, slip in slips.items()} for name, played in games.items()}

# %%
ends = {name: [terms_of(game)["end"][-1] for game in played] for name, played in games.items()}
head = "".join(f"{reward:>15s}" for reward in slips)
print(f"{'trained on':23s}{head}   landed  crashed  steps")
for name, row in earned.items():
    length = np.mean([len(game.rewards) for game in games[name]])
    print(f"{name:23s}" + "".join(f"{value:15,.0f}" for value in row.values())
          + f"{ends[name].count(100):9d}{ends[name].count(-100):9d}{length:7.0f}")

# %%
right, diver, swinger = earned.values()
expect(diver["every step"] > right["every step"], "by its own reward the diver is the best",
       measured=f"{diver['every step']:,.0f} against {right['every step']:,.0f}")
expect(swinger["only progress"] > 1.5 * right["only progress"], "and so is the one that rocks",
       measured=f"{swinger['only progress']:,.0f} against {right['only progress']:,.0f}")
expect(100 not in ends["only progress counts"], "though it never lands",
       measured=f"{ends['only progress counts'].count(100)} landings")
expect(right["as written"] > 200 > 0 > max(diver["as written"], swinger["as written"]),
       "by the reward that was meant, only one of the three can land",
       measured={name: round(row["as written"]) for name, row in earned.items()})

# %% [markdown]
# Both learned exactly what they were paid for, and both beat the good lander at it. What is the third one paid *for*?

# %%
swings = games["only progress counts"]
paid_for = {name: np.mean([only_progress_counts(terms_of(game), game.obs[1:])[name].sum()
                           for game in swings]) for name in terms}
print({name: round(float(total)) for name, total in paid_for.items()}, "points an episode")
likeliest = shipped.load_agent(shipped.LANDER_ONLY_PROGRESS)[1]["under_only_progress"]
print(f"with the likeliest action at every step, in 20 other episodes: {likeliest:.0f} points")

flights = {name: [game.obs[:, 1] for game in played] for name, played in games.items()}
title = "The third stays up, and mostly drifts out of the picture"
show(plots.heights(flights, 1.41, title),
     alt="Height above the pad against steps, ten flights of each agent. The good lander and "
         "the diver are down within 200 steps. Seven flights of the third climb out of the "
         "picture, three come down between steps 350 and 560.")

# %% [markdown]
# Hardly anything for coming nearer. It picks up speed for free and is paid for **braking**; it tilts for free and is paid for
# **straightening up**; and so on, up to a thousand steps. Nobody would have listed "rock like a boat" among the dangers. (The video
# above shows one of the three flights that stay within the picture.)
#
# ## 1.11 Who should judge?
#
# Look back at what this took. Experts wrote seven terms with seven weights, thought about detours, and got it right. One plausible
# change to one line, and an agent that *does its job well* does something absurd. No error, no warning: the curve of the reward
# rises either way. You find out when you **look**.
#
# That is the hint. Look at the three landers again: which one is best? It took you two seconds and no formula. For landing one can, with
# care, write the reward down. For a polite answer, a good summary, a safe lane change nobody can; but we know it when we see it. So let
# people compare, turn their comparisons into a reward ([lesson 03](03_bradley_terry.ipynb)), and train on that.
#
# One warning to take along. A reward that was learned from people is still a reward, and an agent looks for *its* bugs just as hard.
# In the first work of this kind a robot hand learned to hold itself between the camera and the object, so that it only *looked* as if
# it grasped it (Christiano et al. 2017, described by OpenAI the same year). Lessons 09 and 11 show it happen.
#
# ## What you learned
#
# - **State** decides the future; an **observation** may hide part of it, and then memory helps. A **policy** maps observations to
#   actions, which may be **discrete** or **continuous**. A **trajectory** is what happened; the **return** of a step is what came
#   after it, and the **discount** says how far ahead the agent cares.
# - **REINFORCE**: play, then make each action likelier in proportion to its return. Two functions of yours and a loop.
# - A reward is a program, and the agent looks for its bugs. It finds those that you did not know of.
#
# **What failed:** a rule that looks at the angle alone, because it cannot see the velocity; REINFORCE without velocities, on every seed;
# REINFORCE *with* them, which lost its skill again on one seed of eight; two rewards that read well. And the third lander is no
# master: half of its flights end in a crash, and if it always takes its likeliest action, in place of drawing one, it earns next to
# nothing of its own reward.
#
# **Further reading.** R. S. Sutton and A. G. Barto (2018), *Reinforcement Learning: An Introduction*, chapters 1, 3 and 13. R. J. Williams
# (1992), the source of REINFORCE. A. Y. Ng, D. Harada and S. Russell (1999), *Policy invariance under reward transformations*, why
# changes of a score are safe to pay. J. Randløv and P. Alstrøm (1998), the bicycle that rode in circles.
# V. Krakovna et al. (2020), *Specification gaming: the flip side of AI ingenuity*, dozens of such stories.
