"""Right answers in other words, and plausible wrong ones with the message each must get."""


import torch

from course_lib.authoring.answers import DETACHED, excused, right, wrong
from course_lib.rl.objectives import gae

# ---------------------------------------------------------------------------------------------------------------- 11.1


def _last(mask):
    width = mask.shape[1]
    place = (mask.long() * torch.arange(1, width + 1)).argmax(dim=1)
    return torch.nn.functional.one_hot(place, width).bool()


def _earn(rewards, logprobs, reference_logprobs, mask, beta, where):
    return (rewards[:, None] * where - beta * (logprobs - reference_logprobs)) * mask


@right("11.1")
def by_argmax(rewards, logprobs, reference_logprobs, mask, beta):
    return _earn(rewards, logprobs, reference_logprobs, mask, beta, _last(mask))


@right("11.1")
def row_by_row(rewards, logprobs, reference_logprobs, mask, beta):
    earned = torch.zeros_like(logprobs)
    for b in range(len(rewards)):
        places = mask[b].nonzero().flatten()
        earned[b, places] = -beta * (logprobs[b, places] - reference_logprobs[b, places])
        earned[b, places[-1]] += rewards[b]
    return earned


@wrong("11.1", says="Every choice got the whole reward")
def pays_everywhere(rewards, logprobs, reference_logprobs, mask, beta):
    return _earn(rewards, logprobs, reference_logprobs, mask, beta, mask)


@wrong("11.1", says="The reward stands in the last *column*")
def pays_the_last_column(rewards, logprobs, reference_logprobs, mask, beta):
    earned = -beta * (logprobs - reference_logprobs) * mask
    earned[:, -1] += rewards
    return earned


@wrong("11.1", says="Turn the sign")
def rewards_distance(rewards, logprobs, reference_logprobs, mask, beta):
    return _earn(rewards, logprobs, reference_logprobs, mask, -beta, _last(mask))


@wrong("11.1", says="Prompt and padding have a penalty too")
def forgets_the_mask(rewards, logprobs, reference_logprobs, mask, beta):
    return rewards[:, None] * _last(mask) - beta * (logprobs - reference_logprobs)


@wrong("11.1", says="The last choice has no KL penalty of its own")
def replaces_the_last(rewards, logprobs, reference_logprobs, mask, beta):
    return torch.where(_last(mask), rewards[:, None], -beta * (logprobs - reference_logprobs) * mask)


@wrong("11.1", says="give each token its own")
def charges_at_the_end(rewards, logprobs, reference_logprobs, mask, beta):
    distance = ((logprobs - reference_logprobs) * mask).sum(1)
    return (rewards - beta * distance)[:, None] * _last(mask)


@wrong("11.1", says="without beta")
def forgets_beta(rewards, logprobs, reference_logprobs, mask, beta):
    return _earn(rewards, logprobs, reference_logprobs, mask, float(beta > 0), _last(mask))


# ---------------------------------------------------------------------------------------------------------------- 11.2


@right("11.2")
def through_ratios(logprobs, reference_logprobs):
    ratio = (reference_logprobs - logprobs).exp()
    return -ratio.log(), ratio.log().square() * 0.5, ratio - 1 - ratio.log()


@right("11.2")
def with_expm1(logprobs, reference_logprobs):
    other = reference_logprobs - logprobs
    return [-other, other * other / 2, torch.expm1(other) - other]


@wrong("11.2", says="This is log(reference / policy)")
def turned_round(logprobs, reference_logprobs):
    return with_expm1(reference_logprobs, logprobs)


@wrong("11.2", says="0/0 is not a number")
def quotient_of_probabilities(logprobs, reference_logprobs):
    ratio = reference_logprobs.exp() / logprobs.exp()
    d = logprobs - reference_logprobs
    return d, d**2 / 2, d + ratio - 1


@wrong("11.2", says="*half* the square")
def whole_square(logprobs, reference_logprobs):
    d = logprobs - reference_logprobs
    return d, d**2, torch.exp(-d) - 1 + d


