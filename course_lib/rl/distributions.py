"""What a policy network says: a distribution over actions, discrete or continuous. Lessons 01 and 02.

Both classes offer the same four things: `sample`, `log_prob`, `entropy`, `mode`. They are torch.distributions in
small: no argument checks, so that a step of a small agent is not mostly checks.
"""

import math

import torch


class Categorical:
    """One of K actions. logits: (..., K), any real numbers; their softmax is the probabilities."""

    def __init__(self, logits: torch.Tensor):
        self.logprobs = torch.log_softmax(logits, dim=-1)                           # (..., K)

    def sample(self, generator: torch.Generator | None = None) -> torch.Tensor:
        """An action drawn by its probability, (...)."""
        flat = self.logprobs.exp().reshape(-1, self.logprobs.shape[-1])             # (B, K)
        return torch.multinomial(flat, 1, generator=generator).reshape(self.logprobs.shape[:-1])

    def mode(self) -> torch.Tensor:
        """The likeliest action, (...)."""
        return self.logprobs.argmax(dim=-1)

    def log_prob(self, actions: torch.Tensor) -> torch.Tensor:
        """log pi(action), in nats. actions: (...) integers; returns (...)."""
        return self.logprobs.gather(-1, actions.unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> torch.Tensor:
        """Mean surprise in nats, (...): log K when undecided, 0 when certain."""
        return -(self.logprobs.exp() * self.logprobs).sum(dim=-1)


class DiagonalGaussian:
    """D real numbers, each with its own mean and spread. mean: (..., D); log_std: (D,)."""

    def __init__(self, mean: torch.Tensor, log_std: torch.Tensor):
        self.mean, self.log_std = mean, log_std

    def sample(self, generator: torch.Generator | None = None) -> torch.Tensor:
        """An action drawn from the bell, (..., D)."""
        noise = torch.randn(self.mean.shape, generator=generator)
        return self.mean + self.log_std.exp() * noise

    def mode(self) -> torch.Tensor:
        """The likeliest action, (..., D)."""
        return self.mean

    def log_prob(self, actions: torch.Tensor) -> torch.Tensor:
        """log density of the action, summed over its D numbers. actions: (..., D); returns (...)."""
        z = (actions - self.mean) / self.log_std.exp()
        return -(0.5 * z**2 + self.log_std + 0.5 * math.log(2 * math.pi)).sum(dim=-1)

    def entropy(self) -> torch.Tensor:
        """Differential entropy in nats, (...)."""
        return (self.log_std + 0.5 * math.log(2 * math.pi * math.e)).sum().expand(self.mean.shape[:-1])
