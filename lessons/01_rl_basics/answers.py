"""Right answers in other words, and plausible wrong ones with the message each must get."""

import numpy as np
import torch

from course_lib.authoring.answers import DETACHED, excused, right, wrong

# ---------------------------------------------------------------------------------------------------------------- 01.1


@right("01.1")
def three_times_the_angle(obs):
    return int(3 * obs[2] + obs[3] > 0)


@right("01.1")
def all_four_with_numpy(obs):
    return int(np.dot([0.1, 0.2, 3.0, 1.0], obs) > 0)


@right("01.1")
def a_truth_value(obs):
    return obs[2] + 0.2 * obs[3] > 0


@wrong("01.1", says="as one does with a broom")
def away_from_the_lean(obs):
    return 0 if obs[2] + 0.3 * obs[3] > 0 else 1


@wrong("01.1", says="Let the angular velocity count too")
def angle_alone(obs):
    return 1 if obs[2] > 0 else 0


@wrong("01.1", says="Add the two")
def angular_velocity_alone(obs):
    return 1 if obs[3] > 0 else 0


@wrong("01.1", says="their names are 0 and 1")
def minus_one_for_left(obs):
    return 1 if obs[2] + 0.3 * obs[3] > 0 else -1


@wrong("01.1", says="as one does with a broom")
def always_left(obs):
    return 0


# ---------------------------------------------------------------------------------------------------------------- 01.2


@right("01.2")
def by_the_definition(rewards, gamma):
    steps = len(rewards)
    return torch.stack([sum(gamma ** (k - t) * rewards[k] for k in range(t, steps)) for t in range(steps)])


@right("01.2")
def with_a_list(rewards, gamma):
    next_return, found = 0.0, []
    for reward in reversed(rewards.tolist()):
        next_return = reward + gamma * next_return
        found.append(next_return)
    return torch.tensor(found[::-1])


@right("01.2")
def with_a_matrix_in_numpy(rewards, gamma):
    r = np.asarray(rewards, dtype=np.float64)
    ahead = np.arange(len(r))[None, :] - np.arange(len(r))[:, None]
    return np.where(ahead >= 0, float(gamma) ** np.maximum(ahead, 0), 0.0) @ r


def _backwards(rewards, gamma):
    returns, next_return = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        returns[t] = rewards[t] + gamma * next_return
        next_return = returns[t]
    return returns


@wrong("01.2", says="in reverse order: you walked back")
def not_turned_round(rewards, gamma):
    return _backwards(rewards, gamma).flip(0)


@wrong("01.2", says="Only the next reward counts")
def two_rewards_only(rewards, gamma):
    return rewards + gamma * torch.cat([rewards[1:], rewards.new_zeros(1)])


@wrong("01.2", says="so far")
def counted_from_the_front(rewards, gamma):
    returns, so_far = torch.zeros_like(rewards), 0.0
    for t in range(len(rewards)):
        so_far = rewards[t] + gamma * so_far
        returns[t] = so_far
    return returns


@wrong("01.2", says="seen from its own step")
def discounted_to_the_start(rewards, gamma):
    discounted = rewards * gamma ** torch.arange(len(rewards))
    return discounted.flip(0).cumsum(0).flip(0)


@wrong("01.2", says="gamma changed nothing")
def without_gamma(rewards, gamma):
    return rewards.flip(0).cumsum(0).flip(0)


@wrong("01.2", says="not what came before")
def one_return_for_all(rewards, gamma):
    return torch.full_like(rewards, _backwards(rewards, gamma)[0].item())


@wrong("01.2", says="is not discounted")
def discounts_too_early(rewards, gamma):
    return gamma * _backwards(rewards, gamma)


@wrong("01.2", says="A return for every step")
def only_the_first(rewards, gamma):
    return _backwards(rewards, gamma)[0]


@wrong("01.2", says="belongs to its return")
def forgets_its_own_reward(rewards, gamma):
    return _backwards(rewards, gamma) - rewards


@wrong("01.2", says="Walk back from the end")
def by_dividing_powers(rewards, gamma):
    if gamma == 0:
        return rewards.clone()
    powers = torch.tensor(float(gamma)) ** torch.arange(len(rewards))
    return (rewards * powers).flip(0).cumsum(0).flip(0) / powers


# ---------------------------------------------------------------------------------------------------------------- 01.3


@right("01.3")
def sum_over_count(logprobs, returns):
    return -(returns.detach() * logprobs).sum() / logprobs.numel()


@right("01.3")
def as_a_dot_product(logprobs, returns):
    return -torch.dot(logprobs.flatten().double(), returns.detach().flatten().double()) / len(logprobs.flatten())


@wrong("01.3", says="makes actions with high returns rarer")
def sign_turned(logprobs, returns):
    return (logprobs * returns.detach()).mean()


@wrong("01.3", says="This is the sum")
def summed(logprobs, returns):
    return -(logprobs * returns.detach()).sum()


@wrong("01.3", says="its *own* return")
def averaged_apart(logprobs, returns):
    return -logprobs.mean() * returns.detach().mean()


@wrong("01.3", says="These are probabilities")
def probabilities_for_logs(logprobs, returns):
    return -(logprobs.exp() * returns.detach()).mean()


@wrong("01.3", says="You changed the returns first")
def with_a_baseline(logprobs, returns):
    return -(logprobs * (returns - returns.mean())).mean()


@wrong("01.3", says="You changed the returns first")
def with_normalized_returns(logprobs, returns):
    return -(logprobs * (returns - returns.mean()) / (returns.std() + 1e-8)).mean()


@wrong("01.3", says="No gradient flows back")
def all_detached(logprobs, returns):
    return -(logprobs * returns).detach().mean()