@wrong("11.2", says="the ratio is upside down")
def ratio_upside_down(logprobs, reference_logprobs):
    d = logprobs - reference_logprobs
    return d, d**2 / 2, torch.exp(d) - 1 - d


@wrong("11.2", says="*minus 1*")
def without_the_one(logprobs, reference_logprobs):
    d = logprobs - reference_logprobs
    return d, d**2 / 2, torch.exp(-d) + d


@wrong("11.2", says="not summed or averaged")
def averaged(logprobs, reference_logprobs):
    return tuple(k.mean(-1, keepdim=True).squeeze(-1) if k.ndim > 1 else k for k in with_expm1(logprobs, reference_logprobs))


@wrong("11.2", says="Return k1, k2, k3")
def only_one(logprobs, reference_logprobs):
    return logprobs - reference_logprobs


@wrong("11.2", says="not exp(d)")
def correction_upside_down(logprobs, reference_logprobs):
    d = logprobs - reference_logprobs
    return d, d**2 / 2, d + torch.exp(d) - 1


# ---------------------------------------------------------------------------------------------------------------- 11.3


def _walk(rewards, values, mask, gamma, lam, cut_value=True, cut_trace=True, masked=True):
    width = rewards.shape[1]
    padded = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
    out, next_advantage = torch.zeros_like(values), torch.zeros_like(values[:, 0])
    for t in reversed(range(width)):
        next_value = values[:, t + 1] if t + 1 < width else torch.zeros_like(values[:, 0])
        delta = rewards[:, t] + gamma * next_value * (padded[:, t] if cut_value else 1) - values[:, t]
        out[:, t] = delta + gamma * lam * next_advantage * (padded[:, t] if cut_trace else 1)
        next_advantage = out[:, t]
    return out * mask if masked else out


@right("11.3")
def by_lesson_02(rewards, values, mask, gamma, lam):
    next_mask = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
    ends = mask & ~next_mask
    last = torch.zeros(len(values))
    return gae((rewards * mask).T, (values * mask).T, ends.T, last, gamma, lam).T * mask


@right("11.3")
def text_by_text(rewards, values, mask, gamma, lam):
    out = torch.zeros_like(values)
    for b in range(len(values)):
        r, v = rewards[b][mask[b]], values[b][mask[b]]
        deltas = r + gamma * torch.cat([v[1:], v.new_zeros(1)]) - v
        total = [sum((gamma * lam) ** k * deltas[t + k] for k in range(len(v) - t)) for t in range(len(v))]
        out[b, mask[b]] = torch.stack(total)
    return out


@wrong("11.3", says="Nothing follows the end")
def asks_the_padding(rewards, values, mask, gamma, lam):
    return _walk(rewards, values, mask, gamma, lam, cut_value=False)


@wrong("11.3", says="cut the trace at the end")
def leaky_trace(rewards, values, mask, gamma, lam):
    return _walk(rewards, values, mask, gamma, lam, cut_trace=False)


@wrong("11.3", says="They are no choices: multiply by the mask")
def advantages_for_padding(rewards, values, mask, gamma, lam):
    return _walk(rewards, values, mask, gamma, lam, masked=False)


@wrong("11.3", says="the value network's targets")
def targets(rewards, values, mask, gamma, lam):
    return (_walk(rewards, values, mask, gamma, lam) + values) * mask


@wrong("11.3", says="You walked down the columns")
def down_the_columns(rewards, values, mask, gamma, lam):
    return _walk(rewards.T, values.T, mask.T, gamma, lam).T


@wrong("11.3", says="yours uses 1")
def lambda_one(rewards, values, mask, gamma, lam):
    return _walk(rewards, values, mask, gamma, 1.0 if lam > 0.9 else lam)


# ---------------------------------------------------------------------------------------------------------------- 11.4


