"""Right answers in other words, and plausible wrong ones with the message each must get."""

import math
from itertools import combinations

import numpy as np
import torch
from torch.nn import functional as F

from course_lib.authoring.answers import excused, right, wrong

# ---------------------------------------------------------------------------------------------------------------- 12.1


@right("12.1")
def by_linear(x, weight, bias, A, B, alpha):
    return F.linear(x, weight, bias) + F.linear(F.linear(x, A), B) * (alpha / len(A))


@right("12.1")
def merged(x, weight, bias, A, B, alpha):
    return x @ (weight + alpha / B.shape[1] * B @ A).T + bias


@right("12.1")
def by_einsum(x, weight, bias, A, B, alpha):
    update = torch.einsum("...i,ri,or->...o", x, A, B)
    return torch.einsum("...i,oi->...o", x, weight) + bias + update * alpha / A.size(0)


@wrong("12.1", says="This is the layer without its adapter")
def only_the_layer(x, weight, bias, A, B, alpha):
    return x @ weight.T + bias


@wrong("12.1", says="the adapter alone")
def only_the_adapter(x, weight, bias, A, B, alpha):
    return alpha / A.shape[0] * x @ A.T @ B.T


@wrong("12.1", says="The bias is missing")
def without_bias(x, weight, bias, A, B, alpha):
    return x @ weight.T + alpha / A.shape[0] * x @ A.T @ B.T


@wrong("12.1", says="alpha / rank is missing")
def unscaled(x, weight, bias, A, B, alpha):
    return x @ weight.T + bias + x @ A.T @ B.T


@wrong("12.1", says="not by rank / alpha")
def upside_down(x, weight, bias, A, B, alpha):
    return x @ weight.T + bias + A.shape[0] / alpha * x @ A.T @ B.T


@wrong("12.1", says="alpha is divided by the rank")
def not_divided(x, weight, bias, A, B, alpha):
    return x @ weight.T + bias + alpha * x @ A.T @ B.T


@wrong("12.1", says="you divided by the number of inputs")
def by_the_inputs(x, weight, bias, A, B, alpha):
    return x @ weight.T + bias + alpha / A.shape[1] * x @ A.T @ B.T


@wrong("12.1", says="you divided by the number of outputs")
def by_the_outputs(x, weight, bias, A, B, alpha):
    return x @ weight.T + bias + alpha / B.shape[0] * x @ A.T @ B.T


@wrong("12.1", says="rsLoRA")
def by_the_root(x, weight, bias, A, B, alpha):
    return x @ weight.T + bias + alpha / math.sqrt(A.shape[0]) * x @ A.T @ B.T


@wrong("12.1", says="not W x + b")
def everything_scaled(x, weight, bias, A, B, alpha):
    return alpha / A.shape[0] * (x @ weight.T + bias + x @ A.T @ B.T)


@wrong("12.1", says="No gradient flows back")
def through_numpy(x, weight, bias, A, B, alpha):
    update = x.detach().numpy() @ A.detach().numpy().T @ B.detach().numpy().T
    return x @ weight.T + bias + alpha / A.shape[0] * torch.from_numpy(np.asarray(update))


@wrong("12.1", says="A")
def a_detached(x, weight, bias, A, B, alpha):
    return x @ weight.T + bias + alpha / A.shape[0] * x @ A.detach().T @ B.T


# ---------------------------------------------------------------------------------------------------------------- 12.2


@right("12.2")
def by_cross_entropy(logits, tokens, mask, temperature):
    each = -F.cross_entropy((logits[:, :-1] / temperature).transpose(1, 2), tokens[:, 1:], reduction="none")
    return each.masked_fill(~mask, 0.0).sum(1)


@right("12.2")
def row_by_row(logits, tokens, mask, temperature):
    sums = []
    for b in range(len(tokens)):
        total = torch.zeros((), dtype=logits.dtype)
        for t in range(tokens.shape[1] - 1):
            if mask[b, t]:
                total = total + torch.log_softmax(logits[b, t] / temperature, -1)[tokens[b, t + 1]]
        sums.append(total)
    return torch.stack(sums)


