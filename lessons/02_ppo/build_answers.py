"""Right and wrong programs for the build, exercise 02.7, with the message each must get."""

import math

import numpy as np
import torch

from course_lib.authoring.answers import excused, right, wrong
from course_lib.rl import objectives
from course_lib.rl.networks import ActorCritic


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
        advantages = objectives.gae(rewards, rollout["values"], rollout["terminated"], rollout["last_values"], c.gamma, c.lam)
        return advantages, advantages + rollout["values"]


@wrong("02.7", says="shifted by one step")
class DonesShifted(WithArrays):
    def advantages(self, rollout):
        c, stops = self.cfg, rollout["truncated"] & ~rollout["terminated"]
        rewards = rollout["rewards"] * c.reward_scale + c.gamma * rollout["final_values"] * stops
        ended = (rollout["terminated"] | rollout["truncated"]).roll(1, 0)
        advantages = objectives.gae(rewards, rollout["values"], ended, rollout["last_values"], c.gamma, c.lam)
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


excused("02.7", "kept[0] → kept[1]", "parts[0] → parts[1]", because="they have the same names, or the same length")
excused("02.7", "np.mean(recent) if recent else np.nan → np.mean(recent)", because="the mean of nothing is nan, with a warning")
excused("02.7", "values - returns → returns - values", because="a square")
