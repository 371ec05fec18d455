"""The hopper's clips, its synthetic labelers, and its evaluator."""

import numpy as np
import pytest
import torch

from course_lib.hopper.environment import COS_PITCH, FORWARD, HEIGHT, SIN_PITCH, STANDING, UP, VectorHopper
from course_lib.hopper.labelers import (
    BEHAVIOURS,
    backward_turns,
    hopper_labeler,
    in_the_air,
    on_the_floor,
    torso_height,
)
from course_lib.hopper.task import HopperTask, clip_starts, hopper_config, perform
from course_lib.preferences.segments import Segment
from course_lib.rl.networks import DiagonalGaussian


def clip(turns: float = 0.0, height: float = 1.25, steps: int = 75) -> np.ndarray:
    """A hopper that turns backwards at an even speed, its torso at one height: (steps, 12)."""
    obs = np.zeros((steps, 12), dtype=np.float32)
    pitch = -np.linspace(0, 2 * np.pi * turns, steps)
    obs[:, SIN_PITCH], obs[:, COS_PITCH], obs[:, HEIGHT] = np.sin(pitch), np.cos(pitch), height - STANDING
    return obs


@pytest.mark.parametrize("turns", [-2.25, -0.1, 0.0, 0.4, 1.0, 3.6])
def test_turns_are_counted_round_and_round(turns):
    assert backward_turns(clip(turns)) == pytest.approx(turns, abs=1e-4)
    both = np.stack([clip(turns), clip(1.0)])
    assert backward_turns(both) == pytest.approx([turns, 1.0], abs=1e-4)


def test_a_torso_on_the_floor_and_a_foot_in_the_air():
    assert not on_the_floor(clip()).any() and on_the_floor(clip(height=0.2)).all()
    assert not in_the_air(clip()).any() and in_the_air(clip(height=1.4)).all()
    assert torso_height(clip(height=0.8)) == pytest.approx(np.full(75, 0.8))


def ask(labeler, first: np.ndarray, second: np.ndarray) -> float:
    return labeler(*(Segment(torch.from_numpy(obs)) for obs in (first, second)))


def test_the_backflip_labeler_likes_turning_first_and_height_after_it():
    labeler = hopper_labeler("backflip")
    assert ask(labeler, clip(1.0, 0.9), clip(0.0, 1.25)) == 1.0             # a flip beats standing
    assert ask(labeler, clip(0.3, 0.9), clip(0.0, 1.25)) == 1.0             # and so does falling on one's back
    assert ask(labeler, clip(-1.0, 0.9), clip(0.0, 0.9)) == 0.0             # forwards is worse than not at all
    assert ask(labeler, clip(1.0, 1.2), clip(1.0, 0.6)) == 1.0              # alike in turns: the higher one
    assert ask(labeler, clip(1.0, 0.9), clip(1.5, 0.2)) == 1.0              # and in the air rather than on the floor
    assert ask(labeler, clip(1.0, 0.9), clip(1.02, 0.9)) == 0.5             # nearly the same


def test_the_other_behaviours_want_other_things():
    still, away, jump = clip(), clip(), clip(height=1.4)
    away[:, FORWARD] = 0.4                                                  # 2 m/s
    bent = clip()
    bent[:, SIN_PITCH], bent[:, COS_PITCH] = np.sin(np.pi / 3), np.cos(np.pi / 3)
    assert ask(hopper_labeler("front flip"), clip(-1.0, 0.9), clip(1.0, 0.9)) == 1.0
    assert ask(hopper_labeler("hop"), jump, still) == 1.0 and ask(hopper_labeler("hop"), still, away) == 1.0
    assert ask(hopper_labeler("bend"), bent, still) == 1.0 and ask(hopper_labeler("bend"), still, jump) == 0.5
    shaking = bent.copy()
    shaking[:, UP] = 1.0
    assert ask(hopper_labeler("bend"), shaking, bent) == 0.0