@right("12.2")
def by_logsumexp(logits, tokens, mask, temperature):
    scaled = logits[:, :-1] / temperature
    each = scaled.gather(-1, tokens[:, 1:].unsqueeze(-1)).squeeze(-1) - scaled.logsumexp(-1)
    return torch.stack([row[keep].sum() for row, keep in zip(each, mask, strict=True)])


def _chosen(logits, tokens):
    return logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]


@wrong("12.2", says="Prompt and padding are counted too")
def everything_counts(logits, tokens, mask, temperature):
    return _chosen(logits / temperature, tokens).sum(1)


@wrong("12.2", says="The mask is inverted")
def mask_inverted(logits, tokens, mask, temperature):
    return torch.where(mask, 0.0, _chosen(logits / temperature, tokens)).sum(1)


@wrong("12.2", says="This is the mean")
def mean_of_tokens(logits, tokens, mask, temperature):
    return torch.where(mask, _chosen(logits / temperature, tokens), 0.0).sum(1) / mask.sum(1)


@wrong("12.2", says="Leave out the last position of the logits")
def logits_one_late(logits, tokens, mask, temperature):
    each = (logits[:, 1:] / temperature).log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
    return torch.where(mask, each, 0.0).sum(1)


@wrong("12.2", says="about token t + 1, not t")
def tokens_one_early(logits, tokens, mask, temperature):
    each = (logits[:, :-1] / temperature).log_softmax(-1).gather(-1, tokens[:, :-1, None])[..., 0]
    return torch.where(mask, each, 0.0).sum(1)


@wrong("12.2", says="The temperature is missing")
def without_temperature(logits, tokens, mask, temperature):
    return torch.where(mask, _chosen(logits, tokens), 0.0).sum(1)


@wrong("12.2", says="before the softmax, not the log-probabilities after it")
def temperature_too_late(logits, tokens, mask, temperature):
    return torch.where(mask, _chosen(logits, tokens) / temperature, 0.0).sum(1)


@wrong("12.2", says="you multiplied")
def temperature_multiplied(logits, tokens, mask, temperature):
    return torch.where(mask, _chosen(logits * temperature, tokens), 0.0).sum(1)


@wrong("12.2", says="sums of probabilities")
def probabilities(logits, tokens, mask, temperature):
    return torch.where(mask, _chosen(logits / temperature, tokens).exp(), 0.0).sum(1)


@wrong("12.2", says="log_softmax over the words is missing")
def bare_logits(logits, tokens, mask, temperature):
    each = (logits[:, :-1] / temperature).gather(-1, tokens[:, 1:, None])[..., 0]
    return torch.where(mask, each, 0.0).sum(1)


@wrong("12.2", says="a log-probability is negative")
def cross_entropy_itself(logits, tokens, mask, temperature):
    return -torch.where(mask, _chosen(logits / temperature, tokens), 0.0).sum(1)


@wrong("12.2", says="not a product")
def masked_by_product(logits, tokens, mask, temperature):
    return (_chosen(logits / temperature, tokens) * mask).sum(1)


@wrong("12.2", says="use log_softmax")
def log_of_softmax(logits, tokens, mask, temperature):
    each = (logits[:, :-1] / temperature).softmax(-1).log().gather(-1, tokens[:, 1:, None])[..., 0]
    return torch.where(mask, each, 0.0).sum(1)


@wrong("12.2", says="One number for each answer")
def summed_over_the_batch(logits, tokens, mask, temperature):
    return torch.where(mask, _chosen(logits / temperature, tokens), 0.0).sum()


@wrong("12.2", says="No gradient flows back")
def detached(logits, tokens, mask, temperature):
    return torch.where(mask, _chosen(logits / temperature, tokens), 0.0).sum(1).detach()


# ---------------------------------------------------------------------------------------------------------------- 12.3


