"""Policy and value networks, and the action distributions that a policy returns. Lessons 01 and 02.

PPO trains any module with two methods: `network(obs)` returns (distribution, values), `network.distribution(obs)` the
distribution alone, which is all that acting needs. Both distributions, discrete and continuous, offer the same four
things: `sample`, `log_prob`, `entropy`, `mode`. They are torch.distributions in small: no argument checks, so that a
step of a small agent is not mostly checks.
"""

import math

import torch
from torch import nn


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
        """Entropy in nats, (...): log K when uniform, 0 when certain."""
        return -(self.logprobs.exp() * self.logprobs).sum(dim=-1)


class DiagonalGaussian:
    """D real numbers, each with its own mean and standard deviation. mean: (..., D); log_std: (D,)."""

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


def orthogonal(layer: nn.Module, gain: float = 2**0.5, generator: torch.Generator | None = None) -> nn.Module:
    """Fill a layer's weights with an orthogonal matrix times `gain`, its biases with 0; returns the layer.

    Source: A. M. Saxe et al. (2014), "Exact solutions to the nonlinear dynamics of learning in deep linear networks";
    for PPO: M. Andrychowicz et al. (2021), "What matters for on-policy deep actor-critic methods?".
    """
    nn.init.orthogonal_(layer.weight, gain, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def mlp(sizes: tuple[int, ...], last_gain: float, activation: type[nn.Module] = nn.ReLU,
        generator: torch.Generator | None = None) -> nn.Sequential:
    """Linear layers of the given sizes with `activation` between them; `last_gain`: size of the last one's weights."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip(sizes[:-2], sizes[1:-1], strict=True):
        layers += [orthogonal(nn.Linear(inputs, outputs), generator=generator), activation()]
    return nn.Sequential(*layers, orthogonal(nn.Linear(sizes[-2], sizes[-1]), last_gain, generator))


class PolicyNetwork(nn.Module):
    """Chooses among K actions: obs (..., observation_size) -> Categorical over K. Enough for REINFORCE: lesson 01."""

    def __init__(self, observation_size: int, actions: int, hidden: tuple[int, ...] = (64,), seed: int = 0):
        super().__init__()
        self.policy = mlp((observation_size, *hidden, actions), 0.01, generator=torch.Generator().manual_seed(seed))

    def distribution(self, obs: torch.Tensor) -> Categorical:
        """Probabilities of the actions in each situation."""
        return Categorical(self.policy(obs))


class ActorCritic(nn.Module):
    """Two separate networks for a few real-valued observations: one chooses among K actions, one estimates the return.

    obs: (..., observation_size) -> (Categorical over K actions, values (...)). The policy's last layer starts near 0,
    so that every action is about as likely; `seed` fixes the start.
    """

    def __init__(self, observation_size: int, actions: int, hidden: tuple[int, ...] = (64, 64),
                 activation: type[nn.Module] = nn.ReLU, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.policy = mlp((observation_size, *hidden, actions), 0.01, activation, generator)
        self.critic = mlp((observation_size, *hidden, 1), 1.0, activation, generator)

    def distribution(self, obs: torch.Tensor) -> Categorical:
        """The policy alone: what acting needs."""
        return Categorical(self.policy(obs))

    def forward(self, obs: torch.Tensor) -> tuple[Categorical, torch.Tensor]:
        return self.distribution(obs), self.critic(obs).squeeze(-1)


class GaussianActorCritic(nn.Module):
    """The same for continuous actions: the policy gives a mean for each of D numbers, their log_std is learned apart.

    obs: (..., observation_size) -> (DiagonalGaussian over D numbers, values (...)).
    """

    def __init__(self, observation_size: int, action_size: int, hidden: tuple[int, ...] = (64, 64),
                 activation: type[nn.Module] = nn.ReLU, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.policy = mlp((observation_size, *hidden, action_size), 0.01, activation, generator)
        self.critic = mlp((observation_size, *hidden, 1), 1.0, activation, generator)
        self.log_std = nn.Parameter(torch.zeros(action_size))

    def distribution(self, obs: torch.Tensor) -> DiagonalGaussian:
        """The policy alone: what acting needs."""
        return DiagonalGaussian(self.policy(obs), self.log_std)

    def forward(self, obs: torch.Tensor) -> tuple[DiagonalGaussian, torch.Tensor]:
        return self.distribution(obs), self.critic(obs).squeeze(-1)
