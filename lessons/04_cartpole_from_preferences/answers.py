"""Right answers in other words, and plausible wrong ones with the message each must get."""

import numpy as np
import torch

from course_lib.authoring.answers import right, wrong

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


@wrong("04.1", says="the mask was not used")
def ignores_the_mask(rewards, mask=None):
    return rewards.sum(-1)


@wrong("04.1", says="One number for each clip")
def sum_of_everything(rewards, mask=None):
    return rewards.sum()


@wrong("04.1", says="along the last dimension")
def the_second_dimension(rewards, mask=None):
    return rewards.sum(1 if rewards.ndim > 1 else 0) if mask is None else torch.where(mask > 0, rewards, 0).sum(1)


@wrong("04.1", says="Turned round")
def mask_the_wrong_way_round(rewards, mask=None):
    return rewards.sum(-1) if mask is None else rewards.masked_fill(mask == 1, 0).sum(-1)


# ---------------------------------------------------------------------------------------------------------------- 04.2


@right("04.2")
def with_tensors(raw, mean, deviation, memory, spread):
    own = raw.mean(), raw.std()
    kept = (torch.tensor(float(mean)), torch.tensor(float(deviation))) if deviation else own
    mean, deviation = (memory * k + (1 - memory) * o for k, o in zip(kept, own, strict=True))
    return spread * (raw - mean) / deviation.clamp(min=1e-3), mean, deviation


@right("04.2")
def moving_by_a_share(raw, mean, deviation, memory, spread):
    first = deviation == 0
    step = 1 - memory
    m = float(raw.mean()) if first else mean + step * (float(raw.mean()) - mean)
    d = float(raw.std()) if first else deviation + step * (float(raw.std()) - deviation)
    scale = spread / d if d > 0.001 else spread / 0.001
    return [(raw - m) * scale, m, d]


def _pay(raw, mean, deviation, memory, spread, *, first=True, floor=1e-3, divide=True, centre=True, scale=True, swap=False):
    own_mean, own_deviation = float(raw.mean()), float(raw.std())
    if deviation == 0 and first:
        mean, deviation = own_mean, own_deviation
    keep = 1 - memory if swap else memory
    mean, deviation = keep * mean + (1 - keep) * own_mean, keep * deviation + (1 - keep) * own_deviation
    paid = raw - mean if centre else raw
    paid = paid / max(deviation, floor) if divide else paid
    return (paid * spread if scale else paid), mean, deviation


@wrong("04.2", says="none yet")
def mixes_in_the_zero(*args):
    return _pay(*args, first=False)


@wrong("04.2", says="shares are swapped")
def shares_swapped(*args):
    return _pay(*args, swap=True)


@wrong("04.2", says="multiply by `spread`")
def forgets_the_spread(*args):
    return _pay(*args, scale=False)


@wrong("04.2", says="The mean is still in it")
def forgets_the_mean(*args):
    return _pay(*args, centre=False)


@wrong("04.2", says="did not divide by the deviation")
def forgets_the_deviation(*args):
    return _pay(*args, divide=False)


@wrong("04.2", says="almost 0 here")
def no_floor(*args):
    return _pay(*args, floor=1e-12)


@wrong("04.2", says="the old mean and deviation")
def uses_the_old_ones(raw, mean, deviation, memory, spread):
    if deviation == 0:
        return _pay(raw, mean, deviation, memory, spread)
    _, m, d = _pay(raw, mean, deviation, memory, spread)
    return (raw - mean) / max(deviation, 1e-3) * spread, m, d


@wrong("04.2", says="replaced the kept one")
def each_rollout_by_itself(raw, mean, deviation, memory, spread):
    return _pay(raw, 0.0, 0.0, memory, spread)


@wrong("04.2", says="so that the caller can keep them")
def only_the_pay(*args):
    return _pay(*args)[0]


@wrong("04.2", says="the kept ones did nothing")
def keeps_but_does_not_use(raw, mean, deviation, memory, spread):
    _, m, d = _pay(raw, mean, deviation, memory, spread)
    return (raw - raw.mean()) / raw.std().clamp(min=1e-3) * spread, m, d


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


@wrong("04.5", says="paid as if it had led to a perfect start")
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


@wrong("04.6", says="*lower* mark")
def costs_as_marks(obs, place):
    return _mark(obs, place, sign=1)


@wrong("04.6", says="absolute value")
def leaning_left_is_free(obs, place):
    return _mark(obs, place, angle=lambda a: a)


@wrong("04.6", says="cost nothing extra")
def falls_are_free(obs, place):
    return _mark(obs, place, falls=False)


@wrong("04.6", says="Leaving the track is a fall too")
def off_the_track_is_free(obs, place):
    return _mark(obs, place, track=False)


@wrong("04.6", says="the sum is wanted")
def mean_of_steps(obs, place):
    return _mark(obs, place, mean=True)


@wrong("04.6", says="lean of the pole costs too")
def only_the_place(obs, place):
    return _mark(obs, place, angle=lambda a: 0.0)
