"""Right answers in other words, and plausible wrong ones with the message each must get."""

import math

import torch
import torch.nn.functional as F

from course_lib.authoring.answers import DETACHED, excused, right, wrong

# ---------------------------------------------------------------------------------------------------------------- 08.1


@right("08.1")
def with_torchs_own(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


@right("08.1")
def row_by_row(q, k, v):
    rows = []
    for t in range(q.shape[-2]):
        scores = (q[..., t:t + 1, :] * k[..., :t + 1, :]).sum(-1) / q.shape[-1] ** 0.5
        weights = torch.softmax(scores, -1)
        rows.append((weights[..., None] * v[..., :t + 1, :]).sum(-2))
    return torch.stack(rows, dim=-2)


@right("08.1")
def added_mask_and_einsum(q, k, v):
    T = q.shape[2]
    scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(q.shape[3])
    scores = scores + torch.full((T, T), -1e9).triu(1)
    return torch.einsum("bhqk,bhkd->bhqd", scores.softmax(-1), v)


def _attend(q, k, v, scale=None, cross=lambda scores, future: scores.masked_fill(future, float("-inf")), diagonal=1, axis=-1):
    T = q.shape[-2]
    future = torch.ones(T, T, dtype=torch.bool).triu(diagonal)
    scores = q @ k.transpose(-2, -1) * (q.shape[-1] ** -0.5 if scale is None else scale)
    return cross(scores, future).softmax(axis) @ v


@wrong("08.1", says="Every position sees the future")
def no_mask(q, k, v):
    return _attend(q, k, v, cross=lambda scores, future: scores)


@wrong("08.1", says="exp(0) is 1")
def crossed_out_with_zero(q, k, v):
    return _attend(q, k, v, cross=lambda scores, future: scores.masked_fill(future, 0.0))


@wrong("08.1", says="after the softmax")
def crossed_out_too_late(q, k, v):
    T = q.shape[-2]
    weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)
    return weights.tril() @ v if T else v


@wrong("08.1", says="the diagonal stays")
def blind_to_itself(q, k, v):
    return _attend(q, k, v, diagonal=0) if q.shape[-2] > 1 else v


@wrong("08.1", says="everything was crossed out")
def blind_to_itself_everywhere(q, k, v):
    return _attend(q, k, v, diagonal=0)


@wrong("08.1", says="Turned round")
def sees_the_future_only(q, k, v):
    return _attend(q, k, v, cross=lambda scores, future: scores.masked_fill(future.T, float("-inf")))


@wrong("08.1", says="not divided by the square root")
def unscaled(q, k, v):
    return _attend(q, k, v, scale=1.0)


@wrong("08.1", says="the *root* of the width")
def divided_by_the_width(q, k, v):
    return _attend(q, k, v, scale=1 / q.shape[-1])


@wrong("08.1", says="number of positions")
def root_of_the_positions(q, k, v):
    return _attend(q, k, v, scale=q.shape[-2] ** -0.5)


@wrong("08.1", says="The softmax runs over the queries")
def softmax_over_queries(q, k, v):
    T = q.shape[-2]
    scores = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).masked_fill(torch.ones(T, T).triu(1) > 0, float("-inf"))
    weights = scores.softmax(-2)
    return weights @ v


@wrong("08.1", says="swapped")
def keys_ask_queries(q, k, v):
    return _attend(k, q, v)


@wrong("08.1", says="the diagonal stays")
def itself_hidden_with_a_finite_number(q, k, v):
    return _attend(q, k, v, cross=lambda scores, future: scores.masked_fill(future, -1e9), diagonal=0)


# ---------------------------------------------------------------------------------------------------------------- 08.2


@right("08.2")
def with_a_bottom_right_mask(q, k, v, past_k, past_v):
    k, v = torch.cat((past_k, k), 2), torch.cat((past_v, v), 2)
    allowed = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril(k.shape[2] - q.shape[2])
    return [F.scaled_dot_product_attention(q, k, v, attn_mask=allowed), k, v]


