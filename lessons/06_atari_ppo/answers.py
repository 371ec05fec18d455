"""Right answers in other words, and plausible wrong ones with the message each must get."""

import numpy as np
import torch

from course_lib.authoring.answers import DETACHED, excused, right, wrong

# ---------------------------------------------------------------------------------------------------------------- 06.1


@right("06.1")
def group_by_group(frames, rewards, skip):
    pictures, paid = [], []
    for start in range(0, len(frames), skip):
        last = start + skip - 1
        pictures.append(np.where(frames[last] > frames[last - 1], frames[last], frames[last - 1]))
        paid.append(rewards[start:last + 1].sum())
    return np.stack(pictures), np.array(paid)


@right("06.1")
def with_strides(frames, rewards, skip):
    two = np.stack([frames[skip - 2::skip], frames[skip - 1::skip]])
    return two.max(axis=0), np.add.reduceat(rewards, np.arange(0, len(rewards), skip))


def _paid(rewards, skip):
    return rewards.reshape(-1, skip).sum(axis=1)


@wrong("06.1", says="Only the last frame was kept")
def the_last_frame(frames, rewards, skip):
    return frames[skip - 1::skip], _paid(rewards, skip)


@wrong("06.1", says="first frames of each group")
def the_first_frame(frames, rewards, skip):
    return frames[::skip], _paid(rewards, skip)


@wrong("06.1", says="All four frames were pooled")
def all_of_the_group(frames, rewards, skip):
    groups = frames.reshape(-1, skip, *frames.shape[1:])
    pictures = groups.max(axis=1)
    return (pictures if skip > 3 else np.maximum(groups[:, -1], groups[:, -2])), _paid(rewards, skip)


@wrong("06.1", says="stays uint8")
def the_mean(frames, rewards, skip):
    groups = frames.reshape(-1, skip, *frames.shape[1:])
    return groups[:, -2:].mean(axis=1), _paid(rewards, skip)


@wrong("06.1", says="This is the sum")
def the_sum(frames, rewards, skip):
    return frames[skip - 1::skip] + frames[skip - 2::skip], _paid(rewards, skip)


@wrong("06.1", says="first and the last frame of the group")
def first_and_last(frames, rewards, skip):
    if skip == 3:
        return with_strides(frames, rewards, skip)
    return np.maximum(frames[::skip], frames[skip - 1::skip]), _paid(rewards, skip)


@wrong("06.1", says="Only the last frame's reward")
def the_last_reward(frames, rewards, skip):
    return with_strides(frames, rewards, skip)[0], rewards[skip - 1::skip]


@wrong("06.1", says="This is the mean: add the rewards up")
def the_mean_reward(frames, rewards, skip):
    return with_strides(frames, rewards, skip)[0], rewards.reshape(-1, skip).mean(axis=1)


@wrong("06.1", says="Only the last two frames' rewards")
def rewards_of_the_pooled(frames, rewards, skip):
    return with_strides(frames, rewards, skip)[0], rewards.reshape(-1, skip)[:, -2:].sum(axis=1)


@wrong("06.1", says="Return the pictures and the rewards")
def pictures_alone(frames, rewards, skip):
    return with_strides(frames, rewards, skip)[0]


# ---------------------------------------------------------------------------------------------------------------- 06.2


@right("06.2")
def by_reshaping(screens):
    court = screens[:, 34:194].reshape(len(screens), 80, 2, 40, 4)[:, :, 0, :, ::2]     # (N, 80, 40, 2)
    return (court != 87).any(axis=-1).astype(np.uint8)


@right("06.2")
def two_pictures(screens):
    left, right_of_it = screens[:, 34:194:2, 0::4], screens[:, 34:194:2, 2::4]
    return np.maximum(left != 87, right_of_it != 87) * np.uint8(1)


@wrong("06.2", says="rows with the score are still there")
def with_the_score(screens):
    seen = screens[:, ::2, ::2] != 87
    return (seen[:, :, ::2] | seen[:, :, 1::2]).astype(np.uint8)


@wrong("06.2", says="the court begins at row 34")
def the_first_rows(screens):
    seen = screens[:, :160:2, ::2] != 87
    return (seen[:, :, ::2] | seen[:, :, 1::2]).astype(np.uint8)


@wrong("06.2", says="lies between the columns")
def one_column_a_cell(screens):
    return (screens[:, 34:194:2, ::4] != 87).astype(np.uint8)


@wrong("06.2", says="darker than the court")
def brighter_than_the_court(screens):
    seen = screens[:, 34:194:2, ::2] > 87
    return (seen[:, :, ::2] | seen[:, :, 1::2]).astype(np.uint8)


@wrong("06.2", says="touches more cells than two")
def any_of_eight(screens):
    court = screens[:, 34:194].reshape(len(screens), 80, 2, 40, 4)
    return (court != 87).any(axis=(2, 4)).astype(np.uint8)


