"""Right answers in other words, and plausible wrong ones with the message each must get."""

import math

import numpy as np
import torch

from course_lib.authoring.answers import DETACHED, excused, right, wrong
from course_lib.rl.networks import ActorCritic

# ---------------------------------------------------------------------------------------------------------------- 02.1


@right("02.1")
def as_a_sum_of_td_errors(rewards, values, dones, last_value, gamma, lam):
    T = len(rewards)
    next_values = torch.cat([values[1:], last_value.reshape(values[:1].shape)])
    alive = (~dones).to(values.dtype)
    deltas = rewards + gamma * next_values * alive - values
    total = torch.zeros_like(deltas)
    for t in range(T):
        weight = torch.ones_like(deltas[0])
        for k in range(t, T):
            total[t] = total[t] + weight * deltas[k]
            weight = weight * gamma * lam * alive[k]
    return total


@right("02.1")
def from_lambda_returns(rewards, values, dones, last_value, gamma, lam):
    """The target is a mixture of the critic's next value estimate and the next target."""
    target, estimate, targets = last_value, last_value, []
    for t in range(len(rewards) - 1, -1, -1):
        alive = 1 - dones[t].float()
        target = rewards[t] + gamma * alive * ((1 - lam) * estimate + lam * target)
        estimate = values[t]
        targets.insert(0, target)
    return torch.stack(targets) - values


def _walk(rewards, values, dones, last_value, gamma, lam, cut_value=True, cut_trace=True, shift=0):
    nonterminal = 1.0 - dones.float()
    if shift:
        nonterminal = torch.roll(nonterminal, -shift, 0)
        nonterminal[-1 if shift > 0 else 0] = 1.0
    next_values = torch.cat([values[1:], last_value[None]])
    deltas = rewards + gamma * (nonterminal if cut_value else 1.0) * next_values - values
    next_advantage, advantages = torch.zeros_like(last_value), torch.zeros_like(deltas)
    for t in reversed(range(len(rewards))):
        advantages[t] = deltas[t] + gamma * lam * (nonterminal[t] if cut_trace else 1.0) * next_advantage
        next_advantage = advantages[t]
    return advantages


@wrong("02.1", says="`dones` changed nothing")
def ignores_dones(rewards, values, dones, last_value, gamma, lam):
    return _walk(rewards, values, dones, last_value, gamma, lam, cut_value=False, cut_trace=False)


@wrong("02.1", says="the later advantage leaks")
def leaky_trace(rewards, values, dones, last_value, gamma, lam):
    return _walk(rewards, values, dones, last_value, gamma, lam, cut_trace=False)


@wrong("02.1", says="but the critic's value estimate is not")
def leaky_value(rewards, values, dones, last_value, gamma, lam):
    return _walk(rewards, values, dones, last_value, gamma, lam, cut_value=False)


@wrong("02.1", says="You looked at dones[t + 1]")
def one_step_late(rewards, values, dones, last_value, gamma, lam):
    return _walk(rewards, values, dones, last_value, gamma, lam, shift=1)


@wrong("02.1", says="You looked at dones[t - 1]")
def one_step_early(rewards, values, dones, last_value, gamma, lam):
    return _walk(rewards, values, dones, last_value, gamma, lam, shift=-1)


@wrong("02.1", says="last_value is missing")
def forgets_last_value(rewards, values, dones, last_value, gamma, lam):
    return _walk(rewards, values, dones, torch.zeros_like(last_value), gamma, lam)


@wrong("02.1", says="critic's targets")
def returns_targets(rewards, values, dones, last_value, gamma, lam):
    ahead = _walk(rewards, values, dones, last_value, gamma, lam)
    return ahead + values if len(rewards) > 1 else ahead


@wrong("02.1", says="Subtract the value estimate before")
def forgets_the_value(rewards, values, dones, last_value, gamma, lam):
    return _walk(rewards, values, dones, last_value, gamma, lam) + values


@wrong("02.1", says="not by lam alone")
def fades_by_lam(rewards, values, dones, last_value, gamma, lam):
    deltas = _walk(rewards, values, dones, last_value, gamma, 0.0)
    next_advantage, advantages = torch.zeros_like(last_value), torch.zeros_like(deltas)
    if lam == 1.0:
        return _walk(rewards, values, dones, last_value, gamma, lam)
    for t in reversed(range(len(rewards))):
        advantages[t] = deltas[t] + lam * (1.0 - dones[t].float()) * next_advantage
        next_advantage = advantages[t]
    return advantages


