"""Right answers in other words, and plausible wrong ones with the message each must get."""

import numpy as np
import torch

from course_lib.authoring.answers import DETACHED, excused, right, wrong

# ---------------------------------------------------------------------------------------------------------------- 07.1


@right("07.1")
def with_unfold(rewards, length):
    return rewards.unfold(0, length, 1).sum(-1)


@right("07.1")
def one_by_one(rewards, length):
    return torch.stack([rewards[t:t + length].sum(0) for t in range(len(rewards) - length + 1)])


@wrong("07.1", says="This is the mean")
def means(rewards, length):
    return rewards.unfold(0, length, 1).mean(-1)


@wrong("07.1", says="must begin with a 0")
def without_the_zero(rewards, length):
    total = rewards.cumsum(0)
    return torch.cat([total[length - 1:length] - total[:1], total[length:] - total[:-length]])


@wrong("07.1", says="three windows of two")
def apart_from_each_other(rewards, length):
    return torch.stack([piece.sum(0) for piece in rewards.split(length)])


@wrong("07.1", says="leave the games apart")
def all_games_in_one(rewards, length):
    return rewards.unfold(0, length, 1).sum(-1).mean(1, keepdim=True).expand(-1, rewards.shape[1])


@wrong("07.1", says="first rewards of the windows only")
def beginnings(rewards, length):
    return rewards[:len(rewards) - length + 1]


# ---------------------------------------------------------------------------------------------------------------- 07.2


def _flags(across):
    across = np.asarray(across)
    return (across >= 0) & (across < 12), across >= 148


def _begins(flags):
    return sum(flag and not (k and flags[k - 1]) for k, flag in enumerate(flags))


@right("07.2")
def frame_by_frame(across1, across2):
    def balance(across):
        score, before = 0, 0
        for x in across.tolist():
            now = 1 if 0 <= x < 12 else -1 if x >= 148 else 0
            score += now if now != before else 0
            before = now
        return score
    a, b = balance(across1), balance(across2)
    return (1 + np.sign(a - b)) / 2


@right("07.2")
def with_numpy(across1, across2):
    balances = []
    for across in (across1, across2):
        won, lost = _flags(across)
        balances.append(int((np.diff(np.r_[0, won.astype(int)]) == 1).sum() - (np.diff(np.r_[0, lost.astype(int)]) == 1).sum()))
    return torch.tensor(0.5 if balances[0] == balances[1] else float(balances[0] > balances[1]))


def _compare(across1, across2, count=_begins, mark=lambda won, lost: won - lost, tie=0.5):
    a, b = (mark(*(count(flags) for flags in _flags(across))) for across in (across1, across2))
    return tie if a == b else float(a > b)


@wrong("07.2", says="an unseen ball, count as")
def unseen_is_behind_them(across1, across2):
    balances = [int((across < 12).any()) - int((across >= 148).any()) for across in (across1, across2)]
    return 0.5 + 0.5 * ((balances[0] > balances[1]) - (balances[0] < balances[1]))


@wrong("07.2", says="You counted frames")
def counts_frames(across1, across2):
    return _compare(across1, across2, count=lambda flags: int(flags.sum()))


@wrong("07.2", says="ties go to one side")
def no_ties(across1, across2):
    return _compare(across1, across2, tie=0.0)


@wrong("07.2", says="The wrong way round")
def plays_on_the_left(across1, across2):
    return _compare(across1, across2, mark=lambda won, lost: lost - won)


@wrong("07.2", says="points won only")
def only_what_was_won(across1, across2):
    return _compare(across1, across2, mark=lambda won, lost: won - min(lost, 1))


@wrong("07.2", says="no ball is seen")
def unseen_is_left(across1, across2):
    def balance(across):
        return _begins(np.asarray(across) < 12) - _begins(np.asarray(across) >= 148)
    if min(int(across1.min()), int(across2.min())) < 0 and int(across1[0]) >= 0 and int(across2[0]) >= 0:
        return _compare(across1, across2)
    a, b = balance(across1), balance(across2)
    return 0.5 if a == b else float(a > b)