@right("12.3")
def by_combinations(prompts, answers):
    texts = [answer.strip() for answer in answers]
    return [(i, j) for i, j in combinations(range(len(texts)), 2)
            if prompts[i] == prompts[j] and texts[i] != texts[j] and all((texts[i], texts[j]))]


@right("12.3")
def prompt_by_prompt(prompts, answers):
    found = []
    for prompt in set(prompts):
        places = [k for k, one in enumerate(prompts) if one == prompt and answers[k].strip()]
        found += [[i, j] for i in places for j in places if i < j and answers[i].strip() != answers[j].strip()]
    return sorted(found)


@wrong("12.3", says="these answer different prompts")
def any_two(prompts, answers):
    return [(i, j) for i, j in combinations(range(len(answers)), 2)
            if answers[i].strip() and answers[j].strip() and answers[i].strip() != answers[j].strip()]


@wrong("12.3", says="is missing")
def neighbours(prompts, answers):
    return [(i, i + 1) for i in range(len(answers) - 1)
            if prompts[i] == prompts[i + 1] and answers[i].strip() and answers[i + 1].strip()
            and answers[i].strip() != answers[i + 1].strip()]


@wrong("12.3", says="i comes before j")
def both_ways(prompts, answers):
    return [(i, j) for i in range(len(answers)) for j in range(len(answers))
            if i != j and prompts[i] == prompts[j] and answers[i].strip() and answers[j].strip()
            and answers[i].strip() != answers[j].strip()]


@wrong("12.3", says="spaces around it do not count")
def not_stripped(prompts, answers):
    return [(i, j) for i, j in combinations(range(len(answers)), 2)
            if prompts[i] == prompts[j] and answers[i].strip() and answers[j].strip() and answers[i] != answers[j]]


@wrong("12.3", says="one of them is empty")
def empty_too(prompts, answers):
    return [(i, j) for i, j in combinations(range(len(answers)), 2)
            if prompts[i] == prompts[j] and answers[i].strip() != answers[j].strip()]


@wrong("12.3", says="spaces alone are empty")
def spaces_are_text(prompts, answers):
    return [(i, j) for i, j in combinations(range(len(answers)), 2)
            if prompts[i] == prompts[j] and answers[i] and answers[j] and answers[i].strip() != answers[j].strip()]


@wrong("12.3", says="is missing")
def texts_used_once(prompts, answers):
    seen, found = set(), []
    for i, j in by_combinations(prompts, answers):
        if answers[i] not in seen:
            found.append((i, j))
        seen |= {answers[i], answers[j]}
    return found


# ---------------------------------------------------------------------------------------------------------------- 12.4


@right("12.4")
def by_dictionary(prompts, folds):
    fold = {}
    for prompt in prompts:
        fold.setdefault(prompt, len(fold) % folds)
    return [fold[prompt] for prompt in prompts]


@right("12.4")
def by_counting(prompts, folds):
    return [len(set(prompts[:prompts.index(prompt)])) % folds for prompt in prompts]


@wrong("12.4", says="folds of single pairs")
def pair_by_pair(prompts, folds):
    return [place % folds for place in range(len(prompts))]


@wrong("12.4", says="in alphabetical order")
def alphabetical(prompts, folds):
    return [sorted(set(prompts)).index(prompt) % folds for prompt in prompts]


@wrong("12.4", says="begin at 0 again")
def never_begins_again(prompts, folds):
    return [list(dict.fromkeys(prompts)).index(prompt) for prompt in prompts]


@wrong("12.4", says="counted from 0")
def from_one(prompts, folds):
    return [fold + 1 for fold in by_dictionary(prompts, folds)]


@wrong("12.4", says="One fold for each of the")
def of_the_prompts(prompts, folds):
    return [place % folds for place in range(len(set(prompts)))]