@wrong("02.1", says="walk backwards")
def walks_forwards(rewards, values, dones, last_value, gamma, lam):
    deltas = _walk(rewards, values, dones, last_value, gamma, 0.0)
    if lam == 1.0:
        return _walk(rewards, values, dones, last_value, gamma, lam)
    carried, advantages = torch.zeros_like(last_value), torch.zeros_like(deltas)
    for t in range(len(rewards)):
        carried = deltas[t] + gamma * lam * carried
        advantages[t] = carried
    return advantages


@wrong("02.1", says="Only the next TD error counts")
def one_step_only(rewards, values, dones, last_value, gamma, lam):
    return _walk(rewards, values, dones, last_value, gamma, 0.0)


@wrong("02.1", says="lam does nothing here")
def ignores_lam(rewards, values, dones, last_value, gamma, lam):
    return _walk(rewards, values, dones, last_value, gamma, 1.0)


@wrong("02.1", says="discounted by gamma alone")
def discounts_the_value_by_lam(rewards, values, dones, last_value, gamma, lam):
    next_values = torch.cat([values[1:], last_value[None]])
    return rewards + gamma * lam * next_values * (1 - dones.float()) - values


@wrong("02.1", says="index the steps only")
def sums_the_environments(rewards, values, dones, last_value, gamma, lam):
    ahead = _walk(rewards, values, dones, last_value, gamma, lam)
    return ahead if ahead.ndim == 1 else ahead.mean(1, keepdim=True).expand_as(ahead)


# ---------------------------------------------------------------------------------------------------------------- 02.2


@right("02.2")
def by_cases(logprobs, old_logprobs, advantages, clip):
    ratio = torch.exp(logprobs - old_logprobs)
    best = torch.where(advantages > 0, ratio.clamp(max=1 + clip), ratio.clamp(min=1 - clip))
    return -(best * advantages).mean()


@right("02.2")
def as_the_larger_loss(logprobs, old_logprobs, advantages, clip):
    ratio = logprobs.exp() / old_logprobs.exp()
    return torch.maximum(-ratio * advantages, -torch.clamp(ratio, 1 - clip, 1 + clip) * advantages).mean()


def _gains(logprobs, old_logprobs, advantages, clip):
    ratio = (logprobs - old_logprobs).exp()
    return ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages


@wrong("02.2", says="a minus is missing")
def no_minus(logprobs, old_logprobs, advantages, clip):
    return torch.min(*_gains(logprobs, old_logprobs, advantages, clip)).mean()


@wrong("02.2", says="Take the mean")
def the_sum(logprobs, old_logprobs, advantages, clip):
    return -torch.min(*_gains(logprobs, old_logprobs, advantages, clip)).sum()


@wrong("02.2", says="old over new")
def ratio_upside_down(logprobs, old_logprobs, advantages, clip):
    return -torch.min(*_gains(old_logprobs, logprobs, advantages, clip)).mean()


@wrong("02.2", says="Nothing was clipped")
def unclipped(logprobs, old_logprobs, advantages, clip):
    return -_gains(logprobs, old_logprobs, advantages, clip)[0].mean()


@wrong("02.2", says="The clip hides a mistake")
def always_clipped(logprobs, old_logprobs, advantages, clip):
    return -_gains(logprobs, old_logprobs, advantages, clip)[1].mean()


@wrong("02.2", says="Nothing was clipped")
def the_larger(logprobs, old_logprobs, advantages, clip):
    return -torch.max(*_gains(logprobs, old_logprobs, advantages, clip)).mean()


@wrong("02.2", says="You divided the log-probabilities")
def quotient_of_logs(logprobs, old_logprobs, advantages, clip):
    ratio = logprobs / old_logprobs
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()


@wrong("02.2", says="The ratio came out as 0")
def no_exponential(logprobs, old_logprobs, advantages, clip):
    ratio = logprobs - old_logprobs
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()


@wrong("02.2", says="smaller of two means")
def minimum_of_means(logprobs, old_logprobs, advantages, clip):
    gain, clipped = _gains(logprobs, old_logprobs, advantages, clip)
    return -torch.min(gain.mean(), clipped.mean())


@wrong("02.2", says="yours uses 0.2")
def fixed_range(logprobs, old_logprobs, advantages, clip):
    return -torch.min(*_gains(logprobs, old_logprobs, advantages, 0.2)).mean()