def _gain(logprobs, old_logprobs, advantages, clip):
    ratio = (logprobs - old_logprobs).exp()
    return torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


@right("11.4")
def with_where(logprobs, old_logprobs, advantages, clip, mask):
    gain = _gain(logprobs, old_logprobs, advantages, clip)
    return -torch.where(mask, gain, torch.zeros_like(gain)).sum() / mask.sum()


@right("11.4")
def choices_first(logprobs, old_logprobs, advantages, clip, mask):
    return -_gain(logprobs[mask], old_logprobs[mask], advantages[mask], clip).mean()


@wrong("11.4", says="The mask did nothing")
def no_mask(logprobs, old_logprobs, advantages, clip, mask):
    return -_gain(logprobs, old_logprobs, advantages, clip).mean()


@wrong("11.4", says="divided by *all* columns")
def mean_over_all(logprobs, old_logprobs, advantages, clip, mask):
    return -(_gain(logprobs, old_logprobs, advantages, clip) * mask).mean()


@wrong("11.4", says="a token of a short text then weighs more")
def mean_of_rows(logprobs, old_logprobs, advantages, clip, mask):
    gain = _gain(logprobs, old_logprobs, advantages, clip) * mask
    return -(gain.sum(1) / mask.sum(1)).mean()


@wrong("11.4", says="a minus is missing")
def a_gain(logprobs, old_logprobs, advantages, clip, mask):
    return choices_first(logprobs, old_logprobs, advantages, clip, mask).neg()


@wrong("11.4", says="The clipped gain was taken always")
def always_clipped(logprobs, old_logprobs, advantages, clip, mask):
    ratio = (logprobs - old_logprobs).exp().clamp(1 - clip, 1 + clip)
    return -(ratio * advantages)[mask].mean()


@wrong("11.4", says="lost its way back")
def detached(logprobs, old_logprobs, advantages, clip, mask):
    return choices_first(logprobs.detach(), old_logprobs, advantages, clip, mask)


# ---------------------------------------------------------------------------------------------------------------- 11.5


@right("11.5")
def by_sums(advantages, mask):
    count = mask.sum()
    mean = (advantages * mask).sum() / count
    variance = (((advantages - mean) * mask) ** 2).sum() / count
    return (advantages - mean) * mask / variance.sqrt()


@right("11.5")
def n_minus_one(advantages, mask):
    chosen = advantages[mask]
    white = torch.zeros_like(advantages)
    white[mask] = (chosen - chosen.mean()) / chosen.std()
    return white


@wrong("11.5", says="choices look good because there is padding")
def as_given(advantages, mask):
    return (advantages - advantages.mean()) / (advantages.std(correction=0) + 1e-8) * mask


@wrong("11.5", says="the mean is not yet")
def only_the_std(advantages, mask):
    return (advantages - advantages.mean()) / advantages[mask].std(correction=0) * mask


@wrong("11.5", says="padding is in the standard deviation")
def only_the_mean(advantages, mask):
    return (advantages - advantages[mask].mean()) / advantages.std(correction=0) * mask


@wrong("11.5", says="multiply by the mask in the end")
def forgets_the_padding(advantages, mask):
    return (advantages - advantages[mask].mean()) / advantages[mask].std(correction=0)


@wrong("11.5", says="divide by the standard deviation")
def only_centred(advantages, mask):
    return (advantages - advantages[mask].mean()) * mask


@wrong("11.5", says="Each text was whitened by itself")
def each_text_by_itself(advantages, mask):
    count = mask.sum(dim=1, keepdim=True)
    centred = (advantages - (advantages * mask).sum(dim=1, keepdim=True) / count) * mask
    return centred / ((centred**2).sum(dim=1, keepdim=True) / count).sqrt().clamp(min=1e-8)


# ---------------------------------------------------------------------------------------------------------------- 11.6


def _chosen(logits, tokens):
    return logits.log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)


