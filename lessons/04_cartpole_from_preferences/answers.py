"""Right answers in other words, and plausible wrong ones with the message each must get."""


import numpy as np
import torch

from course_lib.authoring.answers import DETACHED, excused, right, wrong

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


@wrong("04.6", says="Each fallen state has 10 more")
def ten_once_a_clip(obs, place):
    down = (obs[:, 2].abs() > LIMIT) | (obs[:, 0].abs() > 2.4)
    return float(-((obs[:, 0] - place).abs() + obs[:, 2].abs() / LIMIT).sum()) - 10 * bool(down.any())


@wrong("04.6", says="has a penalty of 10 more, not 20")
def two_falls_cost_twice(obs, place):
    down, left = obs[:, 2].abs() > 0.20943951, obs[:, 0].abs() > 2.4
    return float(-((obs[:, 0] - place).abs() + obs[:, 2].abs() / 0.20943951 + 10.0 * down + 10.0 * left).sum())

# ------------------------------------------------------------------------------------------------------------- mutants

excused("04.2", DETACHED, because="rewards for an agent are constants: nothing trains through them")
excused("04.5", DETACHED, because="states are observations: nothing trains through them")
excused("04.3", "first - second → second - first", because="a standard deviation does not change when all probabilities p become 1 - p")
excused("04.3", "p.std(dim=0) → p.var(dim=0)", because="the order is the same")
excused("04.6", "x.abs() > X_LIMIT → x.abs() >= X_LIMIT", "angle.abs() > ANGLE_LIMIT → angle.abs() >= ANGLE_LIMIT",
        because="on the border itself float32 and float64 differ")
excused("04.6", "x - place → place - x", because="a distance")