@wrong("02.2", says="lost its way back")
def no_gradient(logprobs, old_logprobs, advantages, clip):
    return -torch.min(*_gains(logprobs.detach(), old_logprobs, advantages, clip)).mean()


# ---------------------------------------------------------------------------------------------------------------- 02.3

KEYS = ("ratio 1.5, advantage +1", "ratio 1.5, advantage -1", "ratio 0.5, advantage +1", "ratio 0.5, advantage -1")


def _said(*words):
    return dict(zip(KEYS, words, strict=True))


@right("02.3")
def in_order():
    return _said("nothing", "rarer", "likelier", "nothing")


@right("02.3")
def in_another_order():
    return dict(reversed(_said("nothing", "rarer", "likelier", "nothing").items()))


@wrong("02.3", says="slope of a flat line")
def never_clipped():
    return _said("likelier", "rarer", "likelier", "rarer")


@wrong("02.3", says="mistakes are pulled back")
def clipped_everywhere():
    return _said("nothing", "nothing", "nothing", "nothing")


@wrong("02.3", says="went the wrong way with a good action")
def clipped_below_for_all():
    return _said("nothing", "rarer", "nothing", "nothing")


@wrong("02.3", says="rare enough for one rollout")
def clipped_above_only():
    return _said("nothing", "rarer", "likelier", "rarer")


@wrong("02.3", says="Choose one of the three words")
def other_words():
    return _said("zero", "down", "up", "zero")


@wrong("02.3", says="is missing")
def left_out():
    return {KEYS[1]: "rarer"}


# ---------------------------------------------------------------------------------------------------------------- 02.4


def _at_once(rewards, values, dones, last_value, gamma, lam, number):
    next_values = torch.cat([values[1:], last_value[None]])
    deltas = rewards + gamma * (1 - dones.long()) * next_values - values
    t = torch.arange(len(rewards))
    ahead, episode = t[None, :] - t[:, None], number(dones.long())
    counts = (ahead >= 0) & (episode[None, :] == episode[:, None])
    return (counts * (gamma * lam) ** ahead.clamp(min=0)) @ deltas


@right("02.4")
def counts_the_ends_before(rewards, values, dones, last_value, gamma, lam):
    return _at_once(rewards, values, dones, last_value, gamma, lam,
                    lambda ended: torch.cat([torch.zeros(1, dtype=torch.long), ended[:-1]]).cumsum(0))


@wrong("02.4", says="another line was changed")
def cuts_every_trace(rewards, values, dones, last_value, gamma, lam):
    return _walk(rewards, values, dones, last_value, gamma, 0.0)


@right("02.4")
def the_loop_after_all(rewards, values, dones, last_value, gamma, lam):
    return _walk(rewards, values, dones, last_value, gamma, lam)


@wrong("02.4", says="counted to the next one")
def as_it_was(rewards, values, dones, last_value, gamma, lam):
    return _at_once(rewards, values, dones, last_value, gamma, lam, lambda ended: ended.cumsum(0))


@wrong("02.4", says="TD errors leak back through the ends")
def no_episodes(rewards, values, dones, last_value, gamma, lam):
    return _at_once(rewards, values, dones, last_value, gamma, lam, torch.zeros_like)


@wrong("02.4", says="look at the steps around an end")
def numbered_by_the_flag(rewards, values, dones, last_value, gamma, lam):
    return _at_once(rewards, values, dones, last_value, gamma, lam, lambda ended: ended)


@wrong("02.4", says="look at the steps around an end")
def counted_twice(rewards, values, dones, last_value, gamma, lam):
    return _at_once(rewards, values, dones, last_value, gamma, lam, lambda ended: ended.cumsum(0) + ended)


@wrong("02.4", says="another line was changed")
def the_wrong_line(rewards, values, dones, last_value, gamma, lam):
    return _at_once(rewards, values, dones, last_value * 0, gamma, lam, lambda ended: ended.cumsum(0) - ended)


# ---------------------------------------------------------------------------------------------------------------- 02.5


def _improve(logits, actions, advantages, steps, lr, clip, old_anew=False, detach=True, upside_down=False):
    logits = logits.clone().requires_grad_(True)
    first = torch.log_softmax(logits, -1)[actions].detach()
    for _ in range(steps):
        logprobs = torch.log_softmax(logits, -1)[actions]
        old = torch.log_softmax(logits, -1)[actions] if old_anew else first
        old = old.detach() if detach else old
        ratio = ((old - logprobs) if upside_down else (logprobs - old)).exp()
        gain = torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)
        gradient, = torch.autograd.grad(-gain.mean(), logits)
        logits = (logits - lr * gradient).detach().requires_grad_(True)
    return logits.detach()


