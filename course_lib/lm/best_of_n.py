"""Best of n: write several completions, keep the one that is liked best. No training at all. Lesson 10; more in 12.

Its KL from the model that wrote is at most log n - (n - 1) / n: 1.8 nats for 16. Source: N. Stiennon et al. (2020),
appendix G.3; A. Beirami et al. (2024), "Theoretical guarantees on the best-of-n alignment policy", for "at most".
"""

import torch
from torch import Tensor

from course_lib.lm.completions import TextReward
from course_lib.lm.generate import generate
from course_lib.lm.gpt import GPT
from course_lib.lm.tokenizer import Tokenizer, decode_until_end


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
    rewards, places = reward(texts).view(len(prompts), n).max(dim=1)            # (B,) each
    return [texts[i * n + place] for i, place in enumerate(places.tolist())], rewards
