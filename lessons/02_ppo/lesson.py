# %% [markdown]
# # Lesson 02. PPO: learn more from less, and do not fall over
#
# **Goals.** Turn REINFORCE into the algorithm that most agents trained from human preferences were trained with. Know what each of
# its parts is for: the baseline, the critic, the advantage, the ratio and its clip, the entropy bonus. Solve CartPole and LunarLander.
#
# **Time.** About 50 minutes to read and run, 95 minutes for the exercises; the essential part takes 90 minutes in all. The cells use
# about two CPU-minutes. **Builds on** lesson 01: policy, return, discount, REINFORCE.
#
# Two functions run through the whole course. The second of them, the clipped objective, is in this lesson: the same code trains
# a pole here, Pong in lesson 06 and a language model in lesson 11.

# %%
import copy
import json
from dataclasses import replace

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from course_lib import budget, expect, mine, paths
from course_lib.rl.settings import CARTPOLE, LUNAR_LANDER
from course_lib.show import palette
from course_lib.show import rl_plots as plots
from course_lib.show.figures import explore, show

palette.style()
torch.set_num_threads(1)

# %% [markdown]
# ## 2.1 What was wrong with REINFORCE?
#
# It plays a few episodes, makes every action likelier in proportion to the return that followed it, and throws the episodes away.
# On average that is the right direction. But how far from the average is *one* batch?
#
# We need an agent in the middle of learning. Here are five CartPole agents after 20,000 steps of training; how they got there is
# the end of this lesson. They balance the pole for four to eight seconds and then lose it. They come with the course, so that you see
# the very agents that this text is about. (`python benchmarks/rl_lambda.py --ship` trains them anew.)

# %%
from course_lib.rl.settings import learning_agents

agents = learning_agents()[:budget(full=5, ci=2)]

# %% [markdown]
# Each agent plays batches of eight episodes and, for each batch, computes the gradient of REINFORCE's loss (lesson 01). The agent
# does not change: all its batches measure the *same* thing.

# %%
from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.objectives import discounted_returns, policy_gradient_loss
from course_lib.rl.reinforce import play_episodes


def play(agent, seed):
    generator = torch.Generator().manual_seed(seed)
    return play_episodes(VectorCartPole(8), agent, generator, seed=seed)

def gradient(agent, played, weights):
    """How the policy's parameters should move, as one long vector. weights: (T, N)."""
    logprobs = agent.distribution(played.obs).log_prob(played.actions)     # (T, N)
    loss = policy_gradient_loss(logprobs, weights, played.mask)
    parts = torch.autograd.grad(loss, agent.policy.parameters())
    return torch.cat([part.flatten() for part in parts])

# %%
batches = [[play(agent, seed) for seed in range(budget(full=80, ci=20))] for agent in agents]
for number, played in enumerate(batches):
    print(f"agent {number}: {np.mean([p.mask.sum(0).float().mean() for p in played]):.0f} steps an episode")
agreement = []
for agent, played in zip(agents, batches):
    found = [gradient(agent, p, discounted_returns(p.rewards, 0.99)) for p in played[:20]]
    directions = nn.functional.normalize(torch.stack(found))               # (20, parameters)
    cosines = directions @ directions.T
    agreement.append(cosines[~torch.eye(20, dtype=torch.bool)].mean().item())
print("mean cosine of two batches, agent by agent:", [round(c, 2) for c in agreement])
expect(max(agreement) < 0.5, "two batches of REINFORCE hardly agree on where to go",
       measured=f"mean cosine {np.mean(agreement):.2f}")

# %% [markdown]
# A cosine of 1 would mean the same direction, 0 means that two batches have nothing to say about each other. Most of every step is
# noise. Everything up to section 2.5 is about this number.
#
# ## 2.2 A baseline: compared with what?
#
# CartPole pays 1 a step, so every return is positive, and *every* action is made likelier, the bad ones a little less. It would be
# better to ask: was this return more than was to be expected? Subtract a number $b$, the **baseline**, from each return.
#
# > **Predict.** Does subtracting a baseline change the direction in which the policy moves on average?
#
# A policy with two actions is small enough to do the average exactly, with any $b$:

# %%
logits = torch.tensor([0.3, -0.5], requires_grad=True)
logprobs = torch.log_softmax(logits, dim=-1)
returns = torch.tensor([12.0, 10.0])                        # what each of the two actions earns
for b in (0.0, 11.0, 100.0):
    average = torch.zeros(2)
    for action in (0, 1):
        up, = torch.autograd.grad(logprobs[action], logits, retain_graph=True)
        average += logprobs[action].exp().detach() * (returns[action] - b) * up
    print(f"baseline {b:5.0f}: average gradient {[round(g, 4) for g in average.tolist()]}")