def test_an_unknown_behaviour_and_a_labeler_that_errs():
    with pytest.raises(KeyError):
        hopper_labeler("cartwheel")
    wrong = hopper_labeler("backflip", epsilon=0.3)
    turned = [ask(wrong, clip(1 + k / 100, 0.9), clip(0.0)) for k in range(200)]
    assert 0.2 < turned.count(0.0) / 200 < 0.4


def test_clips_lie_inside_episodes():
    ended = np.zeros(256, dtype=bool)
    ended[[9, 159]] = True
    starts = clip_starts(ended, 75)
    assert starts == [10, 85, 160]                                          # 0-9 has no room; 235-255 has none either
    assert clip_starts(ended, 50) == [10, 60, 110, 160]
    assert clip_starts(np.zeros(74, dtype=bool), 75) == []
    assert clip_starts(np.zeros(75, dtype=bool), 75) == [0]
    rng = np.random.default_rng(0)
    for _ in range(200):
        ended = rng.random(rng.integers(1, 300)) < 0.02
        length = int(rng.integers(1, 60))
        starts = clip_starts(ended, length)
        for start in starts:
            assert start + length <= len(ended) and not ended[start:start + length - 1].any()
        assert all(b - a >= length for a, b in zip(starts, starts[1:], strict=False))


def test_the_tasks_clips_show_no_jump_back_to_standing():
    task, config = HopperTask(num_envs=4), hopper_config()
    loop_envs = task.envs()
    trainer = task.trainer(config, task.reward_model(config), [], np.random.default_rng(0))
    rollout, _ = trainer.ppo.collector.collect(256)
    pool = task.cut(rollout, loop_envs, config, np.random.default_rng(0))
    assert rollout.ended.any() and len(pool) >= 4
    for piece in pool:
        assert piece.obs.shape == (75, 12) and piece.actions.shape == (75, 3)
        states = piece.obs.numpy()
        cos_of_step = (states[1:, [SIN_PITCH, COS_PITCH]] * states[:-1, [SIN_PITCH, COS_PITCH]]).sum(axis=1)
        assert np.abs(np.diff(torso_height(states))).max() < 0.3 and cos_of_step.min() > 0.5    # 60 degrees a step


def test_what_a_person_sees_of_a_clip():
    task, segment = HopperTask(width=40), Segment(torch.from_numpy(clip(0.5, 0.9)))
    assert task.frames(segment).shape == (38, 40, 40, 3) and task.fps == 25
    words = task.alt(segment)
    assert "backwards by 0.5 turns" in words and "reward" not in words


class Still(torch.nn.Module):
    """Never moves a motor."""

    def distribution(self, obs):
        return DiagonalGaussian(torch.zeros(*obs.shape[:-1], 3), torch.zeros(3))


def test_the_evaluator_looks_at_fresh_hoppers_for_as_long_as_asked():
    shown = perform(Still(), seconds=1.0, hoppers=3)
    assert shown.states.shape == (51, 3, 12) and shown.turns.shape == (3,)
    assert shown.mean_turns == pytest.approx(shown.turns.mean()) and abs(shown.mean_turns) < 0.3
    assert shown.film(1, 40).shape == (26, 40, 40, 3)
    assert np.isfinite(shown.states).all()


def test_the_learners_clock_is_not_the_world_s_end():
    """PPO bootstraps where the clock cuts an episode off, and no last state counts more than once."""
    task = HopperTask(num_envs=2)
    assert task.boundary is None and task.config().absorbing_steps == 0
    assert isinstance(task.envs(), VectorHopper)


def test_every_behaviour_gives_a_finite_mark_to_a_rollout():
    envs = VectorHopper(2)
    envs.reset(seed=0)
    rng = np.random.default_rng(0)
    states = np.stack([envs.step(rng.uniform(-1, 1, (2, 3)))[0] for _ in range(75)])
    for marks in BEHAVIOURS.values():
        assert np.isfinite(marks(states[:, 0]))