@right("08.2")
def one_after_the_other(q, k, v, past_k, past_v):
    rows = []
    for s in range(q.shape[2]):
        past_k = torch.cat([past_k, k[:, :, s:s + 1]], dim=2)
        past_v = torch.cat([past_v, v[:, :, s:s + 1]], dim=2)
        weights = (q[:, :, s:s + 1] @ past_k.transpose(2, 3) / q.shape[3] ** 0.5).softmax(-1)
        rows.append(weights @ past_v)
    return torch.cat(rows, dim=2), past_k, past_v


def _next(q, k, v, past_k, past_v, diagonal=None):
    k, v = torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)
    shift = past_k.shape[2] if diagonal is None else diagonal
    allowed = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril(shift)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=allowed), k, v


@wrong("08.2", says="a mask is needed among them")
def never_a_mask(q, k, v, past_k, past_v):
    return _next(q, k, v, past_k, past_v, diagonal=99)


@wrong("08.2", says="No mask: the first new position")
def a_mask_for_the_prompt_only(q, k, v, past_k, past_v):
    return _next(q, k, v, past_k, past_v, diagonal=99 if past_k.shape[2] else None)


@wrong("08.2", says="upper left corner")
def mask_from_the_corner(q, k, v, past_k, past_v):
    return _next(q, k, v, past_k, past_v, diagonal=0)


@wrong("08.2", says="The mask forgets the past")
def mask_from_the_corner_for_several(q, k, v, past_k, past_v):
    return _next(q, k, v, past_k, past_v, diagonal=0 if q.shape[2] > 1 else None)


@wrong("08.2", says="saw only itself")
def forgets_the_past(q, k, v, past_k, past_v):
    mixed, _, _ = _next(q, k, v, past_k[:, :, :0], past_v[:, :, :0])
    return mixed, torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)


@wrong("08.2", says="stand before the old ones")
def new_ones_first(q, k, v, past_k, past_v):
    mixed, _, _ = _next(q, k, v, past_k, past_v)
    return mixed, torch.cat([k, past_k], 2), torch.cat([v, past_v], 2)


@wrong("08.2", says="Only the new keys")
def returns_the_new_ones(q, k, v, past_k, past_v):
    return _next(q, k, v, past_k, past_v)[0], k, v


@wrong("08.2", says="must keep the keys and values")
def returns_the_mixture_alone(q, k, v, past_k, past_v):
    return _next(q, k, v, past_k, past_v)[0]


# ---------------------------------------------------------------------------------------------------------------- 08.3


@right("08.3")
def with_cross_entropy(logits, tokens):
    return -F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")


@right("08.3")
def token_by_token(logits, tokens):
    columns = []
    for t in range(1, tokens.shape[1]):
        row = logits[:, t - 1] - logits[:, t - 1].logsumexp(-1, keepdim=True)
        columns.append(row[torch.arange(len(tokens)), tokens[:, t]])
    return torch.stack(columns, dim=1)


@wrong("08.3", says="at its *own* position")
def as_given(logits, tokens):
    return logits.log_softmax(-1).gather(-1, tokens[:, :, None])[:, 1:].squeeze(-1)


@wrong("08.3", says="at its *own* position")
def own_place_without_the_last(logits, tokens):
    return logits.log_softmax(-1).gather(-1, tokens[:, :, None])[:, :-1].squeeze(-1)


@wrong("08.3", says="Five tokens have four")
def keeps_all_places(logits, tokens):
    return logits.log_softmax(-1).gather(-1, tokens[:, :, None]).squeeze(-1)


@wrong("08.3", says="Shifted the wrong way round")
def shifted_backwards(logits, tokens):
    return logits[:, 1:].log_softmax(-1).gather(-1, tokens[:, :-1, None]).squeeze(-1)


@wrong("08.3", says="These are logits")
def logits_as_they_are(logits, tokens):
    return logits[:, :-1].gather(-1, tokens[:, 1:, None]).squeeze(-1)


@wrong("08.3", says="These are probabilities")
def forgets_the_logarithm(logits, tokens):
    return logits[:, :-1].softmax(-1).gather(-1, tokens[:, 1:, None]).squeeze(-1)


@wrong("08.3", says="the negative log-likelihood")
def sign_turned(logits, tokens):
    return F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")


