# %% [markdown]
# # Lesson 02 exercises: PPO
#
# **Goals.** Write the two functions that PPO is made of, the advantage and the clipped objective, and watch them train the agents
# of the lesson; know what the clip does to a gradient; find two bugs that implementations of PPO often have.
#
# **Time.** {{time}}
# **Builds on** lesson 02; do each exercise when
# the [lesson](../notebooks/02_ppo.ipynb) sends you here.
#
# Run a cell with Shift+Enter. Each `check` shows what was called, what was expected and what it got. After two misses it offers a
# hint; `hint("02.1")` asks for one. When a check passes, your function is saved, and the lesson trains with it.

# %%
import numpy as np
import torch

from course_lib import check, hint, mine

torch.set_num_threads(1)

# %% [markdown]
# {{exercise 02.1}}
#
# Before step $t$ the critic's value estimate is `values[t]`. The step gives the reward `rewards[t]`; the estimate for the next state is
# `values[t + 1]`. The **TD error** of the step is
#
# $$\delta_t = r_t + \gamma V_{t+1} - V_t,$$
#
# and the **advantage** adds the later TD errors, discounted by $\gamma\lambda$ a step:
#
# $$A_t = \delta_t + \gamma\lambda\,\delta_{t+1} + (\gamma\lambda)^2\,\delta_{t+2} + \dots$$
#
# A rollout may hold several episodes. `dones[t]` is true where an episode ended *after* step $t$: what
# comes then belongs to another episode and must not count, neither its value nor its TD errors. `last_value` is the value estimate after
# the last step of the rollout. Make it work for one environment, `(T,)`, and for several side by side, `(T, N)`.

# %% tags=["exercise:02.1"]
def gae(rewards, values, dones, last_value, gamma, lam):
    """Advantages, of the same shape as rewards.

    rewards, values: (T,) or (T, N). dones: the same shape, bool. last_value: () or (N,).
    """
    # BEGIN SOLUTION
    nonterminal = 1.0 - dones.float()                                         # 0 where an episode ended
    next_values = torch.cat([values[1:], last_value[None]])
    deltas = rewards + gamma * nonterminal * next_values - values
    advantages = torch.empty_like(deltas)
    next_advantage = torch.zeros_like(last_value)
    for t in reversed(range(len(rewards))):
        advantages[t] = deltas[t] + gamma * lam * nonterminal[t] * next_advantage
        next_advantage = advantages[t]
    return advantages
    # END SOLUTION

# %% tags=["check:02.1"]
check("02.1", gae)

# %% [markdown] tags=["solution-only"]
# **Why it works.** The sum for step $t$ is its own TD error plus $\gamma\lambda$ times the whole sum for step $t+1$, so one pass
# backwards is enough. `nonterminal` stands in *two* places: it removes the value estimate of the next episode, and it cuts the
# trace, through which the next episode's TD errors would leak back.

# %% [markdown]
# {{exercise 02.2}}
#
# PPO learns from each rollout several times. Meanwhile the policy changes, and the rollout was made by an older one. The **ratio**
# says how far: $\rho = \pi_\text{new}(a|s) / \pi_\text{old}(a|s)$. For each action, PPO takes the **smaller** of two objectives,
#
# $$\min\big(\rho A,\ \text{clip}(\rho,\,1-\epsilon,\,1+\epsilon)\,A\big),$$
#
# and maximizes the mean. You get log-probabilities; return a *loss*, which is minimized.

# %% tags=["exercise:02.2"]
def clipped_policy_loss(logprobs, old_logprobs, advantages, clip):
    """A number to minimize. logprobs, old_logprobs, advantages: (B,); clip: epsilon."""
    # BEGIN SOLUTION
    ratio = (logprobs - old_logprobs).exp()
    clipped_ratio = ratio.clamp(1 - clip, 1 + clip)
    return -torch.min(ratio * advantages, clipped_ratio * advantages).mean()
    # END SOLUTION

# %% tags=["check:02.2"]
check("02.2", clipped_policy_loss)