@right("02.5")
def old_logprobs_first(logits, actions, advantages, steps, lr=0.5, clip=0.2):
    return _improve(logits, actions, advantages, steps, lr, clip)


@right("02.5")
def with_probabilities(logits, actions, advantages, steps, lr=0.5, clip=0.2):
    old = torch.softmax(logits, -1)[actions]
    new_logits = logits.clone()
    for _ in range(steps):
        new_logits.requires_grad_(True)
        ratio = torch.softmax(new_logits, -1)[actions] / old
        gain = torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()
        gradient, = torch.autograd.grad(gain, new_logits)
        new_logits = new_logits.detach() + lr * gradient
    return new_logits


@wrong("02.5", says="so the clip never takes effect")
def old_logprobs_anew(logits, actions, advantages, steps, lr=0.5, clip=0.2):
    return _improve(logits, actions, advantages, steps, lr, clip, old_anew=True)


@wrong("02.5", says="Nothing moved")
def not_detached(logits, actions, advantages, steps, lr=0.5, clip=0.2):
    return _improve(logits, actions, advantages, steps, lr, clip, old_anew=True, detach=False)


@wrong("02.5", says="good actions became rarer")
def old_over_new(logits, actions, advantages, steps, lr=0.5, clip=0.2):
    return _improve(logits, actions, advantages, steps, lr, clip, upside_down=True)


@wrong("02.5", says="so the clip never takes effect")
def clip_switched_off(logits, actions, advantages, steps, lr=0.5, clip=0.2):
    """Steps of plain policy gradient, which is what a ratio of 1 amounts to."""
    logits = logits.clone()
    for _ in range(steps):
        logits.requires_grad_(True)
        gradient, = torch.autograd.grad((torch.log_softmax(logits, -1)[actions] * advantages).mean(), logits)
        logits = (logits + lr * gradient).detach()
    return logits


# ---------------------------------------------------------------------------------------------------------------- 02.6


@right("02.6")
def by_multiplying(rewards, terminated, truncated, final_values, gamma):
    return rewards + gamma * final_values * truncated.float() * (1 - terminated.float())


@right("02.6")
def by_indexing(rewards, terminated, truncated, final_values, gamma):
    added = rewards.clone()
    where = truncated.logical_and(terminated.logical_not())
    added[where] += gamma * final_values[where]
    return added


@wrong("02.6", says="The value estimate was added at every step")
def at_every_step(rewards, terminated, truncated, final_values, gamma):
    return rewards + gamma * final_values


@wrong("02.6", says="Nothing was added")
def never(rewards, terminated, truncated, final_values, gamma):
    return rewards


@wrong("02.6", says="The final value lies one step ahead")
def undiscounted(rewards, terminated, truncated, final_values, gamma):
    return torch.where(truncated & ~terminated, rewards + final_values, rewards)


@wrong("02.6", says="add to it")
def in_place_of_the_reward(rewards, terminated, truncated, final_values, gamma):
    return torch.where(truncated & ~terminated, gamma * final_values, rewards)


@wrong("02.6", says="A fall was treated")
def at_every_end(rewards, terminated, truncated, final_values, gamma):
    return torch.where(truncated | terminated, rewards + gamma * final_values, rewards)


@wrong("02.6", says="Terminated outweighs truncated")
def whenever_truncated(rewards, terminated, truncated, final_values, gamma):
    return torch.where(truncated, rewards + gamma * final_values, rewards)

# ---------------------------------------------------------------------------------------------------------------- 02.7