# %% [markdown]
# Not at all. The probabilities sum to 1 whatever we do, so what makes all actions likelier at once moves nothing, on average. But a
# single sample no longer says "up by 12" or "up by 10"; with $b = 11$ it says "up" or "down".
#
# ## 2.3 A critic: the best guess
#
# What is to be expected depends on the situation. A pole that already leans by ten degrees will not stand for long, whatever the
# agent does, and the action should not be blamed for it. So let a second network, the **critic**, learn to guess the return from
# what the agent sees. Policy and critic together are called an *actor-critic*.
#
# Here is one episode of agent 0 that ended in a fall. (The critic learned from rewards divided by 10; we multiply back.)

# %%
agent, critic_scale = agents[0], 1 / CARTPOLE.config.reward_scale

@torch.no_grad()
def guesses_of(agent, obs):
    return agent.critic(obs).squeeze(-1) * critic_scale

lengths = torch.stack([played.mask.sum(0) for played in batches[0][:10]])  # (batches, N)
b, n = divmod((lengths - 130).abs().argmin().item(), 8)
length, played = lengths[b, n].item(), batches[0][b]
obs, rewards = played.obs[:length, n], played.rewards[:length, n]
guesses = guesses_of(agent, obs)
title = f"The critic sees the fall coming before step {length}"
show(plots.value_and_return(guesses.numpy(), discounted_returns(rewards, 0.99).numpy(), title),
     alt="One episode of CartPole. The return from each step on falls smoothly from 73 to 1. The "
         "critic's guess starts a little below it, falls with it, and ends too high, at about 16.")

# %% [markdown]
# The critic has never seen this episode, and it knows nothing of the step number. It reads in where the cart is and how fast it moves
# that things are going badly. It is too hopeful near the end, but it was never told more than what 20,000 steps have shown.
#
# > **Predict.** Four ways to weigh an action: by the return of its whole episode; by the return *from there on* (what came before is
# > not its doing); the same minus the mean return; the same minus the critic's guess. How noisy is the gradient with each?

# %%
def four_ways(agent, played):
    returns = discounted_returns(played.rewards, 0.99)                     # (T, N)
    return {"whole episode's return": returns[0].expand_as(returns),
            "return from there on": returns,
            "minus the mean return": returns - returns[played.mask].mean(),
            "minus the critic's guess": returns - guesses_of(agent, played.obs)}

def noise(gradients):
    """Length of the spread of (batches, parameters) around their mean."""
    return (gradients - gradients.mean(0)).norm(dim=1).square().mean().sqrt().item()

noises = {}
for agent, played in zip(agents, batches):
    weighed = [four_ways(agent, p) for p in played[:budget(full=40, ci=20)]]
    for way in weighed[0]:
        gradients = torch.stack([gradient(agent, p, w[way]) for p, w in zip(played, weighed)])
        noises.setdefault(way, []).append(noise(gradients))

# %%
_, reinforce, _, critic = (np.mean(values) for values in noises.values())
title = "A better idea of what was to be expected leaves less noise"
show(plots.noise_bars(noises, title),
     alt="Bars of the gradient's noise, a dot for each agent: about 5 for the whole episode's "
         "return, 3.5 for the return from there on, 1.7 minus the mean, 1.1 minus the critic.")
expect(critic < 0.5 * reinforce, "a critic removes more than half of REINFORCE's noise",
       measured={way: round(np.mean(v), 2) for way, v in noises.items()})

# %% [markdown]
# The noise of a mean shrinks with the square root of the number of episodes. So a noise three times smaller is worth about ten times
# as many episodes, and all it took was a second network that watches.
#
# ## 2.4 The advantage, and how far to look
#
# The critic can do more. After one step it can already say how things *now* look. The **surprise** of a step,
#
# $$\delta_t = r_t + \gamma V(s_{t+1}) - V(s_t),$$
#
# compares the guess after the step with the guess before. It needs no future rewards, so the luck of the later steps cannot disturb
# it. But it is only as good as the critic. Between the two, a knob: add the later surprises, each step ahead fading by
# $\gamma\lambda$,
#
# $$A_t = \delta_t + \gamma\lambda\,\delta_{t+1} + (\gamma\lambda)^2\,\delta_{t+2} + \dots$$
#
# With $\lambda = 0$ only the next guess counts. With $\lambda = 1$ the guesses in between cancel, and what remains is the return
# that came, minus the first guess. This is *generalised advantage estimation*, GAE (Schulman et al. 2016).
#
# **Now do [exercise 02.1](../exercises/02_ppo.ipynb)**: write it. The next line takes *your* function as soon as its check has passed,
# and the course's until then. From here on it does all the work.

# %%
gae = mine("02.1")