@wrong("12.4", says="in the order in which they first appear")
def in_blocks(prompts, folds):
    order = list(dict.fromkeys(prompts))
    return [order.index(prompt) * folds // len(order) for prompt in prompts]


@wrong("12.4", says="in the order in which they first appear")
def by_first_place(prompts, folds):
    return [prompts.index(prompt) % folds for prompt in prompts]


# ---------------------------------------------------------------------------------------------------------------- 12.5


@right("12.5")
def pair_after_pair(first_lengths, second_lengths, mu):
    points, number = 0.0, 0
    for a, b, label in zip(first_lengths.tolist(), second_lengths.tolist(), mu.tolist(), strict=True):
        if label != 0.5:
            number += 1
            points += 0.5 if a == b else float((a > b) == (label == 1))
    if not number:
        return float("nan"), "longer"
    return (points / number, "longer") if points / number >= 0.5 else (1 - points / number, "shorter")


@right("12.5")
def by_numpy(first_lengths, second_lengths, mu):
    a, b, label = first_lengths.numpy(), second_lengths.numpy(), mu.numpy()
    strict = label != 0.5
    if not strict.any():
        return math.nan, "longer"
    share = (((a > b) + 0.5 * (a == b))[strict] == label[strict]).mean() + 0.5 * (a == b)[strict].mean()
    return (share, "longer") if share >= 0.5 else (1 - share, "shorter")


def _counts(first, second, mu):
    strict = mu != 0.5
    hits = (torch.where(mu > 0.5, first > second, second > first) & strict).sum().item()
    return hits, ((first == second) & strict).sum().item(), strict.sum().item()


def _better(hits, number):
    share = hits / number if number else float("nan")
    return (1 - share, "shorter") if share < 0.5 else (share, "longer")


@wrong("12.5", says="the accuracy of the worse rule")
def longer_only(first_lengths, second_lengths, mu):
    hits, coins, number = _counts(first_lengths, second_lengths, mu)
    return ((hits + coins / 2) / number if number else float("nan")), "longer"


@wrong("12.5", says="count one half")
def equal_is_wrong(first_lengths, second_lengths, mu):
    hits, coins, number = _counts(first_lengths, second_lengths, mu)
    return _better(hits, number)


@wrong("12.5", says="count one half")
def equal_is_right(first_lengths, second_lengths, mu):
    hits, coins, number = _counts(first_lengths, second_lengths, mu)
    return _better(hits + coins, number)


@wrong("12.5", says="count them as half right")
def equal_left_out(first_lengths, second_lengths, mu):
    hits, coins, number = _counts(first_lengths, second_lengths, mu)
    return _better(hits, number - coins)


@wrong("12.5", says="of the number you divide by as well")
def ties_in_the_number(first_lengths, second_lengths, mu):
    hits, coins, number = _counts(first_lengths, second_lengths, mu)
    share = (hits + coins / 2) / len(mu) if number else float("nan")
    return (share, "longer") if not share < 0.5 else (1 - share, "shorter")


@wrong("12.5", says="their share is wanted")
def how_many(first_lengths, second_lengths, mu):
    hits, coins, number = _counts(first_lengths, second_lengths, mu)
    share, rule = _better(hits + coins / 2, number)
    return share * number, rule


@wrong("12.5", says="that of the other rule")
def rules_swapped(first_lengths, second_lengths, mu):
    share, rule = pair_after_pair(first_lengths, second_lengths, mu)
    return share, "shorter" if rule == "longer" else "longer"


@wrong("12.5", says="where both rules are equally good")
def shorter_when_even(first_lengths, second_lengths, mu):
    share, rule = pair_after_pair(first_lengths, second_lengths, mu)
    return share, "shorter" if share == 0.5 else rule


@wrong("12.5", says="they are not half right")
def ties_half_right(first_lengths, second_lengths, mu):
    hits, coins, number = _counts(first_lengths, second_lengths, mu)
    if not number:
        return math.nan, "longer"
    return _better(hits + coins / 2 + (len(mu) - number) / 2, len(mu))


@wrong("12.5", says="nothing to be right about")
def half_of_nothing(first_lengths, second_lengths, mu):
    share, rule = pair_after_pair(first_lengths, second_lengths, mu)
    return (0.5 if share != share else share), rule


@wrong("12.5", says="counted as wins of the second answer")
def ties_are_wins_of_the_second(first_lengths, second_lengths, mu):
    longer = [0.5 if a == b else float((a > b) == (m > 0.5))
              for a, b, m in zip(first_lengths.tolist(), second_lengths.tolist(), mu.tolist(), strict=True)]
    share = sum(longer) / len(longer)
    return (share, "longer") if share >= 0.5 else (1 - share, "shorter")


# ---------------------------------------------------------------------------------------------------------------- 12.6


@right("12.6")
def by_cases(new_is_left, answers):
    points, number = 0.0, 0
    for left, answer in zip(new_is_left, answers, strict=True):
        if answer == "skip":
            continue
        number += 1
        if answer == "equal":
            points += 0.5
        elif (answer == "left") == left:
            points += 1
    return (points / number if number else math.nan), number


@right("12.6")
def by_lists(new_is_left, answers):
    points = np.array([0.5 if answer == "equal" else float((answer == "left") is bool(left))
                       for left, answer in zip(new_is_left, answers, strict=True) if answer != "skip"])
    return (float(points.mean()), len(points)) if len(points) else (float("nan"), 0)


def _rate(points, number):
    return (points / number if number else math.nan), number


def _wins(new_is_left, answers):
    return sum((answer == "left") == left for left, answer in zip(new_is_left, answers, strict=True)
               if answer in ("left", "right"))


def _compared(answers):
    return len(answers) - answers.count("skip")


@wrong("12.6", says="how often the left one won")
def the_left_one(new_is_left, answers):
    return _rate(answers.count("left") + answers.count("equal") / 2, _compared(answers))


@wrong("12.6", says="the rate of the old model")
def the_old_one(new_is_left, answers):
    rate, number = by_cases(new_is_left, answers)
    return 1 - rate, number


@wrong("12.6", says="counts as half a win")
def equal_is_nothing(new_is_left, answers):
    return _rate(_wins(new_is_left, answers), _compared(answers))


@wrong("12.6", says="not as a whole one")
def equal_is_a_win(new_is_left, answers):
    return _rate(_wins(new_is_left, answers) + answers.count("equal"), _compared(answers))


@wrong("12.6", says="Skipped pairs were not compared")
def skips_compared(new_is_left, answers):
    return _rate(_wins(new_is_left, answers) + answers.count("equal") / 2, len(answers))


@wrong("12.6", says="divide by the pairs that were compared")
def skips_in_the_rate(new_is_left, answers):
    wins = _wins(new_is_left, answers) + answers.count("equal") / 2
    return (wins / len(answers) if _compared(answers) else math.nan), _compared(answers)


@wrong("12.6", says="it counts, as half a win")
def equal_left_out_here(new_is_left, answers):
    number = answers.count("left") + answers.count("right")
    return _rate(_wins(new_is_left, answers), number)


@wrong("12.6", says="their share is wanted")
def a_number_of_wins(new_is_left, answers):
    wins = _wins(new_is_left, answers) + answers.count("equal") / 2
    return (wins if _compared(answers) else math.nan), _compared(answers)


@wrong("12.6", says="they are no half wins either")
def skips_are_half_wins(new_is_left, answers):
    wins = _wins(new_is_left, answers) + answers.count("equal") / 2 + answers.count("skip") / 2
    return _rate(wins, len(answers))


@wrong("12.6", says="Nothing was compared")
def a_half_for_nothing(new_is_left, answers):
    rate, number = by_cases(new_is_left, answers)
    return (rate if number else 0.5), number


excused("12.5", "mu[strict] > 0.5 → mu[strict] >= 0.5", because="no strict preference is 0.5")
excused("12.3", "i + 1 → i", "i + 1 → i + 0", because="an answer is equal to itself, and equal answers are left out")