@right("02.7")
class WithArrays:
    """Numpy arrays that are filled, one pass over the rollout afterwards, formulas written out."""

    def __init__(self, envs, network, config):
        self.envs, self.net, self.cfg = envs, network, config
        self.adam = torch.optim.Adam(list(network.parameters()), eps=1e-5, lr=config.learning_rate)
        self.rng = torch.Generator()
        self.rng.manual_seed(config.seed)
        self.now, _ = envs.reset(seed=config.seed)
        self.sums = [0.0] * len(self.now)
        self.steps, self.episode_returns = 0, []

    def rollout(self):
        T, N = self.cfg.num_steps, len(self.now)
        obs, after = np.zeros((T, N, 4), np.float32), np.zeros((T, N, 4), np.float32)
        rewards, actions = np.zeros((T, N)), np.zeros((T, N), np.int64)
        terminated, truncated = np.zeros((T, N), bool), np.zeros((T, N), bool)
        for t in range(T):
            obs[t] = self.now
            with torch.no_grad():
                actions[t] = self.net.distribution(torch.from_numpy(self.now)).sample(self.rng).numpy()
            self.now, rewards[t], terminated[t], truncated[t], info = self.envs.step(actions[t])
            for n in range(N):
                self.sums[n] += float(rewards[t, n])
                if terminated[t, n] or truncated[t, n]:
                    after[t, n] = info["final_obs"][n]
                    self.episode_returns.append(self.sums[n])
                    self.sums[n] = 0.0
        self.steps = self.steps + T * N
        obs, actions, ended = torch.tensor(obs), torch.tensor(actions), torch.tensor(terminated | truncated)
        with torch.no_grad():
            distribution, values = self.net(obs)
            final = self.net(torch.tensor(after))[1]
            last = self.net(torch.tensor(self.now))[1]
        return dict(obs=obs, actions=actions, logprobs=distribution.log_prob(actions), values=values,
                    rewards=torch.tensor(rewards, dtype=torch.float32), terminated=torch.tensor(terminated),
                    truncated=torch.tensor(truncated), final_values=torch.where(ended, final, 0.0), last_values=last)

    def advantages(self, rollout):
        ended = rollout["terminated"] | rollout["truncated"]
        found, later = [], torch.zeros_like(rollout["last_values"])
        following = rollout["last_values"]
        for t in range(len(ended) - 1, -1, -1):
            ahead = torch.where(ended[t], rollout["final_values"][t] * ~rollout["terminated"][t], following)
            delta = rollout["rewards"][t] * self.cfg.reward_scale + self.cfg.gamma * ahead - rollout["values"][t]
            later = delta + self.cfg.gamma * self.cfg.lam * torch.where(ended[t], 0.0, later)
            following = rollout["values"][t]
            found.insert(0, later)
        found = torch.stack(found)
        return found, found + rollout["values"]

    def loss(self, obs, actions, old_logprobs, advantages, returns):
        distribution, values = self.net(obs)
        ratio = torch.exp(distribution.log_prob(actions) - old_logprobs)
        worse = torch.minimum(ratio * advantages, ratio.clip(1 - self.cfg.clip, 1 + self.cfg.clip) * advantages)
        error = torch.nn.functional.mse_loss(values, returns)
        return (-worse + self.cfg.value_coefficient * error - self.cfg.entropy_coefficient * distribution.entropy()).mean()

    def weights(self, advantages):
        return (advantages - advantages.mean()) / (advantages.std(unbiased=False) + 1e-8)

    def batches(self, count):
        order = torch.randperm(count, generator=self.rng)
        return [order[i:i + self.cfg.minibatch_size] for i in range(0, count, self.cfg.minibatch_size)]

    def step(self, loss):
        self.adam.zero_grad(set_to_none=False)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.cfg.max_grad_norm)
        self.adam.step()

    def parts(self, rollout):
        advantages, returns = self.advantages(rollout)
        return (rollout["obs"].reshape(-1, 4), rollout["actions"].reshape(-1), rollout["logprobs"].reshape(-1),
                self.weights(advantages).reshape(-1), returns.reshape(-1))

    def update(self, rollout):
        parts, losses = self.parts(rollout), []
        for _ in range(self.cfg.epochs):
            for rows in self.batches(len(parts[0])):
                loss = self.loss(*[part[rows] for part in parts])
                self.step(loss)
                losses.append(float(loss.detach()))
        return losses

    def rate(self):
        start, end = self.cfg.learning_rate, self.cfg.learning_rate * self.cfg.final_learning_rate
        return start + (end - start) * self.steps / self.cfg.total_steps

    def train(self):
        curve = []
        while self.steps < self.cfg.total_steps:
            for group in self.adam.param_groups:
                group["lr"] = self.rate()
            self.update(self.rollout())
            recent = self.episode_returns[-20:]
            curve.append((self.steps, sum(recent) / len(recent) if recent else math.nan))
        return curve


