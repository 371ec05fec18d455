# %% [markdown]
# # Lesson 01. What is a reward?
#
# **Goals.** Say what state, observation, action, policy, trajectory, return and discount are, each with a line that
# runs; balance a pole by hand, then let REINFORCE learn it; take apart a reward that experts wrote, change one line of
# it, and see what an agent learns from the changed reward.
#
# **Time.** About 65 minutes to read and run, 65 minutes for the exercises; the essential part takes 80 minutes in all.
# The cells use about one CPU-minute. **Builds on** lesson 00.

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
# ## 1.1 The agent and its environment
#
# A pole stands on a cart. Fifty times a second the **agent** sees four numbers, its **observation** $o_t$, and pushes
# the cart to the left or to the right, its **action** $a_t$. Everything else is the **environment**. It answers with
# the next observation and a **reward** $r_t$, one number. That is the whole interface. It is the same for a pole, a
# video game and a language model.

# %%
from course_lib.show.schematics import agent_environment

show(agent_environment(), alt="Two boxes. From the agent, with its policy, an arrow leads to the "
     "environment: the action. Two arrows lead back: the reward and the next observation.")

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
# The cart moves to the right now, and the pole begins to turn to the left. Each step gives a reward of 1 until the pole
# leans by more than 12 degrees or the cart leaves its track. Then the **episode** has **terminated**. After 500 steps
# it is cut off in any case: it is **truncated**. The difference matters in lesson 02.
#
# What can an agent do? The **action space** says. It can be **discrete**: choose one of $K$. Or it can be
# **continuous**: choose real numbers, such as how hard to push. The same environment can come with either.

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
# A **policy** $\pi$ says what to do: it is a function from observations to actions. Here is the simplest. It plays
# twenty episodes at once; our copies of CartPole are array arithmetic, tested step for step against Gymnasium's.

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
# **Now do [exercise 01.1](../exercises/01_rl_basics.ipynb)**: write a better policy by hand. The next cell uses
# *your* policy as soon as its check has passed, and the course's until then. It compares it with a policy that uses the
# angle alone: it pushes to the side to which the pole leans.
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
# Watch the one in the middle. It always pushes the right way, and yet the pole swings wider each time: when the pole
# stands upright it is still *turning*, and the angle alone does not say so.
#
# ## 1.3 State and observation
#
# The **state** $s_t$ is everything that the future depends on. CartPole's four numbers are its state: set the
# environment to the same four numbers, push the same way, and the same thing happens. The observation shows all of it,
# so CartPole is **fully observed**.

# %%
from course_lib.rl.cartpole import step_states

state = np.array([[0.0, 0.0, 0.05, -0.4]])
once, again = step_states(state, np.array([1])), step_states(state, np.array([1]))
expect((once == again).all(), "same state, same action: same next state",
       measured=once[0].round(3).tolist())

# %% [markdown]
# Now hide the two velocities. A pole that stands upright and one that rushes through upright look the same, though they
# need opposite pushes. The environment is now **partially observed**, as most are: a single picture of a game has no
# velocities, a single sentence does not say what the speaker knows.
#
# What helps is **memory**. Two angles, one step apart, give the angular velocity back.

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
# What happened, from the first step to the last, is a **trajectory** (or rollout): observation, action, reward,
# observation, action, reward …

# %%
played = record(gym.make("CartPole-v1"), at_random, seed=3, frames=False)
steps = zip(played.obs, played.actions, played.rewards)
for t, (obs, action, reward) in list(enumerate(steps))[:4]:
    print(f"t = {t}: angle {obs[2]:+.3f}, turning {obs[3]:+.2f}, pushed "
          f"{'right' if action else 'left '}, reward {reward}")
print(f"… and so on for {len(played.rewards)} steps")

