"""Right answers in other words, and plausible wrong ones with the message each must get."""

import torch

from course_lib.authoring.answers import DETACHED, excused, right, wrong

# ---------------------------------------------------------------------------------------------------------------- 09.1


@right("09.1")
def row_by_row(tokens, lengths, prompt_tokens):
    targets = torch.full((tokens.shape[0], tokens.shape[1] - 1), -100)
    for row, length in enumerate(lengths.tolist()):
        targets[row, prompt_tokens:length - 1] = tokens[row, prompt_tokens + 1:length]
    return targets


@right("09.1")
def with_where(tokens, lengths, prompt_tokens):
    t = torch.arange(tokens.shape[1] - 1)[None, :]
    learned = (t >= prompt_tokens) & (t + 1 <= lengths[:, None] - 1)
    return torch.where(learned, tokens[:, 1:], torch.tensor(-100))


def _targets(tokens, lengths, prompt_tokens, start=0, end=0):
    place = torch.arange(1, tokens.shape[1])
    learned = (place > prompt_tokens + start) & (place < lengths[:, None] + end)
    return tokens[:, 1:].masked_fill(~learned, -100)


@wrong("09.1", says="Everything is learned")
def nothing_masked(tokens, lengths, prompt_tokens):
    return tokens[:, 1:].clone()


@wrong("09.1", says="The prompt is learned too")
def prompt_learned(tokens, lengths, prompt_tokens):
    return _targets(tokens, lengths, 0)


@wrong("09.1", says="The padding is learned too")
def padding_learned(tokens, lengths, prompt_tokens):
    return _targets(tokens, lengths, prompt_tokens, end=1_000)


@wrong("09.1", says="The last token of the prompt is learned")
def one_too_early(tokens, lengths, prompt_tokens):
    return _targets(tokens, lengths, prompt_tokens, start=-1)


@wrong("09.1", says="first token of the completion is not learned")
def one_too_late(tokens, lengths, prompt_tokens):
    return _targets(tokens, lengths, prompt_tokens, start=1)


@wrong("09.1", says="this model will never stop")
def end_not_learned(tokens, lengths, prompt_tokens):
    return _targets(tokens, lengths, prompt_tokens, end=-1)


@wrong("09.1", says="tell them apart by `lengths`")
def padding_by_its_token(tokens, lengths, prompt_tokens):
    targets = tokens[:, 1:].clone()
    targets[:, :prompt_tokens] = -100
    targets[targets == 0] = -100
    return targets


@wrong("09.1", says="tokens[:, 1:]")
def not_shifted(tokens, lengths, prompt_tokens):
    place = torch.arange(1, tokens.shape[1])
    return tokens[:, :-1].masked_fill(~((place > prompt_tokens) & (place < lengths[:, None])), -100)


@wrong("09.1", says="Masked with 0?")
def masked_with_zero(tokens, lengths, prompt_tokens):
    targets = _targets(tokens, lengths, prompt_tokens)
    return targets.masked_fill(targets == -100, 0)


@wrong("09.1", says="by the column of the *logits*")
def masked_by_the_column(tokens, lengths, prompt_tokens):
    return _targets(tokens, lengths, prompt_tokens, start=1, end=1)


# ---------------------------------------------------------------------------------------------------------------- 09.2


@right("09.2")
def through_the_whole_table(logits, tokens, prompt_length, eos):
    logprobs = torch.log_softmax(logits[:, :-1], -1).gather(-1, tokens[:, 1:, None])[..., 0]    # (B, L - 1)
    logprobs = logprobs[:, prompt_length - 1:]
    ended = (tokens[:, prompt_length:] == eos).cumsum(1)
    ended_before = torch.cat([torch.zeros_like(ended[:, :1]), ended[:, :-1]], dim=1) > 0
    return logprobs.masked_fill(ended_before, 0.0).sum(1)


@right("09.2")
def token_by_token(logits, tokens, prompt_length, eos):
    total = 0.0 * logits[:, 0, 0]
    going = torch.ones(len(tokens))
    for place in range(prompt_length, tokens.shape[1]):
        said = logits[:, place - 1].log_softmax(-1)
        total = total + going * said[torch.arange(len(tokens)), tokens[:, place]]
        going = going * (tokens[:, place] != eos).float()
    return total


def _sum(logits, tokens, prompt_length, eos, said, keep="after"):
    completion = tokens[:, prompt_length:]
    logprobs = said.gather(-1, completion[..., None]).squeeze(-1)
    ends = (completion == eos).long()
    before = ends.cumsum(dim=1) - ends
    chosen = {"after": before == 0, "before": (before == 0) & (ends == 0), "all": before >= 0}[keep]
    return (logprobs * chosen).sum(dim=1)


