"""What the answers to lesson 08's exercises must do, and the course's own answers where the library has none."""

import math
from collections.abc import Sequence

import torch

from course_lib.exercises import Fail, agrees, apart, close, differentiable, exercise, shape_is
from course_lib.lm.generate import next_token_probs, token_logprobs
from course_lib.lm.gpt import causal_attention

# ---------------------------------------------------------------------------------------------------------------- 08.1

attention = exercise(
    "08.1", title="Causal attention", function="causal_attention", points=3, kind="implement",
    difficulty=3, importance=3, minutes=20, reference="course_lib.lm.gpt:causal_attention",
    hints=("Four steps: scores of every query against every key; the future masked; each row turned into weights that sum to 1; "
           "the values mixed with these weights.",
           "scores = q @ k.transpose(-2, -1) / math.sqrt(D) has shape (..., T, T): row = query, column = key. Mask the columns to the "
           "right of the diagonal *before* the softmax.",
           "torch.ones(T, T, dtype=torch.bool).triu(1) is True where a key lies in the future; masked_fill puts float('-inf') there. "
           "Weights and mixture are left to you."))


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _attend(q, k, v, *, scale=None, mask="before", strict=0, axis=-1):
    """Attention in the right way or in a wrong one."""
    T = q.shape[-2]
    scores = q @ k.transpose(-2, -1) * (q.shape[-1] ** -0.5 if scale is None else scale)
    future = torch.ones(T, T, dtype=torch.bool).triu(1 - strict)
    future = future.T if mask == "past" else future
    if mask in ("before", "past"):
        scores = scores.masked_fill(future, float("-inf"))
    elif mask == "zero":
        scores = scores.masked_fill(future, 0.0)
    weights = scores.softmax(axis)
    return (weights.masked_fill(future, 0.0) if mask == "after" else weights) @ v


SEES_ALL = ("Every position sees the future too. The model will be asked for the next token: cross out the scores of later keys before the "
            "softmax.")
EXP_0 = "Crossed out with 0? A score of 0 is an ordinary score: exp(0) is 1. Only -inf becomes a weight of 0."
NOT_ITSELF = "A position sees itself as well: the diagonal stays (triu(1), not triu(0))."
OVER_QUERIES = "The softmax runs over the queries. Each *query's* weights over the keys sum to 1: the last dimension."
Q, K, V = (normal(1, 1, 5, 4, seed=seed) for seed in (1, 2, 3))


@attention.case("one position: its own value")
def _(fn):
    v = torch.tensor([[[[3.0, -1.0]]]])
    got = fn(torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 2), v)
    shape_is(got, (1, 1, 1, 2), mistake="The result has the shape of v: a mixture of values for each position.")
    close(got, v, likely=[(torch.full_like(v, math.nan), "nan: everything was crossed out, a position's own key as well. A position sees itself.")],
          otherwise="With one position there is nothing to mix: the result is its own value.")


@attention.case("three positions with equal keys: the mean of what came so far")
def _(fn):
    v, alike = torch.tensor([3.0, 6.0, 0.0]).view(1, 1, 3, 1), torch.full((1, 1, 3, 1), 2.0)
    got = fn(alike, alike, v)
    close(got, torch.tensor([3.0, 4.5, 3.0]).view(1, 1, 3, 1), likely=[
        (_attend(alike, alike, v, mask="zero"), EXP_0), (_attend(alike, alike, v, axis=-2), OVER_QUERIES),
        (torch.full((1, 1, 3, 1), 3.0), SEES_ALL),
        (torch.tensor([3.0, 3.0, 0.0]).view(1, 1, 3, 1), "Turned round: each position sees itself and the *later* ones. Cross out the columns "
         "right of the diagonal (triu), not left of it."),
        (torch.tensor([1.0, 3.0, 3.0]).view(1, 1, 3, 1), "The future was crossed out after the softmax: the rows no longer sum to 1. Cross out "
         "the scores, before it."),
        (torch.tensor([math.nan, 3.0, 4.5]).view(1, 1, 3, 1), NOT_ITSELF),
        (torch.tensor([3.0, 3.0, 4.5]).view(1, 1, 3, 1), NOT_ITSELF)])            # masked with -1e9: no nan in the first row