# %% [markdown]
# Was the push at $t = 2$ good? Its own reward does not say: every step is rewarded with 1, even the one that makes
# the pole fall. What counts is everything that comes *after*. This is the **return** $G_t$:
#
# $$G_t = r_t + \gamma\, r_{t+1} + \gamma^2\, r_{t+2} + \dots$$
#
# The **discount** $\gamma$, from 0 to 1, says how much a reward counts that comes one step later. **Now do
# [exercise 01.2](../exercises/01_rl_basics.ipynb)** (the return) and **01.4** (three plans, and which gamma prefers
# which), then come back.

# %%
discounted_returns = mine("01.2")

rewards = torch.tensor([0.0, 0.0, 10.0])
for gamma in (1.0, 0.9, 0.5):
    returns = [round(float(g), 2) for g in discounted_returns(rewards, gamma)]
    print(f"gamma {gamma}: returns {returns}")

# %% [markdown]
# One reward at the end counts for all three steps, less for the earlier ones. Move the slider and look at both panels:
# on the left the weight of future rewards, on the right the discounted returns of the three plans of exercise 01.4.

# %%
from course_lib.exercises.lesson_checks.lesson_01 import PLANS, plan_return


def patience(gamma):
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8))
    left.plot(gamma ** np.arange(101))
    left.set(xlabel="steps ahead", ylabel="weight of a reward", ylim=(0, 1.03),
             title=f"Looks about {1 / (1 - gamma):.0f} steps ahead")
    values = [plan_return(plan, gamma) for plan in PLANS]
    best = values.index(max(values))
    colours = [palette.ORANGE if i == best else palette.SKY for i in range(3)]
    right.barh(range(3), values, color=colours)
    right.set_yticks(range(3), [f"{name}: {what}" for name, what in PLANS.items()], fontsize=8)
    right.invert_yaxis()
    right.set(xlabel="discounted return", title=f"It takes plan {'ABC'[best]}")
    return figure

explore(patience, "Left: the weight of a reward falls with the steps until it comes. Right: "
                  "the returns of three plans. With gamma 0.95 the prize after 20 steps wins.",
        gamma=(0.5, 0.99, 0.01, 0.95))

# %% [markdown]
# Gamma is part of what the agent *wants*, not a detail. Up to 0.91 the 12 points at once have the highest return, from
# 0.92 to 0.98 the 70 points after 20 steps, and at 0.99 a point in each of a hundred steps.
#
# Usually many copies of an environment run at once, and each restarts by itself when its episode is over. So rewards
# arrive as a stream in which one episode follows another. A return must never count rewards of the next episode. **[Exercise 01.6](../exercises/01_rl_basics.ipynb)** is about a
# bug in exactly this place, one that no error message will ever tell you about.

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
expect(np.allclose(stream[dones.numpy()], 1.0), "the last step's return is its own reward, 1",
       measured=stream[dones.numpy()].round(2).tolist())

# %% [markdown]
# (The stream was cut off after 100 steps in the middle of the fourth episode, so its last returns are too small. Lesson
# 02 shows how a value estimate fills in what is missing.)
#
# ## 1.5 A policy that can learn
#
# A policy that learns needs two things: **parameters** $\theta$ that can be changed, and a way to know how to change
# them. So let a small network give each action a **probability** $\pi_\theta(a \mid s)$, and **sample** the action.
# An untrained network gives both about one half:

# %%
from course_lib.rl.networks import PolicyNetwork

network = PolicyNetwork(observation_size=4, actions=2, seed=0)            # 4 -> 64 -> 2
policy = network.distribution(torch.tensor([0.0, 0.0, 0.05, -0.4]))
print("probabilities of left and right:", policy.logprobs.exp().detach().numpy().round(3))
print("five draws:", [policy.sample().item() for _ in range(5)])

# %% [markdown]
# For a continuous action the network gives the mean of a **Gaussian** instead, and probabilities become densities. Such
# a policy, too, can sample and give the **log-probability** of an action. Nothing more is needed for what follows.

# %%
from course_lib.rl.networks import DiagonalGaussian

throttle = DiagonalGaussian(mean=torch.tensor([0.3]), log_std=torch.tensor([-1.0]))
draws = [throttle.sample() for _ in range(5)]
print("five draws:       ", [round(draw.item(), 2) for draw in draws])
print("log-probabilities:", [round(throttle.log_prob(draw).item(), 2) for draw in draws])