# %% [markdown] tags=["solution-only"]
# **Why the smaller one?** It makes the objective a *lower bound* of the unclipped one (Schulman et al. 2017, section 3): where the clip would make
# things look better than they are (a bad action that became likelier), the unclipped, worse number counts. The same function, unchanged, trains Pong in lesson 06 and a
# language model in lesson 11.

# %% [markdown]
# {{exercise 02.3}}
#
# The clip range is 0.2. The ratio of some action has reached 1.5 or 0.5; its advantage is +1 or −1. What will one more gradient
# step on the clipped loss of *this action alone* do to its probability? Answer with `"likelier"`, `"rarer"` or `"nothing"`.
# Decide before you run anything.

# %% tags=["exercise:02.3"]
def prediction():
    """What one gradient step does to the action's probability."""
    # BEGIN SOLUTION
    return {
        "ratio 1.5, advantage +1": "nothing",
        "ratio 1.5, advantage -1": "rarer",
        "ratio 0.5, advantage +1": "likelier",
        "ratio 0.5, advantage -1": "nothing",
    }
    # INSTEAD
    # return {
    #     "ratio 1.5, advantage +1": ...,
    #     "ratio 1.5, advantage -1": ...,
    #     "ratio 0.5, advantage +1": ...,
    #     "ratio 0.5, advantage -1": ...,
    # }
    # END SOLUTION

# %% tags=["check:02.3"]
check("02.3", prediction)

# %% [markdown]
# Now run it and compare. A positive slope of the objective makes the action likelier, a negative one rarer.

# %%
for ratio in (1.5, 0.5):
    for advantage in (1.0, -1.0):
        rho = torch.tensor(ratio, requires_grad=True)
        objective = torch.min(rho * advantage, rho.clamp(0.8, 1.2) * advantage)
        slope, = torch.autograd.grad(objective, rho)
        print(f"ratio {ratio}, advantage {advantage:+.0f}: slope {slope.item():+.1f}")

# %% [markdown]
# The clip is one-sided each time. It takes away the *gain* of going further in the wanted direction; it never takes away the way
# back.
#
# {{exercise 02.4}}
#
# Somebody wrote GAE without a loop, as one matrix product: row $t$ of `weights` says how much each step's TD error
# counts for step $t$. For a single episode it is right. In a rollout with several episodes the numbers near the falls are wrong,
# and no error message says so. One line is wrong. Find it and fix it.

# %% tags=["exercise:02.4"]
def gae_at_once(rewards, values, dones, last_value, gamma, lam):
    """GAE of one environment without a loop; all of shape (T,), last_value ()."""
    ended = dones.long()
    next_values = torch.cat((values[1:], last_value[None]))
    deltas = rewards + gamma * (1 - ended) * next_values - values
    t = torch.arange(len(rewards))
    ahead = t[None, :] - t[:, None]                       # (T, T): how many steps column lies after row
    # BEGIN SOLUTION
    episode = ended.cumsum(0) - ended                     # ends *before* each step
    # INSTEAD
    # episode = ended.cumsum(0)
    # END SOLUTION
    counts = (ahead >= 0) & (episode[None, :] == episode[:, None])
    weights = counts * (gamma * lam) ** ahead.clamp(min=0)
    return weights @ deltas

# %%
dones = torch.tensor([False, True, False, False, True])
gae_at_once(torch.ones(5), torch.tensor([3.0, 2.0, 4.0, 3.0, 2.0]), dones, torch.tensor(5.0), 0.9, 0.8)

# %% tags=["check:02.4"]
check("02.4", gae_at_once)

# %% [markdown] tags=["solution-only"]
# **What was wrong.** `dones[t]` is true *after* step $t$, so the step of the fall still belongs to its episode. The wrong line
# counts it to the next one: the TD error of the fall never reaches the steps before it, and the fall itself gets the TD errors of the next
# episode. How silent is such a bug? The cell below trains three agents with each version. There is no error message, but the agents with the
# bug learn next to nothing:

