"""Generalised advantage estimation: how much better an action turned out than the critic expected. Lesson 02."""

import torch


def gae(rewards: torch.Tensor, values: torch.Tensor, dones: torch.Tensor, last_value: torch.Tensor,
        gamma: float = 0.99, lam: float = 0.95) -> torch.Tensor:
    """Advantages of the actions taken, a mean of all n-step estimates weighted by powers of `lam`.

    rewards, values: (T,) or (T, N); values[t] is the critic's guess before step t.
    dones: the same shape, True where the episode ended *after* step t: nothing beyond it may count for step t.
    last_value: () or (N,), the critic's guess after the last step. gamma: discount; lam: 0 trusts the critic after one
    step (low variance, biased), 1 trusts only the rewards seen (unbiased, noisy). Returns advantages, the same shape;
    `advantages + values` are the critic's targets.
    Source: J. Schulman et al. (2016), "High-dimensional continuous control using generalized advantage estimation",
    equation 16. Equal to stable-baselines3's to 1e-6 (tests/test_rl_gae.py). Lesson 02; for tokens in lesson 10.
    """
    going_on = 1.0 - dones.to(values.dtype)
    next_values = torch.cat([values[1:], last_value[None]])
    surprises = rewards + gamma * going_on * next_values - values       # delta_t: the one-step advantages
    fading = gamma * lam * going_on
    advantages = torch.empty_like(surprises)
    later = torch.zeros_like(last_value)
    for t in reversed(range(len(surprises))):
        later = surprises[t] + fading[t] * later
        advantages[t] = later
    return advantages