# %% [markdown]
# The same episode again. Who is to blame for the fall? Move the slider: with $\lambda = 0$ the very last step takes nearly all of the
# blame, when nothing could be saved any more. The larger $\lambda$, the further back the blame reaches.

# %%
dones = torch.zeros(length, dtype=torch.bool)
dones[-1] = True

def advantages_at(lam):
    return gae(rewards, guesses, dones, torch.tensor(0.0), 0.99, lam).numpy()

def draw(lam):
    ends = {"λ = 0": advantages_at(0.0), "λ = 1": advantages_at(1.0)}
    return plots.advantages_of_an_episode(
        advantages_at(lam), ends, "The larger λ, the further the blame for the fall reaches back")

explore(draw, "Advantages along one episode. With lambda 0 they stay near zero until the last step, "
              "which gets -15. With lambda 1 they fall steadily from about 6 to -15. With 0.95 they "
              "stay near zero until step 80 and fall from there.",
        lam=(0.0, 1.0, 0.05, 0.95))
expect(np.allclose(advantages_at(1.0), discounted_returns(rewards, 0.99) - guesses, atol=1e-3),
       "λ = 1 is the return that came minus the critic's guess")

# %% [markdown]
# ## 2.5 Which λ? Noise against error
#
# > **Predict.** A small $\lambda$ trusts the critic, a large one the dice. Which gives the less noisy gradient? Which points, on
# > average, in the true direction?
#
# The true direction is the mean of many batches at $\lambda = 1$, where no guess of the critic can mislead (section 2.2). Forty
# batches of each agent give it; the other forty are then weighed with six values of $\lambda$.

# %%
LAMS = (0.0, 0.5, 0.8, 0.95, 0.98, 1.0)

def gradients_at(agent, played, lam):
    """(batches, parameters); each episode of a batch ends where its mask does."""
    found = []
    for p in played:
        ended = p.mask & ~torch.cat([p.mask[1:], torch.zeros_like(p.mask[:1])])   # (T, N)
        last = torch.zeros(p.mask.shape[1])
        weights = gae(p.rewards, guesses_of(agent, p.obs), ended, last, 0.99, lam)
        found.append(gradient(agent, p, weights))
    return torch.stack(found)

def angles(agent, played):
    half = len(played) // 2
    true = gradients_at(agent, played[half:], 1.0).mean(0)
    for lam in LAMS:
        some = gradients_at(agent, played[:half], lam)
        yield (noise(some), torch.cosine_similarity(some.mean(0), true, dim=0).item(),
               torch.cosine_similarity(some, true[None]).mean().item())

measured = np.array([list(angles(a, p)) for a, p in zip(agents, batches)])       # (agents, lams, 3)

# %%
title = "Small λ: little noise, wrong direction.  λ near 1: right direction, more noise"
show(plots.lambda_trade(LAMS, *np.moveaxis(measured, 2, 0), title),
     alt="Three panels against lambda, five agents each. Noise grows with lambda from 0.2 to 1.1. "
         "The mean's cosine with the true gradient rises from around 0, very different between "
         "agents, to nearly 1 at 0.95. One batch's cosine is highest at 0.95 to 1.")
noise_at, mean_at, one_at = (dict(zip(LAMS, column)) for column in measured.mean(0).T)
for lam in LAMS:
    print(f"λ = {lam:4g}: noise {noise_at[lam]:.2f}, cosine of the mean {mean_at[lam]:+.2f}, "
          f"of one batch {one_at[lam]:+.2f}")
expect(noise_at[0.8] < 0.5 * noise_at[1.0], "λ = 0.8 has less than half the noise of λ = 1",
       measured=f"{noise_at[0.8]:.2f} against {noise_at[1.0]:.2f}")
expect(mean_at[0.8] < 0.7 < 0.9 < mean_at[0.95],
       "but points elsewhere on average; λ = 0.95 points in the true direction",
       ci=mean_at[0.8] < mean_at[0.95], measured=f"{mean_at[0.8]:.2f} against {mean_at[0.95]:.2f}")
worst = dict(zip(LAMS, measured[:, :, 1].min(axis=0)))
expect(worst[0.5] < -0.2 and worst[0.95] > 0.8, "that holds for every agent; λ = 0.5 sends some backwards",
       ci=worst[0.5] < worst[0.95], measured={f"worst cosine at {k:g}": round(worst[k], 2) for k in (0.5, 0.95)})

# %% [markdown]
# Look at the thin lines in the middle panel. These critics were learned in a few seconds, and at small $\lambda$ some of them send the
# policy *backwards*, time after time, without noise. Little noise is worth nothing if the answer is wrong. At 0.95 the direction is
# right for all of them, and the noise is less than half of that at 1. The last panel is the sum of both: a single batch points best at
# 0.95 to 0.98. That is where nearly everybody sets the knob; a better critic would let us go lower.
#
# Are these five agents typical? They are the first five seeds, taken as they came. `benchmarks/rl_lambda.py` did the same with twenty
# other agents, whose seeds had not been used before:

