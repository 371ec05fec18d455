"""What policies are trained on, in pure torch: returns, advantages, losses, KL estimators. Lessons 01, 02, 09 and 11.

The same `clipped_policy_loss` trains CartPole (lesson 02), Pong (06) and a language model (11); each of these functions
exists once, here.

Sources: R. S. Sutton and A. G. Barto (2018) for the return; R. J. Williams (1992) for the policy gradient; J. Schulman
et al. (2016) for GAE; J. Schulman et al. (2017), "Proximal policy optimization algorithms", equations 7 and 9. GAE and
each term of PPO equal stable-baselines3's to 1e-6 on random inputs (tests/test_rl_gae.py, tests/test_rl_ppo_loss.py).
"""

import torch


def discounted_returns(rewards: torch.Tensor, gamma: float, dones: torch.Tensor | None = None) -> torch.Tensor:
    """G_t = r_t + gamma * G_{t+1}, counted back from the last step; after a done the sum starts afresh.

    rewards: (T,) or (T, N); dones: the same shape, True where an episode ended after that step (default: only the last
    step ends one). gamma: the discount factor, 0 to 1. Returns the same shape.
    Source: R. S. Sutton and A. G. Barto (2018), "Reinforcement Learning", equation 3.9. Lesson 01.
    """
    nonterminal = torch.ones_like(rewards) if dones is None else 1.0 - dones.to(rewards.dtype)
    returns = torch.zeros_like(rewards)
    next_return = torch.zeros_like(rewards[0])                    # (N,) or a number
    for t in reversed(range(len(rewards))):
        returns[t] = rewards[t] + gamma * nonterminal[t] * next_return
        next_return = returns[t]
    return returns


def gae(rewards: torch.Tensor, values: torch.Tensor, dones: torch.Tensor, last_value: torch.Tensor,
        gamma: float = 0.99, lam: float = 0.95) -> torch.Tensor:
    """Advantages of the actions taken, a mean of all n-step estimates weighted by powers of `lam`.

    rewards, values: (T,) or (T, N); values[t] is the critic's value estimate before step t.
    dones: the same shape, True where the episode ended *after* step t: nothing beyond it may count for step t.
    last_value: () or (N,), the critic's value estimate after the last step. gamma: discount; lam: 0 trusts the critic
    after one step (low variance, biased), 1 trusts only the rewards seen (unbiased, noisy). Returns advantages, the
    same shape; `advantages + values` are the critic's targets.
    Source: J. Schulman et al. (2016), "High-dimensional continuous control using generalized advantage estimation",
    equation 16. Equal to stable-baselines3's to 1e-6 (tests/test_rl_gae.py). Lesson 02; for tokens in lesson 11.
    """
    nonterminal = 1.0 - dones.to(values.dtype)
    next_values = torch.cat([values[1:], last_value[None]])
    deltas = rewards + gamma * nonterminal * next_values - values       # the TD errors, delta_t
    decay = gamma * lam * nonterminal
    advantages = torch.empty_like(deltas)
    next_advantage = torch.zeros_like(last_value)
    for t in reversed(range(len(deltas))):
        advantages[t] = deltas[t] + decay[t] * next_advantage
        next_advantage = advantages[t]
    return advantages


def masked_mean(x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Mean of x where mask is true (everywhere without a mask). mask: bool or 0/1, of x's shape."""
    if mask is None:
        return x.mean()
    mask = mask.to(x.dtype)
    return (x * mask).sum() / mask.sum()


def policy_gradient_loss(logprobs: torch.Tensor, weights: torch.Tensor,
                         mask: torch.Tensor | None = None) -> torch.Tensor:
    """Minus the mean of log pi(action) times its weight: its gradient is REINFORCE's, with the sign turned.

    logprobs: of the actions taken, any shape; weights: how good each turned out (a return, or a return minus a
    baseline), no gradient flows through them; mask: where to count. Source: Williams (1992), equation 11. Lesson 01.
    """
    return -masked_mean(logprobs * weights.detach(), mask)


def clipped_policy_loss(logprobs: torch.Tensor, old_logprobs: torch.Tensor, advantages: torch.Tensor,
                        clip: float = 0.2, mask: torch.Tensor | None = None) -> torch.Tensor:
    """The loss that makes good actions likelier, until the policy has moved by a factor of 1 ± clip.

    logprobs: of the actions taken, under the policy now, any shape; old_logprobs: under the policy that took them;
    advantages: the same shape; clip: beyond 1 ± clip the ratio has no gradient (infinity: never clipped); mask: where
    to count (a language model's padding is left out). Returns a number to minimise.
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


def k1(logprobs: torch.Tensor, reference_logprobs: torch.Tensor) -> torch.Tensor:
    """log(policy / reference) of actions that the *policy* sampled, nats: right on average, and often negative."""
    return logprobs - reference_logprobs


def k2(logprobs: torch.Tensor, reference_logprobs: torch.Tensor) -> torch.Tensor:
    """Half the square of k1: never negative, little noise, and wrong on average when the two are far apart."""
    return (logprobs - reference_logprobs) ** 2 / 2


def k3(logprobs: torch.Tensor, reference_logprobs: torch.Tensor) -> torch.Tensor:
    """k1 plus (reference / policy - 1), whose mean is zero: right on average and never negative.

    Source of all three estimators of the KL divergence: J. Schulman (2020), "Approximating KL divergence". Lesson 11.
    """
    log_ratio = reference_logprobs - logprobs
    return log_ratio.exp() - 1 - log_ratio


def approximate_kl(logprobs: torch.Tensor, old_logprobs: torch.Tensor,
                   mask: torch.Tensor | None = None) -> torch.Tensor:
    """How far the policy has moved from the old one, which sampled the actions, in nats: the mean of k3. Lesson 02."""
    return masked_mean(k3(old_logprobs, logprobs), mask)


def standardized(x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """(x - mean) / std, where mean and std (of a sample: n - 1) are taken where mask is true. Lesson 02."""
    counted = x if mask is None else x[mask]
    return (x - counted.mean()) / (counted.std() + 1e-8)


def explained_variance(advantages: torch.Tensor, returns: torch.Tensor) -> float:
    """Of the returns by the critic, whose errors the advantages are: 1 is perfect, 0 is no better than their mean."""
    return float(1 - advantages.var() / returns.var().clamp_min(1e-8))


def leave_one_out(rewards: torch.Tensor) -> torch.Tensor:
    """Each reward minus the mean reward of the *other* samples of its prompt, (prompts, samples). Exercise 09.4.

    The others know how well this prompt usually goes and nothing of this sample, so the gradient stays right on
    average. Source: W. Kool, H. van Hoof, M. Welling (2019), "Buy 4 REINFORCE samples, get a baseline for free!".
    Raises ValueError for fewer than two samples of a prompt.
    """
    samples = rewards.shape[1]
    if samples < 2:
        raise ValueError("leave-one-out compares samples of one prompt: it needs at least two of each")
    others = (rewards.sum(dim=1, keepdim=True) - rewards) / (samples - 1)       # (prompts, samples)
    return rewards - others
