# %% [markdown]
# # Lesson 04 exercises: CartPole from preferences
#
# **Goals.** Write the small parts that turn preferences between clips into rewards for an agent; choose which pairs to label; see why the
# end of an episode needs care; find a silent bug; score a behaviour of your own.
#
# **Time.** {{time}}
# **Builds on** lessons 02 and 03; do
# each exercise when the [lesson](../notebooks/04_cartpole_from_preferences.ipynb) sends you here.

# %%
import torch

from course_lib import check, hint
from course_lib.rl.cartpole import ANGLE_LIMIT, X_LIMIT

# %% [markdown]
# {{exercise 04.1}}
#
# In lesson 03 a text had one score. A clip has many steps, and the reward model gives each of them a number. Christiano et al.
# (2017) add them up: the score of the clip is the *sum* over its steps, its **segment return**. So the score of a step is a reward, which an
# agent can learn from.
#
# Clips of different lengths are padded to fit into one tensor. `mask` is 1 where a step counts and 0 where it is padding; the values
# in the padding mean nothing and may even be `nan`. A `nan` in a step that *counts* is an error of the reward model: it must
# stay visible, so do not replace it.

# %% tags=["exercise:04.1"]
def segment_return(rewards, mask=None):
    """Sum of the rewards along each clip.

    rewards: (..., steps). mask: the same shape, or None when all steps count. Returns (...).
    """
    # BEGIN SOLUTION
    if mask is None:
        return rewards.sum(dim=-1)
    return torch.where(mask > 0, rewards, 0.0).sum(dim=-1)
    # END SOLUTION

# %% tags=["check:04.1"]
check("04.1", segment_return)

# %% [markdown] tags=["solution-only"]
# **Why it works.** `torch.where` *chooses*; `rewards * mask` computes, and `0 * nan` is `nan`. A sum and not a mean: with the mean,
# a long good clip would score no higher than a short one, and what a step adds would depend on the length of its clip.

# %% [markdown]
# {{exercise 04.2}}
#
# Comparisons fix no zero, and how large the scores become depends on the fit (lesson 03, section 3.4). PPO needs both fixed: its critic
# estimates sums of these rewards, and a reward model that was fitted again may suddenly give scores ten times as large. So the scores are
# **standardized**: shifted and scaled to mean 0 and a fixed standard deviation.
#
# Mean 0 over *which* states? We take all states of the **labelled clips**. After each fit the reward model scores them once, and their
# mean and standard deviation hold until the next fit. (Christiano et al. 2017 take the states that the agent meets. Question for
# afterwards: what happens then, once the agent balances so well that all its states are nearly alike?)
#
# If all labelled scores are nearly the same, their standard deviation is mere rounding error: divide by at least 0.001.

# %% tags=["exercise:04.2"]
def standardize_rewards(raw, labelled, std):
    """Rewards for the agent, the shape of `raw`.

    raw: scores of the states of one rollout, any shape. labelled: scores of all states of the labelled clips,
    any shape. std: the standard deviation that the rewards of the labelled clips should have.
    """
    # BEGIN SOLUTION
    deviation = max(labelled.std().item(), 0.001)
    return (raw - labelled.mean()) / deviation * std
    # END SOLUTION

# %% tags=["check:04.2"]
check("04.2", standardize_rewards)

# %% [markdown] tags=["solution-only"]
# **Why the labelled clips?** Standardized over its own rollout, the mean reward of an agent that improves would never rise: a good rollout
# would have the same mean as a bad one. A running average over rollouts has a second fault. Once the agent balances, its states are nearly
# alike, their standard deviation shrinks, and dividing by it magnifies what is left, which is the noise of the reward model. The labelled clips
# contain falls and good balancing alike, so their scale keeps its meaning.

# %% [markdown]
# {{exercise 04.3}}
#
# A person's time is scarce. Which pairs should be labelled? Christiano et al. (2017, section 2.2.4) keep an **ensemble** of
# reward models and select the pairs on which its members *disagree*. Each member predicts a probability that the first clip is
# preferred (lesson 03); the **disagreement** about a pair is the *standard deviation of these probabilities* over the members. (The paper takes
# the variance, which gives the same order.) Given each member's segment returns, find the pairs with the largest.

