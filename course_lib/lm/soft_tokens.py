"""Following the reward model's own gradient: mixtures of tokens that it loves and nobody can read. Lesson 10, 10.10.

A text is a row of choices, and choices have no gradient. But the reward model does not read tokens, it reads their
embeddings, and those are numbers: so let each place hold a *mixture* of all tokens and climb. What comes out scores
above every text of the policy; read as text again, by the heaviest token of each place, it is a salad of words, which
the reward model may like or not.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.lm.reward_model import RewardModel
from course_lib.lm.tokenizer import Tokenizer


@dataclass(frozen=True)
class Climb:
    """What following the gradient came to."""

    soft: list[float]           # the reward of the mixtures, after each step
    hard: list[float]           # of the text that reads the heaviest token at each place, after each step
    largest_share: float        # of the heaviest token of a place in the end, mean over places
    text: str                   # what can be read in the end


def reward_of_mixtures(model: RewardModel, mixtures: Tensor, eos: int) -> Tensor:
    """The model's reward of texts whose tokens are mixtures, (B,). mixtures: (B, T, V), each place sums to 1.

    With all weight on one token this is the reward of that text, `model(*pack(...))`.
    """
    trunk = model.trunk
    end = trunk.token_embedding.weight[eos].expand(len(mixtures), 1, -1)                    # (B, 1, C)
    x = torch.cat([end, mixtures @ trunk.token_embedding.weight, end], dim=1)               # (B, T + 2, C)
    x = x + trunk.position_embedding.weight[:x.shape[1]]
    for block in trunk.blocks:
        x = block(x)                                                                        # (B, T + 2, C)
    return model.head(trunk.norm(x)[:, -1]).squeeze(-1)                                     # (B,)


def climb(model: RewardModel, ids: list[int], tokenizer: Tokenizer, steps: int = 150, learning_rate: float = 0.3,
          first_share: float = 0.9) -> Climb:
    """Begin at the text `ids`, with `first_share` of the weight on its tokens, and follow the reward's gradient."""
    start = torch.full((1, len(ids), tokenizer.vocab_size), (1 - first_share) / (tokenizer.vocab_size - 1))
    start.scatter_(-1, torch.tensor(ids)[None, :, None], first_share)
    logits = start.log().requires_grad_(True)                                               # (1, T, V)
    optimizer = torch.optim.Adam([logits], lr=learning_rate)
    soft, hard = [], []
    for _ in range(steps):
        reward = reward_of_mixtures(model, logits.softmax(-1), tokenizer.eos).sum()
        logits.grad, = torch.autograd.grad(-reward, logits)             # of the text alone: the model stays as it is
        optimizer.step()
        soft.append(reward.item())
        hard.append(model.score([logits.argmax(-1)[0].tolist()], tokenizer.eos).item())
    shares = logits.detach().softmax(-1).amax(-1)
    return Climb(soft, hard, shares.mean().item(), tokenizer.decode(logits.argmax(-1)[0].tolist()))
