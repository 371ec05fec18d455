"""Right answers in other words, and plausible wrong ones with the message each must get."""

import numpy as np
import torch

from course_lib.authoring.answers import excused, right, wrong

# ---------------------------------------------------------------------------------------------------------------- 15.1


def _choice(helpful, harmless, weights, dim=-1):
    rows = [(float(w) * helpful + (1 - float(w)) * harmless).argmax(dim=dim) for w in weights]
    return torch.stack(rows)


@right("15.1")
def weight_by_weight(helpful, harmless, weights):
    return _choice(helpful / helpful.std(), harmless / harmless.std(), weights)


@right("15.1")
def by_einsum(helpful, harmless, weights):
    both = torch.stack([(one - one.mean()) / one.std() for one in (helpful, harmless)])              # (2, R, n)
    mix = torch.stack([weights, 1 - weights], dim=1).to(both.dtype)                                  # (W, 2)
    return torch.einsum("wk,krn->wrn", mix, both).argmax(dim=2)


@wrong("15.1", says="different scales")
def raw_scales(helpful, harmless, weights):
    return _choice(helpful, harmless, weights)


@wrong("15.1", says="The weight belongs to the helpful reward")
def weight_of_the_other(helpful, harmless, weights):
    return weight_by_weight(harmless, helpful, weights)


@wrong("15.1", says="This is the worst answer")
def smallest(helpful, harmless, weights):
    return weight_by_weight(-helpful, -harmless, weights)


@wrong("15.1", says="not one for each request")
def scaled_by_request(helpful, harmless, weights):
    return _choice(helpful / helpful.std(dim=1, keepdim=True), harmless / harmless.std(dim=1, keepdim=True), weights)


@wrong("15.1", says="a row for each weight")
def turned(helpful, harmless, weights):
    return weight_by_weight(helpful, harmless, weights).T


@wrong("15.1", says="multiplied by 1 - weight")
def weights_that_do_not_add_up(helpful, harmless, weights):
    w = weights[:, None, None]
    return (w * helpful / helpful.std() + harmless / harmless.std()).argmax(dim=-1)


@wrong("15.1", says="divides by the variance")
def by_the_variance(helpful, harmless, weights):
    return _choice(helpful / helpful.var(), harmless / harmless.var(), weights)


@wrong("15.1", says="the first one is kept")
def last_of_equals(helpful, harmless, weights):
    return helpful.shape[1] - 1 - weight_by_weight(helpful.flip(1), harmless.flip(1), weights)


# ---------------------------------------------------------------------------------------------------------------- 15.2


def _answers(**changes):
    names = {"raters": "second", "always A": "first", "one order": "first", "raters who like length": "first"}
    return names | {name.replace("_", " "): value for name, value in changes.items()}


@right("15.2")
def all_four():
    return _answers()


@right("15.2")
def in_another_order():
    return dict(reversed(_answers().items()))


@wrong("15.2", says="interval draws prompts")
def more_raters_help():
    return _answers(raters="first")


@wrong("15.2", says="half of the time")
def never_right():
    return _answers(always_A="second")


@wrong("15.2", says="more pairs do not take it away")
def more_pairs_help():
    return _answers(one_order="second")


@wrong("15.2", says="Blind is not unbiased")
def blind_is_enough():
    return _answers(raters_who_like_length="second")


@wrong("15.2", says="Choose the first or the second")
def in_words():
    return _answers(raters="hardly narrower")


@wrong("15.2", says="is missing")
def half_of_them():
    return {"raters": "second"}


# ---------------------------------------------------------------------------------------------------------------- 15.3


@right("15.3")
def by_signs(logits):
    one, other = logits[:, 0], logits[:, 1]
    same = ((one > 0) & (other > 0)) | ((one <= 0) & (other <= 0))
    first = (one > 0).sum() + (other <= 0).sum()
    return 1 / (1 + torch.exp(-(one + other) / 2)), float(same.sum()) / len(logits), float(first) / (2 * len(logits))


@right("15.3")
def pair_by_pair(logits):
    probabilities, same, first = [], 0, 0
    for one, other in logits.tolist():
        probabilities.append(1 / (1 + np.exp(-(one + other) / 2)))
        same += (one > 0) == (other > 0)
        first += (one > 0) + (not other > 0)
    return torch.tensor(probabilities, dtype=logits.dtype), same / len(logits), first / (2 * len(logits))