# %% tags=["exercise:04.3"]
def most_disputed(first, second, count):
    """Positions of the `count` most disputed pairs, the most disputed first, (count,).

    first, second: (members, pairs) the segment returns of the two clips under each member.
    """
    # BEGIN SOLUTION
    p = torch.sigmoid(first - second)                       # (members, pairs)
    return p.std(dim=0).argsort(descending=True)[:count]    # (count,)
    # END SOLUTION

# %% tags=["check:04.3"]
check("04.3", most_disputed)

# %% [markdown] tags=["solution-only"]
# **Why probabilities?** One member says "better by 5", another "better by 15": a large difference in *return* and none in the predicted
# preference, since both are sure. The sigmoid removes such differences, and leaves those where one member says 0.8 and another 0.2. Does
# labelling them help? See section 4.9.

# %% [markdown]
# {{exercise 04.4}}
#
# Suppose the reward model is constant: each step brings the reward +1, or -1. Normally an episode of CartPole ends
# with the fall, and the return stops there ("the end counts"). One can also hide the ends from the learner ("ends hidden"): the
# environment still restarts after a fall, but advantages and values continue as in one endless episode.
#
# What does PPO learn in the four cases? Answer each with `"balances longer"`, `"falls sooner"` or `"no reason to change"`.

# %% tags=["exercise:04.4"]
def prediction():
    """What the agent does after training, compared with before."""
    # BEGIN SOLUTION
    return {
        "+1 a step, the end counts": "balances longer",
        "-1 a step, the end counts": "falls sooner",
        "+1 a step, ends hidden": "no reason to change",
        "-1 a step, ends hidden": "no reason to change",
    }
    # INSTEAD
    # return {
    #     "+1 a step, the end counts": ...,
    #     "-1 a step, the end counts": ...,
    #     "+1 a step, ends hidden": ...,
    #     "-1 a step, ends hidden": ...,
    # }
    # END SOLUTION

# %% tags=["check:04.4"]
check("04.4", prediction)

# %% [markdown]
# Section 4.8 of the lesson runs all four. See there whether PPO agrees with you, and what is wrong with hidden ends.
#
# {{exercise 04.5}}
#
# An agent should be rewarded for what its action *led to*. This function finds those states in a rollout, and PPO's rewards are then
# `reward_model(states_led_to(...))`. It runs, shapes fit, it even handles the ends of episodes, and the agent learns a little.
# Then it stops: it does not avoid falling. One line is wrong. Find it and fix it.

# %% tags=["exercise:04.5"]
def states_led_to(obs, last_obs, final_obs, ended):
    """The state that each action led to, (T, N, D).

    obs: (T, N, D) what the agent saw before each step. last_obs: (N, D) what it sees next.
    ended: (T, N) True where an episode ended with the step; the environment restarts at once.
    final_obs: (E, D) the true last states of those episodes, in the order of the steps.
    """
    next_states = torch.cat([obs[1:], last_obs[None]])        # (T, N, D)
    # BEGIN SOLUTION
    next_states[ended] = final_obs                            # the state that ended the episode
    # INSTEAD
    # next_states[ended] = obs[ended]     # the next row is a new episode's: take the last one seen
    # END SOLUTION
    return next_states

# %% [markdown]
# One environment, three steps; the second one ends an episode, with the pole at 0.22 rad. What does the agent seem to have led to?

# %%
obs = torch.tensor([[[0.0, 0.0, 0.19, 0.0]], [[0.0, 0.0, 0.20, 0.0]], [[0.0, 0.0, 0.01, 0.0]]])
ended = torch.tensor([[False], [True], [False]])
fallen_state = torch.tensor([[0.0, 0.0, 0.22, 0.0]])
print("angles led to:", states_led_to(obs, obs[-1], fallen_state, ended)[:, 0, 2].tolist())

# %% tags=["check:04.5"]
check("04.5", states_led_to)

# %% [markdown] tags=["solution-only"]
# **The bug.** The state *before* the last step stood in for the state after it: a leaning pole, but not a fallen one. No fallen state ever
# reached the reward model, so the worst action of all got no penalty. Leaving the line out is worse still: then the first state of
# the *next* episode, upright and in the centre, rewards the fall like the best of actions. Nothing crashes and most rows are right; only
# the falls are missing, one step in twenty at first.