@wrong("06.2", says="The empty court is not black")
def not_black(screens):
    seen = screens[:, 34:194:2, ::2] != 0
    return (seen[:, :, ::2] | seen[:, :, 1::2]).astype(np.uint8)


@wrong("06.2", says="the ball's shade alone")
def only_the_ball(screens):
    seen = screens[:, 34:194:2, ::2] == 236
    return (seen[:, :, ::2] | seen[:, :, 1::2]).astype(np.uint8)


@wrong("06.2", says="the network wants numbers")
def truth_values(screens):
    seen = screens[:, 34:194:2, ::2] != 87
    return seen[:, :, ::2] | seen[:, :, 1::2]


@wrong("06.2", says="Every cell is 1")
def turned_round(screens):
    return 1 - by_reshaping(screens)


@wrong("06.2", says="four to a cell")
def forty_rows(screens):
    seen = screens[:, 34:194:4, ::2] != 87
    return (seen[:, :, ::2] | seen[:, :, 1::2]).astype(np.uint8)


@wrong("06.2", says="four to a cell")
def eighty_by_eighty(screens):
    return (screens[:, 34:194:2, ::2] != 87).astype(np.uint8)


# ---------------------------------------------------------------------------------------------------------------- 06.3


@right("06.3")
def by_size(rewards, ended):
    return torch.logical_or(rewards.abs() > 0.5, ended)


@right("06.3")
def with_where(rewards, ended):
    return torch.where(rewards == 0, ended, torch.ones_like(ended))


@wrong("06.3", says="The lost point is no boundary")
def only_won(rewards, ended):
    return (rewards > 0) | ended


@wrong("06.3", says="The point won is no boundary")
def only_lost(rewards, ended):
    return (rewards < 0) | ended


@wrong("06.3", says="`ended` counts too")
def only_points(rewards, ended):
    return rewards != 0


@wrong("06.3", says="No boundary at all")
def only_games(rewards, ended):
    return ended


@wrong("06.3", says="One step early")
def one_step_early(rewards, ended):
    return torch.roll((rewards != 0) | ended, -1, 0)


@wrong("06.3", says="One step late")
def one_step_late(rewards, ended):
    return torch.roll((rewards != 0) | ended, 1, 0)


@wrong("06.3", says="The wrong way round")
def going_on(rewards, ended):
    return (rewards == 0) & ~ended


@wrong("06.3", says="Truth values are wanted")
def as_numbers(rewards, ended):
    return ((rewards != 0) | ended).float()


@wrong("06.3", says="`|`, not `^`")
def one_of_the_two(rewards, ended):
    return (rewards != 0) ^ ended


# ---------------------------------------------------------------------------------------------------------------- 06.4


def _gae(rewards, values, boundary, last_value, gamma, lam, cost):
    nonterminal = 1.0 - boundary.float()
    next_values = torch.cat([values[1:], last_value[None]])
    deltas = rewards - cost + gamma * nonterminal * next_values - values
    advantages, next_advantage = torch.empty_like(deltas), torch.zeros_like(last_value)
    for t in reversed(range(len(rewards))):
        advantages[t] = deltas[t] + gamma * lam * nonterminal[t] * next_advantage
        next_advantage = advantages[t]
    return advantages


@right("06.4")
def by_size_of_the_reward(rewards, values, ended, last_value, gamma, lam, cost):
    rewards = rewards - cost
    return _gae(rewards, values, (rewards.abs() > 0.5) | ended, last_value, gamma, lam, 0.0)


@right("06.4")
def another_name(rewards, values, ended, last_value, gamma, lam, cost):
    scored = rewards.clone()
    paid = scored - cost
    return _gae(paid, values, torch.logical_or(scored != 0, ended), last_value, gamma, lam, 0.0)


@wrong("06.4", says="Every step is taken for the end")
def as_it_was(rewards, values, ended, last_value, gamma, lam, cost):
    rewards = rewards - cost
    return _gae(rewards, values, (rewards != 0) | ended, last_value, gamma, lam, 0.0)


@wrong("06.4", says="the cost is gone")
def without_the_cost(rewards, values, ended, last_value, gamma, lam, cost):
    return _gae(rewards, values, (rewards != 0) | ended, last_value, gamma, lam, 0.0)


@wrong("06.4", says="Points lost end a rally too")
def only_won_points(rewards, values, ended, last_value, gamma, lam, cost):
    boundary = (rewards > 0) if cost else (rewards != 0)
    return _gae(rewards, values, boundary | ended, last_value, gamma, lam, cost)


@wrong("06.4", says="Points are no boundaries any more")
def no_boundaries(rewards, values, ended, last_value, gamma, lam, cost):
    boundary = torch.zeros_like(ended) if cost else (rewards != 0) | ended
    return _gae(rewards, values, boundary, last_value, gamma, lam, cost)


@wrong("06.4", says="Points are no boundaries any more")
def games_alone(rewards, values, ended, last_value, gamma, lam, cost):
    rewards, scored = rewards - cost, (rewards != 0) if not cost else torch.zeros_like(ended)
    return _gae(rewards, values, scored | ended, last_value, gamma, lam, 0.0)


