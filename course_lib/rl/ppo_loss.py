"""PPO's objective. The same `clipped_policy_loss` trains CartPole (lesson 02), Pong (05) and a language model (10).

Source: J. Schulman et al. (2017), "Proximal policy optimization algorithms", equations 7 and 9.
Each term equals stable-baselines3's to 1e-6 on random inputs (tests/test_rl_ppo_loss.py).
"""

import torch


def masked_mean(x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Mean of x where mask is true (everywhere without a mask). mask: bool or 0/1, of x's shape."""
    if mask is None:
        return x.mean()
    mask = mask.to(x.dtype)
    return (x * mask).sum() / mask.sum()


def clipped_policy_loss(logprobs: torch.Tensor, old_logprobs: torch.Tensor, advantages: torch.Tensor,
                        clip: float = 0.2, mask: torch.Tensor | None = None) -> torch.Tensor:
    """The loss that makes good actions likelier, until the policy has moved by a factor of 1 ± clip.

    logprobs: of the actions taken, under the policy now, any shape; old_logprobs: under the policy that took them;
    advantages: the same shape; clip: how far the ratio may pay (infinity: never clipped); mask: where to count (a
    language model's padding is left out). Returns a number to minimise.
    Source: PPO, equation 7. Lesson 02.
    """
    ratio = (logprobs - old_logprobs).exp()
    gain = ratio * advantages
    clipped_gain = ratio.clamp(1 - clip, 1 + clip) * advantages
    return -masked_mean(torch.min(gain, clipped_gain), mask)


def value_loss(values: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Mean squared error of the critic. values, targets: any one shape. Source: PPO, equation 9. Lesson 02."""
    return masked_mean((values - targets) ** 2, mask)


def clip_fraction(logprobs: torch.Tensor, old_logprobs: torch.Tensor, clip: float = 0.2,
                  mask: torch.Tensor | None = None) -> torch.Tensor:
    """Share of actions whose ratio has left 1 ± clip: near 0 the clip does nothing, above 0.3 the step is too big."""
    ratio = (logprobs - old_logprobs).exp()
    return masked_mean(((ratio - 1).abs() > clip).to(ratio.dtype), mask)


def approximate_kl(logprobs: torch.Tensor, old_logprobs: torch.Tensor,
                   mask: torch.Tensor | None = None) -> torch.Tensor:
    """How far the policy has moved, in nats: the mean of (ratio - 1) - log ratio, which is never negative.

    Source: J. Schulman (2020), "Approximating KL divergence", the estimator called k3. Lesson 02.
    """
    log_ratio = logprobs - old_logprobs
    return masked_mean(log_ratio.exp() - 1 - log_ratio, mask)