# %% [markdown]
# We want a larger **expected return** $J(\theta)$. But the return comes out of an environment that has no gradient: a
# pole falls or it does not. REINFORCE (Williams 1992) needs none. Take an episode of a single step, in which the action
# $a$ gives the return $G(a)$. Write $J$ as a sum over all actions, and use $\nabla \pi = \pi\, \nabla \log \pi$, which is
# the chain rule for $\log$ ($\nabla \log \pi = \nabla \pi / \pi$):
#
# $$\nabla J = \nabla \sum_a \pi(a)\, G(a) = \sum_a \pi(a)\, \nabla \log \pi(a)\; G(a)
# = \mathbb{E}\big[\nabla \log \pi(a)\; G(a)\big]$$
#
# The last form is an *average over what the agent does anyway*. This is the **policy gradient**: play, and raise the
# log-probability of each action in proportion to the return that followed. **Now do
# [exercise 01.3](../exercises/01_rl_basics.ipynb)**: it is one line.
#
# Is it true? Take three actions with rewards 1, 0 and 3. Here the exact gradient can be computed, so we can compare.

# %%
policy_gradient_loss = mine("01.3")

logits = torch.tensor([0.0, 0.5, -0.5], requires_grad=True)               # (actions,)
rewards = torch.tensor([1.0, 0.0, 3.0])                                   # (actions,)
expected_return = (torch.softmax(logits, 0) * rewards).sum()
exact, = torch.autograd.grad(expected_return, logits)

actions = torch.multinomial(torch.softmax(logits, 0).detach(), 100_000, replacement=True)
logprobs = torch.log_softmax(logits, 0)[actions]
minus_estimate, = torch.autograd.grad(policy_gradient_loss(logprobs, rewards[actions]), logits)
print("exact gradient:   ", exact.numpy().round(3))
print("100,000 samples:  ", (-minus_estimate).numpy().round(3))
off = (exact + minus_estimate).abs().max().item()
expect(off < 0.03, "sampling and averaging finds the gradient, with no gradient of the rewards",
       measured=off)

# %% [markdown]
# ## 1.6 REINFORCE on CartPole
#
# The whole of **REINFORCE**: play eight episodes, compute the returns (your function) and the loss (your function),
# take one gradient step.
#
# Departures from Sutton and Barto (2018), section 13.3: they update after each episode and weight step $t$ by a further
# $\gamma^t$; we average over the steps of eight episodes, leave $\gamma^t$ out, as most code does, and use Adam.

# %%
from course_lib.rl.reinforce import play_episodes


class Update(NamedTuple):
    steps: int                  # agent steps so far
    cpu_seconds: float
    episode_return: float       # mean of the episodes just played
    entropy: float              # nats: 0.69 both actions equally likely, 0 always the same one

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
# > **Predict.** By hand you needed some minutes. How many *steps* will the algorithm need? At random an episode lasts
# > about 23.
#
# The curves grow while it trains. ■ stops it after the update in progress. Afterwards the policy is evaluated with
# **greedy** actions: the likeliest one each time, where training samples.

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
# Nobody told it about angles. By hand it took *you* one line; the algorithm needed about a hundred thousand steps, or
# 38 minutes of balancing in real time. The panel on the right above shows the **entropy** $H$ of the policy, which
# measures how random it is, as the mean of $-\log \pi(a \mid s)$: $\log 2 = 0.69$ nats when both actions are equally
# likely, 0 when one is certain. (A **nat** is the unit of such numbers when the logarithm is the natural one.)
#
# ## 1.7 How much of it was luck?
#
# One run tells you little. Here are eight seeds and the same code:

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
# Why do runs differ so much? Every episode gives an *estimate* of the policy gradient, and a single estimate has a high
# **variance**. Let the untrained policy play many episodes, and compare the gradient from each with the mean of all. A
# cosine of 1 means the same direction, 0 a right angle to it, below 0 the opposite way.

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
title = "One episode says little about the gradient; the mean of 64 mostly points the right way"
means = ", ".join(f"{np.mean(cosines):.2f} for {name}" for name, cosines in agreement.items())
show(plots.directions(agreement, title),
     alt=f"Histograms of the cosine between an estimate and the mean of all; mean {means}.")