# ---------------------------------------------------------------------------------------------------------------- 08.4


@right("08.4")
def by_sorting(logits, temperature=1.0, top_k=None):
    if temperature == 0:
        temperature, top_k = 1.0, 1
    weights = torch.exp(logits / temperature)
    if top_k:
        order = logits.argsort(-1, descending=True)
        weights = weights.scatter(-1, order[:, top_k:], 0.0)
    return weights / weights.sum(-1, keepdim=True)


@right("08.4")
def row_after_row(logits, temperature=1.0, top_k=None):
    rows = []
    for row in logits:
        row = torch.where(row == row.max(), 0.0, float("-inf")) if temperature == 0 else row / temperature
        keep = row.topk(min(top_k or len(row), len(row))).indices
        kept = torch.full_like(row, float("-inf"))
        kept[keep] = row[keep]
        rows.append(kept.softmax(0))
    return torch.stack(rows)


def _probs(logits, temperature=1.0, top_k=None):
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        logits = logits.masked_fill(logits < logits.topk(top_k).values[:, -1:], float("-inf"))
    return logits.softmax(-1)


@wrong("08.4", says="These are log-probabilities")
def log_probabilities(logits, temperature=1.0, top_k=None):
    return _probs(logits, temperature, top_k).log()


@wrong("08.4", says="over the texts")
def softmax_over_rows(logits, temperature=1.0, top_k=None):
    return (logits / temperature).softmax(0)


@wrong("08.4", says="Turned round")
def multiplies(logits, temperature=1.0, top_k=None):
    return _probs(logits, 1 / temperature if temperature else 0, top_k)


@wrong("08.4", says="no longer sum to 1")
def temperature_on_probabilities(logits, temperature=1.0, top_k=None):
    return _probs(logits, 1.0, top_k) / temperature


@wrong("08.4", says="are unchanged")
def temperature_on_probabilities_normalised(logits, temperature=1.0, top_k=None):
    p = _probs(logits, 1.0, top_k) / (temperature or 1.0)
    return p / p.sum(-1, keepdim=True)


@wrong("08.4", says="Dividing by 0")
def divides_by_zero(logits, temperature=1.0, top_k=None):
    if temperature == 0:
        return (logits / 0.0).softmax(-1)
    return _probs(logits, temperature, top_k)


@wrong("08.4", says="counts as false")
def zero_is_false(logits, temperature=1.0, top_k=None):
    return _probs(logits, temperature or 1.0, top_k)


@wrong("08.4", says="removed after the softmax")
def top_k_after_the_softmax(logits, temperature=1.0, top_k=None):
    p = _probs(logits, temperature)
    if top_k is None or top_k >= p.shape[-1]:
        return p
    return p.masked_fill(p < p.topk(top_k).values[:, -1:], 0.0)


@wrong("08.4", says="the worst tokens")
def keeps_the_worst(logits, temperature=1.0, top_k=None):
    if top_k is None or top_k >= logits.shape[-1]:
        return _probs(logits, temperature)
    worst = logits.topk(top_k, largest=False).values[:, -1:]
    return (logits / temperature).masked_fill(logits > worst, float("-inf")).softmax(-1)


@wrong("08.4", says="One token too few")
def cuts_the_kth_too(logits, temperature=1.0, top_k=None):
    if top_k is None or top_k >= logits.shape[-1]:
        return _probs(logits, temperature)
    return _probs(logits, temperature, top_k - 1)


@wrong("08.4", says="a temperature top_k is forgotten")
def either_or(logits, temperature=1.0, top_k=None):
    return _probs(logits, temperature, top_k if temperature == 1 else None)


@wrong("08.4", says="sum over *all* rows")
def brought_to_one_over_all_rows(logits, temperature=1.0, top_k=None):
    if temperature == 0:
        return torch.eye(logits.shape[-1])[logits.argmax(-1)]
    probs = (logits / temperature).softmax(-1)
    if top_k is None:
        return probs
    kept = probs * (probs >= probs.topk(min(top_k, probs.shape[-1]), dim=-1).values[:, -1:])
    return kept / kept.sum()


