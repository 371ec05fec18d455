"""Each term of PPO's loss, and one whole gradient step, against stable-baselines3's own code."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO as TheirPPO
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import DummyVecEnv

from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.networks import ActorCritic
from course_lib.rl.objectives import approximate_kl, clip_fraction, clipped_policy_loss, value_loss
from course_lib.rl.ppo import PPO, PPOConfig
from course_lib.rl.rollout import Rollout

T, N = 64, 4


@pytest.fixture
def theirs():
    """Their PPO on CartPole with a rollout in its buffer, its weights moved since, so that many ratios are clipped."""
    model = TheirPPO(
        "MlpPolicy", DummyVecEnv([lambda: gym.make("CartPole-v1")] * N), n_steps=T, batch_size=T * N, n_epochs=1,
        ent_coef=0.01, vf_coef=0.5, learning_rate=1e-3, seed=0, device="cpu",
        policy_kwargs={"activation_fn": torch.nn.ReLU, "net_arch": [64, 64]})
    model.set_logger(configure(None, []))
    model._setup_learn(10_000)
    model.collect_rollouts(model.env, _Silent(), model.rollout_buffer, T)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        for p in model.policy.parameters():
            p += 0.1 * torch.randn(p.shape, generator=generator)
    return model


class _Silent:
    def __getattr__(self, name):
        return lambda *args, **kwargs: True


def ours_like(model: TheirPPO) -> ActorCritic:
    """The course's network with their weights."""
    network, policy = ActorCritic(4, 2), model.policy
    with torch.no_grad():
        hidden = policy.mlp_extractor
        pairs = [(network.policy[0], hidden.policy_net[0]), (network.policy[2], hidden.policy_net[2]),
                 (network.policy[4], policy.action_net), (network.critic[0], hidden.value_net[0]),
                 (network.critic[2], hidden.value_net[2]), (network.critic[4], policy.value_net)]
        for mine, other in pairs:
            mine.weight.copy_(other.weight)
            mine.bias.copy_(other.bias)
    return network


def rollout_of(model: TheirPPO) -> tuple[Rollout, torch.Tensor]:
    """Their buffer as the course's rollout, and its advantages (T, N)."""
    b = model.rollout_buffer
    nothing = torch.zeros(T, N, dtype=torch.bool)
    return Rollout(
        obs=torch.tensor(b.observations), actions=torch.tensor(b.actions[..., 0]).long(),
        logprobs=torch.tensor(b.log_probs), values=torch.tensor(b.values), terminated=nothing, truncated=nothing,
        final_obs=torch.empty(0, 4), last_obs=torch.zeros(N, 4), last_values=torch.zeros(N),
        rewards=torch.tensor(b.rewards)), torch.tensor(b.advantages)


def test_every_term_of_the_loss_equals_theirs(theirs):
    network = ours_like(theirs)
    rollout, advantages = rollout_of(theirs)
    theirs.train()                                              # logs the terms as they were before its step
    log = theirs.logger.name_to_value
    distribution, values = network(rollout.obs)
    logprobs = distribution.log_prob(rollout.actions)
    weights = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    assert log["train/clip_fraction"] > 0.05, "too few ratios are clipped for this test to mean anything"
    ours = {
        "train/policy_gradient_loss": clipped_policy_loss(logprobs, rollout.logprobs, weights, 0.2),
        "train/value_loss": value_loss(values, advantages + rollout.values),
        "train/entropy_loss": -distribution.entropy().mean(),
        "train/approx_kl": approximate_kl(logprobs, rollout.logprobs),
        "train/clip_fraction": clip_fraction(logprobs, rollout.logprobs, 0.2),
    }
    for name, value in ours.items():
        assert float(value.detach()) == pytest.approx(float(log[name]), rel=1e-6, abs=1e-6), name


def test_one_gradient_step_moves_every_weight_as_theirs(theirs):
    network = ours_like(theirs)
    ppo = PPO(VectorCartPole(N), network, PPOConfig(epochs=1, minibatch_size=T * N, learning_rate=1e-3))
    rollout, advantages = rollout_of(theirs)
    ppo.collector.collect = lambda num_steps: (rollout, [])     # their rollout and their advantages
    ppo.advantage_function = lambda *arguments: advantages
    ppo.update()
    theirs.train()
    for mine, other in zip(network.parameters(), ours_like(theirs).parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-6)


def test_a_mask_counts_only_what_it_marks():
    torch.manual_seed(0)
    new, old, advantages = torch.randn(3, 7), torch.randn(3, 7), torch.randn(3, 7)
    mask = torch.rand(3, 7) < 0.5
    for function in (clipped_policy_loss, lambda a, b, c, clip, mask=None: value_loss(a, b, mask)):
        picked = function(new[mask], old[mask], advantages[mask], 0.2)
        torch.testing.assert_close(function(new, old, advantages, 0.2, mask=mask), picked)
    padded = new.clone()
    padded[~mask] = 5.0
    torch.testing.assert_close(clipped_policy_loss(padded, old, advantages, 0.2, mask=mask),
                               clipped_policy_loss(new, old, advantages, 0.2, mask=mask))


@pytest.mark.parametrize(("ratio", "advantage", "gain"), [
    (1.5, 1.0, 1.2), (1.1, 1.0, 1.1), (0.5, 1.0, 0.5),          # a good action: paid up to 1.2 times, no floor
    (1.5, -1.0, -1.5), (0.5, -1.0, -0.8), (0.9, -1.0, -0.9),    # a bad one: no reward for going below 0.8
])
def test_the_six_cases_of_the_clip(ratio, advantage, gain):
    logprobs = torch.tensor([np.log(ratio)], requires_grad=True)
    loss = clipped_policy_loss(logprobs, torch.zeros(1), torch.tensor([advantage]), 0.2)
    assert loss.item() == pytest.approx(-gain)
    loss.backward()
    clipped_off = gain != pytest.approx(ratio * advantage)
    assert (logprobs.grad.item() == 0) == clipped_off


def test_an_infinite_clip_is_no_clip():
    torch.manual_seed(0)
    new, old, advantages = torch.randn(50), torch.randn(50), torch.randn(50)
    torch.testing.assert_close(clipped_policy_loss(new, old, advantages, float("inf")),
                               -((new - old).exp() * advantages).mean())
