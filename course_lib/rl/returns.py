"""The return: what all the rewards from here to the end of the episode are worth today. Lesson 01."""

import torch


def discounted_returns(rewards: torch.Tensor, gamma: float, dones: torch.Tensor | None = None) -> torch.Tensor:
    """G_t = r_t + gamma * G_{t+1}, counted back from the last step; after a done the sum starts afresh.

    rewards: (T,) or (T, N); dones: the same shape, True where an episode ended after that step (default: only the last
    step ends one). gamma: worth of a reward one step later, 0 to 1. Returns the same shape.
    Source: R. S. Sutton and A. G. Barto (2018), "Reinforcement Learning", equation 3.9. Lesson 01.
    """
    going_on = torch.ones_like(rewards) if dones is None else 1.0 - dones.to(rewards.dtype)
    returns = torch.zeros_like(rewards)
    later = torch.zeros_like(rewards[0])                    # (N,) or a number
    for t in reversed(range(len(rewards))):
        later = rewards[t] + gamma * going_on[t] * later
        returns[t] = later
    return returns