@attention.case("keys that differ: how well each fits the query")
def _(fn):
    right, D = causal_attention(Q, K, V), 4
    close(fn(Q, K, V), right, likely=[
        (_attend(Q, K, V, mask="none"), SEES_ALL),
        (_attend(Q, K, V, mask="zero"), EXP_0),
        (_attend(Q, K, V, mask="after"), "Crossed out after the softmax: the rows no longer sum to 1."),
        (_attend(Q, K, V, mask="past"), "Turned round: each position sees itself and the later ones."),
        (_attend(Q, K, V, scale=1.0), "The scores are not divided by the square root of the width D, here 2. With wide heads the softmax would be "
         "almost a maximum."),
        (_attend(Q, K, V, scale=1 / D), "Divide by the *root* of the width: sqrt(4), not 4."),
        (_attend(Q, K, V, scale=5 ** -0.5), "You divided by the root of the number of positions, 5. It is the width of a head, 4, that makes dot "
         "products large."),
        (_attend(Q, K, V, axis=-2), OVER_QUERIES),
        (_attend(K, Q, V), "Queries and keys are swapped: rows are queries, columns are keys.")],
        otherwise="Rows are queries, columns keys; scale by sqrt(D); cross out; softmax over the keys; mix the values.")


@attention.case("many texts and heads at once")
def _(fn):
    q, k, v = (normal(3, 2, 6, 4, seed=seed) for seed in (4, 5, 6))
    got = fn(q, k, v)
    shape_is(got, (3, 2, 6, 4), mistake="(B, H, T, D) goes in and comes out: use the last two dimensions, whatever stands before.")
    close(got, causal_attention(q, k, v), likely=[
        (_attend(q, k, v, scale=2 ** -0.5), "You divided by the root of the number of heads. It is the width of one head, q.shape[-1].")],
          otherwise="Each text and each head attends by itself: use the last two dimensions only.")


@attention.case("changing the last position changes nothing before it")
def _(fn):
    k, v = K.clone(), V.clone()
    k[..., -1, :] += 5.0
    v[..., -1, :] = 100.0
    close(fn(Q, k, v)[..., :-1, :], causal_attention(Q, K, V)[..., :-1, :], call="causal_attention(q, k, v)[..., :-1, :] with another last k and v",
          otherwise=SEES_ALL)


@attention.case("any number of texts, heads, positions and widths, and the gradient")
def _(fn):
    def draw(rng):
        shape = rng.length(1, 3), rng.length(1, 3), rng.length(), rng.length()
        return tuple(rng.normal(*shape, scale=1.5) for _ in range(3))

    agrees(fn, causal_attention, draw, likely=[
        (lambda q, k, v: _attend(q, k, v, mask="none"), SEES_ALL), (lambda q, k, v: _attend(q, k, v, axis=-2), OVER_QUERIES),
        (lambda q, k, v: _attend(q, k, v, scale=1.0), "The scores are not divided by the square root of the width D.")],
        otherwise="Rows are queries, columns keys; scale by sqrt(D); cross out; softmax over the keys; mix the values.")
    differentiable(fn, draw, causal_attention, wrt=["q", "k", "v"])


# ---------------------------------------------------------------------------------------------------------------- 08.2

cached = exercise(
    "08.2", title="Attention with a memory: the KV cache", function="attend_next", points=2, kind="implement",
    difficulty=2, importance=3, minutes=15, reference="checks:attend_next",
    hints=("The new positions' keys and values join the old ones, in the order of the text. The queries are new ones only: old positions need no new "
           "output.",
           "k = torch.cat([past_k, k], dim=2). A new position sees all old ones; among the new ones it sees itself and those before.",
           "With P old and S new positions the scores have shape (B, H, S, P + S). Query s is at position P + s: compare torch.arange(P + S), "
           "a row of columns, with the positions of the queries, as a column."))