backwards = {name: float((cosines < 0).mean()) for name, cosines in agreement.items()}
expect(backwards["1 episode"] > 0.2 > 0.1 > backwards["64 episodes"], 
       "many single episodes point backwards, few means of 64 do", measured=backwards)

# %% [markdown]
# More than a third of the single episodes point *backwards*, and so do more than a quarter of the means of eight. One
# reason: all returns on CartPole are positive, so *every* sampled action is made likelier, the bad ones too, only less.
# Lesson 02 subtracts a baseline from the return, and limits how far one update may go. These are the remedies for what
# you saw.
#
# ## 1.8 The same without velocities
#
# The same algorithm and the same eight seeds, with the two velocities hidden as in 1.3.
#
# > **Predict.** Will it get further than the rule that uses the angle alone (46 steps), as far, or not even there?

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
title = "With all four numbers every seed learns; without velocities none does"
show(plots.curves_over_seeds({"all four numbers": sighted, "velocities hidden": blindfolded},
                             title, "return of an episode"),
     alt="Return against updates, eight seeds each, mean, and a band from worst to best. "
         "With all four numbers the mean climbs from 20 to above 400, and one seed falls back; "
         "with velocities hidden all stay below 70.")
best = max(max(run) for run in blindfolded)
expect(best < 80, "without velocities no update reaches a mean of 80 steps", measured=best)

# %% [markdown]
# It gets about as far as the rule that uses the angle alone. No amount of training brings back what is not in the
# observation. When an agent does not learn, ask first whether it can *see* what it needs.
#
# ## 1.9 A reward that somebody wrote
#
# So far the reward was simple: 1 a step. Now an environment where somebody had to think about it. In LunarLander a
# lander should come down gently on its pad, between two flags. It has four actions: do nothing, fire the left, the main
# or the right engine. Here is an agent that learned it with PPO, the algorithm of lesson 02 (`benchmarks/rl_slip.py
# --ship` makes the agents of this section and the next).

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
# How is this reward made? The authors gave each situation a **score**, also called a **potential** $\Phi(s)$: minus 100
# for each unit of distance from the pad, of speed and of tilt, plus 10 for each leg on the ground. Each step is
# rewarded with the *change* of the score. Fuel costs a little. The last step gives +100 for coming to rest, or −100 for
# a crash or for leaving the field at the side. From what the agent saw and did, all seven terms can be computed again.

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
title = "Falling is penalized; approaching and braking are rewarded; rest gives 100"
show(plots.reward_in_terms(terms, title),
     alt="Stacked bars of the seven terms, in points for every 10 steps. From step 10 to "
         "40 gathering speed gives down to -20; then approaching and braking give up to 25; the "
         "legs 10 each near step 160; after step 180 nothing, until the end gives 100.")

# %% [markdown]
# Read it from left to right. First the push from the start dies down, which is rewarded. Then the lander falls and
# gains speed, which is penalized; it brakes and approaches, which is rewarded; the legs touch down. After that nothing
# changes, so the reward is 0 until the environment counts the lander as at rest. Only the two engine terms reward or
# penalize an *action*; all others depend on what came of it.
#
# Why reward the *change*? Because then no detour helps. What a lander gains by approaching it loses by going away
# again, so the sum depends on the first and the last score only, however it flew in between:

# %%
from course_lib.rl.lunar_lander import shaping_terms

changes = sum(terms[name][:-1].sum() for name in ("distance", "speed", "angle", "legs"))
score = sum(shaping_terms(landing.obs.astype(float)).values())            # (steps + 1,)
expect(abs(changes - (score[-2] - score[0])) < 1e-6, "all changes: last score less first",
       measured=f"{changes:.1f} and {score[-2]:.1f} - ({score[0]:.1f})")

