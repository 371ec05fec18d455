"""Right answers in other words, and plausible wrong ones with the message each must get."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import torch

from course_lib.authoring.answers import DETACHED, excused, right, wrong
from course_lib.preferences.bradley_terry import bradley_terry_loss, segment_return
from course_lib.preferences.reward_model import standardize_rewards
from course_lib.rl.ppo import PPO

LIMIT = 12 * 2 * np.pi / 360

# ---------------------------------------------------------------------------------------------------------------- 04.1


@right("04.1")
def with_masked_fill(rewards, mask=None):
    kept = rewards if mask is None else rewards.masked_fill(mask == 0, 0)
    return kept.sum(-1)


@right("04.1")
def step_by_step(rewards, mask=None):
    total = torch.zeros(rewards.shape[:-1])
    for t in range(rewards.shape[-1]):
        counts = torch.ones_like(total) if mask is None else mask[..., t]
        total = torch.where(counts > 0, total + rewards[..., t], total)
    return total


@wrong("04.1", says="This is the mean")
def mean_of_the_steps(rewards, mask=None):
    return rewards.mean(-1)


@wrong("04.1", says="0 * nan is nan")
def times_the_mask(rewards, mask=None):
    return (rewards if mask is None else rewards * mask).sum(-1)


@wrong("04.1", says="your sum hides it")
def every_nan_replaced(rewards, mask=None):
    return rewards.sum(-1) if mask is None else torch.nan_to_num(rewards * mask).sum(-1)


@wrong("04.1", says="the mask was not used")
def ignores_the_mask(rewards, mask=None):
    return rewards.sum(-1)


@wrong("04.1", says="One number for each clip")
def sum_of_everything(rewards, mask=None):
    return rewards.sum()


@wrong("04.1", says="along the last dimension")
def the_second_dimension(rewards, mask=None):
    return rewards.sum(1 if rewards.ndim > 1 else 0) if mask is None else torch.where(mask > 0, rewards, 0).sum(1)


@wrong("04.1", says="Inverted")
def mask_the_wrong_way_round(rewards, mask=None):
    return rewards.sum(-1) if mask is None else rewards.masked_fill(mask == 1, 0).sum(-1)


# ---------------------------------------------------------------------------------------------------------------- 04.2


@right("04.2")
def with_the_other_deviation(raw, labelled, std):
    deviation = labelled.std(correction=0).clamp(min=1e-3)
    return std * (raw - labelled.mean()) / deviation


@right("04.2")
def as_a_line(raw, labelled, std):
    scores = labelled.flatten().double()
    mean = scores.sum() / len(scores)
    variance = (scores - mean).square().sum() / (len(scores) - 1)
    factor = std / max(float(variance) ** 0.5, 0.001)
    return (raw * factor - mean * factor).float()


@wrong("04.2", says="rollout's own mean and deviation")
def each_rollout_by_itself(raw, labelled, std):
    return (raw - raw.mean()) / raw.std().clamp(min=1e-3) * std


@wrong("04.2", says="The mean is the rollout's own")
def own_mean(raw, labelled, std):
    return (raw - raw.mean()) / labelled.std().clamp(min=1e-3) * std


@wrong("04.2", says="The deviation is the rollout's own")
def own_deviation(raw, labelled, std):
    return (raw - labelled.mean()) / raw.std().clamp(min=1e-3) * std


@wrong("04.2", says="The mean is still in it")
def forgets_the_mean(raw, labelled, std):
    return raw / labelled.std().clamp(min=1e-3) * std


@wrong("04.2", says="did not divide by the deviation")
def forgets_the_deviation(raw, labelled, std):
    return (raw - labelled.mean()) * std


@wrong("04.2", says="multiply by `std` at the end")
def deviation_of_1(raw, labelled, std):
    return (raw - labelled.mean()) / labelled.std().clamp(min=1e-3)


@wrong("04.2", says="You divided by `std`")
def divides_by_both(raw, labelled, std):
    return (raw - labelled.mean()) / labelled.std().clamp(min=1e-3) / std


@wrong("04.2", says="divided by the variance")
def by_the_variance(raw, labelled, std):
    return (raw - labelled.mean()) / labelled.var().clamp(min=1e-3) * std


@wrong("04.2", says="almost 0 here")
def no_floor(raw, labelled, std):
    return (raw - labelled.mean()) / labelled.std().clamp(min=1e-12) * std


@wrong("04.2", says="the shape of `raw`")
def standardizes_the_labelled_clips(raw, labelled, std):
    return (labelled - labelled.mean()) / labelled.std().clamp(min=1e-3) * std


@wrong("04.2", says="not from each clip")
def one_number_a_clip(raw, labelled, std):
    return (raw.mean(-1) - labelled.mean()) / labelled.std().clamp(min=1e-3) * std


# ---------------------------------------------------------------------------------------------------------------- 04.3


@right("04.3")
def by_variance_and_topk(first, second, count):
    p = 1 / (1 + torch.exp(second - first))
    return torch.topk(p.var(dim=0), count).indices


@right("04.3")
def sorted_in_python(first, second, count):
    p = torch.sigmoid(first - second).numpy()
    order = sorted(range(p.shape[1]), key=lambda k: -p[:, k].std())
    return torch.tensor(order[:count])


@wrong("04.3", says="Compare probabilities")
def spread_of_the_differences(first, second, count):
    return (first - second).std(dim=0).argsort(descending=True)[:count]


@wrong("04.3", says="not the smallest")
def most_agreed(first, second, count):
    return torch.sigmoid(first - second).std(dim=0).argsort()[:count]


@wrong("04.3", says="Uncertain is not disputed")
def most_uncertain(first, second, count):
    return (torch.sigmoid(first - second).mean(dim=0) - 0.5).abs().argsort()[:count]


@wrong("04.3", says="first - second")
def looks_at_the_first_only(first, second, count):
    return torch.sigmoid(first).std(dim=0).argsort(descending=True)[:count]


@wrong("04.3", says="wrong order")
def positions_in_order(first, second, count):
    return torch.sigmoid(first - second).std(dim=0).argsort(descending=True)[:count].sort().values


@wrong("04.3", says="one whole number each")
def all_of_them(first, second, count):
    return torch.sigmoid(first - second).std(dim=0).argsort(descending=True)


# ---------------------------------------------------------------------------------------------------------------- 04.4

WORLDS = ("+1 a step, the end counts", "-1 a step, the end counts", "+1 a step, ends hidden", "-1 a step, ends hidden")


def _say(*words):
    return dict(zip(WORLDS, words, strict=False))


@right("04.4")
def in_order():
    return _say("balances longer", "falls sooner", "no reason to change", "no reason to change")


@right("04.4")
def backwards():
    return dict(reversed(list(in_order().items())))


@wrong("04.4", says="the end is the best")
def punishment_makes_careful():
    return _say("balances longer", "balances longer", "no reason to change", "no reason to change")


@wrong("04.4", says="the steps never end")
def a_reward_is_a_reward():
    return _say("balances longer", "falls sooner", "balances longer", "falls sooner")


@wrong("04.4", says="more steps of +1")
def constant_pay_teaches_nothing():
    return _say("no reason to change", "no reason to change", "no reason to change", "no reason to change")


@wrong("04.4", says="one of the three")
def in_other_words():
    return _say("balances longer", "falls sooner", "nothing", "nothing")


@wrong("04.4", says="is missing")
def one_forgotten():
    return _say("balances longer", "falls sooner", "no reason to change")


# ---------------------------------------------------------------------------------------------------------------- 04.5


@right("04.5")
def one_by_one(obs, last_obs, final_obs, ended):
    rows, k = [], 0
    for t in range(len(obs)):
        after = (last_obs if t == len(obs) - 1 else obs[t + 1]).clone()
        for n in range(obs.shape[1]):
            if ended[t, n]:
                after[n] = final_obs[k]
                k += 1
        rows.append(after)
    return torch.stack(rows)


@right("04.5")
def with_masked_scatter(obs, last_obs, final_obs, ended):
    following = torch.cat([obs[1:], last_obs.unsqueeze(0)])
    return following.masked_scatter(ended[..., None].expand_as(following), final_obs)


@wrong("04.5", says="rewarded as if it had led to a perfect start")
def next_row_everywhere(obs, last_obs, final_obs, ended):
    return torch.cat([obs[1:], last_obs[None]])


@wrong("04.5", says="has not fallen")
def as_given(obs, last_obs, final_obs, ended):
    following = torch.cat([obs[1:], last_obs[None]])
    following[ended] = obs[ended]
    return following


@wrong("04.5", says="not for what it did")
def states_before(obs, last_obs, final_obs, ended):
    return obs


@wrong("04.5", says="shift them by one")
def final_states_among_the_states_before(obs, last_obs, final_obs, ended):
    following = obs.clone()
    if ended.any():
        following[ended] = final_obs
        return following
    return torch.cat([obs[1:], last_obs[None]])


@wrong("04.5", says="went to the wrong episodes")
def environment_by_environment(obs, last_obs, final_obs, ended):
    following = torch.cat([obs[1:], last_obs[None]])
    following.transpose(0, 1)[ended.T] = final_obs
    return following


@wrong("04.5", says="gets its own last state")
def the_same_end_for_all(obs, last_obs, final_obs, ended):
    following = torch.cat([obs[1:], last_obs[None]])
    if ended.any():
        following[ended] = final_obs[0]
    return following


@wrong("04.5", says="last_obs")
def last_row_repeated(obs, last_obs, final_obs, ended):
    following = torch.cat([obs[1:], obs[-1:]])
    following[ended] = final_obs
    return following


# ---------------------------------------------------------------------------------------------------------------- 04.6


@right("04.6")
def with_numpy(obs, place):
    x, _, angle, _ = np.asarray(obs, dtype=np.float64).T
    cost = np.abs(x - place) + np.abs(angle) / LIMIT + 10 * ((np.abs(x) > 2.4) | (np.abs(angle) > LIMIT))
    return float(-cost.sum())


@right("04.6")
def state_by_state(obs, place):
    mark = 0.0
    for x, _, angle, _ in obs.tolist():
        mark -= abs(x - place) + abs(angle) / LIMIT
        if abs(x) > 2.4 or abs(angle) > LIMIT:
            mark -= 10
    return torch.tensor(mark)


def _mark(obs, place, *, centre=False, angle=abs, falls=True, track=True, sign=-1, mean=False):
    total = 0.0
    for x, _, lean, _ in obs.tolist():
        total += abs(x if centre else x - place) + angle(lean) / LIMIT
        total += 10 * (falls and (abs(lean) > LIMIT or (track and abs(x) > 2.4)))
    return sign * total / (len(obs) if mean else 1)


@wrong("04.6", says="from the place, not from the centre")
def from_the_centre(obs, place):
    return _mark(obs, place, centre=True)


@wrong("04.6", says="*lower* score")
def costs_as_marks(obs, place):
    return _mark(obs, place, sign=1)


@wrong("04.6", says="absolute value")
def leaning_left_is_free(obs, place):
    return _mark(obs, place, angle=lambda a: a)


@wrong("04.6", says="got no extra penalty")
def falls_are_free(obs, place):
    return _mark(obs, place, falls=False)


@wrong("04.6", says="Leaving the track is a fall too")
def off_the_track_is_free(obs, place):
    return _mark(obs, place, track=False)


@wrong("04.6", says="the sum is wanted")
def mean_of_steps(obs, place):
    return _mark(obs, place, mean=True)


@wrong("04.6", says="lean of the pole is penalized too")
def only_the_place(obs, place):
    return _mark(obs, place, angle=lambda a: 0.0)


@wrong("04.6", says="has a penalty of 10 more, not 20")
def two_falls_cost_twice(obs, place):
    down, left = obs[:, 2].abs() > 0.20943951, obs[:, 0].abs() > 2.4
    return float(-((obs[:, 0] - place).abs() + obs[:, 2].abs() / 0.20943951 + 10.0 * down + 10.0 * left).sum())

# ---------------------------------------------------------------------------------------------------------------- 04.7


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


# ------------------------------------------------------------------------------------------------------------- mutants

excused("04.2", DETACHED, because="rewards for an agent are constants: nothing trains through them")
excused("04.5", DETACHED, because="states are observations: nothing trains through them")
excused("04.3", "first - second → second - first", because="a standard deviation does not change when all probabilities p become 1 - p")
excused("04.3", "p.std(dim=0) → p.var(dim=0)", because="the order is the same")
excused("04.6", "x.abs() > X_LIMIT → x.abs() >= X_LIMIT", "angle.abs() > ANGLE_LIMIT → angle.abs() >= ANGLE_LIMIT",
        because="on the border itself float32 and float64 differ")
excused("04.6", "x - place → place - x", because="a distance")