# %% [markdown]
# {{exercise 04.6}}
#
# In section 4.11 you teach a behaviour of your own. Your clicks can do it, or a synthetic labeler in your place. The synthetic labeler needs
# your preference as a *score* of a clip, higher is better: here that of someone who wants the cart at `place`, upright.
#
# Each state of the clip has a penalty of $|x - \text{place}| + |\text{angle}|/0.2094$ (metres, and shares of the pole's limit, `ANGLE_LIMIT`), and
# 10 more if the pole is down or the cart has left the track (beyond `X_LIMIT`, 2.4 m); a state in which both are true has 10
# more, not 20. The score is minus the sum over all states.

# %% tags=["exercise:04.6"]
def mark_place(obs, place):
    """Score of a clip for someone who wants the cart at `place`, a number.

    obs: (L, 4) states: position (m), velocity, angle (radians), angular velocity. place: metres.
    """
    # BEGIN SOLUTION
    x, angle = obs[:, 0], obs[:, 2]                                   # (L,) each
    down = (x.abs() > X_LIMIT) | (angle.abs() > ANGLE_LIMIT)
    penalty = (x - place).abs() + angle.abs() / ANGLE_LIMIT + 10.0 * down
    return -penalty.sum().item()
    # END SOLUTION

# %% tags=["check:04.6"]
check("04.6", mark_place)

# %% [markdown] tags=["solution-only"]
# **Note.** This is a formula, so the agent could get it as reward directly. The loop never does that: it sees labels of pairs only. For a
# preference without a formula, your own clicks take its place.

# %% [markdown]
# {{exercise 04.7}}
#
# **Something whole to build; optional, one to two hours.** The lesson's loop was given, you wrote its parts. Now write the loop: from clips
# and labels to an agent that balances near the middle and has never seen a reward. About 50 lines. PPO is the library's (or your own idea of
# it, from lesson 02, wrapped); everything between the clips and PPO's rewards is yours. Run the check after each method: it goes through
# the parts in the order of this page. When all of them are right it runs three rounds of 100 labels, some ten seconds.
#
# ```
# each round   collect ─→ clips (K, L, 4) ─→ ask: pairs ─→ labeler: mu ─→ fit ─→ PPO
#                 ↑                                                        │       │
#                 │                    reward_model(state) → score ←───────┘       │ rewards (T, N)
#                 └────────────────────── the policy, a little better ←────────────┘
# ```
#
# **What you are given**
#
# - `envs`: N sealed CartPoles; reading their reward raises an error. `network`: the actor-critic that PPO trains.
# - `reward_model`, a torch module: states (..., 4) → one score for each, (...). `labeler(first, second)` compares two clips (L, 4) and says 1.0
#   (the first is better), 0.0, 0.5 (a tie), or `None`: skipped.
# - `config`, a `LoopConfig`: `labels` and `updates`, one number a round; `clip_steps` (L); `absorbing_steps`; `seed`; `reward` with `fit_steps`,
#   `learning_rate`, `weight_decay` and `std`; `ppo`, the settings of PPO. The check changes them all.
# - `PPO(envs, network, ppo_config, reward_function=f)`, which calls `f(rollout)` for its rewards (T, N).
#   `rollout, _ = ppo.collector.collect(num_steps)` only acts. `for _ in ppo.train(until=steps): pass` makes updates until there were
#   `steps` agent steps *in all its life*; one update is `ppo.steps_an_update` of them.
# - a `rollout`: `obs` (T, N, 4) before each step, `next_obs()` (T, N, 4), what each action led to (true last states where an episode ended),
#   `ended` (T, N).

