"""Right answers in other words, and plausible wrong ones with the message each must get."""


import torch

from course_lib.authoring.answers import DETACHED, excused, right, wrong

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


@wrong("02.2", says="of two losses it is the larger")
def minus_before_the_smaller(logprobs, old_logprobs, advantages, clip):
    gain, clipped = _gains(logprobs, old_logprobs, advantages, clip)
    return torch.min(-gain, -clipped).mean()


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


@wrong("02.4", says="a number of its own")
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


@wrong("02.5", says="those of the step before")
def old_logprobs_one_step_behind(logits, actions, advantages, steps, lr=0.5, clip=0.2):
    logits = logits.clone().requires_grad_(True)
    old = torch.log_softmax(logits, -1)[actions].detach()
    for _ in range(steps):
        logprobs = torch.log_softmax(logits, -1)[actions]
        ratio = (logprobs - old).exp()
        gain = torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)
        gradient, = torch.autograd.grad(-gain.mean(), logits)
        old, logits = logprobs.detach(), (logits - lr * gradient).detach().requires_grad_(True)
    return logits.detach()


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

# ------------------------------------------------------------------------------------------------------------- mutants

excused("02.1", DETACHED, because="advantages are constants: nothing trains through them")
excused("02.4", "ended.cumsum(0) - ended → ended - ended.cumsum(0)", because="numbers of episodes are only compared with each other")
excused("02.4", "ahead.clamp(min=0) → ahead", because="the entries below the diagonal are multiplied by 0, and the powers there are finite")
excused("02.4", DETACHED, because="advantages are constants: nothing trains through them")
excused("02.5", "logits.detach() → logits", because="only its values are used")
excused("02.5", "(logits - lr * gradient).detach() → logits - lr * gradient", because="autograd.grad needs no leaf; only slower")
excused("02.5", "dim=-1 → dim=0", "dim=-1 → dim=0 (2)", because="logits have one dimension")
excused("02.6", DETACHED, because="rewards are constants: nothing trains through them")
