"""Clips, the synthetic labeler, rewards: the small parts of lesson 04."""

import numpy as np
import pytest
import torch

from course_lib.preferences.cartpole import SCALE, CartPoleLabeler, CartPoleTask, falls, mark
from course_lib.preferences.reward_model import RewardConfig, StateRewardEnsemble, standardize_rewards
from course_lib.preferences.segments import Segment, cut_segments, stack


def still(x: float = 0.0, angle: float = 0.0, steps: int = 10) -> torch.Tensor:
    """A clip in which nothing moves."""
    return torch.tensor([x, 0.0, angle, 0.0]).repeat(steps, 1)


def test_pieces_lie_end_to_end_in_their_own_environment():
    obs = torch.arange(23)[:, None] + 100 * torch.arange(3)[None]                   # (23, 3): 100 * env + step
    pieces = cut_segments(obs, obs, 5, np.random.default_rng(0))
    assert len(pieces) == 12
    for env in range(3):
        numbers = torch.cat([piece.obs for piece in pieces[4 * env:4 * env + 4]])
        assert (numbers.diff() == 1).all() and (numbers // 100 == env).all()
    assert stack(pieces).shape == (12, 5)
    assert {int(cut_segments(obs, obs, 5, np.random.default_rng(k))[0].obs[0]) for k in range(40)} == {0, 1, 2, 3}


def test_a_clip_is_a_copy():
    obs = torch.zeros(4, 1, 2)
    piece = cut_segments(obs, obs, 4, np.random.default_rng(0))[0]
    obs += 1
    assert (piece.obs == 0).all()


def test_a_rollout_shorter_than_a_clip_says_so():
    with pytest.raises(ValueError, match="a rollout of 4 steps has no segment of 5"):
        cut_segments(torch.zeros(4, 1), torch.zeros(4, 1), 5, np.random.default_rng(0))


def test_the_synthetic_labeler_prefers_upright_centre_and_no_fall():
    labeler = CartPoleLabeler()

    def mu(first, second):
        return labeler(Segment(first), Segment(second))

    assert mu(still(), still(angle=0.1)) == 1 and mu(still(angle=-0.1), still()) == 0
    assert mu(still(x=-0.2), still(x=1.0)) == 1
    fall = still(steps=10)
    fall[-1, 2] = 0.25
    assert mu(fall, still(x=2.0, angle=0.1)) == 0
    assert mu(still(x=0.1), still(x=-0.1)) == 0.5
    assert mark(still()) == 0 and mark(fall) < -10


def test_wrong_verdicts_are_rare_lasting_and_the_same_from_both_sides():
    careful, careless = CartPoleLabeler(), CartPoleLabeler(wrong_share=0.5, seed=2)
    rng = torch.Generator().manual_seed(0)
    clips = torch.rand(400, 2, 10, 4, generator=rng)
    first = [careless(Segment(a), Segment(b)) for a, b in clips]
    assert first == [careless(Segment(a), Segment(b)) for a, b in clips]
    assert first == [1 - careless(Segment(b), Segment(a)) for a, b in clips]
    clear = [k for k, (a, b) in enumerate(clips) if careful(Segment(a), Segment(b)) != 0.5]
    wrong = np.mean([first[k] != careful(*map(Segment, clips[k])) for k in clear])
    assert 0.18 < wrong < 0.32                                      # half at random, half of those right by luck
    assert 0.4 < np.mean(first) < 0.6


def test_the_labelled_clips_get_mean_0_and_the_chosen_deviation():
    labelled = torch.randn(64, 8, generator=torch.Generator().manual_seed(0)) * 3 + 7
    rewards = standardize_rewards(labelled, labelled, 0.15)
    assert rewards.mean().abs() < 1e-5 and rewards.std() == pytest.approx(0.15, rel=1e-4)


def test_better_states_get_more_reward_whatever_the_rollout():
    labelled, raw = torch.tensor([[-1.0, 1.0]]), torch.tensor([[2.0, 3.0, 4.0]])
    rewards = standardize_rewards(raw, labelled, 1.0)
    assert torch.allclose(rewards, raw / 2 ** 0.5)
    assert torch.equal(standardize_rewards(raw[:, :2], labelled, 1.0), rewards[:, :2])


def test_flat_scores_are_not_magnified():
    assert (standardize_rewards(torch.full((8,), 4.0), torch.full((3, 5), 4.0), 0.15) == 0).all()


def test_a_reward_model_without_labels_has_no_scale():
    ensemble = StateRewardEnsemble(SCALE, RewardConfig(members=2, hidden=8))
    with pytest.raises(ValueError, match="fit it to some labels first"):
        ensemble.normalized_reward(torch.zeros(3, 4))


def test_the_ensemble_learns_an_order_from_verdicts_and_weights_count():
    ensemble = StateRewardEnsemble(SCALE, RewardConfig(members=2, fit_steps=60))
    rng = torch.Generator().manual_seed(0)
    first, second = (torch.randn(60, 5, 4, generator=rng) for _ in range(2))
    mu = (first[..., 2].abs().sum(1) < second[..., 2].abs().sum(1)).float()
    assert ensemble.fit(first, second, mu).loss < 0.35
    upright, leaning = ensemble.predict(torch.stack([still(steps=1)[0], still(angle=0.2, steps=1)[0]]))
    assert upright > leaning
    contrary = StateRewardEnsemble(SCALE, RewardConfig(members=2, fit_steps=60))
    wrong_half = torch.cat([mu[:30], 1 - mu[30:]])
    contrary.fit(first, second, wrong_half, weight=torch.cat([torch.ones(30), torch.zeros(30)]))
    upright, leaning = contrary.predict(torch.stack([still(steps=1)[0], still(angle=0.2, steps=1)[0]]))
    assert upright > leaning
    with pytest.raises(ValueError, match="no preferences to fit"):
        ensemble.fit(first[:0], second[:0], mu[:0])


def test_the_task_draws_and_describes_a_clip():
    task = CartPoleTask(width=40)
    obs = still(x=0.5, steps=4)
    obs[-1, 2] = -0.3
    clip = Segment(obs, torch.zeros(4))
    assert task.frames(clip).shape == (4 + task.hold, 20, 40, 3) and task.frames(clip).dtype == np.uint8
    assert task.alt(clip) == "The cart goes from +0.5 m to +0.5 m, the pole leans by up to 17 degrees, one fall."
    assert falls(clip) and not falls(Segment(still(), torch.zeros(10)))
    assert 25 / task.fps == 2.0


def disagreeing(penalty):
    """Two members that agree about labelled states (0 and 1 in the first number) and not about 4."""
    ensemble = StateRewardEnsemble(torch.ones(1), RewardConfig(members=2, std=1.0, uncertainty_penalty=penalty))
    ensemble.forward = lambda obs: torch.stack([obs[..., 0], torch.where(obs[..., 0] > 2, -1.0, 1.0) * obs[..., 0]])
    ensemble.labelled = ensemble(torch.tensor([[[0.0], [1.0]]]))
    return ensemble.normalized_reward(torch.tensor([[0.0], [1.0], [4.0]]))


def test_where_the_members_disagree_the_reward_is_lower():
    careful, bold = disagreeing(1.0), disagreeing(0.0)
    assert torch.allclose(careful[:2], bold[:2]), "they agree: nothing is taken off"
    assert bold[2] - careful[2] == pytest.approx(4 / 0.5 ** 0.5, rel=1e-4)


def test_one_member_alone_has_nothing_to_disagree_with():
    ensemble = StateRewardEnsemble(torch.ones(4), RewardConfig(members=1, fit_steps=2))
    ensemble.fit(torch.randn(3, 5, 4), torch.randn(3, 5, 4), torch.tensor([1.0, 0.0, 0.5]))
    assert torch.isfinite(ensemble.normalized_reward(torch.randn(2, 4))).all()


def test_a_fall_stays_in_view_for_half_a_second():
    obs = torch.zeros(4, 4)
    obs[1, 2] = 0.3                                                 # the pole is down in the second of four states
    task = CartPoleTask(width=40)
    pictures = task.frames(Segment(obs))
    down = [np.array_equal(picture, pictures[1]) for picture in pictures]
    assert down == [False] + (1 + task.hold) * [True] + 2 * [False]
    assert task.hold / task.fps == pytest.approx(0.5, abs=0.05)