@right("02.7")
class WithSchedulerAndNumpyOrder(WithArrays):
    """torch's own schedule, minibatches by numpy, losses as tensors until the end."""

    def __init__(self, envs, network, config):
        super().__init__(envs, network, config)
        per_update = envs.num_envs * config.num_steps / config.total_steps
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.adam, lambda k: 1 - (1 - config.final_learning_rate) * min(1, k * per_update))
        self.dice = np.random.default_rng(config.seed)

    def batches(self, count):
        size = self.cfg.minibatch_size
        return np.array_split(self.dice.permutation(count), range(size, count, size))

    def weights(self, advantages):
        return (advantages - advantages.mean()) / (advantages.std() + 1e-8)

    def train(self):
        curve = []
        for _ in range(math.ceil(self.cfg.total_steps / (self.cfg.num_steps * self.envs.num_envs))):
            losses = self.update(self.rollout())
            assert all(map(math.isfinite, losses))
            self.schedule.step()
            curve.append([self.steps, np.mean(self.episode_returns[-20:]) if self.episode_returns else np.nan])
        return curve


def _wrong_rollout(change):
    """A class whose rollouts are changed: a slip in what is kept."""
    class Changed(WithArrays):
        def rollout(self):
            return change(self, super().rollout())
    Changed.__name__ = change.__name__
    return Changed


@wrong("02.7", says="observations *after* each step")
@_wrong_rollout
def keeps_the_next_observation(agent, rollout):
    return rollout | {"obs": torch.cat([rollout["obs"][1:], torch.tensor(agent.now)[None]])}


@wrong("02.7", says="Time comes first")
class RowsWithoutTime(WithArrays):
    def rollout(self):
        return {name: part.flatten(0, 1) if part.ndim > 1 else part for name, part in super().rollout().items()}


@wrong("02.7", says="A rollout is data")
class WithGradient(WithArrays):
    def rollout(self):
        rollout = super().rollout()
        return rollout | {"logprobs": self.net(rollout["obs"])[0].log_prob(rollout["actions"])}


@wrong("02.7", says="are kept apart")
@_wrong_rollout
def every_end_is_terminated(agent, rollout):
    return rollout | {"terminated": rollout["terminated"] | rollout["truncated"]}


@wrong("02.7", says="scaled here already")
@_wrong_rollout
def scales_at_once(agent, rollout):
    return rollout | {"rewards": rollout["rewards"] * agent.cfg.reward_scale}


@wrong("02.7", says="next episode's first")
@_wrong_rollout
def final_value_of_the_next_episode(agent, rollout):
    after = torch.cat([rollout["values"][1:], rollout["last_values"][None]])
    return rollout | {"final_values": after * (rollout["terminated"] | rollout["truncated"])}


@wrong("02.7", says="value *before* the last step")
@_wrong_rollout
def last_value_too_early(agent, rollout):
    return rollout | {"last_values": rollout["values"][-1].clone()}


@wrong("02.7", says="Draw the actions")
class Greedy(WithArrays):
    def __init__(self, envs, network, config):
        super().__init__(envs, network, config)
        network.distribution = lambda obs: _Certain(ActorCritic.distribution(network, obs))


class _Certain:
    def __init__(self, distribution):
        self.log_prob, self.entropy, self.mode = distribution.log_prob, distribution.entropy, distribution.mode

    def sample(self, generator=None):
        return self.mode()


@wrong("02.7", says="The environments were reset")
class ResetsEachTime(WithArrays):
    def rollout(self):
        if self.steps:
            self.now, _ = self.envs.reset()
        return super().rollout()


@wrong("02.7", says="Count the steps of all environments")
class CountsOneEnvironment(WithArrays):
    def rollout(self):
        before, rollout = self.steps, super().rollout()
        self.steps = before + self.cfg.num_steps
        return rollout


@wrong("02.7", says="those of earlier rollouts included")
class ForgetsRunningEpisodes(WithArrays):
    def rollout(self):
        self.sums = [0.0] * len(self.now)
        return super().rollout()


@wrong("02.7", says="only the time limit stopped it")
class NoBootstrap(WithArrays):
    def advantages(self, rollout):
        return super().advantages(rollout | {"final_values": torch.zeros_like(rollout["values"])})


@wrong("02.7", says="After a fall nothing follows")
class BootstrapsFalls(WithArrays):
    def advantages(self, rollout):
        ended = rollout["terminated"] | rollout["truncated"]
        return super().advantages(rollout | {"terminated": ended & False, "truncated": ended})


@wrong("02.7", says="run on into the next episode")
class DonesAreTerminated(WithArrays):
    def advantages(self, rollout):
        c, stops = self.cfg, rollout["truncated"] & ~rollout["terminated"]
        rewards = rollout["rewards"] * c.reward_scale + c.gamma * rollout["final_values"] * stops
        advantages = _walk(rewards, rollout["values"], rollout["terminated"], rollout["last_values"], c.gamma, c.lam)
        return advantages, advantages + rollout["values"]