# %%
runs = json.loads((paths.root() / "benchmarks" / "results" / "rl_lambda.json").read_text())["runs"]
others = np.array([run["mean_cosine"] for run in runs])                          # (agents, lams)
print(f"benchmarks/results/rl_lambda.json: {len(others)} agents")
for lam, cosines in zip(LAMS, others.T):
    print(f"λ = {lam:4g}: cosine of the mean {cosines.mean():+.2f}, lowest {cosines.min():+.2f}, "
          f"backwards for {(cosines < 0).sum()}")
small, usual = others[:, LAMS.index(0.5)], others[:, LAMS.index(0.95)]
expect((usual > 0.9).mean() > 0.8 and usual.min() > 0 and 0 < (small < 0).mean() < 0.5,
       "λ = 0.95 is right for most of them and backwards for none, λ = 0.5 backwards for some",
       measured=f"above 0.9 at 0.95: {(usual > 0.9).sum()}, at 0.5: {(small > 0.9).sum()} of {len(others)}")

# %% [markdown]
# $\lambda = 0.5$ is half right on average and backwards for a few agents, and nothing in the noise would warn you. So our five are on
# the unlucky side, but they are no exception. At 0.95 nearly all are right and none is backwards. The one with the lowest cosine is a
# warning about the measurement: for that agent even $\lambda = 1$ agrees with its own other half only to 0.87, so forty batches are not
# enough to know the true direction well.
#
# **[Exercise 02.4](../exercises/02_ppo.ipynb)** is a GAE that is right, except at the ends of episodes.
#
# ## 2.6 The ratio and its clip: use each rollout more than once
#
# REINFORCE takes one gradient step and throws its episodes away. Playing is expensive; could we take several steps? After the first,
# the policy has changed, and the rollout was made by an *older* policy. Two corrections are needed.
#
# The **ratio** $\rho = \pi_\text{new}(a|s)/\pi_\text{old}(a|s)$ corrects the bookkeeping: an action that the new policy takes twice as often
# should count twice. And the **clip** is a brake. The rollout says nothing about policies far from the one that made it, so
# an action earns nothing for going beyond $1 \pm \epsilon$:
#
# $$\min\big(\rho A,\ \text{clip}(\rho, 1-\epsilon, 1+\epsilon)\,A\big)$$
#
# Move the slider and watch where the curves are flat. A flat piece has no slope, so there the gradient of that action is zero.

# %%
explore(plots.clipped_objective,
        "PPO's objective against the ratio. For a good action it rises with the ratio and is flat "
        "above 1 + clip; for a bad action it is flat below 1 - clip and falls beyond.",
        clip=(0.05, 0.6, 0.05, 0.2))

# %% [markdown]
# It is flat on one side only. Whoever went too far the *wrong* way is still pulled back. **Now do exercises
# [02.2](../exercises/02_ppo.ipynb)** (write it) **and 02.3** (what happens at a ratio of 1.5?).

# %%
clipped_policy_loss = mine("02.2")

# %% [markdown]
# > **Predict.** Take one rollout of 2,048 steps and learn from it 40 times over, with the clip and without. How far does the policy move?
#
# The yardstick is the *KL divergence* from the old policy to the new one: how surprised the old policy would be at the new one's
# actions, on average, in nats. Lesson 11 will hold a language model to it.

# %%
from course_lib.rl.evaluate import evaluate, sampled
from course_lib.rl.objectives import approximate_kl


def learn_many_times(ppo, rollout, clip, epochs=40):
    """The policy after each epoch on one rollout: its KL from the old; and the last policy."""
    policy, (_, advantages) = copy.deepcopy(ppo.network), ppo.advantages(rollout)
    weights = ((advantages - advantages.mean()) / advantages.std()).flatten()
    obs, actions = rollout.obs.flatten(0, 1), rollout.actions.flatten()
    old_logprobs, kls = rollout.logprobs.flatten(), []
    optimizer = torch.optim.Adam(policy.policy.parameters(), lr=1e-3, eps=1e-5)
    rng = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for batch in torch.randperm(len(obs), generator=rng).split(256):
            logprobs = policy.distribution(obs[batch]).log_prob(actions[batch])
            loss = clipped_policy_loss(logprobs, old_logprobs[batch], weights[batch], clip)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            logprobs = policy.distribution(obs).log_prob(actions)
            kls.append(approximate_kl(logprobs, old_logprobs).item())
    return kls, policy