@right("01.3")
def with_detached_returns(logprobs, returns):
    return -(logprobs * returns.detach()).mean()


@wrong("01.3", says="mean over all steps")
def summed_over_time(logprobs, returns):
    by_step = logprobs * returns
    return -by_step.sum(0).mean() if by_step.ndim > 1 else -by_step.mean()


@wrong("01.3", says="the mean over all steps")
def divided_by_the_episodes(logprobs, returns):
    by_step = logprobs * returns.detach()
    return -by_step.sum(0).mean() if by_step.ndim > 1 else -by_step.mean()


# ---------------------------------------------------------------------------------------------------------------- 01.4


@right("01.4")
def worked_out():
    plans = {"A": lambda g: 12, "B": lambda g: 70 * g**20, "C": lambda g: (1 - g**100) / (1 - g)}
    return {g: max(plans, key=lambda name: plans[name](g)) for g in (0.5, 0.9, 0.95, 0.99)}


@right("01.4")
def in_small_letters():
    return {0.5: "a", 0.9: "a", 0.95: "b", 0.99: "c"}


@wrong("01.4", says="a point counts a thousandth")
def always_the_largest_sum():
    return dict.fromkeys((0.5, 0.9, 0.95, 0.99), "C")


@wrong("01.4", says="Both stay below 12")
def patient_too_early():
    return {0.5: "A", 0.9: "C", 0.95: "B", 0.99: "C"}


@wrong("01.4", says="how much do 70 points count")
def impatient_for_too_long():
    return {0.5: "A", 0.9: "A", 0.95: "A", 0.99: "C"}


@wrong("01.4", says="Now later rewards count")
def the_big_prize_for_ever():
    return {0.5: "A", 0.9: "A", 0.95: "B", 0.99: "B"}


@wrong("01.4", says="by its letter")
def in_words():
    return {0.5: "at once", 0.9: "at once", 0.95: "later", 0.99: "steady"}


# ---------------------------------------------------------------------------------------------------------------- 01.5


@right("01.5")
def crash_and_swing():
    return {"only progress": "c", "every step": "b"}


@right("01.5")
def in_capitals():
    return {"every step": "B", "only progress": " C "}


@wrong("01.5", says="A gentle landing takes")
def it_does_what_was_meant():
    return {"every step": "a", "only progress": "a"}


@wrong("01.5", says="Is there a quick way out")
def the_other_way_round():
    return {"every step": "c", "only progress": "b"}


@wrong("01.5", says="Hanging in the air costs")
def hovers_on_every_step():
    return {"every step": "d", "only progress": "c"}


@wrong("01.5", says="Hanging quietly")
def hovers_for_progress():
    return {"every step": "b", "only progress": "d"}


@wrong("01.5", says="Landing is rewarded once")
def lands_for_progress():
    return {"every step": "b", "only progress": "a"}


@wrong("01.5", says="one of the four letters")
def in_a_sentence():
    return {"every step": "it dives", "only progress": "it swings"}


# ---------------------------------------------------------------------------------------------------------------- 01.6


@right("01.6")
def cut_into_episodes(rewards, gamma, dones):
    parts, start = [], 0
    for t in range(len(rewards)):
        if dones[t] or t == len(rewards) - 1:
            parts.append(_backwards(rewards[start:t + 1], gamma))
            start = t + 1
    return torch.cat(parts)


@right("01.6")
def with_a_factor(rewards, gamma, dones):
    returns, next_return = [], 0.0
    for reward, done in zip(reversed(rewards.tolist()), reversed(dones.tolist()), strict=True):
        next_return = reward + gamma * (1 - done) * next_return
        returns.insert(0, next_return)
    return np.array(returns)


@wrong("01.6", says="falling looks like the best action")
def forgets_one_step_late(rewards, gamma, dones):
    returns, next_return = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        returns[t] = rewards[t] + gamma * next_return
        next_return = 0.0 if dones[t] else returns[t]
    return returns


@wrong("01.6", says="run into each other")
def never_forgets(rewards, gamma, dones):
    return _backwards(rewards, gamma)


@wrong("01.6", says="last step is lost")
def loses_the_last_reward(rewards, gamma, dones):
    returns, next_return = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        returns[t] = (rewards[t] + gamma * next_return) * (1.0 - dones[t].float())
        next_return = returns[t]
    return returns


@wrong("01.6", says="from the front")
def forwards(rewards, gamma, dones):
    returns, so_far = torch.zeros_like(rewards), 0.0
    for t in range(len(rewards)):
        so_far = rewards[t] + gamma * so_far
        returns[t] = so_far
        if dones[t]:
            so_far = 0.0
    return returns


@wrong("01.6", says="border is one step off")
def looks_at_the_next_done(rewards, gamma, dones):
    returns, next_return = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        if t + 1 < len(rewards) and dones[t + 1]:
            next_return = 0.0
        returns[t] = rewards[t] + gamma * next_return
        next_return = returns[t]
    return returns


@wrong("01.6", says="gamma changed nothing")
def without_discount(rewards, gamma, dones):
    return with_a_factor(rewards, 1.0, dones)


# ------------------------------------------------------------------------------------------------------------- mutants

excused("01.1", "0.3 * angular_velocity → angular_velocity", "0.3 * angular_velocity → 0.6 * angular_velocity", "soon > 0 → soon >= 0",
        because="many mixtures balance the pole, and none is exactly 0")
excused("01.2", "torch.zeros_like(rewards) → torch.ones_like(rewards)", because="every entry is overwritten")
excused("01.2", DETACHED, because="returns are plain numbers: nothing trains through them")
excused("01.6", "torch.zeros(len(rewards)) → torch.ones(len(rewards))", because="every entry is overwritten")
excused("01.6", DETACHED, because="returns are facts: nothing trains through them")