@wrong("07.2", says="without any point is better")
def only_points_won(across1, across2):
    return _compare(across1, across2, mark=lambda won, lost: won)


@wrong("07.2", says="A number is wanted")
def in_words(across1, across2):
    return {1.0: "left", 0.0: "right", 0.5: "equal"}[_compare(across1, across2)]


# ---------------------------------------------------------------------------------------------------------------- 07.3


@right("07.3")
def with_sums_of_squares_about_the_mean(count, mean, variance, rewards):
    values = np.asarray(rewards, dtype=np.float64).ravel()
    m2_new = ((values - values.mean()) ** 2).sum()
    if not count:
        return len(values), values.mean(), m2_new / len(values)
    total = count + len(values)
    delta = values.mean() - mean
    m2 = variance * count + m2_new + delta ** 2 * count * len(values) / total
    return total, mean + delta * len(values) / total, m2 / total


@right("07.3")
def number_by_number(count, mean, variance, rewards):
    m2 = variance * count if count else 0.0
    mean = mean if count else 0.0
    for value in rewards.double().flatten().tolist():           # Welford
        count += 1
        delta = value - mean
        mean += delta / count
        m2 += delta * (value - mean)
    return [count, mean, m2 / count]


def _merge(count, mean, variance, rewards, cross=True, unbiased=False, equal=False):
    rewards = rewards.double()
    n, own, own_variance = rewards.numel(), float(rewards.mean()), float(rewards.var(unbiased=unbiased))
    if count == 0:
        return n, own, own_variance
    share = 0.5 if equal else n / (count + n)
    between = share * (1 - share) * (own - mean) ** 2 if cross else 0.0
    return count + n, (1 - share) * mean + share * own, (1 - share) * variance + share * own_variance + between


@wrong("07.3", says="two *means* differ")
def averages_the_variances(*args):
    return _merge(*args, cross=False)


@wrong("07.3", says="divides by n - 1")
def with_n_minus_one(*args):
    return _merge(*args, unbiased=True)


@wrong("07.3", says="middle of the two means")
def counts_each_rollout_once(*args):
    return _merge(*args, equal=True)


@wrong("07.3", says="lost in rounding")
def mean_of_squares(count, mean, variance, rewards):
    values = rewards.double()
    n = values.numel()
    squares = (count * (variance + mean ** 2) if count else 0.0) + float((values ** 2).sum())
    sums = (count * mean if count else 0.0) + float(values.sum())
    total = count + n
    return total, sums / total, squares / total - (sums / total) ** 2


@wrong("07.3", says="whatever stands in mean and variance")
def nothing_times_nan(count, mean, variance, rewards):
    n = rewards.numel()
    share = n / (count + n)
    own = float(rewards.double().mean())
    new_variance = (1 - share) * variance + share * float(rewards.double().var(unbiased=False)) + share * (1 - share) * (own - mean) ** 2
    return count + n, (1 - share) * mean + share * own, new_variance


@wrong("07.3", says="numbers seen before count too")
def only_the_newest(count, mean, variance, rewards):
    n, own, own_variance = _merge(0, 0, 0, rewards)
    return count + n, own, own_variance


# ---------------------------------------------------------------------------------------------------------------- 07.4


@right("07.4")
def look_by_look(seen, patience=3):
    T = len(seen) - 1
    gone = torch.zeros(T, seen.shape[1], dtype=torch.bool)
    for t in range(T):
        gone[t] = seen[t] & ~seen[t + 1:t + 1 + patience].any(0)
    return gone


@right("07.4")
def with_numpy_windows(seen, patience=3):
    padded = np.pad(seen.numpy(), ((0, patience - 1), (0, 0)))
    after = np.lib.stride_tricks.sliding_window_view(padded[1:], patience, axis=0).any(-1)
    return torch.from_numpy(seen.numpy()[:-1] & ~after)