# %%
kls, steps_after = {"clip 0.2": [], "no clip": []}, {"before": [], "clip 0.2": [], "no clip": []}
for seed in range(budget(full=5, ci=2)):
    ppo = CARTPOLE.start(seed=seed)
    *_, _ = ppo.train(until=10_000)
    rollout, _ = ppo.collector.collect(128)
    steps_after["before"].append(evaluate(VectorCartPole(100), sampled(ppo.network)).mean)
    for name, clip in (("clip 0.2", 0.2), ("no clip", float("inf"))):
        kl, policy = learn_many_times(ppo, rollout, clip)
        kls[name].append(kl)
        steps_after[name].append(evaluate(VectorCartPole(100), sampled(policy)).mean)
for name, values in steps_after.items():
    print(f"{name:9s} steps an episode {[round(v) for v in values]}, mean {np.mean(values):.0f}")
gain = np.subtract(steps_after["clip 0.2"], steps_after["before"])
expect(gain.min() > -5, "with the clip no agent got worse", ci=gain.min() > -40, measured=f"least gain {gain.min():.0f}")

# %%
kls = {name: np.array(values) for name, values in kls.items()}
clipped, free = (values[:, -1].mean() for values in kls.values())
show(plots.by_epoch(kls, "KL from the old policy (nats)",
                    "The clip stops the policy; without it, it runs away from its data"),
     alt="KL divergence from the old policy over 40 epochs on one rollout. With clip 0.2 it stays "
         "near 0.01 nats; without a clip it grows to about 1.")
expect(free > 20 * clipped, "without the clip the policy moves more than 20 times as far",
       measured=f"{free:.2f} against {clipped:.3f} nats")

# %% [markdown]
# With the clip the first epochs move the policy a little, and the rest change next to nothing: whatever went far enough is flat. So
# the number of epochs hardly matters, which makes PPO easy to use. Without it, the policy learns its 2,048 steps by heart. Look at
# the printed lines: with the clip no agent got worse in *new* episodes; without it one doubled its time and one lost most of it.
#
# **[Exercise 02.5](../exercises/02_ppo.ipynb)** is the most common bug in this part: a clip that never bites.
#
# ## 2.7 Entropy: stay undecided for a while
#
# A policy that is certain never tries anything else and learns nothing more. Its **entropy**, the mean surprise at its own actions,
# measures indecision: $\log 2 = 0.69$ nats for a coin, 0 for a rule. PPO pays a small bonus for it.

# %%
from course_lib.rl.networks import Categorical

for logits in ([0.0, 0.0], [1.0, 0.0], [4.0, 0.0]):
    policy = Categorical(torch.tensor(logits))
    p = policy.logprobs.exp()[0]
    print(f"P(left) = {p:.2f}: entropy {policy.entropy():.2f} nats")

# %% [markdown]
# ## 2.8 The whole loop
#
# All parts are on the table. The library has them in one file, `course_lib/rl/ppo.py`; let us do one update by hand, with your two
# functions, and see whether the file does the same. First, play: 16 CartPoles, 128 steps each.

# %%
by_hand, library = CARTPOLE.start(seed=7), CARTPOLE.start(seed=7)          # two twins
config, network = by_hand.config, by_hand.network
rollout, episodes = by_hand.collector.collect(config.num_steps)
print("obs", tuple(rollout.obs.shape), " rewards", tuple(rollout.rewards.shape),
      " values", tuple(rollout.values.shape), " last_values", tuple(rollout.last_values.shape))
print(f"{len(episodes)} episodes ended; {rollout.truncated.sum()} of them by the clock")

# %% [markdown]
# Then judge: advantages, and from them what the critic should have guessed. The policy gets them shifted and scaled to mean 0 and
# spread 1, so that one learning rate fits tasks with large and with small rewards.
#
# (No clock stopped an episode here. Where one does, the file pays what would have followed, as the critic guesses it:
# **[exercise 02.6](../exercises/02_ppo.ipynb)**.)

# %%
rewards = rollout.rewards * config.reward_scale
advantages = gae(rewards, rollout.values, rollout.ended, rollout.last_values,
                 config.gamma, config.lam)                                 # (T, N)
targets = (advantages + rollout.values).flatten()                          # (T * N,)
weights = ((advantages - advantages.mean()) / (advantages.std() + 1e-8)).flatten()
obs, actions = rollout.obs.flatten(0, 1), rollout.actions.flatten()
old_logprobs = rollout.logprobs.flatten()               # taken once, before anything moves

# %% [markdown]
# Then learn, four times over, in minibatches of 256 steps. The loss has three terms: the clipped objective, the critic's error, the
# entropy bonus.

# %%
from course_lib.rl.objectives import value_loss

optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, eps=1e-5)
for _ in range(config.epochs):
    shuffled = torch.randperm(len(obs), generator=by_hand.generator)
    for batch in shuffled.split(config.minibatch_size):
        distribution, values = network(obs[batch])
        logprobs = distribution.log_prob(actions[batch])
        loss = clipped_policy_loss(logprobs, old_logprobs[batch], weights[batch], config.clip)
        loss = loss + config.value_coefficient * value_loss(values, targets[batch])
        loss = loss - config.entropy_coefficient * distribution.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), config.max_grad_norm)
        optimizer.step()

# %% [markdown]
# That is all of PPO. Now the file's first update, from the same start and the same dice:

# %%
first_update = next(library.train())
pairs = zip(network.parameters(), library.network.parameters())
apart = max((one - other).abs().max().item() for one, other in pairs)
expect(apart < 1e-4, "the update by hand and the library's give the same network",
       measured=f"largest difference of a weight {apart:.0e}")

# %% [markdown]
# ## 2.9 CartPole, solved while you watch
#
# 100,000 steps, with your two functions. The view stops after the update in progress when you press its ■ button (or Jupyter's); run
# the cell again and it goes on where it was.
#
# > **Predict.** How many steps will it take to 475? And what will the entropy do?

# %%
from course_lib.rl.networks import ActorCritic
from course_lib.rl.ppo import PPO

untrained = ActorCritic(4, 2)
ppo = PPO(CARTPOLE.make_envs(16), copy.deepcopy(untrained), CARTPOLE.config,
          advantage_function=gae, policy_loss=clipped_policy_loss)

# %%
from course_lib.show.training_view import watch

steps = budget(full=100_000, ci=60_000)
view = watch(ppo.train(until=steps), past=ppo.history, total=steps, goal=CARTPOLE.goal)

# %%
before = evaluate(VectorCartPole(20), sampled(untrained)).mean
after = evaluate(VectorCartPole(20), sampled(ppo.network)).mean
print(f"20 fresh episodes: {before:.0f} steps before training, {after:.0f} afterwards (limit 500)")
expect(after >= 475, "CartPole is solved", ci=after > 200, measured=after)

# %%
from course_lib.rl.cartpole import render
from course_lib.rl.evaluate import record
from course_lib.show.video import side_by_side, video

cartpole = gym.make("CartPole-v1")
episodes = [record(cartpole, sampled(net), frames=False) for net in (untrained, ppo.network)]
clips = [[render(state) for state in episode.obs[:300][::-2][::-1]] for episode in episodes]
video(side_by_side(clips, ["before", "after"]), fps=25, width=488,
      alt="Two CartPoles side by side. Untrained, the pole falls in less than a second. Trained, it "
          "stands upright for the six seconds shown.")

# %% [markdown]
# Is one seed luck? `benchmarks/rl_cartpole.py` trains five, and keeps what it measured:

# %%
def measured_by(name):
    return json.loads((paths.root() / "benchmarks" / "results" / f"{name}.json").read_text())["runs"]

five = [run for run in measured_by("rl_cartpole") if run["key"].startswith("CartPole, seed")]
print("benchmarks/results/rl_cartpole.json")
for run in five:
    at = run["training_reached_goal_at"]
    print(f"seed {run['seed']}: fresh episodes {run['sampled']:.0f}, 475 reached after {at['steps']:,} "
          f"steps, {at['cpu_seconds']} CPU-seconds")

# %% [markdown]
# ## 2.10 What does each part buy?
#
# Take a part away and train again. On CartPole this is cheap enough to do here: five variants, the same five seeds for each, 50,000
# steps, about one CPU-minute in all. "No critic" gives PPO an advantage function that does not look at the values, only at rewards.
#
# > **Predict.** Which of these learns slowest? Which is the least steady?

# %%
def no_critic(rewards, values, dones, last_value, gamma, lam):
    nothing = torch.zeros_like(values)
    return gae(rewards, nothing, dones, torch.zeros_like(last_value), gamma, 1.0)

changes = {"PPO, four epochs": {}, "no critic": {"advantage_function": no_critic},
           "one epoch": {"epochs": 1}, "twenty epochs": {"epochs": 20},
           "twenty epochs, no clip": {"epochs": 20, "clip": float("inf")}}

def train_with(seed, advantage_function=gae, **change):
    config = replace(CARTPOLE.config, total_steps=budget(full=50_000, ci=16_000), seed=seed, **change)
    ppo = PPO(CARTPOLE.make_envs(16), ActorCritic(4, 2, seed=seed), config,
              advantage_function=advantage_function, policy_loss=clipped_policy_loss)
    return [(progress.steps, progress.episode_return) for progress in ppo.train()]

# %%
from tqdm.auto import tqdm

seeds = range(budget(full=5, ci=1))
runs = {name: np.array([train_with(seed, **change) for seed in seeds])           # (seeds, updates, 2)
        for name, change in tqdm(changes.items(), desc="variants")}