# %% tags=["solution-only"]
from dataclasses import replace

from course_lib.rl.networks import ActorCritic
from course_lib.rl.ppo import PPO
from course_lib.rl.settings import CARTPOLE


def with_the_bug(rewards, values, dones, last_value, gamma, lam):
    advantages = gae_at_once(rewards, values, dones, last_value, gamma, 0.0)     # TD errors
    for before in reversed(range(len(dones) - 1)):
        if not dones[before + 1]:                         # cut one step too early
            advantages[before] += gamma * lam * advantages[before + 1]
    return advantages

for name, function in (("fixed", gae_at_once), ("with the bug", with_the_bug)):
    def each_environment(r, v, d, last, gamma, lam, function=function):
        columns = [function(r[:, n], v[:, n], d[:, n], last[n], gamma, lam) for n in range(len(last))]
        return torch.stack(columns, dim=1)
    for seed in range(3):
        config = replace(CARTPOLE.config, total_steps=20_480, seed=seed)
        ppo = PPO(CARTPOLE.make_envs(16), ActorCritic(4, 2, seed=seed), config,
                  advantage_function=each_environment)
        *_, last_update = ppo.train()
        print(f"{name}, seed {seed}: {last_update.episode_return:.0f} steps an episode")

# %% [markdown]
# {{exercise 02.5}}
#
# A policy with three actions, whose only parameters are three logits. `improve` takes several gradient steps on one batch, with the clipped
# objective of 02.2 written out. It runs; good actions become likelier; the first step is exactly right. But look at what fifty steps
# on a single good action do. (A step of this size can jump past 1.2; beyond it the objective is flat, so the action
# should stay where its first step past 1.2 has brought it, at 1.36 times its old probability.)

# %% tags=["exercise:02.5"]
def improve(logits, actions, advantages, steps, lr=0.5, clip=0.2):
    """New logits (K,) after some steps on one batch.

    logits: (K,) of the policy that took the actions. actions, advantages: (B,).
    """
    logits = logits.clone().requires_grad_(True)
    # BEGIN SOLUTION
    old_logprobs = torch.log_softmax(logits, dim=-1)[actions].detach()
    for _ in range(steps):
        logprobs = torch.log_softmax(logits, dim=-1)[actions]
    # INSTEAD
    # for step in range(steps):
    #     now = torch.log_softmax(logits, dim=-1)[actions]
    #     logprobs, old_logprobs = now, now.detach()
    # END SOLUTION
        ratio = torch.exp(logprobs - old_logprobs)
        gain = torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)
        gradient, = torch.autograd.grad(-gain.mean(), logits)
        logits = (logits - lr * gradient).detach().requires_grad_(True)
    return logits.detach()

# %%
before = torch.tensor([0.2, 0.0, -0.3])
after = improve(before, actions=torch.tensor([1]), advantages=torch.tensor([1.0]), steps=50)
torch.softmax(after, -1) / torch.softmax(before, -1)       # action 1 should stop at 1.36 times its old probability

# %% tags=["check:02.5"]
check("02.5", improve)

# %% [markdown] tags=["solution-only"]
# **What was wrong.** The old log-probabilities were computed again in every step, after the policy had changed. So the ratio is always 1,
# nothing is ever clipped, and PPO silently becomes a policy gradient on old data. The `.detach()`
# matters too: without it, in the loop, the two gradients cancel and nothing is learned at all.

# %% [markdown]
# {{exercise 02.6}}
#
# CartPole cuts an episode off after 500 steps: it is **truncated**, not **terminated** as after a fall. If the critic treats both alike, it
# learns that the value of a balanced pole at step 499 is next to nothing, though the same state at step 100 has a high value; and it cannot
# see the step number. The remedy is to **bootstrap**: where an episode was truncated, add the discounted value estimate of its final state
# to the last reward.

