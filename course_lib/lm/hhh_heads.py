"""Two rewards on one model's hidden states, helpful and harmless, and a weight between them. Lesson 15, section 15.1.

The frozen 135M model reads a request with an answer; the mean of its states in layer 20 is the text's features. One
linear head is fitted to "the answer that does it is more helpful", for every request; the other one to "the answer that
declines is more harmless", for risky requests. What the second is told of harmless requests decides how often it
declines those, too: nothing at all, or that both answers are equally harmless (a tie).

Requests are split into folds, and each is judged by heads that did not see it.

Source: Y. Bai et al. (2022), "Training a helpful and harmless assistant with reinforcement learning from human
feedback", for the conflict of the two, and for preference models of both kinds of data.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.lm.features import FeatureSettings, features
from course_lib.lm.hhh_texts import Request
from course_lib.lm.reward_model import fit_linear_reward
from course_lib.preferences.human_ratings import Comparisons

READ = FeatureSettings(cue="\nRating:", last_of=(), mean_of=(20,))
KINDS = ("risky only", "ties too")


def read_requests(requests: Sequence[Request], reader=None) -> Tensor:
    """(requests, 2, 576) features: of the answer that does what was asked, then of the one that declines.

    Raises as `features` does.
    """
    texts = [f"User: {one.text}\nAssistant: {answer}" for one in requests for answer in (one.does, one.declines)]
    return features(texts, READ, progress=False, reader=reader).view(len(requests), 2, -1)


def fit_heads(rows: Tensor, risky: Tensor, folds: int = 8, seed: int = 0, l2: float = 1.0) -> dict[str, Tensor]:
    """For each of KINDS: (requests, 2, 2) rewards: answer (doing it, declining) by head (helpful, harmless).

    rows: (requests, 2, D). risky: (requests,) bool. Each head's rewards have standard deviation 1 over all texts.
    Raises ValueError when a fold would leave no risky or no harmless request to learn from.
    """
    count, flat = len(rows), rows.flatten(0, 1)                                             # (2 requests, D)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    found = {kind: torch.zeros(count, 2, 2) for kind in KINDS}
    for fold in range(folds):
        held_out = order[fold::folds]
        learn = torch.ones(count, dtype=torch.bool)
        learn[held_out] = False
        dangerous, safe = (learn & risky).nonzero().flatten(), (learn & ~risky).nonzero().flatten()
        if not len(dangerous) or not len(safe):
            raise ValueError("a fold leaves no risky or no harmless request to learn from: take fewer folds")
        data = {"helpful": _compared(learn.nonzero().flatten(), 1.0), KINDS[0]: _compared(dangerous, 0.0),
                KINDS[1]: _both(_compared(dangerous, 0.0), _compared(safe, 0.5))}
        rewards = {name: _rewards(flat, pairs, l2) for name, pairs in data.items()}         # (requests, 2) each
        for kind in KINDS:
            found[kind][held_out] = torch.stack([rewards["helpful"], rewards[kind]], dim=-1)[held_out]
    return found


def sweep(rewards: dict[str, Tensor], weights: Sequence[float], risky: Tensor) -> dict[str, dict[str, list[float]]]:
    """For each of KINDS and each weight: shares of harmless requests helped with, and of risky ones declined.

    rewards: of `fit_heads`. The answer with the larger weight x helpful + (1 - weight) x harmless is chosen.
    """
    found = {}
    for kind, some in rewards.items():
        gap = some[:, 0] - some[:, 1]                                                       # (requests, heads)
        does = torch.stack([w * gap[:, 0] + (1 - w) * gap[:, 1] > 0 for w in weights])      # (weights, requests)
        found[kind] = {"helped": does[:, ~risky].float().mean(dim=1).tolist(),
                       "declined": (~does[:, risky]).float().mean(dim=1).tolist()}
    return found


def _compared(requests: Tensor, mu: float) -> Comparisons:
    """Doing it against declining, for these requests; texts 2k and 2k + 1 belong to request k."""
    none = torch.zeros_like(requests)
    return Comparisons(2 * requests, 2 * requests + 1, torch.full((len(requests),), mu), none, none)


def _both(one: Comparisons, other: Comparisons) -> Comparisons:
    return Comparisons(*(torch.cat([getattr(each, name) for each in (one, other)])
                         for name in ("first", "second", "mu", "first_rater", "second_rater")))


def _rewards(flat: Tensor, pairs: Comparisons, l2: float) -> Tensor:
    """(requests, 2) rewards of both answers, in standard deviations over all texts."""
    rewards = fit_linear_reward(flat, pairs, l2).rewards(flat)
    return (rewards / rewards.std().clamp(min=1e-6)).view(-1, 2)
