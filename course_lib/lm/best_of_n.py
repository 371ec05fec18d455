"""Best-of-n: write several completions and keep the best. No training. Lesson 14, section 14.2.

It is the baseline that every method of training must beat, and it needs nothing but a reward. It costs n times the
writing, each time that the model is used. How far it goes from the model that wrote is known without measuring:
at most log n - (n - 1) / n nats, 1.8 for n = 16 (`best_of_n_kl`). And `expected_best` tells from N completions of each
prompt what the best of 1, 2, ..., N would be worth, without writing anew for each n.

Sources: N. Stiennon et al. (2020), "Learning to summarize from human feedback", appendix G.3, for the KL; A. Beirami et
al. (2024), "Theoretical guarantees on the best-of-n alignment policy", who show that it is an upper bound; R. Nakano et
al. (2021), "WebGPT", appendix I, for the estimate.
"""

import math

import torch
from torch import Tensor

from course_lib.lm.generate import TextReward, generate
from course_lib.lm.gpt import GPT
from course_lib.lm.tokenizers import Tokenizer, decode_until_end


def best_rows(rewards: Tensor, n: int) -> Tensor:
    """(prompts,) int64: which row of a batch is the best completion of each prompt; of equal ones the first.

    rewards: (prompts * n,), the n completions of a prompt behind each other. Raises ValueError when they do not come in
    groups of n, and when a reward is nan, which is neither better nor worse than another.
    """
    if n < 1 or not len(rewards) or len(rewards) % n:
        raise ValueError(f"{len(rewards)} rewards are not {n} for each prompt")
    if torch.isnan(rewards).any():
        raise ValueError("a reward is nan, so there is no best one: look at the reward function")
    groups = rewards.view(-1, n)                                                # (prompts, n)
    return groups.argmax(dim=1) + n * torch.arange(len(groups))


def best_of_n(model: GPT, prompts: Tensor, n: int, reward: TextReward, tokenizer: Tokenizer, max_new_tokens: int = 24,
              generator: torch.Generator | None = None) -> tuple[list[str], Tensor]:
    """(texts, their rewards (B,)): of `n` completions of each of the prompts (B, P) the one with the highest reward.

    Raises ValueError for n below 1, and as `generate` does.
    """
    if n < 1:
        raise ValueError(f"the best of {n} does not exist: n is 1 or more")
    texts: list[str] = []
    for some in prompts.repeat_interleave(n, dim=0).split(256):                 # a cache for all at once would be large
        written = generate(model, some, max_new_tokens, generator=generator, eos=tokenizer.eos)
        texts += [decode_until_end(tokenizer, row) for row in written.tokens]
    rewards = reward(texts)                                                     # (B * n,)
    best = best_rows(rewards, n)                                                # (B,)
    return [texts[row] for row in best.tolist()], rewards[best]


def best_of_n_kl(n: int) -> float:
    """Nats by which the best of n completions can differ from the model that wrote them: log n - (n - 1) / n, at most.

    It comes near this where every single completion is unlikely, as long texts are; where a few are likely it is less.
    Source: Beirami et al. (2024), section 3.
    """
    if n < 1:
        raise ValueError(f"the best of {n} does not exist: n is 1 or more")
    return math.log(n) - (n - 1) / n


def expected_best(rewards: Tensor, n: int, values: Tensor | None = None) -> Tensor:
    """What the best of `n` completions is worth on average, (...), estimated from all N of them without bias.

    rewards: (..., N) by which the best is chosen. values: (..., N) what it is then worth, for instance under another
    reward than the one that chose; None: the reward itself. Among equal rewards each is as likely to be kept.
    It is the mean over all sets of n of the N completions; nothing is drawn. The completion with the i-th lowest reward
    is the best of C(i - 1, n - 1) of the C(N, n) sets. Source: Nakano et al. (2021), appendix I.

    Raises ValueError for n outside 1 to N and for rewards that are nan.
    """
    N = rewards.shape[-1]
    if not 1 <= n <= N:
        raise ValueError(f"the best of {n} cannot be estimated from {N} completions: n is 1 to {N}")
    if torch.isnan(rewards).any():
        raise ValueError("a reward is nan, so there is no best one: look at the reward function")
    equal = (rewards[..., :, None] == rewards[..., None, :]).double()           # (..., N, N)
    values = (rewards if values is None else values).double()
    values = (equal @ values[..., None]).squeeze(-1) / equal.sum(dim=-1)        # (..., N), means over equal rewards
    share = [math.comb(i - 1, n - 1) / math.comb(N, n) for i in range(1, N + 1)]
    order = rewards.argsort(dim=-1)                                             # (..., N), lowest first
    return (values.gather(-1, order) * torch.tensor(share, dtype=torch.float64)).sum(dim=-1).to(rewards.dtype)
