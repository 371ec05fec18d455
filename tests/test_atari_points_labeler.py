"""The synthetic labeler sees what a person sees: the ball on the court."""

import numpy as np
import pytest
import torch

from course_lib.atari.encoders import BALL, PongObjects
from course_lib.atari.envs import AtariEnvs
from course_lib.atari.games import PONG, in_colour
from course_lib.atari.synthetic_labelers import PongPointsLabeler, compare_points, points_shown
from course_lib.atari.tasks import TASKS
from course_lib.preferences.segments import Segment


def clip(*ball: int | None) -> np.ndarray:
    """A clip with the ball at these columns; None: no ball."""
    frames = np.full((len(ball), 160, 160), PONG.floor, np.uint8)
    for frame, column in zip(frames, ball, strict=True):
        if column is not None:
            frame[60:64, column:column + 2] = BALL
    return frames


@pytest.mark.parametrize(("ball", "points"), [
    ((30, 20, 10, 4, None, None), (1, 0)),
    ((130, 140, 150, 156, None), (0, 1)),
    ((30, None, 40, 50), (0, 0)),               # flickers in the middle of a rally
    ((None, None, 80, 84), (0, 0)),             # a serve
    ((30, 21, 19, 23, 30), (0, 0)),             # their paddle returns it
    ((8, None, None, 80, 100, 150), (1, 1)),
])
def test_points_are_balls_behind_a_paddle(ball, points):
    assert points_shown(clip(*ball)) == points
    assert points_shown(in_colour(clip(*ball), PONG)) == points


def test_points_seen_on_real_frames_are_the_emulators():
    envs, rng, rewards = AtariEnvs("pong", 8, PongObjects(), keep_frames=True), np.random.default_rng(0), []
    obs, _ = envs.reset(seed=2)
    for _ in range(700):
        follow = np.where(obs[:, 9] < -0.1, 1, np.where(obs[:, 9] > 0.1, 2, 0))
        obs, reward, *_ = envs.step(np.where(rng.random(8) < 0.3, rng.integers(0, 3, 8), follow))
        rewards.append(reward)
    rewards, frames = np.array(rewards), envs.take_frames()
    shown = np.array([points_shown(frames[:, n]) for n in range(8)])
    rewards_shown = np.stack([(rewards > 0).sum(axis=0), (rewards < 0).sum(axis=0)], axis=1)
    assert rewards_shown[:, 0].sum() >= 5 and rewards_shown[:, 1].sum() >= 20, "a weak sample"
    assert np.abs(shown - rewards_shown).max() <= 1                  # a ball on its way out when the film ends
    assert np.abs(shown - rewards_shown).sum() <= 3


def test_verdicts_and_the_tally_of_ties():
    won, lost, nothing = (Segment(torch.zeros(1), frames=clip(*ball))
                          for ball in ((30, 4, None), (140, 156, None), (80, 84, 88)))
    labeler = PongPointsLabeler()
    assert [labeler(won, lost), labeler(lost, nothing), labeler(nothing, nothing)] == [1.0, 0.0, 0.5]
    assert labeler.ties == 1 and labeler.source == "scripted"
    assert compare_points(nothing, lost) == 1.0


def test_wrong_verdicts_come_at_the_stated_rate():
    nothing = Segment(torch.zeros(1), frames=clip(80, 84))
    labeler = PongPointsLabeler(wrong=0.25, seed=1)
    for _ in range(2000):
        labeler(nothing, nothing)
    assert 0.22 < 1 - labeler.ties / 2000 < 0.28


def test_a_clip_for_people_has_the_games_colours_and_no_pictures_means_a_sentence():
    task, shown_clip = TASKS["pong frames"], Segment(torch.zeros(1), frames=clip(80))
    shown = task.frames(shown_clip)
    assert shown.shape == (1, 320, 320, 3)
    assert tuple(shown[0, 0, 0]) == (144, 72, 17) and tuple(shown[0, 122, 161]) == (236, 236, 236)
    with pytest.raises(ValueError, match="dropped after it was asked about"):
        task.frames(shown_clip.without_frames())