# ---------------------------------------------------------------------------------------------------------------- 08.5


@right("08.5")
def all_in_one_tensor(nlls, texts):
    return torch.cat(list(nlls)).sum() / (len("".join(texts)) + len(texts)) / math.log(2)


@right("08.5")
def in_bits_from_the_start(nlls, texts):
    bits, characters = 0.0, 0
    for nll, text in zip(nlls, texts, strict=True):
        bits += float((nll * math.log2(math.e)).sum())
        characters += 1 + len(text)
    return bits / characters


BIT = math.log(2)


def _per(nlls, count, unit=BIT):
    return sum(s.sum().item() for s in nlls) / count / unit


@wrong("08.5", says="These are nats")
def in_nats(nlls, texts):
    return _per(nlls, sum(len(t) + 1 for t in texts), 1.0)


@wrong("08.5", says="do not multiply")
def times_log_2(nlls, texts):
    return _per(nlls, sum(len(t) + 1 for t in texts), 1 / math.log(2))


@wrong("08.5", says="not counted")
def without_the_ends(nlls, texts):
    return _per(nlls, sum(len(t) for t in texts))


@wrong("08.5", says="per *token*")
def per_token(nlls, texts):
    return _per(nlls, sum(len(s) for s in nlls))


@wrong("08.5", says="the texts' own means")
def mean_of_means(nlls, texts):
    return sum(_per([s], len(t) + 1) for s, t in zip(nlls, texts, strict=True)) / len(texts)


@wrong("08.5", says="two bytes")
def per_byte(nlls, texts):
    return _per(nlls, sum(len(t.encode()) + 1 for t in texts))


@wrong("08.5", says="This is the sum")
def the_sum(nlls, texts):
    return _per(nlls, 1)


# ---------------------------------------------------------------------------------------------------------------- 08.6


@right("08.6")
def layer_by_layer(vocab_size, context, layers, width):
    def linear(a, b):
        return a * b + b

    norm = 2 * width
    block = norm + linear(width, 3 * width) + linear(width, width) + norm
    block += linear(width, 4 * width) + linear(4 * width, width)
    return vocab_size * width + context * width + layers * block + norm


@right("08.6")
def by_making_one(vocab_size, context, layers, width):
    total = width * (vocab_size + context + 2)
    for _ in range(layers):
        total += width * (12 * width + 13)
    return float(total)


def _count(V, T, L, C):
    return (V + T) * C + L * (12 * C * C + 13 * C) + 2 * C


@wrong("08.6", says="The output layer was counted")
def output_counted(vocab_size, context, layers, width):
    return _count(vocab_size, context, layers, width) + vocab_size * width


@wrong("08.6", says="after the last block")
def last_norm_forgotten(vocab_size, context, layers, width):
    return _count(vocab_size, context, layers, width) - 2 * width


@wrong("08.6", says="The biases are missing")
def no_biases(vocab_size, context, layers, width):
    return _count(vocab_size, context, layers, width) - layers * 9 * width


@wrong("08.6", says="The norms inside the blocks")
def no_norms_in_blocks(vocab_size, context, layers, width):
    return _count(vocab_size, context, layers, width) - layers * 4 * width


@wrong("08.6", says="The table of positions")
def no_positions(vocab_size, context, layers, width):
    return _count(vocab_size, 0, layers, width)


@wrong("08.6", says="Only one block")
def one_block(vocab_size, context, layers, width):
    return _count(vocab_size, context, min(layers, 1), width)


@wrong("08.6", says="back into the stream")
def no_projection(vocab_size, context, layers, width):
    return _count(vocab_size, context, layers, width) - layers * (width * width + width)

# ------------------------------------------------------------------------------------------------------------- mutants

excused("08.2", DETACHED, because="the cache is for writing, where nothing is trained")
excused("08.4", DETACHED, because="tokens are drawn from these probabilities: nothing trains through them")
excused("08.4", "top_k < logits.shape[-1] → top_k <= logits.shape[-1]", because="the best V of V tokens are all of them")
excused("08.4", "logits.topk(top_k, dim=-1) → logits.topk(top_k)", because="topk looks at the last dimension anyway")
