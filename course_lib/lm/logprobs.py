"""Log-probabilities of tokens, read off at the right place. Lesson 07, exercise 07.3; lessons 08 and 10."""

import torch
from torch import Tensor


def token_logprobs(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of each token given those before it, (B, T - 1), in nats.

    logits: (B, T, V), what the model said after reading each of `tokens` (B, T). Column t of the result belongs to
    tokens[:, t + 1]: the logits at place t are about the *next* token, and nothing is said about the first one.
    """
    logprobs = torch.log_softmax(logits[:, :-1].float(), dim=-1)            # (B, T - 1, V)
    return logprobs.gather(-1, tokens[:, 1:, None]).squeeze(-1)             # (B, T - 1)
