"""Looking at a model that is paid for its texts from several sides, because its reward alone flatters it. Lesson 08.

    report = look_at(model, start, tokenizer, unseen.evenly_spaced(256))
    report.reward, report.kl, report.distinct_2, report.about_the_prompt
"""

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.lm.generate import generate
from course_lib.lm.gpt import GPT
from course_lib.lm.metrics import distinct_n
from course_lib.lm.policy_gradient import completion_logprobs
from course_lib.lm.sentiment import completions, sentiment, whole_texts
from course_lib.lm.tokenizer import Tokenizer


@dataclass(frozen=True)
class TextReport:
    """What a model made of some prompts, one completion each."""

    texts: list[str]                # prompt and completion
    rewards: list[float]            # of each text
    reward: float                   # their mean
    reward_error: float             # standard error of that mean
    kl: float                       # nats a text, from the model it started as; a mean over the texts, so an estimate
    distinct_2: float               # share of different pairs of words among all completions
    about_the_prompt: float         # nats by which a completion is likelier after its own prompt than after another's
    favourites: list[tuple[str, float]]     # most frequent words of the completions, and their shares


@torch.no_grad()
def look_at(model: GPT, start: GPT, tokenizer: Tokenizer, prompts: Tensor, new_tokens: int = 24, seed: int = 0,
            reward: Callable[[Sequence[str]], Tensor] = sentiment) -> TextReport:
    """Let `model` complete `prompts` (B, P), two or more of them, and measure. start: the model it was trained from."""
    P, eos = prompts.shape[1], tokenizer.eos
    tokens = generate(model, prompts, new_tokens, generator=torch.Generator().manual_seed(seed), eos=eos).tokens
    texts, said = whole_texts(tokenizer, tokens), completions(tokenizer, tokens, P)
    rewards = reward(texts).tolist()
    logprobs = completion_logprobs(model(tokens), tokens, P, eos)                           # (B,)
    before = completion_logprobs(start(tokens), tokens, P, eos)                             # (B,)
    strange = torch.cat([prompts.roll(1, dims=0), tokens[:, P:]], dim=1)                    # another's prompt in front
    elsewhere = completion_logprobs(model(strange), strange, P, eos)                        # (B,)
    words = Counter(word for text in said for word in text.lower().split())
    return TextReport(
        texts=texts, rewards=rewards, reward=statistics.fmean(rewards),
        reward_error=statistics.stdev(rewards) / len(rewards) ** 0.5, kl=(logprobs - before).mean().item(),
        distinct_2=distinct_n(said, 2), about_the_prompt=(logprobs - elsewhere).mean().item(),
        favourites=[(word, count / max(1, words.total())) for word, count in words.most_common(5)])
