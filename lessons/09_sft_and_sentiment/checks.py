"""What the answers to lesson 09's exercises must do, and the course's own answers where the library has none."""

import torch

from course_lib.exercises import Fail, agrees, apart, close, differentiable, exercise, shape_is
from course_lib.lm.generate import completion_logprobs
from course_lib.lm.metrics import distinct_n
from course_lib.lm.sft import NOT_LEARNED, sft_targets
from course_lib.rl.objectives import leave_one_out

# ---------------------------------------------------------------------------------------------------------------- 09.1

targets = exercise(
    "09.1", title="What fine-tuning learns", function="sft_targets", points=2, kind="implement",
    difficulty=2, importance=3, minutes=15, reference="course_lib.lm.sft:sft_targets",
    hints=("The targets are tokens[:, 1:]; all that is left is to put -100 where nothing is to be learned: in the prompt and in the padding.",
           "Give each target its position in the row, 1 to T. The prompt fills positions 1 to prompt_tokens; the padding begins at position "
           "`length`. The end token that ends the text stands at position length - 1 and is learned.",
           "place = torch.arange(1, tokens.shape[1]) is one row; lengths[:, None] is one column: a comparison of the two gives the whole "
           "(B, T). masked_fill puts -100 where nothing is learned."))

ONE_ROW = torch.tensor([[0, 11, 12, 13, 14, 0, 0]])
ROWS = torch.tensor([[0, 11, 12, 13, 14, 0, 0, 0], [0, 21, 22, 23, 0, 0, 0, 0], [0, 31, 32, 33, 34, 35, 36, 37]])
LENGTHS = torch.tensor([6, 5, 8])


def _targets(tokens, lengths, prompt_tokens, *, prompt_shift=0, end_shift=0, shift=True):
    """Targets in the right way or in a wrong one."""
    place = torch.arange(1, tokens.shape[1])
    learned = (place > prompt_tokens + prompt_shift) & (place < lengths[:, None] + end_shift)
    return (tokens[:, 1:] if shift else tokens[:, :-1]).masked_fill(~learned, NOT_LEARNED)


def _target_mistakes(tokens, lengths, prompt_tokens):
    by_token = tokens[:, 1:].masked_fill((tokens[:, 1:] == 0) | (torch.arange(1, tokens.shape[1]) <= prompt_tokens), NOT_LEARNED)
    one_more = _targets(tokens, lengths, prompt_tokens, end_shift=1)
    one_too_many = [(one_more, "One token of padding is learned: the text's last token stands at position length - 1.")]
    several = not torch.equal(one_more, _targets(tokens, lengths, prompt_tokens, end_shift=99))
    return apart(sft_targets(tokens, lengths, prompt_tokens), [
        *(one_too_many if several else []),
        (tokens[:, 1:], "Everything is learned, prompt and padding too: put -100 there."),
        (_targets(tokens, lengths, 0), "The prompt is learned too: its targets are -100."),
        (_targets(tokens, lengths, prompt_tokens, end_shift=99), "The padding is learned too: behind the end token of the text all targets are -100."),
        (_targets(tokens, lengths, prompt_tokens, prompt_shift=-1), "The last token of the prompt is learned. A target stands one position further to the "
         "right than the logits that predict it: off by one."),
        (_targets(tokens, lengths, prompt_tokens, prompt_shift=1), "The first token of the completion is not learned: it is predicted at the last position of the "
         "prompt. Off by one."),
        (_targets(tokens, lengths, prompt_tokens, prompt_shift=1, end_shift=1), "Prompt and padding are masked by the column of the *logits*. A target at "
         "column t is the token at t + 1: compare t + 1 with prompt_tokens and lengths."),
        (_targets(tokens, lengths, prompt_tokens, end_shift=-1), "The end token behind the text is not learned: this model will never stop. Padding "
         "is the same token: tell them apart by `lengths`."),
        (by_token, "The end token behind the text is not learned: this model will never stop. Padding is the same token: tell them apart by `lengths`."),
        (_targets(tokens, lengths, prompt_tokens, shift=False), "The tokens themselves came back. The target at position t is the token at position t + 1: tokens[:, 1:]."),
        (_targets(tokens, lengths, prompt_tokens).masked_fill(_targets(tokens, lengths, prompt_tokens) == NOT_LEARNED, 0),
         "Masked with 0? That is a token, and it would be learned. Cross-entropy passes over -100.")])