@right("11.6")
def by_probabilities(logits, old_logits, tokens, temperature):
    new, old = ((some / temperature).softmax(-1).gather(-1, tokens[..., None])[..., 0] for some in (logits, old_logits))
    return new / old


@right("11.6")
def by_distributions(logits, old_logits, tokens, temperature):
    new, old = (torch.distributions.Categorical(logits=some / temperature) for some in (logits, old_logits))
    return (new.log_prob(tokens) - old.log_prob(tokens)).exp()


@wrong("11.6", says="read at two temperatures")
def as_it_was_given(logits, old_logits, tokens, temperature):
    return (_chosen(logits, tokens) - _chosen(old_logits / temperature, tokens)).exp()


@wrong("11.6", says="the same fault, mirrored")
def mirrored(logits, old_logits, tokens, temperature):
    return (_chosen(logits / temperature, tokens) - _chosen(old_logits, tokens)).exp()


@wrong("11.6", says="not the policy that drew the tokens")
def both_at_one(logits, old_logits, tokens, temperature):
    return (_chosen(logits, tokens) - _chosen(old_logits, tokens)).exp()


@wrong("11.6", says="*divided* by the temperature")
def multiplied(logits, old_logits, tokens, temperature):
    return (_chosen(logits * temperature, tokens) - _chosen(old_logits * temperature, tokens)).exp()


@wrong("11.6", says="old over new")
def upside_down(logits, old_logits, tokens, temperature):
    return 1 / by_probabilities(logits, old_logits, tokens, temperature)


@wrong("11.6", says="after the softmax")
def tempered_log_probabilities(logits, old_logits, tokens, temperature):
    return ((_chosen(logits, tokens) - _chosen(old_logits, tokens)) / temperature).exp()


# ---------------------------------------------------------------------------------------------------------------- 11.7

SMALL, LARGE, TWO, PADDING = ("beta too small", "beta too large", "log-probabilities of two policies",
                              "padding is counted")


@right("11.7")
def in_order():
    return {"A": SMALL, "B": LARGE, "C": TWO, "D": PADDING}


@right("11.7")
def from_pairs():
    return dict([("D", PADDING), ("C", TWO), ("B", LARGE), ("A", SMALL)])


@wrong("11.7", says="What should have bounded the KL?")
def large_and_small_swapped():
    return {"A": LARGE, "B": SMALL, "C": TWO, "D": PADDING}


@wrong("11.7", says="every change is penalized")
def b_is_two_policies():
    return {"A": SMALL, "B": TWO, "C": TWO, "D": PADDING}


@wrong("11.7", says="not about the same thing")
def c_is_beta():
    return {"A": SMALL, "B": LARGE, "C": SMALL, "D": PADDING}


@wrong("11.7", says="who looks at it?")
def d_is_two_policies():
    return {"A": SMALL, "B": LARGE, "C": TWO, "D": TWO}


@wrong("11.7", says="letter by letter")
def other_words():
    return {"A": "too small", "B": "too large", "C": "two", "D": "padding"}


@wrong("11.7", says="is missing")
def left_out():
    return {"B": LARGE}

# ------------------------------------------------------------------------------------------------------------- mutants

excused("11.1", DETACHED, because="rewards are constants: nothing trains through them")
excused("11.2", DETACHED, because="they are measured here; the penalty of this lesson is part of the reward")
excused("11.3", DETACHED, because="advantages are constants: nothing trains through them")
excused("11.5", DETACHED, because="advantages are constants: nothing trains through them")
excused("11.1", "mask & ~next_mask → ~next_mask", because="what is no choice is multiplied by 0 in the end")
excused("11.3", "rewards * mask → rewards", because="what is no choice has the reward 0 already (11.1)")
excused("11.3", "torch.zeros_like(values) → torch.ones_like(values)", because="every entry is overwritten")
excused("11.5", "advantages[mask].std(correction=0) → advantages[mask].std()", "correction=0 → correction=1",
        because="dividing by n and by n - 1 are both right")