@wrong("09.2", says="Shifted by one")
def as_given(logits, tokens, prompt_length, eos):
    return _sum(logits, tokens, prompt_length, eos, torch.log_softmax(logits[:, prompt_length:], dim=-1))


@wrong("09.2", says="first token of the completion is missing")
def starts_too_late(logits, tokens, prompt_length, eos):
    first = logits[:, prompt_length - 1].log_softmax(-1).gather(-1, tokens[:, prompt_length, None]).squeeze(-1)
    return token_by_token(logits, tokens, prompt_length, eos) - first


@wrong("09.2", says="Shifted the other way")
def shifted_the_other_way(logits, tokens, prompt_length, eos):
    return _sum(logits, tokens, prompt_length, eos, torch.log_softmax(logits[:, prompt_length - 2:-2], dim=-1))


@wrong("09.2", says="The padding behind the end counts too")
def counts_the_padding(logits, tokens, prompt_length, eos):
    return _sum(logits, tokens, prompt_length, eos, torch.log_softmax(logits[:, prompt_length - 1:-1], -1), "all")


@wrong("09.2", says="The end token is not counted")
def without_the_end(logits, tokens, prompt_length, eos):
    return _sum(logits, tokens, prompt_length, eos, torch.log_softmax(logits[:, prompt_length - 1:-1], -1), "before")


@wrong("09.2", says="lost its way back")
def detached(logits, tokens, prompt_length, eos):
    return token_by_token(logits.detach(), tokens, prompt_length, eos)


# ---------------------------------------------------------------------------------------------------------------- 09.3


@right("09.3")
def by_the_jacobian(logits, rewards):
    p = torch.softmax(logits, dim=0)
    jacobian = torch.diag(p) - torch.outer(p, p)                           # (i, k): slope of p_i along logit k
    return rewards @ jacobian


@right("09.3")
def as_a_sum(logits, rewards):
    p = logits.exp() / logits.exp().sum()
    K = len(p)
    return torch.stack([sum(p[i] * ((i == k) * 1.0 - p[k]) * rewards[i] for i in range(K)) for k in range(K)])


@wrong("09.3", says="Subtract what they lose")
def forgets_the_others(logits, rewards):
    return torch.softmax(logits, dim=-1) * rewards


@wrong("09.3", says="multiply by p")
def not_weighed(logits, rewards):
    p = torch.softmax(logits, dim=-1)
    return rewards - (p * rewards).sum()


@wrong("09.3", says="weigh each reward by its probability")
def plain_average(logits, rewards):
    return torch.softmax(logits, dim=-1) * (rewards - rewards.mean())


@wrong("09.3", says="gradient of a loss")
def of_a_loss(logits, rewards):
    return -by_the_jacobian(logits, rewards)


@wrong("09.3", says="forgets what the others lose")
def diagonal_only(logits, rewards):
    p = torch.softmax(logits, dim=-1)
    return p * (1 - p) * rewards


@wrong("09.3", says="Yours asks autograd")
def by_autograd(logits, rewards):
    logits = logits.clone().requires_grad_(True)
    return torch.autograd.grad((torch.softmax(logits, -1) * rewards).sum(), logits)[0]


# ---------------------------------------------------------------------------------------------------------------- 09.4


@right("09.4")
def stretched_mean(rewards):
    copies = rewards.shape[1]
    return (rewards - rewards.mean(1, keepdim=True)) * copies / (copies - 1)


@right("09.4")
def one_by_one(rewards):
    advantages = torch.zeros_like(rewards)
    for i in range(rewards.shape[0]):
        for j in range(rewards.shape[1]):
            siblings = [rewards[i, k] for k in range(rewards.shape[1]) if k != j]
            advantages[i, j] = rewards[i, j] - sum(siblings) / len(siblings)
    return advantages


@wrong("09.4", says="stands in its own average")
def own_included(rewards):
    return rewards - rewards.mean(dim=1, keepdim=True)


@wrong("09.4", says="Compare within each prompt")
def whole_batch(rewards):
    return rewards - rewards.mean() if len(rewards) > 1 else one_by_one(rewards)


@wrong("09.4", says="You averaged over the prompts")
def over_the_prompts(rewards):
    return rewards - rewards.mean(dim=0)


@wrong("09.4", says="divided by all copies")
def divided_by_all(rewards):
    return rewards - (rewards.sum(dim=1, keepdim=True) - rewards) / rewards.shape[1]


@wrong("09.4", says="This is the baseline")
def the_baseline_alone(rewards):
    return (rewards.sum(dim=1, keepdim=True) - rewards) / (rewards.shape[1] - 1)