def _compare_targets(fn, tokens, lengths, prompt_tokens):
    got = fn(tokens, lengths, prompt_tokens)
    shape_is(got, (len(tokens), tokens.shape[1] - 1), mistake="A row of T + 1 tokens has T targets: after the last one nothing follows.")
    close(got, sft_targets(tokens, lengths, prompt_tokens), likely=_target_mistakes(tokens, lengths, prompt_tokens),
          otherwise="The completion and the end token behind it are learned; everything else is -100.")


@targets.case("the row of the table")
def _(fn):
    _compare_targets(fn, ONE_ROW, torch.tensor([6]), 2)


@targets.case("no prompt: the whole text is learned, from its first token on")
def _(fn):
    _compare_targets(fn, ONE_ROW, torch.tensor([6]), 0)


@targets.case("three rows of unequal lengths; the last one was cut and has no end")
def _(fn):
    _compare_targets(fn, ROWS, LENGTHS, 2)


@targets.case("a longer prompt")
def _(fn):
    _compare_targets(fn, ROWS, LENGTHS, 3)


@targets.case("any rows, any prompt")
def _(fn):
    def draw(rng):
        rows, columns = rng.length(), rng.length(2) + 1
        return rng.wholes(0, 5, rows, columns), rng.wholes(1, columns, rows), rng.whole(0, columns - 1)

    def by_token(tokens, lengths, prompt_tokens):
        place = torch.arange(1, tokens.shape[1])
        return tokens[:, 1:].masked_fill((tokens[:, 1:] == 0) | (place <= prompt_tokens), NOT_LEARNED)

    agrees(fn, sft_targets, draw, likely=[
        (by_token, "Every token 0 was taken for padding. Padding is told apart by its place, `lengths`, not by its token.")],
        otherwise="The completion and the end token behind it are learned; everything else is -100.")


# ---------------------------------------------------------------------------------------------------------------- 09.2

shifted = exercise(
    "09.2", title="Find the silent bug: credit for the wrong word", function="completion_logprobs", points=2, kind="bug",
    difficulty=2, importance=3, minutes=10, reference="course_lib.lm.generate:completion_logprobs",
    hints=("Which logits was the first token of the completion sampled from? Think of the moment when only the prompt had been read.",
           "The logits at a position are about the next token. The completion begins at column prompt_length, so the logits about it begin one "
           "column earlier, and the last column of logits is about a token that is not there.",
           "There are as many columns of logits as of completion; the first of them is column prompt_length - 1. Where does that leave the "
           "last?"))


def _normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


LOGITS = 2 * _normal(3, 7, 6, seed=5)
TOKENS = torch.tensor([[0, 3, 1, 4, 2, 5, 1], [0, 5, 2, 2, 0, 0, 0], [0, 1, 4, 0, 0, 0, 0]])


def _sums(logits, tokens, prompt_length, eos, *, shift=-1, cut="after", mean=False):
    """Log-probabilities of completions in the right way or in a wrong one."""
    completion = tokens[:, prompt_length:]
    said = logits.log_softmax(-1)[:, prompt_length + shift:][:, :completion.shape[1]]
    completion = completion[:, :said.shape[1]] if shift <= 0 else completion[:, shift:]
    logprobs = said[:, :completion.shape[1]].gather(-1, completion[..., None]).squeeze(-1)
    ends = (completion == eos).long()
    before = ends.cumsum(1) - ends
    chosen = {"after": before == 0, "before": (before == 0) & (ends == 0), "never": torch.ones_like(ends).bool()}[cut]
    total = (logprobs * chosen).sum(1)
    return total / chosen.sum(1) if mean else total


def _without_first(logits, tokens, prompt_length, eos):
    return _sums(logits, tokens, prompt_length, eos) - logits.log_softmax(-1)[:, prompt_length - 1].gather(
        -1, tokens[:, prompt_length, None]).squeeze(-1)