@wrong("07.4", says="it flickered")
def one_look_is_enough(seen, patience=3):
    return seen[:-1] & ~seen[1:]


@wrong("07.4", says="fewer than `patience`")
def two_looks(seen, patience=3):
    return look_by_look(seen, max(1, patience - 1))


@wrong("07.4", says="One step late")
def a_step_late(seen, patience=3):
    gone = look_by_look(seen, patience)
    return torch.cat([torch.zeros_like(gone[:1]), gone[:-1]])


@wrong("07.4", says="Every step without a ball")
def while_it_is_away(seen, patience=3):
    gone = look_by_look(seen, patience)
    away = gone.clone()
    for t in range(1, len(gone)):
        away[t] |= away[t - 1] & ~seen[t]
    return away


@wrong("07.4", says="cannot be followed")
def waits_to_be_sure(seen, patience=3):
    gone = look_by_look(seen, patience)
    gone[len(gone) - patience + 1:] = False
    return gone


@wrong("07.4", says="at which one can be sure")
def when_one_knows(seen, patience=3):
    gone = look_by_look(seen, patience)
    if patience == 1 or len(gone) < 6:
        return gone
    return torch.cat([torch.zeros_like(gone[:patience]), gone[:-patience]])


@wrong("07.4", says="One answer for each step")
def with_the_last_look(seen, patience=3):
    return torch.cat([look_by_look(seen, patience), ~seen[-1:]])


# ---------------------------------------------------------------------------------------------------------------- 07.5

WORTH = {"left": 1.0, "right": 0.0, "equal": 0.5}


@right("07.5")
def both_filtered(choices, flips):
    kept = [k for k, choice in enumerate(choices) if choice != "skip"]
    return [abs(flips[k] - WORTH[choices[k]]) for k in kept]


@right("07.5")
def sides_first(choices, flips):
    first = []
    for choice, flip in zip(choices, flips, strict=True):
        if choice == "equal":
            first.append(0.5)
        elif choice in ("left", "right"):
            first.append(float((choice == "left") != flip))
    return first


@wrong("07.5", says="flip of the pair that was skipped")
def as_given(choices, flips):
    judged = [choice for choice in choices if choice != "skip"]
    return [1 - WORTH[choice] if flip else WORTH[choice] for choice, flip in zip(judged, flips)]


@wrong("07.5", says="Sides were taken for clips")
def never_turned_back(choices, flips):
    return [WORTH[choice] for choice in choices if choice != "skip"]


@wrong("07.5", says="which nobody said")
def a_skip_is_a_tie(choices, flips):
    worth = {**WORTH, "skip": 0.5}
    return [1 - worth[choice] if flip else worth[choice] for choice, flip in zip(choices, flips)]


@wrong("07.5", says="The wrong way round")
def turns_the_others(choices, flips):
    return [WORTH[choice] if flip else 1 - WORTH[choice] for choice, flip in zip(choices, flips) if choice != "skip"]


@wrong("07.5", says="\"right\" must be too")
def only_left_is_turned(choices, flips):
    return [0.0 if flip and choice == "left" else WORTH[choice] for choice, flip in zip(choices, flips) if choice != "skip"]


# ---------------------------------------------------------------------------------------------------------------- 07.6


def _choose(returns, count, std=None, reuse=False, smallest=False):
    M = returns.shape[1]
    if std is None:
        std = torch.sigmoid(returns[:, :, None] - returns[:, None, :]).std(0)
    order = sorted(((i, j) for i in range(M) for j in range(i + 1, M)), key=lambda pair: float(std[pair]), reverse=not smallest)
    used, pairs = set(), []
    for i, j in order:
        if reuse or not used & {i, j}:
            pairs.append((i, j))
            used |= {i, j}
    return pairs[:count]