@wrong("09.4", says="another algorithm")
def grpo(rewards):
    return (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-8)


@wrong("09.4", says="the other *prompts*")
def the_other_prompts(rewards):
    return rewards - (rewards.sum(0, keepdim=True) - rewards) / (len(rewards) - 1)


# ---------------------------------------------------------------------------------------------------------------- 09.5


@right("09.5")
def with_zip(texts, n):
    runs = [run for text in texts for run in zip(*(text.lower().split()[k:] for k in range(n)), strict=False)]
    return len(set(runs)) / max(1, len(runs))


@right("09.5")
def counted(texts, n):
    seen, total = set(), 0
    for text in texts:
        words = text.lower().split()
        for k in range(n, len(words) + 1):
            seen.add(" ".join(words[k - n:k]))
            total += 1
    return 0.0 if total == 0 else len(seen) / total


@wrong("09.5", says="crossed from one text into the next")
def across_texts(texts, n):
    words = " ".join(texts).lower().split()
    runs = [tuple(words[k:k + n]) for k in range(len(words) - n + 1)]
    return len(set(runs)) / len(runs) if runs else 0.0


@wrong("09.5", says="You averaged over the texts")
def mean_of_shares(texts, n):
    shares = []
    for text in texts:
        words = text.lower().split()
        runs = [tuple(words[k:k + n]) for k in range(len(words) - n + 1)]
        if runs:
            shares.append(len(set(runs)) / len(runs))
    return sum(shares) / len(shares) if shares else 0.0


@wrong("09.5", says="use lower case")
def case_matters(texts, n):
    runs = [tuple(t.split()[k:k + n]) for t in texts for k in range(len(t.split()) - n + 1)]
    return len(set(runs)) / len(runs) if runs else 0.0


@wrong("09.5", says="Every *different* run counts once")
def only_once(texts, n):
    runs = [tuple(t.lower().split()[k:k + n]) for t in texts for k in range(len(t.split()) - n + 1)]
    return sum(runs.count(run) == 1 for run in set(runs)) / len(runs) if runs else 0.0


@wrong("09.5", says="return 0 in that case")
def divides_by_zero(texts, n):
    runs = [tuple(t.lower().split()[k:k + n]) for t in texts for k in range(len(t.split()) - n + 1)]
    return len(set(runs)) / len(runs)


@wrong("09.5", says="share of repetitions")
def repetition(texts, n):
    return 1 - with_zip(texts, n)


# ---------------------------------------------------------------------------------------------------------------- 09.6

_RIGHT = ("positive", "positive", "positive", "negative", "neutral")
_SENTENCES = ("The film was not bad at all.", "I expected to love it.", "Nobody will ever love this film.",
              "He won the war against cancer.", "The food was cold and the waiter never came.")


@right("09.6")
def as_a_dict():
    return {"The film was not bad at all.": "positive", "I expected to love it.": "positive",
            "Nobody will ever love this film.": "positive", "He won the war against cancer.": "negative",
            "The food was cold and the waiter never came.": "neutral"}


@right("09.6")
def asked_vader():
    from course_lib.preferences.word_reward import vader_scores

    words = {1: "positive", -1: "negative", 0: "neutral"}
    return {s: words[int((v > 0) - (v < 0))] for s, v in zip(_SENTENCES, vader_scores(_SENTENCES).tolist(), strict=True)}


def _but(place, sign):
    return {s: sign if k == place else v for k, (s, v) in enumerate(zip(_SENTENCES, _RIGHT, strict=True))}


@wrong("09.6", says="VADER flips its sign")
def ignores_not():
    return _but(0, "negative")


@wrong("09.6", says="says that it came otherwise")
def reads_the_disappointment():
    return _but(1, "negative")


@wrong("09.6", says="What is left is `love`")
def knows_nobody():
    return _but(2, "negative")


@wrong("09.6", says="two outweigh one")
def glad_for_him():
    return _but(3, "positive")


@wrong("09.6", says="None of these words is in the dictionary")
def hungry():
    return _but(4, "negative")


@wrong("09.6", says="is missing")
def forgets_one():
    return {s: v for s, v in zip(_SENTENCES[:4], _RIGHT, strict=False)}


# ------------------------------------------------------------------------------------------------------------- mutants

excused("09.3", DETACHED, because="a gradient is a number: nothing trains through it")
excused("09.4", DETACHED, because="advantages are constants: nothing trains through them")
excused("09.2", "ends.cumsum(dim=1) - ends → ends - ends.cumsum(dim=1)", because="only whether it is 0 counts")
excused("09.3", "dim=-1 → dim=0", because="logits have one dimension")