# %% [markdown]
# This is **reward shaping**. Ng, Harada and Russell (1999) proved that adding $\gamma\,\Phi(s_{t+1}) - \Phi(s_t)$
# to a reward never changes which policies are optimal (**potential-based shaping**). LunarLander leaves $\gamma$ out,
# so their proof covers it only for $\gamma = 1$, the undiscounted sum of the cell above. With $\gamma < 1$ the
# discounted sum depends a little on the way, too.
#
# ## 1.10 One line changed
#
# That was careful work. Now two versions that read just as well. The first rewards the score itself instead of its
# change: should good situations not get more than bad ones? The second rewards progress, and does not penalize the
# opposite.

# %%
import inspect

from course_lib.rl.lunar_lander import only_progress_counts, score_rewarded_every_step

print(inspect.getsource(score_rewarded_every_step))
print(inspect.getsource(only_progress_counts))

# %% [markdown]
# > **Predict** in [exercise 01.5](../exercises/01_rl_basics.ipynb): what will an agent do that is trained on each of
# > them? Then look.

# %%
agents = {"the reward as written": agent,
          "score at every step": shipped.load_agent(shipped.LANDER_SCORE_EVERY_STEP)[0],
          "only progress counts": shipped.load_agent(shipped.LANDER_ONLY_PROGRESS)[0]}
clips = [lander_clip(record(moon, sampled(one, 6), seed=10_006)) for one in agents.values()]
video(side_by_side(clips, list(agents)), fps=25, width=720, max_bytes=600_000,
      alt="Three landers. The first lands between the flags. The second dives into the ground "
          "in two seconds. The third hangs in the air, rocks and bounces, and crashes late.")

# %% [markdown]
# The second dives. As long as the score is below 0 each step gives a negative reward, so the agent wants the episode to
# end. The third rocks and bounces in the air for as long as it can. Are they *bad* agents?
#
# Ten fresh episodes for each agent, and each episode evaluated by all three rewards:

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
mean_returns = {name: {reward: np.mean([points(game, slip) for game in played])
                 for reward, slip in slips.items()} for name, played in games.items()}

# %%
ends = {name: [terms_of(game)["end"][-1] for game in played] for name, played in games.items()}
head = "".join(f"{reward:>15s}" for reward in slips)
print(f"{'mean return by':23s}{head}     +100     -100  steps")
for name, row in mean_returns.items():
    length = np.mean([len(game.rewards) for game in games[name]])
    print(f"{name:23s}" + "".join(f"{value:15,.0f}" for value in row.values())
          + f"{ends[name].count(100):9d}{ends[name].count(-100):9d}{length:7.0f}")

# %%
right, diver, swinger = mean_returns.values()
expect(diver["every step"] > right["every step"], "by its own reward the diver is the best",
       measured=f"{diver['every step']:,.0f} against {right['every step']:,.0f}")
expect(swinger["only progress"] > 1.5 * right["only progress"], "and so is the one that rocks",
       measured=f"{swinger['only progress']:,.0f} against {right['only progress']:,.0f}")
expect(100 not in ends["only progress counts"], "though it never lands",
       measured=f"{ends['only progress counts'].count(100)} landings")
expect(right["as written"] > 200 > 0 > max(diver["as written"], swinger["as written"]),
       "by the reward that was meant, only one of the three can land",
       measured={name: round(row["as written"]) for name, row in mean_returns.items()})

# %% [markdown]
# Rows are agents, columns are rewards; +100 and −100 count how the episodes ended. Each agent is the best of the three
# by the reward that it was trained on. What is the third one rewarded *for*?

# %%
swings = games["only progress counts"]
by_term = {name: np.mean([only_progress_counts(terms_of(game), game.obs[1:])[name].sum()
                          for game in swings]) for name in terms}
print({name: round(float(total)) for name, total in by_term.items()}, "points an episode")
greedy_return = shipped.load_agent(shipped.LANDER_ONLY_PROGRESS)[1]["under_only_progress"]
print(f"greedy, in 20 other episodes (stored): {greedy_return:.0f} points")