@wrong("15.3", says="Their difference is the position bias")
def difference_of_orders(logits):
    return torch.sigmoid((logits[:, 0] - logits[:, 1]) / 2), *by_signs(logits)[1:]


@wrong("15.3", says="the first order alone")
def first_order_only(logits):
    return torch.sigmoid(logits[:, 0]), *by_signs(logits)[1:]


@wrong("15.3", says="mean of the logits first")
def mean_of_probabilities(logits):
    return torch.sigmoid(logits).mean(dim=1), *by_signs(logits)[1:]


@wrong("15.3", says="not their sum")
def sum_of_logits(logits):
    return torch.sigmoid(logits.sum(dim=1)), *by_signs(logits)[1:]


@wrong("15.3", says="That is a logit")
def no_sigmoid(logits):
    return logits.mean(dim=1), *by_signs(logits)[1:]


@wrong("15.3", says="one for the second text")
def share_for_the_first_text(logits):
    probability, consistent, _ = by_signs(logits)
    return probability, consistent, (logits > 0).float().mean().item()


@wrong("15.3", says="whose preference turns round")
def inconsistent(logits):
    probability, consistent, first = by_signs(logits)
    return probability, 1 - consistent, first


@wrong("15.3", says="exactly 0")
def strictly_below(logits):
    probability, consistent, _ = by_signs(logits)
    return probability, consistent, torch.cat([logits[:, 0] > 0, logits[:, 1] < 0]).float().mean().item()


@wrong("15.3", says="not >= 0")
def zero_for_the_first_text(logits):
    preferred = logits >= 0
    consistent = (preferred[:, 0] == preferred[:, 1]).float().mean().item()
    return by_signs(logits)[0], consistent, torch.cat([preferred[:, 0], ~preferred[:, 1]]).float().mean().item()


@wrong("15.3", says="A product of 0")
def product_of_logits(logits):
    probability, _, first = by_signs(logits)
    return probability, (logits[:, 0] * logits[:, 1] > 0).float().mean().item(), first


@wrong("15.3", says="sign of 0 is neither")
def equal_signs(logits):
    probability, _, first = by_signs(logits)
    return probability, (logits[:, 0].sign() == logits[:, 1].sign()).float().mean().item(), first


@wrong("15.3", says="in column 1 the second text stood first")
def one_column_counted(logits):
    probability, consistent, _ = by_signs(logits)
    return probability, consistent, (logits[:, 0] > 0).float().mean().item()


@wrong("15.3", says="stood second")
def share_for_the_second_place(logits):
    probability, consistent, first = by_signs(logits)
    return probability, consistent, 1 - first


@wrong("15.3", says="probability of the second text")
def for_the_second_text(logits):
    return 1 - by_signs(logits)[0], *by_signs(logits)[1:]


@wrong("15.3", says="do not turn its sign round")
def column_turned_round(logits):
    return by_signs(torch.stack([logits[:, 0], -logits[:, 1]], dim=1))


# ---------------------------------------------------------------------------------------------------------------- 15.4


@right("15.4")
def by_least_squares(rewards, lengths):
    if torch.unique(lengths).numel() == 1:
        return rewards
    X = torch.stack([torch.ones_like(lengths), lengths - lengths.mean()], dim=1)
    line = torch.linalg.pinv(X) @ rewards
    return rewards - X[:, 1] * line[1]


@right("15.4")
def by_covariance(rewards, lengths):
    gap = lengths - lengths.mean()
    slope = torch.mean(gap * (rewards - rewards.mean())) / gap.var(correction=0).clamp(min=1e-9)
    return rewards - slope * gap


@wrong("15.4", says="the mean reward should stay")
def not_centred(rewards, lengths):
    gap = lengths - lengths.mean()
    return rewards - (gap * rewards).sum() / gap.square().sum().clamp(min=1e-9) * lengths


@wrong("15.4", says="has been subtracted, too")
def mean_gone(rewards, lengths):
    left = by_covariance(rewards, lengths)
    return left - left.mean()


@wrong("15.4", says="line through the origin")
def through_the_origin(rewards, lengths):
    slope = (lengths * rewards).sum() / lengths.square().sum()
    return rewards - slope * (lengths - lengths.mean())