# %% [markdown]
# **What to write: `PreferenceLearner`**
#
# 1. `__init__` makes an `AdamW` for the reward model, empty lists `first`, `second` and `mu`, a random generator from `config.seed`, and
#    `self.ppo`, with `config.ppo` but for two fields (`dataclasses.replace`): `total_steps`, the agent steps of all updates of all rounds, and
#    `seed`. Its rewards come from `self.rewards`.
# 2. `clips(rollout)` cuts what the actions *led to* into pieces, (K, L, 4): each environment's steps 0 to L − 1, L to 2L − 1, and so on. A rest
#    shorter than L is dropped. K = N · (T // L), in any order.
# 3. `ask(clips, count)` draws `count` pairs of two different clips at random, no pair twice within a call (in either order), and asks the
#    labeler. What it says is appended to `first`, `second` (clips) and `mu` (numbers). A skip brings no label and is not replaced; a tie is a label.
# 4. `loss(first, second, mu)`, clips (P, L, 4) and labels (P,): the Bradley–Terry loss of the clips' returns, the sums of their scores; mean
#    over the pairs, nats, a tensor with a gradient. (Your `mine("03.1")` and `mine("04.1")` will do.)
# 5. `fit()`: `fit_steps` steps of AdamW on *all* labels so far at once, from where the reward model is. Afterwards it scores all states of all
#    labelled clips once; their mean and standard deviation hold until the next fit. Return the losses, one number a step.
# 6. `rewards(rollout)`, (T, N), without a gradient: the score of what each action led to, standardized over the labelled clips to
#    standard deviation `config.reward.std` (04.2), and where an episode ended, one way or the other, times $1 + \text{absorbing\_steps}$.
# 7. `train()`: in each round collect one rollout of `config.ppo.num_steps` steps, ask `labels[r]` pairs of *its* clips, fit, and let PPO make
#    `updates[r]` updates. Return the trained network.
#
# **What is measured.** Each part on small made-up inputs; then three rounds with the lesson's synthetic labeler: 475 of 500 steps, less than a
# metre away from the middle, over 20 fresh episodes. (A second seed is tried should the first go astray.)

# %%
from dataclasses import replace

from torch import nn

from course_lib import mine
from course_lib.rl.ppo import PPO


# %% tags=["exercise:04.7"]
class PreferenceLearner:
    """Collect, label, fit, train: an agent from comparisons of clips."""

    def __init__(self, envs, network, reward_model, labeler, config):
        # BEGIN SOLUTION
        self.reward_model, self.labeler, self.config = reward_model, labeler, config
        self.optimizer = torch.optim.AdamW(reward_model.parameters(), lr=config.reward.learning_rate,
                                           weight_decay=config.reward.weight_decay)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.first, self.second, self.mu = [], [], []
        self.steps_an_update = config.ppo.num_steps * envs.num_envs
        settings = replace(config.ppo, total_steps=sum(config.updates) * self.steps_an_update, seed=config.seed)
        self.ppo = PPO(envs, network, settings, reward_function=self.rewards)
        # END SOLUTION

    def clips(self, rollout):
        """Pieces of what each environment did, (K, L, 4)."""
        # BEGIN SOLUTION
        length = self.config.clip_steps
        states = rollout.next_obs()                                       # (T, N, 4)
        pieces = states[:len(states) // length * length].transpose(0, 1)  # (N, T // L * L, 4)
        return pieces.reshape(-1, length, 4)
        # END SOLUTION

    def ask(self, clips, count):
        """Have `count` random pairs of clips compared; keep the labels."""
        # BEGIN SOLUTION
        pairs = torch.combinations(torch.arange(len(clips)))              # (K * (K - 1) / 2, 2)
        for pair in pairs[torch.randperm(len(pairs), generator=self.generator)[:count]]:
            one, other = clips[pair]
            mu = self.labeler(one, other)
            if mu is not None:
                self.first.append(one)
                self.second.append(other)
                self.mu.append(mu)
        # END SOLUTION

    def loss(self, first, second, mu):
        """Bradley–Terry loss of the labels, a tensor ()."""
        # BEGIN SOLUTION
        logits = self.reward_model(first).sum(-1) - self.reward_model(second).sum(-1)     # (P,)
        return nn.functional.binary_cross_entropy_with_logits(logits, mu)
        # END SOLUTION

    def fit(self):
        """Fit the reward model to all labels so far; returns the losses."""
        # BEGIN SOLUTION
        first, second, mu = torch.stack(self.first), torch.stack(self.second), torch.tensor(self.mu)
        losses = []
        for _ in range(self.config.reward.fit_steps):
            loss = self.loss(first, second, mu)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            labelled = self.reward_model(torch.cat([first, second]))      # (2 P, L)
        self.mean, self.std = labelled.mean(), labelled.std()
        return losses
        # END SOLUTION

    @torch.no_grad()
    def rewards(self, rollout):
        """What PPO learns from, (T, N)."""
        # BEGIN SOLUTION
        rewards = (self.reward_model(rollout.next_obs()) - self.mean) / self.std * self.config.reward.std
        return torch.where(rollout.ended, (1 + self.config.absorbing_steps) * rewards, rewards)
        # END SOLUTION

    def train(self):
        """All rounds; returns the trained network."""
        # BEGIN SOLUTION
        until = 0
        for labels, updates in zip(self.config.labels, self.config.updates):
            rollout, _ = self.ppo.collector.collect(self.config.ppo.num_steps)
            self.ask(self.clips(rollout), labels)
            self.fit()
            until += updates * self.steps_an_update
            for _ in self.ppo.train(until=until):
                pass
        return self.ppo.network
        # END SOLUTION

# %% tags=["check:04.7"]
check("04.7", PreferenceLearner)

# %% [markdown]
# Your own loop at work: a film of the agent before and after, and what the evaluator says. Change the labeler and teach something else: it
# is a function of two clips.

# %%
import gymnasium as gym

from course_lib import budget
from course_lib.preferences.cartpole import SCALE, ScaledActorCritic, fresh_episodes, mark
from course_lib.preferences.hidden_reward import hide_reward
from course_lib.preferences.loop import LoopConfig
from course_lib.rl.cartpole import VectorCartPole, render
from course_lib.rl.evaluate import greedy, record
from course_lib.show.video import side_by_side, video


class RewardModel(nn.Module):
    """A score for each state, (..., 4) -> (...)."""

    def __init__(self, hidden=16):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, hidden), nn.LeakyReLU(), nn.Linear(hidden, hidden), nn.LeakyReLU(),
                                    nn.Linear(hidden, 1))

    def forward(self, obs):
        return self.layers(obs * SCALE).squeeze(-1)