@wrong("02.7", says="shifted by one step")
class DonesShifted(WithArrays):
    def advantages(self, rollout):
        c, stops = self.cfg, rollout["truncated"] & ~rollout["terminated"]
        rewards = rollout["rewards"] * c.reward_scale + c.gamma * rollout["final_values"] * stops
        ended = (rollout["terminated"] | rollout["truncated"]).roll(1, 0)
        advantages = _walk(rewards, rollout["values"], ended, rollout["last_values"], c.gamma, c.lam)
        return advantages, advantages + rollout["values"]


@wrong("02.7", says="Not normalized yet")
class NormalizesTooEarly(WithArrays):
    def advantages(self, rollout):
        advantages, returns = super().advantages(rollout)
        return (advantages - advantages.mean()) / advantages.std(), returns


@wrong("02.7", says="multiplied by config.reward_scale")
class NeverScales(WithArrays):
    def advantages(self, rollout):
        return super().advantages(rollout | {"rewards": rollout["rewards"] / self.cfg.reward_scale})


@wrong("02.7", says="entropy should be large")
class PunishesEntropy(WithArrays):
    def loss(self, obs, actions, *more):
        entropy = self.net(obs)[0].entropy().mean()
        return super().loss(obs, actions, *more) + 2 * self.cfg.entropy_coefficient * entropy


@wrong("02.7", says="a part of it is detached")
class CriticDetached(WithArrays):
    def loss(self, obs, actions, old_logprobs, advantages, returns):
        error = (self.net(obs)[1] - returns).square().mean()
        return super().loss(obs, actions, old_logprobs, advantages, returns) + self.cfg.value_coefficient * (error.detach() - error)


@wrong("02.7", says="Nothing was clipped")
class NoClip(WithArrays):
    def loss(self, obs, actions, old_logprobs, advantages, returns):
        distribution, values = self.net(obs)
        gain = (distribution.log_prob(actions) - old_logprobs).exp() * advantages
        error = (values - returns).square()
        return (self.cfg.value_coefficient * error - gain - self.cfg.entropy_coefficient * distribution.entropy()).mean()


@wrong("02.7", says="advantages are not normalized")
class NotNormalized(WithArrays):
    def weights(self, advantages):
        return advantages


@wrong("02.7", says="flattened in the same way")
class FlattensTheOtherWay(WithArrays):
    def parts(self, rollout):
        obs, *others = super().parts(rollout)
        return rollout["obs"].transpose(0, 1).reshape(-1, 4), *others


@wrong("02.7", says="their ratio is always 1")
class NewLogprobsOnly(WithArrays):
    def update(self, rollout):
        with torch.no_grad():
            logprobs = self.net(rollout["obs"])[0].log_prob(rollout["actions"])
        return super().update(rollout | {"logprobs": logprobs})


@wrong("02.7", says="Is `optimizer.step()`")
class NeverSteps(WithArrays):
    def step(self, loss):
        loss.backward()


@wrong("02.7", says="The gradient was not clipped")
class ClipsAfterTheStep(WithArrays):
    def step(self, loss):
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.cfg.max_grad_norm)


@wrong("02.7", says="`zero_grad` goes before `backward`")
class ZeroesTooLate(WithArrays):
    def step(self, loss):
        loss.backward()
        self.adam.zero_grad(set_to_none=False)
        self.adam.step()


@wrong("02.7", says="The gradients of all steps add up")
class NeverZeroes(WithArrays):
    def step(self, loss):
        loss.backward()
        parameters = list(self.net.parameters())
        kept = [p.grad.clone() for p in parameters]
        torch.nn.utils.clip_grad_norm_(parameters, self.cfg.max_grad_norm)
        self.adam.step()
        for p, grad in zip(parameters, kept, strict=True):
            p.grad = grad


@wrong("02.7", says="taken anew after the policy had moved")
class OldLogprobsEachEpoch(WithArrays):
    def update(self, rollout):
        parts, losses = list(self.parts(rollout)), []
        for epoch in range(self.cfg.epochs):
            if epoch:
                with torch.no_grad():
                    parts[2] = self.net(parts[0])[0].log_prob(parts[1])
            for rows in self.batches(len(parts[0])):
                loss = self.loss(*[part[rows] for part in parts])
                self.step(loss)
                losses.append(loss.item())
        return losses


