"""The reward of each token, with its penalty for the distance from the reference. Lesson 11, section 11.5.

The estimators k1, k2 and k3 are in `course_lib.rl.objectives`. Source: D. Ziegler et al. (2019), "Fine-tuning language
models from human preferences", equation 2 and section 2.2, for the penalty and the controller.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.rl.objectives import k1

TokenRewards = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]        # called as `token_rewards` is


def exact_kl(logits: Tensor, reference_logits: Tensor) -> Tensor:
    """KL of policy from reference at each position, summed over the whole vocabulary: (..., V) twice -> (...), nats.

    What the estimators estimate. It needs both models' whole distributions, which is nothing for a thousand tokens and
    much for fifty thousand.
    """
    logprobs, reference = logits.float().log_softmax(-1), reference_logits.float().log_softmax(-1)    # (..., V)
    return (logprobs.exp() * (logprobs - reference)).sum(dim=-1)


def last_choice(mask: Tensor) -> Tensor:
    """(B, L - 1) bool: True at the last column of each row where `mask` is True, which is where the episode ended."""
    next_mask = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)     # (B, L - 1)
    return mask & ~next_mask


def reward_at_last_token(rewards: Tensor, mask: Tensor) -> Tensor:
    """One reward a text, (B,), as rewards of single choices, (B, L - 1): all of it for the last one, nothing before.

    Source: D. Ziegler et al. (2019), section 2; N. Stiennon et al. (2020), section 3.4.
    """
    return rewards[:, None] * last_choice(mask)


def token_rewards(rewards: Tensor, logprobs: Tensor, reference_logprobs: Tensor, mask: Tensor, beta: float) -> Tensor:
    """The reward of each token, (B, L - 1): at the last one the text's reward, at every one less beta times its k1.

    rewards: (B,) of whole texts. logprobs, reference_logprobs, mask: (B, L - 1), see generate.py. beta: KL
    coefficient. Columns outside `mask` get 0; a row's sum is its reward less beta times its log-ratio.
    Source: Ziegler et al. (2019), equation 2; Stiennon et al. (2020), section 3.4. Exercise 11.1.
    """
    return (reward_at_last_token(rewards, mask) - beta * k1(logprobs, reference_logprobs)) * mask


class AdaptiveBeta:
    """The KL coefficient, raised while the policy is farther from the reference than wanted, lowered while nearer.

    Ziegler et al. (2019), section 2.2: beta is multiplied by 1 + speed * error after every update, where the error is
    (kl - target) / target, at most 0.2 either way. target: nats a completion; None: beta stays as it is.
    """

    def __init__(self, beta: float, target: float | None, speed: float = 0.1):
        if target is not None and (beta <= 0 or target <= 0):
            raise ValueError(f"beta and target are above zero, not {beta} and {target}: a beta of zero cannot grow")
        self.beta, self.target, self.speed = beta, target, speed

    def update(self, kl: float) -> float:
        """Move beta after a batch whose completions were `kl` nats from the reference on average; returns it."""
        if self.target is not None:
            error = min(0.2, max(-0.2, kl / self.target - 1))
            self.beta *= 1 + self.speed * error
        return self.beta