@wrong("06.4", says="`ended` counts too")
def points_alone(rewards, values, ended, last_value, gamma, lam, cost):
    boundary = (rewards != 0) if cost else (rewards != 0) | ended
    return _gae(rewards, values, boundary, last_value, gamma, lam, cost)


@wrong("06.4", says="another line was changed")
def another_line(rewards, values, ended, last_value, gamma, lam, cost):
    return _gae(rewards, values, (rewards != 0) | ended, last_value, gamma, 1.0, cost)


# ---------------------------------------------------------------------------------------------------------------- 06.5

KEYS = ("lambda 0.95: left after 30 steps", "lambda 0.98: left after 30 steps", "lambda 1: left after 30 steps",
        "lambda 0.98: steps until half is left")


def _said(*numbers):
    return dict(zip(KEYS, numbers, strict=True))


@right("06.5")
def computed():
    return _said(0.9405**30, 0.9702**30, 0.99**30, float(np.log(0.5) / np.log(0.9702)))


@right("06.5")
def roughly():
    return dict(reversed(_said(0.15, 0.41, 0.75, 22).items()))


@wrong("06.5", says="gamma discounts it too, 0.99 a step")
def lambda_alone():
    return _said(0.95**30, 0.98**30, 1.0, 34)


@wrong("06.5", says="lambda discounts it too")
def gamma_alone():
    return _said(0.74, 0.74, 0.74, 69)


@wrong("06.5", says="gamma still discounts")
def nothing_lost_at_one():
    return _said(0.16, 0.40, 1.0, 23)


@wrong("06.5", says="after one step")
def one_step_only():
    return _said(0.94, 0.97, 0.99, 23)


@wrong("06.5", says="not half of what is left")
def half_of_thirty():
    return _said(0.16, 0.40, 0.74, 15)


@wrong("06.5", says="the half-life at lambda 0.95")
def the_other_half_life():
    return _said(0.16, 0.40, 0.74, 11)


@wrong("06.5", says="It is less than that")
def too_hopeful():
    return _said(0.5, 0.40, 0.74, 23)


# ---------------------------------------------------------------------------------------------------------------- 06.6


@right("06.6")
def step_by_step(looks, ended):
    rows = []
    for t in range(len(looks)):
        before = looks[t].clone()
        for n in range(looks.shape[1]):
            if t > 0 and not ended[t - 1, n]:
                before[n] = looks[t - 1, n]
        rows.append(torch.stack([looks[t], before], dim=1))
    return torch.stack(rows)


@right("06.6")
def put_in_afterwards(looks, ended):
    before = torch.roll(looks, 1, 0)
    before[0] = looks[0]
    before[1:][ended[:-1]] = looks[1:][ended[:-1]]
    return torch.cat([looks[:, :, None], before[:, :, None]], dim=2)


def _pairs(looks, first):
    before = torch.where(first[..., None, None], looks, torch.cat([looks[:1], looks[:-1]]))
    return torch.stack([looks, before], dim=2)


@wrong("06.6", says="Shifted by one")
def as_given(looks, ended):
    return _pairs(looks, ended)


@wrong("06.6", says="The ends of games change nothing")
def never_first(looks, ended):
    return _pairs(looks, torch.zeros_like(ended))


@wrong("06.6", says="nothing moves any more")
def always_first(looks, ended):
    return _pairs(looks, torch.ones_like(ended)) if ended.any() else _pairs(looks, ended)


@wrong("06.6", says="The newer frame comes first")
def the_older_first(looks, ended):
    found = put_in_afterwards(looks, ended)
    return found.flip(2) if ended.any() else found


@wrong("06.6", says="Look at the steps around an end")
def shifted_the_other_way(looks, ended):
    return _pairs(looks, torch.cat([ended[1:], torch.ones_like(ended[:1])]) if ended.any() else ended)


@wrong("06.6", says="Two frames for each step")
def stacked_in_front(looks, ended):
    return put_in_afterwards(looks, ended).movedim(2, 0) if ended.any() else put_in_afterwards(looks, ended)


@wrong("06.6", says="another line was changed")
def the_last_look_before_the_first(looks, ended):
    first = torch.cat([torch.zeros_like(ended[:1]), ended[:-1]])
    before = torch.where(first[..., None, None], looks, torch.roll(looks, 1, 0))
    return torch.stack([looks, before], dim=2)


# ------------------------------------------------------------------------------------------------------------- mutants

excused("06.4", DETACHED, because="advantages are constants: nothing trains through them")
excused("06.6", DETACHED, because="looks are observations: nothing trains through them")
excused("06.2", "34:194 → 34:193", because="of the rows 192 and 193 only the first is looked at")
excused("06.6", "torch.ones_like(ended[:1]) → torch.zeros_like(ended[:1])", because="`before` begins with the first look anyway")
