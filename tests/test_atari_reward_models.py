"""Reward models: the fast way of fitting gives the slow way's numbers; labels teach what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from course_lib.atari.reward_ensemble import AtariRewardEnsemble, FitConfig, Standardizer
from course_lib.atari.reward_models import (
    BinnedReward,
    ObjectReward,
    RowPooledReward,
    SegmentPatches,
    patch_cells,
    patch_codes,
)
from course_lib.labels.records import Preference
from course_lib.preferences.reward_ensemble import Fit
from course_lib.preferences.segments import PreferenceDataset, Segment


def random_frames(segments: int, steps: int, seed: int = 0) -> torch.Tensor:
    """Mostly empty frames, (segments, steps, 2, 40, 40)."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy((rng.random((segments, steps, 2, 40, 40)) < 0.02).astype(np.uint8))


def test_patches_hold_exactly_the_cells():
    obs = random_frames(1, 3)[0]
    unfolded = torch.nn.functional.unfold(obs.float(), 4, stride=2)                 # (3, 32, 361)
    cells = patch_cells(patch_codes(obs.numpy()).reshape(3 * 361)).reshape(3, 361, 32)
    assert torch.equal(cells, unfolded.transpose(1, 2))


def test_prepared_rewards_are_the_convolutions():
    model, obs = RowPooledReward(seed=4), random_frames(5, 7)
    slow = model.rewards(obs)
    fast = model.prepared_rewards(model.gather(model.prepare(list(obs.numpy()))))
    assert slow.shape == fast.shape == (5, 7)
    assert torch.allclose(slow, fast, atol=1e-5)
    assert slow.std() > 1e-3, "all rewards alike: a weak test"


def test_binned_rewards_are_the_same_prepared():
    obs = np.random.default_rng(0).normal(size=(4, 25, 10)).astype(np.float32)
    model = BinnedReward(seed=3)
    prepared = model.prepared_rewards(model.gather(model.prepare(list(obs))))
    assert torch.allclose(prepared, model.rewards(torch.from_numpy(obs)), atol=1e-6)
    assert sum(p.numel() for p in model.parameters()) == 19


def test_the_binned_reward_sees_the_ball_along_the_court_and_no_heights():
    obs = torch.rand(6, 10) * 2 - 1
    obs[:, 0] = 1
    model, other = BinnedReward(seed=0), obs.clone()
    other[:, [2, 3, 4, 6, 7, 8, 9]] = torch.rand(6, 7)
    assert torch.equal(model.rewards(obs), model.rewards(other))
    other[:, 1] = -obs[:, 1]
    assert (model.rewards(obs) != model.rewards(other)).any()


def test_prepared_gradients_are_the_convolutions():
    obs = random_frames(3, 4)
    slow, fast = RowPooledReward(seed=1), RowPooledReward(seed=1)
    (slow.rewards(obs) ** 2).sum().backward()
    (fast.prepared_rewards(fast.gather(fast.prepare(list(obs.numpy())))) ** 2).sum().backward()
    for a, b in zip(slow.parameters(), fast.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=1e-3, atol=1e-4)


def test_an_empty_segment_can_be_prepared():
    empty = np.zeros((2, 2, 40, 40), np.uint8)
    assert len(SegmentPatches.of(empty).code) == 0
    model = RowPooledReward()
    fast = model.prepared_rewards(model.gather(model.prepare([empty])))
    assert torch.allclose(fast, model.rewards(torch.from_numpy(empty))[None], atol=1e-6)


def test_the_reward_does_not_depend_on_height_beyond_the_grid():
    obs = torch.zeros(2, 2, 40, 40, dtype=torch.uint8)
    obs[0, :, 10, 30] = 1
    obs[1, :, 20, 30] = 1
    first, second = RowPooledReward(seed=2).rewards(obs)
    assert first.item() == pytest.approx(second.item(), abs=1e-6)


def test_an_ensemble_differs_within_and_is_fixed_by_its_seed():
    obs = random_frames(2, 5)
    each = AtariRewardEnsemble(RowPooledReward, seed=7)(obs)
    assert each.shape == (3, 2, 5) and not torch.allclose(each[0], each[1])
    assert torch.equal(each, AtariRewardEnsemble(RowPooledReward, seed=7)(obs))
    assert torch.allclose(AtariRewardEnsemble(RowPooledReward, seed=7).predict(obs), each.mean(0))