# %% tags=["exercise:02.6"]
def bootstrap_truncated(rewards, terminated, truncated, final_values, gamma):
    """Rewards with the discounted final value added where an episode was truncated only; all (T, N).

    final_values[t]: the value estimate of the state after step t; it means something only
    where an episode ended after step t. terminated, truncated: bool, both may be true.
    """
    # BEGIN SOLUTION
    truncated_only = truncated & ~terminated
    return torch.where(truncated_only, rewards + gamma * final_values, rewards)
    # END SOLUTION

# %% tags=["check:02.6"]
check("02.6", bootstrap_truncated)

# %% [markdown] tags=["solution-only"]
# **Why it works.** With this reward the step's TD error becomes $r + \gamma V(s_\text{final}) - V_t$, just as if the episode had
# continued, and `dones` still keeps the next episode out. `course_lib/rl/ppo.py` does the same in three lines of `advantages`.

# %% [markdown]
# {{exercise 02.7}}
#
# **Something whole to build; optional, one to two hours.** You wrote the formulas of PPO; the loop around them was always given. Now write
# all of it: from the first step in the environments to an agent that balances. About 60 lines. Run the check after each method: it goes
# through the parts in the order of this page, and says which one is wrong. When all of them are right it trains your agent, ten seconds or
# so, and asks for a mean return of 475.
#
# ```
# train     rollout → update → rollout → update → ...                            until total_steps
#
# rollout   obs ─ network ─ actions ─ envs.step ─ rewards, ends ─ next obs ...   T steps in N environments
# advantages          rewards, values, ends  →  advantages, returns              (T, N)
# update              flatten to (T·N,)  →  epochs × minibatches  →  loss  →  gradient, clipped  →  Adam
# ```
#
# **What you are given**
#
# - `envs`: N CartPoles. `obs, info = envs.reset(seed=...)`; `obs, rewards, terminated, truncated, info = envs.step(actions)`. All are numpy
#   arrays with N rows, `actions` too. Where an episode ended in this step, `obs[n]` is already the first observation of the *next* one; its
#   true last one is `info["final_obs"][n]` (shape (N, 4); the other rows mean nothing; `info` is empty where no episode ended).
# - `network`: `distribution, values = network(obs)` for a float tensor (..., 4); values (...). `distribution.sample(generator)`,
#   `.log_prob(actions)` and `.entropy()` all have shape (...).
# - `config`, with `num_steps` (T), `total_steps`, `epochs`, `minibatch_size`, `learning_rate`, `final_learning_rate`, `gamma`, `lam`, `clip`,
#   `entropy_coefficient`, `value_coefficient`, `max_grad_norm`, `reward_scale`, `seed`. The check changes them: use no number of your own.
# - your `gae`, `clipped_policy_loss` and `bootstrap_truncated` from above (if one is not written yet, take `mine("02.1")`, `mine("02.2")`,
#   `mine("02.6")`: the course's stands in).