def _logprob_mistakes(logits, tokens, prompt_length, eos):
    arguments = logits, tokens, prompt_length, eos
    return apart(completion_logprobs(*arguments), [
        (_sums(*arguments, shift=0), "Shifted by one: each token is looked up in the logits at its *own* position, which were computed after reading it. Which "
         "logits was it sampled from?"),
        (_without_first(*arguments), "The first token of the completion is missing. It was sampled from the logits at the last position of the prompt."),
        (_sums(*arguments, shift=-2), "Shifted the other way: these logits are about the token *before*."),
        (_sums(*arguments, cut="never"), "The padding behind the end counts too. Only the shift was wrong; leave `chosen` as it was."),
        (_sums(*arguments, cut="before"), "The end token is not counted. It was chosen like any other: leave `chosen` as it was."),
        (_sums(*arguments, mean=True), "This is the mean over the tokens. The log-probability of a completion is the sum.")])


@shifted.case("a completion of one token")
def _(fn):
    arguments = LOGITS[:1, :3], TOKENS[:1, :3], 2, 0
    got = fn(*arguments)
    shape_is(got, (1,), mistake="One number for each row: the sum over its completion.")
    close(got, completion_logprobs(*arguments), likely=_logprob_mistakes(*arguments),
          otherwise="The only token of this completion was sampled from the logits at the last position of the prompt.")


@shifted.case("a model that was sure of every word")
def _(fn):
    logits = _normal(1, 5, 6, seed=6)
    for place, following in enumerate((3, 1, 4, 2)):
        logits[0, place, following] += 40.0
    close(fn(logits, TOKENS[:1, :5], 2, 0), torch.zeros(1), atol=1e-3, likely=_logprob_mistakes(logits, TOKENS[:1, :5], 2, 0),
          otherwise="At each position the model was sure of the token that came next. The log-probability of a certain token is 0.")


@shifted.case("three rows, two of them end early")
def _(fn):
    arguments = LOGITS, TOKENS, 2, 0
    close(fn(*arguments), completion_logprobs(*arguments), likely=_logprob_mistakes(*arguments),
          otherwise="Sum over the completion, up to and including its first end token, of the log-probabilities one position earlier.")


@shifted.case("a longer prompt")
def _(fn):
    arguments = LOGITS, TOKENS, 4, 0
    close(fn(*arguments), completion_logprobs(*arguments), likely=_logprob_mistakes(*arguments),
          otherwise="Each token of the completion is looked up in the logits of the position before it.")


@shifted.case("the gradient reaches the last position of the prompt, and nothing before it")
def _(fn):
    logits = LOGITS.clone().requires_grad_(True)
    total = fn(logits, TOKENS, 3, 0)
    if not (isinstance(total, torch.Tensor) and total.requires_grad):
        raise Fail("completion_logprobs(...).requires_grad", "True", "False", "The result lost its way back to the logits: no .item(), .detach() or numpy.")
    total.sum().backward()
    reached = logits.grad.abs().sum(dim=(0, 2)) > 0
    close(reached, torch.tensor([False, False, True, True, True, True, False]), call="positions of the logits that get a gradient, prompt_length=3",
          otherwise="The completion begins at column 3, so the logits at position 2 must learn and those at the last position must not.")


@shifted.case("any rows, any prompt, any end token, and the gradient")
def _(fn):
    def draw(rng):
        rows, columns, words = rng.length(), rng.length(2), rng.length(2)
        return rng.normal(rows, columns + 1, words, scale=2), rng.wholes(0, words - 1, rows, columns + 1), rng.whole(1, columns), rng.whole(0, words - 1)

    agrees(fn, completion_logprobs, draw, rtol=1e-3, atol=1e-4, likely=[
        (lambda *given: _sums(*given, shift=0), "Shifted by one: each token is looked up in the logits at its *own* position."),
        (lambda *given: _sums(*given, cut="never"), "What stands behind the end counts too: leave `chosen` as it was."),
        (lambda *given: _sums(*given, cut="before"), "The end token is not counted. It was chosen like any other.")])
    differentiable(fn, draw, completion_logprobs, wrt=["logits"])


# ---------------------------------------------------------------------------------------------------------------- 09.3

exact = exercise(
    "09.3", title="The policy gradient with a pen", function="expected_reward_gradient", points=2, kind="implement",
    difficulty=2, importance=2, minutes=15, reference="checks:expected_reward_gradient",
    hints=("Put the derivative of p_i into the sum over i, and split it: one part has only i = k, the other is a sum over all i.",
           "The first part is p_k r_k. The second is minus p_k times the sum of all p_i r_i, the average reward.",
           "Both parts have the factor p_k. What is left in the brackets is a reward and an average, where p = softmax(logits)."))


