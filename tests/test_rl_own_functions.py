"""PPO trains with the two functions that a learner writes in lesson 02, and with nothing else in their place."""

import torch

from course_lib.rl.cartpole import VectorCartPole
from course_lib.rl.networks import ActorCritic
from course_lib.rl.objectives import clipped_policy_loss, gae
from course_lib.rl.ppo import PPO, PPOConfig

CONFIG = PPOConfig(total_steps=512, num_steps=32, minibatch_size=64, entropy_coefficient=0.0,
                   normalize_advantages=False)


def trained(**functions) -> tuple[PPO, bool, bool]:
    """(PPO after two updates, did the policy move, did the critic move)."""
    network = ActorCritic(4, 2)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    ppo = PPO(VectorCartPole(8), network, CONFIG, **functions)
    list(ppo.train())
    moved = {name.split(".")[0] for name, weight in network.state_dict().items() if not weight.equal(before[name])}
    return ppo, "policy" in moved, "critic" in moved


def test_the_advantages_are_those_of_the_given_function():
    """Advantages of zero leave the policy as it was."""
    calls = []

    def no_advantage(rewards, values, dones, last_value, gamma, lam):
        calls.append((rewards.shape, dones.dtype, last_value.shape, gamma, lam))
        return torch.zeros_like(values)

    _, policy_moved, _ = trained(advantage_function=no_advantage)
    assert calls == [((32, 8), torch.bool, (8,), 0.99, 0.95)] * 2
    assert not policy_moved and trained()[1:] == (True, True)


def test_the_policy_loss_is_the_given_function():
    clips = set()

    def no_lesson(logprobs, old_logprobs, advantages, clip):
        clips.add(clip)
        return (0 * logprobs * old_logprobs * advantages).mean()

    _, policy_moved, critic_moved = trained(policy_loss=no_lesson)
    assert clips == {0.2} and not policy_moved and critic_moved


def test_the_course_s_functions_are_what_is_used_by_default():
    default, given = trained()[0], trained(advantage_function=gae, policy_loss=clipped_policy_loss)[0]
    pairs = zip(default.network.parameters(), given.network.parameters(), strict=True)
    assert all(one.equal(other) for one, other in pairs)
