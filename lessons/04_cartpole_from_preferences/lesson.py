# %% [markdown]
# # Lesson 04. CartPole from your own clicks
#
# **Goals.** Train an agent without the environment's reward: you look at pairs of clips and say which is better. Know each step of the loop; see
# what the reward model has learned, and where it is wrong; then teach a behaviour that no reward describes.
#
# **Time.** About 75 minutes to read, run and label, 45 minutes for the exercises (and 90 more for the optional build at their end); the
# essential part takes 90 minutes in all. The cells use about one CPU-minute. **Builds on** lessons 02 and 03.
#
# You can stop at any moment. Later, run the cells again from the top: what is done is skipped, and everything continues where it
# stopped.

# %%
import gymnasium as gym
import numpy as np
import torch

from course_lib import budget, expect, mine
from course_lib.paths import my_work, root
from course_lib.show import palette
from course_lib.show import preference_plots as plots
from course_lib.show.figures import show
from course_lib.show.training_view import watch
from course_lib.show.video import side_by_side, video

palette.style()
torch.set_num_threads(1)

# %% [markdown]
# ## 4.1 The loop
#
# In lesson 02 CartPole gave a reward of 1 for each step until the fall. Now nobody sees that reward. A person looks at clips instead, and four steps
# are repeated:

# %%
from course_lib.show.schematics import preference_loop

show(preference_loop(), alt="Six boxes in a ring. The agent acts in sealed environments; pairs of clips are collected; you label them; the reward "
     "model is fitted to the labels; PPO trains the agent on its rewards. In the middle: only the evaluator sees the true reward.")

# %% [markdown]
# 1. **collect**: the agent acts; short clips are cut from what it did, and pairs of them are drawn;
# 2. **label**: you say which clip of each pair is better;
# 3. **fit**: the reward model learns from all your labels, with the loss of lesson 03;
# 4. **train**: PPO trains the agent on the reward model's rewards. Then new clips are cut, of what it can do now.
#
# This is Christiano et al. (2017), *Deep reinforcement learning from human preferences*, on a small scale. Our departures from the paper
# (skip them at first; each comes again below): the steps
# take turns instead of running asynchronously; PPO takes the place of A2C and TRPO; pairs are drawn at random by default, not by disagreement; the
# reward is a function of the next state alone; the ensemble has five networks instead of three; all labels are kept, not the last 3,000;
# rewards are standardized over the labelled clips (exercise 04.2), and lower where the ensemble disagrees; and the end
# of an episode is an absorbing state (section 4.8 shows why).
#
# **Do [exercise 04.2](../exercises/04_cartpole_from_preferences.ipynb) now or later**: the loop takes *your* function as soon as it has passed.

# %%
from course_lib.labels.store import PreferenceStore
from course_lib.preferences.cartpole import CartPoleTask
from course_lib.preferences.loop import LoopConfig, PreferenceLoop

store = PreferenceStore()                                     # your labels: my_work/labels
folder = my_work() / "checkpoints" / "04-cartpole"            # the loop's own state
loop = PreferenceLoop(CartPoleTask(), store, folder, run="cartpole",
                      config=LoopConfig(labels=(20, 20, 20), updates=(6, 12, 30), seed=1),
                      standardize=mine("04.2"))
loop

# %% [markdown]
# The environments inside the loop are *sealed*: in place of a reward they return an object that raises an error when anything reads it.
# Try:

# %%
from course_lib.preferences.hidden_reward import RewardIsHidden, hide_reward
from course_lib.rl.cartpole import VectorCartPole, render

sealed = hide_reward(VectorCartPole(4))
sealed.reset(seed=0)
reward = sealed.step(np.ones(4, dtype=int))[1]
try:
    reward.sum()
except RewardIsHidden as error:
    print(error)

# %% [markdown]
# Only one function in this lesson plays in unsealed environments: `fresh_episodes`, the **evaluator**. It measures the true return,
# for you and for the figures. Nothing that learns uses it, and it does not decide when to stop.
#
# Here is the agent before training.

# %%
from course_lib.preferences.cartpole import Watcher, fresh_episodes
from course_lib.rl.evaluate import greedy, record


def film(network, steps=300, seed=3):
    """One episode, every third state, the last one included: at 17 frames a second it runs in real time."""
    env = gym.make("CartPole-v1")
    episode = record(env, greedy(network), seed=seed, max_steps=steps, frames=False)
    return [render(state, 200, 100) for state in episode.obs[::-3][::-1]]

video(film(loop.agent(0)), fps=17, width=300,
      alt="The untrained agent: the pole falls within a second, and turns vermilion.")

# %% [markdown]
# ## 4.2 Round 1: label
#
# Below are 20 pairs of clips, each a **segment** of a trajectory, half a second long and shown at a quarter of the speed. Say which one **balances
# better**:
#
# - a pole that stands upright beats one that leans;
# - a cart near the centre (the dashed line) beats one near a post;
# - a fall is worst: the pole turns vermilion, and the next episode begins;
# - two clips that are nearly alike are *equal*; if you cannot tell at all, *skip*.
#
# Keys: **←** and **→** for a side, **e** equal, **s** skip, **u** undo, **space** pause. Twenty pairs take about two minutes. Some come back
# later with the sides swapped, to measure how consistent your labels are.