curves = {name: (run[0, :, 0], run[:, :, 1]) for name, run in runs.items()}
ends, drops = {}, {}
for name, (_, returns) in curves.items():
    ends[name] = returns[:, -1]
    drops[name] = (np.maximum.accumulate(returns, axis=1) - returns).max(axis=1)
    print(f"{name:23s} at the end {ends[name].mean():3.0f} (worst seed {ends[name].min():3.0f}), "
          f"largest fall below its own best {drops[name].max():3.0f}")

# %%
title = "Without critic or reuse PPO is slow; without the clip it falls back"
show(plots.learning_curves(curves, title, goal=CARTPOLE.goal),
     alt="Learning curves of five variants on CartPole, mean and range over five seeds. PPO with "
         "four and with twenty epochs climbs to 500. Without the critic it reaches about 260, with "
         "one epoch 160. Twenty epochs without the clip climb fast, then some seeds fall far back.")
ppo_ends, without = ends["PPO, four epochs"].mean(), ends["no critic"].mean()
expect(ppo_ends > 1.5 * without > 1.5 * ends["one epoch"].mean(),
       "without the critic PPO is slower by far, with one epoch slower still",
       ci=ppo_ends > without, measured={name: round(v.mean()) for name, v in ends.items()})
expect(drops["twenty epochs"].max() < 100 < drops["twenty epochs, no clip"].max(),
       "with twenty epochs only the clip keeps what was learned",
       ci=drops["twenty epochs"].max() < 100,
       measured={name: f"falls by up to {drops[name].max():.0f}" for name in list(drops)[3:]})

# %% [markdown]
# Reuse buys the most here: with one epoch, as in REINFORCE, most of what a rollout could teach is thrown away. The critic buys the second
# half of the climb. And the clip buys *calm*: twenty epochs without it start as fast as with it, and then some seeds lose most of
# what they had learned.
#
# **What this does not show.** One task and five seeds rank nothing for good, and all variants use the settings that were found for
# "PPO, four epochs"; with smaller steps, "no clip" would look better. `benchmarks/rl_ablation.py` does the same for lambda, the
# entropy bonus and the normalisation. Here is what it measured on LunarLander, 800,000 steps a run, three seeds each.
#
# > **Predict.** Which part does LunarLander miss most?

# %%
from course_lib.rl.settings import stored_ablation

lander, likeliest = {}, {}
for run in stored_ablation("lunarlander"):
    lander.setdefault(run.variant, []).append(run.sampled)
    likeliest.setdefault(run.variant, []).append(run.greedy)
title = "LunarLander misses every part but the entropy bonus"
show(plots.final_returns(lander, title, goal=200),
     alt="Dots of three seeds for seven variants of PPO on LunarLander, actions drawn as in "
         "training. PPO and no entropy bonus end near 280, no clipping between 150 and 276, "
         "lambda 1 and no normalization near 155, one epoch near 120, lambda 0 below -60.")
for name in lander:
    print(f"{name:17s} actions drawn {np.mean(lander[name]):4.0f}, "
          f"the likeliest action each time {np.mean(likeliest[name]):4.0f}")

# %%
expect(min(lander["PPO"]) > 200 > max(lander["lambda 1"] + lander["no normalization"]),
       "as trained, with actions drawn, lambda 1 and no normalization stay below 200 on all seeds")
expect(max(lander["lambda 0"]) < 0 < max(lander["one epoch"]) < 200 < min(likeliest["lambda 1"]),
       "lambda 0 never lands, one epoch is too slow; lambda 1 lands with its likeliest actions")

# %% [markdown]
# (From `benchmarks/results/rl_ablation_lunarlander.json`.) Lambda 0 trusts the critic after a single step, and early on the critic knows
# nothing: the landing is 200 steps away. Lambda 1 and advantages that are not normalised find a policy whose *likeliest* actions land well,
# but it stays undecided: drawn as in training, its actions lose a hundred points. Judge by one way of acting alone and you would
# have missed it. The entropy bonus buys nothing on either task here.
#
# ## 2.11 LunarLander
#
# A harder task, whose reward you took apart in lesson 01: eight numbers in, four engines, 64 landers at once, 800,000 steps. Training
# takes about a CPU-minute; this notebook opens with an agent that the same code trained before. Set `retrain = True` to train one
# from scratch with your own functions; it can be stopped, and goes on when the cell runs again, even after a restart.
# (The shipped agent is rebuilt by `python benchmarks/rl_slip.py --ship`.)

# %%
from course_lib.rl.settings import LANDER, load_agent