@wrong("15.4", says="The line was added")
def added(rewards, lengths):
    return 2 * rewards - by_covariance(rewards, lengths)


@wrong("15.4", says="favours short texts")
def divided(rewards, lengths):
    return rewards / lengths


@wrong("15.4", says="0 divided by 0")
def nan_when_equal(rewards, lengths):
    gap = lengths - lengths.mean()
    return rewards - (gap * rewards).sum() / gap.square().sum() * gap


@wrong("15.4", says="No gradient flows back")
def detached(rewards, lengths):
    return by_covariance(rewards.detach(), lengths)


@wrong("15.4", says="var divides by n - 1")
def two_divisors(rewards, lengths):
    gap = lengths - lengths.mean()
    return rewards - torch.mean(gap * rewards) / lengths.var().clamp(min=1e-9) * gap


@wrong("15.4", says="std over std")
def ratio_of_stds(rewards, lengths):
    return rewards - rewards.std() / lengths.std().clamp(min=1e-9) * (lengths - lengths.mean())


@wrong("15.4", says="what the line adds")
def the_line_alone(rewards, lengths):
    return rewards - by_covariance(rewards, lengths)


# ---------------------------------------------------------------------------------------------------------------- 15.5


def _members(rewards):
    rows = [(one - one.mean()) / one.std() for one in rewards]
    return torch.stack(rows)


@right("15.5")
def member_by_member(rewards, k):
    members = _members(rewards)
    mean = members.sum(0) / len(members)
    doubt = ((members - mean) ** 2).sum(0).div(len(members)).sqrt()
    return torch.argmax(mean - k * doubt, dim=-1)


@right("15.5")
def along_two_dimensions(rewards, k):
    members = (rewards - rewards.mean(dim=(1, 2), keepdim=True)) / rewards.std(dim=(1, 2), keepdim=True)
    return (members.mean(0) - k * members.std(0, unbiased=False)).max(dim=1).indices


@wrong("15.5", says="on different scales")
def raw_members(rewards, k):
    return (rewards.mean(0) - k * rewards.std(0, correction=0)).argmax(1)


@wrong("15.5", says="be careful: subtract")
def optimistic(rewards, k):
    return member_by_member(rewards, -k)


@wrong("15.5", says="std over the members is missing")
def only_the_mean(rewards, k):
    return _members(rewards).mean(0).argmax(1)


@wrong("15.5", says="This is the minimum")
def worst_member(rewards, k):
    return _members(rewards).amin(0).argmax(1)


@wrong("15.5", says="not within each prompt")
def standardized_by_prompt(rewards, k):
    members = (rewards - rewards.mean(-1, keepdim=True)) / rewards.std(-1, keepdim=True)
    return (members.mean(0) - k * members.std(0, correction=0)).argmax(1)


@wrong("15.5", says="This is the variance")
def variance(rewards, k):
    members = _members(rewards)
    return (members.mean(0) - k * members.var(0, correction=0)).argmax(1)


@wrong("15.5", says="correction=0")
def nan_for_one_member(rewards, k):
    members = _members(rewards)
    return (members.mean(0) - k * members.std(0)).argmax(1)


@wrong("15.5", says="Subtract each member's mean")
def divided_only(rewards, k):
    members = rewards / rewards.std(dim=(1, 2), keepdim=True)
    return (members.mean(0) - k * members.std(0, correction=0)).argmax(1)


@wrong("15.5", says="worst sample")
def smallest_score(rewards, k):
    members = _members(rewards)
    return (members.mean(0) - k * members.std(0, correction=0)).argmin(1)


# ---------------------------------------------------------------------------------------------------------------- 15.6


@right("15.6")
def process_by_process(gradients, tokens):
    total = torch.zeros_like(gradients[0])
    for one, count in zip(gradients, tokens.tolist()):
        if count:
            total = total + one * count
    return total / int(tokens.sum())


@right("15.6")
def as_a_product(gradients, tokens):
    clean = torch.where((tokens > 0)[:, None], gradients, torch.zeros_like(gradients))
    return (tokens.to(gradients.dtype) @ clean) / tokens.sum()


@wrong("15.6", says="mean of means")
def mean_of_means(gradients, tokens):
    return gradients[tokens > 0].mean(0)


@wrong("15.6", says="mean of means")
def plain_mean(gradients, tokens):
    return gradients.mean(0)


