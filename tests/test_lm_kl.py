"""KL estimators against the exact KL on a vocabulary of five; the penalty on rewards; the adaptive KL coefficient."""

import pytest
import torch

from course_lib.lm.kl import AdaptiveBeta, exact_kl, token_rewards
from course_lib.rl.objectives import approximate_kl, k1, k2, k3


def two_models(distance: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (5,) of a policy and of a reference that is `distance` away from it."""
    rng = torch.Generator().manual_seed(0)
    return torch.randn(5, generator=rng), torch.randn(5, generator=rng) * distance


def mean_over_the_policy(estimator, policy: torch.Tensor, reference: torch.Tensor) -> float:
    """What an estimator gives on average, exactly: every token weighed by the policy's probability."""
    logprobs = policy.log_softmax(-1)
    return (logprobs.exp() * estimator(logprobs, reference.log_softmax(-1))).sum().item()


@pytest.mark.parametrize("estimator", [k1, k3])
@pytest.mark.parametrize("distance", [0.1, 1.0, 3.0])
def test_k1_and_k3_are_right_on_average(estimator, distance):
    policy, reference = two_models(distance)
    assert mean_over_the_policy(estimator, policy, reference) == pytest.approx(exact_kl(policy, reference).item(),
                                                                               rel=1e-4)


def test_k2_is_right_when_the_models_are_near_and_wrong_when_they_are_far():
    policy, noise = two_models(0.05)
    near, far = policy + noise, two_models(3.0)[1]
    assert mean_over_the_policy(k2, policy, near) == pytest.approx(exact_kl(policy, near).item(), rel=0.05)
    assert mean_over_the_policy(k2, policy, far) != pytest.approx(exact_kl(policy, far).item(), rel=0.2)


def test_only_k1_can_be_negative():
    rng = torch.Generator().manual_seed(1)
    logprobs, reference = -torch.rand(200, generator=rng), -torch.rand(200, generator=rng)
    assert k1(logprobs, reference).min() < 0 <= min(k2(logprobs, reference).min(), k3(logprobs, reference).min())


def test_the_change_of_a_policy_is_the_mean_of_k3_over_actions_of_the_old_one():
    old, new, mask = -torch.rand(3, 4), -torch.rand(3, 4), torch.rand(3, 4) < 0.6
    mask[0, 0] = True
    assert approximate_kl(new, old, mask).item() == pytest.approx(k3(old, new)[mask].mean().item(), rel=1e-5)


def test_exact_kl_equals_torchs():
    policy, reference = torch.randn(3, 7, 5), torch.randn(3, 7, 5)
    theirs = torch.nn.functional.kl_div(reference.log_softmax(-1), policy.log_softmax(-1), reduction="none",
                                        log_target=True).sum(-1)
    torch.testing.assert_close(exact_kl(policy, reference), theirs)


def test_a_text_gets_its_reward_less_beta_times_its_log_ratio():
    mask = torch.tensor([[False, True, True, True], [False, True, True, False]])
    logprobs, reference = -torch.rand(2, 4), -torch.rand(2, 4)
    rewards = torch.tensor([2.0, -1.0])
    per_token = token_rewards(rewards, logprobs, reference, mask, 0.3)
    distance = ((logprobs - reference) * mask).sum(1)
    torch.testing.assert_close(per_token.sum(1), rewards - 0.3 * distance)
    assert (per_token[~mask] == 0).all()


def test_without_beta_the_last_choice_gets_all():
    mask = torch.tensor([[False, True, True, True], [False, True, False, False]])
    per_token = token_rewards(torch.tensor([2.0, -1.0]), torch.rand(2, 4), torch.rand(2, 4), mask, 0.0)
    assert per_token.tolist() == [[0, 0, 0, 2], [0, -1, 0, 0]]


def test_beta_rises_while_the_policy_is_too_far_and_falls_while_it_is_near():
    controller = AdaptiveBeta(0.1, target=5.0)
    assert controller.update(20.0) == pytest.approx(0.1 * 1.02)          # the error is held at 0.2
    assert controller.update(5.0) == pytest.approx(0.1 * 1.02)
    assert controller.update(4.5) == pytest.approx(0.1 * 1.02 * 0.99)
    assert controller.update(0.0) == pytest.approx(0.1 * 1.02 * 0.99 * 0.98)


def test_a_price_of_zero_cannot_grow_and_is_refused():
    with pytest.raises(ValueError, match="cannot grow"):
        AdaptiveBeta(0.0, target=5.0)


def test_without_a_target_beta_stays():
    assert AdaptiveBeta(0.0, target=None).update(20.0) == 0.0