@wrong("02.7", says="Minibatches drawn one by one")
class DrawsWithReplacement(WithArrays):
    def batches(self, count):
        return [torch.randint(count, (len(rows),), generator=self.rng) for rows in super().batches(count)]


@wrong("02.7", says="step of the optimizer for each minibatch")
class OneStepAnEpochTooMany(WithArrays):
    def batches(self, count):
        batches = super().batches(count)
        return [*batches, batches[0]]


@wrong("02.7", says="Each minibatch of each epoch is one gradient step")
class DropsTheRest(WithArrays):
    def batches(self, count):
        batches = super().batches(count)
        return [rows for rows in batches if len(rows) == len(batches[0])]


@wrong("02.7", says="Shuffle inside the loop over epochs")
class OneOrder(WithArrays):
    def batches(self, count):
        order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
        return order.split(self.cfg.minibatch_size)


@wrong("02.7", says="normalized in each minibatch")
class NormalizesMinibatches(WithArrays):
    def update(self, rollout):
        parts, losses = self.parts(rollout), []
        for _ in range(self.cfg.epochs):
            for rows in self.batches(len(parts[0])):
                obs, actions, old_logprobs, advantages, returns = (part[rows] for part in parts)
                loss = self.loss(obs, actions, old_logprobs, self.weights(advantages), returns)
                self.step(loss)
                losses.append(loss.item())
        return losses


@wrong("02.7", says="The learning rate stays")
class RateStays(WithArrays):
    def rate(self):
        return self.cfg.learning_rate


@wrong("02.7", says="one update too early")
class RateAfterTheRollout(WithArrays):
    def update(self, rollout):
        for group in self.adam.param_groups:
            group["lr"] = self.rate()
        return super().update(rollout)


@wrong("02.7", says="to `distribution.sample`")
class DrawsWithoutTheGenerator(WithArrays):
    def __init__(self, envs, network, config):
        super().__init__(envs, network, config)
        self.rng = None


@wrong("02.7", says="not with a number of your own")
class OwnSeed(WithArrays):
    def __init__(self, envs, network, config):
        super().__init__(envs, network, config)
        self.rng.manual_seed(0)


@wrong("02.7", says="Draw the order of the minibatches")
class OrderWithoutASeed(WithSchedulerAndNumpyOrder):
    def __init__(self, envs, network, config):
        super().__init__(envs, network, config)
        self.dice = np.random.default_rng()


@wrong("02.7", says="no run can be repeated")
class ResetsWithoutASeed(WithArrays):
    def __init__(self, envs, network, config):
        reset = envs.reset
        envs.reset = lambda seed=None: reset()
        super().__init__(envs, network, config)
        envs.reset = reset


@wrong("02.7", says="with `eps=1e-5`")
class TorchsEpsilon(WithArrays):
    def __init__(self, envs, network, config):
        super().__init__(envs, network, config)
        self.adam = torch.optim.Adam(network.parameters(), lr=config.learning_rate)


@wrong("02.7", says="Make the optimizer once")
class NewOptimizers(WithArrays):
    def update(self, rollout):
        self.adam = torch.optim.Adam(self.net.parameters(), lr=self.adam.param_groups[0]["lr"], eps=1e-5)
        return super().update(rollout)


# ------------------------------------------------------------------------------------------------------------- mutants

excused("02.1", DETACHED, because="advantages are constants: nothing trains through them")
excused("02.4", "ended.cumsum(0) - ended → ended - ended.cumsum(0)", because="numbers of episodes are only compared with each other")
excused("02.4", "ahead.clamp(min=0) → ahead", because="the entries below the diagonal are multiplied by 0, and the powers there are finite")
excused("02.4", DETACHED, because="advantages are constants: nothing trains through them")
excused("02.5", "logits.detach() → logits", because="only its values are used")
excused("02.5", "(logits - lr * gradient).detach() → logits - lr * gradient", because="autograd.grad needs no leaf; only slower")
excused("02.5", "dim=-1 → dim=0", "dim=-1 → dim=0 (2)", because="logits have one dimension")
excused("02.6", DETACHED, because="rewards are constants: nothing trains through them")
excused("02.7", "kept[0] → kept[1]", "parts[0] → parts[1]", because="they have the same names, or the same length")
excused("02.7", "np.mean(recent) if recent else np.nan → np.mean(recent)", because="the mean of nothing is nan, with a warning")
excused("02.7", "values - returns → returns - values", because="a square")