@wrong("15.6", says="the step would grow")
def summed(gradients, tokens):
    return torch.nan_to_num(gradients).sum(0)


@wrong("15.6", says="Divide by the number of all tokens")
def never_divided(gradients, tokens):
    return process_by_process(gradients, tokens) * tokens.sum()


@wrong("15.6", says="0 * nan is nan")
def nan_times_zero(gradients, tokens):
    return (gradients * tokens[:, None]).sum(0) / tokens.sum()


@wrong("15.6", says="not by that of the processes")
def divided_by_processes(gradients, tokens):
    return process_by_process(gradients, tokens) * tokens.sum() / len(tokens)


@wrong("15.6", says="drops the fraction")
def whole_shares(gradients, tokens):
    used = tokens > 0
    return ((tokens[used] // tokens.sum())[:, None] * gradients[used]).sum(0)


# ---------------------------------------------------------------------------------------------------------------- 15.7


@right("15.7")
def row_by_row(weight):
    codes, scales = [], []
    for row in weight:
        largest = max(abs(value) for value in row.tolist())
        scale = row.abs().max() / 127 if largest else torch.ones((), dtype=weight.dtype)
        codes.append(torch.round(row / scale))
        scales.append(scale)
    return torch.stack(codes).to(torch.int8), torch.stack(scales)[:, None]


@right("15.7")
def by_the_infinity_norm(weight):
    scale = torch.linalg.vector_norm(weight, ord=float("inf"), dim=1, keepdim=True) / 127
    scale = scale.masked_fill(scale == 0, 1.0)
    return torch.round(weight / scale).char(), scale


def _safe(largest):
    return torch.where(largest > 0, largest / 127, torch.ones_like(largest))


@wrong("15.7", says="cut towards 0")
def cut(weight):
    scale = _safe(weight.abs().amax(1, keepdim=True))
    return (weight / scale).to(torch.int8), scale


@wrong("15.7", says="not for each column")
def by_columns(weight):
    scale = _safe(weight.abs().amax(0, keepdim=True))
    return (weight / scale).round().to(torch.int8), scale


@wrong("15.7", says="not one for the whole matrix")
def one_scale(weight):
    scale = _safe(weight.abs().amax().expand(len(weight), 1))
    return (weight / scale).round().to(torch.int8), scale


@wrong("15.7", says="128 does not fit")
def by_128(weight):
    largest = weight.abs().amax(1, keepdim=True)
    scale = torch.where(largest > 0, largest / 128, torch.ones_like(largest))
    return (weight / scale).round().clamp(-128, 127).to(torch.int8), scale


@wrong("15.7", says="largest *absolute* value")
def largest_signed(weight):
    scale = _safe(weight.amax(1, keepdim=True).clamp(min=0))
    return (weight / scale).round().to(torch.int8), scale


@wrong("15.7", says="keepdim=True")
def flat_scale(weight):
    codes, scale = by_the_infinity_norm(weight)
    return codes, scale[:, 0]


@wrong("15.7", says="int8")
def still_floats(weight):
    codes, scale = by_the_infinity_norm(weight)
    return codes.to(weight.dtype), scale


@wrong("15.7", says="A row of zeros has scale 1")
def zeros_by_zero(weight):
    scale = weight.abs().amax(1, keepdim=True) / 127
    return (weight / scale).round().nan_to_num().to(torch.int8), scale


@wrong("15.7", says="A row of zeros has scale 1")
def tiny_scale_for_zeros(weight):
    scale = weight.abs().amax(1, keepdim=True).clamp(min=1e-8) / 127
    return (weight / scale).round().to(torch.int8), scale


@wrong("15.7", says="Rows of small weights")
def small_rows_as_zeros(weight):
    largest = weight.abs().amax(1, keepdim=True)
    scale = torch.where(largest > 1e-3, largest / 127, torch.ones_like(largest))
    return (weight / scale).round().to(torch.int8), scale


@wrong("15.7", says="codes * scale should give")
def largest_as_scale(weight):
    codes, scale = by_the_infinity_norm(weight)
    return codes, torch.where(codes.any(dim=1, keepdim=True), scale * 127, scale)


@wrong("15.7", says="own dtype")
def scale_in_float32(weight):
    codes, scale = by_the_infinity_norm(weight)
    return codes, scale.float()


# ---------------------------------------------------------------------------------------------------------------- 15.8


def _rates(flagged, term, terms):
    return torch.stack([flagged[term == k].float().mean() for k in range(terms)])


def _summed(rates, overall):
    known = ~rates.isnan()
    return rates, (rates[known] - overall).abs().sum()


@right("15.8")
def term_by_term(probability, harmless, term, terms, bound=0.5):
    flagged, term = (probability > bound)[harmless], term[harmless]
    return _summed(_rates(flagged, term, terms), flagged.float().mean())


@right("15.8")
def by_counting(probability, harmless, term, terms, bound=0.5):
    alarms = torch.bincount(term[harmless & (probability > bound)], minlength=terms).float()
    texts = torch.bincount(term[harmless], minlength=terms).float()
    return _summed(alarms / texts, alarms.sum() / texts.sum())


@wrong("15.8", says="have no part in a false positive rate")
def of_all_texts(probability, harmless, term, terms, bound=0.5):
    flagged = probability > bound
    return _summed(_rates(flagged, term, terms), flagged.float().mean())


@wrong("15.8", says="number of *harmless* texts")
def over_all_texts_of_the_term(probability, harmless, term, terms, bound=0.5):
    flagged = (probability > bound) & harmless
    return _summed(_rates(flagged, term, terms), flagged.float().mean())


@wrong("15.8", says="not the mean of the terms")
def mean_of_rates(probability, harmless, term, terms, bound=0.5):
    rates = _rates((probability > bound)[harmless], term[harmless], terms)
    return _summed(rates, rates.nanmean())


@wrong("15.8", says="not a mean")
def mean_difference(probability, harmless, term, terms, bound=0.5):
    rates, difference = term_by_term(probability, harmless, term, terms, bound)
    return rates, difference / (~rates.isnan()).sum()


@wrong("15.8", says="cancel")
def without_absolute_values(probability, harmless, term, terms, bound=0.5):
    flagged = (probability > bound)[harmless].float()
    rates = _rates(flagged, term[harmless], terms)
    return rates, (flagged.mean() - rates).nansum()


@wrong("15.8", says="left out of the difference")
def zero_for_nothing(probability, harmless, term, terms, bound=0.5):
    flagged = (probability > bound)[harmless].float()
    return _summed(_rates(flagged, term[harmless], terms).nan_to_num(), flagged.mean())


@wrong("15.8", says="exactly at it is not")
def from_the_bound_on(probability, harmless, term, terms, bound=0.5):
    flagged = (probability >= bound)[harmless]
    return _summed(_rates(flagged, term[harmless], terms), flagged.float().mean())


@wrong("15.8", says="only its default")
def fixed_bound(probability, harmless, term, terms, bound=0.5):
    return term_by_term(probability, harmless, term, terms)


@wrong("15.8", says="a term may have no text at all")
def terms_counted_in_the_texts(probability, harmless, term, terms, bound=0.5):
    return term_by_term(probability, harmless, term, int(term.max()) + 1, bound)


@wrong("15.8", says="The common rate, too")
def common_rate_of_all_texts(probability, harmless, term, terms, bound=0.5):
    flagged = probability > bound
    return _summed(_rates(flagged[harmless], term[harmless], terms), flagged.float().mean())


@wrong("15.8", says="rate is nan is left out")
def sum_with_nan(probability, harmless, term, terms, bound=0.5):
    flagged = (probability > bound)[harmless].float()
    rates = _rates(flagged, term[harmless], terms)
    return rates, (rates - flagged.mean()).abs().sum()


@wrong("15.8", says="the rate nan, not 0")
def zero_rate_for_nothing(probability, harmless, term, terms, bound=0.5):
    rates, difference = term_by_term(probability, harmless, term, terms, bound)
    return rates.nan_to_num(), difference


DETACHED = "the answer → the answer, detached"
excused("15.3", DETACHED, because="what a frozen judge says: nothing trains through them")
excused("15.4", "lengths - lengths.mean() → lengths.mean() - lengths", because="it comes twice: the two signs cancel")
excused("15.6", DETACHED, because="gradients of parameters: nothing trains through them")
excused("15.7", DETACHED, because="the weights are frozen")
excused("15.8", "rates - flagged.mean() → flagged.mean() - rates", because="the absolute value comes next")