# %%
from course_lib.preferences.cartpole import CartPoleLabeler

loop.collect(round=1)
labeler = loop.labeler(CartPoleLabeler(), round=1)
labeler

# %% [markdown]
# No time to click? The button of the **synthetic labeler**, a program, answers in your place, by the rules above. Its labels are marked `scripted`,
# yours `human`, and the loop refuses to learn from a mixture unless you say `mixed=True`. If it has happened, the last page of the widget
# keeps yours alone with one click (or `labeler.keep_only("human")` does), and asks the other pairs again.

# %%
loop.label(labeler.require(), round=1)
loop

# %% [markdown]
# ## 4.3 Fit: a reward for each state
#
# The next step of the loop fits in ten lines, and you have written most of them: your loss from lesson 03, your segment return from
# [**exercise 04.1**](../exercises/04_cartpole_from_preferences.ipynb). A small network gives each *state* a score; the
# **return of a segment** (of a clip) is their sum; the labels say which return should be larger. This is equation 1 of Christiano et al. (2017).

# %%
from torch import nn

from course_lib.preferences.cartpole import SCALE

segment_return, bradley_terry_loss = mine("04.1"), mine("03.1")

first, second, mu = loop.preferences.first[:20], loop.preferences.second[:20], loop.preferences.mu[:20]
print("clips:", tuple(first.shape), "(pairs, steps, numbers); ties:", (mu == 0.5).sum().item())

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(),
                      nn.Linear(16, 16), nn.LeakyReLU(), nn.Linear(16, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for _ in range(200):
    r1 = segment_return(model(first * SCALE).squeeze(-1))     # (pairs, steps) -> (pairs,)
    r2 = segment_return(model(second * SCALE).squeeze(-1))
    loss = bradley_terry_loss(r1, r2, mu)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %% [markdown]
# Twenty labels and some 370 weights: of course the network can memorize them. The question is what it predicts for states it
# never saw. Take a pole that leans more and more:

# %%
lean = torch.zeros(5, 4)
lean[:, 2] = torch.tensor([0.0, 3.0, 6.0, 9.0, 12.0]) * np.pi / 180
with torch.no_grad():
    scores = model(lean * SCALE).squeeze(-1)
print("degrees  0      3      6      9      12")
print("score ", "".join(f"{score:7.2f}" for score in scores.tolist()))
right = ((r1 > r2) == (mu > 0.5))[mu != 0.5].float().mean().item()
expect(right > 0.9, "the network predicts nine in ten of the labels that it was fitted to",
       ci=right > 0.8, measured=right)
expect(scores[0] > scores[-1], "an upright pole has a higher score than one about to fall",
       measured=(scores[0] - scores[-1]).item())

# %% [markdown]
# The loop's reward model is an **ensemble** of five such networks, each fitted to its own bootstrap sample of the labels, with an assumed error
# rate (exercise 03.5).

# %%
fit = loop.fit(round=1)
print(f"loss after the fit: {fit.loss:.2f} nats (P = 0.5 for every pair would have {np.log(2):.2f})")
loop

# %% [markdown]
# ## 4.4 Train: PPO on the learned reward
#
# The same PPO as in lesson 02; its rewards come from the reward model. Comparisons fix neither zero nor scale of the scores (lesson 03), so your
# function from exercise 04.2 **standardizes** them, for each of the five networks: over all states of the labelled clips
# they get mean 0 and standard deviation 0.15. This is done once after each fit and then stays fixed until the next fit.
#
# The agent's reward is the mean of the five minus their standard deviation, an **uncertainty penalty** (Coste et al. 2024 subtract the
# variance). The five disagree most where there are few labels, since each network extrapolates in its own way. The penalty keeps the agent
# away from such states.
#
# How to read the left curve: near 0, the agent meets states as good as those of the labelled clips; above 0, better
# ones. The last state of an episode counts 21 times (section 4.8), so falls pull the curve down. The evaluator records the true return beside
# it, for a figure later.

# %%
watcher = Watcher(folder / "evaluator.json")


def train(round):
    watch(watcher.beside(loop.train(round), loop.network), curves=("mean_reward", "entropy"),
          past=loop.ppo.history, total=loop.ppo.config.total_steps)
    what_changed(loop, round)


def what_changed(loop, round):
    """The agent before this round's labels and after them: side by side, and in a sentence."""
    agents = [loop.agent(round - 1), loop.agent(round)]
    video(side_by_side([film(agent) for agent in agents], ["before", f"after round {round}"]),
          fps=17, width=520, max_bytes=50_000, alt=f"The agent before and after round {round}, side by side.")
    before, after = map(fresh_episodes, agents)
    print(f"After the labels of round {round} it balances for {after.true_return:.0f} of 500 steps "
          f"(before: {before.true_return:.0f}).\nOn average it is at {after.mean_position:+.2f} m "
          f"(before: {before.mean_position:+.2f}), {after.mean_distance:.2f} m from the centre "
          f"(before: {before.mean_distance:.2f}),\nand moves at {after.mean_speed:.2f} m/s "
          f"(before: {before.mean_speed:.2f}).")

train(1)

# %% [markdown]
# ## 4.5 Rounds 2 and 3
#
# The agent behaves differently now, so there are new clips to label, with mistakes that no clip of round 1 could show. **Watch for the
# cart's drift**: an agent that holds the pole upright while it rolls off the track looks fine for half a second.

# %%
loop.collect(round=2)
labeler = loop.labeler(CartPoleLabeler(), round=2)
labeler

# %%
loop.label(labeler.require(), round=2)
loop.fit(round=2)
train(2)

# %% [markdown]
# Once more. The agent is better now, so the clips are harder to tell apart.

# %%
loop.collect(round=3)
labeler = loop.labeler(CartPoleLabeler(), round=3)
labeler

# %%
loop.label(labeler.require(), round=3)
loop.fit(round=3)
train(3)

# %%
loop

# %% [markdown]
# ## 4.6 Results
#
# The agents before training and after each round of labels, from the same start.

# %%
names = {"before": 0} | {f"after round {number}": number for number in range(1, len(loop.agents))}
films = [film(loop.agent(number)) for number in names.values()]
video(side_by_side(films, list(names)), fps=17, width=820, max_bytes=80_000,
      alt=f"CartPole played from the same start by several agents, side by side: {', '.join(names)}.")

# %% [markdown]
# Now the evaluator: 20 fresh episodes each, at most 500 steps, a reward of 1 a step. And how far the cart is from the centre on average,
# which is no part of the true reward.

# %%
fresh = {name: fresh_episodes(loop.agent(number)) for name, number in names.items()}
for name, episodes in fresh.items():
    print(f"{name:14s} true return {episodes.true_return:5.1f}    "
          f"mean distance from the centre {episodes.mean_distance:.2f} m")
last = fresh[list(fresh)[-1]]

# %%
from course_lib.preferences.label_report import label_report, not_there_yet

goal = "490 of 500 steps, and less than 0.5 m from the centre"
does = f"{last.true_return:.0f} of 500 steps, {last.mean_distance:.2f} m from the centre"
reached = last.true_return >= 490 and last.mean_distance < 0.5
if reached or loop.source == "scripted":
    expect(reached, f"{len(loop.preferences.mu)} labels teach the agent to balance, and to stay "
                    "near the centre", ci=last.true_return > 200,
           measured={"return": last.true_return, "distance": last.mean_distance})
if not reached:
    print(not_there_yet(loop, goal, does))

# %% [markdown]
# The true return cannot tell agents apart that all balance for 500 steps: the distance from the centre is no part of it. The labels are about
# both. Compare the two columns round by round: a round of labels can repair what the last one left open.

# %%
show(plots.positions_over_time({name: episodes.states for name, episodes in fresh.items()},
                               "Where the cart goes: 20 episodes of each agent"),
     alt="The cart's position over 500 steps in 20 episodes, a panel for each agent; a cross "
         "marks where an episode ended in a fall.")

# %% [markdown]
# And the whole training as the evaluator saw it. The agent learned from none of these points.

# %%
rounds = [0, *np.cumsum(loop.updates_a_round[:-1]).tolist()]
seen = [watcher.points[update] for update in sorted(watcher.points)]
show(plots.return_curve(watcher.points, rounds,
                        f"The true return, which no learner saw: from {seen[0]:.0f} to {seen[-1]:.0f}"),
     alt=f"True return against PPO updates, with a dashed line at each round of labels. It "
         f"starts at {seen[0]:.0f} and ends at {seen[-1]:.0f}.")

# %% [markdown]
# **Your labels.** Ties are labels too: they pull two clips together. And did you agree with yourself, where a pair came twice?

# %%
from course_lib.labels.statistics import labeler_stats

for stats in labeler_stats(store, "cartpole"):
    print(f"{stats.labeler}: {stats.choices}, {stats.undone} taken back")
    if stats.median_seconds:
        print(f"   median {stats.median_seconds:.1f} seconds a pair")
print(label_report(loop))
ties = (loop.preferences.mu == 0.5).float().mean().item()
if loop.source == "scripted":
    expect(ties < 0.5, "the synthetic labeler prefers one of the clips in most pairs",
           measured=f"{ties:.0%} ties")

# %% [markdown]
# With a coarser question ("how many falls?") most pairs would be ties: two good clips show none. A question with fine distinctions makes labels
# informative.
#
# **Where you and the synthetic labeler differ.** It answers the same pairs by its rule, and this cell shows the pairs on which you
# preferred the other clip, or one of you said *equal*. Neither is right by definition: look at the clips. Does its
# rule leave out what you saw? Did you overlook something? The agent learned from your label.

# %%
from course_lib.preferences.differences import differences
from course_lib.show.pairs import show_pairs

found = differences(loop, CartPoleLabeler())
print(found)
show_pairs(found.differing[:3])

# %% [markdown]
# ### Not there yet? Another round
#
# New labels are about what the agent does *now*, so they can lead further. Set `extra_rounds` to 1 and run the next two cells: 20 more pairs,
# then 30 updates. When that round is done, 2 asks for one more. Section 4.6 and the next one show it when they are run again. (A run that the
# synthetic labeler began continues with it, unless you say `mixed=True` where its labels are taken.)

# %%
from IPython.display import display

extra_rounds = 0                       # 1: one more round; when that one is done, 2: another one
number = 3 + extra_rounds
if extra_rounds:
    loop.add_round(labels=20, updates=30, round=number)
    loop.collect(round=number)
    labeler = loop.labeler(CartPoleLabeler(), round=number)
    display(labeler)
elif reached and loop.source == "scripted" and loop.stage == "finished":
    print("The goal is reached, and the labels are the synthetic labeler's: nothing is left to do here.")
else:
    then = loop.rounds - 3 + (loop.stage == "finished")
    print(f"The run has {loop.rounds} rounds. For 20 pairs more, set extra_rounds = {then} above and run this cell; "
          "label, then run the next one.")

# %%
if extra_rounds:
    loop.label(labeler.require(), round=number)
    loop.fit(round=number)
    train(number)

# %% [markdown]
# ## 4.7 What has the reward model learned?
#
# It is a function of the state, so it can be drawn: bright is a high reward. The cart and the pole are at rest; the white dots are the
# states of the clips that had been labelled by then. Where there are no dots, the model extrapolates.

# %%
done = range(1, len(loop.models) + 1)                         # the rounds that trained an agent
models = {f"round {r}": loop.reward_model(r).normalized_reward for r in done}
clips = torch.stack([loop.preferences.first, loop.preferences.second], dim=1)     # (60, 2, steps, 4)
labelled = {f"round {r}": clips[:loop.fits[r - 1].pairs].flatten(0, 2) for r in done}
title = "The learned reward in each round, over position and angle, and the labelled states"
show(plots.reward_maps(models, labelled, "position", "angle", title),
     alt="Heat maps of the learned reward over position and pole angle, a panel for each round; "
         "white dots are the labelled states.")

# %%
def drop_with_distance(round):
    """How much lower the reward is 1.5 m away from the centre, in standard deviations of the labelled states."""
    states = torch.zeros(3, 4)
    states[1, 0], states[2, 0] = -1.5, 1.5
    centre, left, right = loop.reward_model(round).normalized_reward(states)
    return ((centre - (left + right) / 2) / loop.config.reward.std).item()

drops = [drop_with_distance(round) for round in done]
reach = [states[:, 0].abs().max().item() for states in labelled.values()]
for number, (drop, far) in enumerate(zip(drops, reach), start=1):
    print(f"round {number}: labelled states reach {far:.1f} m; "
          f"1.5 m from the centre the reward is lower by {drop:.1f} standard deviations")
if loop.source == "scripted":
    expect(drops[-1] > 0.2, "in the end the centre has a higher reward than a place far from it",
           measured=drops[-1])
elif drops[-1] <= 0.2:
    print("Your labels have not taught it that the centre is better: labels of carts far from it would.")

# %% [markdown]
# After round 1 the model has learned about the pole, but its labelled states lie near the centre: what it says about places far away is
# extrapolation.
#
# The second view: angle against angular velocity. A pole that leans to the right *and turns back to the left* is about to be upright. Does it get a
# high reward?

# %%
show(plots.reward_maps(models, labelled, "angle", "turning",
                       "The learned reward in each round, over angle and angular velocity"),
     alt="Heat maps of the learned reward over pole angle and angular velocity, a panel for each "
         "round; white dots are the labelled states.")

# %% [markdown]
# ## 4.8 Why the end of an episode needs care
#
# Scores from preferences are identifiable only up to a shift (lesson 03). **Do
# [exercise 04.4](../exercises/04_cartpole_from_preferences.ipynb) now**, then let PPO answer. Every step brings the same reward. The
# end of an episode either *counts*: the return stops there. Or it is *hidden*: advantages and values continue across the restart, as
# in one endless episode.

# %%
from course_lib.preferences.cartpole import ScaledActorCritic
from course_lib.rl.cartpole import fallen
from course_lib.rl.ppo import PPO, PPOConfig

UPDATES = budget(full=25, ci=12)


def counts(rollout):
    return rollout.ended


def hidden(rollout):
    return torch.zeros_like(rollout.ended)


def steps_an_episode(reward, boundary, updates=UPDATES):
    """Mean length of the last 50 episodes after training on `reward`: rollout -> (T, N)."""
    config = PPOConfig(total_steps=updates * 16 * 128, entropy_coefficient=0.0, seed=0)
    ppo = PPO(VectorCartPole(16), ScaledActorCritic(seed=0), config,
              reward_function=reward, boundary_function=boundary)
    for _ in ppo.train():
        pass
    return np.mean([episode.length for episode in ppo.episodes[-50:]])

# %%
def constant(reward):
    return lambda rollout: torch.full(rollout.ended.shape, float(reward))

untrained = steps_an_episode(constant(0), counts, updates=1)
print(f"an untrained agent:           {untrained:5.0f} steps an episode")
lengths = {(reward, ends.__name__): steps_an_episode(constant(reward), ends)
           for ends in (counts, hidden) for reward in (1, -1)}
for (reward, ends), length in lengths.items():
    print(f"{reward:+d} a step, the end {ends:7s}:     {length:5.0f} steps")
expect(lengths[1, "counts"] > 2 * untrained and lengths[-1, "counts"] < 0.7 * untrained,
       "where ends count, the sign of a constant reward decides whether the agent balances or falls",
       measured={"+1": lengths[1, "counts"], "-1": lengths[-1, "counts"]})

# %% [markdown]
# Where the end counts, a reward model whose scores happen to lie below zero teaches the agent to fall as fast as it can. One whose
# scores lie above zero teaches it to balance *without a single label about balancing*. In imitation learning this is known as
# **reward bias** (Kostrikov et al. 2019). With hidden ends the constant has no effect; how long these agents balance is chance.
#
# But hidden ends have a fault of their own. Take a reward for running to the right, 1 for each metre a second, with a penalty of 2
# for a state in which the pole is down or the cart off the track.
#
# > **Predict.** Ends are hidden. What will the agent do about falls?

# %%
def run_right(absorbing_steps):
    """A reward for running to the right; that of an episode's last state counts for some steps more."""
    def reward(rollout):
        after = rollout.next_obs()                                          # (T, N, 4)
        wanted = after[..., 1] - 2.0 * torch.from_numpy(fallen(after.numpy()))
        return wanted * (1 + absorbing_steps * rollout.ended)
    return reward

ride = steps_an_episode(run_right(0), hidden)
absorbed = steps_an_episode(run_right(99), counts)
print(f"ends hidden:                  {ride:5.0f} steps an episode")
print(f"the end is absorbing:         {absorbed:5.0f} steps")
expect(ride < untrained and absorbed > 3 * ride,
       "with ends hidden the agent falls on purpose; with absorbing ends it does not",
       measured={"hidden": ride, "absorbing": absorbed})

# %% [markdown]
# With ends hidden it pushes to the right until the pole is down, ten steps later, again and again. It gets the penalty of 2 once, and then
# the restart puts it back into the centre with its pole upright. The restart has become a useful action.
#
# The remedy is an **absorbing state** (Kostrikov et al. 2019). Treat the last state of an episode as if the agent stayed in it for ever:
# its reward counts not once but $1 + \gamma + \gamma^2 + \dots = 1 / (1 - \gamma) = 100$ times, and nothing after the restart counts. Now
# the same fall counts 100 times, and the agent learns to keep its pole up. And there is no reward bias: under a constant reward the agent
# gets the same for ever, whether it continues or stays in its last state.
#
# The loop does this with the learned reward, but for 20 more steps instead of for ever (`LoopConfig.absorbing_steps`): the reward of the last
# state counts 21 times, so that it does not outweigh everything else. The loop does not need to know *why*
# an episode ended, only that it ended. A fall gets a low reward only because *your labels* say so.
# (Christiano et al. changed their environments so that episodes do not end early.)
#
# For this, the reward model must score the state right after the fall. **Do
# [exercise 04.5](../exercises/04_cartpole_from_preferences.ipynb)** to see how easily it is lost.
#
# ## 4.9 Which pairs to ask about?
#
# Choosing what to have labelled is called **active learning**. The baseline is random pairs. Two other ideas: pairs with the largest
# **disagreement** of the five networks (your [**exercise 04.3**](../exercises/04_cartpole_from_preferences.ipynb)), and pairs in *contrast*, a clip with a fall beside one
# without. From the clips at hand, let each choose 20, and count how many the synthetic labeler would call a tie:

# %%
from course_lib.preferences.cartpole import falls
from course_lib.preferences.segments import contrast, disagreement, random_pairs

choices = {"random": random_pairs, "disputed": disagreement(mine("04.3")),
           "contrast": contrast(falls)}
synthetic = CartPoleLabeler()
for name, select in choices.items():
    pairs = select(loop.pool, 20, loop.ensemble, np.random.default_rng(0))
    answers = [synthetic(a, b) for a, b in pairs]
    print(f"{name:9s} ties: {answers.count(0.5):2d} of 20")

# %% [markdown]
# Does the choice matter for the agent? That takes many whole runs. The figure shows stored results
# (`benchmarks/results/cartpole_from_preferences_*.jsonl`). A run reaches the goal (green) when the return is at least
# 490 and the mean distance below 0.5 m.

# %% tags=["nbval-check-output"]
import json


def measured(jobs):
    """name -> job becomes name -> the lines of its seeds, for the jobs that were measured."""
    files = {name: root() / "benchmarks" / "results" / f"cartpole_from_preferences_{job}.jsonl"
             for name, job in jobs.items()}
    return {name: [json.loads(line) for line in file.read_text().splitlines()]
            for name, file in files.items() if file.exists()}

chosen = measured({"random": "60-labels", "disputed": "disagreement", "contrast": "contrast"})
title = "60 labels, by the way the pairs are chosen; each point is one seed"
show(plots.seeds_of_jobs(chosen, title),
     alt="A panel for each way to choose pairs that was measured: true return against mean "
         "distance from the centre, one point a seed, green where both goals are met.")

# %% [markdown]
# Pairs in contrast do worst, though nearly all of them get a clear answer (the cell below counts). **Few ties do not mean much to learn**: a fall
# beside none always gives the same label, "do not fall"; such pairs never ask where the cart should be, and most of the agents that
# missed the goal balance, but far from the centre. (An agent that balances shows no fall; then the pair is drawn at random.)
# Disagreement did no better than random pairs, which leave little room for more here; Christiano et al. (2017, section 2.2.4) found that
# in some tasks it even hurt.

# %%
for name, rows in chosen.items():
    ties = sum(row["ties"] for row in rows) / sum(row["labels"] for row in rows)
    good = sum(row["true_return"] >= 490 and row["mean_distance"] < 0.5 for row in rows)
    print(f"{name:9s} {good:2d} of {len(rows)} seeds reach the goal; {ties:.0%} ties")

# %% [markdown]
# ## 4.10 Where it fails
#
# **All labels at once.** Why rounds? Give all 60 labels *before* any training, and they are about clips of an untrained agent, which drops
# the pole within a second, near the centre. No label is about a cart that rolls away.

# %%
import tempfile
from pathlib import Path


def whole_run(config, synthetic, run, folder):
    """All rounds with a synthetic labeler; labels and the loop's state go into `folder`."""
    own_store = PreferenceStore(Path(folder) / "labels.sqlite")
    loop = PreferenceLoop(CartPoleTask(), own_store, Path(folder) / run, run=run, config=config)
    while loop.stage != "finished":
        loop.collect()
        labeler = loop.labeler(synthetic)
        labeler.answer_synthetic()
        loop.label(labeler.require())
        loop.fit()
        for _ in loop.train():
            pass
    return loop

with tempfile.TemporaryDirectory() as place:
    early = LoopConfig(labels=(budget(full=60, ci=20),), updates=(budget(full=48, ci=12),),
                       seed=3)
    beginner = whole_run(early, CartPoleLabeler(), "all-at-once", place)
print(beginner)

# %%
pair = {"60 labels at once": fresh_episodes(beginner.agent(1)), "three rounds of 20": last}
show(plots.positions_over_time({name: episodes.states for name, episodes in pair.items()},
                               "All labels before training, and the same number in three rounds"),
     alt="Two panels with the cart's position over 500 steps in 20 episodes: with all labels "
         "given before training, and with three rounds.")
labelled = torch.cat([beginner.preferences.first, beginner.preferences.second])
far = (labelled[..., 0].abs() > 1.0).float().mean().item()
expect(far < 0.02, "hardly any labelled state of the untrained agent is a metre away from the centre",
       measured=f"{far:.1%} of the states")

# %% [markdown]
# So what the reward model says about places far away is extrapolation, which may go well or not: look at the left panel.
#
# **Seeds differ.** One run proves little. Each point below is a whole run with another seed, from the stored results:

# %% tags=["nbval-check-output"]
failing = measured({"60 in 3 rounds": "60-labels", "40 in 3 rounds": "40-labels",
                    "60, a tenth wrong": "60-labels-noise", "60 at once": "all-at-once",
                    "60, no penalty": "no-penalty"})
show(plots.seeds_of_jobs(failing, "Other settings of the run (stored results); a point is a seed"),
     alt="A panel for each of these jobs that was measured: true return against mean distance from "
         "the centre, one point a seed. The jobs are 60 labels in three rounds, 40 labels in three "
         "rounds, 60 labels of which a tenth is random, 60 labels before any training, and 60 "
         "labels without the penalty for disagreement.")
for name, rows in failing.items():
    missed = [f"{row['seed']} (return {row['true_return']:.0f}, {row['mean_distance']:.2f} m)"
              for row in rows if row["true_return"] < 490 or row["mean_distance"] >= 0.5]
    good = len(rows) - len(missed)
    print(f"{name}: {good} of {len(rows)} seeds; missed: {', '.join(missed) or 'none'}")

# %% [markdown]
# **Imperfect teachers.** The synthetic labeler of this lesson hardly errs. People do, in different ways. Lee et al. (2021, *B-Pref*)
# simulate such *teachers*; ours answer by the scores of a clip's steps (`course_lib/preferences/teachers.py`):
#
# - oracle: the larger sum of scores, however small the difference;
# - mistakes: one answer in ten is inverted ($\epsilon = 0.1$);
# - stochastic: Bradley–Terry with **rationality** $\beta = 0.3$, so that close pairs are often wrong;
# - equal: a difference under $\delta_\text{equal}$ is "equal";
# - skips: the pair is skipped when neither clip reaches $\delta_\text{skip}$, and brings no label;
# - myopic: a step counts $\gamma = 0.9$ times the next one, so that the end decides;
# - left when unsure: a **position bias**, which is not in the paper.
#
# How do they label 300 pairs of clips, now that the agent is good?

# %%
from course_lib.preferences.cartpole import cartpole_teachers

some_pairs = random_pairs(loop.pool, 300, loop.ensemble, np.random.default_rng(1))
truth = [cartpole_teachers()["oracle"](a, b) for a, b in some_pairs]
for name, teacher in cartpole_teachers().items():
    answers = [teacher(a, b) for a, b in some_pairs]
    against = sum({mu, best} == {0.0, 1.0} for mu, best in zip(answers, truth, strict=True))
    print(f"{name:17s} left {answers.count(1.0):3d}  right {answers.count(0.0):3d}  "
          f"equal {answers.count(0.5):3d}  skipped {answers.count(None):3d}  wrong {against:3d}")

# %% [markdown]
# Now that the agent is good, its clips are nearly alike, and that is when these teachers differ most: for "equal" nearly all pairs are equal,
# "stochastic" is little better than a coin, and "left when unsure" is hardly ever sure. Clips of a beginner are easier to tell apart.
#
# A skipped pair is not replaced: the round brings fewer labels. "Left when unsure" favours no clip, because the label store
# draws at random which one stands left: a position bias becomes noise. Below are stored whole runs of 60 pairs each
# (`benchmarks/cartpole_from_preferences.py`). We had aimed at 16 of 20 for each teacher, and not all reach it: nothing in the loop finds out
# *which* answers are wrong, and an answer "equal" says little:

# %% tags=["nbval-check-output"]
teachers = measured({name: f"teacher-{name.replace(' ', '-')}" for name in cartpole_teachers()})
if teachers:
    show(plots.seeds_of_jobs(teachers, "Imperfect teachers (stored): 60 pairs in 3 rounds; a point is a seed"),
         alt="A panel for each teacher: true return against mean distance from the centre, one point "
             "a seed, green where both goals are met.")
for name, rows in teachers.items():
    good = sum(row["true_return"] >= 490 and row["mean_distance"] < 0.5 for row in rows)
    labels, ties, skips, against = (sum(row[key] for row in rows) / len(rows)
                                    for key in ("labels", "ties", "skips", "against_marks"))
    print(f"{name:17s} {good:2d} of {len(rows)} seeds; a run has {labels:.0f} labels, {ties:.0f} of them equal "
          f"and {against:.0f} wrong, and {skips:.0f} skips")

# %% [markdown]
# Choose one for a run of your own: half a CPU-minute, where `my_teacher` names a teacher.

# %%
my_teacher = None                   # "mistakes", "skips", "myopic", ...
if my_teacher:
    with tempfile.TemporaryDirectory() as place:
        taught = whole_run(LoopConfig(seed=4), cartpole_teachers()[my_teacher], "taught", place)
    own = fresh_episodes(taught.agent(3))
    print(f"{my_teacher}: true return {own.true_return:.0f}, {own.mean_distance:.2f} m from the centre")

# %% [markdown]
# **Four choices that matter.** We saw the loop fail in four ways while it was developed (single runs, not stored):
#
# 1. With hidden ends the reward model was right, and the agent rolled off the track on purpose, for the restart (section 4.8).
# 2. With rewards standardized over the states that the policy met lately: the better the agent, the more alike its states, and the
#    division by their small standard deviation magnifies the reward model's noise. The labelled clips contain falls too, so their scale stays.
# 3. Without the uncertainty penalty the model extrapolated a high reward to one side of the track, and the agent went there.
# 4. With 16 environments instead of 64, all carts could be on the same side at once: a rollout then says little about where the cart should be.
#
# ## 4.11 A preference of your own
#
# Balancing needs no preferences: its reward is one line of code. Now teach something of *your* choice. Some ideas:
#
# - *left of the centre*: the cart should stay half a metre to the left (the stored run of this notebook does this);
# - *a nervous cart*: it should move to and fro all the time, and never fall;
# - *a calm cart*: as slow as can be, wherever it is.
#
# Decide, and then label by that alone. Be consistent: you are the only one who knows the rule. The synthetic labeler follows the first idea
# with your score of [**exercise 04.6**](../exercises/04_cartpole_from_preferences.ipynb).
#
# There are four rounds of 20 this time, because the agent may go too far: no labelled clip was there yet. The next clips come from where it
# went, and their labels can bring it back. After each round you see the agent before and after it, and read where it is, how much it moves
# and how long it balances.

# %%
mark_place = mine("04.6")
likes_left = CartPoleLabeler(marks=lambda clip: mark_place(clip, -0.5))

my_task = CartPoleTask(question="Which clip shows more of what YOU want?")
my_config = LoopConfig(labels=(20, 20, 20, 20),
                       updates=budget(full=(6, 10, 14, 20), ci=(3, 3, 3, 10)), seed=5)
my_loop = PreferenceLoop(my_task, store, my_work() / "checkpoints" / "04-mine",
                         run="cartpole-mine", config=my_config)
my_loop.collect(round=1)
labeler = my_loop.labeler(likes_left, round=1)
labeler

# %%
def learn(round):
    my_loop.label(labeler.require(), round=round)
    my_loop.fit(round=round)
    watch(my_loop.train(round), curves=("mean_reward", "entropy"), past=my_loop.ppo.history,
          total=my_loop.ppo.config.total_steps)
    what_changed(my_loop, round)

learn(1)
my_loop.collect(round=2)
labeler = my_loop.labeler(likes_left, round=2)
labeler

# %%
learn(2)
my_loop.collect(round=3)
labeler = my_loop.labeler(likes_left, round=3)
labeler

# %%
learn(3)
my_loop.collect(round=4)
labeler = my_loop.labeler(likes_left, round=4)
labeler

# %%
learn(4)
video(side_by_side([film(loop.agent(3), steps=450), film(my_loop.agent(4), steps=450)],
                   ["balance, centre", "my own preference"]), fps=17, width=520, max_bytes=60_000,
      alt="Two agents side by side: the one taught to balance near the centre, and the one taught "
          "a preference of one's own.")

# %%
mine_fresh = {f"after round {number}": fresh_episodes(my_loop.agent(number)) for number in (1, 2, 3, 4)}
for name, episodes in mine_fresh.items():
    print(f"{name}: true return {episodes.true_return:5.1f}, "
          f"mean position {episodes.mean_position:+.2f} m, mean speed {episodes.mean_speed:.2f} m/s")
show(plots.positions_over_time({name: episodes.states for name, episodes in mine_fresh.items()},
                               "Where the cart goes after each round: 20 episodes, another preference"),
     alt="Four panels with the cart's position over 500 steps in 20 episodes, one for the agent "
         "of each round.")
if my_loop.source == "scripted":
    expect(-0.9 < episodes.mean_position < -0.15 and episodes.true_return > 400,
           "the agent balances to the left of the centre, as the labels said",
           ci=episodes.mean_position < 0.5, measured=episodes.mean_position)
else:
    print(f"It learned from {label_report(my_loop)}")

# %% [markdown]
# This claim is for the preference of the synthetic labeler. Only you can say whether *your* agent does what
# you had in mind. If it does not yet, look at the last film: what would you prefer now?
# `my_loop.add_round(labels=20, updates=30, round=5)` plans another round, with cells like those above.
#
# ## 4.12 Stop, continue, and use the reward model elsewhere
#
# Everything is on the disk: the labels in one file, the loop in a folder. A new loop with the same folder is exactly where the old one was.

# %%
again = PreferenceLoop(CartPoleTask(), store, folder, run="cartpole", config=loop.config)
weights = zip(again.network.parameters(), loop.network.parameters())
expect(all(torch.equal(a, b) for a, b in weights), "a new loop takes up the same agent",
       measured=repr(again))

# %% [markdown]
# And your reward model works elsewhere: `PreferenceReward` wraps a Gymnasium environment, gives the learned reward and hides the true
# one. stable-baselines3's PPO learns to balance from it (`tests/test_preferences_reward_wrapper.py`).

# %%
from course_lib.preferences.reward_model import PreferenceReward

env = PreferenceReward(gym.make("CartPole-v1"), loop.ensemble.normalized_reward)
obs, info = env.reset(seed=0)
rewards = [env.step(1)[1] for _ in range(8)]          # push right: the pole tips to the left
print("learned rewards while it pushes right:", "  ".join(f"{reward:+.2f}" for reward in rewards))
expect(rewards[-1] < rewards[0], "the reward falls as the pole does",
       measured=rewards[-1] - rewards[0])

# %% [markdown]
# ## What you learned
#
# - **The loop**: collect, label, fit, train. The agent never saw the true reward; the reward model saw nothing but clips and labels.
# - The score of a clip is the sum of its steps. Rewards need a zero and a scale that comparisons cannot give; the labelled clips give both.
# - The end of an episode is an absorbing state. Where the return stops at the end, a constant in the rewards decides whether the agent balances
#   (reward bias); where ends are hidden, the restart becomes a useful action.
# - *When* you label matters: later clips show mistakes that an untrained agent cannot make.
# - A reward model of few inputs can be drawn. Trust it where it has seen clips.
#
# **What failed, or is not known:** hidden ends, whose agents used the restart; rewards standardized over recent states, no uncertainty penalty, few
# environments (section 4.10). All labels before training, and pairs in contrast, failed on half of the seeds or more (sections 4.9 and 4.10);
# disagreement was no better than random pairs.
#
# **Further reading.** P. Christiano et al. (2017), *Deep reinforcement learning from human preferences*. AE Studio's synchronous
# re-implementation, in which one person labelled 240 pairs for CartPole. B. Ibarz et al. (2018), *Reward learning from human preferences
# and demonstrations in Atari*, on what goes wrong. I. Kostrikov et al. (2019), *Discriminator-actor-critic*, on reward bias and absorbing
# states. T. Coste et al. (2024), *Reward model ensembles help mitigate overoptimization*. Next: [lesson 05](05_backflip.ipynb) teaches a robot what no formula says.