def labelled(kind: str, count: int, seed: int) -> list[Preference]:
    """Pairs where a ball far left (frames) or feature 1 being negative (objects) is better; other pairs tie."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        good = rng.random(2) < 0.5
        segments = []
        for better in good:
            if kind == "frames":
                obs = np.zeros((6, 2, 40, 40), np.uint8)
                obs[3, 0, rng.integers(40), 2 if better else 37] = 1
            else:
                obs = rng.normal(size=(6, 10)).astype(np.float32)
                obs[:, 0], obs[:, 1] = 1, 0                     # the ball is seen, in the middle
                obs[3, 1] = -1 if better else 1
            segments.append(Segment(torch.from_numpy(obs)))
        mu = 0.5 if good[0] == good[1] else float(good[0])
        pairs.append(Preference(*segments, mu))
    return pairs


def fitted(ensemble: AtariRewardEnsemble, preferences: list[Preference], weight: torch.Tensor | None = None) -> Fit:
    given = PreferenceDataset.of(preferences)
    return ensemble.fit(given.first, given.second, given.mu, weight)


def share_right(ensemble: AtariRewardEnsemble, preferences: list[Preference]) -> float:
    """The share of strict preferences that the ensemble predicts."""
    given = PreferenceDataset.of(preferences)
    first, second = (ensemble.predict(clips).sum(1) for clips in (given.first, given.second))
    return float(((first > second) == (given.mu > 0.5))[given.mu != 0.5].float().mean())


@pytest.mark.parametrize(("kind", "model"), [
    ("frames", RowPooledReward), ("objects", ObjectReward), ("objects", BinnedReward)])
def test_fitting_finds_what_the_labels_prefer(kind, model):
    ensemble = AtariRewardEnsemble(model, FitConfig(members=2, first_steps=150))
    fit = fitted(ensemble, labelled(kind, 80, seed=1))
    assert fit.pairs == 80 and 20 < fit.ties < 60
    assert fit.accuracy == 1.0
    assert share_right(ensemble, labelled(kind, 60, seed=2)) > 0.9


def test_labels_of_little_weight_teach_little():
    """Half of the labels are turned over; with weight 0 they must not matter."""
    right = labelled("objects", 80, seed=1)
    half = [*right[:40], *(replace(p, mu=1 - p.mu) for p in right[40:])]
    ensemble = AtariRewardEnsemble(ObjectReward, FitConfig(members=2, first_steps=150))
    fitted(ensemble, half, torch.cat([torch.ones(40), torch.zeros(40)]))
    assert share_right(ensemble, labelled("objects", 60, seed=2)) > 0.8


def weights_of(ensemble: AtariRewardEnsemble) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in ensemble.parameters()])


def test_fitting_is_the_same_twice_and_after_a_restart():
    """In one go, or from a checkpoint between the rounds: clips are prepared again, draws and optimizers kept."""
    config, rounds, ends = FitConfig(members=2, first_steps=5, steps=3), labelled("frames", 20, seed=1), []
    for restart in (False, False, True):
        ensemble = AtariRewardEnsemble(RowPooledReward, config, seed=3)
        fitted(ensemble, rounds[:12])
        if restart:
            state, ensemble = ensemble.checkpoint(), AtariRewardEnsemble(RowPooledReward, config, seed=3)
            ensemble.restore(state)
        fitted(ensemble, rounds)
        ends.append(weights_of(ensemble))
    assert torch.equal(ends[0], ends[1]) and torch.equal(ends[0], ends[2])


def test_a_label_that_was_changed_later_is_fitted_as_it_is_now():
    config, pairs = FitConfig(members=1, first_steps=60, steps=60), labelled("objects", 30, seed=1)
    ensemble = AtariRewardEnsemble(ObjectReward, config)
    fitted(ensemble, pairs)
    other = labelled("objects", 30, seed=4)
    fitted(ensemble, [pairs[0], *other])                            # all but the first label were taken back
    assert len(ensemble.prepared) == 62
    clips = [clip.obs.numpy() for p in (pairs[0], *other) for clip in (p.sigma1, p.sigma2)]
    afresh = ensemble.kind.gather(ensemble.kind.prepare(clips))
    assert torch.equal(ensemble.kind.gather(ensemble.prepared), afresh)


def test_standardized_rewards_have_the_std_asked_for_whatever_the_units():
    rewards = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
    for scale, shift in ((1.0, 0.0), (40.0, -7.0)):
        out = Standardizer(std=0.15)(rewards * scale + shift)
        assert float(out.mean()) == pytest.approx(0, abs=1e-3) and float(out.std()) == pytest.approx(0.15, rel=1e-2)
    slow = Standardizer(memory=0.95)
    slow(rewards)
    assert float(slow(rewards + 10).mean()) > 1.0, "one odd rollout must not shift the zero at once"
    assert float(Standardizer(limit=0.2)(rewards).max()) <= 0.2 + 1e-6