# %% [markdown]
# **What to write: `PPOAgent`**
#
# 1. `__init__` keeps its three arguments, makes *one* Adam for all of the network's parameters (`config.learning_rate`, `eps=1e-5`), a
#    `torch.Generator` seeded with `config.seed`, for actions and minibatches, and resets the environments with this seed, *once*. Two attributes can be
#    read from outside: `steps`, made so far in all environments together, and `episode_returns`, a list with the sum of the rewards of each
#    episode that has ended, in order (environments in order within a step).
# 2. `rollout()` acts for T steps, actions drawn from the policy, without gradients, and goes on where the last rollout ended. It returns a
#    dict of tensors, all (T, N) unless said otherwise: `obs` (T, N, 4), what the policy saw *before* each step; `actions` int64; `logprobs` of
#    these actions; `values` of `obs`; `rewards` float32, as they came; `terminated` and `truncated`, bool; `final_values`, the value of the
#    true last observation where an episode ended, one way or the other, and 0 elsewhere; `last_values` (N,), of what the policy sees next.
# 3. `advantages(rollout)` returns `(advantages, returns)`, both (T, N), from the rollout alone. Rewards are multiplied by `reward_scale`;
#    where an episode was truncated and not terminated, $\gamma$ times its final value is added (02.6); then GAE, which stops at every end
#    (02.1). The returns, the critic's targets, are advantages + values.
# 4. `loss(obs, actions, old_logprobs, advantages, returns)` of one minibatch, (B, 4) and (B,); all are used as they come:
#    $L = L_\text{clip} + c_\text{value}\,\text{mean}\big((V - \text{returns})^2\big) - c_\text{entropy}\,\text{mean}(\text{entropy})$, a
#    tensor with a gradient.
# 5. `update(rollout)`: advantages and returns, once. Normalize the advantages over the whole rollout (mean 0, standard deviation 1; add 1e-8
#    to the divisor). Flatten all to (T · N,). In each of `epochs` epochs take all steps in a new random order, in minibatches of
#    `minibatch_size` (the last may be smaller). For each: the loss, its gradient, clipped to `max_grad_norm`, one step of Adam. Return the
#    losses, one number a minibatch.
# 6. `train()`: as long as `steps < total_steps`, set the learning rate to
#    $\text{learning\_rate}\cdot\big(1 - (1 - \text{final\_learning\_rate})\cdot\text{steps}/\text{total\_steps}\big)$, collect a rollout, update. Return the
#    learning curve: after each update a pair `(steps, mean of the last 20 episode_returns)`, or nan where no episode has ended yet.
#
# **What is measured.** Each part on small made-up environments, against numbers worked out by the course; then 80,000 steps in 16 CartPoles
# with the settings of the lesson, and 20 fresh episodes. (A second seed is tried should the first go astray.)

# %% tags=["exercise:02.7"]
class PPOAgent:
    """PPO, from rollout to update."""

    def __init__(self, envs, network, config):
        # BEGIN SOLUTION
        self.envs, self.network, self.config = envs, network, config
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, eps=1e-5)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.obs = torch.as_tensor(envs.reset(seed=config.seed)[0])                       # (N, 4)
        self.steps, self.running, self.episode_returns = 0, np.zeros(envs.num_envs), []
        # END SOLUTION

    @torch.no_grad()
    def rollout(self):
        """T steps in N environments: a dict of nine tensors."""
        # BEGIN SOLUTION
        kept = []
        for _ in range(self.config.num_steps):
            obs = self.obs
            distribution, values = self.network(obs)
            actions = distribution.sample(self.generator)
            next_obs, rewards, terminated, truncated, info = self.envs.step(actions.numpy())
            ended = terminated | truncated
            final_values = torch.zeros_like(values)
            if ended.any():
                final_values[ended] = self.network(torch.as_tensor(info["final_obs"][ended]))[1]
            kept.append({"obs": obs, "actions": actions, "logprobs": distribution.log_prob(actions), "values": values,
                         "rewards": torch.as_tensor(rewards).float(), "terminated": torch.as_tensor(terminated),
                         "truncated": torch.as_tensor(truncated), "final_values": final_values})
            self.running += rewards
            self.episode_returns += self.running[ended].tolist()
            self.running[ended] = 0.0
            self.obs = torch.as_tensor(next_obs)
        self.steps += len(kept) * self.envs.num_envs
        rollout = {name: torch.stack([step[name] for step in kept]) for name in kept[0]}
        return rollout | {"last_values": self.network(self.obs)[1]}
        # END SOLUTION

    def advantages(self, rollout):
        """(advantages, returns), both (T, N)."""
        # BEGIN SOLUTION
        config, values = self.config, rollout["values"]
        terminated, truncated = rollout["terminated"], rollout["truncated"]
        rewards = bootstrap_truncated(config.reward_scale * rollout["rewards"], terminated, truncated,
                                      rollout["final_values"], config.gamma)
        advantages = gae(rewards, values, terminated | truncated, rollout["last_values"], config.gamma, config.lam)
        return advantages, advantages + values
        # END SOLUTION

    def loss(self, obs, actions, old_logprobs, advantages, returns):
        """The loss of one minibatch, a tensor (). obs: (B, 4); the others: (B,)."""
        # BEGIN SOLUTION
        distribution, values = self.network(obs)
        policy = clipped_policy_loss(distribution.log_prob(actions), old_logprobs, advantages, self.config.clip)
        critic = (values - returns).square().mean()
        entropy = distribution.entropy().mean()
        return policy + self.config.value_coefficient * critic - self.config.entropy_coefficient * entropy
        # END SOLUTION

    def update(self, rollout):
        """Learn from one rollout for some epochs; returns the losses of the minibatches."""
        # BEGIN SOLUTION
        advantages, returns = self.advantages(rollout)
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        parts = (rollout["obs"], rollout["actions"], rollout["logprobs"], advantages, returns)
        parts, losses = [part.flatten(0, 1) for part in parts], []                        # (T * N, ...) each
        for _ in range(self.config.epochs):
            order = torch.randperm(len(parts[0]), generator=self.generator)
            for batch in order.split(self.config.minibatch_size):
                loss = self.loss(*(part[batch] for part in parts))
                self.optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.max_grad_norm)
                self.optimizer.step()
                losses.append(loss.item())
        return losses
        # END SOLUTION

    def train(self):
        """Rollouts and updates until total_steps; returns pairs (steps, mean return of the last 20 episodes)."""
        # BEGIN SOLUTION
        config, curve = self.config, []
        while self.steps < config.total_steps:
            done = self.steps / config.total_steps
            self.optimizer.param_groups[0]["lr"] = config.learning_rate * (1 - (1 - config.final_learning_rate) * done)
            self.update(self.rollout())
            recent = self.episode_returns[-20:]
            curve.append((self.steps, np.mean(recent) if recent else np.nan))
        return curve
        # END SOLUTION

