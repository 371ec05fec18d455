"""REINFORCE and the distributions it draws from."""

import numpy as np
import torch

from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.networks import Categorical, DiagonalGaussian, PolicyNetwork
from course_lib.rl.objectives import policy_gradient_loss
from course_lib.rl.reinforce import ReinforceConfig, play_episodes, reinforce


def test_categorical_is_torchs():
    torch.manual_seed(0)
    logits, actions = torch.randn(6, 4, 3), torch.randint(0, 3, (6, 4))
    ours, theirs = Categorical(logits), torch.distributions.Categorical(logits=logits)
    torch.testing.assert_close(ours.log_prob(actions), theirs.log_prob(actions))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    assert torch.equal(ours.mode(), logits.argmax(-1))
    drawn = Categorical(logits[0, 0].expand(20_000, 3)).sample(torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.bincount(minlength=3) / 20_000, theirs.probs[0, 0], atol=0.02, rtol=0)


def test_gaussian_is_torchs():
    torch.manual_seed(0)
    mean, log_std, actions = torch.randn(5, 2), torch.randn(2), torch.randn(5, 2)
    ours = DiagonalGaussian(mean, log_std)
    theirs = torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)
    torch.testing.assert_close(ours.log_prob(actions), theirs.log_prob(actions))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    assert ours.sample().shape == (5, 2) and torch.equal(ours.mode(), mean)


def test_the_gradient_makes_the_rewarded_action_likelier():
    logits = torch.zeros(1, 3, requires_grad=True)
    loss = policy_gradient_loss(Categorical(logits).log_prob(torch.tensor([1])), torch.tensor([2.0]))
    loss.backward()
    # d log p_1 / d logits = onehot - p; times the weight, with the sign turned
    torch.testing.assert_close(logits.grad[0], -2.0 * torch.tensor([-1 / 3, 2 / 3, -1 / 3]))


def test_episodes_are_masked_after_their_end():
    played = play_episodes(VectorCartPole(5), PolicyNetwork(4, 2), torch.Generator().manual_seed(0), seed=0)
    lengths = played.mask.sum(0)
    assert played.obs.shape == (lengths.max(), 5, 4) and len(set(lengths.tolist())) > 1
    assert torch.equal(played.rewards.sum(0), lengths.float())
    for n in range(5):
        assert played.mask[:lengths[n], n].all() and not played.mask[lengths[n]:, n].any()


def test_reinforce_learns_cartpole_a_little_and_repeats_itself():
    def curve():
        config = ReinforceConfig(updates=25, baseline=True, seed=1)
        envs, network = VectorCartPole(8, max_episode_steps=200), PolicyNetwork(4, 2, seed=1)
        return [p.episode_return for p in reinforce(envs, network, config)]

    first = curve()
    assert np.mean(first[-5:]) > 2 * np.mean(first[:5])
    assert curve() == first