def labeler(first, second):
    gap = mark(first) - mark(second)                  # more upright, nearer to the middle, no fall
    return 0.5 if abs(gap) < 0.5 else float(gap > 0)

# %%
def film(network):
    steps = budget(full=300, ci=60)
    states = record(gym.make("CartPole-v1"), greedy(network), seed=3, max_steps=steps, frames=False).obs
    return [render(state) for state in states[::-3][::-1]]

agent = ScaledActorCritic(0)
config = LoopConfig(labels=budget(full=(100, 100, 100), ci=(20,)), updates=budget(full=(5, 6, 9), ci=(1,)))
try:
    before = film(agent)
    torch.manual_seed(0)
    PreferenceLearner(hide_reward(VectorCartPole(32)), agent, RewardModel(), labeler, config).train()
    fresh = fresh_episodes(agent)
    print(f"20 fresh episodes: {fresh.true_return:.0f} of 500 steps, {fresh.mean_distance:.2f} m from the middle")
    video(side_by_side([before, film(agent)], ["before", "after"]), fps=17, width=488,
          alt="Your agent before and after learning from labels: the pole falls, and then it stands near the middle.")
except NotImplementedError:
    print("PreferenceLearner is not written yet; when it is, this cell shows a film of its agent.")

# %% [markdown] tags=["solution-only"]
# **Where it goes wrong.** Inverted labels, or rewards of the states *before* the steps, lead to an agent that falls as fast as it
# can, or one that does not avoid falling. None of them raises an error.

# %% [markdown]
# ## What you learned
#
# The score of a clip is the sum of its steps; rewards need a zero and a scale, which the labelled clips give; which pairs to label; that a
# constant in the rewards decides whether the end of an episode is good or bad; how one missing line hides every fall.
#
# **What failed here, on purpose:** an agent whose falls were never penalized.
#
# **Further reading.** P. Christiano et al. (2017), *Deep reinforcement learning from human preferences*, sections 2.2.1 to 2.2.4. I. Kostrikov
# et al. (2019), *Discriminator-actor-critic*, on reward bias and absorbing states.
# Back to the [lesson](../notebooks/04_cartpole_from_preferences.ipynb).