def attend_next(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, past_k: torch.Tensor,
                past_v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(what the new positions mix (B, H, S, D), all keys, all values (B, H, P + S, D))."""
    k, v = torch.cat([past_k, k], dim=2), torch.cat([past_v, v], dim=2)
    return causal_attention(q, k, v), k, v


TEXT = [normal(2, 2, 7, 4, seed=seed) for seed in (7, 8, 9)]               # q, k, v of seven positions


def _split(at: int) -> tuple[torch.Tensor, ...]:
    """The arguments for the positions from `at` on, those before being past."""
    q, k, v = TEXT
    return q[:, :, at:], k[:, :, at:], v[:, :, at:], k[:, :, :at], v[:, :, :at]


def _three(fn, arguments):
    got = fn(*arguments)
    if not (isinstance(got, tuple | list) and len(got) == 3):
        raise Fail("attend_next(q, k, v, past_k, past_v)", "three tensors: mixed, all keys, all values", got,
                   "The caller must keep the keys and values for the next step: return (mixed, k, v).")
    return got


def _masked(arguments, square):
    """Attention over past and new positions in which the mask ignores the past."""
    q, k, v, past_k, past_v = arguments
    k, v = torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)
    scores = q @ k.transpose(-2, -1) / 2
    if square:
        future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(future, float("-inf"))
    return scores.softmax(-1) @ v


@cached.case("the first positions: no past yet")
def _(fn):
    mixed, k, v = _three(fn, _split(0))
    close(mixed, causal_attention(*TEXT), likely=[(_masked(_split(0), False), "With several new positions at once a mask is needed among them: the "
          "first must not see the second.")], otherwise="With an empty past this is causal attention, nothing else.")
    close(k, TEXT[1], call="the keys returned with no past", otherwise="With no past the keys to keep are the new ones, as they came.")
    close(v, TEXT[2], call="the values returned with no past", otherwise="With no past the values to keep are the new ones, as they came.")


@cached.case("one new position sees all the old ones")
def _(fn):
    mixed, k, v = _three(fn, _split(6))
    shape_is(mixed, (2, 2, 1, 4), mistake="One new position, one answer: queries are the new ones only.")
    close(mixed, causal_attention(*TEXT)[:, :, 6:], likely=[
        (TEXT[2][:, :, 6:], "The new position saw only itself: the past was not used."),
        (_masked(_split(6), True), "The new position sees only the *first* of the old ones: the mask was cut from its upper left corner. "
         "The query stands at the end of the text, not at its beginning.")],
        otherwise="Join past and new keys and values along the positions (dim=2), then attend with the new queries.")


@cached.case("what is kept: old ones first, new ones behind")
def _(fn):
    _, k, v = _three(fn, _split(4))
    for name, got, whole in (("keys", k, TEXT[1]), ("values", v, TEXT[2])):
        close(got, whole, call=f"the {name} returned", likely=[
            (torch.cat([whole[:, :, 4:], whole[:, :, :4]], 2), f"The new {name} stand before the old ones. Positions come in the order of the text."),
            (whole[:, :, 4:], f"Only the new {name} are returned: the next step would have forgotten the text."),
            (whole[:, :, :4], f"Only the old {name} are returned: the new ones are missing from the memory.")],
            otherwise=f"Return all {name}, the old ones first, joined along dim=2.")


@cached.case("several new positions behind old ones")
def _(fn):
    mixed, _, _ = _three(fn, _split(4))
    close(mixed, causal_attention(*TEXT)[:, :, 4:], likely=[
        (_masked(_split(4), False), "No mask: the first new position sees the ones after it. All old ones may be seen, of the new ones only earlier "
         "ones."),
        (_masked(_split(4), True), "The mask forgets the past: query s is at position P + s. Shift the diagonal by P, triu(1 + P).")])


@cached.case("token by token gives the same as all at once")
def _(fn):
    q, k, v = TEXT
    past_k, past_v, rows = k[:, :, :0], v[:, :, :0], []
    for t in range(7):
        mixed, past_k, past_v = _three(fn, (q[:, :, t:t + 1], k[:, :, t:t + 1], v[:, :, t:t + 1], past_k, past_v))
        rows.append(torch.as_tensor(mixed))
    close(torch.cat(rows, dim=2), causal_attention(q, k, v), call="attend_next seven times, one position each",
          otherwise="What is written token by token must be what all at once gives: is every past key kept, in order?")


@cached.case("any past, any number of new positions")
def _(fn):
    def draw(rng):
        texts, heads, width, new = rng.length(1, 2), rng.length(1, 2), rng.length(), rng.length()
        past = rng.whole(0, rng.size)
        new_ones = [rng.normal(texts, heads, new, width, scale=1.5) for _ in range(3)]
        return (*new_ones, *(rng.normal(texts, heads, past, width, scale=1.5) for _ in range(2)))

    agrees(fn, attend_next, draw, names=("what is mixed", "the keys", "the values"),
           otherwise="Query s is at position P + s and sees all positions up to there.")


# ---------------------------------------------------------------------------------------------------------------- 08.3

shifted = exercise(
    "08.3", title="Find the silent bug: whose log-probability is it?", function="token_logprobs", points=2, kind="bug",
    difficulty=2, importance=3, minutes=10, reference="course_lib.lm.generate:token_logprobs",
    hints=("After reading tokens 0 to t, the logits are about token t + 1. Which logits, then, belong to tokens[:, 1]?",
           "The logits at the last position are about a token that is not there; the first token was not predicted.",
           "One of the two loses its first column, the other its last. Which loses which?"))


def _gathered(logits, tokens):
    return logits.log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)


OWN_POSITION = ("Each token was looked up in the logits at its *own* position. Those were computed after reading it: they are about the next token. "
                "Nothing crashes, and the number is the log-probability of a repetition.")
LOGITS, TOKENS = 3 * normal(2, 5, 6, seed=11), torch.tensor([[0, 3, 1, 4, 2], [5, 5, 0, 2, 1]])
LOGPROBS = _gathered(LOGITS, TOKENS)


def _mistakes(logits, tokens):
    own, ahead = _gathered(logits, tokens), _gathered(logits[:, 1:], tokens[:, :-1])
    return apart(token_logprobs(logits, tokens), [(own, OWN_POSITION), (own[:, 1:], OWN_POSITION), (own[:, :-1], OWN_POSITION),
            (ahead, "Shifted the wrong way round: the logits *before* a token speak about it."),
            (logits[:, :-1].gather(-1, tokens[:, 1:, None]).squeeze(-1), "These are logits. A log-probability needs log_softmax over the vocabulary."),
            (_gathered(logits[:, :-1], tokens[:, 1:]).exp(), "These are probabilities; their logarithms are wanted."),
            (-_gathered(logits[:, :-1], tokens[:, 1:]), "This is the negative log-likelihood, minus the log-probability.")])


@shifted.case("one number for each token but the first", given=True)
def _(fn):
    got = fn(LOGITS, TOKENS)
    shape_is(got, (2, 4), mistake="Five tokens have four log-probabilities: about the first one nothing was said, and the last logits speak about "
             "a token that is not there.")


@shifted.case("a model that is sure of the next token")
def _(fn):
    logits = 3 * normal(1, 3, 4, seed=13)
    for t, following in enumerate((2, 3, 1)):
        logits[0, t, following] += 30.0
    close(fn(logits, torch.tensor([[1, 2, 3]])), torch.zeros(1, 2), atol=1e-3, likely=_mistakes(logits, torch.tensor([[1, 2, 3]])),
          otherwise="After token 1 the model was sure of a 2, and a 2 came; after that of a 3, and a 3 came. Both log-probabilities are 0.")


@shifted.case("two texts of five tokens")
def _(fn):
    close(fn(LOGITS, TOKENS), token_logprobs(LOGITS, TOKENS), likely=_mistakes(LOGITS, TOKENS),
          otherwise="The logits at position t, over the whole vocabulary, are about tokens[:, t + 1].")


@shifted.case("any texts, and the gradient")
def _(fn):
    def draw(rng):
        texts, places, words = rng.length(), rng.length() + 1, rng.length() + 1
        return rng.normal(texts, places, words, scale=2), rng.wholes(0, words - 1, texts, places)

    agrees(fn, token_logprobs, draw, likely=[
        (lambda logits, tokens: _gathered(logits, tokens)[:, 1:], OWN_POSITION), (lambda logits, tokens: _gathered(logits, tokens)[:, :-1], OWN_POSITION),
        (lambda logits, tokens: _gathered(logits[:, 1:], tokens[:, :-1]), "Shifted the wrong way round: the logits *before* a token speak about it.")])
    differentiable(fn, draw, token_logprobs, wrt=["logits"])


# ---------------------------------------------------------------------------------------------------------------- 08.4

sampling = exercise(
    "08.4", title="Temperature and top-k", function="next_token_probs", points=2, kind="implement",
    difficulty=2, importance=2, minutes=15, reference="course_lib.lm.generate:next_token_probs",
    hints=("Temperature works on the logits, before the softmax. Top-k removes tokens, and what is left must sum to 1 again.",
           "logits / temperature; then put -inf where a logit is below the k-th best of its row; then softmax. torch.topk gives the k best.",
           "logits.topk(top_k, dim=-1).values[:, -1:] is the worst logit that stays, one for each row; what is below it gets -inf. "
           "Temperature 0 comes first, before anything is divided: logits.argmax(dim=-1)."))

ROWS = torch.tensor([[2.0, 1.0, 0.0, -1.0], [0.0, 0.0, 3.0, 1.0]])


@sampling.case("temperature 1, all tokens: the model's own probabilities")
def _(fn):
    got = fn(ROWS, 1.0, None)
    shape_is(got, (2, 4), mistake="One probability for each token of each row: (B, V).")
    close(got, ROWS.softmax(-1), likely=[
        (ROWS.log_softmax(-1), "These are log-probabilities; probabilities are wanted."),
        (ROWS.softmax(0), "The softmax runs over the texts. Each row's probabilities over the vocabulary sum to 1: dim=-1.")])


@sampling.case("a low temperature sharpens, a high one flattens")
def _(fn):
    for temperature in (0.5, 2.0):
        powered = ROWS.softmax(-1) / temperature
        close(fn(ROWS, temperature, None), (ROWS / temperature).softmax(-1), likely=[
            ((ROWS * temperature).softmax(-1), "Turned round: the logits were multiplied. Divide them, so that a low temperature sharpens."),
            (powered, "The temperature was applied to the probabilities: they no longer sum to 1. Divide the *logits*."),
            (ROWS.softmax(-1), "The temperature did nothing. (Probabilities divided by a number and brought back to sum 1 are unchanged, too: divide "
             "the *logits*.)")])


@sampling.case("temperature 0: the best token for sure")
def _(fn):
    close(fn(ROWS, 0.0, None), torch.tensor([[1.0, 0, 0, 0], [0, 0, 1.0, 0]]), likely=[
        (torch.full_like(ROWS, math.nan), "Dividing by 0 gives nan or infinity. Temperature 0 means: the best token with probability 1."),
        (ROWS.softmax(-1), "Temperature 0 was passed over, as if none were given (0 counts as false). It means: the best token for sure.")],
        otherwise="Temperature 0 means: probability 1 for the best token of each row, 0 for the rest.")


@sampling.case("top-k: only the k best, and they sum to 1")
def _(fn):
    kept = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1]], dtype=torch.bool)
    unscaled = torch.where(kept, ROWS.softmax(-1), 0.0)
    smallest = ROWS.masked_fill(kept, float("-inf")).softmax(-1)
    close(fn(ROWS, 1.0, 2), ROWS.masked_fill(~kept, float("-inf")).softmax(-1), likely=[
        (unscaled, "The rest was removed after the softmax: what is left does not sum to 1. Remove it before, with -inf."),
        (unscaled / unscaled.sum(), "What is left was divided by the sum over *all* rows. Each row sums to 1: divide by its own sum, or put -inf "
         "before the softmax."),
        (torch.where(kept, ROWS, 0.0).softmax(-1), "A logit of 0 is an ordinary logit: exp(0) is 1. Only -inf gets probability 0."),
        (smallest, "These are the worst tokens. Keep the best."), (ROWS.softmax(-1), "top_k did nothing."),
        (next_token_probs(ROWS, 1.0, 3), "One token too many is left: is it < that is wanted, or the k-th value rather than the next?"),
        (next_token_probs(ROWS, 1.0, 1), "One token too few is left: the k-th best itself stays.")],
        otherwise="Each row keeps *its own* k best tokens, with their proportions unchanged.")


@sampling.case("both together, and a k larger than the vocabulary")
def _(fn):
    close(fn(ROWS, 0.5, 2), next_token_probs(ROWS, 0.5, 2), likely=[
        (next_token_probs(ROWS, 1.0, 2), "With top_k the temperature is forgotten."),
        (next_token_probs(ROWS, 0.5, None), "With a temperature top_k is forgotten.")])
    close(fn(ROWS, 2.0, 99), (ROWS / 2).softmax(-1), otherwise="A k beyond the vocabulary keeps everything.")


@sampling.case("any logits, temperature and k")
def _(fn):
    def draw(rng):
        rows, words = rng.length(), rng.length() + 1
        logits = torch.stack([torch.tensor(rng.order(words)) * 0.7 + rng.number(-3, 3) for _ in range(rows)])      # no ties in a row
        more = (rng.one_of((0.0, 0.5, 1.0, 2.0)), rng.one_of((None, 1, 2, 3, words, 99)))
        return (logits, *more[:rng.one_of((0, 1, 2, 2, 2, 2))])

    def one_border(logits, temperature=1.0, top_k=None):
        """Top-k with the first row's border for all rows."""
        if not top_k or top_k >= logits.shape[-1] or temperature == 0:
            return next_token_probs(logits, temperature, top_k)
        border = logits.topk(top_k, dim=-1).values[0, -1]
        return (logits / temperature).masked_fill(logits < border, float("-inf")).softmax(-1)

    agrees(fn, next_token_probs, draw, likely=[
        (one_border, "All rows were cut at the border of the first one. Each row keeps *its own* k best tokens: `values[:, -1:]`.")],
        otherwise="Divide by the temperature, keep each row's own k best, then softmax; temperature 0 takes the best token for sure.")


# ---------------------------------------------------------------------------------------------------------------- 08.5

bits = exercise(
    "08.5", title="Bits per character", function="bits_per_char", points=1, kind="implement",
    difficulty=2, importance=2, minutes=10, reference="checks:bits_per_char",
    hints=("Add up the negative log-likelihood of all tokens, and all the characters there are. Then divide once.",
           "A nat is 1 / log(2) bits. A text's end has a negative log-likelihood as well, and counts as one more character.",
           "Two sums, over all texts: of the negative log-likelihood, and of len(text) + 1. Nats become bits by dividing by math.log(2)."))


def bits_per_char(nlls: Sequence[torch.Tensor], texts: Sequence[str]) -> float:
    """Mean negative log-likelihood of a character in bits, each text's end counted as one character."""
    nats = sum(nll.sum().item() for nll in nlls)
    return nats / sum(len(text) + 1 for text in texts) / math.log(2)


TWO_TEXTS = ["abc", "a much longer one é"]
NLLS = [torch.tensor([2.0, 1.0, 3.0, 1.0]), torch.tensor([4.0, 3.0, 2.5, 0.5, 1.0])]


BIT = math.log(2)                           # nats


def _in_units(nlls, texts, *, end=1, unit=BIT):
    return sum(s.sum().item() for s in nlls) / sum(len(t) + end for t in texts) / unit


@bits.case("a coin for each character: one bit")
def _(fn):
    close(fn([torch.full((4,), math.log(2))], ["abc"]), 1.0, likely=[
        (math.log(2), "These are nats. One bit is log(2) nats: divide by it."),
        (math.log(2) ** 2, "One bit is log(2) nats: divide the nats by log(2), do not multiply."),
        (4 / 3, "The NLL of the end is in the sum, but the end is not counted: it is one more character."),
        (4.0, "This is the sum. Divide by the number of characters."),
        (4 * math.log(2), "This is the sum, in nats. Divide by the number of characters, and by log(2).")])


@bits.case("few tokens for many characters")
def _(fn):
    close(fn([torch.tensor([3.0, 2.0])], ["a whole word"]), 5 / 13 / math.log(2), likely=[
        (2.5 / math.log(2), "This is per *token*. Models with different tokenizers can be compared only per character."),
        (5 / 12 / math.log(2), "The NLL of the end is in the sum, but the end is not counted: it is one more character."),
        (5 / 13, "These are nats. One bit is log(2) nats.")])


@bits.case("several texts: one division at the end")
def _(fn):
    each = [_in_units([s], [t]) for s, t in zip(NLLS, TWO_TEXTS, strict=True)]
    tokens = sum(map(len, NLLS))
    close(fn(NLLS, TWO_TEXTS), _in_units(NLLS, TWO_TEXTS), likely=[
        (sum(each) / 2, "This is the mean of the texts' own means, in which a short text weighs as much as a long one. Divide once, at the end."),
        (sum(s.sum().item() for s in NLLS) / tokens / math.log(2), "This is per *token*."),
        (_in_units(NLLS, TWO_TEXTS, end=0), "The NLLs of the ends are in the sum, but the ends are not counted: each is one more character."),
        (sum(s.sum().item() for s in NLLS) / (sum(len(t.encode()) + 1 for t in TWO_TEXTS)) / math.log(2),
         "You counted bytes: é is one character and two bytes."),
        (_in_units(NLLS, TWO_TEXTS, unit=1.0), "These are nats. One bit is log(2) nats.")],
        otherwise="The negative log-likelihood of all texts, divided by all their characters, ends included, divided by log(2).")


@bits.case("any texts")
def _(fn):
    def draw(rng):
        texts = ["".join(rng.one_of("abé ") for _ in range(rng.whole(0, 8))) for _ in range(rng.length())]
        return [rng.uniform(0.1, 4.0, rng.whole(1, 1 + len(text))) for text in texts], texts

    agrees(fn, bits_per_char, draw, otherwise="The negative log-likelihood of all texts, divided by all their characters, ends included, divided by log(2).")


# ---------------------------------------------------------------------------------------------------------------- 08.6

sizes = exercise(
    "08.6", title="Where the parameters are", function="parameter_count", points=1, kind="predict",
    difficulty=2, importance=1, minutes=10, reference="checks:parameter_count",
    hints=("Go through the model as it is printed in section 8.6. A linear layer from a to b numbers has a * b weights and b biases; a "
           "LayerNorm of width C has 2 * C.",
           "A block: two norms, C to 3C, C to C, C to 4C, 4C to C. Around the blocks: a table for tokens, a table for positions, one "
           "last norm. The output uses the token table again.",
           "The weights of a block come to 12 * C * C, its biases and norms to 13 * C; around the blocks there are V + T rows of C and one norm."))


def parameter_count(vocab_size: int, context: int, layers: int, width: int) -> int:
    """Parameters of a GPT of this shape."""
    block = 12 * width * width + 13 * width
    return (vocab_size + context) * width + layers * block + 2 * width


EXACT = {"rtol": 0.0, "atol": 0.5}          # parameters are counted, not measured
ALL_PARTS = "Two tables, the blocks with their biases and norms, and the last norm: which part differs?"


def _count_mistakes(V, T, L, C):
    right = parameter_count(V, T, L, C)
    return apart(right, [(right + V * C, "The output layer was counted as well: it is the token table once more (tied), nothing new."),
            (right - 2 * C, "The norm after the last block is missing."), (right - T * C, "The table of positions is missing."),
            (right - L * 13 * C - 2 * C, "Biases and norms are missing: small, but they are parameters."),
            (right - L * 9 * C, "The biases are missing: each linear layer has one number per output."),
            (right - L * 4 * C, "The norms inside the blocks are missing: two a block, 2C numbers each."),
            (right - L * 4 * C - 2 * C, "The norms are missing: two in each block and one at the end, 2C numbers each."),
            (right - (L - 1) * (12 * C * C + 13 * C), "Only one block was counted."),
            (right - L * (C * C + C), "Attention's projection back into the stream, C to C, is missing."),
            (right - V * C, "The table of tokens is missing.")], **EXACT)


@sizes.case("no block at all")
def _(fn):
    right = parameter_count(10, 6, 0, 4)
    close(fn(10, 6, 0, 4), right, **EXACT, otherwise="Two tables and the last norm.", likely=[
        (right - 8, "The norm after the last block is missing."), (right - 24, "The table of positions is missing."),
        (right + 40, "The output layer was counted as well: it is the token table once more (tied), nothing new."),
        (right - 40, "The table of tokens is missing.")])


@sizes.case("one block")
def _(fn):
    close(fn(10, 6, 1, 4), parameter_count(10, 6, 1, 4), likely=_count_mistakes(10, 6, 1, 4), **EXACT, otherwise=ALL_PARTS)


@sizes.case("the character model of this lesson")
def _(fn):
    close(fn(97, 192, 4, 128), parameter_count(97, 192, 4, 128), likely=_count_mistakes(97, 192, 4, 128), **EXACT, otherwise=ALL_PARTS)


@sizes.case("GPT-2 as it was published: 124,439,808")
def _(fn):
    close(fn(50_257, 1_024, 12, 768), 124_439_808, likely=_count_mistakes(50_257, 1_024, 12, 768), **EXACT, otherwise=ALL_PARTS)


@sizes.case("any shape")
def _(fn):
    agrees(fn, parameter_count, lambda rng: (rng.whole(1, 300), rng.whole(1, 200), rng.whole(0, 6), rng.whole(1, 100)), **EXACT,
           otherwise=ALL_PARTS)