flights = {name: [game.obs[:, 1] for game in played] for name, played in games.items()}
title = "The third stays up, and mostly drifts out of the picture"
show(plots.heights(flights, 1.41, title),
     alt="Height above the pad against steps, ten flights of each agent. The good lander and "
         "the diver are down within 200 steps. Seven flights of the third climb out of the "
         "picture, three come down between steps 350 and 560.")

# %% [markdown]
# It gets hardly anything for approaching. It gains speed without a penalty and is rewarded for **braking**; it tilts
# without a penalty and is rewarded for **straightening up**; and so on, for up to a thousand steps. Nobody would have
# listed "rock like a boat" among the dangers. (The last printed line: with greedy actions it gets next to nothing. Its
# rocking depends on the sampling.)
#
# The plot shows three of its ten flights hitting the ground. Five end with −100, because two more leave the field at
# the side, high above the picture; the other five are truncated after 1,000 steps. (The video above shows one of the
# three.)
#
# ## 1.11 From a formula to comparisons
#
# Look back at what this took. Experts wrote seven terms with seven weights, thought about detours, and got it right.
# One plausible change to one line, and an agent that *learns its reward well* does something absurd. This is **reward
# hacking**, or **specification gaming**. There is no error and no warning: the curve of the return rises either way.
# You find out when you *look*.
#
# Look at the three landers again: which one is best? It took you two seconds and no formula. For landing one can, with
# care, write the reward down. For a polite answer or a good summary nobody can; but we know it when we see it. So let
# people compare, turn their comparisons into a reward ([lesson 03](03_bradley_terry.ipynb)), and train on that. This
# is **preference-based reinforcement learning**. Wilson, Fern and Tadepalli (2012) learned policies from compared
# trajectories; Christiano et al. (2017) did it with deep networks, on robots and Atari games.
#
# A reward that was learned from people is still a reward, and an agent finds *its* bugs just as well. In 2017 a
# simulated robot hand was to grasp an object. It learned to hold itself between camera and object, so that to the
# people it only *looked* like grasping (OpenAI's post on the paper, *Learning from human preferences*). Lessons 09 and
# 11 show such things happen.
#
# ## What you learned
#
# - The **state** determines the future; an **observation** may hide part of it, and then memory helps. A **policy**
#   maps observations to actions, which may be **discrete** or **continuous**. A **trajectory** is what happened; the
#   **return** of a step sums the rewards from there on, and the **discount** says how much later ones count.
# - **REINFORCE**: play, then make each action likelier in proportion to its return.
# - A reward is a program, and an agent finds its bugs, also those that you did not know of.
#
# **What failed:** a rule that uses the angle alone, because it cannot see the velocity; REINFORCE without velocities,
# on every seed; REINFORCE *with* them, which in the stored run lost its skill again on one seed of eight; two rewards
# that read well. And the third lander gets next to nothing of its own reward with greedy actions.
#
# **Further reading.** R. S. Sutton and A. G. Barto (2018), *Reinforcement Learning: An Introduction* (chapters 1, 3 and
# 13). R. J. Williams (1992), *Simple statistical gradient-following algorithms for connectionist reinforcement
# learning*, the source of REINFORCE. A. Y. Ng, D. Harada and S. Russell (1999), *Policy invariance under reward
# transformations*. J. Randløv and P. Alstrøm (1998), *Learning to drive a bicycle using reinforcement learning and
# shaping*: theirs rode in circles. A. Wilson, A. Fern and P. Tadepalli (2012), *A Bayesian approach for policy learning
# from trajectory preference queries*. V. Krakovna et al. (2020), *Specification gaming: the flip side of AI ingenuity*,
# dozens of such stories.
#
# **Next:** [lesson 02](02_ppo.ipynb) makes this algorithm reliable, step by step, until it is PPO;
# [lesson 03](03_bradley_terry.ipynb) begins with people's comparisons and needs no reinforcement learning.