# %% tags=["check:02.7"]
check("02.7", PPOAgent)

# %% [markdown]
# Your own agent at work: the learning curve in a few numbers, and a film of it before and after training.

# %%
from dataclasses import replace

import gymnasium as gym

from course_lib import budget
from course_lib.rl.cartpole import VectorCartPole, render
from course_lib.rl.evaluate import record, sampled
from course_lib.rl.networks import ActorCritic
from course_lib.rl.settings import CARTPOLE
from course_lib.show.video import side_by_side, video


def film(network):
    states = record(gym.make("CartPole-v1"), sampled(network), max_steps=budget(full=300, ci=60), frames=False).obs
    return [render(state) for state in states[::3]]

network = ActorCritic(4, 2)
try:
    before = film(network)
    curve = PPOAgent(VectorCartPole(16), network,
                     replace(CARTPOLE.config, total_steps=budget(full=80_000, ci=2_000))).train()
    for steps, mean in curve[:: max(1, len(curve) // 8)]:
        print(f"{steps:7,d} steps: mean return {mean:5.1f}")
    video(side_by_side([before, film(network)], ["before", "after"]), fps=17, width=488,
          alt="Your agent before and after training: the pole falls within a second, and then it stands.")
except NotImplementedError:
    print("PPOAgent is not written yet; when it is, this cell shows a film of it.")

# %% [markdown] tags=["solution-only"]
# **Where it goes wrong.** Three typical silent bugs: observation and action of different steps in one row;
# old log-probabilities that are computed again; a final value taken from the next episode's first observation. None of them raises an error.

# %% [markdown]
# ## What you learned
#
# GAE is a sum of TD errors, computed backwards; the end of an episode must cut both the next value and the trace. The clipped objective is a
# lower bound: no further gain beyond the clip, and always a way back. The old log-probabilities belong to the policy that acted, and are
# computed once. A truncated episode bootstraps.
#
# **What failed here, on purpose:** two programs that run without complaint. Both bugs show in a case small enough to work out by
# hand, and hardly anywhere else.
#
# **Further reading.** S. Huang et al. (2022), *The 37 implementation details of proximal policy optimization*; F. Pardo et al. (2018),
# *Time limits in reinforcement learning*. Back to [lesson 02](../notebooks/02_ppo.ipynb).