@right("07.6")
def in_python(returns, count):
    return _choose(returns, count)


@right("07.6")
def taking_the_maximum_again_and_again(returns, count):
    variance = torch.sigmoid(returns.unsqueeze(2) - returns.unsqueeze(1)).var(0).triu(1)
    pairs = []
    for _ in range(min(count, returns.shape[1] // 2)):
        k = int(variance.argmax())
        i, j = divmod(k, returns.shape[1])
        pairs.append((i, j))
        for clip in (i, j):
            variance[clip], variance[:, clip] = -1, -1
    return pairs


@wrong("07.6", says="A clip stands in both pairs")
def the_top_of_the_list(returns, count):
    return _choose(returns, count, reuse=True)


@wrong("07.6", says="sigmoid(difference)")
def by_the_differences(returns, count):
    return _choose(returns, count, (returns[:, :, None] - returns[:, None, :]).std(0))


@wrong("07.6", says="the least disagreement")
def most_agreed(returns, count):
    return _choose(returns, count, smallest=True)


@wrong("07.6", says="compared with itself")
def itself_too(returns, count):
    std = torch.sigmoid(returns[:, :, None] - returns[:, None, :]).std(0)
    return [divmod(int(k), returns.shape[1]) for k in std.flatten().argsort()[:count]]


@wrong("07.6", says="Give as many as there are")
def nothing_when_too_few(returns, count):
    pairs = _choose(returns, count)
    return pairs if len(pairs) == count else []


@wrong("07.6", says="from the largest disagreement on")
def most_uncertain_after_the_first(returns, count):
    pairs = _choose(returns, 1)
    if count == 2:
        return [*pairs[::-1], *_choose(returns, 2)[1:]][::-1]
    return _choose(returns, count)


# ---------------------------------------------------------------------------------------------------------------- 07.7

WORLDS = ("+1 added to every step, not standardized", "-1 added to every step, not standardized",
          "+1 added to every step, then standardized", "every reward times 1000, then standardized")


def _say(*words):
    return dict(zip(WORLDS, words, strict=False))


@right("07.7")
def in_order():
    return _say("longer rallies", "shorter rallies", "no difference", "no difference")


@right("07.7")
def backwards():
    return dict(reversed(list(in_order().items())))


@wrong("07.7", says="gives the largest return")
def punishment_makes_careful():
    return _say("longer rallies", "longer rallies", "no difference", "no difference")


@wrong("07.7", says="adds 1 to the return")
def a_constant_changes_nothing():
    return _say("no difference", "no difference", "no difference", "no difference")


@wrong("07.7", says="is removed before PPO")
def the_scale_stays():
    return _say("longer rallies", "shorter rallies", "no difference", "longer rallies")


@wrong("07.7", says="is removed before PPO")
def the_zero_stays():
    return _say("longer rallies", "shorter rallies", "longer rallies", "no difference")


@wrong("07.7", says="one of the three")
def in_other_words():
    return _say("longer", "shorter", "same", "same")


@wrong("07.7", says="is missing")
def one_forgotten():
    return _say("longer rallies", "shorter rallies", "no difference")


# ------------------------------------------------------------------------------------------------------------- mutants

excused("07.1", DETACHED, because="returns of clips are measured here: nothing trains through them")
excused("07.2", "first > second → first >= second", because="equal balances were handled before")
excused("07.4", "patience - 1 → patience + 1", "patience - 1 → patience", "patience - 1 → patience - 0",
        because="more rows of False behind the rollout change nothing")
excused("07.6", "torch.sigmoid(returns[:, :, None] - returns[:, None, :]).std(dim=0) → "
        "torch.sigmoid(returns[:, :, None] - returns[:, None, :]).var(dim=0)", because="the order is the same")
excused("07.6", "returns[:, :, None] - returns[:, None, :] → returns[:, None, :] - returns[:, :, None]",
        because="a standard deviation does not change when all probabilities p become 1 - p")