def expected_reward_gradient(logits: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
    """Gradient of sum_i softmax(logits)_i * rewards_i with respect to the logits, (K,)."""
    p = torch.softmax(logits, dim=-1)
    return p * (rewards - (p * rewards).sum())


def _compare_gradient(fn, logits, rewards):
    p = logits.softmax(-1)
    close(fn(logits, rewards), expected_reward_gradient(logits, rewards), likely=apart(expected_reward_gradient(logits, rewards), [
        (p * rewards, "Half of it: p_k r_k. When one text becomes likelier the others become rarer, because probabilities sum to 1. Subtract what they lose."),
        (rewards - (p * rewards).sum(), "Each derivative is also in proportion to how often the text is written: multiply by p."),
        (p * (rewards - rewards.mean()), "The average is over what the policy *writes*: weigh each reward by its probability."),
        (-expected_reward_gradient(logits, rewards), "The sign is turned round: this is the gradient of a loss. The gradient of the reward itself is asked for."),
        (p * (1 - p) * rewards, "This counts what a text's own probability gains and forgets what the others lose: the sum runs over all i."),
        ((p * rewards).sum().expand_as(p), "This is the expected reward itself, not its gradient.")]),
        otherwise="Compare with autograd: make logits require a gradient, compute (softmax(logits) * rewards).sum(), call backward.")


@exact.case("equal chances")
def _(fn):
    got = fn(torch.zeros(3), torch.tensor([1.0, 2.0, 6.0]))
    shape_is(got, (3,), mistake="One derivative for each logit.")
    _compare_gradient(fn, torch.zeros(3), torch.tensor([1.0, 2.0, 6.0]))


@exact.case("all texts have the same reward: nothing to learn")
def _(fn):
    _compare_gradient(fn, torch.tensor([0.3, -1.0, 2.0, 0.0]), torch.full((4,), 5.0))


@exact.case("unequal chances")
def _(fn):
    _compare_gradient(fn, torch.tensor([1.5, -0.5, 0.2, -2.0]), torch.tensor([0.1, -1.0, 2.0, 3.0]))


@exact.case("any chances, any rewards")
def _(fn):
    def draw(rng):
        texts = rng.length()
        return rng.normal(texts, scale=2), rng.normal(texts, scale=3)

    agrees(fn, expected_reward_gradient, draw)


@exact.case("by a formula, without autograd")
def _(fn):
    logits, rewards = torch.tensor([1.5, -0.5, 0.2]), torch.tensor([0.1, -1.0, 2.0])
    try:
        with torch.inference_mode():
            got = fn(logits, rewards)
    except RuntimeError as error:
        raise Fail("expected_reward_gradient(...) where autograd is switched off", "the gradient", str(error)[:120],
                   "Yours asks autograd for the gradient. Work it out with a pen, and write down the formula that you found.") from None
    close(got, expected_reward_gradient(logits, rewards), otherwise="Where autograd is switched off, something else comes out.")


# ---------------------------------------------------------------------------------------------------------------- 09.4

siblings = exercise(
    "09.4", title="A leave-one-out baseline", function="leave_one_out", points=2, kind="implement",
    difficulty=2, importance=3, minutes=15, reference="course_lib.rl.objectives:leave_one_out",
    hints=("For one prompt with rewards 1, 2 and 6: what is the mean of the other two, for each of the three?",
           "Sum of the row minus the reward itself, divided by one less than the number of copies. keepdim=True keeps the shapes together.",
           "rewards.sum(dim=1, keepdim=True) - rewards holds, for each completion, the sum of the others of its prompt. How many are they?"))


def _compare_siblings(fn, rewards):
    mean, copies = rewards.mean(dim=1, keepdim=True), rewards.shape[1]
    right = leave_one_out(rewards)
    got = fn(rewards)
    shape_is(got, tuple(rewards.shape), mistake="The result has the shape of rewards: (prompts, copies).")
    close(got, right, likely=apart(right, [
        (rewards - mean, "Each reward stands in its own average: that makes every difference too small. Leave it out, and divide by one less."),
        (rewards - rewards.mean(), "You compared with the whole batch. Compare within each prompt: dim=1."),
        (rewards - rewards.mean(dim=0), "You averaged over the prompts: the copies of one prompt stand side by side in a *row*, so dim=1."),
        (rewards - (rewards.sum(dim=1, keepdim=True) - rewards) / copies, "You left the reward out of the sum but divided by all copies: divide by one less."),
        (rewards - right, "This is the baseline, the mean of the others. Subtract it from the reward."),
        (-right, "The sign is turned round: better than the others is positive."),
        ((rewards - mean) / (rewards.std(dim=1, keepdim=True) + 1e-8), "Divided by the standard deviation as well: that is another algorithm (GRPO)."),
        (rewards - (rewards.sum() - rewards) / (rewards.numel() - 1), "You left one out of the whole batch. Compare within each prompt: dim=1."),
        (rewards - (rewards.sum(dim=0) - rewards) / max(1, len(rewards) - 1), "You compared with the other *prompts*: the copies of one prompt stand "
         "side by side in a *row*, so dim=1.")]),
        otherwise="For each completion: its reward minus the mean reward of the other completions of the same prompt.")


@siblings.case("two prompts, three completions of each")
def _(fn):
    _compare_siblings(fn, torch.tensor([[1.0, 2.0, 6.0], [0.0, -1.0, 0.5]]))


@siblings.case("a happy prompt and a sad one")
def _(fn):
    _compare_siblings(fn, torch.tensor([[0.9, 0.8, 0.9, 0.6], [-0.9, -0.3, -0.8, -0.7]]))


@siblings.case("two completions: minus each other")
def _(fn):
    _compare_siblings(fn, torch.tensor([[1.0, 4.0], [0.5, 0.0], [2.0, 2.0]]))


@siblings.case("advantages of a prompt sum to zero")
def _(fn):
    close(torch.as_tensor(fn(_normal(6, 5, seed=2))).sum(dim=1), torch.zeros(6), atol=1e-4, call="leave_one_out(rewards).sum(dim=1)",
          otherwise="The differences of one prompt cancel: each row sums to 0.")


@siblings.case("any prompts, any number of completions")
def _(fn):
    agrees(fn, leave_one_out, lambda rng: (rng.normal(rng.length(), rng.length() + 1, scale=2),))


# ---------------------------------------------------------------------------------------------------------------- 09.5

variety = exercise(
    "09.5", title="Does it repeat itself?", function="distinct_n", points=1, kind="implement",
    difficulty=1, importance=2, minutes=10, reference="course_lib.lm.metrics:distinct_n",
    hints=("A text of w words has w - n + 1 runs of n neighbouring words. Collect them all in one list.",
           "Make each run a tuple, so that it can go into a set. The share is len(set(runs)) / len(runs).",
           "tuple(words[k:k + n]) is the run that begins with word k. Collect those of all texts in one list, text by text; and what if "
           "that list is empty?"))


def _distinct(texts, n, *, lower=True, across=False, per_text=False, repeated=False, stride=1):
    """distinct-n in the right way or in a wrong one."""
    lists = [(text.lower() if lower else text).split() for text in texts]
    lists = [sum(lists, [])] if across else lists
    each = [[tuple(words[k:k + n]) for k in range(0, len(words) - n + 1, stride)] for words in lists]
    if per_text:
        shares = [len(set(runs)) / len(runs) for runs in each if runs]
        return sum(shares) / len(shares) if shares else 0.0
    runs = sum(each, [])
    different = sum(runs.count(run) == 1 for run in set(runs)) if repeated else len(set(runs))
    return different / len(runs) if runs else 0.0


def _compare_variety(fn, texts, n):
    right = distinct_n(texts, n)
    close(fn(texts, n), right, likely=apart(right, [
        (_distinct(texts, n, across=True), "A run crossed from one text into the next. Collect the runs text by text."),
        (_distinct(texts, n, per_text=True), "You averaged over the texts. Ten copies of one varied text would look varied: put all runs together first."),
        (_distinct(texts, n, lower=False), "`Love` and `love` are the same word: use lower case."),
        (_distinct(texts, n, repeated=True), "You counted runs that occur only once. Every *different* run counts once, however often it occurs."),
        (_distinct(texts, n, stride=n), "Runs overlap: a b c holds the pairs a b and b c."),
        (_distinct(texts, 1), f"These are single words. Runs of {n} words are asked for."),
        (1 - right, "This is the share of repetitions, 1 minus what is asked for.")]),
        otherwise="Different runs of n words, divided by all runs of n words, over all texts together.")


@variety.case("the example, and one more text")
def _(fn):
    _compare_variety(fn, ["I love it", "I love love love", "it is so"], 2)


@variety.case("single words")
def _(fn):
    _compare_variety(fn, ["Love it", "love LOVE them"], 1)


@variety.case("two texts that are the same")
def _(fn):
    _compare_variety(fn, ["a fine old film indeed", "a fine old film indeed", "great"], 2)


@variety.case("runs of three")
def _(fn):
    _compare_variety(fn, ["so good so good so good", "so good it hurts"], 3)


@variety.case("texts too short for any run")
def _(fn):
    try:
        got = fn(["love", ""], 2)
    except ZeroDivisionError:
        raise Fail("distinct_n(['love', ''], 2)", "0", "ZeroDivisionError", "There is no run at all here: return 0 in that case.") from None
    close(got, 0.0, otherwise="There is no run at all here: return 0.")


@variety.case("any texts, any n")
def _(fn):
    def draw(rng):
        words = ("so", "So", "good", "film", "it")
        texts = [rng.one_of((" ", "  ", "\t")).join(rng.one_of(words) for _ in range(rng.whole(0, 2 + rng.size))) for _ in range(rng.length())]
        return texts, rng.whole(1, 3)

    agrees(fn, distinct_n, draw, likely=[
        (lambda texts, n: _distinct(texts, n, across=True), "A run crossed from one text into the next. Collect the runs text by text."),
        (lambda texts, n: _distinct(texts, n, per_text=True), "You averaged over the texts: put all runs together first."),
        (lambda texts, n: _distinct(texts, n, lower=False), "`So` and `so` are the same word: use lower case.")],
        otherwise="Different runs of n words, divided by all runs of n words, over all texts together.")


# ---------------------------------------------------------------------------------------------------------------- 09.6

predict = exercise(
    "09.6", title="What does the dictionary say?", function="vader_says", points=1, kind="predict",
    difficulty=1, importance=2, minutes=10, reference="checks:vader_says",
    hints=("Forget the sentence. Which of its words would stand in a dictionary of happy and unhappy words?",
           "love, won: happy. bad, war, cancer: unhappy. cold, came, expected: not in it. Then look for a *not* or *never* shortly before a word that is in it.",
           "not bad: the sign is flipped. Nobody is no negation for VADER. won is outweighed by war and cancer. There is no such word for never to flip."))

POSITIVE, NEGATIVE, NEUTRAL = "positive", "negative", "neutral"
SAYINGS = {
    "The film was not bad at all.": (POSITIVE, "`bad` is unhappy, and `not` stands before it: VADER flips its sign. Here its rule is right."),
    "I expected to love it.": (POSITIVE, "`love` is in the dictionary and `expected` is not. No word that VADER knows says that it came otherwise."),
    "Nobody will ever love this film.": (POSITIVE, "VADER's list of negations has not, never, none, … but not `nobody`. What is left is `love`."),
    "He won the war against cancer.": (NEGATIVE, "`won` is happy, but `war` and `cancer` are unhappy, and two outweigh one."),
    "The food was cold and the waiter never came.": (NEUTRAL, "None of these words is in the dictionary, so there is nothing to add up or to flip."),
}


def vader_says() -> dict[str, str]:
    """Sign of VADER's score for the five sentences of exercise 09.6."""
    return {sentence: sign for sentence, (sign, _) in SAYINGS.items()}


def _said(fn, sentence):
    got = fn()
    if not isinstance(got, dict) or sentence not in got:
        raise Fail("vader_says()", "a dict with the five sentences as keys", repr(got)[:80], f"The key {sentence!r} is missing.")
    sign, why = SAYINGS[sentence]
    if got[sentence] not in (POSITIVE, NEGATIVE, NEUTRAL):
        raise Fail(f"vader_says()[{sentence!r}]", "'positive', 'negative' or 'neutral'", repr(got[sentence])[:80], "Choose one of the three words.")
    if got[sentence] != sign:
        raise Fail(f"vader_says()[{sentence!r}]", "another word", repr(got[sentence]), why)


def _add_case(sentence):
    @predict.case(sentence)
    def _(fn):
        _said(fn, sentence)


for _sentence in SAYINGS:
    _add_case(_sentence)
