"""What PPO, RLOO and GRPO on text share besides their algorithms: settings, one point of the curve. Lesson 11.

The algorithms are in `ppo.py`, `rloo.py` and `grpo.py`, each in one `update()`; stopping, resuming and checkpoints are
`course_lib.training.run`'s.
"""

from dataclasses import dataclass

import torch
from torch import nn

from course_lib.lm.generate import Completions
from course_lib.lm.metrics import distinct_n


@dataclass(frozen=True)
class TextTrainingConfig:
    """Settings that PPO, RLOO and GRPO share. The defaults were measured by `benchmarks/text_rl.py`."""

    updates: int = 60                       # batches of completions that are learned from
    batch_size: int = 128                   # completions written for each update (B)
    samples_per_prompt: int = 1             # completions of each prompt; RLOO needs at least 2
    max_new_tokens: int = 24                # a completion is cut off there
    epochs: int = 2                         # times that each batch is learned from
    minibatch_size: int = 64                # completions in one gradient step
    learning_rate: float = 3e-4             # Adam's, of the policy, at the top
    warmup_share: float = 0.1               # share of the updates in which it rises there: Adam's first steps are wild
    final_learning_rate: float = 0.1        # its share left at the end; it falls linearly (1: it stays)
    clip: float = 0.2                       # a ratio of probabilities gains nothing beyond 1 ± this; inf: no clip
    beta: float = 0.05                      # KL coefficient: reward that a nat of distance from the reference costs
    kl_target: float | None = None          # nats a completion; beta is then moved to keep to it (None: it stays)
    kl_speed: float = 0.5                   # of that; Ziegler et al. took 0.1, for runs of thousands of updates
    max_grad_norm: float = 1.0              # longer gradients are scaled down to this
    bfloat16: bool | None = False           # learn in 16-bit products; None: where the processor is quick with them
    checkpoint_every: int = 10              # updates between two checkpoints, where a path is given
    seed: int = 0                           # of prompts, tokens and minibatches


@dataclass(frozen=True)
class TextProgress:
    """What one update did; the unit of a training curve."""

    update: int                             # counted from 1
    steps: int                              # completions written so far
    reward: float                           # mean of this batch, before any penalty
    kl_from_reference: float                # nats a completion, estimated by the mean log-ratio (k1)
    beta: float                             # KL coefficient of this update
    length: float                           # tokens a completion, mean
    distinct_2: float                       # share of different pairs of words in this batch
    policy_change: float                    # nats a token between before and after, in the last epoch (k3)
    clip_fraction: float                    # share of ratios outside 1 ± clip in the last epoch
    value_loss: float                       # nan where there is no value network
    explained_variance: float               # of the returns by the values; nan likewise
    learning_rate: float
    cpu_seconds: float                      # spent in training so far


def summary(batch: Completions) -> dict[str, float]:
    """The fields of TextProgress that a batch of completions tells by itself."""
    return {"reward": batch.rewards.mean().item(), "kl_from_reference": batch.kl.mean().item(),
            "length": batch.lengths.float().mean().item(), "distinct_2": distinct_n(batch.texts, 2)}


def adam(network: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """Adam with language models' shorter memory of squares; no weight decay: that would be a move away from SFT."""
    return torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(0.9, 0.95), fused=True)
