"""Right and wrong programs for the build, exercise 04.7, with the message each must get."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import torch

from course_lib.authoring.answers import right, wrong
from course_lib.preferences.bradley_terry import bradley_terry_loss, segment_return
from course_lib.preferences.reward_model import standardize_rewards
from course_lib.rl.ppo import PPO

LIMIT = 12 * 2 * np.pi / 360


@right("04.7")
class OneByOne:
    """Loops in place of tensor tricks, the loss of lesson 03 written out, numbers by numpy."""

    def __init__(self, envs, network, reward_model, labeler, config):
        self.model, self.labeler, self.config, self.network = reward_model, labeler, config, network
        self.adam = torch.optim.AdamW(reward_model.parameters(), lr=config.reward.learning_rate, weight_decay=config.reward.weight_decay)
        self.dice = np.random.default_rng(config.seed)
        self.first, self.second, self.mu, self.done = [], [], [], 0
        self.per_update = envs.num_envs * config.ppo.num_steps
        self.ppo = self.trainer(envs)

    def trainer(self, envs):
        settings = replace(self.config.ppo, total_steps=sum(self.config.updates) * self.per_update, seed=self.config.seed)
        return PPO(envs, self.network, settings, reward_function=lambda rollout: self.rewards(rollout))

    def states(self, rollout):
        return rollout.next_obs()

    def clips(self, rollout):
        found, states = [], self.states(rollout)
        for n in range(states.shape[1]):
            for start in range(0, len(states) - self.config.clip_steps + 1, self.config.clip_steps):
                found.append(states[start:start + self.config.clip_steps, n])
        return torch.stack(found)

    def pairs(self, number, count):
        every = [(i, j) for i in range(number) for j in range(i)]
        return [every[k] for k in self.dice.choice(len(every), count, replace=False)]

    def keep(self, one, other, mu):
        if mu is None:
            return
        self.first.append(one)
        self.second.append(other)
        self.mu.append(mu)

    def ask(self, clips, count):
        for i, j in self.pairs(len(clips), count):
            self.keep(clips[i], clips[j], self.labeler(clips[i], clips[j]))

    def worth(self, clips):
        return torch.stack([self.model(clips[:, t]) for t in range(clips.shape[1])]).sum(0)

    def loss(self, first, second, mu):
        p = torch.sigmoid(self.worth(first) - self.worth(second))
        return -(mu * p.log() + (1 - mu) * (1 - p).log()).mean()

    def labels(self):
        return torch.stack(self.first), torch.stack(self.second), torch.tensor(self.mu)

    def step(self):
        loss = self.loss(*self.labels())
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        return float(loss)

    def fit(self):
        losses = [self.step() for _ in range(self.config.reward.fit_steps)]
        self.scores = self.scored(torch.stack([*self.first, *self.second]))
        return losses

    def scored(self, states):
        with torch.no_grad():
            return self.model(states).double().numpy()

    def standardized(self, scores):
        return torch.from_numpy((scores - self.scores.mean()) / self.scores.std() * self.config.reward.std).float()

    def factor(self, rollout):
        return torch.where(rollout.ended, 1.0 + self.config.absorbing_steps, 1.0)

    def rewards(self, rollout):
        return self.standardized(self.scored(self.states(rollout))) * self.factor(rollout)

    def improve(self, updates):
        self.done += updates * self.per_update
        return list(self.ppo.train(until=self.done))

    def round(self, labels, updates):
        self.ask(self.clips(self.ppo.collector.collect(self.config.ppo.num_steps)[0]), labels)
        self.fit()
        self.improve(updates)

    def train(self):
        for r in range(len(self.config.labels)):
            self.round(self.config.labels[r], self.config.updates[r])
        return self.network


@right("04.7")
class WithTheLessonsFunctions(OneByOne):
    """The functions of the exercises above, a new optimizer for each fit, pairs drawn one by one."""

    def pairs(self, number, count):
        found = []
        while len(found) < count:
            pair = self.dice.integers(number, size=2).tolist()
            if pair[0] != pair[1] and pair not in found and pair[::-1] not in found:
                found.append(pair)
        return found

    def loss(self, first, second, mu):
        return bradley_terry_loss(segment_return(self.model(first)), segment_return(self.model(second)), mu)

    def fit(self):
        self.adam = torch.optim.AdamW(self.model.parameters(), lr=self.config.reward.learning_rate, weight_decay=self.config.reward.weight_decay)
        losses = [self.step() for _ in range(self.config.reward.fit_steps)]
        with torch.no_grad():
            self.scores = self.model(torch.cat(self.labels()[:2]))
        return losses

    @torch.no_grad()
    def rewards(self, rollout):
        rewards = standardize_rewards(self.model(rollout.next_obs()), self.scores, self.config.reward.std)
        rewards[rollout.ended] *= 1 + self.config.absorbing_steps
        return rewards


@wrong("04.7", says="so no fallen state is ever seen")
class ClipsBeforeTheSteps(OneByOne):
    def states(self, rollout):
        return rollout.obs


@wrong("04.7", says="a new episode's first")
class ClipsAcrossTheRestart(OneByOne):
    def clips(self, rollout):
        return super().clips(SimpleNamespace(next_obs=lambda: torch.cat([rollout.obs[1:], rollout.last_obs[None]])))


@wrong("04.7", says="mixes several environments")
class ClipsMixed(OneByOne):
    def clips(self, rollout):
        length, states = self.config.clip_steps, rollout.next_obs()
        return states[:len(states) // length * length].reshape(-1, length, 4)


@wrong("04.7", says="what is left over is dropped")
class OneClipAnEnvironment(OneByOne):
    def clips(self, rollout):
        return rollout.next_obs()[:self.config.clip_steps].transpose(0, 1)


@wrong("04.7", says="compared with itself")
class ClipsAgainstThemselves(OneByOne):
    def pairs(self, number, count):
        return [(k % number, k % number) for k in range(count)]


@wrong("04.7", says="asked twice")
class PairsTwice(OneByOne):
    def pairs(self, number, count):
        return [(0, 1), (1, 0), *super().pairs(number, count)][:count]


@wrong("04.7", says="Draw the pairs at random")
class NeighboursOnly(OneByOne):
    def pairs(self, number, count):
        return [(k, j) for j in range(1, number) for k in range(j)][:count]


@wrong("04.7", says="from *all* of the clips")
class NeverTheLastClip(OneByOne):
    def pairs(self, number, count):
        return super().pairs(number - 1, count)


@wrong("04.7", says="With one seed")
class NoSeed(OneByOne):
    def __init__(self, envs, network, reward_model, labeler, config):
        super().__init__(envs, network, reward_model, labeler, config)
        self.dice = np.random.default_rng()


@wrong("04.7", says="a skipped pair is not replaced")
class ReplacesSkips(OneByOne):
    def ask(self, clips, count):
        wanted = len(self.mu) + count
        for i, j in self.pairs(len(clips), 3 * count if 3 * count <= len(clips) * (len(clips) - 1) // 2 else count):
            if len(self.mu) < wanted:
                self.keep(clips[i], clips[j], self.labeler(clips[i], clips[j]))


@wrong("04.7", says="brings no label")
class SkipsAreTies(OneByOne):
    def keep(self, one, other, mu):
        super().keep(one, other, 0.5 if mu is None else mu)


@wrong("04.7", says="a tie (0.5) brings one")
class DropsTies(OneByOne):
    def keep(self, one, other, mu):
        super().keep(one, other, None if mu == 0.5 else mu)


@wrong("04.7", says="The labels are inverted")
class LabelsInverted(OneByOne):
    def keep(self, one, other, mu):
        super().keep(one, other, None if mu is None else 1 - mu)


@wrong("04.7", says="have changed places")
class SidesSwapped(OneByOne):
    def keep(self, one, other, mu):
        super().keep(other, one, mu)


@wrong("04.7", says="The labels are inverted")
class LossInverted(OneByOne):
    def loss(self, first, second, mu):
        return super().loss(second, first, mu)


@wrong("04.7", says="not their mean")
class MeanOfTheSteps(OneByOne):
    def worth(self, clips):
        return super().worth(clips) / clips.shape[1]


@wrong("04.7", says="the returns of both clips need it")
class OneSideDetached(OneByOne):
    def loss(self, first, second, mu):
        p = torch.sigmoid(self.worth(first) - self.worth(second).detach())
        return -(mu * p.log() + (1 - mu) * (1 - p).log()).mean()


@wrong("04.7", says="Only the newest labels")
class ForgetsOldLabels(OneByOne):
    def labels(self):
        return tuple(part[-self.newest:] for part in super().labels())

    def ask(self, clips, count):
        before = len(self.mu)
        super().ask(clips, count)
        self.newest = len(self.mu) - before


@wrong("04.7", says="Each of the fit_steps steps")
class OptimizerNeverSteps(OneByOne):
    def step(self):
        loss = self.loss(*self.labels())
        loss.backward()
        return float(loss)


@wrong("04.7", says="and by this rate")
class TrainsTheWrongParameters(OneByOne):
    def __init__(self, envs, network, reward_model, labeler, config):
        super().__init__(envs, network, reward_model, labeler, config)
        self.adam = torch.optim.AdamW(list(reward_model.parameters())[-1:], lr=config.reward.learning_rate)


@wrong("04.7", says="as it was handed in")
class StartsAnew(OneByOne):
    def fit(self):
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.uniform_(-0.3, 0.3)
        return super().fit()


@wrong("04.7", says="states *before* each step")
class RewardsBeforeTheSteps(OneByOne):
    def rewards(self, rollout):
        return self.standardized(self.scored(rollout.obs)) * self.factor(rollout)


@wrong("04.7", says="over the rollout itself")
class StandardizedOverTheRollout(OneByOne):
    def rewards(self, rollout):
        self.scores = self.scored(rollout.next_obs())
        return super().rewards(rollout)


@wrong("04.7", says="had before the last fit")
class ScoresBeforeTheFit(OneByOne):
    def fit(self):
        scores = self.scored(torch.stack([*self.first, *self.second]))
        losses = super().fit()
        self.scores = scores
        return losses


@wrong("04.7", says="from the newest labels alone")
class StandardizedOverTheNewest(OneByOne):
    def fit(self):
        losses, self.old = super().fit(), getattr(self, "new", 0)
        self.new = len(self.mu)
        self.scores = self.scored(torch.stack([*self.first[self.old:], *self.second[self.old:]]))
        return losses


@wrong("04.7", says="counts like any other step")
class EndsCountOnce(OneByOne):
    def factor(self, rollout):
        return torch.ones(rollout.ended.shape)


@wrong("04.7", says="counts once, and for absorbing_steps")
class OneStepTooFew(OneByOne):
    def factor(self, rollout):
        return torch.where(rollout.ended, float(self.config.absorbing_steps), 1.0)


@wrong("04.7", says="Only where an episode was terminated")
class OnlyFallsCount(OneByOne):
    def factor(self, rollout):
        return 1.0 + self.config.absorbing_steps * rollout.terminated


@wrong("04.7", says="raw scores")
class RawScores(OneByOne):
    def standardized(self, scores):
        return torch.from_numpy(scores).float()


@wrong("04.7", says="should be config.reward.std")
class DeviationOne(OneByOne):
    def standardized(self, scores):
        return super().standardized(scores) / self.config.reward.std


@wrong("04.7", says="The policy was trained on the true reward")
class TrueReward(OneByOne):
    def trainer(self, envs):
        settings = replace(self.config.ppo, total_steps=sum(self.config.updates) * self.per_update, seed=self.config.seed)
        return PPO(envs, self.network, settings)


@wrong("04.7", says="from the very start")
class CountsEachRoundAnew(OneByOne):
    def improve(self, updates):
        return list(self.ppo.train(until=updates * self.per_update))


@wrong("04.7", says="In each round")
class FitsOnce(OneByOne):
    def round(self, labels, updates):
        self.ask(self.clips(self.ppo.collector.collect(self.config.ppo.num_steps)[0]), labels)
        if not self.done:
            self.fit()
        self.improve(updates)


@wrong("04.7", says="Collect a new rollout in each round")
class OldClips(OneByOne):
    def round(self, labels, updates):
        self.old = getattr(self, "old", None) or self.ppo.collector.collect(self.config.ppo.num_steps)[0]
        self.ask(self.clips(self.old), labels)
        self.fit()
        self.improve(updates)


@wrong("04.7", says="all updates of all rounds")
class PlansTheFirstRound(OneByOne):
    def trainer(self, envs):
        ppo = super().trainer(envs)
        ppo.prolong(self.config.updates[0] * self.per_update)
        return ppo