retrain = False
if retrain:
    ppo = PPO(LUNAR_LANDER.make_envs(64), ActorCritic(8, 4), LUNAR_LANDER.config,
              checkpoint=paths.my_work() / "checkpoints" / "02_lander.pt",
              advantage_function=gae, policy_loss=clipped_policy_loss)
    watch(ppo.train(), past=ppo.history, total=ppo.config.total_steps, goal=LUNAR_LANDER.goal)
    lander = ppo.network
else:
    lander, facts = load_agent(LANDER)
    print(f"{facts['trained_on']}: {facts['agent_steps']:,} steps, {facts['cpu_seconds']:.0f} CPU-seconds")

# %%
five = [run for run in measured_by("rl_lunarlander") if run["key"].startswith("LunarLander, seed")]
points = min(len(run["steps"]) for run in five)
returns = np.array([run["returns"][:points] for run in five])
curve = {"five seeds": (np.array(five[0]["steps"][:points]), returns)}
show(plots.learning_curves(curve, "LunarLander: five seeds of five pass 200 (benchmarks/results/rl_lunarlander.json)",
                           goal=LUNAR_LANDER.goal),
     alt="Learning curve of LunarLander over 800,000 steps, mean and range of five seeds: from "
         "about -200 to about 270, crossing 200 between 200,000 and 400,000 steps.")
print("20 fresh episodes after training, seed by seed:", [run["sampled"] for run in five])

# %% [markdown]
# 200 counts as solved. Twenty fresh episodes of the agent at hand:

# %%
scores = evaluate(LUNAR_LANDER.make_envs(20), sampled(lander), max_steps=1_000)
print("returns:", np.sort(scores.returns.round()).astype(int).tolist())
expect(scores.mean >= 200, "LunarLander is solved", measured=scores.mean)

# %%
world = gym.make("LunarLander-v3", render_mode="rgb_array")
clips = [[frame[::2, ::2] for frame in record(world, sampled(net), seed=3).frames[::3]]
         for net in (ActorCritic(8, 4), lander)]
video(side_by_side(clips, ["before", "after"]), fps=17, width=608,
      alt="Two moon landers side by side. The untrained one tumbles and crashes. The trained one "
          "slows down, and sets its two legs on the ground between the flags.")

# %% [markdown]
# Most landings earn between 250 and 320; an unlucky one is easy to spot in the line of returns above.
#
# ## 2.12 Beside a well-known library
#
# Is our PPO *right*? [stable-baselines3](https://stable-baselines3.readthedocs.io) is a library that many people use and test. On random
# input its advantages, policy loss, critic loss and entropy equal ours to one part in a million; `tests/test_rl_gae.py` and
# `tests/test_rl_ppo_loss.py` hold the course to that. And speed? Agent steps per CPU-second, same network, same batch, same
# number of epochs, the two taking turns in one process:

# %%
print("benchmarks/results/rl_speed.json" + 31 * " " + "course  stable-baselines3")
speeds = measured_by("rl_speed")
for run in speeds:
    print(f"{run['key']:53s}  {run['course']:9,d}  {run['stable_baselines3']:17,d}   {run['ratio']:.1f} times")
expect(min(run["ratio"] for run in speeds) > 1, "the course's PPO is quicker in every row",
       measured=f"{min(r['ratio'] for r in speeds)} to {max(r['ratio'] for r in speeds)} times")

# %% [markdown]
# About twice as quick on CartPole, little more than as quick on LunarLander, where the world's own physics takes most of the time. One
# reason: while it plays, our program asks the policy alone, and judges all steps of the rollout in one go afterwards. What the library
# has and we have not: callbacks, many algorithms, years of use.
#
# ## What you learned
#
# - A baseline takes away noise and no truth. A critic is a baseline that looks at the situation.
# - $\lambda$ trades noise against trust in the critic.
# - The clip makes it safe to learn from each rollout several times. It takes away the reward for going further, never the way back.
# - An entropy bonus keeps the policy undecided for a while. Loss, loop, and all the rest fit in one file.
#
# **What failed.** With $\lambda$ of 0.8 and below, a fresh critic sent some agents backwards, without any noise to warn us. Without the
# clip, agents lost what they had learned. And one landing in twenty still goes wrong.
#
# **Departures from the paper.** `course_lib/rl/ppo.py` lists them at its top: advantages are normalised; the weights start orthogonal,
# Adam's epsilon is 1e-5, gradients are shortened and the learning rate falls; an episode cut off by the clock is continued by the
# critic's guess.
#
# **Further reading.** J. Schulman et al. (2017), *Proximal policy optimization algorithms*. J. Schulman et al. (2016), *High-dimensional
# continuous control using generalized advantage estimation*. S. Huang et al. (2022), *The 37 implementation details of proximal policy
# optimization*. M. Andrychowicz et al. (2021), *What matters for on-policy deep actor-critic methods?*
#
# **Next:** [lesson 03](03_bradley_terry.ipynb): where rewards come from when nobody can write them down.
